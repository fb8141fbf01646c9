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

#endif // ROUTE_DIALECT_SIGNAL_TRANSFORMS_PASSES_TD
