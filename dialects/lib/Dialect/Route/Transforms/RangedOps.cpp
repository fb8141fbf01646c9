// Ops on arrays that may be unknown, by the ends of their operands.
#include "RangeExpander.h"
#include "route/Dialect/Route/IR/RouteCollectionOps.h"
#include "route/Notice.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace route;
using namespace route::ranges;

namespace {
/// The ends of the result of one op.
class OpEnds {
public:
  OpEnds(Operation *op, RangeExpander &in, OpBuilder &b)
      : in(in), b(b), loc(op->getLoc()), ranges(b, loc) {
    if (op->getNumResults())
      if (auto type = dyn_cast<ArrayType>(op->getResult(0).getType()))
        plain = plainType(type);
  }

  FailureOr<Ends> compute(Operation *op);

private:
  FailureOr<Ends> ends(UnknownOp op) { return ranges.everything(plain); }
  FailureOr<Ends> ends(ConstantOp op) {
    return point(ConstantOp::create(b, loc, plain, op.getValue()));
  }
  FailureOr<Ends> ends(UnaryOp op) {
    return ranges.unary(op.getKind(), in.get(op.getOperand()));
  }
  FailureOr<Ends> ends(BinaryOp op) {
    return ranges.binary(op.getKind(), in.get(op.getLhs()),
                         in.get(op.getRhs()));
  }
  FailureOr<Ends> ends(CompareOp op) {
    return ranges.compare(op.getKind(), in.get(op.getLhs()),
                          in.get(op.getRhs()));
  }
  FailureOr<Ends> ends(SelectOp op) {
    // Where there is nothing to choose from, no value is.
    if (Ends c = in.get(op.getCondition());
        c.isPoint() && op.getIfFalse().getDefiningOp<UnknownOp>())
      return ranges.orEverything(c.lo, in.get(op.getIfTrue()));
    return ranges.select(in.get(op.getCondition()), in.get(op.getIfTrue()),
                         in.get(op.getIfFalse()));
  }
  FailureOr<Ends> ends(CastOp op) {
    return ranges.cast(in.get(op.getOperand()), plain);
  }
  FailureOr<Ends> ends(KnownOp op) {
    return point(ranges.isKnown(in.get(op.getOperand())));
  }
  FailureOr<Ends> ends(BoundOp op) {
    Ends x = in.get(op.getOperand());
    return point(op.getUpper() ? x.hi : x.lo);
  }
  FailureOr<Ends> ends(CoalesceOp op) {
    Ends x = in.get(op.getLhs());
    return ranges.select(point(ranges.isKnown(x)), x, in.get(op.getRhs()));
  }
  FailureOr<Ends> ends(BroadcastOp op) {
    return moved(op.getOperand(), [&](Value x) -> Value {
      return BroadcastOp::create(b, loc, typed(x), x, op.getPlan());
    });
  }
  FailureOr<Ends> ends(RenameOp op) {
    return moved(op.getOperand(), [&](Value x) -> Value {
      return RenameOp::create(b, loc, typed(x), x, op.getSource(),
                              op.getTarget());
    });
  }
  FailureOr<Ends> ends(StackOp op) { return stacked(op); }
  FailureOr<Ends> ends(JoinOp op) { return stacked(op); }
  template <typename OpTy> FailureOr<Ends> stacked(OpTy op);
  FailureOr<Ends> ends(PickOp op);
  FailureOr<Ends> ends(ReduceOp op);
  FailureOr<Ends> ends(ContractOp op);
  FailureOr<Ends> ends(TextFnOp op);
  FailureOr<Ends> ends(FindOp op) { return asked(op); }
  FailureOr<Ends> ends(SubsetOp op) { return asked(op); }
  FailureOr<Ends> asked(Operation *op);
  FailureOr<Ends> ends(InsertOp op) { return changed(op); }
  FailureOr<Ends> ends(RemoveOp op) { return changed(op); }
  FailureOr<Ends> changed(Operation *op);
  FailureOr<Ends> ends(DrawOp op);
  FailureOr<Ends> ends(EmitOp op);

  static Ends point(Value value) { return {value, value, {}}; }
  /// The result's type with the elements of `like`.
  ArrayType typed(Value like) {
    return plain.withElement(cast<ArrayType>(like.getType()).getElementType());
  }
  /// Applies a movement to each part.
  Ends moved(Value operand, llvm::function_ref<Value(Value)> move) {
    Ends x = in.get(operand);
    Ends result = point(move(x.lo));
    if (x.lo != x.hi)
      result.hi = move(x.hi);
    if (x.known)
      result.known = move(x.known);
    return result;
  }
  Value isInside(PickOp op);

  RangeExpander &in;
  OpBuilder &b;
  Location loc;
  RangeBuilder ranges;
  /// The type of the result, without range.
  ArrayType plain;
};
} // namespace

