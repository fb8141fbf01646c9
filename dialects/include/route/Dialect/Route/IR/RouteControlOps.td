// Control flow of the route dialect: calls, bounded loops, conditionals, emitted metrics.
#ifndef ROUTE_DIALECT_ROUTE_IR_ROUTECONTROLOPS_TD
#define ROUTE_DIALECT_ROUTE_IR_ROUTECONTROLOPS_TD

include "route/Dialect/Route/IR/RouteOpBase.td"

def Route_YieldOp : Route_Op<"yield", [Pure, Terminator, ReturnLike]> {
  let summary = "ends a region with values";
  let description = [{
    What the values mean the region's op says: a signal's value, a loop's carried
    values, a greedy choice's keys.

    Example: `route.yield %stop, %u : !route.array<i1>, !route.array<f32 [@experts]>`
  }];
  let arguments = (ins Variadic<AnyType>:$operands);
  let assemblyFormat = "($operands^ `:` type($operands))? attr-dict";
}

def Route_CallOp : Route_Op<"call", [DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "calls a function of the module";
  let description = [{
    Constraint: the callee is a route.func of these operand and result types.

    Example: `%y2 = route.call @double(%n) : (!route.array<f32 [@token]>) -> !route.array<f32 [@token]>`
  }];
  let arguments = (ins FlatSymbolRefAttr:$callee, Variadic<AnyType>:$operands);
  let results = (outs Variadic<AnyType>:$results);
  let assemblyFormat = "$callee `(` $operands `)` attr-dict `:` functional-type($operands, results)";
}

def Route_ForOp : Route_Op<"for", [RecursiveMemoryEffects]> {
  let summary = "a bounded loop with carried values";
  let description = [{
    Runs `count` times, or once for each position of `axis`, in position order or
    by ascending `order`; neither may be unknown. The region's arguments are the
    iteration (scalar i64, or ref of the axis) and the carried values; it yields a
    scalar truth (stop after this iteration) and the next carried values.

    Example:
    ```mlir
    %r = route.for count(%n : !route.array<i64>) carry (%v : !route.array<f32 [@experts]>) {
    ^bb0(%i: !route.array<i64>, %u: !route.array<f32 [@experts]>):
      ...
      route.yield %stop, %u : !route.array<i1>, !route.array<f32 [@experts]>
    } -> !route.array<f32 [@experts]>
    ```
  }];
  let arguments = (ins Optional<Route_AnyArray>:$count, Optional<Route_AnyArray>:$order,
    OptionalAttr<FlatSymbolRefAttr>:$axis, Variadic<AnyType>:$carried);
  let results = (outs Variadic<AnyType>:$results);
  let regions = (region SizedRegion<1>:$body);
  let traits = [AttrSizedOperandSegments];
  let assemblyFormat = [{
    (`count` `(` $count^ `:` type($count) `)`)? (`in` $axis^)? (`order` `(` $order^ `:` type($order) `)`)?
    (`carry` `(` $carried^ `:` type($carried) `)`)? $body (`->` type($results)^)? attr-dict
  }];
  let hasVerifier = 1;
}

def Route_IfOp : Route_Op<"if", [RecursiveMemoryEffects]> {
  let summary = "runs one of two regions";
  let description = [{
    The condition is a scalar truth; unknown counts as false.

    Constraint: both regions yield the results' types.

    Example:
    ```mlir
    %either = route.if %yes : !route.array<i1> {
      route.yield %n : !route.array<f32 [@token]>
    } else {
      route.yield %n2 : !route.array<f32 [@token]>
    } -> !route.array<f32 [@token]>
    ```
  }];
  let arguments = (ins Route_TruthArray:$condition);
  let results = (outs Variadic<AnyType>:$results);
  let regions = (region SizedRegion<1>:$thenRegion, MaxSizedRegion<1>:$elseRegion);
  let assemblyFormat = [{
    $condition `:` type($condition) $thenRegion (`else` $elseRegion^)? (`->` type($results)^)? attr-dict
  }];
  let hasVerifier = 1;
}

def Route_RowsOp : Route_Op<"rows", [RecursiveMemoryEffects]> {
  let summary = "a group of ops that is computed item by item";
  let description = [{
    Means what its region means, inlined: all values keep their types. It says
    that every value computed inside has axis `item`, or descends from it, and
    that no item's values depend on another's; so one kernel may run all of the
    region for a few items at a time and keep what is not yielded in registers.

    Constraints: (C1) each result has axis `item` or is a plan made per it; (C2)
    no op inside reduces over `item`.

    Example:
    ```mlir
    %rows = route.rows per @token {
      %s = route.unary <sigmoid> %l : !route.array<f32 [@token, @experts]>
      ...
      route.yield %s : !route.array<f32 [@token, @experts]>
    } -> !route.array<f32 [@token, @experts]>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$item);
  let results = (outs Variadic<AnyType>:$results);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "`per` $item $body (`->` type($results)^)? attr-dict";
  let hasVerifier = 1;
}

def Route_EmitOp : Route_Op<"emit", [MemoryEffects<[MemWrite]>]> {
  let summary = "gives the host a named metric";
  let description = [{
    Has no effect on what is decided. A quantity says its `unit`.

    Example: `route.emit "load", %n : !route.array<f32 [@token]>`,
    `route.emit "cost", %c : !route.array<f64 [@request]> {unit = "p$"}`
  }];
  let arguments = (ins StrAttr:$name, AnyType:$value,
                       OptionalAttr<StrAttr>:$unit);
  let assemblyFormat = "$name `,` $value `:` type($value) attr-dict";
}

#endif
