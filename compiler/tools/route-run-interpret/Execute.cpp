// Between the runtime's buffers and the interpreter's arrays.
// The fuzzer's oracle (test/Fuzz/Interpreter.cpp) does the same by names.
#include "Execute.h"
#include "Tables.h"
#include "route/Dialect/Route/IR/RouteCollectionOps.h"
#include "route/Interpreter/Buffers.h"
#include "route/Interpreter/Rows.h"
#include <cmath>
#include <cstring>

using namespace mlir;
using namespace route;
using namespace route::interp;

static constexpr uint64_t elementBytes[] = {0, 1, 1, 2, 4, 8, 1,  2,
                                            4, 8, 2, 2, 4, 8, 16, 8};

/// A cell's own shape: an open axis has room for its bound.
static SmallVector<int64_t> shapeOf(const Schema &schema,
                                    const StateSchema &state) {
  return llvm::map_to_vector(state.axes, [&](uint32_t axis) {
    const AxisSchema &row = schema.axes[axis];
    return row.size >= 0 ? row.size : row.maxSize;
  });
}

static ArrayType typeOfState(Operation *target) {
  auto state = dyn_cast<StateOp>(target);
  return cast<ArrayType>(state ? state.getType()
                               : cast<ColumnOp>(target).getType());
}

/// Whether a library keeps the state in tables: it has keys, or is of sets.
static bool isTable(Operation *target) {
  auto state = dyn_cast<StateOp>(target);
  return isa<SetType>(typeOfState(target).getElementType()) ||
         (state && getKeys(state));
}

FailureOr<std::vector<std::vector<char>>>
route::initialStates(ModuleOp module, const Schema &schema) {
  Interpreter interpreter(module, Options());
  Machine &machine = interpreter.machine();
  std::vector<std::vector<char>> initials(schema.states.size());
  for (auto [row, bytes] : llvm::zip_equal(schema.states, initials)) {
    int64_t count = 1;
    for (int64_t size : shapeOf(schema, row))
      count *= size;
    FailureOr<Array> initial = failure();
    Operation *target = lookupDotted(machine, row.name);
    if (!target) { // when a live column was pushed, which it was not
      bytes.resize(count * sizeof(double));
      for (int64_t i = 0; i < count; ++i)
        writeBuffer(row.type.element, bytes.data(), i, Element(std::nan("")));
      continue;
    }
    if (isTable(target)) { // starts empty
      bytes.resize(count * elementBytes[row.type.element]);
      continue;
    }
    if (auto state = dyn_cast<StateOp>(target)) {
      if (state.getFrom())
        continue;
      initial = machine.initialState(state);
    } else {
      auto column = cast<ColumnOp>(target);
      Type element = cast<ArrayType>(column.getType()).getElementType();
      initial = column.getFallback()
                    ? machine.materialize(*column.getFallback(), element, {},
                                          column.getLoc())
                    : Array::scalar(element, zeroOf(element));
    }
    if (failed(initial))
      return failure();
    bytes.resize(count * elementBytes[row.type.element]);
    std::vector<Element> elements = initial->elements();
    for (int64_t i = 0; i < count && !elements.empty(); ++i)
      writeBuffer(row.type.element, bytes.data(), i,
                  elements[i % elements.size()]);
  }
  return initials;
}

/// One call under way.
class Executor::Call {
public:
  Call(Executor &executor, const EntrySchema &entry,
       const route_invocation &call)
      : executor(executor), module(executor.module),
        schema(executor.descriptor.schema()), entry(entry), call(call),
        interpreter(module, settings(call)), machine(interpreter.machine()) {
    interpreter.setNow(call.env->now);
  }

  LogicalResult run();

private:
  static Options settings(const route_invocation &call) {
    Options options;
    options.seed = call.env->seed;
    // Loops are bounded and the call is the user's own: let it take its time.
    options.maxSteps = INT64_MAX / 2;
    return options;
  }

  SmallVector<int64_t> shapeOf(ArrayRef<uint32_t> axes) const {
    return llvm::map_to_vector(
        axes, [&](uint32_t axis) { return call.axis_sizes[axis]; });
  }

