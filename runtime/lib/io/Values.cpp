// Arguments of a call that own their memory.
// Bytes, shapes and the tensors over them.
#include "route/io/Values.h"
#include "../core/Support.h"

using namespace route;

char *Value::grow(uint64_t count) {
  uint64_t offset = size;
  size += count;
  storage.resize((size + 7) / 8);
  return bytes() + offset;
}

static void makeTensor(route_tensor &tensor, uint32_t element, void *data,
                       int64_t *shape, size_t rank) {
  tensor = {};
  tensor.data = data;
  tensor.device.device_type = ROUTE_DEVICE_CPU;
  tensor.ndim = static_cast<int32_t>(rank);
  tensor.dtype = route_element_dtype(element);
  tensor.shape = shape;
}

const route_argument *Values::arguments() {
  made.assign(values.size() + 1, {nullptr, nullptr});
  for (size_t i = 0; i < values.size(); ++i) {
    Value &value = values[i];
    const route_port_desc &port = ports[i];
    if (!value.given)
      continue;
    makeTensor(value.tensor, port.type.element, value.bytes(),
               value.shape.data(), value.shape.size());
    made[i].tensor = &value.tensor;
    if (!(port.type.flags & ROUTE_TYPE_MAY_BE_UNKNOWN))
      continue;
    makeTensor(value.knownTensor, ROUTE_BOOL, value.known.data(),
               value.shape.data(), port.known_axes);
    made[i].known = &value.knownTensor;
  }
  return made.data();
}

route_status Values::allocate(const route_module *module,
                              const int64_t *axisSizes, route_error *error) {
  for (size_t i = 0; i < values.size(); ++i) {
    Value &value = values[i];
    value = Value();
    value.given = true;
    value.shape.resize(ports[i].num_axes);
    if (route_status status = route_port_shape(module, &ports[i], axisSizes,
                                               value.shape.data(), error))
      return status;
    uint64_t count = route_element_size(ports[i].type.element), known = 1;
    for (size_t axis = 0; axis < value.shape.size(); ++axis) {
      uint64_t size = static_cast<uint64_t>(value.shape[axis]);
      if (!multiply(count, size, count) || count > uint64_t(1) << 40)
        return fail(error, ROUTE_ERROR_MEMORY,
                    "'%.100s' of shape %s is too "
                    "large for this tool",
                    ports[i].name,
                    ShapeText(value.shape.data(), value.shape.size()).text);
      if (axis < ports[i].known_axes)
        known *= size;
    }
    value.grow(count);
    if (ports[i].type.flags & ROUTE_TYPE_MAY_BE_UNKNOWN)
      value.known.resize(known);
  }
  return ROUTE_OK;
}
