// Evaluators of the arith dialect, on scalars and element by element.
#include "Tensors.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include <cmath>
#include <cstring>

using namespace mlir;
using namespace route;
using namespace route::interp;

static LogicalResult evalConstant(arith::ConstantOp op, Frame &frame) {
  Type type = op.getType();
  auto shaped = dyn_cast<ShapedType>(type);
  if (isa<VectorType>(type))
    return op.emitError("the interpreter does not know vectors");
  SmallVector<AxisRef> axes;
  if (shaped)
    for (int64_t size : shaped.getShape())
      axes.push_back(makeAxis(nullptr, size));
  Type element = getElementTypeOrSelf(type);
  auto value =
      frame.machine.materialize(op.getValue(), element, axes, op.getLoc());
  if (failed(value))
    return failure();
  if (!shaped) {
    frame.set(op, value->value());
    return success();
  }
  frame.set(op, std::move(*value));
  return success();
}

/// The type whose elements the op computes on.
static Type operandType(Operation *op) {
  return getElementTypeOrSelf(op->getOperand(0).getType());
}

/// An op that is one of route's elementwise functions.
template <typename OpT, BinaryKind kind>
static LogicalResult evalAs(OpT op, Frame &frame) {
  Type type = operandType(op);
  return mapScalars(op, frame, [&](ArrayRef<Element> in) {
    return applyBinary(kind, type, in[0], in[1]);
  });
}

/// An integer op on signed or unsigned numbers; the result is wrapped.
template <typename OpT, int64_t (*function)(int64_t, int64_t)>
static LogicalResult evalSigned(OpT op, Frame &frame) {
  Type type = operandType(op);
  return mapScalars(op, frame, [&](ArrayRef<Element> in) -> Element {
    return wrapTo(type, function(in[0].asInt(), in[1].asInt()));
  });
}
template <typename OpT, uint64_t (*function)(uint64_t, uint64_t)>
static LogicalResult evalUnsigned(OpT op, Frame &frame) {
  Type type = operandType(op);
  return mapScalars(op, frame, [&](ArrayRef<Element> in) -> Element {
    return wrapTo(
        type, static_cast<int64_t>(function(unsignedOf(type, in[0].asInt()),
                                            unsignedOf(type, in[1].asInt()))));
  });
}

// Division by zero is undefined in arith; here it gives 0, as in route.
static uint64_t divU(uint64_t a, uint64_t b) { return b ? a / b : 0; }
static uint64_t remU(uint64_t a, uint64_t b) { return b ? a % b : 0; }
static uint64_t ceilDivU(uint64_t a, uint64_t b) {
  return b ? a / b + (a % b != 0) : 0;
}
static uint64_t minU(uint64_t a, uint64_t b) { return std::min(a, b); }
static uint64_t maxU(uint64_t a, uint64_t b) { return std::max(a, b); }
static uint64_t shiftLeft(uint64_t a, uint64_t b) {
  return b < 64 ? a << b : 0;
}
static uint64_t shiftRightU(uint64_t a, uint64_t b) {
  return b < 64 ? a >> b : 0;
}
static int64_t shiftRightS(int64_t a, int64_t b) {
  return a >> std::clamp<int64_t>(b, 0, 63);
}
static int64_t divS(int64_t a, int64_t b) {
  return b == 0    ? 0
         : b == -1 ? static_cast<int64_t>(-static_cast<uint64_t>(a))
                   : a / b;
}
static int64_t remS(int64_t a, int64_t b) {
  return b == 0 || b == -1 ? 0 : a % b;
}
static int64_t ceilDivS(int64_t a, int64_t b) {
  return b == 0 || b == -1 ? divS(a, b)
                           : a / b + (a % b != 0 && (a % b < 0) == (b < 0));
}

static bool compareIntegers(arith::CmpIPredicate predicate, Type type,
                            int64_t a, int64_t b) {
  uint64_t ua = unsignedOf(type, a), ub = unsignedOf(type, b);
  switch (predicate) {
  case arith::CmpIPredicate::eq:
    return ua == ub;
  case arith::CmpIPredicate::ne:
    return ua != ub;
  case arith::CmpIPredicate::slt:
    return a < b;
  case arith::CmpIPredicate::sle:
    return a <= b;
  case arith::CmpIPredicate::sgt:
    return a > b;
  case arith::CmpIPredicate::sge:
    return a >= b;
  case arith::CmpIPredicate::ult:
    return ua < ub;
  case arith::CmpIPredicate::ule:
    return ua <= ub;
  case arith::CmpIPredicate::ugt:
    return ua > ub;
  case arith::CmpIPredicate::uge:
    return ua >= ub;
  }
  return false;
}

static LogicalResult evalCmpI(arith::CmpIOp op, Frame &frame) {
  Type type = operandType(op);
  return mapScalars(op, frame, [&](ArrayRef<Element> in) -> Element {
    int64_t a = in[0].asInt(), b = in[1].asInt();
    if (isTruthType(type)) { // one bit, signed: true is -1
      a = -a;
      b = -b;
    }
    return int64_t(compareIntegers(op.getPredicate(), type, a, b));
  });
}

