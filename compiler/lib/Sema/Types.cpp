// Written types and conversion to them.
// Resolves type expressions against the axes in scope. `convert` is where a
// written type rounds, and the only such place.
#include "Elaborator.h"
#include "Unsigned.h"
#include "route/Dialect/Route/IR/Spelling.h"
#include "llvm/ADT/StringSwitch.h"
#include <cmath>

using namespace route;
using namespace route::sema;
using namespace route::ast;

mlir::Type Elaborator::elementNamed(StringRef name, Unit &unit, double &scale) {
  auto &b = e.builder;
  mlir::Type type =
      llvm::StringSwitch<mlir::Type>(name)
          .Case("f32", b.getF32Type())
          .Case("f64", b.getF64Type())
          .Case("f16", b.getF16Type())
          .Case("bf16", b.getBF16Type())
          .Cases({"f8", "f8e4m3"}, mlir::Float8E4M3FNType::get(&context))
          .Case("f8e5m2", mlir::Float8E5M2Type::get(&context))
          .Case("mxfp4", mlir::Float4E2M1FNType::get(&context))
          .Cases({"i8", "u8"}, b.getIntegerType(8))
          .Cases({"i16", "u16"}, b.getIntegerType(16))
          .Cases({"i32", "u32"}, b.getIntegerType(32))
          .Cases({"i64", "u64", "int"}, b.getI64Type())
          .Case("bool", b.getI1Type())
          .Case("text", TextType::get(&context))
          .Case("handle", HandleType::get(&context))
          .Default(nullptr);
  // Unsigned elements keep their meaning in the type.
  if (type && name.starts_with("u"))
    type = mlir::IntegerType::get(&context, type.getIntOrFloatBitWidth(),
                                  mlir::IntegerType::Unsigned);
  if (type)
    return type;
  if (auto found = unitFromWord(name, scale)) {
    unit = *found;
    return unit.isNone() ? b.getF32Type() : b.getF64Type();
  }
  return nullptr;
}

bool Elaborator::resolveDims(const std::vector<Dim> &dims, TypeInfo &type) {
  bool good = true;
  for (const Dim &dim : dims)
    good &= resolveDim(dim, type);
  // An axis beside one that descends from it adds nothing: each position of the
  // lower one has its own above.
  for (size_t i = 0; good && i < type.axes.size();) {
    bool above = llvm::any_of(type.axes, [&](AxisInfo *other) {
      return other != type.axes[i] && other->descendsFrom(type.axes[i]);
    });
    if (!above || type.groups.size() != type.axes.size()) {
      ++i;
      continue;
    }
    type.axes.erase(type.axes.begin() + i);
    type.groups.erase(type.groups.begin() + i);
  }
  return good;
}

bool Elaborator::resolveDim(const Dim &dim, TypeInfo &type) {
  AxisInfo *axis = nullptr;
  switch (dim.form) {
  case Dim::Form::Axis:
    axis = axisOfPath(dim.path);
    break;
  case Dim::Form::Size:
    if (auto size = constantSize(*dim.size, "the size of an axis"))
      axis = sizedAxis(*size, dim.range);
    break;
  case Dim::Form::Inline: {
    auto size = dim.size ? constantSize(*dim.size, "the size of an axis")
                         : std::nullopt;
    if (!size)
      break;
    if (dim.path.empty()) {
      axis = sizedAxis(*size, dim.range);
      break;
    }
    const Name &name = dim.path.front();
    axis = makeAxis(name.text, name.text, AxisKind::index, name.range);
    axis->size = *size;
    emitAxis(*axis);
    bindName(*cx.scope, name,
             {Value::ofAxis(Kind::Axis, axis), nullptr, name.range, false});
    break;
  }
  case Dim::Form::Group: {
    size_t before = type.axes.size(), groups = type.groups.size();
    bool good = true;
    for (const Dim &inner : dim.group)
      good &= resolveDim(inner, type);
    type.groups.resize(groups);
    type.groups.push_back(type.axes.size() - before);
    return good;
  }
  }
  if (!axis)
    return false;
  if (e.has(type.axes, axis)) {
    error(diag::duplicateName, dim.range,
          "axis '" + axis->name + "' stands here twice")
        .help("name a second copy '" + axis->name + "''");
    return false;
  }
  type.axes.push_back(axis);
  type.groups.push_back(1);
  return true;
}

/// Declares an enumeration; its labels can be named beside values of it.
mlir::Type Elaborator::makeEnum(const std::vector<std::string> &labels,
                                StringRef hint, SourceRange range) {
  mlir::OpBuilder::InsertionGuard guard(e.builder);
  atModuleLevel();
  std::string symbol = freshSymbol(hint.empty() ? "enum" : hint);
  EnumOp::create(
      e.builder, locationOf(range), symbol,
      e.builder.getStrArrayAttr(llvm::to_vector_of<StringRef>(labels)));
  mlir::Type element = route::EnumType::get(
      &context, mlir::FlatSymbolRefAttr::get(&context, symbol));
  enumLabels[mlir::TypeAttr::get(element)] = labels;
  return element;
}

