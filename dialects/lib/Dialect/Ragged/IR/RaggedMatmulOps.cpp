// Verifier, effects and simplifications of the grouped matmul.
#include "VerifyShapes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"
#include "route/Dialect/Ragged/IR/Ragged.h"

using namespace mlir;

namespace route::ragged {

void MatmulOp::getEffects(
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>>
        &effects) {
  addEffects(*this, effects);
}

/// All weights have one static type, with the rows' element type.
template <typename OpTy> static LogicalResult verifyTypes(OpTy op) {
  if (op.getWeights().empty())
    return op.emitOpError("needs at least one weight");
  ShapedType type = op.weightType();
  for (Type other : op.getWeights().getTypes())
    if (cast<ShapedType>(other).getShape() != type.getShape() ||
        cast<ShapedType>(other).getElementType() != type.getElementType())
      return op.emitOpError("weights differ in type: ")
             << type << " and " << other;
  if (!type.hasStaticShape())
    return op.emitOpError("weights need a static shape, found ") << type;
  Type rowElement = elementOf(op.getRows());
  if (rowElement != type.getElementType())
    return op.emitOpError("rows are of ")
           << rowElement << ", weights of " << type.getElementType();
  if (op.getInterleaved() && op.getParts() < 2)
    return op.emitOpError("'interleaved' is at least 2, found ")
           << op.getParts();
  return success();
}

/// `out` has a column for each group of `interleaved` columns of plain weights.
template <typename OpTy> static LogicalResult verifyColumns(OpTy op) {
  int64_t columns = op.weightType().getDimSize(op.getTransposed() ? 2 : 1);
  if (columns % op.getParts() != 0)
    return op.emitOpError("weights have ")
           << columns << " columns, which " << op.getParts()
           << " interleaved parts do not share evenly";
  return verifyDim(op, op.getOut(), "out", 1, columns / op.getParts(),
                   "columns of the weights");
}

template <typename OpTy> static LogicalResult verifyPerExpert(OpTy op) {
  for (Value value : op.getPerExpert())
    if (failed(verifyDim(op, value, "per_expert", 0, op.getExperts(),
                         "experts")) ||
        failed(verifyDim(op, value, "per_expert", 1, op.getOutputs(),
                         "columns of the weights")))
      return failure();
  return success();
}

static LogicalResult verifyWeights(MatmulOp op) {
  if (failed(verifyTypes(op))) // C1, C3
    return failure();
  ShapedType type = op.weightType();
  Type rowElement = type.getElementType();
  if (ShapedType::isDynamic(op.getOutputs()))
    return op.emitOpError("'out' needs a static width, found ")
           << op.getOut().getType();
  if (!op.isPacked()) {
    if (op.getDepth()) // C2
      return op.emitOpError("'depth' is for panels, but the weights are ")
             << type;
    return success();
  }
  if (op.getTransposed()) // C3
    return op.emitOpError("'transposed' is for plain weights, found ") << type;
  if (op.getInterleaved()) // C3
    return op.emitOpError("'interleaved' is for plain weights, found ") << type;
  if (!op.getDepth() || static_cast<int64_t>(*op.getDepth()) < 0)
    return op.emitOpError("panels need a 'depth', the number of products in "
                          "a sum");
  SmallVector<int64_t> shape = getPanelShape(
      type.getDimSize(0), op.getOutputs(), op.getInner(), rowElement);
  if (type.getShape() != ArrayRef(shape))
    return op.emitOpError("panels are ")
           << type << ", expected the shape of "
           << RankedTensorType::get(shape, rowElement) << " for 'depth' "
           << op.getInner() << " and " << op.getOutputs() << " columns";
  return success();
}

/// The epilogue takes sums, then elements of `operands`; it yields an `out`,
/// where that is given.
template <typename OpTy>
static LogicalResult verifyEpilogue(OpTy op, ValueRange operands, Type out) {
  Block &body = op.getEpilogue().front();
  SmallVector<Type> expected(op.getNumSums(),
                             Float32Type::get(op.getContext()));
  for (Value value : operands)
    expected.push_back(elementOf(value));
  if (body.getArgumentTypes() != TypeRange(expected)) // C9
    return op.emitOpError("epilogue takes (")
           << body.getArgumentTypes() << "), expected (" << TypeRange(expected)
           << ")";
  if (!body.mightHaveTerminator() || !isa<YieldOp>(body.getTerminator()))
    return op.emitOpError("epilogue needs a ragged.yield at its end");
  auto yield = cast<YieldOp>(body.getTerminator());
  if (out && yield.getValue().getType() != out)
    return op.emitOpError("epilogue yields ")
           << yield.getValue().getType() << ", expected " << out;
  for (Operation &inner : body.without_terminator()) // C10
    if (!inner.hasTrait<OpTrait::ConstantLike>() &&
        (!OpTrait::hasElementwiseMappableTraits(&inner) ||
         !isMemoryEffectFree(&inner)))
      return op.emitOpError(
                 "epilogue may contain only elementwise ops, found '")
             << inner.getName() << "'";
  return success();
}

LogicalResult MatmulOp::verify() {
  ValueRange strided;
  if (!getWeights().empty() && !isPacked()) // C7
    strided = getPerExpert();
  if (failed(verifyForm(*this, strided)) || failed(verifyWeights(*this)))
    return failure();
  int64_t experts = getExperts(), rows = dimOf(getRows(), 0);
  if (getOffsets()) { // C4
    if (failed(verifyDim(*this, getOffsets(), "offsets", 0, experts + 1,
                         "one more than the experts")))
      return failure();
  } else if (experts != 1) {
    return emitOpError("without 'offsets' there is one expert, found ")
           << experts;
  }
  int64_t width = dimOf(getRows(), 1);
  if (!ShapedType::isDynamic(width) && width < getInner()) // C5
    return emitOpError("rows are ")
           << width << " wide, expected at least " << getInner();
  if (!isPacked()) {
    if (failed(verifyColumns(*this))) // C6
      return failure();
  }
  if (failed(verifyDim(*this, getOut(), "out", 0, rows, "rows")))
    return failure();
  if (failed(verifyPerExpert(*this))) // C7
    return failure();
  for (Value value : getPerRow()) // C8
    if (failed(verifyDim(*this, value, "per_row", 0, rows, "rows")))
      return failure();
  SmallVector<Value> operands(getPerExpert());
  llvm::append_range(operands, getPerRow());
  return verifyEpilogue(*this, operands, elementOf(getOut()));
}

void SlotMatmulOp::getEffects(
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>>
        &effects) {
  addEffects(*this, effects);
}

LogicalResult SlotMatmulOp::verify() {
  if (failed(verifyForm(*this, getPerExpert())) ||
      failed(verifyTypes(*this))) // C1
    return failure();
  auto isPlain = [](Value weight) {
    return cast<ShapedType>(weight.getType()).getRank() == 3;
  };
  if (!llvm::all_of(getWeights(), isPlain))
    return emitOpError("weights are plain, found ") << weightType();
  int64_t ranks = getRanks(), slots = getSlots();
  if (ShapedType::isDynamic(ranks) || (slots != 1 && slots != ranks)) // C2
    return emitOpError("'slots' is 1 or the static number of an item's, found ")
           << slots << " and " << getIdx().getType();
  int64_t items = dimOf(getIdx(), 0);
  int64_t all = ShapedType::isDynamic(items) ? items : items * ranks;
  bool ofItems = slots == ranks;
  if (failed(verifyDim(*this, getRows(), "rows", 0, ofItems ? items : all, // C3
                       ofItems ? "items" : "slots")) ||
      failed(verifyDim(*this, getOut(), "out", 0, getCombined() ? items : all,
                       getCombined() ? "items" : "slots")))
    return failure();
  int64_t width = dimOf(getRows(), 1);
  if (!ShapedType::isDynamic(width) && width < getInner()) // C4
    return emitOpError("rows are ")
           << width << " wide, expected at least " << getInner();
  if (ShapedType::isDynamic(getOutputs()))
    return emitOpError("'out' needs a static width, found ")
           << getOut().getType();
  if (failed(verifyColumns(*this)) || failed(verifyPerExpert(*this))) // C5, C6
    return failure();
  if (getScale()) { // C7
    if (!getCombined())
      return emitOpError("has a 'scale' but is not 'combined'");
    if (failed(verifyDim(*this, getScale(), "scale", 0, items, "items")) ||
        failed(verifyDim(*this, getScale(), "scale", 1, ranks, "ranks")))
      return failure();
  }
  if (getLimit() && failed(verifyDim(*this, getLimit(), "limit", 0, items, // C8
                                     "items")))
    return failure();
  return verifyEpilogue(*this, getPerExpert(), // C9
                        getCombined() ? Type() : elementOf(getOut()));
}

namespace {

/// Takes operand `index` of a variadic group and its epilogue argument away.
void dropOperand(MatmulOp op, MutableOperandRange group, unsigned index,
                 unsigned argument, PatternRewriter &rewriter) {
  rewriter.modifyOpInPlace(op, [&] {
    op.getEpilogue().front().eraseArgument(argument);
    group.erase(index);
  });
}

/// Weights and rows that the epilogue does not read need not be streamed.
struct DropUnusedOperands : OpRewritePattern<MatmulOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MatmulOp op,
                                PatternRewriter &rewriter) const override {
    Block &body = op.getEpilogue().front();
    // Of interleaved weights one sum is not had without the others.
    unsigned weights = op.getNumSums();
    unsigned perExpert = op.getPerExpert().size();
    for (unsigned i = 0; i < body.getNumArguments(); ++i) {
      if (!body.getArgument(i).use_empty() ||
          (i < weights && (weights == 1 || op.getInterleaved())))
        continue;
      if (i < weights)
        dropOperand(op, op.getWeightsMutable(), i, i, rewriter);
      else if (i < weights + perExpert)
        dropOperand(op, op.getPerExpertMutable(), i - weights, i, rewriter);
      else
        dropOperand(op, op.getPerRowMutable(), i - weights - perExpert, i,
                    rewriter);
      return success();
    }
    return failure();
  }
};

