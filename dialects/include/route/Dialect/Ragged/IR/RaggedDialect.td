// The ragged dialect: dense buffers of items grouped by expert, without a ragged type.
#ifndef ROUTE_DIALECT_RAGGED_IR_RAGGEDDIALECT_TD
#define ROUTE_DIALECT_RAGGED_IR_RAGGEDDIALECT_TD

include "mlir/IR/OpBase.td"

def Ragged_Dialect : Dialect {
  let name = "ragged";
  let cppNamespace = "::route::ragged";
  let summary = "items grouped by expert: offsets, permutation, grouped matmul, combination";
  let description = [{
    T items choose up to K of E experts each. A grouped buffer has M = T*K rows;
    the rows of expert e are `offsets[e] <= m < offsets[e+1]`, in the order in
    which the items chose, and the rows from `offsets[E]` on are padding. M is
    known to the host from T alone; the counts never leave the device.

    Three index buffers describe a grouping, all i32:

    * `offsets[E+1]`: the exclusive prefix sum of the counts;
    * `perm[M]`: the slot (item * K + rank) that each grouped row came from, -1
      for padding;
    * `inv[T, K]`: the grouped row of each slot, -1 where nothing was chosen.

    Every op is in destination style and takes either tensors, yielding one
    result for each `outs` operand, or memrefs, yielding nothing. One-shot
    bufferization turns the first form into the second. On the CPU,
    `ragged-pack-weights` puts the weights of matmuls into panels (hoist the
    `ragged.pack` ops to where parameters are bound), and after bufferization
    `convert-ragged-to-cpu` outlines each op into a function over a range of
    independent work items and calls it. No step allocates.

    A layer of gated experts:
    ```mlir
    %c    = ragged.count ins(%idx : tensor<?x8xi32>) outs(%c0 : tensor<64xi32>) -> tensor<64xi32>
    %offs = ragged.offsets ins(%c : tensor<64xi32>) outs(%o0 : tensor<65xi32>) -> tensor<65xi32>
    %perm, %inv = ragged.permute ins(%idx, %offs : tensor<?x8xi32>, tensor<65xi32>)
        outs(%p0, %i0 : tensor<?xi32>, tensor<?x8xi32>) -> tensor<?xi32>, tensor<?x8xi32>
    %a = ragged.gather ins(%x, %perm : tensor<?x2048xbf16>, tensor<?xi32>)
        outs(%a0 : tensor<?x2048xbf16>) slots 8 -> tensor<?x2048xbf16>
    %h = ragged.matmul rows(%a : tensor<?x2048xbf16>) offsets(%offs : tensor<65xi32>)
        weights(%gate, %up : tensor<64x1024x2048xbf16>, tensor<64x1024x2048xbf16>)
        outs(%h0 : tensor<?x1024xbf16>) {
    ^bb0(%g: f32, %u: f32):
      ...
      ragged.yield %gated : bf16
    } -> tensor<?x1024xbf16>
    %y = ragged.matmul rows(%h : tensor<?x1024xbf16>) offsets(%offs : tensor<65xi32>)
        weights(%down : tensor<64x2048x1024xbf16>) outs(%y0 : tensor<?x2048xf32>) {
    ^bb0(%acc: f32):
      ragged.yield %acc : f32
    } -> tensor<?x2048xf32>
    %out = ragged.combine ins(%y, %inv : tensor<?x2048xf32>, tensor<?x8xi32>) scale(%w : tensor<?x8xf32>)
        outs(%out0 : tensor<?x2048xbf16>) -> tensor<?x2048xbf16>
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect"];
}

#endif
