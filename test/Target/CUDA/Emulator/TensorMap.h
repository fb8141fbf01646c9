// What the emulator keeps in a CUtensorMap.
#ifndef ROUTE_TEST_EMULATOR_TENSORMAP_H
#define ROUTE_TEST_EMULATOR_TENSORMAP_H

#include <cstdint>

namespace emulator {

/// Axes from the innermost, whose elements lie side by side.
struct TensorMap {
  uint64_t address, sizes[5], strides[5]; ///< strides in bytes
  uint32_t box[5];
  uint16_t rank, bytes; ///< bytes an element
};
static_assert(sizeof(TensorMap) <= 128);

} // namespace emulator

#endif // ROUTE_TEST_EMULATOR_TENSORMAP_H
