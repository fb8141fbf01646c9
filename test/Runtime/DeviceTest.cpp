// Calls on a GPU, with a driver that is not one.
// What the runtime asks of the driver, and what it reports of it. The driver is
// Support/FakeDriver.c, found as libcuda.so.1.
#include "Support/Top2.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
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
struct FakeMap {
  void *address;
  unsigned long long sizes[5], strides[5];
  unsigned rank, box[5], steps[5];
  int type, interleave, swizzle, promotion, fill;
};
struct FakeUpload {
  void *to;
  size_t size;
  void *stream;
};
FakeUpload *uploads;
int *numUploads;
int *broken; ///< times that a graph of another stream would have been
struct FakeStep {
  const char *what;
  void *stream, *event;
  size_t size;
};
FakeStep *steps;
std::atomic<int> *numSteps;
void **capturedStream;
FakeLaunch *launches;
FakeMap *lastMap;
int *spared, *numLaunches, *allocations, *contexts, *pushed, *modules, *copies;

/// Whatever the driver gave has gone back.
void checkNothingHeld() {
  CHECK_EQUAL(*allocations, 0);
  CHECK_EQUAL(*contexts, 0);
  CHECK_EQUAL(*pushed, 0);
  CHECK_EQUAL(*modules, 0);
}

/// Tensor maps: of a stack of matrices, of one without rows, of no rank.
alignas(64) unsigned char maps[3][128];
short mapped[1];
bool makeBadMap = false;
int64_t gridOfLarge = 7;

bool isFilledWith(const unsigned char (&map)[128], unsigned char byte) {
  return std::all_of(map, map + 128,
                     [&](unsigned char other) { return other == byte; });
}

/// Launches two kernels, the first with the address of parameter 0, the second
/// with that of the one in 4 bits, and makes the maps.
int32_t gateOnDevice(const route_invocation *call) {
  const void *param = call->params[0];
  const void *four = call->params[top2_module.num_params];
  void *arguments[] = {&param}, *others[] = {&four};
  route_launcher *launcher = call->env->launcher;
  launcher->launch(launcher, 1, gridOfLarge, 128, arguments);
  launcher->launch(launcher, 0, 0, 32, arguments); // no blocks: nothing
  launcher->launch(launcher, 0, 5, 32, others);    // as many as there is room
  // A stack of 2 matrices of 24 rows of 64 elements, from the fourth on.
  route_tensor_map_request request = {
      mapped,      3 * 24 * 72,      ROUTE_BF16,  3,
      {2, 24, 64}, {24 * 72, 72, 1}, {1, 16, 64}, 0};
  memset(maps, 1, sizeof(maps));
  launcher->tensor_map(launcher, &request, maps[0]);
  request.sizes[1] = 0;
  launcher->tensor_map(launcher, &request, maps[1]);
  request.rank = 1;
  if (makeBadMap)
    launcher->tensor_map(launcher, &request, maps[2]);
  return 0;
}

const route_kernel_desc kernels[] = {
    {"small", 0, 1, 0, 0}, {"large", 65536, 0, ROUTE_KERNEL_WAITS, 0}};
const route_device_binary refused[] = {{"cubin", 5}};
const route_device_code_desc code = {"sm_90a", "ptx", 3, refused, 1,
                                     kernels,  2,     0, nullptr, nullptr};

/// top2 with code for GPUs and a parameter of 2 x 64 numbers in 4 bits, a pair
/// of tensors for each row.
struct Fixture : top2::Fixture {
  route_module_desc desc = top2_module;
  std::vector<route_axis_desc> axes;
  std::vector<route_param_desc> params;
  const uint32_t fourAxes[2] = {static_cast<uint32_t>(top2_module.num_axes),
                                static_cast<uint32_t>(top2_module.num_axes) +
                                    1};
  std::vector<route_entry_desc> entries;
  std::vector<route_variant_desc> variants;

