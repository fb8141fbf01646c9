// Moving values between axes.
// Down to descendants (broadcast), up to ancestors (reduce), across copies
// (rename) and to one position (pick). A plan made from another plan is crossed
// one step at a time: each op names the rows of exactly one plan.
#include "route/IRGen/Emitter.h"

using namespace mlir;
using namespace route;
using namespace route::irgen;
using sema::AxisInfo;

/// A parent of `axis` that is or descends from `ancestor`.
static AxisInfo *parentBelow(AxisInfo *axis, AxisInfo *ancestor) {
  for (AxisInfo *parent : axis->parents)
    if (parent->descendsFrom(ancestor))
      return parent;
  return nullptr;
}

mlir::Value Emitter::broadcastStep(mlir::Value value,
                                   llvm::ArrayRef<AxisInfo *> axes) {
  ArrayType type = arrayType(elementOf(value), axes);
  if (type == typeOf(value))
    return value;
  mlir::Value plan;
  for (AxisInfo *axis : axes)
    if (axis->isPlan() && !typeOf(value).hasAxis(axis->symbol))
      plan = axis->plan;
  return BroadcastOp::create(builder, loc, type, value, plan);
}

mlir::Value Emitter::gather(mlir::Value value, AxisInfo *target) {
  AxisList axes = axesOf(value);
  bool above = false;
  for (AxisInfo *axis : axes)
    if (axis != target && target->descendsFrom(axis)) {
      above = true;
      // Rows of a plan made from a plan: first to the rows that were chosen
      // from.
      AxisInfo *parent = parentBelow(target, axis);
      if (target->isPlan() && parent != axis && parent->isPlan())
        return gather(gather(value, parent), target);
    }
  if (!above)
    return value;
  AxisList moved;
  for (AxisInfo *axis : axes) {
    AxisInfo *next = target->descendsFrom(axis) ? target : axis;
    if (!has(moved, next))
      moved.push_back(next);
  }
  return broadcastStep(value, moved);
}

mlir::Value Emitter::broadcastTo(mlir::Value value, AxisInfo *target) {
  value = gather(value, target);
  AxisList axes = axesOf(value);
  if (has(axes, target))
    return value;
  axes.insert(axes.begin(), target);
  return broadcastStep(value, axes);
}

mlir::Value Emitter::broadcastTo(mlir::Value value,
                                 llvm::ArrayRef<AxisInfo *> axes) {
  for (AxisInfo *axis : axes)
    value = gather(value, axis);
  for (AxisInfo *axis : axes)
    if (axis->isPlan())
      value = broadcastTo(value, axis);
  return broadcastStep(value, axes);
}

bool Emitter::align(llvm::MutableArrayRef<mlir::Value> values, AxisInfo **first,
                    AxisInfo **second) {
  AxisList all;
  for (mlir::Value value : values)
    for (AxisInfo *axis : axesOf(value))
      if (!has(all, axis))
        all.push_back(axis);
  // Axes with a proper descendant among the others move down to the lowest.
  llvm::SmallVector<std::pair<AxisInfo *, AxisInfo *>> moves;
  for (AxisInfo *axis : all) {
    AxisInfo *lowest = axis;
    for (AxisInfo *other : all) {
      if (other == lowest || !other->descendsFrom(axis))
        continue;
      if (other->descendsFrom(lowest)) {
        lowest = other;
      } else if (!lowest->descendsFrom(other)) {
        if (first)
          *first = lowest, *second = other;
        return false;
      }
    }
    if (lowest != axis)
      moves.push_back({axis, lowest});
  }
  for (mlir::Value &value : values)
    for (auto [axis, lowest] : moves)
      if (typeOf(value).hasAxis(axis->symbol))
        value = gather(value, lowest);
  return true;
}

mlir::Value Emitter::reduce(ReduceKind kind, mlir::Value value,
                            llvm::ArrayRef<AxisInfo *> kept) {
  // Leave plans one at a time, the youngest first.
  AxisList axes = axesOf(value);
  for (AxisInfo *axis : axes) {
    if (!axis->isPlan() || has(kept, axis) || !axis->candidates()->isPlan())
      continue;
    for (AxisInfo *target : kept)
      if (AxisInfo *parent = parentBelow(axis, target);
          axis->descendsFrom(target) && parent != target && parent->isPlan()) {
        AxisList middle;
        for (AxisInfo *other : axes)
          middle.push_back(other == axis ? parent : other);
        // Counts of a step are added up, and means are made of sums and counts.
        if (kind == ReduceKind::count)
          return reduce(ReduceKind::sum, reduce(kind, value, middle), kept);
        if (kind == ReduceKind::mean) {
          mlir::Value total = reduce(ReduceKind::sum, value, kept);
          mlir::Value rows = reduce(
              ReduceKind::count, broadcastTo(constantInt(i1(), 1), axes), kept);
          return binary(BinaryKind::div, total, cast(rows, valueTypeOf(total)));
        }
        return reduce(kind, reduce(kind, value, middle), kept);
      }
  }
  mlir::Type element = elementOf(value);
  bool range = isa<RangeType>(element);
  mlir::Type inner = getValueType(element);
  if (kind == ReduceKind::count)
    inner = i64();
  else if (kind == ReduceKind::mean && !isa<FloatType>(inner))
    inner = f32();
  else if (kind == ReduceKind::argmax || kind == ReduceKind::argmin)
    for (AxisInfo *axis : axes)
      if (!has(kept, axis))
        inner = RefType::get(builder.getContext(), axis->symbol);
  ArrayType type = arrayType(ranged(range, inner), kept);
  mlir::Value plan;
  for (AxisInfo *axis : axes)
    if (axis->isPlan() && !has(kept, axis))
      plan = axis->plan;
  return ReduceOp::create(builder, loc, type, kind, value, plan);
}

mlir::Value Emitter::rename(mlir::Value value, AxisInfo *from, AxisInfo *to) {
  AxisList axes = axesOf(value);
  std::replace(axes.begin(), axes.end(), from, to);
  return RenameOp::create(builder, loc, arrayType(elementOf(value), axes),
                          value, axisAttrs({from}), axisAttrs({to}));
}

mlir::Value Emitter::pick(mlir::Value value, AxisInfo *along,
                          mlir::Value position) {
  // Stored numbers of other widths are positions too.
  if (isa<IntegerType>(valueTypeOf(position)))
    position = cast(position, i64());
  // At a position that may be unknown, so is the element.
  if (isRange(position) && !isRange(value))
    value = CastOp::create(
        builder, loc, typeOf(value).withElement(ranged(true, elementOf(value))),
        value);
  return PickOp::create(builder, loc, value, along->symbol, position);
}

mlir::Value Emitter::iota(AxisInfo *axis, bool asRef) {
  mlir::Type element =
      asRef ? mlir::Type(RefType::get(builder.getContext(), axis->symbol))
            : i64();
  return IotaOp::create(builder, loc, arrayType(element, {axis}), axis->plan);
}
