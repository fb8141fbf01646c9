// Every constraint of the ragged ops, broken once.
// RUN: route-opt %s --split-input-file --verify-diagnostics

func.func @count_limit(%i: tensor<3x2xi32>, %n: tensor<4xi32>, %c: tensor<5xi32>) {
  // expected-error @+1 {{dimension 0 of 'limit' is 4, expected 3 (rows of 'idx')}}
  %0 = ragged.count ins(%i : tensor<3x2xi32>) limit(%n : tensor<4xi32>) outs(%c : tensor<5xi32>) -> tensor<5xi32>
  return
}

// -----
func.func @mixed(%i: memref<3x2xi32>, %c: tensor<5xi32>) {
  // expected-error @+1 {{mixes tensors and memrefs}}
  %0 = ragged.count ins(%i : memref<3x2xi32>) outs(%c : tensor<5xi32>) -> tensor<5xi32>
  return
}

// -----
func.func @strided(%i: memref<3x2xi32, strided<[4, 2]>>, %c: memref<5xi32>) {
  // expected-error @+1 {{needs memrefs whose innermost dimension is contiguous}}
  ragged.count ins(%i : memref<3x2xi32, strided<[4, 2]>>) outs(%c : memref<5xi32>)
  return
}

// -----
func.func @offsets(%c: memref<5xi32>, %o: memref<5xi32>) {
  // expected-error @+1 {{dimension 0 of 'offsets' is 5, expected 6 (one more than 'counts')}}
  ragged.offsets ins(%c : memref<5xi32>) outs(%o : memref<5xi32>)
  return
}

// -----
func.func @perm_size(%i: memref<3x2xi32>, %o: memref<5xi32>, %p: memref<7xi32>) {
  // expected-error @+1 {{dimension 0 of 'perm' is 7, expected 6 (elements of 'idx')}}
  ragged.permute ins(%i, %o : memref<3x2xi32>, memref<5xi32>) outs(%p, %i : memref<7xi32>, memref<3x2xi32>)
  return
}

// -----
func.func @inv_shape(%i: memref<3x2xi32>, %o: memref<5xi32>, %p: memref<6xi32>, %v: memref<3x3xi32>) {
  // expected-error @+1 {{dimension 1 of 'inv' is 3, expected 2 (width of 'idx')}}
  ragged.permute ins(%i, %o : memref<3x2xi32>, memref<5xi32>) outs(%p, %v : memref<6xi32>, memref<3x3xi32>)
  return
}

// -----
func.func @permute_limit(%i: memref<3x2xi32>, %o: memref<5xi32>, %p: memref<6xi32>, %n: memref<2xi32>) {
  // expected-error @+1 {{dimension 0 of 'limit' is 2, expected 3 (rows of 'idx')}}
  ragged.permute ins(%i, %o : memref<3x2xi32>, memref<5xi32>) limit(%n : memref<2xi32>) outs(%p, %i : memref<6xi32>, memref<3x2xi32>)
  return
}

// -----
func.func @permute_offsets(%i: memref<3x2xi32>, %o: memref<?xi32>, %p: memref<6xi32>) {
  // expected-error @+1 {{'offsets' needs a static, positive size, found 'memref<?xi32>'}}
  ragged.permute ins(%i, %o : memref<3x2xi32>, memref<?xi32>) outs(%p, %i : memref<6xi32>, memref<3x2xi32>)
  return
}

// -----
func.func @gather_slots(%x: memref<3x4xf32>, %p: memref<6xi32>, %a: memref<6x4xf32>) {
  // expected-error @+1 {{'slots' is 0, expected at least 1}}
  ragged.gather ins(%x, %p : memref<3x4xf32>, memref<6xi32>) outs(%a : memref<6x4xf32>) slots 0
  return
}

