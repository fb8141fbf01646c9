// Elementwise users of a row program's results move into it.
// RUN: route-opt %s --row-fuse-consumers --split-input-file | FileCheck %s

#row = affine_map<(t, k) -> (t, k)>
#item = affine_map<(t, k) -> (t)>

// CHECK-LABEL: func.func @mask
// CHECK: %[[R:.*]]:3 = row.program ins(%{{.*}} : tensor<?x16xf32>) outs(%{{.*}}, %{{.*}}, %{{.*}} : tensor<?x4xi32>, tensor<?xi32>, tensor<?x4xf32>)
// CHECK: %[[I:.*]], %{{.*}} = row.choose
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel"]} ins(%[[I]]
// CHECK: linalg.index 0
// CHECK: arith.cmpi
// CHECK: row.yield
// CHECK-NOT: linalg.generic
// CHECK: return %[[R]]#0, %[[R]]#2
func.func @mask(%x: tensor<?x16xf32>, %i0: tensor<?x4xi32>, %n0: tensor<?xi32>, %w0: tensor<?x4xf32>)
    -> (tensor<?x4xi32>, tensor<?x4xf32>) {
  %zero = arith.constant 0.0 : f32
  %0:2 = row.program ins(%x : tensor<?x16xf32>) outs(%i0, %n0 : tensor<?x4xi32>, tensor<?xi32>) {
  ^bb0(%r: tensor<16xf32>):
    %i, %n = row.choose by(%r : tensor<16xf32>) : tensor<4xi32>, tensor<i32>
    row.yield %i, %n : tensor<4xi32>, tensor<i32>
  } -> tensor<?x4xi32>, tensor<?xi32>
  %1 = linalg.generic {indexing_maps = [#row, #item, #row], iterator_types = ["parallel", "parallel"]}
      ins(%0#0, %0#1 : tensor<?x4xi32>, tensor<?xi32>) outs(%w0 : tensor<?x4xf32>) {
  ^bb0(%a: i32, %n: i32, %o: f32):
    %k = linalg.index 1 : index
    %ki = arith.index_cast %k : index to i32
    %in = arith.cmpi slt, %ki, %n : i32
    %f = arith.sitofp %a : i32 to f32
    %s = arith.select %in, %f, %zero : f32
    linalg.yield %s : f32
  } -> tensor<?x4xf32>
  return %0#0, %1 : tensor<?x4xi32>, tensor<?x4xf32>
}

// -----
// What mixes items, needs other values or the item's number stays.
// CHECK-LABEL: func.func @stays
// CHECK: row.program {{.*}} outs(%{{.*}} : tensor<?x4xf32>)
// CHECK: row.yield
// CHECK-COUNT-3: linalg.generic
#row = affine_map<(t, k) -> (t, k)>
#turned = affine_map<(k, t) -> (t, k)>
#out = affine_map<(k, t) -> (k, t)>
func.func @stays(%x: tensor<?x4xf32>, %y: tensor<?x4xf32>, %a0: tensor<?x4xf32>, %b0: tensor<4x?xf32>)
    -> (tensor<?x4xf32>, tensor<4x?xf32>, tensor<?x4xf32>) {
  %0 = row.program ins(%x : tensor<?x4xf32>) outs(%a0 : tensor<?x4xf32>) {
  ^bb0(%r: tensor<4xf32>):
    row.yield %r : tensor<4xf32>
  } -> tensor<?x4xf32>
  %1 = linalg.generic {indexing_maps = [#row, #row, #row], iterator_types = ["parallel", "parallel"]}
      ins(%0, %y : tensor<?x4xf32>, tensor<?x4xf32>) outs(%a0 : tensor<?x4xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %s = arith.addf %a, %b : f32
    linalg.yield %s : f32
  } -> tensor<?x4xf32>
  %2 = linalg.generic {indexing_maps = [#turned, #out], iterator_types = ["parallel", "parallel"]}
      ins(%0 : tensor<?x4xf32>) outs(%b0 : tensor<4x?xf32>) {
  ^bb0(%a: f32, %o: f32):
    %s = arith.negf %a : f32
    linalg.yield %s : f32
  } -> tensor<4x?xf32>
  %3 = linalg.generic {indexing_maps = [#row, #row], iterator_types = ["parallel", "parallel"]}
      ins(%0 : tensor<?x4xf32>) outs(%a0 : tensor<?x4xf32>) {
  ^bb0(%a: f32, %o: f32):
    %t = linalg.index 0 : index
    %i = arith.index_cast %t : index to i32
    %f = arith.sitofp %i : i32 to f32
    %s = arith.addf %a, %f : f32
    linalg.yield %s : f32
  } -> tensor<?x4xf32>
  return %1, %2, %3 : tensor<?x4xf32>, tensor<4x?xf32>, tensor<?x4xf32>
}
