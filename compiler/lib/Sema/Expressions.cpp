// Elaboration of expressions.
// The dispatcher, literals, names and members, and what it takes to
// use a thing as an array.
#include "Elaborator.h"
#include "Unsigned.h"
#include <limits>

using namespace route;
using namespace route::sema;
using namespace route::ast;

Value Elaborator::eval(const Expr &expr) {
  // A level takes some 3 KB of stack, and more inside `case` and loops.
  uintptr_t here = llvm::getStackPointer();
  if (++depth > 2000 ||
      (stackBase > here ? stackBase - here : here - stackBase) > stackLimit) {
    --depth;
    return fail(diag::recursion, expr.range,
                "expressions nest too deeply here");
  }
  auto savedLoc = e.loc;
  e.loc = locationOf(expr.range);
  Value value = [&]() -> Value {
    switch (expr.kind()) {
    case ast::Kind::NumberExpr:
      return evalNumber(cast<NumberExpr>(expr));
    case ast::Kind::StringExpr: {
      Value text = Value::ofKind(Kind::Text);
      text.text = cast<StringExpr>(expr).value;
      return text;
    }
    case ast::Kind::BoolExpr:
      return Value::array(e.constantInt(e.i1(), cast<BoolExpr>(expr).value));
    case ast::Kind::UnknownExpr:
      return Value::ofKind(Kind::Unknown);
    case ast::Kind::NoneExpr:
      return Value::ofKind(Kind::None);
    case ast::Kind::NameExpr:
      return evalName(cast<NameExpr>(expr));
    case ast::Kind::MemberExpr:
      return evalMember(cast<MemberExpr>(expr));
    case ast::Kind::CallExpr:
      return evalCall(cast<CallExpr>(expr));
    case ast::Kind::IndexExpr:
      return evalIndex(cast<IndexExpr>(expr));
    case ast::Kind::UnaryExpr:
      return evalUnary(cast<UnaryExpr>(expr));
    case ast::Kind::BinaryExpr:
      return evalBinary(cast<BinaryExpr>(expr));
    case ast::Kind::ParenExpr:
      return eval(*cast<ParenExpr>(expr).inner);
    case ast::Kind::TupleExpr: {
      std::vector<Value> parts;
      for (const ExprPtr &element : cast<TupleExpr>(expr).elements)
        if (parts.emplace_back(eval(*element)); parts.back().isError())
          return Value();
      return Value::group(Kind::Tuple, std::move(parts));
    }
    case ast::Kind::RecordExpr: {
      std::vector<Value> parts;
      std::vector<std::string> names;
      for (const Arg &field : cast<RecordExpr>(expr).fields) {
        if (parts.emplace_back(eval(*field.value)); parts.back().isError())
          return Value();
        names.push_back(field.name.text);
      }
      return Value::group(Kind::Record, std::move(parts), std::move(names));
    }
    case ast::Kind::IfExpr:
      return evalIf(cast<IfExpr>(expr));
    case ast::Kind::CaseExpr:
      return evalCase(cast<CaseExpr>(expr));
    case ast::Kind::ChooseExpr:
      return evalChoose(cast<ChooseExpr>(expr));
    case ast::Kind::ForExpr:
      return evalFor(cast<ForExpr>(expr));
    case ast::Kind::CallOutExpr:
    case ast::Kind::ParExpr:
      error(diag::callMisplaced, expr.range,
            "a call cannot stand inside an expression")
          .help("bind it first: let a = call …");
      return Value();
    case ast::Kind::WithExpr:
      return evalNoted(cast<WithExpr>(expr));
    case ast::Kind::ReturnExpr:
      return returnInside(expr.range);
    case ast::Kind::SetExpr: {
      Candidates from;
      return evalCandidates(expr, from) ? subsetOf(from) : Value();
    }
    case ast::Kind::ListExpr:
      return evalList(cast<ListExpr>(expr));
    case ast::Kind::PartialExpr:
      return fail(diag::wrongKind, expr.range,
                  "a comparison without its left side stands in 'bands' only");
    default:
      return fail(diag::wrongKind, expr.range, "this stands for no value here");
    }
  }();
  e.loc = savedLoc;
  --depth;
  return value;
}

