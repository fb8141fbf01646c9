// The route dialect: types and checks of elementwise and three-valued ops.
#include "mlir/IR/Builders.h"
#include "route/Dialect/Route/IR/RouteOps.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace route;

SmallVector<FlatSymbolRefAttr> route::unionAxes(ArrayType lhs, ArrayType rhs) {
  SmallVector<FlatSymbolRefAttr> axes(lhs.getAxes());
  for (FlatSymbolRefAttr axis : rhs.getAxes())
    if (!lhs.hasAxis(axis))
      axes.push_back(axis);
  return axes;
}

/// `value`, as a range when `ranged`.
static Type rangedIf(bool ranged, Type value) {
  return ranged ? Type(RangeType::get(value.getContext(), value)) : value;
}

static bool isRange(Value value) {
  return isa<RangeType>(cast<ArrayType>(value.getType()).getElementType());
}

static Type elementOf(Value value) {
  return cast<ArrayType>(value.getType()).getElementType();
}

static Type valueTypeOf(Value value) { return getValueType(elementOf(value)); }

LogicalResult UnaryOp::inferReturnTypes(MLIRContext *context,
                                        std::optional<Location>,
                                        Adaptor adaptor,
                                        SmallVectorImpl<Type> &types) {
  auto type = cast<ArrayType>(adaptor.getOperand().getType());
  Type element = type.getElementType();
  if (adaptor.getKind() == UnaryKind::is_nan)
    element = rangedIf(isa<RangeType>(element), IntegerType::get(context, 1));
  types.push_back(type.withElement(element));
  return success();
}

LogicalResult UnaryOp::verify() {
  Type value = valueTypeOf(getOperand());
  switch (getKind()) {
  case UnaryKind::logical_not:
    if (!value.isInteger(1))
      return emitOpError("takes truth values, found ") << value;
    return success();
  case UnaryKind::neg:
  case UnaryKind::abs:
  case UnaryKind::sign:
  case UnaryKind::relu:
    if (!isNumber(value))
      return emitOpError("takes numbers, found ") << value;
    return success();
  default:
    if (!isa<FloatType>(value))
      return emitOpError("takes floats, found ") << value;
    return success();
  }
}

LogicalResult BinaryOp::inferReturnTypes(MLIRContext *, std::optional<Location>,
                                         Adaptor adaptor,
                                         SmallVectorImpl<Type> &types) {
  auto lhs = cast<ArrayType>(adaptor.getLhs().getType());
  auto rhs = cast<ArrayType>(adaptor.getRhs().getType());
  bool ranged = isRange(adaptor.getLhs()) || isRange(adaptor.getRhs());
  types.push_back(
      ArrayType::get(rangedIf(ranged, getValueType(lhs.getElementType())),
                     unionAxes(lhs, rhs)));
  return success();
}

/// Both operands must hold the same values, known or not.
static LogicalResult verifySameValues(Operation *op, Value lhs, Value rhs) {
  if (valueTypeOf(lhs) != valueTypeOf(rhs))
    return op->emitOpError("operands hold ")
           << valueTypeOf(lhs) << " and " << valueTypeOf(rhs);
  return success();
}

LogicalResult BinaryOp::verify() {
  if (failed(verifySameValues(*this, getLhs(), getRhs())))
    return failure();
  Type value = valueTypeOf(getLhs());
  switch (getKind()) {
  case BinaryKind::logical_and:
  case BinaryKind::logical_or:
    if (!value.isInteger(1))
      return emitOpError("takes truth values, found ") << value;
    return success();
  case BinaryKind::bit_and:
  case BinaryKind::bit_or:
  case BinaryKind::bit_xor:
  case BinaryKind::floordiv:
    if (!isa<IntegerType>(value) || value.isInteger(1))
      return emitOpError("takes integers, found ") << value;
    return success();
  default:
    if (!isNumber(value))
      return emitOpError("takes numbers, found ") << value;
    return success();
  }
}

LogicalResult CompareOp::inferReturnTypes(MLIRContext *context,
                                          std::optional<Location>,
                                          Adaptor adaptor,
                                          SmallVectorImpl<Type> &types) {
  auto lhs = cast<ArrayType>(adaptor.getLhs().getType());
  auto rhs = cast<ArrayType>(adaptor.getRhs().getType());
  bool ranged = isRange(adaptor.getLhs()) || isRange(adaptor.getRhs());
  types.push_back(ArrayType::get(rangedIf(ranged, IntegerType::get(context, 1)),
                                 unionAxes(lhs, rhs)));
  return success();
}

