// Calls from many threads at once.
// Deciders, an emitter and a pool on one context; built with ThreadSanitizer,
// runtime and modules included. A decision must see one event's writes wholly
// or not at all.
#include "Support/Top2.h"

#include <atomic>
#include <thread>

int main() {
  top2::Fixture f;
  route_threads *threads = nullptr;
  REQUIRE_OK(route_threads_create(2, &threads, &error));
  std::atomic<bool> stop{false};
  std::atomic<long> torn{0}, failed{0}, decided{0};

  auto decide = [&](bool pooled) {
    top2::GateCall call(16, 2);
    if (pooled) {
      call.call.parallel_for = route_threads_run;
      call.call.pool = threads;
      call.call.workers = 2;
    }
    route_error error;
    while (!stop) {
      failed += route_decide(f.context, top2::Gate, &call.call, &error) != 0;
      ++decided;
    }
  };
  // Every event moves all biases alike, so that any mixture of two shows.
  auto emit = [&] {
    top2::CommitCall commit({0, 1, 2, 3, 4, 5, 6, 7});
    route_error error;
    for (int i = 0; i < 400; ++i) {
      failed += route_emit(f.context, top2::Commit, &commit.call, &error) != 0;
      if (i % 16 == 0)
        std::this_thread::yield();
    }
  };
  auto read = [&] {
    float bias[8];
    route_error error;
    while (!stop) {
      failed += route_state_read(f.context, top2::Bias, bias, sizeof(bias),
                                 &error) != 0;
      for (float value : bias)
        torn += value != bias[0];
    }
  };
  {
    std::thread a(decide, true), b(decide, false), c(read);
    std::thread d(emit), e(emit);
    d.join();
    e.join();
    while (decided < 50)
      std::this_thread::yield();
    stop = true;
    a.join();
    b.join();
    c.join();
  }
  CHECK_EQUAL(torn.load(), 0L);
  CHECK_EQUAL(failed.load(), 0L);
  CHECK_EQUAL(route_context_epoch(f.context), 800u);
  float bias[8];
  CHECK_OK(route_state_read(f.context, top2::Bias, bias, sizeof(bias), &error));
  CHECK_EQUAL(bias[7], 0.5f - 800 * 0.25f);
  route_threads_destroy(threads);
  return finish("threads");
}
