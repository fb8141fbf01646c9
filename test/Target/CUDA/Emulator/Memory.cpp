// Regions of memory and the notes on their bytes.
#include "Memory.h"

#include <cstring>

using namespace emulator;

namespace {
constexpr uint32_t kHost = 0x7fffffff;
/// Of notes: atomic accesses are in order with one another.
constexpr uint32_t kAtomic = 0x80000000;
/// What memory holds that nobody wrote: NaN, and no index.
constexpr int kRubbish = 0xff;

/// Whether nothing orders an access that was noted and one of `actor` now.
bool isOpen(const Note &note, const Actor &actor) {
  if (!note.clock)
    return false;
  if (note.clock < actor.begin)
    return note.clock >= actor.launches;
  uint32_t thread = note.thread & ~kAtomic;
  if (thread == actor.thread)
    return false;
  uint32_t since = thread / 32 == actor.thread / 32       ? actor.warp
                   : thread / 1024 == actor.thread / 1024 ? actor.block
                                                          : actor.others;
  return note.clock >= since;
}

std::string describe(const char *what, const Note &note, const Actor &actor) {
  std::string who =
      "what thread " + std::to_string(note.thread % 1024) + " of block " +
      std::to_string((note.thread & ~kAtomic) / 1024) + " " + what;
  return note.clock < actor.begin
             ? who + " in an earlier launch, before it has waited for that"
             : who + ", with no order between the two";
}
} // namespace

Region::Region(uint64_t size, uint64_t alignment) : size(size) {
  // Between regions lies memory of nobody; the address is an odd multiple of
  // the alignment, so that nothing wider can be counted on.
  uint64_t whole = (size + 4 * alignment + 63) / 64 * 64;
  memory.reset(static_cast<uint8_t *>(malloc(whole)));
  notes.reset(static_cast<Notes *>(calloc(size ? size : 1, sizeof(Notes))));
  bytes = nullptr;
  if (!memory || !notes)
    return;
  memset(memory.get(), kRubbish, whole);
  uint64_t start = reinterpret_cast<uint64_t>(memory.get());
  start = (start / (2 * alignment) + 1) * 2 * alignment + alignment;
  bytes = reinterpret_cast<uint8_t *>(start);
}

std::string Region::touch(uint64_t offset, uint64_t count, Use use,
                          const Actor &actor, uint32_t clock,
                          const void *value) {
  const bool reads = use == Use::Read || use == Use::Load;
  const Note now = {actor.thread | (use == Use::Atomic ? kAtomic : 0), clock};
  for (uint64_t i = 0; i < count; ++i) {
    Notes &each = notes.get()[offset + i];
    if ((use == Use::Read || use == Use::Atomic) && !each.write.clock)
      return "reads what nobody has written";
    bool atomics = use == Use::Atomic && (each.write.thread & kAtomic);
    // Threads may write the same.
    bool same = use == Use::Write &&
                static_cast<const uint8_t *>(value)[i] == bytes[offset + i];
    if (!atomics && !same && isOpen(each.write, actor))
      return std::string(reads ? "reads " : "writes ") +
             describe("wrote", each.write, actor);
    if (reads) {
      if (each.read.thread != now.thread)
        each.otherRead = each.read;
      each.read = now;
      continue;
    }
    for (const Note &read : {each.read, each.otherRead})
      if (!same && isOpen(read, actor))
        return "writes " + describe("read", read, actor);
    each.write = now;
  }
  return "";
}

void Region::note(uint64_t offset, uint64_t count, uint32_t clock) {
  for (uint64_t i = 0; i < count; ++i)
    notes.get()[offset + i] = {{kHost, clock}, {}, {}};
}

bool Region::isWrittenSince(uint64_t offset, uint64_t count,
                            uint32_t clock) const {
  for (uint64_t i = 0; i < count; ++i)
    if (notes.get()[offset + i].write.clock >= clock)
      return true;
  return false;
}

bool Region::isWritten(uint64_t offset, uint64_t count) const {
  for (uint64_t i = 0; i < count; ++i)
    if (!notes.get()[offset + i].write.clock)
      return false;
  return true;
}

uint64_t Memory::allocate(uint64_t size, uint64_t alignment) {
  Region made(size, alignment);
  uint64_t address = reinterpret_cast<uint64_t>(made.bytes);
  if (address)
    regions.emplace(address, std::move(made));
  return address;
}

bool Memory::release(uint64_t address) {
  last = nullptr;
  return regions.erase(address);
}

Region *Memory::find(uint64_t address) {
  if (last && address - reinterpret_cast<uint64_t>(last->bytes) < last->size)
    return last;
  auto behind = regions.upper_bound(address);
  return last =
             behind == regions.begin() ? nullptr : &std::prev(behind)->second;
}
