// route-expand-math: the functions of numerics.h as IR.
// It runs the same templates, over an operation set that builds operations on
// scalars and vectors.
#include "route/Target/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/TypeUtilities.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "route/Dialect/Row/IR/RowDialect.h"
#include "route/Dialect/Row/Transforms/IROps.h"
#include "route/numerics_wide.h"
#include <cmath>

using namespace mlir;

namespace route {
#define GEN_PASS_DEF_ROUTEEXPANDMATH
#include "route/Target/Passes.h.inc"

namespace {

using Expansion = Value (*)(IROps &, ValueRange);

/// A function on f32 and on f64.
struct Expansions {
  Expansion narrow, wide;
};

/// bf16, f16 or f32, or a vector of them.
bool isSmallFloat(Type type) {
  Type element = getElementTypeOrSelf(type);
  return (element.isF32() || element.isBF16() || element.isF16()) &&
         (type == element || isa<VectorType>(type));
}

/// Rewrites `op`, computing in f64 what is f64, all else in f32, rounded at the
/// end.
LogicalResult expand(Operation *op, Expansions expansion,
                     PatternRewriter &rewriter, bool avx512) {
  Type type = op->getResult(0).getType();
  ImplicitLocOpBuilder b(op->getLoc(), rewriter);
  if (getElementTypeOrSelf(type).isF64() &&
      (isa<VectorType>(type) || !isa<ShapedType>(type))) {
    IROps ops(b, type);
    rewriter.replaceOp(op, expansion.wide(ops, op->getOperands()));
    return success();
  }
  if (!isSmallFloat(type))
    return rewriter.notifyMatchFailure(op, "not on a float that has code");
  IROps ops(b, type, avx512);
  Type wide = ops.typed(b.getF32Type());
  SmallVector<Value> operands;
  for (Value v : op->getOperands())
    operands.push_back(type == wide ? v : arith::ExtFOp::create(b, wide, v));
  Value result = expansion.narrow(ops, operands);
  if (type != wide)
    result = arith::TruncFOp::create(b, type, result);
  rewriter.replaceOp(op, result);
  return success();
}

template <typename Op> struct ExpandOp : OpRewritePattern<Op> {
  ExpandOp(MLIRContext *context, Expansions expansion, bool avx512)
      : OpRewritePattern<Op>(context), expansion(expansion), avx512(avx512) {}
  LogicalResult matchAndRewrite(Op op, PatternRewriter &r) const override {
    return expand(op, expansion, r, avx512);
  }
  Expansions expansion;
  bool avx512;
};

#define ROUTE_EXPANSION(name)                                                  \
  Expansions {                                                                 \
    [](IROps &b, ValueRange x) -> Value { return num::name(b, Value(x[0])); }, \
        [](IROps &b, ValueRange x) -> Value {                                  \
          return num::wide::name(b, Value(x[0]));                              \
        }                                                                      \
  }

struct ExpandUnary : OpRewritePattern<row::UnaryOp> {
  ExpandUnary(MLIRContext *context, bool avx512)
      : OpRewritePattern(context), avx512(avx512) {}
  LogicalResult matchAndRewrite(row::UnaryOp op,
                                PatternRewriter &r) const override {
    switch (op.getFunction()) {
    case row::UnaryFunction::Sigmoid:
      return expand(op, ROUTE_EXPANSION(sigmoid), r, avx512);
    case row::UnaryFunction::Silu:
      return expand(op, ROUTE_EXPANSION(silu), r, avx512);
    case row::UnaryFunction::GeluTanh:
      return expand(op, ROUTE_EXPANSION(geluTanh), r, avx512);
    case row::UnaryFunction::GeluErf:
      return expand(op, ROUTE_EXPANSION(geluErf), r, avx512);
    case row::UnaryFunction::Softplus:
      return expand(op, ROUTE_EXPANSION(softplus), r, avx512);
    }
    return failure();
  }
  bool avx512;
};

/// An f64 as f32, rounded to odd: to the neighbour nearer 0, with its last bit
/// set where that is inexact. A narrower type then rounds it as the f64.
Value roundedToOdd(ImplicitLocOpBuilder &b, Value x) {
  IROps ops(b, x.getType());
  Type narrow = ops.typed(b.getF32Type());
  IROps small(b, narrow);
  Value near = arith::TruncFOp::create(b, narrow, x);
  Value back = arith::ExtFOp::create(b, x.getType(), near);
  Value bits = small.bits(near);
  Value beyond =
      ops.lt(math::AbsFOp::create(b, x), math::AbsFOp::create(b, back));
  Value inside = small.selectInt(beyond, small.isub(bits, small.i(1)), bits);
  Value inexact = arith::CmpFOp::create(b, arith::CmpFPredicate::ONE, back, x);
  return small.fromBits(
      small.selectInt(inexact, small.bitOr(inside, small.i(1)), bits));
}

/// f32 to bf16 by integer arithmetic, where the target has no instruction; f64
/// to bf16 and f16, for which there never is one, through f32.
struct ExpandTruncation : OpRewritePattern<arith::TruncFOp> {
  ExpandTruncation(MLIRContext *context, bool roundsBf16)
      : OpRewritePattern(context), roundsBf16(roundsBf16) {}
  LogicalResult matchAndRewrite(arith::TruncFOp op,
                                PatternRewriter &r) const override {
    Type type = op.getType(), from = op.getIn().getType();
    Type to = getElementTypeOrSelf(type);
    bool wide = getElementTypeOrSelf(from).isF64();
    if (!(to.isBF16() || (to.isF16() && wide)) ||
        !(wide || (getElementTypeOrSelf(from).isF32() && !roundsBf16)) ||
        (isa<ShapedType>(type) && !isa<VectorType>(type)))
      return r.notifyMatchFailure(op, "has an instruction");
    if (op.getRoundingmode().value_or(arith::RoundingMode::to_nearest_even) !=
        arith::RoundingMode::to_nearest_even)
      return r.notifyMatchFailure(op, "another rounding mode");
    ImplicitLocOpBuilder b(op.getLoc(), r);
    if (wide) {
      r.replaceOpWithNewOp<arith::TruncFOp>(op, type,
                                            roundedToOdd(b, op.getIn()));
      return success();
    }
    IROps ops(b, from);
    Value word = num::bf16Bits(ops, Value(op.getIn()));
    Value bits = arith::TruncIOp::create(b, ops.typed(b.getI16Type()), word);
    r.replaceOpWithNewOp<arith::BitcastOp>(op, type, bits);
    return success();
  }
  bool roundsBf16;
};

/// A whole number to bf16, through a float that holds it. An i64 that f64 does
/// not hold gives way to one that it does, between the same two halfway points
/// of bf16: its last 12 bits are 0 or the middle of what they can be.
template <typename Op> struct ExpandWholeToBF16 : OpRewritePattern<Op> {
  using OpRewritePattern<Op>::OpRewritePattern;
  LogicalResult matchAndRewrite(Op op, PatternRewriter &r) const override {
    Type type = op.getType();
    Value x = op.getIn();
    unsigned width = getElementTypeOrSelf(x.getType()).getIntOrFloatBitWidth();
    if (!getElementTypeOrSelf(type).isBF16() || (width > 53 && width != 64) ||
        (isa<ShapedType>(type) && !isa<VectorType>(type)))
      return r.notifyMatchFailure(op, "not from what there is to bf16");
    ImplicitLocOpBuilder b(op.getLoc(), r);
    Type exact = IROps(b, type).typed(width <= 24 ? Type(b.getF32Type())
                                                  : Type(b.getF64Type()));
    if (width == 64) {
      IROps ops(b, exact);
      constexpr bool isSigned = std::is_same_v<Op, arith::SIToFPOp>;
      int64_t limit = int64_t(1) << 53;
      Value held =
          arith::CmpIOp::create(b, arith::CmpIPredicate::ule,
                                isSigned ? ops.iadd(x, ops.i(limit)) : x,
                                ops.i(isSigned ? 2 * limit : limit));
      Value none = arith::CmpIOp::create(b, arith::CmpIPredicate::eq,
                                         ops.bitAnd(x, ops.i(0xfff)), ops.i(0));
      Value last = ops.selectInt(none, ops.i(0), ops.i(0x800));
      x = ops.selectInt(held, x, ops.bitOr(ops.bitAnd(x, ops.i(~0xfff)), last));
    }
    r.replaceOpWithNewOp<arith::TruncFOp>(op, type, Op::create(b, exact, x));
    return success();
  }
};

/// The remainder that std::fmod gives, bit for bit: a long division in f64,
/// from the largest power of two times y downwards. What remains is a multiple
/// of the last place of y times that power and less than it, so each step is
/// exact.
struct ExpandRemainder : OpRewritePattern<arith::RemFOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(arith::RemFOp op,
                                PatternRewriter &r) const override {
    Type type = op.getType();
    bool small = isSmallFloat(type);
    if (!small && !getElementTypeOrSelf(type).isF64())
      return r.notifyMatchFailure(op, "not on a float that has code");
    if (isa<ShapedType>(type) && !isa<VectorType>(type))
      return r.notifyMatchFailure(op, "on tensors");
    ImplicitLocOpBuilder b(op.getLoc(), r);
    IROps ops(b, type);
    Type wide = ops.typed(b.getF64Type());
    auto widened = [&](Value value) -> Value {
      return small ? arith::ExtFOp::create(b, wide, value) : value;
    };
    auto constant = [&](double value) -> Value {
      TypedAttr attr = b.getF64FloatAttr(value);
      if (auto vector = dyn_cast<VectorType>(wide))
        attr = DenseElementsAttr::get(vector, cast<Attribute>(attr));
      return arith::ConstantOp::create(b, attr);
    };
    Value x = widened(op.getLhs()), y = widened(op.getRhs());
    Value rest = math::AbsFOp::create(b, x), by = math::AbsFOp::create(b, y);
    Value zero = constant(0), infinity = constant(HUGE_VAL);
    // A step divides by so many bits that its quotient, and for small floats
    // the quotient times y, is exact; the steps span all exponents.
    int bits = small ? 28 : 52, steps = small ? 10 : 41;
    for (int step = steps; step-- > 0;) {
      Value part = by;
      for (int left = step * bits; left > 0; left -= 1000)
        part = arith::MulFOp::create(
            b, part, constant(std::ldexp(1, std::min(left, 1000))));
      Value count =
          math::TruncOp::create(b, Value(arith::DivFOp::create(b, rest, part)));
      if (small) {
        rest = arith::SubFOp::create(b, rest,
                                     arith::MulFOp::create(b, count, part));
        continue;
      }
      // The quotient may have been rounded up to the next whole number.
      Value left =
          math::FmaOp::create(b, arith::NegFOp::create(b, count), part, rest);
      Value over =
          arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, left, zero);
      left = arith::SelectOp::create(
          b, over, arith::AddFOp::create(b, left, part), left);
      Value none =
          arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, part, infinity);
      rest = arith::SelectOp::create(b, none, rest, left);
    }
    // x itself where y is infinite and x is not.
    Value unbounded =
        arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, by, infinity);
    Value kept = arith::SelectOp::create(
        b,
        arith::CmpFOp::create(b, arith::CmpFPredicate::OLT,
                              Value(math::AbsFOp::create(b, x)), infinity),
        x, arith::SubFOp::create(b, x, x));
    Value result = arith::SelectOp::create(
        b, unbounded, kept, math::CopySignOp::create(b, rest, x));
    if (small)
      result = arith::TruncFOp::create(b, type, result);
    r.replaceOp(op, result);
    return success();
  }
};

