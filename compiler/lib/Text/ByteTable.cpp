// Automata over bytes, packed.
// Spells a character automaton in UTF-8, sharing the states inside characters
// between all that lead to the same places, groups equal bytes, and fits the
// rows into one array where the gaps of one take the entries of another.
#include "route/Text/ByteTable.h"

#include <algorithm>
#include <array>
#include <map>
#include <unordered_map>

namespace route::text {

size_t ByteTable::size() const {
  return 4 * bytes.size() + 4 * rows.size() + 4 * comb.size() +
         2 * outcomes.size() + 8 * forkMasks.size() + 4 * forkSides.size() +
         4 * resume.size();
}

namespace {
using Row = std::array<uint32_t, 256>;
using Entries =
    std::vector<std::pair<uint32_t, uint32_t>>; // byte or class, target

struct ByteState {
  uint32_t row = 0;
  Entries entries;
  uint32_t report = 0; // inCharacter, or with a mark in bit 15 or 23
};

struct ContinuationHash {
  size_t operator()(const std::vector<uint32_t> &row) const {
    uint64_t hash = 0xCBF29CE484222325u;
    for (uint32_t value : row)
      hash = (hash ^ value) * 0x100000001B3u;
    return hash ^ hash >> 32;
  }
};

/// The report of states inside characters.
constexpr uint32_t inCharacter = 0xFFFF;
constexpr uint32_t noClass = 0xFF; // of a place that nobody has
/// Entries up to which no nearer row is looked for, and above which a state
/// takes a row of its own while rows last.
constexpr unsigned nearEnough = 6, maxEntries = 64;
constexpr size_t maxRows = 128, maxForkMasks = 1 << 12, maxForkSides = 1 << 11;
constexpr uint32_t maxBase = 0xFEFE;

class Packer {
public:
  Packer(const CharDfa &dfa, const Alphabet &alphabet, ByteTable &table)
      : dfa(dfa), alphabet(alphabet), table(table) {}

  bool run() {
    table = ByteTable();
    if (!spell())
      return false;
    classify();
    return place();
  }

private:
  static uint32_t byteState(uint32_t charState) { return charState + 1; }

  uint32_t addRow(const Row &row) {
    auto [entry, fresh] = rowNumbers.try_emplace(row, rows.size());
    if (fresh)
      rows.push_back(row);
    return entry->second;
  }

  /// Describes `row` by the common row nearest to it, or makes it one when all
  /// are far and there is room.
  void describe(const Row &row, ByteState &state) {
    uint32_t best = state.row;
    unsigned fewest = distance(row, rows[best], 256);
    for (uint32_t r = rows.size(); fewest > nearEnough && r-- > 0;) {
      unsigned entries = distance(row, rows[r], fewest);
      if (entries < fewest) {
        fewest = entries;
        best = r;
      }
    }
    if (fewest > maxEntries && rows.size() < maxRows)
      best = addRow(row);
    state.row = best;
    state.entries.clear();
    for (unsigned byte = 0; byte < 256; ++byte)
      if (row[byte] != rows[best][byte])
        state.entries.push_back({byte, row[byte]});
  }

  /// The bytes in which two rows differ, or `limit` if that many do.
  static unsigned distance(const Row &a, const Row &b, unsigned limit) {
    unsigned count = 0;
    for (unsigned byte = 0; byte < 256 && count < limit; ++byte)
      count += a[byte] != b[byte];
    return count;
  }

  /// The state inside a character in which `targets` are what the continuation
  /// bytes lead to.
  uint32_t insideState(const std::vector<uint32_t> &targets) {
    auto known = insideNumbers.find(targets);
    if (known != insideNumbers.end())
      return known->second;
    std::map<uint32_t, unsigned> counts;
    for (uint32_t target : targets)
      ++counts[target];
    ByteState state;
    if (!makeFork(targets, counts, state)) {
      Row row{};
      std::copy(targets.begin(), targets.end(), row.begin() + 0x80);
      // A row that leads everywhere to the most frequent target serves others.
      auto common =
          std::max_element(counts.begin(), counts.end(), [](auto &a, auto &b) {
            return a.second < b.second;
          });
      Row even{};
      std::fill(even.begin() + 0x80, even.begin() + 0xC0, common->first);
      state.report = inCharacter;
      if (common->second >= 32 &&
          (rowNumbers.count(even) || rows.size() < maxRows))
        state.row = addRow(even);
      describe(row, state);
    }
    insideNumbers[targets] = states.size();
    states.push_back(std::move(state));
    return states.size() - 1;
  }

