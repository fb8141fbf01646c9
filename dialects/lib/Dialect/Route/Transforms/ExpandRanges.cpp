// route-expand-ranges: what may be unknown becomes the ends of intervals.
// What follows computes with plain values alone.
#include "RangeExpander.h"
#include "route/Dialect/Route/IR/RouteCollectionOps.h"
#include "route/Dialect/Route/Transforms/Passes.h"
#include "route/Notice.h"

namespace route {
#define GEN_PASS_DEF_ROUTEEXPANDRANGES
#include "route/Dialect/Route/Transforms/Passes.h.inc"
} // namespace route

using namespace mlir;
using namespace route;
using namespace route::ranges;

/// Whether `op` reads what the call says of an input: that stays.
static bool saysWhatTheCallSays(Operation *op) {
  if (!isa<BoundOp, KnownOp>(op))
    return false;
  auto argument = dyn_cast<BlockArgument>(op->getOperand(0));
  return argument ? isa<FuncOp>(argument.getOwner()->getParentOp())
                  : isa<GetOp>(op->getOperand(0).getDefiningOp());
}

LogicalResult RangeExpander::run() {
  b.setInsertionPointToStart(&body);
  for (BlockArgument argument : body.getArguments())
    if (isRange(argument))
      ends[argument] = boundsOf(argument);
  if (failed(expand(body)))
    return failure();
  for (Operation *op : llvm::reverse(done))
    op->erase();
  for (BlockArgument argument : llvm::reverse(split))
    argument.getOwner()->eraseArgument(argument.getArgNumber());
  return success();
}

Ends RangeExpander::boundsOf(Value value) {
  ArrayType type = plainType(value.getType());
  Location loc = value.getLoc();
  auto bound = [&](bool upper) -> Value {
    return BoundOp::create(b, loc, type, upper, value);
  };
  if (hasInterval(type.getElementType()))
    return {bound(false), bound(true), {}};
  Value lo = bound(false);
  return {lo, lo,
          KnownOp::create(b, loc, type.withElement(b.getI1Type()), value)};
}

Ends RangeExpander::fitted(Ends found, ArrayType type, Location loc) {
  auto fit = [&](Value value, Type element) -> Value {
    ArrayType want = type.withElement(element);
    return !value || value.getType() == want
               ? value
               : Value(BroadcastOp::create(b, loc, want, value, Value()));
  };
  bool point = found.lo == found.hi;
  found.lo = fit(found.lo, type.getElementType());
  found.hi = point ? found.lo : fit(found.hi, type.getElementType());
  found.known = fit(found.known, b.getI1Type());
  return found;
}

void RangeExpander::addParts(Value value, SmallVectorImpl<Value> &list) {
  if (!isRange(value)) {
    list.push_back(value);
    return;
  }
  Ends parts = get(value);
  list.push_back(parts.lo);
  if (hasInterval(plainType(value.getType()).getElementType())) {
    list.push_back(parts.hi);
    return;
  }
  RangeBuilder ranges(b, value.getLoc());
  list.push_back(ranges.isKnown(parts));
}

void RangeExpander::addPartTypes(Type type, SmallVectorImpl<Type> &list) {
  if (!isRange(type)) {
    list.push_back(type);
    return;
  }
  ArrayType plain = plainType(type);
  list.push_back(plain);
  list.push_back(hasInterval(plain.getElementType())
                     ? plain
                     : plain.withElement(b.getI1Type()));
}

void RangeExpander::takeParts(Value value, ValueRange &parts) {
  Value first = parts.front();
  parts = parts.drop_front();
  if (!isRange(value)) {
    value.replaceAllUsesWith(first);
    return;
  }
  bool interval = hasInterval(plainType(value.getType()).getElementType());
  ends[value] = interval ? Ends{first, parts.front(), {}}
                         : Ends{first, first, parts.front()};
  parts = parts.drop_front();
}

LogicalResult RangeExpander::expand(Block &block) {
  for (Operation &op : llvm::make_early_inc_range(block))
    if (failed(expand(&op)))
      return failure();
  return success();
}

