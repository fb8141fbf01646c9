// How long calls take on a GPU.
// Graphs, events and a stream, of which the runtime itself needs none; and
// memory for measurements.
#ifndef ROUTE_LIB_RUN_DEVICETIMER_H
#define ROUTE_LIB_RUN_DEVICETIMER_H

#include "../cuda/Driver.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace route {

class DeviceTimer {
  struct Functions;

public:
  DeviceTimer() = default;
  DeviceTimer(const DeviceTimer &) = delete;
  DeviceTimer &operator=(const DeviceTimer &) = delete;
  ~DeviceTimer();

  /// Takes the first GPU, whose context becomes the thread's. Errors: DRIVER,
  /// DEVICE.
  route_status open(route_error *error);

  void *stream() const { return theStream; }
  const std::string &device() const { return name; }

  /// Memory on the GPU until release() or the end. Errors: MEMORY.
  route_status allocate(uint64_t size, void *&memory, route_error *error);
  /// Fills it with the bytes at `data`, again and again. Errors: DEVICE.
  route_status fill(void *memory, uint64_t size, const std::string &data,
                    route_error *error);
  /// Gives back what was allocated after the first `kept` pieces.
  void release(size_t kept);
  size_t numAllocated() const { return allocated.size(); }

  /// Work on the stream that can be replayed.
  class Graph {
  public:
    Graph(const Functions &functions) : functions(functions) {}
    Graph(const Graph &) = delete;
    ~Graph();

  private:
    friend class DeviceTimer;
    const Functions &functions;
    void *graph = nullptr, *ready = nullptr;
    int times = 1; ///< replays of a sample
    std::vector<float> samples;
  };

  /// Captures what `run` puts on the stream. Errors: DEVICE, run's.
  route_status capture(const std::function<route_status(route_error *)> &run,
                       std::unique_ptr<Graph> &graph, route_error *error);
  /// Microseconds of each graph: medians over replays in turn, since a card
  /// that draws its power slows down from one second to the next. Errors:
  /// DEVICE.
  route_status time(const std::vector<std::unique_ptr<Graph>> &graphs,
                    std::vector<double> &microseconds, route_error *error);

private:
  cuda::Result replay(Graph &graph, int times, float &milliseconds);
  route_status failed(const char *what, cuda::Result result,
                      route_error *error) const;

  const cuda::Driver *driver = nullptr;
  const Functions *functions = nullptr;
  std::string name;
  int ordinal = -1;
  bool entered = false;
  void *context = nullptr, *theStream = nullptr;
  void *begin = nullptr, *end = nullptr; ///< events
  std::vector<cuda::Address> allocated;
};

} // namespace route

#endif // ROUTE_LIB_RUN_DEVICETIMER_H
