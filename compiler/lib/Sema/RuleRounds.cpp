// Rules under a budget that only their confidence tells apart, round by round.
#include "Elaborator.h"

using namespace route;
using namespace route::sema;
using namespace route::ast;

/// Whether a row may stand twice among those of an item.
static bool mayRepeat(mlir::Value plan) {
  mlir::Operation *op = plan.getDefiningOp();
  if (!op || isa<ConcatOp>(op))
    return true;
  if (auto choose = dyn_cast<ChooseOp>(op))
    return choose.getKind() == ChoiceKind::listed ||
           (choose.getSource() && mayRepeat(choose.getSource()));
  bool any = false, repeats = false;
  for (mlir::Value operand : op->getOperands())
    if (isa<PlanType>(operand.getType())) {
      any = true;
      repeats |= mayRepeat(operand);
    }
  return repeats || !any;
}

/// What the rows of `plan` have, over its items and candidates; 0 where there
/// is no such row.
mlir::Value Elaborator::ofCandidates(mlir::Value value, const Value &plan) {
  AxisList cells = AxisList(plan.axis->items());
  cells.push_back(plan.axis->candidates());
  return e.reduce(ReduceKind::sum, value, cells);
}

/// Asks the rules of `tier`, in each round every item that is still open the
/// surest of those that it has not yet asked. A loop, so that the code grows
/// with the rules and not with their square. What it carries: which items are
/// open, which rules each has left, which decided it, and of the rows that it
/// took the place among them, from 1, and the weight.
bool Elaborator::askInRounds(RuleChoice &rules, llvm::ArrayRef<size_t> tier) {
  RankedRules ranked;
  if (!rankRules(rules.expr, tier, rules.confidences, ranked))
    return false;
  AxisInfo *pool = cx.resultPool->axis;
  AxisList items = cx.items, cells = items, asked = items;
  cells.push_back(pool);
  asked.push_back(ranked.axis);
  auto spread = [&](mlir::Value value, const AxisList &axes) {
    return e.broadcastTo(value, axes);
  };
  auto both = [&](mlir::Value x, mlir::Value y) {
    return e.binary(BinaryKind::logical_and, x, y);
  };
  auto negated = [&](mlir::Value x) {
    return e.unary(UnaryKind::logical_not, x);
  };
  auto number = [&](int64_t value) { return e.constantInt(e.i64(), value); };
  mlir::Value truth = e.constantInt(e.i1(), 1);
  llvm::SmallVector<mlir::Value> holds;
  for (size_t rule : tier)
    holds.push_back(rules.holds[rule]);
  mlir::Value hold = stackRules(ranked.axis, holds, e.i1());
  if (e.isRange(hold)) // what may hold is passed over
    hold = e.coalesce(hold, e.constantInt(e.i1(), 0));
  enum { Open, Left, Rule, Place, Weight };
  llvm::SmallVector<mlir::Value> start = {
      spread(rules.open ? rules.open : truth, items), hold,
      spread(number(-1), items), spread(number(0), cells),
      spread(e.constant(e.f32(), 0), cells)};
  AxisInfo *rows = planAxis(items, pool, rules.expr.range);
  bool weighted = false;
  llvm::SmallVector<std::pair<size_t, int64_t>> refusals;

  auto loop =
      ForOp::create(e.builder, e.loc, mlir::ValueRange(start).getTypes(),
                    number(int64_t(tier.size())), mlir::Value(),
                    mlir::FlatSymbolRefAttr(), start);
  mlir::Block &block = loop.getBody().emplaceBlock();
  block.addArgument(route::ArrayType::get(e.i64()), e.loc);
  llvm::SmallVector<mlir::Value> now;
  for (mlir::Value value : start)
    now.push_back(block.addArgument(value.getType(), e.loc));
  {
    mlir::OpBuilder::InsertionGuard guard(e.builder);
    e.builder.setInsertionPointToStart(&block);
    rules.open = now[Open];
    mlir::Value best = bestRule(
        ranked, both(now[Left], spread(now[Open], asked)), rules.expr.range);
    for (auto [i, rule] : llvm::enumerate(tier)) {
      auto taking =
          askRule(rules, rule, e.pick(best, ranked.axis, number(int64_t(i))));
      if (!taking)
        return false;
      mlir::Value taken = spread(taking->taken, items);
      now[Rule] = e.select(taken, taking->rule, now[Rule]);
      if (taking->refusal) {
        refusals.push_back({rule, taking->refusal});
        continue;
      }
      const Value &plan = taking->plan;
      SourceRange range = rules.expr.rules[rule]->target->range;
      if (!sameChoice(rows, plan.axis, range))
        return false;
      if (mayRepeat(plan.axis->plan)) {
        error(diag::tooManyOrders, range,
              "rows that may stand twice, under a budget in the order of "
              "confidence")
            .help("put an attribute before 'conf' that parts this rule from "
                  "the others, such as a tier");
        return false;
      }
      for (mlir::Attribute budget : plan.axis->under)
        if (!llvm::is_contained(rows->under, budget))
          rows->under.push_back(budget);
      mlir::Value rank = RankOp::create(
          e.builder, e.loc, e.arrayType(e.i64(), {plan.axis}), plan.axis->plan);
      mlir::Value took = spread(taken, cells);
      now[Place] = e.select(
          took, ofCandidates(e.binary(BinaryKind::add, rank, number(1)), plan),
          now[Place]);
      const Value *weight = plan.part("weight");
      weighted |= weight != nullptr;
      now[Weight] =
          e.select(took,
                   ofCandidates(weight ? e.cast(weight->ir, e.f32())
                                       : e.broadcastTo(e.constant(e.f32(), 1),
                                                       plan.axis),
                                plan),
                   now[Weight]);
    }
    e.loc = locationOf(rules.expr.range);
    now[Open] = spread(rules.open, items);
    now[Left] = both(now[Left], negated(best));
    llvm::SmallVector<mlir::Value> yielded = {
        negated(e.reduce(ReduceKind::any, best, {}))};
    llvm::append_range(yielded, now);
    YieldOp::create(e.builder, e.loc, yielded);
  }

  rules.open = loop.getResult(Open);
  irgen::Emitter::Choice choice;
  choice.mask = e.compare(CompareKind::gt, loop.getResult(Place), number(0));
  choice.keys = {loop.getResult(Place)};
  choice.up = {true};
  auto op = e.choose(ChoiceKind::all, rows, choice);
  RuleTaking taking;
  taking.when = truth;
  taking.rule = loop.getResult(Rule);
  taking.plan = makePlan(rows, op.getResult(), Value());
  if (weighted) // read where the rows are
    taking.plan =
        makePlan(rows, op.getResult(),
                 Value::array(e.gather(loop.getResult(Weight), rows)));
  rules.takings.push_back(taking);
  for (auto [rule, code] : refusals) {
    RuleTaking refusal;
    refusal.refusal = code;
    refusal.rule = number(int64_t(rule));
    refusal.when =
        e.compare(CompareKind::eq, loop.getResult(Rule), refusal.rule);
    irgen::Emitter::Choice none;
    none.mask = e.constantInt(e.i1(), 0);
    AxisInfo *axis = planAxis(items, pool, rules.expr.range);
    refusal.plan = makePlan(
        axis, e.choose(ChoiceKind::all, axis, none).getResult(), Value());
    rules.takings.push_back(refusal);
  }
  return true;
}
