// Names that a piece of syntax mentions.
// A visitor over expressions and statements that collects plain names.
#include "Walk.h"
#include "route/AST/Visitor.h"
#include "llvm/ADT/STLExtras.h"

using namespace route;
using namespace route::ast;

namespace {

class Names : public Visitor<Names> {
public:
  std::vector<std::string> found, assigned, called;
  SourceRange step; // of the first call of the host

  void see(const Node *node) {
    if (node)
      visit(*node);
  }
  template <typename List> void seeAll(const List &list) {
    for (auto &node : list)
      see(node.get());
  }
  void seeArgs(const std::vector<Arg> &args) {
    for (const Arg &arg : args)
      see(arg.value.get());
  }

  void visitNameExpr(const NameExpr &e) {
    if (!llvm::is_contained(found, e.name.text))
      found.push_back(e.name.text);
  }
  void visitMemberExpr(const MemberExpr &e) {
    see(e.base.get());
    if (auto *base = llvm::dyn_cast<NameExpr>(e.base.get()))
      found.push_back(base->name.text + "." + e.member.text);
  }
  void visitCallExpr(const CallExpr &e) {
    if (auto name = plainName(ignoreParens(e.callee.get())); !name.empty())
      called.push_back(name.str());
    see(e.callee.get());
    seeArgs(e.args);
    seeAll(e.over);
    see(e.of.get());
    seeAll(e.per);
  }
  void visitIndexExpr(const IndexExpr &e) {
    see(e.base.get());
    for (const IndexArg &arg : e.args)
      see(arg.value.get());
  }
  void visitUnaryExpr(const UnaryExpr &e) { see(e.operand.get()); }
  void visitBinaryExpr(const BinaryExpr &e) {
    see(e.lhs.get());
    see(e.rhs.get());
  }
  void visitParenExpr(const ParenExpr &e) { see(e.inner.get()); }
  void visitTupleExpr(const TupleExpr &e) { seeAll(e.elements); }
  void visitListExpr(const ListExpr &e) { seeArgs(e.entries); }
  void visitSetExpr(const SetExpr &e) { seeAll(e.elements); }
  void visitRecordExpr(const RecordExpr &e) { seeArgs(e.fields); }
  void visitIfExpr(const IfExpr &e) {
    see(e.cond.get());
    see(e.thenValue.get());
    see(e.elseValue.get());
  }
  void visitCaseExpr(const CaseExpr &e) {
    see(e.subject.get());
    for (const CaseArm &arm : e.arms) {
      see(arm.test.get());
      see(arm.value.get());
      see(arm.body.get());
    }
  }
  void visitChooseExpr(const ChooseExpr &e) {
    for (const Expr *part :
         {e.count.get(), e.from.get(), e.to.get(), e.candidates.get(),
          e.where.get(), e.key.get(), e.weight.get(), e.otherwise.get()})
      see(part);
    seeAll(e.per);
    seeAll(e.under);
  }
  void visitForExpr(const ForExpr &e) {
    see(e.domain.get());
    see(e.key.get());
    for (const Binding &binding : e.carry)
      see(binding.value.get());
    see(e.until.get());
    see(e.body.get());
  }
  void visitCallOutExpr(const CallOutExpr &e) {
    if (!step)
      step = e.range;
    see(e.call.get());
  }
  void visitParExpr(const ParExpr &e) {
    if (!step)
      step = e.range;
    see(e.body.get());
  }
  void visitWithExpr(const WithExpr &e) {
    see(e.value.get());
    seeArgs(e.notes);
  }
  void visitReturnExpr(const ReturnExpr &e) { see(e.value.get()); }
  void visitBlockStmt(const BlockStmt &s) { seeAll(s.stmts); }
  void visitExprStmt(const ExprStmt &s) { see(s.value.get()); }
  void assigns(const Expr *target) {
    if (auto *tuple = llvm::dyn_cast<TupleExpr>(ignoreParens(target)))
      for (const ExprPtr &element : tuple->elements)
        assigns(element.get());
    else if (auto name = plainName(ignoreParens(target)); !name.empty())
      assigned.push_back(name.str());
  }
  void visitAssignStmt(const AssignStmt &s) {
    assigns(s.target.get());
    see(s.target.get());
    see(s.value.get());
  }
  void visitReturnStmt(const ReturnStmt &s) { see(s.value.get()); }
  void visitIfStmt(const IfStmt &s) {
    see(s.cond.get());
    see(s.thenBlock.get());
    see(s.elseStmt.get());
  }
  void visitEmitStmt(const EmitStmt &s) { see(s.value.get()); }
  void visitKeepStmt(const KeepStmt &s) { seeAll(s.values); }
  void visitNoteStmt(const NoteStmt &s) { seeArgs(s.args); }
  void visitDeclStmt(const DeclStmt &s) {
    if (auto *let = llvm::dyn_cast<LetDecl>(s.decl.get()))
      see(let->value.get());
  }
};

} // namespace

std::vector<std::string> route::sema::namesIn(const Node &node) {
  Names names;
  names.visit(node);
  return std::move(names.found);
}

std::vector<std::string> route::sema::namesCalled(const Node &node) {
  Names names;
  names.visit(node);
  return std::move(names.called);
}

std::vector<std::string> route::sema::namesAssigned(const Node &node) {
  Names names;
  names.visit(node);
  return std::move(names.assigned);
}

SourceRange route::sema::stepIn(const RouteDecl &route) {
  Names names;
  names.see(route.value.get());
  names.see(route.body.get());
  return names.step;
}

bool route::sema::callsIn(const Node &node) {
  Names names;
  names.see(&node);
  return bool(names.step);
}
