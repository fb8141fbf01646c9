// State cells that readers never wait for.
// Two copies of all cells: readers use the published one, an event updates the
// other and publishes it. A reader takes no lock and copies nothing; an event
// waits for readers of the copy it is about to reuse. A GPU may have a copy too
// (cuda/DeviceState.h), and newer values of some cells, which come here when
// somebody asks for one of them.
#ifndef ROUTE_LIB_CORE_STATE_H
#define ROUTE_LIB_CORE_STATE_H

#include "Params.h"
#include "Support.h"

#include <atomic>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <vector>

namespace route {

class DeviceState;

class State {
public:
  /// Allocates both copies and sets initial values, those that the host has on
  /// `device` too. Errors: MEMORY, DEVICE, and those of Checkpoint::collect.
  route_status initialise(const route_module_desc &module,
                          Checkpoint &checkpoint, const Device *device,
                          route_error *error);

  /// Bytes of a cell.
  uint64_t size(uint32_t cell) const { return cells[cell].size; }
  uint64_t count() const { return cells.size(); }

  /// Brings the copies up to date where a GPU has a newer value of one of
  /// `reads`. To be called before a Snapshot that is for them. Waits for the
  /// streams that made it. Errors: DEVICE.
  route_status catchUp(std::span<const uint32_t> reads, route_error *error);

  /// Holds the published copy still while it lives.
  class Snapshot {
  public:
    explicit Snapshot(State &state);
    ~Snapshot() { state.sides[side].readers.fetch_sub(1); }
    Snapshot(const Snapshot &) = delete;
    Snapshot &operator=(const Snapshot &) = delete;
    /// By cell index, as route_invocation wants them.
    void *const *addresses() const { return state.sides[side].pointers.data(); }
    uint64_t epoch() const { return state.sides[side].epoch; }

  private:
    State &state;
    int side;
  };

  /// Keeps others from changing state while it lives.
  class Turn {
  public:
    explicit Turn(State &state) : lock(state.mutex) {}
    Turn(const Turn &) = delete;
    Turn &operator=(const Turn &) = delete;

  private:
    std::lock_guard<std::mutex> lock;
  };

  /// One update: once it is open, the cells of `writes` may be changed through
  /// addresses() and are published by publish(); without it nothing happened.
  /// One at a time.
  class Update {
  public:
    Update(State &state, std::span<const uint32_t> writes)
        : state(state), turn(state), writes(writes) {}
    Update(const Update &) = delete;
    Update &operator=(const Update &) = delete;
    /// Brings what it reads and writes up to date. Errors: as catchUp.
    route_status open(std::span<const uint32_t> reads, route_error *error);
    void *const *addresses() const { return state.sides[side].pointers.data(); }
    /// Epoch of the values before the update.
    uint64_t epoch() const { return state.sides[1 - side].epoch; }
    /// Where the update may list what it changes; see route_changes.
    route_changes *changes() const { return state.changes.get(); }
    void publish();

  private:
    bool lists() const;

    State &state;
    Turn turn;
    std::span<const uint32_t> writes;
    int side = 0;
  };

  /// Events published so far, on the host and on a GPU.
  uint64_t epoch() const { return epochs.load(); }

  /// For the GPU's copy. The epoch that last changed a cell on the host; it may
  /// be one that is being published.
  uint64_t lastChange(uint32_t cell) const { return lastChanges[cell].load(); }
  /// Whether the GPU has a newer value of a cell, or may have one.
  bool isBehind(uint32_t cell) const { return newer[cell].load() != Nowhere; }
  /// From now on the GPU has newer values of `writes`, as one event's. Where a
  /// graph makes them nobody says when: with `always` they are newer from then
  /// on. Whoever calls has the turn.
  void changedOnDevice(std::span<const uint32_t> writes, bool always);
  void join(DeviceState &copy) { device = &copy; }

private:
  /// Where a cell has a newer value.
  enum Newer : uint8_t { Nowhere, OnDevice, AlwaysOnDevice };

  /// Most changes that an update lists one by one.
  static constexpr int64_t maxChanges = 510;

  struct Cell {
    uint64_t offset, size;
    bool stale = false; ///< differs between the copies, to the published one's
                        ///< advantage; guarded by the mutex
  };
  struct Free {
    void operator()(void *memory) const { free(memory); }
  };

  struct alignas(64) Side {
    std::atomic<uint64_t> readers{0};
    uint64_t epoch = 0;
    AlignedMemory memory;
    std::vector<void *> pointers;
  };

  /// Brings the copy that is not published up to date, and gives its number.
  int prepare();
  /// Whether a GPU has a newer value of one of the cells, or may have one.
  bool areBehind(std::span<const uint32_t> some) const;
  /// Copies what the GPU has newer values of, for one who has the turn.
  route_status bringBack(route_error *error);

  Side sides[2];
  alignas(64) std::atomic<int> published{0};
  std::mutex mutex; ///< one update at a time
  std::vector<Cell> cells;
  uint64_t bytes = 0; ///< of one copy
  std::atomic<uint64_t> epochs{0};
  std::unique_ptr<std::atomic<uint64_t>[]> lastChanges; ///< by cell
  std::unique_ptr<std::atomic<Newer>[]> newer;          ///< by cell
  DeviceState *device = nullptr; ///< the GPU's copy; null without one
  /// Of the update under way, then what the published one has changed in
  /// memory of its side, beside stale cells; guarded by the mutex.
  std::unique_ptr<route_changes, Free> changes;
  bool listed = false; ///< the published update said what it changed
};

} // namespace route

#endif // ROUTE_LIB_CORE_STATE_H
