// A chain between an order and its combination gets a second form for few items.
// RUN: route-opt %s --ragged-fuse-slots --split-input-file | FileCheck %s
// RUN: route-opt %s --ragged-fuse-slots=few-rows=5 --split-input-file | FileCheck %s --check-prefix=FIVE
// RUN: route-opt %s --ragged-fuse-slots=few-rows=0 --split-input-file | FileCheck %s --check-prefix=NEVER
// RUN: route-opt %s --ragged-fuse-slots --one-shot-bufferize="bufferize-function-boundaries function-boundary-type-conversion=identity-layout-map" --split-input-file | FileCheck %s --check-prefix=BUFFERS

// CHECK-LABEL: func.func @layer
// CHECK: %[[T:.*]] = tensor.dim %arg1
// CHECK: arith.cmpi ule, %[[T]], %c2
// CHECK: %[[R:.*]] = scf.if
// CHECK-NEXT: %[[H:.*]] = ragged.slot_matmul rows(%arg0 : tensor<?x64xbf16>) slots 2 idx(%arg1 : tensor<?x2xi32>) limit(%arg2 : tensor<?xi32>) weights(%arg4, %arg5 {{.*}}) per_expert(%arg7
// CHECK: ragged.slot_matmul rows(%[[H]] : tensor<?x32xbf16>) slots 1 idx(%arg1 {{.*}} weights(%arg6 {{.*}}) combined scale(%arg3 : tensor<?x2xf32>) outs(%{{.*}} : tensor<?x64xbf16>)
// CHECK: } else {
// CHECK-NEXT: ragged.count
// CHECK: ragged.offsets
// CHECK: ragged.permute
// CHECK: ragged.gather
// CHECK: ragged.matmul {{.*}} attributes {ragged.many}
// CHECK: ragged.matmul {{.*}} attributes {ragged.many}
// CHECK: ragged.combine
// CHECK: return %[[R]]
// FIVE: arith.cmpi ule, %{{.*}}, %c2
// NEVER-NOT: scf.if
// No copies of results from one form into another.
// BUFFERS-LABEL: func.func @layer
// BUFFERS-NOT: memref.copy
// BUFFERS: ragged.slot_matmul
// BUFFERS-NOT: memref.copy
// BUFFERS: ragged.combine
// BUFFERS-NOT: memref.copy
// BUFFERS: return
func.func @layer(%x: tensor<?x64xbf16>, %idx: tensor<?x2xi32>, %n: tensor<?xi32>, %s: tensor<?x2xf32>, %g: tensor<16x32x64xbf16>,
                 %u: tensor<16x32x64xbf16>, %d: tensor<16x64x32xbf16>, %b: tensor<16x32xf32>, %slots: index, %items: index) -> tensor<?x64xbf16> {
  %c0 = tensor.empty() : tensor<16xi32>
  %o0 = tensor.empty() : tensor<17xi32>
  %p0 = tensor.empty(%slots) : tensor<?xi32>
  %i0 = tensor.empty(%items) : tensor<?x2xi32>
  %a0 = tensor.empty(%slots) : tensor<?x64xbf16>
  %h0 = tensor.empty(%slots) : tensor<?x32xbf16>
  %y0 = tensor.empty(%slots) : tensor<?x64xbf16>
  %r0 = tensor.empty(%items) : tensor<?x64xbf16>
  %c = ragged.count ins(%idx : tensor<?x2xi32>) limit(%n : tensor<?xi32>) outs(%c0 : tensor<16xi32>) -> tensor<16xi32>
  %o = ragged.offsets ins(%c : tensor<16xi32>) outs(%o0 : tensor<17xi32>) -> tensor<17xi32>
  %p, %i = ragged.permute ins(%idx, %o : tensor<?x2xi32>, tensor<17xi32>) limit(%n : tensor<?xi32>) outs(%p0, %i0 : tensor<?xi32>, tensor<?x2xi32>) -> tensor<?xi32>, tensor<?x2xi32>
  %a = ragged.gather ins(%x, %p : tensor<?x64xbf16>, tensor<?xi32>) outs(%a0 : tensor<?x64xbf16>) slots 2 -> tensor<?x64xbf16>
  %h = ragged.matmul rows(%a : tensor<?x64xbf16>) offsets(%o : tensor<17xi32>) weights(%g, %u : tensor<16x32x64xbf16>, tensor<16x32x64xbf16>)
      per_expert(%b : tensor<16x32xf32>) outs(%h0 : tensor<?x32xbf16>) {
  ^bb0(%v: f32, %w: f32, %e: f32):
    %m = arith.mulf %v, %w : f32
    %k = arith.addf %m, %e : f32
    %t = arith.truncf %k : f32 to bf16
    ragged.yield %t : bf16
  } -> tensor<?x32xbf16>
  %y = ragged.matmul rows(%h : tensor<?x32xbf16>) offsets(%o : tensor<17xi32>) weights(%d : tensor<16x64x32xbf16>) outs(%y0 : tensor<?x64xbf16>) {
  ^bb0(%v: f32):
    %t = arith.truncf %v : f32 to bf16
    ragged.yield %t : bf16
  } -> tensor<?x64xbf16>
  %r = ragged.combine ins(%y, %i : tensor<?x64xbf16>, tensor<?x2xi32>) scale(%s : tensor<?x2xf32>) outs(%r0 : tensor<?x64xbf16>) -> tensor<?x64xbf16>
  return %r : tensor<?x64xbf16>
}

