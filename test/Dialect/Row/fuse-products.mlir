// A dense product that only a row program reads moves into it; its results for
// all items are gone. Others stay.
// RUN: route-opt %s --row-fuse-products | FileCheck %s
// RUN: route-opt %s --row-fuse-products --row-distribute=lanes=8 --canonicalize --cse | FileCheck %s --check-prefix=LOOPS

// CHECK-LABEL: func @gate
// CHECK-SAME: %[[X:.*]]: tensor<?x64xbf16>, %[[W:.*]]: tensor<1x32x64xbf16>, %[[B:.*]]: tensor<1x32xf32>, %[[S:.*]]: tensor<?xf32>
// CHECK-NOT: ragged.matmul
// CHECK: row.program ins(%[[X]], %[[S]] : tensor<?x64xbf16>, tensor<?xf32>)
// CHECK-SAME: uniform(%[[W]], %[[B]] : tensor<1x32x64xbf16>, tensor<1x32xf32>)
// CHECK-NEXT: ^bb0(%[[ROW:.*]]: tensor<64xbf16>, %[[SCALE:.*]]: tensor<f32>, %[[U:.*]]: tensor<1x32x64xbf16>, %[[V:.*]]: tensor<1x32xf32>):
// CHECK: %[[ONE:.*]] = tensor.expand_shape %[[ROW]] {{.*}} into tensor<1x64xbf16>
// CHECK: %[[PER:.*]] = tensor.expand_shape %[[SCALE]] {{.*}} into tensor<1xf32>
// CHECK: %[[P:.*]] = ragged.matmul rows(%[[ONE]] : {{.*}}) weights(%[[U]] : {{.*}}) per_expert(%[[V]] : {{.*}}) per_row(%[[PER]] : {{.*}})
// CHECK: arith.addf
// CHECK: -> tensor<1x32xf32>
// CHECK: %[[L:.*]] = tensor.collapse_shape %[[P]] {{.*}} into tensor<32xf32>
// CHECK: row.choose by(%[[L]]

// Blocks of 64 items: their products are 8 KB on the stack; then eight items at
// a time, which read them there.
// LOOPS-LABEL: func @gate
// LOOPS-NOT: ragged.matmul
// LOOPS-LABEL: func private @gate_rows0(
// LOOPS-SAME: %[[BEGIN:.*]]: index, %[[END:.*]]: index, %[[X:[a-z0-9]+]]: memref<?x64xbf16>
// LOOPS-DAG: %[[EIGHT:.*]] = arith.constant 8 : index
// LOOPS-DAG: %[[BLOCK:.*]] = arith.constant 64 : index
// LOOPS: %[[BUFFER:.*]] = memref.alloca() {{.*}} : memref<64x1x32xf32>
// LOOPS: scf.for %[[FROM:.*]] = %[[BEGIN]] to %[[END]] step %[[BLOCK]] {
// LOOPS: %[[TO:.*]] = arith.minsi
// LOOPS: %[[COUNT:.*]] = arith.subi %[[TO]], %[[FROM]]
// LOOPS: %[[ROWS:.*]] = memref.subview %[[X]][%[[FROM]], 0] [%[[COUNT]], 64]
// LOOPS: ragged.matmul rows(%[[ROWS]] :
// LOOPS: scf.for %{{.*}} = %[[FROM]] to %[[TO]] step %[[EIGHT]] {
// LOOPS-NOT: memref.alloca()
// LOOPS: vector.load %{{.*}} : memref<64x32xf32>, vector<8xf32>
// LOOPS: vector.shuffle
func.func @gate(%x: tensor<?x64xbf16>, %w: tensor<1x32x64xbf16>, %b: tensor<1x32xf32>, %s: tensor<?xf32>,
                %l0: tensor<?x32xf32>, %out: tensor<?x4xi32>) -> tensor<?x4xi32> {
  %l = ragged.matmul rows(%x : tensor<?x64xbf16>) weights(%w : tensor<1x32x64xbf16>)
      per_expert(%b : tensor<1x32xf32>) per_row(%s : tensor<?xf32>) outs(%l0 : tensor<?x32xf32>) {
  ^bb0(%a: f32, %c: f32, %d: f32):
    %e = arith.addf %a, %c : f32
    %f = arith.mulf %e, %d : f32
    ragged.yield %f : f32
  } -> tensor<?x32xf32>
  %r = row.program ins(%l : tensor<?x32xf32>) outs(%out : tensor<?x4xi32>) {
  ^bb0(%row: tensor<32xf32>):
    %i, %n = row.choose by(%row : tensor<32xf32>) : tensor<4xi32>, tensor<i32>
    row.yield %i : tensor<4xi32>
  } -> tensor<?x4xi32>
  return %r : tensor<?x4xi32>
}

