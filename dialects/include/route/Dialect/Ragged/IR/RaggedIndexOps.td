// The ragged dialect: ops that work out where each chosen slot goes.
#ifndef ROUTE_DIALECT_RAGGED_IR_RAGGEDINDEXOPS_TD
#define ROUTE_DIALECT_RAGGED_IR_RAGGEDINDEXOPS_TD

include "route/Dialect/Ragged/IR/RaggedOpBase.td"

def Ragged_CountOp : Ragged_Op<"count"> {
  let summary = "how many slots chose each expert";
  let description = [{
    `counts[e]` is the number of slots (t, k) with `idx[t, k] == e`, taking only
    k < `limit[t]` where a limit is given. Any index outside 0..E-1 (padding is
    -1) counts for nobody.

    Constraints: (C1) `limit` has as many elements as `idx` has rows.

    Example:
    ```mlir
    %c = ragged.count ins(%idx : tensor<?x8xi32>) outs(%c0 : tensor<64xi32>) -> tensor<64xi32>
    ```
  }];
  let arguments = (ins Ragged_Index2:$idx, Optional<Ragged_Index1>:$limit, Ragged_Index1:$counts);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    `ins` `(` $idx `:` type($idx) `)` (`limit` `(` $limit^ `:` type($limit) `)`)?
    `outs` `(` $counts `:` type($counts) `)` attr-dict (`->` type($results)^)?
  }];
  let inits = [{ ::mlir::MutableOperandRange getDpsInitsMutable() { return getCountsMutable(); } }];
}

def Ragged_OffsetsOp : Ragged_Op<"offsets"> {
  let summary = "the exclusive prefix sum of the counts";
  let description = [{
    `offsets[0] == 0` and `offsets[e+1] == offsets[e] + counts[e]`.

    Constraints: (C1) `offsets` has one element more than `counts`.

    Example:
    ```mlir
    %o = ragged.offsets ins(%c : tensor<64xi32>) outs(%o0 : tensor<65xi32>) -> tensor<65xi32>
    ```
  }];
  let arguments = (ins Ragged_Index1:$counts, Ragged_Index1:$offsets);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    `ins` `(` $counts `:` type($counts) `)` `outs` `(` $offsets `:` type($offsets) `)`
    attr-dict (`->` type($results)^)?
  }];
  let inits = [{ ::mlir::MutableOperandRange getDpsInitsMutable() { return getOffsetsMutable(); } }];
}

def Ragged_PermuteOp : Ragged_Op<"permute"> {
  let summary = "sorts slots by expert, stably";
  let description = [{
    Gives each chosen slot its row among its expert's rows, in the order of the
    slots: `inv[t, k]` is the row of slot (t, k) and `perm[inv[t, k]] == t*K + k`.
    Slots that chose nothing (an index outside 0..E-1, or k >= `limit[t]`) have
    `inv == -1`; rows that nobody took have `perm == -1`. `offsets` must be
    those of the same `idx` and `limit`.

    Constraints: (C1) `perm` has as many elements as `idx`; (C2) `inv` has the
    shape of `idx`; (C3) `limit` has as many elements as `idx` has rows; (C4)
    `offsets` has a static, positive size.

    Example:
    ```mlir
    %p, %i = ragged.permute ins(%idx, %o : tensor<?x8xi32>, tensor<65xi32>)
        outs(%p0, %i0 : tensor<?xi32>, tensor<?x8xi32>) -> tensor<?xi32>, tensor<?x8xi32>
    ```
  }];
  let arguments = (ins Ragged_Index2:$idx, Ragged_Index1:$offsets, Optional<Ragged_Index1>:$limit,
    Ragged_Index1:$perm, Ragged_Index2:$inv);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    `ins` `(` $idx `,` $offsets `:` type($idx) `,` type($offsets) `)`
    (`limit` `(` $limit^ `:` type($limit) `)`)?
    `outs` `(` $perm `,` $inv `:` type($perm) `,` type($inv) `)` attr-dict (`->` type($results)^)?
  }];
  let inits = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() {
      return ::mlir::MutableOperandRange(getOperation(), (*this)->getNumOperands() - 2, 2);
    }
  }];
}

#endif
