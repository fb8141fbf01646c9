// Code points, sets and case folding.
// The only file that talks to ICU (C interface; nothing is thrown). Generated
// code sees tables, never ICU.
#include "route/Text/Unicode.h"

#include <algorithm>
#include <map>
#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/uset.h>
#include <unicode/ustring.h>

namespace route::text {

Decoded decode(std::string_view text, size_t at) {
  auto byte = [&](size_t index) {
    return static_cast<unsigned char>(text[index]);
  };
  unsigned lead = byte(at);
  if (lead < 0x80)
    return {lead, 1, true};
  unsigned size = lead >= 0xC2 && lead <= 0xDF   ? 2
                  : lead >= 0xE0 && lead <= 0xEF ? 3
                  : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                 : 0;
  if (size == 0 || text.size() - at < size)
    return {replacement, 1, false};
  char32_t value = lead & (0x7F >> size);
  for (unsigned i = 1; i < size; ++i) {
    if ((byte(at + i) & 0xC0) != 0x80)
      return {replacement, 1, false};
    value = value << 6 | (byte(at + i) & 0x3F);
  }
  bool tooShort =
      (size == 3 && value < 0x800) || (size == 4 && value < 0x10000);
  if (tooShort || (value >= 0xD800 && value <= 0xDFFF) || value > maxCodepoint)
    return {replacement, 1, false};
  return {value, size, true};
}

void encode(char32_t codepoint, std::string &out) {
  auto put = [&](unsigned byte) { out.push_back(static_cast<char>(byte)); };
  if (codepoint < 0x80) {
    put(codepoint);
  } else if (codepoint < 0x800) {
    put(0xC0 | codepoint >> 6);
    put(0x80 | (codepoint & 0x3F));
  } else if (codepoint < 0x10000) {
    put(0xE0 | codepoint >> 12);
    put(0x80 | (codepoint >> 6 & 0x3F));
    put(0x80 | (codepoint & 0x3F));
  } else {
    put(0xF0 | codepoint >> 18);
    put(0x80 | (codepoint >> 12 & 0x3F));
    put(0x80 | (codepoint >> 6 & 0x3F));
    put(0x80 | (codepoint & 0x3F));
  }
}

std::vector<char32_t> decodeAll(std::string_view text) {
  std::vector<char32_t> result;
  result.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    Decoded next = decode(text, at);
    result.push_back(next.codepoint);
    at += next.size;
  }
  return result;
}

//===----------------------------------------------------------------------===//
// Sets
//===----------------------------------------------------------------------===//

CodepointSet::CodepointSet(std::initializer_list<Range> ranges) {
  for (Range range : ranges)
    add(range.first, range.second);
}

void CodepointSet::add(char32_t low, char32_t high) {
  if (low > high)
    return;
  auto first = std::lower_bound(sorted.begin(), sorted.end(), low,
                                [](const Range &range, char32_t value) {
                                  return range.second + 1 < value;
                                });
  auto last = first;
  for (; last != sorted.end() && last->first <= high + 1; ++last) {
    low = std::min(low, last->first);
    high = std::max(high, last->second);
  }
  first = sorted.erase(first, last);
  sorted.insert(first, {low, high});
}

void CodepointSet::add(const CodepointSet &other) {
  if (sorted.empty()) {
    sorted = other.sorted;
    return;
  }
  for (Range range : other.sorted)
    add(range.first, range.second);
}

CodepointSet CodepointSet::complement() const {
  CodepointSet result;
  char32_t next = 0;
  for (Range range : sorted) {
    if (range.first > next)
      result.sorted.push_back({next, range.first - 1});
    next = range.second + 1;
  }
  if (next <= maxCodepoint)
    result.sorted.push_back({next, maxCodepoint});
  return result;
}

bool CodepointSet::contains(char32_t codepoint) const {
  auto after = std::upper_bound(
      sorted.begin(), sorted.end(), codepoint,
      [](char32_t value, const Range &range) { return value < range.first; });
  return after != sorted.begin() && std::prev(after)->second >= codepoint;
}

//===----------------------------------------------------------------------===//
// Properties, by ICU
//===----------------------------------------------------------------------===//

static CodepointSet fromUset(const USet *set) {
  CodepointSet result;
  UErrorCode status = U_ZERO_ERROR;
  for (int32_t i = 0, e = uset_getItemCount(set); i < e; ++i) {
    UChar32 low = 0, high = 0;
    // A positive length marks a multi-character string, which no caller asks
    // for.
    if (uset_getItem(set, i, &low, &high, nullptr, 0, &status) == 0)
      result.add(low, high);
  }
  return result;
}

