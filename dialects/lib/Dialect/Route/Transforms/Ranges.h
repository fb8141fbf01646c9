// Interval arithmetic as ops on the ends of intervals; see ExpandRanges.cpp.
#ifndef ROUTE_LIB_DIALECT_ROUTE_TRANSFORMS_RANGES_H
#define ROUTE_LIB_DIALECT_ROUTE_TRANSFORMS_RANGES_H

#include "mlir/IR/Builders.h"
#include "route/Dialect/Route/IR/RouteOps.h"

namespace route {

/// A value that may be unknown, as plain arrays. Numbers and truths: the ends
/// of the closed interval; known where they are one point or NaN. Other
/// elements: the value in both, and whether it is known (null: always).
struct Ends {
  mlir::Value lo, hi, known;
  /// Whether the value is always known.
  bool isPoint() const { return lo == hi && !known; }
};

/// True for the elements whose ranges are intervals: numbers and truths.
bool hasInterval(mlir::Type element);

/// Builds what compiler/lib/Interpreter/Intervals.cpp computes.
class RangeBuilder {
public:
  RangeBuilder(mlir::OpBuilder &b, mlir::Location loc) : b(b), loc(loc) {}

  Ends unary(UnaryKind kind, Ends x);
  Ends binary(BinaryKind kind, Ends x, Ends y);
  Ends compare(CompareKind kind, Ends x, Ends y);
  /// `condition`: the ends of a truth.
  Ends select(Ends condition, Ends ifTrue, Ends ifFalse);
  Ends cast(Ends x, ArrayType to);
  /// Anything: of `type`, without range.
  Ends everything(ArrayType type);
  /// A scalar that stands for what is unknown: zero, no text, no row.
  mlir::Value nothing(mlir::Type element);
  /// Whether the value is known: an array of truths.
  mlir::Value isKnown(Ends x);
  /// `inside` where `condition` holds, anything elsewhere.
  Ends orEverything(mlir::Value condition, Ends inside);

  // Plain ops.
  mlir::Value op(UnaryKind kind, mlir::Value x);
  mlir::Value op(BinaryKind kind, mlir::Value x, mlir::Value y);
  mlir::Value op(CompareKind kind, mlir::Value x, mlir::Value y);
  mlir::Value pick(mlir::Value condition, mlir::Value x, mlir::Value y);
  mlir::Value truth(bool value);
  /// A scalar of the element type of `like`.
  mlir::Value number(mlir::Value like, double value);
  /// The least or greatest value of `element`, as a constant of `type`.
  mlir::Value extreme(ArrayType type, bool greatest);
  mlir::Value both(mlir::Value x, mlir::Value y) {
    return op(BinaryKind::logical_and, x, y);
  }
  mlir::Value either(mlir::Value x, mlir::Value y) {
    return op(BinaryKind::logical_or, x, y);
  }
  mlir::Value negated(mlir::Value x) { return op(UnaryKind::logical_not, x); }
  mlir::Value isNaN(mlir::Value x) { return op(UnaryKind::is_nan, x); }

private:
  mlir::Value extremeLike(mlir::Value like, bool greatest);
  Ends spread(mlir::Value condition, Ends ends);
  Ends unlessKnown(mlir::Value known, mlir::Value plain, Ends ends);
  Ends corners(BinaryKind kind, Ends x, Ends y, mlir::Value known,
               mlir::Value spreads);
  Ends integers(BinaryKind kind, Ends x, Ends y, mlir::Value known);
  Ends hull(Ends x, Ends y);

  mlir::OpBuilder &b;
  mlir::Location loc;
};

} // namespace route

#endif