  /// Makes a fork of a state with two targets, if neither is a rare exception.
  bool makeFork(const std::vector<uint32_t> &targets,
                const std::map<uint32_t, unsigned> &counts, ByteState &state) {
    if (counts.size() != 2)
      return false;
    auto [first, firstCount] = *counts.begin();
    auto [second, secondCount] = *counts.rbegin();
    if (std::min(firstCount, secondCount) <= nearEnough ||
        forkMasks.size() == maxForkMasks || forkSides.size() == maxForkSides)
      return false;
    uint64_t mask = 0;
    for (unsigned i = 0; i < targets.size(); ++i)
      mask |= uint64_t(targets[i] == second) << i;
    std::pair<uint32_t, uint32_t> sides = {
        insideState(std::vector<uint32_t>(64, first)),
        insideState(std::vector<uint32_t>(64, second))};
    uint32_t m = forkMasks.try_emplace(mask, forkMasks.size()).first->second;
    uint32_t s = forkSides.try_emplace(sides, forkSides.size()).first->second;
    state.report = 1 << 23 | s << 12 | m;
    // Until the next byte is known it is as good as the more likely side.
    state.row =
        states[firstCount < secondCount ? sides.second : sides.first].row;
    return true;
  }

  /// The byte state for trie node `node` when class c leads to targets[c].
  uint32_t spellNode(uint32_t node, const std::vector<uint32_t> &targets,
                     std::vector<uint32_t> &memo) {
    if (memo[node] != UINT32_MAX)
      return memo[node];
    std::vector<uint32_t> row(64, 0);
    const Alphabet::TrieNode &edges = alphabet.getTrie()[node];
    for (unsigned i = 0; i < 64; ++i) {
      if (edges[i].kind == Alphabet::Edge::Class)
        row[i] = byteState(targets[edges[i].index]);
      else if (edges[i].kind == Alphabet::Edge::Node)
        row[i] = spellNode(edges[i].index, targets, memo);
    }
    return memo[node] = insideState(row);
  }

  uint32_t spellFirst(unsigned byte, const std::vector<uint32_t> &targets,
                      std::vector<uint32_t> &memo) {
    const Alphabet::Edge &edge = alphabet.first(byte);
    if (edge.kind == Alphabet::Edge::Class)
      return byteState(targets[edge.index]);
    return edge.kind == Alphabet::Edge::Node
               ? spellNode(edge.index, targets, memo)
               : 0;
  }

  /// Returns false when there are more states than bases.
  bool spell() {
    addRow(Row{}); // row 0: ill-formed
    states.resize(1 + dfa.states.size());
    states[0].report = inCharacter;
    size_t nodes = alphabet.getTrie().size();
    // The common rows and, for each, its states inside characters.
    std::vector<std::vector<uint32_t>> memos;
    std::vector<uint32_t> rowOf;
    for (const std::vector<uint32_t> &charRow : dfa.rows) {
      memos.emplace_back(nodes, UINT32_MAX);
      Row row{};
      for (unsigned byte = 0; byte < 256; ++byte)
        row[byte] = spellFirst(byte, charRow, memos.back());
      rowOf.push_back(addRow(row));
    }
    std::vector<uint32_t> targets, memo;
    for (uint32_t i = 0; i < dfa.states.size(); ++i) {
      const CharDfa::State &from = dfa.states[i];
      Row row = rows[rowOf[from.row]];
      targets = dfa.rows[from.row];
      memo = memos[from.row];
      for (auto [cls, target] : from.overrides) {
        targets[cls] = target;
        for (uint32_t node : alphabet.nodesWith(cls))
          memo[node] = UINT32_MAX;
      }
      for (unsigned byte = 0; byte < 256; ++byte)
        row[byte] = spellFirst(byte, targets, memo);
      ByteState &state = states[byteState(i)];
      state.row = rowOf[from.row];
      state.report = from.report | (from.final ? 0x8000 : 0);
      describe(row, state);
      if (states.size() > maxBase)
        return false;
    }
    return true;
  }

  /// Groups the bytes that no state tells apart.
  void classify() {
    std::array<Entries, 256> columns;
    for (uint32_t r = 0; r < rows.size(); ++r)
      for (unsigned byte = 0; byte < 256; ++byte)
        columns[byte].push_back({r, rows[r][byte]});
    for (uint32_t s = 0; s < states.size(); ++s)
      for (auto [byte, target] : states[s].entries)
        columns[byte].push_back(
            {static_cast<uint32_t>(rows.size()) + s, target});
    std::map<Entries, uint8_t> numbers;
    classes.resize(256);
    for (unsigned byte = 0; byte < 256; ++byte) {
      auto [entry, fresh] = numbers.try_emplace(
          columns[byte], static_cast<uint8_t>(examples.size()));
      if (fresh)
        examples.push_back(byte);
      classes[byte] = entry->second;
    }
    table.classCount = examples.size();
    for (ByteState &state : states) {
      Entries byClass;
      for (auto [byte, target] : state.entries)
        if (examples[classes[byte]] == byte)
          byClass.push_back({classes[byte], target});
      if (reporting(state))
        byClass.push_back({table.classCount, state.report});
      state.entries = std::move(byClass);
    }
  }

