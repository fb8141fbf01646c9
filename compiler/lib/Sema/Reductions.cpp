//===- Reductions.cpp - Reductions by name
//---------------------------------===//
//
// `f(x over A of P per B)`: axes in A are combined away; B says which of their
// ancestors stay. A plan leaves its items unless B says otherwise.
//
//===----------------------------------------------------------------------===//
#include "BuiltinNames.h"
#include "Elaborator.h"
#include "llvm/ADT/StringSwitch.h"
#include <cmath>
#include <limits>

using namespace route;
using namespace route::sema;
using namespace route::ast;

namespace {
enum class Form { None, Plain, Softmax, Standardize, Norm, Cosine, Entropy };
}

static Form formOf(StringRef name, ReduceKind &kind) {
  kind = llvm::StringSwitch<ReduceKind>(name)
             .Case("mean", ReduceKind::mean)
             .Case("max", ReduceKind::max)
             .Case("min", ReduceKind::min)
             .Case("any", ReduceKind::any)
             .Case("all", ReduceKind::all)
             .Case("count", ReduceKind::count)
             .Case("argmax", ReduceKind::argmax)
             .Case("argmin", ReduceKind::argmin)
             .Case("mode", ReduceKind::mode)
             .Case("product", ReduceKind::product)
             .Default(ReduceKind::sum);
  return llvm::StringSwitch<Form>(name)
      .Cases({"sum", "mean", "max", "min", "any", "all", "count", "argmax",
              "argmin", "mode", "product"},
             Form::Plain)
      .Case("softmax", Form::Softmax)
      .Case("standardize", Form::Standardize)
      .Case("norm", Form::Norm)
      .Case("cosine", Form::Cosine)
      .Case("entropy", Form::Entropy)
      .Default(Form::None);
}

bool Elaborator::isReductionName(StringRef name) {
  ReduceKind kind;
  return formOf(name, kind) != Form::None;
}

mlir::Value Elaborator::softmax(mlir::Value value,
                                llvm::ArrayRef<AxisInfo *> kept) {
  mlir::Value shifted =
      e.binary(BinaryKind::sub, value, e.reduce(ReduceKind::max, value, kept));
  mlir::Value powers = e.unary(UnaryKind::exp, shifted);
  return e.binary(BinaryKind::div, powers,
                  e.reduce(ReduceKind::sum, powers, kept));
}

/// What masked positions contribute: nothing.
static double identityOf(StringRef name) {
  if (name == "max" || name == "softmax" || name == "argmax")
    return -std::numeric_limits<double>::infinity();
  if (name == "min" || name == "argmin")
    return std::numeric_limits<double>::infinity();
  return name == "product" ? 1 : 0;
}

/// How many rows candidates have, item by item.
Value Elaborator::countRows(const Value &rows) {
  if (!rows.axis)
    return Value::literal(0, true);
  Candidates from;
  if (!candidatesFrom(rows, {}, from))
    return Value();
  if (!from.mask)
    return Value::array(SizeOp::create(
        e.builder, e.loc, route::ArrayType::get(e.i64()), rows.axis->symbol));
  mlir::Value mask = from.mask;
  if (e.isRange(mask)) // as a choice does: what surely may be taken
    mask = e.coalesce(mask, e.constantInt(e.i1(), 0));
  mask = e.broadcastTo(mask, rows.axis);
  AxisList kept;
  for (AxisInfo *axis : e.axesOf(mask))
    if (axis != rows.axis)
      kept.push_back(axis);
  return Value::array(e.reduce(ReduceKind::count, mask, kept));
}

/// What `of` restricts a reduction to, as truths; null after an error.
mlir::Value Elaborator::restrictionOf(const Expr &expr) {
  if (plainName(&expr) == "kept" && cx.candidate &&
      !cx.scope->lookup("kept").first) {
    mlir::Value mask =
        cx.keptMask ? cx.keptMask : e.constantInt(e.i1(), 1, {cx.candidate});
    return e.isRange(mask) ? e.coalesce(mask, e.constantInt(e.i1(), 0)) : mask;
  }
  Value value = eval(expr);
  if (value.is(Kind::Plan)) {
    AxisInfo *rows = value.axis;
    return MemberOp::create(e.builder, e.loc,
                            e.arrayType(e.i1(), rows->parents), rows->plan);
  }
  if (value.is(Kind::Subset) && value.axis) {
    const Value *mask = value.part("mask");
    value = mask ? *mask : Value::array(e.constantInt(e.i1(), 1, {value.axis}));
  }
  mlir::Value truth = asArray(value, expr.range, e.i1());
  if (truth && !isTruth(e.elementOf(truth))) {
    error(diag::wrongKind, expr.range,
          "'of' takes a plan, candidates or a condition, found " +
              describe(value));
    return {};
  }
  if (truth && e.isRange(truth))
    truth = e.coalesce(truth, e.constantInt(e.i1(), 0));
  return truth;
}

