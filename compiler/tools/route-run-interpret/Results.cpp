// What a call gives back: arrays in buffers of the runtime.
#include "Call.h"
#include "route/Dialect/Route/IR/RouteCollectionOps.h"
#include "route/Interpreter/Buffers.h"
#include "route/Interpreter/Rows.h"
#include <cstring>

using namespace mlir;
using namespace route;
using namespace route::interp;

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
    if (!value) // no row, where it would be one
      value = zeroOf(stripRange(array.elementType));
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
