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

/// A call of an entry with arguments that have been checked.
class EntryCall {
public:
  EntryCall(const route_context &context, uint32_t entry,
            const route_call &call, Arguments &arguments);

  /// All that can be done without state: looks at everything that may be
  /// refused, makes up what the call leaves out, and runs the part for the host
  /// of an entry for a GPU. Nobody else waits meanwhile.
  route_status prepare(route_error *error);
  /// Runs the entry on `state`, tracing where the call asks for it.
  route_status run(StateView state, route_error *error);

private:
  route_status check(route_error *error);

  const route_context &context;
  const uint32_t index;
  const route_call &call;
  Arguments &arguments;
  const EntryInfo &info;
  const route_entry_desc &entry;
  const route_variant_desc *variant;
  DeviceCall device; ///< does nothing in a call on the CPU
  route_env env;
  /// A default or two of a single item need no workspace of the caller's.
  alignas(64) char small[512];
};

/// A route_parallel_fn: all in the calling thread.
void runInline(void *pool, int64_t count, int64_t grain, route_body_fn body,
               void *argument);

/// Threads of a pool, the calling one included.
int64_t countWorkers(const route_threads *threads);
/// The workers that a call has. Errors: ARGUMENT.
route_status workersOf(const route_call &call, int64_t &workers,
                       route_error *error);

/// Bytes of workspace for complete sizes. Errors: WORKSPACE on overflow.
route_status workspaceBytes(const route_context &context, uint32_t entry,
                            const int64_t *sizes, int64_t workers,
                            uint64_t &own, uint64_t &total, route_error *error);

/// Bytes of the host's memory that a call with tensors on a GPU needs: its own,
/// and with what may have to be made up or copied. Errors: WORKSPACE on
/// overflow.
route_status hostWorkspaceBytes(const route_context &context, uint32_t entry,
                                const int64_t *sizes, int64_t workers,
                                uint64_t &own, uint64_t &total,
                                route_error *error);

/// Checks a workspace of which the entry needs `own` bytes, and gives what is
/// left of it; `rest` stays as it is where nothing is. Errors: WORKSPACE.
route_status takeWorkspace(const char *entry, const char *which, void *memory,
                           uint64_t size, uint64_t own, Scratch &rest,
                           route_error *error);

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
