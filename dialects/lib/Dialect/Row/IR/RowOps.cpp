// The operations inside row programs: verification and canonicalisation.
#include "route/Dialect/Row/IR/RowDialect.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;

#define GET_OP_CLASSES
#include "route/Dialect/Row/IR/RowOps.cpp.inc"

namespace route::row {

static ArrayRef<int64_t> batchOf(RankedTensorType type) {
  return type.getShape().drop_back();
}

RankedTensorType ChooseOp::getCandidateType() {
  Value first = getKeys().empty() ? Value(getMask()) : getKeys().front();
  return cast<RankedTensorType>(first.getType());
}

LogicalResult ChooseOp::verify() {
  // (C4), (C5)
  if (getKeys().empty() && !getMask())
    return emitOpError("has neither keys nor a mask");
  if (getUp() && getUp()->size() != getKeys().size())
    return emitOpError() << "has " << getUp()->size() << " directions for "
                         << getKeys().size() << " keys";
  // (C1)
  RankedTensorType candidates = getCandidateType();
  if (candidates.getRank() == 0)
    return emitOpError("chooses along the last dimension, but the candidates "
                       "have rank 0");
  auto sameShape = [&](Value v, StringRef what) -> LogicalResult {
    auto type = cast<RankedTensorType>(v.getType());
    if (type.getShape() != candidates.getShape())
      return emitOpError() << what << " has type " << type
                           << ", expected the shape of " << candidates;
    return success();
  };
  for (Value key : getKeys())
    if (failed(sameShape(key, "key")))
      return failure();
  if (getMask() && failed(sameShape(getMask(), "mask")))
    return failure();
  if (getValues() && failed(sameShape(getValues(), "until value")))
    return failure();
  // (C2)
  auto indices = cast<RankedTensorType>(getIndices().getType());
  if (indices.getRank() != candidates.getRank() ||
      batchOf(indices) != batchOf(candidates))
    return emitOpError() << "indices of type " << indices
                         << " do not have the leading dimensions of "
                         << candidates;
  int64_t k = indices.getShape().back(), n = candidates.getShape().back();
  if (ShapedType::isDynamic(k) && !ShapedType::isDynamic(n))
    return emitOpError() << "an unknown number of indices for " << n
                         << " candidates";
  if (!ShapedType::isDynamic(k) && !ShapedType::isDynamic(n) && k > n)
    return emitOpError() << "chooses " << k << " of " << n << " candidates";
  // (C3)
  auto chosen = cast<RankedTensorType>(getChosen().getType());
  if (chosen.getShape() != batchOf(candidates))
    return emitOpError() << "number of chosen has type " << chosen
                         << ", expected the leading dimensions of "
                         << candidates;
  for (auto [value, what] : {std::pair<Value, StringRef>{getCount(), "count"},
                             {getThreshold(), "threshold"}}) {
    if (!value)
      continue;
    auto type = cast<RankedTensorType>(value.getType());
    if (type.getRank() != 0 && type.getShape() != batchOf(candidates))
      return emitOpError() << what << " has type " << type
                           << ", expected rank 0 or the leading dimensions of "
                           << candidates;
  }
  return success();
}

/// A mask that is true everywhere says nothing (where there are keys).
LogicalResult ChooseOp::canonicalize(ChooseOp op, PatternRewriter &rewriter) {
  DenseElementsAttr mask;
  if (!op.getMask() || op.getKeys().empty() ||
      !matchPattern(op.getMask(), m_Constant(&mask)) || !mask.isSplat() ||
      !mask.getSplatValue<bool>())
    return failure();
  rewriter.modifyOpInPlace(op, [&] { op.getMaskMutable().clear(); });
  return success();
}

LogicalResult TakeOp::verify() {
  auto values = cast<RankedTensorType>(getValues().getType());
  auto indices = cast<RankedTensorType>(getIndices().getType());
  auto result = cast<RankedTensorType>(getResult().getType());
  if (indices.getRank() == 0)
    return emitOpError("indices have rank 0");
  if (values.getRank() != 1 && (values.getRank() != indices.getRank() ||
                                batchOf(values) != batchOf(indices)))
    return emitOpError() << "values of type " << values
                         << " have neither rank 1 nor the leading dimensions "
                            "of the indices, "
                         << indices;
  if (result.getShape() != indices.getShape() ||
      result.getElementType() != values.getElementType())
    return emitOpError() << "result has type " << result
                         << ", expected the indices' shape and the values' "
                            "element type";
  return success();
}

LogicalResult ContainsOp::verify() {
  auto indices = cast<RankedTensorType>(getIndices().getType());
  auto result = cast<RankedTensorType>(getResult().getType());
  if (indices.getRank() == 0 || result.getRank() != indices.getRank() ||
      batchOf(result) != batchOf(indices))
    return emitOpError() << "result of type " << result
                         << " does not have the leading dimensions of the "
                            "indices, "
                         << indices;
  return success();
}

LogicalResult TallyOp::verify() {
  auto result = cast<RankedTensorType>(getResult().getType());
  if (result.getRank() != 1)
    return emitOpError() << "result has rank " << result.getRank()
                         << ", expected 1";
  return success();
}

LogicalResult SumOp::verify() {
  auto values = cast<RankedTensorType>(getValues().getType());
  auto result = cast<RankedTensorType>(getResult().getType());
  if (values.getRank() == 0)
    return emitOpError("sums along the last dimension, but the operand has "
                       "rank 0");
  if (result.getShape() != batchOf(values))
    return emitOpError() << "result has type " << result
                         << ", expected the leading dimensions of " << values;
  if (result.getElementType() != values.getElementType())
    return emitOpError() << "result has type " << result
                         << ", expected elements of "
                         << values.getElementType();
  return success();
}

} // namespace route::row
