// Calls and functions.
// Functions are generic over axes and expanded at each call; recursion would
// never end and is an error. A call of a pool runs its bodies along the plan at
// hand, or waits for one.
#include "Elaborator.h"

using namespace route;
using namespace route::sema;
using namespace route::ast;

bool Elaborator::evalArgs(const CallExpr &expr, std::vector<Value> &args) {
  bool good = true;
  for (const Arg &arg : expr.args) {
    args.push_back(eval(*arg.value));
    good &= !args.back().isError();
  }
  return good;
}

Value Elaborator::callFunction(const FunctionInfo &function,
                               const std::vector<Value> &args,
                               SourceRange range) {
  const LetDecl &decl = *function.decl;
  if (args.size() != decl.params.size()) {
    error(diag::argumentMismatch, range,
          "'" + decl.name().text + "' takes " +
              llvm::Twine(decl.params.size()) + " arguments, found " +
              llvm::Twine(args.size()))
        .label(decl.name().range, "declared here");
    return Value();
  }
  if (llvm::is_contained(expanding, &decl)) {
    error(diag::recursion, range, "'" + decl.name().text + "' calls itself")
        .note("functions are expanded where they are called, so that recursion "
              "would never end");
    return Value();
  }
  Context next = cx;
  next.scope = std::make_shared<Scope>(function.scope);
  next.candidate = nullptr;
  next.drawPath = drawPlace(cx.drawPath, range);
  for (size_t i = 0; i < args.size(); ++i) {
    Value arg = args[i];
    if (decl.params[i]->type) {
      Context typeContext = cx;
      typeContext.scope = function.scope;
      TypeInfo type = inContext(
          typeContext, [&] { return resolveType(*decl.params[i]->type); });
      arg = convert(arg, type, range);
      if (arg.isError())
        return arg;
    }
    next.scope->bind(decl.params[i]->name.text, arg,
                     decl.params[i]->name.range);
  }
  expanding.push_back(&decl);
  Value value = inContext(std::move(next), [&] {
    return decl.type ? evalAs(*decl.value, resolveType(*decl.type))
                     : eval(*decl.value);
  });
  expanding.pop_back();
  return value;
}

Value Elaborator::elaborateLet(const LetDecl &decl, Scope &scope) {
  if (decl.isFunction) {
    Value value = Value::ofKind(Kind::Function);
    value.function = std::make_shared<FunctionInfo>(
        FunctionInfo{&decl, scope.shared_from_this()});
    return value;
  }
  return decl.type ? evalAs(*decl.value, resolveType(*decl.type))
                   : eval(*decl.value);
}

