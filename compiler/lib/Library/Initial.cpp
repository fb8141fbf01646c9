// What state starts as: constants, followed through casts and broadcasts.
#include "Initial.h"
#include "llvm/ADT/APSInt.h"

using namespace mlir;
using namespace route;

/// The integer that holds an element which is no float; null where none does.
static IntegerType wordOf(Type element) {
  MLIRContext *context = element.getContext();
  if (isa<EnumType, RefType>(element))
    return IntegerType::get(context, 32);
  if (isa<HandleType>(element))
    return IntegerType::get(context, 64);
  if (auto integer = dyn_cast<IntegerType>(element))
    return IntegerType::get(context, integer.getWidth());
  return nullptr;
}

static APFloat rounded(APFloat value, FloatType to) {
  bool inexact;
  value.convert(to.getFloatSemantics(), APFloat::rmNearestTiesToEven, &inexact);
  return value;
}

/// A number of type `from` as one of type `to`, as route.cast has it; null for
/// what is no number.
static Attribute convert(Attribute number, Type from, Type to) {
  MLIRContext *context = to.getContext();
  auto toFloat = dyn_cast<FloatType>(to);
  // Narrow floats are reached by way of f32.
  auto near =
      toFloat && !to.isF64() ? FloatType(Float32Type::get(context)) : toFloat;
  if (auto given = dyn_cast_or_null<FloatAttr>(number)) {
    APFloat value = given.getValue();
    if (toFloat)
      return FloatAttr::get(toFloat, rounded(rounded(value, near), toFloat));
    IntegerType word = wordOf(to);
    if (!word)
      return {};
    if (word.getWidth() == 1)
      return BoolAttr::get(context, !value.isZero());
    // Truncates and saturates; NaN gives 0.
    llvm::APSInt result(word.getWidth(), to.isUnsignedInteger());
    bool exact;
    value.convertToInteger(result, APFloat::rmTowardZero, &exact);
    return IntegerAttr::get(word, result);
  }
  auto given = dyn_cast_or_null<IntegerAttr>(number);
  if (!given)
    return {};
  const APInt &value = given.getValue();
  bool isSigned = !from.isUnsignedInteger() && value.getBitWidth() > 1;
  if (toFloat) {
    APFloat wide(near.getFloatSemantics());
    wide.convertFromAPInt(value, isSigned, APFloat::rmNearestTiesToEven);
    return FloatAttr::get(toFloat, rounded(wide, toFloat));
  }
  IntegerType word = wordOf(to);
  if (!word)
    return {};
  if (word.getWidth() == 1)
    return BoolAttr::get(context, !value.isZero());
  return IntegerAttr::get(word, isSigned ? value.sextOrTrunc(word.getWidth())
                                         : value.zextOrTrunc(word.getWidth()));
}

/// The constant that `value` is; null where it is none.
static Attribute constantOf(Value value) {
  Operation *op = value.getDefiningOp();
  auto type = dyn_cast<ArrayType>(value.getType());
  if (!op || !type)
    return {};
  Type element = type.getElementType();
  if (auto constant = dyn_cast<ConstantOp>(op))
    return convert(constant.getValue(), element, element);
  if (auto cast = dyn_cast<CastOp>(op))
    return convert(
        constantOf(cast.getOperand()),
        mlir::cast<ArrayType>(cast.getOperand().getType()).getElementType(),
        element);
  if (auto broadcast = dyn_cast<BroadcastOp>(op)) {
    Attribute operand = constantOf(broadcast.getOperand());
    return isa_and_nonnull<DenseElementsAttr>(operand) ? Attribute() : operand;
  }
  if (auto get = dyn_cast<GetOp>(op)) {
    auto column = SymbolTable::lookupNearestSymbolFrom<ColumnOp>(
        op->getParentOfType<ModuleOp>(), get.getSymbol());
    if (column && column.getKind() == ColumnKind::constant)
      if (auto dense = dyn_cast<DenseElementsAttr>(*column.getValue());
          dense && dense.getElementType().isIntOrFloat())
        return dense;
  }
  return {};
}

/// Zeros, but that a reference is to no row.
static Attribute zerosOf(Type element) {
  return isa<RefType>(element) ? IntegerAttr::get(wordOf(element), -1)
                               : Attribute();
}

static LogicalResult noConstant(Operation *op, StringRef what) {
  return op->emitError() << "compiled code does not cover " << what
                         << " that starts as no constant yet; the interpreter "
                            "does";
}

FailureOr<Attribute> route::initialOf(StateOp state) {
  Type element = cast<ArrayType>(state.getType()).getElementType();
  if (state.getInit().empty())
    return state.getFrom() ? Attribute() : zerosOf(element);
  auto yield = cast<YieldOp>(state.getInit().front().getTerminator());
  Attribute initial = constantOf(yield.getOperand(0));
  if (!initial)
    return noConstant(state, "state");
  return initial;
}

FailureOr<Attribute> route::initialOf(ColumnOp column) {
  Type element = cast<ArrayType>(column.getType()).getElementType();
  if (!column.getFallback())
    return zerosOf(element);
  Attribute initial = convert(*column.getFallback(), element, element);
  if (!initial)
    return noConstant(column, "a column");
  return initial;
}
