// Matmuls on bf16 become kernels on tensor cores; few rows keep the form that takes any sizes.
// RUN: route-opt %s --convert-ragged-to-wgmma --split-input-file --verify-diagnostics | FileCheck %s
// RUN: route-opt %s --convert-ragged-to-wgmma=splits=1 --split-input-file 2>/dev/null | FileCheck %s --check-prefix=ONE
// RUN: route-opt %s --convert-ragged-to-wgmma="tokens=64 few-rows=7" --split-input-file 2>/dev/null | FileCheck %s --check-prefix=OPTIONS

// A gated unit: 64 columns of both weights for each of two warpgroups, maps of both weights and two of the rows. Blocks of
// a cluster of two have tiles that share weights or rows, and bring each half of those to both.
// CHECK-LABEL: func.func @gated
// How many tiles have been taken, from zero.
// CHECK: %[[TAKEN:.*]] = memref.alloc() {{.*}} : memref<1xi32>
// CHECK: linalg.fill ins(%c0_i32 : i32) outs(%[[TAKEN]] : memref<1xi32>)
// CHECK: %[[FEW:.*]] = arith.cmpi ule, %{{.*}}, %c4{{ }}
// CHECK: scf.if %[[FEW]] {
// CHECK-NEXT: ragged.matmul
// CHECK: } else {
// Tiles at most: rows / 128 + experts, times columns / 128.
// CHECK: arith.ceildivui %{{.*}}, %c128
// CHECK: arith.muli
// CHECK: gpu.launch_func @kernels::@gated_wgmma_0 blocks in (%{{.*}}) threads in (%c384{{.*}}) args(%arg2 : memref<16x200x512xbf16>, %arg3 : memref<16x200x512xbf16>, %arg0 : memref<?x512xbf16>, %arg0 : memref<?x512xbf16>, %arg1 : memref<17xi32>, %[[TAKEN]] : memref<1xi32>, %arg4 : memref<?x200xbf16>)
// CHECK-LABEL: llvm.func @gated_wgmma_0
// CHECK-SAME: %arg0: !llvm.ptr {llvm.align = 64 : i64, llvm.byval = !llvm.array<128 x i8>, nvvm.grid_constant, route.tensor_map = array<i64: 1, 64, 64>}
// CHECK-SAME: route.tensor_map = array<i64: 1, 64, 64>}
// CHECK-SAME: route.tensor_map = array<i64: 64, 64>}
// CHECK-SAME: route.tensor_map = array<i64: 16, 64>}
// CHECK-SAME: nvvm.cluster_dim = array<i32: 2, 1, 1>
// CHECK-SAME: nvvm.maxntid = array<i32: 384>
// CHECK-SAME: route.blocks_per_processor = 1 : i32, route.shared_bytes = {{[0-9]+}} : i32}
// CHECK: nvvm.mbarrier.init
// CHECK: nvvm.cluster.arrive
// CHECK-NEXT: nvvm.cluster.wait
// The producer, then two warpgroups that multiply.
// CHECK: nvvm.setmaxregister decrease 40
// The first pair of tiles is the cluster's own; the next one is asked for by the first block as a tile begins, told to the
// second half way along K, and given to the others.
// CHECK: nvvm.elect.sync
// CHECK: llvm.store %{{.*}}, %{{.*}} {alignment = 16 : i64} : vector<4xi32>, !llvm.ptr<3>
// CHECK: scf.while
// CHECK: llvm.atomicrmw add %{{.*}}, %{{.*}} syncscope("device") monotonic : !llvm.ptr<1>, i32
// CHECK: nvvm.mbarrier.arrive.expect_tx
// CHECK-COUNT-4: nvvm.cp.async.bulk.tensor.shared.cluster.global {{.*}} multicast_mask
// CHECK: nvvm.mapa %{{.*}}, %c1_i32{{.*}} : !llvm.ptr<3> -> !llvm.ptr<7>
// CHECK-NEXT: llvm.atomicrmw xchg %{{.*}}, %{{.*}} syncscope("cluster") monotonic
// CHECK: scf.while
// CHECK: llvm.atomicrmw _or %{{.*}}, %{{.*}} syncscope("cluster") monotonic
// CHECK: llvm.store %{{.*}}, %{{.*}} {alignment = 16 : i64} : vector<4xi32>, !llvm.ptr<3>
// CHECK: nvvm.cluster.arrive
// CHECK: nvvm.setmaxregister increase 232
// CHECK: llvm.load %{{.*}} {alignment = 16 : i64} : !llvm.ptr<3> -> vector<4xi32>
// Tiles of few tokens cost few columns. The first products of a tile overwrite the sums of the one before, whatever its
// width was; the others add to them.
// CHECK: %[[ZERO:.*]] = llvm.mlir.zero : !llvm.struct<(f32, {{.*}})>
// CHECK: scf.while ({{.*}} = %[[ZERO]])
// CHECK: scf.index_switch
// CHECK: %[[ADDS:.*]] = arith.cmpi ne, %{{.*}}, %{{.*}} : i32
// CHECK: llvm.inline_asm {{.*}}.m64n64k16.f32.bf16.bf16 {{[{]}}$0, $1, {{[$0-9, ]*}}}, $130, $129, $128, 1, 1, 0, 0;
// CHECK-SAME: .m64n64k16.f32.bf16.bf16 {{[{]}}$32, $33, {{[$0-9, ]*}}}, $131, $129, $128, 1, 1, 0, 0;
// CHECK-SAME: .m64n64k16.f32.bf16.bf16 {{[{]}}$0, $1, {{[$0-9, ]*}}}, $133, $132, always, 1, 1, 0, 0;
// CHECK-SAME: "=f,=f,{{.*}},0,1,{{.*}},63,b,l,l,l{{.*}} %[[ADDS]],
// A stage is free for both blocks once both have multiplied it.
// CHECK: nvvm.mapa
// CHECK-NEXT: nvvm.mbarrier.arrive {{.*}} : !llvm.ptr<7>
// CHECK: .m64n96k16.
// CHECK: .m64n128k16.
// CHECK: .m64n160k16.
// One epilogue for all widths, by a power of two and a reciprocal, through shared memory, to 16 bytes a thread. Rows beyond
// a tile's width are left out.
// CHECK: llvm.call_intrinsic "llvm.nvvm.ex2.approx.ftz.f32"
// CHECK: nvvm.rcp.approx.ftz.f
// CHECK: nvvm.stmatrix
// CHECK: llvm.store %{{.*}}, %{{.*}} {alignment = 16 : i64} : vector<4xi32>, !llvm.ptr<1>
// CHECK: scf.if
// CHECK: nvvm.barrier
// CHECK: scf.if
// CHECK: nvvm.stmatrix
// CHECK-NOT: wgmma.mma_async
// OPTIONS-LABEL: func.func @gated
// OPTIONS: arith.cmpi ule, %{{.*}}, %c7
// OPTIONS-LABEL: llvm.func @gated_wgmma_0
// OPTIONS: .m64n64k16.
// OPTIONS-NOT: .m64n96k16.
func.func @gated(%x: memref<?x512xbf16>, %o: memref<17xi32>, %g: memref<16x200x512xbf16>, %u: memref<16x200x512xbf16>,
                 %out: memref<?x200xbf16>) {
  ragged.matmul rows(%x : memref<?x512xbf16>) offsets(%o : memref<17xi32>)
      weights(%g, %u : memref<16x200x512xbf16>, memref<16x200x512xbf16>) outs(%out : memref<?x200xbf16>) {
  ^bb0(%a: f32, %b: f32):
    %s = row.unary silu %a : f32
    %p = arith.mulf %s, %b : f32
    %r = arith.truncf %p : f32 to bf16
    ragged.yield %r : bf16
  }
  return
}

