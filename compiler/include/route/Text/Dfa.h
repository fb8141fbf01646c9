// Deterministic automata over characters.
// The two subset constructions: one that reports which patterns occur, and one
// that finds matches one after the other.
#ifndef ROUTE_TEXT_DFA_H
#define ROUTE_TEXT_DFA_H

#include "route/Text/Alphabet.h"

#include <array>

namespace route::text {

/// The contexts that the character after a match may have.
inline constexpr uint8_t contextValues[] = {0,
                                            context::edge,
                                            context::newline,
                                            context::asciiWord,
                                            context::word,
                                            context::asciiWord | context::word};
inline constexpr size_t contextCount = std::size(contextValues);

/// A deterministic automaton over the classes of an alphabet. A state's row is
/// rows[row] but for its overrides, since most states differ little from the
/// state in which nothing has begun.
///
/// What a state reports may depend on the context of the next character (what
/// \b and keyword boundaries ask), which the walk looks up when it enters a
/// state that reports anything. States that waited for that character instead
/// would multiply with all ways to spell one.
struct CharDfa {
  struct State {
    uint32_t row = 0;
    /// Class and target, ascending.
    std::vector<std::pair<uint32_t, uint32_t>> overrides;
    uint32_t report = 0; ///< index into reports; 0 reports nothing
    bool final = false;  ///< finder only: the match found before is final
  };
  /// Per element of contextValues an index into outcomes.
  using Report = std::array<uint32_t, contextCount>;
  /// A scan: the numbers of the patterns that match up to here. A finder: the
  /// preferred one, the state to go on from behind its match, and whether
  /// nothing may be preferred to it any more.
  struct Outcome {
    std::vector<uint32_t> ids;
    uint32_t resume = 0;
    bool final = false;
    auto operator<=>(const Outcome &) const = default;
  };

  std::vector<State> states;
  std::vector<std::vector<uint32_t>> rows;
  std::vector<Report> reports{Report()};
  std::vector<Outcome> outcomes{Outcome()}; ///< the first is nothing
  uint32_t start = 0;                       ///< at the beginning of a text
  uint32_t middle = 0; ///< with an unknown character before, for speculation
};

/// Numbers the reports and outcomes of an automaton under construction.
class ReportTable {
public:
  explicit ReportTable(CharDfa &dfa) : dfa(dfa) {
    outcomes[CharDfa::Outcome()] = 0;
    reports[CharDfa::Report()] = 0;
  }
  uint32_t outcome(const CharDfa::Outcome &outcome);
  uint32_t report(const CharDfa::Report &report);

private:
  CharDfa &dfa;
  std::map<CharDfa::Outcome, uint32_t> outcomes;
  std::map<CharDfa::Report, uint32_t> reports;
};

/// Nodes that a construction may handle in all; sets of thousands of nodes
/// would take minutes to reach the limit of states.
inline constexpr uint64_t maxConstructionWork = 20'000'000;

/// One pass over a text enters, for each pattern that occurs, a state that
/// reports it. Returns false when more than `maxStates` states
/// or maxConstructionWork would be needed.
bool determinizeScan(const Nfa &nfa, const Alphabet &alphabet,
                     uint32_t maxStates, CharDfa &result);

/// Finds leftmost matches, preferring earlier alternatives and, in a
/// repetition, what greediness says (RE2's order). No pattern may match the
/// empty text. Returns false as above.
bool determinizeFind(const Nfa &nfa, const Alphabet &alphabet,
                     uint32_t maxStates, CharDfa &result);

} // namespace route::text

#endif // ROUTE_TEXT_DFA_H
