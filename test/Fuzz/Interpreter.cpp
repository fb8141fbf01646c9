// The interpreter as a back end: values cross by the descriptor's names.
#include "Backend.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "route/Interpreter/Checkpoint.h"
#include "route/Interpreter/Machine.h"
#include "route/Sema/Compile.h"
#include "route/numerics.h"

#include <cstring>

using namespace mlir;
using namespace route;
using namespace route::fuzz;
using namespace route::interp;

namespace {

template <typename T> T load(const char *bytes) {
  T value;
  memcpy(&value, bytes, sizeof(value));
  return value;
}
template <typename T> void store(char *bytes, T value) {
  memcpy(bytes, &value, sizeof(value));
}

/// The port's element at `bytes` as an element of `type`.
Element read(uint32_t element, const char *bytes, Type type) {
  Element value;
  switch (element) {
  case ROUTE_BOOL:
  case ROUTE_U8:
    value = int64_t(load<uint8_t>(bytes));
    break;
  case ROUTE_I8:
    value = int64_t(load<int8_t>(bytes));
    break;
  case ROUTE_U16:
    value = int64_t(load<uint16_t>(bytes));
    break;
  case ROUTE_I16:
    value = int64_t(load<int16_t>(bytes));
    break;
  case ROUTE_U32:
    value = int64_t(load<uint32_t>(bytes));
    break;
  case ROUTE_I32:
    value = int64_t(load<int32_t>(bytes));
    break;
  case ROUTE_F16:
    value = num::fromF16(load<uint16_t>(bytes));
    break;
  case ROUTE_BF16:
    value = num::fromBf16(load<uint16_t>(bytes));
    break;
  case ROUTE_F32:
    value = load<float>(bytes);
    break;
  case ROUTE_F64:
    value = load<double>(bytes);
    break;
  case ROUTE_TEXT: {
    auto text = load<route_text>(bytes);
    value = std::string(text.data, static_cast<size_t>(text.size));
    break;
  }
  default:
    value = load<int64_t>(bytes);
  }
  return value;
}

double asNumber(const Element &value) {
  if (std::holds_alternative<float>(value))
    return value.asFloat();
  if (std::holds_alternative<double>(value))
    return value.asDouble();
  return static_cast<double>(value.asInt());
}

/// The element as the port stores it.
void write(uint32_t element, const Element &value, char *bytes,
           std::deque<std::string> &texts) {
  switch (element) {
  case ROUTE_BOOL:
  case ROUTE_U8:
  case ROUTE_I8:
    return store(bytes, static_cast<uint8_t>(value.asInt()));
  case ROUTE_U16:
  case ROUTE_I16:
    return store(bytes, static_cast<uint16_t>(value.asInt()));
  case ROUTE_U32:
  case ROUTE_I32:
    return store(bytes, static_cast<uint32_t>(value.asInt()));
  case ROUTE_F16:
    return store(bytes, num::toF16(static_cast<float>(asNumber(value))));
  case ROUTE_BF16:
    return store(bytes, num::toBf16(static_cast<float>(asNumber(value))));
  case ROUTE_F32:
    return store(bytes, static_cast<float>(asNumber(value)));
  case ROUTE_F64:
    return store(bytes, asNumber(value));
  case ROUTE_TEXT: {
    std::string &text = texts.emplace_back(value.asText().str());
    return store(bytes,
                 route_text{text.data(), static_cast<int64_t>(text.size())});
  }
  default:
    return store(bytes, value.asInt());
  }
}

class InterpreterBackend : public Backend {
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
  bool state(uint32_t cell, std::string &bytes, std::string &why) override;

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
  bool give(const route_port_desc &port, const route::Value &value);
  bool take(const route_port_desc &port, route::Value &value,
            std::deque<std::string> &texts);
  bool emit(const route_entry_desc &entry, Values &inputs);

