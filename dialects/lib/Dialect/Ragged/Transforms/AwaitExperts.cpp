// ragged-await-experts: products that begin when an expert has its rows.
#include "WgmmaKernel.h"
#include "route/Dialect/Ragged/Transforms/Passes.h"
#include "route/Kernels/Buffers.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;

namespace route::ragged {
#define GEN_PASS_DEF_RAGGEDAWAITEXPERTS
#include "route/Dialect/Ragged/Transforms/Passes.h.inc"

/// The buffer of the results of `op` where it is made behind `ahead`.
static memref::AllocOp madeBetween(MatmulOp ahead, MatmulOp op) {
  auto made = bufferOf(op.getOut()).getDefiningOp<memref::AllocOp>();
  return made && made->getBlock() == op->getBlock() &&
                 ahead->isBeforeInBlock(made)
             ? made
             : memref::AllocOp();
}

MatmulOp awaitedBy(MatmulOp op) {
  if (!op.getOffsets() || !isa<MemRefType>(op.getOut().getType()))
    return {};
  Operation *each = op->getPrevNode();
  while (each && (isPure(each) || isa<memref::AllocOp>(each)))
    each = each->getPrevNode();
  auto ahead = dyn_cast_or_null<MatmulOp>(each);
  if (!ahead || ahead.getOut() != op.getRows() ||
      ahead.getOffsets() != op.getOffsets())
    return {};
  // Rows may be replaced by results, each where it lies, once an expert's have
  // been read; what else the other one reads it reads to its end.
  Value out = bufferOf(op.getOut());
  SmallVector<Value> reads(ahead->getOperands());
  llvm::erase(reads, ahead.getOut());
  if (op.getOut() == ahead.getRows())
    llvm::erase(reads, ahead.getRows());
  if (ahead->hasAttr(kGathersAttr))
    if (GatherOp gather = gatherOf(ahead))
      reads.append({gather.getX(), gather.getPerm()});
  if (llvm::any_of(reads, [&](Value v) { return bufferOf(v) == out; }))
    return {};
  // The buffer has to be there ahead of both.
  if (memref::AllocOp made = madeBetween(ahead, op))
    for (Value size : made->getOperands())
      if (Operation *from = size.getDefiningOp();
          from && from->getBlock() == ahead->getBlock() &&
          !from->isBeforeInBlock(ahead))
        return {};
  return ahead;
}

namespace {
struct AwaitExperts : impl::RaggedAwaitExpertsBase<AwaitExperts> {
  void runOnOperation() override {
    getOperation().walk([&](MatmulOp op) {
      MatmulOp ahead = awaitedBy(op);
      if (!ahead)
        return;
      if (memref::AllocOp made = madeBetween(ahead, op))
        made->moveBefore(ahead);
      op->setAttr(kAwaitsAttr, UnitAttr::get(&getContext()));
      ++numMarked;
    });
  }
};
} // namespace
} // namespace route::ragged
