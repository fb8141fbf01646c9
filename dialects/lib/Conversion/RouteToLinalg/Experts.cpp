// Products grouped by expert, with elementwise ops in their epilogues.
#include "Lowering.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "route/Dialect/Ragged/IR/Ragged.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace route;
using namespace route::lowering;

Value route::lowering::through(Value value) {
  while (auto rename = value.getDefiningOp<RenameOp>())
    value = rename.getOperand();
  return value;
}

bool route::lowering::isRowElement(Value tensor) {
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

/// An elementwise tree over products as one product with the tree as its
/// epilogue.
class Lowering::Fusion {
public:
  Fusion(Lowering &in, Value route, Location loc)
      : in(in), b(in.b), route(route), loc(loc),
        rootType(cast<ArrayType>(route.getType())),
        expert(in.expertAxis(rootType)) {}

  /// Each step is false where the tree does not fit one kernel.
  bool run() {
    return findColumns() && collectTree() && findGrouping() && addWeights() &&
           addPerColumn() && addPerRow() && emit();
  }

private:
  bool findColumns();
  std::optional<Given> perColumnOf(Value value);
  bool collectTree();
  bool findGrouping();
  bool addWeights();
  bool addPerColumn();
  bool addPerRow();
  Value leaf(Value route);
  Value collapsed(Value tensor);
  ragged::MatmulOp makeProduct(Type held);
  Value scalarOfTree(Value value);
  bool emit();

  Lowering &in;
  OpBuilder &b;
  Value route;
  Location loc;
  ArrayType rootType;
  Axis expert;
  /// The axes of a row, and their positions.
  SmallVector<Axis> columnAxes;
  int64_t columns = 1;
  Epilogue epilogue;
  /// Where the weights of each product come from, and whether some have one
  /// matrix an expert.
  SmallVector<Given> weightsFrom;
  bool owned = false;
  GroupKey key;
  Grouping *group = nullptr;
  Value rows;
  SmallVector<Value> weights, perColumn, perRow;
  std::optional<bool> transposed;
  llvm::DenseMap<Value, Value> scalars;
};

bool Lowering::Fusion::findColumns() {
  for (Axis axis : rootType.getAxes())
    if (axis != expert && (expert || axis != rootType.getAxes().front()))
      columnAxes.push_back(axis);
  for (Axis axis : columnAxes) {
    if (in.kindOf(axis) == AxisKind::plan ||
        ShapedType::isDynamic(in.staticSize(axis)))
      return false;
    columns *= in.staticSize(axis);
  }
  return !columnAxes.empty();
}

/// Arrays over columns, or experts and columns.
std::optional<Given> Lowering::Fusion::perColumnOf(Value value) {
  auto array = cast<ArrayType>(value.getType());
  if (!expert || !array.hasAxis(expert))
    return array.getAxes() == ArrayRef<Axis>(columnAxes)
               ? std::optional(Given{value, {}})
               : std::nullopt;
  if (isElementwise(value.getDefiningOp()))
    return std::nullopt;
  std::optional<Given> given = in.givenFrom(value, expert);
  if (!given)
    return std::nullopt;
  SmallVector<Axis> want(columnAxes);
  if (given->key.experts)
    want.insert(want.begin(), given->key.experts);
  if (cast<ArrayType>(given->array.getType()).getAxes() != ArrayRef<Axis>(want))
    return std::nullopt;
  return given;
}

bool Lowering::Fusion::collectTree() {
  auto classify = [&](Value value) -> int {
    if (expert &&
        cast<ArrayType>(value.getType()).getAxes() == ArrayRef<Axis>(expert))
      return 1;
    return perColumnOf(value) ? 2 : 0;
  };
  return collect(route, epilogue, classify) && !epilogue.products.empty();
}

/// All products of the tree, and their operands, have one grouping; weights
/// that all rows share go with any.
bool Lowering::Fusion::findGrouping() {
  for (Value product : epilogue.products) {
    auto contract = product.getDefiningOp<ContractOp>();
    std::optional<Given> given =
        expert ? in.givenFrom(contract.getRhs(), expert)
               : std::optional(Given{through(contract.getRhs()), {}});
    if (!given || in.expertAxis(given->array.getType()))
      return false;
    owned |= static_cast<bool>(given->key.experts);
    weightsFrom.push_back(*given);
  }
  if (expert)
    key = in.keyOf(route, expert)
              .value_or(in.sharedKey(in.plans[expert.getValue()]));
  auto fits = [&](const GroupKey &given, bool mayShare) {
    return given == key || (mayShare && !given.experts);
  };
  for (const Given &given : weightsFrom)
    if (!fits(given.key, !owned))
      return false;
  for (Value value : epilogue.perColumn)
    if (GroupKey given = perColumnOf(value)->key;
        !fits(given, true) || (given.experts && !owned))
      return false;
  if (!expert)
    rows = in.matrixOf(epilogue.rows, loc);
  else if (cast<ArrayType>(epilogue.rows.getType()).hasAxis(expert) &&
           (group = in.grouping(in.plans[expert.getValue()], key, loc)))
    rows = in.sorted(epilogue.rows, group, loc);
  return rows && isRowElement(rows);
}

bool Lowering::Fusion::addWeights() {
  for (auto [product, given] : llvm::zip(epilogue.products, weightsFrom)) {
    auto contract = product.getDefiningOp<ContractOp>();
    SmallVector<Axis> over(contract.getOver().getAsRange<Axis>()), columnsOf;
    // Rows are as wide as what is summed over, in its order.
    ArrayRef<Axis> left =
        cast<ArrayType>(contract.getLhs().getType()).getAxes();
    if (left.size() <= over.size() ||
        left.take_back(over.size()) != ArrayRef(over))
      return false;
    Value matrix = in.weightsOf(given.array, given.key.experts, over, columnsOf,
                                transposed, loc);
    if (!matrix || columnsOf != columnAxes)
      return false;
    Type have = getElementTypeOrSelf(matrix);
    if (!isa<FloatType>(have) || have.isF64())
      return false;
    if (have != getElementTypeOrSelf(rows) || !isRowElement(matrix)) {
      // One type for both: the wider.
      matrix = in.widen(matrix, loc);
      rows = in.widen(rows, loc);
      for (Value &earlier : weights)
        earlier = in.widen(earlier, loc);
    }
    weights.push_back(matrix);
  }
  return true;
}

/// The tensor of a leaf of the tree as kernels read it; null where they do not.
Value Lowering::Fusion::leaf(Value route) {
  Value tensor = in.get(route);
  Type element = tensor ? getElementTypeOrSelf(tensor) : Type();
  if (!tensor || !isa<FloatType>(element) || element.isF64())
    return {};
  return in.forKernel(tensor, loc);
}

/// A tensor of one dimension.
Value Lowering::Fusion::collapsed(Value tensor) {
  int64_t rank = cast<RankedTensorType>(tensor.getType()).getRank();
  return tensor::CollapseShapeOp::create(
      b, loc, tensor,
      ArrayRef<ReassociationIndices>{
          llvm::to_vector(llvm::seq<int64_t>(0, rank))});
}

bool Lowering::Fusion::addPerColumn() {
  int64_t experts =
      cast<RankedTensorType>(weights.front().getType()).getDimSize(0);
  for (Value value : epilogue.perColumn) {
    Given given = *perColumnOf(value);
    auto type = cast<ArrayType>(given.array.getType());
    Value tensor = leaf(given.array);
    if (!tensor)
      return false;
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
      tensor = in.map(
          wide, type.getElementType(), Operand{tensor, type}, loc,
          [](OpBuilder &, Location, ValueRange args) { return args[0]; });
    }
    auto tensorType = cast<RankedTensorType>(tensor.getType());
    if (tensorType.getRank() != 1)
      tensor = collapsed(tensor);
    perColumn.push_back(tensor::ExpandShapeOp::create(
        b, loc,
        RankedTensorType::get({experts, columns}, tensorType.getElementType()),
        tensor, ArrayRef<ReassociationIndices>{{0, 1}}));
  }
  return true;
}

