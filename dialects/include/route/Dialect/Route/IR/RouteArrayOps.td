// Array ops of the route dialect: elementwise by name, movement along descent, reduction and contraction.
#ifndef ROUTE_DIALECT_ROUTE_IR_ROUTEARRAYOPS_TD
#define ROUTE_DIALECT_ROUTE_IR_ROUTEARRAYOPS_TD

include "route/Dialect/Route/IR/RouteOpBase.td"

def Route_ConstantOp : Route_Op<"constant", [Pure, ConstantLike]> {
  let summary = "a constant";
  let description = [{
    `value` is a number, truth or string attribute (for every element), or a
    dense elements attribute whose shape is the static sizes of the axes.

    Example: `%c25 = route.constant 2.5 : f32 as !route.array<f32>`
  }];
  let arguments = (ins AnyAttr:$value);
  let results = (outs Route_AnyArray:$result);
  let assemblyFormat = "$value `as` type($result) attr-dict";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Route_UnknownOp : Route_Op<"unknown", [Pure]> {
  let summary = "the value nothing is known of";
  let description = [{
    Every element may still be any value of its type.

    Constraint: the element type is a range.

    Example: `%u = route.unknown : !route.array<!route.range<i1> [@token]>`
  }];
  let arguments = (ins);
  let results = (outs Route_AnyArray:$result);
  let assemblyFormat = "`:` type($result) attr-dict";
  let hasVerifier = 1;
}

def Route_GetOp : Route_Op<"get", [DeclareOpInterfaceMethods<SymbolUserOpInterface>,
    MemoryEffects<[MemRead]>]> {
  let summary = "reads a signal, column, parameter or state";
  let description = [{
    `@name` is a module symbol, `@axis::@column` a column. The result type is the
    symbol's type. Decisions read a snapshot: two reads in one call agree.

    Example: `%price = route.get @models::@price_in : !route.array<f64 [@models]>`
  }];
  let arguments = (ins SymbolRefAttr:$symbol);
  let results = (outs Route_AnyArray:$result);
  let assemblyFormat = "$symbol `:` type($result) attr-dict";
}

def Route_SetOp : Route_Op<"set", [DeclareOpInterfaceMethods<SymbolUserOpInterface>,
    MemoryEffects<[MemWrite]>]> {
  let summary = "writes a state cell or state column, in a handler";
  let description = [{
    The write becomes visible when the handler has ended. `route.get` in the same
    handler after it reads the new value. Of a set at most `bound` members stay,
    the last ones.

    Example: `route.set @gate.bias, %next : !route.array<f32 [@experts]>`
  }];
  let arguments = (ins SymbolRefAttr:$symbol, Route_AnyArray:$value, OptionalAttr<I64Attr>:$bound);
  let assemblyFormat = "$symbol `,` $value (`bound` $bound^)? `:` type($value) attr-dict";
  let builders = [OpBuilder<(ins "::mlir::SymbolRefAttr":$symbol, "::mlir::Value":$value), [{
    build($_builder, $_state, symbol, value, ::mlir::IntegerAttr());
  }]>];
}

def Route_UnaryOp : Route_ElementwiseOp<"unary"> {
  let summary = "elementwise function of one value";
  let description = [{
    Float functions are those of numerics.h, bit for bit. `logical_not` is
    Kleene's on ranges; monotone functions map intervals end by end, `abs` and
    `sign` by cases.

    Example: `%s = route.unary <sigmoid> %l : !route.array<f32 [@token, @experts]>`
  }];
  let arguments = (ins Route_UnaryKindAttr:$kind, Route_AnyArray:$operand);
  let results = (outs Route_AnyArray:$result);
  let assemblyFormat = "$kind $operand `:` type($operand) attr-dict";
  let hasVerifier = 1;
}

def Route_BinaryOp : Route_ElementwiseOp<"binary"> {
  let summary = "elementwise function of two values";
  let description = [{
    Both operands have one element type (or one is the range of the other's). The
    result's axes are the left operand's followed by those only the right one
    has. Integers wrap; `div` of integers is an error in the front end, which
    casts first. Ranges: interval arithmetic, Kleene logic.

    Constraints: (C1) equal element types up to range; (C2) logical kinds take
    truth values, bit kinds integers, the rest numbers.

    Example: `%k = route.binary <add> %s, %b : !route.array<f32 [@token, @experts]>, !route.array<f32 [@experts]>`
  }];
  let arguments = (ins Route_BinaryKindAttr:$kind, Route_AnyArray:$lhs, Route_AnyArray:$rhs);
  let results = (outs Route_AnyArray:$result);
  let assemblyFormat = "$kind $lhs `,` $rhs `:` type($lhs) `,` type($rhs) attr-dict";
  let hasVerifier = 1;
}

def Route_CompareOp : Route_ElementwiseOp<"compare"> {
  let summary = "elementwise comparison";
  let description = [{
    Yields `i1`, or `range<i1>` where an operand is a range: true or false where
    all values of the intervals agree, unknown otherwise. NaN compares as IEEE
    says. -0 equals +0. Text, enums, refs and handles compare by eq and ne.

    Constraint: equal element types up to range.

    Example: `%l = route.compare <ge> %b, %k : !route.array<i64 [@request]>, !route.array<i64>`
  }];
  let arguments = (ins Route_CompareKindAttr:$kind, Route_AnyArray:$lhs, Route_AnyArray:$rhs);
  let results = (outs Route_AnyArray:$result);
  let assemblyFormat = "$kind $lhs `,` $rhs `:` type($lhs) `,` type($rhs) attr-dict";
  let hasVerifier = 1;
}

def Route_SelectOp : Route_ElementwiseOp<"select"> {
  let summary = "elementwise choice between two values";
  let description = [{
    The result's axes are those of the condition, then new ones of the true
    value, then new ones of the false value. An unknown condition yields the hull
    of both values; then the result is a range.

    Constraint: equal element types up to range.

    Example: `%b = route.select %t, %n, %m : !route.array<i1 [@token]>, !route.array<f32 [@token]>, !route.array<f32>`
  }];
  let arguments = (ins Route_TruthArray:$condition, Route_AnyArray:$ifTrue, Route_AnyArray:$ifFalse);
  let results = (outs Route_AnyArray:$result);
  let assemblyFormat = [{
    $condition `,` $ifTrue `,` $ifFalse `:` type($condition) `,` type($ifTrue) `,` type($ifFalse) attr-dict
  }];
  let hasVerifier = 1;
}

def Route_CastOp : Route_Op<"cast", [Pure]> {
  let summary = "changes the element type";
  let description = [{
    Float to narrower float rounds to nearest even: a written type is the only
    rounding point. Float to integer truncates and saturates, NaN gives 0. i1 to
    number gives 0 or 1. T to range<T> is exact. Enum, ref and handle cast to and
    from i64.

    Constraints: (C1) equal axes; (C2) convertible element types.

    Example: `%narrow = route.cast %n : !route.array<f32 [@token]> to !route.array<bf16 [@token]>`
  }];
  let arguments = (ins Route_AnyArray:$operand);
  let results = (outs Route_AnyArray:$result);
  let assemblyFormat = "$operand `:` type($operand) `to` type($result) attr-dict";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Route_KnownOp : Route_Op<"known", [Pure]> {
  let summary = "whether a value is known";
  let description = [{
    True where the range is one point.

    Constraints: (C1) the result has the operand's axes and element type i1; (C2)
    the operand's element type is a range.

    Example: `%k = route.known %r : !route.array<!route.range<f32> [@token]> -> !route.array<i1 [@token]>`
  }];
  let arguments = (ins Route_AnyArray:$operand);
  let results = (outs Route_AnyArray:$result);
  let assemblyFormat = "$operand `:` type($operand) `->` type($result) attr-dict";
  let hasVerifier = 1;
}

def Route_BoundOp : Route_Op<"bound", [Pure]> {
  let summary = "an end of the interval of a range";
  let description = [{
    The upper end with `true`, else the lower one. Where nothing is known: the
    infinities, the limits of an integer type, false and true; empty text and no
    row for what has no order.

    Constraints: (C1) equal axes; (C2) the operand's element type is the range of
    the result's.

    Example: `%hi = route.bound true %r : !route.array<!route.range<f32> [@token]> -> !route.array<f32 [@token]>`
  }];
  let arguments = (ins BoolAttr:$upper, Route_AnyArray:$operand);
  let results = (outs Route_AnyArray:$result);
  let assemblyFormat = "$upper $operand `:` type($operand) `->` type($result) attr-dict";
  let hasVerifier = 1;
}

def Route_CoalesceOp : Route_Op<"coalesce", [Pure]> {
  let summary = "the first value where it is known, the second elsewhere";
  let description = [{
    `a ?? b` of the language. The result is a range exactly when the second
    operand is one. Axes as for `route.binary`.

    Constraints: (C1) equal element types up to range; (C2) the first operand is a
    range.

    Example: `%co = route.coalesce %r, %m : !route.array<!route.range<f32> [@token]>, !route.array<f32> -> !route.array<f32 [@token]>`
  }];
  let arguments = (ins Route_AnyArray:$lhs, Route_AnyArray:$rhs);
  let results = (outs Route_AnyArray:$result);
  let assemblyFormat = "$lhs `,` $rhs `:` type($lhs) `,` type($rhs) `->` type($result) attr-dict";
  let hasVerifier = 1;
}

def Route_BroadcastOp : Route_Op<"broadcast", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "gives a value more axes, down to descendants";
  let description = [{
    Each operand axis is a result axis or an ancestor of exactly one result axis;
    the element is that of the position's ancestor. `plan` gives the rows when
    the result has a plan axis that the operand lacks.

    Constraints: (C1) equal element types; (C2) as above; (C3) the plan operand is
    there exactly when the result gains a plan axis, and is of that axis.

    Example:
    ```mlir
    %sp = route.broadcast %s along %p : !route.array<f32 [@token, @experts]>, !route.plan<@p> to !route.array<f32 [@p]>
    ```
  }];
  let arguments = (ins Route_AnyArray:$operand, Optional<Route_PlanType>:$plan);
  let results = (outs Route_AnyArray:$result);
  let assemblyFormat = [{
    $operand (`along` $plan^)? `:` type($operand) (`,` type($plan)^)? `to` type($result) attr-dict
  }];
  let hasVerifier = 1;
}

def Route_ReduceOp : Route_Op<"reduce", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "combines elements along axes, or up to ancestors";
  let description = [{
    Each result axis is an operand axis or an ancestor of exactly one operand
    axis; elements that agree on the result's positions are combined. Floating
    sums follow numerics.h: over whole axes the fixed tree, along the rows of a
    plan in rank order. No elements: sum 0, product 1, any false, all true, count
    0, max -inf, min +inf, mean NaN, argmax -1. `plan` is there when a plan axis
    of the operand is left; the ancestor's extent comes from it.

    mean of integers and truths is f32; count gives i64; argmax and argmin give
    the ref of the one axis reduced.

    Example:
    ```mlir
    %z = route.reduce <sum> %wp along %p : !route.array<f32 [@p]>, !route.plan<@p> to !route.array<f32 [@token]>
    %mean = route.reduce <mean> %e : !route.array<f32 [@experts]> to !route.array<f32>
    ```
  }];
  let arguments = (ins Route_ReduceKindAttr:$kind, Route_AnyArray:$operand, Optional<Route_PlanType>:$plan);
  let results = (outs Route_AnyArray:$result);
  let assemblyFormat = [{
    $kind $operand (`along` $plan^)? `:` type($operand) (`,` type($plan)^)? `to` type($result) attr-dict
  }];
  let hasVerifier = 1;
}

def Route_ContractOp : Route_ElementwiseOp<"contract"> {
  let summary = "sum of products along shared axes";
  let description = [{
    `x @ w` of the language. Both operands have the axes `over`, which the result
    lacks; its axes are the left's others, then the right's. Products and sums
    are f32, exact products for 16-bit operands; the order of the sum is free
    unless `exact`, which fixes it to that of `route.reduce <sum>`.

    Example: `%l = route.contract %x, %w over [@hidden] : !route.array<bf16 [@token, @hidden]>, !route.array<f32 [@experts, @hidden]>`
  }];
  let arguments = (ins Route_AnyArray:$lhs, Route_AnyArray:$rhs,
    TypedArrayAttrBase<FlatSymbolRefAttr, "axes">:$over, UnitAttr:$exact);
  let results = (outs Route_AnyArray:$result);
  let assemblyFormat = [{
    $lhs `,` $rhs `over` $over (`exact` $exact^)? `:` type($lhs) `,` type($rhs) attr-dict
  }];
  let hasVerifier = 1;
}

def Route_RenameOp : Route_Op<"rename", [Pure]> {
  let summary = "reads one axis as its copy, or back";
  let description = [{
    `s[token as token']` of the language.

    Example: `%copy = route.rename %s [@token] to [@"token'"] : !route.array<f32 [@token]> to !route.array<f32 [@"token'"]>`
  }];
  let arguments = (ins Route_AnyArray:$operand,
    TypedArrayAttrBase<FlatSymbolRefAttr, "axes">:$source,
    TypedArrayAttrBase<FlatSymbolRefAttr, "axes">:$target);
  let results = (outs Route_AnyArray:$result);
  let assemblyFormat = "$operand $source `to` $target `:` type($operand) `to` type($result) attr-dict";
  let hasVerifier = 1;
}

def Route_PickOp : Route_ElementwiseOp<"pick"> {
  let summary = "the element at a position along an axis";
  let description = [{
    `position` is an array of refs or integers; the result's axes are the
    operand's without `along`, with the position's axes that are new in front. A
    position outside the axis gives unknown where the element is a range, and
    zero (empty text, no row) otherwise.

    Example: `%g = route.pick %h along @half at %c : !route.array<bf16 [@token, @inner, @half]>, !route.array<i64>`
  }];
  let arguments = (ins Route_AnyArray:$operand, FlatSymbolRefAttr:$along, Route_AnyArray:$position);
  let results = (outs Route_AnyArray:$result);
  let assemblyFormat = "$operand `along` $along `at` $position `:` type($operand) `,` type($position) attr-dict";
  let hasVerifier = 1;
}

def Route_StackOp : Route_Op<"stack", [Pure]> {
  let summary = "lays values out along an axis, one a position";
  let description = [{
    The result's axes are the operands' (all equal) with `along` last.

    Constraint: there are operands, all of one type.

    Example: `%st = route.stack %n, %n2 along @half : !route.array<f32 [@token]>, !route.array<f32 [@token]> -> !route.array<f32 [@token, @half]>`
  }];
  let arguments = (ins Variadic<Route_AnyArray>:$operands, FlatSymbolRefAttr:$along);
  let results = (outs Route_AnyArray:$result);
  let assemblyFormat = "$operands `along` $along `:` type($operands) `->` type($result) attr-dict";
  let hasVerifier = 1;
}

def Route_IotaOp : Route_Op<"iota", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "the position along an axis";
  let description = [{
    i64, or a ref of the axis. `plan` is there when the axis is a plan.

    Constraint: the result has exactly one axis.

    Example: `%i = route.iota -> !route.array<i64 [@experts]>`
  }];
  let arguments = (ins Optional<Route_PlanType>:$plan);
  let results = (outs Route_AnyArray:$result);
  let assemblyFormat = "(`along` $plan^ `:` type($plan))? `->` type($result) attr-dict";
  let hasVerifier = 1;
}

