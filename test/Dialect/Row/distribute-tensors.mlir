// Programs of tensors get buffers, and the result passes bufferization and the
// conversion to LLVM.
// RUN: route-opt %s --row-distribute=lanes=8 | FileCheck %s
// RUN: route-opt %s --row-distribute=lanes=8 --one-shot-bufferize="bufferize-function-boundaries" | FileCheck %s --check-prefix=BUFFERS

// CHECK-LABEL: func @top
// CHECK-SAME: (%[[X:.*]]: tensor<?x32xf32>
// CHECK: %[[IN:.*]] = bufferization.to_buffer %[[X]] read_only
// CHECK: %[[OUT:.*]] = memref.alloc(
// CHECK: memref.copy
// CHECK: call @top_rows0(%{{.*}}, %{{.*}}, %[[IN]], %[[OUT]],
// CHECK: bufferization.to_tensor %[[OUT]] restrict writable

// BUFFERS-LABEL: func @top
// BUFFERS-NOT: tensor<
func.func @top(%x: tensor<?x32xf32>, %init: tensor<?x4xi32>, %zero: tensor<32xi32>)
    -> (tensor<?x4xi32>, tensor<32xi32>) {
  %0:2 = row.program ins(%x : tensor<?x32xf32>) outs(%init : tensor<?x4xi32>) acc(%zero : tensor<32xi32>) {
  ^bb0(%r: tensor<32xf32>):
    %i, %c = row.choose by(%r : tensor<32xf32>) : tensor<4xi32>, tensor<i32>
    %t = row.tally %i : tensor<4xi32> -> tensor<32xi32>
    row.yield %i, %t : tensor<4xi32>, tensor<32xi32>
  } -> tensor<?x4xi32>, tensor<32xi32>
  return %0#0, %0#1 : tensor<?x4xi32>, tensor<32xi32>
}
