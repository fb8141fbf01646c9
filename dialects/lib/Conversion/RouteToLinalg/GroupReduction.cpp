// Reductions of floats to parents whose children differ in number.
// Children lie side by side, so that each result walks its own: in any number
// of threads, where going through all elements and looking for the parent of
// each is a loop of one.
#include "Lowering.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace route;
using namespace route::lowering;

/// How many partial sums numerics.h defines a sum by.
static constexpr int64_t kPartials = 32;

/// Nothing where other reductions have a form of their own: integers and truths
/// give the same in any order, and positions need where an element comes from.
std::optional<Lowering::Descendants> Lowering::reducedBelow(ReduceOp op) {
  auto from = cast<ArrayType>(op.getOperand().getType()),
       to = cast<ArrayType>(op.getType());
  SmallVector<Axis> dims = dimsOf(from), kept = dimsOf(to);
  ReduceKind kind = op.getKind();
  bool floats = kind == ReduceKind::mean ||
                (isa<FloatType>(element(from.getElementType())) &&
                 (kind == ReduceKind::sum || kind == ReduceKind::product ||
                  kind == ReduceKind::max || kind == ReduceKind::min));
  auto isPlan = [&](Axis axis) { return kindOf(axis) == AxisKind::plan; };
  if (!floats || llvm::any_of(dims, isPlan) || llvm::any_of(kept, isPlan) ||
      !meetingsOf(op, tables).empty())
    return std::nullopt;
  Descendants below;
  for (Axis dim : dims)
    if (!llvm::is_contained(kept, dim))
      below.axes.push_back(dim);
  for (Axis dim : kept) {
    if (llvm::is_contained(dims, dim))
      continue;
    if (below.within)
      return std::nullopt;
    below.within = dim;
  }
  if (!below.within || below.axes.empty() ||
      !liesSideBySide(below.axes.front(), below.within) ||
      llvm::count_if(
          dims, [&](Axis dim) { return descends(dim, below.within); }) != 1)
    return std::nullopt;
  return below;
}

/// Sums and means by 32 partials, which lie behind their parent's dimension, so
/// that neighbours read neighbours; others in storage order.
LogicalResult Lowering::reduceBelow(ReduceOp op, Value source,
                                    Descendants below) {
  Location loc = op.getLoc();
  auto to = cast<ArrayType>(op.getType());
  SmallVector<Axis> dims = dimsOf(cast<ArrayType>(op.getOperand().getType())),
                    kept = dimsOf(to);
  ReduceKind kind = op.getKind();
  Type type = cast<RankedTensorType>(source.getType()).getElementType(),
       resultType = element(to.getElementType());
  bool mean = kind == ReduceKind::mean,
       inParts = mean || kind == ReduceKind::sum;
  if (mean && !isa<FloatType>(resultType))
    return notCovered(op, "a mean of this type");
  Type held = !inParts                             ? type
              : resultType.isF64() || type.isF64() ? Type(b.getF64Type())
                                                   : Type(b.getF32Type());
  unsigned parent = llvm::find(kept, below.within) - kept.begin();
  // The first element of `here`, and how many there are.
  auto elementsOf = [&](ValueRange here) {
    auto [begin, end] =
        *descendantsOf(below.axes.front(), below.within, here[parent], loc);
    Value count = arith::SubIOp::create(b, loc, end, begin);
    for (Axis dim : ArrayRef(below.axes).drop_front())
      count = arith::MulIOp::create(b, loc, count, extentAt(b, dim, loc));
    return std::pair<Value, Value>(begin, count);
  };
  auto elementAt = [&](ValueRange here, Value begin, Value number) {
    SmallVector<Value> at, along = unflatten(b, loc, number, below.axes);
    along[0] = arith::AddIOp::create(b, loc, begin, along[0]);
    for (Axis dim : dims)
      if (auto own = llvm::find(kept, dim); own != kept.end())
        at.push_back(here[own - kept.begin()]);
      else
        at.push_back(along[llvm::find(below.axes, dim) - below.axes.begin()]);
    return widenTo(b, loc, tensor::ExtractOp::create(b, loc, source, at), held);
  };
  // Combines elements `first`, `first + step` and so on to what there is.
  auto walk = [&](ValueRange here, Value begin, Value count, Value first,
                  int64_t step, Value start) -> Value {
    auto loop = scf::ForOp::create(b, loc, first, count,
                                   constantAt(b, step, loc), start);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    scf::YieldOp::create(
        b, loc,
        combineOf(b, loc, inParts ? ReduceKind::sum : kind,
                  loop.getRegionIterArg(0),
                  elementAt(here, begin, loop.getInductionVar())));
    return loop.getResult(0);
  };
  if (!inParts) {
    set(op.getResult(),
        generate(sizesOf(kept, loc), type, loc,
                 [&](OpBuilder &inner, Location, ValueRange here) -> Value {
                   OpBuilder::InsertionGuard guard(b);
                   b.setInsertionPointToEnd(inner.getInsertionBlock());
                   auto [begin, count] = elementsOf(here);
                   Value start = arith::ConstantOp::create(
                       b, loc, identityOf(b, kind, type));
                   return walk(here, begin, count, constantAt(b, 0, loc), 1,
                               start);
                 }));
    return success();
  }
  SmallVector<OpFoldResult> shape = sizesOf(kept, loc);
  shape.insert(shape.begin() + parent + 1, b.getIndexAttr(kPartials));
  Value partials = generate(
      shape, held, loc,
      [&](OpBuilder &inner, Location, ValueRange at) -> Value {
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPointToEnd(inner.getInsertionBlock());
        SmallVector<Value> here(at);
        Value part = here[parent + 1];
        here.erase(here.begin() + parent + 1);
        auto [begin, count] = elementsOf(here);
        // A partial starts with its first element, and is 0 without one.
        Value there = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt,
                                            part, count),
              none = arith::ConstantOp::create(b, loc, b.getZeroAttr(held));
        Value start = when(there, none, loc, [&]() -> SmallVector<Value> {
                        return {elementAt(here, begin, part)};
                      }).front();
        Value next =
            arith::AddIOp::create(b, loc, part, constantAt(b, kPartials, loc));
        return walk(here, begin, count, next, kPartials, start);
      });
  auto countAt = [&](OpBuilder &inner, ValueRange here) -> Value {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(inner.getInsertionBlock());
    return arith::IndexCastOp::create(b, loc, b.getI32Type(),
                                      elementsOf(here).second);
  };
  set(op.getResult(),
      lastOfTree(partials, parent + 1, mean ? Counted(countAt) : Counted(),
                 kept, resultType, loc));
  return success();
}
