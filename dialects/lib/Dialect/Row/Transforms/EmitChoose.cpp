// Choices: by networks where they fit, else by insertion item by item.
// Then the limits that count and until set.
#include "Emitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace route::row {

/// A signed i64 whose order is that of choice: high first unless `up`.
Value Emitter::orderedKey(Value x, bool up) {
  Type type = x.getType();
  auto i64 = b.getI64Type();
  auto number = [&](int64_t v) -> Value {
    return arith::ConstantOp::create(b, b.getI64IntegerAttr(v));
  };
  if (isa<IntegerType>(type)) {
    Value k = x;
    if (type.isInteger(1))
      k = arith::ExtUIOp::create(b, i64, x);
    else if (!type.isInteger(64))
      k = arith::ExtSIOp::create(b, i64, x);
    return up ? Value(arith::XOrIOp::create(b, k, number(-1))) : k;
  }
  if (!type.isF64())
    x = arith::ExtFOp::create(b, b.getF64Type(), x);
  // f32 orders as f64: the extension is exact and keeps NaN.
  Value zero = arith::ConstantOp::create(b, b.getF64FloatAttr(0.0));
  Value bits =
      arith::BitcastOp::create(b, i64, arith::AddFOp::create(b, x, zero));
  Value sign = arith::ShRSIOp::create(b, bits, number(63));
  Value flip = arith::AndIOp::create(b, sign, number(INT64_MAX));
  Value k = arith::XOrIOp::create(b, bits, flip);
  if (up)
    k = arith::XOrIOp::create(b, k, number(-1));
  Value nan = arith::CmpFOp::create(b, arith::CmpFPredicate::UNO, x, x);
  return arith::SelectOp::create(b, nan, number(INT64_MIN), k);
}

