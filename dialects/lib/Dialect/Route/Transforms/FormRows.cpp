// route-form-rows: groups what is computed item by item into one kernel.
#include "mlir/Analysis/TopologicalSortUtils.h"
#include "mlir/IR/Builders.h"
#include "route/Dialect/Route/IR/Meeting.h"
#include "route/Dialect/Route/IR/RouteCollectionOps.h"
#include "route/Dialect/Route/IR/RowChoice.h"
#include "route/Dialect/Route/Transforms/Passes.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SetVector.h"

namespace route {
#define GEN_PASS_DEF_ROUTEFORMROWS
#include "route/Dialect/Route/Transforms/Passes.h.inc"
} // namespace route

using namespace mlir;
using namespace route;

/// Texts and collections stay outside: what is asked of them enters as numbers.
static bool staysOutside(Type type) {
  auto array = dyn_cast<ArrayType>(type);
  return array &&
         isa<TextType, ListType, SetType>(getValueType(array.getElementType()));
}

namespace {
/// The ops of one block that may run item by item along one axis, by level: two
/// ops share a level unless something that must stay outside lies between.
class ItemGroups {
public:
  ItemGroups(Block &block, FlatSymbolRefAttr item) : block(block), item(item) {}

  /// Groups that contain a choice, or sums that a choice among the items reads,
  /// in program order.
  SmallVector<SetVector<Operation *>> find() {
    computeLevels();
    std::map<int, SetVector<Operation *>> groups;
    for (Operation &op : block)
      if (isa<ChooseOp>(op) && inside.contains(&op))
        addWithProducers(&op, groups[inside[&op]]);
    for (auto choose : block.getOps<ChooseOp>())
      if (!inside.contains(choose))
        for (Value operand : choose->getOperands())
          if (Operation *op = operand.getDefiningOp();
              op && inside.contains(op) && reduces(op))
            addWithProducers(op, groups[inside[op]]);
    for (auto &[level, group] : groups)
      addPlanColumns(level, group);
    SmallVector<SetVector<Operation *>> result;
    for (auto &[level, group] : groups)
      result.push_back(std::move(group));
    return result;
  }

private:
  /// Whether `op` computes each item's values from that item's alone.
  bool isItemwise(Operation *op) {
    // The ends of unknown inputs stay outside: they are read from two arguments
    // of the entry, and enter as plain values.
    if (!isa<UnaryOp, BinaryOp, CompareOp, SelectOp, CastOp, CoalesceOp,
             BroadcastOp, ReduceOp, PickOp, StackOp, RenameOp, ChooseOp, RankOp,
             MemberOp, ConcatOp, FirstPlanOp, JoinOp>(op))
      return false;
    if (llvm::any_of(op->getOperandTypes(), staysOutside) ||
        llvm::any_of(op->getResultTypes(), staysOutside))
      return false;
    if (llvm::any_of(op->getResultTypes(), [&](Type type) {
          return !descendsFromItem(op, type, item, tables);
        }))
      return false;
    // Plans that are handed in are padded by item.
    if (auto rename = dyn_cast<RenameOp>(op))
      return !llvm::is_contained(rename.getSource(), item) &&
             !llvm::is_contained(rename.getTarget(), item);
    if (auto pick = dyn_cast<PickOp>(op))
      return pick.getAlongAttr() != item;
    if (auto stack = dyn_cast<StackOp>(op))
      return stack.getAlongAttr() != item;
    if (auto join = dyn_cast<JoinOp>(op))
      return join.getAlongAttr() != item &&
             lookupAxis(op, join.getAlongAttr(), tables).getSize();
    if (auto choose = dyn_cast<ChooseOp>(op))
      return isRowChoice(choose, tables) &&
             llvm::is_contained(choose.getPer(), item) &&
             !descendsFrom(op, choose.getCandidatesAttr(), item, tables);
    if (isa<ConcatOp, FirstPlanOp>(op) &&
        llvm::any_of(op->getOperandTypes(), [&](Type type) {
          return isa<PlanType>(type) && !isRowPlan(type);
        }))
      return false;
    if (auto member = dyn_cast<MemberOp>(op))
      if (!isMemberInRow(member))
        return false;
    if (!isa<ConcatOp, FirstPlanOp>(op) &&
        llvm::any_of(
            llvm::concat<const Type>(llvm::to_vector(op->getOperandTypes()),
                                     llvm::to_vector(op->getResultTypes())),
            [&](Type type) { return !isRowPlan(type); }))
      return false;
    // A reduction that keeps the item axis by name, not an ancestor of it,
    // keeps items apart.
    if (auto reduce = dyn_cast<ReduceOp>(op))
      return keepsItem(cast<ArrayType>(reduce.getType())) &&
             isReducedInRow(reduce);
    return true;
  }

