// Entries that need the same kernel share one, whatever its form; others keep their own.
// RUN: route-opt %s --convert-ragged-to-wgmma=splits=1 --convert-ragged-to-kernels --route-merge-kernels | FileCheck %s

// CHECK-LABEL: func.func @first
// CHECK: gpu.launch_func @kernels::@first_matmul_0
// CHECK: gpu.launch_func @kernels::@first_wgmma_0
// CHECK-LABEL: func.func @second
// CHECK: gpu.launch_func @kernels::@first_matmul_0
// CHECK: gpu.launch_func @kernels::@first_wgmma_0
// Another epilogue.
// CHECK-LABEL: func.func @third
// CHECK: gpu.launch_func @kernels::@third_matmul_0
// CHECK: gpu.launch_func @kernels::@third_wgmma_0
// Other types of the same body.
// CHECK-LABEL: func.func @gathers
// CHECK: gpu.launch_func @kernels::@gathers_gather_0
// CHECK: gpu.launch_func @kernels::@gathers_gather_1
// CHECK: gpu.launch_func @kernels::@gathers_gather_0
// CHECK-LABEL: gpu.module @kernels
// CHECK-NOT: @second
// CHECK-NOT: @gathers_gather_2
func.func @first(%x: memref<?x512xbf16>, %w: memref<1x128x512xbf16>, %out: memref<?x128xf32>) {
  ragged.matmul rows(%x : memref<?x512xbf16>) weights(%w : memref<1x128x512xbf16>) outs(%out : memref<?x128xf32>) {
  ^bb0(%a: f32):
    %r = arith.mulf %a, %a : f32
    ragged.yield %r : f32
  }
  return
}
func.func @second(%x: memref<?x512xbf16>, %w: memref<1x128x512xbf16>, %out: memref<?x128xf32>) {
  ragged.matmul rows(%x : memref<?x512xbf16>) weights(%w : memref<1x128x512xbf16>) outs(%out : memref<?x128xf32>) {
  ^bb0(%a: f32):
    %r = arith.mulf %a, %a : f32
    ragged.yield %r : f32
  }
  return
}
func.func @third(%x: memref<?x512xbf16>, %w: memref<1x128x512xbf16>, %out: memref<?x128xf32>) {
  ragged.matmul rows(%x : memref<?x512xbf16>) weights(%w : memref<1x128x512xbf16>) outs(%out : memref<?x128xf32>) {
  ^bb0(%a: f32):
    %r = arith.addf %a, %a : f32
    ragged.yield %r : f32
  }
  return
}
func.func @gathers(%x: memref<?x64xbf16>, %y: memref<?x64xf32>, %perm: memref<?xi32>, %a: memref<?x64xbf16>, %b: memref<?x64xf32>) {
  ragged.gather ins(%x, %perm : memref<?x64xbf16>, memref<?xi32>) outs(%a : memref<?x64xbf16>) slots 2
  ragged.gather ins(%y, %perm : memref<?x64xf32>, memref<?xi32>) outs(%b : memref<?x64xf32>) slots 2
  ragged.gather ins(%x, %perm : memref<?x64xbf16>, memref<?xi32>) outs(%a : memref<?x64xbf16>) slots 2
  return
}