void Emitter::emitInsertion(ChooseOp op, const RowValue &indices,
                            const RowValue &chosen) {
  unsigned numKeys = op.getKeys().size();
  Value any = numKeys ? op.getKeys()[0] : Value(op.getMask());
  RowValue candidates = row(any);
  ValueRange batch = ValueRange(candidates.sizes).drop_back();
  Value n = candidates.sizes.back(), capacity = indices.sizes.back();
  Type i32 = b.getI32Type(), i64 = b.getI64Type();

  // The list of one item: its candidates' indices and keys, best first. It is
  // scalar memory, whatever the number of lanes.
  int64_t savedLanes = std::exchange(lanes, 1);
  auto listType = [&](Type element) {
    return RankedTensorType::get({indices.type.getShape().back()}, element);
  };
  RowValue slots = allocate(listType(i32), capacity);
  SmallVector<RowValue> kept;
  for (unsigned j = 0; j < numKeys; ++j)
    kept.push_back(allocate(listType(i64), capacity));
  lanes = savedLanes;
  auto readList = [&](const RowValue &list, Value at) -> Value {
    return memref::LoadOp::create(b, list.buffer, at);
  };
  auto writeList = [&](const RowValue &list, Value at, Value x) {
    memref::StoreOp::create(b, x, list.buffer, at);
  };
  Value zero = index(0), one = index(1);

  forEach(batch, [&](ValueRange at) {
    forLanes(index(lanes), [&](Value lane) {
      auto loop = scf::ForOp::create(b, zero, n, one, zero);
      {
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPointToStart(loop.getBody());
        Value e = loop.getInductionVar(), size = loop.getRegionIterArgs()[0];
        Values place(at);
        place.push_back(e);
        Value present =
            op.getMask()
                ? loadLane(row(op.getMask()), place, lane)
                : Value(arith::ConstantOp::create(b, b.getBoolAttr(true)));
        auto insert = scf::IfOp::create(b, b.getIndexType(), present, true);
        b.setInsertionPointToStart(&insert.getElseRegion().front());
        scf::YieldOp::create(b, size);
        b.setInsertionPointToStart(&insert.getThenRegion().front());
        Values keys;
        for (unsigned j = 0; j < numKeys; ++j)
          keys.push_back(orderedKey(loadLane(row(op.getKeys()[j]), place, lane),
                                    op.isUp(j)));

        // Walk up while the one above is worse, moving it down.
        auto walk = scf::WhileOp::create(b, b.getIndexType(), size);
        b.createBlock(&walk.getBefore(), {}, b.getIndexType(), b.getLoc());
        Value p = walk.getBefore().getArgument(0);
        Value inside =
            arith::CmpIOp::create(b, arith::CmpIPredicate::ugt, p, zero);
        auto better = scf::IfOp::create(b, b.getI1Type(), inside, true);
        {
          OpBuilder::InsertionGuard inner(b);
          b.setInsertionPointToStart(&better.getElseRegion().front());
          scf::YieldOp::create(
              b, Value(arith::ConstantOp::create(b, b.getBoolAttr(false))));
          b.setInsertionPointToStart(&better.getThenRegion().front());
          Value above = arith::SubIOp::create(b, p, one);
          Value greater = arith::ConstantOp::create(b, b.getBoolAttr(false));
          for (unsigned j = numKeys; j-- > 0;) {
            Value other = readList(kept[j], above);
            Value more = arith::CmpIOp::create(b, arith::CmpIPredicate::sgt,
                                               keys[j], other);
            Value same = arith::CmpIOp::create(b, arith::CmpIPredicate::eq,
                                               keys[j], other);
            greater = arith::OrIOp::create(
                b, more, arith::AndIOp::create(b, same, greater));
          }
          scf::YieldOp::create(b, greater);
        }
        scf::ConditionOp::create(b, better.getResult(0), p);
        b.createBlock(&walk.getAfter(), {}, b.getIndexType(), b.getLoc());
        Value q = walk.getAfter().getArgument(0);
        Value above = arith::SubIOp::create(b, q, one);
        Value room =
            arith::CmpIOp::create(b, arith::CmpIPredicate::ult, q, capacity);
        auto move = scf::IfOp::create(b, room, false);
        {
          OpBuilder::InsertionGuard inner(b);
          b.setInsertionPointToStart(&move.getThenRegion().front());
          writeList(slots, q, readList(slots, above));
          for (RowValue &list : kept)
            writeList(list, q, readList(list, above));
        }
        scf::YieldOp::create(b, above);
        b.setInsertionPointAfter(walk);
        Value found = walk.getResult(0);
        Value fits = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, found,
                                           capacity);
        auto put = scf::IfOp::create(b, fits, false);
        {
          OpBuilder::InsertionGuard inner(b);
          b.setInsertionPointToStart(&put.getThenRegion().front());
          writeList(slots, found, arith::IndexCastOp::create(b, i32, e));
          for (auto [list, key] : llvm::zip_equal(kept, keys))
            writeList(list, found, key);
        }
        Value grown = arith::MinUIOp::create(
            b, arith::AddIOp::create(b, size, one), capacity);
        scf::YieldOp::create(b, grown);
        b.setInsertionPointAfter(insert);
        scf::YieldOp::create(b, insert.getResult(0));
      }
      Value size = loop.getResult(0);
      forEach(capacity, [&](ValueRange r) {
        Values place(at);
        place.push_back(r[0]);
        Value present =
            arith::CmpIOp::create(b, arith::CmpIPredicate::ult, r[0], size);
        auto pick = scf::IfOp::create(b, i32, present, true);
        {
          OpBuilder::InsertionGuard inner(b);
          b.setInsertionPointToStart(&pick.getThenRegion().front());
          scf::YieldOp::create(b, readList(slots, r[0]));
          b.setInsertionPointToStart(&pick.getElseRegion().front());
          scf::YieldOp::create(b, Value(arith::ConstantOp::create(
                                      b, b.getI32IntegerAttr(kAbsent))));
        }
        storeLane(indices, place, lane, pick.getResult(0));
      });
      storeLane(chosen, at, lane, arith::IndexCastOp::create(b, i32, size));
    });
  });
  release(slots.scratch);
  for (RowValue &list : kept)
    release(list.scratch);
}

