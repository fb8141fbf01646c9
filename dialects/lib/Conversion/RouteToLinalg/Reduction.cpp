// Reductions along axes that the result lacks, as rows of numbers.
#include "Lowering.h"
#include "route/Dialect/Ragged/IR/Ragged.h"
#include "route/Dialect/Row/IR/RowDialect.h"

using namespace mlir;
using namespace route;
using namespace route::lowering;

Value route::lowering::widenTo(OpBuilder &b, Location loc, Value x, Type to) {
  Type from = x.getType();
  if (from == to)
    return x;
  if (isa<IntegerType>(from)) {
    if (isa<IntegerType>(to))
      return from.isInteger(1) ? Value(arith::ExtUIOp::create(b, loc, to, x))
                               : Value(arith::ExtSIOp::create(b, loc, to, x));
    return from.isInteger(1) ? Value(arith::UIToFPOp::create(b, loc, to, x))
                             : Value(arith::SIToFPOp::create(b, loc, to, x));
  }
  return from.getIntOrFloatBitWidth() < to.getIntOrFloatBitWidth()
             ? Value(arith::ExtFOp::create(b, loc, to, x))
             : Value(arith::TruncFOp::create(b, loc, to, x));
}

/// The tensor with its elements as `type`.
Value Lowering::widened(Value tensor, Type type, Location loc) {
  auto from = cast<RankedTensorType>(tensor.getType());
  if (from.getElementType() == type)
    return tensor;
  Value init = tensor::EmptyOp::create(
      b, loc, tensor::getMixedSizes(b, loc, tensor), type);
  AffineMap identity = b.getMultiDimIdentityMap(from.getRank());
  return linalg::GenericOp::create(
             b, loc, init.getType(), tensor, init,
             ArrayRef<AffineMap>{identity, identity},
             SmallVector<utils::IteratorType>(from.getRank(),
                                              utils::IteratorType::parallel),
             [&](OpBuilder &inner, Location at, ValueRange args) {
               linalg::YieldOp::create(inner, at,
                                       widenTo(inner, at, args[0], type));
             })
      .getResult(0);
}

/// A sum of f32 or f64 along the last dimension in the order of numerics.h.
/// Outside a row program the sum becomes one of its own.
Value Lowering::floatSum(Value tensor, bool sequential, Location loc) {
  auto type = cast<RankedTensorType>(tensor.getType());
  auto order =
      sequential ? row::SumOrder::Sequential : row::SumOrder::Butterfly;
  auto sumOf = [&](OpBuilder &builder, Value value) -> Value {
    auto from = cast<RankedTensorType>(value.getType());
    auto to = RankedTensorType::get(from.getShape().drop_back(),
                                    from.getElementType());
    return row::SumOp::create(builder, loc, to, order, value);
  };
  if (item)
    return sumOf(b, tensor);
  auto to =
      RankedTensorType::get(type.getShape().drop_back(), type.getElementType());
  if (type.getRank() == 1) {
    SmallVector<OpFoldResult> shape = {b.getIndexAttr(1),
                                       tensor::getMixedSize(b, loc, tensor, 0)};
    Value one = tensor::ExpandShapeOp::create(
        b, loc,
        RankedTensorType::get({1, type.getDimSize(0)}, type.getElementType()),
        tensor, ArrayRef<ReassociationIndices>{{0, 1}}, shape);
    Value sum = floatSum(one, sequential, loc);
    return tensor::CollapseShapeOp::create(b, loc, to, sum,
                                           ArrayRef<ReassociationIndices>{});
  }
  SmallVector<OpFoldResult> shape = tensor::getMixedSizes(b, loc, tensor);
  Value init = tensor::EmptyOp::create(b, loc, ArrayRef(shape).drop_back(),
                                       type.getElementType());
  auto program =
      row::ProgramOp::create(b, loc, TypeRange(to), ValueRange(tensor),
                             ValueRange{}, ValueRange(init), ValueRange{});
  Block *body = b.createBlock(&program.getBody());
  Value argument = body->addArgument(row::ProgramOp::rowType(type, true), loc);
  row::YieldOp::create(b, loc, sumOf(b, argument));
  b.setInsertionPointAfter(program);
  return program.getResult(0);
}

