// Arguments of a call that own their memory.
// What the tools read from files, hand to a call and write to files again.
#ifndef ROUTE_IO_VALUES_H
#define ROUTE_IO_VALUES_H

#include "route/route.h"

#include <deque>
#include <string>
#include <vector>

namespace route {

/// A value of one port. `bytes` holds row-major elements (route_text for text,
/// whose characters lie in the owner's `texts`), `known` one byte for each
/// position of the port's known axes where it may be unknown.
struct Value {
  bool given = false; ///< otherwise the call gets no tensor
  std::vector<int64_t> shape;
  std::vector<uint64_t> storage; ///< aligned to 8 bytes
  uint64_t size = 0;             ///< bytes in use
  std::vector<uint8_t> known;

  char *bytes() { return reinterpret_cast<char *>(storage.data()); }
  const char *bytes() const {
    return reinterpret_cast<const char *>(storage.data());
  }
  /// Appends zeroed bytes and returns the first; valid until the next one.
  char *grow(uint64_t count);

  route_tensor tensor = {}, knownTensor = {}; ///< made by Values::arguments
};

/// Values of all inputs, or all outputs, of an entry. Not copied: tensors point
/// inside.
class Values {
public:
  Values(const route_port_desc *ports, uint64_t count)
      : ports(ports), values(count) {}
  Values(Values &&) = default;

  const route_port_desc *ports;
  std::vector<Value> values;
  std::deque<std::string> texts; ///< what texts point to

  /// Makes tensors of the values; valid until a value changes.
  const route_argument *arguments();

  /// Allocates every value at these complete axis sizes. Errors: AXIS, MEMORY.
  route_status allocate(const route_module *module, const int64_t *axisSizes,
                        route_error *error);

private:
  std::vector<route_argument> made;
};

} // namespace route

#endif // ROUTE_IO_VALUES_H
