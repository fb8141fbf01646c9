// What passes that make GPU kernels share: the module of kernels, new kernels
// in it, launches.
#ifndef ROUTE_KERNELS_KERNELS_H
#define ROUTE_KERNELS_KERNELS_H

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace route {

/// The module of kernels, `@kernels`; null where there is none.
mlir::gpu::GPUModuleOp findKernelModule(mlir::ModuleOp module);

/// A kernel `<stem>_<n>` for blocks of `block` threads in one dimension, with
/// an empty body, in the module of kernels, which is made where there is none.
mlir::gpu::GPUFuncOp createKernel(mlir::ModuleOp module, mlir::Location loc,
                                  llvm::StringRef stem,
                                  mlir::TypeRange arguments, int32_t block);

/// Launches `grid` blocks of the kernel.
void launchKernel(mlir::ImplicitLocOpBuilder &b, mlir::gpu::GPUFuncOp kernel,
                  mlir::Value grid, mlir::ValueRange operands);

/// The threads of a grid take the numbers below `count` in turn: calls `body`
/// with each number that this thread takes. `b` stands in the kernel.
void forEachThread(mlir::ImplicitLocOpBuilder &b, mlir::gpu::GPUFuncOp kernel,
                   mlir::Value count,
                   llvm::function_ref<void(mlir::Value)> body);

/// Blocks for one thread for each of `count` numbers.
mlir::Value gridFor(mlir::ImplicitLocOpBuilder &b, mlir::gpu::GPUFuncOp kernel,
                    mlir::Value count);

} // namespace route

#endif // ROUTE_KERNELS_KERNELS_H
