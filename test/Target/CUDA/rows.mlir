// A row program becomes a kernel: a warp for each item, element e in lane e % 32, or less of a warp for short rows.
// RUN: route-opt %s --row-distribute-gpu --split-input-file | FileCheck %s

// CHECK-LABEL: func.func @softmax
// CHECK: %[[LOGITS:.*]] = bufferization.to_buffer %{{.*}} read_only
// CHECK: %[[GRID:.*]] = arith.ceildivui
// CHECK: gpu.launch_func @kernels::@softmax_rows_0 blocks in (%[[GRID]], %{{.*}}, %{{.*}}) threads in (%{{.*}}) args(%[[LOGITS]]
// CHECK: gpu.module @kernels
// CHECK: gpu.func @softmax_rows_0(%[[X:.*]]: memref<?x40xf32>, %{{.*}}: memref<?x8xi32>, %{{.*}}: memref<?x8xf32>, %[[COUNTS:.*]]: memref<40xi32>)
// Two elements a lane; lanes 8 to 31 hold the last one once more.
// CHECK: scf.for
// CHECK: memref.load %[[X]]
// CHECK: %[[LAST:.*]] = arith.minui
// CHECK: memref.load %[[X]]
// The maximum needs no order: each lane's own, then a butterfly.
// CHECK: arith.maximumf
// CHECK-COUNT-5: gpu.shuffle xor
// The sum has the order of numerics.h.
// CHECK: math.exp
// CHECK-COUNT-5: gpu.shuffle xor
// The choice: the largest key, then the smallest index that has it.
// CHECK: scf.for
// CHECK: nvvm.redux.sync umax
// CHECK: nvvm.redux.sync umin
// CHECK: scf.yield
// Counts are added to by all warps at once.
// CHECK: llvm.atomicrmw add {{.*}} syncscope("device") monotonic
func.func @softmax(%x: tensor<?x40xf32>, %i0: tensor<?x8xi32>, %w0: tensor<?x8xf32>, %c0: tensor<40xi32>)
    -> (tensor<?x8xi32>, tensor<?x8xf32>, tensor<40xi32>) {
  %0:3 = row.program ins(%x : tensor<?x40xf32>) outs(%i0, %w0 : tensor<?x8xi32>, tensor<?x8xf32>)
      acc(%c0 : tensor<40xi32>) {
  ^bb0(%l: tensor<40xf32>):
    %low = arith.constant 0xFF800000 : f32
    %e = tensor.empty() : tensor<f32>
    %m0 = linalg.fill ins(%low : f32) outs(%e : tensor<f32>) -> tensor<f32>
    %m = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> ()>], iterator_types = ["reduction"]}
        ins(%l : tensor<40xf32>) outs(%m0 : tensor<f32>) {
    ^bb0(%a: f32, %acc: f32):
      %r = arith.maximumf %acc, %a : f32
      linalg.yield %r : f32
    } -> tensor<f32>
    %e1 = tensor.empty() : tensor<40xf32>
    %p = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> ()>, affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]}
        ins(%l, %m : tensor<40xf32>, tensor<f32>) outs(%e1 : tensor<40xf32>) {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %d = arith.subf %a, %b : f32
      %r = math.exp %d : f32
      linalg.yield %r : f32
    } -> tensor<40xf32>
    %s = row.sum butterfly %p : tensor<40xf32> -> tensor<f32>
    %i, %n = row.choose by(%p : tensor<40xf32>) : tensor<8xi32>, tensor<i32>
    %t = row.take %p[%i] : tensor<40xf32>, tensor<8xi32> -> tensor<8xf32>
    %e2 = tensor.empty() : tensor<8xf32>
    %w = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> ()>, affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]}
        ins(%t, %s : tensor<8xf32>, tensor<f32>) outs(%e2 : tensor<8xf32>) {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %r = arith.divf %a, %b : f32
      linalg.yield %r : f32
    } -> tensor<8xf32>
    %c = row.tally %i : tensor<8xi32> -> tensor<40xi32>
    row.yield %i, %w, %c : tensor<8xi32>, tensor<8xf32>, tensor<40xi32>
  } -> tensor<?x8xi32>, tensor<?x8xf32>, tensor<40xi32>
  return %0#0, %0#1, %0#2 : tensor<?x8xi32>, tensor<?x8xf32>, tensor<40xi32>
}

