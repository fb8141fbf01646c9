// Elements and intervals: storage, zero, unknown, order, rounding, printing.
#include "route/Interpreter/Element.h"
#include "mlir/IR/BuiltinTypes.h"
#include "route/Dialect/Route/IR/RouteDialect.h"
#include "route/Text/Tables.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include <charconv>
#include <cmath>
#include <limits>

using namespace mlir;
using namespace route;
using namespace route::interp;

llvm::StringRef Element::asText() const {
  const auto *text = std::get_if<std::string>(this);
  return text ? llvm::StringRef(*text) : llvm::StringRef();
}

const std::vector<Element> &Element::asList() const {
  static const std::vector<Element> empty;
  const auto *list =
      std::get_if<std::shared_ptr<const std::vector<Element>>>(this);
  return list && *list ? **list : empty;
}

const Range &Element::asRange() const {
  static const Range unknown = {Element(), Element(), false};
  const auto *range = std::get_if<std::shared_ptr<const Range>>(this);
  return range && *range ? **range : unknown;
}

Storage route::interp::storageOf(Type elementType) {
  if (isa<FloatType>(elementType))
    return elementType.isF64() ? Storage::Double : Storage::Float;
  if (isa<IntegerType, IndexType, EnumType, RefType, HandleType>(elementType))
    return Storage::Int;
  return Storage::Other;
}

bool route::interp::isTruthType(Type type) { return type.isInteger(1); }

Type route::interp::stripRange(Type type) {
  if (auto range = dyn_cast<RangeType>(type))
    return range.getValueType();
  return type;
}

bool route::interp::isRangeType(Type type) { return isa<RangeType>(type); }

bool route::interp::hasInterval(Type type) {
  return isa<FloatType, IntegerType, IndexType>(type);
}

Element route::interp::zeroOf(Type elementType) {
  if (isa<RefType>(elementType))
    return int64_t(-1);
  switch (storageOf(elementType)) {
  case Storage::Int:
    return int64_t(0);
  case Storage::Float:
    return 0.0f;
  case Storage::Double:
    return 0.0;
  case Storage::Other:
    break;
  }
  if (isa<TextType>(elementType))
    return std::string();
  if (auto range = dyn_cast<RangeType>(elementType))
    return knownRange(zeroOf(range.getValueType()));
  return std::make_shared<const std::vector<Element>>();
}

Element route::interp::unknownOf(Type rangeType) {
  Type type = stripRange(rangeType);
  Range range{zeroOf(type), zeroOf(type), false};
  if (isTruthType(type)) {
    range.hi = int64_t(1);
  } else if (hasInterval(type)) {
    switch (storageOf(type)) {
    case Storage::Float:
      range.lo = -std::numeric_limits<float>::infinity();
      range.hi = std::numeric_limits<float>::infinity();
      break;
    case Storage::Double:
      range.lo = -std::numeric_limits<double>::infinity();
      range.hi = std::numeric_limits<double>::infinity();
      break;
    default:
      auto integer = dyn_cast<IntegerType>(type);
      unsigned width = integer ? integer.getWidth() : 64;
      bool isUnsigned = integer && integer.isUnsigned();
      range.lo = isUnsigned ? int64_t(0) : llvm::minIntN(width);
      range.hi = isUnsigned ? static_cast<int64_t>(llvm::maxUIntN(width))
                            : llvm::maxIntN(width);
    }
  }
  return std::make_shared<const Range>(std::move(range));
}

Element route::interp::knownRange(Element value) {
  return std::make_shared<const Range>(Range{value, value, true});
}

Element route::interp::interval(Element lo, Element hi) {
  bool known = equalElements(lo, hi);
  return std::make_shared<const Range>(
      Range{std::move(lo), std::move(hi), known});
}

/// Whether `words` are the digest of `text`: all that saved state has of it.
static bool isDigestOf(const Element &words, const Element &text) {
  int64_t digest[2];
  route_text_digest(text.asText().bytes_begin(), text.asText().size(), digest);
  const std::vector<Element> &found = words.asList();
  return found.size() == 2 && found[0].asInt() == digest[0] &&
         found[1].asInt() == digest[1];
}

