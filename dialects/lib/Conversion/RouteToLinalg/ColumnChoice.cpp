// Choices outside row programs.
// From candidates that only the call brings, the children of the item's own
// parent, and the rows of a plan.
#include "Lowering.h"
#include "route/Dialect/Ragged/IR/Ragged.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace route;
using namespace route::lowering;

/// `tensor` with the dimensions from `from` on as one.
Value Lowering::flattened(Value tensor, unsigned from, Location loc) {
  int64_t rank = cast<RankedTensorType>(tensor.getType()).getRank();
  if (rank - from == 1)
    return tensor;
  SmallVector<ReassociationIndices> groups;
  for (unsigned i = 0; i < from; ++i)
    groups.push_back({i});
  groups.push_back(llvm::to_vector(llvm::seq<int64_t>(from, rank)));
  return tensor::CollapseShapeOp::create(b, loc, tensor, groups);
}

Lowering::ChoiceSpace Lowering::choiceSpace(const Plan &rows, Location loc) {
  ChoiceSpace space;
  space.batch = dimsOf(rows.per);
  space.slots = dimsOf(ArrayRef(rows.candidates));
  for (Axis dim : space.slots) {
    Value extent = sizeValue(dim, loc);
    space.candidates =
        space.candidates
            ? Value(arith::MulIOp::create(b, loc, space.candidates, extent))
            : extent;
  }
  return space;
}

/// `tensor` over `dims`, read at (items.., candidate); nothing where a
/// dimension is above neither.
std::optional<Lowering::Mapped> Lowering::overSpace(Value tensor,
                                                    ArrayRef<Axis> dims,
                                                    const ChoiceSpace &space,
                                                    Location loc) {
  auto inBatch = [&](Axis dim) { return llvm::is_contained(space.batch, dim); };
  auto inSlots = [&](Axis dim) { return llvm::is_contained(space.slots, dim); };
  auto above = [&](ArrayRef<Axis> below, Axis dim) {
    auto found = llvm::find_if(below, [&](Axis d) { return descends(d, dim); });
    return found == below.end() ? Axis() : *found;
  };
  bool candidate = llvm::any_of(dims, [&](Axis dim) {
    return !inBatch(dim) && (inSlots(dim) || !above(space.batch, dim));
  });
  SmallVector<Axis> items;
  bool direct = !candidate || space.slots.size() == 1;
  for (Axis dim : dims) {
    if (candidate && inSlots(dim))
      continue;
    Axis item = inBatch(dim) ? dim : above(space.batch, dim);
    if (!item && !above(space.slots, dim))
      return std::nullopt;
    direct &= item == dim;
    if (!item)
      continue;
    // Reading through a row of a plan takes the place of its own item as well.
    SmallVector<Axis> through =
        item == dim ? SmallVector<Axis>{item} : dimsOf(ArrayRef(item));
    for (Axis own : through)
      if (!llvm::is_contained(items, own) && !(candidate && inSlots(own)))
        items.push_back(own);
  }
  auto exprOf = [&](Axis dim) {
    auto at = llvm::find(space.batch, dim) - space.batch.begin();
    return b.getAffineDimExpr(candidate && inSlots(dim) ? space.batch.size()
                                                        : at);
  };
  unsigned rank = space.batch.size() + 1;
  SmallVector<AffineExpr> exprs;
  if (direct) {
    for (Axis dim : dims)
      exprs.push_back(exprOf(dim));
    return Mapped{tensor, AffineMap::get(rank, 0, exprs, b.getContext())};
  }
  SmallVector<Axis> want(items);
  if (candidate)
    llvm::append_range(want, llvm::make_filter_range(space.slots, [&](Axis d) {
                         return !llvm::is_contained(items, d);
                       }));
  if (candidate && want.size() != items.size() + space.slots.size())
    return std::nullopt;
  if (want != dims && !(tensor = gatherTo(tensor, dims, want, loc)))
    return std::nullopt;
  for (Axis dim : items)
    exprs.push_back(exprOf(dim));
  if (candidate) {
    tensor = flattened(tensor, items.size(), loc);
    exprs.push_back(b.getAffineDimExpr(rank - 1));
  }
  return Mapped{tensor, AffineMap::get(rank, 0, exprs, b.getContext())};
}