TypedAttr route::lowering::identityOf(OpBuilder &b, ReduceKind kind,
                                      Type type) {
  bool isFloat = isa<FloatType>(type);
  switch (kind) {
  case ReduceKind::max:
  case ReduceKind::min: {
    bool low = kind == ReduceKind::max;
    if (auto floating = dyn_cast<FloatType>(type))
      return b.getFloatAttr(type,
                            APFloat::getInf(floating.getFloatSemantics(), low));
    unsigned width = type.getIntOrFloatBitWidth();
    return b.getIntegerAttr(type, low ? APInt::getSignedMinValue(width)
                                      : APInt::getSignedMaxValue(width));
  }
  case ReduceKind::all:
    return b.getIntegerAttr(type, 1);
  case ReduceKind::product:
    return isFloat ? cast<TypedAttr>(b.getFloatAttr(type, 1.0))
                   : cast<TypedAttr>(b.getIntegerAttr(type, 1));
  default:
    return b.getZeroAttr(type);
  }
}

Value route::lowering::combineOf(OpBuilder &b, Location loc, ReduceKind kind,
                                 Value x, Value y) {
  bool isFloat = isa<FloatType>(x.getType());
#define ROUTE_PICK(F, I)                                                       \
  (isFloat ? Value(F::create(b, loc, x, y)) : Value(I::create(b, loc, x, y)))
  switch (kind) {
  case ReduceKind::max:
    return ROUTE_PICK(arith::MaximumFOp, arith::MaxSIOp);
  case ReduceKind::min:
    return ROUTE_PICK(arith::MinimumFOp, arith::MinSIOp);
  case ReduceKind::product:
    return ROUTE_PICK(arith::MulFOp, arith::MulIOp);
  case ReduceKind::any:
    return arith::OrIOp::create(b, loc, x, y);
  case ReduceKind::all:
    return arith::AndIOp::create(b, loc, x, y);
  default:
    return ROUTE_PICK(arith::AddFOp, arith::AddIOp);
  }
#undef ROUTE_PICK
}

/// Whether `value` is true everywhere: the spec's way to count rows.
static bool isTrue(Value value) {
  if (auto rows = value.getDefiningOp<RowsOp>())
    value = rows.getBody().front().getTerminator()->getOperand(
        cast<OpResult>(value).getResultNumber());
  if (auto broadcast = value.getDefiningOp<BroadcastOp>())
    value = broadcast.getOperand();
  auto constant = value.getDefiningOp<ConstantOp>();
  auto truth =
      constant ? dyn_cast<IntegerAttr>(constant.getValue()) : IntegerAttr();
  return truth && !truth.getValue().isZero();
}

/// Whether the elements of one result are no row of a dense array: outside row
/// programs these go one by one to their places.
bool Lowering::isByPlace(ReduceOp op) {
  auto from = cast<ArrayType>(op.getOperand().getType()),
       to = cast<ArrayType>(op.getType());
  SmallVector<Axis> dims = dimsOf(from), kept = dimsOf(to);
  ReduceKind kind = op.getKind();
  bool above = false;
  for (Axis dim : kept) {
    if (llvm::is_contained(dims, dim))
      continue;
    // A parent whose children are equally many splits their dimension.
    above |= llvm::none_of(dims, [&](Axis child) {
      return kindOf(child) != AxisKind::plan && descends(child, dim) &&
             parentOf(child) == dim &&
             !ShapedType::isDynamic(staticSize(dim)) &&
             !ShapedType::isDynamic(staticSize(child));
    });
  }
  if (kind == ReduceKind::count && op.getPlan() && above)
    // How often each candidate was chosen is counted by itself.
    return kept.size() != 1 || kept.front() != plan(op.getPlan()).candidates ||
           kindOf(kept.front()) == AxisKind::plan ||
           ShapedType::isDynamic(staticSize(kept.front())) ||
           (from.getElementType().isInteger(1) && !isTrue(op.getOperand()));
  if (above || kind == ReduceKind::mode)
    return true;
  // Rows that are missing have no place in these.
  if (op.getPlan() &&
      (kind == ReduceKind::argmax || kind == ReduceKind::argmin ||
       (kind == ReduceKind::count && !from.getElementType().isInteger(1)) ||
       (kind == ReduceKind::mean && kept != dimsOf(plan(op.getPlan()).per))))
    return true;
  if (kind == ReduceKind::argmax || kind == ReduceKind::argmin) {
    SmallVector<Axis> reduced;
    for (Axis dim : dims)
      if (!llvm::is_contained(kept, dim))
        reduced.push_back(dim);
    return reduced.size() != 1 || !kept.empty() ||
           ShapedType::isDynamic(staticSize(reduced.front()));
  }
  return false;
}

