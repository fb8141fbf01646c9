// Kernels as the emulator holds them, and what runs them: warps in lock step.
// A register of a warp is 32 lanes side by side, a predicate a mask of lanes.
// Immediate values, addresses of variables and special registers are registers
// too, filled when a warp starts, so that instructions know but one kind of
// operand.
#ifndef ROUTE_TEST_EMULATOR_MACHINE_H
#define ROUTE_TEST_EMULATOR_MACHINE_H

#include "Memory.h"

#include <array>
#include <cstring>
#include <map>
#include <string>
#include <vector>

namespace emulator {

using Mask = uint32_t; ///< lanes of a warp
constexpr unsigned kLanes = 32;
/// Generic addresses: of global memory they are the host's, then comes shared
/// memory, then a thread's own.
constexpr uint64_t kWindow = uint64_t(1) << 56;

class Warp;
class Block;
struct Instruction;

/// Does an instruction's work in the lanes of a mask.
using Step = void (*)(Warp &, const Instruction &, Mask);

struct Operand {
  uint32_t at = 0;   ///< where its lanes begin among a warp's registers
  uint8_t width = 0; ///< bytes a lane; 0: a predicate
};

enum class Kind : uint8_t {
  Plain,    ///< a step of each lane
  Branch,   ///< to `targets[0]`, or to the one that operand 0 counts
  Exit,     ///< of lanes
  WarpSync, ///< a step of all lanes that the last operand names
  Aligned,  ///< a step of a whole warp
  Barrier   ///< of a block
};
enum class Space : uint8_t { Generic, Global, Shared, Local, Parameter };
enum class BarrierKind : uint8_t { Sync, Arrive, Count, And, Or };

struct Instruction {
  Step step = nullptr;
  Kind kind = Kind::Plain;
  bool guarded = false, negated = false; ///< runs where `guard` says so
  bool indexed = false;                  ///< a branch by operand 0
  uint8_t count = 0;                     ///< operands
  uint8_t results = 0;                   ///< the first of them
  Operand guard;
  std::vector<Operand> operands;
  std::vector<uint32_t> targets;
  // Of accesses to memory, whose address is the operand behind the results.
  Space space = Space::Generic;
  uint8_t size = 0, elements = 1;
  bool readOnly = false; ///< by way of the read-only cache
  bool acquires = false; ///< a load of what tells that other things are there
  std::array<int64_t, 3> offsets = {}; ///< of its addresses
  uint8_t variety = 0;                 ///< which of several that a step can do
  std::string text;                    ///< for messages
  uint32_t line = 0;                   ///< of the module's PTX
};

struct Kernel {
  /// What a register that no instruction writes holds.
  struct Constant {
    enum What : uint8_t {
      Value,
      Thread,
      Block,
      Blocks,
      Threads,
      Lane,
      Warp,
      Rank ///< of a block in its cluster
    } what;
    Operand operand;
    uint64_t value;
  };
  struct Parameter {
    uint64_t offset, size;
  };
  /// A variable of a block: where it lies, and its bytes; 0: as many as the
  /// launch gives.
  struct Shared {
    uint64_t offset, size, alignment;
  };

  std::string name;
  std::vector<Instruction> code;
  std::vector<Constant> constants;
  std::vector<Parameter> parameters;
  std::vector<Shared> shared;
  uint64_t parameterBytes = 0, localBytes = 0;
  uint32_t registerBytes = 0;
  uint32_t cluster = 1; ///< blocks that share their memory
  std::string lacks;    ///< the first instruction that the emulator has not
};

/// What a module's PTX declares. Throws Fault where it cannot be read.
struct Module {
  std::map<std::string, Kernel> kernels;
  std::vector<uint64_t> variables; ///< in global memory
};
void parseModule(const char *ptx, Memory &memory, Module &module);

/// What an instruction computes of registers, by its name without rounding and
/// the like; the bytes a lane of each operand, the result first, 0: a
/// predicate.
struct Operation {
  Step step;
  std::vector<uint8_t> widths;
};
const std::map<std::string, Operation> &operations();

/// A name's parts between its points.
using Name = std::vector<std::string>;
/// Make of a name and its operands the step of what is no Operation; false
/// where they have none.
bool decodeMemory(const Name &name, Instruction &made);
bool decodeConversion(const Name &name, Instruction &made);
bool decodeSync(const Name &name, Instruction &made);
bool decodeTensorCores(const Name &name, Instruction &made);
/// The bytes of a type by its name, such as "b32"; 0: no type.
uint8_t sizeOf(const std::string &type);

struct Launch {
  const Kernel &kernel;
  uint32_t blocks, threads, dynamicShared;
  bool early; ///< may start before earlier launches have ended
  std::vector<uint8_t> parameters;
  Memory &memory;
  uint32_t begin = 0;  ///< when it began
  uint64_t events = 0; ///< that let somebody go on
  /// Lets the next launch start before it has itself waited for those before.
  bool releasesEarly = false;

