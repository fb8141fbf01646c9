//===- Rules.cpp - Rules, else chains and refusals ------------------------===//
//
// Rules are rows: `choose first` takes them in the order written, `choose 1 of
// rules by KEY` by their attributes and confidence. A rule whose candidates are
// all absent does not fire.
//
//===----------------------------------------------------------------------===//
#include "Elaborator.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/JSON.h"

using namespace route;
using namespace route::sema;
using namespace route::ast;

Value Elaborator::planOfMember(AxisInfo *pool, const Value &member,
                               SourceRange range) {
  if (!proveBudgets(cx.ruleUnder, pool, {int64_t(member.number)}, cx.facts,
                    range))
    return Value();
  mlir::Value position = e.iota(pool, true);
  mlir::Value mask =
      e.compare(CompareKind::eq, position,
                e.constantInt(e.elementOf(position), int64_t(member.number)));
  mask = andMask(mask, cx.ruleMask);
  AxisInfo *axis = planAxis(cx.items, pool, range);
  irgen::Emitter::Choice choice;
  choice.mask = mask;
  choice.under.assign(cx.ruleUnder.begin(), cx.ruleUnder.end());
  axis->under = choice.under;
  auto op = e.choose(ChoiceKind::all, axis, choice);
  return makePlan(axis, op.getResult(), Value());
}

Value Elaborator::asPlan(const Value &value, SourceRange range) {
  switch (value.kind) {
  case Kind::Plan:
  case Kind::Refusal:
  case Kind::Error:
    return value;
  case Kind::Member:
    return planOfMember(value.axis, value, range);
  case Kind::Axis:
  case Kind::Row:
    if (!value.ir) {
      // All of a pool: the first row that may be taken.
      AxisInfo *axis = planAxis(cx.items, value.axis, range);
      irgen::Emitter::Choice choice;
      choice.count = e.constantInt(e.i64(), 1);
      choice.mask = cx.ruleMask;
      choice.under.assign(cx.ruleUnder.begin(), cx.ruleUnder.end());
      axis->under = choice.under;
      auto op = e.choose(ChoiceKind::count, axis, choice);
      return makePlan(axis, op.getResult(), Value());
    }
    break;
  default:
    break;
  }
  return fail(diag::wrongKind, range,
              "expected rows of a pool, found " + describe(value));
}

/// Whether each item has a row.
mlir::Value Elaborator::hasRows(AxisInfo *plan) {
  mlir::Value one = e.broadcastTo(e.constantInt(e.i1(), 1), plan);
  return e.reduce(ReduceKind::any, one, plan->items());
}

