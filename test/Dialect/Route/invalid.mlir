// Every constraint of the route dialect that errors.mlir leaves, broken once.
// RUN: route-opt %s --split-input-file --verify-diagnostics

route.axis @token <index> {}
route.axis @half <index> size(2) {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @f <route> () {
  // expected-error @+1 {{has a value of rank 1 for}}
  %c = route.constant dense<[1.0, 2.0]> : tensor<2xf32> as !route.array<f32>
  route.return
}

// -----
route.axis @token <index> {}
route.axis @half <index> size(2) {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @f <route> () {
  // expected-error @+1 {{is text, but its type is}}
  %c = route.constant "a" as !route.array<f32>
  route.return
}

// -----
route.axis @token <index> {}
route.axis @half <index> size(2) {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @f <route> () {
  // expected-error @+1 {{is a list, but its type is}}
  %c = route.constant ["a"] as !route.array<f32>
  route.return
}

// -----
route.axis @token <index> {}
route.axis @half <index> size(2) {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @f <route> () {
  // expected-error @+1 {{has a value of type 'i64' for}}
  %c = route.constant 1 : i64 as !route.array<f32>
  route.return
}

// -----
route.axis @token <index> {}
route.axis @half <index> size(2) {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @f <route> (%x: !route.array<f32>) {
  // expected-error @+1 {{uses @nothing, which is no axis}}
  %y = route.broadcast %x : !route.array<f32> to !route.array<f32 [@nothing]>
  route.return
}

// -----
route.axis @token <index> {}
route.axis @half <index> size(2) {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @f <route> (%x: !route.array<f32 [@token]>, %p: !route.plan<@p>) {
  // expected-error @+1 {{takes a plan but crosses no plan axis}}
  %y = route.broadcast %x along %p : !route.array<f32 [@token]>, !route.plan<@p> to !route.array<f32 [@token, @experts]>
  route.return
}

// -----
route.axis @token <index> {}
route.axis @half <index> size(2) {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @f <route> (%x: !route.array<f32>) {
  // expected-error @+1 {{changes the element type}}
  %y = route.broadcast %x : !route.array<f32> to !route.array<i64 [@token]>
  route.return
}

// -----
route.axis @token <index> {}
route.axis @half <index> size(2) {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @f <route> (%x: !route.array<f32 [@token]>) {
  // expected-error @+1 {{not truths to a truth}}
  %y = route.reduce <any> %x : !route.array<f32 [@token]> to !route.array<f32>
  route.return
}

// -----
route.axis @token <index> {}
route.axis @half <index> size(2) {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @f <route> (%x: !route.array<i1 [@token]>) {
  // expected-error @+1 {{gives 'f32', not i64}}
  %y = route.reduce <count> %x : !route.array<i1 [@token]> to !route.array<f32>
  route.return
}

// -----
route.axis @token <index> {}
route.axis @half <index> size(2) {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @f <route> (%x: !route.array<f32 [@token]>) {
  // expected-error @+1 {{gives 'f32', not a ref}}
  %y = route.reduce <argmax> %x : !route.array<f32 [@token]> to !route.array<f32>
  route.return
}

// -----
route.axis @token <index> {}
route.axis @half <index> size(2) {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @f <route> (%x: !route.array<i64 [@token]>) {
  // expected-error @+1 {{gives 'i64', not a float}}
  %y = route.reduce <mean> %x : !route.array<i64 [@token]> to !route.array<i64>
  route.return
}

// -----
route.axis @token <index> {}
route.axis @half <index> size(2) {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @f <route> (%x: !route.array<f32 [@token]>) {
  // expected-error @+1 {{reduces 'f32' to 'i64'}}
  %y = route.reduce <sum> %x : !route.array<f32 [@token]> to !route.array<i64>
  route.return
}

// -----
route.axis @token <index> {}
route.axis @half <index> size(2) {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @f <route> (%x: !route.array<f32 [@token]>) {
  // expected-error @+1 {{contracts no axis}}
  %y = route.contract %x, %x over [] : !route.array<f32 [@token]>, !route.array<f32 [@token]>
  route.return
}

// -----
route.axis @token <index> {}
route.axis @half <index> size(2) {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @f <route> (%x: !route.array<f32 [@token]>) {
  // expected-error @+1 {{contracts @half, which an operand lacks}}
  %y = route.contract %x, %x over [@half] : !route.array<f32 [@token]>, !route.array<f32 [@token]>
  route.return
}

// -----
route.axis @token <index> {}
route.axis @half <index> size(2) {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @f <route> (%x: !route.array<f32 [@token]>, %y: !route.array<i1 [@token]>) {
  // expected-error @+1 {{multiplies}}
  %z = route.contract %x, %y over [@token] : !route.array<f32 [@token]>, !route.array<i1 [@token]>
  route.return
}

// -----
route.axis @token <index> {}
route.axis @half <index> size(2) {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @f <route> (%x: !route.array<f32 [@token]>) {
  // expected-error @+1 {{renames 1 axes to 0}}
  %y = route.rename %x [@token] to [] : !route.array<f32 [@token]> to !route.array<f32 [@token]>
  route.return
}

// -----
route.axis @token <index> {}
route.axis @half <index> size(2) {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @f <route> (%x: !route.array<f32 [@token]>) {
  // expected-error @+1 {{renames @half, which the operand lacks}}
  %y = route.rename %x [@half] to [@experts] : !route.array<f32 [@token]> to !route.array<f32 [@token]>
  route.return
}

// -----
route.axis @token <index> {}
route.axis @half <index> size(2) {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @f <route> (%x: !route.array<f32 [@token]>, %i: !route.array<i64>) {
  // expected-error @+1 {{picks along @half, which the operand lacks}}
  %y = route.pick %x along @half at %i : !route.array<f32 [@token]>, !route.array<i64>
  route.return
}

// -----
route.axis @token <index> {}
route.axis @half <index> size(2) {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @f <route> (%x: !route.array<f32 [@token]>, %i: !route.array<f32>) {
  // expected-error @+1 {{position is 'f32', not a ref or i64}}
  %y = route.pick %x along @token at %i : !route.array<f32 [@token]>, !route.array<f32>
  route.return
}

// -----
route.axis @token <index> {}
route.axis @half <index> size(2) {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @f <route> (%x: !route.array<f32 [@token]>, %y: !route.array<f32>) {
  // expected-error @+1 {{operands differ: }}
  %z = route.stack %x, %y along @half : !route.array<f32 [@token]>, !route.array<f32> -> !route.array<f32 [@token, @half]>
  route.return
}

// -----
route.axis @token <index> {}
route.axis @half <index> size(2) {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @f <route> () {
  // expected-error @+1 {{counts along one axis, found}}
  %i = route.iota -> !route.array<i64 [@token, @half]>
  route.return
}

// -----
route.axis @token <index> {}
route.axis @half <index> size(2) {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @f <route> () {
  // expected-error @+1 {{gives i64 or a ref, found 'f32'}}
  %i = route.iota -> !route.array<f32 [@token]>
  route.return
}

// -----
route.axis @token <index> {}
route.axis @half <index> size(2) {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @f <route> () {
  // expected-error @+1 {{counts along @nothing, which is no axis}}
  %i = route.iota -> !route.array<i64 [@nothing]>
  route.return
}

// -----
route.axis @token <index> {}
route.axis @half <index> size(2) {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @f <route> () {
  // expected-error @+1 {{needs a plan exactly when the axis is one}}
  %i = route.iota -> !route.array<i64 [@p]>
  route.return
}

// -----
route.axis @token <index> {}
route.axis @half <index> size(2) {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @f <route> () {
  // expected-error @+1 {{measures @nothing, which is no axis}}
  %i = route.size @nothing : !route.array<i64>
  route.return
}

// -----
route.axis @token <index> {}
route.axis @half <index> size(2) {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @f <route> (%x: !route.array<f32 [@token]>) {
  // expected-error @+1 {{takes truth values, found 'f32'}}
  %y = route.unary <logical_not> %x : !route.array<f32 [@token]>
  route.return
}

// -----
route.axis @token <index> {}
route.axis @half <index> size(2) {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @f <route> (%x: !route.array<i64 [@token]>) {
  // expected-error @+1 {{takes floats, found 'i64'}}
  %y = route.unary <sigmoid> %x : !route.array<i64 [@token]>
  route.return
}

// -----
route.axis @token <index> {}
route.axis @half <index> size(2) {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @f <route> (%x: !route.array<f32 [@token]>) {
  // expected-error @+1 {{takes truth values, found 'f32'}}
  %y = route.binary <logical_and> %x, %x : !route.array<f32 [@token]>, !route.array<f32 [@token]>
  route.return
}

// -----
route.axis @token <index> {}
route.axis @half <index> size(2) {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @f <route> (%x: !route.array<f32 [@token]>) {
  // expected-error @+1 {{takes integers, found 'f32'}}
  %y = route.binary <bit_and> %x, %x : !route.array<f32 [@token]>, !route.array<f32 [@token]>
  route.return
}

// -----
route.axis @token <index> {}
route.axis @half <index> size(2) {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @f <route> (%x: !route.array<!route.text [@token]>) {
  // expected-error @+1 {{which has no order}}
  %y = route.compare <lt> %x, %x : !route.array<!route.text [@token]>, !route.array<!route.text [@token]>
  route.return
}

// -----
route.axis @token <index> {}
route.axis @half <index> size(2) {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @f <route> (%x: !route.array<f32 [@token]>) {
  // expected-error @+1 {{changes axes}}
  %y = route.cast %x : !route.array<f32 [@token]> to !route.array<f32>
  route.return
}

// -----
route.axis @token <index> {}
route.axis @half <index> size(2) {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @f <route> (%x: !route.array<!route.text [@token]>) {
  // expected-error @+1 {{cannot convert}}
  %y = route.cast %x : !route.array<!route.text [@token]> to !route.array<f32 [@token]>
  route.return
}

// -----
route.axis @token <index> {}
route.axis @half <index> size(2) {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @f <route> (%x: !route.array<f32 [@token]>) {
  // expected-error @+1 {{takes a range and gives i1 over the same axes}}
  %y = route.known %x : !route.array<f32 [@token]> -> !route.array<i1 [@token]>
  route.return
}

// -----
route.axis @token <index> {}
route.axis @half <index> size(2) {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @f <route> (%x: !route.array<f32 [@token]>) {
  // expected-error @+1 {{takes a range and gives its values' type over the same axes}}
  %y = route.bound true %x : !route.array<f32 [@token]> -> !route.array<f32 [@token]>
  route.return
}

// -----
route.axis @token <index> {}
route.axis @half <index> size(2) {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @f <route> (%x: !route.array<f32 [@token]>) {
  // expected-error @+1 {{first operand is always known}}
  %y = route.coalesce %x, %x : !route.array<f32 [@token]>, !route.array<f32 [@token]> -> !route.array<f32 [@token]>
  route.return
}

// -----
route.axis @token <index> {}
route.axis @half <index> size(2) {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @f <route> () {
  // expected-error @+1 {{needs a table exactly when it is listed or a path}}
  %q = route.choose <listed> of @experts per [@token] up [] -> !route.plan<@p> as @p
  route.return
}

// -----
route.axis @token <index> {}
route.axis @half <index> size(2) {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @f <route> () {
  // expected-error @+1 {{needs a region exactly when it is greedy or keeps until}}
  %q = route.choose <until> of @experts per [@token] up [] -> !route.plan<@p> as @p
  route.return
}

// -----
route.axis @token <index> {}
route.axis @half <index> size(2) {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @f <route> (%t: !route.array<i64 [@experts]>) {
  // expected-error @+1 {{needs two ends exactly when it is a path}}
  %q = route.choose <path> of @experts per [@token] up [] table (%t : !route.array<i64 [@experts]>) -> !route.plan<@p> as @p
  route.return
}

// -----
route.axis @token <index> {}
route.axis @half <index> size(2) {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @f <route> () {
  // expected-error @+1 {{makes @token, which is no plan axis}}
  %q = route.choose <all> of @experts per [@token] up [] -> !route.plan<@token> as @token
  route.return
}

// -----
route.axis @token <index> {}
route.axis @half <index> size(2) {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @f <route> () {
  // expected-error @+1 {{makes @p but its type is}}
  %q = route.choose <all> of @experts per [@token] up [] -> !route.plan<@q> as @p
  route.return
}

// -----
route.axis @token <index> {}
route.axis @half <index> size(2) {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @g <route> (%x: !route.array<f32 [@token]>) -> !route.array<f32 [@token]> {
  route.return %x : !route.array<f32 [@token]>
}
route.func @f <route> () {
  // expected-error @+1 {{does not match the type of @g}}
  route.call @g() : () -> ()
  route.return
}

// -----
route.axis @token <index> {}
route.axis @half <index> size(2) {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @f <route> (%c: !route.array<i1>, %x: !route.array<f32 [@token]>) {
  // expected-error @+1 {{has results and no else}}
  %y = route.if %c : !route.array<i1> {
    route.yield %x : !route.array<f32 [@token]>
  } -> !route.array<f32 [@token]>
  route.return
}

// -----
route.axis @token <index> {}
route.axis @half <index> size(2) {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @f <route> () {
  // expected-error @+1 {{runs over a count or over an axis, one of them}}
  route.for {
  ^bb0(%i: !route.array<i64>):
    %s = route.constant false as !route.array<i1>
    route.yield %s : !route.array<i1>
  }
  route.return
}

// -----
route.func @f <route> (%n: !route.array<!route.range<i64>>) {
  // expected-error @+1 {{runs as often, or in an order, as may be unknown}}
  route.for count (%n : !route.array<!route.range<i64>>) {
  ^bb0(%i: !route.array<i64>):
    %s = route.constant false as !route.array<i1>
    route.yield %s : !route.array<i1>
  }
  route.return
}

// -----
route.axis @token <index> {}
route.axis @half <index> size(2) {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @f <route> (%n: !route.array<i64>) {
  // expected-error @+1 {{region yields whether to stop and the carried values}}
  route.for count (%n : !route.array<i64>) {
  ^bb0(%i: !route.array<i64>):
    route.yield
  }
  route.return
}

// -----
route.axis @token <index> {}
route.axis @half <index> size(2) {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @f <route> (%n: !route.array<i64>) {
  // expected-error @+1 {{region takes the iteration and the carried values}}
  route.for count (%n : !route.array<i64>) {
    route.yield
  }
  route.return
}

// -----
// expected-error @+1 {{size -4 is not positive}}
route.axis @a <index> size(-4) {}

// -----
route.axis @a <index> {}
// expected-error @+1 {{is a plan, whose size a choice decides}}
route.axis @p <plan> size(4) in [@a] {}

// -----
// expected-error @+1 {{needs `of` exactly when it is a copy}}
route.axis @a <copy> {}

// -----
route.axis @a <index> {}
route.axis @b <index> {}
// expected-error @+1 {{has 2 parents; only plans and pools have several}}
route.axis @c <index> in [@a, @b] {}

// -----
// expected-error @+1 {{copies @nothing, which is no axis}}
route.axis @a <copy> of @nothing {}

// -----
// expected-error @+1 {{descends from @nothing, which is no axis}}
route.axis @a <index> in [@nothing] {}

// -----
// expected-error @+1 {{has no labels}}
route.enum_type @e []

// -----
route.axis @a <pool> size(2) {
  // expected-error @+1 {{needs a value exactly when it is constant}}
  route.column @c <constant> : !route.array<f32 [@a]>
}

// -----
route.axis @a <pool> size(2) {
  // expected-error @+1 {{goes stale but is not live}}
  route.column @c <state> : !route.array<f32 [@a]> stale 5
}

// -----
route.axis @a <index> {}
// expected-error @+1 {{body must yield one value of type}}
route.signal @s : !route.array<f32 [@a]> {
  %c = route.constant 1.0 : f32 as !route.array<f32>
  route.yield %c : !route.array<f32>
}

// -----
// expected-error @+1 {{has two initial values}}
route.state @s : !route.array<f32> from "t" {
  %c = route.constant 1.0 : f32 as !route.array<f32>
  route.yield %c : !route.array<f32>
}

// -----
route.func @f <route> () -> !route.array<f32> {
  // expected-error @+1 {{returns (), but @f returns}}
  route.return
}

// -----
route.axis @m <pool> size(2) {}
// expected-error @+1 {{has no window of kind "week"}}
route.budget @b of @m window "week" unit "tok" reserve {
  %w = route.constant 1.0 : f64 as !route.array<f64>
  route.yield %w : !route.array<f64>
} limit {
  %l = route.constant 1.0 : f64 as !route.array<f64>
  route.yield %l : !route.array<f64>
}

// -----
route.axis @m <pool> size(2) {}
// expected-error @+1 {{needs a length exactly when its window is fixed or sliding}}
route.budget @b of @m window "fixed" unit "tok" reserve {
  %w = route.constant 1.0 : f64 as !route.array<f64>
  route.yield %w : !route.array<f64>
} limit {
  %l = route.constant 1.0 : f64 as !route.array<f64>
  route.yield %l : !route.array<f64>
}

// -----
// expected-error @+1 {{is of @m, which is no axis}}
route.budget @b of @m window "call" unit "tok" reserve {
  %w = route.constant 1.0 : f64 as !route.array<f64>
  route.yield %w : !route.array<f64>
} limit {
  %l = route.constant 1.0 : f64 as !route.array<f64>
  route.yield %l : !route.array<f64>
}

// -----
route.axis @token <index> {}
route.axis @experts <pool> size(4) {}
// expected-error @+1 {{descends from @token twice}}
route.axis @p <plan> in [@token, @token, @experts] {}

// -----
route.axis @a.m <pool> size(2) {
  // expected-error @+1 {{and a state are both named 'a.m.won'}}
  route.column @won <state> : !route.array<i64 [@a.m]>
}
route.state @a.m.won : !route.array<i64>