bool route::interp::equalElements(const Element &lhs, const Element &rhs) {
  bool leftIsText = std::holds_alternative<std::string>(lhs);
  if (leftIsText != std::holds_alternative<std::string>(rhs))
    return leftIsText ? isDigestOf(rhs, lhs) : isDigestOf(lhs, rhs);
  if (lhs.index() != rhs.index())
    return false;
  if (const auto *value = std::get_if<float>(&lhs))
    return *value == rhs.asFloat();
  if (const auto *value = std::get_if<double>(&lhs))
    return *value == rhs.asDouble();
  if (const auto *range = std::get_if<std::shared_ptr<const Range>>(&lhs)) {
    const Range &a = **range, &b = rhs.asRange();
    return a.known && b.known && equalElements(a.lo, b.lo);
  }
  return compareElements(lhs, rhs) == 0;
}

int route::interp::compareElements(const Element &lhs, const Element &rhs) {
  auto order = [](auto a, auto b) { return a < b ? -1 : b < a ? 1 : 0; };
  if (std::holds_alternative<int64_t>(lhs))
    return order(lhs.asInt(), rhs.asInt());
  if (std::holds_alternative<float>(lhs))
    return order(lhs.asFloat(), rhs.asFloat());
  if (std::holds_alternative<double>(lhs))
    return order(lhs.asDouble(), rhs.asDouble());
  if (std::holds_alternative<std::string>(lhs))
    return lhs.asText().compare(rhs.asText());
  const std::vector<Element> &a = lhs.asList(), &b = rhs.asList();
  for (size_t i = 0; i < a.size() && i < b.size(); ++i)
    if (int c = compareElements(a[i], b[i]))
      return c;
  return order(a.size(), b.size());
}

float route::interp::roundTo(Type type, float value) {
  auto floatType = dyn_cast<FloatType>(type);
  if (!floatType || floatType.isF32() || floatType.isF64())
    return value;
  llvm::APFloat rounded(value);
  bool losesInfo;
  rounded.convert(floatType.getFloatSemantics(),
                  llvm::APFloat::rmNearestTiesToEven, &losesInfo);
  rounded.convert(llvm::APFloat::IEEEsingle(),
                  llvm::APFloat::rmNearestTiesToEven, &losesInfo);
  return rounded.convertToFloat();
}

int64_t route::interp::wrapTo(Type type, int64_t value) {
  auto integer = dyn_cast<IntegerType>(type);
  if (!integer || integer.getWidth() >= 64)
    return value;
  unsigned drop = 64 - integer.getWidth();
  if (integer.getWidth() == 1 || integer.isUnsigned())
    return static_cast<int64_t>(static_cast<uint64_t>(value) << drop >> drop);
  return static_cast<int64_t>(static_cast<uint64_t>(value) << drop) >> drop;
}

/// The shortest decimal form that reads back as the same number.
template <typename Float> static std::string printFloat(Float value) {
  if (std::isnan(value))
    return "nan";
  char digits[64];
  auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  return std::string(digits, end);
}

std::string route::interp::printElement(const Element &element, Type type) {
  if (auto rangeType = dyn_cast<RangeType>(type)) {
    const Range &range = element.asRange();
    Type inner = rangeType.getValueType();
    if (range.known)
      return printElement(range.lo, inner);
    if (!hasInterval(inner) || isTruthType(inner))
      return "?";
    return "[" + printElement(range.lo, inner) + ", " +
           printElement(range.hi, inner) + "]";
  }
  if (isTruthType(type))
    return element.asTruth() ? "true" : "false";
  if (std::holds_alternative<int64_t>(element))
    return type.isUnsignedInteger(64)
               ? std::to_string(static_cast<uint64_t>(element.asInt()))
               : std::to_string(element.asInt());
  if (std::holds_alternative<float>(element))
    return printFloat(element.asFloat());
  if (std::holds_alternative<double>(element))
    return printFloat(element.asDouble());
  if (std::holds_alternative<std::string>(element)) {
    std::string out = "\"";
    llvm::raw_string_ostream os(out);
    os.write_escaped(element.asText());
    return out + "\"";
  }
  Type inner = type;
  if (auto list = dyn_cast<ListType>(type))
    inner = list.getValueType();
  else if (auto set = dyn_cast<SetType>(type))
    inner = set.getValueType();
  std::string out = "{";
  for (const Element &member : element.asList())
    out += (out.size() > 1 ? ", " : "") + printElement(member, inner);
  return out + "}";
}
