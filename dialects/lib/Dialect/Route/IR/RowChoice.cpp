// Tells the choices that a row program can make from the others.
#include "route/Dialect/Route/IR/RowChoice.h"

using namespace mlir;
using namespace route;

bool route::dependsOnPrefix(Value value, Block &block) {
  if (value.getParentBlock() != &block)
    return false;
  Operation *op = value.getDefiningOp();
  return !op || llvm::any_of(op->getOperands(), [&](Value operand) {
    return dependsOnPrefix(operand, block);
  });
}

static bool matchCondition(Value condition, Block &block, RunningSum &until) {
  if (auto binary = condition.getDefiningOp<BinaryOp>();
      binary && (binary.getKind() == BinaryKind::logical_and ||
                 binary.getKind() == BinaryKind::logical_or))
    for (auto [fixed, rest] : {std::pair(binary.getLhs(), binary.getRhs()),
                               std::pair(binary.getRhs(), binary.getLhs())})
      if (!dependsOnPrefix(fixed, block) && !until.always && !until.may) {
        (binary.getKind() == BinaryKind::logical_and ? until.may
                                                     : until.always) = fixed;
        return matchCondition(rest, block, until);
      }
  auto compare = condition.getDefiningOp<CompareOp>();
  if (!compare)
    return false;
  Value sumSide = compare.getLhs(), other = compare.getRhs();
  if (compare.getKind() == CompareKind::le)
    std::swap(sumSide, other);
  else if (compare.getKind() != CompareKind::ge)
    return false;
  auto sum = sumSide.getDefiningOp<ReduceOp>();
  if (!sum || sum.getKind() != ReduceKind::sum || dependsOnPrefix(other, block))
    return false;
  auto along = sum.getOperand().getDefiningOp<BroadcastOp>();
  if (!along || along.getPlan() != block.getArgument(0))
    return false;
  auto type = cast<ArrayType>(along.getOperand().getType());
  if (!type.getElementType().isF32() ||
      !cast<ArrayType>(other.getType()).getElementType().isF32())
    return false;
  until.values = along.getOperand();
  until.threshold = other;
  return !dependsOnPrefix(until.values, block);
}

std::optional<RunningSum> route::matchRunningSum(ChooseOp choose) {
  if (choose.getKind() != ChoiceKind::until || choose.getBody().empty())
    return std::nullopt;
  Block &block = choose.getBody().front();
  auto yield = cast<YieldOp>(block.getTerminator());
  RunningSum until;
  if (!matchCondition(yield.getOperand(0), block, until))
    return std::nullopt;
  return until;
}

bool route::liesSideBySide(Operation *from, FlatSymbolRefAttr axis,
                           FlatSymbolRefAttr ancestor,
                           SymbolTableCollection &tables) {
  while (axis != ancestor) {
    AxisOp op = lookupAxis(from, axis, tables);
    if (op.getParentAxes().empty() && op.getOriginalAttr())
      op = lookupAxis(from, op.getOriginalAttr(), tables);
    if (op.getKind() == AxisKind::plan || op.getParentAxes().size() != 1)
      return false;
    axis = op.getParentAxes().front();
  }
  return true;
}

bool route::isRowChoice(ChooseOp choose, SymbolTableCollection &tables) {
  if (choose.getSource() || choose.getUnder() || choose.getGreedy() ||
      choose.getKind() == ChoiceKind::path ||
      (choose.getKind() == ChoiceKind::until && !matchRunningSum(choose)))
    return false;
  auto axisOf = [&](FlatSymbolRefAttr name) {
    AxisOp axis = lookupAxis(choose, name, tables);
    return axis.getOriginalAttr()
               ? lookupAxis(choose, axis.getOriginalAttr(), tables)
               : axis;
  };
  AxisOp candidates = axisOf(choose.getCandidatesAttr());
  if (!candidates.getSize())
    return false;
  auto per = llvm::to_vector(choose.getPer().getAsRange<FlatSymbolRefAttr>());
  for (auto [i, name] : llvm::enumerate(per)) {
    AxisOp axis = axisOf(name);
    if (axis.getKind() == AxisKind::plan)
      return false;
    // Candidates of the item's own parent: the last item axis, of known size.
    if (descendsFrom(choose, choose.getCandidatesAttr(), name, tables)) {
      if (name == choose.getCandidatesAttr() || i + 1 != per.size() ||
          !axis.getSize() || choose.getKind() == ChoiceKind::listed)
        return false;
      if (!liesSideBySide(choose, choose.getCandidatesAttr(), name, tables))
        return false;
      continue;
    }
    // Items and candidates below one axis must agree on it.
    SmallVector<FlatSymbolRefAttr> above = candidates.getParentAxes();
    for (unsigned i = 0; i < above.size(); ++i) {
      if (descendsFrom(choose, name, above[i], tables))
        return false;
      llvm::append_range(above,
                         lookupAxis(choose, above[i], tables).getParentAxes());
    }
  }
  return true;
}
