// Deciding, forwarding and emitting.
// The hot path: check, choose the variant, call. No allocation and, but for
// events, no lock.
#include "Call.h"
#include "HostCopies.h"

using namespace route;

void route::runInline(void *, int64_t count, int64_t, route_body_fn body,
                      void *argument) {
  if (count > 0)
    body(argument, 0, count, 0);
}

/// Entries tell of sizes that no call may have by the largest number of bytes.
static bool isTooLarge(uint64_t bytes) { return bytes > INT64_MAX - 64; }

static route_status failAsTooLarge(const char *entry, const char *which,
                                   route_error *error) {
  return fail(
      error, ROUTE_ERROR_WORKSPACE,
      "entry '%.100s' takes no call of these sizes: 2^31 items or slots "
      "(items x chosen) or more are to be put in order, or its "
      "%sworkspace has 2^63 bytes or more",
      entry, which);
}

route_status route::workspaceBytes(const route_context &context, uint32_t index,
                                   const int64_t *sizes, int64_t workers,
                                   uint64_t &own, uint64_t &total,
                                   route_error *error) {
  const route_entry_desc &entry = context.desc().entries[index];
  own = entry.workspace_size ? entry.workspace_size(sizes, workers) : 0;
  uint64_t scratch = 0;
  if (isTooLarge(own) || !scratchBytes(entry, sizes, {}, scratch) ||
      !add(alignUp(own), scratch, total))
    return failAsTooLarge(entry.name, "", error);
  own = alignUp(own);
  return ROUTE_OK;
}

route_status route::hostWorkspaceBytes(const route_context &context,
                                       uint32_t index, const int64_t *sizes,
                                       int64_t workers, uint64_t &own,
                                       uint64_t &total, route_error *error) {
  const EntryInfo &info = context.entries[index];
  const bool copied = context.runsOnCopies(index);
  own = total = 0;
  if (!info.beginsOnHost && !copied)
    return ROUTE_OK;
  const route_entry_desc &entry = context.desc().entries[index];
  auto bytes = copied ? entry.workspace_size : info.cuda->host_workspace_size;
  if (bytes)
    own = bytes(sizes, workers);
  uint64_t arrays = 0;
  if (isTooLarge(own) ||
      !(copied ? copyBytes(entry, sizes, arrays)
               : scratchBytes(entry, sizes, info.hostPorts, arrays)) ||
      !add(alignUp(own), arrays, total))
    return failAsTooLarge(entry.name, "host ", error);
  own = alignUp(own);
  return ROUTE_OK;
}

route_status route::takeWorkspace(const char *entry, const char *which,
                                  void *memory, uint64_t size, uint64_t own,
                                  Scratch &rest, route_error *error) {
  if (reinterpret_cast<uintptr_t>(memory) % 64 || (size && !memory))
    return fail(error, ROUTE_ERROR_WORKSPACE,
                "the %sworkspace is not aligned to 64 bytes, or null", which);
  if (own > size)
    return fail(error, ROUTE_ERROR_WORKSPACE,
                "the %sworkspace has %llu bytes, entry '%.100s' needs %llu",
                which, static_cast<unsigned long long>(size), entry,
                static_cast<unsigned long long>(own));
  uint64_t used = alignUp(own);
  if (used < size)
    rest = {static_cast<char *>(memory) + used, size - used};
  return ROUTE_OK;
}

route_status route::workersOf(const route_call &call, int64_t &workers,
                              route_error *error) {
  workers = call.parallel_for ? call.workers : 1;
  if (workers < 1)
    return fail(error, ROUTE_ERROR_ARGUMENT, "the call has %lld workers",
                static_cast<long long>(workers));
  if (call.parallel_for == route_threads_run) {
    // A worker's number beyond `workers` would use workspace that is not there.
    if (!call.pool)
      return fail(error, ROUTE_ERROR_ARGUMENT, "the call has no thread pool");
    auto *threads = static_cast<const route_threads *>(call.pool);
    if (countWorkers(threads) > workers)
      return fail(error, ROUTE_ERROR_ARGUMENT,
                  "the call has %lld workers, its thread pool %lld",
                  static_cast<long long>(workers),
                  static_cast<long long>(countWorkers(threads)));
  }
  return ROUTE_OK;
}

