// Kernels of products slot by slot, for few items.
// What counts is that enough loads of weights are under way at once.
//
// Weights whose rows lie along K: a warp has a few columns, its lanes go along
// K. Transposed weights: a warp has 64 columns, two a lane, or 32, and a share
// of K.
// Where an item's results are combined, its ranks are warps of one block.
#include "KernelBody.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/IRMapping.h"
#include "route/Notice.h"

using namespace mlir;

namespace route::ragged {
namespace {
using Predicate = arith::CmpIPredicate;
using Values = SmallVector<Value>;

/// How the sums of a slot are shared out among warps.
struct Shares {
  int64_t columns; ///< of the result, for a warp
  int64_t splits;  ///< warps that share the columns' sums
  int64_t ranks;   ///< slots of a block
  int64_t groups;  ///< of columns in a block
  int64_t ofLane;  ///< columns of transposed weights for a lane: 1 or 2
  int64_t threads() const { return 32 * splits * ranks * groups; }
};

class SlotKernel {
public:
  SlotKernel(ModuleOp module, SlotMatmulOp op, bool early, const Shares &shares)
      : op(op), shares(shares), early(early),
        k(module, op, kernelStem(op, "slots"), op->getOperands(),
          static_cast<int32_t>(shares.threads())),
        f32(k.b.getF32Type()), element(op.weightType().getElementType()),
        inner(op.getInner()), parts(op.getParts()), sums(op.getNumSums()) {
    unsigned next = 0;
    auto take = [&](unsigned n) {
      Values result;
      for (unsigned i = 0; i < n; ++i)
        result.push_back(k.argument(next++));
      return result;
    };
    rows = take(1)[0];
    idx = take(1)[0];
    if (op.getLimit())
      limit = take(1)[0];
    weights = take(op.getWeights().size());
    perExpert = take(op.getPerExpert().size());
    if (op.getScale())
      scale = take(1)[0];
    out = take(1)[0];
  }

  void emit();
  gpu::GPUFuncOp kernel() { return k.kernel; }

private:
  Value zero() {
    return arith::ConstantOp::create(k.b, k.b.getF32FloatAttr(0));
  }
  Value minusZero() {
    return arith::ConstantOp::create(k.b, k.b.getF32FloatAttr(-0.0f));
  }
  Value widen(Value v) {
    return v.getType() == f32 ? v : arith::ExtFOp::create(k.b, f32, v);
  }
  Value weightAt(unsigned sum, Value column) {
    return k.add(k.mul(column, k.index(parts)), k.index(sum % parts));
  }
  /// Numbers that lie side by side.
  Value loadWide(Value memory, ValueRange at, int64_t width) {
    auto load = vector::LoadOp::create(k.b, VectorType::get({width}, element),
                                       memory, at);
    load.setAlignment(width * element.getIntOrFloatBitWidth() / 8);
    return load;
  }
  /// Not before this may what earlier kernels left be read, but for the slots'
  /// experts and the weights where `early` is set.
  void waitForRows();
  Values sumsAlongRows(Value row, Value first);
  Values sumsOfColumns(Value row, Value first, Value split);
  Value result(ArrayRef<Value> totals, Value column);
  void writeAlongRows(Value first, ArrayRef<Value> totals);
  void writeColumns(Value first, ArrayRef<Value> totals);
  void writeSum(Value column,
                llvm::function_ref<std::pair<Value, Value>(int64_t)> term);
  Value scaled(Value y, Value rank);
  Value chosenOf(Value slot);
  Value slotOf(int64_t r);

