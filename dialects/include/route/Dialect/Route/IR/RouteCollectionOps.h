// The route dialect: ops on lists and sets, keyed state and pools of pools.
// These have a header of their own, as what compiles routes to code does not
// know them.
#ifndef ROUTE_DIALECT_ROUTE_IR_ROUTECOLLECTIONOPS_H
#define ROUTE_DIALECT_ROUTE_IR_ROUTECOLLECTIONOPS_H

#include "route/Dialect/Route/IR/RouteOps.h"

#define GET_OP_CLASSES
#include "route/Dialect/Route/IR/RouteCollectionOps.h.inc"

namespace route {
/// The type of the members of a list or set (known or not), null for others.
mlir::Type memberTypeOf(mlir::Type collection);

/// The pools that a pool is made of, end to end; null for other axes. Symbols
/// of axes.
mlir::ArrayAttr getParts(AxisOp axis);
void setParts(AxisOp axis, mlir::ArrayAttr parts);
/// Which parts hold rows that stand for skipping those of their pool; empty
/// where none do.
llvm::ArrayRef<bool> getSkipped(AxisOp axis);
void setSkipped(AxisOp axis, llvm::ArrayRef<bool> skipped);

/// The element types of a key of state with keys; null for other state.
mlir::ArrayAttr getKeys(StateOp state);
void setKeys(StateOp state, mlir::ArrayAttr types);
} // namespace route

#endif