EntryCall::EntryCall(const route_context &context, uint32_t index,
                     const route_call &call, Arguments &arguments)
    : context(context), index(index), call(call), arguments(arguments),
      info(context.entries[index]), entry(context.desc().entries[index]),
      variant(arguments.onDevice ? info.cuda : info.cpu),
      device(arguments.onDevice ? context.device.get() : nullptr, call.stream) {
}

/// What a call may be refused for besides its arguments.
route_status EntryCall::check(route_error *error) {
  if (!variant && !context.execute)
    return fail(error, ROUTE_ERROR_TENSOR_DEVICE,
                "entry '%.100s' has no variant for tensors on the %s",
                entry.name, arguments.onDevice ? "GPU" : "CPU");
  if (!arguments.onDevice) {
    if (const char *param = context.params.onGpuAlone())
      return fail(error, ROUTE_ERROR_PARAM_MISSING,
                  "entry '%.100s' runs on the CPU, and parameter '%.100s' was "
                  "given on a GPU: make the context with "
                  "ROUTE_CONTEXT_HOST_COPIES",
                  entry.name, param);
    return ROUTE_OK;
  }
  if (!context.device)
    return fail(error, ROUTE_ERROR_TENSOR_DEVICE,
                "the tensors are on a GPU, and the context was made without "
                "ROUTE_CONTEXT_CUDA");
  if (call.trace)
    return fail(error, ROUTE_ERROR_TENSOR_DEVICE,
                "a call on the GPU cannot be traced");
  return info.beginsOnHost ? device.refuseCapture(entry.name, error) : ROUTE_OK;
}

route_status EntryCall::prepare(route_error *error) {
  int64_t workers;
  if (route_status status = workersOf(call, workers, error))
    return status;
  uint64_t own =
      entry.workspace_size ? entry.workspace_size(arguments.sizes, workers) : 0;
  if (isTooLarge(own))
    return failAsTooLarge(entry.name, "", error);
  Scratch scratch = {small, sizeof(small)}, unused = {};
  if (route_status status =
          takeWorkspace(entry.name, "", call.workspace, call.workspace_size,
                        own, arguments.onDevice ? unused : scratch, error))
    return status;
  if (arguments.onDevice) {
    // What a call leaves out cannot be made up on a GPU.
    uint64_t total = 0;
    if (route_status status = hostWorkspaceBytes(
            context, index, arguments.sizes, workers, own, total, error))
      return status;
    if (route_status status =
            takeWorkspace(entry.name, "host ", call.host_workspace,
                          call.host_workspace_size, own, scratch, error))
      return status;
  }
  if (route_status status =
          completeArguments(context, index, call, scratch, arguments, error))
    return status;
  if (route_status status = check(error))
    return status;

  env = {sizeof(route_env),
         call.parallel_for ? call.parallel_for : runInline,
         call.pool,
         workers,
         call.seed,
         call.now,
         call.stream,
         arguments.onDevice ? &device : nullptr,
         nullptr};
  if (!arguments.onDevice || context.execute || !variant->host_fn)
    return ROUTE_OK;
  const route_invocation invocation = {arguments.sizes,
                                       arguments.buffers,
                                       arguments.buffers + entry.num_inputs,
                                       nullptr,
                                       nullptr,
                                       call.host_workspace,
                                       &env,
                                       nullptr};
  if (int32_t result = variant->host_fn(&invocation))
    return fail(error, ROUTE_ERROR_ENTRY_FAILED,
                "the part of entry '%.100s' for the CPU failed with code %d",
                entry.name, result);
  return ROUTE_OK;
}

