// What the host's part of an entry gives the GPU's, and where in memory.
#ifndef ROUTE_LIB_TARGET_CUDA_HOSTCROSSINGS_H
#define ROUTE_LIB_TARGET_CUDA_HOSTCROSSINGS_H

#include "HostPart.h"
#include "mlir/IR/BuiltinTypes.h"

namespace route {

/// A value that the host gives the GPU, and where in their common memory.
struct HostCrossing {
  mlir::Value value;
  mlir::MemRefType type;
  mlir::SmallVector<mlir::Value> sizes;
  mlir::Value offset;
};

/// All of them, one behind the other.
struct HostCrossings {
  /// Finds them in an entry, and gives each its place; says why one has none,
  /// or nothing.
  std::string layOut(mlir::func::FuncOp entry, const HostPart &host);

  mlir::SmallVector<HostCrossing> list;
  mlir::Value total;                ///< bytes
  std::optional<int64_t> fixed = 0; ///< the same where no call decides it
  mlir::Operation *end = nullptr; ///< before it stands what offsets are made of

private:
  std::string add(mlir::Value value);
};

/// Sizes of an entry's tensors become the sizes that these were made with.
void simplifySizes(mlir::func::FuncOp entry);

} // namespace route

#endif
