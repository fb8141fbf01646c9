// Every constraint of the route dialect that a verifier states, broken once.
// RUN: route-opt %s --split-input-file --verify-diagnostics

// expected-error @+1 {{axis @token appears twice; a second copy of an axis has a name of its own}}
func.func private @twice() -> !route.array<f32 [@token, @token]>

// -----
// expected-error @+1 {{'route.axis' op is a plan without parents}}
route.axis @p <plan> {}

// -----
// expected-error @+1 {{'route.axis' op descends from itself}}
route.axis @a <index> in [@b] {}
route.axis @b <index> in [@a] {}

// -----
route.axis @group <index> size(8) {}
// expected-error @+1 {{has 20 positions, no multiple of the 8 of @group}}
route.axis @experts <pool> size(20) in [@group] {}

// -----
// expected-error @+1 {{label "gate" appears twice}}
route.axis @half <index> size(2) labels(["gate", "gate"]) {}

// -----
route.axis @models <pool> size(2) {
  // expected-error @+1 {{has 3 values for 2 positions}}
  route.column @price <constant> : !route.array<f64 [@models]> = dense<[1.0, 2.0, 3.0]> : tensor<3xf64>
}

// -----
route.axis @token <index> {}
route.axis @experts <pool> size(4) {}
route.func @f <route> (%x: !route.array<f32 [@token]>, %y: !route.array<i64 [@experts]>) {
  // expected-error @+1 {{operands hold 'f32' and 'i64'}}
  %z = route.binary <add> %x, %y : !route.array<f32 [@token]>, !route.array<i64 [@experts]>
  route.return
}

// -----
route.axis @token <index> {}
route.func @f <route> (%x: !route.array<i1 [@token]>) {
  // expected-error @+1 {{takes numbers, found 'i1'}}
  %z = route.binary <add> %x, %x : !route.array<i1 [@token]>, !route.array<i1 [@token]>
  route.return
}

// -----
route.axis @image <index> {}
route.axis @token <index> in [@image] {}
route.axis @experts <pool> size(4) {}
route.func @f <route> (%x: !route.array<f32 [@experts]>) {
  // expected-error @+1 {{axis @experts is an ancestor of 0 axes}}
  %z = route.broadcast %x : !route.array<f32 [@experts]> to !route.array<f32 [@token]>
  route.return
}

// -----
route.axis @token <index> {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @f <route> (%x: !route.array<f32 [@p]>) {
  // expected-error @+1 {{crosses plan axis @p without its plan}}
  %z = route.reduce <sum> %x : !route.array<f32 [@p]> to !route.array<f32 [@token]>
  route.return
}

// -----
route.axis @token <index> {}
route.axis @experts <pool> size(4) {}
route.axis @other <pool> size(4) {}
route.axis @p <plan> in [@token, @other] {}
route.func @f <route> (%k: !route.array<f32 [@token, @experts]>) {
  // expected-error @+1 {{makes @p, whose parents are not the per axes and the candidates}}
  %p = route.choose <all> of @experts per [@token] by (%k : !route.array<f32 [@token, @experts]>) up [false] -> !route.plan<@p> as @p
  route.return
}

// -----
route.axis @token <index> {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @f <route> (%k: !route.array<f32 [@token, @experts]>) {
  // expected-error @+1 {{needs a count exactly when it keeps a count}}
  %p = route.choose <count> of @experts per [@token] by (%k : !route.array<f32 [@token, @experts]>) up [false] -> !route.plan<@p> as @p
  route.return
}

// -----
route.state @s : !route.array<f32>
route.func @f <route> (%x: !route.array<f32>) {
  // expected-error @+1 {{writes state outside an event handler}}
  route.set @s, %x : !route.array<f32>
  route.return
}

// -----
route.func @f <route> () {
  // expected-error @+1 {{names @w, which does not exist}}
  %x = route.get @w : !route.array<f32>
  route.return
}

// -----
// expected-error @+1 {{comes from the host, so its elements must be a range, found 'i1'}}
route.signal @jail : !route.array<i1> host "jailbreak"

// -----
route.axis @token <index> {}
route.func @f <route> (%c: !route.array<i1 [@token]>) {
  // expected-error @+1 {{condition has axes; use route.select}}
  route.if %c : !route.array<i1 [@token]> {
    route.yield
  }
  route.return
}

// -----
route.func @f <route> (%c: !route.array<!route.range<f32>>) {
  // expected-error @+1 {{cannot make '!route.range<f32>' known; use route.coalesce}}
  %x = route.cast %c : !route.array<!route.range<f32>> to !route.array<f32>
  route.return
}

// -----
route.axis @models <pool> size(2) {}
// expected-error @+1 {{needs a zone exactly when its window is a day or a month}}
route.budget @daily of @models window "day" reserve {
  %w = route.constant 4.0e9 : f64 as !route.array<f64>
  route.yield %w : !route.array<f64>
} limit {
  %l = route.constant 2.0e12 : f64 as !route.array<f64>
  route.yield %l : !route.array<f64>
}

// -----
route.axis @models <pool> size(2) {}
// expected-error @+1 {{limit must yield one f64 array}}
route.budget @few of @models window "call" reserve {
  %w = route.constant 4.0e9 : f64 as !route.array<f64>
  route.yield %w : !route.array<f64>
} limit {
  %l = route.constant 2 : i64 as !route.array<i64>
  route.yield %l : !route.array<i64>
}

// -----
// expected-error @+1 {{runs @pick, which is no function}}
route.test "one" of @pick {} expect row "small"

// -----
route.func @pick <route> () {
  route.return
}
// expected-error @+1 {{expects one of a row, a rule, a refusal, none, truths and values, found 0}}
route.test "nothing" of @pick {} expect

// -----
route.func @pick <route> () {
  route.return
}
// expected-error @+1 {{expects one of a row, a rule, a refusal, none, truths and values, found 2}}
route.test "two" of @pick {} expect row "small" reject 503

// -----
route.func @pick <route> () {
  route.return
}
// expected-error @+1 {{expects values of a function that asks no host}}
route.test "values" of @pick {} expect values {text = "a"}

// -----
route.func @pick <route> () {
  route.return
}
// expected-error @+1 {{is set up by @pick, which is no handler}}
route.test "given" of @pick {} after @pick expect none

// -----

route.axis @token <index> {}
route.func @f <route> () {
  // expected-error @+1 {{draws f32, found '!route.array<f64 [@token]>'}}
  %0 = route.draw <uniform> 1 -> !route.array<f64 [@token]>
  route.return
}

// -----

route.axis @token <index> {}
route.func @f <route> () {
  // expected-error @+1 {{draws i64, found '!route.array<f32 [@token]>'}}
  %0 = route.draw <bits> 1 -> !route.array<f32 [@token]>
  route.return
}

// -----

route.axis @token <index> {}
route.axis @experts <pool> size(4) {}
route.func @f <route> (%k: !route.array<i64 [@experts]>) {
  // expected-error @+1 {{has a key over @experts, which the result is not over}}
  %0 = route.draw <gumbel> 1 keys(%k : !route.array<i64 [@experts]>) -> !route.array<f32 [@token]>
  route.return
}

// -----

route.axis @token <index> {}
route.func @f <route> () {
  // expected-error @+1 {{has site -1, expected 0 or more}}
  %0 = route.draw <normal> -1 -> !route.array<f32 [@token]>
  route.return
}
