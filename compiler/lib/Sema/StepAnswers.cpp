// Answers of calls in step routes: their fields, and where they are known.
#include "Elaborator.h"

using namespace route;
using namespace route::sema;
using namespace route::ast;

/// The names and types of an answer's fields; a record's are `name.field`.
bool Elaborator::answerFields(const TypeInfo &type, const std::string &prefix,
                              llvm::ArrayRef<AxisInfo *> lanes,
                              std::vector<std::string> &names,
                              llvm::SmallVectorImpl<mlir::Type> &types,
                              SourceRange range) {
  auto add = [&](mlir::Type element, llvm::ArrayRef<AxisInfo *> axes) {
    AxisList all(lanes.begin(), lanes.end());
    all.append(axes.begin(), axes.end());
    names.push_back(prefix);
    types.push_back(e.arrayType(irgen::Emitter::ranged(true, element), all));
  };
  switch (type.kind) {
  case TypeInfo::Kind::Array:
    add(type.element, type.axes);
    return true;
  case TypeInfo::Kind::Row:
    if (type.rowOf->pool) {
      add(RefType::get(&context, type.rowOf->symbol), {});
      return true;
    }
    for (const ColumnInfo &column : type.rowOf->columns)
      if (column.kind == ColumnKind::input) {
        names.push_back(prefix + "." + column.name);
        AxisList all(lanes.begin(), lanes.end());
        all.append(column.axes.begin() + 1, column.axes.end());
        types.push_back(e.arrayType(
            irgen::Emitter::ranged(true, column.type.getElementType()), all));
      }
    return true;
  case TypeInfo::Kind::Record:
    for (size_t i = 0; i < type.elements.size(); ++i)
      if (!answerFields(type.elements[i],
                        prefix.empty() ? type.names[i]
                                       : prefix + "." + type.names[i],
                        lanes, names, types, range))
        return false;
    return true;
  case TypeInfo::Kind::None:
    return false; // reported
  default:
    error(diag::typeMismatch, range, "an answer is a record of named fields");
    return false;
  }
}

/// The fields as a value again, in the order of answerFields.
Value Elaborator::answerValue(const TypeInfo &type, mlir::ValueRange &values) {
  auto take = [&] {
    mlir::Value value = values.front();
    values = values.drop_front();
    return value;
  };
  if (type.kind == TypeInfo::Kind::Array)
    return Value::array(take(), type.unit);
  std::vector<Value> parts;
  std::vector<std::string> names;
  if (type.kind == TypeInfo::Kind::Row) {
    if (type.rowOf->pool)
      return Value::array(take());
    for (const ColumnInfo &column : type.rowOf->columns)
      if (column.kind == ColumnKind::input) {
        parts.push_back(Value::array(take(), column.unit));
        names.push_back(column.name);
      }
  } else {
    for (size_t i = 0; i < type.elements.size(); ++i) {
      parts.push_back(answerValue(type.elements[i], values));
      names.push_back(type.names[i]);
    }
  }
  return Value::group(Kind::Record, std::move(parts), std::move(names));
}

/// A value that is known where it is used, without its range.
mlir::Value Elaborator::knownValue(mlir::Value value) {
  if (!e.isRange(value))
    return value;
  mlir::Type element = e.valueTypeOf(value);
  mlir::Value zero;
  if (isa<TextType>(element))
    zero = e.constantText("");
  else if (isa<ListType, SetType>(element))
    zero = ConstantOp::create(e.builder, e.loc, e.arrayType(element, {}),
                              e.builder.getArrayAttr({}));
  else if (isa<RefType>(element))
    zero = e.constantInt(element, -1);
  else
    zero = e.constant(element, 0);
  return e.coalesce(value, zero);
}

/// A result whose answer is there: its fields are known, but for optional ones.
Value Elaborator::knownResult(const Value &result) {
  Value known = result;
  known.parts = std::make_shared<std::vector<Value>>();
  for (const Value &part : *result.parts)
    if (part.is(Kind::Array))
      known.parts->push_back(Value::array(knownValue(part.ir), part.unit));
    else
      known.parts->push_back(part.parts ? knownResult(part) : part);
  return known;
}

/// Of a field of a result, read where unknown has a way of its own: the failure
/// of its call goes that way too.
void Elaborator::fieldHandled(const Expr &written, const Value &field) {
  auto *member = dyn_cast<MemberExpr>(ignoreParens(&written));
  if (!member || !field.is(Kind::Array) || !e.isRange(field.ir))
    return; // known whether or not there is an answer
  const Expr *base = ignoreParens(member->base.get());
  while (auto *inner = dyn_cast<MemberExpr>(base))
    base = ignoreParens(inner->base.get());
  auto *name = dyn_cast<NameExpr>(base);
  auto *entry = name ? cx.scope->lookup(name->name.text).first : nullptr;
  if (entry && entry->value.is(Kind::Result) && entry->value.handled)
    *entry->value.handled = true;
}

