// Each thread of a row program has scratch memory of its own, also where canonicalisation learns how much that is and makes
// another buffer of it.
// RUN: route-opt %s --route-to-kernels | FileCheck %s

// CHECK-LABEL: func.func @squares(
// CHECK: launch_func @kernels::@squares_serial_0
// CHECK: gpu.func @squares_serial_0(
// CHECK-SAME: memref<?xi8>
// CHECK: %[[OWN:.*]] = memref.view %{{.*}} : memref<?xi8> to memref<6000xf32>
// CHECK: memref.store %{{.*}}, %[[OWN]]
func.func @squares(%t: index {route.name = "t", route.role = "size"},
    %x: memref<?x6000xf32> {route.axes = [@t, @h], route.name = "x", route.role = "input"},
    %o: memref<?xf32> {route.axes = [@t], route.name = "o", route.role = "output"}) attributes {route.entry = @r} {
  %xs = bufferization.to_tensor %x restrict : memref<?x6000xf32> to tensor<?x6000xf32>
  %c = tensor.cast %xs : tensor<?x6000xf32> to tensor<?x?xf32>
  %e = tensor.empty(%t) : tensor<?xf32>
  %r = row.program ins(%c : tensor<?x?xf32>) outs(%e : tensor<?xf32>) {
  ^bb0(%v: tensor<?xf32>):
    %c0 = arith.constant 0 : index
    %n = tensor.dim %v, %c0 : tensor<?xf32>
    %to = tensor.empty(%n) : tensor<?xf32>
    %squares = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]}
        ins(%v : tensor<?xf32>) outs(%to : tensor<?xf32>) {
    ^bb1(%a: f32, %b: f32):
      %m = arith.mulf %a, %a : f32
      linalg.yield %m : f32
    } -> tensor<?xf32>
    %s = row.sum sequential %squares : tensor<?xf32> -> tensor<f32>
    row.yield %s : tensor<f32>
  } -> tensor<?xf32>
  bufferization.materialize_in_destination %r in restrict writable %o : (tensor<?xf32>, memref<?xf32>) -> ()
  return
}
