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

/// Whether row-distribute-gpu lowers the program: rows of static size that fit
/// the registers of a warp.
bool fitsWarp(ProgramOp program);

} // namespace route::row

#endif // ROUTE_DIALECT_ROW_TRANSFORMS_PASSES_H
