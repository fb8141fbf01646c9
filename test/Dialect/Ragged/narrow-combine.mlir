// A combination that is only rounded gives the narrow type itself.
// RUN: route-opt %s --ragged-narrow-combine --split-input-file | FileCheck %s

#id = affine_map<(d0, d1) -> (d0, d1)>
// CHECK-LABEL: func.func @rounds
// CHECK: %[[R:.*]] = ragged.combine ins(%arg0, %arg1 : tensor<?x64xbf16>, tensor<?x2xi32>) scale(%arg2 : tensor<?x2xf32>) outs(%arg4 : tensor<?x64xbf16>) -> tensor<?x64xbf16>
// CHECK-NOT: linalg.generic
// CHECK: return %[[R]]
func.func @rounds(%y: tensor<?x64xbf16>, %inv: tensor<?x2xi32>, %w: tensor<?x2xf32>, %wide: tensor<?x64xf32>, %out: tensor<?x64xbf16>) -> tensor<?x64xbf16> {
  %0 = ragged.combine ins(%y, %inv : tensor<?x64xbf16>, tensor<?x2xi32>) scale(%w : tensor<?x2xf32>) outs(%wide : tensor<?x64xf32>) -> tensor<?x64xf32>
  %1 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%0 : tensor<?x64xf32>) outs(%out : tensor<?x64xbf16>) {
  ^bb0(%a: f32, %b: bf16):
    %t = arith.truncf %a : f32 to bf16
    linalg.yield %t : bf16
  } -> tensor<?x64xbf16>
  return %1 : tensor<?x64xbf16>
}

// -----
#id = affine_map<(d0, d1) -> (d0, d1)>
// The wide result is needed elsewhere, or more is done to it.
// CHECK-LABEL: func.func @stays
// CHECK: ragged.combine {{.*}} -> tensor<?x64xf32>
// CHECK: linalg.generic
// CHECK: ragged.combine {{.*}} -> tensor<?x64xf32>
// CHECK: linalg.generic
func.func @stays(%y: tensor<?x64xbf16>, %inv: tensor<?x2xi32>, %wide: tensor<?x64xf32>, %out: tensor<?x64xbf16>) -> (tensor<?x64xbf16>, tensor<?x64xf32>, tensor<?x64xbf16>) {
  %0 = ragged.combine ins(%y, %inv : tensor<?x64xbf16>, tensor<?x2xi32>) outs(%wide : tensor<?x64xf32>) -> tensor<?x64xf32>
  %1 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%0 : tensor<?x64xf32>) outs(%out : tensor<?x64xbf16>) {
  ^bb0(%a: f32, %b: bf16):
    %t = arith.truncf %a : f32 to bf16
    linalg.yield %t : bf16
  } -> tensor<?x64xbf16>
  %2 = ragged.combine ins(%y, %inv : tensor<?x64xbf16>, tensor<?x2xi32>) outs(%wide : tensor<?x64xf32>) -> tensor<?x64xf32>
  %3 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%2 : tensor<?x64xf32>) outs(%out : tensor<?x64xbf16>) {
  ^bb0(%a: f32, %b: bf16):
    %s = arith.addf %a, %a : f32
    %t = arith.truncf %s : f32 to bf16
    linalg.yield %t : bf16
  } -> tensor<?x64xbf16>
  return %1, %0, %3 : tensor<?x64xbf16>, tensor<?x64xf32>, tensor<?x64xbf16>
}
