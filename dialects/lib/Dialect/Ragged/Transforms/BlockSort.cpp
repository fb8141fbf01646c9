// Sorts whose steps the threads of a block share.
#include "BlockSort.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace route::ragged {
using Predicate = arith::CmpIPredicate;
using Values = SmallVector<Value>;

/// How often one is to be doubled until it is `count`, or more.
static Value doublings(KernelBody &k, Value count) {
  Value one = k.number(1);
  Value zeros = math::CountLeadingZerosOp::create(k.b, k.sub(count, one));
  return k.select(k.cmp(Predicate::sle, count, one), k.number(0),
                  k.sub(k.number(32), zeros));
}

void mergeInBlock(KernelBody &k, Value size, int64_t most,
                  const SortOrder &order) {
  // Runs of one, two, four, ... elements. An element looks for its place among
  // those of the run beside its own; of equals those of the left run are first.
  const int64_t each = llvm::divideCeil(most, k.block);
  Value n = k.toNumber(size), zero = k.number(0), one = k.number(1);
  SmallVector<Type> types(3, k.b.getI32Type());
  auto own = [&](int64_t e) {
    return k.add(k.toNumber(k.thread()), k.number(e * k.block));
  };
  auto placeOf = [&](Value i, SortElement x, Value level) -> Value {
    Value width = k.shiftLeft(one, level);
    Value offset = k.both(i, k.sub(width, one)), run = k.sub(i, offset);
    Value other = arith::XOrIOp::create(k.b, run, width);
    Value isRight = k.cmp(Predicate::ult, other, run);
    Value length = k.least(width, k.sub(n, k.least(n, other)));
    // How many of the other run come before: bit by bit.
    Values before =
        k.loop(zero, k.add(level, one), one, {zero, width},
               [&](Value, ValueRange v) -> Values {
                 Value more = k.add(v[0], v[1]);
                 Value is = k.branch(
                     k.cmp(Predicate::ule, more, length), k.b.getI1Type(),
                     [&]() -> Values {
                       Value last = k.sub(k.add(other, more), one);
                       return {order.ranksBefore(order.load(k.toIndex(last)), x,
                                                 isRight)};
                     },
                     [&]() -> Values { return {k.truth(false)}; })[0];
                 return {k.select(is, more, v[0]), k.shiftRight(v[1], one)};
               });
    return k.add(k.add(k.least(run, other), offset), before[0]);
  };
  k.loop(zero, doublings(k, n), one, {},
         [&](Value level, ValueRange) -> Values {
           SmallVector<Values> moves; // where to, and the element
           for (int64_t e = 0; e < each; ++e) {
             Value i = own(e);
             moves.push_back(k.branch(
                 k.cmp(Predicate::ult, i, n), types,
                 [&]() -> Values {
                   SortElement x = order.load(k.toIndex(i));
                   return {placeOf(i, x, level), x.first, x.second};
                 },
                 [&]() -> Values { return Values(types.size(), zero); }));
           }
           k.barrier();
           for (int64_t e = 0; e < each; ++e)
             k.when(k.cmp(Predicate::ult, own(e), n), [&] {
               order.store(k.toIndex(moves[e][0]), {moves[e][1], moves[e][2]});
             });
           k.barrier();
           return {};
         });
}

void sortInBlock(KernelBody &k, Value size, const SortOrder &order) {
  // Any number of elements: those that a power of two has more rank last and
  // never move, since the better of two always goes to the lower place.
  Value n = k.toNumber(size), one = k.number(1);
  Value levels = doublings(k, n);
  Value pairs = k.shiftRight(k.shiftLeft(one, levels), one);
  // A thread for each pair of places that a step compares.
  auto step = [&](Value level, Value step) {
    Value exponent = k.sub(k.sub(level, one), step);
    Value distance = k.shiftLeft(one, exponent);
    Value mask = k.select(k.cmp(Predicate::eq, step, k.number(0)),
                          k.sub(k.shiftLeft(one, level), one), distance);
    k.loop(k.toNumber(k.thread()), pairs, k.number(k.block), {},
           [&](Value t, ValueRange) -> Values {
             Value low = k.both(t, k.sub(distance, one));
             Value i = k.add(
                 k.shiftLeft(k.shiftRight(t, exponent), k.add(exponent, one)),
                 low);
             Value j = arith::XOrIOp::create(k.b, i, mask);
             k.when(k.cmp(Predicate::ult, j, n), [&] {
               SortElement x = order.load(k.toIndex(i)),
                           y = order.load(k.toIndex(j));
               Value tie = k.cmp(Predicate::ult, y.second, x.second);
               k.when(order.ranksBefore(y, x, tie), [&] {
                 order.store(k.toIndex(i), y);
                 order.store(k.toIndex(j), x);
               });
             });
             return {};
           });
    k.barrier();
  };
  k.loop(one, k.add(levels, one), one, {},
         [&](Value level, ValueRange) -> Values {
           k.loop(k.number(0), level, one, {},
                  [&](Value each, ValueRange) -> Values {
                    step(level, each);
                    return {};
                  });
           return {};
         });
}

} // namespace route::ragged
