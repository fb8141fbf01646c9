// Brackets: rows of plans, axes spread or renamed, and positions picked.
#include "Elaborator.h"
#include "Parts.h"

using namespace route;
using namespace route::sema;
using namespace route::ast;

/// Where `position`, whole numbers, is one of `axis`; null where it always is.
mlir::Value Elaborator::isPosition(mlir::Value position, const AxisInfo &axis) {
  if (auto constant = position.getDefiningOp<ConstantOp>())
    if (auto number = dyn_cast<mlir::IntegerAttr>(constant.getValue()))
      if (axis.size > 0 && number.getInt() >= 0 && number.getInt() < axis.size)
        return {};
  mlir::Value size = axis.size > 0
                         ? e.constantInt(e.i64(), axis.size)
                         : SizeOp::create(e.builder, e.loc,
                                          e.arrayType(e.i64(), {}), axis.symbol)
                               .getResult();
  return e.binary(
      BinaryKind::logical_and,
      e.compare(CompareKind::ge, position, e.constantInt(e.i64(), 0)),
      e.compare(CompareKind::lt, position, size));
}

/// False after an error: a constant that is no position of `axis` is a mistake.
bool Elaborator::mayLieIn(mlir::Value position, const AxisInfo &axis,
                          SourceRange range) {
  auto constant = position.getDefiningOp<ConstantOp>();
  auto number = constant ? dyn_cast<mlir::IntegerAttr>(constant.getValue())
                         : mlir::IntegerAttr();
  if (!number || axis.size < 0)
    return true;
  int64_t at = number.getValue().sextOrTrunc(64).getSExtValue();
  if (at >= 0 && at < axis.size)
    return true;
  error(diag::badSize, range,
        "axis '" + axis.name + "' has no position " + llvm::Twine(at))
      .label(axis.range,
             "the positions are 0 to " + std::to_string(axis.size - 1));
  return false;
}

/// `p[0]`: a row of the plan of one item.
Value Elaborator::rowAt(AxisInfo *plan, const Expr &which) {
  mlir::Value place = evalArray(which, e.i64());
  if (!place)
    return Value();
  if (!e.valueTypeOf(place).isInteger(64) || !e.typeOf(place).isScalar())
    return fail(diag::typeMismatch, which.range,
                "a row of a plan has a number, found " +
                    describe(Value::array(place)));
  AxisInfo *pool = plan->candidates();
  while (pool->isPlan())
    pool = pool->candidates();
  Value row = Value::ofAxis(
      Kind::Row, pool,
      e.pick(e.gather(e.iota(pool, /*asRef=*/true), plan), plan, place));
  row.under = plan->under;
  return row;
}

/// Whether this is `random()` itself, and not a name or a function of a draw.
bool Elaborator::isDrawCall(const Expr &expr) {
  auto *call = dyn_cast<CallExpr>(ignoreParens(&expr));
  StringRef name = call ? call->calleeName() : StringRef();
  return llvm::is_contained({"random", "gumbel", "normal"}, name) &&
         !cx.scope->lookup(name).first;
}

/// `1.0[token]`: the same everywhere along the axes. `random()[token]`: a draw
/// for each.
Value Elaborator::spread(const Value &base, const IndexExpr &expr) {
  AxisList axes;
  for (const IndexArg &arg : expr.args) {
    AxisInfo *axis = axisFrom(*arg.value);
    if (!axis)
      return Value();
    if (e.has(axes, axis))
      return fail(diag::duplicateName, arg.value->range,
                  "axis '" + axis->name + "' stands here twice");
    axes.push_back(axis);
  }
  if (base.is(Kind::Number) &&
      llvm::none_of(axes, [](AxisInfo *axis) { return axis->isPlan(); })) {
    mlir::Value ir = numberArray(base, expr.range, mlir::Type(), axes);
    return ir ? Value::array(ir, base.unit) : Value();
  }
  mlir::Value ir = asArray(base, expr.range);
  if (!ir)
    return Value();
  if (auto draw = ir.getDefiningOp<DrawOp>(); draw && isDrawCall(*expr.base)) {
    // Keys that vary along no axis of the brackets keep theirs.
    AxisList keyed;
    for (AxisInfo *of : e.axesOf(ir))
      if (llvm::none_of(axes,
                        [&](AxisInfo *axis) { return axis->descendsFrom(of); }))
        keyed.push_back(of);
    axes.insert(axes.begin(), keyed.begin(), keyed.end());
    mlir::OpBuilder::InsertionGuard guard(e.builder);
    e.builder.setInsertionPoint(draw);
    for (mlir::OpOperand &key : draw->getOpOperands())
      for (AxisInfo *axis : axes)
        key.set(e.gather(key.get(), axis));
    draw.getResult().setType(e.arrayType(e.elementOf(ir), axes));
    return base;
  }
  for (AxisInfo *axis : axes)
    ir = e.broadcastTo(ir, axis);
  return Value::array(ir, base.unit);
}

