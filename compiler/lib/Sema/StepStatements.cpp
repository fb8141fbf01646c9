// Statements of step routes.
// Here statements happen one after the other and branches are branches, since
// what is called cannot be called off. Variables that a branch or a round may
// change become arguments of the block where the ways meet.
#include "Elaborator.h"
#include "Walk.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"

using namespace route;
using namespace route::sema;
using namespace route::ast;

bool Elaborator::inStepBlock() const {
  mlir::Block *block = e.builder.getInsertionBlock();
  return cx.steps && block && block->getParentOp() == cx.steps->func;
}

/// Whether what stands here happens in a run: in a block of it, or in the
/// loops and conditions of a value there.
bool Elaborator::inRun() const {
  mlir::Block *block = e.builder.getInsertionBlock();
  mlir::Operation *around = block ? block->getParentOp() : nullptr;
  while (isa_and_nonnull<route::ForOp, route::IfOp>(around))
    around = around->getParentOp();
  return cx.steps && around && around == cx.steps->func;
}

bool Elaborator::stepping() const { return !cx.returns && inStepBlock(); }

/// Whether the block at hand has ended: what follows is never run.
bool Elaborator::isClosed() const {
  mlir::Block *block = e.builder.getInsertionBlock();
  return !block->empty() &&
         block->back().hasTrait<mlir::OpTrait::IsTerminator>();
}

mlir::Block *Elaborator::newStepBlock(mlir::TypeRange types) {
  mlir::Block *block = new mlir::Block;
  cx.steps->func.getBody().push_back(block);
  for (mlir::Type type : types)
    block->addArgument(type, e.loc);
  return block;
}

void Elaborator::jumpTo(mlir::Block *block, mlir::ValueRange values) {
  mlir::cf::BranchOp::create(e.builder, e.loc, block, values);
}

/// The variables in sight that the code below may assign, with what a block
/// takes for them.
Elaborator::Joined Elaborator::assignedIn(llvm::ArrayRef<const Node *> nodes) {
  Joined joined;
  if (cx.steps->learning)
    return joined;
  for (const Node *node : nodes)
    for (const std::string &name : namesAssigned(*node)) {
      Scope::Entry *entry = cx.scope->lookup(name).first;
      if (!entry || entry->variable.empty() ||
          llvm::is_contained(joined.entries, entry))
        continue;
      auto shape = cx.steps->variables.find(entry->variable);
      if (shape == cx.steps->variables.end())
        continue;
      joined.entries.push_back(entry);
      shapeTypes(shape->second, joined.types);
    }
  return joined;
}

llvm::SmallVector<mlir::Value> Elaborator::valuesOf(const Joined &joined) {
  llvm::SmallVector<mlir::Value> values;
  for (Scope::Entry *entry : joined.entries)
    storeAs(entry->value, cx.steps->variables[entry->variable], entry->range,
            values);
  return values;
}

void Elaborator::bindJoined(const Joined &joined, mlir::ValueRange values) {
  for (Scope::Entry *entry : joined.entries)
    entry->value = loadAs(cx.steps->variables[entry->variable], values);
}

bool Elaborator::executeSteps(llvm::ArrayRef<StmtPtr> stmts) {
  bool good = true;
  for (size_t i = 0; i < stmts.size(); ++i) {
    if (isClosed()) {
      error(diag::unreachable, stmts[i]->range,
            "nothing after this is ever run")
          .label(stmts[i - 1]->range, "the route has ended here");
      return false;
    }
    // The first pass goes on after errors: what follows may say what a variable
    // holds. The second one shows one error a block.
    if (!executeStmt(*stmts[i])) {
      good = false;
      if (!cx.steps->learning)
        return false;
    }
  }
  return good;
}