LogicalResult RangeExpander::expand(Operation *op) {
  b.setInsertionPoint(op);
  if (auto read = dyn_cast<GetOp>(op)) {
    if (isRange(read.getResult())) {
      b.setInsertionPointAfter(op);
      ends[read.getResult()] = boundsOf(read.getResult());
    }
    return success();
  }
  if (auto choose = dyn_cast<ChooseOp>(op))
    return expandChoose(choose);
  if (auto result = dyn_cast<ReturnOp>(op)) {
    expandReturn(result);
    return success();
  }
  if (isa<ConcatOp, FirstPlanOp>(op))
    return expandPlans(op);
  if (isa<ForOp, IfOp, RowsOp>(op))
    return expandRegions(op);
  bool ranged = llvm::any_of(op->getOperands(),
                             [](Value value) { return isRange(value); }) ||
                llvm::any_of(op->getResultTypes(),
                             [](Type type) { return isRange(type); });
  if (!ranged)
    return success();
  if (isa<YieldOp>(op) && isa<BudgetOp>(op->getParentOp())) {
    expandBudget(cast<YieldOp>(op));
    return success();
  }
  if (isa<YieldOp>(op) || saysWhatTheCallSays(op))
    return success();
  FailureOr<Ends> found = endsOf(op, *this, b);
  if (failed(found))
    return failure();
  if (op->getNumResults() == 1) {
    Value result = op->getResult(0);
    ArrayType plain = plainType(result.getType());
    Ends fit = fitted(*found, plain, op->getLoc());
    if (isRange(result))
      ends[result] = fit;
    else
      result.replaceAllUsesWith(fit.lo);
  }
  done.push_back(op);
  return success();
}

/// An unknown amount fits nowhere, as NaN does; unknown keys are one key, told
/// apart from others by their being unknown.
void RangeExpander::expandBudget(YieldOp op) {
  RangeBuilder ranges(b, op.getLoc());
  bool keys =
      op->getParentRegion() == &cast<BudgetOp>(op->getParentOp()).getPer();
  SmallVector<Value> values;
  for (Value value : op.getOperands()) {
    if (!isRange(value)) {
      values.push_back(value);
      continue;
    }
    Ends x = get(value);
    Value known = ranges.isKnown(x);
    if (keys)
      values.push_back(known);
    values.push_back(ranges.pick(
        known, x.lo,
        keys ? ranges.nothing(cast<ArrayType>(x.lo.getType()).getElementType())
             : ranges.number(x.lo, std::nan(""))));
  }
  op.getOperandsMutable().assign(values);
}

/// What names no row where it is unknown.
Value RangeExpander::rowOrNone(Value row) {
  if (!isRange(row))
    return row;
  RangeBuilder ranges(b, row.getLoc());
  Ends x = get(row);
  auto type = cast<ArrayType>(x.lo.getType());
  Value place = x.lo;
  if (isa<IntegerType>(type.getElementType()) &&
      !type.getElementType().isInteger(64))
    place = CastOp::create(b, row.getLoc(), type.withElement(b.getI64Type()),
                           place);
  return ranges.pick(ranges.isKnown(x), place,
                     isa<RefType>(type.getElementType())
                         ? ranges.nothing(type.getElementType())
                         : ranges.number(place, -1));
}

