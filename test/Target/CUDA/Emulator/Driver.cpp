// A libcuda.so.1 for machines without a GPU.
// It has what the runtime calls of NVIDIA's. Work is done at once, in the order
// of the calls, which is one of those that streams allow; a graph is the list
// of its work. What a kernel does wrong is written to stderr, and all calls
// fail from then on, as they do on a GPU.
#include "Machine.h"
#include "TensorMap.h"

#include <cstdio>
#include <functional>
#include <mutex>

using namespace emulator;

namespace {

using Address = unsigned long long;

enum : int {
  kSuccess = 0,
  kInvalidValue = 1,
  kOutOfMemory = 2,
  kNoBinary = 209,
  kInvalidContext = 201,
  kNotFound = 500
};

/// What a graph or a stream is asked to do.
using Work = std::function<int()>;
using Graph = std::vector<Work>;

struct Stream {
  std::unique_ptr<Graph> captured;
  unsigned long long id;
};

/// CUlaunchAttribute and CUlaunchConfig.
struct Attribute {
  uint32_t id, padding;
  uint64_t value[8];
};
struct Config {
  uint32_t grid[3], block[3], sharedBytes;
  Stream *stream;
  const Attribute *attributes;
  uint32_t numAttributes;
};
/// CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION
constexpr uint32_t kProgrammaticLaunch = 6;
/// CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT
constexpr int kMultiprocessors = 16;

struct Gpu {
  std::mutex mutex;
  Memory memory;
  int failure = kSuccess; ///< which a kernel has caused
  unsigned long long numStreams = 0;
};
Gpu &gpu() {
  static Gpu &made = *new Gpu; // a process may end while others use it
  return made;
}

char theContext;
thread_local std::vector<void *> contexts;

/// Does work now, or when the graph that `stream` is captured for runs.
int submit(Stream *stream, Work work) {
  if (stream && stream->captured) {
    stream->captured->push_back(std::move(work));
    return kSuccess;
  }
  std::lock_guard lock(gpu().mutex);
  return gpu().failure ? gpu().failure : work();
}

int launch(Launch &what) {
  try {
    what.run();
  } catch (const Fault &fault) {
    fprintf(stderr, "emulated GPU: %s\n", fault.text.c_str());
    if (fault.code != kNotSupported)
      gpu().failure = fault.code;
    return fault.code;
  }
  return kSuccess;
}

/// Whether bytes are of one allocation.
Region *regionOf(Address address, size_t size) {
  Region *region = gpu().memory.find(address);
  uint64_t offset =
      region ? address - reinterpret_cast<uint64_t>(region->bytes) : 0;
  if (region && offset <= region->size && size <= region->size - offset)
    return region;
  fprintf(stderr, "emulated GPU: a copy of %zu bytes at 0x%llx, which is %s\n",
          size, address,
          region ? "not all of one allocation" : "no memory of its own");
  return nullptr;
}

int copyTo(Address to, const void *from, size_t size) {
  Region *region = regionOf(to, size);
  if (!region)
    return kInvalidValue;
  memcpy(reinterpret_cast<void *>(to), from, size);
  region->note(to - reinterpret_cast<uint64_t>(region->bytes), size,
               gpu().memory.clock);
  gpu().memory.finish(); // copies and kernels do not overlap
  return kSuccess;
}

int copyBack(void *to, Address from, size_t size) {
  Region *region = regionOf(from, size);
  if (!region)
    return kInvalidValue;
  if (!region->isWritten(from - reinterpret_cast<uint64_t>(region->bytes),
                         size)) {
    fprintf(stderr,
            "emulated GPU: the host copies %zu bytes at 0x%llx, not all "
            "of which anybody has written\n",
            size, from);
    return kInvalidValue;
  }
  memcpy(to, reinterpret_cast<const void *>(from), size);
  return kSuccess;
}

/// The host waits for everything.
int finish() {
  std::lock_guard lock(gpu().mutex);
  gpu().memory.finish();
  return gpu().failure;
}

} // namespace

#define EMULATED extern "C" __attribute__((visibility("default"))) int

