// Reductions by name: `f(x over A of P per B)`.
// Axes in A are combined away; B says which of their ancestors stay. A plan
// leaves its items unless B says otherwise.
#include "BuiltinNames.h"
#include "Elaborator.h"
#include "Likeness.h"
#include "Unsigned.h"
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

/// What masked positions contribute: nothing. Whole numbers have no infinity,
/// there it is the least or the greatest of them.
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

/// One reduction while it is elaborated.
struct Elaborator::Reduction {
  StringRef name;
  const CallExpr &expr;
  ReduceKind kind;
  Form form;
  AxisList over, per;
  bool natural = false;     // of u64
  bool countsAxis = false;  // `count(p per experts)`: the argument is the axis
  AxisInfo *plan = nullptr; // of which the rows are reduced
  llvm::SmallVector<mlir::Value> operands; // of a cosine two
  Unit unit;
  AxisList axes, kept;     // of the operands; those that stay
  mlir::Value restriction; // what `of` says

  Reduction(StringRef name, const CallExpr &expr)
      : name(name), expr(expr), form(formOf(name, kind)) {}
  bool ofTruths() const {
    return kind == ReduceKind::any || kind == ReduceKind::all ||
           kind == ReduceKind::count;
  }
};

/// `count(p per experts)`, `count(token per image)`, `count(legal)`: where the
/// argument says what is counted, adds it to `over`, or gives the number.
std::optional<Value> Elaborator::countedRows(Reduction &r) {
  if (r.name != "count" || !r.over.empty())
    return std::nullopt;
  const Expr &argument = *r.expr.args[0].value;
  auto count = [&](AxisInfo *axis) {
    r.countsAxis = true;
    r.over.push_back(axis);
  };
  const bool whole = !r.expr.of && r.expr.per.empty();
  if (auto *plain = dyn_cast<NameExpr>(ignoreParens(&argument))) {
    Value value = plain->name.text == "chosen" && cx.chosen
                      ? Value::ofAxis(Kind::Plan, cx.chosen)
                      : lookup(plain->name, /*quiet=*/true);
    if (value.is(Kind::Subset) && whole)
      return countRows(value);
    if (value.is(Kind::Axis) || value.is(Kind::Plan)) {
      count(value.axis);
      return std::nullopt;
    }
  }
  if (whole && isAlgebra(argument)) {
    Candidates from;
    return evalCandidates(argument, from) ? countRows(subsetOf(from)) : Value();
  }
  if (isa<ChooseExpr>(ignoreParens(&argument))) {
    Value value = eval(argument);
    if (!value.is(Kind::Plan))
      return value.isError()
                 ? value
                 : fail(diag::wrongKind, argument.range,
                        "expected a plan, found " + describe(value));
    count(value.axis);
  }
  return std::nullopt;
}

/// Evaluates what is reduced: over a plan everything is gathered to its rows
/// first.
bool Elaborator::evalOperands(Reduction &r) {
  Context next = cx;
  next.along = r.plan;
  if (r.plan && !next.chosen)
    next.chosen = r.plan;
  if (!r.plan)
    next.forceDense = cx.forceDense || llvm::any_of(r.over, [](AxisInfo *axis) {
                        return axis->pool;
                      });
  return inContext(std::move(next), [&] {
    if (r.countsAxis) {
      mlir::Value ones = e.constantInt(
          e.i1(), 1, r.plan ? llvm::ArrayRef<AxisInfo *>() : r.over);
      r.operands.push_back(r.plan ? e.broadcastTo(ones, r.plan) : ones);
      return true;
    }
    for (const Arg &arg : r.expr.args) {
      Value value = eval(*arg.value);
      mlir::Value ir = asArray(value, arg.value->range, e.f32());
      if (!ir)
        return false;
      if (r.plan)
        ir = e.broadcastTo(ir, r.plan);
      r.unit = r.operands.empty() ? value.unit : r.unit * value.unit;
      r.natural = isU64(e.elementOf(ir)) && r.form == Form::Plain;
      bool orders =
          r.form == Form::Plain &&
          (r.kind == ReduceKind::min || r.kind == ReduceKind::max ||
           r.kind == ReduceKind::argmin || r.kind == ReduceKind::argmax);
      if (r.natural && orders)
        ir = ordered(e, ir);
      else if (r.form != Form::Plain || r.kind == ReduceKind::mean)
        ir = asFloat(e, ir, e.f32());
      r.operands.push_back(r.kind == ReduceKind::mode ? e.computing(ir)
                                                      : e.bits(ir));
    }
    return true;
  });
}

