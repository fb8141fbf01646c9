// Expressions of the syntax tree.
// The grammar lists operands and operators flat; here they get their
// precedence. From loose to tight:
//   with, up < where < or < and < not < == != < <= > >= in subset < at
//   < .. < ?? < ++ < + - < * / @ < unary - + < ^ < old < . () []
// All associate to the left except ^ and ??; comparisons do not chain.
#include "Builder.h"
#include "Units.h"
#include <optional>

using namespace route;
using namespace route::ast;

namespace {

struct BinaryInfo {
  BinaryOp op;
  int precedence;
  bool rightAssociative = false;
};

constexpr int comparison = 4, notLevel = 3, unaryLevel = 6, oldLevel = 9;

std::optional<BinaryInfo> conditionOperator(size_t kind) {
  using P = grammar::RouteParser;
  switch (kind) {
  case P::OR:
    return {{BinaryOp::Or, 1}};
  case P::AND:
    return {{BinaryOp::And, 2}};
  case P::EQ:
    return {{BinaryOp::Eq, comparison}};
  case P::NE:
    return {{BinaryOp::Ne, comparison}};
  case P::LT:
    return {{BinaryOp::Lt, comparison}};
  case P::LE:
    return {{BinaryOp::Le, comparison}};
  case P::GT:
    return {{BinaryOp::Gt, comparison}};
  case P::GE:
    return {{BinaryOp::Ge, comparison}};
  case P::IN:
    return {{BinaryOp::In, comparison}};
  case P::SUBSET:
    return {{BinaryOp::Subset, comparison}};
  case P::AT:
    return {{BinaryOp::At, 5}};
  default:
    return std::nullopt;
  }
}

BinaryInfo arithmeticOperator(size_t kind) {
  using P = grammar::RouteParser;
  switch (kind) {
  case P::RANGE:
    return {BinaryOp::Range, 1};
  case P::COALESCE:
    return {BinaryOp::Coalesce, 2, true};
  case P::CONCAT:
    return {BinaryOp::Concat, 3};
  case P::PLUS:
    return {BinaryOp::Add, 4};
  case P::MINUS:
    return {BinaryOp::Sub, 4};
  case P::STAR:
    return {BinaryOp::Mul, 5};
  case P::SLASH:
    return {BinaryOp::Div, 5};
  case P::CONTRACT:
    return {BinaryOp::MatMul, 5};
  default:
    return {BinaryOp::Pow, 7, true};
  }
}

bool isComparison(BinaryOp op) {
  return op >= BinaryOp::Eq && op <= BinaryOp::Subset;
}

/// Operator precedence with two explicit stacks.
class Precedence {
public:
  explicit Precedence(DiagnosticEngine &diags) : diags(diags) {}

  void prefix(UnaryOp op, int precedence, SourceRange range) {
    pending.push_back({range, precedence, op, std::nullopt});
  }
  void operand(ExprPtr e) { operands.push_back(std::move(e)); }
  void binary(BinaryInfo info, SourceRange range) {
    while (!pending.empty() && (pending.back().precedence > info.precedence ||
                                (pending.back().precedence == info.precedence &&
                                 !info.rightAssociative)))
      apply();
    pending.push_back({range, info.precedence, std::nullopt, info.op});
  }
  ExprPtr finish() {
    while (!pending.empty())
      apply();
    return std::move(operands.back());
  }

private:
  struct Operator {
    SourceRange range;
    int precedence;
    std::optional<UnaryOp> unary;
    std::optional<BinaryOp> binary;
  };
  void apply() {
    Operator top = pending.back();
    pending.pop_back();
    ExprPtr rhs = std::move(operands.back());
    operands.pop_back();
    if (top.unary) {
      auto node = std::make_unique<UnaryExpr>();
      node->op = *top.unary;
      node->range = top.range.to(rhs->range);
      node->operand = std::move(rhs);
      operands.push_back(std::move(node));
      return;
    }
    auto node = std::make_unique<BinaryExpr>();
    node->op = *top.binary;
    node->opRange = top.range;
    node->lhs = std::move(operands.back());
    operands.pop_back();
    node->rhs = std::move(rhs);
    node->range = node->lhs->range.to(node->rhs->range);
    auto *inner = llvm::dyn_cast<BinaryExpr>(node->lhs.get());
    if (inner && isComparison(inner->op) && isComparison(node->op))
      diags
          .report(diag::chainedComparison, node->opRange,
                  "a comparison cannot follow a comparison")
          .label(inner->opRange, "the first one")
          .note("join two comparisons with 'and'");
    operands.push_back(std::move(node));
  }
  DiagnosticEngine &diags;
  std::vector<ExprPtr> operands;
  std::vector<Operator> pending;
};

antlr4::tree::TerminalNode *terminal(antlr4::tree::ParseTree *node) {
  return dynamic_cast<antlr4::tree::TerminalNode *>(node);
}

} // namespace

ExprPtr Builder::missing(SourceRange range) {
  auto node = std::make_unique<NoneExpr>();
  node->range = range;
  return node;
}

