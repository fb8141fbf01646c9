// Calls on a GPU, with a driver that is not one.
// What the runtime asks of the driver, and what it reports of it. The driver is
// Support/FakeDriver.c, found as libcuda.so.1.
#include "Support/DeviceTop2.h"

#include <cstdlib>

namespace {

using namespace device;

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
  // Axes from the innermost, strides in bytes, without the innermost.
  const Map expected = {reinterpret_cast<char *>(mapped) + 3 * 24 * 72 * 2,
                        {64, 24, 2},
                        {72 * 2, 24 * 72 * 2},
                        3,
                        {64, 16, 1},
                        {1, 1, 1},
                        9,
                        0,
                        3,
                        3,
                        0};
  CHECK(memcmp(lastMap, &expected, sizeof(expected)) == 0);
  CHECK(isFilledWith(maps[0], 0x5a));
  CHECK(isFilledWith(maps[1], 0)); // no rows: none was asked for
  // Parameters are copies, as the checkpoint has them.
  auto *weight = reinterpret_cast<const float *>(launches[0].first_argument);
  CHECK(std::equal(weight, weight + 32, top2::gateWeight().begin()));

  // Numbers in 4 bits are bf16 there.
  auto *four = reinterpret_cast<const uint16_t *>(launches[1].first_argument);
  const uint16_t pairs[4][2] = {{0x3f80, 0x4000},  // 1, 2
                                {0x3e80, 0x3f00},  // 0.25, 0.5
                                {0x4040, 0xc040},  // 3, -3
                                {0x4140, 0xc140}}; // 12, -12
  for (size_t i = 0; i < 128; ++i)
    CHECK_EQUAL(four[i], pairs[i / 32][i % 2]);

  // The same context still decides on the CPU.
  GateCall host(3);
  CHECK_OK(route_decide(f.context, top2::Gate, &host.call, &error));
  host.checkPlan();

