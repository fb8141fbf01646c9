// Elementwise ops as linalg.generic, broadcasting by the names of dimensions.
#include "Lowering.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "route/Dialect/Row/IR/RowDialect.h"
#include "route/Dialect/Signal/IR/Signal.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace route;
using namespace route::lowering;

Value Lowering::map(ArrayRef<Axis> dims, Type type, ArrayRef<Operand> operands,
                    Location loc, Body body) {
  SmallVector<AffineMap> maps;
  SmallVector<Value> tensors;
  for (const Operand &operand : operands) {
    SmallVector<AffineExpr> exprs;
    for (Axis dim : dimsOf(operand.type))
      exprs.push_back(b.getAffineDimExpr(llvm::find(dims, dim) - dims.begin()));
    maps.push_back(AffineMap::get(dims.size(), 0, exprs, b.getContext()));
    tensors.push_back(operand.tensor);
  }
  maps.push_back(b.getMultiDimIdentityMap(dims.size()));
  SmallVector<utils::IteratorType> iterators(dims.size(),
                                             utils::IteratorType::parallel);
  Value init = empty(dims, type, loc);
  return linalg::GenericOp::create(
             b, loc, init.getType(), tensors, init, maps, iterators,
             [&](OpBuilder &inner, Location at, ValueRange args) {
               linalg::YieldOp::create(inner, at,
                                       body(inner, at, args.drop_back()));
             })
      .getResult(0);
}

LogicalResult Lowering::lowerConstant(ConstantOp op) {
  auto type = cast<ArrayType>(op.getType());
  if (llvm::any_of(type.getAxes(), [&](Axis axis) {
        return kindOf(axis) == AxisKind::plan &&
               !plans.contains(axis.getValue());
      }))
    return success(); // made where it is read
  if (isa<TextType>(type.getElementType()))
    return lowerTextConstant(op, op.getValue(), type);
  RankedTensorType tensor = tensorType(type);
  TypedAttr value;
  if (auto dense = dyn_cast<DenseElementsAttr>(op.getValue())) {
    if (dense.getType().getShape() != tensor.getShape())
      return op.emitOpError("has a value of shape ")
             << dense.getType() << " for " << tensor;
    value = dense.isSplat() || dense.getElementType() == tensor.getElementType()
                ? dense
                : DenseElementsAttr();
    if (auto integers = dyn_cast<DenseIntElementsAttr>(op.getValue());
        integers && integers.getElementType() != tensor.getElementType())
      value = integers.mapValues(
          tensor.getElementType(), [&](const APInt &element) {
            return element.sextOrTrunc(tensor.getElementTypeBitWidth());
          });
  } else if (auto integer = dyn_cast<IntegerAttr>(op.getValue())) {
    value = DenseElementsAttr::get(
        RankedTensorType::get({}, tensor.getElementType()),
        integer.getValue().sextOrTrunc(tensor.getElementTypeBitWidth()));
  } else if (auto number = dyn_cast<FloatAttr>(op.getValue())) {
    value = DenseElementsAttr::get(
        RankedTensorType::get({}, tensor.getElementType()), number.getValue());
  }
  if (!value)
    return notCovered(op, "constants of this type");
  Value result = arith::ConstantOp::create(b, op.getLoc(), value);
  if (cast<RankedTensorType>(result.getType()).getRank() != tensor.getRank())
    result =
        map(dimsOf(type), type.getElementType(),
            Operand{result, ArrayType::get(type.getElementType())}, op.getLoc(),
            [](OpBuilder &, Location, ValueRange args) { return args[0]; });
  set(op.getResult(), result);
  return success();
}

static Value constantLike(OpBuilder &b, Location loc, Type type, double value) {
  return arith::ConstantOp::create(
      b, loc,
      isa<FloatType>(type) ? cast<TypedAttr>(b.getFloatAttr(type, value))
                           : cast<TypedAttr>(b.getIntegerAttr(type, value)));
}

