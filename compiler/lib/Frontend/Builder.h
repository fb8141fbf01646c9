// Parse tree to syntax tree.
// Turns the parse tree of one declaration into AST nodes: applies operator
// precedence, tells blocks from literals, and checks what the grammar leaves
// open. Private to the front end.
#ifndef ROUTE_LIB_FRONTEND_BUILDER_H
#define ROUTE_LIB_FRONTEND_BUILDER_H

#include "RouteParser.h"
#include "route/AST/AST.h"
#include "route/Diagnostics/Diagnostic.h"

namespace route {

class Builder {
public:
  using P = grammar::RouteParser;
  Builder(const SourceManager &sources, FileId file, DiagnosticEngine &diags)
      : sources(sources), file(file), diags(diags) {}

  void addDeclarations(P::DeclarationContext &ctx,
                       std::vector<ast::DeclPtr> &out);

private:
  // Small things (Builder.cpp).
  SourceRange range(antlr4::ParserRuleContext *ctx) const;
  SourceRange range(antlr4::Token *token) const;
  llvm::StringRef text(antlr4::Token *token) const {
    return sources.text(range(token));
  }
  ast::Name name(antlr4::Token *token);
  ast::Name name(antlr4::tree::TerminalNode *node) {
    return node ? name(node->getSymbol()) : ast::Name();
  }
  ast::Name name(P::ColumnNameContext *ctx) {
    return ctx ? name(ctx->getStart()) : ast::Name();
  }
  std::vector<ast::Name>
  names(const std::vector<antlr4::tree::TerminalNode *> &nodes);
  std::unique_ptr<ast::StringExpr> string(antlr4::tree::TerminalNode *node);
  std::string unescape(llvm::StringRef body, uint32_t at);
  /// Reports a second clause when `taken`; the clause is named by its keyword.
  bool once(bool taken, antlr4::tree::ParseTree *keyword,
            llvm::StringRef note = "");
  /// Reports what stands twice among names that are declared side by side.
  void checkDistinct(llvm::ArrayRef<ast::Name> names);
  void checkDistinct(const std::vector<ast::ColumnPtr> &columns,
                     const std::vector<ast::Name> &before = {});

  template <typename NodeT>
  std::unique_ptr<NodeT> make(antlr4::ParserRuleContext *ctx) {
    auto node = std::make_unique<NodeT>();
    node->range = range(ctx);
    return node;
  }

  // Declarations (BuildDecls.cpp, BuildPools.cpp).
  template <typename NodeT>
  std::vector<std::unique_ptr<NodeT>>
  valueDecls(const std::vector<ast::ColumnPtr> &columns);
  void axes(P::AxisDeclContext &ctx, std::vector<ast::DeclPtr> &out);
  void signals(P::SignalDeclContext &ctx, std::vector<ast::DeclPtr> &out);
  void params(P::ParamDeclContext &ctx, std::vector<ast::DeclPtr> &out);
  void states(P::StateDeclContext &ctx, std::vector<ast::DeclPtr> &out);
  void lets(P::LetDeclContext &ctx, std::vector<ast::DeclPtr> &out);
  ast::DeclPtr import(P::ImportDeclContext &ctx);
  ast::DeclPtr route(P::RouteDeclContext &ctx);
  ast::DeclPtr budget(P::BudgetDeclContext &ctx);
  ast::DeclPtr require(P::RequireDeclContext &ctx);
  ast::DeclPtr handler(P::OnDeclContext &ctx);
  ast::DeclPtr test(P::TestDeclContext &ctx);
  ast::DeclPtr pool(P::PoolDeclContext &ctx);
  void poolItem(P::PoolItemContext &ctx, ast::PoolDecl &pool);
  void poolClause(P::PoolClauseContext &ctx, ast::PoolDecl &pool);
  ast::ColumnPtr column(P::ColumnContext &ctx);
  /// Reports what only live attributes, or what only parameters and state, say.
  void checkColumn(const ast::ColumnDecl &column, bool live, bool stored);
  /// A column without type gets that of the next one: `wi, wh : f32[code]`.
  std::vector<ast::ColumnPtr> columns(P::ColumnsContext *ctx, bool shareTypes);
  std::vector<ast::ColumnPtr> columns(P::ColumnBracesContext *ctx);
  std::vector<ast::ColumnPtr>
  parameters(P::ParametersContext *ctx,
             const std::vector<ast::Name> &before = {});
  std::unique_ptr<ast::RuleDecl> rule(P::RuleDeclContext &ctx);

