// Axes and their columns.
// Declares axes as symbols of the module: sizes (and `-D axis=N`), parents,
// members, columns, copies with primes, and axes known only by their size.
#include "Collections.h"
#include "Elaborator.h"
#include "Parts.h"
#include "Unsigned.h"
#include "route/Dialect/Route/IR/Spelling.h"
#include "llvm/ADT/StringExtras.h"
#include <cmath>

using namespace route;
using namespace route::sema;
using namespace route::ast;

void Elaborator::atModuleLevel() {
  if (topOp)
    e.builder.setInsertionPoint(topOp);
  else
    e.builder.setInsertionPointToEnd(module->getBody());
}

AxisInfo *Elaborator::makeAxis(StringRef name, StringRef symbol, AxisKind kind,
                               SourceRange range) {
  axes.emplace_back();
  AxisInfo &axis = axes.back();
  axis.name = name.str();
  axis.symbol = mlir::FlatSymbolRefAttr::get(&context, freshSymbol(symbol));
  axis.kind = kind;
  axis.range = range;
  e.registerAxis(&axis);
  return &axis;
}

route::AxisOp Elaborator::emitAxis(AxisInfo &axis, int64_t bound) {
  mlir::OpBuilder::InsertionGuard guard(e.builder);
  atModuleLevel();
  auto &b = e.builder;
  auto index = [&](int64_t value) {
    return value < 0 ? mlir::IntegerAttr() : b.getI64IntegerAttr(value);
  };
  mlir::ArrayAttr labels, parents, parts;
  if (!axis.labels.empty())
    labels = b.getStrArrayAttr(llvm::to_vector_of<StringRef>(axis.labels));
  if (!axis.parents.empty())
    parents = e.axisAttrs(axis.parents);
  if (axis.pool && !axis.pool->parts.empty()) {
    AxisList of;
    for (const PoolInfo::Part &part : axis.pool->parts)
      of.push_back(part.axis);
    parts = e.axisAttrs(of);
  }
  auto op = AxisOp::create(b, locationOf(axis.range), axis.symbol.getValue(),
                           axis.kind, index(axis.size), index(bound), parents,
                           axis.original ? axis.original->symbol
                                         : mlir::FlatSymbolRefAttr(),
                           labels);
  if (parts) {
    setParts(op, parts);
    llvm::SmallVector<bool> skipped;
    for (const PoolInfo::Part &part : axis.pool->parts)
      skipped.push_back(part.skipped);
    setSkipped(op, skipped);
  }
  op.getColumns().emplaceBlock();
  return op;
}

/// `-D` in place of a size that the file gives.
void Elaborator::overridden(const Name &name, const Expr *written,
                            int64_t given) {
  if (!written)
    return;
  auto *number = dyn_cast<NumberExpr>(written);
  if (number && number->value() == double(given))
    return;
  error(diag::sizeOverridden, written->range,
        "'-D " + name.text + "=" + llvm::Twine(given) +
            "' takes the place of this size");
}

std::optional<Value> Elaborator::constantValue(const Expr &expr) {
  Value value = eval(expr);
  if (value.isError())
    return std::nullopt;
  if (!value.is(Kind::Number)) {
    error(diag::notConstant, expr.range,
          "expected a constant, found " + describe(value));
    return std::nullopt;
  }
  return value;
}

std::optional<double> Elaborator::evalConstant(const Expr &expr, Unit *unit) {
  std::optional<Value> value = constantValue(expr);
  if (!value)
    return std::nullopt;
  if (unit)
    *unit = value->unit;
  else if (!value->unit.isNone()) {
    error(diag::unitMismatch, expr.range,
          "expected a plain number, found a quantity in " + value->unit.str());
    return std::nullopt;
  }
  return value->number;
}

std::optional<int64_t> Elaborator::constantSize(const Expr &expr,
                                                StringRef what) {
  auto value = evalConstant(expr);
  if (!value)
    return std::nullopt;
  if (!(*value >= 1 && *value <= double(int64_t(1) << 40)) ||
      *value != double(int64_t(*value))) {
    error(diag::badSize, expr.range,
          what + " must be a whole number from 1 to 2^40");
    return std::nullopt;
  }
  return int64_t(*value);
}

