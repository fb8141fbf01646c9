// The compiled library's code for GPUs as a back end.
// What an entry takes is copied to the first GPU, and what it gives back again.
#include "../../runtime/lib/cuda/Driver.h"
#include "ContextBackend.h"

#include <algorithm>
#include <cstring>
#include <dlfcn.h>

using namespace route;
using namespace route::fuzz;

namespace {

/// What the runtime needs of the driver, and the ways back.
struct Gpu {
  const cuda::Driver *driver = nullptr;
  cuda::Result (*toHost)(void *, cuda::Address, size_t) = nullptr;
  /// Of the emulated GPU: bytes that are not to be read before they are
  /// written.
  cuda::Result (*forget)(cuda::Address, size_t) = nullptr;
  void *context = nullptr;

  bool open(std::string &why) {
    route_error error = {};
    int device;
    if (cuda::findDriver(driver, &error))
      return why = error.message, false;
    void *library = dlopen("libcuda.so.1", RTLD_NOW);
    void *found = library ? dlsym(library, "cuMemcpyDtoH_v2") : nullptr;
    memcpy(&toHost, &found, sizeof(found));
    void *emulated = library ? dlsym(library, "emulatorForget") : nullptr;
    memcpy(&forget, &emulated, sizeof(emulated));
    if (!found || driver->DeviceGet(&device, 0) ||
        driver->DevicePrimaryCtxRetain(&context, device) ||
        driver->CtxPushCurrent(context))
      return why = "no context on the GPU", false;
    return true;
  }
};

/// Memory of one call, filled from the host's.
class Room {
public:
  explicit Room(const Gpu &gpu) : gpu(gpu) {}
  ~Room() {
    for (cuda::Address address : held)
      gpu.driver->MemFree(address);
  }
  Room(const Room &) = delete;

  /// A copy of `size` bytes, as `rubbish` if they are to be written first; null
  /// where there is no memory.
  void *copy(const void *from, uint64_t size, bool rubbish = false) {
    cuda::Address address;
    if (gpu.driver->MemAlloc(&address, size ? size : 1))
      return nullptr;
    held.push_back(address);
    if (size && gpu.driver->MemcpyHtoD(address, from, size))
      return nullptr;
    if (rubbish && size && gpu.forget && gpu.forget(address, size))
      return nullptr;
    return reinterpret_cast<void *>(address);
  }

private:
  const Gpu &gpu;
  std::vector<cuda::Address> held;
};

class DeviceBackend : public ContextBackend {
public:
  explicit DeviceBackend(route_module *module)
      : ContextBackend(module, "on the GPU: ") {}

  bool open(const Checkpoints &checkpoints, std::string &why) {
    return gpu.open(why) &&
           ContextBackend::open(checkpoints, ROUTE_CONTEXT_CUDA, why);
  }

  bool covers(uint32_t entry, const Values &inputs) override;
  bool run(uint32_t index, Values &inputs, Values &outputs, int64_t now,
           std::string &why) override;

private:
  bool runsThere(uint32_t entry, const Values &inputs) const;
  /// The entry's code for GPUs, or null.
  const route_variant_desc *variantOf(uint32_t entry) const {
    const route_entry_desc &what = desc.entries[entry];
    for (uint64_t i = 0; i < what.num_variants; ++i)
      if (what.variants[i].device == ROUTE_DEVICE_CUDA)
        return &what.variants[i];
    return nullptr;
  }
  /// Whether that has a port, numbered inputs first, in the host's memory.
  bool isOnHost(uint32_t entry, uint64_t port) const {
    const route_variant_desc *variant = variantOf(entry);
    return variant &&
           std::count(variant->host_ports,
                      variant->host_ports + variant->num_host_ports, port);
  }

  /// Tensors like those of `values`, whose first is port `first`, on the GPU or
  /// where they are; false without memory.
  bool move(Room &room, uint32_t entry, uint64_t first, Values &values,
            std::vector<route_tensor> &tensors,
            std::vector<route_argument> &arguments);

  Gpu gpu;
};

} // namespace

