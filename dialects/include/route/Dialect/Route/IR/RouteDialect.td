// The route dialect: what the user of a .route file said, before any decision on how to compute it.
#ifndef ROUTE_DIALECT_ROUTE_IR_ROUTEDIALECT_TD
#define ROUTE_DIALECT_ROUTE_IR_ROUTEDIALECT_TD

include "mlir/IR/OpBase.td"

def Route_Dialect : Dialect {
  let name = "route";
  let cppNamespace = "::route";
  let summary = "routing over named axes: signals, scores, constrained choice, combination";
  let description = [{
    Every value is an array over named axes, and every axis is a symbol. An
    axis may descend from others: a token from its image, an expert from its
    group, a row of a plan from its item and its expert. Three facts about axes
    carry the whole dialect:

    * elementwise ops broadcast by name: an operand's axes are a subset of the
      result's;
    * `route.broadcast` moves a value down to a descendant axis (a gather), and
      `route.reduce` moves it up to an ancestor (a segmented reduction);
    * `route.choose` makes a new axis, the plan, whose rows descend from the
      items and from what was chosen. Everything that works on an axis works on
      a plan, so combining, re-choosing and measuring need no ops of their own.

    Three-valued logic is an element type, `!route.range<T>`: the interval of
    values that an unknown input leaves possible. Elementwise ops are defined on
    ranges as on plain elements.

    Values are pure. State is read by `route.get` and written by `route.set`,
    which only event handlers may contain. Locations always point into the
    .route file.
  }];
  let dependentDialects = ["::mlir::cf::ControlFlowDialect"]; // cf.br joins blocks of step routes
  let useDefaultTypePrinterParser = 1;
  let useDefaultAttributePrinterParser = 1;
  let hasConstantMaterializer = 1;
  let extraClassDeclaration = [{ void registerTypes(); }];
}

#endif
