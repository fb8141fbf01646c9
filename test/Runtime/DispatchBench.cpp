// What a call costs beside the entry itself.
// A benchmark, not a test: the test modules' entries are replaced by one that
// does nothing, so that what is left is the runtime. Prints nanoseconds a call,
// the median of many groups, and the cost of a clock read for comparison.
#include "Support/Policy.h"
#include "Support/Top2.h"

#include <algorithm>
#include <chrono>
#include <thread>

namespace {

using Clock = std::chrono::steady_clock;

/// Median nanoseconds of one `body`, over 301 groups of 1000.
template <typename Body> double median(Body body) {
  std::vector<double> samples;
  for (int sample = 0; sample < 301; ++sample) {
    auto begin = Clock::now();
    for (int i = 0; i < 1000; ++i)
      body();
    std::chrono::duration<double, std::nano> took = Clock::now() - begin;
    samples.push_back(took.count() / 1000);
  }
  std::nth_element(samples.begin(), samples.begin() + 150, samples.end());
  return samples[150];
}

int32_t nothing(const route_invocation *) { return 0; }

/// A module whose entries do nothing.
struct Hollow {
  route_module_desc module;
  std::vector<route_entry_desc> entries;
  route_variant_desc variant = {
      "nothing", nothing, 0, ROUTE_DEVICE_CPU, 0, nullptr, 0, nullptr, nullptr};
  route_module *handle = nullptr;

  explicit Hollow(const route_module_desc &from)
      : module(from), entries(from.entries, from.entries + from.num_entries) {
    for (route_entry_desc &entry : entries) {
      entry.variants = &variant;
      entry.num_variants = 1;
    }
    module.entries = entries.data();
    REQUIRE_OK(route_module_link(&module, &handle, &error));
  }
};

} // namespace

int main() {
  Hollow top2Module(top2_module), policyModule(policy_module);
  top2::Fixture fixture(false);
  route_context *gates = nullptr, *policies = nullptr;
  REQUIRE_OK(route_context_create(top2Module.handle, &fixture.options, &gates,
                                  &error));
  REQUIRE_OK(
      route_context_create(policyModule.handle, nullptr, &policies, &error));
  auto print = [](const char *what, double ns) {
    printf("%-58s %7.1f ns\n", what, ns);
  };
  print("clock read", median([] { (void)Clock::now(); }));

  top2::GateCall gate(1), batch(1024);
  auto call = [](route_context *context, uint32_t entry, route_call &call) {
    return median([&] { route_decide(context, entry, &call, nullptr); });
  };
  print("gate: 1 token, 5 tensors, state read",
        call(gates, top2::Gate, gate.call));
  print("gate: 1024 tokens, 5 tensors, state read",
        call(gates, top2::Gate, batch.call));
  policy::PickCall pick;
  print("pick: 3 requests, 13 tensors, known bytes, state read",
        call(policies, policy::Pick, pick.call));
  for (int i : {2, 3, 4, 5})
    pick.inputs[i] = {nullptr, nullptr};
  print("pick: 3 requests, 4 of 6 inputs left out",
        call(policies, policy::Pick, pick.call));
  std::vector<char> bytes(1 << 16);
  route_trace trace = {bytes.data(), bytes.size(), 0};
  pick.call.trace = &trace;
  print("the same, traced", call(policies, policy::Pick, pick.call));
  policy::FailureCall failure(0, 1);
  print("failure: an event of one scalar", median([&] {
          route_emit(policies, policy::Failure, &failure.call, nullptr);
        }));

  // Two threads on one context contend for its counter.
  std::atomic<bool> stop{false};
  std::thread other([&] {
    top2::GateCall mine(1);
    while (!stop)
      route_decide(gates, top2::Gate, &mine.call, nullptr);
  });
  print("gate: 1 token, while another thread decides too",
        call(gates, top2::Gate, gate.call));
  stop = true;
  other.join();
  return 0;
}
