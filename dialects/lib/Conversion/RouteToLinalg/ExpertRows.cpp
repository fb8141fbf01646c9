// The rows of a plan as matrices for experts: sorted by what the weights have
// one matrix each of, and back.
#include "Lowering.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "route/Dialect/Ragged/IR/Ragged.h"

using namespace mlir;
using namespace route;
using namespace route::lowering;

Grouping &Lowering::grouping(const Plan &rows, Axis by, Location loc) {
  auto [it, fresh] =
      groupings.try_emplace((rows.axis.getValue() + "/" + by.getValue()).str());
  Grouping &group = it->second;
  if (!fresh)
    return group;
  Type i32 = b.getI32Type();
  // Slots as a matrix, items x rank, of what they are sorted by.
  Value slots = rows.indices;
  SmallVector<Axis> dims = dimsOf(ArrayRef(rows.axis));
  if (by != rows.candidates)
    slots = generate(
        sizesOf(dims, loc), i32, loc,
        [&](OpBuilder &inner, Location at, ValueRange here) -> Value {
          Value there = presentAt(inner, at, dims, here);
          std::optional<Place> place = placeOf(inner, at, by, dims, here);
          if (place->there)
            there = arith::AndIOp::create(inner, at, there, place->there);
          return arith::SelectOp::create(
              inner, at, there,
              arith::IndexCastOp::create(inner, at, i32, place->position),
              arith::ConstantOp::create(inner, at,
                                        inner.getI32IntegerAttr(-1)));
        });
  auto type = cast<RankedTensorType>(slots.getType());
  if (type.getRank() == 1) {
    SmallVector<OpFoldResult> shape = {b.getIndexAttr(1), capacity(rows)};
    type = RankedTensorType::get({1, type.getDimSize(0)}, i32);
    slots = tensor::ExpandShapeOp::create(
        b, loc, type, slots, ArrayRef<ReassociationIndices>{{0, 1}}, shape);
  } else if (type.getRank() > 2) {
    SmallVector<ReassociationIndices> groups = {
        llvm::to_vector(llvm::seq<int64_t>(0, type.getRank() - 1)),
        {type.getRank() - 1}};
    slots = tensor::CollapseShapeOp::create(b, loc, slots, groups);
    type = cast<RankedTensorType>(slots.getType());
  }
  int64_t experts = staticSize(by);
  Value items = constantIndex(1, loc);
  for (Axis dim : dimsOf(rows.per))
    items = arith::MulIOp::create(b, loc, items, sizeValue(dim, loc));
  group.rows = arith::MulIOp::create(b, loc, items, sizeValue(rows.axis, loc));
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
  group.offsets = ragged::OffsetsOp::create(
                      b, loc, TypeRange(offsets0.getType()), counts, offsets0)
                      ->getResult(0);
  OpFoldResult many = type.hasStaticShape()
                          ? OpFoldResult(b.getIndexAttr(type.getNumElements()))
                          : OpFoldResult(group.rows);
  Value perm0 =
      tensor::EmptyOp::create(b, loc, ArrayRef<OpFoldResult>{many}, i32);
  Value inv0 = tensor::EmptyOp::create(
      b, loc, tensor::getMixedSizes(b, loc, slots), i32);
  auto permute = ragged::PermuteOp::create(
      b, loc, TypeRange{perm0.getType(), inv0.getType()}, slots, group.offsets,
      Value(), perm0, inv0);
  group.perm = permute->getResult(0);
  group.inv = permute->getResult(1);
  return group;
}

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