// -----
// Two keys, one of 64 bits, a mask and a limit: words in the order of choice.
// CHECK-LABEL: gpu.func @two_keys_rows_0
// CHECK: scf.for %{{.*}} = %{{.*}} to %{{.*}} step
// Presence, the i32 key, the two halves of the i64 key, the index.
// CHECK: scf.for
// CHECK-COUNT-4: nvvm.redux.sync umax
// CHECK: nvvm.redux.sync umin
// CHECK: arith.cmpi slt
func.func @two_keys(%a: memref<?x19xi32>, %b: memref<?x19xi64>, %m: memref<?x19xi1>, %n: memref<?xi32>,
                    %i: memref<?x3xi32>, %c: memref<?xi32>) {
  row.program ins(%a, %b, %m, %n : memref<?x19xi32>, memref<?x19xi64>, memref<?x19xi1>, memref<?xi32>)
      outs(%i, %c : memref<?x3xi32>, memref<?xi32>) {
  ^bb0(%x: tensor<19xi32>, %y: tensor<19xi64>, %p: tensor<19xi1>, %k: tensor<i32>):
    %j, %count = row.choose by(%x, %y : tensor<19xi32>, tensor<19xi64>) up [true, false]
        where(%p : tensor<19xi1>) count(%k : tensor<i32>) : tensor<3xi32>, tensor<i32>
    row.yield %j, %count : tensor<3xi32>, tensor<i32>
  }
  return
}

// -----
// Float accumulators add in the order of the items: one warp takes them all.
// CHECK-LABEL: func.func @ordered
// CHECK: %[[ONE:.*]] = arith.constant 1 : index
// CHECK: gpu.launch_func @kernels::@ordered_rows_0 blocks in (%{{.*}}) threads in
// CHECK-NOT: llvm.atomicrmw
// CHECK: gpu.func @ordered_rows_0
// CHECK: arith.addf
func.func @ordered(%x: memref<?x4xf32>, %o: memref<?x4xf32>, %sum: memref<4xf32>) {
  row.program ins(%x : memref<?x4xf32>) outs(%o : memref<?x4xf32>) acc(%sum : memref<4xf32>) {
  ^bb0(%r: tensor<4xf32>):
    row.yield %r, %r : tensor<4xf32>, tensor<4xf32>
  }
  return
}

// -----
// Rows of unknown size, and others that fit no warp, become the CPU's loop, one item at a time, whose rounds may run at the same time.
// CHECK-LABEL: func.func @dynamic
// CHECK-NOT: row.program
// CHECK-NOT: launch_func
// CHECK: scf.for
// CHECK: scf.for
// CHECK: memref.store
// CHECK: } {row.items}
func.func @dynamic(%x: memref<?x?xf32>, %o: memref<?x?xf32>) {
  row.program ins(%x : memref<?x?xf32>) outs(%o : memref<?x?xf32>) {
  ^bb0(%r: tensor<?xf32>):
    row.yield %r : tensor<?xf32>
  }
  return
}

// -----
// A sum of rows that fit no warp has a thread for each of its 32 partial sums, and then one that joins them.
// CHECK-LABEL: func.func @long_sum
// CHECK-NOT: row.
// CHECK: %[[PARTS:.*]] = linalg.generic {{.*}} outs(%{{.*}} : tensor<?x32xf32>)
// CHECK: %[[PART:.*]] = linalg.index 1
// CHECK: scf.if
// CHECK: %[[FIRST:.*]] = tensor.extract
// CHECK: %[[SUM:.*]] = scf.for {{.*}} iter_args(%{{.*}} = %[[FIRST]])
// CHECK-COUNT-16: tensor.extract
// CHECK-COUNT-16: arith.addf
// CHECK: scf.for {{.*}} iter_args(%{{.*}} = %[[SUM]])
// CHECK: linalg.generic {{.*}} outs(%{{.*}} : tensor<?xf32>)
// CHECK-COUNT-32: tensor.extract %[[PARTS]]
// CHECK-COUNT-31: arith.addf
func.func @long_sum(%x: tensor<?x?xf32>, %o: tensor<?xf32>) -> tensor<?xf32> {
  %s = row.program ins(%x : tensor<?x?xf32>) outs(%o : tensor<?xf32>) {
  ^bb0(%r: tensor<?xf32>):
    %sum = row.sum butterfly %r : tensor<?xf32> -> tensor<f32>
    row.yield %sum : tensor<f32>
  } -> tensor<?xf32>
  return %s : tensor<?xf32>
}

