//===- Choose.cpp - The one form of choice
//---------------------------------===//
//
// Candidates, items, mask, keys and count become a route.choose over a fresh
// plan axis; the weight is elaborated over the rows that were chosen.
//
//===----------------------------------------------------------------------===//
#include "Elaborator.h"

using namespace route;
using namespace route::sema;
using namespace route::ast;

mlir::Value Elaborator::andMask(mlir::Value a, mlir::Value b) {
  if (!a || !b)
    return a ? a : b;
  return e.binary(BinaryKind::logical_and, a, b);
}

mlir::Value Elaborator::rowPosition(AxisInfo *axis) {
  return e.iota(axis, /*asRef=*/true);
}

AxisInfo *Elaborator::planAxis(AxisList per, AxisInfo *candidates,
                               SourceRange range) {
  std::string base = cx.scope ? pathOf(*cx.scope) : "";
  StringRef wanted =
      cx.planName.empty() ? StringRef("p") : StringRef(cx.planName);
  AxisInfo *axis =
      makeAxis(wanted, base.empty() ? wanted.str() : base + "." + wanted.str(),
               AxisKind::plan, range);
  axis->parents.assign(per.begin(), per.end());
  axis->parents.push_back(candidates);
  AxisOp op = emitAxis(*axis);
  if (cx.steps && cx.steps->learning)
    cx.steps->scratch.push_back(op);
  return axis;
}

Value Elaborator::makePlan(AxisInfo *axis, mlir::Value plan, Value weight) {
  axis->plan = plan;
  Value value = Value::ofAxis(Kind::Plan, axis, plan);
  value.parts = std::make_shared<std::vector<Value>>();
  value.names = std::make_shared<std::vector<std::string>>();
  axis->weight = weight.ir;
  if (!weight.isError()) {
    value.parts->push_back(weight);
    value.names->push_back("weight");
  }
  return value;
}

bool Elaborator::evalKeys(const Expr &expr,
                          llvm::SmallVectorImpl<mlir::Value> &keys,
                          llvm::SmallVectorImpl<bool> &up) {
  const Expr *plain = &expr;
  if (auto *tuple = dyn_cast<TupleExpr>(ignoreParens(plain))) {
    for (const ExprPtr &element : tuple->elements)
      if (!evalKeys(*element, keys, up))
        return false;
    return true;
  }
  bool rising = false;
  if (auto *unary = dyn_cast<ast::UnaryExpr>(plain);
      unary && unary->op == ast::UnaryOp::Up) {
    rising = true;
    plain = unary->operand.get();
    if (auto *tuple = dyn_cast<TupleExpr>(ignoreParens(plain))) {
      for (const ExprPtr &element : tuple->elements)
        if (!evalKeys(*element, keys, up))
          return false;
      for (size_t i = up.size() - tuple->elements.size(); i < up.size(); ++i)
        up[i] = !up[i];
      return true;
    }
  }
  auto *arms = dyn_cast<CaseExpr>(ignoreParens(plain));
  if (arms && !arms->subject) { // each arm a tuple of its own
    llvm::SmallVector<mlir::Value> parts;
    if (!evalKeyArms(*arms, parts))
      return false;
    for (mlir::Value part : parts) {
      keys.push_back(part);
      up.push_back(rising);
    }
    return true;
  }
  mlir::Value key;
  if (plainName(plain) == "order" && !cx.scope->lookup("order").first) {
    // The order of the list, or that of declaration.
    key = cx.candidateOrder ? cx.candidateOrder
                            : e.iota(cx.candidate, /*asRef=*/false);
  } else {
    key = asArray(eval(*plain), plain->range, e.f32());
    if (!key || !checkedKey(key, plain->range))
      return false;
  }
  keys.push_back(key);
  up.push_back(rising);
  return true;
}

