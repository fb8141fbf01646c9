// Chooses among any number of candidates with a block.
// - Keys are unsigned words whose order is that of choice, most significant
//   first, and the last one is where the candidate is: no two are equal. Digit
//   by digit the block counts candidates and narrows down the words of the last
//   one that is chosen.
// - Chosen are those that rank with it or above: they are collected in any
//   order.
// - They are sorted: the best comes first. As many as shared memory holds are
//   sorted there; more lie among the results.
// First words of up to kHeld candidates a thread stay in registers; where there
// are more, they are read again from the keys. So a choice of any size needs no
// memory.
#include "BlockChoice.h"
#include "BlockSort.h"
#include "ChoiceItem.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace route::ragged {
namespace {
using Predicate = arith::CmpIPredicate;
using Values = SmallVector<Value>;

constexpr int64_t kHeld = 8; ///< candidates, by a thread
constexpr int64_t kAtOnce = kHeld * kChoiceThreads;
constexpr int64_t kSorted = kSortedByThread * kChoiceThreads;
constexpr int64_t kDigits = 256;
/// Of what the block finds: a digit, how many of it are wanted and how many
/// there are; and how many candidates are allowed and are chosen.
constexpr int64_t kAllowed = 3, kChosen = 4, kFound = 5;

/// The choice of a block's item, being emitted.
class BlockChoice {
public:
  BlockChoice(KernelBody &k, ChooseOp op)
      : k(k), b(k.b), item(k, op), numWords(item.numWords() + 1) {}

  void emit();

private:
  /// The candidate at place `at` of the item's, and its word `w`.
  Value candidate(Value at) { return k.add(item.begin, k.toIndex(at)); }
  Value word(unsigned w, Value at) {
    return w < item.numWords() ? item.word(w, candidate(at)) : flip(at);
  }
  /// Of numbers, the largest the other way round: the first place is best.
  Value flip(Value position) { return k.sub(k.number(-1), position); }

  /// The place of candidate `e` of the kHeld that a thread has of those from
  /// `base` on.
  Value place(Value base, unsigned e) {
    return k.add(k.add(base, k.number(e * kChoiceThreads)), thread);
  }
  /// What is there of the kHeld candidates that a thread has of those from
  /// `base` on: calls `body` with the number of each and its place. What it
  /// gives in the block's last rounds, where no thread has one, is zero.
  Values forOwn(Value base, TypeRange types,
                llvm::function_ref<Values(unsigned, Value)> body);
  /// First words of those candidates, and a bit for each: whether it is one,
  /// and masks allow it.
  Values read(Value base);
  /// Calls `body` with a place, and what `read` gives there, until it has been
  /// through all candidates.
  void forAll(llvm::function_ref<void(Value, ValueRange)> body);
  /// Whether candidate `e` of those is allowed.
  Value isAllowed(ValueRange held, unsigned e) {
    return k.cmp(Predicate::ne, k.both(held[kHeld], k.number(1 << e)),
                 k.number(0));
  }

  /// How many candidates are allowed.
  Value countAllowed();
  /// Narrows down word `w` of the last one chosen.
  void narrow(unsigned w);
  /// How many candidates have each digit at `shift` of word `w`, of those whose
  /// words before are the last one's and whose bits in `mask` are `bits`.
  void countDigits(unsigned w, Value bits, Value mask, Value shift);
  /// The digit that the last of `need` lies in, how many of its candidates are
  /// needed and how many there are, to `found`; clears the counts. The first
  /// warp does it.
  void findDigit(Value need);
  /// Whether the candidate ranks with the last one chosen or above.
  Value reaches(Value at, Value x, unsigned w = 0);
  /// Puts what was chosen where `sort` finds it.
  void collect();
  Value ranksBefore(SortElement x, SortElement y);
  void sort();

  /// Whether the thread is its warp's first.
  Value isLeader() {
    return k.cmp(Predicate::eq, k.both(thread, k.number(31)), k.number(0));
  }
  Value addTo(Value memory, Value at, Value x) {
    return memref::AtomicRMWOp::create(b, arith::AtomicRMWKind::addi, x, memory,
                                       at);
  }

