// NVIDIA's driver, found at run time.
// The functions of libcuda.so.1 that the runtime calls, declared here so that
// it builds without a toolkit and loads without a driver.
#ifndef ROUTE_LIB_CUDA_DRIVER_H
#define ROUTE_LIB_CUDA_DRIVER_H

#include "../core/Support.h"

#include <cstddef>

namespace route::cuda {

using Result = int; ///< CUresult
using Address = unsigned long long;

/// CUresult values that the runtime tells apart.
enum : Result { kSuccess = 0, kInvalidImage = 200, kNoBinary = 209 };

/// CUlaunchAttribute.
struct LaunchAttribute {
  uint32_t id;
  uint32_t padding;
  uint64_t value[8];
};

/// CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION: a kernel may start
/// before those launched before it have ended; ours wait for them themselves.
constexpr uint32_t kProgrammaticLaunch = 6;

/// CUlaunchConfig.
struct LaunchConfig {
  uint32_t grid[3], block[3], sharedBytes;
  void *stream;
  const LaunchAttribute *attributes;
  uint32_t numAttributes;
};

/// Calls return CUresult; names are the driver's without "cu".
struct Driver {
  Result (*Init)(unsigned);
  Result (*DeviceGet)(int *, int);
  Result (*DeviceGetAttribute)(int *, int, int);
  Result (*DevicePrimaryCtxRetain)(void **, int);
  Result (*DevicePrimaryCtxRelease)(int);
  Result (*CtxGetCurrent)(void **);
  Result (*CtxGetDevice)(int *);
  Result (*CtxPushCurrent)(void *);
  Result (*CtxPopCurrent)(void **);
  Result (*CtxSynchronize)();
  Result (*ModuleLoadData)(void **, const void *);
  Result (*ModuleUnload)(void *);
  Result (*ModuleGetFunction)(void **, void *, const char *);
  Result (*FuncSetAttribute)(void *, int, int);
  Result (*LaunchKernelEx)(const LaunchConfig *, void *, void **, void **);
  Result (*TensorMapEncodeTiled)(void *, int, uint32_t, void *,
                                 const uint64_t *, const uint64_t *,
                                 const uint32_t *, const uint32_t *, int, int,
                                 int, int);
  Result (*MemAlloc)(Address *, size_t);
  Result (*MemFree)(Address);
  Result (*MemcpyHtoD)(Address, const void *, size_t);
  Result (*MemcpyDtoH)(void *, Address, size_t);
  Result (*MemcpyHtoDAsync)(Address, const void *, size_t, void *);
  Result (*MemcpyDtoHAsync)(void *, Address, size_t, void *);
  Result (*MemcpyDtoDAsync)(Address, Address, size_t, void *);
  Result (*StreamCreate)(void **, unsigned);
  Result (*StreamDestroy)(void *);
  Result (*StreamSynchronize)(void *);
  Result (*StreamGetId)(void *, unsigned long long *);
  Result (*StreamIsCapturing)(void *, int *);
  Result (*StreamWaitEvent)(void *, void *, unsigned);
  Result (*EventCreate)(void **, unsigned);
  Result (*EventDestroy)(void *);
  Result (*EventRecord)(void *, void *);
  Result (*ThreadExchangeStreamCaptureMode)(int *);
  Result (*GetErrorName)(Result, const char **);

  /// The name of an error, "unknown error" without one.
  const char *nameOf(Result result) const;
};

/// Makes a context the thread's current one while it lives.
class Current {
public:
  Current(const Driver &driver, void *context) : driver(driver) {
    void *now = nullptr;
    result = driver.CtxGetCurrent(&now);
    if (result != kSuccess || now == context)
      return;
    result = driver.CtxPushCurrent(context);
    pushed = result == kSuccess;
  }
  Current(const Current &) = delete;
  Current &operator=(const Current &) = delete;
  ~Current() {
    void *old;
    if (pushed)
      driver.CtxPopCurrent(&old);
  }

  /// What went wrong when it was made so.
  Result failure() const { return result; }

private:
  const Driver &driver;
  Result result = kSuccess;
  bool pushed = false;
};

/// Lets the thread do, while it lives, what would break a graph that another
/// stream is captured for: allocate, load code, copy pageable memory, wait for
/// a stream. What waits for a whole context would break it all the same.
class BesideCaptures {
public:
  explicit BesideCaptures(const Driver &driver) : driver(driver) {
    driver.ThreadExchangeStreamCaptureMode(&mode);
  }
  BesideCaptures(const BesideCaptures &) = delete;
  BesideCaptures &operator=(const BesideCaptures &) = delete;
  ~BesideCaptures() { driver.ThreadExchangeStreamCaptureMode(&mode); }

private:
  const Driver &driver;
  int mode = 2; ///< CU_STREAM_CAPTURE_MODE_RELAXED, then the thread's
};

/// A stream of the current context that nothing else waits for, nor it for
/// others.
class OwnStream {
public:
  explicit OwnStream(const Driver &driver) : driver(driver) {}
  OwnStream(const OwnStream &) = delete;
  OwnStream &operator=(const OwnStream &) = delete;
  ~OwnStream() { close(); }

  Result open() {
    Result result = driver.StreamCreate(&handle, /*CU_STREAM_NON_BLOCKING=*/1);
    if (result != kSuccess)
      handle = nullptr;
    return result;
  }
  /// The context it was opened in is to be current.
  void close() {
    if (handle)
      driver.StreamDestroy(handle);
    handle = nullptr;
  }
  void *get() const { return handle; }

private:
  const Driver &driver;
  void *handle = nullptr;
};

/// Loads and initialises the driver, once a process. Errors: DRIVER.
route_status findDriver(const Driver *&driver, route_error *error);

} // namespace route::cuda

#endif // ROUTE_LIB_CUDA_DRIVER_H
