// A generated library under load: threads share one context.
// They decide, forward, emit and read state at the same time. Built twice: as
// it is, where it counts what calls allocate, and with ThreadSanitizer, runtime
// included (generated code is not instrumented: what it does to memory shows
// only in wrong results).
//
// embedding-load LIBRARY WEIGHTS
#include "../Runtime/Support/CountAllocations.h"
#include "route/route.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

namespace {

constexpr int64_t tokens = 37, hidden = 8;

[[noreturn]] void give(const char *what, const route_error &error) {
  fprintf(stderr, "%s: %s\n", what, error.message);
  exit(1);
}

/// The host's own threads for parallel loops: a share of iterations each.
struct Shares {
  std::atomic<long> loops{0};
};
void runInShares(void *pool, int64_t count, int64_t grain, route_body_fn body,
                 void *argument) {
  ++static_cast<Shares *>(pool)->loops;
  if (grain < 1)
    grain = 1;
  int64_t worker = 0;
  for (int64_t begin = 0; begin < count; begin += grain, worker ^= 1)
    body(argument, begin, begin + grain < count ? begin + grain : count,
         worker);
}

/// One entry's call with memory of its own; everything exists before the first
/// call.
struct Call {
  route_context *context;
  uint32_t entry = 0;
  bool event = false;
  std::vector<std::vector<char>> memory;
  std::vector<std::vector<int64_t>> shapes;
  std::vector<route_tensor> tensors;
  std::vector<route_argument> arguments;
  std::vector<char> trace;
  route_trace recorded = {};
  route_call call = {};
  void *workspace = nullptr;

  Call(route_context *context, const char *name, Shares *shares,
       const std::vector<float> &x)
      : context(context) {
    route_error error = {};
    route_module *module = route_context_module(context);
    const route_module_desc *desc = route_module_descriptor(module);
    if (route_module_entry(module, name, &entry, &error))
      give(name, error);
    const route_entry_desc &made = desc->entries[entry];
    event = made.kind == ROUTE_ENTRY_EVENT;
    std::vector<int64_t> sizes(desc->num_axes, -1);
    for (uint64_t axis = 0; axis < desc->num_axes; ++axis)
      if (strcmp(desc->axes[axis].name, "token") == 0)
        sizes[axis] = tokens;
    call.struct_size = sizeof(call);
    call.workers = 2;
    call.parallel_for = runInShares;
    call.pool = shares;
    if (route_complete_sizes(module, entry, sizes.data(), &error) ||
        route_workspace_size(context, entry, sizes.data(), call.workers,
                             &call.workspace_size, &error))
      give(name, error);
    call.workspace_size = (call.workspace_size + 63) & ~uint64_t(63);
    workspace = aligned_alloc(64, call.workspace_size + 64);
    call.workspace = workspace;
    uint64_t ports = made.num_inputs + made.num_outputs;
    memory.resize(ports);
    shapes.resize(ports);
    tensors.resize(ports);
    arguments.resize(ports);
    for (uint64_t i = 0; i < ports; ++i) {
      const route_port_desc &port = i < made.num_inputs
                                        ? made.inputs[i]
                                        : made.outputs[i - made.num_inputs];
      shapes[i].resize(port.num_axes + 1);
      if (route_port_shape(module, &port, sizes.data(), shapes[i].data(),
                           &error))
        give(name, error);
      uint64_t bytes = route_element_size(port.type.element);
      for (uint64_t axis = 0; axis < port.num_axes; ++axis)
        bytes *= static_cast<uint64_t>(shapes[i][axis]);
      memory[i].resize(bytes + 64);
      if (strcmp(port.name, "x") == 0)
        memcpy(memory[i].data(), x.data(), bytes);
      tensors[i].data = memory[i].data();
      tensors[i].device.device_type = ROUTE_DEVICE_CPU;
      tensors[i].ndim = static_cast<int32_t>(port.num_axes);
      tensors[i].dtype = route_element_dtype(port.type.element);
      tensors[i].shape = shapes[i].data();
      arguments[i].tensor = &tensors[i];
    }
    call.inputs = arguments.data();
    call.num_inputs = made.num_inputs;
    call.outputs = arguments.data() + made.num_inputs;
    call.num_outputs = made.num_outputs;
    trace.resize(1 << 16);
  }
  ~Call() { free(workspace); }