Value Elaborator::evalNumber(const NumberExpr &expr) {
  Unit unit;
  double scale = 1, value = expr.value();
  if (expr.hasUnit() && expr.unit != "%") {
    auto found = unitFromWord(expr.unit, scale);
    if (!found)
      return fail(diag::unknownName, expr.range,
                  "unknown unit '" + expr.unit + "'");
    unit = *found;
    // Multiply before dividing: $0.15/Mtok is 150000 picodollars a token
    // exactly.
    if (scale != 1)
      value = double(std::strtold(expr.digits.c_str(), nullptr) *
                     (long double)(expr.mulNum) * (long double)(scale) /
                     (long double)(expr.mulDen));
  }
  if (!expr.per.empty()) {
    auto below = unitFromWord(expr.per, scale);
    if (!below)
      return fail(diag::unknownName, expr.range,
                  "unknown unit '" + expr.per + "'");
    unit = unit / *below;
  }
  Value number = Value::literal(
      value, expr.integral && unit.isNone() && expr.unit != "%", unit);
  if (auto whole = number.integral ? wholeNumber(expr) : std::nullopt)
    number.magnitude = *whole;
  return number;
}

Value Elaborator::returnInside(SourceRange range) {
  error(diag::callMisplaced, range, "a 'return' cannot stand here")
      .note("'x ?? return y' is a statement of a route that calls the host; "
            "elsewhere both ways are values: x ?? y, if c then x else y");
  return Value();
}

/// `[1, 2, 3]`: constants along the axis known by their number.
Value Elaborator::evalList(const ListExpr &expr) {
  mlir::Type wanted = std::exchange(listElement, mlir::Type());
  std::vector<Value> values;
  bool integral = true, large = false;
  for (const Arg &entry : expr.entries) {
    if (entry.name)
      return fail(diag::wrongKind, expr.range,
                  "named entries stand in the list of 'bands' only");
    Value value = eval(*entry.value);
    if (value.isError())
      return value;
    if (!value.is(Kind::Number) ||
        (!values.empty() && value.unit != values.front().unit))
      return fail(diag::notConstant, entry.value->range,
                  "a list holds constants of one unit, found " +
                      describe(value));
    integral &= value.integral;
    large |= value.integral && !numberAttr(value, e.i64());
    values.push_back(std::move(value));
  }
  if (values.empty())
    return fail(diag::wrongKind, expr.range,
                "what an empty list would hold is not known here");
  AxisInfo *axis = sizedAxis(int64_t(values.size()), expr.range);
  Unit unit = values.front().unit;
  mlir::Type element = wanted && unit.isNone() && isNumber(wanted) ? wanted
                       : !unit.isNone()                            ? e.f64()
                       : !integral ? mlir::Type(e.f32())
                       : large     ? e.builder.getIntegerType(64, false)
                                   : e.i64();
  llvm::SmallVector<mlir::Attribute> entries;
  for (auto [value, entry] : llvm::zip(values, expr.entries)) {
    entries.push_back(heldNumber(value, element, entry.value->range));
    if (!entries.back())
      return Value();
  }
  auto dense = mlir::DenseElementsAttr::get(
      mlir::RankedTensorType::get({axis->size}, element), entries);
  return Value::array(
      ConstantOp::create(e.builder, e.loc, e.arrayType(element, {axis}), dense),
      unit);
}

Value Elaborator::gatherIfAlong(Value value) {
  if (cx.along && value.is(Kind::Array))
    value.ir = e.gather(value.ir, cx.along);
  return value;
}

Value Elaborator::use(Value value, SourceRange range) {
  if (value.is(Kind::Storage)) {
    if (!value.storage->keyTypes.empty())
      return fail(diag::argumentMismatch, range,
                  "state '" + value.storage->name + "' is read by its key");
    value = load(*value.storage);
    if (value.is(Kind::Match) && cx.along)
      return Value::group(Kind::Match, {gatherIfAlong((*value.parts)[0]),
                                        gatherIfAlong((*value.parts)[1])});
  }
  if (value.is(Kind::Function) && cx.candidate &&
      value.function->decl->params.size() == 1)
    return callFunction(*value.function,
                        {Value::ofAxis(Kind::Row, cx.candidate)}, range);
  return gatherIfAlong(value);
}

