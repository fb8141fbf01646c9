// Plans as values and as axes: ranks, membership, joining, choosing from a plan and per row of one.
// RUN: route-interp %s | FileCheck %s

module attributes {interp.script = ["run rank", "run member", "run concat", "run first", "run capacity", "run widths", "run chain"]} {
  route.axis @group <index> size(2) {}
  route.axis @token <index> size(3) {}
  route.axis @experts <pool> size(4) in [@group] {}
  route.axis @bits <pool> size(2) {}
  route.axis @d <index> size(2) {}
  route.axis @p <plan> in [@token, @experts] {}
  route.axis @q <plan> in [@token, @experts] {}
  route.axis @pq <plan> in [@token, @experts] {}
  route.axis @keep <plan> in [@experts, @p] {}
  route.axis @width <plan> in [@p, @bits] {}

  // Token 0 takes 0 and 1, token 1 takes 1 and 0, token 2 takes 1 and 3.
  route.func @two <route> () -> (!route.plan<@p>, !route.array<f32 [@token, @experts]>) {
    %k = route.constant dense<[[4.0, 3.0, 2.0, 1.0], [3.0, 4.0, 2.0, 1.0], [0.0, 4.0, 0.0, 2.0]]> : tensor<3x4xf32> as !route.array<f32 [@token, @experts]>
    %c = route.constant 2 : i64 as !route.array<i64>
    %p = route.choose <count> count(%c : !route.array<i64>) of @experts per [@token] by (%k : !route.array<f32 [@token, @experts]>) up [false] -> !route.plan<@p> as @p
    route.return %p, %k : !route.plan<@p>, !route.array<f32 [@token, @experts]>
  }
  // CHECK: rank: i64 [@p = 6]: [0, 1, 0, 1, 0, 1]
  route.func @rank <route> () -> !route.array<i64 [@p]> {
    %p, %k = route.call @two() : () -> (!route.plan<@p>, !route.array<f32 [@token, @experts]>)
    %r = route.rank %p : !route.plan<@p> -> !route.array<i64 [@p]>
    route.return %r : !route.array<i64 [@p]>
  }
  // In the pair, in the token, in the experts' group.
  // CHECK: member: i1 [@token = 3, @experts = 4]: {{\[}}[true, true, false, false], [true, true, false, false], [false, true, false, true]]
  // CHECK: member: i1 [@experts = 4]: [true, true, false, true]
  // CHECK: member: i1 [@token = 3, @group = 2]: {{\[}}[true, false], [true, false], [true, true]]
  // CHECK: member: !route.range<i1> [@experts = 4]: [true, true, false, true]
  route.func @member <route> () -> (!route.array<i1 [@token, @experts]>, !route.array<i1 [@experts]>, !route.array<i1 [@token, @group]>, !route.array<!route.range<i1> [@experts]>) {
    %p, %k = route.call @two() : () -> (!route.plan<@p>, !route.array<f32 [@token, @experts]>)
    %a = route.member %p : !route.plan<@p> -> !route.array<i1 [@token, @experts]>
    %b = route.member %p : !route.plan<@p> -> !route.array<i1 [@experts]>
    %c = route.member %p : !route.plan<@p> -> !route.array<i1 [@token, @group]>
    %d = route.member %p : !route.plan<@p> -> !route.array<!route.range<i1> [@experts]>
    route.return %a, %b, %c, %d : !route.array<i1 [@token, @experts]>, !route.array<i1 [@experts]>, !route.array<i1 [@token, @group]>, !route.array<!route.range<i1> [@experts]>
  }
  // b is chosen among what a left; rows of a come first, item by item, and columns go along.
  // CHECK: concat: plan @pq {(0) -> 0, (0) -> 1, (0) -> 2, (1) -> 1, (1) -> 0, (1) -> 2, (2) -> 1, (2) -> 3, (2) -> 0}
  // CHECK: concat: f32 [@pq = 9]: [4, 3, -2, 4, 3, -2, 4, 2, -0]
  // CHECK: concat: f32 [@pq = 9, @d = 2]: {{\[}}[1, 1], [1, 1], [2, 2],
  // CHECK: concat: i64 [@pq = 9]: [0, 1, 2, 0, 1, 2, 0, 1, 2]
  route.func @concat <route> () -> (!route.plan<@pq>, !route.array<f32 [@pq]>, !route.array<f32 [@pq, @d]>, !route.array<i64 [@pq]>) {
    %p, %k = route.call @two() : () -> (!route.plan<@p>, !route.array<f32 [@token, @experts]>)
    %in = route.member %p : !route.plan<@p> -> !route.array<i1 [@token, @experts]>
    %out = route.unary <logical_not> %in : !route.array<i1 [@token, @experts]>
    %one = route.constant 1 : i64 as !route.array<i64>
    %q = route.choose <count> count(%one : !route.array<i64>) of @experts per [@token] where (%out : !route.array<i1 [@token, @experts]>) by (%k : !route.array<f32 [@token, @experts]>) up [false] -> !route.plan<@q> as @q
    %kp = route.broadcast %k along %p : !route.array<f32 [@token, @experts]>, !route.plan<@p> to !route.array<f32 [@p]>
    %kq = route.broadcast %k along %q : !route.array<f32 [@token, @experts]>, !route.plan<@q> to !route.array<f32 [@q]>
    %nq = route.unary <neg> %kq : !route.array<f32 [@q]>
    %cp = route.constant 1.0 : f32 as !route.array<f32 [@d]>
    %cq = route.constant 2.0 : f32 as !route.array<f32 [@d]>
    %dp = route.broadcast %cp along %p : !route.array<f32 [@d]>, !route.plan<@p> to !route.array<f32 [@p, @d]>
    %dq = route.broadcast %cq along %q : !route.array<f32 [@d]>, !route.plan<@q> to !route.array<f32 [@q, @d]>
    %pq, %kpq, %dpq = route.concat %p, %q columns(%kp, %dp, %nq, %dq) as @pq : (!route.plan<@p>, !route.plan<@q>, !route.array<f32 [@p]>, !route.array<f32 [@p, @d]>, !route.array<f32 [@q]>, !route.array<f32 [@q, @d]>) -> (!route.plan<@pq>, !route.array<f32 [@pq]>, !route.array<f32 [@pq, @d]>)
    %r = route.rank %pq : !route.plan<@pq> -> !route.array<i64 [@pq]>
    route.return %pq, %kpq, %dpq, %r : !route.plan<@pq>, !route.array<f32 [@pq]>, !route.array<f32 [@pq, @d]>, !route.array<i64 [@pq]>
  }
  // Token 0: the first rule fires. Token 1: the first is unknown and passed over. Token 2: the first fires but has no
  // row; the second is false.
  // CHECK: first: plan @pq {(0) -> 3, (1) -> 1, (1) -> 0}
  // CHECK: first: i64 [@token = 3]: [0, 1, -1]
  // CHECK: first: f32 [@pq = 3]: [-1, 4, 3]
  route.func @first <route> () -> (!route.plan<@pq>, !route.array<i64 [@token]>, !route.array<f32 [@pq]>) {
    %p, %k = route.call @two() : () -> (!route.plan<@p>, !route.array<f32 [@token, @experts]>)
    %m = route.constant dense<[true, true, false]> : tensor<3xi1> as !route.array<i1 [@token]>
    %one = route.constant 1 : i64 as !route.array<i64>
    %q = route.choose <count> count(%one : !route.array<i64>) of @experts per [@token] where (%m : !route.array<i1 [@token]>) by (%k : !route.array<f32 [@token, @experts]>) up [true] -> !route.plan<@q> as @q
    %kp = route.broadcast %k along %p : !route.array<f32 [@token, @experts]>, !route.plan<@p> to !route.array<f32 [@p]>
    %kq = route.broadcast %k along %q : !route.array<f32 [@token, @experts]>, !route.plan<@q> to !route.array<f32 [@q]>
    %nq = route.unary <neg> %kq : !route.array<f32 [@q]>
    %u = route.unknown : !route.array<!route.range<i1> [@token]>
    %t = route.constant dense<[true, false, true]> : tensor<3xi1> as !route.array<i1 [@token]>
    %w1 = route.binary <logical_or> %u, %t : !route.array<!route.range<i1> [@token]>, !route.array<i1 [@token]>
    %w2 = route.constant dense<[true, true, false]> : tensor<3xi1> as !route.array<i1 [@token]>
    %pq, %i, %c = route.first_plan whens(%w1, %w2) plans(%q, %p) columns(%nq, %kp) as @pq : (!route.array<!route.range<i1> [@token]>, !route.array<i1 [@token]>, !route.plan<@q>, !route.plan<@p>, !route.array<f32 [@q]>, !route.array<f32 [@p]>) -> (!route.plan<@pq>, !route.array<i64 [@token]>, !route.array<f32 [@pq]>)
    route.return %pq, %i, %c : !route.plan<@pq>, !route.array<i64 [@token]>, !route.array<f32 [@pq]>
  }
  // Capacity: each expert keeps two rows of the plan, lower rank first, then the later token. Rows of p are
  // 0: (0,0) 1: (0,1) 2: (1,1) 3: (1,0) 4: (2,1) 5: (2,3). A column over p reaches the kept rows; so does one over tokens.
  // CHECK: capacity: plan @keep {(0) -> 0, (0) -> 3, (1) -> 4, (1) -> 2, (3) -> 5}
  // CHECK: capacity: i64 [@keep = 5]: [0, 1, 2, 1, 2]
  // CHECK: capacity: i64 [@token = 3]: [1, 2, 2]
  // CHECK: capacity: i1 [@p = 6]: [true, false, true, true, true, true]
  route.func @capacity <route> () -> (!route.plan<@keep>, !route.array<i64 [@keep]>, !route.array<i64 [@token]>, !route.array<i1 [@p]>) {
    %p, %k = route.call @two() : () -> (!route.plan<@p>, !route.array<f32 [@token, @experts]>)
    %r = route.rank %p : !route.plan<@p> -> !route.array<i64 [@p]>
    %t = route.iota -> !route.array<i64 [@token]>
    %c = route.constant 2 : i64 as !route.array<i64>
    %keep = route.choose <count> count(%c : !route.array<i64>) of @p from %p : !route.plan<@p> per [@experts] by (%r, %t : !route.array<i64 [@p]>, !route.array<i64 [@token]>) up [true, false] -> !route.plan<@keep> as @keep
    %tk = route.broadcast %t along %keep : !route.array<i64 [@token]>, !route.plan<@keep> to !route.array<i64 [@keep]>
    %n = route.reduce <count> %tk along %keep : !route.array<i64 [@keep]>, !route.plan<@keep> to !route.array<i64 [@token]>
    %m = route.member %keep : !route.plan<@keep> -> !route.array<i1 [@p]>
    route.return %keep, %tk, %n, %m : !route.plan<@keep>, !route.array<i64 [@keep]>, !route.array<i64 [@token]>, !route.array<i1 [@p]>
  }
  // One bit width for every row of the plan.
  // CHECK: widths: plan @width {(0) -> 1, (1) -> 0, (2) -> 1, (3) -> 0, (4) -> 1, (5) -> 0}
  // CHECK: widths: f32 [@token = 3]: [7, 7, 6]
  route.func @widths <route> () -> (!route.plan<@width>, !route.array<f32 [@token]>) {
    %p, %k = route.call @two() : () -> (!route.plan<@p>, !route.array<f32 [@token, @experts]>)
    %r = route.rank %p : !route.plan<@p> -> !route.array<i64 [@p]>
    %b = route.iota -> !route.array<i64 [@bits]>
    %d = route.binary <bit_xor> %r, %b : !route.array<i64 [@p]>, !route.array<i64 [@bits]>
    %c = route.constant 1 : i64 as !route.array<i64>
    %w = route.choose <count> count(%c : !route.array<i64>) of @bits per [@p] by (%d : !route.array<i64 [@p, @bits]>) up [false] -> !route.plan<@width> as @width
    %kw = route.broadcast %k along %w : !route.array<f32 [@token, @experts]>, !route.plan<@width> to !route.array<f32 [@width]>
    %s = route.reduce <sum> %kw along %w : !route.array<f32 [@width]>, !route.plan<@width> to !route.array<f32 [@token]>
    route.return %w, %s : !route.plan<@width>, !route.array<f32 [@token]>
  }
  // A column of the first plan through the second.
  // CHECK: chain: f32 [@width = 6]: [4, 3, 4, 3, 4, 2]
  route.func @chain <route> () -> !route.array<f32 [@width]> {
    %p, %k = route.call @two() : () -> (!route.plan<@p>, !route.array<f32 [@token, @experts]>)
    %kp = route.broadcast %k along %p : !route.array<f32 [@token, @experts]>, !route.plan<@p> to !route.array<f32 [@p]>
    %b = route.iota -> !route.array<i64 [@bits]>
    %c = route.constant 1 : i64 as !route.array<i64>
    %kb = route.broadcast %b along %p : !route.array<i64 [@bits]>, !route.plan<@p> to !route.array<i64 [@p, @bits]>
    %w = route.choose <count> count(%c : !route.array<i64>) of @bits per [@p] by (%kb : !route.array<i64 [@p, @bits]>) up [false] -> !route.plan<@width> as @width
    %kw = route.broadcast %kp along %w : !route.array<f32 [@p]>, !route.plan<@width> to !route.array<f32 [@width]>
    route.return %kw : !route.array<f32 [@width]>
  }
}