static Value unaryOf(OpBuilder &b, UnaryOp op, Value x) {
  Location loc = op.getLoc();
  Type type = x.getType();
  auto row = [&](row::UnaryFunction function) -> Value {
    return row::UnaryOp::create(b, loc, type, function, x);
  };
  bool integer = isa<IntegerType>(type);
  switch (op.getKind()) {
  case UnaryKind::neg:
    if (integer)
      return arith::SubIOp::create(b, loc, constantLike(b, loc, type, 0), x);
    return arith::NegFOp::create(b, loc, x);
  case UnaryKind::abs:
    if (integer)
      return math::AbsIOp::create(b, loc, x);
    return math::AbsFOp::create(b, loc, x);
  case UnaryKind::sign: {
    Value zero = constantLike(b, loc, type, 0),
          one = constantLike(b, loc, type, 1),
          less = constantLike(b, loc, type, -1);
    Value above, below;
    if (integer) {
      above = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sgt, x, zero);
      below = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, x, zero);
    } else {
      above = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGT, x, zero);
      below = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLT, x, zero);
    }
    return arith::SelectOp::create(
        b, loc, above, one, arith::SelectOp::create(b, loc, below, less, x));
  }
  case UnaryKind::relu: {
    Value zero = constantLike(b, loc, type, 0);
    if (integer)
      return arith::MaxSIOp::create(b, loc, x, zero);
    return arith::MaximumFOp::create(b, loc, x, zero);
  }
  case UnaryKind::logical_not:
    return arith::XOrIOp::create(b, loc, x, constantLike(b, loc, type, 1));
  case UnaryKind::is_nan:
    return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UNO, x, x);
  case UnaryKind::floor:
    return math::FloorOp::create(b, loc, x);
  case UnaryKind::ceil:
    return math::CeilOp::create(b, loc, x);
  case UnaryKind::round:
    return math::RoundEvenOp::create(b, loc, x);
  case UnaryKind::trunc:
    return math::TruncOp::create(b, loc, x);
  case UnaryKind::sqrt:
    return math::SqrtOp::create(b, loc, x);
  default:
    break;
  }
  // numerics.h defines the rest for f32 and f64.
  if (!type.isF32() && !type.isF64())
    return nullptr;
  switch (op.getKind()) {
  case UnaryKind::exp:
    return math::ExpOp::create(b, loc, x);
  case UnaryKind::exp2:
    return math::Exp2Op::create(b, loc, x);
  case UnaryKind::log:
    return math::LogOp::create(b, loc, x);
  case UnaryKind::log2:
    return math::Log2Op::create(b, loc, x);
  case UnaryKind::rsqrt:
    return math::RsqrtOp::create(b, loc, x);
  case UnaryKind::tanh:
    return math::TanhOp::create(b, loc, x);
  case UnaryKind::erf:
    return math::ErfOp::create(b, loc, x);
  case UnaryKind::sigmoid:
    return row(row::UnaryFunction::Sigmoid);
  case UnaryKind::softplus:
    return row(row::UnaryFunction::Softplus);
  case UnaryKind::silu:
    return row(row::UnaryFunction::Silu);
  case UnaryKind::gelu:
    return row(row::UnaryFunction::GeluErf);
  case UnaryKind::gelu_tanh:
    return row(row::UnaryFunction::GeluTanh);
  default:
    return nullptr;
  }
}

/// Quotient towards zero, quotient towards minus infinity, or the remainder of
/// the latter. A divisor of 0 gives quotient 0; the least number over -1 wraps.
static Value divideIntegers(OpBuilder &b, Location loc, BinaryKind kind,
                            Value x, Value y) {
  Type type = x.getType();
  Value zero = constantLike(b, loc, type, 0),
        one = constantLike(b, loc, type, 1),
        minus = constantLike(b, loc, type, -1);
  auto is = [&](arith::CmpIPredicate predicate, Value p, Value q) -> Value {
    return arith::CmpIOp::create(b, loc, predicate, p, q);
  };
  Value none = is(arith::CmpIPredicate::eq, y, zero),
        negates = is(arith::CmpIPredicate::eq, y, minus);
  Value safe = arith::SelectOp::create(
      b, loc, arith::OrIOp::create(b, loc, none, negates), one, y);
  Value quotient = arith::DivSIOp::create(b, loc, x, safe);
  if (kind != BinaryKind::div) {
    Value rest = arith::RemSIOp::create(b, loc, x, safe);
    Value apart = arith::AndIOp::create(
        b, loc, is(arith::CmpIPredicate::ne, rest, zero),
        is(arith::CmpIPredicate::slt, arith::XOrIOp::create(b, loc, rest, safe),
           zero));
    quotient = arith::SelectOp::create(
        b, loc, apart, arith::SubIOp::create(b, loc, quotient, one), quotient);
  }
  quotient = arith::SelectOp::create(
      b, loc, none, zero,
      arith::SelectOp::create(
          b, loc, negates, arith::SubIOp::create(b, loc, zero, x), quotient));
  return kind == BinaryKind::mod
             ? Value(arith::SubIOp::create(
                   b, loc, x, arith::MulIOp::create(b, loc, quotient, y)))
             : quotient;
}

