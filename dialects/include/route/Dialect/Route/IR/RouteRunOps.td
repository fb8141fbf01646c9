// Ops of step routes: asking the host, branches with bounded loops, and what a run tells and ends with.
#ifndef ROUTE_DIALECT_ROUTE_IR_ROUTERUNOPS_TD
#define ROUTE_DIALECT_ROUTE_IR_ROUTERUNOPS_TD

include "route/Dialect/Route/IR/RouteOpBase.td"

def Route_AskOp : Route_Op<"ask", [AttrSizedOperandSegments, HasParent<"FuncOp">,
    MemoryEffects<[MemRead, MemWrite]>, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "asks the host, and goes on when it has answered";
  let description = [{
    The one place where a step route waits. Asks for body `name` of the row of
    `pool`, or for the host's function `name` where there is no pool. `names` are
    the names of the arguments. `code` is 0 where there is an answer, and the
    code of the failure otherwise: 408 for none within `timeout_ns`, 404 where
    the row is none, 429 where a budget of `under` has no room for it, 499 where
    the host gave the call up. The values are the fields of the answer, named by
    `fields`, unknown where there is none.

    With `copies` as many calls are made at once and the op goes on when `axis`,
    whose size is fixed, is full of answers, in the order of the calls, or when
    no more can come; the calls that are left are cancelled. The positions that
    stayed empty are unknown, with the code of a call that failed.

    Of a pool of pools the body of the row's own part is asked. A row that stands
    for skipping asks nobody: it is answered at once, each value being the
    argument of its field's name, unknown where there is none.

    Budgets of `under` reserve when the call is made, charge when it is answered
    and release when it fails.

    Constraints: (C1) it stands in a block of a step route; (C2) a row exactly
    with a pool; (C3) as many fields as values, and as many names as arguments;
    (C4) values are ranges over the axis, or scalars without one; (C5) the axis
    exactly with copies, and no longer than these.

    Example:
    ```mlir
    %code, %text = route.ask "chat" of @models at %m : !route.array<!route.ref<@models>> (%r : !route.array<!route.ref<@request>>) ["request"] timeout 30000000000 gives ["text"]
    %codes, %correct = route.ask "verify" of @models at %m : !route.array<!route.ref<@models>> () [] copies 5 as @votes gives ["correct"]
    ```
  }];
  let arguments = (ins StrAttr:$name, OptionalAttr<FlatSymbolRefAttr>:$pool, Optional<Route_AnyArray>:$row,
    Variadic<AnyType>:$arguments, StrArrayAttr:$names, OptionalAttr<I64Attr>:$timeout_ns,
    OptionalAttr<I64Attr>:$copies, OptionalAttr<FlatSymbolRefAttr>:$axis, StrArrayAttr:$fields,
    OptionalAttr<TypedArrayAttrBase<FlatSymbolRefAttr, "budgets">>:$under);
  let results = (outs Route_AnyArray:$code, Variadic<Route_AnyArray>:$values);
  let assemblyFormat = [{
    $name (`of` $pool^)? (`at` $row^ `:` type($row))? `(` $arguments (`:` type($arguments)^)? `)` $names
    (`timeout` $timeout_ns^)? (`copies` $copies^)? (`as` $axis^)? (`under` $under^)? `gives` $fields
    `->` type($code) (`,` type($values)^)? attr-dict
  }];
  let hasVerifier = 1;
}

def Route_CondBranchOp : Route_Op<"cond_br", [Pure, Terminator, AttrSizedOperandSegments, HasParent<"FuncOp">,
    DeclareOpInterfaceMethods<BranchOpInterface>]> {
  let summary = "goes to one of two blocks of a step route";
  let description = [{
    The condition is a scalar truth; unknown counts as false.

    Example:
    ```mlir
    route.cond_br %ok : !route.array<i1>, ^good, ^bad
    ```
  }];
  let arguments = (ins Route_TruthArray:$condition, Variadic<AnyType>:$trueOperands,
    Variadic<AnyType>:$falseOperands);
  let successors = (successor AnySuccessor:$trueDest, AnySuccessor:$falseDest);
  let assemblyFormat = [{
    $condition `:` type($condition) `,` $trueDest (`(` $trueOperands^ `:` type($trueOperands) `)`)? `,`
    $falseDest (`(` $falseOperands^ `:` type($falseOperands) `)`)? attr-dict
  }];
  let hasVerifier = 1;
}

