// Elementwise functions on single elements.
// Plain values by numerics.h, ranges by interval arithmetic and Kleene's logic.
#ifndef ROUTE_LIB_INTERPRETER_SCALARS_H
#define ROUTE_LIB_INTERPRETER_SCALARS_H

#include "route/Dialect/Route/IR/RouteDialect.h"
#include "route/Interpreter/Element.h"

namespace route::interp {

/// The f32 function behind `kind`, bit for bit that of numerics.h; null for
/// kinds that yield no float.
float (*floatUnary(UnaryKind kind))(float);
float (*floatBinary(BinaryKind kind))(float, float);

/// `kind` of plain values of element type `type` (no range). Integers wrap;
/// division and remainder by integer zero give 0.
Element applyUnary(UnaryKind kind, mlir::Type type, const Element &value);
Element applyBinary(BinaryKind kind, mlir::Type type, const Element &lhs,
                    const Element &rhs);
bool applyCompare(CompareKind kind, const Element &lhs, const Element &rhs);

/// The same on ranges of `type`: an interval that holds every result. Two known
/// operands give the plain function's result.
Element applyUnaryRange(UnaryKind kind, mlir::Type type, const Range &value);
Element applyBinaryRange(BinaryKind kind, mlir::Type type, const Range &lhs,
                         const Range &rhs);
/// A range of i1.
Element applyCompareRange(CompareKind kind, mlir::Type type, const Range &lhs,
                          const Range &rhs);
/// The smallest range that holds both.
Element hull(mlir::Type type, const Range &lhs, const Range &rhs);

/// `value` of type `from` (no range) as an element of type `to` (no range), by
/// the rules of route.cast.
Element applyCast(mlir::Type from, mlir::Type to, const Element &value);
/// The same of what may be unknown: the interval of what its values become.
Element applyCastRange(mlir::Type from, mlir::Type to, const Range &value);

/// The element as a range: ranges as they are, plain values as known ones.
Range toRange(const Element &element);

} // namespace route::interp

#endif
