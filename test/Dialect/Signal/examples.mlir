// The examples that the signal dialect's definitions show, as they stand there: they parse, verify and print as they parse.
// RUN: route-opt %s > %t.once
// RUN: route-opt %t.once | diff %t.once -
// RUN: FileCheck %s < %t.once

// CHECK-LABEL: func.func @counts
func.func @counts(%a: !signal.text) -> (i64, i64, i1, i64, f32) {
  %t = signal.constant "hello"
  %n = signal.measure bytes %t
  %m = signal.estimate %t per 4.0
  %b = signal.equal %a, %t
  %c = signal.count <regex "[0-9]+"> %t
  %d = signal.density [#signal.pattern<keyword "ignore">] %t
  return %n, %m, %b, %c, %d : i64, i64, i1, i64, f32
}
// CHECK-LABEL: func.func @matches
func.func @matches(%t: !signal.text, %init: tensor<512xf32>) -> (i1, i1, i1, tensor<512xf32>) {
  %m = signal.match <any [<keyword "ignore" fold = simple boundary = word>]> %t : i1
  %a, %b = signal.scan [#signal.predicate<any [<keyword "ignore">]>,
                        #signal.predicate<any [<regex "a+b">]>] %t : i1, i1
  %f = signal.ngrams %t into %init {lo = 3 : i64, hi = 3 : i64} : tensor<512xf32> -> tensor<512xf32>
  return %m, %a, %b, %f : i1, i1, i1, tensor<512xf32>
}
