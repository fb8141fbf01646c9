// What variables of step routes hold.
// A variable is given its shape by all that is assigned to it, and travels
// between blocks as the IR values of that shape.
#include "Elaborator.h"

using namespace route;
using namespace route::sema;
using namespace route::ast;

static Shape arrayShape(mlir::Type type, Unit unit) {
  Shape shape;
  shape.kind = Shape::Kind::Array;
  shape.type = type;
  shape.unit = unit;
  return shape;
}

std::optional<Shape> Elaborator::shapeOf(const Value &value,
                                         SourceRange range) {
  Shape shape;
  switch (value.kind) {
  case Kind::None:
  case Kind::Unknown:
    return shape;
  case Kind::Number: {
    mlir::Type element = !value.unit.isNone() ? e.f64()
                         : value.integral     ? e.i64()
                                              : e.f32();
    shape = arrayShape(e.arrayType(element, {}), value.unit);
    shape.literal = true;
    return shape;
  }
  case Kind::Text:
    return arrayShape(e.arrayType(TextType::get(&context), {}), {});
  case Kind::Match:
    return arrayShape((*value.parts)[0].ir.getType(), {});
  case Kind::Array: {
    auto type = e.typeOf(value.ir);
    if (auto ref = dyn_cast<RefType>(type.getElementType());
        ref && type.isScalar()) {
      shape.kind = Shape::Kind::Row;
      shape.axis = e.axisOf(ref.getAxis());
      return shape;
    }
    return arrayShape(
        type.withElement(irgen::Emitter::computingType(type.getElementType())),
        value.unit);
  }
  case Kind::Row:
    if (!value.ir && !value.axis->pool) {
      shape.kind = Shape::Kind::Item;
      shape.axis = value.axis;
      return shape;
    }
    if (!value.ir)
      break;
    [[fallthrough]];
  case Kind::Member:
    shape.kind = Shape::Kind::Row;
    shape.axis = value.axis;
    shape.under = value.under;
    return shape;
  case Kind::Result:
  case Kind::Record:
    shape.kind =
        value.is(Kind::Result) ? Shape::Kind::Result : Shape::Kind::Record;
    shape.handled = value.handled;
    shape.names = *value.names;
    for (const Value &part : *value.parts) {
      auto inner = shapeOf(part, range);
      if (!inner)
        return std::nullopt;
      shape.parts.push_back(std::move(*inner));
    }
    return shape;
  default:
    break;
  }
  if (!value.isError()) {
    auto message = error(diag::stepValue, range,
                         describe(value) + " cannot be kept in a variable");
    if (value.is(Kind::Plan))
      message.help("take its row: p[0]");
  }
  return std::nullopt;
}

std::optional<Shape> Elaborator::joinShapes(const Shape &a, const Shape &b) {
  using K = Shape::Kind;
  if (a.kind == K::None || b.kind == K::None) {
    Shape other = a.kind == K::None ? b : a;
    if (other.kind == K::Array) // none reads as unknown
      other.type =
          cast<route::ArrayType>(other.type)
              .withElement(irgen::Emitter::ranged(
                  true, cast<route::ArrayType>(other.type).getElementType()));
    if (other.kind == K::Record)
      return std::nullopt;
    if (other.kind == K::Result)
      for (Shape &part : other.parts) {
        auto open = joinShapes(part, Shape());
        if (!open)
          return std::nullopt;
        part = *open;
      }
    return other;
  }
  if (a.kind == K::Item && b.kind == K::Record)
    return joinShapes(b, a);
  if (a.kind == K::Record && b.kind == K::Item) {
    // The item as some step left it: all of its columns.
    for (const ColumnInfo &column : b.axis->columns)
      if (column.kind == ColumnKind::input &&
          !llvm::is_contained(a.names, column.name))
        return std::nullopt;
    return a;
  }
  if (a.kind != b.kind)
    return std::nullopt;
  Shape result = a;
  for (mlir::Attribute budget : b.under)
    if (!llvm::is_contained(result.under, budget))
      result.under.push_back(budget);
  switch (a.kind) {
  case K::None:
    return result;
  case K::Row:
  case K::Item:
    return a.axis == b.axis ? std::optional(result) : std::nullopt;
  case K::Array: {
    auto x = cast<route::ArrayType>(a.type), y = cast<route::ArrayType>(b.type);
    mlir::Type from = getValueType(x.getElementType()),
               to = getValueType(y.getElementType());
    auto adapts = [](const Shape &shape) {
      return shape.literal && shape.unit.isNone();
    };
    if (a.unit != b.unit && !adapts(a) && !adapts(b))
      return std::nullopt;
    result.unit = adapts(a) ? b.unit : a.unit;
    result.literal = a.literal && b.literal;
    if (from != to) {
      if (!isNumber(from) || !isNumber(to))
        return std::nullopt;
      from = from.isF64() || to.isF64() ? e.f64() : e.f32();
    }
    if (!x.getAxes().empty() && !y.getAxes().empty() &&
        x.getAxes() != y.getAxes())
      return std::nullopt;
    bool ranged = isa<RangeType>(x.getElementType()) ||
                  isa<RangeType>(y.getElementType());
    result.type = (x.getAxes().empty() ? y : x)
                      .withElement(irgen::Emitter::ranged(ranged, from));
    return result;
  }
  case K::Result:
  case K::Record:
    // Fields that one of two results lacks are unknown there.
    for (size_t i = 0; i < result.names.size(); ++i) {
      auto found = llvm::find(b.names, result.names[i]);
      if (found == b.names.end() && a.kind == K::Record)
        return std::nullopt;
      auto joined = joinShapes(
          result.parts[i],
          found == b.names.end() ? Shape() : b.parts[found - b.names.begin()]);
      if (!joined)
        return std::nullopt;
      result.parts[i] = std::move(*joined);
    }
    for (size_t i = 0; i < b.names.size(); ++i) {
      if (llvm::is_contained(a.names, b.names[i]))
        continue;
      auto joined =
          a.kind == K::Record ? std::nullopt : joinShapes(b.parts[i], Shape());
      if (!joined)
        return std::nullopt;
      result.names.push_back(b.names[i]);
      result.parts.push_back(std::move(*joined));
    }
    return result;
  }
  return std::nullopt;
}

