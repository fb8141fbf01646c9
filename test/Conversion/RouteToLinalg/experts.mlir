// Bodies of experts: interleaved halves of one product, weights stored either way round, biases of each expert's own and
// shared ones, weights that all experts share. The tensor level gives what the route level gives.
// RUN: route-interp %s > %t.route
// RUN: FileCheck %s --check-prefix=VALUE < %t.route
// RUN: route-opt %s --route-sink-picks --route-form-rows --convert-route-to-linalg --canonicalize --cse > %t.mlir
// RUN: FileCheck %s < %t.mlir
// RUN: route-interp %t.mlir > %t.tensor
// RUN: diff %t.route %t.tensor

module attributes {
  interp.inputs = {x = dense<[[1.0, 0.5], [-1.0, 2.0], [0.0, 1.0]]> : tensor<3x2xf32>,
                   l = dense<[[1.0, 2.0, 0.0], [0.5, 0.0, 4.0], [1.0, 1.0, 1.0]]> : tensor<3x3xf32>},
  interp.params = {
    "gate_up" = dense<[[[[1.0, 2.0], [0.5, 1.0]], [[0.0, 1.0], [2.0, -1.0]]],
                       [[[2.0, 1.0], [1.0, 1.0]], [[-1.0, 0.5], [0.25, 3.0]]],
                       [[[0.0, 4.0], [1.0, 0.0]], [[1.0, 2.0], [-2.0, 1.0]]]]> : tensor<3x2x2x2xf32>,
    "bias" = dense<[[[0.5, 1.0], [0.0, 0.25]], [[1.0, -1.0], [2.0, 0.5]], [[0.0, 0.0], [1.0, 1.0]]]> : tensor<3x2x2xf32>,
    "down" = dense<[[[1.0, 0.0], [0.5, 2.0]], [[2.0, 1.0], [1.0, -1.0]], [[0.25, 4.0], [1.0, 1.0]]]> : tensor<3x2x2xf32>,
    "offset" = dense<[0.5, -0.5]> : tensor<2xf32>,
    "wide" = dense<[[1.0, 2.0], [3.0, -1.0]]> : tensor<2x2xf32>},
  interp.script = ["run halves", "run shared"]
} {
  route.axis @token <index> {}
  route.axis @hidden <index> size(2) {}
  route.axis @inner <index> size(2) {}
  route.axis @half <index> size(2) labels(["gate", "up"]) {}
  route.axis @experts <pool> size(3) {}
  route.axis @p <plan> in [@token, @experts] {}
  route.signal @x : !route.array<f32 [@token, @hidden]>
  route.signal @l : !route.array<f32 [@token, @experts]>
  route.param @gate_up : !route.array<f32 [@experts, @hidden, @inner, @half]> from "gate_up"
  route.param @bias : !route.array<f32 [@experts, @inner, @half]> from "bias"
  route.param @down : !route.array<f32 [@experts, @inner, @hidden]> from "down"
  route.param @offset : !route.array<f32 [@hidden]> from "offset"
  route.param @wide : !route.array<f32 [@hidden, @inner]> from "wide"

  // One kernel for both halves, its weights as they are stored.
  // CHECK-LABEL: func.func @halves
  // CHECK: %[[G:.*]] = tensor.extract_slice %{{.*}}[0, 0, 0, 0] [3, 2, 2, 1] [1, 1, 1, 1] : tensor<3x2x2x2xf32> to tensor<3x2x2xf32>
  // CHECK: %[[U:.*]] = tensor.extract_slice %{{.*}}[0, 0, 0, 1] [3, 2, 2, 1] [1, 1, 1, 1] : tensor<3x2x2x2xf32> to tensor<3x2x2xf32>
  // CHECK: ragged.matmul rows({{.*}}) offsets({{.*}}) weights(%{{.*}}, %{{.*}} : tensor<3x2x2xf32>, tensor<3x2x2xf32>) transposed per_expert(%{{.*}}, %{{.*}} : tensor<3x2xf32>, tensor<3x2xf32>)
  // CHECK: ragged.matmul rows({{.*}}) offsets({{.*}}) weights(%{{.*}} : tensor<3x2x2xf32>) transposed per_expert(%{{.*}} : tensor<3x2xf32>)
  // VALUE: halves: f32 [@token = 3, @hidden = 2]: {{\[}}[13.8125, -4.25], [-14.25, -24], [8.25, -11]]
  route.func @halves <route> () -> !route.array<f32 [@token, @hidden]> {
    %x = route.get @x : !route.array<f32 [@token, @hidden]>
    %l = route.get @l : !route.array<f32 [@token, @experts]>
    %k = route.constant 2 : i64 as !route.array<i64>
    %p = route.choose <count> count(%k : !route.array<i64>) of @experts per [@token] by (%l : !route.array<f32 [@token, @experts]>) up [false] -> !route.plan<@p> as @p
    %xp = route.broadcast %x along %p : !route.array<f32 [@token, @hidden]>, !route.plan<@p> to !route.array<f32 [@p, @hidden]>
    %w = route.get @gate_up : !route.array<f32 [@experts, @hidden, @inner, @half]>
    %wp = route.broadcast %w along %p : !route.array<f32 [@experts, @hidden, @inner, @half]>, !route.plan<@p> to !route.array<f32 [@p, @hidden, @inner, @half]>
    %y = route.contract %xp, %wp over [@hidden] : !route.array<f32 [@p, @hidden]>, !route.array<f32 [@p, @hidden, @inner, @half]>
    %b = route.get @bias : !route.array<f32 [@experts, @inner, @half]>
    %bp = route.broadcast %b along %p : !route.array<f32 [@experts, @inner, @half]>, !route.plan<@p> to !route.array<f32 [@p, @inner, @half]>
    %h = route.binary <add> %y, %bp : !route.array<f32 [@p, @inner, @half]>, !route.array<f32 [@p, @inner, @half]>
    %zero = route.constant 0 : i64 as !route.array<i64>
    %one = route.constant 1 : i64 as !route.array<i64>
    %seven = route.constant 2.0 : f32 as !route.array<f32>
    %g = route.pick %h along @half at %zero : !route.array<f32 [@p, @inner, @half]>, !route.array<i64>
    %u = route.pick %h along @half at %one : !route.array<f32 [@p, @inner, @half]>, !route.array<i64>
    %c = route.binary <min> %g, %seven : !route.array<f32 [@p, @inner]>, !route.array<f32>
    %a = route.binary <mul> %c, %u : !route.array<f32 [@p, @inner]>, !route.array<f32 [@p, @inner]>
    %d = route.get @down : !route.array<f32 [@experts, @inner, @hidden]>
    %dp = route.broadcast %d along %p : !route.array<f32 [@experts, @inner, @hidden]>, !route.plan<@p> to !route.array<f32 [@p, @inner, @hidden]>
    %z = route.contract %a, %dp over [@inner] : !route.array<f32 [@p, @inner]>, !route.array<f32 [@p, @inner, @hidden]>
    %o = route.get @offset : !route.array<f32 [@hidden]>
    %op = route.broadcast %o along %p : !route.array<f32 [@hidden]>, !route.plan<@p> to !route.array<f32 [@p, @hidden]>
    %zo = route.binary <add> %z, %op : !route.array<f32 [@p, @hidden]>, !route.array<f32 [@p, @hidden]>
    %r = route.reduce <sum> %zo along %p : !route.array<f32 [@p, @hidden]>, !route.plan<@p> to !route.array<f32 [@token, @hidden]>
    route.return %r : !route.array<f32 [@token, @hidden]>
  }
  // Weights that experts share are one product of all rows.
  // CHECK-LABEL: func.func @shared
  // CHECK: ragged.matmul rows({{.*}} : tensor<?x2xf32>) weights({{.*}} : tensor<1x2x2xf32>) transposed
  // CHECK: ragged.matmul rows({{.*}}) offsets(
  // VALUE: shared: f32 [@token = 3, @hidden = 2]: {{\[}}[9.75, 4], [6.25, 20], [9, 3]]
  route.func @shared <route> () -> !route.array<f32 [@token, @hidden]> {
    %x = route.get @x : !route.array<f32 [@token, @hidden]>
    %l = route.get @l : !route.array<f32 [@token, @experts]>
    %k = route.constant 2 : i64 as !route.array<i64>
    %p = route.choose <count> count(%k : !route.array<i64>) of @experts per [@token] by (%l : !route.array<f32 [@token, @experts]>) up [false] -> !route.plan<@p> as @p
    %xp = route.broadcast %x along %p : !route.array<f32 [@token, @hidden]>, !route.plan<@p> to !route.array<f32 [@p, @hidden]>
    %w = route.get @wide : !route.array<f32 [@hidden, @inner]>
    %y = route.contract %xp, %w over [@hidden] : !route.array<f32 [@p, @hidden]>, !route.array<f32 [@hidden, @inner]>
    %a = route.unary <relu> %y : !route.array<f32 [@p, @inner]>
    %d = route.get @down : !route.array<f32 [@experts, @inner, @hidden]>
    %dp = route.broadcast %d along %p : !route.array<f32 [@experts, @inner, @hidden]>, !route.plan<@p> to !route.array<f32 [@p, @inner, @hidden]>
    %z = route.contract %a, %dp over [@inner] : !route.array<f32 [@p, @inner]>, !route.array<f32 [@p, @inner, @hidden]>
    %r = route.reduce <sum> %z along %p : !route.array<f32 [@p, @hidden]>, !route.plan<@p> to !route.array<f32 [@token, @hidden]>
    route.return %r : !route.array<f32 [@token, @hidden]>
  }
}
