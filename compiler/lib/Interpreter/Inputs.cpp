// Tensors and records as inputs of the interpreter.
#include "route/Interpreter/Inputs.h"
#include "Scalars.h"
#include "route/Dialect/Route/IR/RouteCollectionOps.h"
#include "route/Interpreter/Buffers.h"
#include "route/Interpreter/Machine.h"
#include "route/Library/Element.h"
#include "route/io/Records.h"
#include "route/io/Scalars.h"
#include "route/io/Spelling.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/JSON.h"
#include <charconv>

using namespace mlir;
using namespace route;
using namespace route::interp;

/// Deeper than any type.
static constexpr unsigned maxDepth = 64;

/// What key `key` of a record binds: the column, by its name or its path, of
/// axis `items` where that is not empty, or the signal, or null.
static Operation *targetOf(ModuleOp module, StringRef key, StringRef items) {
  for (auto axis : module.getOps<AxisOp>())
    for (auto column : axis.getColumns().getOps<ColumnOp>()) {
      StringRef name = key;
      if (name.consume_front(axis.getSymName()) && !name.consume_front("."))
        name = key;
      if (column.getKind() == ColumnKind::input &&
          column.getSymName() == name &&
          (items.empty() || axis.getSymName() == items))
        return column;
    }
  for (auto signal : module.getOps<SignalOp>())
    if (signal.getSymName() == key)
      return signal;
  return nullptr;
}

/// What records may give.
static std::vector<const char *> inputsOf(ModuleOp module, StringRef items) {
  std::vector<const char *> names;
  for (auto axis : module.getOps<AxisOp>())
    for (auto column : axis.getColumns().getOps<ColumnOp>())
      if (column.getKind() == ColumnKind::input &&
          (items.empty() || axis.getSymName() == items))
        names.push_back(column.getSymName().data());
  for (auto signal : module.getOps<SignalOp>())
    if (signal.getBody().empty() || signal.getHost())
      names.push_back(signal.getSymName().data());
  return names;
}

LogicalResult route::interp::bindTensors(Interpreter &interpreter,
                                         ModuleOp module,
                                         const SafeTensors &file) {
  // How children are spread over parents, before anything is over them.
  for (const FileTensor &tensor : file.tensors()) {
    StringRef name = tensor.name;
    if (!name.consume_back(".offsets") ||
        !interpreter.machine().symbols.lookup<AxisOp>(name))
      continue;
    auto offsets = arrayFromTensor(tensor, module.getLoc());
    if (failed(offsets))
      return failure();
    SmallVector<int64_t> counts;
    for (int64_t i = 0; i + 1 < offsets->size(); ++i)
      counts.push_back(offsets->buffer->get(i + 1).asInt() -
                       offsets->buffer->get(i).asInt());
    if (failed(interpreter.bindAxisPerParent(name, counts)))
      return failure();
  }
  for (const FileTensor &tensor : file.tensors()) {
    Operation *target = lookupDotted(interpreter.machine(), tensor.name);
    std::string name = tensor.name;
    if (!target) // a library's inputs have a column's own name
      if (auto column = dyn_cast_or_null<ColumnOp>(
              target = targetOf(module, tensor.name, "")))
        name = (cast<AxisOp>(column->getParentOp()).getSymName() + "." + name)
                   .str();
    bool isInput = isa_and_nonnull<SignalOp, ColumnOp>(target);
    bool isArgument = false;
    if (!target)
      for (auto func : module.getOps<FuncOp>())
        for (unsigned i = 0; i < func.getNumArguments(); ++i)
          if (auto name = func.getArgAttrOfType<StringAttr>(i, "route.name"))
            isArgument |= name.getValue() == tensor.name;
    if (!isInput && !isArgument)
      continue;
    auto array = arrayFromTensor(tensor, module.getLoc());
    if (failed(array) || failed(interpreter.bindInput(name, *array)))
      return failure();
  }
  return success();
}

