// Running a traced call again.
// Reads a trace with nothing taken on trust, makes the call it records and
// compares what came out.
#include "Trace.h"

#include <cstring>
#include <deque>

using namespace route;

namespace {

class Replayer {
public:
  Replayer(const route_context &context, const void *trace, uint64_t size,
           route_error *error)
      : context(context), module(context.desc()), error(error) {
    base = cursor = static_cast<const char *>(trace);
    limit = base + size;
  }

  route_status run();

private:
  route_status damaged() {
    return fail(error, ROUTE_ERROR_TRACE_FORMAT,
                "the trace is damaged at byte %llu",
                static_cast<unsigned long long>(cursor - base));
  }
  /// The next piece and its padding; null where the trace is too short.
  const char *take(uint64_t size) {
    uint64_t left = static_cast<uint64_t>(limit - cursor);
    if (size > left || (size + 7) / 8 * 8 > left)
      return nullptr;
    const char *piece = cursor;
    cursor += (size + 7) / 8 * 8;
    return piece;
  }
  route_status readHeader();
  bool checkSizes();
  bool makeTensor(const route_port_desc &port, bool read,
                  route_argument &argument);
  bool fillTexts(route_text *texts, uint64_t count);
  bool readCells(std::span<const uint32_t> list);
  route_status compare(const char *again, uint64_t size, const char *outputs);

  const route_context &context;
  const route_module_desc &module;
  route_error *error;
  const char *base, *cursor, *limit;

  TraceHeader header;
  const route_entry_desc *entry = nullptr;
  std::vector<int64_t> sizes;
  std::deque<AlignedMemory> memory;
  std::deque<std::vector<int64_t>> shapes;
  std::deque<route_tensor> tensors;
  std::vector<route_argument> inputs, outputs;
  std::vector<void *> cells;
};

} // namespace

route_status Replayer::readHeader() {
  const char *piece = take(sizeof(header));
  if (!piece || memcmp(piece, traceMagic, sizeof(traceMagic)) != 0)
    return fail(error, ROUTE_ERROR_TRACE_FORMAT, "this is no trace");
  memcpy(&header, piece, sizeof(header));
  TraceHeader mine(module, 0, route_call(), 0);
  if (memcmp(header.sourceHash, mine.sourceHash, sizeof(mine.sourceHash)) ||
      header.numAxes != module.num_axes || header.entry >= module.num_entries)
    return fail(error, ROUTE_ERROR_TRACE_MODULE,
                "the trace is of another module: source %.12s, expected %.12s",
                header.sourceHash, module.source_hash);
  entry = &module.entries[header.entry];
  const char *given = take(module.num_axes * sizeof(int64_t));
  if (!given)
    return damaged();
  sizes.resize(module.num_axes + 1);
  memcpy(sizes.data(), given, module.num_axes * sizeof(int64_t));
  return checkSizes() ? ROUTE_OK : damaged();
}

/// Axis sizes must be what checkArguments would have made of them.
bool Replayer::checkSizes() {
  const EntryInfo &info = context.entries[header.entry];
  for (uint64_t i = 0; i < module.num_axes; ++i)
    if (sizes[i] < -1 ||
        (info.baseSizes[i] >= 0 && sizes[i] != info.baseSizes[i]))
      return false;
  for (uint32_t axis : info.dynamicAxes)
    if (sizes[axis] < 0)
      return false;
  return deriveSizes(module, info.dynamicAxes, sizes.data(), true, nullptr) ==
         ROUTE_OK;
}

bool Replayer::fillTexts(route_text *texts, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) {
    const char *size = take(sizeof(int64_t));
    if (!size)
      return false;
    memcpy(&texts[i].size, size, sizeof(int64_t));
    if (texts[i].size < 0)
      return false;
    texts[i].data = take(static_cast<uint64_t>(texts[i].size));
    if (!texts[i].data)
      return false;
  }
  return true;
}

