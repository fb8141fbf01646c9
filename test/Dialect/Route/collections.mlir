// Lists and sets, state with keys, pools of pools, rings: printed as they are read.
// RUN: route-opt %s | route-opt | FileCheck %s

route.axis @request <index> {}
route.axis @skills <pool> bound(256) {
  route.column @name <live> : !route.array<!route.text [@skills]>
}
// CHECK: route.axis @acts <pool> attributes {parts = [@skills, @skills]}
route.axis @acts <pool> attributes {parts = [@skills, @skills]} {}
// CHECK: route.axis @pairs <pool> in [@skills, @acts]
route.axis @pairs <pool> in [@skills, @acts] {}
// CHECK: route.state @n : !route.array<i64 [@acts]> bound 64 attributes {keys = [!route.text, i64]}
route.state @n : !route.array<i64 [@acts]> bound 64 attributes {keys = [!route.text, i64]}

// CHECK-LABEL: route.func @members
route.func @members <route> (%x: !route.array<i64 [@skills]>, %s: !route.array<!route.set<i64> [@skills]>) -> !route.array<i1 [@skills]> {
  // CHECK: route.collect %{{.*}} : <i64 [@skills]> -> <!route.list<i64>>
  %c = route.collect %x : !route.array<i64 [@skills]> -> !route.array<!route.list<i64>>
  // CHECK: route.is_empty %{{.*}} : <!route.set<i64> [@skills]>
  %n = route.is_empty %s : !route.array<!route.set<i64> [@skills]>
  %f = route.find %x in %c : !route.array<i64 [@skills]>, !route.array<!route.list<i64>>
  route.return %n : !route.array<i1 [@skills]>
}

// CHECK-LABEL: route.func @ask
route.func @ask <route> (%s: !route.array<!route.set<i64> [@skills]>, %x: !route.array<i64 [@request]>,
    %t: !route.array<!route.text [@request]>) -> !route.array<i1 [@request, @skills]> {
  // CHECK: route.find %{{.*}} in %{{.*}} : <i64 [@request]>, <!route.set<i64> [@skills]>
  %f = route.find %x in %s : !route.array<i64 [@request]>, !route.array<!route.set<i64> [@skills]>
  // CHECK: route.subset %{{.*}} in %{{.*}} : <!route.set<i64> [@skills]>, <!route.set<i64> [@skills]>
  %u = route.subset %s in %s : !route.array<!route.set<i64> [@skills]>, !route.array<!route.set<i64> [@skills]>
  // CHECK: route.insert %{{.*}}, %{{.*}} bound 8 : <!route.set<i64> [@skills]>, <i64 [@request]>
  %i = route.insert %s, %x bound 8 : !route.array<!route.set<i64> [@skills]>, !route.array<i64 [@request]>
  // CHECK: route.remove %{{.*}}, %{{.*}} : <!route.set<i64> [@skills, @request]>, <i64 [@request]>
  %r = route.remove %i, %x : !route.array<!route.set<i64> [@skills, @request]>, !route.array<i64 [@request]>
  // CHECK: route.lookup @n(%{{.*}}, %{{.*}}) : (!route.array<!route.text [@request]>, !route.array<i64 [@request]>) -> !route.array<i64 [@request, @acts]>
  %n = route.lookup @n(%t, %x) : (!route.array<!route.text [@request]>, !route.array<i64 [@request]>) -> !route.array<i64 [@request, @acts]>
  // CHECK: route.join %{{.*}}, %{{.*}} along @acts
  %j = route.join %u, %u along @acts : (!route.array<i1 [@skills]>, !route.array<i1 [@skills]>) -> !route.array<i1 [@acts]>
  %names = route.get @skills::@name : !route.array<!route.text [@skills]>
  // CHECK: route.ring %{{.*}}, %{{.*}} vnodes 128 seed 1
  %g = route.ring %names, %x vnodes 128 seed 1 : !route.array<!route.text [@skills]>, !route.array<i64 [@request]> -> !route.array<!route.ref<@skills> [@request]>
  %zero = route.constant 0 : i64 as !route.array<i64>
  %c = route.compare <ge> %f, %zero : !route.array<i64 [@request, @skills]>, !route.array<i64>
  route.return %c : !route.array<i1 [@request, @skills]>
}
// CHECK-LABEL: route.func @put
route.func @put <handler> (%t: !route.array<!route.text>, %x: !route.array<i64>, %v: !route.array<i64 [@acts]>) attributes {event = "tick"} {
  // CHECK: route.store @n(%{{.*}}, %{{.*}}), %{{.*}}
  route.store @n(%t, %x), %v : (!route.array<!route.text>, !route.array<i64>) -> !route.array<i64 [@acts]>
  route.return
}
