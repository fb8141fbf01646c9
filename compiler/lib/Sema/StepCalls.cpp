// Calls of the host.
// `call m.chat(r) timeout 30 s` and `par 8 { … } need 5`: the places where a
// step route waits, and what their results mean.
#include "Budgets.h"
#include "Elaborator.h"
#include "route/Dialect/Route/IR/Spelling.h"

using namespace route;
using namespace route::sema;
using namespace route::ast;

Value Elaborator::evalStep(const Expr &expr) {
  const Expr *plain = ignoreParens(&expr);
  auto saved = e.loc;
  e.loc = locationOf(plain->range);
  Value value = [&] {
    if (auto *call = dyn_cast<CallOutExpr>(plain))
      return evalAsk(*call);
    if (auto *par = dyn_cast<ParExpr>(plain))
      return evalPar(*par);
    if (auto *with = dyn_cast<WithExpr>(plain))
      return withFields(*with);
    if (auto *loop = dyn_cast<ForExpr>(plain);
        loop && !loop->carry.empty() && stepping() && asksHost(*loop))
      return stepCarry(*loop);
    if (auto *binary = dyn_cast<ast::BinaryExpr>(plain);
        binary && binary->op == ast::BinaryOp::Coalesce)
      return stepCoalesce(*binary);
    return eval(*plain);
  }();
  // Which rows these are changes as the run goes on.
  if (value.is(Kind::RunSet)) {
    AxisInfo *pool = poolOfRun(plain->range);
    value = pool ? runRows(value.text, pool, plain->range) : Value();
  }
  e.loc = saved;
  return value;
}

/// The pool whose rows `run.failed` means where nothing says it.
AxisInfo *Elaborator::poolOfRun(SourceRange range) {
  AxisInfo *found = nullptr;
  for (PoolInfo &pool : pools) {
    if (pool.bodies().empty())
      continue;
    if (found) {
      error(diag::wrongKind, range,
            "of which pool these rows are is not clear here")
          .help("give them to a parameter of type 'set " + found->name + "'");
      return nullptr;
    }
    found = pool.axis;
  }
  if (!found)
    error(diag::wrongKind, range,
          "there is no pool whose rows could be called");
  return found;
}

Value Elaborator::runRows(StringRef which, AxisInfo *pool, SourceRange range) {
  if (!inStepBlock())
    return fail(diag::callMisplaced, range,
                "'run." + which + "' is known in a step route only");
  mlir::Type set = SetType::get(&context, RefType::get(&context, pool->symbol));
  return Value::array(RunSetOp::create(e.builder, e.loc, e.arrayType(set, {}),
                                       e.builder.getStringAttr(which),
                                       pool->symbol));
}

/// The first row that a plan has for the one item; a refusal of the plan ends
/// the run.
Value Elaborator::rowOfPlan(const Value &plan, SourceRange range) {
  AxisInfo *pool = plan.axis->candidates();
  while (pool->isPlan())
    pool = pool->candidates();
  if (!plan.axis->items().empty())
    return fail(diag::wrongKind, range,
                "this plan has rows for each '" +
                    plan.axis->items().front()->name + "'");
  if (const Value *status = plan.part("status"); status && inStepBlock()) {
    mlir::Block *refused = newStepBlock(), *good = newStepBlock();
    mlir::Value zero = e.constantInt(e.i64(), 0);
    CondBranchOp::create(e.builder, e.loc,
                         e.compare(CompareKind::eq, status->ir, zero),
                         mlir::ValueRange(), mlir::ValueRange(), good, refused);
    e.builder.setInsertionPointToEnd(refused);
    RefuseOp::create(e.builder, e.loc, status->ir,
                     plan.text.empty() ? mlir::StringAttr()
                                       : e.builder.getStringAttr(plan.text));
    e.builder.setInsertionPointToEnd(good);
  }
  mlir::Value rows = e.gather(e.iota(pool, /*asRef=*/true), plan.axis);
  Value row = Value::ofAxis(Kind::Row, pool,
                            e.pick(rows, plan.axis, e.constantInt(e.i64(), 0)));
  row.under = plan.axis->under;
  return row;
}

/// Calls `add` with the name, as in answerFields, and the unit of each field of
/// an answer that has one.
static void
eachUnit(const TypeInfo &type, const std::string &prefix,
         llvm::function_ref<void(const std::string &, const Unit &)> add) {
  auto addNamed = [&](const std::string &name, const Unit &unit) {
    if (!unit.isNone())
      add(name, unit);
  };
  if (type.kind == TypeInfo::Kind::Array)
    addNamed(prefix, type.unit);
  if (type.kind == TypeInfo::Kind::Row && !type.rowOf->pool)
    for (const ColumnInfo &column : type.rowOf->columns)
      if (column.kind == ColumnKind::input)
        addNamed(prefix + "." + column.name, column.unit);
  if (type.kind == TypeInfo::Kind::Record)
    for (auto [name, element] : llvm::zip(type.names, type.elements))
      eachUnit(element, prefix.empty() ? name : prefix + "." + name, add);
}

