// Dispatch on the kind of a node.
// A statically dispatched visitor: derive, write visitX for the nodes of
// interest, call visit. What is not written falls back to visitType, visitExpr,
// visitStmt or visitDecl, and these to visitNode.
#ifndef ROUTE_AST_VISITOR_H
#define ROUTE_AST_VISITOR_H

#include "route/AST/AST.h"

namespace route::ast {

template <typename Derived, typename Result = void> class Visitor {
public:
  Result visit(const Node &node) {
    switch (node.kind()) {
#define ROUTE_TYPE(NAME)                                                       \
  case Kind::NAME:                                                             \
    return self().visit##NAME(llvm::cast<NAME>(node));
#define ROUTE_EXPR(NAME) ROUTE_TYPE(NAME)
#define ROUTE_STMT(NAME) ROUTE_TYPE(NAME)
#define ROUTE_DECL(NAME) ROUTE_TYPE(NAME)
#include "route/AST/Nodes.def"
    }
    return self().visitNode(node);
  }

#define ROUTE_TYPE(NAME)                                                       \
  Result visit##NAME(const NAME &node) { return self().visitType(node); }
#define ROUTE_EXPR(NAME)                                                       \
  Result visit##NAME(const NAME &node) { return self().visitExpr(node); }
#define ROUTE_STMT(NAME)                                                       \
  Result visit##NAME(const NAME &node) { return self().visitStmt(node); }
#define ROUTE_DECL(NAME)                                                       \
  Result visit##NAME(const NAME &node) { return self().visitDecl(node); }
#include "route/AST/Nodes.def"

  Result visitType(const TypeExpr &node) { return self().visitNode(node); }
  Result visitExpr(const Expr &node) { return self().visitNode(node); }
  Result visitStmt(const Stmt &node) { return self().visitNode(node); }
  Result visitDecl(const Decl &node) { return self().visitNode(node); }
  Result visitNode(const Node &) { return Result(); }

private:
  Derived &self() { return static_cast<Derived &>(*this); }
};

} // namespace route::ast

#endif
