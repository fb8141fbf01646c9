// Atomic updates of elements of buffers.
#include "route/Kernels/Atomics.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;

void route::updateAtomically(ImplicitLocOpBuilder &b, LLVM::AtomicBinOp op,
                             Value x, Value memory, ValueRange at) {
  auto type = cast<MemRefType>(memory.getType());
  Type i64 = b.getI64Type();
  auto pointer = LLVM::LLVMPointerType::get(b.getContext(), 1);
  Value base = arith::IndexCastOp::create(
      b, i64, memref::ExtractAlignedPointerAsIndexOp::create(b, memory));
  base = LLVM::IntToPtrOp::create(b, pointer, base);
  Value flat;
  for (auto [d, i] : llvm::enumerate(at)) {
    Value size = b.createOrFold<memref::DimOp>(memory, d);
    flat =
        flat ? arith::AddIOp::create(b, arith::MulIOp::create(b, flat, size), i)
             : i;
  }
  if (!flat)
    flat = arith::ConstantIndexOp::create(b, 0);
  flat = arith::IndexCastOp::create(b, i64, flat);
  Value to = LLVM::GEPOp::create(b, pointer, type.getElementType(), base,
                                 ArrayRef<LLVM::GEPArg>{flat});
  // Nothing else hangs on the order of updates.
  LLVM::AtomicRMWOp::create(b, op, to, x, LLVM::AtomicOrdering::monotonic,
                            "device");
}
