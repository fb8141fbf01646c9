// Calls of pools: bodies run along the rows of a plan, and on no others.
// Arguments and parameters are gathered to the rows; members of different
// kinds run on rows of their own.
#include "Elaborator.h"

using namespace route;
using namespace route::sema;
using namespace route::ast;

Value Elaborator::runBody(RouteInstance &body, const std::vector<Frame> &frames,
                          AxisInfo *along, const std::vector<Value> &args,
                          SourceRange range) {
  Context next = cx;
  next.frames.insert(next.frames.end(), frames.begin(), frames.end());
  next.along = along;
  next.chosen = nullptr;
  return inContext(std::move(next),
                   [&] { return inlineRoute(body, args, range); });
}

/// For each axis inside the pool the plan of its positions in the rows of the
/// frame, so that what a body computes along it is of one row.
void Elaborator::addInnerAxes(PoolInfo &pool, Frame &frame) {
  if (!frame.plan && !frame.position)
    return;
  for (AxisInfo &axis : axes) {
    if (!axis.inner || axis.isPlan() || axis.parents.front() != pool.axis)
      continue;
    AxisInfo *rows = makeAxis(axis.name, axis.symbol.getValue().str() + ".rows",
                              AxisKind::plan, axis.range);
    irgen::Emitter::Choice choice;
    if (frame.plan) {
      rows->parents.push_back(frame.plan);
      choice.mask = e.broadcastTo(e.constantInt(e.i1(), 1), frame.plan);
    } else
      choice.mask =
          e.compare(CompareKind::eq, e.gather(e.iota(pool.axis, true), &axis),
                    e.cast(frame.position,
                           route::RefType::get(&context, pool.axis->symbol)));
    rows->parents.push_back(&axis);
    rows->inner = true;
    emitAxis(*rows);
    rows->plan = e.choose(ChoiceKind::all, rows, choice).getResult();
    frame.inner.push_back({&axis, rows});
  }
}

Value Elaborator::callPool(PoolInfo &pool, const std::vector<Arg> &args,
                           AxisInfo *plan, SourceRange range) {
  std::vector<Value> values;
  for (const Arg &arg : args) {
    Value value = eval(*arg.value);
    mlir::Value ir = asArray(value, arg.value->range, e.f32());
    if (!ir)
      return Value();
    values.push_back(
        Value::array(plan ? e.broadcastTo(ir, plan) : ir, value.unit));
  }
  return runGuarded(pool, plan, values, range);
}

/// A result over `rows`, a plan of some positions of `axis`, over all of them:
/// nothing elsewhere.
Value Elaborator::backTo(const Value &value, AxisInfo *rows, AxisInfo *axis,
                         SourceRange range) {
  if (value.parts && !value.is(Kind::Plan)) {
    std::vector<Value> parts;
    for (const Value &part : *value.parts)
      if (parts.emplace_back(backTo(part, rows, axis, range)).isError())
        return Value();
    return Value::group(value.kind, std::move(parts),
                        value.names ? *value.names
                                    : std::vector<std::string>());
  }
  mlir::Value ir = asArray(value, range, e.f32());
  if (!ir)
    return Value();
  ir = e.broadcastTo(e.computing(ir), rows);
  bool truth = isTruth(e.elementOf(ir));
  if (truth && e.isRange(ir)) // what may hold does not
    ir = e.coalesce(ir, e.constantInt(e.i1(), 0));
  if (!truth && !isNumber(e.elementOf(ir))) {
    error(diag::partialResult, range,
          "a body on some rows gives numbers or truths, found " +
              describe(Value::array(ir, value.unit)))
        .note("the rows of other members have no value of this one");
    return Value();
  }
  AxisList kept = {axis};
  for (AxisInfo *other : e.axesOf(ir))
    if (other != rows && other != axis)
      kept.push_back(other);
  return Value::array(
      e.reduce(truth ? ReduceKind::any : ReduceKind::sum, ir, kept),
      value.unit);
}

