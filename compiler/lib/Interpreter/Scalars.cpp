// Elementwise functions of plain elements.
#include "Scalars.h"
#include "mlir/IR/BuiltinTypes.h"
#include "route/numerics_wide.h"
#include <cmath>
#include <limits>

using namespace mlir;
using namespace route;
using namespace route::interp;

static float floatTrunc(float x) { return std::trunc(x); }
static float floatRelu(float x) { return num::maximum(x, 0.0f); }
static float floatAdd(float a, float b) { return a + b; }
static float floatSub(float a, float b) { return a - b; }
static float floatMul(float a, float b) { return a * b; }
static float floatDiv(float a, float b) { return a / b; }
/// The remainder that has the divisor's sign, as in floor division.
static float floatMod(float a, float b) {
  float r = std::fmod(a, b);
  return r != 0.0f && (r < 0.0f) != (b < 0.0f) ? r + b : r;
}
static double doubleMod(double a, double b) {
  double r = std::fmod(a, b);
  return r != 0.0 && (r < 0.0) != (b < 0.0) ? r + b : r;
}

float (*route::interp::floatUnary(UnaryKind kind))(float) {
  switch (kind) {
  case UnaryKind::neg:
    return num::neg;
  case UnaryKind::abs:
    return num::abs;
  case UnaryKind::sign:
    return num::sign;
  case UnaryKind::exp:
    return num::exp;
  case UnaryKind::exp2:
    return num::exp2;
  case UnaryKind::log:
    return num::log;
  case UnaryKind::log2:
    return num::log2;
  case UnaryKind::sqrt:
    return num::sqrt;
  case UnaryKind::rsqrt:
    return num::rsqrt;
  case UnaryKind::tanh:
    return num::tanh;
  case UnaryKind::sigmoid:
    return num::sigmoid;
  case UnaryKind::softplus:
    return num::softplus;
  case UnaryKind::silu:
    return num::silu;
  case UnaryKind::gelu:
    return num::geluErf;
  case UnaryKind::gelu_tanh:
    return num::geluTanh;
  case UnaryKind::relu:
    return floatRelu;
  case UnaryKind::erf:
    return num::erf;
  case UnaryKind::floor:
    return num::floor;
  case UnaryKind::ceil:
    return num::ceil;
  case UnaryKind::round:
    return num::roundEven;
  case UnaryKind::trunc:
    return floatTrunc;
  case UnaryKind::logical_not:
  case UnaryKind::is_nan:
    return nullptr;
  }
  return nullptr;
}

float (*route::interp::floatBinary(BinaryKind kind))(float, float) {
  switch (kind) {
  case BinaryKind::add:
    return floatAdd;
  case BinaryKind::sub:
    return floatSub;
  case BinaryKind::mul:
    return floatMul;
  case BinaryKind::div:
    return floatDiv;
  case BinaryKind::min:
    return num::minimum;
  case BinaryKind::max:
    return num::maximum;
  case BinaryKind::pow:
    return num::pow;
  case BinaryKind::mod:
    return floatMod;
  default:
    return nullptr;
  }
}

static double doubleUnary(UnaryKind kind, double x) {
  num::wide::DoubleOps ops;
  switch (kind) {
  case UnaryKind::neg:
    return -x;
  case UnaryKind::abs:
    return std::fabs(x);
  case UnaryKind::sign:
    return x > 0 ? 1 : x < 0 ? -1 : x;
  case UnaryKind::exp:
    return num::wide::exp(ops, x);
  case UnaryKind::exp2:
    return num::wide::exp2(ops, x);
  case UnaryKind::log:
    return num::wide::log(ops, x);
  case UnaryKind::log2:
    return num::wide::log2(ops, x);
  case UnaryKind::sqrt:
    return std::sqrt(x);
  case UnaryKind::rsqrt:
    return num::wide::rsqrt(ops, x);
  case UnaryKind::tanh:
    return num::wide::tanh(ops, x);
  case UnaryKind::sigmoid:
    return num::wide::sigmoid(ops, x);
  case UnaryKind::softplus:
    return num::wide::softplus(ops, x);
  case UnaryKind::silu:
    return num::wide::silu(ops, x);
  case UnaryKind::gelu:
    return num::wide::geluErf(ops, x);
  case UnaryKind::gelu_tanh:
    return num::wide::geluTanh(ops, x);
  case UnaryKind::relu:
    return x > 0 || std::isnan(x) ? x : 0;
  case UnaryKind::erf:
    return num::wide::erf(ops, x);
  case UnaryKind::floor:
    return std::floor(x);
  case UnaryKind::ceil:
    return std::ceil(x);
  case UnaryKind::round:
    return std::nearbyint(x);
  case UnaryKind::trunc:
    return std::trunc(x);
  case UnaryKind::logical_not:
  case UnaryKind::is_nan:
    break;
  }
  return x;
}