  static bool reporting(const ByteState &state) {
    return state.report && state.report != inCharacter;
  }

  /// Chooses a base for each state, the fullest first; state 0 keeps base 0.
  bool chooseBases(std::vector<uint32_t> &base) {
    std::vector<uint32_t> order(states.size());
    for (uint32_t i = 0; i < order.size(); ++i)
      order[i] = i;
    std::sort(order.begin() + 1, order.end(), [&](uint32_t a, uint32_t b) {
      size_t sizeA = states[a].entries.size(), sizeB = states[b].entries.size();
      return sizeA != sizeB ? sizeA > sizeB : a < b;
    });
    std::vector<uint8_t> baseTaken(maxBase + 2), slotTaken(maxBase + 258);
    uint32_t firstFree[2] = {0, 1}; // by parity
    base.assign(states.size(), 0);
    for (uint32_t s : order) {
      const Entries &entries = states[s].entries;
      uint32_t &first = firstFree[reporting(states[s])];
      while (first <= maxBase && baseTaken[first])
        first += 2;
      auto fits = [&](uint32_t b) {
        if (baseTaken[b])
          return false;
        for (auto [cls, target] : entries)
          if (slotTaken[b + cls])
            return false;
        return true;
      };
      uint32_t b = first;
      while (b <= maxBase && !fits(b))
        b += 2;
      if (b > maxBase)
        return false;
      base[s] = b;
      baseTaken[b] = 1;
      for (auto [cls, target] : entries)
        slotTaken[b + cls] = 1;
    }
    return true;
  }

  bool place() {
    uint32_t classCount = table.classCount;
    table.stateCount = states.size();
    table.rowCount = rows.size();
    std::vector<uint32_t> base;
    if (rows.size() > 256 || classCount >= noClass ||
        dfa.reports.size() >= 0x7FFE || dfa.outcomes.size() > 0x7FFF ||
        !chooseBases(base))
      return false;
    auto word = [&](uint32_t s) { return base[s] | states[s].row << 16; };
    uint32_t bases = *std::max_element(base.begin(), base.end()) + 1;
    table.comb.assign(bases + classCount + 1, noClass);
    for (uint32_t s = 0; s < states.size(); ++s)
      for (auto [cls, target] : states[s].entries)
        table.comb[base[s] + cls] =
            (cls == classCount ? target : word(target)) << 8 | cls;
    for (uint8_t cls : classes)
      table.bytes.push_back(cls | cls * table.rowCount << 16);
    for (uint32_t cls = 0; cls < classCount; ++cls)
      for (const Row &row : rows)
        table.rows.push_back(word(row[examples[cls]]));
    table.forkMasks.resize(forkMasks.size());
    for (auto [mask, place] : forkMasks)
      table.forkMasks[place] = mask;
    table.forkSides.resize(2 * forkSides.size());
    for (auto [sides, place] : forkSides) {
      table.forkSides[2 * place] = word(sides.first);
      table.forkSides[2 * place + 1] = word(sides.second);
    }
    table.start = word(byteState(dfa.start));
    table.middle = word(byteState(dfa.middle));
    for (const CharDfa::Report &report : dfa.reports) {
      // Elements 0 and 4 differ in context::word alone.
      table.readsWords |= report[0] != report[4] || report[3] != report[5];
      for (uint32_t outcome : report)
        table.outcomes.push_back(outcome |
                                 (dfa.outcomes[outcome].final ? 0x8000 : 0));
    }
    for (const CharDfa::Outcome &outcome : dfa.outcomes)
      table.resume.push_back(word(byteState(outcome.resume)));
    return true;
  }

  const CharDfa &dfa;
  const Alphabet &alphabet;
  ByteTable &table;
  std::vector<Row> rows;
  std::map<Row, uint32_t> rowNumbers;
  std::vector<ByteState> states;
  std::unordered_map<std::vector<uint32_t>, uint32_t, ContinuationHash>
      insideNumbers;
  std::map<uint64_t, uint32_t> forkMasks;
  std::map<std::pair<uint32_t, uint32_t>, uint32_t> forkSides;
  std::vector<uint8_t> classes;
  std::vector<unsigned> examples; // a byte of each class
};
} // namespace

bool packTable(const CharDfa &dfa, const Alphabet &alphabet,
               ByteTable &result) {
  return Packer(dfa, alphabet, result).run();
}

} // namespace route::text
