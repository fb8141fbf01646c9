// Each constraint of the signal operations, by its label.
// RUN: route-opt %s -split-input-file -verify-diagnostics

// P1: an empty keyword
// expected-error @+1 {{'': an empty keyword}}
#p = #signal.pattern<keyword "">

// -----

// P1: a regular expression that does not parse
// expected-error @+1 {{'(a': missing closing ')'}}
#p = #signal.pattern<regex "(a">

// -----

// P1: invalid UTF-8
// expected-error @+1 {{the keyword is not valid UTF-8}}
#p = #signal.pattern<keyword "\FF">

// -----

// P2: a boundary
// expected-error @+1 {{a regular expression takes no boundary, found 'word'}}
#p = #signal.pattern<regex "a" boundary = word>

// -----

// P2: an anchor
// expected-error @+1 {{a regular expression takes no anchor, found 'start'}}
#p = #signal.pattern<regex "a" anchor = start>

// -----

// P2: a fold
// expected-error @+1 {{'a': a regular expression takes simple case folding only}}
#p = #signal.pattern<regex "a" fold = full>

// -----

// E1
func.func @ratio(%t: !signal.text) {
  // expected-error @+1 {{needs 'bytesPerToken' within 1/1024 and 1000000, found 0}}
  %0 = signal.estimate %t per 0.0
  return
}

// -----

// M1
func.func @type(%t: !signal.text) {
  // expected-error @+2 {{'signal.match' op inferred type(s) 'i1' are incompatible with return type(s) of operation 'i64'}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = signal.match <any [<keyword "a">]> %t : i64
  return
}

// -----

// S1
func.func @nothing(%t: !signal.text) {
  // expected-error @+1 {{'signal.scan' op needs a predicate}}
  "signal.scan"(%t) {predicates = []} : (!signal.text) -> ()
  return
}

// -----

// C1
func.func @empty(%t: !signal.text) {
  // expected-error @+1 {{needs a pattern that does not match the empty text, found 'a*'}}
  %0 = signal.count <regex "a*"> %t
  return
}

// -----

// D1: a regular expression
func.func @expression(%t: !signal.text) {
  // expected-error @+1 {{needs keywords, found regular expression 'a'}}
  %0 = signal.density [#signal.pattern<regex "a">] %t
  return
}

// -----

// D1: a fold
func.func @fold(%t: !signal.text) {
  // expected-error @+1 {{needs keywords folded exact or simple, found 'full'}}
  %0 = signal.density [#signal.pattern<keyword "a" fold = full>] %t
  return
}

// -----

// N1: dynamic
func.func @dynamic(%t: !signal.text, %b: memref<?xf32>) {
  // expected-error @+1 {{needs one static dimension, found 'memref<?xf32>'}}
  signal.ngrams %t into %b {lo = 3 : i64, hi = 3 : i64} : memref<?xf32>
  return
}

// -----

// N1: strided
func.func @strided(%t: !signal.text, %b: memref<4xf32, strided<[2]>>) {
  // expected-error @+1 {{needs a contiguous buffer, found 'memref<4xf32, strided<[2]>>'}}
  signal.ngrams %t into %b {lo = 3 : i64, hi = 3 : i64} : memref<4xf32, strided<[2]>>
  return
}

// -----

// N2
func.func @long(%t: !signal.text, %b: memref<4xf32>) {
  // expected-error @+1 {{n-gram lengths 3..17 are not within 1..16}}
  signal.ngrams %t into %b {lo = 3 : i64, hi = 17 : i64} : memref<4xf32>
  return
}

// -----

// P1: more automaton nodes than a pattern may have
// expected-error @+1 {{the pattern repeats too much: more than 40000 automaton nodes}}
#p = #signal.pattern<regex "(a{1000}){1000}">

// -----

// T1
func.func @keyless(%table: memref<?xi64>, %at: index) -> index {
  // expected-error @+1 {{is no table of keys: capacity 64, 0 words a key, 1 a value}}
  %w = signal.table_find () in %table[%at] of 64 x 1 : memref<?xi64>
  return %w : index
}

// -----

// N1
func.func @open(%buffer: memref<?xf32>, %changes: memref<?xi64>) {
  // expected-error @+1 {{notes all of 'memref<?xf32>', whose size is open}}
  signal.note_change %buffer in %changes : memref<?xf32>, memref<?xi64>
  return
}
