// Questions of texts leave operations that do other work besides.
// RUN: route-opt %s --signal-isolate-text --split-input-file | FileCheck %s

#items = affine_map<(d0, d1) -> (d0)>
#all = affine_map<(d0, d1) -> (d0, d1)>

// The question is asked once an item, not once an element.
// CHECK-LABEL: func.func @compare
// CHECK: %[[SIZE:.*]] = tensor.dim %arg0
// CHECK: %[[TO:.*]] = tensor.empty(%[[SIZE]]) : tensor<?xi1>
// CHECK: %[[SAME:.*]] = linalg.generic
// CHECK-SAME: iterator_types = ["parallel"]} ins(%arg0 : tensor<?x!signal.text>) outs(%[[TO]] : tensor<?xi1>)
// CHECK-NEXT: ^bb0(%[[T:.*]]: !signal.text, %{{.*}}: i1):
// CHECK-NEXT: %[[EQUAL:.*]] = signal.equal %[[T]]
// CHECK-NEXT: linalg.yield %[[EQUAL]] : i1
// CHECK: linalg.generic
// CHECK-SAME: ins(%arg1, %[[SAME]] : tensor<?x8xf32>, tensor<?xi1>) outs(%arg2 : tensor<?x8xf32>)
// CHECK-NEXT: ^bb0(%[[E:.*]]: f32, %[[S:.*]]: i1, %{{.*}}: f32):
// CHECK-NEXT: %[[TWICE:.*]] = arith.addf %[[E]], %[[E]]
// CHECK-NEXT: %[[V:.*]] = arith.select %[[S]], %[[TWICE]], %[[E]]
// CHECK-NEXT: linalg.yield %[[V]]
func.func @compare(%t: tensor<?x!signal.text>, %x: tensor<?x8xf32>, %o: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %de = signal.constant "de"
  %r = linalg.generic {indexing_maps = [#items, #all, #all], iterator_types = ["parallel", "parallel"]}
      ins(%t, %x : tensor<?x!signal.text>, tensor<?x8xf32>) outs(%o : tensor<?x8xf32>) {
  ^bb0(%a: !signal.text, %e: f32, %out: f32):
    %twice = arith.addf %e, %e : f32
    %same = signal.equal %a, %de
    %v = arith.select %same, %twice, %e : f32
    linalg.yield %v : f32
  } -> tensor<?x8xf32>
  return %r : tensor<?x8xf32>
}

// -----
// What hangs on texts alone stays one operation, and so does what gives texts.
#one = affine_map<(d0) -> (d0)>
// CHECK-LABEL: func.func @alone
// CHECK-COUNT-1: linalg.generic
// CHECK-NOT: linalg.generic
func.func @alone(%t: tensor<?x!signal.text>, %o: tensor<?xi1>) -> tensor<?xi1> {
  %true = arith.constant true
  %de = signal.constant "de"
  %r = linalg.generic {indexing_maps = [#one, #one], iterator_types = ["parallel"]}
      ins(%t : tensor<?x!signal.text>) outs(%o : tensor<?xi1>) {
  ^bb0(%a: !signal.text, %out: i1):
    %same = signal.equal %a, %de
    %other = arith.xori %same, %true : i1
    linalg.yield %other : i1
  } -> tensor<?xi1>
  return %r : tensor<?xi1>
}

// CHECK-LABEL: func.func @pick
// CHECK-COUNT-1: linalg.generic
// CHECK-NOT: linalg.generic
func.func @pick(%t: tensor<?x!signal.text>, %c: tensor<?xi1>, %o: tensor<?x!signal.text>) -> tensor<?x!signal.text> {
  %de = signal.constant "de"
  %r = linalg.generic {indexing_maps = [#one, #one, #one], iterator_types = ["parallel"]}
      ins(%t, %c : tensor<?x!signal.text>, tensor<?xi1>) outs(%o : tensor<?x!signal.text>) {
  ^bb0(%a: !signal.text, %b: i1, %out: !signal.text):
    %v = arith.select %b, %a, %de : !signal.text
    linalg.yield %v : !signal.text
  } -> tensor<?x!signal.text>
  return %r : tensor<?x!signal.text>
}
