// Pools made of other pools: parts, factors, names, columns and refs.
#include "Elaborator.h"
#include "Parts.h"
#include "llvm/ADT/StringSet.h"

using namespace route;
using namespace route::sema;
using namespace route::ast;

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

const PoolInfo::Part *Elaborator::partOf(const PoolInfo &pool,
                                         const AxisInfo *axis, bool skipped) {
  for (const PoolInfo::Part &part : pool.parts)
    if (part.axis == axis && part.skipped == skipped)
      return &part;
  return nullptr;
}

mlir::Value Elaborator::joinParts(AxisInfo *along,
                                  llvm::SmallVector<mlir::Value> values) {
  bool ranged =
      llvm::any_of(values, [&](mlir::Value v) { return e.isRange(v); });
  AxisList axes;
  for (auto [value, part] : llvm::zip(values, along->pool->parts)) {
    value = e.gather(value, part.axis); // of a product's pool to its rows
    mlir::Type element = e.ranged(ranged, e.valueTypeOf(value));
    if (e.elementOf(value) != element)
      value = CastOp::create(e.builder, e.loc,
                             e.typeOf(value).withElement(element), value);
    for (AxisInfo *axis : e.axesOf(value))
      if (axis != part.axis && !e.has(axes, axis))
        axes.push_back(axis);
  }
  axes.push_back(along);
  return JoinOp::create(e.builder, e.loc,
                        e.arrayType(e.elementOf(values.front()), axes), values,
                        along->symbol);
}

std::optional<Value> Elaborator::columnOf(AxisInfo &axis, StringRef name) {
  if (const ColumnInfo *column = axis.findColumn(name))
    return loadColumn(axis, *column);
  if (axis.isPlan()) {
    auto value = columnOf(*axis.candidates(), name);
    if (value && axis.plan)
      value->ir = e.gather(value->ir, &axis);
    return value;
  }
  if (axis.pool && !axis.pool->parts.empty()) {
    llvm::SmallVector<mlir::Value> values;
    Unit unit;
    for (const PoolInfo::Part &part : axis.pool->parts) {
      auto value = columnOf(*part.axis, name);
      bool fits = value &&
                  (values.empty() ||
                   (value->unit == unit &&
                    e.valueTypeOf(value->ir) == e.valueTypeOf(values.front())));
      if (!fits)
        return std::nullopt;
      values.push_back(value->ir);
      unit = value->unit;
    }
    return Value::array(joinParts(&axis, values), unit);
  }
  if (axis.kind == AxisKind::pool && axis.parents.size() > 1)
    for (AxisInfo *factor : axis.parents)
      if (auto value = columnOf(*factor, name))
        return value;
  return std::nullopt;
}

/// Names of all columns that columnOf finds, for suggestions.
void Elaborator::columnNames(const AxisInfo &axis,
                             std::vector<std::string> &names) {
  for (const ColumnInfo &column : axis.columns)
    names.push_back(column.name);
  if (axis.isPlan())
    return columnNames(*axis.candidates(), names);
  if (axis.pool)
    for (const PoolInfo::Part &part : axis.pool->parts)
      columnNames(*part.axis, names);
  if (axis.kind == AxisKind::pool && axis.parents.size() > 1)
    for (AxisInfo *factor : axis.parents)
      columnNames(*factor, names);
}

/// A ref as a row of `target`: of the pool itself, or of a pool that `target`
/// is made of. Null after an error.
mlir::Value Elaborator::refInto(const Value &value, AxisInfo *target,
                                SourceRange range) {
  bool skipped = value.is(Kind::Skipped);
  Value plain = skipped ? value.parts->front() : value;
  mlir::Value ir = plain.is(Kind::Axis) && !plain.ir
                       ? e.iota(plain.axis, /*asRef=*/true)
                       : asArray(plain, range);
  if (!ir)
    return {};
  auto ref = dyn_cast<route::RefType>(e.valueTypeOf(ir));
  AxisInfo *own = ref ? e.axisOf(ref.getAxis()) : nullptr;
  if (own == target && !skipped)
    return ir;
  const PoolInfo::Part *part =
      own && target->pool ? partOf(*target->pool, own, skipped) : nullptr;
  if (!part) {
    error(diag::typeMismatch, range,
          "expected a row of '" + target->name + "', found " + describe(value));
    return {};
  }
  mlir::Value position = e.cast(ir, e.i64());
  mlir::Value zero = e.constantInt(e.i64(), 0), offset = zero;
  for (const PoolInfo::Part &before : target->pool->parts) {
    if (&before == part)
      break;
    mlir::Value size = SizeOp::create(
        e.builder, e.loc, route::ArrayType::get(e.i64()), before.axis->symbol);
    offset = e.binary(BinaryKind::add, offset, size);
  }
  mlir::Value moved =
      e.select(e.compare(CompareKind::lt, position, zero), position,
               e.binary(BinaryKind::add, position, offset));
  return e.cast(moved, route::RefType::get(&context, target->symbol));
}

/// Rows of a pool of pools go by the names of the rows that they stand for,
/// where all of these have names and no two the same.
void Elaborator::nameRows(AxisInfo &axis) {
  std::vector<std::string> names;
  if (axis.pool->parts.empty()) {
    constexpr int64_t most = 4096; // a name for each, in every library
    if (axis.size < 0 || axis.size > most)
      return;
    names.push_back("");
    for (const AxisInfo *factor : axis.parents) {
      std::vector<std::string> longer;
      for (const std::string &name : names)
        for (const std::string &label : factor->labels)
          longer.push_back(name.empty() ? label : name + "*" + label);
      names = std::move(longer);
    }
  }
  for (const PoolInfo::Part &part : axis.pool->parts) {
    if (part.axis->labels.empty())
      return;
    for (const std::string &label : part.axis->labels)
      names.push_back(part.skipped ? "skip(" + label + ")" : label);
  }
  llvm::StringSet<> distinct;
  for (const std::string &name : names)
    if (!distinct.insert(name).second)
      return;
  axis.labels = std::move(names);
}

std::string route::sema::rowSpelling(const Expr &expr) {
  const Expr *plain = ignoreParens(&expr);
  if (auto *name = dyn_cast<NameExpr>(plain))
    return name->name.text;
  if (auto *product = dyn_cast<ast::BinaryExpr>(plain);
      product && product->op == ast::BinaryOp::Mul) {
    std::string left = rowSpelling(*product->lhs),
                right = rowSpelling(*product->rhs);
    return left.empty() || right.empty() ? "" : left + "*" + right;
  }
  if (auto *call = dyn_cast<CallExpr>(plain);
      call && call->calleeName() == "skip" && call->args.size() == 1)
    if (std::string of = rowSpelling(*call->args[0].value); !of.empty())
      return "skip(" + of + ")";
  return "";
}

AxisInfo *Elaborator::productOf(llvm::ArrayRef<AxisInfo *> factors,
                                StringRef name, SourceRange range) {
  AxisInfo *axis = makeAxis(name, name, AxisKind::pool, range);
  axis->parents.assign(factors.begin(), factors.end());
  int64_t size = 1;
  for (const AxisInfo *factor : factors)
    size = factor->size < 0 || size < 0 || factor->size > (1 << 20) ||
                   size > (1 << 20)
               ? -1
               : size * factor->size;
  axis->size = size;
  PoolInfo &pool = pools.emplace_back();
  pool.axis = axis;
  axis->pool = &pool;
  pool.scope = std::make_shared<Scope>(root);
  nameRows(*axis);
  emitAxis(*axis);
  return axis;
}
