// Choices of a path, item by item: ways grow row by row until none gets better.
// Ties go to fewer rows, then to lower ones.
#include "Lowering.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace route;
using namespace route::lowering;

namespace {
/// The best ways found so far, by the node they lead to: their costs, how many
/// rows they have (-1: none is known), and the rows.
struct Ways {
  Value costs, lengths, rows;
  SmallVector<Value> all() const { return {costs, lengths, rows}; }
  static Ways of(ValueRange values) {
    return {values[0], values[1], values[2]};
  }
};

/// Integer arithmetic and single elements, made where `b` stands.
struct IntOps {
  OpBuilder &b;
  Location loc;

  Value number(int32_t value) const {
    return arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(value));
  }
  Value truth(bool value) const {
    return arith::ConstantOp::create(b, loc, b.getBoolAttr(value));
  }
  Value both(Value x, Value y) const {
    return arith::AndIOp::create(b, loc, x, y);
  }
  Value either(Value x, Value y) const {
    return arith::OrIOp::create(b, loc, x, y);
  }
  Value compare(arith::CmpIPredicate predicate, Value x, Value y) const {
    return arith::CmpIOp::create(b, loc, predicate, x, y);
  }
  Value select(Value condition, Value x, Value y) const {
    return arith::SelectOp::create(b, loc, condition, x, y);
  }
  Value toIndex(Value x) const {
    return arith::IndexCastOp::create(b, loc, b.getIndexType(), x);
  }
  Value extract(Value tensor, ValueRange at) const {
    return tensor::ExtractOp::create(b, loc, tensor, at);
  }
  Value insert(Value value, Value tensor, ValueRange at) const {
    return tensor::InsertOp::create(b, loc, value, tensor, at);
  }
};
} // namespace

