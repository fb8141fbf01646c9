// Movement along axes: gathers down to descendants, reductions up to ancestors,
// renames, picks and stacks.
#include "Lowering.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "route/Dialect/Ragged/IR/Ragged.h"
#include "route/Dialect/Row/IR/RowDialect.h"

using namespace mlir;
using namespace route;
using namespace route::lowering;

Value Lowering::transposeTo(Value tensor, ArrayRef<Axis> from,
                            ArrayRef<Axis> to, Location loc) {
  if (from == to)
    return tensor;
  SmallVector<int64_t> permutation;
  for (Axis dim : to)
    permutation.push_back(llvm::find(from, dim) - from.begin());
  auto type = cast<RankedTensorType>(tensor.getType());
  Value init = empty(to, type.getElementType(), loc);
  return linalg::TransposeOp::create(b, loc, tensor, init, permutation)
      ->getResult(0);
}

/// `source` over `from`, given to dimensions `to`: by name, or down from a
/// parent whose children are equally many, position / children. Null where
/// sizes differ from parent to parent.
Value Lowering::giveDown(Value source, ArrayRef<Axis> fromDims,
                         ArrayRef<Axis> toDims, Location loc) {
  Type type = cast<RankedTensorType>(source.getType()).getElementType();
  SmallVector<unsigned> positions;
  std::optional<unsigned> nested;
  for (auto [i, dim] : llvm::enumerate(fromDims)) {
    auto same = llvm::find(toDims, dim);
    if (same != toDims.end()) {
      positions.push_back(same - toDims.begin());
      continue;
    }
    auto child = llvm::find_if(
        toDims, [&](Axis candidate) { return descends(candidate, dim); });
    if (child == toDims.end() || nested ||
        ShapedType::isDynamic(staticSize(dim)) ||
        ShapedType::isDynamic(staticSize(*child)))
      return {};
    positions.push_back(child - toDims.begin());
    nested = i;
  }
  // A parent's dimension and its children's are made apart, then collapsed.
  unsigned split = nested ? positions[*nested] : toDims.size();
  SmallVector<OpFoldResult> shape;
  SmallVector<ReassociationIndices> groups;
  for (auto [i, dim] : llvm::enumerate(toDims)) {
    int64_t at = shape.size();
    groups.push_back({at});
    if (i != split) {
      shape.push_back(size(dim, loc));
      continue;
    }
    int64_t parents = staticSize(fromDims[*nested]);
    groups.back().push_back(at + 1);
    shape.push_back(b.getIndexAttr(parents));
    shape.push_back(b.getIndexAttr(staticSize(dim) / parents));
  }
  SmallVector<AffineExpr> exprs;
  for (unsigned position : positions)
    exprs.push_back(
        b.getAffineDimExpr(position > split ? position + 1 : position));
  unsigned rank = shape.size();
  Value init = tensor::EmptyOp::create(b, loc, shape, type);
  Value wide =
      linalg::GenericOp::create(
          b, loc, init.getType(), source, init,
          ArrayRef<AffineMap>{AffineMap::get(rank, 0, exprs, b.getContext()),
                              b.getMultiDimIdentityMap(rank)},
          SmallVector<utils::IteratorType>(rank, utils::IteratorType::parallel),
          [](OpBuilder &inner, Location at, ValueRange args) {
            linalg::YieldOp::create(inner, at, args[0]);
          })
          .getResult(0);
  if (!nested)
    return wide;
  return tensor::CollapseShapeOp::create(b, loc, tensorType(toDims, type), wide,
                                         groups);
}

