// route-sink-branches: computes what one side needs on that side alone.
#include "mlir/IR/Builders.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "route/Dialect/Route/Transforms/Passes.h"
#include "llvm/ADT/SetVector.h"

namespace route {
#define GEN_PASS_DEF_ROUTESINKBRANCHES
#include "route/Dialect/Route/Transforms/Passes.h.inc"
} // namespace route

using namespace mlir;
using namespace route;

/// Whether running `op` elsewhere, or not at all, is not noticed: it reads the
/// call's snapshot at most. Loops and branches have the effects of their ops.
static bool isMovable(Operation *op) {
  return !op->walk([](Operation *inner) {
              return isa<GetOp, SizeOp, NowOp, YieldOp, ForOp, IfOp>(inner) ||
                             isMemoryEffectFree(inner)
                         ? WalkResult::advance()
                         : WalkResult::interrupt();
            }).wasInterrupted();
}

/// The ops before `select` in its block that nothing but its operand number
/// `operand` needs, last first.
static SetVector<Operation *> onlyFor(SelectOp select, unsigned operand) {
  SetVector<Operation *> needed;
  for (Operation *op = select->getPrevNode(); op; op = op->getPrevNode()) {
    if (op->use_empty() || !isMovable(op))
      continue;
    bool only = llvm::all_of(op->getUses(), [&](OpOperand &use) {
      if (use.getOwner() == select)
        return use.getOperandNumber() == operand;
      Operation *user =
          select->getBlock()->findAncestorOpInBlock(*use.getOwner());
      return user && needed.contains(user);
    });
    if (only)
      needed.insert(op);
  }
  return needed;
}

/// Whether an op does more than walk over its operands once.
static bool isWork(Operation *op) {
  return isa<ForOp, ContractOp, ChooseOp>(op);
}

/// Puts a side's ops into its region.
static void fill(Region &region, Value value, ArrayRef<Operation *> lastFirst) {
  Block &block = region.emplaceBlock();
  OpBuilder b = OpBuilder::atBlockEnd(&block);
  YieldOp::create(b, value.getLoc(), value);
  for (Operation *op : lastFirst)
    op->moveBefore(&block, block.begin());
}

namespace {
struct SinkBranches : route::impl::RouteSinkBranchesBase<SinkBranches> {
  void runOnOperation() override {
    SmallVector<SelectOp> selects;
    getOperation().walk([&](SelectOp op) {
      auto type = cast<ArrayType>(op.getCondition().getType());
      if (type.isScalar() && type.getElementType().isInteger(1) &&
          op.getIfTrue().getType() == op.getType() &&
          op.getIfFalse().getType() == op.getType() &&
          !isa<RowsOp, ChooseOp>(op->getParentOp()))
        selects.push_back(op);
    });
    // The last first: what it takes in may hold others.
    for (SelectOp op : llvm::reverse(selects))
      sink(op);
  }

  void sink(SelectOp op) {
    SetVector<Operation *> sides[2] = {onlyFor(op, 1), onlyFor(op, 2)};
    for (SetVector<Operation *> &side : sides)
      if (llvm::none_of(side, isWork))
        side.clear();
    if (sides[0].empty() && sides[1].empty())
      return;
    OpBuilder b(op);
    auto branch =
        IfOp::create(b, op.getLoc(), op->getResultTypes(), op.getCondition());
    fill(branch.getThenRegion(), op.getIfTrue(), sides[0].getArrayRef());
    fill(branch.getElseRegion(), op.getIfFalse(), sides[1].getArrayRef());
    op.getResult().replaceAllUsesWith(branch.getResult(0));
    op.erase();
    ++numSunk;
  }
};
} // namespace
