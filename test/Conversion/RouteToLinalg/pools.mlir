// Pools of pools: values of the parts end to end, rows of a product by remainder and division.
// RUN: route-opt %s --split-input-file --route-form-rows --convert-route-to-linalg --canonicalize --cse | FileCheck %s

// In a row program each part is taken at places that are known.
// CHECK-LABEL: func.func @union(
// CHECK: row.program
// CHECK-DAG: arith.constant dense<[0, 1, 2, -1, -1]> : tensor<5xi32>
// CHECK-DAG: arith.constant dense<[-1, -1, -1, 0, 1]> : tensor<5xi32>
// CHECK: row.take {{.*}} : tensor<3xf32>, tensor<5xi32> -> tensor<5xf32>
// CHECK: row.take {{.*}} : tensor<2xf32>, tensor<5xi32> -> tensor<5xf32>
// CHECK: row.choose
route.axis @request <index> {}
route.axis @models <pool> size(3) {}
route.axis @tools <pool> size(2) {}
route.axis @both <pool> size(5) attributes {parts = [@models, @tools]} {}
route.axis @p <plan> in [@request, @both] {}
route.func @union <router> (%a: !route.array<f32 [@request, @models]>, %b: !route.array<f32 [@request, @tools]>) -> !route.plan<@p> {
  %one = route.constant 1 : i64 as !route.array<i64>
  %k = route.join %a, %b along @both : (!route.array<f32 [@request, @models]>, !route.array<f32 [@request, @tools]>) -> !route.array<f32 [@request, @both]>
  %p = route.choose <count> count(%one : !route.array<i64>) of @both per [@request] by (%k : !route.array<f32 [@request, @both]>) up [false] -> !route.plan<@p> as @p
  route.return %p : !route.plan<@p>
}

// -----

// Parts that only the call counts: the whole is their sum, and nothing where one is not told.
// CHECK: func.func private @size.both(%[[A:.*]]: index, %[[B:.*]]: index) -> index attributes {route.derived = "both"
// CHECK: %[[SUM:.*]] = arith.addi %[[A]], %[[B]]
// CHECK: arith.cmpi slt, %[[A]]
// CHECK: arith.cmpi slt, %[[B]]
// CHECK-LABEL: func.func @open(
// CHECK: linalg.generic
// CHECK: %[[MINE:.*]] = arith.cmpi uge
// CHECK: scf.if %[[MINE]]
// CHECK: arith.subi
route.axis @models <pool> {}
route.axis @tools <pool> {}
route.axis @both <pool> attributes {parts = [@models, @tools]} {}
route.func @open <route> (%a: !route.array<f32 [@models]>, %b: !route.array<f32 [@tools]>) -> !route.array<f32 [@both]> {
  %k = route.join %a, %b along @both : (!route.array<f32 [@models]>, !route.array<f32 [@tools]>) -> !route.array<f32 [@both]>
  route.return %k : !route.array<f32 [@both]>
}

// -----

// A sum to the second pool of a product goes element by element to where each descends.
// CHECK-LABEL: func.func @factor(
// CHECK: scf.for
// CHECK: arith.remui
// CHECK: tensor.insert
route.axis @models <pool> {}
route.axis @efforts <pool> size(2) {}
route.axis @arms <pool> in [@models, @efforts] {}
route.func @factor <route> (%a: !route.array<f32 [@models]>) -> !route.array<f32 [@efforts]> {
  %x = route.broadcast %a : !route.array<f32 [@models]> to !route.array<f32 [@arms]>
  %s = route.reduce <sum> %x : !route.array<f32 [@arms]> to !route.array<f32 [@efforts]>
  route.return %s : !route.array<f32 [@efforts]>
}
