// Products that are no expert's: dense ones, several at once, sums of products.
#include "Lowering.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "route/Dialect/Ragged/IR/Ragged.h"

using namespace mlir;
using namespace route;
using namespace route::lowering;

/// A product along which both operands have one more axis in common: as many
/// products, one behind the other. Null where the shapes do not fit.
Value Lowering::batchedProduct(ContractOp op) {
  Location loc = op.getLoc();
  auto left = cast<ArrayType>(op.getLhs().getType()),
       right = cast<ArrayType>(op.getRhs().getType());
  SmallVector<Axis> over(op.getOver().getAsRange<Axis>());
  auto dynamic = [&](Axis axis) {
    return ShapedType::isDynamic(staticSize(axis));
  };
  Axis shared;
  SmallVector<Axis> rest;
  for (Axis axis : left.getAxes()) {
    if (llvm::is_contained(over, axis))
      continue;
    if (!right.hasAxis(axis)) {
      rest.push_back(axis);
      continue;
    }
    if (shared)
      return {};
    shared = axis;
  }
  auto isPlan = [&](Axis axis) { return kindOf(axis) == AxisKind::plan; };
  if (!shared || rest.empty() || dynamic(shared) ||
      llvm::any_of(left.getAxes(), isPlan) ||
      llvm::any_of(right.getAxes(), isPlan) ||
      llvm::any_of(right.getAxes(), dynamic) ||
      right.getAxes().size() <= over.size() + 1)
    return {};
  Value rows = get(op.getLhs()), tensor = get(op.getRhs());
  auto isNarrow = [](Value value) {
    auto type = dyn_cast<FloatType>(
        cast<RankedTensorType>(value.getType()).getElementType());
    return type && type.getWidth() <= 32;
  };
  if (!rows || !tensor || !isNarrow(rows) || !isNarrow(tensor))
    return {};
  std::optional<bool> transposed;
  SmallVector<Axis> columns;
  Value weights =
      weightsOf(op.getRhs(), shared, over, columns, transposed, loc);
  if (!weights || columns.empty())
    return {};
  if (getElementTypeOrSelf(weights) != getElementTypeOrSelf(rows) ||
      !isRowElement(rows)) {
    weights = widen(weights, loc);
    rows = widen(rows, loc);
  }
  SmallVector<Axis> want = {shared};
  llvm::append_range(want, rest);
  llvm::append_range(want, over);
  rows = transposeTo(rows, dimsOf(left), want, loc);
  rows = asMatrix(b, loc, rows, 1 + rest.size());
  int64_t products = staticSize(shared);
  Value many = constantIndex(1, loc);
  for (Axis axis : rest)
    many = arith::MulIOp::create(b, loc, many, sizeValue(axis, loc));
  Value offsets =
      generate({b.getIndexAttr(products + 1)}, b.getI32Type(), loc,
               [&](OpBuilder &inner, Location at, ValueRange here) -> Value {
                 return arith::IndexCastOp::create(
                     inner, at, inner.getI32Type(),
                     arith::MulIOp::create(inner, at, here.front(), many));
               });
  int64_t width = 1;
  for (Axis axis : columns)
    width *= staticSize(axis);
  Value init = tensor::EmptyOp::create(
      b, loc,
      ArrayRef<OpFoldResult>{tensor::getMixedSize(b, loc, rows, 0),
                             b.getIndexAttr(width)},
      b.getF32Type());
  auto matmul = ragged::MatmulOp::create(
      b, loc, TypeRange(init.getType()), rows, offsets, weights, ValueRange(),
      ValueRange(), init, IntegerAttr(),
      *transposed ? b.getUnitAttr() : UnitAttr(), IntegerAttr());
  Block *body = b.createBlock(&matmul.getEpilogue());
  ragged::YieldOp::create(b, loc, body->addArgument(b.getF32Type(), loc));
  b.setInsertionPointAfter(matmul);
  SmallVector<Axis> made = {shared};
  llvm::append_range(made, rest);
  llvm::append_range(made, columns);
  SmallVector<ReassociationIndices> groups = {
      llvm::to_vector(llvm::seq<int64_t>(0, 1 + rest.size())),
      llvm::to_vector(llvm::seq<int64_t>(1 + rest.size(), made.size()))};
  Value product = tensor::ExpandShapeOp::create(
      b, loc, tensorType(made, b.getF32Type()), matmul->getResult(0), groups,
      sizesOf(made, loc));
  return transposeTo(product, made, dimsOf(cast<ArrayType>(op.getType())), loc);
}