bool Lowering::Fusion::addPerRow() {
  for (Value value : epilogue.perRow) {
    Value tensor = leaf(value);
    if (!tensor)
      return false;
    if (cast<RankedTensorType>(tensor.getType()).getRank() > 1)
      tensor = collapsed(tensor);
    perRow.push_back(in.sortRows(tensor, *group, 1, loc));
  }
  return true;
}

/// The product, writing elements of type `held`, with its epilogue's arguments.
ragged::MatmulOp Lowering::Fusion::makeProduct(Type held) {
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
      transposed.value_or(false) ? b.getUnitAttr() : UnitAttr(), IntegerAttr());
  Block *body = b.createBlock(&matmul.getEpilogue());
  for (Value product : epilogue.products)
    scalars[product] = body->addArgument(b.getF32Type(), loc);
  auto argumentsOf = [&](const llvm::SetVector<Value> &leaves,
                         ArrayRef<Value> tensors) {
    for (auto [leaf, tensor] : llvm::zip(leaves, tensors))
      scalars[leaf] = body->addArgument(getElementTypeOrSelf(tensor), loc);
  };
  argumentsOf(epilogue.perColumn, perColumn);
  argumentsOf(epilogue.perRow, perRow);
  return matmul;
}

/// The tree on scalars, in the epilogue; null where an op has no such form.
Value Lowering::Fusion::scalarOfTree(Value value) {
  if (Value scalar = scalars.lookup(value))
    return scalar;
  Value scalar;
  if (auto constant = value.getDefiningOp<ConstantOp>()) {
    scalar = arith::ConstantOp::create(b, constant.getLoc(),
                                       cast<TypedAttr>(constant.getValue()));
  } else {
    SmallVector<Value> operands;
    for (Value operand : value.getDefiningOp()->getOperands()) {
      operands.push_back(scalarOfTree(operand));
      if (!operands.back())
        return {};
    }
    scalar = in.scalarOf(b, value.getDefiningOp(), operands);
  }
  scalars[value] = scalar;
  return scalar;
}

bool Lowering::Fusion::emit() {
  Type type = in.element(rootType.getElementType());
  if (!isa<FloatType>(type) || type.isF64())
    return false;
  // Kernels write f32 and bf16: what is rounded to f16 lies in f32.
  Type held = type.isBF16() ? type : Type(b.getF32Type());
  ragged::MatmulOp matmul = makeProduct(held);
  Value result = scalarOfTree(route);
  if (!result) {
    b.setInsertionPointAfter(matmul);
    matmul.erase();
    return false;
  }
  if (result.getType() != type)
    result = arith::TruncFOp::create(b, loc, type, result);
  if (held != type && result.getType() != held)
    result = arith::ExtFOp::create(b, loc, held, result);
  ragged::YieldOp::create(b, loc, result);
  b.setInsertionPointAfter(matmul);
  in.matrices[route] = {matmul->getResult(0), group ? group->name : ""};
  return true;
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
  if (Fusion(*this, route, loc).run())
    return true;
  unfused.insert(route);
  return false;
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
