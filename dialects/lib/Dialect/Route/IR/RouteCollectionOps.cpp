// The route dialect: checks of ops on collections, keyed state, pools of pools.
#include "route/Dialect/Route/IR/RouteCollectionOps.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace route;

#define GET_OP_CLASSES
#include "route/Dialect/Route/IR/RouteCollectionOps.cpp.inc"

ArrayAttr route::getParts(AxisOp axis) {
  return axis->getAttrOfType<ArrayAttr>("parts");
}

void route::setParts(AxisOp axis, ArrayAttr parts) {
  axis->setAttr("parts", parts);
}

llvm::ArrayRef<bool> route::getSkipped(AxisOp axis) {
  auto marks = axis->getAttrOfType<DenseBoolArrayAttr>("skipped");
  return marks ? marks.asArrayRef() : llvm::ArrayRef<bool>();
}

void route::setSkipped(AxisOp axis, llvm::ArrayRef<bool> skipped) {
  if (llvm::is_contained(skipped, true))
    axis->setAttr("skipped",
                  DenseBoolArrayAttr::get(axis.getContext(), skipped));
}

ArrayAttr route::getKeys(StateOp state) {
  return state->getAttrOfType<ArrayAttr>("keys");
}

void route::setKeys(StateOp state, ArrayAttr types) {
  state->setAttr("keys", types);
}

static ArrayType arrayOf(Value value) {
  return cast<ArrayType>(value.getType());
}

static bool isRange(Value value) {
  return isa<RangeType>(arrayOf(value).getElementType());
}

static Type rangedIf(bool ranged, Type value) {
  return ranged ? Type(RangeType::get(value.getContext(), value)) : value;
}

Type route::memberTypeOf(Type collection) {
  Type plain = getValueType(collection);
  if (auto list = dyn_cast<ListType>(plain))
    return list.getValueType();
  if (auto set = dyn_cast<SetType>(plain))
    return set.getValueType();
  return nullptr;
}

/// Elements `element` over the axes of both.
static Type overBoth(Type element, Value lhs, Value rhs) {
  return ArrayType::get(rangedIf(isRange(lhs) || isRange(rhs), element),
                        unionAxes(arrayOf(lhs), arrayOf(rhs)));
}

/// Checks that `element` may be a member of `collection`.
static LogicalResult verifyMember(Operation *op, Value element,
                                  Value collection) {
  Type member = memberTypeOf(arrayOf(collection).getElementType());
  if (!member)
    return op->emitOpError("takes a list or set, found ")
           << collection.getType();
  if (getValueType(arrayOf(element).getElementType()) != member)
    return op->emitOpError("element is no ") << member;
  return success();
}

LogicalResult FindOp::inferReturnTypes(MLIRContext *context,
                                       std::optional<Location>, Adaptor adaptor,
                                       SmallVectorImpl<Type> &types) {
  types.push_back(overBoth(IntegerType::get(context, 64), adaptor.getElement(),
                           adaptor.getCollection()));
  return success();
}

LogicalResult FindOp::verify() {
  return verifyMember(*this, getElement(), getCollection());
}

LogicalResult SubsetOp::inferReturnTypes(MLIRContext *context,
                                         std::optional<Location>,
                                         Adaptor adaptor,
                                         SmallVectorImpl<Type> &types) {
  types.push_back(overBoth(IntegerType::get(context, 1), adaptor.getLhs(),
                           adaptor.getRhs()));
  return success();
}

LogicalResult SubsetOp::verify() {
  Type lhs = memberTypeOf(arrayOf(getLhs()).getElementType()),
       rhs = memberTypeOf(arrayOf(getRhs()).getElementType());
  if (!lhs || lhs != rhs)
    return emitOpError("takes two collections of one type, found ")
           << getLhs().getType() << " and " << getRhs().getType();
  return success();
}

LogicalResult IsEmptyOp::inferReturnTypes(MLIRContext *context,
                                          std::optional<Location>,
                                          Adaptor adaptor,
                                          SmallVectorImpl<Type> &types) {
  types.push_back(arrayOf(adaptor.getCollection())
                      .withElement(IntegerType::get(context, 1)));
  return success();
}

LogicalResult IsEmptyOp::verify() {
  if (!isa<ListType, SetType>(arrayOf(getCollection()).getElementType()))
    return emitOpError("takes a list or set, found ")
           << getCollection().getType();
  return success();
}

LogicalResult CollectOp::verifySymbolUses(SymbolTableCollection &tables) {
  auto members = arrayOf(getMembers()), type = cast<ArrayType>(getType());
  if (members.getAxes().size() != 1 ||
      lookupAxis(*this, members.getAxes().front(), tables).getParentAxes() !=
          SmallVector<FlatSymbolRefAttr>(type.getAxes())) // C1
    return emitOpError("makes ") << type << " of " << members;
  if (memberTypeOf(type.getElementType()) != members.getElementType() ||
      isa<RangeType>(type.getElementType())) // C2
    return emitOpError("makes ")
           << type.getElementType() << " of " << members.getElementType();
  return success();
}

