// Units of measure.
// Money, time, tokens and bytes, with their products and quotients. A quantity
// is an f64 in base units: picodollars, seconds, tokens, bytes. Whole
// picodollars keep prices per token and sums of them exact up to 2^53.
#ifndef ROUTE_SEMA_UNITS_H
#define ROUTE_SEMA_UNITS_H

#include "llvm/ADT/StringRef.h"
#include <array>
#include <optional>
#include <string>

namespace route::sema {

/// Exponents of the base units; all zero is a plain number.
struct Unit {
  enum Base { Money, Time, Token, Byte, NumBases };
  std::array<int8_t, NumBases> exponent{};

  static Unit of(Base base) {
    Unit unit;
    unit.exponent[base] = 1;
    return unit;
  }
  bool isNone() const { return *this == Unit(); }
  /// True for units that count whole things (tokens, bytes): a bare number
  /// adapts to them. Money and time must be written.
  bool counts() const;
  Unit operator*(const Unit &other) const;
  Unit operator/(const Unit &other) const;
  friend bool operator==(const Unit &, const Unit &) = default;

  /// As people write it: "$/tok", "tok/s", "number".
  std::string str() const;
  /// As descriptors write it, with the base unit of money: "p$/tok".
  std::string baseStr() const;
};

/// How many base units one written unit of money is.
constexpr double picodollars = 1e12;

/// The unit that a word names ("tokens", "tok", "money", "$", "s", "ratio"), or
/// nothing. `scale` receives the base units in one of it.
std::optional<Unit> unitFromWord(llvm::StringRef word, double &scale);

} // namespace route::sema

#endif