  route_status make(bool traced = false) {
    route_error error;
    recorded = {trace.data(), trace.size(), 0};
    call.trace = traced ? &recorded : nullptr;
    return event ? route_emit(context, entry, &call, &error)
                 : route_decide(context, entry, &call, &error);
  }
  /// Output number `i` as elements of T.
  template <typename T> const T *output(uint64_t i) const {
    return reinterpret_cast<const T *>(memory[call.num_inputs + i].data());
  }
};

struct Load {
  route_context *context;
  std::vector<float> x;
  Shares shares;
  std::atomic<int> ready{0}, done{0};
  std::atomic<bool> go{false}, leave{false};
  std::atomic<long> wrong{0}, torn{0};
};

void wait(Load &load) {
  ++load.ready;
  while (!load.go)
    std::this_thread::yield();
}

void finish(Load &load) {
  ++load.done;
  while (!load.leave)
    std::this_thread::yield();
}

void decide(Load &load, int rounds) {
  Call gate(load.context, "gate", &load.shares, load.x),
      layer(load.context, "layer", &load.shares, load.x),
      alone(load.context, "layer", nullptr, load.x);
  alone.call.parallel_for = nullptr;
  alone.call.workers = 1;
  uint32_t bias = 0; // the first state cell
  float read[6];
  wait(load);
  for (int i = 0; i < rounds; ++i) {
    load.wrong += gate.make(i % 4 == 0) != ROUTE_OK;
    const float *weights = gate.output<float>(2);
    for (int64_t k = 0; k < tokens * 2; ++k)
      load.torn += weights[k] != 0;
    route_error error;
    if (route_state_read(load.context, bias, read, sizeof(read), &error))
      ++load.wrong;
    for (float one : read)
      load.torn += one != read[0];
    load.wrong += layer.make() != ROUTE_OK || alone.make() != ROUTE_OK;
    // How the loops were shared out changes nothing.
    load.wrong += memcmp(layer.output<float>(0), alone.output<float>(0),
                         tokens * hidden * 4) != 0;
  }
  finish(load);
}

void emit(Load &load, int rounds) {
  Call gate(load.context, "gate", &load.shares, load.x),
      commit(load.context, "gate.commit", &load.shares, load.x);
  load.wrong += gate.make() != ROUTE_OK;
  for (uint64_t i = 0; i < commit.call.num_inputs; ++i)
    commit.memory[i] = gate.memory[gate.call.num_inputs + i];
  for (uint64_t i = 0; i < commit.call.num_inputs; ++i)
    commit.tensors[i].data = commit.memory[i].data();
  wait(load);
  for (int i = 0; i < rounds; ++i) {
    load.wrong += commit.make() != ROUTE_OK;
    if (i % 8 == 0)
      std::this_thread::yield();
  }
  finish(load);
}

} // namespace

int main(int argc, char **argv) {
  if (argc != 3)
    return 2;
  route_error error = {};
  route_module *module = nullptr;
  if (route_module_load(argv[1], &module, &error))
    give("load", error);
  route_file file = {nullptr, argv[2], nullptr, 0};
  route_context_options options = {};
  options.struct_size = sizeof(options);
  options.files = &file;
  options.num_files = 1;
  Load load;
  if (route_context_create(module, &options, &load.context, &error))
    give("context", error);
  for (int64_t i = 0; i < tokens * hidden; ++i)
    load.x.push_back(static_cast<float>((i * 7) % 9 - 4));

  constexpr int rounds = 300, emits = 400;
  std::thread a(decide, std::ref(load), rounds),
      b(decide, std::ref(load), rounds), c(emit, std::ref(load), emits),
      d(emit, std::ref(load), emits);
  while (load.ready != 4)
    std::this_thread::yield();
  long before = allocations;
  load.go = true;
  while (load.done != 4)
    std::this_thread::yield();
  long during = allocations - before;
  load.leave = true;
  for (std::thread *thread : {&a, &b, &c, &d})
    thread->join();

  // A decision traced now replays after the state has moved on.
  Call gate(load.context, "gate", &load.shares, load.x);
  bool replays = gate.make(true) == ROUTE_OK &&
                 route_replay(load.context, gate.trace.data(),
                              gate.recorded.size, &error) == ROUTE_OK;
  float bias[6];
  if (route_state_read(load.context, 0, bias, sizeof(bias), &error))
    give("state", error);
  printf("%ld wrong, %ld torn, %ld allocations, bias %g, %s, %s\n",
         load.wrong.load(), load.torn.load(), during, bias[0],
         load.shares.loops ? "shared loops" : "no shared loops",
         replays ? "replays" : error.message);
  route_context_release(load.context);
  route_module_release(module);
  return load.wrong || load.torn || during || !replays;
}