/// The collection's type over the axes of both.
static Type changedType(Value collection, Value element) {
  return arrayOf(collection)
      .withAxes(unionAxes(arrayOf(collection), arrayOf(element)));
}

LogicalResult InsertOp::inferReturnTypes(MLIRContext *, std::optional<Location>,
                                         Adaptor adaptor,
                                         SmallVectorImpl<Type> &types) {
  types.push_back(changedType(adaptor.getCollection(), adaptor.getElement()));
  return success();
}

LogicalResult InsertOp::verify() {
  if (getBound() && static_cast<int64_t>(*getBound()) < 1)
    return emitOpError("bound is not positive");
  return verifyMember(*this, getElement(), getCollection());
}

LogicalResult RemoveOp::inferReturnTypes(MLIRContext *, std::optional<Location>,
                                         Adaptor adaptor,
                                         SmallVectorImpl<Type> &types) {
  types.push_back(changedType(adaptor.getCollection(), adaptor.getElement()));
  return success();
}

LogicalResult RemoveOp::verify() {
  return verifyMember(*this, getElement(), getCollection());
}

/// The state with keys that `name` is, after checking the key operands.
static StateOp lookupKeyed(Operation *op, FlatSymbolRefAttr name,
                           OperandRange keys, SymbolTableCollection &tables) {
  auto module = op->getParentOfType<ModuleOp>();
  auto state = tables.lookupSymbolIn<StateOp>(module, name);
  if (!state || !getKeys(state)) {
    op->emitOpError("names ") << name << ", which is no state with keys";
    return nullptr;
  }
  if (getKeys(state).size() != keys.size()) {
    op->emitOpError("gives ")
        << keys.size() << " keys, expected " << getKeys(state).size();
    return nullptr;
  }
  for (auto [key, type] :
       llvm::zip(keys, getKeys(state).getAsRange<TypeAttr>()))
    if (arrayOf(key).getElementType() != type.getValue()) {
      op->emitOpError("gives a key of ")
          << arrayOf(key).getElementType() << ", expected " << type.getValue();
      return nullptr;
    }
  return state;
}

LogicalResult LookupOp::verifySymbolUses(SymbolTableCollection &tables) {
  StateOp state = lookupKeyed(*this, getStateAttr(), getKeys(), tables);
  if (!state)
    return failure();
  auto cell = cast<ArrayType>(state.getType());
  auto type = cast<ArrayType>(getType());
  bool holds = cell.getElementType() == type.getElementType() &&
               llvm::all_of(cell.getAxes(), [&](FlatSymbolRefAttr axis) {
                 return type.hasAxis(axis);
               });
  if (!holds)
    return emitOpError("reads ") << cell << " as " << type;
  return success();
}

LogicalResult StoreOp::verifySymbolUses(SymbolTableCollection &tables) {
  StateOp state = lookupKeyed(*this, getStateAttr(), getKeys(), tables);
  if (!state)
    return failure();
  if (state.getType() != getValue().getType())
    return emitOpError("writes ")
           << getValue().getType() << " to " << state.getType();
  auto func = (*this)->getParentOfType<FuncOp>();
  if ((!func || func.getKind() != FuncKind::handler) &&
      !(*this)->getParentOfType<CommitOp>())
    return emitOpError("writes state outside an event handler");
  return success();
}

LogicalResult JoinOp::verifySymbolUses(SymbolTableCollection &tables) {
  AxisOp axis = lookupAxis(*this, getAlongAttr(), tables);
  if (!axis || !getParts(axis) || getParts(axis).size() != getOperands().size())
    return emitOpError("joins ") << getOperands().size() << " values along "
                                 << getAlongAttr() << ", which has other parts";
  for (Value operand : getOperands())
    if (arrayOf(operand).getElementType() !=
        cast<ArrayType>(getType()).getElementType())
      return emitOpError("changes the element type");
  return success();
}

LogicalResult RingOp::verify() {
  auto names = arrayOf(getNames());
  if (!isa<TextType>(names.getElementType()) || names.getAxes().size() != 1)
    return emitOpError("takes texts over one pool, found ") << names;
  if (static_cast<int64_t>(getVnodes()) < 1)
    return emitOpError("has no points");
  auto type = cast<ArrayType>(getType());
  auto row = RefType::get(getContext(), names.getAxes().front());
  if (getValueType(type.getElementType()) != row)
    return emitOpError("gives ")
           << type << ", expected refs of " << names.getAxes().front();
  return success();
}
