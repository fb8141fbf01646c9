// Groups of an entry's operations on elements, which become kernels.
#ifndef ROUTE_LIB_TARGET_CUDA_SERIALGROUPS_H
#define ROUTE_LIB_TARGET_CUDA_SERIALGROUPS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

namespace route {

class SerialGroups {
public:
  /// Operations of one block in their order, with no launch between them.
  using Group = mlir::SmallVector<mlir::Operation *>;

  explicit SerialGroups(mlir::func::FuncOp entry) : entry(entry) {}

  /// Makes kernels of a group, and empties it. They run where `guard`, if there
  /// is one, is on. A loop whose rounds may run at the same time is a kernel of
  /// its own, what stands before, between and behind such loops has one thread.
  /// Scalars that others need go through memory.
  mlir::LogicalResult flush(Group &group, mlir::Value guard);

  /// Erases an operation that nobody uses.
  void erase(mlir::Operation *op) {
    fresh.erase(op);
    op->erase();
  }

  int64_t getNumKernels() const { return numKernels; }

private:
  mlir::LogicalResult makeKernel(Group &group, mlir::Value guard,
                                 mlir::scf::ForOp parallel);
  Group withOwnLoads(mlir::Operation *op);
  void copyViews(Group &group);
  mlir::LogicalResult spill(Group &group);

  mlir::func::FuncOp entry;
  /// Loads and views that were put in front of their users.
  llvm::SmallPtrSet<mlir::Operation *, 16> fresh;
  int64_t numKernels = 0;
};

} // namespace route

#endif
