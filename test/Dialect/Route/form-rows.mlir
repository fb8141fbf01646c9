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
