// The evaluator of route.choose.
#include "Budgets.h"
#include "Scalars.h"

using namespace mlir;
using namespace route;
using namespace route::interp;

namespace {
/// One choice under way: what each item may still take and what it has kept.
class Chooser {
public:
  Chooser(ChooseOp op, Frame &frame) : op(op), frame(frame) {}
  /// Null where keys without a value would decide.
  FailureOr<AxisRef> run();

private:
  LogicalResult findSpace();
  LogicalResult findCandidates();
  bool lacksKeys();
  LogicalResult findOrder();
  LogicalResult findLimits();
  LogicalResult findListed();
  /// Runs the region on the rows kept so far; `values` are what it yields, as
  /// views over the per axes (a predicate) or over all axes (keys).
  LogicalResult runRegion(SmallVectorImpl<Array> &values);
  LogicalResult pickInRounds(int64_t first, int64_t last);
  LogicalResult choosePath();
  /// The next candidate of `item` that fits, removed from what is left, or -1.
  int64_t takeNext(int64_t item, ArrayRef<Array> greedyKeys);

  ChooseOp op;
  Frame &frame;
  ChoiceSpace space;
  Admission budgets;
  /// Per item: candidates still to take, in the order of the keys.
  std::vector<std::vector<int64_t>> left;
  /// Per item: how many rows it may keep; -1 for no limit.
  std::vector<int64_t> limits;
  Kept kept;
};
} // namespace

static SmallVector<FlatSymbolRefAttr> namesOf(ArrayAttr attr) {
  return SmallVector<FlatSymbolRefAttr>(attr.getAsRange<FlatSymbolRefAttr>());
}

LogicalResult Chooser::findSpace() {
  SmallVector<RuntimeValue> sources;
  if (op.getSource())
    sources.push_back(frame.get(op.getSource()));
  for (Value operand : op->getOperands())
    if (isa<ArrayType>(operand.getType()) && frame.has(operand))
      sources.push_back(frame.get(operand));
  SmallVector<FlatSymbolRefAttr> names = namesOf(op.getPer());
  names.push_back(op.getCandidatesAttr());
  auto axes = resolveAxes(names, sources, frame.machine, op.getLoc());
  if (failed(axes))
    return failure();
  space.candidates = axes->pop_back_val();
  space.per = *axes;
  return space.prepare(frame.machine, op.getLoc());
}

/// Candidates by descent, less those that the mask does not surely allow.
LogicalResult Chooser::findCandidates() {
  FailureOr<Array> mask = Array();
  if (op.getMask() &&
      failed(mask = viewInSpace(op, frame.array(op.getMask()), space)))
    return failure();
  left.resize(space.items);
  kept.resize(space.items);
  for (int64_t item = 0; item < space.items; ++item) {
    SmallVector<int64_t> position = space.positionsOf(item);
    position.push_back(0);
    for (int64_t candidate : space.candidatesOf(item)) {
      position.back() = candidate;
      Range allowed = op.getMask() ? toRange(mask->at(position))
                                   : Range{int64_t(1), int64_t(1)};
      if (allowed.known && allowed.lo.asTruth())
        left[item].push_back(candidate);
    }
  }
  return success();
}

/// The key tuple of every candidate, by views over the space's axes.
static std::vector<std::vector<KeyPart>> keysOf(ArrayRef<Array> views,
                                                ArrayRef<bool> up,
                                                SmallVector<int64_t> position,
                                                ArrayRef<int64_t> candidates) {
  std::vector<std::vector<KeyPart>> keys;
  position.push_back(0);
  for (int64_t candidate : candidates) {
    position.back() = candidate;
    std::vector<KeyPart> parts;
    for (auto [i, view] : llvm::enumerate(views))
      parts.push_back(makeKey(view.at(position), i < up.size() && up[i]));
    keys.push_back(std::move(parts));
  }
  return keys;
}

