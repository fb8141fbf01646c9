// Products of few columns copy their rows from where a gather would have them; what cannot keeps the gather.
// RUN: route-opt %s --ragged-fuse-gather --convert-ragged-to-wgmma --split-input-file | FileCheck %s
// RUN: route-opt %s --convert-ragged-to-wgmma --split-input-file | FileCheck %s --check-prefix=OFF

// Both forms of the product do, and the buffer serves the next product's results. All 128 threads of the producers arrive, and the one that brings weights.
// CHECK-LABEL: func.func @layer
// CHECK-NOT: ragged.gather
// CHECK: gpu.launch_func @kernels::@layer_wgmma_0 {{.*}}%arg0 : memref<?x128xbf16>, %arg1 : memref<?xi32>, %arg2 : memref<7xi32>
// CHECK: gpu.launch_func @kernels::@layer_wgmma_1 {{.*}}%arg0 : memref<?x128xbf16>, %arg1 : memref<?xi32>, %arg2 : memref<7xi32>
// CHECK: gpu.launch_func @kernels::@layer_wgmma_2
// CHECK-LABEL: llvm.func @layer_wgmma_0
// CHECK: %[[ALL:.*]] = arith.constant 129 : i32
// CHECK: nvvm.mbarrier.init %{{.*}}, %[[ALL]]
// CHECK: nvvm.setmaxregister decrease
// CHECK: nvvm.cp.async.wait.group {{[1-9]}}
// CHECK: nvvm.cp.async.shared.global {{.*}} 16, cache = cg
// CHECK: nvvm.cp.async.commit.group
// CHECK: nvvm.cp.async.mbarrier.arrive {{.*}} {noinc = true}
// CHECK: nvvm.setmaxregister increase
// CHECK: nvvm.fence.proxy
// CHECK-NEXT: nvvm.wgmma.fence.aligned
// CHECK-LABEL: llvm.func @layer_wgmma_1
// CHECK: nvvm.cp.async.shared.global
// CHECK-LABEL: llvm.func @layer_wgmma_2
// CHECK-NOT: nvvm.cp.async.shared.global
// OFF-LABEL: func.func @layer
// OFF: ragged.gather
// OFF-NOT: nvvm.cp.async.shared.global
func.func @layer(%x: memref<?x128xbf16>, %perm: memref<?xi32>, %o: memref<7xi32>, %w: memref<6x256x128xbf16>, %d: memref<6x128x256xbf16>,
                 %h: memref<?x256xbf16>, %out: memref<?x128xbf16>, %n: index) {
  %a = memref.alloc(%n) : memref<?x128xbf16>
  ragged.gather ins(%x, %perm : memref<?x128xbf16>, memref<?xi32>) outs(%a : memref<?x128xbf16>) slots 2
  ragged.matmul rows(%a : memref<?x128xbf16>) offsets(%o : memref<7xi32>) weights(%w : memref<6x256x128xbf16>) outs(%h : memref<?x256xbf16>) attributes {ragged.many} {
  ^bb0(%v: f32):
    %t = arith.truncf %v : f32 to bf16
    ragged.yield %t : bf16
  }
  ragged.matmul rows(%h : memref<?x256xbf16>) offsets(%o : memref<7xi32>) weights(%d : memref<6x128x256xbf16>) outs(%a : memref<?x128xbf16>) attributes {ragged.many} {
  ^bb0(%v: f32):
    %t = arith.truncf %v : f32 to bf16
    ragged.yield %t : bf16
  }
  memref.copy %a, %out : memref<?x128xbf16> to memref<?x128xbf16>
  return
}

// -----
// Of very many columns the copies would cost more than the gather.
// CHECK-LABEL: func.func @wide
// CHECK: ragged.gather
func.func @wide(%x: memref<?x128xbf16>, %perm: memref<?xi32>, %o: memref<7xi32>, %w: memref<6x16384x128xbf16>, %h: memref<?x16384xbf16>, %n: index) {
  %a = memref.alloc(%n) : memref<?x128xbf16>
  ragged.gather ins(%x, %perm : memref<?x128xbf16>, memref<?xi32>) outs(%a : memref<?x128xbf16>) slots 2
  ragged.matmul rows(%a : memref<?x128xbf16>) offsets(%o : memref<7xi32>) weights(%w : memref<6x16384x128xbf16>) outs(%h : memref<?x16384xbf16>) attributes {ragged.many} {
  ^bb0(%v: f32):
    %t = arith.truncf %v : f32 to bf16
    ragged.yield %t : bf16
  }
  return
}

