// Choices within a segment of a warp.
// A lane has at most one candidate. It compares it with every other of its
// batch, and so knows its rank without rounds that wait for one another; then
// ballots tell all lanes who is first, second, and so on.
#include "WarpContest.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace route::row {

/// How many candidates of the lane's batch are ahead of its own: those with a
/// larger key, and those with the same key and a lower number.
Value WarpEmitter::rankOf(Contest &contest) {
  auto compare = [&](arith::CmpIPredicate how, Value x, Value y) -> Value {
    return arith::CmpIOp::create(b, how, x, y);
  };
  Value own = arith::IndexCastUIOp::create(b, b.getI32Type(), lane);
  auto hasBit = [&](Value x, int64_t bit) -> Value {
    return compare(arith::CmpIPredicate::ne,
                   arith::AndIOp::create(b, x, number(bit)), number(0));
  };
  // Of lanes i and i ^ x the one that has the highest bit of x is later, and
  // loses a tie. A single word is compared with one less there; an absent
  // candidate's rank does not matter.
  bool single = contest.words.size() == 1;
  Value word = contest.words[0][0];
  Value isLater, least, rank = number(0);
  for (int64_t x = 1; x < lanes; ++x) {
    if (llvm::isPowerOf2_64(x)) {
      isLater = hasBit(own, x);
      if (single)
        least = arith::SubIOp::create(
            b, word, arith::ExtUIOp::create(b, b.getI32Type(), isLater));
    }
    // The lanes that meet another of their batch.
    uint32_t meet = 0, all = 0;
    for (int64_t i = 0; i < contest.total; ++i) {
      all |= 1u << i;
      if ((i ^ x) < contest.total && i / contest.n == (i ^ x) / contest.n)
        meet |= 1u << i;
    }
    if (!meet)
      continue;
    Value ahead = isLater;
    if (single)
      ahead = compare(arith::CmpIPredicate::ugt,
                      shuffle(word, number(x), gpu::ShuffleMode::XOR), least);
    else
      for (const Values &word : llvm::reverse(contest.words)) {
        Value other = shuffle(word[0], number(x), gpu::ShuffleMode::XOR);
        Value tied = compare(arith::CmpIPredicate::eq, other, word[0]);
        ahead = arith::SelectOp::create(
            b, tied, ahead, compare(arith::CmpIPredicate::ugt, other, word[0]));
      }
    // What lies beyond the candidates is absent, and never ahead.
    if (contest.n < contest.total && meet != all)
      ahead = arith::AndIOp::create(
          b, ahead, hasBit(arith::ShRUIOp::create(b, number(meet), own), 1));
    rank = arith::AddIOp::create(
        b, rank, arith::ExtUIOp::create(b, b.getI32Type(), ahead));
  }
  return rank;
}

/// A bit for each lane of the segment: whether the condition holds there.
Value WarpEmitter::ballot(Value condition) {
  Value all = NVVM::VoteSyncOp::create(b, b.getI32Type(), number(-1), condition,
                                       NVVM::VoteSyncKind::ballot);
  return arith::AndIOp::create(
      b, arith::ShRUIOp::create(b, all, firstLane()),
      number(static_cast<int32_t>((int64_t(1) << lanes) - 1)));
}

/// The chosen of all batches, and how many each has.
void WarpEmitter::emitRanks(Contest &contest, Values &results, Values &counts) {
  auto isEqual = [&](Value x, int32_t y) -> Value {
    return arith::CmpIOp::create(b, arith::CmpIPredicate::eq, x, number(y));
  };
  auto both = [&](Value x, Value y) -> Value {
    return arith::AndIOp::create(b, x, y);
  };
  // Lanes without a candidate of their own have an absent one.
  Value &first = contest.words[0][0];
  if (contest.total < lanes)
    first =
        arith::SelectOp::create(b, owns(contest.total, 0), first, number(0));
  Value present =
      arith::CmpIOp::create(b, arith::CmpIPredicate::ne, first, number(0));
  Value rank = rankOf(contest);
  Value own = arith::IndexCastUIOp::create(b, b.getI32Type(), lane);
  for (auto [batch, count] : llvm::enumerate(counts)) {
    Value here = present;
    const int64_t begin = batch * contest.n;
    if (contest.n < contest.total)
      here = both(here, arith::CmpIOp::create(
                            b, arith::CmpIPredicate::ult,
                            arith::SubIOp::create(b, own, number(begin)),
                            number(contest.n)));
    Batch bounds = boundsOf(contest, batch);
    Value isOpen = truth(true), sum = constant(b.getF32Type(), 0);
    count = number(0);
    for (int64_t round = 0; round < contest.k; ++round) {
      Value holder = ballot(both(here, isEqual(rank, round)));
      Value keep =
          arith::CmpIOp::create(b, arith::CmpIPredicate::ne, holder, number(0));
      // The place of the only bit, without a branch for none.
      Value winner =
          math::CtPopOp::create(b, arith::SubIOp::create(b, holder, number(1)));
      if (bounds.limit)
        keep = both(keep, arith::CmpIOp::create(b, arith::CmpIPredicate::slt,
                                                number(round), bounds.limit));
      if (bounds.threshold) {
        keep = both(keep, isOpen);
        WarpValue &values = row(contest.op.getValues());
        Value value = values.own[0];
        if (!values.uniform)
          value = shuffle(value, both(winner, number(lanes - 1)),
                          gpu::ShuffleMode::IDX);
        sum = arith::AddFOp::create(b, sum, value);
        // Written as the rounds do: NaN is never enough.
        Value enough = arith::CmpFOp::create(b, arith::CmpFPredicate::OGE, sum,
                                             bounds.threshold);
        isOpen = both(isOpen, arith::XOrIOp::create(b, enough, truth(true)));
      }
      Value inBatch =
          begin ? arith::SubIOp::create(b, winner, number(begin)).getResult()
                : winner;
      Value mine = keep;
      if (contest.slots > 1)
        mine = both(mine,
                    isEqual(contest.slotPlace[0], batch * contest.k + round));
      results[0] = arith::SelectOp::create(b, mine, inBatch, results[0]);
      count = arith::AddIOp::create(
          b, count, arith::ExtUIOp::create(b, b.getI32Type(), keep));
    }
  }
}

} // namespace route::row
