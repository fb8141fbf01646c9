// signal.ngrams on tensors becomes signal.ngrams on buffers, in place.
// RUN: route-opt %s -one-shot-bufferize="bufferize-function-boundaries function-boundary-type-conversion=identity-layout-map" | FileCheck %s

// CHECK-LABEL: @features
// CHECK-NOT: tensor
// CHECK: %[[B:.*]] = memref.alloc() {{.*}} : memref<64xf32>
// CHECK-NEXT: signal.ngrams %{{.*}} into %[[B]] {hi = 3 : i64, lo = 3 : i64} : memref<64xf32>
// CHECK-NEXT: return %[[B]]
func.func @features(%t: !signal.text) -> tensor<64xf32> {
  %e = tensor.empty() : tensor<64xf32>
  %f = signal.ngrams %t into %e {lo = 3 : i64, hi = 3 : i64} : tensor<64xf32> -> tensor<64xf32>
  return %f : tensor<64xf32>
}
