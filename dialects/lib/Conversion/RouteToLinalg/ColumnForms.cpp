// Plans as values outside row programs.
// Choices by table, membership, plans one behind the other and the first plan
// that has rows.
#include "Lowering.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "route/Dialect/Ragged/IR/Ragged.h"

using namespace mlir;
using namespace route;
using namespace route::lowering;

/// Whether some row of the plan descends from each position.
LogicalResult Lowering::lowerMemberByPlace(MemberOp op) {
  Location loc = op.getLoc();
  Axis axis = plan(op.getPlan()).axis;
  SmallVector<Axis> kept = dimsOf(cast<ArrayType>(op.getType())),
                    rows = dimsOf(ArrayRef(axis));
  auto truth = [&](bool value) -> Value {
    return arith::ConstantOp::create(b, loc, b.getBoolAttr(value));
  };
  Value none = linalg::FillOp::create(b, loc, truth(false),
                                      empty(kept, b.getI1Type(), loc))
                   .getResult(0);
  bool ok = true;
  SmallVector<Value> made = forEachPosition(
      rows, none, loc,
      [&](ValueRange at, ValueRange held) -> SmallVector<Value> {
        return when(
            presentAt(b, loc, rows, at), held, loc,
            [&]() -> SmallVector<Value> {
              Value there;
              SmallVector<Value> places;
              for (Axis dim : kept) {
                std::optional<Place> place = placeOf(b, loc, dim, rows, at);
                if (!place) {
                  ok = false;
                  return {held[0]};
                }
                places.push_back(place->position);
                if (place->there)
                  there = there ? Value(arith::AndIOp::create(b, loc, there,
                                                              place->there))
                                : place->there;
              }
              return when(there, held, loc, [&]() -> SmallVector<Value> {
                return {tensor::InsertOp::create(b, loc, truth(true), held[0],
                                                 places)};
              });
            });
      });
  if (!ok)
    return notCovered(op, "membership at these positions");
  set(op.getResult(), made.front());
  return success();
}

/// Rows put together from several plans: row `r` of an item is row `rank` of
/// its plan number `which`, none where that is -1.
Value Lowering::joined(ArrayRef<Value> tensors, Value which, Value rank,
                       ArrayRef<Axis> dims, unsigned items, TypedAttr none,
                       Location loc) {
  return generate(
      sizesOf(dims, loc), none.getType(), loc,
      [&](OpBuilder &inner, Location at, ValueRange here) -> Value {
        SmallVector<Value> row(here.take_front(items + 1));
        Value source = tensor::ExtractOp::create(inner, at, which, row),
              place = arith::IndexCastOp::create(
                  inner, at, inner.getIndexType(),
                  tensor::ExtractOp::create(inner, at, rank, row));
        Value result = arith::ConstantOp::create(inner, at, none);
        SmallVector<Value> from(here);
        from[items] = place;
        for (auto [i, tensor] : llvm::enumerate(tensors)) {
          Value mine = arith::CmpIOp::create(
              inner, at, arith::CmpIPredicate::eq, source,
              arith::ConstantOp::create(inner, at, inner.getI32IntegerAttr(i)));
          result = scf::IfOp::create(
                       inner, at, mine,
                       [&, tensor = tensor](OpBuilder &then, Location place) {
                         Value found = tensor::ExtractOp::create(then, place,
                                                                 tensor, from);
                         scf::YieldOp::create(then, place, found);
                       },
                       [&](OpBuilder &other, Location place) {
                         scf::YieldOp::create(other, place, result);
                       })
                       .getResult(0);
        }
        return result;
      });
}

/// Makes `rows` and its columns from `sources` as `which` and `rank` say.
LogicalResult Lowering::joinPlans(Operation *op, Plan rows,
                                  ArrayRef<Plan> sources, Value which,
                                  Value rank, OperandRange columns,
                                  ResultRange results) {
  Location loc = op->getLoc();
  plans[rows.axis.getValue()] = rows;
  unsigned items = dimsOf(rows.per).size();
  SmallVector<Value> indices;
  for (const Plan &source : sources)
    indices.push_back(source.indices);
  Value made = joined(indices, which, rank, dimsOf(ArrayRef(rows.axis)), items,
                      b.getI32IntegerAttr(-1), loc);
  plans[rows.axis.getValue()].indices = made;
  for (auto [c, result] : llvm::enumerate(results)) {
    auto type = cast<ArrayType>(result.getType());
    Type held = element(type.getElementType());
    if (!isa<IntegerType, FloatType>(held))
      return notCovered(op, "plan columns of this type");
    SmallVector<Value> parts;
    for (unsigned i = 0; i < sources.size(); ++i) {
      Value part = get(columns[i * results.size() + c]);
      if (!part)
        return failure();
      parts.push_back(part);
    }
    set(result, joined(parts, which, rank, dimsOf(type), items,
                       cast<TypedAttr>(b.getZeroAttr(held)), loc));
  }
  return success();
}

