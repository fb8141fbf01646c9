// Rules: conditions with what they choose, in order or by a key.
// `else` and refusals are here too. A rule whose candidates are all absent does
// not fire.
#include "Budgets.h"
#include "Elaborator.h"
#include "llvm/ADT/StringMap.h"

using namespace route;
using namespace route::sema;
using namespace route::ast;

/// `unless`, where it is not null, says for which items nothing else is asked.
Value Elaborator::elseChain(Value plan, const Expr &otherwise,
                            SourceRange range, mlir::Value unless) {
  if (isa<NoneExpr>(ignoreParens(&otherwise)))
    return plan;
  // It reserves only where it decides.
  Context rest = cx;
  auto *own = dyn_cast<ChooseExpr>(ignoreParens(&otherwise));
  if (!cx.ruleUnder.empty() || (own && !own->under.empty())) {
    mlir::Value open = e.unary(UnaryKind::logical_not, hasRows(plan.axis));
    if (unless)
      open = andMask(open, e.unary(UnaryKind::logical_not, unless));
    rest.ruleMask = andMask(rest.ruleMask, open);
  }
  Value next =
      inContext(std::move(rest), [&] { return ruleTarget(otherwise); });
  if (next.isError())
    return next;
  if (!next.is(Kind::Refusal))
    return firstPlan({e.constantInt(e.i1(), 1),
                      unless ? e.unary(UnaryKind::logical_not, unless)
                             : e.constantInt(e.i1(), 1)},
                     {plan, next}, range);
  mlir::Value code = e.constantInt(e.i64(), int64_t(next.number));
  mlir::Value status =
      e.select(hasRows(plan.axis), e.constantInt(e.i64(), 0), code);
  Value result = plan;
  result.text = next.text;
  result.parts = std::make_shared<std::vector<Value>>(*plan.parts);
  result.names = std::make_shared<std::vector<std::string>>(*plan.names);
  result.parts->push_back(Value::array(status));
  result.names->push_back("status");
  return result;
}

/// What stands after `->` of a rule or after `else`.
Value Elaborator::ruleTarget(const Expr &target) {
  const Expr *plain = ignoreParens(&target);
  if (cx.resultPool) {
    Value member =
        labelOf(*plain, Value::ofAxis(Kind::Row, cx.resultPool->axis));
    if (!member.isError())
      return planOfMember(member.axis, member, target.range);
    auto *name = dyn_cast<NameExpr>(plain);
    if (name && lookup(name->name, /*quiet=*/true).isError()) {
      error(diag::unknownName, name->name.range,
            "pool '" + cx.resultPool->axis->name + "' has no row '" +
                name->name.text + "'")
          .label(cx.resultPool->axis->range, "its rows are declared here")
          .suggest(name->name.text, cx.resultPool->axis->labels);
      return Value();
    }
  }
  bool algebra = isAlgebra(*plain);
  Value value = algebra ? Value() : eval(*plain);
  // A row of a pool that the router's is made of: its row there.
  auto isOfPart = [&](const AxisInfo *axis, bool skipped) {
    return cx.resultPool && axis && axis != cx.resultPool->axis &&
           partOf(*cx.resultPool, axis, skipped);
  };
  const AxisInfo *own =
      value.is(Kind::Member) || value.is(Kind::Row) ? value.axis : nullptr;
  bool ref = false; // to a row, which may be that of any item
  if (value.is(Kind::Array))
    if (auto type = dyn_cast<route::RefType>(e.valueTypeOf(value.ir))) {
      own = e.axisOf(type.getAxis());
      ref = cx.resultPool && own == cx.resultPool->axis;
    }
  if (algebra || ref || isOfPart(own, false)) {
    Candidates from;
    if (algebra ? !evalCandidates(*plain, from)
                : !candidatesFrom(value, target.range, from))
      return Value();
    std::vector<Candidates> one = {from};
    Candidates whole;
    if (isOfPart(from.axis, from.skipped) && from.source.isError()) {
      if (!unite(one, false, target.range, whole, cx.resultPool))
        return Value();
      from = whole;
    }
    if (!choosable(from, target.range))
      return Value();
    // The first that may be taken, in the order written.
    AxisInfo *axis = planAxis(cx.items, from.axis, target.range);
    irgen::Emitter::Choice choice;
    choice.count = e.constantInt(e.i64(), 1);
    choice.mask = andMask(from.mask, cx.ruleMask);
    if (from.order)
      choice.keys = {from.order}, choice.up = {true};
    if (!from.source.isError())
      choice.source = from.source.axis->plan;
    choice.under.assign(cx.ruleUnder.begin(), cx.ruleUnder.end());
    axis->under = choice.under;
    auto op = e.choose(ChoiceKind::count, axis, choice);
    return makePlan(axis, op.getResult(), Value());
  }
  if (value.is(Kind::Plan) && !isa<ChooseExpr>(plain) &&
      !boundByRules(*value.axis, target.range))
    return Value();
  return asPlan(value, target.range);
}

