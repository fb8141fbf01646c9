// Movement along axes: gathers down to descendants, renames, picks and stacks.
#include "Lowering.h"
#include "route/Dialect/Row/IR/RowDialect.h"
#include "route/Dialect/Signal/IR/Signal.h"

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
    auto child = llvm::find_if(toDims, [&](Axis candidate) {
      return kindOf(candidate) != AxisKind::plan && descends(candidate, dim);
    });
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

/// Whether rows of a plan are given to a part of it: they have the same slots.
bool Lowering::isWithinBase(ArrayType from, ArrayType to, Value rows) {
  Axis part = plan(rows).axis;
  if (item || from.getAxes().size() != to.getAxes().size())
    return false;
  for (auto [above, below] : llvm::zip(from.getAxes(), to.getAxes()))
    if (above != below) {
      auto whole = plans.find(above.getValue());
      if (below != part || whole == plans.end() ||
          whole->second.base != plan(rows).base)
        return false;
    }
  return true;
}

/// `array of axes` given to each row of a plan: by rank for the items' axes, by
/// the chosen position for the candidates' axis.
LogicalResult Lowering::lowerBroadcast(BroadcastOp op) {
  Location loc = op.getLoc();
  auto from = cast<ArrayType>(op.getOperand().getType()),
       to = cast<ArrayType>(op.getType());
  Value source = get(op.getOperand());
  if (!source)
    return failure();
  SmallVector<Axis> fromDims = dimsOf(from), toDims = dimsOf(to);
  if (op.getPlan() && isWithinBase(from, to, op.getPlan())) {
    set(op.getResult(), source);
    return success();
  }
  if (!item) {
    Value result = giveDown(source, fromDims, toDims, loc);
    if (!result && !(result = gatherTo(source, fromDims, toDims, loc)))
      return unsupported(op, "this broadcast");
    set(op.getResult(), result);
    return success();
  }
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
  Location loc = op.getLoc();
  auto from = cast<ArrayType>(op.getOperand().getType()),
       to = cast<ArrayType>(op.getType());
  auto positionType = cast<ArrayType>(op.getPosition().getType());
  Value source = get(op.getOperand()), position = get(op.getPosition());
  if (!source || !position)
    return failure();
  if (isa<TextType>(to.getElementType()))
    return pickText(op, source, position);
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

/// Texts are taken one by one; the empty text stands for those that are not
/// there.
LogicalResult Lowering::pickText(PickOp op, Value source, Value position) {
  Location loc = op.getLoc();
  auto to = cast<ArrayType>(op.getType());
  SmallVector<Axis> dims = dimsOf(to),
                    from = dimsOf(cast<ArrayType>(op.getOperand().getType())),
                    which = dimsOf(cast<ArrayType>(op.getPosition().getType()));
  auto placesOn = [&](ArrayRef<Axis> own, ValueRange at, Value chosen) {
    return llvm::map_to_vector(own, [&](Axis dim) -> Value {
      return dim == op.getAlongAttr()
                 ? chosen
                 : at[llvm::find(dims, dim) - dims.begin()];
    });
  };
  set(op.getResult(),
      forEachPosition(
          dims, empty(dims, to.getElementType(), loc), loc,
          [&](ValueRange at, ValueRange made) -> SmallVector<Value> {
            Value chosen = arith::IndexCastOp::create(
                b, loc, b.getIndexType(),
                tensor::ExtractOp::create(b, loc, position,
                                          placesOn(which, at, Value())));
            Value there =
                arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, chosen,
                                      sizeValue(op.getAlongAttr(), loc));
            Value none = signal::ConstantOp::create(b, loc, "");
            Value text = when(there, none, loc, [&]() -> SmallVector<Value> {
                           return {tensor::ExtractOp::create(
                               b, loc, source, placesOn(from, at, chosen))};
                         }).front();
            return {tensor::InsertOp::create(b, loc, text, made.front(), at)};
          })
          .front());
  return success();
}

LogicalResult Lowering::lowerStack(StackOp op) {
  auto to = cast<ArrayType>(op.getType());
  SmallVector<Axis> dims = dimsOf(to);
  auto along = llvm::find(dims, op.getAlongAttr());
  SmallVector<Operand> parts;
  for (Value operand : op.getOperands()) {
    Value part = get(operand);
    if (!part)
      return failure();
    parts.push_back({part, cast<ArrayType>(operand.getType())});
  }
  // Each position takes its part: row programs have no insertion.
  set(op.getResult(),
      map(dims, to.getElementType(), parts, op.getLoc(),
          [&](OpBuilder &inner, Location at, ValueRange args) -> Value {
            Value position = arith::IndexCastOp::create(
                inner, at, inner.getI32Type(),
                linalg::IndexOp::create(inner, at, along - dims.begin()));
            Value taken = args.back();
            for (size_t i = args.size() - 1; i-- > 0;) {
              Value here = arith::CmpIOp::create(
                  inner, at, arith::CmpIPredicate::eq, position,
                  arith::ConstantOp::create(inner, at,
                                            inner.getI32IntegerAttr(i)));
              taken = arith::SelectOp::create(inner, at, here, args[i], taken);
            }
            return taken;
          }));
  return success();
}

LogicalResult Lowering::lowerIota(IotaOp op) {
  auto to = cast<ArrayType>(op.getType());
  Type type = element(to.getElementType());
  if (op.getPlan())
    return lowerRowNumbers(op);
  set(op.getResult(),
      map(dimsOf(to), to.getElementType(), {}, op.getLoc(),
          [&](OpBuilder &inner, Location at, ValueRange) -> Value {
            return arith::IndexCastOp::create(
                inner, at, type, linalg::IndexOp::create(inner, at, 0));
          }));
  return success();
}

/// Rows of a plan: as refs by their places in its index, as numbers one after
/// the other.
LogicalResult Lowering::lowerRowNumbers(IotaOp op) {
  auto to = cast<ArrayType>(op.getType());
  Type type = element(to.getElementType());
  Location loc = op.getLoc();
  if (item || to.getAxes().size() != 1)
    return unsupported(op, "the position along a plan");
  SmallVector<Axis> dims = dimsOf(to);
  Value zero = arith::ConstantOp::create(b, loc, b.getIntegerAttr(type, 0)),
        one = arith::ConstantOp::create(b, loc, b.getIntegerAttr(type, 1));
  Value none = linalg::FillOp::create(b, loc, zero,
                                      empty(dims, to.getElementType(), loc))
                   .getResult(0);
  bool places = isa<RefType>(to.getElementType());
  set(op.getResult(),
      forEachPosition(
          dims, {none, zero}, loc,
          [&](ValueRange at, ValueRange held) -> SmallVector<Value> {
            Value next = arith::AddIOp::create(b, loc, held[1], one);
            SmallVector<Value> without = {held[0], places ? next : held[1]};
            return when(presentAt(b, loc, dims, at), without, loc,
                        [&]() -> SmallVector<Value> {
                          return {tensor::InsertOp::create(b, loc, held[1],
                                                           held[0], at),
                                  next};
                        });
          })
          .front());
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