namespace {
/// Reads one element as the runtime's reader of records does.
class ScalarReader {
public:
  ScalarReader(Machine &machine, Type type, StringRef unit)
      : type(type), unit(unit) {
    ArrayAttr names;
    if (auto coded = dyn_cast_or_null<EnumType>(type)) {
      if (auto op =
              machine.symbols.lookup<EnumOp>(coded.getSymbol().getAttr())) {
        owner = op.getSymName().str();
        names = op.getLabels();
      }
    } else if (auto row = dyn_cast_or_null<RefType>(type)) {
      if (auto op = machine.symbols.lookup<AxisOp>(row.getAxis().getAttr())) {
        owner = op.getSymName().str();
        names = op.getLabelsAttr();
      }
    }
    if (names)
      for (Attribute name : names)
        if (auto text = dyn_cast<StringAttr>(name))
          labels.push_back(text.str());
  }

  /// Nothing, with what was expected in `expected`, for what is none of the
  /// type's.
  std::optional<Element> read(const Json &json, std::string &expected) const {
    std::vector<const char *> names;
    for (const std::string &label : labels)
      names.push_back(label.c_str());
    route_enum_desc members = {owner.c_str(), names.data(), names.size()};
    route_module_desc module = {};
    module.enums = &members;
    route_port_desc port = {};
    uint32_t element = libraryElement(type);
    port.type.element = element ? element : uint32_t(ROUTE_F32); // 8-bit floats
    port.type.enumeration = labels.empty() ? -1 : 0;
    port.type.rows_of = -1;
    port.type.unit = unit.c_str();
    alignas(route_text) char bytes[sizeof(route_text)];
    std::deque<std::string> texts;
    if (!readElement(module, port, json, bytes, texts, expected))
      return std::nullopt;
    Element value = readBuffer(port.type.element, bytes, 0);
    if (!element)
      return Element(roundTo(type, value.asFloat()));
    if (int64_t place = value.asInt();
        !labels.empty() && (place < 0 || place >= int64_t(labels.size()))) {
      expected = "a member of '" + owner + "'";
      return std::nullopt;
    }
    return value;
  }

private:
  Type type;
  std::string unit, owner;
  std::vector<std::string> labels;
};

/// Reads the values of one key from all lines.
class ColumnReader {
public:
  ColumnReader(Machine &machine, StringRef name, ArrayType type, StringRef unit,
               Location loc, StringRef lines = "line ")
      : lines(lines), machine(machine), name(name),
        element(type.getElementType()), plain(getValueType(element)),
        isList(memberTypeOf(element) != nullptr),
        scalars(machine, isList ? memberTypeOf(element) : plain, unit),
        axes(type.getAxes().empty() ? 0 : type.getAxes().size() - 1), loc(loc) {
  }

  /// Adds the value of line `line`.
  LogicalResult add(const Json &value, size_t line) {
    return read(value, line, 0);
  }
  /// Adds what a line that says nothing means: the default, or unknown.
  LogicalResult addAbsent(Attribute fallback, size_t line);
  FailureOr<Array> finish(int64_t items);

private:
  LogicalResult read(const Json &value, size_t line, size_t depth);
  FailureOr<Element> scalar(const Json &value, size_t line);
  FailureOr<Element> collection(const Json &list, size_t line);
  InFlightDiagnostic complain(size_t line) {
    return emitError(loc, lines) << line << ": '" << name << "' ";
  }

  StringRef lines; ///< what comes before the number of one in messages
  Machine &machine;
  StringRef name;
  Type element, plain;
  bool isList; ///< or a set
  ScalarReader scalars;
  size_t axes; // besides the items
  Location loc;
  /// Sizes of the axes behind the items.
  SmallVector<int64_t> sizes;
  std::vector<Element> elements;
};
} // namespace

/// A list or a set from one of JSON.
FailureOr<Element> ColumnReader::collection(const Json &list, size_t line) {
  std::vector<Element> members;
  for (const Json &value : list.elements) {
    auto entry = scalar(value, line);
    if (failed(entry))
      return failure();
    bool repeated =
        isa<SetType>(plain) && llvm::any_of(members, [&](const Element &known) {
          return equalElements(known, *entry);
        });
    if (!repeated)
      members.push_back(*entry);
  }
  return Element(
      std::make_shared<const std::vector<Element>>(std::move(members)));
}

FailureOr<Element> ColumnReader::scalar(const Json &value, size_t line) {
  std::string expected;
  std::optional<Element> element = scalars.read(value, expected);
  if (!element)
    return complain(line) << "is not " << expected;
  return *element;
}

