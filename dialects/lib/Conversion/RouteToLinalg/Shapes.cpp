// Axes as dimensions: which dimensions an array has and how large they are.
#include "Lowering.h"
#include "mlir/IR/IRMapping.h"
#include "route/Conversion/RouteToLinalg/Passes.h"
#include "route/Dialect/Signal/IR/Signal.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace route;
using namespace route::lowering;

SmallVector<Axis> Lowering::dimsOf(ArrayRef<Axis> axes) {
  SmallVector<Axis> dims;
  for (Axis axis : axes) {
    if (axis == item)
      continue;
    if (auto plan = plans.find(axis.getValue()); plan != plans.end())
      for (Axis outer : dimsOf(plan->second.per))
        if (!llvm::is_contained(dims, outer))
          dims.push_back(outer);
    dims.push_back(axis);
  }
  return dims;
}

SmallVector<Axis> Lowering::dimsOf(ArrayType type) {
  return dimsOf(type.getAxes());
}

int64_t Lowering::staticSize(Axis dim) {
  if (auto plan = plans.find(dim.getValue()); plan != plans.end())
    return plan->second.rank;
  if (llvm::is_contained(single, dim))
    return 1;
  AxisOp axis = lookupAxis(func, dim, tables);
  if (axis.getOriginalAttr())
    return staticSize(axis.getOriginalAttr());
  return axis.getSize() ? static_cast<int64_t>(*axis.getSize())
                        : ShapedType::kDynamic;
}

OpFoldResult Lowering::size(Axis dim, Location loc) {
  int64_t fixed = staticSize(dim);
  if (!ShapedType::isDynamic(fixed))
    return b.getIndexAttr(fixed);
  if (auto plan = plans.find(dim.getValue()); plan != plans.end())
    return plan->second.extent;
  return sizes.lookup(sourceAxis(dim).getSymName());
}

/// The pools that a pool of pools is made of: its parts, or its factors.
SmallVector<Axis> Lowering::madeOf(Axis axis) {
  AxisOp op = sourceAxis(axis);
  if (ArrayAttr parts = getParts(op))
    return llvm::to_vector_of<Axis>(parts.getAsRange<Axis>());
  SmallVector<Axis> factors = parentsOf(axis);
  return factors.size() > 1 ? factors : SmallVector<Axis>();
}

/// The size of an axis of which every parent has as many, from its parent's or,
/// where only that is known, the parent's size from this one.
void Lowering::sizeFromParent(Axis axis, Location loc) {
  AxisOp op = sourceAxis(axis);
  if (SmallVector<Axis> pools = madeOf(axis);
      !pools.empty() && !op.getSize() && !sizes.contains(op.getSymName())) {
    Value size;
    for (Axis pool : pools) {
      sizeFromParent(pool, loc);
      Value own = sizeValue(pool, loc);
      size = !size          ? own
             : getParts(op) ? Value(arith::AddIOp::create(b, loc, size, own))
                            : Value(arith::MulIOp::create(b, loc, size, own));
    }
    sizes[op.getSymName()] = size;
    derivedSizes.push_back({op.getSymName().str(), size});
    return;
  }
  auto each = op->getAttrOfType<IntegerAttr>("per_parent");
  if (!each || op.getSize())
    return;
  Axis parent = parentOf(axis);
  AxisOp above = sourceAxis(parent);
  if (sizes.contains(op.getSymName())) {
    if (above.getSize() || sizes.contains(above.getSymName()))
      return;
    Value members = sizes.lookup(op.getSymName()),
          many = constantIndex(std::max<int64_t>(each.getInt(), 1), loc),
          parents = arith::DivUIOp::create(b, loc, members, many);
    sizes[above.getSymName()] = parents;
    // A host that gives members of no whole number of parents is told so.
    Value whole = arith::CmpIOp::create(
        b, loc, arith::CmpIPredicate::eq,
        arith::RemUIOp::create(b, loc, members, many), constantIndex(0, loc));
    derivedSizes.push_back({above.getSymName().str(),
                            arith::SelectOp::create(b, loc, whole, parents,
                                                    constantIndex(-2, loc))});
    sizeFromParent(parent, loc);
    return;
  }
  sizeFromParent(parent, loc);
  Value size = arith::MulIOp::create(b, loc, sizeValue(parent, loc),
                                     constantIndex(each.getInt(), loc));
  sizes[op.getSymName()] = size;
  derivedSizes.push_back({op.getSymName().str(), size});
}

