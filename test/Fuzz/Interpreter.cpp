// The interpreter as a back end: values cross by the descriptor's names.
// route-run-interpret crosses by the schema instead (Execute.cpp); as an oracle
// this one keeps apart from what it judges. The bytes of buffers are read and
// written by Buffers.h in both.
#include "Backend.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "route/Dialect/Route/IR/RouteCollectionOps.h"
#include "route/Interpreter/Buffers.h"
#include "route/Interpreter/Checkpoint.h"
#include "route/Interpreter/Machine.h"
#include "route/Sema/Compile.h"

#include <cstring>

using namespace mlir;
using namespace route;
using namespace route::fuzz;
using namespace route::interp;

namespace {

class InterpreterBackend : public Reference {
public:
  InterpreterBackend(const route_module_desc &module)
      : desc(module), diags(sources), context(MLIRContext::Threading::DISABLED),
        handler(&context, [this](mlir::Diagnostic &diagnostic) {
          said += diagnostic.str() + "; ";
        }) {}

  bool open(const std::string &path, const Checkpoints &checkpoints,
            std::string &why) {
    module = compileToRouteIR(path, sources, CompileOptions(), diags, context);
    if (!module)
      return failed(why, "the checker refuses the spec");
    interpreter = std::make_unique<Interpreter>(*module);
    for (const auto &[label, bytes] : checkpoints) {
      route_error error = {};
      SafeTensors file;
      if (file.parse(bytes.data(), bytes.size(), label, &error))
        return failed(why, error.message);
      if (mlir::failed(bindCheckpoint(*interpreter, *module, file)))
        return failed(why, "parameters do not bind");
    }
    return true;
  }

  bool run(uint32_t entry, Values &inputs, Values &outputs, int64_t now,
           std::string &why) override;
  bool push(uint32_t cell, const Push &values, int64_t now,
            std::string &why) override;
  bool state(uint32_t cell, std::string &bytes, std::string &why) override;
  Live live(uint32_t cell) override;
  bool isTable(uint32_t cell) override;

private:
  bool failed(std::string &why, const std::string &what) {
    why = "interpreter: " + what + (said.empty() ? "" : ": " + said);
    said.clear();
    return false;
  }

  /// The full name and the type of an input of the entry called `name`.
  std::pair<std::string, route::ArrayType> target(StringRef name);
  FailureOr<Array> array(const route_port_desc &port, const route::Value &value,
                         route::ArrayType type);
  bool bindCounts(const route_entry_desc &entry, const Values &inputs);
  bool giveAll(const route_entry_desc &entry, const Values &inputs, int64_t now,
               std::string &why, FuncOp handler = {});
  FailureOr<Array> lists(const route_entry_desc &entry, const Values &inputs,
                         size_t port, route::ArrayType type);
  bool give(const route_entry_desc &entry, const Values &inputs, size_t index);
  bool take(const route_port_desc &port, route::Value &value,
            std::deque<std::string> &texts);
  bool emit(const route_entry_desc &entry, Values &inputs, int64_t now,
            std::string &why);

  const route_module_desc &desc;
  SourceManager sources;
  route::DiagnosticEngine diags;
  MLIRContext context;
  std::string said;
  ScopedDiagnosticHandler handler;
  OwningOpRef<ModuleOp> module;
  std::unique_ptr<Interpreter> interpreter;
  /// The sizes of the axes of the run at hand, as its values have them.
  void measure(const route_entry_desc &entry, const Values &inputs,
               const Values &outputs);

  /// What was pushed last, by cell, and when: inputs of all calls to come.
  std::map<uint32_t, std::pair<Array, int64_t>> pushed;
  std::vector<int64_t> sizes;
  /// Results of the run at hand by their names.
  std::map<std::string, RuntimeValue> results;
};

} // namespace

