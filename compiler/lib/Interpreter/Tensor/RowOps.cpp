// Evaluators of the row dialect: programs item by item, and their ops.
#include "../Choice.h"
#include "Tensors.h"
#include "route/Dialect/Row/IR/RowDialect.h"
#include "route/numerics.h"

using namespace mlir;
using namespace route;
using namespace route::interp;

/// Row `item` of a tensor with a leading item dimension.
static FailureOr<Array> rowOf(Operation *op, Frame &frame, const Array &tensor,
                              int64_t item) {
  SmallVector<int64_t> shape = shapeOf(tensor);
  auto row =
      makeTensor(op, frame, tensor.elementType, ArrayRef(shape).drop_front());
  if (failed(row))
    return failure();
  int64_t width = row->size();
  for (int64_t i = 0; i < width; ++i)
    row->buffer->set(i, tensor.buffer->get(item * width + i));
  return row;
}

static LogicalResult evalProgram(row::ProgramOp op, Frame &frame) {
  // Tensors get buffers of their own, memrefs are written in place.
  SmallVector<Array> written;
  for (OperandRange range : {op.getOutputs(), op.getAccumulators()})
    for (Value value : range) {
      const Array &held = frame.array(value);
      auto copy = isa<MemRefType>(value.getType())
                      ? FailureOr<Array>(held)
                      : copyTensor(op, frame, held);
      if (failed(copy))
        return failure();
      written.push_back(std::move(*copy));
    }
  size_t outputs = op.getOutputs().size();
  int64_t items = -1;
  auto count = [&](const Array &array) {
    int64_t size = array.axes.front()->size;
    bool agrees = items < 0 || items == size;
    items = size;
    return agrees;
  };
  for (Value input : op.getInputs())
    if (!count(frame.array(input)))
      return op.emitError("inputs have different numbers of items");
  for (size_t k = 0; k < outputs; ++k)
    if (!count(written[k]))
      return op.emitError(
          "outputs have another number of items than the inputs");

  for (int64_t item = 0; item < items; ++item) {
    SmallVector<RuntimeValue, 1> args, yielded;
    for (Value input : op.getInputs()) {
      auto row = rowOf(op, frame, frame.array(input), item);
      if (failed(row))
        return failure();
      args.push_back(std::move(*row));
    }
    for (Value uniform : op.getUniforms())
      args.push_back(frame.array(uniform));
    if (failed(frame.machine.runRegion(op.getBody(), args, frame, yielded)))
      return failure();
    for (auto [k, array] : llvm::enumerate(written)) {
      const Array &row = std::get<Array>(yielded[k]);
      int64_t width = row.size(), start = k < outputs ? item * width : 0;
      for (int64_t i = 0; i < width; ++i) {
        Element value = row.buffer->get(i);
        if (k >= outputs)
          value = applyBinary(BinaryKind::add, array.elementType,
                              array.buffer->get(i), value);
        array.buffer->set(start + i, std::move(value));
      }
    }
  }
  size_t result = 0, k = 0;
  for (OperandRange range : {op.getOutputs(), op.getAccumulators()})
    for (Value value : range) {
      if (!isa<MemRefType>(value.getType()))
        frame.set(op->getResult(result++), written[k]);
      ++k;
    }
  return success();
}

static LogicalResult evalChoose(row::ChooseOp op, Frame &frame) {
  SmallVector<const Array *> keys;
  for (Value key : op.getKeys())
    keys.push_back(&frame.array(key));
  const Array *mask = op.getMask() ? &frame.array(op.getMask()) : nullptr;
  SmallVector<int64_t> shape = shapeOf(keys.empty() ? *mask : *keys.front());
  int64_t candidates = shape.back();
  int64_t batches =
      candidates ? countPositions(
                       ArrayRef(keys.empty() ? mask->axes : keys.front()->axes)
                           .drop_back())
                 : 0;
  ArrayRef<int64_t> batchShape = ArrayRef(shape).drop_back();
  int64_t width = op.getIndices().getType().getShape().back();
  SmallVector<int64_t> indexShape(batchShape);
  indexShape.push_back(width);
  auto indices = makeTensor(
      op, frame, op.getIndices().getType().getElementType(), indexShape);
  auto chosen = makeTensor(op, frame, op.getChosen().getType().getElementType(),
                           batchShape);
  if (failed(indices) || failed(chosen))
    return failure();
  for (int64_t i = 0, n = indices->size(); i < n; ++i)
    indices->buffer->set(i, int64_t(-1));
  // A rank-0 operand serves every batch.
  auto perBatch = [&](Value value, int64_t batch) {
    const Array &array = frame.array(value);
    return array.buffer->get(array.axes.empty() ? 0 : batch);
  };
  for (int64_t batch = 0; batch < batches; ++batch) {
    std::vector<std::pair<std::vector<KeyPart>, int64_t>> ranked;
    for (int64_t c = 0; c < candidates; ++c) {
      int64_t place = batch * candidates + c;
      if (mask && !mask->buffer->get(place).asTruth())
        continue;
      std::vector<KeyPart> parts;
      for (auto [k, key] : llvm::enumerate(keys))
        parts.push_back(makeKey(key->buffer->get(place), op.isUp(k)));
      ranked.push_back({std::move(parts), c});
    }
    llvm::sort(ranked, [](const auto &a, const auto &b) {
      if (ranksBefore(a.first, b.first))
        return true;
      return !ranksBefore(b.first, a.first) && a.second < b.second;
    });
    int64_t limit = width;
    if (op.getCount())
      limit = std::min(
          limit, std::max<int64_t>(perBatch(op.getCount(), batch).asInt(), 0));
    float running = 0;
    int64_t rank = 0;
    for (; rank < limit && rank < static_cast<int64_t>(ranked.size()); ++rank) {
      int64_t c = ranked[rank].second;
      indices->buffer->set(batch * width + rank, c);
      if (!op.getValues())
        continue;
      running += frame.array(op.getValues())
                     .buffer->get(batch * candidates + c)
                     .asFloat();
      if (running >= perBatch(op.getThreshold(), batch).asFloat()) {
        ++rank;
        break;
      }
    }
    chosen->buffer->set(batch, rank);
  }
  frame.set(op.getIndices(), std::move(*indices));
  frame.set(op.getChosen(), std::move(*chosen));
  return success();
}

