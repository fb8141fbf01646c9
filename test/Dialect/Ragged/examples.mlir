// The examples that the ragged dialect's definitions show, as they stand there: they parse, verify and print as they parse.
// RUN: route-opt %s > %t.once
// RUN: route-opt %t.once | diff %t.once -
// RUN: FileCheck %s < %t.once

// CHECK-LABEL: func.func @group
func.func @group(%idx: tensor<?x8xi32>, %c0: tensor<64xi32>, %o0: tensor<65xi32>, %p0: tensor<?xi32>, %i0: tensor<?x8xi32>)
    -> (tensor<?xi32>, tensor<?x8xi32>) {
  %c = ragged.count ins(%idx : tensor<?x8xi32>) outs(%c0 : tensor<64xi32>) -> tensor<64xi32>
  %o = ragged.offsets ins(%c : tensor<64xi32>) outs(%o0 : tensor<65xi32>) -> tensor<65xi32>
  %p, %i = ragged.permute ins(%idx, %o : tensor<?x8xi32>, tensor<65xi32>)
      outs(%p0, %i0 : tensor<?xi32>, tensor<?x8xi32>) -> tensor<?xi32>, tensor<?x8xi32>
  return %p, %i : tensor<?xi32>, tensor<?x8xi32>
}
// CHECK-LABEL: func.func @multiply
func.func @multiply(%a: tensor<?x64xbf16>, %o: tensor<5xi32>, %g: tensor<4x32x64xbf16>, %u: tensor<4x32x64xbf16>,
    %bias: tensor<4x32xf32>, %h0: tensor<?x32xbf16>) -> tensor<?x32xbf16> {
  %h = ragged.matmul rows(%a : tensor<?x64xbf16>) offsets(%o : tensor<5xi32>)
      weights(%g, %u : tensor<4x32x64xbf16>, tensor<4x32x64xbf16>)
      per_expert(%bias : tensor<4x32xf32>) outs(%h0 : tensor<?x32xbf16>) {
  ^bb0(%x: f32, %y: f32, %b: f32):
    %s = arith.addf %x, %b : f32
    %p = arith.mulf %s, %y : f32
    %r = arith.truncf %p : f32 to bf16
    ragged.yield %r : bf16
  } -> tensor<?x32xbf16>
  return %h : tensor<?x32xbf16>
}
// CHECK-LABEL: func.func @move
func.func @move(%x: tensor<?x2048xbf16>, %perm: tensor<?xi32>, %a0: tensor<?x2048xbf16>, %y: tensor<?x2048xf32>,
    %inv: tensor<?x8xi32>, %w: tensor<?x8xf32>, %out0: tensor<?x2048xbf16>)
    -> (tensor<?x2048xbf16>, tensor<?x2048xbf16>) {
  %a = ragged.gather ins(%x, %perm : tensor<?x2048xbf16>, tensor<?xi32>)
      outs(%a0 : tensor<?x2048xbf16>) slots 8 -> tensor<?x2048xbf16>
  %out = ragged.combine ins(%y, %inv : tensor<?x2048xf32>, tensor<?x8xi32>)
      scale(%w : tensor<?x8xf32>) outs(%out0 : tensor<?x2048xbf16>) -> tensor<?x2048xbf16>
  return %a, %out : tensor<?x2048xbf16>, tensor<?x2048xbf16>
}
// CHECK-LABEL: func.func @places
func.func @places(%y: tensor<?x2048xf32>, %inv: tensor<8x?xi32>, %at: tensor<8x?xi32>, %w: tensor<8x?xf32>,
    %out0: tensor<?x2048xf32>) -> tensor<?x2048xf32> {
  %out = ragged.combine_at ins(%y, %inv, %at : tensor<?x2048xf32>, tensor<8x?xi32>, tensor<8x?xi32>)
      scale(%w : tensor<8x?xf32>) outs(%out0 : tensor<?x2048xf32>) -> tensor<?x2048xf32>
  return %out : tensor<?x2048xf32>
}
// CHECK-LABEL: func.func @pack
func.func @pack(%w: tensor<64x100x33xbf16>, %p0: tensor<64x7x17x16x2xbf16>) -> tensor<64x7x17x16x2xbf16> {
  %p = ragged.pack ins(%w : tensor<64x100x33xbf16>)
      outs(%p0 : tensor<64x7x17x16x2xbf16>) -> tensor<64x7x17x16x2xbf16>
  return %p : tensor<64x7x17x16x2xbf16>
}
// CHECK-LABEL: func.func @slots
func.func @slots(%h: tensor<?x32xbf16>, %i: tensor<?x2xi32>, %d: tensor<4x64x32xbf16>, %s: tensor<?x2xf32>, %y0: tensor<?x64xbf16>)
    -> tensor<?x64xbf16> {
  %y = ragged.slot_matmul rows(%h : tensor<?x32xbf16>) slots 1 idx(%i : tensor<?x2xi32>)
      weights(%d : tensor<4x64x32xbf16>) combined scale(%s : tensor<?x2xf32>) outs(%y0 : tensor<?x64xbf16>) {
  ^bb0(%x: f32):
    ragged.yield %x : f32
  } -> tensor<?x64xbf16>
  return %y : tensor<?x64xbf16>
}
