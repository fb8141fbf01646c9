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

namespace {
/// Takes the condition of an `until` apart.
class EndMatcher {
public:
  explicit EndMatcher(ChooseOp choose)
      : choose(choose), block(choose.getBody().front()) {}
  bool match(Value condition, SmallVector<Value, 2> guards);
  SmallVector<ChoiceEnd> ends;

private:
  bool isFixed(Value value) { return !dependsOnPrefix(value, block); }
  bool matchCompare(CompareOp compare, ArrayRef<Value> guards);
  bool matchReached(Value reached, CompareKind kind, Value bound,
                    ArrayRef<Value> guards);

  ChooseOp choose;
  Block &block;
};
} // namespace

bool EndMatcher::match(Value condition, SmallVector<Value, 2> guards) {
  if (isFixed(condition)) {
    ChoiceEnd end;
    end.guards = guards;
    end.guards.push_back(condition);
    ends.push_back(std::move(end));
    return true;
  }
  if (auto binary = condition.getDefiningOp<BinaryOp>()) {
    Value lhs = binary.getLhs(), rhs = binary.getRhs();
    if (binary.getKind() == BinaryKind::logical_or)
      return match(lhs, guards) && match(rhs, guards);
    if (binary.getKind() != BinaryKind::logical_and)
      return false;
    if (isFixed(rhs))
      std::swap(lhs, rhs);
    if (!isFixed(lhs))
      return false;
    guards.push_back(lhs);
    return match(rhs, guards);
  }
  auto compare = condition.getDefiningOp<CompareOp>();
  return compare && matchCompare(compare, guards);
}

bool EndMatcher::matchCompare(CompareOp compare, ArrayRef<Value> guards) {
  Value lhs = compare.getLhs(), rhs = compare.getRhs();
  switch (compare.getKind()) {
  case CompareKind::ge:
  case CompareKind::gt:
    return matchReached(lhs, compare.getKind(), rhs, guards);
  case CompareKind::le:
    return matchReached(rhs, CompareKind::ge, lhs, guards);
  case CompareKind::lt:
    return matchReached(rhs, CompareKind::gt, lhs, guards);
  case CompareKind::eq:
    if (isFixed(lhs))
      std::swap(lhs, rhs);
    return matchReached(lhs, CompareKind::eq, rhs, guards);
  default:
    return false;
  }
}

bool EndMatcher::matchReached(Value reached, CompareKind kind, Value bound,
                              ArrayRef<Value> guards) {
  auto reduce = reached.getDefiningOp<ReduceOp>();
  if (!reduce || !isFixed(bound))
    return false;
  auto along = reduce.getOperand().getDefiningOp<BroadcastOp>();
  if (!along || along.getPlan() != block.getArgument(0) ||
      !isFixed(along.getOperand()))
    return false;
  // Of the rows of one item, and not of all below one of its axes.
  ArrayRef<FlatSymbolRefAttr> of = cast<ArrayType>(reduce.getType()).getAxes();
  auto per = llvm::to_vector(choose.getPer().getAsRange<FlatSymbolRefAttr>());
  if (of.size() != per.size() ||
      !std::is_permutation(of.begin(), of.end(), per.begin()))
    return false;
  auto elementOf = [](Value value) {
    return cast<ArrayType>(value.getType()).getElementType();
  };
  ChoiceEnd end;
  end.bound = bound;
  end.kind = kind;
  end.guards.assign(guards.begin(), guards.end());
  if (reduce.getKind() == ReduceKind::sum) {
    end.values = along.getOperand();
    if (kind == CompareKind::eq || !elementOf(end.values).isF32() ||
        !elementOf(bound).isF32() ||
        llvm::any_of(ends, [](const ChoiceEnd &other) { return other.values; }))
      return false;
  } else {
    auto all = along.getOperand().getDefiningOp<ConstantOp>();
    if (reduce.getKind() != ReduceKind::count || !all ||
        all.getValue() != BoolAttr::get(all.getContext(), true) ||
        !elementOf(bound).isSignlessInteger(64))
      return false;
  }
  ends.push_back(std::move(end));
  return true;
}

std::optional<SmallVector<ChoiceEnd>> route::matchEnds(ChooseOp choose) {
  if (choose.getKind() != ChoiceKind::until || choose.getBody().empty())
    return std::nullopt;
  EndMatcher matcher(choose);
  auto yield = cast<YieldOp>(choose.getBody().front().getTerminator());
  if (!matcher.match(yield.getOperand(0), {}))
    return std::nullopt;
  return std::move(matcher.ends);
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
      (choose.getKind() == ChoiceKind::until && !matchEnds(choose)))
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
