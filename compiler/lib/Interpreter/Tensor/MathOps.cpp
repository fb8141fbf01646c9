// Evaluators of the math dialect, by numerics.h.
// This is the meaning that route-expand-math spells out.
#include "Tensors.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include <cmath>

using namespace mlir;
using namespace route;
using namespace route::interp;

template <typename OpT, UnaryKind kind>
static LogicalResult evalAs(OpT op, Frame &frame) {
  Type type = getElementTypeOrSelf(op.getType());
  return mapScalars(op, frame, [&](ArrayRef<Element> in) {
    return applyUnary(kind, type, in[0]);
  });
}

static LogicalResult evalPow(math::PowFOp op, Frame &frame) {
  Type type = getElementTypeOrSelf(op.getType());
  return mapScalars(op, frame, [&](ArrayRef<Element> in) {
    return applyBinary(BinaryKind::pow, type, in[0], in[1]);
  });
}

static LogicalResult evalFma(math::FmaOp op, Frame &frame) {
  Type type = getElementTypeOrSelf(op.getType());
  return mapScalars(op, frame, [&](ArrayRef<Element> in) -> Element {
    if (storageOf(type) == Storage::Double)
      return std::fma(in[0].asDouble(), in[1].asDouble(), in[2].asDouble());
    return roundTo(type,
                   std::fma(in[0].asFloat(), in[1].asFloat(), in[2].asFloat()));
  });
}

static LogicalResult evalIsNaN(math::IsNaNOp op, Frame &frame) {
  return mapScalars(op, frame, [](ArrayRef<Element> in) {
    return applyUnary(UnaryKind::is_nan, Type(), in[0]);
  });
}

void route::interp::addMathOps(Registry &registry) {
  using namespace math;
  registry.add(evalAs<ExpOp, UnaryKind::exp>);
  registry.add(evalAs<Exp2Op, UnaryKind::exp2>);
  registry.add(evalAs<LogOp, UnaryKind::log>);
  registry.add(evalAs<Log2Op, UnaryKind::log2>);
  registry.add(evalAs<SqrtOp, UnaryKind::sqrt>);
  registry.add(evalAs<RsqrtOp, UnaryKind::rsqrt>);
  registry.add(evalAs<TanhOp, UnaryKind::tanh>);
  registry.add(evalAs<ErfOp, UnaryKind::erf>);
  registry.add(evalAs<AbsFOp, UnaryKind::abs>);
  registry.add(evalAs<AbsIOp, UnaryKind::abs>);
  registry.add(evalAs<FloorOp, UnaryKind::floor>);
  registry.add(evalAs<CeilOp, UnaryKind::ceil>);
  registry.add(evalAs<RoundEvenOp, UnaryKind::round>);
  registry.add(evalAs<TruncOp, UnaryKind::trunc>);
  registry.add(evalPow);
  registry.add(evalFma);
  registry.add(evalIsNaN);
}
