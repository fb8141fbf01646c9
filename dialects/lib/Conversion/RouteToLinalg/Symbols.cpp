// Reading symbols through the arguments of a converted entry.
#include "Lowering.h"
#include "route/Dialect/Signal/IR/Signal.h"

using namespace mlir;
using namespace route;
using namespace route::lowering;

std::string route::lowering::nameOf(SymbolRefAttr symbol) {
  std::string name = symbol.getRootReference().str();
  for (FlatSymbolRefAttr nested : symbol.getNestedReferences())
    name += "." + nested.getValue().str();
  return name;
}

LogicalResult Lowering::lowerGet(GetOp op) {
  auto type = cast<ArrayType>(op.getType());
  if (isa<RangeType>(type.getElementType()))
    return success(); // read through route.bound
  Operation *target = tables.lookupSymbolIn(module, op.getSymbol());
  if (auto column = dyn_cast<ColumnOp>(target);
      column && column.getKind() == ColumnKind::constant) {
    if (isa<TextType>(type.getElementType()))
      return lowerTextConstant(op, *column.getValue(), type);
    RankedTensorType tensor = tensorType(type);
    auto dense = dyn_cast<DenseElementsAttr>(*column.getValue());
    if (!dense)
      return notCovered(op, "constant columns of this type");
    if (auto integers = dyn_cast<DenseIntElementsAttr>(dense);
        integers && integers.getElementType() != tensor.getElementType())
      dense = integers.mapValues(
          tensor.getElementType(), [&](const APInt &element) {
            return element.sextOrTrunc(tensor.getElementTypeBitWidth());
          });
    if (dense.getType() != tensor)
      return notCovered(op, "constant columns of this shape");
    set(op.getResult(), arith::ConstantOp::create(b, op.getLoc(), dense));
    return success();
  }
  std::string name = nameOf(op.getSymbol());
  if (auto it = written.find(b.getStringAttr(name)); it != written.end()) {
    set(op.getResult(), it->second.first);
    return success();
  }
  for (StringRef role : {"input", "param", "state"})
    if (Value tensor = arguments.lookup((role + ":" + name).str())) {
      set(op.getResult(), asComputed(tensor, type, op.getLoc()));
      return success();
    }
  return op.emitOpError("reads ")
         << op.getSymbol() << ", which is no argument of the entry";
}

std::pair<Value, Value> Lowering::givenOf(Value source) {
  std::string name;
  if (auto read = source.getDefiningOp<GetOp>()) {
    name = nameOf(read.getSymbol());
  } else if (auto argument = dyn_cast<BlockArgument>(source);
             argument && argument.getOwner() == &func.getBody().front()) {
    name = argumentName(argument.getArgNumber());
  }
  for (StringRef role : {"input:", "state:"})
    if (Value value = arguments.lookup((role + name).str()))
      return {value, arguments.lookup("known:" + name)};
  return {};
}

/// Whether an input that may be unknown is known.
LogicalResult Lowering::lowerKnown(KnownOp op) {
  Value known = givenOf(op.getOperand()).second;
  if (!known)
    return notCovered(op, "unknown values from here");
  auto type = cast<ArrayType>(op.getType());
  set(op.getResult(),
      map(dimsOf(type), type.getElementType(), Operand{known, type},
          op.getLoc(),
          [](OpBuilder &inner, Location at, ValueRange args) -> Value {
            return arith::CmpIOp::create(
                inner, at, arith::CmpIPredicate::ne, args[0],
                arith::ConstantOp::create(inner, at,
                                          inner.getI8IntegerAttr(0)));
          }));
  return success();
}

/// An end of the interval of an input that may be unknown.
LogicalResult Lowering::lowerBound(BoundOp op) {
  auto [value, known] = givenOf(op.getOperand());
  if (!value || !known)
    return notCovered(op, "unknown values from here");
  auto type = cast<ArrayType>(op.getType());
  Type to = element(type.getElementType());
  if (isa<signal::TextType>(to)) {
    // Callers give an empty text where they know none.
    set(op.getResult(), value);
    return success();
  }
  bool coded = isa<EnumType, RefType, HandleType>(type.getElementType());
  bool noRow = isa<RefType>(type.getElementType());
  bool isUnsigned = getValueType(type.getElementType()).isUnsignedInteger();
  bool upper = op.getUpper();
  set(op.getResult(),
      map(dimsOf(type), type.getElementType(),
          {Operand{value, type}, Operand{known, type}}, op.getLoc(),
          [&](OpBuilder &inner, Location at, ValueRange args) -> Value {
            Value zero =
                arith::ConstantOp::create(inner, at, inner.getI8IntegerAttr(0));
            Value isKnown = arith::CmpIOp::create(
                inner, at, arith::CmpIPredicate::ne, args[1], zero);
            Value given = args[0];
            TypedAttr edge;
            if (to.isInteger(1)) {
              given = arith::CmpIOp::create(inner, at, arith::CmpIPredicate::ne,
                                            given, zero);
              edge = inner.getBoolAttr(upper);
            } else if (coded) {
              edge = inner.getIntegerAttr(to, noRow ? -1 : 0);
            } else if (auto floating = dyn_cast<FloatType>(to)) {
              edge = inner.getFloatAttr(
                  to, APFloat::getInf(floating.getFloatSemantics(), !upper));
            } else {
              unsigned width = to.getIntOrFloatBitWidth();
              edge = inner.getIntegerAttr(
                  to, upper ? APSInt::getMaxValue(width, isUnsigned)
                            : APSInt::getMinValue(width, isUnsigned));
            }
            return arith::SelectOp::create(
                inner, at, isKnown, given,
                arith::ConstantOp::create(inner, at, edge));
          }));
  return success();
}
