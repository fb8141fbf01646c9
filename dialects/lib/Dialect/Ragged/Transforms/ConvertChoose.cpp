// Lowers choose: each item's rows are a heap with the worst on top.
// Candidates pass by, and when all have, the heap is sorted.
#include "Emit.h"
#include "route/Dialect/Ragged/IR/Ragged.h"

using namespace mlir;

namespace route::ragged {
namespace {

/// The choice of one item, being emitted.
class ItemChoice {
public:
  ItemChoice(Emit &e, ChooseOp op, ValueRange operands)
      : e(e), op(op), candidates(operands[0]) {
    unsigned next = 1;
    for (unsigned i = 0, n = op.getMaps().size(); i < n; ++i)
      mapped.push_back(operands[next++]);
    indices = operands[next++];
    counts = operands[next];
  }

  void emit(Value item);

private:
  /// Operand `i` for the item at hand and, where it depends on it, `candidate`.
  Value read(unsigned i, Value candidate) {
    AffineMap map = cast<AffineMapAttr>(op.getMaps()[i]).getValue();
    SmallVector<Value> at;
    for (unsigned r = 0; r < map.getNumResults(); ++r) {
      unsigned dim = map.getDimPosition(r);
      at.push_back(dim < place.size() ? place[dim] : candidate);
    }
    return e.load(mapped[i], at);
  }
  SmallVector<Value> keysOf(Value candidate) {
    SmallVector<Value> keys;
    for (unsigned k = 0; k < op.getKeys().size(); ++k)
      keys.push_back(orderedKey(read(k, candidate), op.getUp()[k]));
    return keys;
  }
  Value orderedKey(Value x, bool up);
  /// Whether candidate `a` ranks before candidate `b`, given its keys.
  Value before(Value a, ValueRange keysOfA, Value b);
  Value before(Value a, Value b) { return before(a, keysOf(a), b); }

  Value i64(int64_t value) {
    return arith::ConstantIntOp::create(e.b, e.loc, value, 64);
  }
  Value truth(bool value) {
    return arith::ConstantIntOp::create(e.b, e.loc, value, 1);
  }
  SmallVector<Value> placeOf(Value rank) {
    SmallVector<Value> full(place);
    full.push_back(rank);
    return full;
  }
  Value slot(Value rank) { return e.toIndex(e.load(indices, placeOf(rank))); }
  void setSlot(Value rank, Value candidate) {
    e.store(e.toI32(candidate), indices, placeOf(rank));
  }
  using Values = SmallVector<Value>;
  Values either(Value condition, TypeRange types,
                llvm::function_ref<Values()> then,
                llvm::function_ref<Values()> otherwise);
  /// Moves a hole from `start` while `next` says that it moves on, and where
  /// to; puts `candidate` in it.
  void sift(Value start, Value candidate,
            llvm::function_ref<Values(Value, ValueRange)> next);
  /// Puts `candidate` at rank `at` of the heap or above.
  void siftUp(Value at, Value candidate);
  /// Puts `candidate` on top of the heap of `size` or below.
  void siftDown(Value size, Value candidate);

