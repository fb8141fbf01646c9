// Choices row by row, where keys, an end or budgets hang on the rows so far.
// Without budgets the region is computed once a round for all items, and each
// that is not done takes its next row; with them item by item, since what one
// has taken is gone for the next, and on the values of that item.
#include "Lowering.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "route/Dialect/Route/IR/RowChoice.h"
#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/Support/SaveAndRestore.h"

using namespace mlir;
using namespace route;
using namespace route::lowering;

/// A truth over some of the items, given to all of them.
Value Lowering::overItems(Value route, const ChoiceSpace &space, Location loc) {
  Value tensor = get(route);
  if (!tensor)
    return {};
  SmallVector<Axis> dims = dimsOf(cast<ArrayType>(route.getType()));
  Value wide = giveDown(tensor, dims, space.batch, loc);
  return wide ? wide : gatherTo(tensor, dims, space.batch, loc);
}

/// The candidates of each item in order, as far as it may take them.
LogicalResult Lowering::makeOrder(ChooseOp op, Plan &rows,
                                  const ChoiceSpace &space, Value limits) {
  if (op.getKind() == ChoiceKind::listed) {
    if (failed(lowerListedColumns(op, rows)))
      return failure();
    rows = plans[rows.axis.getValue()];
    return success();
  }
  if (op.getUnder()) { // those without room are passed over
    rows.extent = {};
    rows.rank = 1;
    for (Axis dim : space.slots)
      rows.rank = ShapedType::isDynamic(rows.rank) ||
                          ShapedType::isDynamic(staticSize(dim))
                      ? ShapedType::kDynamic
                      : rows.rank * staticSize(dim);
    if (ShapedType::isDynamic(rows.rank))
      rows.extent = space.candidates;
    limits = {};
  }
  return makeColumnChoice(op, rows, space, op.getKeys(), op.getUp(), {},
                          limits);
}

/// Makes the rows of one choice, one by one.
class Lowering::RowByRow {
public:
  RowByRow(Lowering &l, ChooseOp op, Plan rows)
      : l(l), b(l.b), op(op), loc(op.getLoc()), rows(rows),
        space(l.choiceSpace(rows, loc)),
        until(op.getKind() == ChoiceKind::until), greedy(op.getGreedy()),
        asTheyLie(!greedy && op.getUnder() && op.getKeys().empty() &&
                  op.getKind() != ChoiceKind::listed) {}

  LogicalResult run();

private:
  /// What a choice is made of while it is made: the rows, how many, and, of
  /// greedy choices, which candidates are left, then what budgets reserved.
  enum { Indices, Counts, Left };

  LogicalResult prepare();
  LogicalResult computeRegion(ValueRange now,
                              llvm::function_ref<Value(ValueRange)> mayTake);
  Value hasRoom(ValueRange item, ValueRange now);
  SmallVector<Value> take(ValueRange item, Value turn, Value may,
                          ValueRange now);
  LogicalResult allAtOnce();
  LogicalResult itemByItem();
  bool standsAlone(Value value);
  bool itemsStandAlone();
  void narrowTo(ValueRange item);
  Value sliceOf(Value tensor, ArrayRef<Axis> dims);

