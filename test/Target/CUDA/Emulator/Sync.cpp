// What lanes of a warp do together, and barriers of blocks.
#include "Machine.h"

#include <algorithm>
#include <bit>

using namespace emulator;

namespace {

enum Way : uint8_t { Index, Up, Down, Butterfly };

/// The result, perhaps whether a lane has another's, the value, the other lane,
/// and how warps are divided.
void shuffle(Warp &warp, const Instruction &what, Mask lanes) {
  const unsigned from = what.results;
  uint64_t values[kLanes];
  for (unsigned lane = 0; lane < kLanes; ++lane)
    values[lane] = warp.get(what.operands[from], lane);
  Mask found = 0;
  forEach(lanes, [&](unsigned lane) {
    auto by = static_cast<int>(warp.get(what.operands[from + 1], lane) & 31);
    uint64_t limits = warp.get(what.operands[from + 2], lane);
    const int own = static_cast<int>(lane),
              segment = static_cast<int>(limits >> 8 & 31),
              least = own & segment,
              most = least | (static_cast<int>(limits & 31) & ~segment);
    int other = own;
    bool inside = false;
    switch (static_cast<Way>(what.variety)) {
    case Index:
      other = least | (by & ~segment);
      inside = other <= most;
      break;
    case Up:
      other = own - by;
      inside = other >= most;
      break;
    case Down:
      other = own + by;
      inside = other <= most;
      break;
    case Butterfly:
      other = own ^ by;
      inside = other <= most;
      break;
    }
    if (!inside)
      other = own;
    if (!(lanes >> other & 1))
      warp.fail(kLaunchFailed,
                "shuffles with lane " + std::to_string(other) +
                    ", which is not among those that do",
                lane);
    found |= Mask(inside) << lane;
    warp.set(what.operands[0], lane, values[other]);
  });
  if (what.results > 1) {
    Mask &to = warp.predicate(what.operands[1]);
    to = (to & ~lanes) | found;
  }
}

enum Vote : uint8_t { Ballot, Any, All, Uniform };

void vote(Warp &warp, const Instruction &what, Mask lanes) {
  Mask said = warp.predicate(what.operands[1]) & lanes;
  auto how = static_cast<Vote>(what.variety);
  if (how == Ballot)
    return forEach(
        lanes, [&](unsigned lane) { warp.set(what.operands[0], lane, said); });
  bool is = how == Any   ? said != 0
            : how == All ? said == lanes
                         : said == 0 || said == lanes;
  Mask &to = warp.predicate(what.operands[0]);
  to = (to & ~lanes) | (is ? lanes : 0);
}

/// One lane of those that are there: which, and whether this is it.
void elect(Warp &warp, const Instruction &what, Mask lanes) {
  auto chosen = static_cast<unsigned>(std::countr_zero(lanes));
  forEach(lanes,
          [&](unsigned lane) { warp.set(what.operands[0], lane, chosen); });
  Mask &to = warp.predicate(what.operands[1]);
  to = (to & ~lanes) | Mask(1) << chosen;
}

void match(Warp &warp, const Instruction &what, Mask lanes) {
  forEach(lanes, [&](unsigned lane) {
    Mask same = 0;
    forEach(lanes, [&](unsigned other) {
      same |= Mask(warp.get(what.operands[1], lane) ==
                   warp.get(what.operands[1], other))
              << other;
    });
    warp.set(what.operands[0], lane, same);
  });
}

enum Reduction : uint8_t { Add, Min, Max, And, Or, Xor, Signed = 8 };

void reduce(Warp &warp, const Instruction &what, Mask lanes) {
  // The order of signed numbers is that of unsigned ones half a range on.
  const uint32_t shift = what.variety & Signed ? 0x80000000u : 0;
  auto how = static_cast<Reduction>(what.variety & ~Signed);
  uint32_t made = 0;
  bool first = true;
  forEach(lanes, [&](unsigned lane) {
    auto value = static_cast<uint32_t>(warp.get(what.operands[1], lane));
    made = first        ? value
           : how == Add ? made + value
           : how == Min ? std::min(made ^ shift, value ^ shift) ^ shift
           : how == Max ? std::max(made ^ shift, value ^ shift) ^ shift
           : how == And ? made & value
           : how == Or  ? made | value
                        : made ^ value;
    first = false;
  });
  forEach(lanes,
          [&](unsigned lane) { warp.set(what.operands[0], lane, made); });
}

void syncWarp(Warp &warp, const Instruction &, Mask lanes) {
  if (lanes == warp.live)
    warp.synced = ++warp.block.launch.memory.clock;
}

void activeMask(Warp &warp, const Instruction &what, Mask lanes) {
  forEach(lanes,
          [&](unsigned lane) { warp.set(what.operands[0], lane, lanes); });
}

void waitForLaunches(Warp &warp, const Instruction &, Mask) {
  warp.waited = true;
}

void releaseLaunches(Warp &warp, const Instruction &, Mask) {
  warp.block.launch.releasesEarly |= !warp.waited;
}

void nothing(Warp &, const Instruction &, Mask) {}

void trap(Warp &warp, const Instruction &, Mask lanes) {
  warp.fail(kLaunchFailed, "comes to a trap",
            static_cast<unsigned>(std::countr_zero(lanes)));
}

template <typename T>
bool find(const std::map<std::string, T> &all, const std::string &name,
          uint8_t &made) {
  auto found = all.find(name);
  if (found != all.end())
    made = static_cast<uint8_t>(found->second);
  return found != all.end();
}

/// bar.sync, barrier.cta.red.popc.aligned.u32 and so on.
bool decodeBarrier(const Name &name, Instruction &made) {
  static const std::map<std::string, BarrierKind> kinds = {
      {"sync", BarrierKind::Sync},
      {"arrive", BarrierKind::Arrive},
      {"popc", BarrierKind::Count},
      {"and", BarrierKind::And},
      {"or", BarrierKind::Or}};
  made.kind = Kind::Barrier;
  bool known = false;
  for (const std::string &part : name) {
    known |= find(kinds, part, made.variety);
  }
  auto kind = static_cast<BarrierKind>(made.variety);
  made.results =
      kind != BarrierKind::Sync && kind != BarrierKind::Arrive ? 1 : 0;
  return known && made.count > made.results;
}

} // namespace

