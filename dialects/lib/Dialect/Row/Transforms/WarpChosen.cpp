// What is done with the chosen, in the lanes of a warp.
#include "WarpEmitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace route::row {

/// Loops up to this many steps are written out.
static constexpr int64_t kUnrolled = 32;

Value WarpEmitter::butterfly(Value x,
                             llvm::function_ref<Value(Value, Value)> join) {
  for (int32_t s = lanes / 2; s; s /= 2)
    x = join(x, shuffle(x, number(s), gpu::ShuffleMode::XOR));
  // Lanes have their operands in different orders, of which a sum of two f64
  // that are no numbers shows the first: all take what one of them has.
  if (x.getType().isF64() && lanes > 1)
    x = shuffle(x, number(0), gpu::ShuffleMode::IDX);
  return x;
}

LogicalResult WarpEmitter::emitTake(TakeOp op) {
  WarpValue &values = row(op.getValues()), &indices = row(op.getIndices());
  load(indices);
  // A lane has at most one element of a short row: a shuffle brings it.
  bool shuffles = !values.uniform && !values.memory &&
                  values.type.getRank() == 1 && values.own.size() == 1;
  if (values.uniform)
    load(values);
  if (!shuffles)
    share(values);
  WarpValue result = make(op.getResult().getType());
  // One index for all rows of a table takes another element from each.
  result.uniform |=
      indices.uniform && (values.uniform || values.type.getRank() == 1);
  int64_t n = result.type.getNumElements();
  for (int64_t r = 0; r < (result.uniform ? 1 : registersOf(n)); ++r) {
    Value i = indices.own[indices.uniform ? 0 : r];
    Value present =
        arith::CmpIOp::create(b, arith::CmpIPredicate::sge, i, number(0));
    Value safe = arith::SelectOp::create(b, present, i, number(0));
    if (shuffles) {
      result.own.push_back(arith::SelectOp::create(
          b, present, shuffle(values.own[0], safe, gpu::ShuffleMode::IDX),
          constant(result.type.getElementType(), 0)));
      continue;
    }
    Value from = arith::IndexCastOp::create(b, b.getIndexType(), safe);
    Values place;
    if (values.type.getRank() > 1)
      place = delinearize(element(n, r), result.type.getShape());
    else
      place.resize(1);
    place.back() = from;
    result.own.push_back(
        arith::SelectOp::create(b, present, at(values, place),
                                constant(result.type.getElementType(), 0)));
  }
  define(op.getResult(), result);
  return success();
}

LogicalResult WarpEmitter::emitContains(ContainsOp op) {
  WarpValue &indices = row(op.getIndices());
  load(indices);
  WarpValue result = make(op.getResult().getType());
  int64_t n = result.type.getNumElements();
  int64_t k = indices.type.getShape().back();
  bool single = indices.type.getNumElements() == k && k <= kUnrolled;
  if (!single)
    share(indices);
  Values known;
  for (int64_t j = 0; single && j < k; ++j)
    known.push_back(broadcast(indices, j));
  for (int64_t r = 0; r < (result.uniform ? 1 : registersOf(n)); ++r) {
    Values place = delinearize(result.uniform ? index(0) : element(n, r),
                               result.type.getShape());
    Value e = arith::IndexCastOp::create(b, b.getI32Type(), place.back());
    auto matches = [&](Value found, Value i) -> Value {
      return arith::OrIOp::create(
          b, found, arith::CmpIOp::create(b, arith::CmpIPredicate::eq, i, e));
    };
    Value found = truth(false);
    if (single) {
      for (Value i : known)
        found = matches(found, i);
    } else {
      auto loop = scf::ForOp::create(b, index(0), index(k), index(1), found);
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(loop.getBody());
      place.back() = loop.getInductionVar();
      scf::YieldOp::create(
          b, matches(loop.getRegionIterArgs()[0], at(indices, place)));
      found = loop.getResult(0);
    }
    result.own.push_back(found);
  }
  define(op.getResult(), result);
  return success();
}

LogicalResult WarpEmitter::emitTally(TallyOp op) {
  WarpValue &indices = row(op.getIndices());
  load(indices);
  share(indices);
  WarpValue result = make(op.getResult().getType());
  int64_t n = result.type.getNumElements();
  int64_t slots = indices.type.getNumElements();
  for (int64_t r = 0; r < (result.uniform ? 1 : registersOf(n)); ++r) {
    Value e = arith::IndexCastOp::create(
        b, b.getI32Type(), result.uniform ? index(0) : element(n, r));
    auto loop =
        scf::ForOp::create(b, index(0), index(slots), index(1), number(0));
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    Value i = at(indices,
                 delinearize(loop.getInductionVar(), indices.type.getShape()));
    Value same = arith::ExtUIOp::create(
        b, b.getI32Type(),
        arith::CmpIOp::create(b, arith::CmpIPredicate::eq, i, e));
    scf::YieldOp::create(
        b, arith::AddIOp::create(b, loop.getRegionIterArgs()[0], same)
               .getResult());
    result.own.push_back(loop.getResult(0));
  }
  define(op.getResult(), result);
  return success();
}

