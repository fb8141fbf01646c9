// Choices and the row programs around them.
#include "Lowering.h"
#include "route/Dialect/Row/IR/RowDialect.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace route;
using namespace route::lowering;

/// A key or mask with the dimensions of the plan's items and then of its
/// candidates; where an item axis is a parent of the candidates, only that
/// parent's children are candidates, and the last dimension counts them.
Value Lowering::candidatesLast(Value route, const Plan &plan, Type type,
                               Location loc) {
  Value source = get(route);
  if (!source)
    return {};
  auto from = cast<ArrayType>(route.getType());
  SmallVector<Axis> dims;
  for (Axis dim : dimsOf(plan.per))
    if (!descends(plan.candidates, dim))
      dims.push_back(dim);
  dims.push_back(plan.candidates);
  if (dimsOf(from) != dims) {
    source = giveDown(source, dimsOf(from), dims, loc);
    if (!source) {
      (void)unsupported(route.getDefiningOp() ? route.getDefiningOp() : func,
                        "a key or mask over these axes");
      return {};
    }
  }
  auto wide = cast<RankedTensorType>(tensorType(dimsOf(plan.per), type));
  if (wide.getRank() == static_cast<int64_t>(dims.size()) - 1)
    return source;
  SmallVector<int64_t> shape(wide.getShape());
  shape.push_back(staticSize(plan.candidates) / wide.getShape().back());
  SmallVector<ReassociationIndices> groups;
  for (unsigned i = 0; i + 1 < dims.size(); ++i)
    groups.push_back({i});
  groups.push_back({static_cast<int64_t>(dims.size()) - 1,
                    static_cast<int64_t>(dims.size())});
  return tensor::ExpandShapeOp::create(
      b, loc, RankedTensorType::get(shape, element(type)), source, groups);
}

/// Whether `value` is a broadcast to the plan axis of `prefix`, and of what.
static Value takenAlong(Value value, Value prefix) {
  auto broadcast = value.getDefiningOp<BroadcastOp>();
  return broadcast && broadcast.getPlan() == prefix ? broadcast.getOperand()
                                                    : Value();
}

/// Whether `value` is computed from the rows kept so far.
static bool dependsOn(Value value, Block &block) {
  if (value.getParentBlock() != &block)
    return false;
  Operation *op = value.getDefiningOp();
  return !op || llvm::any_of(op->getOperands(), [&](Value operand) {
    return dependsOn(operand, block);
  });
}

namespace {
/// A running sum against a threshold, with conditions that do not change from
/// row to row: `always` ends the choice at once, without `may` nothing ends it.
struct Until {
  Value values, threshold;
  SmallVector<Value> always, may;
};
} // namespace

/// Matches `sum(values over chosen) >= threshold`, alone or joined by `and` and
/// `or` with conditions of the item.
static bool matchUntil(Value condition, Block &block, Until &until) {
  if (auto binary = condition.getDefiningOp<BinaryOp>();
      binary && (binary.getKind() == BinaryKind::logical_and ||
                 binary.getKind() == BinaryKind::logical_or))
    for (auto [fixed, rest] : {std::pair(binary.getLhs(), binary.getRhs()),
                               std::pair(binary.getRhs(), binary.getLhs())})
      if (!dependsOn(fixed, block) && until.always.empty() &&
          until.may.empty()) {
        (binary.getKind() == BinaryKind::logical_and ? until.may : until.always)
            .push_back(fixed);
        return matchUntil(rest, block, until);
      }
  auto compare = condition.getDefiningOp<CompareOp>();
  if (!compare)
    return false;
  Value sumSide = compare.getLhs(), other = compare.getRhs();
  if (compare.getKind() == CompareKind::le)
    std::swap(sumSide, other);
  else if (compare.getKind() != CompareKind::ge)
    return false;
  auto sum = sumSide.getDefiningOp<ReduceOp>();
  if (!sum || sum.getKind() != ReduceKind::sum || dependsOn(other, block))
    return false;
  until.values = takenAlong(sum.getOperand(), block.getArgument(0));
  until.threshold = other;
  return until.values && !dependsOn(until.values, block);
}

