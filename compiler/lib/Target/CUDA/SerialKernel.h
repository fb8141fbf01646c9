// A kernel of an entry's own code on elements.
#ifndef ROUTE_LIB_TARGET_CUDA_SERIALKERNEL_H
#define ROUTE_LIB_TARGET_CUDA_SERIALKERNEL_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

namespace route {

/// Blocks of a launch whose work only the device knows; they share it out.
inline constexpr int64_t kBlocksForAny = 256;

/// Makes a kernel of operations of an entry that stand together, and launches
/// it in their place. It runs them where `guard`, if there is one, is on: in
/// one thread, or, where the last of them is the loop `parallel`, with a thread
/// for each of its rounds. Nobody else uses what the operations give.
mlir::LogicalResult makeSerialKernel(mlir::func::FuncOp entry,
                                     mlir::ArrayRef<mlir::Operation *> group,
                                     mlir::Value guard,
                                     mlir::scf::ForOp parallel);

/// Whether an operation is one of a group, or stands within one.
bool isWithin(mlir::Operation *op, mlir::ArrayRef<mlir::Operation *> group);

/// A value that is computed within a group from what the host knows, in front
/// of it, where the group's first operation is; failure where it is not.
mlir::FailureOr<mlir::Value> moveOut(mlir::Value value, mlir::Operation *front);

} // namespace route

#endif
