// The ragged dialect: the grouped matmul and the terminator of its epilogue.
#ifndef ROUTE_DIALECT_RAGGED_IR_RAGGEDMATMULOPS_TD
#define ROUTE_DIALECT_RAGGED_IR_RAGGEDMATMULOPS_TD

include "route/Dialect/Ragged/IR/RaggedOpBase.td"

def Ragged_MatmulOp : Ragged_Op<"matmul", [AttrSizedOperandSegments, IsolatedFromAbove,
    SingleBlock]> {
  let summary = "each expert's rows times that expert's weights";
  let description = [{
    For every expert e, every row m of it and every column n,
    `out[m, n] = epilogue(acc_0, .., acc_{w-1}, per_expert[e, n].., per_row[m]..)`
    where `acc_i` is the f32 sum over k < K of `rows[m, k] * weights_i[e, n, k]`.
    Several weights make a gated unit in one pass over the rows. Padding rows
    keep what `outs` held. Without `offsets` there is one expert, and it has all
    the rows: a plain dense matmul.

    A sum's order is a function of K and the element type alone: not of the
    number of rows, the row's place, or the number of threads. An item's result
    is therefore the same in every batch. bf16 products are exact in f32.

    Weights are plain, [E, N, K] or, when `transposed`, [E, K, N]; or panels as
    `ragged.pack` makes them, and then `depth` is K. All weights have one type.
    Rows may be wider than K; what lies beyond is not read.

    Plain weights may be `interleaved P`: P of their columns side by side belong
    to one of the result, so that N above is N * P for them, and the epilogue has
    P accumulators in a row for each weight, of columns P * n .. P * n + P - 1.

    The epilogue takes f32 accumulators, then the elements of the `per_expert`
    and `per_row` operands in their own types, and yields an element of `out`.
    It may contain only elementwise ops without side effects, and constants; it
    is run on whole vectors.

    Constraints: (C1) at least one weight, all of one type, with the rows'
    element type and static shape; (C2) panels have a `depth` that fits them,
    plain weights have none; (C3) `transposed` and `interleaved`, which is at
    least 2, are for plain weights; (C4)
    `offsets` has one element more than there are experts, and without it there
    is one expert; (C5) rows are at least K wide; (C6) `out` is N wide, with as
    many rows as `rows`; (C7) `per_expert` operands are [E, N]; as memrefs beside
    plain weights they may have any strides; (C8) `per_row` operands have an element a row; (C9) the epilogue's arguments and yielded
    value have the types above; (C10) its ops are elementwise.

    Example:
    ```mlir
    %h = ragged.matmul rows(%a : tensor<?x64xbf16>) offsets(%o : tensor<5xi32>)
        weights(%g, %u : tensor<4x32x64xbf16>, tensor<4x32x64xbf16>)
        per_expert(%bias : tensor<4x32xf32>) outs(%h0 : tensor<?x32xbf16>) {
    ^bb0(%x: f32, %y: f32, %b: f32):
      %s = arith.addf %x, %b : f32
      %p = arith.mulf %s, %y : f32
      %r = arith.truncf %p : f32 to bf16
      ragged.yield %r : bf16
    } -> tensor<?x32xbf16>
    ```
  }];
  let arguments = (ins Ragged_Float2:$rows, Optional<Ragged_Index1>:$offsets,
    Variadic<Ragged_Weights>:$weights, Variadic<Ragged_Float2>:$perExpert,
    Variadic<Ragged_Float1>:$perRow, Ragged_Float2:$out,
    OptionalAttr<I64Attr>:$depth, UnitAttr:$transposed, OptionalAttr<I64Attr>:$interleaved);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let regions = (region SizedRegion<1>:$epilogue);
  let assemblyFormat = [{
    `rows` `(` $rows `:` type($rows) `)` (`offsets` `(` $offsets^ `:` type($offsets) `)`)?
    `weights` `(` $weights `:` type($weights) `)`
    (`depth` $depth^)? (`transposed` $transposed^)? (`interleaved` $interleaved^)?
    (`per_expert` `(` $perExpert^ `:` type($perExpert) `)`)?
    (`per_row` `(` $perRow^ `:` type($perRow) `)`)?
    `outs` `(` $out `:` type($out) `)` attr-dict-with-keyword $epilogue (`->` type($results)^)?
  }];
  let inits = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() { return getOutMutable(); }
    /// True when the weights are panels.
    bool isPacked() { return weightType().getRank() != 3; }
    /// The type of every weight.
    ::mlir::ShapedType weightType() {
      return ::llvm::cast<::mlir::ShapedType>(getWeights().front().getType());
    }
    /// Number of experts, of output columns, and of products in a sum.
    int64_t getExperts() { return weightType().getDimSize(0); }
    int64_t getOutputs() {
      return ::llvm::cast<::mlir::ShapedType>(getOut().getType()).getDimSize(1);
    }
    /// Columns of a weight for one of the result, and accumulators in all.
    int64_t getParts() {
      return getInterleaved() ? static_cast<int64_t>(*getInterleaved()) : 1;
    }
    unsigned getNumSums() { return getWeights().size() * getParts(); }
    int64_t getInner() {
      return getDepth() ? static_cast<int64_t>(*getDepth())
                        : weightType().getDimSize(getTransposed() ? 1 : 2);
    }
  }];
  let hasCanonicalizer = 1;
}

