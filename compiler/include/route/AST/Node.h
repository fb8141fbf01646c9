// What every AST node has.
// The base of the syntax tree: kinds, source ranges, names and ownership. Nodes
// own their children (unique_ptr); LLVM's isa, cast and dyn_cast work on them.
// The tree says what was written and nothing about what it means.
#ifndef ROUTE_AST_NODE_H
#define ROUTE_AST_NODE_H

#include "route/Diagnostics/SourceManager.h"
#include "llvm/Support/Casting.h"
#include <memory>
#include <string>
#include <vector>

namespace route::ast {

enum class Kind {
#define ROUTE_TYPE(NAME) NAME,
#define ROUTE_EXPR(NAME) NAME,
#define ROUTE_STMT(NAME) NAME,
#define ROUTE_DECL(NAME) NAME,
#include "route/AST/Nodes.def"
};

/// The class name of a kind, e.g. "ChooseExpr".
llvm::StringRef kindName(Kind kind);

/// Base of all nodes.
class Node {
public:
  virtual ~Node() = default;
  Kind kind() const { return nodeKind; }
  /// The bytes that the node was written with.
  SourceRange range;

protected:
  explicit Node(Kind kind) : nodeKind(kind) {}

private:
  Kind nodeKind;
};

class TypeExpr : public Node {
public:
  using Node::Node;
  static bool classof(const Node *n) { return n->kind() <= Kind::TupleType; }
};
class Expr : public Node {
public:
  using Node::Node;
  static bool classof(const Node *n) {
    return n->kind() >= Kind::NumberExpr && n->kind() <= Kind::ReturnExpr;
  }
};
class Stmt : public Node {
public:
  using Node::Node;
  static bool classof(const Node *n) {
    return n->kind() >= Kind::BlockStmt && n->kind() <= Kind::DeclStmt;
  }
};
class Decl : public Node {
public:
  using Node::Node;
  static bool classof(const Node *n) { return n->kind() >= Kind::ImportDecl; }
};

using TypePtr = std::unique_ptr<TypeExpr>;
using ExprPtr = std::unique_ptr<Expr>;
using StmtPtr = std::unique_ptr<Stmt>;
using DeclPtr = std::unique_ptr<Decl>;

/// An identifier where it is written. Primes belong to the text: `token'`.
struct Name {
  std::string text;
  SourceRange range;
  explicit operator bool() const { return !text.empty(); }
  llvm::StringRef str() const { return text; }
  /// The text without its primes, and how many there were.
  llvm::StringRef base() const { return llvm::StringRef(text).rtrim('\''); }
  unsigned primes() const { return text.size() - base().size(); }
};

/// A node class with its kind and classof. Used as `class X : public
/// NodeOf<X, Kind::X, Expr>`.
template <typename Self, Kind K, typename Base> class NodeOf : public Base {
public:
  NodeOf() : Base(K) {}
  static bool classof(const Node *n) { return n->kind() == K; }
};

} // namespace route::ast

#endif
