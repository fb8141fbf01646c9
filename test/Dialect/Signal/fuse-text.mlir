// route-fuse-text gathers what a block asks of one text, and folding answers
// what is asked of a constant one.
// RUN: route-opt %s -route-fuse-text | FileCheck %s
// RUN: route-opt %s -canonicalize | FileCheck %s --check-prefix=FOLD

// CHECK-LABEL: @policy
// CHECK-SAME: (%[[T:.*]]: !signal.text, %[[U:.*]]: !signal.text)
func.func @policy(%t: !signal.text, %u: !signal.text) -> (i1, i64, i1, i1, i1) {
  // CHECK-NEXT: %[[S:.*]]:3 = signal.scan [#signal.predicate<any [<keyword "ignore">]>, #signal.predicate<count [<regex "a+b">, <keyword "x">]>, #signal.predicate<all [<keyword "x">]>] %[[T]] : i1, i64, i1
  // CHECK-NEXT: %[[V:.*]] = signal.match <any [<keyword "ignore">]> %[[U]] : i1
  // CHECK-NEXT: return %[[S]]#0, %[[S]]#1, %[[S]]#0, %[[S]]#2, %[[V]]
  %0 = signal.match <any [<keyword "ignore">]> %t : i1
  %1 = signal.match <count [<regex "a+b">, <keyword "x">]> %t : i64
  %2, %3 = signal.scan [#signal.predicate<any [<keyword "ignore">]>, #signal.predicate<all [<keyword "x">]>] %t : i1, i1
  %4 = signal.match <any [<keyword "ignore">]> %u : i1
  return %0, %1, %2, %3, %4 : i1, i64, i1, i1, i1
}

// CHECK-LABEL: @loop
func.func @loop(%texts: memref<?x!signal.text>, %out: memref<?xi1>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.for %i = %c0 to %n step %c1 {
    // CHECK: memref.load
    // CHECK-NEXT: signal.scan {{.*}} : i1, i1
    // CHECK-NEXT: arith.andi
    %t = memref.load %texts[%i] : memref<?x!signal.text>
    %a = signal.match <any [<keyword "a">]> %t : i1
    %b = signal.match <any [<keyword "b">]> %t : i1
    %both = arith.andi %a, %b : i1
    memref.store %both, %out[%i] : memref<?xi1>
  }
  return
}

// FOLD-LABEL: @constant
func.func @constant() -> (i1, i64, i64, i1) {
  // FOLD-DAG: %[[TRUE:.*]] = arith.constant true
  // FOLD-DAG: %[[FALSE:.*]] = arith.constant false
  // FOLD-DAG: %[[TWO:.*]] = arith.constant 2 : i64
  // FOLD-DAG: %[[SIX:.*]] = arith.constant 6 : i64
  // FOLD: return %[[TRUE]], %[[TWO]], %[[SIX]], %[[FALSE]]
  %t = signal.constant "a fine day"
  %u = signal.constant "sechse"
  %0 = signal.match <any [<keyword "fine" boundary = word>]> %t : i1
  %1 = signal.match <count [<keyword "a">, <keyword "day">, <keyword "night">]> %t : i64
  %2 = signal.measure bytes %u
  %3 = signal.equal %t, %u
  return %0, %1, %2, %3 : i1, i64, i64, i1
}