  /// Whether all plans that `type` names are made item by item.
  bool isRowPlan(Type type) {
    auto made = [&](FlatSymbolRefAttr axis) {
      AxisOp op = lookupAxis(block.getParentOp(), axis, tables);
      return op.getKind() != AxisKind::plan || rowPlans.contains(axis);
    };
    if (auto plan = dyn_cast<PlanType>(type))
      return made(plan.getAxis());
    auto array = dyn_cast<ArrayType>(type);
    return !array || llvm::all_of(array.getAxes(), made);
  }

  /// Of the items themselves, or of their pairs with the candidates.
  bool isMemberInRow(MemberOp member) {
    FlatSymbolRefAttr axis =
        cast<PlanType>(member.getPlan().getType()).getAxis();
    SmallVector<FlatSymbolRefAttr> parents =
        lookupAxis(member, axis, tables).getParentAxes();
    ArrayRef<FlatSymbolRefAttr> axes =
        cast<ArrayType>(member.getType()).getAxes();
    return axes == ArrayRef(parents) || axes == ArrayRef(parents).drop_back();
  }

  /// Reductions that a row program has: no mode, and positions only along one
  /// axis of known size.
  bool isReducedInRow(ReduceOp reduce) {
    // A row has all positions of an axis.
    if (!meetingsOf(reduce, tables).empty())
      return false;
    switch (reduce.getKind()) {
    case ReduceKind::mode:
      return false;
    case ReduceKind::argmax:
    case ReduceKind::argmin: {
      auto from = cast<ArrayType>(reduce.getOperand().getType()),
           to = cast<ArrayType>(reduce.getType());
      if (reduce.getPlan() || from.getAxes().size() != to.getAxes().size() + 1)
        return false;
      return llvm::all_of(from.getAxes(), [&](FlatSymbolRefAttr axis) {
        return to.hasAxis(axis) || lookupAxis(reduce, axis, tables).getSize();
      });
    }
    default:
      break;
    }
    // The rows of an item go to that item, and children to a parent of known
    // size.
    auto from = cast<ArrayType>(reduce.getOperand().getType()),
         to = cast<ArrayType>(reduce.getType());
    if (reduce.getKind() == ReduceKind::count &&
        !from.getElementType().isInteger(1))
      return false;
    return llvm::all_of(to.getAxes(), [&](FlatSymbolRefAttr axis) {
      if (from.hasAxis(axis))
        return true;
      if (reduce.getPlan()) {
        SmallVector<FlatSymbolRefAttr> parents =
            lookupAxis(reduce,
                       cast<PlanType>(reduce.getPlan().getType()).getAxis(),
                       tables)
                .getParentAxes();
        if (llvm::is_contained(ArrayRef(parents).drop_back(), axis))
          return true;
      }
      return lookupAxis(reduce, axis, tables).getSize() &&
             llvm::any_of(from.getAxes(), [&](FlatSymbolRefAttr below) {
               return liesSideBySide(reduce, below, axis, tables);
             });
    });
  }

  bool keepsItem(ArrayType type) {
    return llvm::any_of(type.getAxes(), [&](FlatSymbolRefAttr axis) {
      return descendsFrom(block.getParentOp(), axis, item, tables);
    });
  }

  /// An array over a plan axis and further axes is an expert's working value:
  /// it is computed expert by expert, not item by item.
  bool isExpertValue(Operation *op) {
    return llvm::any_of(op->getResultTypes(), [&](Type type) {
      auto array = dyn_cast<ArrayType>(type);
      return array && array.getAxes().size() > 1 &&
             llvm::any_of(array.getAxes(), [&](FlatSymbolRefAttr axis) {
               AxisOp symbol = lookupAxis(op, axis, tables);
               return symbol && symbol.getKind() == AxisKind::plan;
             });
    });
  }

  void computeLevels() {
    for (Operation &op : block) {
      int level = 0;
      bool inner = isItemwise(&op) && !isExpertValue(&op);
      op.walk([&](Operation *nested) {
        for (Value operand : nested->getOperands()) {
          Operation *def = operand.getDefiningOp();
          if (!def || def->getBlock() != &block)
            continue;
          if (auto it = inside.find(def); it != inside.end())
            level = std::max(level, it->second + (inner ? 0 : 1));
          else if (auto outer = outside.find(def); outer != outside.end())
            level = std::max(level, outer->second);
        }
      });
      (inner ? inside : outside)[&op] = level;
      if (inner)
        for (Type type : op.getResultTypes())
          if (auto plan = dyn_cast<PlanType>(type))
            rowPlans.insert(plan.getAxis());
    }
  }

  /// Whether a reduction is in the group that `op` and its producers make.
  bool reduces(Operation *op) {
    SetVector<Operation *> group;
    addWithProducers(op, group);
    return llvm::any_of(group, llvm::IsaPred<ReduceOp>);
  }

