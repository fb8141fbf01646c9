// Branches on the device whose sides differ in size give no buffer that both could write to.
// RUN: route-opt %s --route-serialize-loops --route-outline-kernels --route-outline-serial --verify-diagnostics

func.func @differ(%n: index {route.name = "a"}, %m: index {route.name = "b"}, %c: memref<i1>, %x: memref<?xf32> {route.axes = [@b]},
    %y: memref<?xf32> {route.axes = [@a]}) attributes {route.entry = @route.differ} {
  %zero = arith.constant 0.0 : f32
  %is = memref.load %c[] : memref<i1>
  // expected-error @+1 {{which buffer a branch gives only the device knows}}
  %r = scf.if %is -> (memref<?xf32>) {
    %own = memref.alloc(%n) {alignment = 64 : i64} : memref<?xf32>
    linalg.fill ins(%zero : f32) outs(%own : memref<?xf32>)
    scf.yield %own : memref<?xf32>
  } else {
    scf.yield %x : memref<?xf32>
  }
  memref.copy %r, %y : memref<?xf32> to memref<?xf32>
  return
}