/// `axis slot = widths[layer] in layer`: constants, one a position of layer.
bool Elaborator::countsPerParent(const IndexExpr &expr, const AxisInfo &parent,
                                 std::vector<int64_t> &counts) {
  bool named = expr.args.size() == 1 && !expr.args[0].rename &&
               !expr.args[0].name &&
               axisNamed(Name{plainName(expr.args[0].value.get()).str(),
                              expr.args[0].value->range}) == &parent;
  if (!named) {
    error(diag::badSize, expr.range,
          "sizes by parent are read by the parent, '" + parent.name + "'");
    return false;
  }
  mlir::Block scratch; // only the constant matters
  mlir::OpBuilder::InsertionGuard guard(e.builder);
  e.builder.setInsertionPointToEnd(&scratch);
  Value list = eval(*expr.base);
  if (list.isError())
    return false;
  auto constant =
      list.is(Kind::Array) ? list.ir.getDefiningOp<ConstantOp>() : ConstantOp();
  auto dense = constant ? dyn_cast<mlir::DenseElementsAttr>(constant.getValue())
                        : mlir::DenseElementsAttr();
  if (!dense || !dense.getElementType().isInteger(64)) {
    error(diag::notConstant, expr.base->range,
          "sizes by parent are a list of whole numbers")
        .help("let widths = [2, 3, 1]; leave the size out where the caller "
              "gives it");
    return false;
  }
  for (int64_t count : dense.getValues<int64_t>())
    counts.push_back(count);
  bool fits = parent.size == int64_t(counts.size());
  if (!fits || llvm::any_of(counts, [](int64_t c) {
        return c < 0 || c > (int64_t(1) << 40);
      })) {
    error(diag::badSize, expr.base->range,
          fits ? "a size is a whole number from 0 to 2^40"
               : "'" + parent.name + "' has " +
                     (parent.size < 0
                          ? "no fixed size"
                          : std::to_string(parent.size) + " positions") +
                     ", and this lists " + std::to_string(counts.size()) +
                     " sizes");
    return false;
  }
  return true;
}

Value Elaborator::elaborateAxis(const AxisDecl &decl, Scope &scope) {
  AxisInfo *parent = nullptr;
  if (decl.parent && !(parent = axisNamed(decl.parent)))
    return Value();
  std::optional<int64_t> size;
  std::vector<int64_t> counts; // one a position of the parent
  // Inside a pool an axis without a size may differ from row to row.
  bool inner = scope.pool && !parent && !decl.size && decl.members.empty() &&
               decl.columns.empty() && !options.axisSizes.count(decl.name.text);
  if (inner)
    parent = scope.pool->axis;
  auto *each = dyn_cast_or_null<IndexExpr>(decl.size.get());
  if (auto given = options.axisSizes.find(decl.name.text);
      given != options.axisSizes.end()) {
    size = given->second;
    overridden(decl.name, decl.size.get(), *size);
  } else if (each && parent) {
    if (!countsPerParent(*each, *parent, counts))
      return Value();
  } else if (decl.size &&
             !(size = constantSize(*decl.size, "the size of an axis"))) {
    return Value();
  }
  AxisInfo *axis = makeAxis(decl.name.text, symbolIn(scope, decl.name.text),
                            AxisKind::index, decl.name.range);
  if (parent)
    axis->parents.push_back(parent);
  for (const Name &member : decl.members) {
    if (llvm::is_contained(axis->labels, member.text)) {
      error(diag::duplicateName, member.range,
            "member '" + member.text + "' is listed twice");
      continue;
    }
    axis->labels.push_back(member.text);
  }
  if (!decl.members.empty())
    axis->size = decl.members.size();
  int64_t perParent = size.value_or(-1);
  if (size)
    axis->size = !parent ? *size : parent->size > 0 ? *size * parent->size : -1;
  if (size && !axis->labels.empty() && *size != int64_t(axis->labels.size()))
    return fail(diag::badSize, decl.name.range,
                "axis '" + decl.name.text + "' has size " + llvm::Twine(*size) +
                    " but lists " + llvm::Twine(axis->labels.size()) +
                    " members");
  axis->inner = inner;
  AxisOp op = emitAxis(*axis);
  if (!counts.empty())
    op->setAttr("counts", e.builder.getDenseI64ArrayAttr(counts));
  if (size && axis->size < 0)
    op->setAttr("per_parent", e.builder.getI64IntegerAttr(perParent));
  for (const ColumnPtr &column : decl.columns)
    addColumn(*axis, *column, ColumnKind::input, {});
  if (!decl.columns.empty())
    itemAxes.push_back(axis);
  return Value::ofAxis(Kind::Axis, axis);
}

