// Numbers in the text, and the types that numbers meet in.
// A whole number has all its digits, up to 64 bits, from the text to the
// element that it becomes; other constants are f64. Of two element types there
// is one that both become.
#include "Elaborator.h"
#include "Unsigned.h"
#include "llvm/ADT/StringExtras.h"
#include <cmath>

using namespace route;
using namespace route::sema;
using namespace route::ast;

//===--- Constants --------------------------------------------------------===//

std::optional<uint64_t> sema::wholeNumber(const NumberExpr &number) {
  uint64_t value;
  if (!number.integral || number.hasUnit() || number.mulDen != 1 ||
      StringRef(number.digits)
          .getAsInteger(StringRef(number.digits).starts_with("0x") ? 0 : 10,
                        value) ||
      __builtin_mul_overflow(value, number.mulNum, &value))
    return std::nullopt;
  return value;
}

/// Wide enough for sums and products of two numbers of 64 bits.
static constexpr unsigned wideBits = 132;

std::optional<llvm::APInt> sema::wholeOf(const Value &number) {
  if (!number.is(Value::Kind::Number) || !number.integral ||
      (number.magnitude == 0 && number.number != 0))
    return std::nullopt;
  llvm::APInt whole(wideBits, number.magnitude);
  return number.number < 0 ? -whole : whole;
}

/// The constant of a whole number, which is less exact beyond 64 bits.
static Value wholeValue(const llvm::APInt &whole) {
  llvm::APFloat number(llvm::APFloat::IEEEdouble());
  number.convertFromAPInt(whole, /*IsSigned=*/true,
                          llvm::APFloat::rmNearestTiesToEven);
  Value value = Value::literal(number.convertToDouble(), /*integral=*/true);
  llvm::APInt size = whole.abs();
  value.magnitude = size.isIntN(64) ? size.getZExtValue() : 0;
  return value;
}

/// Whether an integer of the type is `whole`.
static bool holds(mlir::IntegerType type, const llvm::APInt &whole) {
  if (type.isUnsigned() || type.getWidth() == 1)
    return !whole.isNegative() && whole.isIntN(type.getWidth());
  return whole.isSignedIntN(type.getWidth());
}

mlir::TypedAttr sema::numberAttr(const Value &number, mlir::Type element) {
  std::optional<llvm::APInt> whole = wholeOf(number);
  if (auto type = dyn_cast<mlir::FloatType>(element)) {
    llvm::APFloat value(number.number);
    bool exact;
    if (whole) // rounded once
      value = llvm::APFloat(type.getFloatSemantics()),
      value.convertFromAPInt(*whole, /*IsSigned=*/true,
                             llvm::APFloat::rmNearestTiesToEven);
    else
      value.convert(type.getFloatSemantics(),
                    llvm::APFloat::rmNearestTiesToEven, &exact);
    if (value.isInfinity() && !std::isinf(number.number))
      return {};
    return mlir::FloatAttr::get(type, value);
  }
  auto type = dyn_cast<mlir::IntegerType>(element);
  if (!type)
    return {};
  if (!whole && number.number == std::trunc(number.number) &&
      std::fabs(number.number) < 0x1p64) // 1e3
    whole = wholeOf(Value::literal(number.number, /*integral=*/true));
  if (!whole || !holds(type, *whole))
    return {};
  return mlir::IntegerAttr::get(type, whole->trunc(type.getWidth()));
}

std::string sema::numbersOf(mlir::Type element) {
  auto integer = dyn_cast<mlir::IntegerType>(element);
  if (!integer) {
    llvm::SmallString<16> most;
    llvm::APFloat::getLargest(
        cast<mlir::FloatType>(element).getFloatSemantics())
        .toString(most, /*FormatPrecision=*/5);
    return ("a number from -" + most + " to " + most).str();
  }
  unsigned width = integer.getWidth();
  bool isSigned = !integer.isUnsigned();
  auto text = [&](const llvm::APInt &end) {
    return llvm::toString(end, 10, isSigned);
  };
  return "a whole number from " +
         text(isSigned ? llvm::APInt::getSignedMinValue(width)
                       : llvm::APInt::getMinValue(width)) +
         " to " +
         text(isSigned ? llvm::APInt::getSignedMaxValue(width)
                       : llvm::APInt::getMaxValue(width));
}

mlir::TypedAttr Elaborator::heldNumber(const Value &number, mlir::Type element,
                                       SourceRange range) {
  mlir::TypedAttr attr = numberAttr(number, element);
  if (!attr)
    error(diag::typeMismatch, range, "expected " + numbersOf(element));
  return attr;
}

