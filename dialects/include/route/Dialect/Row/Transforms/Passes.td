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

def RowFuseProducers : Pass<"row-fuse-producers"> {
  let summary = "compute numbers of items in the row program that reads them";
  let description = [{
    A `linalg.generic` that makes one number for each item from numbers of that
    item, such as a signal where it is known, else the least it may be, and that
    only one row program reads, becomes a part of its body. What it made is never
    in memory, and there is one loop less.
  }];
  let statistics = [
    Statistic<"numFused", "fused", "operations moved into row programs">
  ];
  let dependentDialects = [
    "mlir::linalg::LinalgDialect", "mlir::tensor::TensorDialect"
  ];
}

def RowNarrowOutputs : Pass<"row-narrow-outputs"> {
  let summary = "widen results of row programs outside of them";
  let description = [{
    An output that a program computes in bf16 or f16 and widens at the end is
    yielded as it was computed, and a `linalg.generic` behind the program widens
    it. A router's own entry and a layer that reads its weights as f32 then hold
    equal programs, which `route-merge-bodies` makes one.
  }];
  let statistics = [
    Statistic<"numNarrowed", "narrowed", "outputs widened outside">
  ];
  let dependentDialects = [
    "mlir::arith::ArithDialect", "mlir::linalg::LinalgDialect", "mlir::tensor::TensorDialect"
  ];
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

def RowFuseConsumers : Pass<"row-fuse-consumers"> {
  let summary = "move elementwise users of a row program's results into it";
  let description = [{
    A `linalg.generic` that works item by item on results and inputs of a row
    program, such as the mask on weights of absent rows, becomes part of the
    program's body and an output of it: one kernel instead of two, and one pass
    less over memory. Works on tensors.
  }];
  let statistics = [
    Statistic<"numFused", "fused", "operations moved into row programs">
  ];
  let dependentDialects = [
    "mlir::linalg::LinalgDialect", "mlir::tensor::TensorDialect"
  ];
}

def RowDistributeGPU : Pass<"row-distribute-gpu", "mlir::ModuleOp"> {
  let summary = "lower row programs to GPU kernels, a warp or less for each item";
  let description = [{
    Every `row.program` of static row sizes becomes a `gpu.func` in the module
    of kernels (`@kernels`) and a `gpu.launch_func` in its place. A row value of n
    elements is spread over the 32 lanes, element e in lane e % 32, so that loads
    coalesce and `row.sum` adds the partials that it is defined by. Lanes exchange
    elements by shuffles, or through shared memory where it is not known
    beforehand who reads what. A choice finds the best candidate, k times.

    Where no row value has more than 16 elements, an item has as many lanes as the
    next power of two, and a warp several items. All lanes run the same operations;
    beyond the last item they repeat it. A choice there works out each candidate's
    rank, and ballots say who has which.

    Programs of tensors get buffers through bufferization.to_buffer and
    to_tensor; a result that goes to a buffer anyway is written there at once.
    Integer accumulators are added to atomically; with a float
    accumulator one warp takes the items in order. Programs of other shapes, with
    rows of more than 4096 elements, or for a few items within a loop of unknown
    many rounds become loops over their items where they stand. A program of
    tensors that only sums such rows becomes linalg on the 32 partial sums of each
    row, and on what joins them.
  }];
  let statistics = [
    Statistic<"numPrograms", "programs", "row programs lowered">
  ];
  let dependentDialects = [
    "mlir::arith::ArithDialect", "mlir::bufferization::BufferizationDialect",
    "mlir::gpu::GPUDialect", "mlir::linalg::LinalgDialect",
    "mlir::LLVM::LLVMDialect", "mlir::math::MathDialect",
    "mlir::memref::MemRefDialect", "mlir::NVVM::NVVMDialect",
    "mlir::scf::SCFDialect"
  ];
}

#endif // ROUTE_DIALECT_ROW_TRANSFORMS_PASSES_TD
