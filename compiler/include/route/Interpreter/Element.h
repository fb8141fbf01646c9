// One element of an array, of any element type of the route dialect.
// It is a plain value or an interval of them.
#ifndef ROUTE_INTERPRETER_ELEMENT_H
#define ROUTE_INTERPRETER_ELEMENT_H

#include "mlir/IR/Types.h"
#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace route::interp {

struct Element;
struct Range;

/// One element. float: f32 and narrower floats, whose values f32 holds exactly.
/// int64_t: i1, integers, enum, ref, handle. Lists and sets keep their order.
/// Of a text in a set that was saved there is the digest, a list of two words.
struct Element : std::variant<int64_t, float, double, std::string,
                              std::shared_ptr<const std::vector<Element>>,
                              std::shared_ptr<const Range>> {
  using variant::variant;
  int64_t asInt() const { return get<int64_t>(0); }
  float asFloat() const { return get<float>(0.0f); }
  double asDouble() const { return get<double>(0.0); }
  bool asTruth() const { return asInt() != 0; }
  llvm::StringRef asText() const;
  const std::vector<Element> &asList() const;
  const Range &asRange() const;

private:
  /// The held value, or `otherwise` where another alternative is held: verified
  /// IR never mixes them, and malformed inputs must not abort.
  template <typename T> T get(T otherwise) const {
    const T *held = std::get_if<T>(this);
    return held ? *held : otherwise;
  }
};

/// The values that an unknown leaves possible: for numbers and truths the
/// closed interval [lo, hi]; for other elements `lo` where known.
struct Range {
  Element lo, hi;
  bool known = true;
};

/// How a buffer stores elements of a type.
enum class Storage { Int, Float, Double, Other };
Storage storageOf(mlir::Type elementType);

/// True for i1.
bool isTruthType(mlir::Type type);
/// T of range<T>, or `type` itself.
mlir::Type stripRange(mlir::Type type);
bool isRangeType(mlir::Type type);
/// True for element types whose ranges are intervals: numbers and truths.
bool hasInterval(mlir::Type type);

/// Zero, false, empty text, no row (-1), the empty list; known for ranges.
Element zeroOf(mlir::Type elementType);
/// The range of all values of `rangeType`.
Element unknownOf(mlir::Type rangeType);
/// The range of the one value `value`.
Element knownRange(Element value);
/// The range [lo, hi] of numbers or truths; `known` where both are one point.
Element interval(Element lo, Element hi);

/// Equality of elements; -0 equals +0, NaN differs from itself.
bool equalElements(const Element &lhs, const Element &rhs);
/// -1, 0, 1; text by bytes, lists lexicographically. NaN equals nothing and is
/// reported as 0.
int compareElements(const Element &lhs, const Element &rhs);

/// Rounds `value` to the float type `type` (f32, bf16, f16, 8-bit floats) to
/// nearest, ties to even.
float roundTo(mlir::Type type, float value);
/// Wraps `value` to the integer type's width and signedness.
int64_t wrapTo(mlir::Type type, int64_t value);

/// The element as text for messages and test output: shortest digits that read
/// back, `[lo, hi]` for intervals, `?` for unknown.
std::string printElement(const Element &element, mlir::Type type);

} // namespace route::interp

#endif
