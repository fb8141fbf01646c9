// A choice as one row.choose.
// For each item, among candidates whose number is known.
#include "route/Dialect/Route/IR/RowChoice.h"
#include "Lowering.h"
#include "route/Dialect/Row/IR/RowDialect.h"

using namespace mlir;
using namespace route;
using namespace route::lowering;

/// What such a choice is made of, one after the other.
class Lowering::RowChoice {
public:
  RowChoice(Lowering &in, ChooseOp op, Plan rows)
      : in(in), b(in.b), op(op), loc(op.getLoc()), rows(rows),
        batch(in.dimsOf(rows.per)) {}

  LogicalResult run();

private:
  LogicalResult countCandidates();
  bool takeKnown();
  Value constantRows(ArrayRef<int64_t> shape, ArrayRef<int32_t> each);
  LogicalResult collectKeys();
  LogicalResult collectMask();
  LogicalResult clampCount();
  void findEnds();
  LogicalResult lowerFixed();
  LogicalResult endAtSum(const ChoiceEnd &end);
  LogicalResult endAtCount(ArrayRef<ChoiceEnd> counts);
  Value perItem(ArrayRef<Value> parts, Type type, Body body);
  void choose();
  Value onWholeAxis(Value indices);

  SmallVector<int64_t> batchShape() {
    return SmallVector<int64_t>(
        in.tensorType(batch, b.getI32Type()).getShape());
  }

  Lowering &in;
  OpBuilder &b;
  ChooseOp op;
  Location loc;
  Plan rows;
  /// The dimensions of the items.
  SmallVector<Axis> batch;
  /// Whether the candidates are the children of an item.
  bool nested = false;
  int64_t candidates = 0;
  /// How many are chosen, where that is a constant.
  std::optional<int64_t> fixed;
  /// What else ends the rows of an `until`: a sum, numbers of rows.
  SmallVector<ChoiceEnd> ends;
  /// The operands of row.choose; null where it has none.
  SmallVector<Value> keys;
  Value mask, count, values, threshold;
};

LogicalResult Lowering::RowChoice::countCandidates() {
  nested = llvm::any_of(rows.per, [&](Axis axis) {
    return axis != rows.candidates && in.descends(rows.candidates, axis);
  });
  if (nested && (batch.empty() || !in.descends(rows.candidates, batch.back())))
    return notCovered(op, "this order of item axes");
  candidates = in.staticSize(rows.candidates);
  if (nested && !ShapedType::isDynamic(candidates))
    candidates /= in.staticSize(batch.back());
  if (ShapedType::isDynamic(candidates))
    return notCovered(op, "candidates on an axis whose size the call decides");
  if (op.getKind() == ChoiceKind::count)
    fixed = in.constantOf(op.getCount());
  if (fixed && *fixed <= 0)
    return notCovered(op, "a choice of nothing");
  if (op.getKind() == ChoiceKind::until)
    findEnds();
  rows.rank = std::min(fixed.value_or(candidates), candidates);
  return success();
}

/// A constant that repeats `each`.
Value Lowering::RowChoice::constantRows(ArrayRef<int64_t> shape,
                                        ArrayRef<int32_t> each) {
  SmallVector<int32_t> all;
  for (int64_t i = 0, n = ShapedType::getNumElements(shape); i < n; ++i)
    all.push_back(each[i % each.size()]);
  return arith::ConstantOp::create(
      b, loc,
      DenseElementsAttr::get(RankedTensorType::get(shape, b.getI32Type()),
                             ArrayRef(all)));
}

/// Takes the rows that are the same for every item, known already; false where
/// the call decides them.
bool Lowering::RowChoice::takeKnown() {
  if (nested || !ends.empty() || (!fixed && op.getKind() != ChoiceKind::all))
    return false;
  auto known = in.fixedRows(op, candidates, fixed.value_or(candidates));
  if (!known)
    return false;
  SmallVector<int64_t> shape = batchShape();
  rows.counts = constantRows(shape, int32_t(known->size()));
  shape.push_back(rows.rank);
  known->resize(rows.rank, -1);
  rows.indices = constantRows(shape, *known);
  return true;
}

