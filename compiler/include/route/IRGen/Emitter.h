// Route ops with their axes worked out.
// Builds ops of the route dialect from operands whose axes may differ: moves
// operands down to common descendants, casts stored elements to computing ones,
// and orders axes. Callers have checked that an operation makes sense.
#ifndef ROUTE_IRGEN_EMITTER_H
#define ROUTE_IRGEN_EMITTER_H

#include "mlir/IR/Builders.h"
#include "route/Dialect/Route/IR/RouteOps.h"
#include "route/Sema/Axis.h"
#include "llvm/ADT/DenseMap.h"

namespace route::irgen {

using AxisList = llvm::SmallVector<sema::AxisInfo *, 4>;

class Emitter {
public:
  Emitter(mlir::MLIRContext &context)
      : builder(&context), loc(mlir::UnknownLoc::get(&context)) {}

  mlir::OpBuilder builder;
  mlir::Location loc;

  // Types.
  mlir::Type f32() { return builder.getF32Type(); }
  mlir::Type f64() { return builder.getF64Type(); }
  mlir::Type i64() { return builder.getI64Type(); }
  mlir::Type i1() { return builder.getI1Type(); }
  ArrayType arrayType(mlir::Type element,
                      llvm::ArrayRef<sema::AxisInfo *> axes);
  static ArrayType typeOf(mlir::Value value) {
    return llvm::cast<ArrayType>(value.getType());
  }
  static mlir::Type elementOf(mlir::Value value) {
    return typeOf(value).getElementType();
  }
  static mlir::Type valueTypeOf(mlir::Value value) {
    return getValueType(elementOf(value));
  }
  static bool isRange(mlir::Value value) {
    return llvm::isa<RangeType>(elementOf(value));
  }
  /// `element`, as a range when `ranged`.
  static mlir::Type ranged(bool ranged, mlir::Type element);

  // Axes.
  void registerAxis(sema::AxisInfo *axis) { bySymbol[axis->symbol] = axis; }
  sema::AxisInfo *axisOf(mlir::FlatSymbolRefAttr symbol) {
    return bySymbol.lookup(symbol);
  }
  AxisList axesOf(mlir::Value value);
  static bool has(llvm::ArrayRef<sema::AxisInfo *> axes,
                  const sema::AxisInfo *axis) {
    return llvm::is_contained(axes, axis);
  }

  // Constants.
  mlir::Value constant(mlir::Type element, double value,
                       llvm::ArrayRef<sema::AxisInfo *> axes = {});
  mlir::Value constantInt(mlir::Type element, int64_t value,
                          llvm::ArrayRef<sema::AxisInfo *> axes = {});
  mlir::Value constantText(llvm::StringRef text);
  mlir::Value unknown(mlir::Type value);

  // Elements.
  /// Casts to `element`; a range stays one.
  mlir::Value cast(mlir::Value value, mlir::Type element);
  /// The value with its stored element type widened to one computed in: f32,
  /// f64, i64, u64 or i1 (others are kept).
  mlir::Value computing(mlir::Value value);
  /// The same with the i64 of its bits for a u64: what sums and products take.
  mlir::Value bits(mlir::Value value);
  static mlir::Type computingType(mlir::Type element);

  // Movement.
  /// Replaces every axis above `target` by it; the value is unchanged when it
  /// has none of them.
  mlir::Value gather(mlir::Value value, sema::AxisInfo *target);
  /// Gathers, and adds `target` when the value still lacks it.
  mlir::Value broadcastTo(mlir::Value value, sema::AxisInfo *target);
  /// The value over exactly `axes` (in their order).
  mlir::Value broadcastTo(mlir::Value value,
                          llvm::ArrayRef<sema::AxisInfo *> axes);
  /// Moves both operands down to common descendants. False when an axis of one
  /// has two different descendants in the other (`first`, `second`).
  bool align(llvm::MutableArrayRef<mlir::Value> values,
             sema::AxisInfo **first = nullptr,
             sema::AxisInfo **second = nullptr);
  /// Combines away every axis of the value that is not above or in `kept`;
  /// `kept` holds axes of the value or ancestors of them.
  mlir::Value reduce(ReduceKind kind, mlir::Value value,
                     llvm::ArrayRef<sema::AxisInfo *> kept);
  mlir::Value rename(mlir::Value value, sema::AxisInfo *from,
                     sema::AxisInfo *to);
  mlir::Value pick(mlir::Value value, sema::AxisInfo *along,
                   mlir::Value position);
  /// Positions along an axis as refs or i64.
  mlir::Value iota(sema::AxisInfo *axis, bool asRef);

  // Elementwise; operands have matching value types and are aligned here.
  mlir::Value unary(UnaryKind kind, mlir::Value value);
  mlir::Value binary(BinaryKind kind, mlir::Value lhs, mlir::Value rhs);
  mlir::Value compare(CompareKind kind, mlir::Value lhs, mlir::Value rhs);
  mlir::Value select(mlir::Value condition, mlir::Value ifTrue,
                     mlir::Value ifFalse);
  mlir::Value coalesce(mlir::Value lhs, mlir::Value rhs);
  mlir::Value contract(mlir::Value lhs, mlir::Value rhs,
                       llvm::ArrayRef<sema::AxisInfo *> over, bool exact);
  mlir::Value get(mlir::SymbolRefAttr symbol, ArrayType type);

  /// The parts of a choice besides its kind; `axis` is a plan axis whose
  /// parents are the items and the candidates.
  struct Choice {
    mlir::Value count, mask;
    llvm::SmallVector<mlir::Value> keys;
    llvm::SmallVector<bool> up;
    llvm::SmallVector<mlir::Attribute> under;
    mlir::Value source;
    llvm::SmallVector<mlir::Value> table;
    bool greedy = false;
    llvm::SmallVector<mlir::Value> ends; // of a path
  };
  ChooseOp choose(ChoiceKind kind, sema::AxisInfo *axis, const Choice &choice);

  mlir::ArrayAttr axisAttrs(llvm::ArrayRef<sema::AxisInfo *> axes);

private:
  mlir::Value broadcastStep(mlir::Value value,
                            llvm::ArrayRef<sema::AxisInfo *> axes);
  llvm::DenseMap<mlir::Attribute, sema::AxisInfo *> bySymbol;
};

} // namespace route::irgen

#endif
