// The passes that give entries the calling convention of a library.
#ifndef ROUTE_LIBRARY_PASSES_H
#define ROUTE_LIBRARY_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace route {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "route/Library/Passes.h.inc"
} // namespace route

#endif
