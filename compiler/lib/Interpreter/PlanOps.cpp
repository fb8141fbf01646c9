// Evaluators of ops on plans as values: rank, membership, joining.
#include "Choice.h"
#include "Scalars.h"

using namespace mlir;
using namespace route;
using namespace route::interp;

static LogicalResult evalRank(RankOp op, Frame &frame) {
  const AxisRef &plan = frame.plan(op.getPlan());
  auto type = cast<ArrayType>(op.getResult().getType());
  auto ranks =
      frame.machine.allocate(type.getElementType(), {plan}, op.getLoc());
  if (failed(ranks))
    return failure();
  for (int64_t row = 0; row < plan->size; ++row)
    ranks->buffer->set(row, (*plan->rank)[row]);
  frame.set(op.getResult(), std::move(*ranks));
  return success();
}

static LogicalResult evalMember(MemberOp op, Frame &frame) {
  const AxisRef &plan = frame.plan(op.getPlan());
  auto type = cast<ArrayType>(op.getResult().getType());
  auto result =
      allocateFor(type, {frame.get(op.getPlan())}, frame.machine, op.getLoc());
  if (failed(result))
    return failure();
  // Places in the result, seen over the plan's rows.
  auto places = viewFor(op, *result, {plan});
  if (failed(places))
    return failure();
  bool ranged = isRangeType(type.getElementType());
  int64_t count = result->size();
  for (int64_t p = 0; ranged && p < count; ++p)
    result->buffer->set(p, knownRange(int64_t(0)));
  walk<1>({plan}, {&*places}, [&](int64_t, auto at) {
    result->buffer->set(at[0],
                        ranged ? knownRange(int64_t(1)) : Element(int64_t(1)));
  });
  frame.set(op.getResult(), std::move(*result));
  return success();
}

namespace {
/// Rows of several plans over the same items and candidates, item by item.
struct Joined {
  ChoiceSpace space;
  Kept kept;
  /// For each row of the result: the plan it comes from and its row there.
  std::vector<std::pair<size_t, int64_t>> origin;
};
} // namespace

/// The items and candidates that all `plans` share.
static FailureOr<ChoiceSpace> sharedSpace(Operation *op,
                                          ArrayRef<AxisRef> plans) {
  ChoiceSpace space;
  for (const Axis::Parent &per : plans.front()->per())
    space.per.push_back(per.axis);
  space.candidates = plans.front()->chosen().axis;
  space.items = countPositions(space.per);
  for (const AxisRef &plan : plans) {
    bool same = plan->parents.size() == plans.front()->parents.size();
    for (size_t i = 0; same && i < plan->parents.size(); ++i)
      same =
          sameInstance(plan->parents[i].axis, plans.front()->parents[i].axis);
    if (!same)
      return op->emitError("plans '")
             << plans.front()->label() << "' and '" << plan->label()
             << "' do not descend from the same axes";
  }
  return space;
}

/// Rows of each item of a plan, in rank order.
static std::vector<std::vector<int64_t>> rowsByItem(const AxisRef &plan,
                                                    int64_t items) {
  std::vector<std::vector<int64_t>> rows(items);
  std::vector<int64_t> item = itemOfRows(*plan);
  for (int64_t row = 0; row < plan->size; ++row)
    rows[item[row]].push_back(row);
  return rows;
}

/// Adds the rows of plan `which` to `item`.
static void append(Joined &joined, ArrayRef<AxisRef> plans, size_t which,
                   int64_t item, ArrayRef<int64_t> rows) {
  for (int64_t row : rows) {
    joined.kept[item].push_back((*plans[which]->chosen().index)[row]);
    joined.origin.push_back({which, row});
  }
}

/// The columns of the joined plan. `columns` holds those of each plan in turn.
static LogicalResult joinColumns(Operation *op, const Joined &joined,
                                 const AxisRef &plan, ArrayRef<AxisRef> plans,
                                 ValueRange columns, ResultRange results,
                                 Frame &frame) {
  size_t each = results.size();
  if (columns.size() != each * plans.size())
    return op->emitError("has ")
           << columns.size() << " columns for " << plans.size() << " plans and "
           << each << " results";
  for (size_t c = 0; c < each; ++c) {
    auto type = cast<ArrayType>(results[c].getType());
    SmallVector<RuntimeValue> sources = {Plan{plan}};
    auto axes =
        resolveAxes(type.getAxes(), sources, frame.machine, op->getLoc());
    if (failed(axes))
      return failure();
    if (axes->empty() || axes->front() != plan)
      return op->emitError("column ")
             << c << " does not lie over the plan first";
    auto result =
        frame.machine.allocate(type.getElementType(), *axes, op->getLoc());
    if (failed(result))
      return failure();
    int64_t width = plan->size ? result->size() / plan->size : 0;
    std::vector<std::vector<Element>> parts;
    for (size_t k = 0; k < plans.size(); ++k) {
      SmallVector<AxisRef> over(*axes);
      over.front() = plans[k];
      auto view = viewFor(op, frame.array(columns[k * each + c]), over);
      if (failed(view))
        return failure();
      parts.push_back(view->elements());
    }
    bool ranged = isRangeType(type.getElementType());
    for (auto [row, origin] : llvm::enumerate(joined.origin))
      for (int64_t i = 0; i < width; ++i) {
        const Element &element = parts[origin.first][origin.second * width + i];
        result->buffer->set(
            row * width + i,
            ranged ? Element(std::make_shared<const Range>(toRange(element)))
                   : element);
      }
    frame.set(results[c], std::move(*result));
  }
  return success();
}

