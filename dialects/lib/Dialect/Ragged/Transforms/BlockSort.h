// Sorting by the threads of a block.
#ifndef ROUTE_LIB_DIALECT_RAGGED_TRANSFORMS_BLOCKSORT_H
#define ROUTE_LIB_DIALECT_RAGGED_TRANSFORMS_BLOCKSORT_H

#include "KernelBody.h"

namespace route::ragged {

/// What is sorted: a word of 32 bits, and another that no two have in common.
/// Both are 0 where there is nothing, which ranks last.
using SortElement = std::pair<mlir::Value, mlir::Value>;

/// Elements by their places, and their order.
struct SortOrder {
  llvm::function_ref<SortElement(mlir::Value)> load;
  llvm::function_ref<void(mlir::Value, SortElement)> store;
  /// Whether the first comes before the second.
  llvm::function_ref<mlir::Value(SortElement, SortElement)> ranksBefore;
};

/// Elements that a thread keeps in registers.
inline constexpr int64_t kSortedByThread = 4;

/// Sorts `size` elements in a bitonic network: the one that ranks before all
/// others goes to place 0. `exchange` is shared memory for two words of each
/// element that the block's threads keep. Where there are no more elements,
/// each is loaded and stored once. All threads of the block get here.
void sortInBlock(KernelBody &k, mlir::Value size, mlir::Value exchange,
                 const SortOrder &order);

/// The same of elements in shared memory, as many as threads keep or less, if
/// their words are spread over their range; else it says that they are crowded,
/// and leaves them as they are. Ranks and elements go to `finish`. `counts` has
/// two numbers for each thread and `scratch` 64, all of them 0. All threads of
/// the block get here, and a barrier is ahead.
mlir::Value
sortByBuckets(KernelBody &k, mlir::Value size, mlir::Value counts,
              mlir::Value scratch, const SortOrder &order,
              llvm::function_ref<void(mlir::Value, SortElement)> finish);

} // namespace route::ragged

#endif // ROUTE_LIB_DIALECT_RAGGED_TRANSFORMS_BLOCKSORT_H
