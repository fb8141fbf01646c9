// Checking the values generated code indexes by.
// A row index out of range would be a read out of bounds: one pass over such
// inputs is the price of never crashing. Tokens and bytes are never below zero:
// the compiler proves what budgets allow from it. Nothing else is looked at.
#include "Arguments.h"
#include "Elements.h"

using namespace route;

#define FAIL(FORMAT, ...)                                                      \
  fail(error, ROUTE_ERROR_TENSOR_VALUE, "input '%.100s' " FORMAT,              \
       port.name __VA_OPT__(, ) __VA_ARGS__)

template <typename T>
static route_status checkOffsets(const route_port_desc &port, const T *offsets,
                                 uint64_t count, int64_t size,
                                 route_error *error) {
  if (offsets[0] != 0)
    return FAIL("begins at %lld, expected 0",
                static_cast<long long>(offsets[0]));
  for (uint64_t i = 1; i < count; ++i)
    if (offsets[i] < offsets[i - 1])
      return FAIL("decreases from %lld to %lld at %llu",
                  static_cast<long long>(offsets[i - 1]),
                  static_cast<long long>(offsets[i]),
                  static_cast<unsigned long long>(i));
  if (offsets[count - 1] != size)
    return FAIL("ends at %lld, expected %lld",
                static_cast<long long>(offsets[count - 1]),
                static_cast<long long>(size));
  return ROUTE_OK;
}

/// Finds the first known position whose value satisfies `bad`; `count` without.
template <typename T, typename Predicate>
static uint64_t findBad(const T *values, uint64_t count, const uint8_t *known,
                        uint64_t perKnown, Predicate bad) {
  bool any = false; // one pass without branches, a second only to point
  for (uint64_t i = 0; i < count; ++i)
    any |= bad(values[i]);
  if (!any)
    return count;
  for (uint64_t i = 0; i < count; ++i)
    if (bad(values[i]) && (!known || known[i / perKnown]))
      return i;
  return count;
}

/// Most rows an item of input plan number `plan` can have.
static int64_t planRows(const route_entry_desc &entry, int32_t plan,
                        const int64_t *sizes) {
  for (const route_port_desc &port : table(entry.inputs, entry.num_inputs))
    if (port.role == ROUTE_ROLE_PLAN_INDEX && port.subject == plan)
      return sizes[port.axes[port.num_axes - 1]];
  return INT32_MAX;
}

/// Checks what counts tokens or bytes.
template <typename T>
static route_status checkCounts(const route_port_desc &port, const T *values,
                                uint64_t count, const uint8_t *known,
                                uint64_t perKnown, route_error *error) {
  uint64_t bad = findBad(values, count, known, perKnown,
                         [](T value) { return value < 0; });
  return bad == count ? ROUTE_OK
                      : FAIL("has %g at %llu: %s are never below zero",
                             static_cast<double>(values[bad]),
                             static_cast<unsigned long long>(bad),
                             port.type.unit[0] == 't' ? "tokens" : "bytes");
}

route_status route::checkValues(const route_module_desc &module,
                                const route_entry_desc &entry,
                                const route_port_desc &port,
                                const route_buffer &buffer,
                                const int64_t *sizes, route_error *error) {
  uint64_t count = countElements(port, sizes);
  if (count == 0)
    return ROUTE_OK;
  uint64_t perKnown = 1;
  if (buffer.known) {
    uint64_t numKnown = countKnown(port, sizes);
    perKnown = numKnown == count ? 1 : count / numKnown;
    uint64_t bad = findBad(buffer.known, numKnown, nullptr, 1,
                           [](uint8_t byte) { return byte > 1; });
    if (bad < numKnown)
      return FAIL("has known byte %u at %llu, expected 0 or 1",
                  buffer.known[bad], static_cast<unsigned long long>(bad));
  }
  if (port.role == ROUTE_ROLE_OFFSETS) {
    int64_t size = sizes[port.subject];
    return port.type.element == ROUTE_I32
               ? checkOffsets(port, static_cast<const int32_t *>(buffer.data),
                              count, size, error)
               : checkOffsets(port, static_cast<const int64_t *>(buffer.data),
                              count, size, error);
  }
  const route_type_desc &type = port.type;
  if (type.element == ROUTE_BOOL) {
    auto *values = static_cast<const uint8_t *>(buffer.data);
    uint64_t bad = findBad(values, count, buffer.known, perKnown,
                           [](uint8_t byte) { return byte > 1; });
    return bad == count
               ? ROUTE_OK
               : FAIL("has bool %u at %llu, expected 0 or 1", values[bad],
                      static_cast<unsigned long long>(bad));
  }
  if (isCount(type) && type.element == ROUTE_F64)
    return checkCounts(port, static_cast<const double *>(buffer.data), count,
                       buffer.known, perKnown, error);
  if (isCount(type) && type.element == ROUTE_F32)
    return checkCounts(port, static_cast<const float *>(buffer.data), count,
                       buffer.known, perKnown, error);
  if (type.element == ROUTE_TEXT) {
    auto *values = static_cast<const route_text *>(buffer.data);
    uint64_t bad = findBad(values, count, buffer.known, perKnown,
                           [](const route_text &text) {
                             return text.size < 0 || (text.size && !text.data);
                           });
    return bad == count ? ROUTE_OK
                        : FAIL("has a text of size %lld and %s data at %llu",
                               static_cast<long long>(values[bad].size),
                               values[bad].data ? "some" : "no",
                               static_cast<unsigned long long>(bad));
  }
  int64_t low = 0, high;
  if (type.enumeration >= 0) {
    high = static_cast<int64_t>(module.enums[type.enumeration].num_members);
  } else if (type.rows_of >= 0) {
    const route_axis_desc &axis = module.axes[type.rows_of];
    high = sizes[type.rows_of] >= 0 ? sizes[type.rows_of] : axis.max_size;
    // No tensor carries the places of a plan: they follow from the sizes.
    if (sizes[type.rows_of] < 0 && axis.derived_size)
      high = axis.derived_size(sizes);
    if (high < 0)
      high = INT32_MAX;
    if (port.role == ROUTE_ROLE_PLAN_INDEX)
      low = -1; // rows past a plan's count
  } else if (port.role == ROUTE_ROLE_PLAN_COUNT) {
    high = planRows(entry, port.subject, sizes) + 1;
  } else {
    return ROUTE_OK;
  }
  auto *values = static_cast<const int32_t *>(buffer.data);
  uint64_t bad =
      findBad(values, count, buffer.known, perKnown,
              [=](int32_t value) { return (value < low) | (value >= high); });
  return bad == count ? ROUTE_OK
                      : FAIL("has member %d at %llu, expected %lld to %lld",
                             values[bad], static_cast<unsigned long long>(bad),
                             static_cast<long long>(low),
                             static_cast<long long>(high) - 1);
}
