// Sorting by the threads of a block.
#ifndef ROUTE_LIB_DIALECT_RAGGED_TRANSFORMS_BLOCKSORT_H
#define ROUTE_LIB_DIALECT_RAGGED_TRANSFORMS_BLOCKSORT_H

#include "KernelBody.h"

namespace route::ragged {

/// What is sorted: a word of 32 bits, and whose it is.
using SortElement = std::pair<mlir::Value, mlir::Value>;

/// Sorts `size` elements, any number of them, in a bitonic network: the one
/// that ranks before all others goes to place 0. All threads of the block get
/// here, and see the result behind it.
void sortInBlock(
    KernelBody &k, mlir::Value size,
    llvm::function_ref<SortElement(mlir::Value)> load,
    llvm::function_ref<void(mlir::Value, SortElement)> store,
    llvm::function_ref<mlir::Value(SortElement, SortElement)> ranksBefore);

} // namespace route::ragged

#endif // ROUTE_LIB_DIALECT_RAGGED_TRANSFORMS_BLOCKSORT_H
