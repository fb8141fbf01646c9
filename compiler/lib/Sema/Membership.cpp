// What a plan, candidates or a condition say of the positions of an axis.
// `models in p` is whether the plan has a row there; `of p` restricts a
// reduction to such positions. Positions of a copy, models', are those of its
// original.
#include "Elaborator.h"

using namespace route;
using namespace route::sema;
using namespace route::ast;

namespace {
/// An axis of which a plan tells where its rows are, and the axis whose
/// positions that is said of: the same, or a copy.
struct Place {
  AxisInfo *told = nullptr, *meant = nullptr;
  explicit operator bool() const { return told; }
};
} // namespace

static const AxisInfo *originalOf(const AxisInfo *axis) {
  return axis->original ? axis->original : axis;
}

static bool related(const AxisInfo *a, const AxisInfo *b) {
  return a->descendsFrom(b) || b->descendsFrom(a);
}

/// `axis` or one that it lies in, where that is a copy of what `of` is or is a
/// copy of.
static AxisInfo *copyAbove(AxisInfo *axis, const AxisInfo *of) {
  if (axis != of && originalOf(axis) == originalOf(of))
    return axis;
  for (AxisInfo *parent : axis->parents)
    if (AxisInfo *copy = copyAbove(parent, of))
      return copy;
  return nullptr;
}

/// What was chosen from, first the rows of plans, last the pool or axis that
/// these are rows of.
static AxisList chosenFrom(const AxisInfo &plan) {
  AxisList chain = {plan.candidates()};
  while (chain.back()->isPlan())
    chain.push_back(chain.back()->candidates());
  return chain;
}

/// Items of which the candidates tell nothing.
static AxisList freeItems(const AxisInfo &plan) {
  AxisList items;
  for (AxisInfo *item : plan.items())
    if (!plan.candidates()->descendsFrom(item))
      items.push_back(item);
  return items;
}

/// How `plan` tells of the positions of `axis`: by what was chosen, else by
/// copies of it; then by items, and last by what any of these lies in.
static Place placeIn(const AxisInfo &plan, AxisInfo *axis) {
  if (axis->descendsFrom(&plan)) // one of its own rows, or below these
    return {const_cast<AxisInfo *>(&plan), const_cast<AxisInfo *>(&plan)};
  AxisList chosen = chosenFrom(plan), items = freeItems(plan);
  for (const AxisList &list : {chosen, items})
    for (AxisInfo *told : list)
      if (axis->descendsFrom(told))
        return {told, told};
  items.insert(items.begin(), chosen.back());
  for (AxisInfo *told : items)
    if (AxisInfo *copy = copyAbove(axis, told))
      return {told, copy};
  // `group in p` where p has experts of groups.
  if (plan.descendsFrom(axis))
    return {axis, axis};
  AxisList above(plan.parents.begin(), plan.parents.end());
  for (size_t i = 0; i < above.size(); ++i) {
    if (originalOf(above[i]) == originalOf(axis))
      return {above[i], axis};
    above.append(above[i]->parents.begin(), above[i]->parents.end());
  }
  return {};
}

/// Whether `plan` has rows at the places of `ways`, which stand for those of
/// its parents that they are related to.
static mlir::Value memberAt(irgen::Emitter &e, const AxisInfo &plan,
                            llvm::ArrayRef<Place> ways, bool itemsOnly) {
  AxisList axes;
  for (AxisInfo *parent : plan.parents) {
    auto *way = llvm::find_if(
        ways, [&](const Place &place) { return related(parent, place.told); });
    if (way == ways.end() && itemsOnly && parent == plan.candidates())
      continue;
    AxisInfo *axis = way == ways.end() ? parent : way->told;
    if (!llvm::is_contained(axes, axis))
      axes.push_back(axis);
  }
  mlir::Value member =
      MemberOp::create(e.builder, e.loc, e.arrayType(e.i1(), axes), plan.plan);
  for (const Place &place : ways)
    if (place.told != place.meant)
      member = e.rename(member, place.told, place.meant);
  return member;
}

/// `group in open`: whether the plan has a row there.
Value Elaborator::inPlan(const ast::BinaryExpr &expr, const Value &plan) {
  AxisInfo *axis = plainName(ignoreParens(expr.lhs.get())) == "this"
                       ? cx.candidate
                       : axisFrom(*expr.lhs);
  if (!axis)
    return Value();
  const AxisInfo &rows = *plan.axis;
  Place place = placeIn(rows, axis);
  if (!place || place.meant != axis)
    return fail(diag::missingAxis, expr.lhs->range,
                "rows of this plan do not descend from '" + axis->name + "'");
  // Of an item: whether it has any row.
  return gatherIfAlong(
      Value::array(memberAt(e, rows, place, /*itemsOnly=*/true)));
}