/// Whether the mask and budgets of the rules around bind a choice that a rule
/// takes by a name: what was chosen before they were there cannot be masked.
bool Elaborator::boundByRules(const AxisInfo &plan, SourceRange range) {
  bool spends = llvm::all_of(cx.ruleUnder, [&](mlir::Attribute budget) {
    return llvm::is_contained(plan.under, budget);
  });
  if (spends && !cx.ruleWhere)
    return true;
  auto message =
      error(diag::badChoice, range,
            std::string(spends ? "the mask" : "a budget") +
                " of these rules does not bind a choice made elsewhere");
  if (cx.ruleWhere)
    message.label(*cx.ruleWhere, "the mask");
  message.help("write the choice in the rule, or the mask and budgets where "
               "it is made");
  return false;
}

llvm::SmallVector<std::string> route::sema::ruleLabels(const ChooseExpr &expr) {
  llvm::SmallVector<std::string> labels;
  for (const std::unique_ptr<RuleDecl> &rule : expr.rules)
    labels.push_back(rule->name ? rule->name.text
                     : !rule->cond
                         ? "otherwise"
                         : "rule " + std::to_string(labels.size() + 1));
  return labels;
}

/// Two rules that decisions cannot tell apart, as their places in the list.
static std::optional<std::pair<size_t, size_t>>
rulesOfOneName(llvm::ArrayRef<std::string> labels) {
  llvm::StringMap<size_t> seen;
  for (auto [i, label] : llvm::enumerate(labels))
    if (auto [known, fresh] = seen.try_emplace(label, i); !fresh)
      return std::pair(known->second, i);
  return std::nullopt;
}

/// Whether a condition of rules lies along the items, or along the rows of
/// `pool` as well. Another axis is an error.
bool Elaborator::overItems(mlir::Value value, AxisInfo *pool, SourceRange range,
                           StringRef what) {
  AxisList known = cx.items;
  for (AxisInfo *axis : {pool, cx.along})
    if (axis)
      known.push_back(axis);
  for (const Frame &frame : cx.frames)
    for (AxisInfo *axis : {frame.axis, frame.plan})
      if (axis)
        known.push_back(axis);
  for (AxisInfo *used : e.axesOf(value))
    if (llvm::none_of(
            known, [&](AxisInfo *axis) { return axis->descendsFrom(used); })) {
      error(diag::choiceAxes, range,
            what + " has axis '" + used->name + "', which is no item" +
                (pool ? " and no candidate" : ""))
          .help("read one position, such as x[i], or reduce it");
      return false;
    }
  return true;
}

/// Rules that stand where rules may, each with a name of its own.
bool Elaborator::checkRules(const ChooseExpr &expr) {
  if (!cx.resultPool) {
    error(diag::badChoice, expr.range,
          "rules choose from the pool of the router's result");
    return false;
  }
  if (expr.countForm != ChooseExpr::Count::First &&
      plainName(expr.candidates.get()) != "rules") {
    error(diag::badChoice, expr.count ? expr.count->range : expr.range,
          "rules belong to 'choose first' or 'choose 1 of rules'")
        .suggest(plainName(expr.count.get()), {"first"});
    return false;
  }
  if (expr.rules.empty()) {
    error(diag::badChoice, expr.range, "there are no rules here");
    return false;
  }
  if (auto same = rulesOfOneName(ruleLabels(expr))) {
    auto named = [&](size_t i) {
      const RuleDecl &rule = *expr.rules[i];
      return rule.name ? rule.name.range : rule.range;
    };
    error(diag::duplicateName, named(same->second),
          "a second rule '" + ruleLabels(expr)[same->second] + "'")
        .label(named(same->first), "the first")
        .note("decisions say by name which rule made them; a rule without a "
              "name and a condition is 'otherwise'");
    return false;
  }
  return true;
}