LogicalResult RangeExpander::expandChoose(ChooseOp op) {
  RangeBuilder ranges(b, op.getLoc());
  if (op.getMask())
    op.getMaskMutable().assign(surely(op.getMask()));
  if (op.getCount() && isRange(op.getCount())) {
    // An unknown count chooses nothing.
    Ends count = get(op.getCount());
    op.getCountMutable().assign(ranges.pick(ranges.isKnown(count), count.lo,
                                            ranges.number(count.lo, 0)));
  }
  // Unknown keys rank last: NaN among floats; before other keys, whether they
  // are known.
  auto ranked = [&](ValueRange keys, SmallVectorImpl<Value> &found) {
    SmallVector<bool> up;
    for (auto [key, rising] : llvm::zip_equal(keys, op.getUp())) {
      if (isRange(key)) {
        Ends x = get(key);
        Value known = ranges.isKnown(x);
        ArrayType type = plainType(key.getType());
        if (op.getKind() == ChoiceKind::path) // adds up in f64
          x.lo = ranges
                     .cast({x.lo, x.lo, {}},
                           type = type.withElement(b.getF64Type()))
                     .lo;
        if (isa<FloatType>(type.getElementType())) {
          key = ranges.pick(known, x.lo, ranges.number(x.lo, std::nan("")));
        } else {
          found.push_back(known);
          up.push_back(false);
          key = ranges.pick(known, x.lo, ranges.number(x.lo, 0));
        }
      }
      found.push_back(key);
      up.push_back(rising);
    }
    op.setUp(up);
  };
  if (!op.getGreedy()) {
    SmallVector<Value> keys;
    ranked(op.getKeys(), keys);
    op.getKeysMutable().assign(keys);
  }
  auto rows = [&](ValueRange values) {
    return llvm::map_to_vector(values, [&](Value v) { return rowOrNone(v); });
  };
  op.getTableMutable().assign(rows(op.getTable()));
  op.getEndsMutable().assign(rows(op.getEnds()));
  if (op.getBody().empty())
    return success();
  Block &body = op.getBody().front();
  if (failed(expand(body)))
    return failure();
  auto yield = cast<YieldOp>(body.getTerminator());
  b.setInsertionPoint(yield);
  ValueRange yielded = yield.getOperands();
  SmallVector<Value> values;
  if (op.getKind() == ChoiceKind::until) {
    values.push_back(surely(yielded.front()));
    yielded = yielded.drop_front();
  }
  if (op.getGreedy())
    ranked(yielded, values);
  yield.getOperandsMutable().assign(values);
  return success();
}

/// Columns of plans, each in its parts.
LogicalResult RangeExpander::expandPlans(Operation *op) {
  if (auto first = dyn_cast<FirstPlanOp>(op)) {
    SmallVector<Value> whens = llvm::map_to_vector(
        first.getWhens(), [&](Value v) { return surely(v); });
    first.getWhensMutable().assign(whens);
  }
  auto first = dyn_cast<FirstPlanOp>(op);
  auto concat = dyn_cast<ConcatOp>(op);
  OperandRange columns = first ? first.getColumns() : concat.getColumns();
  ResultRange results =
      first ? first.getResultColumns() : concat.getResultColumns();
  if (llvm::none_of(columns, [](Value v) { return isRange(v); }) &&
      llvm::none_of(results, [](Value v) { return isRange(v); }))
    return success();
  SmallVector<Type> types = {op->getResult(0).getType()};
  if (first)
    types.push_back(first.getWhich().getType());
  for (Value result : results)
    addPartTypes(result.getType(), types);
  SmallVector<Value> parts;
  for (auto [i, column] : llvm::enumerate(columns)) {
    // A known column beside unknown ones of other plans has two parts too.
    Value result = results[i % results.size()];
    if (isRange(result) && !isRange(column)) {
      parts.push_back(column);
      bool interval = hasInterval(plainType(column.getType()).getElementType());
      RangeBuilder ranges(b, op->getLoc());
      parts.push_back(interval ? column : ranges.isKnown({column, column, {}}));
    } else {
      addParts(column, parts);
    }
  }
  Operation *made =
      first ? FirstPlanOp::create(b, op->getLoc(), types, first.getWhens(),
                                  first.getPlans(), parts, first.getAxisAttr())
                  .getOperation()
            : ConcatOp::create(b, op->getLoc(), types, concat.getLhs(),
                               concat.getRhs(), parts, concat.getAxisAttr())
                  .getOperation();
  ValueRange left = made->getResults();
  for (Value result : op->getResults())
    takeParts(result, left);
  done.push_back(op);
  return success();
}

