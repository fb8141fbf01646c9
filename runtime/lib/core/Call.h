// One call, live or replayed.
// Deciding, emitting and replaying are one mechanism that differs in where the
// state comes from.
#ifndef ROUTE_LIB_CORE_CALL_H
#define ROUTE_LIB_CORE_CALL_H

#include "Arguments.h"

namespace route {

/// Cells as an entry sees them; `before` and `pointers` differ in nothing but
/// constness where the entry is no event.
struct StateView {
  void *const *pointers;
  uint64_t epoch;
  route_changes *changes = nullptr; ///< of an event that is live
};

/// Checks the call's arguments and runs the entry on `state`, tracing where the
/// call asks for it.
route_status runCall(const route_context &context, uint32_t entry,
                     const route_call &call, StateView state,
                     route_error *error);

/// Threads of a pool, the calling one included.
int64_t countWorkers(const route_threads *threads);

/// Bytes of workspace for complete sizes. Errors: WORKSPACE on overflow.
route_status workspaceBytes(const route_context &context, uint32_t entry,
                            const int64_t *sizes, int64_t workers,
                            uint64_t &own, uint64_t &total, route_error *error);

/// Appends to a trace piece by piece; counts on past the end of its buffer.
class TraceWriter {
public:
  explicit TraceWriter(route_trace &trace) : trace(trace) {}

  /// Header, sizes, inputs and the state the entry sees.
  void begin(const route_context &context, uint32_t entry,
             const route_call &call, const Arguments &arguments,
             StateView state);
  /// Outputs and the state the entry wrote. Errors: TRACE_SPACE.
  route_status end(const route_context &context, uint32_t entry,
                   const Arguments &arguments, StateView state,
                   route_error *error);

private:
  void bytes(const void *data, uint64_t size);
  void port(const route_port_desc &port, const route_buffer &buffer,
            const int64_t *sizes);
  void cells(const route_context &context, std::span<const uint32_t> list,
             StateView state);

  route_trace &trace;
};

} // namespace route

#endif // ROUTE_LIB_CORE_CALL_H