  LogicalResult bindAxes();
  LogicalResult bindParams();
  LogicalResult bindStates();
  FailureOr<Array> fresh(ColumnOp column, const Array &values,
                         const double *pushed);
  LogicalResult bindWhetherKnown(size_t port);
  LogicalResult bindSymbols(size_t firstPort);
  FailureOr<Array> allocate(ArrayType type);
  LogicalResult bindUnread();
  FailureOr<Array> decode(const TypeSchema &port, Type element,
                          ArrayRef<AxisRef> axes, ArrayRef<int64_t> shape,
                          route_buffer buffer, size_t knownAxes);
  FailureOr<Array> decodeLists(size_t port, ArrayType type);
  FailureOr<SmallVector<RuntimeValue>> arguments(FuncOp func, size_t &port);
  FailureOr<AxisRef> decodePlan(StringAttr axis, const PortSchema &index,
                                route_buffer indices, route_buffer counts);
  /// What one port takes of a value that may be unknown, which leaves by two.
  enum class End { Lower, Upper, Known };
  LogicalResult encode(size_t output, const RuntimeValue &value,
                       End end = End::Lower);
  LogicalResult encodeArray(const PortSchema &port, route_buffer buffer,
                            const Array &array, End end);
  LogicalResult encodeResults(FuncOp func, ArrayRef<RuntimeValue> results);
  LogicalResult bindTable(uint32_t index, Operation *target,
                          ArrayRef<AxisRef> axes);
  LogicalResult storeState(uint32_t index, const llvm::StringMap<Array> &writes,
                           llvm::StringMap<KeyedState> &keyedWrites);
  LogicalResult writeState(uint32_t index, const Array &value);

  Executor &executor;
  ModuleOp module;
  const Schema &schema;
  const EntrySchema &entry;
  const route_invocation &call;
  Interpreter interpreter;
  Machine &machine;
  /// Plans that this call takes, by axis.
  llvm::StringMap<AxisRef> plans;
};

/// Sizes that the runtime found in the arguments, parents first.
LogicalResult Executor::Call::bindAxes() {
  for (auto [i, row] : llvm::enumerate(schema.axes)) {
    int64_t size = call.axis_sizes[i];
    auto op = machine.symbols.lookup<AxisOp>(row.name);
    if (!op || row.size >= 0 || size < 0)
      continue; // rank axes are no axes of the spec
    const PortSchema *offsets = nullptr;
    size_t port = 0;
    for (auto [p, input] : llvm::enumerate(entry.inputs))
      if (input.role == ROUTE_ROLE_OFFSETS &&
          input.subject == static_cast<int32_t>(i)) {
        offsets = &input;
        port = p;
      }
    if (!offsets) {
      if (failed(interpreter.bindAxis(row.name, size)))
        return failure();
      continue;
    }
    SmallVector<int64_t> counts;
    auto at = [&](int64_t place) {
      return readBuffer(offsets->type.element,
                        static_cast<const char *>(call.inputs[port].data),
                        place)
          .asInt();
    };
    for (int64_t p = 0, n = call.axis_sizes[row.parent]; p < n; ++p)
      counts.push_back(at(p + 1) - at(p));
    if (failed(interpreter.bindAxisPerParent(row.name, counts)))
      return failure();
  }
  return success();
}

/// The elements of a buffer as an array over `axes`.
FailureOr<Array> Executor::Call::decode(const TypeSchema &type, Type element,
                                        ArrayRef<AxisRef> axes,
                                        ArrayRef<int64_t> shape,
                                        route_buffer buffer, size_t knownAxes) {
  FailureOr<Array> array = machine.allocate(element, axes, module.getLoc());
  if (failed(array))
    return failure();
  auto places = placesOf(axes, shape);
  if (!places)
    return emitError(module.getLoc(),
                     "an input does not have the axes of its declaration");
  int64_t perKnown = 1;
  for (int64_t size : ArrayRef(shape).drop_front(knownAxes))
    perKnown *= size;
  bool ranged = isRangeType(element);
  auto *data = static_cast<const char *>(buffer.data);
  for (auto [i, place] : llvm::enumerate(*places)) {
    if (ranged && buffer.known && !buffer.known[place / perKnown]) {
      array->buffer->set(i, unknownOf(element));
      continue;
    }
    Element value = readBuffer(type.element, data, place);
    array->buffer->set(i, ranged ? knownRange(std::move(value)) : value);
  }
  return array;
}

