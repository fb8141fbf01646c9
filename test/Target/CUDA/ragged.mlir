// Ragged ops become kernels that take any sizes.
// RUN: route-opt %s --convert-ragged-to-kernels --split-input-file | FileCheck %s

// A block for each expert counts its slots.
// CHECK-LABEL: func.func @count
// CHECK: %[[E:.*]] = arith.constant 6 : index
// CHECK: gpu.launch_func @kernels::@count_count_0 blocks in (%[[E]]
// CHECK: gpu.func @count_count_0(%{{.*}}: memref<?x2xi32>, %{{.*}}: memref<?xi32>, %{{.*}}: memref<6xi32>) workgroup(
// CHECK: gpu.subgroup_reduce add
// CHECK: gpu.barrier
func.func @count(%idx: memref<?x2xi32>, %n: memref<?xi32>, %c: memref<6xi32>) {
  ragged.count ins(%idx : memref<?x2xi32>) limit(%n : memref<?xi32>) outs(%c : memref<6xi32>)
  return
}

// -----
// A warp scans.
// CHECK-LABEL: gpu.func @offsets_offsets_0
// CHECK-COUNT-5: gpu.shuffle up
func.func @offsets(%c: memref<6xi32>, %o: memref<7xi32>) {
  ragged.offsets ins(%c : memref<6xi32>) outs(%o : memref<7xi32>)
  return
}

// -----
// A block for each expert and one for slots without; a barrier a round.
// CHECK-LABEL: func.func @permute
// CHECK: %[[BLOCKS:.*]] = arith.constant 7 : index
// CHECK: gpu.launch_func @kernels::@permute_permute_0 blocks in (%[[BLOCKS]]
// CHECK: gpu.func @permute_permute_0
// CHECK: scf.for
// CHECK: gpu.barrier
// CHECK-NOT: gpu.barrier
func.func @permute(%idx: memref<?x2xi32>, %o: memref<7xi32>, %p: memref<?xi32>, %i: memref<?x2xi32>) {
  ragged.permute ins(%idx, %o : memref<?x2xi32>, memref<7xi32>) outs(%p, %i : memref<?xi32>, memref<?x2xi32>)
  return
}

// -----
// 16 bytes a thread; all rows of an item are fetched before they are added.
// CHECK-LABEL: gpu.func @moves_gather_0
// CHECK: %[[ROW:.*]] = vector.load {{.*}} {alignment = 16 : i64} : memref<?x64xbf16>, vector<8xbf16>
// CHECK: vector.store %[[ROW]], {{.*}} {alignment = 16 : i64}
// CHECK-LABEL: gpu.func @moves_combine_0
// CHECK-COUNT-2: vector.load {{.*}} vector<8xbf16>
// CHECK: arith.mulf
// CHECK: arith.addf
// CHECK: llvm.fptrunc {{.*}} : vector<8xf32> to vector<8xbf16>
// CHECK: vector.store
func.func @moves(%x: memref<?x64xbf16>, %perm: memref<?xi32>, %rows: memref<?x64xbf16>, %inv: memref<?x2xi32>,
                 %w: memref<?x2xf32>, %out: memref<?x64xbf16>) {
  ragged.gather ins(%x, %perm : memref<?x64xbf16>, memref<?xi32>) outs(%rows : memref<?x64xbf16>) slots 2
  ragged.combine ins(%rows, %inv : memref<?x64xbf16>, memref<?x2xi32>) scale(%w : memref<?x2xf32>)
      outs(%out : memref<?x64xbf16>)
  return
}

