// Passes on row programs.
#ifndef ROUTE_DIALECT_ROW_TRANSFORMS_PASSES_TD
#define ROUTE_DIALECT_ROW_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

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

    Programs with shapes that are not static, and all of them with lanes=1, run
    one item at a time on scalars; those of dynamic shape are not outlined, and
    allocate their scratch in front of the loop.
  }];
  let options = [
    Option<"lanes", "lanes", "int64_t", "16",
           "items side by side: 1, 4, 8 or 16">,
    Option<"lanes64", "lanes64", "int64_t", "8",
           "64-bit numbers in one vector: 4 (AVX2) or 8 (AVX-512)">
  ];
  let statistics = [
    Statistic<"numPrograms", "programs", "row programs lowered">,
    Statistic<"numNetworks", "networks", "choices on sorting networks">
  ];
  let dependentDialects = [
    "mlir::arith::ArithDialect", "mlir::bufferization::BufferizationDialect",
    "mlir::func::FuncDialect", "mlir::linalg::LinalgDialect",
    "mlir::math::MathDialect", "mlir::memref::MemRefDialect",
    "mlir::scf::SCFDialect", "mlir::vector::VectorDialect"
  ];
}

#endif // ROUTE_DIALECT_ROW_TRANSFORMS_PASSES_TD
