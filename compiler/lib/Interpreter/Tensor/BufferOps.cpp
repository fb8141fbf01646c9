// Evaluators of memref and bufferization.
// Buffers are plain, row-major and shared; ops write in place.
#include "Tensors.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;
using namespace route;
using namespace route::interp;

template <typename OpT> static LogicalResult evalAlloc(OpT op, Frame &frame) {
  MemRefType type = op.getType();
  if (!type.getLayout().isIdentity())
    return op.emitError("the interpreter knows row-major buffers only, found ")
           << type;
  auto out = makeTensor(op, frame, type.getElementType(),
                        mixed(frame, type.getShape(), op.getDynamicSizes()));
  if (failed(out))
    return failure();
  frame.set(op, std::move(*out));
  return success();
}

static LogicalResult evalAllocTensor(bufferization::AllocTensorOp op,
                                     Frame &frame) {
  FailureOr<Array> out = failure();
  if (op.getCopy())
    out = copyTensor(op, frame, frame.array(op.getCopy()));
  else
    out =
        makeTensor(op, frame, op.getType().getElementType(),
                   mixed(frame, op.getType().getShape(), op.getDynamicSizes()));
  if (failed(out))
    return failure();
  frame.set(op, std::move(*out));
  return success();
}

static LogicalResult evalLoad(memref::LoadOp op, Frame &frame) {
  const Array &buffer = frame.array(op.getMemRef());
  auto place = placeOf(op, frame, buffer, op.getIndices());
  if (failed(place))
    return failure();
  frame.set(op, buffer.buffer->get(*place));
  return success();
}

static LogicalResult evalStore(memref::StoreOp op, Frame &frame) {
  const Array &buffer = frame.array(op.getMemRef());
  auto place = placeOf(op, frame, buffer, op.getIndices());
  if (failed(place))
    return failure();
  buffer.buffer->set(*place, frame.scalar(op.getValueToStore()));
  return success();
}

static LogicalResult evalDim(memref::DimOp op, Frame &frame) {
  int64_t index = indexOf(frame, op.getIndex());
  SmallVector<int64_t> shape = shapeOf(frame.array(op.getSource()));
  if (index < 0 || index >= static_cast<int64_t>(shape.size()))
    return op.emitError("dimension ")
           << index << " of a buffer of rank " << shape.size();
  frame.set(op, Element(shape[index]));
  return success();
}

/// Writes the elements of `source` to the buffer `target`.
static LogicalResult copyInto(Operation *op, const Array &source,
                              const Array &target) {
  if (shapeOf(source) != shapeOf(target))
    return op->emitError("copies ")
           << source.size() << " elements to a buffer of " << target.size()
           << " in another shape";
  target.buffer->assign(*source.buffer);
  return success();
}

static LogicalResult evalCopy(memref::CopyOp op, Frame &frame) {
  return copyInto(op, frame.array(op.getSource()), frame.array(op.getTarget()));
}

static LogicalResult evalDealloc(memref::DeallocOp op, Frame &frame) {
  return success();
}

static LogicalResult evalCast(memref::CastOp op, Frame &frame) {
  frame.set(op, frame.get(op.getSource()));
  return success();
}

static LogicalResult evalToTensor(bufferization::ToTensorOp op, Frame &frame) {
  auto copy = copyTensor(op, frame, frame.array(op.getBuffer()));
  if (failed(copy))
    return failure();
  frame.set(op, std::move(*copy));
  return success();
}

static LogicalResult evalToBuffer(bufferization::ToBufferOp op, Frame &frame) {
  auto copy = copyTensor(op, frame, frame.array(op.getTensor()));
  if (failed(copy))
    return failure();
  frame.set(op, std::move(*copy));
  return success();
}

static LogicalResult
evalMaterialize(bufferization::MaterializeInDestinationOp op, Frame &frame) {
  if (isa<MemRefType>(op.getDest().getType()))
    return copyInto(op, frame.array(op.getSource()), frame.array(op.getDest()));
  frame.set(op->getResult(0), frame.get(op.getSource()));
  return success();
}

void route::interp::addBufferOps(Registry &registry) {
  registry.add(evalAlloc<memref::AllocOp>);
  registry.add(evalAlloc<memref::AllocaOp>);
  registry.add(evalAllocTensor);
  registry.add(evalLoad);
  registry.add(evalStore);
  registry.add(evalDim);
  registry.add(evalCopy);
  registry.add(evalDealloc);
  registry.add(evalCast);
  registry.add(evalToTensor);
  registry.add(evalToBuffer);
  registry.add(evalMaterialize);
}