route_status EntryCall::run(StateView state, route_error *error) {
  const route_module_desc &module = context.desc();
  env.changes = state.changes;
  const route_invocation invocation = {
      arguments.sizes,
      arguments.buffers,
      arguments.buffers + entry.num_inputs,
      arguments.onDevice ? context.device->params()
                         : context.params.addresses(),
      state.pointers,
      call.workspace,
      &env,
      arguments.onDevice ? call.host_workspace : nullptr};
  if (call.trace) {
    call.trace->size = 0;
    TraceWriter(*call.trace).begin(context, index, call, arguments, state);
  }
  int32_t result =
      context.execute
          ? context.execute(context.executeUser, &module, index, &invocation)
          : variant->fn(&invocation);
  if (arguments.onDevice)
    if (route_status status = device.finish(entry.name, error))
      return status;
  if (result != 0)
    return fail(error, ROUTE_ERROR_ENTRY_FAILED,
                "entry '%.100s' failed with code %d", entry.name, result);
  if (!call.trace)
    return ROUTE_OK;
  return TraceWriter(*call.trace).end(context, index, arguments, state, error);
}

static route_status checkCall(const route_context *context, uint32_t entry,
                              const route_call *call, bool event,
                              route_error *error) {
  if (!context || !call)
    return fail(error, ROUTE_ERROR_ARGUMENT, "context or call is null");
  if (call->struct_size != sizeof(route_call))
    return fail(error, ROUTE_ERROR_ARGUMENT,
                "the call has struct size %llu, expected %zu",
                static_cast<unsigned long long>(call->struct_size),
                sizeof(route_call));
  if (entry >= context->entries.size())
    return fail(error, ROUTE_ERROR_NO_ENTRY,
                "there is no entry %u, the module has %zu", entry,
                context->entries.size());
  const route_entry_desc &desc = context->desc().entries[entry];
  if (event != (desc.kind == ROUTE_ENTRY_EVENT))
    return fail(error, ROUTE_ERROR_ENTRY_KIND, "entry '%.100s' is %s event",
                desc.name, event ? "no" : "an");
  if (call->trace && call->trace->capacity && !call->trace->data)
    return fail(error, ROUTE_ERROR_ARGUMENT, "the trace buffer is null");
  return ROUTE_OK;
}

/// Runs a call on the state as it is.
static route_status decide(route_context &context, uint32_t entry,
                           const route_call &call, Arguments &arguments,
                           route_error *error) {
  const route_entry_desc &desc = context.desc().entries[entry];
  EntryCall prepared(context, entry, call, arguments);
  if (route_status status = prepared.prepare(error))
    return status;
  if (desc.num_reads == 0)
    return prepared.run({nullptr, 0}, error);
  if (arguments.onDevice && context.deviceState) {
    DeviceState::Use use(*context.deviceState, call.stream);
    if (route_status status = use.read(error))
      return status;
    return prepared.run({use.addresses(), context.state.epoch()}, error);
  }
  if (route_status status =
          context.state.catchUp(table(desc.reads, desc.num_reads), error))
    return status;
  State::Snapshot snapshot(context.state);
  return prepared.run({snapshot.addresses(), snapshot.epoch()}, error);
}

/// The same of an event, which changes the state.
static route_status emit(route_context &context, uint32_t entry,
                         const route_call &call, Arguments &arguments,
                         route_error *error) {
  const route_entry_desc &desc = context.desc().entries[entry];
  std::span<const uint32_t> writes = table(desc.writes, desc.num_writes);
  EntryCall prepared(context, entry, call, arguments);
  if (route_status status = prepared.prepare(error))
    return status;
  if (arguments.onDevice && context.deviceState) {
    State::Turn turn(context.state);
    DeviceState::Use use(*context.deviceState, call.stream);
    if (route_status status = use.change(writes, error))
      return status;
    if (route_status status =
            prepared.run({use.addresses(), context.state.epoch()}, error))
      return status;
    return use.publish(error);
  }
  State::Update update(context.state, writes);
  if (route_status status =
          update.open(table(desc.reads, desc.num_reads), error))
    return status;
  if (route_status status = prepared.run(
          {update.addresses(), update.epoch(), update.changes()}, error))
    return status;
  update.publish();
  return ROUTE_OK;
}

