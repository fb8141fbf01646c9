// Loops over buffers whose rounds may run at the same time.
#ifndef ROUTE_LIB_TARGET_CUDA_PARALLELLOOPS_H
#define ROUTE_LIB_TARGET_CUDA_PARALLELLOOPS_H

#include "mlir/Dialect/SCF/IR/SCF.h"

namespace route {

/// A loop that does what `loop` does and whose rounds may run at the same time,
/// in its place; null, and nothing changes, where there is none. Each element
/// sees the same writes in the same order as before. Buffers that are not
/// views of each other are taken to be apart.
///   - Rounds that touch elements of their own, or fill what lies between one
///     offset and the next: `loop` itself.
///   - Rounds that only make updates whose order nobody sees: atomic ones.
///   - A loop inside whose rounds do: it goes to the outside.
///   - Rounds that touch the elements of one destination, read from memory: a
///     round for each destination, which goes through `loop` and does what
///     belongs there.
mlir::scf::ForOp makeParallel(mlir::scf::ForOp loop);

} // namespace route

#endif
