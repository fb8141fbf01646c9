// Row programs become functions over ranges of items: vectors of items, a
// network for the choice, own counters for the accumulator.
// RUN: route-opt %s --row-distribute="lanes=8 lanes64=4" --canonicalize | FileCheck %s
// RUN: route-opt %s --row-distribute=lanes=1 --canonicalize | FileCheck %s --check-prefix=SCALAR

// CHECK: memref.global "private" constant @[[TABLE:.*]] : memref<32xi64>
// CHECK-LABEL: func @top
// CHECK: %[[N:.*]] = memref.dim
// CHECK: call @top_rows0(%{{.*}}, %[[N]],
// CHECK-LABEL: func private @top_rows0
// CHECK-SAME: row.body, row.parallel
// The counter has a slot for padding; scratch stands in front of the loop.
// CHECK: memref.alloca() {{.*}} : memref<33xi32>
// CHECK: memref.alloca()
// CHECK: scf.for
// CHECK-NOT: memref.alloca
// Items are transposed into lanes.
// CHECK: vector.load {{.*}} vector<8xf32>
// CHECK: vector.shuffle
// Elementwise work on eight items at a time.
// CHECK: arith.mulf {{.*}} : vector<8xf32>
// The choice: four 64-bit candidates at a time.
// CHECK: memref.get_global @[[TABLE]]
// CHECK: scf.for {{.*}} iter_args({{.*}}) -> (vector<4xi64>, vector<4xi64>, vector<4xi64>, vector<4xi64>)
// CHECK: arith.maxsi {{.*}} : vector<4xi64>
// CHECK: memref.atomic_rmw addi

// SCALAR-LABEL: func private @top_rows0
// SCALAR-NOT: vector<
// SCALAR: scf.while
// SCALAR-NOT: vector<
func.func @top(%x: memref<?x32xf32>, %idx: memref<?x4xi32>, %n: memref<32xi32>) {
  row.program ins(%x : memref<?x32xf32>) outs(%idx : memref<?x4xi32>) acc(%n : memref<32xi32>) {
  ^bb0(%r: tensor<32xf32>):
    %s = arith.mulf %r, %r : tensor<32xf32>
    %i, %c = row.choose by(%s : tensor<32xf32>) : tensor<4xi32>, tensor<i32>
    %t = row.tally %i : tensor<4xi32> -> tensor<32xi32>
    row.yield %i, %t : tensor<4xi32>, tensor<32xi32>
  }
  return
}

// Order matters to a sum of floats: such a program does not run in parallel.
// CHECK-LABEL: func private @mass_rows0
// CHECK-SAME: row.body
// CHECK-NOT: row.parallel
// CHECK: scf.for
func.func @mass(%x: memref<?x32xf32>, %n: memref<32xf32>) {
  row.program ins(%x : memref<?x32xf32>) acc(%n : memref<32xf32>) {
  ^bb0(%r: tensor<32xf32>):
    row.yield %r : tensor<32xf32>
  }
  return
}

// Unknown sizes: no function, scratch in front of the loop.
// CHECK-LABEL: func @unknown
// CHECK: memref.alloc(
// CHECK: scf.for
// CHECK-NOT: memref.alloc(
// CHECK: return
func.func @unknown(%x: memref<?x?xf32>, %s: memref<?xi32>) {
  row.program ins(%x : memref<?x?xf32>) outs(%s : memref<?xi32>) {
  ^bb0(%r: tensor<?xf32>):
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    %n = tensor.dim %r, %c0 : tensor<?xf32>
    %e = tensor.empty(%n) : tensor<?xf32>
    %z = linalg.fill ins(%zero : f32) outs(%e : tensor<?xf32>) -> tensor<?xf32>
    %y = arith.addf %r, %z : tensor<?xf32>
    %i, %c = row.choose by(%y : tensor<?xf32>) : tensor<2xi32>, tensor<i32>
    row.yield %c : tensor<i32>
  }
  return
}

// Scratch of very long rows would not fit the stack in lanes.
// CHECK-LABEL: func private @long_rows0
// CHECK: scf.for
// CHECK-NOT: vector<
// CHECK: return
func.func @long(%x: memref<?x20000xf32>, %idx: memref<?x4xi32>) {
  row.program ins(%x : memref<?x20000xf32>) outs(%idx : memref<?x4xi32>) {
  ^bb0(%r: tensor<20000xf32>):
    %i, %c = row.choose by(%r : tensor<20000xf32>) : tensor<4xi32>, tensor<i32>
    row.yield %i : tensor<4xi32>
  }
  return
}
