// Lists, sets and membership.
// `in` asks a plan, a list, a set or a range; `subset` compares two collections
// or the bits of two whole numbers; handlers put members into sets of state.
#include "Collections.h"
#include "Elaborator.h"
#include "Parts.h"
#include "Unsigned.h"
#include "route/Dialect/Route/IR/Spelling.h"

using namespace route;
using namespace route::sema;
using namespace route::ast;

bool route::sema::startsEmpty(const Expr &written, const TypeInfo &type) {
  return isEmptyList(written) && isa_and_nonnull<route::SetType>(type.element);
}

bool route::sema::isEmptyList(const Expr &expr) {
  auto *list = dyn_cast<ListExpr>(ignoreParens(&expr));
  return list && list->entries.empty();
}

Value route::sema::emptyListLike(irgen::Emitter &e, const Value &other) {
  mlir::Type element = other.is(Value::Kind::Array)
                           ? getValueType(e.elementOf(other.ir))
                           : mlir::Type();
  if (!element || !memberTypeOf(element))
    return Value();
  return Value::array(ConstantOp::create(e.builder, e.loc,
                                         route::ArrayType::get(element),
                                         e.builder.getArrayAttr({})));
}

bool route::sema::isMemberType(mlir::Type from, mlir::Type to) {
  auto given = dyn_cast<mlir::IntegerType>(from),
       kept = dyn_cast<mlir::IntegerType>(to);
  if (!kept)
    return given || from.getIntOrFloatBitWidth() <= to.getIntOrFloatBitWidth();
  return given && (given.isUnsigned() == kept.isUnsigned() ||
                   (given.isUnsigned() && given.getWidth() < 64));
}

/// Where a number that is looked for among those of type `to` is one of them;
/// null where it always is.
static mlir::Value mayBeMember(irgen::Emitter &e, mlir::Value number,
                               mlir::Type to) {
  mlir::Type from = e.valueTypeOf(number);
  if (!isNumber(from) || !isNumber(to) || isMemberType(from, to))
    return {};
  number = e.computing(number);
  if (isa<mlir::IntegerType>(from)) // between i64 and u64
    return e.compare(CompareKind::ge, e.bits(number),
                     e.constantInt(e.i64(), 0));
  return e.compare(CompareKind::eq,
                   e.cast(e.cast(number, to), e.valueTypeOf(number)), number);
}

/// An element as a member of type `member`: labels by name, refs of parts as
/// rows of the whole, numbers in the text in the member's type.
mlir::Value Elaborator::memberFrom(const Expr &expr, mlir::Type member) {
  Value like = Value::array(e.constantInt(
      isa<route::EnumType, route::RefType>(member) ? member : e.i64(), 0));
  if (isa<route::EnumType, route::RefType>(member))
    if (Value label = labelOf(expr, like); !label.isError())
      return asArray(label, expr.range);
  Value value = eval(expr);
  if (value.isError())
    return {};
  if (auto ref = dyn_cast<route::RefType>(member))
    return refInto(value, e.axisOf(ref.getAxis()), expr.range);
  mlir::Value ir;
  if (value.is(Kind::Text)) {
    ir = e.constantText(value.text);
  } else if (value.is(Kind::Number) && isNumber(member)) {
    if (mlir::TypedAttr attr = heldNumber(value, member, expr.range))
      ir = ConstantOp::create(e.builder, e.loc, route::ArrayType::get(member),
                              attr);
  } else {
    ir = asArray(value, expr.range, member);
  }
  if (!ir)
    return {};
  mlir::Type element = e.valueTypeOf(ir);
  if (isNumber(element) && isNumber(member)) // the caller casts it
    return ir;
  if (element != member) {
    error(diag::typeMismatch, expr.range,
          "expected " + spellElement(member) + ", found " + describe(value));
    return {};
  }
  return ir;
}