Value Elaborator::firstPlan(llvm::ArrayRef<mlir::Value> whens,
                            llvm::ArrayRef<Value> plans, SourceRange range) {
  AxisInfo *model = plans.front().axis;
  bool weighted = false;
  for (const Value &plan : plans) {
    if (plan.axis->parents != model->parents) {
      error(diag::choiceAxes, range,
            "these choices are from different things or for different items")
          .note("one chooses from '" + model->candidates()->name + "' for (" +
                describeAxes(model->items()) + "), another from '" +
                plan.axis->candidates()->name + "' for (" +
                describeAxes(plan.axis->items()) + ")");
      return Value();
    }
    weighted |= plan.part("weight") != nullptr;
  }
  AxisInfo *axis =
      planAxis(AxisList(model->items()), model->candidates(), range);
  llvm::SmallVector<mlir::Value> conditions, handles, columns;
  for (auto [when, plan] : llvm::zip(whens, plans)) {
    for (mlir::Attribute budget : plan.axis->under)
      if (!llvm::is_contained(axis->under, budget))
        axis->under.push_back(budget);
    conditions.push_back(e.broadcastTo(when, axis->items()));
    handles.push_back(plan.axis->plan);
    if (weighted)
      columns.push_back(plan.part("weight")
                            ? e.cast(plan.part("weight")->ir, e.f32())
                            : e.broadcastTo(e.constant(e.f32(), 1), plan.axis));
  }
  llvm::SmallVector<mlir::Type> types = {PlanType::get(&context, axis->symbol),
                                         e.arrayType(e.i64(), axis->items())};
  if (weighted)
    types.push_back(e.arrayType(e.f32(), {axis}));
  auto op = FirstPlanOp::create(e.builder, e.loc, types, conditions, handles,
                                columns, axis->symbol);
  Value plan = makePlan(axis, op.getResult(),
                        weighted ? Value::array(op.getResultColumns().front())
                                 : Value());
  plan.parts->push_back(Value::array(op.getWhich()));
  plan.names->push_back("which");
  // A refusal of the last plan stands where no plan has rows.
  if (const Value *status = plans.back().part("status")) {
    mlir::Value none =
        e.compare(CompareKind::lt, op.getWhich(), e.constantInt(e.i64(), 0));
    plan.parts->push_back(
        Value::array(e.select(none, status->ir, e.constantInt(e.i64(), 0))));
    plan.names->push_back("status");
  }
  return plan;
}

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
  if (auto *name = dyn_cast<NameExpr>(plain); name && cx.resultPool) {
    Value member =
        labelOf(*name, Value::ofAxis(Kind::Row, cx.resultPool->axis));
    if (!member.isError())
      return planOfMember(member.axis, member, target.range);
    if (lookup(name->name, /*quiet=*/true).isError()) {
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
  if (value.is(Kind::Array))
    if (auto ref = dyn_cast<route::RefType>(e.valueTypeOf(value.ir)))
      own = e.axisOf(ref.getAxis());
  if (algebra || isOfPart(own, false)) {
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
  return asPlan(value, target.range);
}

/// A note that is a list: one of those that the file writes for it. They are
/// the members of an enumeration, as JSON.
mlir::Value Elaborator::listNote(const ColumnDecl &note, const TypeInfo &type,
                                 const Expr &source) {
  auto *list = dyn_cast<ListExpr>(ignoreParens(&source));
  bool texts =
      isa<TextType>(cast<ListType>(getValueType(type.element)).getValueType());
  llvm::json::Array members;
  if (list)
    for (const Arg &entry : list->entries) {
      auto *text = dyn_cast<StringExpr>(ignoreParens(entry.value.get()));
      texts &= text && !entry.name;
      if (text)
        members.push_back(text->value);
    }
  if (!list || !texts) {
    error(diag::typeMismatch, source.range,
          "note '" + note.name.text + "' is a list of text, such as [\"a\"]");
    return {};
  }
  std::string label;
  llvm::raw_string_ostream(label) << llvm::json::Value(std::move(members));
  mlir::Type &element = listNotes[note.name.text];
  if (!element) {
    element = makeEnum({}, "note." + note.name.text, note.range);
    symbolOf(element)->setAttr("json", e.builder.getUnitAttr());
  }
  std::vector<std::string> &labels = enumLabels[mlir::TypeAttr::get(element)];
  auto found = llvm::find(labels, label);
  if (found == labels.end()) {
    labels.push_back(label);
    cast<EnumOp>(symbolOf(element))
        .setLabelsAttr(
            e.builder.getStrArrayAttr(llvm::to_vector_of<StringRef>(labels)));
    found = std::prev(labels.end());
  }
  return e.constantInt(element, found - labels.begin());
}

mlir::Operation *Elaborator::symbolOf(mlir::Type coded) {
  return mlir::SymbolTable::lookupSymbolIn(
      *module, cast<route::EnumType>(coded).getSymbol().getAttr());
}

/// The value of a note for a rule, as an element of the note's type.
mlir::Value Elaborator::noteValue(const ColumnDecl &note, const TypeInfo &type,
                                  const Expr *written) {
  const Expr *source = written ? written : note.init.get();
  if (!source) {
    error(diag::argumentMismatch, note.range,
          "note '" + note.name.text + "' needs a default");
    return {};
  }
  if (isa<ListType>(getValueType(type.element)))
    return listNote(note, type, *source);
  mlir::Attribute attr = constantAttr(*source, type);
  if (!attr)
    return {};
  return ConstantOp::create(e.builder, e.loc,
                            route::ArrayType::get(type.element), attr);
}

/// What decisions call the rules: by name, or by place.
static llvm::SmallVector<std::string> ruleLabels(const ChooseExpr &expr) {
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

/// One part of the key of `choose 1 of rules by KEY`.
struct RuleKey {
  const Expr *written;
  StringRef name; // `conf`, `name`, `order` or an attribute of rules
  bool rising = false;
};

static std::vector<RuleKey> keysOfRules(const ChooseExpr &expr) {
  std::vector<const Expr *> parts;
  if (auto *tuple = dyn_cast_or_null<TupleExpr>(ignoreParens(expr.key.get())))
    for (const ExprPtr &element : tuple->elements)
      parts.push_back(element.get());
  else if (expr.key)
    parts.push_back(expr.key.get());
  std::vector<RuleKey> keys;
  for (const Expr *part : parts) {
    RuleKey key{ignoreParens(part), {}};
    if (auto *unary = dyn_cast<ast::UnaryExpr>(key.written);
        unary && unary->op == ast::UnaryOp::Up) {
      key.rising = true;
      key.written = ignoreParens(unary->operand.get());
    }
    key.name = plainName(key.written);
    keys.push_back(key);
  }
  return keys;
}

/// What a key other than `conf` is for each rule; an absent attribute is last.
/// Nothing where `evaluate` fails; empty where no rule has such an attribute.
static std::optional<std::vector<double>> columnOfRules(
    const ChooseExpr &expr, const RuleKey &key,
    llvm::function_ref<std::optional<double>(const Expr &)> evaluate) {
  llvm::SmallVector<std::string> labels = ruleLabels(expr), byName = labels;
  llvm::sort(byName);
  std::vector<double> column;
  bool known = key.name == "name" || key.name == "order";
  for (auto [i, rule] : llvm::enumerate(expr.rules)) {
    double value = key.rising ? 1e30 : -1e30;
    if (key.name == "name")
      value = double(llvm::find(byName, labels[i]) - byName.begin());
    else if (key.name == "order")
      value = double(i);
    for (const Arg &attribute : rule->attributes)
      if (attribute.name.text == key.name) {
        auto given = evaluate(*attribute.value);
        if (!given)
          return std::nullopt;
        value = *given;
        known = true;
      }
    column.push_back(value);
  }
  return known ? column : std::vector<double>();
}

Value Elaborator::evalRules(const ChooseExpr &expr) {
  if (!cx.resultPool)
    return fail(diag::badChoice, expr.range,
                "rules choose from the pool of the router's result");
  PoolInfo &pool = *cx.resultPool;
  bool first = expr.countForm == ChooseExpr::Count::First;
  if (!first && plainName(expr.candidates.get()) != "rules")
    return fail(diag::badChoice, expr.range,
                "rules belong to 'choose first' or 'choose 1 of rules'");
  if (expr.rules.empty())
    return fail(diag::badChoice, expr.range, "there are no rules here");
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
    return Value();
  }
  if (!expr.per.empty()) { // the items of every choice below
    Context items = cx;
    items.items.clear();
    if (!axesFrom(expr.per, items.items))
      return Value();
    if (items.items != cx.items)
      return inContext(std::move(items), [&] { return evalRules(expr); });
  }

  // The mask and budgets of the whole hold for the choice of every rule.
  Context rules = cx;
  Context masked = cx;
  masked.candidate = pool.axis;
  if (expr.where) {
    mlir::Value mask =
        inContext(masked, [&] { return evalTruth(*expr.where); });
    if (!mask)
      return Value();
    if (!overItems(mask, pool.axis, expr.where->range, "the mask"))
      return Value();
    rules.ruleMask = andMask(cx.ruleMask, mask);
    inContext(masked, [&] {
      addFacts(*expr.where, rules.facts);
      return true;
    });
  }
  llvm::SmallVector<mlir::Attribute> under;
  if (!inContext(masked, [&] { return budgetsFrom(expr.under, under); }))
    return Value();
  addBudgets(rules.ruleUnder, under);

  // Budgets are reserved from rule to rule: each is asked in its turn.
  auto ownChoice = [](const RuleDecl &rule) {
    const Expr *target = rule.target.get();
    if (auto *with = dyn_cast<WithExpr>(target))
      target = with->value.get();
    return dyn_cast<ChooseExpr>(ignoreParens(target));
  };
  auto reserves = [&](const RuleDecl &rule) {
    auto *own = ownChoice(rule);
    return !rules.ruleUnder.empty() || (own && !own->under.empty());
  };
  bool budgets = llvm::any_of(
      expr.rules, [&](const auto &rule) { return reserves(*rule); });
  bool chain = first || budgets;

  // When each holds, and how surely.
  llvm::SmallVector<mlir::Value> holds, confidences;
  bool good = true, always = false;
  for (const std::unique_ptr<RuleDecl> &rule : expr.rules) {
    if (always && first) {
      error(diag::ruleNeverFires, rule->range, "this rule can never fire")
          .note("a rule before it always does");
    }
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
      if (when) {
        confidence = value.is(Kind::Match) ? e.computing((*value.parts)[1].ir)
                                           : e.cast(when, e.f32());
        lintRule(*rule, when, first);
        if (auto constant = when.getDefiningOp<ConstantOp>())
          if (auto truth = dyn_cast<mlir::IntegerAttr>(constant.getValue()))
            always |= truth.getValue().isOne();
      }
    } else {
      always = true;
    }
    good &= bool(when);
    holds.push_back(when);
    confidences.push_back(confidence);
  }
  // Rules as they are asked: each once, or, where confidence orders them under
  // a budget, in every place of the order that they may have.
  llvm::SmallVector<RuleTurn> turns;
  for (size_t i = 0; i < expr.rules.size(); ++i)
    turns.push_back({i, {}});
  if (good && !first && budgets && !takeTurns(expr, holds, confidences, turns))
    return Value();

  llvm::SmallVector<mlir::Value> whens;
  llvm::SmallVector<Value, 4> plans;
  llvm::SmallVector<const WithExpr *> notes;
  llvm::SmallVector<int64_t> refusals; // the code, or 0
  mlir::Value open;                    // items that no rule has decided yet
  for (auto [place, here] : turns) {
    const std::unique_ptr<RuleDecl> &rule = expr.rules[place];
    mlir::Value when = here ? here : holds[place];
    if (!when)
      continue;
    e.loc = locationOf(rule->range);
    const Expr *target = rule->target.get();
    auto *with = dyn_cast<WithExpr>(target);
    if (with)
      target = with->value.get();
    Context firing = rules;
    if (rule->cond)
      addFacts(*rule->cond, firing.facts);
    // A rule that does not fire reserves nothing.
    if (chain && reserves(*rule))
      firing.ruleMask = andMask(
          firing.ruleMask, andMask(rule->cond || here ? when : nullptr, open));
    Value plan =
        inContext(std::move(firing), [&] { return ruleTarget(*target); });
    int64_t refusal = 0;
    if (plan.is(Kind::Refusal)) { // it takes no row
      refusal = int64_t(plan.number);
      AxisInfo *axis = planAxis(cx.items, pool.axis, rule->range);
      irgen::Emitter::Choice none;
      none.mask = e.constantInt(e.i1(), 0);
      plan = makePlan(axis, e.choose(ChoiceKind::all, axis, none).getResult(),
                      Value());
    }
    if (plan.isError()) {
      good = false;
      continue;
    }
    if (chain && budgets) {
      mlir::Value taken = refusal ? when : hasRows(plan.axis);
      if (!refusal && !reserves(*rule))
        taken = e.binary(BinaryKind::logical_and, when, taken);
      if (e.isRange(taken)) // what may hold is passed over
        taken = e.coalesce(taken, e.constantInt(e.i1(), 0));
      open = andMask(open, e.unary(UnaryKind::logical_not, taken));
    }
    whens.push_back(when);
    plans.push_back(plan);
    notes.push_back(with);
    refusals.push_back(refusal);
  }
  if (!good)
    return Value();
  e.loc = locationOf(expr.range);
  if (!chain && !orderRules(expr, whens, confidences, plans, refusals))
    return Value();
  mlir::Value refused, code;
  if (llvm::any_of(refusals, [](int64_t c) { return c != 0; }))
    refuseByRules(chain, refusals, plans, whens, refused, code);
  Value plan = firstPlan(whens, plans, expr.range);
  if (plan.isError())
    return plan;
  mlir::Value which = plan.part("which")->ir;
  if (refused) // `which` is the rule that refused
    for (auto [i, refusal] : llvm::enumerate(refusals))
      if (refusal)
        which = e.select(e.binary(BinaryKind::logical_and, refused,
                                  e.broadcastTo(whens[i], plan.axis->items())),
                         e.constantInt(e.i64(), int64_t(i)), which);
  size_t whichAt = llvm::find(*plan.names, "which") - plan.names->begin();
  (*plan.parts)[whichAt].ir = which;
  if (!addNotes(plan, notes))
    return Value();
  mlir::Value fired = which;
  // Rules count as they are written, not as they are asked.
  for (auto [i, turn] : llvm::enumerate(turns))
    if (turn.rule != i)
      fired = e.select(
          e.compare(CompareKind::eq, which, e.constantInt(e.i64(), int64_t(i))),
          e.constantInt(e.i64(), int64_t(turn.rule)), fired);
  llvm::SmallVector<std::string> labels = ruleLabels(expr);
  fired.getDefiningOp()->setAttr(
      "rules",
      e.builder.getStrArrayAttr(llvm::to_vector_of<StringRef>(labels)));
  (*plan.parts)[whichAt].ir = fired;
  auto withRefusals = [&](Value result) {
    if (!refused || result.isError())
      return result;
    const Value *status = result.part("status");
    Value merged = Value::array(e.select(
        refused, code, status ? status->ir : e.constantInt(e.i64(), 0)));
    for (size_t i = 0; i < result.names->size(); ++i)
      if ((*result.names)[i] == "status") {
        (*result.parts)[i] = merged;
        return result;
      }
    result.parts->push_back(merged);
    result.names->push_back("status");
    return result;
  };
  if (!expr.otherwise)
    return withRefusals(plan);
  // The notes of the `else` are those of its own `with`.
  const Expr *otherwise = expr.otherwise.get();
  if (auto *with = dyn_cast<WithExpr>(otherwise)) {
    otherwise = with->value.get();
    for (size_t i = 0; i < plan.names->size(); ++i)
      if (StringRef((*plan.names)[i]).starts_with("note.")) {
        Value fallback = plan;
        fallback.parts = std::make_shared<std::vector<Value>>();
        fallback.names = std::make_shared<std::vector<std::string>>();
        const Value &which = *plan.part("which");
        mlir::Value none =
            e.compare(CompareKind::lt, which.ir, e.constantInt(e.i64(), 0));
        const ColumnDecl *note =
            noteNamed(StringRef((*plan.names)[i]).drop_front(5));
        const Expr *written = nullptr;
        for (const Arg &arg : with->notes)
          if (arg.name.text == note->name.text)
            written = arg.value.get();
        mlir::Value value =
            noteValue(*note, noteTypes[note->name.text], written);
        if (!value)
          return Value();
        (*plan.parts)[i] =
            Value::array(e.select(none, value, (*plan.parts)[i].ir));
      }
  }
  Value carried = plan;
  Value result = inContext(
      rules, [&] { return elseChain(plan, *otherwise, expr.range, refused); });
  if (result.isError())
    return result;
  for (size_t i = 0; i < carried.names->size(); ++i)
    if (StringRef((*carried.names)[i]).starts_with("note.") &&
        !result.part((*carried.names)[i])) {
      result.parts->push_back((*carried.parts)[i]);
      result.names->push_back((*carried.names)[i]);
    }
  // What an `else` decides no rule has decided.
  for (size_t i = 0; i < result.names->size(); ++i)
    if ((*result.names)[i] == "which")
      (*result.parts)[i] = *carried.part("which");
  return withRefusals(result);
}

/// Works out for which items a rule refuses: it holds, and no rule before it
/// took a row or refused. Later rules do not fire there.
void Elaborator::refuseByRules(bool ordered, llvm::ArrayRef<int64_t> refusals,
                               llvm::ArrayRef<Value> plans,
                               llvm::SmallVectorImpl<mlir::Value> &whens,
                               mlir::Value &refused, mlir::Value &code) {
  AxisList items = AxisList(plans.front().axis->items());
  mlir::Value no = e.broadcastTo(e.constantInt(e.i1(), 0), items);
  mlir::Value fired = no;
  refused = no;
  code = e.broadcastTo(e.constantInt(e.i64(), 0), items);
  for (auto [i, refusal] : llvm::enumerate(refusals)) {
    mlir::Value when = whens[i];
    if (e.isRange(when))
      when = e.coalesce(when, e.constantInt(e.i1(), 0));
    if (ordered) // rules in order; otherwise one of them holds already
      when = e.binary(BinaryKind::logical_and, when,
                      e.unary(UnaryKind::logical_not, refused));
    whens[i] = when;
    if (!refusal) {
      fired = e.binary(
          BinaryKind::logical_or, fired,
          e.binary(BinaryKind::logical_and, when, hasRows(plans[i].axis)));
      continue;
    }
    mlir::Value here = e.binary(BinaryKind::logical_and, when,
                                e.unary(UnaryKind::logical_not, fired));
    code = e.select(here, e.constantInt(e.i64(), refusal), code);
    refused = e.binary(BinaryKind::logical_or, refused, here);
  }
}

/// The axis of some rules, and their keys along it: attributes of the rules,
/// `conf`, `name` and `order`.
bool Elaborator::rankRules(const ChooseExpr &expr, llvm::ArrayRef<size_t> rules,
                           llvm::ArrayRef<mlir::Value> confidences,
                           RankedRules &ranked) {
  AxisInfo *axis = ranked.axis = makeAxis("rules", pathOf(*cx.scope) + ".rules",
                                          AxisKind::pool, expr.range);
  axis->size = rules.size();
  llvm::SmallVector<std::string> labels = ruleLabels(expr);
  for (size_t rule : rules)
    axis->labels.push_back(labels[rule]);
  emitAxis(*axis);
  for (const RuleKey &key : keysOfRules(expr)) {
    if (key.name.empty()) {
      error(diag::badChoice, key.written->range,
            "a key over rules is 'conf', 'name', 'order' or an attribute of "
            "rules");
      return false;
    }
    ranked.up.push_back(key.rising);
    if (key.name == "conf") {
      llvm::SmallVector<mlir::Value> certain;
      for (size_t rule : rules)
        certain.push_back(confidences[rule]);
      ranked.keys.push_back(stackRules(axis, certain, e.f32()));
      continue;
    }
    auto column = columnOfRules(
        expr, key, [&](const Expr &written) { return evalConstant(written); });
    if (!column)
      return false;
    if (column->empty()) {
      error(diag::unknownName, key.written->range,
            "no rule has an attribute '" + key.name + "'");
      return false;
    }
    std::vector<double> own;
    for (size_t rule : rules)
      own.push_back((*column)[rule]);
    auto type = mlir::RankedTensorType::get({axis->size}, e.f64());
    ranked.keys.push_back(ConstantOp::create(
        e.builder, e.loc, e.arrayType(e.f64(), {axis}),
        mlir::DenseElementsAttr::get(type, llvm::ArrayRef<double>(own))));
  }
  return true;
}

/// A value of each rule over the items, along the axis of rules.
mlir::Value Elaborator::stackRules(AxisInfo *axis,
                                   llvm::ArrayRef<mlir::Value> values,
                                   mlir::Type element) {
  AxisList stacked = cx.items;
  llvm::SmallVector<mlir::Value> all;
  for (mlir::Value value : values) {
    all.push_back(e.broadcastTo(value, stacked));
    if (e.isRange(all.back()))
      element = e.ranged(true, element);
  }
  for (mlir::Value &value : all)
    if (e.elementOf(value) != element)
      value = CastOp::create(e.builder, e.loc,
                             e.typeOf(value).withElement(element), value);
  stacked.push_back(axis);
  return StackOp::create(e.builder, e.loc, e.arrayType(element, stacked), all,
                         axis->symbol);
}

/// For each rule the items for which it is the best of those that `fire`.
llvm::SmallVector<mlir::Value>
Elaborator::bestRule(const RankedRules &ranked,
                     llvm::ArrayRef<mlir::Value> fires, SourceRange range) {
  AxisInfo *winner =
      makeAxis("rule", pathOf(*cx.scope) + ".rule", AxisKind::plan, range);
  winner->parents.assign(cx.items.begin(), cx.items.end());
  winner->parents.push_back(ranked.axis);
  emitAxis(*winner);
  irgen::Emitter::Choice choice;
  choice.count = e.constantInt(e.i64(), 1);
  choice.mask = stackRules(ranked.axis, fires, e.i1());
  choice.keys = ranked.keys;
  choice.up = ranked.up;
  auto op = e.choose(ChoiceKind::count, winner, choice);
  winner->plan = op.getResult();
  AxisList stacked = cx.items;
  stacked.push_back(ranked.axis);
  mlir::Value member = MemberOp::create(
      e.builder, e.loc, e.arrayType(e.i1(), stacked), winner->plan);
  llvm::SmallVector<mlir::Value> best;
  for (size_t i = 0; i < fires.size(); ++i)
    best.push_back(
        e.pick(member, ranked.axis, e.constantInt(e.i64(), int64_t(i))));
  return best;
}

/// For `choose 1 of rules by KEY` without budgets: turns conditions into "this
/// rule is the best that fires".
bool Elaborator::orderRules(const ChooseExpr &expr,
                            llvm::SmallVectorImpl<mlir::Value> &whens,
                            llvm::ArrayRef<mlir::Value> confidences,
                            llvm::ArrayRef<Value> plans,
                            llvm::ArrayRef<int64_t> refusals) {
  llvm::SmallVector<size_t> all =
      llvm::to_vector(llvm::seq<size_t>(0, expr.rules.size()));
  RankedRules ranked;
  if (!rankRules(expr, all, confidences, ranked))
    return false;
  llvm::SmallVector<mlir::Value> fires;
  for (auto [when, plan, refusal] : llvm::zip(whens, plans, refusals))
    fires.push_back(
        refusal ? when
                : e.binary(BinaryKind::logical_and, when, hasRows(plan.axis)));
  whens = bestRule(ranked, fires, expr.range);
  return true;
}

/// Budgets are reserved from rule to rule, so that rules by a key are a chain
/// like those of `choose first`. Where the text fixes the key, that is one turn
/// a rule. Rules that only their confidence tells apart have as many turns as
/// there are of them: in each an item asks the best that it has not yet asked.
bool Elaborator::takeTurns(const ChooseExpr &expr,
                           llvm::ArrayRef<mlir::Value> holds,
                           llvm::ArrayRef<mlir::Value> confidences,
                           llvm::SmallVectorImpl<RuleTurn> &turns) {
  std::vector<RuleKey> keys = keysOfRules(expr);
  std::vector<std::vector<double>> columns;
  bool sure = true; // whether the text fixes the order
  const Expr *by = nullptr;
  for (const RuleKey &key : keys) {
    if (key.name == "conf") {
      sure = false;
      by = key.written;
      break;
    }
    auto column = columnOfRules(
        expr, key, [&](const Expr &written) { return evalConstant(written); });
    if (!column)
      return false;
    if (column->empty()) { // says what is wrong with the key
      RankedRules ranked;
      return rankRules(expr, {}, {}, ranked);
    }
    columns.push_back(std::move(*column));
  }
  auto before = [&](const RuleTurn &a, const RuleTurn &b) {
    for (auto [key, column] : llvm::zip(keys, columns))
      if (column[a.rule] != column[b.rule])
        return key.rising ? column[a.rule] < column[b.rule]
                          : column[a.rule] > column[b.rule];
    return false;
  };
  llvm::stable_sort(turns, before);
  if (sure)
    return true;
  constexpr size_t most = 8; // the turns are as many as its square
  llvm::SmallVector<RuleTurn> all;
  for (size_t begin = 0, end; begin < turns.size(); begin = end) {
    for (end = begin + 1;
         end < turns.size() && !before(turns[begin], turns[end]);)
      ++end;
    llvm::SmallVector<size_t> rules;
    llvm::SmallVector<mlir::Value> left;
    for (size_t i = begin; i < end; ++i) {
      rules.push_back(turns[i].rule);
      left.push_back(holds[turns[i].rule]);
    }
    if (rules.size() == 1) {
      all.push_back(turns[begin]);
      continue;
    }
    if (rules.size() > most) {
      error(diag::tooManyOrders, by->range,
            llvm::Twine(rules.size()) +
                " rules under a budget in the order of their confidence")
          .note("each may be asked at any place among the others")
          .help("put an attribute before 'conf' that parts them, such as a "
                "tier");
      return false;
    }
    RankedRules ranked;
    if (!rankRules(expr, rules, confidences, ranked))
      return false;
    for (size_t round = 0; round < rules.size(); ++round) {
      llvm::SmallVector<mlir::Value> here = bestRule(ranked, left, expr.range);
      for (size_t i = 0; i < rules.size(); ++i) {
        all.push_back({rules[i], here[i]});
        left[i] = e.binary(BinaryKind::logical_and, left[i],
                           e.unary(UnaryKind::logical_not, here[i]));
      }
    }
  }
  turns = std::move(all);
  return true;
}

const ColumnDecl *Elaborator::noteNamed(StringRef name) {
  for (const ColumnDecl *note : noteColumns)
    if (note->name.text == name)
      return note;
  return nullptr;
}

/// Adds a part `note.x` an item for each declared note.
bool Elaborator::addNotes(Value &plan, llvm::ArrayRef<const WithExpr *> notes) {
  for (const WithExpr *with : notes)
    if (with)
      for (const Arg &arg : with->notes)
        if (!noteNamed(arg.name.text)) {
          std::vector<std::string> names;
          for (const ColumnDecl *note : noteColumns)
            names.push_back(note->name.text);
          unknownName(arg.name, "note", names);
          return false;
        }
  const Value which = *plan.part("which");
  for (const ColumnDecl *note : noteColumns) {
    const TypeInfo &type = noteTypes[note->name.text];
    if (type.kind != TypeInfo::Kind::Array)
      return false;
    mlir::Value value = noteValue(*note, type, nullptr);
    for (size_t i = notes.size(); value && i-- > 0;)
      if (notes[i])
        for (const Arg &arg : notes[i]->notes)
          if (arg.name.text == note->name.text) {
            mlir::Value given = noteValue(*note, type, arg.value.get());
            if (!given)
              return false;
            value = e.select(e.compare(CompareKind::eq, which.ir,
                                       e.constantInt(e.i64(), int64_t(i))),
                             given, value);
          }
    if (!value)
      return false;
    plan.parts->push_back(
        Value::array(e.broadcastTo(value, plan.axis->items())));
    plan.names->push_back("note." + note->name.text);
  }
  return true;
}

/// `choose … with { effort: high }`: notes of a choice hold wherever it has a
/// row, whatever the rules inside it say.
Value Elaborator::evalNoted(const WithExpr &expr) {
  Value plan = eval(*expr.value);
  if (plan.isError())
    return plan;
  plan = asPlan(plan, expr.value->range);
  if (plan.isError())
    return plan;
  if (!plan.part("which")) { // as if one rule had made it
    plan.parts = std::make_shared<std::vector<Value>>(*plan.parts);
    plan.names = std::make_shared<std::vector<std::string>>(*plan.names);
    Value one = plan;
    one.parts->push_back(Value::array(e.select(
        hasRows(plan.axis), e.constantInt(e.i64(), 0),
        e.broadcastTo(e.constantInt(e.i64(), -1), plan.axis->items()))));
    one.names->push_back("which");
    if (!addNotes(one, {&expr}))
      return Value();
    size_t which = llvm::find(*one.names, "which") - one.names->begin();
    one.parts->erase(one.parts->begin() + which);
    one.names->erase(one.names->begin() + which);
    return one;
  }
  Value noted = plan;
  noted.parts = std::make_shared<std::vector<Value>>(*plan.parts);
  noted.names = std::make_shared<std::vector<std::string>>(*plan.names);
  for (const Arg &arg : expr.notes) {
    const ColumnDecl *note = noteNamed(arg.name.text);
    auto found = llvm::find(*noted.names, "note." + arg.name.text);
    if (!note || found == noted.names->end()) {
      std::vector<std::string> names;
      for (const ColumnDecl *known : noteColumns)
        names.push_back(known->name.text);
      return unknownName(arg.name, "note", names);
    }
    mlir::Value given =
        noteValue(*note, noteTypes[note->name.text], arg.value.get());
    if (!given)
      return Value();
    Value &part = (*noted.parts)[found - noted.names->begin()];
    part = Value::array(e.select(hasRows(plan.axis), given, part.ir));
  }
  return noted;
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
