// A buffer that is kept lies at the start of the workspace, wherever it is made, and nothing takes its place.
// RUN: route-opt %s --route-plan-workspace --canonicalize | FileCheck %s

// The first buffer has a place behind it, which the last one shares.
// CHECK-LABEL: func.func @entry
// CHECK-SAME: %[[N:.*]]: index
// CHECK-SAME: %[[WORKSPACE:[a-z0-9]+]]: memref<?xi8>
// CHECK: %[[BEHIND:.*]] = arith.muli
// CHECK: memref.view %[[WORKSPACE]][%[[BEHIND]]][%[[N]]] : memref<?xi8> to memref<?xf32>
// CHECK: memref.view %[[WORKSPACE]][%c0][%[[N]]] : memref<?xi8> to memref<?xi8>
// CHECK: memref.view %[[WORKSPACE]][%[[BEHIND]]][%[[N]]] : memref<?xi8> to memref<?xf32>
func.func @entry(%n: index {route.name = "n", route.role = "size"}) attributes {route.entry = @route.entry} {
  %c0 = arith.constant 0 : index
  %byte = arith.constant 1 : i8
  %one = arith.constant 1.0 : f32
  %first = memref.alloc(%n) : memref<?xf32>
  memref.store %one, %first[%c0] : memref<?xf32>
  %kept = memref.alloc(%n) {route.kept} : memref<?xi8>
  memref.store %byte, %kept[%c0] : memref<?xi8>
  %last = memref.alloc(%n) : memref<?xf32>
  memref.store %one, %last[%c0] : memref<?xf32>
  return
}
