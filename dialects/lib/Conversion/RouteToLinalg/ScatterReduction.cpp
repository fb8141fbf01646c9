// Reductions by place: each element goes where it descends from.
// They are made in storage order, for what the rows of numbers in Reduction.cpp
// and the walks of GroupReduction.cpp are no form of: integers per parent, all
// per what was chosen, counts, positions, modes.
#include "Lowering.h"

using namespace mlir;
using namespace route;
using namespace route::lowering;

/// Whether `x` comes before `y` in a choice of one: NaN loses to every number.
static Value beats(OpBuilder &b, Location loc, Value x, Value y, bool least) {
  if (isa<IntegerType>(x.getType())) {
    Type wide = x.getType().isInteger(1) ? Type(b.getI32Type()) : x.getType();
    return arith::CmpIOp::create(
        b, loc, least ? arith::CmpIPredicate::slt : arith::CmpIPredicate::sgt,
        widenTo(b, loc, x, wide), widenTo(b, loc, y, wide));
  }
  Value wins = arith::CmpFOp::create(
      b, loc, least ? arith::CmpFPredicate::OLT : arith::CmpFPredicate::OGT, x,
      y);
  Value nan = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UNO, y, y);
  Value number = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::ORD, x, x);
  return arith::OrIOp::create(b, loc, wins,
                              arith::AndIOp::create(b, loc, nan, number));
}

/// Runs `step(place, carried, element, position)` for every element of `source`
/// that is there, in storage order. Empty where the result is not above the
/// operand.
SmallVector<Value> Lowering::scatter(ReduceOp op, Value source,
                                     ValueRange carried, Scattered step) {
  Location loc = op.getLoc();
  SmallVector<Axis> dims = dimsOf(cast<ArrayType>(op.getOperand().getType())),
                    kept = dimsOf(cast<ArrayType>(op.getType()));
  if (llvm::any_of(kept, [&](Axis above) {
        return llvm::none_of(dims,
                             [&](Axis dim) { return descends(dim, above); });
      }))
    return {};
  return forEachMeeting(
      meetingsOf(op, tables), {}, {}, dims, carried, loc,
      [&](ValueRange at, ValueRange held) -> SmallVector<Value> {
        return when(presentAt(b, loc, dims, at), held, loc,
                    [&]() -> SmallVector<Value> {
                      Value there;
                      auto place = placesOf(b, loc, kept, dims, at, there);
                      return when(there, held, loc, [&]() {
                        Value element =
                            tensor::ExtractOp::create(b, loc, source, at);
                        return step(*place, held, element, at);
                      });
                    });
      });
}

/// The sums of 32 partials each, as numerics.h joins them, or with `counts`
/// their means. Partials lie along dimension `along`.
Value Lowering::lastOfTree(Value partials, unsigned along, Counted counts,
                           ArrayRef<Axis> kept, Type type, Location loc) {
  auto from = cast<RankedTensorType>(partials.getType());
  int64_t width = from.getDimSize(along);
  return generate(
      sizesOf(kept, loc), type, loc,
      [&](OpBuilder &inner, Location at, ValueRange here) -> Value {
        SmallVector<Value> part;
        for (int64_t j = 0; j < width; ++j) {
          SmallVector<Value> place(here);
          place.insert(place.begin() + along, constantAt(inner, j, at));
          part.push_back(tensor::ExtractOp::create(inner, at, partials, place));
        }
        for (int64_t s = width / 2; s; s /= 2)
          for (int64_t j = 0; j < s; ++j)
            part[j] = arith::AddFOp::create(inner, at, part[j], part[j + s]);
        Value result = part[0];
        if (counts)
          result = arith::DivFOp::create(
              inner, at, result,
              arith::SIToFPOp::create(inner, at, from.getElementType(),
                                      counts(inner, here)));
        return widenTo(inner, at, result, type);
      });
}

