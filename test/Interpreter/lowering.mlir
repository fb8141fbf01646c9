// The interpreter gives a layer the same plan, weights and outputs, bit for bit, before and after its conversion to tensors,
// with weights in panels too: the check every lowering can have. Sums have one order at both levels.
// RUN: route-interp %s > %t.route
// RUN: FileCheck %s < %t.route
// RUN: route-opt %s --route-form-rows --convert-route-to-linalg > %t.mlir
// RUN: route-interp %t.mlir > %t.tensor
// RUN: diff %t.route %t.tensor
// RUN: route-opt %t.mlir --canonicalize --cse --ragged-pack-weights > %t.packed.mlir
// RUN: FileCheck %s --check-prefix=PACKED < %t.packed.mlir
// RUN: route-interp %t.packed.mlir > %t.packed
// RUN: diff %t.route %t.packed

// CHECK: layer: plan @p {(0) -> 1, (0) -> 2, (1) -> 0, (1) -> 3, (2) -> 1, (2) -> 0}
// PACKED: ragged.pack
module attributes {
  interp.inputs = {arg0 = dense<[[1.0, 0.5, -0.25], [0.0, 1.0, 2.0], [0.5, 0.5, 0.5]]> : tensor<3x3xf32>},
  interp.params = {
    "gate.w" = dense<[[0.0, 1.0, 0.5], [2.0, 0.0, 0.25], [1.0, 0.0, -1.0], [0.0, -1.0, 1.0]]> : tensor<4x3xf32>,
    "up" = dense<[[[1.0, 0.0, 0.5], [0.0, 1.0, 0.25]], [[2.0, 0.0, 1.0], [0.0, 2.0, -1.0]],
                         [[4.0, 0.0, -0.5], [0.0, 4.0, 0.125]], [[8.0, 0.0, 0.0], [0.0, 8.0, 3.0]]]> : tensor<4x2x3xf32>},
  interp.script = ["run layer"]
} {
route.axis @token <index> {}
route.axis @hidden <index> size(3) {}
route.axis @inner <index> size(2) {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.param @gate.w : !route.array<f32 [@experts, @hidden]> from "gate.weight"
route.param @up : !route.array<f32 [@experts, @inner, @hidden]> from "up"
route.func @layer <route> (%x: !route.array<f32 [@token, @hidden]>) -> (!route.plan<@p>, !route.array<f32 [@p]>, !route.array<f32 [@token, @inner]>) {
  %w = route.get @gate.w : !route.array<f32 [@experts, @hidden]>
  %l = route.contract %x, %w over [@hidden] : !route.array<f32 [@token, @hidden]>, !route.array<f32 [@experts, @hidden]>
  %s = route.unary <sigmoid> %l : !route.array<f32 [@token, @experts]>
  %k = route.constant 2 : i64 as !route.array<i64>
  %p = route.choose <count> count(%k : !route.array<i64>) of @experts per [@token] by (%s : !route.array<f32 [@token, @experts]>) up [false] -> !route.plan<@p> as @p
  %sp = route.broadcast %s along %p : !route.array<f32 [@token, @experts]>, !route.plan<@p> to !route.array<f32 [@p]>
  %xp = route.broadcast %x along %p : !route.array<f32 [@token, @hidden]>, !route.plan<@p> to !route.array<f32 [@p, @hidden]>
  %up = route.get @up : !route.array<f32 [@experts, @inner, @hidden]>
  %upp = route.broadcast %up along %p : !route.array<f32 [@experts, @inner, @hidden]>, !route.plan<@p> to !route.array<f32 [@p, @inner, @hidden]>
  %y = route.contract %xp, %upp over [@hidden] : !route.array<f32 [@p, @hidden]>, !route.array<f32 [@p, @inner, @hidden]>
  %wy = route.binary <mul> %sp, %y : !route.array<f32 [@p]>, !route.array<f32 [@p, @inner]>
  %z = route.reduce <sum> %wy along %p : !route.array<f32 [@p, @inner]>, !route.plan<@p> to !route.array<f32 [@token, @inner]>
  route.return %p, %sp, %z : !route.plan<@p>, !route.array<f32 [@p]>, !route.array<f32 [@token, @inner]>
}
}
