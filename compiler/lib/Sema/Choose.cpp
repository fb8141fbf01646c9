// The one form of choice: its parts become a route.choose over a plan axis.
// The weight is elaborated over the rows that were chosen.
#include "Budgets.h"
#include "Elaborator.h"

using namespace route;
using namespace route::sema;
using namespace route::ast;

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
  if (auto *index = dyn_cast<IndexExpr>(expr))
    return mentionsChosen(index->base.get()) ||
           llvm::any_of(index->args, [](const IndexArg &arg) {
             return mentionsChosen(arg.value.get());
           });
  if (auto *list = dyn_cast<ListExpr>(expr))
    return llvm::any_of(list->entries, [](const Arg &entry) {
      return mentionsChosen(entry.value.get());
    });
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

/// The items of a choice: `per`, or those around.
bool Elaborator::itemsOfChoice(const ChooseExpr &expr, const Candidates &from,
                               AxisList &per) {
  if (expr.per.empty())
    per = cx.items;
  else if (!axesFrom(expr.per, per))
    return false;
  // One item only where the axis stands at a position.
  llvm::erase_if(per, [&](AxisInfo *axis) {
    return llvm::any_of(cx.frames, [&](const Frame &frame) {
      return frame.axis == axis && frame.position;
    });
  });
  if (e.has(per, from.axis)) {
    error(diag::badChoice, expr.range,
          "cannot choose from '" + from.axis->name +
              "' for each of its own positions");
    return false;
  }
  // Inside a body that runs along a plan its rows stand for their items.
  if (cx.along && !from.axis->descendsFrom(cx.along)) {
    AxisList rows = {cx.along};
    for (AxisInfo *axis : per)
      if (!cx.along->descendsFrom(axis))
        rows.push_back(axis);
    per = rows;
  }
  return true;
}

/// How many rows: a number for each item, or null after an error.
mlir::Value Elaborator::countOfChoice(const ChooseExpr &expr,
                                      const AxisList &per,
                                      const Candidates &from) {
  if (!expr.count) {
    error(diag::badChoice, expr.range, "say how many to choose");
    return {};
  }
  Value value = eval(*expr.count);
  if (value.is(Kind::Number) && (!value.integral || value.number < 0)) {
    error(diag::badChoice, expr.count->range,
          "the count of a choice is a whole number from 0");
    return {};
  }
  mlir::Value count = asArray(value, expr.count->range, e.i64());
  if (!count)
    return {};
  if (!isNumber(e.elementOf(count)) || !value.unit.isNone()) {
    error(diag::typeMismatch, expr.count->range,
          "the count of a choice is a plain number, found " + describe(value));
    return {};
  }
  count = e.cast(count, e.i64());
  if (value.is(Kind::Number))
    lintCount(*expr.count, value.number, per, from);
  return count;
}

/// Rows that are listed by number or as refs; null after an error. `what` they
/// are, for messages.
mlir::Value Elaborator::listedRows(const Expr &expr, StringRef what) {
  mlir::Value rows = evalArray(expr, e.i64());
  if (!rows)
    return {};
  rows = e.bits(rows);
  if (!e.valueTypeOf(rows).isInteger(64) &&
      !isa<route::RefType>(e.valueTypeOf(rows))) {
    error(diag::typeMismatch, expr.range,
          what + " row numbers, found " + describe(Value::array(rows)));
    return {};
  }
  return rows;
}

/// The axis of `value` that none of `known` descends from, or null.
static AxisInfo *strangeAxis(irgen::Emitter &e, mlir::Value value,
                             llvm::ArrayRef<AxisInfo *> known) {
  for (AxisInfo *used : e.axesOf(value))
    if (llvm::none_of(known,
                      [&](AxisInfo *axis) { return axis->descendsFrom(used); }))
      return used;
  return nullptr;
}

