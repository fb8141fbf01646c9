// Loads, stores, copies and atomic operations.
#include "Machine.h"

using namespace emulator;

namespace {

uint64_t addressOf(Warp &warp, const Instruction &what, unsigned operand,
                   unsigned lane, unsigned which = 0) {
  return warp.get(what.operands[operand], lane) +
         static_cast<uint64_t>(what.offsets[which]);
}

void load(Warp &warp, const Instruction &what, Mask lanes) {
  const uint64_t size = uint64_t(what.size) * what.elements;
  forEach(lanes, [&](unsigned lane) {
    const uint8_t *from = warp.resolve(
        what, what.space, addressOf(warp, what, what.results, lane), size, lane,
        what.acquires ? Use::Atomic : Use::Read);
    warp.block.told |= what.acquires && what.space == Space::Global;
    for (unsigned i = 0; i < what.elements; ++i) {
      uint64_t value = 0;
      memcpy(&value, from + i * what.size, what.size);
      if (what.variety) { // signed
        unsigned unused = 64 - 8u * what.size;
        value = static_cast<uint64_t>(static_cast<int64_t>(value << unused) >>
                                      unused);
      }
      // Who looks again, and finds the same, waits for others: their turn.
      warp.yields |= what.acquires && warp.get(what.operands[i], lane) == value;
      warp.set(what.operands[i], lane, value);
    }
  });
}

void loadParameter(Warp &warp, const Instruction &what, Mask lanes) {
  const std::vector<uint8_t> &bytes = warp.block.launch.parameters;
  forEach(lanes, [&](unsigned lane) {
    uint64_t at = addressOf(warp, what, what.results, lane);
    if (at + uint64_t(what.size) * what.elements > bytes.size())
      warp.fail(kIllegalAddress, "reads beyond its parameters", lane);
    for (unsigned i = 0; i < what.elements; ++i) {
      uint64_t value = 0;
      memcpy(&value, bytes.data() + at + i * what.size, what.size);
      warp.set(what.operands[i], lane, value);
    }
  });
}

void store(Warp &warp, const Instruction &what, Mask lanes) {
  const uint64_t size = uint64_t(what.size) * what.elements;
  forEach(lanes, [&](unsigned lane) {
    uint8_t value[64];
    for (unsigned i = 0; i < what.elements; ++i) {
      uint64_t each = warp.get(what.operands[i + 1], lane);
      memcpy(value + i * what.size, &each, what.size);
    }
    uint8_t *to = warp.resolve(what, what.space, addressOf(warp, what, 0, lane),
                               size, lane, Use::Write, value);
    memcpy(to, value, size);
  });
}

/// Copies at once what a GPU copies until it is waited for: what is read before
/// that is not found out. The last operand, if there are four, tells the bytes
/// of the source; the rest is filled with zeros.
void copyAsync(Warp &warp, const Instruction &what, Mask lanes) {
  const uint64_t size = warp.get(what.operands[2], 0);
  forEach(lanes, [&](unsigned lane) {
    uint8_t value[16] = {};
    uint64_t given = what.count > 3 ? warp.get(what.operands[3], lane) : size;
    if (given)
      memcpy(value,
             warp.resolve(what, Space::Global,
                          addressOf(warp, what, 1, lane, 1), given, lane,
                          Use::Read),
             given);
    memcpy(warp.resolve(what, Space::Shared, addressOf(warp, what, 0, lane),
                        size, lane, Use::Write, value),
           value, size);
  });
}

enum Change : uint8_t { Add, Min, Max, And, Or, Xor, Exchange, Swap };

template <typename T> T change(Change how, T old, T value, T other) {
  switch (how) {
  case Add:
    return T(old + value);
  case Min:
    return value < old ? value : old;
  case Max:
    return old < value ? value : old;
  case Swap:
    return old == value ? other : old;
  case And:
  case Or:
  case Xor:
    if constexpr (std::is_integral_v<T>)
      return T(how == And  ? old & value
               : how == Or ? old | value
                           : old ^ value);
    [[fallthrough]];
  case Exchange:
    return value;
  }
  return value;
}

template <typename T>
void atomic(Warp &warp, const Instruction &what, Mask lanes) {
  const unsigned first = what.results;
  forEach(lanes, [&](unsigned lane) {
    uint8_t *at =
        warp.resolve(what, what.space, addressOf(warp, what, first, lane),
                     sizeof(T), lane, Use::Atomic);
    auto operand = [&](unsigned i) {
      T value = {};
      if (i < what.count) {
        uint64_t bits = warp.get(what.operands[i], lane);
        memcpy(&value, &bits, sizeof(T));
      }
      return value;
    };
    T old;
    memcpy(&old, at, sizeof(T));
    T made = change(static_cast<Change>(what.variety), old, operand(first + 1),
                    operand(first + 2));
    memcpy(at, &made, sizeof(T));
    // What only looks may wait for what another block writes: its turn.
    warp.yields |= what.variety == Or && made == old;
    warp.block.launch.events += made != old;
    uint64_t bits = 0;
    memcpy(&bits, &old, sizeof(T));
    if (first)
      warp.set(what.operands[0], lane, bits);
  });
}

bool decodeAtomic(const Name &name, Instruction &made) {
  static const std::map<std::string, Change> changes = {
      {"add", Add}, {"min", Min}, {"max", Max},       {"and", And},
      {"or", Or},   {"xor", Xor}, {"exch", Exchange}, {"cas", Swap}};
  static const std::map<std::string, Step> steps = {
      {"u32", atomic<uint32_t>}, {"s32", atomic<int32_t>},
      {"b32", atomic<uint32_t>}, {"f32", atomic<float>},
      {"u64", atomic<uint64_t>}, {"s64", atomic<int64_t>},
      {"b64", atomic<uint64_t>}, {"f64", atomic<double>}};
  auto step = steps.find(name.back());
  auto how = changes.find(name[name.size() - 2]);
  if (step == steps.end() || how == changes.end())
    return false;
  made.results = name[0] == "atom";
  made.step = step->second;
  made.variety = how->second;
  return true;
}

void nothing(Warp &, const Instruction &, Mask) {}

} // namespace

