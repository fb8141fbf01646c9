// Bound parameters, state and chosen variants.
// Everything that may fail or allocate happens here, so that calls need not.
#include "Context.h"
#include "CheckModule.h"
#include "route/io/Cells.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <new>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace route;

EntryInfo::EntryInfo(const route_module_desc &module,
                     const route_entry_desc &entry, uint64_t features) {
  for (const route_axis_desc &axis : table(module.axes, module.num_axes))
    baseSizes.push_back(axis.size);
  auto use = [&](uint32_t axis) {
    if (module.axes[axis].size < 0)
      dynamicAxes.push_back(axis);
  };
  auto usePorts = [&](std::span<const route_port_desc> ports) {
    for (const route_port_desc &port : ports) {
      for (uint32_t axis : table(port.axes, port.num_axes))
        use(axis);
      if (port.role == ROUTE_ROLE_OFFSETS)
        use(static_cast<uint32_t>(port.subject));
    }
  };
  usePorts(table(entry.inputs, entry.num_inputs));
  usePorts(table(entry.outputs, entry.num_outputs));
  std::sort(dynamicAxes.begin(), dynamicAxes.end());
  dynamicAxes.erase(std::unique(dynamicAxes.begin(), dynamicAxes.end()),
                    dynamicAxes.end());
  for (const route_variant_desc &variant :
       table(entry.variants, entry.num_variants)) {
    if (variant.features & ~features)
      continue;
    auto &slot = variant.device == ROUTE_DEVICE_CPU ? cpu : cuda;
    if (!slot)
      slot = &variant;
  }
  hostPorts.resize(entry.num_inputs + entry.num_outputs);
  if (!cuda)
    return;
  beginsOnHost = cuda->host_fn || cuda->num_host_ports;
  for (uint32_t port : table(cuda->host_ports, cuda->num_host_ports))
    hostPorts[port] = true;
}

route_status route::deriveSizes(const route_module_desc &module,
                                std::span<const uint32_t> axes, int64_t *sizes,
                                bool allKnown, route_error *error) {
  for (uint32_t index : axes) {
    const route_axis_desc &axis = module.axes[index];
    if (sizes[index] >= 0 && axis.parent >= 0) {
      // Whether or not an entry takes the parent: its members are followed.
      const route_axis_desc &parent = module.axes[axis.parent];
      if (parent.derived_size && parent.derived_size(sizes) == -2)
        return fail(error, ROUTE_ERROR_TENSOR_SHAPE,
                    "axis '%.100s' has size %lld, no multiple of what each "
                    "member of '%.100s' has",
                    axis.name, static_cast<long long>(sizes[index]),
                    parent.name);
    }
    if (axis.derived_size) {
      int64_t size = axis.derived_size(sizes);
      if (size == -2)
        continue; // refused at its members below
      if (sizes[index] >= 0 && size >= 0 && sizes[index] != size)
        return fail(error, ROUTE_ERROR_TENSOR_SHAPE,
                    "axis '%.100s' has size %lld, expected %lld", axis.name,
                    static_cast<long long>(sizes[index]),
                    static_cast<long long>(size));
      sizes[index] = size;
    }
    if (sizes[index] < 0 && (allKnown || axis.derived_size))
      return fail(error, ROUTE_ERROR_AXIS,
                  "the size of axis '%.100s' cannot be told from the tensors",
                  axis.name);
    if (axis.max_size >= 0 && sizes[index] > axis.max_size)
      return fail(error, ROUTE_ERROR_AXIS,
                  "axis '%.100s' has size %lld, at most %lld is allowed",
                  axis.name, static_cast<long long>(sizes[index]),
                  static_cast<long long>(axis.max_size));
  }
  return ROUTE_OK;
}

void route::followSizes(const route_module_desc &module, int64_t *sizes) {
  auto follow = [&](uint64_t i) {
    if (sizes[i] < 0 && module.axes[i].derived_size)
      sizes[i] = module.axes[i].derived_size(sizes);
  };
  for (uint64_t i = 0; i < module.num_axes; ++i)
    follow(i);
  for (uint64_t i = 0; i < module.num_axes; ++i) {
    const route_axis_desc &axis = module.axes[i];
    if (axis.parent < 0 || axis.size >= 0 || axis.derived_size)
      continue;
    auto derived = module.axes[axis.parent].derived_size;
    while (derived && derived(sizes) == -2 && sizes[i] > 0)
      --sizes[i];
  }
  for (uint64_t i = 0; i < module.num_axes; ++i)
    follow(i);
}

/// By cell: the one of times that goes with it by its name, NAME.pushed; -1.
static std::vector<int32_t> pushTimesOf(const route_module_desc &module) {
  std::map<std::string_view, int32_t> byName;
  for (uint64_t i = 0; i < module.num_states; ++i)
    byName.emplace(module.states[i].name, static_cast<int32_t>(i));
  std::vector<int32_t> result;
  for (const route_state_desc &cell : table(module.states, module.num_states)) {
    auto found = byName.find(std::string(cell.name) + ".pushed");
    bool fits = found != byName.end();
    if (fits) {
      const route_state_desc &times = module.states[found->second];
      fits = times.type.element == ROUTE_F64 &&
             std::equal(cell.axes, cell.axes + cell.num_axes, times.axes,
                        times.axes + times.num_axes);
    }
    result.push_back(fits ? found->second : -1);
  }
  return result;
}

