// The interpreter's interface: binding, running, events, state.
#include "route/Interpreter/Interpreter.h"
#include "Scalars.h"
#include "route/Dialect/Route/IR/RouteCollectionOps.h"
#include "route/Interpreter/Buffers.h"
#include "route/Interpreter/LiveRows.h"
#include "route/Interpreter/Machine.h"
#include "llvm/Support/SaveAndRestore.h"

using namespace mlir;
using namespace route;
using namespace route::interp;

Interpreter::Interpreter(ModuleOp module, Options options)
    : impl(std::make_unique<Machine>(module, options)) {}
Interpreter::~Interpreter() = default;

FailureOr<AxisRef> Interpreter::axis(StringRef name) {
  return impl->axis(StringAttr::get(impl->module.getContext(), name),
                    impl->module.getLoc());
}

static AxisOp lookupAxisNamed(Machine &machine, StringRef name) {
  auto op = machine.symbols.lookup<AxisOp>(name);
  if (!op)
    emitError(machine.module.getLoc(), "axis '") << name << "' is not declared";
  return op;
}

LogicalResult Interpreter::bindAxis(StringRef axis, int64_t size) {
  AxisOp op = lookupAxisNamed(*impl, axis);
  if (!op || failed(impl->bindAxis(op, size)))
    return failure();
  impl->openAxes.push_back(axis.str());
  return success();
}

LogicalResult Interpreter::bindAxisPerParent(StringRef axis,
                                             ArrayRef<int64_t> counts) {
  AxisOp op = lookupAxisNamed(*impl, axis);
  if (!op || failed(impl->bindAxisPerParent(op, counts)))
    return failure();
  impl->openAxes.push_back(axis.str());
  return success();
}

LogicalResult Interpreter::bindParam(StringRef name, const Array &value) {
  auto op = impl->symbols.lookup<ParamOp>(name);
  if (!op)
    return emitError(impl->module.getLoc(), "parameter '")
           << name << "' is not declared";
  FailureOr<Array> bound =
      impl->conform(value, cast<ArrayType>(op.getType()), name, op.getLoc());
  if (failed(bound))
    return failure();
  impl->params[name] = std::move(*bound);
  return success();
}

Operation *route::interp::lookupDotted(Machine &machine, StringRef name) {
  if (Operation *op = machine.symbols.lookup(name))
    return op;
  for (size_t dot = name.find('.'); dot != StringRef::npos;
       dot = name.find('.', dot + 1))
    if (auto axis = machine.symbols.lookup<AxisOp>(name.take_front(dot)))
      if (Operation *column =
              SymbolTable::lookupSymbolIn(axis, name.drop_front(dot + 1)))
        return column;
  return nullptr;
}

/// The spec's name of argument `i`, or argI.
static std::string argumentName(FunctionOpInterface func, unsigned i) {
  if (auto name = func.getArgAttrOfType<StringAttr>(i, "route.name"))
    return name.getValue().str();
  return "arg" + std::to_string(i);
}

/// The type of the argument of that name in some function, routes and their
/// lowered forms alike; null when there is none.
static ArrayType findArgument(ModuleOp module, StringRef name,
                              StringRef &unit) {
  for (auto func : module.getOps<FunctionOpInterface>())
    for (unsigned i = 0; i < func.getNumArguments(); ++i) {
      if (argumentName(func, i) != name)
        continue;
      if (auto given = func.getArgAttrOfType<StringAttr>(i, "route.unit"))
        unit = given.getValue();
      if (auto type = dyn_cast<ArrayType>(func.getArgumentTypes()[i]))
        return type;
      if (auto type = func.getArgAttrOfType<TypeAttr>(i, "route.type"))
        return dyn_cast<ArrayType>(type.getValue());
    }
  return nullptr;
}

/// Ranges around elements that are none, where `type` wants them.
static Array rangedAs(ArrayType type, Array value) {
  if (!isRangeType(type.getElementType()) || value.size() == 0)
    return value;
  FailureOr<Array> ranged = Array::create(type.getElementType(), value.axes);
  std::vector<Element> elements = value.elements();
  for (size_t i = 0; succeeded(ranged) && i < elements.size(); ++i)
    ranged->buffer->set(i, std::make_shared<const Range>(toRange(elements[i])));
  return succeeded(ranged) ? *ranged : value;
}

