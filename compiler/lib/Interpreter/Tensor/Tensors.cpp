// Helpers of the tensor level's evaluators.
#include "Tensors.h"

using namespace mlir;
using namespace route;
using namespace route::interp;

FailureOr<Array> route::interp::makeTensor(Operation *op, Frame &frame,
                                           Type elementType,
                                           ArrayRef<int64_t> shape) {
  SmallVector<AxisRef> axes;
  for (int64_t size : shape) {
    if (size < 0)
      return op->emitError("a dimension has size ") << size;
    axes.push_back(makeAxis(nullptr, size));
  }
  return frame.machine.allocate(elementType, axes, op->getLoc());
}

FailureOr<Array> route::interp::copyTensor(Operation *op, Frame &frame,
                                           const Array &tensor) {
  auto copy =
      frame.machine.allocate(tensor.elementType, tensor.axes, op->getLoc());
  if (succeeded(copy))
    copy->buffer->assign(*tensor.buffer);
  return copy;
}

SmallVector<int64_t> route::interp::shapeOf(const Array &tensor) {
  SmallVector<int64_t> shape;
  for (const AxisRef &axis : tensor.axes)
    shape.push_back(axis->size);
  return shape;
}

SmallVector<int64_t> route::interp::mixed(Frame &frame,
                                          ArrayRef<int64_t> statics,
                                          ValueRange operands) {
  SmallVector<int64_t> numbers;
  size_t next = 0;
  for (int64_t number : statics)
    numbers.push_back(ShapedType::isDynamic(number)
                          ? indexOf(frame, operands[next++])
                          : number);
  return numbers;
}

int64_t route::interp::linearIndex(ArrayRef<int64_t> shape,
                                   ArrayRef<int64_t> position) {
  int64_t index = 0;
  for (auto [size, place] : llvm::zip(shape, position))
    index = index * size + place;
  return index;
}

void route::interp::forEachPosition(
    ArrayRef<int64_t> shape, llvm::function_ref<void(ArrayRef<int64_t>)> fn) {
  if (llvm::is_contained(shape, 0))
    return;
  SmallVector<int64_t> position(shape.size(), 0);
  while (true) {
    fn(position);
    size_t i = shape.size();
    while (i-- > 0) {
      if (++position[i] < shape[i])
        break;
      position[i] = 0;
    }
    if (i == static_cast<size_t>(-1))
      return;
  }
}

LogicalResult
route::interp::mapScalars(Operation *op, Frame &frame,
                          llvm::function_ref<Element(ArrayRef<Element>)> fn) {
  Value result = op->getResult(0);
  SmallVector<Element, 3> elements;
  if (!isa<ShapedType>(result.getType())) {
    for (Value operand : op->getOperands())
      elements.push_back(frame.scalar(operand));
    frame.set(result, fn(elements));
    return success();
  }
  if (isa<VectorType>(result.getType()))
    return op->emitError("the interpreter does not know vectors");
  // A scalar among tensors (the condition of a select) serves every element.
  const Array *shaped = nullptr;
  for (Value operand : op->getOperands())
    if (const auto *array = std::get_if<Array>(&frame.get(operand)))
      shaped = array;
  auto out = makeTensor(op, frame, getElementTypeOrSelf(result.getType()),
                        shapeOf(*shaped));
  if (failed(out))
    return failure();
  for (int64_t i = 0, n = out->size(); i < n; ++i) {
    elements.clear();
    for (Value operand : op->getOperands()) {
      const RuntimeValue &value = frame.get(operand);
      const auto *array = std::get_if<Array>(&value);
      if (array && array->size() != n)
        return op->emitError("operands have different shapes");
      elements.push_back(array ? array->buffer->get(i)
                               : std::get<Element>(value));
    }
    out->buffer->set(i, fn(elements));
  }
  frame.set(result, std::move(*out));
  return success();
}

uint64_t route::interp::unsignedOf(Type type, int64_t value) {
  unsigned width = isa<IntegerType>(type) ? type.getIntOrFloatBitWidth() : 64;
  uint64_t bits = static_cast<uint64_t>(value);
  return width >= 64 ? bits : bits & ((uint64_t(1) << width) - 1);
}

FailureOr<int64_t> route::interp::placeOf(Operation *op, Frame &frame,
                                          const Array &tensor,
                                          ValueRange indices) {
  SmallVector<int64_t> position, shape = shapeOf(tensor);
  for (auto [index, size] : llvm::zip(indices, shape)) {
    position.push_back(indexOf(frame, index));
    if (position.back() < 0 || position.back() >= size)
      return op->emitError("index ")
             << position.back() << " outside a dimension of size " << size;
  }
  return linearIndex(shape, position);
}
