// Events: handlers see the plan, writes become visible together at the end, reads after a write see it.
// RUN: route-interp %s | FileCheck %s

module attributes {
  interp.inputs = {models.queue = dense<[3.0, 1.0]> : tensor<2xf32>},
  interp.pushes = {models.queue = dense<[0.0, 9.0]> : tensor<2xf32>},
  interp.script = ["run read", "emit tick", "run read", "state total", "state models.sent", "run live", "now 1000", "run live",
    "now 1001", "run live", "push models.queue", "run live"]
} {
  route.axis @models <pool> size(2) labels(["small", "large"]) {
    route.column @price <constant> : !route.array<f64 [@models]> = dense<[0.15, 5.0]> : tensor<2xf64>
    route.column @queue <live> : !route.array<f32 [@models]> else 100.0 : f32 stale 1000
    route.column @sent <state> : !route.array<i64 [@models]>
  }
  route.state @total : !route.array<i64>
  route.state @start : !route.array<i64> {
    %c = route.constant 5 : i64 as !route.array<i64>
    route.yield %c : !route.array<i64>
  }
  route.signal @double : !route.array<i64> {
    %t = route.get @total : !route.array<i64>
    %d = route.binary <add> %t, %t : !route.array<i64>, !route.array<i64>
    route.yield %d : !route.array<i64>
  }

  // CHECK: read: i64: 0
  // CHECK: read: i64: 5
  // CHECK: read: i64: 0
  // CHECK: read: f64 [@models = 2]: [0.15, 5]
  // CHECK: read: i64: 7
  // CHECK: read: i64: 5
  // CHECK: read: i64: 14
  route.func @read <route> () -> (!route.array<i64>, !route.array<i64>, !route.array<i64>, !route.array<f64 [@models]>) {
    %t = route.get @total : !route.array<i64>
    %s = route.get @start : !route.array<i64>
    %d = route.get @double : !route.array<i64>
    %p = route.get @models::@price : !route.array<f64 [@models]>
    route.return %t, %s, %d, %p : !route.array<i64>, !route.array<i64>, !route.array<i64>, !route.array<f64 [@models]>
  }
  // 5 is written, read back and 2 added; then every model's count.
  // CHECK: total: i64: 7
  // CHECK: models.sent: i64 [@models = 2]: [7, 7]
  route.func @tick <handler> () attributes {event = "tick"} {
    %s = route.get @start : !route.array<i64>
    route.set @total, %s : !route.array<i64>
    %t = route.get @total : !route.array<i64>
    %two = route.constant 2 : i64 as !route.array<i64>
    %u = route.binary <add> %t, %two : !route.array<i64>, !route.array<i64>
    route.set @total, %u : !route.array<i64>
    %m = route.get @models::@sent : !route.array<i64 [@models]>
    %n = route.binary <add> %m, %u : !route.array<i64 [@models]>, !route.array<i64>
    route.set @models::@sent, %n : !route.array<i64 [@models]>
    route.return
  }
  // Fresh up to and including 1000 ns after the push, the fallback afterwards, fresh again after the next.
  // CHECK: live: f32 [@models = 2]: [3, 1]
  // CHECK: live: f32 [@models = 2]: [3, 1]
  // CHECK: live: f32 [@models = 2]: [100, 100]
  // CHECK: live: f32 [@models = 2]: [0, 9]
  route.func @live <route> () -> !route.array<f32 [@models]> {
    %q = route.get @models::@queue : !route.array<f32 [@models]>
    route.return %q : !route.array<f32 [@models]>
  }
}
