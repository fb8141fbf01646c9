// Products and the bodies of experts: rows sorted by expert, elementwise work
// in the products' epilogues.
#include "Lowering.h"
#include "route/Dialect/Ragged/IR/Ragged.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace route;
using namespace route::lowering;

/// Where the values of a broadcast, cast or rename come from.
static Value through(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (!isa<RenameOp>(op))
      break;
    value = op->getOperand(0);
  }
  return value;
}

/// `route`, the weights of a product, as [experts, columns, over], or
/// [experts, over, columns] where they are `transposed`: as the first weights
/// of a product are stored. `columns` gets the axes of the columns. Null where
/// a size is not static.
Value Lowering::weightsOf(Value route, Axis experts, ArrayRef<Axis> over,
                          SmallVectorImpl<Axis> &columns,
                          std::optional<bool> &transposed, Location loc) {
  Value tensor = get(route);
  if (!tensor)
    return {};
  auto type = cast<ArrayType>(route.getType());
  SmallVector<Axis> dims = dimsOf(type), want;
  if (experts)
    want.push_back(experts);
  for (Axis dim : dims)
    if (dim != experts && !llvm::is_contained(over, dim))
      columns.push_back(dim);
  if (!transposed) {
    SmallVector<Axis> stored(want);
    llvm::append_range(stored, over);
    llvm::append_range(stored, columns);
    transposed = !columns.empty() && stored == dims;
  }
  llvm::append_range(want, *transposed ? over : ArrayRef<Axis>(columns));
  llvm::append_range(want, *transposed ? ArrayRef<Axis>(columns) : over);
  if (llvm::any_of(want, [&](Axis dim) {
        return ShapedType::isDynamic(staticSize(dim));
      }))
    return {};
  tensor = transposeTo(tensor, dims, want, loc);
  int64_t n = 1, k = 1;
  for (Axis dim : columns)
    n *= staticSize(dim);
  for (Axis dim : over)
    k *= staticSize(dim);
  int64_t e = experts ? staticSize(experts) : 1;
  auto target = RankedTensorType::get(*transposed ? ArrayRef<int64_t>{e, k, n}
                                                  : ArrayRef<int64_t>{e, n, k},
                                      element(type.getElementType()));
  if (tensor.getType() == target)
    return tensor;
  auto flat = RankedTensorType::get({e * n * k}, target.getElementType());
  SmallVector<ReassociationIndices> all = {llvm::to_vector(llvm::seq<int64_t>(
      0, cast<RankedTensorType>(tensor.getType()).getRank()))};
  if (cast<RankedTensorType>(tensor.getType()).getRank() > 1)
    tensor = tensor::CollapseShapeOp::create(b, loc, flat, tensor, all);
  return tensor::ExpandShapeOp::create(
      b, loc, target, tensor, ArrayRef<ReassociationIndices>{{0, 1, 2}});
}

/// Floats of fewer bits as f32, exactly.
Value Lowering::widen(Value tensor, Location loc) {
  auto type = cast<RankedTensorType>(tensor.getType());
  if (type.getElementType().isF32())
    return tensor;
  unsigned rank = type.getRank();
  AffineMap identity = b.getMultiDimIdentityMap(rank);
  Value init = tensor::EmptyOp::create(
      b, loc, tensor::getMixedSizes(b, loc, tensor), b.getF32Type());
  SmallVector<utils::IteratorType> iterators(rank,
                                             utils::IteratorType::parallel);
  return linalg::GenericOp::create(
             b, loc, init.getType(), tensor, init,
             ArrayRef<AffineMap>{identity, identity}, iterators,
             [](OpBuilder &inner, Location at, ValueRange args) {
               Value wide = arith::ExtFOp::create(inner, at, inner.getF32Type(),
                                                  args[0]);
               linalg::YieldOp::create(inner, at, wide);
             })
      .getResult(0);
}

namespace {
/// A product and the elementwise ops on it that can share one kernel.
struct Epilogue {
  Value rows;                      // the products' common left operand
  llvm::SetVector<Value> products; // contractions
  llvm::SetVector<Value> perRow;   // arrays over the rows alone
  llvm::SetVector<Value>
      perColumn; // arrays over columns, or experts and columns
};
} // namespace

static bool isElementwise(Operation *op) {
  return op && isa<UnaryOp, BinaryOp, CompareOp, SelectOp, CastOp>(op);
}

