// Tensor maps, transaction barriers, clusters and tensor cores of Hopper.
// What hardware does on its own time is done when it is asked for: copies have
// arrived, and products are in their registers, before the next instruction.
// Products are exact and the sums of an instruction are rounded once, where
// tensor cores cut off sums as they go.
#include "Machine.h"
#include "TensorMap.h"

#include <bit>

using namespace emulator;

namespace {

void nothing(Warp &, const Instruction &, Mask) {}

// --- Transaction barriers ---

/// The block of the cluster that `address` is in, which it tells as resolve has
/// it.
Block &ownerOf(Warp &warp, uint64_t address, unsigned lane) {
  uint64_t rank = address % kWindow >> 32;
  auto &blocks = warp.block.cluster.blocks;
  if (rank > blocks.size())
    warp.fail(kIllegalAddress, "goes to no block of its cluster", lane);
  return rank ? *blocks[rank - 1] : warp.block;
}

Transactions &barrierAt(Warp &warp, uint64_t address, unsigned lane) {
  Block &owner = ownerOf(warp, address, lane);
  auto found = owner.transactions.find(address & UINT32_MAX);
  if (found == owner.transactions.end())
    warp.fail(kLaunchFailed, "comes to a barrier that nobody has made", lane);
  found->second.crossed |= &owner != &warp.block;
  return found->second;
}

uint64_t addressOf(Warp &warp, const Instruction &what, unsigned operand,
                   unsigned lane, unsigned which = 0) {
  return warp.get(what.operands[operand], lane) +
         static_cast<uint64_t>(what.offsets[which]);
}

/// Begins a new phase where nothing is left of one.
void settle(Warp &warp, Transactions &barrier, unsigned lane) {
  Launch &launch = warp.block.launch;
  ++launch.events;
  if (barrier.pending < 0)
    warp.fail(kLaunchFailed, "is one more at a barrier than it waits for",
              lane);
  if (barrier.pending || barrier.bytes)
    return;
  barrier.pending = static_cast<int64_t>(barrier.expected);
  ++barrier.phase;
  barrier.completed = ++launch.memory.clock;
}

enum Arrival : uint8_t { Arrive, ExpectBytes };

void makeBarrier(Warp &warp, const Instruction &what, Mask lanes) {
  forEach(lanes, [&](unsigned lane) {
    uint64_t count = warp.get(what.operands[1], lane);
    warp.block.transactions[addressOf(warp, what, 0, lane)] = {
        count, static_cast<int64_t>(count), 0, 0, 0};
  });
}

/// The last operand, if it is one more, tells how many bytes are to come, or
/// how many arrive at once.
void arrive(Warp &warp, const Instruction &what, Mask lanes) {
  forEach(lanes, [&](unsigned lane) {
    Transactions &barrier =
        barrierAt(warp, addressOf(warp, what, what.results, lane), lane);
    int64_t more = 1;
    if (what.count > what.results + 1)
      more =
          static_cast<int64_t>(warp.get(what.operands[what.results + 1], lane));
    if (what.variety == ExpectBytes)
      barrier.bytes += more;
    barrier.pending -= what.variety == ExpectBytes ? 1 : more;
    settle(warp, barrier, lane);
  });
}

void tryWait(Warp &warp, const Instruction &what, Mask lanes) {
  Mask &is = warp.predicate(what.operands[0]);
  forEach(lanes, [&](unsigned lane) {
    Transactions &barrier =
        barrierAt(warp, addressOf(warp, what, 1, lane), lane);
    // Done is the phase of the other parity than the one at hand.
    bool done = (barrier.phase & 1) != (warp.get(what.operands[2], lane) & 1);
    is = (is & ~(Mask(1) << lane)) | Mask(done) << lane;
    if (done) {
      uint32_t &synced =
          barrier.crossed ? warp.clusterSynced : warp.blockSynced;
      synced = std::max(synced, barrier.completed);
    }
    warp.yields |= !done;
  });
}

// --- Tensor maps ---

TensorMap mapAt(Warp &warp, uint64_t address, unsigned lane) {
  const std::vector<uint8_t> &parameters = warp.block.launch.parameters;
  uint64_t offset = address - 3 * kWindow;
  if (address / kWindow != 3 || offset + sizeof(TensorMap) > parameters.size())
    warp.fail(kIllegalAddress, "takes for a tensor map what is no parameter",
              lane);
  TensorMap map;
  memcpy(&map, parameters.data() + offset, sizeof(map));
  return map;
}

/// Within rows of 128 bytes, units of 16 change places by the row.
uint64_t swizzle(uint64_t address) { return address ^ (address >> 7 & 7) << 4; }

/// Brings a box of a tensor to shared memory: the destination, the map, the
/// coordinates from the innermost, the barrier. To several blocks of the
/// cluster, at the same place of each, if a mask of them is the last operand.
void copyBox(Warp &warp, const Instruction &what, Mask lanes) {
  const bool toSeveral = what.variety;
  const unsigned rank = what.count - 3u - toSeveral, last = rank + 2;
  auto copy = [&](unsigned lane, uint64_t owner) {
    uint64_t to = owner | (addressOf(warp, what, 0, lane) % kWindow);
    TensorMap map = mapAt(warp, addressOf(warp, what, 1, lane, 1), lane);
    if (map.rank != rank)
      warp.fail(kLaunchFailed, "takes a tensor map of another rank", lane);
    const uint64_t row = uint64_t(map.box[0]) * map.bytes;
    uint64_t rows = 1;
    for (unsigned axis = 1; axis < rank; ++axis)
      rows *= map.box[axis];
    for (uint64_t i = 0; i < rows; ++i) {
      uint64_t from = map.address, rest = i;
      bool inside = true;
      for (unsigned axis = 1; axis < rank; ++axis) {
        int64_t at =
            static_cast<int32_t>(warp.get(what.operands[axis + 2], lane)) +
            static_cast<int64_t>(rest % map.box[axis]);
        rest /= map.box[axis];
        inside &= at >= 0 && static_cast<uint64_t>(at) < map.sizes[axis];
        from += static_cast<uint64_t>(at) * map.strides[axis];
      }
      int64_t column = static_cast<int32_t>(warp.get(what.operands[2], lane));
      for (uint64_t unit = 0; unit < row; unit += 16) {
        uint8_t value[16] = {};
        for (unsigned k = 0; k < 16; k += map.bytes) {
          int64_t at = column + static_cast<int64_t>((unit + k) / map.bytes);
          if (inside && at >= 0 && static_cast<uint64_t>(at) < map.sizes[0])
            memcpy(value + k,
                   warp.resolve(what, Space::Global,
                                from + static_cast<uint64_t>(at) * map.bytes,
                                map.bytes, lane, Use::Read),
                   map.bytes);
        }
        memcpy(warp.resolve(what, Space::Shared, swizzle(to + i * row + unit),
                            16, lane, Use::Write, value),
               value, 16);
      }
    }
    Transactions &barrier =
        barrierAt(warp, owner | addressOf(warp, what, last, lane, 2), lane);
    barrier.bytes -= static_cast<int64_t>(rows * row);
    settle(warp, barrier, lane);
  };
  forEach(lanes, [&](unsigned lane) {
    if (!toSeveral)
      return copy(lane, 0);
    uint64_t mask = warp.get(what.operands[last + 1], lane);
    for (uint64_t i = 0; i < 16; ++i)
      if (mask >> i & 1)
        copy(lane, i + 1 << 32);
  });
}

// --- Tensor cores ---

enum Element : uint8_t { Brain, Half, Tf32 };

float numberOf(const uint8_t *bytes, Element element) {
  uint32_t bits = 0;
  memcpy(&bits, bytes, element == Tf32 ? 4 : 2);
  if (element == Half)
    return std::bit_cast<_Float16>(static_cast<uint16_t>(bits));
  return std::bit_cast<float>(element == Brain ? bits << 16
                                               : bits & 0xffffe000u);
}

/// A matrix that a descriptor tells: `outer` rows from the `first`, of 32 bytes
/// along K, or, transposed, 64 of them side by side for each k.
void readMatrix(Warp &warp, const Instruction &what, uint64_t descriptor,
                bool transposed, unsigned first, unsigned outer,
                Element element, std::vector<float> &made) {
  const uint64_t start = (descriptor & 0x3fff) << 4,
                 stride = (descriptor >> 32 & 0x3fff) << 4;
  const unsigned bytes = element == Tf32 ? 4 : 2, depth = 32 / bytes;
  if (descriptor >> 62 != 1)
    warp.fail(kNotSupported, "has a matrix that is not swizzled by 128 bytes",
              0);
  made.resize(outer * depth);
  auto at = [&](uint64_t line, uint64_t byte) {
    uint64_t address = start + line / 8 * stride + line % 8 * 128 + byte;
    // Rows that a tile has no use for may hold anything.
    return warp.resolve(what, Space::Shared, swizzle(address), 16, 0,
                        Use::Load);
  };
  const unsigned unit = 16 / bytes;
  const unsigned lines = transposed ? depth : outer,
                 across = transposed ? outer : depth;
  for (unsigned line = 0; line < lines; ++line)
    for (unsigned i = 0; i < across; i += unit) {
      const uint8_t *from = transposed ? at(line, (first + i) * bytes)
                                       : at(first + line, i * bytes);
      for (unsigned k = 0; k < unit; ++k) {
        unsigned row = transposed ? i + k : line,
                 column = transposed ? line : i + k;
        made[row * depth + column] = numberOf(from + k * bytes, element);
      }
    }
}

/// The sums, the descriptors of both matrices, whether the sums count, the
/// signs of both, whether they are transposed. A warp has 16 of the 64 rows.
void multiply(Warp &warp, const Instruction &what, Mask lanes) {
  if (lanes != ~Mask(0))
    warp.fail(kLaunchFailed, "multiplies with part of a warp",
              static_cast<unsigned>(std::countr_zero(lanes)));
  const auto element = static_cast<Element>(what.variety);
  const unsigned depth = element == Tf32 ? 8 : 16, columns = what.results * 2u;
  auto operand = [&](unsigned i) {
    return what.count > what.results + i
               ? warp.get(what.operands[what.results + i], 0)
               : 0;
  };
  if (operand(3) != 1 || operand(4) != 1)
    warp.fail(kNotSupported, "multiplies with another sign", 0);
  const bool counts = warp.predicate(what.operands[what.results + 2]) & 1;
  std::vector<float> a, b;
  readMatrix(warp, what, operand(0), operand(5), warp.number % 4 * 16, 16,
             element, a);
  readMatrix(warp, what, operand(1), operand(6), 0, columns, element, b);
  for (unsigned i = 0; i < what.results; ++i) {
    float *sums = warp.lanes<float>(what.operands[i]);
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      const float *row = &a[(lane / 4 + (i & 2 ? 8 : 0)) * depth],
                  *column = &b[(i / 4 * 8 + lane % 4 * 2 + i % 2) * depth];
      double sum = counts ? double(sums[lane]) : 0;
      for (unsigned k = 0; k < depth; ++k)
        sum += double(row[k]) * double(column[k]);
      sums[lane] = static_cast<float>(sum);
    }
  }
}