LogicalResult Lowering::RowChoice::collectKeys() {
  for (Value key : op.getKeys()) {
    Type type = cast<ArrayType>(key.getType()).getElementType();
    Value tensor = in.candidatesLast(key, rows, type, loc);
    if (!tensor)
      return failure();
    Type low = in.element(type);
    if (low.isBF16() || low.isF16()) {
      auto wide =
          cast<RankedTensorType>(tensor.getType()).clone(b.getF32Type());
      tensor = arith::ExtFOp::create(b, loc, wide, tensor);
    }
    keys.push_back(tensor);
  }
  return success();
}

LogicalResult Lowering::RowChoice::collectMask() {
  if (op.getMask() &&
      !(mask = in.candidatesLast(op.getMask(), rows, b.getI1Type(), loc)))
    return failure();
  if (!keys.empty() || mask)
    return success();
  // All of them, as they lie.
  SmallVector<int64_t> shape = batchShape();
  shape.push_back(candidates);
  mask = arith::ConstantOp::create(
      b, loc,
      DenseElementsAttr::get(RankedTensorType::get(shape, b.getI1Type()),
                             true));
  return success();
}

/// The number of rows of each item, between none and all.
LogicalResult Lowering::RowChoice::clampCount() {
  Value wide = in.get(op.getCount());
  if (!wide)
    return failure();
  auto type = cast<ArrayType>(op.getCount().getType());
  SmallVector<Axis> dims = in.dimsOf(type);
  // A count for some of the item axes holds for all below them.
  count = in.map(
      dims.empty() ? dims : batch, b.getI32Type(), Operand{wide, type}, loc,
      [&](OpBuilder &inner, Location at, ValueRange args) -> Value {
        // Clamped first: the count may be any i64.
        Value top = arith::ConstantOp::create(
            inner, at, inner.getI64IntegerAttr(candidates));
        Value low =
            arith::ConstantOp::create(inner, at, inner.getI64IntegerAttr(0));
        Value clamped = arith::MinSIOp::create(
            inner, at, arith::MaxSIOp::create(inner, at, args[0], low), top);
        return arith::TruncIOp::create(inner, at, inner.getI32Type(), clamped);
      });
  return success();
}

/// `body` of the given parts, for each item, or once where none has items.
Value Lowering::RowChoice::perItem(ArrayRef<Value> parts, Type type,
                                   Body body) {
  SmallVector<Operand> operands;
  for (Value part : parts) {
    Value tensor = in.get(part);
    if (!tensor)
      return {};
    operands.push_back({tensor, cast<ArrayType>(part.getType())});
  }
  bool scalar = llvm::all_of(operands, [&](Operand &operand) {
    return in.dimsOf(operand.type).empty();
  });
  return in.map(scalar ? ArrayRef<Axis>() : ArrayRef<Axis>(batch), type,
                operands, loc, body);
}

/// The number of rows that a bound of them asks for, all where it is never
/// reached. The first row is there before anything is asked.
static int64_t rowsToReach(CompareKind kind, int64_t bound, int64_t all) {
  int64_t rows = std::min(bound, all) + (kind == CompareKind::gt);
  if (rows < 1)
    rows = kind == CompareKind::eq ? all : 1;
  return std::min(rows, all);
}

/// The same, of a bound that the call decides.
static Value rowsToReach(OpBuilder &b, Location loc, CompareKind kind,
                         Value bound, Value all) {
  Value one = arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(1));
  Value rows = arith::MinSIOp::create(b, loc, bound, all);
  if (kind == CompareKind::gt)
    rows = arith::AddIOp::create(b, loc, rows, one);
  Value none =
      arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, rows, one);
  return arith::SelectOp::create(b, loc, none,
                                 kind == CompareKind::eq ? all : one, rows);
}

