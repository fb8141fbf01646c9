// Movement along axes: gathers down to descendants, renames, picks and stacks.
#include "Lowering.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
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

/// `source` over `from`, given to dimensions `to`: by name, or down to one
/// dimension from a parent whose children are equally many, position /
/// children, or from the pools of a product. Null where sizes differ from
/// parent to parent.
Value Lowering::giveDown(Value source, ArrayRef<Axis> fromDims,
                         ArrayRef<Axis> toDims, Location loc) {
  Type type = cast<RankedTensorType>(source.getType()).getElementType();
  SmallVector<Axis> above;
  Axis child;
  for (Axis dim : fromDims) {
    if (llvm::is_contained(toDims, dim))
      continue;
    auto below = llvm::find_if(toDims, [&](Axis candidate) {
      return kindOf(candidate) != AxisKind::plan && descends(candidate, dim);
    });
    if (below == toDims.end() || (child && child != *below) ||
        ShapedType::isDynamic(staticSize(dim)) ||
        ShapedType::isDynamic(staticSize(*below)))
      return {};
    child = *below;
    above.push_back(dim);
  }
  // Nearer step by step: by what lies between, or by one of several.
  for (Axis dim : above) {
    Axis next = parentTowards(child, dim);
    if (next == dim || (above.size() == 1 && liesSideBySide(child, dim)))
      continue;
    SmallVector<Axis> between;
    for (Axis each : fromDims)
      if (each != dim && each != next)
        between.push_back(each);
    between.push_back(next);
    source = giveDown(source, fromDims, between, loc);
    return source ? giveDown(source, between, toDims, loc) : Value();
  }
  // A parent's dimension and its children's, or those of a product's pools, are
  // made apart, then collapsed.
  SmallVector<OpFoldResult> shape;
  SmallVector<ReassociationIndices> groups;
  llvm::DenseMap<Attribute, unsigned> dimensions;
  for (Axis dim : toDims) {
    dimensions[dim] = shape.size();
    if (dim != child) {
      groups.push_back({static_cast<int64_t>(shape.size())});
      shape.push_back(size(dim, loc));
      continue;
    }
    groups.emplace_back();
    SmallVector<Axis> outer = parentsOf(child);
    if (outer.size() < 2)
      outer = above;
    int64_t inner = staticSize(child);
    for (Axis each : outer) {
      dimensions[each] = shape.size();
      groups.back().push_back(shape.size());
      shape.push_back(size(each, loc));
      inner /= staticSize(each);
    }
    if (outer.size() == 1) {
      groups.back().push_back(shape.size());
      shape.push_back(b.getIndexAttr(inner));
    }
  }
  SmallVector<AffineExpr> exprs;
  for (Axis dim : fromDims)
    exprs.push_back(b.getAffineDimExpr(dimensions.lookup(dim)));
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
  if (!child)
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
               Value none = arith::ConstantOp::create(
                   inner, at, inner.getZeroAttr(from.getElementType()));
               SmallVector<Value> row;
               for (int64_t i = 0; i + 1 < from.getRank(); ++i)
                 row.push_back(linalg::IndexOp::create(inner, at, i));
               auto read = [&](OpBuilder &here, Value index) -> Value {
                 SmallVector<Value> place(row);
                 place.push_back(arith::IndexCastOp::create(
                     here, at, here.getIndexType(), index));
                 return tensor::ExtractOp::create(here, at, table, place);
               };
               Value found;
               if (from.isDynamicDim(from.getRank() - 1)) {
                 // It may have no elements, not even a first one.
                 found = onlyIf(inner, at, there, none,
                                [&](OpBuilder &here) -> SmallVector<Value> {
                                  return {read(here, args[0])};
                                })
                             .front();
               } else {
                 Value safe =
                     arith::SelectOp::create(inner, at, there, args[0], zero);
                 Value first = read(inner, safe);
                 found = arith::SelectOp::create(inner, at, there, first, none);
               }
               linalg::YieldOp::create(inner, at, found);
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
      return notCovered(op, "this broadcast");
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
      SmallVector<Axis> wide = fromDims;
      while (!wide.empty() && descends(rows.candidates, wide.back()))
        wide.pop_back();
      if (wide.size() == fromDims.size())
        return notCovered(op, "this broadcast to a plan");
      wide.push_back(rows.candidates);
      source = giveDown(source, fromDims, wide, loc);
      if (!source)
        return notCovered(op, "axes whose sizes differ from parent to parent");
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
      return notCovered(op, "this broadcast to a plan");
    set(op.getResult(), result);
    return success();
  }

  Value result = giveDown(source, fromDims, toDims, loc);
  if (!result)
    return notCovered(op, "axes whose sizes differ from parent to parent");
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
  if (Value buffer = placeOfElements(op.getOperand()))
    return pickInPlace(op, buffer);
  Location loc = op.getLoc();
  auto from = cast<ArrayType>(op.getOperand().getType()),
       to = cast<ArrayType>(op.getType());
  auto positionType = cast<ArrayType>(op.getPosition().getType());
  Value source = get(op.getOperand()), position = get(op.getPosition());
  if (!source || !position)
    return failure();
  if (kindOf(op.getAlongAttr()) == AxisKind::plan &&
      isa<RefType>(positionType.getElementType()))
    return pickRow(op, source, position);
  if (isa<TextType>(to.getElementType()))
    return pickText(op, source, position);
  if (!isa<IntegerType, FloatType>(element(to.getElementType())))
    return notCovered(op, "picking elements of this type");
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
  Value taken = tensor::CollapseShapeOp::create(
      b, loc, tensorType(to), takeAt(table, single, loc), groups);
  // Outside there is nothing: zero, or no row.
  if (isa<RefType>(to.getElementType()))
    taken = map(
        toDims, b.getI32Type(), {Operand{taken, to}, Operand{places, to}}, loc,
        [](OpBuilder &inner, Location at, ValueRange args) -> Value {
          Value none =
              arith::ConstantOp::create(inner, at, inner.getI32IntegerAttr(-1));
          Value outside = arith::CmpIOp::create(
              inner, at, arith::CmpIPredicate::slt, args[1],
              arith::ConstantOp::create(inner, at, inner.getI32IntegerAttr(0)));
          return arith::SelectOp::create(inner, at, outside, none, args[0]);
        });
  set(op.getResult(), taken);
  return success();
}