bool Elaborator::executeStep(const Stmt &stmt) {
  switch (stmt.kind()) {
  case ast::Kind::ReturnStmt: {
    auto &ret = cast<ReturnStmt>(stmt);
    return stepReturn(ret.value.get(), stmt.range);
  }
  case ast::Kind::IfStmt:
    return stepIf(cast<IfStmt>(stmt));
  case ast::Kind::NoteStmt:
    return stepNote(cast<NoteStmt>(stmt));
  case ast::Kind::KeepStmt:
    return stepKeep(cast<KeepStmt>(stmt));
  case ast::Kind::BlockStmt: {
    Context next = cx;
    next.scope = std::make_shared<Scope>(cx.scope);
    return inContext(std::move(next),
                     [&] { return executeSteps(cast<BlockStmt>(stmt).stmts); });
  }
  default:
    break;
  }
  const Expr *value = ignoreParens(cast<ExprStmt>(stmt).value.get());
  if (auto *loop = dyn_cast<ForExpr>(value); loop && loop->carry.empty())
    return stepFor(*loop);
  if (auto *arms = dyn_cast<CaseExpr>(value); arms && arms->subject)
    return stepCase(*arms);
  Value result = evalStep(*value);
  if (result.isError())
    return false;
  if (result.is(Kind::Refusal))
    return stepRefuse(result);
  if (result.is(Kind::Result))
    return true; // its failure is missed later
  if (isa<ForExpr>(value))
    return true;
  error(diag::idleValue, stmt.range, "this value is not used")
      .help("bind it with 'let' or return it");
  return false;
}

bool Elaborator::stepRefuse(const Value &refusal) {
  RefuseOp::create(
      e.builder, e.loc, e.constantInt(e.i64(), int64_t(refusal.number)),
      refusal.text.empty() ? mlir::StringAttr()
                           : e.builder.getStringAttr(refusal.text));
  return true;
}

bool Elaborator::stepIf(const IfStmt &stmt) {
  mlir::Value condition = evalTruth(*stmt.cond);
  if (condition && !e.typeOf(condition).isScalar()) {
    error(diag::typeMismatch, stmt.cond->range,
          "a route branches on one truth, found " +
              describe(Value::array(condition)))
        .help("reduce it with 'any' or 'all'");
    condition = {};
  }
  if (!condition && !cx.steps->learning)
    return false;
  if (!condition)
    condition = e.constantInt(e.i1(), 0);
  std::vector<const Node *> inside = {stmt.thenBlock.get()};
  if (stmt.elseStmt)
    inside.push_back(stmt.elseStmt.get());
  Joined joined = assignedIn(inside);
  std::vector<Value> before;
  for (Scope::Entry *entry : joined.entries)
    before.push_back(entry->value);
  mlir::Block *yes = newStepBlock(), *no = newStepBlock(), *after = nullptr;
  CondBranchOp::create(e.builder, e.loc, condition, mlir::ValueRange(),
                       mlir::ValueRange(), yes, no);
  bool good = true;
  auto branch = [&](mlir::Block *block, const Stmt *body) {
    e.builder.setInsertionPointToEnd(block);
    for (auto [entry, value] : llvm::zip(joined.entries, before))
      entry->value = value;
    if (body)
      good &= executeStep(*body);
    if (!good && !cx.steps->learning)
      return;
    if (isClosed())
      return;
    if (!after)
      after = newStepBlock(joined.types);
    jumpTo(after, valuesOf(joined));
  };
  branch(yes, stmt.thenBlock.get());
  if (good || cx.steps->learning)
    branch(no, stmt.elseStmt.get());
  if (!good && !cx.steps->learning)
    return false;
  if (!after) // both ways have ended the route
    return good;
  e.builder.setInsertionPointToEnd(after);
  bindJoined(joined, after->getArguments());
  return good;
}

/// Whether something below `node` calls the host, itself or by a route.
bool Elaborator::asksHost(const Node &node) {
  if (callsIn(node))
    return true;
  for (const std::string &name : namesIn(node)) {
    auto [entry, scope] = cx.scope->lookup(name);
    const RouteDecl *route =
        !entry                         ? nullptr
        : entry->pending               ? dyn_cast<RouteDecl>(entry->pending)
        : entry->value.is(Kind::Route) ? entry->value.route->decl
                                       : nullptr;
    if (route && isStepRoute(*route, *scope))
      return true;
  }
  return false;
}

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