// -----
// One index for all rows of a table takes an element of each: lane e has that of row e, and who needs another's gets it by
// a shuffle.
// CHECK-LABEL: func.func @each_row
// CHECK: gpu.func @each_row_rows_0
// CHECK: %[[FIRST:.*]] = memref.load %[[SHARED:[^\[]*]][%{{[^,]*}}, %[[ROW:[^,]*]], %{{.*}}] : memref<8x2x7xi32, #gpu.address_space<workgroup>>
// CHECK: %[[TAKEN:.*]] = arith.select %{{.*}}, %[[FIRST]]
// CHECK: gpu.shuffle idx %[[TAKEN]]
func.func @each_row(%t: memref<7x2xi32>, %i: memref<?xi32>, %j: memref<?x2xi32>, %o: memref<?x2xi32>) {
  row.program ins(%i, %j : memref<?xi32>, memref<?x2xi32>) uniform(%t : memref<7x2xi32>) outs(%o : memref<?x2xi32>) {
  ^bb0(%x: tensor<i32>, %k: tensor<2xi32>, %table: tensor<7x2xi32>):
    %e = tensor.empty() : tensor<2x7xi32>
    %rows = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d1, d0)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]}
        ins(%table : tensor<7x2xi32>) outs(%e : tensor<2x7xi32>) {
    ^bb1(%in: i32, %out: i32):
      linalg.yield %in : i32
    } -> tensor<2x7xi32>
    %f = tensor.empty() : tensor<2x1xi32>
    %same = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> ()>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]}
        ins(%x : tensor<i32>) outs(%f : tensor<2x1xi32>) {
    ^bb1(%in: i32, %out: i32):
      linalg.yield %in : i32
    } -> tensor<2x1xi32>
    %taken = row.take %rows[%same] : tensor<2x7xi32>, tensor<2x1xi32> -> tensor<2x1xi32>
    %flat = tensor.collapse_shape %taken [[0, 1]] : tensor<2x1xi32> into tensor<2xi32>
    %other = row.take %flat[%k] : tensor<2xi32>, tensor<2xi32> -> tensor<2xi32>
    row.yield %other : tensor<2xi32>
  }
  return
}

// -----
// Rows of up to 8 elements take 8 lanes each, four items a warp: beyond the last item, segments repeat it and count
// nothing.
// CHECK-LABEL: func.func @short
// CHECK: %[[PER_BLOCK:.*]] = arith.constant 16 : index
// CHECK: arith.ceildivui %{{.*}}, %[[PER_BLOCK]]
// CHECK: gpu.func @short_rows_0(%[[X:.*]]: memref<?x6xf32>
// CHECK: scf.for %[[FIRST:.*]] = %{{.*}} to %[[COUNT:[^ ]*]] step
// CHECK: %[[MINE:.*]] = arith.addi %[[FIRST]]
// CHECK: %[[NEW:.*]] = arith.cmpi ult, %[[MINE]], %[[COUNT]]
// CHECK: %[[ITEM:.*]] = arith.minui %[[MINE]]
// CHECK: memref.load %[[X]][%[[ITEM]]
// The lanes of a whole warp's that are not there would add +0.
// CHECK: %[[ZERO:.*]] = arith.constant 0.000000e+00 : f32
// CHECK: %[[OWN:.*]] = arith.select %{{.*}}, %{{.*}}, %[[ZERO]]
// CHECK: arith.addf %[[OWN]], %{{.*}} : f32
// CHECK-COUNT-3: gpu.shuffle xor
// A candidate's rank comes from all others of its batch, of 3 and not of 6: the lanes of two meet by 1,
// 2, 3, 6 or 7, for presence and two keys.
// CHECK: arith.cmpi ne
// CHECK-COUNT-15: gpu.shuffle xor
// CHECK-NOT: gpu.shuffle xor
// CHECK-NOT: nvvm.redux
// Ballots say who is at each rank: two batches of two.
// CHECK-COUNT-4: nvvm.vote.sync ballot
// CHECK-NOT: nvvm.vote
// CHECK: arith.andi %{{.*}}, %[[NEW]]
// CHECK: scf.if
// CHECK: llvm.atomicrmw
func.func @short(%x: memref<?x6xf32>, %i: memref<?x2x2xi32>, %c: memref<?x2xi32>, %s: memref<?xf32>, %t: memref<6xi32>) {
  row.program ins(%x : memref<?x6xf32>) outs(%i, %c, %s : memref<?x2x2xi32>, memref<?x2xi32>, memref<?xf32>)
      acc(%t : memref<6xi32>) {
  ^bb0(%r: tensor<6xf32>):
    %sum = row.sum butterfly %r : tensor<6xf32> -> tensor<f32>
    %m = tensor.expand_shape %r [[0, 1]] output_shape [2, 3] : tensor<6xf32> into tensor<2x3xf32>
    %j, %count = row.choose by(%m, %m : tensor<2x3xf32>, tensor<2x3xf32>) up [true, false]
        : tensor<2x2xi32>, tensor<2xi32>
    %flat = tensor.collapse_shape %j [[0, 1]] : tensor<2x2xi32> into tensor<4xi32>
    %n = row.tally %flat : tensor<4xi32> -> tensor<6xi32>
    row.yield %j, %count, %sum, %n : tensor<2x2xi32>, tensor<2xi32>, tensor<f32>, tensor<6xi32>
  }
  return
}