Value Lowering::takeAt(Value table, Value indices, Location loc) {
  auto from = cast<RankedTensorType>(table.getType()),
       to = cast<RankedTensorType>(indices.getType())
                .clone(from.getElementType());
  if (item)
    return row::TakeOp::create(b, loc, to, table, indices);
  unsigned rank = to.getRank();
  Value init = tensor::EmptyOp::create(
      b, loc, tensor::getMixedSizes(b, loc, indices), to.getElementType());
  AffineMap same = b.getMultiDimIdentityMap(rank);
  return linalg::GenericOp::create(
             b, loc, init.getType(), indices, init,
             ArrayRef<AffineMap>{same, same},
             SmallVector<utils::IteratorType>(rank,
                                              utils::IteratorType::parallel),
             [&](OpBuilder &inner, Location at, ValueRange args) {
               Value zero = arith::ConstantOp::create(
                   inner, at, inner.getI32IntegerAttr(0));
               Value there = arith::CmpIOp::create(
                   inner, at, arith::CmpIPredicate::sge, args[0], zero);
               Value safe =
                   arith::SelectOp::create(inner, at, there, args[0], zero);
               SmallVector<Value> place;
               for (int64_t i = 0; i + 1 < from.getRank(); ++i)
                 place.push_back(linalg::IndexOp::create(inner, at, i));
               place.push_back(arith::IndexCastOp::create(
                   inner, at, inner.getIndexType(), safe));
               Value found = tensor::ExtractOp::create(inner, at, table, place);
               Value none = arith::ConstantOp::create(
                   inner, at, inner.getZeroAttr(from.getElementType()));
               linalg::YieldOp::create(
                   inner, at,
                   arith::SelectOp::create(inner, at, there, found, none)
                       .getResult());
             })
      .getResult(0);
}

/// `array of axes` given to each row of a plan: by rank for the items' axes, by
/// the chosen position for the candidates' axis.
LogicalResult Lowering::lowerBroadcast(BroadcastOp op) {
  if (expertAxis(op.getType()))
    return success(); // computed sorted by expert, on demand
  Location loc = op.getLoc();
  auto from = cast<ArrayType>(op.getOperand().getType()),
       to = cast<ArrayType>(op.getType());
  Value source = get(op.getOperand());
  if (!source)
    return failure();
  SmallVector<Axis> fromDims = dimsOf(from), toDims = dimsOf(to);

  if (op.getPlan()) {
    Plan &rows = plan(op.getPlan());
    // What remains are arrays over the plan axis alone.
    bool gathers = llvm::any_of(
        fromDims, [&](Axis dim) { return !llvm::is_contained(toDims, dim); });
    if (!gathers) {
      set(op.getResult(),
          map(toDims, to.getElementType(), Operand{source, from}, loc,
              [](OpBuilder &, Location, ValueRange args) { return args[0]; }));
      return success();
    }
    if (fromDims.empty() || fromDims.back() != rows.candidates) {
      // A value of the candidates' ancestors is first given to the candidates.
      if (fromDims.empty() || !descends(rows.candidates, fromDims.back()))
        return unsupported(op, "this broadcast to a plan");
      SmallVector<Axis> axes(from.getAxes());
      axes.back() = rows.candidates;
      SmallVector<Axis> wide = dimsOf(ArrayRef<Axis>(axes));
      source = giveDown(source, fromDims, wide, loc);
      if (!source)
        return unsupported(op, "axes whose sizes differ from parent to parent");
      fromDims = wide;
    }
    auto type = tensorType(to);
    // row.take wants all the item dimensions or none of them.
    if (fromDims.size() != 1) {
      SmallVector<Axis> full = dimsOf(rows.per);
      full.push_back(rows.candidates);
      if (fromDims != full)
        source =
            map(full, from.getElementType(), Operand{source, from}, loc,
                [](OpBuilder &, Location, ValueRange args) { return args[0]; });
    }
    Value result = takeAt(source, rows.indices, loc);
    if (result.getType() != type)
      return unsupported(op, "this broadcast to a plan");
    set(op.getResult(), result);
    return success();
  }

  Value result = giveDown(source, fromDims, toDims, loc);
  if (!result)
    return unsupported(op, "axes whose sizes differ from parent to parent");
  set(op.getResult(), result);
  return success();
}

