// Epilogues become operations of their own; products that only round, or have values beside their sums, keep theirs.
// RUN: route-opt %s --ragged-split-epilogues | FileCheck %s

// CHECK-LABEL: func.func @gated
// CHECK-SAME: %[[X:.*]]: tensor<?x64xbf16>, %[[O:.*]]: tensor<5xi32>, %[[G:.*]]: tensor<4x32x64xbf16>, %[[U:.*]]: tensor<4x32x64xbf16>
// CHECK: %[[A:.*]] = ragged.matmul rows(%[[X]] : tensor<?x64xbf16>) offsets(%[[O]] : tensor<5xi32>) weights(%[[G]] :
// CHECK: ragged.yield %{{.*}} : f32
// CHECK: -> tensor<?x32xf32>
// CHECK: %[[B:.*]] = ragged.matmul rows(%[[X]] : tensor<?x64xbf16>) offsets(%[[O]] : tensor<5xi32>) weights(%[[U]] :
// CHECK: linalg.generic {{.*}} ins(%[[A]], %[[B]] : tensor<?x32xf32>, tensor<?x32xf32>)
// CHECK: arith.negf
// CHECK: arith.mulf
// CHECK: -> tensor<?x32xbf16>
func.func @gated(%x: tensor<?x64xbf16>, %o: tensor<5xi32>, %g: tensor<4x32x64xbf16>, %u: tensor<4x32x64xbf16>,
                 %h: tensor<?x32xbf16>) -> tensor<?x32xbf16> {
  %r = ragged.matmul rows(%x : tensor<?x64xbf16>) offsets(%o : tensor<5xi32>)
      weights(%g, %u : tensor<4x32x64xbf16>, tensor<4x32x64xbf16>) outs(%h : tensor<?x32xbf16>) {
  ^bb0(%a: f32, %b: f32):
    %n = arith.negf %a : f32
    %p = arith.mulf %n, %b : f32
    %t = arith.truncf %p : f32 to bf16
    ragged.yield %t : bf16
  } -> tensor<?x32xbf16>
  return %r : tensor<?x32xbf16>
}

// CHECK-LABEL: func.func @plain
// CHECK-NOT: linalg.generic
// CHECK: return
func.func @plain(%x: tensor<?x64xbf16>, %o: tensor<5xi32>, %g: tensor<4x32x64xbf16>, %bias: tensor<4x32xf32>,
                 %h: tensor<?x32xbf16>) -> (tensor<?x32xbf16>, tensor<?x32xbf16>) {
  %r = ragged.matmul rows(%x : tensor<?x64xbf16>) offsets(%o : tensor<5xi32>)
      weights(%g : tensor<4x32x64xbf16>) outs(%h : tensor<?x32xbf16>) {
  ^bb0(%a: f32):
    %t = arith.truncf %a : f32 to bf16
    ragged.yield %t : bf16
  } -> tensor<?x32xbf16>
  %s = ragged.matmul rows(%x : tensor<?x64xbf16>) offsets(%o : tensor<5xi32>)
      weights(%g : tensor<4x32x64xbf16>) per_expert(%bias : tensor<4x32xf32>) outs(%h : tensor<?x32xbf16>) {
  ^bb0(%a: f32, %b: f32):
    %p = arith.addf %a, %b : f32
    %t = arith.truncf %p : f32 to bf16
    ragged.yield %t : bf16
  } -> tensor<?x32xbf16>
  return %r, %s : tensor<?x32xbf16>, tensor<?x32xbf16>
}
