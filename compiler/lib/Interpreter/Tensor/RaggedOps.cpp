// Evaluators of the ragged dialect: rows counted, sorted and multiplied.
#include "../Choice.h"
#include "Tensors.h"
#include "route/Dialect/Ragged/IR/Ragged.h"
#include "route/numerics.h"

using namespace mlir;
using namespace route;
using namespace route::interp;

/// What the op writes: a copy of the init for tensors, the memref itself.
static FailureOr<Array> initOf(Operation *op, Frame &frame, Value init) {
  const Array &held = frame.array(init);
  if (isa<MemRefType>(init.getType()))
    return held;
  return copyTensor(op, frame, held);
}

/// Makes `written` the op's results, where it has any.
static void setResults(Operation *op, Frame &frame, ArrayRef<Array> written) {
  for (auto [result, array] : llvm::zip(op->getResults(), written))
    frame.set(result, array);
}

/// How many slots of item `t` count.
static int64_t limitOf(Frame &frame, Value limit, int64_t t, int64_t slots) {
  return limit ? std::min(frame.array(limit).buffer->get(t).asInt(), slots)
               : slots;
}

/// Calls `fn(slot, expert)` for every chosen slot in order.
template <typename Fn>
static void forEachSlot(Frame &frame, const Array &idx, Value limit,
                        int64_t experts, Fn fn) {
  int64_t items = idx.axes[0]->size, slots = idx.axes[1]->size;
  for (int64_t t = 0; t < items; ++t)
    for (int64_t k = 0, n = limitOf(frame, limit, t, slots); k < n; ++k) {
      int64_t expert = idx.buffer->get(t * slots + k).asInt();
      if (expert >= 0 && expert < experts)
        fn(t * slots + k, expert);
    }
}

static LogicalResult evalCount(ragged::CountOp op, Frame &frame) {
  auto counts = initOf(op, frame, op.getCounts());
  if (failed(counts))
    return failure();
  int64_t experts = counts->size();
  std::vector<int64_t> found(experts);
  forEachSlot(frame, frame.array(op.getIdx()), op.getLimit(), experts,
              [&](int64_t, int64_t expert) { ++found[expert]; });
  for (int64_t e = 0; e < experts; ++e)
    counts->buffer->set(e, found[e]);
  setResults(op, frame, {*counts});
  return success();
}

static LogicalResult evalOffsets(ragged::OffsetsOp op, Frame &frame) {
  const Array &counts = frame.array(op.getCounts());
  auto offsets = initOf(op, frame, op.getOffsets());
  if (failed(offsets))
    return failure();
  if (offsets->size() != counts.size() + 1)
    return op.emitError("has ")
           << offsets->size() << " offsets for " << counts.size() << " counts";
  int64_t sum = 0;
  offsets->buffer->set(0, sum);
  for (int64_t e = 0; e < counts.size(); ++e)
    offsets->buffer->set(e + 1, sum += counts.buffer->get(e).asInt());
  setResults(op, frame, {*offsets});
  return success();
}

static LogicalResult evalPermute(ragged::PermuteOp op, Frame &frame) {
  const Array &idx = frame.array(op.getIdx()),
              &offsets = frame.array(op.getOffsets());
  auto perm = initOf(op, frame, op.getPerm()),
       inv = initOf(op, frame, op.getInv());
  if (failed(perm) || failed(inv))
    return failure();
  if (perm->size() != idx.size() || inv->size() != idx.size())
    return op.emitError("permutes ")
           << idx.size() << " slots into " << perm->size() << " rows and "
           << inv->size() << " places";
  for (int64_t i = 0; i < idx.size(); ++i) {
    perm->buffer->set(i, int64_t(-1));
    inv->buffer->set(i, int64_t(-1));
  }
  int64_t experts = offsets.size() - 1;
  std::vector<int64_t> next(experts);
  for (int64_t e = 0; e < experts; ++e)
    next[e] = offsets.buffer->get(e).asInt();
  bool inside = true;
  forEachSlot(frame, idx, op.getLimit(), experts,
              [&](int64_t slot, int64_t expert) {
                int64_t row = next[expert]++;
                if (row < 0 || row >= perm->size()) {
                  inside = false;
                  return;
                }
                perm->buffer->set(row, slot);
                inv->buffer->set(slot, row);
              });
  if (!inside)
    return op.emitError("offsets do not belong to the indices");
  setResults(op, frame, {*perm, *inv});
  return success();
}