  Value truth(bool value) {
    return arith::ConstantOp::create(b, loc, b.getBoolAttr(value));
  }
  Value number(int32_t value) {
    return arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(value));
  }
  Value filled(ArrayRef<OpFoldResult> shape, Value value) {
    return linalg::FillOp::create(
               b, loc, value,
               tensor::EmptyOp::create(b, loc, shape, value.getType())
                   .getResult())
        .getResult(0);
  }
  Value both(Value x, Value y) { return arith::AndIOp::create(b, loc, x, y); }
  Value negated(Value x) {
    return arith::XOrIOp::create(b, loc, x, truth(true));
  }
  Value less(Value x, Value y) {
    return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, x, y);
  }
  Value at(Value tensor, ValueRange place) {
    return tensor::ExtractOp::create(b, loc, tensor, place);
  }
  Value put(Value value, Value tensor, ValueRange place) {
    return tensor::InsertOp::create(b, loc, value, tensor, place);
  }
  Value asIndex(Value value) {
    return arith::IndexCastOp::create(b, loc, b.getIndexType(), value);
  }

  Lowering &l;
  OpBuilder &b;
  ChooseOp op;
  Location loc;
  Plan rows;
  ChoiceSpace space;
  bool until, greedy;
  /// The most rows of each item; null where only the capacity limits them.
  Value limits;
  Admission admission;
  /// The ops of the region that hang on the rows so far, and what it yields.
  SmallVector<Operation *> each;
  SmallVector<Value> yielded;
  /// The candidates in order; of greedy choices the best that is left.
  Plan order;
  /// Without keys candidates are asked as they lie: which an item has.
  bool asTheyLie;
  Relation candidates;
  /// For which items the end is reached.
  Value ended;
  /// The item on whose values the region is computed; all where this is empty.
  SmallVector<Value> atHand;
  SmallVector<Value> state;
  size_t reserved = 0; ///< where in the state those of budgets are
  Value zero, one, most;
};

LogicalResult Lowering::RowByRow::prepare() {
  l.setCapacity(op, rows, space);
  if (failed(l.itemLimits(op, space, limits)) ||
      failed(l.prepareAdmission(op, space, admission)))
    return failure();
  if (!op.getBody().empty()) {
    Block &region = op.getBody().front();
    llvm::append_range(yielded, region.getTerminator()->getOperands());
    // What does not hang on the rows is computed once.
    for (Operation &inner : region.without_terminator()) {
      if (llvm::any_of(inner.getResults(), [&](Value result) {
            return dependsOnPrefix(result, region);
          }))
        each.push_back(&inner);
      else if (failed(l.lower(&inner)))
        return failure();
    }
    // What it reserved would hang on how often it was computed.
    auto nested = op.getBody().walk([](ChooseOp inner) {
      return inner.getUnder() ? WalkResult::interrupt() : WalkResult::advance();
    });
    if (nested.wasInterrupted())
      return notCovered(op, "budgets within a key or an end");
  }
  order = rows;
  if (asTheyLie) {
    candidates = l.relate(rows, space, loc);
    if (op.getMask()) {
      Value tensor = l.get(op.getMask());
      std::optional<Mapped> mask;
      if (tensor)
        mask = l.overSpace(tensor,
                           l.dimsOf(cast<ArrayType>(op.getMask().getType())),
                           space, loc);
      if (!mask)
        return notCovered(op, "a mask over these axes");
      candidates.masks.push_back(*mask);
    }
  } else if (!greedy) {
    if (failed(l.makeOrder(op, order, space, limits)))
      return failure();
    if (op.getKind() == ChoiceKind::listed) {
      rows.rank = order.rank;
      rows.extent = order.extent;
    }
  }
  SmallVector<OpFoldResult> items = l.sizesOf(space.batch, loc), padded(items),
                            pairs(items);
  padded.push_back(l.capacity(rows));
  pairs.push_back(getAsOpFoldResult(space.candidates));
  state = {filled(padded, number(-1)), filled(items, number(0))};
  if (greedy)
    state.push_back(filled(pairs, truth(true)));
  reserved = state.size();
  llvm::append_range(state, admission.reserved);
  zero = l.constantIndex(0, loc);
  one = l.constantIndex(1, loc);
  most = getValueOrCreateConstantIndexOp(b, loc, l.capacity(rows));
  return success();
}

Value Lowering::RowByRow::hasRoom(ValueRange item, ValueRange now) {
  Value count = at(now[Counts], item), room = less(asIndex(count), most);
  return limits ? both(room, less(count, at(limits, item))) : room;
}