/// Keys and masks belong to the items and the candidates, counts to the items.
bool Elaborator::checkChoiceAxes(const ChooseExpr &expr, const AxisInfo &plan,
                                 const irgen::Emitter::Choice &choice) {
  auto fits = [&](mlir::Value value, SourceRange range, StringRef what) {
    AxisInfo *used = strangeAxis(e, value, plan.parents);
    if (!used)
      return true;
    auto message = error(diag::choiceAxes, range,
                         what + " has axis '" + used->name +
                             "', which is neither an item nor a candidate");
    message.label(expr.range, "chosen per (" + describeAxes(plan.items()) +
                                  ") from '" + plan.candidates()->name + "'");
    // What lies between a candidate and those that were chosen before it.
    bool pairs = used->original && mentionsChosen(expr.key.get()) &&
                 plan.candidates()->descendsFrom(used->original);
    message.help(pairs ? "reduce it over those that are chosen: sum(… over " +
                             used->name + " of chosen)"
                       : "reduce it, or add it to 'per'");
    return false;
  };
  for (mlir::Value key : choice.keys)
    if (!fits(key, expr.key ? expr.key->range : expr.range, "the key"))
      return false;
  if (choice.mask &&
      !fits(choice.mask, expr.where ? expr.where->range : expr.range,
            "the mask"))
    return false;
  if (choice.count)
    if (AxisInfo *used = strangeAxis(e, choice.count, plan.items())) {
      error(diag::choiceAxes, expr.count->range,
            "the count has axis '" + used->name + "', which is no item");
      return false;
    }
  return true;
}

/// What a choice asks row by row: the condition after `until`, and a key that
/// mentions what is chosen so far.
bool Elaborator::emitChoiceRegion(const ChooseExpr &expr, ChooseOp op,
                                  AxisInfo *axis, Context region) {
  mlir::OpBuilder::InsertionGuard guard(e.builder);
  mlir::Block &block = op.getBody().emplaceBlock();
  axis->plan = block.addArgument(op.getResult().getType(), e.loc);
  e.builder.setInsertionPointToStart(&block);
  region.chosen = axis;
  if (op.getGreedy())
    region.candidate = axis->candidates();
  bool until = op.getKind() == ChoiceKind::until;
  llvm::SmallVector<mlir::Value> yielded;
  if (until) {
    Context stopping = region;
    stopping.candidate = nullptr;
    stopping.along = cx.along; // of the item, not of a row that may be next
    mlir::Value stop =
        inContext(std::move(stopping), [&] { return evalTruth(*expr.count); });
    if (!stop)
      return false;
    yielded.push_back(stop);
  }
  if (op.getGreedy()) {
    llvm::SmallVector<bool> directions;
    if (!inContext(std::move(region),
                   [&] { return evalKeys(*expr.key, yielded, directions); }))
      return false;
    irgen::Emitter::Choice asked;
    llvm::append_range(asked.keys, llvm::drop_begin(yielded, until));
    if (!checkChoiceAxes(expr, *axis, asked))
      return false;
    for (mlir::Value key : asked.keys)
      lintDraws(key, axis->items(), expr.key->range);
    op.setUp(directions);
  }
  if (until && strangeAxis(e, yielded.front(), axis->items())) {
    error(diag::choiceAxes, expr.count->range,
          "the condition after 'until' is about what is chosen so far: one "
          "truth for each of the items")
        .help("sum over the rows chosen: choose until sum(e over chosen) >= "
              "0.75 of …");
    return false;
  }
  YieldOp::create(e.builder, e.loc, yielded);
  return true;
}

