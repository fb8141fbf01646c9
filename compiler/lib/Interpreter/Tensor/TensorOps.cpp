// Evaluators of the tensor dialect.
#include "Tensors.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace route;
using namespace route::interp;

static LogicalResult evalEmpty(tensor::EmptyOp op, Frame &frame) {
  auto shape = mixed(frame, op.getType().getShape(), op.getDynamicSizes());
  auto out = makeTensor(op, frame, op.getType().getElementType(), shape);
  if (failed(out))
    return failure();
  frame.set(op, std::move(*out));
  return success();
}

static LogicalResult evalDim(tensor::DimOp op, Frame &frame) {
  int64_t index = indexOf(frame, op.getIndex());
  SmallVector<int64_t> shape = shapeOf(frame.array(op.getSource()));
  if (index < 0 || index >= static_cast<int64_t>(shape.size()))
    return op.emitError("dimension ")
           << index << " of a tensor of rank " << shape.size();
  frame.set(op, Element(shape[index]));
  return success();
}

static LogicalResult evalExtract(tensor::ExtractOp op, Frame &frame) {
  const Array &tensor = frame.array(op.getTensor());
  auto place = placeOf(op, frame, tensor, op.getIndices());
  if (failed(place))
    return failure();
  frame.set(op, tensor.buffer->get(*place));
  return success();
}

static LogicalResult evalInsert(tensor::InsertOp op, Frame &frame) {
  const Array &tensor = frame.array(op.getDest());
  auto place = placeOf(op, frame, tensor, op.getIndices());
  auto out = copyTensor(op, frame, tensor);
  if (failed(place) || failed(out))
    return failure();
  out->buffer->set(*place, frame.scalar(op.getScalar()));
  frame.set(op, std::move(*out));
  return success();
}

static LogicalResult evalFromElements(tensor::FromElementsOp op, Frame &frame) {
  auto out = makeTensor(op, frame, op.getType().getElementType(),
                        op.getType().getShape());
  if (failed(out))
    return failure();
  for (auto [i, element] : llvm::enumerate(op.getElements()))
    out->buffer->set(i, frame.scalar(element));
  frame.set(op, std::move(*out));
  return success();
}

static LogicalResult evalSplat(tensor::SplatOp op, Frame &frame) {
  auto out =
      makeTensor(op, frame, op.getType().getElementType(),
                 mixed(frame, op.getType().getShape(), op.getDynamicSizes()));
  if (failed(out))
    return failure();
  for (int64_t i = 0, n = out->size(); i < n; ++i)
    out->buffer->set(i, frame.scalar(op.getInput()));
  frame.set(op, std::move(*out));
  return success();
}

static LogicalResult evalCast(tensor::CastOp op, Frame &frame) {
  const Array &tensor = frame.array(op.getSource());
  if (auto type = dyn_cast<RankedTensorType>(op.getType()))
    for (auto [size, wanted] : llvm::zip(shapeOf(tensor), type.getShape()))
      if (!ShapedType::isDynamic(wanted) && wanted != size)
        return op.emitError("a dimension has size ")
               << size << ", expected " << wanted;
  frame.set(op, tensor);
  return success();
}

/// The same elements under another shape.
static LogicalResult setReshaped(Operation *op, Frame &frame,
                                 const Array &tensor, ArrayRef<int64_t> shape) {
  Array out;
  out.elementType = tensor.elementType;
  out.buffer = tensor.buffer;
  for (int64_t size : shape)
    out.axes.push_back(makeAxis(nullptr, size));
  if (out.size() != tensor.size())
    return op->emitError("a reshape of ")
           << tensor.size() << " elements to " << out.size();
  int64_t stride = 1;
  for (unsigned i = shape.size(); i-- > 0;) {
    out.dims.push_back({stride, i, nullptr});
    stride *= std::max<int64_t>(shape[i], 1);
  }
  frame.set(op->getResult(0), std::move(out));
  return success();
}

static LogicalResult evalCollapse(tensor::CollapseShapeOp op, Frame &frame) {
  const Array &tensor = frame.array(op.getSrc());
  SmallVector<int64_t> shape;
  for (const ReassociationIndices &group : op.getReassociationIndices()) {
    int64_t size = 1;
    for (int64_t dim : group)
      size *= tensor.axes[dim]->size;
    shape.push_back(size);
  }
  return setReshaped(op, frame, tensor, shape);
}

static LogicalResult evalExpand(tensor::ExpandShapeOp op, Frame &frame) {
  return setReshaped(
      op, frame, frame.array(op.getSrc()),
      mixed(frame, op.getStaticOutputShape(), op.getOutputShape()));
}

/// The place in `shape` that position `p` of a slice has; checked.
static FailureOr<int64_t> slicePlace(Operation *op, ArrayRef<int64_t> shape,
                                     ArrayRef<int64_t> offsets,
                                     ArrayRef<int64_t> strides,
                                     ArrayRef<int64_t> position) {
  SmallVector<int64_t> at;
  for (size_t i = 0; i < shape.size(); ++i) {
    at.push_back(offsets[i] + position[i] * strides[i]);
    if (at.back() < 0 || at.back() >= shape[i])
      return op->emitError("slice reaches ")
             << at.back() << " in a dimension of size " << shape[i];
  }
  return linearIndex(shape, at);
}

