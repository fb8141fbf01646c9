// Ends of intervals computed by plain ops equal the interpreter's intervals: each line of test/Interpreter/ranges.mlir,
// its lower end (or value), then its upper end (or whether it is known).
// RUN: route-opt %S/../../Interpreter/ranges.mlir --route-expand-ranges | route-interp - | FileCheck %s
// RUN: route-opt %s --route-expand-ranges | FileCheck %s --check-prefix=IR

// CHECK: arithmetic: f32: 0
// CHECK: arithmetic: f32: 1
// CHECK: arithmetic: f32: 2
// CHECK: arithmetic: f32: 3
// CHECK: arithmetic: f32: 1
// CHECK: arithmetic: f32: 2
// CHECK: arithmetic: f32: 1
// CHECK: arithmetic: f32: 2
// CHECK: arithmetic: f32: 2
// CHECK: arithmetic: f32: 2
// CHECK: arithmetic: f32: 4
// CHECK: arithmetic: f32: 4
// CHECK: division: f32: -inf
// CHECK: division: f32: inf
// CHECK: division: f32: 1
// CHECK: division: f32: 2
// CHECK: products: f32: 0
// CHECK: products: f32: 0
// CHECK: products: f32: -3
// CHECK: products: f32: -0
// CHECK: functions: f32: 0
// CHECK: functions: f32: inf
// CHECK: functions: f32: 0
// CHECK: functions: f32: 1
// CHECK: functions: f32: -0.27846456
// CHECK: functions: f32: inf
// CHECK: functions: f32: -inf
// CHECK: functions: f32: inf
// CHECK: functions: i1: false
// CHECK: functions: i1: true
// CHECK: compare: i1: true
// CHECK: compare: i1: true
// CHECK: compare: i1: false
// CHECK: compare: i1: false
// CHECK: compare: i1: false
// CHECK: compare: i1: true
// CHECK: compare: i1: false
// CHECK: compare: i1: true
// CHECK: compare: i1: false
// CHECK: compare: i1: false
// CHECK: compare: i1: true
// CHECK: compare: i1: true
// CHECK: logic: i1 [@n = 3, @m = 3]: {{\[}}[false, false, false], [false, false, false], [false, false, true]]
// CHECK: logic: i1 [@n = 3, @m = 3]: {{\[}}[false, false, false], [false, true, true], [false, true, true]]
// CHECK: logic: i1 [@n = 3, @m = 3]: {{\[}}[false, false, true], [false, false, true], [true, true, true]]
// CHECK: logic: i1 [@n = 3, @m = 3]: {{\[}}[false, true, true], [true, true, true], [true, true, true]]
// CHECK: logic: i1 [@n = 3]: [true, false, false]
// CHECK: logic: i1 [@n = 3]: [true, true, false]
// CHECK: integers: i64: -9223372036854775808
// CHECK: integers: i64: 9223372036854775807
// CHECK: integers: i64: -9223372036854775808
// CHECK: integers: i64: 5
// CHECK: select: f32: 1
// CHECK: select: f32: 2
// CHECK: select: f32: 2
// CHECK: select: f32: 2
// CHECK: coalesce: f32: 7
// CHECK: coalesce: f32: 2
// CHECK: coalesce: f32: -inf
// CHECK: coalesce: f32: inf
// CHECK: ends: i1: false
// CHECK: ends: i1: true
// CHECK: ends: f32: 0
// CHECK: ends: f32: 1
// CHECK: reduce: f32: 0
// CHECK: reduce: f32: 3
// CHECK: reduce: f32: 0
// CHECK: reduce: f32: 1
// CHECK: reduce: f32: 0
// CHECK: reduce: f32: 1
// CHECK: reduce: i1: false
// CHECK: reduce: i1: true
// CHECK: reduce: i1: true
// CHECK: reduce: i1: true
// CHECK: reduce: i64: 1
// CHECK: reduce: i64: 3
// CHECK: reduce: f32: 0
// CHECK: reduce: f32: 1
// CHECK: contract: f32: -2
// CHECK: contract: f32: 4
// CHECK: casts: i64: 0
// CHECK: casts: i64: 1
// CHECK: casts: i64: 3
// CHECK: casts: i64: 3
// CHECK: text: !route.text: ""
// CHECK: text: i1: false
// CHECK: text: i1: false
// CHECK: text: i1: true
// CHECK: text: !route.text: "b"

route.axis @request <index> {}
route.axis @models <pool> size(3) {}
route.axis @p <plan> in [@request, @models] {}
route.signal @jail : !route.array<!route.range<i1> [@request]>
route.signal @tier : !route.array<!route.range<i64> [@request]>
route.signal @score : !route.array<!route.range<f32> [@request, @models]>