bool DeviceBackend::move(Room &room, uint32_t entry, uint64_t first,
                         Values &values, std::vector<route_tensor> &tensors,
                         std::vector<route_argument> &arguments) {
  const route_argument *host = values.arguments();
  size_t count = values.values.size();
  tensors.resize(2 * count);
  arguments.assign(count, {nullptr, nullptr});
  auto place = [&](const route_tensor *from, const void *data, uint64_t size,
                   route_tensor &to) -> const route_tensor * {
    if (!from)
      return nullptr;
    to = *from;
    to.data = room.copy(data, size, /*rubbish=*/first > 0);
    to.device.device_type = static_cast<decltype(to.device.device_type)>(2);
    return &to;
  };
  for (size_t i = 0; i < count; ++i) {
    Value &value = values.values[i];
    if (isOnHost(entry, first + i)) {
      arguments[i] = host[i];
      continue;
    }
    arguments[i] = {
        place(host[i].tensor, value.bytes(), value.size, tensors[2 * i]),
        place(host[i].known, value.known.data(), value.known.size(),
              tensors[2 * i + 1])};
    if ((arguments[i].tensor && !arguments[i].tensor->data) ||
        (arguments[i].known && !arguments[i].known->data))
      return false;
  }
  return true;
}

bool DeviceBackend::run(uint32_t index, Values &inputs, Values &outputs,
                        int64_t now, std::string &why) {
  if (!runsThere(index, inputs))
    return ContextBackend::run(index, inputs, outputs, now, why);
  route_call call;
  if (!prepare(index, inputs, outputs, now, call, why))
    return false;
  Room room(gpu);
  std::vector<route_tensor> in, out;
  std::vector<route_argument> given, wanted;
  std::string filling(call.workspace_size, 0x5a);
  call.workspace = room.copy(filling.data(), filling.size(), /*rubbish=*/true);
  const uint64_t numInputs = desc.entries[index].num_inputs;
  if (!call.workspace || !move(room, index, 0, inputs, in, given) ||
      !move(room, index, numInputs, outputs, out, wanted) ||
      gpu.driver->CtxSynchronize())
    return failed(why, "what the call takes cannot be copied there");
  AlignedMemory hostWorkspace;
  if (!hostWorkspace.allocate(call.host_workspace_size))
    return failed(why, "out of memory");
  memset(hostWorkspace.get(), 0x5a, call.host_workspace_size);
  call.host_workspace = hostWorkspace.get();
  call.inputs = given.data();
  call.outputs = wanted.data();
  call.num_outputs = desc.entries[index].num_outputs;
  if (!this->call(index, call, why))
    return false;
  if (cuda::Result result = gpu.driver->CtxSynchronize())
    return failed(why, gpu.driver->nameOf(result));
  auto back = [&](const route_tensor *from, void *to, uint64_t size) {
    return !from || !size ||
           !gpu.toHost(to, reinterpret_cast<cuda::Address>(from->data), size);
  };
  for (size_t i = 0; i < outputs.values.size(); ++i)
    if (Value &value = outputs.values[i];
        !isOnHost(index, numInputs + i) &&
        (!back(wanted[i].tensor, value.bytes(), value.size) ||
         !back(wanted[i].known, value.known.data(), value.known.size())))
      return failed(why, "results cannot be copied back");
  return true;
}

std::unique_ptr<Backend> route::fuzz::makeDevice(route_module *module,
                                                 const Checkpoints &checkpoints,
                                                 std::string &why) {
  auto made = std::make_unique<DeviceBackend>(module);
  if (!made->open(checkpoints, why))
    return nullptr;
  return made;
}

bool DeviceBackend::runsThere(uint32_t entry, const Values &inputs) const {
  // What a call leaves out cannot be made up there, and one that gives nothing
  // is a call on the CPU.
  const route_entry_desc &what = desc.entries[entry];
  bool anythingThere = false;
  for (uint64_t i = 0; i < what.num_inputs + what.num_outputs; ++i)
    anythingThere |= !isOnHost(entry, i);
  for (size_t i = 0; i < inputs.values.size(); ++i)
    if (!inputs.values[i].given && !isOnHost(entry, i))
      return false;
  return anythingThere && variantOf(entry);
}

bool DeviceBackend::covers(uint32_t entry, const Values &inputs) {
  // Events that run on the CPU alone change the state for those here.
  return desc.entries[entry].kind == ROUTE_ENTRY_EVENT ||
         runsThere(entry, inputs);
}