/// The same weight twice is one accumulator.
struct MergeEqualWeights : OpRewritePattern<MatmulOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MatmulOp op,
                                PatternRewriter &rewriter) const override {
    if (op.getInterleaved())
      return failure();
    Block &body = op.getEpilogue().front();
    for (unsigned i = 1; i < op.getWeights().size(); ++i)
      for (unsigned j = 0; j < i; ++j)
        if (op.getWeights()[i] == op.getWeights()[j]) {
          rewriter.replaceAllUsesWith(body.getArgument(i), body.getArgument(j));
          dropOperand(op, op.getWeightsMutable(), i, i, rewriter);
          return success();
        }
    return failure();
  }
};

/// A constant bias or row factor moves into the epilogue.
struct FoldSplatOperands : OpRewritePattern<MatmulOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MatmulOp op,
                                PatternRewriter &rewriter) const override {
    Block &body = op.getEpilogue().front();
    unsigned weights = op.getNumSums();
    unsigned perExpert = op.getPerExpert().size();
    for (unsigned i = weights; i < body.getNumArguments(); ++i) {
      bool expert = i < weights + perExpert;
      unsigned index = i - weights - (expert ? 0 : perExpert);
      Value value = expert ? op.getPerExpert()[index] : op.getPerRow()[index];
      SplatElementsAttr splat;
      if (!matchPattern(value, m_Constant(&splat)))
        continue;
      rewriter.setInsertionPointToStart(&body);
      auto constant = arith::ConstantOp::create(
          rewriter, op.getLoc(),
          cast<TypedAttr>(splat.getSplatValue<Attribute>()));
      rewriter.replaceAllUsesWith(body.getArgument(i), constant);
      dropOperand(op, expert ? op.getPerExpertMutable() : op.getPerRowMutable(),
                  index, i, rewriter);
      return success();
    }
    return failure();
  }
};

} // namespace

void MatmulOp::getCanonicalizationPatterns(RewritePatternSet &patterns,
                                           MLIRContext *context) {
  patterns.add<DropUnusedOperands, MergeEqualWeights, FoldSplatOperands>(
      context);
}

} // namespace route::ragged