bool Elaborator::checkedKey(mlir::Value &key, SourceRange range) {
  mlir::Type element = e.valueTypeOf(key);
  if (isTruth(element) || isa<route::EnumType>(element)) {
    key = e.cast(key, e.i64());
  } else if (!isNumber(element)) {
    error(diag::typeMismatch, range,
          "a key is a number, found " + describe(Value::array(key)));
    return false;
  }
  key = e.computing(key);
  return true;
}

/// `case c -> (a up, b)  otherwise -> d`: tuples of keys by condition. The
/// parts come out high first; an arm with fewer parts leaves the later ones
/// equal.
bool Elaborator::evalKeyArms(const CaseExpr &expr,
                             llvm::SmallVectorImpl<mlir::Value> &keys) {
  bool have = false;
  for (const CaseArm &arm : llvm::reverse(expr.arms)) {
    bool last = arm.form == CaseArm::Form::Otherwise;
    if (!arm.value || (!last && arm.form != CaseArm::Form::Test) ||
        last == have) {
      error(diag::argumentMismatch, arm.range,
            last   ? "'otherwise' must be the last arm"
            : have ? "this arm has no place among keys"
                   : "this case has no 'otherwise'");
      return false;
    }
    llvm::SmallVector<mlir::Value> parts;
    llvm::SmallVector<bool> up;
    mlir::Value condition = last ? mlir::Value() : evalTruth(*arm.test);
    if ((!last && !condition) || !evalKeys(*arm.value, parts, up))
      return false;
    for (auto [part, rising] : llvm::zip(parts, up))
      if (rising)
        part = e.unary(UnaryKind::neg, part);
    have = true;
    if (last) {
      keys.assign(parts.begin(), parts.end());
      continue;
    }
    size_t count = std::max(parts.size(), keys.size());
    while (parts.size() < count)
      parts.push_back(e.constant(e.f64(), 0));
    while (keys.size() < count)
      keys.push_back(e.constant(e.f64(), 0));
    for (size_t i = 0; i < count; ++i) {
      // Keys of different types meet in f64.
      if (e.valueTypeOf(parts[i]) != e.valueTypeOf(keys[i])) {
        parts[i] = e.cast(parts[i], e.f64());
        keys[i] = e.cast(keys[i], e.f64());
      }
      mlir::Value all[] = {condition, parts[i], keys[i]};
      if (!e.align(all)) {
        error(diag::ambiguousDescent, arm.range,
              "the condition and the keys have no common items");
        return false;
      }
      keys[i] = e.select(all[0], all[1], all[2]);
    }
  }
  if (!have)
    error(diag::argumentMismatch, expr.range, "a case needs arms");
  return have;
}

/// A budget that binds a choice in several ways is one budget.
void Elaborator::addBudgets(llvm::SmallVectorImpl<mlir::Attribute> &under,
                            llvm::ArrayRef<mlir::Attribute> more) {
  for (mlir::Attribute budget : more)
    if (!llvm::is_contained(under, budget))
      under.push_back(budget);
}

bool Elaborator::budgetsFrom(const std::vector<ExprPtr> &exprs,
                             llvm::SmallVectorImpl<mlir::Attribute> &symbols,
                             SourceRange call) {
  for (const ExprPtr &expr : exprs) {
    auto *name = dyn_cast<NameExpr>(ignoreParens(expr.get()));
    if (!name) {
      error(diag::wrongKind, expr->range, "expected the name of a budget");
      return false;
    }
    auto symbol = budgetSymbol(name->name, call);
    if (!symbol)
      return false;
    if (llvm::is_contained(symbols, symbol)) {
      error(diag::duplicateName, expr->range,
            "budget '" + name->name.text + "' stands twice behind 'under'")
          .note("it would be reserved twice for one choice");
      return false;
    }
    symbols.push_back(symbol);
  }
  return true;
}