AxisInfo *Elaborator::copyOf(AxisInfo *axis, unsigned primes) {
  if (primes == 0)
    return axis;
  AxisInfo *&copy = copies[{axis, primes}];
  if (copy)
    return copy;
  std::string suffix(primes, '\'');
  copy = makeAxis(axis->name + suffix, axis->symbol.getValue().str() + suffix,
                  AxisKind::copy, axis->range);
  copy->size = axis->size;
  copy->original = axis;
  copy->labels = axis->labels;
  copy->columns = axis->columns;
  copy->pool = axis->pool;
  // A copy lies inside the copies of what its original lies in; the outermost
  // axis they share, so that region' and token' are those of the same image.
  for (AxisInfo *parent : axis->parents)
    copy->parents.push_back(parent->parents.empty() || parent->isPlan()
                                ? parent
                                : copyOf(parent, primes));
  emitAxis(*copy);
  return copy;
}

AxisInfo *Elaborator::sizedAxis(int64_t size, SourceRange range) {
  AxisInfo *&axis = sizedAxes[size];
  if (axis)
    return axis;
  std::string name = "dim" + std::to_string(size);
  axis = makeAxis(name, name, AxisKind::index, range);
  axis->size = size;
  emitAxis(*axis);
  return axis;
}

std::optional<int64_t> Elaborator::nanoseconds(const Expr &expr) {
  Unit unit;
  auto value = evalConstant(expr, &unit);
  if (!value)
    return std::nullopt;
  if (unit != Unit::of(Unit::Time)) {
    error(diag::unitMismatch, expr.range,
          "expected a time, found " +
              (unit.isNone() ? "a plain number" : unit.str()))
        .help("write a unit of time, for example 5 ms");
    return std::nullopt;
  }
  double ns = *value * 1e9;
  if (!(ns >= 0) || ns > 9e18) {
    error(diag::badSize, expr.range, "a time must lie between 0 and 292 years");
    return std::nullopt;
  }
  return int64_t(ns + 0.5);
}

/// A row by its name, `east` or `zones.east`; a position, where rows have none.
mlir::Attribute Elaborator::refConstant(const Expr &expr, RefType type) {
  AxisInfo *axis = e.axisOf(type.getAxis());
  std::string name = rowSpelling(expr);
  auto *member = dyn_cast<MemberExpr>(&expr);
  auto *base =
      member ? dyn_cast<NameExpr>(ignoreParens(member->base.get())) : nullptr;
  AxisInfo *of = base ? axisNamed(base->name, /*report=*/false) : nullptr;
  if (!axis->labels.empty() && (!name.empty() || of == axis)) {
    Name row = of ? member->member : Name{name, expr.range};
    auto found = llvm::find(axis->labels, row.text);
    if (found != axis->labels.end())
      return e.builder.getI64IntegerAttr(found - axis->labels.begin());
    error(diag::unknownName, row.range,
          "unknown row '" + row.text + "' of '" + axis->name + "'")
        .suggest(row.text, axis->labels);
    return {};
  }
  auto *number = dyn_cast<NumberExpr>(&expr);
  if (axis->labels.empty() && number && number->integral &&
      !number->hasUnit() && axis->size >= 0 &&
      number->value() < double(axis->size))
    return e.builder.getI64IntegerAttr(int64_t(number->value()));
  auto message = error(diag::typeMismatch, expr.range,
                       "expected a constant of type " + spellElement(type));
  if (of)
    message.label(expr.range, "this is of '" + of->name + "'");
  if (!axis->labels.empty())
    message.help("name a row: " + axis->name + "." + axis->labels.front());
  else if (axis->size >= 0)
    message.help("write a position, from 0 to " + llvm::Twine(axis->size - 1));
  else
    message.note("the rows of '" + axis->name +
                 "' are not known when it is compiled");
  return {};
}

