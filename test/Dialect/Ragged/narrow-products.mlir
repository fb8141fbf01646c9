// Products of widened f16 take the f16, and so does what lies between them.
// RUN: route-opt %s --ragged-narrow-products --canonicalize --split-input-file | FileCheck %s

#id = affine_map<(d0, d1) -> (d0, d1)>
#cube = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
// CHECK-LABEL: func.func @layer
// CHECK-NOT: linalg.generic
// CHECK: %[[A:.*]] = ragged.gather ins(%arg0, %{{.*}} : tensor<?x64xf16>, tensor<?xi32>) outs(%{{.*}} : tensor<?x64xf16>)
// CHECK: %[[H:.*]] = ragged.matmul rows(%[[A]] : tensor<?x64xf16>) {{.*}} weights(%arg1 : tensor<4x32x64xf16>) outs(%{{.*}} : tensor<?x32xf16>)
// CHECK: ragged.yield %{{.*}} : f16
// CHECK: ragged.combine ins(%[[H]], %{{.*}} : tensor<?x32xf16>, tensor<?x2xi32>)
func.func @layer(%x: tensor<?x64xf16>, %w: tensor<4x32x64xf16>, %o: tensor<5xi32>, %p: tensor<?xi32>, %i: tensor<?x2xi32>,
                 %items: index, %slots: index) -> tensor<?x32xf32> {
  %x0 = tensor.empty(%items) : tensor<?x64xf32>
  %wide = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%x : tensor<?x64xf16>) outs(%x0 : tensor<?x64xf32>) {
  ^bb0(%a: f16, %b: f32):
    %t = arith.extf %a : f16 to f32
    linalg.yield %t : f32
  } -> tensor<?x64xf32>
  %w0 = tensor.empty() : tensor<4x32x64xf32>
  %v = linalg.generic {indexing_maps = [#cube, #cube], iterator_types = ["parallel", "parallel", "parallel"]} ins(%w : tensor<4x32x64xf16>) outs(%w0 : tensor<4x32x64xf32>) {
  ^bb0(%a: f16, %b: f32):
    %t = arith.extf %a : f16 to f32
    linalg.yield %t : f32
  } -> tensor<4x32x64xf32>
  %a0 = tensor.empty(%slots) : tensor<?x64xf32>
  %g = ragged.gather ins(%wide, %p : tensor<?x64xf32>, tensor<?xi32>) outs(%a0 : tensor<?x64xf32>) slots 2 -> tensor<?x64xf32>
  %h0 = tensor.empty(%slots) : tensor<?x32xf32>
  %h = ragged.matmul rows(%g : tensor<?x64xf32>) offsets(%o : tensor<5xi32>) weights(%v : tensor<4x32x64xf32>) outs(%h0 : tensor<?x32xf32>) {
  ^bb0(%s: f32):
    %n = arith.truncf %s : f32 to f16
    %m = arith.extf %n : f16 to f32
    ragged.yield %m : f32
  } -> tensor<?x32xf32>
  %y0 = tensor.empty(%items) : tensor<?x32xf32>
  %y = ragged.combine ins(%h, %i : tensor<?x32xf32>, tensor<?x2xi32>) outs(%y0 : tensor<?x32xf32>) -> tensor<?x32xf32>
  return %y : tensor<?x32xf32>
}

// -----
// Weights of f16 beside rows of f32 stay copies, and so do those whose copy is more than that.
#cube = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
// CHECK-LABEL: func.func @others
// CHECK: ragged.matmul rows(%arg0 : tensor<?x64xf32>) weights(%{{.*}} : tensor<1x32x64xf32>)
func.func @others(%x: tensor<?x64xf32>, %w: tensor<1x32x64xf16>, %h0: tensor<?x32xf32>) -> tensor<?x32xf32> {
  %w0 = tensor.empty() : tensor<1x32x64xf32>
  %v = linalg.generic {indexing_maps = [#cube, #cube], iterator_types = ["parallel", "parallel", "parallel"]} ins(%w : tensor<1x32x64xf16>) outs(%w0 : tensor<1x32x64xf32>) {
  ^bb0(%a: f16, %b: f32):
    %t = arith.extf %a : f16 to f32
    linalg.yield %t : f32
  } -> tensor<1x32x64xf32>
  %h = ragged.matmul rows(%x : tensor<?x64xf32>) weights(%v : tensor<1x32x64xf32>) outs(%h0 : tensor<?x32xf32>) {
  ^bb0(%s: f32):
    ragged.yield %s : f32
  } -> tensor<?x32xf32>
  return %h : tensor<?x32xf32>
}