/// A key as a number that the choice can rank by.
std::optional<Lowering::Mapped> Lowering::keyOver(Value key,
                                                  const ChoiceSpace &space) {
  Location loc = key.getLoc();
  auto type = cast<ArrayType>(key.getType());
  Value tensor = get(key);
  if (!tensor)
    return std::nullopt;
  Type held = cast<RankedTensorType>(tensor.getType()).getElementType();
  bool isUnsigned = type.getElementType().isUnsignedInteger();
  Type wide = held.isBF16() || held.isF16() ? Type(b.getF32Type())
              : isUnsigned && !held.isInteger(64) && !held.isInteger(1)
                  ? Type(b.getI64Type())
                  : held;
  if (!isa<IntegerType, FloatType>(held)) {
    (void)notCovered(func, "keys of this type");
    return std::nullopt;
  }
  if (wide != held)
    tensor = map(dimsOf(type), wide, Operand{tensor, type}, loc,
                 [&](OpBuilder &inner, Location at, ValueRange args) -> Value {
                   if (isUnsigned)
                     return arith::ExtUIOp::create(inner, at, wide, args[0]);
                   return arith::ExtFOp::create(inner, at, wide, args[0]);
                 });
  return overSpace(tensor, dimsOf(type), space, loc);
}

/// What ties candidates to items: ranges where an item's candidates lie side by
/// side, masks where they are found by what they descend from.
Lowering::Relation Lowering::relate(const Plan &rows, const ChoiceSpace &space,
                                    Location loc) {
  Relation relation;
  unsigned rank = space.batch.size() + 1;
  bool fromPlan = kindOf(rows.candidates) == AxisKind::plan;
  // Everything that the candidates descend from, the nearest first.
  llvm::SetVector<Attribute> above;
  above.insert(rows.candidates);
  for (unsigned i = 0; i < above.size(); ++i)
    for (Axis parent :
         lookupAxis(func, cast<Axis>(above[i]), tables).getParentAxes())
      above.insert(parent);
  struct Tie {
    Axis per, shared;
  };
  SmallVector<Tie> ranges, masks;
  for (Axis per : rows.per) {
    SmallVector<Axis> shared;
    for (Attribute each : above) {
      Axis axis = cast<Axis>(each);
      if (!descends(per, axis))
        continue;
      // What is above a shared axis is shared with it.
      if (kindOf(per) != AxisKind::plan && llvm::any_of(shared, [&](Axis near) {
            return kindOf(near) != AxisKind::plan && descends(near, axis);
          }))
        continue;
      shared.push_back(axis);
      bool nested = kindOf(axis) != AxisKind::plan &&
                    kindOf(space.slots.front()) != AxisKind::plan &&
                    liesSideBySide(space.slots.front(), axis);
      (nested ? ranges : masks).push_back({per, axis});
    }
  }
  if (fromPlan) {
    Value own = plans[rows.candidates.getValue()].indices;
    auto there = overSpace(
        map(space.slots, b.getI1Type(),
            Operand{own,
                    ArrayType::get(b.getI32Type(), ArrayRef(rows.candidates))},
            loc,
            [](OpBuilder &inner, Location at, ValueRange args) -> Value {
              return arith::CmpIOp::create(
                  inner, at, arith::CmpIPredicate::sge, args[0],
                  arith::ConstantOp::create(inner, at,
                                            inner.getI32IntegerAttr(0)));
            }),
        space.slots, space, loc);
    relation.masks.push_back(
        {there->tensor, AffineMap::get(rank, 0, b.getAffineDimExpr(rank - 1),
                                       b.getContext())});
  }
  if (!ranges.empty()) {
    auto bound = [&](bool end) {
      return generate(
          sizesOf(space.batch, loc), b.getI32Type(), loc,
          [&](OpBuilder &inner, Location at, ValueRange here) -> Value {
            Value result;
            for (Tie tie : ranges) {
              SmallVector<Axis> dims = dimsOf(ArrayRef(tie.per));
              SmallVector<Value> own;
              for (Axis dim : dims)
                own.push_back(
                    here[llvm::find(space.batch, dim) - space.batch.begin()]);
              std::optional<Place> place =
                  placeOf(inner, at, tie.shared, dims, own);
              Value one = constantAt(inner, 1, at), edge = place->position;
              if (end)
                edge = arith::AddIOp::create(inner, at, edge, one);
              SmallVector<Axis> chain;
              for (Axis axis = space.slots.front(); axis != tie.shared;
                   axis = parentOf(axis))
                chain.push_back(axis);
              for (Axis axis : llvm::reverse(chain))
                edge = firstChild(inner, at, axis, edge);
              for (Axis dim : ArrayRef(space.slots).drop_front())
                edge = arith::MulIOp::create(inner, at, edge,
                                             extentAt(inner, dim, at));
              if (place->there)
                edge = arith::SelectOp::create(inner, at, place->there, edge,
                                               constantAt(inner, 0, at));
              result =
                  !result ? edge
                  : end
                      ? Value(arith::MinSIOp::create(inner, at, result, edge))
                      : Value(arith::MaxSIOp::create(inner, at, result, edge));
            }
            return arith::IndexCastOp::create(inner, at, inner.getI32Type(),
                                              result);
          });
    };
    relation.begin = bound(false);
    relation.end = bound(true);
  }
  for (Tie tie : masks) {
    SmallVector<Axis> items = dimsOf(ArrayRef(tie.per));
    SmallVector<OpFoldResult> shape = sizesOf(items, loc);
    llvm::append_range(shape, sizesOf(space.slots, loc));
    Value mask = generate(
        shape, b.getI1Type(), loc,
        [&](OpBuilder &inner, Location at, ValueRange here) -> Value {
          // A row of a plan is the item it is for and its rank.
          SmallVector<Axis> shared = dimsOf(ArrayRef(tie.shared));
          Value same;
          auto left = placesOf(inner, at, shared, items,
                               here.take_front(items.size()), same);
          auto right = placesOf(inner, at, shared, space.slots,
                                here.drop_front(items.size()), same);
          for (auto [one, other] : llvm::zip(*left, *right)) {
            Value equal = arith::CmpIOp::create(
                inner, at, arith::CmpIPredicate::eq, one, other);
            same = same ? Value(arith::AndIOp::create(inner, at, same, equal))
                        : equal;
          }
          return same;
        });
    SmallVector<AffineExpr> exprs;
    for (Axis dim : items)
      exprs.push_back(b.getAffineDimExpr(llvm::find(space.batch, dim) -
                                         space.batch.begin()));
    exprs.push_back(b.getAffineDimExpr(rank - 1));
    relation.masks.push_back({flattened(mask, items.size(), loc),
                              AffineMap::get(rank, 0, exprs, b.getContext())});
  }
  return relation;
}