Value Elaborator::evalName(const NameExpr &expr) {
  if (expr.name.text == "this" && cx.candidate)
    return Value::ofAxis(Kind::Row, cx.candidate);
  if (expr.name.text == "chosen" && cx.chosen)
    return Value::ofAxis(Kind::Plan, cx.chosen, cx.chosen->plan);
  // What is declared hides the words of the language.
  auto word = [&](StringRef name) {
    return expr.name.text == name && !cx.scope->lookup(name).first &&
           (!cx.candidate || !columnOf(*cx.candidate, name)) &&
           !itemColumn(expr.name);
  };
  // The order of the list, or that of declaration.
  if (cx.candidate && word("order"))
    return Value::array(cx.candidateOrder
                            ? cx.candidateOrder
                            : e.iota(cx.candidate, /*asRef=*/false));
  if (word("now"))
    return Value::array(
        NowOp::create(e.builder, e.loc, route::ArrayType::get(e.f64())),
        Unit::of(Unit::Time));
  if (word("inf"))
    return Value::literal(std::numeric_limits<double>::infinity(), false);
  if (word("nan"))
    return Value::literal(std::numeric_limits<double>::quiet_NaN(), false);
  return use(lookup(expr.name), expr.range);
}

mlir::Value Elaborator::asArray(const Value &value, SourceRange range,
                                mlir::Type like) {
  switch (value.kind) {
  case Kind::Error:
    return {};
  case Kind::Number:
    return numberArray(value, range, like);
  case Kind::Text:
    return e.constantText(value.text);
  case Kind::Array:
    return value.ir;
  case Kind::Match:
    return (*value.parts)[0].ir;
  case Kind::Row:
    if (value.ir)
      return value.ir;
    return gatherIfAlong(
               Value::array(applyFrames(e.iota(value.axis, /*asRef=*/true))))
        .ir;
  case Kind::Axis:
    return gatherIfAlong(
               Value::array(applyFrames(e.iota(value.axis, /*asRef=*/false))))
        .ir;
  case Kind::Member:
    return e.constantInt(RefType::get(&context, value.axis->symbol),
                         int64_t(value.number));
  case Kind::Storage:
    return asArray(load(*value.storage), range, like);
  case Kind::Lazy:
    return asArray(force(value), range, like);
  case Kind::Unknown:
    if (like)
      return e.unknown(getValueType(like));
    break;
  case Kind::RunSet: {
    AxisInfo *pool = poolOfRun(range);
    return pool ? runRows(value.text, pool, range).ir : mlir::Value();
  }
  case Kind::None:
    if (like && isa<RefType>(getValueType(like)))
      return e.constantInt(getValueType(like), -1);
    break;
  case Kind::Function:
    if (cx.candidate && value.function->decl->params.size() == 1)
      return asArray(use(value, range), range, like);
    return needsCall(*value.function->decl, range), mlir::Value();
  case Kind::Plan:
    error(diag::wrongKind, range, "expected a value, found " + describe(value))
        .help("values over its rows are p.weight and the columns of what was "
              "chosen; combine(p, y) sums weighted rows");
    return {};
  case Kind::Builtin:
    error(diag::wrongKind, range,
          "expected a value, found the function '" + value.text + "'")
        .help("call it: " + value.text + "(…)");
    return {};
  default:
    break;
  }
  error(diag::wrongKind, range, "expected a value, found " + describe(value));
  return {};
}

/// `let value = skill - cost` where cost is a function of a row.
void Elaborator::needsCall(const LetDecl &function, SourceRange range) {
  std::string call = function.name().text + "(";
  for (const ColumnPtr &param : function.params)
    call += (param == function.params.front() ? "" : ", ") + param->name.text;
  // One argument is as a rule the row of a pool.
  bool row = function.params.size() == 1 && pools.size() == 1;
  if (row)
    call = function.name().text + "(" + pools.front().axis->name;
  auto message =
      error(diag::wrongKind, range,
            "expected a value, found the function '" + function.name().text +
                "' of " + llvm::Twine(function.params.size()) +
                (function.params.size() == 1 ? " argument" : " arguments"));
  message.label(function.name().range, "declared here")
      .help("call it: " + call + ")");
  if (function.params.size() == 1)
    message.note("only a choice gives it the row at hand by itself");
}