Value Elaborator::evalRules(const ChooseExpr &expr) {
  if (!checkRules(expr))
    return Value();
  if (!expr.per.empty()) { // the items of every choice below
    Context items = cx;
    items.items.clear();
    if (!axesFrom(expr.per, items.items))
      return Value();
    if (items.items != cx.items)
      return inContext(std::move(items), [&] { return evalRules(expr); });
  }
  RuleChoice rules(expr, cx);
  if (!surroundRules(rules))
    return Value();
  rules.budgets = llvm::any_of(
      expr.rules, [&](const auto &rule) { return rules.reserves(*rule); });
  bool good = holdRules(rules);
  for (size_t i = 0; i < expr.rules.size(); ++i)
    rules.turns.push_back({i});
  if (good && !rules.first && !takeTurns(rules))
    return Value();
  good &= fireRules(rules); // says what else is wrong
  if (!good)
    return Value();
  e.loc = locationOf(expr.range);
  if (!rules.isChain() && !orderRules(rules))
    return Value();
  if (llvm::any_of(rules.takings,
                   [](const RuleTaking &t) { return t.refusal != 0; }))
    refuseByRules(rules);
  Value plan = decideByRules(rules);
  if (plan.isError() || !expr.otherwise)
    return withRefusals(rules, plan);
  return elseOfRules(rules, plan);
}

bool Elaborator::RuleChoice::reserves(const RuleDecl &rule) const {
  const Expr *target = rule.target.get();
  if (auto *with = dyn_cast<WithExpr>(target))
    target = with->value.get();
  auto *own = dyn_cast<ChooseExpr>(ignoreParens(target));
  return !around.ruleUnder.empty() || (own && !own->under.empty());
}

/// The mask and budgets of the whole hold for the choice of every rule.
bool Elaborator::surroundRules(RuleChoice &rules) {
  const ChooseExpr &expr = rules.expr;
  AxisInfo *pool = cx.resultPool->axis;
  Context masked = cx;
  masked.candidate = pool;
  if (expr.where) {
    mlir::Value mask =
        inContext(masked, [&] { return evalTruth(*expr.where); });
    if (!mask || !overItems(mask, pool, expr.where->range, "the mask"))
      return false;
    lintDraws(mask, cx.items, expr.where->range);
    rules.around.ruleMask = andMask(cx.ruleMask, mask);
    rules.around.ruleWhere = expr.where->range;
    inContext(masked, [&] {
      budgets->addFacts(*expr.where, rules.around.facts);
      return true;
    });
  }
  llvm::SmallVector<mlir::Attribute> under;
  if (!inContext(masked, [&] { return budgets->under(expr.under, under); }))
    return false;
  Budgets::add(rules.around.ruleUnder, under);
  return true;
}

/// When each rule holds, and how surely.
bool Elaborator::holdRules(RuleChoice &rules) {
  bool good = true;
  for (const std::unique_ptr<RuleDecl> &rule : rules.expr.rules) {
    e.loc = locationOf(rule->range);
    mlir::Value when = e.constantInt(e.i1(), 1),
                confidence = e.constant(e.f32(), 1);
    if (rule->cond) {
      Value value = eval(*rule->cond);
      when = asArray(value, rule->cond->range, e.i1());
      if (when && !isTruth(e.elementOf(when))) {
        error(diag::typeMismatch, rule->cond->range,
              "expected a condition, found " + describe(value));
        when = {};
      }
      if (when && !overItems(when, nullptr, rule->cond->range, "the condition"))
        when = {};
      if (when)
        lintDraws(when, cx.items, rule->cond->range);
      if (when) {
        confidence = value.is(Kind::Match) ? e.computing((*value.parts)[1].ir)
                                           : e.cast(when, e.f32());
        lintRule(*rule, when, rules.first);
      }
    }
    good &= bool(when);
    rules.holds.push_back(when);
    rules.confidences.push_back(confidence);
  }
  return good;
}

