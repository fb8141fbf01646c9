// How long calls take on a GPU.
// A graph is replayed, so that what the host takes to launch does not count.
#include "DeviceTimer.h"

#include <algorithm>
#include <cstring>
#include <dlfcn.h>

using namespace route;
using namespace route::cuda;

/// Functions of the driver that only measurements call.
struct DeviceTimer::Functions {
  Result (*DeviceGetName)(char *, int, int);
  Result (*StreamCreate)(void **, unsigned);
  Result (*StreamDestroy)(void *);
  Result (*StreamSynchronize)(void *);
  Result (*StreamBeginCapture)(void *, int);
  Result (*StreamEndCapture)(void *, void **);
  Result (*GraphInstantiate)(void **, void *, unsigned long long);
  Result (*GraphLaunch)(void *, void *);
  Result (*GraphExecDestroy)(void *);
  Result (*GraphDestroy)(void *);
  Result (*EventCreate)(void **, unsigned);
  Result (*EventDestroy)(void *);
  Result (*EventRecord)(void *, void *);
  Result (*EventSynchronize)(void *);
  Result (*EventElapsedTime)(float *, void *, void *);

  const char *missing = nullptr;

  Functions() {
    void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    auto find = [&](auto &function, const char *name) {
      void *address = library ? dlsym(library, name) : nullptr;
      if (!address && !missing)
        missing = name;
      memcpy(&function, &address, sizeof(address));
    };
    find(DeviceGetName, "cuDeviceGetName");
    find(StreamCreate, "cuStreamCreate");
    find(StreamDestroy, "cuStreamDestroy_v2");
    find(StreamSynchronize, "cuStreamSynchronize");
    find(StreamBeginCapture, "cuStreamBeginCapture_v2");
    find(StreamEndCapture, "cuStreamEndCapture");
    find(GraphInstantiate, "cuGraphInstantiateWithFlags");
    find(GraphLaunch, "cuGraphLaunch");
    find(GraphExecDestroy, "cuGraphExecDestroy");
    find(GraphDestroy, "cuGraphDestroy");
    find(EventCreate, "cuEventCreate");
    find(EventDestroy, "cuEventDestroy_v2");
    find(EventRecord, "cuEventRecord");
    find(EventSynchronize, "cuEventSynchronize");
    find(EventElapsedTime, "cuEventElapsedTime");
  }
};

route_status DeviceTimer::failed(const char *what, Result result,
                                 route_error *error) const {
  return fail(error, ROUTE_ERROR_DEVICE, "%s failed: %s", what,
              driver->nameOf(result));
}

route_status DeviceTimer::open(route_error *error) {
  if (route_status status = findDriver(driver, error))
    return status;
  static const Functions found;
  if (found.missing)
    return fail(error, ROUTE_ERROR_DRIVER, "libcuda.so.1 has no function %s",
                found.missing);
  functions = &found;
  char text[256] = "";
  Result result;
  int first;
  if ((result = driver->DeviceGet(&first, 0)) ||
      (result = driver->DevicePrimaryCtxRetain(&context, first)))
    return failed("making a context on the GPU", result, error);
  ordinal = first;
  if ((result = driver->CtxPushCurrent(context)))
    return failed("entering the context on the GPU", result, error);
  entered = true;
  if ((result = functions->DeviceGetName(text, sizeof(text), first)) ||
      (result = functions->StreamCreate(&theStream, /*non-blocking*/ 1)) ||
      (result = functions->EventCreate(&begin, 0)) ||
      (result = functions->EventCreate(&end, 0)))
    return failed("making a stream", result, error);
  name = text;
  return ROUTE_OK;
}

DeviceTimer::~DeviceTimer() {
  void *old;
  release(0);
  for (void *event : {begin, end})
    if (event)
      functions->EventDestroy(event);
  if (theStream)
    functions->StreamDestroy(theStream);
  if (entered)
    driver->CtxPopCurrent(&old);
  if (ordinal >= 0)
    driver->DevicePrimaryCtxRelease(ordinal);
}