  Fixture() : top2::Fixture(false) {
    entries.assign(desc.entries, desc.entries + desc.num_entries);
    variants.assign(entries[0].variants,
                    entries[0].variants + entries[0].num_variants);
    variants.push_back({"sm_90a", gateOnDevice, 0, ROUTE_DEVICE_CUDA, 0,
                        nullptr, 0, nullptr, nullptr});
    entries[0].variants = variants.data();
    entries[0].num_variants = variants.size();
    desc.entries = entries.data();
    desc.device_code = &code;

    axes.assign(desc.axes, desc.axes + desc.num_axes);
    axes.push_back({"rows", 2, 2, nullptr, nullptr, -1, 0});
    axes.push_back({"columns", 64, 64, nullptr, nullptr, -1, 0});
    desc.axes = axes.data();
    desc.num_axes = axes.size();
    params.assign(desc.params, desc.params + desc.num_params);
    params.push_back({"four",
                      nullptr,
                      "four.{rows}",
                      {ROUTE_BF16, 0, -1, -1, nullptr},
                      fourAxes,
                      2,
                      0,
                      nullptr,
                      ROUTE_LAYOUT_ROW_MAJOR,
                      ROUTE_STORED_MXFP4});
    desc.params = params.data();
    desc.num_params = params.size();
    route::SafeTensorsWriter writer = top2::checkpoint();
    // 0x21 is 0.5 and 1, 0xf7 is 6 and -6; scale 128 is 2, 126 is 1/2.
    const std::string blocks[] = {std::string(32, '\x21'),
                                  std::string(32, '\xf7')};
    const std::string scales[] = {"\x80\x7e", "\x7e\x80"};
    for (size_t row = 0; row < 2; ++row) {
      std::string name = "four." + std::to_string(row);
      const int64_t shape[] = {2, 16};
      writer.add(name + "_blocks", ROUTE_U8, shape, blocks[row].data(), 32);
      writer.add(name + "_scales", ROUTE_U8, {shape, 1}, scales[row].data(), 2);
    }
    main = writer.serialise();
    refresh();
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
  // Axes from the innermost, strides in bytes, without the innermost.
  const FakeMap expected = {reinterpret_cast<char *>(mapped) + 3 * 24 * 72 * 2,
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
  auto *weight = reinterpret_cast<const float *>(launches[0].firstArgument);
  CHECK(std::equal(weight, weight + 32, top2::gateWeight().begin()));

  // Numbers in 4 bits are bf16 there.
  auto *four = reinterpret_cast<const uint16_t *>(launches[1].firstArgument);
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
  CHECK_EQUAL(launches[0].firstArgument, reinterpret_cast<long long>(room));
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
  CHECK_EQUAL(launches[2].firstArgument, reinterpret_cast<long long>(room));
  setenv("FAKE_CUDA_FAIL", "cuMemcpyDtoH", 1);
  CHECK_STATUS(f.create(&error), ROUTE_ERROR_DEVICE,
               "copying a parameter to the host failed");
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
  *capturedStream = &elsewhere;
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
  *capturedStream = nullptr;
  CHECK_EQUAL(*broken, 0);
  checkNothingHeld();
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
  CHECK(launches[0].stream == nullptr);
  DeviceCall call;
  CHECK_OK(route_decide(f.context, top2::Gate, &call.call, &error));
  CHECK_OK(route_decide(f.context, top2::Gate, &call.call, &error));
  CHECK_EQUAL(timesPrepared, 1);
  CHECK_EQUAL(launches[2].firstArgument, launches[0].firstArgument);
  const auto *made = reinterpret_cast<const float *>(launches[2].firstArgument);
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

/// Doubles what the host has of `x` into the host's workspace, uploads that and
/// launches a kernel on it.
int hostParts = 0;
int32_t partOnHost(const route_invocation *call) {
  ++hostParts;
  CHECK(!call->params && !call->state && !call->host_workspace);
  const auto *x = static_cast<const float *>(call->inputs[0].data);
  auto *doubled = static_cast<float *>(call->workspace);
  const uint64_t count = static_cast<uint64_t>(call->axis_sizes[0]) * 4;
  for (uint64_t i = 0; i < count; ++i)
    doubled[i] = 2 * x[i];
  return doubled[0] < 0 ? 3 : 0;
}
int32_t restOnDevice(const route_invocation *call) {
  const uint64_t count = static_cast<uint64_t>(call->axis_sizes[0]) * 4;
  route_launcher *launcher = call->env->launcher;
  launcher->upload(launcher, call->workspace, call->host_workspace,
                   count * sizeof(float));
  launcher->upload(launcher, nullptr, nullptr, 0); // nothing
  const void *workspace = call->workspace;
  void *arguments[] = {&workspace};
  launcher->launch(launcher, 1, 1, 128, arguments);
  return 0;
}
uint64_t bytesOfHostPart(const int64_t *sizes, int64_t) {
  return static_cast<uint64_t>(sizes[0]) * 4 * sizeof(float);
}

/// An entry that begins on the CPU: `x` is there and the outputs are on the
/// GPU.
void testParts() {
  Fixture f;
  const uint32_t hostPorts[] = {0};
  route_variant_desc &variant = f.variants.back();
  variant.fn = restOnDevice;
  variant.host_fn = partOnHost;
  variant.host_ports = hostPorts;
  variant.num_host_ports = 1;
  variant.host_workspace_size = bytesOfHostPart;
  std::vector<route_port_desc> inputs(
      f.entries[0].inputs, f.entries[0].inputs + f.entries[0].num_inputs);
  const float half = 0.5f;
  inputs[0].initial = &half; // so that calls may leave it out
  f.entries[0].inputs = inputs.data();
  REQUIRE_OK(route_context_create(f.module, &f.options, &f.context, &error));

  DeviceCall call;
  call.x.tensor.device.device_type =
      static_cast<decltype(call.x.tensor.device.device_type)>(1);
  std::vector<int64_t> sizes(f.desc.num_axes);
  CHECK_OK(route_call_sizes(f.context, top2::Gate, &call.call, sizes.data(),
                            &error));
  uint64_t size = 0, most = 0;
  CHECK_OK(route_host_workspace_size(f.context, top2::Gate, sizes.data(), 1,
                                     &size, &error));
  // Its own, and what `x` takes where it is made up.
  CHECK_EQUAL(size, 2 * 64u);
  CHECK_OK(route_host_workspace_max(f.context, 3, 1, &most, &error));
  // Entries without code for GPUs have copies of all their arrays there.
  sizes.assign(f.desc.num_axes, 3);
  CHECK_OK(route_host_workspace_size(f.context, top2::Fill, sizes.data(), 1,
                                     &size, &error));
  CHECK_EQUAL(size, 3 * 64u);
  CHECK_EQUAL(most, size);

  // The GPU's workspace is memory of the host's here.
  alignas(64) float workspace[64] = {}, hostWorkspace[32] = {};
  call.call.workspace = workspace;
  call.call.workspace_size = sizeof(workspace);
  CHECK_STATUS(route_decide(f.context, top2::Gate, &call.call, &error),
               ROUTE_ERROR_WORKSPACE,
               "the host workspace has 0 bytes, entry 'gate' needs 64");
  call.call.host_workspace = reinterpret_cast<char *>(hostWorkspace) + 4;
  call.call.host_workspace_size = sizeof(hostWorkspace);
  CHECK_STATUS(route_decide(f.context, top2::Gate, &call.call, &error),
               ROUTE_ERROR_WORKSPACE,
               "the host workspace is not aligned to 64 bytes");
  call.call.host_workspace = hostWorkspace;
  CHECK_EQUAL(hostParts, 0);
  *numLaunches = *numUploads = 0;
  CHECK_OK(route_decide(f.context, top2::Gate, &call.call, &error));
  CHECK_EQUAL(hostParts, 1);
  CHECK_EQUAL(*numLaunches, 1);
  CHECK_EQUAL(*numUploads, 1);
  CHECK(uploads[0].to == workspace && uploads[0].size == 48 &&
        uploads[0].stream == &call);
  const auto *x = static_cast<const float *>(call.x.tensor.data);
  for (size_t i = 0; i < 12; ++i)
    CHECK_EQUAL(workspace[i], 2 * x[i]);
  CHECK_EQUAL(launches[0].firstArgument,
              reinterpret_cast<long long>(workspace));

  // What a call leaves out is made up in the host's memory.
  call.inputs[0].tensor = nullptr;
  CHECK_OK(route_decide(f.context, top2::Gate, &call.call, &error));
  CHECK_EQUAL(workspace[0], 1.0f);
  CHECK_EQUAL(workspace[11], 1.0f);
  call.inputs[0].tensor = &call.x.tensor;

  // Where the CPU's part fails, so does the call.
  call.x.values[0] = -1;
  *numLaunches = 0;
  CHECK_STATUS(route_decide(f.context, top2::Gate, &call.call, &error),
               ROUTE_ERROR_ENTRY_FAILED,
               "the part of entry 'gate' for the CPU failed with code 3");
  call.x.values[0] = 1;
  CHECK_EQUAL(*numLaunches, 0);

  // Everything in the host's memory is a call on the CPU, as before.
  GateCall host(3);
  CHECK_OK(route_decide(f.context, top2::Gate, &host.call, &error));
  host.checkPlan();
  // Neither a mixture of another kind nor all on the GPU.
  host.x.tensor.device.device_type = call.index.tensor.device.device_type;
  CHECK_STATUS(route_decide(f.context, top2::Gate, &host.call, &error),
               ROUTE_ERROR_TENSOR_DEVICE,
               "input 'x' is on device type 2, expected 1");
  call.x.tensor.device.device_type = call.index.tensor.device.device_type;
  CHECK_STATUS(route_decide(f.context, top2::Gate, &call.call, &error),
               ROUTE_ERROR_TENSOR_DEVICE,
               "input 'x' is on device type 2, expected 1: it stays in the "
               "host's memory");
  call.x.tensor.device.device_type =
      static_cast<decltype(call.x.tensor.device.device_type)>(1);
  call.count.tensor.device.device_type = call.x.tensor.device.device_type;
  CHECK_STATUS(route_decide(f.context, top2::Gate, &call.call, &error),
               ROUTE_ERROR_TENSOR_DEVICE, "is on device type 1, expected 2");
  call.count.tensor.device.device_type = call.index.tensor.device.device_type;

  // Nothing runs where it is captured, or where that cannot be told; a copy
  // that fails is told, and nothing is launched behind it.
  hostParts = *numLaunches = 0;
  *capturedStream = &call;
  CHECK_STATUS(route_decide(f.context, top2::Gate, &call.call, &error),
               ROUTE_ERROR_DEVICE,
               "a call of 'gate' cannot be captured in a CUDA graph");
  *capturedStream = nullptr;
  setenv("FAKE_CUDA_FAIL", "cuStreamIsCapturing", 1);
  CHECK_STATUS(route_decide(f.context, top2::Gate, &call.call, &error),
               ROUTE_ERROR_DEVICE,
               "looking whether the stream is captured: CUDA_ERROR_LAUNCH");
  CHECK_EQUAL(hostParts, 0);
  setenv("FAKE_CUDA_FAIL", "cuMemcpyHtoDAsync", 1);
  CHECK_STATUS(route_decide(f.context, top2::Gate, &call.call, &error),
               ROUTE_ERROR_DEVICE,
               "entry 'gate' failed on the GPU: copying 48 bytes to the GPU: "
               "CUDA_ERROR_LAUNCH_FAILED");
  unsetenv("FAKE_CUDA_FAIL");
  CHECK_EQUAL(hostParts, 1);
  CHECK_EQUAL(*numLaunches, 0);
  CHECK_OK(route_decide(f.context, top2::Gate, &call.call, &error));
  CHECK_EQUAL(*pushed, 0);

  // Descriptors that contradict themselves.
  route_module *module = nullptr;
  const uint32_t beyond[] = {9}, twice[] = {0, 0};
  variant.host_ports = beyond;
  CHECK_STATUS(route_module_link(&f.desc, &module, &error),
               ROUTE_ERROR_DESCRIPTOR, "has port 9 in the host's memory, of 5");
  variant.host_ports = twice;
  variant.num_host_ports = 2;
  CHECK_STATUS(route_module_link(&f.desc, &module, &error),
               ROUTE_ERROR_DESCRIPTOR, "has port 0 in the host's memory");
  variant.host_ports = hostPorts;
  variant.num_host_ports = 1;
  variant.device = ROUTE_DEVICE_CPU;
  CHECK_STATUS(route_module_link(&f.desc, &module, &error),
               ROUTE_ERROR_DESCRIPTOR, "is for the CPU and has a part for the");
  variant.device = ROUTE_DEVICE_CUDA;
  variant.host_fn = nullptr;
  CHECK_STATUS(route_module_link(&f.desc, &module, &error),
               ROUTE_ERROR_DESCRIPTOR,
               "needs memory for a part for the host and has none");
  variant.host_fn = partOnHost;
  variant.num_host_ports = 0;
  inputs[0].initial = nullptr;
  inputs[0].type.element = ROUTE_TEXT;
  CHECK_STATUS(route_module_link(&f.desc, &module, &error),
               ROUTE_ERROR_DESCRIPTOR, "has the texts 'x' on a device");
}

/// An entry without code for GPUs runs on the CPU, on copies of what is on the
/// GPU.
void testCopies() {
  Fixture f;
  f.entries[0].num_variants -= 1;
  std::vector<route_port_desc> inputs(
      f.entries[0].inputs, f.entries[0].inputs + f.entries[0].num_inputs);
  const float half = 0.5f;
  inputs[0].initial = &half; // so that calls may leave it out
  f.entries[0].inputs = inputs.data();
  REQUIRE_OK(route_context_create(f.module, &f.options, &f.context, &error));

  DeviceCall call;
  std::vector<int64_t> sizes(f.desc.num_axes);
  CHECK_OK(route_call_sizes(f.context, top2::Gate, &call.call, sizes.data(),
                            &error));
  uint64_t size = 0, most = 0;
  CHECK_OK(route_host_workspace_size(f.context, top2::Gate, sizes.data(), 1,
                                     &size, &error));
  // The entry's own 32 bytes, and five arrays of up to 64.
  CHECK_EQUAL(size, 6 * 64u);
  CHECK_OK(route_host_workspace_max(f.context, 3, 1, &most, &error));
  CHECK(most >= size);
  route_context *without = nullptr;
  f.options.flags = 0;
  REQUIRE_OK(route_context_create(f.module, &f.options, &without, &error));
  CHECK_OK(route_host_workspace_max(without, 3, 1, &most, &error));
  CHECK_EQUAL(most, 0u);
  route_context_release(without);

  auto fill = [&] {
    std::fill(call.index.values.begin(), call.index.values.end(), -7);
    std::fill(call.weight.values.begin(), call.weight.values.end(), -7.0f);
  };
  auto isUntouched = [&] {
    return call.index[0] == -7 && call.weight[0] == -7.0f;
  };
  fill();
  call.call.workspace = nullptr; // nothing needs one on the GPU
  call.call.workspace_size = 0;
  CHECK_STATUS(route_decide(f.context, top2::Gate, &call.call, &error),
               ROUTE_ERROR_WORKSPACE,
               "the host workspace has 0 bytes, entry 'gate' needs 384");
  CHECK(isUntouched());
  alignas(64) char hostWorkspace[6 * 64];
  call.call.host_workspace = hostWorkspace;
  call.call.host_workspace_size = sizeof(hostWorkspace);
  *numLaunches = *numSteps = *numUploads = 0;
  CHECK_OK(route_decide(f.context, top2::Gate, &call.call, &error));
  call.checkPlan();
  CHECK_EQUAL(*numLaunches, 0);
  // The rows go one way, the plan's four columns the other.
  CHECK_EQUAL(numSteps->load(), 5);
  CHECK_EQUAL(std::string(steps[0].what), "back");
  CHECK_EQUAL(steps[0].size, 48u);
  for (int i = 1; i < 5; ++i)
    CHECK_EQUAL(std::string(steps[i].what), "to");
  CHECK(uploads[0].to == call.index.tensor.data && uploads[0].size == 24 &&
        uploads[0].stream == &call);
  CHECK_EQUAL(*pushed, 0);

  // What is in the host's memory is used there, and what is left out made up.
  auto place = [](route_tensor &tensor, uint32_t device) {
    tensor.device.device_type =
        static_cast<decltype(tensor.device.device_type)>(device);
  };
  *numSteps = 0;
  place(call.x.tensor, ROUTE_DEVICE_CPU);
  place(call.weight.tensor, ROUTE_DEVICE_CPU);
  fill();
  CHECK_OK(route_decide(f.context, top2::Gate, &call.call, &error));
  call.checkPlan();
  CHECK_EQUAL(numSteps->load(), 3);
  call.inputs[0].tensor = nullptr;
  CHECK_OK(route_decide(f.context, top2::Gate, &call.call, &error));
  CHECK_EQUAL(call.index[0], 7); // of equal rows, the largest weight
  call.inputs[0].tensor = &call.x.tensor;
  place(call.x.tensor, ROUTE_DEVICE_CUDA);
  place(call.weight.tensor, ROUTE_DEVICE_CUDA);
  // All on the CPU is a call there as before.
  GateCall host(3);
  CHECK_OK(route_decide(f.context, top2::Gate, &host.call, &error));
  host.checkPlan();

  // A trace is of the copies, and one that does not fit keeps nothing back.
  char room[4096];
  route_trace trace = {room, sizeof(room), 0};
  call.call.trace = &trace;
  CHECK_OK(route_decide(f.context, top2::Gate, &call.call, &error));
  CHECK_OK(route_replay(f.context, room, trace.size, &error));
  trace.capacity = 8;
  fill();
  CHECK_STATUS(route_decide(f.context, top2::Gate, &call.call, &error),
               ROUTE_ERROR_TRACE_SPACE, "");
  call.checkPlan();
  call.call.trace = nullptr;

  // Failures on the way there leave results alone.
  fill();
  *capturedStream = &call;
  CHECK_STATUS(route_decide(f.context, top2::Gate, &call.call, &error),
               ROUTE_ERROR_DEVICE,
               "a call of 'gate' cannot be captured in a CUDA graph: it, or a "
               "part of it, runs on the CPU");
  *capturedStream = nullptr;
  const struct {
    const char *name, *message;
  } each[] = {
      {"cuCtxPushCurrent", "entering the context: CUDA_ERROR_LAUNCH_FAILED"},
      {"cuStreamIsCapturing", "looking whether the stream is captured: CUDA"},
      {"cuMemcpyDtoHAsync",
       "entry 'gate' failed on the GPU: copying 48 bytes from the GPU: CUDA_"},
      {"cuStreamSynchronize", "waiting for the stream: CUDA_ERROR_"},
      {"cuMemcpyHtoDAsync", "bytes to the GPU: CUDA_ERROR_"},
  };
  for (auto &[name, message] : each) {
    setenv("FAKE_CUDA_FAIL", name, 1);
    CHECK_STATUS(route_decide(f.context, top2::Gate, &call.call, &error),
                 ROUTE_ERROR_DEVICE, message);
    CHECK(isUntouched());
  }
  unsetenv("FAKE_CUDA_FAIL");
  call.count.tensor.device.device_id = 1;
  CHECK_STATUS(route_decide(f.context, top2::Gate, &call.call, &error),
               ROUTE_ERROR_TENSOR_DEVICE,
               "output 'p.count' is on GPU 1, the context on GPU 0");
  call.count.tensor.device.device_id = 0;
  call.call.parallel_for = route_threads_run;
  CHECK_STATUS(route_decide(f.context, top2::Gate, &call.call, &error),
               ROUTE_ERROR_ARGUMENT, "the call has 0 workers");
  call.call.parallel_for = nullptr;
  CHECK_EQUAL(*pushed, 0);

  // Parameters that are on the GPU alone.
  alignas(16) float room2[32] = {};
  Array<float> gate({8, 4}, top2::gateWeight());
  gate.tensor.data = room2;
  place(gate.tensor, ROUTE_DEVICE_CUDA);
  const route_param params[] = {{"gate", &gate.tensor}};
  f.options.flags = ROUTE_CONTEXT_CUDA | ROUTE_CONTEXT_ALLOW_EXTRA;
  f.options.params = params;
  f.options.num_params = 1;
  route_context *given = nullptr;
  REQUIRE_OK(route_context_create(f.module, &f.options, &given, &error));
  CHECK_STATUS(route_decide(given, top2::Gate, &call.call, &error),
               ROUTE_ERROR_PARAM_MISSING,
               "entry 'gate' runs on the CPU, and parameter 'gate' was given "
               "on a GPU: make the context with ROUTE_CONTEXT_HOST_COPIES");
  route_context_release(given);
}

/// Sums what is known of each image; the sum is known where all of it is.
int32_t sumKnown(const route_invocation *call) {
  const auto *offsets = static_cast<const int32_t *>(call->inputs[0].data);
  const auto *x = static_cast<const float *>(call->inputs[1].data);
  auto *sum = static_cast<float *>(call->outputs[0].data);
  const int64_t images = call->axis_sizes[6]; // IMAGE of top2.c
  for (int64_t i = 0; i < images; ++i) {
    sum[i] = 0;
    call->outputs[0].known[i] = 1;
    for (int32_t p = offsets[i]; p < offsets[i + 1]; ++p)
      if (call->inputs[1].known[p])
        sum[i] += x[p];
      else
        call->outputs[0].known[i] = 0;
  }
  return 0;
}

/// Offsets, texts and unknown values: what is on the GPU is looked at as in any
/// call on the CPU.
void testCopiedValues() {
  Fixture f;
  route_entry_desc &entry = f.entries[top2::PerImage];
  std::vector<route_port_desc> inputs(entry.inputs, entry.inputs + 2),
      outputs(entry.outputs, entry.outputs + 1);
  for (route_port_desc *port : {&inputs[1], &outputs[0]}) {
    port->type.flags |= ROUTE_TYPE_MAY_BE_UNKNOWN;
    port->known_axes = 1;
  }
  entry.inputs = inputs.data();
  entry.outputs = outputs.data();
  const route_variant_desc variant = {"portable", sumKnown, 0, ROUTE_DEVICE_CPU,
                                      0,          nullptr,  0, nullptr,
                                      nullptr};
  entry.variants = &variant;
  REQUIRE_OK(route_context_create(f.module, &f.options, &f.context, &error));

  Array<int32_t> offsets({3}, {0, 2, 3});
  Array<float> x({3}, {1, 2, 4}), sum({2}, {-7, -7});
  Array<uint8_t> known({3}, {1, 0, 1}), sumIsKnown({2}, {9, 9});
  for (route_tensor *tensor : {&offsets.tensor, &x.tensor, &sum.tensor,
                               &known.tensor, &sumIsKnown.tensor})
    tensor->device.device_type =
        static_cast<decltype(tensor->device.device_type)>(ROUTE_DEVICE_CUDA);
  const route_argument in[] = {{&offsets.tensor, nullptr},
                               {&x.tensor, &known.tensor}},
                       out[] = {{&sum.tensor, &sumIsKnown.tensor}},
                       dropped[] = {{&sum.tensor, nullptr}},
                       unknown[] = {{&offsets.tensor, nullptr}, {}};
  Workspace host(5 * 64);
  route_call call = {};
  call.struct_size = sizeof(call);
  call.inputs = in;
  call.num_inputs = 2;
  call.outputs = out;
  call.num_outputs = 1;
  call.host_workspace = host.data;
  call.host_workspace_size = host.size;
  CHECK_OK(route_decide(f.context, top2::PerImage, &call, &error));
  CHECK_EQUAL(sum[0], 1.0f);
  CHECK_EQUAL(sum[1], 4.0f);
  CHECK_EQUAL(sumIsKnown[0], 0);
  CHECK_EQUAL(sumIsKnown[1], 1);
  // Known bytes that nobody asks for, and an axis that only offsets count.
  call.outputs = dropped;
  sum[0] = -7;
  CHECK_OK(route_decide(f.context, top2::PerImage, &call, &error));
  CHECK_EQUAL(sum[0], 1.0f);
  call.inputs = unknown;
  CHECK_STATUS(route_decide(f.context, top2::PerImage, &call, &error),
               ROUTE_ERROR_AXIS, "axis 'patch' cannot be told");
  call.inputs = in;
  sum[0] = -7;
  offsets[1] = 4;
  CHECK_STATUS(route_decide(f.context, top2::PerImage, &call, &error),
               ROUTE_ERROR_TENSOR_VALUE, "'patch.offsets'");
  offsets[1] = 2;
  known[0] = 2;
  CHECK_STATUS(route_decide(f.context, top2::PerImage, &call, &error),
               ROUTE_ERROR_TENSOR_VALUE, "'x'");
  CHECK_EQUAL(sum[0], -7.0f);

  // Texts have addresses of the host's memory in them.
  inputs[1].type = {ROUTE_TEXT, 0, -1, -1, nullptr};
  Array<route_text> texts({3});
  texts.tensor.device = x.tensor.device;
  const route_argument said[] = {{&offsets.tensor, nullptr},
                                 {&texts.tensor, nullptr}};
  call.inputs = said;
  CHECK_STATUS(route_decide(f.context, top2::PerImage, &call, &error),
               ROUTE_ERROR_TENSOR_DEVICE,
               "input 'x' is on device type 2, expected 1: it stays in the "
               "host's memory");
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
  lastMap = static_cast<FakeMap *>(find("fake_map"));
  numLaunches = static_cast<int *>(find("fake_num_launches"));
  uploads = static_cast<FakeUpload *>(find("fake_uploads"));
  numUploads = static_cast<int *>(find("fake_num_uploads"));
  broken = static_cast<int *>(find("fake_broken"));
  capturedStream = static_cast<void **>(find("fake_captured"));
  spared = static_cast<int *>(find("fake_spared"));
  allocations = static_cast<int *>(find("fake_allocations"));
  contexts = static_cast<int *>(find("fake_contexts"));
  pushed = static_cast<int *>(find("fake_pushed"));
  modules = static_cast<int *>(find("fake_modules"));
  copies = static_cast<int *>(find("fake_copies"));
  steps = static_cast<FakeStep *>(find("fake_steps"));
  numSteps = static_cast<std::atomic<int> *>(find("fake_num_steps"));
  CHECK(uploads && numUploads && broken && capturedStream && steps && numSteps);
  CHECK(launches && lastMap && spared && numLaunches && allocations &&
        contexts && pushed && modules && copies);
  if (check::failures)
    return finish("device");
  testCall();
  testGivenOnGpu();
  testBesideCaptures();
  testOtherGpu();
  testSharedCode();
  testBinaries();
  testParts();
  testCopies();
  testCopiedValues();
  testNoKernels();
  testPrepared();
  testContextWithout();
  testFailures();
  checkNothingHeld();
  return finish("device");
}