/// Whether the reduction takes elements of this type; converts those that it
/// takes as another.
bool Elaborator::checkOperands(Reduction &r) {
  mlir::Value &value = r.operands.front();
  if (r.form == Form::Cosine) {
    if (!unify(r.operands[0], r.operands[1]) ||
        !isNumber(e.elementOf(r.operands[0]))) {
      error(diag::typeMismatch, r.expr.range, "'cosine' takes numbers");
      return false;
    }
    if (!e.align(r.operands)) {
      error(diag::ambiguousDescent, r.expr.range,
            "the two vectors have no common axis to meet on");
      return false;
    }
    return true;
  }
  auto takes = [&](StringRef what) {
    auto message = error(diag::typeMismatch, r.expr.args[0].value->range,
                         "'" + r.name + "' takes " + what + ", found " +
                             describe(Value::array(value, r.unit)));
    if (r.kind == ReduceKind::count && memberTypeOf(e.valueTypeOf(value)))
      message.note("no function tells how long a list is; a column of its own "
                   "may");
    return false;
  };
  mlir::Type element = e.valueTypeOf(value);
  if (r.form != Form::Plain) {
    if (!isNumber(element))
      return takes("numbers");
    if (isa<mlir::IntegerType>(element))
      value = e.cast(value, e.f32());
  } else if (r.kind != ReduceKind::mode) {
    const bool truths = r.ofTruths();
    if (truths && !r.countsAxis && !isTruth(element))
      return takes("conditions");
    if (!truths && isTruth(element)) // sums and means of truths count them
      value = e.cast(value, r.kind == ReduceKind::mean ? e.f32() : e.i64());
    else if (!truths && !isNumber(element))
      return takes("numbers");
  }
  return true;
}

/// Works out which axes go, where that is not written, and which stay.
bool Elaborator::keptAxes(Reduction &r) {
  AxisList &axes = r.axes;
  for (mlir::Value operand : r.operands)
    for (AxisInfo *axis : e.axesOf(operand))
      if (!e.has(axes, axis))
        axes.push_back(axis);
  Value reduced = Value::array(r.operands.front(), r.unit);
  if (r.over.empty()) {
    // Items are never what a reduction without 'over' means.
    AxisList open;
    for (AxisInfo *axis : axes)
      if (axis->columns.empty() || axis->pool)
        open.push_back(axis);
    if (axes.size() != 1 && open.size() == 1) {
      r.over.push_back(open.front());
    } else if (axes.size() != 1) {
      auto message =
          error(diag::missingAxis, r.expr.range,
                "say what '" + r.name + "' goes over: " + describe(reduced) +
                    (axes.empty() ? " has no axis" : " has several axes"));
      if (!axes.empty())
        message.help("write: " + r.name + "(… over " + axes.back()->name + ")");
      return false;
    }
    if (r.over.empty())
      r.over.push_back(axes.front());
  }
  for (AxisInfo *axis : axes)
    if (!e.has(r.over, axis))
      r.kept.push_back(axis);
  for (size_t i = 0; i < r.over.size(); ++i)
    if (!e.has(axes, r.over[i])) {
      error(diag::missingAxis,
            i < r.expr.over.size() ? r.expr.over[i]->range : r.expr.range,
            "there is no axis '" + r.over[i]->name + "' to reduce")
          .label(r.expr.args[0].value->range, describe(reduced));
      return false;
    }
  AxisList stays = r.per;
  if (r.plan && r.per.empty())
    stays.assign(r.plan->items().begin(), r.plan->items().end());
  AxisList front;
  for (AxisInfo *axis : stays) {
    if (e.has(r.kept, axis) || e.has(front, axis))
      continue;
    if (llvm::none_of(
            r.over, [&](AxisInfo *gone) { return gone->descendsFrom(axis); })) {
      error(diag::missingAxis, r.expr.range,
            "nothing that is reduced descends from '" + axis->name + "'");
      return false;
    }
    front.push_back(axis);
  }
  r.kept.insert(r.kept.begin(), front.begin(), front.end());
  return true;
}

