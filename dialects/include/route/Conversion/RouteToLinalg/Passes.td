// The conversion from named axes to tensors.
#ifndef ROUTE_CONVERSION_ROUTETOLINALG_PASSES_TD
#define ROUTE_CONVERSION_ROUTETOLINALG_PASSES_TD

include "mlir/Pass/PassBase.td"

def ConvertRouteToLinalg : Pass<"convert-route-to-linalg", "::mlir::ModuleOp"> {
  let summary = "turns arrays over named axes into tensors, choices into row programs, expert bodies into grouped products";
  let description = [{
    Every `route.func` that is a route, router or handler becomes a `func.func`
    over buffers: first an index for each axis whose size the call decides, then
    the inputs, parameters and state that it reads, then its outputs. Argument
    attributes say what each is: `route.role` (size, input, known, offsets,
    param, state, output), `route.name` (the symbol or result) and, for buffers,
    `route.axes`. The route symbols stay in the module, for the descriptor.

    * An array is a tensor with one dimension an axis, in order; a plan axis has
      the dimensions of its items and one for the rank. A plan is a tensor of
      chosen positions, -1 where there is none, and one of row counts.
    * `route.rows` becomes `row.program`, whose body has no item dimension.
    * A product over a plan's rows becomes `ragged.matmul` on rows sorted by
      expert, with everything elementwise around it in its epilogue; the sum over
      a plan's rows becomes `ragged.combine`.
    * Text functions become signal ops in one loop over the items, outside row
      programs: what they answer enters those as bits, numbers and features.
    * All else becomes linalg on tensors.
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::bufferization::BufferizationDialect",
    "::mlir::func::FuncDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect",
    "::route::row::RowDialect", "::route::ragged::RaggedDialect",
    "::route::signal::SignalDialect"
  ];
}

#endif