/// Whether a row of the plan keeps what a pool requires of it.
mlir::Value Elaborator::requirement(PoolInfo &pool, const RequireDecl &decl,
                                    AxisInfo *plan) {
  Context next = cx;
  next.scope = std::make_shared<Scope>(pool.scope);
  next.along = plan;
  next.candidate = nullptr;
  next.chosen = plan;
  mlir::Value weight =
      plan->weight ? plan->weight : e.broadcastTo(e.constant(e.f32(), 1), plan);
  next.scope->bind("weight", Value::array(weight));
  next.scope->bind(
      "rank", Value::array(RankOp::create(
                  e.builder, e.loc, e.arrayType(e.i64(), {plan}), plan->plan)));
  auto surely = [&](mlir::Value truth, bool otherwise) {
    return e.isRange(truth)
               ? e.coalesce(truth, e.constantInt(e.i1(), otherwise))
               : truth;
  };
  return inContext(std::move(next), [&]() -> mlir::Value {
    e.loc = locationOf(decl.range);
    mlir::Value holds = evalTruth(*decl.cond);
    if (!holds)
      return {};
    holds = surely(holds, false);
    if (decl.where) { // where the guard may hold it binds
      mlir::Value guard = evalTruth(*decl.where);
      if (!guard)
        return {};
      holds = e.binary(BinaryKind::logical_or, holds,
                       e.unary(UnaryKind::logical_not, surely(guard, true)));
    }
    holds = e.broadcastTo(holds, plan);
    auto *call = dyn_cast_or_null<CallExpr>(decl.otherwise.get());
    StringRef otherwise =
        call ? call->calleeName() : plainName(decl.otherwise.get());
    bool refuses = otherwise == "reject";
    if (decl.otherwise && !refuses && !isa<NoneExpr>(decl.otherwise.get())) {
      error(diag::wrongKind, decl.otherwise->range,
            "a requirement ends in 'else reject' or 'else none'");
      return {};
    }
    if (refuses) // one row that breaks it takes its item along
      holds =
          e.broadcastTo(e.reduce(ReduceKind::all, holds, plan->items()), plan);
    return holds;
  });
}

/// What `run` gives on a plan of all rows of the pool, over these rows.
Value Elaborator::runOnAll(
    PoolInfo &pool, const std::vector<Value> &args, SourceRange range,
    llvm::function_ref<Value(AxisInfo *, const std::vector<Value> &)> run) {
  AxisInfo *rows =
      makeAxis(pool.axis->name, pool.axis->symbol.getValue().str() + ".all",
               AxisKind::plan, range);
  rows->parents = {pool.axis};
  emitAxis(*rows);
  rows->plan =
      e.choose(ChoiceKind::all, rows, irgen::Emitter::Choice()).getResult();
  std::vector<Value> moved;
  for (const Value &arg : args)
    moved.push_back(Value::array(e.broadcastTo(arg.ir, rows), arg.unit));
  Value result = run(rows, moved);
  return result.isError() ? result : backTo(result, rows, pool.axis, range);
}

/// Runs the bodies on the rows that keep what the pool requires.
Value Elaborator::runGuarded(PoolInfo &pool, AxisInfo *plan,
                             const std::vector<Value> &args,
                             SourceRange range) {
  if (pool.requirements.empty())
    return runPool(pool, plan, args, range);
  if (!plan)
    return runOnAll(pool, args, range, [&](AxisInfo *rows, const auto &moved) {
      return runGuarded(pool, rows, moved, range);
    });
  mlir::Value mask;
  for (const RequireDecl *decl : pool.requirements) {
    mlir::Value holds = requirement(pool, *decl, plan);
    if (!holds)
      return Value();
    mask = andMask(mask, holds);
  }
  AxisInfo *rows =
      makeAxis(plan->name, plan->symbol.getValue().str() + ".allowed",
               AxisKind::plan, range);
  rows->parents = {plan};
  emitAxis(*rows);
  irgen::Emitter::Choice choice;
  choice.mask = mask;
  choice.source = plan->plan;
  rows->plan = e.choose(ChoiceKind::all, rows, choice).getResult();
  std::vector<Value> moved;
  for (const Value &arg : args)
    moved.push_back(Value::array(e.gather(arg.ir, rows), arg.unit));
  Value result = runPool(pool, rows, moved, range);
  return result.isError() ? result : backTo(result, rows, plan, range);
}

Value Elaborator::runPool(PoolInfo &pool, AxisInfo *plan,
                          const std::vector<Value> &args, SourceRange range) {
  if (!pool.groups.empty() && plan)
    return runGroups(pool, plan, args, range);
  if (!pool.groups.empty()) // each row on the body of its kind
    return runOnAll(pool, args, range, [&](AxisInfo *rows, const auto &moved) {
      return runGroups(pool, rows, moved, range);
    });
  if (!pool.body)
    return fail(diag::wrongKind, range,
                "pool '" + pool.axis->name + "' has no body to run");
  Frame frame{pool.axis, plan, {}, 0};
  addInnerAxes(pool, frame);
  Value result = runBody(*pool.body, {frame}, plan, args, range);
  if (plan || !result.is(Kind::Array))
    return result;
  // What descends from the pool already says which row it is of.
  for (AxisInfo *axis : e.axesOf(result.ir))
    if (axis->descendsFrom(pool.axis))
      return result;
  return Value::array(e.broadcastTo(result.ir, pool.axis), result.unit);
}