route_status DeviceTimer::allocate(uint64_t size, void *&memory,
                                   route_error *error) {
  Address address;
  size = std::max<uint64_t>(size, 64);
  if (Result result = driver->MemAlloc(&address, size))
    return fail(error, ROUTE_ERROR_MEMORY,
                "no memory on the GPU for %llu bytes: %s",
                static_cast<unsigned long long>(size), driver->nameOf(result));
  allocated.push_back(address);
  memory = reinterpret_cast<void *>(address);
  return ROUTE_OK;
}

route_status DeviceTimer::fill(void *memory, uint64_t size,
                               const std::string &data, route_error *error) {
  auto at = reinterpret_cast<Address>(memory);
  for (uint64_t done = 0; done < size && !data.empty();) {
    uint64_t part = std::min<uint64_t>(size - done, data.size());
    if (Result result = driver->MemcpyHtoD(at + done, data.data(), part))
      return failed("filling memory on the GPU", result, error);
    done += part;
  }
  if (Result result = driver->CtxSynchronize())
    return failed("filling memory on the GPU", result, error);
  return ROUTE_OK;
}

void DeviceTimer::release(size_t kept) {
  while (allocated.size() > kept) {
    driver->MemFree(allocated.back());
    allocated.pop_back();
  }
}

DeviceTimer::Graph::~Graph() {
  if (ready)
    functions.GraphExecDestroy(ready);
  if (graph)
    functions.GraphDestroy(graph);
}

Result DeviceTimer::replay(Graph &graph, int times, float &milliseconds) {
  Result result = functions->EventRecord(begin, theStream);
  for (int i = 0; i < times && !result; ++i)
    result = functions->GraphLaunch(graph.ready, theStream);
  if (!result)
    result = functions->EventRecord(end, theStream);
  if (!result)
    result = functions->EventSynchronize(end);
  if (!result)
    result = functions->EventElapsedTime(&milliseconds, begin, end);
  return result;
}

route_status
DeviceTimer::capture(const std::function<route_status(route_error *)> &run,
                     std::unique_ptr<Graph> &made, route_error *error) {
  constexpr int threadLocal = 1; // CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
  made = std::make_unique<Graph>(*functions);
  Result result;
  // What comes lazily, such as a kernel's first launch, may not be captured.
  if (route_status status = run(error))
    return status;
  if ((result = functions->StreamSynchronize(theStream)))
    return failed("running a call", result, error);
  if ((result = functions->StreamBeginCapture(theStream, threadLocal)))
    return failed("capturing a graph", result, error);
  route_status status = run(error);
  result = functions->StreamEndCapture(theStream, &made->graph);
  if (status)
    return status;
  if (result ||
      (result = functions->GraphInstantiate(&made->ready, made->graph, 0)))
    return failed("capturing a graph", result, error);
  return ROUTE_OK;
}

route_status
DeviceTimer::time(const std::vector<std::unique_ptr<Graph>> &graphs,
                  std::vector<double> &microseconds, route_error *error) {
  Result result = kSuccess;
  float once = 0, most = 0;
  for (auto &graph : graphs) {
    graph->samples.clear();
    // Once to warm up; then a sample of a millisecond or so, whatever it takes.
    for (int i = 0; i < 2 && !result; ++i)
      result = replay(*graph, 1, once);
    graph->times = static_cast<int>(
        std::clamp(1.0f / std::max(once, 1e-3f), 1.0f, 200.0f));
    most = std::max(most, once);
  }
  int rounds = most > 50 ? 3 : 15;
  for (int i = 0; i < rounds && !result; ++i)
    for (size_t g = 0; g < graphs.size() && !result; ++g) {
      // Forwards and backwards, from another one in each round.
      size_t at = (i % 2 ? graphs.size() - 1 - g : g) + static_cast<size_t>(i);
      Graph &graph = *graphs[at % graphs.size()];
      result = replay(graph, graph.times, once);
      graph.samples.push_back(once / static_cast<float>(graph.times));
    }
  if (result)
    return failed("replaying a graph", result, error);
  microseconds.clear();
  for (auto &graph : graphs) {
    std::sort(graph->samples.begin(), graph->samples.end());
    microseconds.push_back(
        static_cast<double>(graph->samples[graph->samples.size() / 2]) * 1e3);
  }
  return ROUTE_OK;
}
