// Products: matrix products grouped by expert, with the elementwise ops around
// them in their epilogues, and sums of products of any other shape.
#include "Lowering.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "route/Dialect/Ragged/IR/Ragged.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace route;
using namespace route::lowering;

/// Where the values of a rename come from.
static Value through(Value value) {
  while (auto rename = value.getDefiningOp<RenameOp>())
    value = rename.getOperand();
  return value;
}

/// Whether the kernels move and multiply such elements as they are.
static bool isRowElement(Value tensor) {
  Type type = cast<RankedTensorType>(tensor.getType()).getElementType();
  return type.isF32() || type.isBF16();
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
  if (want.size() != dims.size() || llvm::any_of(want, [&](Axis dim) {
        return ShapedType::isDynamic(staticSize(dim)) ||
               !llvm::is_contained(dims, dim);
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

/// `tensor`, widened where its floats are none that kernels read.
Value Lowering::forKernel(Value tensor, Location loc) {
  return isRowElement(tensor) ? tensor : widen(tensor, loc);
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
    if (contract.getExact() ||
        (epilogue.rows && epilogue.rows != contract.getLhs()))
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

/// What a value over the rows of `expert` is given from; nothing where it is
/// made row by row.
std::optional<Given> Lowering::givenFrom(Value value, Axis expert) {
  value = through(value);
  auto type = cast<ArrayType>(value.getType());
  if (!type.hasAxis(expert))
    return expertAxis(type) ? std::nullopt : std::optional(Given{value, {}});
  if (auto broadcast = value.getDefiningOp<BroadcastOp>();
      broadcast && broadcast.getPlan()) {
    Value array = through(broadcast.getOperand());
    auto from = cast<ArrayType>(array.getType());
    // Of the rows of the plan that this one is a part of.
    if (Axis outer = expertAxis(from))
      return plans[outer.getValue()].base == plans[expert.getValue()].base
                 ? givenFrom(array, outer)
                 : std::nullopt;
    GroupKey key;
    for (Axis axis : from.getAxes())
      if (!type.hasAxis(axis)) {
        if (key.experts || !descends(expert, axis))
          return std::nullopt;
        key.experts = axis;
      }
    return Given{array, key};
  }
  if (auto pick = value.getDefiningOp<PickOp>();
      pick && cast<ArrayType>(pick.getPosition().getType()).getAxes() ==
                  ArrayRef<Axis>(expert))
    if (auto from = givenFrom(pick.getOperand(), expert);
        from && !from->key.experts)
      return Given{from->array, {pick.getAlongAttr(), pick.getPosition()}};
  return std::nullopt;
}

/// What the weights below an expert's value have one matrix each of; nothing
/// where all rows share them.
std::optional<GroupKey> Lowering::keyOf(Value route, Axis expert) {
  Operation *op = route.getDefiningOp();
  if (!op || !cast<ArrayType>(route.getType()).hasAxis(expert))
    return std::nullopt;
  if (auto contract = dyn_cast<ContractOp>(op)) {
    std::optional<Given> weights = givenFrom(contract.getRhs(), expert);
    if (weights && weights->key.experts)
      return weights->key;
    return keyOf(contract.getLhs(), expert);
  }
  if (isElementwise(op) || isa<PickOp, RenameOp>(op))
    for (Value operand : op->getOperands())
      if (std::optional<GroupKey> key = keyOf(operand, expert))
        return key;
  return std::nullopt;
}

/// The order of rows whose weights nobody owns: that of what was chosen, which
/// others will want, or none.
GroupKey Lowering::sharedKey(const Plan &rows) {
  bool usual = rows.axis == rows.base &&
               kindOf(rows.candidates) != AxisKind::plan &&
               !ShapedType::isDynamic(staticSize(rows.candidates));
  return usual ? GroupKey{rows.candidates, {}} : GroupKey();
}

/// `route`, an elementwise tree over products, as one product with the tree as
/// its epilogue, rounded to its type; false where it does not fit one kernel.
/// Rows are sorted, and the product grouped, where it is over a plan; else they
/// are those of the first axis.
bool Lowering::fuse(Value route, Location loc) {
  if (matrices.contains(route))
    return true;
  auto rootType = cast<ArrayType>(route.getType());
  Axis expert = expertAxis(rootType);
  if (item || unfused.contains(route) ||
      (expert && rootType.getAxes().front() != expert))
    return false;
  auto fail = [&] {
    unfused.insert(route);
    return false;
  };
  SmallVector<Axis> columnAxes;
  for (Axis axis : rootType.getAxes())
    if (axis != expert && (expert || axis != rootType.getAxes().front()))
      columnAxes.push_back(axis);
  if (columnAxes.empty() || llvm::any_of(columnAxes, [&](Axis axis) {
        return kindOf(axis) == AxisKind::plan ||
               ShapedType::isDynamic(staticSize(axis));
      }))
    return fail();
  // Arrays over columns, or experts and columns.
  auto perColumnOf = [&](Value value) -> std::optional<Given> {
    auto array = cast<ArrayType>(value.getType());
    if (!expert || !array.hasAxis(expert))
      return array.getAxes() == ArrayRef<Axis>(columnAxes)
                 ? std::optional(Given{value, {}})
                 : std::nullopt;
    if (isElementwise(value.getDefiningOp()))
      return std::nullopt;
    std::optional<Given> given = givenFrom(value, expert);
    if (!given)
      return std::nullopt;
    SmallVector<Axis> want(columnAxes);
    if (given->key.experts)
      want.insert(want.begin(), given->key.experts);
    if (cast<ArrayType>(given->array.getType()).getAxes() !=
        ArrayRef<Axis>(want))
      return std::nullopt;
    return given;
  };
  auto classify = [&](Value value) -> int {
    if (expert &&
        cast<ArrayType>(value.getType()).getAxes() == ArrayRef<Axis>(expert))
      return 1;
    return perColumnOf(value) ? 2 : 0;
  };
  Epilogue epilogue;
  if (!collect(route, epilogue, classify) || epilogue.products.empty())
    return fail();

  // All products of the tree, and their operands, have one grouping; weights
  // that all rows share go with any.
  SmallVector<Given> weightsFrom;
  bool owned = false;
  for (Value product : epilogue.products) {
    auto contract = product.getDefiningOp<ContractOp>();
    std::optional<Given> given =
        expert ? givenFrom(contract.getRhs(), expert)
               : std::optional(Given{through(contract.getRhs()), {}});
    if (!given || expertAxis(given->array.getType()))
      return fail();
    owned |= static_cast<bool>(given->key.experts);
    weightsFrom.push_back(*given);
  }
  GroupKey key;
  if (expert)
    key = keyOf(route, expert).value_or(sharedKey(plans[expert.getValue()]));
  auto fits = [&](const GroupKey &given, bool mayShare) {
    return given == key || (mayShare && !given.experts);
  };
  for (const Given &given : weightsFrom)
    if (!fits(given.key, !owned))
      return fail();
  for (Value value : epilogue.perColumn)
    if (GroupKey given = perColumnOf(value)->key;
        !fits(given, true) || (given.experts && !owned))
      return fail();
  Grouping *group = nullptr;
  Value rows;
  if (!expert)
    rows = matrixOf(epilogue.rows, loc);
  else if (cast<ArrayType>(epilogue.rows.getType()).hasAxis(expert) &&
           (group = grouping(plans[expert.getValue()], key, loc)))
    rows = sorted(epilogue.rows, group, loc);
  if (!rows || !isRowElement(rows))
    return fail();
  auto rowsType = cast<RankedTensorType>(rows.getType());

  SmallVector<Value> weights, perColumn, perRow;
  int64_t columns = 1;
  for (Axis axis : columnAxes)
    columns *= staticSize(axis);
  std::optional<bool> transposed;
  for (auto [product, given] : llvm::zip(epilogue.products, weightsFrom)) {
    auto contract = product.getDefiningOp<ContractOp>();
    SmallVector<Axis> over(contract.getOver().getAsRange<Axis>()), columnsOf;
    // Rows are as wide as what is summed over, in its order.
    ArrayRef<Axis> left =
        cast<ArrayType>(contract.getLhs().getType()).getAxes();
    if (left.size() <= over.size() ||
        left.take_back(over.size()) != ArrayRef(over))
      return fail();
    Value matrix = weightsOf(given.array, given.key.experts, over, columnsOf,
                             transposed, loc);
    if (!matrix || columnsOf != columnAxes ||
        !isa<FloatType>(
            cast<RankedTensorType>(matrix.getType()).getElementType()))
      return fail();
    Type have = cast<RankedTensorType>(matrix.getType()).getElementType();
    if (have.isF64())
      return fail();
    if (have != rowsType.getElementType() || !isRowElement(matrix)) {
      // One type for both: the wider.
      matrix = widen(matrix, loc);
      rows = widen(rows, loc);
      rowsType = cast<RankedTensorType>(rows.getType());
      for (Value &earlier : weights)
        earlier = widen(earlier, loc);
    }
    weights.push_back(matrix);
  }
  int64_t experts =
      cast<RankedTensorType>(weights.front().getType()).getDimSize(0);
  for (Value value : epilogue.perColumn) {
    Given given = *perColumnOf(value);
    auto type = cast<ArrayType>(given.array.getType());
    Value tensor = get(given.array);
    if (!tensor ||
        !isa<FloatType>(
            cast<RankedTensorType>(tensor.getType()).getElementType()))
      return fail();
    if (getElementTypeOrSelf(tensor).isF64())
      return fail();
    tensor = forKernel(tensor, loc);
    // The kernel reads whole vectors: halves that lie interleaved are brought
    // together.
    if (auto slice = tensor.getDefiningOp<tensor::ExtractSliceOp>();
        slice && slice.getStaticSizes().back() == 1 &&
        slice.getSourceType().getShape().back() != 1)
      tensor = bufferization::AllocTensorOp::create(
          b, loc, cast<RankedTensorType>(tensor.getType()), ValueRange(),
          tensor);
    if (experts != 1 && !given.key.experts) {
      // One for all experts: given to each.
      SmallVector<Axis> wide = {key.experts};
      llvm::append_range(wide, columnAxes);
      tensor =
          map(wide, type.getElementType(), Operand{tensor, type}, loc,
              [](OpBuilder &, Location, ValueRange args) { return args[0]; });
    }
    auto tensorType = cast<RankedTensorType>(tensor.getType());
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
  for (Value value : epilogue.perRow) {
    Value tensor = get(value);
    if (!tensor ||
        !isa<FloatType>(
            cast<RankedTensorType>(tensor.getType()).getElementType()))
      return fail();
    if (getElementTypeOrSelf(tensor).isF64())
      return fail();
    tensor = forKernel(tensor, loc);
    auto tensorType = cast<RankedTensorType>(tensor.getType());
    if (tensorType.getRank() > 1)
      tensor = tensor::CollapseShapeOp::create(
          b, loc, tensor,
          ArrayRef<ReassociationIndices>{
              llvm::to_vector(llvm::seq<int64_t>(0, tensorType.getRank()))});
    perRow.push_back(sortRows(tensor, *group, 1, loc));
  }
  Type type = element(rootType.getElementType());
  if (!isa<FloatType>(type) || type.isF64())
    return fail();
  // Kernels write f32 and bf16: what is rounded to f16 lies in f32.
  Type held = type.isBF16() ? type : Type(b.getF32Type());
  Value init = tensor::EmptyOp::create(
      b, loc,
      ArrayRef<OpFoldResult>{tensor::getMixedSize(b, loc, rows, 0),
                             b.getIndexAttr(columns)},
      held);
  // Weights that all rows share make one dense product where every row counts.
  Value offsets = group && (owned || !key.experts) ? group->offsets : Value();
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
  if (!result) {
    b.setInsertionPointAfter(matmul);
    matmul.erase();
    return fail();
  }
  if (result.getType() != type)
    result = arith::TruncFOp::create(b, loc, type, result);
  if (held != type && result.getType() != held)
    result = arith::ExtFOp::create(b, loc, held, result);
  ragged::YieldOp::create(b, loc, result);
  b.setInsertionPointAfter(matmul);
  matrices[route] = {matmul->getResult(0), group ? group->name : ""};
  return true;
}

/// An array over items as a matrix: a row a position of its first axis, columns
/// everything else.
Value Lowering::matrixOf(Value route, Location loc) {
  if (Operation *op = route.getDefiningOp();
      isElementwise(op) && op->hasOneUse() && fuse(route, loc))
    return matrices[route].matrix;
  Value tensor = get(route);
  if (!tensor || cast<RankedTensorType>(tensor.getType()).getRank() < 2)
    return {};
  tensor = asMatrix(b, loc, tensor, 1);
  Type type = cast<RankedTensorType>(tensor.getType()).getElementType();
  return type.isF16() ? widen(tensor, loc) : tensor;
}

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
      *transposed ? b.getUnitAttr() : UnitAttr());
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
      auto type = dyn_cast<FloatType>(x.getType());
      if (!type)
        return arith::SIToFPOp::create(deep, where, deep.getF32Type(), x);
      if (type.getWidth() < 32)
        return arith::ExtFOp::create(deep, where, deep.getF32Type(), x);
      if (type.getWidth() > 32)
        return arith::TruncFOp::create(deep, where, deep.getF32Type(), x);
      return x;
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
    return unsupported(op, "a product over these axes");
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
    auto from = cast<FloatType>(x.getType());
    if (from.getWidth() < 32)
      return arith::ExtFOp::create(inner, at, inner.getF32Type(), x);
    if (from.getWidth() > 32)
      return arith::TruncFOp::create(inner, at, inner.getF32Type(), x);
    return x;
  };
  for (Value side : {lhs, rhs})
    if (!isa<FloatType>(
            cast<RankedTensorType>(side.getType()).getElementType()))
      return unsupported(op, "exact products of these elements");
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
  if (!item && op.getExact())
    return contractExactly(op);
  bool ofPlans =
      llvm::any_of(llvm::concat<const Axis>(left.getAxes(), right.getAxes()),
                   [&](Axis axis) { return kindOf(axis) == AxisKind::plan; });
  if (!item && ofPlans)
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
