// The examples that the signal dialect's definitions show, as they stand there: they parse, verify and print as they parse.
// RUN: route-opt %s > %t.once
// RUN: route-opt %t.once | diff %t.once -
// RUN: FileCheck %s < %t.once

// CHECK-LABEL: func.func @constants
func.func @constants(%a: !signal.text) -> (i64, i1, f32) {
  %t = signal.constant "hello"
  %n = signal.measure bytes %t
  %b = signal.equal %a, %t
  %h = signal.hash %t
  %d = signal.density [#signal.pattern<keyword "ignore">] %t
  return %n, %b, %d : i64, i1, f32
}
// CHECK-LABEL: func.func @estimates
func.func @estimates(%t: !signal.text) -> i64 {
  %n = signal.estimate %t per 4.0
  return %n : i64
}
// CHECK-LABEL: func.func @counts
func.func @counts(%t: !signal.text) -> i64 {
  %n = signal.count <regex "[0-9]+"> %t
  return %n : i64
}
// CHECK-LABEL: func.func @match
func.func @match(%t: !signal.text) -> i1 {
  %b = signal.match <any [<keyword "ignore" fold = simple boundary = word>]> %t : i1
  return %b : i1
}
// CHECK-LABEL: func.func @matches
func.func @matches(%t: !signal.text, %init: tensor<512xf32>) -> (i1, i1, tensor<512xf32>) {
  %a, %b = signal.scan [#signal.predicate<any [<keyword "ignore">]>,
                        #signal.predicate<any [<regex "a+b">]>] %t : i1, i1
  %f = signal.ngrams %t into %init {lo = 3 : i64, hi = 3 : i64} : tensor<512xf32> -> tensor<512xf32>
  return %a, %b, %f : i1, i1, tensor<512xf32>
}
// CHECK-LABEL: func.func @tables
func.func @tables(%t: !signal.text, %k: i64, %table: memref<?xi64>, %changes: memref<?xi64>, %at: index) -> (i64, i64, index, index) {
  signal.list_changes %changes : memref<?xi64>
  %a, %b = signal.digest %t
  %w = signal.table_find (%k) in %table[%at] of 64 x 1 : memref<?xi64>
  %p = func.call @put(%k, %table, %changes, %at) : (i64, memref<?xi64>, memref<?xi64>, index) -> index
  signal.table_drop (%k) in %table[%at] of 64 x 0 noting %changes : memref<?xi64>, memref<?xi64>
  signal.note_change %table[%at] in %changes : memref<?xi64>, memref<?xi64>
  return %a, %b, %w, %p : i64, i64, index, index
}
func.func @walk(%k: i64, %table: memref<?xi64>, %changes: memref<?xi64>, %at: index) -> (i64, index) {
  %e, %w = signal.table_next %k in %table[%at] of 64 x 2 x 1 : memref<?xi64>
  signal.table_clear %table[%at] of 64 x 2 x 1 noting %changes : memref<?xi64>, memref<?xi64>
  return %e, %w : i64, index
}
func.func @put(%k: i64, %table: memref<?xi64>, %changes: memref<?xi64>, %at: index) -> index {
  %w = signal.table_put (%k) in %table[%at] of 64 x 1 noting %changes : memref<?xi64>, memref<?xi64>
  return %w : index
}
