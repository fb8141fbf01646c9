// Plans as values: made, joined, and the first of several that has rows.
#include "Budgets.h"
#include "Elaborator.h"

using namespace route;
using namespace route::sema;
using namespace route::ast;

mlir::Value Elaborator::andMask(mlir::Value a, mlir::Value b) {
  if (!a || !b)
    return a ? a : b;
  return e.binary(BinaryKind::logical_and, a, b);
}

AxisInfo *Elaborator::planAxis(AxisList per, AxisInfo *candidates,
                               SourceRange range) {
  StringRef wanted =
      cx.planName.empty() ? StringRef("p") : StringRef(cx.planName);
  AxisInfo *axis =
      makeAxis(wanted, cx.scope ? symbolIn(*cx.scope, wanted) : wanted.str(),
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

Value Elaborator::planOfMember(AxisInfo *pool, const Value &member,
                               SourceRange range) {
  if (!budgets->prove(cx.ruleUnder, pool, {int64_t(member.number)}, cx.facts,
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
  auto message = error(diag::wrongKind, range,
                       "expected rows of a pool, found " + describe(value));
  if (value.is(Kind::Builtin) && value.text == "reject")
    message.help("a refusal has a code: reject(429)");
  return Value();
}

/// Whether each item has a row.
mlir::Value Elaborator::hasRows(AxisInfo *plan) {
  return MemberOp::create(e.builder, e.loc, e.arrayType(e.i1(), plan->items()),
                          plan->plan);
}

/// Whether plans are from the same things for the same items.
bool Elaborator::sameChoice(const AxisInfo *model, const AxisInfo *plan,
                            SourceRange range) {
  if (plan->parents == model->parents)
    return true;
  error(diag::choiceAxes, range,
        "these choices are from different things or for different items")
      .note("one chooses from '" + model->candidates()->name + "' for (" +
            describeAxes(model->items()) + "), another from '" +
            plan->candidates()->name + "' for (" + describeAxes(plan->items()) +
            ")");
  return false;
}

Value Elaborator::firstPlan(llvm::ArrayRef<mlir::Value> whens,
                            llvm::ArrayRef<Value> plans, SourceRange range) {
  AxisInfo *model = plans.front().axis;
  bool weighted = false;
  for (const Value &plan : plans) {
    if (!sameChoice(model, plan.axis, range))
      return Value();
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
