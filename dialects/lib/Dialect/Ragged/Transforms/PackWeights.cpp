// Gives grouped matmuls their weights as panels, one pack for each weight.
#include "mlir/IR/PatternMatch.h"
#include "route/Dialect/Ragged/IR/Ragged.h"
#include "route/Dialect/Ragged/Transforms/Passes.h"

using namespace mlir;

namespace route::ragged {
#define GEN_PASS_DEF_RAGGEDPACKWEIGHTS
#include "route/Dialect/Ragged/Transforms/Passes.h.inc"

namespace {
struct RaggedPackWeights : impl::RaggedPackWeightsBase<RaggedPackWeights> {
  void runOnOperation() override {
    // A weight may be read by several matmuls, straight or transposed.
    llvm::MapVector<std::pair<Value, unsigned>, Value> packs;
    getOperation()->walk([&](MatmulOp op) {
      if (op.isPacked() || op.getInterleaved() ||
          !isa<TensorType>(op.getOut().getType()))
        return;
      bool transposed = op.getTransposed();
      int64_t depth = op.getInner();
      SmallVector<int64_t> shape =
          getPanelShape(op.getExperts(), op.getOutputs(), depth,
                        op.weightType().getElementType());
      for (OpOperand &weight : op.getWeightsMutable())
        weight.set(getPack(packs, weight.get(), transposed, shape));
      op.setTransposed(false);
      op.setDepth(depth);
    });
  }

  Value getPack(llvm::MapVector<std::pair<Value, unsigned>, Value> &packs,
                Value weight, bool transposed, ArrayRef<int64_t> shape) {
    Value &pack = packs[{weight, transposed}];
    if (pack)
      return pack;
    OpBuilder builder(&getContext());
    builder.setInsertionPointAfterValue(weight);
    Location loc = weight.getLoc();
    Type element = cast<ShapedType>(weight.getType()).getElementType();
    Value empty = tensor::EmptyOp::create(builder, loc, shape, element);
    pack =
        PackOp::create(builder, loc, empty.getType(), weight, empty, transposed)
            .getResult(0);
    ++numPacked;
    return pack;
  }
};
} // namespace
} // namespace route::ragged
