// Every operation prints as it parses.
// RUN: route-opt %s | route-opt | FileCheck %s
// RUN: route-opt %s --mlir-print-op-generic | route-opt | FileCheck %s

// CHECK-LABEL: func @counts
func.func @counts(%s: tensor<?x64xf32>, %init: tensor<?x2xi32>, %zero: tensor<64xi32>)
    -> (tensor<?x2xi32>, tensor<64xi32>) {
  // CHECK: row.program ins(%{{.*}} : tensor<?x64xf32>) outs(%{{.*}} : tensor<?x2xi32>) acc(%{{.*}} : tensor<64xi32>) {
  %i, %c = row.program ins(%s : tensor<?x64xf32>)
      outs(%init : tensor<?x2xi32>) acc(%zero : tensor<64xi32>) {
  ^bb0(%r: tensor<64xf32>):
    // CHECK: row.choose by(%{{.*}} : tensor<64xf32>) up [true] : tensor<2xi32>, tensor<i32>
    %idx, %n = row.choose by(%r : tensor<64xf32>) up [true] : tensor<2xi32>, tensor<i32>
    // CHECK: row.tally %{{.*}} : tensor<2xi32> -> tensor<64xi32>
    %t = row.tally %idx : tensor<2xi32> -> tensor<64xi32>
    // CHECK: row.yield %{{.*}}, %{{.*}} : tensor<2xi32>, tensor<64xi32>
    row.yield %idx, %t : tensor<2xi32>, tensor<64xi32>
  // CHECK: } -> tensor<?x2xi32>, tensor<64xi32>
  } -> tensor<?x2xi32>, tensor<64xi32>
  return %i, %c : tensor<?x2xi32>, tensor<64xi32>
}

// CHECK-LABEL: func @buffers
func.func @buffers(%x: memref<?x8x32xbf16>, %w: memref<32xf32>, %o: memref<?xf32>) {
  // CHECK: row.program ins(%{{.*}}) uniform(%{{.*}} : memref<32xf32>) outs(%{{.*}} : memref<?xf32>) {
  row.program ins(%x : memref<?x8x32xbf16>) uniform(%w : memref<32xf32>) outs(%o : memref<?xf32>) {
  ^bb0(%a: tensor<8x32xbf16>, %b: tensor<32xf32>):
    // CHECK: row.sum butterfly %{{.*}} : tensor<32xf32> -> tensor<f32>
    %s = row.sum butterfly %b : tensor<32xf32> -> tensor<f32>
    row.yield %s : tensor<f32>
  }
  return
}

// CHECK-LABEL: func @choices
func.func @choices(%k: tensor<8x32xf32>, %j: tensor<8x32xi64>, %m: tensor<8x32xi1>, %c: tensor<i32>,
                   %t: tensor<8xf32>, %d: tensor<?xi1>) {
  // CHECK: row.choose by(%{{.*}}, %{{.*}} : tensor<8x32xf32>, tensor<8x32xi64>) up [false, true] where(%{{.*}} : tensor<8x32xi1>) count(%{{.*}} : tensor<i32>) until(%{{.*}}, %{{.*}} : tensor<8x32xf32>, tensor<8xf32>) : tensor<8x4xi32>, tensor<8xi32>
  %0:2 = row.choose by(%k, %j : tensor<8x32xf32>, tensor<8x32xi64>) up [false, true]
      where(%m : tensor<8x32xi1>) count(%c : tensor<i32>)
      until(%k, %t : tensor<8x32xf32>, tensor<8xf32>) : tensor<8x4xi32>, tensor<8xi32>
  // CHECK: row.choose where(%{{.*}} : tensor<?xi1>) : tensor<?xi32>, tensor<i32>
  %1:2 = row.choose where(%d : tensor<?xi1>) : tensor<?xi32>, tensor<i32>
  // CHECK: row.take %{{.*}}[%{{.*}}] : tensor<8x32xf32>, tensor<8x4xi32> -> tensor<8x4xf32>
  %2 = row.take %k[%0#0] : tensor<8x32xf32>, tensor<8x4xi32> -> tensor<8x4xf32>
  // CHECK: row.contains %{{.*}} : tensor<8x4xi32> -> tensor<8x32xi1>
  %3 = row.contains %0#0 : tensor<8x4xi32> -> tensor<8x32xi1>
  // CHECK: row.unary sigmoid %{{.*}} : tensor<8x32xf32>
  %4 = row.unary sigmoid %k : tensor<8x32xf32>
  return
}
