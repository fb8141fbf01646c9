// What compiled code does not cover is said where it stands.
// RUN: route-opt %s --split-input-file --verify-diagnostics --route-form-rows --convert-route-to-linalg

route.axis @token <index> {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @greedy <route> (%k: !route.array<f32 [@token, @experts]>) -> !route.plan<@p> {
  %two = route.constant 2 : i64 as !route.array<i64>
  // expected-error @+1 {{compiled code does not cover this form of choice yet; the interpreter does}}
  %p = route.choose <count> count(%two : !route.array<i64>) of @experts per [@token] up [false] greedy -> !route.plan<@p> as @p {
  ^bb0(%sofar: !route.plan<@p>):
    route.yield %k : !route.array<f32 [@token, @experts]>
  }
  route.return %p : !route.plan<@p>
}

// -----

route.axis @token <index> {}
route.axis @experts <pool> size(4) {}
route.axis @p <plan> in [@token, @experts] {}
route.func @until <route> (%k: !route.array<f32 [@token, @experts]>) -> !route.plan<@p> {
  %two = route.constant 2.0 : f32 as !route.array<f32>
  // expected-error @+1 {{compiled code does not cover `until` with a predicate other than a running sum against a threshold yet}}
  %p = route.choose <until> of @experts per [@token] by (%k : !route.array<f32 [@token, @experts]>) up [false] -> !route.plan<@p> as @p {
  ^bb0(%sofar: !route.plan<@p>):
    %kp = route.broadcast %k along %sofar : !route.array<f32 [@token, @experts]>, !route.plan<@p> to !route.array<f32 [@p]>
    %max = route.reduce <max> %kp along %sofar : !route.array<f32 [@p]>, !route.plan<@p> to !route.array<f32 [@token]>
    %far = route.compare <ge> %max, %two : !route.array<f32 [@token]>, !route.array<f32>
    route.yield %far : !route.array<i1 [@token]>
  }
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