// -----
func.func @gather_rows(%x: memref<3x4xf32>, %p: memref<6xi32>, %a: memref<5x4xf32>) {
  // expected-error @+1 {{dimension 0 of 'out' is 5, expected 6 (elements of 'perm')}}
  ragged.gather ins(%x, %p : memref<3x4xf32>, memref<6xi32>) outs(%a : memref<5x4xf32>) slots 2
  return
}

// -----
func.func @gather_type(%x: memref<3x4xf32>, %p: memref<6xi32>, %a: memref<6x4xbf16>) {
  // expected-error @+1 {{'out' is 'memref<6x4xbf16>', expected the rank and element type of 'memref<3x4xf32>'}}
  ragged.gather ins(%x, %p : memref<3x4xf32>, memref<6xi32>) outs(%a : memref<6x4xbf16>) slots 2
  return
}

// -----
func.func @gather_width(%x: memref<3x4xf32>, %p: memref<6xi32>, %a: memref<6x3xf32>) {
  // expected-error @+1 {{dimension 1 of 'out' is 3, expected at least 4 (width of 'x')}}
  ragged.gather ins(%x, %p : memref<3x4xf32>, memref<6xi32>) outs(%a : memref<6x3xf32>) slots 2
  return
}

// -----
func.func @combine_rows(%y: memref<6x4xf32>, %i: memref<3x2xi32>, %o: memref<2x4xf32>) {
  // expected-error @+1 {{dimension 0 of 'out' is 2, expected 3 (rows of 'inv')}}
  ragged.combine ins(%y, %i : memref<6x4xf32>, memref<3x2xi32>) outs(%o : memref<2x4xf32>)
  return
}

// -----
func.func @combine_width(%y: memref<6x4xf32>, %i: memref<3x2xi32>, %o: memref<3x5xf32>) {
  // expected-error @+1 {{dimension 1 of 'out' is 5, expected 4 (width of 'y')}}
  ragged.combine ins(%y, %i : memref<6x4xf32>, memref<3x2xi32>) outs(%o : memref<3x5xf32>)
  return
}

// -----
func.func @combine_scale(%y: memref<6x4xf32>, %i: memref<3x2xi32>, %s: memref<3x3xf32>, %o: memref<3x4xf32>) {
  // expected-error @+1 {{dimension 1 of 'scale' is 3, expected 2 (width of 'inv')}}
  ragged.combine ins(%y, %i : memref<6x4xf32>, memref<3x2xi32>) scale(%s : memref<3x3xf32>) outs(%o : memref<3x4xf32>)
  return
}

// -----
func.func @place_width(%y: memref<6x4xf32>, %i: memref<3x2xi32>, %o: memref<9x5xf32>) {
  // expected-error @+1 {{dimension 1 of 'out' is 5, expected 4 (width of 'y')}}
  ragged.combine_at ins(%y, %i, %i : memref<6x4xf32>, memref<3x2xi32>, memref<3x2xi32>) outs(%o : memref<9x5xf32>)
  return
}

// -----
func.func @place_at(%y: memref<6x4xf32>, %i: memref<3x2xi32>, %a: memref<3x3xi32>, %o: memref<9x4xf32>) {
  // expected-error @+1 {{dimension 1 of 'at' is 3, expected 2 (width of 'inv')}}
  ragged.combine_at ins(%y, %i, %a : memref<6x4xf32>, memref<3x2xi32>, memref<3x3xi32>) outs(%o : memref<9x4xf32>)
  return
}

// -----
func.func @place_scale(%y: memref<6x4xf32>, %i: memref<3x2xi32>, %s: memref<4x2xf32>, %o: memref<9x4xf32>) {
  // expected-error @+1 {{dimension 0 of 'scale' is 4, expected 3 (rows of 'inv')}}
  ragged.combine_at ins(%y, %i, %i : memref<6x4xf32>, memref<3x2xi32>, memref<3x2xi32>) scale(%s : memref<4x2xf32>) outs(%o : memref<9x4xf32>)
  return
}

