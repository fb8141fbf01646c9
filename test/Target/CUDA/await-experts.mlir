// A product of the rows that another one makes begins with an expert when that one has ended it.
// RUN: route-opt %s --ragged-await-experts --convert-ragged-to-wgmma --split-input-file | FileCheck %s
// RUN: route-opt %s --convert-ragged-to-wgmma --split-input-file | FileCheck %s --check-prefix=APART

// Counters of both, and the results' buffer, are made ahead of the first product: nothing runs between the two, and no buffer that
// the first one reads is taken for results. Rows are counted by both warpgroups in each of two tiles side by side, as long as an
// expert has few on the mean: 512, or 4 MB.
// CHECK-LABEL: func.func @two
// CHECK: %[[RESULTS:.*]] = memref.alloc(%arg6) : memref<?x512xbf16>
// CHECK: %[[SECOND:.*]] = memref.alloc() {{.*}} : memref<1xi32>
// CHECK: %[[TOLD:.*]] = memref.alloc() {{.*}} : memref<8xi32>
// CHECK: linalg.fill {{.*}} outs(%[[TOLD]] : memref<8xi32>)
// CHECK: %[[FEW:.*]] = arith.cmpi ule, %{{.*}}, %c4096
// CHECK: %[[COUNTS:.*]] = arith.select %[[FEW]], %{{.*}}, %c0
// CHECK: gpu.launch_func @kernels::@two_wgmma_0 {{.*}}, %arg1 : memref<9xi32>, %{{.*}} : memref<1xi32>, %[[TOLD]] : memref<8xi32>, %arg4 : memref<?x256xbf16>, %[[COUNTS]] : index)
// CHECK-NOT: linalg.fill
// CHECK: gpu.launch_func @kernels::@two_wgmma_{{.*}}, %arg1 : memref<9xi32>, %[[SECOND]] : memref<1xi32>, %[[TOLD]] : memref<8xi32>, %[[RESULTS]] : memref<?x512xbf16>, %[[COUNTS]] : index)
// The first waits for what is ahead, and then lets the next start. A tile's rows are counted once all threads of a warpgroup
// have stored their results.
// CHECK-LABEL: llvm.func @two_wgmma_0
// CHECK-SAME: route.waits
// CHECK: nvvm.griddepcontrol wait
// CHECK: arith.cmpi ne
// CHECK: scf.if
// CHECK-NEXT: nvvm.griddepcontrol launch_dependents
// CHECK: nvvm.stmatrix
// CHECK: nvvm.barrier id = %{{.*}} number_of_threads = %c128
// CHECK: llvm.fence syncscope("device") release
// CHECK-NEXT: llvm.atomicrmw add %{{.*}}, %{{.*}} syncscope("device") monotonic : !llvm.ptr<1>, i32
// The second waits for all of it where there are no counters; else for each tile's expert, and for the rest as it ends.
// CHECK: llvm.func @two_wgmma_{{.*}} route.waits
// CHECK-NOT: llvm.load
// CHECK: nvvm.griddepcontrol wait
// CHECK: nvvm.setmaxregister decrease
// CHECK: scf.while
// CHECK: llvm.load %{{.*}} atomic syncscope("device") acquire
// CHECK: nvvm.fence.proxy {kind = #nvvm.proxy_kind<async.global>}
// CHECK: nvvm.cp.async.bulk.tensor
// CHECK: nvvm.griddepcontrol wait
// CHECK: nvvm.setmaxregister increase
// APART-NOT: griddepcontrol
func.func @two(%x: memref<?x512xbf16>, %o: memref<9xi32>, %g: memref<8x256x512xbf16>, %u: memref<8x256x512xbf16>,
               %h: memref<?x256xbf16>, %d: memref<8x512x256xbf16>, %n: index) -> memref<?x512xbf16> {
  ragged.matmul rows(%x : memref<?x512xbf16>) offsets(%o : memref<9xi32>)
      weights(%g, %u : memref<8x256x512xbf16>, memref<8x256x512xbf16>) outs(%h : memref<?x256xbf16>) attributes {ragged.many} {
  ^bb0(%a: f32, %b: f32):
    %p = arith.mulf %a, %b : f32
    %r = arith.truncf %p : f32 to bf16
    ragged.yield %r : bf16
  }
  %y = memref.alloc(%n) : memref<?x512xbf16>
  ragged.matmul rows(%h : memref<?x256xbf16>) offsets(%o : memref<9xi32>) weights(%d : memref<8x512x256xbf16>)
      outs(%y : memref<?x512xbf16>) attributes {ragged.many} {
  ^bb0(%a: f32):
    %r = arith.truncf %a : f32 to bf16
    ragged.yield %r : bf16
  }
  return %y : memref<?x512xbf16>
}

