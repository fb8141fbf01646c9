// `case` in step routes: arms that are blocks.
// For answers, failures and values.
#include "Elaborator.h"

using namespace route;
using namespace route::sema;
using namespace route::ast;

/// Whether a call failed with one of the codes of an arm.
mlir::Value Elaborator::failedCondition(const CaseArm &arm,
                                        const Value &result) {
  mlir::Value code = result.part("code")->ir;
  auto *range = dyn_cast<ast::BinaryExpr>(ignoreParens(arm.test.get()));
  bool span = range && range->op == ast::BinaryOp::Range;
  auto bound = [&](const Expr &written) -> std::optional<int64_t> {
    auto value = evalConstant(written);
    if (value && (*value < 1 || *value > 999 || *value != int(*value))) {
      error(diag::badSize, written.range,
            "a code of failure is a whole number from 1 to 999");
      return std::nullopt;
    }
    return value ? std::optional<int64_t>(int64_t(*value)) : std::nullopt;
  };
  if (plainName(ignoreParens(arm.test.get())) == "timeout")
    return e.compare(CompareKind::eq, code, e.constantInt(e.i64(), 408));
  auto low = bound(span ? *range->lhs : *arm.test);
  auto high = span && low ? bound(*range->rhs) : low;
  if (!low || !high)
    return {};
  if (*high < *low) {
    error(diag::badSize, arm.test->range, "no code lies in this range");
    return {};
  }
  return e.binary(
      BinaryKind::logical_and,
      e.compare(CompareKind::ge, code, e.constantInt(e.i64(), *low)),
      e.compare(CompareKind::le, code, e.constantInt(e.i64(), *high)));
}

/// Whether a value that may be unknown, or none, is there.
mlir::Value Elaborator::knownCondition(const CaseArm &arm,
                                       const Value &subject) {
  mlir::Value ir = asArray(subject, arm.range);
  if (!ir)
    return {};
  if (isa<RefType>(e.elementOf(ir)))
    return e.compare(CompareKind::ne, ir, e.constantInt(e.elementOf(ir), -1));
  if (!e.isRange(ir)) {
    error(diag::typeMismatch, arm.range, "this value is always known");
    return {};
  }
  return KnownOp::create(e.builder, e.loc, e.typeOf(ir).withElement(e.i1()),
                         ir);
}

/// Whether a value is the one of an arm, or lies in its range.
mlir::Value Elaborator::testCondition(const CaseArm &arm,
                                      const Value &subject) {
  auto *range = dyn_cast<ast::BinaryExpr>(ignoreParens(arm.test.get()));
  if (range && range->op == ast::BinaryOp::Range) {
    Value low = eval(*range->lhs), high = eval(*range->rhs);
    if (low.isError() || high.isError())
      return {};
    Value above = compareValues(ast::BinaryOp::Ge, subject, low, arm.range,
                                arm.range, range->lhs->range);
    Value below = compareValues(ast::BinaryOp::Le, subject, high, arm.range,
                                arm.range, range->rhs->range);
    if (above.isError() || below.isError())
      return {};
    return e.binary(BinaryKind::logical_and, above.ir, below.ir);
  }
  Value test = comparand(*arm.test, subject);
  if (test.isError())
    return {};
  return compareValues(ast::BinaryOp::Eq, subject, test, arm.range, arm.range,
                       arm.range)
      .ir;
}

/// Whether `arm` takes the subject: a scalar truth, or null after an error.
mlir::Value Elaborator::armCondition(const CaseArm &arm, const Value &subject) {
  bool result = subject.is(Kind::Result);
  switch (arm.form) {
  case CaseArm::Form::Otherwise:
    return e.constantInt(e.i1(), 1);
  case CaseArm::Form::Ok:
  case CaseArm::Form::Failed: {
    if (!result) {
      error(diag::typeMismatch, arm.range,
            "'ok' and 'failed' are about calls, found " + describe(subject));
      return {};
    }
    mlir::Value good = hasAnswer(subject);
    if (arm.form == CaseArm::Form::Ok)
      return good;
    return arm.test ? failedCondition(arm, subject)
                    : e.unary(UnaryKind::logical_not, good);
  }
  case CaseArm::Form::Known:
    return result ? hasAnswer(subject) : knownCondition(arm, subject);
  case CaseArm::Form::Test:
    if (result) {
      error(diag::typeMismatch, arm.range,
            "a call is 'ok' or 'failed': it is no value by itself");
      return {};
    }
    return testCondition(arm, subject);
  }
  return {};
}

bool Elaborator::stepArm(const CaseArm &arm) {
  if (arm.body)
    return executeStmt(*arm.body);
  Value value = evalStep(*arm.value);
  if (value.isError())
    return false;
  if (value.is(Kind::Refusal))
    return stepRefuse(value);
  if (value.is(Kind::Result))
    return true;
  error(diag::idleValue, arm.value->range, "this value is not used")
      .help("bind it with 'let' or return it");
  return false;
}

