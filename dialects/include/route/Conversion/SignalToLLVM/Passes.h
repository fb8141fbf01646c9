// Declaration of the conversion of text questions to LLVM.
#ifndef ROUTE_CONVERSION_SIGNALTOLLVM_PASSES_H
#define ROUTE_CONVERSION_SIGNALTOLLVM_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace route {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "route/Conversion/SignalToLLVM/Passes.h.inc"
} // namespace route

#endif // ROUTE_CONVERSION_SIGNALTOLLVM_PASSES_H