  // Types (BuildTypes.cpp).
  ast::TypePtr type(P::TypeContext *ctx);
  ast::TypePtr baseType(P::BaseTypeContext &ctx);
  ast::TypePtr namedType(P::BaseTypeContext &ctx);
  ast::Dim dim(P::DimContext &ctx);

  // Statements and braces (BuildStmts.cpp).
  using Items = std::vector<P::BraceItemContext *>;
  std::unique_ptr<ast::BlockStmt> block(P::BracesContext *ctx) {
    return block(ctx, ctx->braceItem());
  }
  std::unique_ptr<ast::BlockStmt> block(antlr4::ParserRuleContext *ctx,
                                        const Items &items);
  void addStatement(P::StatementContext &ctx, std::vector<ast::StmtPtr> &out);
  ast::StmtPtr simple(P::SimpleContext &ctx);
  /// Reports values that nothing uses.
  void checkUnused(const ast::BlockStmt &block);
  ast::StmtPtr expressionStatement(P::ExprContext &ctx);
  void answer(P::AnswerContext *ctx, ast::Expr *call);
  ast::StmtPtr assignment(P::SimpleContext &ctx);
  ast::StmtPtr ifStatement(P::IfFormContext &ctx);
  ast::ExprPtr braceLiteral(P::LiteralContext &ctx);
  /// Entries `name: value`; a statement among them is an error.
  std::vector<ast::Arg> fields(const Items &items);
  std::vector<ast::TestDecl::Input> inputs(P::BracesContext &ctx);
  static bool hasCommas(const Items &items);

  // Expressions (BuildExprs.cpp).
  enum class Return { Forbidden, Allowed };
  ast::ExprPtr expr(P::ExprContext *ctx, Return mayReturn = Return::Forbidden);
  ast::ExprPtr cond(P::CondContext *ctx, Return mayReturn = Return::Forbidden);
  ast::ExprPtr arith(P::ArithContext *ctx,
                     Return mayReturn = Return::Forbidden);
  ast::ExprPtr atom(P::AtomContext &ctx);
  ast::ExprPtr postfix(ast::ExprPtr base,
                       const std::vector<P::PostfixContext *> &list);
  ast::ExprPtr call(ast::ExprPtr callee, P::ArgumentsContext &ctx);
  std::vector<ast::Arg> plainArguments(P::ArgumentsContext *ctx);
  /// A parenthesised list as several expressions, anything else as one.
  std::vector<ast::ExprPtr> list(P::ArithContext *ctx);
  std::vector<ast::ExprPtr> expressions(P::ExpressionsContext *ctx);
  std::vector<ast::ExprPtr> budgets(P::BudgetsContext *ctx);
  ast::ExprPtr ascending(ast::ExprPtr operand, antlr4::tree::TerminalNode *up);
  ast::ExprPtr missing(SourceRange range);

  // Forms (BuildForms.cpp).
  ast::ExprPtr form(P::FormContext &ctx, Return mayReturn);
  ast::ExprPtr ifValue(P::IfFormContext &ctx);
  ast::ExprPtr caseValue(P::CaseFormContext &ctx);
  ast::CaseArm arm(P::ArmContext &ctx);
  ast::ExprPtr choose(P::ChooseFormContext &ctx);
  void count(P::CountContext &ctx, ast::ChooseExpr &node);
  void chooseClause(P::ChooseClauseContext &ctx, ast::ChooseExpr &node);
  ast::ExprPtr loop(P::ForFormContext &ctx);
  void loopHead(ast::ExprPtr head, ast::ForExpr &node);
  ast::ExprPtr callOut(P::CallFormContext &ctx);
  /// The form that an expression consists of, or null.
  static P::FormContext *soleForm(P::ExprContext &ctx);

  /// Accounts for levels of the tree about to be built; false when too deep.
  struct Depth {
    Depth(Builder &builder, unsigned levels)
        : builder(builder), levels(levels) {
      builder.depth += levels;
    }
    ~Depth() { builder.depth -= levels; }
    Builder &builder;
    unsigned levels;
  };
  bool tooDeep(antlr4::ParserRuleContext *ctx);

  const SourceManager &sources;
  FileId file;
  DiagnosticEngine &diags;
  unsigned depth = 0;
  bool reportedDepth = false;
};

} // namespace route

#endif