namespace {
/// An operand of a product as it is read: the array that a broadcast or a pick
/// takes from, without the copy.
struct Reading {
  Value tensor;
  SmallVector<Axis> dims;
  /// The axis that a pick takes along, its position and that one's dimensions.
  Axis along;
  Value position;
  SmallVector<Axis> positionDims;
};
} // namespace

/// A product of any shape, element by element in ascending order, its operands
/// read where they lie.
LogicalResult Lowering::contractByPlace(ContractOp op) {
  Location loc = op.getLoc();
  SmallVector<Axis> dims = dimsOf(cast<ArrayType>(op.getType())), all(dims),
                    over;
  for (Axis axis : dimsOf(llvm::to_vector(op.getOver().getAsRange<Axis>())))
    if (!llvm::is_contained(all, axis)) {
      all.push_back(axis);
      over.push_back(axis);
    }
  auto readingOf = [&](Value value) -> std::optional<Reading> {
    Reading reading;
    // A rename moves nothing, but says which position of the product to read.
    SmallVector<RenameOp> renames;
    auto through = [&](Value value) {
      while (auto rename = value.getDefiningOp<RenameOp>()) {
        renames.push_back(rename);
        value = rename.getOperand();
      }
      return value;
    };
    value = through(value);
    if (!values.contains(value)) {
      if (auto broadcast = value.getDefiningOp<BroadcastOp>()) {
        value = through(broadcast.getOperand());
      } else if (auto pick = value.getDefiningOp<PickOp>();
                 pick &&
                 !cast<ArrayType>(pick.getPosition().getType()).isScalar()) {
        reading.along = pick.getAlongAttr();
        reading.position = get(pick.getPosition());
        reading.positionDims =
            dimsOf(cast<ArrayType>(pick.getPosition().getType()));
        if (!reading.position)
          return std::nullopt;
        value = through(pick.getOperand());
      }
    }
    reading.tensor = get(value);
    reading.dims = dimsOf(cast<ArrayType>(value.getType()));
    if (!reading.tensor)
      return std::nullopt;
    for (RenameOp rename : llvm::reverse(renames))
      for (auto [from, to] : llvm::zip(rename.getSource().getAsRange<Axis>(),
                                       rename.getTarget().getAsRange<Axis>()))
        if (from != reading.along)
          llvm::replace(reading.dims, from, to);
    return reading;
  };
  std::optional<Reading> left = readingOf(op.getLhs()),
                         right = readingOf(op.getRhs());
  if (!left || !right)
    return failure();
  bool known = true;
  // The f32 element of an operand at a place, zero where no row leads there.
  auto read = [&](OpBuilder &inner, Location at, const Reading &from,
                  ValueRange here) -> Value {
    Value there,
        zero = arith::ConstantOp::create(inner, at, inner.getF32FloatAttr(0));
    SmallVector<Axis> dims(from.dims);
    auto along = llvm::find(dims, from.along);
    if (along != dims.end())
      dims.erase(along);
    auto places = placesOf(inner, at, dims, all, here, there);
    if (!places) {
      known = false;
      return zero;
    }
    if (from.along) {
      Value also;
      auto place = placesOf(inner, at, from.positionDims, all, here, also);
      if (!place) {
        known = false;
        return zero;
      }
      Value position =
          tensor::ExtractOp::create(inner, at, from.position, *place);
      position =
          arith::IndexCastOp::create(inner, at, inner.getIndexType(), position);
      Value inside =
          arith::CmpIOp::create(inner, at, arith::CmpIPredicate::ult, position,
                                extentAt(inner, from.along, at));
      for (Value condition : {inside, also})
        if (condition)
          there =
              there ? Value(arith::AndIOp::create(inner, at, there, condition))
                    : condition;
      places->insert(places->begin() + (llvm::find(from.dims, from.along) -
                                        from.dims.begin()),
                     position);
    }
    auto element = [&](OpBuilder &deep, Location where) -> Value {
      Value x = tensor::ExtractOp::create(deep, where, from.tensor, *places);
      return widenTo(deep, where, x, deep.getF32Type());
    };
    if (!there)
      return element(inner, at);
    return scf::IfOp::create(
               inner, at, there,
               [&](OpBuilder &then, Location where) {
                 scf::YieldOp::create(then, where, element(then, where));
               },
               [&](OpBuilder &other, Location where) {
                 scf::YieldOp::create(other, where, zero);
               })
        .getResult(0);
  };
  if (SmallVector<Meeting> meetings = meetingsOf(op, tables);
      !meetings.empty()) {
    Value zero = arith::ConstantOp::create(b, loc, b.getF32FloatAttr(0));
    Value none =
        linalg::FillOp::create(b, loc, zero, empty(dims, b.getF32Type(), loc))
            .getResult(0);
    SmallVector<Value> made = forEachMeeting(
        meetings, {}, {}, dims, none, loc,
        [&](ValueRange here, ValueRange held) -> SmallVector<Value> {
          SmallVector<Value> sum = forEachMeeting(
              meetings, dims, here, over, zero, loc,
              [&](ValueRange term, ValueRange partial) -> SmallVector<Value> {
                SmallVector<Value> place(here);
                llvm::append_range(place, term);
                Value product =
                    arith::MulFOp::create(b, loc, read(b, loc, *left, place),
                                          read(b, loc, *right, place));
                Value next =
                    arith::AddFOp::create(b, loc, partial.front(), product);
                if (Value there = presentAt(b, loc, all, place))
                  next = arith::SelectOp::create(b, loc, there, next,
                                                 partial.front());
                return {next};
              });
          return {tensor::InsertOp::create(b, loc, sum.front(), held.front(),
                                           here)};
        });
    if (!known)
      return notCovered(op, "a product over these axes");
    set(op.getResult(), made.front());
    return success();
  }
  Value result = generate(
      sizesOf(dims, loc), b.getF32Type(), loc,
      [&](OpBuilder &inner, Location at, ValueRange here) -> Value {
        Value zero = constantAt(inner, 0, at), one = constantAt(inner, 1, at);
        Value sum =
            arith::ConstantOp::create(inner, at, inner.getF32FloatAttr(0));
        SmallVector<Value> place(here);
        SmallVector<scf::ForOp> loops;
        OpBuilder::InsertionGuard guard(inner);
        for (Axis axis : over) {
          auto loop = scf::ForOp::create(inner, at, zero,
                                         extentAt(inner, axis, at), one, sum);
          loops.push_back(loop);
          inner.setInsertionPointToStart(loop.getBody());
          place.push_back(loop.getInductionVar());
          sum = loop.getRegionIterArg(0);
        }
        Value product =
            arith::MulFOp::create(inner, at, read(inner, at, *left, place),
                                  read(inner, at, *right, place));
        Value next = arith::AddFOp::create(inner, at, sum, product);
        // Rows that are missing add nothing.
        if (Value there = presentAt(inner, at, all, place))
          next = arith::SelectOp::create(inner, at, there, next, sum);
        for (scf::ForOp loop : llvm::reverse(loops)) {
          scf::YieldOp::create(inner, at, next);
          inner.setInsertionPointAfter(loop);
          next = loop.getResult(0);
        }
        return next;
      });
  if (!known)
    return notCovered(op, "a product over these axes");
  set(op.getResult(), result);
  return success();
}

