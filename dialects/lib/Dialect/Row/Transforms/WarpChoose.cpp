// Choices in the lanes of a warp.
// Within a segment of a warp, each lane works out its candidate's rank
// (WarpRank.cpp). Else the best candidate is found, kept and taken out, as
// often as rows are wanted. Keys are unsigned words of 32 bits whose order is
// that of choice, the first word first; a candidate that is absent or already
// chosen has 0 as its first word.
#include "WarpContest.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "route/Dialect/Row/Transforms/IROps.h"
#include "route/numerics_functions.h"

using namespace mlir;

namespace route::row {

/// Whether a single key of this type leaves 0 free for absent candidates.
static bool leavesZero(Type element) {
  return element.isF32() || element.isInteger(1);
}

/// The order of one key's values as words, the first word first.
WarpEmitter::Values WarpEmitter::keyWords(Value key, bool up) {
  Type type = key.getType(), i32 = b.getI32Type(), i64 = b.getI64Type();
  auto flip = [&](Value x, int64_t mask) -> Value {
    return arith::XOrIOp::create(b, x, constant(x.getType(), mask));
  };
  if (type.isInteger(1)) {
    // False is 1 and true is 2, as 0 is for absent candidates.
    Value low = number(up ? 2 : 1), high = number(up ? 1 : 2);
    return {arith::SelectOp::create(b, key, high, low).getResult()};
  }
  if (type.isF32()) {
    IROps ops(b, type);
    Value word = flip(num::orderedKey(ops, key), INT32_MIN);
    if (up)
      word = flip(word, -1);
    // NaN ranks below every number, and above candidates that are absent.
    Value nan = arith::CmpFOp::create(b, arith::CmpFPredicate::UNO, key, key);
    return {arith::SelectOp::create(b, nan, number(1), word).getResult()};
  }
  if (type.isInteger(32))
    return {flip(key, up ? INT32_MAX : INT32_MIN)};
  Value bits = key;
  if (type.isF64()) {
    Value zero = arith::ConstantOp::create(b, b.getF64FloatAttr(0.0));
    bits =
        arith::BitcastOp::create(b, i64, arith::AddFOp::create(b, key, zero));
    Value sign = arith::ShRSIOp::create(b, bits, constant(i64, 63));
    bits = arith::XOrIOp::create(
        b, bits, arith::AndIOp::create(b, sign, constant(i64, INT64_MAX)));
  }
  bits = flip(bits, up ? INT64_MAX : INT64_MIN);
  if (type.isF64()) {
    Value nan = arith::CmpFOp::create(b, arith::CmpFPredicate::UNO, key, key);
    bits = arith::SelectOp::create(b, nan, constant(i64, 0), bits);
  }
  Value high = arith::ShRUIOp::create(b, bits, constant(i64, 32));
  return {arith::TruncIOp::create(b, i32, high).getResult(),
          arith::TruncIOp::create(b, i32, bits).getResult()};
}

/// Element r of the lane as a number.
Value WarpEmitter::numberOf(int64_t elements, unsigned r) {
  return arith::IndexCastOp::create(
      b, b.getI32Type(), elements == 1 ? index(0) : element(elements, r));
}

void WarpEmitter::enterCandidates(Contest &contest) {
  ChooseOp op = contest.op;
  for (Value v : op->getOperands())
    load(row(v));
  auto ownOf = [&](Value v, unsigned r) {
    WarpValue &value = row(v);
    return value.uniform ? value.own[0] : value.own[r];
  };
  bool folded = op.getKeys().size() == 1 &&
                leavesZero(op.getCandidateType().getElementType());
  for (unsigned r = 0; r < registersOf(contest.total); ++r) {
    Values here;
    for (auto [j, key] : llvm::enumerate(op.getKeys()))
      llvm::append_range(here, keyWords(ownOf(key, r), op.isUp(j)));
    Value present = op.getMask() ? ownOf(op.getMask(), r) : truth(true);
    if (folded)
      here[0] = arith::SelectOp::create(b, present, here[0], number(0));
    else
      here.insert(here.begin(),
                  arith::ExtUIOp::create(b, b.getI32Type(), present));
    contest.words.resize(here.size());
    for (auto [w, word] : llvm::enumerate(here))
      contest.words[w].push_back(word);
  }
  for (unsigned r = 0; r < registersOf(contest.total); ++r)
    contest.place.push_back(numberOf(contest.total, r));
  for (int64_t r = 0; r < registersOf(contest.slots); ++r)
    contest.slotPlace.push_back(numberOf(contest.slots, r));
}

/// How many a batch may choose, and the sum from which it has enough.
WarpEmitter::Batch WarpEmitter::boundsOf(Contest &contest, int64_t batch) {
  auto batchOf = [&](Value v) {
    return row(v).uniform ? row(v).own[0] : broadcast(row(v), batch);
  };
  Batch bounds{};
  if (contest.op.getCount())
    bounds.limit = batchOf(contest.op.getCount());
  if (contest.op.getValues())
    bounds.threshold = batchOf(contest.op.getThreshold());
  return bounds;
}

/// A batch's own candidates: the others' first words are 0 to it.
void WarpEmitter::enterBatch(Contest &contest, int64_t batch) {
  const int64_t begin = batch * contest.n, end = begin + contest.n;
  Batch &here = contest.batches.emplace_back(boundsOf(contest, batch));
  here.first = begin / kLanes;
  unsigned last = (end + kLanes - 1) / kLanes;
  for (unsigned r = here.first; r < last; ++r) {
    Value word = contest.words[0][r];
    bool whole = int64_t(r) * kLanes >= begin &&
                 std::min(int64_t(r + 1) * kLanes, contest.total) <= end;
    if (!whole) {
      Value offset = arith::SubIOp::create(b, contest.place[r], number(begin));
      Value inside = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, offset,
                                           number(contest.n));
      word = arith::SelectOp::create(b, inside, word, number(0));
    }
    here.alive.push_back(word);
  }
  here.carried = contest.carried.size();
  llvm::append_range(contest.carried, here.alive);
}

