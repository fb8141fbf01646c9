// Operations of the row dialect.
#ifndef ROUTE_DIALECT_ROW_IR_ROWOPS_TD
#define ROUTE_DIALECT_ROW_IR_ROWOPS_TD

include "mlir/IR/OpAsmInterface.td"
include "mlir/Interfaces/DestinationStyleOpInterface.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "route/Dialect/Row/IR/RowEnums.td"

class Row_Op<string mnemonic, list<Trait> traits = []>
    : Op<Row_Dialect, mnemonic, traits>;

def Row_Buffer : AnyTypeOf<[AnyRankedTensor, AnyStridedMemRef],
                           "ranked tensor or strided memref">;
def Row_Float : AnyTypeOf<[F32, F64, F16, BF16]>;
def Row_KeyTensor : RankedTensorOf<[F32, F64, I32, I64, I1]>;
def Row_IndexTensor : RankedTensorOf<[I32]>;
def Row_MaskTensor : RankedTensorOf<[I1]>;
def Row_F32Tensor : RankedTensorOf<[F32]>;
def Row_FloatTensor : RankedTensorOf<[F32, F64]>;

def Row_ProgramOp : Row_Op<"program", [
    AttrSizedOperandSegments, IsolatedFromAbove, SingleBlock,
    DestinationStyleOpInterface,
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "a program run once per item";
  let description = [{
    Runs the body for every item i. `inputs` have a leading item dimension: the
    body sees their row i. `uniforms` have none: the body sees all of them.
    The body yields row i of every output, then what item i adds to every
    accumulator.

    Outputs are written whole; what they held is not read. An accumulator ends
    as its initial value plus the yielded values of all items: in any order for
    integers, in ascending item order for floating point.

    Operands are all tensors, or memrefs; tensor outputs and accumulators have a
    result each, memrefs are updated in place. Bodies of buffers still work on
    tensor values. Items are independent: an implementation may run them in any
    order and in parallel.

    (C1) inputs and outputs have rank >= 1 and the same number of items.
    (C2) the body's arguments are the inputs' rows, then the uniforms, as
    tensors. (C3) the body yields the outputs' rows, then one value of each
    accumulator's type. (C4) results are the types of tensor outputs and
    accumulators, in order. (C5) accumulators are integer or float.

    ```mlir
    // Top 2 of 64 by score, with counts per candidate.
    %i, %c = row.program ins(%scores : tensor<?x64xf32>)
        outs(%init : tensor<?x2xi32>) acc(%zero : tensor<64xi32>) {
    ^bb0(%s: tensor<64xf32>):
      %idx, %n = row.choose by(%s : tensor<64xf32>) : tensor<2xi32>, tensor<i32>
      %t = row.tally %idx : tensor<2xi32> -> tensor<64xi32>
      row.yield %idx, %t : tensor<2xi32>, tensor<64xi32>
    } -> tensor<?x2xi32>, tensor<64xi32>
    ```
  }];
  let arguments = (ins Variadic<Row_Buffer>:$inputs,
                       Variadic<Row_Buffer>:$uniforms,
                       Variadic<Row_Buffer>:$outputs,
                       Variadic<Row_Buffer>:$accumulators);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    (`ins` `(` $inputs^ `:` type($inputs) `)`)?
    (`uniform` `(` $uniforms^ `:` type($uniforms) `)`)?
    (`outs` `(` $outputs^ `:` type($outputs) `)`)?
    (`acc` `(` $accumulators^ `:` type($accumulators) `)`)?
    $body attr-dict (`->` type($results)^)?
  }];
  let extraClassDeclaration = [{
    mlir::MutableOperandRange getDpsInitsMutable();
    /// The type that the body sees for row values of `type`.
    static mlir::RankedTensorType rowType(mlir::Type type, bool varying);
    YieldOp getYield();
  }];
  let hasVerifier = 1;
  let hasCanonicalizer = 1;
}