Value Elaborator::evalChoose(const ChooseExpr &expr) {
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
  if (!itemsOfChoice(expr, from, per))
    return Value();

  bool recorded = cx.recorded && cx.recordedChoice == &expr;
  bool greedy = !recorded && expr.key && mentionsChosen(expr.key.get());
  Context inside = cx;
  inside.candidate = from.axis;
  inside.candidateOrder = from.order;
  inside.along = from.axis->isPlan() ? from.axis : cx.along;
  inside.items = per;
  irgen::Emitter::Choice choice;
  choice.greedy = greedy;
  choice.mask = from.mask;
  if (!from.source.isError())
    choice.source = from.source.axis->plan;
  if (expr.where && !recorded) {
    mlir::Value more =
        inContext(inside, [&] { return evalTruth(*expr.where); });
    if (!more)
      return Value();
    lintDraws(more, per, expr.where->range);
    choice.mask = andMask(choice.mask, more);
  }
  inside.keptMask = choice.mask;
  auto kind = ChoiceKind::count;
  if (recorded) {
    kind = ChoiceKind::listed;
    choice.table.push_back(cx.recorded);
  } else if (expr.countForm == ChooseExpr::Count::Number) {
    choice.count = countOfChoice(expr, per, from);
    if (!choice.count)
      return Value();
  } else if (expr.countForm == ChooseExpr::Count::All) {
    kind = ChoiceKind::all;
  } else if (expr.countForm == ChooseExpr::Count::Until) {
    kind = ChoiceKind::until;
  } else if (expr.countForm == ChooseExpr::Count::Listed) {
    kind = ChoiceKind::listed;
    mlir::Value rows = listedRows(*expr.count, "a table lists");
    if (!rows)
      return Value();
    choice.table.push_back(rows);
  }
  AxisInfo *axis = planAxis(per, from.axis, expr.range);
  if (greedy) {
    auto *tuple = dyn_cast<TupleExpr>(ignoreParens(expr.key.get()));
    choice.up.assign(tuple ? tuple->elements.size() : 1, false);
  } else if (expr.key && !recorded && !inContext(inside, [&] {
               return evalKeys(*expr.key, choice.keys, choice.up);
             })) {
    return Value();
  }
  for (mlir::Value key : choice.keys)
    lintDraws(key, per, expr.key->range);
  // Without a key the earlier candidates are better.
  if (!expr.key && !choice.mask && !recorded && kind == ChoiceKind::count)
    choice.mask = e.constantInt(e.i1(), 1);
  // Equal keys go to the earlier candidate of a list.
  if (from.order && !greedy && !recorded) {
    choice.keys.push_back(from.order);
    choice.up.push_back(true);
  }
  if (!checkChoiceAxes(expr, *axis, choice) || !inContext(inside, [&] {
        return budgets->under(expr.under, choice.under);
      }))
    return Value();
  // A choice under rules is masked and bound as they are.
  if (cx.resultPool && from.axis == cx.resultPool->axis) {
    choice.mask = andMask(choice.mask, cx.ruleMask);
    Budgets::add(choice.under, cx.ruleUnder);
  }

  // A choice for the rows of a plan has something over those rows.
  for (AxisInfo *item : per) {
    auto over = [&](mlir::Value value) {
      return value && llvm::is_contained(e.axesOf(value), item);
    };
    if (item->isPlan() && !over(choice.mask) && !over(choice.count) &&
        llvm::none_of(choice.keys, over))
      choice.mask =
          andMask(choice.mask, e.broadcastTo(e.constant(e.i1(), 1, {}), item));
  }
  if (!choice.under.empty() && !from.mask && from.source.isError()) {
    BudgetFacts facts = cx.facts;
    inContext(inside, [&] {
      if (expr.where)
        budgets->addFacts(*expr.where, facts);
      return true;
    });
    if (!budgets->prove(choice.under, from.axis, Budgets::allRows(*from.axis),
                        facts, expr.range))
      return Value();
  }

  auto op = e.choose(kind, axis, choice);
  if ((kind == ChoiceKind::until || greedy) &&
      !emitChoiceRegion(expr, op, axis, inside)) {
    op.erase();
    axis->plan = {};
    return Value();
  }
  axis->plan = op.getResult();
  axis->under.assign(choice.under.begin(), choice.under.end());
  Value plan = finishPlan(axis, op.getResult(), expr);
  if (plan.isError() || !expr.otherwise || recorded)
    return plan;
  return elseChain(plan, *expr.otherwise, expr.range);
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