bool emulator::decodeMemory(const Name &name, Instruction &made) {
  static const std::map<std::string, Space> spaces = {
      {"global", Space::Global},          {"const", Space::Global},
      {"shared", Space::Shared},          {"shared::cta", Space::Shared},
      {"shared::cluster", Space::Shared}, {"local", Space::Local},
      {"param", Space::Parameter}};
  const std::string &first = name[0];
  if (first == "prefetch" || first == "fence" || first == "membar") {
    made.step = nothing;
    return true;
  }
  if (first == "cp") {
    // Copies of groups and waits for them, not those by tensor maps.
    if (name.size() < 3 || name[1] != "async" || name[2] == "bulk" ||
        name[2] == "mbarrier") // are TensorCores.cpp's
      return false;
    made.step = name[2] == "ca" || name[2] == "cg" ? copyAsync : nothing;
    return made.step == nothing || made.count >= 3;
  }
  if (first != "ld" && first != "st" && first != "atom" && first != "red")
    return false;
  for (size_t i = 1; i + 1 < name.size(); ++i) {
    if (auto found = spaces.find(name[i]); found != spaces.end())
      made.space = found->second;
    else if (name[i].size() == 2 && name[i][0] == 'v')
      made.elements = static_cast<uint8_t>(name[i][1] - '0');
    else if (name[i] == "nc")
      made.readOnly = true;
    else if (name[i] == "acquire")
      made.acquires = true;
    else if (name[i] == "async")
      return false;
  }
  made.size = sizeOf(name.back());
  if (!made.size)
    return false;
  if (first == "atom" || first == "red")
    return decodeAtomic(name, made);
  made.variety = name.back()[0] == 's';
  const bool loads = first == "ld";
  made.results = loads ? made.elements : 0;
  if (made.count != made.elements + 1)
    return false;
  made.step = made.space == Space::Parameter ? (loads ? loadParameter : nullptr)
              : loads                        ? load
                                             : store;
  return made.step;
}
