// Axes as dimensions: which dimensions an array has and how large they are.
#include "Lowering.h"
#include "route/Dialect/Signal/IR/Signal.h"

using namespace mlir;
using namespace route;
using namespace route::lowering;

SmallVector<Axis> Lowering::dimsOf(ArrayRef<Axis> axes) {
  SmallVector<Axis> dims;
  for (Axis axis : axes) {
    if (axis == item)
      continue;
    if (auto plan = plans.find(axis.getValue()); plan != plans.end())
      for (Axis outer : dimsOf(plan->second.per))
        if (!llvm::is_contained(dims, outer))
          dims.push_back(outer);
    dims.push_back(axis);
  }
  return dims;
}

SmallVector<Axis> Lowering::dimsOf(ArrayType type) {
  return dimsOf(type.getAxes());
}

int64_t Lowering::staticSize(Axis dim) {
  if (auto plan = plans.find(dim.getValue()); plan != plans.end())
    return plan->second.rank;
  AxisOp axis = lookupAxis(func, dim, tables);
  if (axis.getOriginalAttr())
    return staticSize(axis.getOriginalAttr());
  return axis.getSize() ? static_cast<int64_t>(*axis.getSize())
                        : ShapedType::kDynamic;
}

OpFoldResult Lowering::size(Axis dim, Location loc) {
  int64_t fixed = staticSize(dim);
  if (!ShapedType::isDynamic(fixed))
    return b.getIndexAttr(fixed);
  AxisOp axis = lookupAxis(func, dim, tables);
  return sizes.lookup(axis.getOriginalAttr() ? axis.getOriginalAttr().getValue()
                                             : dim.getValue());
}

Value Lowering::sizeValue(Axis dim, Location loc) {
  OpFoldResult result = size(dim, loc);
  if (auto value = dyn_cast<Value>(result))
    return value;
  return constantIndex(staticSize(dim), loc);
}

RankedTensorType Lowering::tensorType(ArrayRef<Axis> dims, Type type) {
  return RankedTensorType::get(
      llvm::map_to_vector(dims, [&](Axis dim) { return staticSize(dim); }),
      element(type));
}

RankedTensorType Lowering::tensorType(ArrayType type) {
  return tensorType(dimsOf(type), type.getElementType());
}

Value Lowering::empty(ArrayRef<Axis> dims, Type type, Location loc) {
  SmallVector<OpFoldResult> shape =
      llvm::map_to_vector(dims, [&](Axis dim) { return size(dim, loc); });
  return tensor::EmptyOp::create(b, loc, shape, element(type));
}

Type Lowering::element(Type type) {
  if (isa<EnumType, RefType>(type))
    return b.getI32Type();
  if (isa<HandleType>(type))
    return b.getI64Type();
  if (isa<TextType>(type))
    return signal::TextType::get(b.getContext());
  // Signedness is the route type's; arithmetic knows widths alone.
  if (auto integer = dyn_cast<IntegerType>(type))
    return b.getIntegerType(integer.getWidth());
  return type;
}

Axis Lowering::expertAxis(Type type) {
  auto array = dyn_cast<ArrayType>(type);
  if (!array || array.getAxes().size() < 2)
    return {};
  for (Axis axis : array.getAxes())
    if (kindOf(axis) == AxisKind::plan)
      return axis;
  return {};
}

Value Lowering::constantIndex(int64_t value, Location loc) {
  return arith::ConstantIndexOp::create(b, loc, value);
}

std::optional<int64_t> Lowering::constantOf(Value route) {
  if (auto constant = route.getDefiningOp<ConstantOp>())
    if (auto integer = dyn_cast<IntegerAttr>(constant.getValue()))
      return integer.getInt();
  return std::nullopt;
}

LogicalResult Lowering::unsupported(Operation *op, const Twine &what) {
  return op->emitError() << "compiled code does not cover " << what
                         << " yet; the interpreter does";
}

Value Lowering::get(Value route) {
  if (Value tensor = values.lookup(route))
    return tensor;
  // Expert values and what only they use are computed on demand.
  if (expertAxis(route.getType()))
    return fusedMatrix(route, cast<ArrayType>(route.getType()).getElementType(),
                       route.getLoc());
  return {};
}
