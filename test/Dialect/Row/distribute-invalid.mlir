// What row-distribute does not lower it names.
// RUN: route-opt %s --row-distribute --split-input-file --verify-diagnostics

func.func @operation(%x: memref<?x4xf32>, %o: memref<?x2x2xf32>) {
  row.program ins(%x : memref<?x4xf32>) outs(%o : memref<?x2x2xf32>) {
  ^bb0(%r: tensor<4xf32>):
    %s = arith.constant dense<2> : tensor<2xi64>
    // expected-error @+1 {{row programs do not lower 'tensor.reshape'}}
    %t = tensor.reshape %r(%s) : (tensor<4xf32>, tensor<2xi64>) -> tensor<2x2xf32>
    row.yield %t : tensor<2x2xf32>
  }
  return
}

// -----

func.func @indexing(%x: memref<?x8xf32>, %o: memref<?x4xf32>) {
  row.program ins(%x : memref<?x8xf32>) outs(%o : memref<?x4xf32>) {
  ^bb0(%r: tensor<8xf32>):
    %e = tensor.empty() : tensor<4xf32>
    // expected-error @+1 {{indexing by dimensions and constants only}}
    %t = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0 * 2)>, affine_map<(d0) -> (d0)>],
                         iterator_types = ["parallel"]} ins(%r : tensor<8xf32>) outs(%e : tensor<4xf32>) {
    ^bb0(%a: f32, %b: f32):
      linalg.yield %a : f32
    } -> tensor<4xf32>
    row.yield %t : tensor<4xf32>
  }
  return
}

// -----

func.func @computed(%x: memref<?x8xf32>, %w: memref<1x4x8xf32>, %o: memref<?x4xf32>) {
  row.program ins(%x : memref<?x8xf32>) uniform(%w : memref<1x4x8xf32>) outs(%o : memref<?x4xf32>) {
  ^bb0(%r: tensor<8xf32>, %u: tensor<1x4x8xf32>):
    %s = arith.mulf %r, %r : tensor<8xf32>
    %m = tensor.expand_shape %s [[0, 1]] output_shape [1, 8] : tensor<8xf32> into tensor<1x8xf32>
    %e = tensor.empty() : tensor<1x4xf32>
    // expected-error @+1 {{row programs multiply an input of static width by uniforms only}}
    %p = ragged.matmul rows(%m : tensor<1x8xf32>) weights(%u : tensor<1x4x8xf32>) outs(%e : tensor<1x4xf32>) {
    ^bb0(%a: f32):
      ragged.yield %a : f32
    } -> tensor<1x4xf32>
    %l = tensor.collapse_shape %p [[0, 1]] : tensor<1x4xf32> into tensor<4xf32>
    row.yield %l : tensor<4xf32>
  }
  return
}