struct ExpandMathPass : impl::RouteExpandMathBase<ExpandMathPass> {
  using RouteExpandMathBase::RouteExpandMathBase;
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    populateExpandMathPatterns(patterns, avx512, roundsBf16);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace

void populateExpandMathPatterns(RewritePatternSet &patterns, bool avx512,
                                bool roundsBf16) {
  MLIRContext *c = patterns.getContext();
  patterns.add<ExpandOp<math::ExpOp>>(c, ROUTE_EXPANSION(exp), avx512);
  patterns.add<ExpandOp<math::Exp2Op>>(c, ROUTE_EXPANSION(exp2), avx512);
  patterns.add<ExpandOp<math::LogOp>>(c, ROUTE_EXPANSION(log), avx512);
  patterns.add<ExpandOp<math::Log2Op>>(c, ROUTE_EXPANSION(log2), avx512);
  patterns.add<ExpandOp<math::TanhOp>>(c, ROUTE_EXPANSION(tanh), avx512);
  patterns.add<ExpandOp<math::ErfOp>>(c, ROUTE_EXPANSION(erf), avx512);
  patterns.add<ExpandOp<math::RsqrtOp>>(c, ROUTE_EXPANSION(rsqrt), avx512);
  patterns.add<ExpandOp<math::PowFOp>>(
      c,
      Expansions{[](IROps &b, ValueRange x) -> Value {
                   return num::pow(b, Value(x[0]), Value(x[1]));
                 },
                 [](IROps &b, ValueRange x) -> Value {
                   return num::wide::pow(b, Value(x[0]), Value(x[1]));
                 }},
      avx512);
  patterns.add<ExpandUnary>(c, avx512);
  patterns.add<ExpandTruncation>(c, roundsBf16);
  patterns.add<ExpandWholeToBF16<arith::SIToFPOp>,
               ExpandWholeToBF16<arith::UIToFPOp>, ExpandRemainder>(c);
}

} // namespace route
