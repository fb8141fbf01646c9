/* A stand-in for NVIDIA's driver: memory is the host's, launches are written
 * down. $FAKE_CUDA_FAIL names a function that fails, $FAKE_CUDA_MISSING=1 is
 * the driver on a machine without a GPU. */
#include <stdlib.h>
#include <string.h>

static int fails(const char *name) {
  const char *which = getenv("FAKE_CUDA_FAIL");
  return which && strcmp(which, name) == 0 ? 719 : 0;
}

struct fake_launch {
  const char *kernel;
  unsigned grid, block, shared;
  void *stream;
  long long first_argument;
};
/* What the test looks at. */
struct fake_launch fake_launches[16];
int fake_num_launches, fake_allocations;
static void *current;

int cuInit(unsigned flags) {
  return flags || getenv("FAKE_CUDA_MISSING") ? 100 : fails("cuInit");
}
int cuDeviceGet(int *device, int ordinal) {
  *device = ordinal;
  return fails("cuDeviceGet");
}
int cuDevicePrimaryCtxRetain(void **context, int device) {
  *context = &current;
  return device || fails("cuDevicePrimaryCtxRetain");
}
int cuDevicePrimaryCtxRelease_v2(int device) { return device; }
int cuCtxGetCurrent(void **context) {
  *context = current;
  return 0;
}
int cuCtxGetDevice(int *device) {
  *device = 0;
  return 0;
}
int cuCtxPushCurrent_v2(void *context) {
  current = context;
  return 0;
}
int cuCtxPopCurrent_v2(void **context) {
  *context = current;
  current = 0;
  return 0;
}
int cuModuleLoadData(void **module, const void *image) {
  *module = (void *)image;
  /* The binary of the test is for another GPU. */
  return memcmp(image, "cubin", 5) == 0 ? 209 : fails("cuModuleLoadData");
}
int cuModuleUnload(void *module) { return module == 0; }
int cuModuleGetFunction(void **function, void *module, const char *name) {
  *function = (void *)name;
  return module == 0 ? 1 : fails("cuModuleGetFunction");
}
int cuFuncSetAttribute(void *function, int attribute, int value) {
  return function && attribute == 8 && value > 0 ? 0 : 1;
}
int cuLaunchKernel(void *function, unsigned x, unsigned y, unsigned z,
                   unsigned bx, unsigned by, unsigned bz, unsigned shared,
                   void *stream, void **arguments, void **extra) {
  struct fake_launch launch = {function, x,      bx,
                               shared,   stream, *(long long *)arguments[0]};
  if (y != 1 || z != 1 || by != 1 || bz != 1 || extra || current == 0)
    return 1;
  if (fails("cuLaunchKernel"))
    return 719;
  fake_launches[fake_num_launches++] = launch;
  return 0;
}
int cuMemAlloc_v2(unsigned long long *address, size_t size) {
  if (fails("cuMemAlloc"))
    return 719;
  *address = (unsigned long long)malloc(size);
  ++fake_allocations;
  return 0;
}
int cuMemFree_v2(unsigned long long address) {
  free((void *)address);
  --fake_allocations;
  return 0;
}
int cuMemcpyHtoD_v2(unsigned long long to, const void *from, size_t size) {
  memcpy((void *)to, from, size);
  return fails("cuMemcpyHtoD");
}
int cuGetErrorName(int result, const char **name) {
  *name = result == 719 ? "CUDA_ERROR_LAUNCH_FAILED" : "CUDA_ERROR_OTHER";
  return 0;
}