/// How often each candidate was chosen, for all items together.
LogicalResult Lowering::countChosen(ReduceOp op, Value source) {
  Location loc = op.getLoc();
  auto to = cast<ArrayType>(op.getType());
  SmallVector<Axis> kept = dimsOf(to);
  Type resultType = element(to.getElementType());
  Plan &rows = plan(op.getPlan());
  if (op.getKind() != ReduceKind::count || item || kept.size() != 1 ||
      kept.front() != rows.candidates)
    return notCovered(op, "this reduction to what was chosen");
  if (cast<RankedTensorType>(rows.indices.getType()).getRank() == 1)
    return reduceByPlace(op, source);
  Value none = arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(0));
  Value zero =
      linalg::FillOp::create(b, loc, none, empty(kept, b.getI32Type(), loc))
          .getResult(0);
  Value slots = rows.indices;
  if (int64_t rank = cast<RankedTensorType>(slots.getType()).getRank();
      rank > 2)
    slots = tensor::CollapseShapeOp::create(
        b, loc, slots,
        ArrayRef<ReassociationIndices>{
            llvm::to_vector(llvm::seq<int64_t>(0, rank - 1)), {rank - 1}});
  Value counts = ragged::CountOp::create(b, loc, TypeRange(zero.getType()),
                                         slots, Value(), zero)
                     ->getResult(0);
  set(op.getResult(),
      map(kept, resultType, Operand{counts, to}, loc,
          [&](OpBuilder &inner, Location at, ValueRange args) -> Value {
            return arith::ExtSIOp::create(inner, at, resultType, args[0]);
          }));
  return success();
}

/// Rows past a plan's count hold nothing: they take the identity.
Value Lowering::maskedRows(ReduceOp op, Value source) {
  auto from = cast<ArrayType>(op.getOperand().getType());
  Type type = cast<RankedTensorType>(source.getType()).getElementType();
  ReduceKind kind = op.getKind();
  Plan &rows = plan(op.getPlan());
  Attribute identity = identityOf(b, kind, type);
  auto indices = ArrayType::get(b.getI32Type(), ArrayRef<Axis>(rows.axis));
  return map(
      dimsOf(from), type,
      {Operand{source, from}, Operand{rows.indices, indices}}, op.getLoc(),
      [&](OpBuilder &inner, Location at, ValueRange args) -> Value {
        Value none =
            arith::ConstantOp::create(inner, at, cast<TypedAttr>(identity));
        Value there = arith::CmpIOp::create(
            inner, at, arith::CmpIPredicate::sge, args[1],
            arith::ConstantOp::create(inner, at, inner.getI32IntegerAttr(0)));
        if (kind == ReduceKind::count && type.isInteger(1))
          return arith::AndIOp::create(inner, at, there, args[0]);
        return arith::SelectOp::create(inner, at, there, args[0], none);
      });
}

/// Splits the dimensions of `source` for parents in `kept` whose children lie
/// side by side: each becomes the parent's and, inside it, the child's.
bool Lowering::splitParents(Value &source, SmallVector<Axis> &dims,
                            ArrayRef<Axis> kept, Location loc) {
  for (Axis dim : kept) {
    if (llvm::is_contained(dims, dim))
      continue;
    auto child = llvm::find_if(
        dims, [&](Axis candidate) { return liesSideBySide(candidate, dim); });
    if (child == dims.end() || ShapedType::isDynamic(staticSize(dim)) ||
        ShapedType::isDynamic(staticSize(*child)))
      return false;
    SmallVector<ReassociationIndices> groups;
    SmallVector<int64_t> shape;
    auto sourceType = cast<RankedTensorType>(source.getType());
    for (int64_t i = 0; i < sourceType.getRank(); ++i) {
      int64_t at = shape.size();
      if (i == child - dims.begin()) {
        groups.push_back({at, at + 1});
        shape.push_back(staticSize(dim));
        shape.push_back(sourceType.getDimSize(i) / staticSize(dim));
      } else {
        groups.push_back({at});
        shape.push_back(sourceType.getDimSize(i));
      }
    }
    dims.insert(child, dim);
    source = tensor::ExpandShapeOp::create(
        b, loc, RankedTensorType::get(shape, sourceType.getElementType()),
        source, groups);
  }
  return true;
}

