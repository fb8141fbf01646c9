// route-expand-ranges: what may be unknown becomes the ends of intervals.
// What follows computes with plain values alone.
#include "Ranges.h"
#include "route/Dialect/Route/IR/RouteCollectionOps.h"
#include "route/Dialect/Route/Transforms/Passes.h"
#include "llvm/ADT/TypeSwitch.h"

namespace route {
#define GEN_PASS_DEF_ROUTEEXPANDRANGES
#include "route/Dialect/Route/Transforms/Passes.h.inc"
} // namespace route

using namespace mlir;
using namespace route;

static bool isRange(Type type) {
  auto array = dyn_cast<ArrayType>(type);
  return array && isa<RangeType>(array.getElementType());
}
static bool isRange(Value value) { return isRange(value.getType()); }

/// The type without range.
static ArrayType plainType(Type type) {
  auto array = cast<ArrayType>(type);
  return array.withElement(getValueType(array.getElementType()));
}

/// Whether `op` reads what the call says of an input: that stays.
static bool saysWhatTheCallSays(Operation *op) {
  if (!isa<BoundOp, KnownOp>(op))
    return false;
  auto argument = dyn_cast<BlockArgument>(op->getOperand(0));
  return argument ? isa<FuncOp>(argument.getOwner()->getParentOp())
                  : isa<GetOp>(op->getOperand(0).getDefiningOp());
}

namespace {
class Expander {
public:
  explicit Expander(Block &body)
      : body(body), b(body.getParentOp()->getContext()) {}

