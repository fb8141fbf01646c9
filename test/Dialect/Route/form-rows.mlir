// Choices made for each token share one group with what feeds them; the gate's product and expert work stay outside.
// RUN: route-opt %s --route-form-rows | FileCheck %s

route.axis @token <index> {}
route.axis @hidden <index> size(64) {}
route.axis @inner <index> size(32) {}
route.axis @experts <pool> size(8) {}
route.axis @p <plan> in [@token, @experts] {}
route.param @gate.w : !route.array<f32 [@experts, @hidden]> from "gate.weight"
route.param @up : !route.array<f32 [@experts, @inner, @hidden]> from "up"

// CHECK-LABEL: route.func @layer
// CHECK: %[[W:.*]] = route.get @gate.w
// CHECK: %[[L:.*]] = route.contract
// CHECK: %[[P:.*]]:2 = route.rows per @token {
// CHECK:   route.unary <exp> %[[L]]
// CHECK:   %[[C:.*]] = route.choose
// CHECK:   %[[S:.*]] = route.broadcast {{.*}} along %[[C]] {{.*}} to <f32 [@p]>
// CHECK:   route.yield %[[C]], %[[S]]
// CHECK: }
// CHECK: %[[X:.*]] = route.broadcast {{.*}} along %[[P]]#0
// CHECK: %[[U:.*]] = route.broadcast {{.*}} along %[[P]]#0
// CHECK: route.contract %[[X]], %[[U]]
// CHECK: route.reduce <sum>
route.func @layer <route> (%x: !route.array<f32 [@token, @hidden]>) -> !route.array<f32 [@token, @inner]> {
  %w = route.get @gate.w : !route.array<f32 [@experts, @hidden]>
  %l = route.contract %x, %w over [@hidden] : !route.array<f32 [@token, @hidden]>, !route.array<f32 [@experts, @hidden]>
  %s = route.unary <exp> %l : !route.array<f32 [@token, @experts]>
  %k = route.constant 2 : i64 as !route.array<i64>
  %p = route.choose <count> count(%k : !route.array<i64>) of @experts per [@token] by (%s : !route.array<f32 [@token, @experts]>) up [false] -> !route.plan<@p> as @p
  %sp = route.broadcast %s along %p : !route.array<f32 [@token, @experts]>, !route.plan<@p> to !route.array<f32 [@p]>
  %xp = route.broadcast %x along %p : !route.array<f32 [@token, @hidden]>, !route.plan<@p> to !route.array<f32 [@p, @hidden]>
  %up = route.get @up : !route.array<f32 [@experts, @inner, @hidden]>
  %upp = route.broadcast %up along %p : !route.array<f32 [@experts, @inner, @hidden]>, !route.plan<@p> to !route.array<f32 [@p, @inner, @hidden]>
  %y = route.contract %xp, %upp over [@hidden] : !route.array<f32 [@p, @hidden]>, !route.array<f32 [@p, @inner, @hidden]>
  %wy = route.binary <mul> %sp, %y : !route.array<f32 [@p]>, !route.array<f32 [@p, @inner]>
  %z = route.reduce <sum> %wy along %p : !route.array<f32 [@p, @inner]>, !route.plan<@p> to !route.array<f32 [@token, @inner]>
  route.return %z : !route.array<f32 [@token, @inner]>
}

// A choice per expert of tokens is no row program: it needs every token.
// CHECK-LABEL: route.func @columns
// CHECK-NOT: route.rows
route.axis @q <plan> in [@experts, @token] {}
route.func @columns <router> (%s: !route.array<f32 [@token, @experts]>) -> !route.plan<@q> {
  %k = route.constant 2 : i64 as !route.array<i64>
  %q = route.choose <count> count(%k : !route.array<i64>) of @token per [@experts] by (%s : !route.array<f32 [@token, @experts]>) up [false] -> !route.plan<@q> as @q
  route.return %q : !route.plan<@q>
}

// But what it reads of a token may be one: a sum over its experts, and what is made with it. Work on elements alone is not.
// CHECK-LABEL: route.func @scores
// CHECK: %[[ROWS:.*]] = route.rows per @token {
// CHECK-NEXT: %[[E:.*]] = route.unary <exp>
// CHECK-NEXT: %[[SUM:.*]] = route.reduce <sum> %[[E]]
// CHECK-NEXT: %[[S:.*]] = route.binary <div> %[[E]], %[[SUM]]
// CHECK-NEXT: route.yield %[[S]]
// CHECK: %[[T:.*]] = route.unary <neg>
// CHECK: %[[P:.*]] = route.choose {{.*}} by(%[[ROWS]], %[[T]] :
// CHECK: route.broadcast %[[ROWS]] along %[[P]]
route.axis @r <plan> in [@experts, @token] {}
route.func @scores <router> (%x: !route.array<f32 [@token, @experts]>) -> (!route.plan<@r>, !route.array<f32 [@r]>) {
  %k = route.constant 2 : i64 as !route.array<i64>
  %e = route.unary <exp> %x : !route.array<f32 [@token, @experts]>
  %sum = route.reduce <sum> %e : !route.array<f32 [@token, @experts]> to !route.array<f32 [@token]>
  %s = route.binary <div> %e, %sum : !route.array<f32 [@token, @experts]>, !route.array<f32 [@token]>
  %t = route.unary <neg> %x : !route.array<f32 [@token, @experts]>
  %p = route.choose <count> count(%k : !route.array<i64>) of @token per [@experts] by (%s, %t : !route.array<f32 [@token, @experts]>, !route.array<f32 [@token, @experts]>) up [false, false] -> !route.plan<@r> as @r
  %w = route.broadcast %s along %p : !route.array<f32 [@token, @experts]>, !route.plan<@r> to !route.array<f32 [@r]>
  route.return %p, %w : !route.plan<@r>, !route.array<f32 [@r]>
}