/// `source` with the kept dimensions first and then what is reduced, as one
/// dimension; how many dimensions that is made of.
Value Lowering::reducedLast(Value source, ArrayRef<Axis> dims,
                            ArrayRef<Axis> kept, unsigned &reduced,
                            Location loc) {
  SmallVector<int64_t> permutation;
  for (Axis dim : kept)
    permutation.push_back(llvm::find(dims, dim) - dims.begin());
  for (unsigned i = 0; i < dims.size(); ++i)
    if (!llvm::is_contained(permutation, i))
      permutation.push_back(i);
  reduced = dims.size() - kept.size();
  if (!llvm::is_sorted(permutation)) {
    SmallVector<OpFoldResult> shape;
    for (int64_t at : permutation)
      shape.push_back(tensor::getMixedSize(b, loc, source, at));
    Value init = tensor::EmptyOp::create(
        b, loc, shape,
        cast<RankedTensorType>(source.getType()).getElementType());
    source = linalg::TransposeOp::create(b, loc, source, init, permutation)
                 ->getResult(0);
  }
  if (reduced > 1) {
    SmallVector<ReassociationIndices> groups;
    for (unsigned i = 0; i < kept.size(); ++i)
      groups.push_back({i});
    groups.push_back(
        llvm::to_vector(llvm::seq<int64_t>(kept.size(), dims.size())));
    source = tensor::CollapseShapeOp::create(b, loc, source, groups);
  }
  return source;
}

/// The sum of the last dimension in the order that numerics.h fixes, or the
/// mean. f64 is summed as f64, everything else as f32: means of integers and
/// truths are means of those values.
Value Lowering::sumOrMean(ReduceOp op, Value source) {
  Location loc = op.getLoc();
  auto to = cast<ArrayType>(op.getType());
  Type type = cast<RankedTensorType>(source.getType()).getElementType(),
       resultType = element(to.getElementType());
  Type held = type.isF64() || resultType.isF64() ? Type(b.getF64Type())
                                                 : Type(b.getF32Type());
  source = widened(source, held, loc);
  Value result =
      floatSum(source, /*sequential=*/static_cast<bool>(op.getPlan()), loc);
  if (op.getKind() == ReduceKind::mean) {
    SmallVector<Operand> operands = {{result, to.withElement(held)}};
    Value extent;
    if (op.getPlan())
      operands.push_back({plan(op.getPlan()).counts, to});
    else
      extent = tensor::DimOp::create(
          b, loc, source,
          cast<RankedTensorType>(source.getType()).getRank() - 1);
    result = map(dimsOf(to), held, operands, loc,
                 [&](OpBuilder &inner, Location at, ValueRange args) -> Value {
                   Value count =
                       extent ? Value(arith::IndexCastOp::create(
                                    inner, at, inner.getI32Type(), extent))
                              : args[1];
                   return arith::DivFOp::create(
                       inner, at, args[0],
                       arith::SIToFPOp::create(inner, at, held, count));
                 });
  }
  return widened(result, resultType, loc);
}