LogicalResult Chooser::findOrder() {
  if (op.getGreedy() || op.getKind() == ChoiceKind::path)
    return success();
  SmallVector<Array> views;
  for (Value key : op.getKeys()) {
    if (!frame.has(key))
      return success(); // nothing to order
    auto view = viewInSpace(op, frame.array(key), space);
    if (failed(view))
      return failure();
    views.push_back(std::move(*view));
  }
  for (int64_t item = 0; item < space.items; ++item) {
    std::vector<int64_t> &candidates = left[item];
    auto keys = keysOf(views, op.getUp(), space.positionsOf(item), candidates);
    std::vector<size_t> order(candidates.size());
    for (size_t i = 0; i < order.size(); ++i)
      order[i] = i;
    llvm::sort(order, [&](size_t a, size_t b) {
      if (ranksBefore(keys[a], keys[b]))
        return true;
      return !ranksBefore(keys[b], keys[a]) && a < b;
    });
    std::vector<int64_t> sorted;
    for (size_t i : order)
      sorted.push_back(candidates[i]);
    candidates = std::move(sorted);
  }
  return success();
}

LogicalResult Chooser::findLimits() {
  limits.assign(space.items, -1);
  if (!op.getCount())
    return success();
  auto view =
      viewInSpace(op, frame.array(op.getCount()), space, /*perItem=*/true);
  if (failed(view))
    return failure();
  for (int64_t item = 0; item < space.items; ++item) {
    Range count = toRange(view->at(space.positionsOf(item)));
    limits[item] = count.known ? std::max<int64_t>(count.lo.asInt(), 0) : 0;
  }
  return success();
}

/// Puts what the table names in place of the candidates, in the table's order.
LogicalResult Chooser::findListed() {
  const Array &table = frame.array(op.getTable().front());
  SmallVector<AxisRef> axes(space.per);
  AxisRef listed;
  for (const AxisRef &axis : table.axes) {
    bool reached = llvm::any_of(space.per, [&](const AxisRef &per) {
      return descent(*per, axis->name) != nullptr;
    });
    if (reached)
      continue;
    if (listed)
      return op.emitError("the table has two axes besides the per axes: '")
             << listed->label() << "' and '" << axis->label() << "'";
    listed = axis;
  }
  if (listed)
    axes.push_back(listed);
  auto view = viewFor(op, table, axes);
  if (failed(view))
    return failure();
  for (int64_t item = 0; item < space.items; ++item) {
    std::vector<int64_t> rows;
    SmallVector<int64_t> position = space.positionsOf(item);
    if (listed)
      position.push_back(0);
    for (int64_t i = 0, n = listed ? listed->size : 1; i < n; ++i) {
      if (listed)
        position.back() = i;
      Range row = toRange(view->at(position));
      if (row.known && llvm::is_contained(left[item], row.lo.asInt()))
        rows.push_back(row.lo.asInt());
    }
    left[item] = std::move(rows);
  }
  return success();
}

LogicalResult Chooser::runRegion(SmallVectorImpl<Array> &values) {
  Plan prefix{makePlan(op.getAxisAttr().getAttr(), space, kept)};
  SmallVector<RuntimeValue> yielded;
  if (failed(frame.machine.runRegion(op.getBody(), {prefix}, frame, yielded)))
    return failure();
  bool predicateFirst = op.getKind() == ChoiceKind::until;
  size_t wanted = predicateFirst + (op.getGreedy() ? op.getUp().size() : 0);
  if (yielded.size() < std::max<size_t>(wanted, 1))
    return op.emitError("region yields ")
           << yielded.size() << " values, expected " << wanted;
  for (auto [i, value] : llvm::enumerate(yielded)) {
    auto *array = std::get_if<Array>(&value);
    if (!array)
      return op.emitError("region yields a plan");
    auto view =
        viewInSpace(op, *array, space, /*perItem=*/predicateFirst && i == 0);
    if (failed(view))
      return failure();
    values.push_back(std::move(*view));
  }
  return success();
}

int64_t Chooser::takeNext(int64_t item, ArrayRef<Array> greedyKeys) {
  std::vector<int64_t> &candidates = left[item];
  while (!candidates.empty()) {
    size_t best = 0;
    if (op.getGreedy()) {
      auto keys =
          keysOf(greedyKeys, op.getUp(), space.positionsOf(item), candidates);
      for (size_t i = 1; i < candidates.size(); ++i)
        if (ranksBefore(keys[i], keys[best]))
          best = i;
    }
    int64_t candidate = candidates[best];
    candidates.erase(candidates.begin() + best);
    // One that does not fit the budgets is passed over.
    if (budgets.admit(item, candidate))
      return candidate;
  }
  return -1;
}

