// Unit words and numbers.
// Numbers stay exact: digits and a whole factor or divisor to the base unit.
#include "Units.h"
#include "llvm/ADT/StringExtras.h"

using namespace route;
using llvm::StringRef;

namespace {

struct Unit {
  StringRef word;
  StringRef base;
  uint64_t mul;
  uint64_t div;
};

constexpr uint64_t kilo = 1000, mega = kilo * kilo, giga = mega * kilo,
                   tera = giga * kilo;
constexpr uint64_t kibi = 1024, mebi = kibi * kibi, gibi = mebi * kibi,
                   tebi = gibi * kibi;

constexpr Unit units[] = {
    {"ns", "s", 1, giga},     {"us", "s", 1, mega},
    {"ms", "s", 1, kilo},     {"s", "s", 1, 1},
    {"min", "s", 60, 1},      {"h", "s", 3600, 1},
    {"tok", "tok", 1, 1},     {"ktok", "tok", kilo, 1},
    {"Mtok", "tok", mega, 1}, {"Gtok", "tok", giga, 1},
    {"B", "B", 1, 1},         {"kB", "B", kilo, 1},
    {"MB", "B", mega, 1},     {"GB", "B", giga, 1},
    {"TB", "B", tera, 1},     {"KiB", "B", kibi, 1},
    {"MiB", "B", mebi, 1},    {"GiB", "B", gibi, 1},
    {"TiB", "B", tebi, 1},
};

struct Scale {
  StringRef word;
  uint64_t mul;
};
constexpr Scale scales[] = {{"k", kilo},  {"M", mega},  {"G", giga},
                            {"T", tera},  {"Ki", kibi}, {"Mi", mebi},
                            {"Gi", gibi}, {"Ti", tebi}};

const Unit *findUnit(StringRef word) {
  for (const Unit &unit : units)
    if (unit.word == word)
      return &unit;
  return nullptr;
}
uint64_t findScale(StringRef word) {
  for (const Scale &scale : scales)
    if (scale.word == word)
      return scale.mul;
  return 0;
}

/// Splits the digits off a spelling; the rest is scale and unit.
StringRef takeDigits(StringRef &rest) {
  StringRef all = rest;
  auto digits = [&] {
    rest = rest.drop_while([](char c) { return llvm::isDigit(c) || c == '_'; });
  };
  if (rest.starts_with("0x") || rest.starts_with("0X")) {
    rest = rest.drop_front(2).drop_while(
        [](char c) { return llvm::isHexDigit(c) || c == '_'; });
    return all.drop_back(rest.size());
  }
  digits();
  if (rest.size() > 1 && rest[0] == '.' && llvm::isDigit(rest[1])) {
    rest = rest.drop_front();
    digits();
  }
  if (rest.starts_with_insensitive("e")) {
    StringRef exponent = rest.drop_front();
    if (exponent.starts_with("+") || exponent.starts_with("-"))
      exponent = exponent.drop_front();
    if (!exponent.empty() && llvm::isDigit(exponent[0])) {
      rest = exponent;
      digits();
    }
  }
  return all.drop_back(rest.size());
}

bool multiply(uint64_t &value, uint64_t factor) {
  return !__builtin_mul_overflow(value, factor, &value);
}

} // namespace

bool route::isUnitWord(StringRef word) { return findUnit(word); }

bool route::endsInUnit(StringRef number) {
  if (number.starts_with("$"))
    return true;
  takeDigits(number);
  return !number.empty() && findScale(number) == 0 && number != "%";
}

bool route::parseNumber(StringRef spelling, ast::NumberExpr &result,
                        std::string &reason) {
  auto fail = [&](const llvm::Twine &why) {
    reason = why.str();
    result.digits = "0";
    result.mulNum = result.mulDen = 1;
    return false;
  };
  StringRef rest = spelling;
  bool money = rest.consume_front("$");
  StringRef digits = takeDigits(rest);
  if (digits.ends_with("_") || digits.contains("__"))
    return fail("an underscore stands between two digits");
  for (char c : digits)
    if (c != '_')
      result.digits += llvm::toLower(c);
  bool hex = StringRef(result.digits).starts_with("0x");
  if (hex && (result.digits.size() == 2 || result.digits.size() > 18))
    return fail("a hexadecimal number has one to sixteen digits");
  if (result.digits.size() > 400)
    return fail("a number has at most 400 digits");
  result.integral =
      hex || StringRef(result.digits).find_first_of(".e") == StringRef::npos;

  if (rest.consume_back("%")) {
    if (!rest.empty() || money || hex)
      return fail("'%' follows plain digits");
    result.unit = "%";
    result.mulDen = 100;
    result.integral = false;
    return true;
  }
  // Scale and unit: "k", "k tok", "Mtok", "tok/s", "ms".
  auto [head, tail] = rest.split('/');
  size_t space = head.find_first_of(" \t");
  StringRef first = head.take_front(space),
            second = space == StringRef::npos ? "" : head.drop_front(space + 1);
  if (space == StringRef::npos && !findScale(first) && !first.empty() &&
      !findUnit(first)) {
    // A scale glued to a unit: "24ktok" is "24k tok".
    for (const Scale &scale : scales)
      if (first.starts_with(scale.word) &&
          findUnit(first.drop_front(scale.word.size()))) {
        second = first.drop_front(scale.word.size());
        first = scale.word;
        break;
      }
  }
  if (!first.empty() && findScale(first)) {
    result.mulNum = findScale(first);
  } else if (!first.empty()) {
    if (!second.empty() || !findUnit(first))
      return fail("'" + first + "' is neither a scale nor a unit");
    second = first;
  }
  if (!second.empty()) {
    const Unit *unit = findUnit(second);
    if (!unit)
      return fail("'" + second + "' is not a unit");
    if (money)
      return fail("money has no other unit before '/'");
    if (!multiply(result.mulNum, unit->mul))
      return fail("the number is too large");
    result.mulDen = unit->div;
    result.unit = unit->base.str();
  }
  if (money)
    result.unit = "$";
  if (!tail.empty()) {
    const Unit *unit = findUnit(tail);
    if (!unit)
      return fail("'" + tail + "' is not a unit");
    if (!multiply(result.mulDen, unit->mul) ||
        !multiply(result.mulNum, unit->div))
      return fail("the number is too large");
    result.per = unit->base.str();
  }
  result.integral &= result.mulDen == 1;
  return true;
}
