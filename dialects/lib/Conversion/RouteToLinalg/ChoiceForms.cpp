// Choices made of row.choose and row.take.
// By table, plans one behind the other, the position of the best.
#include "Lowering.h"
#include "route/Dialect/Row/IR/RowDialect.h"

using namespace mlir;
using namespace route;
using namespace route::lowering;

/// Lifts `build`, which makes row ops, into a row program of one item where
/// none is at hand. `inputs` are tensors; each result gets back its own shape.
SmallVector<Value> Lowering::inRowProgram(
    ValueRange inputs, Location loc,
    llvm::function_ref<SmallVector<Value>(ValueRange)> build) {
  if (item)
    return build(inputs);
  // The body is made apart, to learn its results' shapes.
  OpBuilder::InsertPoint before = b.saveInsertionPoint();
  Region holder;
  Block *body = new Block;
  holder.push_back(body);
  for (Value input : inputs)
    body->addArgument(input.getType(), loc);
  b.setInsertionPointToStart(body);
  item = Axis::get(b.getContext(), "one item");
  SmallVector<Value> results = build(body->getArguments());
  item = {};
  row::YieldOp::create(b, loc, results);
  b.restoreInsertionPoint(before);
  SmallVector<Value> outs;
  SmallVector<Type> types;
  for (Value result : results) {
    auto type = cast<RankedTensorType>(result.getType());
    SmallVector<int64_t> shape = {1};
    llvm::append_range(shape, type.getShape());
    outs.push_back(
        tensor::EmptyOp::create(b, loc, shape, type.getElementType()));
    types.push_back(outs.back().getType());
  }
  auto program = row::ProgramOp::create(b, loc, types, ValueRange(), inputs,
                                        outs, ValueRange());
  program.getBody().takeBody(holder);
  SmallVector<Value> flat;
  for (auto [result, inner] : llvm::zip(program.getResults(), results)) {
    auto type = cast<RankedTensorType>(inner.getType());
    SmallVector<ReassociationIndices> groups;
    for (int64_t i = 0; i < type.getRank(); ++i)
      groups.push_back(i == 0 ? ReassociationIndices{0, 1}
                              : ReassociationIndices{i + 1});
    flat.push_back(
        tensor::CollapseShapeOp::create(b, loc, type, result, groups));
  }
  return flat;
}

/// The entries of `table` where `valid`, in order and without gaps: -1 behind
/// them; the places they came from; how many they are.
Lowering::Compacted Lowering::compact(Value table, Value valid, Location loc) {
  auto type = cast<RankedTensorType>(table.getType());
  auto countType =
      RankedTensorType::get(type.getShape().drop_back(), b.getI32Type());
  auto choose = row::ChooseOp::create(b, loc, type.clone(b.getI32Type()),
                                      countType, ValueRange(), valid, Value(),
                                      Value(), Value(), DenseBoolArrayAttr());
  Value places = choose.getIndices();
  Value taken = takeAt(table, places, loc);
  // What is taken from nowhere is no row.
  AffineMap identity = b.getMultiDimIdentityMap(type.getRank());
  Value init = tensor::EmptyOp::create(b, loc, type.getShape(), b.getI32Type());
  Value indices =
      linalg::GenericOp::create(
          b, loc, init.getType(), ValueRange{taken, places}, init,
          ArrayRef<AffineMap>{identity, identity, identity},
          SmallVector<utils::IteratorType>(type.getRank(),
                                           utils::IteratorType::parallel),
          [](OpBuilder &inner, Location at, ValueRange args) {
            Value there = arith::CmpIOp::create(
                inner, at, arith::CmpIPredicate::sge, args[1],
                arith::ConstantOp::create(inner, at,
                                          inner.getI32IntegerAttr(0)));
            Value none = arith::ConstantOp::create(inner, at,
                                                   inner.getI32IntegerAttr(-1));
            linalg::YieldOp::create(
                inner, at,
                arith::SelectOp::create(inner, at, there, args[0], none)
                    .getResult());
          })
          .getResult(0);
  return {indices, places, choose.getChosen()};
}

