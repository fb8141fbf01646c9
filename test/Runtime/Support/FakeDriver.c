/* A stand-in for NVIDIA's driver, counting what is held; memory is the host's.
 * $FAKE_CUDA_FAIL names a function that fails, with $FAKE_CUDA_CODE or 719,
 * from the call on that comes after `fake_spared` others; $FAKE_CUDA_MISSING=1
 * is the driver on a machine without a GPU. What is given back without having
 * been taken is an abort. A launch in a graph takes 10 us, one of a kernel that
 * $FAKE_CUDA_FAST names, with a comma behind it, 1 us. */
#include "FakeRecords.h"

#include <stdlib.h>
#include <string.h>

int fake_spared;

static int fails(const char *name) {
  const char *which = getenv("FAKE_CUDA_FAIL");
  const char *code = getenv("FAKE_CUDA_CODE");
  if (!which || strcmp(which, name) != 0)
    return 0;
  if (fake_spared > 0 && fake_spared--)
    return 0;
  return code ? atoi(code) : 719;
}

/* What the test looks at: the last launches. */
struct fake_launch fake_launches[16];
struct fake_map fake_map;
int fake_num_launches;
struct fake_step fake_steps[256];
_Atomic int fake_num_steps;
/* The stream that a graph is captured from, of any; null: none. */
void *fake_captured;
struct fake_upload fake_uploads[16];
_Atomic int fake_num_uploads;
/* What is held now, and what waits for a synchronisation. */
int fake_allocations, fake_contexts, fake_modules, fake_copies, fake_events,
    fake_streams;
_Thread_local int fake_pushed;
static _Thread_local void *stack[8];
static void *blocks[64], *primary[1];
static double captured, now;

static void *current(void) { return fake_pushed ? stack[fake_pushed - 1] : 0; }

/* What a graph that some other stream is captured for does not survive, unless
 * the thread has said that it does not matter. */
static _Thread_local int capture_mode;
int fake_broken;
static int breaks(void) {
  int broken = fake_captured && capture_mode != 2;
  fake_broken += broken;
  return broken ? 900 : 0;
}

static int step(const char *what, void *stream, void *event, size_t size,
                const char *name) {
  struct fake_step made = {what, stream, event, size};
  int failure = fails(name);
  if (failure)
    return failure;
  fake_steps[fake_num_steps++ % 256] = made;
  return current() ? 0 : 201;
}

static void take_back(int *held) {
  if (--*held < 0)
    abort();
}

