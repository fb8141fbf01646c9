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
/// run at the same time.
inline constexpr llvm::StringLiteral kItemsAttr = "row.items";

/// On a buffer in front of such a loop, a mark: what a round writes to it no
/// other reads, so that rounds at the same time need one each.
inline constexpr llvm::StringLiteral kScratchAttr = "row.scratch";

/// Lowers a program to a loop over its items, one at a time, where it stands.
mlir::LogicalResult distributeInPlace(ProgramOp program);

/// Whether row-distribute-gpu lowers the program: rows of static size that fit
/// the registers of a warp.
bool fitsWarp(ProgramOp program);

} // namespace route::row

#endif // ROUTE_DIALECT_ROW_TRANSFORMS_PASSES_H
