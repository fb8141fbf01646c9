// Three-valued values: interval arithmetic, Kleene's logic, and the ways back to plain values.
// RUN: route-interp %s | FileCheck %s

module attributes {
  interp.inputs = {a = 2.0 : f32},
  interp.script = ["unknown u", "run arithmetic", "run division", "run products", "run functions", "run compare",
    "run logic", "run integers", "run select", "run coalesce", "run ends", "run reduce", "run contract", "run casts", "run narrow", "run text"]
} {
  route.axis @n <index> size(3) {}
  route.signal @a : !route.array<!route.range<f32>>
  route.signal @u : !route.array<!route.range<f32>>

  // A known operand and an unknown one; sigmoid bounds the unknown to [0, 1].
  // CHECK: arithmetic: !route.range<f32>: [0, 1]
  // CHECK: arithmetic: !route.range<f32>: [2, 3]
  // CHECK: arithmetic: !route.range<f32>: [1, 2]
  // CHECK: arithmetic: !route.range<f32>: [1, 2]
  // CHECK: arithmetic: !route.range<f32>: 2
  // CHECK: arithmetic: !route.range<f32>: 4
  route.func @arithmetic <route> () -> (!route.array<!route.range<f32>>, !route.array<!route.range<f32>>, !route.array<!route.range<f32>>, !route.array<!route.range<f32>>, !route.array<!route.range<f32>>, !route.array<!route.range<f32>>) {
    %u = route.get @u : !route.array<!route.range<f32>>
    %a = route.get @a : !route.array<!route.range<f32>>
    %s = route.unary <sigmoid> %u : !route.array<!route.range<f32>>
    %sum = route.binary <add> %s, %a : !route.array<!route.range<f32>>, !route.array<!route.range<f32>>
    %dif = route.binary <sub> %a, %s : !route.array<!route.range<f32>>, !route.array<!route.range<f32>>
    %pow = route.binary <pow> %a, %s : !route.array<!route.range<f32>>, !route.array<!route.range<f32>>
    %max = route.binary <max> %a, %s : !route.array<!route.range<f32>>, !route.array<!route.range<f32>>
    %two = route.constant 2.0 : f32 as !route.array<f32>
    %k = route.binary <mul> %a, %two : !route.array<!route.range<f32>>, !route.array<f32>
    route.return %s, %sum, %dif, %pow, %max, %k : !route.array<!route.range<f32>>, !route.array<!route.range<f32>>, !route.array<!route.range<f32>>, !route.array<!route.range<f32>>, !route.array<!route.range<f32>>, !route.array<!route.range<f32>>
  }
  // Dividing by an interval that holds zero leaves anything possible.
  // CHECK: division: !route.range<f32>: [-inf, inf]
  // CHECK: division: !route.range<f32>: [1, 2]
  route.func @division <route> () -> (!route.array<!route.range<f32>>, !route.array<!route.range<f32>>) {
    %u = route.get @u : !route.array<!route.range<f32>>
    %a = route.get @a : !route.array<!route.range<f32>>
    %one = route.constant 1.0 : f32 as !route.array<f32>
    %s = route.unary <sigmoid> %u : !route.array<!route.range<f32>>
    %x = route.binary <div> %a, %s : !route.array<!route.range<f32>>, !route.array<!route.range<f32>>
    %s1 = route.binary <add> %s, %one : !route.array<!route.range<f32>>, !route.array<f32>
    %y = route.binary <div> %a, %s1 : !route.array<!route.range<f32>>, !route.array<!route.range<f32>>
    route.return %x, %y : !route.array<!route.range<f32>>, !route.array<!route.range<f32>>
  }
  // Zero times an unknown number is zero; the sign of a factor swaps the ends.
  // CHECK: products: !route.range<f32>: 0
  // CHECK: products: !route.range<f32>: [-3, -0]
  route.func @products <route> () -> (!route.array<!route.range<f32>>, !route.array<!route.range<f32>>) {
    %u = route.get @u : !route.array<!route.range<f32>>
    %zero = route.constant 0.0 : f32 as !route.array<f32>
    %m3 = route.constant -3.0 : f32 as !route.array<f32>
    %s = route.unary <sigmoid> %u : !route.array<!route.range<f32>>
    %x = route.binary <mul> %u, %zero : !route.array<!route.range<f32>>, !route.array<f32>
    %y = route.binary <mul> %s, %m3 : !route.array<!route.range<f32>>, !route.array<f32>
    route.return %x, %y : !route.array<!route.range<f32>>, !route.array<!route.range<f32>>
  }
  // Monotone functions end by end, abs and silu by cases.
  // CHECK: functions: !route.range<f32>: [0, inf]
  // CHECK: functions: !route.range<f32>: [0, 1]
  // CHECK: functions: !route.range<f32>: [-0.27846456, inf]
  // CHECK: functions: !route.range<f32>: [-inf, inf]
  // CHECK: functions: !route.range<i1>: ?
  route.func @functions <route> () -> (!route.array<!route.range<f32>>, !route.array<!route.range<f32>>, !route.array<!route.range<f32>>, !route.array<!route.range<f32>>, !route.array<!route.range<i1>>) {
    %u = route.get @u : !route.array<!route.range<f32>>
    %e = route.unary <exp> %u : !route.array<!route.range<f32>>
    %t = route.unary <tanh> %u : !route.array<!route.range<f32>>
    %a = route.unary <abs> %t : !route.array<!route.range<f32>>
    %s = route.unary <silu> %u : !route.array<!route.range<f32>>
    %l = route.unary <log> %u : !route.array<!route.range<f32>>
    %n = route.unary <is_nan> %u : !route.array<!route.range<f32>>
    route.return %e, %a, %s, %l, %n : !route.array<!route.range<f32>>, !route.array<!route.range<f32>>, !route.array<!route.range<f32>>, !route.array<!route.range<f32>>, !route.array<!route.range<i1>>
  }
  // sigmoid(u) is in [0, 1]: surely >= 0 and surely not > 1, but perhaps > 0.
  // CHECK: compare: !route.range<i1>: true
  // CHECK: compare: !route.range<i1>: false
  // CHECK: compare: !route.range<i1>: ?
  // CHECK: compare: !route.range<i1>: ?
  // CHECK: compare: !route.range<i1>: false
  // CHECK: compare: !route.range<i1>: true
  route.func @compare <route> () -> (!route.array<!route.range<i1>>, !route.array<!route.range<i1>>, !route.array<!route.range<i1>>, !route.array<!route.range<i1>>, !route.array<!route.range<i1>>, !route.array<!route.range<i1>>) {
    %u = route.get @u : !route.array<!route.range<f32>>
    %zero = route.constant 0.0 : f32 as !route.array<f32>
    %one = route.constant 1.0 : f32 as !route.array<f32>
    %two = route.constant 2.0 : f32 as !route.array<f32>
    %s = route.unary <sigmoid> %u : !route.array<!route.range<f32>>
    %ge = route.compare <ge> %s, %zero : !route.array<!route.range<f32>>, !route.array<f32>
    %gt = route.compare <gt> %s, %one : !route.array<!route.range<f32>>, !route.array<f32>
    %p = route.compare <gt> %s, %zero : !route.array<!route.range<f32>>, !route.array<f32>
    %uu = route.compare <eq> %u, %u : !route.array<!route.range<f32>>, !route.array<!route.range<f32>>
    %eq = route.compare <eq> %s, %two : !route.array<!route.range<f32>>, !route.array<f32>
    %ne = route.compare <ne> %s, %two : !route.array<!route.range<f32>>, !route.array<f32>
    route.return %ge, %gt, %p, %uu, %eq, %ne : !route.array<!route.range<i1>>, !route.array<!route.range<i1>>, !route.array<!route.range<i1>>, !route.array<!route.range<i1>>, !route.array<!route.range<i1>>, !route.array<!route.range<i1>>
  }
  // CHECK: logic: !route.range<i1> [@n = 3, @m = 3]: {{\[}}[false, false, false], [false, ?, ?], [false, ?, true]]
  // CHECK: logic: !route.range<i1> [@n = 3, @m = 3]: {{\[}}[false, ?, true], [?, ?, true], [true, true, true]]
  // CHECK: logic: !route.range<i1> [@n = 3]: [true, ?, false]
  route.axis @m <index> size(3) {}
  route.func @logic <route> () -> (!route.array<!route.range<i1> [@n, @m]>, !route.array<!route.range<i1> [@n, @m]>, !route.array<!route.range<i1> [@n]>) {
    // [false, unknown, true]: u > 0 where the middle is asked for.
    %f = route.constant dense<[true, false, true]> : tensor<3xi1> as !route.array<i1 [@n]>
    %v = route.constant dense<[false, false, true]> : tensor<3xi1> as !route.array<i1 [@n]>
    %unknown = route.unknown : !route.array<!route.range<i1> [@n]>
    %x = route.select %f, %v, %unknown : !route.array<i1 [@n]>, !route.array<i1 [@n]>, !route.array<!route.range<i1> [@n]>
    %y = route.rename %x [@n] to [@m] : !route.array<!route.range<i1> [@n]> to !route.array<!route.range<i1> [@m]>
    %and = route.binary <logical_and> %x, %y : !route.array<!route.range<i1> [@n]>, !route.array<!route.range<i1> [@m]>
    %or = route.binary <logical_or> %x, %y : !route.array<!route.range<i1> [@n]>, !route.array<!route.range<i1> [@m]>
    %not = route.unary <logical_not> %x : !route.array<!route.range<i1> [@n]>
    route.return %and, %or, %not : !route.array<!route.range<i1> [@n, @m]>, !route.array<!route.range<i1> [@n, @m]>, !route.array<!route.range<i1> [@n]>
  }
  // Where an integer may wrap, anything is possible.
  // CHECK: integers: !route.range<i64>: [-9223372036854775808, 9223372036854775807]
  // CHECK: integers: !route.range<i64>: [-9223372036854775808, 5]
  route.func @integers <route> () -> (!route.array<!route.range<i64>>, !route.array<!route.range<i64>>) {
    %u = route.unknown : !route.array<!route.range<i64>>
    %one = route.constant 1 : i64 as !route.array<i64>
    %five = route.constant 5 : i64 as !route.array<i64>
    %w = route.binary <add> %u, %one : !route.array<!route.range<i64>>, !route.array<i64>
    %m = route.binary <min> %u, %five : !route.array<!route.range<i64>>, !route.array<i64>
    route.return %w, %m : !route.array<!route.range<i64>>, !route.array<!route.range<i64>>
  }
  // An unknown condition gives the hull; equal branches make it known again.
  // CHECK: select: !route.range<f32>: [1, 2]
  // CHECK: select: !route.range<f32>: 2
  route.func @select <route> () -> (!route.array<!route.range<f32>>, !route.array<!route.range<f32>>) {
    %c = route.unknown : !route.array<!route.range<i1>>
    %one = route.constant 1.0 : f32 as !route.array<f32>
    %two = route.constant 2.0 : f32 as !route.array<f32>
    %x = route.select %c, %one, %two : !route.array<!route.range<i1>>, !route.array<f32>, !route.array<f32>
    %y = route.select %c, %two, %two : !route.array<!route.range<i1>>, !route.array<f32>, !route.array<f32>
    route.return %x, %y : !route.array<!route.range<f32>>, !route.array<!route.range<f32>>
  }
  // CHECK: coalesce: f32: 7
  // CHECK: coalesce: f32: 2
  // CHECK: coalesce: !route.range<f32>: [-inf, inf]
  route.func @coalesce <route> () -> (!route.array<f32>, !route.array<f32>, !route.array<!route.range<f32>>) {
    %u = route.get @u : !route.array<!route.range<f32>>
    %a = route.get @a : !route.array<!route.range<f32>>
    %seven = route.constant 7.0 : f32 as !route.array<f32>
    %x = route.coalesce %u, %seven : !route.array<!route.range<f32>>, !route.array<f32> -> !route.array<f32>
    %y = route.coalesce %a, %seven : !route.array<!route.range<f32>>, !route.array<f32> -> !route.array<f32>
    %z = route.coalesce %u, %u : !route.array<!route.range<f32>>, !route.array<!route.range<f32>> -> !route.array<!route.range<f32>>
    route.return %x, %y, %z : !route.array<f32>, !route.array<f32>, !route.array<!route.range<f32>>
  }
  // CHECK: ends: i1: false
  // CHECK: ends: i1: true
  // CHECK: ends: f32: 0
  // CHECK: ends: f32: 1
  route.func @ends <route> () -> (!route.array<i1>, !route.array<i1>, !route.array<f32>, !route.array<f32>) {
    %u = route.get @u : !route.array<!route.range<f32>>
    %a = route.get @a : !route.array<!route.range<f32>>
    %s = route.unary <sigmoid> %u : !route.array<!route.range<f32>>
    %k = route.known %u : !route.array<!route.range<f32>> -> !route.array<i1>
    %ka = route.known %a : !route.array<!route.range<f32>> -> !route.array<i1>
    %lo = route.bound false %s : !route.array<!route.range<f32>> -> !route.array<f32>
    %hi = route.bound true %s : !route.array<!route.range<f32>> -> !route.array<f32>
    route.return %k, %ka, %lo, %hi : !route.array<i1>, !route.array<i1>, !route.array<f32>, !route.array<f32>
  }
  // [0, 1] three times with 2 added once.
  // CHECK: reduce: !route.range<f32>: [0, 3]
  // CHECK: reduce: !route.range<f32>: [0, 1]
  // CHECK: reduce: !route.range<f32>: [0, 1]
  // CHECK: reduce: !route.range<i1>: ?
  // CHECK: reduce: !route.range<i1>: true
  // CHECK: reduce: !route.range<i64>: [1, 3]
  // CHECK: reduce: !route.range<f32>: [0, 1]
  route.func @reduce <route> () -> (!route.array<!route.range<f32>>, !route.array<!route.range<f32>>, !route.array<!route.range<f32>>, !route.array<!route.range<i1>>, !route.array<!route.range<i1>>, !route.array<!route.range<i64>>, !route.array<!route.range<f32>>) {
    %u = route.unknown : !route.array<!route.range<f32> [@n]>
    %s = route.unary <sigmoid> %u : !route.array<!route.range<f32> [@n]>
    %sum = route.reduce <sum> %s : !route.array<!route.range<f32> [@n]> to !route.array<!route.range<f32>>
    %mean = route.reduce <mean> %s : !route.array<!route.range<f32> [@n]> to !route.array<!route.range<f32>>
    %max = route.reduce <max> %s : !route.array<!route.range<f32> [@n]> to !route.array<!route.range<f32>>
    %c = route.constant dense<[true, false, false]> : tensor<3xi1> as !route.array<i1 [@n]>
    %t = route.unknown : !route.array<!route.range<i1> [@n]>
    %v = route.binary <logical_or> %t, %c : !route.array<!route.range<i1> [@n]>, !route.array<i1 [@n]>
    %all = route.reduce <all> %v : !route.array<!route.range<i1> [@n]> to !route.array<!route.range<i1>>
    %any = route.reduce <any> %v : !route.array<!route.range<i1> [@n]> to !route.array<!route.range<i1>>
    %count = route.reduce <count> %v : !route.array<!route.range<i1> [@n]> to !route.array<!route.range<i64>>
    %prod = route.reduce <product> %s : !route.array<!route.range<f32> [@n]> to !route.array<!route.range<f32>>
    route.return %sum, %mean, %max, %all, %any, %count, %prod : !route.array<!route.range<f32>>, !route.array<!route.range<f32>>, !route.array<!route.range<f32>>, !route.array<!route.range<i1>>, !route.array<!route.range<i1>>, !route.array<!route.range<i64>>, !route.array<!route.range<f32>>
  }
  // Weights 1, -2, 3 on values in [0, 1].
  // CHECK: contract: !route.range<f32>: [-2, 4]
  route.func @contract <route> () -> !route.array<!route.range<f32>> {
    %u = route.unknown : !route.array<!route.range<f32> [@n]>
    %s = route.unary <sigmoid> %u : !route.array<!route.range<f32> [@n]>
    %w = route.constant dense<[1.0, -2.0, 3.0]> : tensor<3xf32> as !route.array<f32 [@n]>
    %c = route.contract %s, %w over [@n] : !route.array<!route.range<f32> [@n]>, !route.array<f32 [@n]>
    route.return %c : !route.array<!route.range<f32>>
  }
  // CHECK: casts: !route.range<i64>: [0, 1]
  // CHECK: casts: !route.range<i64>: 3
  route.func @casts <route> () -> (!route.array<!route.range<i64>>, !route.array<!route.range<i64>>) {
    %u = route.get @u : !route.array<!route.range<f32>>
    %s = route.unary <sigmoid> %u : !route.array<!route.range<f32>>
    %i = route.cast %s : !route.array<!route.range<f32>> to !route.array<!route.range<i64>>
    %three = route.constant 3 : i64 as !route.array<i64>
    %r = route.cast %three : !route.array<i64> to !route.array<!route.range<i64>>
    route.return %i, %r : !route.array<!route.range<i64>>, !route.array<!route.range<i64>>
  }
  // Integers wrap: ends that do are the ends of nothing. A truth is whether a number is not 0.
  // CHECK: narrow: !route.range<ui8>: [0, 255]
  // CHECK: narrow: !route.range<ui8>: [0, 1]
  // CHECK: narrow: !route.range<i1>: ?
  // CHECK: narrow: !route.range<f32>: [0, 1]
  route.func @narrow <route> () -> (!route.array<!route.range<ui8>>, !route.array<!route.range<ui8>>, !route.array<!route.range<i1>>, !route.array<!route.range<f32>>) {
    %u = route.get @u : !route.array<!route.range<f32>>
    %s = route.unary <sigmoid> %u : !route.array<!route.range<f32>>
    %i = route.cast %s : !route.array<!route.range<f32>> to !route.array<!route.range<i64>>
    %many = route.constant 255 : i64 as !route.array<i64>
    %above = route.binary <add> %i, %many : !route.array<!route.range<i64>>, !route.array<i64>
    %wrapped = route.cast %above : !route.array<!route.range<i64>> to !route.array<!route.range<ui8>>
    %kept = route.cast %i : !route.array<!route.range<i64>> to !route.array<!route.range<ui8>>
    %two = route.constant 2 : i64 as !route.array<i64>
    %one = route.constant 1 : i64 as !route.array<i64>
    %wide = route.binary <mul> %i, %two : !route.array<!route.range<i64>>, !route.array<i64>
    %around = route.binary <sub> %wide, %one : !route.array<!route.range<i64>>, !route.array<i64>
    %truth = route.cast %around : !route.array<!route.range<i64>> to !route.array<!route.range<i1>>
    %back = route.cast %kept : !route.array<!route.range<ui8>> to !route.array<!route.range<f32>>
    route.return %wrapped, %kept, %truth, %back : !route.array<!route.range<ui8>>, !route.array<!route.range<ui8>>, !route.array<!route.range<i1>>, !route.array<!route.range<f32>>
  }
  // Text is known or unknown.
  // CHECK: text: !route.range<!route.text>: ?
  // CHECK: text: !route.range<i1>: ?
  // CHECK: text: !route.text: "b"
  route.func @text <route> () -> (!route.array<!route.range<!route.text>>, !route.array<!route.range<i1>>, !route.array<!route.text>) {
    %u = route.unknown : !route.array<!route.range<!route.text>>
    %b = route.constant "b" as !route.array<!route.text>
    %e = route.compare <eq> %u, %b : !route.array<!route.range<!route.text>>, !route.array<!route.text>
    %c = route.coalesce %u, %b : !route.array<!route.range<!route.text>>, !route.array<!route.text> -> !route.array<!route.text>
    route.return %u, %e, %c : !route.array<!route.range<!route.text>>, !route.array<!route.range<i1>>, !route.array<!route.text>
  }
}