/// `tier in [free, pro]`, `n in [1, 2]`: equal to one of those written.
Value Elaborator::inList(const ast::BinaryExpr &expr, const ListExpr &list) {
  Value value = partOfRow(eval(*expr.lhs), cx.candidate);
  if (value.isError())
    return value;
  if (value.is(Kind::Lazy) && !cx.along && !cx.forceDense)
    return lazily(expr);
  std::vector<Value> same;
  for (const Arg &entry : list.entries) {
    if (entry.name)
      return fail(diag::wrongKind, entry.name.range,
                  "named entries stand in the list of 'bands' only");
    Value member = comparand(*entry.value, value);
    if (member.isError())
      return member;
    same.push_back(compareValues(ast::BinaryOp::Eq, value, member, expr.range,
                                 expr.lhs->range, entry.value->range));
    if (same.back().isError())
      return Value();
  }
  if (same.empty()) // nothing is in an empty list
    return Value::array(e.constantInt(e.i1(), 0));
  return same.size() == 1 ? same.front()
                          : logic(ast::BinaryOp::Or, same, expr.range);
}

Value Elaborator::evalIn(const ast::BinaryExpr &expr) {
  const Expr *among = ignoreParens(expr.rhs.get());
  if (auto *list = dyn_cast<ListExpr>(among))
    return inList(expr, *list);
  // `in (a, b)` and `in { 1, 2 }`, as other languages have them.
  auto *braces = dyn_cast<SetExpr>(among);
  if (isa<TupleExpr>(among) ||
      (braces && llvm::any_of(braces->elements, [](const ExprPtr &element) {
         return isa<NumberExpr, StringExpr>(element.get());
       }))) {
    StringRef inner = sources.text(among->range).drop_front().drop_back();
    error(diag::typeMismatch, among->range,
          "'in' asks a plan, a list, a set or a range")
        .help("a list stands in square brackets: [" + inner.trim() + "]");
    return Value();
  }
  // `code in 400..428`
  auto *range = dyn_cast<ast::BinaryExpr>(ignoreParens(expr.rhs.get()));
  if (range && range->op == ast::BinaryOp::Range) {
    Value value = eval(*expr.lhs), low = eval(*range->lhs),
          high = eval(*range->rhs);
    if (value.isError() || low.isError() || high.isError())
      return Value();
    Value above = compareValues(ast::BinaryOp::Ge, value, low, expr.range,
                                expr.lhs->range, range->lhs->range);
    Value below = compareValues(ast::BinaryOp::Le, value, high, expr.range,
                                expr.lhs->range, range->rhs->range);
    if (above.isError() || below.isError())
      return Value();
    return logic(ast::BinaryOp::And, above, below, expr.range);
  }
  if (isAlgebra(*expr.rhs)) {
    // `m in { a, b }`: among these rows of one pool.
    Candidates from;
    if (!evalCandidates(*expr.rhs, from))
      return Value();
    if (!from.axis)
      return Value::array(e.constantInt(e.i1(), 0));
    if (from.skipped && !choosable(from, expr.rhs->range))
      return Value();
    mlir::Value row =
        memberFrom(*expr.lhs, route::RefType::get(&context, from.axis->symbol));
    if (!row)
      return Value();
    mlir::Value mask = from.mask ? from.mask : e.constantInt(e.i1(), 1);
    if (e.typeOf(mask).hasAxis(from.axis->symbol))
      mask = e.pick(mask, from.axis, row);
    return gatherIfAlong(Value::array(mask));
  }
  Value rhs = eval(*expr.rhs);
  if (rhs.isError())
    return rhs;
  if (rhs.is(Kind::Plan))
    return inPlan(expr, rhs);
  mlir::Value set = asArray(rhs, expr.rhs->range);
  if (!set)
    return Value();
  mlir::Type member = memberTypeOf(e.elementOf(set));
  if (!member) {
    auto message = error(diag::typeMismatch, expr.rhs->range,
                         "'in' asks a plan, a list, a set or a range, found " +
                             describe(rhs));
    if (isa<TextType>(e.valueTypeOf(set)))
      message.help("a text is searched by contains(" +
                   sources.text(expr.rhs->range) + ", " +
                   sources.text(expr.lhs->range) + ")");
    return Value();
  }
  mlir::Value element = memberFrom(*expr.lhs, member);
  if (!element)
    return Value();
  mlir::Value may = mayBeMember(e, element, member);
  if (isNumber(member))
    element = e.cast(element, member);
  mlir::Value both[] = {element, set};
  if (!e.align(both))
    return fail(diag::ambiguousDescent, expr.range,
                "the element and the collection have no common items");
  mlir::Value place =
      FindOp::create(e.builder, e.loc, both[0], both[1]).getResult();
  mlir::Value found =
      e.compare(CompareKind::ge, place, e.constantInt(e.i64(), 0));
  return Value::array(may ? e.binary(BinaryKind::logical_and, found, may)
                          : found);
}

