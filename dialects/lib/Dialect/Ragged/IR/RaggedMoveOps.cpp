// Verifiers, effects and folds of the ragged ops that move rows and weights.
#include "VerifyShapes.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"
#include "route/Dialect/Ragged/IR/Ragged.h"

using namespace mlir;

namespace route::ragged {

using Effects =
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>>;

LogicalResult GatherOp::verify() {
  if (failed(verifyForm(*this)))
    return failure();
  if (static_cast<int64_t>(getSlots()) < 1) // C1
    return emitOpError("'slots' is ")
           << static_cast<int64_t>(getSlots()) << ", expected at least 1";
  if (failed(verifyDim(*this, getOut(), "out", 0, dimOf(getPerm(), 0), // C2
                       "elements of 'perm'")))
    return failure();
  auto x = cast<ShapedType>(getX().getType());
  auto out = cast<ShapedType>(getOut().getType());
  if (x.getRank() != out.getRank() ||
      x.getElementType() != out.getElementType()) // C3
    return emitOpError("'out' is ")
           << out << ", expected the rank and element type of " << x;
  if (x.getRank() == 2 && !out.isDynamicDim(1) && !x.isDynamicDim(1) &&
      out.getDimSize(1) < x.getDimSize(1)) // C4
    return emitOpError("dimension 1 of 'out' is ")
           << out.getDimSize(1) << ", expected at least " << x.getDimSize(1)
           << " (width of 'x')";
  return success();
}

void GatherOp::getEffects(Effects &effects) { addEffects(*this, effects); }

LogicalResult CombineOp::verify() {
  if (failed(verifyForm(*this)) ||
      failed(verifyDim(*this, getOut(), "out", 0, dimOf(getInv(), 0), // C1
                       "rows of 'inv'")) ||
      failed(verifyDim(*this, getOut(), "out", 1, dimOf(getY(), 1), // C2
                       "width of 'y'")))
    return failure();
  if (!getScale())
    return success();
  if (failed(verifyDim(*this, getScale(), "scale", 0, dimOf(getInv(), 0), // C3
                       "rows of 'inv'")))
    return failure();
  return verifyDim(*this, getScale(), "scale", 1, dimOf(getInv(), 1),
                   "width of 'inv'");
}

void CombineOp::getEffects(Effects &effects) { addEffects(*this, effects); }

LogicalResult CombineAtOp::verify() {
  if (failed(verifyForm(*this)) ||
      failed(verifyDim(*this, getOut(), "out", 1, dimOf(getY(), 1), // C3
                       "width of 'y'")))
    return failure();
  for (auto [value, name] :
       {std::pair(getAt(), "at"), std::pair(getScale(), "scale")}) // C1, C2
    if (value && (failed(verifyDim(*this, value, name, 0, dimOf(getInv(), 0),
                                   "rows of 'inv'")) ||
                  failed(verifyDim(*this, value, name, 1, dimOf(getInv(), 1),
                                   "width of 'inv'"))))
      return failure();
  return success();
}

void CombineAtOp::getEffects(Effects &effects) { addEffects(*this, effects); }

namespace {
/// A scale of ones changes nothing, bit for bit.
template <typename Op> struct DropUnitScale : OpRewritePattern<Op> {
  using OpRewritePattern<Op>::OpRewritePattern;
  LogicalResult matchAndRewrite(Op op,
                                PatternRewriter &rewriter) const override {
    SplatElementsAttr splat;
    if (!op.getScale() || !matchPattern(op.getScale(), m_Constant(&splat)) ||
        !splat.getSplatValue<APFloat>().isExactlyValue(1.0))
      return failure();
    rewriter.modifyOpInPlace(op, [&] { op.getScaleMutable().clear(); });
    return success();
  }
};
} // namespace

void CombineOp::getCanonicalizationPatterns(RewritePatternSet &patterns,
                                            MLIRContext *context) {
  patterns.add<DropUnitScale<CombineOp>>(context);
}

void CombineAtOp::getCanonicalizationPatterns(RewritePatternSet &patterns,
                                              MLIRContext *context) {
  patterns.add<DropUnitScale<CombineAtOp>>(context);
}

LogicalResult PackOp::verify() {
  if (failed(verifyForm(*this, getW())))
    return failure();
  auto w = cast<ShapedType>(getW().getType());
  auto panels = cast<ShapedType>(getPanels().getType());
  if (!w.hasStaticShape() || !panels.hasStaticShape()) // C1
    return emitOpError("needs static shapes, found ") << w << " and " << panels;
  int64_t columns = w.getDimSize(getTransposed() ? 2 : 1);
  int64_t inner = w.getDimSize(getTransposed() ? 1 : 2);
  SmallVector<int64_t> shape =
      getPanelShape(w.getDimSize(0), columns, inner, w.getElementType());
  if (panels.getShape() != ArrayRef(shape) ||
      panels.getElementType() != w.getElementType()) // C2
    return emitOpError("'panels' is ")
           << panels << ", expected the shape of "
           << RankedTensorType::get(shape, w.getElementType());
  return success();
}

void PackOp::getEffects(Effects &effects) { addEffects(*this, effects); }

} // namespace route::ragged