/// Whether a walk over `expr` meets the name `chosen`.
static bool mentionsChosen(const Expr *expr);
static bool mentionsChosen(const std::vector<ExprPtr> &exprs) {
  return llvm::any_of(
      exprs, [](const ExprPtr &expr) { return mentionsChosen(expr.get()); });
}
static bool mentionsChosen(const Expr *expr) {
  if (!expr)
    return false;
  if (auto *call = dyn_cast<CallExpr>(expr))
    return mentionsChosen(call->over) || mentionsChosen(call->per) ||
           mentionsChosen(call->of.get()) ||
           llvm::any_of(call->args, [](const Arg &arg) {
             return mentionsChosen(arg.value.get());
           });
  if (auto *binary = dyn_cast<ast::BinaryExpr>(expr))
    return mentionsChosen(binary->lhs.get()) ||
           mentionsChosen(binary->rhs.get());
  if (auto *unary = dyn_cast<ast::UnaryExpr>(expr))
    return mentionsChosen(unary->operand.get());
  if (auto *paren = dyn_cast<ParenExpr>(expr))
    return mentionsChosen(paren->inner.get());
  if (auto *tuple = dyn_cast<TupleExpr>(expr))
    return mentionsChosen(tuple->elements);
  if (auto *member = dyn_cast<MemberExpr>(expr))
    return mentionsChosen(member->base.get());
  if (auto *branch = dyn_cast<IfExpr>(expr))
    return mentionsChosen(branch->cond.get()) ||
           mentionsChosen(branch->thenValue.get()) ||
           mentionsChosen(branch->elseValue.get());
  if (auto *arms = dyn_cast<CaseExpr>(expr))
    return llvm::any_of(arms->arms, [](const CaseArm &arm) {
      return mentionsChosen(arm.test.get()) || mentionsChosen(arm.value.get());
    });
  return plainName(expr) == "chosen";
}

/// The choice that a router's result is, or null.
static const ChooseExpr *resultChoice(const RouteDecl &decl) {
  const Expr *result = decl.value.get();
  auto letNamed = [&](StringRef name) -> const Expr * {
    if (decl.body)
      for (const StmtPtr &stmt : decl.body->stmts)
        if (auto *local = dyn_cast<DeclStmt>(stmt.get()))
          if (auto *let = dyn_cast<LetDecl>(local->decl.get());
              let && let->names.size() == 1 && let->name().text == name)
            return let->value.get();
    return nullptr;
  };
  if (decl.body)
    for (const StmtPtr &stmt : decl.body->stmts) {
      if (auto *last = dyn_cast<ReturnStmt>(stmt.get()))
        result = last->value.get();
      else if (auto *last = dyn_cast<ExprStmt>(stmt.get()))
        result = last->value.get();
    }
  if (StringRef name = plainName(result ? ignoreParens(result) : nullptr);
      !name.empty())
    result = letNamed(name);
  return result ? dyn_cast<ChooseExpr>(ignoreParens(result)) : nullptr;
}

/// `gate(x) at r`: the rows that `r` lists in place of those that the router
/// would choose, with the weights that it gives them.
Value Elaborator::evalRecorded(const ast::BinaryExpr &expr,
                               RouteInstance &route) {
  const ChooseExpr *choice = resultChoice(*route.decl);
  if (!choice || !choice->rules.empty() ||
      choice->countForm == ChooseExpr::Count::First ||
      choice->countForm == ChooseExpr::Count::Path) {
    error(diag::wrongKind, expr.range,
          "router '" + route.decl->name.text + "' cannot be replayed")
        .note("its result is not one choice from a pool");
    return Value();
  }
  mlir::Value rows = evalArray(*expr.rhs, e.i64());
  if (!rows)
    return Value();
  rows = e.computing(rows);
  if (!e.valueTypeOf(rows).isInteger(64) &&
      !isa<route::RefType>(e.valueTypeOf(rows)))
    return fail(diag::typeMismatch, expr.rhs->range,
                "recorded rows are row numbers, found " +
                    describe(Value::array(rows)));
  Context next = cx;
  next.recordedRoute = &route;
  next.recordedChoice = choice;
  next.recorded = rows;
  return inContext(std::move(next), [&] { return eval(*expr.lhs); });
}

