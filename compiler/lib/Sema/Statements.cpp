// Statements of bodies.
// Lets bind in order; assignments change carried values in a loop and state in
// a handler, nothing else.
#include "Elaborator.h"

using namespace route;
using namespace route::sema;
using namespace route::ast;

bool Elaborator::bindLet(const LetDecl &decl) {
  if (decl.isFunction) {
    Value value = Value::ofKind(Kind::Function);
    value.function =
        std::make_shared<FunctionInfo>(FunctionInfo{&decl, cx.scope});
    return bindName(*cx.scope, decl.name(),
                    {value, nullptr, decl.name().range, false});
  }
  Context next = cx;
  next.planName = decl.name().text;
  next.exact = decl.exact;
  bool steps = stepping();
  Value value = inContext(std::move(next), [&] {
    Value result = steps ? evalStep(*decl.value) : eval(*decl.value);
    if (decl.type && !result.isError()) {
      if (result.is(Kind::Lazy))
        return fail(
            diag::wrongKind, decl.value->range,
            "a call of a pool gets its type where it runs along a plan");
      TypeInfo type = resolveType(*decl.type, decl.name().text);
      if (type.kind == TypeInfo::Kind::None)
        return Value();
      result = convert(result, type, decl.value->range);
      if (!result.isError() && !type.axes.empty() &&
          !checkResultAxes(result, type, true, decl.value->range))
        return Value();
    }
    return result;
  });
  bool good = !value.isError();
  if (decl.names.size() == 1)
    return bindName(*cx.scope, decl.name(),
                    {value, nullptr, decl.name().range, false, ""}) &&
           good && (!steps || declareVariable(decl.name()));
  if (good && (!value.parts || value.parts->size() != decl.names.size() ||
               value.is(Kind::Plan))) {
    error(diag::argumentMismatch, decl.value->range,
          "expected " + llvm::Twine(decl.names.size()) + " values, found " +
              describe(value));
    good = false;
  }
  for (size_t i = 0; i < decl.names.size(); ++i)
    bindName(*cx.scope, decl.names[i],
             {good ? (*value.parts)[i] : Value(), nullptr, decl.names[i].range,
              false, ""});
  for (const Name &name : decl.names)
    if (steps)
      good &= declareVariable(name);
  return good;
}