mlir::Attribute Elaborator::constantAttr(const Expr &expr,
                                         const TypeInfo &type) {
  mlir::Type element = getValueType(type.element);
  if (isa<UnknownExpr>(expr))
    return e.builder.getUnitAttr();
  if (auto text = dyn_cast<StringExpr>(&expr)) {
    if (isa<TextType>(element))
      return e.builder.getStringAttr(text->value);
  } else if (auto truth = dyn_cast<BoolExpr>(&expr)) {
    if (element.isInteger(1))
      return e.builder.getBoolAttr(truth->value);
  } else if (auto coded = dyn_cast<route::EnumType>(element)) {
    auto &labels = enumLabels[mlir::TypeAttr::get(element)];
    if (isa<NoneExpr>(&expr) && llvm::is_contained(labels, "none"))
      return e.builder.getI64IntegerAttr(llvm::find(labels, "none") -
                                         labels.begin());
    if (auto *name = dyn_cast<NameExpr>(&expr)) {
      auto found = llvm::find(labels, name->name.text);
      if (found != labels.end())
        return e.builder.getI64IntegerAttr(found - labels.begin());
      unknownLabel(name->name, labels);
      return {};
    }
  } else if (isNumber(element)) {
    std::optional<Value> value = constantValue(expr);
    if (!value)
      return {};
    const double number = value->number;
    if (value->unit != type.unit &&
        !(value->unit.isNone() &&
          (type.unit.counts() || number == 0 || !std::isfinite(number)))) {
      error(diag::unitMismatch, expr.range,
            "expected " + type.unit.str() + ", found " + value->unit.str());
      return {};
    }
    if (number < 0 && (type.unit == Unit::of(Unit::Token) ||
                       type.unit == Unit::of(Unit::Byte))) {
      error(diag::badSize, expr.range, "tokens and bytes are never below zero");
      return {};
    }
    return heldNumber(*value, element, expr.range);
  }
  if (auto ref = dyn_cast<RefType>(element))
    return refConstant(*ignoreParens(&expr), ref);
  if (isa<HandleType>(element)) {
    auto *number = dyn_cast<NumberExpr>(&expr);
    if (number && number->integral && number->value() >= 0)
      return e.builder.getI64IntegerAttr(int64_t(number->value()));
    error(diag::typeMismatch, expr.range,
          "expected a handle, a whole number that the host knows the meaning "
          "of");
    return {};
  }
  if (auto coded = dyn_cast<route::EnumType>(element)) {
    auto &labels = enumLabels[mlir::TypeAttr::get(element)];
    auto message = error(diag::typeMismatch, expr.range,
                         "expected a label: " + llvm::join(labels, ", "));
    if (auto *text = dyn_cast<StringExpr>(&expr);
        text && llvm::is_contained(labels, text->value))
      message.help("labels stand without quotes: " + text->value);
    return {};
  }
  auto message = error(diag::typeMismatch, expr.range,
                       "expected a constant of type " + spellElement(element));
  if (auto *name = dyn_cast<NameExpr>(&expr); name && isa<TextType>(element))
    message.help("a text stands in quotes: \"" + name->name.text + "\"");
  if (memberTypeOf(element))
    message
        .note("lists and sets come from callers and are kept in state; no "
              "column has one by itself")
        .help("for what is known of rows, name it in an axis: axis tag { a, b "
              "}, and a column bool[tag] with [true, false]");
  return {};
}

