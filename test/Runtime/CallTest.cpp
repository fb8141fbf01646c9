// Calls: what they give and what they refuse.
// Results of the two hand-written modules, then every mistake a host can make
// with a tensor, one by one.
#include "Support/Policy.h"
#include "Support/Top2.h"

namespace {

using top2::Fixture;
using top2::GateCall;

void testGate() {
  Fixture f;
  for (int64_t tokens : {0, 1, 5, 33}) {
    GateCall call(tokens);
    CHECK_OK(route_decide(f.context, top2::Gate, &call.call, &error));
    call.checkPlan();
  }
  CHECK_EQUAL(std::string(route_context_variant(f.context, top2::Gate)),
              (route_cpu_features() & ROUTE_CPU_X86_64_V3) ? "v3" : "portable");
  CHECK(route_context_variant(f.context, 99) == nullptr);
  CHECK(route_context_module(f.context) == f.module);

  f.options.features_mask = ROUTE_CPU_X86_64_V2;
  route_context *plain = nullptr;
  REQUIRE_OK(route_context_create(f.module, &f.options, &plain, &error));
  CHECK_EQUAL(std::string(route_context_variant(plain, top2::Gate)),
              "portable");
  route_context_retain(plain);
  route_context_retain(nullptr); // as releasing it, nothing
  route_module_retain(nullptr);
  route_context_release(plain);
  GateCall call(3);
  CHECK_OK(route_forward(plain, top2::Gate, &call.call, &error));
  call.checkPlan();
  route_context_release(plain);
}

/// A machine that has none of an entry's features.
void testNoVariant() {
  Fixture f(false);
  route_module_desc module = top2_module;
  std::vector<route_entry_desc> entries(module.entries,
                                        module.entries + module.num_entries);
  entries[0].num_variants = 1;
  module.entries = entries.data();
  route_module *linked = nullptr;
  REQUIRE_OK(route_module_link(&module, &linked, &error));
  route_context *context = nullptr;
  CHECK_STATUS(route_context_create(linked, &f.options, &context, &error),
               ROUTE_ERROR_CPU, "entry 'gate' has no variant");
  // An executor stands in for variants.
  f.options.execute = [](void *user, const route_module_desc *desc,
                         uint32_t entry, const route_invocation *call) {
    ++*static_cast<int *>(user);
    return desc->entries[entry].variants[0].fn(call) == 99 ? 5 : 0;
  };
  int calls = 0;
  f.options.execute_user = &calls;
  REQUIRE_OK(route_context_create(linked, &f.options, &context, &error));
  GateCall call(1);
  CHECK_STATUS(route_decide(context, top2::Gate, &call.call, &error),
               ROUTE_ERROR_ENTRY_FAILED, "entry 'gate' failed with code 5");
  CHECK_EQUAL(calls, 1);
  route_context_release(context);
  route_module_release(linked);
}

void testSizes() {
  Fixture f;
  const route_module_desc &desc = top2_module;
  std::vector<int64_t> sizes(desc.num_axes, -1);
  sizes[0] = 9;
  CHECK_OK(route_complete_sizes(f.module, top2::Fill, sizes.data(), &error));
  CHECK_EQUAL(sizes[1], 8);
  CHECK_EQUAL(sizes[4], 3); // ceil(9 * 2 / 8)
  CHECK_EQUAL(sizes[6], -1);
  int64_t shape[2];
  const route_port_desc &table = desc.entries[top2::Fill].outputs[0];
  CHECK_OK(route_port_shape(f.module, &table, sizes.data(), shape, &error));
  CHECK_EQUAL(shape[0], 8);
  CHECK_EQUAL(shape[1], 3);
  sizes[0] = -1;
  CHECK_STATUS(route_complete_sizes(f.module, top2::Fill, sizes.data(), &error),
               ROUTE_ERROR_AXIS, "the size of axis 'token' cannot be told");
  sizes[0] = (1 << 20) + 1;
  CHECK_STATUS(route_complete_sizes(f.module, top2::Fill, sizes.data(), &error),
               ROUTE_ERROR_AXIS, "has size 1048577, at most 1048576");
  CHECK_STATUS(route_complete_sizes(f.module, 50, sizes.data(), &error),
               ROUTE_ERROR_NO_ENTRY, "there is no entry 50");

  GateCall call(6);
  call.call.outputs = nullptr;
  call.call.num_outputs = 0;
  CHECK_OK(route_call_sizes(f.context, top2::Gate, &call.call, sizes.data(),
                            &error));
  CHECK_EQUAL(sizes[0], 6);
  uint64_t bytes = 0;
  CHECK_OK(route_workspace_size(f.context, top2::Gate, sizes.data(), 3, &bytes,
                                &error));
  CHECK_EQUAL(bytes, 128u); // 3 workers * 32, rounded up
  CHECK_STATUS(route_workspace_size(f.context, top2::Gate, sizes.data(), 0,
                                    &bytes, &error),
               ROUTE_ERROR_ARGUMENT, "workers below 1");
  sizes[0] = -1;
  CHECK_STATUS(route_workspace_size(f.context, top2::Gate, sizes.data(), 1,
                                    &bytes, &error),
               ROUTE_ERROR_AXIS, "'token' has no size");

  CHECK_STATUS(route_workspace_max(f.context, -1, 1, &bytes, &error),
               ROUTE_ERROR_ARGUMENT, "largest below 0");
  CHECK_STATUS(route_workspace_max(f.context, 1, 0, &bytes, &error),
               ROUTE_ERROR_ARGUMENT, "workers below 1");
  for (int64_t largest : {0, 9, 1 << 21}) {
    uint64_t most = 0;
    CHECK_OK(route_workspace_max(f.context, largest, 3, &bytes, &error));
    for (uint32_t entry = 0; entry < desc.num_entries; ++entry) {
      sizes.assign(desc.num_axes, -1);
      for (uint64_t axis = 0; axis < desc.num_axes; ++axis)
        if (desc.axes[axis].size < 0 && !desc.axes[axis].derived_size)
          sizes[axis] = desc.axes[axis].max_size < 0
                            ? largest
                            : std::min(largest, desc.axes[axis].max_size);
      uint64_t one;
      CHECK_OK(route_complete_sizes(f.module, entry, sizes.data(), &error));
      CHECK_OK(route_workspace_size(f.context, entry, sizes.data(), 3, &one,
                                    &error));
      most = std::max(most, one);
    }
    CHECK_EQUAL(bytes, most);
  }
}

void testRagged() {
  Fixture f;
  Array<int32_t> offsets({4}, {0, 2, 2, 5});
  Array<float> x({5}, {1, 2, 4, 8, 16});
  Array<float> sum({3});
  route_argument inputs[] = {{&offsets.tensor, nullptr}, {&x.tensor, nullptr}};
  route_argument outputs[] = {{&sum.tensor, nullptr}};
  route_call call = {};
  call.struct_size = sizeof(call);
  call.inputs = inputs;
  call.num_inputs = 2;
  call.outputs = outputs;
  call.num_outputs = 1;
  CHECK_OK(route_forward(f.context, top2::PerImage, &call, &error));
  CHECK_EQUAL(sum[0], 3.0f);
  CHECK_EQUAL(sum[1], 0.0f);
  CHECK_EQUAL(sum[2], 28.0f);
  auto expect = [&](const char *part) {
    CHECK_STATUS(route_forward(f.context, top2::PerImage, &call, &error),
                 ROUTE_ERROR_TENSOR_VALUE, part);
  };
  offsets[0] = 1;
  expect("input 'patch.offsets' begins at 1, expected 0");
  offsets[0] = 0;
  offsets[1] = 3;
  expect("decreases from 3 to 2 at 2");
  offsets[1] = 2;
  offsets[3] = 6;
  expect("ends at 6, expected 5");
  offsets.shape[0] = 0;
  CHECK_STATUS(route_forward(f.context, top2::PerImage, &call, &error),
               ROUTE_ERROR_TENSOR_SHAPE, "axis 'image' has size 0, expected 1");
  offsets.shape[0] = 5;
  CHECK_STATUS(route_forward(f.context, top2::PerImage, &call, &error),
               ROUTE_ERROR_TENSOR_SHAPE, "axis 'image' has size 3, expected 4");
}

void testPolicy() {
  policy::Fixture f;
  policy::PickCall p;
  auto run = [&] {
    CHECK_OK(route_decide(f.context, policy::Pick, &p.call, &error));
  };
  run();
  CHECK_EQUAL(p.index[0], policy::Coder);
  CHECK_EQUAL(p.index[1], policy::Large);
  CHECK_EQUAL(p.effort[0], 1);
  CHECK_EQUAL(p.effort[1], 2);
  CHECK_EQUAL(p.status[2], 0);
  CHECK(p.word[0].size == 3 && p.word[0].data == p.prompt[0].data);
  CHECK(p.scoreKnown[0] == 1 && p.scoreKnown[1] == 0 && p.score[2] == 24.0f);

  // A missing host signal is unknown for all; the rule that needs it says so.
  p.inputs[2] = {nullptr, nullptr};
  run();
  CHECK_EQUAL(p.needs[0], uint64_t(1) << 2);
  CHECK_EQUAL(p.needs[1], 0u);
  // No known bytes: all known.
  p.inputs[2] = {&p.jail.tensor, nullptr};
  p.jail[1] = 1;
  run();
  CHECK_EQUAL(p.needs[0], 0u);
  CHECK_EQUAL(p.status[1], 429);
  CHECK_EQUAL(p.count[1], 0);
  CHECK_EQUAL(p.index[1], -1);
  // Known bytes count per item, and what is unknown is not looked at.
  p.inputs[2] = {&p.jail.tensor, &p.jailKnown.tensor};
  p.jailKnown[1] = 0;
  p.jail[1] = 200;
  run();
  CHECK_EQUAL(p.index[1], policy::Large);
  // A default where the host gives nothing, a dropped known output.
  p.inputs[3] = {nullptr, nullptr};
  p.outputs[6].known = nullptr;
  run();
  // Draws are keyed by the id, whatever the batch: ids 100.. or id + i.
  int32_t drawn = p.index[2];
  p.inputs[5] = {nullptr, nullptr};
  p.call.id = 100;
  run();
  CHECK_EQUAL(p.index[2], drawn);
  bool varies = false;
  for (p.call.seed = 0; p.call.seed < 64; ++p.call.seed) {
    run();
    varies |= p.index[2] != drawn;
  }
  CHECK(varies);

  // What is left out is made up in the workspace: all of it at most.
  int64_t sizes[4];
  CHECK_OK(route_call_sizes(f.context, policy::Pick, &p.call, sizes, &error));
  uint64_t bytes = 0;
  CHECK_OK(
      route_workspace_size(f.context, policy::Pick, sizes, 1, &bytes, &error));
  p.inputs[2] = p.inputs[4] = {nullptr, nullptr};
  CHECK(bytes <= p.call.workspace_size);
  p.call.workspace_size = bytes;
  run();
  p.call.workspace_size = 64;
  CHECK_STATUS(route_decide(f.context, policy::Pick, &p.call, &error),
               ROUTE_ERROR_WORKSPACE, "too small for what the call of 'pick'");
}

/// Each mistake with a tensor of `gate`, and with one of `pick`.
void testRefusals() {
  Fixture f;
  GateCall c(4);
  auto expect = [&](route_status code, const char *part) {
    CHECK_STATUS(route_decide(f.context, top2::Gate, &c.call, &error), code,
                 part);
  };
  CHECK_STATUS(route_decide(nullptr, 0, &c.call, &error), ROUTE_ERROR_ARGUMENT,
               "null");
  CHECK_STATUS(route_decide(f.context, 0, nullptr, &error),
               ROUTE_ERROR_ARGUMENT, "null");
  CHECK_STATUS(route_decide(f.context, 9, &c.call, &error),
               ROUTE_ERROR_NO_ENTRY, "there is no entry 9, the module has 4");
  CHECK_STATUS(route_decide(f.context, top2::Commit, &c.call, &error),
               ROUTE_ERROR_ENTRY_KIND, "'gate.commit' is an event");
  CHECK_STATUS(route_emit(f.context, top2::Gate, &c.call, &error),
               ROUTE_ERROR_ENTRY_KIND, "'gate' is no event");
  c.call.struct_size = 8;
  expect(ROUTE_ERROR_ARGUMENT, "struct size 8");
  c.call.struct_size = sizeof(c.call);
  c.call.num_inputs = 0;
  expect(ROUTE_ERROR_ARGUMENT_COUNT,
         "has 1 inputs and 4 outputs, the call 0 and 4");
  c.call.num_inputs = 1;
  c.call.num_outputs = 3;
  expect(ROUTE_ERROR_ARGUMENT_COUNT, "the call 1 and 3");
  c.call.num_outputs = 4;
  c.call.inputs = nullptr;
  expect(ROUTE_ERROR_ARGUMENT, "arguments are null");
  c.call.inputs = c.inputs;

  route_tensor &x = c.x.tensor;
  const route_tensor good = x;
  c.inputs[0].tensor = nullptr;
  expect(ROUTE_ERROR_TENSOR_MISSING, "input 'x' is missing: it has no default");
  c.inputs[0].tensor = &x;
  c.outputs[3].tensor = nullptr;
  expect(ROUTE_ERROR_TENSOR_MISSING, "output 'p.weight' has no tensor");
  c.outputs[3].tensor = &c.weight.tensor;
  x.data = nullptr;
  expect(ROUTE_ERROR_TENSOR_MISSING, "input 'x' has elements but no data");
  x = good;
  x.dtype = route_element_dtype(ROUTE_F64);
  expect(ROUTE_ERROR_TENSOR_TYPE, "input 'x' has element type f64");
  x.dtype.lanes = 4;
  expect(ROUTE_ERROR_TENSOR_TYPE, "another type (code 2, 64 bits, 4 lanes)");
  x = good;
  x.ndim = 1;
  expect(ROUTE_ERROR_TENSOR_RANK,
         "input 'x' has rank 1, expected 2: [token, hidden=4]");
  x.ndim = -2;
  expect(ROUTE_ERROR_TENSOR_RANK, "rank -2");
  x = good;
  x.shape = nullptr;
  expect(ROUTE_ERROR_TENSOR_RANK, "no shape");
  x = good;
  c.x.shape[1] = 5;
  expect(ROUTE_ERROR_TENSOR_SHAPE,
         "input 'x' has shape [4, 5]: axis 'hidden' has size 5, expected 4");
  c.x.shape[1] = 4;
  c.x.shape[0] = -1;
  expect(ROUTE_ERROR_TENSOR_SHAPE, "axis 'token' has size -1, expected 0 or");
  c.x.shape[0] = 3;
  expect(ROUTE_ERROR_TENSOR_SHAPE, "output 'p' has shape [4, 2]: axis 'token'");
  c.x.shape[0] = INT64_MAX;
  expect(ROUTE_ERROR_TENSOR_STRIDES, "input 'x' is not contiguous");
  c.x.shape[0] = 1 << 21;
  expect(ROUTE_ERROR_AXIS, "at most 1048576 is allowed");
  c.x.shape[0] = 4;
  int64_t strides[] = {1, 4};
  x.strides = strides;
  expect(ROUTE_ERROR_TENSOR_STRIDES, "input 'x' is not contiguous");
  strides[0] = 4;
  strides[1] = 1;
  CHECK_OK(route_decide(f.context, top2::Gate, &c.call, &error));
  x = good;
  x.device.device_type =
      static_cast<decltype(x.device.device_type)>(ROUTE_DEVICE_CUDA);
  expect(ROUTE_ERROR_TENSOR_DEVICE, "output 'p' is on device type 1");
  x.device.device_type = static_cast<decltype(x.device.device_type)>(10);
  expect(ROUTE_ERROR_TENSOR_DEVICE, "is on device type 10, expected 1");
  x.device.device_type = static_cast<decltype(x.device.device_type)>(3);
  CHECK_OK(route_decide(f.context, top2::Gate, &c.call, &error));
  x = good;
  x.byte_offset = 2;
  expect(ROUTE_ERROR_TENSOR_ALIGNMENT, "not aligned to its element of 4");
  x = good;
  c.inputs[0].known = &x;
  expect(ROUTE_ERROR_KNOWN, "'x' cannot be unknown, yet has known bytes");
  c.inputs[0].known = nullptr;

  c.call.workspace_size = 31;
  expect(ROUTE_ERROR_WORKSPACE, "has 31 bytes, entry 'gate' needs 32");
  c.call.workspace_size = 32;
  c.call.workspace = static_cast<char *>(c.call.workspace) + 8;
  expect(ROUTE_ERROR_WORKSPACE, "not aligned to 64");
  c.call.workspace = nullptr;
  expect(ROUTE_ERROR_WORKSPACE, "or null");
  c.call.workspace = c.workspace.data;
  c.call.parallel_for = route_threads_run;
  c.call.workers = 0;
  expect(ROUTE_ERROR_ARGUMENT, "the call has 0 workers");
  // All on the GPU, and no variant for it.
  c.call.parallel_for = nullptr;
  for (route_tensor *t : {&x, &c.index.tensor, &c.count.tensor,
                          &c.status.tensor, &c.weight.tensor})
    t->device.device_type =
        static_cast<decltype(x.device.device_type)>(ROUTE_DEVICE_CUDA);
  expect(ROUTE_ERROR_TENSOR_DEVICE, "no variant for tensors on the GPU");
}

void testValues() {
  policy::Fixture f;
  policy::PickCall p;
  auto expect = [&](route_status code, const char *part) {
    CHECK_STATUS(route_decide(f.context, policy::Pick, &p.call, &error), code,
                 part);
  };
  p.tier[1] = 2;
  expect(ROUTE_ERROR_TENSOR_VALUE,
         "input 'tier' has member 2 at 1, expected 0 to 1");
  p.tier[1] = -1;
  expect(ROUTE_ERROR_TENSOR_VALUE, "member -1");
  p.tier[1] = 0;
  p.jail[2] = 2;
  expect(ROUTE_ERROR_TENSOR_VALUE, "input 'jail' has bool 2 at 2");
  p.jail[2] = 0;
  p.jailKnown[0] = 9;
  expect(ROUTE_ERROR_TENSOR_VALUE, "has known byte 9 at 0");
  p.jailKnown[0] = 1;
  p.prompt[0].size = -5;
  expect(ROUTE_ERROR_TENSOR_VALUE, "has a text of size -5 and some data at 0");
  p.prompt[0] = {nullptr, 4};
  expect(ROUTE_ERROR_TENSOR_VALUE, "text of size 4 and no data");
  p.prompt[0] = {nullptr, 0};
  CHECK_OK(route_decide(f.context, policy::Pick, &p.call, &error));
  p.jailKnown.shape[0] = 2;
  expect(ROUTE_ERROR_KNOWN, "known bytes that are not bool over its 1 leading");
  p.jailKnown.shape[0] = 3;
  p.jailKnown.tensor.dtype = route_element_dtype(ROUTE_I32);
  expect(ROUTE_ERROR_KNOWN, "that are not bool");
  p.jailKnown.tensor.dtype = route_element_dtype(ROUTE_BOOL);
  p.embedKnown.tensor.ndim = 2;
  expect(ROUTE_ERROR_KNOWN, "input 'embed'");

  Fixture t;
  top2::CommitCall commit({0, 8});
  auto expectEvent = [&](const char *part) {
    CHECK_STATUS(route_emit(t.context, top2::Commit, &commit.call, &error),
                 ROUTE_ERROR_TENSOR_VALUE, part);
  };
  expectEvent("input 'p' has member 8 at 1, expected -1 to 7");
  commit.index[1] = -1;
  commit.count[0] = 3;
  expectEvent("input 'p.count' has member 3 at 0, expected 0 to 2");
  commit.count[0] = 2;
  CHECK_OK(route_emit(t.context, top2::Commit, &commit.call, &error));
}

void testThreads() {
  Fixture f;
  route_threads *threads = nullptr;
  CHECK_STATUS(route_threads_create(0, &threads, &error), ROUTE_ERROR_ARGUMENT,
               "0 workers");
  CHECK_STATUS(route_threads_create(1025, &threads, &error),
               ROUTE_ERROR_ARGUMENT, "1025 workers");
  for (int64_t workers : {1, 2, 5}) {
    REQUIRE_OK(route_threads_create(workers, &threads, &error));
    GateCall call(997, workers);
    call.call.parallel_for = route_threads_run;
    call.call.pool = threads;
    call.call.workers = workers;
    for (int i = 0; i < 20; ++i) {
      std::fill(call.index.values.begin(), call.index.values.end(), -7);
      CHECK_OK(route_decide(f.context, top2::Gate, &call.call, &error));
      call.checkPlan();
    }
    route_threads_destroy(threads);
  }
  route_threads_destroy(nullptr);

  // A pool with more threads than the call has workspace for.
  REQUIRE_OK(route_threads_create(3, &threads, &error));
  {
    GateCall call(50, 2);
    call.call.parallel_for = route_threads_run;
    call.call.workers = 2;
    CHECK_STATUS(route_decide(f.context, top2::Gate, &call.call, &error),
                 ROUTE_ERROR_ARGUMENT, "the call has no thread pool");
    call.call.pool = threads;
    CHECK_STATUS(route_decide(f.context, top2::Gate, &call.call, &error),
                 ROUTE_ERROR_ARGUMENT, "has 2 workers, its thread pool 3");
  }
  route_threads_destroy(threads);

  // Every iteration once, every share but the last a multiple of the grain.
  REQUIRE_OK(route_threads_create(3, &threads, &error));
  struct Seen {
    std::vector<unsigned char> count = std::vector<unsigned char>(1000);
    bool ragged = false;
  } seen;
  route_threads_run(
      threads, 1000, 7,
      [](void *argument, int64_t begin, int64_t end, int64_t) {
        auto &s = *static_cast<Seen *>(argument);
        if ((end - begin) % 7 && end != 1000)
          s.ragged = true;
        for (int64_t i = begin; i < end; ++i)
          ++s.count[static_cast<size_t>(i)];
      },
      &seen);
  CHECK(seen.count == std::vector<unsigned char>(1000, 1));
  CHECK(!seen.ragged);
  route_threads_destroy(threads);
}

} // namespace

int main() {
  testGate();
  testNoVariant();
  testSizes();
  testRagged();
  testPolicy();
  testRefusals();
  testValues();
  testThreads();
  return finish("call");
}
