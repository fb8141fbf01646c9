// Lists and sets that a condition chooses, each asked by itself.
#ifndef ROUTE_LIB_DIALECT_ROUTE_TRANSFORMS_ASKBRANCHES_H
#define ROUTE_LIB_DIALECT_ROUTE_TRANSFORMS_ASKBRANCHES_H

#include "mlir/IR/BuiltinOps.h"

namespace route {
/// Asks each of the collections that conditions and `??` choose between, in the
/// place of what they choose. Fails, and says so, where a condition may be
/// unknown.
llvm::LogicalResult askBranches(mlir::ModuleOp module);
} // namespace route

#endif
