// Attributes of the route dialect: the enumerations as attributes.
#ifndef ROUTE_DIALECT_ROUTE_IR_ROUTEATTRIBUTES_TD
#define ROUTE_DIALECT_ROUTE_IR_ROUTEATTRIBUTES_TD

include "mlir/IR/AttrTypeBase.td"
include "route/Dialect/Route/IR/RouteDialect.td"
include "route/Dialect/Route/IR/RouteEnums.td"

class Route_EnumAttr<EnumInfo info, string mnemonic>
    : EnumAttr<Route_Dialect, info, mnemonic> {
  let assemblyFormat = "`<` $value `>`";
}

def Route_AxisKindAttr    : Route_EnumAttr<Route_AxisKind, "axis_kind">;
def Route_ColumnKindAttr  : Route_EnumAttr<Route_ColumnKind, "column_kind">;
def Route_FuncKindAttr    : Route_EnumAttr<Route_FuncKind, "func_kind">;
def Route_UnaryKindAttr   : Route_EnumAttr<Route_UnaryKind, "unary">;
def Route_BinaryKindAttr  : Route_EnumAttr<Route_BinaryKind, "binary">;
def Route_CompareKindAttr : Route_EnumAttr<Route_CompareKind, "compare">;
def Route_ReduceKindAttr  : Route_EnumAttr<Route_ReduceKind, "reduce">;
def Route_ChoiceKindAttr  : Route_EnumAttr<Route_ChoiceKind, "choice">;
def Route_DrawKindAttr    : Route_EnumAttr<Route_DrawKind, "draw">;

#endif
