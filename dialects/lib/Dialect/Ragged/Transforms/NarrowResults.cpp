// ragged-narrow-results: results have the type they are rounded to.
#include "route/Dialect/Ragged/IR/Ragged.h"
#include "route/Dialect/Ragged/Transforms/Passes.h"
#include "route/Dialect/Row/IR/RowDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

using namespace mlir;

namespace route::ragged {
#define GEN_PASS_DEF_RAGGEDNARROWRESULTS
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

/// The type that all uses of an element round it to; null where one does not.
Type roundedTo(Value element) {
  Type type;
  for (Operation *user : element.getUsers()) {
    auto rounded = dyn_cast<arith::TruncFOp>(user);
    if (!rounded || (type && rounded.getType() != type))
      return {};
    type = rounded.getType();
  }
  return type;
}

/// The narrower type that an element is widened from, on one side at least of
/// what selects it; null where it is not.
Type widenedFrom(Value element) {
  if (auto wide = element.getDefiningOp<arith::ExtFOp>())
    return wide.getIn().getType();
  auto either = element.getDefiningOp<arith::SelectOp>();
  if (!either)
    return {};
  Type type = widenedFrom(either.getTrueValue());
  return type ? type : widenedFrom(either.getFalseValue());
}

/// A constant in the narrower type; null where it is none or not exact there.
FloatAttr narrowConstant(Value element, Type narrow) {
  APFloat value(0.0f);
  bool inexact = true;
  if (matchPattern(element, m_ConstantFloat(&value)))
    value.convert(cast<FloatType>(narrow).getFloatSemantics(),
                  APFloat::rmNearestTiesToEven, &inexact);
  return inexact ? FloatAttr() : FloatAttr::get(narrow, value);
}

/// Whether an element is exact in the narrower type.
bool isExactIn(Value element, Type narrow) {
  if (auto wide = element.getDefiningOp<arith::ExtFOp>())
    return wide.getIn().getType() == narrow;
  if (auto either = element.getDefiningOp<arith::SelectOp>())
    return isExactIn(either.getTrueValue(), narrow) &&
           isExactIn(either.getFalseValue(), narrow);
  return bool(narrowConstant(element, narrow));
}

/// Such an element before it is widened.
Value beforeWidening(OpBuilder &b, Value element, Type narrow) {
  if (auto wide = element.getDefiningOp<arith::ExtFOp>())
    return wide.getIn();
  if (auto either = element.getDefiningOp<arith::SelectOp>()) {
    Value yes = beforeWidening(b, either.getTrueValue(), narrow),
          no = beforeWidening(b, either.getFalseValue(), narrow);
    return arith::SelectOp::create(b, either.getLoc(), either.getCondition(),
                                   yes, no);
  }
  return arith::ConstantOp::create(b, element.getLoc(),
                                   narrowConstant(element, narrow));
}

/// Whether a value does nothing but scale what combinations add up.
bool onlyScales(Value value) {
  return llvm::all_of(value.getUses(), [](OpOperand &use) {
    auto sum = dyn_cast<CombineOp>(use.getOwner());
    return sum && sum.getScale() == use.get() && sum.getY() != use.get();
  });
}

struct NarrowResults : impl::RaggedNarrowResultsBase<NarrowResults> {
  using RaggedNarrowResultsBase::RaggedNarrowResultsBase;

