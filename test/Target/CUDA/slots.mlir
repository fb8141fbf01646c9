// Products slot by slot become kernels that have many loads under way.
// RUN: route-opt %s --convert-ragged-to-kernels --split-input-file | FileCheck %s

// The first waits, then lets the second start, which fetches weights before it waits itself. Two columns of two weights
// for a warp, two steps along K at once.
// CHECK-LABEL: func.func @layer
// CHECK: %[[T:.*]] = memref.dim %arg1
// CHECK: %[[S:.*]] = arith.muli %[[T]], %c2{{ }}
// CHECK: %[[B:.*]] = arith.muli %[[S]], %c32{{ }}
// CHECK: gpu.launch_func @kernels::@layer_slots_0 blocks in (%[[B]], {{.*}} threads in (%c128
// CHECK: gpu.launch_func @kernels::@layer_slots_1 blocks in (%{{.*}}) threads in (%c128
// CHECK-LABEL: gpu.func @layer_slots_0
// CHECK: nvvm.griddepcontrol wait
// CHECK-NEXT: nvvm.griddepcontrol launch_dependents
// CHECK: memref.load %arg1
// CHECK: scf.for
// CHECK-COUNT-8: vector.load %arg{{[23]}}[{{.*}} {alignment = 16 : i64} : memref<16x256x512xbf16>
// CHECK-COUNT-2: vector.load %arg0[
// CHECK: math.fma
// CHECK: gpu.shuffle xor
// CHECK-LABEL: gpu.func @layer_slots_1
// Its ranks are warps of a block, and meet in shared memory in their order.
// CHECK-SAME: workgroup(%[[M:.*]] : memref<2x2x4xf32
// CHECK-NOT: nvvm.griddepcontrol
// CHECK: memref.load %arg1
// CHECK-NOT: nvvm.griddepcontrol
// CHECK: vector.load %arg2[
// CHECK: nvvm.griddepcontrol wait
// CHECK-NEXT: nvvm.griddepcontrol launch_dependents
// CHECK: vector.load %arg0[
// CHECK: memref.store %{{.*}}, %[[M]]
// CHECK: gpu.barrier
// CHECK: memref.load %[[M]]
// CHECK: arith.truncf
// CHECK: memref.store %{{.*}}, %arg4
func.func @layer(%x: memref<?x512xbf16>, %i: memref<?x2xi32>, %g: memref<16x256x512xbf16>, %u: memref<16x256x512xbf16>,
                 %d: memref<16x512x256xbf16>, %s: memref<?x2xf32>, %h: memref<?x256xbf16>, %y: memref<?x512xbf16>) {
  ragged.slot_matmul rows(%x : memref<?x512xbf16>) slots 2 idx(%i : memref<?x2xi32>)
      weights(%g, %u : memref<16x256x512xbf16>, memref<16x256x512xbf16>) outs(%h : memref<?x256xbf16>) {
  ^bb0(%a: f32, %b: f32):
    %m = arith.mulf %a, %b : f32
    %r = arith.truncf %m : f32 to bf16
    ragged.yield %r : bf16
  }
  ragged.slot_matmul rows(%h : memref<?x256xbf16>) slots 1 idx(%i : memref<?x2xi32>) weights(%d : memref<16x512x256xbf16>)
      combined scale(%s : memref<?x2xf32>) outs(%y : memref<?x512xbf16>) {
  ^bb0(%a: f32):
    %r = arith.truncf %a : f32 to bf16
    ragged.yield %r : bf16
  }
  return
}

