// One match after the other.
// The subset construction with order: a state is a list of threads by priority,
// those that began further left first. When a thread matches, those behind it
// are cut and nothing new begins; when none is left the match is final, at once
// or where the last of them ends.
#include "route/Text/Dfa.h"

#include <map>

namespace route::text {

namespace {
struct Key {
  std::vector<uint32_t> threads; // Chars, Assert and Match nodes by priority
  uint8_t before;
  bool open; // whether a match may still begin here
  auto operator<=>(const Key &) const = default;
};

class Builder {
public:
  Builder(const Nfa &nfa, const Alphabet &alphabet, uint32_t maxStates,
          CharDfa &result)
      : nfa(nfa), alphabet(alphabet), maxStates(maxStates), dfa(result),
        reports(result), stamps(nfa.getNodes().size(), 0) {}

  bool run() {
    dfa.start =
        stateFor({{}, uint8_t(context::edge & nfa.getContextUsed()), true});
    dfa.middle = stateFor({{}, 0, true});
    for (uint32_t state = 0; state < keys.size(); ++state) {
      if (keys.size() > maxStates || work > maxConstructionWork)
        return false;
      expand(state);
    }
    return true;
  }

private:
  /// Appends what `from` reaches without a character, by priority. With
  /// `after` < 0 assertions stay as threads unless the left side decides them,
  /// and Match nodes stay too.
  void follow(uint32_t from, uint8_t before, int after,
              std::vector<uint32_t> &threads) {
    std::vector<uint32_t> stack{from};
    while (!stack.empty()) {
      uint32_t at = stack.back();
      stack.pop_back();
      if (stamps[at] == stamp)
        continue;
      stamps[at] = stamp;
      const Nfa::Node &node = nfa.getNodes()[at];
      if (node.kind == Nfa::Split) {
        stack.push_back(node.other);
        stack.push_back(node.out);
      } else if (node.kind == Nfa::Assert) {
        auto assertion = static_cast<Assertion>(node.operand);
        if (after < 0 && !decidedBefore(assertion))
          threads.push_back(at);
        else if (holds(assertion, before,
                       after < 0 ? 0 : static_cast<uint8_t>(after)))
          stack.push_back(node.out);
      } else {
        threads.push_back(at);
      }
    }
  }

  /// The Chars threads that read the next character, whose context is `after`.
  /// Returns the pattern that matches in front of it, plus one, or 0.
  uint32_t resolve(const Key &key, uint8_t after,
                   std::vector<uint32_t> &readers, bool &open) {
    std::vector<uint32_t> all;
    ++stamp;
    for (uint32_t thread : key.threads)
      follow(thread, key.before, after, all);
    if (key.open)
      for (uint32_t start : nfa.getStarts())
        follow(start, key.before, after, all);
    open = key.open;
    for (uint32_t thread : all) {
      if (nfa.getNodes()[thread].kind == Nfa::Match) {
        open = false;
        return nfa.getNodes()[thread].operand + 1;
      }
      readers.push_back(thread);
    }
    return 0;
  }

  uint32_t stateFor(const Key &key) {
    auto [entry, fresh] = numbers.try_emplace(key, keys.size());
    if (fresh) {
      keys.push_back(&entry->first);
      dfa.states.emplace_back();
      dfa.states.back().final = key.threads.empty() && !key.open;
    }
    return entry->second;
  }

  /// Where each class leads, or `nowhere` where a match in front of it is final
  /// already.
  std::vector<uint32_t> step(const Key &key) {
    std::vector<uint32_t> row(alphabet.size(), nowhere);
    for (uint8_t next : alphabet.distinctContexts()) {
      std::vector<uint32_t> readers;
      bool open;
      if (resolve(key, next, readers, open) && readers.empty())
        continue;
      std::vector<std::vector<uint32_t>> threads(alphabet.size());
      for (uint32_t reader : readers)
        for (uint32_t cls :
             alphabet.classesOf(nfa.getNodes()[reader].operand, next))
          threads[cls].push_back(reader);
      for (uint32_t cls = 0; cls < alphabet.size(); ++cls) {
        if (alphabet.contextOf(cls) != next)
          continue;
        Key target{{}, next, open};
        ++stamp;
        for (uint32_t reader : threads[cls])
          follow(nfa.getNodes()[reader].out, next, -1, target.threads);
        if (target.threads.empty() && !open)
          target.before = 0; // dead
        work += target.threads.size() + 1;
        row[cls] = stateFor(target);
      }
    }
    return row;
  }

  void expand(uint32_t state) {
    Key key = *keys[state];
    CharDfa::Report report{};
    for (size_t i = 0; i < contextCount; ++i) {
      std::vector<uint32_t> readers;
      bool open;
      if (uint32_t matched = resolve(key, contextValues[i], readers, open))
        report[i] = reports.outcome(
            {{matched - 1}, stateFor({{}, key.before, true}), readers.empty()});
    }
    std::vector<uint32_t> row = step(key);

    // States that differ only in their threads share the row of the idle one.
    auto [entry, fresh] = roots.try_emplace({key.before, key.open}, 0u);
    if (fresh) {
      std::vector<uint32_t> rootRow =
          key.threads.empty() ? row : step({{}, key.before, key.open});
      entry->second = dfa.rows.size();
      dfa.rows.push_back(std::move(rootRow));
    }
    CharDfa::State &made = dfa.states[state];
    made.row = entry->second;
    made.report = reports.report(report);
    for (uint32_t cls = 0; cls < alphabet.size(); ++cls)
      if (row[cls] != nowhere && row[cls] != dfa.rows[made.row][cls])
        made.overrides.push_back({cls, row[cls]});
  }

  static constexpr uint32_t nowhere = UINT32_MAX;

  const Nfa &nfa;
  const Alphabet &alphabet;
  uint32_t maxStates;
  CharDfa &dfa;
  ReportTable reports;
  std::map<Key, uint32_t> numbers;
  std::vector<const Key *> keys;
  std::map<std::pair<uint8_t, bool>, uint32_t> roots;
  std::vector<uint32_t> stamps;
  uint32_t stamp = 0;
  uint64_t work = 0;
};
} // namespace

bool determinizeFind(const Nfa &nfa, const Alphabet &alphabet,
                     uint32_t maxStates, CharDfa &result) {
  result = CharDfa();
  return Builder(nfa, alphabet, maxStates, result).run();
}

} // namespace route::text
