// How the warps of a slot's kernel multiply its row by its expert's weights.
#include "SlotKernel.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace route::ragged {

/// Weights whose rows lie along K: the lanes of a warp go along it, 16 bytes
/// each where they can.
class SlotKernel::AlongRows {
public:
  AlongRows(SlotKernel &s, Value row, Value first)
      : s(s), k(s.k), row(row), first(first), count(s.sums * s.shares.columns) {
    int64_t sixteenBytes = 128 / s.element.getIntOrFloatBitWidth();
    bool wide = s.inner % sixteenBytes == 0 &&
                rowsStartAt16Bytes(s.op.getRows()) &&
                llvm::all_of(s.op.getWeights(), rowsStartAt16Bytes);
    width = wide ? sixteenBytes : 1;
    stride = 32 * width;
    // So many loads of weights at once, in a few of a lane's registers.
    unroll = std::clamp<int64_t>(8 / count, 1,
                                 std::max<int64_t>(1, s.inner / stride));
    for (int64_t more = unroll; more <= 2 * unroll; ++more)
      if (s.inner % (more * stride) == 0) {
        unroll = more;
        break;
      }
  }

  /// Each lane's part, in the order of weights, then columns.
  Values partialSums() {
    Value lane = k.rem(k.thread(), k.index(32));
    Value own = k.mul(lane, k.index(width));
    Values sum(count, k.real(0));
    int64_t step = unroll * stride, whole = s.inner / step * step;
    int64_t begin = 0;
    if (s.early && whole) {
      // The first weights are on their way while the rows are still being made.
      Values at = places(own), loaded = weightsAt(at);
      s.waitForRows();
      sum = multiply(loaded, rowAt(at), sum);
      begin = step;
    } else if (s.early) {
      s.waitForRows();
    }
    if (begin < whole)
      sum = k.loop(k.add(own, k.index(begin)), k.index(whole), k.index(step),
                   sum, [&](Value start, ValueRange acc) {
                     Values at = places(start), loaded = weightsAt(at);
                     return multiply(loaded, rowAt(at), Values(acc));
                   });
    if (whole < s.inner)
      sum = k.loop(k.add(own, k.index(whole)), k.index(s.inner),
                   k.index(stride), sum, [&](Value at, ValueRange acc) {
                     Values loaded = weightsAt({at});
                     return multiply(loaded, rowAt({at}), Values(acc));
                   });
    return sum;
  }

private:
  /// Where along K a lane reads in one step that begins for it `at`.
  Values places(Value at) {
    Values result;
    for (int64_t u = 0; u < unroll; ++u)
      result.push_back(k.add(at, k.index(u * stride)));
    return result;
  }
  Values rowAt(ArrayRef<Value> places) {
    Values result;
    for (Value at : places)
      result.push_back(loadWide(k, s.rows, {row, at}, width));
    return result;
  }
  Values weightsAt(ArrayRef<Value> places) {
    Values result;
    for (Value at : places)
      for (unsigned sum = 0; sum < s.sums; ++sum)
        for (int64_t c = 0; c < s.shares.columns; ++c)
          result.push_back(loadWide(
              k, s.weights[sum / s.parts],
              {s.expert, s.weightAt(sum, k.add(first, k.index(c))), at},
              width));
    return result;
  }
  Values multiply(ArrayRef<Value> loaded, ArrayRef<Value> x, Values sum) {
    for (auto [step, numbers] : llvm::enumerate(x))
      for (int64_t i = 0; i < width; ++i) {
        Value factor = k.widen(elementOf(k, numbers, i));
        for (int64_t n = 0; n < count; ++n)
          sum[n] = math::FmaOp::create(
              k.b, factor, k.widen(elementOf(k, loaded[step * count + n], i)),
              sum[n]);
      }
    return sum;
  }

  SlotKernel &s;
  KernelBody &k;
  Value row, first;
  int64_t count;  ///< sums
  int64_t width;  ///< numbers of a load
  int64_t stride; ///< along K, of all lanes
  int64_t unroll; ///< strides of a step
};

SlotKernel::Values SlotKernel::sumsAlongRows(Value row, Value first) {
  Values sum = AlongRows(*this, row, first).partialSums();
  for (Value &each : sum)
    each = k.addLanes(each);
  return sum;
}