LogicalResult CompareOp::verify() {
  if (failed(verifySameValues(*this, getLhs(), getRhs())))
    return failure();
  bool ordered = getKind() != CompareKind::eq && getKind() != CompareKind::ne;
  Type value = valueTypeOf(getLhs());
  if (ordered && !isNumber(value) && !isa<EnumType>(value))
    return emitOpError("orders ") << value << ", which has no order";
  return success();
}

LogicalResult SelectOp::inferReturnTypes(MLIRContext *, std::optional<Location>,
                                         Adaptor adaptor,
                                         SmallVectorImpl<Type> &types) {
  auto condition = cast<ArrayType>(adaptor.getCondition().getType());
  auto ifTrue = cast<ArrayType>(adaptor.getIfTrue().getType());
  auto ifFalse = cast<ArrayType>(adaptor.getIfFalse().getType());
  bool ranged = isRange(adaptor.getCondition()) ||
                isRange(adaptor.getIfTrue()) || isRange(adaptor.getIfFalse());
  ArrayType axes = condition.withAxes(unionAxes(condition, ifTrue));
  types.push_back(
      ArrayType::get(rangedIf(ranged, getValueType(ifTrue.getElementType())),
                     unionAxes(axes, ifFalse)));
  return success();
}

LogicalResult SelectOp::verify() {
  return verifySameValues(*this, getIfTrue(), getIfFalse());
}

/// Whether one value of type `from` turns into one of type `to`.
static bool isConvertible(Type from, Type to) {
  if (from == to)
    return true;
  if (auto range = dyn_cast<RangeType>(to))
    return isConvertible(getValueType(from), range.getValueType());
  auto scalar = [](Type type) { return isa<FloatType, IntegerType>(type); };
  auto coded = [](Type type) {
    return isa<EnumType, RefType, HandleType>(type);
  };
  if (scalar(from) && scalar(to))
    return true;
  return (coded(from) && to.isInteger(64)) ||
         (from.isInteger(64) && coded(to)) ||
         (isa<RefType>(from) && isa<RefType>(to));
}

LogicalResult CastOp::verify() {
  auto from = cast<ArrayType>(getOperand().getType()),
       to = cast<ArrayType>(getType());
  if (from.getAxes() != to.getAxes())
    return emitOpError("changes axes");
  if (isa<RangeType>(from.getElementType()) &&
      !isa<RangeType>(to.getElementType()))
    return emitOpError("cannot make ")
           << from.getElementType() << " known; use route.coalesce";
  if (!isConvertible(from.getElementType(), to.getElementType()))
    return emitOpError("cannot convert ")
           << from.getElementType() << " to " << to.getElementType();
  return success();
}

OpFoldResult CastOp::fold(FoldAdaptor) {
  return getOperand().getType() == getType() ? getOperand() : OpFoldResult();
}

LogicalResult UnknownOp::verify() {
  if (!isa<RangeType>(cast<ArrayType>(getType()).getElementType()))
    return emitOpError("must be a range");
  return success();
}

LogicalResult KnownOp::verify() {
  auto from = cast<ArrayType>(getOperand().getType()),
       to = cast<ArrayType>(getType());
  if (!isRange(getOperand()) ||
      to != from.withElement(IntegerType::get(getContext(), 1)))
    return emitOpError("takes a range and gives i1 over the same axes");
  return success();
}

LogicalResult BoundOp::verify() {
  auto from = cast<ArrayType>(getOperand().getType());
  if (!isRange(getOperand()) ||
      getType() != from.withElement(valueTypeOf(getOperand())))
    return emitOpError(
        "takes a range and gives its values' type over the same axes");
  return success();
}

LogicalResult CoalesceOp::verify() {
  if (failed(verifySameValues(*this, getLhs(), getRhs())))
    return failure();
  auto lhs = cast<ArrayType>(getLhs().getType()),
       rhs = cast<ArrayType>(getRhs().getType());
  auto expected = ArrayType::get(rhs.getElementType(), unionAxes(lhs, rhs));
  if (!isRange(getLhs()))
    return emitOpError("first operand is always known");
  if (getType() != expected)
    return emitOpError("gives ") << expected << ", found " << getType();
  return success();
}
