// The route dialect: checks of ops that make, move, reduce and contract arrays.
#include "mlir/IR/Builders.h"
#include "route/Dialect/Route/IR/RouteOps.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace route;

static ArrayType arrayOf(Value value) {
  return cast<ArrayType>(value.getType());
}

LogicalResult ConstantOp::verify() {
  auto type = cast<ArrayType>(getType());
  Type element = type.getElementType();
  if (auto dense = dyn_cast<DenseElementsAttr>(getValue())) {
    if (dense.getType().getRank() !=
        static_cast<int64_t>(type.getAxes().size()))
      return emitOpError("has a value of rank ")
             << dense.getType().getRank() << " for " << type;
    return success();
  }
  if (isa<StringAttr>(getValue()))
    return isa<TextType>(element)
               ? success()
               : LogicalResult(emitOpError("is text, but its type is ")
                               << type);
  if (isa<ArrayAttr>(getValue()))
    return isa<ListType, SetType, TextType>(element)
               ? success()
               : LogicalResult(emitOpError("is a list, but its type is ")
                               << type);
  auto typed = dyn_cast<TypedAttr>(getValue());
  if (!typed)
    return emitOpError("has no constant value");
  bool coded = isa<EnumType, RefType, HandleType>(element) &&
               typed.getType().isInteger(64);
  if (typed.getType() != element && !coded)
    return emitOpError("has a value of type ")
           << typed.getType() << " for " << type;
  return success();
}

OpFoldResult ConstantOp::fold(FoldAdaptor) { return getValue(); }

/// The type that reading `symbol` gives, or null with a diagnostic.
static Type lookupType(Operation *op, SymbolRefAttr symbol,
                       SymbolTableCollection &tables, bool forWrite) {
  auto module = op->getParentOfType<ModuleOp>();
  Operation *target = tables.lookupSymbolIn(module, symbol);
  if (!target) {
    op->emitOpError("names ") << symbol << ", which does not exist";
    return nullptr;
  }
  if (auto column = dyn_cast<ColumnOp>(target)) {
    if (!forWrite || column.getKind() == ColumnKind::state)
      return column.getType();
  } else if (auto state = dyn_cast<StateOp>(target)) {
    return state.getType();
  } else if (!forWrite) {
    if (auto signal = dyn_cast<SignalOp>(target))
      return signal.getType();
    if (auto param = dyn_cast<ParamOp>(target))
      return param.getType();
  }
  op->emitOpError("names ")
      << symbol
      << (forWrite ? ", which is not state" : ", which holds no value");
  return nullptr;
}

LogicalResult GetOp::verifySymbolUses(SymbolTableCollection &tables) {
  Type type = lookupType(*this, getSymbol(), tables, /*forWrite=*/false);
  if (type && type != getType())
    return emitOpError("reads ") << type << " as " << getType();
  return success(type != nullptr);
}

LogicalResult SetOp::verifySymbolUses(SymbolTableCollection &tables) {
  Type type = lookupType(*this, getSymbol(), tables, /*forWrite=*/true);
  if (type && type != getValue().getType())
    return emitOpError("writes ") << getValue().getType() << " to " << type;
  auto func = (*this)->getParentOfType<FuncOp>();
  if (type && (!func || func.getKind() != FuncKind::handler) &&
      !(*this)->getParentOfType<CommitOp>())
    return emitOpError("writes state outside an event handler");
  return success(type != nullptr);
}

/// Checks that every axis of `upper` is an axis of `lower` or an ancestor of
/// one; where it is one of several, these meet within it. Finds whether a plan
/// axis of `lower` is missing in `upper`.
static LogicalResult verifyDescent(Operation *op, ArrayType lower,
                                   ArrayType upper, Value plan,
                                   SymbolTableCollection &tables) {
  for (FlatSymbolRefAttr axis : lower.getAxes())
    if (!lookupAxis(op, axis, tables))
      return op->emitOpError("uses ") << axis << ", which is no axis";
  for (FlatSymbolRefAttr axis : upper.getAxes()) {
    if (lower.hasAxis(axis))
      continue;
    if (llvm::none_of(lower.getAxes(), [&](FlatSymbolRefAttr candidate) {
          return descendsFrom(op, candidate, axis, tables);
        }))
      return op->emitOpError("axis ")
             << axis << " is an ancestor of 0 axes of " << lower;
  }
  FlatSymbolRefAttr crossed;
  for (FlatSymbolRefAttr axis : lower.getAxes())
    if (!upper.hasAxis(axis) &&
        lookupAxis(op, axis, tables).getKind() == AxisKind::plan)
      crossed = axis;
  if (plan && !crossed)
    return op->emitOpError("takes a plan but crosses no plan axis");
  if (plan && cast<PlanType>(plan.getType()).getAxis() != crossed)
    return op->emitOpError("takes ")
           << plan.getType() << " but crosses " << crossed;
  if (!plan && crossed)
    return op->emitOpError("crosses plan axis ")
           << crossed << " without its plan";
  return success();
}

