// The ragged ops print as they parse, on tensors and on memrefs.
// RUN: route-opt %s | FileCheck %s
// RUN: route-opt %s | route-opt | FileCheck %s
// RUN: route-opt --mlir-print-op-generic %s | route-opt | FileCheck %s

// CHECK-LABEL: func @layer
func.func @layer(%x: tensor<?x64xbf16>, %idx: tensor<?x2xi32>, %n: tensor<?xi32>, %w: tensor<?x2xf32>,
    %gate: tensor<4x32x64xbf16>, %up: tensor<4x32x64xbf16>, %down: tensor<4x64x32xbf16>,
    %bias: tensor<4x32xf32>, %c0: tensor<4xi32>, %o0: tensor<5xi32>, %p0: tensor<?xi32>,
    %i0: tensor<?x2xi32>, %a0: tensor<?x96xbf16>, %h0: tensor<?x32xbf16>, %y0: tensor<?x64xf32>,
    %out0: tensor<?x64xbf16>) -> tensor<?x64xbf16> {
  // CHECK: ragged.count ins(%{{.*}} : tensor<?x2xi32>) limit(%{{.*}} : tensor<?xi32>) outs(%{{.*}} : tensor<4xi32>) -> tensor<4xi32>
  %c = ragged.count ins(%idx : tensor<?x2xi32>) limit(%n : tensor<?xi32>) outs(%c0 : tensor<4xi32>) -> tensor<4xi32>
  // CHECK: ragged.offsets ins(%{{.*}} : tensor<4xi32>) outs(%{{.*}} : tensor<5xi32>) -> tensor<5xi32>
  %o = ragged.offsets ins(%c : tensor<4xi32>) outs(%o0 : tensor<5xi32>) -> tensor<5xi32>
  // CHECK: ragged.permute ins(%{{.*}}, %{{.*}} : tensor<?x2xi32>, tensor<5xi32>) limit(%{{.*}} : tensor<?xi32>) outs(%{{.*}}, %{{.*}} : tensor<?xi32>, tensor<?x2xi32>) -> tensor<?xi32>, tensor<?x2xi32>
  %p, %i = ragged.permute ins(%idx, %o : tensor<?x2xi32>, tensor<5xi32>) limit(%n : tensor<?xi32>)
      outs(%p0, %i0 : tensor<?xi32>, tensor<?x2xi32>) -> tensor<?xi32>, tensor<?x2xi32>
  // CHECK: ragged.gather ins(%{{.*}}, %{{.*}} : tensor<?x64xbf16>, tensor<?xi32>) outs(%{{.*}} : tensor<?x96xbf16>) slots 2 -> tensor<?x96xbf16>
  %a = ragged.gather ins(%x, %p : tensor<?x64xbf16>, tensor<?xi32>) outs(%a0 : tensor<?x96xbf16>) slots 2 -> tensor<?x96xbf16>
  // CHECK: ragged.matmul rows(%{{.*}} : tensor<?x96xbf16>) offsets(%{{.*}} : tensor<5xi32>) weights(%{{.*}}, %{{.*}} : tensor<4x32x64xbf16>, tensor<4x32x64xbf16>) per_expert(%{{.*}} : tensor<4x32xf32>) outs(%{{.*}} : tensor<?x32xbf16>) {
  // CHECK: ragged.yield %{{.*}} : bf16
  // CHECK: } -> tensor<?x32xbf16>
  %h = ragged.matmul rows(%a : tensor<?x96xbf16>) offsets(%o : tensor<5xi32>)
      weights(%gate, %up : tensor<4x32x64xbf16>, tensor<4x32x64xbf16>) per_expert(%bias : tensor<4x32xf32>)
      outs(%h0 : tensor<?x32xbf16>) {
  ^bb0(%g: f32, %u: f32, %b: f32):
    %s = arith.addf %g, %b : f32
    %m = arith.mulf %s, %u : f32
    %r = arith.truncf %m : f32 to bf16
    ragged.yield %r : bf16
  } -> tensor<?x32xbf16>
  // CHECK: transposed outs
  %y = ragged.matmul rows(%h : tensor<?x32xbf16>) offsets(%o : tensor<5xi32>)
      weights(%gate : tensor<4x32x64xbf16>) transposed outs(%y0 : tensor<?x64xf32>) {
  ^bb0(%acc: f32):
    ragged.yield %acc : f32
  } -> tensor<?x64xf32>
  // CHECK: ragged.combine ins(%{{.*}}, %{{.*}} : tensor<?x64xf32>, tensor<?x2xi32>) scale(%{{.*}} : tensor<?x2xf32>) outs(%{{.*}} : tensor<?x64xbf16>) -> tensor<?x64xbf16>
  %out = ragged.combine ins(%y, %i : tensor<?x64xf32>, tensor<?x2xi32>) scale(%w : tensor<?x2xf32>)
      outs(%out0 : tensor<?x64xbf16>) -> tensor<?x64xbf16>
  return %out : tensor<?x64xbf16>
}