static bool isScalarConstant(Value value) {
  auto constant = value.getDefiningOp<ConstantOp>();
  return constant && cast<ArrayType>(value.getType()).isScalar() &&
         isa<FloatAttr, IntegerAttr>(constant.getValue());
}

/// Sorts the leaves below `value`; false if they cannot share a kernel.
static bool collect(Value value, Epilogue &epilogue,
                    llvm::function_ref<int(Value)> classify) {
  if (isScalarConstant(value))
    return true;
  Operation *op = value.getDefiningOp();
  if (auto contract = dyn_cast_or_null<ContractOp>(op)) {
    if (epilogue.rows && epilogue.rows != contract.getLhs())
      return false;
    epilogue.rows = contract.getLhs();
    epilogue.products.insert(value);
    return true;
  }
  switch (classify(value)) {
  case 1:
    epilogue.perRow.insert(value);
    return true;
  case 2:
    epilogue.perColumn.insert(value);
    return true;
  }
  return isElementwise(op) &&
         llvm::all_of(op->getOperands(), [&](Value operand) {
           return collect(operand, epilogue, classify);
         });
}

/// An array as a matrix: rows are the slots of its plan sorted by expert, or
/// the positions of its item axes; columns everything else.
Value Lowering::matrixOf(Value route, Axis by, Location loc) {
  auto type = cast<ArrayType>(route.getType());
  Axis expert = expertAxis(type);
  if (!expert) {
    if (Operation *op = route.getDefiningOp();
        isElementwise(op) && op->hasOneUse())
      if (Value fused = fusedMatrix(route, type.getElementType(), loc))
        return fused;
    Value tensor = get(route);
    return tensor && cast<RankedTensorType>(tensor.getType()).getRank() >= 2
               ? asMatrix(b, loc, tensor,
                          cast<RankedTensorType>(tensor.getType()).getRank() -
                              1)
               : Value();
  }
  if (auto broadcast = route.getDefiningOp<BroadcastOp>()) {
    // Items' values: every slot takes its item's row.
    Plan &rows = plans[expert.getValue()];
    auto from = cast<ArrayType>(broadcast.getOperand().getType());
    Value source = get(broadcast.getOperand());
    if (!source)
      return {};
    SmallVector<Axis> dims = dimsOf(from), items = dimsOf(rows.per);
    if (llvm::is_contained(dims, rows.candidates) || rows.extent ||
        ArrayRef(dims).take_front(items.size()) != ArrayRef(items))
      return rowsByPlace(broadcast, by, loc);
    source = asMatrix(b, loc, source, items.size());
    if (!source ||
        !isa<FloatType>(
            cast<RankedTensorType>(source.getType()).getElementType()))
      return {};
    Grouping &group = grouping(rows, by, loc);
    auto sourceType = cast<RankedTensorType>(source.getType());
    Value init = tensor::EmptyOp::create(
        b, loc,
        ArrayRef<OpFoldResult>{tensor::getMixedSize(b, loc, group.perm, 0),
                               b.getIndexAttr(sourceType.getDimSize(1))},
        sourceType.getElementType());
    return ragged::GatherOp::create(b, loc, TypeRange(init.getType()), source,
                                    group.perm, init, rows.rank)
        ->getResult(0);
  }
  if (!isProduct(route))
    return sorted(route, by, loc);
  return fusedMatrix(route, type.getElementType(), loc);
}