static double doubleBinary(BinaryKind kind, double a, double b) {
  switch (kind) {
  case BinaryKind::add:
    return a + b;
  case BinaryKind::sub:
    return a - b;
  case BinaryKind::mul:
    return a * b;
  case BinaryKind::div:
    return a / b;
  case BinaryKind::min:
  case BinaryKind::max:
    if (a != a || b != b)
      return a + b;
    if (a == b)
      return std::signbit(a) == (kind == BinaryKind::min) ? a : b;
    return (a < b) == (kind == BinaryKind::min) ? a : b;
  case BinaryKind::pow: {
    num::wide::DoubleOps ops;
    return num::wide::pow(ops, a, b);
  }
  case BinaryKind::mod:
    return doubleMod(a, b);
  default:
    return a;
  }
}

static int64_t intPower(uint64_t base, int64_t exponent) {
  if (exponent < 0) // the truncated quotient 1 / base^-exponent
    return base == 1 ? 1 : base == UINT64_MAX ? (exponent % 2 ? -1 : 1) : 0;
  uint64_t result = 1;
  for (; exponent; exponent >>= 1, base *= base)
    if (exponent & 1)
      result *= base;
  return static_cast<int64_t>(result);
}

/// Floor division; INT64_MIN / -1 wraps.
static int64_t floorDiv(int64_t a, int64_t b) {
  if (b == 0)
    return 0;
  if (b == -1)
    return static_cast<int64_t>(-static_cast<uint64_t>(a));
  return a / b - (a % b != 0 && (a % b < 0) != (b < 0));
}

static int64_t intBinary(BinaryKind kind, int64_t a, int64_t b) {
  auto u = [](int64_t x) { return static_cast<uint64_t>(x); };
  switch (kind) {
  case BinaryKind::add:
    return static_cast<int64_t>(u(a) + u(b));
  case BinaryKind::sub:
    return static_cast<int64_t>(u(a) - u(b));
  case BinaryKind::mul:
    return static_cast<int64_t>(u(a) * u(b));
  case BinaryKind::div:
    return b == 0 ? 0 : b == -1 ? static_cast<int64_t>(-u(a)) : a / b;
  case BinaryKind::min:
    return std::min(a, b);
  case BinaryKind::max:
    return std::max(a, b);
  case BinaryKind::pow:
    return intPower(u(a), b);
  case BinaryKind::mod:
    return static_cast<int64_t>(u(a) - u(floorDiv(a, b)) * u(b));
  case BinaryKind::floordiv:
    return floorDiv(a, b);
  case BinaryKind::logical_and:
  case BinaryKind::bit_and:
    return a & b;
  case BinaryKind::logical_or:
  case BinaryKind::bit_or:
    return a | b;
  case BinaryKind::bit_xor:
    return a ^ b;
  }
  return 0;
}

Element route::interp::applyUnary(UnaryKind kind, Type type,
                                  const Element &value) {
  if (kind == UnaryKind::is_nan)
    return int64_t(std::isnan(value.asFloat()) || std::isnan(value.asDouble()));
  if (kind == UnaryKind::logical_not)
    return int64_t(!value.asTruth());
  switch (storageOf(type)) {
  case Storage::Float:
    return roundTo(type, floatUnary(kind)(value.asFloat()));
  case Storage::Double:
    return doubleUnary(kind, value.asDouble());
  default:
    break;
  }
  int64_t x = value.asInt();
  int64_t negated = static_cast<int64_t>(-static_cast<uint64_t>(x));
  switch (kind) {
  case UnaryKind::neg:
    return wrapTo(type, negated);
  case UnaryKind::abs:
    return wrapTo(type, x < 0 ? negated : x);
  case UnaryKind::sign:
    return int64_t((x > 0) - (x < 0));
  case UnaryKind::relu:
    return std::max<int64_t>(x, 0);
  default:
    return x;
  }
}