LogicalResult Executor::Call::bindParams() {
  if (executor.params.empty())
    for (auto [i, row] : llvm::enumerate(schema.params)) {
      auto op = machine.symbols.lookup<ParamOp>(row.name);
      SmallVector<int64_t> shape;
      SmallVector<AxisRef> axes;
      for (uint32_t axis : row.axes) {
        shape.push_back(schema.axes[axis].size);
        axes.push_back(makeAxis(nullptr, shape.back()));
      }
      auto *data = const_cast<void *>(call.params[i]);
      auto array =
          decode(row.type, cast<ArrayType>(op.getType()).getElementType(), axes,
                 shape, {data, nullptr}, 0);
      if (failed(array))
        return failure();
      executor.params.push_back(std::move(*array));
    }
  for (auto [row, array] : llvm::zip(schema.params, executor.params))
    if (failed(interpreter.bindParam(row.name, array)))
      return failure();
  return success();
}

LogicalResult Executor::Call::bindStates() {
  SmallVector<uint32_t> used(entry.reads.begin(), entry.reads.end());
  used.append(entry.writes.begin(), entry.writes.end());
  for (uint32_t index : used) {
    const StateSchema &row = schema.states[index];
    Operation *target = lookupDotted(machine, row.name);
    if (!target)
      continue; // read with its live column
    ArrayType type = typeOfState(target);
    SmallVector<AxisRef> axes;
    for (FlatSymbolRefAttr name : type.getAxes()) {
      auto axis = machine.axis(name.getAttr(), module.getLoc());
      if (failed(axis))
        return failure();
      axes.push_back(*axis);
    }
    if (isTable(target)) {
      if (failed(bindTable(index, target, axes)))
        return failure();
      continue;
    }
    auto array =
        decode(row.type, getValueType(type.getElementType()), axes,
               ::shapeOf(schema, row), {call.state[index], nullptr}, 0);
    if (failed(array))
      return failure();
    if (int32_t pushed = schema.findState(row.name + ".pushed"); pushed >= 0) {
      array = fresh(cast<ColumnOp>(target), *array,
                    static_cast<const double *>(call.state[pushed]));
      if (failed(array))
        return failure();
    }
    if (failed(interpreter.bindInput(row.name, *array)))
      return failure();
  }
  return success();
}

/// The values of a live column that are no older than they may be.
FailureOr<Array> Executor::Call::fresh(ColumnOp column, const Array &values,
                                       const double *pushed) {
  Type element = cast<ArrayType>(column.getType()).getElementType();
  auto result = machine.allocate(element, values.axes, column.getLoc());
  if (failed(result))
    return failure();
  std::vector<Element> otherwise;
  if (column.getFallback()) {
    auto fallback = machine.materialize(*column.getFallback(), element,
                                        values.axes, column.getLoc());
    if (failed(fallback))
      return failure();
    otherwise = fallback->elements();
  }
  double now = static_cast<double>(call.env->now) / 1e9,
         most = column.getStaleNs()
                    ? static_cast<double>(*column.getStaleNs()) / 1e9
                    : HUGE_VAL;
  for (auto [i, value] : llvm::enumerate(values.elements())) {
    bool known = std::abs(now - pushed[i]) <= most;
    result->buffer->set(
        i, !known ? (otherwise.empty() ? unknownOf(element) : otherwise[i])
           : isRangeType(element) ? knownRange(value)
                                  : value);
  }
  return *result;
}

/// Binds what a library keeps in a table: as the last event of this run has
/// left it, or as it was restored.
LogicalResult Executor::Call::bindTable(uint32_t index, Operation *target,
                                        ArrayRef<AxisRef> axes) {
  const StateSchema &row = schema.states[index];
  auto *data = static_cast<const int64_t *>(call.state[index]);
  int64_t words = schema.axes[row.axes.back()].size;
  auto state = dyn_cast<StateOp>(target);
  if (state && getKeys(state)) {
    if (!executor.keyed.contains(row.name)) {
      auto keyed = readTable(machine, state, words, data);
      if (failed(keyed))
        return failure();
      executor.keyed[row.name] = std::move(*keyed);
    }
    machine.keyed[row.name] = executor.keyed[row.name];
    return success();
  }
  if (!executor.sets.contains(row.name)) {
    auto sets = machine.allocate(typeOfState(target).getElementType(), axes,
                                 target->getLoc());
    if (failed(sets) || failed(readSets(*sets, words, data, target->getLoc())))
      return failure();
    executor.sets[row.name] = *sets;
  }
  machine.cells[row.name] = executor.sets[row.name];
  return success();
}

