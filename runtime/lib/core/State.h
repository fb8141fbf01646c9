// State cells that readers never wait for.
// Two copies of all cells: readers use the published one, an event updates the
// other and publishes it. A reader takes no lock and copies nothing; an event
// waits for readers of the copy it is about to reuse.
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

class State {
public:
  /// Allocates both copies and sets initial values. Errors: MEMORY, and those
  /// of Checkpoint::collect.
  route_status initialise(const route_module_desc &module,
                          Checkpoint &checkpoint, route_error *error);

  /// Bytes of a cell.
  uint64_t size(uint32_t cell) const { return cells[cell].size; }
  uint64_t count() const { return cells.size(); }

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

  /// One update: the cells of `writes` may be changed through addresses() and
  /// are published by publish(); without it nothing happened. One at a time.
  class Update {
  public:
    Update(State &state, std::span<const uint32_t> writes);
    Update(const Update &) = delete;
    Update &operator=(const Update &) = delete;
    void *const *addresses() const { return state.sides[side].pointers.data(); }
    /// Epoch of the values before the update.
    uint64_t epoch() const { return state.sides[1 - side].epoch; }
    /// Where the update may list what it changes; see route_changes.
    route_changes *changes() const { return state.changes.get(); }
    void publish();

  private:
    bool lists() const;

    State &state;
    std::lock_guard<std::mutex> lock;
    std::span<const uint32_t> writes;
    int side;
  };

  uint64_t epoch();

private:
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

  Side sides[2];
  alignas(64) std::atomic<int> published{0};
  std::mutex mutex; ///< one update at a time
  std::vector<Cell> cells;
  uint64_t bytes = 0; ///< of one copy
  /// Of the update under way, then what the published one has changed in
  /// memory of its side, beside stale cells; guarded by the mutex.
  std::unique_ptr<route_changes, Free> changes;
  bool listed = false; ///< the published update said what it changed
};

} // namespace route

#endif // ROUTE_LIB_CORE_STATE_H
