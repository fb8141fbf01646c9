// Updates of memory that all threads of a device see as one step.
#ifndef ROUTE_KERNELS_ATOMICS_H
#define ROUTE_KERNELS_ATOMICS_H

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace route {

/// Updates an element of a buffer of integers by `x`. The buffer's elements lie
/// one behind the other.
void updateAtomically(mlir::ImplicitLocOpBuilder &b, mlir::LLVM::AtomicBinOp op,
                      mlir::Value x, mlir::Value memory, mlir::ValueRange at);

} // namespace route

#endif
