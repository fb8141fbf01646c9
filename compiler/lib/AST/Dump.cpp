// The syntax tree as text.
// `--emit=ast`: one node a line, children below with the label of their slot.
// Positions are left out so that formatting a file does not change its dump.
#include "route/AST/Visitor.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/raw_ostream.h"

using namespace route;
using namespace route::ast;

namespace {

class Dumper : public Visitor<Dumper> {
public:
  explicit Dumper(llvm::raw_ostream &os) : os(os) {}

  void dump(const Node *node, llvm::StringRef label = "") {
    if (!node)
      return;
    line(label) << kindName(node->kind());
    ++depth;
    pending = true;
    visit(*node);
    endLine();
    --depth;
  }

  // Types.
  void visitNamedType(const NamedType &t) { detail(dotted(t.path)); }
  void visitUnitType(const UnitType &t) {
    detail(t.denominator ? t.numerator.text + "/" + t.denominator.text
                         : t.numerator.text);
  }
  void visitArrayType(const ArrayType &t) {
    dump(t.element.get());
    for (const Dim &dim : t.dims)
      dumpDim(dim);
  }
  void visitEnumType(const EnumType &t) {
    detail(t.name.text);
    names("members", t.members);
  }
  void visitListType(const ListType &t) { dump(t.element.get()); }
  void visitRefType(const RefType &t) { dump(t.target.get()); }
  void visitSetType(const SetType &t) {
    detail(t.policy.text);
    dump(t.element.get());
    dump(t.capacity.get(), "max");
  }
  void visitOptionalType(const OptionalType &t) { dump(t.element.get()); }
  void visitRecordType(const RecordType &t) { each(t.fields); }
  void visitTupleType(const TupleType &t) { each(t.elements); }

  // Expressions.
  void visitNumberExpr(const NumberExpr &e) {
    detail(e.digits);
    if (e.mulNum != 1)
      detail("* " + std::to_string(e.mulNum));
    if (e.mulDen != 1)
      detail("/ " + std::to_string(e.mulDen));
    if (e.hasUnit())
      detail(e.per.empty() ? e.unit : e.unit + "/" + e.per);
  }
  void visitStringExpr(const StringExpr &e) {
    os << ' ' << (e.raw ? "r" : "") << '"';
    os.write_escaped(e.value) << '"';
  }
  void visitBoolExpr(const BoolExpr &e) { detail(e.value ? "true" : "false"); }
  void visitNameExpr(const NameExpr &e) { detail(e.name.text); }
  void visitMemberExpr(const MemberExpr &e) {
    detail("." + e.member.text);
    dump(e.base.get());
  }
  void visitCallExpr(const CallExpr &e) {
    dump(e.callee.get());
    args("arg", e.args);
    each(e.over, "over");
    dump(e.of.get(), "of");
    each(e.per, "per");
  }
  void visitIndexExpr(const IndexExpr &e) {
    dump(e.base.get());
    for (const IndexArg &arg : e.args) {
      std::string label = arg.name ? "at " + arg.name.text : "at";
      if (arg.rename)
        label += " as " + arg.rename.text;
      dump(arg.value.get(), label);
    }
  }
  void visitUnaryExpr(const UnaryExpr &e) {
    detail(spelling(e.op));
    dump(e.operand.get());
  }
  void visitBinaryExpr(const BinaryExpr &e) {
    detail(spelling(e.op));
    dump(e.lhs.get());
    dump(e.rhs.get());
  }
  void visitPartialExpr(const PartialExpr &e) {
    detail(spelling(e.op));
    dump(e.rhs.get());
  }
  void visitParenExpr(const ParenExpr &e) { dump(e.inner.get()); }
  void visitTupleExpr(const TupleExpr &e) { each(e.elements); }
  void visitListExpr(const ListExpr &e) { args("entry", e.entries); }
  void visitSetExpr(const SetExpr &e) { each(e.elements); }
  void visitRecordExpr(const RecordExpr &e) { args("field", e.fields); }
  void visitIfExpr(const IfExpr &e) {
    dump(e.cond.get(), "if");
    dump(e.thenValue.get(), "then");
    dump(e.elseValue.get(), "else");
  }
  void visitCaseExpr(const CaseExpr &e) {
    static constexpr llvm::StringLiteral forms[] = {"test", "ok", "failed",
                                                    "known", "otherwise"};
    dump(e.subject.get(), "subject");
    for (const CaseArm &arm : e.arms) {
      line("arm") << forms[unsigned(arm.form)]
                  << (arm.binder ? " " + arm.binder.text : "");
      ++depth;
      pending = true;
      dump(arm.test.get(), "when");
      dump(arm.value.get());
      dump(arm.body.get());
      endLine();
      --depth;
    }
  }
  void visitChooseExpr(const ChooseExpr &e) {
    static constexpr llvm::StringLiteral forms[] = {"",       "all",  "until",
                                                    "listed", "path", "first"};
    detail(forms[unsigned(e.countForm)]);
    dump(e.count.get(), "count");
    dump(e.from.get(), "from");
    dump(e.to.get(), "to");
    dump(e.candidates.get(), "of");
    each(e.per, "per");
    dump(e.where.get(), "where");
    each(e.under, "under");
    dump(e.key.get(), "by");
    dump(e.weight.get(), "weight");
    dump(e.weightType.get(), "weight type");
    each(e.rules);
    dump(e.otherwise.get(), "else");
  }
  void visitForExpr(const ForExpr &e) {
    names("binder", e.binders);
    dump(e.domain.get(), "in");
    dump(e.key.get(), "by");
    for (const Binding &binding : e.carry)
      dump(binding.value.get(), "carry " + binding.name.text);
    dump(e.until.get(), "until");
    dump(e.body.get());
  }
  void visitCallOutExpr(const CallOutExpr &e) {
    dump(e.call.get());
    dump(e.timeout.get(), "timeout");
    dump(e.result.get(), "result");
  }
  void visitParExpr(const ParExpr &e) {
    dump(e.count.get(), "count");
    dump(e.body.get());
    dump(e.need.get(), "need");
  }
  void visitWithExpr(const WithExpr &e) {
    dump(e.value.get());
    args("note", e.notes);
  }
  void visitReturnExpr(const ReturnExpr &e) { dump(e.value.get()); }

