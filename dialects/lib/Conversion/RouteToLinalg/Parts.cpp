// Parts of plans: rows of one kind of members, or those a pool's needs keep.
//
// A part has the slots of its plan, so that values go to it and back without a
// search.
#include "Lowering.h"

using namespace mlir;
using namespace route;
using namespace route::lowering;

/// Whether a choice takes all rows of a plan that a mask leaves, and only
/// bodies run along it: nobody sees the slots that it leaves empty.
bool Lowering::isPart(ChooseOp op) {
  return !item && op.getKind() == ChoiceKind::all && op.getSource() &&
         op.getPer().empty() && op.getKeys().empty() && !op.getUnder() &&
         op.getBody().empty() &&
         kindOf(op.getCandidatesAttr()) == AxisKind::plan &&
         llvm::all_of(op->getUsers(), [](Operation *user) {
           return isa<BroadcastOp, ReduceOp, ChooseOp>(user);
         });
}

LogicalResult Lowering::lowerPart(ChooseOp op, Plan rows) {
  Location loc = op.getLoc();
  const Plan whole = plans[rows.candidates.getValue()];
  rows.base = whole.base;
  rows.per = whole.per;
  rows.rank = whole.rank;
  rows.extent = whole.extent;
  auto slots = ArrayType::get(b.getI32Type(), ArrayRef(rows.candidates));
  SmallVector<Axis> dims = dimsOf(slots);
  SmallVector<Operand> operands = {{whole.indices, slots}};
  if (op.getMask()) {
    auto type = cast<ArrayType>(op.getMask().getType());
    Value mask = get(op.getMask());
    if (!mask)
      return failure();
    if (llvm::any_of(dimsOf(type), [&](Axis dim) {
          return !llvm::is_contained(dims, dim);
        })) {
      if (!(mask = gatherTo(mask, dimsOf(type), dims, loc)))
        return notCovered(op, "a mask over these axes");
      type = type.withAxes(ArrayRef(rows.candidates));
    }
    operands.push_back({mask, type});
  }
  SmallVector<Value> extents;
  for (Axis dim : dims)
    extents.push_back(sizeValue(dim, loc));
  auto number = [](OpBuilder &inner, Location at, int32_t value) -> Value {
    return arith::ConstantOp::create(inner, at, inner.getI32IntegerAttr(value));
  };
  rows.indices = map(
      dims, b.getI32Type(), operands, loc,
      [&](OpBuilder &inner, Location at, ValueRange args) -> Value {
        Value place;
        for (auto [i, extent] : llvm::enumerate(extents)) {
          Value here = linalg::IndexOp::create(inner, at, i);
          place =
              place
                  ? Value(arith::AddIOp::create(
                        inner, at,
                        arith::MulIOp::create(inner, at, place, extent), here))
                  : here;
        }
        Value there =
            arith::CmpIOp::create(inner, at, arith::CmpIPredicate::sge, args[0],
                                  number(inner, at, 0));
        if (args.size() > 1)
          there = arith::AndIOp::create(inner, at, there, args[1]);
        return arith::SelectOp::create(
            inner, at, there,
            arith::IndexCastOp::create(inner, at, inner.getI32Type(), place),
            number(inner, at, -1));
      });
  // How many rows each item has.
  unsigned rank = dims.size();
  SmallVector<utils::IteratorType> iterators(rank,
                                             utils::IteratorType::parallel);
  iterators.back() = utils::IteratorType::reduction;
  SmallVector<AffineExpr> items;
  for (unsigned i = 0; i + 1 < rank; ++i)
    items.push_back(b.getAffineDimExpr(i));
  Value none = linalg::FillOp::create(
                   b, loc, number(b, loc, 0),
                   empty(ArrayRef(dims).drop_back(), b.getI32Type(), loc))
                   .getResult(0);
  rows.counts =
      linalg::GenericOp::create(
          b, loc, none.getType(), rows.indices, none,
          ArrayRef<AffineMap>{b.getMultiDimIdentityMap(rank),
                              AffineMap::get(rank, 0, items, b.getContext())},
          iterators,
          [&](OpBuilder &inner, Location at, ValueRange args) {
            Value there =
                arith::CmpIOp::create(inner, at, arith::CmpIPredicate::sge,
                                      args[0], number(inner, at, 0));
            Value one =
                arith::ExtUIOp::create(inner, at, inner.getI32Type(), there);
            linalg::YieldOp::create(
                inner, at,
                arith::AddIOp::create(inner, at, args[1], one).getResult());
          })
          .getResult(0);
  plans[rows.axis.getValue()] = rows;
  return success();
}

/// Whether a sum takes the rows of a part back to the plan that it is a part
/// of.
bool Lowering::fillsBase(ReduceOp op) {
  auto from = cast<ArrayType>(op.getOperand().getType()),
       to = cast<ArrayType>(op.getType());
  if (item || op.getKind() != ReduceKind::sum || !op.getPlan() ||
      from.getAxes().empty() || from.getAxes().size() != to.getAxes().size())
    return false;
  Axis part = from.getAxes().front(), whole = to.getAxes().front();
  auto of = plans.find(part.getValue()), in = plans.find(whole.getValue());
  return of != plans.end() && in != plans.end() &&
         of->second.base != of->second.axis && part != whole &&
         of->second.base == in->second.base &&
         plan(op.getPlan()).axis == part && descends(part, whole) &&
         from.getAxes().drop_front() == to.getAxes().drop_front();
}

/// A part's rows in the slots of its plan, zero in the others.
LogicalResult Lowering::lowerFill(ReduceOp op) {
  Location loc = op.getLoc();
  auto from = cast<ArrayType>(op.getOperand().getType()),
       to = cast<ArrayType>(op.getType());
  Value source = op.getOperand(), held;
  if (!values.contains(source) && isProduct(source) && fuse(source, loc)) {
    Sorted made = matrices[source];
    held = unsortRows(made.matrix, groupings[made.group], from, loc);
  } else {
    Value tensor = get(source);
    if (!tensor)
      return failure();
    Axis part = from.getAxes().front();
    Type type = cast<RankedTensorType>(tensor.getType()).getElementType();
    held = map(
        dimsOf(from), from.getElementType(),
        {Operand{tensor, from},
         Operand{plans[part.getValue()].indices,
                 ArrayType::get(b.getI32Type(), ArrayRef(part))}},
        loc, [&](OpBuilder &inner, Location at, ValueRange args) -> Value {
          Value there = arith::CmpIOp::create(
              inner, at, arith::CmpIPredicate::sge, args[1],
              arith::ConstantOp::create(inner, at, inner.getI32IntegerAttr(0)));
          return arith::SelectOp::create(
              inner, at, there, args[0],
              arith::ConstantOp::create(
                  inner, at, cast<TypedAttr>(inner.getZeroAttr(type))));
        });
  }
  if (from.getElementType() != to.getElementType())
    return notCovered(op, "a sum of these elements");
  set(op.getResult(), held);
  return success();
}