/// The rows that a table names, in its order.
LogicalResult Lowering::lowerListed(ChooseOp op, Plan rows) {
  Location loc = op.getLoc();
  if (op.getTable().size() != 1)
    return notCovered(op, "a choice by several tables");
  Value source = op.getTable().front();
  auto type = cast<ArrayType>(source.getType());
  Value table = get(source);
  if (!table)
    return failure();
  SmallVector<Axis> batch = dimsOf(rows.per), dims = dimsOf(type);
  SmallVector<Axis> want = batch, along;
  for (Axis dim : dims)
    if (!llvm::is_contained(batch, dim))
      along.push_back(dim);
  int64_t candidates = staticSize(rows.candidates);
  if (along.size() > 1 ||
      (!along.empty() && ShapedType::isDynamic(staticSize(along.front()))) ||
      ShapedType::isDynamic(candidates))
    return notCovered(op, "a table over these axes");
  llvm::append_range(want, along);
  rows.rank = along.empty() ? 1 : staticSize(along.front());
  Value positions =
      map(want, b.getI32Type(), Operand{table, type}, loc,
          [&](OpBuilder &inner, Location at, ValueRange args) -> Value {
            Value entry = wholeEntry(inner, at, args[0], type);
            Value end = arith::ConstantOp::create(
                inner, at, inner.getI64IntegerAttr(candidates));
            Value inside = arith::CmpIOp::create(
                inner, at, arith::CmpIPredicate::ult, entry, end);
            Value narrow =
                arith::TruncIOp::create(inner, at, inner.getI32Type(), entry);
            Value none = arith::ConstantOp::create(inner, at,
                                                   inner.getI32IntegerAttr(-1));
            return arith::SelectOp::create(inner, at, inside, narrow, none);
          });
  if (along.empty()) {
    // One row an item.
    auto flat = cast<RankedTensorType>(positions.getType());
    SmallVector<OpFoldResult> shape = tensor::getMixedSizes(b, loc, positions);
    shape.push_back(b.getIndexAttr(1));
    SmallVector<int64_t> extents(flat.getShape());
    extents.push_back(1);
    SmallVector<ReassociationIndices> groups;
    for (int64_t i = 0; i < flat.getRank(); ++i)
      groups.push_back({i});
    if (!groups.empty())
      groups.back().push_back(flat.getRank());
    positions = tensor::ExpandShapeOp::create(
        b, loc, RankedTensorType::get(extents, b.getI32Type()), positions,
        groups, shape);
  }
  Value mask;
  if (op.getMask() &&
      !(mask = candidatesLast(op.getMask(), rows, b.getI1Type(), loc)))
    return failure();
  SmallVector<Value> inputs = {positions};
  if (mask)
    inputs.push_back(mask);
  SmallVector<Value> made =
      inRowProgram(inputs, loc, [&](ValueRange in) -> SmallVector<Value> {
        auto shape = cast<RankedTensorType>(in[0].getType());
        SmallVector<Value> operands = {in[0]};
        if (in.size() > 1)
          operands.push_back(takeAt(in[1], in[0], loc));
        AffineMap identity = b.getMultiDimIdentityMap(shape.getRank());
        Value init =
            tensor::EmptyOp::create(b, loc, shape.getShape(), b.getI1Type());
        Value valid =
            linalg::GenericOp::create(
                b, loc, init.getType(), operands, init,
                SmallVector<AffineMap>(operands.size() + 1, identity),
                SmallVector<utils::IteratorType>(shape.getRank(),
                                                 utils::IteratorType::parallel),
                [&](OpBuilder &inner, Location at, ValueRange args) {
                  Value there = arith::CmpIOp::create(
                      inner, at, arith::CmpIPredicate::sge, args[0],
                      arith::ConstantOp::create(inner, at,
                                                inner.getI32IntegerAttr(0)));
                  if (operands.size() > 1)
                    there = arith::AndIOp::create(inner, at, there, args[1]);
                  linalg::YieldOp::create(inner, at, there);
                })
                .getResult(0);
        Compacted found = compact(in[0], valid, loc);
        return {found.entries, found.count};
      });
  rows.indices = made[0];
  rows.counts = made[1];
  plans[rows.axis.getValue()] = rows;
  return success();
}

