// ragged-join-interleaved: products of a parameter's alternate columns are one.
#include "route/Dialect/Ragged/IR/Ragged.h"
#include "route/Dialect/Ragged/Transforms/Passes.h"

#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace route::ragged {
#define GEN_PASS_DEF_RAGGEDJOININTERLEAVED
#include "route/Dialect/Ragged/Transforms/Passes.h.inc"

namespace {
/// `weight` as a part of a tensor [E, ., ., P]: that tensor, and which part.
std::pair<Value, int64_t> partOf(Value weight) {
  auto slice = weight.getDefiningOp<tensor::ExtractSliceOp>();
  if (!slice || slice.getSourceType().getRank() != 4 ||
      slice.getType().getRank() != 3 || !slice.hasUnitStride() ||
      !slice.getSourceType().hasStaticShape())
    return {};
  ArrayRef<int64_t> whole = slice.getSourceType().getShape();
  ArrayRef<int64_t> from = slice.getStaticOffsets();
  if (slice.getType().getShape() != whole.drop_back() ||
      slice.getStaticSizes().back() != 1 ||
      llvm::any_of(from.drop_back(), [](int64_t v) { return v != 0; }) ||
      ShapedType::isDynamic(from.back()))
    return {};
  return {slice.getSource(), from.back()};
}

struct JoinInterleaved : impl::RaggedJoinInterleavedBase<JoinInterleaved> {
  void runOnOperation() override {
    getOperation()->walk([&](MatmulOp op) {
      if (isa<TensorType>(op.getOut().getType()) && op.getTransposed() &&
          !op.isPacked() && !op.getInterleaved())
        join(op);
    });
  }

  void join(MatmulOp op) {
    Value whole;
    SmallVector<int64_t> places;
    for (Value weight : op.getWeights()) {
      auto [source, part] = partOf(weight);
      if (!source || (whole && source != whole))
        return;
      whole = source;
      places.push_back(part);
    }
    auto shape = cast<RankedTensorType>(whole.getType()).getShape();
    int64_t parts = shape.back();
    // A part that nobody reads would be multiplied all the same.
    llvm::SmallDenseSet<int64_t> used(places.begin(), places.end());
    if (parts < 2 || static_cast<int64_t>(used.size()) != parts)
      return;
    OpBuilder b(op);
    Value joined = tensor::CollapseShapeOp::create(
        b, op.getLoc(), whole,
        ArrayRef<ReassociationIndices>{{0}, {1}, {2, 3}});
    op.getWeightsMutable().assign(joined);
    op.setInterleaved(parts);
    // Sums come in the order of the parts.
    Block &body = op.getEpilogue().front();
    SmallVector<BlockArgument> sums;
    for (int64_t part = 0; part < parts; ++part)
      sums.push_back(body.insertArgument(part, b.getF32Type(), op.getLoc()));
    for (auto [i, part] : llvm::enumerate(places))
      body.getArgument(parts + i).replaceAllUsesWith(sums[part]);
    body.eraseArguments(parts, places.size());
    // Beside plain weights, these may lie as they do in the parameter.
    for (OpOperand &operand : op->getOpOperands()) {
      auto copy = operand.get().getDefiningOp<bufferization::AllocTensorOp>();
      if (copy && copy.getCopy() &&
          llvm::is_contained(op.getPerExpert(), operand.get()))
        operand.set(copy.getCopy());
    }
    ++numJoined;
  }
};
} // namespace
} // namespace route::ragged