/// Where all of `a` and `b` hold; either may be null.
static mlir::Value bothHold(irgen::Emitter &e, mlir::Value a, mlir::Value b) {
  return !a ? b : !b ? a : e.binary(BinaryKind::logical_and, a, b);
}

/// Where `plan` has rows, said of the axes in `over`; null where it tells of
/// none of them. Of an axis and its copy each is restricted.
mlir::Value Elaborator::restrictToRows(const AxisInfo &plan,
                                       const AxisList &over) {
  // For each parent of the plan the places that stand for it.
  llvm::MapVector<AxisInfo *, llvm::SmallVector<Place, 2>> places;
  bool own = false;
  for (AxisInfo *axis : over) {
    Place place = placeIn(plan, axis);
    if (place.told == &plan) {
      own = true;
    } else if (place) {
      auto parents = llvm::reverse(plan.parents);
      auto of = llvm::find_if(parents, [&](AxisInfo *parent) {
        return related(parent, place.told);
      });
      places[*of].push_back(place);
    }
  }
  if (places.empty())
    return own ? e.constantInt(e.i1(), 1) : mlir::Value();
  std::vector<llvm::SmallVector<Place>> ways(1);
  for (auto &[parent, alternatives] : places) {
    std::vector<llvm::SmallVector<Place>> longer;
    for (const auto &way : ways)
      for (const Place &place : alternatives) {
        longer.push_back(way);
        longer.back().push_back(place);
      }
    ways = std::move(longer);
  }
  mlir::Value mask;
  for (const auto &way : ways)
    mask = bothHold(e, mask, memberAt(e, plan, way, /*itemsOnly=*/false));
  return mask;
}

/// Where `mask`, of positions of `axis`, holds, said of the axes in `over`;
/// null where none of them is `axis` or a copy of it.
mlir::Value Elaborator::restrictToMask(mlir::Value mask, AxisInfo *axis,
                                       const AxisList &over) {
  mlir::Value result;
  for (AxisInfo *reduced : over) {
    AxisInfo *copy = nullptr;
    if (related(reduced, axis))
      result = bothHold(e, result, mask);
    else if ((copy = copyAbove(reduced, axis)))
      result =
          bothHold(e, result, e.rename(e.broadcastTo(mask, axis), axis, copy));
  }
  return result;
}

/// What the mask of the choice at hand has left.
mlir::Value Elaborator::keptRows() {
  mlir::Value mask =
      cx.keptMask ? cx.keptMask : e.constantInt(e.i1(), 1, {cx.candidate});
  return e.isRange(mask) ? e.coalesce(mask, e.constantInt(e.i1(), 0)) : mask;
}

/// `over token' of p`: only positions that the plan has rows for, `of x` those
/// of candidates, `of c` those where a condition surely holds. Null after an
/// error.
mlir::Value Elaborator::restrictionOf(const Expr &expr, const AxisList &over) {
  mlir::Value mask;
  AxisInfo *of = nullptr;
  if (plainName(&expr) == "kept" && cx.candidate &&
      !cx.scope->lookup("kept").first) {
    of = cx.candidate;
    mask = restrictToMask(keptRows(), of, over);
  } else {
    Value value = eval(expr);
    if (value.isError())
      return {};
    of = value.axis;
    if (value.is(Kind::Plan)) {
      mask = restrictToRows(*of, over);
    } else if (value.is(Kind::Subset) && of) {
      const Value *part = value.part("mask");
      mlir::Value held = part ? part->ir : e.constantInt(e.i1(), 1, {of});
      if (e.isRange(held))
        held = e.coalesce(held, e.constantInt(e.i1(), 0));
      mask = restrictToMask(held, of, over);
    } else {
      mask = asArray(value, expr.range, e.i1());
      if (mask && !isTruth(e.elementOf(mask))) {
        error(diag::wrongKind, expr.range,
              "'of' takes a plan, candidates or a condition, found " +
                  describe(value));
        return {};
      }
      return mask && e.isRange(mask)
                 ? e.coalesce(mask, e.constantInt(e.i1(), 0))
                 : mask;
    }
  }
  if (!mask)
    error(diag::restrictsNothing, expr.range,
          "this restricts nothing: it has rows of '" +
              originalOf(of->isPlan() ? chosenFrom(*of).back() : of)->name +
              "', and what is reduced is '" + describeAxes(over) + "'")
        .help("reduce what it has rows of, or a copy of it, or write a "
              "condition: of (… in …)");
  return mask;
}