/// Loops and conditionals carry the parts.
LogicalResult RangeExpander::expandRegions(Operation *op) {
  SmallVector<Value> operands;
  for (Value operand : op->getOperands()) {
    bool condition = isa<IfOp>(op);
    if (condition)
      operands.push_back(surely(operand));
    else
      addParts(operand, operands);
  }
  SmallVector<Type> types;
  for (Type type : op->getResultTypes())
    addPartTypes(type, types);
  OperationState state(op->getLoc(), op->getName(), operands, types,
                       op->getAttrs());
  for (unsigned i = 0; i < op->getNumRegions(); ++i)
    state.addRegion();
  Operation *made = b.create(state);
  if (auto loop = dyn_cast<ForOp>(made)) {
    auto old = cast<ForOp>(op);
    int32_t fixed = (old.getCount() ? 1 : 0) + (old.getOrder() ? 1 : 0);
    loop.getProperties().operandSegmentSizes = {
        old.getCount() ? 1 : 0, old.getOrder() ? 1 : 0,
        static_cast<int32_t>(operands.size()) - fixed};
  }
  for (auto [from, to] : llvm::zip(op->getRegions(), made->getRegions())) {
    to.takeBody(from);
    if (to.empty())
      continue;
    Block &body = to.front();
    b.setInsertionPointToStart(&body);
    for (unsigned i = 0; i < body.getNumArguments(); ++i) {
      BlockArgument argument = body.getArgument(i);
      if (!isRange(argument))
        continue;
      SmallVector<Type> parts;
      addPartTypes(argument.getType(), parts);
      SmallVector<Value> values;
      for (auto [k, type] : llvm::enumerate(parts))
        values.push_back(
            body.insertArgument(i + 1 + k, type, argument.getLoc()));
      ValueRange left = values;
      takeParts(argument, left);
      split.push_back(argument);
      i += parts.size();
    }
    if (failed(expand(body)))
      return failure();
    Operation *yield = body.getTerminator();
    b.setInsertionPoint(yield);
    SmallVector<Value> values;
    for (auto [i, value] : llvm::enumerate(yield->getOperands())) {
      if (isa<ForOp>(made) && i == 0)
        values.push_back(surely(value));
      else
        addParts(value, values);
    }
    yield->setOperands(values);
  }
  ValueRange left = made->getResults();
  for (Value result : op->getResults())
    takeParts(result, left);
  done.push_back(op);
  return success();
}

/// A result that may be unknown leaves as two: `x.lower` and `x.upper`, or `x`
/// and `x.known`.
void RangeExpander::expandReturn(ReturnOp op) {
  if (llvm::none_of(op.getOperands(), [](Value v) { return isRange(v); }))
    return;
  auto func = op->getParentOfType<FuncOp>();
  SmallVector<Value> values;
  SmallVector<Attribute> attrs;
  for (auto [i, value] : llvm::enumerate(op.getOperands())) {
    addParts(value, values);
    DictionaryAttr given = func.getResAttrsAttr()
                               ? cast<DictionaryAttr>(func.getResAttrsAttr()[i])
                               : b.getDictionaryAttr({});
    if (!isRange(value)) {
      attrs.push_back(given);
      continue;
    }
    auto name = given.getAs<StringAttr>("route.name");
    std::string base =
        name ? name.getValue().str() : "result" + std::to_string(i);
    bool interval = hasInterval(plainType(value.getType()).getElementType());
    for (StringRef suffix :
         {interval ? ".lower" : "", interval ? ".upper" : ".known"}) {
      NamedAttrList list(given);
      list.set("route.name", b.getStringAttr(base + suffix.str()));
      attrs.push_back(list.getDictionary(b.getContext()));
    }
  }
  op.getOperandsMutable().assign(values);
  SmallVector<Type> types =
      llvm::map_to_vector(values, [](Value v) { return v.getType(); });
  func.setFunctionType(
      b.getFunctionType(func.getFunctionType().getInputs(), types));
  func.setResAttrsAttr(b.getArrayAttr(attrs));
}

namespace {
struct ExpandRanges : route::impl::RouteExpandRangesBase<ExpandRanges> {
  void runOnOperation() override {
    for (auto func : getOperation().getOps<FuncOp>()) {
      if (!func.getBody().hasOneBlock()) {
        func.emitOpError("has no single block");
        return signalPassFailure();
      }
      if (failed(expand(func.getBody())))
        return signalPassFailure();
    }
    for (auto budget : getOperation().getOps<BudgetOp>())
      for (Region *region :
           {&budget.getReserve(), &budget.getLimit(), &budget.getPer()})
        if (failed(expand(*region)))
          return signalPassFailure();
  }

  static LogicalResult expand(Region &region) {
    return region.empty() ? success() : RangeExpander(region.front()).run();
  }
};
} // namespace