int cuInit(unsigned flags) {
  return flags || getenv("FAKE_CUDA_MISSING") ? 100 : fails("cuInit");
}
int cuDeviceGet(int *device, int ordinal) {
  *device = ordinal;
  return fails("cuDeviceGet");
}
int cuDevicePrimaryCtxRetain(void **context, int device) {
  int failure = fails("cuDevicePrimaryCtxRetain");
  *context = primary;
  if (device || failure)
    return device ? 101 : failure;
  ++fake_contexts;
  return 0;
}
int cuDevicePrimaryCtxRelease_v2(int device) {
  take_back(&fake_contexts);
  return device;
}
int cuCtxGetCurrent(void **context) {
  *context = current();
  return 0;
}
int cuCtxPushCurrent_v2(void *context) {
  int failure = fails("cuCtxPushCurrent");
  if (failure || fake_pushed == 8)
    return failure ? failure : 1;
  stack[fake_pushed++] = context;
  return 0;
}
int cuCtxPopCurrent_v2(void **context) {
  *context = current();
  take_back(&fake_pushed);
  return 0;
}
int cuCtxSynchronize(void) {
  fake_copies = 0;
  fake_broken += fake_captured != 0;
  return current() ? fails("cuCtxSynchronize") : 201;
}
int cuModuleLoadData(void **module, const void *image) {
  int binary = memcmp(image, "cubin", 5) == 0;
  int failure = breaks() ? 900 : fails(binary ? "binary" : "cuModuleLoadData");
  *module = (void *)image;
  /* The binary of the test is for another GPU. */
  if (failure || binary)
    return failure ? failure : 209;
  ++fake_modules;
  return 0;
}
int cuModuleUnload(void *module) {
  take_back(&fake_modules);
  return module == 0;
}
int cuModuleGetFunction(void **function, void *module, const char *name) {
  *function = (void *)name;
  if (module && memcmp(module, "only ", 5) == 0 &&
      strcmp((const char *)module + 5, name) != 0)
    return 500;
  return module == 0 ? 1 : fails("cuModuleGetFunction");
}
int cuFuncSetAttribute(void *function, int attribute, int value) {
  if (fails("cuFuncSetAttribute"))
    return fails("cuFuncSetAttribute");
  return function && attribute == 8 && value > 0 ? 0 : 1;
}
struct fake_config {
  unsigned grid[3], block[3], shared;
  void *stream;
  const unsigned *attributes;
  unsigned num_attributes;
};
int cuCtxGetDevice(int *device) {
  *device = 0;
  return fails("cuCtxGetDevice");
}
int cuDeviceGetAttribute(int *value, int attribute, int device) {
  *value = attribute == 16 ? 3 : 0; /* multiprocessors */
  return device ? 101 : fails("cuDeviceGetAttribute");
}
int cuTensorMapEncodeTiled(void *map, int type, unsigned rank, void *address,
                           const unsigned long long *sizes,
                           const unsigned long long *strides,
                           const unsigned *box, const unsigned *steps,
                           int interleave, int swizzle, int promotion,
                           int fill) {
  if (rank > 5 || (size_t)map % 64)
    return 1;
  if (fails("cuTensorMapEncodeTiled"))
    return fails("cuTensorMapEncodeTiled");
  struct fake_map said = {.address = address,
                          .rank = rank,
                          .type = type,
                          .interleave = interleave,
                          .swizzle = swizzle,
                          .promotion = promotion,
                          .fill = fill};
  memcpy(said.sizes, sizes, rank * sizeof(*sizes));
  memcpy(said.strides, strides, (rank - 1) * sizeof(*strides));
  memcpy(said.box, box, rank * sizeof(*box));
  memcpy(said.steps, steps, rank * sizeof(*steps));
  fake_map = said;
  memset(map, 0x5a, 128);
  return 0;
}
int cuLaunchKernelEx(const struct fake_config *config, void *function,
                     void **arguments, void **extra) {
  struct fake_launch launch = {function,
                               config->grid[0],
                               config->block[0],
                               config->shared,
                               config->stream,
                               *(long long *)arguments[0],
                               config->num_attributes};
  if (config->grid[1] != 1 || config->grid[2] != 1 || config->block[1] != 1 ||
      config->block[2] != 1 || extra || !current() || fake_copies ||
      config->num_attributes > 1)
    return 1;
  /* Programmatic stream serialisation: on. The value follows the padding. */
  if (config->num_attributes &&
      (config->attributes[0] != 6 || config->attributes[2] != 1))
    return 1;
  if (fails("cuLaunchKernelEx"))
    return fails("cuLaunchKernelEx");
  fake_launches[fake_num_launches++ % 16] = launch;
  const char *fast = getenv("FAKE_CUDA_FAST"), *found = 0;
  if (fast && (found = strstr(fast, launch.kernel)))
    found = found[strlen(launch.kernel)] == ',' ? found : 0;
  captured += found ? 0.001 : 0.01;
  return 0;
}

/* Streams, graphs and events: a graph is what its launches take, in ms, and an
 * event the time at which it was recorded. */
