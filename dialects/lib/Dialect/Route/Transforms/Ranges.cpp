// Interval arithmetic as ops on the ends of intervals.
// Kleene's logic for truths, monotone functions end by end, the rest by cases.
#include "Ranges.h"

using namespace mlir;
using namespace route;

static Type elementOf(Value value) {
  return llvm::cast<ArrayType>(value.getType()).getElementType();
}

bool route::hasInterval(Type element) {
  return isa<FloatType, IntegerType>(element);
}

//===--- Plain ops --------------------------------------------------------===//

Value RangeBuilder::op(UnaryKind kind, Value x) {
  return UnaryOp::create(b, loc, kind, x);
}
Value RangeBuilder::op(BinaryKind kind, Value x, Value y) {
  return BinaryOp::create(b, loc, kind, x, y);
}
Value RangeBuilder::op(CompareKind kind, Value x, Value y) {
  return CompareOp::create(b, loc, kind, x, y);
}
Value RangeBuilder::pick(Value condition, Value x, Value y) {
  return SelectOp::create(b, loc, condition, x, y);
}
Value RangeBuilder::truth(bool value) {
  return ConstantOp::create(b, loc, ArrayType::get(b.getI1Type()),
                            b.getBoolAttr(value));
}

Value RangeBuilder::number(Value like, double value) {
  Type type = elementOf(like);
  Attribute attr = isa<FloatType>(type)
                       ? Attribute(b.getFloatAttr(type, value))
                       : Attribute(b.getIntegerAttr(type, int64_t(value)));
  return ConstantOp::create(b, loc, ArrayType::get(type), attr);
}

Value RangeBuilder::extreme(ArrayType type, bool greatest) {
  Type element = type.getElementType();
  Attribute attr;
  if (auto floating = dyn_cast<FloatType>(element))
    attr = b.getFloatAttr(
        element, APFloat::getInf(floating.getFloatSemantics(), !greatest));
  else if (element.isInteger(1))
    attr = b.getBoolAttr(greatest);
  else if (element.isUnsignedInteger())
    attr = b.getIntegerAttr(
        element, greatest
                     ? APInt::getMaxValue(element.getIntOrFloatBitWidth())
                     : APInt::getMinValue(element.getIntOrFloatBitWidth()));
  else
    attr = b.getIntegerAttr(
        element,
        greatest ? APInt::getSignedMaxValue(element.getIntOrFloatBitWidth())
                 : APInt::getSignedMinValue(element.getIntOrFloatBitWidth()));
  return ConstantOp::create(b, loc, type, attr);
}

Value RangeBuilder::extremeLike(Value like, bool greatest) {
  return extreme(ArrayType::get(elementOf(like)), greatest);
}

//===--- Cases ------------------------------------------------------------===//

static Attribute nothingOf(Builder &b, Type element) {
  if (isa<TextType>(element))
    return b.getStringAttr("");
  if (hasInterval(element))
    return b.getZeroAttr(element);
  if (isa<ListType, SetType>(element))
    return b.getArrayAttr({});
  return b.getI64IntegerAttr(isa<RefType>(element) ? -1 : 0);
}

Value RangeBuilder::nothing(Type element) {
  return ConstantOp::create(b, loc, ArrayType::get(element),
                            nothingOf(b, element));
}

Ends RangeBuilder::everything(ArrayType type) {
  if (hasInterval(type.getElementType()))
    return {extreme(type, false), extreme(type, true), {}};
  Value value =
      ConstantOp::create(b, loc, type, nothingOf(b, type.getElementType()));
  return {value, value,
          ConstantOp::create(b, loc, type.withElement(b.getI1Type()),
                             b.getBoolAttr(false))};
}

Value RangeBuilder::isKnown(Ends x) {
  if (x.known)
    return x.known;
  auto type = llvm::cast<ArrayType>(x.lo.getType());
  if (x.lo == x.hi)
    return ConstantOp::create(b, loc, type.withElement(b.getI1Type()),
                              b.getBoolAttr(true));
  if (elementOf(x.lo).isInteger(1) || elementOf(x.lo).isUnsignedInteger(64))
    return op(CompareKind::eq, x.lo, x.hi);
  return negated(op(CompareKind::lt, x.lo, x.hi));
}

