// Evaluators of symbol access: what signals, columns, params and state hold.
#include "Scalars.h"
#include "route/Interpreter/Machine.h"
#include <cmath>

using namespace mlir;
using namespace route;
using namespace route::interp;

/// `axis.column` or the plain name.
static std::string fullName(SymbolRefAttr symbol) {
  std::string name = symbol.getRootReference().str();
  for (FlatSymbolRefAttr nested : symbol.getNestedReferences())
    name += "." + nested.getValue().str();
  return name;
}

/// A value over the declared axes of `type` that repeats `element`.
static FailureOr<Array> splat(Machine &machine, ArrayType type, Element element,
                              Location loc) {
  auto axes = resolveAxes(type.getAxes(), {}, machine, loc);
  if (failed(axes))
    return failure();
  std::string why;
  auto view = viewOver(Array::scalar(type.getElementType(), std::move(element)),
                       *axes, why);
  if (failed(view))
    return emitError(loc, why);
  return view;
}

/// Runs the body of a computed signal or of a state's initial value.
static FailureOr<Array> compute(Machine &machine, Region &body, Location loc) {
  if (machine.depth >= machine.options.maxDepth)
    return emitError(loc, "signals nest deeper than ")
           << machine.options.maxDepth;
  ++machine.depth;
  Frame frame(machine);
  SmallVector<RuntimeValue> results;
  LogicalResult done = machine.runRegion(body, {}, frame, results);
  --machine.depth;
  if (failed(done))
    return failure();
  if (results.size() != 1 || !std::holds_alternative<Array>(results.front()))
    return emitError(loc, "body yields no value");
  return std::get<Array>(results.front());
}

/// The answer of the host for a signal as ranges; unknown where it is null.
static FailureOr<Array> asSignal(Machine &machine, SignalOp op,
                                 const Array *answer) {
  Location loc = op.getLoc();
  auto type = cast<ArrayType>(op.getType());
  if (!answer)
    return splat(machine, type, unknownOf(type.getElementType()), loc);
  FailureOr<Array> value = machine.conform(*answer, type, op.getSymName(), loc);
  if (failed(value))
    return failure();
  FailureOr<Array> known =
      machine.allocate(type.getElementType(), value->axes, loc);
  if (failed(known))
    return failure();
  std::vector<Element> elements = value->elements();
  for (size_t i = 0; i < elements.size(); ++i)
    known->buffer->set(i, std::make_shared<const Range>(toRange(elements[i])));
  return known;
}

FailureOr<Array>
route::interp::signalValue(Machine &machine, SignalOp op,
                           const llvm::StringMap<Array> *answer) {
  if (!answer)
    return asSignal(machine, op, nullptr);
  auto found = answer->find("value");
  if (found == answer->end())
    return op.emitError("the answer for signal '")
           << op.getSymName() << "' has no 'value'";
  return asSignal(machine, op, &found->second);
}

/// Asks the host for a signal. A failure or a time-out leaves it unknown.
static FailureOr<Array> askHost(Machine &machine, SignalOp op) {
  SmallVector<RuntimeValue> results;
  Frame frame(machine);
  if (!op.getBody().empty() &&
      failed(machine.runRegion(op.getBody(), {}, frame, results)))
    return failure();
  std::vector<Array> args;
  for (RuntimeValue &result : results)
    if (Array *array = std::get_if<Array>(&result))
      args.push_back(*array);
  if (machine.needed) { // in a step run: the run waits for it
    *machine.needed = NeededSignal{op, std::move(args)};
    return failure();
  }
  HostResult answer;
  if (machine.options.host) {
    int64_t timeout =
        op.getTimeoutNs() ? static_cast<int64_t>(*op.getTimeoutNs()) : 0;
    answer = machine.options.host->call(*op.getHost(), args, timeout);
    machine.nowNs += std::max<int64_t>(answer.tookNs, 0);
  }
  bool good =
      answer.outcome == HostResult::Outcome::Ok && answer.values.size() == 1;
  return asSignal(machine, op, good ? &answer.values.front() : nullptr);
}

static FailureOr<Array> readSignal(Machine &machine, SignalOp op) {
  std::string name = op.getSymName().str();
  if (auto found = machine.inputs.find(name); found != machine.inputs.end())
    return found->second;
  if (auto found = machine.computed.find(name); found != machine.computed.end())
    return found->second;
  FailureOr<Array> value = failure();
  if (op.getHost())
    value = askHost(machine, op);
  else if (!op.getBody().empty())
    value = compute(machine, op.getBody(), op.getLoc());
  else
    return op.emitError("signal '") << name << "' is not bound";
  if (succeeded(value))
    machine.computed[name] = *value;
  return value;
}

FailureOr<Array> Machine::readState(StateOp op) {
  std::string name = op.getSymName().str();
  if (auto found = cells.find(name); found != cells.end())
    return found->second;
  FailureOr<Array> value = initialState(op);
  if (succeeded(value))
    cells[name] = *value;
  return value;
}