  Emit &e;
  ChooseOp op;
  SmallVector<Value> mapped, place;
  Value candidates, indices, counts;
};

} // namespace

/// A signed i64 whose order is that of route::num::key: high first unless `up`.
Value ItemChoice::orderedKey(Value x, bool up) {
  OpBuilder &b = e.b;
  Type type = x.getType();
  Value key;
  if (isa<IntegerType>(type)) {
    key = type.isInteger(64) ? x
          : type.isInteger(1)
              ? Value(arith::ExtUIOp::create(b, e.loc, b.getI64Type(), x))
              : Value(arith::ExtSIOp::create(b, e.loc, b.getI64Type(), x));
    return up ? Value(arith::XOrIOp::create(b, e.loc, key, i64(-1))) : key;
  }
  if (!type.isF64())
    x = arith::ExtFOp::create(b, e.loc, b.getF64Type(), x);
  Value merged =
      arith::AddFOp::create(b, e.loc, x, e.zero(b.getF64Type())); // -0 to +0
  Value bits = arith::BitcastOp::create(b, e.loc, b.getI64Type(), merged);
  Value sign = arith::ShRSIOp::create(b, e.loc, bits, i64(63));
  key = arith::XOrIOp::create(
      b, e.loc, bits, arith::AndIOp::create(b, e.loc, sign, i64(INT64_MAX)));
  if (up)
    key = arith::XOrIOp::create(b, e.loc, key, i64(-1));
  Value nan = arith::CmpFOp::create(b, e.loc, arith::CmpFPredicate::UNO, x, x);
  return e.select(nan, i64(INT64_MIN), key);
}

Value ItemChoice::before(Value a, ValueRange keysOfA, Value b) {
  Value result = e.cmp(arith::CmpIPredicate::ult, a, b);
  SmallVector<Value> others = keysOf(b);
  for (unsigned k = others.size(); k-- > 0;) {
    Value more = e.cmp(arith::CmpIPredicate::sgt, keysOfA[k], others[k]);
    Value same = e.cmp(arith::CmpIPredicate::eq, keysOfA[k], others[k]);
    result = arith::OrIOp::create(e.b, e.loc, more, e.both(same, result));
  }
  return result;
}

ItemChoice::Values ItemChoice::either(Value condition, TypeRange types,
                                      llvm::function_ref<Values()> then,
                                      llvm::function_ref<Values()> otherwise) {
  auto branch = scf::IfOp::create(e.b, e.loc, types, condition, true);
  OpBuilder::InsertionGuard guard(e.b);
  e.b.setInsertionPointToStart(branch.thenBlock());
  Values made = then();
  scf::YieldOp::create(e.b, e.loc, made);
  e.b.setInsertionPointToStart(branch.elseBlock());
  made = otherwise();
  scf::YieldOp::create(e.b, e.loc, made);
  return llvm::to_vector(ValueRange(branch.getResults()));
}

void ItemChoice::sift(Value start, Value candidate,
                      llvm::function_ref<Values(Value, ValueRange)> next) {
  Type index = e.b.getIndexType();
  Values keys = keysOf(candidate);
  auto loop = scf::WhileOp::create(e.b, e.loc, TypeRange(index), start);
  {
    OpBuilder::InsertionGuard guard(e.b);
    Block *before = e.b.createBlock(&loop.getBefore(), {}, index, e.loc);
    Values made = next(before->getArgument(0), keys);
    scf::ConditionOp::create(e.b, e.loc, made[0], made[1]);
    Block *after = e.b.createBlock(&loop.getAfter(), {}, index, e.loc);
    scf::YieldOp::create(e.b, e.loc, after->getArgument(0));
  }
  setSlot(loop.getResult(0), candidate);
}

void ItemChoice::siftUp(Value at, Value candidate) {
  SmallVector<Type> types = {e.b.getI1Type(), e.b.getIndexType()};
  sift(at, candidate, [&](Value hole, ValueRange keys) -> Values {
    return either(
        e.cmp(arith::CmpIPredicate::ugt, hole, e.index(0)), types,
        [&]() -> Values {
          Value above = e.div(e.sub(hole, e.index(1)), 2);
          Value other = slot(above);
          return either(
              before(candidate, keys, other), types,
              [&]() -> Values { return {truth(false), hole}; },
              [&]() -> Values {
                setSlot(hole, other); // a better one sinks
                return {truth(true), above};
              });
        },
        [&]() -> Values { return {truth(false), hole}; });
  });
}

void ItemChoice::siftDown(Value size, Value candidate) {
  SmallVector<Type> types = {e.b.getI1Type(), e.b.getIndexType()};
  sift(e.index(0), candidate, [&](Value hole, ValueRange keys) -> Values {
    Value left = e.add(e.mul(hole, 2), 1);
    return either(
        e.cmp(arith::CmpIPredicate::ult, left, size), types,
        [&]() -> Values {
          // The worse of the two below.
          Value right = e.add(left, 1);
          Value child = either(
              e.cmp(arith::CmpIPredicate::ult, right, size), e.b.getIndexType(),
              [&]() -> Values {
                return {e.select(before(slot(left), slot(right)), right, left)};
              },
              [&]() -> Values { return {left}; })[0];
          Value other = slot(child);
          return either(
              before(candidate, keys, other), types,
              [&]() -> Values {
                setSlot(hole, other);
                return {truth(true), child};
              },
              [&]() -> Values { return {truth(false), hole}; });
        },
        [&]() -> Values { return {truth(false), hole}; });
  });
}

void ItemChoice::emit(Value item) {
  unsigned items = cast<MemRefType>(indices.getType()).getRank() - 1;
  place.assign(items, Value());
  for (unsigned i = items; i-- > 0;) {
    if (i == 0) {
      place[i] = item;
      break;
    }
    Value extent = e.dim(indices, i);
    place[i] = arith::RemUIOp::create(e.b, e.loc, item, extent);
    item = arith::DivUIOp::create(e.b, e.loc, item, extent);
  }
  Value zero = e.index(0), capacity = e.dim(indices, items), rows = capacity;
  Value begin = zero, end = candidates;
  unsigned next = op.getKeys().size() + op.getMasks().size();
  if (!op.getRange().empty()) {
    begin = e.toIndex(read(next++, {}));
    end = e.toIndex(read(next++, {}));
  }
  if (op.getLimit()) {
    Value limit =
        arith::MaxSIOp::create(e.b, e.loc, e.toIndex(read(next, {})), zero);
    rows = arith::MinSIOp::create(e.b, e.loc, limit, rows);
  }
  // Nothing is looked at for an item without room.
  end = e.select(e.cmp(arith::CmpIPredicate::eq, rows, zero), begin, end);
  Value size =
      e.loop(begin, end, 1, zero,
             [&](Value candidate, ValueRange kept) -> SmallVector<Value> {
               Value allowed = truth(true), count = kept[0];
               for (unsigned m = 0; m < op.getMasks().size(); ++m)
                 allowed =
                     e.both(allowed, read(op.getKeys().size() + m, candidate));
               Type index = e.b.getIndexType();
               return either(
                   allowed, index,
                   [&] {
                     return either(
                         e.cmp(arith::CmpIPredicate::ult, count, rows), index,
                         [&]() -> Values {
                           siftUp(count, candidate);
                           return {e.add(count, 1)};
                         },
                         [&]() -> Values {
                           e.when(before(candidate, slot(zero)),
                                  [&] { siftDown(count, candidate); });
                           return {count};
                         });
                   },
                   [&]() -> Values { return {count}; });
             })[0];
  // The worst goes from the top to the end, again and again.
  e.loop(e.index(1), size, 1, [&](Value done) {
    Value last = e.sub(size, done);
    Value worst = slot(zero), moved = slot(last);
    setSlot(last, worst);
    siftDown(last, moved);
  });
  e.loop(size, capacity, 1,
         [&](Value rank) { e.store(e.i32(-1), indices, placeOf(rank)); });
  e.store(e.toI32(size), counts, place);
}

void emitChoice(Emit &e, ChooseOp op, ValueRange operands, Value item) {
  ItemChoice(e, op, operands).emit(item);
}

LogicalResult convert(ChooseOp op, RewriterBase &rewriter) {
  Emit at(rewriter, op.getLoc());
  Value items = at.index(1);
  auto type = cast<MemRefType>(op.getIndices().getType());
  for (int64_t i = 0; i + 1 < type.getRank(); ++i)
    items = at.mul(items, at.dim(op.getIndices(), i));
  outlineWork(rewriter, op, items, [&](Emit &e, WorkBody work) {
    e.loop(work.begin, work.end, 1,
           [&](Value item) { emitChoice(e, op, work.operands, item); });
  });
  return success();
}

} // namespace route::ragged