LogicalResult BroadcastOp::verify() {
  if (arrayOf(getOperand()).getElementType() !=
      cast<ArrayType>(getType()).getElementType())
    return emitOpError("changes the element type");
  return success();
}

LogicalResult BroadcastOp::verifySymbolUses(SymbolTableCollection &tables) {
  return verifyDescent(*this, cast<ArrayType>(getType()), arrayOf(getOperand()),
                       getPlan(), tables);
}

LogicalResult ReduceOp::verify() {
  Type from = getValueType(arrayOf(getOperand()).getElementType());
  Type to = getValueType(cast<ArrayType>(getType()).getElementType());
  switch (getKind()) {
  case ReduceKind::any:
  case ReduceKind::all:
    if (!from.isInteger(1) || !to.isInteger(1))
      return emitOpError("reduces ")
             << from << " to " << to << ", not truths to a truth";
    return success();
  case ReduceKind::count:
    return to.isInteger(64)
               ? success()
               : LogicalResult(emitOpError("gives ") << to << ", not i64");
  case ReduceKind::argmax:
  case ReduceKind::argmin:
    return isa<RefType>(to) || to.isInteger(64)
               ? success()
               : LogicalResult(emitOpError("gives ") << to << ", not a ref");
  case ReduceKind::mean:
    return isa<FloatType>(to)
               ? success()
               : LogicalResult(emitOpError("gives ") << to << ", not a float");
  default:
    if (from != to)
      return emitOpError("reduces ") << from << " to " << to;
    return success();
  }
}

LogicalResult ReduceOp::verifySymbolUses(SymbolTableCollection &tables) {
  return verifyDescent(*this, arrayOf(getOperand()), cast<ArrayType>(getType()),
                       getPlan(), tables);
}

LogicalResult ContractOp::inferReturnTypes(MLIRContext *context,
                                           std::optional<Location>,
                                           Adaptor adaptor,
                                           SmallVectorImpl<Type> &types) {
  auto lhs = cast<ArrayType>(adaptor.getLhs().getType()),
       rhs = cast<ArrayType>(adaptor.getRhs().getType());
  SmallVector<FlatSymbolRefAttr> axes = unionAxes(lhs, rhs);
  llvm::erase_if(axes, [&](FlatSymbolRefAttr axis) {
    return llvm::is_contained(adaptor.getOver(), axis);
  });
  Type element = Float32Type::get(context);
  if (isa<RangeType>(lhs.getElementType()) ||
      isa<RangeType>(rhs.getElementType()))
    element = RangeType::get(context, element);
  types.push_back(ArrayType::get(element, axes));
  return success();
}

LogicalResult ContractOp::verify() {
  auto lhs = arrayOf(getLhs()), rhs = arrayOf(getRhs());
  if (!isNumber(lhs.getElementType()) || !isNumber(rhs.getElementType()))
    return emitOpError("multiplies ")
           << lhs.getElementType() << " and " << rhs.getElementType();
  if (getOver().empty())
    return emitOpError("contracts no axis");
  for (auto axis : getOver().getAsRange<FlatSymbolRefAttr>())
    if (!lhs.hasAxis(axis) || !rhs.hasAxis(axis))
      return emitOpError("contracts ") << axis << ", which an operand lacks";
  return success();
}

