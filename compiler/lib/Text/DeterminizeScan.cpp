// Which patterns occur.
// The subset construction without order. What begins at the current position is
// the same in every state and therefore kept out of the sets: it is computed
// once a context and merged into each step.
#include "route/Text/Dfa.h"

#include <algorithm>
#include <unordered_map>

namespace route::text {

namespace {
using Ids = std::vector<uint32_t>;

/// Nodes that wait: for a character (Chars), for what follows (Assert), for the
/// report (Match). `fired` is filled in place of the latter two once what
/// follows is known.
struct Reach {
  Ids leaves, fired;
};

struct Key {
  Ids leaves;
  uint8_t before;
  bool operator==(const Key &) const = default;
};

struct KeyHash {
  size_t operator()(const Key &key) const {
    uint64_t hash = 0x9E3779B97F4A7C15u + key.before;
    for (uint32_t leaf : key.leaves)
      hash = (hash ^ leaf) * 0x100000001B3u + (hash >> 29);
    return hash;
  }
};

void normalize(Ids &ids) {
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
}

void append(Ids &to, const Ids &from) {
  to.insert(to.end(), from.begin(), from.end());
}

class Builder {
public:
  Builder(const Nfa &nfa, const Alphabet &alphabet, uint32_t maxStates,
          CharDfa &result)
      : nfa(nfa), alphabet(alphabet), maxStates(maxStates), dfa(result),
        reports(result), simulators(nfa.computeSimulators()),
        stamps(nfa.getNodes().size(), 0) {}

  bool run() {
    uint8_t edge = context::edge & nfa.getContextUsed();
    dfa.start = stateFor({{}, edge});
    dfa.middle = stateFor({{}, 0});
    for (uint32_t state = 0; state < keys.size(); ++state) {
      if (keys.size() > maxStates || work > maxConstructionWork)
        return false;
      expand(state);
    }
    return true;
  }

private:
  /// Follows splits from the nodes on the stack, and assertions as far as they
  /// are decided: by what is before alone, or by both sides when `after` >= 0.
  void walk(uint8_t before, int after, Reach &reach) {
    const std::vector<Nfa::Node> &nodes = nfa.getNodes();
    while (!stack.empty()) {
      uint32_t at = stack.back();
      stack.pop_back();
      if (stamps[at] == stamp)
        continue;
      stamps[at] = stamp;
      const Nfa::Node &node = nodes[at];
      switch (node.kind) {
      case Nfa::Chars:
        reach.leaves.push_back(at);
        break;
      case Nfa::Split:
        stack.push_back(node.other);
        stack.push_back(node.out);
        break;
      case Nfa::Match:
        if (after >= 0)
          reach.fired.push_back(node.operand);
        else
          reach.leaves.push_back(at);
        break;
      case Nfa::Assert: {
        auto assertion = static_cast<Assertion>(node.operand);
        if (after >= 0 || decidedBefore(assertion)) {
          if (holds(assertion, before,
                    after < 0 ? 0 : static_cast<uint8_t>(after)))
            stack.push_back(node.out);
        } else {
          reach.leaves.push_back(at);
        }
        break;
      }
      }
    }
  }

  /// What `leaves` become once the next character's context is known.
  Reach resolve(const Ids &leaves, uint8_t before, uint8_t after) {
    Reach reach;
    ++stamp;
    stack.assign(leaves.begin(), leaves.end());
    walk(before, after, reach);
    return reach;
  }

  /// Drops the leaves that others in the set make redundant; `leaves` is
  /// sorted.
  void prune(Ids &leaves) {
    work += leaves.size();
    Ids kept;
    for (uint32_t leaf : leaves)
      if (std::none_of(simulators[leaf].begin(), simulators[leaf].end(),
                       [&](uint32_t by) {
                         return std::binary_search(leaves.begin(), leaves.end(),
                                                   by);
                       }))
        kept.push_back(leaf);
    leaves = std::move(kept);
  }

  /// What begins at a position, by the two contexts around it.
  const Reach &begins(uint8_t before, uint8_t after) {
    auto [entry, fresh] = beginCache.try_emplace(before << 8 | after);
    if (fresh)
      entry->second = resolve(nfa.getStarts(), before, after);
    return entry->second;
  }

  /// Where one character leads from a Chars leaf.
  const Ids &after(uint32_t leaf, uint8_t before) {
    auto [entry, fresh] = afterCache.try_emplace(uint64_t(leaf) << 8 | before);
    if (fresh) {
      Reach reach;
      ++stamp;
      stack.assign(1, nfa.getNodes()[leaf].out);
      walk(before, -1, reach);
      entry->second = std::move(reach.leaves);
    }
    return entry->second;
  }

