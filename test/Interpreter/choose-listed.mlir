// Choice of listed rows: the table's order, repeats kept, outsiders and the masked skipped.
// RUN: route-interp %s | FileCheck %s

module attributes {interp.script = ["run listed", "run refs", "run shared"]} {
  route.axis @token <index> size(2) {}
  route.axis @slot <index> size(4) {}
  route.axis @experts <pool> size(3) {}
  route.axis @p <plan> in [@token, @experts] {}

  // CHECK: listed: plan @p {(0) -> 2, (0) -> 0, (0) -> 2, (1) -> 1}
  // CHECK: listed: plan @p {(0) -> 2, (0) -> 2}
  route.func @listed <route> () -> (!route.plan<@p>, !route.plan<@p>) {
    %t = route.constant dense<[[2, 0, 2, 3], [-1, 1, 99, 9223372036854775807]]> : tensor<2x4xi64> as !route.array<i64 [@token, @slot]>
    %m = route.constant dense<[false, false, true]> : tensor<3xi1> as !route.array<i1 [@experts]>
    %p = route.choose <listed> of @experts per [@token] up [] table(%t : !route.array<i64 [@token, @slot]>) -> !route.plan<@p> as @p
    %q = route.choose <listed> of @experts per [@token] where (%m : !route.array<i1 [@experts]>) up [] table(%t : !route.array<i64 [@token, @slot]>) -> !route.plan<@p> as @p
    route.return %p, %q : !route.plan<@p>, !route.plan<@p>
  }
  // Repeats are rows of their own: rank tells them apart and sums count them.
  // CHECK: refs: i64 [@token = 2, @experts = 3]: {{\[}}[2, 2, 0], [2, 2, 0]]
  route.func @refs <route> () -> !route.array<i64 [@token, @experts]> {
    %t = route.constant dense<[0, 1, 1, 0]> : tensor<4xi64> as !route.array<i64 [@slot]>
    %r = route.cast %t : !route.array<i64 [@slot]> to !route.array<!route.ref<@experts> [@slot]>
    %p = route.choose <listed> of @experts per [@token] up [] table(%r : !route.array<!route.ref<@experts> [@slot]>) -> !route.plan<@p> as @p
    %k = route.rank %p : !route.plan<@p> -> !route.array<i64 [@p]>
    %n = route.reduce <count> %k along %p : !route.array<i64 [@p]>, !route.plan<@p> to !route.array<i64 [@token, @experts]>
    route.return %n : !route.array<i64 [@token, @experts]>
  }
  // Without an axis of its own the table names one row an item.
  // CHECK: shared: plan @p {(0) -> 1, (1) -> 0}
  route.func @shared <route> () -> !route.plan<@p> {
    %t = route.constant dense<[1, 0]> : tensor<2xi64> as !route.array<i64 [@token]>
    %p = route.choose <listed> of @experts per [@token] up [] table(%t : !route.array<i64 [@token]>) -> !route.plan<@p> as @p
    route.return %p : !route.plan<@p>
  }
}
