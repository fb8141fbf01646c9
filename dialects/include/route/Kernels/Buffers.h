// Which buffer a view is of.
#ifndef ROUTE_KERNELS_BUFFERS_H
#define ROUTE_KERNELS_BUFFERS_H

#include "mlir/Interfaces/ViewLikeInterface.h"

namespace route {

/// The buffer that a chain of views begins with.
inline mlir::Value bufferOf(mlir::Value view) {
  while (auto op = view.getDefiningOp<mlir::ViewLikeOpInterface>())
    view = op.getViewSource();
  return view;
}

} // namespace route

#endif // ROUTE_KERNELS_BUFFERS_H
