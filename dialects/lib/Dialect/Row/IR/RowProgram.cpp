// row.program: verification, effects, canonicalisation.
#include "route/Dialect/Row/IR/RowDialect.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;

namespace route::row {

MutableOperandRange ProgramOp::getDpsInitsMutable() {
  unsigned start = getInputs().size() + getUniforms().size();
  return MutableOperandRange(getOperation(), start,
                             getOutputs().size() + getAccumulators().size());
}

RankedTensorType ProgramOp::rowType(Type type, bool varying) {
  auto shaped = cast<ShapedType>(type);
  return RankedTensorType::get(shaped.getShape().drop_front(varying ? 1 : 0),
                               shaped.getElementType());
}

YieldOp ProgramOp::getYield() {
  return cast<YieldOp>(getBody().front().getTerminator());
}

void ProgramOp::getEffects(
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>>
        &effects) {
  for (OpOperand &operand : getOperation()->getOpOperands()) {
    if (!isa<MemRefType>(operand.get().getType()))
      continue;
    bool init = isDpsInit(&operand);
    bool output = init && operand.getOperandNumber() - getInputs().size() -
                                  getUniforms().size() <
                              getOutputs().size();
    if (!output)
      effects.emplace_back(MemoryEffects::Read::get(), &operand);
    if (init)
      effects.emplace_back(MemoryEffects::Write::get(), &operand);
  }
}

LogicalResult ProgramOp::verify() {
  // (C1) ranks and item counts.
  int64_t items = ShapedType::kDynamic;
  auto checkItems = [&](ValueRange values, StringRef what) -> LogicalResult {
    for (auto [i, value] : llvm::enumerate(values)) {
      auto type = cast<ShapedType>(value.getType());
      if (type.getRank() == 0)
        return emitOpError() << what << " " << i << " has no item dimension";
      int64_t n = type.getDimSize(0);
      if (ShapedType::isDynamic(n))
        continue;
      if (!ShapedType::isDynamic(items) && n != items)
        return emitOpError() << what << " " << i << " has " << n
                             << " items, expected " << items;
      items = n;
    }
    return success();
  };
  if (failed(checkItems(getInputs(), "input")) ||
      failed(checkItems(getOutputs(), "output")))
    return failure();
  if (getInputs().empty() && getOutputs().empty())
    return emitOpError("has neither inputs nor outputs: the number of items is "
                       "unknown");

  // (C2) arguments.
  Block &block = getBody().front();
  SmallVector<Type> expected;
  for (Value v : getInputs())
    expected.push_back(rowType(v.getType(), /*varying=*/true));
  for (Value v : getUniforms())
    expected.push_back(rowType(v.getType(), /*varying=*/false));
  if (block.getNumArguments() != expected.size())
    return emitOpError() << "body has " << block.getNumArguments()
                         << " arguments, expected " << expected.size();
  for (auto [i, argument] : llvm::enumerate(block.getArguments()))
    if (argument.getType() != expected[i])
      return emitOpError() << "body argument " << i << " has type "
                           << argument.getType() << ", expected "
                           << expected[i];

  // (C3) yielded values.
  auto yield = dyn_cast<YieldOp>(block.getTerminator());
  if (!yield)
    return emitOpError("body must end with 'row.yield'");
  expected.clear();
  for (Value v : getOutputs())
    expected.push_back(rowType(v.getType(), /*varying=*/true));
  for (Value v : getAccumulators())
    expected.push_back(rowType(v.getType(), /*varying=*/false));
  if (yield.getValues().size() != expected.size())
    return yield.emitOpError() << "gives " << yield.getValues().size()
                               << " values, expected " << expected.size();
  for (auto [i, value] : llvm::enumerate(yield.getValues()))
    if (value.getType() != expected[i])
      return yield.emitOpError()
             << "value " << i << " has type " << value.getType()
             << ", expected " << expected[i];

  // (C4) results.
  expected.clear();
  for (Value v : getDpsInits())
    if (isa<RankedTensorType>(v.getType()))
      expected.push_back(v.getType());
  if (expected != SmallVector<Type>(getResultTypes()))
    return emitOpError("results differ from the types of the tensor outputs "
                       "and accumulators");

  // (C5) accumulators.
  for (Value v : getAccumulators())
    if (!getElementTypeOrSelf(v.getType()).isIntOrFloat())
      return emitOpError("accumulates elements that are neither integers nor "
                         "floating point");
  return success();
}

namespace {

/// Drops inputs and uniforms whose body argument is unused, and merges those
/// that are given twice. One input stays where there is no output: it carries
/// the number of items.
struct DropUnusedOperands : OpRewritePattern<ProgramOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ProgramOp op,
                                PatternRewriter &rewriter) const override {
    Block &block = op.getBody().front();
    unsigned inputs = op.getInputs().size();
    llvm::BitVector drop(block.getNumArguments());
    DenseMap<std::pair<Value, unsigned>, unsigned> seen;
    for (unsigned i = 0, e = block.getNumArguments(); i != e; ++i) {
      auto key = std::make_pair(op->getOperand(i), unsigned(i < inputs));
      auto [it, fresh] = seen.try_emplace(key, i);
      if (!fresh) {
        rewriter.replaceAllUsesWith(block.getArgument(i),
                                    block.getArgument(it->second));
        drop.set(i);
      }
    }
    for (unsigned i = 0, e = block.getNumArguments(); i != e; ++i)
      if (block.getArgument(i).use_empty())
        drop.set(i);
    unsigned kept = 0;
    for (unsigned i = 0; i != inputs; ++i)
      kept += !drop[i];
    if (op.getOutputs().empty() && inputs && !kept)
      drop.reset(0);
    if (drop.none())
      return failure();
    rewriter.modifyOpInPlace(op, [&] {
      for (unsigned i = drop.size(); i-- > 0;) {
        if (!drop[i])
          continue;
        if (i < inputs)
          op.getInputsMutable().erase(i);
        else
          op.getUniformsMutable().erase(i - inputs);
        block.eraseArgument(i);
        if (i < inputs)
          --inputs;
      }
    });
    return success();
  }
};

} // namespace

void ProgramOp::getCanonicalizationPatterns(RewritePatternSet &patterns,
                                            MLIRContext *context) {
  patterns.add<DropUnusedOperands>(context);
}

} // namespace route::row
