// Passes on row programs.
#ifndef ROUTE_DIALECT_ROW_TRANSFORMS_PASSES_H
#define ROUTE_DIALECT_ROW_TRANSFORMS_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace route::row {

#define GEN_PASS_DECL
#include "route/Dialect/Row/Transforms/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "route/Dialect/Row/Transforms/Passes.h.inc"

class ProgramOp;

/// On a loop, a mark: it goes through the items of a row program, which may all
/// run at the same time if each has buffers of its own in place of those that
/// the loop alone uses.
inline constexpr llvm::StringLiteral kItemsAttr = "row.items";

/// Lowers a program to a loop over its items, one at a time, where it stands.
mlir::LogicalResult distributeInPlace(ProgramOp program);

/// Whether row-distribute-gpu lowers the program: rows of static size that fit
/// the registers of a warp.
bool fitsWarp(ProgramOp program);

} // namespace route::row

#endif // ROUTE_DIALECT_ROW_TRANSFORMS_PASSES_H
