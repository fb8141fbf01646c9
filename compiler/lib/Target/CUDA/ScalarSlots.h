// Places in memory for scalars that kernels of an entry hand on.
#ifndef ROUTE_LIB_TARGET_CUDA_SCALARSLOTS_H
#define ROUTE_LIB_TARGET_CUDA_SCALARSLOTS_H

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace route {

inline mlir::Value makeSlot(mlir::ImplicitLocOpBuilder &b, mlir::Type type) {
  return mlir::memref::AllocOp::create(b, mlir::MemRefType::get({}, type),
                                       b.getI64IntegerAttr(64));
}
inline mlir::Value loadSlot(mlir::ImplicitLocOpBuilder &b, mlir::Value slot) {
  return mlir::memref::LoadOp::create(b, slot, mlir::ValueRange());
}
inline mlir::Operation *storeSlot(mlir::ImplicitLocOpBuilder &b,
                                  mlir::Value value, mlir::Value slot) {
  return mlir::memref::StoreOp::create(b, value, slot, mlir::ValueRange());
}

} // namespace route

#endif
