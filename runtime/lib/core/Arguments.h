// Checking tensors before generated code sees them.
// Generated code validates nothing: this is where a host's mistake is found,
// axis by axis, without allocating.
#ifndef ROUTE_LIB_CORE_ARGUMENTS_H
#define ROUTE_LIB_CORE_ARGUMENTS_H

#include "CheckModule.h"
#include "Context.h"

namespace route {

/// A call's arguments as an entry function takes them. Lives on the stack;
/// nothing of it is read before it is written.
struct Arguments {
  int64_t sizes[ROUTE_MAX_AXES];
  route_buffer buffers[ROUTE_MAX_PORTS]; // inputs, then outputs
  bool onDevice;
};

/// Part of the workspace from which absent arguments are made up.
struct Scratch {
  char *cursor;
  uint64_t left;
};

/// Checks shapes, types and placement and fills sizes and the buffers that have
/// tensors. With `partial`, outputs may be absent and axes unknown.
route_status checkArguments(const route_context &context, uint32_t entry,
                            const route_call &call, bool partial,
                            Arguments &arguments, route_error *error);

/// Makes up absent arguments in `scratch`, which is memory of the host, and
/// checks values there. Errors: WORKSPACE, TENSOR_VALUE; TENSOR_MISSING for
/// what would have to be made up on a GPU.
route_status completeArguments(const route_context &context, uint32_t entry,
                               const route_call &call, Scratch scratch,
                               Arguments &arguments, route_error *error);

/// Bytes of scratch that completeArguments may need at these sizes, for the
/// ports among `which` (inputs first; all where it is empty); false where that
/// overflows.
bool scratchBytes(const route_entry_desc &entry, const int64_t *sizes,
                  const std::vector<bool> &which, uint64_t &bytes);
/// Bytes of all arrays of an entry at these sizes, each from a multiple of 64
/// on: what copies of a call's arguments take, or what it leaves out in their
/// place; false where that overflows.
bool copyBytes(const route_entry_desc &entry, const int64_t *sizes,
               uint64_t &bytes);

/// Whether a tensor has the type of an element.
bool fitsType(const route_tensor &tensor, uint32_t element);
/// The name of the element that a tensor has the type of, for messages.
const char *tensorTypeName(const route_tensor &tensor);
/// Elements of a tensor whose strides are row-major; negative where they are
/// not or the bytes overflow.
int64_t contiguousElements(const route_tensor &tensor, uint64_t elementSize);

/// Number of elements of a port, or of the positions its known bytes are over.
inline uint64_t countElements(const route_port_desc &port, const int64_t *sizes,
                              uint64_t numAxes) {
  uint64_t count = 1;
  for (uint64_t i = 0; i < numAxes; ++i)
    count *= static_cast<uint64_t>(sizes[port.axes[i]]);
  return port.role == ROUTE_ROLE_OFFSETS ? count + 1 : count;
}
inline uint64_t countElements(const route_port_desc &port,
                              const int64_t *sizes) {
  return countElements(port, sizes, port.num_axes);
}
inline uint64_t countKnown(const route_port_desc &port, const int64_t *sizes) {
  return countElements(port, sizes, port.known_axes);
}
/// By the number that host_ports counts in: inputs, then outputs.
inline const route_port_desc &portOf(const route_entry_desc &entry,
                                     uint64_t port) {
  return port < entry.num_inputs ? entry.inputs[port]
                                 : entry.outputs[port - entry.num_inputs];
}
inline bool mayBeUnknown(const route_port_desc &port) {
  return port.type.flags & ROUTE_TYPE_MAY_BE_UNKNOWN;
}

/// Checks the values that generated code indexes by: rows, members, offsets,
/// bools, texts. Errors: TENSOR_VALUE.
route_status checkValues(const route_module_desc &module,
                         const route_entry_desc &entry,
                         const route_port_desc &port,
                         const route_buffer &buffer, const int64_t *sizes,
                         route_error *error);

} // namespace route

#endif // ROUTE_LIB_CORE_ARGUMENTS_H