/// The axis that the weights of an expert's products have one matrix for each
/// position of, and null where all rows share them.
Axis Lowering::sortedBy(Value route) {
  Axis expert = expertAxis(route.getType());
  Operation *op = route.getDefiningOp();
  if (!expert || !op)
    return {};
  if (auto contract = dyn_cast<ContractOp>(op)) {
    Value weights = contract.getRhs();
    if (auto broadcast = weights.getDefiningOp<BroadcastOp>();
        broadcast && broadcast.getPlan())
      weights = broadcast.getOperand();
    for (Axis axis : cast<ArrayType>(weights.getType()).getAxes())
      if (!contract.getType().hasAxis(axis) &&
          !llvm::is_contained(contract.getOver(), axis) &&
          descends(expert, axis))
        return axis;
    return sortedBy(contract.getLhs());
  }
  if (isa<UnaryOp, BinaryOp, CompareOp, SelectOp, CastOp, PickOp, RenameOp>(op))
    for (Value operand : op->getOperands())
      if (Axis axis = sortedBy(operand))
        return axis;
  return {};
}

/// Items' rows where they are found by descent, one for each slot, sorted.
Value Lowering::rowsByPlace(BroadcastOp broadcast, Axis by, Location loc) {
  auto from = cast<ArrayType>(broadcast.getOperand().getType()),
       to = cast<ArrayType>(broadcast.getType());
  Plan &rows = plans[expertAxis(to).getValue()];
  Value source = get(broadcast.getOperand());
  SmallVector<Axis> dims = dimsOf(from), slots = dimsOf(ArrayRef(rows.axis)),
                    lead = dims;
  while (!lead.empty() && to.hasAxis(lead.back()))
    lead.pop_back();
  if (!source || lead.size() == dims.size() || lead.empty() ||
      llvm::any_of(lead, [&](Axis dim) { return !descends(rows.axis, dim); }))
    return {};
  Value matrix = asMatrix(b, loc, source, lead.size());
  Grouping &group = grouping(rows, by, loc);
  Type i32 = b.getI32Type();
  Value itemOf = generate(
      sizesOf(slots, loc), i32, loc,
      [&](OpBuilder &inner, Location at, ValueRange here) -> Value {
        Value there = presentAt(inner, at, slots, here), line;
        auto places = placesOf(inner, at, lead, slots, here, there);
        for (auto [dim, place] : llvm::zip(lead, *places))
          line = line ? Value(arith::AddIOp::create(
                            inner, at,
                            arith::MulIOp::create(inner, at, line,
                                                  extentAt(inner, dim, at)),
                            place))
                      : place;
        return arith::SelectOp::create(
            inner, at, there, arith::IndexCastOp::create(inner, at, i32, line),
            arith::ConstantOp::create(inner, at, inner.getI32IntegerAttr(-1)));
      });
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

/// An array over a plan's rows and columns that no product is part of: computed
/// as the rows were chosen, then sorted.
Value Lowering::sorted(Value route, Axis by, Location loc) {
  auto type = cast<ArrayType>(route.getType());
  Plan &rows = plans[expertAxis(type).getValue()];
  SmallVector<Axis> slots = dimsOf(ArrayRef(rows.axis)), dims = dimsOf(type);
  Value plain = get(route);
  if (!plain || ArrayRef(dims).take_front(slots.size()) != ArrayRef(slots) ||
      !isa<FloatType>(cast<RankedTensorType>(plain.getType()).getElementType()))
    return {};
  Value matrix = asMatrix(b, loc, plain, slots.size());
  if (!matrix)
    return {};
  Grouping &group = grouping(rows, by, loc);
  auto held = cast<RankedTensorType>(matrix.getType());
  Value init = tensor::EmptyOp::create(
      b, loc,
      ArrayRef<OpFoldResult>{tensor::getMixedSize(b, loc, group.perm, 0),
                             b.getIndexAttr(held.getDimSize(1))},
      held.getElementType());
  return ragged::GatherOp::create(b, loc, TypeRange(init.getType()), matrix,
                                  group.perm, init, 1)
      ->getResult(0);
}

/// Experts' values over the plan's rows as they were chosen, zero where there
/// is no row.
Value Lowering::unsorted(Value route, Location loc) {
  auto type = cast<ArrayType>(route.getType());
  Axis expert = expertAxis(type), by = sortedBy(route);
  if (!by)
    by = plans[expert.getValue()].candidates;
  Value matrix = matrixOf(route, by, loc);
  if (!matrix)
    return {};
  SmallVector<Axis> dims = dimsOf(type), rows = dimsOf(ArrayRef(expert));
  if (ArrayRef(dims).take_front(rows.size()) != ArrayRef(rows)) {
    (void)unsupported(route.getDefiningOp(), "this order of axes");
    return {};
  }
  Value inv = grouping(plans[expert.getValue()], by, loc).inv;
  Type held = element(type.getElementType());
  return generate(
      sizesOf(dims, loc), held, loc,
      [&](OpBuilder &inner, Location at, ValueRange here) -> Value {
        // The slot as (items, rank), the element as one column.
        auto flat = [&](ArrayRef<Axis> axes, ValueRange position) -> Value {
          Value line;
          for (auto [dim, place] : llvm::zip(axes, position))
            line = line ? Value(arith::AddIOp::create(
                              inner, at,
                              arith::MulIOp::create(inner, at, line,
                                                    extentAt(inner, dim, at)),
                              place))
                        : Value(place);
          return line ? line : constantAt(inner, 0, at);
        };
        Value item = flat(ArrayRef(rows).drop_back(),
                          here.take_front(rows.size() - 1)),
              column = flat(ArrayRef(dims).drop_front(rows.size()),
                            here.drop_front(rows.size()));
        Value row = tensor::ExtractOp::create(
            inner, at, inv, ValueRange{item, here[rows.size() - 1]});
        Value there = arith::CmpIOp::create(
            inner, at, arith::CmpIPredicate::sge, row,
            arith::ConstantOp::create(inner, at, inner.getI32IntegerAttr(0)));
        return scf::IfOp::create(
                   inner, at, there,
                   [&](OpBuilder &then, Location where) {
                     Value line = arith::IndexCastOp::create(
                         then, where, then.getIndexType(), row);
                     Value found = tensor::ExtractOp::create(
                         then, where, matrix, ValueRange{line, column});
                     scf::YieldOp::create(then, where, found);
                   },
                   [&](OpBuilder &other, Location where) {
                     Value zero = arith::ConstantOp::create(
                         other, where,
                         cast<TypedAttr>(other.getZeroAttr(held)));
                     scf::YieldOp::create(other, where, zero);
                   })
            .getResult(0);
      });
}

/// The sum of experts' rows where they descend from: row by row in the order of
/// the plan, each times its scale.
LogicalResult Lowering::combineByPlace(ReduceOp op, Value y, Value scale,
                                       Value inv) {
  Location loc = op.getLoc();
  auto from = cast<ArrayType>(op.getOperand().getType()),
       to = cast<ArrayType>(op.getType());
  SmallVector<Axis> slots = dimsOf(ArrayRef(expertAxis(from))),
                    dims = dimsOf(to), lead = dims;
  while (!lead.empty() && from.hasAxis(lead.back()))
    lead.pop_back();
  if (llvm::any_of(lead,
                   [&](Axis dim) { return !descends(expertAxis(from), dim); }))
    return unsupported(op, "this reduction of experts' values");
  Type f32 = b.getF32Type();
  int64_t columns = cast<RankedTensorType>(y.getType()).getDimSize(1);
  Value many = constantIndex(1, loc);
  for (Axis dim : lead)
    many = arith::MulIOp::create(b, loc, many, sizeValue(dim, loc));
  bool fixed = llvm::none_of(
      lead, [&](Axis dim) { return ShapedType::isDynamic(staticSize(dim)); });
  int64_t count = 1;
  for (Axis dim : lead)
    count *= fixed ? staticSize(dim) : 1;
  OpFoldResult rows =
      fixed ? OpFoldResult(b.getIndexAttr(count)) : OpFoldResult(many);
  Value zero = arith::ConstantOp::create(b, loc, b.getF32FloatAttr(0));
  Value sums =
      linalg::FillOp::create(
          b, loc, zero,
          tensor::EmptyOp::create(
              b, loc, ArrayRef<OpFoldResult>{rows, b.getIndexAttr(columns)},
              f32)
              .getResult())
          .getResult(0);
  Value sum =
      forEachPosition(
          slots, sums, loc,
          [&](ValueRange at, ValueRange held) -> SmallVector<Value> {
            return when(
                presentAt(b, loc, slots, at), held, loc,
                [&]() -> SmallVector<Value> {
                  Value there, line = constantIndex(0, loc),
                               slot = constantIndex(0, loc);
                  auto places = placesOf(b, loc, lead, slots, at, there);
                  for (auto [dim, place] : llvm::zip(lead, *places))
                    line = arith::AddIOp::create(
                        b, loc,
                        arith::MulIOp::create(b, loc, line,
                                              sizeValue(dim, loc)),
                        place);
                  for (auto [dim, place] :
                       llvm::zip(ArrayRef(slots).drop_back(), at))
                    slot = arith::AddIOp::create(
                        b, loc,
                        arith::MulIOp::create(b, loc, slot,
                                              sizeValue(dim, loc)),
                        place);
                  return when(there, held, loc, [&]() -> SmallVector<Value> {
                    Value row = arith::IndexCastOp::create(
                        b, loc, b.getIndexType(),
                        tensor::ExtractOp::create(b, loc, inv,
                                                  ValueRange{slot, at.back()}));
                    Value factor = scale ? Value(tensor::ExtractOp::create(
                                               b, loc, scale, at))
                                         : Value();
                    OpFoldResult one = b.getIndexAttr(1),
                                 none = b.getIndexAttr(0),
                                 width = b.getIndexAttr(columns);
                    auto lineOf = [&](Value matrix, Value at) -> Value {
                      Type element = cast<RankedTensorType>(matrix.getType())
                                         .getElementType();
                      return tensor::ExtractSliceOp::create(
                          b, loc, RankedTensorType::get({columns}, element),
                          matrix, ArrayRef<OpFoldResult>{at, none},
                          ArrayRef<OpFoldResult>{one, width},
                          ArrayRef<OpFoldResult>{one, one});
                    };
                    AffineMap same = b.getMultiDimIdentityMap(1);
                    Value before = lineOf(held[0], line);
                    Value after =
                        linalg::GenericOp::create(
                            b, loc, before.getType(), lineOf(y, row), before,
                            ArrayRef<AffineMap>{same, same},
                            utils::IteratorType::parallel,
                            [&](OpBuilder &inner, Location at,
                                ValueRange args) {
                              Value term = args[0];
                              if (term.getType() != f32)
                                term =
                                    arith::ExtFOp::create(inner, at, f32, term);
                              if (factor)
                                term = arith::MulFOp::create(inner, at, term,
                                                             factor);
                              linalg::YieldOp::create(
                                  inner, at,
                                  arith::AddFOp::create(inner, at, args[1],
                                                        term)
                                      .getResult());
                            })
                            .getResult(0);
                    return {tensor::InsertSliceOp::create(
                        b, loc, after, held[0],
                        ArrayRef<OpFoldResult>{line, none},
                        ArrayRef<OpFoldResult>{one, width},
                        ArrayRef<OpFoldResult>{one, one})};
                  });
                });
          })
          .front();
  auto want = tensorType(to);
  if (sum.getType() != want) {
    SmallVector<ReassociationIndices> groups = {
        llvm::to_vector(llvm::seq<int64_t>(0, lead.size())),
        llvm::to_vector(llvm::seq<int64_t>(lead.size(), want.getRank()))};
    if (lead.empty())
      return unsupported(op, "a sum of all experts' values");
    sum = tensor::ExpandShapeOp::create(b, loc, want, sum, groups,
                                        sizesOf(dims, loc));
  }
  set(op.getResult(), sum);
  return success();
}
