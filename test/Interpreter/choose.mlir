// Choice by keys: counts, ties, NaN, signed zeros, infinities, masks, too few candidates, nesting.
// RUN: route-interp %s | FileCheck %s

module attributes {interp.axes = {none = 0 : i64}, interp.script = ["run ties", "run corners", "run lowest", "run counts",
    "run excess", "run no_items", "run no_candidates", "run masks", "run tuple", "run unknown", "run all", "run nested",
    "run several", "run scalar", "run ints", "run names", "run siblings"]} {
  route.axis @token <index> size(2) {}
  route.axis @none <index> {}
  route.axis @group <index> size(2) {}
  route.axis @experts <pool> size(6) in [@group] {}
  route.axis @image <index> size(2) {}
  route.axis @region <index> size(4) in [@image] {}
  route.axis @"region'" <copy> in [@image] of @region {}
  route.axis @p <plan> in [@token, @experts] {}
  route.axis @q <plan> in [@none, @experts] {}
  route.axis @r <plan> in [@token, @none] {}
  route.axis @g <plan> in [@token, @group, @experts] {}
  route.axis @s <plan> in [@experts] {}
  route.axis @e <plan> in [@group, @token, @experts] {}
  route.axis @b <plan> in [@region, @"region'"] {}

  // Equal keys: the lower position first.
  // CHECK: ties: plan @p {(0) -> 1, (0) -> 3, (0) -> 5, (1) -> 0, (1) -> 1, (1) -> 2}
  route.func @ties <route> () -> !route.plan<@p> {
    %k = route.constant dense<[[0.0, 1.0, 0.0, 1.0, 0.0, 1.0], [2.0, 2.0, 2.0, 2.0, 2.0, 2.0]]> : tensor<2x6xf32> as !route.array<f32 [@token, @experts]>
    %c = route.constant 3 : i64 as !route.array<i64>
    %p = route.choose <count> count(%c : !route.array<i64>) of @experts per [@token] by (%k : !route.array<f32 [@token, @experts]>) up [false] -> !route.plan<@p> as @p
    route.return %p : !route.plan<@p>
  }
  // Infinity, a number, the two zeros as equals, -inf, and NaN last.
  // CHECK: corners: plan @p {(0) -> 3, (0) -> 5, (0) -> 0, (0) -> 1, (0) -> 4, (0) -> 2
  route.func @corners <route> () -> !route.plan<@p> {
    %k = route.constant dense<[-0.0, 0.0, 0x7FC00000, 0x7F800000, 0xFF800000, 1.0]> : tensor<6xf32> as !route.array<f32 [@experts]>
    %c = route.constant 6 : i64 as !route.array<i64>
    %p = route.choose <count> count(%c : !route.array<i64>) of @experts per [@token] by (%k : !route.array<f32 [@experts]>) up [false] -> !route.plan<@p> as @p
    route.return %p : !route.plan<@p>
  }
  // Up: the same backwards, but NaN stays last and ties stay low.
  // CHECK: lowest: plan @p {(0) -> 4, (0) -> 0, (0) -> 1, (0) -> 5, (0) -> 3, (0) -> 2
  route.func @lowest <route> () -> !route.plan<@p> {
    %k = route.constant dense<[-0.0, 0.0, 0x7FC00000, 0x7F800000, 0xFF800000, 1.0]> : tensor<6xf32> as !route.array<f32 [@experts]>
    %c = route.constant 6 : i64 as !route.array<i64>
    %p = route.choose <count> count(%c : !route.array<i64>) of @experts per [@token] by (%k : !route.array<f32 [@experts]>) up [true] -> !route.plan<@p> as @p
    route.return %p : !route.plan<@p>
  }
  // A count an item; negative is none.
  // CHECK: counts: plan @p {(1) -> 0, (1) -> 1}
  route.func @counts <route> () -> !route.plan<@p> {
    %k = route.constant 0.0 : f32 as !route.array<f32 [@experts]>
    %c = route.constant dense<[-1, 2]> : tensor<2xi64> as !route.array<i64 [@token]>
    %p = route.choose <count> count(%c : !route.array<i64 [@token]>) of @experts per [@token] by (%k : !route.array<f32 [@experts]>) up [false] -> !route.plan<@p> as @p
    route.return %p : !route.plan<@p>
  }
  // More than there are: all of them.
  // CHECK: excess: plan @s {() -> 0, () -> 1, () -> 2, () -> 3, () -> 4, () -> 5}
  route.func @excess <route> () -> !route.plan<@s> {
    %k = route.constant 0.0 : f32 as !route.array<f32 [@experts]>
    %c = route.constant 9223372036854775807 : i64 as !route.array<i64>
    %p = route.choose <count> count(%c : !route.array<i64>) of @experts per [] by (%k : !route.array<f32 [@experts]>) up [false] -> !route.plan<@s> as @s
    route.return %p : !route.plan<@s>
  }
  // CHECK: no_items: plan @q {}
  // CHECK: no_items: f32 [@q = 0]: []
  // CHECK: no_items: f32 [@experts = 6]: [0, 0, 0, 0, 0, 0]
  route.func @no_items <route> () -> (!route.plan<@q>, !route.array<f32 [@q]>, !route.array<f32 [@experts]>) {
    %k = route.constant 0.0 : f32 as !route.array<f32 [@experts]>
    %c = route.constant 2 : i64 as !route.array<i64>
    %p = route.choose <count> count(%c : !route.array<i64>) of @experts per [@none] by (%k : !route.array<f32 [@experts]>) up [false] -> !route.plan<@q> as @q
    %kp = route.broadcast %k along %p : !route.array<f32 [@experts]>, !route.plan<@q> to !route.array<f32 [@q]>
    %n = route.reduce <sum> %kp along %p : !route.array<f32 [@q]>, !route.plan<@q> to !route.array<f32 [@experts]>
    route.return %p, %kp, %n : !route.plan<@q>, !route.array<f32 [@q]>, !route.array<f32 [@experts]>
  }
  // CHECK: no_candidates: plan @r {}
  // CHECK: no_candidates: f32 [@token = 2]: [0, 0]
  route.func @no_candidates <route> () -> (!route.plan<@r>, !route.array<f32 [@token]>) {
    %k = route.constant 0.0 : f32 as !route.array<f32 [@none]>
    %c = route.constant 2 : i64 as !route.array<i64>
    %p = route.choose <count> count(%c : !route.array<i64>) of @none per [@token] by (%k : !route.array<f32 [@none]>) up [false] -> !route.plan<@r> as @r
    %kp = route.broadcast %k along %p : !route.array<f32 [@none]>, !route.plan<@r> to !route.array<f32 [@r]>
    %n = route.reduce <sum> %kp along %p : !route.array<f32 [@r]>, !route.plan<@r> to !route.array<f32 [@token]>
    route.return %p, %n : !route.plan<@r>, !route.array<f32 [@token]>
  }
  // A masked candidate is absent, however high its key; an unknown mask masks; a mask per group counts for its experts.
  // CHECK: masks: plan @p {(0) -> 1, (0) -> 2, (1) -> 3, (1) -> 4, (1) -> 5}
  // CHECK: masks: plan @p {}
  // CHECK: masks: plan @p {(0) -> 3, (0) -> 4, (0) -> 5, (1) -> 3, (1) -> 4, (1) -> 5}
  route.func @masks <route> () -> (!route.plan<@p>, !route.plan<@p>, !route.plan<@p>) {
    %k = route.constant dense<[9.0, 5.0, 4.0, 3.0, 2.0, 1.0]> : tensor<6xf32> as !route.array<f32 [@experts]>
    %m = route.constant dense<[[false, true, true, false, false, false], [false, false, false, true, true, true]]> : tensor<2x6xi1> as !route.array<i1 [@token, @experts]>
    %u = route.unknown : !route.array<!route.range<i1> [@token]>
    %g = route.constant dense<[false, true]> : tensor<2xi1> as !route.array<i1 [@group]>
    %c = route.constant 4 : i64 as !route.array<i64>
    %p = route.choose <count> count(%c : !route.array<i64>) of @experts per [@token] where (%m : !route.array<i1 [@token, @experts]>) by (%k : !route.array<f32 [@experts]>) up [false] -> !route.plan<@p> as @p
    %q = route.choose <count> count(%c : !route.array<i64>) of @experts per [@token] where (%u : !route.array<!route.range<i1> [@token]>) by (%k : !route.array<f32 [@experts]>) up [false] -> !route.plan<@p> as @p
    %r = route.choose <count> count(%c : !route.array<i64>) of @experts per [@token] where (%g : !route.array<i1 [@group]>) by (%k : !route.array<f32 [@experts]>) up [false] -> !route.plan<@p> as @p
    route.return %p, %q, %r : !route.plan<@p>, !route.plan<@p>, !route.plan<@p>
  }
  // First key up, second high first; NaNs of the first key are equal and fall to the second.
  // CHECK: tuple: plan @s {() -> 2, () -> 0, () -> 4, () -> 5, () -> 1, () -> 3}
  route.func @tuple <route> () -> !route.plan<@s> {
    %a = route.constant dense<[1.0, 0x7FC00000, 1.0, 0x7FC00000, 2.0, 2.0]> : tensor<6xf32> as !route.array<f32 [@experts]>
    %b = route.constant dense<[0, 5, 1, 4, 7, 7]> : tensor<6xi64> as !route.array<i64 [@experts]>
    %p = route.choose <all> of @experts per [] by (%a, %b : !route.array<f32 [@experts]>, !route.array<i64 [@experts]>) up [true, false] -> !route.plan<@s> as @s
    route.return %p : !route.plan<@s>
  }
  // Unknown keys rank last, even up, and an interval that is no point is unknown.
  // CHECK: unknown: plan @s {() -> 1, () -> 3, () -> 5, () -> 0, () -> 2, () -> 4}
  route.func @unknown <route> () -> !route.plan<@s> {
    %k = route.constant dense<[0.0, 5.0, 0.0, 6.0, 0.0, 7.0]> : tensor<6xf32> as !route.array<f32 [@experts]>
    %z = route.constant 0.0 : f32 as !route.array<f32>
    %c = route.compare <gt> %k, %z : !route.array<f32 [@experts]>, !route.array<f32>
    %u = route.unknown : !route.array<!route.range<f32>>
    %s = route.unary <sigmoid> %u : !route.array<!route.range<f32>>
    %x = route.select %c, %k, %s : !route.array<i1 [@experts]>, !route.array<f32 [@experts]>, !route.array<!route.range<f32>>
    %p = route.choose <all> of @experts per [] by (%x : !route.array<!route.range<f32> [@experts]>) up [true] -> !route.plan<@s> as @s
    route.return %p : !route.plan<@s>
  }
  // Without keys: in order.
  // CHECK: all: plan @s {() -> 1, () -> 4}
  route.func @all <route> () -> !route.plan<@s> {
    %m = route.constant dense<[false, true, false, false, true, false]> : tensor<6xi1> as !route.array<i1 [@experts]>
    %p = route.choose <all> of @experts per [] where (%m : !route.array<i1 [@experts]>) up [] -> !route.plan<@s> as @s
    route.return %p : !route.plan<@s>
  }
  // Experts 0..2 are in group 0, 3..5 in group 1.
  // CHECK: nested: plan @g {(0, 0) -> 2, (0, 1) -> 3, (1, 0) -> 0, (1, 1) -> 5}
  route.func @nested <route> () -> !route.plan<@g> {
    %k = route.constant dense<[[0.0, 1.0, 2.0, 5.0, 4.0, 3.0], [9.0, 8.0, 7.0, 1.0, 2.0, 3.0]]> : tensor<2x6xf32> as !route.array<f32 [@token, @experts]>
    %c = route.constant 1 : i64 as !route.array<i64>
    %p = route.choose <count> count(%c : !route.array<i64>) of @experts per [@token, @group] by (%k : !route.array<f32 [@token, @experts]>) up [false] -> !route.plan<@g> as @g
    route.return %p : !route.plan<@g>
  }
  // The per axes in another order, and a count per group.
  // CHECK: several: plan @e {(0, 0) -> 2, (0, 1) -> 0, (1, 0) -> 3, (1, 0) -> 4, (1, 1) -> 5, (1, 1) -> 4}
  route.func @several <route> () -> !route.plan<@e> {
    %k = route.constant dense<[[0.0, 1.0, 2.0, 5.0, 4.0, 3.0], [9.0, 8.0, 7.0, 1.0, 2.0, 3.0]]> : tensor<2x6xf32> as !route.array<f32 [@token, @experts]>
    %c = route.constant dense<[1, 2]> : tensor<2xi64> as !route.array<i64 [@group]>
    %p = route.choose <count> count(%c : !route.array<i64 [@group]>) of @experts per [@group, @token] by (%k : !route.array<f32 [@token, @experts]>) up [false] -> !route.plan<@e> as @e
    route.return %p : !route.plan<@e>
  }
  // CHECK: scalar: plan @s {() -> 0}
  route.func @scalar <route> () -> !route.plan<@s> {
    %k = route.constant 1.0 : f32 as !route.array<f32>
    %c = route.constant 1 : i64 as !route.array<i64>
    %p = route.choose <count> count(%c : !route.array<i64>) of @experts per [] by (%k : !route.array<f32>) up [false] -> !route.plan<@s> as @s
    route.return %p : !route.plan<@s>
  }
  // Integers beyond f32's and f64's exact range, truths and the least integer.
  // CHECK: ints: plan @s {() -> 1, () -> 0, () -> 3, () -> 4, () -> 5, () -> 2}
  // CHECK: ints: plan @s {() -> 0, () -> 1, () -> 3, () -> 2, () -> 4, () -> 5}
  route.func @ints <route> () -> (!route.plan<@s>, !route.plan<@s>) {
    %k = route.constant dense<[9223372036854775806, 9223372036854775807, -9223372036854775808, 0, 0, -1]> : tensor<6xi64> as !route.array<i64 [@experts]>
    %t = route.constant dense<[true, true, false, true, false, false]> : tensor<6xi1> as !route.array<i1 [@experts]>
    %p = route.choose <all> of @experts per [] by (%k : !route.array<i64 [@experts]>) up [false] -> !route.plan<@s> as @s
    %q = route.choose <all> of @experts per [] by (%t : !route.array<i1 [@experts]>) up [false] -> !route.plan<@s> as @s
    route.return %p, %q : !route.plan<@s>, !route.plan<@s>
  }
  // Text ranks by bytes: "B" < "a" < "aa" < "b" < "é".
  // CHECK: names: plan @s {() -> 2, () -> 0, () -> 5, () -> 4, () -> 1, () -> 3}
  route.func @names <route> () -> !route.plan<@s> {
    %k = route.constant ["a", "b", "B", "é", "aa", "a"] as !route.array<!route.text [@experts]>
    %p = route.choose <all> of @experts per [] by (%k : !route.array<!route.text [@experts]>) up [true] -> !route.plan<@s> as @s
    route.return %p : !route.plan<@s>
  }
  // A region chooses among the regions of its own image: the candidates share every ancestor with the item.
  // CHECK: siblings: plan @b {(0) -> 1, (1) -> 1, (2) -> 3, (3) -> 3}
  route.func @siblings <route> () -> !route.plan<@b> {
    %k = route.constant dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32> as !route.array<f32 [@"region'"]>
    %c = route.constant 1 : i64 as !route.array<i64>
    %p = route.choose <count> count(%c : !route.array<i64>) of @"region'" per [@region] by (%k : !route.array<f32 [@"region'"]>) up [false] -> !route.plan<@b> as @b
    route.return %p : !route.plan<@b>
  }
}
