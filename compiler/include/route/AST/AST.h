// The syntax tree of a .route file.
// The whole tree in one include, and its dumper.
#ifndef ROUTE_AST_AST_H
#define ROUTE_AST_AST_H

#include "route/AST/Decls.h"

namespace llvm {
class raw_ostream;
} // namespace llvm

namespace route::ast {

/// Prints the tree, one node a line, two spaces a level, without positions.
void dumpAST(const Module &module, llvm::raw_ostream &os);
void dumpAST(const Node &node, llvm::raw_ostream &os);

} // namespace route::ast

#endif
