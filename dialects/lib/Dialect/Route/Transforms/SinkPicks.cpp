// route-sink-picks: picks from experts' values before they are computed.
// So each half of an interleaved product is a product of its own.
#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"
#include "route/Dialect/Route/Transforms/Passes.h"

namespace route {
#define GEN_PASS_DEF_ROUTESINKPICKS
#include "route/Dialect/Route/Transforms/Passes.h.inc"
} // namespace route

using namespace mlir;
using namespace route;

/// An array over a plan axis and others: computed expert by expert.
static bool isExpertValue(Value value) {
  auto type = dyn_cast<ArrayType>(value.getType());
  return type && type.getAxes().size() > 1 &&
         llvm::any_of(type.getAxes(), [&](FlatSymbolRefAttr axis) {
           Operation *at = value.getDefiningOp();
           AxisOp symbol = at ? lookupAxis(at, axis) : AxisOp();
           return symbol && symbol.getKind() == AxisKind::plan;
         });
}

namespace {
class Sinker {
public:
  explicit Sinker(PickOp pick) : pick(pick), b(pick) {
    b.setInsertionPoint(pick);
  }

  /// The picked value made from picked operands, or null.
  Value sink() {
    Operation *def = pick.getOperand().getDefiningOp();
    if (!def || !isExpertValue(pick.getOperand()) ||
        !cast<ArrayType>(pick.getPosition().getType()).isScalar())
      return {};
    auto type = cast<ArrayType>(pick.getType());
    Location loc = pick.getLoc();
    if (isa<UnaryOp, BinaryOp, CompareOp, SelectOp, CastOp, ContractOp>(def)) {
      if (auto contract = dyn_cast<ContractOp>(def))
        if (llvm::is_contained(contract.getOver(), pick.getAlongAttr()))
          return {};
      IRMapping mapping;
      for (Value operand : def->getOperands())
        mapping.map(operand, picked(operand));
      Operation *copy = b.clone(*def, mapping);
      copy->getResult(0).setType(type.withElement(
          cast<ArrayType>(def->getResult(0).getType()).getElementType()));
      return copy->getResult(0);
    }
    if (auto broadcast = dyn_cast<BroadcastOp>(def))
      return BroadcastOp::create(b, loc, type, picked(broadcast.getOperand()),
                                 broadcast.getPlan());
    return {};
  }

private:
  Value picked(Value operand) {
    if (!cast<ArrayType>(operand.getType()).hasAxis(pick.getAlongAttr()))
      return operand;
    return PickOp::create(b, pick.getLoc(), operand, pick.getAlongAttr(),
                          pick.getPosition());
  }

  PickOp pick;
  OpBuilder b;
};

struct SinkPicks : route::impl::RouteSinkPicksBase<SinkPicks> {
  void runOnOperation() override {
    SmallVector<PickOp> left;
    getOperation().walk([&](PickOp pick) { left.push_back(pick); });
    while (!left.empty()) {
      PickOp pick = left.pop_back_val();
      Value result = Sinker(pick).sink();
      if (!result)
        continue;
      for (Value operand : result.getDefiningOp()->getOperands())
        if (auto inner = operand.getDefiningOp<PickOp>())
          left.push_back(inner);
      llvm::erase(left, pick);
      pick.replaceAllUsesWith(result);
      pick.erase();
      ++numSunk;
    }
  }
};
} // namespace