/// The set that an ICU pattern such as "[\p{L}]" describes.
static std::optional<CodepointSet> fromPattern(std::string_view pattern) {
  std::u16string wide(pattern.begin(), pattern.end());
  UErrorCode status = U_ZERO_ERROR;
  USet *set = uset_openPattern(wide.data(), wide.size(), &status);
  if (U_FAILURE(status))
    return std::nullopt;
  CodepointSet result = fromUset(set);
  uset_close(set);
  return result;
}

static constexpr const char *cjkScripts =
    "[\\p{scx=Han}\\p{scx=Hira}\\p{scx=Kana}\\p{scx=Bopo}\\p{scx=Hang}]";

const CodepointSet &wordCharacters() {
  static const CodepointSet set =
      fromPattern(std::string("[[\\p{L}\\p{M}\\p{Nd}]-") + cjkScripts + "]")
          .value_or(CodepointSet());
  return set;
}

const CodepointSet &cjkCharacters() {
  static const CodepointSet set =
      fromPattern(std::string("[[\\p{L}\\p{Nl}]&") + cjkScripts + "]")
          .value_or(CodepointSet());
  return set;
}

std::optional<CodepointSet> property(std::string_view name) {
  if (name == "Any")
    return CodepointSet::all();
  for (char c : name)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '_')
      return std::nullopt;
  if (name.empty())
    return std::nullopt;
  std::string quoted(name);
  // Exact spellings only: ICU would also take "lu" or "letter".
  auto known = [&](UProperty kind, UPropertyNameChoice choice) {
    int32_t value = u_getPropertyValueEnum(kind, quoted.c_str());
    if (value == UCHAR_INVALID_CODE)
      return false;
    const char *spelt = u_getPropertyValueName(kind, value, choice);
    return spelt && name == spelt;
  };
  if (known(UCHAR_GENERAL_CATEGORY_MASK, U_SHORT_PROPERTY_NAME))
    return fromPattern("[\\p{gc=" + quoted + "}]");
  if (known(UCHAR_SCRIPT, U_LONG_PROPERTY_NAME))
    return fromPattern("[\\p{sc=" + quoted + "}]");
  return std::nullopt;
}

const WordTables &wordTables() {
  static const WordTables tables = [] {
    WordTables result;
    std::map<std::vector<uint8_t>, uint8_t> numbers;
    for (char32_t base = 0; base <= maxCodepoint; base += 256) {
      std::vector<uint8_t> block(64);
      for (unsigned i = 0; i < 256; ++i) {
        unsigned kind = wordCharacters().contains(base + i)  ? 1
                        : cjkCharacters().contains(base + i) ? 2
                                                             : 0;
        block[i / 4] |= kind << (i % 4 * 2);
      }
      auto [entry, fresh] =
          numbers.try_emplace(block, static_cast<uint8_t>(numbers.size()));
      if (fresh)
        result.bits.insert(result.bits.end(), block.begin(), block.end());
      result.blocks.push_back(entry->second);
    }
    return result;
  }();
  return tables;
}

std::string unicodeVersion() {
  std::string text = U_UNICODE_VERSION;
  return text;
}

//===----------------------------------------------------------------------===//
// Folding
//===----------------------------------------------------------------------===//

static std::u16string toUtf16(std::u32string_view text) {
  std::u16string result;
  for (char32_t c : text) {
    if (c >= 0x10000) {
      result.push_back(static_cast<char16_t>(0xD7C0 + (c >> 10)));
      result.push_back(static_cast<char16_t>(0xDC00 + (c & 0x3FF)));
    } else {
      result.push_back(static_cast<char16_t>(c));
    }
  }
  return result;
}

static std::u32string toUtf32(std::u16string_view text) {
  std::u32string result;
  for (size_t i = 0; i < text.size(); ++i) {
    char32_t c = text[i];
    if (c >= 0xD800 && c < 0xDC00 && i + 1 < text.size())
      c = ((c - 0xD7C0) << 10) + (text[++i] - 0xDC00);
    result.push_back(c);
  }
  return result;
}

/// Runs an ICU string function that reports the length it needs.
template <typename Function>
static std::u16string grow(std::u16string_view input, Function function) {
  std::u16string result(input.size() * 4 + 32, u'\0');
  for (int attempt = 0; attempt < 2; ++attempt) {
    UErrorCode status = U_ZERO_ERROR;
    int32_t length =
        function(result.data(), static_cast<int32_t>(result.size()), &status);
    if (status == U_BUFFER_OVERFLOW_ERROR) {
      result.resize(length + 1);
      continue;
    }
    if (U_FAILURE(status))
      return std::u16string(input);
    result.resize(length);
    return result;
  }
  return std::u16string(input);
}

static std::u16string foldFull(std::u16string_view text) {
  return grow(text, [&](UChar *out, int32_t capacity, UErrorCode *status) {
    return u_strFoldCase(out, capacity, text.data(), text.size(),
                         U_FOLD_CASE_DEFAULT, status);
  });
}