static LogicalResult evalGather(ragged::GatherOp op, Frame &frame) {
  const Array &x = frame.array(op.getX()), &perm = frame.array(op.getPerm());
  auto out = initOf(op, frame, op.getOut());
  if (failed(out))
    return failure();
  int64_t width = x.axes.size() == 2 ? x.axes[1]->size : 1;
  int64_t outWidth = out->axes.size() == 2 ? out->axes[1]->size : 1;
  for (int64_t m = 0; m < perm.size(); ++m) {
    int64_t slot = perm.buffer->get(m).asInt();
    if (slot < 0)
      continue;
    int64_t item = slot / static_cast<int64_t>(op.getSlots());
    if (item >= x.axes[0]->size || m >= out->axes[0]->size || width > outWidth)
      return op.emitError("gathers row ")
             << item << " of " << x.axes[0]->size << " to row " << m << " of "
             << out->axes[0]->size;
    for (int64_t h = 0; h < width; ++h)
      out->buffer->set(m * outWidth + h, x.buffer->get(item * width + h));
  }
  setResults(op, frame, {*out});
  return success();
}

static LogicalResult evalCombine(ragged::CombineOp op, Frame &frame) {
  const Array &y = frame.array(op.getY()), &inv = frame.array(op.getInv());
  const Array *scale = op.getScale() ? &frame.array(op.getScale()) : nullptr;
  auto out = initOf(op, frame, op.getOut());
  if (failed(out))
    return failure();
  int64_t items = inv.axes[0]->size, slots = inv.axes[1]->size,
          width = out->axes[1]->size;
  for (int64_t t = 0; t < items; ++t)
    for (int64_t h = 0; h < width; ++h) {
      float sum = 0;
      bool first = true;
      for (int64_t k = 0; k < slots; ++k) {
        int64_t row = inv.buffer->get(t * slots + k).asInt();
        if (row < 0)
          continue;
        if (row >= y.axes[0]->size)
          return op.emitError("row ") << row << " of " << y.axes[0]->size;
        float term = y.buffer->get(row * y.axes[1]->size + h).asFloat();
        if (scale)
          term *= scale->buffer->get(t * slots + k).asFloat();
        sum = first ? term : sum + term;
        first = false;
      }
      out->buffer->set(t * width + h, roundTo(out->elementType, sum));
    }
  setResults(op, frame, {*out});
  return success();
}

/// Where weight [e, n, k] lies in plain weights.
static int64_t plainPlace(bool transposed, ArrayRef<int64_t> shape, int64_t e,
                          int64_t n, int64_t k) {
  return transposed ? linearIndex(shape, {e, k, n})
                    : linearIndex(shape, {e, n, k});
}
static int64_t weightPlace(ragged::SlotMatmulOp op, ArrayRef<int64_t> shape,
                           int64_t e, int64_t n, int64_t k) {
  return plainPlace(op.getTransposed(), shape, e, n, k);
}
/// The same, or in panels.
static int64_t weightPlace(ragged::MatmulOp op, ArrayRef<int64_t> shape,
                           int64_t e, int64_t n, int64_t k) {
  if (op.isPacked() && shape.size() == 5)
    return linearIndex(shape, {e, n / 16, k / 2, n % 16, k % 2});
  if (op.isPacked())
    return linearIndex(shape, {e, n / 16, k, n % 16});
  return plainPlace(op.getTransposed(), shape, e, n, k);
}

