// A handler gets the entry's plan back, reads the state as it was and writes it when it ends.
// RUN: route-opt %s --split-input-file --route-form-rows --convert-route-to-linalg --canonicalize --cse | FileCheck %s
route.axis @token <index> {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.state @bias : !route.array<f32 [@experts]> from "bias"
route.state @hot : !route.array<i1>

route.func @gate <router> (%s: !route.array<f32 [@token, @experts]>) -> (!route.plan<@p> {route.name = "plan"}) {
  %k = route.constant 2 : i64 as !route.array<i64>
  %p = route.choose <count> count(%k : !route.array<i64>) of @experts per [@token] by (%s : !route.array<f32 [@token, @experts]>) up [false] -> !route.plan<@p> as @p
  route.return %p : !route.plan<@p>
}
// CHECK-LABEL: func.func @gate.commit
// CHECK-SAME: index {route.name = "token", route.role = "size"}
// CHECK-SAME: memref<?x2xi32> {route.axes = [@p], route.name = "keep.p", route.part = "index", route.plan = 0 : i64, route.role = "input"}
// CHECK-SAME: memref<?xi32> {route.axes = [@p], route.name = "keep.p.count", route.part = "count", route.plan = 0 : i64, route.role = "input"}
// CHECK-SAME: %[[READ:arg[0-9]+]]: memref<4xf32> {route.axes = [@experts], route.name = "bias", route.role = "state"
// CHECK-SAME: %[[WRITE:arg[0-9]+]]: memref<4xf32> {route.axes = [@experts], route.name = "bias", route.role = "write"
// CHECK-SAME: memref<i8> {route.axes = [], route.name = "hot", route.role = "write"
// CHECK-SAME: route.event = "commit"
// CHECK: %[[OLD:.*]] = bufferization.to_tensor %[[READ]]
// CHECK: bufferization.alloc_tensor() copy(%[[OLD]])
// CHECK: ragged.count
// CHECK: bufferization.materialize_in_destination %{{.*}} in restrict writable %[[WRITE]]
route.func @gate.commit <handler> (%p: !route.plan<@p> {route.name = "keep.p"}) attributes {event = "commit", of = @gate} {
  %t = route.constant true as !route.array<i1>
  %tp = route.broadcast %t along %p : !route.array<i1>, !route.plan<@p> to !route.array<i1 [@p]>
  %n = route.reduce <count> %tp along %p : !route.array<i1 [@p]>, !route.plan<@p> to !route.array<i64 [@experts]>
  %f = route.cast %n : !route.array<i64 [@experts]> to !route.array<f32 [@experts]>
  %b = route.get @bias : !route.array<f32 [@experts]>
  %next = route.binary <sub> %b, %f : !route.array<f32 [@experts]>, !route.array<f32 [@experts]>
  route.set @bias, %next : !route.array<f32 [@experts]>
  %now = route.get @bias : !route.array<f32 [@experts]>
  %max = route.reduce <max> %now : !route.array<f32 [@experts]> to !route.array<f32>
  %zero = route.constant 0.0 : f32 as !route.array<f32>
  %hot = route.compare <lt> %max, %zero : !route.array<f32>, !route.array<f32>
  route.set @hot, %hot : !route.array<i1>
  route.return
}
