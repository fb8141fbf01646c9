// Runs a launch: blocks one after the other, their warps in turn.
// Lanes of a warp that part at a branch run one group at a time, the one that
// is furthest behind first, and join where they meet. An instruction that lanes
// have to come to together waits for all of them; lanes that look whether they
// may go on let the others of their warp run first.
#include "Machine.h"

#include <algorithm>
#include <bit>

using namespace emulator;

Warp::Warp(Block &block, uint32_t number, uint8_t *registers)
    : block(block), number(number), synced(block.synced),
      waited(!block.launch.early), registers(registers) {
  const Launch &launch = block.launch;
  uint32_t threads = std::min(kLanes, launch.threads - number * kLanes);
  live = active = threads == kLanes ? ~Mask(0) : (Mask(1) << threads) - 1;
  local.resize(kLanes * launch.kernel.localBytes, 0xff);
  for (const Kernel::Constant &each : launch.kernel.constants) {
    using C = Kernel::Constant;
    uint64_t values[] = {
        each.value,     0, block.index, launch.blocks,
        launch.threads, 0, number,      block.index % launch.kernel.cluster};
    for (unsigned lane = 0; lane < kLanes; ++lane)
      set(each.operand, lane,
          each.what == C::Thread ? number * kLanes + lane
          : each.what == C::Lane ? lane
                                 : values[each.what]);
  }
}

void Warp::fail(int code, const std::string &what, unsigned lane) {
  const Kernel &kernel = block.launch.kernel;
  const Instruction &at =
      kernel.code[std::min<size_t>(pc, kernel.code.size() - 1)];
  throw Fault{code, "thread " + std::to_string(number * kLanes + lane) +
                        " of block " + std::to_string(block.index) + " of '" +
                        kernel.name + "' " + what + "\n  line " +
                        std::to_string(at.line) + " of the PTX: " + at.text};
}

void Warp::park() {
  forEach(active, [&](unsigned lane) { pcs[lane] = pc; });
  active = 0;
}

void Warp::choose() {
  uint32_t first = UINT32_MAX;
  merge = UINT32_MAX;
  const Mask ready = live & ~waiting;
  if (!(ready & ~spinning))
    spinning = 0;
  forEach(ready & ~spinning, [&](unsigned lane) {
    if (pcs[lane] < first) {
      merge = first;
      first = pcs[lane];
      active = 0;
    } else if (pcs[lane] > first) {
      merge = std::min(merge, pcs[lane]);
    }
    if (pcs[lane] == first)
      active |= Mask(1) << lane;
  });
  if (active)
    pc = first;
  else if (waiting) {
    pc = pcs[std::countr_zero(waiting)];
    fail(kLaunchFailed,
         "waits for threads of its warp that wait elsewhere, or have ended",
         static_cast<unsigned>(std::countr_zero(waiting)));
  }
}

void Warp::join() {
  forEach(spinning, [&](unsigned lane) {
    if (pcs[lane] == pc) {
      active |= Mask(1) << lane;
      spinning &= ~(Mask(1) << lane);
    }
  });
}

void Warp::branch(const Instruction &what, Mask taken) {
  if (!what.indexed && (taken == active || !taken)) {
    pc = taken ? what.targets[0] : pc + 1;
    return;
  }
  Mask all = active;
  ++pc;
  park();
  forEach(taken & all, [&](unsigned lane) {
    uint64_t index = what.indexed ? get(what.operands[0], lane) : 0;
    if (index >= what.targets.size())
      fail(kLaunchFailed, "branches beyond a table", lane);
    pcs[lane] = what.targets[index];
  });
  choose();
}

/// Lanes that wait at this place come to those that run.
static Mask together(Mask active, Mask waiting, const uint32_t *pcs,
                     uint32_t pc) {
  Mask here = active;
  forEach(waiting,
          [&](unsigned lane) { here |= Mask(pcs[lane] == pc) << lane; });
  return here;
}

void Warp::sync(const Instruction &what) {
  Mask here = together(active, waiting, pcs, pc), go = 0;
  Operand members = what.operands[what.count - 1];
  auto named = [&](unsigned lane) {
    return static_cast<Mask>(get(members, lane));
  };
  forEach(here, [&](unsigned lane) {
    if (!(named(lane) >> lane & 1))
      fail(kLaunchFailed, "is not among the threads that it names", lane);
    if (!(named(lane) & live & ~here))
      go |= Mask(1) << lane;
  });
  for (Mask left = go; left;) {
    Mask group = 0,
         names = named(static_cast<unsigned>(std::countr_zero(left)));
    forEach(left, [&](unsigned lane) {
      group |= Mask(named(lane) == names) << lane;
    });
    what.step(*this, what, group);
    left &= ~group;
  }
  if (go == active && go == here) {
    ++pc;
    return;
  }
  uint32_t next = pc + 1;
  park();
  waiting = (waiting & ~here) | (here & ~go);
  forEach(go, [&](unsigned lane) { pcs[lane] = next; });
  choose();
}