  SlotMatmulOp op;
  Shares shares;
  bool early;
  KernelBody k;
  Type f32, element;
  int64_t inner, parts;
  unsigned sums;
  Value rows, idx, limit, scale, out;
  Values weights, perExpert;
  Value thread, lane, group;
  Value which;       ///< the block's item, or slot
  Value rankInBlock; ///< of the warp
  Value slot;        ///< of the warp
  Value has;         ///< whether it has an expert
  Value expert;      ///< which
};

void SlotKernel::waitForRows() {
  // The next kernel may start once this has waited: it then knows that those
  // before this one have ended.
  for (auto kind : {NVVM::GridDepActionKind::wait,
                    NVVM::GridDepActionKind::launch_dependents})
    NVVM::GriddepcontrolOp::create(
        k.b, NVVM::GridDepActionKindAttr::get(k.b.getContext(), kind));
}

/// The sums of `columns` columns from `first` on, each lane's part.
Values SlotKernel::sumsAlongRows(Value row, Value first) {
  int64_t width = 128 / element.getIntOrFloatBitWidth();
  bool wide = inner % width == 0 && rowsStartAt16Bytes(op.getRows()) &&
              llvm::all_of(op.getWeights(), rowsStartAt16Bytes);
  if (!wide)
    width = 1;
  int64_t count = sums * shares.columns, stride = 32 * width;
  // So many loads of weights at once, in a few of a lane's registers.
  int64_t unroll =
      std::clamp<int64_t>(8 / count, 1, std::max<int64_t>(1, inner / stride));
  for (int64_t more = unroll; more <= 2 * unroll; ++more)
    if (inner % (more * stride) == 0) {
      unroll = more;
      break;
    }
  Value lane = k.rem(k.thread(), k.index(32));
  auto fetch = [&](Value memory, ValueRange at) -> Value {
    return width == 1 ? k.load(memory, at) : loadWide(memory, at, width);
  };
  auto numberOf = [&](Value loaded, int64_t i) {
    return widen(width == 1 ? loaded
                            : vector::ExtractOp::create(k.b, loaded, i));
  };
  auto weightsAt = [&](Value at, Values &loaded) {
    for (unsigned s = 0; s < sums; ++s)
      for (int64_t c = 0; c < shares.columns; ++c)
        loaded.push_back(
            fetch(weights[s / parts],
                  {expert, weightAt(s, k.add(first, k.index(c))), at}));
  };
  auto multiply = [&](ArrayRef<Value> loaded, ArrayRef<Value> x, Values sum) {
    for (auto [step, numbers] : llvm::enumerate(x))
      for (int64_t i = 0; i < width; ++i) {
        Value factor = numberOf(numbers, i);
        for (int64_t s = 0; s < count; ++s)
          sum[s] = math::FmaOp::create(
              k.b, factor, numberOf(loaded[step * count + s], i), sum[s]);
      }
    return sum;
  };
  Value own = k.mul(lane, k.index(width));
  auto places = [&](Value at) {
    Values result;
    for (int64_t u = 0; u < unroll; ++u)
      result.push_back(k.add(at, k.index(u * stride)));
    return result;
  };
  auto rowAt = [&](ArrayRef<Value> places) {
    Values result;
    for (Value at : places)
      result.push_back(fetch(rows, {row, at}));
    return result;
  };

  Values sum(count, zero());
  int64_t step = unroll * stride, whole = inner / step * step;
  int64_t begin = 0;
  if (early && whole) {
    // The first weights are on their way while the rows are still being made.
    Values at = places(own), loaded;
    for (Value each : at)
      weightsAt(each, loaded);
    waitForRows();
    sum = multiply(loaded, rowAt(at), sum);
    begin = step;
  } else if (early) {
    waitForRows();
  }
  if (begin < whole)
    sum = k.loop(k.add(own, k.index(begin)), k.index(whole), k.index(step), sum,
                 [&](Value start, ValueRange acc) {
                   Values at = places(start), loaded;
                   for (Value each : at)
                     weightsAt(each, loaded);
                   return multiply(loaded, rowAt(at), Values(acc));
                 });
  if (whole < inner)
    sum = k.loop(k.add(own, k.index(whole)), k.index(inner), k.index(stride),
                 sum, [&](Value at, ValueRange acc) {
                   Values loaded;
                   weightsAt(at, loaded);
                   return multiply(loaded, rowAt({at}), Values(acc));
                 });
  for (Value &each : sum)
    for (int32_t s = 16; s; s /= 2)
      each = k.b.create<arith::AddFOp>(
          each, k.shuffle(each, s, gpu::ShuffleMode::XOR));
  return sum;
}

/// The sums of two columns of a lane, over the split's share of K.
Values SlotKernel::sumsOfColumns(Value row, Value first, Value split) {
  int64_t share = llvm::divideCeil(llvm::divideCeil(inner, 16), shares.splits);
  Value begin = arith::MinUIOp::create(k.b, k.mul(split, k.index(16 * share)),
                                       k.index(inner));
  Value end = arith::MinUIOp::create(k.b, k.add(begin, k.index(16 * share)),
                                     k.index(inner));
  // Columns of the weights: two side by side, the parts of one of the result
  // or two of the result.
  int64_t columns = op.getOutputs() * parts, own = shares.ofLane;
  bool pairs = own == 2 && columns % 2 == 0 &&
               llvm::all_of(op.getWeights(), [](Value v) {
                 auto type = cast<MemRefType>(v.getType());
                 auto [strides, offset] = type.getStridesAndOffset();
                 auto even = [](int64_t n) {
                   return !ShapedType::isDynamic(n) && n % 2 == 0;
                 };
                 return strides.back() == 1 && even(offset) &&
                        llvm::all_of(ArrayRef(strides).drop_back(), even);
               });
  Value lane = k.rem(k.thread(), k.index(32));
  Value column = k.add(k.mul(first, k.index(parts)), k.mul(lane, k.index(own)));
  Value last = k.index(columns - 1);
  unsigned sums = own * weights.size();
  auto fetch = [&](Value memory, Value at) -> Values {
    if (pairs) {
      Value v =
          loadWide(memory,
                   {expert, at,
                    arith::MinUIOp::create(k.b, column, k.index(columns - 2))},
                   2);
      return {vector::ExtractOp::create(k.b, v, 0),
              vector::ExtractOp::create(k.b, v, 1)};
    }
    Values result;
    for (int64_t i = 0; i < own; ++i)
      result.push_back(k.load(
          memory,
          {expert, at,
           arith::MinUIOp::create(k.b, k.add(column, k.index(i)), last)}));
    return result;
  };
  auto several = [&](Value start, int64_t steps, Values sum) {
    Values loaded, x;
    for (int64_t u = 0; u < steps; ++u)
      for (Value memory : weights)
        llvm::append_range(loaded, fetch(memory, k.add(start, k.index(u))));
    // The warp's lanes all read the same of the row, 16 bytes at a time.
    int64_t together = 128 / element.getIntOrFloatBitWidth();
    bool wide = steps % together == 0 && rowsStartAt16Bytes(op.getRows());
    for (int64_t u = 0; u < steps; u += wide ? together : 1) {
      Value at = k.add(start, k.index(u));
      if (!wide) {
        x.push_back(widen(k.load(rows, {row, at})));
        continue;
      }
      Value several = loadWide(rows, {row, at}, together);
      for (int64_t i = 0; i < together; ++i)
        x.push_back(widen(vector::ExtractOp::create(k.b, several, i)));
    }
    for (int64_t u = 0; u < steps; ++u)
      for (unsigned s = 0; s < sums; ++s)
        sum[s] =
            math::FmaOp::create(k.b, x[u], widen(loaded[u * sums + s]), sum[s]);
    return sum;
  };
  if (early)
    waitForRows();
  Values sum(sums, zero());
  Value length = k.sub(end, begin);
  Value whole = k.add(begin, k.sub(length, k.rem(length, k.index(16))));
  sum = k.loop(begin, whole, k.index(16), sum, [&](Value at, ValueRange acc) {
    return several(at, 16, Values(acc));
  });
  return k.loop(whole, end, k.index(1), sum, [&](Value at, ValueRange acc) {
    return several(at, 1, Values(acc));
  });
}

/// The epilogue.
Value SlotKernel::result(ArrayRef<Value> totals, Value column) {
  IRMapping mapping;
  Block &body = op.getEpilogue().front();
  unsigned argument = 0;
  for (Value total : totals)
    mapping.map(body.getArgument(argument++), total);
  for (Value v : perExpert)
    mapping.map(body.getArgument(argument++), k.load(v, {expert, column}));
  for (Operation &each : body.without_terminator())
    k.b.clone(each, mapping);
  return mapping.lookup(body.getTerminator()->getOperand(0));
}

/// Adds up an item's terms in the order of their ranks, from -0, which changes
/// none, and writes the sum; 0 where no rank has an expert. `term` gives the
/// term of a rank, -0 without one, and whether there is one.
void SlotKernel::writeSum(
    Value column, llvm::function_ref<std::pair<Value, Value>(int64_t)> term) {
  Value sum = minusZero(),
        any = arith::ConstantOp::create(k.b, k.b.getBoolAttr(false));
  for (int64_t r = 0; r < op.getRanks(); ++r) {
    auto [y, has] = term(r);
    sum = arith::AddFOp::create(k.b, sum, y);
    any = arith::OrIOp::create(k.b, any, has);
  }
  sum = k.select(any, sum, zero());
  Type type = cast<MemRefType>(out.getType()).getElementType();
  if (type != f32)
    sum = arith::TruncFOp::create(k.b, type, sum);
  k.store(sum, out, {which, column});
}

/// A result times what its rank weighs.
Value SlotKernel::scaled(Value y, Value rank) {
  y = widen(y);
  if (scale)
    y = arith::MulFOp::create(k.b, y, widen(k.load(scale, {which, rank})));
  return y;
}

Value SlotKernel::chosenOf(Value slot) {
  return chosenBy(k, idx, limit, slot, k.index(op.getRanks()), op.getExperts());
}
/// The slot of the item's rank r.
Value SlotKernel::slotOf(int64_t r) {
  return k.add(k.mul(which, k.index(op.getRanks())), k.index(r));
}

void SlotKernel::emit() {
  Block &body = k.kernel.getBody().front();
  if (early) {
    // What createKernel put at the start comes later.
    for (Operation &each : llvm::make_early_inc_range(body))
      if (isa<NVVM::GriddepcontrolOp>(each))
        each.erase();
  } else {
    body.front().moveAfter(&*std::next(body.begin()));
  }
  int64_t columns = op.getOutputs();
  thread = k.thread();
  Value warp = k.div(thread, k.index(32));
  lane = k.rem(thread, k.index(32));
  Value split = k.rem(warp, k.index(shares.splits));
  warp = k.div(warp, k.index(shares.splits));
  rankInBlock = k.rem(warp, k.index(shares.ranks));
  group = k.div(warp, k.index(shares.ranks));
  int64_t tiles = llvm::divideCeil(columns, shares.columns * shares.groups);
  Value tile = k.rem(k.blockId(), k.index(tiles));
  // A block is for an item where its ranks are in it, else for a slot.
  which = k.div(k.blockId(), k.index(tiles));
  slot = op.getCombined()
             ? k.add(k.mul(which, k.index(op.getRanks())), rankInBlock)
             : which;
  Value first = k.mul(k.add(k.mul(tile, k.index(shares.groups)), group),
                      k.index(shares.columns));
  Value chosen = chosenOf(slot);
  has = k.cmp(Predicate::sge, chosen, k.number(0));
  expert = k.toIndex(k.select(has, chosen, k.number(0)));
  Value row = k.div(slot, k.index(op.getSlots()));
  if (op.getTransposed())
    return writeColumns(first, sumsOfColumns(row, first, split));
  // The last columns take some before them again rather than be fewer.
  first = arith::MinUIOp::create(
      k.b, first, k.index(std::max<int64_t>(0, columns - shares.columns)));
  writeAlongRows(first, sumsAlongRows(row, first));
}

/// Every lane has all sums of its warp's columns. Those of an item's other
/// ranks come through shared memory: [group, rank, column].
void SlotKernel::writeAlongRows(Value first, ArrayRef<Value> totals) {
  auto mine = [&](int64_t c) {
    Values each;
    for (unsigned s = 0; s < sums; ++s)
      each.push_back(totals[s * shares.columns + c]);
    return each;
  };
  // Lane c has column c.
  Values own = mine(0);
  for (int64_t c = 1; c < shares.columns; ++c) {
    Value is = k.cmp(Predicate::eq, lane, k.index(c));
    for (auto [value, other] : llvm::zip_equal(own, mine(c)))
      value = k.select(is, other, value);
  }
  Value column = k.add(first, lane);
  Value isOwn = k.cmp(Predicate::ult, lane, k.index(shares.columns));
  if (!op.getCombined()) {
    k.when(k.both(isOwn, has),
           [&] { k.store(result(own, column), out, {slot, column}); });
    return;
  }
  Value terms = k.shared({shares.groups, shares.ranks, shares.columns}, f32);
  k.when(isOwn, [&] {
    Value y = scaled(result(own, column), rankInBlock);
    k.store(k.select(has, y, minusZero()), terms, {group, rankInBlock, lane});
  });
  k.barrier();
  k.when(k.both(isOwn, k.cmp(Predicate::eq, rankInBlock, k.index(0))), [&] {
    writeSum(column, [&](int64_t r) -> std::pair<Value, Value> {
      Value y = k.load(terms, {group, k.index(r), lane});
      return {y, k.cmp(Predicate::sge, chosenOf(slotOf(r)), k.number(0))};
    });
  });
}

/// Every warp has a share of the sums of its columns; they meet in shared
/// memory: [rank, split, column]. A thread for each column then adds up the
/// splits, and the ranks.
void SlotKernel::writeColumns(Value first, ArrayRef<Value> totals) {
  int64_t wide = 32 * shares.ofLane, each = wide * weights.size();
  Value split = k.rem(k.div(thread, k.index(32)), k.index(shares.splits));
  Value partial = k.shared({shares.ranks, shares.splits, each}, f32);
  for (unsigned w = 0; w < weights.size(); ++w)
    for (int64_t i = 0; i < shares.ofLane; ++i)
      k.store(
          totals[shares.ofLane * w + i], partial,
          {rankInBlock, split,
           k.add(k.mul(lane, k.index(shares.ofLane)), k.index(wide * w + i))});
  k.barrier();
  Value column = k.add(first, thread);
  Value isOwn = k.both(k.cmp(Predicate::ult, thread, k.index(wide / parts)),
                       k.cmp(Predicate::ult, column, k.index(op.getOutputs())));
  auto totalsOf = [&](Value rank) {
    Values result;
    for (unsigned s = 0; s < sums; ++s) {
      Value place = k.add(k.mul(thread, k.index(parts)),
                          k.index(wide * (s / parts) + s % parts));
      Value sum;
      for (int64_t p = 0; p < shares.splits; ++p) {
        Value v = k.load(partial, {rank, k.index(p), place});
        sum = sum ? arith::AddFOp::create(k.b, sum, v).getResult() : v;
      }
      result.push_back(sum);
    }
    return result;
  };
  if (!op.getCombined()) {
    k.when(k.both(isOwn, has), [&] {
      k.store(result(totalsOf(k.index(0)), column), out, {slot, column});
    });
    return;
  }
  k.when(isOwn, [&] {
    writeSum(column, [&](int64_t r) -> std::pair<Value, Value> {
      Value other = chosenOf(slotOf(r));
      Value is = k.cmp(Predicate::sge, other, k.number(0));
      expert = k.toIndex(k.select(is, other, k.number(0)));
      Value y = scaled(result(totalsOf(k.index(r)), column), k.index(r));
      return {k.select(is, y, minusZero()), is};
    });
  });
}
} // namespace

LogicalResult lowerToKernels(SlotMatmulOp op, bool early) {
  int64_t ranks = op.getCombined() ? op.getRanks() : 1;
  if (ranks > 32)
    return refuseOnDevice(op, "no kernel combines more than 32 choices");
  Shares shares;
  shares.ranks = ranks;
  shares.ofLane = 2;
  if (op.getTransposed()) {
    // An item's block has all its ranks: smaller tiles keep more of the
    // multiprocessors busy.
    bool few = op.getCombined() && op.getParts() == 1 &&
               op.getOutputs() < kSlotColumns * kProcessors;
    shares.ofLane = few ? 1 : 2;
    shares.columns = std::max<int64_t>(1, 32 * shares.ofLane / op.getParts());
    if (kSlotColumns % op.getParts() != 0)
      return refuseOnDevice(op, "no kernel multiplies " + Twine(op.getParts()) +
                                    " interleaved parts");
    shares.splits = 8;
    while (32 * ranks * shares.splits > 1024)
      shares.splits /= 2;
    shares.groups = 1;
  } else {
    shares.columns = op.getNumSums() == 1 ? 4 : op.getNumSums() == 2 ? 2 : 1;
    shares.columns = std::min(shares.columns, op.getOutputs());
    shares.splits = 1;
    shares.groups = std::max<int64_t>(1, 4 / ranks);
  }
  SlotKernel kernel(op->getParentOfType<ModuleOp>(), op, early, shares);
  kernel.emit();
  ImplicitLocOpBuilder b(op.getLoc(), op);
  Value which = memref::DimOp::create(b, op.getIdx(), 0);
  if (!op.getCombined())
    which = arith::MulIOp::create(
        b, which, arith::ConstantIndexOp::create(b, op.getRanks()));
  Value grid = arith::MulIOp::create(
      b, which,
      arith::ConstantIndexOp::create(
          b,
          llvm::divideCeil(op.getOutputs(), shares.columns * shares.groups)));
  launchKernel(b, kernel.kernel(), grid, op->getOperands());
  op->erase();
  return success();
}

} // namespace route::ragged
