// Other forms of choice: cheapest paths, and choices that are replayed.
#include "Elaborator.h"

using namespace route;
using namespace route::sema;
using namespace route::ast;

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
  mlir::Value rows = listedRows(*expr.rhs, "recorded rows are");
  if (!rows)
    return Value();
  Context next = cx;
  next.recordedRoute = &route;
  next.recordedChoice = choice;
  next.recorded = rows;
  return inContext(std::move(next), [&] { return eval(*expr.lhs); });
}
