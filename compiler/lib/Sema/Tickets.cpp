// What runs keep for late events.
// `keep x` puts values into the ticket of the run, in a router together with
// the row that it chose. Feedback comes when the run is long over: its handlers
// loop over the ticket, `for (x, row) in run.kept`, whose entries lie along an
// axis of their own.
#include "Elaborator.h"

using namespace route;
using namespace route::sema;
using namespace route::ast;

/// Appends the arrays that `value` is made of. False where it is none.
static bool leavesOf(const Value &value,
                     llvm::SmallVectorImpl<mlir::Value> &leaves) {
  if (value.is(Value::Kind::Tuple) || value.is(Value::Kind::Record))
    return llvm::all_of(*value.parts, [&](const Value &part) {
      return leavesOf(part, leaves);
    });
  leaves.push_back(value.ir);
  return bool(value.ir);
}

/// `like` made of other arrays, in the order of leavesOf; of none, its shape
/// alone.
static Value rebuilt(const Value &like, mlir::ValueRange &leaves) {
  if (like.parts &&
      (like.is(Value::Kind::Tuple) || like.is(Value::Kind::Record))) {
    std::vector<Value> parts;
    for (const Value &part : *like.parts)
      parts.push_back(rebuilt(part, leaves));
    return Value::group(like.kind, std::move(parts),
                        like.names ? *like.names : std::vector<std::string>());
  }
  mlir::Value leaf;
  if (!leaves.empty()) {
    leaf = leaves.front();
    leaves = leaves.drop_front();
  }
  return like.is(Value::Kind::Row)
             ? Value::ofAxis(Value::Kind::Row, like.axis, leaf)
             : Value::array(leaf, like.unit);
}

/// Stores one entry of the ticket. All of a file hold things of one kind.
bool Elaborator::keep(const std::vector<Value> &values, SourceRange range) {
  std::function<Value(const Value &)> plain = [&](const Value &value) {
    if (value.is(Kind::Tuple) || value.is(Kind::Record)) {
      std::vector<Value> parts;
      for (const Value &part : *value.parts)
        if (parts.emplace_back(plain(part)).isError())
          return Value();
      return Value::group(value.kind, std::move(parts),
                          value.names ? *value.names
                                      : std::vector<std::string>());
    }
    mlir::Value ir = asArray(value, range);
    if (!ir)
      return Value();
    if (auto ref = dyn_cast<RefType>(e.elementOf(ir));
        ref && e.typeOf(ir).isScalar())
      return Value::ofAxis(Kind::Row, e.axisOf(ref.getAxis()), ir);
    return Value::array(ir, value.unit);
  };
  Value entry = plain(Value::group(Kind::Tuple, values));
  if (entry.isError())
    return false;
  llvm::SmallVector<mlir::Value> leaves;
  leavesOf(entry, leaves);
  KeepOp::create(e.builder, e.loc, leaves);
  if (cx.steps->learning)
    return true;
  llvm::SmallVector<mlir::Type> types;
  for (mlir::Value leaf : leaves)
    types.push_back(leaf.getType());
  if (!keptLike) {
    // A route that turns out wrong is erased, and its arrays with it.
    mlir::ValueRange none;
    keptLike = rebuilt(entry, none), keptTypes = types, keptRange = range;
    return true;
  }
  // What the handlers take them for is the same for all.
  std::function<bool(const Value &, const Value &)> same = [&](const Value &a,
                                                               const Value &b) {
    if (a.kind != b.kind || bool(a.parts) != bool(b.parts))
      return false;
    if (!a.parts)
      return a.unit == b.unit;
    return a.parts->size() == b.parts->size() &&
           llvm::all_of(llvm::zip(*a.parts, *b.parts), [&](auto pair) {
             return same(std::get<0>(pair), std::get<1>(pair));
           });
  };
  if (same(*keptLike, entry) && keptTypes == types)
    return true;
  error(diag::typeMismatch, range, "other things are kept elsewhere")
      .label(keptRange, "here")
      .note("what is kept is read by one loop, for … in run.kept; a router "
            "keeps the row it chose too");
  return false;
}

