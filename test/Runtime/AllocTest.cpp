// Calls allocate nothing.
// Replaces the C library's allocator by one that counts, and counts what
// decisions, events, traces, failing calls and parallel loops ask of it.
#include "Support/CountAllocations.h"
#include "Support/Policy.h"
#include "Support/Top2.h"

#include <atomic>
#include <thread>

namespace {

struct Load {
  top2::Fixture &gateFixture;
  policy::Fixture &policyFixture;
  route_threads *threads;
  std::atomic<int> ready{0}, done{0};
  std::atomic<bool> go{false}, leave{false};
  std::atomic<int> wrong{0};
};

/// Everything it needs exists before `go`; nothing is freed before `leave`.
void work(Load &load) {
  top2::GateCall gate(64, 2), bad(4);
  gate.call.parallel_for = route_threads_run;
  gate.call.pool = load.threads;
  gate.call.workers = 2;
  bad.x.shape[0] = 3;
  top2::CommitCall commit({1, 2, 3, 4});
  policy::PickCall pick;
  pick.inputs[2] = pick.inputs[3] = {nullptr, nullptr};
  std::vector<char> buffer(1 << 16);
  route_trace trace = {buffer.data(), buffer.size(), 0};
  gate.call.trace = &trace;
  float bias[8];
  route_error error;
  ++load.ready;
  while (!load.go)
    std::this_thread::yield();
  for (int i = 0; i < 3000; ++i) {
    route_context *context = load.gateFixture.context;
    bool good =
        !route_decide(context, top2::Gate, &gate.call, &error) &&
        route_decide(context, top2::Gate, &bad.call, &error) ==
            ROUTE_ERROR_TENSOR_SHAPE &&
        !route_emit(context, top2::Commit, &commit.call, &error) &&
        !route_state_read(context, top2::Bias, bias, sizeof(bias), &error) &&
        !route_decide(load.policyFixture.context, policy::Pick, &pick.call,
                      &error);
    load.wrong += !good;
  }
  ++load.done;
  while (!load.leave)
    std::this_thread::yield();
}

} // namespace

int main() {
  top2::Fixture gateFixture;
  policy::Fixture policyFixture;
  route_threads *threads = nullptr;
  REQUIRE_OK(route_threads_create(2, &threads, &error));
  Load load{gateFixture, policyFixture, threads};
  std::thread a(work, std::ref(load)), b(work, std::ref(load));
  while (load.ready != 2)
    std::this_thread::yield();
  long before = allocations;
  CHECK(before > 0); // the counter counts
  load.go = true;
  while (load.done != 2)
    std::this_thread::yield();
  long during = allocations - before;
  load.leave = true;
  a.join();
  b.join();
  CHECK_EQUAL(during, 0L);
  CHECK_EQUAL(load.wrong.load(), 0);
  route_threads_destroy(threads);
  return finish("alloc");
}
