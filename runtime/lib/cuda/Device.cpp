// A module's code and parameters on a GPU.
// The driver's contexts, modules and memory behind route_context, and launches.
#include "Device.h"
#include "../core/Call.h"

#include <algorithm>
#include <climits>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <new>

using namespace route;
using namespace route::cuda;

/// CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
static constexpr int kMaxDynamicShared = 8;
/// CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED
static constexpr int kLargeClusters = 14;
/// CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT
static constexpr int kMultiprocessors = 16;
/// Values of CUtensorMapDataType, CUtensorMapSwizzle, CUtensorMapL2promotion.
static constexpr int kMapF16 = 6, kMapF32 = 7, kMapBF16 = 9, kSwizzle128 = 3,
                     kPromote256 = 3;

/// sizeof(CUtensorMap)
static constexpr size_t kMapBytes = 128;

static route_status failed(const Driver &driver, const char *what,
                           Result result, route_error *error) {
  return fail(error, ROUTE_ERROR_DEVICE, "%s failed: %s", what,
              driver.nameOf(result));
}

/// A module's kernels in a CUDA context. Contexts of the runtime that have both
/// in common share them.
class Device::Code {
public:
  struct Kernel {
    const char *name;
    void *function;
    uint32_t sharedBytes;
    int64_t mostBlocks;
    bool waits; ///< by itself, for what was launched before
  };

  /// The code that some device has, else loads it. `context` is current.
  static route_status find(const Driver &driver, void *context,
                           const route_device_code_desc &desc,
                           std::shared_ptr<const Code> &code,
                           route_error *error);
  Code(const Driver &driver, void *context, const route_device_code_desc &desc)
      : driver(driver), context(context), desc(desc) {}
  Code(const Code &) = delete;
  Code &operator=(const Code &) = delete;
  ~Code() { unload(); }

  int gpu = 0;
  std::vector<Kernel> kernels;

private:
  route_status load(route_error *error);
  /// Loads a binary or assembly as one more of `handles`.
  Result loadImage(const void *image);
  void unload();

  const Driver &driver;
  void *context;
  const route_device_code_desc &desc; ///< stays while a device has the code
  std::vector<void *> handles;        ///< of what was loaded
};

route_status Device::Code::find(const Driver &driver, void *context,
                                const route_device_code_desc &desc,
                                std::shared_ptr<const Code> &code,
                                route_error *error) {
  // Never destroyed: contexts may go when a process ends.
  static auto &mutex = *new std::mutex;
  static auto &all = *new std::vector<std::weak_ptr<const Code>>;
  std::lock_guard lock(mutex);
  std::erase_if(all, [](const auto &each) { return each.expired(); });
  for (const std::weak_ptr<const Code> &each : all)
    if (auto have = each.lock();
        have && &have->desc == &desc && have->context == context) {
      code = std::move(have);
      return ROUTE_OK;
    }
  auto made = std::make_shared<Code>(driver, context, desc);
  if (route_status status = made->load(error))
    return status;
  all.push_back(made);
  code = std::move(made);
  return ROUTE_OK;
}

Result Device::Code::loadImage(const void *image) {
  void *handle;
  Result result = driver.ModuleLoadData(&handle, image);
  if (result == kSuccess)
    handles.push_back(handle);
  return result;
}

void Device::Code::unload() {
  for (void *handle : handles)
    driver.ModuleUnload(handle);
  handles.clear();
}

route_status Device::Code::load(route_error *error) {
  Result result = kNoBinary;
  for (const route_device_binary &binary :
       table(desc.binaries, desc.num_binaries))
    if ((result = loadImage(binary.data)) != kSuccess)
      break;
  // The driver compiles the assembly, which has all kernels, where it refuses
  // a binary: all are for the same GPU, but one alone may be damaged.
  const bool fromBinaries = result == kSuccess;
  if (!fromBinaries)
    unload();
  if (!desc.num_kernels)
    result = kSuccess; // all entries run on the CPU
  else if (result == kNoBinary || result == kInvalidImage)
    result = loadImage(desc.assembly);
  if (result != kSuccess)
    return fail(error, ROUTE_ERROR_DEVICE,
                "the GPU does not take the module's code for %.50s: %s",
                desc.architecture, driver.nameOf(result));
  int processors;
  if ((result = driver.CtxGetDevice(&gpu)) ||
      (result = driver.DeviceGetAttribute(&processors, kMultiprocessors, gpu)))
    return failed(driver, "asking for the GPU's size", result, error);
  for (const route_kernel_desc &kernel :
       table(desc.kernels, desc.num_kernels)) {
    void *function;
    void *handle = handles[fromBinaries ? kernel.binary : 0];
    if ((result = driver.ModuleGetFunction(&function, handle, kernel.name)))
      return failed(driver, kernel.name, result, error);
    if (kernel.shared_bytes && (result = driver.FuncSetAttribute(
                                    function, kMaxDynamicShared,
                                    static_cast<int>(kernel.shared_bytes))))
      return failed(driver, kernel.name, result, error);
    // Clusters of up to 16 blocks; only those of 8 come without asking.
    driver.FuncSetAttribute(function, kLargeClusters, 1);
    int64_t most = INT64_MAX;
    if (kernel.blocks_per_processor)
      most = int64_t(kernel.blocks_per_processor) * processors;
    kernels.push_back({kernel.name, function, kernel.shared_bytes, most,
                       (kernel.flags & ROUTE_KERNEL_WAITS) != 0});
  }
  return ROUTE_OK;
}

