// Which nodes make others redundant.
// The simulation preorder inside each small expression, as a greatest fixed
// point: p is simulated by q when q reads all that p reads and each place p
// goes to is simulated by one that q goes to.
#include "route/Text/Nfa.h"

#include <algorithm>

namespace route::text {

static constexpr uint32_t maxNodes = 200;

static bool subset(const CodepointSet &inner, const CodepointSet &outer) {
  auto range = outer.ranges().begin(), end = outer.ranges().end();
  for (auto [low, high] : inner.ranges()) {
    while (range != end && range->second < low)
      ++range;
    if (range == end || range->first > low || range->second < high)
      return false;
  }
  return true;
}

namespace {
class Expression {
public:
  Expression(const Nfa &nfa, uint32_t first, uint32_t end)
      : nfa(nfa), first(first), count(end - first), next(count),
        related(count * count) {}

  void run(std::vector<std::vector<uint32_t>> &simulators) {
    for (uint32_t p = 0; p < count; ++p) {
      if (node(p).kind == Nfa::Chars || node(p).kind == Nfa::Assert)
        reach(node(p).out - first, next[p]);
      for (uint32_t q = 0; q < count; ++q)
        related[p * count + q] = compatible(p, q);
    }
    for (bool changed = true; changed;) {
      changed = false;
      for (uint32_t p = 0; p < count; ++p)
        for (uint32_t q = 0; q < count; ++q)
          if (related[p * count + q] && !follows(p, q)) {
            related[p * count + q] = false;
            changed = true;
          }
    }
    for (uint32_t p = 0; p < count; ++p)
      for (uint32_t q = 0; q < count; ++q)
        // Of equals the first stays.
        if (p != q && related[p * count + q] &&
            (q < p || !related[q * count + p]))
          simulators[first + p].push_back(first + q);
  }

private:
  const Nfa::Node &node(uint32_t index) const {
    return nfa.getNodes()[first + index];
  }

  /// The nodes other than splits that `from` leads to without a character.
  void reach(uint32_t from, std::vector<uint32_t> &to) {
    std::vector<bool> seen(count);
    std::vector<uint32_t> stack{from};
    while (!stack.empty()) {
      uint32_t at = stack.back();
      stack.pop_back();
      if (seen[at])
        continue;
      seen[at] = true;
      if (node(at).kind != Nfa::Split) {
        to.push_back(at);
        continue;
      }
      stack.push_back(node(at).out - first);
      stack.push_back(node(at).other - first);
    }
  }

  bool compatible(uint32_t p, uint32_t q) const {
    if (node(p).kind != node(q).kind || node(p).kind == Nfa::Split)
      return false;
    return node(p).kind == Nfa::Chars ? subset(nfa.getSets()[node(p).operand],
                                               nfa.getSets()[node(q).operand])
                                      : node(p).operand == node(q).operand;
  }

  bool follows(uint32_t p, uint32_t q) const {
    return std::all_of(next[p].begin(), next[p].end(), [&](uint32_t after) {
      return std::any_of(next[q].begin(), next[q].end(), [&](uint32_t other) {
        return related[after * count + other];
      });
    });
  }

  const Nfa &nfa;
  uint32_t first, count;
  std::vector<std::vector<uint32_t>> next;
  std::vector<bool> related;
};
} // namespace

std::vector<std::vector<uint32_t>> Nfa::computeSimulators() const {
  std::vector<std::vector<uint32_t>> result(nodes.size());
  for (auto [first, end] : expressions)
    if (end - first <= maxNodes)
      Expression(*this, first, end).run(result);
  return result;
}

} // namespace route::text