  void runOnOperation() override {
    getOperation()->walk([&](row::ProgramOp program) {
      for (auto [i, result] : llvm::enumerate(program.getResults()))
        if (i < program.getOutputs().size() && onlyScales(result))
          narrowScale(program, i);
    });
    getOperation()->walk([&](linalg::GenericOp op) {
      bool rounds = op->getNumResults() == 1 && onlyRounds(op);
      for (OpOperand *input : op.getDpsInputOperands())
        if (auto product = input->get().getDefiningOp<MatmulOp>())
          if (narrowProduct(*input, product) && rounds)
            return replace(op, product);
      if (rounds)
        narrowSum(op);
    });
  }

private:
  /// Lets a program give a scale as narrow as it was before it was widened.
  void narrowScale(row::ProgramOp program, unsigned i) {
    OpOperand &yielded =
        program.getBody().front().getTerminator()->getOpOperand(i);
    auto last = yielded.get().getDefiningOp<linalg::GenericOp>();
    if (!last || last->getNumResults() != 1 || !last->hasOneUse() ||
        !last.getMatchingBlockArgument(last.getDpsInitOperand(0)).use_empty())
      return;
    Operation *yield = last.getBody()->getTerminator();
    Value element = yield->getOperand(0);
    Type narrow = widenedFrom(element);
    if (!narrow || !isExactIn(element, narrow))
      return;
    OpBuilder b(yield);
    auto emptyLike = [&](Operation *at, Value init) -> Value {
      b.setInsertionPoint(at);
      return tensor::EmptyOp::create(
          b, init.getLoc(), tensor::getMixedSizes(b, init.getLoc(), init),
          narrow);
    };
    yield->setOperand(0, beforeWidening(b, element, narrow));
    last.getDpsInitsMutable()[0].set(emptyLike(last, last.getDpsInits()[0]));
    last.getBody()->getArguments().back().setType(narrow);
    auto narrowed = [&](Value value) {
      value.setType(cast<RankedTensorType>(value.getType()).clone(narrow));
    };
    narrowed(last->getResult(0));
    program.getOutputsMutable()[i].set(
        emptyLike(program, program.getOutputs()[i]));
    narrowed(program.getResults()[i]);
    ++numNarrowed;
  }

  /// Lets a product round, and drops what its user would round.
  bool narrowProduct(OpOperand &input, MatmulOp product) {
    Value result = input.get();
    auto from = cast<RankedTensorType>(result.getType());
    BlockArgument element = cast<linalg::GenericOp>(input.getOwner())
                                .getMatchingBlockArgument(&input);
    Type narrow = roundedTo(element);
    if (!narrow || !result.hasOneUse() || !from.getElementType().isF32() ||
        product.getOutputs() <= leastColumns)
      return false;
    ImplicitLocOpBuilder b(product.getLoc(), product);
    Operation *yield = product.getEpilogue().front().getTerminator();
    Value init = tensor::EmptyOp::create(
        b, tensor::getMixedSizes(b, b.getLoc(), product.getOut()), narrow);
    product.getOutMutable().assign(init);
    result.setType(from.clone(narrow));
    b.setInsertionPoint(yield);
    yield->setOperand(0,
                      arith::TruncFOp::create(b, narrow, yield->getOperand(0)));
    element.setType(narrow);
    for (Operation *user : llvm::make_early_inc_range(element.getUsers())) {
      user->getResult(0).replaceAllUsesWith(element);
      user->erase();
    }
    ++numNarrowed;
    return true;
  }

  /// Puts a product in the place of an op that copies what the product gives.
  void replace(linalg::GenericOp copy, MatmulOp product) {
    Value result = product->getResult(0);
    if (product->getBlock() != copy->getBlock() ||
        result.getType() != copy->getResult(0).getType())
      return;
    product->moveBefore(copy);
    product.getOutMutable().assign(copy.getDpsInits()[0]);
    copy->getResult(0).replaceAllUsesWith(result);
    copy.erase();
  }

  void narrowSum(linalg::GenericOp op) {
    Operation *sum = op.getDpsInputs()[0].getDefiningOp();
    if (!isa_and_nonnull<CombineOp, CombineAtOp>(sum) || !sum->hasOneUse())
      return;
    auto from = cast<RankedTensorType>(sum->getResult(0).getType());
    auto to = cast<RankedTensorType>(op->getResult(0).getType());
    if (!from.getElementType().isF32() || from.getShape() != to.getShape())
      return;
    OpBuilder b(op);
    Operation *narrow = b.clone(*sum);
    narrow->getOpOperands().back().set(op.getDpsInits()[0]);
    narrow->getResult(0).setType(to);
    op->getResult(0).replaceAllUsesWith(narrow->getResult(0));
    op.erase();
    sum->erase();
    ++numNarrowed;
  }
};
} // namespace
} // namespace route::ragged