static LogicalResult evalTake(row::TakeOp op, Frame &frame) {
  const Array &values = frame.array(op.getValues()),
              &indices = frame.array(op.getIndices());
  auto out = makeTensor(op, frame, values.elementType, shapeOf(indices));
  if (failed(out))
    return failure();
  int64_t candidates = values.axes.back()->size,
          width = indices.axes.back()->size;
  bool shared = values.axes.size() == 1;
  for (int64_t i = 0, n = indices.size(); i < n; ++i) {
    int64_t index = indices.buffer->get(i).asInt();
    if (index == -1)
      continue;
    if (index < 0 || index >= candidates)
      return op.emitError("index ")
             << index << " of " << candidates << " values";
    out->buffer->set(
        i, values.buffer->get((shared ? 0 : i / width * candidates) + index));
  }
  frame.set(op, std::move(*out));
  return success();
}

static LogicalResult evalContains(row::ContainsOp op, Frame &frame) {
  const Array &indices = frame.array(op.getIndices());
  SmallVector<int64_t> shape = shapeOf(indices);
  int64_t width = shape.back(),
          candidates = cast<ShapedType>(op.getType()).getShape().back();
  shape.back() = candidates;
  auto out = makeTensor(op, frame, IntegerType::get(op.getContext(), 1), shape);
  if (failed(out))
    return failure();
  for (int64_t i = 0, n = indices.size(); i < n; ++i) {
    int64_t index = indices.buffer->get(i).asInt();
    if (index >= 0 && index < candidates)
      out->buffer->set(i / width * candidates + index, int64_t(1));
  }
  frame.set(op, std::move(*out));
  return success();
}

static LogicalResult evalTally(row::TallyOp op, Frame &frame) {
  const Array &indices = frame.array(op.getIndices());
  auto type = cast<RankedTensorType>(op.getType());
  auto out = makeTensor(op, frame, type.getElementType(), type.getShape());
  if (failed(out))
    return failure();
  for (int64_t i = 0, n = indices.size(); i < n; ++i) {
    int64_t index = indices.buffer->get(i).asInt();
    if (index >= 0 && index < out->size())
      out->buffer->set(index, out->buffer->get(index).asInt() + 1);
  }
  frame.set(op, std::move(*out));
  return success();
}

static LogicalResult evalSum(row::SumOp op, Frame &frame) {
  const Array &values = frame.array(op.getValues());
  SmallVector<int64_t> shape = shapeOf(values);
  int64_t width = shape.pop_back_val();
  auto out = makeTensor(op, frame, values.elementType, shape);
  if (failed(out))
    return failure();
  bool butterfly = op.getOrder() == row::SumOrder::Butterfly;
  for (int64_t b = 0, n = out->size(); b < n; ++b) {
    auto element = [&](size_t i) { return values.buffer->get(b * width + i); };
    if (values.elementType.isF64()) {
      auto at = [&](size_t i) { return element(i).asDouble(); };
      out->buffer->set(b, butterfly ? num::sum<double>(width, at)
                                    : num::sumInOrder<double>(width, at));
      continue;
    }
    auto at = [&](size_t i) { return element(i).asFloat(); };
    out->buffer->set(b, butterfly ? num::sum(width, at)
                                  : num::sumInOrder(width, at));
  }
  frame.set(op, std::move(*out));
  return success();
}

static UnaryKind kindOf(row::UnaryFunction function) {
  switch (function) {
  case row::UnaryFunction::Sigmoid:
    return UnaryKind::sigmoid;
  case row::UnaryFunction::Silu:
    return UnaryKind::silu;
  case row::UnaryFunction::GeluTanh:
    return UnaryKind::gelu_tanh;
  case row::UnaryFunction::GeluErf:
    return UnaryKind::gelu;
  case row::UnaryFunction::Softplus:
    return UnaryKind::softplus;
  }
  return UnaryKind::sigmoid;
}

static LogicalResult evalUnary(row::UnaryOp op, Frame &frame) {
  Type type = getElementTypeOrSelf(op.getType());
  return mapScalars(op, frame, [&](ArrayRef<Element> in) {
    return applyUnary(kindOf(op.getFunction()), type, in[0]);
  });
}

void route::interp::addRowOps(Registry &registry) {
  registry.add(evalProgram);
  registry.add(evalChoose);
  registry.add(evalTake);
  registry.add(evalContains);
  registry.add(evalTally);
  registry.add(evalSum);
  registry.add(evalUnary);
}
