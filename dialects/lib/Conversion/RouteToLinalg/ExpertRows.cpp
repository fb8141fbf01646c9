// The rows of a plan as matrices for experts.
// Sorted by what the weights have one matrix each of, and back in the plan's
// slots. CombinedRows.cpp sums them at the items.
#include "Lowering.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "route/Dialect/Ragged/IR/Ragged.h"

using namespace mlir;
using namespace route;
using namespace route::lowering;

/// Folds the dimensions of `tensor` into two: the first `leading` and the rest.
Value route::lowering::asMatrix(OpBuilder &b, Location loc, Value tensor,
                                unsigned leading) {
  auto type = cast<RankedTensorType>(tensor.getType());
  SmallVector<ReassociationIndices> groups(2);
  for (int64_t i = 0; i < type.getRank(); ++i)
    groups[i < leading ? 0 : 1].push_back(i);
  if (leading == 0 || leading == type.getRank())
    return {};
  if (type.getRank() == 2)
    return tensor;
  return tensor::CollapseShapeOp::create(b, loc, tensor, groups);
}

/// Values of a plan's slots as a matrix, items by rank.
Value Lowering::slotMatrix(Value tensor, Location loc) {
  auto type = cast<RankedTensorType>(tensor.getType());
  if (type.getRank() == 1)
    return tensor::ExpandShapeOp::create(
        b, loc,
        RankedTensorType::get({1, type.getDimSize(0)}, type.getElementType()),
        tensor, ArrayRef<ReassociationIndices>{{0, 1}},
        ArrayRef<OpFoldResult>{b.getIndexAttr(1),
                               tensor::getMixedSize(b, loc, tensor, 0)});
  return asMatrix(b, loc, tensor, type.getRank() - 1);
}

/// `there ? position : -1` as i32.
static Value positionIf(OpBuilder &b, Location loc, Value there,
                        Value position) {
  Type i32 = b.getI32Type();
  if (position.getType().isIndex())
    position = arith::IndexCastOp::create(b, loc, i32, position);
  Value none = arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(-1));
  return there ? Value(arith::SelectOp::create(b, loc, there, position, none))
               : position;
}

/// What each slot is sorted by: the place of its row's weights, -1 for none.
/// Null where that is not known.
Value Lowering::groupPositions(const Plan &rows, const GroupKey &key,
                               Location loc) {
  SmallVector<Axis> dims = dimsOf(ArrayRef(rows.axis));
  if (key.experts && !key.position && rows.axis == rows.base &&
      key.experts == rows.candidates)
    return rows.indices;
  Value given;
  SmallVector<Axis> givenDims;
  if (key.position) {
    given = get(key.position);
    givenDims = dimsOf(cast<ArrayType>(key.position.getType()));
    if (!given || givenDims != dims)
      return {};
  }
  bool known = true;
  Value slots = generate(
      sizesOf(dims, loc), b.getI32Type(), loc,
      [&](OpBuilder &inner, Location at, ValueRange here) -> Value {
        Value there = presentAt(inner, at, dims, here);
        if (!key.experts)
          return positionIf(inner, at, there, constantAt(inner, 0, at));
        if (!given) {
          std::optional<Place> place =
              placeOf(inner, at, key.experts, dims, here);
          if (!place) {
            known = false;
            return positionIf(inner, at, there, constantAt(inner, 0, at));
          }
          if (place->there)
            there = there ? Value(arith::AndIOp::create(inner, at, there,
                                                        place->there))
                          : place->there;
          return positionIf(inner, at, there, place->position);
        }
        // Unsigned, so that a negative position is outside too.
        Value position = arith::IndexCastOp::create(
            inner, at, inner.getIndexType(),
            tensor::ExtractOp::create(inner, at, given, here));
        Value inside =
            arith::CmpIOp::create(inner, at, arith::CmpIPredicate::ult,
                                  position, extentAt(inner, key.experts, at));
        return positionIf(
            inner, at,
            there ? Value(arith::AndIOp::create(inner, at, there, inside))
                  : inside,
            position);
      });
  return known ? slots : Value();
}

