// Emits the register tile: elements of rows times panels, accumulated.
#include "MicroKernel.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/X86Vector/X86VectorDialect.h"

using namespace mlir;

namespace route::ragged {

/// Rows in a tile when all of them compete for the same ways of the cache.
constexpr int64_t maxAliasingRows = 8;

MatmulShape::MatmulShape(MatmulOp op, CPUTarget target)
    : experts(op.getExperts()), columns(op.getOutputs()), inner(op.getInner()),
      weights(op.getWeights().size()) {
  Type element = op.weightType().getElementType();
  panels = llvm::divideCeil(columns, panelColumns);
  pair = getPanelPair(element);
  steps = llvm::divideCeil(inner, pair);
  dot = target.bf16Dot && element.isBF16();
  bool widened = element.isBF16() && !dot;
  // One panel of one weight alone would be limited by the loads of the rows.
  bool roomy = target.registers >= 32;
  width = weights == 1 && panels % 2 == 0 && roomy ? 2 : 1;
  // Accumulators share the registers with the panels and one broadcast; where
  // registers are few, panels are read from memory by the instruction itself.
  int64_t others = roomy ? sums() + 1 : 1;
  if (widened)
    others = roomy ? 2 * sums() + 3 : 3;
  maxRows = std::clamp<int64_t>((target.registers - others) / sums(), 1, 24);
  // Rows a page apart share the sets of the first-level cache.
  auto [strides, offset] =
      cast<MemRefType>(op.getRows().getType()).getStridesAndOffset();
  int64_t bytes = strides.front() * (element.getIntOrFloatBitWidth() / 8);
  if (ShapedType::isDynamic(strides.front()) || bytes % 4096 == 0)
    maxRows = std::min(maxRows, maxAliasingRows);
}

namespace {

class TileEmitter {
public:
  TileEmitter(Emit &e, const MatmulShape &shape, const TileSource &source,
              int64_t rowCount)
      : e(e), shape(shape), source(source), rowCount(rowCount),
        f32(VectorType::get({panelColumns}, e.b.getF32Type())),
        i32(VectorType::get({panelColumns}, e.b.getI32Type())) {}

  SmallVector<Value> run() {
    SmallVector<Value> state(rowCount * shape.sums(), e.zero(f32));
    state.push_back(source.prefetch);
    // The half step at the end of an odd K reads one element of each row.
    int64_t whole = shape.inner / shape.pair, unroll = getUnroll(whole);
    state = e.loop(e.index(0), e.index(whole), unroll, state,
                   [&](Value step, ValueRange carried) {
                     SmallVector<Value> next(carried);
                     for (int64_t i = 0; i < unroll; ++i)
                       emitStep(e.mul(step, shape.pair),
                                e.mul(step, shape.stepElements()), i, next,
                                /*half=*/false);
                     return next;
                   });
    if (whole != shape.steps)
      emitStep(e.index(whole * shape.pair),
               e.index(whole * shape.stepElements()), 0, state, /*half=*/true);
    state.pop_back();
    return state;
  }

private:
  /// Steps in one turn of the loop: enough work to hide its overhead.
  int64_t getUnroll(int64_t whole) {
    for (int64_t unroll : {8, 4, 2})
      if (whole % unroll == 0 && rowCount * shape.sums() * unroll <= 16)
        return unroll;
    return 1;
  }

