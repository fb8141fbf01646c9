// Errors and checked arithmetic of the runtime.
// Fills messages in place, so that a failing call allocates nothing either.
#include "Support.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>

using namespace route;

/// Where a text of `size` bytes may be cut without splitting a UTF-8 sequence.
static size_t cutPoint(const char *text, size_t size) {
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80)
    --size;
  return size;
}

route_status route::fail(route_error *error, route_status code,
                         const char *format, ...) {
  if (!error)
    return code;
  error->code = code;
  va_list arguments;
  va_start(arguments, format);
  int length =
      vsnprintf(error->message, sizeof(error->message), format, arguments);
  va_end(arguments);
  if (length < 0)
    error->message[0] = '\0';
  if (length >= static_cast<int>(sizeof(error->message))) {
    size_t end = cutPoint(error->message, sizeof(error->message) - 4);
    memcpy(error->message + end, "...", 4);
  }
  for (char *c = error->message; *c; ++c)
    if (static_cast<unsigned char>(*c) < 0x20 || *c == 0x7f)
      *c = '?';
  return code;
}

namespace {
/// Appends pieces to a fixed text and ends it with "..." when it is full.
struct Appender {
  char *text;
  size_t capacity;
  size_t used = 0;

  [[gnu::format(printf, 2, 3)]] bool operator()(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text + used, capacity - used, format, arguments);
    va_end(arguments);
    if (length >= 0 && used + static_cast<size_t>(length) < capacity - 8) {
      used += static_cast<size_t>(length);
      return true;
    }
    memcpy(text + used, "...", 4);
    used += 3;
    return false;
  }
};
} // namespace

ShapeText::ShapeText(const int64_t *shape, uint64_t rank) {
  Appender append{text, sizeof(text)};
  append("[");
  for (uint64_t i = 0; i < rank; ++i)
    if (!append(i ? ", %lld" : "%lld", static_cast<long long>(shape[i])))
      break;
  append("]");
}

ShapeText::ShapeText(const route_module_desc &module, const uint32_t *axes,
                     uint64_t rank) {
  Appender append{text, sizeof(text)};
  append("[");
  for (uint64_t i = 0; i < rank; ++i) {
    const route_axis_desc &axis = module.axes[axes[i]];
    const char *separator = i ? ", " : "";
    bool fits = axis.size < 0 ? append("%s%.60s", separator, axis.name)
                              : append("%s%.60s=%lld", separator, axis.name,
                                       static_cast<long long>(axis.size));
    if (!fits)
      break;
  }
  append("]");
}

bool AlignedMemory::allocate(uint64_t size) {
  free(data);
  data = nullptr;
  if (size > INT64_MAX - (4 << 20))
    return false;
  // Weights of gigabytes are read end to end: huge pages spare the TLB.
  constexpr uint64_t hugePage = 2 << 20;
  uint64_t alignment = size >= 2 * hugePage ? hugePage : 64;
  uint64_t rounded = size ? (size + alignment - 1) & ~(alignment - 1) : 64;
  data = static_cast<char *>(aligned_alloc(alignment, rounded));
  if (!data)
    return false;
  if (alignment == hugePage)
    madvise(data, rounded, MADV_HUGEPAGE);
  memset(data, 0, rounded);
  return true;
}

AlignedMemory &AlignedMemory::operator=(AlignedMemory &&other) noexcept {
  char *taken = other.data;
  other.data = nullptr;
  free(data);
  data = taken;
  return *this;
}

AlignedMemory::~AlignedMemory() { free(data); }

extern "C" const char *route_version(void) { return ROUTE_VERSION; }

extern "C" const char *route_status_name(int32_t status) {
#define CASE(NAME)                                                             \
  case NAME:                                                                   \
    return #NAME;
  switch (status) {
    CASE(ROUTE_OK)
    CASE(ROUTE_ERROR_ARGUMENT)
    CASE(ROUTE_ERROR_MEMORY)
    CASE(ROUTE_ERROR_FILE)
    CASE(ROUTE_ERROR_NOT_A_MODULE)
    CASE(ROUTE_ERROR_ABI_VERSION)
    CASE(ROUTE_ERROR_DESCRIPTOR)
    CASE(ROUTE_ERROR_CPU)
    CASE(ROUTE_ERROR_NO_ENTRY)
    CASE(ROUTE_ERROR_ENTRY_KIND)
    CASE(ROUTE_ERROR_TRUNCATED)
    CASE(ROUTE_ERROR_HEADER)
    CASE(ROUTE_ERROR_OVERLAP)
    CASE(ROUTE_ERROR_DUPLICATE)
    CASE(ROUTE_ERROR_PARAM_MISSING)
    CASE(ROUTE_ERROR_PARAM_EXTRA)
    CASE(ROUTE_ERROR_PARAM_SHAPE)
    CASE(ROUTE_ERROR_PARAM_TYPE)
    CASE(ROUTE_ERROR_ARGUMENT_COUNT)
    CASE(ROUTE_ERROR_TENSOR_MISSING)
    CASE(ROUTE_ERROR_TENSOR_TYPE)
    CASE(ROUTE_ERROR_TENSOR_RANK)
    CASE(ROUTE_ERROR_TENSOR_SHAPE)
    CASE(ROUTE_ERROR_TENSOR_STRIDES)
    CASE(ROUTE_ERROR_TENSOR_DEVICE)
    CASE(ROUTE_ERROR_TENSOR_ALIGNMENT)
    CASE(ROUTE_ERROR_TENSOR_VALUE)
    CASE(ROUTE_ERROR_KNOWN)
    CASE(ROUTE_ERROR_WORKSPACE)
    CASE(ROUTE_ERROR_ENTRY_FAILED)
    CASE(ROUTE_ERROR_AXIS)
    CASE(ROUTE_ERROR_NO_STATE)
    CASE(ROUTE_ERROR_TRACE_SPACE)
    CASE(ROUTE_ERROR_TRACE_FORMAT)
    CASE(ROUTE_ERROR_TRACE_MODULE)
    CASE(ROUTE_ERROR_REPLAY_MISMATCH)
    CASE(ROUTE_ERROR_DRIVER)
    CASE(ROUTE_ERROR_DEVICE)
    CASE(ROUTE_ERROR_RECORD)
  }
#undef CASE
  return "unknown";
}
