// Code points grouped into classes.
// A sweep over the ends of all ranges partitions the code points; the UTF-8
// trie is built once and shared by every state.
#include "route/Text/Alphabet.h"

#include <algorithm>
#include <set>

namespace route::text {

Alphabet::Alphabet(const Nfa &nfa) {
  partition(nfa);
  buildTrie();
}

void Alphabet::partition(const Nfa &nfa) {
  // The automaton's sets, then the context sets that it reads.
  std::vector<CodepointSet> sets = nfa.getSets();
  std::vector<std::pair<size_t, uint8_t>> contextSets;
  auto addContext = [&](uint8_t bit, const CodepointSet &set) {
    if (nfa.getContextUsed() & bit) {
      contextSets.push_back({sets.size(), bit});
      sets.push_back(set);
    }
  };
  addContext(context::newline, {{'\n', '\n'}});
  addContext(context::asciiWord,
             {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}});
  addContext(context::word, wordCharacters());

  struct Event {
    char32_t at;
    uint32_t set;
    bool begin;
  };
  std::vector<Event> events;
  for (size_t i = 0; i < sets.size(); ++i)
    for (auto [low, high] : sets[i].ranges()) {
      events.push_back({low, static_cast<uint32_t>(i), true});
      events.push_back({high + 1, static_cast<uint32_t>(i), false});
    }
  std::sort(events.begin(), events.end(),
            [](const Event &a, const Event &b) { return a.at < b.at; });

  std::set<uint32_t> active;
  std::map<std::vector<uint32_t>, uint32_t> classNumbers;
  std::vector<std::vector<uint32_t>> members;
  auto open = [&](char32_t at) {
    auto [entry, fresh] = classNumbers.try_emplace(
        {active.begin(), active.end()}, members.size());
    if (fresh)
      members.push_back(entry->first);
    intervalStarts.push_back(at);
    intervalClasses.push_back(entry->second);
  };
  size_t next = 0;
  for (char32_t at = 0; at <= maxCodepoint;) {
    for (; next < events.size() && events[next].at == at; ++next) {
      if (events[next].begin)
        active.insert(events[next].set);
      else
        active.erase(events[next].set);
    }
    open(at);
    at = next < events.size() ? events[next].at : maxCodepoint + 1;
  }

  contexts.assign(members.size(), 0);
  for (uint32_t cls = 0; cls < members.size(); ++cls) {
    for (auto [set, bit] : contextSets)
      if (std::binary_search(members[cls].begin(), members[cls].end(), set))
        contexts[cls] |= bit;
    for (uint32_t set : members[cls])
      if (set < nfa.getSets().size())
        setClasses[{set, contexts[cls]}].push_back(cls);
  }
  std::set<uint8_t> values(contexts.begin(), contexts.end());
  distinct.assign(values.begin(), values.end());
}

uint32_t Alphabet::classOf(char32_t codepoint) const {
  auto after =
      std::upper_bound(intervalStarts.begin(), intervalStarts.end(), codepoint);
  return intervalClasses[after - intervalStarts.begin() - 1];
}

/// The end of the interval of `codepoint`, exclusive.
uint64_t Alphabet::intervalEnd(char32_t codepoint) const {
  auto after =
      std::upper_bound(intervalStarts.begin(), intervalStarts.end(), codepoint);
  return after == intervalStarts.end() ? uint64_t(maxCodepoint) + 1 : *after;
}

const std::vector<uint32_t> &Alphabet::classesOf(uint32_t set,
                                                 uint8_t context) const {
  static const std::vector<uint32_t> none;
  auto entry = setClasses.find({set, context});
  return entry == setClasses.end() ? none : entry->second;
}

/// The edge for the code points [base, base + span), of which only those in
/// [low, high) are well-formed here. Uniform stretches are found by interval,
/// so the work follows the number of intervals.
Alphabet::Edge Alphabet::subtree(uint64_t base, uint64_t span, uint64_t low,
                                 uint64_t high) {
  if (base + span <= low || base >= high)
    return {};
  if (span == 1)
    return {Edge::Class, classOf(base)};
  // A node over one interval looks like every other node over its class.
  uint32_t cls = classOf(base);
  bool uniform =
      base >= low && base + span <= high && intervalEnd(base) >= base + span;
  if (uniform)
    if (auto known = uniformNodes.find({cls, span});
        known != uniformNodes.end())
      return known->second;
  TrieNode node(64);
  uint64_t step = span / 64;
  for (unsigned i = 0; i < 64; ++i)
    node[i] = subtree(base + i * step, step, low, high);
  auto [entry, fresh] = trieNumbers.try_emplace(node, trie.size());
  if (fresh)
    trie.push_back(std::move(node));
  Edge result{Edge::Node, entry->second};
  if (uniform)
    uniformNodes[{cls, span}] = result;
  return result;
}

void Alphabet::buildTrie() {
  firstEdges.assign(256, Edge());
  for (unsigned byte = 0; byte < 0x80; ++byte)
    firstEdges[byte] = {Edge::Class, classOf(byte)};
  for (unsigned byte = 0xC2; byte <= 0xDF; ++byte)
    firstEdges[byte] = subtree((byte & 0x1F) << 6, 64, 0x80, 0x800);
  for (unsigned byte = 0xE0; byte <= 0xEF; ++byte) {
    // Surrogates have no UTF-8 form: 0xED ends at U+D7FF.
    uint64_t high = byte == 0xED ? 0xD800 : 0x10000;
    firstEdges[byte] = subtree((byte & 0x0F) << 12, 4096, 0x800, high);
  }
  for (unsigned byte = 0xF0; byte <= 0xF4; ++byte)
    firstEdges[byte] =
        subtree((byte & 0x07) << 18, 262144, 0x10000, maxCodepoint + 1);

  nodesOfClass.resize(size());
  std::vector<std::set<uint32_t>> below(trie.size());
  for (uint32_t node = 0; node < trie.size(); ++node) {
    // Children are numbered before their parents.
    for (const Edge &edge : trie[node]) {
      if (edge.kind == Edge::Class)
        below[node].insert(edge.index);
      else if (edge.kind == Edge::Node)
        below[node].insert(below[edge.index].begin(), below[edge.index].end());
    }
    for (uint32_t cls : below[node])
      nodesOfClass[cls].push_back(node);
  }
}

} // namespace route::text