mlir::Value Elaborator::evalArray(const Expr &expr, mlir::Type like) {
  return asArray(eval(expr), expr.range, like);
}

mlir::Value Elaborator::evalTruth(const Expr &expr) {
  mlir::Value value = evalArray(expr, e.i1());
  if (value && !isTruth(e.elementOf(value))) {
    error(diag::typeMismatch, expr.range,
          "expected a condition, found " + describe(Value::array(value)));
    return {};
  }
  return value;
}

Value Elaborator::lazily(const Expr &expr) {
  Value value = Value::ofKind(Kind::Lazy);
  value.lazy = std::make_shared<LazyExpr>(
      LazyExpr{&expr, cx.scope, cx.frames, cx.drawPath});
  return value;
}

/// Without a plan to run along a pool runs on all of its rows.
Value Elaborator::force(const Value &value) {
  Context next = cx;
  next.scope = value.lazy->scope;
  next.frames = value.lazy->frames;
  next.drawPath = value.lazy->drawPath;
  next.forceDense = !cx.along;
  return inContext(std::move(next), [&] { return eval(*value.lazy->expr); });
}

/// `run.chosen`, `run.failed`: rows that a run knows.
Value Elaborator::memberOfRun(const Name &member, SourceRange range) {
  if (member.text == "kept")
    return fail(diag::callMisplaced, range,
                "'run.kept' is what a loop of 'on feedback' runs over");
  if (member.text != "failed" && member.text != "chosen")
    return unknownName(member, "part of a run", {"failed", "chosen", "kept"});
  Value rows = Value::ofKind(Kind::RunSet);
  rows.text = member.text;
  return rows;
}

/// Along a plan: its parts, and the columns of what it chose.
Value Elaborator::memberOfPlan(const Value &plan, const Name &member) {
  if (const Value *part = plan.part(member.text))
    return *part;
  if (member.text == "rank")
    return Value::array(RankOp::create(
        e.builder, e.loc, e.arrayType(e.i64(), {plan.axis}), plan.axis->plan));
  AxisInfo *chosen = plan.axis->candidates();
  while (chosen->isPlan()) // rows of a plan have the columns of its own
    chosen = chosen->candidates();
  if (const ColumnInfo *column = chosen->findColumn(member.text)) {
    Value value = loadColumn(*chosen, *column);
    return Value::array(e.gather(value.ir, plan.axis), value.unit);
  }
  std::vector<std::string> names = {"rank"};
  if (plan.names)
    names.insert(names.end(), plan.names->begin(), plan.names->end());
  for (const ColumnInfo &column : chosen->columns)
    names.push_back(column.name);
  return unknownName(member, "column", names);
}

/// A column of a row or an axis, what its pool declares, a row of a pool.
Value Elaborator::memberOfRow(const Value &row, const MemberExpr &expr) {
  const std::string &name = expr.member.text;
  if (auto column = columnOf(*row.axis, name)) {
    Value value = *column;
    mlir::Value position =
        row.is(Kind::Member) ? asArray(row, expr.range) : row.ir;
    if (position && e.typeOf(value.ir).hasAxis(row.axis->symbol))
      value.ir = e.pick(value.ir, row.axis, position);
    else if (position) // of a factor of a product
      value.ir = e.pick(e.broadcastTo(value.ir, row.axis), row.axis, position);
    return gatherIfAlong(value);
  }
  std::vector<std::string> names;
  columnNames(*row.axis, names);
  const auto &labels = row.axis->labels;
  auto memberNamed = [&]() -> std::optional<Value> {
    auto found = llvm::find(labels, name);
    if (found == labels.end())
      return std::nullopt;
    Value member = Value::ofAxis(Kind::Member, row.axis);
    member.number = found - labels.begin();
    member.text = name;
    return member;
  };
  if (PoolInfo *pool = row.axis->pool) {
    auto &entries = pool->scope->entries;
    if (auto found = entries.find(name); found != entries.end()) {
      Value value = resolve(found->second, *pool->scope, expr.member.range);
      if (!row.is(Kind::Row) || !row.ir)
        return use(value, expr.range);
      Context next = cx;
      next.frames.push_back({row.axis, nullptr, row.ir, 0});
      return inContext(std::move(next), [&] { return use(value, expr.range); });
    }
    if (auto label = memberNamed())
      return *label;
    if (llvm::any_of(pool->bodies(), [&](const auto &body) {
          return body->name.text == name;
        })) {
      error(diag::callMisplaced, expr.member.range,
            "'" + name + "' is a body of '" + row.axis->name +
                "', which the host runs")
          .help("call it, as a statement of a route: let a = call m." + name +
                "(r) timeout 30 s");
      return Value();
    }
    for (auto &[known, entry] : entries)
      names.push_back(known);
  } else if (auto label = memberNamed()) {
    return *label;
  }
  if (row.is(Kind::Axis))
    llvm::append_range(names, labels);
  bool rows = row.is(Kind::Axis) && !row.axis->labels.empty();
  error(diag::unknownName, expr.member.range,
        "'" + row.axis->name + "' has no column '" + name +
            (rows ? "', and no such row" : "'"))
      .suggest(name, names);
  return Value();
}