/// Where `of` does not hold nothing is added.
bool Elaborator::restrictReduction(Reduction &r) {
  r.restriction = restrictionOf(*r.expr.of, r.over);
  if (!r.restriction)
    return false;
  llvm::SmallVector<mlir::Value> together = {r.restriction};
  llvm::append_range(together, r.operands);
  if (!e.align(together)) {
    error(diag::ambiguousDescent, r.expr.of->range,
          "this does not restrict the axes that are reduced");
    return false;
  }
  r.restriction = together.front();
  for (AxisInfo *axis : e.axesOf(r.restriction))
    if (!e.has(r.axes, axis) && !e.has(r.kept, axis))
      r.kept.push_back(axis);
  for (auto [operand, value] :
       llvm::zip(r.operands, llvm::drop_begin(together))) {
    if (r.kind == ReduceKind::mode) {
      operand = ofChosen(value, r.restriction, r.over, r.kept, r.expr);
      return bool(operand);
    }
    mlir::Value nothing =
        r.ofTruths() ? e.constantInt(e.i1(), r.kind == ReduceKind::all)
                     : e.constant(e.valueTypeOf(value), identityOf(r.name));
    operand = e.select(r.restriction, value, nothing);
  }
  return true;
}

/// The place of the best of those that count, -1 where none does. Elsewhere
/// `value` is `nothing`, which one that counts may also be, and NaN is worse.
static mlir::Value restrictedPlace(irgen::Emitter &e, ReduceKind kind,
                                   mlir::Value value, mlir::Value restriction,
                                   double nothing, const AxisList &kept) {
  mlir::Type type = e.valueTypeOf(value);
  const bool greatest = kind == ReduceKind::argmax;
  // Unknown counts as true: it may be so.
  auto compare = [&](CompareKind how, mlir::Value a, mlir::Value b) {
    mlir::Value truth = e.compare(how, a, b);
    return e.isRange(truth) ? e.coalesce(truth, e.constantInt(e.i1(), 1))
                            : truth;
  };
  auto level = [&](int which) {
    return e.constant(type, greatest ? which : -which);
  };
  // Better than nothing, as good, NaN, left out.
  mlir::Value counts = level(2);
  if (isa<mlir::FloatType>(type))
    counts = e.select(compare(CompareKind::eq, value, value), counts, level(1));
  mlir::Value levels =
      e.select(compare(greatest ? CompareKind::gt : CompareKind::lt, value,
                       e.constant(type, nothing)),
               level(3), e.select(restriction, counts, level(0)));
  mlir::Value highest =
      e.reduce(greatest ? ReduceKind::max : ReduceKind::min, levels, kept);
  mlir::Value place = e.reduce(
      kind,
      e.select(e.compare(CompareKind::eq, highest, level(3)), value, levels),
      kept);
  return e.select(e.compare(CompareKind::eq, highest, level(0)),
                  e.constantInt(e.valueTypeOf(place), -1), place);
}

/// The result of a form that is made of several reductions, or of one.
mlir::Value Elaborator::reduceAs(const Reduction &r) {
  mlir::Value value = r.operands.front();
  const AxisList &kept = r.kept;
  auto sum = [&](mlir::Value terms) {
    return e.reduce(ReduceKind::sum, terms, kept);
  };
  auto times = [&](mlir::Value a, mlir::Value b) {
    return e.binary(BinaryKind::mul, a, b);
  };
  // The mean; of those that count where `of` has made the others zero.
  auto mean = [&](mlir::Value x) {
    if (!r.restriction)
      return e.reduce(ReduceKind::mean, x, kept);
    if (isa<mlir::IntegerType>(e.valueTypeOf(x)))
      x = e.cast(x, e.f32());
    mlir::Value number = sum(
        e.broadcastTo(e.cast(r.restriction, e.valueTypeOf(x)), e.axesOf(x)));
    return e.binary(BinaryKind::div, sum(x), number);
  };
  // Zero where `of` does not hold.
  auto restricted = [&](mlir::Value x) {
    return r.restriction
               ? e.select(r.restriction, x, e.constant(e.valueTypeOf(x), 0))
               : x;
  };
  switch (r.form) {
  case Form::Softmax:
    return softmax(value, kept);
  case Form::Standardize: {
    // (x - mean) / sqrt(variance + 1e-5), the variance over all elements.
    mlir::Value centred =
        restricted(e.binary(BinaryKind::sub, value, mean(value)));
    mlir::Value variance = mean(times(centred, centred));
    mlir::Value floor = e.constant(e.valueTypeOf(value), 1e-5);
    return restricted(
        times(centred, e.unary(UnaryKind::rsqrt,
                               e.binary(BinaryKind::add, variance, floor))));
  }
  case Form::Entropy: {
    // -p ln p, and 0 where p is 0.
    mlir::Value least = e.constant(e.valueTypeOf(value),
                                   double(std::numeric_limits<float>::min()));
    mlir::Value logs =
        e.unary(UnaryKind::log, e.binary(BinaryKind::max, value, least));
    return e.unary(UnaryKind::neg, sum(times(value, logs)));
  }
  case Form::Norm:
    return e.unary(UnaryKind::sqrt, sum(times(value, value)));
  case Form::Cosine:
    return sema::cosine(e, r.operands[0], r.operands[1], r.over, kept);
  case Form::None:
  case Form::Plain:
    break;
  }
  if (r.kind == ReduceKind::mean)
    return mean(value);
  if (r.restriction &&
      (r.kind == ReduceKind::argmax || r.kind == ReduceKind::argmin))
    return restrictedPlace(e, r.kind, value, r.restriction, identityOf(r.name),
                           kept);
  mlir::Value result = e.reduce(r.kind, value, kept);
  bool ends = r.kind == ReduceKind::min || r.kind == ReduceKind::max;
  return r.natural && ends ? disordered(e, result) : result;
}

