// Counts, offsets and an order of the same slots become one kernel, and for many slots one before it.
// RUN: route-opt %s --ragged-fuse-order --convert-ragged-to-kernels --split-input-file | FileCheck %s

// Chunks of at least 2048 slots, 64 of them at most; one chunk needs no counts beforehand.
// CHECK-LABEL: func.func @groups
// CHECK-NOT: linalg.fill
// CHECK: %[[CHUNK:.*]] = arith.maxui %c2048
// CHECK: %[[CHUNKS:.*]] = arith.maxui %c1
// CHECK: %[[SEVERAL:.*]] = arith.cmpi ugt, %[[CHUNKS]]
// CHECK: %[[PARTIAL:.*]] = memref.alloc() {{.*}} : memref<64x6xi32>
// CHECK: %[[FIRST:.*]] = arith.select %[[SEVERAL]], %[[CHUNKS]], %c0
// CHECK: gpu.launch_func @kernels::@groups_count_0 blocks in (%[[FIRST]], {{.*}} args(%arg0 : memref<?x2xi32>, %[[PARTIAL]] : memref<64x6xi32>, %[[CHUNK]] : index, %arg1 : memref<?xi32>)
// CHECK: gpu.launch_func @kernels::@groups_order_0 blocks in (%[[CHUNKS]], {{.*}} args(%arg0 : memref<?x2xi32>, %[[PARTIAL]] : memref<64x6xi32>, %[[CHUNK]] : index, %arg1 : memref<?xi32>, %arg2 : memref<6xi32>, %arg3 : memref<7xi32>, %arg4 : memref<?xi32>, %arg5 : memref<?x2xi32>)
// CHECK-NOT: gpu.launch_func
// CHECK-LABEL: gpu.func @groups_count_0
// CHECK: memref.atomic_rmw addi
// CHECK-LABEL: gpu.func @groups_order_0
// CHECK-SAME: workgroup(%{{.*}} : memref<16x6xi32, #gpu.address_space<workgroup>>, %{{.*}} : memref<16xi32, #gpu.address_space<workgroup>>)
// CHECK: nvvm.griddepcontrol wait
// CHECK: gpu.shuffle up
// CHECK: nvvm.match.sync any
// CHECK: math.ctpop
// CHECK: nvvm.bar.warp.sync
func.func @groups(%idx: memref<?x2xi32>, %n: memref<?xi32>, %c: memref<6xi32>, %o: memref<7xi32>, %p: memref<?xi32>,
                  %i: memref<?x2xi32>) {
  %zero = arith.constant 0 : i32
  linalg.fill ins(%zero : i32) outs(%c : memref<6xi32>)
  ragged.count ins(%idx : memref<?x2xi32>) limit(%n : memref<?xi32>) outs(%c : memref<6xi32>)
  ragged.offsets ins(%c : memref<6xi32>) outs(%o : memref<7xi32>)
  ragged.permute ins(%idx, %o : memref<?x2xi32>, memref<7xi32>) limit(%n : memref<?xi32>)
      outs(%p, %i : memref<?xi32>, memref<?x2xi32>)
  return
}

// -----
// Offsets that are read before the order is made are made before it.
// CHECK-LABEL: func.func @apart
// CHECK: @apart_count_0 blocks in
// CHECK: @apart_offsets_0 blocks in
// CHECK: memref.copy
// CHECK: @apart_permute_0 blocks in
func.func @apart(%idx: memref<?x2xi32>, %c: memref<6xi32>, %o: memref<7xi32>, %q: memref<7xi32>, %p: memref<?xi32>,
                 %i: memref<?x2xi32>) {
  ragged.count ins(%idx : memref<?x2xi32>) outs(%c : memref<6xi32>)
  ragged.offsets ins(%c : memref<6xi32>) outs(%o : memref<7xi32>)
  memref.copy %o, %q : memref<7xi32> to memref<7xi32>
  ragged.permute ins(%idx, %o : memref<?x2xi32>, memref<7xi32>) outs(%p, %i : memref<?xi32>, memref<?x2xi32>)
  return
}

// -----
// Only the zeros that the counts begin with go: what is written after the order stays, wherever it stands.
// CHECK-LABEL: func.func @later
// CHECK-NOT: linalg.fill
// CHECK: @later_order_0 blocks in
// CHECK: scf.if
// CHECK-NEXT: linalg.fill
func.func @later(%idx: memref<?x2xi32>, %c: memref<6xi32>, %o: memref<7xi32>, %p: memref<?xi32>, %i: memref<?x2xi32>,
                 %again: i1) {
  %zero = arith.constant 0 : i32
  linalg.fill ins(%zero : i32) outs(%c : memref<6xi32>)
  ragged.count ins(%idx : memref<?x2xi32>) outs(%c : memref<6xi32>)
  ragged.offsets ins(%c : memref<6xi32>) outs(%o : memref<7xi32>)
  ragged.permute ins(%idx, %o : memref<?x2xi32>, memref<7xi32>) outs(%p, %i : memref<?xi32>, memref<?x2xi32>)
  scf.if %again {
    linalg.fill ins(%zero : i32) outs(%c : memref<6xi32>)
  }
  return
}

// -----
// A single number that is cleared behind the order, before anybody looks at it, is cleared by the order's kernel; one that has
// been read, or has another value, is not.
// CHECK-LABEL: func.func @clears
// CHECK: %[[ONE:.*]] = memref.alloc() : memref<1xi32>
// CHECK: gpu.launch_func @kernels::@clears_order_0 {{.*}} %arg4 : memref<?x2xi32>, %[[ONE]] : memref<1xi32>)
// CHECK: memref.load
// CHECK: linalg.fill
// CHECK: linalg.fill
// CHECK-NOT: linalg.fill
// CHECK: gpu.func @clears_order_0(
// CHECK: memref.store %c0_i32{{.*}}, %{{.*}}[%{{.*}}] : memref<1xi32>
func.func @clears(%idx: memref<?x2xi32>, %c: memref<6xi32>, %o: memref<7xi32>, %p: memref<?xi32>, %i: memref<?x2xi32>,
                  %again: i1) -> i32 {
  %zero = arith.constant 0 : i32
  %one = arith.constant 1 : i32
  %first = arith.constant 0 : index
  ragged.count ins(%idx : memref<?x2xi32>) outs(%c : memref<6xi32>)
  ragged.offsets ins(%c : memref<6xi32>) outs(%o : memref<7xi32>)
  ragged.permute ins(%idx, %o : memref<?x2xi32>, memref<7xi32>) outs(%p, %i : memref<?xi32>, memref<?x2xi32>)
  %x = memref.alloc() : memref<1xi32>
  linalg.fill ins(%zero : i32) outs(%x : memref<1xi32>)
  %y = memref.alloc() : memref<1xi32>
  %before = memref.load %y[%first] : memref<1xi32>
  linalg.fill ins(%zero : i32) outs(%y : memref<1xi32>)
  %z = memref.alloc() : memref<1xi32>
  linalg.fill ins(%one : i32) outs(%z : memref<1xi32>)
  scf.if %again {
    memref.store %before, %x[%first] : memref<1xi32>
  }
  return %before : i32
}
