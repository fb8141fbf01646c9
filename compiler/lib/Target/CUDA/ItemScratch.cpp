// Lays out scratch memory of row programs that have a thread for each item.
#include "ItemScratch.h"
#include "BufferBytes.h"
#include "DeviceValues.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Interfaces/ViewLikeInterface.h"
#include "route/Kernels/Buffers.h"
#include "route/Notice.h"

using namespace mlir;
using namespace route;

/// Threads that have scratch memory of their own.
static constexpr int64_t kThreads = 1024;

/// Blocks for the items of a row program: few enough for all threads to have
/// scratch memory.
static Value gridOf(scf::ForOp loop) {
  ImplicitLocOpBuilder b(loop.getLoc(), loop);
  Value most =
      arith::ConstantIndexOp::create(b, kThreads / ItemScratch::kBlock);
  if (isOnDevice(loop.getUpperBound()))
    return most;
  Value block = arith::ConstantIndexOp::create(b, ItemScratch::kBlock);
  return arith::MinUIOp::create(
      b, most,
      arith::DivUIOp::create(
          b,
          arith::AddIOp::create(
              b, loop.getUpperBound(),
              arith::ConstantIndexOp::create(b, ItemScratch::kBlock - 1)),
          block));
}

/// Whether an operation reads, writes or views the part of a buffer that is an
/// item's.
static bool isAt(Operation *op, Value item) {
  if (auto load = dyn_cast<memref::LoadOp>(op))
    return llvm::is_contained(load.getIndices(), item);
  if (auto store = dyn_cast<memref::StoreOp>(op))
    return llvm::is_contained(store.getIndices(), item);
  auto view = dyn_cast<memref::SubViewOp>(op);
  return view && llvm::is_contained(view.getOffsets(), item);
}

/// Whether only the loop uses the buffer, and has no part of it for each item:
/// what a round writes there no other reads.
static bool isScratch(Value buffer, scf::ForOp loop) {
  return llvm::all_of(buffer.getUsers(), [&](Operation *user) {
    bool isView = isa<ViewLikeOpInterface>(user);
    return (isView || loop->isProperAncestor(user)) &&
           !isAt(user, loop.getInductionVar()) &&
           (!isView || isScratch(user->getResult(0), loop));
  });
}

FailureOr<ItemScratch> ItemScratch::takeFrom(scf::ForOp loop,
                                             llvm::SetVector<Value> &captured) {
  ItemScratch scratch;
  scratch.grid = gridOf(loop);
  llvm::MapVector<memref::AllocOp, SmallVector<Value>> found;
  for (Value v : captured)
    if (isa<MemRefType>(v.getType()))
      if (auto made = bufferOf(v).getDefiningOp<memref::AllocOp>();
          made && isScratch(made, loop))
        found[made].push_back(v);
  for (auto &[made, views] : found)
    if (failed(scratch.add(loop, made, views, captured)))
      return failure();
  return scratch;
}

LogicalResult ItemScratch::add(scf::ForOp loop, memref::AllocOp made,
                               ArrayRef<Value> views,
                               llvm::SetVector<Value> &captured) {
  ImplicitLocOpBuilder b(loop.getLoc(), loop);
  auto number = [&](int64_t v) -> Value {
    return arith::ConstantIndexOp::create(b, v);
  };
  int64_t width = elementBytes(made.getType().getElementType());
  for (int64_t n : made.getType().getShape())
    width *= ShapedType::isDynamic(n) ? 1 : n;
  Value bytes = number(width);
  for (Value size : made.getDynamicSizes()) {
    if (isOnDevice(size))
      return refuseOnDevice(loop, "the size of a buffer only the device "
                                  "knows");
    bytes = arith::MulIOp::create(b, bytes, size);
    captured.insert(size);
  }
  bytes = alignBytes(b, bytes);
  Value all = arith::MulIOp::create(
      b, arith::MulIOp::create(b, bytes, number(kBlock)), grid);
  Value memory = memref::AllocOp::create(
      b, MemRefType::get({ShapedType::kDynamic}, b.getI8Type()), all,
      b.getI64IntegerAttr(64));
  captured.insert(memory);
  captured.insert(bytes);
  // Views of it are made again.
  Buffer &buffer = buffers.emplace_back(Buffer{made, memory, bytes, {}});
  for (Value v : views) {
    captured.remove(v);
    SmallVector<Operation *> chain;
    for (Operation *op = v.getDefiningOp(); op != made;
         op = cast<ViewLikeOpInterface>(op).getViewSource().getDefiningOp())
      chain.push_back(op);
    for (Operation *op : llvm::reverse(chain))
      if (buffer.views.insert(op))
        for (Value operand : op->getOperands())
          if (!isa<MemRefType>(operand.getType()))
            captured.insert(operand);
  }
  return success();
}

void ItemScratch::share(ImplicitLocOpBuilder &b, IRMapping &mapping) const {
  for (const Buffer &buffer : buffers) {
    Value block = arith::ConstantIndexOp::create(b, kBlock);
    Value thread = arith::AddIOp::create(
        b,
        arith::MulIOp::create(b, gpu::BlockIdOp::create(b, gpu::Dimension::x),
                              block),
        gpu::ThreadIdOp::create(b, gpu::Dimension::x));
    Value offset =
        arith::MulIOp::create(b, thread, mapping.lookup(buffer.bytes));
    memref::AllocOp made = buffer.made;
    SmallVector<Value> sizes;
    for (Value size : made.getDynamicSizes())
      sizes.push_back(mapping.lookup(size));
    MemRefType type = made.getType();
    Value own = memref::ViewOp::create(
        b, MemRefType::get(type.getShape(), type.getElementType()),
        mapping.lookup(buffer.memory), offset, sizes);
    mapping.map(made.getResult(), own);
    for (Operation *view : buffer.views)
      b.clone(*view, mapping);
  }
}
