// Code points grouped into classes.
// Characters that no pattern tells apart share a class, and the UTF-8 forms of
// all classes share one trie: how an automaton over characters becomes one over
// bytes.
#ifndef ROUTE_TEXT_ALPHABET_H
#define ROUTE_TEXT_ALPHABET_H

#include "route/Text/Nfa.h"

namespace route::text {

class Alphabet {
public:
  explicit Alphabet(const Nfa &nfa);

  /// The number of classes.
  uint32_t size() const { return contexts.size(); }
  uint32_t classOf(char32_t codepoint) const;
  /// The context bits of a class, of those that the automaton reads.
  uint8_t contextOf(uint32_t cls) const { return contexts[cls]; }
  /// The distinct values of contextOf().
  const std::vector<uint8_t> &distinctContexts() const { return distinct; }
  /// The classes of a set of the automaton with the given context.
  const std::vector<uint32_t> &classesOf(uint32_t set, uint8_t context) const;

  /// One trie node: what each continuation byte 0x80 + i leads to.
  struct Edge {
    enum Kind : uint8_t { Invalid, Class, Node };
    Kind kind = Invalid;
    uint32_t index = 0;
    bool operator==(const Edge &) const = default;
    auto operator<=>(const Edge &) const = default;
  };
  using TrieNode = std::vector<Edge>; // 64 edges
  const std::vector<TrieNode> &getTrie() const { return trie; }
  /// What each first byte leads to.
  const Edge &first(uint8_t byte) const { return firstEdges[byte]; }
  /// The trie nodes below which a class occurs.
  const std::vector<uint32_t> &nodesWith(uint32_t cls) const {
    return nodesOfClass[cls];
  }

private:
  void partition(const Nfa &nfa);
  void buildTrie();
  uint64_t intervalEnd(char32_t codepoint) const;
  Edge subtree(uint64_t base, uint64_t span, uint64_t low, uint64_t high);

  std::vector<char32_t> intervalStarts;
  std::vector<uint32_t> intervalClasses;
  std::vector<uint8_t> contexts, distinct;
  std::map<std::pair<uint32_t, uint8_t>, std::vector<uint32_t>> setClasses;
  std::vector<TrieNode> trie;
  std::map<TrieNode, uint32_t> trieNumbers;
  std::map<std::pair<uint32_t, uint64_t>, Edge> uniformNodes;
  std::vector<Edge> firstEdges;
  std::vector<std::vector<uint32_t>> nodesOfClass;
};

} // namespace route::text

#endif // ROUTE_TEXT_ALPHABET_H