/// The exact remainder with the divisor's sign.
static Value floatRemainder(OpBuilder &b, Location loc, Value x, Value y) {
  Value zero = constantLike(b, loc, x.getType(), 0);
  Value rest = arith::RemFOp::create(b, loc, x, y);
  auto less = [&](Value value) -> Value {
    return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLT, value,
                                 zero);
  };
  Value some =
      arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UNE, rest, zero);
  Value apart = arith::AndIOp::create(
      b, loc, some, arith::XOrIOp::create(b, loc, less(rest), less(y)));
  return arith::SelectOp::create(b, loc, apart,
                                 arith::AddFOp::create(b, loc, rest, y), rest);
}

/// x^y with wrapping, by squaring; 1 / x^-y towards zero where y is negative.
static Value integerPower(OpBuilder &b, Location loc, Value x, Value y) {
  Type type = x.getType();
  unsigned width = type.getIntOrFloatBitWidth();
  Value zero = constantLike(b, loc, type, 0),
        one = constantLike(b, loc, type, 1),
        minus = constantLike(b, loc, type, -1);
  auto is = [&](arith::CmpIPredicate predicate, Value p, Value q) -> Value {
    return arith::CmpIOp::create(b, loc, predicate, p, q);
  };
  Value result = one, square = x;
  for (unsigned i = 0; i + 1 < width; ++i) {
    Value bit = arith::AndIOp::create(
        b, loc,
        arith::ShRUIOp::create(b, loc, y, constantLike(b, loc, type, i)), one);
    result = arith::SelectOp::create(
        b, loc, is(arith::CmpIPredicate::ne, bit, zero),
        arith::MulIOp::create(b, loc, result, square), result);
    square = arith::MulIOp::create(b, loc, square, square);
  }
  Value odd =
      is(arith::CmpIPredicate::ne, arith::AndIOp::create(b, loc, y, one), zero);
  Value inverse = arith::SelectOp::create(
      b, loc, is(arith::CmpIPredicate::eq, x, one), one,
      arith::SelectOp::create(b, loc, is(arith::CmpIPredicate::eq, x, minus),
                              arith::SelectOp::create(b, loc, odd, minus, one),
                              zero));
  return arith::SelectOp::create(b, loc, is(arith::CmpIPredicate::slt, y, zero),
                                 inverse, result);
}

/// Whether `value` is ordered as an unsigned number. A u64 is as the i64 of its
/// bits; who makes the operations knows.
static bool isUnsignedOrder(Value value) {
  auto type =
      dyn_cast<IntegerType>(cast<ArrayType>(value.getType()).getElementType());
  return type && type.isUnsigned() && type.getWidth() < 64;
}

static Value binaryOf(OpBuilder &b, BinaryOp op, Value x, Value y) {
  Location loc = op.getLoc();
  bool integer = isa<IntegerType>(x.getType());
  auto pick = [&](auto ofFloats, auto ofIntegers) -> Value {
    return integer ? Value(ofIntegers()) : Value(ofFloats());
  };
#define ROUTE_PICK(F, I)                                                       \
  pick([&] { return F::create(b, loc, x, y); },                                \
       [&] { return I::create(b, loc, x, y); })
  switch (op.getKind()) {
  case BinaryKind::add:
    return ROUTE_PICK(arith::AddFOp, arith::AddIOp);
  case BinaryKind::sub:
    return ROUTE_PICK(arith::SubFOp, arith::SubIOp);
  case BinaryKind::mul:
    return ROUTE_PICK(arith::MulFOp, arith::MulIOp);
  case BinaryKind::min:
    return isUnsignedOrder(op.getLhs())
               ? Value(arith::MinUIOp::create(b, loc, x, y))
               : ROUTE_PICK(arith::MinimumFOp, arith::MinSIOp);
  case BinaryKind::max:
    return isUnsignedOrder(op.getLhs())
               ? Value(arith::MaxUIOp::create(b, loc, x, y))
               : ROUTE_PICK(arith::MaximumFOp, arith::MaxSIOp);
#undef ROUTE_PICK
  case BinaryKind::div:
    return integer ? divideIntegers(b, loc, op.getKind(), x, y)
                   : Value(arith::DivFOp::create(b, loc, x, y));
  case BinaryKind::floordiv:
    return integer ? divideIntegers(b, loc, op.getKind(), x, y) : Value();
  case BinaryKind::mod:
    return integer ? divideIntegers(b, loc, op.getKind(), x, y)
                   : floatRemainder(b, loc, x, y);
  case BinaryKind::pow:
    if (integer)
      return integerPower(b, loc, x, y);
    return isa<Float32Type, Float64Type>(x.getType())
               ? Value(math::PowFOp::create(b, loc, x, y))
               : Value();
  case BinaryKind::logical_and:
  case BinaryKind::bit_and:
    return arith::AndIOp::create(b, loc, x, y);
  case BinaryKind::logical_or:
  case BinaryKind::bit_or:
    return arith::OrIOp::create(b, loc, x, y);
  case BinaryKind::bit_xor:
    return arith::XOrIOp::create(b, loc, x, y);
  default:
    return nullptr;
  }
}