/// A case on a call says what happens to its answer and to every failure.
bool Elaborator::checkHandledBy(const CaseExpr &expr, const Value &subject) {
  bool result = subject.is(Kind::Result), ok = false, failed = false,
       known = false, otherwise = false;
  for (const CaseArm &arm : expr.arms) {
    otherwise |= arm.form == CaseArm::Form::Otherwise;
    known |= arm.form == CaseArm::Form::Known;
    ok |= arm.form == CaseArm::Form::Ok;
    failed |= arm.form == CaseArm::Form::Failed && !arm.test;
  }
  ok |= otherwise;
  failed |= otherwise;
  if (result && subject.handled)
    *subject.handled = true;
  // Where a call failed its fields are unknown: these arms cover that too.
  if (known && otherwise)
    fieldHandled(*expr.subject, subject);
  if (!result || (ok && failed))
    return true;
  error(diag::unhandledFailure, expr.subject->range,
        !ok ? "this case has no arm for an answer"
            : "this case has no arm for some failures of the call")
      .note("a call may fail or give no answer in time")
      .help(!ok ? "add 'ok -> …'" : "add 'failed(c) -> …' or 'otherwise'");
  return false;
}

/// Branches to a new block where `arm` takes the subject, and to `next`
/// elsewhere.
bool Elaborator::branchToArm(const CaseArm &arm, const Value &subject,
                             mlir::Block *&next) {
  mlir::Value condition =
      subject.isError() ? mlir::Value() : armCondition(arm, subject);
  if (condition && !e.typeOf(condition).isScalar()) {
    error(diag::typeMismatch, arm.range,
          "a route branches on one truth, found " +
              describe(Value::array(condition)));
    condition = {};
  }
  if (!condition && !cx.steps->learning)
    return false;
  if (!condition)
    condition = e.constantInt(e.i1(), 0);
  mlir::Block *here = newStepBlock();
  next = newStepBlock();
  CondBranchOp::create(e.builder, e.loc, condition, mlir::ValueRange(),
                       mlir::ValueRange(), here, next);
  e.builder.setInsertionPointToEnd(here);
  return true;
}

/// Binds what an arm knows of the subject: within `ok` the answer is known,
/// under its own name and the arm's.
void Elaborator::bindArm(const CaseArm &arm, const Expr &written,
                         const Value &subject, Scope &scope) {
  bool result = subject.is(Kind::Result);
  auto bind = [&](const Value &value) {
    if (arm.binder)
      scope.bind(arm.binder.text, value, arm.binder.range);
  };
  switch (arm.form) {
  case CaseArm::Form::Ok: {
    if (!result)
      return;
    Value known = knownResult(subject);
    if (StringRef name = plainName(ignoreParens(&written)); !name.empty())
      scope.bind(name, known, written.range);
    return bind(known);
  }
  case CaseArm::Form::Failed:
    if (result)
      bind(*subject.part("code"));
    return;
  case CaseArm::Form::Known: {
    if (!arm.binder || subject.isError())
      return;
    Value known = result ? knownResult(subject) : subject;
    if (known.is(Kind::Array))
      known = Value::array(knownValue(known.ir), known.unit);
    return bind(known);
  }
  case CaseArm::Form::Test:
  case CaseArm::Form::Otherwise:
    return;
  }
}

/// Whether nothing is left behind the arm `i`: the last way out of a call needs
/// no question.
static bool takesTheRest(const CaseExpr &expr, size_t i, bool result) {
  const CaseArm &arm = expr.arms[i];
  if (arm.form == CaseArm::Form::Otherwise)
    return true;
  return result && arm.form == CaseArm::Form::Failed && !arm.test &&
         llvm::any_of(llvm::ArrayRef(expr.arms).take_front(i),
                      [](const CaseArm &earlier) {
                        return earlier.form == CaseArm::Form::Ok;
                      });
}

bool Elaborator::stepCase(const CaseExpr &expr) {
  Value subject = evalStep(*expr.subject);
  if (subject.isError() && !cx.steps->learning)
    return false;
  if (!checkHandledBy(expr, subject))
    return false;
  std::vector<const Node *> inside;
  for (const CaseArm &arm : expr.arms)
    inside.push_back(arm.body ? static_cast<const Node *>(arm.body.get())
                              : arm.value.get());
  Joined joined = assignedIn(inside);
  std::vector<Value> before;
  for (Scope::Entry *entry : joined.entries)
    before.push_back(entry->value);
  auto restore = [&] {
    for (auto [entry, value] : llvm::zip(joined.entries, before))
      entry->value = value;
  };
  mlir::Block *after = nullptr;
  auto leave = [&] {
    if (isClosed())
      return;
    if (!after)
      after = newStepBlock(joined.types);
    jumpTo(after, valuesOf(joined));
  };
  bool good = true, taken = false;
  for (size_t i = 0; i < expr.arms.size(); ++i) {
    const CaseArm &arm = expr.arms[i];
    if (taken) {
      error(diag::unreachable, arm.range, "this arm is never reached");
      return false;
    }
    e.loc = locationOf(arm.range);
    taken = takesTheRest(expr, i, subject.is(Kind::Result));
    mlir::Block *next = nullptr;
    if (!taken && !branchToArm(arm, subject, next))
      return false;
    restore();
    Context inner = cx;
    inner.scope = std::make_shared<Scope>(cx.scope);
    bindArm(arm, *expr.subject, subject, *inner.scope);
    good &= inContext(std::move(inner), [&] { return stepArm(arm); });
    if (!good && !cx.steps->learning)
      return false;
    leave();
    if (next)
      e.builder.setInsertionPointToEnd(next);
  }
  // With an arm for the answer and one for all failures nothing is left.
  if (!taken) {
    restore();
    leave();
  }
  if (!after)
    return good;
  e.builder.setInsertionPointToEnd(after);
  bindJoined(joined, after->getArguments());
  return good;
}
