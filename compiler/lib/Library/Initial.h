// What state starts as, as the constants that a library carries.
#ifndef ROUTE_LIB_LIBRARY_INITIAL_H
#define ROUTE_LIB_LIBRARY_INITIAL_H

#include "route/Dialect/Route/IR/RouteOps.h"

namespace route {

/// What a state cell starts as: one element for all positions, or all elements
/// (DenseElementsAttr); null for zeros. Fails, with a diagnostic, where that is
/// no constant.
mlir::FailureOr<mlir::Attribute> initialOf(StateOp state);
/// The same of a column that is live or state: its fallback.
mlir::FailureOr<mlir::Attribute> initialOf(ColumnOp column);

} // namespace route

#endif