  KernelBody &k;
  ImplicitLocOpBuilder &b;
  ChoiceItem item;
  unsigned numWords;                     ///< of a candidate, with its place
  Value elements, counts, digits, found; ///< shared memory
  Value thread, span;                    ///< of 32 bits
  Value areHeld; ///< whether `held` are all of the item's candidates
  Values held;   ///< as `read` gives them
  /// Of the last one chosen: its words where they are known, the bits that are,
  /// how many candidates like it are wanted, and whether that are all.
  Values last, known;
  Value need, done;
  Value size, fits; ///< how many are chosen; whether shared memory holds them
};

Values BlockChoice::forOwn(Value base, TypeRange types,
                           llvm::function_ref<Values(unsigned, Value)> body) {
  Values made;
  for (unsigned e = 0; e < kHeld; ++e) {
    Value at = place(base, e);
    llvm::append_range(made, k.branch(
                                 k.cmp(Predicate::ult, k.sub(at, thread), span),
                                 types, [&] { return body(e, at); },
                                 [&] {
                                   Values none;
                                   for (Type type : types)
                                     none.push_back(arith::ConstantOp::create(
                                         b, b.getZeroAttr(type)));
                                   return none;
                                 }));
  }
  return made;
}

Values BlockChoice::read(Value base) {
  // Reads do not wait for each other: words are made of keys behind all.
  // Places beyond the last one read what is there.
  Value last = k.sub(span, k.number(1));
  Values keys, allowed, held;
  if (item.numWords())
    keys = forOwn(base, item.keyType(0), [&](unsigned, Value at) -> Values {
      return {item.keyOf(0, candidate(k.least(at, last)))};
    });
  if (item.hasMasks())
    allowed = forOwn(base, b.getI1Type(), [&](unsigned, Value at) -> Values {
      return {item.masksAllow(candidate(k.least(at, last)))};
    });
  Value bits = k.number(0);
  for (unsigned e = 0; e < kHeld; ++e) {
    Value at = place(base, e), is = k.cmp(Predicate::ult, at, span);
    if (item.hasMasks())
      is = k.both(is, allowed[e]);
    bits = k.either(bits, k.select(is, k.number(1 << e), k.number(0)));
    held.push_back(item.numWords() ? item.wordOf(0, keys[e]) : word(0, at));
  }
  held.push_back(bits);
  return held;
}

void BlockChoice::forAll(llvm::function_ref<void(Value, ValueRange)> body) {
  k.loop(k.index(0), item.span, k.index(kAtOnce), {},
         [&](Value first, ValueRange) -> Values {
           Value base = k.toNumber(first);
           body(base, k.branch(
                          areHeld, ValueRange(held).getTypes(),
                          [&] { return held; }, [&] { return read(base); }));
           return {};
         });
}

Value BlockChoice::countAllowed() {
  if (!item.hasMasks())
    return span;
  forAll([&](Value, ValueRange held) {
    Value sum = NVVM::ReduxOp::create(b, b.getI32Type(),
                                      math::CtPopOp::create(b, held[kHeld]),
                                      NVVM::ReduxKind::ADD, k.number(-1));
    k.when(isLeader(), [&] { addTo(found, k.index(kAllowed), sum); });
  });
  k.barrier();
  return k.load(found, k.index(kAllowed));
}

void BlockChoice::findDigit(Value need) {
  constexpr int64_t own = kDigits / 32;
  Value lane = k.thread();
  Value top = k.sub(k.index(kDigits - 1), k.mul(lane, k.index(own)));
  Values held;
  Value sum = k.number(0);
  for (int64_t i = 0; i < own; ++i) {
    Value digit = k.sub(top, k.index(i));
    held.push_back(k.load(digits, digit));
    k.store(k.number(0), digits, digit);
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
  forAll([&](Value base, ValueRange held) {
    forOwn(base, {}, [&](unsigned e, Value at) -> Values {
      std::function<void(unsigned)> count = [&](unsigned v) {
        Value x = v ? word(v, at) : held[e];
        if (v < w) {
          k.when(k.cmp(Predicate::eq, x, last[v]), [&] { count(v + 1); });
          return;
        }
        Value same = k.cmp(Predicate::eq, k.both(x, mask), bits);
        k.when(same, [&] {
          Value digit = k.both(k.shiftRight(x, shift), k.number(kDigits - 1));
          addTo(digits, k.toIndex(digit), k.number(1));
        });
      };
      k.when(isAllowed(held, e), [&] { count(0); });
      return {};
    });
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

Value BlockChoice::reaches(Value at, Value x, unsigned w) {
  x = k.both(x, known[w]);
  if (w + 1 == numWords)
    return k.cmp(Predicate::uge, x, last[w]);
  return k.branch(
      k.cmp(Predicate::eq, x, last[w]), b.getI1Type(),
      [&]() -> Values { return {reaches(at, word(w + 1, at), w + 1)}; },
      [&]() -> Values { return {k.cmp(Predicate::ugt, x, last[w])}; })[0];
}

void BlockChoice::collect() {
  Type i1 = b.getI1Type(), i32 = b.getI32Type();
  Value lane = k.both(thread, k.number(31)), one = k.number(1);
  auto count = [&](Value votes) -> Value {
    return math::CtPopOp::create(b, votes);
  };
  forAll([&](Value base, ValueRange held) {
    Values votes = forOwn(base, i32, [&](unsigned e, Value at) -> Values {
      return {k.ballot(k.branch(
          isAllowed(held, e), i1,
          [&]() -> Values { return {reaches(at, held[e])}; },
          [&]() -> Values { return {k.truth(false)}; })[0])};
    });
    Value sum = k.number(0);
    Values before;
    for (Value each : votes) {
      before.push_back(sum);
      sum = k.add(sum, count(each));
    }
    Value start = k.branch(
        isLeader(), i32,
        [&]() -> Values { return {addTo(found, k.index(kChosen), sum)}; },
        [&]() -> Values { return {sum}; })[0];
    start = k.shuffle(start, 0, gpu::ShuffleMode::IDX);
    forOwn(base, {}, [&](unsigned e, Value at) -> Values {
      Value mine = k.shiftLeft(one, lane);
      k.when(k.cmp(Predicate::ne, k.both(votes[e], mine), k.number(0)), [&] {
        Value below = count(k.both(votes[e], k.sub(mine, one))),
              rank = k.toIndex(k.add(k.add(start, before[e]), below)),
              who = k.toNumber(candidate(at));
        k.branch(
            fits, {},
            [&]() -> Values {
              k.store(held[e], elements, rank);
              k.store(flip(who), elements, k.add(rank, k.index(kSorted)));
              return {};
            },
            [&]() -> Values {
              k.store(who, item.indices, item.placeOf(rank));
              return {};
            });
      });
      return {};
    });
  });
  k.barrier();
}

Value BlockChoice::ranksBefore(SortElement x, SortElement y) {
  auto join = [&](SortElement x) -> Value {
    Type i64 = b.getI64Type();
    return k.either(
        k.shiftLeft(arith::ExtUIOp::create(b, i64, x.first),
                    arith::ConstantOp::create(b, b.getI64IntegerAttr(32))),
        arith::ExtUIOp::create(b, i64, x.second));
  };
  Value more = k.cmp(Predicate::ugt, join(x), join(y));
  if (item.numWords() <= 1)
    return more;
  // Words between the first one and the place, where both are candidates.
  auto is = [&](Value second) {
    return k.cmp(Predicate::ne, second, k.number(0));
  };
  std::function<Value(unsigned)> further = [&](unsigned w) -> Value {
    if (w == item.numWords())
      return more;
    Value one = item.word(w, k.toIndex(flip(x.second))),
          other = item.word(w, k.toIndex(flip(y.second)));
    return k.either(k.cmp(Predicate::ugt, one, other),
                    k.both(k.cmp(Predicate::eq, one, other), further(w + 1)));
  };
  return k.branch(
      k.both(k.cmp(Predicate::eq, x.first, y.first),
             k.both(is(x.second), is(y.second))),
      b.getI1Type(), [&]() -> Values { return {further(1)}; },
      [&]() -> Values { return {more}; })[0];
}

void BlockChoice::sort() {
  Type i32 = b.getI32Type();
  Value second = k.index(kSorted);
  auto fromShared = [&](Value i) -> SortElement {
    return {k.load(elements, i), k.load(elements, k.add(i, second))};
  };
  auto toShared = [&](Value i, SortElement x) {
    k.store(x.first, elements, i);
    k.store(x.second, elements, k.add(i, second));
  };
  auto load = [&](Value i) -> SortElement {
    Values x = k.branch(
        fits, {i32, i32},
        [&]() -> Values {
          auto [first, second] = fromShared(i);
          return {first, second};
        },
        [&]() -> Values {
          Value candidate = k.load(item.indices, item.placeOf(i));
          return {item.numWords() ? item.word(0, k.toIndex(candidate))
                                  : flip(candidate),
                  flip(candidate)};
        });
    return {x[0], x[1]};
  };
  auto store = [&](Value i, SortElement x) {
    k.store(flip(x.second), item.indices, item.placeOf(i));
  };
  auto before = [&](SortElement x, SortElement y) { return ranksBefore(x, y); };
  Value isLeft = k.branch(
      fits, b.getI1Type(),
      [&]() -> Values {
        return {sortByBuckets(k, size, counts, digits,
                              {fromShared, toShared, before}, store)};
      },
      [&]() -> Values { return {k.truth(true)}; })[0];
  k.when(isLeft,
         [&] { sortInBlock(k, size, elements, {load, store, before}); });
}

void BlockChoice::emit() {
  Type i32 = b.getI32Type();
  elements = k.shared({2 * kSorted}, i32);
  counts = k.shared({2 * kChoiceThreads}, i32);
  digits = k.shared({kDigits}, i32);
  found = k.shared({kFound}, i32);
  item.find();
  thread = k.toNumber(k.thread());
  span = k.toNumber(item.span);
  for (Value memory : {counts, digits, found})
    k.loop(k.thread(), memref::DimOp::create(b, memory, 0),
           k.index(kChoiceThreads), {}, [&](Value i, ValueRange) -> Values {
             k.store(k.number(0), memory, i);
             return {};
           });
  areHeld = k.both(k.cmp(Predicate::ule, item.span, k.index(kAtOnce)),
                   k.cmp(Predicate::ne, item.span, k.index(0)));
  SmallVector<Type> types(kHeld + 1, i32);
  held = k.branch(
      areHeld, types, [&] { return read(k.number(0)); },
      [&] { return Values(kHeld + 1, k.number(0)); });
  k.barrier();
  Value allowed = countAllowed(), room = k.toNumber(item.rows);
  // Where there is room for all, all rank with the last one or above.
  done = k.cmp(Predicate::ule, allowed, room);
  need = k.least(allowed, room);
  size = k.toIndex(need);
  fits = k.cmp(Predicate::ule, size, k.index(kSorted));
  for (unsigned w = 0; w < numWords; ++w)
    narrow(w);
  collect();
  sort();
  k.loop(k.add(size, k.thread()), item.capacity, k.index(kChoiceThreads), {},
         [&](Value rank, ValueRange) -> Values {
           k.store(k.number(-1), item.indices, item.placeOf(rank));
           return {};
         });
  k.when(k.cmp(Predicate::eq, k.thread(), k.index(0)),
         [&] { k.store(k.toNumber(size), item.counts, item.place); });
}
} // namespace

void emitBlockChoice(KernelBody &k, ChooseOp op) { BlockChoice(k, op).emit(); }

} // namespace route::ragged