/// Four matrices of 8 rows of 16 bytes, whose addresses lanes have in turn;
/// each lane has two elements side by side of a row, or transposed of a column.
void storeMatrices(Warp &warp, const Instruction &what, Mask lanes) {
  if (lanes != ~Mask(0))
    warp.fail(kLaunchFailed, "stores matrices with part of a warp", 0);
  const bool transposed = what.variety;
  for (unsigned lane = 0; lane < 8u * (what.count - 1u); ++lane) {
    uint16_t row[8];
    for (unsigned i = 0; i < 8; ++i) {
      unsigned line = transposed ? i : lane % 8,
               place = transposed ? lane % 8 : i;
      uint64_t pair =
          warp.get(what.operands[1 + lane / 8], line * 4 + place / 2);
      row[i] = static_cast<uint16_t>(pair >> place % 2 * 16);
    }
    memcpy(warp.resolve(what, Space::Shared, addressOf(warp, what, 0, lane), 16,
                        lane, Use::Write, row),
           row, 16);
  }
}

/// Products are a warpgroup's: they have ended for all its warps at once, so
/// that one thread may say for all that a tile has been read.
void waitForProducts(Warp &warp, const Instruction &, Mask) {
  Warpgroup &group = warp.block.warpgroups[warp.number / 4];
  if (!warp.inGroup) {
    warp.inGroup = true;
    warp.groupPhase = group.phase;
    ++warp.block.launch.events;
    if (++group.arrived == 4) {
      group.arrived = 0;
      ++group.phase;
    }
  }
  warp.inGroup = warp.repeats = warp.yields = group.phase == warp.groupPhase;
}