static Value addTo(ImplicitLocOpBuilder &b, Value x, Value y) {
  return arith::AddFOp::create(b, x, y);
}

void WarpEmitter::sumInSequence(WarpValue &values, WarpValue &result) {
  int64_t n = values.type.getShape().back();
  int64_t batches = result.type.getNumElements();
  Type number = values.type.getElementType();
  if (batches == 1 && n <= kUnrolled) {
    Value sum = constant(number, 0);
    for (int64_t i = 0; i < n; ++i)
      sum = addTo(b, sum, broadcast(values, i));
    result.own.push_back(sum);
    return;
  }
  share(values);
  for (int64_t r = 0; r < (result.uniform ? 1 : registersOf(batches)); ++r) {
    Values place = delinearize(result.uniform ? index(0) : element(batches, r),
                               result.type.getShape());
    auto loop = scf::ForOp::create(b, index(0), index(n), index(1),
                                   constant(number, 0));
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    place.push_back(loop.getInductionVar());
    scf::YieldOp::create(
        b, addTo(b, loop.getRegionIterArgs()[0], at(values, place)));
    result.own.push_back(loop.getResult(0));
  }
}

/// Of a row the lane's partial, with all others': lane j holds partial j. `own`
/// gives the lane's element of each register.
Value WarpEmitter::sumOfLane(const WarpValue &values,
                             llvm::function_ref<Value(int64_t)> own) {
  int64_t n = values.type.getShape().back();
  Type number = values.type.getElementType();
  Value partial;
  for (int64_t m = 0; m < registersOf(n); ++m) {
    Value x = own(m);
    bool everyLane = (m + 1) * lanes <= n;
    if (!partial) {
      partial = everyLane ? x
                          : arith::SelectOp::create(b, owns(n, m), x,
                                                    constant(number, 0))
                                .getResult();
      continue;
    }
    Value sum = addTo(b, partial, x);
    partial =
        everyLane
            ? sum
            : arith::SelectOp::create(b, owns(n, m), sum, partial).getResult();
  }
  if (!partial)
    partial = constant(number, 0);
  // The partials of a whole warp's other lanes would be +0.
  if (lanes < kLanes)
    partial = addTo(b, partial, constant(number, 0));
  return butterfly(partial, [&](Value x, Value y) { return addTo(b, x, y); });
}

void WarpEmitter::sumInPartials(WarpValue &values, WarpValue &result) {
  int64_t n = values.type.getShape().back();
  int64_t batches = result.type.getNumElements();
  // Its own elements, where rows start at lane 0.
  bool aligned = batches == 1 || n % lanes == 0;
  if (!aligned)
    share(values);
  auto sumOf = [&](int64_t batch) {
    Value number = index(batch);
    return sumOfLane(values, [&](int64_t m) {
      if (values.uniform)
        return values.own[0];
      if (aligned)
        return values.own[batch * registersOf(n) + m];
      Values place = delinearize(number, result.type.getShape());
      place.push_back(element(n, m));
      return at(values, place);
    });
  };
  if (batches == 1) {
    result.own.push_back(sumOf(0));
    return;
  }
  Type number = values.type.getElementType();
  for (int64_t r = 0; r < registersOf(batches); ++r)
    result.own.push_back(constant(number, 0));
  for (int64_t batch = 0; batch < batches; ++batch) {
    Value sum = sumOf(batch);
    int64_t r = batch / lanes;
    Value mine = arith::CmpIOp::create(b, arith::CmpIPredicate::eq,
                                       element(batches, r), index(batch));
    result.own[r] = arith::SelectOp::create(b, mine, sum, result.own[r]);
  }
}

LogicalResult WarpEmitter::emitSum(SumOp op) {
  WarpValue &values = row(op.getValues());
  WarpValue result = make(op.getResult().getType());
  load(values);
  if (op.getOrder() == SumOrder::Sequential)
    sumInSequence(values, result);
  else
    sumInPartials(values, result);
  define(op.getResult(), result);
  return success();
}

} // namespace route::row
