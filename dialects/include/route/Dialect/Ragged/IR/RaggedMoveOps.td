// The ragged dialect: ops that move rows into groups and back, and weights into panels.
#ifndef ROUTE_DIALECT_RAGGED_IR_RAGGEDMOVEOPS_TD
#define ROUTE_DIALECT_RAGGED_IR_RAGGEDMOVEOPS_TD

include "route/Dialect/Ragged/IR/RaggedOpBase.td"

def Ragged_GatherOp : Ragged_Op<"gather"> {
  let summary = "copies each item's row to its place among its expert's rows";
  let description = [{
    `out[m, h] = x[perm[m] / slots, h]` for every m with `perm[m] >= 0` and every
    h below x's width; other elements keep what `outs` held. With `slots` the
    number of choices of an item, `x` holds a row an item; with `slots` 1, a
    row a slot (its weight, for one). `x` and `out` may also be vectors. An out
    wider than x leaves rows apart by a stride that does not alias in the cache.

    Constraints: (C1) `slots` is positive; (C2) `out` has as many rows as `perm`;
    (C3) `out` has x's rank and element type; (C4) `out` is at least as wide as x.

    Example:
    ```mlir
    %a = ragged.gather ins(%x, %perm : tensor<?x2048xbf16>, tensor<?xi32>)
        outs(%a0 : tensor<?x2048xbf16>) slots 8 -> tensor<?x2048xbf16>
    ```
  }];
  let arguments = (ins Ragged_Float12:$x, Ragged_Index1:$perm, Ragged_Float12:$out,
    I64Attr:$slots);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    `ins` `(` $x `,` $perm `:` type($x) `,` type($perm) `)` `outs` `(` $out `:` type($out) `)`
    `slots` $slots attr-dict (`->` type($results)^)?
  }];
  let inits = [{ ::mlir::MutableOperandRange getDpsInitsMutable() { return getOutMutable(); } }];
}

def Ragged_CombineOp : Ragged_Op<"combine"> {
  let summary = "sums each item's rows in rank order";
  let description = [{
    `out[t, h]` is the sum over k, ascending, of `y[inv[t, k], h]`, times
    `scale[t, k]` where a scale is given, over the k with `inv[t, k] >= 0`. Each
    product and each sum is rounded to f32, the sum starts from its first term
    (+0.0 without terms), and the result is rounded once to out's element type.

    Constraints: (C1) `out` has as many rows as `inv`; (C2) `out` is as wide as
    y; (C3) `scale` has the shape of `inv`.

    Example:
    ```mlir
    %out = ragged.combine ins(%y, %inv : tensor<?x2048xf32>, tensor<?x8xi32>)
        scale(%w : tensor<?x8xf32>) outs(%out0 : tensor<?x2048xbf16>) -> tensor<?x2048xbf16>
    ```
  }];
  let arguments = (ins Ragged_Float2:$y, Ragged_Index2:$inv, Optional<Ragged_Float2>:$scale,
    Ragged_Float2:$out);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    `ins` `(` $y `,` $inv `:` type($y) `,` type($inv) `)` (`scale` `(` $scale^ `:` type($scale) `)`)?
    `outs` `(` $out `:` type($out) `)` attr-dict (`->` type($results)^)?
  }];
  let inits = [{ ::mlir::MutableOperandRange getDpsInitsMutable() { return getOutMutable(); } }];
  let hasCanonicalizer = 1;
}

def Ragged_CombineAtOp : Ragged_Op<"combine_at"> {
  let summary = "sums slots' rows where each slot says";
  let description = [{
    `out[d, h]` is the sum over the slots (n, k), in ascending order, with
    `at[n, k] == d` and `inv[n, k] >= 0`, of `y[inv[n, k], h]`, times
    `scale[n, k]` where a scale is given. Each product and each sum is rounded
    to f32, the sum starts from +0.0, and the result is rounded once to out's
    element type. Slots whose `at` lies outside 0..D-1 go nowhere (absent ones
    have -1); a row of `out` may have any number of slots.

    So experts that choose items give their rows back to them, where an item
    may have been chosen by several experts or by none.

    Constraints: (C1) `at` has the shape of `inv`; (C2) `scale` has the shape of
    `inv`; (C3) `out` is as wide as y.

    Example:
    ```mlir
    %out = ragged.combine_at ins(%y, %inv, %at : tensor<?x2048xf32>, tensor<8x?xi32>, tensor<8x?xi32>)
        scale(%w : tensor<8x?xf32>) outs(%out0 : tensor<?x2048xf32>) -> tensor<?x2048xf32>
    ```
  }];
  let arguments = (ins Ragged_Float2:$y, Ragged_Index2:$inv, Ragged_Index2:$at,
    Optional<Ragged_Float2>:$scale, Ragged_Float2:$out);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    `ins` `(` $y `,` $inv `,` $at `:` type($y) `,` type($inv) `,` type($at) `)`
    (`scale` `(` $scale^ `:` type($scale) `)`)?
    `outs` `(` $out `:` type($out) `)` attr-dict (`->` type($results)^)?
  }];
  let inits = [{ ::mlir::MutableOperandRange getDpsInitsMutable() { return getOutMutable(); } }];
  let hasCanonicalizer = 1;
}

def Ragged_PackOp : Ragged_Op<"pack"> {
  let summary = "puts weights into the panels that the matmul streams";
  let description = [{
    Weights are [E, N, K] as checkpoints have them, K contiguous, or [E, K, N]
    when `transposed`. f32 panels are [E, ceil(N/16), K, 16]: 16 output columns
    side by side. bf16 panels are [E, ceil(N/16), ceil(K/2), 16, 2]: pairs along
    K are neighbours, as dot products of pairs want them. What lies beyond N and
    K is +0.0.

    Constraints: (C1) shapes are static; (C2) `panels` has w's element type and
    the shape above.

    Example:
    ```mlir
    %p = ragged.pack ins(%w : tensor<64x100x33xbf16>)
        outs(%p0 : tensor<64x7x17x16x2xbf16>) -> tensor<64x7x17x16x2xbf16>
    ```
  }];
  let arguments = (ins Ragged_Float3:$w, Ragged_Panels:$panels, UnitAttr:$transposed);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    `ins` `(` $w `:` type($w) `)` `outs` `(` $panels `:` type($panels) `)`
    (`transposed` $transposed^)? attr-dict (`->` type($results)^)?
  }];
  let inits = [{ ::mlir::MutableOperandRange getDpsInitsMutable() { return getPanelsMutable(); } }];
}

#endif