/// Stores what an event has written.
LogicalResult
Executor::Call::storeState(uint32_t index, const llvm::StringMap<Array> &writes,
                           llvm::StringMap<KeyedState> &keyedWrites) {
  const StateSchema &row = schema.states[index];
  auto *data = static_cast<int64_t *>(call.state[index]);
  // A table's last axis counts its words; a single value has none.
  int64_t words = row.axes.empty() ? 0 : schema.axes[row.axes.back()].size;
  if (auto found = keyedWrites.find(row.name); found != keyedWrites.end()) {
    writeTable(found->second, machine.symbols.lookup<StateOp>(row.name), words,
               data);
    executor.keyed[row.name] = std::move(found->second);
    return success();
  }
  auto found = writes.find(row.name);
  if (found == writes.end())
    return success();
  if (!isTable(lookupDotted(machine, row.name)))
    return writeState(index, found->second);
  writeSets(found->second, words, data);
  executor.sets[row.name] = found->second;
  return success();
}

/// Binds lists of which an entry asks only whether there are any: those that
/// there are have no members here.
LogicalResult Executor::Call::bindWhetherKnown(size_t port) {
  const PortSchema &row = entry.inputs[port];
  std::string name = StringRef(row.name).drop_back(strlen(".known")).str();
  if (llvm::any_of(entry.inputs,
                   [&](const PortSchema &other) { return other.name == name; }))
    return success(); // read with the members
  if (!row.axes.empty())
    name = schema.axes[row.axes.front()].name + "." + name;
  Operation *target = lookupDotted(machine, name);
  auto column = dyn_cast_or_null<ColumnOp>(target);
  auto signal = dyn_cast_or_null<SignalOp>(target);
  if (!column && !signal)
    return emitError(module.getLoc(), "'")
           << name << "' is no signal and no column";
  auto type = cast<ArrayType>(column ? column.getType() : signal.getType());
  auto lists = allocate(type);
  if (failed(lists))
    return failure();
  auto *known = static_cast<const uint8_t *>(call.inputs[port].data);
  Type element = type.getElementType();
  for (int64_t i = 0, count = lists->size(); i < count; ++i)
    lists->buffer->set(i, known[i] ? knownRange(zeroOf(getValueType(element)))
                                   : unknownOf(element));
  return interpreter.bindInput(name, *lists);
}

/// Binds the inputs from `firstPort` on: columns and signals by their names.
LogicalResult Executor::Call::bindSymbols(size_t firstPort) {
  for (size_t i = firstPort; i < entry.inputs.size(); ++i) {
    const PortSchema &port = entry.inputs[i];
    if (port.role != ROUTE_ROLE_DATA && port.role != ROUTE_ROLE_HOST)
      continue;
    if (StringRef(port.name).ends_with(".known")) {
      if (failed(bindWhetherKnown(i)))
        return failure();
      continue;
    }
    // A column goes by its own name there, where that says which it is.
    std::string name = port.name;
    Operation *target = lookupDotted(machine, name);
    if (!isa_and_nonnull<SignalOp, ColumnOp>(target))
      target = nullptr;
    if (!target && !port.axes.empty()) {
      name = schema.axes[port.axes.front()].name + "." + name;
      target = lookupDotted(machine, name);
    }
    // Members of a list of the items lie along an axis that the spec lacks.
    if (!target && !port.axes.empty() &&
        schema.axes[port.axes.front()].parent >= 0) {
      name = schema.axes[schema.axes[port.axes.front()].parent].name + "." +
             port.name;
      target = lookupDotted(machine, name);
    }
    ArrayType type;
    if (auto signal = dyn_cast_or_null<SignalOp>(target))
      type = cast<ArrayType>(signal.getType());
    else if (auto column = dyn_cast_or_null<ColumnOp>(target))
      type = cast<ArrayType>(column.getType());
    else
      return emitError(module.getLoc(), "'")
             << port.name << "' is no signal and no column";
    SmallVector<AxisRef> axes;
    for (int64_t size : shapeOf(port.axes))
      axes.push_back(makeAxis(nullptr, size));
    auto array =
        memberTypeOf(type.getElementType())
            ? decodeLists(i, type)
            : decode(port.type, type.getElementType(), axes, shapeOf(port.axes),
                     call.inputs[i], port.knownAxes);
    if (failed(array) || failed(interpreter.bindInput(name, *array)))
      return failure();
  }
  return success();
}

