// Elementwise ops on plain elements: each kind once, and the corners of each element type.
// RUN: route-interp %s | FileCheck %s

route.axis @n <index> size(6) {}
route.axis @m <index> size(2) {}

// CHECK-LABEL: neg: f32 [@n = 6]: [0, -1.5, 2.5, -inf, nan, -0.25]
route.func @neg <route> () -> !route.array<f32 [@n]> {
  %x = route.constant dense<[-0.0, 1.5, -2.5, 0x7F800000, 0x7FC00000, 0.25]> : tensor<6xf32> as !route.array<f32 [@n]>
  %y = route.unary <neg> %x : !route.array<f32 [@n]>
  route.return %y : !route.array<f32 [@n]>
}
// CHECK-LABEL: sign: f32 [@n = 6]: [-0, 1, -1, 1, nan, 1]
route.func @sign <route> () -> !route.array<f32 [@n]> {
  %x = route.constant dense<[-0.0, 1.5, -2.5, 0x7F800000, 0x7FC00000, 0.25]> : tensor<6xf32> as !route.array<f32 [@n]>
  %y = route.unary <sign> %x : !route.array<f32 [@n]>
  route.return %y : !route.array<f32 [@n]>
}
// Ties round to even.
// CHECK-LABEL: rounding: f32 [@n = 6]: [-0, 2, -2, 2, 3, -1]
// CHECK: rounding: f32 [@n = 6]: [-1, 1, -3, 2, 2, -1]
// CHECK: rounding: f32 [@n = 6]: [-0, 2, -2, 3, 3, -0]
// CHECK: rounding: f32 [@n = 6]: [-0, 1, -2, 2, 2, -0]
route.func @rounding <route> () -> (!route.array<f32 [@n]>, !route.array<f32 [@n]>, !route.array<f32 [@n]>, !route.array<f32 [@n]>) {
  %x = route.constant dense<[-0.5, 1.5, -2.5, 2.5, 2.75, -0.75]> : tensor<6xf32> as !route.array<f32 [@n]>
  %r = route.unary <round> %x : !route.array<f32 [@n]>
  %f = route.unary <floor> %x : !route.array<f32 [@n]>
  %c = route.unary <ceil> %x : !route.array<f32 [@n]>
  %t = route.unary <trunc> %x : !route.array<f32 [@n]>
  route.return %r, %f, %c, %t : !route.array<f32 [@n]>, !route.array<f32 [@n]>, !route.array<f32 [@n]>, !route.array<f32 [@n]>
}
// CHECK-LABEL: growth: f32 [@n = 6]: [1, 2.7182817, 0.36787945, inf, nan, 0]
// CHECK: growth: f32 [@n = 6]: [0.5, 0.7310586, 0.26894143, 1, nan, 0]
// CHECK: growth: f32 [@n = 6]: [0, 0.7310586, -0.26894143, inf, nan, {{-?0|nan}}]
// CHECK: growth: f32 [@n = 6]: [0, 0.7615942, -0.7615942, 1, nan, -1]
// CHECK: growth: f32 [@n = 6]: [0, 1, 0, inf, nan, 0]
route.func @growth <route> () -> (!route.array<f32 [@n]>, !route.array<f32 [@n]>, !route.array<f32 [@n]>, !route.array<f32 [@n]>, !route.array<f32 [@n]>) {
  %x = route.constant dense<[0.0, 1.0, -1.0, 0x7F800000, 0x7FC00000, 0xFF800000]> : tensor<6xf32> as !route.array<f32 [@n]>
  %e = route.unary <exp> %x : !route.array<f32 [@n]>
  %s = route.unary <sigmoid> %x : !route.array<f32 [@n]>
  %i = route.unary <silu> %x : !route.array<f32 [@n]>
  %t = route.unary <tanh> %x : !route.array<f32 [@n]>
  %r = route.unary <relu> %x : !route.array<f32 [@n]>
  route.return %e, %s, %i, %t, %r : !route.array<f32 [@n]>, !route.array<f32 [@n]>, !route.array<f32 [@n]>, !route.array<f32 [@n]>, !route.array<f32 [@n]>
}
// CHECK-LABEL: roots: f32 [@m = 2]: [2, nan]
// CHECK: roots: f32 [@m = 2]: [0.5, nan]
// CHECK: roots: f32 [@m = 2]: [1.386294{{[0-9]*}}, nan]
// CHECK: roots: f32 [@m = 2]: [2, nan]
// CHECK: roots: f32 [@m = 2]: [16, 0.5]
// CHECK: roots: f32 [@m = 2]: [4, 1]
route.func @roots <route> () -> (!route.array<f32 [@m]>, !route.array<f32 [@m]>, !route.array<f32 [@m]>, !route.array<f32 [@m]>, !route.array<f32 [@m]>, !route.array<f32 [@m]>) {
  %x = route.constant dense<[4.0, -1.0]> : tensor<2xf32> as !route.array<f32 [@m]>
  %s = route.unary <sqrt> %x : !route.array<f32 [@m]>
  %r = route.unary <rsqrt> %x : !route.array<f32 [@m]>
  %l = route.unary <log> %x : !route.array<f32 [@m]>
  %l2 = route.unary <log2> %x : !route.array<f32 [@m]>
  %e2 = route.unary <exp2> %x : !route.array<f32 [@m]>
  %a = route.unary <abs> %x : !route.array<f32 [@m]>
  route.return %s, %r, %l, %l2, %e2, %a : !route.array<f32 [@m]>, !route.array<f32 [@m]>, !route.array<f32 [@m]>, !route.array<f32 [@m]>, !route.array<f32 [@m]>, !route.array<f32 [@m]>
}
// CHECK-LABEL: bells: f32: 0.8413447
// CHECK: bells: f32: 0.841192
// CHECK: bells: f32: 0.84270{{[0-9]*}}
// CHECK: bells: f32: 1.3132617
route.func @bells <route> () -> (!route.array<f32>, !route.array<f32>, !route.array<f32>, !route.array<f32>) {
  %x = route.constant 1.0 : f32 as !route.array<f32>
  %g = route.unary <gelu> %x : !route.array<f32>
  %t = route.unary <gelu_tanh> %x : !route.array<f32>
  %e = route.unary <erf> %x : !route.array<f32>
  %s = route.unary <softplus> %x : !route.array<f32>
  route.return %g, %t, %e, %s : !route.array<f32>, !route.array<f32>, !route.array<f32>, !route.array<f32>
}
// CHECK-LABEL: nans: i1 [@m = 2]: [true, false]
// CHECK: nans: i1 [@m = 2]: [false, true]
route.func @nans <route> () -> (!route.array<i1 [@m]>, !route.array<i1 [@m]>) {
  %x = route.constant dense<[0x7FC00000, 1.0]> : tensor<2xf32> as !route.array<f32 [@m]>
  %n = route.unary <is_nan> %x : !route.array<f32 [@m]>
  %o = route.unary <logical_not> %n : !route.array<i1 [@m]>
  route.return %n, %o : !route.array<i1 [@m]>, !route.array<i1 [@m]>
}
// max(-0, +0) is +0, min is -0; NaN wins.
// CHECK-LABEL: extremes: f32 [@n = 6]: [0, 2, nan, nan, inf, -1]
// CHECK: extremes: f32 [@n = 6]: [-0, 1, nan, nan, 3, -inf]
route.func @extremes <route> () -> (!route.array<f32 [@n]>, !route.array<f32 [@n]>) {
  %x = route.constant dense<[-0.0, 1.0, 0x7FC00000, 1.0, 0x7F800000, 0xFF800000]> : tensor<6xf32> as !route.array<f32 [@n]>
  %y = route.constant dense<[0.0, 2.0, 1.0, 0x7FC00000, 3.0, -1.0]> : tensor<6xf32> as !route.array<f32 [@n]>
  %a = route.binary <max> %x, %y : !route.array<f32 [@n]>, !route.array<f32 [@n]>
  %b = route.binary <min> %x, %y : !route.array<f32 [@n]>, !route.array<f32 [@n]>
  route.return %a, %b : !route.array<f32 [@n]>, !route.array<f32 [@n]>
}
// An outer sum by name, the new axis after the old ones.
// CHECK-LABEL: outer: f32 [@m = 2, @n = 6]: {{\[}}[11, 12, 13, 14, 15, 16], [21, 22, 23, 24, 25, 26]]
route.func @outer <route> () -> !route.array<f32 [@m, @n]> {
  %x = route.constant dense<[10.0, 20.0]> : tensor<2xf32> as !route.array<f32 [@m]>
  %y = route.constant dense<[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]> : tensor<6xf32> as !route.array<f32 [@n]>
  %z = route.binary <add> %x, %y : !route.array<f32 [@m]>, !route.array<f32 [@n]>
  route.return %z : !route.array<f32 [@m, @n]>
}
// The remainder has the divisor's sign; floats divide by zero as IEEE says.
// CHECK-LABEL: division: f32 [@n = 6]: [1, 2, -2, -1, nan, 0.5]
// CHECK: division: f32 [@n = 6]: [2.333{{[0-9]*}}, -2.333{{[0-9]*}}, -2.333{{[0-9]*}}, 2.333{{[0-9]*}}, inf, 0.5]
// CHECK: division: f32 [@n = 6]: [343, -343, 0.00291545{{[0-9]*}}, -0.00291545{{[0-9]*}}, 1, 0.5]
route.func @division <route> () -> (!route.array<f32 [@n]>, !route.array<f32 [@n]>, !route.array<f32 [@n]>) {
  %x = route.constant dense<[7.0, -7.0, 7.0, -7.0, 7.0, 0.5]> : tensor<6xf32> as !route.array<f32 [@n]>
  %y = route.constant dense<[3.0, 3.0, -3.0, -3.0, 0.0, 1.0]> : tensor<6xf32> as !route.array<f32 [@n]>
  %m = route.binary <mod> %x, %y : !route.array<f32 [@n]>, !route.array<f32 [@n]>
  %d = route.binary <div> %x, %y : !route.array<f32 [@n]>, !route.array<f32 [@n]>
  %p = route.binary <pow> %x, %y : !route.array<f32 [@n]>, !route.array<f32 [@n]>
  route.return %m, %d, %p : !route.array<f32 [@n]>, !route.array<f32 [@n]>, !route.array<f32 [@n]>
}
// Integers wrap; division by zero gives 0.
// CHECK-LABEL: integers: i64 [@n = 6]: [-9223372036854775808, 10, 4, -10, 7, 1]
// CHECK: integers: i64 [@n = 6]: [-9223372036854775808, 2, -3, 2, 0, 0]
// CHECK: integers: i64 [@n = 6]: [-9223372036854775808, 343, 0, 0, 1, 0]
// CHECK: integers: i64 [@n = 6]: [0, 1, -2, -1, 7, 0]
// CHECK: integers: i64 [@n = 6]: [9223372036854775807, -7, -7, 7, -7, 0]
route.func @integers <route> () -> (!route.array<i64 [@n]>, !route.array<i64 [@n]>, !route.array<i64 [@n]>, !route.array<i64 [@n]>, !route.array<i64 [@n]>) {
  %x = route.constant dense<[-9223372036854775807, 7, 7, -7, 7, 0]> : tensor<6xi64> as !route.array<i64 [@n]>
  %y = route.constant dense<[-1, 3, -3, -3, 0, 1]> : tensor<6xi64> as !route.array<i64 [@n]>
  %low = route.constant dense<[-9223372036854775808, 7, 7, -7, 7, 0]> : tensor<6xi64> as !route.array<i64 [@n]>
  %a = route.binary <add> %x, %y : !route.array<i64 [@n]>, !route.array<i64 [@n]>
  %d = route.binary <floordiv> %low, %y : !route.array<i64 [@n]>, !route.array<i64 [@n]>
  %three = route.constant 3 : i64 as !route.array<i64>
  %p0 = route.constant dense<[-9223372036854775808, 7, 7, 7, 7, 0]> : tensor<6xi64> as !route.array<i64 [@n]>
  %e = route.constant dense<[1, 3, -3, -1, 0, 1]> : tensor<6xi64> as !route.array<i64 [@n]>
  %p = route.binary <pow> %p0, %e : !route.array<i64 [@n]>, !route.array<i64 [@n]>
  %m = route.binary <mod> %low, %y : !route.array<i64 [@n]>, !route.array<i64 [@n]>
  %g = route.unary <neg> %x : !route.array<i64 [@n]>
  route.return %a, %d, %p, %m, %g : !route.array<i64 [@n]>, !route.array<i64 [@n]>, !route.array<i64 [@n]>, !route.array<i64 [@n]>, !route.array<i64 [@n]>
}
// CHECK-LABEL: bits: i64: 8
// CHECK: bits: i64: 14
// CHECK: bits: i64: 6
route.func @bits <route> () -> (!route.array<i64>, !route.array<i64>, !route.array<i64>) {
  %x = route.constant 12 : i64 as !route.array<i64>
  %y = route.constant 10 : i64 as !route.array<i64>
  %a = route.binary <bit_and> %x, %y : !route.array<i64>, !route.array<i64>
  %o = route.binary <bit_or> %x, %y : !route.array<i64>, !route.array<i64>
  %e = route.binary <bit_xor> %x, %y : !route.array<i64>, !route.array<i64>
  route.return %a, %o, %e : !route.array<i64>, !route.array<i64>, !route.array<i64>
}
// NaN compares as IEEE says, -0 equals +0, text by equality.
// CHECK-LABEL: compare: i1 [@m = 2]: [false, true]
// CHECK: compare: i1 [@m = 2]: [true, false]
// CHECK: compare: i1 [@m = 2]: [false, true]
// CHECK: compare: i1: true
route.func @compare <route> () -> (!route.array<i1 [@m]>, !route.array<i1 [@m]>, !route.array<i1 [@m]>, !route.array<i1>) {
  %x = route.constant dense<[0x7FC00000, -0.0]> : tensor<2xf32> as !route.array<f32 [@m]>
  %y = route.constant dense<[0x7FC00000, 0.0]> : tensor<2xf32> as !route.array<f32 [@m]>
  %e = route.compare <eq> %x, %y : !route.array<f32 [@m]>, !route.array<f32 [@m]>
  %n = route.compare <ne> %x, %y : !route.array<f32 [@m]>, !route.array<f32 [@m]>
  %l = route.compare <le> %x, %y : !route.array<f32 [@m]>, !route.array<f32 [@m]>
  %s = route.constant "a" as !route.array<!route.text>
  %t = route.compare <eq> %s, %s : !route.array<!route.text>, !route.array<!route.text>
  route.return %e, %n, %l, %t : !route.array<i1 [@m]>, !route.array<i1 [@m]>, !route.array<i1 [@m]>, !route.array<i1>
}
// Axes: the condition's, then the values' own.
// CHECK-LABEL: select: f32 [@m = 2, @n = 6]: {{\[}}[1, 2, 3, 4, 5, 6], [0, 0, 0, 0, 0, 0]]
route.func @select <route> () -> !route.array<f32 [@m, @n]> {
  %c = route.constant dense<[true, false]> : tensor<2xi1> as !route.array<i1 [@m]>
  %y = route.constant dense<[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]> : tensor<6xf32> as !route.array<f32 [@n]>
  %z = route.constant 0.0 : f32 as !route.array<f32>
  %s = route.select %c, %y, %z : !route.array<i1 [@m]>, !route.array<f32 [@n]>, !route.array<f32>
  route.return %s : !route.array<f32 [@m, @n]>
}
// 1 + 2^-8 and 1 + 3 * 2^-8 are ties of bf16 (spacing 2^-7): to even.
// CHECK-LABEL: casts: bf16 [@n = 6]: [1, 1.015625, inf, nan, 1, -0]
// CHECK: casts: i64 [@n = 6]: [1, 1, 9223372036854775807, 0, 1, 0]
// CHECK: casts: i8 [@m = 2]: [-128, 127]
// CHECK: casts: f32 [@m = 2]: [1, 0]
route.func @casts <route> () -> (!route.array<bf16 [@n]>, !route.array<i64 [@n]>, !route.array<i8 [@m]>, !route.array<f32 [@m]>) {
  %x = route.constant dense<[1.00390625, 1.01171875, 0x7F800000, 0x7FC00000, 1.0, -0.0]> : tensor<6xf32> as !route.array<f32 [@n]>
  %b = route.cast %x : !route.array<f32 [@n]> to !route.array<bf16 [@n]>
  %i = route.cast %x : !route.array<f32 [@n]> to !route.array<i64 [@n]>
  %w = route.constant dense<[-1000.0, 1000.0]> : tensor<2xf32> as !route.array<f32 [@m]>
  %s = route.cast %w : !route.array<f32 [@m]> to !route.array<i8 [@m]>
  %t = route.constant dense<[true, false]> : tensor<2xi1> as !route.array<i1 [@m]>
  %f = route.cast %t : !route.array<i1 [@m]> to !route.array<f32 [@m]>
  route.return %b, %i, %s, %f : !route.array<bf16 [@n]>, !route.array<i64 [@n]>, !route.array<i8 [@m]>, !route.array<f32 [@m]>
}
// f64 keeps what f32 would lose.
// CHECK-LABEL: doubles: f64: 0.30000000000000004
// CHECK: doubles: f32: 0.3
route.func @doubles <route> () -> (!route.array<f64>, !route.array<f32>) {
  %x = route.constant 0.1 : f64 as !route.array<f64>
  %y = route.constant 0.2 : f64 as !route.array<f64>
  %z = route.binary <add> %x, %y : !route.array<f64>, !route.array<f64>
  %f = route.cast %z : !route.array<f64> to !route.array<f32>
  route.return %z, %f : !route.array<f64>, !route.array<f32>
}
