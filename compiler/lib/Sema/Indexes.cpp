// Indexes of pools: hash rings, declared and asked.
#include "Elaborator.h"

using namespace route;
using namespace route::sema;
using namespace route::ast;

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
