// Elements, arrays and plans in the runtime's layouts.
//
// Arrays are row-major; a plan is an index with room for the most rows an item
// can have.
#include "route/Interpreter/Buffers.h"
#include "route/Interpreter/Machine.h"
#include "route/numerics.h"
#include "route/route_module.h"

using namespace mlir;
using namespace route;
using namespace route::interp;

Element route::interp::readBuffer(uint32_t element, const char *data,
                                  int64_t i) {
  auto get = [&](auto number) {
    std::memcpy(&number, data + i * sizeof(number), sizeof(number));
    return number;
  };
  switch (element) {
  case ROUTE_BOOL:
    return int64_t(get(uint8_t()) != 0);
  case ROUTE_U8:
    return int64_t(get(uint8_t()));
  case ROUTE_I8:
    return int64_t(get(int8_t()));
  case ROUTE_I16:
    return int64_t(get(int16_t()));
  case ROUTE_U16:
    return int64_t(get(uint16_t()));
  case ROUTE_I32:
    return int64_t(get(int32_t()));
  case ROUTE_U32:
    return int64_t(get(uint32_t()));
  case ROUTE_F16:
    return num::fromF16(get(uint16_t()));
  case ROUTE_BF16:
    return num::fromBf16(get(uint16_t()));
  case ROUTE_F32:
    return get(float());
  case ROUTE_F64:
    return get(double());
  case ROUTE_TEXT: {
    route_text text = get(route_text());
    return text.size ? std::string(text.data, text.size) : std::string();
  }
  default:
    return get(int64_t());
  }
}

/// A number of any kind as f32; f64 is rounded.
static float toFloat(const Element &value) {
  if (auto *wide = std::get_if<double>(&value))
    return static_cast<float>(*wide);
  if (auto *whole = std::get_if<int64_t>(&value))
    return static_cast<float>(*whole);
  return value.asFloat();
}

static double toDouble(const Element &value) {
  if (auto *wide = std::get_if<double>(&value))
    return *wide;
  if (auto *whole = std::get_if<int64_t>(&value))
    return static_cast<double>(*whole);
  return value.asFloat();
}

void route::interp::writeBuffer(uint32_t element, char *data, int64_t i,
                                const Element &value) {
  auto put = [&](auto number) {
    std::memcpy(data + i * sizeof(number), &number, sizeof(number));
  };
  switch (element) {
  case ROUTE_BOOL:
  case ROUTE_I8:
  case ROUTE_U8:
    return put(static_cast<int8_t>(value.asInt()));
  case ROUTE_I16:
  case ROUTE_U16:
    return put(static_cast<int16_t>(value.asInt()));
  case ROUTE_I32:
  case ROUTE_U32:
    return put(static_cast<int32_t>(value.asInt()));
  case ROUTE_F16:
    return put(num::toF16(toFloat(value)));
  case ROUTE_BF16:
    return put(num::toBf16(toFloat(value)));
  case ROUTE_F32:
    return put(toFloat(value));
  case ROUTE_F64:
    return put(toDouble(value));
  default:
    return put(value.asInt());
  }
}

static SmallVector<AxisRef> axesOf(ArrayRef<Axis::Parent> parents) {
  return llvm::map_to_vector(
      parents, [](const Axis::Parent &parent) { return parent.axis; });
}

static size_t dimensionsOf(const Axis &axis) {
  size_t count = 1;
  if (axis.isPlan())
    for (const Axis::Parent &parent : axis.per())
      count += dimensionsOf(*parent.axis);
  return count;
}

std::optional<std::vector<int64_t>>
route::interp::placesOf(ArrayRef<AxisRef> axes, ArrayRef<int64_t> shape) {
  std::vector<int64_t> places = {0};
  for (const AxisRef &axis : axes) {
    size_t dims = dimensionsOf(*axis);
    if (dims > shape.size())
      return std::nullopt;
    int64_t width = shape[dims - 1];
    // The places of this axis alone, in its own dimensions.
    std::vector<int64_t> own;
    if (axis->isPlan()) {
      auto items = placesOf(axesOf(axis->per()), shape.take_front(dims - 1));
      if (!items)
        return std::nullopt;
      std::vector<int64_t> itemOf = itemOfRows(*axis);
      for (int64_t row = 0; row < axis->size; ++row) {
        if ((*axis->rank)[row] >= width)
          return std::nullopt;
        own.push_back((*items)[itemOf[row]] * width + (*axis->rank)[row]);
      }
    } else {
      if (axis->size > width)
        return std::nullopt;
      for (int64_t position = 0; position < axis->size; ++position)
        own.push_back(position);
    }
    int64_t extent = 1;
    for (int64_t size : shape.take_front(dims))
      extent *= size;
    shape = shape.drop_front(dims);
    std::vector<int64_t> next;
    next.reserve(places.size() * own.size());
    for (int64_t place : places)
      for (int64_t offset : own)
        next.push_back(place * extent + offset);
    places = std::move(next);
  }
  if (!shape.empty())
    return std::nullopt;
  return places;
}

/// The rows of a plan along `axis`: where they were chosen from a plan, what
/// the rows of that are.
static Plan rowsAlong(const Plan &plan, StringAttr axis) {
  auto rows = std::make_shared<Axis>(*plan.axis);
  while (rows->chosen().axis->isPlan() && rows->chosen().axis->name != axis) {
    const Axis::Parent above = rows->chosen().axis->chosen();
    auto index = std::make_shared<std::vector<int64_t>>();
    for (int64_t row : *rows->chosen().index)
      index->push_back((*above.index)[row]);
    rows->parents.back() = {above.axis, std::move(index)};
  }
  return Plan{std::move(rows)};
}

void route::interp::giveRows(FuncOp func,
                             MutableArrayRef<RuntimeValue> results) {
  for (auto [i, result] : llvm::enumerate(results))
    if (auto rows =
            func.getResultAttrOfType<FlatSymbolRefAttr>(i, "route.rows"))
      result = rowsAlong(std::get<Plan>(result), rows.getAttr());
}

bool route::interp::writeIndex(const AxisRef &plan, ArrayRef<int64_t> shape,
                               int64_t chosenSize, int32_t *data) {
  auto places = placesOf(plan, shape);
  if (!places)
    return false;
  int64_t size = 1;
  for (int64_t extent : shape)
    size *= extent;
  std::fill(data, data + size, -1);
  const Axis::Parent &chosen = plan->chosen();
  std::optional<std::vector<int64_t>> from;
  if (chosen.axis->isPlan()) {
    SmallVector<int64_t> dims;
    int64_t items = 1;
    for (const Axis::Parent &parent : chosen.axis->per()) {
      if (parent.axis->isPlan())
        return false; // how much room its items have is not told
      dims.push_back(parent.axis->size);
      items *= parent.axis->size;
    }
    dims.push_back(items ? chosenSize / items : 0);
    from = placesOf(chosen.axis, dims);
    if (!from)
      return false;
  }
  for (int64_t row = 0; row < plan->size; ++row) {
    int64_t position = (*chosen.index)[row];
    data[(*places)[row]] =
        static_cast<int32_t>(from ? (*from)[position] : position);
  }
  return true;
}

bool route::interp::writeCounts(const Axis &plan, ArrayRef<int64_t> shape,
                                int32_t *data) {
  auto places = placesOf(axesOf(plan.per()), shape);
  if (!places)
    return false;
  int64_t size = 1;
  for (int64_t extent : shape)
    size *= extent;
  std::fill(data, data + size, 0);
  for (int64_t item : itemOfRows(plan))
    ++data[(*places)[item]];
  return true;
}