// A mask keeps what is surely true; unknown keys rank last: floats as NaN, integers behind their being known.
// IR-LABEL: route.func @choose
// IR: %[[G:.*]] = route.get @jail
// IR: %[[JL:.*]] = route.bound false %[[G]]
// IR: %[[JU:.*]] = route.bound true %[[G]]
// IR: %[[SL:.*]] = route.bound false %[[S:.*]] : <!route.range<f32> [@request, @models]>
// IR: %[[SU:.*]] = route.bound true %[[S]]
// IR: %[[NOT:.*]] = route.unary <logical_not> %[[JU]]
// IR: %[[LESS:.*]] = route.compare <lt> %[[SL]], %[[SU]]
// IR: %[[KNOWN:.*]] = route.unary <logical_not> %[[LESS]]
// IR: %[[NAN:.*]] = route.constant 0x7FC00000
// IR: %[[KEY:.*]] = route.select %[[KNOWN]], %[[SL]], %[[NAN]]
// IR: route.choose <count> {{.*}} where(%[[NOT]] : !route.array<i1 [@request]>) by(%[[KEY]], %{{.*}}, %{{.*}} : !route.array<f32 [@request, @models]>, !route.array<i1 [@request]>, !route.array<i64 [@request]>) up [false, false, true]
// IR-NOT: route.range
route.func @choose <route> () -> !route.plan<@p> {
  %j = route.get @jail : !route.array<!route.range<i1> [@request]>
  %s = route.get @score : !route.array<!route.range<f32> [@request, @models]>
  %t = route.get @tier : !route.array<!route.range<i64> [@request]>
  %n = route.unary <logical_not> %j : !route.array<!route.range<i1> [@request]>
  %k = route.constant 1 : i64 as !route.array<i64>
  %p = route.choose <count> count(%k : !route.array<i64>) of @models per [@request] where(%n : !route.array<!route.range<i1> [@request]>) by (%s, %t : !route.array<!route.range<f32> [@request, @models]>, !route.array<!route.range<i64> [@request]>) up [false, true] -> !route.plan<@p> as @p
  route.return %p : !route.plan<@p>
}

// A loop carries both ends, and stops where that is sure; results leave as two.
// IR-LABEL: route.func @loop
// IR-SAME: -> (!route.array<f32> {route.name = "v.lower"}, !route.array<f32> {route.name = "v.upper"})
// IR: %[[R:.*]]:2 = route.for count(%{{.*}} : !route.array<i64>) carry(%{{.*}}, %{{.*}} : !route.array<f32>, !route.array<f32>)
// IR: ^bb0(%{{.*}}: !route.array<i64>, %{{.*}}: !route.array<f32>, %{{.*}}: !route.array<f32>):
// IR: route.return %[[R]]#0, %[[R]]#1
route.func @loop <route> (%v: !route.array<!route.range<f32>>) -> (!route.array<!route.range<f32>> {route.name = "v"}) {
  %k = route.constant 3 : i64 as !route.array<i64>
  %r = route.for count(%k : !route.array<i64>) carry (%v : !route.array<!route.range<f32>>) {
  ^bb0(%i: !route.array<i64>, %u: !route.array<!route.range<f32>>):
    %one = route.constant 1.0 : f32 as !route.array<f32>
    %w = route.binary <add> %u, %one : !route.array<!route.range<f32>>, !route.array<f32>
    %stop = route.compare <gt> %w, %one : !route.array<!route.range<f32>>, !route.array<f32>
    route.yield %stop, %w : !route.array<!route.range<i1>>, !route.array<!route.range<f32>>
  } -> !route.array<!route.range<f32>>
  route.return %r : !route.array<!route.range<f32>>
}

// What a table lists is none where it is unknown.
// IR-LABEL: route.func @listed
// IR: %[[WIDE:.*]] = route.cast %{{.*}} : <ui8 [@request]> to <i64 [@request]>
// IR: %[[NONE:.*]] = route.constant -1 : i64
// IR: %[[ROW:.*]] = route.select %{{.*}}, %[[WIDE]], %[[NONE]]
// IR: route.choose <listed> {{.*}} table(%[[ROW]]
route.func @listed <route> (%r: !route.array<!route.range<ui8> [@request]>) -> !route.plan<@p> {
  %p = route.choose <listed> of @models per [@request] up [] table (%r : !route.array<!route.range<ui8> [@request]>) -> !route.plan<@p> as @p
  route.return %p : !route.plan<@p>
}

// An unknown amount is no number, which fits nowhere; what is unknown in a key is told apart by that.
// IR-LABEL: route.budget @room
// IR: %[[NAN:.*]] = route.constant 0x7FF8000000000000
// IR: %[[AMOUNT:.*]] = route.select %{{.*}}, %{{.*}}, %[[NAN]]
// IR: route.yield %[[AMOUNT]]
// IR: per
// IR: %[[KNOWN:.*]] = route.known
// IR: %[[EMPTY:.*]] = route.constant ""
// IR: %[[KEY:.*]] = route.select %[[KNOWN]], %{{.*}}, %[[EMPTY]]
// IR: route.yield %[[KNOWN]], %[[KEY]]
route.signal @amount : !route.array<!route.range<f64> [@request]>
route.signal @who : !route.array<!route.range<!route.text> [@request]>
route.budget @room of @models window "batch" reserve {
  %a = route.get @amount : !route.array<!route.range<f64> [@request]>
  route.yield %a : !route.array<!route.range<f64> [@request]>
} limit {
  %l = route.constant 4.0 : f64 as !route.array<f64>
  route.yield %l : !route.array<f64>
} per {
  %w = route.get @who : !route.array<!route.range<!route.text> [@request]>
  route.yield %w : !route.array<!route.range<!route.text> [@request]>
}
