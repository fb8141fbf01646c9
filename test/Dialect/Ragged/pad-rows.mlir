// Rows 4096 bytes apart move apart by a cache line; other rows, and rows that somebody else reads, stay.
// RUN: route-opt %s --ragged-pad-rows | FileCheck %s --check-prefixes=CHECK,PLAIN
// RUN: route-opt %s --ragged-pack-weights --ragged-pad-rows | FileCheck %s --check-prefixes=CHECK,PACKED

// CHECK-LABEL: func @aliasing
// CHECK: %[[A0:.*]] = tensor.empty(%{{.*}}) : tensor<?x2080xbf16>
// CHECK: %[[A:.*]] = ragged.gather ins({{.*}}) outs(%[[A0]] : tensor<?x2080xbf16>) slots 8 -> tensor<?x2080xbf16>
// CHECK: %[[H0:.*]] = tensor.empty(%{{.*}}) : tensor<?x4128xbf16>
// PLAIN: %[[H:.*]] = ragged.matmul rows(%[[A]] : tensor<?x2080xbf16>) {{.*}} outs(%[[H0]] : tensor<?x4128xbf16>)
// PACKED: %[[H:.*]] = ragged.matmul rows(%[[A]] : tensor<?x2080xbf16>) {{.*}} depth 2048 columns 4096 outs(%[[H0]] : tensor<?x4128xbf16>)
// CHECK: ragged.matmul rows(%[[H]] : tensor<?x4128xbf16>) {{.*}} outs(%{{.*}} : tensor<?x1024xf32>)
func.func @aliasing(%x: tensor<?x2048xbf16>, %p: tensor<?xi32>, %o: tensor<9xi32>, %w: tensor<8x4096x2048xbf16>,
    %v: tensor<8x1024x4096xbf16>, %m: index) -> tensor<?x1024xf32> {
  %a0 = tensor.empty(%m) : tensor<?x2048xbf16>
  %a = ragged.gather ins(%x, %p : tensor<?x2048xbf16>, tensor<?xi32>) outs(%a0 : tensor<?x2048xbf16>) slots 8 -> tensor<?x2048xbf16>
  %h0 = tensor.empty(%m) : tensor<?x4096xbf16>
  %h = ragged.matmul rows(%a : tensor<?x2048xbf16>) offsets(%o : tensor<9xi32>) weights(%w : tensor<8x4096x2048xbf16>)
      outs(%h0 : tensor<?x4096xbf16>) {
  ^bb0(%acc: f32):
    %r = arith.truncf %acc : f32 to bf16
    ragged.yield %r : bf16
  } -> tensor<?x4096xbf16>
  %y0 = tensor.empty(%m) : tensor<?x1024xf32>
  %y = ragged.matmul rows(%h : tensor<?x4096xbf16>) offsets(%o : tensor<9xi32>) weights(%v : tensor<8x1024x4096xbf16>)
      outs(%y0 : tensor<?x1024xf32>) {
  ^bb0(%acc: f32):
    ragged.yield %acc : f32
  } -> tensor<?x1024xf32>
  return %y : tensor<?x1024xf32>
}

// CHECK-LABEL: func @kept
// CHECK-NOT: 2080
func.func @kept(%x: tensor<?x2048xbf16>, %z: tensor<?x1000xbf16>, %p: tensor<?xi32>, %o: tensor<9xi32>,
    %w: tensor<8x16x1000xbf16>, %m: index) -> (tensor<?x2048xbf16>, tensor<?x16xf32>) {
  %a0 = tensor.empty(%m) : tensor<?x2048xbf16>
  %a = ragged.gather ins(%x, %p : tensor<?x2048xbf16>, tensor<?xi32>) outs(%a0 : tensor<?x2048xbf16>) slots 8 -> tensor<?x2048xbf16>
  %b0 = tensor.empty(%m) : tensor<?x1000xbf16>
  // CHECK: ragged.gather {{.*}} -> tensor<?x1000xbf16>
  // CHECK-NOT: 2080
  %b = ragged.gather ins(%z, %p : tensor<?x1000xbf16>, tensor<?xi32>) outs(%b0 : tensor<?x1000xbf16>) slots 8 -> tensor<?x1000xbf16>
  %y0 = tensor.empty(%m) : tensor<?x16xf32>
  %y = ragged.matmul rows(%b : tensor<?x1000xbf16>) offsets(%o : tensor<9xi32>) weights(%w : tensor<8x16x1000xbf16>)
      outs(%y0 : tensor<?x16xf32>) {
  ^bb0(%acc: f32):
    ragged.yield %acc : f32
  } -> tensor<?x16xf32>
  return %a, %y : tensor<?x2048xbf16>, tensor<?x16xf32>
}
