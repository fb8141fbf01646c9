// State cells that readers never wait for.
// Why a reader is safe: it counts itself on a side and then sees that side
// published. An update first sees no reader on the side it takes, which is not
// published until it is done; a reader that counts itself later finds the other
// side published and tries again. All four accesses are sequentially
// consistent.
#include "State.h"
#include "../cuda/Device.h"
#include "../cuda/DeviceState.h"
#include "CheckModule.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <sched.h>

using namespace route;

/// The list that follows the head of changes.
static const route_change *listOf(const route_changes &changes) {
  return reinterpret_cast<const route_change *>(&changes + 1);
}

State::Snapshot::Snapshot(State &state) : state(state) {
  for (;;) {
    side = state.published.load();
    state.sides[side].readers.fetch_add(1);
    if (state.published.load() == side)
      return;
    state.sides[side].readers.fetch_sub(1);
  }
}

int State::prepare() {
  int side = 1 - published.load();
  Side &mine = sides[side];
  const Side &theirs = sides[1 - side];
  while (mine.readers.load() != 0)
    sched_yield();
  // A cell is stale where the last published update, or an abandoned one, wrote
  // it: this copy lacks that value or holds one that never counted.
  for (size_t i = 0; i < cells.size(); ++i) {
    Cell &cell = cells[i];
    if (cell.stale)
      memcpy(mine.pointers[i], theirs.pointers[i], cell.size);
    cell.stale = false;
  }
  // What the last one listed lies in the published copy.
  for (int64_t i = 0; listed && i < changes->count; ++i) {
    const route_change &change = listOf(*changes)[i];
    const char *start = static_cast<const char *>(change.start);
    memcpy(mine.memory.get() + (start - theirs.memory.get()), start,
           change.size);
  }
  listed = false;
  changes->count = -1;
  return side;
}

bool State::areBehind(std::span<const uint32_t> some) const {
  return device && std::any_of(some.begin(), some.end(),
                               [&](uint32_t cell) { return isBehind(cell); });
}

route_status State::catchUp(std::span<const uint32_t> reads,
                            route_error *error) {
  if (!areBehind(reads))
    return ROUTE_OK;
  Turn turn(*this);
  return areBehind(reads) ? bringBack(error) : ROUTE_OK;
}

route_status State::bringBack(route_error *error) {
  int side = prepare();
  // Should it fail, this copy has who knows what of them.
  for (uint32_t i = 0; i < cells.size(); ++i)
    cells[i].stale = isBehind(i);
  if (route_status status =
          device->bringBack(sides[side].pointers.data(), error))
    return status;
  sides[side].epoch = epochs.load();
  published.store(side);
  for (uint32_t i = 0; i < cells.size(); ++i)
    if (newer[i].load() == OnDevice)
      newer[i].store(Nowhere);
  return ROUTE_OK;
}

void State::changedOnDevice(std::span<const uint32_t> writes, bool always) {
  for (uint32_t write : writes)
    if (newer[write].load() != AlwaysOnDevice)
      newer[write].store(always ? AlwaysOnDevice : OnDevice);
  if (!always)
    epochs.fetch_add(1);
}

route_status State::Update::open(std::span<const uint32_t> reads,
                                 route_error *error) {
  if (state.areBehind(reads) || state.areBehind(writes))
    if (route_status status = state.bringBack(error))
      return status;
  side = state.prepare();
  // An update that is abandoned has changed who knows what.
  for (uint32_t write : writes)
    state.cells[write].stale = true;
  return ROUTE_OK;
}

/// Whether the update under way has listed all that it changed, and nothing
/// that is no state.
bool State::Update::lists() const {
  const route_changes &changes = *state.changes;
  if (changes.count < 0 || changes.count > changes.capacity)
    return false;
  auto from = reinterpret_cast<uintptr_t>(state.sides[side].memory.get());
  for (int64_t i = 0; i < changes.count; ++i) {
    auto start = reinterpret_cast<uintptr_t>(listOf(changes)[i].start);
    uint64_t size = listOf(changes)[i].size;
    if (start < from || size > state.bytes || start - from > state.bytes - size)
      return false;
  }
  return true;
}

void State::Update::publish() {
  state.listed = lists();
  if (state.listed)
    for (uint32_t write : writes)
      state.cells[write].stale = false;
  uint64_t epoch = state.epochs.load() + 1;
  for (uint32_t write : writes)
    state.lastChanges[write].store(epoch);
  state.sides[side].epoch = epoch;
  state.published.store(side);
  state.epochs.store(epoch);
}

route_status State::initialise(const route_module_desc &module,
                               Checkpoint &checkpoint, const Device *device,
                               route_error *error) {
  uint64_t total = 0;
  for (const route_state_desc &desc : table(module.states, module.num_states)) {
    uint64_t size = 0;
    bool fits = arrayBytes(module, desc.type, desc.axes, desc.num_axes, size);
    cells.push_back({total, size});
    if (!fits || !add(total, alignUp(size), total))
      return fail(error, ROUTE_ERROR_MEMORY, "the state is too large");
  }
  bytes = total;
  for (Side &side : sides) {
    if (!side.memory.allocate(total))
      return fail(error, ROUTE_ERROR_MEMORY,
                  "out of memory for %llu bytes of state",
                  static_cast<unsigned long long>(total));
    for (const Cell &cell : cells)
      side.pointers.push_back(side.memory.get() + cell.offset);
    side.pointers.push_back(nullptr);
  }
  changes.reset(static_cast<route_changes *>(
      malloc(sizeof(route_changes) + maxChanges * sizeof(route_change))));
  if (!changes)
    return fail(error, ROUTE_ERROR_MEMORY,
                "out of memory for changes of state");
  changes->count = -1;
  changes->capacity = maxChanges;
  lastChanges.reset(new (std::nothrow) std::atomic<uint64_t>[cells.size()]());
  newer.reset(new (std::nothrow) std::atomic<Newer>[cells.size()]());
  if (!lastChanges || !newer)
    return fail(error, ROUTE_ERROR_MEMORY, "out of memory for state");
  std::vector<Slice> slices;
  for (uint64_t i = 0; i < cells.size(); ++i) {
    const route_state_desc &desc = module.states[i];
    char *target = static_cast<char *>(sides[0].pointers[i]);
    uint64_t elementSize = route_element_size(desc.type.element);
    if (desc.tensor) {
      Checkpoint::Wanted wanted(module, desc);
      AlignedMemory copied; // from a GPU
      if (const HostParam &host = checkpoint.given(wanted.number); host.onGpu) {
        if (!copied.allocate(host.size))
          return fail(error, ROUTE_ERROR_MEMORY, "out of memory for state");
        if (route_status status = device->readBack(host, copied.get(), error))
          return status;
        checkpoint.setCopy(wanted.number, copied.get());
      }
      if (route_status status =
              checkpoint.collect(module, wanted, slices, error))
        return status;
      for (const Slice &slice : slices) {
        slice.copyTo(target);
        target += slice.size();
      }
      if (copied.get())
        checkpoint.setCopy(wanted.number, nullptr);
    } else if (desc.flags & ROUTE_STATE_SPLAT) {
      for (uint64_t at = 0; at < cells[i].size; at += elementSize)
        memcpy(target + at, desc.initial, elementSize);
    } else if (desc.initial) {
      memcpy(target, desc.initial, cells[i].size);
    }
  }
  memcpy(sides[1].memory.get(), sides[0].memory.get(), total);
  return ROUTE_OK;
}
