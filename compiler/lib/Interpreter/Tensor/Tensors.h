// Builtin tensors, memrefs and scalars as runtime values.
// Evaluators of the tensor level map over them.
#ifndef ROUTE_LIB_INTERPRETER_TENSOR_TENSORS_H
#define ROUTE_LIB_INTERPRETER_TENSOR_TENSORS_H

#include "../Scalars.h"
#include "mlir/IR/TypeUtilities.h"
#include "route/Interpreter/Machine.h"

namespace route::interp {

/// Tensors and memrefs are arrays with anonymous axes whose elements lie in
/// row-major order from the buffer's start. A tensor's buffer never changes
/// once its op is done; a memref's does, and is shared by all that hold the
/// memref.
mlir::FailureOr<Array> makeTensor(mlir::Operation *op, Frame &frame,
                                  mlir::Type elementType,
                                  llvm::ArrayRef<int64_t> shape);
/// A copy with a buffer of its own.
mlir::FailureOr<Array> copyTensor(mlir::Operation *op, Frame &frame,
                                  const Array &tensor);
llvm::SmallVector<int64_t> shapeOf(const Array &tensor);

/// The integer a scalar of integer or index type holds.
inline int64_t indexOf(Frame &frame, mlir::Value value) {
  return frame.scalar(value).asInt();
}
/// The numbers of a mixed list: static ones from the attribute, dynamic ones
/// from `operands` in turn.
llvm::SmallVector<int64_t> mixed(Frame &frame, llvm::ArrayRef<int64_t> statics,
                                 mlir::ValueRange operands);

/// The row-major place of `position` in `shape`.
int64_t linearIndex(llvm::ArrayRef<int64_t> shape,
                    llvm::ArrayRef<int64_t> position);
/// The place that `indices` name in a tensor or memref; fails when outside.
mlir::FailureOr<int64_t> placeOf(mlir::Operation *op, Frame &frame,
                                 const Array &tensor, mlir::ValueRange indices);
/// Calls `fn(position)` for every position in `shape`, row-major.
void forEachPosition(llvm::ArrayRef<int64_t> shape,
                     llvm::function_ref<void(llvm::ArrayRef<int64_t>)> fn);

/// Sets the result of `op` to `fn(elements)`: once for scalars, element by
/// element for tensors of one shape.
mlir::LogicalResult
mapScalars(mlir::Operation *op, Frame &frame,
           llvm::function_ref<Element(llvm::ArrayRef<Element>)> fn);

/// The value as an unsigned number of the type's width.
uint64_t unsignedOf(mlir::Type type, int64_t value);

} // namespace route::interp

#endif