  void emitStep(Value k, Value at, int64_t offset,
                SmallVectorImpl<Value> &state, bool half) {
    Value panelAt =
        e.add(e.add(source.panel, at), offset * shape.stepElements());
    SmallVector<SmallVector<Value, 2>> factors;
    for (Value line : source.lines)
      factors.push_back(loadPanel(line, panelAt));
    Value ahead = state.back();
    for (Value line : source.lines)
      memref::PrefetchOp::create(e.b, e.loc, line, ahead, /*isWrite=*/false,
                                 /*localityHint=*/2, /*isDataCache=*/true);
    state.back() = e.add(ahead, source.prefetchStep);
    Value start = e.add(source.firstRow, e.add(k, offset * shape.pair));
    for (int64_t m = 0; m < rowCount; ++m) {
      Value rowAt = e.add(start, m && m + 1 == rowCount
                                     ? source.lastRow
                                     : e.mul(source.rows.rowStride, m));
      SmallVector<Value, 2> row = loadRow(rowAt, half);
      for (auto [n, factor] : llvm::enumerate(factors)) {
        Value &sum = state[m * shape.sums() + n];
        sum = accumulate(sum, row, factor);
      }
    }
  }

  /// The 16 columns of a step: as they lie, or widened to odd and even parts.
  SmallVector<Value, 2> loadPanel(Value line, Value at) {
    if (shape.pair == 1)
      return {e.loadVector(f32, line, at)};
    auto pairs = VectorType::get({2 * panelColumns}, e.b.getBF16Type());
    Value panel = e.loadVector(pairs, line, at);
    if (shape.dot)
      return {panel};
    return widen(vector::BitCastOp::create(e.b, e.loc, i32, panel));
  }

  /// One row's element or pair for a step, in every lane.
  SmallVector<Value, 2> loadRow(Value at, bool half) {
    Value line = source.rows.line;
    if (shape.pair == 1)
      return {e.splat(f32, e.load(line, at))};
    Value bits;
    if (half) {
      bits = arith::BitcastOp::create(e.b, e.loc, e.b.getI16Type(),
                                      e.load(line, at));
      bits = arith::ExtUIOp::create(e.b, e.loc, e.b.getI32Type(), bits);
    } else {
      auto two = VectorType::get({2}, e.b.getBF16Type());
      auto one = VectorType::get({1}, e.b.getI32Type());
      bits = vector::BitCastOp::create(e.b, e.loc, one,
                                       e.loadVector(two, line, at));
      bits = vector::ExtractOp::create(e.b, e.loc, bits, 0);
    }
    Value all = e.splat(i32, bits);
    if (!shape.dot)
      return widen(all);
    auto pairs = VectorType::get({2 * panelColumns}, e.b.getBF16Type());
    return {vector::BitCastOp::create(e.b, e.loc, pairs, all)};
  }

  /// Odd, then even elements of bf16 pairs as f32.
  SmallVector<Value, 2> widen(Value pairs) {
    Value sixteen = e.splat(i32, e.i32(16));
    Value upper = e.splat(i32, e.i32(static_cast<int32_t>(0xffff0000u)));
    Value odd = arith::AndIOp::create(e.b, e.loc, pairs, upper);
    Value even = arith::ShLIOp::create(e.b, e.loc, pairs, sixteen);
    return {vector::BitCastOp::create(e.b, e.loc, f32, odd),
            vector::BitCastOp::create(e.b, e.loc, f32, even)};
  }

  Value accumulate(Value sum, ArrayRef<Value> row, ArrayRef<Value> panel) {
    if (shape.dot)
      return x86vector::DotBF16Op::create(e.b, e.loc, f32, sum, row[0],
                                          panel[0]);
    // Not vector.fma, which the target may take apart.
    for (auto [x, y] : llvm::zip_equal(row, panel))
      sum = math::FmaOp::create(e.b, e.loc, x, y, sum);
    return sum;
  }

  Emit &e;
  const MatmulShape &shape;
  const TileSource &source;
  int64_t rowCount;
  VectorType f32, i32;
};

} // namespace

void emitTile(Emit &e, const MatmulShape &shape, const TileSource &source,
              int64_t rowCount, Value tile) {
  SmallVector<Value> sums = TileEmitter(e, shape, source, rowCount).run();
  for (auto [i, sum] : llvm::enumerate(sums))
    e.storeVector(
        sum, tile,
        {e.index(i / shape.sums()), e.index(i % shape.sums()), e.index(0)});
}

} // namespace route::ragged