def Route_RepeatOp : Route_Op<"repeat", [Pure, Terminator, HasParent<"FuncOp">,
    DeclareOpInterfaceMethods<BranchOpInterface>]> {
  let summary = "the head of a bounded loop of a step route";
  let description = [{
    Stands alone in its block, whose first argument counts the rounds from 0.
    Goes to `body` where the count is below `bound`, else to `exit`. Only
    `route.next` comes back to the block, with the count of the next round, so
    that a loop ends after `bound` rounds at the latest: the bound is known when
    it begins.

    Constraints: (C1) it is the one op of its block, whose first argument is a
    scalar i64; (C2) the bound is a scalar i64 from outside the block; (C3)
    without the edges of `route.next` the blocks of the function form no cycle.

    Example:
    ```mlir
    route.repeat %two : !route.array<i64>, ^body, ^exit
    ```
  }];
  let arguments = (ins Route_AnyArray:$bound);
  let successors = (successor AnySuccessor:$body, AnySuccessor:$exit);
  let assemblyFormat = "$bound `:` type($bound) `,` $body `,` $exit attr-dict";
  let hasVerifier = 1;
}

def Route_NextOp : Route_Op<"next", [Pure, Terminator, HasParent<"FuncOp">,
    DeclareOpInterfaceMethods<BranchOpInterface>]> {
  let summary = "the next round of a bounded loop";
  let description = [{
    Goes back to `head`, the block of a `route.repeat`, with one more round
    counted; `operands` are the head's arguments after the count.

    Constraint: the head is around it: it dominates this block.

    Example:
    ```mlir
    route.next ^head(%code : !route.array<i64>)
    ```
  }];
  let arguments = (ins Variadic<AnyType>:$operands);
  let successors = (successor AnySuccessor:$head);
  let assemblyFormat = "$head (`(` $operands^ `:` type($operands) `)`)? attr-dict";
  let hasVerifier = 1;
}

def Route_RefuseOp : Route_Op<"refuse", [Terminator, HasParent<"FuncOp">, MemoryEffects<[MemWrite]>]> {
  let summary = "ends the run with a refusal";
  let description = [{
    `code` is a scalar i64; `reason` is a word for logs. Stands for `reject(503)`.

    Example:
    ```mlir
    route.refuse %last : !route.array<i64> because "exhausted"
    ```
  }];
  let arguments = (ins Route_AnyArray:$code, OptionalAttr<StrAttr>:$reason);
  let assemblyFormat = "$code `:` type($code) (`because` $reason^)? attr-dict";
}

def Route_NoteOp : Route_Op<"note", [MemoryEffects<[MemWrite]>]> {
  let summary = "writes a line of the run's trace";
  let description = [{
    `name` says what happened; the values go with it, in order.

    Example:
    ```mlir
    route.note "skipped", %m, %code : !route.array<!route.ref<@models>>, !route.array<i64>
    ```
  }];
  let arguments = (ins StrAttr:$name, Variadic<Route_AnyArray>:$values);
  let assemblyFormat = "$name (`,` $values^ `:` type($values))? attr-dict";
}

def Route_KeepOp : Route_Op<"keep", [MemoryEffects<[MemWrite]>]> {
  let summary = "stores an entry in the run's ticket, for late events";
  let description = [{
    All entries of a module hold values of the same types. The handlers of
    `feedback` take them as arguments with the role `kept`: argument i lies over
    the axis `kept`, whose positions are the entries, and the axes of value i.

    Example:
    ```mlir
    route.keep %code, %m : !route.array<i64>, !route.array<!route.ref<@models>>
    ```
  }];
  let arguments = (ins Variadic<Route_AnyArray>:$values);
  let assemblyFormat = "$values `:` type($values) attr-dict";
}

def Route_CommitOp : Route_Op<"commit", [ParentOneOf<["FuncOp", "ForOp", "IfOp"]>, NoRegionArguments, MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "carries out what a router does once its choice stands, within a run";
  let description = [{
    The handler `on commit` of a router that a step route runs: the run goes on
    with the choice, so that it is committed on the spot, in a loop round by
    round. All that the region sets becomes visible together when it has ended.

    Example:
    ```mlir
    route.commit {
    ```
  }];
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$body attr-dict";
}

def Route_RunSetOp : Route_Op<"run_set", [MemoryEffects<[MemRead]>, HasParent<"FuncOp">,
    DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "rows of a pool that this run has asked so far";
  let description = [{
    `which` is `chosen` for all of them, `failed` for those of which a call has
    failed. The result is a scalar set of refs of the pool. Where a row was asked
    as one of a pool of pools it is both: a row of that pool and, unless it stands
    for skipping, of its part.

    Example:
    ```mlir
    %failed = route.run_set "failed" of @models : !route.array<!route.set<!route.ref<@models>>>
    ```
  }];
  let arguments = (ins StrAttr:$which, FlatSymbolRefAttr:$pool);
  let results = (outs Route_AnyArray:$result);
  let assemblyFormat = "$which `of` $pool `:` type($result) attr-dict";
  let hasVerifier = 1;
}

#endif