static std::u16string decompose(std::u16string_view text) {
  UErrorCode status = U_ZERO_ERROR;
  const UNormalizer2 *normalizer = unorm2_getNFKDInstance(&status);
  if (U_FAILURE(status))
    return std::u16string(text);
  return grow(text, [&](UChar *out, int32_t capacity, UErrorCode *error) {
    return unorm2_normalize(normalizer, text.data(), text.size(), out, capacity,
                            error);
  });
}

std::u32string foldCharacter(char32_t codepoint, Fold fold) {
  std::u32string one(1, codepoint);
  switch (fold) {
  case Fold::Exact:
    return one;
  case Fold::Simple:
    return std::u32string(
        1, static_cast<char32_t>(u_foldCase(codepoint, U_FOLD_CASE_DEFAULT)));
  case Fold::Full:
    return toUtf32(foldFull(toUtf16(one)));
  case Fold::Nfkc:
    break;
  }
  // Folding can undo a decomposition and the reverse; twice is a fixed point.
  std::u16string text = decompose(toUtf16(one));
  text = decompose(foldFull(text));
  return toUtf32(decompose(foldFull(text)));
}

std::u32string foldText(std::u32string_view text, Fold fold) {
  std::u32string result;
  for (char32_t c : text)
    result += foldCharacter(c, fold);
  return result;
}

/// Characters of equal simple folding, by that folding; only those that have
/// company.
static const std::map<char32_t, CodepointSet> &foldOrbits() {
  static const std::map<char32_t, CodepointSet> orbits = [] {
    std::map<char32_t, CodepointSet> result;
    CodepointSet changed = fromPattern("[\\p{CWCF}]").value_or(CodepointSet());
    for (auto [low, high] : changed.ranges())
      for (char32_t c = low; c <= high; ++c) {
        char32_t folded = foldCharacter(c, Fold::Simple)[0];
        if (folded == c)
          continue;
        result[folded].add(c, c);
        result[folded].add(folded, folded);
      }
    return result;
  }();
  return orbits;
}

CodepointSet closeOverCase(const CodepointSet &set) {
  CodepointSet result = set;
  uint64_t size = 0;
  for (auto [low, high] : set.ranges())
    size += high - low + 1;
  if (size <= 64) {
    for (auto [low, high] : set.ranges())
      for (char32_t c = low; c <= high; ++c) {
        auto orbit = foldOrbits().find(foldCharacter(c, Fold::Simple)[0]);
        if (orbit != foldOrbits().end())
          result.add(orbit->second);
      }
    return result;
  }
  for (auto &[folded, orbit] : foldOrbits())
    for (auto [low, high] : orbit.ranges())
      for (char32_t c = low; c <= high; ++c)
        if (set.contains(c))
          result.add(orbit);
  return result;
}

namespace {
/// The inverse of a folding that may make several characters of one.
struct Unfolding {
  explicit Unfolding(Fold fold) : fold(fold) {
    const char *pattern =
        fold == Fold::Full ? "[\\p{CWCF}]" : "[\\p{CWCF}\\p{NFKD_QC=N}]";
    CodepointSet changed = fromPattern(pattern).value_or(CodepointSet());
    for (auto [low, high] : changed.ranges())
      for (char32_t c = low; c <= high; ++c) {
        std::u32string folded = foldCharacter(c, fold);
        longest = std::max<unsigned>(longest, folded.size());
        sources[folded].add(c, c);
        moved.add(c, c);
      }
  }

  const CodepointSet *find(const std::u32string &folded) {
    auto [entry, fresh] = asked.try_emplace(folded);
    if (fresh) {
      auto source = sources.find(folded);
      if (source != sources.end())
        entry->second = source->second;
      if (folded.size() == 1 && !moved.contains(folded[0]))
        entry->second.add(folded[0], folded[0]);
    }
    return entry->second.empty() ? nullptr : &entry->second;
  }

  Fold fold;
  unsigned longest = 1;
  CodepointSet moved;
  std::map<std::u32string, CodepointSet> sources, asked;
};
} // namespace

static Unfolding &unfolding(Fold fold) {
  thread_local std::optional<Unfolding> full, nfkc;
  std::optional<Unfolding> &table = fold == Fold::Full ? full : nfkc;
  if (!table)
    table.emplace(fold);
  return *table;
}

const CodepointSet *unfold(const std::u32string &folded, Fold fold) {
  return unfolding(fold).find(folded);
}

unsigned longestFold(Fold fold) {
  return fold == Fold::Exact || fold == Fold::Simple ? 1
                                                     : unfolding(fold).longest;
}

} // namespace route::text
