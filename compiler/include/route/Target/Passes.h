// Passes of the last stage before machine code.
#ifndef ROUTE_TARGET_PASSES_H
#define ROUTE_TARGET_PASSES_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Pass/Pass.h"

namespace mlir {
class RewritePatternSet;
} // namespace mlir

namespace route {

/// The patterns of route-expand-math.
void populateExpandMathPatterns(mlir::RewritePatternSet &patterns,
                                bool avx512 = false, bool roundsBf16 = false);

#define GEN_PASS_DECL
#include "route/Target/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "route/Target/Passes.h.inc"

} // namespace route

#endif // ROUTE_TARGET_PASSES_H
