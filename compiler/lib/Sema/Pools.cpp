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

llvm::ArrayRef<std::unique_ptr<BodyDecl>> PoolInfo::bodies() const {
  if (decl)
    return decl->bodies;
  return {};
}

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
  Unit unit;
  double scale = 1;
  if (elementNamed(decl.name.text, unit, scale))
    return fail(diag::duplicateName, decl.name.range,
                "a pool cannot be called '" + decl.name.text +
                    "', which is a type of the language");
  std::string path = pathOf(scope);
  path = path.empty() ? decl.name.text : path + "." + decl.name.text;
  if (decl.value && (isAlgebra(*decl.value) || isPoolName(*decl.value)))
    return elaborateAlgebra(decl, scope, path);
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
      given != options.axisSizes.end()) {
    if (!size || *size != given->second)
      overridden(decl.name, decl.size.get(), given->second);
    size = given->second;
  }
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
    if (auto *guard = dyn_cast<RequireDecl>(inner.get()))
      pool.requirements.push_back(guard);
    declare(*inner, *pool.scope);
  }

  Context inside;
  inside.scope = pool.scope;
  bool good = inContext(std::move(inside), [&] {
    for (const DeclPtr &inner : decl.decls) // bodies run along inner axes
      if (auto *own = dyn_cast<AxisDecl>(inner.get()))
        if (!axisNamed(own->name))
          return false;
    return elaborateColumns(pool) && elaborateBodies(pool);
  });
  good = good && checkIndexes(pool) && elaborateLifetime(pool);
  return good ? Value::ofAxis(Kind::Axis, axis) : Value();
}

/// A value over the rows of a pool as a computed signal; null after an error.
mlir::FlatSymbolRefAttr Elaborator::computedColumn(PoolInfo &pool,
                                                   const Expr &expr,
                                                   StringRef what,
                                                   std::optional<Unit> unit) {
  mlir::OpBuilder::InsertionGuard guard(e.builder);
  atModuleLevel();
  e.loc = locationOf(expr.range);
  std::string symbol =
      freshSymbol((pool.axis->symbol.getValue() + "." + what).str());
  auto op = SignalOp::create(
      e.builder, e.loc, symbol, e.arrayType(e.f64(), {pool.axis}),
      mlir::StringAttr(), mlir::IntegerAttr(), mlir::StringAttr());
  e.builder.setInsertionPointToStart(&op.getBody().emplaceBlock());
  mlir::Operation *saved = topOp;
  topOp = op;
  Context next;
  next.scope = pool.scope;
  next.candidate = pool.axis;
  mlir::Value ir = inContext(std::move(next), [&]() -> mlir::Value {
    Value value = eval(expr);
    mlir::Value found = asArray(value, expr.range, e.f64());
    if (!found)
      return {};
    if (unit && value.unit != *unit) {
      error(diag::unitMismatch, expr.range,
            "expected " + unit->str() + ", found " + value.unit.str());
      return {};
    }
    for (AxisInfo *axis : e.axesOf(found))
      if (axis != pool.axis) {
        error(diag::resultAxes, expr.range,
              "this is one value a row of '" + pool.axis->name + "', found " +
                  describe(value));
        return {};
      }
    return e.broadcastTo(found, pool.axis);
  });
  topOp = saved;
  if (!ir) {
    op.erase();
    return {};
  }
  YieldOp::create(e.builder, e.loc, ir);
  op.setType(mlir::cast<route::ArrayType>(ir.getType()));
  return mlir::FlatSymbolRefAttr::get(&context, symbol);
}

/// `expire`, `quota … per …` and `evict`: which rows leave, and when.
bool Elaborator::elaborateLifetime(PoolInfo &pool) {
  const PoolDecl &decl = *pool.decl;
  if (!decl.expire && !decl.quota && !decl.evict)
    return true;
  auto stop = [&](SourceRange range, const llvm::Twine &message) {
    error(diag::wrongKind, range, message);
    return false;
  };
  if (pool.axis->size >= 0)
    return stop(decl.name.range, "the rows of pool '" + decl.name.text +
                                     "' are fixed: none ever leaves");
  llvm::SmallVector<mlir::NamedAttribute> attributes;
  auto add = [&](StringRef name, mlir::Attribute value) {
    attributes.push_back(e.builder.getNamedAttr(name, value));
  };
  if (decl.expire) {
    auto symbol =
        computedColumn(pool, *decl.expire, "expire", Unit::of(Unit::Time));
    if (!symbol)
      return false;
    add("expire", symbol);
  }
  if (decl.quota) {
    auto most = constantSize(*decl.quota, "a quota");
    if (!most)
      return false;
    add("quota", e.builder.getI64IntegerAttr(*most));
    llvm::SmallVector<mlir::Attribute> per;
    for (const ExprPtr &key : decl.quotaPer) {
      auto symbol = computedColumn(pool, *key, "quota", std::nullopt);
      if (!symbol)
        return false;
      per.push_back(symbol);
    }
    add("quota_per", e.builder.getArrayAttr(per));
  }
  if (decl.evict && decl.evict.text != "lru" && decl.evict.text != "fifo")
    return stop(decl.evict.range, "rows are evicted by 'lru' or 'fifo'");
  if (decl.evict)
    add("evict", e.builder.getStringAttr(decl.evict.text));
  auto op = module->lookupSymbol<AxisOp>(pool.axis->symbol);
  for (mlir::NamedAttribute attribute : attributes)
    op->setAttr(attribute.getName(), attribute.getValue());
  return true;
}

