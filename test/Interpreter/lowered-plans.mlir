// Choices and reductions outside row programs mean at the tensor level what they mean on named axes: experts choose tokens,
// plans choose from plans, axes are nested with different numbers of children, keys and ends hang on the rows kept so far.
// RUN: route-interp %s > %t.route
// RUN: FileCheck %s < %t.route
// RUN: route-opt %s --route-form-rows --convert-route-to-linalg > %t.mlir
// RUN: route-interp %t.mlir > %t.tensor
// RUN: diff %t.route %t.tensor
// RUN: route-opt %t.mlir --canonicalize --cse --linalg-fuse-elementwise-ops --canonicalize > %t.fused.mlir
// RUN: route-interp %t.fused.mlir > %t.fused
// RUN: diff %t.route %t.fused

// CHECK: capacity: plan @cap.keep {(0) -> 14, (0) -> 2, (1) -> 8, (1) -> 7, (2) -> 10, (2) -> 13, (3) -> 12, (3) -> 6}
// CHECK: expert_choice: i64 [@experts = 4]: [4, 4, 4, 4]
// CHECK: nested: f32 [@image = 3]: [0.292, -inf, 1.36]
// CHECK: always: plan @al.p {(0) -> 3, (1) -> 0,
// CHECK: budgets: plan @bu.p {(0) -> 3, (0) -> 0, (1) -> 0, (1) -> 1, (2) -> 1, (2) -> 2, (3) -> 1, (3) -> 0}
module attributes {
  interp.axes = {image = 3 : i64, token = [3, 0, 5]},
  interp.inputs = {s = dense<[[-0.50, -0.88, 0x7FC00000, 0.38], [1.00, -0.75, -0.75, 0.62], [0x7FC00000, -0.12, -0.88, 0.50], [0x7FC00000, -0.50, -0.50, 0.12], [-0.38, -0.0, -0.25, -0.75], [-0.25, 0.62, 0.75, 0.75], [-0.12, -0.12, -0.0, 0.88], [0.75, -0.75, -0.0, 0.25]]> : tensor<8x4xf32>, x = dense<[[-1.392, -0.044], [-1.843, 0.673], [1.058, 0.292], [1.502, -0.745], [0.781, 0.377], [0.320, -0.175], [1.360, 1.779], [-0.104, 0.657]]> : tensor<8x2xf32>,
    n = dense<[-1, 4, 4]> : tensor<3xi64>, label = dense<[1, 2, 2, 2, 1, 1, 2, 1]> : tensor<8xi64>, table = dense<[[4, 1, -1], [2, 1, 0], [3, -1, 2], [-1, 0, 5], [1, 0, 4], [0, 2, 2], [5, 2, -1], [0, 2, 2]]> : tensor<8x3xi64>}
} {
  route.axis @group <index> size(2) {}
  route.axis @image <index> {}
  route.axis @token <index> in [@image] {}
  route.axis @"token'" <copy> in [@image] of @token {}
  route.axis @experts <pool> size(4) in [@group] {}
  route.axis @bits <pool> size(2) {}
  route.axis @d <index> size(2) {}
  route.axis @pick <index> size(3) {}

  // Three rows of each expert in all; 5.5 in all for each group; none above 2.5.
  route.budget @room of @experts window "batch" reserve {
    %r = route.constant 1.0 : f64 as !route.array<f64>
    route.yield %r : !route.array<f64>
  } limit {
    %l = route.constant 3.0 : f64 as !route.array<f64>
    route.yield %l : !route.array<f64>
  } per {
    %m = route.iota -> !route.array<!route.ref<@experts> [@experts]>
    route.yield %m : !route.array<!route.ref<@experts> [@experts]>
  }
  route.budget @group_total of @experts window "batch" reserve {
    %r = route.constant dense<[0.7, 0.1, 1.3, 3.0]> : tensor<4xf64> as !route.array<f64 [@experts]>
    route.yield %r : !route.array<f64 [@experts]>
  } limit {
    %l = route.constant 5.5 : f64 as !route.array<f64>
    route.yield %l : !route.array<f64>
  } per {
    %g = route.iota -> !route.array<i64 [@group]>
    route.yield %g : !route.array<i64 [@group]>
  }
  route.budget @small of @experts window "call" reserve {
    %r = route.constant dense<[0.7, 0.1, 1.3, 3.0]> : tensor<4xf64> as !route.array<f64 [@experts]>
    route.yield %r : !route.array<f64 [@experts]>
  } limit {
    %l = route.constant 2.5 : f64 as !route.array<f64>
    route.yield %l : !route.array<f64>
  }
  route.axis @al.p <plan> in [@token, @experts] {}
  route.axis @bu.p <plan> in [@token, @experts] {}
  route.axis @bu.q <plan> in [@token, @experts] {}
  route.axis @cap.keep <plan> in [@experts, @cap.p] {}
  route.axis @cap.p <plan> in [@token, @experts] {}
  route.axis @cc.a <plan> in [@experts, @image, @token] {}
  route.axis @cc.ab <plan> in [@experts, @image, @token] {}
  route.axis @cc.b <plan> in [@experts, @image, @token] {}
  route.axis @cc.f <plan> in [@experts, @image, @token] {}
  route.axis @ec.q <plan> in [@experts, @image, @token] {}
  route.axis @gr.p <plan> in [@token, @experts] {}
  route.axis @gu.p <plan> in [@token, @experts] {}
  route.axis @li.p <plan> in [@token, @experts] {}
  route.axis @nb.p <plan> in [@token, @"token'"] {}
  route.axis @un.p <plan> in [@token, @experts] {}
  route.axis @wd.p <plan> in [@token, @experts] {}
  route.axis @wd.w <plan> in [@wd.p, @bits] {}

  route.func @capacity <route> (%s: !route.array<f32 [@token, @experts]> {route.name = "s"}) -> (!route.plan<@cap.p>, !route.plan<@cap.keep>, !route.array<i64 [@cap.keep]>, !route.array<i64 [@token]>, !route.array<i1 [@cap.p]>, !route.array<f32 [@token]>, !route.array<f32 [@experts]>, !route.array<i64 [@group]>) {
    %two = route.constant 2 : i64 as !route.array<i64>
    %cap.p = route.choose <count> count(%two : !route.array<i64>) of @experts per [@token] by (%s : !route.array<f32 [@token, @experts]>) up [false] -> !route.plan<@cap.p> as @cap.p
    %r = route.rank %cap.p : !route.plan<@cap.p> -> !route.array<i64 [@cap.p]>
    %t = route.iota -> !route.array<i64 [@token]>
    %cap.keep = route.choose <count> count(%two : !route.array<i64>) of @cap.p from %cap.p : !route.plan<@cap.p> per [@experts] by (%r, %t : !route.array<i64 [@cap.p]>, !route.array<i64 [@token]>) up [true, false] -> !route.plan<@cap.keep> as @cap.keep
    %tk = route.broadcast %t along %cap.keep : !route.array<i64 [@token]>, !route.plan<@cap.keep> to !route.array<i64 [@cap.keep]>
    %n = route.reduce <count> %tk along %cap.keep : !route.array<i64 [@cap.keep]>, !route.plan<@cap.keep> to !route.array<i64 [@token]>
    %m = route.member %cap.keep : !route.plan<@cap.keep> -> !route.array<i1 [@cap.p]>
    %sk = route.broadcast %s along %cap.keep : !route.array<f32 [@token, @experts]>, !route.plan<@cap.keep> to !route.array<f32 [@cap.keep]>
    %sum = route.reduce <sum> %sk along %cap.keep : !route.array<f32 [@cap.keep]>, !route.plan<@cap.keep> to !route.array<f32 [@token]>
    %mean = route.reduce <mean> %sk along %cap.keep : !route.array<f32 [@cap.keep]>, !route.plan<@cap.keep> to !route.array<f32 [@experts]>
    %g = route.reduce <count> %tk along %cap.keep : !route.array<i64 [@cap.keep]>, !route.plan<@cap.keep> to !route.array<i64 [@group]>
    route.return %cap.p, %cap.keep, %tk, %n, %m, %sum, %mean, %g : !route.plan<@cap.p>, !route.plan<@cap.keep>, !route.array<i64 [@cap.keep]>, !route.array<i64 [@token]>, !route.array<i1 [@cap.p]>, !route.array<f32 [@token]>, !route.array<f32 [@experts]>, !route.array<i64 [@group]>
  }

  route.func @expert_choice <route> (%s: !route.array<f32 [@token, @experts]> {route.name = "s"}, %n: !route.array<i64 [@image]> {route.name = "n"}) -> (!route.plan<@ec.q>, !route.array<f32 [@ec.q]>, !route.array<f32 [@token]>, !route.array<i64 [@experts]>, !route.array<i64 [@image]>, !route.array<f32 [@image]>, !route.array<i1 [@token]>, !route.array<i1 [@experts, @token]>) {
    %q = route.choose <count> count(%n : !route.array<i64 [@image]>) of @token per [@experts, @image] by (%s : !route.array<f32 [@token, @experts]>) up [false] -> !route.plan<@ec.q> as @ec.q
    %w = route.broadcast %s along %q : !route.array<f32 [@token, @experts]>, !route.plan<@ec.q> to !route.array<f32 [@ec.q]>
    %sum = route.reduce <sum> %w along %q : !route.array<f32 [@ec.q]>, !route.plan<@ec.q> to !route.array<f32 [@token]>
    %e = route.reduce <count> %w along %q : !route.array<f32 [@ec.q]>, !route.plan<@ec.q> to !route.array<i64 [@experts]>
    %i = route.reduce <count> %w along %q : !route.array<f32 [@ec.q]>, !route.plan<@ec.q> to !route.array<i64 [@image]>
    %mx = route.reduce <max> %w along %q : !route.array<f32 [@ec.q]>, !route.plan<@ec.q> to !route.array<f32 [@image]>
    %m = route.member %q : !route.plan<@ec.q> -> !route.array<i1 [@token]>
    %mm = route.member %q : !route.plan<@ec.q> -> !route.array<i1 [@experts, @token]>
    route.return %q, %w, %sum, %e, %i, %mx, %m, %mm : !route.plan<@ec.q>, !route.array<f32 [@ec.q]>, !route.array<f32 [@token]>, !route.array<i64 [@experts]>, !route.array<i64 [@image]>, !route.array<f32 [@image]>, !route.array<i1 [@token]>, !route.array<i1 [@experts, @token]>
  }

  route.func @widths <route> (%s: !route.array<f32 [@token, @experts]> {route.name = "s"}) -> (!route.plan<@wd.p>, !route.plan<@wd.w>, !route.array<f32 [@token]>, !route.array<f32 [@wd.w]>) {
    %two = route.constant 2 : i64 as !route.array<i64>
    %wd.p = route.choose <count> count(%two : !route.array<i64>) of @experts per [@token] by (%s : !route.array<f32 [@token, @experts]>) up [false] -> !route.plan<@wd.p> as @wd.p
    %r = route.rank %wd.p : !route.plan<@wd.p> -> !route.array<i64 [@wd.p]>
    %b = route.iota -> !route.array<i64 [@bits]>
    %x = route.binary <bit_xor> %r, %b : !route.array<i64 [@wd.p]>, !route.array<i64 [@bits]>
    %one = route.constant 1 : i64 as !route.array<i64>
    %w = route.choose <count> count(%one : !route.array<i64>) of @bits per [@wd.p] by (%x : !route.array<i64 [@wd.p, @bits]>) up [false] -> !route.plan<@wd.w> as @wd.w
    %kw = route.broadcast %s along %w : !route.array<f32 [@token, @experts]>, !route.plan<@wd.w> to !route.array<f32 [@wd.w]>
    %s2 = route.reduce <sum> %kw along %w : !route.array<f32 [@wd.w]>, !route.plan<@wd.w> to !route.array<f32 [@token]>
    route.return %wd.p, %w, %s2, %kw : !route.plan<@wd.p>, !route.plan<@wd.w>, !route.array<f32 [@token]>, !route.array<f32 [@wd.w]>
  }

  route.func @nested <route> (%x: !route.array<f32 [@token, @d]> {route.name = "x"}, %l: !route.array<i64 [@token]> {route.name = "label"}) -> (!route.array<f32 [@image, @d]>, !route.array<f32 [@image, @d]>, !route.array<f32 [@image]>, !route.array<i1 [@image]>, !route.array<i64 [@image]>, !route.array<!route.ref<@token> [@image]>, !route.array<i64 [@image]>, !route.array<f32 [@token, @d]>, !route.array<i64>) {
    %sum = route.reduce <sum> %x : !route.array<f32 [@token, @d]> to !route.array<f32 [@image, @d]>
    %mean = route.reduce <mean> %x : !route.array<f32 [@token, @d]> to !route.array<f32 [@image, @d]>
    %one = route.reduce <min> %x : !route.array<f32 [@token, @d]> to !route.array<f32 [@token]>
    %mx = route.reduce <max> %one : !route.array<f32 [@token]> to !route.array<f32 [@image]>
    %zero = route.constant 0.0 : f32 as !route.array<f32>
    %pos = route.compare <gt> %one, %zero : !route.array<f32 [@token]>, !route.array<f32>
    %any = route.reduce <any> %pos : !route.array<i1 [@token]> to !route.array<i1 [@image]>
    %cnt = route.reduce <count> %pos : !route.array<i1 [@token]> to !route.array<i64 [@image]>
    %arg = route.reduce <argmax> %one : !route.array<f32 [@token]> to !route.array<!route.ref<@token> [@image]>
    %mode = route.reduce <mode> %l : !route.array<i64 [@token]> to !route.array<i64 [@image]>
    %down = route.broadcast %mean : !route.array<f32 [@image, @d]> to !route.array<f32 [@token, @d]>
    %all = route.reduce <mode> %l : !route.array<i64 [@token]> to !route.array<i64>
    route.return %sum, %mean, %mx, %any, %cnt, %arg, %mode, %down, %all : !route.array<f32 [@image, @d]>, !route.array<f32 [@image, @d]>, !route.array<f32 [@image]>, !route.array<i1 [@image]>, !route.array<i64 [@image]>, !route.array<!route.ref<@token> [@image]>, !route.array<i64 [@image]>, !route.array<f32 [@token, @d]>, !route.array<i64>
  }

  route.func @neighbours <route> (%x: !route.array<f32 [@token, @d]> {route.name = "x"}) -> (!route.plan<@nb.p>, !route.array<f32 [@nb.p, @d]>, !route.array<f32 [@token, @d]>) {
    %two = route.constant 2 : i64 as !route.array<i64>
    %y = route.rename %x [@token] to [@"token'"] : !route.array<f32 [@token, @d]> to !route.array<f32 [@"token'", @d]>
    %k = route.contract %x, %y over [@d] : !route.array<f32 [@token, @d]>, !route.array<f32 [@"token'", @d]>
    %p = route.choose <count> count(%two : !route.array<i64>) of @"token'" per [@token] by (%k : !route.array<f32 [@token, @"token'"]>) up [false] -> !route.plan<@nb.p> as @nb.p
    %yp = route.broadcast %y along %p : !route.array<f32 [@"token'", @d]>, !route.plan<@nb.p> to !route.array<f32 [@nb.p, @d]>
    %sum = route.reduce <sum> %yp along %p : !route.array<f32 [@nb.p, @d]>, !route.plan<@nb.p> to !route.array<f32 [@token, @d]>
    route.return %p, %yp, %sum : !route.plan<@nb.p>, !route.array<f32 [@nb.p, @d]>, !route.array<f32 [@token, @d]>
  }

  route.func @greedy <route> (%s: !route.array<f32 [@token, @experts]> {route.name = "s"}) -> (!route.plan<@gr.p>) {
    %two = route.constant 2 : i64 as !route.array<i64>
    %three = route.constant 3 : i64 as !route.array<i64>
    %v = route.constant dense<[[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]> : tensor<4x2xf32> as !route.array<f32 [@experts, @d]>
    %p = route.choose <count> count(%three : !route.array<i64>) of @experts per [@token] up [false] greedy -> !route.plan<@gr.p> as @gr.p {
    ^bb0(%so: !route.plan<@gr.p>):
    %vp = route.broadcast %v along %so : !route.array<f32 [@experts, @d]>, !route.plan<@gr.p> to !route.array<f32 [@gr.p, @d]>
    %sum = route.reduce <sum> %vp along %so : !route.array<f32 [@gr.p, @d]>, !route.plan<@gr.p> to !route.array<f32 [@token, @d]>
    %o = route.contract %sum, %v over [@d] : !route.array<f32 [@token, @d]>, !route.array<f32 [@experts, @d]>
    %k = route.binary <sub> %s, %o : !route.array<f32 [@token, @experts]>, !route.array<f32 [@token, @experts]>
    route.yield %k : !route.array<f32 [@token, @experts]>
    }
    route.return %p : !route.plan<@gr.p>
  }

  route.func @until <route> (%s: !route.array<f32 [@token, @experts]> {route.name = "s"}) -> (!route.plan<@un.p>, !route.array<f32 [@un.p]>) {
    %far = route.constant 0.5 : f32 as !route.array<f32>
    %p = route.choose <until> of @experts per [@token] by (%s : !route.array<f32 [@token, @experts]>) up [true] -> !route.plan<@un.p> as @un.p {
    ^bb0(%so: !route.plan<@un.p>):
    %sp = route.broadcast %s along %so : !route.array<f32 [@token, @experts]>, !route.plan<@un.p> to !route.array<f32 [@un.p]>
    %max = route.reduce <max> %sp along %so : !route.array<f32 [@un.p]>, !route.plan<@un.p> to !route.array<f32 [@token]>
    %c = route.compare <ge> %max, %far : !route.array<f32 [@token]>, !route.array<f32>
    route.yield %c : !route.array<i1 [@token]>
    }
    %w = route.broadcast %s along %p : !route.array<f32 [@token, @experts]>, !route.plan<@un.p> to !route.array<f32 [@un.p]>
    route.return %p, %w : !route.plan<@un.p>, !route.array<f32 [@un.p]>
  }

  route.func @greedy_until <route> (%s: !route.array<f32 [@token, @experts]> {route.name = "s"}) -> (!route.plan<@gu.p>) {
    %two = route.constant 2 : i64 as !route.array<i64>
    %i = route.iota -> !route.array<i64 [@experts]>
    %p = route.choose <until> of @experts per [@token] up [false, true] greedy -> !route.plan<@gu.p> as @gu.p {
    ^bb0(%so: !route.plan<@gu.p>):
    %r = route.rank %so : !route.plan<@gu.p> -> !route.array<i64 [@gu.p]>
    %n = route.reduce <count> %r along %so : !route.array<i64 [@gu.p]>, !route.plan<@gu.p> to !route.array<i64 [@token]>
    %stop = route.compare <ge> %n, %two : !route.array<i64 [@token]>, !route.array<i64>
    %k = route.binary <bit_xor> %n, %i : !route.array<i64 [@token]>, !route.array<i64 [@experts]>
    route.yield %stop, %s, %k : !route.array<i1 [@token]>, !route.array<f32 [@token, @experts]>, !route.array<i64 [@token, @experts]>
    }
    route.return %p : !route.plan<@gu.p>
  }

  route.func @always <route> (%s: !route.array<f32 [@token, @experts]> {route.name = "s"}) -> (!route.plan<@al.p>) {
    %far = route.constant 0.75 : f32 as !route.array<f32>
    %zero = route.constant 0.0 : f32 as !route.array<f32>
    %mx = route.reduce <min> %s : !route.array<f32 [@token, @experts]> to !route.array<f32 [@token]>
    %hot = route.compare <le> %mx, %zero : !route.array<f32 [@token]>, !route.array<f32>
    %cold = route.unary <logical_not> %hot : !route.array<i1 [@token]>
    %p = route.choose <until> of @experts per [@token] by (%s : !route.array<f32 [@token, @experts]>) up [false] -> !route.plan<@al.p> as @al.p {
    ^bb0(%so: !route.plan<@al.p>):
    %sp = route.broadcast %s along %so : !route.array<f32 [@token, @experts]>, !route.plan<@al.p> to !route.array<f32 [@al.p]>
    %sum = route.reduce <sum> %sp along %so : !route.array<f32 [@al.p]>, !route.plan<@al.p> to !route.array<f32 [@token]>
    %c = route.compare <ge> %sum, %far : !route.array<f32 [@token]>, !route.array<f32>
    %e = route.binary <logical_or> %cold, %c : !route.array<i1 [@token]>, !route.array<i1 [@token]>
    route.yield %e : !route.array<i1 [@token]>
    }
    route.return %p : !route.plan<@al.p>
  }

  route.func @joined <route> (%s: !route.array<f32 [@token, @experts]> {route.name = "s"}) -> (!route.plan<@cc.ab>, !route.array<f32 [@cc.ab]>, !route.plan<@cc.f>, !route.array<i64 [@experts, @image]>, !route.array<f32 [@cc.f]>) {
    %one = route.constant 1 : i64 as !route.array<i64>
    %two = route.constant 2 : i64 as !route.array<i64>
    %zero = route.constant 0.0 : f32 as !route.array<f32>
    %good = route.compare <gt> %s, %zero : !route.array<f32 [@token, @experts]>, !route.array<f32>
    %a = route.choose <count> count(%two : !route.array<i64>) of @token per [@experts, @image] where (%good : !route.array<i1 [@token, @experts]>) by (%s : !route.array<f32 [@token, @experts]>) up [false] -> !route.plan<@cc.a> as @cc.a
    %b = route.choose <all> of @token per [@experts, @image] by (%s : !route.array<f32 [@token, @experts]>) up [true] -> !route.plan<@cc.b> as @cc.b
    %sa = route.broadcast %s along %a : !route.array<f32 [@token, @experts]>, !route.plan<@cc.a> to !route.array<f32 [@cc.a]>
    %sb = route.broadcast %s along %b : !route.array<f32 [@token, @experts]>, !route.plan<@cc.b> to !route.array<f32 [@cc.b]>
    %ab, %sab = route.concat %a, %b columns(%sa, %sb) as @cc.ab : (!route.plan<@cc.a>, !route.plan<@cc.b>, !route.array<f32 [@cc.a]>, !route.array<f32 [@cc.b]>) -> (!route.plan<@cc.ab>, !route.array<f32 [@cc.ab]>)
    %most = route.reduce <max> %s : !route.array<f32 [@token, @experts]> to !route.array<f32 [@experts]>
    %w1 = route.compare <gt> %most, %zero : !route.array<f32 [@experts]>, !route.array<f32>
    %w1b = route.broadcast %w1 : !route.array<i1 [@experts]> to !route.array<i1 [@experts, @image]>
    %yes = route.constant true as !route.array<i1 [@experts, @image]>
    %f, %which, %sf = route.first_plan whens(%w1b, %yes) plans(%a, %b) columns(%sa, %sb) as @cc.f : (!route.array<i1 [@experts, @image]>, !route.array<i1 [@experts, @image]>, !route.plan<@cc.a>, !route.plan<@cc.b>, !route.array<f32 [@cc.a]>, !route.array<f32 [@cc.b]>) -> (!route.plan<@cc.f>, !route.array<i64 [@experts, @image]>, !route.array<f32 [@cc.f]>)
    route.return %ab, %sab, %f, %which, %sf : !route.plan<@cc.ab>, !route.array<f32 [@cc.ab]>, !route.plan<@cc.f>, !route.array<i64 [@experts, @image]>, !route.array<f32 [@cc.f]>
  }

  route.func @listed <route> (%s: !route.array<f32 [@token, @experts]> {route.name = "s"}, %t: !route.array<i64 [@token, @pick]> {route.name = "table"}, %l: !route.array<i64 [@token]> {route.name = "label"}) -> (!route.plan<@li.p>, !route.array<i64 [@image]>, !route.array<f32 [@image]>) {
    %zero = route.constant 0.0 : f32 as !route.array<f32>
    %ok = route.compare <ge> %s, %zero : !route.array<f32 [@token, @experts]>, !route.array<f32>
    %p = route.choose <listed> of @experts per [@token] where (%ok : !route.array<i1 [@token, @experts]>) up [] table (%t : !route.array<i64 [@token, @pick]>) -> !route.plan<@li.p> as @li.p
    %lp = route.broadcast %l along %p : !route.array<i64 [@token]>, !route.plan<@li.p> to !route.array<i64 [@li.p]>
    %vote = route.reduce <mode> %lp along %p : !route.array<i64 [@li.p]>, !route.plan<@li.p> to !route.array<i64 [@image]>
    %sp = route.broadcast %s along %p : !route.array<f32 [@token, @experts]>, !route.plan<@li.p> to !route.array<f32 [@li.p]>
    %sum = route.reduce <sum> %sp along %p : !route.array<f32 [@li.p]>, !route.plan<@li.p> to !route.array<f32 [@image]>
    route.return %p, %vote, %sum : !route.plan<@li.p>, !route.array<i64 [@image]>, !route.array<f32 [@image]>
  }

  route.func @budgets <route> (%s: !route.array<f32 [@token, @experts]> {route.name = "s"}) -> (!route.plan<@bu.p>, !route.plan<@bu.q>) {
    %two = route.constant 2 : i64 as !route.array<i64>
    %p = route.choose <count> count(%two : !route.array<i64>) of @experts per [@token] by (%s : !route.array<f32 [@token, @experts]>) up [false] under [@room, @group_total] -> !route.plan<@bu.p> as @bu.p
    %q = route.choose <all> of @experts per [@token] by (%s : !route.array<f32 [@token, @experts]>) up [true] under [@room, @small] -> !route.plan<@bu.q> as @bu.q
    route.return %p, %q : !route.plan<@bu.p>, !route.plan<@bu.q>
  }

  route.func @numbers <route> (%l: !route.array<i64 [@token]> {route.name = "label"}, %x: !route.array<f32 [@token, @d]> {route.name = "x"}) -> (!route.array<i64 [@token]>, !route.array<i64 [@token]>, !route.array<i64 [@token]>, !route.array<i64 [@token]>, !route.array<f32 [@token, @d]>) {
    %c3 = route.constant 3 : i64 as !route.array<i64>
    %two = route.constant 2 : i64 as !route.array<i64>
    %a = route.binary <sub> %l, %two : !route.array<i64 [@token]>, !route.array<i64>
    %m3 = route.unary <neg> %c3 : !route.array<i64>
    %mod = route.binary <mod> %a, %c3 : !route.array<i64 [@token]>, !route.array<i64>
    %fl = route.binary <floordiv> %l, %m3 : !route.array<i64 [@token]>, !route.array<i64>
    %q = route.binary <div> %two, %a : !route.array<i64>, !route.array<i64 [@token]>
    %pw = route.binary <pow> %c3, %a : !route.array<i64>, !route.array<i64 [@token]>
    %h = route.constant -0.3 : f32 as !route.array<f32>
    %fm = route.binary <mod> %x, %h : !route.array<f32 [@token, @d]>, !route.array<f32>
    route.return %mod, %fl, %q, %pw, %fm : !route.array<i64 [@token]>, !route.array<i64 [@token]>, !route.array<i64 [@token]>, !route.array<i64 [@token]>, !route.array<f32 [@token, @d]>
  }
}
