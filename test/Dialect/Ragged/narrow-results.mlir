// A combination or product that is only rounded gives the narrow type itself, and a scale that is only widened keeps it.
// RUN: route-opt %s --ragged-narrow-results --split-input-file | FileCheck %s

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

// -----
#id = affine_map<(d0, d1) -> (d0, d1)>
// CHECK-LABEL: func.func @product
// CHECK-NOT: linalg.generic
// CHECK: %[[R:.*]] = ragged.matmul {{.*}} outs(%arg3 : tensor<?x1024xbf16>) {
// CHECK-NEXT: ^bb0(%[[X:.*]]: f32):
// CHECK-NEXT: %[[N:.*]] = arith.truncf %[[X]] : f32 to bf16
// CHECK-NEXT: ragged.yield %[[N]] : bf16
// CHECK-NOT: linalg.generic
// CHECK: return %[[R]]
func.func @product(%x: tensor<?x64xbf16>, %w: tensor<1x1024x64xbf16>, %wide: tensor<?x1024xf32>, %out: tensor<?x1024xbf16>) -> tensor<?x1024xbf16> {
  %0 = ragged.matmul rows(%x : tensor<?x64xbf16>) weights(%w : tensor<1x1024x64xbf16>) outs(%wide : tensor<?x1024xf32>) {
  ^bb0(%a: f32):
    ragged.yield %a : f32
  } -> tensor<?x1024xf32>
  %1 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%0 : tensor<?x1024xf32>) outs(%out : tensor<?x1024xbf16>) {
  ^bb0(%a: f32, %b: bf16):
    %t = arith.truncf %a : f32 to bf16
    linalg.yield %t : bf16
  } -> tensor<?x1024xbf16>
  return %1 : tensor<?x1024xbf16>
}

// -----
#id = affine_map<(d0, d1) -> (d0, d1)>
// More is done with what is rounded.
// CHECK-LABEL: func.func @added
// CHECK: %[[R:.*]] = ragged.matmul {{.*}} outs(%{{.*}} : tensor<?x1024xbf16>) {
// CHECK: linalg.generic {{.*}} ins(%arg2, %[[R]] : tensor<?x1024xf32>, tensor<?x1024xbf16>)
// CHECK-NEXT: ^bb0(%[[S:.*]]: f32, %[[X:.*]]: bf16, %{{.*}}: f32):
// CHECK-NEXT: %[[E:.*]] = arith.extf %[[X]] : bf16 to f32
// CHECK-NEXT: arith.addf %[[S]], %[[E]] : f32
func.func @added(%x: tensor<?x64xbf16>, %w: tensor<1x1024x64xbf16>, %sum: tensor<?x1024xf32>) -> tensor<?x1024xf32> {
  %0 = ragged.matmul rows(%x : tensor<?x64xbf16>) weights(%w : tensor<1x1024x64xbf16>) outs(%sum : tensor<?x1024xf32>) {
  ^bb0(%a: f32):
    ragged.yield %a : f32
  } -> tensor<?x1024xf32>
  %1 = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]} ins(%sum, %0 : tensor<?x1024xf32>, tensor<?x1024xf32>) outs(%sum : tensor<?x1024xf32>) {
  ^bb0(%s: f32, %a: f32, %b: f32):
    %t = arith.truncf %a : f32 to bf16
    %e = arith.extf %t : bf16 to f32
    %r = arith.addf %s, %e : f32
    linalg.yield %r : f32
  } -> tensor<?x1024xf32>
  return %1 : tensor<?x1024xf32>
}

