// Passes on the route dialect.
#ifndef ROUTE_DIALECT_ROUTE_TRANSFORMS_PASSES_TD
#define ROUTE_DIALECT_ROUTE_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

def RouteFormRows : Pass<"route-form-rows", "::route::FuncOp"> {
  let summary = "groups what is computed item by item around choices";
  let description = [{
    Finds the choices that are made for each item of a dynamic axis and gathers
    each with the elementwise ops, reductions and gathers that feed it, and with
    the columns computed from its plan, into one `route.rows`. Contractions stay
    outside: a matrix product gains from seeing many items at once. So do the
    bodies of experts, which are grouped by expert instead.

    Two choices of one item axis share a group unless something that stays
    outside lies between them.
  }];
  let statistics = [Statistic<"numGroups", "groups", "Number of route.rows formed">];
}

#endif
