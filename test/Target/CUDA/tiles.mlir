// Which forms a product gets: by the cost model, by findings of `route-run --tune`, or all of them, to be measured.
// RUN: route-opt %s --convert-ragged-to-wgmma --split-input-file --verify-diagnostics | FileCheck %s

// Columns for three tiles of 128, or for one of 256 and a bit: small tiles while there are too few of them to keep the
// device busy, large ones then. Each has a kernel.
// CHECK-LABEL: func.func @model
// CHECK: arith.cmpi ule, %{{.*}}, %c1{{ }}
// CHECK: ragged.matmul
// CHECK: arith.cmpi ule, %{{.*}}, %[[AT:c[0-9]+]]{{ }}
// CHECK: gpu.launch_func @kernels::@model_wgmma_0
// CHECK: } else {
// CHECK: gpu.launch_func @kernels::@model_wgmma_1
// CHECK-NOT: memref.global
// CHECK-LABEL: llvm.func @model_wgmma_0
// CHECK-LABEL: llvm.func @model_wgmma_1
func.func @model(%x: memref<?x2048xbf16>, %o: memref<7xi32>, %w: memref<6x2048x264xbf16>, %out: memref<?x264xbf16>) {
  ragged.matmul rows(%x : memref<?x2048xbf16>) offsets(%o : memref<7xi32>) weights(%w : memref<6x2048x264xbf16>)
      transposed outs(%out : memref<?x264xbf16>) {
  ^bb0(%a: f32):
    %r = arith.truncf %a : f32 to bf16
    ragged.yield %r : bf16
  }
  return
}

// -----
// A launch takes longer than what the tiles of so small a product differ by: one kernel is enough.
// CHECK-LABEL: func.func @small
// CHECK: ragged.matmul
// CHECK: gpu.launch_func @kernels::@small_wgmma_0
// CHECK-NOT: gpu.launch_func
// CHECK-LABEL: llvm.func @small_wgmma_0
func.func @small(%x: memref<?x64xbf16>, %o: memref<7xi32>, %w: memref<6x64x264xbf16>, %out: memref<?x264xbf16>) {
  ragged.matmul rows(%x : memref<?x64xbf16>) offsets(%o : memref<7xi32>) weights(%w : memref<6x64x264xbf16>)
      transposed outs(%out : memref<?x264xbf16>) {
  ^bb0(%a: f32):
    %r = arith.truncf %a : f32 to bf16
    ragged.yield %r : bf16
  }
  return
}

// -----
// The model counts a few rows as those of the narrowest tile that the kernel has, 64 rows, also in larger tiles: by narrower ones
// of its own it took a second kernel here, which saves less than that is worth. The kernel's widths are the model's.
// CHECK-LABEL: func.func @widths
// CHECK: gpu.launch_func @kernels::@widths_wgmma_0
// CHECK-NOT: gpu.launch_func
// CHECK-LABEL: llvm.func @widths_wgmma_0
// CHECK-NOT: .m64n{{(16|32|48|80|112|144)}}k16.
// CHECK-DAG: .m64n64k16.
// CHECK-DAG: .m64n96k16.
// CHECK-DAG: .m64n128k16.
// CHECK-DAG: .m64n160k16.
func.func @widths(%x: memref<?x4096xbf16>, %o: memref<7xi32>, %w: memref<6x128x4096xbf16>, %v: memref<6x128x4096xbf16>,
    %out: memref<?x128xbf16>) {
  ragged.matmul rows(%x : memref<?x4096xbf16>) offsets(%o : memref<7xi32>)
      weights(%w, %v : memref<6x128x4096xbf16>, memref<6x128x4096xbf16>) outs(%out : memref<?x128xbf16>) {
  ^bb0(%a: f32, %b: f32):
    %p = arith.mulf %a, %b : f32
    %r = arith.truncf %p : f32 to bf16
    ragged.yield %r : bf16
  }
  return
}

// -----
// Findings name forms and the rows up to which each runs; their shape is marked as used. Tiles of 64 rows have a path for
// 64, those of 128 for 128.
module attributes {route.tuning = {
    "bf16[6, 512, 200] to bf16" = [{form = "few", rows = 3}, {form = "64x128", rows = 100}, {form = "128x256"}],
    "bf16[7, 512, 200] to bf16" = [{form = "64x128"}]}} {
// CHECK: module attributes {{{.*}}route.tuned = ["bf16[6, 512, 200] to bf16"]
// CHECK-LABEL: func.func @found
// CHECK: arith.cmpi ule, %{{.*}}, %c3{{ }}
// CHECK: ragged.matmul
// CHECK: arith.cmpi ule, %{{.*}}, %c100{{ }}
// CHECK: arith.ceildivui %{{.*}}, %c64
// CHECK: arith.muli %{{.*}}, %c2{{[_ ]}}
// CHECK: gpu.launch_func @kernels::@found_wgmma_0
// CHECK: arith.ceildivui %{{.*}}, %c128
// CHECK: gpu.launch_func @kernels::@found_wgmma_1
// CHECK-LABEL: llvm.func @found_wgmma_0
// CHECK-SAME: route.tensor_map = array<i64: 1, 128, 64>
// CHECK: .m64n64k16.
// CHECK-NOT: .m64n128k16.
// CHECK-LABEL: llvm.func @found_wgmma_1
// CHECK-SAME: route.tensor_map = array<i64: 1, 256, 64>
// CHECK: .m64n128k16.
func.func @found(%x: memref<?x512xbf16>, %o: memref<7xi32>, %w: memref<6x200x512xbf16>, %out: memref<?x200xbf16>) {
  ragged.matmul rows(%x : memref<?x512xbf16>) offsets(%o : memref<7xi32>) weights(%w : memref<6x200x512xbf16>)
      outs(%out : memref<?x200xbf16>) {
  ^bb0(%a: f32):
    %r = arith.truncf %a : f32 to bf16
    ragged.yield %r : bf16
  }
  return
}
}