/// Lists or sets of the type's elements from the last axis of `value`, or from
/// lists that it holds.
static Array collected(ArrayType type, const Array &value) {
  Type member = memberTypeOf(type.getElementType());
  size_t axes = type.getAxes().size();
  bool listed = memberTypeOf(value.elementType) != nullptr;
  if (!member || value.axes.size() != axes + !listed)
    return value;
  Type from = listed ? memberTypeOf(value.elementType) : value.elementType;
  std::vector<Element> elements = value.elements();
  Array result = value;
  result.elementType = type.getElementType();
  result.axes.truncate(axes);
  int64_t count = countPositions(result.axes);
  int64_t width = listed ? 1 : value.axes.back()->size;
  FailureOr<Array> made = Array::create(type.getElementType(), result.axes);
  for (int64_t i = 0; succeeded(made) && i < count; ++i) {
    std::vector<Element> given, members;
    if (listed && !toRange(elements[i]).known) {
      made->buffer->set(i, unknownOf(type.getElementType()));
      continue;
    }
    if (listed)
      given = toRange(elements[i]).lo.asList();
    else
      given.assign(elements.begin() + i * width,
                   elements.begin() + (i + 1) * width);
    for (const Element &element : given) {
      Element cast = isa<FloatType, IntegerType>(member) &&
                             isa<FloatType, IntegerType>(from)
                         ? applyCast(from, member, element)
                         : element;
      bool repeated = isa<SetType>(getValueType(type.getElementType())) &&
                      llvm::any_of(members, [&](const Element &known) {
                        return equalElements(known, cast);
                      });
      if (!repeated)
        members.push_back(cast);
    }
    made->buffer->set(
        i, std::make_shared<const std::vector<Element>>(std::move(members)));
  }
  return succeeded(made) ? *made : value;
}

/// Numbers of another type as numbers of the type's.
static Array converted(ArrayType type, const Array &value) {
  Type to = getValueType(type.getElementType()), from = value.elementType;
  bool numbers = isa<FloatType, IntegerType>(to) &&
                 isa<FloatType, IntegerType>(from) && to != from;
  FailureOr<Array> made = failure();
  if (numbers)
    made = Array::create(to, value.axes);
  if (failed(made))
    return value;
  for (auto [i, element] : llvm::enumerate(value.elements()))
    made->buffer->set(i, applyCast(from, to, element));
  return *made;
}

/// Tokens and bytes that a caller gives are never below zero, as the runtime
/// checks it before a call.
static LogicalResult checkCounts(Operation *target, StringRef unit,
                                 StringRef name, const Array &value,
                                 Location loc) {
  auto column = dyn_cast_or_null<ColumnOp>(target);
  auto signal = dyn_cast_or_null<SignalOp>(target);
  if (column && column.getKind() == ColumnKind::input)
    unit = column.getUnit().value_or("");
  else if (signal)
    unit = signal.getUnit().value_or("");
  if (unit != "tok" && unit != "B")
    return success();
  for (auto [i, element] : llvm::enumerate(value.elements())) {
    Range range = toRange(element);
    auto *number = std::get_if<double>(&range.lo);
    if (number && range.known && *number < 0)
      return emitError(loc, "'")
             << name << "' has "
             << printElement(range.lo, stripRange(value.elementType)) << " at "
             << i << ": " << (unit == "tok" ? "tokens" : "bytes")
             << " are never below zero";
  }
  return success();
}