Value Elaborator::evalAs(const Expr &expr, const TypeInfo &type) {
  if (type.kind == TypeInfo::Kind::Array && isa<ListExpr>(ignoreParens(&expr)))
    listElement = getValueType(type.element);
  Value value = eval(expr);
  listElement = {};
  return value.isError() ? value : convert(value, type, expr.range);
}

mlir::Value Elaborator::numberArray(const Value &number, SourceRange range,
                                    mlir::Type like,
                                    llvm::ArrayRef<AxisInfo *> axes) {
  mlir::Type element =
      like ? irgen::Emitter::computingType(getValueType(like)) : mlir::Type();
  std::optional<llvm::APInt> whole = wholeOf(number);
  mlir::Type u64 = e.builder.getIntegerType(64, /*isSigned=*/false);
  if (!number.unit.isNone())
    element = e.f64();
  else if (!element || !isNumber(element))
    element = number.integral ? e.i64() : e.f32();
  else if (isa<mlir::IntegerType>(element) && !number.integral)
    element = e.f32();
  if (isa<mlir::FloatType>(element) && !whole)
    return e.constant(element, number.number, axes);
  // A whole number beyond what stands beside it stays what it is.
  for (mlir::Type type : {element, e.i64(), u64})
    if (mlir::TypedAttr attr = numberAttr(number, type))
      return ConstantOp::create(e.builder, e.loc, e.arrayType(type, axes),
                                attr);
  error(diag::typeMismatch, range,
        "expected a whole number of 64 bits: from -9223372036854775808 to "
        "18446744073709551615");
  return {};
}

Value sema::fold(ast::BinaryOp op, const Value &a, const Value &b) {
  bool integral = a.integral && b.integral;
  std::optional<llvm::APInt> x = wholeOf(a), y = wholeOf(b);
  bool whole = x && y;
  switch (op) {
  case ast::BinaryOp::Add:
    return whole ? wholeValue(*x + *y)
                 : Value::literal(a.number + b.number, integral, a.unit);
  case ast::BinaryOp::Sub:
    return whole ? wholeValue(*x - *y)
                 : Value::literal(a.number - b.number, integral, a.unit);
  case ast::BinaryOp::Mul:
    return whole
               ? wholeValue(*x * *y)
               : Value::literal(a.number * b.number, integral, a.unit * b.unit);
  case ast::BinaryOp::Div:
    if (whole && !y->isZero() && x->srem(*y).isZero())
      return wholeValue(x->sdiv(*y));
    return Value::literal(a.number / b.number,
                          !whole && integral &&
                              std::fmod(a.number, b.number) == 0,
                          a.unit / b.unit);
  default: {
    double power = std::pow(a.number, b.number);
    if (!whole || y->isNegative() || std::fabs(power) > 0x1p64)
      return Value::literal(power, integral && b.number >= 0, a.unit);
    // Some 64 factors at most, or all of them are 0, 1 or -1.
    llvm::APInt result(wideBits, 1);
    bool odd = (*y)[0];
    if (x->abs().ule(1))
      return wholeValue(x->isZero() && !y->isZero() ? *x : odd ? *x : result);
    for (uint64_t i = 0; i < y->getZExtValue(); ++i)
      result *= *x;
    return wholeValue(result);
  }
  }
}

//===--- Types ------------------------------------------------------------===//

bool Elaborator::meet(mlir::Value &lhs, mlir::Value &rhs) {
  lhs = e.computing(lhs);
  rhs = e.computing(rhs);
  mlir::Type a = e.valueTypeOf(lhs), b = e.valueTypeOf(rhs);
  auto rank = [](mlir::Type type) {
    if (type.isF64())
      return 3;
    if (isa<mlir::FloatType>(type))
      return 2;
    return type.isInteger(64) ? 1 : 0;
  };
  if (a == b || (rank(a) == 1 && rank(b) == 1))
    return true;
  if (rank(a) == 0 || rank(b) == 0)
    return false;
  mlir::Type common = rank(a) > rank(b) ? a : b;
  lhs = e.cast(lhs, common);
  rhs = e.cast(rhs, common);
  return true;
}

bool Elaborator::unify(mlir::Value &lhs, mlir::Value &rhs) {
  if (!meet(lhs, rhs))
    return false;
  if (e.valueTypeOf(lhs) != e.valueTypeOf(rhs))
    for (mlir::Value *side : {&lhs, &rhs})
      *side = natural(e, *side);
  return true;
}
