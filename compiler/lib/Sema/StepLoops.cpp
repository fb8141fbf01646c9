// Loops of step routes: rounds that are blocks, over numbers, a pool or a plan.
#include "Elaborator.h"

using namespace route;
using namespace route::sema;
using namespace route::ast;

/// A loop that carries values around calls: they are variables of its own.
Value Elaborator::stepCarry(const ForExpr &expr) {
  std::vector<Value> starts;
  for (const Binding &binding : expr.carry)
    if (starts.emplace_back(eval(*binding.value)).isError())
      return Value();
  Context inside = cx;
  inside.scope = std::make_shared<Scope>(cx.scope);
  return inContext(std::move(inside), [&]() -> Value {
    for (auto [binding, start] : llvm::zip(expr.carry, starts)) {
      cx.scope->bind(binding.name.text, start, binding.name.range);
      if (!declareVariable(binding.name))
        return Value();
    }
    if (!stepFor(expr) && !cx.steps->learning)
      return Value();
    std::vector<Value> results;
    for (const Binding &binding : expr.carry)
      results.push_back(cx.scope->entries[binding.name.text].value);
    return results.size() == 1 ? results.front()
                               : Value::group(Kind::Tuple, std::move(results));
  });
}

/// A loop whose rounds are blocks.
struct Elaborator::StepRounds {
  /// How many rounds; the first number of a range, or null.
  mlir::Value bound, first;
  /// The plan whose rows it runs over, or an error value.
  Value plan;
  /// What rounds may change, where a round begins, and where `until` leaves to.
  Joined joined;
  mlir::Block *head = nullptr, *after = nullptr;
};

/// A whole number that a loop runs to; null after an error.
mlir::Value Elaborator::roundNumber(const Expr &written) {
  Value value = eval(written);
  mlir::Value ir = asArray(value, written.range, e.i64());
  if (!ir)
    return {};
  if (!e.typeOf(ir).isScalar() || !e.valueTypeOf(ir).isInteger(64) ||
      e.isRange(ir) || !value.unit.isNone()) {
    error(diag::typeMismatch, written.range,
          "a loop runs over whole numbers, a pool or a plan, found " +
              describe(value));
    return {};
  }
  return ir;
}

/// All rows of a pool in the order of the keys: a choice of all of them.
Value Elaborator::rowsInOrder(const ForExpr &expr, AxisInfo *pool) {
  llvm::SmallVector<mlir::Value> keys;
  llvm::SmallVector<bool> up;
  if (expr.key) {
    Context next = cx;
    next.candidate = pool;
    if (!inContext(std::move(next),
                   [&] { return evalKeys(*expr.key, keys, up); }))
      return Value();
  }
  Context named = cx;
  named.planName = expr.binders.empty() ? "rows" : expr.binders[0].text;
  AxisInfo *axis = inContext(
      std::move(named), [&] { return planAxis({}, pool, expr.domain->range); });
  irgen::Emitter::Choice choice;
  choice.keys = keys;
  choice.up = up;
  auto op = e.choose(ChoiceKind::all, axis, choice);
  return makePlan(axis, op.getResult(), Value());
}

/// What the loop runs over, fixed before it begins.
bool Elaborator::stepDomain(const ForExpr &expr, StepRounds &rounds) {
  const Expr *domain = ignoreParens(expr.domain.get());
  auto *range = dyn_cast<ast::BinaryExpr>(domain);
  if (range && range->op == ast::BinaryOp::Range) {
    rounds.first = roundNumber(*range->lhs);
    mlir::Value last = roundNumber(*range->rhs);
    if (!rounds.first || !last)
      return false;
    // last - first + 1, which may be above the largest i64.
    mlir::Value none = e.constantInt(e.i64(), 0),
                one = e.constantInt(e.i64(), 1),
                most = e.constantInt(e.i64(), INT64_MAX),
                span = e.binary(BinaryKind::sub, last, rounds.first);
    mlir::Value beyond =
        e.binary(BinaryKind::logical_or, e.compare(CompareKind::lt, span, none),
                 e.compare(CompareKind::eq, span, most));
    rounds.bound =
        e.select(e.compare(CompareKind::lt, last, rounds.first), none,
                 e.select(beyond, most, e.binary(BinaryKind::add, span, one)));
    return true;
  }
  Value &plan = rounds.plan;
  plan = eval(*domain);
  if (plan.isError())
    return false;
  bool pool = (plan.is(Kind::Axis) || plan.is(Kind::Row)) && !plan.ir;
  if (pool && plan.axis->pool) {
    plan = rowsInOrder(expr, plan.axis);
    if (plan.isError())
      return false;
  } else if (expr.key) {
    error(diag::badChoice, expr.key->range, "'by' orders the rows of a pool");
    return false;
  }
  if (!plan.is(Kind::Plan)) {
    if (plan.is(Kind::Number) && !mayRun(plan.number, domain->range))
      return false;
    rounds.bound = roundNumber(*domain);
    return bool(rounds.bound);
  }
  if (!plan.axis->items().empty()) {
    error(diag::wrongKind, domain->range,
          "this plan has rows for each '" + plan.axis->items().front()->name +
              "'");
    return false;
  }
  mlir::Value rows =
      e.reduce(ReduceKind::count,
               e.broadcastTo(e.constantInt(e.i1(), 1), plan.axis), {});
  rounds.bound = e.cast(rows, e.i64());
  return true;
}