bool Elaborator::askArguments(const CallExpr &call, const BodyDecl *body,
                              ScopePtr scope,
                              llvm::SmallVectorImpl<mlir::Value> &values,
                              llvm::SmallVectorImpl<mlir::Attribute> &names,
                              mlir::NamedAttrList &units) {
  if (call.isReduction()) {
    error(diag::wrongKind, call.range, "a call takes no 'over', 'of' or 'per'");
    return false;
  }
  if (body && call.args.size() != body->params.size()) {
    error(diag::argumentMismatch, call.range,
          "body '" + body->name.text + "' takes " +
              llvm::Twine(body->params.size()) + " arguments, found " +
              llvm::Twine(call.args.size()))
        .label(body->name.range, "declared here");
    return false;
  }
  for (size_t i = 0; i < call.args.size(); ++i) {
    const Expr &written = *call.args[i].value;
    Value value = eval(written);
    if (value.isError())
      return false;
    std::string name = body ? body->params[i]->name.text
                       : call.args[i].name
                           ? call.args[i].name.text
                           : plainName(ignoreParens(&written)).str();
    if (name.empty())
      name = std::to_string(i);
    if (body && body->params[i]->type) {
      Context inside = cx;
      inside.scope = scope;
      TypeInfo type = inContext(std::move(inside), [&] {
        return resolveType(*body->params[i]->type);
      });
      value = convert(value, type, written.range);
    }
    std::function<bool(const Value &, const std::string &)> add =
        [&](const Value &part, const std::string &as) {
          if (part.is(Kind::Record)) {
            for (size_t k = 0; k < part.parts->size(); ++k)
              if (!add((*part.parts)[k], as + "." + (*part.names)[k]))
                return false;
            return true;
          }
          mlir::Value ir = asArray(part, written.range);
          if (!ir)
            return false;
          values.push_back(ir);
          names.push_back(e.builder.getStringAttr(as));
          if (mlir::StringAttr unit = unitAttr(part.unit))
            units.set(as, unit);
          return true;
        };
    if (!add(value, name))
      return false;
  }
  return true;
}

TypeInfo Elaborator::answerType(const TypeExpr &written, ScopePtr scope,
                                StringRef hint) {
  auto known = answerTypes.find(&written);
  if (known != answerTypes.end())
    return known->second;
  Context inside = cx;
  inside.scope = scope;
  return answerTypes[&written] = inContext(
             std::move(inside), [&] { return resolveType(written, hint); });
}

/// The body `name` of a pool's rows; null after an error. A pool of pools has
/// those that all of its parts have, with one kind of answer.
const BodyDecl *Elaborator::bodyNamed(const PoolInfo &pool, const Name &name) {
  const BodyDecl *body = nullptr;
  const PoolInfo *owner = nullptr;
  std::vector<std::string> names;
  auto look = [&](const PoolInfo &in) -> const BodyDecl * {
    for (const auto &known : in.bodies()) {
      names.push_back(known->name.text);
      if (known->name.text == name.text)
        return known.get();
    }
    return nullptr;
  };
  if (pool.parts.empty())
    body = look(pool);
  for (const PoolInfo::Part &part : pool.parts) {
    if (part.skipped || !part.axis->pool)
      continue;
    const BodyDecl *other = look(*part.axis->pool);
    if (!other) {
      error(diag::unknownName, name.range,
            "rows of '" + part.axis->name + "' have no body '" + name.text +
                "'")
          .note("'" + pool.axis->name +
                "' is made of them, and any of its rows may be called");
      return nullptr;
    }
    if (!body) {
      body = other, owner = part.axis->pool;
      continue;
    }
    auto fieldsOf = [&](const BodyDecl &of, ScopePtr scope,
                        std::vector<std::string> &fields) {
      llvm::SmallVector<mlir::Type> types;
      if (of.result)
        answerFields(answerType(*of.result, scope, name.text), "", {}, fields,
                     types, of.result->range);
      for (mlir::Type type : types) // their kinds, after their names
        fields.push_back(spellElement(type));
      return types;
    };
    std::vector<std::string> a, b;
    if (fieldsOf(*body, owner->scope, a) !=
            fieldsOf(*other, part.axis->pool->scope, b) ||
        a != b) {
      error(diag::typeMismatch, name.range,
            "body '" + name.text + "' gives other things for '" +
                part.axis->name + "' than for '" + owner->axis->name + "'")
          .label(body->name.range, "one of the two")
          .label(other->name.range, "the other");
      return nullptr;
    }
  }
  if (!body)
    unknownName(name, "body of '" + pool.axis->name + "'", names);
  return body;
}