static std::optional<int64_t> constantOf(mlir::Value value) {
  while (auto broadcast = value.getDefiningOp<BroadcastOp>())
    value = broadcast.getOperand();
  auto constant = value.getDefiningOp<ConstantOp>();
  auto number = constant ? dyn_cast<mlir::IntegerAttr>(constant.getValue())
                         : mlir::IntegerAttr();
  if (!number)
    return std::nullopt;
  return number.getType().isInteger(1) ? number.getValue().getZExtValue()
                                       : number.getValue().getSExtValue();
}

/// Whether a mask surely allows a row of `pool` to every item: it names one.
static bool surelyAllows(mlir::Value mask, const AxisInfo *pool) {
  if (!mask || constantOf(mask) == 1)
    return true;
  if (auto either = mask.getDefiningOp<route::BinaryOp>())
    return either.getKind() == BinaryKind::logical_or &&
           (surelyAllows(either.getLhs(), pool) ||
            surelyAllows(either.getRhs(), pool));
  auto equal = mask.getDefiningOp<CompareOp>();
  auto places = equal ? equal.getLhs().getDefiningOp<IotaOp>() : IotaOp();
  if (!places || equal.getKind() != CompareKind::eq ||
      cast<route::ArrayType>(places.getType()).getAxes().front() !=
          pool->symbol)
    return false;
  std::optional<int64_t> place = constantOf(equal.getRhs());
  return place && *place >= 0 && *place < pool->size;
}

/// Whether a plan has a row for every item whatever the inputs are.
bool Elaborator::surelyHasRow(mlir::Value plan) {
  if (auto first = plan.getDefiningOp<FirstPlanOp>())
    return llvm::any_of(llvm::zip(first.getWhens(), first.getPlans()),
                        [&](const auto &each) {
                          return constantOf(std::get<0>(each)) == 1 &&
                                 surelyHasRow(std::get<1>(each));
                        });
  auto choose = plan.getDefiningOp<ChooseOp>();
  if (!choose || choose.getSource() || choose.getUnder())
    return false;
  const AxisInfo *axis = e.axisOf(cast<PlanType>(plan.getType()).getAxis());
  const AxisInfo *pool = axis->candidates();
  // Of an axis within another an item may have no position.
  if (pool->size < 1 || !pool->parents.empty() ||
      llvm::is_contained(axis->items(), pool))
    return false;
  bool some = choose.getKind() == ChoiceKind::all ||
              choose.getKind() == ChoiceKind::until ||
              (choose.getKind() == ChoiceKind::count &&
               constantOf(choose.getCount()).value_or(0) > 0);
  return some && surelyAllows(choose.getMask(), pool);
}

/// What each rule takes, in the order in which they are asked.
bool Elaborator::fireRules(RuleChoice &rules) {
  bool good = true, always = false;
  for (const RuleTurn &turn : rules.turns) {
    if (always)
      error(diag::ruleNeverFires, rules.expr.rules[turn.front()]->range,
            "this rule can never fire")
          .note("a rule before it always does");
    if (turn.size() > 1) {
      good = good && askInRounds(rules, turn);
    } else if (rules.holds[turn.front()]) {
      auto taking = askRule(rules, turn.front(), {});
      good &= taking.has_value();
      if (!taking)
        continue;
      always |= rules.first && constantOf(taking->when) == 1 &&
                (taking->refusal || surelyHasRow(taking->plan.axis->plan));
      rules.takings.push_back(std::move(*taking));
    }
  }
  return good;
}