/// Computes the region on the rows so far: whose end is reached, and the best
/// candidate left of the items that may take one.
LogicalResult Lowering::RowByRow::computeRegion(
    ValueRange now, llvm::function_ref<Value(ValueRange)> mayTake) {
  Plan prefix = rows;
  prefix.indices = sliceOf(now[Indices], space.batch);
  prefix.counts = sliceOf(now[Counts], space.batch);
  llvm::SaveAndRestore narrow(l.single, atHand.empty() ? SmallVector<Axis>()
                                                       : space.batch);
  l.plans[rows.axis.getValue()] = prefix;
  for (Operation *inner : each)
    if (failed(l.lower(inner)))
      return failure();
  if (until && !(ended = l.overItems(yielded.front(), space, loc)))
    return failure();
  if (!greedy)
    return success();
  order = rows;
  order.rank = 1;
  order.extent = {};
  Value room = l.generate(
      l.sizesOf(space.batch, loc), b.getI32Type(), loc,
      [&](OpBuilder &inner, Location place, ValueRange here) -> Value {
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPoint(inner.getInsertionBlock(),
                            inner.getInsertionPoint());
        return arith::ExtUIOp::create(b, place, b.getI32Type(), mayTake(here));
      });
  Mapped left{sliceOf(now[Left], space.batch),
              b.getMultiDimIdentityMap(space.batch.size() + 1)};
  return l.makeColumnChoice(op, order, space,
                            ValueRange(yielded).drop_front(until ? 1 : 0),
                            op.getUp(), left, room);
}

/// The candidate of `item` in this turn, where there is one and the item `may`
/// take it, taken if budgets have room. The last value is whether there
/// may be more.
SmallVector<Value> Lowering::RowByRow::take(ValueRange item, Value turn,
                                            Value may, ValueRange now) {
  Value place = greedy ? zero : turn, there = may;
  SmallVector<Value> source(item);
  if (greedy && !atHand.empty())
    source.assign(item.size(), zero);
  if (!asTheyLie)
    there = both(may, less(place, asIndex(at(order.counts, source))));
  else if (Value allowed = l.isAllowed(b, loc, candidates, item, turn))
    there = both(may, allowed);
  SmallVector<Value> untouched(now);
  untouched.push_back(asTheyLie ? may : truth(false));
  return l.when(there, untouched, loc, [&]() -> SmallVector<Value> {
    source.push_back(place);
    Value candidate =
        asTheyLie
            ? Value(arith::IndexCastOp::create(b, loc, b.getI32Type(), turn))
            : at(order.indices, source);
    Value row = asIndex(candidate);
    SmallVector<Value> passed(now);
    passed.push_back(truth(true));
    if (greedy) {
      SmallVector<Value> pair(item);
      pair.push_back(row);
      passed[Left] = put(truth(false), now[Left], pair);
    }
    auto taken = [&]() -> SmallVector<Value> {
      SmallVector<Value> next(passed), slot(item);
      Value count = at(now[Counts], item);
      slot.push_back(asIndex(count));
      next[Indices] = put(candidate, now[Indices], slot);
      next[Counts] = put(arith::AddIOp::create(b, loc, count, number(1)),
                         now[Counts], item);
      return next;
    };
    if (admission.budgets.empty())
      return taken();
    SmallVector<Value> places, words;
    Value fits = l.admit(admission, item, row, now.drop_front(reserved), loc,
                         places, words);
    return l.when(fits, passed, loc, [&] {
      SmallVector<Value> next = taken();
      for (auto [i, word] : llvm::enumerate(words))
        next[reserved + i] = put(word, now[reserved + i], places[i / 2]);
      return next;
    });
  });
}