/// Warns of a count that no item can reach.
void Elaborator::lintCount(const Expr &count, double number,
                           const AxisList &per, const Candidates &from) {
  if (from.axis->isPlan() || from.axis->size < 0)
    return;
  int64_t most = from.axis->size;
  for (AxisInfo *item : per)
    if (item->size > 0 && from.axis->descendsFrom(item))
      most = from.axis->size / item->size; // those of the item alone
  if (number > double(most))
    error(diag::fewCandidates, count.range,
          "'" + from.axis->name + "' has " + llvm::Twine(most) +
              (most == 1 ? " row" : " rows") + " to choose from")
        .label(from.axis->range, "declared here")
        .help("write 'choose all' where all of them are meant");
}

Value Elaborator::evalChoose(const ChooseExpr &expr) {
  bool recorded = cx.recorded && cx.recordedChoice == &expr;
  if (!expr.rules.empty() || expr.countForm == ChooseExpr::Count::First)
    return evalRules(expr);
  if (expr.countForm == ChooseExpr::Count::Path)
    return evalPath(expr);
  Candidates from;
  if (expr.candidates) {
    if (!evalCandidates(*expr.candidates, from) ||
        !choosable(from, expr.candidates->range))
      return Value();
  } else if (cx.resultPool) { // the pool of the router's result
    from.axis = cx.resultPool->axis;
  } else {
    return fail(diag::badChoice, expr.range, "say what to choose from");
  }
  AxisList per;
  if (expr.per.empty())
    per = cx.items;
  else if (!axesFrom(expr.per, per))
    return Value();
  // One item only where the axis stands at a position.
  llvm::erase_if(per, [&](AxisInfo *axis) {
    return llvm::any_of(cx.frames, [&](const Frame &frame) {
      return frame.axis == axis && frame.position;
    });
  });
  if (e.has(per, from.axis))
    return fail(diag::badChoice, expr.range,
                "cannot choose from '" + from.axis->name +
                    "' for each of its own positions");
  // Inside a body that runs along a plan its rows stand for their items.
  if (cx.along && !from.axis->descendsFrom(cx.along)) {
    AxisList rows = {cx.along};
    for (AxisInfo *axis : per)
      if (!cx.along->descendsFrom(axis))
        rows.push_back(axis);
    per = rows;
  }

  Context inside = cx;
  inside.candidate = from.axis;
  inside.candidateOrder = from.order;
  inside.along = from.axis->isPlan() ? from.axis : cx.along;
  inside.items = per;
  llvm::SmallVector<mlir::Value> keys;
  llvm::SmallVector<bool> up;
  mlir::Value mask = from.mask, count;
  bool good = inContext(inside, [&] {
    if (expr.where && !recorded) {
      mlir::Value more = evalTruth(*expr.where);
      if (!more)
        return false;
      mask = andMask(mask, more);
    }
    return true;
  });
  if (!good)
    return Value();
  inside.keptMask = mask;
  auto kind = ChoiceKind::count;
  llvm::SmallVector<mlir::Value> table;
  if (recorded) {
    kind = ChoiceKind::listed;
    table.push_back(cx.recorded);
  } else
    switch (expr.countForm) {
    case ChooseExpr::Count::Number: {
      if (!expr.count)
        return fail(diag::badChoice, expr.range, "say how many to choose");
      Value value = eval(*expr.count);
      if (value.is(Kind::Number) && (!value.integral || value.number < 0))
        return fail(diag::badChoice, expr.count->range,
                    "the count of a choice is a whole number from 0");
      count = asArray(value, expr.count->range, e.i64());
      if (!count)
        return Value();
      if (!isNumber(e.elementOf(count)) || !value.unit.isNone())
        return fail(diag::typeMismatch, expr.count->range,
                    "the count of a choice is a plain number, found " +
                        describe(value));
      count = e.cast(count, e.i64());
      if (value.is(Kind::Number))
        lintCount(*expr.count, value.number, per, from);
      break;
    }
    case ChooseExpr::Count::All:
      kind = ChoiceKind::all;
      break;
    case ChooseExpr::Count::Until:
      kind = ChoiceKind::until;
      break;
    case ChooseExpr::Count::Listed: {
      kind = ChoiceKind::listed;
      mlir::Value rows = evalArray(*expr.count, e.i64());
      if (!rows)
        return Value();
      rows = e.computing(rows);
      if (!e.valueTypeOf(rows).isInteger(64) &&
          !isa<RefType>(e.valueTypeOf(rows)))
        return fail(diag::typeMismatch, expr.count->range,
                    "a table lists row numbers, found " +
                        describe(Value::array(rows)));
      table.push_back(rows);
      break;
    }
    default:
      break;
    }
  bool greedy = !recorded && expr.key && mentionsChosen(expr.key.get());
  AxisInfo *axis = planAxis(per, from.axis, expr.range);
  if (expr.key && !greedy && !recorded &&
      !inContext(inside, [&] { return evalKeys(*expr.key, keys, up); }))
    return Value();
  if (greedy)
    for (size_t parts = 0,
                n = isa<TupleExpr>(ignoreParens(expr.key.get()))
                        ? cast<TupleExpr>(ignoreParens(expr.key.get()))
                              ->elements.size()
                        : 1;
         parts < n; ++parts)
      up.push_back(false);
  // Without a key the earlier candidates are better.
  if (!expr.key && !mask && !recorded && kind == ChoiceKind::count)
    mask = e.constantInt(e.i1(), 1);
  // Equal keys go to the earlier candidate of a list.
  if (from.order && !greedy && !recorded) {
    keys.push_back(from.order);
    up.push_back(true);
  }
  // Keys and masks belong to the items and the candidates.
  auto fits = [&](mlir::Value value, SourceRange range, StringRef what) {
    for (AxisInfo *used : e.axesOf(value))
      if (llvm::none_of(axis->parents, [&](AxisInfo *known) {
            return known->descendsFrom(used);
          })) {
        error(diag::choiceAxes, range,
              what + " has axis '" + used->name +
                  "', which is neither an item nor a candidate")
            .label(expr.range, "chosen per (" + describeAxes(per) + ") from '" +
                                   from.axis->name + "'")
            .help("reduce it, or add it to 'per'");
        return false;
      }
    return true;
  };
  for (mlir::Value key : keys)
    if (!fits(key, expr.key ? expr.key->range : expr.range, "the key"))
      return Value();
  if (mask &&
      !fits(mask, expr.where ? expr.where->range : expr.range, "the mask"))
    return Value();
  if (count)
    for (AxisInfo *used : e.axesOf(count))
      if (llvm::none_of(
              per, [&](AxisInfo *known) { return known->descendsFrom(used); }))
        return fail(diag::choiceAxes, expr.count->range,
                    "the count has axis '" + used->name +
                        "', which is no item");
  llvm::SmallVector<mlir::Attribute> under;
  if (!inContext(inside, [&] { return budgetsFrom(expr.under, under); }))
    return Value();
  // A choice under rules is masked and bound as they are.
  if (cx.ruleMask && cx.resultPool && from.axis == cx.resultPool->axis)
    mask = andMask(mask, cx.ruleMask);
  if (cx.resultPool && from.axis == cx.resultPool->axis)
    addBudgets(under, cx.ruleUnder);

  // A choice for the rows of a plan has something over those rows.
  for (AxisInfo *item : per) {
    auto over = [&](mlir::Value value) {
      return value && llvm::is_contained(e.axesOf(value), item);
    };
    if (item->isPlan() && !over(mask) && !over(count) &&
        llvm::none_of(keys, over))
      mask = andMask(mask, e.broadcastTo(e.constant(e.i1(), 1, {}), item));
  }
  if (!under.empty() && !from.mask && from.source.isError()) {
    BudgetFacts facts = cx.facts;
    inContext(inside, [&] {
      if (expr.where)
        addFacts(*expr.where, facts);
      return true;
    });
    if (!proveBudgets(under, from.axis, allRows(*from.axis), facts, expr.range))
      return Value();
  }

  auto type = PlanType::get(&context, axis->symbol);
  irgen::Emitter::Choice choice{count, mask,  keys,   up, under,
                                {},    table, greedy, {}};
  if (!from.source.isError())
    choice.source = from.source.axis->plan;
  auto op = e.choose(kind, axis, choice);
  if (kind == ChoiceKind::until || greedy) {
    mlir::OpBuilder::InsertionGuard guard(e.builder);
    mlir::Block &block = op.getBody().emplaceBlock();
    axis->plan = block.addArgument(type, e.loc);
    e.builder.setInsertionPointToStart(&block);
    Context region = inside;
    region.chosen = axis;
    if (greedy)
      region.candidate = from.axis;
    llvm::SmallVector<mlir::Value> yielded;
    bool ok = kind != ChoiceKind::until || inContext(region, [&] {
                cx.candidate = nullptr;
                mlir::Value stop = evalTruth(*expr.count);
                if (stop)
                  yielded.push_back(stop);
                return bool(stop);
              });
    if (ok && greedy)
      ok = inContext(region, [&] {
        llvm::SmallVector<bool> directions;
        if (!evalKeys(*expr.key, yielded, directions))
          return false;
        op.setUp(directions);
        return true;
      });
    if (ok && kind == ChoiceKind::until && !e.axesOf(yielded.front()).empty() &&
        llvm::any_of(e.axesOf(yielded.front()), [&](AxisInfo *used) {
          return llvm::none_of(
              per, [&](AxisInfo *known) { return known->descendsFrom(used); });
        }))
      ok = (error(diag::choiceAxes, expr.count->range,
                  "the condition after 'until' belongs to the items"),
            false);
    if (!ok) {
      op.erase();
      axis->plan = {};
      return Value();
    }
    YieldOp::create(e.builder, e.loc, yielded);
  }
  axis->plan = op.getResult();
  axis->under.assign(under.begin(), under.end());
  Value plan = finishPlan(axis, op.getResult(), expr);
  if (plan.isError() || !expr.otherwise || recorded)
    return plan;
  return elseChain(plan, *expr.otherwise, expr.range);
}

