// Items, candidates, keys and the making of plans.
#include "Choice.h"
#include "Scalars.h"
#include "route/numerics.h"
#include <cmath>

using namespace mlir;
using namespace route;
using namespace route::interp;

KeyPart route::interp::makeKey(const Element &element, bool up) {
  KeyPart part;
  if (std::holds_alternative<std::shared_ptr<const Range>>(element))
    return element.asRange().known ? makeKey(element.asRange().lo, up) : part;
  if (const auto *value = std::get_if<float>(&element)) {
    part.valid = !std::isnan(*value);
    part.bits = num::key(*value, up);
  } else if (const auto *value = std::get_if<double>(&element)) {
    part.valid = !std::isnan(*value);
    part.bits = num::key(*value, up);
  } else if (const auto *value = std::get_if<int64_t>(&element)) {
    part.valid = true;
    part.bits = num::key(*value, up);
  } else if (std::holds_alternative<std::string>(element)) {
    part.valid = true;
    part.text = element.asText().str();
    part.textUp = up;
  }
  return part;
}

bool route::interp::ranksBefore(ArrayRef<KeyPart> lhs, ArrayRef<KeyPart> rhs) {
  for (auto [a, b] : llvm::zip(lhs, rhs)) {
    if (a.valid != b.valid)
      return a.valid;
    if (!a.valid)
      continue;
    if (a.bits != b.bits)
      return a.bits > b.bits;
    if (int order = a.text.compare(b.text))
      return (order > 0) != a.textUp;
  }
  return false;
}

SmallVector<AxisRef> ChoiceSpace::all() const {
  SmallVector<AxisRef> axes(per);
  axes.push_back(candidates);
  return axes;
}

/// The names of `axis` and all its ancestors.
static void collectAncestors(const AxisRef &axis,
                             SmallVectorImpl<StringAttr> &names) {
  if (!llvm::is_contained(names, axis->name))
    names.push_back(axis->name);
  for (const Axis::Parent &parent : axis->parents)
    collectAncestors(parent.axis, names);
}

LogicalResult ChoiceSpace::prepare(Machine &machine, Location loc) {
  items = countPositions(per);
  int64_t pairs = countPositions(all());
  if (items < 0 || pairs < 0 || failed(machine.charge(pairs, loc)))
    return emitError(loc, "too many candidates to choose from");
  SmallVector<StringAttr> above;
  collectAncestors(candidates, above);
  for (auto [i, axis] : llvm::enumerate(per)) {
    if (StringAttr name = findUnsizedAbove(axis, candidates))
      return complainOfSize(name, loc);
    for (StringAttr name : above)
      if (IndexMap ofItem = descent(*axis, name))
        shared.push_back(
            {static_cast<unsigned>(i), ofItem, descent(*candidates, name)});
  }
  return success();
}

SmallVector<int64_t> ChoiceSpace::positionsOf(int64_t item) const {
  SmallVector<int64_t> positions(per.size());
  for (size_t i = per.size(); i-- > 0;
       item /= std::max<int64_t>(per[i]->size, 1))
    positions[i] = item % std::max<int64_t>(per[i]->size, 1);
  return positions;
}

std::vector<int64_t> ChoiceSpace::candidatesOf(int64_t item) const {
  SmallVector<int64_t> positions = positionsOf(item);
  std::vector<int64_t> found;
  for (int64_t c = 0; c < candidates->size; ++c)
    if (llvm::all_of(shared, [&](const Shared &relation) {
          return (*relation.ofItem)[positions[relation.perAxis]] ==
                 (*relation.ofCandidate)[c];
        }))
      found.push_back(c);
  return found;
}

AxisRef route::interp::makePlan(StringAttr name, const ChoiceSpace &space,
                                const Kept &kept) {
  auto plan = std::make_shared<Axis>();
  plan->name = name;
  std::vector<std::vector<int64_t>> parents(space.per.size() + 1);
  std::vector<int64_t> ranks;
  for (int64_t item = 0; item < space.items; ++item) {
    SmallVector<int64_t> positions = space.positionsOf(item);
    for (auto [rank, candidate] : llvm::enumerate(kept[item])) {
      for (auto [i, position] : llvm::enumerate(positions))
        parents[i].push_back(position);
      parents.back().push_back(candidate);
      ranks.push_back(rank);
    }
  }
  plan->size = ranks.size();
  plan->rank = std::make_shared<const std::vector<int64_t>>(std::move(ranks));
  for (auto [axis, index] : llvm::zip(space.all(), parents))
    plan->parents.push_back(
        {axis, std::make_shared<const std::vector<int64_t>>(std::move(index))});
  return plan;
}

FailureOr<Array> route::interp::viewInSpace(Operation *op, const Array &array,
                                            const ChoiceSpace &space,
                                            bool perItem) {
  if (perItem)
    return viewFor(op, array, space.per);
  // Above both an item axis and the candidates, the two agree for every
  // candidate of the item, so either way down gives the same element.
  return viewFor(op, array, space.all());
}