route_status Device::open(const route_module_desc &module,
                          Checkpoint &checkpoint,
                          std::unique_ptr<Device> &device, route_error *error) {
  if (!module.device_code)
    return fail(error, ROUTE_ERROR_DEVICE,
                "module '%.100s' has no code for GPUs: compile it with "
                "--target=cpu,cuda",
                module.name);
  const Driver *driver;
  if (route_status status = findDriver(driver, error))
    return status;
  std::unique_ptr<Device> made(new (std::nothrow) Device(*driver));
  if (!made)
    return fail(error, ROUTE_ERROR_MEMORY, "out of memory");
  if (driver->CtxGetCurrent(&made->context) != kSuccess || !made->context) {
    int first;
    if (Result result = driver->DeviceGet(&first, 0))
      return failed(*driver, "finding a GPU", result, error);
    if (Result result = driver->DevicePrimaryCtxRetain(&made->context, first))
      return failed(*driver, "making a context on the GPU", result, error);
    made->ordinal = first;
  }
  Current current(*driver, made->context);
  if (Result result = current.failure())
    return failed(*driver, "entering the context on the GPU", result, error);
  BesideCaptures beside(*driver);
  if (route_status status = Code::find(*driver, made->context,
                                       *module.device_code, made->code, error))
    return status;
  if (route_status status = made->copyParams(module, checkpoint, error))
    return status;
  if (module.device_code->prepare)
    if (route_status status = made->prepare(*module.device_code, error))
      return status;
  device = std::move(made);
  return ROUTE_OK;
}

Device::~Device() {
  if (!context)
    return;
  {
    Current current(driver, context);
    BesideCaptures beside(driver);
    for (Address address : owned)
      driver.MemFree(address);
    code.reset();
  }
  if (ordinal >= 0)
    driver.DevicePrimaryCtxRelease(ordinal);
}

int Device::gpu() const { return code->gpu; }

route_status Device::copyState(const route_module_desc &module, State &host,
                               std::unique_ptr<DeviceState> &copy,
                               route_error *error) {
  return DeviceState::make(driver, context, module, host, copy, error);
}

route_status Device::readBack(const HostParam &param, void *memory,
                              route_error *error) const {
  Current current(driver, context);
  BesideCaptures beside(driver);
  Result result = current.failure();
  // Behind what the host has under way on its default stream.
  if (!result && param.size)
    result = driver.MemcpyDtoH(memory, reinterpret_cast<Address>(param.data),
                               param.size);
  return result ? failed(driver, "copying a tensor to the host", result, error)
                : ROUTE_OK;
}