// -----
// Transposed weights: a warp has 64 columns, two a lane, and one of eight shares of K, which meet in shared memory. Of
// two parts both columns of a lane belong to one of the result.
// CHECK-LABEL: func.func @columns
// CHECK: gpu.launch_func @kernels::@columns_slots_0 {{.*}} threads in (%c256
// CHECK-LABEL: gpu.func @columns_slots_0
// CHECK-SAME: workgroup(%[[M:.*]] : memref<1x8x64xf32
// CHECK: scf.for
// CHECK-COUNT-16: vector.load %{{.*}} {alignment = 4 : i64} : memref<8x160x80xf16>, vector<2xf16>
// CHECK: memref.store %{{.*}}, %[[M]]
// CHECK: gpu.barrier
// CHECK-COUNT-16: memref.load %[[M]]
// CHECK: arith.divf
func.func @columns(%x: memref<?x160xf16>, %i: memref<?x2xi32>, %n: memref<?xi32>, %w: memref<8x160x80xf16>,
                   %y: memref<?x40xf16>) {
  ragged.slot_matmul rows(%x : memref<?x160xf16>) slots 2 idx(%i : memref<?x2xi32>) limit(%n : memref<?xi32>)
      weights(%w : memref<8x160x80xf16>) transposed interleaved 2 outs(%y : memref<?x40xf16>) {
  ^bb0(%a: f32, %b: f32):
    %m = arith.divf %a, %b : f32
    %r = arith.truncf %m : f32 to f16
    ragged.yield %r : f16
  }
  return
}

// -----
// Columns that no pair makes even are loaded one by one; so are rows along K that start anywhere. More ranks share the
// threads of a block.
// CHECK-LABEL: func.func @odd
// CHECK: gpu.launch_func @kernels::@odd_slots_0 {{.*}} threads in (%c1024
// CHECK-LABEL: gpu.func @odd_slots_0
// CHECK-SAME: memref<16x2x32xf32
// CHECK-NOT: vector.load
// CHECK-LABEL: gpu.func @odd_slots_1
// CHECK-NOT: vector.load
func.func @odd(%x: memref<?x5xf32>, %i: memref<?x16xi32>, %w: memref<8x5x3xf32>, %v: memref<8x3x5xf32>, %y: memref<?x3xf32>) {
  ragged.slot_matmul rows(%x : memref<?x5xf32>) slots 16 idx(%i : memref<?x16xi32>) weights(%w : memref<8x5x3xf32>)
      transposed combined outs(%y : memref<?x3xf32>) {
  ^bb0(%a: f32):
    ragged.yield %a : f32
  }
  ragged.slot_matmul rows(%x : memref<?x5xf32>) slots 16 idx(%i : memref<?x16xi32>) weights(%v : memref<8x3x5xf32>)
      outs(%y : memref<?x3xf32>) {
  ^bb0(%a: f32):
    ragged.yield %a : f32
  }
  return
}

// -----
// Experts that are chosen anew between two products are read behind the wait.
// CHECK-LABEL: func.func @anew
// CHECK-LABEL: gpu.func @anew_slots_1
// CHECK: nvvm.griddepcontrol wait
// CHECK: memref.load %arg1
func.func @anew(%x: memref<?x512xbf16>, %i: memref<?x2xi32>, %j: memref<?x2xi32>, %w: memref<16x512x512xbf16>, %y: memref<?x512xbf16>, %z: memref<?x512xbf16>) {
  ragged.slot_matmul rows(%x : memref<?x512xbf16>) slots 2 idx(%i : memref<?x2xi32>)
      weights(%w : memref<16x512x512xbf16>) outs(%y : memref<?x512xbf16>) {
  ^bb0(%a: f32):
    %r = arith.truncf %a : f32 to bf16
    ragged.yield %r : bf16
  }
  memref.copy %j, %i : memref<?x2xi32> to memref<?x2xi32>
  ragged.slot_matmul rows(%y : memref<?x512xbf16>) slots 1 idx(%i : memref<?x2xi32>)
      weights(%w : memref<16x512x512xbf16>) outs(%z : memref<?x512xbf16>) {
  ^bb0(%a: f32):
    %r = arith.truncf %a : f32 to bf16
    ragged.yield %r : bf16
  }
  return
}