/// Makes the function that hosts call for the size of an axis: `value` from the
/// sizes that are arguments of the entry.
void Lowering::deriveSize(StringRef axis, Value value) {
  std::string name = ("size." + axis).str();
  if (module.lookupSymbol(name))
    return;
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(entry);
  SmallVector<Attribute> names;
  SmallVector<Value> arguments;
  for (unsigned i = 0; i < entry.getNumArguments(); ++i)
    if (entry.getArgument(i).getType().isIndex()) {
      names.push_back(entry.getArgAttr(i, kNameAttr));
      arguments.push_back(entry.getArgument(i));
    }
  auto function = func::FuncOp::create(
      b, entry.getLoc(), name,
      b.getFunctionType(SmallVector<Type>(names.size(), b.getIndexType()),
                        b.getIndexType()));
  function.setPrivate();
  function->setAttr(kDerivedAttr, b.getStringAttr(axis));
  function->setAttr("route.sizes", b.getArrayAttr(names));
  Block *body = function.addEntryBlock();
  b.setInsertionPointToStart(body);
  IRMapping mapping;
  mapping.map(arguments, body->getArguments());
  llvm::SetVector<Value> from;
  auto clone = [&](auto &&self, Value at) -> Value {
    if (Value known = mapping.lookupOrNull(at)) {
      if (isa<BlockArgument>(at))
        from.insert(known);
      return known;
    }
    Operation *op = at.getDefiningOp();
    for (Value operand : op->getOperands())
      self(self, operand);
    b.clone(*op, mapping);
    return mapping.lookup(at);
  };
  Value size = clone(clone, value);
  // Of what the tensors do not tell nothing follows.
  Value none = constantIndex(-1, entry.getLoc()),
        zero = constantIndex(0, entry.getLoc());
  for (Value argument :
       isa<BlockArgument>(size) ? ValueRange() : ValueRange(from.getArrayRef()))
    size = arith::SelectOp::create(
        b, entry.getLoc(),
        arith::CmpIOp::create(b, entry.getLoc(), arith::CmpIPredicate::slt,
                              argument, zero),
        none, size);
  func::ReturnOp::create(b, entry.getLoc(), size);
}

SmallVector<OpFoldResult> Lowering::sizesOf(ArrayRef<Axis> dims, Location loc) {
  return llvm::map_to_vector(dims, [&](Axis dim) { return size(dim, loc); });
}

Value Lowering::sizeValue(Axis dim, Location loc) {
  OpFoldResult result = size(dim, loc);
  if (auto value = dyn_cast<Value>(result))
    return value;
  return constantIndex(staticSize(dim), loc);
}

RankedTensorType Lowering::tensorType(ArrayRef<Axis> dims, Type type) {
  return RankedTensorType::get(
      llvm::map_to_vector(dims, [&](Axis dim) { return staticSize(dim); }),
      element(type));
}

RankedTensorType Lowering::tensorType(ArrayType type) {
  return tensorType(dimsOf(type), type.getElementType());
}

Value Lowering::empty(ArrayRef<Axis> dims, Type type, Location loc) {
  SmallVector<OpFoldResult> shape =
      llvm::map_to_vector(dims, [&](Axis dim) { return size(dim, loc); });
  return tensor::EmptyOp::create(b, loc, shape, element(type));
}

Type Lowering::element(Type type) {
  if (isa<EnumType, RefType>(type))
    return b.getI32Type();
  if (isa<HandleType>(type))
    return b.getI64Type();
  if (isa<TextType>(type))
    return signal::TextType::get(b.getContext());
  // Signedness is the route type's; arithmetic knows widths alone.
  if (auto integer = dyn_cast<IntegerType>(type))
    return b.getIntegerType(integer.getWidth());
  return type;
}

Axis Lowering::expertAxis(Type type) {
  auto array = dyn_cast<ArrayType>(type);
  if (!array || array.getAxes().size() < 2)
    return {};
  for (Axis axis : array.getAxes())
    if (kindOf(axis) == AxisKind::plan)
      return axis;
  return {};
}

Value Lowering::constantIndex(int64_t value, Location loc) {
  return arith::ConstantIndexOp::create(b, loc, value);
}

std::optional<int64_t> Lowering::constantOf(Value route) {
  if (auto constant = route.getDefiningOp<ConstantOp>())
    if (auto integer = dyn_cast<IntegerAttr>(constant.getValue()))
      return integer.getInt();
  return std::nullopt;
}

bool Lowering::isProduct(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op || !expertAxis(value.getType()))
    return false;
  return isa<ContractOp>(op) ||
         (isa<UnaryOp, BinaryOp, CompareOp, SelectOp, CastOp, PickOp, RenameOp>(
              op) &&
          llvm::any_of(op->getOperands(),
                       [&](Value operand) { return isProduct(operand); }));
}

Value Lowering::get(Value route) {
  if (Value tensor = values.lookup(route))
    return tensor;
  // A constant along the rows of a plan may stand before that was made.
  if (auto constant = route.getDefiningOp<ConstantOp>())
    if (succeeded(lowerConstant(constant)))
      if (Value tensor = values.lookup(route)) {
        values.erase(route); // made here, it may not reach other readers
        return tensor;
      }
  // Expert values and what only they use are computed on demand.
  if (expertAxis(route.getType()))
    return inSlots(route);
  // Whoever asked fails without a word of its own.
  if (Operation *op = route.getDefiningOp(); op && isOfCollections(op))
    (void)notCovered(op, "a list or a set as a result");
  else
    emitError(route.getLoc(), "this value has no tensor");
  return {};
}