def Route_SizeOp : Route_Op<"size", [MemoryEffects<[MemRead]>, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "the number of positions of an axis, as a scalar i64";
  let description = [{
    Of a nested axis the positions under all parents together. The call decides
    it where the spec does not.

    Example: `%sz = route.size @token : !route.array<i64>`
  }];
  let arguments = (ins FlatSymbolRefAttr:$axis);
  let results = (outs Route_AnyArray:$result);
  let assemblyFormat = "$axis `:` type($result) attr-dict";
}

def Route_TextFnOp : Route_Op<"text_fn", [Pure]> {
  let summary = "a text function applied element by element";
  let description = [{
    `name` and the `arguments` dictionary are those of docs/text.md; operands are
    arrays (the first of text) broadcast by name. Functions with a vector result
    (ngrams) add the axis of that vector last.

    Example:
    ```mlir
    %m = route.text_fn "regex"(%t) {pattern = "def"} : (!route.array<!route.text [@request]>) -> !route.array<i1 [@request]>
    ```
  }];
  let arguments = (ins StrAttr:$name, Variadic<Route_AnyArray>:$operands,
    OptionalAttr<DictionaryAttr>:$arguments);
  let results = (outs Route_AnyArray:$result);
  let assemblyFormat = [{
    $name `(` $operands `)` ($arguments^)? attr-dict `:` functional-type($operands, results)
  }];
}