// -----
// Tiles of one matrix take equally long, and blocks have them in turn. Results of 32 bits go straight to memory, from one block of columns in each warpgroup where
// there are few columns; a bias and a factor for each row come in at the end.
// CHECK-LABEL: func.func @first
// CHECK-NOT: linalg.fill
// CHECK: gpu.launch_func @kernels::@first_wgmma_0
// CHECK: llvm.func @first_wgmma_0
// CHECK-SAME: route.tensor_map = array<i64: 1, 128, 64>
// CHECK-NOT: llvm.atomicrmw
// CHECK: wgmma.mma_async.sync.aligned.{{.*}}, 1, 1, 0, 0;
// CHECK-NOT: nvvm.stmatrix
// CHECK: llvm.store %{{.*}}, %{{.*}} : f32, !llvm.ptr<1>
func.func @first(%x: memref<?x512xbf16>, %w: memref<1x128x512xbf16>, %b: memref<1x128xf32>, %s: memref<?xf32>, %out: memref<?x128xf32>) {
  ragged.matmul rows(%x : memref<?x512xbf16>) weights(%w : memref<1x128x512xbf16>) per_expert(%b : memref<1x128xf32>)
      per_row(%s : memref<?xf32>) outs(%out : memref<?x128xf32>) {
  ^bb0(%a: f32, %c: f32, %f: f32):
    %r = arith.addf %a, %c : f32
    %p = arith.mulf %r, %f : f32
    ragged.yield %p : f32
  }
  return
}

