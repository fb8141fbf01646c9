// Which values of an entry only the device knows.
#ifndef ROUTE_LIB_TARGET_CUDA_DEVICEVALUES_H
#define ROUTE_LIB_TARGET_CUDA_DEVICEVALUES_H

#include "mlir/IR/Operation.h"

namespace route {

/// Whether a value hangs on an element of a buffer, so that the host, which
/// reads none, cannot know it. Of a buffer: whether its place or a size does.
/// The module's own arrays (tables of constants, choices of forms) are the
/// host's, and so is what the entry's part for the host has left.
bool isOnDevice(mlir::Value value);

/// Whether something in the operation launches a kernel.
bool launches(mlir::Operation *op);

/// Whether the operation, or one in it, launches or writes to a buffer.
bool writesMemory(mlir::Operation *op);

/// Whether the operation reads or writes elements, or computes with what only
/// the device knows; without one that launches.
bool isSerial(mlir::Operation *op);

} // namespace route

#endif
