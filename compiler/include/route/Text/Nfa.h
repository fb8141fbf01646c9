// Patterns as a nondeterministic automaton.
// A Thompson automaton over characters with assertions on edges; the common
// form of keywords and regular expressions, and what the reference matcher
// simulates.
#ifndef ROUTE_TEXT_NFA_H
#define ROUTE_TEXT_NFA_H

#include "route/Text/Pattern.h"

#include <map>

namespace route::text {

/// What the automaton remembers of a neighbouring character.
namespace context {
inline constexpr uint8_t edge = 1;      ///< the text begins or ends here
inline constexpr uint8_t newline = 2;   ///< '\n'
inline constexpr uint8_t asciiWord = 4; ///< [0-9A-Za-z_]
inline constexpr uint8_t word = 8;      ///< wordCharacters()
} // namespace context

/// The context bits of a character.
uint8_t contextOf(char32_t codepoint);

/// Whether `assertion` holds between characters of these contexts.
bool holds(Assertion assertion, uint8_t before, uint8_t after);

/// The context bits that `assertion` looks at, and whether those in front
/// decide.
uint8_t contextUsed(Assertion assertion);
bool decidedBefore(Assertion assertion);

/// Several patterns as one automaton. A pattern's match ends at its Match node.
class Nfa {
public:
  enum Kind : uint8_t { Chars, Split, Assert, Match };

  /// Chars: one character of sets[operand], then `out`. Split: `out` is tried
  /// before `other`. Assert: Assertion(operand). Match: pattern `operand`.
  struct Node {
    Kind kind;
    uint32_t operand;
    uint32_t out, other;
  };

  /// Adds a pattern under the number `id`; several may share one. Returns a
  /// message on failure, else an empty string.
  std::string add(const Pattern &pattern, uint32_t id);
  /// Adds a tree; `error` as above.
  std::string add(const Regex &tree, uint32_t id);

  const std::vector<Node> &getNodes() const { return nodes; }
  const std::vector<CodepointSet> &getSets() const { return sets; }
  /// Where each added pattern starts, in order of addition.
  const std::vector<uint32_t> &getStarts() const { return starts; }
  /// For each node the nodes that make it redundant in a set: whatever it still
  /// matches they match too. Known for small expressions only, where it keeps
  /// x{8,} from counting every place it might have begun at.
  std::vector<std::vector<uint32_t>> computeSimulators() const;
  /// The context bits that some assertion reads.
  uint8_t getContextUsed() const { return used; }

private:
  uint32_t node(Kind kind, uint32_t operand, uint32_t out, uint32_t other = 0);
  uint32_t internSet(const CodepointSet &set);
  uint32_t compile(const Regex &tree, uint32_t next);
  uint32_t compileRepeat(const Regex &tree, uint32_t next);
  uint32_t compileKeyword(const Pattern &pattern, uint32_t next);

  std::vector<Node> nodes;
  std::vector<CodepointSet> sets;
  std::map<std::vector<CodepointSet::Range>, uint32_t> setNumbers;
  std::vector<uint32_t> starts;
  std::vector<std::pair<uint32_t, uint32_t>> expressions; // first, end node
  uint8_t used = 0;
  size_t limit = 0;
};

} // namespace route::text

#endif // ROUTE_TEXT_NFA_H
