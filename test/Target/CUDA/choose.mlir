// Choices along what the call brings, and sums of what was chosen where each slot says.
// RUN: route-opt %s --convert-ragged-to-kernels --split-input-file | FileCheck %s
// RUN: route-opt %s --convert-ragged-to-kernels=few-candidates=7 --split-input-file | FileCheck %s --check-prefix=LESS

// Two kernels, of which a call runs one: a thread for each of 8 experts, or a block.
// CHECK-LABEL: func.func @experts
// CHECK: %[[FEW:.*]] = arith.cmpi ule, %arg0, %[[LIMIT:.*]] : index
// CHECK: %[[THREADS:.*]] = arith.select %[[FEW]], %{{.*}}, %[[NONE:.*]] : index
// CHECK: gpu.launch_func @kernels::@experts_choose_0 blocks in (%[[THREADS]],
// CHECK: %[[BLOCKS:.*]] = arith.select %[[FEW]], %[[NONE]], %{{.*}} : index
// CHECK: gpu.launch_func @kernels::@experts_choose_many_0 blocks in (%[[BLOCKS]],
// LESS-LABEL: func.func @experts
// LESS: %[[LIMIT:.*]] = arith.constant 7 : index
// LESS: arith.cmpi ule, %arg0, %[[LIMIT]] : index
// A heap in place.
// CHECK-LABEL: gpu.func @experts_choose_0
// CHECK-NOT: workgroup
// CHECK: scf.while
// Keys of 8192 candidates in registers, 8 a thread; the digits of the key, and of places among equal keys; room for what was
// chosen; buckets; a sort by shuffles, through shared memory, and of more in memory.
// CHECK-LABEL: gpu.func @experts_choose_many_0
// CHECK-SAME: memref<8192xi32, #gpu.address_space<workgroup>>
// CHECK-SAME: memref<2048xi32, #gpu.address_space<workgroup>>
// CHECK-SAME: memref<256xi32, #gpu.address_space<workgroup>>
// CHECK-COUNT-8: memref.load %{{.*}} : memref<?x8xf32>
// CHECK: memref.atomic_rmw addi %{{.*}}, %{{.*}}[%{{.*}}] : (i32, memref<256xi32
// CHECK: gpu.shuffle up
// CHECK: memref.atomic_rmw addi %{{.*}}, %{{.*}}[%{{.*}}] : (i32, memref<256xi32
// CHECK: gpu.shuffle up
// CHECK: memref.atomic_rmw addi %{{.*}}, %{{.*}}[%{{.*}}] : (i32, memref<5xi32
// CHECK: memref.atomic_rmw maxu %{{.*}}, %{{.*}}[%{{.*}}] : (i32, memref<256xi32
// CHECK-COUNT-4: memref.atomic_rmw addi %{{.*}}, %{{.*}}[%{{.*}}] : (i32, memref<2048xi32
// CHECK-COUNT-4: memref.store %{{.*}} : memref<8x?xi32>
// CHECK-COUNT-8: gpu.shuffle xor
// CHECK: memref.store %{{.*}} : memref<8192xi32
// CHECK: gpu.barrier
// CHECK: memref.store %{{.*}} : memref<8x?xi32>
// CHECK: gpu.return
func.func @experts(%n: index, %s: memref<?x8xf32>, %i: memref<8x?xi32>, %c: memref<8xi32>) {
  ragged.choose of %n by(%s : memref<?x8xf32>) up [false] maps [affine_map<(e, c) -> (c, e)>]
      outs(%i, %c : memref<8x?xi32>, memref<8xi32>)
  return
}