// --- Clusters ---

void mapToBlock(Warp &warp, const Instruction &what, Mask lanes) {
  forEach(lanes, [&](unsigned lane) {
    uint64_t rank = warp.get(what.operands[2], lane) + 1;
    warp.set(what.operands[0], lane,
             (warp.get(what.operands[1], lane) & UINT32_MAX) | rank << 32);
  });
}

void arriveAtCluster(Warp &warp, const Instruction &, Mask lanes) {
  Cluster &cluster = warp.block.cluster;
  Launch &launch = warp.block.launch;
  uint64_t all = 0;
  for (auto &block : cluster.blocks)
    all += block->threads();
  warp.clusterPhase = cluster.phase;
  cluster.arrived += static_cast<uint64_t>(std::popcount(lanes));
  ++launch.events;
  if (cluster.arrived < all)
    return;
  cluster.arrived = 0;
  ++cluster.phase;
  cluster.synced = ++launch.memory.clock;
}

void waitForCluster(Warp &warp, const Instruction &, Mask) {
  warp.repeats = warp.yields = warp.block.cluster.phase == warp.clusterPhase;
  if (!warp.repeats)
    warp.clusterSynced = warp.block.cluster.synced;
}

bool has(const Name &name, const char *part) {
  for (const std::string &each : name)
    if (each == part)
      return true;
  return false;
}

