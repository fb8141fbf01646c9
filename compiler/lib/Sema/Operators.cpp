// Arithmetic, comparison and logic.
// Operands are brought to one element type and unit. Numbers in the text adapt;
// between values i64 gives way to f32 and f32 to f64.
#include "Collections.h"
#include "Elaborator.h"
#include "Unsigned.h"
#include "llvm/ADT/StringExtras.h"
#include <cmath>

using namespace route;
using namespace route::sema;
using namespace route::ast;

bool Elaborator::prepare(const Value &lhs, const Value &rhs, SourceRange left,
                         SourceRange right, mlir::Value &a, mlir::Value &b,
                         Unit *unit, bool sameUnit, SourceRange range,
                         StringRef what) {
  Value l = lhs, r = rhs;
  if (sameUnit) {
    // A bare number takes on a counting unit; zero takes on any.
    auto adapt = [](Value &number, const Value &other) {
      if (number.is(Kind::Number) && number.unit.isNone() &&
          (other.unit.counts() || number.number == 0 ||
           std::isinf(number.number)))
        number.unit = other.unit;
    };
    adapt(l, r);
    adapt(r, l);
  }
  mlir::Type likeL = r.is(Kind::Array) ? e.elementOf(r.ir) : mlir::Type();
  mlir::Type likeR = l.is(Kind::Array) ? e.elementOf(l.ir) : mlir::Type();
  a = asArray(l, left, likeL);
  b = asArray(r, right, likeR ? likeR : a ? e.elementOf(a) : mlir::Type());
  if (!a || !b)
    return false;
  // A reference or an unknown on the left adapts to what stands on the right.
  if (l.is(Kind::Unknown) && !likeL)
    a = asArray(l, left, e.elementOf(b));
  if (sameUnit && l.unit != r.unit) {
    error(diag::unitMismatch, range,
          what + " needs one unit on both sides, found " + l.unit.str() +
              " and " + r.unit.str())
        .label(left, l.unit.str())
        .label(right, r.unit.str())
        .help(l.unit.isNone() ? missingUnit(l, left, r.unit)
                              : missingUnit(r, right, l.unit));
    return false;
  }
  if (!meet(a, b)) {
    error(diag::typeMismatch, range,
          what + " takes values of one type, found " +
              describe(Value::array(a, l.unit)) + " and " +
              describe(Value::array(b, r.unit)))
        .label(left, describe(l))
        .label(right, describe(r));
    return false;
  }
  AxisInfo *first = nullptr, *second = nullptr;
  mlir::Value both[] = {a, b};
  if (!e.align(both, &first, &second)) {
    error(diag::ambiguousDescent, range,
          "'" + first->name + "' and '" + second->name +
              "' both descend from an axis of these values")
        .note("a value moves down to one descendant; reduce one side first");
    return false;
  }
  a = both[0], b = both[1];
  if (unit)
    *unit = l.unit;
  return true;
}

/// Operands that one is chosen of: their type is that of the result.
bool Elaborator::chooseType(const Value &lhs, const Value &rhs,
                            SourceRange left, SourceRange right, mlir::Value &a,
                            mlir::Value &b, SourceRange range, StringRef what) {
  if (!prepare(lhs, rhs, left, right, a, b, nullptr, /*sameUnit=*/true, range,
               what))
    return false;
  if (e.valueTypeOf(a) == e.valueTypeOf(b))
    return true;
  for (auto [value, place] : {std::pair(&lhs, left), std::pair(&rhs, right)})
    if (value->is(Kind::Number) && value->number < 0) {
      error(diag::typeMismatch, place,
            "expected " + numbersOf(e.builder.getIntegerType(64, false)))
          .help("int(…) of the other side makes both i64");
      return false;
    }
  return unify(a, b);
}

