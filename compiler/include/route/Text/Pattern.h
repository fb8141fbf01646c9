// What a text predicate looks for.
// Keywords and regular expressions with their options, and groups of them:
// the input of every automaton.
#ifndef ROUTE_TEXT_PATTERN_H
#define ROUTE_TEXT_PATTERN_H

#include "route/Text/Regex.h"

#include <span>

namespace route::text {

/// What may stand beside a keyword.
enum class Boundary {
  None, ///< anything
  Word, ///< no word character beside a keyword's end that is a word character
  Ascii ///< RE2's \b at both ends of a keyword with a letter, digit or '_' and
        ///< no Han character; anything beside the others
};

/// Where in the text a keyword stands.
enum class Anchor { None, Start, End };

/// One keyword or regular expression. A regular expression has only `text` and
/// `fold`, which is Exact or Simple (the flag (?i)).
struct Pattern {
  enum Kind { Keyword, Expression };

  Kind kind = Keyword;
  std::string text;
  Fold fold = Fold::Exact;
  Boundary boundary = Boundary::None;
  Anchor anchor = Anchor::None;

  bool operator==(const Pattern &other) const = default;
};

/// How the patterns of a predicate combine.
enum class Mode {
  Any,  ///< true when one of them occurs
  All,  ///< true when each of them occurs
  Count ///< the number of them that occur
};

/// One question about a text.
struct Predicate {
  Mode mode = Mode::Any;
  std::vector<Pattern> patterns;

  bool operator==(const Predicate &other) const = default;
};

/// Whether a keyword's boundary rule constrains its first and last character.
struct KeywordEnds {
  bool first = false, last = false;
};
KeywordEnds boundedEnds(const Pattern &keyword);

/// `keywords` with the longest, in characters, first; equal ones in order.
std::vector<Pattern> longestFirst(std::span<const Pattern> keywords);

/// Why `pattern` is none, or an empty string: an empty keyword, invalid UTF-8,
/// a regular expression that does not parse, an option that does not apply.
std::string checkPattern(const Pattern &pattern);

} // namespace route::text

#endif // ROUTE_TEXT_PATTERN_H
