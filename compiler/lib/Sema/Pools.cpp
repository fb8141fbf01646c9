// Pools: axes with attributes and bodies, where they are declared.
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
  std::string path = symbolIn(scope, decl.name.text);
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
        *attribute->type,
        (axis.symbol.getValue() + "." + attribute->name.text + ".enum").str());
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
