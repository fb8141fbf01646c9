// A bitonic network whose steps the threads of a block share.
// A step compares each element with the one whose place differs in some bits of
// its number, and the better of two goes to the lower place. So elements that a
// power of two has more, which rank last, never move, and there may be any
// number of them. Where the other element is decides how a thread gets to it:
// it has it itself, or a lane of its warp has, or a thread of its block, or it
// is in memory only.
#include "BlockSort.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace route::ragged {
namespace {
using Predicate = arith::CmpIPredicate;
using Values = SmallVector<Value>;

constexpr int64_t kOwn = kSortedByThread;
/// Levels of the network within a thread, and within a warp.
constexpr int32_t kOwnLevels = llvm::ConstantLog2<kOwn>();
constexpr int32_t kWarpLevels = kOwnLevels + 5;

/// The network, being emitted. The words of a thread's elements, which lie side
/// by side, are one list: the first words, then the others.
class Network {
public:
  Network(KernelBody &k, Value size, Value exchange, const SortOrder &order)
      : k(k), order(order), exchange(exchange), thread(k.toNumber(k.thread())),
        n(k.toNumber(size)), types(2 * kOwn, k.b.getI32Type()),
        blockLevels(kOwnLevels + llvm::Log2_32(k.block)) {}

  void emit();

private:
  Value bit(Value exponent) { return k.shiftLeft(k.number(1), exponent); }
  Value exclusiveOr(Value x, Value y) {
    return arith::XOrIOp::create(k.b, x, y);
  }
  void repeat(Value begin, Value end, llvm::function_ref<void(Value)> body) {
    k.loop(begin, end, k.number(1), {}, [&](Value i, ValueRange) -> Values {
      body(i);
      return {};
    });
  }
  Values repeat(Value begin, Value end, Values x,
                llvm::function_ref<Values(Value, Values)> body) {
    return k.loop(begin, end, k.number(1), x,
                  [&](Value i, ValueRange x) { return body(i, Values(x)); });
  }
  /// What `body` makes of the elements in warps that have some, all lanes
  /// together.
  Values ifBusy(Values x, llvm::function_ref<Values()> body) {
    return k.branch(busy, types, body, [&] { return x; });
  }

  /// The better or the worse of elements `i` and `j` to each of these places.
  void order2(Values &x, int64_t i, int64_t j);
  /// What is better of own and others' elements where this thread's place is
  /// lower, else what is worse.
  Values keep(Values x, Values others, Value isLower);
  /// The steps whose places differ by less than a thread has.
  Values withinThread(Values x, int64_t distance = kOwn / 2);

  /// A step with the threads whose number differs in the bits of `mask`: with
  /// lanes, or with any thread of the block. `mirrored`: the order of a
  /// thread's elements is the other way round there.
  Values withLanes(Values x, Value mask, bool mirrored);
  Values withThreads(Values x, Value mask, bool mirrored);
  /// The first levels, of a thread's own elements.
  Values sortOwn(Values x);
  /// A later level, whose first step mirrors the places of one half. Beyond the
  /// block's levels: the steps of any such level that are within a block.
  Values merge(Values x, Value level);

  /// A step among elements in memory whose places differ in the bits of `mask`,
  /// the highest of which is `top`.
  void inMemory(Value mask, Value top);
  /// Makes something of as many elements as threads keep, at a time.
  void forBlocks(llvm::function_ref<Values(Values)> body);

