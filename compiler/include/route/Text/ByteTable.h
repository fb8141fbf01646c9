//===- ByteTable.h - automata over bytes, packed ---------------*- C++ -*-===//
// The tables that compiled code walks (Kernels.h): an automaton over characters
// spelt out in UTF-8 and packed by row displacement.
//===----------------------------------------------------------------------===//
#ifndef ROUTE_TEXT_BYTETABLE_H
#define ROUTE_TEXT_BYTETABLE_H

#include "route/Text/Dfa.h"

namespace route::text {

/// A state is a word: bits 0..15 its base, unique to it; bits 16..30 the offset
/// of its common row; bit 31 whether entering it reports something. On a byte
/// of class c it moves to next[base + c] when check[base + c] is its base, else
/// to rows[row + c]. State 0 is where ill-formed UTF-8 leads, and stays.
struct ByteTable {
  uint32_t classCount = 0, stateCount = 0;
  bool readsWords = false; ///< whether a report depends on wordCharacters()
  std::vector<uint8_t> classes; ///< [256]
  std::vector<uint16_t> check;  ///< [bases + classes]
  std::vector<uint32_t> next;   ///< [bases + classes]
  std::vector<uint32_t> rows;   ///< [common rows * classes]
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

/// Packs `dfa`. Returns false when it does not fit the format: more than 65,535
/// bases, 32,767 row entries or reports.
bool packTable(const CharDfa &dfa, const Alphabet &alphabet, ByteTable &result);

} // namespace route::text

#endif // ROUTE_TEXT_BYTETABLE_H