/// Help for `now + 30` and `now + 30 seconds`: the number with its unit, for
/// which a word may stand behind it. Nothing where another unit is meant.
std::string Elaborator::missingUnit(const Value &value, SourceRange number,
                                    const Unit &wanted) {
  StringRef written = sources.text(number).trim();
  LineColumn at = sources.lineColumn(number.file, number.end);
  StringRef line = sources.lineText(number.file, at.line);
  uint32_t behind = number.end - sources.lineStart(number.file, at.line);
  StringRef rest = line.drop_front(std::min<size_t>(behind, line.size()));
  StringRef word =
      rest.ltrim(' ').take_while([](char c) { return llvm::isAlpha(c); });
  static const std::pair<const char *, std::vector<StringRef>> units[] = {
      {"ms", {"millisecond", "milliseconds", "msec"}},
      {"s", {"second", "seconds", "sec", "secs"}},
      {"min", {"minute", "minutes", "mins", "m"}},
      {"h", {"hour", "hours", "hr", "hrs"}},
      {"tok", {"token", "tokens", "toks"}},
      {"B", {"byte", "bytes", "b"}}};
  for (auto &[unit, words] : units)
    if (llvm::is_contained(words, word))
      return ("'" + word + "' is no unit: write " + written + " " + unit).str();
  bool plain = value.is(Kind::Number) && value.unit.isNone() &&
               !written.empty() && llvm::isDigit(written.front());
  if (plain && wanted == Unit::of(Unit::Time))
    return ("a number alone is no time: write " + written + " s").str();
  if (plain && wanted == Unit::of(Unit::Money))
    return ("a number alone is no money: write $" + written).str();
  if (plain && wanted == Unit::of(Unit::Money) / Unit::of(Unit::Token))
    return ("a number alone is no price: write $" + written + "/Mtok").str();
  return "";
}

Value Elaborator::arithmetic(ast::BinaryOp op, const Value &lhs,
                             const Value &rhs, SourceRange range,
                             SourceRange left, SourceRange right) {
  if (lhs.isError() || rhs.isError())
    return Value();
  bool additive = op == ast::BinaryOp::Add || op == ast::BinaryOp::Sub;
  std::string what = ("'" + spelling(op) + "'").str();
  if (lhs.is(Kind::Number) && rhs.is(Kind::Number)) {
    Value a = lhs, b = rhs;
    if (additive && a.unit != b.unit) {
      if (a.unit.isNone() && (b.unit.counts() || a.number == 0))
        a.unit = b.unit;
      else if (b.unit.isNone() && (a.unit.counts() || b.number == 0))
        b.unit = a.unit;
      else {
        error(diag::unitMismatch, range,
              what + " needs one unit on both sides, found " + a.unit.str() +
                  " and " + b.unit.str())
            .help(a.unit.isNone() ? missingUnit(a, left, b.unit)
                                  : missingUnit(b, right, a.unit));
        return Value();
      }
    }
    return fold(op, a, b);
  }
  if (op == ast::BinaryOp::Div || op == ast::BinaryOp::Pow)
    // Whole numbers divide as f32, and u64 as what it is.
    for (const Value *side : {&lhs, &rhs})
      if (isU64(*side)) {
        Value number = Value::array(e.cast(side->ir, e.f32()), side->unit);
        return side == &lhs ? arithmetic(op, number, rhs, range, left, right)
                            : arithmetic(op, lhs, number, range, left, right);
      }
  mlir::Value a, b;
  if (!prepare(lhs, rhs, left, right, a, b, nullptr, additive, range, what))
    return Value();
  a = e.bits(a), b = e.bits(b);
  mlir::Type element = e.valueTypeOf(a);
  if (!isNumber(element)) {
    error(diag::typeMismatch, range,
          what + " takes numbers, found " +
              describe(Value::array(a, lhs.unit)));
    return Value();
  }
  BinaryKind kind = BinaryKind::add;
  Unit unit = lhs.unit;
  switch (op) {
  case ast::BinaryOp::Add:
    unit = lhs.unit.isNone() ? rhs.unit : lhs.unit;
    break;
  case ast::BinaryOp::Sub:
    kind = BinaryKind::sub;
    unit = lhs.unit.isNone() ? rhs.unit : lhs.unit;
    break;
  case ast::BinaryOp::Mul:
    kind = BinaryKind::mul;
    unit = lhs.unit * rhs.unit;
    break;
  case ast::BinaryOp::Div:
    kind = BinaryKind::div;
    unit = lhs.unit / rhs.unit;
    if (element.isInteger(64)) // whole numbers divide as f32
      a = e.cast(a, e.f32()), b = e.cast(b, e.f32());
    break;
  default:
    kind = BinaryKind::pow;
    if (!lhs.unit.isNone() || !rhs.unit.isNone())
      return fail(diag::unitMismatch, range,
                  "a power takes plain numbers, found " + lhs.unit.str());
    if (element.isInteger(64))
      a = e.cast(a, e.f32()), b = e.cast(b, e.f32());
    break;
  }
  return Value::array(e.binary(kind, a, b), unit);
}

