// Comparison, and choice between values.
// Labels of enumerations and of pools are names only beside a value of their
// type. `if` and `case` on values of items select; on scalars they branch.
#include "Collections.h"
#include "Elaborator.h"
#include "Parts.h"
#include "Unsigned.h"
#include "llvm/ADT/StringExtras.h"

using namespace route;
using namespace route::sema;
using namespace route::ast;

/// The label that a plain name is beside `like`; an error value when it is
/// none.
Value Elaborator::labelOf(const Expr &expr, const Value &like) {
  if (like.is(Kind::Row) || like.is(Kind::Member)) {
    std::string label = rowSpelling(expr);
    auto found = llvm::find(like.axis->labels, label);
    if (found == like.axis->labels.end())
      return Value();
    Value member = Value::ofAxis(Kind::Member, like.axis);
    member.number = found - like.axis->labels.begin();
    member.text = label;
    return member;
  }
  auto *name = dyn_cast<NameExpr>(ignoreParens(&expr));
  // `vendor.acme` beside an `enum vendor`.
  if (auto *member = dyn_cast<MemberExpr>(ignoreParens(&expr));
      member && like.is(Kind::Array)) {
    auto *of = dyn_cast<NameExpr>(ignoreParens(member->base.get()));
    mlir::Type element = e.valueTypeOf(like.ir);
    AxisInfo *axis = of && isa<route::EnumType>(element)
                         ? axisNamed(of->name, /*report=*/false)
                         : nullptr;
    auto known = axis ? memberEnums.find(axis) : memberEnums.end();
    auto &labels = enumLabels[mlir::TypeAttr::get(element)];
    auto found = llvm::find(labels, member->member.text);
    return known != memberEnums.end() && known->second == element &&
                   found != labels.end()
               ? Value::array(e.constantInt(element, found - labels.begin()))
               : Value();
  }
  if (!name) {
    // `none` beside an enumeration that has it as a label.
    if (!isa<NoneExpr>(ignoreParens(&expr)) || !like.is(Kind::Array))
      return Value();
    mlir::Type element = e.valueTypeOf(like.ir);
    auto &labels = enumLabels[mlir::TypeAttr::get(element)];
    if (isa<route::EnumType>(element) && !labels.empty() &&
        labels.back() == "none")
      return Value::array(e.constantInt(element, int64_t(labels.size()) - 1));
    return Value();
  }
  if (!like.is(Kind::Array))
    return Value();
  mlir::Type element = e.valueTypeOf(like.ir);
  if (isa<route::EnumType>(element)) {
    auto &labels = enumLabels[mlir::TypeAttr::get(element)];
    auto found = llvm::find(labels, name->name.text);
    if (found != labels.end())
      return Value::array(e.constantInt(element, found - labels.begin()));
  }
  if (auto ref = dyn_cast<route::RefType>(element)) {
    AxisInfo *axis = e.axisOf(ref.getAxis());
    auto found = llvm::find(axis->labels, name->name.text);
    if (found != axis->labels.end())
      return Value::array(e.constantInt(element, found - axis->labels.begin()));
  }
  // A code of failure: no answer in time reads as 408.
  if (name->name.text == "timeout" && element.isInteger(64) &&
      lookup(name->name, /*quiet=*/true).isError())
    return Value::literal(408, true);
  return Value();
}

/// A name that means nothing by itself may be a label of the other side.
bool Elaborator::isFree(const Expr &side) {
  auto *name = dyn_cast<NameExpr>(ignoreParens(&side));
  return name && name->name.text != "this" && name->name.text != "now" &&
         name->name.text != "inf" && name->name.text != "nan" &&
         lookup(name->name, /*quiet=*/true).isError();
}

/// What is compared with `a`: one of its labels, or a value.
Value Elaborator::comparand(const Expr &written, const Value &a) {
  if (Value label = labelOf(written, a); !label.isError())
    return label;
  auto *name = dyn_cast<NameExpr>(ignoreParens(&written));
  auto *text = dyn_cast<StringExpr>(ignoreParens(&written));
  auto coded = a.is(Kind::Array)
                   ? dyn_cast<route::EnumType>(e.valueTypeOf(a.ir))
                   : route::EnumType();
  if (coded && text) {
    auto &known = enumLabels[mlir::TypeAttr::get(coded)];
    auto message = error(diag::typeMismatch, written.range,
                         "expected a label: " + llvm::join(known, ", "));
    if (llvm::is_contained(known, text->value))
      message.help("labels stand without quotes: " + text->value);
    return Value();
  }
  bool texts = a.is(Kind::Text) ||
               (a.is(Kind::Array) && isa<TextType>(e.valueTypeOf(a.ir)));
  if (name && texts && isFree(written)) {
    error(diag::unknownName, name->name.range,
          "unknown name '" + name->name.text + "'")
        .suggest(name->name.text, namesInSight())
        .help("a text stands in quotes: \"" + name->name.text + "\"");
    return Value();
  }
  if (!name || !coded || !isFree(written))
    return eval(written);
  const std::vector<std::string> &labels =
      enumLabels[mlir::TypeAttr::get(coded)];
  return unknownLabel(name->name, labels);
}