  void addWithProducers(Operation *op, SetVector<Operation *> &group) {
    if (!group.insert(op))
      return;
    op->walk([&](Operation *nested) {
      for (Value operand : nested->getOperands())
        if (Operation *def = operand.getDefiningOp();
            def && inside.contains(def) && inside[def] == inside[op])
          addWithProducers(def, group);
    });
  }

  /// Adds what is computed from the group's plans alone, such as weights.
  void addPlanColumns(int level, SetVector<Operation *> &group) {
    for (Operation &op : block)
      if (inside.contains(&op) && inside[&op] == level &&
          !group.contains(&op) &&
          llvm::any_of(op.getOperands(), [&](Value operand) {
            return operand.getDefiningOp() &&
                   group.contains(operand.getDefiningOp());
          }))
        addWithProducers(&op, group);
  }

  Block &block;
  FlatSymbolRefAttr item;
  SymbolTableCollection tables;
  /// The plans that ops inside make.
  DenseSet<Attribute> rowPlans;
  /// Level of each op that may be grouped, and of each that may not: the number
  /// of outside ops on the longest path from the block's start that leave a
  /// group.
  llvm::MapVector<Operation *, int> inside, outside;
};

/// Moves `group` into a new route.rows and yields what is used outside.
void formRows(Block &block, const SetVector<Operation *> &group,
              FlatSymbolRefAttr item) {
  SmallVector<Operation *> ops;
  for (Operation &op : block)
    if (group.contains(&op))
      ops.push_back(&op);
  SmallVector<Value> escaping;
  for (Operation *op : ops)
    for (Value result : op->getResults())
      if (llvm::any_of(result.getUsers(), [&](Operation *user) {
            return !group.contains(block.findAncestorOpInBlock(*user));
          }))
        escaping.push_back(result);
  OpBuilder builder(ops.back());
  SmallVector<Location> locations =
      llvm::map_to_vector(ops, [](Operation *op) { return op->getLoc(); });
  auto rows = RowsOp::create(builder, builder.getFusedLoc(locations),
                             TypeRange(ValueRange(escaping)), item);
  Block *body = builder.createBlock(&rows.getBody());
  for (Operation *op : ops)
    op->moveBefore(body, body->end());
  builder.setInsertionPointToEnd(body);
  YieldOp::create(builder, rows.getLoc(), escaping);
  for (auto [inner, outer] : llvm::zip(escaping, rows.getResults()))
    inner.replaceUsesWithIf(outer, [&](OpOperand &use) {
      return !rows->isAncestor(use.getOwner());
    });
}

struct FormRows : route::impl::RouteFormRowsBase<FormRows> {
  void runOnOperation() override {
    getOperation().walk([&](Block *block) {
      if (isa<RowsOp, ChooseOp>(block->getParentOp()))
        return;
      for (FlatSymbolRefAttr item : getItemAxes(*block))
        for (const SetVector<Operation *> &group :
             ItemGroups(*block, item).find()) {
          formRows(*block, group, item);
          ++numGroups;
        }
      // Metrics keep their order, which is that of the outputs.
      SmallVector<EmitOp> metrics(block->getOps<EmitOp>());
      sortTopologically(block);
      for (EmitOp op : metrics)
        op->moveBefore(block->getTerminator());
    });
  }

  /// The axes that choices in `block` are made for, or among whose items: the
  /// caller's items first.
  /// Where a choice has several, the first one: the other is computed within
  /// it.
  static SmallVector<FlatSymbolRefAttr> getItemAxes(Block &block) {
    SmallVector<FlatSymbolRefAttr> axes;
    SymbolTableCollection tables;
    auto add = [&](FlatSymbolRefAttr axis) {
      if (!llvm::is_contained(axes, axis))
        axes.push_back(axis);
    };
    auto isDynamic = [&](ChooseOp choose, FlatSymbolRefAttr axis) {
      AxisOp symbol = lookupAxis(choose, axis, tables);
      return symbol.getKind() == AxisKind::index && !symbol.getSize();
    };
    SmallVector<ChooseOp> fixed;
    for (auto choose : block.getOps<ChooseOp>()) {
      if (!isRowChoice(choose, tables)) {
        if (isDynamic(choose, choose.getCandidatesAttr()))
          add(choose.getCandidatesAttr());
        continue;
      }
      auto per = choose.getPer().getAsRange<FlatSymbolRefAttr>();
      auto dynamic = llvm::find_if(
          per, [&](FlatSymbolRefAttr axis) { return isDynamic(choose, axis); });
      if (dynamic != per.end())
        add(*dynamic);
      else if (!per.empty() &&
               lookupAxis(choose, *per.begin(), tables).getSize() &&
               lookupAxis(choose, choose.getCandidatesAttr(), tables).getSize())
        fixed.push_back(choose);
    }
    // A choice for positions that the spec counts: the first of its axes.
    for (ChooseOp choose : fixed)
      add(cast<FlatSymbolRefAttr>(choose.getPer()[0]));
    return axes;
  }
};
} // namespace
