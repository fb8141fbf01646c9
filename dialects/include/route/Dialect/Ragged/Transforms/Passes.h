// The ragged dialect: how to create and register its passes.
#ifndef ROUTE_DIALECT_RAGGED_TRANSFORMS_PASSES_H
#define ROUTE_DIALECT_RAGGED_TRANSFORMS_PASSES_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Dialect/X86Vector/X86VectorDialect.h"
#include "mlir/Pass/Pass.h"

namespace route::ragged {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "route/Dialect/Ragged/Transforms/Passes.h.inc"

class ChooseOp;

/// Lowers a choice on buffers to the loops that a CPU runs, where it stands.
mlir::LogicalResult chooseInPlace(ChooseOp op);

} // namespace route::ragged

#endif
