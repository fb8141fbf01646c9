// When two back ends agree.
#include "Backend.h"
#include "route/numerics.h"

#include <cmath>
#include <cstring>

using namespace route;
using namespace route::fuzz;

namespace {

/// One element as a number.
struct Number {
  double value;
  bool floating;
};

template <typename T> T load(const char *bytes) {
  T value;
  memcpy(&value, bytes, sizeof(value));
  return value;
}

Number numberAt(uint32_t element, const char *bytes) {
  switch (element) {
  case ROUTE_F16:
    return {num::fromF16(load<uint16_t>(bytes)), true};
  case ROUTE_BF16:
    return {num::fromBf16(load<uint16_t>(bytes)), true};
  case ROUTE_F32:
    return {load<float>(bytes), true};
  case ROUTE_F64:
    return {load<double>(bytes), true};
  case ROUTE_BOOL:
  case ROUTE_U8:
    return {double(load<uint8_t>(bytes)), false};
  case ROUTE_I8:
    return {double(load<int8_t>(bytes)), false};
  case ROUTE_U16:
    return {double(load<uint16_t>(bytes)), false};
  case ROUTE_I16:
    return {double(load<int16_t>(bytes)), false};
  case ROUTE_U32:
    return {double(load<uint32_t>(bytes)), false};
  case ROUTE_I32:
    return {double(load<int32_t>(bytes)), false};
  default:
    return {double(load<int64_t>(bytes)), false};
  }
}

/// Compares `count` elements; empty where they agree.
std::string compare(uint32_t element, const char *reference, const char *found,
                    uint64_t count, const Tolerance &tolerance) {
  uint64_t width = route_element_size(element);
  double largest = 0;
  if (tolerance.terms)
    for (uint64_t i = 0; i < count; ++i) {
      double value = std::fabs(numberAt(element, reference + i * width).value);
      if (std::isfinite(value))
        largest = std::max(largest, value);
    }
  // The largest result stands for the sum of the terms' magnitudes.
  double allowed =
      4 * largest *
      (static_cast<double>(tolerance.terms) * 0x1p-24 + tolerance.unit);
  for (uint64_t i = 0; i < count; ++i) {
    const char *a = reference + i * width, *b = found + i * width;
    if (element == ROUTE_TEXT) {
      auto x = load<route_text>(a), y = load<route_text>(b);
      if (x.size != y.size || memcmp(x.data, y.data, size_t(x.size)) != 0)
        return "text " + std::to_string(i);
      continue;
    }
    if (memcmp(a, b, width) == 0)
      continue;
    Number x = numberAt(element, a), y = numberAt(element, b);
    if (x.floating && std::isnan(x.value) && std::isnan(y.value))
      continue;
    if (x.floating && tolerance.terms &&
        (x.value == y.value || std::fabs(x.value - y.value) <= allowed))
      continue;
    char text[160];
    snprintf(text, sizeof(text), "element %llu: reference %.9g, found %.9g",
             static_cast<unsigned long long>(i), x.value, y.value);
    return text;
  }
  return "";
}

} // namespace

std::string route::fuzz::difference(const route_entry_desc &entry,
                                    const Values &reference,
                                    const Values &found,
                                    const Tolerance &tolerance) {
  for (size_t i = 0; i < entry.num_outputs; ++i) {
    const route_port_desc &port = entry.outputs[i];
    const Value &a = reference.values[i], &b = found.values[i];
    uint64_t width = route_element_size(port.type.element);
    std::string what;
    if (a.shape != b.shape || a.size != b.size)
      what = "its shape differs";
    else if (a.known != b.known)
      what = "what is known differs";
    else
      what = compare(port.type.element, a.bytes(), b.bytes(), a.size / width,
                     tolerance);
    if (!what.empty())
      return std::string(entry.name) + ": output '" + port.name + "', " + what;
  }
  return "";
}

std::string route::fuzz::difference(const route_state_desc &cell,
                                    const std::string &reference,
                                    const std::string &found,
                                    const Tolerance &tolerance) {
  std::string what;
  if (reference.size() != found.size())
    what = "its size differs";
  else
    what = compare(cell.type.element, reference.data(), found.data(),
                   found.size() / route_element_size(cell.type.element),
                   tolerance);
  return what.empty() ? what
                      : "state '" + std::string(cell.name) + "', " + what;
}
