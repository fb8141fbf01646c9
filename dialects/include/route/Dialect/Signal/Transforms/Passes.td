// Passes on the signal dialect.
#ifndef ROUTE_DIALECT_SIGNAL_TRANSFORMS_PASSES_TD
#define ROUTE_DIALECT_SIGNAL_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

def RouteFuseText : Pass<"route-fuse-text"> {
  let summary = "gathers all predicates on one text into one scan";
  let description = [{
    In each block, every `signal.match` and `signal.scan` on the same text value
    becomes part of one `signal.scan` at the place of the first. Equal predicates
    share a result. A text asked once keeps its `signal.match`.
  }];
  let dependentDialects = ["::route::signal::SignalDialect"];
  let statistics = [
    Statistic<"fused", "fused", "predicates that share a scan with others">,
    Statistic<"scans", "scans", "scans made">
  ];
}

def SignalIsolateText : Pass<"signal-isolate-text"> {
  let summary = "asks texts outside of operations that do other work";
  let description = [{
    A `linalg.generic` whose body asks texts and does other work besides becomes
    two: one that asks, over the loops that the texts go through, and one that
    takes the answers in place of the texts. What only the host can do then stands
    by itself.

    ```mlir
    %r = linalg.generic ... ins(%texts, %x : tensor<?x!signal.text>, tensor<?x8xf32>) ... {
    ^bb0(%t: !signal.text, %e: f32, %out: f32):
      %same = signal.equal %t, %de
      %twice = arith.addf %e, %e : f32
      %v = arith.select %same, %twice, %e : f32
      linalg.yield %v : f32
    }
    ```
    takes `%same` from a tensor<?xi1> that another operation makes of `%texts`.
  }];
  let dependentDialects = ["::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"];
  let statistics = [Statistic<"numIsolated", "isolated", "Operations taken apart">];
}

#endif // ROUTE_DIALECT_SIGNAL_TRANSFORMS_PASSES_TD