void Elaborator::shapeTypes(const Shape &shape,
                            llvm::SmallVectorImpl<mlir::Type> &types) {
  switch (shape.kind) {
  case Shape::Kind::None:
  case Shape::Kind::Item:
    return;
  case Shape::Kind::Array:
    types.push_back(shape.type);
    return;
  case Shape::Kind::Row:
    types.push_back(
        e.arrayType(RefType::get(&context, shape.axis->symbol), {}));
    return;
  case Shape::Kind::Result:
  case Shape::Kind::Record:
    for (const Shape &part : shape.parts)
      shapeTypes(part, types);
    return;
  }
}

/// The IR values of `value` in the form of `shape`, which its own shape was
/// joined into.
bool Elaborator::storeAs(const Value &value, const Shape &shape,
                         SourceRange range,
                         llvm::SmallVectorImpl<mlir::Value> &out) {
  auto misfit = [&] {
    if (!value.isError())
      error(diag::stepValue, range,
            "this does not fit what is assigned elsewhere: found " +
                describe(value))
          .note("a variable holds one kind of value through the whole route");
    return false;
  };
  switch (shape.kind) {
  case Shape::Kind::None:
  case Shape::Kind::Item:
    return !value.isError();
  case Shape::Kind::Row: {
    mlir::Type ref = RefType::get(&context, shape.axis->symbol);
    mlir::Value ir = asArray(value, range, ref);
    if (!ir)
      return false;
    if (e.elementOf(ir) != ref || !e.typeOf(ir).isScalar())
      return misfit();
    out.push_back(ir);
    return true;
  }
  case Shape::Kind::Array: {
    auto type = cast<route::ArrayType>(shape.type);
    mlir::Type element = getValueType(type.getElementType());
    mlir::Value ir;
    if (value.is(Kind::None) || value.is(Kind::Unknown))
      ir = e.unknown(element);
    else
      ir = asArray(value, range, element);
    if (!ir)
      return false;
    ir = e.computing(ir);
    bool numbers = isNumber(e.valueTypeOf(ir)) && isNumber(element);
    if (e.valueTypeOf(ir) != element && !numbers)
      return misfit();
    ir = e.cast(ir, element);
    if (isa<RangeType>(type.getElementType()) && !e.isRange(ir))
      ir = CastOp::create(e.builder, e.loc,
                          e.typeOf(ir).withElement(type.getElementType()), ir);
    AxisList axes;
    for (mlir::FlatSymbolRefAttr axis : type.getAxes())
      axes.push_back(e.axisOf(axis));
    ir = e.broadcastTo(ir, axes);
    if (ir.getType() != shape.type)
      return misfit();
    out.push_back(ir);
    return true;
  }
  case Shape::Kind::Result:
  case Shape::Kind::Record: {
    if (value.is(Kind::Row) && !value.ir && !value.axis->pool)
      return storeAs(itemRecord(value.axis), shape, range, out);
    bool none = value.is(Kind::None) || value.is(Kind::Unknown);
    if (!none && !value.parts)
      return misfit();
    for (size_t i = 0; i < shape.parts.size(); ++i) {
      const Value *part = none ? nullptr : value.part(shape.names[i]);
      Value missing = Value::ofKind(Kind::None);
      // No result at all has the code -1.
      if (!part && shape.names[i] == "code")
        missing = Value::literal(-1, true);
      if (!storeAs(part ? *part : missing, shape.parts[i], range, out))
        return false;
    }
    return true;
  }
  }
  return false;
}