Value Lowering::isAllowed(OpBuilder &inner, Location loc,
                          const Relation &relation, ValueRange item,
                          Value candidate) {
  Value allowed;
  auto also = [&](Value condition) {
    allowed = allowed
                  ? Value(arith::AndIOp::create(inner, loc, allowed, condition))
                  : condition;
  };
  for (const Mapped &mask : relation.masks) {
    SmallVector<Value> read;
    for (unsigned i = 0; i < mask.map.getNumResults(); ++i) {
      unsigned d = mask.map.getDimPosition(i);
      read.push_back(d < item.size() ? Value(item[d]) : candidate);
    }
    also(tensor::ExtractOp::create(inner, loc, mask.tensor, read));
  }
  if (relation.begin) {
    Value place =
        arith::IndexCastOp::create(inner, loc, inner.getI32Type(), candidate);
    for (auto [edge, predicate] :
         {std::pair(relation.begin, arith::CmpIPredicate::sge),
          std::pair(relation.end, arith::CmpIPredicate::slt)})
      also(arith::CmpIOp::create(
          inner, loc, predicate, place,
          tensor::ExtractOp::create(inner, loc, edge, item)));
  }
  return allowed;
}

/// A number that follows from the sizes of axes alone, such as a capacity that
/// is a share of the tokens; null for others.
Value Lowering::fromSizes(Value route, Location loc) {
  auto type = dyn_cast<ArrayType>(route.getType());
  Operation *op = route.getDefiningOp();
  if (!type || !op || !type.getAxes().empty())
    return {};
  Type held = element(type.getElementType());
  if (auto size = dyn_cast<SizeOp>(op))
    return arith::IndexCastOp::create(b, loc, held,
                                      sizeValue(size.getAxisAttr(), loc));
  if (auto constant = dyn_cast<ConstantOp>(op)) {
    auto number = dyn_cast<TypedAttr>(constant.getValue());
    return number && number.getType() == held
               ? Value(arith::ConstantOp::create(b, loc, number))
               : Value();
  }
  if (!isa<UnaryOp, BinaryOp, CompareOp, SelectOp, CastOp>(op))
    return {};
  SmallVector<Value> args;
  for (Value operand : op->getOperands())
    if (!args.emplace_back(fromSizes(operand, loc)))
      return {};
  return scalarOf(b, op, args);
}