static double wide(const Element &element) {
  return std::holds_alternative<float>(element) ? element.asFloat()
                                                : element.asDouble();
}

static LogicalResult evalCmpF(arith::CmpFOp op, Frame &frame) {
  return mapScalars(op, frame, [&](ArrayRef<Element> in) -> Element {
    double a = wide(in[0]), b = wide(in[1]);
    bool unordered = std::isnan(a) || std::isnan(b);
    using P = arith::CmpFPredicate;
    switch (op.getPredicate()) {
    case P::AlwaysFalse:
      return int64_t(0);
    case P::AlwaysTrue:
      return int64_t(1);
    case P::ORD:
      return int64_t(!unordered);
    case P::UNO:
      return int64_t(unordered);
    case P::OEQ:
      return int64_t(a == b);
    case P::OGT:
      return int64_t(a > b);
    case P::OGE:
      return int64_t(a >= b);
    case P::OLT:
      return int64_t(a < b);
    case P::OLE:
      return int64_t(a <= b);
    case P::ONE:
      return int64_t(!unordered && a != b);
    case P::UEQ:
      return int64_t(unordered || a == b);
    case P::UGT:
      return int64_t(unordered || a > b);
    case P::UGE:
      return int64_t(unordered || a >= b);
    case P::ULT:
      return int64_t(unordered || a < b);
    case P::ULE:
      return int64_t(unordered || a <= b);
    case P::UNE:
      return int64_t(unordered || a != b);
    }
    return int64_t(0);
  });
}

static LogicalResult evalSelect(arith::SelectOp op, Frame &frame) {
  // A scalar condition chooses whole values.
  if (const auto *condition =
          std::get_if<Element>(&frame.get(op.getCondition()))) {
    RuntimeValue chosen = frame.get(condition->asTruth() ? op.getTrueValue()
                                                         : op.getFalseValue());
    frame.set(op, std::move(chosen));
    return success();
  }
  return mapScalars(op, frame, [](ArrayRef<Element> in) {
    return in[0].asTruth() ? in[1] : in[2];
  });
}

static LogicalResult evalNegF(arith::NegFOp op, Frame &frame) {
  Type type = operandType(op);
  return mapScalars(op, frame, [&](ArrayRef<Element> in) {
    return applyUnary(UnaryKind::neg, type, in[0]);
  });
}

/// The exact remainder with the dividend's sign.
static LogicalResult evalRemF(arith::RemFOp op, Frame &frame) {
  return mapScalars(op, frame, [&](ArrayRef<Element> in) -> Element {
    if (const auto *narrow = std::get_if<float>(&in[0]))
      return std::fmod(*narrow, in[1].asFloat());
    return std::fmod(in[0].asDouble(), in[1].asDouble());
  });
}

/// maxnumf and minnumf: a NaN gives way to a number.
template <typename OpT, BinaryKind kind>
static LogicalResult evalNumF(OpT op, Frame &frame) {
  Type type = operandType(op);
  return mapScalars(op, frame, [&](ArrayRef<Element> in) {
    if (std::isnan(wide(in[0])))
      return in[1];
    return std::isnan(wide(in[1])) ? in[0]
                                   : applyBinary(kind, type, in[0], in[1]);
  });
}

/// Conversions that route.cast has too.
template <typename OpT> static LogicalResult evalConvert(OpT op, Frame &frame) {
  Type from = operandType(op), to = getElementTypeOrSelf(op.getType());
  return mapScalars(op, frame, [&](ArrayRef<Element> in) {
    return applyCast(from, to, in[0]);
  });
}

static LogicalResult evalToUnsigned(arith::FPToUIOp op, Frame &frame) {
  Type from = operandType(op), to = getElementTypeOrSelf(op.getType());
  Type wanted = IntegerType::get(op.getContext(), to.getIntOrFloatBitWidth(),
                                 IntegerType::Unsigned);
  return mapScalars(op, frame, [&](ArrayRef<Element> in) {
    return wrapTo(to, applyCast(from, wanted, in[0]).asInt());
  });
}

/// Widening or conversion of an unsigned number.
template <typename OpT>
static LogicalResult evalFromUnsigned(OpT op, Frame &frame) {
  Type from = operandType(op), to = getElementTypeOrSelf(op.getType());
  Type wideType = IntegerType::get(op.getContext(), 64, IntegerType::Unsigned);
  return mapScalars(op, frame, [&](ArrayRef<Element> in) {
    return applyCast(wideType, to,
                     static_cast<int64_t>(unsignedOf(from, in[0].asInt())));
  });
}

/// Sign extension; one bit is 0 or -1.
template <typename OpT>
static LogicalResult evalFromSigned(OpT op, Frame &frame) {
  Type from = operandType(op), to = getElementTypeOrSelf(op.getType());
  Type wideType = IntegerType::get(op.getContext(), 64);
  return mapScalars(op, frame, [&](ArrayRef<Element> in) {
    int64_t value = in[0].asInt();
    return applyCast(wideType, to, isTruthType(from) ? -value : value);
  });
}

