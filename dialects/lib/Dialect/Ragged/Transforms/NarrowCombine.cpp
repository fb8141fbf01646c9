// ragged-narrow-combine: combinations give the type their result is rounded to.
#include "route/Dialect/Ragged/IR/Ragged.h"
#include "route/Dialect/Ragged/Transforms/Passes.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"

using namespace mlir;

namespace route::ragged {
#define GEN_PASS_DEF_RAGGEDNARROWCOMBINE
#include "route/Dialect/Ragged/Transforms/Passes.h.inc"

namespace {
/// Whether the op only rounds the elements of its one input.
bool onlyRounds(linalg::GenericOp op) {
  if (op.getNumDpsInputs() != 1 || op.getNumDpsInits() != 1 ||
      op.getNumLoops() != op.getNumParallelLoops() ||
      !llvm::all_of(op.getIndexingMapsArray(),
                    [](AffineMap map) { return map.isIdentity(); }))
    return false;
  Block &body = *op.getBody();
  auto rounded =
      body.getTerminator()->getOperand(0).getDefiningOp<arith::TruncFOp>();
  return rounded && rounded.getIn() == body.getArgument(0) &&
         llvm::hasNItems(body, 2);
}

struct NarrowCombine : impl::RaggedNarrowCombineBase<NarrowCombine> {
  void runOnOperation() override {
    getOperation()->walk([&](linalg::GenericOp op) {
      if (op->getNumResults() != 1 || !onlyRounds(op))
        return;
      auto sum = op.getDpsInputs()[0].getDefiningOp<CombineOp>();
      if (!sum || !sum->hasOneUse())
        return;
      auto from = cast<RankedTensorType>(sum->getResult(0).getType());
      auto to = cast<RankedTensorType>(op->getResult(0).getType());
      if (!from.getElementType().isF32() || from.getShape() != to.getShape())
        return;
      OpBuilder b(op);
      auto narrow =
          CombineOp::create(b, sum.getLoc(), TypeRange(to), sum.getY(),
                            sum.getInv(), sum.getScale(), op.getDpsInits()[0]);
      op->getResult(0).replaceAllUsesWith(narrow->getResult(0));
      op.erase();
      sum.erase();
      ++numNarrowed;
    });
  }
};
} // namespace
} // namespace route::ragged
