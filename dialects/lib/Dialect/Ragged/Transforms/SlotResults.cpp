// What becomes of the sums of a slot's kernel: results of its slots or items.
#include "SlotKernel.h"

using namespace mlir;

namespace route::ragged {
using Predicate = arith::CmpIPredicate;

/// A column of the result.
Value SlotKernel::result(ArrayRef<Value> totals, Value column) {
  Values arguments(totals);
  for (Value v : perExpert)
    arguments.push_back(k.load(v, {expert, column}));
  return epilogue(k, op.getEpilogue(), arguments);
}

/// Adds up an item's terms in the order of their ranks, from -0, which changes
/// none, and writes the sum; 0 where no rank has an expert. `term` gives the
/// term of a rank, -0 without one, and whether there is one.
void SlotKernel::writeSum(
    Value column, llvm::function_ref<std::pair<Value, Value>(int64_t)> term) {
  Value sum = k.real(-0.0f), any = k.truth(false);
  for (int64_t r = 0; r < op.getRanks(); ++r) {
    auto [y, has] = term(r);
    sum = arith::AddFOp::create(k.b, sum, y);
    any = k.either(any, has);
  }
  sum = k.select(any, sum, k.real(0));
  storeRounded(k, sum, out, {which, column});
}

/// A result times what its rank weighs.
Value SlotKernel::scaled(Value y, Value rank) {
  y = k.widen(y);
  if (scale)
    y = arith::MulFOp::create(k.b, y, k.widen(k.load(scale, {which, rank})));
  return y;
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
    k.store(k.select(has, y, k.real(-0.0f)), terms, {group, rankInBlock, lane});
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
      return {k.select(is, y, k.real(-0.0f)), is};
    });
  });
}

} // namespace route::ragged
