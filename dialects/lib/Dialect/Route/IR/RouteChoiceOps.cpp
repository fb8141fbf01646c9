// The route dialect: checks of choices and of plans as values.
#include "mlir/IR/Builders.h"
#include "route/Dialect/Route/IR/RouteOps.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace route;

LogicalResult ChooseOp::verify() {
  if (cast<PlanType>(getType()).getAxis() != getAxisAttr())
    return emitOpError("makes ")
           << getAxisAttr() << " but its type is " << getType();
  if (!getGreedy() && getUp().size() != getKeys().size())
    return emitOpError("has ") << getKeys().size() << " keys and "
                               << getUp().size() << " directions";
  SmallVector<Attribute> under;
  if (getUnder())
    under = llvm::to_vector(*getUnder());
  for (auto [i, budget] : llvm::enumerate(under))
    if (llvm::is_contained(ArrayRef(under).take_front(i), budget))
      return emitOpError("is under budget ") << budget << " twice";
  if ((getKind() == ChoiceKind::count) != static_cast<bool>(getCount()))
    return emitOpError("needs a count exactly when it keeps a count");
  bool table = getKind() == ChoiceKind::listed || getKind() == ChoiceKind::path;
  if (table == getTable().empty())
    return emitOpError("needs a table exactly when it is listed or a path");
  if ((getKind() == ChoiceKind::path) != (getEnds().size() == 2))
    return emitOpError("needs two ends exactly when it is a path");
  bool region = getKind() == ChoiceKind::until || getGreedy();
  if (region == getBody().empty())
    return emitOpError(
        "needs a region exactly when it is greedy or keeps until");
  if (region) {
    Block &block = getBody().front();
    if (block.getNumArguments() != 1 ||
        block.getArgument(0).getType() != getType())
      return emitOpError("region takes the plan so far, of type ") << getType();
    if (block.empty() || !isa<YieldOp>(block.back()))
      return emitOpError("region does not end in route.yield");
    size_t wanted = (getKind() == ChoiceKind::until) +
                    (getGreedy() ? getUp().size() : 0),
           found = block.back().getNumOperands();
    if (found != wanted)
      return emitOpError("region yields ")
             << found << " values, expected " << wanted;
  }
  return success();
}

LogicalResult ChooseOp::verifySymbolUses(SymbolTableCollection &tables) {
  AxisOp axis = lookupAxis(*this, getAxisAttr(), tables);
  if (!axis || axis.getKind() != AxisKind::plan)
    return emitOpError("makes ") << getAxisAttr() << ", which is no plan axis";
  SmallVector<FlatSymbolRefAttr> expected = llvm::map_to_vector(
      getPer(), [](Attribute attr) { return cast<FlatSymbolRefAttr>(attr); });
  expected.push_back(getCandidatesAttr());
  if (axis.getParentAxes() != expected)
    return emitOpError("makes ")
           << getAxisAttr()
           << ", whose parents are not the per axes and the candidates";
  AxisOp candidates = lookupAxis(*this, getCandidatesAttr(), tables);
  if (!candidates)
    return emitOpError("chooses from ")
           << getCandidatesAttr() << ", which is no axis";
  if ((candidates.getKind() == AxisKind::plan) !=
      static_cast<bool>(getSource()))
    return emitOpError("needs a source plan exactly when it chooses from one");
  auto check = [&](Value value, StringRef what) -> LogicalResult {
    for (FlatSymbolRefAttr used : cast<ArrayType>(value.getType()).getAxes())
      if (llvm::none_of(expected, [&](FlatSymbolRefAttr known) {
            return descendsFrom(*this, known, used, tables);
          }))
        return emitOpError()
               << what << " has axis " << used
               << ", which is neither per, candidate, nor above them";
    return success();
  };
  if (getMask() && failed(check(getMask(), "mask")))
    return failure();
  for (Value key : getKeys())
    if (failed(check(key, "key")))
      return failure();
  return success();
}

LogicalResult RankOp::verify() {
  auto type = cast<ArrayType>(getType());
  FlatSymbolRefAttr axis = cast<PlanType>(getPlan().getType()).getAxis();
  if (!type.getElementType().isInteger(64) || type.getAxes() != ArrayRef(axis))
    return emitOpError("gives i64 over ") << axis << ", found " << type;
  return success();
}