LogicalResult Lowering::lowerChoose(ChooseOp op) {
  Location loc = op.getLoc();
  Plan rows;
  rows.axis = op.getAxisAttr();
  rows.candidates = op.getCandidatesAttr();
  for (auto axis : op.getPer().getAsRange<Axis>())
    rows.per.push_back(axis);
  if (op.getUnder())
    return unsupported(op, "budgets");
  // Outside a row program all items are chosen for at once.
  if (!item && !tensorType(dimsOf(rows.per), b.getI32Type()).hasStaticShape())
    return unsupported(op, "a choice outside a row program");
  if (op.getGreedy() || op.getKind() == ChoiceKind::path)
    return unsupported(op, "this form of choice");
  if (op.getKind() == ChoiceKind::listed)
    return lowerListed(op, rows);
  if (op.getSource())
    return unsupported(op, "a choice from a plan");
  SmallVector<Axis> batch = dimsOf(rows.per);
  bool nested = llvm::any_of(rows.per, [&](Axis axis) {
    return axis != rows.candidates && descends(rows.candidates, axis);
  });
  if (nested && (batch.empty() || !descends(rows.candidates, batch.back())))
    return unsupported(op, "this order of item axes");
  int64_t candidates = staticSize(rows.candidates);
  if (nested && !ShapedType::isDynamic(candidates))
    candidates /= staticSize(batch.back());
  if (ShapedType::isDynamic(candidates))
    return unsupported(op, "candidates on an axis whose size the call decides");

  SmallVector<Value> keys;
  for (Value key : op.getKeys()) {
    Type type = cast<ArrayType>(key.getType()).getElementType();
    Value tensor = candidatesLast(key, rows, type, loc);
    if (!tensor)
      return failure();
    Type low = element(type);
    if (low.isBF16() || low.isF16()) {
      auto wide =
          cast<RankedTensorType>(tensor.getType()).clone(b.getF32Type());
      tensor = arith::ExtFOp::create(b, loc, wide, tensor);
    }
    keys.push_back(tensor);
  }
  Value mask;
  if (op.getMask() &&
      !(mask = candidatesLast(op.getMask(), rows, b.getI1Type(), loc)))
    return failure();
  Value count, values, threshold;
  rows.rank = candidates;
  if (op.getKind() == ChoiceKind::count) {
    if (std::optional<int64_t> fixed = constantOf(op.getCount())) {
      rows.rank = std::clamp<int64_t>(*fixed, 1, candidates);
      if (*fixed <= 0)
        return unsupported(op, "a choice of nothing");
    } else {
      Value wide = get(op.getCount());
      if (!wide)
        return failure();
      auto type = cast<ArrayType>(op.getCount().getType());
      SmallVector<Axis> dims = dimsOf(type);
      // A count for some of the item axes holds for all below them.
      count = map(dims.empty() ? dims : batch, b.getI32Type(),
                  Operand{wide, type}, loc,
                  [&](OpBuilder &inner, Location at, ValueRange args) -> Value {
                    // Clamped first: the count may be any i64.
                    Value top = arith::ConstantOp::create(
                        inner, at, inner.getI64IntegerAttr(candidates));
                    Value low = arith::ConstantOp::create(
                        inner, at, inner.getI64IntegerAttr(0));
                    Value clamped = arith::MinSIOp::create(
                        inner, at,
                        arith::MaxSIOp::create(inner, at, args[0], low), top);
                    return arith::TruncIOp::create(inner, at,
                                                   inner.getI32Type(), clamped);
                  });
    }
  } else if (op.getKind() == ChoiceKind::until) {
    Until until;
    Block &block = op.getBody().front();
    if (!matchUntil(cast<YieldOp>(block.back()).getOperand(0), block, until))
      return unsupported(op, "`until` with a predicate other than a running "
                             "sum against a threshold");
    for (Operation &inner : block.without_terminator())
      if (llvm::none_of(inner.getResults(),
                        [&](Value v) { return dependsOn(v, block); }) &&
          failed(lower(&inner)))
        return failure();
    values = candidatesLast(
        until.values, rows,
        cast<ArrayType>(until.values.getType()).getElementType(), loc);
    SmallVector<Operand> operands;
    for (Value part : {until.threshold,
                       until.always.empty() ? Value() : until.always.front(),
                       until.may.empty() ? Value() : until.may.front()})
      if (part) {
        Value tensor = get(part);
        if (!tensor)
          return failure();
        operands.push_back({tensor, cast<ArrayType>(part.getType())});
      }
    bool scalar = llvm::all_of(
        operands, [&](Operand &part) { return dimsOf(part.type).empty(); });
    // A threshold of minus infinity ends the choice with its first row, one of
    // NaN never does.
    threshold = map(
        scalar ? ArrayRef<Axis>() : ArrayRef<Axis>(batch), b.getF32Type(),
        operands, loc, [&](OpBuilder &inner, Location at, ValueRange args) {
          Value result = args[0];
          auto edge = [&](float value) -> Value {
            return arith::ConstantOp::create(inner, at,
                                             inner.getF32FloatAttr(value));
          };
          if (!until.always.empty())
            return arith::SelectOp::create(
                       inner, at, args[1],
                       edge(-std::numeric_limits<float>::infinity()), result)
                .getResult();
          if (!until.may.empty())
            return arith::SelectOp::create(
                       inner, at, args[1], result,
                       edge(std::numeric_limits<float>::quiet_NaN()))
                .getResult();
          return result;
        });
    if (!values || !threshold)
      return failure();
  }
  SmallVector<int64_t> shape(tensorType(batch, b.getI32Type()).getShape());
  auto chosenType = RankedTensorType::get(shape, b.getI32Type());
  shape.push_back(rows.rank);
  SmallVector<Value> inputs(keys);
  for (Value part : {mask, count, values, threshold})
    if (part)
      inputs.push_back(part);
  SmallVector<Value> made =
      inRowProgram(inputs, loc, [&](ValueRange in) -> SmallVector<Value> {
        ValueRange left = in.drop_front(keys.size());
        auto next = [&](Value part) -> Value {
          if (!part)
            return {};
          Value taken = left.front();
          left = left.drop_front();
          return taken;
        };
        Value where = next(mask), most = next(count), sums = next(values),
              end = next(threshold);
        auto choose = row::ChooseOp::create(
            b, loc, RankedTensorType::get(shape, b.getI32Type()), chosenType,
            in.take_front(keys.size()), where, most, sums, end,
            keys.empty() ? DenseBoolArrayAttr() : op.getUpAttr());
        return {choose.getIndices(), choose.getChosen()};
      });
  rows.indices = made[0];
  rows.counts = made[1];
  plans[rows.axis.getValue()] = rows;
  if (nested) {
    // Positions within the parent become positions on the whole axis.
    Plan &stored = plans[rows.axis.getValue()];
    auto type = ArrayType::get(b.getI32Type(), ArrayRef<Axis>(rows.axis));
    SmallVector<Axis> dims = dimsOf(type);
    stored.indices = map(
        dims, b.getI32Type(), Operand{rows.indices, type}, loc,
        [&](OpBuilder &inner, Location at, ValueRange args) -> Value {
          Value parent = arith::IndexCastOp::create(
              inner, at, inner.getI32Type(),
              linalg::IndexOp::create(inner, at, batch.size() - 1));
          Value first = arith::MulIOp::create(
              inner, at, parent,
              arith::ConstantOp::create(inner, at,
                                        inner.getI32IntegerAttr(candidates)));
          Value there = arith::CmpIOp::create(
              inner, at, arith::CmpIPredicate::sge, args[0],
              arith::ConstantOp::create(inner, at, inner.getI32IntegerAttr(0)));
          return arith::SelectOp::create(
              inner, at, there,
              arith::AddIOp::create(inner, at, args[0], first), args[0]);
        });
  }
  return success();
}

