// Each op becomes loops in place, or a function over a range of work items and a call over all of them.
// RUN: route-opt %s --convert-ragged-to-cpu=isa=v4-bf16 --canonicalize --cse | FileCheck %s --check-prefixes=CHECK,DOT
// RUN: route-opt %s --convert-ragged-to-cpu=isa=v4 --canonicalize --cse | FileCheck %s --check-prefixes=CHECK,WIDEN
// RUN: route-opt %s --convert-ragged-to-cpu=isa=v3 --canonicalize --cse | FileCheck %s --check-prefixes=CHECK,WIDEN,NARROW

// Indices are compared unsigned, so that padding falls out with what is too large.
// CHECK-LABEL: func.func @indices
// CHECK-SAME: (%[[IDX:.*]]: memref<?x2xi32>, %[[COUNTS:.*]]: memref<4xi32>, %[[OFFSETS:.*]]: memref<5xi32>, %[[PERM:.*]]: memref<?xi32>, %[[INV:.*]]: memref<?x2xi32>)
// CHECK: memref.alloca() {alignment = 64 : i64} : memref<4xi32>
// CHECK: %[[E:.*]] = memref.load %[[IDX]]
// CHECK: arith.cmpi ult, %[[E]], %{{.*}} : i32
// CHECK: memref.store %{{.*}}, %[[COUNTS]]
// CHECK: memref.store %{{.*}}, %[[OFFSETS]]
// CHECK: memref.store %{{.*}}, %[[INV]]
// CHECK: memref.store %{{.*}}, %[[PERM]]
// CHECK: memref.store %c-1_i32, %[[INV]]
// CHECK-NOT: ragged.{{count|offsets|permute}}
func.func @indices(%idx: memref<?x2xi32>, %counts: memref<4xi32>, %offsets: memref<5xi32>, %perm: memref<?xi32>,
    %inv: memref<?x2xi32>) {
  ragged.count ins(%idx : memref<?x2xi32>) outs(%counts : memref<4xi32>)
  ragged.offsets ins(%counts : memref<4xi32>) outs(%offsets : memref<5xi32>)
  ragged.permute ins(%idx, %offsets : memref<?x2xi32>, memref<5xi32>) outs(%perm, %inv : memref<?xi32>, memref<?x2xi32>)
  return
}

// A row a work item, copied as memory.
// CHECK-LABEL: func.func private @move_gather
// CHECK-SAME: (%[[BEGIN:.*]]: index, %[[END:.*]]: index, %[[X:.*]]: memref<?x100xbf16>, %[[PERM:.*]]: memref<?xi32>, %[[A:.*]]: memref<?x100xbf16>) attributes {ragged.work}
// CHECK: scf.for %[[M:.*]] = %[[BEGIN]] to %[[END]]
// CHECK: %[[SLOT:.*]] = memref.load %[[PERM]][%[[M]]]
// CHECK: arith.cmpi sge, %[[SLOT]]
// CHECK: %[[FROM:.*]] = memref.subview %[[X]][%{{.*}}, 0] [1, 100] [1, 1]
// CHECK: %[[TO:.*]] = memref.subview %[[A]][%[[M]], 0] [1, 100] [1, 1]
// CHECK: memref.copy %[[FROM]], %[[TO]]
// The sum over ranks starts from -0 where there are terms, product and sum apart.
// CHECK-LABEL: func.func private @move_combine
// CHECK: arith.mulf %{{.*}} : vector<16xf32>
// CHECK: arith.addf %{{.*}} : vector<16xf32>
// CHECK: arith.truncf %{{.*}} : vector<16xf32> to vector<16xbf16>
// CHECK-LABEL: func.func @move(
// CHECK: %[[ROWS:.*]] = memref.dim %{{.*}}, %c0 : memref<?xi32>
// CHECK: call @move_gather(%c0, %[[ROWS]], {{.*}}) {ragged.parallel}
// CHECK: %[[ITEMS:.*]] = memref.dim %{{.*}}, %c0 : memref<?x2xi32>
// CHECK: call @move_combine(%c0, %[[ITEMS]], {{.*}}) {ragged.parallel}
func.func @move(%x: memref<?x100xbf16>, %perm: memref<?xi32>, %a: memref<?x100xbf16>, %y: memref<?x100xf32>,
    %inv: memref<?x2xi32>, %w: memref<?x2xf32>, %out: memref<?x100xbf16>) {
  ragged.gather ins(%x, %perm : memref<?x100xbf16>, memref<?xi32>) outs(%a : memref<?x100xbf16>) slots 2
  ragged.combine ins(%y, %inv : memref<?x100xf32>, memref<?x2xi32>) scale(%w : memref<?x2xf32>)
      outs(%out : memref<?x100xbf16>)
  return
}

