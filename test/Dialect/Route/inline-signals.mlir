// Computed signals are computed where they are read, host and given ones stay reads.
// RUN: route-opt %s --route-inline-signals | FileCheck %s

route.axis @request <index> {
  route.column @prompt <input> : !route.array<!route.text [@request]>
}
route.signal @x : !route.array<f32 [@request]>
route.signal @length : !route.array<i64 [@request]> {
  %t = route.get @request::@prompt : !route.array<!route.text [@request]>
  %b = route.text_fn "bytes"(%t) : (!route.array<!route.text [@request]>) -> !route.array<i64 [@request]>
  route.yield %b : !route.array<i64 [@request]>
}
route.signal @long : !route.array<i1 [@request]> {
  %n = route.get @length : !route.array<i64 [@request]>
  %k = route.constant 100 : i64 as !route.array<i64>
  %l = route.compare <gt> %n, %k : !route.array<i64 [@request]>, !route.array<i64>
  route.yield %l : !route.array<i1 [@request]>
}
// CHECK-LABEL: route.func @f
// CHECK: %[[T:.*]] = route.get @request::@prompt
// CHECK: %[[B:.*]] = route.text_fn "bytes"(%[[T]])
// CHECK: %[[L:.*]] = route.compare <gt> %[[B]]
// CHECK: %[[X:.*]] = route.get @x
// CHECK: route.return %[[L]], %[[X]]
route.func @f <route> () -> (!route.array<i1 [@request]>, !route.array<f32 [@request]>) {
  %l = route.get @long : !route.array<i1 [@request]>
  %x = route.get @x : !route.array<f32 [@request]>
  route.return %l, %x : !route.array<i1 [@request]>, !route.array<f32 [@request]>
}
