// The route dialect: checks of budgets and tests.
#include "mlir/IR/Builders.h"
#include "route/Dialect/Route/IR/RouteOps.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace route;

/// Checks that `region` ends in a yield of one f64 array.
static LogicalResult verifyAmount(BudgetOp op, Region &region, StringRef what) {
  if (region.front().empty() || !isa<YieldOp>(region.front().back()))
    return op.emitOpError() << what << " does not end in route.yield";
  auto yield = cast<YieldOp>(region.front().back());
  auto type = yield.getOperands().size() == 1
                  ? dyn_cast<ArrayType>(yield.getOperand(0).getType())
                  : ArrayType();
  if (!type || !getValueType(type.getElementType()).isF64())
    return op.emitOpError() << what << " must yield one f64 array";
  return success();
}

LogicalResult BudgetOp::verify() {
  StringRef window = getWindow();
  if (!llvm::is_contained(
          {"call", "batch", "run", "held", "fixed", "sliding", "day", "month"},
          window))
    return emitOpError("has no window of kind \"") << window << '"';
  bool timed = window == "fixed" || window == "sliding";
  bool calendar = window == "day" || window == "month";
  if (timed != getLengthNs().has_value())
    return emitOpError("needs a length exactly when its window is fixed or "
                       "sliding");
  if (calendar != getZone().has_value())
    return emitOpError("needs a zone exactly when its window is a day or a "
                       "month");
  if (failed(verifyAmount(*this, getReserve(), "reserve")) ||
      failed(verifyAmount(*this, getLimit(), "limit")))
    return failure();
  if (!getCharge().empty())
    return verifyAmount(*this, getCharge(), "charge");
  return success();
}

LogicalResult BudgetOp::verifySymbolUses(SymbolTableCollection &tables) {
  if (!lookupAxis(*this, getPoolAttr(), tables))
    return emitOpError("is of ") << getPoolAttr() << ", which is no axis";
  return success();
}

LogicalResult TestOp::verify() {
  int expected = getRow().has_value() + getRule().has_value() +
                 getReject().has_value() + getNone() + getTruths() +
                 getValues().has_value();
  if (expected != 1)
    return emitOpError("expects one of a row, a rule, a refusal, none, truths "
                       "and values, found ")
           << expected;
  if (getValues() && !getHost())
    return emitOpError("expects values of a function that asks no host");
  return success();
}

LogicalResult TestOp::verifySymbolUses(SymbolTableCollection &tables) {
  auto module = (*this)->getParentOfType<ModuleOp>();
  if (!tables.lookupSymbolIn<FuncOp>(module, getFunctionAttr()))
    return emitOpError("runs ")
           << getFunctionAttr() << ", which is no function";
  if (!getSetup())
    return success();
  auto setup = tables.lookupSymbolIn<FuncOp>(module, getSetupAttr());
  if (!setup || setup.getKind() != FuncKind::handler)
    return emitOpError("is set up by ")
           << getSetupAttr() << ", which is no handler";
  return success();
}