/// The elements of a plan's rows that refs name by their places in its index;
/// zero, no text or no row where they name none.
LogicalResult Lowering::pickRow(PickOp op, Value source, Value position) {
  Location loc = op.getLoc();
  auto to = cast<ArrayType>(op.getType());
  SmallVector<Axis> dims = dimsOf(to),
                    from = dimsOf(cast<ArrayType>(op.getOperand().getType())),
                    which = dimsOf(cast<ArrayType>(op.getPosition().getType())),
                    along = dimsOf(ArrayRef<Axis>(op.getAlongAttr()));
  Type type = element(to.getElementType());
  Value none;
  if (isa<TextType>(to.getElementType()))
    none = signal::ConstantOp::create(b, loc, "");
  else if (isa<IntegerType, FloatType>(type))
    none = arith::ConstantOp::create(
        b, loc,
        isa<RefType>(to.getElementType())
            ? cast<TypedAttr>(b.getIntegerAttr(type, -1))
            : b.getZeroAttr(type));
  else
    return notCovered(op, "picking elements of this type");
  auto placeOn = [&](ArrayRef<Axis> own, ValueRange at) {
    return llvm::map_to_vector(own, [&](Axis dim) -> Value {
      return at[llvm::find(dims, dim) - dims.begin()];
    });
  };
  set(op.getResult(),
      forEachPosition(
          dims, empty(dims, to.getElementType(), loc), loc,
          [&](ValueRange at, ValueRange made) -> SmallVector<Value> {
            Value row =
                tensor::ExtractOp::create(b, loc, position, placeOn(which, at));
            Value there = arith::CmpIOp::create(
                b, loc, arith::CmpIPredicate::sge, row,
                arith::ConstantOp::create(b, loc,
                                          b.getIntegerAttr(row.getType(), 0)));
            Value value =
                when(there, none, loc, [&]() -> SmallVector<Value> {
                  Value rest =
                      arith::IndexCastOp::create(b, loc, b.getIndexType(), row);
                  SmallVector<Value> places(along.size());
                  for (size_t d = along.size(); d-- > 0;) {
                    Value extent = sizeValue(along[d], loc);
                    places[d] = arith::RemUIOp::create(b, loc, rest, extent);
                    rest = arith::DivUIOp::create(b, loc, rest, extent);
                  }
                  return {tensor::ExtractOp::create(
                      b, loc, source,
                      llvm::map_to_vector(from, [&](Axis dim) -> Value {
                        auto *own = llvm::find(along, dim);
                        return own != along.end()
                                   ? places[own - along.begin()]
                                   : at[llvm::find(dims, dim) - dims.begin()];
                      }))};
                }).front();
            return {tensor::InsertOp::create(b, loc, value, made.front(), at)};
          })
          .front());
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

/// Values over the parts of a pool end to end: each row takes the element of
/// the part that it is of.
LogicalResult Lowering::lowerJoin(JoinOp op) {
  Location loc = op.getLoc();
  auto to = cast<ArrayType>(op.getType());
  SmallVector<Axis> dims = dimsOf(to), parts = madeOf(op.getAlongAttr());
  unsigned along = llvm::find(dims, op.getAlongAttr()) - dims.begin();
  SmallVector<Operand> sources;
  for (Value operand : op.getOperands()) {
    Value tensor = get(operand);
    if (!tensor)
      return failure();
    sources.push_back({tensor, cast<ArrayType>(operand.getType())});
  }
  if (!item) {
    SmallVector<Value> begins = {constantIndex(0, loc)};
    for (Axis part : ArrayRef(parts).drop_back())
      begins.push_back(
          arith::AddIOp::create(b, loc, begins.back(), sizeValue(part, loc)));
    auto read = [&](auto &&self, OpBuilder &inner, Location at, ValueRange here,
                    unsigned last) -> Value {
      auto own = [&](OpBuilder &inner) -> Value {
        SmallVector<Value> place;
        for (Axis dim : dimsOf(sources[last].type))
          place.push_back(dim == parts[last]
                              ? Value(arith::SubIOp::create(
                                    inner, at, here[along], begins[last]))
                              : here[llvm::find(dims, dim) - dims.begin()]);
        return tensor::ExtractOp::create(inner, at, sources[last].tensor,
                                         place);
      };
      if (last == 0)
        return own(inner);
      Value mine = arith::CmpIOp::create(inner, at, arith::CmpIPredicate::uge,
                                         here[along], begins[last]);
      return scf::IfOp::create(
                 inner, at, mine,
                 [&](OpBuilder &then, Location at) {
                   scf::YieldOp::create(then, at, own(then));
                 },
                 [&](OpBuilder &other, Location at) {
                   scf::YieldOp::create(other, at,
                                        self(self, other, at, here, last - 1));
                 })
          .getResult(0);
    };
    set(op.getResult(),
        generate(sizesOf(dims, loc), element(to.getElementType()), loc,
                 [&](OpBuilder &inner, Location at, ValueRange here) {
                   return read(read, inner, at, here, parts.size() - 1);
                 }));
    return success();
  }
  // In a row all is of known size, and the places are constants.
  auto placesType =
      RankedTensorType::get(tensorType(to).getShape(), b.getI32Type());
  SmallVector<int32_t> begins;
  int32_t begin = 0;
  for (auto [source, part] : llvm::zip(sources, parts)) {
    begins.push_back(begin);
    int32_t end = begin + staticSize(part);
    SmallVector<Axis> own = dimsOf(source.type);
    if (llvm::is_contained(own, part)) {
      SmallVector<Axis> want(dims);
      want[along] = part;
      Type held = source.type.getElementType();
      Value table = own.size() == 1 || own == want
                        ? source.tensor
                        : map(want, held, source, loc,
                              [](OpBuilder &, Location, ValueRange args) {
                                return args[0];
                              });
      SmallVector<int32_t> places;
      for (int64_t i = 0; i < placesType.getNumElements(); ++i) {
        int32_t place = i % staticSize(dims[along]);
        places.push_back(place >= begin && place < end ? place - begin : -1);
      }
      Value constant = arith::ConstantOp::create(
          b, loc, DenseElementsAttr::get(placesType, ArrayRef(places)));
      source = {takeAt(table, constant, loc), to};
    }
    begin = end;
  }
  set(op.getResult(),
      map(dims, to.getElementType(), sources, loc,
          [&](OpBuilder &inner, Location at, ValueRange args) -> Value {
            Value position = arith::IndexCastOp::create(
                inner, at, inner.getI32Type(),
                linalg::IndexOp::create(inner, at, along));
            Value taken = args.front();
            for (unsigned i = 1; i < args.size(); ++i) {
              Value mine = arith::CmpIOp::create(
                  inner, at, arith::CmpIPredicate::sge, position,
                  arith::ConstantOp::create(
                      inner, at, inner.getI32IntegerAttr(begins[i])));
              taken = arith::SelectOp::create(inner, at, mine, args[i], taken);
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
    return notCovered(op, "the position along a plan");
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