FailureOr<Ends> OpEnds::compute(Operation *op) {
  return llvm::TypeSwitch<Operation *, FailureOr<Ends>>(op)
      .Case<UnknownOp, ConstantOp, UnaryOp, BinaryOp, CompareOp, SelectOp,
            CastOp, KnownOp, BoundOp, CoalesceOp, BroadcastOp, RenameOp,
            StackOp, JoinOp, PickOp, ReduceOp, ContractOp, TextFnOp, FindOp,
            SubsetOp, InsertOp, RemoveOp, DrawOp, EmitOp>(
          [&](auto known) { return ends(known); })
      .Default([](Operation *other) -> FailureOr<Ends> {
        return notCovered(other, "this on values that may be unknown");
      });
}

template <typename OpTy> FailureOr<Ends> OpEnds::stacked(OpTy op) {
  SmallVector<Value> lo, hi, known;
  bool interval = hasInterval(plain.getElementType());
  for (Value operand : op.getOperands()) {
    Ends x = in.get(operand);
    lo.push_back(x.lo);
    hi.push_back(x.hi);
    if (!interval)
      known.push_back(ranges.isKnown(x));
  }
  auto stack = [&](ValueRange parts, Type element) -> Value {
    return OpTy::create(b, loc, plain.withElement(element), parts,
                        op.getAlongAttr());
  };
  Value first = stack(lo, plain.getElementType());
  if (!interval)
    return Ends{first, first, stack(known, b.getI1Type())};
  return Ends{first, stack(hi, plain.getElementType()), {}};
}

/// Whether a known position is picked, on the axis.
Value OpEnds::isInside(PickOp op) {
  Ends position = in.get(op.getPosition());
  Value where = position.lo;
  Value extent =
      SizeOp::create(b, loc, ArrayType::get(b.getI64Type()), op.getAlongAttr());
  ArrayType wide = cast<ArrayType>(where.getType()).withElement(b.getI64Type());
  if (where.getType() != wide)
    where = CastOp::create(b, loc, wide, where);
  Value inside =
      ranges.both(ranges.op(CompareKind::ge, where, ranges.number(where, 0)),
                  ranges.op(CompareKind::lt, where, extent));
  return position.isPoint() ? inside
                            : ranges.both(inside, ranges.isKnown(position));
}

FailureOr<Ends> OpEnds::ends(PickOp op) {
  Value position = in.get(op.getPosition()).lo;
  Ends found = moved(op.getOperand(), [&](Value x) -> Value {
    return PickOp::create(b, loc, x, op.getAlongAttr(), position);
  });
  // Outside the axis, or at an unknown position, nothing is known.
  return isRange(op.getResult()) ? ranges.orEverything(isInside(op), found)
                                 : found;
}

FailureOr<Ends> OpEnds::ends(ContractOp op) {
  // Elementwise products of intervals, then the sums of their ends.
  auto wide = [&](Value value) {
    Ends x = in.get(value);
    return ranges.cast(
        x, cast<ArrayType>(x.lo.getType()).withElement(b.getF32Type()));
  };
  Ends product =
      ranges.binary(BinaryKind::mul, wide(op.getLhs()), wide(op.getRhs()));
  auto sum = [&](Value of) -> Value {
    return ReduceOp::create(b, loc, plain, ReduceKind::sum, of, Value());
  };
  Ends result = {sum(product.lo), sum(product.hi), {}};
  Value one = ranges.op(CompareKind::ne, ranges.isNaN(result.lo),
                        ranges.isNaN(result.hi));
  return ranges.orEverything(ranges.negated(one), result);
}

FailureOr<Ends> OpEnds::ends(TextFnOp op) {
  SmallVector<Value> operands;
  Value known;
  for (Value operand : op.getOperands()) {
    Ends x = in.get(operand);
    operands.push_back(x.lo);
    if (x.isPoint())
      continue;
    Value here = ranges.isKnown(x);
    known = known ? ranges.both(known, here) : here;
  }
  Ends value = point(TextFnOp::create(b, loc, plain, op.getNameAttr(), operands,
                                      op.getArgumentsAttr()));
  return known ? ranges.orEverything(known, value) : value;
}

