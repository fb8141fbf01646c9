// Choices round by round: keys or an end that hang on the rows kept so far.
// Every round the region is computed on those rows, for all items at once, and
// each item that is not done takes its next row.
#include "Lowering.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "route/Dialect/Route/IR/RowChoice.h"

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

LogicalResult Lowering::lowerRounds(ChooseOp op, Plan rows) {
  Location loc = op.getLoc();
  ChoiceSpace space = choiceSpace(rows, loc);
  setCapacity(op, rows, space);
  Block &region = op.getBody().front();
  auto yield = cast<YieldOp>(region.getTerminator());
  bool until = op.getKind() == ChoiceKind::until, greedy = op.getGreedy();
  Value limits;
  if (failed(itemLimits(op, space, limits)))
    return failure();
  // What does not hang on the rows is computed once.
  SmallVector<Operation *> each;
  for (Operation &inner : region.without_terminator()) {
    if (llvm::any_of(inner.getResults(), [&](Value result) {
          return dependsOnPrefix(result, region);
        }))
      each.push_back(&inner);
    else if (failed(lower(&inner)))
      return failure();
  }
  Plan order = rows;
  if (!greedy && failed(makeColumnChoice(op, order, space, op.getKeys(),
                                         op.getUp(), {}, limits)))
    return failure();

  auto truth = [&](bool value) -> Value {
    return arith::ConstantOp::create(b, loc, b.getBoolAttr(value));
  };
  auto number = [&](int32_t value) -> Value {
    return arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(value));
  };
  auto filled = [&](ArrayRef<OpFoldResult> shape, Value value) -> Value {
    return linalg::FillOp::create(
               b, loc, value,
               tensor::EmptyOp::create(b, loc, shape, value.getType())
                   .getResult())
        .getResult(0);
  };
  SmallVector<OpFoldResult> items = sizesOf(space.batch, loc), padded(items),
                            pairs(items);
  padded.push_back(capacity(rows));
  pairs.push_back(getAsOpFoldResult(space.candidates));
  // The rows, how many, who is done, whether somebody took one; of greedy
  // choices also which candidates are left.
  SmallVector<Value> state = {filled(padded, number(-1)),
                              filled(items, number(0)),
                              filled(items, truth(false)), truth(true)};
  if (greedy)
    state.push_back(filled(pairs, truth(true)));
  Value zero = constantIndex(0, loc), one = constantIndex(1, loc);
  auto loop = scf::ForOp::create(
      b, loc, zero, getValueOrCreateConstantIndexOp(b, loc, capacity(rows)),
      one, state);
  OpBuilder::InsertPoint behind = b.saveInsertionPoint();
  b.setInsertionPointToStart(loop.getBody());
  auto savedValues = values;
  auto savedMatrices = matrices;
  llvm::StringMap<Grouping> savedGroupings = groupings;
  ValueRange held = loop.getRegionIterArgs();
  LogicalResult result = success();
  SmallVector<Value> next =
      when(held[3], held, loc, [&]() -> SmallVector<Value> {
        Plan prefix = rows;
        prefix.indices = held[0];
        prefix.counts = held[1];
        plans[rows.axis.getValue()] = prefix;
        for (Operation *inner : each)
          if (failed(result = lower(inner)))
            return held;
        Value done = held[2];
        if (until) {
          Value crossed = overItems(yield.getOperand(0), space, loc);
          if (!crossed) {
            result = failure();
            return held;
          }
          // The rows before the first are not asked about.
          Value asked = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne,
                                              loop.getInductionVar(), zero);
          done =
              forEachPosition(
                  space.batch, done, loc,
                  [&](ValueRange at, ValueRange now) -> SmallVector<Value> {
                    Value end = arith::AndIOp::create(
                        b, loc, asked,
                        tensor::ExtractOp::create(b, loc, crossed, at));
                    end = arith::OrIOp::create(
                        b, loc, end,
                        tensor::ExtractOp::create(b, loc, now[0], at));
                    return {tensor::InsertOp::create(b, loc, end, now[0], at)};
                  })
                  .front();
        }
        auto mayTake = [&](OpBuilder &inner, Location at,
                           ValueRange here) -> Value {
          Value open = arith::XOrIOp::create(
              inner, at, tensor::ExtractOp::create(inner, at, done, here),
              arith::ConstantOp::create(inner, at, inner.getBoolAttr(true)));
          if (!limits)
            return open;
          Value room = arith::CmpIOp::create(
              inner, at, arith::CmpIPredicate::slt,
              tensor::ExtractOp::create(inner, at, held[1], here),
              tensor::ExtractOp::create(inner, at, limits, here));
          return arith::AndIOp::create(inner, at, open, room);
        };
        Plan best = rows;
        if (greedy) {
          best.rank = 1;
          best.extent = {};
          Value room = generate(
              items, b.getI32Type(), loc,
              [&](OpBuilder &inner, Location at, ValueRange here) -> Value {
                return arith::ExtUIOp::create(inner, at, inner.getI32Type(),
                                              mayTake(inner, at, here));
              });
          if (failed(
                  result = makeColumnChoice(
                      op, best, space,
                      yield.getOperands().drop_front(until ? 1 : 0), op.getUp(),
                      Mapped{held[4],
                             b.getMultiDimIdentityMap(space.batch.size() + 1)},
                      room)))
            return held;
        }
        SmallVector<Value> start = {held[0], held[1], truth(false)};
        if (greedy)
          start.push_back(held[4]);
        SmallVector<Value> made = forEachPosition(
            space.batch, start, loc,
            [&](ValueRange at, ValueRange now) -> SmallVector<Value> {
              Value count = tensor::ExtractOp::create(b, loc, now[1], at);
              Value there =
                  greedy
                      ? Value(arith::CmpIOp::create(
                            b, loc, arith::CmpIPredicate::sgt,
                            tensor::ExtractOp::create(b, loc, best.counts, at),
                            number(0)))
                      : Value(arith::AndIOp::create(
                            b, loc, mayTake(b, loc, at),
                            arith::CmpIOp::create(
                                b, loc, arith::CmpIPredicate::slt, count,
                                tensor::ExtractOp::create(b, loc, order.counts,
                                                          at))));
              return when(there, now, loc, [&]() -> SmallVector<Value> {
                SmallVector<Value> slot(at), from(at);
                slot.push_back(arith::IndexCastOp::create(
                    b, loc, b.getIndexType(), count));
                from.push_back(greedy ? zero : slot.back());
                Value candidate = tensor::ExtractOp::create(
                    b, loc, greedy ? best.indices : order.indices, from);
                SmallVector<Value> then = {
                    tensor::InsertOp::create(b, loc, candidate, now[0], slot),
                    tensor::InsertOp::create(
                        b, loc, arith::AddIOp::create(b, loc, count, number(1)),
                        now[1], at),
                    truth(true)};
                if (greedy) {
                  SmallVector<Value> pair(at);
                  pair.push_back(arith::IndexCastOp::create(
                      b, loc, b.getIndexType(), candidate));
                  then.push_back(tensor::InsertOp::create(b, loc, truth(false),
                                                          now[3], pair));
                }
                return then;
              });
            });
        SmallVector<Value> after = {made[0], made[1], done, made[2]};
        if (greedy)
          after.push_back(made[3]);
        return after;
      });
  scf::YieldOp::create(b, loc, next);
  b.restoreInsertionPoint(behind);
  values = std::move(savedValues);
  matrices = std::move(savedMatrices);
  groupings = std::move(savedGroupings);
  if (failed(result))
    return failure();
  rows.indices = loop.getResult(0);
  rows.counts = loop.getResult(1);
  plans[rows.axis.getValue()] = rows;
  return success();
}
