// Weights are packed once each, next to their definition, however many matmuls read them.
// RUN: route-opt %s --ragged-pack-weights | FileCheck %s

// CHECK-LABEL: func @twice
// CHECK-SAME: (%[[A:.*]]: tensor<?x33xbf16>, %[[W:.*]]: tensor<1x20x33xbf16>
// CHECK: %[[E:.*]] = tensor.empty() : tensor<1x2x17x16x2xbf16>
// CHECK: %[[P:.*]] = ragged.pack ins(%[[W]] : tensor<1x20x33xbf16>) outs(%[[E]] : tensor<1x2x17x16x2xbf16>)
// CHECK-NOT: ragged.pack
// CHECK: ragged.matmul {{.*}} weights(%[[P]] : tensor<1x2x17x16x2xbf16>) depth 33
// CHECK: ragged.matmul {{.*}} weights(%[[P]] : tensor<1x2x17x16x2xbf16>) depth 33
func.func @twice(%a: tensor<?x33xbf16>, %w: tensor<1x20x33xbf16>, %y0: tensor<?x20xf32>, %z0: tensor<?x20xf32>)
    -> (tensor<?x20xf32>, tensor<?x20xf32>) {
  %y = ragged.matmul rows(%a : tensor<?x33xbf16>) weights(%w : tensor<1x20x33xbf16>) outs(%y0 : tensor<?x20xf32>) {
  ^bb0(%acc: f32):
    ragged.yield %acc : f32
  } -> tensor<?x20xf32>
  %z = ragged.matmul rows(%a : tensor<?x33xbf16>) weights(%w : tensor<1x20x33xbf16>) outs(%z0 : tensor<?x20xf32>) {
  ^bb0(%acc: f32):
    %n = arith.negf %acc : f32
    ragged.yield %n : f32
  } -> tensor<?x20xf32>
  return %y, %z : tensor<?x20xf32>, tensor<?x20xf32>
}

// CHECK-LABEL: func @transposed
// CHECK: ragged.pack ins(%{{.*}} : tensor<1x8x20xf32>) outs(%{{.*}} : tensor<1x2x8x16xf32>) transposed
// CHECK: ragged.matmul {{.*}} depth 8 outs
func.func @transposed(%a: tensor<?x8xf32>, %w: tensor<1x8x20xf32>, %y0: tensor<?x20xf32>) -> tensor<?x20xf32> {
  %y = ragged.matmul rows(%a : tensor<?x8xf32>) weights(%w : tensor<1x8x20xf32>) transposed outs(%y0 : tensor<?x20xf32>) {
  ^bb0(%acc: f32):
    ragged.yield %acc : f32
  } -> tensor<?x20xf32>
  return %y : tensor<?x20xf32>
}
