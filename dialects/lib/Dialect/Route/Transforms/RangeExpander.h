// The ends of what may be unknown, while route-expand-ranges finds them.
#ifndef ROUTE_LIB_DIALECT_ROUTE_TRANSFORMS_RANGEEXPANDER_H
#define ROUTE_LIB_DIALECT_ROUTE_TRANSFORMS_RANGEEXPANDER_H

#include "Ranges.h"
#include "llvm/ADT/DenseMap.h"

namespace route::ranges {

inline bool isRange(mlir::Type type) {
  auto array = llvm::dyn_cast<ArrayType>(type);
  return array && llvm::isa<RangeType>(array.getElementType());
}
inline bool isRange(mlir::Value value) { return isRange(value.getType()); }

/// The type without range.
inline ArrayType plainType(mlir::Type type) {
  auto array = llvm::cast<ArrayType>(type);
  return array.withElement(getValueType(array.getElementType()));
}

class RangeExpander {
public:
  /// `body`: of a function or a part of a budget.
  explicit RangeExpander(mlir::Block &body)
      : body(body), b(body.getParentOp()->getContext()) {}

  mlir::LogicalResult run();

  /// The ends of a value; a plain value in both.
  Ends get(mlir::Value value) {
    auto it = ends.find(value);
    return it != ends.end() ? it->second : Ends{value, value, {}};
  }
  /// Adds the parts of a value as they stand in an operand or result list.
  void addParts(mlir::Value value, llvm::SmallVectorImpl<mlir::Value> &list);

private:
  mlir::LogicalResult expand(mlir::Block &block);
  mlir::LogicalResult expand(mlir::Operation *op);
  mlir::LogicalResult expandChoose(ChooseOp op);
  mlir::LogicalResult expandPlans(mlir::Operation *op);
  mlir::LogicalResult expandRegions(mlir::Operation *op);
  void expandReturn(ReturnOp op);
  void expandBudget(YieldOp op);

  /// The ends of an input or stored value: what the call says of it.
  Ends boundsOf(mlir::Value value);
  /// What is surely true.
  mlir::Value surely(mlir::Value truth) { return get(truth).lo; }
  mlir::Value rowOrNone(mlir::Value row);
  /// The ends as values of `type`, which is plain.
  Ends fitted(Ends found, ArrayType type, mlir::Location loc);
  void addPartTypes(mlir::Type type, llvm::SmallVectorImpl<mlir::Type> &list);
  /// Takes the parts of `value` from the front of `parts`.
  void takeParts(mlir::Value value, mlir::ValueRange &parts);

  mlir::Block &body;
  mlir::OpBuilder b;
  llvm::DenseMap<mlir::Value, Ends> ends;
  /// Ops whose meaning the expansion has taken over, users after their
  /// operands.
  llvm::SmallVector<mlir::Operation *> done;
  /// Arguments of loops that now stand beside their parts.
  llvm::SmallVector<mlir::BlockArgument> split;
};

/// The ends of the result of an op on arrays; a plain result in both. Of an op
/// without result, which is made anew, nothing.
mlir::FailureOr<Ends> endsOf(mlir::Operation *op, RangeExpander &in,
                             mlir::OpBuilder &b);

} // namespace route::ranges

#endif
