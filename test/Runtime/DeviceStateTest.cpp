// State that calls on a GPU read and events on it change.
// Which copies there are and which streams wait for which, and what is seen
// where. The driver is Support/FakeDriver.c, whose GPU has done what it is
// asked when the call returns: that it may not have is in the waits.
#include "Support/FakeDriver.h"
#include "Support/Top2.h"

#include <functional>
#include <future>
#include <thread>
#include <utility>

namespace {

using namespace fake;
using top2::Bias;
using top2::Uses;

/// What the driver was asked since the last time, one word a step.
std::string said() {
  std::string all;
  for (int i = 0; i < *numSteps; ++i) {
    all += (i ? " " : "") + std::string(steps[i].what);
    if (steps[i].size)
      all += ":" + std::to_string(steps[i].size);
  }
  *numSteps = 0;
  return all;
}

void failFrom(const char *name, int after = 0) {
  setenv("FAKE_CUDA_FAIL", name, 1);
  *spared = after;
}
void failNoMore() { unsetenv("FAKE_CUDA_FAIL"); }

/// Gives the bias as the weights of the plan: of the first experts.
int32_t showBias(const route_invocation *call) {
  memcpy(call->outputs[3].data, call->state[Bias], 8 * sizeof(float));
  return 0;
}

const route_kernel_desc kernels[] = {{"none", 0, 0, 0, 0}};
const route_device_code_desc code = {"sm_90a", "ptx",   3, nullptr,
                                     0,        kernels, 1};

/// top2 whose `gate` and `gate.commit` run on GPUs too.
struct Fixture : top2::Fixture {
  route_module_desc desc = top2_module;
  std::vector<route_entry_desc> entries;
  std::vector<route_variant_desc> gate, commit;

