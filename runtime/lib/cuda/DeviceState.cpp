// The GPU's copy of the state that its entries use.
// Calls on one stream are in its order anyway. Between streams, a call waits
// for the last change of the copy, and a change waits for all calls before it:
// each stream has an event behind its last call, the copy one behind its last
// change, and a lock keeps calls from starting work at the same time, so that
// "before" means something. Waiting is the streams' affair.
#include "DeviceState.h"
#include "../core/State.h"

#include <algorithm>
#include <new>

using namespace route;
using namespace route::cuda;

/// CU_EVENT_DISABLE_TIMING
static constexpr unsigned kNoTiming = 2;

route_status DeviceState::make(const Driver &driver, void *context,
                               const route_module_desc &module, State &host,
                               std::unique_ptr<DeviceState> &made,
                               route_error *error) {
  std::vector<bool> used(module.num_states);
  bool any = false;
  for (const route_entry_desc &entry :
       table(module.entries, module.num_entries)) {
    auto variants = table(entry.variants, entry.num_variants);
    if (std::none_of(variants.begin(), variants.end(), [](const auto &variant) {
          return variant.device == ROUTE_DEVICE_CUDA;
        }))
      continue;
    for (auto cells : {table(entry.reads, entry.num_reads),
                       table(entry.writes, entry.num_writes)})
      for (uint32_t cell : cells)
        any = used[cell] = true;
  }
  if (!any)
    return ROUTE_OK;
  std::unique_ptr<DeviceState> state(new (std::nothrow)
                                         DeviceState(driver, context, host));
  if (!state)
    return fail(error, ROUTE_ERROR_MEMORY, "out of memory");
  if (route_status status = state->build(used, error))
    return status;
  host.join(*state);
  made = std::move(state);
  return ROUTE_OK;
}

route_status DeviceState::build(const std::vector<bool> &used,
                                route_error *error) {
  auto failed = [&](const char *what, Result result) {
    return fail(error, ROUTE_ERROR_DEVICE, "%s for state failed: %s", what,
                driver.nameOf(result));
  };
  for (uint32_t cell = 0; cell < used.size(); ++cell) {
    offsets.push_back(used[cell] ? bytes : kAbsent);
    if (used[cell])
      bytes += alignUp(host.size(cell)); // all cells have been added up before
  }
  Current current(driver, context);
  if (Result result = current.failure())
    return failed("entering the context", result);
  BesideCaptures beside(driver);
  bytes = std::max<uint64_t>(bytes, 1);
  for (Address *copy : {&live, &next})
    if (Result result = driver.MemAlloc(copy, bytes)) {
      *copy = 0;
      return fail(error, ROUTE_ERROR_MEMORY,
                  "no memory on the GPU for %llu bytes of state: %s",
                  static_cast<unsigned long long>(bytes),
                  driver.nameOf(result));
    }
  for (Slot &slot : slots)
    if (Result result = driver.EventCreate(&slot.event, kNoTiming)) {
      slot.event = nullptr;
      return failed("making an event", result);
    }
  if (Result result = driver.EventCreate(&changed, kNoTiming)) {
    changed = nullptr;
    return failed("making an event", result);
  }
  if (Result result = copier.open())
    return failed("making a stream", result);
  State::Snapshot snapshot(host);
  for (uint32_t cell = 0; cell < used.size(); ++cell) {
    liveCells.push_back(
        used[cell] ? reinterpret_cast<void *>(live + offsets[cell]) : nullptr);
    if (!used[cell] || !host.size(cell))
      continue;
    present.push_back(cell);
    if (Result result = driver.MemcpyHtoDAsync(live + offsets[cell],
                                               snapshot.addresses()[cell],
                                               host.size(cell), copier.get()))
      return failed("a copy", result);
  }
  liveCells.push_back(nullptr);
  eventCells = liveCells;
  if (Result result = driver.StreamSynchronize(copier.get()))
    return failed("a copy", result);
  return ROUTE_OK;
}

DeviceState::~DeviceState() {
  Current current(driver, context);
  BesideCaptures beside(driver);
  copier.close();
  if (changed)
    driver.EventDestroy(changed);
  for (Slot &slot : slots)
    if (slot.event)
      driver.EventDestroy(slot.event);
  for (Address copy : {live, next})
    if (copy)
      driver.MemFree(copy);
}

DeviceState::Use::Use(DeviceState &state, void *stream)
    : state(state), lock(state.mutex), current(state.driver, state.context),
      stream(stream) {}

DeviceState::Use::~Use() {
  // What reads the copy, or used the other one, is before later changes.
  if (slot && state.driver.EventRecord(slot->event, stream) != kSuccess)
    state.lost = true;
}

void *const *DeviceState::Use::addresses() const {
  return (begin < end ? state.eventCells : state.liveCells).data();
}

route_status DeviceState::Use::failed(const char *what, Result result,
                                      route_error *error) {
  return fail(error, ROUTE_ERROR_DEVICE, "%s state on the GPU failed: %s", what,
              state.driver.nameOf(result));
}