bool Warp::gather() {
  Mask here = together(active, waiting, pcs, pc);
  if (here == live) {
    active = live;
    waiting = 0;
    merge = UINT32_MAX;
    return true;
  }
  park();
  waiting |= here;
  choose();
  return false;
}

void Warp::resume() {
  barrier = nullptr;
  ++pc;
}

void Warp::run() {
  const std::vector<Instruction> &code = block.launch.kernel.code;
  yields = false;
  while (live && !barrier && !yields) {
    if (pc >= merge) {
      park();
      choose();
    }
    if (pc >= code.size())
      fail(kLaunchFailed, "runs beyond its kernel's end", 0);
    if (!block.fuel--)
      fail(kLaunchFailed, "does not come to an end", 0);
    if (spinning)
      join();
    const Instruction &what = code[pc];
    Mask lanes = active;
    if (what.guarded)
      lanes &= what.negated ? ~predicate(what.guard) : predicate(what.guard);
    switch (what.kind) {
    case Kind::Plain:
      repeats = false;
      if (lanes)
        what.step(*this, what, lanes);
      pc += !repeats;
      if (yields) {
        spinning |= active;
        park();
        choose();
        yields = !spinning; // only where nobody else can go on
      }
      break;
    case Kind::Branch:
      branch(what, lanes);
      break;
    case Kind::Exit:
      live &= ~lanes;
      waiting = 0; // others look again whom they wait for
      ++pc;
      park();
      choose();
      break;
    case Kind::WarpSync:
      sync(what);
      break;
    case Kind::Aligned:
      if (gather()) {
        what.step(*this, what, active);
        ++pc;
      }
      break;
    case Kind::Barrier:
      if (gather())
        barrier = &what;
      break;
    }
  }
}

uint8_t *Warp::resolve(const Instruction &what, Space space, uint64_t address,
                       uint64_t size, unsigned lane, Use use,
                       const void *value) {
  auto spell = [&](const char *how, const std::string &more) {
    char text[200];
    snprintf(text, sizeof(text), "%s %llu bytes at 0x%llx, %s",
             use == Use::Read || use == Use::Load ? "reads" : "writes",
             static_cast<unsigned long long>(size),
             static_cast<unsigned long long>(address), how);
    return text + more;
  };
  if (address % size)
    fail(kMisaligned, spell("which is no multiple of that", ""), lane);
  const Launch &launch = block.launch;
  Memory &memory = launch.memory;
  if (space == Space::Generic && address / kWindow) {
    space = address / kWindow == 1 ? Space::Shared : Space::Local;
    address %= kWindow;
  }
  if (space == Space::Local) {
    const uint64_t bytes = launch.kernel.localBytes;
    if (address > bytes || size > bytes - address)
      fail(kIllegalAddress, spell("beyond its variables", ""), lane);
    return local.data() + lane * bytes + address;
  }
  // Rows that a tile has no use for may be read from a workspace all the same.
  if (space != Space::Shared && use == Use::Read)
    use = Use::Load;
  Region *region = nullptr;
  uint64_t start = 0;
  if (space == Space::Shared) {
    // Of a cluster's blocks the upper half tells which, counted from 1.
    uint64_t rank = address >> 32;
    address &= UINT32_MAX;
    if (rank > block.cluster.blocks.size())
      fail(kIllegalAddress, spell("of no block in its cluster", ""), lane);
    Block &owner = rank ? *block.cluster.blocks[rank - 1] : block;
    for (size_t i = 0; i < owner.shared.size(); ++i)
      if (uint64_t from = launch.kernel.shared[i].offset; from <= address) {
        region = &owner.shared[i];
        start = from;
      }
  } else if ((region = memory.find(address))) {
    start = reinterpret_cast<uint64_t>(region->bytes);
  }
  uint64_t offset = address - start;
  if (!region || offset > region->size || size > region->size - offset)
    fail(kIllegalAddress,
         region ? spell("", std::to_string(offset) + " bytes into " +
                                std::to_string(region->size) +
                                (space == Space::Shared ? " of shared memory"
                                                        : " of global memory"))
                : spell("where no memory is", ""),
         lane);
  if (what.readOnly && region->isWrittenSince(offset, size, launch.begin))
    fail(kLaunchFailed, spell("which the kernel writes, as read-only", ""),
         lane);
  const uint32_t others = std::max(launch.begin, clusterSynced);
  const uint32_t ofBlock = std::max({block.synced, blockSynced, others});
  const Actor actor = {block.index * 1024 + number * kLanes + lane,
                       launch.begin,
                       waited || block.told ? launch.begin : memory.ordered,
                       others,
                       ofBlock,
                       std::max(ofBlock, synced)};
  std::string wrong =
      region->touch(offset, size, use, actor, memory.clock, value);
  if (!wrong.empty())
    fail(kLaunchFailed, wrong, lane);
  return region->bytes + offset;
}