void Elaborator::addColumn(AxisInfo &axis, const ColumnDecl &decl,
                           ColumnKind kind, mlir::Attribute value) {
  if (axis.findColumn(decl.name.text)) {
    error(diag::duplicateName, decl.name.range,
          "column '" + decl.name.text + "' is declared twice");
    return;
  }
  if (!decl.type) {
    error(diag::missingType, decl.name.range,
          "column '" + decl.name.text + "' needs a type");
    return;
  }
  TypeInfo type = resolveType(
      *decl.type,
      (axis.symbol.getValue() + "." + decl.name.text + ".enum").str());
  if (type.kind != TypeInfo::Kind::Array) {
    notElements(*decl.type, type, "a column holds elements or arrays of them");
    return;
  }
  if (e.has(type.axes, &axis)) {
    error(diag::duplicateName, decl.type->range,
          "column '" + decl.name.text + "' has a value for each row of '" +
              axis.name + "' without saying so")
        .help("leave '" + axis.name + "' out of its type; a second copy is '" +
              axis.name + "''");
    return;
  }
  ColumnInfo column;
  column.name = decl.name.text;
  column.kind = kind;
  column.unit = type.unit;
  column.trusted = decl.trusted;
  column.bound = type.bound;
  column.range = decl.name.range;
  column.axes.push_back(&axis);
  column.axes.insert(column.axes.end(), type.axes.begin(), type.axes.end());
  mlir::Attribute fallback;
  mlir::IntegerAttr stale;
  if (decl.stale)
    if (auto ns = nanoseconds(*decl.stale))
      stale = e.builder.getI64IntegerAttr(*ns);
  if (decl.fallback)
    fallback = constantAttr(*decl.fallback, type);
  else if (decl.init && kind != ColumnKind::constant &&
           !startsEmpty(*decl.init, type))
    fallback = constantAttr(*decl.init, type);
  // A live value that may go stale without a fallback may be unknown.
  type.optional |= kind == ColumnKind::live && decl.stale && !decl.fallback;
  column.type = e.arrayType(storageType(type), column.axes);
  auto op = module->lookupSymbol<AxisOp>(axis.symbol);
  column.symbol = mlir::SymbolRefAttr::get(
      axis.symbol.getAttr(),
      {mlir::FlatSymbolRefAttr::get(&context, column.name)});
  mlir::OpBuilder::InsertionGuard guard(e.builder);
  e.builder.setInsertionPointToEnd(&op.getColumns().front());
  ColumnOp::create(e.builder, locationOf(decl.name.range), column.name, kind,
                   column.type, value, fallback, stale,
                   column.unit.isNone()
                       ? mlir::StringAttr()
                       : e.builder.getStringAttr(column.unit.baseStr()),
                   column.trusted);
  axis.columns.push_back(std::move(column));
}

void Elaborator::addConstantColumn(AxisInfo &axis, const Name &name,
                                   const TypeInfo &type,
                                   mlir::Attribute value) {
  ColumnInfo column;
  column.name = name.text;
  column.kind = ColumnKind::constant;
  column.unit = type.unit;
  column.range = name.range;
  column.axes.push_back(&axis);
  column.type = e.arrayType(type.element, {&axis});
  auto op = module->lookupSymbol<AxisOp>(axis.symbol);
  column.symbol = mlir::SymbolRefAttr::get(
      axis.symbol.getAttr(),
      {mlir::FlatSymbolRefAttr::get(&context, column.name)});
  mlir::OpBuilder::InsertionGuard guard(e.builder);
  e.builder.setInsertionPointToEnd(&op.getColumns().front());
  ColumnOp::create(e.builder, locationOf(name.range), column.name, column.kind,
                   column.type, value, mlir::Attribute(), mlir::IntegerAttr(),
                   column.unit.isNone()
                       ? mlir::StringAttr()
                       : e.builder.getStringAttr(column.unit.baseStr()),
                   false);
  axis.columns.push_back(std::move(column));
}