// -----
func.func @pack_dynamic(%w: memref<?x16x4xf32>, %p: memref<2x1x4x16xf32>) {
  // expected-error @+1 {{needs static shapes}}
  ragged.pack ins(%w : memref<?x16x4xf32>) outs(%p : memref<2x1x4x16xf32>)
  return
}

// -----
func.func @pack_shape(%w: memref<2x17x4xf32>, %p: memref<2x1x4x16xf32>) {
  // expected-error @+1 {{'panels' is 'memref<2x1x4x16xf32>', expected the shape of 'tensor<2x2x4x16xf32>'}}
  ragged.pack ins(%w : memref<2x17x4xf32>) outs(%p : memref<2x1x4x16xf32>)
  return
}

// -----
func.func @no_weight(%a: memref<?x4xf32>, %o: memref<3xi32>, %y: memref<?x5xf32>) {
  // expected-error @+1 {{needs at least one weight}}
  "ragged.matmul"(%a, %o, %y) <{operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 1>}> ({
  ^bb0(%acc: f32):
    ragged.yield %acc : f32
  }) : (memref<?x4xf32>, memref<3xi32>, memref<?x5xf32>) -> ()
  return
}

// -----
func.func @weights_differ(%a: memref<?x4xf32>, %o: memref<3xi32>, %w: memref<2x5x4xf32>, %v: memref<2x6x4xf32>, %y: memref<?x5xf32>) {
  // expected-error @+1 {{weights differ in type}}
  ragged.matmul rows(%a : memref<?x4xf32>) offsets(%o : memref<3xi32>) weights(%w, %v : memref<2x5x4xf32>, memref<2x6x4xf32>) outs(%y : memref<?x5xf32>) {
  ^bb0(%acc: f32, %u: f32):
    ragged.yield %acc : f32
  }
  return
}

// -----
func.func @weights_dynamic(%a: memref<?x4xf32>, %o: memref<3xi32>, %w: memref<2x5x?xf32>, %y: memref<?x5xf32>) {
  // expected-error @+1 {{weights need a static shape, found 'memref<2x5x?xf32>'}}
  ragged.matmul rows(%a : memref<?x4xf32>) offsets(%o : memref<3xi32>) weights(%w : memref<2x5x?xf32>) outs(%y : memref<?x5xf32>) {
  ^bb0(%acc: f32):
    ragged.yield %acc : f32
  }
  return
}

// -----
func.func @element(%a: memref<?x4xbf16>, %o: memref<3xi32>, %w: memref<2x5x4xf32>, %y: memref<?x5xf32>) {
  // expected-error @+1 {{rows are of 'bf16', weights of 'f32'}}
  ragged.matmul rows(%a : memref<?x4xbf16>) offsets(%o : memref<3xi32>) weights(%w : memref<2x5x4xf32>) outs(%y : memref<?x5xf32>) {
  ^bb0(%acc: f32):
    ragged.yield %acc : f32
  }
  return
}

// -----
func.func @depth_plain(%a: memref<?x4xf32>, %o: memref<3xi32>, %w: memref<2x5x4xf32>, %y: memref<?x5xf32>) {
  // expected-error @+1 {{'depth' is for panels}}
  ragged.matmul rows(%a : memref<?x4xf32>) offsets(%o : memref<3xi32>) weights(%w : memref<2x5x4xf32>) depth 4 outs(%y : memref<?x5xf32>) {
  ^bb0(%acc: f32):
    ragged.yield %acc : f32
  }
  return
}

// -----
func.func @depth_absent(%a: memref<?x4xf32>, %o: memref<3xi32>, %w: memref<2x1x4x16xf32>, %y: memref<?x5xf32>) {
  // expected-error @+1 {{panels need a 'depth'}}
  ragged.matmul rows(%a : memref<?x4xf32>) offsets(%o : memref<3xi32>) weights(%w : memref<2x1x4x16xf32>) outs(%y : memref<?x5xf32>) {
  ^bb0(%acc: f32):
    ragged.yield %acc : f32
  }
  return
}

