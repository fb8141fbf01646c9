// Numbers below 64 bits compare as their type says; a u64 as the i64 of its bits, which who compares takes into account.
// RUN: route-opt %s --convert-route-to-linalg | FileCheck %s

// CHECK-LABEL: func.func @order(
// CHECK: arith.cmpi ult, %{{.*}} : i32
// CHECK: arith.minui %{{.*}} : i8
// CHECK: arith.maxui %{{.*}} : i16
// CHECK: arith.cmpi slt, %{{.*}} : i32
// CHECK: arith.cmpi slt, %{{.*}} : i64
route.axis @request <index> {}
route.func @order <route> (%a: !route.array<ui32 [@request]>, %b: !route.array<ui8 [@request]>, %c: !route.array<ui16 [@request]>, %d: !route.array<i32 [@request]>, %e: !route.array<ui64 [@request]>) -> (!route.array<i1 [@request]>, !route.array<ui8 [@request]>, !route.array<ui16 [@request]>, !route.array<i1 [@request]>, !route.array<i1 [@request]>) {
  %0 = route.compare <lt> %a, %a : !route.array<ui32 [@request]>, !route.array<ui32 [@request]>
  %1 = route.binary <min> %b, %b : !route.array<ui8 [@request]>, !route.array<ui8 [@request]>
  %2 = route.binary <max> %c, %c : !route.array<ui16 [@request]>, !route.array<ui16 [@request]>
  %3 = route.compare <lt> %d, %d : !route.array<i32 [@request]>, !route.array<i32 [@request]>
  %4 = route.compare <lt> %e, %e : !route.array<ui64 [@request]>, !route.array<ui64 [@request]>
  route.return %0, %1, %2, %3, %4 : !route.array<i1 [@request]>, !route.array<ui8 [@request]>, !route.array<ui16 [@request]>, !route.array<i1 [@request]>, !route.array<i1 [@request]>
}
