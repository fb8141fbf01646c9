// The order of rules: by a key, and in turns where budgets are reserved.
#include "Elaborator.h"

using namespace route;
using namespace route::sema;
using namespace route::ast;

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

/// The axis of some rules, and their keys along it: attributes of the rules,
/// `conf`, `name` and `order`.
bool Elaborator::rankRules(const ChooseExpr &expr, llvm::ArrayRef<size_t> rules,
                           llvm::ArrayRef<mlir::Value> confidences,
                           RankedRules &ranked) {
  AxisInfo *axis = ranked.axis = makeAxis("rules", symbolIn(*cx.scope, "rules"),
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

/// Which rule is the best of those that `fire`, as a truth over items and
/// rules.
mlir::Value Elaborator::bestRule(const RankedRules &ranked, mlir::Value fires,
                                 SourceRange range) {
  AxisInfo *winner =
      makeAxis("rule", symbolIn(*cx.scope, "rule"), AxisKind::plan, range);
  winner->parents.assign(cx.items.begin(), cx.items.end());
  winner->parents.push_back(ranked.axis);
  emitAxis(*winner);
  irgen::Emitter::Choice choice;
  choice.count = e.constantInt(e.i64(), 1);
  choice.mask = fires;
  choice.keys = ranked.keys;
  choice.up = ranked.up;
  auto op = e.choose(ChoiceKind::count, winner, choice);
  winner->plan = op.getResult();
  AxisList stacked = cx.items;
  stacked.push_back(ranked.axis);
  return MemberOp::create(e.builder, e.loc, e.arrayType(e.i1(), stacked),
                          winner->plan);
}

/// For rules by their confidence without budgets: turns conditions into "this
/// rule is the best that fires".
bool Elaborator::orderRules(RuleChoice &rules) {
  llvm::SmallVector<size_t> all =
      llvm::to_vector(llvm::seq<size_t>(0, rules.expr.rules.size()));
  RankedRules ranked;
  if (!rankRules(rules.expr, all, rules.confidences, ranked))
    return false;
  llvm::SmallVector<mlir::Value> fires;
  for (const RuleTaking &taking : rules.takings)
    fires.push_back(taking.refusal
                        ? taking.when
                        : e.binary(BinaryKind::logical_and, taking.when,
                                   hasRows(taking.plan.axis)));
  mlir::Value best = bestRule(ranked, stackRules(ranked.axis, fires, e.i1()),
                              rules.expr.range);
  for (auto [i, taking] : llvm::enumerate(rules.takings))
    taking.when = e.pick(best, ranked.axis, e.constantInt(e.i64(), int64_t(i)));
  return true;
}

/// Rules by a key are a chain like those of `choose first` where the text fixes
/// their order: a turn each. Budgets, which are reserved from rule to rule,
/// make all of them one: rules that only their confidence tells apart share a
/// turn.
bool Elaborator::takeTurns(RuleChoice &rules) {
  const ChooseExpr &expr = rules.expr;
  std::vector<RuleKey> keys = keysOfRules(expr);
  std::vector<std::vector<double>> columns;
  rules.fixed = true;
  for (const RuleKey &key : keys) {
    if (key.name == "conf") {
      rules.fixed = false;
      continue;
    }
    auto column = columnOfRules(
        expr, key, [&](const Expr &written) { return evalConstant(written); });
    if (!column)
      return false;
    if (column->empty()) { // says what is wrong with the key
      RankedRules ranked;
      return rankRules(expr, {}, {}, ranked);
    }
    if (rules.fixed) // what stands behind confidence fixes nothing
      columns.push_back(std::move(*column));
  }
  auto before = [&](const RuleTurn &a, const RuleTurn &b) {
    for (auto [key, column] : llvm::zip(keys, columns))
      if (column[a.front()] != column[b.front()])
        return key.rising ? column[a.front()] < column[b.front()]
                          : column[a.front()] > column[b.front()];
    return false;
  };
  llvm::SmallVector<RuleTurn> sorted = rules.turns, tiers;
  llvm::stable_sort(sorted, before);
  for (const RuleTurn &turn : sorted)
    if (tiers.empty() || before(tiers.back(), turn) || rules.fixed)
      tiers.push_back(turn);
    else
      tiers.back().push_back(turn.front());
  // Who stands alone in a tier does not wait for its confidence.
  rules.fixed |= tiers.size() == sorted.size();
  if (rules.isChain())
    rules.turns = std::move(tiers);
  return true;
}