Value Elaborator::evalUnary(const UnaryExpr &expr) {
  if (expr.op == ast::UnaryOp::Old) {
    StringRef name = plainName(expr.operand.get());
    if (!cx.old || name.empty() || !cx.old->count(name))
      return fail(
          diag::wrongKind, expr.range,
          "'old' reads a carried value as it was when the iteration began");
    return gatherIfAlong((*cx.old)[name]);
  }
  if (expr.op == ast::UnaryOp::Up)
    return fail(diag::wrongKind, expr.range,
                "'up' stands after a part of a key");
  Value value = eval(*expr.operand);
  if (value.isError())
    return value;
  if (value.is(Kind::Lazy))
    return lazily(expr);
  if (expr.op == ast::UnaryOp::Not) {
    if (value.is(Kind::Match)) {
      mlir::Value conf = (*value.parts)[1].ir;
      mlir::Value one = e.constant(e.valueTypeOf(conf), 1);
      return Value::group(
          Kind::Match,
          {Value::array(e.unary(UnaryKind::logical_not, (*value.parts)[0].ir)),
           Value::array(one)});
    }
    mlir::Value truth = asArray(value, expr.operand->range, e.i1());
    if (!truth)
      return Value();
    if (!isTruth(e.elementOf(truth)))
      return fail(diag::typeMismatch, expr.operand->range,
                  "'not' takes a condition, found " + describe(value));
    return Value::array(e.unary(UnaryKind::logical_not, truth));
  }
  if (expr.op == ast::UnaryOp::Plus)
    return value;
  if (value.is(Kind::Number)) {
    value.number = -value.number;
    return value;
  }
  mlir::Value ir = asArray(value, expr.operand->range, e.f32());
  if (!ir)
    return Value();
  if (!isNumber(e.elementOf(ir)))
    return fail(diag::typeMismatch, expr.operand->range,
                "'-' takes a number, found " + describe(value));
  return Value::array(e.unary(UnaryKind::neg, ir), value.unit);
}

/// `a and b and c` is one group; its confidence is the mean of all, that of
/// `or` the largest. A plain condition counts as certain.
Value Elaborator::logic(ast::BinaryOp op, const std::vector<Value> &operands,
                        SourceRange range) {
  bool isAnd = op == ast::BinaryOp::And, match = false;
  llvm::SmallVector<mlir::Value> truths;
  for (const Value &value : operands) {
    mlir::Value truth = asArray(value, range, e.i1());
    if (!truth)
      return Value();
    if (!isTruth(e.elementOf(truth)))
      return fail(diag::typeMismatch, range,
                  ("'" + spelling(op) + "' takes conditions, found ").str() +
                      describe(value));
    truths.push_back(truth);
    match |= value.is(Kind::Match);
  }
  if (!e.align(truths))
    return fail(diag::ambiguousDescent, range,
                "these conditions have no common items");
  auto fold = [&](BinaryKind kind, llvm::ArrayRef<mlir::Value> values) {
    mlir::Value all = values.front();
    for (mlir::Value value : values.drop_front())
      all = e.binary(kind, all, value);
    return all;
  };
  Value truth = Value::array(
      fold(isAnd ? BinaryKind::logical_and : BinaryKind::logical_or, truths));
  if (!match)
    return truth;
  llvm::SmallVector<mlir::Value> confidences;
  for (auto [value, plain] : llvm::zip(operands, truths))
    confidences.push_back(value.is(Kind::Match)
                              ? e.computing((*value.parts)[1].ir)
                              : e.cast(plain, e.f32()));
  mlir::Value conf =
      isAnd ? e.binary(BinaryKind::mul, fold(BinaryKind::add, confidences),
                       e.constant(e.f32(), 1.0 / double(operands.size())))
            : fold(BinaryKind::max, confidences);
  return Value::group(Kind::Match, {truth, Value::array(conf)});
}

/// The operands of a chain of `and` or `or`; parentheses make a group of its
/// own.
static void chainOf(const Expr &expr, ast::BinaryOp op,
                    std::vector<const Expr *> &operands) {
  auto *binary = dyn_cast<ast::BinaryExpr>(&expr);
  if (!binary || binary->op != op) {
    operands.push_back(&expr);
    return;
  }
  chainOf(*binary->lhs, op, operands);
  chainOf(*binary->rhs, op, operands);
}