FailureOr<Array> Machine::initialState(StateOp op) {
  auto type = cast<ArrayType>(op.getType());
  if (op.getFrom())
    return op.emitError("state '")
           << op.getSymName() << "' starts as checkpoint tensor '"
           << *op.getFrom() << "', which is not bound";
  return op.getInit().empty()
             ? splat(*this, type, zeroOf(type.getElementType()), op.getLoc())
             : compute(*this, op.getInit(), op.getLoc());
}

static FailureOr<Array> readColumn(Machine &machine, ColumnOp op,
                                   const std::string &name) {
  auto type = cast<ArrayType>(op.getType());
  Location loc = op.getLoc();
  auto axesOf = [&] { return resolveAxes(type.getAxes(), {}, machine, loc); };
  switch (op.getKind()) {
  case ColumnKind::constant: {
    auto axes = axesOf();
    if (failed(axes))
      return failure();
    return machine.materialize(*op.getValue(), type.getElementType(), *axes,
                               loc);
  }
  case ColumnKind::state: {
    if (auto found = machine.cells.find(name); found != machine.cells.end())
      return found->second;
    if (op.getFallback()) {
      auto axes = axesOf();
      if (failed(axes))
        return failure();
      return machine.materialize(*op.getFallback(), type.getElementType(),
                                 *axes, loc);
    }
    return splat(machine, type, zeroOf(type.getElementType()), loc);
  }
  case ColumnKind::live: {
    auto found = machine.inputs.find(name);
    // In seconds, as libraries are given the time.
    auto seconds = [](int64_t ns) { return static_cast<double>(ns) / 1e9; };
    bool fresh = found != machine.inputs.end() &&
                 (!op.getStaleNs() ||
                  std::abs(seconds(machine.nowNs) -
                           seconds(machine.pushedNs.lookup(name))) <=
                      seconds(static_cast<int64_t>(*op.getStaleNs())));
    if (fresh)
      return found->second;
    if (op.getFallback()) {
      auto axes = axesOf();
      if (failed(axes))
        return failure();
      return machine.materialize(*op.getFallback(), type.getElementType(),
                                 *axes, loc);
    }
    if (isRangeType(type.getElementType()))
      return splat(machine, type, unknownOf(type.getElementType()), loc);
    return splat(machine, type, zeroOf(type.getElementType()), loc);
  }
  case ColumnKind::input:
    if (auto found = machine.inputs.find(name); found != machine.inputs.end())
      return found->second;
    if (op.getFallback()) {
      auto axes = axesOf();
      if (failed(axes))
        return failure();
      return machine.materialize(*op.getFallback(), type.getElementType(),
                                 *axes, loc);
    }
    if (isRangeType(type.getElementType())) // it may be absent
      return splat(machine, type, unknownOf(type.getElementType()), loc);
    return op.emitError("column '") << name << "' is not bound";
  }
  return failure();
}

FailureOr<Array> Machine::read(SymbolRefAttr symbol, Location loc) {
  std::string name = fullName(symbol);
  if (writes)
    if (auto found = writes->find(name); found != writes->end())
      return found->second;
  Operation *target = SymbolTable::lookupSymbolIn(module, symbol);
  if (auto signal = dyn_cast_or_null<SignalOp>(target))
    return readSignal(*this, signal);
  if (auto state = dyn_cast_or_null<StateOp>(target))
    return readState(state);
  if (auto column = dyn_cast_or_null<ColumnOp>(target))
    return readColumn(*this, column, name);
  if (auto param = dyn_cast_or_null<ParamOp>(target)) {
    if (auto found = params.find(name); found != params.end())
      return found->second;
    if (unbound) {
      unbound->push_back(param);
      return failure();
    }
    return param.emitError("parameter '") << name << "' is not bound";
  }
  return emitError(loc, "'") << name << "' holds no value";
}

static LogicalResult evalGet(GetOp op, Frame &frame) {
  FailureOr<Array> value = frame.machine.read(op.getSymbol(), op.getLoc());
  if (failed(value))
    return failure();
  frame.set(op.getResult(), std::move(*value));
  return success();
}

/// Sets with their last `bound` members alone.
static FailureOr<Array> keepLast(Machine &machine, const Array &sets,
                                 size_t bound, Location loc) {
  auto result = machine.allocate(sets.elementType, sets.axes, loc);
  if (failed(result))
    return failure();
  for (auto [i, set] : llvm::enumerate(sets.elements())) {
    const std::vector<Element> &members = set.asList();
    Element kept = set;
    if (members.size() > bound)
      kept = std::make_shared<const std::vector<Element>>(members.end() - bound,
                                                          members.end());
    result->buffer->set(i, std::move(kept));
  }
  return result;
}

static LogicalResult evalSet(SetOp op, Frame &frame) {
  if (!frame.machine.writes)
    return op.emitError("state is written outside an event");
  Array value = frame.array(op.getValue());
  if (op.getBound()) {
    auto kept = keepLast(frame.machine, value, *op.getBound(), op.getLoc());
    if (failed(kept))
      return failure();
    value = std::move(*kept);
  }
  (*frame.machine.writes)[fullName(op.getSymbol())] = std::move(value);
  return success();
}

void route::interp::addSymbolOps(Registry &registry) {
  registry.add(evalGet);
  registry.add(evalSet);
}