/// The size of a plan's last dimension.
OpFoldResult Lowering::capacity(const Plan &rows) {
  return rows.extent ? OpFoldResult(rows.extent)
                     : OpFoldResult(b.getIndexAttr(rows.rank));
}

LogicalResult Lowering::concatColumns(ConcatOp op) {
  Location loc = op.getLoc();
  Plan left = plan(op.getLhs()), right = plan(op.getRhs()), rows = left;
  if (left.per != right.per || left.candidates != right.candidates)
    return notCovered(op, "plans from different axes one behind the other");
  rows.axis = rows.base = op.getAxisAttr();
  rows.extent = {};
  rows.rank = left.rank + right.rank;
  if (left.extent || right.extent) {
    rows.rank = ShapedType::kDynamic;
    rows.extent = arith::AddIOp::create(
        b, loc, getValueOrCreateConstantIndexOp(b, loc, capacity(left)),
        getValueOrCreateConstantIndexOp(b, loc, capacity(right)));
  }
  SmallVector<OpFoldResult> shape = sizesOf(dimsOf(rows.per), loc);
  rows.counts = generate(
      shape, b.getI32Type(), loc,
      [&](OpBuilder &inner, Location at, ValueRange here) -> Value {
        return arith::AddIOp::create(
            inner, at, tensor::ExtractOp::create(inner, at, left.counts, here),
            tensor::ExtractOp::create(inner, at, right.counts, here));
      });
  shape.push_back(capacity(rows));
  auto rowOf = [&](bool rank) {
    return generate(
        shape, b.getI32Type(), loc,
        [&](OpBuilder &inner, Location at, ValueRange here) -> Value {
          auto number = [&](int32_t value) -> Value {
            return arith::ConstantOp::create(inner, at,
                                             inner.getI32IntegerAttr(value));
          };
          ValueRange place = here.drop_back();
          Value r = arith::IndexCastOp::create(inner, at, inner.getI32Type(),
                                               here.back()),
                first =
                    tensor::ExtractOp::create(inner, at, left.counts, place),
                all = tensor::ExtractOp::create(inner, at, rows.counts, place);
          Value inFirst = arith::CmpIOp::create(
                    inner, at, arith::CmpIPredicate::slt, r, first),
                inBoth = arith::CmpIOp::create(
                    inner, at, arith::CmpIPredicate::slt, r, all);
          if (rank)
            return arith::SelectOp::create(
                inner, at, inFirst, r,
                arith::SubIOp::create(inner, at, r, first));
          return arith::SelectOp::create(
              inner, at, inFirst, number(0),
              arith::SelectOp::create(inner, at, inBoth, number(1),
                                      number(-1)));
        });
  };
  Value which = rowOf(false), rank = rowOf(true);
  return joinPlans(op, rows, {left, right}, which, rank, op.getColumns(),
                   op.getResultColumns());
}