// -----
// Several keys, of 64 bits two words each; what masks say is kept with the first words; an item's candidates are those in its range, of
// which it has a part on average.
// CHECK-LABEL: func.func @images
// CHECK: %[[IMAGES:.*]] = memref.dim %arg4, %{{.*}} : memref<?xi32>
// CHECK: arith.ceildivui %arg0, %{{.*}} : index
// CHECK-LABEL: gpu.func @images_choose_many_0
// CHECK: arith.shrui %{{.*}}, %{{.*}} : i64
// CHECK: memref.load %{{.*}} : memref<?xi1>
// CHECK: nvvm.vote.sync ballot
// CHECK: gpu.return
#c = affine_map<(e, i, c) -> (c)>
#i = affine_map<(e, i, c) -> (i)>
func.func @images(%n: index, %a: memref<?xi64>, %b: memref<?xf64>, %m: memref<?xi1>, %begin: memref<?xi32>, %end: memref<?xi32>,
                  %limit: memref<?xi32>, %i: memref<8x?x16xi32>, %c: memref<8x?xi32>) {
  ragged.choose of %n by(%a, %b : memref<?xi64>, memref<?xf64>) up [true, false] where(%m : memref<?xi1>)
      range(%begin, %end : memref<?xi32>, memref<?xi32>) limit(%limit : memref<?xi32>) maps [#c, #c, #c, #i, #i, #i]
      outs(%i, %c : memref<8x?x16xi32>, memref<8x?xi32>)
  return
}

// -----
// No keys: the first by position, whose digits alone are counted.
// CHECK-LABEL: gpu.func @first_choose_many_0
// CHECK-COUNT-8: memref.atomic_rmw addi {{.*}} : (i32, memref<256xi32
// CHECK-NOT: memref.atomic_rmw addi {{.*}} : (i32, memref<256xi32
// CHECK: gpu.return
func.func @first(%n: index, %i: memref<8x4xi32>, %c: memref<8xi32>) {
  ragged.choose of %n up [] maps [] outs(%i, %c : memref<8x4xi32>, memref<8xi32>)
  return
}

// -----
// Slots are counted by the row that they go to, placed, brought into their order; a row is summed once, 16 bytes a thread.
// CHECK-LABEL: func.func @places
// CHECK: linalg.fill
// CHECK: gpu.launch_func @kernels::@places_places_0
// CHECK: gpu.launch_func @kernels::@places_starts_0
// CHECK: gpu.launch_func @kernels::@places_list_0
// CHECK: gpu.launch_func @kernels::@places_order_0
// CHECK: gpu.launch_func @kernels::@places_combine_at_0
// CHECK-LABEL: gpu.func @places_places_0
// CHECK: memref.atomic_rmw addi
// CHECK-LABEL: gpu.func @places_list_0
// CHECK: %[[AT:.*]] = memref.atomic_rmw addi
// CHECK-LABEL: gpu.func @places_combine_at_0
// CHECK: scf.for
// CHECK-COUNT-4: vector.load %{{.*}} {alignment = 16 : i64} : memref<?x64xf32>, vector<4xf32>
// CHECK: arith.mulf
// CHECK: arith.addf
// CHECK: llvm.fptrunc %{{.*}} : vector<4xf32> to vector<4xbf16>
func.func @places(%y: memref<?x64xf32>, %inv: memref<4x?xi32>, %at: memref<4x?xi32>, %w: memref<4x?xf32>, %out: memref<?x64xbf16>) {
  ragged.combine_at ins(%y, %inv, %at : memref<?x64xf32>, memref<4x?xi32>, memref<4x?xi32>) scale(%w : memref<4x?xf32>)
      outs(%out : memref<?x64xbf16>)
  return
}

// -----
// As many choices for an item as the call brings.
// CHECK-LABEL: gpu.func @slots_permute_0
// CHECK: memref.dim %{{.*}} : memref<?x?xi32>
func.func @slots(%idx: memref<?x?xi32>, %o: memref<7xi32>, %p: memref<?xi32>, %i: memref<?x?xi32>) {
  ragged.permute ins(%idx, %o : memref<?x?xi32>, memref<7xi32>) outs(%p, %i : memref<?xi32>, memref<?x?xi32>)
  return
}