/// Checks a call's arguments and runs it, on copies of them where the entry
/// runs on the CPU for tensors on a GPU.
static route_status perform(decltype(decide) &run, route_context &context,
                            uint32_t entry, const route_call &call,
                            route_error *error) {
  Arguments arguments;
  if (route_status status =
          checkArguments(context, entry, call, false, arguments, error))
    return status;
  if (!arguments.onDevice || !context.runsOnCopies(entry))
    return run(context, entry, call, arguments, error);
  HostCopies copies(context, entry, call, arguments);
  if (route_status status = copies.bring(error))
    return status;
  const route_status status =
      run(context, entry, copies.call(), arguments, error);
  // A trace that does not fit is no reason to keep the results back.
  if (status != ROUTE_OK && status != ROUTE_ERROR_TRACE_SPACE)
    return status;
  if (route_status failure = copies.giveBack(error))
    return failure;
  return status;
}

extern "C" route_status route_decide(route_context *context, uint32_t entry,
                                     const route_call *call,
                                     route_error *error) {
  if (route_status status = checkCall(context, entry, call, false, error))
    return status;
  return perform(decide, *context, entry, *call, error);
}

extern "C" route_status route_forward(route_context *context, uint32_t entry,
                                      const route_call *call,
                                      route_error *error) {
  return route_decide(context, entry, call, error);
}

extern "C" route_status route_emit(route_context *context, uint32_t entry,
                                   const route_call *call, route_error *error) {
  if (route_status status = checkCall(context, entry, call, true, error))
    return status;
  return perform(emit, *context, entry, *call, error);
}

extern "C" route_status route_call_sizes(const route_context *context,
                                         uint32_t entry, const route_call *call,
                                         int64_t *axis_sizes,
                                         route_error *error) {
  if (!context || !call || !axis_sizes)
    return fail(error, ROUTE_ERROR_ARGUMENT, "context, call or sizes are null");
  bool event = entry < context->entries.size() &&
               context->desc().entries[entry].kind == ROUTE_ENTRY_EVENT;
  if (route_status status = checkCall(context, entry, call, event, error))
    return status;
  Arguments arguments;
  if (route_status status =
          checkArguments(*context, entry, *call, true, arguments, error))
    return status;
  for (uint64_t i = 0; i < context->desc().num_axes; ++i)
    axis_sizes[i] = arguments.sizes[i];
  return ROUTE_OK;
}

extern "C" route_status route_complete_sizes(const route_module *module,
                                             uint32_t entry,
                                             int64_t *axis_sizes,
                                             route_error *error) {
  if (!module || !axis_sizes)
    return fail(error, ROUTE_ERROR_ARGUMENT, "module or sizes are null");
  const route_module_desc &desc = *module->descriptor;
  if (entry >= desc.num_entries)
    return fail(error, ROUTE_ERROR_NO_ENTRY,
                "there is no entry %u, the module has %llu", entry,
                static_cast<unsigned long long>(desc.num_entries));
  EntryInfo info(desc, desc.entries[entry], 0);
  for (uint64_t i = 0; i < desc.num_axes; ++i)
    if (info.baseSizes[i] >= 0 || axis_sizes[i] < 0)
      axis_sizes[i] = info.baseSizes[i];
  return deriveSizes(desc, info.dynamicAxes, axis_sizes, true, error);
}

extern "C" route_status route_port_shape(const route_module *module,
                                         const route_port_desc *port,
                                         const int64_t *axis_sizes,
                                         int64_t *shape, route_error *error) {
  if (!module || !port || !axis_sizes || (port->num_axes && !shape))
    return fail(error, ROUTE_ERROR_ARGUMENT,
                "module, port, sizes or shape is null");
  for (uint64_t i = 0; i < port->num_axes; ++i) {
    uint32_t axis = port->axes[i];
    if (axis_sizes[axis] < 0)
      return fail(error, ROUTE_ERROR_AXIS, "axis '%.100s' has no size",
                  module->descriptor->axes[axis].name);
    shape[i] = axis_sizes[axis] + (port->role == ROUTE_ROLE_OFFSETS ? 1 : 0);
  }
  return ROUTE_OK;
}

