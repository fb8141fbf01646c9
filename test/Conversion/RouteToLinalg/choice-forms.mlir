// Every form of choice gives the same plans at the tensor level as at the route level: counts per item, tables, ends by a
// running sum under conditions, plans one behind the other, rules of different lengths, choices for no item at all.
// RUN: route-interp %s > %t.route
// RUN: FileCheck %s < %t.route
// RUN: route-opt %s --route-expand-ranges --route-form-rows --convert-route-to-linalg --canonicalize --cse > %t.mlir
// RUN: route-interp %t.mlir > %t.tensor
// RUN: diff %t.route %t.tensor

module attributes {
  interp.inputs = {
    key = dense<[[3.0, 1.0, 2.0, 0.5], [0.0, 5.0, 5.0, 1.0], [-1.0, 0x7FC00000, -2.0, -3.0]]> : tensor<3x4xf32>,
    number = dense<[2, 0, 9]> : tensor<3xi64>,
    stop = dense<[true, false, false]> : tensor<3xi1>,
    table = dense<[[2, 0, 2], [-1, 1, 99], [3, 3, 3]]> : tensor<3x3xi64>,
    place = dense<[1, 3, 7]> : tensor<3xi64>},
  interp.script = ["run counts", "run listed", "run single", "run until", "run concat", "run rules", "run member",
    "run best", "run picked", "run fixed", "run groups"]
} {
  route.axis @token <index> {}
  route.axis @slot <index> size(3) {}
  route.axis @group <index> size(2) {}
  route.axis @experts <pool> size(4) in [@group] {}
  route.axis @p <plan> in [@token, @experts] {}
  route.axis @q <plan> in [@token, @experts] {}
  route.axis @pq <plan> in [@token, @experts] {}
  route.axis @g <plan> in [@token, @group] {}
  route.axis @one <plan> in [@experts] {}
  route.axis @per <plan> in [@group, @experts] {}
  route.signal @key : !route.array<f32 [@token, @experts]>
  route.signal @number : !route.array<i64 [@token]>
  route.signal @stop : !route.array<i1 [@token]>
  route.signal @table : !route.array<i64 [@token, @slot]>
  route.signal @place : !route.array<i64 [@token]>

  // CHECK: counts: plan @p {(0) -> 0, (0) -> 2, (2) -> 0, (2) -> 2, (2) -> 3, (2) -> 1}
  route.func @counts <route> () -> !route.plan<@p> {
    %k = route.get @key : !route.array<f32 [@token, @experts]>
    %n = route.get @number : !route.array<i64 [@token]>
    %p = route.choose <count> count(%n : !route.array<i64 [@token]>) of @experts per [@token] by (%k : !route.array<f32 [@token, @experts]>) up [false] -> !route.plan<@p> as @p
    route.return %p : !route.plan<@p>
  }
  // CHECK: listed: plan @p {(0) -> 2, (0) -> 0, (0) -> 2, (1) -> 1, (2) -> 3, (2) -> 3, (2) -> 3}
  // CHECK: listed: plan @q {(0) -> 2, (0) -> 0, (0) -> 2, (1) -> 1}
  route.func @listed <route> () -> (!route.plan<@p>, !route.plan<@q>) {
    %t = route.get @table : !route.array<i64 [@token, @slot]>
    %k = route.get @key : !route.array<f32 [@token, @experts]>
    %zero = route.constant 0.0 : f32 as !route.array<f32>
    %m = route.compare <ge> %k, %zero : !route.array<f32 [@token, @experts]>, !route.array<f32>
    %p = route.choose <listed> of @experts per [@token] up [] table(%t : !route.array<i64 [@token, @slot]>) -> !route.plan<@p> as @p
    %q = route.choose <listed> of @experts per [@token] where (%m : !route.array<i1 [@token, @experts]>) up [] table(%t : !route.array<i64 [@token, @slot]>) -> !route.plan<@q> as @q
    route.return %p, %q : !route.plan<@p>, !route.plan<@q>
  }
  // CHECK: single: plan @p {(0) -> 1, (1) -> 3}
  route.func @single <route> () -> !route.plan<@p> {
    %t = route.get @place : !route.array<i64 [@token]>
    %p = route.choose <listed> of @experts per [@token] up [] table(%t : !route.array<i64 [@token]>) -> !route.plan<@p> as @p
    route.return %p : !route.plan<@p>
  }
  // Until `not stop and sum >= 4`, and until `stop or sum >= 4`.
  // CHECK: until: plan @p {(0) -> 0, (0) -> 2, (0) -> 1, (0) -> 3, (1) -> 1, (2) -> 0, (2) -> 2, (2) -> 3, (2) -> 1}
  // CHECK: until: plan @q {(0) -> 0, (1) -> 1, (2) -> 0, (2) -> 2, (2) -> 3, (2) -> 1}
  route.func @until <route> () -> (!route.plan<@p>, !route.plan<@q>) {
    %k = route.get @key : !route.array<f32 [@token, @experts]>
    %s = route.get @stop : !route.array<i1 [@token]>
    %four = route.constant 4.0 : f32 as !route.array<f32>
    %p = route.choose <until> of @experts per [@token] by (%k : !route.array<f32 [@token, @experts]>) up [false] -> !route.plan<@p> as @p {
    ^bb0(%sofar: !route.plan<@p>):
      %not = route.unary <logical_not> %s : !route.array<i1 [@token]>
      %kp = route.broadcast %k along %sofar : !route.array<f32 [@token, @experts]>, !route.plan<@p> to !route.array<f32 [@p]>
      %sum = route.reduce <sum> %kp along %sofar : !route.array<f32 [@p]>, !route.plan<@p> to !route.array<f32 [@token]>
      %far = route.compare <ge> %sum, %four : !route.array<f32 [@token]>, !route.array<f32>
      %end = route.binary <logical_and> %not, %far : !route.array<i1 [@token]>, !route.array<i1 [@token]>
      route.yield %end : !route.array<i1 [@token]>
    }
    %q = route.choose <until> of @experts per [@token] by (%k : !route.array<f32 [@token, @experts]>) up [false] -> !route.plan<@q> as @q {
    ^bb0(%sofar: !route.plan<@q>):
      %kp = route.broadcast %k along %sofar : !route.array<f32 [@token, @experts]>, !route.plan<@q> to !route.array<f32 [@q]>
      %sum = route.reduce <sum> %kp along %sofar : !route.array<f32 [@q]>, !route.plan<@q> to !route.array<f32 [@token]>
      %far = route.compare <ge> %sum, %four : !route.array<f32 [@token]>, !route.array<f32>
      %end = route.binary <logical_or> %far, %s : !route.array<i1 [@token]>, !route.array<i1 [@token]>
      route.yield %end : !route.array<i1 [@token]>
    }
    route.return %p, %q : !route.plan<@p>, !route.plan<@q>
  }
  // CHECK: concat: plan @pq {(0) -> 0, (0) -> 2, (0) -> 2, (0) -> 0, (0) -> 2, (1) -> 1, (2) -> 0,
  // CHECK: concat: f32 [@pq = {{.*}}]: [3, 2, 2, 3, 2, 5,
  route.func @concat <route> () -> (!route.plan<@pq>, !route.array<f32 [@pq]>) {
    %k = route.get @key : !route.array<f32 [@token, @experts]>
    %n = route.get @number : !route.array<i64 [@token]>
    %t = route.get @table : !route.array<i64 [@token, @slot]>
    %p = route.choose <count> count(%n : !route.array<i64 [@token]>) of @experts per [@token] by (%k : !route.array<f32 [@token, @experts]>) up [false] -> !route.plan<@p> as @p
    %q = route.choose <listed> of @experts per [@token] up [] table(%t : !route.array<i64 [@token, @slot]>) -> !route.plan<@q> as @q
    %kp = route.broadcast %k along %p : !route.array<f32 [@token, @experts]>, !route.plan<@p> to !route.array<f32 [@p]>
    %kq = route.broadcast %k along %q : !route.array<f32 [@token, @experts]>, !route.plan<@q> to !route.array<f32 [@q]>
    %pq, %c = route.concat %p, %q columns(%kp, %kq) as @pq : (!route.plan<@p>, !route.plan<@q>, !route.array<f32 [@p]>, !route.array<f32 [@q]>) -> (!route.plan<@pq>, !route.array<f32 [@pq]>)
    route.return %pq, %c : !route.plan<@pq>, !route.array<f32 [@pq]>
  }
  // The first rule fires for item 0, the second wherever its table names a row.
  // CHECK: rules: plan @pq {(0) -> 0, (1) -> 1, (2) -> 3, (2) -> 3, (2) -> 3}
  // CHECK: rules: i64 [@token = 3]: [0, 1, 1]
  // CHECK: rules: f32 [@pq = 5]: [3, 5, -3, -3, -3]
  route.func @rules <route> () -> (!route.plan<@pq>, !route.array<i64 [@token]>, !route.array<f32 [@pq]>) {
    %k = route.get @key : !route.array<f32 [@token, @experts]>
    %s = route.get @stop : !route.array<i1 [@token]>
    %t = route.get @table : !route.array<i64 [@token, @slot]>
    %one = route.constant 1 : i64 as !route.array<i64>
    %true = route.constant true as !route.array<i1>
    %yes = route.broadcast %true : !route.array<i1> to !route.array<i1 [@token]>
    %p = route.choose <count> count(%one : !route.array<i64>) of @experts per [@token] by (%k : !route.array<f32 [@token, @experts]>) up [false] -> !route.plan<@p> as @p
    %q = route.choose <listed> of @experts per [@token] up [] table(%t : !route.array<i64 [@token, @slot]>) -> !route.plan<@q> as @q
    %kp = route.broadcast %k along %p : !route.array<f32 [@token, @experts]>, !route.plan<@p> to !route.array<f32 [@p]>
    %kq = route.broadcast %k along %q : !route.array<f32 [@token, @experts]>, !route.plan<@q> to !route.array<f32 [@q]>
    %pq, %which, %c = route.first_plan whens(%s, %yes) plans(%p, %q) columns(%kp, %kq) as @pq : (!route.array<i1 [@token]>, !route.array<i1 [@token]>, !route.plan<@p>, !route.plan<@q>, !route.array<f32 [@p]>, !route.array<f32 [@q]>) -> (!route.plan<@pq>, !route.array<i64 [@token]>, !route.array<f32 [@pq]>)
    route.return %pq, %which, %c : !route.plan<@pq>, !route.array<i64 [@token]>, !route.array<f32 [@pq]>
  }
  // CHECK: member: i1 [@token = 3]: [true, false, true]
  // CHECK: member: i1 [@token = 3, @group = 2]: {{\[}}[true, false], [true, false], [false, true]]
  route.func @member <route> () -> (!route.array<i1 [@token]>, !route.array<i1 [@token, @group]>) {
    %k = route.get @key : !route.array<f32 [@token, @experts]>
    %n = route.get @number : !route.array<i64 [@token]>
    %one = route.constant 1 : i64 as !route.array<i64>
    %p = route.choose <count> count(%n : !route.array<i64 [@token]>) of @experts per [@token] by (%k : !route.array<f32 [@token, @experts]>) up [false] -> !route.plan<@p> as @p
    %m = route.reduce <max> %k : !route.array<f32 [@token, @experts]> to !route.array<f32 [@token, @group]>
    %g = route.choose <count> count(%one : !route.array<i64>) of @group per [@token] by (%m : !route.array<f32 [@token, @group]>) up [false] -> !route.plan<@g> as @g
    %any = route.member %p : !route.plan<@p> -> !route.array<i1 [@token]>
    %in = route.member %g : !route.plan<@g> -> !route.array<i1 [@token, @group]>
    route.return %any, %in : !route.array<i1 [@token]>, !route.array<i1 [@token, @group]>
  }
  // The position of the best, NaN last; here beside a choice, so item by item.
  // CHECK: best: !route.ref<@experts> [@token = 3]: [0, 1, 0]
  // CHECK: best: !route.ref<@experts> [@token = 3]: [3, 0, 3]
  route.func @best <route> () -> (!route.plan<@p>, !route.array<!route.ref<@experts> [@token]>, !route.array<!route.ref<@experts> [@token]>) {
    %k = route.get @key : !route.array<f32 [@token, @experts]>
    %hi = route.reduce <argmax> %k : !route.array<f32 [@token, @experts]> to !route.array<!route.ref<@experts> [@token]>
    %lo = route.reduce <argmin> %k : !route.array<f32 [@token, @experts]> to !route.array<!route.ref<@experts> [@token]>
    %at = route.cast %hi : !route.array<!route.ref<@experts> [@token]> to !route.array<i64 [@token]>
    %n = route.cast %lo : !route.array<!route.ref<@experts> [@token]> to !route.array<i64 [@token]>
    %s = route.binary <add> %at, %n : !route.array<i64 [@token]>, !route.array<i64 [@token]>
    %p = route.choose <count> count(%s : !route.array<i64 [@token]>) of @experts per [@token] by (%k : !route.array<f32 [@token, @experts]>) up [false] -> !route.plan<@p> as @p
    route.return %p, %hi, %lo : !route.plan<@p>, !route.array<!route.ref<@experts> [@token]>, !route.array<!route.ref<@experts> [@token]>
  }
  // Outside the axis there is zero.
  // CHECK: picked: f32 [@token = 3]: [1, 1, 0]
  // CHECK: picked: f32 [@token = 3]: [2, 5, -2]
  route.func @picked <route> () -> (!route.array<f32 [@token]>, !route.array<f32 [@token]>) {
    %k = route.get @key : !route.array<f32 [@token, @experts]>
    %at = route.get @place : !route.array<i64 [@token]>
    %two = route.constant 2 : i64 as !route.array<i64>
    %x = route.pick %k along @experts at %at : !route.array<f32 [@token, @experts]>, !route.array<i64 [@token]>
    %y = route.pick %k along @experts at %two : !route.array<f32 [@token, @experts]>, !route.array<i64>
    route.return %x, %y : !route.array<f32 [@token]>, !route.array<f32 [@token]>
  }
  // For no item: one choice in all; then one for each group.
  // CHECK: fixed: plan @one {() -> 1, () -> 2}
  route.func @fixed <route> () -> !route.plan<@one> {
    %k = route.constant dense<[1.0, 4.0, 3.0, 2.0]> : tensor<4xf32> as !route.array<f32 [@experts]>
    %two = route.constant 2 : i64 as !route.array<i64>
    %p = route.choose <count> count(%two : !route.array<i64>) of @experts per [] by (%k : !route.array<f32 [@experts]>) up [false] -> !route.plan<@one> as @one
    route.return %p : !route.plan<@one>
  }
  // CHECK: groups: plan @per {(0) -> 1, (1) -> 2}
  route.func @groups <route> () -> !route.plan<@per> {
    %k = route.constant dense<[1.0, 4.0, 3.0, 2.0]> : tensor<4xf32> as !route.array<f32 [@experts]>
    %one = route.constant 1 : i64 as !route.array<i64>
    %p = route.choose <count> count(%one : !route.array<i64>) of @experts per [@group] by (%k : !route.array<f32 [@experts]>) up [false] -> !route.plan<@per> as @per
    route.return %p : !route.plan<@per>
  }
}
