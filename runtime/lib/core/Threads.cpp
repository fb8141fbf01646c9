// A small pool for services without one.
// One loop at a time is shared out by an atomic counter; a second loop that
// comes meanwhile runs in its own thread, so that nothing ever waits in line.
#include "Call.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <new>
#include <pthread.h>
#include <vector>

using namespace route;

struct route_threads {
  struct Worker {
    route_threads *pool;
    int64_t number;
    pthread_t thread;
  };

  void share(int64_t worker);
  static void *loop(void *argument);

  // The loop at hand; written while `busy` is held and no worker runs.
  int64_t count = 0, grain = 1;
  route_body_fn body = nullptr;
  void *argument = nullptr;
  std::atomic<int64_t> next{0};

  std::atomic_flag busy;
  std::mutex mutex;
  std::condition_variable start, done;
  uint64_t generation = 0; // guarded by mutex, as all below
  int64_t running = 0;
  bool stop = false;
  std::vector<Worker> workers;
};

int64_t route::countWorkers(const route_threads *threads) {
  return static_cast<int64_t>(threads->workers.size()) + 1;
}

/// Takes shares of the loop until none is left.
void route_threads::share(int64_t worker) {
  for (;;) {
    int64_t begin = next.load(std::memory_order_relaxed);
    int64_t end;
    do {
      if (begin >= count)
        return;
      end = count - begin > grain ? begin + grain : count;
    } while (
        !next.compare_exchange_weak(begin, end, std::memory_order_relaxed));
    body(argument, begin, end, worker);
  }
}

void *route_threads::loop(void *argument) {
  auto &self = *static_cast<Worker *>(argument);
  route_threads &pool = *self.pool;
  uint64_t seen = 0;
  std::unique_lock<std::mutex> lock(pool.mutex);
  for (;;) {
    pool.start.wait(lock, [&] { return pool.stop || pool.generation != seen; });
    if (pool.stop)
      return nullptr;
    seen = pool.generation;
    lock.unlock();
    pool.share(self.number);
    lock.lock();
    if (--pool.running == 0)
      pool.done.notify_one();
  }
}

extern "C" route_status route_threads_create(int64_t workers,
                                             route_threads **threads,
                                             route_error *error) {
  if (!threads || workers < 1 || workers > 1024)
    return fail(error, ROUTE_ERROR_ARGUMENT,
                "threads is null, or %lld workers, expected 1 to 1024",
                static_cast<long long>(workers));
  *threads = nullptr;
  auto *pool = new (std::nothrow) route_threads;
  if (!pool)
    return fail(error, ROUTE_ERROR_MEMORY, "out of memory");
  pool->workers.resize(static_cast<size_t>(workers - 1));
  for (size_t i = 0; i < pool->workers.size(); ++i) {
    route_threads::Worker &worker = pool->workers[i];
    worker.pool = pool;
    worker.number = static_cast<int64_t>(i) + 1;
    if (pthread_create(&worker.thread, nullptr, route_threads::loop, &worker)) {
      pool->workers.resize(i);
      route_threads_destroy(pool);
      return fail(error, ROUTE_ERROR_MEMORY, "cannot start thread %zu", i + 1);
    }
  }
  *threads = pool;
  return ROUTE_OK;
}

extern "C" void route_threads_destroy(route_threads *threads) {
  if (!threads)
    return;
  {
    std::lock_guard<std::mutex> lock(threads->mutex);
    threads->stop = true;
  }
  threads->start.notify_all();
  for (route_threads::Worker &worker : threads->workers)
    pthread_join(worker.thread, nullptr);
  delete threads;
}

extern "C" void route_threads_run(void *opaque, int64_t count, int64_t grain,
                                  route_body_fn body, void *argument) {
  auto *pool = static_cast<route_threads *>(opaque);
  if (count <= 0)
    return;
  if (grain < 1)
    grain = 1;
  if (pool->workers.empty() || count <= grain ||
      pool->busy.test_and_set(std::memory_order_acquire)) {
    body(argument, 0, count, 0);
    return;
  }
  pool->count = count;
  pool->grain = grain;
  pool->body = body;
  pool->argument = argument;
  pool->next.store(0, std::memory_order_relaxed);
  {
    std::lock_guard<std::mutex> lock(pool->mutex);
    pool->running = static_cast<int64_t>(pool->workers.size());
    ++pool->generation;
  }
  pool->start.notify_all();
  pool->share(0);
  {
    std::unique_lock<std::mutex> lock(pool->mutex);
    pool->done.wait(lock, [&] { return pool->running == 0; });
  }
  pool->busy.clear(std::memory_order_release);
}