/// Without budgets: a round is one row for every item that is not done.
LogicalResult Lowering::RowByRow::allAtOnce() {
  LogicalResult result = success();
  // Besides: who is done and whether anybody took a row.
  size_t done = state.size();
  state.append(
      {filled(l.sizesOf(space.batch, loc), truth(false)), truth(true)});
  auto loop = scf::ForOp::create(b, loc, zero, most, one, state);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  ValueRange held = loop.getRegionIterArgs();
  SmallVector<Value> next =
      l.when(held.back(), held, loc, [&]() -> SmallVector<Value> {
        ValueRange now = held.take_front(done);
        auto mayTake = [&](ValueRange item, ValueRange now) -> Value {
          Value stop = at(now[done], item);
          if (until) { // the rows before the first are not asked about
            Value asked = arith::CmpIOp::create(
                b, loc, arith::CmpIPredicate::ne, loop.getInductionVar(), zero);
            stop = arith::OrIOp::create(b, loc, stop,
                                        both(asked, at(ended, item)));
          }
          return both(hasRoom(item, now), negated(stop));
        };
        if (failed(result = computeRegion(now, [&](ValueRange item) {
                     return mayTake(item, held);
                   })))
          return held;
        SmallVector<Value> start(now);
        start.append({held[done], truth(false)});
        return l.forEachPosition(
            space.batch, start, loc,
            [&](ValueRange item, ValueRange carried) -> SmallVector<Value> {
              Value may = mayTake(item, carried);
              SmallVector<Value> made = take(item, loop.getInductionVar(), may,
                                             carried.take_front(done));
              Value took = made.pop_back_val();
              made.append({put(negated(may), carried[done], item),
                           arith::OrIOp::create(b, loc, carried.back(), took)});
              return made;
            });
      });
  scf::YieldOp::create(b, loc, next);
  state = llvm::to_vector(ValueRange(loop.getResults()));
  return result;
}

/// Whether an array hangs on the item at hand alone: its other axes have
/// nothing to do with those of the items.
bool Lowering::RowByRow::standsAlone(Value value) {
  auto type = dyn_cast<ArrayType>(value.getType());
  return type && llvm::all_of(type.getAxes(), [&](Axis axis) {
           if (llvm::is_contained(space.batch, axis))
             return true;
           if (axis == rows.axis)
             return llvm::all_of(type.getAxes(), [&](Axis other) {
               return other == axis || llvm::is_contained(space.batch, other);
             });
           return l.kindOf(axis) != AxisKind::plan &&
                  llvm::none_of(space.batch, [&](Axis item) {
                    return l.descends(axis, item) || l.descends(item, axis) ||
                           l.sourceAxis(axis) == l.sourceAxis(item);
                  });
         });
}

/// Whether the region can be computed for one item: then time does not grow
/// with the square of their number.
bool Lowering::RowByRow::itemsStandAlone() {
  SmallVector<Value> read(yielded);
  if (op.getMask())
    read.push_back(op.getMask());
  for (Operation *inner : each) {
    if (!isa<UnaryOp, BinaryOp, CompareOp, SelectOp, CastOp, CoalesceOp,
             BroadcastOp, RenameOp, ReduceOp, IotaOp, RankOp, MemberOp>(inner))
      return false;
    llvm::append_range(read, inner->getResults());
    for (Value operand : inner->getOperands())
      if (!isa<PlanType>(operand.getType()))
        read.push_back(operand);
      else if (operand != op.getBody().getArgument(0))
        return false;
  }
  return !op.getSource() && !space.batch.empty() &&
         llvm::all_of(space.batch,
                      [&](Axis item) {
                        return l.kindOf(item) != AxisKind::plan &&
                               l.parentsOf(item).empty();
                      }) &&
         llvm::all_of(space.slots,
                      [&](Axis slot) {
                        return l.kindOf(slot) != AxisKind::plan &&
                               llvm::none_of(space.batch, [&](Axis item) {
                                 return l.descends(slot, item) ||
                                        l.descends(item, slot);
                               });
                      }) &&
         llvm::all_of(read, [&](Value value) { return standsAlone(value); });
}

/// `tensor`, whose first dimensions are `dims`, at the item at hand.
Value Lowering::RowByRow::sliceOf(Value tensor, ArrayRef<Axis> dims) {
  if (atHand.empty())
    return tensor;
  SmallVector<OpFoldResult> offsets,
      sizes = tensor::getMixedSizes(b, loc, tensor);
  for (unsigned i = 0; i < sizes.size(); ++i) {
    auto *item =
        i < dims.size() ? llvm::find(space.batch, dims[i]) : space.batch.end();
    if (item == space.batch.end()) {
      offsets.push_back(b.getIndexAttr(0));
      continue;
    }
    offsets.push_back(atHand[item - space.batch.begin()]);
    sizes[i] = b.getIndexAttr(1);
  }
  return tensor::ExtractSliceOp::create(
      b, loc, tensor, offsets, sizes,
      SmallVector<OpFoldResult>(sizes.size(), b.getIndexAttr(1)));
}

