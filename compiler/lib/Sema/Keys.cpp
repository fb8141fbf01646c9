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

/// Types of one class meet without loss: u64, other whole numbers, and the
/// rest.
static int keyClass(mlir::Type element) {
  return isU64(element) ? 0 : isa<mlir::IntegerType>(element) ? 1 : 2;
}

/// `case c -> (a up, b)  otherwise -> d`: tuples of keys by condition. The
/// parts come out high first; an arm with fewer parts leaves the later ones
/// equal. Where all rows of a choice are in one arm each class of types at a
/// place is a key of its own, in which the other arms leave them equal; where
/// they may be in several they are compared across them, in f64.
bool Elaborator::evalKeyArms(const CaseExpr &expr,
                             llvm::SmallVectorImpl<mlir::Value> &keys) {
  bool apart = true;
  auto differs = [&](AxisInfo *axis) { // between rows of one choice
    return axis->kind == AxisKind::pool || axis->isPlan() ||
           (cx.candidate &&
            (cx.candidate == axis || cx.candidate->descendsFrom(axis)));
  };
  std::vector<mlir::Value> conditions(expr.arms.size());
  for (auto [arm, condition] : llvm::zip(expr.arms, conditions)) {
    if (arm.form != CaseArm::Form::Test || !arm.test)
      continue;
    condition = evalTruth(*arm.test);
    if (!condition)
      return false;
    apart &=
        !e.isRange(condition) && llvm::none_of(e.axesOf(condition), differs);
  }
  bool have = false;
  std::vector<llvm::SmallVector<mlir::Value, 2>> places;
  for (size_t a = expr.arms.size(); a-- > 0;) {
    const CaseArm &arm = expr.arms[a];
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
    if (!writtenKeys(*arm.value, parts, up))
      return false;
    for (auto [part, rising] : llvm::zip(parts, up))
      if (rising)
        part = isU64(e.elementOf(part))
                   ? e.cast(reversed(e, e.cast(part, e.i64())),
                            e.valueTypeOf(part))
                   : reversed(e, part);
    have = true;
    places.resize(std::max(parts.size(), places.size()));
    for (auto [i, place] : llvm::enumerate(places)) {
      mlir::Value part = i < parts.size() ? parts[i] : mlir::Value();
      if (last) {
        place.push_back(part);
        continue;
      }
      auto *own = llvm::find_if(place, [&](mlir::Value key) {
        return !part || !apart ||
               keyClass(e.valueTypeOf(key)) == keyClass(e.valueTypeOf(part));
      });
      size_t at = own - place.begin();
      if (at == place.size())
        place.push_back(e.constant(e.valueTypeOf(part), 0));
      for (auto [k, key] : llvm::enumerate(place)) {
        mlir::Value mine =
            part && k == at ? part : e.constant(e.valueTypeOf(key), 0);
        if (isa<mlir::IntegerType>(e.valueTypeOf(mine)) &&
            isa<mlir::IntegerType>(e.valueTypeOf(key))) {
          unify(mine, key);
        } else if (e.valueTypeOf(mine) != e.valueTypeOf(key)) {
          mine = e.cast(mine, e.f64());
          key = e.cast(key, e.f64());
        }
        mlir::Value all[] = {conditions[a], mine, key};
        if (!e.align(all)) {
          error(diag::ambiguousDescent, arm.range,
                "the condition and the keys have no common items");
          return false;
        }
        key = e.select(all[0], all[1], all[2]);
      }
    }
  }
  for (const auto &place : places)
    keys.append(place.begin(), place.end());
  if (!have)
    error(diag::argumentMismatch, expr.range, "a case needs arms");
  return have;
}
