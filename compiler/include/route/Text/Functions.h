// The meaning of the text functions.
// What each text function of the language means, written to be read: the
// interpreter calls these, and compiled code is tested against them.
// docs/text.md is the same for users.
#ifndef ROUTE_TEXT_FUNCTIONS_H
#define ROUTE_TEXT_FUNCTIONS_H

#include "route/Text/Pattern.h"

#include <map>
#include <span>
#include <variant>

namespace route::text {

// Counts. Characters are read as decode() reads them.

enum class Measure {
  Bytes,  ///< bytes
  Chars,  ///< characters
  Words,  ///< maximal runs of wordCharacters(), and each of cjkCharacters()
  Lines,  ///< '\n' bytes, plus one when the text ends in something else
  Digits, ///< bytes 0-9
  Uppers, ///< bytes A-Z
  Puncts, ///< ASCII punctuation bytes
  Spaces, ///< bytes ' ', '\t', '\n', '\v', '\f', '\r'
  Wide,   ///< bytes above 0x7F
  Fences, ///< lines that begin with up to three spaces and "```" or "~~~"
  Fenced, ///< bytes of the lines between an opening and a closing fence
};

int64_t measure(Measure what, std::string_view text);

/// The token estimate of a text: its bytes over `bytesPerToken`, rounded up.
/// Units: tokens. `bytesPerToken` is above 0.
int64_t estimate(std::string_view text, double bytesPerToken);

// Patterns

/// Whether `pattern`, which checkPattern() accepts, occurs in `text`.
bool occurs(const Pattern &pattern, std::string_view text);

/// The answer to a predicate: 0 or 1, or with Mode::Count the number of
/// distinct patterns that occur. An empty list: Any 0, All 1, Count 0.
int64_t answer(const Predicate &predicate, std::string_view text);

/// The number of matches of `pattern`, one after the other: each begins as far
/// left as it can behind the one before, and is the one RE2 prefers there. The
/// pattern must not match the empty text.
int64_t countOf(const Pattern &pattern, std::string_view text);

/// The bytes inside occurrences of keywords over all bytes, from 0 to 1, as the
/// quotient of two f32; 0 for an empty text. Occurrences are taken one after
/// the other from the left, the longest (in characters) at each place.
float density(std::span<const Pattern> keywords, std::string_view text);

// Features

enum class Hash { Xxh3, Fnv1a };
enum class Weighting {
  Count,  ///< occurrences
  Binary, ///< 1
  Log     ///< log(1 + occurrences), of numerics.h
};
enum class Norm { None, L2 };
enum class Unit { Bytes, Words };

/// Options of ngrams().
struct NgramOptions {
  int64_t lo = 3, hi = 3; ///< lengths in units, 1 <= lo <= hi <= 16
  Unit unit = Unit::Bytes;
  int64_t dim = 1024; ///< 1 to 2^24
  Hash hash = Hash::Xxh3;
  uint64_t seed = 0;
  Weighting weighting = Weighting::Count;
  Norm norm = Norm::None;
};

/// Hashed n-gram features, f32[dim]. An n-gram of bytes is n successive bytes;
/// one of words runs from the first byte of a word to the last byte of the
/// (n-1)th word after it, what is between included. Each adds 1 to element
/// hash(bytes) mod dim: XXH3_64bits_withSeed, or 64-bit FNV-1a whose offset
/// basis is xored with the seed. Then the weighting, element by element, then
/// the norm: L2 divides by the square root of the sum of squares (32 strided
/// partial sums and a butterfly, as everywhere); a zero vector stays.
std::vector<float> ngrams(std::string_view text, const NgramOptions &options);

/// Why `options` are out of range, or an empty string.
std::string checkNgrams(const NgramOptions &options);

/// f32[8] of cheap ratios to bytes, each the quotient of two f32 and 0 for an
/// empty text: Digits, Uppers, Puncts, Spaces, Wide, Lines, Fences, Fenced.
std::vector<float> structure(std::string_view text);
inline constexpr Measure structureMeasures[] = {
    Measure::Digits, Measure::Uppers, Measure::Puncts, Measure::Spaces,
    Measure::Wide,   Measure::Lines,  Measure::Fences, Measure::Fenced};

// By name, for the interpreter

/// An attribute of a text function.
using TextAttr =
    std::variant<bool, int64_t, double, std::string, std::vector<std::string>>;
using TextAttrs = std::map<std::string, TextAttr>;
/// A result: a truth value, a count, a ratio, or features.
using TextValue = std::variant<bool, int64_t, float, std::vector<float>>;

/// Evaluates `name` on its text arguments. Names and attributes are those of
/// docs/text.md: "bytes", "chars", ..., "estimate" {bytes_per_token},
/// "contains"/"starts"/"ends" {pattern, case, boundary}, "keywords" {patterns,
/// mode, case, boundary}, "regex" {pattern, case}, "count_of" {pattern, case},
/// "density" {patterns, case, boundary}, "ngrams" {n, lo, hi, unit, dim, hash,
/// seed, weighting, norm}, "structure", "equal" with two texts. Returns nothing
/// and sets `error` for an unknown name or attribute, a missing or wrong value.
std::optional<TextValue>
evaluateTextFunction(std::string_view name, const TextAttrs &attrs,
                     std::span<const std::string_view> args,
                     std::string &error);

/// The predicate that "contains", "starts", "ends", "keywords" or "regex" with
/// these attributes asks; how the lowering and evaluateTextFunction agree.
std::optional<Predicate> textPredicate(std::string_view name,
                                       const TextAttrs &attrs,
                                       std::string &error);

} // namespace route::text

#endif // ROUTE_TEXT_FUNCTIONS_H
