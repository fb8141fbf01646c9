// What linalg does on buffers becomes kernels with a thread, or a block, for each element of the result.
// RUN: route-opt %s --route-outline-kernels --split-input-file | FileCheck %s

// CHECK-LABEL: func.func @scale(
// CHECK-SAME: %[[X:.*]]: memref<?x16xf32>, %[[S:.*]]: memref<?xf32>, %[[OUT:.*]]: memref<?x16xf32>
// CHECK: %[[GRID:.*]] = arith.ceildivui
// CHECK: gpu.launch_func @kernels::@scale_0 blocks in (%[[GRID]]
// CHECK-SAME: args(%[[X]] : memref<?x16xf32>, %[[S]] : memref<?xf32>, %[[OUT]] : memref<?x16xf32>)
// CHECK-NOT: linalg
// CHECK: gpu.func @scale_0(
// CHECK-SAME: route.waits
// CHECK: scf.for
// CHECK: arith.remui
// CHECK: arith.divui
// CHECK: memref.load
// CHECK: memref.load
// CHECK: arith.mulf
// CHECK: memref.store
func.func @scale(%x: memref<?x16xf32>, %s: memref<?xf32>, %out: memref<?x16xf32>) {
  linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>, affine_map<(i, j) -> (i, j)>],
                  iterator_types = ["parallel", "parallel"]}
      ins(%x, %s : memref<?x16xf32>, memref<?xf32>) outs(%out : memref<?x16xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %r = arith.mulf %a, %b : f32
    linalg.yield %r : f32
  }
  return
}

// -----
// Reductions run in the order of the loops, within a thread, from what the result holds.
// CHECK-LABEL: gpu.func @sums_0(
// CHECK: scf.for
// CHECK: %[[INIT:.*]] = memref.load
// CHECK: %[[SUM:.*]] = scf.for {{.*}} iter_args(%{{.*}} = %[[INIT]]) -> (f32)
// CHECK: memref.store %[[SUM]]
func.func @sums(%x: memref<?x?xf32>, %out: memref<?xf32>) {
  linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>],
                  iterator_types = ["parallel", "reduction"]}
      ins(%x : memref<?x?xf32>) outs(%out : memref<?xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = arith.addf %o, %a : f32
    linalg.yield %r : f32
  }
  return
}

// -----
// A table of constants goes along; one that a kernel made before reads is copied to the device.
module attributes {gpu.container_module} {
  memref.global "private" constant @table : memref<3xi32> = dense<[5, 6, 7]>
// CHECK-LABEL: func.func @tables
// CHECK: %[[COPY:.*]] = memref.alloc()
// CHECK: gpu.launch_func @kernels::@tables_0
// CHECK-SAME: args(%[[COPY]] : memref<3xi32>)
// CHECK: gpu.launch_func @kernels::@before {{.*}} args(%[[COPY]] : memref<3xi32>)
// CHECK: memref.global "private" constant @table
// CHECK: gpu.func @tables_0
// CHECK: memref.get_global @table
  func.func @tables() {
    %one = arith.constant 1 : index
    %t = memref.get_global @table : memref<3xi32>
    gpu.launch_func @kernels::@before blocks in (%one, %one, %one) threads in (%one, %one, %one) args(%t : memref<3xi32>)
    return
  }
  gpu.module @kernels {
    gpu.func @before(%t: memref<3xi32>) kernel attributes {known_block_size = array<i32: 32, 1, 1>} {
      gpu.return
    }
  }
}

// -----
// Many inputs of few results, in an order that nobody sees: blocks take a part each, and one joins them.
// CHECK-LABEL: func.func @greatest(
// CHECK: %[[PARTS:.*]] = memref.alloc() {alignment = 64 : i64} : memref<1024xf32>
// CHECK: %[[BLOCKS:.*]] = arith.muli %{{.*}}, %c1024
// CHECK: launch_func @kernels::@greatest_0 blocks in (%[[BLOCKS]]
// CHECK-SAME: %[[PARTS]] : memref<1024xf32>
// CHECK: launch_func @kernels::@greatest_1 blocks in
// CHECK-SAME: args(%[[PARTS]] : memref<1024xf32>, %{{.*}} : memref<f32>)
// CHECK: gpu.func @greatest_0(
// CHECK-SAME: workgroup(%[[SHARED:.*]] : memref<256xf32, #gpu.address_space<workgroup>>)
// CHECK: %[[BLOCK:.*]] = gpu.block_id
// CHECK: scf.for %[[TURN:.*]] = %[[BLOCK]] to
// CHECK: %[[PART:.*]] = arith.remui %[[TURN]]
// CHECK: %[[OWN:.*]] = scf.for {{.*}} iter_args(%{{.*}} = %{{.*}}) -> (f32)
// CHECK: arith.maximumf
// CHECK: memref.store %[[OWN]], %[[SHARED]]
// CHECK-COUNT-9: gpu.barrier
// CHECK-NOT: gpu.barrier
// CHECK: scf.if
// CHECK: memref.store {{.*}}[%[[PART]]] : memref<1024xf32>
// CHECK: gpu.func @greatest_1(
// CHECK-SAME: memref<1024xf32>, %[[RESULT:.*]]: memref<f32>)
// CHECK-COUNT-9: gpu.barrier
// CHECK: %[[BEFORE:.*]] = memref.load %[[RESULT]][]
// CHECK: arith.maximumf %[[BEFORE]]
// CHECK: memref.store {{.*}}, %[[RESULT]][]
func.func @greatest(%x: memref<?x?xf32>, %out: memref<f32>) {
  linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> ()>],
                  iterator_types = ["reduction", "reduction"]}
      ins(%x : memref<?x?xf32>) outs(%out : memref<f32>) {
  ^bb0(%a: f32, %o: f32):
    %r = arith.maximumf %o, %a : f32
    linalg.yield %r : f32
  }
  return
}

// -----
// Unknown many results have a block each; truths have a byte each in shared memory.
// CHECK-LABEL: func.func @any(
// CHECK: launch_func @kernels::@any_0
// CHECK-NOT: launch_func
// CHECK: gpu.func @any_0(
// CHECK-SAME: workgroup(%{{.*}} : memref<256xi8, #gpu.address_space<workgroup>>)
// CHECK-SAME: route.any_grid
// CHECK: scf.for {{.*}} -> (i1)
// CHECK: arith.ori
func.func @any(%x: memref<?x?xi1>, %out: memref<?xi1>) {
  linalg.generic {indexing_maps = [affine_map<(i, j) -> (j, i)>, affine_map<(i, j) -> (i)>],
                  iterator_types = ["parallel", "reduction"]}
      ins(%x : memref<?x?xi1>) outs(%out : memref<?xi1>) {
  ^bb0(%a: i1, %o: i1):
    %r = arith.ori %o, %a : i1
    linalg.yield %r : i1
  }
  return
}

// -----
// Few inputs are a thread's.
// CHECK-LABEL: gpu.func @few_0(
// CHECK-NOT: workgroup
// CHECK-NOT: gpu.barrier
// CHECK: gpu.return
func.func @few(%x: memref<?x16xi64>, %out: memref<?xi64>) {
  linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>],
                  iterator_types = ["parallel", "reduction"]}
      ins(%x : memref<?x16xi64>) outs(%out : memref<?xi64>) {
  ^bb0(%a: i64, %o: i64):
    %r = arith.addi %o, %a : i64
    linalg.yield %r : i64
  }
  return
}
