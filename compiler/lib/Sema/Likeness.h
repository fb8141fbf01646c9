// Cosines of values along axes.
#ifndef ROUTE_LIB_SEMA_LIKENESS_H
#define ROUTE_LIB_SEMA_LIKENESS_H

#include "route/IRGen/Emitter.h"

namespace route::sema {

/// The dot product over the root of the product of the squared lengths, each
/// for the positions on `kept`. A length is of what the dot product sums: it
/// has every axis of the other operand that says what that is.
mlir::Value cosine(irgen::Emitter &e, mlir::Value a, mlir::Value b,
                   llvm::ArrayRef<AxisInfo *> over,
                   llvm::ArrayRef<AxisInfo *> kept);

} // namespace route::sema

#endif