route_status Device::copyParams(const route_module_desc &module,
                                Checkpoint &checkpoint, route_error *error) {
  parameters.assign(module.num_params + 1, nullptr);
  // Not the default stream, which waits for all others: some may be captured.
  OwnStream stream(driver);
  if (Result result = stream.open())
    return failed(driver, "making a stream", result, error);
  std::vector<Slice> slices;
  for (uint64_t i = 0; i < module.num_params; ++i) {
    const route_param_desc &param = module.params[i];
    if (const HostParam &host = checkpoint.given(i); host.onGpu) {
      if (host.gpu != code->gpu)
        return fail(error, ROUTE_ERROR_TENSOR_DEVICE,
                    "the tensor of parameter '%.100s' is on GPU %d, the "
                    "context on GPU %d",
                    param.name, host.gpu, code->gpu);
      parameters[i] = host.data;
      isGiven = true;
      continue;
    }
    if (!module.device_code->num_kernels)
      continue; // nothing reads it there
    if (route_status status = checkpoint.collect(
            module, Checkpoint::Wanted(module, module.params[i]), slices,
            error))
      return status;
    uint64_t size = 0;
    for (const Slice &slice : slices)
      size += slice.size();
    if (!size)
      continue;
    Address address;
    if (Result result = driver.MemAlloc(&address, size))
      return fail(error, ROUTE_ERROR_MEMORY,
                  "no memory on the GPU for parameter '%.100s', %llu bytes: %s",
                  param.name, static_cast<unsigned long long>(size),
                  driver.nameOf(result));
    owned.push_back(address);
    parameters[i] = reinterpret_cast<const void *>(address);
    for (const Slice &slice : slices) {
      // A slice of no bytes gives the driver nothing to copy.
      if (!slice.size())
        continue;
      AlignedMemory copy;
      const void *source = slice.plain();
      if (!source) {
        if (!copy.allocate(slice.size()))
          return fail(error, ROUTE_ERROR_MEMORY,
                      "out of memory for parameter '%.100s'", param.name);
        slice.copyTo(copy.get());
        source = copy.get();
      }
      // The driver has read pageable memory when it returns.
      if (Result result = driver.MemcpyHtoDAsync(address, source, slice.size(),
                                                 stream.get()))
        return failed(driver, "copying a parameter", result, error);
      address += slice.size();
    }
  }
  if (Result result = driver.StreamSynchronize(stream.get()))
    return failed(driver, "copying the parameters", result, error);
  return ROUTE_OK;
}

route_status Device::prepare(const route_device_code_desc &desc,
                             route_error *error) {
  const uint64_t scratch = desc.prepare_workspace_size(nullptr, 1);
  Address memory, workspace = 0;
  Result result = driver.MemAlloc(&memory, desc.prepared_size);
  if (!result) {
    owned.push_back(memory);
    parameters.back() = reinterpret_cast<const void *>(memory);
    if (scratch)
      result = driver.MemAlloc(&workspace, scratch);
  }
  if (result)
    return fail(error, ROUTE_ERROR_MEMORY,
                "no memory on the GPU for what is made of parameters, %llu "
                "bytes and %llu for a while: %s",
                static_cast<unsigned long long>(desc.prepared_size),
                static_cast<unsigned long long>(scratch),
                driver.nameOf(result));
  // Parameters that the host gave on the GPU may be under way on its default
  // stream, which may not be used beside all captures.
  OwnStream stream(driver);
  if (!isGiven)
    result = stream.open();
  DeviceCall call(this, stream.get());
  call.note(result, "making a stream");
  const route_env env = {sizeof(route_env), runInline, nullptr, 1, 0, 0,
                         nullptr,           &call,     nullptr};
  const route_invocation invocation = {
      nullptr, nullptr,
      nullptr, parameters.data(),
      nullptr, reinterpret_cast<void *>(workspace),
      &env,    nullptr};
  const int32_t code = desc.prepare(&invocation);
  call.wait();
  if (workspace)
    driver.MemFree(workspace);
  if (call.hasFailed())
    return fail(error, ROUTE_ERROR_DEVICE,
                "preparing the parameters failed on the GPU: %s", call.problem);
  if (code)
    return fail(error, ROUTE_ERROR_ENTRY_FAILED,
                "preparing the parameters failed with code %d", code);
  return ROUTE_OK;
}

DeviceCall::DeviceCall(const Device *device, void *stream)
    : route_launcher{sizeof(route_launcher), launchOn, makeMap, uploadTo},
      device(device), stream(stream) {
  if (device)
    note(current.emplace(device->driver, device->context).failure(),
         "entering the context");
}

void DeviceCall::note(Result result, const char *format, ...) {
  if (result == kSuccess)
    return;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(problem, sizeof(problem), format, arguments);
  va_end(arguments);
  const size_t size = strlen(problem);
  snprintf(problem + size, sizeof(problem) - size, ": %s",
           device->driver.nameOf(result));
}

void DeviceCall::refuse(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(problem, sizeof(problem), format, arguments);
  va_end(arguments);
}

route_status DeviceCall::refuseCapture(const char *entry, route_error *error) {
  int capturing = 0; // CU_STREAM_CAPTURE_STATUS_NONE
  if (!hasFailed())
    note(device->driver.StreamIsCapturing(stream, &capturing),
         "looking whether the stream is captured");
  if (capturing)
    return fail(error, ROUTE_ERROR_DEVICE,
                "a call of '%.100s' cannot be captured in a CUDA graph: it, or "
                "a part of it, runs on the CPU, which replays would leave out",
                entry);
  return finish(entry, error);
}

