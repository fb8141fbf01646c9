// What the nodes of the syntax tree can answer.
// Names of kinds and operators, values of numbers, and the members of nodes
// that own later-declared classes.
#include "route/AST/AST.h"
#include "llvm/ADT/StringExtras.h"
#include <cstdlib>

using namespace route;
using namespace route::ast;

llvm::StringRef ast::kindName(Kind kind) {
  switch (kind) {
#define ROUTE_TYPE(NAME)                                                       \
  case Kind::NAME:                                                             \
    return #NAME;
#define ROUTE_EXPR(NAME) ROUTE_TYPE(NAME)
#define ROUTE_STMT(NAME) ROUTE_TYPE(NAME)
#define ROUTE_DECL(NAME) ROUTE_TYPE(NAME)
#include "route/AST/Nodes.def"
  }
  return "";
}

llvm::StringRef ast::spelling(UnaryOp op) {
  static constexpr llvm::StringLiteral names[] = {"-", "+", "not", "old", "up"};
  return names[unsigned(op)];
}

llvm::StringRef ast::spelling(BinaryOp op) {
  static constexpr llvm::StringLiteral names[] = {
      "^", "*",  "/", "@",  "+",  "-",      "++", "??",  "..", "==",   "!=",
      "<", "<=", ">", ">=", "in", "subset", "at", "and", "or", "where"};
  return names[unsigned(op)];
}

llvm::StringRef ast::spelling(AssignOp op) {
  static constexpr llvm::StringLiteral names[] = {"=", "+=", "-=", "*=", "/="};
  return names[unsigned(op)];
}

double NumberExpr::value() const {
  double number = llvm::StringRef(digits).starts_with("0x")
                      ? double(std::strtoull(digits.c_str(), nullptr, 16))
                      : std::strtod(digits.c_str(), nullptr);
  // One rounding where the factor is a whole number or its inverse.
  if (mulDen == 1)
    return number * double(mulNum);
  if (mulNum == 1)
    return number / double(mulDen);
  return double((long double)number * mulNum / mulDen);
}

llvm::StringRef CallExpr::calleeName() const { return plainName(callee.get()); }

const Expr *ast::ignoreParens(const Expr *e) {
  while (auto *paren = llvm::dyn_cast_or_null<ParenExpr>(e))
    e = paren->inner.get();
  return e;
}

llvm::StringRef ast::plainName(const Expr *e) {
  auto *name = llvm::dyn_cast_or_null<NameExpr>(e);
  return name ? name->name.str() : llvm::StringRef();
}

RecordType::RecordType() = default;
RecordType::~RecordType() = default;
ChooseExpr::ChooseExpr() = default;
ChooseExpr::~ChooseExpr() = default;
ForExpr::ForExpr() = default;
ForExpr::~ForExpr() = default;
ParExpr::ParExpr() = default;
ParExpr::~ParExpr() = default;