LogicalResult Lowering::lowerPath(ChooseOp op, Plan rows) {
  Location loc = op.getLoc();
  auto nodes = dyn_cast<RefType>(
      cast<ArrayType>(op.getTable().front().getType()).getElementType());
  if (op.getTable().size() != 2 || !nodes)
    return notCovered(op, "a path over ends of this type");
  Axis node = nodes.getAxis();
  if (!sourceAxis(node) || !size(node, loc))
    return notCovered(op, "a path over nodes whose number is not known");
  ChoiceSpace space = choiceSpace(rows, loc);
  IntOps ops{b, loc};
  auto over = [&](Value route) -> std::optional<Mapped> {
    Value tensor = get(route);
    return tensor ? overSpace(tensor, dimsOf(cast<ArrayType>(route.getType())),
                              space, loc)
                  : std::nullopt;
  };
  // A way has no node twice, so it has fewer rows than there are nodes.
  Value count = sizeValue(node, loc), one = constantIndex(1, loc),
        zero = constantIndex(0, loc);
  Value longest = arith::MaxUIOp::create(
      b, loc, arith::SubIOp::create(b, loc, count, one), one);
  int64_t fixed = staticSize(node);
  rows.rank =
      ShapedType::isDynamic(fixed) ? fixed : std::max<int64_t>(fixed - 1, 1);
  rows.extent = ShapedType::isDynamic(fixed) ? longest : Value();

  SmallVector<Mapped> keys, ends, starts;
  auto add = [&](ValueRange routes, SmallVectorImpl<Mapped> &list) {
    for (Value route : routes) {
      std::optional<Mapped> mapped = over(route);
      if (!mapped)
        return false;
      list.push_back(*mapped);
    }
    return true;
  };
  if (!add(op.getKeys(), keys) || !add(op.getTable(), ends) ||
      !add(op.getEnds(), starts))
    return notCovered(op, "a path over these axes");
  Relation relation = relate(rows, space, loc);
  if (op.getMask()) {
    std::optional<Mapped> mask = over(op.getMask());
    if (!mask)
      return notCovered(op, "a mask over these axes");
    relation.masks.push_back(*mask);
  }
  SmallVector<OpFoldResult> items = sizesOf(space.batch, loc), padded(items);
  padded.push_back(capacity(rows));
  auto filled = [&](ArrayRef<OpFoldResult> shape, Value value) -> Value {
    return linalg::FillOp::create(
               b, loc, value,
               tensor::EmptyOp::create(b, loc, shape, value.getType())
                   .getResult())
        .getResult(0);
  };
  OpFoldResult nodeCount = size(node, loc), width = capacity(rows),
               keyCount = b.getIndexAttr(std::max<size_t>(keys.size(), 1));
  Value noCost = arith::ConstantOp::create(b, loc, b.getF64FloatAttr(0));
  SmallVector<Value> made = forEachPosition(
      space.batch,
      {filled(padded, ops.number(-1)), filled(items, ops.number(0))}, loc,
      [&](ValueRange at, ValueRange out) -> SmallVector<Value> {
        auto read = [&](const Mapped &mapped, Value candidate) -> Value {
          SmallVector<Value> where;
          for (unsigned i = 0; i < mapped.map.getNumResults(); ++i) {
            unsigned d = mapped.map.getDimPosition(i);
            where.push_back(d < at.size() ? Value(at[d]) : candidate);
          }
          return ops.extract(mapped.tensor, where);
        };
        Value start = read(starts[0], zero), goal = read(starts[1], zero);
        Value asked = ops.both(
            ops.compare(arith::CmpIPredicate::sge, start, ops.number(0)),
            ops.compare(arith::CmpIPredicate::sge, goal, ops.number(0)));
        if (Value there = presentAt(b, loc, space.batch, at))
          asked = ops.both(asked, there);
        return when(asked, out, loc, [&]() -> SmallVector<Value> {
          Ways first = {filled({nodeCount, keyCount}, noCost),
                        filled(nodeCount, ops.number(-1)),
                        filled({nodeCount, width}, ops.number(-1))};
          first.lengths =
              ops.insert(ops.number(0), first.lengths, ops.toIndex(start));
          // One row more a round; where a round beyond the last still changes
          // something, a round trip pays and there is no cheapest way.
          SmallVector<Value> state = first.all();
          state.push_back(ops.truth(true));
          auto rounds = scf::ForOp::create(b, loc, zero, count, one, state);
          {
            OpBuilder::InsertionGuard guard(b);
            b.setInsertionPointToStart(rounds.getBody());
            ValueRange held = rounds.getRegionIterArgs();
            SmallVector<Value> after =
                when(held[3], held, loc, [&]() -> SmallVector<Value> {
                  // What a round extends is a copy: the round writes in place.
                  SmallVector<Value> copies, inner(held.drop_back());
                  for (Value value : inner)
                    copies.push_back(bufferization::AllocTensorOp::create(
                        b, loc, cast<RankedTensorType>(value.getType()),
                        ValueRange(), value));
                  Ways before = Ways::of(copies);
                  inner.push_back(ops.truth(false));
                  auto steps = scf::ForOp::create(b, loc, zero,
                                                  space.candidates, one, inner);
                  OpBuilder::InsertionGuard guard(b);
                  b.setInsertionPointToStart(steps.getBody());
                  SmallVector<Value> next =
                      extendWay(op, steps.getInductionVar(), before.all(),
                                ValueRange(steps.getRegionIterArgs()), longest,
                                at, relation, [&](unsigned i) {
                                  return read(i < 2 ? ends[i] : keys[i - 2],
                                              steps.getInductionVar());
                                });
                  scf::YieldOp::create(b, loc, next);
                  return llvm::to_vector(ValueRange(steps.getResults()));
                });
            scf::YieldOp::create(b, loc, after);
          }
          Ways found = Ways::of(rounds.getResults());
          Value length = ops.extract(found.lengths, ops.toIndex(goal));
          Value settled = arith::XOrIOp::create(b, loc, rounds.getResult(3),
                                                ops.truth(true));
          Value some = ops.both(settled, ops.compare(arith::CmpIPredicate::sgt,
                                                     length, ops.number(0)));
          return when(some, out, loc, [&]() -> SmallVector<Value> {
            Value counts = ops.insert(length, out[1], at);
            auto copy = scf::ForOp::create(b, loc, zero, ops.toIndex(length),
                                           one, out[0]);
            OpBuilder::InsertionGuard guard(b);
            b.setInsertionPointToStart(copy.getBody());
            SmallVector<Value> slot(at);
            slot.push_back(copy.getInductionVar());
            Value row = ops.extract(
                found.rows, {ops.toIndex(goal), copy.getInductionVar()});
            scf::YieldOp::create(
                b, loc, ops.insert(row, copy.getRegionIterArg(0), slot));
            return {copy.getResult(0), counts};
          });
        });
      });
  rows.indices = made[0];
  rows.counts = made[1];
  plans[rows.axis.getValue()] = rows;
  return success();
}

