// Choice of a path through rows with two refs: cheapest, ties by fewer rows, no way at all.
// RUN: route-interp %s | FileCheck %s
// RUN: route-opt %s --route-form-rows --convert-route-to-linalg | route-interp - | FileCheck %s

module attributes {interp.script = ["run path"]} {
  route.axis @task <index> size(5) {}
  route.axis @tools <pool> size(4) {}
  route.axis @links <pool> size(6) {}
  route.axis @p <plan> in [@task, @links] {}

  // Links: 0>1 cost 1, 1>2 cost 1, 0>2 cost 2 (a tie with both), 2>3 cost 5, 0>3 cost 9, 2>3 unknown cost.
  // Tasks: 0>2 takes the single row of equal cost; 0>3; 3>0 has no way; 1>1 is there already; 0>3 with row 3 masked.
  // CHECK: path: plan @p {(0) -> 2, (1) -> 2, (1) -> 3, (4) -> 4}
  route.func @path <route> () -> !route.plan<@p> {
    %from = route.constant dense<[0, 1, 0, 2, 0, 2]> : tensor<6xi64> as !route.array<!route.ref<@tools> [@links]>
    %to = route.constant dense<[1, 2, 2, 3, 3, 3]> : tensor<6xi64> as !route.array<!route.ref<@tools> [@links]>
    %c = route.constant dense<[1.0, 1.0, 2.0, 5.0, 9.0, 0x7FC00000]> : tensor<6xf32> as !route.array<f32 [@links]>
    %start = route.constant dense<[0, 0, 3, 1, 0]> : tensor<5xi64> as !route.array<!route.ref<@tools> [@task]>
    %goal = route.constant dense<[2, 3, 0, 1, 3]> : tensor<5xi64> as !route.array<!route.ref<@tools> [@task]>
    %i = route.iota -> !route.array<i64 [@links]>
    %j = route.iota -> !route.array<i64 [@task]>
    %three = route.constant 3 : i64 as !route.array<i64>
    %four = route.constant 4 : i64 as !route.array<i64>
    %a = route.compare <ne> %i, %three : !route.array<i64 [@links]>, !route.array<i64>
    %b = route.compare <ne> %j, %four : !route.array<i64 [@task]>, !route.array<i64>
    %m = route.binary <logical_or> %b, %a : !route.array<i1 [@task]>, !route.array<i1 [@links]>
    %p = route.choose <path> of @links per [@task] where (%m : !route.array<i1 [@task, @links]>) by (%c : !route.array<f32 [@links]>) up [true]
      table(%from, %to : !route.array<!route.ref<@tools> [@links]>, !route.array<!route.ref<@tools> [@links]>)
      ends(%start, %goal : !route.array<!route.ref<@tools> [@task]>, !route.array<!route.ref<@tools> [@task]>) -> !route.plan<@p> as @p
    route.return %p : !route.plan<@p>
  }
}
