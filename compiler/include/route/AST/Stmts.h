// Statements as written.
// What stands in the body of a route, a router, a handler or an arm.
#ifndef ROUTE_AST_STMTS_H
#define ROUTE_AST_STMTS_H

#include "route/AST/Exprs.h"

namespace route::ast {

/// `{ … }`.
class BlockStmt : public NodeOf<BlockStmt, Kind::BlockStmt, Stmt> {
public:
  std::vector<StmtPtr> stmts;
};

/// An expression for its effect, or a block's value. `for` and `case` are
/// expressions, so loops and cases stand here too.
class ExprStmt : public NodeOf<ExprStmt, Kind::ExprStmt, Stmt> {
public:
  ExprPtr value;
};

enum class AssignOp { Set, Add, Sub, Mul, Div };
llvm::StringRef spelling(AssignOp op);

/// `x = e`, `m.sent += e`, `n[g, a] += 1`, `(y, h) = l(y, h)`. The target is a
/// NameExpr, MemberExpr, IndexExpr, or a TupleExpr of these.
class AssignStmt : public NodeOf<AssignStmt, Kind::AssignStmt, Stmt> {
public:
  ExprPtr target;
  AssignOp op = AssignOp::Set;
  ExprPtr value;
};

class ReturnStmt : public NodeOf<ReturnStmt, Kind::ReturnStmt, Stmt> {
public:
  ExprPtr value;
};

/// `if c { … } else { … }`; the else branch is a BlockStmt, an IfStmt or null.
class IfStmt : public NodeOf<IfStmt, Kind::IfStmt, Stmt> {
public:
  ExprPtr cond;
  std::unique_ptr<BlockStmt> thenBlock;
  StmtPtr elseStmt;
};

/// `note skipped(m, c)`.
class NoteStmt : public NodeOf<NoteStmt, Kind::NoteStmt, Stmt> {
public:
  Name name;
  std::vector<Arg> args;
};

/// `emit name = e`.
class EmitStmt : public NodeOf<EmitStmt, Kind::EmitStmt, Stmt> {
public:
  Name name;
  ExprPtr value;
};

/// `keep a, b`: stored in the ticket for late feedback.
class KeepStmt : public NodeOf<KeepStmt, Kind::KeepStmt, Stmt> {
public:
  std::vector<ExprPtr> values;
};

/// `expect e` in a test.
class ExpectStmt : public NodeOf<ExpectStmt, Kind::ExpectStmt, Stmt> {
public:
  ExprPtr cond;
};

/// A declaration among statements.
class DeclStmt : public NodeOf<DeclStmt, Kind::DeclStmt, Stmt> {
public:
  DeclPtr decl;
};

} // namespace route::ast

#endif
