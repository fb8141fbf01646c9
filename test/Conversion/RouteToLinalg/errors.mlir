// What compiled code does not cover is said where it stands.
// RUN: route-opt %s --split-input-file --verify-diagnostics --route-form-rows --convert-route-to-linalg

route.axis @token <index> {}
route.axis @links <pool> size(4) {}
route.axis @p <plan> in [@token, @links] {}
route.func @path <route> (%c: !route.array<f32 [@links]>, %from: !route.array<i64 [@links]>, %to: !route.array<i64 [@links]>,
    %a: !route.array<i64 [@token]>, %b: !route.array<i64 [@token]>) -> !route.plan<@p> {
  // expected-error @+1 {{compiled code does not cover a path over ends of this type yet; the interpreter does}}
  %p = route.choose <path> of @links per [@token] by (%c : !route.array<f32 [@links]>) up [true]
    table (%from, %to : !route.array<i64 [@links]>, !route.array<i64 [@links]>)
    ends (%a, %b : !route.array<i64 [@token]>, !route.array<i64 [@token]>) -> !route.plan<@p> as @p
  route.return %p : !route.plan<@p>
}

// -----

route.axis @token <index> {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
// expected-error @+1 {{compiled code does not cover budgets that last beyond the call: 'daily' yet; the interpreter does}}
route.budget @daily of @experts window "day" zone "UTC" reserve {
  %r = route.constant 1.0 : f64 as !route.array<f64>
  route.yield %r : !route.array<f64>
} limit {
  %l = route.constant 4.0 : f64 as !route.array<f64>
  route.yield %l : !route.array<f64>
}
route.func @lasting <route> (%k: !route.array<f32 [@token, @experts]>) -> !route.plan<@p> {
  %two = route.constant 2 : i64 as !route.array<i64>
  %p = route.choose <count> count(%two : !route.array<i64>) of @experts per [@token] by (%k : !route.array<f32 [@token, @experts]>) up [false] under [@daily] -> !route.plan<@p> as @p
  route.return %p : !route.plan<@p>
}

// -----

route.axis @token <index> {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
// expected-error @+1 {{compiled code does not cover the alarm of budget 'room' yet; the interpreter does}}
route.budget @room of @experts window "batch" warn 8.0e-01 reserve {
  %r = route.constant 1.0 : f64 as !route.array<f64>
  route.yield %r : !route.array<f64>
} limit {
  %l = route.constant 4.0 : f64 as !route.array<f64>
  route.yield %l : !route.array<f64>
}
route.func @both <route> (%k: !route.array<f32 [@token, @experts]>) -> !route.plan<@p> {
  %two = route.constant 2 : i64 as !route.array<i64>
  %p = route.choose <count> count(%two : !route.array<i64>) of @experts per [@token] by (%k : !route.array<f32 [@token, @experts]>) up [false] under [@room] -> !route.plan<@p> as @p
  route.return %p : !route.plan<@p>
}

// -----

route.axis @token <index> {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
// expected-error @+1 {{no entry of this module gives plan @p}}
route.func @gate.commit <handler> (%p: !route.plan<@p>) attributes {event = "commit"} {
  route.return
}

// -----

route.axis @token <index> {
  route.column @text <input> : !route.array<!route.text [@token]>
}
route.func @bad <route> () -> !route.array<i1 [@token]> {
  %t = route.get @token::@text : !route.array<!route.text [@token]>
  // expected-error @+1 {{a+}}
  %m = route.text_fn "regex"(%t) {pattern = "(a+"} : (!route.array<!route.text [@token]>) -> !route.array<i1 [@token]>
  route.return %m : !route.array<i1 [@token]>
}

// -----

// What is bound once has one size for all calls.
route.axis @token <index> {}
route.axis @experts <pool> {}
// expected-error @+1 {{compiled code does not cover parameters and state over an axis whose size the call decides yet; the interpreter does}}
route.param @w : !route.array<f32 [@experts]> from "w"
route.func @sum <route> (%x: !route.array<f32 [@token]>) -> !route.array<f32 [@token]> {
  %w = route.get @w : !route.array<f32 [@experts]>
  %s = route.reduce <sum> %w : !route.array<f32 [@experts]> to !route.array<f32>
  %y = route.binary <mul> %x, %s : !route.array<f32 [@token]>, !route.array<f32>
  route.return %y : !route.array<f32 [@token]>
}
