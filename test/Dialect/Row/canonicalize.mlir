// Unused and repeated operands go; a mask of all true says nothing.
// RUN: route-opt %s --canonicalize | FileCheck %s

// CHECK-LABEL: func @operands
// CHECK-SAME: (%[[A:.*]]: tensor<?x8xf32>, %[[B:.*]]: tensor<?x8xf32>, %[[U:.*]]: tensor<8xf32>, %[[O:.*]]: tensor<?x2xi32>)
func.func @operands(%a: tensor<?x8xf32>, %b: tensor<?x8xf32>, %u: tensor<8xf32>, %o: tensor<?x2xi32>)
    -> tensor<?x2xi32> {
  // CHECK: row.program ins(%[[A]] : tensor<?x8xf32>) outs(%[[O]] : tensor<?x2xi32>)
  %0 = row.program ins(%a, %b, %a : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>)
      uniform(%u : tensor<8xf32>) outs(%o : tensor<?x2xi32>) {
  ^bb0(%r: tensor<8xf32>, %s: tensor<8xf32>, %t: tensor<8xf32>, %v: tensor<8xf32>):
    %all = arith.constant dense<true> : tensor<8xi1>
    // CHECK: row.choose by(%[[R:.*]], %[[R]] : tensor<8xf32>, tensor<8xf32>) : tensor<2xi32>
    %i, %n = row.choose by(%r, %t : tensor<8xf32>, tensor<8xf32>) where(%all : tensor<8xi1>)
        : tensor<2xi32>, tensor<i32>
    row.yield %i : tensor<2xi32>
  } -> tensor<?x2xi32>
  return %0 : tensor<?x2xi32>
}

// The input stays where nothing else tells how many items there are.
// CHECK-LABEL: func @items
func.func @items(%a: tensor<?x8xf32>, %c: tensor<i32>) -> tensor<i32> {
  // CHECK: row.program ins(
  %0 = row.program ins(%a : tensor<?x8xf32>) acc(%c : tensor<i32>) {
  ^bb0(%r: tensor<8xf32>):
    %one = arith.constant dense<1> : tensor<i32>
    row.yield %one : tensor<i32>
  } -> tensor<i32>
  return %0 : tensor<i32>
}