LogicalResult RenameOp::verify() {
  if (getSource().size() != getTarget().size())
    return emitOpError("renames ")
           << getSource().size() << " axes to " << getTarget().size();
  auto type = arrayOf(getOperand());
  SmallVector<FlatSymbolRefAttr> axes(type.getAxes());
  for (auto [source, target] : llvm::zip(getSource(), getTarget())) {
    auto found = llvm::find(axes, source);
    if (found == axes.end())
      return emitOpError("renames ") << source << ", which the operand lacks";
    *found = cast<FlatSymbolRefAttr>(target);
  }
  if (getType() != type.withAxes(axes))
    return emitOpError("gives ")
           << type.withAxes(axes) << ", found " << getType();
  return success();
}

LogicalResult PickOp::inferReturnTypes(MLIRContext *, std::optional<Location>,
                                       Adaptor adaptor,
                                       SmallVectorImpl<Type> &types) {
  auto type = cast<ArrayType>(adaptor.getOperand().getType());
  auto position = cast<ArrayType>(adaptor.getPosition().getType());
  SmallVector<FlatSymbolRefAttr> axes;
  for (FlatSymbolRefAttr axis : position.getAxes())
    if (!type.hasAxis(axis) || axis == adaptor.getAlongAttr())
      axes.push_back(axis);
  for (FlatSymbolRefAttr axis : type.getAxes())
    if (axis != adaptor.getAlongAttr())
      axes.push_back(axis);
  types.push_back(ArrayType::get(type.getElementType(), axes));
  return success();
}

LogicalResult PickOp::verify() {
  if (!arrayOf(getOperand()).hasAxis(getAlongAttr()))
    return emitOpError("picks along ")
           << getAlongAttr() << ", which the operand lacks";
  Type position = getValueType(arrayOf(getPosition()).getElementType());
  if (!isa<RefType, EnumType>(position) && !position.isInteger(64))
    return emitOpError("position is ") << position << ", not a ref or i64";
  return success();
}

LogicalResult StackOp::verify() {
  if (getOperands().empty())
    return emitOpError("stacks nothing");
  for (Value operand : getOperands())
    if (operand.getType() != getOperands().front().getType())
      return emitOpError("operands differ: ")
             << operand.getType() << " and " << getOperands().front().getType();
  auto type = arrayOf(getOperands().front());
  SmallVector<FlatSymbolRefAttr> axes(type.getAxes());
  axes.push_back(getAlongAttr());
  if (getType() != type.withAxes(axes))
    return emitOpError("gives ")
           << type.withAxes(axes) << ", found " << getType();
  return success();
}

LogicalResult IotaOp::verify() {
  auto type = cast<ArrayType>(getType());
  if (type.getAxes().size() != 1)
    return emitOpError("counts along one axis, found ") << type;
  if (!type.getElementType().isInteger(64) &&
      !isa<RefType>(type.getElementType()))
    return emitOpError("gives i64 or a ref, found ") << type.getElementType();
  return success();
}

LogicalResult IotaOp::verifySymbolUses(SymbolTableCollection &tables) {
  FlatSymbolRefAttr axis = cast<ArrayType>(getType()).getAxes().front();
  AxisOp op = lookupAxis(*this, axis, tables);
  if (!op)
    return emitOpError("counts along ") << axis << ", which is no axis";
  if ((op.getKind() == AxisKind::plan) != static_cast<bool>(getPlan()))
    return emitOpError("needs a plan exactly when the axis is one");
  return success();
}

LogicalResult SizeOp::verifySymbolUses(SymbolTableCollection &tables) {
  if (!lookupAxis(*this, getAxisAttr(), tables))
    return emitOpError("measures ") << getAxisAttr() << ", which is no axis";
  return success();
}

LogicalResult DrawOp::verify() {
  auto type = cast<ArrayType>(getType());
  bool bits = getKind() == DrawKind::bits;
  Type element = type.getElementType();
  if (bits ? !element.isInteger(64) : !element.isF32()) // C1
    return emitOpError("draws ")
           << (bits ? "i64" : "f32") << ", found " << type;
  for (Value key : getKeys()) // C2
    for (FlatSymbolRefAttr axis : cast<ArrayType>(key.getType()).getAxes())
      if (!type.hasAxis(axis))
        return emitOpError("has a key over ")
               << axis << ", which the result is not over";
  if (static_cast<int64_t>(getSite()) < 0) // C3
    return emitOpError("has site ")
           << int64_t(getSite()) << ", expected 0 or more";
  return success();
}