/// What the name of the loop means in the round at hand.
Value Elaborator::roundBinder(const StepRounds &rounds) {
  mlir::Value round = rounds.head->getArgument(0);
  const Value &plan = rounds.plan;
  if (!plan.is(Kind::Plan))
    return Value::array(
        rounds.first ? e.binary(BinaryKind::add, round, rounds.first) : round);
  AxisInfo *pool = plan.axis->candidates();
  while (pool->isPlan())
    pool = pool->candidates();
  Value row =
      Value::ofAxis(Kind::Row, pool,
                    e.pick(e.gather(e.iota(pool, /*asRef=*/true), plan.axis),
                           plan.axis, round));
  row.under = plan.axis->under;
  return row;
}

/// The statements of a round, and the way to the next or out.
bool Elaborator::stepRound(const ForExpr &expr, StepRounds &rounds) {
  Context next = cx;
  next.scope = std::make_shared<Scope>(cx.scope);
  llvm::StringMap<Value> old; // what is carried, as the round begins
  for (const Binding &binding : expr.carry)
    old[binding.name.text] = cx.scope->lookup(binding.name.text).first->value;
  if (!expr.carry.empty())
    next.old = &old;
  if (!expr.binders.empty())
    next.scope->bind(expr.binders[0].text, roundBinder(rounds),
                     expr.binders[0].range);
  return inContext(std::move(next), [&] {
    if (!executeSteps(expr.body->stmts) && !cx.steps->learning)
      return false;
    if (isClosed())
      return true;
    if (expr.until) {
      mlir::Value stop = evalTruth(*expr.until);
      if (!stop || !e.typeOf(stop).isScalar()) {
        if (stop)
          error(diag::typeMismatch, expr.until->range,
                "the condition after 'until' is one truth, found " +
                    describe(Value::array(stop)));
        return false;
      }
      rounds.after = newStepBlock(rounds.joined.types);
      mlir::Block *more = newStepBlock();
      CondBranchOp::create(e.builder, e.loc, stop, valuesOf(rounds.joined),
                           mlir::ValueRange(), rounds.after, more);
      e.builder.setInsertionPointToEnd(more);
    }
    NextOp::create(e.builder, e.loc, valuesOf(rounds.joined), rounds.head);
    return true;
  });
}

bool Elaborator::stepFor(const ForExpr &expr) {
  if (isKept(*expr.domain))
    return !keptLoop(expr).isError();
  if (expr.binders.size() > 1)
    return !severalNames(expr).isError();
  StepRounds rounds;
  if (!stepDomain(expr, rounds))
    return false;
  const Node *inside = expr.body.get();
  rounds.joined = assignedIn(inside);
  const Joined &joined = rounds.joined;
  llvm::SmallVector<mlir::Type> types = {e.arrayType(e.i64(), {})};
  types.append(joined.types.begin(), joined.types.end());
  mlir::Block *head = rounds.head = newStepBlock(types);
  mlir::Block *body = newStepBlock(), *exit = newStepBlock();
  llvm::SmallVector<mlir::Value> start = {e.constantInt(e.i64(), 0)};
  start.append(valuesOf(joined));
  jumpTo(head, start);
  e.builder.setInsertionPointToEnd(head);
  RepeatOp::create(e.builder, e.loc, rounds.bound, body, exit);
  bindJoined(joined, head->getArguments().drop_front());
  std::vector<Value> atHead;
  for (Scope::Entry *entry : joined.entries)
    atHead.push_back(entry->value);

  e.builder.setInsertionPointToEnd(body);
  bool good = stepRound(expr, rounds);
  if (!good && !cx.steps->learning)
    return false;
  e.builder.setInsertionPointToEnd(exit);
  for (auto [entry, value] : llvm::zip(joined.entries, atHead))
    entry->value = value;
  if (rounds.after) {
    jumpTo(rounds.after, valuesOf(joined));
    e.builder.setInsertionPointToEnd(rounds.after);
    bindJoined(joined, rounds.after->getArguments());
  }
  return good;
}
