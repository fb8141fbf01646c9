// Types of the route dialect: arrays over named axes, plans, and the element types that MLIR lacks.
#ifndef ROUTE_DIALECT_ROUTE_IR_ROUTETYPES_TD
#define ROUTE_DIALECT_ROUTE_IR_ROUTETYPES_TD

include "mlir/IR/AttrTypeBase.td"
include "route/Dialect/Route/IR/RouteDialect.td"

class Route_Type<string name, string mnemonic_> : TypeDef<Route_Dialect, name> {
  let mnemonic = mnemonic_;
}

def Route_ArrayType : Route_Type<"Array", "array"> {
  let summary = "elements over named axes";
  let description = [{
    One element for each combination of positions along the axes; no axes is a
    scalar. The order of axes is the storage order of the value (the last varies
    fastest) and has no meaning for elementwise ops.

    Computed elements are `f32`, `f64` (quantities with a unit), `i64`, `i1`;
    stored ones may also be `bf16`, `f16` and narrower integers, and are cast on
    use. Others: text, handle, enum, ref, range, list, set, result.

    Example: `!route.array<f32 [@token, @experts]>`, `!route.array<i1>`.
  }];
  let parameters = (ins "::mlir::Type":$elementType,
                        ArrayRefParameter<"::mlir::FlatSymbolRefAttr">:$axes);
  let builders = [
    TypeBuilderWithInferredContext<(ins "::mlir::Type":$elementType,
        CArg<"::llvm::ArrayRef<::mlir::FlatSymbolRefAttr>", "{}">:$axes), [{
      return $_get(elementType.getContext(), elementType, axes);
    }]>
  ];
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// True when there are no axes.
    bool isScalar() const { return getAxes().empty(); }
    /// True when `axis` is among the axes.
    bool hasAxis(::mlir::FlatSymbolRefAttr axis) const;
    /// The same axes with another element type.
    ArrayType withElement(::mlir::Type element) const { return get(element, getAxes()); }
    /// The same element type over other axes.
    ArrayType withAxes(::llvm::ArrayRef<::mlir::FlatSymbolRefAttr> axes) const {
      return get(getElementType(), axes);
    }
  }];
}

def Route_PlanType : Route_Type<"Plan", "plan"> {
  let summary = "the rows that a choice made, as an axis";
  let description = [{
    A handle on one run's rows of the plan axis `axis`: for each row the items
    it was made for, what was chosen, and its rank. Columns such as weights are
    arrays over the plan axis.
  }];
  let parameters = (ins "::mlir::FlatSymbolRefAttr":$axis);
  let assemblyFormat = "`<` $axis `>`";
}

def Route_TextType : Route_Type<"Text", "text"> {
  let summary = "UTF-8 bytes; invalid sequences read as U+FFFD";
}

def Route_HandleType : Route_Type<"Handle", "handle"> {
  let summary = "an opaque 64-bit value that belongs to the host";
}

def Route_EnumType : Route_Type<"Enum", "enum"> {
  let summary = "one label of an enumeration symbol, stored as its position";
  let parameters = (ins "::mlir::FlatSymbolRefAttr":$symbol);
  let assemblyFormat = "`<` $symbol `>`";
}

def Route_RefType : Route_Type<"Ref", "ref"> {
  let summary = "a row of an axis, stored as its position; -1 is no row";
  let parameters = (ins "::mlir::FlatSymbolRefAttr":$axis);
  let assemblyFormat = "`<` $axis `>`";
}

def Route_RangeType : Route_Type<"Range", "range"> {
  let summary = "the values that an unknown leaves possible";
  let description = [{
    For numbers a closed interval, for `i1` a non-empty subset of {false, true}
    (Kleene's three values), for other elements known or unknown. A known value
    is an interval of one point. `where` and `if` count only what is surely true.
  }];
  let parameters = (ins "::mlir::Type":$valueType);
  let assemblyFormat = "`<` $valueType `>`";
}

def Route_ListType : Route_Type<"List", "list"> {
  let summary = "a short ordered list of elements";
  let parameters = (ins "::mlir::Type":$valueType);
  let assemblyFormat = "`<` $valueType `>`";
}

def Route_SetType : Route_Type<"Set", "set"> {
  let summary = "a set of elements, bounded where it is state";
  let parameters = (ins "::mlir::Type":$valueType);
  let assemblyFormat = "`<` $valueType `>`";
}

#endif
