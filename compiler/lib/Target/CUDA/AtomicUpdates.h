// Loops that only count, or do other things whose order nobody sees.
#ifndef ROUTE_LIB_TARGET_CUDA_ATOMICUPDATES_H
#define ROUTE_LIB_TARGET_CUDA_ATOMICUPDATES_H

#include "mlir/Dialect/SCF/IR/SCF.h"

namespace route {

/// A loop that does what `loop` does, in its place, and whose rounds may run at
/// the same time, since all that they do to memory are updates that give the
/// same in any order: `a[i] = a[i] + x` of integers, their greatest and least,
/// `and` and `or`. Updates become atomic, and a nest of loops one loop. Null,
/// and nothing changes, where a round does anything else to what is written.
mlir::scf::ForOp makeAtomic(mlir::scf::ForOp loop);

} // namespace route

#endif
