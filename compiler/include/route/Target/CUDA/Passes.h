// Declarations of the passes from buffers to GPU kernels.
#ifndef ROUTE_TARGET_CUDA_PASSES_H
#define ROUTE_TARGET_CUDA_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace route {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "route/Target/CUDA/Passes.h.inc"

/// Why an entry has no code for GPUs; a string.
inline constexpr llvm::StringLiteral kNotOnDeviceAttr = "route.not_on_device";
/// On a function: the entry for a device whose host part it is.
inline constexpr llvm::StringLiteral kHostPartOfAttr = "route.host_part_of";
} // namespace route

#endif