/// The most rows that an item can have.
void Lowering::setCapacity(ChooseOp op, Plan &rows, const ChoiceSpace &space) {
  int64_t most = 1;
  for (Axis dim : space.slots)
    most = ShapedType::isDynamic(most) || ShapedType::isDynamic(staticSize(dim))
               ? ShapedType::kDynamic
               : most * staticSize(dim);
  std::optional<int64_t> fixed;
  if (op.getKind() == ChoiceKind::count)
    fixed = constantOf(op.getCount());
  if (fixed)
    most = std::max<int64_t>(
        1, ShapedType::isDynamic(most) ? *fixed : std::min(*fixed, most));
  rows.rank = most;
  if (!ShapedType::isDynamic(most))
    return;
  rows.extent = space.candidates;
  Location loc = op.getLoc();
  Value count = op.getKind() == ChoiceKind::count
                    ? fromSizes(op.getCount(), loc)
                    : Value();
  if (count && count.getType().isInteger(64)) {
    Value least = arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(1));
    Value all = arith::IndexCastOp::create(b, loc, b.getI64Type(), rows.extent);
    // As many as there are, which may be none, at most; at least one.
    count = arith::MinSIOp::create(
        b, loc, arith::MaxSIOp::create(b, loc, count, least), all);
    rows.extent = arith::IndexCastOp::create(b, loc, b.getIndexType(), count);
  }
}

/// The most rows of each item: what the count says, none for rows that are
/// missing. Null where nothing but the capacity limits them.
LogicalResult Lowering::itemLimits(ChooseOp op, const ChoiceSpace &space,
                                   Value &limit) {
  Location loc = op.getLoc();
  unsigned rank = space.batch.size() + 1;
  bool ofRows = llvm::any_of(
      space.batch, [&](Axis dim) { return kindOf(dim) == AxisKind::plan; });
  std::optional<int64_t> fixed;
  if (op.getKind() == ChoiceKind::count)
    fixed = constantOf(op.getCount());
  if (ofRows ||
      (op.getKind() == ChoiceKind::count && (!fixed || *fixed <= 0))) {
    std::optional<Mapped> count;
    if (op.getKind() == ChoiceKind::count) {
      auto type = cast<ArrayType>(op.getCount().getType());
      Value tensor = get(op.getCount());
      if (!tensor)
        return failure();
      count = overSpace(tensor, dimsOf(type), space, loc);
      if (!count || count->map.isFunctionOfDim(rank - 1))
        return notCovered(op, "a count over these axes");
    }
    limit = generate(
        sizesOf(space.batch, loc), b.getI32Type(), loc,
        [&](OpBuilder &inner, Location at, ValueRange here) -> Value {
          Value wide = arith::ConstantOp::create(
              inner, at, inner.getI64IntegerAttr(INT32_MAX));
          if (count) {
            SmallVector<Value> place;
            for (unsigned i = 0; i < count->map.getNumResults(); ++i)
              place.push_back(here[count->map.getDimPosition(i)]);
            // Clamped first: the count may be any i64.
            Value given =
                tensor::ExtractOp::create(inner, at, count->tensor, place);
            if (!given.getType().isInteger(64))
              given =
                  arith::ExtSIOp::create(inner, at, inner.getI64Type(), given);
            Value zero = arith::ConstantOp::create(inner, at,
                                                   inner.getI64IntegerAttr(0));
            wide = arith::MinSIOp::create(
                inner, at, arith::MaxSIOp::create(inner, at, given, zero),
                wide);
          }
          Value most =
              arith::TruncIOp::create(inner, at, inner.getI32Type(), wide);
          if (Value there = presentAt(inner, at, space.batch, here))
            most = arith::SelectOp::create(
                inner, at, there, most,
                arith::ConstantOp::create(inner, at,
                                          inner.getI32IntegerAttr(0)));
          return most;
        });
  }
  return success();
}

