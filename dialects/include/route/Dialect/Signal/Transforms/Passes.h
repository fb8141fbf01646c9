// Passes on the signal dialect.
#ifndef ROUTE_DIALECT_SIGNAL_TRANSFORMS_PASSES_H
#define ROUTE_DIALECT_SIGNAL_TRANSFORMS_PASSES_H

#include "mlir/Pass/Pass.h"
#include "route/Dialect/Signal/IR/Signal.h"

namespace route::signal {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "route/Dialect/Signal/Transforms/Passes.h.inc"
} // namespace route::signal

#endif // ROUTE_DIALECT_SIGNAL_TRANSFORMS_PASSES_H
