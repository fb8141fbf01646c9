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
  if (!weight.isError()) {
    value.parts->push_back(weight);
    value.names->push_back("weight");
  }
  return value;
}

bool Elaborator::evalCandidates(const Expr &expr, Candidates &out) {
  const Expr *plain = ignoreParens(&expr);
  if (auto *binary = dyn_cast<ast::BinaryExpr>(plain);
      binary && binary->op == ast::BinaryOp::Where) {
    if (!evalCandidates(*binary->lhs, out))
      return false;
    Context next = cx;
    next.candidate = out.axis;
    next.along = out.axis->isPlan() ? out.axis : nullptr;
    mlir::Value mask =
        inContext(std::move(next), [&] { return evalTruth(*binary->rhs); });
    out.mask = andMask(out.mask, mask);
    return bool(mask);
  }
  if (auto *set = dyn_cast<SetExpr>(plain)) {
    // Members of one pool by name: the others are absent.
    for (const ExprPtr &element : set->elements) {
      auto *name = dyn_cast<NameExpr>(ignoreParens(element.get()));
      Value member;
      if (name && cx.resultPool)
        member = labelOf(*name, Value::ofAxis(Kind::Row, cx.resultPool->axis));
      if (member.isError())
        member = eval(*element);
      if (member.isError())
        return false;
      if (!member.is(Kind::Member) || (out.axis && out.axis != member.axis)) {
        error(diag::wrongKind, element->range,
              "expected a member of one pool, found " + describe(member));
        return false;
      }
      out.axis = member.axis;
      out.listed.push_back(int64_t(member.number));
    }
    if (!out.axis) {
      error(diag::badChoice, expr.range, "there is nothing to choose from");
      return false;
    }
    mlir::Value position = e.iota(out.axis, true);
    for (int64_t row : out.listed) {
      mlir::Value same = e.compare(CompareKind::eq, position,
                                   e.constantInt(e.elementOf(position), row));
      out.mask =
          out.mask ? e.binary(BinaryKind::logical_or, out.mask, same) : same;
    }
    return true;
  }
  Value value;
  if (auto *name = dyn_cast<NameExpr>(plain)) {
    if (cx.resultPool &&
        llvm::is_contained(cx.resultPool->axis->labels, name->name.text)) {
      out.axis = cx.resultPool->axis;
      out.listed = {int64_t(llvm::find(out.axis->labels, name->name.text) -
                            out.axis->labels.begin())};
      mlir::Value position = e.iota(out.axis, true);
      out.mask =
          e.compare(CompareKind::eq, position,
                    e.constantInt(e.elementOf(position), out.listed.front()));
      return true;
    }
    value = lookup(name->name);
  } else {
    value = eval(*plain);
  }
  if (value.isError())
    return false;
  if (value.is(Kind::Plan)) {
    out.source = value;
    out.axis = value.axis;
    return true;
  }
  if (value.is(Kind::Axis) || (value.is(Kind::Row) && !value.ir)) {
    out.axis = value.axis;
    return true;
  }
  error(diag::wrongKind, expr.range, "cannot choose from " + describe(value))
      .note("candidates are a pool, an axis, a plan, or members in braces");
  return false;
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
  mlir::Value key;
  if (plainName(plain) == "order" && !cx.scope->lookup("order").first) {
    key = e.iota(cx.candidate, /*asRef=*/false); // the order of declaration
  } else {
    Value value = eval(*plain);
    key = asArray(value, plain->range, e.f32());
    if (!key)
      return false;
    mlir::Type element = e.valueTypeOf(key);
    if (isTruth(element) || isa<route::EnumType>(element))
      key = e.cast(key, e.i64());
    else if (!isNumber(element)) {
      error(diag::typeMismatch, plain->range,
            "a key is a number, found " + describe(value));
      return false;
    }
    key = e.computing(key);
  }
  keys.push_back(key);
  up.push_back(rising);
  return true;
}

bool Elaborator::budgetsFrom(const std::vector<ExprPtr> &exprs,
                             llvm::SmallVectorImpl<mlir::Attribute> &symbols) {
  for (const ExprPtr &expr : exprs) {
    auto *name = dyn_cast<NameExpr>(ignoreParens(expr.get()));
    if (!name) {
      error(diag::wrongKind, expr->range, "expected the name of a budget");
      return false;
    }
    auto symbol = budgetSymbol(name->name);
    if (!symbol)
      return false;
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
  return plainName(expr) == "chosen";
}

Value Elaborator::evalChoose(const ChooseExpr &expr) {
  if (!expr.rules.empty() || expr.countForm == ChooseExpr::Count::First)
    return evalRules(expr);
  if (expr.countForm == ChooseExpr::Count::Path)
    return unsupported(expr.range, "'choose path'");
  Candidates from;
  if (expr.candidates) {
    if (!evalCandidates(*expr.candidates, from))
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
  if (cx.along)
    return unsupported(expr.range,
                       "a choice inside a body that runs along a plan");

  Context inside = cx;
  inside.candidate = from.axis;
  inside.along = from.axis->isPlan() ? from.axis : nullptr;
  inside.items = per;
  llvm::SmallVector<mlir::Value> keys;
  llvm::SmallVector<bool> up;
  mlir::Value mask = from.mask, count;
  bool good = inContext(inside, [&] {
    if (expr.where) {
      mlir::Value more = evalTruth(*expr.where);
      if (!more)
        return false;
      mask = andMask(mask, more);
    }
    return true;
  });
  if (!good)
    return Value();
  auto kind = ChoiceKind::count;
  llvm::SmallVector<mlir::Value> table;
  switch (expr.countForm) {
  case ChooseExpr::Count::Number: {
    if (!expr.count)
      return fail(diag::badChoice, expr.range, "say how many to choose");
    Value value = eval(*expr.count);
    if (value.is(Kind::Number) && (!value.integral || value.number < 0))
      return fail(diag::badChoice, expr.count->range,
                  "the count of a choice is a whole number");
    count = asArray(value, expr.count->range, e.i64());
    if (!count)
      return Value();
    if (!isNumber(e.elementOf(count)) || !value.unit.isNone())
      return fail(diag::typeMismatch, expr.count->range,
                  "the count of a choice is a plain number, found " +
                      describe(value));
    count = e.cast(count, e.i64());
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
  bool greedy = expr.key && mentionsChosen(expr.key.get());
  AxisInfo *axis = planAxis(per, from.axis, expr.range);
  if (expr.key && !greedy &&
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
    if (!fits(key, expr.key->range, "the key"))
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
    under.append(cx.ruleUnder.begin(), cx.ruleUnder.end());

  // A choice for the rows of a plan has something over those rows.
  for (AxisInfo *item : per) {
    auto over = [&](mlir::Value value) {
      return value && llvm::is_contained(e.axesOf(value), item);
    };
    if (item->isPlan() && !over(mask) && !over(count) &&
        llvm::none_of(keys, over))
      mask = andMask(mask, e.broadcastTo(e.constant(e.i1(), 1, {}), item));
  }

  auto type = PlanType::get(&context, axis->symbol);
  irgen::Emitter::Choice choice{count, mask, keys,  up,
                                under, {},   table, greedy};
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
    bool ok = inContext(region, [&] {
      if (greedy) {
        llvm::SmallVector<bool> directions;
        if (!evalKeys(*expr.key, yielded, directions))
          return false;
        op.setUp(directions);
        return true;
      }
      cx.candidate = nullptr;
      mlir::Value stop = evalTruth(*expr.count);
      if (stop)
        yielded.push_back(stop);
      return bool(stop);
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
  if (plan.isError() || !expr.otherwise)
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