  // Statements.
  void visitBlockStmt(const BlockStmt &s) { each(s.stmts); }
  void visitExprStmt(const ExprStmt &s) { dump(s.value.get()); }
  void visitAssignStmt(const AssignStmt &s) {
    detail(spelling(s.op));
    dump(s.target.get());
    dump(s.value.get());
  }
  void visitReturnStmt(const ReturnStmt &s) { dump(s.value.get()); }
  void visitIfStmt(const IfStmt &s) {
    dump(s.cond.get(), "if");
    dump(s.thenBlock.get(), "then");
    dump(s.elseStmt.get(), "else");
  }
  void visitNoteStmt(const NoteStmt &s) {
    detail(s.name.text);
    args("arg", s.args);
  }
  void visitEmitStmt(const EmitStmt &s) {
    detail(s.name.text);
    dump(s.value.get());
  }
  void visitKeepStmt(const KeepStmt &s) { each(s.values); }
  void visitExpectStmt(const ExpectStmt &s) { dump(s.cond.get()); }
  void visitDeclStmt(const DeclStmt &s) { dump(s.decl.get()); }

  // Declarations.
  void visitImportDecl(const ImportDecl &d) {
    detail(dotted(d.path));
    if (d.alias)
      detail("as " + d.alias.text);
    dump(d.file.get(), "file");
    for (const ImportDecl::Item &item : d.items)
      line("item") << item.name.text
                   << (item.alias ? " as " + item.alias.text : "");
  }
  void visitColumnDecl(const ColumnDecl &d) {
    static constexpr llvm::StringLiteral attrs[] = {"", "attr", "const", "live",
                                                    "state"};
    detail(attrs[unsigned(d.attr)]);
    detail(d.trusted ? "trusted" : "");
    detail(d.name.text);
    dump(d.type.get(), "type");
    dump(d.init.get(), "init");
    dump(d.stale.get(), "stale");
    dump(d.fallback.get(), "else");
    dump(d.source.get(), "from");
  }
  void visitAxisDecl(const AxisDecl &d) {
    detail(d.name.text);
    detail(d.parent ? "in " + d.parent.text : "");
    dump(d.size.get(), "size");
    each(d.columns);
    names("members", d.members);
  }
  void visitBodyDecl(const BodyDecl &d) {
    detail(d.name.text);
    each(d.params, "param");
    dump(d.result.get(), "result");
  }
  void visitMemberDecl(const MemberDecl &d) {
    detail(d.name.text);
    dump(d.size.get(), "size");
    dump(d.value.get(), "value");
    args("field", d.fields);
  }
  void visitPoolDecl(const PoolDecl &d) {
    detail(d.name.text);
    detail(d.parent ? "in " + d.parent.text : "");
    detail(d.sizeForm == PoolDecl::Size::Dynamic ? "dynamic" : "");
    dump(d.size.get(), d.sizeForm == PoolDecl::Size::Max ? "max" : "size");
    dump(d.value.get(), "value");
    each(d.attributes);
    each(d.bodies);
    each(d.members);
    each(d.indexes, "index");
    dump(d.expire.get(), "expire");
    dump(d.quota.get(), "quota");
    each(d.quotaPer, "quota per");
    if (d.evict)
      line("evict") << d.evict.text;
    each(d.decls);
  }
  void visitSignalDecl(const SignalDecl &d) {
    detail(d.name.text);
    dump(d.type.get(), "type");
    dump(d.value.get(), "value");
    dump(d.timeout.get(), "timeout");
    dump(d.fallback.get(), "else");
  }
  void visitParamDecl(const ParamDecl &d) {
    detail(d.name.text);
    dump(d.type.get(), "type");
    dump(d.init.get(), "init");
    dump(d.source.get(), "from");
  }
  void visitStateDecl(const StateDecl &d) {
    detail(d.name.text);
    detail(d.policy.text);
    dump(d.type.get(), "type");
    dump(d.init.get(), "init");
    dump(d.source.get(), "from");
    dump(d.capacity.get(), "max");
  }
  void visitLetDecl(const LetDecl &d) {
    for (const Name &name : d.names)
      detail(name.text);
    detail(d.exact ? "exact" : "");
    detail(d.isFunction ? "function" : "");
    each(d.params, "param");
    dump(d.type.get(), "type");
    dump(d.value.get(), "value");
  }
  void visitRouteDecl(const RouteDecl &d) {
    detail(d.name.text);
    detail(d.isRouter ? "router" : "");
    names("axes", d.axisParams);
    each(d.params, "param");
    dump(d.result.get(), "result");
    each(d.under, "under");
    dump(d.value.get(), "value");
    dump(d.body.get());
  }
  void visitUseDecl(const UseDecl &d) {
    detail(d.name.text);
    dump(d.value.get());
  }
  void visitBudgetDecl(const BudgetDecl &d) {
    detail(d.name.text);
    dump(d.reserve.get(), "reserve");
    dump(d.charge.get(), "charge");
    each(d.per, "per");
    if (d.window)
      line("window") << d.window.text;
    dump(d.windowLength.get(), "length");
    dump(d.limit.get(), "limit");
    dump(d.lease.get(), "lease");
    dump(d.warn.get(), "warn");
  }
  void visitNotesDecl(const NotesDecl &d) { each(d.columns); }
  void visitRuleDecl(const RuleDecl &d) {
    detail(d.name.text);
    args("attribute", d.attributes);
    dump(d.cond.get(), "when");
    dump(d.target.get(), "target");
  }
  void visitRequireDecl(const RequireDecl &d) {
    dump(d.cond.get());
    dump(d.where.get(), "where");
    dump(d.otherwise.get(), "else");
  }
  void visitOnDecl(const OnDecl &d) {
    detail(d.event.text);
    each(d.params, "param");
    dump(d.every.get(), "every");
    dump(d.body.get());
  }
  void visitTestDecl(const TestDecl &d) {
    detail(d.router ? "of " + d.router.text : "");
    dump(d.name.get(), "name");
    for (const TestDecl::Input &input : d.inputs) {
      dump(input.call.get(), "call");
      dump(input.cell.get(), "cell");
      dump(input.value.get(), input.call                      ? "answer"
                              : input.cell && !input.isSignal ? "column"
                              : input.cell                    ? "given"
                              : input.isSignal ? "signal " + input.name.text
                                               : "field " + input.name.text);
    }
    dump(d.expected.get(), "expected");
    dump(d.body.get());
  }

private:
  llvm::raw_ostream &line(llvm::StringRef label) {
    endLine();
    os.indent(2 * depth);
    if (!label.empty())
      os << label << ": ";
    pending = true;
    return os;
  }
  void endLine() {
    if (pending)
      os << '\n';
    pending = false;
  }
  void detail(llvm::StringRef text) {
    if (!text.empty())
      os << ' ' << text;
  }
  void names(llvm::StringRef label, const std::vector<Name> &list) {
    if (list.empty())
      return;
    line(label);
    for (size_t i = 0; i < list.size(); ++i)
      os << (i ? " " : "") << list[i].text;
  }
  static std::string dotted(const std::vector<Name> &path) {
    std::string text;
    for (const Name &name : path)
      text += (text.empty() ? "" : ".") + name.text;
    return text;
  }
  template <typename List>
  void each(const List &list, llvm::StringRef label = "") {
    for (const auto &node : list)
      dump(node.get(), label);
  }
  void args(llvm::StringRef label, const std::vector<Arg> &list) {
    for (const Arg &arg : list)
      dump(arg.value.get(),
           arg.name ? (llvm::Twine(label) + " " + arg.name.text).str()
                    : label.str());
  }
  void dumpDim(const Dim &dim) {
    static constexpr llvm::StringLiteral forms[] = {"axis", "size",
                                                    "inline axis", "group"};
    line("dim") << forms[unsigned(dim.form)];
    detail(dotted(dim.path));
    ++depth;
    dump(dim.size.get());
    for (const Dim &inner : dim.group)
      dumpDim(inner);
    endLine();
    --depth;
  }

  llvm::raw_ostream &os;
  unsigned depth = 0;
  bool pending = false;
};

} // namespace

void ast::dumpAST(const Node &node, llvm::raw_ostream &os) {
  Dumper(os).dump(&node);
}

void ast::dumpAST(const Module &module, llvm::raw_ostream &os) {
  for (const DeclPtr &decl : module.decls)
    dumpAST(*decl, os);
}
