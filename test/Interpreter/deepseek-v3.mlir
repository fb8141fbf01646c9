// A DeepSeek-V3 layer in small: group-limited choice with a trained bias, weights
// from the plain scores, experts over the chosen rows only, and the bias update.
// RUN: route-interp %s | FileCheck %s

module attributes {
  interp.inputs = {x = dense<[[1.0, 0.0], [0.0, 1.0]]> : tensor<2x2xf32>,
    gate.bias = dense<[0.0, 0.0, 0.0, 0.5]> : tensor<4xf32>},
  interp.params = {
    "gate.w" = dense<[[0.0, 1.0], [2.0, 0.0], [1.0, 0.0], [0.0, -1.0]]> : tensor<4x2xf32>,
    "experts.w" = dense<[[[1.0, 0.0], [0.0, 1.0]], [[2.0, 0.0], [0.0, 2.0]],
                         [[4.0, 0.0], [0.0, 4.0]], [[8.0, 0.0], [0.0, 8.0]]]> : tensor<4x2x2xf32>},
  interp.script = ["run groups", "run gate", "run layer", "run gate", "emit commit gate", "state gate.bias"]
} {
  route.axis @token <index> {}
  route.axis @hidden <index> size(2) {}
  route.axis @out <index> size(2) {}
  route.axis @group <index> size(2) {}
  route.axis @experts <pool> size(4) in [@group] {}
  route.axis @best <plan> in [@token, @group, @experts] {}
  route.axis @open <plan> in [@token, @group] {}
  route.axis @p <plan> in [@token, @experts] {}
  route.signal @x : !route.array<f32 [@token, @hidden]>
  route.param @gate.w : !route.array<f32 [@experts, @hidden]> from "gate.weight"
  route.param @experts.w : !route.array<f32 [@experts, @out, @hidden]> from "experts.{experts}.weight"
  route.state @gate.bias : !route.array<f32 [@experts]> from "gate.e_score_correction_bias"

  // Keys are sigmoid(l) + bias; l is [0 2 1 0] for token 0 and [1 0 0 -1] for token 1.
  route.func @keys <route> () -> (!route.array<f32 [@token, @experts]>, !route.array<f32 [@token, @experts]>) {
    %x = route.get @x : !route.array<f32 [@token, @hidden]>
    %w = route.get @gate.w : !route.array<f32 [@experts, @hidden]>
    %b = route.get @gate.bias : !route.array<f32 [@experts]>
    %l = route.contract %x, %w over [@hidden] : !route.array<f32 [@token, @hidden]>, !route.array<f32 [@experts, @hidden]>
    %s = route.unary <sigmoid> %l : !route.array<f32 [@token, @experts]>
    %k = route.binary <add> %s, %b : !route.array<f32 [@token, @experts]>, !route.array<f32 [@experts]>
    route.return %s, %k : !route.array<f32 [@token, @experts]>, !route.array<f32 [@token, @experts]>
  }

  // One of the two groups by the sum of its best two keys. Token 0: 0.5 + 0.8808 against 0.7311 + 1.0;
  // token 1: 0.7311 + 0.5 against 0.5 + 0.7689.
  // CHECK: groups: plan @open {(0) -> 1, (1) -> 1}
  route.func @groups <route> () -> !route.plan<@open> {
    %s, %k = route.call @keys() : () -> (!route.array<f32 [@token, @experts]>, !route.array<f32 [@token, @experts]>)
    %two = route.constant 2 : i64 as !route.array<i64>
    %one = route.constant 1 : i64 as !route.array<i64>
    %best = route.choose <count> count(%two : !route.array<i64>) of @experts per [@token, @group] by (%k : !route.array<f32 [@token, @experts]>) up [false] -> !route.plan<@best> as @best
    %kb = route.broadcast %k along %best : !route.array<f32 [@token, @experts]>, !route.plan<@best> to !route.array<f32 [@best]>
    %sum = route.reduce <sum> %kb along %best : !route.array<f32 [@best]>, !route.plan<@best> to !route.array<f32 [@token, @group]>
    %open = route.choose <count> count(%one : !route.array<i64>) of @group per [@token] by (%sum : !route.array<f32 [@token, @group]>) up [false] -> !route.plan<@open> as @open
    route.return %open : !route.plan<@open>
  }

  // CHECK: gate: plan @p {(0) -> 3, (0) -> 2, (1) -> 3, (1) -> 2}
  // 2.5 * 0.5 / 1.2310586, 2.5 * 0.7310586 / 1.2310586; then 0.26894143 and 0.5 over 0.7689414.
  // CHECK: gate: f32 [@p = 4]: [1.01538{{[0-9]*}}, 1.48461{{[0-9]*}}, 0.87438{{[0-9]*}}, 1.62561{{[0-9]*}}]
  route.func @gate <router> () -> (!route.plan<@p>, !route.array<f32 [@p]>) {
    %s, %k = route.call @keys() : () -> (!route.array<f32 [@token, @experts]>, !route.array<f32 [@token, @experts]>)
    %open = route.call @groups() : () -> !route.plan<@open>
    %in = route.member %open : !route.plan<@open> -> !route.array<i1 [@token, @group]>
    %two = route.constant 2 : i64 as !route.array<i64>
    %p = route.choose <count> count(%two : !route.array<i64>) of @experts per [@token] where (%in : !route.array<i1 [@token, @group]>) by (%k : !route.array<f32 [@token, @experts]>) up [false] -> !route.plan<@p> as @p
    %sp = route.broadcast %s along %p : !route.array<f32 [@token, @experts]>, !route.plan<@p> to !route.array<f32 [@p]>
    %sum = route.reduce <sum> %sp along %p : !route.array<f32 [@p]>, !route.plan<@p> to !route.array<f32 [@token]>
    %eps = route.constant 1.0e-20 : f32 as !route.array<f32>
    %z = route.binary <add> %sum, %eps : !route.array<f32 [@token]>, !route.array<f32>
    %zp = route.broadcast %z along %p : !route.array<f32 [@token]>, !route.plan<@p> to !route.array<f32 [@p]>
    %n = route.binary <div> %sp, %zp : !route.array<f32 [@p]>, !route.array<f32 [@p]>
    %scale = route.constant 2.5 : f32 as !route.array<f32>
    %weight = route.binary <mul> %n, %scale : !route.array<f32 [@p]>, !route.array<f32>
    route.return %p, %weight : !route.plan<@p>, !route.array<f32 [@p]>
  }

  // Expert e multiplies x by 2^e: 8 * 1.01538 + 4 * 1.48461.
  // CHECK: layer: f32 [@token = 2, @out = 2]: {{\[}}[14.0615{{[0-9]*}}, 0], [0, 13.4975{{[0-9]*}}]]
  route.func @layer <route> () -> !route.array<f32 [@token, @out]> {
    %x = route.get @x : !route.array<f32 [@token, @hidden]>
    %w = route.get @experts.w : !route.array<f32 [@experts, @out, @hidden]>
    %p, %weight = route.call @gate() : () -> (!route.plan<@p>, !route.array<f32 [@p]>)
    %xp = route.broadcast %x along %p : !route.array<f32 [@token, @hidden]>, !route.plan<@p> to !route.array<f32 [@p, @hidden]>
    %wp = route.broadcast %w along %p : !route.array<f32 [@experts, @out, @hidden]>, !route.plan<@p> to !route.array<f32 [@p, @out, @hidden]>
    %y = route.contract %wp, %xp over [@hidden] : !route.array<f32 [@p, @out, @hidden]>, !route.array<f32 [@p, @hidden]>
    %wy = route.binary <mul> %y, %weight : !route.array<f32 [@p, @out]>, !route.array<f32 [@p]>
    %z = route.reduce <sum> %wy along %p : !route.array<f32 [@p, @out]>, !route.plan<@p> to !route.array<f32 [@token, @out]>
    route.return %z : !route.array<f32 [@token, @out]>
  }

  // Loads are [0 0 2 2], their mean 1: the idle experts gain 0.001, the busy ones lose it.
  // CHECK: gate.bias: f32 [@experts = 4]: [0.001, 0.001, -0.001, 0.499]
  route.func @update <handler> (%p: !route.plan<@p>, %w: !route.array<f32 [@p]>) attributes {event = "commit", of = @gate} {
    %rank = route.rank %p : !route.plan<@p> -> !route.array<i64 [@p]>
    %n = route.reduce <count> %rank along %p : !route.array<i64 [@p]>, !route.plan<@p> to !route.array<i64 [@experts]>
    %nf = route.cast %n : !route.array<i64 [@experts]> to !route.array<f32 [@experts]>
    %mean = route.reduce <mean> %n : !route.array<i64 [@experts]> to !route.array<f32>
    %d = route.binary <sub> %mean, %nf : !route.array<f32>, !route.array<f32 [@experts]>
    %sign = route.unary <sign> %d : !route.array<f32 [@experts]>
    %rate = route.constant 0.001 : f32 as !route.array<f32>
    %step = route.binary <mul> %rate, %sign : !route.array<f32>, !route.array<f32 [@experts]>
    %b = route.get @gate.bias : !route.array<f32 [@experts]>
    %next = route.binary <add> %b, %step : !route.array<f32 [@experts]>, !route.array<f32 [@experts]>
    route.set @gate.bias, %next : !route.array<f32 [@experts]>
    route.return
  }
}
