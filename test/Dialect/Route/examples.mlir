// The examples that the route dialect's definitions show, as they stand there: they parse, verify and print as they parse.
// RUN: route-opt %s > %t.once
// RUN: route-opt %t.once | diff %t.once -
// RUN: FileCheck %s < %t.once
route.axis @token <index> {}
route.axis @request <index> {
  route.column @prompt <input> : !route.array<!route.text [@request]>
}
route.axis @hidden <index> size(64) {}
route.axis @inner <index> size(32) {}
route.axis @half <index> size(2) labels(["gate", "up"]) {}
route.axis @group <index> size(8) {}
route.axis @"token'" <copy> of @token {}
route.axis @experts <pool> size(256) in [@group] {}
route.axis @models <pool> size(2) labels(["small", "large"]) {
  route.column @price_in <constant> : !route.array<f64 [@models]> = dense<[0.15, 5.0]> : tensor<2xf64>
}
route.axis @gate.p <plan> in [@token, @experts] {}
route.axis @p <plan> in [@token, @experts] {}
route.axis @q <plan> in [@token, @experts] {}
route.axis @pq <plan> in [@token, @experts] {}
route.axis @best <plan> in [@token, @group, @experts] {}
route.axis @open <plan> in [@token, @group] {}
route.state @gate.bias : !route.array<f32 [@experts]> from "gate.e_score_correction_bias"
// CHECK: route.signal @long : !route.array<i1 [@request]> {
route.signal @long : !route.array<i1 [@request]> {
  %t = route.get @request::@prompt : !route.array<!route.text [@request]>
  %b = route.text_fn "bytes"(%t) : (!route.array<!route.text [@request]>) -> !route.array<i64 [@request]>
  %k = route.constant 8192 : i64 as !route.array<i64>
  %l = route.compare <ge> %b, %k : !route.array<i64 [@request]>, !route.array<i64>
  route.yield %l : !route.array<i1 [@request]>
}
route.func @double <route> (%x: !route.array<f32 [@token]>) -> !route.array<f32 [@token]> {
  %y = route.binary <add> %x, %x : !route.array<f32 [@token]>, !route.array<f32 [@token]>
  route.return %y : !route.array<f32 [@token]>
}
// CHECK: route.func @elements <route>
route.func @elements <route> (%n: !route.array<f32 [@token]>, %n2: !route.array<f32 [@token]>, %t: !route.array<i1 [@token]>, %m: !route.array<f32>, %r: !route.array<!route.range<f32> [@token]>, %e: !route.array<f32 [@experts]>, %s: !route.array<f32 [@token]>, %h: !route.array<bf16 [@token, @inner, @half]>, %c: !route.array<i64>, %yes: !route.array<i1>) -> !route.array<f32 [@token]> {
  %c25 = route.constant 2.5 : f32 as !route.array<f32>
  %u = route.unknown : !route.array<!route.range<i1> [@token]>
  %price = route.get @models::@price_in : !route.array<f64 [@models]>
  %b = route.select %t, %n, %m : !route.array<i1 [@token]>, !route.array<f32 [@token]>, !route.array<f32>
  %narrow = route.cast %n : !route.array<f32 [@token]> to !route.array<bf16 [@token]>
  %k = route.known %r : !route.array<!route.range<f32> [@token]> -> !route.array<i1 [@token]>
  %hi = route.bound true %r : !route.array<!route.range<f32> [@token]> -> !route.array<f32 [@token]>
  %co = route.coalesce %r, %m : !route.array<!route.range<f32> [@token]>, !route.array<f32> -> !route.array<f32 [@token]>
  %mean = route.reduce <mean> %e : !route.array<f32 [@experts]> to !route.array<f32>
  %copy = route.rename %s [@token] to [@"token'"] : !route.array<f32 [@token]> to !route.array<f32 [@"token'"]>
  %g = route.pick %h along @half at %c : !route.array<bf16 [@token, @inner, @half]>, !route.array<i64>
  %st = route.stack %n, %n2 along @half : !route.array<f32 [@token]>, !route.array<f32 [@token]> -> !route.array<f32 [@token, @half]>
  %i = route.iota -> !route.array<i64 [@experts]>
  %sz = route.size @token : !route.array<i64>
  %d = route.draw <uniform> 1 keys(%sz : !route.array<i64>) -> !route.array<f32 [@token]>
  %now = route.now : !route.array<f64>
  %y2 = route.call @double(%n) : (!route.array<f32 [@token]>) -> !route.array<f32 [@token]>
  %either = route.if %yes : !route.array<i1> {
    route.yield %n : !route.array<f32 [@token]>
  } else {
    route.yield %n2 : !route.array<f32 [@token]>
  } -> !route.array<f32 [@token]>
  route.emit "load", %n : !route.array<f32 [@token]>
  route.return %either : !route.array<f32 [@token]>
}
// CHECK: route.func @texts <route>
route.func @texts <route> (%t: !route.array<!route.text [@request]>) -> !route.array<i1 [@request]> {
  %m = route.text_fn "regex"(%t) {pattern = "def"} : (!route.array<!route.text [@request]>) -> !route.array<i1 [@request]>
  route.return %m : !route.array<i1 [@request]>
}
// CHECK: route.func @plans <route>
route.func @plans <route> (%p: !route.plan<@p>, %q: !route.plan<@q>, %wp: !route.array<f32 [@p]>, %wq: !route.array<f32 [@q]>, %t: !route.array<i1 [@token]>, %l: !route.array<f32 [@token, @experts]>) -> !route.array<f32 [@token]> {
  %rk = route.rank %p : !route.plan<@p> -> !route.array<i64 [@p]>
  %z = route.reduce <sum> %wp along %p : !route.array<f32 [@p]>, !route.plan<@p> to !route.array<f32 [@token]>
  %pq, %cc = route.concat %p, %q columns(%wp, %wq) as @pq : (!route.plan<@p>, !route.plan<@q>, !route.array<f32 [@p]>, !route.array<f32 [@q]>) -> (!route.plan<@pq>, !route.array<f32 [@pq]>)
  %f, %which = route.first_plan whens(%t, %t) plans(%p, %q) as @pq : (!route.array<i1 [@token]>, !route.array<i1 [@token]>, !route.plan<@p>, !route.plan<@q>) -> (!route.plan<@pq>, !route.array<i64 [@token]>)
  %rows = route.rows per @token {
    %s = route.unary <sigmoid> %l : !route.array<f32 [@token, @experts]>
    route.yield %s : !route.array<f32 [@token, @experts]>
  } -> !route.array<f32 [@token, @experts]>
  route.return %z : !route.array<f32 [@token]>
}
// CHECK: route.func @learn <handler>
route.func @learn <handler> (%next: !route.array<f32 [@experts]>) attributes {event = "commit"} {
  route.set @gate.bias, %next : !route.array<f32 [@experts]>
  route.return
}
route.test "short fix" of @texts {request.prompt = "fix my def foo()"} expect row "coder"
