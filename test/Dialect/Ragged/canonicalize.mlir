// What an epilogue does not read is not streamed, and constants move inside.
// RUN: route-opt %s --canonicalize | FileCheck %s

// CHECK-LABEL: func @unused
// CHECK-SAME: (%[[A:.*]]: tensor<?x4xf32>, %[[W:.*]]: tensor<1x5x4xf32>, %[[V:.*]]: tensor<1x5x4xf32>
func.func @unused(%a: tensor<?x4xf32>, %w: tensor<1x5x4xf32>, %v: tensor<1x5x4xf32>, %b: tensor<1x5xf32>,
    %s: tensor<?xf32>, %y0: tensor<?x5xf32>) -> tensor<?x5xf32> {
  // CHECK: ragged.matmul rows(%[[A]] : tensor<?x4xf32>) weights(%[[V]] : tensor<1x5x4xf32>) outs
  // CHECK-NEXT: ^bb0(%[[ACC:.*]]: f32):
  // CHECK-NEXT: ragged.yield %[[ACC]]
  %y = ragged.matmul rows(%a : tensor<?x4xf32>) weights(%w, %v : tensor<1x5x4xf32>, tensor<1x5x4xf32>)
      per_expert(%b : tensor<1x5xf32>) per_row(%s : tensor<?xf32>) outs(%y0 : tensor<?x5xf32>) {
  ^bb0(%x: f32, %z: f32, %bias: f32, %scale: f32):
    ragged.yield %z : f32
  } -> tensor<?x5xf32>
  return %y : tensor<?x5xf32>
}

// CHECK-LABEL: func @twice
func.func @twice(%a: tensor<?x4xf32>, %w: tensor<1x5x4xf32>, %y0: tensor<?x5xf32>) -> tensor<?x5xf32> {
  // CHECK: weights(%{{[^,]*}} : tensor<1x5x4xf32>) outs
  // CHECK: ^bb0(%[[ACC:.*]]: f32):
  // CHECK: arith.mulf %[[ACC]], %[[ACC]]
  %y = ragged.matmul rows(%a : tensor<?x4xf32>) weights(%w, %w : tensor<1x5x4xf32>, tensor<1x5x4xf32>)
      outs(%y0 : tensor<?x5xf32>) {
  ^bb0(%x: f32, %z: f32):
    %m = arith.mulf %x, %z : f32
    ragged.yield %m : f32
  } -> tensor<?x5xf32>
  return %y : tensor<?x5xf32>
}

// CHECK-LABEL: func @splat
func.func @splat(%a: tensor<7x4xf32>, %w: tensor<1x5x4xf32>, %y0: tensor<7x5xf32>) -> tensor<7x5xf32> {
  %b = arith.constant dense<0.5> : tensor<1x5xf32>
  %s = arith.constant dense<3.0> : tensor<7xf32>
  // CHECK: weights(%{{.*}} : tensor<1x5x4xf32>) outs
  // CHECK-DAG: %[[B:.*]] = arith.constant 5.000000e-01 : f32
  // CHECK-DAG: %[[S:.*]] = arith.constant 3.000000e+00 : f32
  // CHECK: %[[SUM:.*]] = arith.addf %{{.*}}, %[[B]]
  // CHECK: arith.mulf %[[SUM]], %[[S]]
  %y = ragged.matmul rows(%a : tensor<7x4xf32>) weights(%w : tensor<1x5x4xf32>)
      per_expert(%b : tensor<1x5xf32>) per_row(%s : tensor<7xf32>) outs(%y0 : tensor<7x5xf32>) {
  ^bb0(%acc: f32, %bias: f32, %scale: f32):
    %t = arith.addf %acc, %bias : f32
    %m = arith.mulf %t, %scale : f32
    ragged.yield %m : f32
  } -> tensor<7x5xf32>
  return %y : tensor<7x5xf32>
}

// CHECK-LABEL: func @unit_scale
func.func @unit_scale(%y: tensor<6x4xf32>, %i: tensor<3x2xi32>, %o: tensor<3x4xf32>) -> tensor<3x4xf32> {
  %one = arith.constant dense<1.0> : tensor<3x2xf32>
  // CHECK: ragged.combine
  // CHECK-NOT: scale
  // CHECK: return
  %r = ragged.combine ins(%y, %i : tensor<6x4xf32>, tensor<3x2xi32>) scale(%one : tensor<3x2xf32>)
      outs(%o : tensor<3x4xf32>) -> tensor<3x4xf32>
  return %r : tensor<3x4xf32>
}

// CHECK-LABEL: func @unit_scale_at
func.func @unit_scale_at(%y: tensor<6x4xf32>, %i: tensor<3x2xi32>, %o: tensor<9x4xf32>) -> tensor<9x4xf32> {
  %one = arith.constant dense<1.0> : tensor<3x2xf32>
  // CHECK: ragged.combine_at
  // CHECK-NOT: scale
  // CHECK: return
  %r = ragged.combine_at ins(%y, %i, %i : tensor<6x4xf32>, tensor<3x2xi32>, tensor<3x2xi32>) scale(%one : tensor<3x2xf32>)
      outs(%o : tensor<9x4xf32>) -> tensor<9x4xf32>
  return %r : tensor<9x4xf32>
}
