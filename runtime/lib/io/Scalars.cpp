// One element to and from JSON.
// Out of range, fractional where whole is needed, or a name that no member has:
// each is refused with what was expected.
#include "route/io/Scalars.h"
#include "route/numerics.h"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>

using namespace route;

namespace {
/// Names of an enum's or an axis's members, if it has names.
struct Members {
  const char *const *names = nullptr;
  uint64_t count = 0;
};
} // namespace

static Members membersOf(const route_module_desc &module,
                         const route_type_desc &type) {
  if (type.enumeration >= 0) {
    const route_enum_desc &desc = module.enums[type.enumeration];
    return {desc.members, desc.num_members};
  }
  if (type.rows_of >= 0 && module.axes[type.rows_of].members) {
    const route_axis_desc &axis = module.axes[type.rows_of];
    return {axis.members, static_cast<uint64_t>(axis.size)};
  }
  return {};
}

static std::string listOf(const Members &members) {
  std::string list = "one of ";
  uint64_t i = 0;
  for (; i < members.count && list.size() < 160; ++i)
    list += std::string(i ? ", " : "") + members.names[i];
  return list + (i < members.count ? ", …" : "");
}

/// What counts tokens or bytes.
static bool neverNegative(const route_type_desc &type) {
  std::string_view unit = type.unit ? type.unit : "";
  return unit == "tok" || unit == "B";
}

template <typename T>
static bool readInteger(const Json &json, char *target, std::string &expected) {
  bool fits;
  T value;
  if constexpr (std::is_unsigned_v<T>) {
    fits = json.kind == Json::Kind::Unsigned &&
           json.natural <= std::numeric_limits<T>::max();
    value = fits ? static_cast<T>(json.natural) : 0;
  } else {
    fits = json.kind == Json::Kind::Signed
               ? json.integer >= std::numeric_limits<T>::min()
               : json.kind == Json::Kind::Unsigned &&
                     json.natural <= uint64_t(std::numeric_limits<T>::max());
    value = fits ? static_cast<T>(json.integer) : 0; // the same bits, >= 0
  }
  if (!fits) {
    expected = "a whole number from " +
               std::to_string(std::numeric_limits<T>::min()) + " to " +
               std::to_string(std::numeric_limits<T>::max());
    return false;
  }
  memcpy(target, &value, sizeof(T));
  return true;
}

bool route::isMoney(const route_type_desc &type) {
  std::string_view unit = type.unit ? type.unit : "";
  return (type.element == ROUTE_F64 || type.element == ROUTE_F32) &&
         (unit == "p$" || unit.substr(0, 3) == "p$/");
}
static constexpr int moneyExponent = 12;

/// A decimal number moved by a power of ten, with one rounding; false where the
/// text is no decimal number.
static bool readScaled(std::string_view text, int power, double &value) {
  size_t mark = text.find_first_of("eE");
  int exponent = 0;
  if (mark != text.npos) {
    std::string_view digits = text.substr(mark + 1);
    if (!digits.empty() && digits[0] == '+')
      digits.remove_prefix(1);
    auto end = digits.data() + digits.size();
    auto parsed = std::from_chars(digits.data(), end, exponent);
    if (parsed.ec != std::errc() || parsed.ptr != end || exponent < -100000 ||
        exponent > 100000)
      return false;
  }
  std::string scaled(text.substr(0, mark));
  if (scaled.empty() || scaled.find_first_not_of("-.0123456789") != scaled.npos)
    return false;
  scaled += "e" + std::to_string(exponent + power);
  char *end = nullptr;
  value = std::strtod(scaled.c_str(), &end);
  return end == scaled.c_str() + scaled.size() && std::isfinite(value);
}

/// Dollars, as a number or as a decimal in a string, in picodollars.
static bool readMoney(const Json &json, double &value) {
  switch (json.kind) {
  case Json::Kind::Signed:
    return readScaled(std::to_string(json.integer), moneyExponent, value);
  case Json::Kind::Unsigned:
    return readScaled(std::to_string(json.natural), moneyExponent, value);
  case Json::Kind::Double:
  case Json::Kind::String:
    return readScaled(json.text, moneyExponent, value);
  default:
    return false;
  }
}

/// The f32 that a half type is rounded from once: of two neighbours of a value
/// between them the one whose last bit is set.
static float roundedToOdd(double value) {
  float single = static_cast<float>(value);
  if (!std::isfinite(single) || static_cast<double>(single) == value)
    return single;
  uint32_t bits;
  memcpy(&bits, &single, sizeof(bits));
  if (std::fabs(static_cast<double>(single)) > std::fabs(value))
    --bits;
  bits |= 1;
  memcpy(&single, &bits, sizeof(bits));
  return single;
}