// -----
// K is no whole number of steps; somebody else reads the rows; items change in between; few rows have another form.
// CHECK-LABEL: func.func @odd
// CHECK: ragged.gather
func.func @odd(%x: memref<?x136xbf16>, %perm: memref<?xi32>, %o: memref<7xi32>, %w: memref<6x256x136xbf16>, %h: memref<?x256xbf16>, %n: index) {
  %a = memref.alloc(%n) : memref<?x136xbf16>
  ragged.gather ins(%x, %perm : memref<?x136xbf16>, memref<?xi32>) outs(%a : memref<?x136xbf16>) slots 2
  ragged.matmul rows(%a : memref<?x136xbf16>) offsets(%o : memref<7xi32>) weights(%w : memref<6x256x136xbf16>) outs(%h : memref<?x256xbf16>) attributes {ragged.many} {
  ^bb0(%v: f32):
    %t = arith.truncf %v : f32 to bf16
    ragged.yield %t : bf16
  }
  return
}
// CHECK-LABEL: func.func @shared
// CHECK: ragged.gather
func.func @shared(%x: memref<?x128xbf16>, %perm: memref<?xi32>, %o: memref<7xi32>, %w: memref<6x256x128xbf16>, %h: memref<?x256xbf16>,
                  %out: memref<?x128xbf16>, %n: index) {
  %a = memref.alloc(%n) : memref<?x128xbf16>
  ragged.gather ins(%x, %perm : memref<?x128xbf16>, memref<?xi32>) outs(%a : memref<?x128xbf16>) slots 2
  ragged.matmul rows(%a : memref<?x128xbf16>) offsets(%o : memref<7xi32>) weights(%w : memref<6x256x128xbf16>) outs(%h : memref<?x256xbf16>) attributes {ragged.many} {
  ^bb0(%v: f32):
    %t = arith.truncf %v : f32 to bf16
    ragged.yield %t : bf16
  }
  memref.copy %a, %out : memref<?x128xbf16> to memref<?x128xbf16>
  return
}
// CHECK-LABEL: func.func @written
// CHECK: ragged.gather
func.func @written(%x: memref<?x128xbf16>, %perm: memref<?xi32>, %o: memref<7xi32>, %w: memref<6x256x128xbf16>, %h: memref<?x256xbf16>,
                   %next: memref<?x128xbf16>, %n: index) {
  %a = memref.alloc(%n) : memref<?x128xbf16>
  ragged.gather ins(%x, %perm : memref<?x128xbf16>, memref<?xi32>) outs(%a : memref<?x128xbf16>) slots 2
  memref.copy %next, %x : memref<?x128xbf16> to memref<?x128xbf16>
  ragged.matmul rows(%a : memref<?x128xbf16>) offsets(%o : memref<7xi32>) weights(%w : memref<6x256x128xbf16>) outs(%h : memref<?x256xbf16>) attributes {ragged.many} {
  ^bb0(%v: f32):
    %t = arith.truncf %v : f32 to bf16
    ragged.yield %t : bf16
  }
  return
}
// CHECK-LABEL: func.func @few
// CHECK: ragged.gather
func.func @few(%x: memref<?x128xbf16>, %perm: memref<?xi32>, %o: memref<7xi32>, %w: memref<6x256x128xbf16>, %h: memref<?x256xbf16>, %n: index) {
  %a = memref.alloc(%n) : memref<?x128xbf16>
  ragged.gather ins(%x, %perm : memref<?x128xbf16>, memref<?xi32>) outs(%a : memref<?x128xbf16>) slots 2
  ragged.matmul rows(%a : memref<?x128xbf16>) offsets(%o : memref<7xi32>) weights(%w : memref<6x256x128xbf16>) outs(%h : memref<?x256xbf16>) {
  ^bb0(%v: f32):
    %t = arith.truncf %v : f32 to bf16
    ragged.yield %t : bf16
  }
  return
}