/// Makes `item` the one at hand: what the region reads is its part of it.
void Lowering::RowByRow::narrowTo(ValueRange item) {
  atHand = llvm::to_vector(item);
  SmallVector<Value> read(yielded);
  if (op.getMask())
    read.push_back(op.getMask());
  for (Operation *inner : each)
    llvm::append_range(read, inner->getOperands());
  llvm::SmallPtrSet<Value, 8> seen;
  for (Value value : read) {
    auto type = dyn_cast<ArrayType>(value.getType());
    if (type && seen.insert(value).second &&
        !dependsOnPrefix(value, op.getBody().front()))
      l.set(value, sliceOf(l.get(value), l.dimsOf(type)));
  }
}

/// Under budgets: what an item takes is gone for the next. A turn is a
/// candidate that is taken or passed over.
LogicalResult Lowering::RowByRow::itemByItem() {
  LogicalResult result = success();
  bool alone = !yielded.empty() && itemsStandAlone();
  Value turns =
      greedy || asTheyLie
          ? space.candidates
          : getValueOrCreateConstantIndexOp(b, loc, l.capacity(order));
  state = l.forEachPosition(
      space.batch, state, loc,
      [&](ValueRange item, ValueRange outer) -> SmallVector<Value> {
        if (alone)
          narrowTo(item);
        // Besides: whether the item may take more.
        SmallVector<Value> start(outer);
        start.push_back(truth(true));
        auto loop = scf::ForOp::create(b, loc, zero, turns, one, start);
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPointToStart(loop.getBody());
        ValueRange held = loop.getRegionIterArgs(), now = held.drop_back();
        SmallVector<Value> stopped(now);
        stopped.push_back(truth(false));
        auto isItem = [&](ValueRange here) {
          Value same = truth(true);
          if (alone)
            return same;
          for (auto [x, y] : llvm::zip(here, item))
            same = both(same, arith::CmpIOp::create(
                                  b, loc, arith::CmpIPredicate::eq, x, y));
          return same;
        };
        SmallVector<Value> next =
            l.when(both(held.back(), hasRoom(item, now)), stopped, loc,
                   [&]() -> SmallVector<Value> {
                     if (!yielded.empty() &&
                         failed(result = computeRegion(now, isItem)))
                       return stopped;
                     Value may = truth(true);
                     SmallVector<Value> own(item);
                     if (alone)
                       own.assign(item.size(), zero);
                     if (until) // the rows before the first are not asked about
                       may =
                           negated(both(less(number(0), at(now[Counts], item)),
                                        at(ended, own)));
                     return take(item, loop.getInductionVar(), may, now);
                   });
        scf::YieldOp::create(b, loc, next);
        return llvm::to_vector(ValueRange(loop.getResults()).drop_back());
      });
  return result;
}

LogicalResult Lowering::RowByRow::run() {
  if (failed(prepare()))
    return failure();
  auto savedValues = l.values;
  auto savedMatrices = l.matrices;
  llvm::StringMap<Grouping> savedGroupings = l.groupings;
  LogicalResult result = admission.budgets.empty() ? allAtOnce() : itemByItem();
  l.values = std::move(savedValues);
  l.matrices = std::move(savedMatrices);
  l.groupings = std::move(savedGroupings);
  if (failed(result))
    return failure();
  l.finishAdmission(admission, ValueRange(state).drop_front(reserved));
  rows.indices = state[Indices];
  rows.counts = state[Counts];
  l.plans[rows.axis.getValue()] = rows;
  return success();
}

LogicalResult Lowering::lowerRounds(ChooseOp op, Plan rows) {
  return RowByRow(*this, op, rows).run();
}
