// Choice with a region: until a predicate holds, and greedy keys that see what is picked.
// RUN: route-interp %s | FileCheck %s

module attributes {interp.axes = {none = 0 : i64}, interp.script = ["run top_p", "run at_least_one", "run never", "run masked",
    "run no_items", "run greedy", "run greedy_until", "run outer"]} {
  route.axis @token <index> size(2) {}
  route.axis @none <index> {}
  route.axis @experts <pool> size(4) {}
  route.axis @d <index> size(2) {}
  route.axis @p <plan> in [@token, @experts] {}
  route.axis @q <plan> in [@none, @experts] {}

  // Mass 0.4 + 0.3 + 0.2 + 0.1: until 0.75 keeps the crossing row; token 1 crosses with its first.
  // CHECK: top_p: plan @p {(0) -> 3, (0) -> 1, (0) -> 0, (1) -> 2}
  route.func @top_p <route> () -> !route.plan<@p> {
    %e = route.constant dense<[[0.2, 0.3, 0.1, 0.4], [0.0, 0.1, 0.9, 0.0]]> : tensor<2x4xf32> as !route.array<f32 [@token, @experts]>
    %t = route.constant 0.75 : f32 as !route.array<f32>
    %p = route.choose <until> of @experts per [@token] by (%e : !route.array<f32 [@token, @experts]>) up [false] -> !route.plan<@p> as @p {
    ^bb0(%so: !route.plan<@p>):
      %ep = route.broadcast %e along %so : !route.array<f32 [@token, @experts]>, !route.plan<@p> to !route.array<f32 [@p]>
      %s = route.reduce <sum> %ep along %so : !route.array<f32 [@p]>, !route.plan<@p> to !route.array<f32 [@token]>
      %c = route.compare <ge> %s, %t : !route.array<f32 [@token]>, !route.array<f32>
      route.yield %c : !route.array<i1 [@token]>
    }
    route.return %p : !route.plan<@p>
  }
  // True from the start still keeps one row; the predicate is a scalar.
  // CHECK: at_least_one: plan @p {(0) -> 3, (1) -> 2}
  route.func @at_least_one <route> () -> !route.plan<@p> {
    %e = route.constant dense<[[0.2, 0.3, 0.1, 0.4], [0.0, 0.1, 0.9, 0.0]]> : tensor<2x4xf32> as !route.array<f32 [@token, @experts]>
    %true = route.constant true as !route.array<i1>
    %p = route.choose <until> of @experts per [@token] by (%e : !route.array<f32 [@token, @experts]>) up [false] -> !route.plan<@p> as @p {
    ^bb0(%so: !route.plan<@p>):
      route.yield %true : !route.array<i1>
    }
    route.return %p : !route.plan<@p>
  }
  // Unknown does not stop; all candidates are kept.
  // CHECK: never: plan @p {(0) -> 3, (0) -> 1, (0) -> 0, (0) -> 2, (1) -> 2, (1) -> 1, (1) -> 0, (1) -> 3}
  route.func @never <route> () -> !route.plan<@p> {
    %e = route.constant dense<[[0.2, 0.3, 0.1, 0.4], [0.0, 0.1, 0.9, 0.0]]> : tensor<2x4xf32> as !route.array<f32 [@token, @experts]>
    %u = route.unknown : !route.array<!route.range<i1>>
    %p = route.choose <until> of @experts per [@token] by (%e : !route.array<f32 [@token, @experts]>) up [false] -> !route.plan<@p> as @p {
    ^bb0(%so: !route.plan<@p>):
      route.yield %u : !route.array<!route.range<i1>>
    }
    route.return %p : !route.plan<@p>
  }
  // No candidates, no rows.
  // CHECK: masked: plan @p {(1) -> 2}
  route.func @masked <route> () -> !route.plan<@p> {
    %e = route.constant dense<[[0.2, 0.3, 0.1, 0.4], [0.0, 0.1, 0.9, 0.0]]> : tensor<2x4xf32> as !route.array<f32 [@token, @experts]>
    %m = route.constant dense<[false, true]> : tensor<2xi1> as !route.array<i1 [@token]>
    %true = route.constant true as !route.array<i1>
    %p = route.choose <until> of @experts per [@token] where (%m : !route.array<i1 [@token]>) by (%e : !route.array<f32 [@token, @experts]>) up [false] -> !route.plan<@p> as @p {
    ^bb0(%so: !route.plan<@p>):
      route.yield %true : !route.array<i1>
    }
    route.return %p : !route.plan<@p>
  }
  // CHECK: no_items: plan @q {}
  route.func @no_items <route> () -> !route.plan<@q> {
    %e = route.constant 0.0 : f32 as !route.array<f32 [@experts]>
    %true = route.constant true as !route.array<i1>
    %p = route.choose <until> of @experts per [@none] by (%e : !route.array<f32 [@experts]>) up [false] -> !route.plan<@q> as @q {
    ^bb0(%so: !route.plan<@q>):
      route.yield %true : !route.array<i1>
    }
    route.return %p : !route.plan<@q>
  }
  // Maximal marginal relevance: the score less the overlap with what is picked. Expert 1 doubles expert 0, so 2 comes
  // second; token 1 has other scores.
  // CHECK: greedy: plan @p {(0) -> 0, (0) -> 2, (0) -> 1, (1) -> 3, (1) -> 0, (1) -> 1}
  route.func @greedy <route> () -> !route.plan<@p> {
    %s = route.constant dense<[[1.0, 0.9, 0.5, 0.0], [0.3, 0.2, 0.1, 1.0]]> : tensor<2x4xf32> as !route.array<f32 [@token, @experts]>
    %v = route.constant dense<[[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]> : tensor<4x2xf32> as !route.array<f32 [@experts, @d]>
    %three = route.constant 3 : i64 as !route.array<i64>
    %p = route.choose <count> count(%three : !route.array<i64>) of @experts per [@token] up [false] greedy -> !route.plan<@p> as @p {
    ^bb0(%so: !route.plan<@p>):
      %vp = route.broadcast %v along %so : !route.array<f32 [@experts, @d]>, !route.plan<@p> to !route.array<f32 [@p, @d]>
      %sum = route.reduce <sum> %vp along %so : !route.array<f32 [@p, @d]>, !route.plan<@p> to !route.array<f32 [@token, @d]>
      %o = route.contract %sum, %v over [@d] : !route.array<f32 [@token, @d]>, !route.array<f32 [@experts, @d]>
      %k = route.binary <sub> %s, %o : !route.array<f32 [@token, @experts]>, !route.array<f32 [@token, @experts]>
      route.yield %k : !route.array<f32 [@token, @experts]>
    }
    route.return %p : !route.plan<@p>
  }
  // Both at once: the predicate first, then the key. Two rows a token.
  // CHECK: greedy_until: plan @p {(0) -> 0, (0) -> 3, (1) -> 0, (1) -> 3}
  route.func @greedy_until <route> () -> !route.plan<@p> {
    %i = route.iota -> !route.array<i64 [@experts]>
    %one = route.constant 1 : i64 as !route.array<i64>
    %two = route.constant 2 : i64 as !route.array<i64>
    %half = route.constant dense<[-1, 1, 2, 3]> : tensor<4xi64> as !route.array<i64 [@experts]>
    %p = route.choose <until> of @experts per [@token] up [false] greedy -> !route.plan<@p> as @p {
    ^bb0(%so: !route.plan<@p>):
      %r = route.rank %so : !route.plan<@p> -> !route.array<i64 [@p]>
      %n = route.reduce <count> %r along %so : !route.array<i64 [@p]>, !route.plan<@p> to !route.array<i64 [@token]>
      %stop = route.compare <ge> %n, %two : !route.array<i64 [@token]>, !route.array<i64>
      // Expert 0 first, then the highest.
      %zero = route.constant 0 : i64 as !route.array<i64>
      %none = route.compare <eq> %n, %zero : !route.array<i64 [@token]>, !route.array<i64>
      %neg = route.unary <neg> %i : !route.array<i64 [@experts]>
      %k = route.select %none, %neg, %half : !route.array<i1 [@token]>, !route.array<i64 [@experts]>, !route.array<i64 [@experts]>
      route.yield %stop, %k : !route.array<i1 [@token]>, !route.array<i64 [@token, @experts]>
    }
    route.return %p : !route.plan<@p>
  }
  // The plan's rows after a region are those of the whole choice.
  // CHECK: outer: i64 [@p = 4]: [0, 1, 2, 0]
  route.func @outer <route> () -> !route.array<i64 [@p]> {
    %p = route.call @top_p() : () -> !route.plan<@p>
    %r = route.rank %p : !route.plan<@p> -> !route.array<i64 [@p]>
    route.return %r : !route.array<i64 [@p]>
  }
}
