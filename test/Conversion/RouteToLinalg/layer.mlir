// A layer becomes a product, a row program and grouped products, with the weights of its sum at the combine.
// RUN: route-opt %s --route-form-rows --convert-route-to-linalg --canonicalize --cse --split-input-file | FileCheck %s

route.axis @token <index> {}
route.axis @hidden <index> size(64) {}
route.axis @inner <index> size(32) {}
route.axis @experts <pool> size(8) {}
route.axis @p <plan> in [@token, @experts] {}
route.param @gate.w : !route.array<f32 [@experts, @hidden]> from "gate.weight"
route.param @up : !route.array<f32 [@experts, @inner, @hidden]> from "up"


// CHECK-LABEL: func.func @layer
// CHECK-SAME: %arg0: index {route.name = "token", route.role = "size"}
// CHECK-SAME: memref<?x64xf32> {route.axes = [@token, @hidden], route.name = "arg0", route.role = "input"
// CHECK-SAME: memref<8x64xf32> {route.axes = [@experts, @hidden], route.name = "gate.w", route.role = "param"
// CHECK-SAME: memref<?x32xf32> {route.axes = [@token, @inner], route.name = "result0", route.role = "output"
// CHECK: %[[L:.*]] = ragged.matmul rows(%{{.*}} : tensor<?x64xf32>) weights(%{{.*}} : tensor<1x8x64xf32>)
// CHECK: %[[R:.*]]:3 = row.program ins(%[[L]] : tensor<?x8xf32>)
// CHECK: math.exp
// CHECK: %[[I:.*]], %{{.*}} = row.choose by(%{{.*}} : tensor<8xf32>) up [false] : tensor<2xi32>, tensor<i32>
// CHECK: row.take %{{.*}}[%[[I]]]
// CHECK: ragged.count ins(%[[R]]#0
// CHECK: %[[P:.*]]:2 = ragged.permute
// CHECK: %[[X:.*]] = ragged.gather ins(%{{.*}}, %[[P]]#0
// CHECK: %[[Y:.*]] = ragged.matmul rows(%[[X]] : tensor<?x64xf32>) offsets(%{{.*}}) weights(%{{.*}} : tensor<8x32x64xf32>)
// CHECK: ragged.combine ins(%[[Y]], %[[P]]#1 {{.*}} scale(%[[R]]#2
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


// -----
// Gated units share one product, with the activation in its epilogue.
route.axis @token <index> {}
route.axis @hidden <index> size(64) {}
route.axis @inner <index> size(32) {}
route.axis @experts <pool> size(8) {}
route.axis @p <plan> in [@token, @experts] {}
route.param @up : !route.array<bf16 [@experts, @inner, @hidden]> from "up"
route.param @gate : !route.array<bf16 [@experts, @inner, @hidden]> from "gate"
route.param @bias : !route.array<f32 [@experts, @inner]> from "bias"
route.param @down : !route.array<bf16 [@experts, @hidden, @inner]> from "down"
// CHECK-LABEL: func.func @ffn
// CHECK: %[[H:.*]] = ragged.matmul rows(%{{.*}} : tensor<?x64xbf16>) offsets(%{{.*}}) weights(%{{.*}}, %{{.*}} : tensor<8x32x64xbf16>, tensor<8x32x64xbf16>) per_expert(%{{.*}} : tensor<8x32xf32>)
// CHECK: ^bb0(%[[G:.*]]: f32, %[[U:.*]]: f32, %[[B:.*]]: f32):
// CHECK: %[[S:.*]] = row.unary silu
// CHECK: arith.truncf %{{.*}} : f32 to bf16
// CHECK: ragged.matmul rows(%[[H]] : tensor<?x32xbf16>)
// CHECK: ragged.combine
route.func @ffn <route> (%x: !route.array<bf16 [@token, @hidden]>, %l: !route.array<f32 [@token, @experts]>) -> !route.array<bf16 [@token, @hidden]> {
  %k = route.constant 2 : i64 as !route.array<i64>
  %p = route.choose <count> count(%k : !route.array<i64>) of @experts per [@token] by (%l : !route.array<f32 [@token, @experts]>) up [false] -> !route.plan<@p> as @p
  %w = route.broadcast %l along %p : !route.array<f32 [@token, @experts]>, !route.plan<@p> to !route.array<f32 [@p]>
  %xp = route.broadcast %x along %p : !route.array<bf16 [@token, @hidden]>, !route.plan<@p> to !route.array<bf16 [@p, @hidden]>
  %0 = route.get @gate : !route.array<bf16 [@experts, @inner, @hidden]>
  %1 = route.broadcast %0 along %p : !route.array<bf16 [@experts, @inner, @hidden]>, !route.plan<@p> to !route.array<bf16 [@p, @inner, @hidden]>
  %2 = route.get @up : !route.array<bf16 [@experts, @inner, @hidden]>
  %3 = route.broadcast %2 along %p : !route.array<bf16 [@experts, @inner, @hidden]>, !route.plan<@p> to !route.array<bf16 [@p, @inner, @hidden]>
  %g = route.contract %xp, %1 over [@hidden] : !route.array<bf16 [@p, @hidden]>, !route.array<bf16 [@p, @inner, @hidden]>
  %u = route.contract %xp, %3 over [@hidden] : !route.array<bf16 [@p, @hidden]>, !route.array<bf16 [@p, @inner, @hidden]>
  %4 = route.get @bias : !route.array<f32 [@experts, @inner]>
  %5 = route.broadcast %4 along %p : !route.array<f32 [@experts, @inner]>, !route.plan<@p> to !route.array<f32 [@p, @inner]>
  %gb = route.binary <add> %g, %5 : !route.array<f32 [@p, @inner]>, !route.array<f32 [@p, @inner]>
  %s = route.unary <silu> %gb : !route.array<f32 [@p, @inner]>
  %h = route.binary <mul> %s, %u : !route.array<f32 [@p, @inner]>, !route.array<f32 [@p, @inner]>
  %hb = route.cast %h : !route.array<f32 [@p, @inner]> to !route.array<bf16 [@p, @inner]>
  %6 = route.get @down : !route.array<bf16 [@experts, @hidden, @inner]>
  %7 = route.broadcast %6 along %p : !route.array<bf16 [@experts, @hidden, @inner]>, !route.plan<@p> to !route.array<bf16 [@p, @hidden, @inner]>
  %y = route.contract %hb, %7 over [@inner] : !route.array<bf16 [@p, @inner]>, !route.array<bf16 [@p, @hidden, @inner]>
  %wy = route.binary <mul> %w, %y : !route.array<f32 [@p]>, !route.array<f32 [@p, @hidden]>
  %z = route.reduce <sum> %wy along %p : !route.array<f32 [@p, @hidden]>, !route.plan<@p> to !route.array<f32 [@token, @hidden]>
  %r = route.cast %z : !route.array<f32 [@token, @hidden]> to !route.array<bf16 [@token, @hidden]>
  route.return %r : !route.array<bf16 [@token, @hidden]>
}
