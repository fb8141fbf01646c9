// Bytes of buffers that passes lay out one behind the other.
#ifndef ROUTE_LIB_TARGET_CUDA_BUFFERBYTES_H
#define ROUTE_LIB_TARGET_CUDA_BUFFERBYTES_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace route {

/// Buffers start at multiples of so many bytes.
inline constexpr int64_t kBufferAlignment = 64;

inline int64_t elementBytes(mlir::Type element) {
  return element.isIndex()
             ? 8
             : llvm::divideCeil(element.getIntOrFloatBitWidth(), 8);
}

/// Up to where the next buffer may start.
inline mlir::Value alignBytes(mlir::ImplicitLocOpBuilder &b,
                              mlir::Value bytes) {
  using namespace mlir;
  auto constant = [&](int64_t v) -> Value {
    return arith::ConstantIndexOp::create(b, v);
  };
  Value up = arith::AddIOp::create(b, bytes, constant(kBufferAlignment - 1));
  return arith::MulIOp::create(
      b, arith::DivUIOp::create(b, up, constant(kBufferAlignment)),
      constant(kBufferAlignment));
}

} // namespace route

#endif