LogicalResult Interpreter::bindInput(StringRef name, const Array &given) {
  Operation *target = lookupDotted(*impl, name);
  ArrayType type;
  StringRef unit; // of an argument
  bool isState = false;
  if (auto signal = dyn_cast_or_null<SignalOp>(target)) {
    type = cast<ArrayType>(signal.getType());
  } else if (auto state = dyn_cast_or_null<StateOp>(target)) {
    type = cast<ArrayType>(state.getType());
    isState = true;
  } else if (auto column = dyn_cast_or_null<ColumnOp>(target)) {
    type = cast<ArrayType>(column.getType());
    isState = column.getKind() == ColumnKind::state;
    if (column.getKind() == ColumnKind::constant)
      return column.emitError("column '")
             << name << "' is constant and takes no input";
  } else if (ArrayType argument = findArgument(impl->module, name, unit)) {
    type = argument;
  } else {
    return emitError(impl->module.getLoc(), "'")
           << name << "' is no signal, column, state or argument";
  }
  Location loc = target ? target->getLoc() : impl->module.getLoc();
  Array value = converted(type, collected(type, given));
  FailureOr<Array> bound = impl->conform(value, type, name, loc);
  if (failed(bound) || failed(checkCounts(target, unit, name, value, loc)))
    return failure();
  (isState ? impl->cells : impl->inputs)[name] =
      rangedAs(type, std::move(*bound));
  impl->pushedNs[name] = impl->nowNs;
  return success();
}

LogicalResult Interpreter::bindUnknown(StringRef name) {
  auto op = impl->symbols.lookup<SignalOp>(name);
  if (!op)
    return emitError(impl->module.getLoc(), "signal '")
           << name << "' is not declared";
  auto type = cast<ArrayType>(op.getType());
  if (!isRangeType(type.getElementType()))
    return op.emitError("signal '") << name << "' is always known";
  auto axes = resolveAxes(type.getAxes(), {}, *impl, op.getLoc());
  if (failed(axes))
    return failure();
  std::string why;
  Array one =
      Array::scalar(type.getElementType(), unknownOf(type.getElementType()));
  impl->inputs[name] = *viewOver(one, *axes, why);
  return success();
}

void Interpreter::clearInputs() {
  impl->inputs.clear();
  impl->pushedNs.clear();
  for (const std::string &name : impl->openAxes)
    impl->axes.erase(name);
  impl->openAxes.clear();
}

/// Values for the arguments of `func` from place `from` on, by name.
static LogicalResult addNamedArguments(Machine &machine, FuncOp func,
                                       SmallVectorImpl<RuntimeValue> &args) {
  for (unsigned i = args.size(); i < func.getNumArguments(); ++i) {
    std::string name = argumentName(func, i);
    if (auto found = machine.kept.find(name);
        func.getKind() == FuncKind::handler && found != machine.kept.end()) {
      args.push_back(found->second);
      continue;
    }
    if (auto found = machine.inputs.find(name); found != machine.inputs.end()) {
      args.push_back(found->second);
      continue;
    }
    Operation *target = lookupDotted(machine, name);
    if (!target)
      return func.emitError("argument ")
             << i << " ('" << name << "') of '" << func.getSymName()
             << "' is not given";
    SymbolRefAttr symbol = FlatSymbolRefAttr::get(func.getContext(), name);
    if (auto column = dyn_cast<ColumnOp>(target))
      symbol = SymbolRefAttr::get(
          cast<AxisOp>(column->getParentOp()).getSymNameAttr(),
          {FlatSymbolRefAttr::get(column.getSymNameAttr())});
    FailureOr<Array> value = machine.read(symbol, func.getLoc());
    if (failed(value))
      return failure();
    args.push_back(std::move(*value));
  }
  return success();
}