/// `value` along the rows of a choice of the positions on `over` that `mask`
/// allows: no value of a type that has no nothing stands in for the others.
mlir::Value Elaborator::ofChosen(mlir::Value value, mlir::Value mask,
                                 const AxisList &over, const AxisList &kept,
                                 const CallExpr &expr) {
  if (over.size() != 1) {
    error(diag::missingAxis, expr.of->range,
          "a restricted 'mode' goes over one axis")
        .note("this one goes over " + describeAxes(over));
    return {};
  }
  AxisInfo *rows = planAxis(kept, over.front(), expr.range);
  irgen::Emitter::Choice choice;
  choice.mask = mask;
  if (over.front()->isPlan())
    choice.source = over.front()->plan;
  rows->plan = e.choose(ChoiceKind::all, rows, choice).getResult();
  return e.gather(value, rows);
}

Value Elaborator::evalReduction(StringRef name, const CallExpr &expr) {
  ReduceKind kind;
  Form form = formOf(name, kind);
  if (form == Form::None && !isBuiltin(name)) {
    std::vector<std::string> names = builtinNames();
    llvm::erase_if(names,
                   [](StringRef each) { return !isReductionName(each); });
    error(diag::unknownName, expr.callee->range,
          "unknown reduction '" + name + "'")
        .suggest(name, names);
    return Value();
  }
  if (form == Form::None)
    return fail(diag::wrongKind, expr.callee->range,
                "'" + name + "' is not a reduction: it takes no 'over'");
  size_t arity = form == Form::Cosine ? 2 : 1;
  if (expr.args.size() != arity)
    return fail(diag::argumentMismatch, expr.range,
                "'" + name + "' reduces " + llvm::Twine(arity) + " value" +
                    (arity == 1 ? "" : "s") + ", found " +
                    llvm::Twine(expr.args.size()));
  AxisList over, per;
  if (!axesFrom(expr.over, over) || !axesFrom(expr.per, per))
    return Value();
  // `count(p per experts)`, `count(token per image)`: the argument is the axis.
  const Expr &argument = *expr.args[0].value;
  bool countsAxis = false;
  if (name == "count" && over.empty())
    if (isa<NameExpr, MemberExpr>(ignoreParens(&argument)))
      if (auto *plain = dyn_cast<NameExpr>(ignoreParens(&argument))) {
        Value value = plain->name.text == "chosen" && cx.chosen
                          ? Value::ofAxis(Kind::Plan, cx.chosen)
                          : lookup(plain->name, /*quiet=*/true);
        // `count(legal)`: how many candidates there are.
        if (value.is(Kind::Subset) && !expr.of && expr.per.empty())
          return countRows(value);
        if (value.is(Kind::Axis) || value.is(Kind::Plan)) {
          countsAxis = true;
          over.push_back(value.axis);
        }
      }
  if (name == "count" && over.empty() && !expr.of && expr.per.empty() &&
      isAlgebra(argument)) {
    Candidates from;
    return evalCandidates(argument, from) ? countRows(subsetOf(from)) : Value();
  }
  if (name == "count" && over.empty() &&
      isa<ChooseExpr>(ignoreParens(&argument))) {
    Value value = eval(argument);
    if (!value.is(Kind::Plan))
      return value.isError()
                 ? value
                 : fail(diag::wrongKind, argument.range,
                        "expected a plan, found " + describe(value));
    countsAxis = true;
    over.push_back(value.axis);
  }
  // Reduced with its descendant, an ancestor says nothing more.
  llvm::erase_if(over, [&](AxisInfo *axis) {
    return llvm::any_of(over, [&](AxisInfo *other) {
      return other != axis && !other->isPlan() && other->descendsFrom(axis);
    });
  });
  if (countsAxis && !over.front()->isPlan() && per.empty() && !expr.of)
    return Value::array(SizeOp::create(e.builder, e.loc,
                                       route::ArrayType::get(e.i64()),
                                       over.front()->symbol));
  AxisInfo *plan = nullptr;
  for (AxisInfo *axis : over)
    if (axis->isPlan()) {
      if (plan)
        return fail(diag::wrongKind, expr.range,
                    "a reduction goes over the rows of one plan");
      plan = axis;
    }

  // The operands: over a plan everything is gathered to its rows first.
  llvm::SmallVector<mlir::Value> operands;
  Unit unit;
  Context next = cx;
  next.along = plan ? plan : nullptr;
  if (plan && !next.chosen)
    next.chosen = plan;
  if (!plan)
    next.forceDense = cx.forceDense || llvm::any_of(over, [](AxisInfo *axis) {
                        return axis->pool;
                      });
  bool good = inContext(std::move(next), [&] {
    if (countsAxis) {
      mlir::Value ones =
          e.constantInt(e.i1(), 1, plan ? llvm::ArrayRef<AxisInfo *>() : over);
      operands.push_back(plan ? e.broadcastTo(ones, plan) : ones);
      return true;
    }
    for (const Arg &arg : expr.args) {
      Value value = eval(*arg.value);
      mlir::Value ir = asArray(value, arg.value->range, e.f32());
      if (!ir)
        return false;
      if (plan)
        ir = e.broadcastTo(ir, plan);
      unit = operands.empty() ? value.unit : unit * value.unit;
      operands.push_back(e.computing(ir));
    }
    return true;
  });
  if (!good)
    return Value();
  mlir::Value value = operands[0];
  if (form == Form::Cosine) {
    if (!unify(operands[0], operands[1]) || !isNumber(e.elementOf(operands[0])))
      return fail(diag::typeMismatch, expr.range, "'cosine' takes numbers");
    value = operands[0];
  }
  bool truths = kind == ReduceKind::any || kind == ReduceKind::all ||
                kind == ReduceKind::count;
  mlir::Type element = e.valueTypeOf(value);
  if (form == Form::Plain && kind != ReduceKind::mode) {
    if (truths && !countsAxis && !isTruth(element))
      return fail(diag::typeMismatch, argument.range,
                  "'" + name + "' takes conditions, found " +
                      describe(Value::array(value, unit)));
    if (!truths && isTruth(element)) // sums and means of truths count them
      value = e.cast(value, kind == ReduceKind::mean ? e.f32() : e.i64());
    else if (!truths && !isNumber(element))
      return fail(diag::typeMismatch, argument.range,
                  "'" + name + "' takes numbers, found " +
                      describe(Value::array(value, unit)));
  } else if (form != Form::Plain) {
    if (!isNumber(element))
      return fail(diag::typeMismatch, argument.range,
                  "'" + name + "' takes numbers, found " +
                      describe(Value::array(value, unit)));
    if (isa<mlir::IntegerType>(element))
      value = e.cast(value, e.f32());
  }

  // Which axes stay.
  AxisList axes = e.axesOf(value);
  if (form == Form::Cosine)
    for (AxisInfo *axis : e.axesOf(operands[1]))
      if (!e.has(axes, axis))
        axes.push_back(axis);
  if (over.empty()) {
    // Items are never what a reduction without 'over' means.
    AxisList open;
    for (AxisInfo *axis : axes)
      if (axis->columns.empty() || axis->pool)
        open.push_back(axis);
    if (axes.size() != 1 && open.size() == 1)
      over.push_back(open.front());
    else if (axes.size() != 1)
      return fail(diag::missingAxis, expr.range,
                  "say what '" + name +
                      "' goes over: " + describe(Value::array(value, unit)) +
                      (axes.empty() ? " has no axis" : " has several axes"));
    if (over.empty())
      over.push_back(axes.front());
  }
  AxisList kept;
  for (AxisInfo *axis : axes)
    if (!e.has(over, axis))
      kept.push_back(axis);
  for (size_t i = 0; i < over.size(); ++i)
    if (!e.has(axes, over[i])) {
      error(diag::missingAxis,
            i < expr.over.size() ? expr.over[i]->range : expr.range,
            "there is no axis '" + over[i]->name + "' to reduce")
          .label(argument.range, describe(Value::array(value, unit)));
      return Value();
    }
  AxisList stays = per;
  if (plan && per.empty())
    stays.assign(plan->items().begin(), plan->items().end());
  AxisList front;
  for (AxisInfo *axis : stays) {
    if (e.has(kept, axis) || e.has(front, axis))
      continue;
    if (llvm::none_of(over,
                      [&](AxisInfo *gone) { return gone->descendsFrom(axis); }))
      return fail(diag::missingAxis, expr.range,
                  "nothing that is reduced descends from '" + axis->name + "'");
    front.push_back(axis);
  }
  kept.insert(kept.begin(), front.begin(), front.end());

  // `over token' of p`: only positions that the plan has rows for; `of c`: only
  // those where a condition surely holds.
  mlir::Value restriction;
  if (expr.of) {
    restriction = restrictionOf(*expr.of);
    if (!restriction)
      return Value();
    mlir::Value both[] = {restriction, value};
    if (!e.align(both))
      return fail(diag::ambiguousDescent, expr.of->range,
                  "this does not restrict the axes that are reduced");
    for (AxisInfo *axis : e.axesOf(both[0]))
      if (!e.has(axes, axis) && !e.has(kept, axis))
        kept.push_back(axis);
    if (name == "mode") {
      value = ofChosen(both[1], both[0], over, kept, expr);
      if (!value)
        return Value();
      return gatherIfAlong(Value::array(e.reduce(kind, value, kept), unit));
    }
    if (std::isinf(identityOf(name)) &&
        isa<mlir::IntegerType>(e.valueTypeOf(both[1])))
      both[1] = e.cast(both[1], e.f64());
    mlir::Value nothing =
        truths ? e.constantInt(e.i1(), kind == ReduceKind::all)
               : e.constant(e.valueTypeOf(both[1]), identityOf(name));
    value = e.select(both[0], both[1], nothing);
    restriction = both[0];
  }

  mlir::Value result;
  switch (form) {
  case Form::Softmax:
    result = softmax(value, kept);
    unit = Unit();
    break;
  case Form::Standardize: {
    // (x - mean) / sqrt(variance + 1e-5), the variance over all elements.
    mlir::Value centred = e.binary(BinaryKind::sub, value,
                                   e.reduce(ReduceKind::mean, value, kept));
    mlir::Value variance = e.reduce(
        ReduceKind::mean, e.binary(BinaryKind::mul, centred, centred), kept);
    mlir::Value floor = e.constant(e.valueTypeOf(value), 1e-5);
    result = e.binary(
        BinaryKind::mul, centred,
        e.unary(UnaryKind::rsqrt, e.binary(BinaryKind::add, variance, floor)));
    break;
  }
  case Form::Entropy: {
    // -p ln p, and 0 where p is 0.
    mlir::Type element = e.valueTypeOf(value);
    mlir::Value least =
        e.constant(element, double(std::numeric_limits<float>::min()));
    mlir::Value logs =
        e.unary(UnaryKind::log, e.binary(BinaryKind::max, value, least));
    result = e.unary(UnaryKind::neg,
                     e.reduce(ReduceKind::sum,
                              e.binary(BinaryKind::mul, value, logs), kept));
    unit = Unit();
    break;
  }
  case Form::Norm:
    result = e.unary(UnaryKind::sqrt,
                     e.reduce(ReduceKind::sum,
                              e.binary(BinaryKind::mul, value, value), kept));
    break;
  case Form::Cosine: {
    auto square = [&](mlir::Value x) {
      AxisList left;
      for (AxisInfo *axis : e.axesOf(x))
        if (!e.has(over, axis))
          left.push_back(axis);
      return e.reduce(ReduceKind::sum, e.binary(BinaryKind::mul, x, x), left);
    };
    mlir::Value dot =
        e.reduce(ReduceKind::sum,
                 e.binary(BinaryKind::mul, operands[0], operands[1]), kept);
    mlir::Value norms =
        e.unary(UnaryKind::sqrt, e.binary(BinaryKind::mul, square(operands[0]),
                                          square(operands[1])));
    result = e.binary(BinaryKind::div, dot, norms);
    unit = Unit();
    break;
  }
  default:
    if (restriction && kind == ReduceKind::mean) { // of those that count
      if (isa<mlir::IntegerType>(e.valueTypeOf(value)))
        value = e.cast(value, e.f32());
      mlir::Value number =
          e.reduce(ReduceKind::sum,
                   e.broadcastTo(e.cast(restriction, e.valueTypeOf(value)),
                                 e.axesOf(value)),
                   kept);
      result = e.binary(BinaryKind::div, e.reduce(ReduceKind::sum, value, kept),
                        number);
      break;
    }
    result = e.reduce(kind, value, kept);
    if (truths || kind == ReduceKind::argmax || kind == ReduceKind::argmin)
      unit = Unit();
  }
  return gatherIfAlong(Value::array(result, unit));
}