/// The least float above `x`: a sum above `x` is one from there on. Of the
/// largest number it is an infinity, of that NaN, and of NaN that again: never
/// reached, as nothing is above either.
static Value nextAbove(OpBuilder &b, Location loc, Value x) {
  Type i32 = b.getI32Type();
  Value zero = arith::ConstantOp::create(b, loc, b.getF32FloatAttr(0));
  auto bit = [&](arith::CmpFPredicate predicate) -> Value {
    return arith::ExtUIOp::create(
        b, loc, i32, arith::CmpFOp::create(b, loc, predicate, x, zero));
  };
  Value bits = arith::BitcastOp::create( // + 0: of both zeros +0
      b, loc, i32, arith::AddFOp::create(b, loc, x, zero));
  bits = arith::AddIOp::create(b, loc, bits, bit(arith::CmpFPredicate::OGE));
  bits = arith::SubIOp::create(b, loc, bits, bit(arith::CmpFPredicate::OLT));
  return arith::BitcastOp::create(b, loc, b.getF32Type(), bits);
}

/// What ends the rows of an `until`. A number of rows that is the same in all
/// calls is how many are chosen at most.
void Lowering::RowChoice::findEnds() {
  ends = *matchEnds(op);
  llvm::erase_if(ends, [&](const ChoiceEnd &end) {
    if (end.values || !end.bound || !end.guards.empty())
      return false;
    std::optional<int64_t> bound = in.constantOf(end.bound);
    if (bound)
      fixed = std::min(fixed.value_or(candidates),
                       rowsToReach(end.kind, *bound, candidates));
    return bound.has_value();
  });
}

/// What the condition of an `until` asks that does not hang on the rows.
LogicalResult Lowering::RowChoice::lowerFixed() {
  Block &block = op.getBody().front();
  for (Operation &inner : block.without_terminator())
    if (llvm::none_of(inner.getResults(),
                      [&](Value v) { return dependsOnPrefix(v, block); }) &&
        failed(in.lower(&inner)))
      return failure();
  return success();
}

/// Rows until a running sum reaches a threshold.
LogicalResult Lowering::RowChoice::endAtSum(const ChoiceEnd &end) {
  values = in.candidatesLast(
      end.values, rows, cast<ArrayType>(end.values.getType()).getElementType(),
      loc);
  SmallVector<Value> parts = {end.bound};
  llvm::append_range(parts, end.guards);
  // A threshold of NaN is never reached.
  threshold = perItem(
      parts, b.getF32Type(),
      [&](OpBuilder &inner, Location at, ValueRange args) -> Value {
        Value bound = args.front();
        if (end.kind == CompareKind::gt)
          bound = nextAbove(inner, at, bound);
        Value never = arith::ConstantOp::create(
            inner, at,
            inner.getF32FloatAttr(std::numeric_limits<float>::quiet_NaN()));
        for (Value guard : args.drop_front())
          bound = arith::SelectOp::create(inner, at, guard, bound, never);
        return bound;
      });
  return success(values && threshold);
}

/// Rows until there are as many as one of `counts` asks for.
LogicalResult Lowering::RowChoice::endAtCount(ArrayRef<ChoiceEnd> counts) {
  SmallVector<Value> parts;
  for (const ChoiceEnd &end : counts) {
    if (end.bound)
      parts.push_back(end.bound);
    llvm::append_range(parts, end.guards);
  }
  count = perItem(
      parts, b.getI32Type(),
      [&](OpBuilder &inner, Location at, ValueRange args) -> Value {
        auto number = [&](int64_t value) -> Value {
          return arith::ConstantOp::create(inner, at,
                                           inner.getI64IntegerAttr(value));
        };
        Value all = number(candidates), least;
        for (const ChoiceEnd &end : counts) {
          Value limit = number(1);
          if (end.bound) {
            limit = rowsToReach(inner, at, end.kind, args.front(), all);
            args = args.drop_front();
          }
          for (Value guard : args.take_front(end.guards.size()))
            limit = arith::SelectOp::create(inner, at, guard, limit, all);
          args = args.drop_front(end.guards.size());
          least =
              least ? arith::MinSIOp::create(inner, at, least, limit) : limit;
        }
        return arith::TruncIOp::create(inner, at, inner.getI32Type(), least);
      });
  return success(count != nullptr);
}