/// `route`, an elementwise tree over products, as one grouped product with the
/// tree as its epilogue, rounded to `type`. Null with a diagnostic where the
/// tree's leaves do not fit one kernel.
Value Lowering::fusedMatrix(Value route, Type type, Location loc) {
  Operation *root = route.getDefiningOp();
  auto fail = [&](const Twine &what) -> Value {
    if (root)
      (void)unsupported(root, what);
    return {};
  };
  if (Value known = matrices.lookup(route))
    return known;
  auto rootType = cast<ArrayType>(route.getType());
  Axis expert = expertAxis(rootType);
  SmallVector<Axis> columnAxes;
  for (Axis axis : rootType.getAxes())
    if (axis != expert && (expert || axis != rootType.getAxes().front()))
      columnAxes.push_back(axis);
  Axis by = sortedBy(route);
  if (expert && !by) // shared by all: any order will do
    by = plans[expert.getValue()].candidates;
  if (expert && ShapedType::isDynamic(staticSize(by)))
    return fail("experts on an axis whose size the call decides");
  auto classify = [&](Value value) -> int {
    auto array = cast<ArrayType>(value.getType());
    if (expert && array.getAxes() == ArrayRef<Axis>(expert))
      return 1;
    if (array.getAxes() == ArrayRef<Axis>(columnAxes))
      return 2;
    if (auto broadcast = value.getDefiningOp<BroadcastOp>();
        broadcast && expert) {
      SmallVector<Axis> want = {by};
      llvm::append_range(want, columnAxes);
      auto from = cast<ArrayType>(broadcast.getOperand().getType()).getAxes();
      if (from == ArrayRef<Axis>(want) || from == ArrayRef<Axis>(columnAxes))
        return 2;
    }
    return 0;
  };
  Epilogue epilogue;
  if (!collect(route, epilogue, classify) || epilogue.products.empty()) {
    if (!expert)
      return {};
    return fail("an expert body of this shape");
  }
  Value rows = matrixOf(epilogue.rows, by, loc);
  if (!rows)
    return fail("a product with these rows");
  auto rowsType = cast<RankedTensorType>(rows.getType());

  SmallVector<Value> weights, perColumn, perRow;
  int64_t columns = 1;
  for (Axis axis : columnAxes)
    columns *= staticSize(axis);
  std::optional<bool> transposed;
  // Weights that experts share make one dense product of the sorted rows.
  std::optional<bool> shared;
  for (Value product : epilogue.products) {
    auto contract = product.getDefiningOp<ContractOp>();
    SmallVector<Axis> over, columnsOf;
    for (auto axis : contract.getOver().getAsRange<Axis>())
      over.push_back(axis);
    Value source = contract.getRhs();
    Axis experts;
    if (expert) {
      if (auto broadcast = source.getDefiningOp<BroadcastOp>();
          broadcast && broadcast.getPlan())
        source = broadcast.getOperand();
      if (cast<ArrayType>(source.getType()).hasAxis(by))
        experts = by;
      if (expertAxis(source.getType()))
        return fail("weights that are made row by row");
      if (shared && *shared != !experts)
        return fail("weights of which experts share some and own others");
      shared = !experts;
    }
    // Rows are as wide as what is summed over, in its order.
    auto left = cast<ArrayType>(contract.getLhs().getType());
    if (ArrayRef<Axis>(left.getAxes()).take_back(over.size()) !=
        ArrayRef<Axis>(over))
      return fail("a product over other than the last axes");
    Value matrix =
        weightsOf(through(source), experts, over, columnsOf, transposed, loc);
    if (!matrix || columnsOf != columnAxes)
      return fail("weights of this shape");
    Type have = cast<RankedTensorType>(matrix.getType()).getElementType();
    if (have != rowsType.getElementType()) {
      // One type for both: the wider.
      if (!rowsType.getElementType().isF32() && !have.isF32())
        return fail("a product of these element types");
      matrix = widen(matrix, loc);
      rows = widen(rows, loc);
      rowsType = cast<RankedTensorType>(rows.getType());
      for (Value &earlier : weights)
        earlier = widen(earlier, loc);
    }
    weights.push_back(matrix);
  }
  for (Value value : epilogue.perColumn) {
    Value source = value;
    if (auto broadcast = value.getDefiningOp<BroadcastOp>();
        broadcast && expertAxis(value.getType()))
      source = broadcast.getOperand();
    Value tensor = get(source);
    if (!tensor)
      return fail("this operand of an expert body");
    auto tensorType = cast<RankedTensorType>(tensor.getType());
    int64_t experts =
        cast<RankedTensorType>(weights.front().getType()).getDimSize(0);
    auto sourceType = cast<ArrayType>(source.getType());
    if (expert && shared.value_or(false) && sourceType.hasAxis(by))
      return fail("an expert's own operand of a shared product");
    if (expert && experts != 1 && !sourceType.hasAxis(by)) {
      // One for all experts: given to each.
      SmallVector<Axis> wide = {by};
      llvm::append_range(wide, columnAxes);
      tensor = map(
          wide, sourceType.getElementType(), Operand{tensor, sourceType}, loc,
          [](OpBuilder &, Location, ValueRange args) { return args[0]; });
      tensorType = cast<RankedTensorType>(tensor.getType());
    }
    auto flat = RankedTensorType::get({tensorType.getNumElements()},
                                      tensorType.getElementType());
    if (tensorType.getRank() != 1)
      tensor = tensor::CollapseShapeOp::create(
          b, loc, flat, tensor,
          ArrayRef<ReassociationIndices>{
              llvm::to_vector(llvm::seq<int64_t>(0, tensorType.getRank()))});
    perColumn.push_back(tensor::ExpandShapeOp::create(
        b, loc,
        RankedTensorType::get({experts, columns}, tensorType.getElementType()),
        tensor, ArrayRef<ReassociationIndices>{{0, 1}}));
  }
  Value offsets;
  if (expert) {
    Plan &plan = plans[expert.getValue()];
    Grouping &group = grouping(plan, by, loc);
    if (!shared.value_or(false))
      offsets = group.offsets;
    for (Value value : epilogue.perRow) {
      Value tensor = get(value);
      if (!tensor)
        return fail("this operand of an expert body");
      auto tensorType = cast<RankedTensorType>(tensor.getType());
      Value flat = tensor::CollapseShapeOp::create(
          b, loc, tensor,
          ArrayRef<ReassociationIndices>{
              llvm::to_vector(llvm::seq<int64_t>(0, tensorType.getRank()))});
      Value init = tensor::EmptyOp::create(
          b, loc,
          ArrayRef<OpFoldResult>{tensor::getMixedSize(b, loc, group.perm, 0)},
          tensorType.getElementType());
      perRow.push_back(ragged::GatherOp::create(b, loc,
                                                TypeRange(init.getType()), flat,
                                                group.perm, init, 1)
                           ->getResult(0));
    }
  }
  Value init = tensor::EmptyOp::create(
      b, loc,
      ArrayRef<OpFoldResult>{tensor::getMixedSize(b, loc, rows, 0),
                             b.getIndexAttr(columns)},
      element(type));
  auto matmul = ragged::MatmulOp::create(
      b, loc, TypeRange(init.getType()), rows, offsets, weights, perColumn,
      perRow, init, IntegerAttr(),
      transposed.value_or(false) ? b.getUnitAttr() : UnitAttr());
  Block *body = b.createBlock(&matmul.getEpilogue());
  llvm::DenseMap<Value, Value> scalars;
  for (Value product : epilogue.products)
    scalars[product] = body->addArgument(b.getF32Type(), loc);
  auto argumentsOf = [&](const llvm::SetVector<Value> &leaves,
                         ArrayRef<Value> tensors) {
    for (auto [leaf, tensor] : llvm::zip(leaves, tensors))
      scalars[leaf] = body->addArgument(
          cast<RankedTensorType>(tensor.getType()).getElementType(), loc);
  };
  argumentsOf(epilogue.perColumn, perColumn);
  argumentsOf(epilogue.perRow, perRow);
  bool ok = true;
  auto emit = [&](auto &&self, Value value) -> Value {
    if (Value scalar = scalars.lookup(value))
      return scalar;
    Value scalar;
    if (auto constant = value.getDefiningOp<ConstantOp>()) {
      scalar = arith::ConstantOp::create(b, constant.getLoc(),
                                         cast<TypedAttr>(constant.getValue()));
    } else {
      SmallVector<Value> operands;
      for (Value operand : value.getDefiningOp()->getOperands()) {
        operands.push_back(self(self, operand));
        if (!operands.back())
          return {};
      }
      scalar = scalarOf(b, value.getDefiningOp(), operands);
    }
    scalars[value] = scalar;
    return scalar;
  };
  Value result = emit(emit, route);
  ok = static_cast<bool>(result);
  if (ok && result.getType() != element(type))
    result = arith::TruncFOp::create(b, loc, element(type), result);
  if (!ok)
    result = arith::ConstantOp::create(
        b, loc, cast<TypedAttr>(b.getZeroAttr(element(type))));
  ragged::YieldOp::create(b, loc, result);
  b.setInsertionPointAfter(matmul);
  if (!ok)
    return {};
  if (expert)
    matrices[route] = matmul->getResult(0);
  return matmul->getResult(0);
}

