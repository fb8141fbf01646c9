// Axis instances and the walk along parents.
#include "route/Interpreter/Axis.h"

using namespace mlir;
using namespace route::interp;

AxisRef route::interp::makeAxis(StringAttr name, int64_t size) {
  auto axis = std::make_shared<Axis>();
  axis->name = name;
  axis->size = size;
  return axis;
}

IndexMap route::interp::descent(const Axis &axis, StringAttr ancestor) {
  if (axis.name == ancestor) {
    std::vector<int64_t> identity(axis.size);
    for (int64_t p = 0; p < axis.size; ++p)
      identity[p] = p;
    return std::make_shared<const std::vector<int64_t>>(std::move(identity));
  }
  for (const Axis::Parent &parent : axis.parents)
    if (parent.axis->name == ancestor)
      return parent.index;
  for (const Axis::Parent &parent : axis.parents) {
    IndexMap above = descent(*parent.axis, ancestor);
    if (!above)
      continue;
    std::vector<int64_t> composed(axis.size);
    for (int64_t p = 0; p < axis.size; ++p)
      composed[p] = (*above)[(*parent.index)[p]];
    return std::make_shared<const std::vector<int64_t>>(std::move(composed));
  }
  return nullptr;
}

AxisRef route::interp::findAncestor(const AxisRef &axis, StringAttr name) {
  if (axis->name == name)
    return axis;
  for (const Axis::Parent &parent : axis->parents)
    if (AxisRef found = findAncestor(parent.axis, name))
      return found;
  return nullptr;
}

/// Whether `name`, unsized, is what `axis` or one of its ancestors lies in.
static bool lacks(const Axis &axis, StringAttr name) {
  return axis.unsized == name ||
         llvm::any_of(axis.parents, [&](const Axis::Parent &parent) {
           return lacks(*parent.axis, name);
         });
}

StringAttr route::interp::findUnsizedAbove(const AxisRef &lhs,
                                           const AxisRef &rhs) {
  if (findAncestor(rhs, lhs->name))
    return nullptr; // they meet here, and so do they in all above
  if (lhs->unsized && lacks(*rhs, lhs->unsized))
    return lhs->unsized;
  for (const Axis::Parent &parent : lhs->parents)
    if (StringAttr found = findUnsizedAbove(parent.axis, rhs))
      return found;
  return nullptr;
}

bool route::interp::sameInstance(const AxisRef &lhs, const AxisRef &rhs) {
  if (lhs == rhs)
    return true;
  if (lhs->name != rhs->name || lhs->size != rhs->size ||
      lhs->parents.size() != rhs->parents.size() ||
      lhs->isPlan() != rhs->isPlan())
    return false;
  if (lhs->isPlan() && *lhs->rank != *rhs->rank)
    return false;
  for (auto [a, b] : llvm::zip(lhs->parents, rhs->parents))
    if (*a.index != *b.index || !sameInstance(a.axis, b.axis))
      return false;
  return true;
}

int64_t route::interp::countPositions(ArrayRef<AxisRef> axes) {
  int64_t count = 1;
  for (const AxisRef &axis : axes)
    if (axis->size == 0)
      return 0;
  for (const AxisRef &axis : axes)
    if (__builtin_mul_overflow(count, axis->size, &count))
      return -1;
  return count;
}

std::vector<int64_t> route::interp::itemOfRows(const Axis &plan) {
  std::vector<int64_t> items(plan.size, 0);
  for (const Axis::Parent &parent : plan.per())
    for (int64_t row = 0; row < plan.size; ++row)
      items[row] = items[row] * parent.axis->size + (*parent.index)[row];
  return items;
}