Step stepOf(const Name &name, Instruction &made) {
  const std::string &first = name[0];
  const std::string second = name.size() > 1 ? name[1] : "";
  if (first == "setmaxnreg")
    return nothing;
  if (first == "mapa")
    return mapToBlock;
  if (first == "barrier")
    return second != "cluster"   ? nullptr
           : has(name, "arrive") ? arriveAtCluster
                                 : waitForCluster;
  if (first == "mbarrier") {
    made.results = second != "init";
    made.variety = has(name, "expect_tx") ? ExpectBytes : Arrive;
    return second == "init"       ? makeBarrier
           : second == "arrive"   ? arrive
           : second == "try_wait" ? tryWait
                                  : nullptr;
  }
  if (first == "cp") { // copies before it have ended
    made.results = 0;
    if (has(name, "mbarrier") && has(name, "noinc"))
      return arrive;
    made.variety = has(name, "multicast::cluster");
    return has(name, "tensor") && has(name, "global") ? copyBox : nullptr;
  }
  if (first == "stmatrix") {
    made.variety = has(name, "trans");
    made.kind = Kind::Aligned;
    return storeMatrices;
  }
  if (first == "wgmma" && second != "mma_async")
    return second == "wait_group" ? waitForProducts : nothing;
  if (first != "wgmma" || name.back() == "s32" || !has(name, "f32"))
    return nullptr;
  made.variety = name.back() == "bf16"  ? Brain
                 : name.back() == "f16" ? Half
                                        : Tf32;
  made.kind = Kind::Aligned;
  return multiply;
}

} // namespace

bool emulator::decodeTensorCores(const Name &name, Instruction &made) {
  made.step = stepOf(name, made);
  return made.step;
}
