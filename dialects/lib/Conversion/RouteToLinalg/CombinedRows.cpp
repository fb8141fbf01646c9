// What experts made of a plan's rows, summed where the rows descend from.
// Columns stay together: a sum over a plan of rows that experts made, or of
// what its parts made, is one op on matrices.
#include "Lowering.h"
#include "route/Dialect/Ragged/IR/Ragged.h"

using namespace mlir;
using namespace route;
using namespace route::lowering;

/// Whether a value holds what experts made: products of the plan's rows, or
/// what its parts made.
bool Lowering::gathersExperts(Value value) {
  Operation *op = value.getDefiningOp();
  if (isProduct(value))
    return true;
  if (auto reduce = dyn_cast_or_null<ReduceOp>(op))
    return fillsBase(reduce);
  return op && isa<UnaryOp, BinaryOp, CompareOp, SelectOp, CastOp>(op) &&
         llvm::any_of(op->getOperands(), [&](Value operand) {
           return expertAxis(operand.getType()) && gathersExperts(operand);
         });
}

/// Whether a sum over a plan leaves columns: rows that experts made, or sums of
/// what its parts made.
bool Lowering::combines(ReduceOp op) {
  auto from = cast<ArrayType>(op.getOperand().getType()),
       to = cast<ArrayType>(op.getType());
  Axis expert = expertAxis(from);
  if (item || !expert || op.getKind() != ReduceKind::sum || !op.getPlan() ||
      from.getAxes().front() != expert || !from.getElementType().isF32() ||
      plans[expert.getValue()].axis != plan(op.getPlan()).axis ||
      !gathersExperts(op.getOperand()))
    return false;
  // What is not the plan's own leads or stays.
  ArrayRef<Axis> columns = from.getAxes().drop_front();
  if (llvm::any_of(columns, [&](Axis axis) {
        return ShapedType::isDynamic(staticSize(axis));
      }))
    return false;
  return to.getAxes().take_back(columns.size()) == columns &&
         llvm::none_of(to.getAxes().drop_back(columns.size()),
                       [&](Axis axis) { return !descends(expert, axis); });
}

/// The sum of experts' values over a plan's rows, back at the items.
LogicalResult Lowering::lowerCombine(ReduceOp op) {
  Location loc = op.getLoc();
  auto from = cast<ArrayType>(op.getOperand().getType()),
       to = cast<ArrayType>(op.getType());
  Axis expert = expertAxis(from);
  Plan rows = plans[expert.getValue()];
  SmallVector<Axis> dims = dimsOf(to), items = dimsOf(rows.per);
  SmallVector<Axis> want(items);
  llvm::append_range(want, from.getAxes().drop_front());
  bool atItems = dims == want;
  // `weight * value` is summed as it is: each product and sum rounded to f32.
  Value source = op.getOperand(), scale;
  if (auto product = source.getDefiningOp<BinaryOp>();
      product && product.getKind() == BinaryKind::mul)
    for (auto [one, other] : {std::pair(product.getLhs(), product.getRhs()),
                              std::pair(product.getRhs(), product.getLhs())})
      if (cast<ArrayType>(one.getType()).getAxes() == ArrayRef<Axis>(expert) &&
          cast<ArrayType>(one.getType()).getElementType().isF32() &&
          cast<ArrayType>(other.getType()).getAxes() == from.getAxes()) {
        if (!(scale = get(one)))
          return failure();
        source = other;
        break;
      }
  // Widening before the sum is what combining does.
  if (auto cast = source.getDefiningOp<CastOp>();
      cast && llvm::cast<ArrayType>(cast.getType()).getElementType().isF32() &&
      llvm::cast<ArrayType>(cast.getOperand().getType())
          .getElementType()
          .isBF16())
    source = cast.getOperand();
  Value y, inv;
  if (!values.contains(source) && isProduct(source) && fuse(source, loc)) {
    Sorted made = matrices[source];
    y = made.matrix;
    inv = groupings[made.group].inv;
  } else {
    Value tensor = get(source);
    if (!tensor)
      return failure();
    y = asMatrix(b, loc, tensor, dimsOf(ArrayRef<Axis>(expert)).size());
    inv = slotPlaces(rows, loc);
  }
  if (Type held = cast<RankedTensorType>(y.getType()).getElementType();
      !held.isF32() && !held.isBF16())
    y = widen(y, loc);
  if (!atItems)
    return combineByPlace(op, y, scale, inv);
  if (scale)
    scale = slotMatrix(scale, loc);
  auto type = cast<RankedTensorType>(y.getType());
  Value init = tensor::EmptyOp::create(
      b, loc,
      ArrayRef<OpFoldResult>{tensor::getMixedSize(b, loc, inv, 0),
                             b.getIndexAttr(type.getDimSize(1))},
      b.getF32Type());
  Value sum = ragged::CombineOp::create(b, loc, TypeRange(init.getType()), y,
                                        inv, scale, init)
                  ->getResult(0);
  auto made = tensorType(to);
  if (items.empty()) // one item: its row
    sum = tensor::CollapseShapeOp::create(
        b, loc, sum, ArrayRef<ReassociationIndices>{{0, 1}});
  if (sum.getType() != made) {
    SmallVector<ReassociationIndices> groups;
    if (!items.empty())
      groups.push_back(llvm::to_vector(llvm::seq<int64_t>(0, items.size())));
    groups.push_back(
        llvm::to_vector(llvm::seq<int64_t>(items.size(), made.getRank())));
    sum = tensor::ExpandShapeOp::create(b, loc, made, sum, groups,
                                        sizesOf(dims, loc));
  }
  set(op.getResult(), sum);
  return success();
}

/// The sum of experts' rows where they descend from: row by row in the order of
/// the plan, each times its scale. An item may have rows of several experts.
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
    return notCovered(op, "this reduction of experts' values");
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
  Value lines = linesAbove(lead, slots, loc);
  if (!lines)
    return notCovered(op, "this reduction of experts' values");
  if (scale)
    scale = slotMatrix(scale, loc);
  Value init = tensor::EmptyOp::create(
      b, loc, ArrayRef<OpFoldResult>{rows, b.getIndexAttr(columns)}, f32);
  Value sum =
      ragged::CombineAtOp::create(b, loc, TypeRange(init.getType()), y, inv,
                                  slotMatrix(lines, loc), scale, init)
          ->getResult(0);
  auto want = tensorType(to);
  if (sum.getType() != want) {
    SmallVector<ReassociationIndices> groups = {
        llvm::to_vector(llvm::seq<int64_t>(0, lead.size())),
        llvm::to_vector(llvm::seq<int64_t>(lead.size(), want.getRank()))};
    if (lead.empty())
      return notCovered(op, "a sum of all experts' values");
    sum = tensor::ExpandShapeOp::create(b, loc, want, sum, groups,
                                        sizesOf(dims, loc));
  }
  set(op.getResult(), sum);
  return success();
}