mlir::Value Elaborator::hasAnswer(const Value &result) {
  return e.compare(CompareKind::eq, result.part("code")->ir,
                   e.constantInt(e.i64(), 0));
}

/// `x ?? y` in a step route: where x is none, unknown or a failure, y; or the
/// route returns or refuses there.
Value Elaborator::stepCoalesce(const ast::BinaryExpr &expr) {
  const Expr *otherwise = ignoreParens(expr.rhs.get());
  auto *call = dyn_cast<CallExpr>(otherwise);
  bool leaves =
      isa<ReturnExpr>(otherwise) || (call && call->calleeName() == "reject");
  Value lhs = evalStep(*expr.lhs);
  if (lhs.isError())
    return lhs;
  bool single = lhs.is(Kind::Result) || lhs.is(Kind::Plan) ||
                lhs.is(Kind::Row) || lhs.is(Kind::None);
  if (!leaves && !single)
    return eval(expr);
  if (lhs.handled)
    *lhs.handled = true;
  fieldHandled(*expr.lhs, lhs);
  mlir::Value good;
  auto isRef = [&](const Value &value) {
    return value.is(Kind::Array) && isa<RefType>(e.elementOf(value.ir));
  };
  if (lhs.is(Kind::Result)) {
    good = hasAnswer(lhs);
  } else if (lhs.is(Kind::Plan)) {
    good = hasRows(lhs.axis);
  } else if (lhs.is(Kind::None)) {
    good = e.constantInt(e.i1(), 0);
  } else if ((lhs.is(Kind::Row) && lhs.ir) || isRef(lhs)) {
    mlir::Value none = e.constantInt(e.elementOf(lhs.ir), -1);
    good = e.compare(CompareKind::ne, lhs.ir, none);
  } else {
    mlir::Value ir = asArray(lhs, expr.lhs->range);
    if (!ir)
      return Value();
    if (!e.isRange(ir))
      good = e.constantInt(e.i1(), 1);
    else if (!e.typeOf(ir).isScalar())
      return fail(diag::wrongKind, expr.lhs->range,
                  "'?"
                  "?' with a return takes one value, found " +
                      describe(lhs));
    else
      good = KnownOp::create(e.builder, e.loc, e.typeOf(ir).withElement(e.i1()),
                             ir);
  }
  mlir::Block *there = newStepBlock(), *missing = newStepBlock();
  CondBranchOp::create(e.builder, e.loc, good, mlir::ValueRange(),
                       mlir::ValueRange(), there, missing);
  e.builder.setInsertionPointToEnd(missing);
  if (leaves) {
    if (auto *back = dyn_cast<ReturnExpr>(otherwise)) {
      if (!stepReturn(back->value.get(), back->range))
        return Value();
    } else {
      Value refusal = eval(*call);
      if (refusal.isError() || !stepRefuse(refusal))
        return Value();
    }
    e.builder.setInsertionPointToEnd(there);
    if (lhs.is(Kind::Result))
      return knownResult(lhs);
    if (lhs.is(Kind::Plan))
      return rowOfPlan(lhs, expr.lhs->range);
    if (lhs.is(Kind::Array))
      return Value::array(knownValue(lhs.ir), lhs.unit);
    return lhs;
  }
  // Another value: both meet in a block that takes what they have in common.
  Value rhs = evalStep(*otherwise);
  if (rhs.isError())
    return rhs;
  if (rhs.is(Kind::Plan))
    rhs = rowOfPlan(rhs, otherwise->range);
  mlir::Block *fromRight = e.builder.getInsertionBlock();
  e.builder.setInsertionPointToEnd(there);
  if (lhs.is(Kind::Plan))
    lhs = rowOfPlan(lhs, expr.lhs->range);
  mlir::Block *fromLeft = e.builder.getInsertionBlock();
  auto a = shapeOf(lhs, expr.lhs->range), b = shapeOf(rhs, otherwise->range);
  if (!a || !b)
    return Value();
  auto joined = joinShapes(*a, *b);
  if (!joined)
    return fail(diag::typeMismatch, expr.range,
                "these are not of one kind: found " + describe(lhs) + " and " +
                    describe(rhs));
  llvm::SmallVector<mlir::Type> types;
  shapeTypes(*joined, types);
  mlir::Block *after = newStepBlock(types);
  for (auto [block, value, range] :
       {std::tuple(fromLeft, &lhs, expr.lhs->range),
        std::tuple(fromRight, &rhs, otherwise->range)}) {
    e.builder.setInsertionPointToEnd(block);
    llvm::SmallVector<mlir::Value> values;
    if (!storeAs(*value, *joined, range, values))
      return Value();
    jumpTo(after, values);
  }
  e.builder.setInsertionPointToEnd(after);
  mlir::ValueRange arguments = after->getArguments();
  return loadAs(*joined, arguments);
}