/// `pool acts = skills + skip(skills)`, `pool arms = models * efforts`: a pool
/// made of others.
Value Elaborator::elaborateAlgebra(const PoolDecl &decl, Scope &scope,
                                   StringRef path) {
  if (!decl.attributes.empty() || !decl.members.empty() ||
      !decl.bodies.empty() || !decl.decls.empty() || decl.size || decl.parent)
    return fail(diag::wrongKind, decl.name.range,
                "a pool made of others declares nothing of its own");
  Context inside;
  inside.scope = scope.shared_from_this();
  return inContext(std::move(inside), [&]() -> Value {
    const Expr *plain = ignoreParens(decl.value.get());
    auto *binary = dyn_cast<ast::BinaryExpr>(plain);
    bool product = binary && binary->op == ast::BinaryOp::Mul;
    std::vector<const Expr *> written;
    std::function<void(const Expr *)> flatten = [&](const Expr *at) {
      at = ignoreParens(at);
      auto *inner = dyn_cast<ast::BinaryExpr>(at);
      if (inner && binary && inner->op == binary->op) {
        flatten(inner->lhs.get());
        flatten(inner->rhs.get());
      } else {
        written.push_back(at);
      }
    };
    flatten(plain);
    std::vector<PoolInfo::Part> parts;
    for (const Expr *operand : written) {
      auto *call = dyn_cast<CallExpr>(operand);
      bool skipped = call && call->calleeName() == "skip" &&
                     call->args.size() == 1 && !product;
      const Expr *named = skipped ? call->args[0].value.get() : operand;
      if (!isPoolName(*named))
        return fail(diag::wrongKind, operand->range,
                    "a pool is made of whole pools");
      Value value = eval(*named);
      if (value.isError())
        return value;
      if (!value.is(Kind::Axis) || !value.axis->pool)
        return fail(diag::wrongKind, operand->range,
                    "expected a pool, found " + describe(value));
      for (const PoolInfo::Part &known : parts)
        if (known.axis == value.axis && known.skipped == skipped)
          return fail(diag::duplicateName, operand->range,
                      "pool '" + value.axis->name + "' stands here twice");
      parts.push_back({value.axis, skipped});
    }
    if (product) {
      AxisList factors;
      for (const PoolInfo::Part &part : parts)
        factors.push_back(part.axis);
      AxisInfo *axis = productOf(factors, path, decl.name.range);
      axis->name = decl.name.text;
      axis->pool->decl = &decl;
      return Value::ofAxis(Kind::Axis, axis);
    }
    AxisInfo *axis =
        makeAxis(decl.name.text, path, AxisKind::pool, decl.name.range);
    PoolInfo &pool = pools.emplace_back();
    pool.axis = axis;
    pool.decl = &decl;
    pool.parts = std::move(parts);
    axis->size = 0;
    for (const PoolInfo::Part &part : pool.parts)
      axis->size = axis->size < 0 || part.axis->size < 0
                       ? -1
                       : axis->size + part.axis->size;
    pool.scope = std::make_shared<Scope>(scope.shared_from_this());
    axis->pool = &pool;
    nameRows(*axis);
    emitAxis(*axis);
    return Value::ofAxis(Kind::Axis, axis);
  });
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

/// The values of a written list of lists, a level for each of `axes`.
bool Elaborator::constantList(const Expr &expr, const TypeInfo &type,
                              llvm::ArrayRef<AxisInfo *> axes,
                              llvm::SmallVectorImpl<mlir::Attribute> &values) {
  if (axes.empty()) {
    mlir::Attribute value = constantAttr(expr, type);
    if (value)
      values.push_back(value);
    return bool(value);
  }
  AxisInfo *axis = axes.front();
  auto *list = dyn_cast<ListExpr>(ignoreParens(&expr));
  if (axis->size < 0 ||
      !isa<mlir::FloatType, mlir::IntegerType>(getValueType(type.element))) {
    error(diag::typeMismatch, expr.range,
          axis->size < 0 ? "axis '" + axis->name + "' has no fixed size"
                         : "a list of a member holds numbers or truths")
        .note("the host gives such attributes to the rows of a dynamic pool");
    return false;
  }
  if (!list || int64_t(list->entries.size()) != axis->size) {
    error(diag::typeMismatch, expr.range,
          "expected a list of " + llvm::Twine(axis->size) + " along '" +
              axis->name + "'" +
              (list ? ", found " + llvm::Twine(list->entries.size())
                    : llvm::Twine()));
    return false;
  }
  return llvm::all_of(list->entries, [&](const Arg &entry) {
    return constantList(*entry.value, type, axes.drop_front(), values);
  });
}

mlir::Attribute Elaborator::constantColumn(llvm::ArrayRef<const Expr *> values,
                                           const TypeInfo &type) {
  llvm::SmallVector<mlir::Attribute> entries;
  mlir::Type element = getValueType(type.element);
  for (const Expr *value : values)
    if (!constantList(*value, type, type.axes, entries))
      return {};
  llvm::SmallVector<int64_t> shape = {int64_t(values.size())};
  for (AxisInfo *axis : type.axes)
    shape.push_back(axis->size);
  bool coded = isa<route::EnumType, RefType, HandleType>(element);
  if (isa<mlir::FloatType, mlir::IntegerType>(element) || coded) {
    auto tensor = mlir::RankedTensorType::get(shape, coded ? e.i64() : element);
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

/// Runs the bodies on the rows that keep what the pool requires.
Value Elaborator::runGuarded(PoolInfo &pool, AxisInfo *plan,
                             const std::vector<Value> &args,
                             SourceRange range) {
  if (!plan || pool.requirements.empty())
    return runPool(pool, plan, args, range);
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
  if (!pool.groups.empty()) { // all rows, each on the body of its kind
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
    Value result = runGroups(pool, rows, moved, range);
    return result.isError() ? result : backTo(result, rows, pool.axis, range);
  }
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
