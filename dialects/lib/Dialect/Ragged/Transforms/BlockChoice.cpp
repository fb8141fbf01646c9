// Chooses among any number of candidates with a block.
// - Keys are unsigned words whose order is that of choice, most significant
//   first; digit by digit the block counts candidates and narrows down the
//   words of the last one that is chosen.
// - Chosen are those above it and, of its equals, the first by position: they
//   are collected in the order of their positions.
// - They are sorted, ties by position: the best comes first. As many as shared
//   memory holds are merged; more are sorted in place.
// First words of up to kCached candidates stay in shared memory; what is beyond
// is read again from the keys. So a choice of any size needs no memory.
#include "BlockChoice.h"
#include "BlockSort.h"
#include "ChoiceItem.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace route::ragged {
namespace {
using Predicate = arith::CmpIPredicate;
using Values = SmallVector<Value>;

constexpr int64_t kWarps = kChoiceThreads / 32;
constexpr int64_t kCached = 8192;
constexpr int64_t kSorted = kCached / 2; ///< a word and a position for each
constexpr int64_t kDigits = 256;

/// The choice of a block's item, being emitted.
class BlockChoice {
public:
  BlockChoice(KernelBody &k, ChooseOp op) : k(k), b(k.b), item(k, op) {}

  void emit();

private:
  /// The numbers from `begin` below `end` in turn, a thread each.
  void share(Value begin, Value end, llvm::function_ref<void(Value)> body) {
    k.loop(k.add(begin, k.thread()), end, k.index(kChoiceThreads), {},
           [&](Value i, ValueRange) -> Values {
             body(i);
             return {};
           });
  }

  /// Word `w` of the candidate at place `at` of the item's, from shared memory
  /// where it is there.
  Value word(unsigned w, Value at) {
    Type i32 = b.getI32Type();
    if (w)
      return item.word(w, k.add(item.begin, at));
    return k.branch(
        cached, i32, [&]() -> Values { return {k.load(cache, at)}; },
        [&]() -> Values { return {item.word(0, k.add(item.begin, at))}; })[0];
  }
  /// Whether masks allow the candidate at place `at`, which is `inside`.
  Value allowedAt(Value at, Value inside);
  /// Calls `body` with each place in turn, a round of the block at a time, and
  /// whether there is a candidate.
  void forRounds(llvm::function_ref<void(Value, Value)> body) {
    k.loop(k.index(0), rounds, k.index(1), {},
           [&](Value round, ValueRange) -> Values {
             Value at =
                 k.add(k.mul(round, k.index(kChoiceThreads)), k.thread());
             body(at, k.cmp(Predicate::ult, at, item.span));
             return {};
           });
  }

  /// Brings first words to shared memory; how many candidates are allowed.
  Value enter();
  /// Narrows down word `w` of the last one chosen.
  void narrow(unsigned w);
  /// How many candidates have each digit at `shift` of word `w`, of those whose
  /// words before are the last one's and whose bits in `mask` are `bits`.
  void countDigits(unsigned w, Value bits, Value mask, Value shift);
  /// The digit that the last of `need` lies in, how many of its candidates are
  /// needed and how many there are, to `found`. The first warp does it.
  void findDigit(Value need);
  /// Whether the candidate is above the last one chosen, and whether equal.
  std::pair<Value, Value> compare(Value at, unsigned w = 0);
  /// What was chosen in the order of positions, to the indices; how many.
  Value collect();
  Value ranksBefore(SortElement x, SortElement y, Value tie);
  void sort(Value size);

