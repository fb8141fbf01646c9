// Code points, sets and case folding.
// What the text functions know about Unicode: decoding with replacement, sets
// of code points, word characters and case folding. The version is ICU's and is
// recorded in the descriptor of a compiled module.
#ifndef ROUTE_TEXT_UNICODE_H
#define ROUTE_TEXT_UNICODE_H

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace route::text {

inline constexpr char32_t maxCodepoint = 0x10FFFF;
inline constexpr char32_t replacement = 0xFFFD;

/// One character read from bytes: `size` bytes from 1 to 4.
struct Decoded {
  char32_t codepoint;
  unsigned size;
  bool valid;
};

/// Reads the character at byte `at`, which must be below text.size(). A byte
/// that does not begin a well-formed UTF-8 sequence reads as U+FFFD of size 1.
Decoded decode(std::string_view text, size_t at);

/// Appends the UTF-8 form of `codepoint`.
void encode(char32_t codepoint, std::string &out);

/// All characters of `text`, read as `decode` reads them.
std::vector<char32_t> decodeAll(std::string_view text);

/// A set of code points as sorted, disjoint, non-adjacent closed ranges.
class CodepointSet {
public:
  using Range = std::pair<char32_t, char32_t>;

  CodepointSet() = default;
  CodepointSet(std::initializer_list<Range> ranges);
  static CodepointSet all() { return {{0, maxCodepoint}}; }

  void add(char32_t low, char32_t high);
  void add(const CodepointSet &other);
  CodepointSet complement() const;
  bool contains(char32_t codepoint) const;
  bool empty() const { return sorted.empty(); }
  const std::vector<Range> &ranges() const { return sorted; }
  bool operator==(const CodepointSet &other) const = default;

private:
  std::vector<Range> sorted;
};

/// Letters, marks and decimal digits of every script but the Chinese, Japanese
/// and Korean ones: the characters that keyword boundaries look at.
const CodepointSet &wordCharacters();

/// Letters of the scripts left out of wordCharacters(): each is a word alone.
const CodepointSet &cjkCharacters();

/// The tables by which compiled code tells word characters (Kernels.h):
/// [0x1100] block numbers and [blocks][64] bytes of two bits a code point: 0 no
/// word, 1 part of one, 2 a word alone.
struct WordTables {
  std::vector<uint8_t> blocks, bits;
};
const WordTables &wordTables();

/// The general category or script called `name` ("L", "Lu", "Greek", "Any"), or
/// nothing when there is none.
std::optional<CodepointSet> property(std::string_view name);

/// How characters are made equal before they are compared.
enum class Fold {
  Exact,  ///< not at all
  Simple, ///< Unicode simple case folding, one character to one
  Full,   ///< Unicode full case folding: 'ß' equals "ss"
  Nfkc,   ///< full case folding of the compatibility decomposition, a character
          ///< at a time: 'ﬁ' equals "fi", 'é' equals 'e' + U+0301
};

/// What `codepoint` becomes under `fold`; one or more characters.
std::u32string foldCharacter(char32_t codepoint, Fold fold);

/// `text` with every character folded.
std::u32string foldText(std::u32string_view text, Fold fold);

/// Every character whose simple folding equals that of a character of `set`.
CodepointSet closeOverCase(const CodepointSet &set);

/// The characters that `fold` maps to `folded`; `folded` may have several
/// characters. Full and Nfkc only.
const CodepointSet *unfold(const std::u32string &folded, Fold fold);

/// The longest result of foldCharacter(_, fold).
unsigned longestFold(Fold fold);

/// The version of the Unicode tables, such as "15.0".
std::string unicodeVersion();

} // namespace route::text

#endif // ROUTE_TEXT_UNICODE_H