  Fixture() : top2::Fixture(false) {
    entries.assign(desc.entries, desc.entries + desc.num_entries);
    auto add = [&](top2::Entry entry, std::vector<route_variant_desc> &variants,
                   route_entry_fn function) {
      route_entry_desc &of = entries[entry];
      variants.assign(of.variants, of.variants + of.num_variants);
      variants.push_back({"sm_90a", function, 0, ROUTE_DEVICE_CUDA, 0, nullptr,
                          0, nullptr, nullptr});
      of.variants = variants.data();
      of.num_variants = variants.size();
    };
    add(top2::Gate, gate, showBias);
    add(top2::Commit, commit, entries[top2::Commit].variants[0].fn);
    desc.entries = entries.data();
    desc.device_code = &code;
    route_module_release(module);
    REQUIRE_OK(route_module_link(&desc, &module, &error));
    options.flags = ROUTE_CONTEXT_CUDA;
    REQUIRE_OK(route_context_create(module, &options, &context, &error));
    *numSteps = 0;
  }
};

void onGpu(route_tensor &tensor) {
  tensor.device.device_type =
      static_cast<decltype(tensor.device.device_type)>(ROUTE_DEVICE_CUDA);
}

int stream[32];

/// The bias that a decision on the GPU sees, on a stream.
std::vector<float> biasOnGpu(const Fixture &f, int on = 0) {
  top2::GateCall call(4);
  for (route_tensor *t :
       {&call.x.tensor, &call.index.tensor, &call.count.tensor,
        &call.status.tensor, &call.weight.tensor})
    onGpu(*t);
  call.call.stream = stream + on;
  CHECK_OK(route_decide(f.context, top2::Gate, &call.call, &error));
  return call.weight.values;
}

struct GpuCommit : top2::CommitCall {
  GpuCommit(std::vector<int32_t> rows, int on = 0, int32_t failWith = 0)
      : CommitCall(rows, failWith) {
    for (route_tensor *t : {&index.tensor, &count.tensor, &code.tensor})
      onGpu(*t);
    call.stream = stream + on;
  }
};

std::vector<float> biasOnHost(const Fixture &f) {
  std::vector<float> bias(8);
  CHECK_OK(route_state_read(f.context, Bias, bias.data(), 32, &error));
  return bias;
}
std::vector<uint32_t> usesOnHost(const Fixture &f) {
  std::vector<uint32_t> uses(8);
  CHECK_OK(route_state_read(f.context, Uses, uses.data(), 32, &error));
  return uses;
}
uint64_t epochOf(const Fixture &f) { return route_context_epoch(f.context); }

void emitOnHost(const Fixture &f, std::vector<int32_t> rows) {
  top2::CommitCall commit(rows);
  CHECK_OK(route_emit(f.context, top2::Commit, &commit.call, &error));
}
void emitOnGpu(const Fixture &f, std::vector<int32_t> rows, int on = 0) {
  GpuCommit commit(rows, on);
  CHECK_OK(route_emit(f.context, top2::Commit, &commit.call, &error));
}

/// The bias at first, less what events have taken from rows.
std::vector<float> biasAfter(std::vector<int32_t> rows) {
  std::vector<float> bias(8, 0.5f);
  for (int32_t row : rows)
    bias[static_cast<size_t>(row)] -= 0.25f;
  return bias;
}

/// What changes on the host is on the GPU for the next call there.
void testToGpu() {
  Fixture f;
  CHECK(biasOnGpu(f) == biasAfter({}));
  CHECK_EQUAL(said(), "record");
  emitOnHost(f, {1, 2});
  emitOnHost(f, {3, 2}); // both in one go
  CHECK_EQUAL(said(), "");
  CHECK(biasOnGpu(f) == biasAfter({1, 2, 3, 2}));
  CHECK_EQUAL(said(), "to:32 to:32 record record");
  CHECK(biasOnGpu(f) == biasAfter({1, 2, 3, 2}));
  CHECK_EQUAL(said(), "record"); // nothing to do
  // Another stream gets behind the change, once.
  biasOnGpu(f, 1);
  CHECK_EQUAL(said(), "wait record");
  biasOnGpu(f, 1);
  CHECK_EQUAL(said(), "record");
  // One that copies waits for the calls of all others, and they for it.
  std::vector<float> bias(8, 7.0f);
  CHECK_OK(route_state_write(f.context, Bias, bias.data(), 32, &error));
  CHECK(biasOnGpu(f, 2) == bias);
  CHECK_EQUAL(said(), "wait wait wait to:32 record record");
  CHECK(biasOnGpu(f, 0) == bias);
  CHECK_EQUAL(said(), "wait record");
  CHECK_EQUAL(epochOf(f), 3u);
  // For graphs, without a call.
  bias[0] = 8;
  CHECK_OK(route_state_write(f.context, Bias, bias.data(), 32, &error));
  CHECK_OK(route_state_upload(f.context, stream, &error));
  CHECK_EQUAL(said(), "wait wait to:32 record record");
  CHECK(biasOnGpu(f) == bias);
  CHECK_EQUAL(said(), "record");
}

/// What an event on the GPU changes is seen there at once, and on the host by
/// who asks.
void testToHost() {
  Fixture f;
  biasOnGpu(f, 1);
  said();
  emitOnGpu(f, {1, 2});
  // Behind the other stream's call: the next values are made elsewhere, and
  // get to their place in one copy.
  CHECK_EQUAL(said(), "wait within:96 within:96 record record");
  CHECK_EQUAL(epochOf(f), 1u);
  CHECK(biasOnGpu(f) == biasAfter({1, 2}));
  CHECK_EQUAL(said(), "record");
  CHECK(biasOnGpu(f, 1) == biasAfter({1, 2}));
  CHECK_EQUAL(said(), "wait record");
  CHECK(biasOnHost(f) == biasAfter({1, 2}));
  CHECK_EQUAL(said(), "wait back:32 back:32"); // all that it has changed
  CHECK(usesOnHost(f)[2] == 2);
  CHECK(biasOnHost(f) == biasAfter({1, 2}));
  CHECK_EQUAL(said(), "");
  CHECK_EQUAL(epochOf(f), 1u);

  // An event on the host goes on from there, and one on the GPU from that.
  emitOnGpu(f, {1, 2});
  emitOnHost(f, {1, 3});
  emitOnGpu(f, {1, 4}, 3);
  CHECK_EQUAL(epochOf(f), 4u);
  CHECK(biasOnHost(f) == biasAfter({1, 2, 1, 2, 1, 3, 1, 4}));
  CHECK(usesOnHost(f) == (std::vector<uint32_t>{1, 5, 3, 2, 2, 1, 1, 1}));
  said();
  // A decision on the host, too, and a context that adopts the state.
  emitOnGpu(f, {1, 4});
  top2::GateCall host(4);
  CHECK_OK(route_decide(f.context, top2::Gate, &host.call, &error));
  CHECK_EQUAL(said().substr(0, 1), "w");
  emitOnGpu(f, {1, 4});
  Fixture next;
  CHECK_OK(
      route_context_adopt(next.context, f.context, nullptr, nullptr, &error));
  CHECK(biasOnHost(next) == biasOnHost(f));
  CHECK(biasOnGpu(next) == biasOnGpu(f));
  CHECK_EQUAL(usesOnHost(next)[4], 4u);
  // A value that is replaced is not lost among those that come back.
  emitOnGpu(f, {5, 6});
  std::vector<float> bias(8, 3.0f);
  CHECK_OK(route_state_write(f.context, Bias, bias.data(), 32, &error));
  CHECK(biasOnHost(f) == bias);
  CHECK(biasOnGpu(f) == bias);
  CHECK_EQUAL(usesOnHost(f)[5], 2u);
}

/// An event that runs on the CPU for tensors on the GPU, and decisions that do:
/// state that a kernel reads or changes is the same to both.
void testCopies() {
  Fixture f;
  f.entries[top2::Commit].num_variants -= 1;
  route_context *context = nullptr;
  REQUIRE_OK(route_context_create(f.module, &f.options, &context, &error));
  std::swap(f.context, context);
  route_context_release(context);
  said();
  alignas(64) char room[8 * 64];
  auto emit = [&](GpuCommit &commit, route_error *error) {
    commit.call.host_workspace = room;
    commit.call.host_workspace_size = sizeof(room);
    return route_emit(f.context, top2::Commit, &commit.call, error);
  };
  biasOnGpu(f);
  said();
  GpuCommit commit({1, 2});
  CHECK_OK(emit(commit, &error));
  CHECK_EQUAL(said(), "back:8 back:4 back:4");
  CHECK(biasOnGpu(f) == biasAfter({1, 2}));
  CHECK_EQUAL(said(), "to:32 record record");
  CHECK(biasOnHost(f) == biasAfter({1, 2}));
  CHECK_EQUAL(said(), "");
  CHECK_EQUAL(epochOf(f), 1u);
  // One that fails, is of rows that are not there, or is captured has not
  // happened.
  GpuCommit failing({3, 4}, 0, 12), beyond({3, 8}), captive({3, 4}, 5);
  CHECK_STATUS(emit(failing, &error), ROUTE_ERROR_ENTRY_FAILED,
               "failed with code 12");
  CHECK_STATUS(emit(beyond, &error), ROUTE_ERROR_TENSOR_VALUE, "'p'");
  *captured = stream + 5;
  CHECK_STATUS(emit(captive, &error), ROUTE_ERROR_DEVICE, "cannot be captured");
  *captured = nullptr;
  CHECK(biasOnGpu(f) == biasAfter({1, 2}));
  CHECK_EQUAL(epochOf(f), 1u);

  // The other way round: what a kernel has changed, a decision on copies sees.
  Fixture other;
  other.entries[top2::Gate].num_variants -= 1;
  context = nullptr;
  REQUIRE_OK(
      route_context_create(other.module, &other.options, &context, &error));
  std::swap(other.context, context);
  route_context_release(context);
  emitOnGpu(other, {4, 4}); // ada has the larger bias from here on
  emitOnGpu(other, {4, 4});
  said();
  top2::GateCall call(1);
  std::fill(call.x.values.begin(), call.x.values.end(), 0.0f); // equal scores
  for (route_tensor *t : {&call.x.tensor, &call.index.tensor})
    onGpu(*t);
  alignas(64) char more[8 * 64];
  call.call.host_workspace = more;
  call.call.host_workspace_size = sizeof(more);
  CHECK_OK(route_decide(other.context, top2::Gate, &call.call, &error));
  CHECK_EQUAL(said(), "back:16 wait back:32 back:32 to:8");
  CHECK_EQUAL(call.index[0], 0);
  CHECK_EQUAL(call.index[1], 1);
}

/// An event that fails has not happened, wherever it fails.
void testFailures() {
  Fixture f;
  emitOnGpu(f, {1, 2});
  GpuCommit failing({3, 4}, 0, 12), commit({3, 4});
  CHECK_STATUS(route_emit(f.context, top2::Commit, &failing.call, &error),
               ROUTE_ERROR_ENTRY_FAILED, "'gate.commit' failed with code 12");
  auto checkUnchanged = [&] {
    CHECK(biasOnGpu(f) == biasAfter({1, 2}));
    CHECK(biasOnHost(f) == biasAfter({1, 2}));
    CHECK_EQUAL(epochOf(f), 1u);
  };
  checkUnchanged();
  const struct {
    const char *name;
    int after;
    const char *message;
  } each[] = {
      {"cuStreamIsCapturing", 0, "ordering calls that use state on the GPU"},
      {"cuStreamGetId", 0, "ordering calls that use state on the GPU failed"},
      {"cuMemcpyDtoDAsync", 0, "copying state on the GPU failed: CUDA_ERROR_"},
      {"cuMemcpyDtoDAsync", 1, "copying state on the GPU failed: CUDA_ERROR_"},
  };
  for (auto &[name, after, message] : each) {
    failFrom(name, after);
    CHECK_STATUS(route_emit(f.context, top2::Commit, &commit.call, &error),
                 ROUTE_ERROR_DEVICE, message);
    failNoMore();
    checkUnchanged();
  }
  biasOnGpu(f, 1);
  failFrom("cuStreamWaitEvent");
  CHECK_STATUS(route_emit(f.context, top2::Commit, &commit.call, &error),
               ROUTE_ERROR_DEVICE, "ordering calls");
  failNoMore();
  checkUnchanged();

  // Copies that fail are made again.
  emitOnHost(f, {1, 2});
  const auto bias = biasAfter({1, 2, 1, 2});
  for (int after : {0, 1}) {
    failFrom("cuMemcpyHtoDAsync", after);
    CHECK_STATUS(route_state_upload(f.context, stream, &error),
                 ROUTE_ERROR_DEVICE, "copying state on the GPU failed");
    failNoMore();
  }
  CHECK(biasOnGpu(f) == bias);
  emitOnGpu(f, {7, 7});
  for (const char *name : {"cuMemcpyDtoHAsync", "cuStreamSynchronize"}) {
    failFrom(name);
    std::vector<float> read(8);
    CHECK_STATUS(route_state_read(f.context, Bias, read.data(), 32, &error),
                 ROUTE_ERROR_DEVICE, "copying state from the GPU failed");
    top2::CommitCall host({0, 0});
    CHECK_STATUS(route_emit(f.context, top2::Commit, &host.call, &error),
                 ROUTE_ERROR_DEVICE, "copying state from the GPU failed");
    failNoMore();
  }
  CHECK(biasOnHost(f) == biasAfter({1, 2, 1, 2, 7, 7}));

  // Work that nobody can wait for: an error from then on, not other values.
  failFrom("cuEventRecord");
  CHECK_STATUS(route_emit(f.context, top2::Commit, &commit.call, &error),
               ROUTE_ERROR_DEVICE, "publishing state on the GPU failed");
  failNoMore();
  for (int i = 0; i < 2; ++i)
    CHECK_STATUS(route_emit(f.context, top2::Commit, &commit.call, &error),
                 ROUTE_ERROR_DEVICE, "cannot be relied on any longer");
  CHECK(biasOnHost(f) == biasAfter({1, 2, 1, 2, 7, 7}));

  // A context that cannot be made holds nothing.
  int heldEvents = *events, heldStreams = *streams, held = *allocations;
  for (const char *name : {"cuEventCreate", "cuStreamCreate", "cuMemAlloc"})
    for (int after : {0, std::string(name) == "cuStreamCreate" ? 1 : 4}) {
      failFrom(name, after);
      CHECK_STATUS(f.create(&error),
                   std::string(name) == "cuMemAlloc" ? ROUTE_ERROR_MEMORY
                                                     : ROUTE_ERROR_DEVICE,
                   "CUDA_ERROR_");
    }
  failNoMore();
  CHECK_EQUAL(*events, heldEvents);
  CHECK_EQUAL(*streams, heldStreams);
  CHECK_EQUAL(*allocations, held);
}

/// A graph uses the GPU's copy as it is when it runs: nothing is copied or
/// waited for when it is made.
void testCapture() {
  Fixture f;
  biasOnGpu(f, 1);
  emitOnHost(f, {1, 2});
  said();
  *captured = stream;
  biasOnGpu(f);
  CHECK_EQUAL(said(), "");
  CHECK_STATUS(route_state_upload(f.context, stream, &error),
               ROUTE_ERROR_DEVICE, "a stream that is being captured");
  CHECK_EQUAL(said(), "");
  GpuCommit commit({3, 4});
  CHECK_OK(route_state_upload(f.context, stream + 1, &error));
  said();
  // The event is part of the graph. The driver here runs it at once.
  CHECK_OK(route_emit(f.context, top2::Commit, &commit.call, &error));
  CHECK_EQUAL(said(), "within:96 within:96");
  *captured = nullptr;
  CHECK_EQUAL(epochOf(f), 1u);
  // Nobody says when the graph runs: who reads asks the GPU each time.
  CHECK(biasOnHost(f) == biasAfter({1, 2, 3, 4}));
  CHECK_EQUAL(said(), "wait back:32 back:32");
  CHECK_EQUAL(usesOnHost(f)[3], 2u);
  CHECK_EQUAL(said(), "wait back:32 back:32");
  // What the host has newer is not overwritten.
  emitOnHost(f, {5, 6});
  said();
  CHECK(biasOnHost(f) == biasAfter({1, 2, 3, 4, 5, 6}));
  CHECK_EQUAL(said(), "wait");
  CHECK(biasOnGpu(f) == biasAfter({1, 2, 3, 4, 5, 6}));
  said();
  CHECK(biasOnHost(f) == biasAfter({1, 2, 3, 4, 5, 6}));
  CHECK_EQUAL(said(), "wait back:32 back:32");
}

std::function<void()> meanwhile; ///< what the next part for the host does
int32_t partOnHost(const route_invocation *) {
  if (auto now = std::exchange(meanwhile, nullptr))
    now();
  return 0;
}

/// The host's part of a call runs before anything is done with state, and holds
/// up nobody.
void testParts() {
  Fixture f;
  for (auto *variants : {&f.gate, &f.commit})
    variants->back().host_fn = partOnHost;
  route_context *context = nullptr;
  REQUIRE_OK(route_context_create(f.module, &f.options, &context, &error));
  std::swap(f.context, context);
  route_context_release(context);
  said();

  // Where it is refused nothing has been captured.
  int parts = 0;
  meanwhile = [&] { ++parts; };
  *captured = stream;
  GpuCommit captive({1, 2});
  CHECK_STATUS(route_emit(f.context, top2::Commit, &captive.call, &error),
               ROUTE_ERROR_DEVICE, "cannot be captured in a CUDA graph");
  *captured = nullptr;
  CHECK_EQUAL(parts, 0);
  CHECK_EQUAL(said(), "");

  // Others decide and change state while it runs.
  using namespace std::chrono_literals;
  bool finished = false;
  std::future<void> others;
  auto callOthers = [&] {
    others = std::async(std::launch::async, [&] {
      emitOnGpu(f, {1, 2}, 3);
      biasOnGpu(f, 4);
    });
    finished = others.wait_for(20s) == std::future_status::ready;
  };
  meanwhile = callOthers;
  CHECK(biasOnGpu(f) == biasAfter({1, 2}));
  CHECK(finished);
  others.get();
  finished = false;
  meanwhile = callOthers;
  emitOnGpu(f, {3, 4});
  CHECK(finished);
  others.get();
  CHECK(biasOnHost(f) == biasAfter({1, 2, 1, 2, 3, 4}));
}

/// More streams than are told apart.
void testManyStreams() {
  Fixture f;
  for (int on = 0; on < 20; ++on)
    biasOnGpu(f, on);
  *numSteps = 0;
  emitOnGpu(f, {1, 2}, 0); // it has lost its place to another
  CHECK_EQUAL(said(), "wait wait wait wait wait wait wait wait wait wait wait "
                      "wait wait wait wait wait within:96 within:96 record "
                      "record");
  for (int on = 0; on < 32; ++on)
    CHECK(biasOnGpu(f, on) == biasAfter({1, 2}));
}

/// Nothing is lost between threads that change state here and there.
void testThreads() {
  Fixture f;
  constexpr int each = 200;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&f, i] {
      for (int n = 0; n < each; ++n) {
        if (i % 2)
          emitOnHost(f, {i, 7});
        else
          emitOnGpu(f, {i, 7}, i);
        std::vector<float> bias = n % 2 ? biasOnGpu(f, i) : biasOnHost(f);
        CHECK(bias[static_cast<size_t>(i)] ==
              0.5f - 0.25f * static_cast<float>(n + 1));
      }
    });
  for (std::thread &thread : threads)
    thread.join();
  CHECK_EQUAL(usesOnHost(f)[7], 4u * each + 1);
  CHECK_EQUAL(epochOf(f), 4u * each);
}

void testWithout() {
  top2::Fixture f;
  CHECK_STATUS(route_state_upload(f.context, nullptr, &error),
               ROUTE_ERROR_TENSOR_DEVICE, "without ROUTE_CONTEXT_CUDA");
  CHECK_STATUS(route_state_upload(nullptr, nullptr, &error),
               ROUTE_ERROR_ARGUMENT, "context is null");
}

} // namespace

int main() {
  if (!open())
    return finish("device-state");
  testToGpu();
  testToHost();
  testCopies();
  testFailures();
  testCapture();
  testParts();
  testManyStreams();
  testThreads();
  testWithout();
  CHECK_EQUAL(*events, 0);
  CHECK_EQUAL(*streams, 0);
  CHECK_EQUAL(*allocations, 0);
  return finish("device-state");
}