LogicalResult Lowering::reduceByPlace(ReduceOp op, Value source) {
  Location loc = op.getLoc();
  auto from = cast<ArrayType>(op.getOperand().getType()),
       to = cast<ArrayType>(op.getType());
  ReduceKind kind = op.getKind();
  SmallVector<Axis> kept = dimsOf(to);
  Type type = cast<RankedTensorType>(source.getType()).getElementType(),
       resultType = element(to.getElementType());
  if (!isa<IntegerType, FloatType>(type))
    return notCovered(op, "a reduction of these elements");
  if (kind == ReduceKind::mode)
    return reduceMode(op, source);
  if (std::optional<Descendants> below = reducedBelow(op))
    return reduceBelow(op, source, *below);
  auto filled = [&](ArrayRef<OpFoldResult> shape, TypedAttr value) -> Value {
    Value init = tensor::EmptyOp::create(b, loc, shape, value.getType());
    Value scalar = arith::ConstantOp::create(b, loc, value);
    return linalg::FillOp::create(b, loc, scalar, init).getResult(0);
  };
  SmallVector<OpFoldResult> shape = sizesOf(kept, loc);
  auto extract = [&](Value tensor, ValueRange at) -> Value {
    return tensor::ExtractOp::create(b, loc, tensor, at);
  };
  auto insert = [&](Value value, Value tensor, ValueRange at) -> Value {
    return tensor::InsertOp::create(b, loc, value, tensor, at);
  };
  SmallVector<Value> made;
  bool mean = kind == ReduceKind::mean;
  if (mean || (kind == ReduceKind::sum && isa<FloatType>(type))) {
    // Along the rows of a plan one by one, else in 32 partials.
    bool inOrder = llvm::any_of(from.getAxes(), [&](Axis axis) {
      return kindOf(axis) == AxisKind::plan && !to.hasAxis(axis);
    });
    Type held = resultType.isF64() || type.isF64() ? Type(b.getF64Type())
                                                   : Type(b.getF32Type());
    if (mean && !isa<FloatType>(resultType))
      return notCovered(op, "a mean of this type");
    SmallVector<OpFoldResult> partShape(shape);
    partShape.push_back(b.getIndexAttr(inOrder ? 1 : 32));
    made = scatter(
        op, source,
        {filled(partShape, cast<TypedAttr>(b.getZeroAttr(held))),
         filled(shape, b.getI32IntegerAttr(0))},
        [&](ValueRange at, ValueRange carried, Value x,
            ValueRange) -> SmallVector<Value> {
          Value count = extract(carried[1], at);
          auto i32 = [&](int32_t value) -> Value {
            return arith::ConstantOp::create(b, loc,
                                             b.getI32IntegerAttr(value));
          };
          SmallVector<Value> place(at);
          place.push_back(
              inOrder ? constantIndex(0, loc)
                      : Value(arith::IndexCastOp::create(
                            b, loc, b.getIndexType(),
                            arith::AndIOp::create(b, loc, count, i32(31)))));
          Value old = extract(carried[0], place),
                wide = widenTo(b, loc, x, held);
          Value sum = arith::AddFOp::create(b, loc, old, wide);
          if (!inOrder) {
            Value first = arith::CmpIOp::create(
                b, loc, arith::CmpIPredicate::slt, count, i32(32));
            sum = arith::SelectOp::create(b, loc, first, wide, sum);
          }
          return {insert(sum, carried[0], place),
                  insert(arith::AddIOp::create(b, loc, count, i32(1)),
                         carried[1], at)};
        });
    if (made.empty())
      return notCovered(op, "this reduction");
    auto countAt = [&](OpBuilder &inner, ValueRange here) -> Value {
      return tensor::ExtractOp::create(inner, loc, made[1], here);
    };
    set(op.getResult(),
        lastOfTree(made[0], kept.size(), mean ? Counted(countAt) : Counted(),
                   kept, resultType, loc));
    return success();
  }
  if (kind == ReduceKind::argmax || kind == ReduceKind::argmin) {
    SmallVector<Axis> reduced;
    for (Axis axis : from.getAxes())
      if (!to.hasAxis(axis))
        reduced.push_back(axis);
    if (reduced.size() != 1)
      return notCovered(op, "'" + stringifyReduceKind(kind) +
                                "' along other than one axis");
    // The place of a row of a plan is that in its index, as in its refs.
    SmallVector<Axis> dims = dimsOf(from), along = dimsOf(reduced);
    bool least = kind == ReduceKind::argmin;
    made = scatter(
        op, source,
        {filled(shape, b.getIntegerAttr(resultType, -1)),
         filled(shape, cast<TypedAttr>(b.getZeroAttr(type)))},
        [&](ValueRange at, ValueRange held, Value x,
            ValueRange origin) -> SmallVector<Value> {
          Value best = extract(held[0], at), y = extract(held[1], at);
          Value none = arith::CmpIOp::create(
              b, loc, arith::CmpIPredicate::slt, best,
              arith::ConstantOp::create(b, loc,
                                        b.getIntegerAttr(resultType, 0)));
          Value better =
              arith::OrIOp::create(b, loc, none, beats(b, loc, x, y, least));
          SmallVector<Value> places;
          for (Axis dim : along)
            places.push_back(origin[llvm::find(dims, dim) - dims.begin()]);
          Value position = arith::IndexCastOp::create(
              b, loc, resultType, linear(along, places, loc));
          return {
              insert(arith::SelectOp::create(b, loc, better, position, best),
                     held[0], at),
              insert(arith::SelectOp::create(b, loc, better, x, y), held[1],
                     at)};
        });
  } else if (kind == ReduceKind::count) {
    made = scatter(op, source, filled(shape, b.getIntegerAttr(resultType, 0)),
                   [&](ValueRange at, ValueRange carried, Value x,
                       ValueRange) -> SmallVector<Value> {
                     Value one =
                         type.isInteger(1)
                             ? widenTo(b, loc, x, resultType)
                             : Value(arith::ConstantOp::create(
                                   b, loc, b.getIntegerAttr(resultType, 1)));
                     return {insert(arith::AddIOp::create(
                                        b, loc, extract(carried[0], at), one),
                                    carried[0], at)};
                   });
  } else {
    made = scatter(
        op, source, filled(shape, identityOf(b, kind, type)),
        [&](ValueRange at, ValueRange carried, Value x,
            ValueRange) -> SmallVector<Value> {
          return {insert(combineOf(b, loc, kind, extract(carried[0], at), x),
                         carried[0], at)};
        });
  }
  if (made.empty())
    return notCovered(op, "this reduction");
  set(op.getResult(), made.front());
  return success();
}

