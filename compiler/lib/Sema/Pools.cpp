//===- Pools.cpp - Pools, their rows and their bodies
//----------------------===//
//
// A pool is an axis with bodies. A call runs the body along the rows of a plan:
// arguments and parameters are gathered to the rows, so that nothing is
// computed for what was not chosen. Members of different kinds run on their own
// rows.
//
//===----------------------------------------------------------------------===//
#include "Elaborator.h"
#include "llvm/ADT/StringSet.h"

using namespace route;
using namespace route::sema;
using namespace route::ast;

RouteInstance *Elaborator::makeInstance(const RouteDecl &decl, ScopePtr scope,
                                        StringRef path,
                                        std::vector<AxisInfo *> pools) {
  RouteInstance &instance = instances.emplace_back();
  instance.decl = &decl;
  instance.path = path.str();
  instance.scope = std::move(scope);
  instance.pools = std::move(pools);
  instance.locals = std::make_shared<Scope>(instance.scope);
  instance.locals->owner = &instance;
  instance.locals->path = instance.path;
  if (decl.body)
    for (const StmtPtr &stmt : decl.body->stmts)
      if (auto *local = dyn_cast<DeclStmt>(stmt.get());
          local && !isa<LetDecl>(local->decl.get()))
        declare(*local->decl, *instance.locals);
  return &instance;
}

RouteInstance *Elaborator::instantiate(const Expr &expr, StringRef path,
                                       std::vector<AxisInfo *> pools) {
  const Expr *plain = ignoreParens(&expr);
  const IndexExpr *index = dyn_cast<IndexExpr>(plain);
  const Expr *base = index ? ignoreParens(index->base.get()) : plain;
  Value value;
  if (auto *name = dyn_cast<NameExpr>(base))
    value = lookup(name->name);
  else
    value = eval(*base);
  if (value.isError())
    return nullptr;
  if (value.is(Kind::Builtin) &&
      (value.text == "identity" || value.text == "skip")) {
    RouteInstance &instance = instances.emplace_back();
    instance.builtin = value.text;
    return &instance;
  }
  if (!value.is(Kind::Route) || !value.route->decl) {
    error(diag::wrongKind, expr.range,
          "expected a route as a body, found " + describe(value));
    return nullptr;
  }
  const RouteDecl &decl = *value.route->decl;
  size_t given = index ? index->args.size() : 0;
  if (given != decl.axisParams.size()) {
    error(diag::argumentMismatch, expr.range,
          "route '" + decl.name.text + "' takes " +
              llvm::Twine(decl.axisParams.size()) +
              " axes in brackets, found " + llvm::Twine(given))
        .label(decl.name.range, "declared here");
    return nullptr;
  }
  auto scope = std::make_shared<Scope>(value.route->scope);
  for (size_t i = 0; i < given; ++i) {
    AxisInfo *axis = axisFrom(*index->args[i].value);
    if (!axis)
      return nullptr;
    scope->bind(decl.axisParams[i].text, Value::ofAxis(Kind::Axis, axis),
                decl.axisParams[i].range);
  }
  return makeInstance(decl, scope, path, std::move(pools));
}

Value Elaborator::elaborateUse(const UseDecl &decl, Scope &scope) {
  std::string path = pathOf(scope);
  path = path.empty() ? decl.name.text : path + "." + decl.name.text;
  RouteInstance *instance =
      instantiate(*decl.value, path, enclosingPools(scope));
  if (!instance)
    return Value();
  Value value = Value::ofKind(Kind::Route);
  value.route = instance;
  return value;
}