  KernelBody &k;
  const SortOrder &order;
  Value exchange, thread, n, busy;
  SmallVector<Type> types;
  int32_t blockLevels; ///< of the network within a block
};

void Network::order2(Values &x, int64_t i, int64_t j) {
  Value swap = order.ranksBefore({x[j], x[kOwn + j]}, {x[i], x[kOwn + i]});
  for (int64_t part : {int64_t(0), kOwn}) {
    Value &low = x[part + i], &high = x[part + j];
    std::tie(low, high) =
        std::pair(k.select(swap, high, low), k.select(swap, low, high));
  }
}

Values Network::withinThread(Values x, int64_t distance) {
  for (; distance; distance /= 2)
    for (int64_t e = 0; e < kOwn; ++e)
      if (!(e & distance))
        order2(x, e, e + distance);
  return x;
}

Values Network::sortOwn(Values x) {
  for (int64_t width = 2; width <= kOwn; width *= 2) {
    for (int64_t e = 0; e < kOwn; ++e)
      if (!(e & width / 2))
        order2(x, e, e ^ (width - 1));
    x = withinThread(x, width / 4);
  }
  return x;
}

Values Network::keep(Values x, Values others, Value isLower) {
  for (int64_t e = 0; e < kOwn; ++e) {
    Value isBetter =
        order.ranksBefore({others[e], others[kOwn + e]}, {x[e], x[kOwn + e]});
    Value take = k.cmp(Predicate::eq, isBetter, isLower);
    for (int64_t part : {int64_t(0), kOwn})
      x[part + e] = k.select(take, others[part + e], x[part + e]);
  }
  return x;
}

/// Which of its own elements another thread meets a thread's element with.
static int64_t meets(int64_t e, bool mirrored) {
  return mirrored ? kOwn - 1 - e : e;
}

Values Network::withLanes(Values x, Value mask, bool mirrored) {
  Values others;
  for (int64_t part : {int64_t(0), kOwn})
    for (int64_t e = 0; e < kOwn; ++e)
      others.push_back(gpu::ShuffleOp::create(k.b, x[part + meets(e, mirrored)],
                                              mask, k.number(32),
                                              gpu::ShuffleMode::XOR)
                           .getShuffleResult());
  return keep(x, others,
              k.cmp(Predicate::ult, thread, exclusiveOr(thread, mask)));
}

Values Network::withThreads(Values x, Value mask, bool mirrored) {
  auto place = [&](Value thread, int64_t i) {
    return k.toIndex(k.add(thread, k.number(i * k.block)));
  };
  k.when(busy, [&] {
    for (auto [i, word] : llvm::enumerate(x))
      k.store(word, exchange, place(thread, i));
  });
  k.barrier();
  x = ifBusy(x, [&] {
    Value other = exclusiveOr(thread, mask);
    Values others;
    for (int64_t part : {int64_t(0), kOwn})
      for (int64_t e = 0; e < kOwn; ++e)
        others.push_back(
            k.load(exchange, place(other, part + meets(e, mirrored))));
    return keep(x, others, k.cmp(Predicate::ult, thread, other));
  });
  k.barrier();
  return x;
}

Values Network::merge(Values x, Value level) {
  Value mask = k.sub(bit(k.sub(level, k.number(kOwnLevels))), k.number(1));
  x = k.branch(
      k.cmp(Predicate::ule, level, k.number(kWarpLevels)), types,
      [&] { return ifBusy(x, [&] { return withLanes(x, mask, true); }); },
      [&] {
        return k.branch(
            k.cmp(Predicate::ule, level, k.number(blockLevels)), types,
            [&] { return withThreads(x, mask, true); }, [&] { return x; });
      });
  // Of the steps behind it, the one `i` from the first of `count`.
  auto distance = [&](Value i, Value count) {
    return bit(k.sub(k.sub(count, k.number(1)), i));
  };
  Value count = k.sub(level, k.number(kOwnLevels + 1));
  Value lanes = arith::MinSIOp::create(k.b, count, k.number(5));
  x = repeat(k.number(0), k.sub(count, lanes), x, [&](Value i, Values x) {
    return withThreads(x, distance(i, count), false);
  });
  return ifBusy(x, [&] {
    return withinThread(repeat(k.number(0), lanes, x, [&](Value i, Values x) {
      return withLanes(x, distance(i, lanes), false);
    }));
  });
}

void Network::inMemory(Value mask, Value top) {
  // A thread for each pair of places.
  Value below = k.sub(top, k.number(1));
  k.loop(thread, n, k.number(k.block), {}, [&](Value t, ValueRange) -> Values {
    Value low = k.both(t, below);
    Value i = k.add(k.shiftLeft(k.sub(t, low), k.number(1)), low);
    Value j = exclusiveOr(i, mask);
    k.when(k.cmp(Predicate::ult, j, n), [&] {
      SortElement x = order.load(k.toIndex(i)), y = order.load(k.toIndex(j));
      k.when(order.ranksBefore(y, x), [&] {
        order.store(k.toIndex(i), y);
        order.store(k.toIndex(j), x);
      });
    });
    return {};
  });
  k.barrier();
}

void Network::forBlocks(llvm::function_ref<Values(Values)> body) {
  k.loop(k.number(0), n, k.number(kOwn * k.block), {},
         [&](Value first, ValueRange) -> Values {
           Value begin = k.add(first, k.mul(thread, k.number(kOwn)));
           auto forOwn = [&](llvm::function_ref<void(int64_t, Value)> body) {
             for (int64_t e = 0; e < kOwn; ++e)
               body(e, k.add(begin, k.number(e)));
           };
           Values x(2 * kOwn);
           forOwn([&](int64_t e, Value i) {
             Values made = k.branch(
                 k.cmp(Predicate::ult, i, n), {types[0], types[0]},
                 [&]() -> Values {
                   SortElement y = order.load(k.toIndex(i));
                   return {y.first, y.second};
                 },
                 [&] { return Values(2, k.number(0)); });
             x[e] = made[0];
             x[kOwn + e] = made[1];
           });
           k.barrier(); // elements may lie where they are exchanged
           x = body(x);
           forOwn([&](int64_t e, Value i) {
             k.when(k.cmp(Predicate::ult, i, n),
                    [&] { order.store(k.toIndex(i), {x[e], x[kOwn + e]}); });
           });
           return {};
         });
  k.barrier();
}

void Network::emit() {
  // How often one is to be doubled until it is as many as there are, or more.
  Value one = k.number(1);
  Value levels = k.sub(k.number(32),
                       math::CountLeadingZerosOp::create(k.b, k.sub(n, one)));
  levels = k.select(k.cmp(Predicate::ule, n, one), k.number(0), levels);
  // Of a whole warp there is one at least.
  Value warps = arith::MaxUIOp::create(k.b, levels, k.number(kWarpLevels));
  busy = k.cmp(Predicate::ult, thread, bit(k.sub(warps, k.number(kOwnLevels))));

  // All levels among a block's elements, then those beyond it one by one.
  Value most = k.number(blockLevels);
  Value last = arith::MaxUIOp::create(k.b, levels, most);
  repeat(most, k.add(last, one), [&](Value level) {
    Value top = bit(k.sub(level, one));
    repeat(k.number(0), k.sub(level, most), [&](Value i) {
      Value distance = k.shiftRight(top, i);
      Value isFirst = k.cmp(Predicate::eq, i, k.number(0));
      inMemory(k.select(isFirst, k.sub(bit(level), one), distance), distance);
    });
    Value isFirst = k.cmp(Predicate::eq, level, most);
    forBlocks([&](Values x) {
      x = k.branch(
          isFirst, types, [&] { return sortOwn(x); }, [&] { return x; });
      Value beyond = k.add(most, one);
      Value begin = k.select(isFirst, k.number(kOwnLevels + 1), beyond),
            end = k.select(isFirst, k.least(levels, most), beyond);
      return repeat(begin, k.add(end, one), x,
                    [&](Value level, Values x) { return merge(x, level); });
    });
  });
}
} // namespace

void sortInBlock(KernelBody &k, Value size, Value exchange,
                 const SortOrder &order) {
  Network(k, size, exchange, order).emit();
}

} // namespace route::ragged
