// Choices: which form each takes, membership, rules and else chains.
#include "Lowering.h"
#include "route/Dialect/Route/IR/RowChoice.h"
#include "route/Dialect/Row/IR/RowDialect.h"

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
      (void)notCovered(route.getDefiningOp() ? route.getDefiningOp() : func,
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

LogicalResult Lowering::lowerChoose(ChooseOp op) {
  Plan rows;
  rows.axis = rows.base = op.getAxisAttr();
  rows.candidates = op.getCandidatesAttr();
  for (auto axis : op.getPer().getAsRange<Axis>())
    rows.per.push_back(axis);
  if (isPart(op))
    return lowerPart(op, rows);
  // Outside a row program all items are chosen for at once.
  if (!item &&
      (!isRowChoice(op, tables) ||
       !tensorType(dimsOf(rows.per), b.getI32Type()).hasStaticShape())) {
    if (op.getKind() == ChoiceKind::path)
      return op.getUnder() ? notCovered(op, "budgets of a path")
                           : lowerPath(op, rows);
    if (!op.getBody().empty() || op.getUnder())
      return lowerRounds(op, rows);
    return op.getKind() == ChoiceKind::listed ? lowerListedColumns(op, rows)
                                              : lowerColumnChoice(op, rows);
  }
  if (op.getKind() == ChoiceKind::listed)
    return lowerListed(op, rows);
  return lowerRowChoice(op, rows);
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
  if (!item)
    return lowerMemberByPlace(op);
  if (dims != full || ShapedType::isDynamic(staticSize(rows.candidates)))
    return notCovered(op, "membership at these positions");
  set(op.getResult(),
      row::ContainsOp::create(b, loc, tensorType(dims, b.getI1Type()),
                              rows.indices));
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

Value lowering::firstThatFires(OpBuilder &b, Location loc, ValueRange whens,
                               ValueRange counts) {
  auto constant = [&](int32_t value) -> Value {
    return arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(value));
  };
  Value result = constant(-1);
  for (unsigned i = whens.size(); i-- > 0;) {
    Value some = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sgt,
                                       counts[i], constant(0));
    Value fires = arith::AndIOp::create(b, loc, whens[i], some);
    result = arith::SelectOp::create(b, loc, fires, constant(i), result);
  }
  return result;
}

/// Rules and else chains: for each item the rows of the first plan that may
/// fire and has any.
LogicalResult Lowering::lowerFirstPlan(FirstPlanOp op) {
  if (!item)
    return firstPlanColumns(op);
  Location loc = op.getLoc();
  SmallVector<Plan> sources;
  for (Value source : op.getPlans())
    sources.push_back(plan(source));
  Plan rows = sources.front();
  rows.axis = rows.base = op.getAxisAttr();
  for (const Plan &source : sources) {
    if (source.per != rows.per || source.candidates != rows.candidates)
      return notCovered(op, "plans from different axes in one rule set");
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
            SmallVector<Value> whens, counts;
            for (unsigned i = 0; i < number; ++i) {
              whens.push_back(args[2 * i]);
              counts.push_back(args[2 * i + 1]);
            }
            return firstThatFires(inner, at, whens, counts);
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
      return notCovered(op, "plan columns of this type");
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
