// What is done with the chosen: values, membership, counts, ordered sums.
#include "Emitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "route/Notice.h"

using namespace mlir;

namespace route::row {

LogicalResult Emitter::emitTake(TakeOp op) {
  auto quotient = quotients.find(op.getValues());
  if (quotient != quotients.end()) {
    RowValue taken = quotient->second.taken;
    ++taken.scratch->users;
    define(op.getResult(), taken);
    return success();
  }
  RowValue values = row(op.getValues()), indices = row(op.getIndices());
  RowValue result =
      allocate(cast<RankedTensorType>(op.getResult().getType()), indices.sizes);
  forEach(indices.sizes, [&](ValueRange at) {
    store(result, at, gather(values, at.drop_back(), load(indices, at)));
  });
  define(op.getResult(), result);
  return success();
}

LogicalResult Emitter::emitContains(ContainsOp op) {
  RowValue indices = row(op.getIndices());
  auto type = cast<RankedTensorType>(op.getResult().getType());
  if (type.isDynamicDim(type.getRank() - 1))
    return notCovered(op, "membership among an unknown number of candidates");
  Values sizes(ArrayRef<Value>(indices.sizes).drop_back());
  Values batch = sizes;
  sizes.push_back(index(type.getShape().back()));
  RowValue result = allocate(type, sizes);
  Type i32 = b.getI32Type();
  int64_t k = indices.type.getShape().back();
  auto truth = [&](bool v) -> Value { return constant(b.getI1Type(), v); };
  // A few comparisons for each candidate, or a mark for each index.
  if (!ShapedType::isDynamic(k) && k * type.getShape().back() <= 256) {
    forEach(sizes, [&](ValueRange at) {
      Value e = inLanes(arith::IndexCastOp::create(b, i32, at.back()));
      Value found = truth(false);
      for (int64_t r = 0; r < k; ++r) {
        Values place(at.drop_back());
        place.push_back(index(r));
        found = arith::OrIOp::create(
            b, found,
            arith::CmpIOp::create(b, arith::CmpIPredicate::eq, e,
                                  load(indices, place)));
      }
      store(result, at, found);
    });
  } else {
    forEach(sizes, [&](ValueRange at) { store(result, at, truth(false)); });
    forEach(indices.sizes, [&](ValueRange at) {
      forLanes(index(lanes), [&](Value lane) {
        Value i = loadLane(indices, at, lane);
        Value zero = arith::ConstantOp::create(b, b.getI32IntegerAttr(0));
        Value present =
            arith::CmpIOp::create(b, arith::CmpIPredicate::sge, i, zero);
        auto mark = scf::IfOp::create(b, present, false);
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPointToStart(&mark.getThenRegion().front());
        Values place(at.drop_back());
        place.push_back(arith::IndexCastOp::create(b, b.getIndexType(), i));
        storeLane(result, place, lane,
                  arith::ConstantOp::create(b, b.getBoolAttr(true)));
      });
    });
  }
  define(op.getResult(), result);
  return success();
}

LogicalResult Emitter::emitTally(TallyOp op) {
  RowValue indices = row(op.getIndices());
  auto type = cast<RankedTensorType>(op.getResult().getType());
  if (!type.hasStaticShape())
    return notCovered(op, "counts of an unknown number of candidates");
  Value n = index(type.getShape().back());
  RowValue result = allocate(type, n);
  Type i32 = b.getI32Type();
  forEach(n, [&](ValueRange at) { store(result, at, constant(i32, 0)); });
  forEach(indices.sizes, [&](ValueRange at) {
    forLanes(index(lanes), [&](Value lane) {
      Value i = loadLane(indices, at, lane);
      Value zero = arith::ConstantOp::create(b, b.getI32IntegerAttr(0));
      Value present =
          arith::CmpIOp::create(b, arith::CmpIPredicate::sge, i, zero);
      auto count = scf::IfOp::create(b, present, false);
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(&count.getThenRegion().front());
      Value e = arith::IndexCastOp::create(b, b.getIndexType(), i);
      Value one = arith::ConstantOp::create(b, b.getI32IntegerAttr(1));
      storeLane(result, e, lane,
                arith::AddIOp::create(b, loadLane(result, e, lane), one));
    });
  });
  define(op.getResult(), result);
  return success();
}

LogicalResult Emitter::emitSum(SumOp op) {
  RowValue values = row(op.getValues());
  Values batch(ArrayRef<Value>(values.sizes).drop_back());
  RowValue result =
      allocate(cast<RankedTensorType>(op.getResult().getType()), batch);
  Type number = values.type.getElementType();
  Value n = values.sizes.back();
  int64_t staticN = values.type.getShape().back();
  auto add = [&](Value x, Value y) -> Value {
    return arith::AddFOp::create(b, x, y);
  };

  forEach(batch, [&](ValueRange at) {
    auto element = [&](Value i) {
      Values place(at);
      place.push_back(i);
      return load(values, place);
    };
    /// start + elements from, from + step, ... below n, in that order.
    auto chain = [&](Value start, Value from, int64_t step) -> Value {
      auto loop = scf::ForOp::create(b, from, n, index(step), start);
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(loop.getBody());
      scf::YieldOp::create(
          b, add(loop.getRegionIterArgs()[0], element(loop.getInductionVar())));
      return loop.getResult(0);
    };
    if (op.getOrder() == SumOrder::Sequential) {
      store(result, at, chain(constant(number, 0), index(0), 1));
      return;
    }
    auto partial = [&](int64_t j) -> Value {
      if (!ShapedType::isDynamic(staticN)) {
        if (j >= staticN)
          return constant(number, 0);
        Value p = element(index(j));
        if (staticN > 512)
          return chain(p, index(j + 32), 32);
        for (int64_t i = j + 32; i < staticN; i += 32)
          p = add(p, element(index(i)));
        return p;
      }
      Value has =
          arith::CmpIOp::create(b, arith::CmpIPredicate::ult, index(j), n);
      auto pick = scf::IfOp::create(b, laneType(number), has, true);
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(&pick.getThenRegion().front());
      scf::YieldOp::create(b, chain(element(index(j)), index(j + 32), 32));
      b.setInsertionPointToStart(&pick.getElseRegion().front());
      scf::YieldOp::create(b, constant(number, 0));
      return pick.getResult(0);
    };
    // The butterfly as a tree, depth first: few values live at once.
    std::function<Value(int64_t, int64_t)> tree = [&](int64_t j,
                                                      int64_t s) -> Value {
      if (s == 32)
        return partial(j);
      Value x = tree(j, 2 * s);
      return add(x, tree(j + s, 2 * s));
    };
    store(result, at, tree(0, 1));
  });
  define(op.getResult(), result);
  return success();
}

} // namespace route::row