// -----
func.func @panels(%a: memref<?x4xf32>, %o: memref<3xi32>, %w: memref<2x1x4x16xf32>, %y: memref<?x17xf32>) {
  // expected-error @+1 {{panels are 'memref<2x1x4x16xf32>', expected the shape of 'tensor<2x2x4x16xf32>' for 'depth' 4 and 17 columns}}
  ragged.matmul rows(%a : memref<?x4xf32>) offsets(%o : memref<3xi32>) weights(%w : memref<2x1x4x16xf32>) depth 4 outs(%y : memref<?x17xf32>) {
  ^bb0(%acc: f32):
    ragged.yield %acc : f32
  }
  return
}

// -----
func.func @transposed_panels(%a: memref<?x4xf32>, %o: memref<3xi32>, %w: memref<2x1x4x16xf32>, %y: memref<?x5xf32>) {
  // expected-error @+1 {{'transposed' is for plain weights}}
  ragged.matmul rows(%a : memref<?x4xf32>) offsets(%o : memref<3xi32>) weights(%w : memref<2x1x4x16xf32>) depth 4 transposed outs(%y : memref<?x5xf32>) {
  ^bb0(%acc: f32):
    ragged.yield %acc : f32
  }
  return
}

// -----
func.func @offsets_size(%a: memref<?x4xf32>, %o: memref<4xi32>, %w: memref<2x5x4xf32>, %y: memref<?x5xf32>) {
  // expected-error @+1 {{dimension 0 of 'offsets' is 4, expected 3 (one more than the experts)}}
  ragged.matmul rows(%a : memref<?x4xf32>) offsets(%o : memref<4xi32>) weights(%w : memref<2x5x4xf32>) outs(%y : memref<?x5xf32>) {
  ^bb0(%acc: f32):
    ragged.yield %acc : f32
  }
  return
}

// -----
func.func @dense_experts(%a: memref<?x4xf32>, %w: memref<2x5x4xf32>, %y: memref<?x5xf32>) {
  // expected-error @+1 {{without 'offsets' there is one expert, found 2}}
  ragged.matmul rows(%a : memref<?x4xf32>) weights(%w : memref<2x5x4xf32>) outs(%y : memref<?x5xf32>) {
  ^bb0(%acc: f32):
    ragged.yield %acc : f32
  }
  return
}

// -----
func.func @narrow(%a: memref<?x3xf32>, %w: memref<1x5x4xf32>, %y: memref<?x5xf32>) {
  // expected-error @+1 {{rows are 3 wide, expected at least 4}}
  ragged.matmul rows(%a : memref<?x3xf32>) weights(%w : memref<1x5x4xf32>) outs(%y : memref<?x5xf32>) {
  ^bb0(%acc: f32):
    ragged.yield %acc : f32
  }
  return
}

// -----
func.func @columns(%a: memref<?x4xf32>, %w: memref<1x5x4xf32>, %y: memref<?x4xf32>) {
  // expected-error @+1 {{dimension 1 of 'out' is 4, expected 5 (columns of the weights)}}
  ragged.matmul rows(%a : memref<?x4xf32>) weights(%w : memref<1x5x4xf32>) outs(%y : memref<?x4xf32>) {
  ^bb0(%acc: f32):
    ragged.yield %acc : f32
  }
  return
}

// -----
func.func @bias(%a: memref<?x4xf32>, %w: memref<1x5x4xf32>, %b: memref<1x6xf32>, %y: memref<?x5xf32>) {
  // expected-error @+1 {{dimension 1 of 'per_expert' is 6, expected 5 (columns of the weights)}}
  ragged.matmul rows(%a : memref<?x4xf32>) weights(%w : memref<1x5x4xf32>) per_expert(%b : memref<1x6xf32>) outs(%y : memref<?x5xf32>) {
  ^bb0(%acc: f32, %x: f32):
    ragged.yield %acc : f32
  }
  return
}