LogicalResult Lowering::makeColumnChoice(ChooseOp op, Plan &rows,
                                         const ChoiceSpace &space,
                                         ValueRange keys, ArrayRef<bool> up,
                                         ArrayRef<Mapped> more, Value limit) {
  Location loc = op.getLoc();
  SmallVector<Value> keyTensors, maskTensors, range;
  SmallVector<AffineMap> maps;
  for (Value key : keys) {
    std::optional<Mapped> mapped = keyOver(key, space);
    if (!mapped)
      return notCovered(op, "a key over these axes");
    keyTensors.push_back(mapped->tensor);
    maps.push_back(mapped->map);
  }
  Relation relation = relate(rows, space, loc);
  llvm::append_range(relation.masks, more);
  if (op.getMask()) {
    Value tensor = get(op.getMask());
    std::optional<Mapped> mapped =
        tensor
            ? overSpace(tensor, dimsOf(cast<ArrayType>(op.getMask().getType())),
                        space, loc)
            : std::nullopt;
    if (!mapped)
      return notCovered(op, "a mask over these axes");
    relation.masks.push_back(*mapped);
  }
  for (const Mapped &mask : relation.masks) {
    maskTensors.push_back(mask.tensor);
    maps.push_back(mask.map);
  }
  unsigned rank = space.batch.size() + 1;
  SmallVector<AffineExpr> items;
  for (unsigned i = 0; i + 1 < rank; ++i)
    items.push_back(b.getAffineDimExpr(i));
  AffineMap perItem = AffineMap::get(rank, 0, items, b.getContext());
  if (relation.begin) {
    range = {relation.begin, relation.end};
    maps.append(2, perItem);
  }
  if (limit)
    maps.push_back(perItem);
  SmallVector<OpFoldResult> shape = sizesOf(space.batch, loc);
  Value counts = tensor::EmptyOp::create(b, loc, shape, b.getI32Type());
  shape.push_back(rows.extent ? OpFoldResult(rows.extent)
                              : OpFoldResult(b.getIndexAttr(rows.rank)));
  Value indices = tensor::EmptyOp::create(b, loc, shape, b.getI32Type());
  auto choose = ragged::ChooseOp::create(
      b, loc, TypeRange{indices.getType(), counts.getType()}, space.candidates,
      keyTensors, maskTensors, range, limit, b.getAffineMapArrayAttr(maps),
      b.getDenseBoolArrayAttr(up), indices, counts);
  rows.indices = choose->getResult(0);
  rows.counts = choose->getResult(1);
  return success();
}

LogicalResult Lowering::lowerColumnChoice(ChooseOp op, Plan rows) {
  ChoiceSpace space = choiceSpace(rows, op.getLoc());
  setCapacity(op, rows, space);
  Value limits;
  if (failed(itemLimits(op, space, limits)) ||
      failed(makeColumnChoice(op, rows, space, op.getKeys(), op.getUp(), {},
                              limits)))
    return failure();
  plans[rows.axis.getValue()] = rows;
  return success();
}