  /// Throws Fault.
  void run();
};

/// Blocks that run at the same time.
struct Cluster {
  std::vector<std::unique_ptr<Block>> blocks;
  uint64_t arrived = 0; ///< threads at its barrier
  uint32_t phase = 0;   ///< how often all had
  uint32_t synced = 0;  ///< when they last had
};

/// Four warps that multiply together.
struct Warpgroup {
  uint32_t arrived = 0; ///< warps that wait for products
  uint32_t phase = 0;   ///< how often all four had
};

/// A transaction barrier in shared memory.
struct Transactions {
  uint64_t expected = 0; ///< arrivals in each phase
  int64_t pending = 0;   ///< those left, and bytes
  int64_t bytes = 0;
  uint32_t phase = 0;
  uint32_t completed = 0; ///< when the last phase was
  bool crossed = false;   ///< other blocks of the cluster come to it too
};

class Warp {
public:
  Warp(Block &block, uint32_t number, uint8_t *registers);

  /// Runs up to the end or a barrier of the block.
  void run();
  /// Goes on behind the barrier.
  void resume();
  bool isDone() const { return !live; }

  template <typename T> T *lanes(Operand operand) {
    return reinterpret_cast<T *>(registers + operand.at);
  }
  Mask &predicate(Operand operand) { return *lanes<Mask>(operand); }
  uint64_t get(Operand operand, unsigned lane) {
    uint64_t value = 0;
    memcpy(&value, registers + operand.at + lane * operand.width,
           operand.width);
    return value;
  }
  void set(Operand operand, unsigned lane, uint64_t value) {
    memcpy(registers + operand.at + lane * operand.width, &value,
           operand.width);
  }
  /// Where the bytes of an access lie, when it has been looked at.
  uint8_t *resolve(const Instruction &what, Space space, uint64_t address,
                   uint64_t size, unsigned lane, Use use,
                   const void *value = nullptr);
  [[noreturn]] void fail(int code, const std::string &what, unsigned lane);

  Block &block;
  const uint32_t number;
  Mask live, active = 0;
  uint32_t pc = 0;
  const Instruction *barrier = nullptr; ///< which it waits at
  // When its lanes were last in order, its block, its cluster.
  uint32_t synced = 0, blockSynced = 0, clusterSynced = 0;
  uint32_t clusterPhase = 0; ///< in which it came to the cluster's barrier
  uint32_t groupPhase = 0;   ///< in which it came to its warpgroup's products
  bool inGroup = false;      ///< waits there
  bool waited;               ///< for earlier launches to end
  bool yields = false;       ///< lets others run, since it waits for them,
  bool repeats = false;      ///< and comes again to where it is

private:
  void branch(const Instruction &what, Mask taken);
  void sync(const Instruction &what);
  /// Lanes that look again and again at this place go on with those that run.
  void join();
  /// Whether all lanes that live are here; else those that are wait.
  bool gather();
  void park();
  void choose();

  uint8_t *registers;
  std::vector<uint8_t> local;
  Mask waiting = 0;            ///< lanes that wait for others to come
  Mask spinning = 0;           ///< lanes that look again and again
  uint32_t merge = UINT32_MAX; ///< where others are that may run
  uint32_t pcs[kLanes] = {};   ///< of lanes that are not active
};

/// A block of threads.
class Block {
public:
  Block(Launch &launch, Cluster &cluster, uint32_t index, uint8_t *registers);

  /// Runs until it waits for other blocks, or has ended.
  void run();
  bool isDone() const;
  uint64_t threads() const; ///< that have not ended
  /// Of a warp that nobody lets go on.
  [[noreturn]] void failWaiting();

  Launch &launch;
  Cluster &cluster;
  const uint32_t index;
  std::map<uint64_t, Transactions> transactions; ///< by address
  std::map<uint32_t, Warpgroup> warpgroups;      ///< by number
  uint32_t synced;                               ///< when its last barrier was
  bool told = false;                 ///< that earlier launches have ended
  std::vector<Region> shared;        ///< as the kernel has them
  uint64_t fuel = uint64_t(1) << 32; ///< instructions left

private:
  /// Lets warps go on whose barrier all have reached.
  bool release();

  std::vector<Warp> warps;
  std::map<uint64_t, uint64_t> arrived; ///< threads that do not wait
};

/// The lanes of a mask, one by one.
template <typename F> void forEach(Mask lanes, F work) {
  for (; lanes; lanes &= lanes - 1)
    work(static_cast<unsigned>(__builtin_ctz(lanes)));
}

} // namespace emulator

#endif // ROUTE_TEST_EMULATOR_MACHINE_H
