// Folding: a cast to the same type is its operand, equal constants are one, and what nobody uses goes, unless it writes.
// RUN: route-opt %s --canonicalize --cse | FileCheck %s
route.axis @token <index> {}
route.state @n : !route.array<f32>

// CHECK-LABEL: route.func @casts
// CHECK-SAME: (%[[X:.*]]: !route.array<f32 [@token]>
// CHECK-NEXT: route.return %[[X]]
route.func @casts <route> (%x: !route.array<f32 [@token]>) -> !route.array<f32 [@token]> {
  %y = route.cast %x : !route.array<f32 [@token]> to !route.array<f32 [@token]>
  route.return %y : !route.array<f32 [@token]>
}

// CHECK-LABEL: route.func @rounds
// CHECK: route.cast
// CHECK: route.cast
route.func @rounds <route> (%x: !route.array<f32 [@token]>) -> !route.array<f32 [@token]> {
  %y = route.cast %x : !route.array<f32 [@token]> to !route.array<bf16 [@token]>
  %z = route.cast %y : !route.array<bf16 [@token]> to !route.array<f32 [@token]>
  route.return %z : !route.array<f32 [@token]>
}

// CHECK-LABEL: route.func @constants
// CHECK-COUNT-1: route.constant
// CHECK-NOT: route.constant
// CHECK-NOT: route.unary
route.func @constants <route> () -> !route.array<f32> {
  %a = route.constant 2.0 : f32 as !route.array<f32>
  %b = route.constant 2.0 : f32 as !route.array<f32>
  %unused = route.unary <exp> %a : !route.array<f32>
  %c = route.binary <add> %a, %b : !route.array<f32>, !route.array<f32>
  route.return %c : !route.array<f32>
}

// CHECK-LABEL: route.func @writes
// CHECK: route.set @n
// CHECK: route.emit "load"
route.func @writes <handler> (%x: !route.array<f32>) attributes {event = "commit"} {
  route.set @n, %x : !route.array<f32>
  route.emit "load", %x : !route.array<f32>
  route.return
}
