// What convert-ragged-to-kernels refuses.
// RUN: route-opt %s --convert-ragged-to-kernels --split-input-file --verify-diagnostics

func.func @experts(%c: memref<?xi32>, %o: memref<?xi32>) {
  // expected-error @+1 {{has a kernel for static numbers of experts only}}
  ragged.offsets ins(%c : memref<?xi32>) outs(%o : memref<?xi32>)
  return
}

// -----
func.func @counts(%i: memref<?x?xi32>, %c: memref<?xi32>) {
  // expected-error @+1 {{has a kernel for static numbers of experts only}}
  ragged.count ins(%i : memref<?x?xi32>) outs(%c : memref<?xi32>)
  return
}

// -----
func.func @panels(%x: memref<?x64xf32>, %w: memref<1x2x64x16xf32>, %h: memref<?x32xf32>) {
  // expected-error @+1 {{has panels, which kernels do not read}}
  ragged.matmul rows(%x : memref<?x64xf32>) weights(%w : memref<1x2x64x16xf32>) depth 64 outs(%h : memref<?x32xf32>) {
  ^bb0(%a: f32):
    ragged.yield %a : f32
  }
  return
}

// -----
func.func @tensors(%c: tensor<6xi32>, %o: tensor<7xi32>) -> tensor<7xi32> {
  // expected-error @+1 {{is on tensors; bufferize first}}
  %r = ragged.offsets ins(%c : tensor<6xi32>) outs(%o : tensor<7xi32>) -> tensor<7xi32>
  return %r : tensor<7xi32>
}

// -----
func.func @ranks(%x: memref<?x64xf32>, %i: memref<?x33xi32>, %w: memref<64x32x64xf32>, %y: memref<?x32xf32>) {
  // expected-error @+1 {{no kernel combines more than 32 choices}}
  ragged.slot_matmul rows(%x : memref<?x64xf32>) slots 33 idx(%i : memref<?x33xi32>) weights(%w : memref<64x32x64xf32>)
      combined outs(%y : memref<?x32xf32>) {
  ^bb0(%a: f32):
    ragged.yield %a : f32
  }
  return
}

// -----
func.func @parts(%x: memref<?x64xf32>, %i: memref<?x2xi32>, %w: memref<8x64x96xf32>, %y: memref<?x32xf32>) {
  // expected-error @+1 {{no kernel multiplies 3 interleaved parts}}
  ragged.slot_matmul rows(%x : memref<?x64xf32>) slots 2 idx(%i : memref<?x2xi32>) weights(%w : memref<8x64x96xf32>)
      transposed interleaved 3 outs(%y : memref<?x32xf32>) {
  ^bb0(%a: f32, %b: f32, %c: f32):
    ragged.yield %a : f32
  }
  return
}