/// Zeros of `type`, of which the sizes are known.
FailureOr<Array> Executor::Call::allocate(ArrayType type) {
  auto axes = interp::resolveAxes(type.getAxes(), {}, machine, module.getLoc());
  if (failed(axes))
    return failure();
  return machine.allocate(type.getElementType(), *axes, module.getLoc());
}

/// What the compiled entry does not take, because nothing depends on it, may
/// still be named by an op: it reads as zeros, or as unknown.
LogicalResult Executor::Call::bindUnread() {
  auto bind = [&](std::string name, ArrayType type) {
    if (machine.inputs.contains(name))
      return success();
    for (FlatSymbolRefAttr symbol : type.getAxes()) {
      auto op = machine.symbols.lookup<AxisOp>(symbol.getAttr());
      bool sized = machine.axes.contains(symbol.getValue()) ||
                   op.getStaticSize() >= 0 || op.getLabels();
      if (!sized)
        return success(); // no item at all: nothing can read it
    }
    auto array = allocate(type);
    if (failed(array))
      return failure();
    if (isRangeType(type.getElementType()))
      for (int64_t i = 0; i < array->size(); ++i)
        array->buffer->set(i, unknownOf(type.getElementType()));
    return interpreter.bindInput(name, *array);
  };
  for (auto signal : module.getOps<SignalOp>())
    if (signal.getBody().empty() && !signal.getHost() &&
        failed(
            bind(signal.getSymName().str(), cast<ArrayType>(signal.getType()))))
      return failure();
  for (auto axis : module.getOps<AxisOp>())
    for (auto column : axis.getColumns().getOps<ColumnOp>())
      if (column.getKind() == ColumnKind::input && !column.getFallback() &&
          failed(bind((axis.getSymName() + "." + column.getSymName()).str(),
                      cast<ArrayType>(column.getType()))))
        return failure();
  return success();
}

FailureOr<AxisRef> Executor::Call::decodePlan(StringAttr axis,
                                              const PortSchema &index,
                                              route_buffer indices,
                                              route_buffer counts) {
  SmallVector<int64_t> shape = shapeOf(index.axes);
  int64_t items = 1, width = shape.back();
  for (int64_t size : ArrayRef(shape).drop_back())
    items *= size;
  std::vector<std::vector<int64_t>> rows(items);
  for (int64_t item = 0; item < items; ++item) {
    int64_t count = static_cast<const int32_t *>(counts.data)[item];
    for (int64_t rank = 0; rank < std::min(count, width); ++rank)
      rows[item].push_back(
          static_cast<const int32_t *>(indices.data)[item * width + rank]);
  }
  return planFromRows(machine, axis, rows, module.getLoc());
}

/// Lists or sets of `type`, whose members lie along an axis of their own.
FailureOr<Array> Executor::Call::decodeLists(size_t port, ArrayType type) {
  const PortSchema &row = entry.inputs[port];
  auto lists = allocate(type);
  if (failed(lists))
    return failure();
  const uint8_t *known = nullptr;
  for (auto [i, input] : llvm::enumerate(entry.inputs))
    if (input.name == row.name + ".known")
      known = static_cast<const uint8_t *>(call.inputs[i].data);
  bool ranged = isRangeType(type.getElementType());
  const int32_t *offsets = nullptr;
  for (auto [i, input] : llvm::enumerate(entry.inputs))
    if (input.role == ROUTE_ROLE_OFFSETS &&
        input.subject == static_cast<int32_t>(row.axes.front()))
      offsets = static_cast<const int32_t *>(call.inputs[i].data);
  auto *data = static_cast<const char *>(call.inputs[port].data);
  for (int64_t i = 0, count = lists->size(); i < count; ++i) {
    int64_t at = offsets ? offsets[i] : 0,
            end = offsets ? offsets[i + 1] : call.axis_sizes[row.axes.front()];
    std::vector<Element> members;
    for (; at < end; ++at) {
      Element member = readBuffer(row.type.element, data, at);
      bool twice = isa<SetType>(getValueType(type.getElementType())) &&
                   llvm::any_of(members, [&](const Element &other) {
                     return equalElements(other, member);
                   });
      if (!twice)
        members.push_back(std::move(member));
    }
    Element list =
        std::make_shared<const std::vector<Element>>(std::move(members));
    lists->buffer->set(i, !ranged ? std::move(list)
                          : known && !known[i]
                              ? unknownOf(type.getElementType())
                              : knownRange(std::move(list)));
  }
  return lists;
}

