// The ops of the route dialect print as they parse: a DeepSeek-V3 router by hand.
// RUN: route-opt %s | route-opt | FileCheck %s

// CHECK: route.axis @token <index>
route.axis @token <index> {}
route.axis @hidden <index> size(7168) {}
route.axis @group <index> size(8) {}
// CHECK: route.axis @experts <pool> size(256) in [@group]
route.axis @experts <pool> size(256) in [@group] {}
route.axis @"token'" <copy> of @token {}
route.axis @best <plan> in [@token, @group, @experts] {}
route.axis @open <plan> in [@token, @group] {}
route.axis @p <plan> in [@token, @experts] {}
route.axis @models <pool> size(2) labels(["small", "large"]) {
  // CHECK: route.column @price_in <constant> : !route.array<f64 [@models]> = dense
  route.column @price_in <constant> : !route.array<f64 [@models]> = dense<[0.15, 5.0]> : tensor<2xf64> unit "$/tok"
}
route.enum_type @tier ["free", "pro"]
// CHECK: route.signal @x : !route.array<bf16 [@token, @hidden]>
route.signal @x : !route.array<bf16 [@token, @hidden]>
// CHECK: route.signal @jail : !route.array<!route.range<i1> [@token]> host "jailbreak" timeout 20000000
route.signal @jail : !route.array<!route.range<i1> [@token]> host "jailbreak" timeout 20000000
route.param @gate.w : !route.array<f32 [@experts, @hidden]> from "gate.weight"
route.state @gate.bias : !route.array<f32 [@experts]> from "gate.e_score_correction_bias"

// CHECK: route.func @gate <router> (%{{.*}}: !route.array<bf16 [@token, @hidden]>) -> (!route.plan<@p>, !route.array<f32 [@p]>) {
route.func @gate <router> (%x: !route.array<bf16 [@token, @hidden]>) -> (!route.plan<@p>, !route.array<f32 [@p]>) {
  %w = route.get @gate.w : !route.array<f32 [@experts, @hidden]>
  %bias = route.get @gate.bias : !route.array<f32 [@experts]>
  // CHECK: route.contract %{{.*}}, %{{.*}} over [@hidden]
  %l = route.contract %x, %w over [@hidden] : !route.array<bf16 [@token, @hidden]>, !route.array<f32 [@experts, @hidden]>
  %s = route.unary <sigmoid> %l : !route.array<f32 [@token, @experts]>
  %key = route.binary <add> %s, %bias : !route.array<f32 [@token, @experts]>, !route.array<f32 [@experts]>
  %c2 = route.constant 2 : i64 as !route.array<i64>
  %best = route.choose <count> count(%c2 : !route.array<i64>) of @experts per [@token, @group]
    by (%key : !route.array<f32 [@token, @experts]>) up [false] -> !route.plan<@best> as @best
  %kb = route.broadcast %key along %best : !route.array<f32 [@token, @experts]>, !route.plan<@best> to !route.array<f32 [@best]>
  // CHECK: route.reduce <sum> %{{.*}} along %{{.*}} to <f32 [@token, @group]>
  %gs = route.reduce <sum> %kb along %best : !route.array<f32 [@best]>, !route.plan<@best> to !route.array<f32 [@token, @group]>
  %c4 = route.constant 4 : i64 as !route.array<i64>
  %open = route.choose <count> count(%c4 : !route.array<i64>) of @group per [@token]
    by (%gs : !route.array<f32 [@token, @group]>) up [false] -> !route.plan<@open> as @open
  %in = route.member %open : !route.plan<@open> -> !route.array<i1 [@token, @group]>
  %mask = route.broadcast %in : !route.array<i1 [@token, @group]> to !route.array<i1 [@token, @experts]>
  %c8 = route.constant 8 : i64 as !route.array<i64>
  // CHECK: route.choose <count> count(%{{.*}}) of @experts per [@token] where
  %p = route.choose <count> count(%c8 : !route.array<i64>) of @experts per [@token]
    where (%mask : !route.array<i1 [@token, @experts]>)
    by (%key : !route.array<f32 [@token, @experts]>) up [false] -> !route.plan<@p> as @p
  %sp = route.broadcast %s along %p : !route.array<f32 [@token, @experts]>, !route.plan<@p> to !route.array<f32 [@p]>
  %sum = route.reduce <sum> %sp along %p : !route.array<f32 [@p]>, !route.plan<@p> to !route.array<f32 [@token]>
  %sump = route.broadcast %sum along %p : !route.array<f32 [@token]>, !route.plan<@p> to !route.array<f32 [@p]>
  %weight = route.binary <div> %sp, %sump : !route.array<f32 [@p]>, !route.array<f32 [@p]>
  route.return %p, %weight : !route.plan<@p>, !route.array<f32 [@p]>
}

// CHECK: route.func @loop <route>
route.func @loop <route> (%v: !route.array<f32 [@experts]>) -> !route.array<f32 [@experts]> {
  %n = route.constant 50 : i64 as !route.array<i64>
  // CHECK: route.for count
  %r = route.for count(%n : !route.array<i64>) carry (%v : !route.array<f32 [@experts]>) {
  ^bb0(%i: !route.array<i64>, %u: !route.array<f32 [@experts]>):
    %stop = route.constant false as !route.array<i1>
    route.yield %stop, %u : !route.array<i1>, !route.array<f32 [@experts]>
  } -> !route.array<f32 [@experts]>
  route.return %r : !route.array<f32 [@experts]>
}

// CHECK: route.budget @daily of @models window "day" zone "UTC" unit "p$" reserve {
route.budget @daily of @models window "day" zone "UTC" unit "p$" reserve {
  %w = route.constant 4.0e9 : f64 as !route.array<f64>
  route.yield %w : !route.array<f64>
// CHECK: } limit {
} limit {
  %l = route.constant 2.0e12 : f64 as !route.array<f64>
  route.yield %l : !route.array<f64>
}

// CHECK: route.test "open" of @loop {x = 1.000000e+00 : f32} expect truths
route.test "open" of @loop {x = 1.0 : f32} expect truths
// CHECK: route.test "guarded" of @loop {jail} expect rule 0
route.test "guarded" of @loop {jail} expect rule 0
