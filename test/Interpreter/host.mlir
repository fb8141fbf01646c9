// Host signals: answers in turn, failures and time-outs leave them unknown, one call a run.
// RUN: route-interp %s | FileCheck %s

module attributes {
  interp.inputs = {request.prompt = ["a", "b"]},
  interp.host = {jailbreak = [dense<[0.1, 0.9]> : tensor<2xf32>, 503, "timeout"]},
  interp.script = ["run score", "run score", "run score", "run score", "run now"]
} {
  route.axis @request <index> {
    route.column @prompt <input> : !route.array<!route.text [@request]>
  }
  route.signal @jail : !route.array<!route.range<f32> [@request]> host "jailbreak" timeout 20000000 {
    %p = route.get @request::@prompt : !route.array<!route.text [@request]>
    route.yield %p : !route.array<!route.text [@request]>
  }
  // Reading twice asks once: the sum is exact twice the answer.
  // CHECK: score: !route.range<f32> [@request = 2]: [0.2, 1.8]
  // CHECK: score: !route.range<f32> [@request = 2]: {{\[}}[-inf, inf], [-inf, inf]]
  // CHECK: score: !route.range<f32> [@request = 2]: {{\[}}[-inf, inf], [-inf, inf]]
  // CHECK: score: !route.range<f32> [@request = 2]: {{\[}}[-inf, inf], [-inf, inf]]
  route.func @score <route> () -> !route.array<!route.range<f32> [@request]> {
    %a = route.get @jail : !route.array<!route.range<f32> [@request]>
    %b = route.get @jail : !route.array<!route.range<f32> [@request]>
    %s = route.binary <add> %a, %b : !route.array<!route.range<f32> [@request]>, !route.array<!route.range<f32> [@request]>
    route.return %s : !route.array<!route.range<f32> [@request]>
  }
  // The time-out took its 20 ms.
  // CHECK: now: f64: 0.02
  route.func @now <route> () -> !route.array<f64> {
    %t = route.now : !route.array<f64>
    route.return %t : !route.array<f64>
  }
}