Value Elaborator::coalesceValues(const BinaryExpr &expr) {
  Value lhs = eval(*expr.lhs);
  if (lhs.isError())
    return lhs;
  if (lhs.is(Kind::Lazy))
    return lazily(expr);
  if (lhs.is(Kind::Plan))
    return elseChain(lhs, *expr.rhs, expr.range);
  if (isa<ReturnExpr>(expr.rhs.get()))
    return returnInside(expr.rhs->range);
  Value rhs = isEmptyList(*expr.rhs) ? emptyListLike(e, lhs) : Value();
  if (rhs.isError())
    rhs = eval(*expr.rhs);
  if (rhs.isError())
    return rhs;
  mlir::Value a, b;
  if (!chooseType(lhs, rhs, expr.lhs->range, expr.rhs->range, a, b, expr.range,
                  "'\?\?'"))
    return Value();
  if (lhs.is(Kind::Array) && expanding.empty())
    fallbacks[&expr] |= e.isRange(a);
  return Value::array(e.coalesce(a, b), lhs.unit);
}

/// `x ?? y` of an x that is never unknown, wherever the expression is used.
void Elaborator::reportFallbacks() {
  for (auto [expr, asked] : fallbacks)
    if (!asked)
      error(diag::idleFallback, expr->rhs->range,
            "nothing reads this: what stands before '\?\?' is never unknown")
          .label(expr->lhs->range, "always known");
}

/// A chain of `and` or `or`.
Value Elaborator::evalLogic(const ast::BinaryExpr &expr) {
  std::vector<const Expr *> written;
  chainOf(expr, expr.op, written);
  std::vector<Value> operands;
  for (const Expr *operand : written) {
    operands.push_back(eval(*operand));
    if (operands.back().isError())
      return Value();
    if (operands.back().is(Kind::Lazy) && !cx.along && !cx.forceDense)
      return lazily(expr);
  }
  return logic(expr.op, operands, expr.range);
}

/// `x at t`: a match from x on; `router(…) at rows`: as it was recorded.
Value Elaborator::evalAt(const ast::BinaryExpr &expr) {
  if (auto *call = dyn_cast<CallExpr>(ignoreParens(expr.lhs.get())))
    if (auto *name = dyn_cast<NameExpr>(call->callee.get())) {
      Value callee = lookup(name->name, /*quiet=*/true);
      if (callee.is(Kind::Route))
        if (callee.route->decl && callee.route->decl->isRouter)
          return evalRecorded(expr, *callee.route);
    }
  Value lhs = eval(*expr.lhs), rhs = eval(*expr.rhs);
  if (lhs.isError() || rhs.isError())
    return Value();
  if ((lhs.is(Kind::Lazy) || rhs.is(Kind::Lazy)) && !cx.along && !cx.forceDense)
    return lazily(expr);
  if (lhs.is(Kind::Plan)) {
    error(diag::wrongKind, expr.lhs->range,
          "'at' replays what a router chose, found " + describe(lhs))
        .help("call the router here, so that its weights can be worked out "
              "for the recorded rows");
    return Value();
  }
  if (lhs.is(Kind::Record) && lhs.part("label") && lhs.part("score")) {
    // What is nearest, where it is near enough.
    Value near = compareValues(ast::BinaryOp::Ge, *lhs.part("score"), rhs,
                               expr.range, expr.lhs->range, expr.rhs->range);
    return near.isError() ? near : withoutFar(*lhs.part("label"), near.ir);
  }
  mlir::Value a, b;
  if (!chooseType(lhs, rhs, expr.lhs->range, expr.rhs->range, a, b, expr.range,
                  "'at'"))
    return Value();
  Value truth = compareValues(ast::BinaryOp::Ge, lhs, rhs, expr.range,
                              expr.lhs->range, expr.rhs->range);
  return truth.isError() ? truth
                         : Value::group(Kind::Match, {truth, Value::array(a)});
}