/// A product whose sums have the order of numerics.h.
LogicalResult Lowering::contractExactly(ContractOp op) {
  Location loc = op.getLoc();
  Value lhs = get(op.getLhs()), rhs = get(op.getRhs());
  if (!lhs || !rhs)
    return failure();
  SmallVector<Axis> dims = dimsOf(cast<ArrayType>(op.getType())), all(dims);
  llvm::append_range(all, op.getOver().getAsRange<Axis>());
  auto wide = [](OpBuilder &inner, Location at, Value x) -> Value {
    return widenTo(inner, at, x, inner.getF32Type());
  };
  for (Value side : {lhs, rhs})
    if (!isa<FloatType>(
            cast<RankedTensorType>(side.getType()).getElementType()))
      return notCovered(op, "exact products of these elements");
  Value products =
      map(all, b.getF32Type(),
          {Operand{lhs, cast<ArrayType>(op.getLhs().getType())},
           Operand{rhs, cast<ArrayType>(op.getRhs().getType())}},
          loc, [&](OpBuilder &inner, Location at, ValueRange args) -> Value {
            return arith::MulFOp::create(inner, at, wide(inner, at, args[0]),
                                         wide(inner, at, args[1]));
          });
  set(op.getResult(), floatSum(flattened(products, dims.size(), loc),
                               /*sequential=*/false, loc));
  return success();
}