route_status DeviceState::Use::enter(route_error *error) {
  constexpr const char *what = "ordering calls that use";
  if (Result result = current.failure())
    return fail(error, ROUTE_ERROR_DEVICE,
                "entering the context on the GPU failed: %s",
                state.driver.nameOf(result));
  if (state.lost)
    return fail(error, ROUTE_ERROR_DEVICE,
                "the GPU has failed in a call that used state, which cannot be "
                "relied on any longer");
  int status;
  if (Result result = state.driver.StreamIsCapturing(stream, &status))
    return failed(what, result, error);
  capturing = status != 0;
  if (capturing)
    return ROUTE_OK;
  unsigned long long id;
  if (Result result = state.driver.StreamGetId(stream, &id))
    return failed(what, result, error);
  Slot *found = std::find_if(
      std::begin(state.slots), std::end(state.slots),
      [&](const Slot &each) { return each.used && each.stream == id; });
  if (found == std::end(state.slots))
    found = std::find_if(std::begin(state.slots), std::end(state.slots),
                         [](const Slot &each) { return !each.used; });
  if (found == std::end(state.slots)) {
    // The stream gets behind what another's event stands for, which then stands
    // for both.
    found = &state.slots[state.shared++ % kSlots];
    if (Result result = state.driver.StreamWaitEvent(stream, found->event, 0))
      return failed(what, result, error);
    found->used = false;
  }
  if (!found->used)
    *found = {true, id, found->event, 0};
  slot = found;
  return ROUTE_OK;
}

route_status DeviceState::Use::order(bool alone, route_error *error) {
  constexpr const char *what = "ordering calls that use";
  if (slot->seen < state.numChanges) {
    if (Result result = state.driver.StreamWaitEvent(stream, state.changed, 0))
      return failed(what, result, error);
    slot->seen = state.numChanges;
  }
  for (Slot &other : state.slots)
    if (alone && other.used && &other != slot)
      if (Result result = state.driver.StreamWaitEvent(stream, other.event, 0))
        return failed(what, result, error);
  return ROUTE_OK;
}

/// The copy has changed on the stream.
route_status DeviceState::Use::markChanged(route_error *error) {
  if (Result result = state.driver.EventRecord(state.changed, stream)) {
    state.lost = true;
    return failed("publishing", result, error);
  }
  slot->seen = ++state.numChanges;
  return ROUTE_OK;
}

route_status DeviceState::Use::read(route_error *error) {
  if (route_status status = enter(error))
    return status;
  return capturing ? ROUTE_OK : update(/*alone=*/false, error);
}

route_status DeviceState::Use::update(bool alone, route_error *error) {
  State::Snapshot snapshot(state.host);
  auto isOld = [&](uint32_t cell) {
    return state.host.lastChange(cell) > state.taken;
  };
  bool any = snapshot.epoch() != state.taken &&
             std::any_of(state.present.begin(), state.present.end(), isOld);
  if (route_status status = order(alone || any, error))
    return status;
  if (any) {
    BesideCaptures beside(state.driver);
    for (uint32_t cell : state.present)
      if (isOld(cell))
        if (Result result = state.driver.MemcpyHtoDAsync(
                state.live + state.offsets[cell], snapshot.addresses()[cell],
                state.host.size(cell), stream))
          return failed("copying", result, error);
    if (route_status status = markChanged(error))
      return status;
  }
  state.taken = snapshot.epoch();
  return ROUTE_OK;
}

route_status DeviceState::Use::change(std::span<const uint32_t> writes,
                                      route_error *error) {
  if (route_status status = enter(error))
    return status;
  if (!capturing)
    if (route_status status = update(/*alone=*/true, error))
      return status;
  this->writes = writes;
  begin = UINT64_MAX, end = 0;
  state.eventCells = state.liveCells;
  for (uint32_t cell : writes) {
    uint64_t offset = state.offsets[cell];
    begin = std::min(begin, offset);
    end = std::max(end, offset + state.host.size(cell));
    state.eventCells[cell] = reinterpret_cast<void *>(state.next + offset);
  }
  return copy(state.live, state.next, error);
}

route_status DeviceState::Use::copy(Address from, Address to,
                                    route_error *error) {
  if (begin >= end)
    return ROUTE_OK;
  Result result = state.driver.MemcpyDtoDAsync(to + begin, from + begin,
                                               end - begin, stream);
  return result ? failed("copying", result, error) : ROUTE_OK;
}

route_status DeviceState::Use::publish(route_error *error) {
  // One copy, which happens as a whole or not at all.
  if (route_status status = copy(state.next, state.live, error))
    return status;
  if (!capturing)
    if (route_status status = markChanged(error))
      return status;
  state.host.changedOnDevice(writes, capturing);
  return ROUTE_OK;
}

route_status DeviceState::bringBack(void *const *cells, route_error *error) {
  auto failed = [&](Result result) {
    return fail(error, ROUTE_ERROR_DEVICE,
                "copying state from the GPU failed: %s", driver.nameOf(result));
  };
  Current current(driver, context);
  Result result = current.failure();
  if (result)
    return failed(result);
  BesideCaptures beside(driver);
  uint64_t taken;
  {
    std::lock_guard lock(mutex);
    if (lost)
      return fail(error, ROUTE_ERROR_DEVICE,
                  "the GPU has failed in a call that used state, which cannot "
                  "be relied on any longer");
    taken = this->taken;
    if (numChanges)
      result = driver.StreamWaitEvent(copier.get(), changed, 0);
  }
  // Others may use the copy now, and bring cells to it that are newer on the
  // host: none of these.
  for (uint32_t cell : present)
    if (!result && host.isBehind(cell) && host.lastChange(cell) <= taken)
      result = driver.MemcpyDtoHAsync(cells[cell], live + offsets[cell],
                                      host.size(cell), copier.get());
  if (!result)
    result = driver.StreamSynchronize(copier.get());
  return result ? failed(result) : ROUTE_OK;
}
