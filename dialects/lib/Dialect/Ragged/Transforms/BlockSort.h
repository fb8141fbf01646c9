// Sorting by the threads of a block.
#ifndef ROUTE_LIB_DIALECT_RAGGED_TRANSFORMS_BLOCKSORT_H
#define ROUTE_LIB_DIALECT_RAGGED_TRANSFORMS_BLOCKSORT_H

#include "KernelBody.h"

namespace route::ragged {

/// What is sorted: a word of 32 bits, and whose it is.
using SortElement = std::pair<mlir::Value, mlir::Value>;

/// Elements in memory, by their places, and their order.
struct SortOrder {
  llvm::function_ref<SortElement(mlir::Value)> load;
  llvm::function_ref<void(mlir::Value, SortElement)> store;
  /// Whether the first comes before the second; `tie` where nothing but whose
  /// they are tells them apart.
  llvm::function_ref<mlir::Value(SortElement, SortElement, mlir::Value tie)>
      ranksBefore;
};

/// Sorts `size` elements, at most `most`, that lie in the order of whose they
/// are, by merging runs: the one that ranks before all others goes to place 0.
/// A thread keeps its share of `most` in registers. All threads of the block
/// get here, and see the result behind it.
void mergeInBlock(KernelBody &k, mlir::Value size, int64_t most,
                  const SortOrder &order);

/// The same of any number of elements that lie anyhow, in place, in a bitonic
/// network.
void sortInBlock(KernelBody &k, mlir::Value size, const SortOrder &order);

} // namespace route::ragged

#endif // ROUTE_LIB_DIALECT_RAGGED_TRANSFORMS_BLOCKSORT_H
