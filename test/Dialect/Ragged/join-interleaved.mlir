// Weights that are the parts of one tensor are multiplied as that tensor; others stay.
// RUN: route-opt %s --ragged-join-interleaved --split-input-file | FileCheck %s
// RUN: route-opt %s --ragged-join-interleaved --canonicalize --split-input-file | FileCheck %s --check-prefix=KEPT

// The second part comes first: the epilogue's sums are in the order of the parts. The bias is read where it lies.
// CHECK-LABEL: func.func @both
// CHECK: %[[B:.*]] = tensor.extract_slice %arg3
// CHECK: %[[W:.*]] = tensor.collapse_shape %arg2 {{.*}} : tensor<4x64x32x2xbf16> into tensor<4x64x64xbf16>
// CHECK: ragged.matmul {{.*}} weights(%[[W]] : tensor<4x64x64xbf16>) transposed interleaved 2 per_expert(%[[B]] : tensor<4x32xbf16>)
// CHECK-NEXT: ^bb0(%[[P0:.*]]: f32, %[[P1:.*]]: f32, %{{.*}}: bf16):
// CHECK-NEXT: arith.divf %[[P1]], %[[P0]]
func.func @both(%x: tensor<?x64xbf16>, %o: tensor<5xi32>, %w: tensor<4x64x32x2xbf16>, %b: tensor<4x32x2xbf16>,
                %out: tensor<?x32xbf16>) -> tensor<?x32xbf16> {
  %u = tensor.extract_slice %w[0, 0, 0, 1] [4, 64, 32, 1] [1, 1, 1, 1] : tensor<4x64x32x2xbf16> to tensor<4x64x32xbf16>
  %g = tensor.extract_slice %w[0, 0, 0, 0] [4, 64, 32, 1] [1, 1, 1, 1] : tensor<4x64x32x2xbf16> to tensor<4x64x32xbf16>
  %c = tensor.extract_slice %b[0, 0, 1] [4, 32, 1] [1, 1, 1] : tensor<4x32x2xbf16> to tensor<4x32xbf16>
  %d = bufferization.alloc_tensor() copy(%c) : tensor<4x32xbf16>
  %y = ragged.matmul rows(%x : tensor<?x64xbf16>) offsets(%o : tensor<5xi32>)
      weights(%u, %g : tensor<4x64x32xbf16>, tensor<4x64x32xbf16>) transposed per_expert(%d : tensor<4x32xbf16>) outs(%out : tensor<?x32xbf16>) {
  ^bb0(%p: f32, %q: f32, %e: bf16):
    %r = arith.divf %p, %q : f32
    %f = arith.extf %e : bf16 to f32
    %s = arith.addf %r, %f : f32
    %t = arith.truncf %s : f32 to bf16
    ragged.yield %t : bf16
  } -> tensor<?x32xbf16>
  return %y : tensor<?x32xbf16>
}

// -----
// One part alone stays: with the others as many products more would be made, and read by nobody.
// CHECK-LABEL: func.func @one
// CHECK-NOT: interleaved
func.func @one(%x: tensor<?x64xbf16>, %w: tensor<1x64x32x3xbf16>, %out: tensor<?x32xbf16>) -> tensor<?x32xbf16> {
  %g = tensor.extract_slice %w[0, 0, 0, 2] [1, 64, 32, 1] [1, 1, 1, 1] : tensor<1x64x32x3xbf16> to tensor<1x64x32xbf16>
  %y = ragged.matmul rows(%x : tensor<?x64xbf16>) weights(%g : tensor<1x64x32xbf16>) transposed outs(%out : tensor<?x32xbf16>) {
  ^bb0(%p: f32):
    %t = arith.truncf %p : f32 to bf16
    ragged.yield %t : bf16
  } -> tensor<?x32xbf16>
  return %y : tensor<?x32xbf16>
}

// -----
// Parts of two tensors, and parts whose rows lie side by side.
// CHECK-LABEL: func.func @others
// CHECK-NOT: interleaved
func.func @others(%x: tensor<?x64xbf16>, %w: tensor<1x64x32x2xbf16>, %v: tensor<1x64x32x2xbf16>, %u: tensor<1x32x64x2xbf16>,
                  %out: tensor<?x32xbf16>) -> (tensor<?x32xbf16>, tensor<?x32xbf16>) {
  %g = tensor.extract_slice %w[0, 0, 0, 0] [1, 64, 32, 1] [1, 1, 1, 1] : tensor<1x64x32x2xbf16> to tensor<1x64x32xbf16>
  %h = tensor.extract_slice %v[0, 0, 0, 1] [1, 64, 32, 1] [1, 1, 1, 1] : tensor<1x64x32x2xbf16> to tensor<1x64x32xbf16>
  %y = ragged.matmul rows(%x : tensor<?x64xbf16>) weights(%g, %h : tensor<1x64x32xbf16>, tensor<1x64x32xbf16>) transposed
      outs(%out : tensor<?x32xbf16>) {
  ^bb0(%p: f32, %q: f32):
    %s = arith.mulf %p, %q : f32
    %t = arith.truncf %s : f32 to bf16
    ragged.yield %t : bf16
  } -> tensor<?x32xbf16>
  %k = tensor.extract_slice %u[0, 0, 0, 0] [1, 32, 64, 1] [1, 1, 1, 1] : tensor<1x32x64x2xbf16> to tensor<1x32x64xbf16>
  %z = ragged.matmul rows(%x : tensor<?x64xbf16>) weights(%k : tensor<1x32x64xbf16>) outs(%out : tensor<?x32xbf16>) {
  ^bb0(%p: f32):
    %t = arith.truncf %p : f32 to bf16
    ragged.yield %t : bf16
  } -> tensor<?x32xbf16>
  return %y, %z : tensor<?x32xbf16>, tensor<?x32xbf16>
}

// -----
// Where one of the sums is read by nobody the others keep their places.
// CHECK-LABEL: func.func @dead
// KEPT-LABEL: func.func @dead
// KEPT: interleaved 2
// KEPT-NEXT: ^bb0(%{{.*}}: f32, %[[Q:.*]]: f32):
// KEPT-NEXT: arith.truncf %[[Q]]
func.func @dead(%x: tensor<?x64xbf16>, %w: tensor<1x64x64xbf16>, %out: tensor<?x32xbf16>) -> tensor<?x32xbf16> {
  %y = ragged.matmul rows(%x : tensor<?x64xbf16>) weights(%w : tensor<1x64x64xbf16>) transposed interleaved 2 outs(%out : tensor<?x32xbf16>) {
  ^bb0(%p: f32, %q: f32):
    %t = arith.truncf %q : f32 to bf16
    ragged.yield %t : bf16
  } -> tensor<?x32xbf16>
  return %y : tensor<?x32xbf16>
}
