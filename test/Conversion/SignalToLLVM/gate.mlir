// An expression that stays alive through other text gets a pass of its own, over
// no bytes unless the first pass has seen what it requires.
// RUN: route-opt %s -convert-signal-to-llvm="max-product=1" | FileCheck %s
// RUN: route-opt %s -convert-signal-to-llvm | FileCheck %s --check-prefix=ONE

// CHECK: llvm.func internal @route_scan(%[[P:.*]]: !llvm.ptr, %[[N:.*]]: i64)
// CHECK: llvm.call @route_text_scan(%[[P]], %[[N]],
// CHECK: llvm.and %{{.*}}, %[[MASK:.*]] : i64
// CHECK: %[[OPEN:.*]] = llvm.icmp "ne"
// CHECK: %[[SIZE:.*]] = llvm.select %[[OPEN]], %[[N]], %{{.*}} : i1, i64
// CHECK: llvm.call @route_text_scan(%[[P]], %[[SIZE]],
// CHECK-NOT: llvm.call @route_text_scan(
// CHECK: llvm.return

// ONE: llvm.func internal @route_scan(
// ONE: llvm.call @route_text_scan(
// ONE-NOT: llvm.call @route_text_scan(
// ONE: llvm.return
func.func @secrets(%t: !signal.text) -> (i1, i1) {
  %0, %1 = signal.scan [#signal.predicate<any [<regex "\\bsk-[A-Za-z0-9]{8,}\\b">]>, #signal.predicate<any [<keyword "password">]>] %t : i1, i1
  return %0, %1 : i1, i1
}