/// What tells the bytes of a workspace, the entry's own and all.
using WorkspaceFn = route_status (*)(const route_context &, uint32_t,
                                     const int64_t *, int64_t, uint64_t &,
                                     uint64_t &, route_error *);

static route_status sizeOfCall(WorkspaceFn bytes, const route_context *context,
                               uint32_t entry, const int64_t *axis_sizes,
                               int64_t workers, uint64_t *size,
                               route_error *error) {
  if (!context || !axis_sizes || !size || workers < 1)
    return fail(error, ROUTE_ERROR_ARGUMENT,
                "context, sizes or size is null, or workers below 1");
  if (entry >= context->entries.size())
    return fail(error, ROUTE_ERROR_NO_ENTRY,
                "there is no entry %u, the module has %zu", entry,
                context->entries.size());
  for (uint32_t axis : context->entries[entry].dynamicAxes)
    if (axis_sizes[axis] < 0)
      return fail(error, ROUTE_ERROR_AXIS, "axis '%.100s' has no size",
                  context->desc().axes[axis].name);
  uint64_t own;
  return bytes(*context, entry, axis_sizes, workers, own, *size, error);
}

static route_status sizeOfAnyCall(WorkspaceFn bytes,
                                  const route_context *context, int64_t largest,
                                  int64_t workers, uint64_t *size,
                                  route_error *error) {
  if (!context || !size || largest < 0 || workers < 1)
    return fail(error, ROUTE_ERROR_ARGUMENT,
                "context or size is null, largest below 0, or workers below 1");
  const route_module_desc &desc = context->desc();
  std::vector<int64_t> sizes;
  auto most = [&](const route_axis_desc &axis) {
    return axis.max_size < 0 ? largest : std::min(largest, axis.max_size);
  };
  for (const route_axis_desc &axis : table(desc.axes, desc.num_axes))
    sizes.push_back(axis.size >= 0      ? axis.size
                    : axis.derived_size ? -1
                                        : most(axis));
  followSizes(desc, sizes.data());
  // A parent and its members, each of which follows from the other: the parent
  // stands first.
  for (uint64_t i = 0; i < desc.num_axes; ++i)
    if (sizes[i] < 0) {
      sizes[i] = most(desc.axes[i]);
      followSizes(desc, sizes.data());
    }
  *size = 0;
  for (uint32_t entry = 0; entry < context->entries.size(); ++entry) {
    uint64_t one = 0;
    if (route_status status = sizeOfCall(bytes, context, entry, sizes.data(),
                                         workers, &one, error))
      return status;
    *size = std::max(*size, one);
  }
  return ROUTE_OK;
}

extern "C" route_status route_workspace_size(const route_context *context,
                                             uint32_t entry,
                                             const int64_t *axis_sizes,
                                             int64_t workers, uint64_t *size,
                                             route_error *error) {
  return sizeOfCall(workspaceBytes, context, entry, axis_sizes, workers, size,
                    error);
}

extern "C" route_status route_workspace_max(const route_context *context,
                                            int64_t largest, int64_t workers,
                                            uint64_t *size,
                                            route_error *error) {
  return sizeOfAnyCall(workspaceBytes, context, largest, workers, size, error);
}

extern "C" route_status
route_host_workspace_size(const route_context *context, uint32_t entry,
                          const int64_t *axis_sizes, int64_t workers,
                          uint64_t *size, route_error *error) {
  return sizeOfCall(hostWorkspaceBytes, context, entry, axis_sizes, workers,
                    size, error);
}

extern "C" route_status
route_host_workspace_max(const route_context *context, int64_t largest,
                         int64_t workers, uint64_t *size, route_error *error) {
  return sizeOfAnyCall(hostWorkspaceBytes, context, largest, workers, size,
                       error);
}