/// The number of the best candidate that is still there, and whether there is
/// one: the largest by word after word, then the lowest number.
Value WarpEmitter::findWinner(Contest &contest, const Batch &batch,
                              ValueRange now, Value &keep) {
  unsigned width = batch.alive.size();
  auto word = [&](unsigned r) { return now[batch.carried + r]; };
  auto largest = [&](Value x, Value y) -> Value {
    return arith::MaxUIOp::create(b, x, y);
  };
  auto reduce = [&](Value x, NVVM::ReduxKind how) -> Value {
    return NVVM::ReduxOp::create(b, b.getI32Type(), x, how, number(-1));
  };
  Value best = word(0);
  for (unsigned r = 1; r < width; ++r)
    best = largest(best, word(r));
  best = reduce(best, NVVM::ReduxKind::UMAX);
  keep = arith::CmpIOp::create(b, arith::CmpIPredicate::ne, best, number(0));
  Values top;
  for (unsigned r = 0; r < width; ++r)
    top.push_back(
        arith::CmpIOp::create(b, arith::CmpIPredicate::eq, word(r), best));
  for (const Values &further : llvm::drop_begin(contest.words)) {
    Value most;
    for (unsigned r = 0; r < width; ++r) {
      Value mine = arith::SelectOp::create(b, top[r], further[batch.first + r],
                                           number(0));
      most = most ? largest(most, mine) : mine;
    }
    most = reduce(most, NVVM::ReduxKind::UMAX);
    for (unsigned r = 0; r < width; ++r)
      top[r] = arith::AndIOp::create(
          b, top[r],
          arith::CmpIOp::create(b, arith::CmpIPredicate::eq,
                                further[batch.first + r], most));
  }
  Value winner;
  for (unsigned r = width; r-- > 0;)
    winner = arith::SelectOp::create(b, top[r], contest.place[batch.first + r],
                                     winner ? winner : number(-1));
  return reduce(winner, NVVM::ReduxKind::UMIN);
}

