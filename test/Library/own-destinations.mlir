// RUN: route-opt %s --route-own-destinations --split-input-file | FileCheck %s
// Each sum begins as its own fill; what nothing else uses is left alone.
// CHECK-LABEL: @sums
// CHECK: %[[EMPTY:.+]] = tensor.empty
// CHECK-COUNT-2: linalg.fill {{.*}}outs(%[[EMPTY]]
// CHECK: linalg.fill {{.*}}outs(%[[EMPTY]]
// CHECK-NOT: linalg.fill
// CHECK: materialize_in_destination
func.func @sums(%x: tensor<4x8xf32>, %y: tensor<4x8xf32>, %a: memref<4xf32>, %b: memref<4xf32>, %c: memref<4xf32>) {
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  %empty = tensor.empty() : tensor<4xf32>
  %0 = linalg.fill ins(%zero : f32) outs(%empty : tensor<4xf32>) -> tensor<4xf32>
  %1 = linalg.reduce { arith.addf } ins(%x : tensor<4x8xf32>) outs(%0 : tensor<4xf32>) dimensions = [1]
  %2 = linalg.reduce { arith.addf } ins(%y : tensor<4x8xf32>) outs(%0 : tensor<4xf32>) dimensions = [1]
  %3 = linalg.fill ins(%one : f32) outs(%empty : tensor<4xf32>) -> tensor<4xf32>
  bufferization.materialize_in_destination %1 in restrict writable %a : (tensor<4xf32>, memref<4xf32>) -> ()
  bufferization.materialize_in_destination %2 in restrict writable %b : (tensor<4xf32>, memref<4xf32>) -> ()
  bufferization.materialize_in_destination %3 in restrict writable %c : (tensor<4xf32>, memref<4xf32>) -> ()
  return
}

// -----

// What leaves and goes on being added to is copied before.
// CHECK-LABEL: @further
// CHECK: %[[FIRST:.+]] = linalg.reduce
// CHECK: %[[OWN:.+]] = bufferization.alloc_tensor() copy(%[[FIRST]])
// CHECK: %[[SECOND:.+]] = linalg.reduce {{.*}}outs(%[[OWN]]
// CHECK: materialize_in_destination %[[FIRST]]
// CHECK: materialize_in_destination %[[SECOND]]
func.func @further(%x: tensor<4x8xf32>, %a: memref<4xf32>, %b: memref<4xf32>) {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<4xf32>
  %0 = linalg.fill ins(%zero : f32) outs(%empty : tensor<4xf32>) -> tensor<4xf32>
  %1 = linalg.reduce { arith.addf } ins(%x : tensor<4x8xf32>) outs(%0 : tensor<4xf32>) dimensions = [1]
  %2 = linalg.reduce { arith.addf } ins(%x : tensor<4x8xf32>) outs(%1 : tensor<4xf32>) dimensions = [1]
  bufferization.materialize_in_destination %1 in restrict writable %a : (tensor<4xf32>, memref<4xf32>) -> ()
  bufferization.materialize_in_destination %2 in restrict writable %b : (tensor<4xf32>, memref<4xf32>) -> ()
  return
}

// -----

// State that is read is no memory of the output: it is left to bufferization.
// CHECK-LABEL: @state
// CHECK-NOT: alloc_tensor
// CHECK: return
func.func @state(%s: memref<4xf32>, %x: tensor<4x8xf32>, %a: memref<4xf32>, %b: memref<4xf32>) {
  %0 = bufferization.to_tensor %s restrict : memref<4xf32> to tensor<4xf32>
  %1 = linalg.reduce { arith.addf } ins(%x : tensor<4x8xf32>) outs(%0 : tensor<4xf32>) dimensions = [1]
  %2 = linalg.reduce { arith.maximumf } ins(%x : tensor<4x8xf32>) outs(%0 : tensor<4xf32>) dimensions = [1]
  bufferization.materialize_in_destination %1 in restrict writable %a : (tensor<4xf32>, memref<4xf32>) -> ()
  bufferization.materialize_in_destination %2 in restrict writable %b : (tensor<4xf32>, memref<4xf32>) -> ()
  return
}