Block::Block(Launch &launch, Cluster &cluster, uint32_t index,
             uint8_t *registers)
    : launch(launch), cluster(cluster), index(index), synced(launch.begin) {
  for (const Kernel::Shared &each : launch.kernel.shared)
    shared.emplace_back(each.size ? each.size : launch.dynamicShared,
                        each.alignment);
  for (uint32_t i = 0; i * kLanes < launch.threads; ++i)
    warps.emplace_back(*this, i,
                       registers + i * uint64_t(launch.kernel.registerBytes));
}

uint64_t Block::threads() const {
  uint64_t alive = 0;
  for (const Warp &warp : warps)
    alive += static_cast<uint64_t>(std::popcount(warp.live));
  return alive;
}

bool Block::isDone() const { return !threads(); }

/// The threads that a barrier waits for, where it says.
static uint64_t expected(Warp &warp, uint64_t otherwise) {
  const Instruction &what = *warp.barrier;
  unsigned named = what.count - what.results - (what.results ? 1 : 0);
  return named > 1 ? warp.get(what.operands[what.results + 1], 0) : otherwise;
}

bool Block::release() {
  const uint64_t alive = threads();
  for (Warp &first : warps) {
    if (!first.barrier)
      continue;
    auto idOf = [](Warp &warp) {
      return warp.get(warp.barrier->operands[warp.barrier->results], 0);
    };
    uint64_t id = idOf(first), here = 0, votes = 0;
    for (Warp &warp : warps) {
      if (!warp.barrier || idOf(warp) != id)
        continue;
      const Instruction &what = *warp.barrier;
      here += static_cast<uint64_t>(std::popcount(warp.live));
      if (what.results)
        votes += static_cast<uint64_t>(std::popcount(
            warp.predicate(what.operands[what.count - 1]) & warp.live));
    }
    if (here + arrived[id] < expected(first, alive))
      continue;
    arrived[id] = 0;
    synced = ++launch.memory.clock;
    for (Warp &warp : warps) {
      if (!warp.barrier || idOf(warp) != id)
        continue;
      const Instruction &what = *warp.barrier;
      auto kind = static_cast<BarrierKind>(what.variety);
      if (kind == BarrierKind::Count)
        for (unsigned lane = 0; lane < kLanes; ++lane)
          warp.set(what.operands[0], lane, votes);
      else if (what.results)
        warp.predicate(what.operands[0]) =
            (kind == BarrierKind::And ? votes == here : votes > 0) ? ~Mask(0)
                                                                   : 0;
      warp.resume();
    }
    return true;
  }
  return false;
}

void Block::run() {
  // Again as long as somebody gets on who does not only look for others.
  for (uint64_t before = UINT64_MAX; before != launch.events;) {
    before = launch.events;
    for (Warp &warp : warps) {
      if (warp.isDone() || warp.barrier)
        continue;
      warp.run();
      launch.events += !warp.yields;
      if (warp.barrier && static_cast<BarrierKind>(warp.barrier->variety) ==
                              BarrierKind::Arrive) {
        arrived[warp.get(warp.barrier->operands[0], 0)] +=
            static_cast<uint64_t>(std::popcount(warp.live));
        warp.resume();
      }
    }
    launch.events += release();
  }
}

void Block::failWaiting() {
  Warp &warp = *std::ranges::find_if_not(warps, &Warp::isDone);
  warp.fail(kLaunchFailed, "waits at a barrier that others never reach",
            static_cast<unsigned>(std::countr_zero(warp.live)));
}

void Launch::run() {
  if (!kernel.lacks.empty())
    throw Fault{kNotSupported,
                "'" + kernel.name + "' cannot be emulated: " + kernel.lacks};
  const uint64_t registerBytes =
      (threads + kLanes - 1) / kLanes * uint64_t(kernel.registerBytes);
  std::vector<uint8_t> registers(kernel.cluster * registerBytes, 0xff);
  begin = ++memory.clock;
  for (uint32_t first = 0; first < blocks; first += kernel.cluster) {
    Cluster cluster;
    for (uint32_t i = 0; i < kernel.cluster; ++i)
      cluster.blocks.push_back(std::make_unique<Block>(
          *this, cluster, first + i, registers.data() + i * registerBytes));
    auto isDone = [](const auto &block) { return block->isDone(); };
    while (!std::ranges::all_of(cluster.blocks, isDone)) {
      uint64_t before = events;
      for (auto &block : cluster.blocks)
        block->run();
      if (events == before)
        (*std::ranges::find_if_not(cluster.blocks, isDone))->failWaiting();
    }
  }
  ++memory.clock;
  // The next launch may start once all blocks have let it.
  if (!releasesEarly)
    memory.ordered = begin;
}
