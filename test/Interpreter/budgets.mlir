// Budgets: admission in item order, several at once, keys, windows, and what is charged by which event.
// RUN: route-interp %s | FileCheck %s

module attributes {
  interp.inputs = {request.user = ["ann", "bob", "ann", "ann"]},
  interp.script = ["run pick", "run pick", "emit dispatch pick", "run pick", "now 86399000000000", "run pick",
    "now 86400000000000", "run pick", "run batch", "emit dispatch batch", "run batch", "run both", "run greedy", "run calls"]
} {
  route.axis @request <index> {
    route.column @user <input> : !route.array<!route.text [@request]>
  }
  route.axis @models <pool> size(2) labels(["small", "large"]) {
    route.column @price <constant> : !route.array<f64 [@models]> = dense<[1.0, 3.0]> : tensor<2xf64>
    route.column @quality <constant> : !route.array<f64 [@models]> = dense<[1.0, 2.0]> : tensor<2xf64>
  }
  route.axis @p <plan> in [@request, @models] {}
  // Four a day for each user.
  route.budget @daily of @models window "day" zone "UTC" reserve {
    %r = route.get @models::@price : !route.array<f64 [@models]>
    route.yield %r : !route.array<f64 [@models]>
  } limit {
    %l = route.constant 4.0 : f64 as !route.array<f64>
    route.yield %l : !route.array<f64>
  } per {
    %u = route.get @request::@user : !route.array<!route.text [@request]>
    route.yield %u : !route.array<!route.text [@request]>
  }
  // Two rows of each model a batch.
  route.budget @room of @models window "batch" reserve {
    %r = route.constant 1.0 : f64 as !route.array<f64>
    route.yield %r : !route.array<f64>
  } limit {
    %l = route.constant 2.0 : f64 as !route.array<f64>
    route.yield %l : !route.array<f64>
  } per {
    %m = route.iota -> !route.array<!route.ref<@models> [@models]>
    route.yield %m : !route.array<!route.ref<@models> [@models]>
  }
  // No single call above 2.5.
  route.budget @small of @models window "call" reserve {
    %r = route.get @models::@price : !route.array<f64 [@models]>
    route.yield %r : !route.array<f64 [@models]>
  } limit {
    %l = route.constant 2.5 : f64 as !route.array<f64>
    route.yield %l : !route.array<f64>
  }

  // Ann's first takes 3 of her 4, her second the small model's 1, her third finds no room; bob has 4 of his own. The
  // second run is a decision of its own: nothing was charged. After the dispatch ann has nothing left and bob 1; a
  // second before midnight that still holds; at midnight the day is new.
  // CHECK: pick: plan @p {(0) -> 1, (1) -> 1, (2) -> 0}
  // CHECK: pick: plan @p {(0) -> 1, (1) -> 1, (2) -> 0}
  // CHECK: pick: plan @p {(1) -> 0}
  // CHECK: pick: plan @p {(1) -> 0}
  // CHECK: pick: plan @p {(0) -> 1, (1) -> 1, (2) -> 0}
  route.func @pick <router> () -> !route.plan<@p> {
    %q = route.get @models::@quality : !route.array<f64 [@models]>
    %one = route.constant 1 : i64 as !route.array<i64>
    %p = route.choose <count> count(%one : !route.array<i64>) of @models per [@request] by (%q : !route.array<f64 [@models]>) up [false] under [@daily] -> !route.plan<@p> as @p
    route.return %p : !route.plan<@p>
  }
  // A batch's budget is empty again in the next one, dispatched or not.
  // CHECK: batch: plan @p {(0) -> 1, (1) -> 1, (2) -> 0, (3) -> 0}
  // CHECK: batch: plan @p {(0) -> 1, (1) -> 1, (2) -> 0, (3) -> 0}
  route.func @batch <router> () -> !route.plan<@p> {
    %q = route.get @models::@quality : !route.array<f64 [@models]>
    %one = route.constant 1 : i64 as !route.array<i64>
    %p = route.choose <count> count(%one : !route.array<i64>) of @models per [@request] by (%q : !route.array<f64 [@models]>) up [false] under [@room] -> !route.plan<@p> as @p
    route.return %p : !route.plan<@p>
  }
  // All or none: what 'small' refuses takes no room.
  // CHECK: both: plan @p {(0) -> 0, (1) -> 0}
  route.func @both <router> () -> !route.plan<@p> {
    %q = route.get @models::@quality : !route.array<f64 [@models]>
    %two = route.constant 2 : i64 as !route.array<i64>
    %p = route.choose <count> count(%two : !route.array<i64>) of @models per [@request] by (%q : !route.array<f64 [@models]>) up [false] under [@room, @small] -> !route.plan<@p> as @p
    route.return %p : !route.plan<@p>
  }
  // A region runs item by item then.
  // CHECK: greedy: plan @p {(0) -> 1, (0) -> 0, (1) -> 1, (1) -> 0}
  route.func @greedy <router> () -> !route.plan<@p> {
    %q = route.get @models::@quality : !route.array<f64 [@models]>
    %two = route.constant 2 : i64 as !route.array<i64>
    %p = route.choose <count> count(%two : !route.array<i64>) of @models per [@request] up [false] under [@room] greedy -> !route.plan<@p> as @p {
    ^bb0(%so: !route.plan<@p>):
      route.yield %q : !route.array<f64 [@models]>
    }
    route.return %p : !route.plan<@p>
  }
  // CHECK: calls: plan @p {(0) -> 0, (1) -> 0, (2) -> 0, (3) -> 0}
  route.func @calls <router> () -> !route.plan<@p> {
    %q = route.get @models::@quality : !route.array<f64 [@models]>
    %two = route.constant 2 : i64 as !route.array<i64>
    %p = route.choose <count> count(%two : !route.array<i64>) of @models per [@request] by (%q : !route.array<f64 [@models]>) up [false] under [@small] -> !route.plan<@p> as @p
    route.return %p : !route.plan<@p>
  }
}
