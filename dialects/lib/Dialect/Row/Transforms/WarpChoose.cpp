// Choices in the lanes of a warp: the best candidate is found, kept and taken
// out, as often as rows are wanted. Keys are unsigned words of 32 bits whose
// order is that of choice, the first word first; a candidate that is absent or
// already chosen has 0 as its first word.
#include "WarpEmitter.h"

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

LogicalResult WarpEmitter::emitChoose(ChooseOp op) {
  RankedTensorType candidates = op.getCandidateType();
  WarpValue indices = make(op.getIndices().getType()),
            chosen = make(op.getChosen().getType());
  int64_t n = candidates.getShape().back(), k = indices.type.getShape().back(),
          batches = chosen.type.getNumElements();
  int64_t total = candidates.getNumElements();
  Type i32 = b.getI32Type();
  unsigned registers = registersOf(total);

  for (Value v : op->getOperands())
    load(row(v));
  auto ownOf = [&](Value v, unsigned r) {
    WarpValue &value = row(v);
    return value.uniform ? value.own[0] : value.own[r];
  };
  // words[w][r]: word w of register r's candidate.
  bool folded =
      op.getKeys().size() == 1 && leavesZero(candidates.getElementType());
  SmallVector<Values> words;
  for (unsigned r = 0; r < registers; ++r) {
    Values here;
    for (auto [j, key] : llvm::enumerate(op.getKeys()))
      llvm::append_range(here, keyWords(ownOf(key, r), op.isUp(j)));
    Value present = op.getMask() ? ownOf(op.getMask(), r) : truth(true);
    if (folded)
      here[0] = arith::SelectOp::create(b, present, here[0], number(0));
    else
      here.insert(here.begin(), arith::ExtUIOp::create(b, i32, present));
    words.resize(here.size());
    for (auto [w, word] : llvm::enumerate(here))
      words[w].push_back(word);
  }
  // Candidates and results by number.
  auto numberOf = [&](int64_t elements, unsigned r) -> Value {
    return arith::IndexCastOp::create(
        b, i32, elements == 1 ? index(0) : element(elements, r));
  };
  Values place;
  for (unsigned r = 0; r < registers; ++r)
    place.push_back(numberOf(total, r));
  int64_t slots = batches * k;
  Values slotPlace;
  for (int64_t r = 0; r < registersOf(slots); ++r)
    slotPlace.push_back(numberOf(slots, r));
  Values results(slotPlace.size(), number(-1)),
      counts(registersOf(batches), number(0));

  auto largest = [&](Value x, Value y) -> Value {
    return arith::MaxUIOp::create(b, x, y);
  };
  auto reduce = [&](Value x, NVVM::ReduxKind how) -> Value {
    return NVVM::ReduxOp::create(b, i32, x, how, number(-1));
  };
  // One choice for each batch. Their rounds run side by side, so that the
  // warp's reductions for one hide those for another.
  struct Batch {
    unsigned first; ///< register of the first candidate
    Values alive;   ///< first words
    Value limit, threshold;
    unsigned carried; ///< place of the first word among carried values
    unsigned counted; ///< place of the count, then the sum, whether it is open
  };
  SmallVector<Batch> all;
  Values carried;
  for (int64_t batch = 0; batch < batches; ++batch) {
    Batch &here = all.emplace_back();
    here.first = batch * n / kLanes;
    unsigned last = (batch * n + n + kLanes - 1) / kLanes;
    for (unsigned r = here.first; r < last; ++r) {
      Value word = words[0][r];
      bool whole = int64_t(r) * kLanes >= batch * n &&
                   std::min(int64_t(r + 1) * kLanes, total) <= batch * n + n;
      if (!whole) {
        Value offset = arith::SubIOp::create(b, place[r], number(batch * n));
        Value inside = arith::CmpIOp::create(b, arith::CmpIPredicate::ult,
                                             offset, number(n));
        word = arith::SelectOp::create(b, inside, word, number(0));
      }
      here.alive.push_back(word);
    }
    auto batchOf = [&](Value v) {
      return row(v).uniform ? row(v).own[0] : broadcast(row(v), batch);
    };
    if (op.getCount())
      here.limit = batchOf(op.getCount());
    if (op.getValues())
      here.threshold = batchOf(op.getThreshold());
    here.carried = carried.size();
    llvm::append_range(carried, here.alive);
  }
  unsigned firstResult = carried.size();
  llvm::append_range(carried, results);
  for (Batch &here : all) {
    here.counted = carried.size();
    carried.push_back(number(0));
    if (here.threshold) {
      carried.push_back(constant(b.getF32Type(), 0));
      carried.push_back(truth(true));
    }
  }

  auto loop = scf::ForOp::create(b, number(0), number(k), number(1), carried);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    Values now(loop.getRegionIterArgs()), next = now;
    Value round = loop.getInductionVar();
    for (auto [batch, here] : llvm::enumerate(all)) {
      unsigned width = here.alive.size();
      auto word = [&](unsigned r) { return now[here.carried + r]; };
      Value best = word(0);
      for (unsigned r = 1; r < width; ++r)
        best = largest(best, word(r));
      best = reduce(best, NVVM::ReduxKind::UMAX);
      Value keep =
          arith::CmpIOp::create(b, arith::CmpIPredicate::ne, best, number(0));
      Values top;
      for (unsigned r = 0; r < width; ++r)
        top.push_back(
            arith::CmpIOp::create(b, arith::CmpIPredicate::eq, word(r), best));
      for (const Values &further : llvm::drop_begin(words)) {
        Value most;
        for (unsigned r = 0; r < width; ++r) {
          Value mine = arith::SelectOp::create(
              b, top[r], further[here.first + r], number(0));
          most = most ? largest(most, mine) : mine;
        }
        most = reduce(most, NVVM::ReduxKind::UMAX);
        for (unsigned r = 0; r < width; ++r)
          top[r] = arith::AndIOp::create(
              b, top[r],
              arith::CmpIOp::create(b, arith::CmpIPredicate::eq,
                                    further[here.first + r], most));
      }
      Value winner;
      for (unsigned r = width; r-- > 0;)
        winner = arith::SelectOp::create(b, top[r], place[here.first + r],
                                         winner ? winner : number(-1));
      winner = reduce(winner, NVVM::ReduxKind::UMIN);

      auto require = [&](Value condition) {
        keep = arith::AndIOp::create(b, keep, condition);
      };
      if (here.limit)
        require(arith::CmpIOp::create(b, arith::CmpIPredicate::slt, round,
                                      here.limit));
      if (here.threshold)
        require(now[here.counted + 2]);

      Values won;
      for (unsigned r = 0; r < width; ++r) {
        won.push_back(arith::CmpIOp::create(b, arith::CmpIPredicate::eq,
                                            place[here.first + r], winner));
        next[here.carried + r] =
            arith::SelectOp::create(b, won[r], number(0), word(r));
      }
      Value inBatch = winner, slot = round;
      if (batch) {
        inBatch = arith::SubIOp::create(b, winner, number(batch * n));
        slot = arith::AddIOp::create(b, round, number(batch * k));
      }
      for (auto [r, at] : llvm::enumerate(slotPlace)) {
        Value mine =
            slots == 1
                ? truth(true)
                : arith::CmpIOp::create(b, arith::CmpIPredicate::eq, at, slot)
                      .getResult();
        mine = arith::AndIOp::create(b, mine, keep);
        Value &result = next[firstResult + r];
        result = arith::SelectOp::create(b, mine, inBatch, result);
      }
      next[here.counted] = arith::AddIOp::create(
          b, now[here.counted], arith::ExtUIOp::create(b, i32, keep));
      if (here.threshold) {
        Value value = constant(b.getF32Type(), 0);
        for (unsigned r = 0; r < width; ++r)
          value = arith::SelectOp::create(
              b, won[r], ownOf(op.getValues(), here.first + r), value);
        Value owner = arith::AndIOp::create(b, winner, number(kLanes - 1));
        value = shuffle(value, owner, gpu::ShuffleMode::IDX);
        Value sum = arith::AddFOp::create(b, now[here.counted + 1], value);
        Value enough = arith::CmpFOp::create(b, arith::CmpFPredicate::OGE, sum,
                                             here.threshold);
        next[here.counted + 1] = sum;
        next[here.counted + 2] = arith::AndIOp::create(
            b, now[here.counted + 2],
            arith::XOrIOp::create(b, enough, truth(true)));
      }
    }
    scf::YieldOp::create(b, next);
  }
  for (unsigned r = 0; r < results.size(); ++r)
    results[r] = loop.getResult(firstResult + r);
  for (auto [batch, here] : llvm::enumerate(all)) {
    Value count = loop.getResult(here.counted);
    if (batches == 1) {
      counts[0] = count;
      continue;
    }
    int64_t r = batch / kLanes;
    Value mine = arith::CmpIOp::create(b, arith::CmpIPredicate::eq,
                                       numberOf(batches, r), number(batch));
    counts[r] = arith::SelectOp::create(b, mine, count, counts[r]);
  }
  indices.own = results;
  chosen.own = counts;
  define(op.getIndices(), indices);
  define(op.getChosen(), chosen);
  return success();
}

} // namespace route::row
