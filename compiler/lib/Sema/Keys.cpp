// Keys of a choice: numbers by which candidates are ranked.
#include "Elaborator.h"
#include "Unsigned.h"

using namespace route;
using namespace route::sema;
using namespace route::ast;

bool Elaborator::evalKeys(const Expr &expr,
                          llvm::SmallVectorImpl<mlir::Value> &keys,
                          llvm::SmallVectorImpl<bool> &up) {
  size_t first = keys.size();
  if (!writtenKeys(expr, keys, up))
    return false;
  for (mlir::Value &key : llvm::drop_begin(keys, first))
    if (isU64(e.elementOf(key)))
      key = ordered(e, key);
  return true;
}

/// The keys as they are written, u64 among them.
bool Elaborator::writtenKeys(const Expr &expr,
                             llvm::SmallVectorImpl<mlir::Value> &keys,
                             llvm::SmallVectorImpl<bool> &up) {
  const Expr *plain = &expr;
  if (auto *tuple = dyn_cast<TupleExpr>(ignoreParens(plain))) {
    for (const ExprPtr &element : tuple->elements)
      if (!writtenKeys(*element, keys, up))
        return false;
    return true;
  }
  bool rising = false;
  if (auto *unary = dyn_cast<ast::UnaryExpr>(plain);
      unary && unary->op == ast::UnaryOp::Up) {
    rising = true;
    plain = unary->operand.get();
    if (auto *tuple = dyn_cast<TupleExpr>(ignoreParens(plain))) {
      for (const ExprPtr &element : tuple->elements)
        if (!writtenKeys(*element, keys, up))
          return false;
      for (size_t i = up.size() - tuple->elements.size(); i < up.size(); ++i)
        up[i] = !up[i];
      return true;
    }
  }
  auto *arms = dyn_cast<CaseExpr>(ignoreParens(plain));
  if (arms && !arms->subject) { // each arm a tuple of its own
    llvm::SmallVector<mlir::Value> parts;
    if (!evalKeyArms(*arms, parts))
      return false;
    for (mlir::Value part : parts) {
      keys.push_back(part);
      up.push_back(rising);
    }
    return true;
  }
  mlir::Value key = asArray(eval(*plain), plain->range, e.f32());
  if (!key || !checkedKey(key, plain->range))
    return false;
  keys.push_back(key);
  up.push_back(rising);
  return true;
}

bool Elaborator::checkedKey(mlir::Value &key, SourceRange range) {
  mlir::Type element = e.valueTypeOf(key);
  if (isTruth(element) || isa<route::EnumType>(element)) {
    key = e.cast(key, e.i64());
  } else if (!isNumber(element)) {
    error(diag::typeMismatch, range,
          "a key is a number, found " + describe(Value::array(key)));
    return false;
  }
  key = e.computing(key);
  return true;
}

/// `case c -> (a up, b)  otherwise -> d`: tuples of keys by condition. The
/// parts come out high first; an arm with fewer parts leaves the later ones
/// equal.
bool Elaborator::evalKeyArms(const CaseExpr &expr,
                             llvm::SmallVectorImpl<mlir::Value> &keys) {
  bool have = false;
  for (const CaseArm &arm : llvm::reverse(expr.arms)) {
    bool last = arm.form == CaseArm::Form::Otherwise;
    if (!arm.value || (!last && arm.form != CaseArm::Form::Test) ||
        last == have) {
      error(diag::argumentMismatch, arm.range,
            last   ? "'otherwise' must be the last arm"
            : have ? "this arm has no place among keys"
                   : "this case has no 'otherwise'");
      return false;
    }
    llvm::SmallVector<mlir::Value> parts;
    llvm::SmallVector<bool> up;
    mlir::Value condition = last ? mlir::Value() : evalTruth(*arm.test);
    if ((!last && !condition) || !writtenKeys(*arm.value, parts, up))
      return false;
    for (auto [part, rising] : llvm::zip(parts, up))
      if (rising)
        part = isU64(e.elementOf(part))
                   ? e.cast(reversed(e, e.cast(part, e.i64())),
                            e.valueTypeOf(part))
                   : reversed(e, part);
    have = true;
    if (last) {
      keys.assign(parts.begin(), parts.end());
      continue;
    }
    size_t count = std::max(parts.size(), keys.size());
    // Parts that an arm lacks are the others' zeros.
    while (parts.size() < count)
      parts.push_back(e.constant(e.valueTypeOf(keys[parts.size()]), 0));
    while (keys.size() < count)
      keys.push_back(e.constant(e.valueTypeOf(parts[keys.size()]), 0));
    for (size_t i = 0; i < count; ++i) {
      // Keys of different types meet in f64, but for whole numbers.
      if (isa<mlir::IntegerType>(e.valueTypeOf(parts[i])) &&
          isa<mlir::IntegerType>(e.valueTypeOf(keys[i]))) {
        unify(parts[i], keys[i]);
      } else if (e.valueTypeOf(parts[i]) != e.valueTypeOf(keys[i])) {
        parts[i] = e.cast(parts[i], e.f64());
        keys[i] = e.cast(keys[i], e.f64());
      }
      mlir::Value all[] = {condition, parts[i], keys[i]};
      if (!e.align(all)) {
        error(diag::ambiguousDescent, arm.range,
              "the condition and the keys have no common items");
        return false;
      }
      keys[i] = e.select(all[0], all[1], all[2]);
    }
  }
  if (!have)
    error(diag::argumentMismatch, expr.range, "a case needs arms");
  return have;
}
