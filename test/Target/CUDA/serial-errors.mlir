// What an entry's own code asks of the device and no kernel can do.
// RUN: route-opt %s --convert-ragged-to-kernels --route-outline-serial --verify-diagnostics

// A block of many candidates' kernel is an item: a number of blocks that is any number would leave items out, and write others.
func.func @unknown(%count: memref<i32>, %s: memref<?x8xf32>, %i: memref<8x?xi32>, %c: memref<8xi32>) attributes {route.entry = @r} {
  %v = memref.load %count[] : memref<i32>
  %n = arith.index_cast %v : i32 to index
  // expected-error @+1 {{how many blocks a kernel needs only the device knows}}
  ragged.choose of %n by(%s : memref<?x8xf32>) up [false] maps [affine_map<(e, c) -> (c, e)>]
      outs(%i, %c : memref<8x?xi32>, memref<8xi32>)
  return
}
