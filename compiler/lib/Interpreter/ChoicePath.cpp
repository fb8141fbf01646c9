// Choice of a path: Bellman-Ford over rows with two refs, with exact ties.
#include "Choice.h"
#include "Scalars.h"
#include <cmath>

using namespace mlir;
using namespace route;
using namespace route::interp;

namespace {
/// A way from the start to some node: its key sums and its rows.
struct Path {
  std::vector<double> cost;
  std::vector<int64_t> rows;
};
} // namespace

/// Cheaper first; equal costs go to fewer rows, then to lower rows.
static bool isBetter(const Path &a, const Path &b) {
  if (a.cost != b.cost)
    return a.cost < b.cost;
  if (a.rows.size() != b.rows.size())
    return a.rows.size() < b.rows.size();
  return a.rows < b.rows;
}

/// The number a key adds to a path's cost, or NaN.
static double costOf(const Element &element, Type type, bool up) {
  Range range = toRange(element);
  if (!range.known)
    return NAN;
  Element wide = applyCast(getValueType(type),
                           Float64Type::get(type.getContext()), range.lo);
  return up ? wide.asDouble() : -wide.asDouble();
}

FailureOr<Kept>
route::interp::choosePaths(ChooseOp op, const ChoiceSpace &space, Frame &frame,
                           ArrayRef<std::vector<bool>> allowed) {
  if (op.getTable().size() != 2)
    return op.emitError("a path needs the two ends of its rows, found ")
           << op.getTable().size() << " tables";
  SmallVector<Array> keys, ends, columns;
  for (Value value : op.getKeys()) {
    auto view = viewInSpace(op, frame.array(value), space);
    if (failed(view))
      return failure();
    keys.push_back(std::move(*view));
  }
  for (Value value : op.getTable()) {
    auto view = viewInSpace(op, frame.array(value), space);
    if (failed(view))
      return failure();
    columns.push_back(std::move(*view));
  }
  for (Value value : op.getEnds()) {
    auto view = viewInSpace(op, frame.array(value), space, /*perItem=*/true);
    if (failed(view))
      return failure();
    ends.push_back(std::move(*view));
  }
  auto refAt = [](const Array &view, ArrayRef<int64_t> position) {
    Range ref = toRange(view.at(position));
    return ref.known ? ref.lo.asInt() : -1;
  };

  Kept kept(space.items);
  for (int64_t item = 0; item < space.items; ++item) {
    SmallVector<int64_t> position = space.positionsOf(item);
    int64_t start = refAt(ends[0], position), goal = refAt(ends[1], position);
    if (start < 0 || goal < 0)
      continue;
    position.push_back(0);
    struct Step {
      int64_t row, from, to;
      std::vector<double> cost;
    };
    std::vector<Step> steps;
    for (int64_t row = 0; row < space.candidates->size; ++row) {
      if (!allowed[item][row])
        continue;
      position.back() = row;
      Step step{
          row, refAt(columns[0], position), refAt(columns[1], position), {}};
      bool usable = step.from >= 0 && step.to >= 0;
      for (auto [k, key] : llvm::enumerate(keys)) {
        double cost = costOf(key.at(position), key.elementType, op.getUp()[k]);
        usable &= !std::isnan(cost);
        step.cost.push_back(cost);
      }
      if (usable)
        steps.push_back(std::move(step));
    }
    // A cheapest path has no node twice unless a round trip pays, which has no
    // cheapest: more rounds than nodes show that.
    std::map<int64_t, Path> best;
    best[start] = Path{std::vector<double>(keys.size(), 0.0), {}};
    bool changed = true;
    for (size_t round = 0; changed; ++round) {
      if (round > steps.size() + 1)
        return op.emitError(
            "a round trip has a negative cost, so no path is cheapest");
      changed = false;
      std::map<int64_t, Path> next = best;
      for (const Step &step : steps) {
        auto from = best.find(step.from);
        if (from == best.end())
          continue;
        if (++frame.machine.steps > frame.machine.options.maxSteps)
          return op.emitError("the step limit of ")
                 << frame.machine.options.maxSteps << " is reached";
        Path path = from->second;
        for (auto [total, cost] : llvm::zip(path.cost, step.cost))
          total += cost;
        path.rows.push_back(step.row);
        auto known = next.find(step.to);
        if (known == next.end() || isBetter(path, known->second)) {
          next[step.to] = std::move(path);
          changed = true;
        }
      }
      best = std::move(next);
    }
    if (auto found = best.find(goal); found != best.end())
      kept[item] = found->second.rows;
  }
  return kept;
}
