// Text predicates as automaton tables.
// From predicates to the tables that compiled code embeds: one scanner answers
// all predicates on a text in one pass; a finder counts matches.
#ifndef ROUTE_TEXT_SCANNER_H
#define ROUTE_TEXT_SCANNER_H

#include "route/Text/ByteTable.h"

namespace route::text {

/// How large an automaton may become before its patterns are divided.
struct AutomatonLimits {
  uint32_t states = 16384;
  /// Expressions that stay alive through other text go into a pass on demand
  /// (Gate.h) when their states times those of the rest exceed this.
  uint32_t product = 4096;
};

/// All predicates on one text. Bits are shared: a pattern that several
/// predicates ask for has one bit, a predicate with Mode::Any one for all its
/// patterns.
struct Scanner {
  /// One pass over the text. There is one that always runs unless the limit
  /// forced a division.
  struct Pass {
    ByteTable table;
    /// Row i, of `words` words, has the bits of report i; row 1 has all bits.
    std::vector<uint64_t> masks;
    /// The pass runs when one of these bits, of `words` words, has been found
    /// by the passes before it; empty: always.
    std::vector<uint64_t> gate;
  };
  /// The bits that decide predicate i, and how.
  struct Answer {
    Mode mode;
    std::vector<uint32_t> bits;
  };

  uint32_t words = 1;
  std::vector<Pass> passes;
  std::vector<Answer> answers;

  /// The found bits of a text, into found[0 .. words). `found` has 4 * words
  /// elements, or 5 * words when there are several passes; the rest is scratch.
  void scanBits(std::string_view text, uint64_t *found) const;

  /// The answers for a text, in the order of the predicates: 0 or 1, or a
  /// number for Mode::Count. What compiled code computes, by the same loops.
  std::vector<int64_t> scan(std::string_view text) const;
};

/// Builds a scanner. On failure returns nothing and sets `error` to a message
/// that quotes the pattern.
std::optional<Scanner> buildScanner(const std::vector<Predicate> &predicates,
                                    AutomatonLimits limits, std::string &error);

/// Non-overlapping matches from left to right.
struct Finder {
  ByteTable table;
  /// [reports] the characters of the match; empty when patterns have no fixed
  /// length.
  std::vector<uint32_t> lengths;

  int64_t count(std::string_view text) const;
  /// The bytes inside matches; needs `lengths`.
  int64_t covered(std::string_view text) const;
};

/// A finder for the leftmost matches of one pattern, by RE2's preferences. A
/// pattern that may match the empty text is an error.
std::optional<Finder> buildFinder(const Pattern &pattern,
                                  AutomatonLimits limits, std::string &error);

/// A finder for keywords, leftmost and among those longest, with lengths.
/// Folds that change the number of characters are an error.
std::optional<Finder> buildKeywordFinder(std::vector<Pattern> keywords,
                                         AutomatonLimits limits,
                                         std::string &error);

/// A finder for words: maximal runs of wordCharacters(), and each of
/// cjkCharacters() alone.
const Finder &wordFinder();

} // namespace route::text

#endif // ROUTE_TEXT_SCANNER_H