// -----
// Weights as [E, K, N] are brought in boxes of 64 by 64, and taken from shared memory the other way round. Many columns
// make two blocks of each warpgroup. Of few experts, or an odd number of tiles side by side, none are taken in pairs.
// CHECK-LABEL: func.func @transposed
// CHECK-LABEL: llvm.func @transposed_wgmma_0
// CHECK-SAME: route.tensor_map = array<i64: 1, 64, 64>
// CHECK-NOT: nvvm.cluster_dim
// CHECK-COUNT-4: nvvm.cp.async.bulk.tensor.shared.cluster.global
// CHECK: wgmma.mma_async.sync.aligned.{{.*}}, 1, 1, 1, 0;
func.func @transposed(%x: memref<?x512xbf16>, %o: memref<7xi32>, %w: memref<6x512x520xbf16>, %out: memref<?x520xbf16>) {
  ragged.matmul rows(%x : memref<?x512xbf16>) offsets(%o : memref<7xi32>) weights(%w : memref<6x512x520xbf16>)
      transposed outs(%out : memref<?x520xbf16>) {
  ^bb0(%a: f32):
    %r = arith.truncf %a : f32 to bf16
    ragged.yield %r : bf16
  }
  return
}

// -----
// Others are left alone, f32 and few columns in silence.
// CHECK-LABEL: func.func @others
// CHECK-NOT: gpu.launch_func
// CHECK-COUNT-2: ragged.matmul
// CHECK-NOT: gpu.module
func.func @others(%x: memref<?x512xf32>, %w: memref<1x128x512xf32>, %z: memref<?x512xbf16>, %u: memref<1x4x512xbf16>,
                  %out: memref<?x128xf32>, %few: memref<?x4xf32>) {
  ragged.matmul rows(%x : memref<?x512xf32>) weights(%w : memref<1x128x512xf32>) outs(%out : memref<?x128xf32>) {
  ^bb0(%a: f32):
    ragged.yield %a : f32
  }
  ragged.matmul rows(%z : memref<?x512xbf16>) weights(%u : memref<1x4x512xbf16>) outs(%few : memref<?x4xf32>) {
  ^bb0(%a: f32):
    ragged.yield %a : f32
  }
  return
}

// -----
// What stands between multiples of 16 bytes by its sizes, strides or offset, or by an offset that is not known.
// CHECK-LABEL: func.func @places
// CHECK-NOT: gpu.launch_func
// CHECK-COUNT-5: ragged.matmul
// CHECK-NOT: gpu.module
func.func @places(%sizes: memref<?x516xbf16>, %w: memref<1x128x516xbf16>, %one: memref<?x512xbf16, strided<[512, 1], offset: 1>>,
                  %any: memref<?x512xbf16, strided<[512, 1], offset: ?>>, %v: memref<1x128x512xbf16>,
                  %rows: memref<1x128x512xbf16, strided<[65792, 514, 1]>>, %x: memref<?x512xbf16>, %out: memref<?x128xbf16>,
                  %three: memref<?x128xbf16, strided<[128, 1], offset: 3>>) {
  // expected-warning @+1 {{this product does not run on tensor cores: its sizes are no multiples of 8}}
  ragged.matmul rows(%sizes : memref<?x516xbf16>) weights(%w : memref<1x128x516xbf16>) outs(%out : memref<?x128xbf16>) {
  ^bb0(%a: f32):
    %r = arith.truncf %a : f32 to bf16
    ragged.yield %r : bf16
  }
  // expected-warning @+1 {{its rows or results start between multiples of 16 bytes}}
  ragged.matmul rows(%one : memref<?x512xbf16, strided<[512, 1], offset: 1>>) weights(%v : memref<1x128x512xbf16>)
      outs(%out : memref<?x128xbf16>) {
  ^bb0(%a: f32):
    %r = arith.truncf %a : f32 to bf16
    ragged.yield %r : bf16
  }
  // expected-warning @+1 {{its rows or results start between multiples of 16 bytes}}
  ragged.matmul rows(%any : memref<?x512xbf16, strided<[512, 1], offset: ?>>) weights(%v : memref<1x128x512xbf16>)
      outs(%out : memref<?x128xbf16>) {
  ^bb0(%a: f32):
    %r = arith.truncf %a : f32 to bf16
    ragged.yield %r : bf16
  }
  // expected-warning @+1 {{its rows or results start between multiples of 16 bytes}}
  ragged.matmul rows(%x : memref<?x512xbf16>) weights(%v : memref<1x128x512xbf16>)
      outs(%three : memref<?x128xbf16, strided<[128, 1], offset: 3>>) {
  ^bb0(%a: f32):
    %r = arith.truncf %a : f32 to bf16
    ragged.yield %r : bf16
  }
  // expected-warning @+1 {{rows of its weights are interleaved}}
  ragged.matmul rows(%x : memref<?x512xbf16>) weights(%rows : memref<1x128x512xbf16, strided<[65792, 514, 1]>>)
      outs(%out : memref<?x128xbf16>) {
  ^bb0(%a: f32):
    %r = arith.truncf %a : f32 to bf16
    ragged.yield %r : bf16
  }
  return
}