std::pair<std::string, route::ArrayType>
InterpreterBackend::target(StringRef name) {
  Machine &machine = interpreter->machine();
  auto typeOf = [](Operation *op) {
    if (auto signal = dyn_cast_or_null<SignalOp>(op))
      return cast<route::ArrayType>(signal.getType());
    if (auto column = dyn_cast_or_null<ColumnOp>(op))
      return cast<route::ArrayType>(column.getType());
    return route::ArrayType();
  };
  if (auto type = typeOf(lookupDotted(machine, name)))
    return {name.str(), type};
  for (auto axis : module->getOps<AxisOp>())
    if (auto column =
            dyn_cast_or_null<ColumnOp>(SymbolTable::lookupSymbolIn(axis, name)))
      if (column.getKind() == ColumnKind::input)
        return {(axis.getSymName() + "." + name).str(), typeOf(column)};
  for (auto func : module->getOps<FuncOp>())
    for (unsigned i = 0; i < func.getNumArguments(); ++i)
      if (auto given = func.getArgAttrOfType<StringAttr>(i, "route.name"))
        if (given.getValue() == name)
          return {name.str(),
                  dyn_cast<route::ArrayType>(func.getArgumentTypes()[i])};
  return {};
}

FailureOr<Array> InterpreterBackend::array(const route_port_desc &port,
                                           const route::Value &value,
                                           route::ArrayType type) {
  Type element = type.getElementType();
  SmallVector<AxisRef> axes;
  for (int64_t size : value.shape)
    axes.push_back(makeAxis(nullptr, size));
  FailureOr<Array> made = Array::create(element, axes);
  if (mlir::failed(made))
    return failure();
  for (int64_t i = 0, n = made->size(); i < n; ++i) {
    Element one = readBuffer(port.type.element, value.bytes(), i);
    if (isRangeType(element)) {
      bool known = value.known.empty() || value.known[static_cast<size_t>(i)];
      one = known ? knownRange(one) : unknownOf(element);
    }
    made->buffer->set(i, one);
  }
  return made;
}

void InterpreterBackend::measure(const route_entry_desc &entry,
                                 const Values &inputs, const Values &outputs) {
  sizes.assign(desc.num_axes, -1);
  auto take = [&](const route_port_desc *ports, const Values &values) {
    for (size_t i = 0; i < values.values.size(); ++i)
      for (size_t dim = 0; dim < values.values[i].shape.size(); ++dim)
        sizes[ports[i].axes[dim]] =
            values.values[i].shape[dim] - (ports[i].role == ROUTE_ROLE_OFFSETS);
  };
  take(entry.inputs, inputs);
  take(entry.outputs, outputs);
  for (uint64_t axis = 0; axis < desc.num_axes; ++axis)
    if (desc.axes[axis].size >= 0)
      sizes[axis] = desc.axes[axis].size;
    else if (sizes[axis] < 0 && desc.axes[axis].derived_size)
      sizes[axis] = desc.axes[axis].derived_size(sizes.data());
}

/// The places that cut a ragged axis into the members of each parent; empty
/// where the call gives none.
static std::vector<int64_t> offsetsOf(const route_entry_desc &entry,
                                      const Values &inputs, uint32_t axis) {
  std::vector<int64_t> offsets;
  for (size_t i = 0; i < entry.num_inputs; ++i)
    if (entry.inputs[i].role == ROUTE_ROLE_OFFSETS &&
        entry.inputs[i].subject == static_cast<int32_t>(axis))
      for (int64_t k = 0; k < inputs.values[i].shape[0]; ++k)
        offsets.push_back(readBuffer(entry.inputs[i].type.element,
                                     inputs.values[i].bytes(), k)
                              .asInt());
  return offsets;
}

