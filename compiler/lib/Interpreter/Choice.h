// The parts of a choice: its items, its candidates, its keys and its plan.
#ifndef ROUTE_LIB_INTERPRETER_CHOICE_H
#define ROUTE_LIB_INTERPRETER_CHOICE_H

#include "route/Interpreter/Machine.h"

namespace route::interp {

/// One key of one candidate: comparable, high first after `up` is applied.
struct KeyPart {
  /// False for unknown and NaN, which rank last.
  bool valid = false;
  uint64_t bits = 0;
  std::string text;
  bool textUp = false;
};

/// The key of `element` under direction `up`.
KeyPart makeKey(const Element &element, bool up);
/// True when `lhs` ranks before `rhs` in the order of the keys; ties are false.
bool ranksBefore(llvm::ArrayRef<KeyPart> lhs, llvm::ArrayRef<KeyPart> rhs);

/// Where a choice happens: for each item (a row-major position over the per
/// axes) the candidates that share its positions on every axis both descend
/// from.
struct ChoiceSpace {
  llvm::SmallVector<AxisRef> per;
  AxisRef candidates;
  int64_t items = 0;
  /// The per axes followed by the candidates' axis.
  llvm::SmallVector<AxisRef> all() const;
  /// The candidates of `item` in ascending position.
  std::vector<int64_t> candidatesOf(int64_t item) const;
  /// The positions along the per axes of `item`.
  llvm::SmallVector<int64_t> positionsOf(int64_t item) const;

  /// Checks sizes and prepares the relation.
  mlir::LogicalResult prepare(Machine &machine, mlir::Location loc);

private:
  /// One axis that both an item axis and the candidates descend from.
  struct Shared {
    unsigned perAxis;
    IndexMap ofItem, ofCandidate;
  };
  llvm::SmallVector<Shared> shared;
};

/// The rows each item has kept, in rank order.
using Kept = std::vector<std::vector<int64_t>>;

/// The instance of plan axis `name` with these rows.
AxisRef makePlan(mlir::StringAttr name, const ChoiceSpace &space,
                 const Kept &kept);

/// A view of `array` over the space's axes, per axes first; per item only when
/// `perItem`.
mlir::FailureOr<Array> viewInSpace(mlir::Operation *op, const Array &array,
                                   const ChoiceSpace &space,
                                   bool perItem = false);

/// The rows of `choose path`: for each item a cheapest path.
mlir::FailureOr<Kept> choosePaths(ChooseOp op, const ChoiceSpace &space,
                                  Frame &frame,
                                  llvm::ArrayRef<std::vector<bool>> allowed);

} // namespace route::interp

#endif