// -----
// A product of a chain that has a form of its own for few rows needs none here.
module attributes {route.tuning = {"bf16[6, 512, 200] to bf16" = [{form = "few", rows = 3}, {form = "64x128"}]}} {
// CHECK-LABEL: func.func @chain
// CHECK-NOT: scf.if
// CHECK: gpu.launch_func @kernels::@chain_wgmma_0
func.func @chain(%x: memref<?x512xbf16>, %o: memref<7xi32>, %w: memref<6x200x512xbf16>, %out: memref<?x200xbf16>) {
  ragged.matmul rows(%x : memref<?x512xbf16>) offsets(%o : memref<7xi32>) weights(%w : memref<6x200x512xbf16>)
      outs(%out : memref<?x200xbf16>) attributes {ragged.many} {
  ^bb0(%a: f32):
    %r = arith.truncf %a : f32 to bf16
    ragged.yield %r : bf16
  }
  return
}
}

// -----
// Forms that do not fit registers, or have no such name.
module attributes {route.tuning = {"bf16[6, 512, 200] * 2 to bf16" = [{form = "160x256"}]}} {
func.func @large(%x: memref<?x512xbf16>, %o: memref<7xi32>, %w: memref<6x200x512xbf16>, %out: memref<?x200xbf16>) {
  // expected-error @+1 {{the findings for 'bf16[6, 512, 200] * 2 to bf16' name the form '160x256', which this product does not have}}
  ragged.matmul rows(%x : memref<?x512xbf16>) offsets(%o : memref<7xi32>)
      weights(%w, %w : memref<6x200x512xbf16>, memref<6x200x512xbf16>) outs(%out : memref<?x200xbf16>) {
  ^bb0(%a: f32, %b: f32):
    %p = arith.mulf %a, %b : f32
    %r = arith.truncf %p : f32 to bf16
    ragged.yield %r : bf16
  }
  return
}
}

// -----
module attributes {route.tuning = {"bf16[1, 512, 200] dense to bf16" = [{form = "wide"}]}} {
func.func @unknown(%x: memref<?x512xbf16>, %w: memref<1x200x512xbf16>, %out: memref<?x200xbf16>) {
  // expected-error @+1 {{the findings for 'bf16[1, 512, 200] dense to bf16' name the form 'wide', which}}
  ragged.matmul rows(%x : memref<?x512xbf16>) weights(%w : memref<1x200x512xbf16>) outs(%out : memref<?x200xbf16>) {
  ^bb0(%a: f32):
    %r = arith.truncf %a : f32 to bf16
    ragged.yield %r : bf16
  }
  return
}
}

// -----
// To be measured: all forms that fit, of which an array of the library chooses; the rows of the call are written down.
module attributes {route.tunable} {
// CHECK: module attributes {{{.*}}route.choices = [{entry = "measured", forms = ["few", "{{[0-9]+x[0-9]+}}"
// CHECK-SAME: "80x256"
// CHECK-SAME: most = [1{{.*}}shape = "bf16[6, 512, 200] * 2 to bf16"}]
// CHECK-DAG: memref.global @route.seen_rows : memref<64xi64>
// CHECK-DAG: memref.global @route.chosen_forms : memref<64xi32>
// CHECK-LABEL: func.func @measured
// CHECK: memref.store %{{.*}}, %{{.*}}[%c0{{.*}}] : memref<64xi64>
// CHECK: %[[CHOSEN:.*]] = memref.load %{{.*}}[%c0{{.*}}] : memref<64xi32>
// CHECK: %[[OWN:.*]] = arith.cmpi ule, %{{.*}}, %c1{{ }}
// CHECK: %[[OPEN:.*]] = arith.cmpi slt, %[[CHOSEN]], %c0_i32
// CHECK: %[[THIS:.*]] = arith.cmpi eq, %[[CHOSEN]], %c0_i32
// CHECK: %[[TAKEN:.*]] = arith.select %[[OPEN]], %[[OWN]], %[[THIS]] : i1
// CHECK: scf.if %[[TAKEN]] {
// CHECK-NEXT: ragged.matmul
// CHECK-COUNT-5: gpu.launch_func
func.func @measured(%x: memref<?x512xbf16>, %o: memref<7xi32>, %w: memref<6x200x512xbf16>, %out: memref<?x200xbf16>) {
  ragged.matmul rows(%x : memref<?x512xbf16>) offsets(%o : memref<7xi32>)
      weights(%w, %w : memref<6x200x512xbf16>, memref<6x200x512xbf16>) outs(%out : memref<?x200xbf16>) {
  ^bb0(%a: f32, %b: f32):
    %p = arith.mulf %a, %b : f32
    %r = arith.truncf %p : f32 to bf16
    ragged.yield %r : bf16
  }
  return
}
}
