// Event handlers: plans handed back as arguments, and state written in place.
#include "Lowering.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "route/Conversion/RouteToLinalg/Passes.h"
#include "route/Dialect/Signal/IR/Signal.h"

using namespace mlir;
using namespace route;
using namespace route::lowering;

/// What a plan argument is made of, before its tensors are there.
LogicalResult Lowering::declarePlan(Axis axis) {
  auto rank = planRanks.find(axis.getValue());
  if (rank == planRanks.end())
    return func.emitError("no entry of this module gives plan ") << axis;
  Plan rows;
  rows.axis = rows.base = axis;
  for (Axis parent : lookupAxis(func, axis, tables).getParentAxes())
    rows.per.push_back(parent);
  rows.candidates = rows.per.pop_back_val();
  rows.rank = rank->second;
  plans[axis.getValue()] = rows;
  return success();
}

/// Later reads in the handler see the new value; the cell is written when the
/// handler ends.
LogicalResult Lowering::lowerSet(SetOp op) {
  if (isa<SetType>(cast<ArrayType>(op.getValue().getType()).getElementType()))
    return setOfState(op);
  if (Value buffer = inPlace.lookup(b.getStringAttr(nameOf(op.getSymbol()))))
    return setInPlace(op, buffer);
  Value value = get(op.getValue());
  if (!value)
    return failure();
  written[b.getStringAttr(nameOf(op.getSymbol()))] = {
      value, cast<ArrayType>(op.getValue().getType())};
  return success();
}

ArrayType Lowering::typeOfState(SymbolRefAttr symbol) {
  Operation *target = tables.lookupSymbolIn(module, symbol);
  Type type = isa<StateOp>(target) ? cast<StateOp>(target).getType()
                                   : cast<ColumnOp>(target).getType();
  return cast<ArrayType>(type);
}

/// The value of a state at this point of the handler.
Value Lowering::stateNow(SymbolRefAttr symbol, Location loc) {
  std::string name = nameOf(symbol);
  auto found = written.find(b.getStringAttr(name));
  return found != written.end() ? found->second.first
                                : asComputed(arguments.lookup("state:" + name),
                                             typeOfState(symbol), loc);
}

/// Truths are bytes where they are stored.
Value Lowering::asComputed(Value tensor, ArrayType type, Location loc) {
  if (!type.getElementType().isInteger(1))
    return tensor;
  return map(
      dimsOf(type), type.getElementType(), Operand{tensor, type}, loc,
      [](OpBuilder &inner, Location at, ValueRange args) -> Value {
        return arith::CmpIOp::create(
            inner, at, arith::CmpIPredicate::ne, args[0],
            arith::ConstantOp::create(inner, at, inner.getI8IntegerAttr(0)));
      });
}

/// Writes the state that the handler has set.
void Lowering::writeState(Location loc) {
  for (auto &[name, write] : written) {
    auto [value, type] = write;
    Value stored = asStored(value, loc);
    auto tensor = cast<RankedTensorType>(stored.getType());
    unsigned index = entry.getNumArguments();
    SmallVector<NamedAttribute> attrs = {
        b.getNamedAttr(kRoleAttr, b.getStringAttr("write")),
        b.getNamedAttr(kNameAttr, name),
        b.getNamedAttr(
            kAxesAttr,
            b.getArrayAttr(llvm::map_to_vector(
                type.getAxes(), [](Axis axis) -> Attribute { return axis; }))),
        b.getNamedAttr("route.type", TypeAttr::get(type))};
    (void)entry.insertArgument(
        index, MemRefType::get(tensor.getShape(), tensor.getElementType()),
        b.getDictionaryAttr(attrs), loc);
    bufferization::MaterializeInDestinationOp::create(
        b, loc, TypeRange(), stored, entry.getArgument(index),
        /*restrict=*/true, /*writable=*/true);
    if (Value changes = arguments.lookup("changes"))
      signal::NoteChangeOp::create(b, loc, entry.getArgument(index), Value(),
                                   changes);
  }
}

/// Truths are stored as bytes.
Value Lowering::asStored(Value tensor, Location loc) {
  auto type = cast<RankedTensorType>(tensor.getType());
  if (!type.getElementType().isInteger(1))
    return tensor;
  unsigned rank = type.getRank();
  AffineMap identity = b.getMultiDimIdentityMap(rank);
  Value init = tensor::EmptyOp::create(
      b, loc, tensor::getMixedSizes(b, loc, tensor), b.getI8Type());
  return linalg::GenericOp::create(
             b, loc, init.getType(), tensor, init,
             ArrayRef<AffineMap>{identity, identity},
             SmallVector<utils::IteratorType>(rank,
                                              utils::IteratorType::parallel),
             [](OpBuilder &inner, Location at, ValueRange args) {
               linalg::YieldOp::create(
                   inner, at,
                   arith::ExtUIOp::create(inner, at, inner.getI8Type(), args[0])
                       .getResult());
             })
      .getResult(0);
}

/// `state` as it was when the handler started: a copy, as the cell is written
/// while the handler may still read.
Value Lowering::snapshot(Value state, StringRef name, Location loc) {
  bool writes = false;
  func.walk([&](SetOp set) { writes |= nameOf(set.getSymbol()) == name; });
  if (!writes)
    return state;
  return bufferization::AllocTensorOp::create(
      b, loc, cast<RankedTensorType>(state.getType()), ValueRange(), state);
}
