// Bodies of linalg.generic in row programs, whatever lies in the lanes.
#ifndef ROUTE_LIB_DIALECT_ROW_TRANSFORMS_GENERICBODY_H
#define ROUTE_LIB_DIALECT_ROW_TRANSFORMS_GENERICBODY_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace route::row {

/// Clones the body for these arguments and gives what it yields. `outside`
/// has the values from outside the body, `position` the loops' indices;
/// `clone` emits one operation on what its operands are here, or gives null.
mlir::FailureOr<llvm::SmallVector<mlir::Value>> cloneGenericBody(
    mlir::linalg::GenericOp op, mlir::ValueRange arguments,
    const llvm::DenseMap<mlir::Value, mlir::Value> &outside,
    llvm::function_ref<mlir::Value(unsigned)> position,
    llvm::function_ref<mlir::Value(
        mlir::Operation *, llvm::function_ref<mlir::Value(mlir::Value)>)>
        clone);

/// The operation that joins the accumulator of a reduction with a new value, if
/// neither order nor repetition matters to the result; else null.
mlir::Operation *idempotentJoin(mlir::linalg::GenericOp op);

} // namespace route::row

#endif // ROUTE_LIB_DIALECT_ROW_TRANSFORMS_GENERICBODY_H