// -----
#id = affine_map<(d0, d1) -> (d0, d1)>
// Few columns, as a router's, and a wide result that is needed too.
// CHECK-LABEL: func.func @wide
// CHECK: ragged.matmul {{.*}} outs(%arg2 : tensor<?x128xf32>)
// CHECK: linalg.generic
// CHECK: ragged.matmul {{.*}} outs(%arg5 : tensor<?x1024xf32>)
// CHECK: linalg.generic
func.func @wide(%x: tensor<?x64xbf16>, %w: tensor<1x128x64xbf16>, %few: tensor<?x128xf32>, %out: tensor<?x128xbf16>, %v: tensor<1x1024x64xbf16>, %many: tensor<?x1024xf32>, %all: tensor<?x1024xf32>) -> (tensor<?x128xbf16>, tensor<?x1024xf32>) {
  %0 = ragged.matmul rows(%x : tensor<?x64xbf16>) weights(%w : tensor<1x128x64xbf16>) outs(%few : tensor<?x128xf32>) {
  ^bb0(%a: f32):
    ragged.yield %a : f32
  } -> tensor<?x128xf32>
  %1 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%0 : tensor<?x128xf32>) outs(%out : tensor<?x128xbf16>) {
  ^bb0(%a: f32, %b: bf16):
    %t = arith.truncf %a : f32 to bf16
    linalg.yield %t : bf16
  } -> tensor<?x128xbf16>
  %2 = ragged.matmul rows(%x : tensor<?x64xbf16>) weights(%v : tensor<1x1024x64xbf16>) outs(%many : tensor<?x1024xf32>) {
  ^bb0(%a: f32):
    ragged.yield %a : f32
  } -> tensor<?x1024xf32>
  %3 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%2 : tensor<?x1024xf32>) outs(%all : tensor<?x1024xf32>) {
  ^bb0(%a: f32, %b: f32):
    %t = arith.truncf %a : f32 to bf16
    %e = arith.extf %t : bf16 to f32
    %r = arith.addf %a, %e : f32
    linalg.yield %r : f32
  } -> tensor<?x1024xf32>
  return %1, %3 : tensor<?x128xbf16>, tensor<?x1024xf32>
}

// -----
#id = affine_map<(d0, d1) -> (d0, d1)>
// Sums where slots say, as well.
// CHECK-LABEL: func.func @places
// CHECK: %[[R:.*]] = ragged.combine_at ins(%arg0, %arg1, %arg2 : {{.*}}) outs(%arg4 : tensor<?x64xbf16>) -> tensor<?x64xbf16>
// CHECK: return %[[R]]
func.func @places(%y: tensor<?x64xf32>, %inv: tensor<4x?xi32>, %at: tensor<4x?xi32>, %wide: tensor<?x64xf32>, %out: tensor<?x64xbf16>) -> tensor<?x64xbf16> {
  %0 = ragged.combine_at ins(%y, %inv, %at : tensor<?x64xf32>, tensor<4x?xi32>, tensor<4x?xi32>) outs(%wide : tensor<?x64xf32>) -> tensor<?x64xf32>
  %1 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%0 : tensor<?x64xf32>) outs(%out : tensor<?x64xbf16>) {
  ^bb0(%a: f32, %b: bf16):
    %t = arith.truncf %a : f32 to bf16
    linalg.yield %t : bf16
  } -> tensor<?x64xbf16>
  return %1 : tensor<?x64xbf16>
}