def Row_YieldOp : Row_Op<"yield", [Pure, Terminator, HasParent<"ProgramOp">]> {
  let summary = "ends a row program";
  let description = [{
    Gives the rows of the outputs, then the additions to the accumulators.

    ```mlir
    row.yield %idx, %weights : tensor<8xi32>, tensor<8xf32>
    ```
  }];
  let arguments = (ins Variadic<AnyRankedTensor>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
}

def Row_ChooseOp : Row_Op<"choose", [AttrSizedOperandSegments, Pure]> {
  let summary = "choose a few candidates by key";
  let description = [{
    Ranks the candidates along the last dimension of the keys and gives the
    indices of the best, best first, and how many there are. Leading dimensions
    are batch dimensions: one choice each.

    Keys rank lexicographically, high values first; `up` flips single keys. The
    order of a key's values is route::num::key: -0 equals +0, NaN ranks last.
    Candidates with equal keys rank by index, the lower first. With no keys at
    all, candidates rank by index: "all that pass the mask".

    A candidate whose `where` is false is absent. At most K candidates are
    chosen, K being the size of the last dimension of the indices; `count`
    lowers that further (values below 0 count as 0). `until(v, t)` ends the
    choice with the row at which the running sum of v over the rows, from +0 in
    rank order, is at least t (that row is kept); a NaN sum never is. Indices
    past the number of chosen are -1.

    (C1) keys, mask and until values have one shape. (C2) indices have the
    keys' leading dimensions and K <= the number of candidates. (C3) the number
    of chosen, `count` and the threshold have the batch shape, `count` and the
    threshold may also be rank 0. (C4) at least a key or a mask is given.
    (C5) `up` has one flag for each key.

    ```mlir
    // DeepSeek-V3: the best 2 of 32 experts in each of 8 groups.
    %i, %n = row.choose by(%k : tensor<8x32xf32>) : tensor<8x2xi32>, tensor<8xi32>
    // Top-p: experts by probability until 0.9 of it is covered.
    %j, %m = row.choose by(%p : tensor<64xf32>)
        until(%p, %t : tensor<64xf32>, tensor<f32>) : tensor<64xi32>, tensor<i32>
    // Cheapest first, then the better score, among those allowed.
    %c, %o = row.choose by(%cost, %score : tensor<9xf32>, tensor<9xf32>)
        up [true, false] where(%ok : tensor<9xi1>) : tensor<1xi32>, tensor<i32>
    ```
  }];
  let arguments = (ins Variadic<Row_KeyTensor>:$keys,
                       Optional<Row_MaskTensor>:$mask,
                       Optional<Row_IndexTensor>:$count,
                       Optional<Row_F32Tensor>:$values,
                       Optional<Row_F32Tensor>:$threshold,
                       OptionalAttr<DenseBoolArrayAttr>:$up);
  let results = (outs Row_IndexTensor:$indices, Row_IndexTensor:$chosen);
  let assemblyFormat = [{
    (`by` `(` $keys^ `:` type($keys) `)`)? (`up` $up^)?
    (`where` `(` $mask^ `:` type($mask) `)`)?
    (`count` `(` $count^ `:` type($count) `)`)?
    (`until` `(` $values^ `,` $threshold `:` type($values) `,` type($threshold) `)`)?
    attr-dict `:` type($indices) `,` type($chosen)
  }];
  let extraClassDeclaration = [{
    /// The type of the keys (or of the mask where there are none).
    mlir::RankedTensorType getCandidateType();
    /// Whether low values of key `i` come first.
    bool isUp(unsigned i) { return getUp() && (*getUp())[i]; }
  }];
  let hasVerifier = 1;
  let hasCanonicalizeMethod = 1;
}

def Row_TakeOp : Row_Op<"take", [Pure]> {
  let summary = "the values of the chosen";
  let description = [{
    Element [b, r] of the result is values[b, indices[b, r]], and zero where the
    index is -1. Values of rank 1 serve every batch. Other indices must lie
    within the values.

    (C1) values have rank 1 or the rank and leading dimensions of the indices.
    (C2) the result has the shape of the indices and the values' element type.

    ```mlir
    %w = row.take %p[%idx] : tensor<128xf32>, tensor<8xi32> -> tensor<8xf32>
    ```
  }];
  let arguments = (ins RankedTensorOf<[AnySignlessInteger, AnyFloat]>:$values,
                       Row_IndexTensor:$indices);
  let results = (outs RankedTensorOf<[AnySignlessInteger, AnyFloat]>:$result);
  let assemblyFormat = [{
    $values `[` $indices `]` attr-dict `:` type($values) `,` type($indices)
    `->` type($result)
  }];
  let hasVerifier = 1;
}

def Row_ContainsOp : Row_Op<"contains", [Pure]> {
  let summary = "membership in what was chosen";
  let description = [{
    Element [b, e] of the result is true if some indices[b, r] = e.

    (C1) the result has the rank and leading dimensions of the indices.

    ```mlir
    %open = row.contains %groups : tensor<4xi32> -> tensor<8xi1>
    ```
  }];
  let arguments = (ins Row_IndexTensor:$indices);
  let results = (outs Row_MaskTensor:$result);
  let assemblyFormat =
      "$indices attr-dict `:` type($indices) `->` type($result)";
  let hasVerifier = 1;
}

def Row_TallyOp : Row_Op<"tally", [Pure]> {
  let summary = "how often each candidate was chosen";
  let description = [{
    Element e of the result counts the indices equal to e, over all batches.
    Yielded into an accumulator it becomes the usual load count.

    (C1) the result has rank 1.

    ```mlir
    %n = row.tally %idx : tensor<8xi32> -> tensor<128xi32>
    ```
  }];
  let arguments = (ins Row_IndexTensor:$indices);
  let results = (outs Row_IndexTensor:$result);
  let assemblyFormat =
      "$indices attr-dict `:` type($indices) `->` type($result)";
  let hasVerifier = 1;
}

def Row_SumOp : Row_Op<"sum", [Pure]> {
  let summary = "a sum in a fixed order";
  let description = [{
    Sums along the last dimension. `butterfly` is the order of route::num::sum:
    32 strided partials, joined as p[j] += p[j + s] for s = 16, 8, 4, 2, 1.
    `sequential` is that of route::num::sumInOrder: from +0, in ascending order;
    sums over chosen rows use it.

    (C1) the result has the operand's leading dimensions;
    (C2) and its element type.

    ```mlir
    %s = row.sum butterfly %e : tensor<128xf32> -> tensor<f32>
    ```
  }];
  let arguments = (ins Row_SumOrderAttr:$order, Row_FloatTensor:$values);
  let results = (outs Row_FloatTensor:$result);
  let assemblyFormat =
      "$order $values attr-dict `:` type($values) `->` type($result)";
  let hasVerifier = 1;
}

def Row_UnaryOp : Row_Op<"unary", [Pure, SameOperandsAndResultType,
    Elementwise, Scalarizable, Vectorizable, Tensorizable]> {
  let summary = "a function of numerics.h";
  let description = [{
    Applies a function that route/numerics.h defines and the math dialect lacks
    to a scalar, or to each element. On f16 and bf16 it is computed in f32 and
    rounded once, on f64 in f64.

    ```mlir
    %y = row.unary sigmoid %x : f32
    ```
  }];
  let arguments = (ins Row_UnaryFunctionAttr:$function,
                       AnyTypeOf<[Row_Float, VectorOfAnyRankOf<[Row_Float]>,
                                  RankedTensorOf<[Row_Float]>]>:$operand);
  let results = (outs AnyType:$result);
  let assemblyFormat = "$function $operand attr-dict `:` type($operand)";
}

#endif // ROUTE_DIALECT_ROW_IR_ROWOPS_TD
