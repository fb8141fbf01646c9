// ragged-narrow-products: products of widened f16 take the f16 itself.
// Kernels can, and no weights are copied.
#include "route/Dialect/Ragged/IR/Ragged.h"
#include "route/Dialect/Ragged/Transforms/Passes.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace route::ragged {
#define GEN_PASS_DEF_RAGGEDNARROWPRODUCTS
#include "route/Dialect/Ragged/Transforms/Passes.h.inc"

namespace {
RankedTensorType narrowType(Value v) {
  auto type = cast<RankedTensorType>(v.getType());
  return type.clone(Float16Type::get(v.getContext()));
}

/// The tensor of f16 that `v` is a copy of in f32; none where it is no such
/// copy. What only shapes a copy is made again of the f16.
Value narrowOf(OpBuilder &b, Value v) {
  if (auto expand = v.getDefiningOp<tensor::ExpandShapeOp>()) {
    Value narrow = narrowOf(b, expand.getSrc());
    if (!narrow)
      return {};
    return tensor::ExpandShapeOp::create(b, v.getLoc(), narrowType(v), narrow,
                                         expand.getReassociationIndices(),
                                         expand.getMixedOutputShape());
  }
  if (auto collapse = v.getDefiningOp<tensor::CollapseShapeOp>()) {
    Value narrow = narrowOf(b, collapse.getSrc());
    if (!narrow)
      return {};
    return tensor::CollapseShapeOp::create(b, v.getLoc(), narrowType(v), narrow,
                                           collapse.getReassociationIndices());
  }
  if (auto slice = v.getDefiningOp<tensor::ExtractSliceOp>()) {
    Value narrow = narrowOf(b, slice.getSource());
    if (!narrow)
      return {};
    return tensor::ExtractSliceOp::create(
        b, v.getLoc(), narrowType(v), narrow, slice.getMixedOffsets(),
        slice.getMixedSizes(), slice.getMixedStrides());
  }
  auto copy = v.getDefiningOp<linalg::GenericOp>();
  if (!copy || copy.getNumDpsInputs() != 1 || copy.getNumDpsInits() != 1 ||
      copy.getNumLoops() != copy.getNumParallelLoops() ||
      !llvm::all_of(copy.getIndexingMapsArray(),
                    [](AffineMap map) { return map.isIdentity(); }))
    return {};
  Block &body = *copy.getBody();
  auto widened =
      body.getTerminator()->getOperand(0).getDefiningOp<arith::ExtFOp>();
  Value source = copy.getDpsInputs()[0];
  if (!widened || widened.getIn() != body.getArgument(0) ||
      !widened.getIn().getType().isF16() || !widened.getType().isF32() ||
      !isa<RankedTensorType>(source.getType()))
    return {};
  return source;
}

/// A copy in f32.
Value widen(OpBuilder &b, Location loc, Value narrow) {
  auto type = cast<RankedTensorType>(narrow.getType());
  Value init = tensor::EmptyOp::create(
      b, loc, tensor::getMixedSizes(b, loc, narrow), b.getF32Type());
  AffineMap map = b.getMultiDimIdentityMap(type.getRank());
  SmallVector<utils::IteratorType> loops(type.getRank(),
                                         utils::IteratorType::parallel);
  return linalg::GenericOp::create(
             b, loc, init.getType(), narrow, init, ArrayRef{map, map}, loops,
             [](OpBuilder &b, Location loc, ValueRange args) {
               Value v = arith::ExtFOp::create(b, loc, b.getF32Type(), args[0]);
               linalg::YieldOp::create(b, loc, v);
             })
      .getResult(0);
}

/// Tensors like the one that an op fills, of f16: what it held must not matter.
Value emptyLike(OpBuilder &b, Value init) {
  return tensor::EmptyOp::create(b, init.getLoc(),
                                 tensor::getMixedSizes(b, init.getLoc(), init),
                                 b.getF16Type());
}

struct NarrowProducts : impl::RaggedNarrowProductsBase<NarrowProducts> {
  void runOnOperation() override {
    SmallVector<Operation *> ops;
    getOperation()->walk([&](Operation *op) {
      if (isa<GatherOp, MatmulOp, CombineOp>(op) && op->getNumResults() == 1)
        ops.push_back(op);
    });
    // In their order, so that what one widens the next may take narrow.
    for (Operation *op : ops) {
      if (auto gather = dyn_cast<GatherOp>(op))
        narrow(gather);
      else if (auto matmul = dyn_cast<MatmulOp>(op))
        narrow(matmul);
      else
        narrow(cast<CombineOp>(op));
    }
  }

  void narrow(GatherOp op) {
    OpBuilder b(op);
    Value x = isEmpty(op.getOut()) ? narrowOf(b, op.getX()) : Value();
    if (!x)
      return;
    Value out = emptyLike(b, op.getOut());
    auto made = GatherOp::create(b, op.getLoc(), TypeRange(out.getType()), x,
                                 op.getPerm(), out, op.getSlotsAttr());
    replace(op, widen(b, op.getLoc(), made->getResult(0)));
  }

  void narrow(MatmulOp op) {
    OpBuilder b(op);
    if (op.isPacked())
      return;
    Value rows = narrowOf(b, op.getRows());
    SmallVector<Value> weights;
    for (Value weight : op.getWeights())
      weights.push_back(rows ? narrowOf(b, weight) : Value());
    if (!llvm::all_of(weights, [](Value v) { return static_cast<bool>(v); }))
      return;
    op.getRowsMutable().assign(rows);
    op.getWeightsMutable().assign(weights);
    ++numNarrowed;
    // A result that is widened last is given as it was before.
    Operation *yield = op.getEpilogue().front().getTerminator();
    auto widened = yield->getOperand(0).getDefiningOp<arith::ExtFOp>();
    if (!widened || !widened.getIn().getType().isF16() || !isEmpty(op.getOut()))
      return;
    yield->setOperand(0, widened.getIn());
    if (widened.use_empty())
      widened.erase();
    Value out = emptyLike(b, op.getOut());
    op.getOutMutable().assign(out);
    op->getResult(0).setType(out.getType());
    b.setInsertionPointAfter(op);
    Value wide = widen(b, op.getLoc(), op->getResult(0));
    op->getResult(0).replaceUsesWithIf(wide, [&](OpOperand &use) {
      return use.getOwner() != wide.getDefiningOp() &&
             !isa<tensor::DimOp>(use.getOwner());
    });
  }

  void narrow(CombineOp op) {
    OpBuilder b(op);
    if (Value y = narrowOf(b, op.getY()))
      op.getYMutable().assign(y);
  }

  static bool isEmpty(Value init) {
    return isa_and_nonnull<tensor::EmptyOp>(init.getDefiningOp());
  }
  static void replace(Operation *op, Value by) {
    op->getResult(0).replaceAllUsesWith(by);
    op->erase();
  }
};
} // namespace
} // namespace route::ragged
