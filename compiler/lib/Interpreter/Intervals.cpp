// Elementwise functions of ranges: intervals of numbers, Kleene's logic.
// The ends are computed with the plain functions. Rounding is monotone, so the
// interval holds every value that the plain function gives for values within
// the operands' intervals.
#include "Scalars.h"
#include "mlir/IR/BuiltinTypes.h"
#include <cmath>
#include <limits>

using namespace mlir;
using namespace route;
using namespace route::interp;

Range route::interp::toRange(const Element &element) {
  if (std::holds_alternative<std::shared_ptr<const Range>>(element))
    return element.asRange();
  return Range{element, element, true};
}

static bool isNaN(const Element &element) {
  return std::isnan(element.asFloat()) || std::isnan(element.asDouble());
}

static Element everything(Type type) {
  return unknownOf(RangeType::get(type.getContext(), type));
}

static Element minOf(const Element &a, const Element &b) {
  return compareElements(b, a) < 0 ? b : a;
}
static Element maxOf(const Element &a, const Element &b) {
  return compareElements(a, b) < 0 ? b : a;
}

/// The interval between `a` and `b` in either order; everything where an end is
/// NaN.
static Element between(Type type, const Element &a, const Element &b) {
  if (isNaN(a) || isNaN(b))
    return everything(type);
  return interval(minOf(a, b), maxOf(a, b));
}

static Element number(Type type, double value) {
  return storageOf(type) == Storage::Float ? Element(static_cast<float>(value))
                                           : Element(value);
}

static double toDouble(const Element &element) {
  if (std::holds_alternative<int64_t>(element))
    return static_cast<double>(element.asInt());
  return element.asFloat() != 0 ? element.asFloat() : element.asDouble();
}

/// Where a function that falls and then rises turns: the place, and a value not
/// above its least one.
struct Valley {
  double at, least;
};
static std::optional<Valley> valleyOf(UnaryKind kind) {
  if (kind == UnaryKind::silu)
    return Valley{-1.2784645427610738, -0.27846455};
  if (kind == UnaryKind::gelu)
    return Valley{-0.7517915246935645, -0.16997122};
  if (kind == UnaryKind::gelu_tanh)
    return Valley{-0.7524614220710162, -0.17004080};
  return std::nullopt;
}

Element route::interp::applyUnaryRange(UnaryKind kind, Type type,
                                       const Range &value) {
  if (value.known)
    return knownRange(applyUnary(kind, type, value.lo));
  if (kind == UnaryKind::is_nan)
    return unknownOf(RangeType::get(type.getContext(),
                                    IntegerType::get(type.getContext(), 1)));
  if (!hasInterval(type))
    return everything(type);
  if (kind == UnaryKind::logical_not)
    return interval(int64_t(!value.hi.asTruth()), int64_t(!value.lo.asTruth()));
  double lo = toDouble(value.lo), hi = toDouble(value.hi);
  Element atLo = applyUnary(kind, type, value.lo),
          atHi = applyUnary(kind, type, value.hi);
  bool mirrors = kind == UnaryKind::neg || kind == UnaryKind::abs;
  if (mirrors && lo < 0 && storageOf(type) == Storage::Int &&
      equalElements(atLo, value.lo))
    return everything(type); // the least integer is its own negative
  if (kind == UnaryKind::abs && lo < 0 && hi > 0)
    return interval(zeroOf(type), maxOf(atLo, atHi));
  if (std::optional<Valley> valley = valleyOf(kind)) {
    // The limit at -inf is 0, where the formula may give inf * 0.
    if (isNaN(atLo))
      atLo = zeroOf(type);
    if (lo < valley->at && hi > valley->at)
      return interval(number(type, valley->least), maxOf(atLo, atHi));
    return between(type, atLo, atHi);
  }
  bool root = kind == UnaryKind::log || kind == UnaryKind::log2 ||
              kind == UnaryKind::sqrt || kind == UnaryKind::rsqrt;
  if (root && lo < 0) { // below 0 there is no value but NaN, above it the rest
    if (hi < 0)
      return everything(type);
    atLo = applyUnary(kind, type, zeroOf(type));
  }
  return between(type, atLo, atHi);
}