Value Elaborator::evalComparison(const ast::BinaryExpr &expr) {
  bool equality = expr.op == ast::BinaryOp::Eq || expr.op == ast::BinaryOp::Ne;
  const Expr *first = expr.lhs.get(), *second = expr.rhs.get();
  bool swapped = equality && isFree(*first) && !isFree(*second);
  if (swapped)
    std::swap(first, second);
  Value a = partOfRow(eval(*first), cx.candidate);
  if (a.isError())
    return a;
  Value b = partOfRow(comparand(*second, a), cx.candidate);
  if (b.isError())
    return b;
  if ((a.is(Kind::Lazy) || b.is(Kind::Lazy)) && !cx.along && !cx.forceDense)
    return lazily(expr);
  if (swapped)
    std::swap(a, b);
  Value truth = compareValues(expr.op, a, b, expr.range, expr.lhs->range,
                              expr.rhs->range);
  // A label that is more or less sure makes a match of the comparison.
  const Value *confidence = a.confidence   ? a.confidence.get()
                            : b.confidence ? b.confidence.get()
                                           : nullptr;
  if (expr.op == ast::BinaryOp::Eq && confidence && truth.is(Kind::Array))
    return Value::group(Kind::Match, {truth, *confidence});
  return truth;
}

/// Compares two u64, or one with an i64, which may be below all of them.
static mlir::Value compareUnsigned(irgen::Emitter &e, CompareKind kind,
                                   mlir::Value a, mlir::Value b) {
  bool equality = kind == CompareKind::eq || kind == CompareKind::ne;
  bool aNatural = isU64(e.elementOf(a)), bNatural = isU64(e.elementOf(b));
  a = e.bits(a), b = e.bits(b);
  mlir::Value truth = equality ? e.compare(kind, a, b)
                               : e.compare(kind, ordered(e, a), ordered(e, b));
  if (aNatural && bNatural)
    return truth;
  bool less = kind == CompareKind::lt || kind == CompareKind::le;
  // What holds where the signed side is below zero.
  bool below = equality ? kind == CompareKind::ne : less != aNatural;
  mlir::Value zero = e.constantInt(e.i64(), 0);
  mlir::Value side = aNatural ? b : a;
  return below ? e.binary(BinaryKind::logical_or, truth,
                          e.compare(CompareKind::lt, side, zero))
               : e.binary(BinaryKind::logical_and, truth,
                          e.compare(CompareKind::ge, side, zero));
}

Value Elaborator::compareValues(ast::BinaryOp op, Value lhs, Value rhs,
                                SourceRange range, SourceRange left,
                                SourceRange right) {
  auto kind = [&] {
    switch (op) {
    case ast::BinaryOp::Eq:
      return CompareKind::eq;
    case ast::BinaryOp::Ne:
      return CompareKind::ne;
    case ast::BinaryOp::Lt:
      return CompareKind::lt;
    case ast::BinaryOp::Le:
      return CompareKind::le;
    case ast::BinaryOp::Gt:
      return CompareKind::gt;
    default:
      return CompareKind::ge;
    }
  }();
  std::string what = ("'" + spelling(op) + "'").str();
  if (lhs.is(Kind::Plan) && rhs.is(Kind::None)) {
    mlir::Value rows = e.constantInt(e.i1(), 1);
    rows = e.reduce(ReduceKind::any, e.broadcastTo(rows, lhs.axis),
                    lhs.axis->items());
    return Value::array(
        kind == CompareKind::ne ? rows : e.unary(UnaryKind::logical_not, rows));
  }
  if (lhs.is(Kind::Result) && rhs.is(Kind::None) &&
      (kind == CompareKind::eq || kind == CompareKind::ne))
    return Value::array(
        e.compare(kind == CompareKind::eq ? CompareKind::lt : CompareKind::ge,
                  lhs.part("code")->ir, e.constantInt(e.i64(), 0)));
  mlir::Value a, b;
  if (!prepare(lhs, rhs, left, right, a, b, nullptr, /*sameUnit=*/true, range,
               what))
    return Value();
  bool ordered = kind != CompareKind::eq && kind != CompareKind::ne;
  mlir::Type element = e.valueTypeOf(a);
  if (ordered && !isNumber(element) && !isa<route::EnumType>(element))
    return fail(diag::typeMismatch, range,
                what + " orders numbers, found " + describe(Value::array(a)));
  if (isU64(element) || isU64(e.elementOf(b)))
    return Value::array(compareUnsigned(e, kind, a, b));
  return Value::array(e.compare(kind, a, b));
}

