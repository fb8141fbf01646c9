// Lists and sets that the caller gives become axes nested in those of what they belong to.
// RUN: route-opt %s --route-expand-lists | FileCheck %s

// CHECK: route.axis @request
// CHECK-NEXT: @n
// CHECK-NEXT: route.column @seen.known <input> : !route.array<i1 [@request]> {route.lists = "seen.seen"}
// CHECK-NEXT: }
route.axis @request <index> {
  route.column @n <input> : !route.array<i64 [@request]>
  route.column @tags <input> : !route.array<!route.list<i64> [@request]>
  route.column @seen <input> : !route.array<!route.range<!route.list<i64>> [@request]>
}
// CHECK-NEXT: route.axis @tags <index> in [@request] {
// CHECK-NEXT: route.column @tags <input> : !route.array<i64 [@tags]>
route.axis @models <pool> size(2) labels(["a", "b"]) {
}

// CHECK-LABEL: route.func @has
// CHECK: %[[N:.*]] = route.get @request::@n
// CHECK: %[[TAGS:.*]] = route.get @tags::@tags : <i64 [@tags]>
// CHECK: %[[EACH:.*]] = route.broadcast %[[N]] : <i64 [@request]> to <i64 [@tags]>
// CHECK: %[[SAME:.*]] = route.compare <eq> %[[TAGS]], %[[EACH]]
// CHECK: %[[ANY:.*]] = route.reduce <any> %[[SAME]] : <i1 [@tags]> to <i1 [@request]>
// CHECK: route.return %[[ANY]]
route.func @has <route> () -> !route.array<i1 [@request]> {
  %n = route.get @request::@n : <i64 [@request]>
  %tags = route.get @request::@tags : <!route.list<i64> [@request]>
  %f = route.find %n in %tags : <i64 [@request]>, <!route.list<i64> [@request]>
  %z = route.constant 0 : i64 as <i64>
  %in = route.compare <ge> %f, %z : <i64 [@request]>, <i64>
  route.return %in : !route.array<i1 [@request]>
}

// A parameter lies along an axis of its name.
// CHECK-LABEL: route.func @tried
// CHECK-SAME: (%[[TRIED:.*]]: !route.array<!route.ref<@models> [@done]>
// CHECK: %[[SAME:.*]] = route.compare <eq> %[[TRIED]], %{{.*}} : <!route.ref<@models> [@done]>, <!route.ref<@models> [@models]>
// CHECK: route.reduce <any> %[[SAME]] : <i1 [@done, @models]> to <i1 [@models]>
route.func @tried <route> (%done: !route.array<!route.set<!route.ref<@models>>> {route.name = "done"}) -> !route.array<i1 [@models]> {
  %m = route.iota -> <!route.ref<@models> [@models]>
  %f = route.find %m in %done : <!route.ref<@models> [@models]>, <!route.set<!route.ref<@models>>>
  %z = route.constant 0 : i64 as <i64>
  %in = route.compare <ge> %f, %z : <i64 [@models]>, <i64>
  route.return %in : !route.array<i1 [@models]>
}

// What else is asked of a list collects its members again: where something is, and whether one is in another.
// CHECK-LABEL: route.func @order
// CHECK: %[[MEMBERS:.*]] = route.get @tags::@tags : <i64 [@tags]>
// CHECK: %[[LIST:.*]] = route.collect %[[MEMBERS]] : <i64 [@tags]> -> <!route.list<i64> [@request]>
// CHECK: %[[PLACE:.*]] = route.find %{{.*}} in %[[LIST]]
// CHECK: route.subset %[[LIST]] in %[[LIST]]
// CHECK: route.return %[[PLACE]]
route.func @order <route> () -> (!route.array<i64 [@request]>, !route.array<i1 [@request]>) {
  %n = route.get @request::@n : <i64 [@request]>
  %tags = route.get @request::@tags : <!route.list<i64> [@request]>
  %f = route.find %n in %tags : <i64 [@request]>, <!route.list<i64> [@request]>
  %s = route.subset %tags in %tags : <!route.list<i64> [@request]>, <!route.list<i64> [@request]>
  route.return %f, %s : !route.array<i64 [@request]>, !route.array<i1 [@request]>
}

// Of a list that there may be none of, its members and whether there is one: what is in none is unknown.
// CHECK-LABEL: route.func @maybe
// CHECK: %[[MEMBERS:.*]] = route.get @seen::@seen : <i64 [@seen]>
// CHECK: %[[KNOWN:.*]] = route.get @request::@seen.known : <i1 [@request]>
// CHECK: %[[LIST:.*]] = route.collect %[[MEMBERS]]
// CHECK: %[[MAYBE:.*]] = route.select %[[KNOWN]], %[[LIST]], %{{.*}} : <i1 [@request]>, <!route.list<i64> [@request]>, <!route.range<!route.list<i64>>>
// CHECK: %[[ANY:.*]] = route.reduce <any>
// CHECK: %[[IN:.*]] = route.select %[[KNOWN]], %[[ANY]], %{{.*}} : <i1 [@request]>, <i1 [@request]>, <!route.range<i1>>
// CHECK: %[[IS:.*]] = route.known %[[MAYBE]]
// CHECK: route.return %[[IN]], %[[IS]]
route.func @maybe <route> () -> (!route.array<!route.range<i1> [@request]>, !route.array<i1 [@request]>) {
  %n = route.get @request::@n : <i64 [@request]>
  %seen = route.get @request::@seen : <!route.range<!route.list<i64>> [@request]>
  %f = route.find %n in %seen : <i64 [@request]>, <!route.range<!route.list<i64>> [@request]>
  %z = route.constant 0 : i64 as <i64>
  %in = route.compare <ge> %f, %z : <!route.range<i64> [@request]>, <i64>
  %is = route.known %seen : <!route.range<!route.list<i64>> [@request]> -> <i1 [@request]>
  route.return %in, %is : !route.array<!route.range<i1> [@request]>, !route.array<i1 [@request]>
}
