// Evaluators of elementwise ops, the three-valued ones among them.
#include "Elementwise.h"
#include "Scalars.h"

using namespace mlir;
using namespace route;
using namespace route::interp;

/// True when `type` is stored as f32 and needs no rounding.
static bool isPlainFloat(Type type) { return type.isF32(); }

static LogicalResult evalUnary(UnaryOp op, Frame &frame) {
  Type type = elementTypeOf(op.getOperand()), plain = getValueType(type);
  UnaryKind kind = op.getKind();
  if (auto *function = floatUnary(kind); function && isPlainFloat(type)) {
    auto aligned = align<1>(op, {op.getOperand()}, frame);
    if (failed(aligned))
      return failure();
    const float *in = aligned->operands[0].buffer->floats();
    float *out = aligned->result.buffer->floats();
    walk(*aligned,
         [&](int64_t index, auto at) { out[index] = function(in[at[0]]); });
    frame.set(op.getResult(), std::move(aligned->result));
    return success();
  }
  return mapElements<1>(op, {op.getOperand()}, frame, [&](const auto &in) {
    return isRangeType(type) ? applyUnaryRange(kind, plain, toRange(in[0]))
                             : applyUnary(kind, plain, in[0]);
  });
}

static LogicalResult evalBinary(BinaryOp op, Frame &frame) {
  Type type = elementTypeOf(op.getResult()), plain = getValueType(type);
  BinaryKind kind = op.getKind();
  if (auto *function = floatBinary(kind); function && isPlainFloat(type)) {
    auto aligned = align<2>(op, {op.getLhs(), op.getRhs()}, frame);
    if (failed(aligned))
      return failure();
    const float *lhs = aligned->operands[0].buffer->floats();
    const float *rhs = aligned->operands[1].buffer->floats();
    float *out = aligned->result.buffer->floats();
    walk(*aligned, [&](int64_t index, auto at) {
      out[index] = function(lhs[at[0]], rhs[at[1]]);
    });
    frame.set(op.getResult(), std::move(aligned->result));
    return success();
  }
  return mapElements<2>(
      op, {op.getLhs(), op.getRhs()}, frame, [&](const auto &in) {
        return isRangeType(type) ? applyBinaryRange(kind, plain, toRange(in[0]),
                                                    toRange(in[1]))
                                 : applyBinary(kind, plain, in[0], in[1]);
      });
}

static LogicalResult evalCompare(CompareOp op, Frame &frame) {
  Type plain = getValueType(elementTypeOf(op.getLhs()));
  bool ranged = isRangeType(elementTypeOf(op.getResult()));
  return mapElements<2>(
      op, {op.getLhs(), op.getRhs()}, frame, [&](const auto &in) {
        if (ranged)
          return applyCompareRange(op.getKind(), plain, toRange(in[0]),
                                   toRange(in[1]));
        return Element(int64_t(applyCompare(op.getKind(), in[0], in[1])));
      });
}

static LogicalResult evalSelect(SelectOp op, Frame &frame) {
  Type type = elementTypeOf(op.getResult()), plain = getValueType(type);
  bool ranged = isRangeType(type);
  return mapElements<3>(
      op, {op.getCondition(), op.getIfTrue(), op.getIfFalse()}, frame,
      [&](const auto &in) -> Element {
        Range condition = toRange(in[0]);
        if (condition.known) {
          const Element &chosen = condition.lo.asTruth() ? in[1] : in[2];
          return ranged
                     ? Element(std::make_shared<const Range>(toRange(chosen)))
                     : chosen;
        }
        return hull(plain, toRange(in[1]), toRange(in[2]));
      });
}

static LogicalResult evalCast(CastOp op, Frame &frame) {
  Type from = elementTypeOf(op.getOperand()),
       to = elementTypeOf(op.getResult());
  Type source = getValueType(from), target = getValueType(to);
  return mapElements<1>(op, {op.getOperand()}, frame,
                        [&](const auto &in) -> Element {
                          if (!isRangeType(to))
                            return applyCast(source, target, in[0]);
                          return applyCastRange(source, target, toRange(in[0]));
                        });
}

static LogicalResult evalKnown(KnownOp op, Frame &frame) {
  return mapElements<1>(
      op, {op.getOperand()}, frame,
      [&](const auto &in) -> Element { return int64_t(toRange(in[0]).known); });
}

static LogicalResult evalBound(BoundOp op, Frame &frame) {
  return mapElements<1>(op, {op.getOperand()}, frame, [&](const auto &in) {
    Range range = toRange(in[0]);
    return op.getUpper() ? range.hi : range.lo;
  });
}

static LogicalResult evalCoalesce(CoalesceOp op, Frame &frame) {
  bool ranged = isRangeType(elementTypeOf(op.getResult()));
  return mapElements<2>(op, {op.getLhs(), op.getRhs()}, frame,
                        [&](const auto &in) -> Element {
                          Range first = toRange(in[0]);
                          if (!ranged)
                            return first.known ? first.lo : in[1];
                          return std::make_shared<const Range>(
                              first.known ? first : toRange(in[1]));
                        });
}

void route::interp::addElementwiseOps(Registry &registry) {
  registry.add(evalUnary);
  registry.add(evalBinary);
  registry.add(evalCompare);
  registry.add(evalSelect);
  registry.add(evalCast);
  registry.add(evalKnown);
  registry.add(evalBound);
  registry.add(evalCoalesce);
}