static Value compareOf(OpBuilder &b, CompareOp op, Value x, Value y) {
  static constexpr arith::CmpFPredicate floats[] = {
      arith::CmpFPredicate::OEQ, arith::CmpFPredicate::UNE,
      arith::CmpFPredicate::OLT, arith::CmpFPredicate::OLE,
      arith::CmpFPredicate::OGT, arith::CmpFPredicate::OGE};
  static constexpr arith::CmpIPredicate integers[] = {
      arith::CmpIPredicate::eq,  arith::CmpIPredicate::ne,
      arith::CmpIPredicate::slt, arith::CmpIPredicate::sle,
      arith::CmpIPredicate::sgt, arith::CmpIPredicate::sge};
  static constexpr arith::CmpIPredicate naturals[] = {
      arith::CmpIPredicate::eq,  arith::CmpIPredicate::ne,
      arith::CmpIPredicate::ult, arith::CmpIPredicate::ule,
      arith::CmpIPredicate::ugt, arith::CmpIPredicate::uge};
  auto kind = static_cast<unsigned>(op.getKind());
  if (isa<signal::TextType>(x.getType())) {
    Value same = signal::EqualOp::create(b, op.getLoc(), b.getI1Type(), x, y);
    return op.getKind() == CompareKind::eq
               ? same
               : Value(arith::XOrIOp::create(
                     b, op.getLoc(), same,
                     constantLike(b, op.getLoc(), b.getI1Type(), 1)));
  }
  if (isa<FloatType>(x.getType()))
    return arith::CmpFOp::create(b, op.getLoc(), floats[kind], x, y);
  if (isa<IntegerType>(x.getType()))
    return arith::CmpIOp::create(
        b, op.getLoc(),
        (isUnsignedOrder(op.getLhs()) ? naturals : integers)[kind], x, y);
  return nullptr;
}

/// Float to integer: towards zero, saturating, NaN to 0.
static Value floatToInteger(OpBuilder &b, Location loc, Value x, IntegerType to,
                            bool toUnsigned) {
  unsigned width = to.getWidth();
  if (x.getType().getIntOrFloatBitWidth() < 32) // f16 has no such limits
    x = arith::ExtFOp::create(b, loc, b.getF32Type(), x);
  auto from = cast<FloatType>(x.getType());
  double limit = std::ldexp(1.0, toUnsigned ? width : width - 1);
  Value low = constantLike(b, loc, from, toUnsigned ? 0 : -limit),
        high = constantLike(b, loc, from, limit);
  Value tooHigh =
      arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGE, x, high);
  Value inside =
      arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OGE, x, low);
  Value nan = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UNO, x, x);
  // Out of range, the conversion itself is given 0 so that it stays defined.
  Value zero = constantLike(b, loc, from, 0);
  Value ok = arith::AndIOp::create(
      b, loc, inside,
      arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLT, x, high));
  Value given = arith::SelectOp::create(b, loc, ok, x, zero);
  Value result = toUnsigned ? Value(arith::FPToUIOp::create(b, loc, to, given))
                            : Value(arith::FPToSIOp::create(b, loc, to, given));
  Value top = arith::ConstantOp::create(
      b, loc, b.getIntegerAttr(to, APSInt::getMaxValue(width, toUnsigned)));
  Value bottom = arith::ConstantOp::create(
      b, loc, b.getIntegerAttr(to, APSInt::getMinValue(width, toUnsigned)));
  Value none = constantLike(b, loc, to, 0);
  Value edge = arith::SelectOp::create(
      b, loc, nan, none, arith::SelectOp::create(b, loc, tooHigh, top, bottom));
  return arith::SelectOp::create(b, loc, ok, result, edge);
}

