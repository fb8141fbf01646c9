// Text functions item by item: truths, counts, ratios, vectors, two texts, unknown texts, and bad options.
// RUN: route-interp %s --verify-diagnostics | FileCheck %s

module attributes {
  interp.inputs = {request.prompt = ["fix my def foo()", "hello", ""]},
  interp.script = ["run code", "run size", "run ratio", "run structure", "run equal", "run unknown", "run bad"]
} {
  route.axis @request <index> {
    route.column @prompt <input> : !route.array<!route.text [@request]>
  }
  route.axis @feature <index> size(8) {}
  // CHECK: code: i1 [@request = 3]: [true, false, false]
  route.func @code <route> () -> !route.array<i1 [@request]> {
    %t = route.get @request::@prompt : !route.array<!route.text [@request]>
    %c = route.text_fn "regex"(%t) {pattern = "\\bdef\\b"} : (!route.array<!route.text [@request]>) -> !route.array<i1 [@request]>
    route.return %c : !route.array<i1 [@request]>
  }
  // CHECK: size: i64 [@request = 3]: [16, 5, 0]
  // CHECK: size: i64 [@request = 3]: [4, 2, 0]
  route.func @size <route> () -> (!route.array<i64 [@request]>, !route.array<i64 [@request]>) {
    %t = route.get @request::@prompt : !route.array<!route.text [@request]>
    %b = route.text_fn "bytes"(%t) : (!route.array<!route.text [@request]>) -> !route.array<i64 [@request]>
    %e = route.text_fn "estimate"(%t) : (!route.array<!route.text [@request]>) -> !route.array<i64 [@request]>
    route.return %b, %e : !route.array<i64 [@request]>, !route.array<i64 [@request]>
  }
  // CHECK: ratio: f32 [@request = 3]: [0.375, 0, 0]
  route.func @ratio <route> () -> !route.array<f32 [@request]> {
    %t = route.get @request::@prompt : !route.array<!route.text [@request]>
    %d = route.text_fn "density"(%t) {patterns = ["def", "foo"]} : (!route.array<!route.text [@request]>) -> !route.array<f32 [@request]>
    route.return %d : !route.array<f32 [@request]>
  }
  // CHECK: structure: f32 [@request = 3, @feature = 8]: {{\[}}[0, 0, 0.125, 0.1875, 0, 0.0625, 0, 0], [0, 0, 0, 0, 0, 0.2, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0]]
  route.func @structure <route> () -> !route.array<f32 [@request, @feature]> {
    %t = route.get @request::@prompt : !route.array<!route.text [@request]>
    %d = route.text_fn "structure"(%t) : (!route.array<!route.text [@request]>) -> !route.array<f32 [@request, @feature]>
    route.return %d : !route.array<f32 [@request, @feature]>
  }
  // CHECK: equal: i1 [@request = 3]: [false, true, false]
  route.func @equal <route> () -> !route.array<i1 [@request]> {
    %t = route.get @request::@prompt : !route.array<!route.text [@request]>
    %h = route.constant "hello" as !route.array<!route.text>
    %e = route.text_fn "equal"(%t, %h) : (!route.array<!route.text [@request]>, !route.array<!route.text>) -> !route.array<i1 [@request]>
    route.return %e : !route.array<i1 [@request]>
  }
  // CHECK: unknown: !route.range<i64>: [-9223372036854775808, 9223372036854775807]
  // CHECK: unknown: !route.range<i64>: 1
  route.func @unknown <route> () -> (!route.array<!route.range<i64>>, !route.array<!route.range<i64>>) {
    %u = route.unknown : !route.array<!route.range<!route.text>>
    %h = route.constant "h" as !route.array<!route.text>
    %k = route.cast %h : !route.array<!route.text> to !route.array<!route.range<!route.text>>
    %a = route.text_fn "bytes"(%u) : (!route.array<!route.range<!route.text>>) -> !route.array<!route.range<i64>>
    %b = route.text_fn "bytes"(%k) : (!route.array<!route.range<!route.text>>) -> !route.array<!route.range<i64>>
    route.return %a, %b : !route.array<!route.range<i64>>, !route.array<!route.range<i64>>
  }
  route.func @bad <route> () -> !route.array<i64 [@request]> {
    %t = route.get @request::@prompt : !route.array<!route.text [@request]>
    // expected-error @below {{'bytes_per_token' of 'estimate' is out of range}}
    %e = route.text_fn "estimate"(%t) {bytes_per_token = 0.0 : f64} : (!route.array<!route.text [@request]>) -> !route.array<i64 [@request]>
    route.return %e : !route.array<i64 [@request]>
  }
}