static LogicalResult evalExtractSlice(tensor::ExtractSliceOp op, Frame &frame) {
  const Array &tensor = frame.array(op.getSource());
  auto offsets = mixed(frame, op.getStaticOffsets(), op.getOffsets());
  auto sizes = mixed(frame, op.getStaticSizes(), op.getSizes());
  auto strides = mixed(frame, op.getStaticStrides(), op.getStrides());
  SmallVector<int64_t> shape = shapeOf(tensor), kept;
  llvm::SmallBitVector dropped = op.getDroppedDims();
  for (size_t i = 0; i < sizes.size(); ++i)
    if (!dropped.test(i))
      kept.push_back(sizes[i]);
  auto out = makeTensor(op, frame, tensor.elementType, kept);
  if (failed(out))
    return failure();
  LogicalResult done = success();
  int64_t next = 0;
  forEachPosition(sizes, [&](ArrayRef<int64_t> position) {
    if (failed(done))
      return;
    auto place = slicePlace(op, shape, offsets, strides, position);
    if (failed(place))
      done = failure();
    else
      out->buffer->set(next++, tensor.buffer->get(*place));
  });
  frame.set(op, std::move(*out));
  return done;
}

static LogicalResult evalInsertSlice(tensor::InsertSliceOp op, Frame &frame) {
  const Array &source = frame.array(op.getSource());
  auto out = copyTensor(op, frame, frame.array(op.getDest()));
  if (failed(out))
    return failure();
  auto offsets = mixed(frame, op.getStaticOffsets(), op.getOffsets());
  auto sizes = mixed(frame, op.getStaticSizes(), op.getSizes());
  auto strides = mixed(frame, op.getStaticStrides(), op.getStrides());
  SmallVector<int64_t> shape = shapeOf(*out);
  LogicalResult done = success();
  int64_t next = 0;
  forEachPosition(sizes, [&](ArrayRef<int64_t> position) {
    if (failed(done))
      return;
    auto place = slicePlace(op, shape, offsets, strides, position);
    if (failed(place))
      done = failure();
    else
      out->buffer->set(*place, source.buffer->get(next++));
  });
  frame.set(op, std::move(*out));
  return done;
}

static LogicalResult evalPad(tensor::PadOp op, Frame &frame) {
  const Array &source = frame.array(op.getSource());
  auto low = mixed(frame, op.getStaticLow(), op.getLow());
  auto high = mixed(frame, op.getStaticHigh(), op.getHigh());
  SmallVector<int64_t> inner = shapeOf(source), shape;
  for (size_t i = 0; i < inner.size(); ++i)
    shape.push_back(low[i] + inner[i] + high[i]);
  auto out = makeTensor(op, frame, source.elementType, shape);
  if (failed(out))
    return failure();
  LogicalResult done = success();
  int64_t place = 0;
  forEachPosition(shape, [&](ArrayRef<int64_t> position) {
    if (failed(done))
      return;
    SmallVector<int64_t> at;
    SmallVector<RuntimeValue, 2> args, yielded;
    bool inside = true;
    for (size_t i = 0; i < shape.size(); ++i) {
      at.push_back(position[i] - low[i]);
      inside &= at.back() >= 0 && at.back() < inner[i];
      args.push_back(Element(position[i]));
    }
    if (inside) {
      out->buffer->set(place++, source.buffer->get(linearIndex(inner, at)));
      return;
    }
    done = frame.machine.runRegion(op.getRegion(), args, frame, yielded);
    if (succeeded(done))
      out->buffer->set(place++, std::get<Element>(yielded.front()));
  });
  frame.set(op, std::move(*out));
  return done;
}

static LogicalResult evalGenerate(tensor::GenerateOp op, Frame &frame) {
  auto type = cast<RankedTensorType>(op.getType());
  auto shape = mixed(frame, type.getShape(), op.getDynamicExtents());
  auto out = makeTensor(op, frame, type.getElementType(), shape);
  if (failed(out))
    return failure();
  LogicalResult done = success();
  int64_t place = 0;
  forEachPosition(shape, [&](ArrayRef<int64_t> position) {
    if (failed(done))
      return;
    SmallVector<RuntimeValue, 2> args, yielded;
    for (int64_t p : position)
      args.push_back(Element(p));
    done = frame.machine.runRegion(op.getBody(), args, frame, yielded);
    if (succeeded(done))
      out->buffer->set(place++, std::get<Element>(yielded.front()));
  });
  frame.set(op, std::move(*out));
  return done;
}

void route::interp::addTensorOps(Registry &registry) {
  registry.add(evalEmpty);
  registry.add(evalDim);
  registry.add(evalExtract);
  registry.add(evalInsert);
  registry.add(evalFromElements);
  registry.add(evalSplat);
  registry.add(evalCast);
  registry.add(evalCollapse);
  registry.add(evalExpand);
  registry.add(evalExtractSlice);
  registry.add(evalInsertSlice);
  registry.add(evalPad);
  registry.add(evalGenerate);
}
