// ragged-split-epilogues: products without their epilogues.
// Those become operations on elements of their own.
#include "route/Dialect/Ragged/IR/Ragged.h"
#include "route/Dialect/Ragged/Transforms/Passes.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace route::ragged {
#define GEN_PASS_DEF_RAGGEDSPLITEPILOGUES
#include "route/Dialect/Ragged/Transforms/Passes.h.inc"

namespace {
/// Whether the epilogue only gives the one sum, rounded at most.
bool isPlain(MatmulOp op) {
  return op.getNumSums() == 1 &&
         llvm::all_of(op.getEpilogue().front().without_terminator(),
                      llvm::IsaPred<arith::TruncFOp>);
}

struct SplitEpilogues : impl::RaggedSplitEpiloguesBase<SplitEpilogues> {
  void runOnOperation() override {
    SmallVector<MatmulOp> ops;
    getOperation()->walk([&](MatmulOp op) {
      if (!isPlain(op) && op->getNumResults() == 1 && !op.isPacked() &&
          op.getParts() == 1 && op.getPerExpert().empty() &&
          op.getPerRow().empty())
        ops.push_back(op);
    });
    for (MatmulOp op : ops)
      split(op);
    numSplit += ops.size();
  }

private:
  void split(MatmulOp op) {
    ImplicitLocOpBuilder b(op.getLoc(), op);
    auto type = cast<RankedTensorType>(op->getResult(0).getType());
    auto sums = RankedTensorType::get(type.getShape(), b.getF32Type());
    SmallVector<Value> dynamic;
    for (int64_t d = 0; d < type.getRank(); ++d)
      if (type.isDynamicDim(d))
        dynamic.push_back(tensor::DimOp::create(b, op.getOut(), d));
    SmallVector<Value> products;
    for (Value weight : op.getWeights()) {
      Value empty = tensor::EmptyOp::create(b, sums, dynamic);
      auto product = cast<MatmulOp>(b.clone(*op));
      product.getWeightsMutable().assign(weight);
      product.getOutMutable().assign(empty);
      product->getResult(0).setType(sums);
      Block &body = product.getEpilogue().front();
      body.clear();
      while (body.getNumArguments() > 1)
        body.eraseArgument(1);
      OpBuilder inside = OpBuilder::atBlockEnd(&body);
      YieldOp::create(inside, op.getLoc(), body.getArgument(0));
      products.push_back(product->getResult(0));
    }
    SmallVector<AffineMap> maps(products.size() + 1,
                                b.getMultiDimIdentityMap(type.getRank()));
    SmallVector<utils::IteratorType> loops(type.getRank(),
                                           utils::IteratorType::parallel);
    auto elements = linalg::GenericOp::create(
        b, type, products, op.getOut(), maps, loops,
        [&](OpBuilder &inside, Location loc, ValueRange arguments) {
          Block &body = op.getEpilogue().front();
          IRMapping mapping;
          mapping.map(body.getArguments(), arguments.drop_back());
          for (Operation &each : body.without_terminator())
            inside.clone(each, mapping);
          linalg::YieldOp::create(
              inside, loc, mapping.lookup(body.getTerminator()->getOperand(0)));
        });
    op->replaceAllUsesWith(elements);
    op->erase();
  }
};
} // namespace
} // namespace route::ragged