/// The plan's rows sorted by `key`; null where it has no static number of
/// positions.
Grouping *Lowering::grouping(const Plan &rows, const GroupKey &key,
                             Location loc) {
  std::string name =
      (rows.axis.getValue() + "/" +
       (key.experts ? key.experts.getValue() : StringRef()) + "/" +
       Twine(reinterpret_cast<uintptr_t>(key.position.getAsOpaquePointer())))
          .str();
  if (auto known = groupings.find(name); known != groupings.end())
    return &known->second;
  int64_t experts = key.experts ? staticSize(key.experts) : 1;
  if (ShapedType::isDynamic(experts))
    return nullptr;
  Type i32 = b.getI32Type();
  Value slots = groupPositions(rows, key, loc);
  if (!slots)
    return nullptr;
  slots = slotMatrix(slots, loc);
  auto type = cast<RankedTensorType>(slots.getType());
  Value zero = arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(0));
  Value counts0 =
      linalg::FillOp::create(
          b, loc, zero,
          tensor::EmptyOp::create(b, loc, ArrayRef<int64_t>{experts}, i32)
              .getResult())
          .getResult(0);
  Value counts = ragged::CountOp::create(b, loc, TypeRange(counts0.getType()),
                                         slots, Value(), counts0)
                     ->getResult(0);
  Value offsets0 =
      tensor::EmptyOp::create(b, loc, ArrayRef<int64_t>{experts + 1}, i32);
  Grouping group;
  group.name = name;
  group.offsets = ragged::OffsetsOp::create(
                      b, loc, TypeRange(offsets0.getType()), counts, offsets0)
                      ->getResult(0);
  OpFoldResult many;
  if (type.hasStaticShape()) {
    many = b.getIndexAttr(type.getNumElements());
  } else {
    Value items = constantIndex(1, loc);
    for (Axis dim : dimsOf(rows.per))
      items = arith::MulIOp::create(b, loc, items, sizeValue(dim, loc));
    many = arith::MulIOp::create(b, loc, items, sizeValue(rows.axis, loc))
               .getResult();
  }
  Value perm0 =
      tensor::EmptyOp::create(b, loc, ArrayRef<OpFoldResult>{many}, i32);
  Value inv0 = tensor::EmptyOp::create(
      b, loc, tensor::getMixedSizes(b, loc, slots), i32);
  auto permute = ragged::PermuteOp::create(
      b, loc, TypeRange{perm0.getType(), inv0.getType()}, slots, group.offsets,
      Value(), perm0, inv0);
  group.perm = permute->getResult(0);
  group.inv = permute->getResult(1);
  return &(groupings[name] = group);
}

/// The rows of `matrix`, one a slot, or one an item that serves all its slots,
/// sorted.
Value Lowering::sortRows(Value matrix, const Grouping &group, int64_t slots,
                         Location loc) {
  auto type = cast<RankedTensorType>(matrix.getType());
  SmallVector<OpFoldResult> shape = {
      tensor::getMixedSize(b, loc, group.perm, 0)};
  if (type.getRank() > 1)
    shape.push_back(tensor::getMixedSize(b, loc, matrix, 1));
  Value init = tensor::EmptyOp::create(b, loc, shape, type.getElementType());
  return ragged::GatherOp::create(b, loc, TypeRange(init.getType()), matrix,
                                  group.perm, init, slots)
      ->getResult(0);
}