FailureOr<SmallVector<RuntimeValue>>
Interpreter::run(StringRef entry, ArrayRef<RuntimeValue> given) {
  Operation *function = impl->symbols.lookup(entry);
  if (!isa_and_nonnull<FunctionOpInterface>(function))
    return emitError(impl->module.getLoc(), "'") << entry << "' is no function";
  impl->steps = 0;
  impl->computed.clear();
  SmallVector<RuntimeValue> args(given.begin(), given.end());
  if (isLowered(function))
    return runLowered(*impl, function);
  if (auto func = dyn_cast<FuncOp>(function)) {
    if (func.getKind() == FuncKind::steps)
      return func.emitError("'")
             << entry << "' calls the host while it runs and needs one: "
             << "route-interp --host";
    if (failed(addNamedArguments(*impl, func, args)))
      return failure();
  }
  impl->pending.clear();
  impl->kept.clear();
  SmallVector<ParamOp, 1> unbound;
  llvm::SaveAndRestore lenient(impl->unbound,
                               impl->options.needParams ? nullptr : &unbound);
  auto results = impl->call(function, args);
  // Builtin scalars leave as arrays of no axes, which know their type.
  if (succeeded(results))
    for (auto [result, type] : llvm::zip(
             *results, cast<FunctionOpInterface>(function).getResultTypes()))
      if (auto *element = std::get_if<Element>(&result))
        result = Array::scalar(type, *element);
  if (auto func = dyn_cast<FuncOp>(function); func && succeeded(results))
    giveRows(func, *results);
  if (succeeded(results))
    for (auto [i, result] : llvm::enumerate(*results))
      if (auto name = cast<FunctionOpInterface>(function)
                          .getResultAttrOfType<StringAttr>(i, "route.name"))
        impl->kept[name.getValue()] = result;
  return results;
}

FailureOr<SmallVector<RuntimeValue>> Interpreter::run(StringRef entry) {
  return run(entry, {});
}

LogicalResult Interpreter::emit(StringRef event, StringRef of,
                                ArrayRef<RuntimeValue> given) {
  impl->steps = 0;
  impl->computed.clear();
  llvm::StringMap<Array> writes;
  llvm::StringMap<KeyedState> keyedWrites;
  impl->writes = &writes;
  impl->keyedWrites = &keyedWrites;
  LogicalResult done = success();
  StringRef kind = event;
  for (auto func : impl->module.getOps<FuncOp>()) {
    bool meant = func.getEvent() == event || func.getSymName() == event;
    if (func.getKind() != FuncKind::handler || !meant ||
        (!of.empty() && func.getOf() != of))
      continue;
    kind = *func.getEvent();
    // A router's handlers take what its last run kept, by name; others what the
    // caller gives, by place.
    bool kept = func.getOf() && func.getNumArguments() > 0 &&
                func.getArgAttr(0, "route.name");
    SmallVector<RuntimeValue> args;
    if (!kept)
      args.append(given.begin(),
                  given.begin() +
                      std::min<size_t>(given.size(), func.getNumArguments()));
    if (failed(addNamedArguments(*impl, func, args)) ||
        failed(impl->call(func, args))) {
      done = failure();
      break;
    }
    // A row that is sent work is used, for pools that evict.
    if (kind == "dispatch")
      for (auto [arg, type] : llvm::zip(args, func.getArgumentTypes()))
        if (auto array = dyn_cast<ArrayType>(type); array && array.isScalar())
          if (auto ref = dyn_cast<RefType>(array.getElementType()))
            useRow(*this, ref.getAxis().getValue(),
                   std::get<Array>(arg).value().asInt());
  }
  impl->writes = nullptr;
  impl->keyedWrites = nullptr;
  // What the decision reserved is charged once it is acted on.
  if (succeeded(done) && (kind == "dispatch" || kind == "commit")) {
    impl->ledger.merge(impl->pending);
    impl->pending.clear();
  }
  if (succeeded(done))
    for (auto &entry : writes)
      impl->cells[entry.getKey()] = entry.getValue();
  if (succeeded(done))
    for (auto &entry : keyedWrites)
      impl->keyed[entry.getKey()] = std::move(entry.getValue());
  return done;
}

FailureOr<Array> Interpreter::state(StringRef name) {
  Operation *target = lookupDotted(*impl, name);
  if (auto column = dyn_cast_or_null<ColumnOp>(target))
    return impl->read(
        SymbolRefAttr::get(cast<AxisOp>(column->getParentOp()).getSymNameAttr(),
                           {FlatSymbolRefAttr::get(column.getSymNameAttr())}),
        column.getLoc());
  if (auto state = dyn_cast_or_null<StateOp>(target))
    return impl->readState(state);
  return emitError(impl->module.getLoc(), "'") << name << "' is no state";
}

std::vector<Metric> Interpreter::takeMetrics() {
  return std::exchange(impl->metrics, {});
}

void Interpreter::setNow(int64_t nanoseconds) {
  impl->nowNs = std::max(impl->nowNs, nanoseconds);
}