bool emulator::decodeSync(const Name &name, Instruction &made) {
  static const std::map<std::string, Way> ways = {
      {"idx", Index}, {"up", Up}, {"down", Down}, {"bfly", Butterfly}};
  static const std::map<std::string, Vote> votes = {
      {"ballot", Ballot}, {"any", Any}, {"all", All}, {"uni", Uniform}};
  static const std::map<std::string, Reduction> reductions = {
      {"add", Add}, {"min", Min}, {"max", Max},
      {"and", And}, {"or", Or},   {"xor", Xor}};
  static const std::map<std::string, Step> alone = {
      {"activemask", activeMask}, {"trap", trap}, {"nanosleep", nothing}};
  const std::string &first = name[0];
  if (first == "griddepcontrol") {
    made.step = name[1] == "wait" ? waitForLaunches : releaseLaunches;
    return true;
  }
  if (auto found = alone.find(first); found != alone.end()) {
    made.step = found->second;
    return true;
  }
  if ((first == "bar" || first == "barrier") &&
      (name.size() < 2 || (name[1] != "warp" && name[1] != "cluster")))
    return decodeBarrier(name, made);
  if (first == "elect") {
    made.results = 2;
    made.step = elect;
    made.kind = Kind::WarpSync;
    return true;
  }
  if (name.size() < 3)
    return false;
  if (first == "bar" && made.count == 1) {
    made.results = 0;
    made.step = syncWarp;
  } else if (first == "shfl" && find(ways, name[2], made.variety)) {
    made.step = shuffle;
  } else if (first == "vote" && find(votes, name[2], made.variety)) {
    made.step = vote;
  } else if (first == "redux" && find(reductions, name[2], made.variety)) {
    made.step = reduce;
    if (name.back()[0] == 's')
      made.variety |= Signed;
  } else if (first == "match" && name[1] == "any") {
    made.step = match;
  } else {
    return false;
  }
  made.kind = Kind::WarpSync;
  return true;
}
