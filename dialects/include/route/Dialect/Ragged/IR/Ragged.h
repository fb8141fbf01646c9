// The ragged dialect: declarations of its ops and of the panel layout.
#ifndef ROUTE_DIALECT_RAGGED_IR_RAGGED_H
#define ROUTE_DIALECT_RAGGED_IR_RAGGED_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "route/Dialect/Ragged/IR/RaggedDialect.h.inc"

#define GET_OP_CLASSES
#include "route/Dialect/Ragged/IR/RaggedOps.h.inc"

namespace mlir {
class DialectRegistry;
} // namespace mlir

namespace route::ragged {

/// Output columns that lie side by side in a panel.
constexpr int64_t panelColumns = 16;

/// Neighbouring elements along K in a panel: 2 for bf16, 1 for f32.
int64_t getPanelPair(mlir::Type element);

/// The shape of the panels of `experts` matrices with `columns` output columns
/// and `inner` products in a sum.
llvm::SmallVector<int64_t> getPanelShape(int64_t experts, int64_t columns,
                                         int64_t inner, mlir::Type element);

/// Lets one-shot bufferization turn the tensor form into the memref form.
void registerBufferizableOpInterfaceExternalModels(mlir::DialectRegistry &);

} // namespace route::ragged

#endif