/// The `keep` statements of a router that a run has just expanded: each stores
/// its values and the row, where there is one.
bool Elaborator::keepRow(RouteInstance &route, const Value &plan) {
  if (!route.decl->isRouter || !route.decl->body || !inStepBlock() ||
      cx.recorded || plan.isError())
    return true;
  for (const StmtPtr &stmt : route.decl->body->stmts) {
    auto *statement = dyn_cast<KeepStmt>(stmt.get());
    if (!statement)
      continue;
    if (!plan.axis->items().empty()) {
      error(diag::wrongKind, stmt->range,
            "this router chooses for each '" +
                plan.axis->items().front()->name + "' here")
          .note("what is kept belongs to the one row that a run goes on with");
      return false;
    }
    mlir::Block *chosen = newStepBlock(), *after = newStepBlock();
    CondBranchOp::create(e.builder, e.loc, hasRows(plan.axis),
                         mlir::ValueRange(), mlir::ValueRange(), chosen, after);
    e.builder.setInsertionPointToEnd(chosen);
    std::vector<Value> values;
    for (const ExprPtr &written : statement->values)
      if (values.emplace_back(eval(*written)).isError())
        return false;
    AxisInfo *pool = plan.axis->candidates();
    while (pool->isPlan())
      pool = pool->candidates();
    values.push_back(
        Value::ofAxis(Kind::Row, pool,
                      e.pick(e.gather(e.iota(pool, /*asRef=*/true), plan.axis),
                             plan.axis, e.constantInt(e.i64(), 0))));
    if (!keep(values, stmt->range))
      return false;
    jumpTo(after);
    e.builder.setInsertionPointToEnd(after);
  }
  return true;
}

/// `for (x, row) in run.kept { … }` in a handler.
Value Elaborator::keptLoop(const ForExpr &expr) {
  auto func = dyn_cast_or_null<FuncOp>(topOp);
  if (!cx.handler || !func || func.getEvent() != "feedback")
    return fail(diag::callMisplaced, expr.domain->range,
                "'run.kept' is what a loop of 'on feedback' runs over");
  if (!keptLike && diags.hasErrors())
    return Value(); // what is wrong may be what would be kept
  if (!keptLike)
    return fail(diag::wrongKind, expr.domain->range, "no run keeps anything");
  if (expr.key || !expr.carry.empty() || expr.until)
    return fail(diag::badChoice, expr.range,
                "a loop over 'run.kept' takes no further clauses");
  size_t count = keptLike->parts->size();
  if (expr.binders.size() != count) {
    error(diag::argumentMismatch, expr.domain->range,
          "an entry of 'run.kept' has " + llvm::Twine(count) +
              (count == 1 ? " value" : " values") + ", found " +
              llvm::Twine(expr.binders.size()) +
              (expr.binders.size() == 1 ? " name" : " names"))
        .label(keptRange, "kept here")
        .note("a router keeps the row it chose behind its values");
    return Value();
  }
  if (!keptAxis) {
    keptAxis = makeAxis("kept", "kept", AxisKind::index, keptRange);
    emitAxis(*keptAxis);
  }
  if (keptArgs.empty())
    for (mlir::Type type : keptTypes) {
      auto leaf = cast<route::ArrayType>(type);
      AxisList axes = {keptAxis};
      for (mlir::FlatSymbolRefAttr axis : leaf.getAxes())
        axes.push_back(e.axisOf(axis));
      keptArgs.push_back(func.getBody().front().addArgument(
          e.arrayType(leaf.getElementType(), axes), e.loc));
    }
  auto loop =
      ForOp::create(e.builder, e.loc, mlir::TypeRange(), mlir::Value(),
                    mlir::Value(), keptAxis->symbol, mlir::ValueRange());
  mlir::Block &block = loop.getBody().emplaceBlock();
  mlir::Value entry = block.addArgument(
      route::ArrayType::get(RefType::get(&context, keptAxis->symbol)), e.loc);
  bool good = false;
  {
    mlir::OpBuilder::InsertionGuard guard(e.builder);
    e.builder.setInsertionPointToStart(&block);
    llvm::SmallVector<mlir::Value> picked;
    for (mlir::Value argument : keptArgs)
      picked.push_back(e.pick(argument, keptAxis, entry));
    Context next = cx;
    next.scope = std::make_shared<Scope>(cx.scope);
    mlir::ValueRange rest = picked;
    for (auto [name, part] : llvm::zip(expr.binders, *keptLike->parts))
      next.scope->bind(name.text, rebuilt(part, rest), name.range);
    good = inContext(std::move(next), [&] {
      return llvm::all_of(expr.body->stmts, [&](const StmtPtr &stmt) {
        return executeStmt(*stmt);
      });
    });
    YieldOp::create(e.builder, e.loc,
                    mlir::ValueRange(e.constantInt(e.i1(), 0)));
  }
  if (good)
    return Value::group(Kind::Tuple, {});
  loop.erase();
  return Value();
}