/// `choose path a -> b of links`: the rows of a cheapest way from one end to
/// the other, where each row of the pool leads from one ref to another.
Value Elaborator::evalPath(const ChooseExpr &expr) {
  Candidates from;
  if (!expr.candidates)
    return fail(diag::badChoice, expr.range, "say what to choose from");
  if (!evalCandidates(*expr.candidates, from) ||
      !choosable(from, expr.candidates->range))
    return Value();
  std::vector<const ColumnInfo *> refs;
  for (const ColumnInfo &column : from.axis->columns)
    if (isa<route::RefType>(getValueType(column.type.getElementType())) &&
        column.axes.size() == 1)
      refs.push_back(&column);
  bool two =
      refs.size() == 2 && getValueType(refs[0]->type.getElementType()) ==
                              getValueType(refs[1]->type.getElementType());
  if (!two)
    return fail(diag::badChoice, expr.candidates->range,
                "a path needs rows with two refs to one pool, found " +
                    llvm::Twine(refs.size()) + " refs");
  for (const ExprPtr &budget : expr.under)
    return fail(diag::badChoice, budget->range,
                "a path is chosen without budgets");
  if (expr.weight || !expr.per.empty() || cx.along)
    return fail(diag::badChoice, expr.weight ? expr.weight->range : expr.range,
                "a path has no weights and no 'per' of its own");
  mlir::Type node = getValueType(refs[0]->type.getElementType());
  llvm::SmallVector<mlir::Value> ends, table;
  AxisList per = cx.items;
  for (const Expr *end : {expr.from.get(), expr.to.get()}) {
    mlir::Value ir = memberFrom(*end, node);
    if (!ir)
      return Value();
    for (AxisInfo *axis : e.axesOf(ir))
      if (llvm::none_of(
              per, [&](AxisInfo *item) { return item->descendsFrom(axis); }))
        per.push_back(axis);
    ends.push_back(ir);
  }
  for (const ColumnInfo *column : refs)
    table.push_back(loadColumn(*from.axis, *column).ir);
  Context inside = cx;
  inside.candidate = from.axis;
  inside.items = per;
  irgen::Emitter::Choice choice;
  choice.mask = from.mask;
  bool good = inContext(std::move(inside), [&] {
    if (expr.where) {
      mlir::Value mask = evalTruth(*expr.where);
      if (!mask)
        return false;
      choice.mask = andMask(choice.mask, mask);
    }
    return !expr.key || evalKeys(*expr.key, choice.keys, choice.up);
  });
  if (!good)
    return Value();
  AxisInfo *axis = planAxis(per, from.axis, expr.range);
  for (mlir::Value value : choice.keys)
    for (AxisInfo *used : e.axesOf(value))
      if (!axis->descendsFrom(used))
        return fail(diag::choiceAxes, expr.key->range,
                    "the key has axis '" + used->name +
                        "', which is neither an item nor a candidate");
  choice.ends = ends;
  choice.table = table;
  auto op = e.choose(ChoiceKind::path, axis, choice);
  Value plan = makePlan(axis, op.getResult(), Value());
  return expr.otherwise ? elseChain(plan, *expr.otherwise, expr.range) : plan;
}

