// Kernels of choices among as many candidates as the call brings.
// An item with few candidates has a thread, which keeps the heap that CPUs keep
// (ConvertChoose.cpp). One with many has a block:
// - keys are unsigned words whose order is that of choice, most significant
//   first; digit by digit the block counts candidates and narrows down the
//   words of the last one that is chosen;
// - chosen are those above it and, of its equals, the first by position: they
//   are collected in the order of their positions;
// - a bitonic sort of what was chosen, ties by position, puts the best first.
// First words of up to kCached candidates stay in shared memory; what is beyond
// is read again from the keys. So a choice of any size needs no memory.
#include "Emit.h"
#include "KernelBody.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace route::ragged {
namespace {
using Predicate = arith::CmpIPredicate;
using Values = SmallVector<Value>;

constexpr int32_t kThreads = 512;
constexpr int64_t kWarps = kThreads / 32;
constexpr int64_t kCached = 8192;
constexpr int64_t kSorted = kCached / 2; ///< a word and a position for each
constexpr int64_t kDigits = 256;

/// The choice of a block's item, being emitted.
class BlockChoice {
public:
  BlockChoice(KernelBody &k, ChooseOp op) : k(k), b(k.b), op(op) {
    unsigned next = 1;
    for (unsigned i = 0, n = op.getMaps().size(); i < n; ++i)
      mapped.push_back(k.argument(next++));
    indices = k.argument(next++);
    counts = k.argument(next);
    for (auto [j, key] : llvm::enumerate(op.getKeys())) {
      unsigned bits = cast<ShapedType>(key.getType()).getElementTypeBitWidth();
      for (unsigned part = 0; part < (bits > 32 ? 2 : 1); ++part)
        words.push_back({unsigned(j), part});
    }
  }

  void emit();

private:
  Value number(int32_t v) { return k.number(v); }
  Value truth(bool v) { return arith::ConstantOp::create(b, b.getBoolAttr(v)); }
  Value flip(Value x, int64_t mask) {
    return arith::XOrIOp::create(
        b, x,
        arith::ConstantOp::create(b, b.getIntegerAttr(x.getType(), mask)));
  }
  Value either(Value x, Value y) { return arith::OrIOp::create(b, x, y); }
  Value negation(Value x) { return arith::XOrIOp::create(b, x, truth(true)); }
  Value left(Value x, Value by) { return arith::ShLIOp::create(b, x, by); }
  Value right(Value x, Value by) { return arith::ShRUIOp::create(b, x, by); }
  Value threadNumber() { return k.toNumber(k.thread()); }
  Values branch(Value condition, TypeRange types,
                llvm::function_ref<Values()> then,
                llvm::function_ref<Values()> otherwise);
  /// A loop over numbers from 0.
  void upTo(Value end, llvm::function_ref<void(Value)> body) {
    k.loop(k.index(0), end, k.index(1), {}, [&](Value i, ValueRange) -> Values {
      body(i);
      return {};
    });
  }
  /// The numbers from `begin` below `end` in turn, a thread each.
  void share(Value begin, Value end, llvm::function_ref<void(Value)> body) {
    k.loop(k.add(begin, k.thread()), end, k.index(kThreads), {},
           [&](Value i, ValueRange) -> Values {
             body(i);
             return {};
           });
  }

  /// Operand `i` for the item and, where it depends on it, `candidate`.
  Value read(unsigned i, Value candidate) {
    AffineMap map = cast<AffineMapAttr>(op.getMaps()[i]).getValue();
    Values at;
    for (unsigned r = 0; r < map.getNumResults(); ++r) {
      unsigned dim = map.getDimPosition(r);
      at.push_back(dim < place.size() ? place[dim] : candidate);
    }
    return k.load(mapped[i], at);
  }
  /// Word `w` of a candidate, from its keys.
  Value wordFromKeys(unsigned w, Value candidate);
  /// The same of the candidate at `place` of the item's, from shared memory
  /// where it is there.
  Value word(unsigned w, Value at) {
    Type i32 = b.getI32Type();
    if (w)
      return wordFromKeys(w, k.add(begin, at));
    return branch(
        cached, i32, [&]() -> Values { return {k.load(cache, at)}; },
        [&]() -> Values { return {wordFromKeys(0, k.add(begin, at))}; })[0];
  }
  Value masksAllow(Value candidate) {
    Value allowed = truth(true);
    for (unsigned m = 0; m < op.getMasks().size(); ++m)
      allowed = k.both(allowed, read(op.getKeys().size() + m, candidate));
    return allowed;
  }
  /// Whether masks allow the candidate at place `at`, which is `inside`.
  Value allowedAt(Value at, Value inside);
  /// Calls `body` with each place in turn, a round of the block at a time, and
  /// whether there is a candidate.
  void forRounds(llvm::function_ref<void(Value, Value)> body) {
    upTo(rounds, [&](Value round) {
      Value at = k.add(k.mul(round, k.index(kThreads)), k.thread());
      body(at, k.cmp(Predicate::ult, at, span));
    });
  }
  Values placeOf(Value rank) {
    Values full(place);
    full.push_back(rank);
    return full;
  }
  Value ballot(Value truth) {
    return NVVM::VoteSyncOp::create(
        b, b.getI32Type(), number(-1), truth,
        NVVM::VoteSyncKindAttr::get(b.getContext(),
                                    NVVM::VoteSyncKind::ballot));
  }