// The logits are asked for.
// CHECK-LABEL: func @asked
// CHECK: %[[L:.*]] = ragged.matmul
// CHECK: row.program ins(%[[L]] :
func.func @asked(%x: tensor<?x64xf32>, %w: tensor<1x32x64xf32>, %l0: tensor<?x32xf32>, %out: tensor<?x4xi32>)
    -> (tensor<?x4xi32>, tensor<?x32xf32>) {
  %l = ragged.matmul rows(%x : tensor<?x64xf32>) weights(%w : tensor<1x32x64xf32>) outs(%l0 : tensor<?x32xf32>) {
  ^bb0(%a: f32):
    ragged.yield %a : f32
  } -> tensor<?x32xf32>
  %r = row.program ins(%l : tensor<?x32xf32>) outs(%out : tensor<?x4xi32>) {
  ^bb0(%row: tensor<32xf32>):
    %i, %n = row.choose by(%row : tensor<32xf32>) : tensor<4xi32>, tensor<i32>
    row.yield %i : tensor<4xi32>
  } -> tensor<?x4xi32>
  return %r, %l : tensor<?x4xi32>, tensor<?x32xf32>
}

// A product of experts: its rows are not the program's items alone to divide.
// CHECK-LABEL: func @grouped
// CHECK: ragged.matmul
// CHECK: row.program
func.func @grouped(%x: tensor<?x64xf32>, %o: tensor<3xi32>, %w: tensor<2x32x64xf32>, %l0: tensor<?x32xf32>,
                   %out: tensor<?x4xi32>) -> tensor<?x4xi32> {
  %l = ragged.matmul rows(%x : tensor<?x64xf32>) offsets(%o : tensor<3xi32>) weights(%w : tensor<2x32x64xf32>)
      outs(%l0 : tensor<?x32xf32>) {
  ^bb0(%a: f32):
    ragged.yield %a : f32
  } -> tensor<?x32xf32>
  %r = row.program ins(%l : tensor<?x32xf32>) outs(%out : tensor<?x4xi32>) {
  ^bb0(%row: tensor<32xf32>):
    %i, %n = row.choose by(%row : tensor<32xf32>) : tensor<4xi32>, tensor<i32>
    row.yield %i : tensor<4xi32>
  } -> tensor<?x4xi32>
  return %r : tensor<?x4xi32>
}

// A product of a product: the outer one moves, the inner one stays its rows.
// CHECK-LABEL: func @chain
// CHECK: %[[H:.*]] = ragged.matmul
// CHECK-NOT: ragged.matmul
// CHECK: row.program ins(%[[H]] :
// CHECK: ragged.matmul
func.func @chain(%x: tensor<?x64xf32>, %w: tensor<1x16x64xf32>, %u: tensor<1x32x16xf32>, %h0: tensor<?x16xf32>,
                 %l0: tensor<?x32xf32>, %out: tensor<?x4xi32>) -> tensor<?x4xi32> {
  %h = ragged.matmul rows(%x : tensor<?x64xf32>) weights(%w : tensor<1x16x64xf32>) outs(%h0 : tensor<?x16xf32>) {
  ^bb0(%a: f32):
    ragged.yield %a : f32
  } -> tensor<?x16xf32>
  %l = ragged.matmul rows(%h : tensor<?x16xf32>) weights(%u : tensor<1x32x16xf32>) outs(%l0 : tensor<?x32xf32>) {
  ^bb0(%a: f32):
    ragged.yield %a : f32
  } -> tensor<?x32xf32>
  %r = row.program ins(%l : tensor<?x32xf32>) outs(%out : tensor<?x4xi32>) {
  ^bb0(%row: tensor<32xf32>):
    %i, %n = row.choose by(%row : tensor<32xf32>) : tensor<4xi32>, tensor<i32>
    row.yield %i : tensor<4xi32>
  } -> tensor<?x4xi32>
  return %r : tensor<?x4xi32>
}