Value Elaborator::evalCall(const CallExpr &expr) {
  StringRef name = expr.calleeName();
  bool shadowed = !name.empty() && cx.scope->lookup(name).first;
  if (!name.empty() && !shadowed) {
    if (name == "combine")
      return evalCombine(expr);
    if (expr.isReduction())
      return evalReduction(name, expr);
    if (isBuiltin(name))
      return callBuiltin(name, expr);
  }
  Value callee;
  if (auto *plain = dyn_cast<NameExpr>(expr.callee.get())) {
    callee = lookup(plain->name);
  } else if (auto *member = dyn_cast<MemberExpr>(expr.callee.get())) {
    if (plainName(member->base.get()) == "host" &&
        !cx.scope->lookup("host").first)
      return fail(diag::wrongKind, expr.range,
                  "the host is called in a signal or with 'call'");
    Value base = eval(*member->base);
    if (base.isError())
      return base;
    if (base.is(Kind::Module)) {
      auto found = base.scope->entries.find(member->member.text);
      if (found == base.scope->entries.end())
        return unknownName(member->member, "name in this module",
                           base.scope->visibleNames());
      callee = resolve(found->second, *base.scope, member->member.range);
    } else {
      callee = evalMember(*member);
    }
  } else {
    callee = eval(*expr.callee);
  }
  if (callee.isError())
    return callee;
  if (expr.isReduction())
    return fail(diag::wrongKind, expr.callee->range,
                describe(callee) + " takes no 'over', 'of' or 'per'");
  for (const Arg &arg : expr.args)
    if (arg.name)
      return fail(diag::argumentMismatch, arg.name.range,
                  "arguments of " + describe(callee) + " have no names");

  if (callee.is(Kind::Axis) && callee.axis->pool) {
    PoolInfo &pool = *callee.axis->pool;
    if (cx.along && cx.along->descendsFrom(pool.axis))
      return callPool(pool, expr.args, cx.along, expr.range);
    if (!cx.forceDense)
      return lazily(expr);
    return callPool(pool, expr.args, nullptr, expr.range);
  }
  std::vector<Value> args;
  if (!evalArgs(expr, args))
    return Value();
  switch (callee.kind) {
  case Kind::Function:
    for (const Value &arg : args)
      if (arg.is(Kind::Lazy) && !cx.along && !cx.forceDense)
        return lazily(expr);
    return callFunction(*callee.function, args, expr.range);
  case Kind::Route:
    for (const Value &arg : args)
      if (arg.is(Kind::Lazy) && !cx.along && !cx.forceDense)
        return lazily(expr);
    return callRoute(*callee.route, std::move(args), expr.range);
  case Kind::Row:
    if (callee.axis->pool && callee.ir)
      return callPoolRow(*callee.axis->pool, callee.ir, args, expr.range);
    break;
  case Kind::Member:
    return callPoolRow(*callee.axis->pool, asArray(callee, expr.range), args,
                       expr.range);
  default:
    break;
  }
  return fail(diag::wrongKind, expr.callee->range,
              describe(callee) + " cannot be called");
}

/// What `combine` leaves: the items of a choice of experts; where experts
/// choose
/// (`choose c of token per experts`), the axes that are no pools.
static AxisList combinedItems(const AxisInfo *plan) {
  AxisList kept(plan->items());
  if (plan->candidates()->kind == AxisKind::pool ||
      plan->candidates()->isPlan())
    return kept;
  kept.clear();
  for (AxisInfo *axis : plan->parents)
    if (axis->kind != AxisKind::pool &&
        llvm::none_of(plan->parents, [&](AxisInfo *other) {
          return other != axis && other->kind != AxisKind::pool &&
                 other->descendsFrom(axis);
        }))
      kept.push_back(axis);
  return kept;
}

/// `combine(p, y)` is `sum(p.weight * y over p per …)`, the items of `p`.
Value Elaborator::evalCombine(const CallExpr &expr) {
  if (expr.args.size() != 2 || expr.isReduction())
    return fail(diag::argumentMismatch, expr.range,
                "'combine' takes a plan and what its rows give");
  Value plan = eval(*expr.args[0].value);
  if (plan.isError())
    return plan;
  if (!plan.is(Kind::Plan))
    return fail(diag::wrongKind, expr.args[0].value->range,
                "expected a plan, found " + describe(plan));
  Context next = cx;
  next.along = plan.axis;
  Unit unit;
  mlir::Value rows = inContext(std::move(next), [&]() -> mlir::Value {
    Value value = eval(*expr.args[1].value);
    mlir::Value ir = asArray(value, expr.args[1].value->range, e.f32());
    if (!ir)
      return {};
    if (!isNumber(e.elementOf(ir))) {
      error(diag::typeMismatch, expr.args[1].value->range,
            "'combine' sums numbers, found " + describe(value));
      return {};
    }
    unit = value.unit;
    return e.broadcastTo(ir, plan.axis);
  });
  if (!rows)
    return Value();
  e.loc = locationOf(expr.range);
  mlir::Value weight = plan.part("weight")
                           ? plan.part("weight")->ir
                           : e.broadcastTo(e.constant(e.f32(), 1), plan.axis);
  if (!unify(weight, rows))
    return Value();
  mlir::Value weighted = e.binary(BinaryKind::mul, weight, rows);
  AxisList kept = combinedItems(plan.axis);
  for (AxisInfo *axis : e.axesOf(weighted))
    if (axis != plan.axis && !e.has(kept, axis))
      kept.push_back(axis);
  return gatherIfAlong(
      Value::array(e.reduce(ReduceKind::sum, weighted, kept), unit));
}