/// Items `first` to `last` take one row each a round, so that a region runs
/// once a round for all of them.
LogicalResult Chooser::pickInRounds(int64_t first, int64_t last) {
  std::vector<bool> done(space.items, false);
  bool until = op.getKind() == ChoiceKind::until;
  SmallVector<Array> values;
  if (op.getGreedy() && failed(runRegion(values)))
    return failure();
  for (int64_t round = 0;; ++round) {
    bool progress = false;
    for (int64_t item = first; item < last; ++item) {
      if (done[item] || (limits[item] >= 0 && round >= limits[item]))
        continue;
      int64_t candidate =
          takeNext(item, ArrayRef(values).drop_front(until && op.getGreedy()));
      done[item] = candidate < 0;
      if (candidate < 0)
        continue;
      kept[item].push_back(candidate);
      progress = true;
    }
    if (!progress)
      return success();
    values.clear();
    if (failed(runRegion(values)))
      return failure();
    for (int64_t item = first; until && item < last; ++item) {
      Range crossed = toRange(values.front().at(space.positionsOf(item)));
      done[item] = done[item] || (crossed.known && crossed.lo.asTruth());
    }
  }
}

LogicalResult Chooser::choosePath() {
  if (budgets.any())
    return op.emitError("a path cannot be chosen under budgets");
  std::vector<std::vector<bool>> allowed(space.items);
  for (int64_t item = 0; item < space.items; ++item) {
    allowed[item].assign(space.candidates->size, false);
    for (int64_t candidate : left[item])
      allowed[item][candidate] = true;
  }
  FailureOr<Kept> paths = choosePaths(op, space, frame, allowed);
  if (failed(paths))
    return failure();
  kept = std::move(*paths);
  return success();
}

/// Whether an item has several candidates, and keys that need a parameter which
/// nobody gave order them.
bool Chooser::lacksKeys() {
  return !llvm::all_of(op.getKeys(), [&](Value key) {
    return frame.has(key);
  }) && llvm::any_of(left, [](const std::vector<int64_t> &candidates) {
    return candidates.size() > 1;
  });
}

FailureOr<AxisRef> Chooser::run() {
  if (failed(findSpace()) || failed(findCandidates()))
    return failure();
  if (lacksKeys())
    return AxisRef();
  if (failed(findOrder()) || failed(findLimits()))
    return failure();
  if (op.getUnder() &&
      failed(budgets.prepare(op, *op.getUnder(), space, frame)))
    return failure();
  LogicalResult done = success();
  if (op.getKind() == ChoiceKind::path) {
    done = choosePath();
  } else {
    if (op.getKind() == ChoiceKind::listed && failed(findListed()))
      return failure();
    if (!op.getBody().empty() && !budgets.any()) {
      done = pickInRounds(0, space.items);
    } else {
      // Item by item, since an earlier one's rows take room from a later one's.
      for (int64_t item = 0; succeeded(done) && item < space.items; ++item) {
        if (!op.getBody().empty()) {
          done = pickInRounds(item, item + 1);
          continue;
        }
        auto wanted = static_cast<uint64_t>(limits[item]); // -1: no limit
        while (kept[item].size() < wanted) {
          int64_t candidate = takeNext(item, {});
          if (candidate < 0)
            break;
          kept[item].push_back(candidate);
        }
      }
    }
  }
  if (failed(done))
    return failure();
  return makePlan(op.getAxisAttr().getAttr(), space, kept);
}

static LogicalResult evalChoose(ChooseOp op, Frame &frame) {
  auto plan = Chooser(op, frame).run();
  if (failed(plan))
    return failure();
  if (*plan)
    frame.set(op.getResult(), Plan{*plan});
  return success();
}

void route::interp::addChoiceOps(Registry &registry) {
  registry.add(evalChoose);
}
