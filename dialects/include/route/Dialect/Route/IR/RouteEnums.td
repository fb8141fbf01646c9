// Enumerations of the route dialect.
#ifndef ROUTE_DIALECT_ROUTE_IR_ROUTEENUMS_TD
#define ROUTE_DIALECT_ROUTE_IR_ROUTEENUMS_TD

include "mlir/IR/EnumAttr.td"

class Route_Enum<string name, string summary, list<I32EnumAttrCase> cases>
    : I32EnumAttr<name, summary, cases> {
  let cppNamespace = "::route";
  let genSpecializedAttr = 0;
}

class Case<string name, int value> : I32EnumAttrCase<name, value>;

def Route_AxisKind : Route_Enum<"AxisKind", "what makes an axis", [
  Case<"index", 0>,   // declared with `axis`: tokens, hidden units, requests
  Case<"pool", 1>,    // declared with `pool`: rows are experts
  Case<"plan", 2>,    // made by a choice: rows are chosen (item, expert) pairs
  Case<"copy", 3>]>;  // token': a second copy of another axis

def Route_ColumnKind : Route_Enum<"ColumnKind", "who gives a column its values", [
  Case<"input", 0>,   // the caller, with every call
  Case<"constant", 1>, // the spec
  Case<"live", 2>,    // the host, pushed between calls; goes stale
  Case<"state", 3>]>; // event handlers

def Route_FuncKind : Route_Enum<"FuncKind", "what a function is for", [
  Case<"route", 0>, Case<"router", 1>, Case<"handler", 2>,
  Case<"steps", 3>]>; // a route that asks the host while it runs

def Route_UnaryKind : Route_Enum<"UnaryKind", "elementwise function of one value", [
  Case<"neg", 0>, Case<"abs", 1>, Case<"sign", 2>, Case<"logical_not", 3>,
  Case<"exp", 4>, Case<"exp2", 5>, Case<"log", 6>, Case<"log2", 7>,
  Case<"sqrt", 8>, Case<"rsqrt", 9>, Case<"tanh", 10>, Case<"sigmoid", 11>,
  Case<"softplus", 12>, Case<"silu", 13>, Case<"gelu", 14>, Case<"gelu_tanh", 15>,
  Case<"relu", 16>, Case<"erf", 17>, Case<"floor", 18>, Case<"ceil", 19>,
  Case<"round", 20>, Case<"trunc", 21>, Case<"is_nan", 22>]>;

def Route_BinaryKind : Route_Enum<"BinaryKind", "elementwise function of two values", [
  Case<"add", 0>, Case<"sub", 1>, Case<"mul", 2>, Case<"div", 3>,
  Case<"min", 4>, Case<"max", 5>, Case<"pow", 6>, Case<"mod", 7>,
  Case<"floordiv", 8>, Case<"logical_and", 9>, Case<"logical_or", 10>,
  Case<"bit_and", 11>, Case<"bit_or", 12>, Case<"bit_xor", 13>]>;

def Route_CompareKind : Route_Enum<"CompareKind", "comparison", [
  Case<"eq", 0>, Case<"ne", 1>, Case<"lt", 2>, Case<"le", 3>, Case<"gt", 4>, Case<"ge", 5>]>;

def Route_ReduceKind : Route_Enum<"ReduceKind", "reduction", [
  Case<"sum", 0>,   // floats: the fixed order of numerics.h; a plan's rows: rank order
  Case<"mean", 1>, Case<"max", 2>, Case<"min", 3>,
  Case<"any", 4>, Case<"all", 5>,
  Case<"count", 6>, // number of true elements, or of rows
  Case<"argmax", 7>, Case<"argmin", 8>, // position along the one reduced axis; ties to the lower
  Case<"mode", 9>,  // most frequent element; ties to the first seen
  Case<"product", 10>]>;

def Route_ChoiceKind : Route_Enum<"ChoiceKind", "how many candidates a choice keeps", [
  Case<"count", 0>,  // the count operand
  Case<"all", 1>,    // every candidate that the mask leaves
  Case<"until", 2>,  // in key order until the predicate holds; the crossing row is kept
  Case<"listed", 3>, // the rows that a table names, in its order, duplicates kept
  Case<"path", 4>]>; // a cheapest path through rows with two refs

def Route_DrawKind : Route_Enum<"DrawKind", "distribution of a random draw", [
  Case<"uniform", 0>, Case<"gumbel", 1>, Case<"normal", 2>, Case<"bits", 3>]>;

#endif
