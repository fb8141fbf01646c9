// Entries that the CPU runs for tensors on a GPU, with a fake driver.
// In part, before kernels go on, or as a whole, on copies.
#include "Support/DeviceTop2.h"

#include <cstdlib>

namespace {

using namespace device;

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
  CHECK_EQUAL(launches[0].first_argument,
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
  *captured = &call;
  CHECK_STATUS(route_decide(f.context, top2::Gate, &call.call, &error),
               ROUTE_ERROR_DEVICE,
               "a call of 'gate' cannot be captured in a CUDA graph");
  *captured = nullptr;
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
  *captured = &call;
  CHECK_STATUS(route_decide(f.context, top2::Gate, &call.call, &error),
               ROUTE_ERROR_DEVICE,
               "a call of 'gate' cannot be captured in a CUDA graph: it, or a "
               "part of it, runs on the CPU");
  *captured = nullptr;
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

} // namespace

int main() {
  if (!open())
    return finish("device host");
  testParts();
  testCopies();
  testCopiedValues();
  checkNothingHeld();
  return finish("device host");
}
