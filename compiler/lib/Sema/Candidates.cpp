// What a choice is made from: an axis with a mask and an order.
// A pool, a list of refs, rows in braces, and what the algebra of pools makes
// of these. As a value they are `Kind::Subset`, so that a `let` can name them.
#include "Elaborator.h"

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