static LogicalResult evalConcat(ConcatOp op, Frame &frame) {
  SmallVector<AxisRef> plans = {frame.plan(op.getLhs()),
                                frame.plan(op.getRhs())};
  auto space = sharedSpace(op, plans);
  if (failed(space))
    return failure();
  Joined joined{*space, Kept(space->items), {}};
  auto left = rowsByItem(plans[0], space->items),
       right = rowsByItem(plans[1], space->items);
  for (int64_t item = 0; item < space->items; ++item) {
    append(joined, plans, 0, item, left[item]);
    append(joined, plans, 1, item, right[item]);
  }
  AxisRef plan =
      makePlan(op.getAxisAttr().getAttr(), joined.space, joined.kept);
  frame.set(op.getResult(), Plan{plan});
  return joinColumns(op, joined, plan, plans, op.getColumns(),
                     op.getResultColumns(), frame);
}

static LogicalResult evalFirstPlan(FirstPlanOp op, Frame &frame) {
  size_t count = op.getPlans().size(), each = op.getResultColumns().size();
  if (!count || op.getWhens().size() != count ||
      op.getColumns().size() != count * each)
    return op.emitError("has ")
           << op.getWhens().size() << " conditions and "
           << op.getColumns().size() << " columns for " << count << " plans";
  // Plans that need an unbound parameter are left out; `place` has -1 there.
  SmallVector<AxisRef> plans;
  SmallVector<Value> columns;
  SmallVector<int64_t> place;
  for (auto [k, plan] : llvm::enumerate(op.getPlans())) {
    OperandRange own = op.getColumns().slice(k * each, each);
    bool given = frame.has(plan) && llvm::all_of(own, [&](Value column) {
                   return frame.has(column);
                 });
    place.push_back(given ? int64_t(plans.size()) : -1);
    if (!given)
      continue;
    plans.push_back(frame.plan(plan));
    columns.append(own.begin(), own.end());
  }
  if (plans.empty())
    return success(); // nor has the result a value
  auto space = sharedSpace(op, plans);
  if (failed(space))
    return failure();
  std::vector<std::vector<std::vector<int64_t>>> rows;
  for (const AxisRef &plan : plans)
    rows.push_back(rowsByItem(plan, space->items));
  SmallVector<std::optional<Array>> whens;
  for (Value when : op.getWhens()) {
    whens.emplace_back();
    if (!frame.has(when))
      continue;
    auto view = viewInSpace(op, frame.array(when), *space, /*perItem=*/true);
    if (failed(view))
      return failure();
    whens.back() = std::move(*view);
  }
  Joined joined{*space, Kept(space->items), {}};
  std::vector<int64_t> which(space->items, -1);
  for (int64_t item = 0; item < space->items; ++item)
    for (size_t k = 0; k < count; ++k) {
      if (whens[k]) {
        Range fires = toRange(whens[k]->at(space->positionsOf(item)));
        if (!fires.known || !fires.lo.asTruth())
          continue;
      }
      if (place[k] >= 0 && rows[place[k]][item].empty())
        continue;
      if (!whens[k] || place[k] < 0)
        return success(); // what decides is not known
      which[item] = k;
      append(joined, plans, place[k], item, rows[place[k]][item]);
      break;
    }
  AxisRef plan =
      makePlan(op.getAxisAttr().getAttr(), joined.space, joined.kept);
  frame.set(op.getResult(), Plan{plan});

  // `which` lies over the items; its type names their axes in any order.
  auto type = cast<ArrayType>(op.getWhich().getType());
  auto perItem =
      frame.machine.allocate(type.getElementType(), space->per, op.getLoc());
  if (failed(perItem))
    return failure();
  for (int64_t item = 0; item < space->items; ++item)
    perItem->buffer->set(item, which[item]);
  auto axes = resolveAxes(type.getAxes(), {RuntimeValue(*perItem)},
                          frame.machine, op.getLoc());
  if (failed(axes))
    return failure();
  auto view = viewFor(op, *perItem, *axes);
  if (failed(view))
    return failure();
  frame.set(op.getWhich(), std::move(*view));
  return joinColumns(op, joined, plan, plans, columns, op.getResultColumns(),
                     frame);
}

void route::interp::addPlanOps(Registry &registry) {
  registry.add(evalRank);
  registry.add(evalMember);
  registry.add(evalConcat);
  registry.add(evalFirstPlan);
}
