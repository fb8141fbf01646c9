//===- Candidates.cpp - What a choice is made from ------------------------===//
//
// Candidates are an axis with a mask and an order: a pool, a list of refs, rows
// in braces, and what the algebra of pools makes of these. As a value they are
// `Kind::Subset`, so that a `let` can name them.
//
//===----------------------------------------------------------------------===//
#include "Elaborator.h"
#include "llvm/ADT/StringSet.h"

using namespace route;
using namespace route::sema;
using namespace route::ast;

/// Positions of axes, and places in lists, have at most so many bits.
static constexpr unsigned positionBits = 31;

/// How many bits numbers below `count` have.
static unsigned bitsFor(uint64_t count) {
  return count > 1 ? llvm::Log2_64_Ceil(count) : 0;
}

Value Elaborator::subsetOf(const Candidates &from) {
  std::vector<Value> parts;
  std::vector<std::string> names;
  auto add = [&](StringRef name, mlir::Value ir) {
    if (ir) {
      parts.push_back(Value::array(ir));
      names.push_back(name.str());
    }
  };
  add("mask", from.mask);
  add("order", from.order);
  parts.push_back(Value::literal(from.orderBits, true));
  names.push_back("bits");
  if (!from.source.isError()) {
    parts.push_back(from.source);
    names.push_back("source");
  }
  Value value = Value::group(Kind::Subset, std::move(parts), std::move(names));
  value.axis = from.axis;
  return from.skipped ? Value::group(Kind::Skipped, {value}) : value;
}