bool Elaborator::executeStmt(const Stmt &stmt) {
  e.loc = locationOf(stmt.range);
  if (stepping() && !isa<DeclStmt, AssignStmt, EmitStmt, ExpectStmt>(stmt))
    return executeStep(stmt);
  switch (stmt.kind()) {
  case ast::Kind::DeclStmt: {
    const Decl &decl = *cast<DeclStmt>(stmt).decl;
    if (auto *let = dyn_cast<LetDecl>(&decl))
      return bindLet(*let);
    const RouteDecl *route = cx.route ? cx.route->decl : nullptr;
    if (route && route->body &&
        llvm::any_of(route->body->stmts,
                     [&](const StmtPtr &own) { return own.get() == &stmt; }))
      return true; // declared when the route was
    misplaced(decl, "stands in the body of a route itself",
              "not in a block, a loop or a function within it");
    return false;
  }
  case ast::Kind::ReturnStmt: {
    auto &ret = cast<ReturnStmt>(stmt);
    if (!cx.returns) {
      auto message = error(diag::wrongKind, stmt.range,
                           cx.route ? "'return' cannot stand in a block here"
                                    : "'return' stands in the body of a route");
      if (cx.route && cx.route->decl && cx.route->decl->isRouter)
        message
            .note("a router decides for all items at once: what each gets is "
                  "one value")
            .help("write rules: choose first { when c -> x  otherwise -> … }, "
                  "or a value: return case c -> x  otherwise -> …");
      else if (cx.route)
        message
            .note("a route computes for all items at once: what each gets is "
                  "one value")
            .help("write a value: return if c then x else y");
      return false;
    }
    cx.returns->value = ret.value ? eval(*ret.value) : Value();
    cx.returns->done = true;
    return !cx.returns->value.isError();
  }
  case ast::Kind::AssignStmt:
    return executeAssign(cast<AssignStmt>(stmt));
  case ast::Kind::IfStmt:
    return executeIf(cast<IfStmt>(stmt));
  case ast::Kind::EmitStmt:
    return executeEmit(cast<EmitStmt>(stmt));
  case ast::Kind::BlockStmt:
    for (const StmtPtr &inner : cast<BlockStmt>(stmt).stmts)
      if (!executeStmt(*inner))
        return false;
    return true;
  case ast::Kind::ExprStmt: {
    auto &value = cast<ExprStmt>(stmt);
    Value result = eval(*value.value);
    if (result.isError())
      return false;
    if (!isa<ForExpr>(value.value.get())) {
      // The parser has seen most of these already.
      for (const Diagnostic &told : diags.diagnostics())
        if (told.code == diag::unusedValue &&
            told.range.file == stmt.range.file &&
            told.range.begin >= stmt.range.begin &&
            told.range.end <= stmt.range.end)
          return false;
      error(diag::idleValue, stmt.range, "this value is not used")
          .help("bind it with 'let' or return it");
      return false;
    }
    return true;
  }
  case ast::Kind::KeepStmt:
    // A router keeps with the row that it chooses, in the run around it.
    if (cx.route && cx.route->decl && cx.route->decl->isRouter && !cx.handler)
      return true;
    error(diag::callMisplaced, stmt.range,
          "a route that only decides has no run to keep anything for")
        .note("'keep' stands in a route that calls the host, or in a router "
              "that it runs");
    return false;
  case ast::Kind::NoteStmt:
    if (inStepBlock())
      return stepNote(cast<NoteStmt>(stmt));
    error(diag::callMisplaced, stmt.range,
          "a note is written by a route that calls the host");
    return false;
  default:
    error(diag::callMisplaced, stmt.range, "this statement cannot stand here");
    return false;
  }
}

bool Elaborator::executeEmit(const EmitStmt &stmt) {
  Value value = eval(*stmt.value);
  mlir::Value ir = value.is(Kind::Plan)
                       ? value.axis->plan
                       : asArray(value, stmt.value->range, e.f32());
  if (!ir)
    return false;
  auto op =
      EmitOp::create(e.builder, e.loc, e.builder.getStringAttr(stmt.name.text),
                     ir, unitAttr(value.unit));
  emits[op] = stmt.name.range;
  return true;
}

static ast::BinaryOp operatorOf(AssignOp op) {
  switch (op) {
  case AssignOp::Add:
    return ast::BinaryOp::Add;
  case AssignOp::Sub:
    return ast::BinaryOp::Sub;
  case AssignOp::Mul:
    return ast::BinaryOp::Mul;
  default:
    return ast::BinaryOp::Div;
  }
}