/// Tells how children are spread over parents, these first. What the spec does
/// not declare, the members of lists, is no axis of the interpreter.
bool InterpreterBackend::bindCounts(const route_entry_desc &entry,
                                    const Values &inputs) {
  for (uint32_t axis = 0; axis < desc.num_axes; ++axis) {
    std::vector<int64_t> offsets = offsetsOf(entry, inputs, axis);
    if (offsets.empty() || !module->lookupSymbol<AxisOp>(desc.axes[axis].name))
      continue;
    SmallVector<int64_t> counts;
    for (size_t p = 0; p + 1 < offsets.size(); ++p)
      counts.push_back(offsets[p + 1] - offsets[p]);
    if (mlir::failed(
            interpreter->bindAxisPerParent(desc.axes[axis].name, counts)))
      return false;
  }
  return true;
}

/// Lists, whose members lie along an axis that only the library has.
FailureOr<Array> InterpreterBackend::lists(const route_entry_desc &entry,
                                           const Values &inputs, size_t index,
                                           route::ArrayType type) {
  const route_port_desc &port = entry.inputs[index];
  const route::Value &value = inputs.values[index];
  std::vector<int64_t> offsets = offsetsOf(entry, inputs, port.axes[0]);
  if (offsets.empty()) // one list, of all
    offsets = {0, value.shape[0]};
  SmallVector<AxisRef> axes;
  if (!type.getAxes().empty())
    axes.push_back(makeAxis(nullptr, static_cast<int64_t>(offsets.size()) - 1));
  FailureOr<Array> made = Array::create(type.getElementType(), axes);
  for (int64_t i = 0; succeeded(made) && i < made->size(); ++i) {
    std::vector<Element> members;
    for (int64_t at = offsets[i]; at < offsets[i + 1]; ++at)
      members.push_back(readBuffer(port.type.element, value.bytes(), at));
    made->buffer->set(
        i, std::make_shared<const std::vector<Element>>(std::move(members)));
  }
  return made;
}

bool InterpreterBackend::give(const route_entry_desc &entry,
                              const Values &inputs, size_t index) {
  const route_port_desc &port = entry.inputs[index];
  const route::Value &value = inputs.values[index];
  if (port.role == ROUTE_ROLE_OFFSETS)
    return true;                  // bindCounts and lists have read it
  if (port.role == ROUTE_ROLE_ID) // how many items there are
    return !value.given || !offsetsOf(entry, inputs, port.axes[0]).empty() ||
           succeeded(interpreter->bindAxis(desc.axes[port.axes[0]].name,
                                           value.shape[0]));
  auto [name, type] = target(port.name);
  if (!type)
    return false;
  if (!value.given)
    return true; // its default stands in the spec
  FailureOr<Array> made = memberTypeOf(type.getElementType())
                              ? lists(entry, inputs, index, type)
                              : array(port, value, type);
  return succeeded(made) && succeeded(interpreter->bindInput(name, *made));
}

/// Fills an output port from the results.
bool InterpreterBackend::take(const route_port_desc &port, route::Value &value,
                              std::deque<std::string> &texts) {
  std::string name = port.name;
  auto found = results.find(name);
  bool counts = port.role == ROUTE_ROLE_PLAN_COUNT;
  if (counts)
    found = results.find(name.substr(0, name.size() - strlen(".count")));
  if (found == results.end())
    return false;
  memset(value.bytes(), 0, value.size);
  std::fill(value.known.begin(), value.known.end(), 0);
  if (const Plan *plan = std::get_if<Plan>(&found->second)) {
    auto *data = reinterpret_cast<int32_t *>(value.bytes());
    int64_t chosen = port.type.rows_of >= 0 ? sizes[port.type.rows_of] : 0;
    return counts ? writeCounts(*plan->axis, value.shape, data)
                  : writeIndex(plan->axis, value.shape, chosen, data);
  }
  const Array *array = std::get_if<Array>(&found->second);
  auto places = array ? placesOf(array->axes, value.shape) : std::nullopt;
  if (!places)
    return false;
  uint64_t perKnown = 1;
  for (uint64_t dim = port.known_axes; dim < value.shape.size(); ++dim)
    perKnown *= static_cast<uint64_t>(value.shape[dim]);
  std::vector<Element> elements = array->elements();
  for (auto [place, element] : llvm::zip(*places, elements)) {
    Element one = element;
    if (auto *range = std::get_if<std::shared_ptr<const Range>>(&element)) {
      if (!(*range)->known)
        continue;
      one = (*range)->lo;
    }
    if (!value.known.empty())
      value.known[place / perKnown] = 1;
    if (port.type.element != ROUTE_TEXT) {
      writeBuffer(port.type.element, value.bytes(), place, one);
      continue;
    }
    std::string &text = texts.emplace_back(one.asText().str());
    reinterpret_cast<route_text *>(value.bytes())[place] = {
        text.data(), static_cast<int64_t>(text.size())};
  }
  return true;
}