/// Transposed weights: a lane has columns of its own.
class SlotKernel::OfColumns {
public:
  OfColumns(SlotKernel &s, Value row)
      : s(s), k(s.k), row(row), columns(s.op.getOutputs() * s.parts),
        own(s.shares.ofLane), count(own * s.weights.size()) {
    // Columns of the weights: two side by side, the parts of one of the result
    // or two of the result.
    pairs = own == 2 && columns % 2 == 0 &&
            llvm::all_of(s.op.getWeights(), [](Value v) {
              auto type = cast<MemRefType>(v.getType());
              auto [strides, offset] = type.getStridesAndOffset();
              auto even = [](int64_t n) {
                return !ShapedType::isDynamic(n) && n % 2 == 0;
              };
              return strides.back() == 1 && even(offset) &&
                     llvm::all_of(ArrayRef(strides).drop_back(), even);
            });
  }

  Values sums(Value first, Value split) {
    constexpr int64_t together = 16;
    int64_t share =
        llvm::divideCeil(llvm::divideCeil(s.inner, together), s.shares.splits);
    Value begin =
        k.least(k.mul(split, k.index(together * share)), k.index(s.inner));
    Value end =
        k.least(k.add(begin, k.index(together * share)), k.index(s.inner));
    Value lane = k.rem(k.thread(), k.index(32));
    column = k.add(k.mul(first, k.index(s.parts)), k.mul(lane, k.index(own)));
    last = k.index(columns - 1);
    if (s.early)
      s.waitForRows();
    Values sum(count, k.real(0));
    Value length = k.sub(end, begin);
    Value whole = k.add(begin, k.sub(length, k.rem(length, k.index(together))));
    sum = k.loop(begin, whole, k.index(together), sum,
                 [&](Value at, ValueRange acc) {
                   return multiply(at, together, Values(acc));
                 });
    return k.loop(whole, end, k.index(1), sum, [&](Value at, ValueRange acc) {
      return multiply(at, 1, Values(acc));
    });
  }

private:
  /// The lane's columns of one row of the weights; beyond the last column the
  /// last ones.
  Values fetch(Value memory, Value at) {
    if (pairs) {
      Value v = loadWide(
          k, memory, {s.expert, at, k.least(column, k.index(columns - 2))}, 2);
      return {elementOf(k, v, 0), elementOf(k, v, 1)};
    }
    Values result;
    for (int64_t i = 0; i < own; ++i)
      result.push_back(k.load(
          memory, {s.expert, at, k.least(k.add(column, k.index(i)), last)}));
    return result;
  }
  /// Numbers of the row. The warp's lanes all read the same, 16 bytes at a
  /// time.
  Values rowAt(Value start, int64_t steps) {
    Values result;
    int64_t together = 128 / s.element.getIntOrFloatBitWidth();
    bool wide = steps % together == 0 && rowsStartAt16Bytes(s.op.getRows());
    for (int64_t u = 0; u < steps; u += wide ? together : 1) {
      Value at = k.add(start, k.index(u));
      if (!wide) {
        result.push_back(k.widen(k.load(s.rows, {row, at})));
        continue;
      }
      Value several = loadWide(k, s.rows, {row, at}, together);
      for (int64_t i = 0; i < together; ++i)
        result.push_back(k.widen(elementOf(k, several, i)));
    }
    return result;
  }
  Values multiply(Value start, int64_t steps, Values sum) {
    Values loaded;
    for (int64_t u = 0; u < steps; ++u)
      for (Value memory : s.weights)
        llvm::append_range(loaded, fetch(memory, k.add(start, k.index(u))));
    Values x = rowAt(start, steps);
    for (int64_t u = 0; u < steps; ++u)
      for (int64_t n = 0; n < count; ++n)
        sum[n] = math::FmaOp::create(k.b, x[u], k.widen(loaded[u * count + n]),
                                     sum[n]);
    return sum;
  }

  SlotKernel &s;
  KernelBody &k;
  Value row;
  int64_t columns; ///< of the weights
  int64_t own;     ///< columns of a lane
  int64_t count;   ///< sums
  bool pairs;      ///< whether two columns are loaded at once
  Value column, last;
};

SlotKernel::Values SlotKernel::sumsOfColumns(Value row, Value first,
                                             Value split) {
  return OfColumns(*this, row).sums(first, split);
}

} // namespace route::ragged