void Lowering::RowChoice::choose() {
  SmallVector<int64_t> shape = batchShape();
  auto chosenType = RankedTensorType::get(shape, b.getI32Type());
  shape.push_back(rows.rank);
  auto indicesType = RankedTensorType::get(shape, b.getI32Type());
  SmallVector<Value> inputs(keys);
  for (Value part : {mask, count, values, threshold})
    if (part)
      inputs.push_back(part);
  SmallVector<Value> made =
      in.inRowProgram(inputs, loc, [&](ValueRange args) -> SmallVector<Value> {
        ValueRange left = args.drop_front(keys.size());
        auto next = [&](Value part) -> Value {
          if (!part)
            return {};
          Value taken = left.front();
          left = left.drop_front();
          return taken;
        };
        Value where = next(mask), most = next(count), sums = next(values),
              end = next(threshold);
        auto choose = row::ChooseOp::create(
            b, loc, indicesType, chosenType, args.take_front(keys.size()),
            where, most, sums, end,
            keys.empty() ? DenseBoolArrayAttr() : op.getUpAttr());
        return {choose.getIndices(), choose.getChosen()};
      });
  rows.indices = made[0];
  rows.counts = made[1];
}

/// Positions within the parent as positions on the whole axis.
Value Lowering::RowChoice::onWholeAxis(Value indices) {
  auto type = ArrayType::get(b.getI32Type(), ArrayRef<Axis>(rows.axis));
  return in.map(
      in.dimsOf(type), b.getI32Type(), Operand{indices, type}, loc,
      [&](OpBuilder &inner, Location at, ValueRange args) -> Value {
        Value parent = arith::IndexCastOp::create(
            inner, at, inner.getI32Type(),
            linalg::IndexOp::create(inner, at, batch.size() - 1));
        Value first = arith::MulIOp::create(
            inner, at, parent,
            arith::ConstantOp::create(inner, at,
                                      inner.getI32IntegerAttr(candidates)));
        Value there = arith::CmpIOp::create(
            inner, at, arith::CmpIPredicate::sge, args[0],
            arith::ConstantOp::create(inner, at, inner.getI32IntegerAttr(0)));
        return arith::SelectOp::create(
            inner, at, there, arith::AddIOp::create(inner, at, args[0], first),
            args[0]);
      });
}

LogicalResult Lowering::RowChoice::run() {
  if (failed(countCandidates()))
    return failure();
  StringRef axis = rows.axis.getValue();
  if (takeKnown()) {
    in.plans[axis] = rows;
    return success();
  }
  if (failed(collectKeys()) || failed(collectMask()))
    return failure();
  if (op.getKind() == ChoiceKind::count && !fixed && failed(clampCount()))
    return failure();
  if (op.getKind() == ChoiceKind::until && failed(lowerFixed()))
    return failure();
  auto counts = llvm::partition(
      ends, [](const ChoiceEnd &end) { return bool(end.values); });
  if (counts != ends.begin() && failed(endAtSum(ends.front())))
    return failure();
  if (counts != ends.end() && failed(endAtCount({counts, ends.end()})))
    return failure();
  choose();
  in.plans[axis] = rows;
  if (nested) // over the rows, which are known by now
    in.plans[axis].indices = onWholeAxis(rows.indices);
  return success();
}

LogicalResult Lowering::lowerRowChoice(ChooseOp op, Plan rows) {
  return RowChoice(*this, op, rows).run();
}