// -----
// An offset of whole units is no matter.
// CHECK-LABEL: func.func @offset
// CHECK: gpu.launch_func @kernels::@offset_wgmma_0
func.func @offset(%x: memref<?x512xbf16, strided<[520, 1], offset: 8>>, %w: memref<1x128x512xbf16>, %out: memref<?x128xbf16>) {
  ragged.matmul rows(%x : memref<?x512xbf16, strided<[520, 1], offset: 8>>) weights(%w : memref<1x128x512xbf16>)
      outs(%out : memref<?x128xbf16>) {
  ^bb0(%a: f32):
    %r = arith.truncf %a : f32 to bf16
    ragged.yield %r : bf16
  }
  return
}

// -----
// Two parts whose columns alternate: four boxes of 64 columns of one matrix, 128 columns of the result in a tile. Both
// sums of an element come to one lane before the epilogue; a bias of each part is read where it lies.
// CHECK-LABEL: func.func @interleaved
// CHECK: arith.muli %{{.*}}, %c2{{ }}
// CHECK: gpu.launch_func @kernels::@interleaved_wgmma_0 {{.*}} args(%arg2 : memref<6x512x400xbf16>, %arg0
// CHECK-LABEL: llvm.func @interleaved_wgmma_0
// CHECK-SAME: route.tensor_map = array<i64: 1, 64, 64>
// CHECK-COUNT-4: nvvm.cp.async.bulk.tensor.shared.cluster.global
// CHECK: wgmma.mma_async.sync.aligned.{{.*}}, 1, 1, 1, 0;
// CHECK: nvvm.shfl.sync idx
// CHECK: nvvm.shfl.sync idx
// CHECK: llvm.call_intrinsic "llvm.nvvm.ex2.approx.ftz.f32"
// CHECK: nvvm.stmatrix
func.func @interleaved(%x: memref<?x512xbf16>, %o: memref<7xi32>, %w: memref<6x512x400xbf16>,
                       %b: memref<6x200xbf16, strided<[400, 2], offset: 1>>, %out: memref<?x200xbf16>) {
  ragged.matmul rows(%x : memref<?x512xbf16>) offsets(%o : memref<7xi32>) weights(%w : memref<6x512x400xbf16>)
      transposed interleaved 2 per_expert(%b : memref<6x200xbf16, strided<[400, 2], offset: 1>>) outs(%out : memref<?x200xbf16>) {
  ^bb0(%gate: f32, %up: f32, %c: bf16):
    %d = arith.extf %c : bf16 to f32
    %u = arith.addf %up, %d : f32
    %s = row.unary silu %gate : f32
    %p = arith.mulf %s, %u : f32
    %r = arith.truncf %p : f32 to bf16
    ragged.yield %r : bf16
  }
  return
}

