// Enumerations of the row dialect.
#ifndef ROUTE_DIALECT_ROW_IR_ROWENUMS_TD
#define ROUTE_DIALECT_ROW_IR_ROWENUMS_TD

include "mlir/IR/EnumAttr.td"
include "route/Dialect/Row/IR/RowDialect.td"

def Row_UnaryFunction : I32EnumAttr<"UnaryFunction",
    "a function of numerics.h that the math dialect lacks", [
  I32EnumAttrCase<"Sigmoid", 0, "sigmoid">,
  I32EnumAttrCase<"Silu", 1, "silu">,
  I32EnumAttrCase<"GeluTanh", 2, "gelu_tanh">,
  I32EnumAttrCase<"GeluErf", 3, "gelu_erf">,
  I32EnumAttrCase<"Softplus", 4, "softplus">
]> {
  let cppNamespace = "::route::row";
  let genSpecializedAttr = 0;
}
def Row_UnaryFunctionAttr
    : EnumAttr<Row_Dialect, Row_UnaryFunction, "function">;

def Row_SumOrder : I32EnumAttr<"SumOrder", "the order of a sum's additions", [
  I32EnumAttrCase<"Butterfly", 0, "butterfly">,
  I32EnumAttrCase<"Sequential", 1, "sequential">
]> {
  let cppNamespace = "::route::row";
  let genSpecializedAttr = 0;
}
def Row_SumOrderAttr : EnumAttr<Row_Dialect, Row_SumOrder, "order">;

#endif // ROUTE_DIALECT_ROW_IR_ROWENUMS_TD