int cuDeviceGetName(char *name, int size, int device) {
  strncpy(name, "A \"GPU\"", (size_t)size);
  return fails("cuDeviceGetName");
}
int cuStreamCreate(void **stream, unsigned flags) {
  *stream = &now;
  int failure = fails("cuStreamCreate");
  fake_streams += !failure;
  return failure;
}
int cuStreamDestroy_v2(void *stream) {
  take_back(&fake_streams);
  return stream != &now;
}
int cuStreamGetId(void *stream, unsigned long long *id) {
  *id = (size_t)stream;
  return fails("cuStreamGetId");
}
int cuStreamIsCapturing(void *stream, int *status) {
  *status = fake_captured && stream == fake_captured;
  return fails("cuStreamIsCapturing");
}
int cuStreamWaitEvent(void *stream, void *event, unsigned flags) {
  return flags || !event ? 1
                         : step("wait", stream, event, 0, "cuStreamWaitEvent");
}
int cuThreadExchangeStreamCaptureMode(int *mode) {
  int old = capture_mode;
  capture_mode = *mode;
  *mode = old;
  return 0;
}
int cuStreamSynchronize(void *stream) {
  if (stream == &now)
    fake_copies = 0;
  return breaks() ? 900 : fails("cuStreamSynchronize");
}
int cuStreamBeginCapture_v2(void *stream, int mode) {
  captured = 0;
  fake_captured = stream;
  return fails("cuStreamBeginCapture");
}
int cuStreamEndCapture(void *stream, void **graph) {
  *graph = malloc(sizeof(double));
  *(double *)*graph = captured;
  fake_captured = 0;
  return fails("cuStreamEndCapture");
}
int cuGraphInstantiateWithFlags(void **ready, void *graph,
                                unsigned long long flags) {
  *ready = malloc(sizeof(double));
  *(double *)*ready = *(double *)graph;
  return fails("cuGraphInstantiate");
}
int cuGraphLaunch(void *ready, void *stream) {
  now += *(double *)ready;
  return fails("cuGraphLaunch");
}
int cuGraphExecDestroy(void *ready) {
  free(ready);
  return 0;
}
int cuGraphDestroy(void *graph) {
  free(graph);
  return 0;
}
int cuEventCreate(void **event, unsigned flags) {
  int failure = fails("cuEventCreate");
  if (failure)
    return failure;
  *event = calloc(1, sizeof(double));
  __atomic_fetch_add(&fake_events, 1, __ATOMIC_SEQ_CST);
  return 0;
}
int cuEventDestroy_v2(void *event) {
  take_back(&fake_events);
  free(event);
  return 0;
}
int cuEventRecord(void *event, void *stream) {
  *(double *)event = now;
  return step("record", stream, event, 0, "cuEventRecord");
}
int cuEventSynchronize(void *event) { return fails("cuEventSynchronize"); }
int cuEventElapsedTime(float *milliseconds, void *begin, void *end) {
  *milliseconds = (float)(*(double *)end - *(double *)begin);
  return fails("cuEventElapsedTime");
}
int cuMemAlloc_v2(unsigned long long *address, size_t size) {
  if (breaks() || fails("cuMemAlloc") || fake_allocations == 64)
    return 2;
  int free_block = 0;
  while (blocks[free_block])
    ++free_block;
  *address = (unsigned long long)(blocks[free_block] = aligned_alloc(
                                      256, (size + 255) & ~255ul));
  ++fake_allocations;
  return 0;
}
int cuMemFree_v2(unsigned long long address) {
  int block = 0;
  while (block < 64 && blocks[block] != (void *)address)
    ++block;
  if (!address || block == 64)
    abort();
  breaks();
  free(blocks[block]);
  blocks[block] = 0;
  --fake_allocations;
  return 0;
}
int cuMemcpyHtoD_v2(unsigned long long to, const void *from, size_t size) {
  memcpy((void *)to, from, size);
  ++fake_copies;
  return breaks() ? 900 : fails("cuMemcpyHtoD");
}
int cuMemcpyDtoH_v2(void *to, unsigned long long from, size_t size) {
  memcpy(to, (const void *)from, size);
  return breaks() ? 900 : fails("cuMemcpyDtoH");
}
int cuMemcpyHtoDAsync_v2(unsigned long long to, const void *from, size_t size,
                         void *stream) {
  int failure = step("to", stream, 0, size, "cuMemcpyHtoDAsync");
  struct fake_upload upload = {(void *)to, size, stream};
  if (failure || breaks())
    return failure ? failure : 900;
  memcpy((void *)to, from, size);
  fake_copies += stream == &now;
  fake_uploads[fake_num_uploads++ % 16] = upload;
  return 0;
}
int cuMemcpyDtoHAsync_v2(void *to, unsigned long long from, size_t size,
                         void *stream) {
  int failure = step("back", stream, 0, size, "cuMemcpyDtoHAsync");
  failure = failure || !breaks() ? failure : 900;
  if (!failure)
    memcpy(to, (const void *)from, size);
  return failure;
}
int cuMemcpyDtoDAsync_v2(unsigned long long to, unsigned long long from,
                         size_t size, void *stream) {
  int failure = step("within", stream, 0, size, "cuMemcpyDtoDAsync");
  if (!failure)
    memcpy((void *)to, (const void *)from, size);
  return failure;
}
int cuGetErrorName(int result, const char **name) {
  *name = result == 719 ? "CUDA_ERROR_LAUNCH_FAILED" : "CUDA_ERROR_OTHER";
  return 0;
}