/// Sorted rows back in the slots of their plan, as an array of `type`; zero
/// where there is no row.
Value Lowering::unsortRows(Value matrix, const Grouping &group, ArrayType type,
                           Location loc) {
  auto held = cast<RankedTensorType>(matrix.getType());
  Value places = tensor::CollapseShapeOp::create(
      b, loc, group.inv, ArrayRef<ReassociationIndices>{{0, 1}});
  Value zero =
      arith::ConstantOp::create(b, loc, b.getZeroAttr(held.getElementType()));
  Value init =
      linalg::FillOp::create(
          b, loc, zero,
          Value(tensor::EmptyOp::create(
              b, loc,
              ArrayRef<OpFoldResult>{tensor::getMixedSize(b, loc, places, 0),
                                     b.getIndexAttr(held.getDimSize(1))},
              held.getElementType())))
          .getResult(0);
  Value rows = ragged::GatherOp::create(b, loc, TypeRange(init.getType()),
                                        matrix, places, init, 1)
                   ->getResult(0);
  RankedTensorType want = tensorType(type);
  if (Type to = want.getElementType(); to != held.getElementType()) {
    // Rounded already.
    AffineMap same = b.getMultiDimIdentityMap(2);
    Value narrow = tensor::EmptyOp::create(
        b, loc, tensor::getMixedSizes(b, loc, rows), to);
    rows =
        linalg::GenericOp::create(
            b, loc, narrow.getType(), rows, narrow,
            ArrayRef<AffineMap>{same, same},
            SmallVector<utils::IteratorType>(2, utils::IteratorType::parallel),
            [&](OpBuilder &inner, Location at, ValueRange args) {
              linalg::YieldOp::create(
                  inner, at,
                  arith::TruncFOp::create(inner, at, to, args[0]).getResult());
            })
            .getResult(0);
  }
  if (rows.getType() == want)
    return rows;
  SmallVector<Axis> dims = dimsOf(type);
  int64_t leading = dimsOf(ArrayRef(type.getAxes().front())).size();
  SmallVector<ReassociationIndices> groups = {
      llvm::to_vector(llvm::seq<int64_t>(0, leading)),
      llvm::to_vector(llvm::seq<int64_t>(leading, want.getRank()))};
  return tensor::ExpandShapeOp::create(b, loc, want, rows, groups,
                                       sizesOf(dims, loc));
}

/// The line of a matrix over `lead` that each of the slots descends from, -1
/// where there is none; null where that is not told.
Value Lowering::linesAbove(ArrayRef<Axis> lead, ArrayRef<Axis> slots,
                           Location loc) {
  bool told = true;
  Value lines =
      generate(sizesOf(slots, loc), b.getI32Type(), loc,
               [&](OpBuilder &inner, Location at, ValueRange here) -> Value {
                 Value there = presentAt(inner, at, slots, here);
                 Value line = constantAt(inner, 0, at);
                 auto places = placesOf(inner, at, lead, slots, here, there);
                 told = places.has_value();
                 for (auto [i, dim] : llvm::enumerate(lead)) {
                   if (!told)
                     break;
                   line =
                       i ? Value(arith::AddIOp::create(
                               inner, at,
                               arith::MulIOp::create(inner, at, line,
                                                     extentAt(inner, dim, at)),
                               (*places)[i]))
                         : (*places)[i];
                 }
                 return positionIf(inner, at, there, line);
               });
  return told ? lines : Value();
}

/// Items' rows where they are found by descent, one for each slot, sorted. Null
/// where they are above the plan's rows in no such way.
Value Lowering::rowsByPlace(Value source, ArrayType from, const Plan &rows,
                            const Grouping &group, Location loc) {
  SmallVector<Axis> dims = dimsOf(from), slots = dimsOf(ArrayRef(rows.axis)),
                    lead = dims;
  // Dimensions that stay are columns.
  while (!lead.empty() && !descends(rows.axis, lead.back()))
    lead.pop_back();
  if (lead.size() == dims.size() || lead.empty() ||
      llvm::any_of(lead, [&](Axis dim) { return !descends(rows.axis, dim); }))
    return {};
  Value matrix = asMatrix(b, loc, source, lead.size());
  Type i32 = b.getI32Type();
  Value itemOf = linesAbove(lead, slots, loc);
  if (!itemOf)
    return {};
  itemOf = flattened(itemOf, 0, loc);
  OpFoldResult many = tensor::getMixedSize(b, loc, group.perm, 0);
  Value perm = generate(
      many, i32, loc,
      [&](OpBuilder &inner, Location at, ValueRange here) -> Value {
        Value slot = tensor::ExtractOp::create(inner, at, group.perm, here);
        Value there = arith::CmpIOp::create(
            inner, at, arith::CmpIPredicate::sge, slot,
            arith::ConstantOp::create(inner, at, inner.getI32IntegerAttr(0)));
        return scf::IfOp::create(
                   inner, at, there,
                   [&](OpBuilder &then, Location where) {
                     Value place = arith::IndexCastOp::create(
                         then, where, then.getIndexType(), slot);
                     Value found =
                         tensor::ExtractOp::create(then, where, itemOf, place);
                     scf::YieldOp::create(then, where, found);
                   },
                   [&](OpBuilder &other, Location where) {
                     scf::YieldOp::create(other, where, slot);
                   })
            .getResult(0);
      });
  auto type = cast<RankedTensorType>(matrix.getType());
  Value init = tensor::EmptyOp::create(
      b, loc, ArrayRef<OpFoldResult>{many, b.getIndexAttr(type.getDimSize(1))},
      type.getElementType());
  return ragged::GatherOp::create(b, loc, TypeRange(init.getType()), matrix,
                                  perm, init, 1)
      ->getResult(0);
}