// -----
// Results may take the place of the first product's rows, row by row, and both products may have another form for few rows.
// CHECK-LABEL: func.func @in_place
// CHECK: llvm.load %{{.*}} atomic syncscope("device") acquire
func.func @in_place(%x: memref<?x512xbf16>, %o: memref<9xi32>, %w: memref<8x256x512xbf16>, %h: memref<?x256xbf16>,
                    %d: memref<8x512x256xbf16>) {
  ragged.matmul rows(%x : memref<?x512xbf16>) offsets(%o : memref<9xi32>) weights(%w : memref<8x256x512xbf16>)
      outs(%h : memref<?x256xbf16>) {
  ^bb0(%a: f32):
    %r = arith.truncf %a : f32 to bf16
    ragged.yield %r : bf16
  }
  ragged.matmul rows(%h : memref<?x256xbf16>) offsets(%o : memref<9xi32>) weights(%d : memref<8x512x256xbf16>)
      outs(%x : memref<?x512xbf16>) {
  ^bb0(%a: f32):
    %r = arith.truncf %a : f32 to bf16
    ragged.yield %r : bf16
  }
  return
}

// -----
// Another row of the same buffer may be one that is still to be read.
// CHECK-LABEL: func.func @shifted
// CHECK-NOT: acquire
func.func @shifted(%all: memref<4096x512xbf16>, %o: memref<9xi32>, %w: memref<8x256x512xbf16>, %h: memref<64x256xbf16>,
                   %d: memref<8x512x256xbf16>) {
  %x = memref.subview %all[0, 0] [64, 512] [1, 1] : memref<4096x512xbf16> to memref<64x512xbf16, strided<[512, 1]>>
  %y = memref.subview %all[8, 0] [64, 512] [1, 1]
      : memref<4096x512xbf16> to memref<64x512xbf16, strided<[512, 1], offset: 4096>>
  ragged.matmul rows(%x : memref<64x512xbf16, strided<[512, 1]>>) offsets(%o : memref<9xi32>) weights(%w : memref<8x256x512xbf16>)
      outs(%h : memref<64x256xbf16>) {
  ^bb0(%a: f32):
    %r = arith.truncf %a : f32 to bf16
    ragged.yield %r : bf16
  }
  ragged.matmul rows(%h : memref<64x256xbf16>) offsets(%o : memref<9xi32>) weights(%d : memref<8x512x256xbf16>)
      outs(%y : memref<64x512xbf16, strided<[512, 1], offset: 4096>>) {
  ^bb0(%a: f32):
    %r = arith.truncf %a : f32 to bf16
    ragged.yield %r : bf16
  }
  return
}

// -----
// Nothing may happen in between, and both have the same experts' rows.
// CHECK-LABEL: func.func @between
// CHECK-NOT: acquire
func.func @between(%x: memref<?x512xbf16>, %o: memref<9xi32>, %p: memref<9xi32>, %w: memref<8x256x512xbf16>, %h: memref<?x256xbf16>,
                   %d: memref<8x512x256xbf16>, %y: memref<?x512xbf16>, %z: memref<?x512xbf16>) {
  %zero = arith.constant 0.0 : bf16
  ragged.matmul rows(%x : memref<?x512xbf16>) offsets(%o : memref<9xi32>) weights(%w : memref<8x256x512xbf16>)
      outs(%h : memref<?x256xbf16>) {
  ^bb0(%a: f32):
    %r = arith.truncf %a : f32 to bf16
    ragged.yield %r : bf16
  }
  linalg.fill ins(%zero : bf16) outs(%y : memref<?x512xbf16>)
  ragged.matmul rows(%h : memref<?x256xbf16>) offsets(%o : memref<9xi32>) weights(%d : memref<8x512x256xbf16>)
      outs(%y : memref<?x512xbf16>) {
  ^bb0(%a: f32):
    %r = arith.truncf %a : f32 to bf16
    ragged.yield %r : bf16
  }
  ragged.matmul rows(%x : memref<?x512xbf16>) offsets(%o : memref<9xi32>) weights(%w : memref<8x256x512xbf16>)
      outs(%h : memref<?x256xbf16>) {
  ^bb0(%a: f32):
    %r = arith.truncf %a : f32 to bf16
    ragged.yield %r : bf16
  }
  ragged.matmul rows(%h : memref<?x256xbf16>) offsets(%p : memref<9xi32>) weights(%d : memref<8x512x256xbf16>)
      outs(%z : memref<?x512xbf16>) {
  ^bb0(%a: f32):
    %r = arith.truncf %a : f32 to bf16
    ragged.yield %r : bf16
  }
  return
}