static bool readFloat(const Json &json, const route_type_desc &type,
                      char *target, std::string &expected) {
  uint32_t element = type.element;
  double value = 0;
  bool money = isMoney(type);
  if (money && readMoney(json, value)) {
  } else if (!money && json.isNumber()) {
    value = json.asDouble();
  } else if (json.kind == Json::Kind::String) {
    std::string_view text = json.text;
    if (text == "inf" || text == "-inf")
      value = text[0] == '-' ? -INFINITY : INFINITY;
    else if (text == "nan")
      value = NAN;
    else
      expected = "?";
  } else {
    expected = "?";
  }
  if (!expected.empty()) {
    expected = money ? "an amount in dollars, such as 0.25 or \"0.25\""
                     : "a number, \"inf\", \"-inf\" or \"nan\"";
    return false;
  }
  float single = static_cast<float>(value);
  uint16_t half;
  switch (element) {
  case ROUTE_F64:
    memcpy(target, &value, sizeof(value));
    return true;
  case ROUTE_F32:
    memcpy(target, &single, sizeof(single));
    return true;
  case ROUTE_BF16:
    half = num::toBf16(roundedToOdd(value));
    break;
  default:
    half = num::toF16(roundedToOdd(value));
    break;
  }
  memcpy(target, &half, sizeof(half));
  return true;
}

bool route::readElement(const route_module_desc &module,
                        const route_port_desc &port, const Json &json,
                        char *target, std::deque<std::string> &texts,
                        std::string &expected) {
  Members members = membersOf(module, port.type);
  if (members.names && json.kind == Json::Kind::String) {
    for (uint64_t i = 0; i < members.count; ++i)
      if (json.text == members.names[i]) {
        int32_t index = static_cast<int32_t>(i);
        memcpy(target, &index, sizeof(index));
        return true;
      }
    expected = listOf(members);
    return false;
  }
  switch (port.type.element) {
  case ROUTE_BOOL:
    if (json.kind != Json::Kind::Bool) {
      expected = "true or false";
      return false;
    }
    *target = json.boolean;
    return true;
  case ROUTE_TEXT: {
    if (json.kind != Json::Kind::String) {
      expected = "a string";
      return false;
    }
    texts.push_back(json.text);
    route_text text = {texts.back().data(),
                       static_cast<int64_t>(texts.back().size())};
    memcpy(target, &text, sizeof(text));
    return true;
  }
  case ROUTE_I8:
    return readInteger<int8_t>(json, target, expected);
  case ROUTE_I16:
    return readInteger<int16_t>(json, target, expected);
  case ROUTE_I32:
    if (readInteger<int32_t>(json, target, expected) &&
        (!members.names || port.role == ROUTE_ROLE_PLAN_INDEX ||
         (json.kind == Json::Kind::Unsigned && json.natural < members.count)))
      return true;
    if (members.names)
      expected = listOf(members);
    return false;
  case ROUTE_I64:
    return readInteger<int64_t>(json, target, expected);
  case ROUTE_U8:
    return readInteger<uint8_t>(json, target, expected);
  case ROUTE_U16:
    return readInteger<uint16_t>(json, target, expected);
  case ROUTE_U32:
    return readInteger<uint32_t>(json, target, expected);
  case ROUTE_U64:
  case ROUTE_HANDLE:
    return readInteger<uint64_t>(json, target, expected);
  default:
    if (json.isNumber() && json.asDouble() < 0 && neverNegative(port.type)) {
      expected = std::string(port.type.unit[0] == 't' ? "tokens" : "bytes") +
                 ", which are never below zero";
      return false;
    }
    return readFloat(json, port.type, target, expected);
  }
}

void route::writeString(std::string_view bytes, std::string &text) {
  static const char hex[] = "0123456789abcdef";
  text += '"';
  for (size_t i = 0; i < bytes.size();) {
    unsigned char c = static_cast<unsigned char>(bytes[i]);
    if (c < 0x80) {
      ++i;
      if (c == '"' || c == '\\')
        (text += '\\') += static_cast<char>(c);
      else if (c == '\n')
        text += "\\n";
      else if (c < 0x20 || c == 0x7f)
        ((text += "\\u00") += hex[c >> 4]) += hex[c & 15];
      else
        text += static_cast<char>(c);
      continue;
    }
    // The bounds of a sequence's second byte rule out overlong forms,
    // surrogates and what lies past U+10FFFF.
    size_t length = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    unsigned char low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    unsigned char high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    size_t good = 1;
    if (c >= 0xc2 && c <= 0xf4)
      while (good < length && i + good < bytes.size()) {
        unsigned char next = static_cast<unsigned char>(bytes[i + good]);
        if (next < low || next > high)
          break;
        low = 0x80;
        high = 0xbf;
        ++good;
      }
    if (c >= 0xc2 && c <= 0xf4 && good == length)
      text.append(bytes.substr(i, length));
    else
      text += "\xef\xbf\xbd";
    i += good;
  }
  text += '"';
}