/// Gives `name` a new value: a carried value of the loop, or state.
bool Elaborator::assignName(const Name &name, Value value, SourceRange range) {
  if (Storage *state = stateOfPool(name.text))
    return writeState(*state, value, range);
  auto [entry, scope] = cx.scope->lookup(name.text);
  if (!entry)
    return !writesColumn(name) &&
           !unknownName(name, "name", cx.scope->visibleNames()).isError();
  if (!entry->variable.empty() && stepping())
    return assignVariable(*entry, name, value, range);
  if (!entry->pending && entry->value.is(Kind::Array) && cx.carried &&
      cx.carried->count(name.text)) {
    mlir::Value like = (*cx.carried)[name.text].ir,
                ir = asArray(value, range, e.elementOf(like));
    if (!ir)
      return false;
    Unit unit = (*cx.carried)[name.text].unit;
    if (value.unit != unit && !value.is(Kind::Number)) {
      error(diag::unitMismatch, range,
            "'" + name.text + "' is carried in " + unit.str() + ", found " +
                value.unit.str());
      return false;
    }
    if (e.valueTypeOf(ir) != e.valueTypeOf(like) &&
        (!isNumber(e.elementOf(ir)) || !isNumber(e.elementOf(like)))) {
      error(diag::typeMismatch, range,
            "'" + name.text + "' is carried as " +
                describe(Value::array(like, unit)) + ", found " +
                describe(value));
      return false;
    }
    for (AxisInfo *axis : e.axesOf(ir))
      if (!e.typeOf(like).hasAxis(axis->symbol)) {
        error(diag::carryMismatch, range,
              "'" + name.text + "' is carried without axis '" + axis->name +
                  "': found " + describe(Value::array(ir, unit)))
            .help("give it the axis where it starts, for example 0.0[" +
                  axis->name + "]");
        return false;
      }
    ir = e.broadcastTo(e.cast(ir, e.valueTypeOf(like)), e.axesOf(like));
    entry->value = Value::array(ir, unit);
    return true;
  }
  Value target = resolve(*entry, *scope, name.range);
  if (target.is(Kind::Storage) && target.storage->kind == Storage::Kind::State)
    return writeState(*target.storage, value, range);
  if (!target.isError()) {
    auto message = error(diag::notMutable, name.range,
                         "'" + name.text + "' cannot be changed");
    if (cx.handler)
      message.note("a handler changes state");
    else
      message.note("only values that a loop carries change: for … carry (" +
                   name.text + " = …)");
  }
  return false;
}

bool Elaborator::executeAssign(const AssignStmt &stmt) {
  const Expr *target = ignoreParens(stmt.target.get());
  if (stmt.op != AssignOp::Set || isa<ListExpr>(ignoreParens(stmt.value.get())))
    if (auto changed = assignSet(*target, stmt))
      return *changed;
  Value value = stepping() ? evalStep(*stmt.value) : eval(*stmt.value);
  if (value.isError())
    return false;
  if (auto *tuple = dyn_cast<TupleExpr>(target)) {
    if (stmt.op != AssignOp::Set || !value.parts || value.is(Kind::Plan) ||
        value.parts->size() != tuple->elements.size()) {
      error(diag::argumentMismatch, stmt.value->range,
            "expected " + llvm::Twine(tuple->elements.size()) +
                " values, found " + describe(value));
      return false;
    }
    for (size_t i = 0; i < tuple->elements.size(); ++i) {
      auto *name = dyn_cast<NameExpr>(ignoreParens(tuple->elements[i].get()));
      if (!name) {
        error(diag::notMutable, tuple->elements[i]->range,
              "a tuple is assigned to names");
        return false;
      }
      if (!assignName(name->name, (*value.parts)[i], stmt.value->range))
        return false;
    }
    return true;
  }
  if (stmt.op != AssignOp::Set) {
    auto *index = dyn_cast<IndexExpr>(target);
    Storage *keyed = index ? keyedNamed(*index->base) : nullptr;
    Value before = keyed ? readKeyed(*keyed, *index, /*written=*/true)
                         : beforeWrite(*target);
    value = arithmetic(operatorOf(stmt.op), before, value, stmt.range,
                       stmt.target->range, stmt.value->range);
    if (value.isError())
      return false;
  }
  if (auto *name = dyn_cast<NameExpr>(target))
    return assignName(name->name, value, stmt.value->range);
  if (auto *member = dyn_cast<MemberExpr>(target)) {
    if (Storage *state = stateAt(*member)) // of a module
      return writeState(*state, value, stmt.value->range);
    Value row = eval(*member->base);
    return !row.isError() && writeRow(*member, row, value, stmt.value->range);
  }
  if (auto *index = dyn_cast<IndexExpr>(target)) {
    if (Storage *storage = keyedNamed(*index->base))
      return writeKeyed(*storage, *index, value, stmt.value->range);
    if (Storage *storage = stateAt(*index->base))
      return writeElement(*storage, *index, value, stmt.value->range);
    auto *name = dyn_cast<NameExpr>(ignoreParens(index->base.get()));
    if (name && lookup(name->name).isError())
      return false;
  }
  error(diag::notMutable, stmt.target->range,
        "expected a name, a column of a row, or an element of state");
  return false;
}