/// Truncation to the low bits.
template <typename OpT> static LogicalResult evalWrap(OpT op, Frame &frame) {
  Type to = getElementTypeOrSelf(op.getType());
  return mapScalars(op, frame, [&](ArrayRef<Element> in) -> Element {
    return wrapTo(to, in[0].asInt());
  });
}

static LogicalResult evalBitcast(arith::BitcastOp op, Frame &frame) {
  Type from = operandType(op), to = getElementTypeOrSelf(op.getType());
  auto bitsOf = [&](const Element &element) {
    if (auto type = dyn_cast<FloatType>(from)) {
      llvm::APFloat value = storageOf(from) == Storage::Double
                                ? llvm::APFloat(element.asDouble())
                                : llvm::APFloat(element.asFloat());
      bool losesInfo;
      value.convert(type.getFloatSemantics(),
                    llvm::APFloat::rmNearestTiesToEven, &losesInfo);
      return value.bitcastToAPInt();
    }
    unsigned width = isa<IntegerType>(from) ? from.getIntOrFloatBitWidth() : 64;
    return llvm::APInt(width, unsignedOf(from, element.asInt()));
  };
  return mapScalars(op, frame, [&](ArrayRef<Element> in) -> Element {
    llvm::APInt bits = bitsOf(in[0]);
    if (auto type = dyn_cast<FloatType>(to)) {
      llvm::APFloat value(type.getFloatSemantics(), bits);
      if (storageOf(to) == Storage::Double)
        return value.convertToDouble();
      bool losesInfo;
      value.convert(llvm::APFloat::IEEEsingle(),
                    llvm::APFloat::rmNearestTiesToEven, &losesInfo);
      return value.convertToFloat();
    }
    return isTruthType(to) ? static_cast<int64_t>(bits.getZExtValue())
                           : bits.getSExtValue();
  });
}

void route::interp::addArithOps(Registry &registry) {
  using namespace arith;
  registry.add(evalConstant);
  registry.add(evalAs<AddFOp, BinaryKind::add>);
  registry.add(evalAs<SubFOp, BinaryKind::sub>);
  registry.add(evalAs<MulFOp, BinaryKind::mul>);
  registry.add(evalAs<DivFOp, BinaryKind::div>);
  registry.add(evalAs<MaximumFOp, BinaryKind::max>);
  registry.add(evalAs<MinimumFOp, BinaryKind::min>);
  registry.add(evalNumF<MaxNumFOp, BinaryKind::max>);
  registry.add(evalNumF<MinNumFOp, BinaryKind::min>);
  registry.add(evalNegF);
  registry.add(evalRemF);
  registry.add(evalAs<AddIOp, BinaryKind::add>);
  registry.add(evalAs<SubIOp, BinaryKind::sub>);
  registry.add(evalAs<MulIOp, BinaryKind::mul>);
  registry.add(evalAs<AndIOp, BinaryKind::bit_and>);
  registry.add(evalAs<OrIOp, BinaryKind::bit_or>);
  registry.add(evalAs<XOrIOp, BinaryKind::bit_xor>);
  registry.add(evalAs<MaxSIOp, BinaryKind::max>);
  registry.add(evalAs<MinSIOp, BinaryKind::min>);
  registry.add(evalAs<FloorDivSIOp, BinaryKind::floordiv>);
  registry.add(evalSigned<DivSIOp, divS>);
  registry.add(evalSigned<RemSIOp, remS>);
  registry.add(evalSigned<CeilDivSIOp, ceilDivS>);
  registry.add(evalSigned<ShRSIOp, shiftRightS>);
  registry.add(evalUnsigned<DivUIOp, divU>);
  registry.add(evalUnsigned<RemUIOp, remU>);
  registry.add(evalUnsigned<CeilDivUIOp, ceilDivU>);
  registry.add(evalUnsigned<MaxUIOp, maxU>);
  registry.add(evalUnsigned<MinUIOp, minU>);
  registry.add(evalUnsigned<ShLIOp, shiftLeft>);
  registry.add(evalUnsigned<ShRUIOp, shiftRightU>);
  registry.add(evalCmpI);
  registry.add(evalCmpF);
  registry.add(evalSelect);
  registry.add(evalConvert<ExtFOp>);
  registry.add(evalConvert<TruncFOp>);
  registry.add(evalConvert<FPToSIOp>);
  registry.add(evalToUnsigned);
  registry.add(evalFromUnsigned<ExtUIOp>);
  registry.add(evalFromUnsigned<UIToFPOp>);
  registry.add(evalFromUnsigned<IndexCastUIOp>);
  registry.add(evalFromSigned<ExtSIOp>);
  registry.add(evalFromSigned<SIToFPOp>);
  registry.add(evalFromSigned<IndexCastOp>);
  registry.add(evalWrap<TruncIOp>);
  registry.add(evalBitcast);
}
