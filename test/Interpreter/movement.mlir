// Movement: constants, broadcasts by name and by descent, renames, picks, stacks, positions, sizes.
// RUN: route-interp %s | FileCheck %s

module attributes {interp.axes = {token = [2, 0, 1]},
    interp.script = ["run constants", "run descend", "run rename", "run pick", "run pick_out", "run pick_per", "run stack", "run iota", "run sizes"]} {
  route.axis @image <index> size(3) {}
  route.axis @token <index> in [@image] {}
  route.axis @"token'" <copy> in [@image] of @token {}
  route.axis @n <index> size(2) {}
  route.axis @half <index> size(2) labels(["gate", "up"]) {}
  route.enum_type @tier ["free", "pro"]

  // CHECK: constants: f32 [@n = 2, @half = 2]: {{\[}}[1, 2], [3, 4]]
  // CHECK: constants: i64 [@n = 2]: [7, 7]
  // CHECK: constants: !route.text [@n = 2]: ["a", "b\"c"]
  // CHECK: constants: !route.list<i64>: {1, 2, 3}
  // CHECK: constants: !route.enum<@tier>: 1
  route.func @constants <route> () -> (!route.array<f32 [@n, @half]>, !route.array<i64 [@n]>, !route.array<!route.text [@n]>, !route.array<!route.list<i64>>, !route.array<!route.enum<@tier>>) {
    %d = route.constant dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32> as !route.array<f32 [@n, @half]>
    %i = route.constant 7 : i64 as !route.array<i64 [@n]>
    %t = route.constant ["a", "b\22c"] as !route.array<!route.text [@n]>
    %l = route.constant [1, 2, 3] as !route.array<!route.list<i64>>
    %e = route.constant 1 : i64 as !route.array<!route.enum<@tier>>
    route.return %d, %i, %t, %l, %e : !route.array<f32 [@n, @half]>, !route.array<i64 [@n]>, !route.array<!route.text [@n]>, !route.array<!route.list<i64>>, !route.array<!route.enum<@tier>>
  }
  // Images 0, 1, 2 have 2, 0, 1 tokens.
  // CHECK: descend: f32 [@token = 3]: [10, 10, 30]
  // CHECK: descend: f32 [@n = 2, @token = 3]: {{\[}}[10, 10, 30], [10, 10, 30]]
  route.func @descend <route> () -> (!route.array<f32 [@token]>, !route.array<f32 [@n, @token]>) {
    %x = route.constant dense<[10.0, 20.0, 30.0]> : tensor<3xf32> as !route.array<f32 [@image]>
    %y = route.broadcast %x : !route.array<f32 [@image]> to !route.array<f32 [@token]>
    %z = route.broadcast %x : !route.array<f32 [@image]> to !route.array<f32 [@n, @token]>
    route.return %y, %z : !route.array<f32 [@token]>, !route.array<f32 [@n, @token]>
  }
  // CHECK: rename: f32 [@token = 3, @token' = 3]: {{\[}}[20, 20, 40], [20, 20, 40], [40, 40, 60]]
  route.func @rename <route> () -> !route.array<f32 [@token, @"token'"]> {
    %x = route.constant dense<[10.0, 20.0, 30.0]> : tensor<3xf32> as !route.array<f32 [@image]>
    %y = route.broadcast %x : !route.array<f32 [@image]> to !route.array<f32 [@token]>
    %r = route.rename %y [@token] to [@"token'"] : !route.array<f32 [@token]> to !route.array<f32 [@"token'"]>
    %z = route.binary <add> %y, %r : !route.array<f32 [@token]>, !route.array<f32 [@"token'"]>
    route.return %z : !route.array<f32 [@token, @"token'"]>
  }
  // CHECK: pick: f32 [@n = 2]: [2, 4]
  route.func @pick <route> () -> !route.array<f32 [@n]> {
    %d = route.constant dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32> as !route.array<f32 [@n, @half]>
    %up = route.constant 1 : i64 as !route.array<i64>
    %u = route.pick %d along @half at %up : !route.array<f32 [@n, @half]>, !route.array<i64>
    route.return %u : !route.array<f32 [@n]>
  }
  // Outside: zero, empty text, no row, unknown.
  // CHECK: pick_out: f32 [@n = 2]: [0, 0]
  // CHECK: pick_out: !route.text: ""
  // CHECK: pick_out: !route.ref<@n>: -1
  // CHECK: pick_out: !route.range<f32>: [-inf, inf]
  route.func @pick_out <route> () -> (!route.array<f32 [@n]>, !route.array<!route.text>, !route.array<!route.ref<@n>>, !route.array<!route.range<f32>>) {
    %d = route.constant dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32> as !route.array<f32 [@n, @half]>
    %two = route.constant 2 : i64 as !route.array<i64>
    %less = route.constant -1 : i64 as !route.array<i64>
    %u = route.pick %d along @half at %two : !route.array<f32 [@n, @half]>, !route.array<i64>
    %t = route.constant ["a", "b"] as !route.array<!route.text [@n]>
    %v = route.pick %t along @n at %less : !route.array<!route.text [@n]>, !route.array<i64>
    %i = route.iota -> !route.array<!route.ref<@n> [@n]>
    %w = route.pick %i along @n at %two : !route.array<!route.ref<@n> [@n]>, !route.array<i64>
    %x = route.constant dense<[1.0, 2.0]> : tensor<2xf32> as !route.array<f32 [@n]>
    %k = route.cast %x : !route.array<f32 [@n]> to !route.array<!route.range<f32> [@n]>
    %y = route.pick %k along @n at %two : !route.array<!route.range<f32> [@n]>, !route.array<i64>
    route.return %u, %v, %w, %y : !route.array<f32 [@n]>, !route.array<!route.text>, !route.array<!route.ref<@n>>, !route.array<!route.range<f32>>
  }
  // A position an element: the position's own axes come in front; those shared align.
  // CHECK: pick_per: f32 [@token = 3, @half = 2]: {{\[}}[3, 4], [1, 2], [0, 0]]
  // CHECK: pick_per: f32 [@n = 2]: [2, 3]
  route.func @pick_per <route> () -> (!route.array<f32 [@token, @half]>, !route.array<f32 [@n]>) {
    %d = route.constant dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32> as !route.array<f32 [@n, @half]>
    %i = route.constant dense<[1, 0, -5]> : tensor<3xi64> as !route.array<i64 [@token]>
    %u = route.pick %d along @n at %i : !route.array<f32 [@n, @half]>, !route.array<i64 [@token]>
    %j = route.constant dense<[1, 0]> : tensor<2xi64> as !route.array<i64 [@n]>
    %v = route.pick %d along @half at %j : !route.array<f32 [@n, @half]>, !route.array<i64 [@n]>
    route.return %u, %v : !route.array<f32 [@token, @half]>, !route.array<f32 [@n]>
  }
  // CHECK: stack: f32 [@n = 2, @half = 2]: {{\[}}[1, 3], [2, 4]]
  route.func @stack <route> () -> !route.array<f32 [@n, @half]> {
    %a = route.constant dense<[1.0, 2.0]> : tensor<2xf32> as !route.array<f32 [@n]>
    %b = route.constant dense<[3.0, 4.0]> : tensor<2xf32> as !route.array<f32 [@n]>
    %s = route.stack %a, %b along @half : !route.array<f32 [@n]>, !route.array<f32 [@n]> -> !route.array<f32 [@n, @half]>
    route.return %s : !route.array<f32 [@n, @half]>
  }
  // CHECK: iota: i64 [@token = 3]: [0, 1, 2]
  route.func @iota <route> () -> !route.array<i64 [@token]> {
    %i = route.iota -> !route.array<i64 [@token]>
    route.return %i : !route.array<i64 [@token]>
  }
  // CHECK: sizes: i64: 3
  // CHECK: sizes: i64: 3
  route.func @sizes <route> () -> (!route.array<i64>, !route.array<i64>) {
    %a = route.size @token : !route.array<i64>
    %b = route.size @"token'" : !route.array<i64>
    route.return %a, %b : !route.array<i64>, !route.array<i64>
  }
}
