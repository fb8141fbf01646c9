// NVIDIA's driver, found at run time.
// A machine without the driver is no error until somebody asks for a GPU.
#include "Driver.h"

#include <cstdio>
#include <cstring>
#include <dlfcn.h>

using namespace route;
using namespace route::cuda;

const char *Driver::nameOf(Result result) const {
  const char *name = nullptr;
  return GetErrorName(result, &name) == kSuccess && name ? name
                                                         : "unknown error";
}

namespace {
/// What came of looking for the driver.
struct Found {
  Driver driver = {};
  bool usable = false;
  char why[256] = "";

  Found() {
    void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library) {
      const char *message = dlerror();
      snprintf(why, sizeof(why), "%s", message ? message : "not found");
      return;
    }
    const char *missing = nullptr;
    auto find = [&](auto &function, const char *name) {
      void *address = dlsym(library, name);
      if (!address && !missing)
        missing = name;
      memcpy(&function, &address, sizeof(address));
    };
    find(driver.Init, "cuInit");
    find(driver.DeviceGet, "cuDeviceGet");
    find(driver.DeviceGetAttribute, "cuDeviceGetAttribute");
    find(driver.DevicePrimaryCtxRetain, "cuDevicePrimaryCtxRetain");
    find(driver.DevicePrimaryCtxRelease, "cuDevicePrimaryCtxRelease_v2");
    find(driver.CtxGetCurrent, "cuCtxGetCurrent");
    find(driver.CtxGetDevice, "cuCtxGetDevice");
    find(driver.CtxPushCurrent, "cuCtxPushCurrent_v2");
    find(driver.CtxPopCurrent, "cuCtxPopCurrent_v2");
    find(driver.CtxSynchronize, "cuCtxSynchronize");
    find(driver.ModuleLoadData, "cuModuleLoadData");
    find(driver.ModuleUnload, "cuModuleUnload");
    find(driver.ModuleGetFunction, "cuModuleGetFunction");
    find(driver.FuncSetAttribute, "cuFuncSetAttribute");
    find(driver.LaunchKernelEx, "cuLaunchKernelEx");
    find(driver.TensorMapEncodeTiled, "cuTensorMapEncodeTiled");
    find(driver.MemAlloc, "cuMemAlloc_v2");
    find(driver.MemFree, "cuMemFree_v2");
    find(driver.MemcpyHtoD, "cuMemcpyHtoD_v2");
    find(driver.MemcpyDtoH, "cuMemcpyDtoH_v2");
    find(driver.MemcpyHtoDAsync, "cuMemcpyHtoDAsync_v2");
    find(driver.MemcpyDtoHAsync, "cuMemcpyDtoHAsync_v2");
    find(driver.MemcpyDtoDAsync, "cuMemcpyDtoDAsync_v2");
    find(driver.StreamCreate, "cuStreamCreate");
    find(driver.StreamDestroy, "cuStreamDestroy_v2");
    find(driver.StreamSynchronize, "cuStreamSynchronize");
    find(driver.StreamGetId, "cuStreamGetId");
    find(driver.StreamIsCapturing, "cuStreamIsCapturing");
    find(driver.StreamWaitEvent, "cuStreamWaitEvent");
    find(driver.EventCreate, "cuEventCreate");
    find(driver.EventDestroy, "cuEventDestroy_v2");
    find(driver.EventRecord, "cuEventRecord");
    find(driver.ThreadExchangeStreamCaptureMode,
         "cuThreadExchangeStreamCaptureMode");
    find(driver.GetErrorName, "cuGetErrorName");
    if (missing) {
      snprintf(why, sizeof(why), "libcuda.so.1 has no function %s", missing);
      return;
    }
    if (Result result = driver.Init(0)) {
      snprintf(why, sizeof(why), "cuInit: %s", driver.nameOf(result));
      return;
    }
    usable = true;
  }
};
} // namespace

route_status route::cuda::findDriver(const Driver *&driver,
                                     route_error *error) {
  // Never unloaded: a process may end while kernels run.
  static const Found found;
  if (!found.usable)
    return fail(error, ROUTE_ERROR_DRIVER, "no usable NVIDIA driver: %s",
                found.why);
  driver = &found.driver;
  return ROUTE_OK;
}
