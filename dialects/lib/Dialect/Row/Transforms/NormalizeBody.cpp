// Brings the body of a row program into the few forms that emitters know.
#include "Emitter.h"

#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;
using namespace route::row;

void route::row::normalizeBody(ProgramOp program) {
  IRRewriter rewriter(program.getContext());
  SmallVector<linalg::LinalgOp> named;
  program->walk([&](linalg::LinalgOp op) {
    if (!isa<linalg::GenericOp, linalg::FillOp>(op.getOperation()))
      named.push_back(op);
  });
  for (linalg::LinalgOp op : named) {
    rewriter.setInsertionPoint(op);
    (void)linalg::generalizeNamedOp(rewriter, op);
  }
  RewritePatternSet toLinalg(program.getContext());
  linalg::populateElementwiseToLinalgConversionPatterns(toLinalg);
  (void)applyPatternsGreedily(program.getBody(), std::move(toLinalg));

  RewritePatternSet fusion(program.getContext());
  linalg::populateElementwiseOpsFusionPatterns(fusion, [](OpOperand *operand) {
    Operation *producer = operand->get().getDefiningOp();
    auto from = dyn_cast_or_null<linalg::GenericOp>(producer);
    auto to = dyn_cast<linalg::GenericOp>(operand->getOwner());
    // A producer of fewer loops would run again for every element.
    return from && to && producer->hasOneUse() &&
           from.getNumLoops() == to.getNumLoops();
  });
  (void)applyPatternsGreedily(program.getBody(), std::move(fusion));
}