mlir::Type Elaborator::enumFrom(const ast::EnumType &type, StringRef hint) {
  std::vector<std::string> labels;
  for (const Name &member : type.members) {
    if (llvm::is_contained(labels, member.text))
      error(diag::duplicateName, member.range,
            "label '" + member.text + "' is listed twice");
    else
      labels.push_back(member.text);
  }
  return makeEnum(labels, hint, type.range);
}

/// A type that cannot be resolved: reported already.
static TypeInfo noType() { return {}; }

static TypeInfo elementType(mlir::Type element, Unit unit = {}) {
  TypeInfo type;
  type.kind = TypeInfo::Kind::Array;
  type.element = element;
  type.unit = unit;
  return type;
}

/// A type of the language, a unit, a row of a pool or an axis, or a route.
TypeInfo Elaborator::resolveNamed(const NamedType &named) {
  Unit unit;
  double scale = 1;
  if (named.path.size() == 1)
    if (mlir::Type element = elementNamed(named.name().text, unit, scale))
      return elementType(element, unit);
  auto [entry, scope] = cx.scope->lookup(named.path.front().text);
  if (!entry) {
    std::vector<std::string> names = {
        "f32",  "bf16", "f16",    "f64",    "i64",   "u64",  "u32",   "u8",
        "bool", "text", "handle", "tokens", "money", "time", "ratio", "bytes"};
    for (std::string &name : cx.scope->visibleNames())
      names.push_back(std::move(name));
    const Name &name = named.path.front();
    auto message = error(diag::unknownName, name.range,
                         "unknown type '" + name.text + "'");
    StringRef ours = llvm::StringSwitch<StringRef>(name.text)
                         .Cases({"float", "float32", "single"}, "f32")
                         .Cases({"double", "float64"}, "f64")
                         .Cases({"half", "float16"}, "f16")
                         .Case("bfloat16", "bf16")
                         .Cases({"string", "str", "String"}, "text")
                         .Cases({"boolean", "Bool"}, "bool")
                         .Cases({"integer", "int64", "long"}, "i64")
                         .Case("int32", "i32")
                         .Case("uint64", "u64")
                         .Cases({"uint32", "uint"}, "u32")
                         .Default("");
    if (!ours.empty())
      message.help("it is called '" + ours + "'");
    else if (!explainName(name, message))
      message.suggest(name.text, names);
    return noType();
  }
  Value value = resolve(*entry, *scope, named.range);
  if (named.path.size() > 1 && value.is(Kind::Module))
    if (auto found = value.scope->entries.find(named.path[1].text);
        found != value.scope->entries.end())
      value = resolve(found->second, *value.scope, named.range);
  TypeInfo type;
  if (value.is(Kind::Axis) || (value.is(Kind::Subset) && value.axis)) {
    type.kind = TypeInfo::Kind::Row;
    type.rowOf = value.axis;
  } else if (value.is(Kind::Route)) {
    type.kind = TypeInfo::Kind::Route;
    type.route = value.route;
  } else if (!value.isError()) {
    error(diag::wrongKind, named.range,
          "expected a type, found " + describe(value));
  }
  return type;
}

/// `$/tok`
TypeInfo Elaborator::resolveUnit(const UnitType &written) {
  double scale = 1, below = 1;
  auto unit = unitFromWord(written.numerator.text, scale);
  if (!unit) {
    unknownName(written.numerator, "unit", {"$", "s", "tok", "B"});
    return noType();
  }
  if (written.denominator) {
    auto other = unitFromWord(written.denominator.text, below);
    if (!other) {
      unknownName(written.denominator, "unit", {"s", "tok", "B"});
      return noType();
    }
    *unit = *unit / *other;
  }
  return elementType(e.f64(), *unit);
}

/// `enum { a, b }`, or `enum C`, the members of axis C.
TypeInfo Elaborator::resolveEnum(const ast::EnumType &coded, StringRef hint) {
  if (!coded.members.empty())
    return elementType(enumFrom(coded, hint));
  AxisInfo *axis = axisNamed(coded.name);
  if (!axis)
    return noType();
  if (axis->labels.empty()) {
    error(diag::wrongKind, coded.name.range,
          "'" + coded.name.text + "' has no members")
        .label(axis->range, "declared here")
        .help("list them: axis " + coded.name.text + " { a, b }");
    return noType();
  }
  mlir::Type &element = memberEnums[axis];
  if (!element) {
    element = makeEnum(axis->labels, axis->symbol.getValue(), axis->range);
    symbolOf(element)->setAttr("of_axis", e.builder.getUnitAttr());
  }
  return elementType(element);
}

