// Recording what a call read and gave.
// A trace is a header and the bytes of every input, of the state cells read and
// of everything that came out, texts by content. Replay makes the same call
// from it, traces that, and compares the two traces byte for byte.
#include "Trace.h"

#include <cstring>

using namespace route;

void TraceWriter::bytes(const void *data, uint64_t size) {
  static const char padding[8] = {};
  auto put = [&](const void *from, uint64_t count) {
    if (count && trace.size + count <= trace.capacity)
      memcpy(static_cast<char *>(trace.data) + trace.size, from, count);
    trace.size += count;
  };
  put(data, size);
  put(padding, (8 - size % 8) % 8);
}

void TraceWriter::port(const route_port_desc &port, const route_buffer &buffer,
                       const int64_t *sizes) {
  uint64_t count = countElements(port, sizes);
  uint64_t numKnown = buffer.known ? countKnown(port, sizes) : 0;
  if (numKnown)
    bytes(buffer.known, numKnown);
  if (port.type.element != ROUTE_TEXT) {
    bytes(buffer.data, count * route_element_size(port.type.element));
    return;
  }
  auto *texts = static_cast<const route_text *>(buffer.data);
  for (uint64_t i = 0; i < count; ++i) {
    bool known = !numKnown || buffer.known[i / (count / numKnown)];
    uint64_t size = known ? static_cast<uint64_t>(texts[i].size) : 0;
    bytes(&size, sizeof(size));
    bytes(texts[i].data, size);
  }
}

void TraceWriter::cells(const route_context &context,
                        std::span<const uint32_t> list, StateView state) {
  for (uint32_t cell : list)
    bytes(state.pointers[cell], context.state.size(cell));
}

TraceHeader::TraceHeader(const route_module_desc &module, uint32_t entry,
                         const route_call &call, uint64_t epoch)
    : entry(entry), numAxes(static_cast<uint32_t>(module.num_axes)),
      epoch(epoch), seed(call.seed), id(call.id), now(call.now) {
  memcpy(magic, traceMagic, sizeof(magic));
  size_t size = strlen(module.source_hash);
  memset(sourceHash, 0, sizeof(sourceHash));
  memcpy(sourceHash, module.source_hash,
         size < sizeof(sourceHash) ? size : sizeof(sourceHash));
}

void TraceWriter::begin(const route_context &context, uint32_t index,
                        const route_call &call, const Arguments &arguments,
                        StateView state) {
  const route_module_desc &module = context.desc();
  const route_entry_desc &entry = module.entries[index];
  TraceHeader header(module, index, call, state.epoch);
  bytes(&header, sizeof(header));
  bytes(arguments.sizes, module.num_axes * sizeof(int64_t));
  for (uint64_t i = 0; i < entry.num_inputs; ++i)
    port(entry.inputs[i], arguments.buffers[i], arguments.sizes);
  cells(context, table(entry.reads, entry.num_reads), state);
  cells(context, table(entry.writes, entry.num_writes), state);
}

route_status TraceWriter::end(const route_context &context, uint32_t index,
                              const Arguments &arguments, StateView state,
                              route_error *error) {
  const route_entry_desc &entry = context.desc().entries[index];
  for (uint64_t i = 0; i < entry.num_outputs; ++i)
    port(entry.outputs[i], arguments.buffers[entry.num_inputs + i],
         arguments.sizes);
  cells(context, table(entry.writes, entry.num_writes), state);
  if (trace.size > trace.capacity)
    return fail(error, ROUTE_ERROR_TRACE_SPACE,
                "the trace needs %llu bytes, its buffer has %llu",
                static_cast<unsigned long long>(trace.size),
                static_cast<unsigned long long>(trace.capacity));
  return ROUTE_OK;
}