LogicalResult Lowering::firstPlanColumns(FirstPlanOp op) {
  Location loc = op.getLoc();
  SmallVector<Plan> sources;
  for (Value source : op.getPlans())
    sources.push_back(plan(source));
  Plan rows = sources.front();
  rows.axis = rows.base = op.getAxisAttr();
  rows.extent = {};
  for (const Plan &source : sources) {
    if (source.per != rows.per || source.candidates != rows.candidates)
      return notCovered(op, "plans from different axes in one rule set");
    if (source.extent)
      rows.extent = rows.extent ? Value(arith::MaxUIOp::create(
                                      b, loc, rows.extent, source.extent))
                                : source.extent;
    else
      rows.rank = std::max(ShapedType::isDynamic(rows.rank) ? 1 : rows.rank,
                           source.rank);
  }
  if (rows.extent) {
    rows.extent = arith::MaxUIOp::create(b, loc, rows.extent,
                                         constantIndex(rows.rank, loc));
    rows.rank = ShapedType::kDynamic;
  }
  SmallVector<Axis> batch = dimsOf(rows.per);
  SmallVector<Operand> whens;
  for (Value when : op.getWhens()) {
    Value tensor = get(when);
    if (!tensor)
      return failure();
    whens.push_back({tensor, cast<ArrayType>(when.getType())});
  }
  auto batchType = ArrayType::get(b.getI32Type(), rows.per);
  for (const Plan &source : sources)
    whens.push_back({source.counts, batchType});
  unsigned number = sources.size();
  Value first =
      map(batch, b.getI32Type(), whens, loc,
          [&](OpBuilder &inner, Location at, ValueRange args) -> Value {
            return firstThatFires(inner, at, args.take_front(number),
                                  args.drop_front(number));
          });
  SmallVector<Operand> countOf = {{first, batchType}};
  for (const Plan &source : sources)
    countOf.push_back({source.counts, batchType});
  rows.counts =
      map(batch, b.getI32Type(), countOf, loc,
          [&](OpBuilder &inner, Location at, ValueRange args) -> Value {
            auto constant = [&](int32_t value) -> Value {
              return arith::ConstantOp::create(inner, at,
                                               inner.getI32IntegerAttr(value));
            };
            Value result = constant(0);
            for (unsigned i = 0; i < number; ++i)
              result = arith::SelectOp::create(
                  inner, at,
                  arith::CmpIOp::create(inner, at, arith::CmpIPredicate::eq,
                                        args[0], constant(i)),
                  args[i + 1], result);
            return result;
          });
  SmallVector<OpFoldResult> shape = sizesOf(batch, loc);
  shape.push_back(capacity(rows));
  auto rankAt = [&](OpBuilder &inner, Location at, ValueRange here) -> Value {
    return arith::IndexCastOp::create(inner, at, inner.getI32Type(),
                                      here.back());
  };
  Value rank = generate(shape, b.getI32Type(), loc, rankAt);
  Value which = generate(
      shape, b.getI32Type(), loc,
      [&](OpBuilder &inner, Location at, ValueRange here) -> Value {
        Value mine =
                  tensor::ExtractOp::create(inner, at, first, here.drop_back()),
              count = tensor::ExtractOp::create(inner, at, rows.counts,
                                                here.drop_back());
        Value inside =
            arith::CmpIOp::create(inner, at, arith::CmpIPredicate::slt,
                                  rankAt(inner, at, here), count);
        return arith::SelectOp::create(
            inner, at, inside, mine,
            arith::ConstantOp::create(inner, at, inner.getI32IntegerAttr(-1)));
      });
  auto whichType = cast<ArrayType>(op.getWhich().getType());
  Type held = element(whichType.getElementType());
  set(op.getWhich(),
      held.isInteger(32)
          ? first
          : map(dimsOf(whichType), whichType.getElementType(),
                Operand{first, batchType}, loc,
                [&](OpBuilder &inner, Location at, ValueRange args) -> Value {
                  return arith::ExtSIOp::create(inner, at, held, args[0]);
                }));
  return joinPlans(op, rows, sources, which, rank, op.getColumns(),
                   op.getResultColumns());
}

/// An entry of a table of whole numbers or rows as an i64: a narrow one may not
/// hold how many rows there are.
Value lowering::wholeEntry(OpBuilder &b, Location loc, Value entry,
                           ArrayType table) {
  Type i64 = b.getI64Type();
  if (entry.getType() == i64)
    return entry;
  return table.getElementType().isUnsignedInteger()
             ? Value(arith::ExtUIOp::create(b, loc, i64, entry))
             : Value(arith::ExtSIOp::create(b, loc, i64, entry));
}

