// The tensor level op by op: arith, math, tensor, linalg, scf, memref, row and ragged, on their corners.
// RUN: route-interp %s | FileCheck %s

// One bit is -1 as a signed number; comparisons know signs; shifts past the width give nothing.
// CHECK: integers: i32: -1
// CHECK: integers: i32: 255
// CHECK: integers: i1: true
// CHECK: integers: i8: -128
// CHECK: integers: i32: 0
func.func @integers() -> (i32, i32, i1, i8, i32) {
  %true = arith.constant true
  %m1 = arith.constant -1 : i8
  %one = arith.constant 1 : i8
  %big = arith.constant 127 : i8
  %zero = arith.constant 0 : i32
  %seven = arith.constant 7 : i32
  %a = arith.extsi %true : i1 to i32
  %b = arith.extui %m1 : i8 to i32
  %c = arith.cmpi ugt, %m1, %one : i8
  %d = arith.addi %big, %one : i8
  %e = arith.divsi %seven, %zero : i32
  return %a, %b, %c, %d, %e : i32, i32, i1, i8, i32
}
// CHECK: floats: f32: nan
// CHECK: floats: f32: 1
// CHECK: floats: i1: false
// CHECK: floats: bf16: 1
// CHECK: floats: i32: 1065353216
// CHECK: floats: f32: 2.7182817
func.func @floats() -> (f32, f32, i1, bf16, i32, f32) {
  %nan = arith.constant 0x7FC00000 : f32
  %one = arith.constant 1.0 : f32
  %tie = arith.constant 1.00390625 : f32
  %a = arith.maximumf %nan, %one : f32
  %b = arith.maxnumf %nan, %one : f32
  %c = arith.cmpf oeq, %nan, %nan : f32
  %d = arith.truncf %tie : f32 to bf16
  %e = arith.bitcast %one : f32 to i32
  %f = math.exp %one : f32
  return %a, %b, %c, %d, %e, %f : f32, f32, i1, bf16, i32, f32
}
// CHECK: moves: f32 [2, 2]: {{\[}}[2, 3], [5, 6]]
// CHECK: moves: f32 [6]: [1, 2, 3, 4, 5, 6]
// CHECK: moves: f32 [2, 4]: {{\[}}[0, 1, 2, 3], [0, 4, 5, 6]]
// CHECK: moves: f32 [2, 3]: {{\[}}[9, 2, 3], [4, 5, 6]]
// CHECK: moves: f32: 6
func.func @moves() -> (tensor<2x2xf32>, tensor<6xf32>, tensor<2x4xf32>, tensor<2x3xf32>, f32) {
  %x = arith.constant dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32>
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %z = arith.constant 0.0 : f32
  %nine = arith.constant 9.0 : f32
  %s = tensor.extract_slice %x[0, %c1] [2, 2] [1, 1] : tensor<2x3xf32> to tensor<2x2xf32>
  %f = tensor.collapse_shape %x [[0, 1]] : tensor<2x3xf32> into tensor<6xf32>
  %p = tensor.pad %x low[0, 1] high[0, 0] {
  ^bb0(%i: index, %j: index):
    tensor.yield %z : f32
  } : tensor<2x3xf32> to tensor<2x4xf32>
  %n = tensor.insert %nine into %x[%c0, %c0] : tensor<2x3xf32>
  %e = tensor.extract %x[%c1, %c2] : tensor<2x3xf32>
  return %s, %f, %p, %n, %e : tensor<2x2xf32>, tensor<6xf32>, tensor<2x4xf32>, tensor<2x3xf32>, f32
}
// A generic op with a transposed map and a position, and a named op.
// CHECK: structured: f32 [3, 2]: {{\[}}[1, 5], [3, 7], [5, 9]]
// CHECK: structured: f32 [2, 2]: {{\[}}[14, 32], [32, 77]]
func.func @structured() -> (tensor<3x2xf32>, tensor<2x2xf32>) {
  %x = arith.constant dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32>
  %init = tensor.empty() : tensor<3x2xf32>
  %t = linalg.generic {indexing_maps = [affine_map<(i, j) -> (j, i)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<2x3xf32>) outs(%init : tensor<3x2xf32>) {
  ^bb0(%in: f32, %out: f32):
    %i = linalg.index 0 : index
    %j = linalg.index 1 : index
    %k = arith.addi %i, %j : index
    %n = arith.index_cast %k : index to i32
    %f = arith.sitofp %n : i32 to f32
    %s = arith.addf %in, %f : f32
    linalg.yield %s : f32
  } -> tensor<3x2xf32>
  %y = arith.constant dense<[[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]]> : tensor<3x2xf32>
  %zero = arith.constant dense<0.0> : tensor<2x2xf32>
  %m = linalg.matmul ins(%x, %y : tensor<2x3xf32>, tensor<3x2xf32>) outs(%zero : tensor<2x2xf32>) -> tensor<2x2xf32>
  return %t, %m : tensor<3x2xf32>, tensor<2x2xf32>
}
// CHECK: loops: i32: 10
// CHECK: loops: index: 16
func.func @loops() -> (i32, index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c5 = arith.constant 5 : index
  %c10 = arith.constant 10 : index
  %zero = arith.constant 0 : i32
  %s = scf.for %i = %c0 to %c5 step %c1 iter_args(%a = %zero) -> i32 {
    %n = arith.index_cast %i : index to i32
    %b = arith.addi %a, %n : i32
    scf.yield %b : i32
  }
  %w = scf.while (%a = %c1) : (index) -> index {
    %go = arith.cmpi ult, %a, %c10 : index
    scf.condition(%go) %a : index
  } do {
  ^bb0(%a: index):
    %b = arith.addi %a, %a : index
    scf.yield %b : index
  }
  return %s, %w : i32, index
}
// A memref is shared by all that hold it; a tensor read from it is not.
// CHECK: buffers: f32: 7
// CHECK: buffers: f32: 0
func.func @buffers() -> (f32, f32) {
  %c0 = arith.constant 0 : index
  %seven = arith.constant 7.0 : f32
  %m = memref.alloc() : memref<2xf32>
  %t = bufferization.to_tensor %m restrict : memref<2xf32> to tensor<2xf32>
  memref.store %seven, %m[%c0] : memref<2xf32>
  %a = memref.load %m[%c0] : memref<2xf32>
  %b = tensor.extract %t[%c0] : tensor<2xf32>
  return %a, %b : f32, f32
}
// Two keys, ties, a mask, a count, and top-p whose NaN never crosses.
// CHECK: choices: i32 [3]: [2, 0, -1]
// CHECK: choices: i32: 2
// CHECK: choices: i32 [2, 2]: {{\[}}[1, 0], [1, -1]]
// CHECK: choices: i32 [2]: [2, 1]
// CHECK: choices: i32 [3]: [2, 1, -1]
// CHECK: choices: f32 [2, 2]: {{\[}}[2, 1], [4, 0]]
// CHECK: choices: i1 [2, 3]: {{\[}}[true, true, false], [false, true, false]]
// CHECK: choices: i32 [3]: [1, 2, 0]
func.func @choices() -> (tensor<3xi32>, tensor<i32>, tensor<2x2xi32>, tensor<2xi32>, tensor<3xi32>, tensor<2x2xf32>, tensor<2x3xi1>, tensor<3xi32>) {
  %k = arith.constant dense<[1.0, 5.0, 1.0]> : tensor<3xf32>
  %l = arith.constant dense<[0, 0, 7]> : tensor<3xi32>
  %m = arith.constant dense<[true, false, true]> : tensor<3xi1>
  %a, %an = row.choose by(%k, %l : tensor<3xf32>, tensor<3xi32>) up [true, false] where(%m : tensor<3xi1>) : tensor<3xi32>, tensor<i32>
  %b = arith.constant dense<[[1.0, 2.0, 0.0], [0x7FC00000, 4.0, 3.0]]> : tensor<2x3xf32>
  %count = arith.constant dense<[2, 1]> : tensor<2xi32>
  %i, %in = row.choose by(%b : tensor<2x3xf32>) count(%count : tensor<2xi32>) : tensor<2x2xi32>, tensor<2xi32>
  %p = arith.constant dense<[0.1, 0.3, 0.6]> : tensor<3xf32>
  %t = arith.constant dense<0.7> : tensor<f32>
  %u, %un = row.choose by(%p : tensor<3xf32>) until(%p, %t : tensor<3xf32>, tensor<f32>) : tensor<3xi32>, tensor<i32>
  %v = row.take %b[%i] : tensor<2x3xf32>, tensor<2x2xi32> -> tensor<2x2xf32>
  %c = row.contains %i : tensor<2x2xi32> -> tensor<2x3xi1>
  %n = row.tally %i : tensor<2x2xi32> -> tensor<3xi32>
  return %a, %an, %i, %in, %u, %v, %c, %n : tensor<3xi32>, tensor<i32>, tensor<2x2xi32>, tensor<2xi32>, tensor<3xi32>, tensor<2x2xf32>, tensor<2x3xi1>, tensor<3xi32>
}
// Rows of two items for three experts: expert 1 is chosen twice, one slot is empty.
// CHECK: grouped: i32 [4]: [0, 1, 3, 3]
// CHECK: grouped: i32 [4]: [1, 0, 2, -1]
// CHECK: grouped: i32 [2, 2]: {{\[}}[1, 0], [2, -1]]
// CHECK: grouped: f32 [2, 1]: {{\[}}[12], [6]]
func.func @grouped() -> (tensor<4xi32>, tensor<4xi32>, tensor<2x2xi32>, tensor<2x1xf32>) {
  %idx = arith.constant dense<[[1, 0], [1, -1]]> : tensor<2x2xi32>
  %x = arith.constant dense<[[2.0], [3.0]]> : tensor<2x1xf32>
  %w = arith.constant dense<[[[4.0]], [[2.0]], [[9.0]]]> : tensor<3x1x1xf32>
  %c0 = tensor.empty() : tensor<3xi32>
  %o0 = tensor.empty() : tensor<4xi32>
  %i0 = tensor.empty() : tensor<2x2xi32>
  %a0 = arith.constant dense<0.0> : tensor<4x1xf32>
  %y0 = arith.constant dense<0.0> : tensor<2x1xf32>
  %c = ragged.count ins(%idx : tensor<2x2xi32>) outs(%c0 : tensor<3xi32>) -> tensor<3xi32>
  %o = ragged.offsets ins(%c : tensor<3xi32>) outs(%o0 : tensor<4xi32>) -> tensor<4xi32>
  %p, %i = ragged.permute ins(%idx, %o : tensor<2x2xi32>, tensor<4xi32>) outs(%o0, %i0 : tensor<4xi32>, tensor<2x2xi32>) -> tensor<4xi32>, tensor<2x2xi32>
  %g = ragged.gather ins(%x, %p : tensor<2x1xf32>, tensor<4xi32>) outs(%a0 : tensor<4x1xf32>) slots 2 -> tensor<4x1xf32>
  %h = ragged.matmul rows(%g : tensor<4x1xf32>) offsets(%o : tensor<4xi32>) weights(%w : tensor<3x1x1xf32>) outs(%a0 : tensor<4x1xf32>) {
  ^bb0(%acc: f32):
    ragged.yield %acc : f32
  } -> tensor<4x1xf32>
  %y = ragged.combine ins(%h, %i : tensor<4x1xf32>, tensor<2x2xi32>) outs(%y0 : tensor<2x1xf32>) -> tensor<2x1xf32>
  return %o, %p, %i, %y : tensor<4xi32>, tensor<4xi32>, tensor<2x2xi32>, tensor<2x1xf32>
}
// The same slot by slot: what each slot gives, and combined with factors. Parts in turn: w is [3, 4, 9], and 1 beside each.
// CHECK: slots: f32 [4, 1]: {{\[}}[5], [9], [8], [-1]]
// CHECK: slots: f32 [2, 1]: {{\[}}[13], [0]]
func.func @slots() -> (tensor<4x1xf32>, tensor<2x1xf32>) {
  %idx = arith.constant dense<[[1, 0], [1, -1]]> : tensor<2x2xi32>
  %none = arith.constant dense<[[2, 0], [1, 1]]> : tensor<2x2xi32>
  %limit = arith.constant dense<[1, 0]> : tensor<2xi32>
  %x = arith.constant dense<[[2.0], [3.0]]> : tensor<2x1xf32>
  %w = arith.constant dense<[[[4.0, 1.0]], [[2.0, 1.0]], [[9.0, 1.0]]]> : tensor<3x1x2xf32>
  %b = arith.constant dense<[[-1.0], [-1.0], [-1.0]]> : tensor<3x1xf32>
  %f = arith.constant dense<[[0.5, 8.0], [8.0, 8.0]]> : tensor<2x2xf32>
  %a0 = arith.constant dense<-1.0> : tensor<4x1xf32>
  %y0 = arith.constant dense<7.0> : tensor<2x1xf32>
  %h = ragged.slot_matmul rows(%x : tensor<2x1xf32>) slots 2 idx(%idx : tensor<2x2xi32>) weights(%w : tensor<3x1x2xf32>)
      transposed interleaved 2 per_expert(%b : tensor<3x1xf32>) outs(%a0 : tensor<4x1xf32>) {
  ^bb0(%p: f32, %q: f32, %c: f32):
    %s = arith.addf %p, %q : f32
    %r = arith.addf %s, %c : f32
    ragged.yield %r : f32
  } -> tensor<4x1xf32>
  %v = arith.constant dense<[[[4.0]], [[2.0]], [[13.0]]]> : tensor<3x1x1xf32>
  %y = ragged.slot_matmul rows(%x : tensor<2x1xf32>) slots 2 idx(%none : tensor<2x2xi32>) limit(%limit : tensor<2xi32>)
      weights(%v : tensor<3x1x1xf32>) combined scale(%f : tensor<2x2xf32>) outs(%y0 : tensor<2x1xf32>) {
  ^bb0(%p: f32):
    ragged.yield %p : f32
  } -> tensor<2x1xf32>
  return %h, %y : tensor<4x1xf32>, tensor<2x1xf32>
}