// -----
// A warp for four columns of a row: 16 bytes a lane, f32 sums, the epilogue where they meet; two steps along K at once.
// CHECK-LABEL: gpu.func @gated_matmul_0
// CHECK-COUNT-2: vector.load {{.*}} {alignment = 16 : i64} : memref<?x512xbf16>, vector<8xbf16>
// CHECK: math.fma
// CHECK: gpu.shuffle xor
// CHECK: arith.negf
// CHECK: arith.mulf
// CHECK: memref.store
// Where rows are many a warp has eight rows and as many columns of all weights; a tile goes through the experts that its rows belong
// to. Lanes halve what they have, 128 sums, until each has two results, both of their sums.
// CHECK-LABEL: gpu.func @gated_matmul_many_0
// CHECK: scf.for
// CHECK-COUNT-8: vector.load {{.*}} memref<?x512xbf16>, vector<8xbf16>
// CHECK-COUNT-16: vector.load {{.*}} memref<4x32x512xbf16>, vector<8xbf16>
// CHECK-COUNT-1024: math.fma
// CHECK-NOT: math.fma
// CHECK-COUNT-124: gpu.shuffle xor
// CHECK-NOT: gpu.shuffle
// CHECK: memref.store
func.func @gated(%x: memref<?x512xbf16>, %o: memref<5xi32>, %g: memref<4x32x512xbf16>, %u: memref<4x32x512xbf16>,
                 %h: memref<?x32xbf16>) {
  ragged.matmul rows(%x : memref<?x512xbf16>) offsets(%o : memref<5xi32>)
      weights(%g, %u : memref<4x32x512xbf16>, memref<4x32x512xbf16>) outs(%h : memref<?x32xbf16>) {
  ^bb0(%a: f32, %b: f32):
    %n = arith.negf %a : f32
    %p = arith.mulf %n, %b : f32
    %r = arith.truncf %p : f32 to bf16
    ragged.yield %r : bf16
  }
  return
}

// -----
// Sizes that 16 bytes do not divide, and weights that lie the other way round.
// CHECK-LABEL: gpu.func @odd_matmul_0
// CHECK-NOT: vector.load
// CHECK: memref.load %{{.*}} : memref<1x33x7xf32>
func.func @odd(%x: memref<?x33xf32>, %w: memref<1x33x7xf32>, %h: memref<?x7xf32>) {
  ragged.matmul rows(%x : memref<?x33xf32>) weights(%w : memref<1x33x7xf32>) transposed outs(%h : memref<?x7xf32>) {
  ^bb0(%a: f32):
    ragged.yield %a : f32
  }
  return
}

// -----
// Weights, sources or results whose rows start between multiples of 16 bytes, or where is not known, are taken element by
// element; a known offset of 16 bytes is no matter.
// CHECK-LABEL: gpu.func @between_matmul_0
// CHECK-NOT: vector.load
// CHECK-LABEL: gpu.func @between_gather_0
// CHECK-NOT: vector.load
// CHECK-LABEL: gpu.func @between_gather_1
// CHECK: vector.load {{.*}} {alignment = 16 : i64}
func.func @between(%x: memref<?x512xbf16>, %w: memref<1x32x512xbf16, strided<[16448, 514, 1]>>, %h: memref<?x32xbf16>,
                   %any: memref<?x64xbf16, strided<[64, 1], offset: ?>>, %eight: memref<?x64xbf16, strided<[72, 1], offset: 8>>,
                   %perm: memref<?xi32>, %out: memref<?x64xbf16>) {
  ragged.matmul rows(%x : memref<?x512xbf16>) weights(%w : memref<1x32x512xbf16, strided<[16448, 514, 1]>>)
      outs(%h : memref<?x32xbf16>) {
  ^bb0(%a: f32):
    %r = arith.truncf %a : f32 to bf16
    ragged.yield %r : bf16
  }
  ragged.gather ins(%any, %perm : memref<?x64xbf16, strided<[64, 1], offset: ?>>, memref<?xi32>) outs(%out : memref<?x64xbf16>) slots 1
  ragged.gather ins(%eight, %perm : memref<?x64xbf16, strided<[72, 1], offset: 8>>, memref<?xi32>) outs(%out : memref<?x64xbf16>) slots 1
  return
}