LogicalResult Lowering::lowerContract(ContractOp op) {
  if (expertAxis(op.getType()))
    return success(); // computed on demand, with what surrounds it
  Location loc = op.getLoc();
  auto type = cast<ArrayType>(op.getType()),
       left = cast<ArrayType>(op.getLhs().getType()),
       right = cast<ArrayType>(op.getRhs().getType());
  SmallVector<Axis> over, dims = dimsOf(type);
  for (auto axis : op.getOver().getAsRange<Axis>())
    over.push_back(axis);
  // A matrix product with static weights goes to the kernels for it.
  bool shared = llvm::any_of(left.getAxes(), [&](Axis axis) {
    return !llvm::is_contained(over, axis) && right.hasAxis(axis);
  });
  bool last = ArrayRef<Axis>(left.getAxes()).take_back(over.size()) ==
              ArrayRef<Axis>(over);
  if (!item && !shared && last && left.getAxes().size() > over.size() &&
      isa<FloatType>(left.getElementType()) &&
      llvm::none_of(
          right.getAxes(),
          [&](Axis axis) { return ShapedType::isDynamic(staticSize(axis)); }) &&
      right.getAxes().size() > over.size() && !op.getExact() &&
      left.getAxes().size() - over.size() == 1) {
    Value product = fusedMatrix(op.getResult(), b.getF32Type(), loc);
    if (!product)
      return failure();
    auto want = tensorType(type);
    if (product.getType() != want) {
      SmallVector<ReassociationIndices> groups = {
          {0}, llvm::to_vector(llvm::seq<int64_t>(1, want.getRank()))};
      SmallVector<OpFoldResult> shape;
      for (Axis dim : dims)
        shape.push_back(size(dim, loc));
      product =
          tensor::ExpandShapeOp::create(b, loc, want, product, groups, shape);
    }
    set(op.getResult(), product);
    return success();
  }
  if (op.getExact())
    return unsupported(op, "exact products");
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
              auto from = cast<FloatType>(x.getType());
              if (from.getWidth() < 32)
                return arith::ExtFOp::create(inner, at, inner.getF32Type(), x);
              if (from.getWidth() > 32)
                return arith::TruncFOp::create(inner, at, inner.getF32Type(),
                                               x);
              return x;
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

/// The sum of experts' values over a plan's rows, back at the items.
LogicalResult Lowering::lowerCombine(ReduceOp op) {
  Location loc = op.getLoc();
  auto from = cast<ArrayType>(op.getOperand().getType()),
       to = cast<ArrayType>(op.getType());
  Axis expert = expertAxis(from);
  Plan &rows = plans[expert.getValue()];
  if (op.getKind() != ReduceKind::sum || !op.getPlan())
    return unsupported(op, "this reduction of experts' values");
  SmallVector<Axis> dims = dimsOf(to), items = dimsOf(rows.per);
  bool atItems = ArrayRef(dims).take_front(items.size()) == ArrayRef(items);
  // `weight * value` is summed as it is: each product and sum rounded to f32.
  Value source = op.getOperand(), scale;
  if (auto product = source.getDefiningOp<BinaryOp>();
      product && product.getKind() == BinaryKind::mul)
    for (auto [one, other] : {std::pair(product.getLhs(), product.getRhs()),
                              std::pair(product.getRhs(), product.getLhs())})
      if (cast<ArrayType>(one.getType()).getAxes() == ArrayRef<Axis>(expert) &&
          cast<ArrayType>(one.getType()).getElementType().isF32()) {
        scale = get(one);
        source = other;
        break;
      }
  // Widening before the sum is what combining does.
  if (auto cast = source.getDefiningOp<CastOp>();
      cast && llvm::cast<ArrayType>(cast.getType()).getElementType().isF32())
    source = cast.getOperand();
  Axis by = sortedBy(source);
  if (!by)
    by = rows.candidates;
  Value y = matrixOf(source, by, loc);
  if (!y)
    return failure();
  Grouping &group = grouping(rows, by, loc);
  if (!atItems)
    return combineByPlace(op, y, scale, group.inv);
  if (scale && cast<RankedTensorType>(scale.getType()).getRank() > 2)
    scale = asMatrix(b, loc, scale,
                     cast<RankedTensorType>(scale.getType()).getRank() - 1);
  auto type = cast<RankedTensorType>(y.getType());
  Value init = tensor::EmptyOp::create(
      b, loc,
      ArrayRef<OpFoldResult>{tensor::getMixedSize(b, loc, group.inv, 0),
                             b.getIndexAttr(type.getDimSize(1))},
      b.getF32Type());
  Value sum = ragged::CombineOp::create(b, loc, TypeRange(init.getType()), y,
                                        group.inv, scale, init)
                  ->getResult(0);
  auto want = tensorType(to);
  if (sum.getType() != want) {
    SmallVector<ReassociationIndices> groups = {
        llvm::to_vector(llvm::seq<int64_t>(0, items.size())),
        llvm::to_vector(llvm::seq<int64_t>(items.size(), want.getRank()))};
    SmallVector<OpFoldResult> shape;
    for (Axis dim : dims)
      shape.push_back(size(dim, loc));
    sum = tensor::ExpandShapeOp::create(b, loc, want, sum, groups, shape);
  }
  set(op.getResult(), sum);
  return success();
}