ExprPtr Builder::ascending(ExprPtr operand, antlr4::tree::TerminalNode *up) {
  if (!up)
    return operand;
  auto node = std::make_unique<UnaryExpr>();
  node->op = UnaryOp::Up;
  node->range = operand->range.to(range(up->getSymbol()));
  node->operand = std::move(operand);
  return node;
}

ExprPtr Builder::expr(P::ExprContext *ctx, Return mayReturn) {
  if (!ctx)
    return nullptr;
  std::vector<P::CondContext *> parts = ctx->cond();
  Depth guard(*this, unsigned(parts.size()));
  if (tooDeep(ctx))
    return missing(range(ctx));
  ExprPtr result = cond(parts.front(), mayReturn);
  for (size_t i = 1; i < parts.size(); ++i) {
    auto node = std::make_unique<BinaryExpr>();
    node->op = BinaryOp::Where;
    node->opRange = range(ctx->WHERE(i - 1)->getSymbol());
    node->lhs = std::move(result);
    node->rhs = cond(parts[i]);
    node->range = node->lhs->range.to(node->rhs->range);
    result = std::move(node);
  }
  result = ascending(std::move(result), ctx->UP());
  if (ctx->WITH()) {
    auto node = make<WithExpr>(ctx);
    node->value = std::move(result);
    node->notes = fields(ctx->braces()->braceItem());
    result = std::move(node);
  }
  return result;
}

ExprPtr Builder::cond(P::CondContext *ctx, Return mayReturn) {
  if (!ctx)
    return nullptr;
  if (ctx->children.size() == 1)
    return arith(ctx->arith(0), mayReturn);
  Depth guard(*this, unsigned(ctx->children.size() / 2 + 1));
  if (tooDeep(ctx))
    return missing(range(ctx));
  Precedence stack(diags);
  for (antlr4::tree::ParseTree *child : ctx->children) {
    if (antlr4::tree::TerminalNode *word = terminal(child)) {
      stack.prefix(UnaryOp::Not, notLevel, range(word->getSymbol()));
    } else if (auto *part = dynamic_cast<P::ArithContext *>(child)) {
      stack.operand(arith(part));
    } else {
      auto *op = static_cast<P::CondOpContext *>(child);
      stack.binary(*conditionOperator(op->getStart()->getType()), range(op));
    }
  }
  return stack.finish();
}

ExprPtr Builder::arith(P::ArithContext *ctx, Return mayReturn) {
  if (!ctx)
    return nullptr;
  Depth guard(*this, unsigned(ctx->children.size() / 2 + 1));
  if (tooDeep(ctx))
    return missing(range(ctx));
  Precedence stack(diags);
  bool single = ctx->children.size() == 1, afterCoalesce = false;
  for (antlr4::tree::ParseTree *child : ctx->children) {
    if (auto *op = dynamic_cast<P::ArithOpContext *>(child)) {
      BinaryInfo info = arithmeticOperator(op->getStart()->getType());
      stack.binary(info, range(op));
      afterCoalesce = info.op == BinaryOp::Coalesce;
      continue;
    }
    auto *operand = static_cast<P::OperandContext *>(child);
    size_t prefixes = 0;
    for (; antlr4::tree::TerminalNode *sign =
               terminal(operand->children[prefixes]);
         ++prefixes) {
      size_t kind = sign->getSymbol()->getType();
      if (kind == P::OLD)
        stack.prefix(UnaryOp::Old, oldLevel, range(sign->getSymbol()));
      else
        stack.prefix(kind == P::PREFIX_MINUS ? UnaryOp::Neg : UnaryOp::Plus,
                     unaryLevel, range(sign->getSymbol()));
    }
    Depth signs(*this, unsigned(prefixes));
    if (tooDeep(operand)) {
      stack.operand(missing(range(operand)));
      continue;
    }
    if (P::FormContext *inner = operand->form()) {
      bool allowed =
          prefixes == 0 &&
          (afterCoalesce || (single && mayReturn == Return::Allowed));
      stack.operand(
          form(*inner, allowed ? Return::Allowed : Return::Forbidden));
    } else {
      std::vector<P::PostfixContext *> suffixes = operand->postfix();
      Depth levels(*this, unsigned(suffixes.size()));
      stack.operand(tooDeep(operand)
                        ? missing(range(operand))
                        : postfix(atom(*operand->atom()), suffixes));
    }
  }
  return stack.finish();
}

