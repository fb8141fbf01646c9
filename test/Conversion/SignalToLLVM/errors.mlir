// What cannot become an automaton is reported where it is asked.
// RUN: not route-opt %s -split-input-file -convert-signal-to-llvm="max-states=100" 2>&1 | FileCheck %s

// CHECK: error: regular expression '(a|b)*a(a|b){10}' needs an automaton beyond the limit of 100 states
func.func @large(%t: !signal.text) -> i1 {
  %0 = signal.match <any [<regex "(a|b)*a(a|b){10}">]> %t : i1
  return %0 : i1
}

// -----

// CHECK: error: failed to legalize operation 'signal.ngrams'
func.func @tensor(%t: !signal.text, %e: tensor<8xf32>) -> tensor<8xf32> {
  %f = signal.ngrams %t into %e {lo = 3 : i64, hi = 3 : i64} : tensor<8xf32> -> tensor<8xf32>
  return %f : tensor<8xf32>
}