// -----
func.func @per_row(%a: memref<7x4xf32>, %w: memref<1x5x4xf32>, %b: memref<6xf32>, %y: memref<7x5xf32>) {
  // expected-error @+1 {{dimension 0 of 'per_row' is 6, expected 7 (rows)}}
  ragged.matmul rows(%a : memref<7x4xf32>) weights(%w : memref<1x5x4xf32>) per_row(%b : memref<6xf32>) outs(%y : memref<7x5xf32>) {
  ^bb0(%acc: f32, %x: f32):
    ragged.yield %acc : f32
  }
  return
}

// -----
func.func @arguments(%a: memref<7x4xf32>, %w: memref<1x5x4xf32>, %y: memref<7x5xf32>) {
  // expected-error @+1 {{epilogue takes ('f64'), expected ('f32')}}
  ragged.matmul rows(%a : memref<7x4xf32>) weights(%w : memref<1x5x4xf32>) outs(%y : memref<7x5xf32>) {
  ^bb0(%acc: f64):
    %r = arith.truncf %acc : f64 to f32
    ragged.yield %r : f32
  }
  return
}

// -----
func.func @yielded(%a: memref<7x4xf32>, %w: memref<1x5x4xf32>, %y: memref<7x5xbf16>) {
  // expected-error @+1 {{epilogue yields 'f32', expected 'bf16'}}
  ragged.matmul rows(%a : memref<7x4xf32>) weights(%w : memref<1x5x4xf32>) outs(%y : memref<7x5xbf16>) {
  ^bb0(%acc: f32):
    ragged.yield %acc : f32
  }
  return
}

// -----
func.func private @f(f32) -> f32
func.func @elementwise(%a: memref<7x4xf32>, %w: memref<1x5x4xf32>, %y: memref<7x5xf32>) {
  // expected-error @+1 {{epilogue may contain only elementwise ops, found 'func.call'}}
  ragged.matmul rows(%a : memref<7x4xf32>) weights(%w : memref<1x5x4xf32>) outs(%y : memref<7x5xf32>) {
  ^bb0(%acc: f32):
    %r = func.call @f(%acc) : (f32) -> f32
    ragged.yield %r : f32
  }
  return
}

// -----
func.func @choose_up(%k: tensor<?xf32>, %i: tensor<4xi32>, %n: tensor<i32>, %c: index) {
  // expected-error @+1 {{has 2 directions for 1 keys}}
  %0, %1 = ragged.choose of %c by(%k : tensor<?xf32>) up [true, false] maps [affine_map<(c) -> (c)>]
      outs(%i, %n : tensor<4xi32>, tensor<i32>) -> tensor<4xi32>, tensor<i32>
  return
}

// -----
func.func @choose_maps(%k: tensor<?xf32>, %i: tensor<4xi32>, %n: tensor<i32>, %c: index) {
  // expected-error @+1 {{has 0 maps for 1 operands}}
  %0, %1 = ragged.choose of %c by(%k : tensor<?xf32>) up [true] maps []
      outs(%i, %n : tensor<4xi32>, tensor<i32>) -> tensor<4xi32>, tensor<i32>
  return
}

// -----
func.func @choose_projection(%k: tensor<?x?xf32>, %i: tensor<4xi32>, %n: tensor<i32>, %c: index) {
  // expected-error @+1 {{expected a projection of 1 dimensions to 2}}
  %0, %1 = ragged.choose of %c by(%k : tensor<?x?xf32>) up [true] maps [affine_map<(c) -> (c)>]
      outs(%i, %n : tensor<4xi32>, tensor<i32>) -> tensor<4xi32>, tensor<i32>
  return
}