ExprPtr Builder::atom(P::AtomContext &ctx) {
  antlr4::Token *start = ctx.getStart();
  switch (start->getType()) {
  case P::ID: {
    auto node = make<NameExpr>(&ctx);
    node->name = name(start);
    return node;
  }
  case P::NUMBER: {
    auto node = make<NumberExpr>(&ctx);
    std::string reason;
    if (!parseNumber(text(start), *node, reason)) {
      llvm::StringRef spelling = text(start);
      diags
          .report(
              diag::badNumber, range(start),
              "malformed number '" +
                  (spelling.size() > 40 ? spelling.take_front(40) : spelling) +
                  "'")
          .note(reason);
    }
    return node;
  }
  case P::STRING:
    return string(ctx.STRING());
  case P::TRUE:
  case P::FALSE: {
    auto node = make<BoolExpr>(&ctx);
    node->value = start->getType() == P::TRUE;
    return node;
  }
  case P::NONE:
    return make<NoneExpr>(&ctx);
  case P::UNKNOWN:
    return make<UnknownExpr>(&ctx);
  default:
    break;
  }
  if (ctx.GROUP_BRACKET()) {
    auto node = make<ListExpr>(&ctx);
    for (P::EntryContext *entry : ctx.entry()) {
      Arg arg{name(entry->columnName()), nullptr};
      if (P::BoundContext *bound = entry->bound()) {
        auto partial = make<PartialExpr>(entry);
        partial->op = conditionOperator(bound->getStart()->getType())->op;
        partial->rhs = arith(entry->arith());
        partial->range = range(bound).to(partial->rhs->range);
        arg.value = std::move(partial);
      } else {
        arg.value = expr(entry->expr());
      }
      node->entries.push_back(std::move(arg));
    }
    return node;
  }
  std::vector<P::ExprContext *> parts = ctx.expr();
  if (parts.size() == 1 && ctx.COMMA().empty()) {
    auto node = make<ParenExpr>(&ctx);
    node->inner = expr(parts.front());
    return node;
  }
  auto node = make<TupleExpr>(&ctx);
  for (P::ExprContext *part : parts)
    node->elements.push_back(expr(part));
  return node;
}

ExprPtr Builder::postfix(ExprPtr base,
                         const std::vector<P::PostfixContext *> &list) {
  for (P::PostfixContext *suffix : list) {
    SourceRange whole = base->range.to(range(suffix));
    if (suffix->columnName()) {
      auto node = std::make_unique<MemberExpr>();
      node->base = std::move(base);
      node->member = name(suffix->columnName());
      base = std::move(node);
    } else if (suffix->arguments()) {
      base = call(std::move(base), *suffix->arguments());
    } else {
      auto node = std::make_unique<IndexExpr>();
      node->base = std::move(base);
      for (P::IndexArgContext *arg : suffix->indexArg()) {
        IndexArg entry{name(arg->columnName()), expr(arg->expr()), Name()};
        if (arg->AS())
          entry.rename = name(arg->ID());
        node->args.push_back(std::move(entry));
      }
      base = std::move(node);
    }
    base->range = whole;
  }
  return base;
}

ExprPtr Builder::call(ExprPtr callee, P::ArgumentsContext &ctx) {
  auto node = std::make_unique<CallExpr>();
  node->callee = std::move(callee);
  for (P::ArgumentContext *arg : ctx.argument()) {
    Arg entry{name(arg->columnName()), expr(arg->expr())};
    node->args.push_back(std::move(entry));
    antlr4::tree::TerminalNode *keyword = nullptr;
    for (antlr4::tree::ParseTree *child : arg->children) {
      if (antlr4::tree::TerminalNode *word = terminal(child)) {
        keyword = word;
        continue;
      }
      if (auto *within = dynamic_cast<P::CondContext *>(child)) {
        if (once(node->of != nullptr, keyword))
          node->of = cond(within);
        continue;
      }
      auto *value = dynamic_cast<P::ArithContext *>(child);
      if (!value)
        continue;
      switch (keyword->getSymbol()->getType()) {
      case P::OVER:
        if (once(!node->over.empty(), keyword))
          node->over = list(value);
        break;
      case P::PER:
        if (once(!node->per.empty(), keyword))
          node->per = list(value);
        break;
      }
    }
  }
  return node;
}

std::vector<Arg> Builder::plainArguments(P::ArgumentsContext *ctx) {
  std::vector<Arg> result;
  if (!ctx)
    return result;
  for (P::ArgumentContext *arg : ctx->argument()) {
    antlr4::ParserRuleContext *clause = arg->cond();
    if (!arg->arith().empty())
      clause = arg->arith(0);
    if (clause)
      diags.report(diag::unexpectedToken, range(clause),
                   "a reduction clause stands in a call only");
    result.push_back({name(arg->columnName()), expr(arg->expr())});
  }
  return result;
}

std::vector<ExprPtr> Builder::list(P::ArithContext *ctx) {
  std::vector<ExprPtr> result;
  ExprPtr value = arith(ctx);
  if (auto *tuple = llvm::dyn_cast_or_null<TupleExpr>(value.get()))
    result = std::move(tuple->elements);
  else if (auto *paren = llvm::dyn_cast_or_null<ParenExpr>(value.get()))
    result.push_back(std::move(paren->inner));
  else if (value)
    result.push_back(std::move(value));
  return result;
}

std::vector<ExprPtr> Builder::expressions(P::ExpressionsContext *ctx) {
  std::vector<ExprPtr> result;
  for (P::ExprContext *each : ctx->expr())
    result.push_back(expr(each));
  return result;
}

std::vector<ExprPtr> Builder::budgets(P::BudgetsContext *ctx) {
  std::vector<ExprPtr> result;
  if (ctx)
    for (P::ArithContext *each : ctx->arith())
      result.push_back(arith(each));
  return result;
}
