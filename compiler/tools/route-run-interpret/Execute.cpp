// Between the runtime's buffers and the interpreter's arrays: state, and calls.
// The fuzzer's oracle (test/Fuzz/Interpreter.cpp) does the same by names.
#include "Call.h"
#include "route/Dialect/Route/IR/RouteCollectionOps.h"
#include "route/Interpreter/Buffers.h"
#include "route/Interpreter/Rows.h"
#include <cmath>

using namespace mlir;
using namespace route;
using namespace route::interp;

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
    if (failed(sets))
      return failure();
    readSets(*sets, words, data);
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