/// What `m.n += x` adds to. Nothing is written where it is unknown which row m
/// is, so that what m is there makes nothing unknown.
Value Elaborator::beforeWrite(const Expr &target) {
  auto *member = dyn_cast<MemberExpr>(&target);
  Value row = member ? eval(*member->base) : Value();
  if (!row.is(Kind::Array) || !e.isRange(row.ir))
    return eval(target);
  mlir::Type ref = e.valueTypeOf(row.ir);
  if (!isa<RefType>(ref))
    return eval(target);
  row.ir = e.coalesce(row.ir, e.constantInt(ref, -1));
  return memberOfArray(row, *member);
}

/// `m.seen += x`, `seen -= x` and `seen = []` where the target is a set;
/// nothing where it is none.
std::optional<bool> Elaborator::assignSet(const Expr &target,
                                          const AssignStmt &stmt) {
  Value before, row;
  std::optional<int64_t> bound;
  Storage *state = nullptr;
  if ((state = stateAt(target))) {
    if (!isa<route::SetType>(state->type.getElementType()))
      return std::nullopt;
    bound = state->bound;
    before = load(*state);
  } else if (auto *member = dyn_cast<MemberExpr>(&target)) {
    row = eval(*member->base);
    const ColumnInfo *column =
        row.axis ? row.axis->findColumn(member->member.text) : nullptr;
    if (!column || !isa<route::SetType>(column->type.getElementType()))
      return std::nullopt;
    bound = column->bound;
    before = eval(target);
  } else {
    return std::nullopt;
  }
  if (before.isError())
    return false;
  Value next = changedSet(before, stmt, bound);
  if (next.isError())
    return false;
  return state
             ? writeState(*state, next, stmt.value->range)
             : writeRow(cast<MemberExpr>(target), row, next, stmt.value->range);
}

/// `if` as a statement: assignments below it happen where the condition holds.
bool Elaborator::executeIf(const IfStmt &stmt) {
  mlir::Value condition = evalTruth(*stmt.cond);
  if (!condition)
    return false;
  // Run both branches on copies of what may change, then select.
  auto snapshot = [&] {
    std::map<std::string, Value> values;
    if (cx.carried)
      for (auto &entry : *cx.carried)
        values[entry.first().str()] =
            cx.scope->lookup(entry.first()).first->value;
    return values;
  };
  auto restore = [&](const std::map<std::string, Value> &values) {
    for (auto &[name, value] : values)
      cx.scope->lookup(name).first->value = value;
  };
  auto before = snapshot();
  mlir::Value outer = cx.writeMask;
  auto branch = [&](const Stmt &body, mlir::Value mask) {
    Context next = cx;
    next.scope = std::make_shared<Scope>(cx.scope);
    next.writeMask =
        outer ? e.binary(BinaryKind::logical_and, outer, mask) : mask;
    next.returns = nullptr;
    return inContext(std::move(next), [&] { return executeStmt(body); });
  };
  if (!branch(*stmt.thenBlock, condition))
    return false;
  auto then = snapshot();
  restore(before);
  if (stmt.elseStmt &&
      !branch(*stmt.elseStmt, e.unary(UnaryKind::logical_not, condition)))
    return false;
  auto otherwise = snapshot();
  for (auto &[name, value] : then) {
    if (value.ir == otherwise[name].ir)
      continue;
    Value merged = selectValues(condition, value, otherwise[name], stmt.range);
    if (merged.isError())
      return false;
    cx.scope->lookup(name).first->value = value;
    Name target{name, stmt.range};
    if (!assignName(target, merged, stmt.range))
      return false;
  }
  return true;
}
