// What the CPU lowering turns away, and why.
// RUN: route-opt %s --convert-ragged-to-cpu --split-input-file --verify-diagnostics
// RUN: not route-opt %s --convert-ragged-to-cpu=isa=v5 --split-input-file 2>&1 | FileCheck %s
// CHECK: 'isa' is 'v5', expected v4+bf16, v4-bf16, v4 or v3

func.func @tensors(%i: tensor<3x2xi32>, %c: tensor<5xi32>) -> tensor<5xi32> {
  // expected-error @+1 {{is on tensors; bufferize first}}
  %0 = ragged.count ins(%i : tensor<3x2xi32>) outs(%c : tensor<5xi32>) -> tensor<5xi32>
  return %0 : tensor<5xi32>
}

// -----
func.func @counts(%i: memref<3x2xi32>, %c: memref<?xi32>) {
  // expected-error @+1 {{'counts' needs a static size, found 'memref<?xi32>'}}
  ragged.count ins(%i : memref<3x2xi32>) outs(%c : memref<?xi32>)
  return
}

// -----
func.func @plain(%a: memref<?x4xf32>, %w: memref<1x5x4xf32>, %y: memref<?x5xf32>) {
  // expected-error @+1 {{needs its weights as panels; run ragged-pack-weights}}
  ragged.matmul rows(%a : memref<?x4xf32>) weights(%w : memref<1x5x4xf32>) outs(%y : memref<?x5xf32>) {
  ^bb0(%acc: f32):
    ragged.yield %acc : f32
  }
  return
}

// -----
func.func @strided(%a: memref<?x4xf32>, %w: memref<1x1x4x16xf32, strided<[128, 128, 32, 1]>>, %y: memref<?x5xf32>) {
  // expected-error @+1 {{needs contiguous panels, found 'memref<1x1x4x16xf32, strided<[128, 128, 32, 1]>>'}}
  ragged.matmul rows(%a : memref<?x4xf32>) weights(%w : memref<1x1x4x16xf32, strided<[128, 128, 32, 1]>>) depth 4 outs(%y : memref<?x5xf32>) {
  ^bb0(%acc: f32):
    ragged.yield %acc : f32
  }
  return
}

// -----
func.func @narrow(%y: memref<6x4xf32>, %i: memref<3x2xi32>, %o: memref<9x4xbf16>) {
  // expected-error @+1 {{sums in place on the CPU, and 'out' has no f32}}
  ragged.combine_at ins(%y, %i, %i : memref<6x4xf32>, memref<3x2xi32>, memref<3x2xi32>) outs(%o : memref<9x4xbf16>)
  return
}
