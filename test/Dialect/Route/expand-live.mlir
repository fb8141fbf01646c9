// Live columns that may be unknown become what was pushed and when.
// RUN: route-opt %s --route-expand-live | FileCheck %s

// CHECK: route.column @p95 <live> : !route.array<f64 [@models]>{{.*}} else 2.0
// CHECK-NEXT: route.column @p95.pushed <live> : !route.array<f64 [@models]>{{.*}} else 0x7FF8
// CHECK-NEXT: route.column @load <live> : !route.array<f32 [@models]>
// CHECK-NEXT: route.column @load.pushed <live>
// CHECK-NEXT: route.column @plain <live> : !route.array<f32 [@models]>
// CHECK-NEXT: }
route.axis @models <pool> size(2) {
  route.column @p95 <live> : !route.array<f64 [@models]> else 2.0 stale 10000000000
  route.column @load <live> : !route.array<!route.range<f32> [@models]>
  route.column @plain <live> : !route.array<f32 [@models]>
}

// CHECK-LABEL: route.func @read
// CHECK: %[[VALUE:.*]] = route.get @models::@p95 : <f64 [@models]>
// CHECK: %[[PUSHED:.*]] = route.get @models::@p95.pushed
// CHECK: %[[NOW:.*]] = route.now
// CHECK: %[[AHEAD:.*]] = route.binary <sub> %[[NOW]], %[[PUSHED]]
// CHECK: %[[AGE:.*]] = route.unary <abs> %[[AHEAD]]
// CHECK: %[[FRESH:.*]] = route.compare <le> %[[AGE]], %{{.*}}
// CHECK: route.select %[[FRESH]], %[[VALUE]], %{{.*}}
// CHECK: %[[NEVER:.*]] = route.unary <is_nan>
// CHECK: route.unary <logical_not> %[[NEVER]]
// CHECK: route.unknown
// CHECK: route.get @models::@plain
route.func @read <route> () -> (!route.array<f64 [@models]>, !route.array<!route.range<f32> [@models]>, !route.array<f32 [@models]>) {
  %p = route.get @models::@p95 : !route.array<f64 [@models]>
  %l = route.get @models::@load : !route.array<!route.range<f32> [@models]>
  %q = route.get @models::@plain : !route.array<f32 [@models]>
  route.return %p, %l, %q : !route.array<f64 [@models]>, !route.array<!route.range<f32> [@models]>, !route.array<f32 [@models]>
}