// -----
// Of three parts no lane has all sums.
// CHECK-LABEL: func.func @three
// CHECK-NOT: gpu.module
func.func @three(%x: memref<?x512xbf16>, %w: memref<1x512x384xbf16>, %out: memref<?x128xbf16>) {
  // expected-warning @+1 {{more than two parts of its weights are interleaved}}
  ragged.matmul rows(%x : memref<?x512xbf16>) weights(%w : memref<1x512x384xbf16>) transposed interleaved 3
      outs(%out : memref<?x128xbf16>) {
  ^bb0(%a: f32, %b: f32, %c: f32):
    %s = arith.addf %a, %b : f32
    %p = arith.mulf %s, %c : f32
    %r = arith.truncf %p : f32 to bf16
    ragged.yield %r : bf16
  }
  return
}

// -----
// A router's product: eight shares of K, whatever the number of rows, whose sums are added up in their order. For few
// rows they are blocks of a cluster, for many a block's, one after the other.
// CHECK-LABEL: func.func @router
// CHECK: arith.cmpi ule, %{{.*}}, %c2048
// CHECK: scf.if
// CHECK: arith.muli %{{.*}}, %c16{{ }}
// CHECK: gpu.launch_func @kernels::@router_wgmma_1
// CHECK: } else {
// CHECK: gpu.launch_func @kernels::@router_wgmma_0
// CHECK-LABEL: llvm.func @router_wgmma_0
// CHECK-SAME: route.blocks_per_processor
// CHECK-NOT: nvvm.cluster
// 64 steps along K, 8 to a share.
// CHECK: scf.for unsigned %{{.*}} = %c0_i32{{[_0-9]*}} to %c64_i32{{[_0-9]*}} step %c8_i32
// CHECK: wgmma.mma_async.sync.aligned
// CHECK: arith.addf
// CHECK: scf.yield
// CHECK-LABEL: llvm.func @router_wgmma_1
// Two tiles side by side for 256 columns, and eight blocks for each.
// CHECK-SAME: nvvm.cluster_dim = array<i32: 16, 1, 1>
// CHECK-SAME: route.waits
// CHECK-NOT: route.blocks_per_processor
// CHECK: nvvm.griddepcontrol launch_dependents
// CHECK: arith.remui %{{.*}}, %c8_i32
// Weights are on their way before the rows are waited for.
// CHECK: nvvm.setmaxregister decrease
// CHECK: nvvm.cp.async.bulk.tensor
// CHECK: nvvm.griddepcontrol wait
// CHECK: nvvm.cp.async.bulk.tensor
// The producer meets the others twice, around their sums.
// CHECK: nvvm.cluster.arrive
// CHECK: nvvm.cluster.arrive
// CHECK: nvvm.setmaxregister increase
// CHECK: nvvm.griddepcontrol wait
// CHECK: nvvm.cluster.wait
// CHECK-COUNT-8: nvvm.mapa
// CHECK-COUNT-8: llvm.load %{{.*}} : !llvm.ptr<7> -> f32
// CHECK: llvm.store %{{.*}}, %{{.*}} : f32, !llvm.ptr<1>
// CHECK: nvvm.cluster.wait
// ONE-LABEL: func.func @router
// ONE: scf.if
// ONE-LABEL: llvm.func @router_wgmma_0
// ONE-NOT: nvvm.cluster
func.func @router(%x: memref<?x4096xbf16>, %w: memref<1x256x4096xbf16> {route.role = "param"}, %out: memref<?x256xf32>) {
  ragged.matmul rows(%x : memref<?x4096xbf16>) weights(%w : memref<1x256x4096xbf16>) outs(%out : memref<?x256xf32>) {
  ^bb0(%a: f32):
    ragged.yield %a : f32
  }
  return
}