/// The plan with its weight, elaborated over the rows that were chosen.
Value Elaborator::finishPlan(AxisInfo *axis, mlir::Value plan,
                             const ChooseExpr &expr) {
  axis->plan = plan;
  if (!expr.weight)
    return makePlan(axis, plan, Value());
  Context next = cx;
  next.along = axis;
  next.chosen = axis;
  next.candidate = axis->candidates()->isPlan() ? nullptr : axis->candidates();
  Value weight = inContext(std::move(next), [&]() -> Value {
    Value value = eval(*expr.weight);
    mlir::Value ir = asArray(value, expr.weight->range, e.f32());
    if (!ir)
      return Value();
    ir = e.broadcastTo(ir, axis);
    for (AxisInfo *used : e.axesOf(ir))
      if (used != axis) {
        error(diag::choiceAxes, expr.weight->range,
              "the weight has axis '" + used->name +
                  "' beside the chosen rows");
        return Value();
      }
    if (expr.weightType) {
      TypeInfo type = resolveType(*expr.weightType);
      return convert(Value::array(ir, value.unit), type, expr.weight->range);
    }
    return Value::array(e.computing(ir), value.unit);
  });
  if (weight.isError())
    return Value();
  return makePlan(axis, plan, weight);
}

Value Elaborator::evalConcat(const ast::BinaryExpr &expr) {
  Value lhs = eval(*expr.lhs), rhs = eval(*expr.rhs);
  if (lhs.isError() || rhs.isError())
    return Value();
  if (!lhs.is(Kind::Plan) || !rhs.is(Kind::Plan))
    return fail(diag::wrongKind, expr.range,
                "'++' joins plans, found " + describe(lhs) + " and " +
                    describe(rhs));
  if (lhs.axis->parents != rhs.axis->parents)
    return fail(
        diag::choiceAxes, expr.range,
        "these plans choose from different things or for different items");
  AxisInfo *axis =
      planAxis(AxisList(lhs.axis->items()), lhs.axis->candidates(), expr.range);
  llvm::SmallVector<mlir::Value> columns;
  for (const Value *plan : {&lhs, &rhs})
    columns.push_back(plan->part("weight")
                          ? e.cast(plan->part("weight")->ir, e.f32())
                          : e.broadcastTo(e.constant(e.f32(), 1), plan->axis));
  llvm::SmallVector<mlir::Type> types = {PlanType::get(&context, axis->symbol),
                                         e.arrayType(e.f32(), {axis})};
  auto op = route::ConcatOp::create(e.builder, e.loc, types, lhs.axis->plan,
                                    rhs.axis->plan, columns, axis->symbol);
  return makePlan(axis, op.getResult(),
                  Value::array(op.getResultColumns().front()));
}