/// Integer sums and products leave the interval where they wrap.
static bool mayWrap(BinaryKind kind, const Element &a, const Element &b) {
  int64_t ignored;
  switch (kind) {
  case BinaryKind::add:
    return __builtin_add_overflow(a.asInt(), b.asInt(), &ignored);
  case BinaryKind::sub:
    return __builtin_sub_overflow(a.asInt(), b.asInt(), &ignored);
  case BinaryKind::mul:
    return __builtin_mul_overflow(a.asInt(), b.asInt(), &ignored);
  default:
    return false;
  }
}

/// The hull of `kind` at the four corners. A NaN corner comes from an infinite
/// end meeting its opposite: zero for products (the unknown is finite), and
/// everything otherwise.
static Element corners(BinaryKind kind, Type type, const Range &lhs,
                       const Range &rhs) {
  std::optional<Element> lo, hi;
  for (const Element &a : {lhs.lo, lhs.hi})
    for (const Element &b : {rhs.lo, rhs.hi}) {
      if (storageOf(type) == Storage::Int && mayWrap(kind, a, b))
        return everything(type);
      Element c = applyBinary(kind, type, a, b);
      if (isNaN(c)) {
        if (kind != BinaryKind::mul || isNaN(a) || isNaN(b))
          return everything(type);
        c = zeroOf(type);
      }
      lo = lo ? minOf(*lo, c) : c;
      hi = hi ? maxOf(*hi, c) : c;
    }
  return interval(*lo, *hi);
}

Element route::interp::applyBinaryRange(BinaryKind kind, Type type,
                                        const Range &lhs, const Range &rhs) {
  if (lhs.known && rhs.known)
    return knownRange(applyBinary(kind, type, lhs.lo, rhs.lo));
  bool holdsZero = toDouble(rhs.lo) <= 0 && toDouble(rhs.hi) >= 0;
  switch (kind) {
  case BinaryKind::logical_and:
    return interval(int64_t(lhs.lo.asTruth() && rhs.lo.asTruth()),
                    int64_t(lhs.hi.asTruth() && rhs.hi.asTruth()));
  case BinaryKind::logical_or:
    return interval(int64_t(lhs.lo.asTruth() || rhs.lo.asTruth()),
                    int64_t(lhs.hi.asTruth() || rhs.hi.asTruth()));
  case BinaryKind::add:
  case BinaryKind::min:
  case BinaryKind::max: {
    if (isNaN(lhs.lo) || isNaN(rhs.lo))
      return kind == BinaryKind::add
                 ? knownRange(isNaN(lhs.lo) ? lhs.lo : rhs.lo)
                 : everything(type);
    if (storageOf(type) == Storage::Int &&
        (mayWrap(kind, lhs.lo, rhs.lo) || mayWrap(kind, lhs.hi, rhs.hi)))
      return everything(type);
    Element lo = applyBinary(kind, type, lhs.lo, rhs.lo);
    Element hi = applyBinary(kind, type, lhs.hi, rhs.hi);
    return isNaN(lo) || isNaN(hi) ? everything(type) : interval(lo, hi);
  }
  case BinaryKind::sub: {
    if (isNaN(lhs.lo) || isNaN(rhs.lo))
      return knownRange(isNaN(lhs.lo) ? lhs.lo : rhs.lo);
    if (storageOf(type) == Storage::Int &&
        (mayWrap(kind, lhs.lo, rhs.hi) || mayWrap(kind, lhs.hi, rhs.lo)))
      return everything(type);
    Element lo = applyBinary(kind, type, lhs.lo, rhs.hi);
    Element hi = applyBinary(kind, type, lhs.hi, rhs.lo);
    return isNaN(lo) || isNaN(hi) ? everything(type) : interval(lo, hi);
  }
  case BinaryKind::mul:
    return corners(kind, type, lhs, rhs);
  case BinaryKind::div:
  case BinaryKind::floordiv:
    return holdsZero ? everything(type) : corners(kind, type, lhs, rhs);
  case BinaryKind::pow:
    // Over bases that are not negative the power is monotone in each operand.
    return storageOf(type) != Storage::Int && toDouble(lhs.lo) >= 0
               ? corners(kind, type, lhs, rhs)
               : everything(type);
  case BinaryKind::mod:
    if (!rhs.known || holdsZero || isNaN(rhs.lo))
      return everything(type);
    return between(type, zeroOf(type), rhs.lo);
  case BinaryKind::bit_and:
  case BinaryKind::bit_or:
  case BinaryKind::bit_xor:
    return everything(type);
  }
  return everything(type);
}

