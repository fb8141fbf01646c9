// row-narrow-outputs: programs yield numbers before they are widened.
//
// Programs that differ in that alone become the same code.
#include "route/Dialect/Row/IR/RowDialect.h"
#include "route/Dialect/Row/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace route::row {
#define GEN_PASS_DEF_ROWNARROWOUTPUTS
#include "route/Dialect/Row/Transforms/Passes.h.inc"

namespace {

/// A tensor of the sizes of `like` and another element.
Value emptyLike(OpBuilder &b, Location loc, Value like, Type element) {
  return tensor::EmptyOp::create(b, loc, tensor::getMixedSizes(b, loc, like),
                                 element);
}

struct NarrowOutputsPass : impl::RowNarrowOutputsBase<NarrowOutputsPass> {
  void runOnOperation() override {
    SmallVector<ProgramOp> programs;
    getOperation()->walk([&](ProgramOp op) { programs.push_back(op); });
    for (ProgramOp program : programs)
      for (unsigned i = 0; i < program.getOutputs().size(); ++i)
        if (arith::ExtFOp widening = findWidening(program, i)) {
          program = narrow(program, i, widening);
          ++numNarrowed;
        }
  }

private:
  /// The last step of what output `i` is, if it only widens.
  arith::ExtFOp findWidening(ProgramOp program, unsigned i) {
    Value v = program.getYield().getValues()[i];
    auto generic = v.getDefiningOp<linalg::GenericOp>();
    if (!generic || !v.hasOneUse() || generic.getNumResults() != 1 ||
        generic.getNumReductionLoops() ||
        generic.payloadUsesValueFromOperand(generic.getDpsInitOperand(0)) ||
        !isa<RankedTensorType>(program.getOutputs()[i].getType()))
      return nullptr;
    Operation *yield = generic.getBody()->getTerminator();
    if (auto select = yield->getOperand(0).getDefiningOp<arith::SelectOp>())
      widenLast(select);
    return yield->getOperand(0).getDefiningOp<arith::ExtFOp>();
  }

  /// A widened number, or else zero, is a number or zero, widened.
  void widenLast(arith::SelectOp select) {
    auto widening = select.getTrueValue().getDefiningOp<arith::ExtFOp>();
    if (!widening || !select->hasOneUse() ||
        !matchPattern(select.getFalseValue(), m_PosZeroFloat()))
      return;
    OpBuilder b(select);
    Value narrow = widening.getIn(),
          zero = arith::ConstantOp::create(b, select.getLoc(),
                                           b.getZeroAttr(narrow.getType()));
    Value either = arith::SelectOp::create(b, select.getLoc(),
                                           select.getCondition(), narrow, zero);
    Value wide =
        arith::ExtFOp::create(b, select.getLoc(), select.getType(), either);
    select.replaceAllUsesWith(wide);
    select.erase();
    if (widening->use_empty())
      widening.erase();
  }

  ProgramOp narrow(ProgramOp program, unsigned i, arith::ExtFOp widening) {
    Type element = widening.getIn().getType();
    Location loc = widening.getLoc();

    // In the body: the same without its last step.
    auto generic = widening->getParentOfType<linalg::GenericOp>();
    OpBuilder b(generic);
    Value init = emptyLike(b, loc, generic.getDpsInits()[0], element);
    generic.getDpsInitsMutable()[0].set(init);
    generic.getResult(0).setType(cast<RankedTensorType>(init.getType()));
    generic.getBody()->getArguments().back().setType(element);
    generic.getBody()->getTerminator()->setOperand(0, widening.getIn());
    if (widening->use_empty())
      widening.erase();

    b.setInsertionPoint(program);
    SmallVector<Value> outputs(program.getOutputs());
    outputs[i] = emptyLike(b, loc, program.getOutputs()[i], element);
    SmallVector<Type> types(program.getResultTypes());
    // Outputs that are tensors have results, in their order.
    unsigned result =
        llvm::count_if(program.getOutputs().take_front(i), [](Value v) {
          return isa<RankedTensorType>(v.getType());
        });
    types[result] = outputs[i].getType();
    auto narrowed = ProgramOp::create(
        b, program.getLoc(), types, program.getInputs(), program.getUniforms(),
        outputs, program.getAccumulators());
    narrowed.getBody().takeBody(program.getBody());

    // Behind it: what is widened.
    Value wide = program.getOutputs()[i];
    int64_t rank = cast<RankedTensorType>(wide.getType()).getRank();
    SmallVector<AffineMap> maps(2, b.getMultiDimIdentityMap(rank));
    SmallVector<utils::IteratorType> loops(rank, utils::IteratorType::parallel);
    auto widened = linalg::GenericOp::create(
        b, loc, TypeRange(wide.getType()),
        ValueRange(narrowed.getResult(result)), ValueRange(wide), maps, loops,
        [&](OpBuilder &body, Location at, ValueRange arguments) {
          Value x = arith::ExtFOp::create(body, at, arguments[1].getType(),
                                          arguments[0]);
          linalg::YieldOp::create(body, at, x);
        });
    SmallVector<Value> results(narrowed.getResults());
    results[result] = widened.getResult(0);
    program->replaceAllUsesWith(results);
    program.erase();
    return narrowed;
  }
};

} // namespace
} // namespace route::row
