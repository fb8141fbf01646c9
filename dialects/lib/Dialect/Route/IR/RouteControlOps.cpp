// The route dialect: checks of calls, loops and conditionals.
#include "mlir/IR/Builders.h"
#include "route/Dialect/Route/IR/RouteOps.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace route;

LogicalResult CallOp::verifySymbolUses(SymbolTableCollection &tables) {
  auto callee = tables.lookupNearestSymbolFrom<FuncOp>(*this, getCalleeAttr());
  if (!callee)
    return emitOpError("calls ") << getCalleeAttr() << ", which is no function";
  if (TypeRange(getOperandTypes()) != TypeRange(callee.getArgumentTypes()) ||
      TypeRange(getResultTypes()) != TypeRange(callee.getResultTypes()))
    return emitOpError("does not match the type of ")
           << getCalleeAttr() << ", " << callee.getFunctionType();
  return success();
}

/// The types `region` yields, or none with a diagnostic.
static FailureOr<TypeRange> getYieldedTypes(Operation *op, Region &region) {
  if (region.empty() || region.front().empty() ||
      !isa<YieldOp>(region.front().back()))
    return op->emitOpError("region does not end in route.yield");
  return TypeRange(region.front().back().getOperandTypes());
}

LogicalResult ForOp::verify() {
  if (static_cast<bool>(getCount()) == getAxis().has_value())
    return emitOpError("runs over a count or over an axis, one of them");
  for (Value extent : {getCount(), getOrder()})
    if (extent &&
        isa<RangeType>(cast<ArrayType>(extent.getType()).getElementType()))
      return emitOpError("runs as often, or in an order, as may be unknown");
  TypeRange carried = getCarried().getTypes();
  if (carried != TypeRange(getResultTypes()))
    return emitOpError("carries (")
           << carried << ") but gives (" << getResultTypes() << ")";
  Block &block = getBody().front();
  if (block.getNumArguments() != carried.size() + 1 ||
      TypeRange(block.getArgumentTypes()).drop_front() != carried)
    return emitOpError("region takes the iteration and the carried values");
  FailureOr<TypeRange> yielded = getYieldedTypes(*this, getBody());
  if (failed(yielded))
    return failure();
  auto stop =
      yielded->empty() ? ArrayType() : dyn_cast<ArrayType>(yielded->front());
  if (!stop || !stop.isScalar() || !isTruth(stop.getElementType()) ||
      yielded->drop_front() != carried)
    return emitOpError("region yields whether to stop and the carried values");
  return success();
}

LogicalResult IfOp::verify() {
  if (!cast<ArrayType>(getCondition().getType()).isScalar())
    return emitOpError("condition has axes; use route.select");
  if (getElseRegion().empty() && getNumResults() != 0)
    return emitOpError("has results and no else");
  for (Region *region : getRegions()) {
    if (region->empty())
      continue;
    FailureOr<TypeRange> yielded = getYieldedTypes(*this, *region);
    if (failed(yielded))
      return failure();
    if (*yielded != TypeRange(getResultTypes()))
      return emitOpError("yields (")
             << *yielded << ") but gives (" << getResultTypes() << ")";
  }
  return success();
}

LogicalResult RowsOp::verify() {
  FailureOr<TypeRange> yielded = getYieldedTypes(*this, getBody());
  if (failed(yielded))
    return failure();
  if (*yielded != TypeRange(getResultTypes()))
    return emitOpError("yields (")
           << *yielded << ") but gives (" << getResultTypes() << ")";
  SymbolTableCollection tables;
  for (Operation &op : getBody().front().without_terminator())
    for (Type type : op.getResultTypes())
      if (!descendsFromItem(*this, type, getItemAttr(), tables))
        return op.emitOpError("gives ")
               << type << ", which does not descend from item axis "
               << getItemAttr();
  return success();
}

bool route::descendsFromItem(Operation *from, Type type, FlatSymbolRefAttr item,
                             SymbolTableCollection &tables) {
  if (auto plan = dyn_cast<PlanType>(type))
    return descendsFrom(from, plan.getAxis(), item, tables);
  auto array = dyn_cast<ArrayType>(type);
  return array && llvm::any_of(array.getAxes(), [&](FlatSymbolRefAttr axis) {
           return descendsFrom(from, axis, item, tables);
         });
}
