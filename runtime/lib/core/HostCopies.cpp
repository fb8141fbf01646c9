// A call with tensors on a GPU, of an entry that runs on the CPU.
// Only tensors on the GPU are copied; texts, and what else the caller has in
// the host's memory, stay where they are.
#include "HostCopies.h"
#include "Call.h"

using namespace route;

static bool isOnGpu(const route_tensor *tensor) {
  return tensor &&
         static_cast<uint32_t>(tensor->device.device_type) == ROUTE_DEVICE_CUDA;
}

/// The call's argument for a port, by the number that portOf takes.
static const route_argument &argumentOf(const route_call &call, uint64_t port) {
  return port < call.num_inputs ? call.inputs[port]
                                : call.outputs[port - call.num_inputs];
}

static uint64_t dataBytes(const route_port_desc &port, const int64_t *sizes) {
  return countElements(port, sizes) * route_element_size(port.type.element);
}

route_status HostCopies::bring(route_error *error) {
  const route_entry_desc &desc = context.desc().entries[entry];
  int64_t workers;
  if (route_status status = workersOf(given, workers, error))
    return status;
  if (route_status status = device.refuseCapture(desc.name, error))
    return status;
  uint64_t own, needed;
  Scratch unused;
  if (route_status status = hostWorkspaceBytes(context, entry, arguments.sizes,
                                               workers, own, needed, error))
    return status;
  if (route_status status =
          takeWorkspace(desc.name, "host ", given.host_workspace,
                        given.host_workspace_size, needed, unused, error))
    return status;

  auto *cursor = static_cast<char *>(given.host_workspace);
  auto place = [&](const route_tensor *tensor, bool isInput, auto *&data,
                   uint64_t size) {
    if (!isOnGpu(tensor))
      return;
    if (isInput)
      device.download(cursor, data, size);
    data = reinterpret_cast<std::remove_reference_t<decltype(data)>>(cursor);
    cursor += alignUp(size);
  };
  for (uint64_t i = 0; i < given.num_inputs + given.num_outputs; ++i) {
    const route_port_desc &port = portOf(desc, i);
    const route_argument &argument = argumentOf(given, i);
    route_buffer &buffer = arguments.buffers[i];
    const bool isInput = i < given.num_inputs;
    place(argument.tensor, isInput, buffer.data,
          dataBytes(port, arguments.sizes));
    place(argument.known, isInput, buffer.known,
          countKnown(port, arguments.sizes));
  }
  device.wait();
  arguments.onDevice = false;
  onCpu.workspace = cursor;
  onCpu.workspace_size =
      given.host_workspace_size -
      static_cast<uint64_t>(cursor - static_cast<char *>(given.host_workspace));
  return device.finish(desc.name, error);
}

route_status HostCopies::giveBack(route_error *error) {
  const route_entry_desc &desc = context.desc().entries[entry];
  auto copy = [&](const route_tensor *tensor, const void *from, uint64_t size) {
    if (isOnGpu(tensor))
      device.upload(&device,
                    static_cast<char *>(tensor->data) + tensor->byte_offset,
                    from, size);
  };
  for (uint64_t i = given.num_inputs; i < given.num_inputs + given.num_outputs;
       ++i) {
    const route_port_desc &port = portOf(desc, i);
    const route_argument &argument = argumentOf(given, i);
    const route_buffer &buffer = arguments.buffers[i];
    copy(argument.tensor, buffer.data, dataBytes(port, arguments.sizes));
    copy(argument.known, buffer.known, countKnown(port, arguments.sizes));
  }
  return device.finish(desc.name, error);
}
