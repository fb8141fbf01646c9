// All ops of the route dialect.
#ifndef ROUTE_DIALECT_ROUTE_IR_ROUTEOPS_TD
#define ROUTE_DIALECT_ROUTE_IR_ROUTEOPS_TD

include "route/Dialect/Route/IR/RouteSymbolOps.td"
include "route/Dialect/Route/IR/RouteArrayOps.td"
include "route/Dialect/Route/IR/RouteChoiceOps.td"
include "route/Dialect/Route/IR/RouteControlOps.td"
include "route/Dialect/Route/IR/RouteStepOps.td"
include "route/Dialect/Route/IR/RouteRunOps.td"

#endif