/// The epilogue's value for column n of expert e's product with `row`.
template <typename OpTy>
static LogicalResult evalElement(OpTy op, Frame &frame, int64_t e, int64_t row,
                                 int64_t n, ValueRange perRow, Element &value) {
  const Array &rows = frame.array(op.getRows());
  SmallVector<int64_t> shape(op.weightType().getShape());
  int64_t inner = op.getInner(), parts = op.getParts();
  SmallVector<RuntimeValue, 1> args, yielded;
  for (Value operand : op.getWeights()) {
    const float *a = rows.buffer->floats() + row * rows.axes[1]->size,
                *b = frame.array(operand).buffer->floats();
    for (int64_t part = 0; part < parts; ++part)
      args.push_back(Element(num::sum(inner, [&](size_t k) {
        return a[k] * b[weightPlace(op, shape, e, n * parts + part, k)];
      })));
  }
  for (Value operand : op.getPerExpert())
    args.push_back(frame.array(operand).buffer->get(e * op.getOutputs() + n));
  for (Value operand : perRow)
    args.push_back(frame.array(operand).buffer->get(row));
  if (failed(frame.machine.runRegion(op.getEpilogue(), args, frame, yielded)))
    return failure();
  value = std::get<Element>(yielded.front());
  return success();
}

static LogicalResult evalMatmul(ragged::MatmulOp op, Frame &frame) {
  auto out = initOf(op, frame, op.getOut());
  if (failed(out))
    return failure();
  int64_t columns = op.getOutputs(), experts = op.getExperts();
  int64_t rowCount = frame.array(op.getRows()).axes[0]->size;
  int64_t outWidth = out->axes[1]->size;
  auto work = int64_t(op.getNumSums()) * rowCount * columns * op.getInner();
  if (failed(frame.machine.charge(rowCount * columns, op.getLoc())))
    return failure();
  frame.machine.steps += work / 1024;
  for (int64_t e = 0; e < experts; ++e) {
    int64_t begin = 0, end = rowCount;
    if (op.getOffsets()) {
      begin = frame.array(op.getOffsets()).buffer->get(e).asInt();
      end = frame.array(op.getOffsets()).buffer->get(e + 1).asInt();
    }
    if (begin < 0 || end > rowCount || begin > end)
      return op.emitError("expert ") << e << " has rows " << begin << " to "
                                     << end << " of " << rowCount;
    for (int64_t m = begin; m < end; ++m)
      for (int64_t n = 0; n < columns; ++n) {
        Element value(0.0f);
        if (failed(evalElement(op, frame, e, m, n, op.getPerRow(), value)))
          return failure();
        out->buffer->set(m * outWidth + n, value);
      }
  }
  setResults(op, frame, {*out});
  return success();
}

static LogicalResult evalSlotMatmul(ragged::SlotMatmulOp op, Frame &frame) {
  auto out = initOf(op, frame, op.getOut());
  if (failed(out))
    return failure();
  const Array &idx = frame.array(op.getIdx());
  int64_t columns = op.getOutputs(), ranks = op.getRanks();
  int64_t items = idx.axes[0]->size, outWidth = out->axes[1]->size;
  if (failed(frame.machine.charge(items * ranks * columns, op.getLoc())))
    return failure();
  frame.machine.steps +=
      int64_t(op.getNumSums()) * items * ranks * columns * op.getInner() / 1024;
  for (int64_t t = 0; t < items; ++t)
    for (int64_t n = 0; n < columns; ++n) {
      float sum = 0;
      bool first = true;
      for (int64_t k = 0; k < ranks; ++k) {
        int64_t slot = t * ranks + k;
        int64_t e = idx.buffer->get(slot).asInt();
        if (e < 0 || e >= op.getExperts() ||
            (op.getLimit() &&
             k >= frame.array(op.getLimit()).buffer->get(t).asInt()))
          continue;
        Element value(0.0f);
        if (failed(
                evalElement(op, frame, e, slot / op.getSlots(), n, {}, value)))
          return failure();
        if (!op.getCombined()) {
          out->buffer->set(slot * outWidth + n, value);
          continue;
        }
        float term = value.asFloat();
        if (op.getScale())
          term *= frame.array(op.getScale()).buffer->get(slot).asFloat();
        sum = first ? term : sum + term;
        first = false;
      }
      if (op.getCombined())
        out->buffer->set(t * outWidth + n, roundTo(out->elementType, sum));
    }
  setResults(op, frame, {*out});
  return success();
}