LogicalResult Lowering::lowerMember(MemberOp op) {
  Location loc = op.getLoc();
  Plan rows = plan(op.getPlan());
  auto type = cast<ArrayType>(op.getType());
  SmallVector<Axis> dims = dimsOf(type), items = dimsOf(rows.per), full = items;
  full.push_back(rows.candidates);
  if (dims == items) { // whether the item has any row
    set(op.getResult(),
        map(dims, b.getI1Type(),
            Operand{rows.counts, ArrayType::get(b.getI32Type(), rows.per)}, loc,
            [](OpBuilder &inner, Location at, ValueRange args) -> Value {
              return arith::CmpIOp::create(
                  inner, at, arith::CmpIPredicate::sgt, args[0],
                  arith::ConstantOp::create(inner, at,
                                            inner.getI32IntegerAttr(0)));
            }));
    return success();
  }
  if (dims != full ||
      (!item && !tensorType(full, b.getI1Type()).hasStaticShape()) ||
      ShapedType::isDynamic(staticSize(rows.candidates)))
    return unsupported(op, "membership at these positions");
  Value found = inRowProgram(rows.indices, loc, [&](ValueRange in) {
                  return SmallVector<Value>{row::ContainsOp::create(
                      b, loc, tensorType(dims, b.getI1Type()), in[0])};
                }).front();
  set(op.getResult(), found);
  return success();
}