Value Elaborator::elaboratePool(const PoolDecl &decl, Scope &scope) {
  AxisInfo *parent = nullptr;
  if (decl.parent && !(parent = axisNamed(decl.parent)))
    return Value();
  std::string path = pathOf(scope);
  path = path.empty() ? decl.name.text : path + "." + decl.name.text;
  AxisInfo *axis =
      makeAxis(decl.name.text, path, AxisKind::pool, decl.name.range);
  PoolInfo &pool = pools.emplace_back();
  pool.axis = axis;
  pool.decl = &decl;
  pool.enclosing = enclosingPools(scope);
  axis->pool = &pool;
  pool.scope = std::make_shared<Scope>(scope.shared_from_this());
  pool.scope->pool = &pool;
  pool.scope->path = path;
  if (parent)
    axis->parents.push_back(parent);

  int64_t bound = -1;
  std::optional<int64_t> size;
  if (decl.size && !(size = constantSize(*decl.size, "the size of a pool")))
    return Value();
  if (auto given = options.axisSizes.find(decl.name.text);
      given != options.axisSizes.end())
    size = given->second;
  switch (decl.sizeForm) {
  case PoolDecl::Size::Fixed:
    axis->size = !parent ? *size : parent->size > 0 ? *size * parent->size : -1;
    break;
  case PoolDecl::Size::Max:
    bound = *size;
    break;
  case PoolDecl::Size::Dynamic:
  case PoolDecl::Size::Members:
    if (size)
      axis->size = *size;
    break;
  }
  if (!decl.members.empty()) {
    int64_t total = 0;
    bool labels = true;
    llvm::StringSet<> seen;
    for (const auto &member : decl.members) {
      std::optional<int64_t> count = 1;
      if (member->size &&
          !(count = constantSize(*member->size, "the number of members")))
        return Value();
      if (!seen.insert(member->name.text).second) {
        error(diag::duplicateName, member->name.range,
              "member '" + member->name.text + "' is listed twice");
        continue;
      }
      labels &= *count == 1;
      pool.groups.push_back(
          {member->name.text, total, *count, nullptr, nullptr, member->range});
      total += *count;
    }
    if (axis->size >= 0 && axis->size != total)
      return fail(diag::badSize, decl.name.range,
                  "pool '" + decl.name.text + "' has size " +
                      llvm::Twine(axis->size) + " but lists " +
                      llvm::Twine(total) + " members");
    axis->size = total;
    if (labels)
      for (const MemberGroup &group : pool.groups)
        axis->labels.push_back(group.name);
  }
  AxisOp op = emitAxis(*axis, bound);
  if (size && parent && axis->size < 0)
    op->setAttr("per_parent", e.builder.getI64IntegerAttr(*size));
  // Names inside see the pool itself.
  scope.entries[decl.name.text].value = Value::ofAxis(Kind::Axis, axis);
  scope.entries[decl.name.text].pending = nullptr;
  for (const DeclPtr &inner : decl.decls) {
    // A guard that is not kept must not look as if it were.
    if (isa<ast::RequireDecl>(*inner))
      return unsupported(inner->range, "'require'");
    declare(*inner, *pool.scope);
  }

  Context inside;
  inside.scope = pool.scope;
  bool good = inContext(std::move(inside), [&] {
    return elaborateColumns(pool) && elaborateBodies(pool);
  });
  return good ? Value::ofAxis(Kind::Axis, axis) : Value();
}

/// Attributes: constants from the members, or what the host and events give.
bool Elaborator::elaborateColumns(PoolInfo &pool) {
  // A member that lacks one attribute and gives one that there is not has
  // mistaken its name.
  auto misspeltField = [&](const auto &member, const PoolDecl &decl) {
    std::vector<std::string> names;
    for (const ColumnPtr &attribute : decl.attributes)
      names.push_back(attribute->name.text);
    for (const Arg &field : member.fields)
      if (!llvm::is_contained(names, field.name.text)) {
        unknownName(field.name, "attribute", names);
        return true;
      }
    return false;
  };
  const PoolDecl &decl = *pool.decl;
  AxisInfo &axis = *pool.axis;
  bool listed = !decl.members.empty();
  for (const ColumnPtr &attribute : decl.attributes) {
    if (attribute->attr == AttrKind::Live ||
        attribute->attr == AttrKind::State || !listed) {
      addColumn(axis, *attribute,
                attribute->attr == AttrKind::State ? ColumnKind::state
                                                   : ColumnKind::live,
                {});
      continue;
    }
    if (!attribute->type) {
      error(diag::missingType, attribute->name.range,
            "attribute '" + attribute->name.text + "' needs a type");
      return false;
    }
    TypeInfo type = resolveType(
        *attribute->type, axis.name + "." + attribute->name.text + ".enum");
    if (type.kind == TypeInfo::Kind::None)
      return false;
    std::vector<const Expr *> values;
    for (const auto &member : decl.members) {
      const Expr *found = attribute->init.get();
      for (const Arg &field : member->fields)
        if (field.name.text == attribute->name.text)
          found = field.value.get();
      if (!found) {
        if (misspeltField(*member, decl))
          return false;
        error(diag::missingField, member->name.range,
              "member '" + member->name.text + "' gives no '" +
                  attribute->name.text + "'")
            .label(attribute->name.range, "declared here");
        return false;
      }
      values.push_back(found);
    }
    mlir::Attribute value = constantColumn(values, type);
    if (!value)
      return false;
    size_t before = axis.columns.size();
    addColumn(axis, *attribute, ColumnKind::constant, value);
    if (axis.columns.size() == before)
      return false;
  }
  // Fields that no attribute declares make one of their own.
  for (const auto &member : decl.members)
    for (const Arg &field : member->fields) {
      if (axis.findColumn(field.name.text))
        continue;
      if (!decl.attributes.empty()) {
        std::vector<std::string> names;
        for (const ColumnInfo &column : axis.columns)
          names.push_back(column.name);
        unknownName(field.name, "attribute", names);
        return false;
      }
      TypeInfo type;
      type.kind = TypeInfo::Kind::Array;
      if (isa<StringExpr>(field.value.get()))
        type.element = TextType::get(&context);
      else if (isa<BoolExpr>(field.value.get()))
        type.element = e.i1();
      else {
        auto value = evalConstant(*field.value, &type.unit);
        if (!value)
          return false;
        type.element = type.unit.isNone() ? e.f32() : e.f64();
      }
      std::vector<const Expr *> values;
      for (const auto &other : decl.members) {
        const Expr *found = nullptr;
        for (const Arg &given : other->fields)
          if (given.name.text == field.name.text)
            found = given.value.get();
        if (!found) {
          error(diag::missingField, other->name.range,
                "member '" + other->name.text + "' gives no '" +
                    field.name.text + "'")
              .label(field.name.range, "given here");
          return false;
        }
        values.push_back(found);
      }
      mlir::Attribute value = constantColumn(values, type);
      if (!value)
        return false;
      addConstantColumn(axis, field.name, type, value);
    }
  return true;
}