// -----
func.func @choose_limit(%l: tensor<?xi32>, %i: tensor<4xi32>, %n: tensor<i32>, %c: index) {
  // expected-error @+1 {{map 0 depends on the candidate}}
  %0, %1 = ragged.choose of %c up [] limit(%l : tensor<?xi32>) maps [affine_map<(c) -> (c)>]
      outs(%i, %n : tensor<4xi32>, tensor<i32>) -> tensor<4xi32>, tensor<i32>
  return
}

// -----
func.func @choose_counts(%i: tensor<3x4xi32>, %n: tensor<2xi32>, %c: index) {
  // expected-error @+1 {{dimension 0 of 'counts' is 2, expected 3 (that of 'indices')}}
  %0, %1 = ragged.choose of %c up [] maps [] outs(%i, %n : tensor<3x4xi32>, tensor<2xi32>) -> tensor<3x4xi32>, tensor<2xi32>
  return
}

// -----
func.func @uneven_parts(%a: memref<?x4xf32>, %w: memref<1x5x4xf32>, %y: memref<?x2xf32>) {
  // expected-error @+1 {{weights have 5 columns, which 2 interleaved parts do not share evenly}}
  ragged.matmul rows(%a : memref<?x4xf32>) weights(%w : memref<1x5x4xf32>) interleaved 2 outs(%y : memref<?x2xf32>) {
  ^bb0(%p: f32, %q: f32):
    ragged.yield %p : f32
  }
  return
}

// -----
func.func @one_part(%a: memref<?x4xf32>, %w: memref<1x5x4xf32>, %y: memref<?x5xf32>) {
  // expected-error @+1 {{'interleaved' is at least 2, found 1}}
  ragged.matmul rows(%a : memref<?x4xf32>) weights(%w : memref<1x5x4xf32>) interleaved 1 outs(%y : memref<?x5xf32>) {
  ^bb0(%p: f32):
    ragged.yield %p : f32
  }
  return
}

// -----
func.func @interleaved_panels(%a: memref<?x4xf32>, %w: memref<1x1x4x16xf32>, %y: memref<?x8xf32>) {
  // expected-error @+1 {{'interleaved' is for plain weights, found 'memref<1x1x4x16xf32>'}}
  ragged.matmul rows(%a : memref<?x4xf32>) weights(%w : memref<1x1x4x16xf32>) depth 4 interleaved 2 outs(%y : memref<?x8xf32>) {
  ^bb0(%p: f32, %q: f32):
    ragged.yield %p : f32
  }
  return
}

// -----
func.func @sums_of_parts(%a: memref<?x4xf32>, %w: memref<1x4x4xf32>, %y: memref<?x2xf32>) {
  // expected-error @+1 {{epilogue takes ('f32'), expected ('f32', 'f32')}}
  ragged.matmul rows(%a : memref<?x4xf32>) weights(%w : memref<1x4x4xf32>) interleaved 2 outs(%y : memref<?x2xf32>) {
  ^bb0(%p: f32):
    ragged.yield %p : f32
  }
  return
}

// -----
func.func @strided_bias_of_panels(%a: memref<?x4xf32>, %w: memref<1x1x4x16xf32>, %b: memref<1x16xf32, strided<[32, 2]>>, %y: memref<?x16xf32>) {
  // expected-error @+1 {{needs memrefs whose innermost dimension is contiguous}}
  ragged.matmul rows(%a : memref<?x4xf32>) weights(%w : memref<1x1x4x16xf32>) depth 4
      per_expert(%b : memref<1x16xf32, strided<[32, 2]>>) outs(%y : memref<?x16xf32>) {
  ^bb0(%p: f32, %q: f32):
    ragged.yield %p : f32
  }
  return
}

// -----
func.func @slots_of(%x: memref<?x8xf32>, %i: memref<?x2xi32>, %w: memref<4x6x8xf32>, %y: memref<?x6xf32>) {
  // expected-error @+1 {{'slots' is 1 or the static number of an item's, found 3 and 'memref<?x2xi32>'}}
  ragged.slot_matmul rows(%x : memref<?x8xf32>) slots 3 idx(%i : memref<?x2xi32>) weights(%w : memref<4x6x8xf32>) outs(%y : memref<?x6xf32>) {
  ^bb0(%p: f32):
    ragged.yield %p : f32
  }
  return
}