/// What a rule takes of the items for which it holds, or, where that is given,
/// of those that are `here`.
std::optional<Elaborator::RuleTaking>
Elaborator::askRule(RuleChoice &rules, size_t place, mlir::Value here) {
  const RuleDecl &rule = *rules.expr.rules[place];
  RuleTaking taking;
  taking.when = here ? here : rules.holds[place];
  taking.rule = e.constantInt(e.i64(), int64_t(place));
  e.loc = locationOf(rule.range);
  const Expr *target = rule.target.get();
  if (auto *with = dyn_cast<WithExpr>(target))
    target = with->value.get();
  Context firing = rules.around;
  if (rule.cond)
    budgets->addFacts(*rule.cond, firing.facts);
  // A rule that does not fire reserves nothing.
  if (rules.isChain() && rules.reserves(rule))
    firing.ruleMask =
        andMask(firing.ruleMask,
                andMask(rule.cond || here ? taking.when : nullptr, rules.open));
  taking.plan =
      inContext(std::move(firing), [&] { return ruleTarget(*target); });
  if (taking.plan.is(Kind::Refusal)) { // it takes no row
    taking.refusal = int64_t(taking.plan.number);
    AxisInfo *axis = planAxis(cx.items, cx.resultPool->axis, rule.range);
    irgen::Emitter::Choice none;
    none.mask = e.constantInt(e.i1(), 0);
    taking.plan = makePlan(
        axis, e.choose(ChoiceKind::all, axis, none).getResult(), Value());
  }
  if (taking.plan.isError())
    return std::nullopt;
  if (rules.budgets) {
    taking.taken = taking.refusal ? taking.when : hasRows(taking.plan.axis);
    if (!taking.refusal && !rules.reserves(rule))
      taking.taken =
          e.binary(BinaryKind::logical_and, taking.when, taking.taken);
    if (e.isRange(taking.taken)) // what may hold is passed over
      taking.taken = e.coalesce(taking.taken, e.constantInt(e.i1(), 0));
    rules.open =
        andMask(rules.open, e.unary(UnaryKind::logical_not, taking.taken));
  }
  return taking;
}

/// The plan of the first rule that fires, with its notes and with which rule it
/// was.
Value Elaborator::decideByRules(const RuleChoice &rules) {
  llvm::SmallVector<mlir::Value> whens;
  llvm::SmallVector<Value, 4> plans;
  for (const RuleTaking &taking : rules.takings) {
    whens.push_back(taking.when);
    plans.push_back(taking.plan);
  }
  Value plan = firstPlan(whens, plans, rules.expr.range);
  if (plan.isError())
    return plan;
  mlir::Value which = plan.part("which")->ir;
  auto number = [&](size_t i) { return e.constantInt(e.i64(), int64_t(i)); };
  if (rules.refused) // `which` is the rule that refused
    for (auto [i, taking] : llvm::enumerate(rules.takings))
      if (taking.refusal)
        which =
            e.select(e.binary(BinaryKind::logical_and, rules.refused,
                              e.broadcastTo(taking.when, plan.axis->items())),
                     number(i), which);
  // Rules count as they are written, not as they are asked.
  mlir::Value fired = which;
  for (auto [i, taking] : llvm::enumerate(rules.takings)) {
    auto constant = taking.rule.getDefiningOp<ConstantOp>();
    auto place = constant ? dyn_cast<mlir::IntegerAttr>(constant.getValue())
                          : mlir::IntegerAttr();
    if (!place || place.getInt() != int64_t(i))
      fired = e.select(e.compare(CompareKind::eq, which, number(i)),
                       taking.rule, fired);
  }
  llvm::SmallVector<std::string> labels = ruleLabels(rules.expr);
  fired.getDefiningOp()->setAttr(
      "rules",
      e.builder.getStrArrayAttr(llvm::to_vector_of<StringRef>(labels)));
  size_t whichAt = llvm::find(*plan.names, "which") - plan.names->begin();
  (*plan.parts)[whichAt].ir = fired;
  llvm::SmallVector<const WithExpr *> notes;
  for (const std::unique_ptr<RuleDecl> &rule : rules.expr.rules)
    notes.push_back(dyn_cast<WithExpr>(rule->target.get()));
  return addNotes(plan, notes) ? plan : Value();
}

/// `result` with the codes of rules that refuse.
Value Elaborator::withRefusals(const RuleChoice &rules, Value result) {
  if (!rules.refused || result.isError())
    return result;
  const Value *status = result.part("status");
  Value merged =
      Value::array(e.select(rules.refused, rules.code,
                            status ? status->ir : e.constantInt(e.i64(), 0)));
  for (size_t i = 0; i < result.names->size(); ++i)
    if ((*result.names)[i] == "status") {
      (*result.parts)[i] = merged;
      return result;
    }
  result.parts->push_back(merged);
  result.names->push_back("status");
  return result;
}

