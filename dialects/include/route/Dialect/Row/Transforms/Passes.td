// Passes on row programs.
#ifndef ROUTE_DIALECT_ROW_TRANSFORMS_PASSES_TD
#define ROUTE_DIALECT_ROW_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

def RowFuseProducts : Pass<"row-fuse-products"> {
  let summary = "move products that only a row program reads into it";
  let description = [{
    A `ragged.matmul` without offsets whose only reader is an input of a
    `row.program` becomes a product of one row in the program's body. Its rows
    and per-row operands become inputs, its weights uniforms. The result is the
    same bits, since an item's product does not depend on the other items, and
    `row-distribute` computes it for a block of items at a time: the logits of
    all items are never in memory.

    ```mlir
    %l = ragged.matmul rows(%x : tensor<?x64xf32>) weights(%w : tensor<1x8x64xf32>) ...
    row.program ins(%l : tensor<?x8xf32>) ... { ^bb0(%a: tensor<8xf32>): ... }
    // becomes
    row.program ins(%x : tensor<?x64xf32>) uniform(%w : tensor<1x8x64xf32>) ... {
    ^bb0(%r: tensor<64xf32>, %u: tensor<1x8x64xf32>):
      %m = tensor.expand_shape %r [[0, 1]] ... : tensor<64xf32> into tensor<1x64xf32>
      %p = ragged.matmul rows(%m : tensor<1x64xf32>) weights(%u : tensor<1x8x64xf32>) ...
      %a = tensor.collapse_shape %p [[0, 1]] : tensor<1x8xf32> into tensor<8xf32>
      ...
    ```
  }];
  let statistics = [
    Statistic<"numFused", "products", "products moved into row programs">
  ];
  let dependentDialects = ["mlir::tensor::TensorDialect"];
}

def RowDistribute : Pass<"row-distribute", "mlir::ModuleOp"> {
  let summary = "lower row programs to loops over items in vector lanes";
  let description = [{
    Outlines every `row.program` into a private function
    `<caller>_rows<n>(begin, end, buffers...)` that runs items [begin, end), and
    calls it for all of them. The function carries the unit attribute
    `row.body`, and `row.parallel` where ranges may run at the same time: the
    caller's driver may then split the call over threads. Programs of tensors
    get buffers through bufferization.to_buffer and to_tensor, so the pass runs
    before one-shot bufferization; programs of memrefs work after it too.

    `lanes` items run side by side: a row value tensor<128xf32> becomes a buffer
    of 128 vectors, loads from item-major memory are transposed in registers and
    loops work on whole vectors. Choices of at most 16 by one f32 or i32 key run
    on sorting networks of (key, ~index) numbers, `lanes64` at a time; others
    item by item. Scratch is on the stack, of static size.

    A `ragged.matmul` of one row in the body, of an input by uniforms, becomes a
    `ragged.matmul` of a block of items in front of the loop over these items;
    the block's results are on the stack, at most `block-bytes` of them unless
    fewer than `lanes` items fit.

    Programs with shapes that are not static, and all of them with lanes=1, run
    one item at a time on scalars; those of dynamic shape are not outlined, and
    allocate their scratch in front of the loop.
  }];
  let options = [
    Option<"lanes", "lanes", "int64_t", "16",
           "items side by side: 1, 4, 8 or 16">,
    Option<"lanes64", "lanes64", "int64_t", "8",
           "64-bit numbers in one vector: 4 (AVX2) or 8 (AVX-512)">,
    Option<"blockBytes", "block-bytes", "int64_t", "32768",
           "bytes of products that are computed at a time">
  ];
  let statistics = [
    Statistic<"numPrograms", "programs", "row programs lowered">,
    Statistic<"numNetworks", "networks", "choices on sorting networks">
  ];
  let dependentDialects = [
    "mlir::arith::ArithDialect", "mlir::bufferization::BufferizationDialect",
    "mlir::func::FuncDialect", "mlir::linalg::LinalgDialect",
    "mlir::math::MathDialect", "mlir::memref::MemRefDialect",
    "mlir::scf::SCFDialect", "mlir::vector::VectorDialect",
    "route::ragged::RaggedDialect"
  ];
}

#endif // ROUTE_DIALECT_ROW_TRANSFORMS_PASSES_TD
