// ragged-fuse-gather: products that gather their rows themselves.
#include "TileModel.h"
#include "WgmmaKernel.h"
#include "route/Dialect/Ragged/Transforms/Passes.h"
#include "route/Kernels/Buffers.h"

#include "KernelBody.h"

using namespace mlir;

namespace route::ragged {
#define GEN_PASS_DEF_RAGGEDFUSEGATHER
#include "route/Dialect/Ragged/Transforms/Passes.h.inc"

/// Whether nobody reads what `op` finds in `rows` but `op`: who has the buffer
/// after it is a product that writes it all first.
static bool isLastReader(MatmulOp op, Value rows) {
  MatmulOp next;
  for (Operation *user : rows.getUsers()) {
    auto other = dyn_cast<MatmulOp>(user);
    if (user->getBlock() != op->getBlock())
      return false;
    if (other && op->isBeforeInBlock(other) && other.getOut() == rows &&
        other.getRows() != rows && other.getOffsets() == op.getOffsets() &&
        (!next || other->isBeforeInBlock(next)))
      next = other;
  }
  return llvm::all_of(rows.getUsers(), [&](Operation *user) {
    return user == op || user == next || isa<memref::DeallocOp>(user) ||
           user->isBeforeInBlock(op) || (next && next->isBeforeInBlock(user));
  });
}

GatherOp gatherOf(MatmulOp op) {
  Value rows = op.getRows();
  // Copies of 16 bytes do not fill up what lies beyond K.
  if (!rows.getDefiningOp<memref::AllocOp>() || !op.getOffsets() ||
      op.isPacked() || op.getInner() % WgmmaTiles::depthIn(op) != 0 ||
      !isLastReader(op, rows))
    return {};
  GatherOp gather;
  for (Operation *user : rows.getUsers())
    if (user->isBeforeInBlock(op)) {
      if (gather || !isa<GatherOp>(user))
        return {};
      gather = cast<GatherOp>(user);
    }
  if (!gather || gather.getOut() != rows ||
      !rowsStartAt16Bytes(gather.getX()) ||
      cast<ShapedType>(gather.getX().getType()).getDimSize(1) < op.getInner() ||
      bufferOf(gather.getX()) == bufferOf(op.getOut()))
    return {};
  // Items and places are still what the gather would have found.
  return writesBetween(gather, op) ? GatherOp() : gather;
}

namespace {
struct FuseGather : impl::RaggedFuseGatherBase<FuseGather> {
  void runOnOperation() override {
    getOperation().walk([&](MatmulOp op) {
      if (!isa<MemRefType>(op.getOut().getType()) || !gatherOf(op))
        return;
      double columns =
          double(op.getWeights().size() * op.getParts() * op.getOutputs());
      double bytes = op.weightType().getElementTypeBitWidth() / 8.0;
      if (!gathersItself(Device(), columns, bytes))
        return;
      op->setAttr(kGathersAttr, UnitAttr::get(&getContext()));
      ++numFused;
    });
  }
};
} // namespace
} // namespace route::ragged
