// The route dialect: declarations of dialect, enumerations and types.
#ifndef ROUTE_DIALECT_ROUTE_IR_ROUTEDIALECT_H
#define ROUTE_DIALECT_ROUTE_IR_ROUTEDIALECT_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpImplementation.h"

#include "route/Dialect/Route/IR/RouteDialect.h.inc"
#include "route/Dialect/Route/IR/RouteEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "route/Dialect/Route/IR/RouteAttributes.h.inc"

#define GET_TYPEDEF_CLASSES
#include "route/Dialect/Route/IR/RouteTypes.h.inc"

namespace route {
/// The element type with any range taken off.
mlir::Type getValueType(mlir::Type element);
/// True for i1 and range<i1>.
bool isTruth(mlir::Type element);
/// True for integers wider than one bit and floats, and ranges of them.
bool isNumber(mlir::Type element);
} // namespace route

#endif