Value Elaborator::evalReduction(StringRef name, const CallExpr &expr) {
  Reduction r(name, expr);
  if (r.form == Form::None && !isBuiltin(name)) {
    std::vector<std::string> names = builtinNames();
    llvm::erase_if(names,
                   [](StringRef each) { return !isReductionName(each); });
    error(diag::unknownName, expr.callee->range,
          "unknown reduction '" + name + "'")
        .suggest(name, names);
    return Value();
  }
  if (r.form == Form::None)
    return fail(diag::wrongKind, expr.callee->range,
                "'" + name + "' is not a reduction: it takes no 'over'");
  size_t arity = r.form == Form::Cosine ? 2 : 1;
  if (expr.args.size() != arity) {
    auto message = error(diag::argumentMismatch, expr.range,
                         "'" + name + "' reduces " + llvm::Twine(arity) +
                             " value" + (arity == 1 ? "" : "s") + ", found " +
                             llvm::Twine(expr.args.size()));
    if (expr.args.size() > arity && expr.over.empty())
      message.help("the axes follow 'over': " + name + "(x over token)");
    return Value();
  }
  if (!axesFrom(expr.over, r.over) || !axesFrom(expr.per, r.per))
    return Value();
  if (auto number = countedRows(r))
    return *number;
  // Reduced with its descendant, an ancestor says nothing more.
  llvm::erase_if(r.over, [&](AxisInfo *axis) {
    return llvm::any_of(r.over, [&](AxisInfo *other) {
      return other != axis && !other->isPlan() && other->descendsFrom(axis);
    });
  });
  if (r.countsAxis && !r.over.front()->isPlan() && r.per.empty() && !expr.of)
    return Value::array(SizeOp::create(e.builder, e.loc,
                                       route::ArrayType::get(e.i64()),
                                       r.over.front()->symbol));
  for (AxisInfo *axis : r.over)
    if (axis->isPlan()) {
      if (r.plan)
        return fail(diag::wrongKind, expr.range,
                    "a reduction goes over the rows of one plan");
      r.plan = axis;
    }
  if (!evalOperands(r) || !checkOperands(r) || !keptAxes(r) ||
      (expr.of && !restrictReduction(r)))
    return Value();
  const bool plainNumber = r.ofTruths() || r.kind == ReduceKind::argmax ||
                           r.kind == ReduceKind::argmin ||
                           r.form == Form::Softmax || r.form == Form::Entropy ||
                           r.form == Form::Cosine;
  mlir::Value result = reduceAs(r);
  // What is about one item, such as a handler, reads that item's.
  for (const Frame &frame : cx.frames)
    if (frame.position && llvm::is_contained(itemAxes, frame.axis) &&
        e.typeOf(result).hasAxis(frame.axis->symbol))
      result = e.pick(result, frame.axis, frame.position);
  return gatherIfAlong(Value::array(result, plainNumber ? Unit() : r.unit));
}