/// Tries row `candidate` behind the best way to where it begins: what is known
/// of the ways next, and whether something got better.
SmallVector<Value>
Lowering::extendWay(ChooseOp op, Value candidate, ValueRange beforeValues,
                    ValueRange held, Value longest, ValueRange item,
                    const Relation &relation,
                    llvm::function_ref<Value(unsigned)> read) {
  Location loc = op.getLoc();
  Ways before = Ways::of(beforeValues), next = Ways::of(held);
  Value zero = constantIndex(0, loc), one = constantIndex(1, loc);
  IntOps ops{b, loc};
  Value from = read(0), to = read(1);
  Value usable =
      ops.both(ops.compare(arith::CmpIPredicate::sge, from, ops.number(0)),
               ops.compare(arith::CmpIPredicate::sge, to, ops.number(0)));
  if (Value allowed = isAllowed(b, loc, relation, item, candidate))
    usable = ops.both(usable, allowed);
  // What the row costs, key by key; NaN bars it.
  SmallVector<Value> costs;
  for (unsigned k = 0; k < op.getKeys().size(); ++k) {
    Value cost = read(k + 2);
    Type f64 = b.getF64Type();
    if (isa<IntegerType>(cost.getType()))
      cost = arith::SIToFPOp::create(b, loc, f64, cost);
    else if (!cost.getType().isF64())
      cost = arith::ExtFOp::create(b, loc, f64, cost);
    if (!op.getUp()[k])
      cost = arith::NegFOp::create(b, loc, cost);
    usable = ops.both(
        usable,
        arith::CmpFOp::create(b, loc, arith::CmpFPredicate::ORD, cost, cost));
    costs.push_back(cost);
  }
  return when(usable, held, loc, [&]() -> SmallVector<Value> {
    Value start = ops.toIndex(from), end = ops.toIndex(to);
    Value length = ops.extract(before.lengths, start);
    Value known = ops.compare(arith::CmpIPredicate::sge, length, ops.number(0));
    return when(known, held, loc, [&]() -> SmallVector<Value> {
      Value oldLength = ops.extract(next.lengths, end);
      Value more = arith::AddIOp::create(b, loc, length, ops.number(1));
      Value isNew =
          ops.compare(arith::CmpIPredicate::slt, oldLength, ops.number(0));
      Value less = ops.truth(false), same = ops.truth(true);
      SmallVector<Value> totals;
      for (auto [k, cost] : llvm::enumerate(costs)) {
        Value key = constantIndex(k, loc);
        Value total = arith::AddFOp::create(
            b, loc, ops.extract(before.costs, {start, key}), cost);
        Value old = ops.extract(next.costs, {end, key});
        Value below = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLT,
                                            total, old);
        less = ops.either(less, ops.both(same, below));
        same =
            ops.both(same, arith::CmpFOp::create(
                               b, loc, arith::CmpFPredicate::OEQ, total, old));
        totals.push_back(total);
      }
      Value shorter = ops.compare(arith::CmpIPredicate::slt, more, oldLength),
            asLong = ops.compare(arith::CmpIPredicate::eq, more, oldLength);
      less = ops.either(less, ops.both(same, shorter));
      // As dear and as long: the first row that differs decides.
      Value row = arith::IndexCastOp::create(b, loc, b.getI32Type(), candidate);
      Value lower =
          when(ops.both(same, asLong), ops.truth(false), loc,
               [&]() -> SmallVector<Value> {
                 auto walk = scf::ForOp::create(
                     b, loc, zero, ops.toIndex(more), one,
                     ValueRange{ops.truth(true), ops.truth(false)});
                 OpBuilder::InsertionGuard guard(b);
                 b.setInsertionPointToStart(walk.getBody());
                 Value i = walk.getInductionVar(),
                       equal = walk.getRegionIterArg(0),
                       below = walk.getRegionIterArg(1);
                 Value last = ops.compare(arith::CmpIPredicate::eq, i,
                                          ops.toIndex(length));
                 Value mine = ops.select(last, row,
                                         ops.extract(before.rows, {start, i}));
                 Value other = ops.extract(next.rows, {end, i});
                 below = arith::OrIOp::create(
                     b, loc, below,
                     ops.both(equal, ops.compare(arith::CmpIPredicate::slt,
                                                 mine, other)));
                 equal = ops.both(
                     equal, ops.compare(arith::CmpIPredicate::eq, mine, other));
                 scf::YieldOp::create(b, loc, ValueRange{equal, below});
                 return {walk.getResult(1)};
               })
              .front();
      Value better =
          arith::OrIOp::create(b, loc, isNew, ops.either(less, lower));
      // A longer way than that has a node twice, so it is no better.
      Value fits =
          ops.compare(arith::CmpIPredicate::ule, ops.toIndex(more), longest);
      SmallVector<Value> changed(held);
      changed[3] = ops.truth(true);
      return when(better, held, loc, [&]() -> SmallVector<Value> {
        return when(fits, changed, loc, [&]() -> SmallVector<Value> {
          Ways made = next;
          for (auto [k, total] : llvm::enumerate(totals))
            made.costs =
                ops.insert(total, made.costs, {end, constantIndex(k, loc)});
          made.lengths = ops.insert(more, made.lengths, end);
          auto copy = scf::ForOp::create(b, loc, zero, ops.toIndex(length), one,
                                         made.rows);
          {
            OpBuilder::InsertionGuard guard(b);
            b.setInsertionPointToStart(copy.getBody());
            Value i = copy.getInductionVar();
            scf::YieldOp::create(
                b, loc,
                ops.insert(ops.extract(before.rows, {start, i}),
                           copy.getRegionIterArg(0), {end, i}));
          }
          made.rows =
              ops.insert(row, copy.getResult(0), {end, ops.toIndex(length)});
          SmallVector<Value> all = made.all();
          all.push_back(ops.truth(true));
          return all;
        });
      });
    });
  });
}
