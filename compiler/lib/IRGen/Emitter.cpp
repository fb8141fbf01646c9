// Constants, elements and elementwise ops.
// The part of the emitter that concerns elements; Movement.cpp has the axes.
#include "route/IRGen/Emitter.h"

using namespace mlir;
using namespace route;
using namespace route::irgen;
using sema::AxisInfo;

mlir::Type Emitter::ranged(bool ranged, mlir::Type element) {
  if (!ranged || isa<RangeType>(element))
    return element;
  return RangeType::get(element.getContext(), element);
}

route::ArrayType Emitter::arrayType(mlir::Type element,
                                    llvm::ArrayRef<AxisInfo *> axes) {
  SmallVector<FlatSymbolRefAttr> symbols;
  for (AxisInfo *axis : axes)
    symbols.push_back(axis->symbol);
  return ArrayType::get(element, symbols);
}

AxisList Emitter::axesOf(mlir::Value value) {
  AxisList axes;
  for (FlatSymbolRefAttr symbol : typeOf(value).getAxes())
    axes.push_back(axisOf(symbol));
  return axes;
}

ArrayAttr Emitter::axisAttrs(llvm::ArrayRef<AxisInfo *> axes) {
  SmallVector<Attribute> symbols;
  for (AxisInfo *axis : axes)
    symbols.push_back(axis->symbol);
  return builder.getArrayAttr(symbols);
}

/// The whole number nearest to `value` that `element` holds in 64 bits: the
/// largest i64 is written as a number that an f64 rounds to one more.
static int64_t wholeNumber(mlir::Type element, double value) {
  if (value < 0x1p63)
    return value > -0x1p63 ? int64_t(value) : INT64_MIN;
  if (element.isUnsignedInteger(64))
    return value < 0x1p64 ? int64_t(uint64_t(value)) : int64_t(UINT64_MAX);
  return INT64_MAX;
}

mlir::Value Emitter::constant(mlir::Type element, double value,
                              llvm::ArrayRef<AxisInfo *> axes) {
  if (!isa<FloatType>(element))
    return constantInt(element, wholeNumber(element, value), axes);
  return ConstantOp::create(builder, loc, arrayType(element, axes),
                            builder.getFloatAttr(element, value));
}

mlir::Value Emitter::constantInt(mlir::Type element, int64_t value,
                                 llvm::ArrayRef<AxisInfo *> axes) {
  mlir::Type stored = isa<IntegerType>(element) ? element : i64();
  return ConstantOp::create(builder, loc, arrayType(element, axes),
                            builder.getIntegerAttr(stored, value));
}

mlir::Value Emitter::constantText(llvm::StringRef text) {
  auto type = ArrayType::get(TextType::get(builder.getContext()));
  return ConstantOp::create(builder, loc, type, builder.getStringAttr(text));
}

mlir::Value Emitter::unknown(mlir::Type value) {
  return UnknownOp::create(builder, loc, ArrayType::get(ranged(true, value)));
}

mlir::Value Emitter::cast(mlir::Value value, mlir::Type element) {
  if (isRange(value))
    element = ranged(true, element);
  if (elementOf(value) == element)
    return value;
  return CastOp::create(builder, loc, typeOf(value).withElement(element),
                        value);
}

mlir::Type Emitter::computingType(mlir::Type element) {
  mlir::Type value = getValueType(element);
  if (auto floating = dyn_cast<FloatType>(value);
      floating && floating.getWidth() < 32)
    value = Float32Type::get(element.getContext());
  else if (auto integer = dyn_cast<IntegerType>(value);
           integer && integer.getWidth() > 1 &&
           !(integer.isUnsigned() && integer.getWidth() == 64))
    value = IntegerType::get(element.getContext(), 64);
  return ranged(isa<RangeType>(element), value);
}

mlir::Value Emitter::computing(mlir::Value value) {
  return cast(value, computingType(elementOf(value)));
}

mlir::Value Emitter::bits(mlir::Value value) {
  return valueTypeOf(value).isUnsignedInteger(64) ? cast(value, i64())
                                                  : computing(value);
}

mlir::Value Emitter::unary(UnaryKind kind, mlir::Value value) {
  return UnaryOp::create(builder, loc, kind, bits(value));
}

mlir::Value Emitter::binary(BinaryKind kind, mlir::Value lhs, mlir::Value rhs) {
  mlir::Value operands[] = {lhs, rhs};
  align(operands);
  return route::BinaryOp::create(builder, loc, kind, operands[0], operands[1]);
}

mlir::Value Emitter::compare(CompareKind kind, mlir::Value lhs,
                             mlir::Value rhs) {
  mlir::Value operands[] = {lhs, rhs};
  align(operands);
  return CompareOp::create(builder, loc, kind, operands[0], operands[1]);
}

mlir::Value Emitter::select(mlir::Value condition, mlir::Value ifTrue,
                            mlir::Value ifFalse) {
  mlir::Value operands[] = {condition, ifTrue, ifFalse};
  align(operands);
  return SelectOp::create(builder, loc, operands[0], operands[1], operands[2]);
}

mlir::Value Emitter::coalesce(mlir::Value lhs, mlir::Value rhs) {
  if (!isRange(lhs))
    return lhs;
  mlir::Value operands[] = {lhs, rhs};
  align(operands);
  auto type =
      ArrayType::get(elementOf(operands[1]),
                     unionAxes(typeOf(operands[0]), typeOf(operands[1])));
  return CoalesceOp::create(builder, loc, type, operands[0], operands[1]);
}

mlir::Value Emitter::contract(mlir::Value lhs, mlir::Value rhs,
                              llvm::ArrayRef<AxisInfo *> over, bool exact) {
  return ContractOp::create(builder, loc, lhs, rhs, axisAttrs(over), exact);
}

mlir::Value Emitter::get(SymbolRefAttr symbol, ArrayType type) {
  return GetOp::create(builder, loc, type, symbol);
}

ChooseOp Emitter::choose(ChoiceKind kind, AxisInfo *axis,
                         const Choice &choice) {
  auto under =
      choice.under.empty() ? ArrayAttr() : builder.getArrayAttr(choice.under);
  return ChooseOp::create(
      builder, loc, PlanType::get(builder.getContext(), axis->symbol), kind,
      axis->symbol.getValue(), axis->candidates()->symbol.getValue(),
      axisAttrs(axis->items()), choice.count, choice.mask, choice.keys,
      choice.table, choice.ends, choice.source, choice.up, choice.greedy,
      under);
}