/// `ref models`, and `ref models[token]`, one for each position.
TypeInfo Elaborator::resolveRef(const ast::RefType &ref) {
  auto *over = dyn_cast<ast::ArrayType>(ref.target.get());
  const TypeExpr &written = over ? *over->element : *ref.target;
  // A value between the brackets would be a key.
  auto isKey = [&](const Dim &dim) {
    if (dim.form != Dim::Form::Axis || dim.path.size() != 1)
      return false;
    auto [entry, scope] = cx.scope->lookup(dim.path.front().text);
    if (!entry)
      return bool(itemColumn(dim.path.front()));
    mlir::Block scratch; // for what a let would compute
    mlir::OpBuilder::InsertionGuard guard(e.builder);
    e.builder.setInsertionPointToEnd(&scratch);
    Value value = resolve(*entry, *scope, dim.range);
    scratch.dropAllReferences();
    return !value.isError() && !value.is(Kind::Axis);
  };
  if (over && llvm::any_of(over->dims, isKey)) {
    error(diag::wrongKind, ref.range, "state with keys holds no refs")
        .help("keep a truth for each row: bool[…, " +
              sources.text(written.range) + "]");
    return noType();
  }
  // `h` is an axis here, where there is one, and no hour.
  auto *named = dyn_cast<NamedType>(&written);
  bool axis = named && named->path.size() == 1 &&
              cx.scope->lookup(named->name().text).first;
  TypeInfo target;
  if (axis) {
    target.rowOf = axisNamed(named->name());
    target.kind = target.rowOf ? TypeInfo::Kind::Row : TypeInfo::Kind::None;
  } else {
    target = resolveType(written);
  }
  if (target.kind != TypeInfo::Kind::Row) {
    if (target.kind != TypeInfo::Kind::None)
      error(diag::wrongKind, ref.range, "a ref names a pool or an axis");
    return noType();
  }
  TypeInfo type =
      elementType(route::RefType::get(&context, target.rowOf->symbol));
  return !over || resolveDims(over->dims, type) ? type : noType();
}

/// `[text]`, or `set u64 max 64k lru` with its capacity.
TypeInfo Elaborator::resolveCollection(const TypeExpr &written,
                                       const TypeExpr &of,
                                       const Expr *capacity) {
  TypeInfo inner = resolveType(of);
  if (inner.kind == TypeInfo::Kind::Row)
    inner = elementType(route::RefType::get(&context, inner.rowOf->symbol));
  if (inner.kind != TypeInfo::Kind::Array)
    return noType();
  if (inner.optional) {
    error(diag::typeMismatch, written.range,
          "a member of a list or set is never unknown")
        .help("leave it out of the list, or make the whole optional: '[u32]?'");
    return noType();
  }
  mlir::Type member = irgen::Emitter::computingType(inner.element);
  bool list = isa<ast::ListType>(written);
  TypeInfo type =
      elementType(list ? mlir::Type(route::ListType::get(&context, member))
                       : mlir::Type(route::SetType::get(&context, member)));
  if (capacity &&
      !(type.bound = constantSize(*capacity, "the capacity of a set")))
    return noType();
  return type;
}

TypeInfo Elaborator::resolveType(const TypeExpr &expr, StringRef hint) {
  if (auto *named = dyn_cast<NamedType>(&expr))
    return resolveNamed(*named);
  if (auto *unit = dyn_cast<UnitType>(&expr))
    return resolveUnit(*unit);
  if (auto *coded = dyn_cast<ast::EnumType>(&expr))
    return resolveEnum(*coded, hint);
  if (auto *ref = dyn_cast<ast::RefType>(&expr))
    return resolveRef(*ref);
  if (auto *list = dyn_cast<ast::ListType>(&expr))
    return resolveCollection(expr, *list->element, nullptr);
  if (auto *set = dyn_cast<ast::SetType>(&expr))
    return resolveCollection(expr, *set->element, set->capacity.get());
  if (auto *array = dyn_cast<ast::ArrayType>(&expr)) {
    TypeInfo type = resolveType(*array->element, hint);
    if (type.kind == TypeInfo::Kind::Row)
      type = elementType(RefType::get(&context, type.rowOf->symbol));
    if (type.kind != TypeInfo::Kind::Array) {
      if (type.kind != TypeInfo::Kind::None)
        error(diag::wrongKind, array->element->range,
              "an array holds numbers, truths or text");
      return noType();
    }
    return resolveDims(array->dims, type) ? type : noType();
  }
  if (auto *optional = dyn_cast<OptionalType>(&expr)) {
    TypeInfo type = resolveType(*optional->element, hint);
    type.optional = true;
    return type;
  }
  TypeInfo type;
  if (auto *record = dyn_cast<RecordType>(&expr)) {
    type.kind = TypeInfo::Kind::Record;
    for (const ColumnPtr &field : record->fields) {
      if (!field->type) {
        error(diag::missingType, field->range,
              "field '" + field->name.text + "' needs a type");
        continue;
      }
      type.elements.push_back(resolveType(*field->type, field->name.text));
      type.names.push_back(field->name.text);
    }
    return type;
  }
  type.kind = TypeInfo::Kind::Tuple;
  for (const TypePtr &element : cast<TupleType>(expr).elements)
    type.elements.push_back(resolveType(*element, hint));
  return type;
}