LogicalResult Lowering::lowerRank(RankOp op) {
  auto type = cast<ArrayType>(op.getType());
  SmallVector<Axis> dims = dimsOf(type);
  set(op.getResult(),
      map(dims, b.getI64Type(), {}, op.getLoc(),
          [&](OpBuilder &inner, Location at, ValueRange) -> Value {
            return arith::IndexCastOp::create(
                inner, at, inner.getI64Type(),
                linalg::IndexOp::create(inner, at, dims.size() - 1));
          }));
  return success();
}

/// Rules and else chains: for each item the rows of the first plan that may
/// fire and has any.
LogicalResult Lowering::lowerFirstPlan(FirstPlanOp op) {
  Location loc = op.getLoc();
  SmallVector<Plan> sources;
  for (Value source : op.getPlans())
    sources.push_back(plan(source));
  Plan rows = sources.front();
  rows.axis = op.getAxisAttr();
  for (const Plan &source : sources) {
    if (source.per != rows.per || source.candidates != rows.candidates)
      return unsupported(op, "plans from different axes in one rule set");
    rows.rank = std::max(rows.rank, source.rank);
  }
  SmallVector<Axis> batch = dimsOf(rows.per);
  auto batchType = ArrayType::get(b.getI32Type(), rows.per);
  // which = least i whose condition holds and that has rows; -1 without one.
  SmallVector<Operand> operands;
  for (auto [when, source] : llvm::zip(op.getWhens(), sources)) {
    Value condition = get(when);
    if (!condition)
      return failure();
    operands.push_back({condition, cast<ArrayType>(when.getType())});
    operands.push_back({source.counts, batchType});
  }
  unsigned number = sources.size();
  Value which =
      map(batch, b.getI32Type(), operands, loc,
          [&](OpBuilder &inner, Location at, ValueRange args) -> Value {
            auto constant = [&](int32_t value) -> Value {
              return arith::ConstantOp::create(inner, at,
                                               inner.getI32IntegerAttr(value));
            };
            Value result = constant(-1);
            for (unsigned i = number; i-- > 0;) {
              Value some =
                  arith::CmpIOp::create(inner, at, arith::CmpIPredicate::sgt,
                                        args[2 * i + 1], constant(0));
              Value fires = arith::AndIOp::create(inner, at, args[2 * i], some);
              result = arith::SelectOp::create(inner, at, fires, constant(i),
                                               result);
            }
            return result;
          });
  plans[rows.axis.getValue()] = rows;
  Plan &stored = plans[rows.axis.getValue()];
  // Everything by rank, padded with zero to the longest plan: rows past a
  // shorter plan's end are taken from nowhere.
  auto padded = [&](Value tensor, int64_t rank) -> Value {
    if (rank == rows.rank)
      return tensor;
    auto type = cast<RankedTensorType>(tensor.getType());
    SmallVector<int64_t> shape(type.getShape());
    shape.back() = rows.rank;
    SmallVector<int32_t> places;
    for (int64_t i = 0, n = ShapedType::getNumElements(shape); i < n; ++i)
      places.push_back(i % rows.rank < rank ? i % rows.rank : -1);
    auto placesType = RankedTensorType::get(shape, b.getI32Type());
    Value at = arith::ConstantOp::create(
        b, loc, DenseElementsAttr::get(placesType, ArrayRef(places)));
    return row::TakeOp::create(
        b, loc, RankedTensorType::get(shape, type.getElementType()), tensor,
        at);
  };
  auto axisType = [&](Type type) {
    return ArrayType::get(type, ArrayRef<Axis>(rows.axis));
  };
  auto merged = [&](ArrayRef<Value> tensors, ArrayRef<Axis> dims,
                    ArrayType type, Attribute filler) -> Value {
    SmallVector<Operand> all = {{which, batchType}};
    for (Value tensor : tensors)
      all.push_back({tensor, type});
    return map(
        dims, type.getElementType(), all, loc,
        [&](OpBuilder &inner, Location at, ValueRange args) -> Value {
          Value result =
              arith::ConstantOp::create(inner, at, cast<TypedAttr>(filler));
          for (unsigned i = 0; i < number; ++i) {
            Value mine = arith::CmpIOp::create(
                inner, at, arith::CmpIPredicate::eq, args[0],
                arith::ConstantOp::create(inner, at,
                                          inner.getI32IntegerAttr(i)));
            if (dims.size() > batch.size() && sources[i].rank < rows.rank) {
              Value place = linalg::IndexOp::create(inner, at, dims.size() - 1);
              Value end = arith::ConstantOp::create(
                  inner, at, inner.getI32IntegerAttr(sources[i].rank));
              Value there = arith::CmpIOp::create(
                  inner, at, arith::CmpIPredicate::slt,
                  arith::IndexCastOp::create(inner, at, inner.getI32Type(),
                                             place),
                  end);
              mine = arith::AndIOp::create(inner, at, mine, there);
            }
            result =
                arith::SelectOp::create(inner, at, mine, args[i + 1], result);
          }
          return result;
        });
  };
  Attribute none = b.getI32IntegerAttr(-1), zero = b.getI32IntegerAttr(0);
  SmallVector<Value> indices, counts;
  for (const Plan &source : sources) {
    indices.push_back(padded(source.indices, source.rank));
    counts.push_back(source.counts);
  }
  SmallVector<Axis> full = dimsOf(axisType(b.getI32Type()));
  stored.indices = merged(indices, full, axisType(b.getI32Type()), none);
  stored.counts = merged(counts, batch, batchType, zero);
  unsigned columns = op.getResultColumns().size();
  for (auto [column, result] : llvm::enumerate(op.getResultColumns())) {
    Type type = element(cast<ArrayType>(result.getType()).getElementType());
    if (!isa<IntegerType, FloatType>(type))
      return unsupported(op, "plan columns of this type");
    SmallVector<Value> parts;
    for (unsigned i = 0; i < number; ++i) {
      Value part = get(op.getColumns()[i * columns + column]);
      if (!part)
        return failure();
      parts.push_back(padded(part, sources[i].rank));
    }
    set(result, merged(parts, full, axisType(type), b.getZeroAttr(type)));
  }
  auto whichType = cast<ArrayType>(op.getWhich().getType());
  set(op.getWhich(),
      map(batch, whichType.getElementType(), Operand{which, batchType}, loc,
          [&](OpBuilder &inner, Location at, ValueRange args) -> Value {
            Type type = element(whichType.getElementType());
            return type == args[0].getType() ? args[0]
                                             : Value(arith::ExtSIOp::create(
                                                   inner, at, type, args[0]));
          }));
  return success();
}