/// Anything where `condition` holds.
Ends RangeBuilder::spread(Value condition, Ends ends) {
  return {pick(condition, extremeLike(ends.lo, false), ends.lo),
          pick(condition, extremeLike(ends.hi, true), ends.hi),
          {}};
}

Ends RangeBuilder::orEverything(Value condition, Ends inside) {
  if (!hasInterval(elementOf(inside.lo)))
    return {inside.lo, inside.hi,
            inside.known ? both(condition, inside.known) : condition};
  return {pick(condition, inside.lo, extremeLike(inside.lo, false)),
          pick(condition, inside.hi, extremeLike(inside.hi, true)),
          {}};
}

Ends RangeBuilder::unlessKnown(Value known, Value plain, Ends ends) {
  return {pick(known, plain, ends.lo), pick(known, plain, ends.hi), {}};
}

/// Where a function that falls and then rises turns: the place, and a value not
/// above its least one.
static std::optional<std::pair<double, double>> valleyOf(UnaryKind kind) {
  switch (kind) {
  case UnaryKind::silu:
    return std::pair(-1.2784645427610738, double(-0.27846455f));
  case UnaryKind::gelu:
    return std::pair(-0.7517915246935645, double(-0.16997122f));
  case UnaryKind::gelu_tanh:
    return std::pair(-0.7524614220710162, double(-0.17004080f));
  default:
    return std::nullopt;
  }
}

Ends RangeBuilder::unary(UnaryKind kind, Ends x) {
  Value plain = op(kind, x.lo);
  if (x.isPoint())
    return {plain, plain, {}};
  auto between = [&](Value one, Value other) -> Ends {
    return {
        op(BinaryKind::min, one, other), op(BinaryKind::max, one, other), {}};
  };
  bool integer = !isa<FloatType>(elementOf(x.lo));
  switch (kind) {
  case UnaryKind::is_nan:
    return {plain, either(plain, op(CompareKind::lt, x.lo, x.hi)), {}};
  case UnaryKind::logical_not:
    return {op(kind, x.hi), plain, {}};
  case UnaryKind::floor:
  case UnaryKind::ceil:
  case UnaryKind::round:
  case UnaryKind::trunc:
  case UnaryKind::relu:
  case UnaryKind::sign:
    return {plain, op(kind, x.hi), {}};
  case UnaryKind::neg:
  case UnaryKind::abs: {
    Value atHi = op(kind, x.hi);
    Ends ends =
        kind == UnaryKind::neg ? Ends{atHi, plain, {}} : between(plain, atHi);
    if (kind == UnaryKind::abs) {
      Value zero = number(x.lo, 0);
      Value across = both(op(CompareKind::lt, x.lo, zero),
                          op(CompareKind::gt, x.hi, zero));
      ends.lo = pick(across, zero, ends.lo);
    }
    if (!integer)
      return ends;
    // The least integer is its own negative.
    Value wraps = both(op(CompareKind::eq, x.lo, extremeLike(x.lo, false)),
                       op(CompareKind::lt, x.lo, x.hi));
    return spread(wraps, ends);
  }
  default:
    break;
  }
  Value known = isKnown(x), atHi = op(kind, x.hi);
  if (auto valley = valleyOf(kind)) {
    // The limit at -inf is 0, where the formula may give inf * 0.
    Value atLo = pick(isNaN(plain), number(plain, 0), plain);
    Value turn = number(x.lo, valley->first);
    Value across =
        both(op(CompareKind::lt, x.lo, turn), op(CompareKind::gt, x.hi, turn));
    Ends ends = between(atLo, atHi);
    ends.lo = pick(across, number(plain, valley->second), ends.lo);
    return unlessKnown(known, plain, ends);
  }
  if (kind == UnaryKind::log || kind == UnaryKind::log2 ||
      kind == UnaryKind::sqrt || kind == UnaryKind::rsqrt) {
    // Below 0 there is no value but NaN, above it the rest.
    Value zero = number(x.lo, 0);
    Value from = pick(op(CompareKind::lt, x.lo, zero), zero, x.lo);
    Ends ends =
        spread(op(CompareKind::lt, x.hi, zero), between(op(kind, from), atHi));
    return unlessKnown(known, plain, ends);
  }
  return between(plain, atHi);
}