// CHECK-LABEL: func @places
func.func @places(%y: memref<?x64xf32>, %i: memref<4x?xi32>, %a: memref<4x?xi32>, %w: memref<4x?xf32>, %o: memref<?x64xf32>) {
  // CHECK: ragged.combine_at ins(%{{.*}}, %{{.*}}, %{{.*}} : memref<?x64xf32>, memref<4x?xi32>, memref<4x?xi32>) scale(%{{.*}} : memref<4x?xf32>) outs(%{{.*}} : memref<?x64xf32>)
  ragged.combine_at ins(%y, %i, %a : memref<?x64xf32>, memref<4x?xi32>, memref<4x?xi32>) scale(%w : memref<4x?xf32>)
      outs(%o : memref<?x64xf32>)
  return
}

// CHECK-LABEL: func @buffers
func.func @buffers(%w: memref<3x20x33xbf16>, %p: memref<3x2x17x16x2xbf16>, %t: memref<3x33x20xbf16>,
    %a: memref<?x33xbf16, strided<[64, 1]>>, %o: memref<4xi32>, %s: memref<?xf32>, %y: memref<?x20xf32>) {
  // CHECK: ragged.pack ins(%{{.*}} : memref<3x20x33xbf16>) outs(%{{.*}} : memref<3x2x17x16x2xbf16>)
  ragged.pack ins(%w : memref<3x20x33xbf16>) outs(%p : memref<3x2x17x16x2xbf16>)
  // CHECK: ragged.pack ins(%{{.*}} : memref<3x33x20xbf16>) outs(%{{.*}} : memref<3x2x17x16x2xbf16>) transposed
  ragged.pack ins(%t : memref<3x33x20xbf16>) outs(%p : memref<3x2x17x16x2xbf16>) transposed
  // CHECK: weights(%{{.*}} : memref<3x2x17x16x2xbf16>) depth 33 per_row(%{{.*}} : memref<?xf32>)
  ragged.matmul rows(%a : memref<?x33xbf16, strided<[64, 1]>>) offsets(%o : memref<4xi32>)
      weights(%p : memref<3x2x17x16x2xbf16>) depth 33 per_row(%s : memref<?xf32>)
      outs(%y : memref<?x20xf32>) {
  ^bb0(%acc: f32, %f: f32):
    %r = arith.mulf %acc, %f : f32
    ragged.yield %r : f32
  }
  return
}

// One expert has all rows: a plain dense matmul.
// CHECK-LABEL: func @dense
func.func @dense(%a: tensor<?x8xf32>, %w: tensor<1x5x8xf32>, %y0: tensor<?x5xf32>) -> tensor<?x5xf32> {
  // CHECK: ragged.matmul rows(%{{.*}} : tensor<?x8xf32>) weights
  %y = ragged.matmul rows(%a : tensor<?x8xf32>) weights(%w : tensor<1x5x8xf32>) outs(%y0 : tensor<?x5xf32>) {
  ^bb0(%acc: f32):
    ragged.yield %acc : f32
  } -> tensor<?x5xf32>
  return %y : tensor<?x5xf32>
}

// CHECK-LABEL: func @slots
func.func @slots(%x: memref<?x64xf16>, %idx: memref<?x2xi32>, %n: memref<?xi32>, %w: memref<4x64x64xf16>,
    %b: memref<4x32xf16, strided<[64, 2]>>, %y: memref<?x32xf16>) {
  // CHECK: ragged.slot_matmul rows(%{{.*}} : memref<?x64xf16>) slots 2 idx(%{{.*}} : memref<?x2xi32>) limit(%{{.*}} : memref<?xi32>) weights(%{{.*}} : memref<4x64x64xf16>) transposed interleaved 2 per_expert(%{{.*}} : memref<4x32xf16, strided<[64, 2]>>) outs(%{{.*}} : memref<?x32xf16>) {
  ragged.slot_matmul rows(%x : memref<?x64xf16>) slots 2 idx(%idx : memref<?x2xi32>) limit(%n : memref<?xi32>)
      weights(%w : memref<4x64x64xf16>) transposed interleaved 2 per_expert(%b : memref<4x32xf16, strided<[64, 2]>>)
      outs(%y : memref<?x32xf16>) {
  ^bb0(%p: f32, %q: f32, %c: f16):
    %m = arith.mulf %p, %q : f32
    %r = arith.truncf %m : f32 to f16
    ragged.yield %r : f16
  }
  return
}