/// Makes a tensor for the port; `read` fills it from the trace.
bool Replayer::makeTensor(const route_port_desc &port, bool read,
                          route_argument &argument) {
  uint64_t elementSize = route_element_size(port.type.element);
  std::vector<int64_t> &shape = shapes.emplace_back(port.num_axes + 1);
  uint64_t count = 1, numKnown = 1, size;
  for (uint64_t i = 0; i < port.num_axes; ++i) {
    shape[i] = sizes[port.axes[i]] + (port.role == ROUTE_ROLE_OFFSETS ? 1 : 0);
    if (!multiply(count, static_cast<uint64_t>(shape[i]), count))
      return false;
    if (i < port.known_axes)
      numKnown = count;
  }
  // An input is in the trace, so its size is bounded by the trace's; an output
  // is too, further on.
  uint64_t left = static_cast<uint64_t>(limit - cursor);
  uint64_t traced = port.type.element == ROUTE_TEXT ? 8 : elementSize;
  if (!multiply(count, traced, size) || size > left ||
      (mayBeUnknown(port) && numKnown > left))
    return false;

  auto tensor = [&](uint32_t element, uint64_t rank, void *data) {
    route_tensor &made = tensors.emplace_back();
    made = {};
    made.data = data;
    made.device.device_type =
        static_cast<decltype(made.device.device_type)>(ROUTE_DEVICE_CPU);
    made.ndim = static_cast<int32_t>(rank);
    made.dtype = route_element_dtype(element);
    made.shape = shape.data();
    return &made;
  };
  argument = {nullptr, nullptr};
  if (mayBeUnknown(port)) {
    AlignedMemory &known = memory.emplace_back();
    if (!known.allocate(numKnown))
      return false;
    if (read) {
      const char *piece = take(numKnown);
      if (!piece)
        return false;
      memcpy(known.get(), piece, numKnown);
    }
    argument.known = tensor(ROUTE_BOOL, port.known_axes, known.get());
  }
  AlignedMemory &data = memory.emplace_back();
  if (!data.allocate(count * elementSize))
    return false;
  argument.tensor = tensor(port.type.element, port.num_axes, data.get());
  if (!read)
    return true;
  if (port.type.element == ROUTE_TEXT)
    return fillTexts(reinterpret_cast<route_text *>(data.get()), count);
  const char *piece = take(count * elementSize);
  if (!piece)
    return false;
  memcpy(data.get(), piece, count * elementSize);
  return true;
}

bool Replayer::readCells(std::span<const uint32_t> list) {
  for (uint32_t cell : list) {
    uint64_t size = context.state.size(cell);
    const char *piece = take(size);
    if (!piece)
      return false;
    AlignedMemory &copy = memory.emplace_back();
    if (!copy.allocate(size))
      return false;
    memcpy(copy.get(), piece, size);
    cells[cell] = copy.get();
  }
  return true;
}

route_status Replayer::compare(const char *again, uint64_t size,
                               const char *outputsBegin) {
  uint64_t whole = static_cast<uint64_t>(limit - base);
  uint64_t i = 0;
  while (i < size && i < whole && again[i] == base[i])
    ++i;
  if (i == size && i == whole)
    return ROUTE_OK;
  uint64_t begin = static_cast<uint64_t>(outputsBegin - base);
  return fail(error, ROUTE_ERROR_REPLAY_MISMATCH,
              "replaying '%.100s' gave %llu bytes, the trace has %llu; they "
              "differ from byte %llu on, %llu into the outputs",
              entry->name, static_cast<unsigned long long>(size),
              static_cast<unsigned long long>(whole),
              static_cast<unsigned long long>(i),
              static_cast<unsigned long long>(i < begin ? 0 : i - begin));
}

route_status Replayer::run() {
  if (route_status status = readHeader())
    return status;
  inputs.resize(entry->num_inputs + 1);
  outputs.resize(entry->num_outputs + 1);
  for (uint64_t i = 0; i < entry->num_inputs; ++i)
    if (!makeTensor(entry->inputs[i], true, inputs[i]))
      return damaged();
  cells.assign(module.num_states + 1, nullptr);
  if (!readCells(table(entry->reads, entry->num_reads)) ||
      !readCells(table(entry->writes, entry->num_writes)))
    return damaged();
  const char *outputsBegin = cursor;
  for (uint64_t i = 0; i < entry->num_outputs; ++i)
    if (!makeTensor(entry->outputs[i], false, outputs[i]))
      return damaged();

  uint64_t own, workspaceSize;
  if (route_status status = workspaceBytes(context, header.entry, sizes.data(),
                                           1, own, workspaceSize, error))
    return status;
  AlignedMemory workspace, again;
  uint64_t size = static_cast<uint64_t>(limit - base);
  if (!workspace.allocate(workspaceSize) || !again.allocate(size))
    return fail(error, ROUTE_ERROR_MEMORY, "out of memory");
  route_trace trace = {again.get(), size, 0};
  route_call call = {};
  call.struct_size = sizeof(call);
  call.inputs = inputs.data();
  call.num_inputs = entry->num_inputs;
  call.outputs = outputs.data();
  call.num_outputs = entry->num_outputs;
  call.workspace = workspace.get();
  call.workspace_size = workspaceSize;
  call.seed = header.seed;
  call.id = header.id;
  call.now = header.now;
  call.trace = &trace;
  Arguments arguments;
  if (route_status status =
          checkArguments(context, header.entry, call, false, arguments, error))
    return status;
  EntryCall repeated(context, header.entry, call, arguments);
  if (route_status status = repeated.prepare(error))
    return status;
  route_status status = repeated.run({cells.data(), header.epoch}, error);
  if (status && status != ROUTE_ERROR_TRACE_SPACE)
    return status;
  return compare(again.get(), trace.size < size ? trace.size : size,
                 outputsBegin);
}

extern "C" route_status route_replay(route_context *context, const void *trace,
                                     uint64_t size, route_error *error) {
  if (!context || !trace)
    return fail(error, ROUTE_ERROR_ARGUMENT, "context or trace is null");
  return Replayer(*context, trace, size, error).run();
}