/// The hull of `kind` at the corners; anything where `spreads` holds. A NaN
/// corner is an infinite end that meets zero in a product, and then zero; else
/// it leaves anything.
Ends RangeBuilder::corners(BinaryKind kind, Ends x, Ends y, Value known,
                           Value spreads) {
  Value plain, lo, hi, strange;
  bool floating = isa<FloatType>(elementOf(x.lo));
  SmallVector<Value> xs = {x.lo}, ys = {y.lo};
  if (x.lo != x.hi)
    xs.push_back(x.hi);
  if (y.lo != y.hi)
    ys.push_back(y.hi);
  for (Value a : xs)
    for (Value c : ys) {
      Value corner = op(kind, a, c);
      if (!plain)
        plain = corner;
      if (floating) {
        Value nan = isNaN(corner);
        if (kind == BinaryKind::mul)
          corner = pick(nan, number(corner, 0), corner);
        else
          strange = strange ? either(strange, nan) : nan;
      }
      lo = lo ? op(BinaryKind::min, lo, corner) : corner;
      hi = hi ? op(BinaryKind::max, hi, corner) : corner;
    }
  if (kind == BinaryKind::mul && floating)
    strange = either(isNaN(x.lo), isNaN(y.lo));
  if (strange)
    spreads = spreads ? either(spreads, strange) : strange;
  Ends ends = {lo, hi, {}};
  if (spreads)
    ends = spread(spreads, ends);
  return unlessKnown(known, plain, ends);
}

/// Integer sums and products leave the interval where they wrap.
Ends RangeBuilder::integers(BinaryKind kind, Ends x, Ends y, Value known) {
  Type i64 = elementOf(x.lo);
  auto wraps = [&](Value a, Value c, Value r) {
    if (kind == BinaryKind::mul) {
      auto wide = [&](Value v) -> Value {
        return CastOp::create(
            b, loc,
            llvm::cast<ArrayType>(v.getType()).withElement(b.getF64Type()), v);
      };
      Value size = op(UnaryKind::abs, op(BinaryKind::mul, wide(a), wide(c)));
      // Rounding may hide a wrap just below the limit: counted as one.
      double limit = std::ldexp(1.0, i64.getIntOrFloatBitWidth() - 1);
      return op(CompareKind::ge, size, number(size, limit * (1 - 0x1p-50)));
    }
    // The result's sign differs from what both operands allow.
    Value with = op(BinaryKind::bit_xor, a, r),
          other = kind == BinaryKind::add ? op(BinaryKind::bit_xor, c, r)
                                          : op(BinaryKind::bit_xor, a, c);
    return op(CompareKind::lt, op(BinaryKind::bit_and, with, other),
              number(r, 0));
  };
  if (kind == BinaryKind::mul) {
    Value any;
    for (Value a : {x.lo, x.hi})
      for (Value c : {y.lo, y.hi}) {
        Value here = wraps(a, c, {});
        any = any ? either(any, here) : here;
      }
    return corners(kind, x, y, known, any);
  }
  bool add = kind == BinaryKind::add;
  Value lo = op(kind, x.lo, add ? y.lo : y.hi),
        hi = op(kind, x.hi, add ? y.hi : y.lo);
  Value any = either(wraps(x.lo, add ? y.lo : y.hi, lo),
                     wraps(x.hi, add ? y.hi : y.lo, hi));
  return unlessKnown(known, lo, spread(any, {lo, hi, {}}));
}

