// Control flow: loops by count, axis and order with early stop, conditionals, metrics, draws, the clock.
// RUN: route-interp %s | FileCheck %s

module attributes {interp.seed = 7 : i64, interp.script = ["run count", "run until", "run axis", "run order", "run plans", "run if",
    "run emit", "metrics", "metrics", "now 1500000000", "run now", "now 5", "run now", "run draw", "run draw_keys"]} {
  route.axis @n <index> size(4) {}
  route.axis @token <index> size(2) {}
  route.axis @p <plan> in [@token, @n] {}

  // CHECK: count: i64: 16
  // CHECK: count: i64: 1
  route.func @count <route> () -> (!route.array<i64>, !route.array<i64>) {
    %one = route.constant 1 : i64 as !route.array<i64>
    %four = route.constant 4 : i64 as !route.array<i64>
    %neg = route.constant -4 : i64 as !route.array<i64>
    %false = route.constant false as !route.array<i1>
    %r = route.for count(%four : !route.array<i64>) carry(%one : !route.array<i64>) {
    ^bb0(%i: !route.array<i64>, %u: !route.array<i64>):
      %v = route.binary <add> %u, %u : !route.array<i64>, !route.array<i64>
      route.yield %false, %v : !route.array<i1>, !route.array<i64>
    } -> !route.array<i64>
    %s = route.for count(%neg : !route.array<i64>) carry(%one : !route.array<i64>) {
    ^bb0(%i: !route.array<i64>, %u: !route.array<i64>):
      route.yield %false, %i : !route.array<i1>, !route.array<i64>
    } -> !route.array<i64>
    route.return %r, %s : !route.array<i64>, !route.array<i64>
  }
  // The iteration that says stop still counts.
  // CHECK: until: i64: 3
  route.func @until <route> () -> !route.array<i64> {
    %zero = route.constant 0 : i64 as !route.array<i64>
    %two = route.constant 2 : i64 as !route.array<i64>
    %many = route.constant 50 : i64 as !route.array<i64>
    %r = route.for count(%many : !route.array<i64>) carry(%zero : !route.array<i64>) {
    ^bb0(%i: !route.array<i64>, %u: !route.array<i64>):
      %s = route.binary <add> %u, %i : !route.array<i64>, !route.array<i64>
      %stop = route.compare <eq> %i, %two : !route.array<i64>, !route.array<i64>
      route.yield %stop, %s : !route.array<i1>, !route.array<i64>
    } -> !route.array<i64>
    route.return %r : !route.array<i64>
  }
  // Digits of the positions visited: 0, 1, 2, 3.
  // CHECK: axis: i64: 123
  route.func @axis <route> () -> !route.array<i64> {
    %zero = route.constant 0 : i64 as !route.array<i64>
    %ten = route.constant 10 : i64 as !route.array<i64>
    %false = route.constant false as !route.array<i1>
    %r = route.for in @n carry(%zero : !route.array<i64>) {
    ^bb0(%i: !route.array<!route.ref<@n>>, %u: !route.array<i64>):
      %k = route.cast %i : !route.array<!route.ref<@n>> to !route.array<i64>
      %v = route.binary <mul> %u, %ten : !route.array<i64>, !route.array<i64>
      %w = route.binary <add> %v, %k : !route.array<i64>, !route.array<i64>
      route.yield %false, %w : !route.array<i1>, !route.array<i64>
    } -> !route.array<i64>
    route.return %r : !route.array<i64>
  }
  // Ascending order, NaN last, ties by position: 2, 1, 3, 0.
  // CHECK: order: i64: 2130
  route.func @order <route> () -> !route.array<i64> {
    %zero = route.constant 0 : i64 as !route.array<i64>
    %ten = route.constant 10 : i64 as !route.array<i64>
    %false = route.constant false as !route.array<i1>
    %o = route.constant dense<[0x7FC00000, 2.0, 1.0, 2.0]> : tensor<4xf32> as !route.array<f32 [@n]>
    %r = route.for in @n order(%o : !route.array<f32 [@n]>) carry(%zero : !route.array<i64>) {
    ^bb0(%i: !route.array<!route.ref<@n>>, %u: !route.array<i64>):
      %k = route.cast %i : !route.array<!route.ref<@n>> to !route.array<i64>
      %v = route.binary <mul> %u, %ten : !route.array<i64>, !route.array<i64>
      %w = route.binary <add> %v, %k : !route.array<i64>, !route.array<i64>
      route.yield %false, %w : !route.array<i1>, !route.array<i64>
    } -> !route.array<i64>
    route.return %r : !route.array<i64>
  }
  // Plans may be carried: the second round sees the first one's rows.
  // CHECK: plans: plan @p {(0) -> 1, (1) -> 1}
  route.func @plans <route> () -> !route.plan<@p> {
    %k = route.constant dense<[4.0, 3.0, 2.0, 1.0]> : tensor<4xf32> as !route.array<f32 [@n]>
    %one = route.constant 1 : i64 as !route.array<i64>
    %false = route.constant false as !route.array<i1>
    %p = route.choose <count> count(%one : !route.array<i64>) of @n per [@token] by (%k : !route.array<f32 [@n]>) up [false] -> !route.plan<@p> as @p
    %r = route.for count(%one : !route.array<i64>) carry(%p : !route.plan<@p>) {
    ^bb0(%i: !route.array<i64>, %u: !route.plan<@p>):
      %in = route.member %u : !route.plan<@p> -> !route.array<i1 [@token, @n]>
      %out = route.unary <logical_not> %in : !route.array<i1 [@token, @n]>
      %q = route.choose <count> count(%one : !route.array<i64>) of @n per [@token] where (%out : !route.array<i1 [@token, @n]>) by (%k : !route.array<f32 [@n]>) up [false] -> !route.plan<@p> as @p
      route.yield %false, %q : !route.array<i1>, !route.plan<@p>
    } -> !route.plan<@p>
    route.return %r : !route.plan<@p>
  }
  // Unknown counts as false.
  // CHECK: if: i64: 1
  // CHECK: if: i64: 2
  route.func @if <route> () -> (!route.array<i64>, !route.array<i64>) {
    %one = route.constant 1 : i64 as !route.array<i64>
    %two = route.constant 2 : i64 as !route.array<i64>
    %true = route.constant true as !route.array<i1>
    %u = route.unknown : !route.array<!route.range<i1>>
    %a = route.if %true : !route.array<i1> {
      route.yield %one : !route.array<i64>
    } else {
      route.yield %two : !route.array<i64>
    } -> !route.array<i64>
    %b = route.if %u : !route.array<!route.range<i1>> {
      route.yield %one : !route.array<i64>
    } else {
      route.yield %two : !route.array<i64>
    } -> !route.array<i64>
    route.return %a, %b : !route.array<i64>, !route.array<i64>
  }
  // CHECK: emit: i64: 3
  // CHECK-NEXT: metric load: i64: 3
  // CHECK-NEXT: now: f64: 1.5
  // CHECK-NEXT: now: f64: 1.5
  route.func @emit <route> () -> !route.array<i64> {
    %three = route.constant 3 : i64 as !route.array<i64>
    route.emit "load", %three : !route.array<i64>
    route.return %three : !route.array<i64>
  }
  route.func @now <route> () -> !route.array<f64> {
    %t = route.now : !route.array<f64>
    route.return %t : !route.array<f64>
  }
  // One site drawn twice agrees; another site, and every position, differs.
  // CHECK: draw: i1 [@n = 4]: [true, true, true, true]
  // CHECK: draw: i1: true
  // CHECK: draw: i1: false
  // CHECK: draw: i1: true
  route.func @draw <route> () -> (!route.array<i1 [@n]>, !route.array<i1>, !route.array<i1>, !route.array<i1>) {
    %a = route.draw <uniform> 1 -> !route.array<f32 [@n]>
    %b = route.draw <uniform> 1 -> !route.array<f32 [@n]>
    %c = route.draw <uniform> 2 -> !route.array<f32 [@n]>
    %zero = route.constant 0.0 : f32 as !route.array<f32>
    %one = route.constant 1.0 : f32 as !route.array<f32>
    %e = route.compare <eq> %a, %b : !route.array<f32 [@n]>, !route.array<f32 [@n]>
    %lo = route.compare <ge> %a, %zero : !route.array<f32 [@n]>, !route.array<f32>
    %hi = route.compare <lt> %a, %one : !route.array<f32 [@n]>, !route.array<f32>
    %in = route.binary <logical_and> %lo, %hi : !route.array<i1 [@n]>, !route.array<i1 [@n]>
    %all = route.reduce <all> %in : !route.array<i1 [@n]> to !route.array<i1>
    %same = route.compare <eq> %a, %c : !route.array<f32 [@n]>, !route.array<f32 [@n]>
    %any = route.reduce <any> %same : !route.array<i1 [@n]> to !route.array<i1>
    %max = route.reduce <max> %a : !route.array<f32 [@n]> to !route.array<f32>
    %min = route.reduce <min> %a : !route.array<f32 [@n]> to !route.array<f32>
    %spread = route.compare <gt> %max, %min : !route.array<f32>, !route.array<f32>
    route.return %e, %all, %any, %spread : !route.array<i1 [@n]>, !route.array<i1>, !route.array<i1>, !route.array<i1>
  }
  // Keys replace order: equal keys at equal positions agree.
  // CHECK: draw_keys: i1: true
  // CHECK: draw_keys: i1: false
  route.func @draw_keys <route> () -> (!route.array<i1>, !route.array<i1>) {
    %k = route.constant "request-1" as !route.array<!route.text>
    %l = route.constant "request-2" as !route.array<!route.text>
    %a = route.draw <bits> 1 keys(%k : !route.array<!route.text>) -> !route.array<i64>
    %b = route.draw <bits> 1 keys(%k : !route.array<!route.text>) -> !route.array<i64>
    %c = route.draw <bits> 1 keys(%l : !route.array<!route.text>) -> !route.array<i64>
    %same = route.compare <eq> %a, %b : !route.array<i64>, !route.array<i64>
    %other = route.compare <eq> %a, %c : !route.array<i64>, !route.array<i64>
    route.return %same, %other : !route.array<i1>, !route.array<i1>
  }
}