  KernelBody &k;
  ImplicitLocOpBuilder &b;
  ChoiceItem item;
  Value cache, bits, digits, sums, found; ///< shared memory
  Value rounds; ///< of the block, to look at each candidate once
  Value cached; ///< whether first words are in shared memory
  /// Of the last one chosen: its words where they are known, the bits that are,
  /// how many equals of it are wanted, and whether that are all.
  Values last, known;
  Value need, done;
};

Value BlockChoice::allowedAt(Value at, Value inside) {
  if (!item.hasMasks())
    return inside;
  Type i1 = b.getI1Type();
  return k.branch(
      inside, i1,
      [&]() -> Values {
        return k.branch(
            cached, i1,
            [&]() -> Values {
              Value word = k.load(bits, k.div(at, k.index(32)));
              Value bit =
                  k.shiftRight(word, k.toNumber(k.rem(at, k.index(32))));
              return {arith::TruncIOp::create(b, i1, bit)};
            },
            [&]() -> Values {
              return {item.masksAllow(k.add(item.begin, at))};
            });
      },
      [&]() -> Values { return {k.truth(false)}; })[0];
}

Value BlockChoice::enter() {
  Value first = k.cmp(Predicate::eq, k.thread(), k.index(0));
  k.when(first, [&] { k.store(k.number(0), found, k.index(0)); });
  k.barrier();
  forRounds([&](Value at, Value inside) {
    Value allowed = inside;
    if (item.hasMasks())
      allowed = k.branch(
          inside, b.getI1Type(),
          [&]() -> Values { return {item.masksAllow(k.add(item.begin, at))}; },
          [&]() -> Values { return {k.truth(false)}; })[0];
    Value vote = k.ballot(allowed);
    Value leader =
        k.cmp(Predicate::eq, k.rem(k.thread(), k.index(32)), k.index(0));
    k.when(leader, [&] {
      if (item.hasMasks())
        k.when(cached, [&] { k.store(vote, bits, k.div(at, k.index(32))); });
      memref::AtomicRMWOp::create(b, arith::AtomicRMWKind::addi,
                                  math::CtPopOp::create(b, vote), found,
                                  ValueRange{k.index(0)});
    });
    if (item.numWords())
      k.when(k.both(cached, allowed),
             [&] { k.store(item.word(0, k.add(item.begin, at)), cache, at); });
  });
  k.barrier();
  Value count = k.load(found, k.index(0));
  k.barrier(); // before others write it
  return count;
}

void BlockChoice::findDigit(Value need) {
  constexpr int64_t own = kDigits / 32;
  Value lane = k.thread();
  Value top = k.sub(k.index(kDigits - 1), k.mul(lane, k.index(own)));
  Values held;
  Value sum = k.number(0);
  for (int64_t i = 0; i < own; ++i) {
    held.push_back(k.load(digits, k.sub(top, k.index(i))));
    sum = k.add(sum, held.back());
  }
  Value upTo = k.scan(sum, lane), before = k.sub(upTo, sum);
  Value mine = k.both(k.cmp(Predicate::ult, before, need),
                      k.cmp(Predicate::ule, need, upTo));
  k.when(mine, [&] {
    Value digit = k.number(0), wanted = k.number(0), count = k.number(0);
    for (int64_t i = 0; i < own; ++i) {
      Value after = k.add(before, held[i]);
      Value hit = k.both(k.cmp(Predicate::ult, before, need),
                         k.cmp(Predicate::ule, need, after));
      digit = k.select(hit, k.toNumber(k.sub(top, k.index(i))), digit);
      wanted = k.select(hit, k.sub(need, before), wanted);
      count = k.select(hit, held[i], count);
      before = after;
    }
    for (auto [i, v] : llvm::enumerate(Values{digit, wanted, count}))
      k.store(v, found, k.index(i));
  });
}

void BlockChoice::countDigits(unsigned w, Value bits, Value mask, Value shift) {
  share(k.index(0), k.index(kDigits),
        [&](Value d) { k.store(k.number(0), digits, d); });
  k.barrier();
  forRounds([&](Value at, Value inside) {
    std::function<void(unsigned)> count = [&](unsigned v) {
      Value x = word(v, at);
      if (v < w) {
        k.when(k.cmp(Predicate::eq, x, last[v]), [&] { count(v + 1); });
        return;
      }
      Value same = k.cmp(Predicate::eq, k.both(x, mask), bits);
      k.when(same, [&] {
        Value digit = k.both(k.shiftRight(x, shift), k.number(kDigits - 1));
        memref::AtomicRMWOp::create(b, arith::AtomicRMWKind::addi, k.number(1),
                                    digits, ValueRange{k.toIndex(digit)});
      });
    };
    k.when(allowedAt(at, inside), [&] { count(0); });
  });
  k.barrier();
}

void BlockChoice::narrow(unsigned w) {
  Values start{k.number(0), k.number(0), need, done};
  SmallVector<Type> types(ValueRange(start).getTypes());
  auto oneDigit = [&](Value round, ValueRange state) -> Values {
    Value shift = k.sub(k.number(24), k.mul(k.toNumber(round), k.number(8)));
    countDigits(w, state[0], state[1], shift);
    k.when(k.cmp(Predicate::ult, k.thread(), k.index(32)),
           [&] { findDigit(state[2]); });
    k.barrier();
    Value digit = k.load(found, k.index(0)), wanted = k.load(found, k.index(1)),
          count = k.load(found, k.index(2));
    return {k.either(state[0], k.shiftLeft(digit, shift)),
            k.either(state[1], k.shiftLeft(k.number(kDigits - 1), shift)),
            wanted, k.cmp(Predicate::eq, wanted, count)};
  };
  Values result =
      k.loop(k.index(0), k.index(4), k.index(1), start,
             [&](Value round, ValueRange state) -> Values {
               return k.branch(
                   state[3], types, [&]() -> Values { return Values(state); },
                   [&]() -> Values { return oneDigit(round, state); });
             });
  last.push_back(result[0]);
  known.push_back(result[1]);
  need = result[2];
  done = result[3];
}

std::pair<Value, Value> BlockChoice::compare(Value at, unsigned w) {
  if (w == item.numWords())
    return {k.truth(false), k.truth(true)};
  Value x = k.both(word(w, at), known[w]);
  Value above = k.cmp(Predicate::ugt, x, last[w]),
        equal = k.cmp(Predicate::eq, x, last[w]);
  if (w + 1 == item.numWords())
    return {above, equal};
  Type i1 = b.getI1Type();
  Values made = k.branch(
      equal, {i1, i1},
      [&]() -> Values {
        auto [over, same] = compare(at, w + 1);
        return {over, same};
      },
      [&]() -> Values { return {above, k.truth(false)}; });
  return {made[0], made[1]};
}

Value BlockChoice::collect() {
  Value lane = k.rem(k.thread(), k.index(32)),
        warp = k.div(k.thread(), k.index(32));
  Value below = k.sub(k.shiftLeft(k.number(1), k.toNumber(lane)), k.number(1));
  Type i1 = b.getI1Type();
  auto count = [&](Value votes) -> Value {
    return math::CtPopOp::create(b, votes);
  };
  // Those above and the equals of a warp or a block are counted in the two
  // halves of a number.
  Value low = k.number(0xffff), half = k.number(16);
  Values totals = k.loop(
      k.index(0), rounds, k.index(1), {k.number(0), k.number(0)},
      [&](Value round, ValueRange before) -> Values {
        Value at = k.add(k.mul(round, k.index(kChoiceThreads)), k.thread());
        Value inside = k.cmp(Predicate::ult, at, item.span);
        Values is = k.branch(
            allowedAt(at, inside), {i1, i1},
            [&]() -> Values {
              auto [above, equal] = compare(at);
              return {above, equal};
            },
            [&]() -> Values { return {k.truth(false), k.truth(false)}; });
        Value above = k.ballot(is[0]), equal = k.ballot(is[1]);
        Value side = k.rem(round, k.index(2));
        k.when(k.cmp(Predicate::eq, lane, k.index(0)), [&] {
          k.store(k.either(count(above), k.shiftLeft(count(equal), half)), sums,
                  {side, warp});
        });
        k.barrier();
        Value real = k.cmp(Predicate::ult, lane, k.index(kWarps));
        Value sum = k.load(sums, {side, k.select(real, lane, k.index(0))});
        sum = k.select(real, sum, k.number(0));
        Value scan = k.scan(sum, lane);
        Value earlier = k.fromLane(k.sub(scan, sum), warp);
        Value all = k.shuffle(scan, kWarps - 1, gpu::ShuffleMode::IDX);
        Value aboveMe = k.add(k.add(before[0], k.both(earlier, low)),
                              count(k.both(above, below)));
        Value equalMe = k.add(k.add(before[1], k.shiftRight(earlier, half)),
                              count(k.both(equal, below)));
        Value wanted = k.cmp(Predicate::ult, equalMe, need);
        k.when(k.either(is[0], k.both(is[1], wanted)), [&] {
          Value rank = k.add(aboveMe, k.least(equalMe, need));
          k.store(k.toNumber(k.add(item.begin, at)), item.indices,
                  item.placeOf(k.toIndex(rank)));
        });
        return {k.add(before[0], k.both(all, low)),
                k.add(before[1], k.shiftRight(all, half))};
      });
  return k.toIndex(k.add(totals[0], k.least(totals[1], need)));
}

Value BlockChoice::ranksBefore(SortElement x, SortElement y, Value tie) {
  Value more = k.cmp(Predicate::ugt, x.first, y.first),
        same = k.cmp(Predicate::eq, x.first, y.first);
  Type i1 = b.getI1Type();
  std::function<Value(unsigned)> further = [&](unsigned w) -> Value {
    if (w == item.numWords())
      return tie;
    Value one = item.word(w, k.toIndex(x.second)),
          other = item.word(w, k.toIndex(y.second));
    Value less = further(w + 1);
    return k.either(k.cmp(Predicate::ugt, one, other),
                    k.both(k.cmp(Predicate::eq, one, other), less));
  };
  Value rest = item.numWords() == 1
                   ? k.both(same, further(1))
                   : k.branch(
                         same, i1, [&]() -> Values { return {further(1)}; },
                         [&]() -> Values { return {k.truth(false)}; })[0];
  return k.either(more, rest);
}

void BlockChoice::sort(Value size) {
  if (!item.numWords()) // by position, as they are
    return;
  auto chosen = [&](Value rank) {
    return k.load(item.indices, item.placeOf(rank));
  };
  auto before = [&](SortElement x, SortElement y, Value tie) {
    return ranksBefore(x, y, tie);
  };
  Value second = k.index(kSorted);
  k.branch(
      k.cmp(Predicate::ule, size, second), {},
      [&]() -> Values {
        share(k.index(0), size, [&](Value i) {
          Value candidate = chosen(i);
          k.store(item.word(0, k.toIndex(candidate)), cache, i);
          k.store(candidate, cache, k.add(i, second));
        });
        k.barrier();
        auto load = [&](Value i) -> SortElement {
          return {k.load(cache, i), k.load(cache, k.add(i, second))};
        };
        auto store = [&](Value i, SortElement x) {
          k.store(x.first, cache, i);
          k.store(x.second, cache, k.add(i, second));
        };
        mergeInBlock(k, size, kSorted, {load, store, before});
        share(k.index(0), size, [&](Value i) {
          k.store(k.load(cache, k.add(i, second)), item.indices,
                  item.placeOf(i));
        });
        return {};
      },
      [&]() -> Values {
        auto load = [&](Value i) -> SortElement {
          Value candidate = chosen(i);
          return {item.word(0, k.toIndex(candidate)), candidate};
        };
        auto store = [&](Value i, SortElement x) {
          k.store(x.second, item.indices, item.placeOf(i));
        };
        sortInBlock(k, size, {load, store, before});
        return {};
      });
}

void BlockChoice::emit() {
  Type i32 = b.getI32Type();
  if (item.numWords()) {
    cache = k.shared({kCached}, i32);
    digits = k.shared({kDigits}, i32);
  }
  if (item.hasMasks())
    bits = k.shared({kCached / 32}, i32);
  sums = k.shared({2, kWarps}, i32);
  found = k.shared({4}, i32);
  item.find();
  rounds = k.div(k.add(item.span, k.index(kChoiceThreads - 1)),
                 k.index(kChoiceThreads));
  cached = k.cmp(Predicate::ule, item.span, k.index(kCached));
  Value allowed = enter();
  // Where there is room for all, all are equals of the last one.
  Value room = k.toNumber(item.rows);
  done = k.cmp(Predicate::ule, allowed, room);
  need = k.least(allowed, room);
  for (unsigned w = 0; w < item.numWords(); ++w)
    narrow(w);
  Value size = collect();
  k.barrier();
  sort(size);
  share(size, item.capacity, [&](Value rank) {
    k.store(k.number(-1), item.indices, item.placeOf(rank));
  });
  k.when(k.cmp(Predicate::eq, k.thread(), k.index(0)),
         [&] { k.store(k.toNumber(size), item.counts, item.place); });
}
} // namespace

void emitBlockChoice(KernelBody &k, ChooseOp op) { BlockChoice(k, op).emit(); }

} // namespace route::ragged
