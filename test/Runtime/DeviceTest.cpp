//===- DeviceTest.cpp - Calls on a GPU, with a driver that is not one -----===//
//
// What the runtime asks of the driver, and what it reports of it. The driver is
// Support/FakeDriver.c, found as libcuda.so.1.
//
//===----------------------------------------------------------------------===//
#include "Support/Top2.h"

#include <algorithm>
#include <cstdlib>
#include <dlfcn.h>

namespace {

using top2::GateCall;

struct FakeLaunch {
  const char *kernel;
  unsigned grid, block, shared;
  void *stream;
  long long firstArgument;
  unsigned early;
};
FakeLaunch *launches;
int *numLaunches, *allocations, *contexts, *pushed, *modules, *copies;

/// Whatever the driver gave has gone back.
void checkNothingHeld() {
  CHECK_EQUAL(*allocations, 0);
  CHECK_EQUAL(*contexts, 0);
  CHECK_EQUAL(*pushed, 0);
  CHECK_EQUAL(*modules, 0);
}

/// A tensor map as the stand-in for the driver writes it, and of what.
alignas(64) uint64_t map[16];
uintptr_t mapped;

/// Launches two kernels; the first gets the address of parameter 0.
int32_t gateOnDevice(const route_invocation *call) {
  const void *param = call->params[0];
  void *arguments[] = {&param};
  route_launcher *launcher = call->env->launcher;
  launcher->launch(launcher, 1, 7, 128, arguments);
  launcher->launch(launcher, 0, 0, 32, arguments); // no blocks: nothing
  launcher->launch(launcher, 0, 5, 32, arguments); // as many as there is room
  // A stack of 2 matrices of 24 rows of 64 elements, from the fourth on.
  static short memory[1];
  const route_tensor_map_request request = {
      memory,      3 * 24 * 72,      ROUTE_BF16,  3,
      {2, 24, 64}, {24 * 72, 72, 1}, {1, 16, 64}, 0};
  launcher->tensor_map(launcher, &request, map);
  mapped = reinterpret_cast<uintptr_t>(memory);
  return 0;
}

const route_kernel_desc kernels[] = {{"small", 0, 1}, {"large", 65536, 0}};
const route_device_code_desc code = {"sm_90a", "ptx",   3, "cubin",
                                     5,        kernels, 2};

/// top2 with code for GPUs.
struct Fixture : top2::Fixture {
  route_module_desc desc = top2_module;
  std::vector<route_entry_desc> entries;
  std::vector<route_variant_desc> variants;

