// Tables of narrow numbers name some of more rows than these can count: the tensor level reads them as the interpreter does.
// RUN: route-interp %s > %t.route
// RUN: FileCheck %s < %t.route
// RUN: route-opt %s --route-form-rows --convert-route-to-linalg > %t.mlir
// RUN: route-interp %t.mlir > %t.tensor
// RUN: diff %t.route %t.tensor

// CHECK: by_least: plan @least.p {(0) -> 255, (0) -> 0, (1) -> 128, (1) -> 127, (2) -> 1, (2) -> 200}
// CHECK: by_more: plan @more.p {(0) -> 255, (0) -> 0, (1) -> 128, (1) -> 127, (2) -> 1, (2) -> 200}
// CHECK: by_signed: plan @signed.p {(0) -> 127, (1) -> 5, (2) -> 0}
module attributes {
  interp.axes = {token = 3 : i64},
  interp.inputs = {natural = dense<[[255, 0], [128, 127], [1, 200]]> : tensor<3x2xui8>,
    whole = dense<[[127, -1], [-128, 5], [0, -3]]> : tensor<3x2xi8>}
} {
  route.axis @token <index> {}
  route.axis @least <pool> size(256) {}
  route.axis @more <pool> size(300) {}
  route.axis @pick <index> size(2) {}
  route.axis @least.p <plan> in [@token, @least] {}
  route.axis @more.p <plan> in [@token, @more] {}
  route.axis @signed.p <plan> in [@token, @more] {}

  route.func @by_least <route> (%t: !route.array<ui8 [@token, @pick]> {route.name = "natural"}) -> (!route.plan<@least.p>) {
    %p = route.choose <listed> of @least per [@token] up [] table (%t : !route.array<ui8 [@token, @pick]>) -> !route.plan<@least.p> as @least.p
    route.return %p : !route.plan<@least.p>
  }

  route.func @by_more <route> (%t: !route.array<ui8 [@token, @pick]> {route.name = "natural"}) -> (!route.plan<@more.p>) {
    %p = route.choose <listed> of @more per [@token] up [] table (%t : !route.array<ui8 [@token, @pick]>) -> !route.plan<@more.p> as @more.p
    route.return %p : !route.plan<@more.p>
  }

  route.func @by_signed <route> (%t: !route.array<i8 [@token, @pick]> {route.name = "whole"}) -> (!route.plan<@signed.p>) {
    %p = route.choose <listed> of @more per [@token] up [] table (%t : !route.array<i8 [@token, @pick]>) -> !route.plan<@signed.p> as @signed.p
    route.return %p : !route.plan<@signed.p>
  }
}
