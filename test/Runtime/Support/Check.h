// Checks and builders for the runtime's tests.
// A failed check says where, what was found and what was expected, and makes
// the test exit with 1; the rest still runs.
#ifndef ROUTE_TEST_RUNTIME_CHECK_H
#define ROUTE_TEST_RUNTIME_CHECK_H

#include "route/route.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <string>
#include <vector>

namespace check {

inline int failures = 0;

inline void failed(const char *file, int line, const std::string &what) {
  ++failures;
  fprintf(stderr, "%s:%d: %s\n", file, line, what.c_str());
}

template <typename T> std::string show(const T &value) {
  if constexpr (std::is_convertible_v<T, std::string>)
    return "'" + std::string(value) + "'";
  else
    return std::to_string(value);
}

template <typename A, typename B>
void equal(const char *file, int line, const char *text, const A &found,
           const B &expected) {
  if (!(found == expected))
    failed(file, line,
           std::string(text) + ": found " + show(found) + ", expected " +
               show(expected));
}

/// Expects `found` with a message that contains `part`.
inline void status(const char *file, int line, route_status found,
                   const route_error &error, route_status expected,
                   const char *part) {
  std::string message = found ? error.message : "";
  if (found != expected || (found && error.code != found) ||
      message.find(part) == std::string::npos)
    failed(file, line,
           std::string("found ") + route_status_name(found) + " '" + message +
               "', expected " + route_status_name(expected) + " with '" + part +
               "'");
}

} // namespace check

#define CHECK(CONDITION)                                                       \
  do {                                                                         \
    if (!(CONDITION))                                                          \
      check::failed(__FILE__, __LINE__, "not true: " #CONDITION);              \
  } while (0)
#define CHECK_EQUAL(FOUND, EXPECTED)                                           \
  check::equal(__FILE__, __LINE__, #FOUND, FOUND, EXPECTED)
/// CALL may use `error`.
#define CHECK_STATUS(CALL, CODE, PART)                                         \
  do {                                                                         \
    route_error error = {};                                                    \
    route_status found = (CALL);                                               \
    check::status(__FILE__, __LINE__, found, error, CODE, PART);               \
  } while (0)
#define CHECK_OK(CALL) CHECK_STATUS(CALL, ROUTE_OK, "")
/// Like CHECK_OK where nothing later makes sense without.
#define REQUIRE_OK(CALL)                                                       \
  do {                                                                         \
    route_error error = {};                                                    \
    if (route_status found = (CALL)) {                                         \
      fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__,                   \
              route_status_name(found), error.message);                        \
      exit(1);                                                                 \
    }                                                                          \
  } while (0)

/// Element of a C++ type.
template <typename T> struct ElementOf;
template <> struct ElementOf<bool> {
  static constexpr uint32_t value = ROUTE_BOOL;
};
template <> struct ElementOf<uint8_t> {
  static constexpr uint32_t value = ROUTE_U8;
};
template <> struct ElementOf<int32_t> {
  static constexpr uint32_t value = ROUTE_I32;
};
template <> struct ElementOf<uint32_t> {
  static constexpr uint32_t value = ROUTE_U32;
};
template <> struct ElementOf<int64_t> {
  static constexpr uint32_t value = ROUTE_I64;
};
template <> struct ElementOf<uint64_t> {
  static constexpr uint32_t value = ROUTE_U64;
};
template <> struct ElementOf<float> {
  static constexpr uint32_t value = ROUTE_F32;
};
template <> struct ElementOf<double> {
  static constexpr uint32_t value = ROUTE_F64;
};
template <> struct ElementOf<route_text> {
  static constexpr uint32_t value = ROUTE_TEXT;
};

/// A tensor that owns its elements; not copied, since `tensor` points inside.
template <typename T> struct Array {
  std::vector<T> values;
  std::vector<int64_t> shape;
  route_tensor tensor = {};

  explicit Array(std::vector<int64_t> sizes, std::vector<T> given = {})
      : values(std::move(given)), shape(std::move(sizes)) {
    size_t count = 1;
    for (int64_t size : shape)
      count *= static_cast<size_t>(size);
    values.resize(count);
    tensor.data = values.data();
    tensor.device.device_type =
        static_cast<decltype(tensor.device.device_type)>(ROUTE_DEVICE_CPU);
    tensor.ndim = static_cast<int32_t>(shape.size());
    tensor.dtype = route_element_dtype(ElementOf<T>::value);
    tensor.shape = shape.data();
  }
  Array(const Array &) = delete;
  Array &operator=(const Array &) = delete;
  T &operator[](size_t i) { return values[i]; }
};

/// Bytes aligned as a workspace must be.
struct Workspace {
  explicit Workspace(uint64_t size)
      : size((size + 63) / 64 * 64),
        data(this->size ? aligned_alloc(64, this->size) : nullptr) {
    // What was there before must not matter.
    if (data)
      memset(data, 0xa5, this->size);
  }
  ~Workspace() { free(data); }
  Workspace(const Workspace &) = delete;
  uint64_t size;
  void *data;
};

/// The test's verdict.
inline int finish(const char *name) {
  if (check::failures)
    fprintf(stderr, "%s: %d checks failed\n", name, check::failures);
  else
    printf("%s: ok\n", name);
  return check::failures ? 1 : 0;
}

#endif // ROUTE_TEST_RUNTIME_CHECK_H
