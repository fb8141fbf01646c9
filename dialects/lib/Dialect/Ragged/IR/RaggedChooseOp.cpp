// Verifier and effects of the choice among candidates that the call brings.
#include "VerifyShapes.h"
#include "route/Dialect/Ragged/IR/Ragged.h"

using namespace mlir;

namespace route::ragged {

SmallVector<Value> ChooseOp::getMapped() {
  SmallVector<Value> mapped(getKeys());
  llvm::append_range(mapped, getMasks());
  llvm::append_range(mapped, getRange());
  if (getLimit())
    mapped.push_back(getLimit());
  return mapped;
}

LogicalResult ChooseOp::verify() {
  if (failed(verifyForm(*this)))
    return failure();
  auto indices = cast<ShapedType>(getIndices().getType()),
       counts = cast<ShapedType>(getCounts().getType());
  int64_t items = indices.getRank() - 1;
  if (items < 0)
    return emitOpError("'indices' needs a dimension for the rows");
  if (counts.getRank() != items)
    return emitOpError("'counts' has rank ")
           << counts.getRank() << ", expected " << items;
  for (int64_t i = 0; i < items; ++i)
    if (failed(verifyDim(*this, getCounts(), "counts", i, // C3
                         indices.getDimSize(i), "that of 'indices'")))
      return failure();
  if (getUp().size() != getKeys().size()) // C2
    return emitOpError("has ") << getUp().size() << " directions for "
                               << getKeys().size() << " keys";
  if (!getRange().empty() && getRange().size() != 2)
    return emitOpError("'range' takes a begin and an end, found ")
           << getRange().size() << " operands";
  SmallVector<Value> mapped = getMapped();
  if (getMaps().size() != mapped.size()) // C1
    return emitOpError("has ")
           << getMaps().size() << " maps for " << mapped.size() << " operands";
  unsigned perItem = getKeys().size() + getMasks().size();
  for (auto [i, value] : llvm::enumerate(mapped)) {
    AffineMap map = cast<AffineMapAttr>(getMaps()[i]).getValue();
    int64_t rank = cast<ShapedType>(value.getType()).getRank();
    if (map.getNumDims() != indices.getRank() || map.getNumSymbols() ||
        map.getNumResults() != rank || !map.isProjectedPermutation())
      return emitOpError("map ")
             << i << " is " << AffineMapAttr::get(map)
             << ", expected a projection of " << indices.getRank()
             << " dimensions to " << rank;
    if (i >= perItem && map.isFunctionOfDim(items))
      return emitOpError("map ") << i << " depends on the candidate";
  }
  return success();
}

void ChooseOp::getEffects(
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>>
        &effects) {
  addEffects(*this, effects);
}

} // namespace route::ragged