Element route::interp::applyCompareRange(CompareKind kind, Type type,
                                         const Range &lhs, const Range &rhs) {
  auto truth = [](bool canBeFalse, bool canBeTrue) {
    return interval(int64_t(!canBeFalse), int64_t(canBeTrue));
  };
  if (lhs.known && rhs.known) {
    bool holds = applyCompare(kind, lhs.lo, rhs.lo);
    return truth(!holds, holds);
  }
  if (!hasInterval(type))
    return truth(true, true);
  if (isNaN(lhs.lo) || isNaN(rhs.lo))
    return truth(kind != CompareKind::ne, kind == CompareKind::ne);
  auto less = [](const Element &a, const Element &b) {
    return compareElements(a, b) < 0;
  };
  bool disjoint = less(lhs.hi, rhs.lo) || less(rhs.hi, lhs.lo);
  switch (kind) {
  case CompareKind::eq:
    return truth(true, !disjoint);
  case CompareKind::ne:
    return truth(!disjoint, true);
  case CompareKind::lt:
    return truth(!less(lhs.hi, rhs.lo), less(lhs.lo, rhs.hi));
  case CompareKind::ge:
    return truth(less(lhs.lo, rhs.hi), !less(lhs.hi, rhs.lo));
  case CompareKind::gt:
    return truth(!less(rhs.hi, lhs.lo), less(rhs.lo, lhs.hi));
  case CompareKind::le:
    return truth(less(rhs.lo, lhs.hi), !less(rhs.hi, lhs.lo));
  }
  return truth(true, true);
}

Element route::interp::applyCastRange(Type from, Type to, const Range &value) {
  if (value.known)
    return knownRange(applyCast(from, to, value.lo));
  if (!hasInterval(from) || !hasInterval(to))
    return everything(to);
  Element lo = applyCast(from, to, value.lo),
          hi = applyCast(from, to, value.hi);
  if (to.isInteger(1)) { // whether it is not 0
    Element zero = zeroOf(from);
    bool outside = compareElements(value.lo, zero) > 0 ||
                   compareElements(value.hi, zero) < 0;
    return interval(int64_t(outside), int64_t(lo.asTruth() || hi.asTruth()));
  }
  // Integers wrap: the ends stay ends where none of them did.
  bool wrapped = isa<IntegerType>(from) && isa<IntegerType>(to) &&
                 !(equalElements(applyCast(to, from, lo), value.lo) &&
                   equalElements(applyCast(to, from, hi), value.hi));
  bool inOrder = compareElements(lo, hi) <= 0;
  auto source = dyn_cast<IntegerType>(from), target = dyn_cast<IntegerType>(to);
  if (source && target && source != target && source.getWidth() == 64 &&
      target.getWidth() == 64) // the same bits, in another order
    wrapped = (lo.asInt() < 0) != (hi.asInt() < 0);
  return wrapped || !inOrder ? everything(to) : interval(lo, hi);
}

Element route::interp::hull(Type type, const Range &lhs, const Range &rhs) {
  if (lhs.known && rhs.known && equalElements(lhs.lo, rhs.lo))
    return knownRange(lhs.lo);
  if (!hasInterval(type) || isNaN(lhs.lo) || isNaN(rhs.lo))
    return everything(type);
  return interval(minOf(lhs.lo, rhs.lo), maxOf(lhs.hi, rhs.hi));
}
