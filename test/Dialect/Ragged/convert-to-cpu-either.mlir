// One module for processors with and without products of bf16: functions with such products get a flag, and all that
// call them; it chooses the tile and how many rows it has.
// RUN: route-opt %s --convert-ragged-to-cpu=isa=v4+bf16 --canonicalize --cse | FileCheck %s

// CHECK-LABEL: func.func private @rows_matmul_tile(
// CHECK-SAME: attributes {ragged.uses_bf16_dot, ragged.work}
// CHECK: x86vector.avx512.dot
// CHECK-LABEL: func.func private @rows_matmul_tile_0(
// CHECK-SAME: attributes {ragged.work}
// CHECK-NOT: x86vector
// CHECK: math.fma
// CHECK-LABEL: func.func private @rows_matmul(
// CHECK-SAME: %[[DOT:[a-z0-9]+]]: i1) attributes {ragged.work}
// CHECK: memref.alloca() {alignment = 64 : i64} : memref<14x2x16xf32>
// CHECK: arith.select %[[DOT]], %c14, %c12 : index
// CHECK: scf.if %[[DOT]] {
// CHECK-NEXT: call @rows_matmul_tile(
// CHECK-NEXT: } else {
// CHECK-NEXT: call @rows_matmul_tile_0(
// CHECK-LABEL: func.func private @rows(
// CHECK-SAME: %[[FLAG:[a-z0-9]+]]: i1 {ragged.has_bf16_dot})
// CHECK: call @rows_matmul({{.*}}, %[[FLAG]]) {ragged.parallel}
func.func private @rows(%a: memref<?x60xbf16>, %g: memref<1x2x30x16x2xbf16>, %h: memref<?x32xf32>) {
  ragged.matmul rows(%a : memref<?x60xbf16>) weights(%g : memref<1x2x30x16x2xbf16>) depth 60
      outs(%h : memref<?x32xf32>) {
  ^bb0(%x: f32):
    ragged.yield %x : f32
  }
  return
}

// Both callers hand it on; the second call of one uses the same flag.
// CHECK-LABEL: func.func @twice(
// CHECK-SAME: %[[FLAG:[a-z0-9]+]]: i1 {ragged.has_bf16_dot})
// CHECK: call @rows({{.*}}, %[[FLAG]])
// CHECK: call @rows({{.*}}, %[[FLAG]])
func.func @twice(%a: memref<?x60xbf16>, %g: memref<1x2x30x16x2xbf16>, %h: memref<?x32xf32>) {
  call @rows(%a, %g, %h) : (memref<?x60xbf16>, memref<1x2x30x16x2xbf16>, memref<?x32xf32>) -> ()
  call @rows(%a, %g, %h) : (memref<?x60xbf16>, memref<1x2x30x16x2xbf16>, memref<?x32xf32>) -> ()
  return
}

// Products of f32 are the same everywhere.
// CHECK-LABEL: func.func @wide(
// CHECK-SAME: %{{[a-z0-9]+}}: memref<?x16xf32>)
func.func @wide(%a: memref<?x8xf32>, %w: memref<1x1x8x16xf32>, %y: memref<?x16xf32>) {
  ragged.matmul rows(%a : memref<?x8xf32>) weights(%w : memref<1x1x8x16xf32>) depth 8 outs(%y : memref<?x16xf32>) {
  ^bb0(%acc: f32):
    ragged.yield %acc : f32
  }
  return
}