/// The rows of one plan, then those of another.
LogicalResult Lowering::lowerConcat(ConcatOp op) {
  if (!item)
    return concatColumns(op);
  Location loc = op.getLoc();
  Plan left = plan(op.getLhs()), right = plan(op.getRhs());
  if (left.per != right.per || left.candidates != right.candidates)
    return notCovered(op, "plans from different axes one behind the other");
  Plan rows = left;
  rows.axis = rows.base = op.getAxisAttr();
  rows.rank = left.rank + right.rank;
  unsigned columns = op.getResultColumns().size();
  SmallVector<Value> inputs = {left.indices, right.indices};
  for (Value column : op.getColumns()) {
    Value tensor = get(column);
    if (!tensor ||
        !isa<IntegerType, FloatType>(
            cast<RankedTensorType>(tensor.getType()).getElementType()))
      return notCovered(op, "plan columns of this type");
    inputs.push_back(tensor);
  }
  SmallVector<Value> made =
      inRowProgram(inputs, loc, [&](ValueRange in) -> SmallVector<Value> {
        auto one = cast<RankedTensorType>(in[0].getType());
        SmallVector<int64_t> shape(one.getShape());
        shape.back() = rows.rank;
        unsigned rank = shape.size();
        // Both, side by side: what one lacks is taken from nowhere.
        auto spread = [&](Value tensor, int64_t first, int64_t length) {
          SmallVector<int32_t> places;
          for (int64_t i = 0, n = ShapedType::getNumElements(shape); i < n;
               ++i) {
            int64_t place = i % rows.rank - first;
            places.push_back(place >= 0 && place < length ? place : -1);
          }
          Value at = arith::ConstantOp::create(
              b, loc,
              DenseElementsAttr::get(
                  RankedTensorType::get(shape, b.getI32Type()),
                  ArrayRef(places)));
          return takeAt(tensor, at, loc);
        };
        auto joined = [&](Value x, Value y) -> Value {
          Type type = cast<RankedTensorType>(x.getType()).getElementType();
          Value low = spread(x, 0, left.rank),
                high = spread(y, left.rank, right.rank);
          AffineMap identity = b.getMultiDimIdentityMap(rank);
          Value init = tensor::EmptyOp::create(b, loc, shape, type);
          return linalg::GenericOp::create(
                     b, loc, init.getType(), ValueRange{low, high}, init,
                     ArrayRef<AffineMap>{identity, identity, identity},
                     SmallVector<utils::IteratorType>(
                         rank, utils::IteratorType::parallel),
                     [&](OpBuilder &inner, Location at, ValueRange args) {
                       Value place = arith::IndexCastOp::create(
                           inner, at, inner.getI32Type(),
                           linalg::IndexOp::create(inner, at, rank - 1));
                       Value first = arith::CmpIOp::create(
                           inner, at, arith::CmpIPredicate::slt, place,
                           arith::ConstantOp::create(
                               inner, at, inner.getI32IntegerAttr(left.rank)));
                       linalg::YieldOp::create(
                           inner, at,
                           arith::SelectOp::create(inner, at, first, args[0],
                                                   args[1])
                               .getResult());
                     })
              .getResult(0);
        };
        Value all = joined(in[0], in[1]);
        AffineMap identity = b.getMultiDimIdentityMap(rank);
        Value init = tensor::EmptyOp::create(b, loc, shape, b.getI1Type());
        Value valid =
            linalg::GenericOp::create(
                b, loc, init.getType(), all, init,
                ArrayRef<AffineMap>{identity, identity},
                SmallVector<utils::IteratorType>(rank,
                                                 utils::IteratorType::parallel),
                [](OpBuilder &inner, Location at, ValueRange args) {
                  linalg::YieldOp::create(
                      inner, at,
                      arith::CmpIOp::create(
                          inner, at, arith::CmpIPredicate::sge, args[0],
                          arith::ConstantOp::create(inner, at,
                                                    inner.getI32IntegerAttr(0)))
                          .getResult());
                })
                .getResult(0);
        Compacted found = compact(all, valid, loc);
        SmallVector<Value> results = {found.entries, found.count};
        for (unsigned i = 0; i < columns; ++i)
          results.push_back(takeAt(joined(in[2 + i], in[2 + columns + i]),
                                   found.places, loc));
        return results;
      });
  rows.indices = made[0];
  rows.counts = made[1];
  plans[rows.axis.getValue()] = rows;
  for (auto [i, result] : llvm::enumerate(op.getResultColumns()))
    set(result, made[2 + i]);
  return success();
}

/// The position of the greatest or least along the last dimension: a choice of
/// one.
Value Lowering::bestPosition(Value tensor, bool least, Location loc) {
  return inRowProgram(tensor, loc,
                      [&](ValueRange in) -> SmallVector<Value> {
                        auto type = cast<RankedTensorType>(in[0].getType());
                        SmallVector<int64_t> shape(type.getShape());
                        shape.back() = 1;
                        auto batch = RankedTensorType::get(
                            type.getShape().drop_back(), b.getI32Type());
                        auto choose = row::ChooseOp::create(
                            b, loc,
                            RankedTensorType::get(shape, b.getI32Type()), batch,
                            in[0], Value(), Value(), Value(), Value(),
                            b.getDenseBoolArrayAttr({least}));
                        SmallVector<ReassociationIndices> groups;
                        for (int64_t i = 0; i + 1 < type.getRank(); ++i)
                          groups.push_back({i});
                        if (!groups.empty())
                          groups.back().push_back(type.getRank() - 1);
                        return {tensor::CollapseShapeOp::create(
                            b, loc, batch, choose.getIndices(), groups)};
                      })
      .front();
}
