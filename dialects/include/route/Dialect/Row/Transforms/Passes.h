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

} // namespace route::row

#endif // ROUTE_DIALECT_ROW_TRANSFORMS_PASSES_H