Value Elaborator::evalSubset(const ast::BinaryExpr &expr) {
  Value lhs = eval(*expr.lhs), rhs = eval(*expr.rhs);
  if (lhs.isError() || rhs.isError())
    return Value();
  mlir::Value a = asArray(lhs, expr.lhs->range, e.i64()),
              b = asArray(rhs, expr.rhs->range, e.i64());
  if (!a || !b)
    return Value();
  mlir::Type left = memberTypeOf(e.elementOf(a)),
             right = memberTypeOf(e.elementOf(b));
  bool bits = isa<mlir::IntegerType>(e.valueTypeOf(a)) &&
              isa<mlir::IntegerType>(e.valueTypeOf(b)) &&
              !isTruth(e.elementOf(a)) && !isTruth(e.elementOf(b));
  if (!bits && (!left || left != right))
    return fail(diag::typeMismatch, expr.range,
                "'subset' compares collections of one type, or the bits of "
                "whole numbers, found " +
                    describe(lhs) + " and " + describe(rhs));
  if (bits)
    a = e.bits(a), b = e.bits(b);
  mlir::Value both[] = {a, b};
  if (!e.align(both))
    return fail(diag::ambiguousDescent, expr.range,
                "these collections have no common items");
  if (bits)
    return Value::array(
        e.compare(CompareKind::eq,
                  e.binary(BinaryKind::bit_and, both[0], both[1]), both[0]));
  return Value::array(
      SubsetOp::create(e.builder, e.loc, both[0], both[1]).getResult());
}

/// A number as one of the member type of a set, or of a key; an error where it
/// may be none.
mlir::Value Elaborator::asMember(mlir::Value given, mlir::Type member,
                                 SourceRange range, StringRef what) {
  mlir::Type from = e.valueTypeOf(given);
  if (!isNumber(from) || !isNumber(member))
    return given;
  // A sum of u64 is an i64 of the same bits, and right again as a u64.
  bool sameBits = from.isInteger(64) && member.isInteger(64);
  if (sameBits || isMemberType(from, member))
    return e.cast(given, member);
  error(diag::typeMismatch, range,
        what + " is " + spellElement(member) + ", found " + spellElement(from))
      .help("say which it becomes: let x: " + spellElement(member) + " = …");
  return {};
}

/// `m.seen += x` and `-=` on a set: the set with or without the element; after
/// `=` the set of those written.
Value Elaborator::changedSet(const Value &before, const AssignStmt &stmt,
                             std::optional<int64_t> bound) {
  mlir::Type member = memberTypeOf(e.elementOf(before.ir));
  auto limit =
      bound ? e.builder.getI64IntegerAttr(*bound) : mlir::IntegerAttr();
  if (stmt.op == AssignOp::Set) {
    auto &list = cast<ListExpr>(*ignoreParens(stmt.value.get()));
    mlir::Value made = ConstantOp::create(
        e.builder, e.loc, route::ArrayType::get(e.elementOf(before.ir)),
        e.builder.getArrayAttr({}));
    for (const Arg &entry : list.entries) {
      mlir::Value element = memberFrom(*entry.value, member);
      if (!element || !(element = asMember(element, member, entry.value->range,
                                           "a member of this set")))
        return Value();
      made = InsertOp::create(e.builder, e.loc, made, element, limit);
    }
    return Value::array(made);
  }
  bool adds = stmt.op == AssignOp::Add;
  if (!adds && stmt.op != AssignOp::Sub)
    return fail(diag::typeMismatch, stmt.range,
                "a set changes by '+=' and '-='");
  mlir::Value element = memberFrom(*stmt.value, member);
  if (!element || !(element = asMember(element, member, stmt.value->range,
                                       "a member of this set")))
    return Value();
  if (!adds)
    return Value::array(
        RemoveOp::create(e.builder, e.loc, before.ir, element).getResult());
  return Value::array(
      InsertOp::create(e.builder, e.loc, before.ir, element, limit)
          .getResult());
}