template <typename T> static void writeNumber(T value, std::string &text) {
  char buffer[64];
  auto end = std::to_chars(buffer, buffer + sizeof(buffer), value);
  text.append(buffer, end.ptr);
}

template <typename T> static void writeFloat(T value, std::string &text) {
  if (std::isnan(value))
    text += "\"nan\"";
  else if (std::isinf(value))
    text += value < 0 ? "\"-inf\"" : "\"inf\"";
  else
    writeNumber(value, text);
}

/// A double moved by a power of ten as its shortest decimal, without exponent
/// where the digits stay readable. Reading it back by the opposite power gives
/// the same double.
template <typename T>
static void writeScaled(T value, int power, std::string &text) {
  if (!std::isfinite(value))
    return writeFloat(value, text);
  char buffer[64];
  auto end = std::to_chars(buffer, buffer + sizeof(buffer), value,
                           std::chars_format::scientific);
  // [-]d[.ddd]e[+-]dd
  std::string_view written(buffer, end.ptr - buffer);
  if (written[0] == '-') {
    text += '-';
    written.remove_prefix(1);
  }
  size_t mark = written.find('e');
  int exponent = std::atoi(std::string(written.substr(mark + 1)).c_str());
  std::string digits(written.substr(0, 1));
  if (mark > 1)
    digits += written.substr(2, mark - 2);
  int point = value == 0 ? 1 : exponent + power + 1; // digits before the point
  int count = static_cast<int>(digits.size());
  if (point > 21 || point < -moneyExponent) {
    text += digits.substr(0, 1) + (count > 1 ? "." : "") + digits.substr(1) +
            "e" + std::to_string(point - 1);
  } else if (point <= 0) {
    text += "0." + std::string(static_cast<size_t>(-point), '0') + digits;
  } else if (point >= count) {
    text += digits + std::string(static_cast<size_t>(point - count), '0');
  } else {
    text += digits.insert(static_cast<size_t>(point), ".");
  }
}

template <typename T> static T load(const char *source) {
  T value;
  memcpy(&value, source, sizeof(T));
  return value;
}

void route::writeElement(const route_module_desc &module,
                         const route_type_desc &type, const char *source,
                         std::string &text) {
  Members members = membersOf(module, type);
  if (isMoney(type))
    return type.element == ROUTE_F64
               ? writeScaled(load<double>(source), -moneyExponent, text)
               : writeScaled(load<float>(source), -moneyExponent, text);
  switch (type.element) {
  case ROUTE_BOOL:
    text += *source ? "true" : "false";
    return;
  case ROUTE_TEXT: {
    auto value = load<route_text>(source);
    writeString({value.data ? value.data : "", static_cast<size_t>(value.size)},
                text);
    return;
  }
  case ROUTE_I8:
    return writeNumber(load<int8_t>(source), text);
  case ROUTE_I16:
    return writeNumber(load<int16_t>(source), text);
  case ROUTE_I32: {
    int32_t value = load<int32_t>(source);
    if (members.names && value >= 0 &&
        static_cast<uint64_t>(value) < members.count) {
      if (type.flags & ROUTE_TYPE_JSON_MEMBERS)
        text += members.names[value];
      else
        writeString(members.names[value], text);
      return;
    }
    if (members.names && value == -1) { // no row, no rule
      text += "null";
      return;
    }
    return writeNumber(value, text);
  }
  case ROUTE_I64:
    return writeNumber(load<int64_t>(source), text);
  case ROUTE_U8:
    return writeNumber(load<uint8_t>(source), text);
  case ROUTE_U16:
    return writeNumber(load<uint16_t>(source), text);
  case ROUTE_U32:
    return writeNumber(load<uint32_t>(source), text);
  case ROUTE_U64:
  case ROUTE_HANDLE:
    return writeNumber(load<uint64_t>(source), text);
  case ROUTE_F16:
    return writeFloat(num::fromF16(load<uint16_t>(source)), text);
  case ROUTE_BF16:
    return writeFloat(num::fromBf16(load<uint16_t>(source)), text);
  case ROUTE_F32:
    return writeFloat(load<float>(source), text);
  default:
    return writeFloat(load<double>(source), text);
  }
}