/// `h.gate`: the position of an axis with members; of a ref, a column of the
/// row that it names.
Value Elaborator::memberOfArray(const Value &array, const MemberExpr &expr) {
  const std::string &name = expr.member.text;
  AxisInfo *found = nullptr;
  int64_t position = -1;
  std::vector<std::string> names;
  for (AxisInfo *axis : e.axesOf(array.ir)) {
    names.insert(names.end(), axis->labels.begin(), axis->labels.end());
    auto label = llvm::find(axis->labels, name);
    if (label == axis->labels.end())
      continue;
    if (found)
      return fail(diag::wrongKind, expr.member.range,
                  "'" + name + "' is a member of both '" + found->name +
                      "' and '" + axis->name + "'");
    found = axis;
    position = label - axis->labels.begin();
  }
  if (auto ref = dyn_cast<RefType>(e.valueTypeOf(array.ir)); ref && !found) {
    AxisInfo *axis = e.axisOf(ref.getAxis());
    if (auto column = columnOf(*axis, name))
      return gatherIfAlong(
          Value::array(e.typeOf(column->ir).hasAxis(axis->symbol)
                           ? e.pick(column->ir, axis, array.ir)
                           : column->ir,
                       column->unit));
    columnNames(*axis, names);
  }
  if (found)
    return Value::array(
        e.pick(array.ir, found, e.constantInt(e.i64(), position)), array.unit);
  auto message = error(diag::unknownName, expr.member.range,
                       "unknown member '" + name + "'");
  if (!explainFunction(expr.member, sources.text(expr.base->range), message))
    message.suggest(name, names);
  return Value();
}

Value Elaborator::evalMember(const MemberExpr &expr) {
  // `host` and `run` are no values; only calls of them mean something.
  StringRef baseName = plainName(expr.base.get());
  if (baseName == "host" && !cx.scope->lookup("host").first)
    return fail(diag::wrongKind, expr.range,
                "the host is called in a signal or with 'call'");
  if (baseName == "run" && !cx.scope->lookup("run").first)
    return memberOfRun(expr.member, expr.range);
  Value base = eval(*expr.base);
  const std::string &name = expr.member.text;
  switch (base.kind) {
  case Kind::Error:
    return base;
  case Kind::Module: {
    auto found = base.scope->entries.find(name);
    if (found == base.scope->entries.end()) {
      std::vector<std::string> names;
      for (auto &[known, entry] : base.scope->entries)
        names.push_back(known);
      return unknownName(expr.member, "name in this module", names);
    }
    return use(resolve(found->second, *base.scope, expr.member.range),
               expr.range);
  }
  case Kind::Result:
    if (base.handled && name == "code")
      *base.handled = true;
    [[fallthrough]];
  case Kind::Record:
    if (const Value *part = base.part(name))
      return *part;
    return unknownName(expr.member, "field", *base.names);
  case Kind::Plan:
    return memberOfPlan(base, expr.member);
  case Kind::Row:
  case Kind::Axis:
  case Kind::Member:
    return memberOfRow(base, expr);
  case Kind::Lazy:
    return lazily(expr);
  case Kind::Array:
    return memberOfArray(base, expr);
  default:
    return fail(diag::wrongKind, expr.range,
                describe(base) + " has no members");
  }
}
