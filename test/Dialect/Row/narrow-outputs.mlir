// What a program computes in bf16 it yields as such; who wants it wider widens it.
// RUN: route-opt %s --row-narrow-outputs --split-input-file | FileCheck %s

// CHECK-LABEL: func @weights
// CHECK-SAME: %[[X:.*]]: tensor<?x8xf32>, %[[I:.*]]: tensor<?x4xi32>, %[[W:.*]]: tensor<?x4xf32>
// CHECK: %[[N:.*]] = tensor.dim %[[W]], %c0
// CHECK: %[[INIT:.*]] = tensor.empty(%[[N]]) : tensor<?x4xbf16>
// CHECK: %[[P:.*]]:2 = row.program ins(%[[X]] : {{.*}}) outs(%[[I]], %[[INIT]] : tensor<?x4xi32>, tensor<?x4xbf16>)
// CHECK: arith.truncf %{{.*}} : f32 to bf16
// CHECK-NOT: arith.extf
// CHECK: row.yield %{{.*}}, %{{.*}} : tensor<4xi32>, tensor<4xbf16>
// CHECK: } -> tensor<?x4xi32>, tensor<?x4xbf16>
// CHECK: %[[WIDE:.*]] = linalg.generic {{.*}} ins(%[[P]]#1 : tensor<?x4xbf16>) outs(%[[W]] : tensor<?x4xf32>)
// CHECK: arith.extf %{{.*}} : bf16 to f32
// CHECK: return %[[P]]#0, %[[WIDE]]
#row = affine_map<(d0) -> (d0)>
func.func @weights(%x: tensor<?x8xf32>, %i0: tensor<?x4xi32>, %w0: tensor<?x4xf32>)
    -> (tensor<?x4xi32>, tensor<?x4xf32>) {
  %r:2 = row.program ins(%x : tensor<?x8xf32>) outs(%i0, %w0 : tensor<?x4xi32>, tensor<?x4xf32>) {
  ^bb0(%row: tensor<8xf32>):
    %i, %n = row.choose by(%row : tensor<8xf32>) : tensor<4xi32>, tensor<i32>
    %t = row.take %row[%i] : tensor<8xf32>, tensor<4xi32> -> tensor<4xf32>
    %e = tensor.empty() : tensor<4xf32>
    %w = linalg.generic {indexing_maps = [#row, #row], iterator_types = ["parallel"]} ins(%t : tensor<4xf32>)
        outs(%e : tensor<4xf32>) {
    ^bb0(%in: f32, %out: f32):
      %a = arith.truncf %in : f32 to bf16
      %b = arith.extf %a : bf16 to f32
      linalg.yield %b : f32
    } -> tensor<4xf32>
    row.yield %i, %w : tensor<4xi32>, tensor<4xf32>
  } -> tensor<?x4xi32>, tensor<?x4xf32>
  return %r#0, %r#1 : tensor<?x4xi32>, tensor<?x4xf32>
}

// -----

// A number or zero, widened, too; another number in its place stays wide.
// CHECK-LABEL: func @zeroed
// CHECK: row.program {{.*}} outs(%{{.*}}, %{{.*}}, %{{.*}} : tensor<?x4xi32>, tensor<?x4xbf16>, tensor<?x4xf32>)
// CHECK: %[[NARROW:.*]] = arith.truncf %{{.*}} : f32 to bf16
// CHECK: %[[ZERO:.*]] = arith.constant 0.000000e+00 : bf16
// CHECK: %[[EITHER:.*]] = arith.select %{{.*}}, %[[NARROW]], %[[ZERO]] : bf16
// CHECK: linalg.yield %[[EITHER]] : bf16
// CHECK: arith.select {{.*}} : f32
#row = affine_map<(d0) -> (d0)>
func.func @zeroed(%x: tensor<?x8xf32>, %i0: tensor<?x4xi32>, %w0: tensor<?x4xf32>)
    -> (tensor<?x4xi32>, tensor<?x4xf32>, tensor<?x4xf32>) {
  %r:3 = row.program ins(%x : tensor<?x8xf32>) outs(%i0, %w0, %w0 : tensor<?x4xi32>, tensor<?x4xf32>, tensor<?x4xf32>) {
  ^bb0(%row: tensor<8xf32>):
    %i, %n = row.choose by(%row : tensor<8xf32>) : tensor<4xi32>, tensor<i32>
    %t = row.take %row[%i] : tensor<8xf32>, tensor<4xi32> -> tensor<4xf32>
    %e = tensor.empty() : tensor<4xf32>
    %c0 = arith.constant 0 : i32
    %zero = arith.constant 0.0 : f32
    %one = arith.constant 1.0 : f32
    %w = linalg.generic {indexing_maps = [#row, #row, #row], iterator_types = ["parallel"]}
        ins(%t, %i : tensor<4xf32>, tensor<4xi32>) outs(%e : tensor<4xf32>) {
    ^bb0(%in: f32, %place: i32, %out: f32):
      %a = arith.truncf %in : f32 to bf16
      %b = arith.extf %a : bf16 to f32
      %c = arith.cmpi sge, %place, %c0 : i32
      %s = arith.select %c, %b, %zero : f32
      linalg.yield %s : f32
    } -> tensor<4xf32>
    %v = linalg.generic {indexing_maps = [#row, #row, #row], iterator_types = ["parallel"]}
        ins(%t, %i : tensor<4xf32>, tensor<4xi32>) outs(%e : tensor<4xf32>) {
    ^bb0(%in: f32, %place: i32, %out: f32):
      %a = arith.truncf %in : f32 to bf16
      %b = arith.extf %a : bf16 to f32
      %c = arith.cmpi sge, %place, %c0 : i32
      %s = arith.select %c, %b, %one : f32
      linalg.yield %s : f32
    } -> tensor<4xf32>
    row.yield %i, %w, %v : tensor<4xi32>, tensor<4xf32>, tensor<4xf32>
  } -> tensor<?x4xi32>, tensor<?x4xf32>, tensor<?x4xf32>
  return %r#0, %r#1, %r#2 : tensor<?x4xi32>, tensor<?x4xf32>, tensor<?x4xf32>
}

// -----

// A value that the program itself reads wide stays wide, and so does one that is widened in the middle.
// CHECK-LABEL: func @read
// CHECK: row.program {{.*}} outs(%{{.*}} : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x4xi32>)
// CHECK-NOT: linalg.generic {{.*}}tensor<?x
#row = affine_map<(d0) -> (d0)>
func.func @read(%x: tensor<?x8xbf16>, %a0: tensor<?x8xf32>, %b0: tensor<?x8xf32>, %i0: tensor<?x4xi32>)
    -> (tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x4xi32>) {
  %r:3 = row.program ins(%x : tensor<?x8xbf16>) outs(%a0, %b0, %i0 : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x4xi32>) {
  ^bb0(%row: tensor<8xbf16>):
    %e = tensor.empty() : tensor<8xf32>
    %a = linalg.generic {indexing_maps = [#row, #row], iterator_types = ["parallel"]} ins(%row : tensor<8xbf16>)
        outs(%e : tensor<8xf32>) {
    ^bb0(%in: bf16, %out: f32):
      %v = arith.extf %in : bf16 to f32
      linalg.yield %v : f32
    } -> tensor<8xf32>
    %b = linalg.generic {indexing_maps = [#row, #row], iterator_types = ["parallel"]} ins(%row : tensor<8xbf16>)
        outs(%e : tensor<8xf32>) {
    ^bb0(%in: bf16, %out: f32):
      %v = arith.extf %in : bf16 to f32
      %w = arith.addf %v, %v : f32
      linalg.yield %w : f32
    } -> tensor<8xf32>
    %i, %n = row.choose by(%a : tensor<8xf32>) : tensor<4xi32>, tensor<i32>
    row.yield %a, %b, %i : tensor<8xf32>, tensor<8xf32>, tensor<4xi32>
  } -> tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x4xi32>
  return %r#0, %r#1, %r#2 : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x4xi32>
}
