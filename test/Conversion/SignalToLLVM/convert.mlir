// Texts become pairs, questions calls of internal functions over tables.
// RUN: route-opt %s -convert-signal-to-llvm | FileCheck %s
// RUN: route-opt %s -convert-signal-to-llvm -convert-scf-to-cf -expand-strided-metadata -convert-arith-to-llvm -finalize-memref-to-llvm -convert-func-to-llvm -convert-cf-to-llvm -reconcile-unrealized-casts | mlir-translate --mlir-to-llvmir | FileCheck %s --check-prefix=IR

// CHECK-LABEL: func.func @one
// CHECK-SAME: (%[[T:.*]]: !llvm.struct<(ptr, i64)>) -> (i1, i64, i64)
func.func @one(%t: !signal.text) -> (i1, i64, i64) {
  // CHECK: %[[P:.*]] = llvm.extractvalue %[[T]][0]
  // CHECK: %[[N:.*]] = llvm.extractvalue %[[T]][1]
  // CHECK: %[[F:.*]] = llvm.call @[[SCAN:route_scan]](%[[P]], %[[N]]) : (!llvm.ptr, i64) -> !llvm.array<1 x i64>
  // CHECK: llvm.icmp "ne"
  // CHECK: llvm.intr.ctpop
  %0, %1 = signal.scan [#signal.predicate<any [<keyword "a">, <keyword "b">]>, #signal.predicate<count [<keyword "a">, <keyword "c">]>] %t : i1, i64
  // CHECK: %[[SIZE:.*]] = llvm.extractvalue %[[T]][1]
  // CHECK: return {{.*}}, %[[SIZE]]
  %2 = signal.measure bytes %t
  return %0, %1, %2 : i1, i64, i64
}

// Equal questions share a function; memory holds two words a text.
// CHECK-LABEL: func.func @loop
// CHECK-SAME: (%[[M:.*]]: memref<?x2xi64>, %{{.*}}: memref<?xi1>
func.func @loop(%texts: memref<?x!signal.text>, %out: memref<?xi1>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.for %i = %c0 to %n step %c1 {
    // CHECK: memref.load %[[M]][%{{.*}}, %{{.*}}] : memref<?x2xi64>
    // CHECK: llvm.inttoptr
    // CHECK: llvm.call @[[SECOND:route_scan_0]](
    // CHECK: llvm.call @[[SECOND]](
    %t = memref.load %texts[%i] : memref<?x!signal.text>
    %a = signal.match <any [<keyword "a" fold = simple boundary = word>]> %t : i1
    memref.store %a, %out[%i] : memref<?xi1>
    %b = signal.match <any [<keyword "a" fold = simple boundary = word>]> %t : i1
    memref.store %b, %out[%i] : memref<?xi1>
  }
  return
}

// CHECK-LABEL: func.func @strided
// CHECK-SAME: memref<?x2xi64, strided<[?, 1], offset: ?>>
func.func @strided(%texts: memref<?x!signal.text, strided<[?], offset: ?>>) -> !signal.text {
  %c0 = arith.constant 0 : index
  %t = memref.load %texts[%c0] : memref<?x!signal.text, strided<[?], offset: ?>>
  return %t : !signal.text
}

// CHECK: llvm.func internal @[[SCAN]](
// CHECK: llvm.mlir.global internal constant @route_scan_bytes
// CHECK: llvm.func internal {{.*}}@route_text_scan(

// Nothing outside the module is called, nothing is allocated but on the stack.
// IR-NOT: declare {{.*}}@{{[^l]}}
// IR: define internal void @route_text_scan(
// IR-NOT: target-cpu
// IR-NOT: @malloc