// The device and its context, of which there is one.
EMULATED cuInit(unsigned flags) { return flags ? kInvalidValue : kSuccess; }
EMULATED cuDeviceGet(int *device, int ordinal) {
  *device = 0;
  return ordinal ? 101 : kSuccess;
}
EMULATED cuDeviceGetName(char *name, int size, int) {
  snprintf(name, static_cast<size_t>(size), "emulated GPU");
  return kSuccess;
}
EMULATED cuDeviceGetAttribute(int *value, int attribute, int) {
  *value = attribute == kMultiprocessors ? 4 : 0;
  return kSuccess;
}
EMULATED cuDevicePrimaryCtxRetain(void **context, int) {
  *context = &theContext;
  return kSuccess;
}
EMULATED cuDevicePrimaryCtxRelease_v2(int) { return kSuccess; }
EMULATED cuCtxGetCurrent(void **context) {
  *context = contexts.empty() ? nullptr : contexts.back();
  return kSuccess;
}
EMULATED cuCtxGetDevice(int *device) {
  *device = 0;
  return contexts.empty() ? kInvalidContext : kSuccess;
}
EMULATED cuCtxPushCurrent_v2(void *context) {
  contexts.push_back(context);
  return kSuccess;
}
EMULATED cuCtxPopCurrent_v2(void **context) {
  if (contexts.empty())
    return kInvalidContext;
  *context = contexts.back();
  contexts.pop_back();
  return kSuccess;
}
EMULATED cuCtxSynchronize(void) { return finish(); }

// Modules: PTX alone.
EMULATED cuModuleLoadData(Module **module, const char *image) {
  if (strncmp(image, "//", 2) != 0 && strncmp(image, ".version", 8) != 0)
    return kNoBinary;
  std::lock_guard lock(gpu().mutex);
  auto made = std::make_unique<Module>();
  try {
    parseModule(image, gpu().memory, *made);
  } catch (const Fault &fault) {
    fprintf(stderr, "emulated GPU: %s\n", fault.text.c_str());
    return fault.code;
  }
  *module = made.release();
  return kSuccess;
}
EMULATED cuModuleUnload(Module *module) {
  std::lock_guard lock(gpu().mutex);
  for (uint64_t variable : module->variables)
    gpu().memory.release(variable);
  delete module;
  return kSuccess;
}
EMULATED cuModuleGetFunction(Kernel **function, Module *module,
                             const char *name) {
  auto found = module->kernels.find(name);
  if (found == module->kernels.end())
    return kNotFound;
  *function = &found->second;
  return kSuccess;
}
EMULATED cuFuncSetAttribute(Kernel *, int, int) { return kSuccess; }
EMULATED cuLaunchKernelEx(const Config *config, Kernel *kernel,
                          void **arguments, void **) {
  Launch made{*kernel,
              config->grid[0],
              config->block[0],
              config->sharedBytes,
              config->numAttributes &&
                  config->attributes[0].id == kProgrammaticLaunch,
              std::vector<uint8_t>(kernel->parameterBytes),
              gpu().memory};
  for (size_t i = 0; i < kernel->parameters.size(); ++i)
    memcpy(made.parameters.data() + kernel->parameters[i].offset, arguments[i],
           kernel->parameters[i].size);
  if (!made.blocks || made.blocks % kernel->cluster || !made.threads ||
      made.threads > 1024)
    return kInvalidValue;
  return submit(config->stream, [made]() mutable { return launch(made); });
}
EMULATED cuTensorMapEncodeTiled(TensorMap *map, int type, uint32_t rank,
                                uint64_t address, const uint64_t *sizes,
                                const uint64_t *strides, const uint32_t *box,
                                const uint32_t *, int, int swizzle, int, int) {
  // Of floats alone, with swizzled rows of at most 128 bytes.
  const uint16_t bytes = type == 7 ? 4 : 2;
  TensorMap made = {address, {}, {}, {}, static_cast<uint16_t>(rank), bytes};
  bool bad = rank > 5 || address % 16 || swizzle != 3 ||
             (type != 6 && type != 7 && type != 9) || box[0] * bytes > 128 ||
             box[0] * bytes % 16;
  for (uint32_t i = 0; i < rank && !bad; ++i) {
    made.sizes[i] = sizes[i];
    made.strides[i] = i ? strides[i - 1] : bytes;
    made.box[i] = box[i];
    bad = !sizes[i] || !box[i] || box[i] > 256 || (i && made.strides[i] % 16);
  }
  if (bad)
    return kInvalidValue;
  memcpy(map, &made, sizeof(made));
  return kSuccess;
}

