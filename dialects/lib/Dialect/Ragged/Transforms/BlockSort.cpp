// A bitonic sort, whose steps the threads of a block share.
#include "BlockSort.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace route::ragged {
using Predicate = arith::CmpIPredicate;
using Values = SmallVector<Value>;

void sortInBlock(
    KernelBody &k, Value size, llvm::function_ref<SortElement(Value)> load,
    llvm::function_ref<void(Value, SortElement)> store,
    llvm::function_ref<Value(SortElement, SortElement)> ranksBefore) {
  // Any number of elements: those that a power of two has more rank last and
  // never move, since the better of two always goes to the lower place.
  Value n = k.toNumber(size), one = k.number(1);
  Value less = k.sub(n, one);
  Value zeros = math::CountLeadingZerosOp::create(k.b, less);
  Value levels = k.select(k.cmp(Predicate::sle, n, one), k.number(0),
                          k.sub(k.number(32), zeros));
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
               SortElement x = load(k.toIndex(i)), y = load(k.toIndex(j));
               k.when(ranksBefore(y, x), [&] {
                 store(k.toIndex(i), y);
                 store(k.toIndex(j), x);
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