LogicalResult Lowering::lowerContract(ContractOp op) {
  Location loc = op.getLoc();
  auto type = cast<ArrayType>(op.getType()),
       left = cast<ArrayType>(op.getLhs().getType()),
       right = cast<ArrayType>(op.getRhs().getType());
  SmallVector<Axis> over(op.getOver().getAsRange<Axis>()), dims = dimsOf(type);
  bool meets = !meetingsOf(op, tables).empty();
  if (!item && op.getExact())
    return meets ? notCovered(op, "exact products of axes that meet within "
                                  "another")
                 : contractExactly(op);
  bool ofPlans =
      llvm::any_of(llvm::concat<const Axis>(left.getAxes(), right.getAxes()),
                   [&](Axis axis) { return kindOf(axis) == AxisKind::plan; });
  if (!item && (ofPlans || meets))
    return contractByPlace(op);
  // A matrix product with static weights goes to the kernels for it.
  bool shared = llvm::any_of(left.getAxes(), [&](Axis axis) {
    return !llvm::is_contained(over, axis) && right.hasAxis(axis);
  });
  if (!item && !shared && left.getAxes().size() == over.size() + 1 &&
      right.getAxes().size() > over.size() &&
      isa<FloatType>(left.getElementType()) && fuse(op.getResult(), loc)) {
    Value product = matrices[op.getResult()].matrix;
    auto want = tensorType(type);
    if (product.getType() != want) {
      SmallVector<ReassociationIndices> groups = {
          {0}, llvm::to_vector(llvm::seq<int64_t>(1, want.getRank()))};
      product = tensor::ExpandShapeOp::create(b, loc, want, product, groups,
                                              sizesOf(dims, loc));
    }
    set(op.getResult(), product);
    return success();
  }
  if (!item)
    if (Value product = batchedProduct(op)) {
      set(op.getResult(), product);
      return success();
    }
  // Anything else: a loop nest, summed in ascending order.
  Value lhs = get(op.getLhs()), rhs = get(op.getRhs());
  if (!lhs || !rhs)
    return failure();
  SmallVector<Axis> all(dims);
  llvm::append_range(all, over);
  auto mapOf = [&](ArrayRef<Axis> axes) {
    SmallVector<AffineExpr> exprs;
    for (Axis axis : axes)
      exprs.push_back(b.getAffineDimExpr(llvm::find(all, axis) - all.begin()));
    return AffineMap::get(all.size(), 0, exprs, b.getContext());
  };
  SmallVector<utils::IteratorType> iterators(dims.size(),
                                             utils::IteratorType::parallel);
  iterators.append(over.size(), utils::IteratorType::reduction);
  Value zero = arith::ConstantOp::create(b, loc, b.getF32FloatAttr(0));
  Value init =
      linalg::FillOp::create(b, loc, zero, empty(dims, b.getF32Type(), loc))
          .getResult(0);
  set(op.getResult(),
      linalg::GenericOp::create(
          b, loc, init.getType(), ValueRange{lhs, rhs}, init,
          ArrayRef<AffineMap>{mapOf(dimsOf(left)), mapOf(dimsOf(right)),
                              mapOf(dims)},
          iterators,
          [&](OpBuilder &inner, Location at, ValueRange args) {
            auto wide = [&](Value x) -> Value {
              return widenTo(inner, at, x, inner.getF32Type());
            };
            Value product =
                arith::MulFOp::create(inner, at, wide(args[0]), wide(args[1]));
            linalg::YieldOp::create(
                inner, at,
                arith::AddFOp::create(inner, at, args[2], product).getResult());
          })
          .getResult(0));
  return success();
}
