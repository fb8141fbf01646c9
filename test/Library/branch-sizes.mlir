// A buffer as large as what a branch gives: of the size that both sides have, or none can be planned.
// RUN: route-opt %s --route-plan-workspace --canonicalize --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: func.func @same
// CHECK-SAME: %[[N:.*]]: index {route.name = "a"
// CHECK: memref.view %{{.*}}[%{{.*}}][%{{.*}}] : memref<?xi8> to memref<?xf32>
// CHECK-LABEL: func.func @workspace.same(
// CHECK-SAME: %[[M:.*]]: index)
// CHECK-NOT: arith.select {{.*}} : memref
// CHECK: return
func.func @same(%n: index {route.name = "a", route.role = "size"},
    %x: memref<?xf32> {route.axes = [@a], route.name = "x", route.role = "input"},
    %y: memref<?xf32> {route.axes = [@a], route.name = "y", route.role = "input"},
    %k: memref<i1> {route.axes = [], route.name = "k", route.role = "input"}) attributes {route.entry = @route.same} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %c = memref.load %k[] : memref<i1>
  %r = scf.if %c -> (memref<?xf32>) {
    scf.yield %x : memref<?xf32>
  } else {
    scf.yield %y : memref<?xf32>
  }
  %d = memref.dim %r, %c0 : memref<?xf32>
  %made = memref.alloc(%d) : memref<?xf32>
  memref.store %zero, %made[%c0] : memref<?xf32>
  return
}

// -----

func.func @differ(%n: index {route.name = "a", route.role = "size"}, %m: index {route.name = "b", route.role = "size"},
    %x: memref<?xf32> {route.axes = [@a], route.name = "x", route.role = "input"},
    %y: memref<?xf32> {route.axes = [@b], route.name = "y", route.role = "input"},
    %k: memref<i1> {route.axes = [], route.name = "k", route.role = "input"}) attributes {route.entry = @route.differ} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %c = memref.load %k[] : memref<i1>
  %r = scf.if %c -> (memref<?xf32>) {
    scf.yield %x : memref<?xf32>
  } else {
    scf.yield %y : memref<?xf32>
  }
  %d = memref.dim %r, %c0 : memref<?xf32>
  // expected-error @+1 {{a buffer whose size depends on data}}
  %made = memref.alloc(%d) : memref<?xf32>
  memref.store %zero, %made[%c0] : memref<?xf32>
  return
}