Value Elaborator::evalAsk(const CallOutExpr &expr, AxisInfo *lanes,
                          int64_t copies) {
  if (!cx.steps || (!stepping() && !lanes) || !inStepBlock())
    return fail(diag::callMisplaced, expr.range,
                "the host cannot be called from here");
  auto *call = dyn_cast<CallExpr>(ignoreParens(expr.call.get()));
  auto *member = call ? dyn_cast<MemberExpr>(call->callee.get()) : nullptr;
  if (!member)
    return fail(diag::wrongKind, expr.call->range,
                "a call asks a body of a row, m.chat(r), or the host, "
                "host.search(q)");
  std::optional<int64_t> timeout;
  if (expr.timeout && !(timeout = nanoseconds(*expr.timeout)))
    return Value();
  bool host = plainName(member->base.get()) == "host" &&
              !cx.scope->lookup("host").first;
  const BodyDecl *body = nullptr;
  Value row;
  PoolInfo *pool = nullptr;
  const TypeExpr *written = expr.result.get();
  ScopePtr typeScope = cx.scope;
  if (!host) {
    row = eval(*member->base);
    if (row.isError())
      return row;
    if (row.is(Kind::Plan))
      row = rowOfPlan(row, member->base->range);
    else if (row.is(Kind::Array))
      if (auto ref = dyn_cast<RefType>(e.valueTypeOf(row.ir)))
        row = Value::ofAxis(Kind::Row, e.axisOf(ref.getAxis()), row.ir);
    if (row.isError())
      return row;
    bool isRow = (row.is(Kind::Row) && row.ir) || row.is(Kind::Member);
    if (!isRow || !row.axis->pool)
      return fail(diag::wrongKind, member->base->range,
                  "expected a row of a pool, found " + describe(row));
    pool = row.axis->pool;
    if (!(body = bodyNamed(*pool, member->member)))
      return Value();
    if (written) {
      error(diag::wrongKind, written->range,
            "body '" + body->name.text + "' says what it gives itself")
          .label(body->name.range, "declared here");
      return Value();
    }
    written = body->result.get();
    typeScope = pool->scope;
  }
  TypeInfo type;
  type.kind = TypeInfo::Kind::Record;
  if (written) {
    bool first = !answerTypes.count(written);
    type = answerType(*written, typeScope, member->member.text);
    if (first && host)
      hostTypes[written] = member->member.text;
    if (type.kind != TypeInfo::Kind::Record) {
      if (type.kind != TypeInfo::Kind::None)
        error(diag::typeMismatch, written->range,
              "an answer is a record: -> { text: handle }");
      return Value();
    }
  }
  AxisList laneAxes;
  if (lanes)
    laneAxes.push_back(lanes);
  std::vector<std::string> fields;
  llvm::SmallVector<mlir::Type> types = {e.arrayType(e.i64(), laneAxes)};
  if (!answerFields(type, "", laneAxes, fields, types,
                    written ? written->range : expr.range))
    return Value();
  llvm::SmallVector<mlir::Value> values;
  llvm::SmallVector<mlir::Attribute> names;
  mlir::NamedAttrList given, answered;
  if (!askArguments(*call, body, pool ? pool->scope : cx.scope, values, names,
                    given))
    return Value();
  // Budgets of the choice that the row is from, and of the routes around.
  llvm::SmallVector<mlir::Attribute> under(row.under.begin(), row.under.end());
  if (pool)
    for (RouteInstance *around : cx.stepRoutes) {
      Context inside = cx;
      inside.candidate = pool->axis;
      llvm::SmallVector<mlir::Attribute> own;
      if (!inContext(std::move(inside), [&] {
            return budgets->under(around->decl->under, own, expr.range);
          }))
        return Value();
      Budgets::add(under, own);
    }
  e.loc = locationOf(expr.range);
  mlir::Value position =
      pool ? asArray(row, member->base->range) : mlir::Value();
  auto integer = [&](std::optional<int64_t> value) {
    return value ? e.builder.getI64IntegerAttr(*value) : mlir::IntegerAttr();
  };
  auto op = AskOp::create(
      e.builder, e.loc, types[0], llvm::ArrayRef(types).drop_front(),
      e.builder.getStringAttr(member->member.text),
      pool ? pool->axis->symbol : mlir::FlatSymbolRefAttr(), position, values,
      e.builder.getArrayAttr(names), integer(timeout),
      integer(lanes ? std::optional(copies) : std::nullopt),
      lanes ? lanes->symbol : mlir::FlatSymbolRefAttr(),
      e.builder.getStrArrayAttr(llvm::to_vector_of<StringRef>(fields)),
      under.empty() ? mlir::ArrayAttr() : e.builder.getArrayAttr(under));
  eachUnit(type, "", [&](const std::string &field, const Unit &unit) {
    answered.set(field, unitAttr(unit));
  });
  if (!given.empty())
    op->setAttr("route.units", given.getDictionary(&context));
  if (!answered.empty())
    op->setAttr("route.field_units", answered.getDictionary(&context));
  mlir::ValueRange answers = op.getValues();
  Value answer = answerValue(type, answers);
  answer.kind = lanes ? Kind::Record : Kind::Result;
  if (!answer.names)
    answer.names = std::make_shared<std::vector<std::string>>();
  answer.parts->insert(answer.parts->begin(), Value::array(op.getCode()));
  answer.names->insert(answer.names->begin(), "code");
  if (pool && !lanes) {
    answer.parts->insert(answer.parts->begin() + 1,
                         Value::ofAxis(Kind::Row, row.axis, position));
    answer.names->insert(answer.names->begin() + 1, "row");
  }
  if (!lanes) {
    answer.handled = std::make_shared<bool>(false);
    cx.steps->pending.push_back({answer.handled, expr.range});
  }
  return answer;
}

