// Choice ops of the route dialect: the one form of choice, and plans as values.
#ifndef ROUTE_DIALECT_ROUTE_IR_ROUTECHOICEOPS_TD
#define ROUTE_DIALECT_ROUTE_IR_ROUTECHOICEOPS_TD

include "route/Dialect/Route/IR/RouteOpBase.td"

def Route_ChooseOp : Route_Op<"choose", [Pure, AttrSizedOperandSegments,
    DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "makes a plan: for each item, the best candidates in order";
  let description = [{
    For each combination of positions of the `per` axes, candidates are the
    positions of axis `candidates` that descend from them (all, when unrelated),
    less those that `mask` does not surely allow. They are ordered by `keys`,
    first key first, each high first unless its `up` flag is set; unknown and NaN
    rank last; equal keys go to the lower position. `kind` says how many are kept:

    * count: the first `count` (a scalar or an array over per axes; negative is 0);
    * all: all of them;
    * until: the first ones up to and including the row after which the region,
      run on the rows kept so far, yields true; at least one where there is any;
    * listed: the positions that `table`, an array of refs or i64 over the per
      axes and one more axis, names in its order, repeats kept, out of range
      skipped; keys are absent; mask applies;
    * path: candidates are rows with two refs; `table` holds the two ends' columns
      and `ends` the start and goal; keys add up along the path; the rows of a
      cheapest path in order, none if there is none.

    With `greedy` the keys come from the region, evaluated after every pick with
    the rows picked so far, for the next one; under `until` behind its truth.

    The plan's axis `axis` descends from the per axes and the candidates. `under`
    names budgets, each once: a candidate that does not fit is skipped; admission
    is in item order, then rank order.

    The region's one argument is the prefix plan. Its axes are those of `axis`.

    Constraints: (C1) `axis` is a plan axis whose parents are per + [candidates];
    (C2) keys' and mask's axes are per axes, the candidates axis, or ancestors of
    them; (C3) as many `up` flags as keys; (C4) count has the count operand, until
    the region, listed the table; (C5) the region yields the truth of until, then
    as many greedy keys as `up` flags.

    Example:
    ```mlir
    %best = route.choose <count> count(%c2 : !route.array<i64>) of @experts per [@token, @group]
      by (%key : !route.array<f32 [@token, @experts]>) up [false] -> !route.plan<@best> as @best
    ```
  }];
  let arguments = (ins Route_ChoiceKindAttr:$kind, FlatSymbolRefAttr:$axis,
    FlatSymbolRefAttr:$candidates, TypedArrayAttrBase<FlatSymbolRefAttr, "axes">:$per,
    Optional<Route_AnyArray>:$count, Optional<Route_TruthArray>:$mask,
    Variadic<Route_AnyArray>:$keys, Variadic<Route_AnyArray>:$table,
    Variadic<Route_AnyArray>:$ends, Optional<Route_PlanType>:$source,
    DenseBoolArrayAttr:$up, UnitAttr:$greedy,
    OptionalAttr<TypedArrayAttrBase<FlatSymbolRefAttr, "budgets">>:$under);
  let results = (outs Route_PlanType:$result);
  let regions = (region MaxSizedRegion<1>:$body);
  let assemblyFormat = [{
    $kind (`count` `(` $count^ `:` type($count) `)`)? `of` $candidates (`from` $source^ `:` type($source))? `per` $per
    (`where` `(` $mask^ `:` type($mask) `)`)?
    (`by` `(` $keys^ `:` type($keys) `)`)? `up` $up
    (`table` `(` $table^ `:` type($table) `)`)? (`ends` `(` $ends^ `:` type($ends) `)`)?
    (`under` $under^)? (`greedy` $greedy^)? `->` type($result) `as` $axis attr-dict-with-keyword ($body^)?
  }];
  let hasVerifier = 1;
}

def Route_RankOp : Route_Op<"rank", [Pure]> {
  let summary = "the rank of each row of a plan among its item's rows, from 0";
  let description = [{
    Constraint: the result has the plan's axis and element type i64.

    Example: `%rk = route.rank %p : !route.plan<@p> -> !route.array<i64 [@p]>`
  }];
  let arguments = (ins Route_PlanType:$plan);
  let results = (outs Route_AnyArray:$result);
  let assemblyFormat = "$plan `:` type($plan) `->` type($result) attr-dict";
  let hasVerifier = 1;
}

def Route_MemberOp : Route_Op<"member", [Pure]> {
  let summary = "whether a plan has a row at these positions";
  let description = [{
    `group in open`, `token in p` of the language: true where some row of the
    plan descends from the positions of the result's axes.

    Example: `%in = route.member %open : !route.plan<@open> -> !route.array<i1 [@token, @group]>`
  }];
  let arguments = (ins Route_PlanType:$plan);
  let results = (outs Route_TruthArray:$result);
  let assemblyFormat = "$plan `:` type($plan) `->` type($result) attr-dict";
}

def Route_ConcatOp : Route_Op<"concat", [Pure]> {
  let summary = "the rows of one plan, then those of another, item by item";
  let description = [{
    `a ++ b` of the language. Columns are concatenated alongside: `columns` holds
    those of the left plan, then as many of the right one.

    Example:
    ```mlir
    %pq, %cc = route.concat %p, %q columns(%wp, %wq) as @pq : (!route.plan<@p>, !route.plan<@q>, !route.array<f32 [@p]>, !route.array<f32 [@q]>) -> (!route.plan<@pq>, !route.array<f32 [@pq]>)
    ```
  }];
  let arguments = (ins Route_PlanType:$lhs, Route_PlanType:$rhs, Variadic<Route_AnyArray>:$columns,
    FlatSymbolRefAttr:$axis);
  let results = (outs Route_PlanType:$result, Variadic<Route_AnyArray>:$resultColumns);
  let assemblyFormat = [{
    $lhs `,` $rhs (`columns` `(` $columns^ `)`)? `as` $axis attr-dict `:` functional-type(operands, results)
  }];
}

def Route_FirstPlanOp : Route_Op<"first_plan", [Pure, AttrSizedOperandSegments]> {
  let summary = "for each item the first plan that may fire and is not empty";
  let description = [{
    Rules and `else` chains: item by item, the rows of plan i for the least i
    whose `when` i is surely true and which has a row for the item; no rows where
    there is none. `which` is that i, or -1. Columns as for `route.concat`: all of
    plan 0, then all of plan 1, and so on.

    Constraint: plans descend from the same per axes and candidates.

    Example:
    ```mlir
    %f, %which = route.first_plan whens(%t, %t) plans(%p, %q) as @pq : (!route.array<i1 [@token]>, !route.array<i1 [@token]>, !route.plan<@p>, !route.plan<@q>) -> (!route.plan<@pq>, !route.array<i64 [@token]>)
    ```
  }];
  let arguments = (ins Variadic<Route_TruthArray>:$whens, Variadic<Route_PlanType>:$plans,
    Variadic<Route_AnyArray>:$columns, FlatSymbolRefAttr:$axis);
  let results = (outs Route_PlanType:$result, Route_AnyArray:$which, Variadic<Route_AnyArray>:$resultColumns);
  let assemblyFormat = [{
    `whens` `(` $whens `)` `plans` `(` $plans `)` (`columns` `(` $columns^ `)`)? `as` $axis attr-dict
    `:` functional-type(operands, results)
  }];
}

#endif
