// Sorting by what part of the range of all first words each lies in.
// Buckets have the same width and are in order; what is in one finds its place
// by comparing itself with the others there. That takes a few steps where words
// are spread over their range, and would take many where they are not: then
// nothing is done.
#include "BlockSort.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace route::ragged {
namespace {
using Predicate = arith::CmpIPredicate;
using Values = SmallVector<Value>;

/// Most elements of a bucket.
constexpr int32_t kCrowd = 16;
/// Behind a sum for each warp, in scratch memory: the largest word, the largest
/// when bits are flipped, and whether a bucket has too many elements.
constexpr int64_t kLargest = 32, kFlipped = 33, kCrowded = 34;

/// The sort, being emitted.
class Buckets {
public:
  Buckets(KernelBody &k, Value size, Value counts, Value scratch,
          const SortOrder &order,
          llvm::function_ref<void(Value, SortElement)> finish)
      : k(k), n(k.toNumber(size)), counts(counts), scratch(scratch),
        order(order), finish(finish), buckets(2 * k.block), zero(k.number(0)) {}

  Value emit();

private:
  Value atomic(arith::AtomicRMWKind how, Value x, Value memory, Value at) {
    return memref::AtomicRMWOp::create(k.b, how, x, memory, at);
  }
  /// What `body` gives for the element `e` of the thread, where there is one.
  Values ifThere(int64_t e, unsigned results,
                 llvm::function_ref<Values(Value)> body) {
    Value i = k.add(k.toNumber(k.thread()), k.number(e * k.block));
    return k.branch(
        k.cmp(Predicate::ult, i, n),
        SmallVector<Type>(results, k.b.getI32Type()), [&] { return body(i); },
        [&] { return Values(results, zero); });
  }

  /// Reads the thread's elements, and divides the range of all words.
  void divideRange();
  /// The bucket of a word.
  Value bucketOf(Value word) {
    return k.toIndex(
        k.sub(k.number(buckets - 1), k.shiftRight(k.sub(word, least), shift)));
  }
  /// Makes of each bucket's count where it begins; whether one is crowded.
  Value findStarts();

  KernelBody &k;
  Value n, counts, scratch;
  const SortOrder &order;
  llvm::function_ref<void(Value, SortElement)> finish;
  int64_t buckets;
  Value zero;
  SmallVector<SortElement> own;
  Value least, shift; ///< the least word, and which of its bits tell
};

void Buckets::divideRange() {
  Value largest = zero, flipped = zero, ones = k.number(-1);
  for (int64_t e = 0; e < kSortedByThread; ++e) {
    Values x = ifThere(e, 4, [&](Value i) -> Values {
      auto [first, second] = order.load(k.toIndex(i));
      return {first, second, first, k.sub(ones, first)};
    });
    own.push_back({x[0], x[1]});
    largest = arith::MaxUIOp::create(k.b, largest, x[2]);
    flipped = arith::MaxUIOp::create(k.b, flipped, x[3]);
  }
  Value isLeader =
      k.cmp(Predicate::eq, k.rem(k.thread(), k.index(32)), k.index(0));
  for (auto [x, at] : {std::pair(largest, kLargest), {flipped, kFlipped}}) {
    Value most =
        NVVM::ReduxOp::create(k.b, x.getType(), x, NVVM::ReduxKind::UMAX, ones);
    k.when(isLeader, [&] {
      atomic(arith::AtomicRMWKind::maxu, most, scratch, k.index(at));
    });
  }
  k.barrier();
  least = k.sub(ones, k.load(scratch, k.index(kFlipped)));
  Value range = k.sub(k.load(scratch, k.index(kLargest)), least);
  Value width =
      k.sub(k.number(32), math::CountLeadingZerosOp::create(k.b, range));
  shift = arith::MaxSIOp::create(
      k.b, k.sub(width, k.number(llvm::Log2_64(buckets))), zero);
}

Value Buckets::findStarts() {
  // A thread has two buckets side by side.
  Value lane = k.rem(k.thread(), k.index(32)),
        warp = k.div(k.thread(), k.index(32));
  Value first = k.mul(k.thread(), k.index(2)),
        second = k.add(first, k.index(1));
  Value one = k.load(counts, first), other = k.load(counts, second),
        sum = k.add(one, other);
  Value most = arith::MaxUIOp::create(k.b, one, other);
  k.when(k.cmp(Predicate::ugt, most, k.number(kCrowd)), [&] {
    atomic(arith::AtomicRMWKind::maxu, k.number(1), scratch, k.index(kCrowded));
  });
  Value upTo = k.scan(sum, lane);
  k.when(k.cmp(Predicate::eq, lane, k.index(31)),
         [&] { k.store(upTo, scratch, warp); });
  k.barrier();
  Value ofWarp = k.load(scratch, lane);
  Value earlier = k.fromLane(k.sub(k.scan(ofWarp, lane), ofWarp), warp);
  Value start = k.add(earlier, k.sub(upTo, sum));
  k.store(start, counts, first);
  k.store(k.add(start, one), counts, second);
  k.barrier();
  return k.cmp(Predicate::ne, k.load(scratch, k.index(kCrowded)), zero);
}

Value Buckets::emit() {
  divideRange();
  Values before; // in its bucket, each of the thread's elements
  for (auto [e, x] : llvm::enumerate(own))
    before.push_back(ifThere(e, 1, [&, first = x.first](Value) -> Values {
      return {atomic(arith::AtomicRMWKind::addi, k.number(1), counts,
                     bucketOf(first))};
    })[0]);
  k.barrier();
  Value isCrowded = findStarts();
  k.when(k.cmp(Predicate::eq, isCrowded, k.truth(false)), [&] {
    for (auto [e, x] : llvm::enumerate(own))
      ifThere(e, 0, [&, e = e, x = x](Value) -> Values {
        Value start = k.load(counts, bucketOf(x.first));
        order.store(k.toIndex(k.add(start, before[e])), x);
        return {};
      });
    k.barrier();
    for (auto [e, x] : llvm::enumerate(own))
      ifThere(e, 0, [&, x = x](Value) -> Values {
        Value bucket = bucketOf(x.first), next = k.add(bucket, k.index(1));
        Value start = k.load(counts, bucket);
        Value end = k.branch(
            k.cmp(Predicate::ult, next, k.index(buckets)), k.b.getI32Type(),
            [&]() -> Values { return {k.load(counts, next)}; },
            [&]() -> Values { return {n}; })[0];
        Value rank = k.loop(
            start, end, k.number(1), {start},
            [&](Value j, ValueRange rank) -> Values {
              Value is = order.ranksBefore(order.load(k.toIndex(j)), x);
              return {
                  k.add(rank[0], arith::ExtUIOp::create(k.b, n.getType(), is))};
            })[0];
        finish(k.toIndex(rank), x);
        return {};
      });
  });
  return isCrowded;
}
} // namespace

Value sortByBuckets(KernelBody &k, Value size, Value counts, Value scratch,
                    const SortOrder &order,
                    llvm::function_ref<void(Value, SortElement)> finish) {
  return Buckets(k, size, counts, scratch, order, finish).emit();
}

} // namespace route::ragged
