// Automata over bytes, packed.
// The tables that compiled code walks (Kernels.h): an automaton over characters
// spelt out in UTF-8 and packed by row displacement.
#ifndef ROUTE_TEXT_BYTETABLE_H
#define ROUTE_TEXT_BYTETABLE_H

#include "route/Text/Dfa.h"

namespace route::text {

/// A state is a word: bits 0..15 its base, unique to it and odd when entering
/// it reports something; bits 16..31 where its common row begins. On a byte of
/// class c it moves to the low word of comb[base + c] when the high word is the
/// state itself, else to common[row + c]. The state with base 0
/// is where ill-formed UTF-8 leads, and stays.
struct ByteTable {
  uint32_t classCount = 0, stateCount = 0, rowCount = 0;
  bool readsWords = false; ///< whether a report depends on wordCharacters()
  /// The classes of the 256 bytes, four a word, lowest byte first; then the
  /// common rows.
  std::vector<uint32_t> common;
  std::vector<uint64_t> comb; ///< [bases + classes]
  /// [bases] what a state reports, an index into outcomes; bit 15 marks a
  /// finder's states in which a match is final; 0xFFFF a state inside a
  /// character.
  std::vector<uint16_t> reports;
  /// [reports][contextCount] by the context of the next character, an index
  /// into CharDfa::outcomes; 0 is nothing.
  std::vector<uint16_t> outcomes;
  uint32_t start = 0, middle = 0;
  std::vector<uint32_t> resume; ///< [outcomes] a finder's state behind a match

  /// The bytes of all tables.
  size_t bytes() const;
};

/// Packs `dfa`. Returns false when it does not fit the format: more than 65,534
/// bases, 65,000 row entries or 32,765 reports.
bool packTable(const CharDfa &dfa, const Alphabet &alphabet, ByteTable &result);

} // namespace route::text

#endif // ROUTE_TEXT_BYTETABLE_H