// -----
// A router's product of long rows: shares of at most 7 steps are spread over all multiprocessors and leave their sums in
// memory, row by row, where a block for each row adds them up in their order.
// CHECK-LABEL: func.func @long_rows
// CHECK: arith.cmpi ule, %{{.*}}, %c2560
// CHECK: %[[ROWS:.*]] = arith.minui %{{.*}}, %c2560
// CHECK: %[[SUMS:.*]] = memref.alloc(%[[ROWS]]) {{.*}} : memref<?x4096xf32>
// CHECK: scf.if
// Up to 256 rows tiles of 64 have a multiprocessor for each block.
// CHECK: %[[SMALL:.*]] = arith.cmpi ule, %{{.*}}, %c256
// CHECK: %[[STEP:.*]] = arith.select %[[SMALL]], %c64{{.*}}, %c128
// CHECK: %[[TILES:.*]] = arith.ceildivui %{{.*}}, %[[STEP]]
// Blocks of two tiles of rows are a cluster.
// CHECK: arith.ceildivui %[[TILES]], %c2{{ }}
// CHECK: arith.muli %{{.*}}, %c32{{ }}
// CHECK: gpu.launch_func @kernels::@long_rows_wgmma_1 {{.*}} args(%arg1 : {{.*}}, %arg0 : {{.*}}, %arg0 : {{.*}}, %[[SUMS]] : memref<?x4096xf32>)
// CHECK: gpu.launch_func @kernels::@long_rows_wgmma_2 blocks in (%dim, {{.*}} args(%[[SUMS]] : memref<?x4096xf32>, %arg2 : memref<1x256xf32>, %arg3 : memref<?x256xf32>)
// CHECK: } else {
// CHECK: gpu.launch_func @kernels::@long_rows_wgmma_0
// CHECK-LABEL: llvm.func @long_rows_wgmma_0
// CHECK: scf.for unsigned %{{.*}} = %c0_i32{{[_0-9]*}} to %c112_i32{{[_0-9]*}} step %c7_i32
// CHECK-LABEL: llvm.func @long_rows_wgmma_1
// CHECK-SAME: route.tensor_map = array<i64: 1, 64, 64>
// CHECK-SAME: nvvm.cluster_dim = array<i32: 2, 1, 1>
// CHECK-SAME: route.waits
// CHECK-NOT: setmaxregister
// CHECK: nvvm.griddepcontrol launch_dependents
// CHECK: arith.remui %{{.*}}, %c16_i32
// They meet where both have rows, up to 256 of them; each then brings half of the weights to both.
// CHECK: %[[PAIRED:.*]] = arith.andi
// CHECK: scf.if %[[PAIRED]] {
// CHECK-NEXT: nvvm.cluster.arrive
// CHECK-NEXT: nvvm.cluster.wait
// CHECK: arith.extui %[[PAIRED]] : i1 to i32
// CHECK: %[[TO:.*]] = arith.trunci %{{.*}} : i32 to i16
// CHECK: scf.if
// CHECK: nvvm.cp.async.bulk.tensor{{.*}} multicast_mask = %[[TO]]
// CHECK: scf.if
// CHECK: nvvm.cp.async.bulk.tensor{{.*}} multicast_mask = %[[TO]]
// CHECK-COUNT-2: nvvm.prefetch tensormap
// CHECK: nvvm.griddepcontrol wait
// CHECK: nvvm.cp.async.bulk.tensor
// CHECK: llvm.store %{{.*}}, %{{.*}} : f32, !llvm.ptr<1>
// CHECK-NOT: mapa
// CHECK-LABEL: llvm.func @long_rows_wgmma_2
// CHECK-SAME: route.shared_bytes = 1024
// CHECK: nvvm.griddepcontrol wait
// CHECK-COUNT-16: arith.addf
// The epilogue comes after the last.
// CHECK-NOT: arith.addf
// CHECK: arith.mulf
// CHECK: llvm.store %{{.*}} : f32, !llvm.ptr<3>
// CHECK: nvvm.barrier
// CHECK: } {ragged.items = array<i64: 0, 1, 1024>}
func.func @long_rows(%x: memref<?x7168xbf16>, %w: memref<1x256x7168xbf16> {route.role = "param"}, %s: memref<1x256xf32>, %out: memref<?x256xf32>) {
  ragged.matmul rows(%x : memref<?x7168xbf16>) weights(%w : memref<1x256x7168xbf16>) per_expert(%s : memref<1x256xf32>)
      outs(%out : memref<?x256xf32>) {
  ^bb0(%a: f32, %b: f32):
    %r = arith.mulf %a, %b : f32
    ragged.yield %r : f32
  }
  return
}

// -----
// Few steps along K make few splits: each has two at least.
// CHECK-LABEL: llvm.func @short_wgmma_1
// CHECK-SAME: nvvm.cluster_dim = array<i32: 2, 1, 1>
func.func @short(%x: memref<?x320xbf16>, %w: memref<1x32x320xbf16>, %out: memref<?x32xf32>) {
  ragged.matmul rows(%x : memref<?x320xbf16>) weights(%w : memref<1x32x320xbf16>) outs(%out : memref<?x32xf32>) {
  ^bb0(%a: f32):
    ragged.yield %a : f32
  }
  return
}