// Slots' rows are added where they go, in the order of the slots: zeros first; pieces of 512 columns may run side by side.
// CHECK-LABEL: func.func private @places_combine_at
// CHECK-SAME: attributes {ragged.work}
// CHECK: vector.store %{{.*}} : memref<?x100xf32>, vector<16xf32>
// CHECK: arith.cmpi ult
// CHECK: %[[TERM:.*]] = arith.mulf %{{.*}}, %{{.*}} : vector<16xf32>
// CHECK: arith.addf %{{.*}}, %[[TERM]] : vector<16xf32>
// CHECK-LABEL: func.func @places
// CHECK: call @places_combine_at(%c0{{.*}}, %c1{{.*}}, {{.*}}) {ragged.parallel}
func.func @places(%y: memref<?x100xf32>, %inv: memref<4x?xi32>, %at: memref<4x?xi32>, %w: memref<4x?xf32>,
    %out: memref<?x100xf32>) {
  ragged.combine_at ins(%y, %inv, %at : memref<?x100xf32>, memref<4x?xi32>, memref<4x?xi32>) scale(%w : memref<4x?xf32>)
      outs(%out : memref<?x100xf32>)
  return
}

// Four experts of two panels each, two weights: a panel of each weight in a tile.
// The tile has a case for one row and one for every even number of rows.
// CHECK-LABEL: func.func private @gated_matmul_tile(
// CHECK-SAME: attributes {ragged.work}
// CHECK: scf.index_switch
// CHECK: case 0 {
// CHECK: memref.prefetch
// DOT: x86vector.avx512.dot %{{.*}} : vector<32xbf16> -> vector<16xf32>
// WIDEN-NOT: x86vector
// WIDEN: math.fma %{{.*}} : vector<16xf32>
// DOT: case 6 {
// DOT-NOT: case 7 {
// NARROW-NOT: case 2 {
// CHECK: default {
// CHECK-LABEL: func.func private @gated_matmul(
// CHECK-SAME: %[[BEGIN:.*]]: index, %[[END:.*]]: index,
// CHECK-NOT: memref.alloc(
// DOT: memref.alloca() {alignment = 64 : i64} : memref<14x2x16xf32>
// CHECK: scf.for %{{.*}} = %[[BEGIN]] to %[[END]]
// CHECK: call @gated_matmul_tile(
// The epilogue runs on vectors: the bias a column, the factor a row.
// CHECK: arith.addf %{{.*}} : vector<16xf32>
// CHECK: vector.store %{{.*}} : memref<?x32xbf16>, vector<16xbf16>
// CHECK-LABEL: func.func @gated(
// CHECK: call @gated_matmul(%c0, %c8, {{.*}}) {ragged.parallel}
func.func @gated(%a: memref<?x64xbf16>, %o: memref<5xi32>, %g: memref<4x2x32x16x2xbf16>, %u: memref<4x2x32x16x2xbf16>,
    %bias: memref<4x32xf32>, %f: memref<?xf32>, %h: memref<?x32xbf16>) {
  ragged.matmul rows(%a : memref<?x64xbf16>) offsets(%o : memref<5xi32>)
      weights(%g, %u : memref<4x2x32x16x2xbf16>, memref<4x2x32x16x2xbf16>) depth 64
      per_expert(%bias : memref<4x32xf32>) per_row(%f : memref<?xf32>) outs(%h : memref<?x32xbf16>) {
  ^bb0(%x: f32, %y: f32, %b: f32, %r: f32):
    %s = arith.addf %x, %b : f32
    %p = arith.mulf %s, %y : f32
    %q = arith.mulf %p, %r : f32
    %t = arith.truncf %q : f32 to bf16
    ragged.yield %t : bf16
  }
  return
}

// A dense matmul is one expert that has every row; its work items are panels, two at a time where registers allow.
// CHECK-LABEL: func.func private @dense_matmul_tile(
// CHECK: math.fma
// CHECK-LABEL: func.func private @dense_matmul(
// CHECK-NOT: scf.while
// CHECK-LABEL: func.func @dense(
// DOT: call @dense_matmul(%c0, %c2, {{.*}}) {ragged.parallel}
// NARROW: call @dense_matmul(%c0, %c4, {{.*}}) {ragged.parallel}
func.func @dense(%a: memref<?x8xf32>, %w: memref<1x4x8x16xf32>, %y: memref<?x64xf32>) {
  ragged.matmul rows(%a : memref<?x8xf32>) weights(%w : memref<1x4x8x16xf32>) depth 8 outs(%y : memref<?x64xf32>) {
  ^bb0(%acc: f32):
    ragged.yield %acc : f32
  }
  return
}

// CHECK-LABEL: func.func private @pack_pack
// CHECK-LABEL: func.func @pack(
// CHECK: call @pack_pack(%c0, %c6, {{.*}}) {ragged.parallel}
func.func @pack(%w: memref<3x20x33xbf16>, %p: memref<3x2x17x16x2xbf16>) {
  ragged.pack ins(%w : memref<3x20x33xbf16>) outs(%p : memref<3x2x17x16x2xbf16>)
  return
}