static LogicalResult evalPack(ragged::PackOp op, Frame &frame) {
  const Array &w = frame.array(op.getW());
  auto panels = initOf(op, frame, op.getPanels());
  if (failed(panels))
    return failure();
  SmallVector<int64_t> shape = shapeOf(w), panelShape = shapeOf(*panels);
  bool transposed = op.getTransposed(), pairs = panelShape.size() == 5;
  int64_t columns = shape[transposed ? 2 : 1],
          inner = shape[transposed ? 1 : 2];
  int64_t next = 0;
  forEachPosition(panelShape, [&](ArrayRef<int64_t> p) {
    int64_t n = p[1] * 16 + p[3], k = pairs ? p[2] * 2 + p[4] : p[2];
    bool inside = n < columns && k < inner;
    int64_t place = inside ? (transposed ? linearIndex(shape, {p[0], k, n})
                                         : linearIndex(shape, {p[0], n, k}))
                           : 0;
    panels->buffer->set(next++, inside ? w.buffer->get(place) : Element(0.0f));
  });
  setResults(op, frame, {*panels});
  return success();
}

/// The items in turn: candidates that are allowed, sorted by their keys.
static LogicalResult evalChoose(ragged::ChooseOp op, Frame &frame) {
  auto indices = initOf(op, frame, op.getIndices()),
       counts = initOf(op, frame, op.getCounts());
  if (failed(indices) || failed(counts))
    return failure();
  SmallVector<Value> mapped = op.getMapped();
  auto read = [&](unsigned i, ArrayRef<int64_t> at) {
    AffineMap map = cast<AffineMapAttr>(op.getMaps()[i]).getValue();
    SmallVector<int64_t> place;
    for (unsigned r = 0; r < map.getNumResults(); ++r)
      place.push_back(at[map.getDimPosition(r)]);
    const Array &array = frame.array(mapped[i]);
    return array.buffer->get(linearIndex(shapeOf(array), place));
  };
  unsigned keys = op.getKeys().size(), masks = op.getMasks().size();
  SmallVector<int64_t> items = shapeOf(*indices);
  int64_t capacity = items.pop_back_val(), item = 0;
  forEachPosition(items, [&](ArrayRef<int64_t> position) {
    SmallVector<int64_t> at(position);
    at.push_back(0);
    int64_t begin = 0, end = indexOf(frame, op.getCandidates()),
            rows = capacity;
    unsigned next = keys + masks;
    if (!op.getRange().empty()) {
      begin = read(next++, at).asInt();
      end = read(next++, at).asInt();
    }
    if (op.getLimit())
      rows = std::clamp<int64_t>(read(next, at).asInt(), 0, capacity);
    std::vector<std::pair<std::vector<KeyPart>, int64_t>> found;
    for (int64_t c = begin; c < end; ++c) {
      at.back() = c;
      bool allowed = true;
      for (unsigned m = 0; m < masks; ++m)
        allowed = allowed && read(keys + m, at).asTruth();
      std::vector<KeyPart> parts;
      for (unsigned k = 0; allowed && k < keys; ++k)
        parts.push_back(makeKey(read(k, at), op.getUp()[k]));
      if (allowed)
        found.push_back({std::move(parts), c});
    }
    llvm::stable_sort(found, [](const auto &a, const auto &b) {
      return ranksBefore(a.first, b.first);
    });
    rows = std::min<int64_t>(rows, found.size());
    for (int64_t r = 0; r < capacity; ++r)
      indices->buffer->set(item * capacity + r,
                           r < rows ? found[r].second : int64_t(-1));
    counts->buffer->set(item++, rows);
  });
  setResults(op, frame, {*indices, *counts});
  return success();
}

void route::interp::addRaggedOps(Registry &registry) {
  registry.add(evalChoose);
  registry.add(evalCount);
  registry.add(evalOffsets);
  registry.add(evalPermute);
  registry.add(evalGather);
  registry.add(evalCombine);
  registry.add(evalMatmul);
  registry.add(evalSlotMatmul);
  registry.add(evalPack);
}