  // An entry without code for GPUs, and tensors that kernels cannot take.
  setenv("FAKE_CUDA_FAIL", "cuLaunchKernelEx", 1);
  CHECK_STATUS(route_decide(f.context, top2::Gate, &call.call, &error),
               ROUTE_ERROR_DEVICE,
               "entry 'gate' failed on the GPU: launching kernel 'large', 7 "
               "blocks of 128 threads with 65536 bytes of shared memory: "
               "CUDA_ERROR_LAUNCH_FAILED");
  CHECK_EQUAL(*numLaunches, 2);
  CHECK(isFilledWith(maps[0], 0)); // nothing is asked for after a failure
  setenv("FAKE_CUDA_FAIL", "cuTensorMapEncodeTiled", 1);
  CHECK_STATUS(route_decide(f.context, top2::Gate, &call.call, &error),
               ROUTE_ERROR_DEVICE,
               "entry 'gate' failed on the GPU: making a tensor map of bf16, "
               "shape [2, 24, 64], strides [1728, 72, 1]: "
               "CUDA_ERROR_LAUNCH_FAILED");
  CHECK(isFilledWith(maps[0], 0));
  CHECK_EQUAL(*numLaunches, 4); // the launches before it
  unsetenv("FAKE_CUDA_FAIL");
  makeBadMap = true;
  CHECK_STATUS(route_decide(f.context, top2::Gate, &call.call, &error),
               ROUTE_ERROR_DEVICE,
               "entry 'gate' failed on the GPU: a tensor map of rank 1 is "
               "asked for");
  CHECK(isFilledWith(maps[2], 0));
  makeBadMap = false;
  CHECK_EQUAL(*numLaunches, 6);
  gridOfLarge = int64_t(1) << 40; // more than the driver can be asked for
  CHECK_STATUS(route_decide(f.context, top2::Gate, &call.call, &error),
               ROUTE_ERROR_DEVICE,
               "kernel 'large' would take 1099511627776 blocks, at most "
               "2147483647 run");
  gridOfLarge = 7;
  CHECK_EQUAL(*numLaunches, 6);
  setenv("FAKE_CUDA_FAIL", "cuCtxPushCurrent", 1);
  CHECK_STATUS(route_decide(f.context, top2::Gate, &call.call, &error),
               ROUTE_ERROR_DEVICE, "entering the context on the GPU failed: ");
  CHECK_EQUAL(*numLaunches, 6);
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

/// A parameter that the host has on the GPU is read there.
void testGivenOnGpu() {
  Fixture f;
  Array<float> gate({8, 4}, top2::gateWeight()),
      norm({2, 4}, std::vector<float>(8, 2));
  alignas(16) float room[36] = {};
  gate.tensor.data = room;
  gate.tensor.device.device_type =
      static_cast<decltype(gate.tensor.device.device_type)>(ROUTE_DEVICE_CUDA);
  const route_param params[] = {{"gate", &gate.tensor}, {"norm", &norm.tensor}};
  f.options.params = params;
  f.options.num_params = 2;
  f.options.flags |= ROUTE_CONTEXT_ALLOW_EXTRA;
  *numLaunches = 0;
  REQUIRE_OK(route_context_create(f.module, &f.options, &f.context, &error));
  // For the other parameters, and two copies of the state.
  CHECK_EQUAL(*allocations, 5);
  DeviceCall call;
  CHECK_OK(route_decide(f.context, top2::Gate, &call.call, &error));
  CHECK_EQUAL(launches[0].first_argument, reinterpret_cast<long long>(room));
  GateCall host(3);
  CHECK_STATUS(
      route_decide(f.context, top2::Gate, &host.call, &error),
      ROUTE_ERROR_PARAM_MISSING,
      "entry 'gate' runs on the CPU, and parameter 'gate' was given on a GPU: "
      "make the context with ROUTE_CONTEXT_HOST_COPIES");
  // With copies in the host's memory the context serves both.
  const auto weights = top2::gateWeight();
  std::copy(weights.begin(), weights.end(), room);
  route_context_release(f.context);
  f.context = nullptr;
  f.options.flags |= ROUTE_CONTEXT_HOST_COPIES;
  REQUIRE_OK(route_context_create(f.module, &f.options, &f.context, &error));
  CHECK_OK(route_decide(f.context, top2::Gate, &host.call, &error));
  host.checkPlan();
  CHECK_OK(route_decide(f.context, top2::Gate, &call.call, &error));
  CHECK_EQUAL(launches[2].first_argument, reinterpret_cast<long long>(room));
  setenv("FAKE_CUDA_FAIL", "cuMemcpyDtoH", 1);
  CHECK_STATUS(f.create(&error), ROUTE_ERROR_DEVICE,
               "copying a tensor to the host failed");
  unsetenv("FAKE_CUDA_FAIL");
  gate.tensor.byte_offset = 8;
  CHECK_STATUS(f.create(&error), ROUTE_ERROR_TENSOR_ALIGNMENT,
               "'gate' is on a GPU and not aligned to 16 bytes");
  gate.tensor.byte_offset = 16;
  CHECK_OK(f.create(&error));
  gate.tensor.device.device_id = 1;
  CHECK_STATUS(f.create(&error), ROUTE_ERROR_TENSOR_DEVICE,
               "'gate' is on GPU 1, the context on GPU 0");
  gate.tensor.device.device_id = 0;
  f.options.flags &= ~uint64_t(ROUTE_CONTEXT_CUDA);
  CHECK_STATUS(f.create(&error), ROUTE_ERROR_TENSOR_DEVICE,
               "is on a GPU, and the context is made without");
}

/// What a call is given lies on the context's GPU: inputs, outputs and known
/// bytes. Which that is only the context knows.
void testOtherGpu() {
  Fixture f;
  std::vector<route_port_desc> inputs(
      f.entries[0].inputs, f.entries[0].inputs + f.entries[0].num_inputs);
  inputs[0].type.flags |= ROUTE_TYPE_MAY_BE_UNKNOWN;
  inputs[0].known_axes = 1;
  f.entries[0].inputs = inputs.data();
  DeviceCall call;
  alignas(16) uint8_t bytes[3] = {1, 1, 1};
  const int64_t shape[] = {3};
  route_tensor known = call.x.tensor;
  known.data = bytes;
  known.dtype = route_element_dtype(ROUTE_BOOL);
  known.ndim = 1;
  known.shape = const_cast<int64_t *>(shape);
  call.inputs[0].known = &known;
  REQUIRE_OK(route_context_create(f.module, &f.options, &f.context, &error));
  CHECK_OK(route_decide(f.context, top2::Gate, &call.call, &error));
  *numLaunches = 0;
  struct {
    route_tensor &tensor;
    const char *what;
  } const each[] = {{call.x.tensor, "input 'x'"},
                    {known, "input 'x'"},
                    {call.status.tensor, "output 'p.status'"}};
  for (auto &[tensor, what] : each) {
    tensor.device.device_id = 1;
    CHECK_STATUS(
        route_decide(f.context, top2::Gate, &call.call, &error),
        ROUTE_ERROR_TENSOR_DEVICE,
        (std::string(what) + " is on GPU 1, the context on GPU 0").c_str());
    tensor.device.device_id = 0;
  }
  CHECK_EQUAL(*numLaunches, 0);
}

/// Where no entry has kernels, there is no code to load.
void testNoKernels() {
  Fixture f;
  const route_device_code_desc none = {"sm_90a", nullptr, 0, nullptr,
                                       0,        nullptr, 0};
  f.desc.device_code = &none;
  f.entries[0].num_variants -= 1;
  const int before = *allocations;
  REQUIRE_OK(route_context_create(f.module, &f.options, &f.context, &error));
  CHECK_EQUAL(*modules, 0);
  CHECK_EQUAL(*allocations, before); // no parameters and no state there
  DeviceCall call;
  alignas(64) char hostWorkspace[6 * 64];
  call.call.host_workspace = hostWorkspace;
  call.call.host_workspace_size = sizeof(hostWorkspace);
  CHECK_OK(route_decide(f.context, top2::Gate, &call.call, &error));
  call.checkPlan();
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
        "cuModuleLoadData", "cuCtxGetDevice", "cuDeviceGetAttribute",
        "cuModuleGetFunction", "cuFuncSetAttribute", "cuStreamCreate",
        "cuMemcpyHtoDAsync", "cuStreamSynchronize"}) {
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

int main(int argc, char **) {
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
  if (!open())
    return finish("device");
  testCall();
  testGivenOnGpu();
  testOtherGpu();
  testNoKernels();
  testContextWithout();
  testFailures();
  checkNothingHeld();
  return finish("device");
}
