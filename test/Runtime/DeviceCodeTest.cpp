// A library's code on a GPU, with a driver that is not one.
// When it is loaded and let go, which binary has a kernel, and what kernels
// make of parameters when a context is.
#include "Support/DeviceTop2.h"

#include <cstdlib>

namespace {

using namespace device;

/// Contexts are made, used and released while another thread captures a graph.
void testBesideCaptures() {
  Fixture f;
  Array<float> gate({8, 4}, top2::gateWeight());
  gate.tensor.device.device_type =
      static_cast<decltype(gate.tensor.device.device_type)>(ROUTE_DEVICE_CUDA);
  alignas(16) float room[32] = {};
  gate.tensor.data = room;
  const route_param params[] = {{"gate", &gate.tensor}};
  int elsewhere;
  *captured = &elsewhere;
  for (uint64_t given : {0, 1}) {
    f.options.params = params;
    f.options.num_params = given;
    f.options.flags = ROUTE_CONTEXT_CUDA | ROUTE_CONTEXT_ALLOW_EXTRA |
                      (given ? ROUTE_CONTEXT_HOST_COPIES : 0);
    REQUIRE_OK(route_context_create(f.module, &f.options, &f.context, &error));
    CHECK_EQUAL(*copies, 0); // they have arrived
    DeviceCall call;
    CHECK_OK(route_decide(f.context, top2::Gate, &call.call, &error));
    route_context_release(f.context);
    f.context = nullptr;
  }
  *captured = nullptr;
  CHECK_EQUAL(*broken, 0);
  checkNothingHeld();
}

/// A library's code is loaded once for a device, however many contexts there
/// are.
void testSharedCode() {
  Fixture f;
  route_context *first = nullptr, *second = nullptr;
  REQUIRE_OK(route_context_create(f.module, &f.options, &first, &error));
  REQUIRE_OK(route_context_create(f.module, &f.options, &second, &error));
  CHECK_EQUAL(*modules, 1);
  route_context_release(first);
  CHECK_EQUAL(*modules, 1);
  *numLaunches = 0;
  DeviceCall call;
  CHECK_OK(route_decide(second, top2::Gate, &call.call, &error));
  CHECK_EQUAL(*numLaunches, 2);
  // Another library's code is its own.
  Fixture other;
  route_device_code_desc own = code;
  other.desc.device_code = &own;
  REQUIRE_OK(
      route_context_create(other.module, &other.options, &first, &error));
  CHECK_EQUAL(*modules, 2);
  route_context_release(first);
  route_context_release(second);
  checkNothingHeld();
}

/// Each kernel comes out of the binary that has it.
void testBinaries() {
  const route_device_binary taken[] = {{"only large", 10}, {"only small", 10}};
  route_kernel_desc placed[] = {kernels[0], kernels[1]};
  placed[0].binary = 1;
  route_device_code_desc own = code;
  own.binaries = taken;
  own.num_binaries = 2;
  own.kernels = placed;
  Fixture f;
  f.desc.device_code = &own;
  REQUIRE_OK(route_context_create(f.module, &f.options, &f.context, &error));
  CHECK_EQUAL(*modules, 2);
  *numLaunches = 0;
  DeviceCall call;
  CHECK_OK(route_decide(f.context, top2::Gate, &call.call, &error));
  CHECK_EQUAL(*numLaunches, 2);
  CHECK(strcmp(launches[0].kernel, "large") == 0);
  CHECK(strcmp(launches[1].kernel, "small") == 0);
  route_context_release(f.context);
  f.context = nullptr;
  checkNothingHeld();

  // One of them is refused: all kernels come out of the assembly.
  const route_device_binary some[] = {
      {"only large", 10}, {"cubin", 5}, {"only small", 10}};
  placed[0].binary = 2;
  own.binaries = some;
  own.num_binaries = 3;
  REQUIRE_OK(route_context_create(f.module, &f.options, &f.context, &error));
  CHECK_EQUAL(*modules, 1);
  *numLaunches = 0;
  CHECK_OK(route_decide(f.context, top2::Gate, &call.call, &error));
  CHECK_EQUAL(*numLaunches, 2);
  route_context_release(f.context);
  f.context = nullptr;
  checkNothingHeld();
  own.binaries = taken;
  own.num_binaries = 2;

  placed[0].binary = 0;
  CHECK_STATUS(f.create(&error), ROUTE_ERROR_DEVICE, "small failed");
  checkNothingHeld();
  placed[0].binary = 2;
  route_module *module = nullptr;
  CHECK_STATUS(route_module_link(&f.desc, &module, &error),
               ROUTE_ERROR_DESCRIPTOR, "'small' is in none of 2 binaries");
  placed[0].binary = 1;
  const route_device_binary empty[] = {{nullptr, 10}};
  own.num_binaries = 1;
  own.binaries = empty;
  CHECK_STATUS(route_module_link(&f.desc, &module, &error),
               ROUTE_ERROR_DESCRIPTOR, "lacks a binary");
}

/// What lies behind the fixture's parameters.
const void *preparedOf(const route_invocation *call) {
  return call->params[top2_module.num_params + 1];
}

/// Doubles the first numbers of parameter 0 and launches a kernel on them.
int timesPrepared = 0, prepareCode = 0;
const void *prepareScratch = nullptr;
int32_t prepareOnDevice(const route_invocation *call) {
  ++timesPrepared;
  prepareScratch = call->workspace;
  const auto *weight = static_cast<const float *>(call->params[0]);
  auto *prepared = static_cast<float *>(const_cast<void *>(preparedOf(call)));
  for (size_t i = 0; i < 4; ++i)
    prepared[i] = 2 * weight[i];
  const void *first = prepared;
  void *arguments[] = {&first};
  call->env->launcher->launch(call->env->launcher, 1, 1, 128, arguments);
  return prepareCode;
}
uint64_t bytesToPrepare(const int64_t *, int64_t) { return 64; }
int32_t gatePrepared(const route_invocation *call) {
  const void *prepared = preparedOf(call);
  void *arguments[] = {&prepared};
  call->env->launcher->launch(call->env->launcher, 0, 1, 32, arguments);
  return 0;
}

/// What hangs on parameters alone is made once for each context.
void testPrepared() {
  Fixture f;
  REQUIRE_OK(route_context_create(f.module, &f.options, &f.context, &error));
  const int without = *allocations;
  route_context_release(f.context);
  route_device_code_desc own = code;
  own.prepared_size = 16;
  own.prepare = prepareOnDevice;
  own.prepare_workspace_size = bytesToPrepare;
  f.desc.device_code = &own;
  f.variants.back().fn = gatePrepared;
  *numLaunches = 0;
  REQUIRE_OK(route_context_create(f.module, &f.options, &f.context, &error));
  CHECK_EQUAL(timesPrepared, 1);
  CHECK(prepareScratch != nullptr); // and given back
  CHECK_EQUAL(*allocations, without + 1);
  CHECK_EQUAL(*pushed, 0);
  CHECK_EQUAL(*numLaunches, 1);
  CHECK(launches[0].stream != nullptr); // none that others wait for
  DeviceCall call;
  CHECK_OK(route_decide(f.context, top2::Gate, &call.call, &error));
  CHECK_OK(route_decide(f.context, top2::Gate, &call.call, &error));
  CHECK_EQUAL(timesPrepared, 1);
  CHECK_EQUAL(launches[2].first_argument, launches[0].first_argument);
  const auto *made =
      reinterpret_cast<const float *>(launches[2].first_argument);
  for (size_t i = 0; i < 4; ++i)
    CHECK_EQUAL(made[i], 2 * top2::gateWeight()[i]);
  // Contexts share code, and may differ in their parameters.
  CHECK_OK(f.create(&error));
  CHECK_EQUAL(timesPrepared, 2);
  route_context_release(f.context);
  f.context = nullptr;
  checkNothingHeld();

  prepareCode = 7;
  CHECK_STATUS(f.create(&error), ROUTE_ERROR_ENTRY_FAILED,
               "preparing the parameters failed with code 7");
  prepareCode = 0;
  checkNothingHeld();
  setenv("FAKE_CUDA_FAIL", "cuLaunchKernelEx", 1);
  CHECK_STATUS(f.create(&error), ROUTE_ERROR_DEVICE,
               "preparing the parameters failed on the GPU: launching kernel "
               "'large', 1 blocks of 128 threads with 65536 bytes of shared "
               "memory: CUDA_ERROR_");
  checkNothingHeld();
  // The first waits for parameters, the second for what is made of them.
  setenv("FAKE_CUDA_FAIL", "cuStreamSynchronize", 1);
  *spared = 1;
  CHECK_STATUS(f.create(&error), ROUTE_ERROR_DEVICE,
               "preparing the parameters failed on the GPU: waiting for the "
               "stream: CUDA_ERROR_");
  checkNothingHeld();
  setenv("FAKE_CUDA_FAIL", "cuMemAlloc", 1);
  for (int more : {0, 1}) {
    *spared = static_cast<int>(f.desc.num_params) + more;
    CHECK_STATUS(f.create(&error), ROUTE_ERROR_MEMORY,
                 "no memory on the GPU for what is made of parameters, 16 "
                 "bytes and 64 for a while");
    checkNothingHeld();
  }
  unsetenv("FAKE_CUDA_FAIL");

  route_module *module = nullptr;
  own.prepared_size = 0;
  CHECK_STATUS(route_module_link(&f.desc, &module, &error),
               ROUTE_ERROR_DESCRIPTOR, "prepares 0 bytes with a function");
  own.prepared_size = 16;
  own.prepare = nullptr;
  CHECK_STATUS(route_module_link(&f.desc, &module, &error),
               ROUTE_ERROR_DESCRIPTOR, "prepares 16 bytes with no function");
}

} // namespace

int main() {
  if (!open())
    return finish("device code");
  testBesideCaptures();
  testSharedCode();
  testBinaries();
  testPrepared();
  checkNothingHeld();
  return finish("device code");
}