Value Elaborator::evalBinary(const ast::BinaryExpr &expr) {
  using Op = ast::BinaryOp;
  if (isAlgebra(expr)) {
    Candidates from;
    return evalCandidates(expr, from) ? subsetOf(from) : Value();
  }
  switch (expr.op) {
  case Op::MatMul:
    return contract(expr, cx.exact);
  case Op::Coalesce:
    return coalesceValues(expr);
  case Op::In:
    return evalIn(expr);
  case Op::Concat:
    return evalConcat(expr);
  case Op::Eq:
  case Op::Ne:
  case Op::Lt:
  case Op::Le:
  case Op::Gt:
  case Op::Ge:
    return evalComparison(expr);
  case Op::Range:
    return fail(diag::wrongKind, expr.range,
                "a range stands after 'in' of a loop or in a case");
  case Op::Subset:
    return evalSubset(expr);
  case Op::And:
  case Op::Or:
    return evalLogic(expr);
  case Op::At:
    return evalAt(expr);
  default:
    break;
  }
  Value lhs = eval(*expr.lhs);
  Value rhs = eval(*expr.rhs);
  if (lhs.isError() || rhs.isError())
    return Value();
  if ((lhs.is(Kind::Lazy) || rhs.is(Kind::Lazy)) && !cx.along && !cx.forceDense)
    return lazily(expr);
  return arithmetic(expr.op, lhs, rhs, expr.range, expr.lhs->range,
                    expr.rhs->range);
}

Value Elaborator::contract(const ast::BinaryExpr &expr, bool exact) {
  Value lhs = eval(*expr.lhs);
  Value rhs = eval(*expr.rhs);
  if (lhs.isError() || rhs.isError())
    return Value();
  if ((lhs.is(Kind::Lazy) || rhs.is(Kind::Lazy)) && !cx.along && !cx.forceDense)
    return lazily(expr);
  mlir::Value a = asArray(lhs, expr.lhs->range),
              b = asArray(rhs, expr.rhs->range);
  if (!a || !b)
    return Value();
  for (auto [value, operand] :
       {std::pair(a, &expr.lhs), std::pair(b, &expr.rhs)})
    if (!isNumber(e.elementOf(value)))
      return fail(diag::typeMismatch, (*operand)->range,
                  "'@' multiplies numbers, found " +
                      describe(Value::array(value)));
  mlir::Value both[] = {a, b};
  if (!e.align(both))
    return fail(diag::ambiguousDescent, expr.range,
                "the rows of these values belong to two plans");
  // The rows at hand do not count, nor what lies below them, unless it was
  // declared inside them.
  auto isRows = [&](AxisInfo *axis) {
    return llvm::any_of(cx.frames, [&](const Frame &frame) {
      return frame.axis == axis ||
             (!axis->inner && !axis->isPlan() && !frame.position &&
              axis->descendsFrom(frame.axis));
    });
  };
  AxisList shared;
  for (AxisInfo *axis : e.axesOf(both[0]))
    if (e.typeOf(both[1]).hasAxis(axis->symbol) &&
        (axis->inner ? e.typeOf(a).hasAxis(axis->symbol) &&
                           e.typeOf(b).hasAxis(axis->symbol)
                     : !axis->isPlan() && !isRows(axis)))
      shared.push_back(axis);
  if (shared.size() != 1) {
    std::string found =
        shared.empty() ? "none" : "'" + describeAxes(shared) + "'";
    error(diag::contractionAxes, expr.opRange,
          "'@' needs exactly one shared axis, found " + found)
        .label(expr.lhs->range, describe(Value::array(a, lhs.unit)))
        .label(expr.rhs->range, describe(Value::array(b, rhs.unit)))
        .help("for another sum of products write sum(a * b over axis)");
    return Value();
  }
  // Whole numbers and truths are multiplied as f32; with f64 all is f64, which
  // no kernel has, so that the products are an array that is summed.
  bool wide = llvm::any_of(
      both, [&](mlir::Value value) { return e.valueTypeOf(value).isF64(); });
  mlir::Type held = wide ? mlir::Type(e.f64()) : e.f32();
  for (mlir::Value &value : both)
    if (wide || !isa<mlir::FloatType>(e.valueTypeOf(value)))
      value = e.cast(value, held);
  bool apart = shared.front()->inner; // of each row
  if (apart || wide) {
    mlir::Value product =
        e.binary(BinaryKind::mul, e.cast(both[0], held), e.cast(both[1], held));
    AxisList kept;
    for (AxisInfo *axis : e.axesOf(product))
      if (!llvm::is_contained(shared, axis))
        kept.push_back(axis);
    AxisInfo *axis = shared.front();
    llvm::ArrayRef<AxisInfo *> rows =
        axis->isPlan() ? axis->items() : llvm::ArrayRef(axis->parents);
    if (apart)
      for (AxisInfo *row : rows)
        if (!e.has(kept, row))
          kept.push_back(row);
    return Value::array(e.reduce(ReduceKind::sum, product, kept),
                        lhs.unit * rhs.unit);
  }
  return Value::array(e.contract(both[0], both[1], shared, exact),
                      lhs.unit * rhs.unit);
}
