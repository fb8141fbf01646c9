// How evaluators map functions over operands that broadcast by name.
#ifndef ROUTE_LIB_INTERPRETER_ELEMENTWISE_H
#define ROUTE_LIB_INTERPRETER_ELEMENTWISE_H

#include "route/Interpreter/Machine.h"

namespace route::interp {

/// The operands' views over the result's axes and the zeroed result.
template <size_t N> struct Aligned {
  std::array<Array, N> operands;
  Array result;
};

/// Aligns `operands` of `op` with its first result.
template <size_t N>
mlir::FailureOr<Aligned<N>> align(mlir::Operation *op,
                                  const std::array<mlir::Value, N> &operands,
                                  Frame &frame) {
  auto type = mlir::cast<ArrayType>(op->getResult(0).getType());
  llvm::SmallVector<RuntimeValue> sources;
  for (mlir::Value operand : operands)
    sources.push_back(frame.get(operand));
  auto axes = resolveAxes(type.getAxes(), sources, frame.machine, op->getLoc());
  if (failed(axes))
    return mlir::failure();
  Aligned<N> aligned;
  for (size_t i = 0; i < N; ++i) {
    mlir::FailureOr<Array> view = viewFor(op, frame.array(operands[i]), *axes);
    if (failed(view))
      return mlir::failure();
    aligned.operands[i] = std::move(*view);
  }
  auto result =
      frame.machine.allocate(type.getElementType(), *axes, op->getLoc());
  if (failed(result))
    return mlir::failure();
  aligned.result = std::move(*result);
  return aligned;
}

/// Calls `fn(index in the result, offsets in the operands' buffers)`
/// throughout.
template <size_t N, typename Fn> void walk(const Aligned<N> &aligned, Fn fn) {
  std::array<const Array *, N> operands;
  for (size_t i = 0; i < N; ++i)
    operands[i] = &aligned.operands[i];
  walk<N>(aligned.result.axes, operands, fn);
}

/// Sets the result of `op` to `fn(const std::array<Element, N> &)` of the
/// operands' elements.
template <size_t N, typename Fn>
mlir::LogicalResult mapElements(mlir::Operation *op,
                                const std::array<mlir::Value, N> &operands,
                                Frame &frame, Fn fn) {
  auto aligned = align<N>(op, operands, frame);
  if (failed(aligned))
    return mlir::failure();
  Buffer &out = *aligned->result.buffer;
  walk(*aligned, [&](int64_t index, const std::array<int64_t, N> &at) {
    std::array<Element, N> elements;
    for (size_t i = 0; i < N; ++i)
      elements[i] = aligned->operands[i].buffer->get(at[i]);
    out.set(index, fn(elements));
  });
  frame.set(op->getResult(0), std::move(aligned->result));
  return mlir::success();
}

/// The element type of the array `value` holds.
inline mlir::Type elementTypeOf(mlir::Value value) {
  return mlir::cast<ArrayType>(value.getType()).getElementType();
}

} // namespace route::interp

#endif
