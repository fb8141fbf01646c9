// A choice among many candidates, made by a block.
#ifndef ROUTE_LIB_DIALECT_RAGGED_TRANSFORMS_BLOCKCHOICE_H
#define ROUTE_LIB_DIALECT_RAGGED_TRANSFORMS_BLOCKCHOICE_H

#include "KernelBody.h"

namespace route::ragged {

/// Threads of the block.
inline constexpr int32_t kChoiceThreads = 1024;

/// Writes the body of a kernel with a block for each item, whose arguments are
/// the operands of `op`.
void emitBlockChoice(KernelBody &k, ChooseOp op);

} // namespace route::ragged

#endif // ROUTE_LIB_DIALECT_RAGGED_TRANSFORMS_BLOCKCHOICE_H