// -----
func.func @slots_rows(%x: memref<5x8xf32>, %i: memref<3x2xi32>, %w: memref<4x6x8xf32>, %y: memref<6x6xf32>) {
  // expected-error @+1 {{dimension 0 of 'rows' is 5, expected 3 (items)}}
  ragged.slot_matmul rows(%x : memref<5x8xf32>) slots 2 idx(%i : memref<3x2xi32>) weights(%w : memref<4x6x8xf32>) outs(%y : memref<6x6xf32>) {
  ^bb0(%p: f32):
    ragged.yield %p : f32
  }
  return
}

// -----
func.func @slots_out(%x: memref<3x8xf32>, %i: memref<3x2xi32>, %w: memref<4x6x8xf32>, %y: memref<6x6xf32>) {
  // expected-error @+1 {{dimension 0 of 'out' is 6, expected 3 (items)}}
  ragged.slot_matmul rows(%x : memref<3x8xf32>) slots 2 idx(%i : memref<3x2xi32>) weights(%w : memref<4x6x8xf32>) combined outs(%y : memref<6x6xf32>) {
  ^bb0(%p: f32):
    ragged.yield %p : f32
  }
  return
}

// -----
func.func @slots_columns(%x: memref<?x8xf32>, %i: memref<?x2xi32>, %w: memref<4x6x8xf32>, %y: memref<?x7xf32>) {
  // expected-error @+1 {{dimension 1 of 'out' is 7, expected 6 (columns of the weights)}}
  ragged.slot_matmul rows(%x : memref<?x8xf32>) slots 2 idx(%i : memref<?x2xi32>) weights(%w : memref<4x6x8xf32>) outs(%y : memref<?x7xf32>) {
  ^bb0(%p: f32):
    ragged.yield %p : f32
  }
  return
}

// -----
func.func @slots_panels(%x: memref<?x8xf32>, %i: memref<?x2xi32>, %w: memref<4x1x8x16xf32>, %y: memref<?x6xf32>) {
  // expected-error @+1 {{weights are plain, found 'memref<4x1x8x16xf32>'}}
  ragged.slot_matmul rows(%x : memref<?x8xf32>) slots 2 idx(%i : memref<?x2xi32>) weights(%w : memref<4x1x8x16xf32>) outs(%y : memref<?x6xf32>) {
  ^bb0(%p: f32):
    ragged.yield %p : f32
  }
  return
}

// -----
func.func @slots_scale(%x: memref<?x8xf32>, %i: memref<?x2xi32>, %w: memref<4x6x8xf32>, %y: memref<?x6xf32>, %s: memref<?x2xf32>) {
  // expected-error @+1 {{has a 'scale' but is not 'combined'}}
  ragged.slot_matmul rows(%x : memref<?x8xf32>) slots 2 idx(%i : memref<?x2xi32>) weights(%w : memref<4x6x8xf32>) scale(%s : memref<?x2xf32>) outs(%y : memref<?x6xf32>) {
  ^bb0(%p: f32):
    ragged.yield %p : f32
  }
  return
}

// -----
func.func @slots_epilogue(%x: memref<?x8xf32>, %i: memref<?x2xi32>, %w: memref<4x6x8xf32>, %y: memref<?x6xf32>) {
  // expected-error @+1 {{epilogue yields 'f64', expected 'f32'}}
  ragged.slot_matmul rows(%x : memref<?x8xf32>) slots 2 idx(%i : memref<?x2xi32>) weights(%w : memref<4x6x8xf32>) outs(%y : memref<?x6xf32>) {
  ^bb0(%p: f32):
    %q = arith.extf %p : f32 to f64
    ragged.yield %q : f64
  }
  return
}