Value Elaborator::selectValues(mlir::Value condition, const Value &a,
                               const Value &b, SourceRange range) {
  if (a.isError() || b.isError())
    return Value();
  auto rows = [](const Value &v) {
    return v.is(Kind::Subset) || v.is(Kind::Skipped);
  };
  if (rows(a) || rows(b))
    return selectSubsets(condition, a, b, range);
  if (a.parts && b.parts && !a.is(Kind::Plan) &&
      a.parts->size() == b.parts->size()) {
    std::vector<Value> parts;
    for (size_t i = 0; i < a.parts->size(); ++i)
      parts.push_back(
          selectValues(condition, (*a.parts)[i], (*b.parts)[i], range));
    return Value::group(a.kind, std::move(parts),
                        a.names ? *a.names : std::vector<std::string>());
  }
  mlir::Value x, y;
  if (!chooseType(a, b, range, range, x, y, range, "a choice between values"))
    return Value();
  mlir::Value all[] = {condition, x, y};
  if (!e.align(all))
    return fail(diag::ambiguousDescent, range,
                "the condition and the values have no common items");
  return Value::array(e.select(all[0], all[1], all[2]),
                      a.unit.isNone() ? b.unit : a.unit);
}

Value Elaborator::evalIf(const IfExpr &expr) {
  mlir::Value condition = evalTruth(*expr.cond);
  if (!condition)
    return Value();
  // An empty list is one of what the other holds.
  auto evalLike = [&](const Expr &written, const Value &other) {
    Value empty = isEmptyList(written) ? emptyListLike(e, other) : Value();
    return empty.isError() ? eval(written) : empty;
  };
  const bool first = isEmptyList(*expr.thenValue);
  Value b = first ? eval(*expr.elseValue) : Value();
  Value a = evalLike(*expr.thenValue, b);
  if (!first)
    b = evalLike(*expr.elseValue, a);
  if ((a.is(Kind::Lazy) || b.is(Kind::Lazy)) && !cx.along && !cx.forceDense)
    return lazily(expr);
  if (a.is(Kind::Plan) || b.is(Kind::Plan)) {
    Value left = asPlan(a, expr.thenValue->range),
          right = asPlan(b, expr.elseValue->range);
    if (left.isError() || right.isError())
      return Value();
    // The first plan where the condition holds, the second elsewhere.
    mlir::Value otherwise = e.unary(UnaryKind::logical_not, condition);
    return firstPlan({condition, otherwise}, {left, right}, expr.range);
  }
  return selectValues(condition, a, b, expr.range);
}

Value Elaborator::evalCase(const CaseExpr &expr) {
  if (expr.arms.empty())
    return fail(diag::argumentMismatch, expr.range, "a case needs arms");
  Value subject;
  if (expr.subject) {
    subject = eval(*expr.subject);
    if (subject.isError())
      return subject;
  }
  // From the last arm upwards: each selects between its value and those below.
  Value result;
  bool have = false;
  const Expr *empty = nullptr; // an empty list, of what earlier arms hold
  for (const CaseArm &arm : llvm::reverse(expr.arms)) {
    if (!arm.value || arm.form == CaseArm::Form::Ok ||
        arm.form == CaseArm::Form::Failed)
      return fail(diag::wrongKind, arm.range,
                  arm.value
                      ? "'ok' and 'failed' are about calls of the host, in "
                        "routes that make some"
                      : "an arm of this case is a value");
    if (arm.form == CaseArm::Form::Otherwise) {
      if (have)
        return fail(diag::argumentMismatch, arm.range,
                    "'otherwise' must be the last arm");
      empty = isEmptyList(*arm.value) ? arm.value.get() : nullptr;
      result = empty ? Value() : eval(*arm.value);
      have = true;
      continue;
    }
    if (!have)
      return fail(diag::argumentMismatch, arm.range,
                  "this case has no 'otherwise'");
    mlir::Value condition;
    if (arm.form == CaseArm::Form::Known) {
      mlir::Value ir = asArray(subject, expr.range);
      if (!ir)
        return Value();
      if (!e.isRange(ir))
        return fail(diag::typeMismatch, arm.range,
                    "this value is always known");
      condition = KnownOp::create(e.builder, e.loc,
                                  e.typeOf(ir).withElement(e.i1()), ir);
    } else if (!expr.subject) {
      condition = evalTruth(*arm.test);
    } else {
      Value test = comparand(*arm.test, subject);
      Value equal = test.isError()
                        ? Value()
                        : compareValues(ast::BinaryOp::Eq, subject, test,
                                        arm.range, arm.range, arm.range);
      condition = equal.ir;
    }
    if (!condition)
      return Value();
    if (empty && isEmptyList(*arm.value))
      continue;
    Value value;
    if (arm.form == CaseArm::Form::Known && arm.binder) {
      Context next = cx;
      next.scope = std::make_shared<Scope>(cx.scope);
      next.scope->bind(arm.binder.text, subject, arm.binder.range);
      value = inContext(std::move(next), [&] { return eval(*arm.value); });
    } else {
      if (isEmptyList(*arm.value))
        value = emptyListLike(e, result);
      if (value.isError())
        value = eval(*arm.value);
    }
    if (empty) {
      result = emptyListLike(e, value);
      if (result.isError())
        result = eval(*empty);
    }
    empty = nullptr;
    result = selectValues(condition, value, result, arm.range);
    if (result.isError())
      return result;
  }
  return empty ? eval(*empty) : result;
}