/// A question to a collection. Nothing is in an empty one, which is in every
/// other, whatever else is unknown.
FailureOr<Ends> OpEnds::asked(Operation *op) {
  bool subset = isa<SubsetOp>(op);
  Ends x = in.get(op->getOperand(0)), y = in.get(op->getOperand(1));
  Operation *plainly = op->clone();
  plainly->setOperands({x.lo, y.lo});
  plainly->getResult(0).setType(plain);
  b.insert(plainly);
  Value answer = plainly->getResult(0);
  if (!subset && isa<SetType>(cast<ArrayType>(y.lo.getType()).getElementType()))
    // A set has no places to tell apart.
    answer = ranges.pick(
        ranges.op(CompareKind::ge, answer, ranges.number(answer, 0)),
        ranges.number(answer, 0), ranges.number(answer, -1));
  Value known = ranges.both(ranges.isKnown(x), ranges.isKnown(y));
  const Ends &mayBeEmpty = subset ? x : y;
  Value none = IsEmptyOp::create(b, loc, mayBeEmpty.lo);
  if (!mayBeEmpty.isPoint())
    none = ranges.both(ranges.isKnown(mayBeEmpty), none);
  return ranges.orEverything(ranges.either(known, none), point(answer));
}

/// What is unknown changes nothing.
FailureOr<Ends> OpEnds::changed(Operation *op) {
  Value before = op->getOperand(0);
  Ends member = in.get(op->getOperand(1));
  Operation *plainly = op->clone();
  plainly->setOperand(1, member.lo);
  b.insert(plainly);
  return point(
      ranges.pick(ranges.isKnown(member), plainly->getResult(0), before));
}

/// An unknown key of a draw is as zero, no text or no row.
FailureOr<Ends> OpEnds::ends(DrawOp op) {
  SmallVector<Value> keys;
  for (Value key : op.getKeys()) {
    Ends x = in.get(key);
    Type element = cast<ArrayType>(x.lo.getType()).getElementType();
    keys.push_back(x.isPoint() ? x.lo
                               : ranges.pick(ranges.isKnown(x), x.lo,
                                             ranges.nothing(element)));
  }
  return point(DrawOp::create(b, loc, plain, op.getKind(), op.getSite(), keys));
}

/// A metric that may be unknown leaves as two, like a result.
FailureOr<Ends> OpEnds::ends(EmitOp op) {
  SmallVector<Value> parts;
  in.addParts(op.getValue(), parts);
  bool interval =
      hasInterval(plainType(op.getValue().getType()).getElementType());
  std::string name = op.getName().str();
  EmitOp::create(b, loc, b.getStringAttr(name + (interval ? ".lower" : "")),
                 parts[0], op.getUnitAttr());
  EmitOp::create(b, loc,
                 b.getStringAttr(name + (interval ? ".upper" : ".known")),
                 parts[1], interval ? op.getUnitAttr() : StringAttr());
  return Ends{};
}

/// Each end on its own where the reduction is monotone in every element.
/// Integer sums that may wrap and products with negative factors leave
/// anything.
FailureOr<Ends> OpEnds::ends(ReduceOp op) {
  Ends x = in.get(op.getOperand());
  ReduceKind kind = op.getKind();
  auto reduce = [&](ReduceKind how, Value of, Type element) -> Value {
    return ReduceOp::create(b, loc, plain.withElement(element), how, of,
                            op.getPlan());
  };
  auto allOf = [&](Value truth) {
    return reduce(ReduceKind::all, truth, b.getI1Type());
  };
  Type element = plain.getElementType();
  bool floating = isa<FloatType>(element);
  Value lo = reduce(kind, x.lo, element), fine;
  switch (kind) {
  case ReduceKind::max:
  case ReduceKind::min:
  case ReduceKind::any:
  case ReduceKind::all:
  case ReduceKind::count:
  case ReduceKind::mean:
    break;
  case ReduceKind::sum: {
    if (floating)
      break;
    auto size = [&](Value end) {
      auto type = cast<ArrayType>(end.getType()).withElement(b.getF64Type());
      return ranges.op(UnaryKind::abs, CastOp::create(b, loc, type, end));
    };
    Value total = reduce(ReduceKind::sum,
                         ranges.op(BinaryKind::max, size(x.lo), size(x.hi)),
                         b.getF64Type());
    fine = ranges.op(CompareKind::lt, total,
                     ranges.number(total, 0x1p63 * (1 - 0x1p-50)));
    break;
  }
  case ReduceKind::product:
    fine = allOf(ranges.op(CompareKind::ge, x.lo, ranges.number(x.lo, 0)));
    break;
  default: // known where everything is
    return ranges.orEverything(allOf(ranges.isKnown(x)), point(lo));
  }
  Ends result = {lo, reduce(kind, x.hi, element), {}};
  if (floating) {
    Value strange =
        ranges.either(ranges.isNaN(result.lo), ranges.isNaN(result.hi));
    Value numbers = ranges.negated(strange);
    fine = fine ? ranges.both(fine, numbers) : numbers;
  }
  if (!fine)
    return result;
  return ranges.orEverything(ranges.either(allOf(ranges.isKnown(x)), fine),
                             result);
}

FailureOr<Ends> ranges::endsOf(Operation *op, RangeExpander &in, OpBuilder &b) {
  return OpEnds(op, in, b).compute(op);
}
