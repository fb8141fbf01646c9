// Syntax trees of regular expressions.
// The tree that the RE2-syntax parser makes and the automaton builder reads.
#ifndef ROUTE_TEXT_REGEX_H
#define ROUTE_TEXT_REGEX_H

#include "route/Text/Unicode.h"

#include <memory>

namespace route::text {

/// A condition on the characters before and after a position.
enum class Assertion : uint8_t {
  BeginText,
  EndText,
  BeginLine,
  EndLine,
  AsciiBoundary,    ///< RE2's \b: one side is [0-9A-Za-z_], the other is not
  NotAsciiBoundary, ///< RE2's \B
  NotAfterWord,     ///< no word character (Unicode.h) before
  NotBeforeWord,    ///< no word character after
};

struct Regex;
using RegexPtr = std::unique_ptr<Regex>;

/// One node. `Set` matches one character; `Repeat` has one child.
struct Regex {
  enum Kind { Empty, Set, Concat, Alternate, Repeat, Assert };
  static constexpr int unbounded = -1;

  explicit Regex(Kind kind) : kind(kind) {}

  Kind kind;
  bool greedy = true;
  Assertion assertion = Assertion::BeginText;
  int min = 0, max = 0;
  CodepointSet set;
  std::vector<RegexPtr> children;
};

RegexPtr makeSet(CodepointSet set);
RegexPtr makeAssert(Assertion assertion);

/// The fewest characters a match of `regex` has.
uint64_t shortestMatch(const Regex &regex);

/// Parses RE2 syntax. `ignoreCase` is the flag (?i) for the whole pattern. On
/// an error returns null and sets `error` to a message that names the offending
/// part, such as "missing closing ')'". \C, backreferences and look-around are
/// errors; groups do not capture.
RegexPtr parseRegex(std::string_view pattern, bool ignoreCase,
                    std::string &error);

} // namespace route::text

#endif // ROUTE_TEXT_REGEX_H