/// `x[token = token']`: the array with one axis under another name.
Value Elaborator::renameAxis(const Value &array, const IndexArg &arg) {
  AxisInfo *from = axisFrom(*arg.value), *to = axisNamed(arg.rename);
  if (!from || !to)
    return Value();
  if (!e.typeOf(array.ir).hasAxis(from->symbol))
    return fail(diag::missingAxis, arg.value->range,
                "there is no axis '" + from->name + "' here: found " +
                    describe(array));
  if (e.typeOf(array.ir).hasAxis(to->symbol))
    return fail(diag::duplicateName, arg.rename.range,
                "axis '" + to->name + "' is there already");
  if (from->size > 0 && to->size > 0 && from->size != to->size)
    return fail(diag::badSize, arg.rename.range,
                "axis '" + to->name + "' has size " + llvm::Twine(to->size) +
                    ", but '" + from->name + "' has " +
                    llvm::Twine(from->size));
  return Value::array(e.rename(array.ir, from, to), array.unit);
}

/// Whether no name of a row's spelling, `small` or `small*high`, means anything
/// by itself.
bool Elaborator::spelledFreely(const Expr &expr) {
  const Expr *plain = ignoreParens(&expr);
  if (auto *product = dyn_cast<ast::BinaryExpr>(plain))
    return spelledFreely(*product->lhs) && spelledFreely(*product->rhs);
  if (auto *call = dyn_cast<CallExpr>(plain))
    return spelledFreely(*call->args[0].value);
  auto *name = dyn_cast<NameExpr>(plain);
  return name && (isFree(*plain) ||
                  lookup(name->name, /*quiet=*/true).is(Kind::Builtin));
}

/// The row or member of `axes` that a subscript names, as in `seen[mini]`: a
/// name that means something by itself names none. Of several axes that have
/// it the one at this place is meant. Nothing where it is no label of theirs.
std::optional<Value> Elaborator::labelAmong(const Expr &expr,
                                            llvm::ArrayRef<AxisInfo *> axes,
                                            AxisInfo *byOrder) {
  std::string label = rowSpelling(expr);
  AxisList owners;
  std::vector<std::string> labels;
  for (AxisInfo *axis : axes) {
    if (llvm::is_contained(axis->labels, label))
      owners.push_back(axis);
    llvm::append_range(labels, axis->labels);
  }
  if (label.empty() || labels.empty() || !spelledFreely(expr))
    return std::nullopt;
  if (owners.size() > 1 && e.has(owners, byOrder))
    owners = {byOrder};
  if (owners.size() > 1)
    return fail(diag::missingAxis, expr.range,
                "'" + owners[0]->name + "' and '" + owners[1]->name +
                    "' have a '" + label + "': say which, " + owners[0]->name +
                    ": " + label);
  if (owners.size() == 1)
    return labelOf(expr, Value::ofAxis(Kind::Row, owners.front()));
  if (!nearestName(label, labels))
    return std::nullopt;
  return unknownName({label, expr.range}, axes.front()->pool ? "row" : "member",
                     labels);
}

/// One subscript: a row or ref knows its axis, `name: position` says it, labels
/// are those of one of `axes`, and numbers are along the axis at this place, if
/// there is such a one, as labels of several axes are `inOrder`. Nothing after
/// an error.
std::optional<Elaborator::Subscript>
Elaborator::subscript(const IndexArg &arg, llvm::ArrayRef<AxisInfo *> axes,
                      AxisInfo *byOrder, const llvm::Twine &where,
                      bool inOrder) {
  Subscript at;
  const SourceRange range = arg.value->range;
  if (arg.name && !(at.axis = axisNamed(arg.name)))
    return std::nullopt;
  std::optional<Value> label =
      labelAmong(*arg.value, at.axis ? llvm::ArrayRef(at.axis) : axes,
                 inOrder ? byOrder : nullptr);
  Value value = label ? *label : eval(*arg.value);
  if (value.isError())
    return std::nullopt;
  // Whose rows these are, where they are rows.
  AxisInfo *own =
      value.is(Kind::Skipped) ? value.parts->front().axis : value.axis;
  if (value.is(Kind::Array))
    if (auto ref = dyn_cast<RefType>(e.valueTypeOf(value.ir)))
      own = e.axisOf(ref.getAxis());
  if (own && !at.axis) {
    auto whole = llvm::find_if(axes, [&](AxisInfo *axis) {
      return axis->pool && partOf(*axis->pool, own, value.is(Kind::Skipped));
    });
    at.axis = e.has(axes, own) || whole == axes.end() ? own : *whole;
  }
  if (!at.axis)
    at.axis = byOrder;
  at.all = (value.is(Kind::Row) || value.is(Kind::Axis)) && !value.ir &&
           value.axis == at.axis;
  at.position = own && at.axis && (own != at.axis || value.is(Kind::Skipped))
                    ? refInto(value, at.axis, range)
                    : asArray(value, range, e.i64());
  if (!at.position)
    return std::nullopt;
  mlir::Type element = e.valueTypeOf(at.position);
  // Rows are never numbered by fractions.
  bool fraction = isa<mlir::FloatType>(element) && at.axis && at.axis->pool;
  if (fraction || isTruth(element) ||
      (!isNumber(element) && !isa<RefType, route::EnumType>(element))) {
    auto message = error(diag::typeMismatch, range,
                         "expected a position" +
                             (at.axis ? " along '" + at.axis->name + "'" : "") +
                             ", found " + describe(value));
    auto *text = dyn_cast<StringExpr>(ignoreParens(arg.value.get()));
    if (text && llvm::any_of(axes, [&](AxisInfo *axis) {
          return llvm::is_contained(axis->labels, text->value);
        }))
      message.help("labels stand without quotes: " + text->value);
    return std::nullopt;
  }
  if (!at.axis) {
    error(diag::missingAxis, range, "say along which axis " + where + " is");
    return std::nullopt;
  }
  if (!e.has(axes, at.axis)) {
    error(diag::missingAxis, range,
          "there is no axis '" + at.axis->name + "' here: " + where +
              " is over " + (axes.empty() ? "none" : describeAxes(axes)));
    return std::nullopt;
  }
  if (isa<RefType>(element))
    return at;
  at.position = e.cast(at.position, e.i64());
  if (!isa<mlir::FloatType>(element) && !mayLieIn(at.position, *at.axis, range))
    return std::nullopt;
  return at;
}

