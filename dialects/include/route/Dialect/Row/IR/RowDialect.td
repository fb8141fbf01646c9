// The row dialect: small programs that run once per item.
#ifndef ROUTE_DIALECT_ROW_IR_ROWDIALECT_TD
#define ROUTE_DIALECT_ROW_IR_ROWDIALECT_TD

include "mlir/IR/OpBase.td"

def Row_Dialect : Dialect {
  let name = "row";
  let cppNamespace = "::route::row";
  let summary = "programs over one item's row: scores, choice, weights, counts";
  let description = [{
    A router does the same small piece of work for every item (a token, a
    request): a score for each candidate, a choice of a few, weights for the
    chosen, counts for balance. `row.program` holds that work as a region whose
    values are builtin tensors *without* the item dimension, so that one region
    lowers to items in vector lanes on a CPU, to a warp per item on a GPU, or to
    plain loops.

    Inside the region live linalg.generic, arith, math and shape-only tensor
    operations, plus the operations here that no composition of those says:
    `row.choose` (selection with a tie rule), `row.take`, `row.contains` and
    `row.tally` (the three ways to use what was chosen), `row.sum` (a sum whose
    order is part of its meaning) and `row.unary` (functions of numerics.h that
    the math dialect lacks).

    A chosen index of -1 is padding: the row is absent.
  }];
  let dependentDialects = [
    "mlir::arith::ArithDialect", "mlir::linalg::LinalgDialect",
    "mlir::tensor::TensorDialect"
  ];
  let useDefaultAttributePrinterParser = 1;
}

#endif // ROUTE_DIALECT_ROW_IR_ROWDIALECT_TD
