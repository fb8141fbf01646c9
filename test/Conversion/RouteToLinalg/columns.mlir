// Choices that no row program holds become ragged.choose: keys and masks are read through maps, children of one parent are a
// range, what was chosen before is a mask.
// RUN: route-opt %s --split-input-file --route-form-rows --convert-route-to-linalg --canonicalize --cse | FileCheck %s

// Experts choose tokens of their image: the scores are read transposed, an image's tokens lie between its offsets, and the plan
// may have as many rows as there are tokens.
// CHECK-DAG: #[[ITEM:.*]] = affine_map<(d0, d1, d2) -> (d0, d1)>
// CHECK-DAG: #[[SCORE:.*]] = affine_map<(d0, d1, d2) -> (d2, d0)>
// CHECK: func.func private @size.q.rank(%[[T:.*]]: index, %{{.*}}: index) -> index attributes {route.derived = "q.rank", route.sizes = ["token", "image"]}
// CHECK: return %[[T]]
// CHECK-LABEL: func.func @assign(
// CHECK-SAME: %[[OFFSETS:.*]]: memref<?xi32> {route.axes = [@image], route.name = "token.offsets", route.of = @token, route.role = "offsets"}
// CHECK: ragged.choose of %{{.*}} by(%{{.*}} : tensor<?x4xf32>) up [false] range(%{{.*}}, %{{.*}} : tensor<4x?xi32>, tensor<4x?xi32>) limit(%{{.*}} : tensor<4x?xi32>)
// CHECK-SAME: maps [#[[SCORE]], #[[ITEM]], #[[ITEM]], #[[ITEM]]]
// CHECK-SAME: -> tensor<4x?x?xi32>, tensor<4x?xi32>
route.axis @image <index> {}
route.axis @token <index> in [@image] {}
route.axis @experts <pool> size(4) {}
route.axis @q <plan> in [@experts, @image, @token] {}
route.func @assign <router> (%s: !route.array<f32 [@token, @experts]>, %n: !route.array<i64 [@image]>) -> !route.plan<@q> {
  %q = route.choose <count> count(%n : !route.array<i64 [@image]>) of @token per [@experts, @image] by (%s : !route.array<f32 [@token, @experts]>) up [false] -> !route.plan<@q> as @q
  route.return %q : !route.plan<@q>
}

// -----

// Capacity: the first plan stays a row program; its slots are the candidates of the second, masked by the expert they chose.
// CHECK-LABEL: func.func @capacity(
// CHECK: row.program
// CHECK: row.choose
// CHECK: tensor.collapse_shape %{{.*}} {{\[}}[0], [1, 2]] : tensor<4x?x2xi1> into tensor<4x?xi1>
// CHECK: ragged.choose of %{{.*}} up [true] where(%{{.*}}, %{{.*}} : tensor<?xi1>, tensor<4x?xi1>)
// CHECK-SAME: -> tensor<4x8xi32>, tensor<4xi32>
route.axis @token <index> {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.axis @keep <plan> in [@experts, @p] {}
route.func @capacity <route> (%s: !route.array<f32 [@token, @experts]>) -> (!route.plan<@p>, !route.plan<@keep>) {
  %two = route.constant 2 : i64 as !route.array<i64>
  %eight = route.constant 8 : i64 as !route.array<i64>
  %p = route.choose <count> count(%two : !route.array<i64>) of @experts per [@token] by (%s : !route.array<f32 [@token, @experts]>) up [false] -> !route.plan<@p> as @p
  %r = route.rank %p : !route.plan<@p> -> !route.array<i64 [@p]>
  %keep = route.choose <count> count(%eight : !route.array<i64>) of @p from %p : !route.plan<@p> per [@experts] by (%r : !route.array<i64 [@p]>) up [true] -> !route.plan<@keep> as @keep
  route.return %p, %keep : !route.plan<@p>, !route.plan<@keep>
}

// -----

// Greedy keys: a loop of at most two rounds, each with a choice of one among the candidates that are left.
// CHECK-LABEL: func.func @greedy(
// CHECK: scf.for %{{.*}} = %c0 to %c2
// CHECK: ragged.choose of %{{.*}} by(%{{.*}} : tensor<?x4xf32>) up [false] where(%{{.*}} : tensor<?x4xi1>) limit(%{{.*}} : tensor<?xi32>)
// CHECK-SAME: -> tensor<?x1xi32>, tensor<?xi32>
route.axis @token <index> {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @greedy <router> (%s: !route.array<f32 [@token, @experts]>) -> !route.plan<@p> {
  %two = route.constant 2 : i64 as !route.array<i64>
  %p = route.choose <count> count(%two : !route.array<i64>) of @experts per [@token] up [false] greedy -> !route.plan<@p> as @p {
  ^bb0(%sofar: !route.plan<@p>):
    %sp = route.broadcast %s along %sofar : !route.array<f32 [@token, @experts]>, !route.plan<@p> to !route.array<f32 [@p]>
    %sum = route.reduce <sum> %sp along %sofar : !route.array<f32 [@p]>, !route.plan<@p> to !route.array<f32 [@token]>
    %k = route.binary <sub> %s, %sum : !route.array<f32 [@token, @experts]>, !route.array<f32 [@token]>
    route.yield %k : !route.array<f32 [@token, @experts]>
  }
  route.return %p : !route.plan<@p>
}