Value Elaborator::evalIndex(const IndexExpr &expr) {
  if (Storage *storage = keyedNamed(*expr.base))
    return readKeyed(*storage, expr);
  Value base = eval(*expr.base);
  if (base.isError())
    return base;
  if (base.is(Kind::Lazy))
    return lazily(expr);
  if (base.is(Kind::Route) || base.is(Kind::Builtin))
    return fail(
        diag::wrongKind, expr.range,
        "a route with axes stands after 'use' or as the body of a pool");
  if (base.is(Kind::Plan) && expr.args.size() == 1 && !expr.args[0].name &&
      !expr.args[0].rename && base.axis->items().empty())
    return rowAt(base.axis, *expr.args[0].value);
  const bool draw = base.ir && base.ir.getDefiningOp<DrawOp>();
  auto spreads = [&](const IndexArg &arg) {
    StringRef name = plainName(arg.value.get());
    if (name.empty() || arg.rename || arg.name)
      return false;
    Value value = lookup(cast<NameExpr>(*arg.value).name, /*quiet=*/true);
    return value.is(Kind::Axis) || value.is(Kind::Plan) ||
           (draw && value.is(Kind::Row) && !value.ir); // an entry's parameter
  };
  if (base.is(Kind::Number) || llvm::all_of(expr.args, spreads))
    return spread(base, expr);
  if (base.is(Kind::Plan)) {
    std::string plan = sources.text(expr.base->range).str();
    error(diag::wrongKind, expr.range,
          "rows of a plan have numbers in a run, which is of one item")
        .note("here each item has rows of its own")
        .help("write a value over the rows: max(" + plan + ".rank over " +
              plan + ")");
    return Value();
  }
  mlir::Value ir = asArray(base, expr.range);
  if (!ir)
    return Value();
  // State is asked at numbers that callers send: one that is no position reads
  // unknown, not zero, so that no mask allows what it does not know.
  auto read = ir.getDefiningOp<GetOp>();
  bool state = !cx.handler && read &&
               isa_and_nonnull<StateOp>(mlir::SymbolTable::lookupSymbolIn(
                   *module, read.getSymbol()));
  mlir::Value inside;
  for (auto [i, arg] : llvm::enumerate(expr.args)) {
    if (arg.rename) {
      Value renamed = renameAxis(Value::array(ir, base.unit), arg);
      if (renamed.isError())
        return renamed;
      ir = renamed.ir;
      continue;
    }
    // By order a plain number goes, along the only axis or the first that is
    // neither of items nor of rows.
    AxisList axes = e.axesOf(ir);
    auto plain = llvm::find_if(axes, [](AxisInfo *axis) {
      return axis->columns.empty() && !axis->pool && !axis->isPlan();
    });
    AxisInfo *byOrder = axes.size() == 1      ? axes.front()
                        : plain == axes.end() ? nullptr
                                              : *plain;
    auto at = subscript(arg, axes, byOrder, "this",
                        expr.args.size() - i == axes.size());
    if (!at)
      return Value();
    auto [along, position, all] = *at;
    mlir::Type element = e.valueTypeOf(position);
    if (isa<mlir::IntegerType>(element))
      position = e.bits(position);
    if (state && isNumber(element) && !e.isRange(ir))
      inside = andMask(inside, isPosition(position, *along));
    ir = e.pick(ir, along, position);
  }
  if (inside) {
    ir = e.computing(ir);
    mlir::Type range = e.ranged(true, e.elementOf(ir));
    ir = e.select(
        inside,
        CastOp::create(e.builder, e.loc, e.typeOf(ir).withElement(range), ir),
        e.unknown(e.elementOf(ir)));
  }
  return Value::array(ir, base.unit);
}
