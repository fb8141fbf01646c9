// Step routes: blocks, asks and bounded loops print, parse and verify.
// RUN: route-opt %s | route-opt | FileCheck %s
route.axis @request <index> {
  route.column @prompt <input> : !route.array<!route.text [@request]>
}
route.axis @models <pool> size(2) labels(["small", "large"]) {}
route.axis @votes <index> size(3) {}

route.state @tried : !route.array<i64>
// CHECK-LABEL: route.func @answer <steps>
route.func @answer <steps> (%r: !route.array<!route.ref<@request>> {route.role = "item"}) -> !route.array<!route.range<!route.handle>> {
  %two = route.constant 2 : i64 as !route.array<i64>
  %zero = route.constant 0 : i64 as !route.array<i64>
  cf.br ^head(%zero, %zero : !route.array<i64>, !route.array<i64>)
^head(%i: !route.array<i64>, %last: !route.array<i64>):
  // CHECK: route.repeat %{{.*}} : <i64>, ^bb{{[0-9]+}}, ^bb{{[0-9]+}}
  route.repeat %two : !route.array<i64>, ^body, ^exit
^body:
  %rows = route.iota -> !route.array<!route.ref<@models> [@models]>
  %m = route.pick %rows along @models at %i : !route.array<!route.ref<@models> [@models]>, !route.array<i64>
  // CHECK: route.ask "chat" of @models at %{{.*}} : !route.array<!route.ref<@models>>(%{{.*}} : !route.array<!route.ref<@request>>) ["request"] timeout 30000000000 gives ["text"] -> <i64>, !route.array<!route.range<!route.handle>>
  %code, %text = route.ask "chat" of @models at %m : !route.array<!route.ref<@models>> (%r : !route.array<!route.ref<@request>>) ["request"] timeout 30000000000 gives ["text"] -> !route.array<i64>, !route.array<!route.range<!route.handle>>
  %ok = route.compare <eq> %code, %zero : !route.array<i64>, !route.array<i64>
  // CHECK: route.cond_br
  route.cond_br %ok : !route.array<i1>, ^good, ^bad
^good:
  // CHECK: route.ask "verify" of @models at %{{.*}}copies 5 as @votes gives ["correct"]
  %codes, %correct = route.ask "verify" of @models at %m : !route.array<!route.ref<@models>> () [] copies 5 as @votes gives ["correct"] -> !route.array<i64 [@votes]>, !route.array<!route.range<i1> [@votes]>
  // CHECK: route.keep
  route.keep %code, %m : !route.array<i64>, !route.array<!route.ref<@models>>
  route.return %text : !route.array<!route.range<!route.handle>>
^bad:
  // CHECK: route.commit {
  route.commit {
    // CHECK-NEXT: route.set @tried
    route.set @tried, %code : !route.array<i64>
    route.yield
  }
  // CHECK: route.note "skipped"
  route.note "skipped", %m, %code : !route.array<!route.ref<@models>>, !route.array<i64>
  // CHECK: route.run_set "failed" of @models
  %failed = route.run_set "failed" of @models : !route.array<!route.set<!route.ref<@models>>>
  // CHECK: route.next
  route.next ^head(%code : !route.array<i64>)
^exit:
  // CHECK: route.refuse %{{.*}} : <i64> because "exhausted"
  route.refuse %last : !route.array<i64> because "exhausted"
}
