// The ragged dialect: choice among as many candidates as the call brings.
#ifndef ROUTE_DIALECT_RAGGED_IR_RAGGEDCHOOSEOP_TD
#define ROUTE_DIALECT_RAGGED_IR_RAGGEDCHOOSEOP_TD

include "route/Dialect/Ragged/IR/RaggedOpBase.td"

def Ragged_Key : Ragged_AnyRank<[F32, F64, I8, I16, I32, I64, I1], "numbers to rank by">;
def Ragged_Mask : Ragged_AnyRank<[I1], "truths">;
def Ragged_Index : Ragged_AnyRank<[I32], "i32 of any rank">;

def Ragged_ChooseOp : Ragged_Op<"choose", [AttrSizedOperandSegments]> {
  let summary = "for each item the best of the candidates, best first";
  let description = [{
    The leading dimensions of `indices` are the items, n of them; its last one is
    R, the most rows an item can have. The candidates are 0 .. `candidates` - 1.
    Operands are read through `maps`, one for each in order, from (d0 .. dn-1,
    c) to their own dimensions: di is the item's position, c the candidate. So a
    key that all items share is given once, and no operand is copied out.

    Candidates of an item are those that every mask allows and, where a range is
    given, with begin <= c < end. They rank by the keys, first key first, each
    high first unless its `up` is set: -0 equals +0, NaN ranks last under either
    direction; equal keys rank by position, the lower first. The first R, or the
    first `limit` of the item where that is less (below 0 counts as 0), go to
    `indices` in order, -1 behind them; `counts` says how many they are.

    Keys are compared where they lie and an item's rows are a heap in place, so
    the cost is candidates x log R an item and needs no memory. Items are
    independent and may run in parallel.

    Constraints: (C1) as many maps as operands, projected permutations, those
    of the range and of the limit without c; (C2) as many `up` flags as keys;
    (C3) `counts` has the items' dimensions.

    Example: experts choose 16 of their image's tokens by s[token, expert].
    ```mlir
    %i, %n = ragged.choose of %tokens
        by(%s : tensor<?x8xf32>) up [false]
        range(%begin, %end : tensor<?xi32>, tensor<?xi32>)
        maps [affine_map<(e, i, c) -> (c, e)>, affine_map<(e, i, c) -> (i)>, affine_map<(e, i, c) -> (i)>]
        outs(%i0, %n0 : tensor<8x?x16xi32>, tensor<8x?xi32>) -> tensor<8x?x16xi32>, tensor<8x?xi32>
    ```
  }];
  let arguments = (ins Index:$candidates, Variadic<Ragged_Key>:$keys, Variadic<Ragged_Mask>:$masks,
    Variadic<Ragged_Index>:$range, Optional<Ragged_Index>:$limit, AffineMapArrayAttr:$maps,
    DenseBoolArrayAttr:$up, Ragged_Index:$indices, Ragged_Index:$counts);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    `of` $candidates (`by` `(` $keys^ `:` type($keys) `)`)? `up` $up
    (`where` `(` $masks^ `:` type($masks) `)`)? (`range` `(` $range^ `:` type($range) `)`)?
    (`limit` `(` $limit^ `:` type($limit) `)`)? `maps` $maps
    `outs` `(` $indices `,` $counts `:` type($indices) `,` type($counts) `)` attr-dict (`->` type($results)^)?
  }];
  let inits = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() {
      return ::mlir::MutableOperandRange(getOperation(), (*this)->getNumOperands() - 2, 2);
    }
    /// The operands that `maps` are for, in their order.
    ::llvm::SmallVector<::mlir::Value> getMapped();
  }];
}

#endif