/// The most frequent element, the first of those; a NaN equals nothing. Zero,
/// of rows none, where there is no element.
LogicalResult Lowering::reduceMode(ReduceOp op, Value source) {
  Location loc = op.getLoc();
  auto from = cast<ArrayType>(op.getOperand().getType());
  SmallVector<Axis> dims = dimsOf(from),
                    kept = dimsOf(cast<ArrayType>(op.getType()));
  Type type = cast<RankedTensorType>(source.getType()).getElementType();
  auto filled = [&](TypedAttr value) -> Value {
    Value scalar = arith::ConstantOp::create(b, loc, value);
    return linalg::FillOp::create(b, loc, scalar,
                                  tensor::EmptyOp::create(b, loc,
                                                          sizesOf(kept, loc),
                                                          value.getType())
                                      .getResult())
        .getResult(0);
  };
  auto i32 = [&](int32_t value) -> Value {
    return arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(value));
  };
  // Axes that stay are the same for both elements of a pair.
  SmallVector<Axis> inner;
  for (Axis dim : dims)
    if (!llvm::is_contained(kept, dim))
      inner.push_back(dim);
  SmallVector<Meeting> meetings = meetingsOf(op, tables);
  SmallVector<Value> made = forEachMeeting(
      meetings, {}, {}, dims,
      {filled(isa<RefType>(from.getElementType())
                  ? cast<TypedAttr>(b.getIntegerAttr(type, -1))
                  : cast<TypedAttr>(b.getZeroAttr(type))),
       filled(b.getI32IntegerAttr(0))},
      loc, [&](ValueRange at, ValueRange held) -> SmallVector<Value> {
        SmallVector<Value> outer(at), keptAt;
        SmallVector<Axis> keptDims;
        for (auto [dim, position] : llvm::zip(dims, at))
          if (llvm::is_contained(kept, dim)) {
            keptDims.push_back(dim);
            keptAt.push_back(position);
          }
        return when(
            presentAt(b, loc, dims, outer), held, loc,
            [&]() -> SmallVector<Value> {
              Value there;
              auto place = placesOf(b, loc, kept, dims, outer, there);
              if (!place)
                return {held[0], held[1]};
              return when(there, held, loc, [&]() -> SmallVector<Value> {
                Value x = tensor::ExtractOp::create(b, loc, source, outer);
                Value equal =
                    forEachMeeting(
                        meetings, keptDims, keptAt, inner, i32(0), loc,
                        [&](ValueRange at,
                            ValueRange count) -> SmallVector<Value> {
                          SmallVector<Value> other(outer);
                          for (auto [dim, position] : llvm::zip(inner, at))
                            other[llvm::find(dims, dim) - dims.begin()] =
                                position;
                          return when(
                              presentAt(b, loc, dims, other), count, loc,
                              [&]() -> SmallVector<Value> {
                                Value also;
                                auto second =
                                    placesOf(b, loc, kept, dims, other, also);
                                return when(
                                    also, count, loc,
                                    [&]() -> SmallVector<Value> {
                                      Value y = tensor::ExtractOp::create(
                                          b, loc, source, other);
                                      Value same =
                                          isa<FloatType>(type)
                                              ? Value(arith::CmpFOp::create(
                                                    b, loc,
                                                    arith::CmpFPredicate::OEQ,
                                                    x, y))
                                              : Value(arith::CmpIOp::create(
                                                    b, loc,
                                                    arith::CmpIPredicate::eq, x,
                                                    y));
                                      for (auto [p, q] :
                                           llvm::zip(*place, *second))
                                        same = arith::AndIOp::create(
                                            b, loc, same,
                                            arith::CmpIOp::create(
                                                b, loc,
                                                arith::CmpIPredicate::eq, p,
                                                q));
                                      return {arith::AddIOp::create(
                                          b, loc, count[0],
                                          widenTo(b, loc, same,
                                                  b.getI32Type()))};
                                    });
                              });
                        })
                        .front();
                equal = arith::MaxSIOp::create(b, loc, equal, i32(1));
                Value most = tensor::ExtractOp::create(b, loc, held[1], *place);
                Value more = arith::CmpIOp::create(
                    b, loc, arith::CmpIPredicate::sgt, equal, most);
                return when(more, held, loc, [&]() -> SmallVector<Value> {
                  return {
                      tensor::InsertOp::create(b, loc, x, held[0], *place),
                      tensor::InsertOp::create(b, loc, equal, held[1], *place)};
                });
              });
            });
      });
  set(op.getResult(), made.front());
  return success();
}
