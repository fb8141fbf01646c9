// A dense product runs in the kernel of one over experts, whose lists of offsets and of tiles taken are then ones of none.
// RUN: route-opt %s --convert-ragged-to-wgmma --convert-ragged-to-kernels --route-merge-kernels --split-input-file | FileCheck %s
// RUN: route-opt %s --convert-ragged-to-wgmma --split-input-file | FileCheck %s --check-prefix=APART

// CHECK-LABEL: func.func @dense
// CHECK: gpu.launch_func @kernels::@dense_matmul_0
// Tiles at most: those of its rows and one more, times the columns'.
// CHECK: %[[NONE:.*]] = memref.alloc() : memref<0xi32>
// CHECK: %[[ROWS:.*]] = arith.ceildivui
// CHECK: arith.addi %[[ROWS]], %c1{{[_ ]}}
// CHECK: gpu.launch_func @kernels::@[[BOTH:dense_wgmma_[0-9]+]] {{.*}}%[[NONE]] : memref<0xi32>, %[[NONE]] : memref<0xi32>, %{{.*}} : memref<?x2048xbf16>)
// CHECK-LABEL: func.func @grouped
// CHECK-NOT: memref<0xi32>
// CHECK: gpu.launch_func @kernels::@[[BOTH]] {{.*}}%arg1 : memref<257xi32>, %{{.*}} : memref<1xi32>, %{{.*}} : memref<?x2048xbf16>)
// CHECK-LABEL: gpu.module @kernels
// CHECK: llvm.func @[[BOTH]](
// CHECK-NOT: @grouped_wgmma
// Whether the list has elements is known at run time: where it has none, rows are the first expert's.
// APART-LABEL: llvm.func @grouped_wgmma_0
// APART: %[[DENSE:.*]] = arith.cmpi eq, %{{.*}}, %c0_i64
// APART: scf.if %[[DENSE]] -> (i32) {
// APART: memref.dim
// APART: } else {
// APART: memref.load %{{.*}} : memref<257xi32>
// So are its tiles: taken in turn.
// APART: scf.while
// APART: arith.cmpi eq, %{{.*}}, %c0_i64
// APART: scf.if {{.*}} -> (i32) {
// APART-NEXT: scf.yield
// APART-NEXT: } else {
// APART: llvm.atomicrmw add
func.func @dense(%x: memref<?x512xbf16>, %w: memref<1x2048x512xbf16>, %out: memref<?x2048xbf16>) {
  ragged.matmul rows(%x : memref<?x512xbf16>) weights(%w : memref<1x2048x512xbf16>) outs(%out : memref<?x2048xbf16>) {
  ^bb0(%a: f32):
    %r = arith.truncf %a : f32 to bf16
    ragged.yield %r : bf16
  }
  return
}
func.func @grouped(%x: memref<?x512xbf16>, %o: memref<257xi32>, %w: memref<256x2048x512xbf16>, %out: memref<?x2048xbf16>) {
  ragged.matmul rows(%x : memref<?x512xbf16>) offsets(%o : memref<257xi32>) weights(%w : memref<256x2048x512xbf16>) outs(%out : memref<?x2048xbf16>) {
  ^bb0(%a: f32):
    %r = arith.truncf %a : f32 to bf16
    ragged.yield %r : bf16
  }
  return
}

// -----
// Not where something else becomes of the sums, nor with other columns.
// CHECK-LABEL: func.func @other
// CHECK-NOT: memref<0xi32>
// CHECK-LABEL: func.func @narrower
// CHECK-NOT: memref<0xi32>
// CHECK: gpu.module @kernels
// APART-LABEL: llvm.func @grouped_wgmma_0
// APART-NOT: scf.if %{{.*}} -> (i32)
// APART: memref.load %{{.*}} : memref<257xi32>
func.func @other(%x: memref<?x512xbf16>, %w: memref<1x2048x512xbf16>, %out: memref<?x2048xbf16>) {
  ragged.matmul rows(%x : memref<?x512xbf16>) weights(%w : memref<1x2048x512xbf16>) outs(%out : memref<?x2048xbf16>) {
  ^bb0(%a: f32):
    %s = arith.addf %a, %a : f32
    %r = arith.truncf %s : f32 to bf16
    ragged.yield %r : bf16
  }
  return
}
func.func @narrower(%x: memref<?x512xbf16>, %w: memref<1x1920x512xbf16>, %out: memref<?x1920xbf16>) {
  ragged.matmul rows(%x : memref<?x512xbf16>) weights(%w : memref<1x1920x512xbf16>) outs(%out : memref<?x1920xbf16>) {
  ^bb0(%a: f32):
    %r = arith.truncf %a : f32 to bf16
    ragged.yield %r : bf16
  }
  return
}
func.func @grouped(%x: memref<?x512xbf16>, %o: memref<257xi32>, %w: memref<256x2048x512xbf16>, %out: memref<?x2048xbf16>) {
  ragged.matmul rows(%x : memref<?x512xbf16>) offsets(%o : memref<257xi32>) weights(%w : memref<256x2048x512xbf16>) outs(%out : memref<?x2048xbf16>) {
  ^bb0(%a: f32):
    %r = arith.truncf %a : f32 to bf16
    ragged.yield %r : bf16
  }
  return
}