Ends RangeBuilder::binary(BinaryKind kind, Ends x, Ends y) {
  if (x.isPoint() && y.isPoint()) {
    Value plain = op(kind, x.lo, y.lo);
    return {plain, plain, {}};
  }
  if (kind == BinaryKind::logical_and || kind == BinaryKind::logical_or)
    return {op(kind, x.lo, y.lo), op(kind, x.hi, y.hi), {}};
  bool integer = !isa<FloatType>(elementOf(x.lo));
  Value known = both(isKnown(x), isKnown(y));
  auto holdsZero = [&] {
    Value zero = number(y.lo, 0);
    return both(op(CompareKind::le, y.lo, zero),
                op(CompareKind::ge, y.hi, zero));
  };
  switch (kind) {
  case BinaryKind::add:
  case BinaryKind::sub: {
    if (integer)
      return integers(kind, x, y, known);
    bool add = kind == BinaryKind::add;
    Ends ends = {op(kind, x.lo, add ? y.lo : y.hi),
                 op(kind, x.hi, add ? y.hi : y.lo),
                 {}};
    // One end NaN: infinities of opposite sign met.
    return spread(op(CompareKind::ne, isNaN(ends.lo), isNaN(ends.hi)), ends);
  }
  case BinaryKind::min:
  case BinaryKind::max: {
    Ends ends = {op(kind, x.lo, y.lo), op(kind, x.hi, y.hi), {}};
    if (integer)
      return ends;
    return spread(both(isNaN(ends.lo), negated(known)), ends);
  }
  case BinaryKind::mul:
    return integer ? integers(kind, x, y, known)
                   : corners(kind, x, y, known, {});
  case BinaryKind::div:
  case BinaryKind::floordiv:
    return corners(kind, x, y, known, holdsZero());
  case BinaryKind::pow:
    // Over bases that are not negative the power is monotone in each operand.
    if (!integer)
      return corners(kind, x, y, known,
                     negated(op(CompareKind::ge, x.lo, number(x.lo, 0))));
    break;
  case BinaryKind::mod: {
    Value zero = number(y.lo, 0);
    Value strange = either(holdsZero(), negated(isKnown(y)));
    if (!integer)
      strange = either(strange, isNaN(y.lo));
    return unlessKnown(known, op(kind, x.lo, y.lo),
                       spread(strange, {op(BinaryKind::min, y.lo, zero),
                                        op(BinaryKind::max, y.lo, zero),
                                        {}}));
  }
  default:
    break;
  }
  Value plain = op(kind, x.lo, y.lo);
  return spread(negated(known), {plain, plain, {}});
}

Ends RangeBuilder::compare(CompareKind kind, Ends x, Ends y) {
  if (x.isPoint() && y.isPoint()) {
    Value plain = op(kind, x.lo, y.lo);
    return {plain, plain, {}};
  }
  Type type = elementOf(x.lo);
  bool equality = kind == CompareKind::eq || kind == CompareKind::ne;
  if (!hasInterval(type)) {
    Value plain = op(kind, x.lo, y.lo), known = both(isKnown(x), isKnown(y));
    return {both(known, plain), either(negated(known), plain), {}};
  }
  if (!equality) {
    // lt and le: surely when the whole of x lies below y.
    bool below = kind == CompareKind::lt || kind == CompareKind::le;
    return {below ? op(kind, x.hi, y.lo) : op(kind, x.lo, y.hi),
            below ? op(kind, x.lo, y.hi) : op(kind, x.hi, y.lo),
            {}};
  }
  auto notAbove = [&](Value low, Value high) {
    return type.isInteger(1) ? either(negated(low), high)
                             : op(CompareKind::le, low, high);
  };
  Value surely = both(op(CompareKind::eq, x.lo, y.hi),
                      op(CompareKind::eq, x.hi, y.lo)),
        possibly = both(notAbove(x.lo, y.hi), notAbove(y.lo, x.hi));
  if (kind == CompareKind::eq)
    return {surely, possibly, {}};
  return {negated(possibly), negated(surely), {}};
}