/// Each kind of member on its own rows of the plan; the parts add up, as every
/// row belongs to one kind.
Value Elaborator::runGroups(PoolInfo &pool, AxisInfo *plan,
                            const std::vector<Value> &args, SourceRange range) {
  mlir::Value position = e.gather(e.iota(pool.axis, /*asRef=*/false), plan);
  Value total;
  for (const MemberGroup &group : pool.groups) {
    mlir::Value low = e.compare(CompareKind::ge, position,
                                e.constantInt(e.i64(), group.first));
    mlir::Value high =
        e.compare(CompareKind::lt, position,
                  e.constantInt(e.i64(), group.first + group.count));
    AxisInfo *rows =
        makeAxis(group.name, plan->symbol.getValue().str() + "." + group.name,
                 AxisKind::plan, group.range);
    rows->parents = {plan};
    emitAxis(*rows);
    irgen::Emitter::Choice choice;
    choice.mask = e.binary(BinaryKind::logical_and, low, high);
    choice.source = plan->plan;
    auto op = e.choose(ChoiceKind::all, rows, choice);
    rows->plan = op.getResult();
    std::vector<Value> moved;
    for (const Value &arg : args)
      moved.push_back(Value::array(e.gather(arg.ir, rows), arg.unit));
    std::vector<Frame> frames = {Frame{pool.axis, rows, {}, 0}};
    if (group.axis) {
      mlir::Value local = e.binary(BinaryKind::sub, e.gather(position, rows),
                                   e.constantInt(e.i64(), group.first));
      frames.push_back(Frame{group.axis, nullptr, local, 0});
    }
    Value part = runBody(*group.body, frames, rows, moved, range);
    if (part.isError())
      return part;
    Value back = backTo(part, rows, plan, range);
    if (back.isError())
      return back;
    std::function<Value(const Value &, const Value &)> add =
        [&](const Value &a, const Value &b) -> Value {
      bool truths = a.is(Kind::Array) && b.is(Kind::Array) &&
                    isTruth(e.elementOf(a.ir)) && isTruth(e.elementOf(b.ir));
      if (truths)
        return Value::array(e.binary(BinaryKind::logical_or, a.ir, b.ir));
      if (!a.parts || !b.parts)
        return arithmetic(ast::BinaryOp::Add, a, b, range, range, range);
      if (a.parts->size() != b.parts->size())
        return fail(diag::argumentMismatch, range,
                    "the members' bodies give " + llvm::Twine(a.parts->size()) +
                        " and " + llvm::Twine(b.parts->size()) + " values");
      std::vector<Value> parts;
      for (auto [x, y] : llvm::zip(*a.parts, *b.parts))
        if (parts.emplace_back(add(x, y)).isError())
          return Value();
      return Value::group(a.kind, std::move(parts),
                          a.names ? *a.names : std::vector<std::string>());
    };
    total = total.isError() ? back : add(total, back);
    if (total.isError())
      return total;
  }
  return total;
}

Value Elaborator::callPoolRow(PoolInfo &pool, mlir::Value position,
                              const std::vector<Value> &args,
                              SourceRange range) {
  Frame frame{pool.axis, nullptr, position, 0};
  addInnerAxes(pool, frame);
  if (pool.groups.empty()) {
    if (!pool.body)
      return fail(diag::wrongKind, range,
                  "pool '" + pool.axis->name + "' has no body to run");
    return runBody(*pool.body, {frame}, cx.along, args, range);
  }
  // The body of the row's kind: bodies have no effects, so that all may run.
  mlir::Value place = e.cast(position, e.i64());
  Value result;
  for (const MemberGroup &group : llvm::reverse(pool.groups)) {
    std::vector<Frame> frames = {frame};
    if (group.axis) {
      mlir::Value local =
          e.binary(BinaryKind::sub, place, e.constantInt(e.i64(), group.first));
      frames.push_back(Frame{group.axis, nullptr, local, 0});
    }
    Value part = runBody(*group.body, frames, cx.along, args, range);
    if (part.isError())
      return part;
    if (result.isError()) {
      result = part;
      continue;
    }
    mlir::Value before =
        e.compare(CompareKind::lt, place,
                  e.constantInt(e.i64(), group.first + group.count));
    result = selectValues(before, part, result, range);
    if (result.isError())
      return result;
  }
  return result;
}