bool Elaborator::stepFor(const ForExpr &expr) {
  if (isKept(*expr.domain))
    return !keptLoop(expr).isError();
  if (expr.binders.size() > 1)
    return !severalNames(expr).isError();
  // What the loop runs over, fixed before it begins.
  mlir::Value bound, first;
  Value plan;
  const Expr *domain = ignoreParens(expr.domain.get());
  auto number = [&](const Expr &written) -> mlir::Value {
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
  };
  auto *range = dyn_cast<ast::BinaryExpr>(domain);
  if (range && range->op == ast::BinaryOp::Range) {
    first = number(*range->lhs);
    mlir::Value last = number(*range->rhs);
    if (!first || !last)
      return false;
    bound = e.binary(BinaryKind::add, e.binary(BinaryKind::sub, last, first),
                     e.constantInt(e.i64(), 1));
  } else {
    plan = eval(*domain);
    if (plan.isError())
      return false;
    bool pool = (plan.is(Kind::Axis) || plan.is(Kind::Row)) && !plan.ir;
    if (pool && plan.axis->pool) {
      // All rows in the order of the keys: a choice of all of them.
      AxisInfo *over = plan.axis;
      llvm::SmallVector<mlir::Value> keys;
      llvm::SmallVector<bool> up;
      if (expr.key) {
        Context next = cx;
        next.candidate = over;
        if (!inContext(std::move(next),
                       [&] { return evalKeys(*expr.key, keys, up); }))
          return false;
      }
      Context named = cx;
      named.planName = expr.binders.empty() ? "rows" : expr.binders[0].text;
      AxisInfo *axis = inContext(std::move(named), [&] {
        return planAxis({}, over, expr.domain->range);
      });
      irgen::Emitter::Choice choice;
      choice.keys = keys;
      choice.up = up;
      auto op = e.choose(ChoiceKind::all, axis, choice);
      plan = makePlan(axis, op.getResult(), Value());
    } else if (expr.key) {
      error(diag::badChoice, expr.key->range, "'by' orders the rows of a pool");
      return false;
    }
    if (plan.is(Kind::Plan)) {
      if (!plan.axis->items().empty()) {
        error(diag::wrongKind, domain->range,
              "this plan has rows for each '" +
                  plan.axis->items().front()->name + "'");
        return false;
      }
      bound = e.reduce(ReduceKind::count,
                       e.broadcastTo(e.constantInt(e.i1(), 1), plan.axis), {});
      bound = e.cast(bound, e.i64());
    } else {
      bound = number(*domain);
      if (!bound)
        return false;
    }
  }
  std::vector<const Node *> inside = {expr.body.get()};
  Joined joined = assignedIn(inside);
  llvm::SmallVector<mlir::Type> types = {e.arrayType(e.i64(), {})};
  types.append(joined.types.begin(), joined.types.end());
  mlir::Block *head = newStepBlock(types), *body = newStepBlock(),
              *exit = newStepBlock(), *after = nullptr;
  llvm::SmallVector<mlir::Value> start = {e.constantInt(e.i64(), 0)};
  start.append(valuesOf(joined));
  jumpTo(head, start);
  e.builder.setInsertionPointToEnd(head);
  RepeatOp::create(e.builder, e.loc, bound, body, exit);
  mlir::Value round = head->getArgument(0);
  bindJoined(joined, head->getArguments().drop_front());
  std::vector<Value> atHead;
  for (Scope::Entry *entry : joined.entries)
    atHead.push_back(entry->value);

  e.builder.setInsertionPointToEnd(body);
  Context next = cx;
  next.scope = std::make_shared<Scope>(cx.scope);
  llvm::StringMap<Value> old; // what is carried, as the round begins
  for (const Binding &binding : expr.carry)
    old[binding.name.text] = cx.scope->lookup(binding.name.text).first->value;
  if (!expr.carry.empty())
    next.old = &old;
  if (!expr.binders.empty()) {
    Value binder;
    if (plan.is(Kind::Plan)) {
      AxisInfo *pool = plan.axis->candidates();
      while (pool->isPlan())
        pool = pool->candidates();
      binder = Value::ofAxis(
          Kind::Row, pool,
          e.pick(e.gather(e.iota(pool, /*asRef=*/true), plan.axis), plan.axis,
                 round));
      binder.under = plan.axis->under;
    } else {
      binder =
          Value::array(first ? e.binary(BinaryKind::add, round, first) : round);
    }
    next.scope->bind(expr.binders[0].text, binder, expr.binders[0].range);
  }
  bool good = inContext(std::move(next), [&] {
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
      after = newStepBlock(joined.types);
      mlir::Block *more = newStepBlock();
      CondBranchOp::create(e.builder, e.loc, stop, valuesOf(joined),
                           mlir::ValueRange(), after, more);
      e.builder.setInsertionPointToEnd(more);
    }
    NextOp::create(e.builder, e.loc, valuesOf(joined), head);
    return true;
  });
  if (!good && !cx.steps->learning)
    return false;
  e.builder.setInsertionPointToEnd(exit);
  for (auto [entry, value] : llvm::zip(joined.entries, atHead))
    entry->value = value;
  if (after) {
    jumpTo(after, valuesOf(joined));
    e.builder.setInsertionPointToEnd(after);
    bindJoined(joined, after->getArguments());
  }
  return good;
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
    if (!arm.test)
      return e.unary(UnaryKind::logical_not, good);
    mlir::Value code = subject.part("code")->ir;
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
  case CaseArm::Form::Known: {
    if (result)
      return hasAnswer(subject);
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
  case CaseArm::Form::Test: {
    if (result) {
      error(diag::typeMismatch, arm.range,
            "a call is 'ok' or 'failed': it is no value by itself");
      return {};
    }
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
    Value test = labelOf(*arm.test, subject);
    if (test.isError())
      test = eval(*arm.test);
    if (test.isError())
      return {};
    return compareValues(ast::BinaryOp::Eq, subject, test, arm.range, arm.range,
                         arm.range)
        .ir;
  }
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

bool Elaborator::stepCase(const CaseExpr &expr) {
  Value subject = evalStep(*expr.subject);
  if (subject.isError() && !cx.steps->learning)
    return false;
  bool result = subject.is(Kind::Result);
  // A case on a call says what happens to its answer and to every failure.
  bool ok = false, failed = false;
  for (const CaseArm &arm : expr.arms) {
    ok |= arm.form == CaseArm::Form::Ok || arm.form == CaseArm::Form::Otherwise;
    failed |= (arm.form == CaseArm::Form::Failed && !arm.test) ||
              arm.form == CaseArm::Form::Otherwise;
  }
  if (result && subject.handled)
    *subject.handled = true;
  // Where a call failed its fields are unknown: these arms cover that too.
  auto has = [&](CaseArm::Form form) {
    return llvm::any_of(expr.arms,
                        [&](const CaseArm &arm) { return arm.form == form; });
  };
  if (has(CaseArm::Form::Known) && has(CaseArm::Form::Otherwise))
    fieldHandled(*expr.subject, subject);
  if (result && (!ok || !failed)) {
    error(diag::unhandledFailure, expr.subject->range,
          !ok ? "this case has no arm for an answer"
              : "this case has no arm for some failures of the call")
        .note("a call may fail or give no answer in time")
        .help(!ok ? "add 'ok -> …'" : "add 'failed(c) -> …' or 'otherwise'");
    return false;
  }
  std::vector<const Node *> inside;
  for (const CaseArm &arm : expr.arms)
    inside.push_back(arm.body ? static_cast<const Node *>(arm.body.get())
                              : arm.value.get());
  Joined joined = assignedIn(inside);
  std::vector<Value> before;
  for (Scope::Entry *entry : joined.entries)
    before.push_back(entry->value);
  mlir::Block *after = nullptr;
  auto leave = [&] {
    if (isClosed())
      return;
    if (!after)
      after = newStepBlock(joined.types);
    jumpTo(after, valuesOf(joined));
  };
  bool good = true, taken = false;
  StringRef name = plainName(ignoreParens(expr.subject.get()));
  for (size_t i = 0; i < expr.arms.size(); ++i) {
    const CaseArm &arm = expr.arms[i];
    if (taken) {
      error(diag::unreachable, arm.range, "this arm is never reached");
      return false;
    }
    e.loc = locationOf(arm.range);
    // The last way out of a call needs no question.
    bool rest =
        arm.form == CaseArm::Form::Otherwise ||
        (result && i > 0 && arm.form == CaseArm::Form::Failed && !arm.test &&
         llvm::any_of(llvm::ArrayRef(expr.arms).take_front(i),
                      [](const CaseArm &earlier) {
                        return earlier.form == CaseArm::Form::Ok;
                      }));
    taken = rest;
    mlir::Block *next = nullptr;
    if (!rest) {
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
    }
    for (auto [entry, value] : llvm::zip(joined.entries, before))
      entry->value = value;
    Context inner = cx;
    inner.scope = std::make_shared<Scope>(cx.scope);
    // Within `ok` the answer is known, under its own name and the arm's.
    if (arm.form == CaseArm::Form::Ok && result) {
      Value known = knownResult(subject);
      if (!name.empty())
        inner.scope->bind(name, known, expr.subject->range);
      if (arm.binder)
        inner.scope->bind(arm.binder.text, known, arm.binder.range);
    } else if (arm.form == CaseArm::Form::Failed && arm.binder && result) {
      inner.scope->bind(arm.binder.text, *subject.part("code"),
                        arm.binder.range);
    } else if (arm.form == CaseArm::Form::Known && arm.binder &&
               !subject.isError()) {
      Value known = result ? knownResult(subject) : subject;
      if (known.is(Kind::Array))
        known = Value::array(knownValue(known.ir), known.unit);
      inner.scope->bind(arm.binder.text, known, arm.binder.range);
    }
    good &= inContext(std::move(inner), [&] { return stepArm(arm); });
    if (!good && !cx.steps->learning)
      return false;
    leave();
    if (next)
      e.builder.setInsertionPointToEnd(next);
  }
  if (!taken) {
    for (auto [entry, value] : llvm::zip(joined.entries, before))
      entry->value = value;
    // With an arm for the answer and one for all failures nothing is left.
    leave();
  }
  if (!after)
    return good;
  e.builder.setInsertionPointToEnd(after);
  bindJoined(joined, after->getArguments());
  return good;
}

bool Elaborator::stepNote(const NoteStmt &stmt) {
  llvm::SmallVector<mlir::Value> values;
  mlir::NamedAttrList units;
  for (const Arg &arg : stmt.args) {
    Value value = eval(*arg.value);
    mlir::Value ir =
        value.isError() ? mlir::Value() : asArray(value, arg.value->range);
    if (!ir)
      return false;
    if (mlir::StringAttr unit = unitAttr(value.unit))
      units.set(std::to_string(values.size()), unit);
    values.push_back(ir);
  }
  auto op = NoteOp::create(e.builder, e.loc, stmt.name.text, values);
  if (!units.empty())
    op->setAttr("route.units", units.getDictionary(&context));
  return true;
}

bool Elaborator::stepKeep(const KeepStmt &stmt) {
  std::vector<Value> values;
  for (const ExprPtr &written : stmt.values)
    if (values.emplace_back(eval(*written)).isError())
      return false;
  return keep(values, stmt.range);
}