/// The item as it came: its columns.
Value Elaborator::itemRecord(AxisInfo *item) {
  std::vector<Value> parts;
  std::vector<std::string> names;
  for (const ColumnInfo &column : item->columns)
    if (column.kind == ColumnKind::input) {
      parts.push_back(loadColumn(*item, column));
      names.push_back(column.name);
    }
  return Value::group(Kind::Record, std::move(parts), std::move(names));
}

Value Elaborator::loadAs(const Shape &shape, mlir::ValueRange &values) {
  auto take = [&] {
    mlir::Value value = values.front();
    values = values.drop_front();
    return value;
  };
  switch (shape.kind) {
  case Shape::Kind::None:
    return Value::ofKind(Kind::None);
  case Shape::Kind::Item:
    return Value::ofAxis(Kind::Row, shape.axis);
  case Shape::Kind::Array:
    return Value::array(take(), shape.unit);
  case Shape::Kind::Row: {
    Value row = Value::ofAxis(Kind::Row, shape.axis, take());
    row.under = shape.under;
    return row;
  }
  case Shape::Kind::Result:
  case Shape::Kind::Record: {
    std::vector<Value> parts;
    for (const Shape &part : shape.parts)
      parts.push_back(loadAs(part, values));
    Value value = Value::group(shape.kind == Shape::Kind::Result ? Kind::Result
                                                                 : Kind::Record,
                               std::move(parts), shape.names);
    value.handled = shape.handled;
    return value;
  }
  }
  return Value();
}

Value Elaborator::reshape(const Value &value, const Shape &shape,
                          SourceRange range) {
  llvm::SmallVector<mlir::Value> values;
  if (!storeAs(value, shape, range, values))
    return Value();
  mlir::ValueRange rest(values);
  return loadAs(shape, rest);
}

/// Whoever looks at the variable's failure looks at that of what it was given.
static void shareHandled(StepRoute &steps, const Value &given,
                         const Value &held) {
  if (given.handled && held.handled && !*given.handled)
    for (PendingResult &result : steps.pending)
      if (result.handled == given.handled)
        result.handled = held.handled;
}

/// Makes the name that was just bound a variable. One that is never assigned
/// keeps its value as it is, whatever that may be.
bool Elaborator::declareVariable(const Name &name) {
  auto found = cx.scope->entries.find(name.text);
  if (found == cx.scope->entries.end())
    return false;
  Scope::Entry &entry = found->second;
  entry.variable =
      cx.stepPath + "@" + std::to_string(name.range.begin) + name.text;
  if (entry.value.isError())
    return true;
  auto shape = cx.steps->variables.find(entry.variable);
  if (shape == cx.steps->variables.end())
    return true;
  Value given = entry.value;
  entry.value = reshape(given, shape->second, name.range);
  if (cx.steps->learning) {
    if (entry.value.isError())
      entry.value = given;
    return true;
  }
  shareHandled(*cx.steps, given, entry.value);
  return !entry.value.isError();
}

bool Elaborator::assignVariable(Scope::Entry &entry, const Name &name,
                                Value value, SourceRange range) {
  auto &known = cx.steps->variables;
  auto found = known.find(entry.variable);
  if (cx.steps->learning) {
    auto next = shapeOf(value, range);
    if (!next)
      return false;
    Shape before;
    if (found != known.end()) {
      before = found->second;
    } else if (entry.value.isError()) {
      before = *next;
    } else {
      auto first = shapeOf(entry.value, range);
      if (!first)
        return false;
      before = *first;
    }
    auto joined = joinShapes(before, *next);
    if (!joined)
      return false; // reported by the second pass
    known[entry.variable] = *joined;
    entry.value = reshape(value, *joined, range);
    if (entry.value.isError())
      entry.value = value;
    return true;
  }
  if (found == known.end()) {
    // The first pass could not join them.
    auto a = shapeOf(entry.value, range);
    if (a && shapeOf(value, range))
      error(diag::stepValue, range,
            "'" + name.text + "' holds " + describe(entry.value) +
                " and cannot become " + describe(value))
          .label(entry.range, "declared here")
          .note("a variable holds one kind of value through the whole route");
    return false;
  }
  entry.value = reshape(value, found->second, range);
  shareHandled(*cx.steps, value, entry.value);
  return !entry.value.isError();
}
