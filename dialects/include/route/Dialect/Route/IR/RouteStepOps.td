// Ops of request policies: budgets as constraints that the runtime's ledger holds.
#ifndef ROUTE_DIALECT_ROUTE_IR_ROUTESTEPOPS_TD
#define ROUTE_DIALECT_ROUTE_IR_ROUTESTEPOPS_TD

include "route/Dialect/Route/IR/RouteOpBase.td"

def Route_BudgetOp : Route_Op<"budget", [Symbol, IsolatedFromAbove, HasParent<"::mlir::ModuleOp">,
    DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "a limit on what choices from a pool may spend";
  let description = [{
    A choice `under` the budget takes a row of `pool` for an item only where
    spent + reserved + the row's `reserve` stays within `limit`, for the item's
    and row's `per` keys, in the present window. What an answer really used
    replaces the reservation by `charge`; without it the reservation is the
    charge.

    * `reserve` yields one f64 array over item axes and the pool (or ancestors);
    * `limit` yields one f64 array over the same axes, an absent axis meaning any;
    * `per` yields one array a key; no keys mean one ledger cell for all;
    * `charge` takes the row (a scalar ref of the pool), a scalar ref of each item
      axis, and the scalar fields of the answer that `usage` names; it yields a
      scalar f64.

    `window` is call, batch, run, held (until the call ends), fixed or sliding
    (with `length_ns`, `slots` parts), day or month (with `zone`). Reservations
    that nobody settles lapse after `lease_ns`. `warn` is the share of the limit
    at which an alarm is raised. Amounts are in `unit`; money in picodollars.

    Constraints: (C1) window is one of the above; (C2) length exactly for fixed
    and sliding, zone exactly for day and month; (C3) each region yields as said.

    Example:
    ```mlir
    route.budget @daily of @models window "day" zone "UTC" unit "p$" reserve {
      %w = route.constant 4.0e9 : f64 as !route.array<f64>
      route.yield %w : !route.array<f64>
    } limit {
      %l = route.constant 2.0e12 : f64 as !route.array<f64>
      route.yield %l : !route.array<f64>
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, FlatSymbolRefAttr:$pool, StrAttr:$window,
    OptionalAttr<StrAttr>:$zone, OptionalAttr<I64Attr>:$length_ns, OptionalAttr<I64Attr>:$slots,
    OptionalAttr<I64Attr>:$lease_ns, OptionalAttr<F64Attr>:$warn, OptionalAttr<StrAttr>:$unit,
    OptionalAttr<StrArrayAttr>:$usage);
  let regions = (region SizedRegion<1>:$reserve, SizedRegion<1>:$limit, MaxSizedRegion<1>:$per,
    MaxSizedRegion<1>:$charge);
  let assemblyFormat = [{
    $sym_name `of` $pool `window` $window (`zone` $zone^)? (`length` $length_ns^)? (`slots` $slots^)?
    (`lease` $lease_ns^)? (`warn` $warn^)? (`unit` $unit^)? (`usage` $usage^)? attr-dict-with-keyword
    `reserve` $reserve `limit` $limit (`per` $per^)? (`charge` $charge^)?
  }];
  let hasVerifier = 1;
}

def Route_TestOp : Route_Op<"test", [HasParent<"::mlir::ModuleOp">,
    DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "an inline test of the spec";
  let description = [{
    Runs `function` on a batch of one item. `inputs` gives columns
    (`axis.column`) and signals by name: a value for every position, or an array
    with one each; a unit attribute makes one unknown. The name of an open axis
    gives how many positions each of its parent has.
    One attribute says what is expected: the label of the `row` that a router must
    choose first, the position of the `rule` that must fire, the code of a refusal
    (`reject`), no row (`none`), `truths` where all results must be true, or the
    `values` that a step route must return. For a step route `host` lists what the
    host answers, as dictionaries: the `call`, the label of its `row`, and the fields
    to `return` or the code to `fail` with. `setup` is a handler that runs first and
    writes the state that the test gives; it takes the refs of the item.

    Example:
    ```mlir
    route.test "short fix" of @texts {request.prompt = "fix my def foo()"} expect row "coder"
    ```
  }];
  let arguments = (ins StrAttr:$name, FlatSymbolRefAttr:$function,
    DictionaryAttr:$inputs, OptionalAttr<FlatSymbolRefAttr>:$setup, OptionalAttr<StrAttr>:$row,
    OptionalAttr<I64Attr>:$rule, OptionalAttr<I64Attr>:$reject, UnitAttr:$none, UnitAttr:$truths,
    OptionalAttr<DictionaryAttr>:$values, OptionalAttr<ArrayAttr>:$host);
  let assemblyFormat = [{
    $name `of` $function $inputs (`after` $setup^)? `expect`
    oilist(`row` $row | `rule` $rule | `reject` $reject | `none` $none | `truths` $truths | `values` $values)
    (`host` $host^)? attr-dict
  }];
  let hasVerifier = 1;
}

#endif