  const route_module_desc &desc;
  SourceManager sources;
  route::DiagnosticEngine diags;
  MLIRContext context;
  std::string said;
  ScopedDiagnosticHandler handler;
  OwningOpRef<ModuleOp> module;
  std::unique_ptr<Interpreter> interpreter;
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
  uint64_t width = route_element_size(port.type.element);
  for (int64_t i = 0, n = made->size(); i < n; ++i) {
    Element one = read(port.type.element,
                       value.bytes() + static_cast<uint64_t>(i) * width,
                       stripRange(element));
    if (isRangeType(element)) {
      bool known = value.known.empty() || value.known[static_cast<size_t>(i)];
      one = known ? knownRange(one) : unknownOf(element);
    }
    made->buffer->set(i, one);
  }
  return made;
}

bool InterpreterBackend::give(const route_port_desc &port,
                              const route::Value &value) {
  auto [name, type] = target(port.name);
  if (!type)
    return false;
  if (!value.given)
    return true; // its default stands in the spec
  FailureOr<Array> made = array(port, value, type);
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
  uint64_t width = route_element_size(port.type.element);
  memset(value.bytes(), 0, value.size);
  if (const Plan *plan = std::get_if<Plan>(&found->second)) {
    std::vector<int64_t> items = itemOfRows(*plan->axis);
    if (!counts)
      memset(value.bytes(), 0xff, value.size);
    for (int64_t row = 0; row < plan->axis->size; ++row) {
      auto item = static_cast<uint64_t>(items[static_cast<size_t>(row)]);
      if (counts) {
        char *at = value.bytes() + item * 4;
        store(at, load<int32_t>(at) + 1);
        continue;
      }
      auto rank =
          static_cast<uint64_t>((*plan->axis->rank)[static_cast<size_t>(row)]);
      auto most = static_cast<uint64_t>(value.shape.back());
      if (rank >= most)
        return false;
      store(value.bytes() + (item * most + rank) * 4,
            static_cast<int32_t>(
                (*plan->axis->chosen().index)[static_cast<size_t>(row)]));
    }
    return true;
  }
  const Array &held = std::get<Array>(found->second);
  std::vector<Element> elements = held.elements();
  const interp::Axis *plan = !held.axes.empty() && held.axes.front()->isPlan()
                                 ? &*held.axes.front()
                                 : nullptr;
  std::vector<int64_t> items =
      plan ? itemOfRows(*plan) : std::vector<int64_t>();
  size_t each = plan && plan->size ? elements.size() / plan->size : 1;
  for (size_t i = 0; i < elements.size(); ++i) {
    uint64_t place = i;
    if (plan) {
      size_t row = i / each, perItem = plan->per().size();
      auto most = static_cast<uint64_t>(value.shape[perItem]);
      place = (static_cast<uint64_t>(items[row]) * most +
               static_cast<uint64_t>((*plan->rank)[row])) *
                  each +
              i % each;
    }
    if ((place + 1) * width > value.size)
      return false;
    Element one = elements[i];
    if (std::holds_alternative<std::shared_ptr<const Range>>(one)) {
      const Range &range = one.asRange();
      if (place < value.known.size())
        value.known[place] = range.known;
      if (!range.known)
        continue;
      one = Element(range.lo);
    }
    write(port.type.element, one, value.bytes() + place * width, texts);
  }
  return true;
}

bool InterpreterBackend::emit(const route_entry_desc &entry, Values &inputs) {
  auto [of, event] = StringRef(entry.name).rsplit('.');
  if (of == "on") { // a handler beside the routes: its arguments by place
    SmallVector<RuntimeValue> args;
    auto func = module->lookupSymbol<FuncOp>(entry.name);
    for (unsigned i = 0; func && i < func.getNumArguments(); ++i) {
      auto name = func.getArgAttrOfType<StringAttr>(i, "route.name");
      auto type = dyn_cast<route::ArrayType>(func.getArgumentTypes()[i]);
      for (uint64_t k = 0; name && type && k < entry.num_inputs; ++k)
        if (name.getValue() == entry.inputs[k].name) {
          auto made = array(entry.inputs[k], inputs.values[k], type);
          if (mlir::failed(made))
            return false;
          args.push_back(*made);
        }
    }
    return succeeded(interpreter->emit(event, "", args));
  }
  return succeeded(interpreter->emit(event, of, {}));
}

bool InterpreterBackend::run(uint32_t index, Values &inputs, Values &outputs,
                             int64_t now, std::string &why) {
  const route_entry_desc &entry = desc.entries[index];
  interpreter->setNow(now);
  if (entry.kind == ROUTE_ENTRY_EVENT)
    return emit(entry, inputs) || failed(why, "the event failed");
  interpreter->clearInputs();
  for (size_t i = 0; i < entry.num_inputs; ++i)
    if (!give(entry.inputs[i], inputs.values[i]))
      return failed(why, std::string("input '") + entry.inputs[i].name +
                             "' does not bind");
  auto returned = interpreter->run(entry.name);
  if (mlir::failed(returned))
    return failed(why, std::string("'") + entry.name + "' failed");
  results.clear();
  auto func = module->lookupSymbol<FuncOp>(entry.name);
  for (auto [i, value] : llvm::enumerate(*returned))
    if (auto name = func.getResultAttrOfType<StringAttr>(i, "route.name"))
      results[name.getValue().str()] = value;
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
  std::deque<std::string> texts;
  for (size_t i = 0; i < elements.size(); ++i)
    write(state.type.element, elements[i], bytes.data() + i * width, texts);
  return true;
}

std::unique_ptr<Backend>
route::fuzz::makeInterpreter(const std::string &path,
                             const route_module_desc &module,
                             const Checkpoints &checkpoints, std::string &why) {
  auto made = std::make_unique<InterpreterBackend>(module);
  if (!made->open(path, checkpoints, why))
    return nullptr;
  return made;
}