/// Combines the last dimension in any order.
Value Lowering::combineLast(ReduceOp op, Value source) {
  Location loc = op.getLoc();
  auto to = cast<ArrayType>(op.getType());
  SmallVector<Axis> kept = dimsOf(to);
  Type type = cast<RankedTensorType>(source.getType()).getElementType(),
       resultType = element(to.getElementType());
  ReduceKind kind = op.getKind();
  bool counts = kind == ReduceKind::count;
  Value identity = arith::ConstantOp::create(
      b, loc,
      counts ? cast<TypedAttr>(b.getIntegerAttr(resultType, 0))
             : identityOf(b, kind, type));
  Value init = linalg::FillOp::create(b, loc, identity,
                                      empty(kept, to.getElementType(), loc))
                   .getResult(0);
  unsigned rank = kept.size() + 1;
  SmallVector<utils::IteratorType> iterators(kept.size(),
                                             utils::IteratorType::parallel);
  iterators.push_back(utils::IteratorType::reduction);
  SmallVector<AffineExpr> keptExprs;
  for (unsigned i = 0; i < kept.size(); ++i)
    keptExprs.push_back(b.getAffineDimExpr(i));
  AffineMap out = AffineMap::get(rank, 0, keptExprs, b.getContext());
  return linalg::GenericOp::create(
             b, loc, init.getType(), source, init,
             ArrayRef<AffineMap>{b.getMultiDimIdentityMap(rank), out},
             iterators,
             [&](OpBuilder &inner, Location at, ValueRange args) {
               Value next =
                   counts ? Value(arith::AddIOp::create(
                                inner, at, args[1],
                                arith::ExtUIOp::create(inner, at, resultType,
                                                       args[0])))
                          : combineOf(inner, at, kind, args[1], args[0]);
               linalg::YieldOp::create(inner, at, next);
             })
      .getResult(0);
}

LogicalResult Lowering::lowerReduce(ReduceOp op) {
  Location loc = op.getLoc();
  if (fillsBase(op))
    return lowerFill(op);
  if (combines(op))
    return lowerCombine(op);
  Value source = get(op.getOperand());
  if (!source)
    return failure();
  if (!item && (isByPlace(op) || !meetingsOf(op, tables).empty()))
    return reduceByPlace(op, source);
  auto from = cast<ArrayType>(op.getOperand().getType()),
       to = cast<ArrayType>(op.getType());
  SmallVector<Axis> dims = dimsOf(from), kept = dimsOf(to);
  if (op.getPlan()) {
    if (llvm::is_contained(kept, plan(op.getPlan()).candidates) ||
        llvm::any_of(kept,
                     [&](Axis dim) { return !llvm::is_contained(dims, dim); }))
      return countChosen(op, source);
    source = maskedRows(op, source);
  }
  if (!splitParents(source, dims, kept, loc))
    return notCovered(
        op, "reductions to parents with different numbers of children");
  unsigned reduced = 0;
  source = reducedLast(source, dims, kept, reduced, loc);
  if (reduced == 0) {
    set(op.getResult(), source);
    return success();
  }
  ReduceKind kind = op.getKind();
  auto sourceType = cast<RankedTensorType>(source.getType());
  Type type = sourceType.getElementType(),
       resultType = element(to.getElementType());
  if (kind == ReduceKind::mean ||
      (kind == ReduceKind::sum && isa<FloatType>(type))) {
    if (kind == ReduceKind::mean && !isa<FloatType>(resultType))
      return notCovered(op, "a mean of this type");
    set(op.getResult(), sumOrMean(op, source));
    return success();
  }
  if (kind == ReduceKind::argmax || kind == ReduceKind::argmin) {
    if (op.getPlan() || reduced != 1 ||
        ShapedType::isDynamic(sourceType.getShape().back()) ||
        (!item && !kept.empty()))
      return notCovered(op,
                        "'" + stringifyReduceKind(kind) + "' over these axes");
    Value best = bestPosition(source, kind == ReduceKind::argmin, loc);
    if (!resultType.isInteger(32))
      best =
          map(kept, resultType, Operand{best, to.withElement(b.getI32Type())},
              loc, [&](OpBuilder &inner, Location at, ValueRange args) {
                return arith::ExtSIOp::create(inner, at, resultType, args[0]);
              });
    set(op.getResult(), best);
    return success();
  }
  if (kind == ReduceKind::mode)
    return notCovered(op,
                      "'" + stringifyReduceKind(kind) + "' over these axes");
  if (kind == ReduceKind::count && !type.isInteger(1))
    return notCovered(op, "counts of what is no truth");
  set(op.getResult(), combineLast(op, source));
  return success();
}
