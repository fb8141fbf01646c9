// Conversions between numbers of all types.
// A source is a whole number or, exactly, a double; the result is rounded once.
#include "Machine.h"

#include <cmath>
#include <limits>

using namespace emulator;

namespace {

enum Rounding : uint8_t { Nearest, ToZero, Down, Up };
/// A kind of number, and its bytes.
struct Type {
  char kind = 0; ///< u, s, f, b for bf16
  uint8_t size = 0;
};

Type typeOf(const std::string &name) {
  if (name == "bf16" || name == "bf16x2")
    return {'b', 2};
  if (name == "f16x2")
    return {'f', 2};
  return strchr("usf", name[0]) ? Type{name[0], sizeOf(name)} : Type{};
}

// What a conversion does, as a number: of the types, of its rounding.
constexpr Type types[] = {{'u', 1}, {'u', 2}, {'u', 4}, {'u', 8},
                          {'s', 1}, {'s', 2}, {'s', 4}, {'s', 8},
                          {'f', 2}, {'f', 4}, {'f', 8}, {'b', 2}};

uint8_t indexOf(Type type) {
  uint8_t i = 0;
  while (i < std::size(types) &&
         (types[i].kind != type.kind || types[i].size != type.size))
    ++i;
  return i;
}

double roundWhole(double value, Rounding how) {
  return how == Nearest  ? std::nearbyint(value)
         : how == ToZero ? std::trunc(value)
         : how == Down   ? std::floor(value)
                         : std::ceil(value);
}

/// A double as a number of fewer bits, of `digits` bits and the least exponent
/// `least` of its last one; the caller makes it infinite where it must.
double roundBits(double value, int digits, int least, Rounding how) {
  if (value == 0 || !std::isfinite(value))
    return value;
  int last = std::max(std::ilogb(value) + 1 - digits, least);
  return std::ldexp(roundWhole(std::ldexp(value, -last), how), last);
}

uint64_t toFloat(double value, Type type, Rounding how) {
  if (type.size == 8) {
    uint64_t bits;
    memcpy(&bits, &value, 8);
    return bits;
  }
  const bool half = type.kind == 'f' && type.size == 2;
  if (value != value)
    return type.size == 4 ? 0x7fffffff : 0x7fff;
  const double most = half             ? 65504
                      : type.size == 4 ? std::numeric_limits<float>::max()
                                       : std::ldexp(255.0, 120);
  double made = half             ? roundBits(value, 11, -24, how)
                : type.size == 4 ? roundBits(value, 24, -149, how)
                                 : roundBits(value, 8, -133, how);
  if (std::fabs(made) > most)
    made = std::isinf(value) || how == Nearest || (how == Up && value > 0) ||
                   (how == Down && value < 0)
               ? std::copysign(INFINITY, value)
               : std::copysign(most, value);
  if (half) {
    auto narrow = static_cast<_Float16>(made);
    uint16_t bits;
    memcpy(&bits, &narrow, 2);
    return bits;
  }
  auto narrow = static_cast<float>(made);
  uint32_t bits;
  memcpy(&bits, &narrow, 4);
  return type.size == 4 ? bits : bits >> 16;
}

double fromFloat(uint64_t bits, Type type) {
  if (type.size == 8) {
    double value;
    memcpy(&value, &bits, 8);
    return value;
  }
  if (type.kind == 'f' && type.size == 2) {
    _Float16 value;
    memcpy(&value, &bits, 2);
    return value;
  }
  uint32_t wide = static_cast<uint32_t>(type.size == 4 ? bits : bits << 16);
  float value;
  memcpy(&value, &wide, 4);
  return value;
}

uint64_t toWhole(double value, Type type, Rounding how) {
  if (value != value)
    return 0;
  value = roundWhole(value, how);
  const int bits = 8 * type.size;
  const bool isSigned = type.kind == 's';
  const double end = std::ldexp(1.0, isSigned ? bits - 1 : bits);
  if (value >= end)
    return ~uint64_t(0) >> (64 - bits + isSigned);
  if (value < (isSigned ? -end : 0))
    return isSigned ? uint64_t(1) << (bits - 1) : 0;
  return value < 0 ? static_cast<uint64_t>(static_cast<int64_t>(value))
                   : static_cast<uint64_t>(value);
}

bool isFloat(Type type) { return type.kind == 'f' || type.kind == 'b'; }

uint64_t convert(uint64_t bits, Type from, Type to, Rounding how, bool whole,
                 bool saturate) {
  if (isFloat(from)) {
    double value = fromFloat(bits, from);
    if (!isFloat(to))
      return toWhole(value, to, how);
    if (whole)
      value = roundWhole(value, how);
    if (saturate)
      value = value > 0 ? std::min(value, 1.0) : 0.0;
    return toFloat(value, to, how);
  }
  const unsigned unused = 64 - 8u * from.size;
  const bool negative = from.kind == 's' && (bits << unused) >> 63;
  uint64_t value = from.kind == 's'
                       ? static_cast<uint64_t>(
                             static_cast<int64_t>(bits << unused) >> unused)
                       : bits << unused >> unused;
  if (!isFloat(to)) {
    if (!saturate)
      return value;
    const int width = 8 * to.size;
    const uint64_t most = ~uint64_t(0) >> (64 - width + (to.kind == 's'));
    if (negative)
      return to.kind == 'u' ? 0 : ~value > most ? ~most : value;
    return std::min(value, most);
  }
  if (to.size == 8) { // 64 bits do not fit: the machine rounds to nearest
    double made = negative ? static_cast<double>(static_cast<int64_t>(value))
                           : static_cast<double>(value);
    return toFloat(made, to, how);
  }
  // A double whose last bit says whether any were lost rounds as the number.
  uint64_t size = negative ? -value : value;
  if (size >> 53)
    size = (size >> 11 << 11) | (size & 0x7ff ? 0x800 : 0);
  auto made = static_cast<double>(size);
  return toFloat(negative ? -made : made, to, how);
}

/// `variety`: the rounding, whether to a whole number, whether to a range;
/// `offsets`: the types.
void step(Warp &warp, const Instruction &what, Mask lanes) {
  const Type to = types[what.offsets[0]], from = types[what.offsets[1]];
  const auto how = static_cast<Rounding>(what.variety & 3);
  forEach(lanes, [&](unsigned lane) {
    uint64_t made = 0;
    // Of two sources the first is the high half.
    for (unsigned i = 1; i < what.count; ++i)
      made = made << 16 | convert(warp.get(what.operands[i], lane), from, to,
                                  how, what.variety & 4, what.variety & 8);
    warp.set(what.operands[0], lane, made);
  });
}

} // namespace

bool emulator::decodeConversion(const Name &name, Instruction &made) {
  if (name[0] != "cvt" || name.size() < 3)
    return false;
  const std::string &result = name[name.size() - 2];
  const bool pair = result == "bf16x2" || result == "f16x2";
  made.offsets = {indexOf(typeOf(result)), indexOf(typeOf(name.back()))};
  for (int64_t index : made.offsets)
    if (index == std::size(types))
      return false;
  for (size_t i = 1; i + 2 < name.size(); ++i) {
    static const std::map<std::string, uint8_t> modes = {
        {"rn", Nearest},   {"rz", ToZero},       {"rm", Down},
        {"rp", Up},        {"rni", 4 | Nearest}, {"rzi", 4 | ToZero},
        {"rmi", 4 | Down}, {"rpi", 4 | Up},      {"sat", 8}};
    auto found = modes.find(name[i]);
    if (found == modes.end())
      return false;
    made.variety |= found->second;
  }
  made.step = step;
  return made.count == (pair ? 3 : 2);
}
