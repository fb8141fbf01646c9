// Tensors and records as inputs of the interpreter.
#include "route/Interpreter/Inputs.h"
#include "Scalars.h"
#include "route/Dialect/Route/IR/RouteCollectionOps.h"
#include "route/Interpreter/Machine.h"
#include "llvm/Support/JSON.h"
#include <charconv>
#include <cmath>

using namespace mlir;
using namespace route;
using namespace route::interp;

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
    if (failed(array) || failed(interpreter.bindInput(tensor.name, *array)))
      return failure();
  }
  return success();
}

/// Dollars in picodollars, by moving the point of the shortest decimal: what
/// the runtime's reader makes of the same digits.
static double toPicodollars(double dollars) {
  if (!std::isfinite(dollars))
    return dollars;
  char text[64];
  char *end =
      std::to_chars(text, text + 40, dollars, std::chars_format::scientific)
          .ptr;
  char *mark = std::find(text, end, 'e');
  int power = std::atoi(std::string(mark + 1, end).c_str()) + 12;
  std::string moved = std::string(text, mark) + "e" + std::to_string(power);
  return std::strtod(moved.c_str(), nullptr);
}

namespace {
/// Reads the values of one key from all lines.
class ColumnReader {
public:
  ColumnReader(Machine &machine, StringRef name, ArrayType type, Location loc)
      : machine(machine), name(name), element(type.getElementType()),
        plain(getValueType(type.getElementType())),
        member(memberTypeOf(type.getElementType())),
        axes(type.getAxes().empty() ? 0 : type.getAxes().size() - 1), loc(loc) {
  }

  /// Adds the value of line `line`.
  LogicalResult add(const llvm::json::Value &value, size_t line) {
    return read(value, line, 0);
  }
  /// Adds what a line that says nothing means: the default, or unknown.
  LogicalResult addAbsent(Attribute fallback, size_t line);
  /// Money is given in dollars and held in picodollars.
  void setUnit(StringRef unit) {
    money = unit == "p$" || unit.starts_with("p$/");
  }
  FailureOr<Array> finish(int64_t items);

private:
  LogicalResult read(const llvm::json::Value &value, size_t line, size_t depth);
  FailureOr<Element> scalar(const llvm::json::Value &value, size_t line) {
    return scalar(value, plain, line);
  }
  FailureOr<Element> scalar(const llvm::json::Value &value, Type type,
                            size_t line);
  FailureOr<Element> collection(const llvm::json::Array &list, size_t line);
  InFlightDiagnostic complain(size_t line) {
    return emitError(loc, "line ") << line << ", '" << name << "': ";
  }

  Machine &machine;
  StringRef name;
  Type element, plain, member;
  size_t axes; // besides the items
  Location loc;
  bool money = false;
  /// Sizes of the axes behind the items.
  SmallVector<int64_t> sizes;
  std::vector<Element> elements;
};
} // namespace