route_status DeviceCall::finish(const char *entry, route_error *error) {
  return hasFailed()
             ? fail(error, ROUTE_ERROR_DEVICE,
                    "entry '%.100s' failed on the GPU: %s", entry, problem)
             : ROUTE_OK;
}

void DeviceCall::launchOn(route_launcher *launcher, uint32_t kernel,
                          int64_t grid, uint32_t block, void **arguments) {
  auto &call = *static_cast<DeviceCall *>(launcher);
  if (call.hasFailed() || grid <= 0)
    return;
  const Device &on = *call.device;
  if (kernel >= on.code->kernels.size())
    return call.refuse("there is no kernel %u, the module has %zu", kernel,
                       on.code->kernels.size());
  const Device::Code::Kernel &what = on.code->kernels[kernel];
  grid = std::min(grid, what.mostBlocks);
  if (grid > INT_MAX)
    return call.refuse("kernel '%.100s' would take %lld blocks, at most %d run",
                       what.name, static_cast<long long>(grid), INT_MAX);
  const LaunchAttribute early = {kProgrammaticLaunch, 0, {1}};
  const LaunchConfig config = {{static_cast<uint32_t>(grid), 1, 1},
                               {block, 1, 1},
                               what.sharedBytes,
                               call.stream,
                               &early,
                               what.waits ? 1u : 0u};
  call.note(
      on.driver.LaunchKernelEx(&config, what.function, arguments, nullptr),
      "launching kernel '%.100s', %lld blocks of %u threads with %u bytes of "
      "shared memory",
      what.name, static_cast<long long>(grid), block, what.sharedBytes);
}

void DeviceCall::uploadTo(route_launcher *launcher, void *to, const void *from,
                          uint64_t size) {
  auto &call = *static_cast<DeviceCall *>(launcher);
  if (call.hasFailed() || !size)
    return;
  // The driver has read pageable memory when it returns.
  const Driver &driver = call.device->driver;
  BesideCaptures beside(driver);
  call.note(driver.MemcpyHtoDAsync(reinterpret_cast<Address>(to), from, size,
                                   call.stream),
            "copying %llu bytes to the GPU",
            static_cast<unsigned long long>(size));
}

void DeviceCall::download(void *to, const void *from, uint64_t size) {
  if (hasFailed() || !size)
    return;
  BesideCaptures beside(device->driver);
  note(device->driver.MemcpyDtoHAsync(to, reinterpret_cast<Address>(from), size,
                                      stream),
       "copying %llu bytes from the GPU",
       static_cast<unsigned long long>(size));
}

void DeviceCall::wait() {
  if (hasFailed())
    return;
  BesideCaptures beside(device->driver);
  note(device->driver.StreamSynchronize(stream), "waiting for the stream");
}

void DeviceCall::makeMap(route_launcher *launcher,
                         const route_tensor_map_request *request, void *map) {
  auto &call = *static_cast<DeviceCall *>(launcher);
  memset(map, 0, kMapBytes);
  if (call.hasFailed())
    return;
  const uint32_t rank = request->rank;
  int type;
  switch (request->element) {
  case ROUTE_F16:
    type = kMapF16;
    break;
  case ROUTE_BF16:
    type = kMapBF16;
    break;
  case ROUTE_F32:
    type = kMapF32;
    break;
  default:
    return call.refuse("a tensor map of element type %u is asked for",
                       request->element);
  }
  if (rank < 2 || rank > 5)
    return call.refuse("a tensor map of rank %u is asked for", rank);
  const uint64_t bytes = route_element_size(request->element);
  // The driver counts axes from the innermost.
  uint32_t boxes[5], steps[5];
  uint64_t sizes[5], strides[5];
  for (uint32_t i = 0; i < rank; ++i) {
    uint32_t from = rank - 1 - i;
    if (request->sizes[from] == 0)
      return;
    sizes[i] = static_cast<uint64_t>(request->sizes[from]);
    strides[i] = static_cast<uint64_t>(request->strides[from]) * bytes;
    boxes[i] = request->box[from];
    steps[i] = 1;
  }
  char *start = static_cast<char *>(request->address) +
                request->offset * static_cast<int64_t>(bytes);
  if (Result result = call.device->driver.TensorMapEncodeTiled(
          map, type, rank, start, sizes, strides + 1, boxes, steps,
          /*interleave=*/0, kSwizzle128, kPromote256, /*fill=*/0))
    call.note(result, "making a tensor map of %s, shape %s, strides %s",
              route_element_name(request->element),
              ShapeText(request->sizes, rank).text,
              ShapeText(request->strides, rank).text);
}
