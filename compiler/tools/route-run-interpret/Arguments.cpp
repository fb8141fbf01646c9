// What a call is given: buffers of the runtime as arrays.
#include "Call.h"
#include "route/Dialect/Route/IR/RouteCollectionOps.h"
#include "route/Interpreter/Buffers.h"
#include "route/Interpreter/Rows.h"

using namespace mlir;
using namespace route;
using namespace route::interp;

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

/// Binds lists of which an entry asks only whether there are any: those that
/// there are have no members here.
LogicalResult Executor::Call::bindWhetherKnown(size_t port) {
  const PortSchema &row = entry.inputs[port];
  if (row.subject >= 0)
    return success(); // read with the members
  std::string name = StringRef(row.name).drop_back(strlen(".known")).str();
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
    if (port.role == ROUTE_ROLE_KNOWN && failed(bindWhetherKnown(i)))
      return failure();
    if (port.role != ROUTE_ROLE_DATA && port.role != ROUTE_ROLE_HOST)
      continue;
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
    if (input.role == ROUTE_ROLE_KNOWN &&
        input.subject == static_cast<int32_t>(port))
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