def Route_DrawOp : Route_Op<"draw", [Pure]> {
  let summary = "a random draw that replays";
  let description = [{
    Philox4x32-10 keyed by (seed of the context, `site`, key operands, position
    along the result's axes), so that it depends on neither order nor device.
    uniform is in [0, 1), gumbel and normal are made from it as numerics.h says.

    Constraints: (C1) the result is f32, of bits i64; (C2) it has the axes of its keys; (C3)
    `site` is at least 0.

    Example: `%d = route.draw <uniform> 1 keys(%sz : !route.array<i64>) -> !route.array<f32 [@token]>`
  }];
  let arguments = (ins Route_DrawKindAttr:$kind, I64Attr:$site, Variadic<Route_AnyArray>:$keys);
  let results = (outs Route_AnyArray:$result);
  let assemblyFormat = "$kind $site (`keys` `(` $keys^ `:` type($keys) `)`)? `->` type($result) attr-dict";
  let hasVerifier = 1;
}

def Route_NowOp : Route_Op<"now", [MemoryEffects<[MemRead]>]> {
  let summary = "the call's time, as a scalar f64 of seconds";
  let description = [{
    Seconds since 1970. The host gives the time with the call, so that a decision
    replays; two reads in one call agree.

    Example: `%now = route.now : !route.array<f64>`
  }];
  let results = (outs Route_AnyArray:$result);
  let assemblyFormat = "`:` type($result) attr-dict";
}

#endif