// Memory.
EMULATED cuMemAlloc_v2(Address *address, size_t size) {
  std::lock_guard lock(gpu().mutex);
  *address = gpu().memory.allocate(size);
  return *address ? kSuccess : kOutOfMemory;
}
EMULATED cuMemFree_v2(Address address) {
  std::lock_guard lock(gpu().mutex);
  return gpu().memory.release(address) ? kSuccess : kInvalidValue;
}
EMULATED cuMemcpyHtoD_v2(Address to, const void *from, size_t size) {
  return submit(nullptr, [=] { return copyTo(to, from, size); });
}
EMULATED cuMemcpyDtoH_v2(void *to, Address from, size_t size) {
  if (int failure = finish())
    return failure;
  return submit(nullptr, [=] { return copyBack(to, from, size); });
}
EMULATED cuMemcpyHtoDAsync_v2(Address to, const void *from, size_t size,
                              Stream *stream) {
  return submit(stream, [=] { return copyTo(to, from, size); });
}
EMULATED cuMemcpyDtoHAsync_v2(void *to, Address from, size_t size,
                              Stream *stream) {
  return submit(stream, [=] { return copyBack(to, from, size); });
}
EMULATED cuMemcpyDtoDAsync_v2(Address to, Address from, size_t size,
                              Stream *stream) {
  return submit(stream, [=] {
    return regionOf(from, size)
               ? copyTo(to, reinterpret_cast<const void *>(from), size)
               : kInvalidValue;
  });
}
/// Not the driver's: memory that holds rubbish, as if just allocated.
EMULATED emulatorForget(Address address, size_t size) {
  std::lock_guard lock(gpu().mutex);
  Region *region = regionOf(address, size);
  if (region)
    region->note(address - reinterpret_cast<uint64_t>(region->bytes), size, 0);
  return region ? kSuccess : kInvalidValue;
}

// Streams, events and graphs.
EMULATED cuStreamCreate(Stream **stream, unsigned) {
  std::lock_guard lock(gpu().mutex);
  *stream = new Stream{nullptr, ++gpu().numStreams};
  return kSuccess;
}
EMULATED cuStreamDestroy_v2(Stream *stream) {
  delete stream;
  return kSuccess;
}
EMULATED cuStreamSynchronize(Stream *) { return finish(); }
EMULATED cuStreamGetId(Stream *stream, unsigned long long *id) {
  *id = stream ? stream->id : 0;
  return kSuccess;
}
EMULATED cuStreamIsCapturing(Stream *stream, int *status) {
  *status = stream && stream->captured;
  return kSuccess;
}
EMULATED cuStreamWaitEvent(Stream *, void *, unsigned) { return kSuccess; }
EMULATED cuThreadExchangeStreamCaptureMode(int *) { return kSuccess; }
EMULATED cuStreamBeginCapture_v2(Stream *stream, int) {
  stream->captured = std::make_unique<Graph>();
  return kSuccess;
}
EMULATED cuStreamEndCapture(Stream *stream, Graph **graph) {
  *graph = stream->captured.release();
  return kSuccess;
}
EMULATED cuGraphInstantiateWithFlags(Graph **ready, Graph *graph,
                                     unsigned long long) {
  *ready = new Graph(*graph);
  return kSuccess;
}
EMULATED cuGraphLaunch(Graph *ready, Stream *stream) {
  for (const Work &work : *ready)
    if (int failure = submit(stream, work))
      return failure;
  return kSuccess;
}
EMULATED cuGraphExecDestroy(Graph *graph) {
  delete graph;
  return kSuccess;
}
EMULATED cuGraphDestroy(Graph *graph) {
  delete graph;
  return kSuccess;
}
EMULATED cuEventCreate(void **event, unsigned) {
  *event = new char;
  return kSuccess;
}
EMULATED cuEventDestroy_v2(void *event) {
  delete static_cast<char *>(event);
  return kSuccess;
}
EMULATED cuEventRecord(void *, Stream *) { return kSuccess; }
EMULATED cuEventSynchronize(void *) { return finish(); }
EMULATED cuEventElapsedTime(float *milliseconds, void *, void *) {
  *milliseconds = 1;
  return kSuccess;
}

EMULATED cuGetErrorName(int result, const char **name) {
  *name = result == kIllegalAddress ? "CUDA_ERROR_ILLEGAL_ADDRESS"
          : result == kMisaligned   ? "CUDA_ERROR_MISALIGNED_ADDRESS"
          : result == kLaunchFailed ? "CUDA_ERROR_LAUNCH_FAILED"
          : result == kNotSupported ? "CUDA_ERROR_NOT_SUPPORTED"
          : result == kInvalidPtx   ? "CUDA_ERROR_INVALID_PTX"
          : result == kOutOfMemory  ? "CUDA_ERROR_OUT_OF_MEMORY"
          : result == kNoBinary     ? "CUDA_ERROR_NO_BINARY_FOR_GPU"
                                    : "CUDA_ERROR_INVALID_VALUE";
  return kSuccess;
}
