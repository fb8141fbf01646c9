// Errors and checked arithmetic of the runtime.
// Small helpers every file of the runtime needs: filling a caller's error
// without allocating, and sizes that cannot overflow.
#ifndef ROUTE_LIB_CORE_SUPPORT_H
#define ROUTE_LIB_CORE_SUPPORT_H

#include "route/route.h"

#include <algorithm>
#include <span>

namespace route {

/// Fills `error` (may be null) with a printf-formatted message and returns
/// `code`. Control characters in names become '?'. Never allocates.
[[gnu::format(printf, 3, 4), gnu::cold]] route_status
fail(route_error *error, route_status code, const char *format, ...);

/// out = a * b; false on overflow or where the product exceeds INT64_MAX.
inline bool multiply(uint64_t a, uint64_t b, uint64_t &out) {
  return !__builtin_mul_overflow(a, b, &out) && out <= INT64_MAX;
}

/// out = a + b; false on overflow or where the sum exceeds INT64_MAX.
inline bool add(uint64_t a, uint64_t b, uint64_t &out) {
  return !__builtin_add_overflow(a, b, &out) && out <= INT64_MAX;
}

/// Rounds up to a multiple of the 64 bytes that packed parameters, state and
/// workspace are aligned to. Sizes here are at most INT64_MAX.
inline uint64_t alignUp(uint64_t size) { return (size + 63) & ~uint64_t(63); }

/// A table of a descriptor, whose count the module check has bounded.
template <typename T> std::span<const T> table(const T *data, uint64_t count) {
  return {data, static_cast<size_t>(count)};
}

/// Whether an entry runs on the CPU where its tensors are on a GPU that the
/// library has code for: it has none itself.
inline bool runsOnCopies(const route_module_desc &module,
                         const route_entry_desc &entry) {
  auto variants = table(entry.variants, entry.num_variants);
  return module.device_code &&
         std::none_of(variants.begin(), variants.end(),
                      [](const route_variant_desc &variant) {
                        return variant.device == ROUTE_DEVICE_CUDA;
                      });
}

/// A shape or a list of axis names as "[3, 4]", cut when long; for messages.
struct ShapeText {
  char text[160];
  ShapeText(const int64_t *shape, uint64_t rank);
  ShapeText(const route_module_desc &module, const uint32_t *axes,
            uint64_t rank);
};

/// Zeroed memory aligned to 64 bytes, freed with it; null where there is none.
class AlignedMemory {
public:
  AlignedMemory() = default;
  AlignedMemory(AlignedMemory &&other) noexcept : data(other.data) {
    other.data = nullptr;
  }
  AlignedMemory &operator=(AlignedMemory &&other) noexcept;
  ~AlignedMemory();
  /// False where there is not enough memory. A size of zero gives 64 bytes.
  bool allocate(uint64_t size);
  char *get() const { return data; }

private:
  char *data = nullptr;
};

} // namespace route

#endif // ROUTE_LIB_CORE_SUPPORT_H
