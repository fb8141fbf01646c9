// Units of measure.
// Arithmetic on exponents of base units, and their spelling.
#include "route/Sema/Units.h"
#include "llvm/ADT/StringSwitch.h"

using namespace route::sema;

bool Unit::counts() const {
  return exponent[Money] == 0 && exponent[Time] == 0 &&
         ((exponent[Token] == 1 && exponent[Byte] == 0) ||
          (exponent[Token] == 0 && exponent[Byte] == 1));
}

Unit Unit::operator*(const Unit &other) const {
  Unit result;
  for (unsigned i = 0; i < NumBases; ++i)
    result.exponent[i] = exponent[i] + other.exponent[i];
  return result;
}

Unit Unit::operator/(const Unit &other) const {
  Unit result;
  for (unsigned i = 0; i < NumBases; ++i)
    result.exponent[i] = exponent[i] - other.exponent[i];
  return result;
}

static std::string spell(const Unit &unit, llvm::StringRef money) {
  const llvm::StringRef names[] = {money, "s", "tok", "B"};
  std::string above, below;
  for (unsigned i = 0; i < Unit::NumBases; ++i) {
    int power = unit.exponent[i];
    std::string &side = power > 0 ? above : below;
    for (int n = power > 0 ? power : -power; n > 0; --n)
      side += (side.empty() ? "" : " ") + names[i].str();
  }
  if (below.empty())
    return above;
  return (above.empty() ? "1" : above) + "/" + below;
}

std::string Unit::str() const {
  return isNone() ? "number" : spell(*this, "$");
}
std::string Unit::baseStr() const { return spell(*this, "p$"); }

std::optional<Unit> route::sema::unitFromWord(llvm::StringRef word,
                                              double &scale) {
  struct Entry {
    int base; // -1: a plain number
    double scale;
  };
  auto entry = llvm::StringSwitch<Entry>(word)
                   .Cases({"$", "money"}, {Unit::Money, picodollars})
                   .Cases({"s", "time", "seconds"}, {Unit::Time, 1})
                   .Case("ms", {Unit::Time, 1e-3})
                   .Case("us", {Unit::Time, 1e-6})
                   .Case("ns", {Unit::Time, 1e-9})
                   .Case("min", {Unit::Time, 60})
                   .Case("h", {Unit::Time, 3600})
                   .Case("d", {Unit::Time, 86400})
                   .Cases({"tok", "tokens"}, {Unit::Token, 1})
                   .Case("Mtok", {Unit::Token, 1e6})
                   .Case("ktok", {Unit::Token, 1e3})
                   .Cases({"B", "bytes"}, {Unit::Byte, 1})
                   .Case("ratio", {-1, 1})
                   .Case("%", {-1, 0.01})
                   .Default({-2, 0});
  if (entry.base == -2)
    return std::nullopt;
  scale = entry.scale;
  return entry.base == -1 ? Unit() : Unit::of(Unit::Base(entry.base));
}