  uint32_t stateFor(Key key) {
    prune(key.leaves);
    auto [entry, fresh] = numbers.try_emplace(std::move(key), keys.size());
    if (fresh) {
      keys.push_back(&entry->first);
      dfa.states.emplace_back();
    }
    return entry->second;
  }

  /// The row of the state in which nothing has begun: per class, what the
  /// beginnings lead to.
  struct Root {
    uint32_t row;
    std::vector<Ids> targets;
  };

  const Root &rootFor(uint8_t before) {
    auto [entry, fresh] = roots.try_emplace(before);
    Root &root = entry->second;
    if (!fresh)
      return root;
    root.targets.resize(alphabet.size());
    for (uint8_t next : alphabet.distinctContexts())
      for (uint32_t leaf : begins(before, next).leaves)
        for (uint32_t cls :
             alphabet.classesOf(nfa.getNodes()[leaf].operand, next))
          append(root.targets[cls], after(leaf, next));
    std::vector<uint32_t> row;
    for (uint32_t cls = 0; cls < alphabet.size(); ++cls) {
      normalize(root.targets[cls]);
      row.push_back(stateFor({root.targets[cls], alphabet.contextOf(cls)}));
    }
    root.row = dfa.rows.size();
    dfa.rows.push_back(std::move(row));
    return root;
  }

  uint32_t reportFor(const Key &key) {
    CharDfa::Report report{};
    bool waiting = false; // for the report or for what follows
    for (uint32_t leaf : key.leaves)
      waiting |= nfa.getNodes()[leaf].kind != Nfa::Chars;
    for (size_t i = 0; i < contextCount; ++i) {
      Ids fired = begins(key.before, contextValues[i]).fired;
      if (waiting)
        append(fired, resolve(key.leaves, key.before, contextValues[i]).fired);
      normalize(fired);
      report[i] = reports.outcome({std::move(fired), 0, false});
    }
    return reports.report(report);
  }

  void expand(uint32_t state) {
    const Key &key = *keys[state];
    const Root &root = rootFor(key.before);
    own.resize(alphabet.size());
    touched.clear();
    for (uint8_t next : alphabet.distinctContexts()) {
      if (key.leaves.empty())
        break;
      for (uint32_t leaf : resolve(key.leaves, key.before, next).leaves) {
        const Ids &reached = after(leaf, next);
        for (uint32_t cls :
             alphabet.classesOf(nfa.getNodes()[leaf].operand, next)) {
          work += reached.size();
          if (own[cls].empty())
            touched.push_back(cls);
          append(own[cls], reached);
        }
      }
    }
    normalize(touched); // a class whose reach stays empty is listed again
    std::vector<std::pair<uint32_t, uint32_t>> overrides;
    for (uint32_t cls : touched) {
      Ids target = std::move(own[cls]);
      own[cls].clear();
      append(target, root.targets[cls]);
      normalize(target);
      uint32_t to = stateFor({std::move(target), alphabet.contextOf(cls)});
      if (to != dfa.rows[root.row][cls])
        overrides.push_back({cls, to});
    }
    uint32_t report = reportFor(key);
    dfa.states[state].row = root.row;
    dfa.states[state].report = report;
    dfa.states[state].overrides = std::move(overrides);
  }

  const Nfa &nfa;
  const Alphabet &alphabet;
  uint32_t maxStates;
  CharDfa &dfa;
  ReportTable reports;
  std::unordered_map<Key, uint32_t, KeyHash> numbers;
  std::vector<const Key *> keys;
  std::map<uint32_t, Reach> beginCache;
  std::unordered_map<uint64_t, Ids> afterCache;
  std::map<uint8_t, Root> roots;
  std::vector<Ids> own;
  Ids touched, stack;
  std::vector<Ids> simulators;
  std::vector<uint32_t> stamps;
  uint32_t stamp = 0;
  uint64_t work = 0;
};
} // namespace

uint32_t ReportTable::outcome(const CharDfa::Outcome &outcome) {
  auto [entry, fresh] = outcomes.try_emplace(outcome, dfa.outcomes.size());
  if (fresh)
    dfa.outcomes.push_back(outcome);
  return entry->second;
}

uint32_t ReportTable::report(const CharDfa::Report &report) {
  auto [entry, fresh] = reports.try_emplace(report, dfa.reports.size());
  if (fresh)
    dfa.reports.push_back(report);
  return entry->second;
}

bool determinizeScan(const Nfa &nfa, const Alphabet &alphabet,
                     uint32_t maxStates, CharDfa &result) {
  result = CharDfa();
  return Builder(nfa, alphabet, maxStates, result).run();
}

} // namespace route::text