Reference::Live InterpreterBackend::live(uint32_t cell) {
  auto column = dyn_cast_or_null<ColumnOp>(
      lookupDotted(interpreter->machine(), desc.states[cell].name));
  if (!column || column.getKind() != ColumnKind::live)
    return Live::No;
  auto type = cast<route::ArrayType>(column.getType());
  return isRangeType(type.getElementType()) && !column.getFallback()
             ? Live::MayBeUnknown
             : Live::Known;
}

bool InterpreterBackend::isTable(uint32_t cell) {
  Operation *target =
      lookupDotted(interpreter->machine(), desc.states[cell].name);
  auto state = dyn_cast_or_null<StateOp>(target);
  auto column = dyn_cast_or_null<ColumnOp>(target);
  Type type = state ? state.getType() : column ? column.getType() : Type();
  return (state && getKeys(state)) ||
         (type && isa<SetType>(cast<route::ArrayType>(type).getElementType()));
}

bool InterpreterBackend::push(uint32_t cell, const Push &values, int64_t now,
                              std::string &why) {
  const route_state_desc &state = desc.states[cell];
  auto column =
      cast<ColumnOp>(lookupDotted(interpreter->machine(), state.name));
  Type element = cast<route::ArrayType>(column.getType()).getElementType();
  SmallVector<AxisRef> axes;
  for (uint64_t i = 0; i < state.num_axes; ++i)
    axes.push_back(makeAxis(nullptr, desc.axes[state.axes[i]].size));
  FailureOr<Array> made = Array::create(element, axes);
  if (mlir::failed(made))
    return failed(why, "out of memory");
  for (int64_t i = 0, n = made->size(); i < n; ++i) {
    Element one = readBuffer(state.type.element, values.bytes.data(), i);
    if (isRangeType(element))
      one = values.known.empty() || values.known[static_cast<size_t>(i)]
                ? knownRange(one)
                : unknownOf(element);
    made->buffer->set(i, one);
  }
  pushed.insert_or_assign(cell, std::pair(*made, now));
  return true;
}

/// Binds the inputs of an entry, and nothing that another had but what was
/// pushed.
bool InterpreterBackend::giveAll(const route_entry_desc &entry,
                                 const Values &inputs, int64_t now,
                                 std::string &why, FuncOp handler) {
  auto isArgument = [&](StringRef port) { // which is no column of that name
    for (unsigned i = 0; handler && i < handler.getNumArguments(); ++i)
      if (auto name = handler.getArgAttrOfType<StringAttr>(i, "route.name"))
        if (name.getValue() == port)
          return true;
    return false;
  };
  interpreter->clearInputs();
  for (const auto &[cell, push] : pushed) {
    interpreter->machine().nowNs = push.second; // which setNow never sets back
    if (mlir::failed(
            interpreter->bindInput(desc.states[cell].name, push.first)))
      return failed(why, "what was pushed does not bind");
  }
  interpreter->setNow(now);
  if (!bindCounts(entry, inputs))
    return failed(why, "the counts of a nested axis do not bind");
  for (size_t i = 0; i < entry.num_inputs; ++i)
    if (!isArgument(entry.inputs[i].name) && !give(entry, inputs, i))
      return failed(why, std::string("input '") + entry.inputs[i].name +
                             "' does not bind");
  return true;
}

