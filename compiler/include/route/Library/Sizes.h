// Sizes of tensors and buffers as values of an entry.
#ifndef ROUTE_LIBRARY_SIZES_H
#define ROUTE_LIBRARY_SIZES_H

#include "mlir/IR/OpDefinition.h"

namespace route {

/// The argument of an entry that is how many elements dimension `dim` of
/// another argument has; null where none is.
mlir::Value sizeArgument(mlir::BlockArgument argument, int64_t dim);

/// Whether two sizes are the same whatever the entry is called with, by what
/// they are computed from. Null is like nothing.
bool isSameSize(mlir::OpFoldResult x, mlir::OpFoldResult y);

} // namespace route

#endif