/// An array over a plan and more as a matrix, its rows sorted by `group`. Null
/// where its shape or elements do not fit.
Value Lowering::sorted(Value route, Grouping *&group, Location loc) {
  auto type = cast<ArrayType>(route.getType());
  Axis expert = expertAxis(type);
  if (!expert || type.getAxes().front() != expert)
    return {};
  std::string name = group->name;
  const Plan rows = plans[expert.getValue()];
  Value matrix;
  if (!values.contains(route) && isProduct(route) && fuse(route, loc) &&
      matrices[route].group == name)
    matrix = matrices[route].matrix;
  // A product's groupings may have moved this one.
  group = &groupings[name];
  auto narrow = [&](Value made) -> Value {
    if (!made)
      return {};
    auto held = dyn_cast<FloatType>(
        cast<RankedTensorType>(made.getType()).getElementType());
    if (!held || held.isF64())
      return {};
    return held.isF32() || held.isBF16() ? made : widen(made, loc);
  };
  if (matrix)
    return narrow(matrix);
  // Items' values: every slot takes its item's row.
  Value source = route;
  while (auto broadcast = source.getDefiningOp<BroadcastOp>()) {
    source = broadcast.getOperand();
    auto from = cast<ArrayType>(source.getType());
    if (Axis outer = expertAxis(from)) {
      if (plans[outer.getValue()].base == rows.base)
        continue;
      break;
    }
    SmallVector<Axis> dims = dimsOf(from), items = dimsOf(rows.per);
    if (llvm::any_of(type.getAxes().drop_front(),
                     [&](Axis axis) { return !from.hasAxis(axis); }))
      break;
    Value tensor = get(source);
    if (!tensor)
      return {};
    if (!items.empty() && !rows.extent &&
        !llvm::is_contained(dims, rows.candidates) &&
        ArrayRef(dims).take_front(items.size()) == ArrayRef(items)) {
      Value made = narrow(asMatrix(b, loc, tensor, items.size()));
      return made ? sortRows(made, *group, rows.rank, loc) : Value();
    }
    if (Value made = rowsByPlace(tensor, from, rows, *group, loc))
      return narrow(made);
    break;
  }
  Value tensor = get(route);
  group = &groupings[name];
  if (!tensor)
    return {};
  Value made =
      narrow(asMatrix(b, loc, tensor, dimsOf(ArrayRef<Axis>(expert)).size()));
  return made ? sortRows(made, *group, 1, loc) : Value();
}

/// An array over a plan and more in the plan's slots: unsorted where it is one
/// product, computed as any other array where it is not.
Value Lowering::inSlots(Value route) {
  Operation *op = route.getDefiningOp();
  Location loc = route.getLoc();
  if (!op)
    return {};
  if (isProduct(route) && fuse(route, loc)) {
    Sorted made = matrices[route];
    set(route, unsortRows(made.matrix, groupings[made.group],
                          cast<ArrayType>(route.getType()), loc));
  } else if (failed(lowerNow(op))) {
    return {};
  }
  return values.lookup(route);
}

/// Where each slot's row lies when rows are in the order of the slots: at the
/// slot, -1 where there is none. Items by rank.
Value Lowering::slotPlaces(const Plan &rows, Location loc) {
  SmallVector<Axis> dims = dimsOf(ArrayRef(rows.axis));
  return slotMatrix(
      generate(sizesOf(dims, loc), b.getI32Type(), loc,
               [&](OpBuilder &inner, Location at, ValueRange here) -> Value {
                 Value place;
                 for (auto [dim, position] : llvm::zip(dims, here))
                   place = place ? Value(arith::AddIOp::create(
                                       inner, at,
                                       arith::MulIOp::create(
                                           inner, at, place,
                                           extentAt(inner, dim, at)),
                                       position))
                                 : position;
                 return positionIf(inner, at, presentAt(inner, at, dims, here),
                                   place);
               }),
      loc);
}