  LogicalResult run() {
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

private:
  LogicalResult expand(Block &block);
  LogicalResult expand(Operation *op);
  FailureOr<Ends> compute(Operation *op);
  Ends reduced(ReduceOp op, ArrayType plain, RangeBuilder &ranges);
  LogicalResult expandChoose(ChooseOp op);
  LogicalResult expandPlans(Operation *op);
  LogicalResult expandRegions(Operation *op);
  void expandReturn(ReturnOp op);

  /// The ends of an input or stored value: what the call says of it.
  Ends boundsOf(Value value) {
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

  Ends get(Value value) {
    auto it = ends.find(value);
    return it != ends.end() ? it->second : Ends{value, value, {}};
  }
  /// What is surely true.
  Value surely(Value truth) { return get(truth).lo; }

  /// `ends` as values of `type`, which is plain.
  Ends fitted(Ends found, ArrayType type, Location loc) {
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

  /// The parts of a value as they stand in an operand or result list.
  void addParts(Value value, SmallVectorImpl<Value> &list) {
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
  void addPartTypes(Type type, SmallVectorImpl<Type> &list) {
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
  /// Takes the parts of `value` from the front of `parts`.
  void takeParts(Value value, ValueRange &parts) {
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

  /// Of a function or a part of a budget.
  Block &body;
  OpBuilder b;
  llvm::DenseMap<Value, Ends> ends;
  /// Ops whose meaning the expansion has taken over, users after their
  /// operands.
  SmallVector<Operation *> done;
  /// Arguments of loops that now stand beside their parts.
  SmallVector<BlockArgument> split;
};
} // namespace

LogicalResult Expander::expand(Block &block) {
  for (Operation &op : llvm::make_early_inc_range(block))
    if (failed(expand(&op)))
      return failure();
  return success();
}

LogicalResult Expander::expand(Operation *op) {
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
  if (isa<YieldOp>(op) && isa<BudgetOp>(op->getParentOp()))
    return op->getParentOp()->emitError(
        "compiled code does not cover a budget whose key or amount may be "
        "unknown yet; the interpreter does");
  if (isa<YieldOp>(op) || saysWhatTheCallSays(op))
    return success();
  FailureOr<Ends> found = compute(op);
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

/// The ends of the result of an op on arrays; a plain result in both.
FailureOr<Ends> Expander::compute(Operation *op) {
  Location loc = op->getLoc();
  RangeBuilder ranges(b, loc);
  auto type = op->getNumResults()
                  ? dyn_cast<ArrayType>(op->getResult(0).getType())
                  : ArrayType();
  ArrayType plain = type ? plainType(type) : ArrayType();
  /// Applies a movement to each part.
  auto moved = [&](Value operand, auto move) -> Ends {
    Ends x = get(operand);
    Ends result = {move(x.lo), {}, {}};
    result.hi = x.lo == x.hi ? result.lo : move(x.hi);
    if (x.known)
      result.known = move(x.known);
    return result;
  };
  auto typed = [&](Value like) {
    return plain.withElement(cast<ArrayType>(like.getType()).getElementType());
  };
  return llvm::TypeSwitch<Operation *, FailureOr<Ends>>(op)
      .Case([&](UnknownOp) { return ranges.everything(plain); })
      .Case([&](ConstantOp constant) -> FailureOr<Ends> {
        Value value = ConstantOp::create(b, loc, plain, constant.getValue());
        return Ends{value, value, {}};
      })
      .Case([&](UnaryOp unary) {
        return ranges.unary(unary.getKind(), get(unary.getOperand()));
      })
      .Case([&](BinaryOp binary) {
        return ranges.binary(binary.getKind(), get(binary.getLhs()),
                             get(binary.getRhs()));
      })
      .Case([&](CompareOp compare) {
        return ranges.compare(compare.getKind(), get(compare.getLhs()),
                              get(compare.getRhs()));
      })
      .Case([&](SelectOp select) {
        return ranges.select(get(select.getCondition()),
                             get(select.getIfTrue()), get(select.getIfFalse()));
      })
      .Case([&](CastOp cast) {
        return ranges.cast(get(cast.getOperand()), plain);
      })
      .Case([&](KnownOp known) -> FailureOr<Ends> {
        Value value = ranges.isKnown(get(known.getOperand()));
        return Ends{value, value, {}};
      })
      .Case([&](BoundOp bound) -> FailureOr<Ends> {
        Ends x = get(bound.getOperand());
        Value value = bound.getUpper() ? x.hi : x.lo;
        return Ends{value, value, {}};
      })
      .Case([&](CoalesceOp coalesce) {
        Ends x = get(coalesce.getLhs());
        Value known = ranges.isKnown(x);
        return ranges.select({known, known, {}}, x, get(coalesce.getRhs()));
      })
      .Case([&](BroadcastOp broadcast) -> FailureOr<Ends> {
        return moved(broadcast.getOperand(), [&](Value x) -> Value {
          return BroadcastOp::create(b, loc, typed(x), x, broadcast.getPlan());
        });
      })
      .Case([&](RenameOp rename) -> FailureOr<Ends> {
        return moved(rename.getOperand(), [&](Value x) -> Value {
          return RenameOp::create(b, loc, typed(x), x, rename.getSource(),
                                  rename.getTarget());
        });
      })
      .Case<StackOp, JoinOp>([&](auto made) -> FailureOr<Ends> {
        SmallVector<Value> lo, hi, known;
        bool interval = hasInterval(plain.getElementType());
        for (Value operand : made.getOperands()) {
          Ends x = get(operand);
          lo.push_back(x.lo);
          hi.push_back(x.hi);
          if (!interval)
            known.push_back(ranges.isKnown(x));
        }
        auto stacked = [&](ValueRange parts, Type element) -> Value {
          return decltype(made)::create(b, loc, plain.withElement(element),
                                        parts, made.getAlongAttr());
        };
        Value first = stacked(lo, plain.getElementType());
        if (!interval)
          return Ends{first, first, stacked(known, b.getI1Type())};
        return Ends{first, stacked(hi, plain.getElementType()), {}};
      })
      .Case([&](PickOp pick) -> FailureOr<Ends> {
        Ends position = get(pick.getPosition());
        Ends found = moved(pick.getOperand(), [&](Value x) -> Value {
          return PickOp::create(b, loc, x, pick.getAlongAttr(), position.lo);
        });
        if (!isRange(type))
          return found;
        // Outside the axis, or at an unknown position, nothing is known.
        Value where = position.lo;
        Value extent = SizeOp::create(b, loc, ArrayType::get(b.getI64Type()),
                                      pick.getAlongAttr());
        if (where.getType() !=
            cast<ArrayType>(where.getType()).withElement(b.getI64Type()))
          where = CastOp::create(
              b, loc,
              cast<ArrayType>(where.getType()).withElement(b.getI64Type()),
              where);
        Value inside = ranges.both(
            ranges.op(CompareKind::ge, where, ranges.number(where, 0)),
            ranges.op(CompareKind::lt, where, extent));
        if (!position.isPoint())
          inside = ranges.both(inside, ranges.isKnown(position));
        return ranges.orEverything(inside, found);
      })
      .Case([&](ReduceOp reduce) -> FailureOr<Ends> {
        return reduced(reduce, plain, ranges);
      })
      .Case([&](ContractOp contract) -> FailureOr<Ends> {
        if (isRange(contract.getLhs()) && isRange(contract.getRhs())) {
          contract.emitError("a product of two values that may be unknown is "
                             "not compiled");
          return failure();
        }
        // Elementwise products of intervals, then the sums of their ends.
        auto wide = [&](Value value) {
          Ends x = get(value);
          return ranges.cast(
              x, cast<ArrayType>(x.lo.getType()).withElement(b.getF32Type()));
        };
        Ends product = ranges.binary(BinaryKind::mul, wide(contract.getLhs()),
                                     wide(contract.getRhs()));
        auto sum = [&](Value of) -> Value {
          return ReduceOp::create(b, loc, plain, ReduceKind::sum, of, Value());
        };
        Ends result = {sum(product.lo), sum(product.hi), {}};
        Value one = ranges.op(CompareKind::ne, ranges.isNaN(result.lo),
                              ranges.isNaN(result.hi));
        return ranges.orEverything(ranges.negated(one), result);
      })
      .Case([&](TextFnOp text) -> FailureOr<Ends> {
        SmallVector<Value> operands;
        Value known;
        for (Value operand : text.getOperands()) {
          Ends x = get(operand);
          operands.push_back(x.lo);
          if (x.isPoint())
            continue;
          Value here = ranges.isKnown(x);
          known = known ? ranges.both(known, here) : here;
        }
        Value value = TextFnOp::create(b, loc, plain, text.getNameAttr(),
                                       operands, text.getArgumentsAttr());
        return known ? ranges.orEverything(known, {value, value, {}})
                     : Ends{value, value, {}};
      })
      .Case<FindOp, SubsetOp>([&](Operation *asked) -> FailureOr<Ends> {
        // Nothing is in an empty collection, which is in every other.
        Ends x = get(asked->getOperand(0)), y = get(asked->getOperand(1));
        Value empty = isa<SubsetOp>(asked) ? x.lo : y.lo;
        Operation *plainly = asked->clone();
        plainly->setOperands({x.lo, y.lo});
        plainly->getResult(0).setType(plain);
        b.insert(plainly);
        Value answer = plainly->getResult(0);
        if (isa<FindOp>(asked) &&
            isa<SetType>(cast<ArrayType>(y.lo.getType()).getElementType()))
          // A set has no places to tell apart.
          answer = ranges.pick(
              ranges.op(CompareKind::ge, answer, ranges.number(answer, 0)),
              ranges.number(answer, 0), ranges.number(answer, -1));
        Value known = ranges.both(ranges.isKnown(x), ranges.isKnown(y));
        bool always = isa<SubsetOp>(asked) ? x.isPoint() : y.isPoint();
        Value none = IsEmptyOp::create(b, loc, empty);
        if (!always)
          none =
              ranges.both(ranges.isKnown(isa<SubsetOp>(asked) ? x : y), none);
        return ranges.orEverything(ranges.either(known, none),
                                   {answer, answer, {}});
      })
      .Case<InsertOp, RemoveOp>([&](Operation *change) -> FailureOr<Ends> {
        // What is unknown changes nothing.
        Value before = change->getOperand(0);
        Ends member = get(change->getOperand(1));
        Operation *plainly = change->clone();
        plainly->setOperand(1, member.lo);
        b.insert(plainly);
        Value after =
            ranges.pick(ranges.isKnown(member), plainly->getResult(0), before);
        return Ends{after, after, {}};
      })
      .Case([&](EmitOp emit) -> FailureOr<Ends> {
        SmallVector<Value> parts;
        addParts(emit.getValue(), parts);
        bool interval =
            hasInterval(plainType(emit.getValue().getType()).getElementType());
        std::string name = emit.getName().str();
        EmitOp::create(b, loc,
                       b.getStringAttr(name + (interval ? ".lower" : "")),
                       parts[0], emit.getUnitAttr());
        EmitOp::create(b, loc,
                       b.getStringAttr(name + (interval ? ".upper" : ".known")),
                       parts[1], interval ? emit.getUnitAttr() : StringAttr());
        return Ends{};
      })
      .Default([&](Operation *other) -> FailureOr<Ends> {
        other->emitError() << "'" << other->getName()
                           << "' on values that may be unknown is not compiled";
        return failure();
      });
}

/// Each end on its own where the reduction is monotone in every element.
/// Integer sums that may wrap and products with negative factors leave
/// anything.
Ends Expander::reduced(ReduceOp op, ArrayType plain, RangeBuilder &ranges) {
  Ends x = get(op.getOperand());
  ReduceKind kind = op.getKind();
  auto reduce = [&](ReduceKind how, Value of, Type element) -> Value {
    return ReduceOp::create(b, op.getLoc(), plain.withElement(element), how, of,
                            op.getPlan());
  };
  auto allOf = [&](Value truth) {
    return reduce(ReduceKind::all, truth, b.getI1Type());
  };
  Type element = plain.getElementType();
  bool floating = isa<FloatType>(element);
  Value lo = reduce(kind, x.lo, element), fine;
  switch (kind) {
  case ReduceKind::max:
  case ReduceKind::min:
  case ReduceKind::any:
  case ReduceKind::all:
  case ReduceKind::count:
  case ReduceKind::mean:
    break;
  case ReduceKind::sum: {
    if (floating)
      break;
    auto size = [&](Value end) {
      auto type = cast<ArrayType>(end.getType()).withElement(b.getF64Type());
      return ranges.op(UnaryKind::abs,
                       CastOp::create(b, op.getLoc(), type, end));
    };
    Value total = reduce(ReduceKind::sum,
                         ranges.op(BinaryKind::max, size(x.lo), size(x.hi)),
                         b.getF64Type());
    fine = ranges.op(CompareKind::lt, total,
                     ranges.number(total, 0x1p63 * (1 - 0x1p-50)));
    break;
  }
  case ReduceKind::product:
    fine = allOf(ranges.op(CompareKind::ge, x.lo, ranges.number(x.lo, 0)));
    break;
  default: // known where everything is
    return ranges.orEverything(allOf(ranges.isKnown(x)), {lo, lo, {}});
  }
  Ends result = {lo, reduce(kind, x.hi, element), {}};
  if (floating) {
    Value strange =
        ranges.either(ranges.isNaN(result.lo), ranges.isNaN(result.hi));
    Value numbers = ranges.negated(strange);
    fine = fine ? ranges.both(fine, numbers) : numbers;
  }
  if (!fine)
    return result;
  return ranges.orEverything(ranges.either(allOf(ranges.isKnown(x)), fine),
                             result);
}

LogicalResult Expander::expandChoose(ChooseOp op) {
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
        Type element = plainType(key.getType()).getElementType();
        if (isa<FloatType>(element)) {
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
  for (Value table : op.getTable())
    if (isRange(table))
      return op.emitError("a table that may be unknown is not compiled");
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
LogicalResult Expander::expandPlans(Operation *op) {
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
LogicalResult Expander::expandRegions(Operation *op) {
  SmallVector<Value> operands;
  for (auto [i, operand] : llvm::enumerate(op->getOperands())) {
    bool condition = isa<IfOp>(op);
    bool bound = isa<ForOp>(op) && (operand == cast<ForOp>(op).getCount() ||
                                    operand == cast<ForOp>(op).getOrder());
    if (bound && isRange(operand))
      return op->emitError(
          "a loop whose extent may be unknown is not compiled");
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
void Expander::expandReturn(ReturnOp op) {
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
      if (func.getKind() == FuncKind::steps) {
        func.emitError("'") << func.getSymName()
                            << "' calls the host while it runs, which compiled "
                               "code cannot do yet";
        return signalPassFailure();
      }
      if (!func.getBody().hasOneBlock() || failed(expand(func.getBody())))
        return signalPassFailure();
    }
    for (auto budget : getOperation().getOps<BudgetOp>())
      for (Region *region :
           {&budget.getReserve(), &budget.getLimit(), &budget.getPer()})
        if (failed(expand(*region)))
          return signalPassFailure();
  }

  static LogicalResult expand(Region &region) {
    return region.empty() ? success() : Expander(region.front()).run();
  }
};
} // namespace
