// Axis instances: the positions of an axis in one run.
// Each knows what it descends from.
#ifndef ROUTE_INTERPRETER_AXIS_H
#define ROUTE_INTERPRETER_AXIS_H

#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/ADT/SmallVector.h"
#include <cstdint>
#include <memory>
#include <vector>

namespace route::interp {

struct Axis;
/// Axis instances are shared between the arrays that lie over them and never
/// change.
using AxisRef = std::shared_ptr<const Axis>;
/// For each position of an axis a position of another one.
using IndexMap = std::shared_ptr<const std::vector<int64_t>>;

/// One axis in one run. `name` is the symbol of its `route.axis`; anonymous
/// dimensions of tensors have none.
struct Axis {
  /// A parent and, for each position of the child, the parent's position.
  struct Parent {
    AxisRef axis;
    IndexMap index;
  };

  mlir::StringAttr name;
  int64_t size = 0;
  /// For a plan: the per axes in order, then the candidates' axis.
  llvm::SmallVector<Parent, 2> parents;
  /// A declared parent that nothing has sized, which the run may do without as
  /// long as nothing descends to it; null where all are in `parents`.
  mlir::StringAttr unsized;
  /// For a plan: the rank of each row among its item's rows; null otherwise.
  IndexMap rank;

  bool isPlan() const { return rank != nullptr; }
  /// A plan's per axes, outermost first.
  llvm::ArrayRef<Parent> per() const {
    return llvm::ArrayRef(parents).drop_back();
  }
  /// What a plan's rows chose.
  const Parent &chosen() const { return parents.back(); }
  llvm::StringRef label() const { return name ? name.getValue() : "?"; }
};

/// A new instance without parents.
AxisRef makeAxis(mlir::StringAttr name, int64_t size);

/// The position along `ancestor` that each position of `axis` descends from, by
/// the shortest chain of parents; null when there is none. An axis is its own
/// ancestor, with the identity as map.
IndexMap descent(const Axis &axis, mlir::StringAttr ancestor);

/// The instance named `name` among `axis` and its ancestors; null when there is
/// none.
AxisRef findAncestor(const AxisRef &axis, mlir::StringAttr name);

/// What both `lhs` and `rhs` descend from, where nothing has sized it, so that
/// nobody can say which of their positions meet there; null when there is none.
mlir::StringAttr findUnsizedAbove(const AxisRef &lhs, const AxisRef &rhs);

/// True when both have the same name, size, parents and ranks.
bool sameInstance(const AxisRef &lhs, const AxisRef &rhs);

/// The product of the sizes, or -1 where it exceeds int64.
int64_t countPositions(llvm::ArrayRef<AxisRef> axes);

/// For each row of a plan the number of its item: the row-major position over
/// the per axes.
std::vector<int64_t> itemOfRows(const Axis &plan);

} // namespace route::interp

#endif
