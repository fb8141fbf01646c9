// Reductions: every kind, no elements, the fixed order of sums, and ancestors.
// RUN: route-interp %s | FileCheck %s

module attributes {interp.axes = {token = [2, 0, 1], none = 0 : i64}, interp.script = ["run kinds", "run empty", "run order",
    "run ancestors", "run arg", "run mode", "run nans", "run several", "run means", "run narrow", "run plan_order", "run contract"]} {
  route.axis @image <index> size(3) {}
  route.axis @token <index> in [@image] {}
  route.axis @none <index> {}
  route.axis @n <index> size(4) {}
  route.axis @m <index> size(2) {}
  route.axis @wide <index> size(33) {}
  route.axis @p <plan> in [@m, @n] {}

  // CHECK: kinds: f32: 5
  // CHECK: kinds: f32: 4
  // CHECK: kinds: f32: -2
  // CHECK: kinds: f32: -24
  // CHECK: kinds: f32: 1.25
  // CHECK: kinds: i64: 4
  // CHECK: kinds: i64: 3
  // CHECK: kinds: i1: true
  // CHECK: kinds: i1: false
  route.func @kinds <route> () -> (!route.array<f32>, !route.array<f32>, !route.array<f32>, !route.array<f32>, !route.array<f32>, !route.array<i64>, !route.array<i64>, !route.array<i1>, !route.array<i1>) {
    %x = route.constant dense<[1.0, 4.0, -2.0, 3.0]> : tensor<4xf32> as !route.array<f32 [@n]>
    %y = route.constant dense<[1.0, 4.0, -2.0, 2.0]> : tensor<4xf32> as !route.array<f32 [@n]>
    %zero = route.constant 0.0 : f32 as !route.array<f32>
    %t = route.compare <gt> %x, %zero : !route.array<f32 [@n]>, !route.array<f32>
    %sum = route.reduce <sum> %y : !route.array<f32 [@n]> to !route.array<f32>
    %max = route.reduce <max> %x : !route.array<f32 [@n]> to !route.array<f32>
    %min = route.reduce <min> %x : !route.array<f32 [@n]> to !route.array<f32>
    %prod = route.reduce <product> %x : !route.array<f32 [@n]> to !route.array<f32>
    %mean = route.reduce <mean> %y : !route.array<f32 [@n]> to !route.array<f32>
    %count = route.reduce <count> %x : !route.array<f32 [@n]> to !route.array<i64>
    %true = route.reduce <count> %t : !route.array<i1 [@n]> to !route.array<i64>
    %any = route.reduce <any> %t : !route.array<i1 [@n]> to !route.array<i1>
    %all = route.reduce <all> %t : !route.array<i1 [@n]> to !route.array<i1>
    route.return %sum, %max, %min, %prod, %mean, %count, %true, %any, %all : !route.array<f32>, !route.array<f32>, !route.array<f32>, !route.array<f32>, !route.array<f32>, !route.array<i64>, !route.array<i64>, !route.array<i1>, !route.array<i1>
  }
  // CHECK: empty: f32: 0
  // CHECK: empty: f32: -inf
  // CHECK: empty: f32: inf
  // CHECK: empty: f32: 1
  // CHECK: empty: f32: nan
  // CHECK: empty: i64: 0
  // CHECK: empty: i1: false
  // CHECK: empty: i1: true
  // CHECK: empty: i64: -1
  // CHECK: empty: i64: -9223372036854775808
  route.func @empty <route> () -> (!route.array<f32>, !route.array<f32>, !route.array<f32>, !route.array<f32>, !route.array<f32>, !route.array<i64>, !route.array<i1>, !route.array<i1>, !route.array<i64>, !route.array<i64>) {
    %i = route.iota -> !route.array<i64 [@none]>
    %x = route.cast %i : !route.array<i64 [@none]> to !route.array<f32 [@none]>
    %t = route.cast %i : !route.array<i64 [@none]> to !route.array<i1 [@none]>
    %sum = route.reduce <sum> %x : !route.array<f32 [@none]> to !route.array<f32>
    %max = route.reduce <max> %x : !route.array<f32 [@none]> to !route.array<f32>
    %min = route.reduce <min> %x : !route.array<f32 [@none]> to !route.array<f32>
    %prod = route.reduce <product> %x : !route.array<f32 [@none]> to !route.array<f32>
    %mean = route.reduce <mean> %x : !route.array<f32 [@none]> to !route.array<f32>
    %count = route.reduce <count> %x : !route.array<f32 [@none]> to !route.array<i64>
    %any = route.reduce <any> %t : !route.array<i1 [@none]> to !route.array<i1>
    %all = route.reduce <all> %t : !route.array<i1 [@none]> to !route.array<i1>
    %arg = route.reduce <argmax> %x : !route.array<f32 [@none]> to !route.array<i64>
    %imax = route.reduce <max> %i : !route.array<i64 [@none]> to !route.array<i64>
    route.return %sum, %max, %min, %prod, %mean, %count, %any, %all, %arg, %imax : !route.array<f32>, !route.array<f32>, !route.array<f32>, !route.array<f32>, !route.array<f32>, !route.array<i64>, !route.array<i1>, !route.array<i1>, !route.array<i64>, !route.array<i64>
  }
  // Positions 0 and 32 share a partial, so 2^25 and -2^25 cancel before the ones are added: 31, which
  // no left-to-right sum gives (it rounds the ones away, two by two).
  // CHECK: order: f32: 31
  route.func @order <route> () -> !route.array<f32> {
    %i = route.iota -> !route.array<i64 [@wide]>
    %zero = route.constant 0 : i64 as !route.array<i64>
    %last = route.constant 32 : i64 as !route.array<i64>
    %big = route.constant 33554432.0 : f32 as !route.array<f32>
    %small = route.constant -33554432.0 : f32 as !route.array<f32>
    %one = route.constant 1.0 : f32 as !route.array<f32>
    %first = route.compare <eq> %i, %zero : !route.array<i64 [@wide]>, !route.array<i64>
    %end = route.compare <eq> %i, %last : !route.array<i64 [@wide]>, !route.array<i64>
    %x = route.select %end, %small, %one : !route.array<i1 [@wide]>, !route.array<f32>, !route.array<f32>
    %y = route.select %first, %big, %x : !route.array<i1 [@wide]>, !route.array<f32>, !route.array<f32 [@wide]>
    %s = route.reduce <sum> %y : !route.array<f32 [@wide]> to !route.array<f32>
    route.return %s : !route.array<f32>
  }
  // Tokens belong to images 0, 0, 2.
  // CHECK: ancestors: f32 [@image = 3]: [3, 0, 4]
  // CHECK: ancestors: i64 [@image = 3]: [2, 0, 1]
  route.func @ancestors <route> () -> (!route.array<f32 [@image]>, !route.array<i64 [@image]>) {
    %x = route.constant dense<[1.0, 2.0, 4.0]> : tensor<3xf32> as !route.array<f32 [@token]>
    %s = route.reduce <sum> %x : !route.array<f32 [@token]> to !route.array<f32 [@image]>
    %c = route.reduce <count> %x : !route.array<f32 [@token]> to !route.array<i64 [@image]>
    route.return %s, %c : !route.array<f32 [@image]>, !route.array<i64 [@image]>
  }
  // Ties to the lower position; NaN never wins over a number.
  // CHECK: arg: i64 [@m = 2]: [1, 0]
  // CHECK: arg: !route.ref<@n> [@m = 2]: [0, 0]
  // CHECK: arg: i64 [@n = 4]: [0, 0, 0, 0]
  // CHECK: arg: i64 [@image = 3]: [1, -1, 2]
  route.func @arg <route> () -> (!route.array<i64 [@m]>, !route.array<!route.ref<@n> [@m]>, !route.array<i64 [@n]>, !route.array<i64 [@image]>) {
    %x = route.constant dense<[[0.0, 5.0, 5.0, 1.0], [0x7FC00000, 0x7FC00000, 0x7FC00000, 0x7FC00000]]> : tensor<2x4xf32> as !route.array<f32 [@m, @n]>
    %a = route.reduce <argmax> %x : !route.array<f32 [@m, @n]> to !route.array<i64 [@m]>
    %i = route.reduce <argmin> %x : !route.array<f32 [@m, @n]> to !route.array<!route.ref<@n> [@m]>
    %c = route.reduce <argmax> %x : !route.array<f32 [@m, @n]> to !route.array<i64 [@n]>
    %t = route.constant dense<[1.0, 2.0, 4.0]> : tensor<3xf32> as !route.array<f32 [@token]>
    %s = route.reduce <argmax> %t : !route.array<f32 [@token]> to !route.array<i64 [@image]>
    route.return %a, %i, %c, %s : !route.array<i64 [@m]>, !route.array<!route.ref<@n> [@m]>, !route.array<i64 [@n]>, !route.array<i64 [@image]>
  }
  // CHECK: mode: i64: 3
  // CHECK: mode: i64: 5
  // CHECK: mode: f32: 0
  // CHECK: mode: f32: nan
  route.func @mode <route> () -> (!route.array<i64>, !route.array<i64>, !route.array<f32>, !route.array<f32>) {
    %x = route.constant dense<[1, 3, 3, 2]> : tensor<4xi64> as !route.array<i64 [@n]>
    %y = route.constant dense<[5, 3, 3, 5]> : tensor<4xi64> as !route.array<i64 [@n]>
    %a = route.reduce <mode> %x : !route.array<i64 [@n]> to !route.array<i64>
    %b = route.reduce <mode> %y : !route.array<i64 [@n]> to !route.array<i64>
    // NaN differs from NaN, -0 does not from +0.
    %z = route.constant dense<[0x7FC00000, 0.0, 0x7FC00000, -0.0]> : tensor<4xf32> as !route.array<f32 [@n]>
    %w = route.constant dense<[0x7FC00000, 1.0, 0x7FC00000, 2.0]> : tensor<4xf32> as !route.array<f32 [@n]>
    %c = route.reduce <mode> %z : !route.array<f32 [@n]> to !route.array<f32>
    %d = route.reduce <mode> %w : !route.array<f32 [@n]> to !route.array<f32>
    route.return %a, %b, %c, %d : !route.array<i64>, !route.array<i64>, !route.array<f32>, !route.array<f32>
  }
  // CHECK: nans: f32: nan
  // CHECK: nans: f32: nan
  // CHECK: nans: f32: nan
  route.func @nans <route> () -> (!route.array<f32>, !route.array<f32>, !route.array<f32>) {
    %x = route.constant dense<[1.0, 0x7FC00000, -2.0, 3.0]> : tensor<4xf32> as !route.array<f32 [@n]>
    %sum = route.reduce <sum> %x : !route.array<f32 [@n]> to !route.array<f32>
    %max = route.reduce <max> %x : !route.array<f32 [@n]> to !route.array<f32>
    %min = route.reduce <min> %x : !route.array<f32 [@n]> to !route.array<f32>
    route.return %sum, %max, %min : !route.array<f32>, !route.array<f32>, !route.array<f32>
  }
  // CHECK: several: f32: 36
  // CHECK: several: f32 [@n = 4]: [6, 8, 10, 12]
  route.func @several <route> () -> (!route.array<f32>, !route.array<f32 [@n]>) {
    %x = route.constant dense<[[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]> : tensor<2x4xf32> as !route.array<f32 [@m, @n]>
    %s = route.reduce <sum> %x : !route.array<f32 [@m, @n]> to !route.array<f32>
    %c = route.reduce <sum> %x : !route.array<f32 [@m, @n]> to !route.array<f32 [@n]>
    route.return %s, %c : !route.array<f32>, !route.array<f32 [@n]>
  }
  // CHECK: means: f32: 2.5
  // CHECK: means: f32: 0.5
  // CHECK: means: f64: 2.5
  route.func @means <route> () -> (!route.array<f32>, !route.array<f32>, !route.array<f64>) {
    %x = route.constant dense<[1, 2, 3, 4]> : tensor<4xi64> as !route.array<i64 [@n]>
    %t = route.constant dense<[true, false, true, false]> : tensor<4xi1> as !route.array<i1 [@n]>
    %d = route.cast %x : !route.array<i64 [@n]> to !route.array<f64 [@n]>
    %a = route.reduce <mean> %x : !route.array<i64 [@n]> to !route.array<f32>
    %b = route.reduce <mean> %t : !route.array<i1 [@n]> to !route.array<f32>
    %c = route.reduce <mean> %d : !route.array<f64 [@n]> to !route.array<f64>
    route.return %a, %b, %c : !route.array<f32>, !route.array<f32>, !route.array<f64>
  }
  // A bf16 sum is an f32 sum rounded once: 256 + 1 + 1 + 0 is 258, where bf16 steps would stay at 256.
  // CHECK: narrow: bf16: 258
  route.func @narrow <route> () -> !route.array<bf16> {
    %x = route.constant dense<[256.0, 1.0, 1.0, 0.0]> : tensor<4xbf16> as !route.array<bf16 [@n]>
    %s = route.reduce <sum> %x : !route.array<bf16 [@n]> to !route.array<bf16>
    route.return %s : !route.array<bf16>
  }
  // Along a plan, rank order one by one: row 0 by descending key is 2^25, 1, 1, -2^25 and loses the ones; by
  // ascending key it starts from -2^25.
  // CHECK: plan_order: f32 [@m = 2]: [0, 0]
  // CHECK: plan_order: f32 [@n = 4]: [67108864, 2, 2, -67108864]
  // CHECK: plan_order: f32: 0
  route.func @plan_order <route> () -> (!route.array<f32 [@m]>, !route.array<f32 [@n]>, !route.array<f32>) {
    %x = route.constant dense<[33554432.0, 1.0, 1.0, -33554432.0]> : tensor<4xf32> as !route.array<f32 [@n]>
    %xm = route.broadcast %x : !route.array<f32 [@n]> to !route.array<f32 [@m, @n]>
    %p = route.choose <all> of @n per [@m] by (%xm : !route.array<f32 [@m, @n]>) up [false] -> !route.plan<@p> as @p
    %xp = route.broadcast %x along %p : !route.array<f32 [@n]>, !route.plan<@p> to !route.array<f32 [@p]>
    %s = route.reduce <sum> %xp along %p : !route.array<f32 [@p]>, !route.plan<@p> to !route.array<f32 [@m]>
    %c = route.reduce <sum> %xp along %p : !route.array<f32 [@p]>, !route.plan<@p> to !route.array<f32 [@n]>
    %all = route.reduce <sum> %xp along %p : !route.array<f32 [@p]>, !route.plan<@p> to !route.array<f32>
    route.return %s, %c, %all : !route.array<f32 [@m]>, !route.array<f32 [@n]>, !route.array<f32>
  }
  // Two axes at once, 16-bit and integer operands.
  // CHECK: contract: f32: 204
  // CHECK: contract: f32 [@m = 2]: [30, 70]
  // CHECK: contract: f32 [@m = 2]: [10, 26]
  route.func @contract <route> () -> (!route.array<f32>, !route.array<f32 [@m]>, !route.array<f32 [@m]>) {
    %x = route.constant dense<[[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]> : tensor<2x4xf32> as !route.array<f32 [@m, @n]>
    %w = route.constant dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xbf16> as !route.array<bf16 [@n]>
    %i = route.constant 1 : i64 as !route.array<i64 [@n]>
    %a = route.contract %x, %x over [@m, @n] exact : !route.array<f32 [@m, @n]>, !route.array<f32 [@m, @n]>
    %b = route.contract %x, %w over [@n] : !route.array<f32 [@m, @n]>, !route.array<bf16 [@n]>
    %c = route.contract %x, %i over [@n] : !route.array<f32 [@m, @n]>, !route.array<i64 [@n]>
    route.return %a, %b, %c : !route.array<f32>, !route.array<f32 [@m]>, !route.array<f32 [@m]>
  }
}