/// One round of one batch: the winner goes into its slot and out of the
/// candidates; `now` and `next` are what is carried.
void WarpEmitter::emitRound(Contest &contest, size_t batch, Value round,
                            ValueRange now, Values &next) {
  const Batch &here = contest.batches[batch];
  unsigned width = here.alive.size();
  Value keep, winner = findWinner(contest, here, now, keep);
  auto require = [&](Value condition) {
    keep = arith::AndIOp::create(b, keep, condition);
  };
  if (here.limit)
    require(
        arith::CmpIOp::create(b, arith::CmpIPredicate::slt, round, here.limit));
  if (here.threshold)
    require(now[here.counted + 2]);

  Values won;
  for (unsigned r = 0; r < width; ++r) {
    won.push_back(arith::CmpIOp::create(b, arith::CmpIPredicate::eq,
                                        contest.place[here.first + r], winner));
    next[here.carried + r] =
        arith::SelectOp::create(b, won[r], number(0), now[here.carried + r]);
  }
  Value inBatch = winner, slot = round;
  if (batch) {
    inBatch = arith::SubIOp::create(b, winner, number(batch * contest.n));
    slot = arith::AddIOp::create(b, round, number(batch * contest.k));
  }
  for (auto [r, at] : llvm::enumerate(contest.slotPlace)) {
    Value mine =
        contest.slots == 1
            ? truth(true)
            : arith::CmpIOp::create(b, arith::CmpIPredicate::eq, at, slot)
                  .getResult();
    mine = arith::AndIOp::create(b, mine, keep);
    Value &result = next[contest.firstResult + r];
    result = arith::SelectOp::create(b, mine, inBatch, result);
  }
  next[here.counted] = arith::AddIOp::create(
      b, now[here.counted], arith::ExtUIOp::create(b, b.getI32Type(), keep));
  if (!here.threshold)
    return;
  Value value = constant(b.getF32Type(), 0);
  WarpValue &values = row(contest.op.getValues());
  for (unsigned r = 0; r < width; ++r)
    value = arith::SelectOp::create(
        b, won[r], values.uniform ? values.own[0] : values.own[here.first + r],
        value);
  Value owner = arith::AndIOp::create(b, winner, number(kLanes - 1));
  value = shuffle(value, owner, gpu::ShuffleMode::IDX);
  Value sum = arith::AddFOp::create(b, now[here.counted + 1], value);
  Value enough =
      arith::CmpFOp::create(b, arith::CmpFPredicate::OGE, sum, here.threshold);
  next[here.counted + 1] = sum;
  next[here.counted + 2] = arith::AndIOp::create(
      b, now[here.counted + 2], arith::XOrIOp::create(b, enough, truth(true)));
}

/// As many rounds as rows are wanted: the chosen of all batches, and how many
/// each has.
void WarpEmitter::emitRounds(Contest &contest, Values &results,
                             Values &counts) {
  for (int64_t batch = 0; batch < int64_t(counts.size()); ++batch)
    enterBatch(contest, batch);
  Values &carried = contest.carried;
  contest.firstResult = carried.size();
  llvm::append_range(carried, results);
  for (Batch &here : contest.batches) {
    here.counted = carried.size();
    carried.push_back(number(0));
    if (here.threshold) {
      carried.push_back(constant(b.getF32Type(), 0));
      carried.push_back(truth(true));
    }
  }

  auto loop =
      scf::ForOp::create(b, number(0), number(contest.k), number(1), carried);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    Values now(loop.getRegionIterArgs()), next = now;
    for (size_t batch = 0; batch < contest.batches.size(); ++batch)
      emitRound(contest, batch, loop.getInductionVar(), now, next);
    scf::YieldOp::create(b, next);
  }
  for (auto [r, result] : llvm::enumerate(results))
    result = loop.getResult(contest.firstResult + r);
  for (auto [count, here] : llvm::zip_equal(counts, contest.batches))
    count = loop.getResult(here.counted);
}

LogicalResult WarpEmitter::emitChoose(ChooseOp op) {
  WarpValue indices = make(op.getIndices().getType()),
            chosen = make(op.getChosen().getType());
  int64_t k = indices.type.getShape().back(),
          batches = chosen.type.getNumElements();
  Contest contest{op,
                  op.getCandidateType().getShape().back(),
                  k,
                  op.getCandidateType().getNumElements(),
                  batches * k,
                  {},
                  {},
                  {},
                  {},
                  {},
                  0};
  enterCandidates(contest);
  Values counts(batches);
  indices.own.assign(contest.slotPlace.size(), number(-1));
  if (lanes < kLanes)
    emitRanks(contest, indices.own, counts);
  else
    emitRounds(contest, indices.own, counts);
  chosen.own.assign(registersOf(batches), number(0));
  for (auto [batch, count] : llvm::enumerate(counts)) {
    if (batches == 1) {
      chosen.own[0] = count;
      continue;
    }
    int64_t r = batch / lanes;
    Value mine = arith::CmpIOp::create(b, arith::CmpIPredicate::eq,
                                       numberOf(batches, r), number(batch));
    chosen.own[r] = arith::SelectOp::create(b, mine, count, chosen.own[r]);
  }
  define(op.getIndices(), indices);
  define(op.getChosen(), chosen);
  return success();
}

} // namespace route::row