static route_status build(route_context &context,
                          const route_context_options &options,
                          route_error *error) {
  const route_module_desc &module = context.desc();
  if (options.num_files && !options.files)
    return fail(error, ROUTE_ERROR_ARGUMENT, "options list null files");
  if (options.num_params && !options.params)
    return fail(error, ROUTE_ERROR_ARGUMENT, "options list null parameters");
  if (options.flags & ~uint64_t(ROUTE_CONTEXT_ALLOW_EXTRA | ROUTE_CONTEXT_CUDA |
                                ROUTE_CONTEXT_HOST_COPIES))
    return fail(error, ROUTE_ERROR_ARGUMENT, "unknown context flags %#llx",
                static_cast<unsigned long long>(options.flags));
  context.execute = options.execute;
  context.executeUser = options.execute_user;
  uint64_t features = route_cpu_features();
  if (options.features_mask)
    features &= options.features_mask;
  for (const route_entry_desc &entry :
       table(module.entries, module.num_entries)) {
    EntryInfo &info = context.entries.emplace_back(module, entry, features);
    if (!context.execute && !info.cpu && !info.cuda)
      return fail(error, ROUTE_ERROR_CPU,
                  "entry '%.100s' has no variant that this machine can run",
                  entry.name);
  }
  if (route_status status = context.checkpoint.open(
          table(options.files, options.num_files), error))
    return status;
  if (route_status status = context.checkpoint.give(
          module, table(options.params, options.num_params),
          options.flags & ROUTE_CONTEXT_CUDA, error))
    return status;
  if (options.flags & ROUTE_CONTEXT_CUDA)
    if (route_status status =
            Device::open(module, context.checkpoint, context.device, error))
      return status;
  if (route_status status = context.params.bind(
          module, context.checkpoint,
          options.flags & ROUTE_CONTEXT_HOST_COPIES ? context.device.get()
                                                    : nullptr,
          error))
    return status;
  if (route_status status = context.state.initialise(
          module, context.checkpoint, context.device.get(), error))
    return status;
  if (context.device)
    if (route_status status = context.device->copyState(
            module, context.state, context.deviceState, error))
      return status;
  context.pushTimes = pushTimesOf(module);
  if (options.flags & ROUTE_CONTEXT_ALLOW_EXTRA)
    return ROUTE_OK;
  return context.checkpoint.checkAllUsed(error);
}

extern "C" route_status
route_context_create(route_module *module, const route_context_options *options,
                     route_context **context, route_error *error) {
  if (!module || !context)
    return fail(error, ROUTE_ERROR_ARGUMENT, "module or context is null");
  *context = nullptr;
  route_context_options defaults = {};
  defaults.struct_size = sizeof(defaults);
  if (!options)
    options = &defaults;
  if (options->struct_size != sizeof(route_context_options))
    return fail(error, ROUTE_ERROR_ARGUMENT,
                "options have struct size %llu, expected %zu",
                static_cast<unsigned long long>(options->struct_size),
                sizeof(route_context_options));
  auto *made = new (std::nothrow) route_context(module);
  if (!made)
    return fail(error, ROUTE_ERROR_MEMORY, "out of memory");
  if (route_status status = build(*made, *options, error)) {
    delete made;
    return status;
  }
  *context = made;
  return ROUTE_OK;
}

extern "C" void route_context_retain(route_context *context) {
  if (context)
    context->references.fetch_add(1, std::memory_order_relaxed);
}

extern "C" void route_context_release(route_context *context) {
  if (context &&
      context->references.fetch_sub(1, std::memory_order_acq_rel) == 1)
    delete context;
}

extern "C" route_module *route_context_module(const route_context *context) {
  return context->module;
}

extern "C" const char *route_context_variant(const route_context *context,
                                             uint32_t entry) {
  if (entry >= context->entries.size() || !context->entries[entry].cpu)
    return nullptr;
  return context->entries[entry].cpu->name;
}

extern "C" uint64_t route_context_epoch(const route_context *context) {
  return context->state.epoch();
}

extern "C" uint64_t route_state_size(const route_context *context,
                                     uint32_t state) {
  return state < context->state.count() ? context->state.size(state) : 0;
}

static route_status checkCell(const route_context *context, uint32_t state,
                              const void *data, uint64_t size,
                              route_error *error) {
  if (!context || (!data && size))
    return fail(error, ROUTE_ERROR_ARGUMENT, "context or data is null");
  if (state >= context->state.count())
    return fail(error, ROUTE_ERROR_NO_STATE,
                "there is no state cell %u, the module has %llu", state,
                static_cast<unsigned long long>(context->state.count()));
  if (size != context->state.size(state))
    return fail(error, ROUTE_ERROR_NO_STATE,
                "state cell '%.100s' has %llu bytes, not %llu",
                context->desc().states[state].name,
                static_cast<unsigned long long>(context->state.size(state)),
                static_cast<unsigned long long>(size));
  return ROUTE_OK;
}

