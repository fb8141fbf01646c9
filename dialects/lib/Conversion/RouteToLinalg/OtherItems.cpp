// Which results of an entry hang on more than their own item.
// Axes tell: what goes in with the items' axis and comes out without it has
// seen all of them.
#include "OtherItems.h"
#include "mlir/IR/SymbolTable.h"

using namespace mlir;
using namespace route;

namespace {
class Slice {
public:
  explicit Slice(FlatSymbolRefAttr item) : item(item) {}

  bool meetsItems(Value root);

private:
  /// Whether `op` itself brings items together.
  bool brings(Operation *op);
  bool isOfItem(Operation *op, FlatSymbolRefAttr axis) {
    return descendsFrom(op, axis, item, tables);
  }

  FlatSymbolRefAttr item;
  SymbolTableCollection tables;
};
} // namespace

bool Slice::brings(Operation *op) {
  auto areOfItem = [&](ArrayAttr axes) {
    return llvm::any_of(axes.getAsRange<FlatSymbolRefAttr>(),
                        [&](auto axis) { return isOfItem(op, axis); });
  };
  if (auto size = dyn_cast<SizeOp>(op))
    return isOfItem(op, size.getAxisAttr());
  if (auto rename = dyn_cast<RenameOp>(op))
    return areOfItem(rename.getSource());
  if (auto pick = dyn_cast<PickOp>(op))
    return pick.getAlongAttr() == item;
  // Whether rows of `plan` are chosen from those of all items together.
  auto isAmongItems = [&](FlatSymbolRefAttr plan) {
    SmallVector<FlatSymbolRefAttr> parents =
        lookupAxis(op, plan).getParentAxes();
    return isOfItem(op, parents.back()) &&
           llvm::none_of(ArrayRef(parents).drop_back(),
                         [&](auto axis) { return isOfItem(op, axis); });
  };
  if (auto rank = dyn_cast<RankOp>(op))
    return isAmongItems(rank.getPlan().getType().getAxis());
  // Who comes first takes of a budget what the next would have had. All that
  // hold a condition, in no order, are each there by themselves.
  if (auto choose = dyn_cast<ChooseOp>(op)) {
    bool apart =
        choose.getKind() == ChoiceKind::all && choose.getKeys().empty();
    return choose.getUnder() ||
           (!apart && isAmongItems(choose.getResult().getType().getAxis()));
  }
  auto isOver = [&](Type type) {
    return descendsFromItem(op, type, item, tables);
  };
  return op->getNumResults() && llvm::any_of(op->getOperandTypes(), isOver) &&
         llvm::none_of(op->getResultTypes(), isOver);
}

bool Slice::meetsItems(Value root) {
  llvm::DenseSet<Operation *> seen;
  SmallVector<Operation *> work;
  auto add = [&](Value value) {
    Operation *op = value.getDefiningOp();
    if (!op)
      op = value.getParentBlock()->getParentOp();
    if (!isa<FuncOp>(op) && seen.insert(op).second)
      work.push_back(op);
  };
  add(root);
  while (!work.empty()) {
    auto step = work.pop_back_val()->walk([&](Operation *op) {
      if (brings(op))
        return WalkResult::interrupt();
      llvm::for_each(op->getOperands(), add);
      return WalkResult::advance();
    });
    if (step.wasInterrupted())
      return true;
  }
  return false;
}

bool route::lowering::hangsOnOtherItems(Value value) {
  Operation *from = value.getParentBlock()->getParentOp();
  FlatSymbolRefAttr item;
  if (auto plan = dyn_cast<PlanType>(value.getType()))
    item = plan.getAxis();
  else if (auto array = cast<ArrayType>(value.getType()); !array.isScalar())
    item = array.getAxes().front();
  // The rows of a plan stand by its items.
  while (item) {
    AxisOp axis = lookupAxis(from, item);
    if (axis.getKind() != AxisKind::plan)
      break;
    item = axis.getParentAxes().front();
  }
  return item && Slice(item).meetsItems(value);
}
