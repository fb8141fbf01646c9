// Memory of the emulated GPU, and who touched which byte of it when.
// Every byte has notes of its last write and its last reads. An access is a
// fault where nothing orders it and another thread's to the same byte, one of
// which writes. Whatever brings order counts up the clock; a note that is older
// than the last order between two threads is of no concern to them.
#ifndef ROUTE_TEST_EMULATOR_MEMORY_H
#define ROUTE_TEST_EMULATOR_MEMORY_H

#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>

namespace emulator {

/// CUresult values.
enum : int {
  kInvalidPtx = 218,
  kIllegalAddress = 700,
  kMisaligned = 716,
  kLaunchFailed = 719,
  kNotSupported = 801
};

/// What ends a launch: an error of the driver, and its reason.
struct Fault {
  int code;
  std::string text;
};

enum class Use : uint8_t {
  Read,
  Load, ///< a read of what may never have been written
  Write,
  Atomic
};

/// A thread, and the clock from which on others' accesses are not known to be
/// behind its own.
struct Actor {
  uint32_t thread;   ///< its block * 1024 + its number there
  uint32_t begin;    ///< when its launch began
  uint32_t launches; ///< for threads of launches before
  uint32_t others;   ///< for those of other blocks
  uint32_t block;    ///< for those of its block
  uint32_t warp;     ///< for those of its warp
};

/// When a thread touched a byte; a clock of 0: never.
struct Note {
  uint32_t thread, clock;
};

/// Bytes that belong together: an allocation, or a variable of a block.
class Region {
public:
  /// Without memory `bytes` is null.
  Region(uint64_t size, uint64_t alignment);

  /// Looks at an access to bytes within, and notes it at `clock`; says what is
  /// wrong, or nothing. A write has its `value`.
  std::string touch(uint64_t offset, uint64_t count, Use use,
                    const Actor &actor, uint32_t clock, const void *value);
  /// Notes a write by the host; with a clock of 0, that nobody wrote.
  void note(uint64_t offset, uint64_t count, uint32_t clock);
  /// Whether any of the bytes was written at `clock` or later.
  bool isWrittenSince(uint64_t offset, uint64_t count, uint32_t clock) const;
  /// Whether all of the bytes were ever written.
  bool isWritten(uint64_t offset, uint64_t count) const;

  const uint64_t size;
  uint8_t *bytes;

private:
  struct Notes {
    Note write, read, otherRead;
  };
  struct Free {
    void operator()(void *memory) const { free(memory); }
  };
  std::unique_ptr<uint8_t, Free> memory;
  std::unique_ptr<Notes, Free> notes; ///< one a byte
};

/// Global memory: addresses are the host's.
class Memory {
public:
  /// The address of a new region, no more aligned than asked for; 0 without
  /// memory.
  uint64_t allocate(uint64_t size, uint64_t alignment = 256);
  bool release(uint64_t address);
  /// The region whose address is at most `address` and nearest to it, or null.
  Region *find(uint64_t address);
  /// All that was asked for has been done, and is known to be by what follows.
  void finish() { ordered = ++clock; }

  uint32_t clock = 1;
  /// Up to when all has been done before a launch that starts early does.
  uint32_t ordered = 1;

private:
  std::map<uint64_t, Region> regions;
  Region *last = nullptr;
};

} // namespace emulator

#endif // ROUTE_TEST_EMULATOR_MEMORY_H