/// What the function takes by place: the first ports of the entry.
FailureOr<SmallVector<RuntimeValue>> Executor::Call::arguments(FuncOp func,
                                                               size_t &port) {
  SmallVector<RuntimeValue> values;
  for (BlockArgument argument : func.getArguments()) {
    while (entry.inputs[port].role == ROUTE_ROLE_OFFSETS)
      ++port; // where members of lists lie is no argument of the spec
    const PortSchema &row = entry.inputs[port];
    if (auto type = dyn_cast<PlanType>(argument.getType())) {
      auto plan = decodePlan(type.getAxis().getAttr(), row, call.inputs[port],
                             call.inputs[port + 1]);
      if (failed(plan))
        return failure();
      plans[type.getAxis().getValue()] = *plan;
      values.push_back(Plan{*plan});
      port += 2;
      continue;
    }
    auto type = cast<ArrayType>(argument.getType());
    if (memberTypeOf(type.getElementType())) {
      port += isRangeType(type.getElementType()); // whether there is one
      auto lists = decodeLists(port++, type);
      if (failed(lists))
        return failure();
      values.push_back(std::move(*lists));
      continue;
    }
    SmallVector<AxisRef> axes;
    for (FlatSymbolRefAttr name : type.getAxes()) {
      if (auto plan = plans.find(name.getValue()); plan != plans.end()) {
        axes.push_back(plan->second);
        continue;
      }
      auto axis = machine.axis(name.getAttr(), func.getLoc());
      if (failed(axis))
        return failure();
      axes.push_back(*axis);
    }
    auto array = decode(row.type, type.getElementType(), axes,
                        shapeOf(row.axes), call.inputs[port], row.knownAxes);
    if (failed(array))
      return failure();
    // A signal that is a parameter is the same input wherever it is read.
    auto signal = machine.symbols.lookup<SignalOp>(row.name);
    if (signal && signal.getBody().empty() &&
        cast<ArrayType>(signal.getType()).getAxes() == type.getAxes() &&
        failed(interpreter.bindInput(row.name, *array)))
      return failure();
    values.push_back(std::move(*array));
    ++port;
  }
  return values;
}

/// The end of `element` that a port takes; nothing where it is not known.
static std::optional<Element> endOf(const Element &element, bool upper,
                                    bool interval) {
  auto *range = std::get_if<std::shared_ptr<const Range>>(&element);
  if (!range)
    return element;
  if (!interval && !(*range)->known)
    return std::nullopt;
  return upper ? (*range)->hi : (*range)->lo;
}

LogicalResult Executor::Call::encodeArray(const PortSchema &port,
                                          route_buffer buffer,
                                          const Array &array, End end) {
  auto places = placesOf(array.axes, shapeOf(port.axes));
  if (!places)
    return emitError(module.getLoc(), "output '")
           << port.name << "' has no room for what was computed";
  bool interval = hasInterval(stripRange(array.elementType));
  auto *data = static_cast<char *>(buffer.data);
  std::vector<Element> elements = array.elements();
  for (auto [place, element] : llvm::zip(*places, elements)) {
    std::optional<Element> value = endOf(element, end == End::Upper, interval);
    if (end == End::Known)
      value = Element(int64_t(value.has_value()));
    if (!value)
      continue;
    if (port.type.element != ROUTE_TEXT) {
      writeBuffer(port.type.element, data, place, *value);
      continue;
    }
    StringRef text = executor.texts.insert(value->asText()).first->getKey();
    reinterpret_cast<route_text *>(data)[place] = {
        text.data(), static_cast<int64_t>(text.size())};
  }
  return success();
}