// -----
// What others need stays outside; a result that others read, and a value for each row, keep the one form.
// CHECK-LABEL: func.func @counts
// CHECK: ragged.count
// CHECK: scf.if
// CHECK: } else {
// CHECK-NOT: ragged.count
// CHECK: return
// CHECK-LABEL: func.func @read
// CHECK-NOT: scf.if
// CHECK-LABEL: func.func @rows
// CHECK-NOT: scf.if
func.func @counts(%x: tensor<?x64xf32>, %idx: tensor<?x1xi32>, %w: tensor<8x64x64xf32>, %c0: tensor<8xi32>, %o0: tensor<9xi32>,
                  %p0: tensor<?xi32>, %i0: tensor<?x1xi32>, %a0: tensor<?x64xf32>) -> (tensor<?x64xf32>, tensor<8xi32>) {
  %c = ragged.count ins(%idx : tensor<?x1xi32>) outs(%c0 : tensor<8xi32>) -> tensor<8xi32>
  %o = ragged.offsets ins(%c : tensor<8xi32>) outs(%o0 : tensor<9xi32>) -> tensor<9xi32>
  %p, %i = ragged.permute ins(%idx, %o : tensor<?x1xi32>, tensor<9xi32>) outs(%p0, %i0 : tensor<?xi32>, tensor<?x1xi32>) -> tensor<?xi32>, tensor<?x1xi32>
  %a = ragged.gather ins(%x, %p : tensor<?x64xf32>, tensor<?xi32>) outs(%a0 : tensor<?x64xf32>) slots 1 -> tensor<?x64xf32>
  %y = ragged.matmul rows(%a : tensor<?x64xf32>) offsets(%o : tensor<9xi32>) weights(%w : tensor<8x64x64xf32>) outs(%a0 : tensor<?x64xf32>) {
  ^bb0(%v: f32):
    ragged.yield %v : f32
  } -> tensor<?x64xf32>
  %r = ragged.combine ins(%y, %i : tensor<?x64xf32>, tensor<?x1xi32>) outs(%a0 : tensor<?x64xf32>) -> tensor<?x64xf32>
  return %r, %c : tensor<?x64xf32>, tensor<8xi32>
}
func.func @read(%x: tensor<?x64xf32>, %idx: tensor<?x1xi32>, %w: tensor<8x64x64xf32>, %o: tensor<9xi32>,
                %p0: tensor<?xi32>, %i0: tensor<?x1xi32>, %a0: tensor<?x64xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32>) {
  %p, %i = ragged.permute ins(%idx, %o : tensor<?x1xi32>, tensor<9xi32>) outs(%p0, %i0 : tensor<?xi32>, tensor<?x1xi32>) -> tensor<?xi32>, tensor<?x1xi32>
  %a = ragged.gather ins(%x, %p : tensor<?x64xf32>, tensor<?xi32>) outs(%a0 : tensor<?x64xf32>) slots 1 -> tensor<?x64xf32>
  %y = ragged.matmul rows(%a : tensor<?x64xf32>) offsets(%o : tensor<9xi32>) weights(%w : tensor<8x64x64xf32>) outs(%a0 : tensor<?x64xf32>) {
  ^bb0(%v: f32):
    ragged.yield %v : f32
  } -> tensor<?x64xf32>
  %r = ragged.combine ins(%y, %i : tensor<?x64xf32>, tensor<?x1xi32>) outs(%a0 : tensor<?x64xf32>) -> tensor<?x64xf32>
  return %r, %y : tensor<?x64xf32>, tensor<?x64xf32>
}
func.func @rows(%x: tensor<?x64xf32>, %idx: tensor<?x1xi32>, %w: tensor<8x64x64xf32>, %o: tensor<9xi32>, %f: tensor<?xf32>,
                %p0: tensor<?xi32>, %i0: tensor<?x1xi32>, %a0: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %p, %i = ragged.permute ins(%idx, %o : tensor<?x1xi32>, tensor<9xi32>) outs(%p0, %i0 : tensor<?xi32>, tensor<?x1xi32>) -> tensor<?xi32>, tensor<?x1xi32>
  %a = ragged.gather ins(%x, %p : tensor<?x64xf32>, tensor<?xi32>) outs(%a0 : tensor<?x64xf32>) slots 1 -> tensor<?x64xf32>
  %y = ragged.matmul rows(%a : tensor<?x64xf32>) offsets(%o : tensor<9xi32>) weights(%w : tensor<8x64x64xf32>) per_row(%f : tensor<?xf32>) outs(%a0 : tensor<?x64xf32>) {
  ^bb0(%v: f32, %u: f32):
    %m = arith.mulf %v, %u : f32
    ragged.yield %m : f32
  } -> tensor<?x64xf32>
  %r = ragged.combine ins(%y, %i : tensor<?x64xf32>, tensor<?x1xi32>) outs(%a0 : tensor<?x64xf32>) -> tensor<?x64xf32>
  return %r : tensor<?x64xf32>
}
