// What a kernel of a launch takes: values that it computes for itself, a guard.
#ifndef ROUTE_LIB_TARGET_CUDA_KERNELARGUMENTS_H
#define ROUTE_LIB_TARGET_CUDA_KERNELARGUMENTS_H

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

namespace route {

/// Makes a table of constants known to kernels.
void copyTable(mlir::ModuleOp module, mlir::memref::GetGlobalOp table);

/// Whether the host cannot give the value to a kernel: it is on the device, or
/// a view of a table of constants, which the host has in its own memory.
bool needsDevice(mlir::Value operand);

/// Moves into the kernel what its operands are computed from, as far as that is
/// views, pure operations and loads of what nothing writes before the launch.
void computeInKernel(mlir::gpu::LaunchFuncOp launch);

/// Makes the kernel return at once, in all its threads alike, where `guard`, a
/// buffer of one truth value, is off when the launch's turn comes.
void addGuard(mlir::gpu::LaunchFuncOp launch, mlir::Value guard);

} // namespace route

#endif
