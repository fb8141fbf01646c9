// Declarations of the passes on the route dialect.
#ifndef ROUTE_DIALECT_ROUTE_TRANSFORMS_PASSES_H
#define ROUTE_DIALECT_ROUTE_TRANSFORMS_PASSES_H

#include "mlir/Pass/Pass.h"
#include "route/Dialect/Route/IR/RouteOps.h"

namespace route {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "route/Dialect/Route/Transforms/Passes.h.inc"
} // namespace route

#endif
