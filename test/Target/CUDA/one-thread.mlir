// Where one thread does what may be much work, a remark says so.
// RUN: route-opt %s --route-outline-kernels --route-outline-serial --split-input-file --verify-diagnostics

// Products that are added up in their order.
func.func @product(%x: memref<?xf32>, %out: memref<f32>) attributes {route.entry = @route.product} {
  // expected-remark @+1 {{one thread of a GPU goes through all inputs of a result}}
  linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> ()>], iterator_types = ["reduction"]}
      ins(%x : memref<?xf32>) outs(%out : memref<f32>) {
  ^bb0(%e: f32, %sum: f32):
    %next = arith.mulf %sum, %e : f32
    linalg.yield %next : f32
  }
  return
}

// -----

// Each round goes on from what the one before left; the maximum needs no order, and gets blocks.
func.func @steps(%n: index, %x: memref<?xf32>, %out: memref<f32>, %most: memref<f32>) attributes {route.entry = @route.steps} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  // expected-remark @+1 {{one thread of a GPU goes through this loop}}
  scf.for %i = %c1 to %n step %c1 {
    %before = arith.subi %i, %c1 : index
    %e = memref.load %x[%before] : memref<?xf32>
    %next = arith.addf %e, %e : f32
    memref.store %next, %x[%i] : memref<?xf32>
  }
  linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> ()>], iterator_types = ["reduction"]}
      ins(%x : memref<?xf32>) outs(%most : memref<f32>) {
  ^bb0(%e: f32, %greatest: f32):
    %next = arith.maximumf %greatest, %e : f32
    linalg.yield %next : f32
  }
  return
}