bool Elaborator::candidatesFrom(const Value &value, SourceRange range,
                                Candidates &out) {
  switch (value.kind) {
  case Kind::Error:
    return false;
  case Kind::Plan:
    out.source = value;
    out.axis = value.axis;
    return true;
  case Kind::Subset:
    out.axis = value.axis;
    if (const Value *mask = value.part("mask"))
      out.mask = mask->ir;
    if (const Value *order = value.part("order"))
      out.order = order->ir;
    if (const Value *bits = value.part("bits"))
      out.orderBits = unsigned(bits->number);
    if (const Value *source = value.part("source"))
      out.source = *source;
    return true;
  case Kind::Skipped:
    out.skipped = true;
    return candidatesFrom(value.parts->front(), range, out);
  case Kind::Axis:
    out.axis = value.axis;
    return true;
  case Kind::Row:
    out.axis = value.axis;
    if (value.ir)
      out.mask = e.compare(CompareKind::eq, e.iota(out.axis, true), value.ir);
    return true;
  case Kind::Member: {
    out.axis = value.axis;
    mlir::Value position = e.iota(out.axis, true);
    out.mask =
        e.compare(CompareKind::eq, position,
                  e.constantInt(e.elementOf(position), int64_t(value.number)));
    return true;
  }
  case Kind::Array: {
    mlir::Type element = e.valueTypeOf(value.ir);
    mlir::Type member = memberTypeOf(element);
    auto ref = dyn_cast<route::RefType>(member ? member : element);
    if (!ref)
      break;
    out.axis = e.axisOf(ref.getAxis());
    mlir::Value position = e.iota(out.axis, true);
    if (!member) {
      out.mask = e.compare(CompareKind::eq, position, value.ir);
      return true;
    }
    mlir::Value place =
        FindOp::create(e.builder, e.loc, position, value.ir).getResult();
    out.mask = e.compare(CompareKind::ge, place, e.constantInt(e.i64(), 0));
    if (isa<route::ListType>(element)) {
      out.order = place;
      out.orderBits = positionBits;
    }
    return true;
  }
  default:
    break;
  }
  error(diag::wrongKind, range, "cannot choose from " + describe(value))
      .note("candidates are a pool, an axis, a plan, refs, or rows in braces");
  return false;
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

/// The pool that has all of these among its parts: the router's result first.
PoolInfo *Elaborator::poolOfParts(llvm::ArrayRef<Candidates> operands) {
  auto holds = [&](PoolInfo &pool) {
    return !pool.parts.empty() &&
           llvm::all_of(operands, [&](const Candidates &operand) {
             return operand.axis == pool.axis ||
                    partOf(pool, operand.axis, operand.skipped);
           });
  };
  if (cx.resultPool && holds(*cx.resultPool))
    return cx.resultPool;
  for (PoolInfo &pool : pools)
    if (holds(pool))
      return &pool;
  return nullptr;
}

/// The order of candidates, that of their positions where they have none of
/// their own, and its bits.
static std::pair<mlir::Value, unsigned>
orderOf(irgen::Emitter &e, mlir::Value order, unsigned bits, AxisInfo *axis) {
  if (order)
    return {order, bits};
  return {e.iota(axis, /*asRef=*/false),
          axis->size >= 0 ? bitsFor(uint64_t(axis->size)) : positionBits};
}

bool Elaborator::tooManyOrders(SourceRange range) {
  error(diag::tooManyOrders, range,
        "the order of these candidates has more places than can be counted")
      .note(
          "rows that are combined from lists stand in the order of all lists: "
          "62 bits in all, 31 for a list of open length")
      .help("choose from one list first, then from the other");
  return false;
}

bool Elaborator::unite(std::vector<Candidates> operands, bool singles,
                       SourceRange range, Candidates &out, PoolInfo *into) {
  llvm::erase_if(operands, [](const Candidates &o) { return !o.axis; });
  if (operands.empty())
    return true; // nothing and nothing
  for (const Candidates &operand : operands)
    if (!operand.source.isError()) {
      error(diag::wrongKind, range, "plans are joined with '++'");
      return false;
    }
  bool same = !into && llvm::all_of(operands, [&](const Candidates &o) {
    return o.axis == operands.front().axis && !o.skipped;
  });
  PoolInfo *pool = same ? nullptr : into ? into : poolOfParts(operands);
  if (!same && !pool) {
    error(diag::wrongKind, range, "no pool is made of these")
        .help("declare it, for example pool both = a + b");
    return false;
  }
  if (operands.size() == 1 && same) {
    out = operands.front();
    return true;
  }
  out.axis = same ? operands.front().axis : pool->axis;
  // Part by part: whether a row is there, and after which.
  size_t count = same ? 1 : pool->parts.size();
  llvm::SmallVector<mlir::Value> masks(count), orders(count);
  auto addTo = [&](size_t part, mlir::Value mask, mlir::Value order) {
    if (!mask)
      mask = e.constantInt(e.i1(), 1);
    if (!masks[part]) {
      masks[part] = mask, orders[part] = order;
      return;
    }
    orders[part] = e.select(masks[part], orders[part], order);
    masks[part] = e.binary(BinaryKind::logical_or, masks[part], mask);
  };
  llvm::SmallVector<mlir::Value> own;
  unsigned bits = 0;
  for (const Candidates &operand : operands) {
    if (singles)
      break; // one row has no order of its own
    auto [order, width] =
        orderOf(e, operand.order, operand.orderBits, operand.axis);
    own.push_back(order);
    bits = std::max(bits, width);
  }
  out.orderBits = bits + bitsFor(operands.size());
  if (out.orderBits > 62) {
    return tooManyOrders(range);
  }
  for (auto [k, operand] : llvm::enumerate(operands)) {
    mlir::Value order = e.constantInt(e.i64(), int64_t(k) << bits);
    if (!singles)
      order = e.binary(BinaryKind::add, order, own[k]);
    if (same) {
      addTo(0, operand.mask, order);
    } else if (operand.axis == pool->axis) {
      error(diag::wrongKind, range,
            "rows of '" + pool->axis->name +
                "' and of its parts cannot be joined");
      return false;
    } else {
      const PoolInfo::Part *part = partOf(*pool, operand.axis, operand.skipped);
      addTo(part - pool->parts.data(), operand.mask, order);
    }
  }
  for (auto [mask, order] : llvm::zip(masks, orders))
    if (!mask) {
      mask = e.constantInt(e.i1(), 0);
      order = e.constantInt(e.i64(), 0);
    }
  out.mask = same ? masks.front() : joinParts(out.axis, masks);
  out.order = same ? orders.front() : joinParts(out.axis, orders);
  return true;
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

bool Elaborator::multiply(const Candidates &a, const Candidates &b,
                          SourceRange range, Candidates &out) {
  if (!a.axis || !b.axis)
    return true;
  if (a.skipped || b.skipped || !a.source.isError() || !b.source.isError() ||
      a.axis == b.axis) {
    error(diag::wrongKind, range, "'*' combines the rows of two pools");
    return false;
  }
  for (PoolInfo &pool : pools)
    if (pool.axis->kind == AxisKind::pool && pool.axis->parents.size() == 2 &&
        pool.axis->parents[0] == a.axis && pool.axis->parents[1] == b.axis)
      out.axis = pool.axis;
  if (!out.axis)
    out.axis =
        productOf({a.axis, b.axis}, a.axis->name + "." + b.axis->name, range);
  out.mask = andMask(a.mask, b.mask);
  if (a.order || b.order) {
    auto [outer, high] = orderOf(e, a.order, a.orderBits, a.axis);
    auto [inner, low] = orderOf(e, b.order, b.orderBits, b.axis);
    out.orderBits = high + low;
    if (out.orderBits > 62) {
      return tooManyOrders(range);
    }
    mlir::Value stride = e.constantInt(e.i64(), int64_t(1) << low);
    out.order = e.binary(BinaryKind::add,
                         e.binary(BinaryKind::mul, outer, stride), inner);
  }
  return true;
}

/// The operands of a chain of `op`.
static void flatten(const Expr &expr, ast::BinaryOp op,
                    std::vector<const Expr *> &operands) {
  const Expr *plain = ignoreParens(&expr);
  if (auto *binary = dyn_cast<ast::BinaryExpr>(plain);
      binary && binary->op == op) {
    flatten(*binary->lhs, op, operands);
    flatten(*binary->rhs, op, operands);
    return;
  }
  operands.push_back(plain);
}

bool Elaborator::isAlgebra(const Expr &expr, unsigned lets) {
  const Expr *plain = ignoreParens(&expr);
  if (isa<SetExpr>(plain))
    return true;
  if (auto *call = dyn_cast<CallExpr>(plain))
    return call->calleeName() == "skip" && !cx.scope->lookup("skip").first;
  if (auto *binary = dyn_cast<ast::BinaryExpr>(plain)) {
    if (binary->op == ast::BinaryOp::Where)
      return true;
    if (binary->op != ast::BinaryOp::Add && binary->op != ast::BinaryOp::Mul)
      return false;
    // `a + b` of pools; `slots + 1` counts.
    return isAlgebra(*binary->lhs, lets) || isAlgebra(*binary->rhs, lets) ||
           (isPoolName(*binary->lhs) && isPoolName(*binary->rhs));
  }
  if (auto *name = dyn_cast<NameExpr>(plain)) {
    auto [entry, scope] = cx.scope->lookup(name->name.text);
    if (!entry)
      return false;
    if (entry->pending) {
      auto *let = dyn_cast<LetDecl>(entry->pending);
      return let && !let->isFunction && !entry->busy && lets < 4 &&
             isAlgebra(*let->value, lets + 1);
    }
    return entry->value.is(Kind::Subset) || entry->value.is(Kind::Skipped);
  }
  return false;
}

bool Elaborator::isPoolName(const Expr &expr) {
  auto *name = dyn_cast<NameExpr>(ignoreParens(&expr));
  if (!name)
    return false;
  auto [entry, scope] = cx.scope->lookup(name->name.text);
  if (!entry)
    return false;
  if (entry->pending)
    return isa<PoolDecl>(entry->pending);
  return entry->value.is(Kind::Axis) && entry->value.axis->pool;
}

bool Elaborator::evalCandidates(const Expr &expr, Candidates &out) {
  const Expr *plain = ignoreParens(&expr);
  if (auto *binary = dyn_cast<ast::BinaryExpr>(plain)) {
    if (binary->op == ast::BinaryOp::Where) {
      if (!evalCandidates(*binary->lhs, out))
        return false;
      if (!out.axis) // nothing stays nothing
        return true;
      Context next = cx;
      next.candidate = out.axis;
      next.candidateOrder = out.order;
      next.along = out.axis->isPlan() ? out.axis : nullptr;
      mlir::Value mask =
          inContext(std::move(next), [&] { return evalTruth(*binary->rhs); });
      out.mask = andMask(out.mask, mask);
      return bool(mask);
    }
    if (binary->op == ast::BinaryOp::Add || binary->op == ast::BinaryOp::Mul) {
      std::vector<const Expr *> written;
      flatten(*plain, binary->op, written);
      std::vector<Candidates> operands(written.size());
      for (auto [operand, from] : llvm::zip(written, operands))
        if (!evalCandidates(*operand, from))
          return false;
      if (binary->op == ast::BinaryOp::Add)
        return unite(std::move(operands), false, expr.range, out);
      out = operands.front();
      for (const Candidates &operand : llvm::drop_begin(operands)) {
        Candidates product;
        if (!multiply(out, operand, expr.range, product))
          return false;
        out = product;
      }
      return true;
    }
  }
  if (auto *set = dyn_cast<SetExpr>(plain)) {
    std::vector<Candidates> operands(set->elements.size());
    bool singles = true;
    for (auto [element, from] : llvm::zip(set->elements, operands)) {
      Value row;
      if (auto *name = dyn_cast<NameExpr>(ignoreParens(element.get()));
          name && cx.resultPool)
        row = labelOf(*name, Value::ofAxis(Kind::Row, cx.resultPool->axis));
      if (row.isError())
        row = eval(*element);
      if (!candidatesFrom(row, element->range, from))
        return false;
      singles &= !row.is(Kind::Subset) && !row.is(Kind::Axis) && !from.order;
    }
    return unite(std::move(operands), singles, expr.range, out);
  }
  if (auto *call = dyn_cast<CallExpr>(plain);
      call && call->calleeName() == "skip" && !cx.scope->lookup("skip").first &&
      call->args.size() == 1) {
    if (!evalCandidates(*call->args.front().value, out))
      return false;
    if (out.skipped)
      return !fail(diag::wrongKind, expr.range, "this is skipped already")
                  .isError();
    out.skipped = true;
    return true;
  }
  Value value;
  if (auto *name = dyn_cast<NameExpr>(plain)) {
    if (cx.resultPool)
      value = labelOf(*name, Value::ofAxis(Kind::Row, cx.resultPool->axis));
    if (value.isError())
      value = lookup(name->name);
    if (value.is(Kind::Storage)) {
      mlir::Type element = getValueType(value.storage->type.getElementType());
      if (memberTypeOf(element) || isa<route::RefType>(element))
        value = use(value, expr.range);
    }
  } else {
    value = eval(*plain);
  }
  return candidatesFrom(value, expr.range, out);
}

/// Candidates for a choice: in one pool, with something to choose from.
bool Elaborator::choosable(Candidates &from, SourceRange range) {
  if (from.skipped) {
    Candidates whole;
    std::vector<Candidates> one = {from};
    if (!unite(one, false, range, whole))
      return false;
    from = whole;
  }
  if (!from.axis) {
    error(diag::badChoice, range, "there is nothing to choose from");
    return false;
  }
  return true;
}

/// `if` and `case` between candidates.
Value Elaborator::selectSubsets(mlir::Value condition, const Value &a,
                                const Value &b, SourceRange range) {
  Candidates x, y, out;
  if (!candidatesFrom(a, range, x) || !candidatesFrom(b, range, y))
    return Value();
  if (x.axis && y.axis && (x.axis != y.axis || x.skipped != y.skipped))
    return fail(diag::wrongKind, range,
                "a choice between candidates of different pools");
  out.axis = x.axis ? x.axis : y.axis;
  out.skipped = x.axis ? x.skipped : y.skipped;
  if (!out.axis)
    return subsetOf(out);
  auto maskOf = [&](const Candidates &side) {
    return !side.axis  ? e.constantInt(e.i1(), 0)
           : side.mask ? side.mask
                       : e.constantInt(e.i1(), 1);
  };
  if (e.isRange(condition)) // unknown chooses the second
    condition = e.coalesce(condition, e.constantInt(e.i1(), 0));
  out.mask = e.select(condition, maskOf(x), maskOf(y));
  if (x.order || y.order) {
    auto [first, wide] = orderOf(e, x.order, x.orderBits, out.axis);
    auto [second, narrow] = orderOf(e, y.order, y.orderBits, out.axis);
    out.order = e.select(condition, first, second);
    out.orderBits = std::max(wide, narrow);
  }
  return subsetOf(out);
}

/// The declaration of an index of a pool, such as ring(url, vnodes: 128).
const CallExpr *route::sema::indexNamed(const PoolInfo &pool, StringRef name) {
  if (pool.decl)
    for (const ExprPtr &index : pool.decl->indexes)
      if (auto *call = dyn_cast<CallExpr>(index.get());
          call && call->calleeName() == name)
        return call;
  return nullptr;
}

/// `ring(pool, key, seed: n)`: the row that the key falls to.
Value Elaborator::evalRing(const CallExpr &expr) {
  if (expr.args.size() < 2 || expr.args[0].name || expr.args[1].name)
    return fail(diag::argumentMismatch, expr.range,
                "'ring' takes a pool and a key");
  int64_t seed = 0, vnodes = 64;
  for (const Arg &arg : llvm::drop_begin(expr.args, 2)) {
    if (arg.name.text != "seed")
      return fail(diag::argumentMismatch, arg.value->range,
                  "'ring' takes 'seed' besides a pool and a key");
    auto number = evalConstant(*arg.value);
    if (!number)
      return Value();
    if (!(*number >= 0 && *number <= 0x1p53) ||
        *number != double(int64_t(*number)))
      return fail(diag::badSize, arg.value->range,
                  "a seed must be a whole number from 0 to 2^53");
    seed = int64_t(*number);
  }
  Value target = eval(*expr.args[0].value);
  if (target.isError())
    return target;
  const CallExpr *index = target.is(Kind::Axis) && target.axis->pool
                              ? indexNamed(*target.axis->pool, "ring")
                              : nullptr;
  if (!index)
    return fail(diag::wrongKind, expr.args[0].value->range,
                "expected a pool with an index 'ring', found " +
                    describe(target));
  for (const Arg &arg : index->args)
    if (arg.name.text == "vnodes") {
      auto number = constantSize(*arg.value, "the number of points of a ring");
      if (!number)
        return Value();
      vnodes = *number;
    }
  AxisInfo *pool = target.axis;
  Context next = cx;
  next.candidate = pool;
  next.along = nullptr;
  mlir::Value names = inContext(
      std::move(next), [&] { return evalArray(*index->args.front().value); });
  mlir::Value key = evalArray(*expr.args[1].value);
  if (!names || !key)
    return Value();
  mlir::Type element = e.valueTypeOf(key);
  if (!isa<TextType>(element)) {
    if (!isa<mlir::IntegerType, HandleType, route::RefType>(element))
      return fail(diag::typeMismatch, expr.args[1].value->range,
                  "a ring is asked with text or a whole number, found " +
                      describe(Value::array(key)));
    key = e.cast(key, e.i64());
  }
  mlir::Type row =
      e.ranged(e.isRange(key), route::RefType::get(&context, pool->symbol));
  return gatherIfAlong(Value::array(
      RingOp::create(e.builder, e.loc, e.typeOf(key).withElement(row), names,
                     key, vnodes, seed)));
}

/// Checks the indexes of a pool where they are declared.
bool Elaborator::checkIndexes(PoolInfo &pool) {
  for (const ExprPtr &written : pool.decl->indexes) {
    auto *call = dyn_cast<CallExpr>(written.get());
    StringRef kind = call ? call->calleeName() : StringRef();
    if ((kind != "ring" && kind != "hnsw") || call->args.empty() ||
        call->args.front().name) {
      error(diag::wrongKind, written->range,
            "an index is ring(column) or hnsw(column)");
      return false;
    }
    StringRef name = plainName(call->args.front().value.get());
    const ColumnInfo *column = pool.axis->findColumn(name);
    if (!column) {
      std::vector<std::string> names;
      columnNames(*pool.axis, names);
      Name wanted{name.str(), call->args.front().value->range};
      unknownName(wanted, "column", names);
      return false;
    }
    mlir::Type element = getValueType(column->type.getElementType());
    bool fits = kind == "ring"
                    ? isa<TextType>(element) && column->axes.size() == 1
                    : isNumber(element) && column->axes.size() == 2;
    if (!fits) {
      error(diag::typeMismatch, call->args.front().value->range,
            kind == "ring" ? "a ring is made of texts"
                           : "nearest rows are found by a vector of numbers")
          .label(column->range, "declared here");
      return false;
    }
    for (const Arg &arg : llvm::drop_begin(call->args)) {
      bool known = kind == "ring" &&
                   (arg.name.text == "vnodes" || arg.name.text == "hash");
      if (!known) {
        error(diag::argumentMismatch, arg.value->range,
              "'" + kind + "' takes " +
                  (kind == "ring" ? "'vnodes' and 'hash'" : "one column"));
        return false;
      }
      if (arg.name.text == "hash" && plainName(arg.value.get()) != "xxh3") {
        error(diag::wrongKind, arg.value->range, "a ring hashes with xxh3");
        return false;
      }
    }
  }
  return true;
}
