// Every signal operation and attribute round-trips.
// RUN: route-opt %s | route-opt | FileCheck %s

// CHECK-LABEL: @counts(%{{.*}}: !signal.text
func.func @counts(%t: !signal.text, %u: !signal.text) -> (i64, i64, i64, i1) {
  // CHECK: signal.measure bytes %{{.*}}
  %0 = signal.measure bytes %t
  // CHECK: signal.measure fenced
  %1 = signal.measure fenced %t
  // CHECK: signal.estimate %{{.*}} per 3.500000e+00
  %2 = signal.estimate %t per 3.5
  // CHECK: signal.equal %{{.*}}, %{{.*}}
  %3 = signal.equal %t, %u
  // CHECK: signal.hash %{{.*}}
  %h = signal.hash %t
  return %0, %1, %2, %3 : i64, i64, i64, i1
}

// CHECK-LABEL: @patterns
func.func @patterns(%t: !signal.text) -> (i1, i64, i1, i1, i64, f32) {
  // CHECK: signal.match <any [<keyword "ignore" fold = simple boundary = word>, <regex "\\bdef\\b">]> %{{.*}} : i1
  %0 = signal.match <any [<keyword "ignore" fold = simple boundary = word>, <regex "\\bdef\\b">]> %t : i1
  // CHECK: signal.match <count [<keyword "Dear" anchor = start>, <keyword "x" fold = nfkc boundary = ascii anchor = end>]> %{{.*}} : i64
  %1 = signal.match <count [<keyword "Dear" anchor = start>, <keyword "x" fold = nfkc boundary = ascii anchor = end>]> %t : i64
  // CHECK: signal.scan [#signal.predicate<all []>, #signal.predicate<any [<regex "a" fold = simple>]>] %{{.*}} : i1, i1
  %2, %3 = signal.scan [#signal.predicate<all []>, #signal.predicate<any [<regex "a" fold = simple>]>] %t : i1, i1
  // CHECK: signal.count <regex "[0-9]+"> %{{.*}}
  %4 = signal.count <regex "[0-9]+"> %t
  // CHECK: signal.density [#signal.pattern<keyword "bypass">] %{{.*}}
  %5 = signal.density [#signal.pattern<keyword "bypass">] %t
  return %0, %1, %2, %3, %4, %5 : i1, i64, i1, i1, i64, f32
}

// CHECK-LABEL: @features
func.func @features(%t: !signal.text, %b: memref<64xf32>, %i: tensor<512xf32>) -> tensor<512xf32> {
  // CHECK: signal.ngrams %{{.*}} into %{{.*}} {hi = 3 : i64, lo = 3 : i64} : memref<64xf32>
  signal.ngrams %t into %b {lo = 3 : i64, hi = 3 : i64} : memref<64xf32>
  // CHECK: signal.ngrams {{.*}} : tensor<512xf32> -> tensor<512xf32>
  %f = signal.ngrams %t into %i {lo = 1 : i64, hi = 2 : i64, unit = #signal<unit words>, hash = #signal<hash fnv1a>, seed = 7 : i64, weighting = #signal<weighting log>, norm = #signal<norm l2>} : tensor<512xf32> -> tensor<512xf32>
  return %f : tensor<512xf32>
}

// CHECK-LABEL: @buffers(%{{.*}}: memref<?x!signal.text>)
func.func @buffers(%m: memref<?x!signal.text>) -> !signal.text {
  %c = arith.constant 0 : index
  %t = memref.load %m[%c] : memref<?x!signal.text>
  return %t : !signal.text
}