  void findItem();
  /// Brings first words to shared memory; how many candidates are allowed.
  Value enter();
  /// Narrows down word `w` of the last one chosen.
  void narrow(unsigned w);
  /// The digit that the last of `need` lies in, how many of its candidates are
  /// needed and how many there are, to `found`. The first warp does it.
  void findDigit(Value need);
  /// Whether the candidate is above the last one chosen, and whether equal.
  std::pair<Value, Value> compare(Value at, unsigned w = 0);
  /// What was chosen in the order of positions, to `indices`; how many.
  Value collect();
  using Element = std::pair<Value, Value>; ///< first word, candidate
  Value ranksBefore(Element x, Element y);
  void sort(Value size, llvm::function_ref<Element(Value)> load,
            llvm::function_ref<void(Value, Element)> store);
  void sortAll(Value size);

  KernelBody &k;
  ImplicitLocOpBuilder &b;
  ChooseOp op;
  /// The key and its part that each word comes from.
  SmallVector<std::pair<unsigned, unsigned>> words;
  Values mapped, place;
  Value indices, counts;
  Value cache, bits, digits, sums, found; ///< shared memory
  Value begin, span, rounds, rows, capacity, cached;
  /// Of the last one chosen: its words where they are known, the bits that are,
  /// how many equals of it are wanted, and whether that are all.
  Values last, known;
  Value need, done;
};

Values BlockChoice::branch(Value condition, TypeRange types,
                           llvm::function_ref<Values()> then,
                           llvm::function_ref<Values()> otherwise) {
  auto op = scf::IfOp::create(b, types, condition, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  for (auto [block, make] : {std::pair(op.thenBlock(), then),
                             std::pair(op.elseBlock(), otherwise)}) {
    b.setInsertionPointToStart(block);
    Values made = make();
    if (!types.empty()) // else it comes with an end
      scf::YieldOp::create(b, made);
  }
  return Values(op.getResults());
}

Value BlockChoice::wordFromKeys(unsigned w, Value candidate) {
  auto [j, part] = words[w];
  Value x = read(j, candidate);
  Type type = x.getType(), i32 = b.getI32Type(), i64 = b.getI64Type();
  bool up = op.getUp()[j];
  if (isa<FloatType>(type)) {
    // Signed order but for the sign's own bits; -0 is +0, NaN is below all.
    Type whole = type.isF64() ? i64 : i32;
    unsigned width = type.getIntOrFloatBitWidth();
    int64_t most = type.isF64() ? INT64_MAX : INT32_MAX;
    Value zero = arith::ConstantOp::create(b, b.getFloatAttr(type, 0.0));
    Value bits =
        arith::BitcastOp::create(b, whole, arith::AddFOp::create(b, x, zero));
    auto constant = [&](int64_t v) -> Value {
      return arith::ConstantOp::create(b, b.getIntegerAttr(whole, v));
    };
    Value sign = arith::ShRSIOp::create(b, bits, constant(width - 1));
    Value key = arith::XOrIOp::create(
        b, bits, arith::AndIOp::create(b, sign, constant(most)));
    key = flip(key, up ? most : -most - 1);
    Value nan = arith::CmpFOp::create(b, arith::CmpFPredicate::UNO, x, x);
    x = k.select(nan, constant(0), key);
  } else if (type.isInteger(64)) {
    x = flip(x, up ? INT64_MAX : INT64_MIN);
  } else {
    if (type.isInteger(1))
      x = arith::ExtUIOp::create(b, i32, x);
    else if (!type.isInteger(32))
      x = arith::ExtSIOp::create(b, i32, x);
    x = flip(x, up ? INT32_MAX : INT32_MIN);
  }
  if (x.getType() == i32)
    return x;
  if (part == 0)
    x = right(x, arith::ConstantOp::create(b, b.getI64IntegerAttr(32)));
  return arith::TruncIOp::create(b, i32, x);
}

Value BlockChoice::allowedAt(Value at, Value inside) {
  if (op.getMasks().empty())
    return inside;
  Type i1 = b.getI1Type();
  return branch(
      inside, i1,
      [&]() -> Values {
        return branch(
            cached, i1,
            [&]() -> Values {
              Value word = k.load(bits, k.div(at, k.index(32)));
              Value bit = right(word, k.toNumber(k.rem(at, k.index(32))));
              return {arith::TruncIOp::create(b, i1, bit)};
            },
            [&]() -> Values { return {masksAllow(k.add(begin, at))}; });
      },
      [&]() -> Values { return {truth(false)}; })[0];
}

void BlockChoice::findItem() {
  unsigned items = cast<MemRefType>(indices.getType()).getRank() - 1;
  place.assign(items, Value());
  Value item = k.blockId();
  for (unsigned i = items; i-- > 0;) {
    if (i == 0) {
      place[i] = item;
      break;
    }
    Value extent = memref::DimOp::create(b, indices, i);
    place[i] = k.rem(item, extent);
    item = k.div(item, extent);
  }
  Value zero = k.index(0);
  capacity = rows = memref::DimOp::create(b, indices, items);
  begin = zero;
  Value end = k.argument(0);
  unsigned next = op.getKeys().size() + op.getMasks().size();
  if (!op.getRange().empty()) {
    begin = k.toIndex(read(next++, {}));
    end = k.toIndex(read(next++, {}));
  }
  if (op.getLimit()) {
    Value limit = k.toIndex(read(next, {}));
    rows =
        arith::MinSIOp::create(b, arith::MaxSIOp::create(b, limit, zero), rows);
  }
  // Nothing is looked at for an item without room.
  Value some = k.both(k.cmp(Predicate::sgt, end, begin),
                      k.cmp(Predicate::ne, rows, zero));
  span = k.select(some, k.sub(end, begin), zero);
  rounds = k.div(k.add(span, k.index(kThreads - 1)), k.index(kThreads));
  cached = k.cmp(Predicate::ule, span, k.index(kCached));
}

Value BlockChoice::enter() {
  Value first = k.cmp(Predicate::eq, k.thread(), k.index(0));
  k.when(first, [&] { k.store(number(0), found, k.index(0)); });
  k.barrier();
  forRounds([&](Value at, Value inside) {
    Value allowed = inside;
    if (!op.getMasks().empty())
      allowed = branch(
          inside, b.getI1Type(),
          [&]() -> Values { return {masksAllow(k.add(begin, at))}; },
          [&]() -> Values { return {truth(false)}; })[0];
    Value vote = ballot(allowed);
    Value leader =
        k.cmp(Predicate::eq, k.rem(k.thread(), k.index(32)), k.index(0));
    k.when(leader, [&] {
      if (!op.getMasks().empty())
        k.when(cached, [&] { k.store(vote, bits, k.div(at, k.index(32))); });
      memref::AtomicRMWOp::create(b, arith::AtomicRMWKind::addi,
                                  math::CtPopOp::create(b, vote), found,
                                  ValueRange{k.index(0)});
    });
    if (!words.empty())
      k.when(k.both(cached, allowed),
             [&] { k.store(wordFromKeys(0, k.add(begin, at)), cache, at); });
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
  Value sum = number(0);
  for (int64_t i = 0; i < own; ++i) {
    held.push_back(k.load(digits, k.sub(top, k.index(i))));
    sum = k.add(sum, held.back());
  }
  Value upTo = k.scan(sum, lane), before = k.sub(upTo, sum);
  Value mine = k.both(k.cmp(Predicate::ult, before, need),
                      k.cmp(Predicate::ule, need, upTo));
  k.when(mine, [&] {
    Value digit = number(0), wanted = number(0), count = number(0);
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

void BlockChoice::narrow(unsigned w) {
  Values start{number(0), number(0), need, done};
  SmallVector<Type> types(ValueRange(start).getTypes());
  Values result = k.loop(
      k.index(0), k.index(4), k.index(1), start,
      [&](Value round, ValueRange state) -> Values {
        return branch(
            state[3], types, [&]() -> Values { return Values(state); },
            [&]() -> Values {
              Value shift =
                  k.sub(number(24), k.mul(k.toNumber(round), number(8)));
              share(k.index(0), k.index(kDigits),
                    [&](Value d) { k.store(number(0), digits, d); });
              k.barrier();
              forRounds([&](Value at, Value inside) {
                std::function<void(unsigned)> count = [&](unsigned v) {
                  Value x = word(v, at);
                  if (v < w) {
                    k.when(k.cmp(Predicate::eq, x, last[v]),
                           [&] { count(v + 1); });
                    return;
                  }
                  Value same =
                      k.cmp(Predicate::eq, k.both(x, state[1]), state[0]);
                  k.when(same, [&] {
                    Value digit = k.both(right(x, shift), number(kDigits - 1));
                    memref::AtomicRMWOp::create(b, arith::AtomicRMWKind::addi,
                                                number(1), digits,
                                                ValueRange{k.toIndex(digit)});
                  });
                };
                k.when(allowedAt(at, inside), [&] { count(0); });
              });
              k.barrier();
              k.when(k.cmp(Predicate::ult, k.thread(), k.index(32)),
                     [&] { findDigit(state[2]); });
              k.barrier();
              Value digit = k.load(found, k.index(0)),
                    wanted = k.load(found, k.index(1)),
                    count = k.load(found, k.index(2));
              return {either(state[0], left(digit, shift)),
                      either(state[1], left(number(kDigits - 1), shift)),
                      wanted, k.cmp(Predicate::eq, wanted, count)};
            });
      });
  last.push_back(result[0]);
  known.push_back(result[1]);
  need = result[2];
  done = result[3];
}

std::pair<Value, Value> BlockChoice::compare(Value at, unsigned w) {
  if (w == words.size())
    return {truth(false), truth(true)};
  Value x = k.both(word(w, at), known[w]);
  Value above = k.cmp(Predicate::ugt, x, last[w]),
        equal = k.cmp(Predicate::eq, x, last[w]);
  if (w + 1 == words.size())
    return {above, equal};
  Type i1 = b.getI1Type();
  Values made = branch(
      equal, {i1, i1},
      [&]() -> Values {
        auto [over, same] = compare(at, w + 1);
        return {over, same};
      },
      [&]() -> Values { return {above, truth(false)}; });
  return {made[0], made[1]};
}

Value BlockChoice::collect() {
  Value lane = k.rem(k.thread(), k.index(32)),
        warp = k.div(k.thread(), k.index(32));
  Value below = k.sub(left(number(1), k.toNumber(lane)), number(1));
  Type i1 = b.getI1Type();
  auto count = [&](Value votes) -> Value {
    return math::CtPopOp::create(b, votes);
  };
  // Those above and the equals of a warp or a block are counted in the two
  // halves of a number.
  Value low = number(0xffff), half = number(16);
  Values totals =
      k.loop(k.index(0), rounds, k.index(1), {number(0), number(0)},
             [&](Value round, ValueRange before) -> Values {
               Value at = k.add(k.mul(round, k.index(kThreads)), k.thread());
               Value inside = k.cmp(Predicate::ult, at, span);
               Values is = branch(
                   allowedAt(at, inside), {i1, i1},
                   [&]() -> Values {
                     auto [above, equal] = compare(at);
                     return {above, equal};
                   },
                   [&]() -> Values { return {truth(false), truth(false)}; });
               Value above = ballot(is[0]), equal = ballot(is[1]);
               Value side = k.rem(round, k.index(2));
               k.when(k.cmp(Predicate::eq, lane, k.index(0)), [&] {
                 k.store(either(count(above), left(count(equal), half)), sums,
                         {side, warp});
               });
               k.barrier();
               Value real = k.cmp(Predicate::ult, lane, k.index(kWarps));
               Value sum =
                   k.load(sums, {side, k.select(real, lane, k.index(0))});
               sum = k.select(real, sum, number(0));
               Value scan = k.scan(sum, lane);
               Value earlier =
                   gpu::ShuffleOp::create(b, k.sub(scan, sum), k.toNumber(warp),
                                          number(32), gpu::ShuffleMode::IDX)
                       .getShuffleResult();
               Value all = k.shuffle(scan, kWarps - 1, gpu::ShuffleMode::IDX);
               Value aboveMe = k.add(k.add(before[0], k.both(earlier, low)),
                                     count(k.both(above, below)));
               Value equalMe = k.add(k.add(before[1], right(earlier, half)),
                                     count(k.both(equal, below)));
               Value wanted = k.cmp(Predicate::ult, equalMe, need);
               k.when(either(is[0], k.both(is[1], wanted)), [&] {
                 Value rank = k.add(aboveMe, k.least(equalMe, need));
                 k.store(k.toNumber(k.add(begin, at)), indices,
                         placeOf(k.toIndex(rank)));
               });
               return {k.add(before[0], k.both(all, low)),
                       k.add(before[1], right(all, half))};
             });
  return k.toIndex(k.add(totals[0], k.least(totals[1], need)));
}

Value BlockChoice::ranksBefore(Element x, Element y) {
  Value more = k.cmp(Predicate::ugt, x.first, y.first),
        same = k.cmp(Predicate::eq, x.first, y.first);
  Type i1 = b.getI1Type();
  std::function<Value(unsigned)> further = [&](unsigned w) -> Value {
    if (w == words.size())
      return k.cmp(Predicate::ult, x.second, y.second);
    Value one = wordFromKeys(w, k.toIndex(x.second)),
          other = wordFromKeys(w, k.toIndex(y.second));
    Value less = further(w + 1);
    return either(k.cmp(Predicate::ugt, one, other),
                  k.both(k.cmp(Predicate::eq, one, other), less));
  };
  Value tie = words.size() == 1
                  ? k.both(same, further(1))
                  : branch(
                        same, i1, [&]() -> Values { return {further(1)}; },
                        [&]() -> Values { return {truth(false)}; })[0];
  return either(more, tie);
}

void BlockChoice::sort(Value size, llvm::function_ref<Element(Value)> load,
                       llvm::function_ref<void(Value, Element)> store) {
  // Any number of elements: those that a power of two has more rank last and
  // never move, since the better of two always goes to the lower place.
  Value n = k.toNumber(size), one = number(1);
  Value less = k.sub(n, one);
  Value zeros = math::CountLeadingZerosOp::create(b, less);
  Value levels = k.select(k.cmp(Predicate::sle, n, one), number(0),
                          k.sub(number(32), zeros));
  Value pairs = right(left(one, levels), one);
  k.loop(
      one, k.add(levels, one), one, {}, [&](Value level, ValueRange) -> Values {
        k.loop(
            number(0), level, one, {}, [&](Value step, ValueRange) -> Values {
              Value exponent = k.sub(k.sub(level, one), step);
              Value distance = left(one, exponent);
              Value mask = k.select(k.cmp(Predicate::eq, step, number(0)),
                                    k.sub(left(one, level), one), distance);
              k.loop(threadNumber(), pairs, number(kThreads), {},
                     [&](Value t, ValueRange) -> Values {
                       Value low = k.both(t, k.sub(distance, one));
                       Value i = k.add(
                           left(right(t, exponent), k.add(exponent, one)), low);
                       Value j = arith::XOrIOp::create(b, i, mask);
                       k.when(k.cmp(Predicate::ult, j, n), [&] {
                         Element x = load(k.toIndex(i)), y = load(k.toIndex(j));
                         k.when(ranksBefore(y, x), [&] {
                           store(k.toIndex(i), y);
                           store(k.toIndex(j), x);
                         });
                       });
                       return {};
                     });
              k.barrier();
              return {};
            });
        return {};
      });
}

void BlockChoice::sortAll(Value size) {
  if (words.empty()) // by position, as they are
    return;
  auto chosen = [&](Value rank) { return k.load(indices, placeOf(rank)); };
  Value second = k.index(kSorted);
  branch(
      k.cmp(Predicate::ule, size, second), {},
      [&]() -> Values {
        share(k.index(0), size, [&](Value i) {
          Value candidate = chosen(i);
          k.store(wordFromKeys(0, k.toIndex(candidate)), cache, i);
          k.store(candidate, cache, k.add(i, second));
        });
        k.barrier();
        sort(
            size,
            [&](Value i) -> Element {
              return {k.load(cache, i), k.load(cache, k.add(i, second))};
            },
            [&](Value i, Element x) {
              k.store(x.first, cache, i);
              k.store(x.second, cache, k.add(i, second));
            });
        share(k.index(0), size, [&](Value i) {
          k.store(k.load(cache, k.add(i, second)), indices, placeOf(i));
        });
        return {};
      },
      [&]() -> Values {
        sort(
            size,
            [&](Value i) -> Element {
              Value candidate = chosen(i);
              return {wordFromKeys(0, k.toIndex(candidate)), candidate};
            },
            [&](Value i, Element x) {
              k.store(x.second, indices, placeOf(i));
            });
        return {};
      });
}

void BlockChoice::emit() {
  Type i32 = b.getI32Type();
  if (!words.empty()) {
    cache = k.shared({kCached}, i32);
    digits = k.shared({kDigits}, i32);
  }
  if (!op.getMasks().empty())
    bits = k.shared({kCached / 32}, i32);
  sums = k.shared({2, kWarps}, i32);
  found = k.shared({4}, i32);
  findItem();
  Value allowed = enter();
  // Where there is room for all, all are equals of the last one.
  Value room = k.toNumber(rows);
  done = k.cmp(Predicate::ule, allowed, room);
  need = k.least(allowed, room);
  for (unsigned w = 0; w < words.size(); ++w)
    narrow(w);
  Value size = collect();
  k.barrier();
  sortAll(size);
  share(size, capacity,
        [&](Value rank) { k.store(number(-1), indices, placeOf(rank)); });
  k.when(k.cmp(Predicate::eq, k.thread(), k.index(0)),
         [&] { k.store(k.toNumber(size), counts, place); });
}

/// How many candidates an item has on average, where the items that share a
/// range have parts of them.
Value averageSpan(ImplicitLocOpBuilder &b, ChooseOp op) {
  if (op.getRange().empty())
    return op.getCandidates();
  Value parts = arith::ConstantIndexOp::create(b, 1), range = op.getRange()[0];
  auto type = cast<MemRefType>(range.getType());
  for (int64_t i = 0; i < type.getRank(); ++i)
    parts = arith::MulIOp::create(b, parts, memref::DimOp::create(b, range, i));
  parts =
      arith::MaxUIOp::create(b, parts, arith::ConstantIndexOp::create(b, 1));
  return arith::CeilDivUIOp::create(b, op.getCandidates(), parts);
}
} // namespace

LogicalResult lowerToKernels(ChooseOp op, int64_t fewCandidates) {
  Values operands(op->getOperands());
  auto module = op->getParentOfType<ModuleOp>();
  ImplicitLocOpBuilder host(op.getLoc(), op);
  auto type = cast<MemRefType>(op.getIndices().getType());
  Value items = arith::ConstantIndexOp::create(host, 1);
  for (int64_t i = 0; i + 1 < type.getRank(); ++i)
    items = arith::MulIOp::create(
        host, items, memref::DimOp::create(host, op.getIndices(), i));
  Value none = arith::ConstantIndexOp::create(host, 0);
  Value few = arith::CmpIOp::create(
      host, Predicate::ule, averageSpan(host, op),
      arith::ConstantIndexOp::create(host, fewCandidates));

  KernelBody thread(module, op, kernelStem(op, "choose"), operands, 64);
  Emit e(thread.b, op.getLoc());
  forEachThread(
      thread.b, thread.kernel,
      [&] {
        Value count = thread.index(1);
        Value indices = thread.argument(operands.size() - 2);
        for (int64_t i = 0; i + 1 < type.getRank(); ++i)
          count =
              thread.mul(count, memref::DimOp::create(thread.b, indices, i));
        return count;
      }(),
      [&](Value item) {
        emitChoice(e, op, thread.kernel.getBody().front().getArguments(), item);
      });
  launchKernel(host, thread.kernel,
               arith::SelectOp::create(
                   host, few, gridFor(host, thread.kernel, items), none),
               operands);

  KernelBody block(module, op, kernelStem(op, "choose_many"), operands,
                   kThreads);
  BlockChoice(block, op).emit();
  launchKernel(host, block.kernel,
               arith::SelectOp::create(host, few, none, items), operands);
  op->erase();
  return success();
}

} // namespace route::ragged