/// A sum of f32 along the last dimension in the order of numerics.h. Outside a
/// row program the sum becomes one of its own.
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

/// The value that changes nothing under `kind`.
static TypedAttr identityOf(OpBuilder &b, ReduceKind kind, Type type) {
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

static Value combineOf(OpBuilder &b, Location loc, ReduceKind kind, Value x,
                       Value y) {
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

LogicalResult Lowering::lowerReduce(ReduceOp op) {
  Location loc = op.getLoc();
  auto from = cast<ArrayType>(op.getOperand().getType()),
       to = cast<ArrayType>(op.getType());
  if (expertAxis(from))
    return lowerCombine(op);
  Value source = get(op.getOperand());
  if (!source)
    return failure();
  ReduceKind kind = op.getKind();
  SmallVector<Axis> dims = dimsOf(from), kept = dimsOf(to);
  Type type = cast<RankedTensorType>(source.getType()).getElementType();
  Type resultType = element(to.getElementType());

  // Rows past a plan's count hold nothing: they take the identity.
  if (op.getPlan()) {
    Plan &rows = plan(op.getPlan());
    if (llvm::is_contained(kept, rows.candidates) ||
        llvm::any_of(
            kept, [&](Axis dim) { return !llvm::is_contained(dims, dim); })) {
      if (kind != ReduceKind::count || item || kept.size() != 1 ||
          kept.front() != rows.candidates)
        return unsupported(op, "this reduction to what was chosen");
      // How often each candidate was chosen.
      Value zero =
          linalg::FillOp::create(
              b, loc,
              Value(arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(0))),
              empty(kept, b.getI32Type(), loc))
              .getResult(0);
      Value counts = ragged::CountOp::create(b, loc, TypeRange(zero.getType()),
                                             rows.indices, Value(), zero)
                         ->getResult(0);
      set(op.getResult(),
          map(kept, resultType, Operand{counts, to}, loc,
              [&](OpBuilder &inner, Location at, ValueRange args) -> Value {
                return arith::ExtSIOp::create(inner, at, resultType, args[0]);
              }));
      return success();
    }
    Attribute identity = identityOf(b, kind, type);
    auto indices = ArrayType::get(b.getI32Type(), ArrayRef<Axis>(rows.axis));
    source = map(
        dims, type, {Operand{source, from}, Operand{rows.indices, indices}},
        loc, [&](OpBuilder &inner, Location at, ValueRange args) -> Value {
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

  // A static parent in the result splits its child's dimension.
  SmallVector<Axis> split = dims;
  for (Axis dim : kept) {
    if (llvm::is_contained(dims, dim))
      continue;
    auto child = llvm::find_if(
        dims, [&](Axis candidate) { return descends(candidate, dim); });
    if (child == dims.end() || ShapedType::isDynamic(staticSize(dim)) ||
        ShapedType::isDynamic(staticSize(*child)))
      return unsupported(
          op, "reductions to parents with different numbers of children");
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
    split.insert(split.begin() + (child - dims.begin()), dim);
    source = tensor::ExpandShapeOp::create(
        b, loc, RankedTensorType::get(shape, type), source, groups);
    dims = split;
  }

  // Kept dimensions first, then what is reduced, as one dimension.
  SmallVector<unsigned> keptAt, reducedAt;
  for (Axis dim : kept)
    keptAt.push_back(llvm::find(dims, dim) - dims.begin());
  for (unsigned i = 0; i < dims.size(); ++i)
    if (!llvm::is_contained(keptAt, i))
      reducedAt.push_back(i);
  SmallVector<int64_t> permutation;
  llvm::append_range(permutation, keptAt);
  llvm::append_range(permutation, reducedAt);
  auto sourceType = cast<RankedTensorType>(source.getType());
  if (!llvm::is_sorted(permutation)) {
    SmallVector<OpFoldResult> shape;
    for (int64_t at : permutation)
      shape.push_back(tensor::getMixedSize(b, loc, source, at));
    Value init = tensor::EmptyOp::create(b, loc, shape, type);
    source = linalg::TransposeOp::create(b, loc, source, init, permutation)
                 ->getResult(0);
    sourceType = cast<RankedTensorType>(source.getType());
  }
  if (reducedAt.empty()) {
    set(op.getResult(), source);
    return success();
  }
  if (reducedAt.size() > 1) {
    SmallVector<ReassociationIndices> groups;
    for (unsigned i = 0; i < kept.size(); ++i)
      groups.push_back({i});
    groups.push_back(
        llvm::to_vector(llvm::seq<int64_t>(kept.size(), sourceType.getRank())));
    source = tensor::CollapseShapeOp::create(b, loc, source, groups);
  }
  Value result;
  if ((kind == ReduceKind::sum || kind == ReduceKind::mean) &&
      (type.isF32() || kind == ReduceKind::mean)) {
    if (!type.isF32()) {
      // Means of integers and truths are means of the f32 values.
      auto wide = cast<RankedTensorType>(source.getType());
      Value init = tensor::EmptyOp::create(
          b, loc, tensor::getMixedSizes(b, loc, source), b.getF32Type());
      unsigned rank = wide.getRank();
      source = linalg::GenericOp::create(
                   b, loc, init.getType(), source, init,
                   ArrayRef<AffineMap>{b.getMultiDimIdentityMap(rank),
                                       b.getMultiDimIdentityMap(rank)},
                   SmallVector<utils::IteratorType>(
                       rank, utils::IteratorType::parallel),
                   [&](OpBuilder &inner, Location at, ValueRange args) {
                     Value number =
                         type.isInteger(1)
                             ? Value(arith::UIToFPOp::create(
                                   inner, at, inner.getF32Type(), args[0]))
                         : isa<IntegerType>(type)
                             ? Value(arith::SIToFPOp::create(
                                   inner, at, inner.getF32Type(), args[0]))
                             : Value(arith::TruncFOp::create(
                                   inner, at, inner.getF32Type(), args[0]));
                     linalg::YieldOp::create(inner, at, number);
                   })
                   .getResult(0);
    }
    result =
        floatSum(source, /*sequential=*/static_cast<bool>(op.getPlan()), loc);
    if (kind == ReduceKind::mean) {
      SmallVector<Operand> operands = {{result, to}};
      Value extent;
      if (op.getPlan())
        operands.push_back({plan(op.getPlan()).counts, to});
      else
        extent = tensor::DimOp::create(
            b, loc, source,
            cast<RankedTensorType>(source.getType()).getRank() - 1);
      result = map(
          kept, to.getElementType(), operands, loc,
          [&](OpBuilder &inner, Location at, ValueRange args) -> Value {
            Value count = extent ? Value(arith::IndexCastOp::create(
                                       inner, at, inner.getI32Type(), extent))
                                 : args[1];
            return arith::DivFOp::create(
                inner, at, args[0],
                arith::SIToFPOp::create(inner, at, inner.getF32Type(), count));
          });
    }
  } else if (kind == ReduceKind::argmax || kind == ReduceKind::argmin) {
    if (op.getPlan() || reducedAt.size() != 1 ||
        ShapedType::isDynamic(sourceType.getShape().back()) ||
        (!item && !kept.empty()))
      return unsupported(op, stringifyReduceKind(kind));
    result = bestPosition(source, kind == ReduceKind::argmin, loc);
    if (!resultType.isInteger(32))
      result =
          map(kept, resultType, Operand{result, to.withElement(b.getI32Type())},
              loc, [&](OpBuilder &inner, Location at, ValueRange args) {
                return arith::ExtSIOp::create(inner, at, resultType, args[0]);
              });
  } else if (kind == ReduceKind::mode) {
    return unsupported(op, stringifyReduceKind(kind));
  } else {
    bool counts = kind == ReduceKind::count;
    if (counts && !type.isInteger(1))
      return unsupported(op, "counts of what is no truth");
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
    result =
        linalg::GenericOp::create(
            b, loc, init.getType(), source, init,
            ArrayRef<AffineMap>{b.getMultiDimIdentityMap(rank), out}, iterators,
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
  set(op.getResult(), result);
  return success();
}

LogicalResult Lowering::lowerRename(RenameOp op) {
  Value source = get(op.getOperand());
  if (!source)
    return failure();
  set(op.getResult(), source);
  return success();
}

/// The element at a position that the spec fixes, or at that of a loop over the
/// axis: a slice. Null for others.
Value Lowering::pickConstant(PickOp op, Value source) {
  if (!cast<ArrayType>(op.getPosition().getType()).isScalar())
    return {};
  std::optional<int64_t> position = constantOf(op.getPosition());
  SmallVector<Axis> dims = dimsOf(cast<ArrayType>(op.getOperand().getType()));
  int64_t extent = staticSize(op.getAlongAttr());
  auto turn = dyn_cast<BlockArgument>(op.getPosition());
  auto loop = turn ? dyn_cast<ForOp>(turn.getOwner()->getParentOp()) : ForOp();
  bool fixed = position && !ShapedType::isDynamic(extent) && *position >= 0 &&
               *position < extent;
  bool turns = !item && loop && turn.getArgNumber() == 0 &&
               loop.getAxisAttr() == op.getAlongAttr();
  if (!fixed && !turns)
    return {};
  Location loc = op.getLoc();
  unsigned along = llvm::find(dims, op.getAlongAttr()) - dims.begin();
  SmallVector<OpFoldResult> offsets(dims.size(), b.getIndexAttr(0)),
      strides(dims.size(), b.getIndexAttr(1)), sizes;
  for (Axis dim : dims)
    sizes.push_back(size(dim, loc));
  if (fixed) {
    offsets[along] = b.getIndexAttr(*position);
  } else {
    Value at =
        tensor::ExtractOp::create(b, loc, get(op.getPosition()), ValueRange());
    offsets[along] =
        arith::IndexCastOp::create(b, loc, b.getIndexType(), at).getResult();
  }
  sizes[along] = b.getIndexAttr(1);
  return tensor::ExtractSliceOp::create(
      b, loc, tensorType(cast<ArrayType>(op.getType())), source, offsets, sizes,
      strides);
}

LogicalResult Lowering::lowerPick(PickOp op) {
  if (expertAxis(op.getType()))
    return success();
  Location loc = op.getLoc();
  auto from = cast<ArrayType>(op.getOperand().getType()),
       to = cast<ArrayType>(op.getType());
  auto positionType = cast<ArrayType>(op.getPosition().getType());
  Value source = get(op.getOperand()), position = get(op.getPosition());
  if (!source || !position)
    return failure();
  if (!isa<IntegerType, FloatType>(element(to.getElementType())))
    return unsupported(op, "picking elements of this type");
  if (Value slice = pickConstant(op, source)) {
    set(op.getResult(), slice);
    return success();
  }
  // Taken along a last dimension: the operand over the result's axes and the
  // one picked along, positions outside it as -1.
  SmallVector<Axis> toDims = dimsOf(to), wide = toDims;
  wide.push_back(op.getAlongAttr());
  Value table =
      wide == dimsOf(from) || from.getAxes().size() == 1
          ? source
          : map(wide, from.getElementType(), Operand{source, from}, loc,
                [](OpBuilder &, Location, ValueRange args) { return args[0]; });
  int64_t fixed = staticSize(op.getAlongAttr());
  Value extent = sizeValue(op.getAlongAttr(), loc);
  Value places = map(
      toDims, b.getI32Type(), Operand{position, positionType}, loc,
      [&](OpBuilder &inner, Location at, ValueRange args) -> Value {
        Type type = args[0].getType();
        Value end =
            ShapedType::isDynamic(fixed)
                ? Value(arith::IndexCastOp::create(inner, at, type, extent))
                : Value(arith::ConstantOp::create(
                      inner, at, inner.getIntegerAttr(type, fixed)));
        // Unsigned, so that a negative position is outside too.
        Value inside = arith::CmpIOp::create(
            inner, at, arith::CmpIPredicate::ult, args[0], end);
        Value narrow = type.isInteger(32) ? args[0]
                       : type.getIntOrFloatBitWidth() > 32
                           ? Value(arith::TruncIOp::create(
                                 inner, at, inner.getI32Type(), args[0]))
                           : Value(arith::ExtSIOp::create(
                                 inner, at, inner.getI32Type(), args[0]));
        return arith::SelectOp::create(
            inner, at, inside, narrow,
            arith::ConstantOp::create(inner, at, inner.getI32IntegerAttr(-1)));
      });
  // One row of one place each.
  auto placesType = cast<RankedTensorType>(places.getType());
  SmallVector<ReassociationIndices> groups;
  for (int64_t i = 0; i < placesType.getRank(); ++i)
    groups.push_back({i});
  SmallVector<OpFoldResult> shape = tensor::getMixedSizes(b, loc, places);
  shape.push_back(b.getIndexAttr(1));
  SmallVector<int64_t> extents(placesType.getShape());
  extents.push_back(1);
  if (!groups.empty())
    groups.back().push_back(placesType.getRank());
  Value single = tensor::ExpandShapeOp::create(
      b, loc, RankedTensorType::get(extents, b.getI32Type()), places, groups,
      shape);
  set(op.getResult(),
      tensor::CollapseShapeOp::create(b, loc, tensorType(to),
                                      takeAt(table, single, loc), groups)
          .getResult());
  return success();
}

LogicalResult Lowering::lowerStack(StackOp op) {
  auto to = cast<ArrayType>(op.getType());
  SmallVector<Axis> dims = dimsOf(to);
  SmallVector<OpFoldResult> offsets(dims.size(), b.getIndexAttr(0)),
      strides(dims.size(), b.getIndexAttr(1)), shape;
  for (Axis dim : dims)
    shape.push_back(size(dim, op.getLoc()));
  shape.back() = b.getIndexAttr(1);
  Value result = empty(dims, to.getElementType(), op.getLoc());
  for (auto [i, operand] : llvm::enumerate(op.getOperands())) {
    Value part = get(operand);
    if (!part)
      return failure();
    offsets.back() = b.getIndexAttr(i);
    result = tensor::InsertSliceOp::create(b, op.getLoc(), part, result,
                                           offsets, shape, strides);
  }
  set(op.getResult(), result);
  return success();
}

LogicalResult Lowering::lowerIota(IotaOp op) {
  auto to = cast<ArrayType>(op.getType());
  Type type = element(to.getElementType());
  if (op.getPlan())
    return unsupported(op, "the position along a plan");
  set(op.getResult(),
      map(dimsOf(to), to.getElementType(), {}, op.getLoc(),
          [&](OpBuilder &inner, Location at, ValueRange) -> Value {
            return arith::IndexCastOp::create(
                inner, at, type, linalg::IndexOp::create(inner, at, 0));
          }));
  return success();
}

LogicalResult Lowering::lowerSize(SizeOp op) {
  Location loc = op.getLoc();
  Value number = arith::IndexCastOp::create(b, loc, b.getI64Type(),
                                            sizeValue(op.getAxisAttr(), loc));
  set(op.getResult(),
      tensor::FromElementsOp::create(
          b, loc, RankedTensorType::get({}, b.getI64Type()), number));
  return success();
}