Element route::interp::applyBinary(BinaryKind kind, Type type,
                                   const Element &lhs, const Element &rhs) {
  switch (storageOf(type)) {
  case Storage::Float:
    return roundTo(type, floatBinary(kind)(lhs.asFloat(), rhs.asFloat()));
  case Storage::Double:
    return doubleBinary(kind, lhs.asDouble(), rhs.asDouble());
  default:
    return wrapTo(type, intBinary(kind, lhs.asInt(), rhs.asInt()));
  }
}

template <typename T>
static bool compareAs(CompareKind kind, const T &a, const T &b) {
  switch (kind) {
  case CompareKind::eq:
    return a == b;
  case CompareKind::ne:
    return a != b;
  case CompareKind::lt:
    return a < b;
  case CompareKind::le:
    return a <= b;
  case CompareKind::gt:
    return a > b;
  case CompareKind::ge:
    return a >= b;
  }
  return false;
}

bool route::interp::applyCompare(CompareKind kind, const Element &lhs,
                                 const Element &rhs) {
  if (std::holds_alternative<float>(lhs))
    return compareAs(kind, lhs.asFloat(), rhs.asFloat());
  if (std::holds_alternative<double>(lhs))
    return compareAs(kind, lhs.asDouble(), rhs.asDouble());
  return compareAs(kind, compareElements(lhs, rhs), 0);
}

/// Truncates and saturates; NaN gives 0.
static int64_t toInteger(Type type, double value) {
  if (std::isnan(value))
    return 0;
  auto integer = dyn_cast<IntegerType>(type);
  unsigned width = integer ? integer.getWidth() : 64;
  bool isUnsigned = integer && (integer.isUnsigned() || width == 1);
  double limit = std::ldexp(1.0, isUnsigned ? width : width - 1);
  double least = isUnsigned ? 0 : -limit;
  value = std::trunc(value);
  if (value < least)
    value = least;
  if (value >= limit) {
    if (width >= 64)
      return isUnsigned ? -1 : std::numeric_limits<int64_t>::max();
    return static_cast<int64_t>(limit) - 1;
  }
  return value >= 9223372036854775808.0
             ? static_cast<int64_t>(static_cast<uint64_t>(value))
             : static_cast<int64_t>(value);
}

/// `value` as the float type `to`, of at most 32 bits, rounded once.
static float rounded(Type to, llvm::APFloat value) {
  auto nearest = llvm::APFloat::rmNearestTiesToEven;
  bool losesInfo;
  value.convert(cast<FloatType>(to).getFloatSemantics(), nearest, &losesInfo);
  value.convert(llvm::APFloat::IEEEsingle(), nearest, &losesInfo);
  return value.convertToFloat();
}

Element route::interp::applyCast(Type from, Type to, const Element &value) {
  Storage source = storageOf(from), target = storageOf(to);
  if (source == Storage::Other || target == Storage::Other)
    return value;
  if (target == Storage::Int) {
    if (source != Storage::Int) {
      double wide =
          source == Storage::Float ? value.asFloat() : value.asDouble();
      return isTruthType(to) ? Element(int64_t(wide != 0))
                             : Element(toInteger(to, wide));
    }
    return isTruthType(to) ? int64_t(value.asInt() != 0)
                           : wrapTo(to, value.asInt());
  }
  bool fromUnsigned =
      isa<IntegerType>(from) && cast<IntegerType>(from).isUnsigned();
  if (target == Storage::Double) {
    if (source == Storage::Int)
      return fromUnsigned
                 ? static_cast<double>(static_cast<uint64_t>(value.asInt()))
                 : static_cast<double>(value.asInt());
    return source == Storage::Float ? static_cast<double>(value.asFloat())
                                    : value.asDouble();
  }
  if (source == Storage::Float)
    return roundTo(to, value.asFloat());
  if (source == Storage::Double)
    return rounded(to, llvm::APFloat(value.asDouble()));
  llvm::APFloat whole(llvm::APFloat::IEEEquad()); // holds every one
  whole.convertFromAPInt(llvm::APInt(64, static_cast<uint64_t>(value.asInt())),
                         !fromUnsigned, llvm::APFloat::rmNearestTiesToEven);
  return rounded(to, whole);
}
