// Numbers of items that only row programs read are computed in them; others stay.
// RUN: route-opt %s --row-fuse-producers --split-input-file | FileCheck %s

#item = affine_map<(t) -> (t)>
#row = affine_map<(t, k) -> (t, k)>

// A chain goes in whole, and what the program reads already it reads once.
// CHECK-LABEL: func.func @known
// CHECK-SAME: %[[X:.*]]: tensor<?xf32>, %[[K:.*]]: tensor<?xi8>
// CHECK-NOT: linalg.generic
// CHECK: row.program ins(%[[X]], %[[K]] : tensor<?xf32>, tensor<?xi8>)
// CHECK-NEXT: ^bb0(%[[A:.*]]: tensor<f32>, %[[B:.*]]: tensor<i8>):
// CHECK: %[[S:.*]] = linalg.generic {{.*}} iterator_types = []} ins(%[[A]], %[[B]] : tensor<f32>, tensor<i8>)
// CHECK: arith.select
// CHECK: %[[N:.*]] = linalg.generic {{.*}} ins(%[[S]] : tensor<f32>)
// CHECK: arith.negf
// CHECK: linalg.generic {{.*}} ins(%[[N]], %[[A]] :
// CHECK-NEXT: ^bb0
// CHECK-NEXT: arith.addf
// CHECK: row.yield
func.func @known(%x: tensor<?xf32>, %k: tensor<?xi8>, %i0: tensor<?xf32>, %i1: tensor<?xf32>, %o0: tensor<?xf32>) -> tensor<?xf32> {
  %none = arith.constant 0 : i8
  %least = arith.constant 0xFF800000 : f32
  %0 = linalg.generic {indexing_maps = [#item, #item, #item], iterator_types = ["parallel"]}
      ins(%x, %k : tensor<?xf32>, tensor<?xi8>) outs(%i0 : tensor<?xf32>) {
  ^bb0(%a: f32, %b: i8, %o: f32):
    %there = arith.cmpi ne, %b, %none : i8
    %v = arith.select %there, %a, %least : f32
    linalg.yield %v : f32
  } -> tensor<?xf32>
  %1 = linalg.generic {indexing_maps = [#item, #item], iterator_types = ["parallel"]}
      ins(%0 : tensor<?xf32>) outs(%i1 : tensor<?xf32>) {
  ^bb0(%a: f32, %o: f32):
    %v = arith.negf %a : f32
    linalg.yield %v : f32
  } -> tensor<?xf32>
  %2 = row.program ins(%1, %x : tensor<?xf32>, tensor<?xf32>) outs(%o0 : tensor<?xf32>) {
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %e = tensor.empty() : tensor<f32>
    %s = linalg.generic {indexing_maps = [affine_map<() -> ()>, affine_map<() -> ()>, affine_map<() -> ()>], iterator_types = []}
        ins(%a, %b : tensor<f32>, tensor<f32>) outs(%e : tensor<f32>) {
    ^bb0(%p: f32, %q: f32, %o: f32):
      %v = arith.addf %p, %q : f32
      linalg.yield %v : f32
    } -> tensor<f32>
    row.yield %s : tensor<f32>
  } -> tensor<?xf32>
  return %2 : tensor<?xf32>
}

// -----

#item = affine_map<(t) -> (t)>
#row = affine_map<(t, k) -> (t, k)>

// Somebody else reads the one, the other is a row of numbers, and the third counts items.
// CHECK-LABEL: func.func @others
// CHECK-COUNT-3: linalg.generic
// CHECK: row.program
func.func @others(%x: tensor<?xf32>, %y: tensor<?x4xf32>, %i0: tensor<?xf32>, %i1: tensor<?x4xf32>, %i2: tensor<?xi32>, %o0: tensor<?x4xf32>,
                  %o1: tensor<?xf32>, %o2: tensor<?xi32>)
    -> (tensor<?xf32>, tensor<?x4xf32>, tensor<?xf32>, tensor<?xi32>) {
  %0 = linalg.generic {indexing_maps = [#item, #item], iterator_types = ["parallel"]} ins(%x : tensor<?xf32>) outs(%i0 : tensor<?xf32>) {
  ^bb0(%a: f32, %o: f32):
    %v = arith.negf %a : f32
    linalg.yield %v : f32
  } -> tensor<?xf32>
  %1 = linalg.generic {indexing_maps = [#row, #row], iterator_types = ["parallel", "parallel"]}
      ins(%y : tensor<?x4xf32>) outs(%i1 : tensor<?x4xf32>) {
  ^bb0(%a: f32, %o: f32):
    %v = arith.negf %a : f32
    linalg.yield %v : f32
  } -> tensor<?x4xf32>
  %2 = linalg.generic {indexing_maps = [#item, #item], iterator_types = ["parallel"]} ins(%x : tensor<?xf32>) outs(%i2 : tensor<?xi32>) {
  ^bb0(%a: f32, %o: i32):
    %i = linalg.index 0 : index
    %v = arith.index_cast %i : index to i32
    linalg.yield %v : i32
  } -> tensor<?xi32>
  %3:3 = row.program ins(%0, %1, %2 : tensor<?xf32>, tensor<?x4xf32>, tensor<?xi32>)
      outs(%o1, %o0, %o2 : tensor<?xf32>, tensor<?x4xf32>, tensor<?xi32>) {
  ^bb0(%a: tensor<f32>, %b: tensor<4xf32>, %c: tensor<i32>):
    row.yield %a, %b, %c : tensor<f32>, tensor<4xf32>, tensor<i32>
  } -> tensor<?xf32>, tensor<?x4xf32>, tensor<?xi32>
  return %0, %3#1, %3#0, %3#2 : tensor<?xf32>, tensor<?x4xf32>, tensor<?xf32>, tensor<?xi32>
}
