// Passes on the route dialect.
#ifndef ROUTE_DIALECT_ROUTE_TRANSFORMS_PASSES_TD
#define ROUTE_DIALECT_ROUTE_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

def RouteExpandRanges : Pass<"route-expand-ranges", "::mlir::ModuleOp"> {
  let summary = "turns values that may be unknown into the ends of their intervals";
  let description = [{
    A value of `range<T>` becomes two values of T, its least and its greatest;
    truths: surely and possibly true (Kleene's logic). Elements without an order
    (text, enums, refs) become the value and whether it is known. Elementwise ops
    become interval arithmetic as compiler/lib/Interpreter/Intervals.cpp defines
    it. Masks, rules' conditions and loops' ends keep what is surely true; keys
    that are unknown rank last.

    What remains are `route.bound` and `route.known` of `route.get` and of the
    function's arguments. A result that may be unknown leaves as two results,
    `x.lower` and `x.upper`, or `x` and `x.known`. What a budget computes is
    expanded as functions are.
  }];
}

def RouteExpandLists : Pass<"route-expand-lists", "::mlir::ModuleOp"> {
  let summary = "turns lists and sets that the caller gives into nested axes";
  let description = [{
    A column `tags: [text]` of the items becomes a column of an axis `tags` in
    theirs, and `x in tags` whether any of an item's is x. A parameter becomes one
    over an axis of its own name. Sets of state stay.
  }];
}

def RouteExpandLive : Pass<"route-expand-live", "::mlir::ModuleOp"> {
  let summary = "turns live columns that may be unknown into what was pushed and when";
  let description = [{
    Beside `p95` stands `p95.pushed`, the time at which each value was pushed, in
    seconds: NaN where it never was. Reading gives the value while it is no older
    than `stale`, then the column's fallback, or unknown.
  }];
}

def RouteInlineSignals : Pass<"route-inline-signals", "::mlir::ModuleOp"> {
  let summary = "puts the body of a computed signal where it is read";
  let description = [{
    Signals that the caller or the host gives stay reads. What two readers share
    is merged again by common subexpression elimination.
  }];
  let statistics = [Statistic<"numInlined", "inlined", "Reads replaced by a body">];
}

def RouteSinkPicks : Pass<"route-sink-picks", "::route::FuncOp"> {
  let summary = "picks positions of experts' weights instead of experts' values";
  let description = [{
    `h.gate` and `h.up` of one product whose columns are `(inner, half)` become
    two products, each with every second column of the weights, so that what
    joins them is the epilogue of one kernel. Picks at one position for all move
    from experts' values through elementwise ops, products and gathers to
    parameters.
  }];
  let statistics = [Statistic<"numSunk", "picks", "picks moved to operands">];
}

def RouteSinkBranches : Pass<"route-sink-branches", "::route::FuncOp"> {
  let summary = "computes what one side of a scalar condition needs on that side alone";
  let description = [{
    `if random(7, step) < 0.1 then transport(l) else s` selects between two
    arrays. Where the condition is one truth, the loops, products and choices that
    only one of them needs move, with all that leads to them, into a branch of a
    `route.if`. Results are the same; on nine steps of ten the loop does not run.
  }];
  let statistics = [Statistic<"numSunk", "branches", "Selects that became branches">];
}

def RouteFormRows : Pass<"route-form-rows", "::route::FuncOp"> {
  let summary = "groups what is computed item by item around choices";
  let description = [{
    Finds the choices that are made for each item of a dynamic axis and gathers
    each with the elementwise ops, reductions and gathers that feed it, and with
    the columns computed from its plan, into one `route.rows`. Contractions stay
    outside: a matrix product gains from seeing many items at once. So do the
    bodies of experts, which are grouped by expert instead.

    Two choices of one item axis share a group unless something that stays
    outside lies between them. What a choice among the items reads of each, if it
    is made of a reduction (a softmax over an item's experts, where experts choose
    items), is a group as well.
  }];
  let statistics = [Statistic<"numGroups", "groups", "Number of route.rows formed">];
}

#endif