LogicalResult ColumnReader::read(const Json &value, size_t line, size_t depth) {
  bool list = value.kind == Json::Kind::Array;
  if (isList && list && depth == axes) {
    auto read = collection(value, line);
    if (failed(read))
      return failure();
    elements.push_back(isRangeType(element) ? knownRange(*read) : *read);
    return success();
  }
  if (list) {
    if (depth == sizes.size()) {
      if (line > 1 && depth == 0 && sizes.empty() && !elements.empty())
        return complain(line) << "is a list here and none before";
      sizes.push_back(value.elements.size());
    }
    if (static_cast<int64_t>(value.elements.size()) != sizes[depth])
      return complain(line) << "has " << value.elements.size()
                            << " members, expected " << sizes[depth];
    for (const Json &member : value.elements)
      if (failed(read(member, line, depth + 1)))
        return failure();
    return success();
  }
  if (depth != sizes.size() && value.kind != Json::Kind::Null)
    return complain(line) << "is not a list";
  if (value.kind == Json::Kind::Null) {
    if (!isRangeType(element))
      return complain(line) << "is null, and cannot be unknown";
    int64_t count = 1;
    for (int64_t size : ArrayRef(sizes).drop_front(depth))
      count *= size;
    elements.insert(elements.end(), count, unknownOf(element));
    return success();
  }
  auto read = scalar(value, line);
  if (failed(read))
    return failure();
  elements.push_back(isRangeType(element) ? knownRange(*read) : *read);
  return success();
}

LogicalResult ColumnReader::addAbsent(Attribute fallback, size_t line) {
  if (fallback && axes == 0) {
    auto value = machine.materialize(fallback, element, {}, loc);
    if (failed(value))
      return failure();
    elements.push_back(value->value());
    return success();
  }
  if (isRangeType(element))
    return read(Json(), line, 0);
  return complain(line)
         << "is missing: it has no default and cannot be unknown";
}

FailureOr<Array> ColumnReader::finish(int64_t items) {
  SmallVector<AxisRef> axes = {makeAxis(nullptr, items)};
  for (int64_t size : sizes)
    axes.push_back(makeAxis(nullptr, size));
  auto array = machine.allocate(element, axes, loc);
  if (failed(array))
    return failure();
  if (static_cast<int64_t>(elements.size()) != array->size())
    return emitError(loc, "'") << name << "' has " << elements.size()
                               << " values, expected " << array->size();
  for (auto [i, value] : llvm::enumerate(elements))
    array->buffer->set(i, value);
  return array;
}

/// The value as the reader of records has it, its numbers in their shortest
/// form.
static Json toJson(const llvm::json::Value &value) {
  Json json;
  if (auto truth = value.getAsBoolean()) {
    json.kind = Json::Kind::Bool;
    json.boolean = *truth;
  } else if (auto natural = value.getAsUINT64()) {
    json.kind = Json::Kind::Unsigned;
    json.natural = *natural;
  } else if (auto integer = value.getAsInteger()) {
    json.kind = Json::Kind::Signed;
    json.integer = *integer;
  } else if (auto number = value.getAsNumber()) {
    json.kind = Json::Kind::Double;
    json.number = *number;
    char text[64];
    json.text.assign(text, std::to_chars(text, text + 64, *number).ptr);
  } else if (auto text = value.getAsString()) {
    json.kind = Json::Kind::String;
    json.text = text->str();
  } else if (auto *list = value.getAsArray()) {
    json.kind = Json::Kind::Array;
    for (const llvm::json::Value &element : *list)
      json.elements.push_back(toJson(element));
  } else if (value.getAsObject()) {
    json.kind = Json::Kind::Object;
  }
  return json;
}

FailureOr<Array> route::interp::readJson(Machine &machine,
                                         const llvm::json::Value &value,
                                         ArrayType type, StringRef unit,
                                         StringRef name, size_t line,
                                         Location loc, StringRef lines) {
  ColumnReader reader(machine, name, type, unit, loc, lines);
  if (failed(reader.add(toJson(value), line)))
    return failure();
  FailureOr<Array> array = reader.finish(1);
  if (failed(array))
    return failure();
  // Off with the axis of the one item.
  array->axes.erase(array->axes.begin());
  llvm::erase_if(array->dims,
                 [](const Array::Dim &dim) { return dim.axis == 0; });
  for (Array::Dim &dim : array->dims)
    --dim.axis;
  return machine.conform(*array, type, name, loc);
}