LogicalResult Executor::Call::encode(size_t output, const RuntimeValue &value,
                                     End end) {
  const PortSchema &port = entry.outputs[output];
  route_buffer buffer = call.outputs[output];
  SmallVector<int64_t> shape = shapeOf(port.axes);
  int64_t size = 1;
  for (int64_t extent : shape)
    size *= extent;
  std::memset(buffer.data, 0, size * elementBytes[port.type.element]);
  if (auto *array = std::get_if<Array>(&value))
    return encodeArray(port, buffer, *array, end);
  if (auto *scalar = std::get_if<Element>(&value)) {
    writeBuffer(port.type.element, static_cast<char *>(buffer.data), 0,
                *scalar);
    return success();
  }
  const AxisRef &plan = std::get<Plan>(value).axis;
  auto *data = static_cast<int32_t *>(buffer.data);
  int64_t chosen =
      port.type.rowsOf >= 0 ? call.axis_sizes[port.type.rowsOf] : 0;
  // The places of a plan follow from the sizes of axes: no tensor has them.
  if (chosen < 0)
    if (auto *places =
            executor.descriptor.desc().axes[port.type.rowsOf].derived_size)
      chosen = places(call.axis_sizes);
  // The places of a plan: as many for each of its items as its index is wide.
  if (const Axis &from = *plan->chosen().axis; chosen < 0 && from.isPlan())
    if (int32_t rank = schema.findAxis((from.label() + ".rank").str());
        rank >= 0) {
      chosen = std::max<int64_t>(call.axis_sizes[rank], 0);
      for (const Axis::Parent &parent : from.per())
        chosen *= parent.axis->size;
    }
  bool fits = port.role == ROUTE_ROLE_PLAN_COUNT
                  ? writeCounts(*plan, shape, data)
                  : writeIndex(plan, shape, chosen, data);
  if (!fits)
    return emitError(module.getLoc(), "plan '")
           << port.name << "' has no room for what was computed";
  return success();
}

/// Values leave in the order of the entry's outputs: a plan as its index and
/// its counts, what may be unknown as `x.lower` and `x.upper` or, without an
/// order, as `x` and `x.known`.
LogicalResult Executor::Call::encodeResults(FuncOp func,
                                            ArrayRef<RuntimeValue> results) {
  size_t output = 0;
  for (auto [result, type] : llvm::zip(results, func.getResultTypes())) {
    if (failed(encode(output++, result)))
      return failure();
    auto array = dyn_cast<ArrayType>(type);
    bool twice = !array || isRangeType(array.getElementType());
    bool known = array && !hasInterval(getValueType(array.getElementType()));
    if (twice &&
        failed(encode(output++, result, known ? End::Known : End::Upper)))
      return failure();
  }
  // What was emitted leaves behind what was returned.
  std::vector<Metric> metrics = std::exchange(machine.metrics, {});
  for (; output < entry.outputs.size(); ++output) {
    StringRef name = entry.outputs[output].name;
    for (const Metric &metric : metrics) {
      StringRef part = name;
      if (!part.consume_front(metric.name))
        continue;
      End end = part == ".upper"   ? End::Upper
                : part == ".known" ? End::Known
                                   : End::Lower;
      if ((part.empty() || part == ".lower" || end != End::Lower) &&
          failed(encode(output, metric.value, end)))
        return failure();
    }
  }
  return success();
}

LogicalResult Executor::Call::writeState(uint32_t index, const Array &value) {
  const StateSchema &row = schema.states[index];
  auto places = placesOf(value.axes, ::shapeOf(schema, row));
  if (!places)
    return emitError(module.getLoc(), "state '")
           << row.name << "' has no room for what was computed";
  std::vector<Element> elements = value.elements();
  for (auto [place, element] : llvm::zip(*places, elements))
    writeBuffer(row.type.element, static_cast<char *>(call.state[index]), place,
                element);
  return success();
}

LogicalResult Executor::Call::run() {
  auto func = machine.symbols.lookup<FuncOp>(entry.symbol);
  size_t port = 0;
  if (failed(bindAxes()) || failed(bindParams()) || failed(bindStates()))
    return failure();
  auto args = arguments(func, port);
  if (failed(args) || failed(bindSymbols(port)) || failed(bindUnread()))
    return failure();
  llvm::StringMap<Array> writes;
  llvm::StringMap<KeyedState> keyedWrites;
  if (entry.kind == ROUTE_ENTRY_EVENT) {
    machine.writes = &writes;
    machine.keyedWrites = &keyedWrites;
  }
  auto results = machine.call(func, *args);
  machine.writes = nullptr;
  machine.keyedWrites = nullptr;
  if (failed(results))
    return failure();
  giveRows(func, *results);
  if (failed(encodeResults(func, *results)))
    return failure();
  for (uint32_t index : entry.writes)
    if (failed(storeState(index, writes, keyedWrites)))
      return failure();
  return success();
}

LogicalResult Executor::run(uint32_t entry, const route_invocation &call) {
  return Call(*this, descriptor.schema().entries[entry], call).run();
}