/// A list or a set from one of JSON.
FailureOr<Element> ColumnReader::collection(const llvm::json::Array &list,
                                            size_t line) {
  std::vector<Element> members;
  for (const llvm::json::Value &value : list) {
    auto entry = scalar(value, member, line);
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

FailureOr<Element> ColumnReader::scalar(const llvm::json::Value &value,
                                        Type plain, size_t line) {
  if (isa<TextType>(plain)) {
    if (auto text = value.getAsString())
      return Element(text->str());
    return complain(line) << "expected a string";
  }
  auto text = value.getAsString();
  if (isa<FloatType>(plain)) {
    std::optional<double> number = value.getAsNumber();
    if (text)
      number = *text == "inf"    ? std::optional<double>(HUGE_VAL)
               : *text == "-inf" ? std::optional<double>(-HUGE_VAL)
               : *text == "nan"  ? std::optional<double>(NAN)
                                 : std::nullopt;
    if (money && text && !number) {
      double amount;
      if (!text->getAsDouble(amount))
        number = amount;
    }
    if (!number)
      return complain(line)
             << (money ? "expected an amount in dollars" : "expected a number");
    if (money)
      number = toPicodollars(*number);
    return applyCast(Float64Type::get(loc.getContext()), plain, *number);
  }
  if (isTruthType(plain)) {
    if (auto truth = value.getAsBoolean())
      return Element(int64_t(*truth));
    return complain(line) << "expected true or false";
  }
  if (text) { // a label
    ArrayAttr labels;
    if (auto type = dyn_cast<EnumType>(plain))
      if (auto op = machine.symbols.lookup<EnumOp>(type.getSymbol().getAttr()))
        labels = op.getLabels();
    if (auto type = dyn_cast<RefType>(plain))
      if (auto op = machine.symbols.lookup<AxisOp>(type.getAxis().getAttr()))
        labels = op.getLabelsAttr();
    if (labels)
      for (auto [place, label] : llvm::enumerate(labels))
        if (cast<StringAttr>(label).getValue() == *text)
          return Element(static_cast<int64_t>(place));
    return complain(line) << "'" << *text << "' is no label";
  }
  if (auto integer = value.getAsInteger())
    return Element(wrapTo(plain, *integer));
  return complain(line) << "expected an integer";
}

LogicalResult ColumnReader::read(const llvm::json::Value &value, size_t line,
                                 size_t depth) {
  const llvm::json::Array *list = value.getAsArray();
  if (member && list && depth == axes) {
    auto read = collection(*list, line);
    if (failed(read))
      return failure();
    elements.push_back(isRangeType(element) ? knownRange(*read) : *read);
    return success();
  }
  if (list) {
    if (depth == sizes.size()) {
      if (line > 1 && depth == 0 && sizes.empty() && !elements.empty())
        return complain(line) << "is a list here and none before";
      sizes.push_back(list->size());
    }
    if (static_cast<int64_t>(list->size()) != sizes[depth])
      return complain(line)
             << "has " << list->size() << " members, expected " << sizes[depth];
    for (const llvm::json::Value &member : *list)
      if (failed(read(member, line, depth + 1)))
        return failure();
    return success();
  }
  if (depth != sizes.size() && value.kind() != llvm::json::Value::Null)
    return complain(line) << "expected a list";
  if (value.kind() == llvm::json::Value::Null) {
    if (!isRangeType(element))
      return complain(line) << "is null but always known";
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
    return read(nullptr, line, 0);
  return emitError(loc, "line ") << line << " has no '" << name << "'";
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

FailureOr<Array> route::interp::readJson(Machine &machine,
                                         const llvm::json::Value &value,
                                         ArrayType type, StringRef name,
                                         size_t line, Location loc) {
  ColumnReader reader(machine, name, type, loc);
  if (failed(reader.add(value, line)))
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

/// What key `key` of a record binds: the column or the signal, or null.
static Operation *targetOf(ModuleOp module, StringRef key) {
  for (auto axis : module.getOps<AxisOp>())
    for (auto column : axis.getColumns().getOps<ColumnOp>())
      if (column.getKind() == ColumnKind::input && column.getSymName() == key)
        return column;
  for (auto signal : module.getOps<SignalOp>())
    if (signal.getSymName() == key)
      return signal;
  return nullptr;
}

LogicalResult route::interp::bindRecords(Interpreter &interpreter,
                                         ModuleOp module, StringRef text) {
  Location loc = module.getLoc();
  std::vector<llvm::json::Object> records;
  std::vector<size_t> lines;
  size_t number = 0;
  while (!text.empty()) {
    auto [line, rest] = text.split('\n');
    text = rest;
    ++number;
    if (line.trim().empty())
      continue;
    llvm::Expected<llvm::json::Value> value = llvm::json::parse(line);
    if (!value)
      return emitError(loc, "line ")
             << number << ": " << llvm::toString(value.takeError());
    auto *object = value->getAsObject();
    if (!object)
      return emitError(loc, "line ") << number << ": expected an object";
    records.push_back(std::move(*object));
    lines.push_back(number);
  }
  if (records.empty())
    return emitError(loc, "there are no records");
  std::vector<std::string> keys;
  AxisOp items; // the axis whose columns they are
  for (auto [record, line] : llvm::zip(records, lines))
    for (const auto &entry : record) {
      std::string key = StringRef(entry.first).str();
      if (llvm::is_contained(keys, key))
        continue;
      Operation *target = targetOf(module, key);
      if (!target)
        return emitError(loc, "line ")
               << line << ": '" << key << "' is no input column or signal";
      if (isa<ColumnOp>(target))
        items = cast<AxisOp>(target->getParentOp());
      keys.push_back(key);
    }
  llvm::sort(keys);
  for (const std::string &key : keys) {
    Operation *target = targetOf(module, key);
    auto column = dyn_cast<ColumnOp>(target);
    auto signal = dyn_cast<SignalOp>(target);
    auto type = cast<ArrayType>(column ? column.getType() : signal.getType());
    std::string name = column ? (items.getSymName() + "." + key).str() : key;
    ColumnReader reader(interpreter.machine(), key, type, loc);
    reader.setUnit((column ? column.getUnit() : signal.getUnit()).value_or(""));
    Attribute fallback = column ? column.getFallbackAttr() : Attribute();
    for (auto [record, line] : llvm::zip(records, lines)) {
      const llvm::json::Value *value = record.get(key);
      if (failed(value ? reader.add(*value, line)
                       : reader.addAbsent(fallback, line)))
        return failure();
    }
    auto array = reader.finish(records.size());
    if (failed(array) || failed(interpreter.bindInput(name, *array)))
      return failure();
  }
  // Columns that no line gives have their default, for as many items.
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