LogicalResult route::interp::bindRecords(Interpreter &interpreter,
                                         ModuleOp module, StringRef text,
                                         StringRef of, bool allowExtra) {
  Location loc = module.getLoc();
  std::vector<Json> records;
  std::vector<size_t> lines;
  for (const RecordLines::Line &line : RecordLines(text).lines) {
    std::string message;
    Json record;
    if (!parseJson(line.text, maxDepth, record, message))
      return emitError(loc, "line ") << line.number << ": " << message;
    if (record.kind != Json::Kind::Object)
      return emitError(loc, "line ")
             << line.number << ": the record is not an object";
    for (auto [i, key] : llvm::enumerate(record.keys))
      if (llvm::is_contained(ArrayRef(record.keys).take_front(i), key))
        return emitError(loc, "line ")
               << line.number << ": '" << key << "' is given twice";
    records.push_back(std::move(record));
    lines.push_back(line.number);
  }
  if (records.empty())
    return emitError(loc, "there are no records");
  std::vector<std::string> keys;
  AxisOp items; // the axis whose columns they are
  for (auto [record, line] : llvm::zip(records, lines))
    for (const std::string &key : record.keys) {
      if (llvm::is_contained(keys, key))
        continue;
      Operation *target = targetOf(module, key, of);
      if (!target && allowExtra)
        continue;
      if (!target) {
        auto diagnostic = emitError(loc, "line ")
                          << line << ": '" << key << "'";
        if (Operation *other = targetOf(module, key, ""))
          return diagnostic << " is a column of '"
                            << cast<AxisOp>(other->getParentOp()).getSymName()
                            << "', and the lines are of '" << of
                            << "': give it in a .safetensors file";
        return diagnostic << " is no input column or signal"
                          << namesLike(key, inputsOf(module, of));
      }
      auto axis = isa<ColumnOp>(target) ? cast<AxisOp>(target->getParentOp())
                                        : AxisOp();
      if (axis && items && axis != items)
        return emitError(loc, "line ")
               << line << ": '" << key << "' is a column of '"
               << axis.getSymName() << "', and others are of '"
               << items.getSymName() << "'";
      if (axis)
        items = axis;
      keys.push_back(key);
    }
  llvm::sort(keys);
  for (const std::string &key : keys) {
    Operation *target = targetOf(module, key, of);
    auto column = dyn_cast<ColumnOp>(target);
    auto signal = dyn_cast<SignalOp>(target);
    auto type = cast<ArrayType>(column ? column.getType() : signal.getType());
    std::string name =
        column ? (items.getSymName() + "." + column.getSymName()).str() : key;
    std::optional<StringRef> unit =
        column ? column.getUnit() : signal.getUnit();
    ColumnReader reader(interpreter.machine(), key, type, unit.value_or(""),
                        loc);
    Attribute fallback = column ? column.getFallbackAttr() : Attribute();
    for (auto [record, line] : llvm::zip(records, lines)) {
      auto found = llvm::find(record.keys, key);
      if (failed(found != record.keys.end()
                     ? reader.add(record.elements[found - record.keys.begin()],
                                  line)
                     : reader.addAbsent(fallback, line)))
        return failure();
    }
    auto array = reader.finish(records.size());
    if (failed(array) || failed(interpreter.bindInput(name, *array)))
      return failure();
  }
  // Columns that no line gives have their default, for as many items.
  if (!items && !of.empty())
    items = module.lookupSymbol<AxisOp>(of);
  if (!items)
    for (auto axis : module.getOps<AxisOp>())
      if (!items && axis.getKind() == AxisKind::index &&
          axis.getStaticSize() < 0 &&
          llvm::any_of(axis.getColumns().getOps<ColumnOp>(),
                       [](ColumnOp column) {
                         return column.getKind() == ColumnKind::input;
                       }))
        items = axis;
  if (items && !interpreter.machine().axes.contains(items.getSymName()) &&
      items.getStaticSize() < 0)
    return interpreter.bindAxis(items.getSymName(), records.size());
  return success();
}
