// The GPU's copy of the state that its entries use.
// Host code has copies of its own (core/State.h). This one is brought up to
// date on a call's stream, events on the GPU change it there, and nobody waits
// for the GPU but who reads on the host what such an event changed.
#ifndef ROUTE_LIB_CUDA_DEVICESTATE_H
#define ROUTE_LIB_CUDA_DEVICESTATE_H

#include "Driver.h"

#include <memory>
#include <mutex>
#include <vector>

namespace route {

class State;

class DeviceState {
  static constexpr uint64_t kAbsent = UINT64_MAX;
  /// Streams that are told apart; further ones share.
  static constexpr int kSlots = 16;

  /// What is known of a stream.
  struct Slot {
    bool used = false;
    unsigned long long stream = 0; ///< the driver's number for it
    void *event = nullptr;         ///< behind its last call
    uint64_t seen = 0;             ///< changes of the copy that it is behind
  };

public:
  /// Copies the cells that entries for GPUs name to the device whose context is
  /// current, and joins the copy to `host`, which must outlive it. Errors:
  /// MEMORY, DEVICE.
  static route_status make(const cuda::Driver &driver, void *context,
                           const route_module_desc &module, State &host,
                           std::unique_ptr<DeviceState> &made,
                           route_error *error);
  DeviceState(const DeviceState &) = delete;
  DeviceState &operator=(const DeviceState &) = delete;
  ~DeviceState();

  /// A call's place in the order of what uses the copy. While it lives no other
  /// starts work, on whatever stream; what it starts comes behind all that it
  /// must not meet. On a stream that a graph is captured from it orders and
  /// copies nothing: the graph uses the copy as it is when it runs.
  class Use {
  public:
    Use(DeviceState &state, void *stream);
    Use(const Use &) = delete;
    Use &operator=(const Use &) = delete;
    ~Use();

    /// Brings the copy up to date with the host's, for reading. Errors: DEVICE.
    route_status read(route_error *error);
    /// The same for an event, of which no other may be under way; cells of
    /// `writes` then lie where it may change them. Errors: DEVICE.
    route_status change(std::span<const uint32_t> writes, route_error *error);
    /// Lets later uses see what the event changes, once its stream gets there,
    /// and tells the host. Errors: DEVICE, and then nobody sees it.
    route_status publish(route_error *error);

    /// By cell index, as route_invocation wants them.
    void *const *addresses() const;

    /// Whether a graph is being captured from the stream; known after read or
    /// change.
    bool isCaptured() const { return capturing; }

  private:
    route_status enter(route_error *error);
    route_status order(bool alone, route_error *error);
    route_status update(bool alone, route_error *error);
    route_status copy(cuda::Address from, cuda::Address to, route_error *error);
    route_status markChanged(route_error *error);
    route_status failed(const char *what, cuda::Result result,
                        route_error *error);

    DeviceState &state;
    std::lock_guard<std::mutex> lock;
    cuda::Current current;
    void *stream;
    Slot *slot = nullptr; ///< the stream's; null where it is captured
    bool capturing = false;
    std::span<const uint32_t> writes;
    uint64_t begin = 0, end = 0; ///< bytes that hold the cells of `writes`
  };

  /// Copies the cells that the host has an older value of to `cells`, when the
  /// streams that changed them get there. No event may be under way on the host
  /// or here. Errors: DEVICE.
  route_status bringBack(void *const *cells, route_error *error);

private:
  DeviceState(const cuda::Driver &driver, void *context, State &host)
      : driver(driver), context(context), host(host), copier(driver) {}
  route_status build(const std::vector<bool> &used, route_error *error);

  const cuda::Driver &driver;
  void *context;
  State &host;
  std::vector<uint64_t> offsets; ///< by cell, in a copy; or kAbsent
  std::vector<uint32_t> present; ///< the cells that are here
  uint64_t bytes = 0;            ///< of a copy
  /// What decisions read, at addresses that never change; and where an event
  /// makes the next values.
  cuda::Address live = 0, next = 0;
  std::vector<void *> liveCells; ///< by cell; null where absent

  std::mutex mutex;               ///< one use at a time; guards what follows
  std::vector<void *> eventCells; ///< liveCells, but for what an event writes
  Slot slots[kSlots];
  unsigned shared = 0;     ///< slots that were given to a second stream
  void *changed = nullptr; ///< the event behind the last change of the copy
  uint64_t numChanges = 0; ///< that `changed` has been recorded for
  uint64_t taken = 0;      ///< the last of the host's epochs that is here
  bool lost = false;       ///< work was started that nothing can wait for
  cuda::OwnStream copier;  ///< of copies to the host, and of the first ones
};

} // namespace route

#endif // ROUTE_LIB_CUDA_DEVICESTATE_H
