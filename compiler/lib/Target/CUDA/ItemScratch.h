// Scratch memory of row programs that have a thread for each item.
#ifndef ROUTE_LIB_TARGET_CUDA_ITEMSCRATCH_H
#define ROUTE_LIB_TARGET_CUDA_ITEMSCRATCH_H

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/ADT/SetVector.h"

namespace route {

/// What the rounds of a loop over items need for themselves: memory for all
/// threads of its kernel, of which each takes a share. So a kernel has few
/// threads.
class ItemScratch {
public:
  /// Threads of a block.
  static constexpr int32_t kBlock = 32;

  /// Takes buffers that `loop` alone uses out of what its kernel captures, and
  /// puts in memory for all its threads; an error where the host cannot know
  /// how much.
  static mlir::FailureOr<ItemScratch>
  takeFrom(mlir::scf::ForOp loop, llvm::SetVector<mlir::Value> &captured);

  /// Blocks of the kernel.
  mlir::Value getGrid() const { return grid; }

  /// Maps the buffers to this thread's share of them, in the kernel.
  void share(mlir::ImplicitLocOpBuilder &b, mlir::IRMapping &mapping) const;

private:
  struct Buffer {
    mlir::memref::AllocOp made;
    mlir::Value memory, bytes; ///< for all threads; of one
    llvm::SetVector<mlir::Operation *> views;
  };

  mlir::LogicalResult add(mlir::scf::ForOp loop, mlir::memref::AllocOp made,
                          mlir::ArrayRef<mlir::Value> views,
                          llvm::SetVector<mlir::Value> &captured);

  mlir::Value grid;
  mlir::SmallVector<Buffer> buffers;
};

} // namespace route

#endif