extern "C" route_status route_state_read(route_context *context, uint32_t state,
                                         void *data, uint64_t size,
                                         route_error *error) {
  if (route_status status = checkCell(context, state, data, size, error))
    return status;
  if (route_status status = context->state.catchUp({&state, 1}, error))
    return status;
  State::Snapshot snapshot(context->state);
  if (size)
    memcpy(data, snapshot.addresses()[state], size);
  return ROUTE_OK;
}

extern "C" route_status route_state_write(route_context *context,
                                          uint32_t state, const void *data,
                                          uint64_t size, route_error *error) {
  if (route_status status = checkCell(context, state, data, size, error))
    return status;
  State::Update update(context->state, {&state, 1});
  if (route_status status = update.open({}, error))
    return status;
  if (size)
    memcpy(update.addresses()[state], data, size);
  update.publish();
  return ROUTE_OK;
}

extern "C" route_status route_state_push(route_context *context, uint32_t state,
                                         const void *data, uint64_t size,
                                         const uint8_t *known, int64_t now,
                                         route_error *error) {
  if (route_status status = checkCell(context, state, data, size, error))
    return status;
  const route_state_desc &cell = context->desc().states[state];
  uint64_t count = size / route_element_size(cell.type.element);
  int32_t pushed = context->pushTimes[state];
  bool dated = pushed >= 0;
  if (known && !dated)
    return fail(error, ROUTE_ERROR_NO_STATE,
                "state cell '%.100s' always knows its values", cell.name);
  const uint32_t writes[] = {state, static_cast<uint32_t>(pushed)};
  State::Update update(context->state, std::span(writes).first(dated ? 2 : 1));
  if (route_status status = update.open({}, error))
    return status;
  if (size)
    memcpy(update.addresses()[state], data, size);
  auto *times =
      dated ? static_cast<double *>(update.addresses()[pushed]) : nullptr;
  for (uint64_t i = 0; times && i < count; ++i)
    times[i] =
        known && !known[i] ? std::nan("") : static_cast<double>(now) / 1e9;
  update.publish();
  return ROUTE_OK;
}

extern "C" route_status route_state_upload(route_context *context, void *stream,
                                           route_error *error) {
  if (!context)
    return fail(error, ROUTE_ERROR_ARGUMENT, "context is null");
  if (!context->device)
    return fail(error, ROUTE_ERROR_TENSOR_DEVICE,
                "the context was made without ROUTE_CONTEXT_CUDA");
  if (!context->deviceState)
    return ROUTE_OK;
  DeviceState::Use use(*context->deviceState, stream);
  if (route_status status = use.read(error))
    return status;
  return use.isCaptured() ? fail(error, ROUTE_ERROR_DEVICE,
                                 "state cannot be brought to the GPU on a "
                                 "stream that is being captured")
                          : ROUTE_OK;
}

extern "C" route_status route_context_adopt(route_context *next,
                                            route_context *previous,
                                            route_adopt_fn report, void *host,
                                            route_error *error) {
  if (!next || !previous || next == previous)
    return fail(error, ROUTE_ERROR_ARGUMENT,
                "adopting needs two different contexts");
  // Told when neither context is held any longer: a host may use both then.
  std::vector<std::pair<const char *, std::string>> told;
  auto say = [&](const char *cell, std::string what) {
    if (report && !what.empty())
      told.emplace_back(cell, std::move(what));
  };
  const route_module_desc &to = next->desc(), &from = previous->desc();
  auto cells = [](const route_module_desc &desc) {
    return table(desc.states, desc.num_states);
  };
  auto find = [&](const route_module_desc &desc, const char *name) {
    return std::find_if(
        cells(desc).begin(), cells(desc).end(),
        [&](const auto &cell) { return strcmp(cell.name, name) == 0; });
  };
  std::vector<uint32_t> sources(from.num_states), targets(to.num_states);
  std::iota(sources.begin(), sources.end(), 0);
  std::iota(targets.begin(), targets.end(), 0);
  {
    if (route_status status = previous->state.catchUp(sources, error))
      return status;
    State::Snapshot snapshot(previous->state);
    State::Update update(next->state, targets);
    if (route_status status = update.open({}, error))
      return status;
    for (uint32_t i : targets) {
      const char *name = to.states[i].name;
      auto source = find(from, name);
      if (source == cells(from).end()) {
        say(name, "it is new");
        continue;
      }
      bool moved;
      say(name, carryCell(cellLayout(from, *source),
                          snapshot.addresses()[source - cells(from).begin()],
                          cellLayout(to, to.states[i]), update.addresses()[i],
                          moved));
    }
    update.publish();
  }
  for (const route_state_desc &cell : cells(from))
    if (find(to, cell.name) == cells(to).end())
      say(cell.name, "it is gone");
  for (const auto &[cell, what] : told)
    report(host, cell, what.c_str());
  return ROUTE_OK;
}