Ends RangeBuilder::hull(Ends x, Ends y) {
  Type type = elementOf(x.lo);
  if (!hasInterval(type))
    return {
        x.lo, x.lo,
        both(both(isKnown(x), isKnown(y)), op(CompareKind::eq, x.lo, y.lo))};
  if (type.isInteger(1))
    return {both(x.lo, y.lo), either(x.hi, y.hi), {}};
  Ends ends = {
      op(BinaryKind::min, x.lo, y.lo), op(BinaryKind::max, x.hi, y.hi), {}};
  return isa<FloatType>(type) ? spread(isNaN(ends.lo), ends) : ends;
}

Ends RangeBuilder::select(Ends condition, Ends ifTrue, Ends ifFalse) {
  bool interval = hasInterval(elementOf(ifTrue.lo));
  auto choose = [&](Value c, Ends x, Ends y) -> Ends {
    if (interval)
      return {pick(c, x.lo, y.lo), pick(c, x.hi, y.hi), {}};
    Value value = pick(c, x.lo, y.lo);
    return {value, value, pick(c, isKnown(x), isKnown(y))};
  };
  if (condition.isPoint())
    return choose(condition.lo, ifTrue, ifFalse);
  Ends unsure = hull(ifTrue, ifFalse);
  return choose(condition.lo, ifTrue, choose(condition.hi, unsure, ifFalse));
}

/// Whether an integer of type `from` may be none of integer type `to`.
static bool mayWrap(Type from, Type to) {
  auto source = dyn_cast<IntegerType>(from), target = dyn_cast<IntegerType>(to);
  if (!source || !target || source == target)
    return false;
  bool wider = target.getWidth() > source.getWidth();
  return !wider || (target.isUnsigned() && !source.isUnsigned());
}

Ends RangeBuilder::cast(Ends x, ArrayType to) {
  auto convert = [&](Value value) -> Value {
    auto type =
        llvm::cast<ArrayType>(value.getType()).withElement(to.getElementType());
    return value.getType() == type ? value
                                   : Value(CastOp::create(b, loc, type, value));
  };
  bool from = hasInterval(elementOf(x.lo)),
       interval = hasInterval(to.getElementType());
  Value lo = convert(x.lo);
  if (x.isPoint())
    return {lo, lo, {}};
  if (from && interval && to.getElementType().isInteger(1)) {
    // Whether it is not 0: surely where 0 is outside, surely not where it is
    // alone.
    Value zero = number(x.lo, 0);
    Value outside = either(this->op(CompareKind::gt, x.lo, zero),
                           this->op(CompareKind::lt, x.hi, zero));
    return {outside,
            either(this->op(CompareKind::ne, x.lo, zero),
                   this->op(CompareKind::ne, x.hi, zero)),
            {}};
  }
  if (from && interval) {
    Value hi = convert(x.hi);
    if (!mayWrap(elementOf(x.lo), to.getElementType()))
      return {lo, hi, {}};
    // Integers wrap: the ends of what is unknown stay ends where none did.
    auto kept = [&](Value before, Value after) {
      auto type = llvm::cast<ArrayType>(before.getType());
      return this->op(CompareKind::eq, before,
                      CastOp::create(b, loc, type, after));
    };
    Value good = both(kept(x.lo, lo), kept(x.hi, hi));
    if (elementOf(x.lo).isInteger(64) && to.getElementType().isInteger(64)) {
      // The same bits in another order.
      auto negative = [&](Value end) {
        auto type = llvm::cast<ArrayType>(end.getType());
        Value bits =
            elementOf(end).isUnsignedInteger()
                ? CastOp::create(b, loc, type.withElement(b.getI64Type()), end)
                : end;
        return this->op(CompareKind::lt, bits, number(bits, 0));
      };
      good = this->op(CompareKind::eq, negative(x.lo), negative(x.hi));
    }
    return orEverything(either(isKnown(x), good), {lo, hi, {}});
  }
  if (interval)
    return orEverything(isKnown(x), {lo, lo, {}});
  return {lo, lo, isKnown(x)};
}