/// The rows that a table names: the places in the table are chosen in its
/// order, then read.
LogicalResult Lowering::lowerListedColumns(ChooseOp op, Plan rows) {
  Location loc = op.getLoc();
  if (op.getTable().size() != 1)
    return notCovered(op, "a choice by several tables");
  auto type = cast<ArrayType>(op.getTable().front().getType());
  Value table = get(op.getTable().front());
  if (!table)
    return failure();
  ChoiceSpace space = choiceSpace(rows, loc);
  SmallVector<Axis> batch = space.batch, along, dims = dimsOf(type);
  for (Axis dim : dims)
    if (llvm::none_of(batch, [&](Axis item) { return descends(item, dim); }))
      along.push_back(dim);
  if (along.size() > 1 || kindOf(rows.candidates) == AxisKind::plan)
    return notCovered(op, "a table over these axes");
  rows.rank = along.empty() ? 1 : staticSize(along.front());
  if (ShapedType::isDynamic(rows.rank))
    rows.extent = sizeValue(along.front(), loc);
  // What each place of the table names: allowed, in range, not missing.
  Relation relation = relate(rows, space, loc);
  if (op.getMask()) {
    Value tensor = get(op.getMask());
    std::optional<Mapped> mask =
        tensor
            ? overSpace(tensor, dimsOf(cast<ArrayType>(op.getMask().getType())),
                        space, loc)
            : std::nullopt;
    if (!mask)
      return notCovered(op, "a mask over these axes");
    relation.masks.push_back(*mask);
  }
  SmallVector<OpFoldResult> items = sizesOf(batch, loc), shape(items);
  shape.push_back(capacity(rows));
  bool ok = true;
  Value named = generate(
      shape, b.getI32Type(), loc,
      [&](OpBuilder &inner, Location at, ValueRange here) -> Value {
        ValueRange itemAt = here.drop_back();
        Value none =
            arith::ConstantOp::create(inner, at, inner.getI32IntegerAttr(-1));
        SmallVector<Value> place;
        Value there = presentAt(inner, at, batch, itemAt);
        for (Axis dim : dims) {
          if (llvm::is_contained(along, dim)) {
            place.push_back(here.back());
            continue;
          }
          std::optional<Place> above = placeOf(inner, at, dim, batch, itemAt);
          ok &= above && !above->there;
          place.push_back(above ? above->position : here.back());
        }
        Value entry = tensor::ExtractOp::create(inner, at, table, place);
        Value wide = wholeEntry(inner, at, entry, type);
        Value end = arith::IndexCastOp::create(inner, at, inner.getI64Type(),
                                               space.candidates);
        Value inside = arith::CmpIOp::create(
            inner, at, arith::CmpIPredicate::ult, wide, end);
        if (there)
          inside = arith::AndIOp::create(inner, at, inside, there);
        return scf::IfOp::create(
                   inner, at, inside,
                   [&](OpBuilder &then, Location loc) {
                     Value candidate = arith::IndexCastOp::create(
                         then, loc, then.getIndexType(), wide);
                     Value narrow = arith::TruncIOp::create(
                         then, loc, then.getI32Type(), wide);
                     Value allowed =
                         isAllowed(then, loc, relation, itemAt, candidate);
                     if (allowed)
                       narrow = arith::SelectOp::create(then, loc, allowed,
                                                        narrow, none);
                     scf::YieldOp::create(then, loc, narrow);
                   },
                   [&](OpBuilder &other, Location loc) {
                     scf::YieldOp::create(other, loc, none);
                   })
            .getResult(0);
      });
  if (!ok)
    return notCovered(op, "a table over these axes");
  Value valid = generate(
      shape, b.getI1Type(), loc,
      [&](OpBuilder &inner, Location at, ValueRange here) -> Value {
        return arith::CmpIOp::create(
            inner, at, arith::CmpIPredicate::sge,
            tensor::ExtractOp::create(inner, at, named, here),
            arith::ConstantOp::create(inner, at, inner.getI32IntegerAttr(0)));
      });
  Value counts = tensor::EmptyOp::create(b, loc, items, b.getI32Type()),
        places = tensor::EmptyOp::create(b, loc, shape, b.getI32Type());
  Value most = getValueOrCreateConstantIndexOp(b, loc, capacity(rows));
  AffineMap identity = b.getMultiDimIdentityMap(shape.size());
  auto choose = ragged::ChooseOp::create(
      b, loc, TypeRange{places.getType(), counts.getType()}, most, ValueRange(),
      ValueRange(valid), ValueRange(), Value(),
      b.getAffineMapArrayAttr(identity), b.getDenseBoolArrayAttr({}), places,
      counts);
  rows.counts = choose->getResult(1);
  places = choose->getResult(0);
  rows.indices = generate(
      shape, b.getI32Type(), loc,
      [&](OpBuilder &inner, Location at, ValueRange here) -> Value {
        Value place = tensor::ExtractOp::create(inner, at, places, here);
        Value none =
            arith::ConstantOp::create(inner, at, inner.getI32IntegerAttr(-1));
        Value there = arith::CmpIOp::create(
            inner, at, arith::CmpIPredicate::sge, place,
            arith::ConstantOp::create(inner, at, inner.getI32IntegerAttr(0)));
        return scf::IfOp::create(
                   inner, at, there,
                   [&](OpBuilder &then, Location loc) {
                     SmallVector<Value> from(here.drop_back());
                     from.push_back(arith::IndexCastOp::create(
                         then, loc, then.getIndexType(), place));
                     Value entry =
                         tensor::ExtractOp::create(then, loc, named, from);
                     scf::YieldOp::create(then, loc, entry);
                   },
                   [&](OpBuilder &other, Location loc) {
                     scf::YieldOp::create(other, loc, none);
                   })
            .getResult(0);
      });
  plans[rows.axis.getValue()] = rows;
  return success();
}