// -----
#row = affine_map<(d0) -> (d0)>
// A router's weights that are widened last, and only scale what is combined, stay narrow.
// CHECK-LABEL: func.func @scale
// CHECK: %[[W:.*]] = tensor.empty(%{{.*}}) : tensor<?x2xbf16>
// CHECK: %[[P:.*]]:2 = row.program {{.*}} outs(%arg1, %[[W]] : tensor<?x2xi32>, tensor<?x2xbf16>)
// CHECK: %[[T:.*]] = arith.truncf %{{.*}} : f32 to bf16
// CHECK: %[[S:.*]] = arith.select %{{.*}}, %[[T]], %{{.*}} : bf16
// CHECK: linalg.yield %[[S]] : bf16
// CHECK: ragged.combine {{.*}} scale(%[[P]]#1 : tensor<?x2xbf16>)
func.func @scale(%scores: tensor<?x2xf32>, %chosen: tensor<?x2xi32>, %weights: tensor<?x2xf32>, %y: tensor<?x64xbf16>, %out: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %p:2 = row.program ins(%scores : tensor<?x2xf32>) outs(%chosen, %weights : tensor<?x2xi32>, tensor<?x2xf32>) {
  ^bb0(%s: tensor<2xf32>):
    %zero = arith.constant 0.0 : f32
    %none = arith.constant 0 : i32
    %i, %n = row.choose by(%s : tensor<2xf32>) up [false] : tensor<2xi32>, tensor<i32>
    %init = tensor.empty() : tensor<2xf32>
    %w = linalg.generic {indexing_maps = [#row, #row, #row], iterator_types = ["parallel"]} ins(%s, %i : tensor<2xf32>, tensor<2xi32>) outs(%init : tensor<2xf32>) {
    ^bb1(%a: f32, %c: i32, %b: f32):
      %t = arith.truncf %a : f32 to bf16
      %e = arith.extf %t : bf16 to f32
      %is = arith.cmpi sge, %c, %none : i32
      %r = arith.select %is, %e, %zero : f32
      linalg.yield %r : f32
    } -> tensor<2xf32>
    row.yield %i, %w : tensor<2xi32>, tensor<2xf32>
  } -> tensor<?x2xi32>, tensor<?x2xf32>
  %0 = ragged.combine ins(%y, %p#0 : tensor<?x64xbf16>, tensor<?x2xi32>) scale(%p#1 : tensor<?x2xf32>) outs(%out : tensor<?x64xf32>) -> tensor<?x64xf32>
  return %0 : tensor<?x64xf32>
}

// -----
#row = affine_map<(d0) -> (d0)>
// Weights that go elsewhere too, and those with a number that bf16 does not hold, are as they were: nothing is left of a try.
// CHECK-LABEL: func.func @wide_scale
// CHECK: row.program {{.*}} outs(%arg1, %arg2 : tensor<?x2xf32>, tensor<?x2xf32>)
// CHECK-NOT: constant {{.*}} : bf16
// CHECK: scale(%{{.*}} : tensor<?x2xf32>)
// CHECK: scale(%{{.*}} : tensor<?x2xf32>)
func.func @wide_scale(%scores: tensor<?x2xf32>, %one: tensor<?x2xf32>, %two: tensor<?x2xf32>, %y: tensor<?x64xbf16>, %inv: tensor<?x2xi32>, %out: tensor<?x64xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x2xf32>) {
  %p:2 = row.program ins(%scores : tensor<?x2xf32>) outs(%one, %two : tensor<?x2xf32>, tensor<?x2xf32>) {
  ^bb0(%s: tensor<2xf32>):
    %tenth = arith.constant 0.1 : f32
    %one_half = arith.constant 0.5 : f32
    %init = tensor.empty() : tensor<2xf32>
    %w = linalg.generic {indexing_maps = [#row, #row], iterator_types = ["parallel"]} ins(%s : tensor<2xf32>) outs(%init : tensor<2xf32>) {
    ^bb1(%a: f32, %b: f32):
      %t = arith.truncf %a : f32 to bf16
      %e = arith.extf %t : bf16 to f32
      linalg.yield %e : f32
    } -> tensor<2xf32>
    %v = linalg.generic {indexing_maps = [#row, #row], iterator_types = ["parallel"]} ins(%s : tensor<2xf32>) outs(%init : tensor<2xf32>) {
    ^bb1(%a: f32, %b: f32):
      %t = arith.truncf %a : f32 to bf16
      %e = arith.extf %t : bf16 to f32
      %is = arith.cmpf ogt, %a, %tenth : f32
      %o = arith.select %is, %e, %one_half : f32
      %r = arith.select %is, %o, %tenth : f32
      linalg.yield %r : f32
    } -> tensor<2xf32>
    row.yield %w, %v : tensor<2xf32>, tensor<2xf32>
  } -> tensor<?x2xf32>, tensor<?x2xf32>
  %0 = ragged.combine ins(%y, %inv : tensor<?x64xbf16>, tensor<?x2xi32>) scale(%p#0 : tensor<?x2xf32>) outs(%out : tensor<?x64xf32>) -> tensor<?x64xf32>
  %1 = ragged.combine ins(%y, %inv : tensor<?x64xbf16>, tensor<?x2xi32>) scale(%p#1 : tensor<?x2xf32>) outs(%out : tensor<?x64xf32>) -> tensor<?x64xf32>
  return %0, %1, %p#0 : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x2xf32>
}
