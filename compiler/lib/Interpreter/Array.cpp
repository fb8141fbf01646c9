// Buffers with a memory limit, and views.
// Views broadcast by name and by descent without copies.
#include "route/Interpreter/Array.h"

using namespace mlir;
using namespace route::interp;

FailureOr<std::shared_ptr<Buffer>>
Buffer::create(Type elementType, int64_t size,
               std::shared_ptr<MemoryMeter> meter) {
  Storage storage = storageOf(elementType);
  int64_t each = storage == Storage::Float    ? sizeof(float)
                 : storage == Storage::Double ? sizeof(double)
                 : storage == Storage::Int    ? sizeof(int64_t)
                                              : sizeof(Element);
  int64_t limit = meter ? meter->limit : MemoryMeter().limit;
  int64_t used = meter ? meter->used.load() : 0;
  if (size < 0 || size > (limit - used) / each)
    return failure();
  auto buffer = std::make_shared<Buffer>();
  buffer->count = size;
  buffer->bytes = size * each;
  buffer->meter = meter;
  if (meter)
    meter->used += buffer->bytes;
  switch (storage) {
  case Storage::Int:
    buffer->data = std::vector<int64_t>(size, zeroOf(elementType).asInt());
    break;
  case Storage::Float:
    buffer->data = std::vector<float>(size);
    break;
  case Storage::Double:
    buffer->data = std::vector<double>(size);
    break;
  case Storage::Other:
    buffer->data = std::vector<Element>(size, zeroOf(elementType));
    break;
  }
  return buffer;
}

Buffer::~Buffer() {
  if (meter)
    meter->used -= bytes;
}

Element Buffer::get(int64_t index) const {
  return std::visit(
      [&](const auto &elements) { return Element(elements[index]); }, data);
}

void Buffer::set(int64_t index, Element element) {
  if (auto *values = std::get_if<std::vector<int64_t>>(&data))
    (*values)[index] = element.asInt();
  else if (auto *values = std::get_if<std::vector<float>>(&data))
    (*values)[index] = element.asFloat();
  else if (auto *values = std::get_if<std::vector<double>>(&data))
    (*values)[index] = element.asDouble();
  else
    std::get<std::vector<Element>>(data)[index] = std::move(element);
}

FailureOr<Array> Array::create(Type elementType, ArrayRef<AxisRef> axes,
                               std::shared_ptr<MemoryMeter> meter) {
  FailureOr<std::shared_ptr<Buffer>> buffer =
      Buffer::create(elementType, countPositions(axes), std::move(meter));
  if (failed(buffer))
    return failure();
  Array array;
  array.elementType = elementType;
  array.axes.assign(axes.begin(), axes.end());
  array.buffer = *buffer;
  int64_t stride = 1;
  for (unsigned i = axes.size(); i-- > 0;) {
    array.dims.push_back({stride, i, nullptr});
    stride *= std::max<int64_t>(axes[i]->size, 1);
  }
  return array;
}

Array Array::scalar(Type elementType, Element value) {
  FailureOr<Array> array = create(elementType, {});
  array->buffer->set(0, std::move(value));
  return *array;
}

int Array::findAxis(StringAttr name) const {
  for (auto [i, axis] : llvm::enumerate(axes))
    if (axis->name == name)
      return i;
  return -1;
}

std::vector<std::vector<int64_t>> Array::offsets() const {
  std::vector<std::vector<int64_t>> along(axes.size());
  for (auto [i, axis] : llvm::enumerate(axes))
    along[i].assign(axis->size, 0);
  for (const Dim &dim : dims)
    for (int64_t p = 0; p < axes[dim.axis]->size; ++p)
      along[dim.axis][p] += dim.stride * (dim.map ? (*dim.map)[p] : p);
  return along;
}

Element Array::at(ArrayRef<int64_t> position) const {
  int64_t offset = base;
  for (const Dim &dim : dims)
    offset += dim.stride *
              (dim.map ? (*dim.map)[position[dim.axis]] : position[dim.axis]);
  return buffer->get(offset);
}

std::vector<Element> Array::elements() const {
  std::vector<Element> all;
  all.reserve(std::max<int64_t>(size(), 0));
  walk<1>(axes, {this}, [&](int64_t, std::array<int64_t, 1> at) {
    all.push_back(buffer->get(at[0]));
  });
  return all;
}

bool Array::isContiguous() const {
  int64_t next = base;
  bool contiguous = true;
  walk<1>(axes, {this}, [&](int64_t, std::array<int64_t, 1> at) {
    contiguous &= at[0] == next++;
  });
  return contiguous;
}

FailureOr<Array> route::interp::viewOver(const Array &array,
                                         ArrayRef<AxisRef> axes,
                                         std::string &why) {
  Array view;
  view.elementType = array.elementType;
  view.axes.assign(axes.begin(), axes.end());
  view.buffer = array.buffer;
  view.base = array.base;
  // Where each own axis went, and through which map.
  llvm::SmallVector<std::pair<unsigned, IndexMap>, 4> target;
  for (const AxisRef &own : array.axes) {
    bool found = false;
    for (auto [i, axis] : llvm::enumerate(axes))
      if (axis->name == own->name) {
        if (!sameInstance(axis, own)) {
          why = "two different runs of axis '" + own->label().str() + "' meet";
          return failure();
        }
        target.push_back({i, nullptr});
        found = true;
        break;
      }
    for (unsigned i = 0; !found && i < axes.size(); ++i) {
      IndexMap map = descent(*axes[i], own->name);
      if (!map)
        continue;
      if (!sameInstance(findAncestor(axes[i], own->name), own)) {
        why = "two different runs of axis '" + own->label().str() + "' meet";
        return failure();
      }
      target.push_back({i, map});
      found = true;
    }
    if (!found) {
      why = "axis '" + own->label().str() +
            "' is not reached by the result's axes";
      return failure();
    }
  }
  for (const Array::Dim &dim : array.dims) {
    auto [axis, map] = target[dim.axis];
    if (map && dim.map) {
      std::vector<int64_t> composed(axes[axis]->size);
      for (int64_t p = 0; p < axes[axis]->size; ++p)
        composed[p] = (*dim.map)[(*map)[p]];
      map = std::make_shared<const std::vector<int64_t>>(std::move(composed));
    } else if (dim.map) {
      map = dim.map;
    }
    view.dims.push_back({dim.stride, axis, map});
  }
  return view;
}