mlir::Attribute Elaborator::constantColumn(llvm::ArrayRef<const Expr *> values,
                                           const TypeInfo &type) {
  llvm::SmallVector<mlir::Attribute> entries;
  mlir::Type element = getValueType(type.element);
  for (const Expr *value : values) {
    mlir::Attribute entry = constantAttr(*value, type);
    if (!entry)
      return {};
    entries.push_back(entry);
  }
  if (!type.axes.empty()) {
    error(diag::notSupported, values.front()->range,
          "an attribute with axes of its own needs a dynamic pool");
    return {};
  }
  int64_t count = int64_t(entries.size());
  bool coded = isa<route::EnumType, RefType>(element);
  if (isa<mlir::FloatType, mlir::IntegerType>(element) || coded) {
    auto tensor =
        mlir::RankedTensorType::get({count}, coded ? e.i64() : element);
    return mlir::DenseElementsAttr::get(tensor, entries);
  }
  return e.builder.getArrayAttr(entries);
}

/// The one body, or one a group of members.
bool Elaborator::elaborateBodies(PoolInfo &pool) {
  const PoolDecl &decl = *pool.decl;
  std::vector<AxisInfo *> around = pool.enclosing;
  around.push_back(pool.axis);
  auto shared = [&]() -> RouteInstance * {
    if (decl.value)
      return instantiate(*decl.value, pool.scope->path, around);
    const RouteDecl *body = nullptr;
    for (const DeclPtr &inner : decl.decls)
      if (auto *route = dyn_cast<RouteDecl>(inner.get());
          route && !route->isRouter)
        if (!body || route->name.text == "run")
          body = route;
    if (!body)
      return nullptr;
    auto &entry = pool.scope->entries[body->name.text];
    Value value = resolve(entry, *pool.scope, body->name.range);
    return value.route;
  };
  bool several = llvm::any_of(decl.members, [](const auto &member) {
    return member->value != nullptr;
  });
  if (!several) {
    pool.body = shared();
    pool.groups.clear();
    return pool.body || !decl.value;
  }
  for (auto [group, member] : llvm::zip(pool.groups, decl.members)) {
    if (!member->value) {
      error(diag::missingField, member->name.range,
            "member '" + member->name.text + "' has no body")
          .note("other members of pool '" + decl.name.text +
                "' have bodies of their own");
      return false;
    }
    std::string path = pool.scope->path + "." + group.name;
    std::vector<AxisInfo *> axes = pool.enclosing;
    if (group.count > 1) {
      group.axis = makeAxis(group.name, path, AxisKind::index, group.range);
      group.axis->size = group.count;
      emitAxis(*group.axis);
      axes.push_back(group.axis);
    }
    group.body = instantiate(*member->value, path, axes);
    if (!group.body)
      return false;
  }
  return true;
}

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
  if (!pool.groups.empty())
    return plan ? runGroups(pool, plan, values, range)
                : unsupported(range,
                              "running all of a pool whose members differ");
  if (!pool.body)
    return fail(diag::wrongKind, range,
                "pool '" + pool.axis->name + "' has no body to run");
  Value result =
      runBody(*pool.body, {Frame{pool.axis, plan, {}, 0}}, plan, values, range);
  if (plan || !result.is(Kind::Array))
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
    mlir::Value ir = asArray(part, range, e.f32());
    if (!ir)
      return Value();
    ir = e.broadcastTo(e.computing(ir), rows);
    if (!isNumber(e.elementOf(ir)))
      return unsupported(range,
                         "members of different kinds that give no numbers");
    AxisList kept = {plan};
    for (AxisInfo *axis : e.axesOf(ir))
      if (axis != rows)
        kept.push_back(axis);
    Value back = Value::array(e.reduce(ReduceKind::sum, ir, kept), part.unit);
    total = total.isError() ? back
                            : arithmetic(ast::BinaryOp::Add, total, back, range,
                                         range, range);
    if (total.isError())
      return total;
  }
  return total;
}

Value Elaborator::callPoolRow(PoolInfo &pool, mlir::Value position,
                              const std::vector<Value> &args,
                              SourceRange range) {
  if (!pool.groups.empty())
    return unsupported(range, "calling a row of a pool whose members differ");
  if (!pool.body)
    return fail(diag::wrongKind, range,
                "pool '" + pool.axis->name + "' has no body to run");
  return runBody(*pool.body, {Frame{pool.axis, nullptr, position, 0}}, cx.along,
                 args, range);
}