/// `par 8 { call … } need 5`: the answers lie along an axis of size 5.
Value Elaborator::evalPar(const ParExpr &expr) {
  if (!stepping())
    return fail(diag::callMisplaced, expr.range,
                "the host cannot be called from here");
  auto copies = constantSize(*expr.count, "the number of calls");
  if (!copies)
    return Value();
  auto need =
      expr.need ? constantSize(*expr.need, "the answers needed") : copies;
  if (!need)
    return Value();
  if (*need > *copies || *copies > 1024)
    return fail(diag::badSize, (*copies > 1024 ? expr.count : expr.need)->range,
                *copies > 1024
                    ? "at most 1024 calls are made at once"
                    : "of " + llvm::Twine(*copies) + " calls " +
                          llvm::Twine(*need) + " answers can never come");
  const CallOutExpr *call = nullptr;
  Context inside = cx;
  inside.scope = std::make_shared<Scope>(cx.scope);
  return inContext(std::move(inside), [&]() -> Value {
    for (size_t i = 0; i < expr.body->stmts.size(); ++i) {
      const Stmt &stmt = *expr.body->stmts[i];
      if (i + 1 == expr.body->stmts.size()) {
        if (auto *value = dyn_cast<ExprStmt>(&stmt))
          call = dyn_cast<CallOutExpr>(ignoreParens(value->value.get()));
        break;
      }
      auto *decl = dyn_cast<DeclStmt>(&stmt);
      auto *let = decl ? dyn_cast<LetDecl>(decl->decl.get()) : nullptr;
      if (!let)
        return fail(diag::callMisplaced, stmt.range,
                    "'par' holds lets and, last, one call");
      if (isa<CallOutExpr, ParExpr>(ignoreParens(let->value.get())))
        return fail(diag::callMisplaced, let->value->range,
                    "'par' makes one call, which stands last");
      if (!bindLet(*let))
        return Value();
    }
    if (!call)
      return fail(diag::callMisplaced, expr.body->range,
                  "'par' holds lets and, last, one call");
    StringRef wanted =
        cx.planName.empty() ? StringRef("par") : StringRef(cx.planName);
    AxisInfo *lanes = makeAxis(wanted, symbolIn(*cx.scope, wanted),
                               AxisKind::index, expr.range);
    lanes->size = *need;
    AxisOp op = emitAxis(*lanes);
    if (cx.steps->learning)
      cx.steps->scratch.push_back(op);
    return evalAsk(*call, lanes, *copies);
  });
}

/// `a with { confidence: p }`: what is returned gets more fields.
Value Elaborator::withFields(const WithExpr &expr) {
  Value value = evalStep(*expr.value);
  if (value.isError())
    return value;
  if (!value.is(Kind::Result) && !value.is(Kind::Record))
    return fail(diag::wrongKind, expr.value->range,
                "'with' adds fields to what a call gave, found " +
                    describe(value));
  Value result = value;
  result.parts = std::make_shared<std::vector<Value>>(*value.parts);
  result.names = std::make_shared<std::vector<std::string>>(*value.names);
  for (const Arg &field : expr.notes) {
    if (result.part(field.name.text))
      return fail(diag::duplicateName, field.name.range,
                  "there is a field '" + field.name.text + "' already");
    Value part = eval(*field.value);
    if (part.isError())
      return part;
    result.parts->push_back(part);
    result.names->push_back(field.name.text);
  }
  return result;
}

void Elaborator::checkHandled(const StepRoute &steps) {
  for (const PendingResult &result : steps.pending)
    if (!*result.handled)
      error(diag::unhandledFailure, result.range,
            "nobody looks at whether this call failed")
          .note("a call may fail or give no answer in time")
          .help("case a { ok -> …  failed(c) -> … }");
}