def Ragged_SlotMatmulOp : Ragged_Op<"slot_matmul", [AttrSizedOperandSegments, IsolatedFromAbove,
    SingleBlock]> {
  let summary = "each slot's row times the weights of the expert it chose";
  let description = [{
    What `ragged.matmul` computes for rows in groups, for rows in the order of
    their slots: no order, gather or combination is needed, and an expert's
    weights are read for each of its slots. Slot (t, k) of [T, K] chose expert
    e = `idx[t, k]`; nobody where e is outside 0..E-1 or k >= `limit[t]`. Its
    result is `y[n] = epilogue(acc_0, .., per_expert[e, n]..)` with sums over
    row (t * K + k) / `slots` of `rows`: `slots` is K where items have a row
    each, 1 where slots do.

    `out[t * K + k, n]` is y[n], and rows of slots that chose nobody keep what
    `outs` held. With `combined`, `out[t, n]` is the sum of y[n] over k ascending,
    times `scale[t, k]` where a scale is given, rounded as `ragged.combine` says.

    Weights are plain, and `transposed` and `interleaved` as for `ragged.matmul`.

    Constraints: (C1) at least one weight, all of one type, with the rows'
    element type and static shape; (C2) `slots` is 1 or K, which is static; (C3)
    `rows` and `out` have as many rows as items or slots, as `slots` and
    `combined` say; (C4) rows are at least K wide; (C5) `out` is N wide;
    (C6) `per_expert` operands are [E, N], with any strides; (C7) `scale` has the
    shape of `idx` and comes with `combined`; (C8) `limit` has as many elements
    as `idx` has rows; (C9) the epilogue is that of a `ragged.matmul` without
    `per_row`, and yields out's element, with `combined` any f32, bf16 or f16.

    Example:
    ```mlir
    %y = ragged.slot_matmul rows(%h : tensor<?x32xbf16>) slots 1 idx(%i : tensor<?x2xi32>)
        weights(%d : tensor<4x64x32xbf16>) combined scale(%s : tensor<?x2xf32>) outs(%y0 : tensor<?x64xbf16>) {
    ^bb0(%x: f32):
      ragged.yield %x : f32
    } -> tensor<?x64xbf16>
    ```
  }];
  let arguments = (ins Ragged_Float2:$rows, I64Attr:$slots, Ragged_Index2:$idx, Optional<Ragged_Index1>:$limit,
    Variadic<Ragged_Weights>:$weights, Variadic<Ragged_Float2>:$perExpert, Optional<Ragged_Float2>:$scale,
    Ragged_Float2:$out, UnitAttr:$transposed, OptionalAttr<I64Attr>:$interleaved, UnitAttr:$combined);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let regions = (region SizedRegion<1>:$epilogue);
  let assemblyFormat = [{
    `rows` `(` $rows `:` type($rows) `)` `slots` $slots `idx` `(` $idx `:` type($idx) `)`
    (`limit` `(` $limit^ `:` type($limit) `)`)? `weights` `(` $weights `:` type($weights) `)`
    (`transposed` $transposed^)? (`interleaved` $interleaved^)?
    (`per_expert` `(` $perExpert^ `:` type($perExpert) `)`)?
    (`combined` $combined^)? (`scale` `(` $scale^ `:` type($scale) `)`)?
    `outs` `(` $out `:` type($out) `)` attr-dict-with-keyword $epilogue (`->` type($results)^)?
  }];
  let inits = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() { return getOutMutable(); }
    /// The type of every weight.
    ::mlir::ShapedType weightType() {
      return ::llvm::cast<::mlir::ShapedType>(getWeights().front().getType());
    }
    /// Columns of a weight for one of the result, and accumulators in all.
    int64_t getParts() {
      return getInterleaved() ? static_cast<int64_t>(*getInterleaved()) : 1;
    }
    unsigned getNumSums() { return getWeights().size() * getParts(); }
    /// Number of experts, of output columns, and of products in a sum.
    int64_t getExperts() { return weightType().getDimSize(0); }
    int64_t getOutputs() {
      return ::llvm::cast<::mlir::ShapedType>(getOut().getType()).getDimSize(1);
    }
    int64_t getInner() { return weightType().getDimSize(getTransposed() ? 1 : 2); }
    /// Slots of an item.
    int64_t getRanks() {
      return ::llvm::cast<::mlir::ShapedType>(getIdx().getType()).getDimSize(1);
    }
  }];
}

def Ragged_YieldOp : Op<Ragged_Dialect, "yield", [Pure, Terminator,
    ParentOneOf<["MatmulOp", "SlotMatmulOp"]>]> {
  let summary = "the element that an epilogue makes";
  let description = [{ Example: `ragged.yield %r : bf16` }];
  let arguments = (ins AnyFloat:$value);
  let assemblyFormat = "$value attr-dict `:` type($value)";
}

#endif