Value Elaborator::notElements(const TypeExpr &written, const TypeInfo &type,
                              StringRef what) {
  if (type.kind == TypeInfo::Kind::None)
    return Value();
  auto message = error(diag::wrongKind, written.range, what);
  if (type.kind == TypeInfo::Kind::Row)
    message.help("what names one of its rows is a 'ref " +
                 sources.text(written.range) + "'");
  return Value();
}

Value Elaborator::convert(Value value, const TypeInfo &type,
                          SourceRange range) {
  if (value.isError() || type.kind == TypeInfo::Kind::None)
    return value;
  if (value.is(Kind::RunSet))
    if (auto set = dyn_cast_or_null<SetType>(type.element))
      if (auto ref = dyn_cast<RefType>(set.getValueType()))
        return runRows(value.text, e.axisOf(ref.getAxis()), range);
  if (type.kind == TypeInfo::Kind::Tuple ||
      type.kind == TypeInfo::Kind::Record) {
    if (!value.parts || value.parts->size() != type.elements.size())
      return fail(diag::typeMismatch, range,
                  "expected " + llvm::Twine(type.elements.size()) +
                      " values, found " + describe(value));
    std::vector<Value> parts;
    for (size_t i = 0; i < type.elements.size(); ++i)
      parts.push_back(convert((*value.parts)[i], type.elements[i], range));
    return Value::group(value.kind, std::move(parts),
                        value.names ? *value.names : type.names);
  }
  if (type.kind != TypeInfo::Kind::Array)
    return value;
  mlir::Type target = getValueType(type.element);
  if (value.is(Kind::Number) && value.unit.isNone() && type.unit.counts())
    value.unit = type.unit;
  if (value.is(Kind::Number) &&
      (value.number == 0 || !std::isfinite(value.number)))
    value.unit = type.unit;
  Unit unit = value.unit;
  mlir::Value ir;
  if (value.is(Kind::Number) && isNumber(target) && unit == type.unit) {
    mlir::TypedAttr attr = heldNumber(value, target, range);
    ir = attr ? ConstantOp::create(e.builder, e.loc,
                                   route::ArrayType::get(target), attr)
              : mlir::Value();
  } else {
    ir = asArray(value, range, target);
  }
  if (!ir)
    return Value();
  if (unit != type.unit)
    return fail(diag::unitMismatch, range,
                "expected " + type.unit.str() + ", found " + unit.str());
  mlir::Type from = e.valueTypeOf(ir);
  bool numbers = (isNumber(from) || from.isInteger(1)) &&
                 (isNumber(target) || target.isInteger(1));
  if (from != target && !numbers)
    return fail(diag::typeMismatch, range,
                "expected " + spellElement(target) + ", found " +
                    spellElement(from));
  if (from != target && (from.isInteger(1) || target.isInteger(1)))
    return fail(diag::typeMismatch, range,
                "expected " + spellElement(target) + ", found " +
                    spellElement(from));
  // What a type cannot hold becomes the nearest that it can; between i64 and
  // u64 the bits stay.
  auto given = dyn_cast<mlir::IntegerType>(from),
       kept = dyn_cast<mlir::IntegerType>(target);
  if (given && kept && (given.getWidth() < 64 || kept.getWidth() < 64)) {
    unsigned bits = kept.getWidth() - !kept.isUnsigned();
    bool above = bits < given.getWidth() - !given.isUnsigned(),
         below = !given.isUnsigned() && (above || kept.isUnsigned());
    int64_t most = above ? (int64_t(1) << bits) - 1 : 0;
    if (above && isU64(given))
      ir = flipSign(
          e,
          e.binary(BinaryKind::min, ordered(e, ir),
                   e.constantInt(e.i64(),
                                 most + std::numeric_limits<int64_t>::min())));
    else if (above)
      ir = e.binary(BinaryKind::min, e.cast(ir, e.i64()),
                    e.constantInt(e.i64(), most));
    if (below)
      ir = e.binary(BinaryKind::max, e.cast(ir, e.i64()),
                    e.constantInt(e.i64(), kept.isUnsigned() ? 0 : -most - 1));
  }
  ir = e.cast(ir, target);
  return Value::array(ir, type.unit);
}
