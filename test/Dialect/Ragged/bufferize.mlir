// The tensor form bufferizes in place into the memref form: no copies.
// RUN: route-opt %s --one-shot-bufferize="bufferize-function-boundaries function-boundary-type-conversion=identity-layout-map" --canonicalize | FileCheck %s

// CHECK-LABEL: func @layer
// CHECK-NOT: memref.copy
// CHECK: ragged.count ins(%{{.*}} : memref<?x2xi32>) outs(%{{.*}} : memref<4xi32>)
// CHECK: ragged.offsets ins(%{{.*}} : memref<4xi32>) outs(%{{.*}} : memref<5xi32>)
// CHECK: ragged.permute
// CHECK: ragged.gather ins(%{{.*}} : memref<?x64xbf16>, memref<?xi32>) outs(%[[A:.*]] : memref<?x64xbf16>) slots 2
// CHECK: ragged.matmul rows(%[[A]] : memref<?x64xbf16>) offsets(%{{.*}} : memref<5xi32>) weights(%{{.*}} : memref<4x64x64xbf16>) outs(%[[Y:.*]] : memref<?x64xf32>) {
// CHECK: ragged.combine ins(%[[Y]], %{{.*}} : memref<?x64xf32>, memref<?x2xi32>) outs(%[[OUT:.*]] : memref<?x64xbf16>)
// CHECK-NOT: memref.copy
// CHECK: return %[[OUT]]
func.func @layer(%x: tensor<?x64xbf16>, %idx: tensor<?x2xi32>, %w: tensor<4x64x64xbf16>,
    %out0: tensor<?x64xbf16> {bufferization.writable = true}, %t: index, %m: index) -> tensor<?x64xbf16> {
  %c0 = tensor.empty() : tensor<4xi32>
  %o0 = tensor.empty() : tensor<5xi32>
  %p0 = tensor.empty(%m) : tensor<?xi32>
  %i0 = tensor.empty(%t) : tensor<?x2xi32>
  %a0 = tensor.empty(%m) : tensor<?x64xbf16>
  %y0 = tensor.empty(%m) : tensor<?x64xf32>
  %c = ragged.count ins(%idx : tensor<?x2xi32>) outs(%c0 : tensor<4xi32>) -> tensor<4xi32>
  %o = ragged.offsets ins(%c : tensor<4xi32>) outs(%o0 : tensor<5xi32>) -> tensor<5xi32>
  %p, %i = ragged.permute ins(%idx, %o : tensor<?x2xi32>, tensor<5xi32>)
      outs(%p0, %i0 : tensor<?xi32>, tensor<?x2xi32>) -> tensor<?xi32>, tensor<?x2xi32>
  %a = ragged.gather ins(%x, %p : tensor<?x64xbf16>, tensor<?xi32>) outs(%a0 : tensor<?x64xbf16>) slots 2 -> tensor<?x64xbf16>
  %y = ragged.matmul rows(%a : tensor<?x64xbf16>) offsets(%o : tensor<5xi32>)
      weights(%w : tensor<4x64x64xbf16>) outs(%y0 : tensor<?x64xf32>) {
  ^bb0(%acc: f32):
    ragged.yield %acc : f32
  } -> tensor<?x64xf32>
  %out = ragged.combine ins(%y, %i : tensor<?x64xf32>, tensor<?x2xi32>)
      outs(%out0 : tensor<?x64xbf16>) -> tensor<?x64xbf16>
  return %out : tensor<?x64xbf16>
}