  Fixture() : top2::Fixture(false) {
    entries.assign(desc.entries, desc.entries + desc.num_entries);
    variants.assign(entries[0].variants,
                    entries[0].variants + entries[0].num_variants);
    variants.push_back({"sm_90a", gateOnDevice, 0, ROUTE_DEVICE_CUDA, 0});
    entries[0].variants = variants.data();
    entries[0].num_variants = variants.size();
    desc.entries = entries.data();
    desc.device_code = &code;
    route_module_release(module);
    REQUIRE_OK(route_module_link(&desc, &module, &error));
    options.flags = ROUTE_CONTEXT_CUDA;
  }
};

/// Tensors that claim to be on the GPU.
struct DeviceCall : GateCall {
  DeviceCall() : GateCall(3) {
    for (route_tensor *t : {&x.tensor, &index.tensor, &count.tensor,
                            &status.tensor, &weight.tensor})
      t->device.device_type =
          static_cast<decltype(t->device.device_type)>(ROUTE_DEVICE_CUDA);
    call.stream = this;
  }
};

void testCall() {
  Fixture f;
  REQUIRE_OK(route_context_create(f.module, &f.options, &f.context, &error));
  CHECK(*allocations > 0);
  CHECK_EQUAL(*copies, 0); // they have arrived
  CHECK_EQUAL(*pushed, 0);
  DeviceCall call;
  CHECK_OK(route_decide(f.context, top2::Gate, &call.call, &error));
  CHECK_EQUAL(*numLaunches, 2);
  CHECK_EQUAL(std::string(launches[0].kernel), "large");
  CHECK_EQUAL(launches[0].grid, 7u);
  CHECK_EQUAL(launches[0].block, 128u);
  CHECK_EQUAL(launches[0].shared, 65536u);
  CHECK(launches[0].stream == &call);
  CHECK_EQUAL(std::string(launches[1].kernel), "small");
  CHECK_EQUAL(launches[1].grid, 3u); // one for each multiprocessor
  CHECK_EQUAL(launches[0].early, 1u);
  CHECK_EQUAL(launches[1].early, 0u);
  const uint64_t expected[] = {
      9, 3, mapped + 3 * 24 * 72 * 2, 64, 24, 72 * 2, 64, 16, 1, 1, 0, 3, 0};
  CHECK(std::equal(std::begin(expected), std::end(expected), map));
  // Parameters are copies, as the checkpoint has them.
  auto *weight = reinterpret_cast<const float *>(launches[0].firstArgument);
  CHECK(std::equal(weight, weight + 32, top2::gateWeight().begin()));

  // The same context still decides on the CPU.
  GateCall host(3);
  CHECK_OK(route_decide(f.context, top2::Gate, &host.call, &error));
  host.checkPlan();

  // An entry without code for GPUs, and tensors that kernels cannot take.
  setenv("FAKE_CUDA_FAIL", "cuLaunchKernelEx", 1);
  CHECK_STATUS(route_decide(f.context, top2::Gate, &call.call, &error),
               ROUTE_ERROR_DEVICE,
               "entry 'gate' failed on the GPU: CUDA_ERROR_LAUNCH_FAILED");
  CHECK_EQUAL(*numLaunches, 2);
  setenv("FAKE_CUDA_FAIL", "cuCtxPushCurrent", 1);
  CHECK_STATUS(route_decide(f.context, top2::Gate, &call.call, &error),
               ROUTE_ERROR_DEVICE, "entry 'gate' failed on the GPU");
  CHECK_EQUAL(*numLaunches, 2);
  unsetenv("FAKE_CUDA_FAIL");
  CHECK_EQUAL(*pushed, 0);
  call.x.tensor.byte_offset += 4;
  CHECK_STATUS(route_decide(f.context, top2::Gate, &call.call, &error),
               ROUTE_ERROR_TENSOR_ALIGNMENT,
               "is on a GPU and not aligned to 16 bytes");
  route_context_release(f.context);
  f.context = nullptr;
  checkNothingHeld();
}

void testContextWithout() {
  Fixture f;
  f.options.flags = 0;
  REQUIRE_OK(route_context_create(f.module, &f.options, &f.context, &error));
  DeviceCall call;
  CHECK_STATUS(route_decide(f.context, top2::Gate, &call.call, &error),
               ROUTE_ERROR_TENSOR_DEVICE, "without ROUTE_CONTEXT_CUDA");
}

void testFailures() {
  Fixture f;
  for (const char *name :
       {"cuDeviceGet", "cuDevicePrimaryCtxRetain", "cuCtxPushCurrent",
        "cuModuleLoadData", "cuModuleGetFunction", "cuMemcpyHtoD",
        "cuCtxSynchronize"}) {
    setenv("FAKE_CUDA_FAIL", name, 1);
    CHECK_STATUS(f.create(&error), ROUTE_ERROR_DEVICE, "CUDA_ERROR_");
    checkNothingHeld();
  }
  // A binary that is refused for another reason than its GPU is no reason to
  // try the assembly.
  setenv("FAKE_CUDA_FAIL", "binary", 1);
  CHECK_STATUS(f.create(&error), ROUTE_ERROR_DEVICE,
               "CUDA_ERROR_LAUNCH_FAILED");
  checkNothingHeld();
  setenv("FAKE_CUDA_CODE", "200", 1);
  CHECK_OK(f.create(&error));
  unsetenv("FAKE_CUDA_CODE");
  setenv("FAKE_CUDA_FAIL", "cuMemAlloc", 1);
  CHECK_STATUS(f.create(&error), ROUTE_ERROR_MEMORY, "no memory on the GPU");
  checkNothingHeld();
  unsetenv("FAKE_CUDA_FAIL");
  CHECK_OK(f.create(&error));

  f.desc.device_code = nullptr;
  CHECK_STATUS(f.create(&error), ROUTE_ERROR_DEVICE, "has no code for GPUs");
  route_device_code_desc broken = code;
  broken.assembly = "more than it says";
  f.desc.device_code = &broken;
  route_module *module = nullptr;
  CHECK_STATUS(route_module_link(&f.desc, &module, &error),
               ROUTE_ERROR_DESCRIPTOR, "lacks its assembly");
}

} // namespace

int main(int argc, char **argv) {
  if (argc > 1) {
    // A machine without a GPU: no error until somebody asks for one.
    setenv("FAKE_CUDA_MISSING", "1", 1);
    Fixture f;
    CHECK_STATUS(f.create(&error), ROUTE_ERROR_DRIVER,
                 "no usable NVIDIA driver: cuInit");
    f.options.flags = 0;
    CHECK_OK(f.create(&error));
    return finish("device");
  }
  void *driver = dlopen("libcuda.so.1", RTLD_NOW);
  auto find = [&](const char *name) {
    return driver ? dlsym(driver, name) : nullptr;
  };
  launches = static_cast<FakeLaunch *>(find("fake_launches"));
  numLaunches = static_cast<int *>(find("fake_num_launches"));
  allocations = static_cast<int *>(find("fake_allocations"));
  contexts = static_cast<int *>(find("fake_contexts"));
  pushed = static_cast<int *>(find("fake_pushed"));
  modules = static_cast<int *>(find("fake_modules"));
  copies = static_cast<int *>(find("fake_copies"));
  CHECK(launches && numLaunches && allocations && contexts && pushed &&
        modules && copies);
  if (check::failures)
    return finish("device");
  testCall();
  testContextWithout();
  testFailures();
  checkNothingHeld();
  return finish("device");
}
