// Checks of shapes that the verifiers of the ragged ops share.
#ifndef ROUTE_LIB_DIALECT_RAGGED_IR_VERIFYSHAPES_H
#define ROUTE_LIB_DIALECT_RAGGED_IR_VERIFYSHAPES_H

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Operation.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace route::ragged {

/// All shaped operands are tensors, or all are memrefs whose innermost
/// dimension is contiguous; those of `strided` may have other strides.
mlir::LogicalResult verifyForm(mlir::Operation *op,
                               mlir::ValueRange strided = {});

/// Dimension `dim` of `value` is `expected`, as far as both are known.
mlir::LogicalResult verifyDim(mlir::Operation *op, mlir::Value value,
                              llvm::StringRef name, unsigned dim,
                              int64_t expected, llvm::StringRef meaning);

/// The size of dimension `dim` of `value`, possibly dynamic.
int64_t dimOf(mlir::Value value, unsigned dim);

/// The element type of a tensor or memref.
mlir::Type elementOf(mlir::Value value);

/// Memory effects of a destination-style op: reads all, writes the inits.
void addEffects(mlir::Operation *op,
                llvm::SmallVectorImpl<mlir::SideEffects::EffectInstance<
                    mlir::MemoryEffects::Effect>> &effects);

} // namespace route::ragged

#endif
