// The compiled library's code for GPUs as a back end: what an entry takes is
// copied to the first GPU, and what it gives back again.
#include "../../runtime/lib/cuda/Driver.h"
#include "Backend.h"

#include <cstring>
#include <dlfcn.h>

using namespace route;
using namespace route::fuzz;

namespace {

/// What the runtime needs of the driver, and the ways back.
struct Gpu {
  const cuda::Driver *driver = nullptr;
  cuda::Result (*toHost)(void *, cuda::Address, size_t) = nullptr;
  void *context = nullptr;

  bool open(std::string &why) {
    route_error error = {};
    int device;
    if (cuda::findDriver(driver, &error))
      return why = error.message, false;
    void *library = dlopen("libcuda.so.1", RTLD_NOW);
    void *found = library ? dlsym(library, "cuMemcpyDtoH_v2") : nullptr;
    memcpy(&toHost, &found, sizeof(found));
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

  /// A copy of `size` bytes; null where there is no memory.
  void *copy(const void *from, uint64_t size) {
    cuda::Address address;
    if (gpu.driver->MemAlloc(&address, size ? size : 1))
      return nullptr;
    held.push_back(address);
    if (size && gpu.driver->MemcpyHtoD(address, from, size))
      return nullptr;
    return reinterpret_cast<void *>(address);
  }

private:
  const Gpu &gpu;
  std::vector<cuda::Address> held;
};

class DeviceBackend : public Backend {
public:
  explicit DeviceBackend(route_module *module)
      : module(module), desc(*route_module_descriptor(module)) {}
  ~DeviceBackend() override { route_context_release(context); }

  bool open(const Checkpoints &checkpoints, std::string &why) {
    if (!gpu.open(why))
      return false;
    std::vector<route_file> files;
    for (const auto &[label, bytes] : checkpoints)
      files.push_back({label.empty() ? nullptr : label.c_str(), nullptr,
                       bytes.data(), bytes.size()});
    route_context_options options = {};
    options.struct_size = sizeof(options);
    options.files = files.data();
    options.num_files = files.size();
    options.flags = ROUTE_CONTEXT_CUDA;
    route_error error = {};
    if (route_context_create(module, &options, &context, &error))
      return why = std::string("on the GPU: ") + error.message, false;
    return true;
  }

  bool covers(uint32_t entry, const Values &inputs) override;
  bool run(uint32_t index, Values &inputs, Values &outputs, int64_t now,
           std::string &why) override;
  bool state(uint32_t, std::string &, std::string &why) override {
    return why = "entries with state have no code for GPUs", false;
  }

private:
  /// Tensors like those of `values`, on the GPU; false without memory.
  bool move(Room &room, Values &values, std::vector<route_tensor> &tensors,
            std::vector<route_argument> &arguments);

  route_module *module;
  const route_module_desc &desc;
  Gpu gpu;
  route_context *context = nullptr;
};

} // namespace

bool DeviceBackend::move(Room &room, Values &values,
                         std::vector<route_tensor> &tensors,
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
    to.data = room.copy(data, size);
    to.device.device_type = static_cast<decltype(to.device.device_type)>(2);
    return &to;
  };
  for (size_t i = 0; i < count; ++i) {
    Value &value = values.values[i];
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
  const route_entry_desc &entry = desc.entries[index];
  auto failed = [&](const char *message) {
    why = "on the GPU: " + std::string(message);
    return false;
  };
  route_error error = {};
  route_call call = {};
  call.struct_size = sizeof(call);
  call.inputs = inputs.arguments();
  call.num_inputs = entry.num_inputs;
  call.now = now;
  call.workers = 1;
  std::vector<int64_t> sizes(desc.num_axes + 1, -1);
  if (route_call_sizes(context, index, &call, sizes.data(), &error) ||
      route_workspace_size(context, index, sizes.data(), 1,
                           &call.workspace_size, &error) ||
      outputs.allocate(module, sizes.data(), &error))
    return failed(error.message);
  for (Value &value : outputs.values) {
    memset(value.bytes(), 0xa5, value.size);
    std::fill(value.known.begin(), value.known.end(), 0xa5);
  }
  Room room(gpu);
  std::vector<route_tensor> in, out;
  std::vector<route_argument> given, wanted;
  std::string filling(call.workspace_size, 0x5a);
  call.workspace = room.copy(filling.data(), filling.size());
  if (!call.workspace || !move(room, inputs, in, given) ||
      !move(room, outputs, out, wanted) || gpu.driver->CtxSynchronize())
    return failed("what the call takes cannot be copied there");
  call.inputs = given.data();
  call.outputs = wanted.data();
  call.num_outputs = entry.num_outputs;
  if (route_decide(context, index, &call, &error))
    return failed(error.message);
  if (cuda::Result result = gpu.driver->CtxSynchronize())
    return failed(gpu.driver->nameOf(result));
  auto back = [&](const route_tensor *from, void *to, uint64_t size) {
    return !from || !size ||
           !gpu.toHost(to, reinterpret_cast<cuda::Address>(from->data), size);
  };
  for (size_t i = 0; i < outputs.values.size(); ++i)
    if (Value &value = outputs.values[i];
        !back(wanted[i].tensor, value.bytes(), value.size) ||
        !back(wanted[i].known, value.known.data(), value.known.size()))
      return failed("results cannot be copied back");
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

bool DeviceBackend::covers(uint32_t entry, const Values &inputs) {
  // What a call leaves out cannot be made up there.
  for (const Value &value : inputs.values)
    if (!value.given)
      return false;
  const route_entry_desc &what = desc.entries[entry];
  for (uint64_t i = 0; i < what.num_variants; ++i)
    if (what.variants[i].device == ROUTE_DEVICE_CUDA)
      return true;
  return false;
}
