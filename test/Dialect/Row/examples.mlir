// The examples that the row dialect's definitions show, as they stand there: they parse, verify and print as they parse.
// RUN: route-opt %s > %t.once
// RUN: route-opt %t.once | diff %t.once -
// RUN: FileCheck %s < %t.once

// CHECK-LABEL: func.func @top
func.func @top(%scores: tensor<?x64xf32>, %init: tensor<?x2xi32>, %zero: tensor<64xi32>)
    -> (tensor<?x2xi32>, tensor<64xi32>) {
  %i, %c = row.program ins(%scores : tensor<?x64xf32>)
      outs(%init : tensor<?x2xi32>) acc(%zero : tensor<64xi32>) {
  ^bb0(%s: tensor<64xf32>):
    %idx, %n = row.choose by(%s : tensor<64xf32>) : tensor<2xi32>, tensor<i32>
    %t = row.tally %idx : tensor<2xi32> -> tensor<64xi32>
    row.yield %idx, %t : tensor<2xi32>, tensor<64xi32>
  } -> tensor<?x2xi32>, tensor<64xi32>
  return %i, %c : tensor<?x2xi32>, tensor<64xi32>
}
// CHECK-LABEL: func.func @gate
func.func @gate(%scores: tensor<?x128xf32>, %init: tensor<?x8xi32>, %first: tensor<?x8xf32>)
    -> (tensor<?x8xi32>, tensor<?x8xf32>) {
  %i, %w = row.program ins(%scores : tensor<?x128xf32>) outs(%init, %first : tensor<?x8xi32>, tensor<?x8xf32>) {
  ^bb0(%e: tensor<128xf32>):
    %idx, %n = row.choose by(%e : tensor<128xf32>) : tensor<8xi32>, tensor<i32>
    %weights = row.take %e[%idx] : tensor<128xf32>, tensor<8xi32> -> tensor<8xf32>
    row.yield %idx, %weights : tensor<8xi32>, tensor<8xf32>
  } -> tensor<?x8xi32>, tensor<?x8xf32>
  return %i, %w : tensor<?x8xi32>, tensor<?x8xf32>
}
// CHECK-LABEL: func.func @choices
func.func @choices(%k: tensor<8x32xf32>, %p: tensor<64xf32>, %t: tensor<f32>, %cost: tensor<9xf32>,
    %score: tensor<9xf32>, %ok: tensor<9xi1>) -> (tensor<8x2xi32>, tensor<64xi32>, tensor<1xi32>) {
  %i, %n = row.choose by(%k : tensor<8x32xf32>) : tensor<8x2xi32>, tensor<8xi32>
  %j, %m = row.choose by(%p : tensor<64xf32>)
      until(%p, %t : tensor<64xf32>, tensor<f32>) : tensor<64xi32>, tensor<i32>
  %c, %o = row.choose by(%cost, %score : tensor<9xf32>, tensor<9xf32>)
      up [true, false] where(%ok : tensor<9xi1>) : tensor<1xi32>, tensor<i32>
  return %i, %j, %c : tensor<8x2xi32>, tensor<64xi32>, tensor<1xi32>
}
// CHECK-LABEL: func.func @values
func.func @values(%p: tensor<128xf32>, %idx: tensor<8xi32>, %groups: tensor<4xi32>, %e: tensor<128xf32>, %x: f32)
    -> (tensor<8xf32>, tensor<8xi1>, tensor<128xi32>, tensor<f32>, f32) {
  %w = row.take %p[%idx] : tensor<128xf32>, tensor<8xi32> -> tensor<8xf32>
  %open = row.contains %groups : tensor<4xi32> -> tensor<8xi1>
  %n = row.tally %idx : tensor<8xi32> -> tensor<128xi32>
  %s = row.sum butterfly %e : tensor<128xf32> -> tensor<f32>
  %y = row.unary sigmoid %x : f32
  return %w, %open, %n, %s, %y : tensor<8xf32>, tensor<8xi1>, tensor<128xi32>, tensor<f32>, f32
}