void Emitter::limitChoice(ChooseOp op, const RowValue &indices,
                          const RowValue &chosen) {
  ValueRange batch = ValueRange(indices.sizes).drop_back();
  Type i32 = b.getI32Type(), f32 = b.getF32Type();
  auto perBatch = [&](const RowValue &v, ValueRange at) {
    return load(v, v.type.getRank() ? at : ValueRange());
  };
  forEach(batch, [&](ValueRange at) {
    Value n = load(chosen, at);
    if (op.getCount()) {
      Value limit = perBatch(row(op.getCount()), at);
      limit = arith::MaxSIOp::create(b, limit, constant(i32, 0));
      n = arith::MinSIOp::create(b, n, limit);
    }
    if (op.getValues()) {
      Value goal = perBatch(row(op.getThreshold()), at);
      Value open = arith::ConstantOp::create(
          b, lanes == 1 ? TypedAttr(b.getBoolAttr(true))
                        : TypedAttr(DenseElementsAttr::get(
                              VectorType::get({lanes}, b.getI1Type()), true)));
      auto loop = scf::ForOp::create(
          b, index(0), indices.sizes.back(), index(1),
          ValueRange{constant(f32, 0), constant(i32, 0), open});
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(loop.getBody());
      Value sum = loop.getRegionIterArgs()[0],
            kept = loop.getRegionIterArgs()[1];
      open = loop.getRegionIterArgs()[2];
      Value r = loop.getInductionVar();
      Value rank = inLanes(arith::IndexCastOp::create(b, i32, r));
      Value present =
          arith::CmpIOp::create(b, arith::CmpIPredicate::slt, rank, n);
      open = arith::AndIOp::create(b, open, present);
      Values place(at);
      place.push_back(r);
      Value x = gather(row(op.getValues()), at, load(indices, place));
      sum = arith::SelectOp::create(b, open, arith::AddFOp::create(b, sum, x),
                                    sum);
      kept = arith::AddIOp::create(
          b, kept, arith::ExtUIOp::create(b, laneType(i32), open));
      // Stays open while the sum is below the goal, or NaN.
      Value below =
          arith::CmpFOp::create(b, arith::CmpFPredicate::ULT, sum, goal);
      open = arith::AndIOp::create(b, open, below);
      scf::YieldOp::create(b, ValueRange{sum, kept, open});
      n = loop.getResult(1);
    }
    store(chosen, at, n);
    forEach(indices.sizes.back(), [&](ValueRange r) {
      Values place(at);
      place.push_back(r[0]);
      Value rank = inLanes(arith::IndexCastOp::create(b, i32, r[0]));
      Value present =
          arith::CmpIOp::create(b, arith::CmpIPredicate::slt, rank, n);
      store(indices, place,
            arith::SelectOp::create(b, present, load(indices, place),
                                    constant(i32, kAbsent)));
    });
  });
}

LogicalResult Emitter::emitChoose(ChooseOp op) {
  auto indexType = cast<RankedTensorType>(op.getIndices().getType());
  auto chosenType = cast<RankedTensorType>(op.getChosen().getType());
  Value any = op.getKeys().empty() ? Value(op.getMask()) : op.getKeys()[0];
  Values sizes;
  for (unsigned i = 0; i < cast<RankedTensorType>(any.getType()).getRank(); ++i)
    sizes.push_back(sizeOf(any, i));
  Values batch(ArrayRef<Value>(sizes).drop_back());
  if (!indexType.isDynamicDim(indexType.getRank() - 1))
    sizes.back() = index(indexType.getShape().back());
  RowValue indices = allocate(indexType, sizes);
  RowValue chosen = allocate(chosenType, batch);
  auto quotient =
      op.getKeys().empty() ? quotients.end() : quotients.find(op.getKeys()[0]);
  if (quotient != quotients.end())
    emitQuotientChoice(op, quotient->second, indices, chosen);
  else if (fitsNetwork(op))
    emitNetwork(op, indices, chosen);
  else
    emitInsertion(op, indices, chosen);
  if (op.getCount() || op.getValues())
    limitChoice(op, indices, chosen);
  define(op.getIndices(), indices);
  define(op.getChosen(), chosen);
  return success();
}

} // namespace route::row
