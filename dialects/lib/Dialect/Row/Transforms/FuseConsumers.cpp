// row-fuse-consumers: moves what is done with a row program's results into it.
#include "WarpEmitter.h"
#include "route/Dialect/Row/IR/RowDialect.h"
#include "route/Dialect/Row/Transforms/Passes.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Dominance.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace route::row {
#define GEN_PASS_DEF_ROWFUSECONSUMERS
#include "route/Dialect/Row/Transforms/Passes.h.inc"

namespace {

/// A map of whole arrays as the map of an item's row: without the leading
/// dimension. Fails where items do not lead, or mix.
FailureOr<AffineMap> rowMap(AffineMap map) {
  if (map.getNumResults() == 0)
    return failure();
  auto first = dyn_cast<AffineDimExpr>(map.getResult(0));
  if (!first || first.getPosition() != 0)
    return failure();
  SmallVector<AffineExpr> results;
  for (AffineExpr e : map.getResults().drop_front()) {
    auto dim = dyn_cast<AffineDimExpr>(e);
    if (!dim || dim.getPosition() == 0)
      return failure();
    results.push_back(getAffineDimExpr(dim.getPosition() - 1, e.getContext()));
  }
  return AffineMap::get(map.getNumDims() - 1, 0, results, map.getContext());
}

struct FuseConsumersPass : impl::RowFuseConsumersBase<FuseConsumersPass> {
  void runOnOperation() override {
    SmallVector<ProgramOp> programs;
    getOperation()->walk([&](ProgramOp op) { programs.push_back(op); });
    // What fits no warp gains nothing: a long sum is many threads' where
    // nothing else is in its program, and elements are a thread's each.
    llvm::erase_if(programs, [](ProgramOp op) { return !fitsWarp(op); });
    for (ProgramOp program : programs)
      while (linalg::GenericOp consumer = findConsumer(program)) {
        program = fuse(program, consumer);
        ++numFused;
      }
  }

private:
  /// The value in the body that stands for an operand; null without one.
  Value inBody(ProgramOp program, Value operand) {
    if (auto result = dyn_cast<OpResult>(operand);
        result && result.getOwner() == program &&
        result.getResultNumber() < program.getOutputs().size())
      return program.getYield().getValues()[result.getResultNumber()];
    for (auto [i, input] : llvm::enumerate(program.getInputs()))
      if (input == operand)
        return program.getBody().getArgument(i);
    return nullptr;
  }

  bool fits(ProgramOp program, linalg::GenericOp op) {
    if (op->getBlock() != program->getBlock() || op.getNumResults() != 1 ||
        op.getNumReductionLoops() ||
        !isa<RankedTensorType>(op.getResult(0).getType()))
      return false;
    DominanceInfo dominance(program->getParentOp());
    OpOperand *init = op.getDpsInitOperand(0);
    if (op.payloadUsesValueFromOperand(init) ||
        !op.getMatchingIndexingMap(init).isIdentity() ||
        !dominance.properlyDominates(init->get(), program))
      return false;
    for (OpOperand &operand : op->getOpOperands())
      if (failed(rowMap(op.getMatchingIndexingMap(&operand))) ||
          (!op.isDpsInit(&operand) && !inBody(program, operand.get())))
        return false;
    RankedTensorType row =
        ProgramOp::rowType(op.getResult(0).getType(), /*varying=*/true);
    if (!row.hasStaticShape() ||
        row.getNumElements() > WarpEmitter::kMaxElements)
      return false;
    bool itself = true;
    op.getBody()->walk([&](Operation *inner) {
      if (auto index = dyn_cast<linalg::IndexOp>(inner))
        itself &= index.getDim() != 0;
      for (Value v : inner->getOperands()) {
        Operation *from = v.getDefiningOp();
        // Scalars from outside: constants only, which come along.
        itself &= v.getParentRegion() == &op.getRegion() ||
                  (from && from->hasTrait<OpTrait::ConstantLike>());
      }
    });
    return itself;
  }

  linalg::GenericOp findConsumer(ProgramOp program) {
    for (Operation *user : program->getUsers())
      if (auto generic = dyn_cast<linalg::GenericOp>(user))
        if (fits(program, generic))
          return generic;
    return nullptr;
  }

  ProgramOp fuse(ProgramOp program, linalg::GenericOp consumer) {
    OpBuilder b(program);
    SmallVector<Value> outputs(program.getOutputs());
    outputs.push_back(consumer.getDpsInits()[0]);
    SmallVector<Type> types;
    for (Value v : outputs)
      if (isa<RankedTensorType>(v.getType()))
        types.push_back(v.getType());
    for (Value v : program.getAccumulators())
      if (isa<RankedTensorType>(v.getType()))
        types.push_back(v.getType());
    auto fused = ProgramOp::create(b, program.getLoc(), types,
                                   program.getInputs(), program.getUniforms(),
                                   outputs, program.getAccumulators());

    // The consumer on the row of an item, in front of the yield.
    YieldOp yield = program.getYield();
    b.setInsertionPoint(yield);
    Location loc = consumer.getLoc();
    auto type = ProgramOp::rowType(consumer.getResult(0).getType(), true);
    SmallVector<Value> inputs;
    for (Value v : consumer.getDpsInputs())
      inputs.push_back(inBody(program, v));
    SmallVector<AffineMap> maps;
    for (AffineMap map : consumer.getIndexingMapsArray())
      maps.push_back(*rowMap(map));
    Value init =
        tensor::EmptyOp::create(b, loc, type.getShape(), type.getElementType());
    IRMapping constants;
    consumer.getBody()->walk([&](Operation *inner) {
      for (Value v : inner->getOperands())
        if (v.getParentRegion() != &consumer.getRegion() &&
            !constants.contains(v))
          constants.map(v, b.clone(*v.getDefiningOp())->getResult(0));
    });
    SmallVector<utils::IteratorType> loops(consumer.getNumLoops() - 1,
                                           utils::IteratorType::parallel);
    auto row = linalg::GenericOp::create(
        b, loc, TypeRange(type), inputs, ValueRange(init), maps, loops,
        [&](OpBuilder &body, Location at, ValueRange arguments) {
          IRMapping mapping = constants;
          mapping.map(consumer.getBody()->getArguments(), arguments);
          for (Operation &inner : consumer.getBody()->without_terminator()) {
            if (auto index = dyn_cast<linalg::IndexOp>(&inner))
              mapping.map(index.getResult(),
                          linalg::IndexOp::create(body, at, index.getDim() - 1)
                              .getResult());
            else
              body.clone(inner, mapping);
          }
          linalg::YieldOp::create(
              body, at,
              mapping.lookupOrDefault(
                  consumer.getBody()->getTerminator()->getOperand(0)));
        });
    SmallVector<Value> yielded(yield.getValues());
    yielded.insert(yielded.begin() + outputs.size() - 1, row.getResult(0));
    YieldOp::create(b, yield.getLoc(), yielded);
    yield.erase();
    fused.getBody().takeBody(program.getBody());

    unsigned added = outputs.size() - 1;
    for (auto [i, result] : llvm::enumerate(program.getResults()))
      result.replaceAllUsesWith(fused.getResult(i < added ? i : i + 1));
    consumer.getResult(0).replaceAllUsesWith(fused.getResult(added));
    consumer.erase();
    program.erase();
    return fused;
  }
};

} // namespace
} // namespace route::row
