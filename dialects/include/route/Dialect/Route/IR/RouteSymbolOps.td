// Symbols of the route dialect: axes with their columns, signals, parameters, state, functions.
#ifndef ROUTE_DIALECT_ROUTE_IR_ROUTESYMBOLOPS_TD
#define ROUTE_DIALECT_ROUTE_IR_ROUTESYMBOLOPS_TD

include "route/Dialect/Route/IR/RouteOpBase.td"

def Route_AxisOp : Route_Op<"axis", [Symbol, SymbolTable, SingleBlock, NoTerminator, NoRegionArguments,
    HasParent<"::mlir::ModuleOp">, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "an axis: a named set of positions, with columns";
  let description = [{
    `kind` says what makes it. `size` is its number of positions where the spec
    fixes it; under a single parent with `per_parent` absent the size is the
    total over all parents (position p belongs to parent p / (size / parent
    size)). Without `size` the caller (index axes), the host (dynamic pools) or
    the choice (plans) decides, and positions are ordered by parent. `bound` is
    the most positions that a dynamic pool may hold.

    `parents` are the axes it descends from: at most one for index and pool
    axes; for a plan the axes of its `per` list followed by the candidates' axis;
    for a copy (`token'`) the copied axis is `original` and its parents are the
    copied axis's. `labels` name the positions. The region holds `route.column`s.

    Constraints: (C1) a plan has at least one parent and no size; (C2) a copy has
    an original; (C3) labels, if any, are as many as the size and distinct; (C4)
    parents exist, are distinct and do not form a cycle; (C5) size is positive and, under a
    parent of static size, a multiple of it; (C6) a live or state column's name, the axis's before it,
    is no state's.

    Example:
    ```mlir
    route.axis @token <index> {}
    route.axis @experts <pool> size(256) in [@group] {}
    route.axis @models <pool> size(2) labels(["small", "large"]) {
      route.column @price_in <constant> : !route.array<f64 [@models]> = dense<[0.15, 5.0]> : tensor<2xf64>
    }
    route.axis @gate.p <plan> in [@token, @experts] {}
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, Route_AxisKindAttr:$kind,
    OptionalAttr<I64Attr>:$size, OptionalAttr<I64Attr>:$bound,
    OptionalAttr<TypedArrayAttrBase<FlatSymbolRefAttr, "axes">>:$parents,
    OptionalAttr<FlatSymbolRefAttr>:$original, OptionalAttr<StrArrayAttr>:$labels);
  let regions = (region SizedRegion<1>:$columns);
  let assemblyFormat = [{
    $sym_name $kind (`size` `(` $size^ `)`)? (`bound` `(` $bound^ `)`)? (`in` $parents^)?
    (`of` $original^)? (`labels` `(` $labels^ `)`)? attr-dict-with-keyword $columns
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Parents' symbols, empty when there are none.
    ::llvm::SmallVector<::mlir::FlatSymbolRefAttr> getParentAxes();
    /// The static number of positions, or -1.
    int64_t getStaticSize() { return getSize() ? static_cast<int64_t>(*getSize()) : -1; }
  }];
}

def Route_EnumOp : Route_Op<"enum_type", [Symbol, HasParent<"::mlir::ModuleOp">]> {
  let summary = "an enumeration: an ordered list of distinct labels";
  let description = [{
    Example: `route.enum_type @tier ["free", "pro"]`
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, StrArrayAttr:$labels);
  let assemblyFormat = "$sym_name $labels attr-dict";
  let hasVerifier = 1;
}

def Route_ColumnOp : Route_Op<"column", [Symbol, HasParent<"AxisOp">]> {
  let summary = "a column of an axis";
  let description = [{
    Its type always has the axis itself first. A constant has `value`; a live
    column may have `stale_ns`, after which it reads as unknown, or as `fallback`
    if that is given. `trusted` marks fields that budgets may key on. `unit` is
    the spelling of the unit of measure, for descriptors and messages.

    Constraints: (C1) the type's first axis is the parent axis; (C2) a constant
    has a value of the type's shape, others have none.

    Example: `route.column @prompt <input> : !route.array<!route.text [@request]>`
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, Route_ColumnKindAttr:$kind,
    TypeAttrOf<Route_AnyArray>:$type, OptionalAttr<AnyAttr>:$value,
    OptionalAttr<AnyAttr>:$fallback, OptionalAttr<I64Attr>:$stale_ns,
    OptionalAttr<StrAttr>:$unit, UnitAttr:$trusted);
  let assemblyFormat = [{
    $sym_name $kind `:` $type (`=` $value^)? (`else` $fallback^)? (`stale` $stale_ns^)?
    (`unit` $unit^)? (`trusted` $trusted^)? attr-dict
  }];
  let hasVerifier = 1;
}

def Route_SignalOp : Route_Op<"signal", [Symbol, IsolatedFromAbove, HasParent<"::mlir::ModuleOp">]> {
  let summary = "a named value that routing decides on";
  let description = [{
    With a body it is computed, from other signals, columns and parameters; with
    `host` the host computes it from the values that the body yields (its
    arguments), within `timeout_ns`; with neither the caller gives it. A host
    signal has an element type of range: it is unknown until answered, and after
    a time-out. `kept` signals are evaluated at most once an item.

    Constraints: (C1) a computed signal's body yields one value of its type;
    (C2) a host signal's type is a range.

    Example:
    ```mlir
    route.signal @x : !route.array<bf16 [@token, @hidden]>
    route.signal @long : !route.array<i1 [@request]> {
      %t = route.get @request::@prompt : !route.array<!route.text [@request]>
      %b = route.text_fn "bytes"(%t) : (!route.array<!route.text [@request]>) -> !route.array<i64 [@request]>
      %k = route.constant 8192 : i64 as !route.array<i64>
      %l = route.compare <ge> %b, %k : !route.array<i64 [@request]>, !route.array<i64>
      route.yield %l : !route.array<i1 [@request]>
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<Route_AnyArray>:$type,
    OptionalAttr<StrAttr>:$host, OptionalAttr<I64Attr>:$timeout_ns, OptionalAttr<StrAttr>:$unit);
  let regions = (region MaxSizedRegion<1>:$body);
  let assemblyFormat = [{
    $sym_name `:` $type (`host` $host^)? (`timeout` $timeout_ns^)? (`unit` $unit^)?
    attr-dict-with-keyword ($body^)?
  }];
  let hasVerifier = 1;
}

def Route_ParamOp : Route_Op<"param", [Symbol, HasParent<"::mlir::ModuleOp">]> {
  let summary = "a trained tensor, bound by name from a checkpoint";
  let description = [{
    `from` is the checkpoint's tensor name; `{layers}` in it stands for the
    position on axis layers, so that one param gathers one tensor a position.
    Axes are in storage order, outermost first.

    Example: `route.param @gate.w : !route.array<f32 [@experts, @hidden]> from "gate.weight"`
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<Route_AnyArray>:$type,
    StrAttr:$from, OptionalAttr<StrAttr>:$file, OptionalAttr<StrAttr>:$unit);
  let assemblyFormat = "$sym_name `:` $type `from` $from (`file` $file^)? attr-dict";
}

def Route_StateOp : Route_Op<"state", [Symbol, IsolatedFromAbove, HasParent<"::mlir::ModuleOp">]> {
  let summary = "a value that event handlers change and decisions read";
  let description = [{
    Starts as the checkpoint tensor `from`, or as what `init` yields, or as zero.
    `bound` limits the number of keys of a keyed cell; the least recently used
    key goes first.

    Example: `route.state @gate.bias : !route.array<f32 [@experts]> from "gate.e_score_correction_bias"`
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<Route_AnyArray>:$type,
    OptionalAttr<StrAttr>:$from, OptionalAttr<I64Attr>:$bound,
    OptionalAttr<StrAttr>:$unit);
  let regions = (region MaxSizedRegion<1>:$init);
  let assemblyFormat = [{
    $sym_name `:` $type (`from` $from^)? (`bound` $bound^)? attr-dict-with-keyword ($init^)?
  }];
  let hasVerifier = 1;
}

def Route_FuncOp : Route_Op<"func", [AffineScope, AutomaticAllocationScope, IsolatedFromAbove,
    FunctionOpInterface, HasParent<"::mlir::ModuleOp">]> {
  let summary = "a route, a router or an event handler";
  let description = [{
    Routes and routers are pure; a handler (`event`, and `of`, the router whose
    plan it sees) may contain `route.set`. `arg_names` and `result_names` are the
    names in the spec. A router returns its plan and then the plan's columns
    (weight first) and, where it may refuse, a status of `i64` an item.

    A step route (`steps`) runs for one item, may have several blocks, and waits
    at each `route.ask`; its arguments are refs of the item. All others have one
    block. What is alive at an ask is all that a run keeps while it waits.

    Example:
    ```mlir
    route.func @double <route> (%x: !route.array<f32 [@token]>) -> !route.array<f32 [@token]> {
      %y = route.binary <add> %x, %x : !route.array<f32 [@token]>, !route.array<f32 [@token]>
      route.return %y : !route.array<f32 [@token]>
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, Route_FuncKindAttr:$kind,
    TypeAttrOf<FunctionType>:$function_type, OptionalAttr<StrAttr>:$sym_visibility,
    OptionalAttr<StrAttr>:$event, OptionalAttr<FlatSymbolRefAttr>:$of,
    OptionalAttr<DictArrayAttr>:$arg_attrs, OptionalAttr<DictArrayAttr>:$res_attrs);
  let regions = (region AnyRegion:$body);
  let hasCustomAssemblyFormat = 1;
  let skipDefaultBuilders = 1;
  let builders = [OpBuilder<(ins "::llvm::StringRef":$name, "::route::FuncKind":$kind,
    "::mlir::FunctionType":$type)>];
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    ::llvm::ArrayRef<::mlir::Type> getArgumentTypes() { return getFunctionType().getInputs(); }
    ::llvm::ArrayRef<::mlir::Type> getResultTypes() { return getFunctionType().getResults(); }
    ::mlir::Region *getCallableRegion() { return &getBody(); }
  }];
}

def Route_ReturnOp : Route_Op<"return", [Pure, Terminator, HasParent<"FuncOp">, ReturnLike]> {
  let summary = "returns from a function";
  let description = [{
    Constraint: the values have the function's result types.

    Example: `route.return %y : !route.array<f32 [@token]>`
  }];
  let arguments = (ins Variadic<AnyType>:$operands);
  let assemblyFormat = "($operands^ `:` type($operands))? attr-dict";
  let hasVerifier = 1;
}

#endif