static Value castOf(OpBuilder &b, Location loc, Value x, Type to,
                    bool fromUnsigned, bool toUnsigned) {
  Type from = x.getType();
  if (from == to)
    return x;
  auto fromFloat = dyn_cast<FloatType>(from), toFloat = dyn_cast<FloatType>(to);
  if (fromFloat && toFloat) {
    if (fromFloat.getWidth() < toFloat.getWidth())
      return arith::ExtFOp::create(b, loc, to, x);
    if (fromFloat.getWidth() > toFloat.getWidth())
      return arith::TruncFOp::create(b, loc, to, x);
    return arith::TruncFOp::create(
        b, loc, to, arith::ExtFOp::create(b, loc, b.getF32Type(), x));
  }
  auto fromInteger = dyn_cast<IntegerType>(from),
       toInteger = dyn_cast<IntegerType>(to);
  if (fromInteger && toInteger) {
    if (fromInteger.getWidth() == 1)
      return arith::ExtUIOp::create(b, loc, to, x);
    if (toInteger.getWidth() == 1)
      return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, x,
                                   constantLike(b, loc, from, 0));
    if (fromInteger.getWidth() < toInteger.getWidth())
      return fromUnsigned ? Value(arith::ExtUIOp::create(b, loc, to, x))
                          : Value(arith::ExtSIOp::create(b, loc, to, x));
    return arith::TruncIOp::create(b, loc, to, x);
  }
  if (fromInteger && toFloat)
    return fromInteger.getWidth() == 1 || fromUnsigned
               ? Value(arith::UIToFPOp::create(b, loc, to, x))
               : Value(arith::SIToFPOp::create(b, loc, to, x));
  if (fromFloat && toInteger)
    return floatToInteger(b, loc, x, toInteger, toUnsigned);
  return nullptr;
}

Value Lowering::scalarOf(OpBuilder &builder, Operation *op, ValueRange args) {
  Value result =
      llvm::TypeSwitch<Operation *, Value>(op)
          .Case([&](UnaryOp unary) { return unaryOf(builder, unary, args[0]); })
          .Case([&](BinaryOp binary) {
            return binaryOf(builder, binary, args[0], args[1]);
          })
          .Case([&](CompareOp compare) {
            return compareOf(builder, compare, args[0], args[1]);
          })
          .Case([&](SelectOp) {
            return arith::SelectOp::create(builder, op->getLoc(), args[0],
                                           args[1], args[2]);
          })
          .Case([&](CastOp cast) {
            Type from = llvm::cast<ArrayType>(cast.getOperand().getType())
                            .getElementType(),
                 to = llvm::cast<ArrayType>(cast.getType()).getElementType();
            return castOf(builder, op->getLoc(), args[0], element(to),
                          from.isUnsignedInteger(), to.isUnsignedInteger());
          })
          .Default(nullptr);
  if (!result)
    (void)notCovered(op, "this function on these elements");
  return result;
}

LogicalResult Lowering::lowerElementwise(Operation *op) {
  auto type = cast<ArrayType>(op->getResult(0).getType());
  // A text of the spec is made where it is read: texts have no constant form in
  // memory.
  auto textOf = [](Value operand) -> StringAttr {
    auto constant = operand.getDefiningOp<ConstantOp>();
    return constant ? dyn_cast<StringAttr>(constant.getValue()) : StringAttr();
  };
  SmallVector<Operand> operands;
  for (Value operand : op->getOperands()) {
    if (textOf(operand))
      continue;
    Value tensor = get(operand);
    if (!tensor)
      return failure();
    operands.push_back({tensor, cast<ArrayType>(operand.getType())});
  }
  bool failed = false;
  Value result = map(
      dimsOf(type), type.getElementType(), operands, op->getLoc(),
      [&](OpBuilder &inner, Location loc, ValueRange args) -> Value {
        SmallVector<Value> all;
        for (Value operand : op->getOperands()) {
          StringAttr text = textOf(operand);
          all.push_back(text ? Value(signal::ConstantOp::create(
                                   inner, loc, text.getValue()))
                             : args.front());
          args = text ? args : args.drop_front();
        }
        Value scalar = scalarOf(inner, op, all);
        failed |= !scalar;
        return scalar ? scalar
                      : Value(arith::ConstantOp::create(
                            inner, loc,
                            inner.getZeroAttr(element(type.getElementType()))));
      });
  set(op->getResult(0), result);
  return success(!failed);
}