LogicalResult Lowering::lowerRows(RowsOp op) {
  Location loc = op.getLoc();
  Axis axis = op.getItemAttr();
  Block &source = op.getBody().front();

  // What the region uses from outside, constants apart.
  llvm::SetVector<Value> captured;
  SmallVector<ConstantOp> constants;
  op.walk([&](Operation *nested) {
    if (nested == op)
      return;
    for (Value operand : nested->getOperands()) {
      if (op.getBody().isAncestor(operand.getParentRegion()))
        continue;
      if (auto constant = operand.getDefiningOp<ConstantOp>())
        constants.push_back(constant);
      else
        captured.insert(operand);
    }
  });

  SmallVector<Value> inputs, uniforms, outs;
  SmallVector<std::pair<Value *, bool>> slots;
  /// One tensor that enters the program: where its row is to be found inside.
  struct Entering {
    Value value;    // the array, or null for the parts of a plan
    StringRef plan; // the plan's axis
    bool counts;
  };
  SmallVector<Entering> varyingOf, uniformOf;
  auto enter = [&](Value tensor, ArrayRef<Axis> dims, Entering what) {
    if (!llvm::is_contained(dims, axis)) {
      uniforms.push_back(tensor);
      uniformOf.push_back(what);
      return;
    }
    SmallVector<Axis> front = {axis};
    llvm::append_range(front, llvm::make_filter_range(
                                  dims, [&](Axis dim) { return dim != axis; }));
    inputs.push_back(transposeTo(tensor, dims, front, loc));
    varyingOf.push_back(what);
  };
  for (Value value : captured) {
    if (auto type = dyn_cast<PlanType>(value.getType())) {
      Plan &rows = plan(value);
      SmallVector<Axis> dims = dimsOf(ArrayRef<Axis>(rows.axis));
      enter(rows.indices, dims, {{}, rows.axis.getValue(), false});
      enter(rows.counts, ArrayRef(dims).drop_back(),
            {{}, rows.axis.getValue(), true});
      continue;
    }
    Value tensor = get(value);
    if (!tensor)
      return failure();
    enter(tensor, dimsOf(cast<ArrayType>(value.getType())), {value, {}, false});
  }

  // The body is converted first, apart, so that the outputs' shapes are known.
  auto savedValues = values;
  llvm::StringMap<Plan> savedPlans = plans;
  auto savedSizes = sizes;
  OpBuilder::InsertPoint before = b.saveInsertionPoint();
  Block *body = new Block;
  Region holder;
  holder.push_back(body);
  item = axis;
  sizes.clear();
  b.setInsertionPointToStart(body);
  auto bind = [&](const Entering &what, Value tensor, bool varying) {
    Value argument = body->addArgument(
        row::ProgramOp::rowType(tensor.getType(), varying), loc);
    if (what.value)
      set(what.value, argument);
    else if (what.counts)
      plans[what.plan].counts = argument;
    else
      plans[what.plan].indices = argument;
    if (what.value)
      for (auto [i, dim] :
           llvm::enumerate(dimsOf(cast<ArrayType>(what.value.getType()))))
        if (ShapedType::isDynamic(staticSize(dim)) &&
            !sizes.contains(dim.getValue()))
          sizes[dim.getValue()] = tensor::DimOp::create(b, loc, argument, i);
  };
  for (auto [tensor, what] : llvm::zip(inputs, varyingOf))
    bind(what, tensor, true);
  for (auto [tensor, what] : llvm::zip(uniforms, uniformOf))
    bind(what, tensor, false);
  LogicalResult result = success();
  for (ConstantOp constant : constants)
    if (failed(result = lowerConstant(constant)))
      break;
  if (succeeded(result))
    result = lowerBlock(source);
  // Rows that leave, the chosen positions and counts of plans in two.
  SmallVector<Value> leaving;
  SmallVector<SmallVector<Axis>> leavingDims;
  auto yield = cast<YieldOp>(source.getTerminator());
  if (succeeded(result)) {
    auto leave = [&](Value tensor, ArrayRef<Axis> dims) {
      leaving.push_back(tensor);
      SmallVector<Axis> front = {axis};
      llvm::append_range(front, dims);
      leavingDims.push_back(front);
    };
    for (Value value : yield.getOperands()) {
      if (isa<PlanType>(value.getType())) {
        Plan &rows = plan(value);
        SmallVector<Axis> dims = dimsOf(ArrayRef<Axis>(rows.axis));
        leave(rows.indices, dims);
        leave(rows.counts, ArrayRef(dims).drop_back());
        continue;
      }
      Value tensor = get(value);
      if (!tensor) {
        result = failure();
        break;
      }
      leave(tensor, dimsOf(cast<ArrayType>(value.getType())));
    }
    row::YieldOp::create(b, loc, leaving);
  }
  llvm::StringMap<Plan> innerPlans = plans;
  values = std::move(savedValues);
  plans = std::move(savedPlans);
  sizes = std::move(savedSizes);
  item = {};
  b.restoreInsertionPoint(before);
  if (failed(result)) {
    body->dropAllReferences();
    return failure();
  }
  SmallVector<Type> types;
  for (auto [tensor, dims] : llvm::zip(leaving, leavingDims)) {
    auto type = cast<RankedTensorType>(tensor.getType());
    SmallVector<OpFoldResult> shape = {size(axis, loc)};
    SmallVector<int64_t> fixed = {staticSize(axis)};
    for (auto [extent, dim] :
         llvm::zip(type.getShape(), ArrayRef(dims).drop_front())) {
      fixed.push_back(extent);
      shape.push_back(ShapedType::isDynamic(extent)
                          ? size(dim, loc)
                          : OpFoldResult(b.getIndexAttr(extent)));
    }
    types.push_back(RankedTensorType::get(fixed, type.getElementType()));
    outs.push_back(
        tensor::EmptyOp::create(b, loc, shape, type.getElementType()));
  }
  auto program = row::ProgramOp::create(b, loc, types, inputs, uniforms, outs,
                                        ValueRange{});
  program.getBody().takeBody(holder);
  // Back outside: item axes return to where the array's type has them.
  unsigned next = 0;
  for (auto [inner, outer] : llvm::zip(yield.getOperands(), op.getResults())) {
    if (auto type = dyn_cast<PlanType>(outer.getType())) {
      Plan rows = innerPlans[type.getAxis().getValue()];
      rows.indices = program.getResult(next++);
      rows.counts = program.getResult(next++);
      plans[type.getAxis().getValue()] = rows;
      SmallVector<Axis> want = dimsOf(ArrayRef<Axis>(rows.axis));
      Plan &stored = plans[type.getAxis().getValue()];
      stored.indices =
          transposeTo(rows.indices, leavingDims[next - 2], want, loc);
      stored.counts = transposeTo(rows.counts, leavingDims[next - 1],
                                  ArrayRef(want).drop_back(), loc);
      continue;
    }
    // A column may come before its plan in the list.
    for (Axis used : cast<ArrayType>(outer.getType()).getAxes())
      if (innerPlans.contains(used.getValue()) &&
          !plans.contains(used.getValue()))
        plans[used.getValue()] = innerPlans[used.getValue()];
    set(outer, transposeTo(program.getResult(next), leavingDims[next],
                           dimsOf(cast<ArrayType>(outer.getType())), loc));
    ++next;
  }
  return success();
}
