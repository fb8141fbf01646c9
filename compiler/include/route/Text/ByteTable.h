// Automata over bytes, packed.
// The tables that compiled code walks (Kernels.h): an automaton over characters
// spelt out in UTF-8 and packed by row displacement.
#ifndef ROUTE_TEXT_BYTETABLE_H
#define ROUTE_TEXT_BYTETABLE_H

#include "route/Text/Dfa.h"

namespace route::text {

/// A state is a word: bits 0..15 its base, unique to it and odd when entering
/// it reports something; bits 16..23 its common row. A byte is a word, too: its
/// class c, and from bit 16 on c * rowCount, so that the sum of both has the
/// place base + c below and the entry c * rowCount + row above. The next state
/// is comb[place] >> 8 when the low 8 bits there are c, since then the place is
/// this state's and no other's, else rows[entry]. The state's place for the
/// class that no byte has, classCount, is what it reports. The state with base
/// 0 is where ill-formed UTF-8 leads, and stays: so does each state inside a
/// character on ASCII.
struct ByteTable {
  uint32_t classCount = 0, stateCount = 0, rowCount = 0;
  bool readsWords = false;     ///< whether a report depends on wordCharacters()
  std::vector<uint32_t> bytes; ///< [256]
  std::vector<uint32_t> rows;  ///< [classCount][rowCount]
  /// [bases + classCount + 1]. What a state reports is an index into outcomes;
  /// bit 15 marks a finder's states in which a match is final. Forks have bit
  /// 23, an index into forkMasks in bits 0..11 and one into forkSides / 2 in
  /// bits 12..22.
  std::vector<uint32_t> comb;
  /// [reports][contextCount] by the context of the next character, an index
  /// into CharDfa::outcomes; 0 is nothing. Bit 15 marks a finder's matches that
  /// are final at once.
  std::vector<uint16_t> outcomes;
  /// Bit i of a mask: with 0x80 + i next, a fork stands for the second state.
  std::vector<uint64_t> forkMasks;
  std::vector<uint32_t> forkSides; ///< pairs of states
  uint32_t start = 0, middle = 0;
  std::vector<uint32_t> resume; ///< [outcomes] a finder's state behind a match

  /// The bytes that all tables take.
  size_t size() const;
};

/// Packs `dfa`. Returns false when it does not fit the format: more than 65,280
/// bases, 256 common rows, 32,765 reports or 32,767 outcomes.
bool packTable(const CharDfa &dfa, const Alphabet &alphabet, ByteTable &result);

} // namespace route::text

#endif // ROUTE_TEXT_BYTETABLE_H