/// The `else` of rules decides where none of them did.
Value Elaborator::elseOfRules(const RuleChoice &rules, Value plan) {
  // The notes of the `else` are those of its own `with`.
  const Expr *otherwise = rules.expr.otherwise.get();
  if (auto *with = dyn_cast<WithExpr>(otherwise)) {
    otherwise = with->value.get();
    for (size_t i = 0; i < plan.names->size(); ++i) {
      StringRef name = (*plan.names)[i];
      if (!name.consume_front("note."))
        continue;
      mlir::Value none = e.compare(CompareKind::lt, plan.part("which")->ir,
                                   e.constantInt(e.i64(), 0));
      const ColumnDecl *note = noteNamed(name);
      const Expr *written = nullptr;
      for (const Arg &arg : with->notes)
        if (arg.name.text == note->name.text)
          written = arg.value.get();
      mlir::Value value = noteValue(*note, noteTypes[note->name.text], written);
      if (!value)
        return Value();
      (*plan.parts)[i] =
          Value::array(e.select(none, value, (*plan.parts)[i].ir));
    }
  }
  Value result = elseChain(plan, *otherwise, rules.expr.range, rules.refused);
  if (result.isError())
    return result;
  for (size_t i = 0; i < plan.names->size(); ++i)
    if (StringRef((*plan.names)[i]).starts_with("note.") &&
        !result.part((*plan.names)[i])) {
      result.parts->push_back((*plan.parts)[i]);
      result.names->push_back((*plan.names)[i]);
    }
  // What an `else` decides no rule has decided.
  for (size_t i = 0; i < result.names->size(); ++i)
    if ((*result.names)[i] == "which")
      (*result.parts)[i] = *plan.part("which");
  return withRefusals(rules, result);
}

/// Works out for which items a rule refuses: it holds, and no rule before it
/// took a row or refused. Later rules do not fire there.
void Elaborator::refuseByRules(RuleChoice &rules) {
  AxisList items = AxisList(rules.takings.front().plan.axis->items());
  mlir::Value no = e.broadcastTo(e.constantInt(e.i1(), 0), items);
  mlir::Value fired = no;
  rules.refused = no;
  rules.code = e.broadcastTo(e.constantInt(e.i64(), 0), items);
  for (RuleTaking &taking : rules.takings) {
    mlir::Value &when = taking.when;
    if (e.isRange(when))
      when = e.coalesce(when, e.constantInt(e.i1(), 0));
    if (rules.isChain()) // otherwise one of them holds already
      when = e.binary(BinaryKind::logical_and, when,
                      e.unary(UnaryKind::logical_not, rules.refused));
    if (!taking.refusal) {
      fired = e.binary(
          BinaryKind::logical_or, fired,
          e.binary(BinaryKind::logical_and, when, hasRows(taking.plan.axis)));
      continue;
    }
    mlir::Value here = e.binary(BinaryKind::logical_and, when,
                                e.unary(UnaryKind::logical_not, fired));
    rules.code =
        e.select(here, e.constantInt(e.i64(), taking.refusal), rules.code);
    rules.refused = e.binary(BinaryKind::logical_or, rules.refused, here);
  }
}

/// Warns where one missing answer would switch a safety rule off.
void Elaborator::lintRule(const RuleDecl &rule, mlir::Value when, bool first) {
  bool safety = false;
  for (const Arg &attribute : rule.attributes)
    if (attribute.name.text == "tier")
      if (auto *number = dyn_cast<NumberExpr>(attribute.value.get()))
        safety = number->value() <= 1;
  if (safety && e.isRange(when))
    error(diag::unknownSafetyRule, rule.cond->range,
          "this rule does not fire while its signals are unknown")
        .note("an unknown rule is passed over, and this one stands in the "
              "first tier")
        .help("write (…) ?? true to let it fire then");
  if (auto constant = when.getDefiningOp<ConstantOp>())
    if (auto truth = dyn_cast<mlir::IntegerAttr>(constant.getValue());
        truth && truth.getValue().isZero())
      error(diag::ruleNeverFires, rule.cond->range, "this rule can never fire");
}
