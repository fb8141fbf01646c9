// Choices of a path: item by item, shorter ways are extended by a row at a time
// until none gets better. Ties go to fewer rows, then to lower ones.
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
} // namespace

LogicalResult Lowering::lowerPath(ChooseOp op, Plan rows) {
  Location loc = op.getLoc();
  auto nodes = dyn_cast<RefType>(
      cast<ArrayType>(op.getTable().front().getType()).getElementType());
  if (op.getTable().size() != 2 || !nodes)
    return unsupported(op, "a path over ends of this type");
  Axis node = nodes.getAxis();
  if (!sourceAxis(node) || !size(node, loc))
    return unsupported(op, "a path over nodes whose number is not known");
  ChoiceSpace space = choiceSpace(rows, loc);
  auto number = [&](int32_t value) -> Value {
    return arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(value));
  };
  auto truth = [&](bool value) -> Value {
    return arith::ConstantOp::create(b, loc, b.getBoolAttr(value));
  };
  auto both = [&](Value x, Value y) -> Value {
    return arith::AndIOp::create(b, loc, x, y);
  };
  auto compare = [&](arith::CmpIPredicate predicate, Value x,
                     Value y) -> Value {
    return arith::CmpIOp::create(b, loc, predicate, x, y);
  };
  auto toIndex = [&](Value x) -> Value {
    return arith::IndexCastOp::create(b, loc, b.getIndexType(), x);
  };
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
    return unsupported(op, "a path over these axes");
  Relation relation = relate(rows, space, loc);
  if (op.getMask()) {
    std::optional<Mapped> mask = over(op.getMask());
    if (!mask)
      return unsupported(op, "a mask over these axes");
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
  auto extract = [&](Value tensor, ValueRange at) -> Value {
    return tensor::ExtractOp::create(b, loc, tensor, at);
  };
  auto insert = [&](Value value, Value tensor, ValueRange at) -> Value {
    return tensor::InsertOp::create(b, loc, value, tensor, at);
  };

  SmallVector<Value> made = forEachPosition(
      space.batch, {filled(padded, number(-1)), filled(items, number(0))}, loc,
      [&](ValueRange at, ValueRange out) -> SmallVector<Value> {
        auto read = [&](const Mapped &mapped, Value candidate) -> Value {
          SmallVector<Value> where;
          for (unsigned i = 0; i < mapped.map.getNumResults(); ++i) {
            unsigned d = mapped.map.getDimPosition(i);
            where.push_back(d < at.size() ? Value(at[d]) : candidate);
          }
          return extract(mapped.tensor, where);
        };
        Value start = read(starts[0], zero), goal = read(starts[1], zero);
        Value asked = both(compare(arith::CmpIPredicate::sge, start, number(0)),
                           compare(arith::CmpIPredicate::sge, goal, number(0)));
        if (Value there = presentAt(b, loc, space.batch, at))
          asked = both(asked, there);
        return when(asked, out, loc, [&]() -> SmallVector<Value> {
          Ways first = {filled({nodeCount, keyCount}, noCost),
                        filled(nodeCount, number(-1)),
                        filled({nodeCount, width}, number(-1))};
          first.lengths = insert(number(0), first.lengths, toIndex(start));
          // One row more a round; where a round beyond the last still changes
          // something, a round trip pays and there is no cheapest way.
          SmallVector<Value> state = first.all();
          state.push_back(truth(true));
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
                  inner.push_back(truth(false));
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
          Value length = extract(found.lengths, toIndex(goal));
          Value settled =
              arith::XOrIOp::create(b, loc, rounds.getResult(3), truth(true));
          Value some = both(
              settled, compare(arith::CmpIPredicate::sgt, length, number(0)));
          return when(some, out, loc, [&]() -> SmallVector<Value> {
            Value counts = insert(length, out[1], at);
            auto copy =
                scf::ForOp::create(b, loc, zero, toIndex(length), one, out[0]);
            OpBuilder::InsertionGuard guard(b);
            b.setInsertionPointToStart(copy.getBody());
            SmallVector<Value> slot(at);
            slot.push_back(copy.getInductionVar());
            Value row =
                extract(found.rows, {toIndex(goal), copy.getInductionVar()});
            scf::YieldOp::create(b, loc,
                                 insert(row, copy.getRegionIterArg(0), slot));
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
  auto number = [&](int32_t value) -> Value {
    return arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(value));
  };
  auto truth = [&](bool value) -> Value {
    return arith::ConstantOp::create(b, loc, b.getBoolAttr(value));
  };
  auto both = [&](Value x, Value y) -> Value {
    return arith::AndIOp::create(b, loc, x, y);
  };
  auto compare = [&](arith::CmpIPredicate predicate, Value x,
                     Value y) -> Value {
    return arith::CmpIOp::create(b, loc, predicate, x, y);
  };
  auto toIndex = [&](Value x) -> Value {
    return arith::IndexCastOp::create(b, loc, b.getIndexType(), x);
  };
  auto extract = [&](Value tensor, ValueRange at) -> Value {
    return tensor::ExtractOp::create(b, loc, tensor, at);
  };
  auto insert = [&](Value value, Value tensor, ValueRange at) -> Value {
    return tensor::InsertOp::create(b, loc, value, tensor, at);
  };
  Value from = read(0), to = read(1);
  Value usable = both(compare(arith::CmpIPredicate::sge, from, number(0)),
                      compare(arith::CmpIPredicate::sge, to, number(0)));
  if (Value allowed = isAllowed(b, loc, relation, item, candidate))
    usable = both(usable, allowed);
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
    usable = both(usable, arith::CmpFOp::create(
                              b, loc, arith::CmpFPredicate::ORD, cost, cost));
    costs.push_back(cost);
  }
  return when(usable, held, loc, [&]() -> SmallVector<Value> {
    Value start = toIndex(from), end = toIndex(to);
    Value length = extract(before.lengths, start);
    Value known = compare(arith::CmpIPredicate::sge, length, number(0));
    return when(known, held, loc, [&]() -> SmallVector<Value> {
      Value oldLength = extract(next.lengths, end);
      Value more = arith::AddIOp::create(b, loc, length, number(1));
      Value isNew = compare(arith::CmpIPredicate::slt, oldLength, number(0));
      Value less = truth(false), same = truth(true);
      SmallVector<Value> totals;
      for (auto [k, cost] : llvm::enumerate(costs)) {
        Value key = constantIndex(k, loc);
        Value total = arith::AddFOp::create(
            b, loc, extract(before.costs, {start, key}), cost);
        Value old = extract(next.costs, {end, key});
        Value below = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLT,
                                            total, old);
        less = arith::OrIOp::create(b, loc, less, both(same, below));
        same = both(same, arith::CmpFOp::create(
                              b, loc, arith::CmpFPredicate::OEQ, total, old));
        totals.push_back(total);
      }
      Value shorter = compare(arith::CmpIPredicate::slt, more, oldLength),
            asLong = compare(arith::CmpIPredicate::eq, more, oldLength);
      less = arith::OrIOp::create(b, loc, less, both(same, shorter));
      // As dear and as long: the first row that differs decides.
      Value row = arith::IndexCastOp::create(b, loc, b.getI32Type(), candidate);
      Value lower =
          when(both(same, asLong), truth(false), loc,
               [&]() -> SmallVector<Value> {
                 auto walk =
                     scf::ForOp::create(b, loc, zero, toIndex(more), one,
                                        ValueRange{truth(true), truth(false)});
                 OpBuilder::InsertionGuard guard(b);
                 b.setInsertionPointToStart(walk.getBody());
                 Value i = walk.getInductionVar(),
                       equal = walk.getRegionIterArg(0),
                       below = walk.getRegionIterArg(1);
                 Value last =
                     compare(arith::CmpIPredicate::eq, i, toIndex(length));
                 Value mine = arith::SelectOp::create(
                     b, loc, last, row, extract(before.rows, {start, i}));
                 Value other = extract(next.rows, {end, i});
                 below = arith::OrIOp::create(
                     b, loc, below,
                     both(equal,
                          compare(arith::CmpIPredicate::slt, mine, other)));
                 equal = both(equal,
                              compare(arith::CmpIPredicate::eq, mine, other));
                 scf::YieldOp::create(b, loc, ValueRange{equal, below});
                 return {walk.getResult(1)};
               })
              .front();
      Value better = arith::OrIOp::create(
          b, loc, isNew, arith::OrIOp::create(b, loc, less, lower));
      // A longer way than that has a node twice, so it is no better.
      Value fits = compare(arith::CmpIPredicate::ule, toIndex(more), longest);
      SmallVector<Value> changed(held);
      changed[3] = truth(true);
      return when(better, held, loc, [&]() -> SmallVector<Value> {
        return when(fits, changed, loc, [&]() -> SmallVector<Value> {
          Ways made = next;
          for (auto [k, total] : llvm::enumerate(totals))
            made.costs =
                insert(total, made.costs, {end, constantIndex(k, loc)});
          made.lengths = insert(more, made.lengths, end);
          auto copy =
              scf::ForOp::create(b, loc, zero, toIndex(length), one, made.rows);
          {
            OpBuilder::InsertionGuard guard(b);
            b.setInsertionPointToStart(copy.getBody());
            Value i = copy.getInductionVar();
            scf::YieldOp::create(b, loc,
                                 insert(extract(before.rows, {start, i}),
                                        copy.getRegionIterArg(0), {end, i}));
          }
          made.rows = insert(row, copy.getResult(0), {end, toIndex(length)});
          SmallVector<Value> all = made.all();
          all.push_back(truth(true));
          return all;
        });
      });
    });
  });
}
