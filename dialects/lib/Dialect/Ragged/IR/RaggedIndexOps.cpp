// Verifiers and effects of the ragged ops that work out where slots go.
#include "VerifyShapes.h"
#include "route/Dialect/Ragged/IR/Ragged.h"

using namespace mlir;

namespace route::ragged {

using Effects =
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>>;

static LogicalResult verifyLimit(Operation *op, Value limit, Value idx) {
  if (!limit)
    return success();
  return verifyDim(op, limit, "limit", 0, dimOf(idx, 0), "rows of 'idx'");
}

LogicalResult CountOp::verify() {
  if (failed(verifyForm(*this)))
    return failure();
  return verifyLimit(*this, getLimit(), getIdx()); // C1
}

void CountOp::getEffects(Effects &effects) { addEffects(*this, effects); }

LogicalResult OffsetsOp::verify() {
  if (failed(verifyForm(*this)))
    return failure();
  int64_t counts = dimOf(getCounts(), 0);
  if (ShapedType::isDynamic(counts))
    return success();
  return verifyDim(*this, getOffsets(), "offsets", 0, counts + 1, // C1
                   "one more than 'counts'");
}

void OffsetsOp::getEffects(Effects &effects) { addEffects(*this, effects); }

LogicalResult PermuteOp::verify() {
  if (failed(verifyForm(*this)))
    return failure();
  int64_t items = dimOf(getIdx(), 0), ranks = dimOf(getIdx(), 1);
  if (!ShapedType::isDynamic(items) && !ShapedType::isDynamic(ranks) &&
      failed(verifyDim(*this, getPerm(), "perm", 0, items * ranks, // C1
                       "elements of 'idx'")))
    return failure();
  if (failed(verifyDim(*this, getInv(), "inv", 0, items, // C2
                       "rows of 'idx'")) ||
      failed(verifyDim(*this, getInv(), "inv", 1, ranks, "width of 'idx'")) ||
      failed(verifyLimit(*this, getLimit(), getIdx()))) // C3
    return failure();
  int64_t offsets = dimOf(getOffsets(), 0);
  if (ShapedType::isDynamic(offsets) || offsets < 1) // C4
    return emitOpError("'offsets' needs a static, positive size, found ")
           << getOffsets().getType();
  return success();
}

void PermuteOp::getEffects(Effects &effects) { addEffects(*this, effects); }

} // namespace route::ragged