bool InterpreterBackend::emit(const route_entry_desc &entry, Values &inputs,
                              int64_t now, std::string &why) {
  auto [of, event] = StringRef(entry.name).rsplit('.');
  auto func = module->lookupSymbol<FuncOp>(entry.name);
  if (of == "on") { // a handler beside the routes, with inputs of its own
    if (!giveAll(entry, inputs, now, why, func))
      return false;
    SmallVector<RuntimeValue> args;
    for (unsigned i = 0; func && i < func.getNumArguments(); ++i) {
      auto name = func.getArgAttrOfType<StringAttr>(i, "route.name");
      auto type = dyn_cast<route::ArrayType>(func.getArgumentTypes()[i]);
      for (uint64_t k = 0; name && type && k < entry.num_inputs; ++k)
        if (name.getValue() == entry.inputs[k].name) {
          auto made = array(entry.inputs[k], inputs.values[k], type);
          if (mlir::failed(made))
            return failed(why, "an argument of the event does not bind");
          args.push_back(*made);
        }
    }
    return succeeded(interpreter->emit(event, "", args)) ||
           failed(why, "the event failed");
  }
  // The handler of a router within the entry is named after both.
  std::string owner = func && func.getOf() ? func.getOf()->str() : of.str();
  return succeeded(interpreter->emit(event, owner, {})) ||
         failed(why, "the event failed");
}

bool InterpreterBackend::run(uint32_t index, Values &inputs, Values &outputs,
                             int64_t now, std::string &why) {
  const route_entry_desc &entry = desc.entries[index];
  interpreter->setNow(now);
  if (entry.kind == ROUTE_ENTRY_EVENT)
    return emit(entry, inputs, now, why);
  if (!giveAll(entry, inputs, now, why))
    return false;
  auto returned = interpreter->run(entry.name);
  if (mlir::failed(returned))
    return failed(why, std::string("'") + entry.name + "' failed");
  results.clear();
  auto func = module->lookupSymbol<FuncOp>(entry.name);
  for (auto [i, value] : llvm::enumerate(*returned))
    if (auto name = func.getResultAttrOfType<StringAttr>(i, "route.name"))
      results[name.getValue().str()] = value;
  for (const Metric &metric : interpreter->takeMetrics())
    results[metric.name] = metric.value;
  measure(entry, inputs, outputs);
  for (size_t i = 0; i < entry.num_outputs; ++i)
    if (!take(entry.outputs[i], outputs.values[i], outputs.texts))
      return failed(why, std::string("output '") + entry.outputs[i].name +
                             "' has no counterpart");
  return true;
}

bool InterpreterBackend::state(uint32_t cell, std::string &bytes,
                               std::string &why) {
  const route_state_desc &state = desc.states[cell];
  FailureOr<Array> held = interpreter->state(state.name);
  if (mlir::failed(held))
    return failed(why, std::string("state '") + state.name + "'");
  std::vector<Element> elements = held->elements();
  uint64_t width = route_element_size(state.type.element);
  bytes.assign(elements.size() * width, '\0');
  for (size_t i = 0; i < elements.size(); ++i)
    writeBuffer(state.type.element, bytes.data(), static_cast<int64_t>(i),
                elements[i]);
  return true;
}

std::unique_ptr<Reference>
route::fuzz::makeInterpreter(const std::string &path,
                             const route_module_desc &module,
                             const Checkpoints &checkpoints, std::string &why) {
  auto made = std::make_unique<InterpreterBackend>(module);
  if (!made->open(path, checkpoints, why))
    return nullptr;
  return made;
}
