// ragged.choose prints as it parses, bufferizes in place and becomes work over items: a heap of candidates that is sorted at
// the end.
// RUN: route-opt %s | route-opt | FileCheck %s
// RUN: route-opt %s --one-shot-bufferize="bufferize-function-boundaries function-boundary-type-conversion=identity-layout-map" --canonicalize > %t.mlir
// RUN: FileCheck %s --check-prefix=BUFFER < %t.mlir
// RUN: route-opt %t.mlir --convert-ragged-to-cpu --canonicalize --cse | FileCheck %s --check-prefix=CPU

// CHECK: ragged.choose of %{{.*}} by(%{{.*}} : tensor<?x8xf32>) up [false] range(%{{.*}}, %{{.*}} : tensor<?xi32>, tensor<?xi32>) maps [#{{.*}}, #{{.*}}, #{{.*}}] outs(%{{.*}}, %{{.*}} : tensor<8x?x16xi32>, tensor<8x?xi32>) -> tensor<8x?x16xi32>, tensor<8x?xi32>
// BUFFER-LABEL: func @experts
// BUFFER-NOT: memref.copy
// BUFFER: ragged.choose of %{{.*}} outs(%{{.*}}, %{{.*}} : memref<8x?x16xi32>, memref<8x?xi32>)
// BUFFER-NOT: memref.copy
// The candidates of an item between its bounds; then -1 behind its rows.
// CPU-LABEL: func.func private @experts_choose(%arg0: index, %arg1: index
// CPU: scf.for %{{.*}} = %arg0 to %arg1
// CPU: scf.for
// CPU: arith.bitcast %{{.*}} : f64 to i64
// CPU: scf.while
// CPU: memref.store %c-1_i32
// CPU-LABEL: func.func @experts
// CPU: call @experts_choose(%{{.*}}) {ragged.parallel}
func.func @experts(%s: tensor<?x8xf32>, %begin: tensor<?xi32>, %end: tensor<?xi32>, %i0: tensor<8x?x16xi32> {bufferization.writable = true},
    %n0: tensor<8x?xi32> {bufferization.writable = true}, %tokens: index) -> (tensor<8x?x16xi32>, tensor<8x?xi32>) {
  %i, %n = ragged.choose of %tokens by(%s : tensor<?x8xf32>) up [false] range(%begin, %end : tensor<?xi32>, tensor<?xi32>)
      maps [affine_map<(e, i, c) -> (c, e)>, affine_map<(e, i, c) -> (i)>, affine_map<(e, i, c) -> (i)>]
      outs(%i0, %n0 : tensor<8x?x16xi32>, tensor<8x?xi32>) -> tensor<8x?x16xi32>, tensor<8x?xi32>
  return %i, %n : tensor<8x?x16xi32>, tensor<8x?xi32>
}

// CHECK: ragged.choose of %{{.*}} up [] where(%{{.*}} : tensor<?xi1>) limit(%{{.*}} : tensor<i32>) maps
func.func @all(%m: tensor<?xi1>, %l: tensor<i32>, %i0: tensor<?xi32>, %n0: tensor<i32>, %n: index) -> tensor<?xi32> {
  %i, %c = ragged.choose of %n up [] where(%m : tensor<?xi1>) limit(%l : tensor<i32>)
      maps [affine_map<(c) -> (c)>, affine_map<(c) -> ()>]
      outs(%i0, %n0 : tensor<?xi32>, tensor<i32>) -> tensor<?xi32>, tensor<i32>
  return %i : tensor<?xi32>
}
