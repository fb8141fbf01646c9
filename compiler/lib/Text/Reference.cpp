// Patterns and counts, the plain way.
// The oracle for every automaton: threads that walk the nondeterministic
// automaton a character at a time, and counts by definition.
#include "route/Text/Functions.h"
#include "route/Text/Nfa.h"

#include <algorithm>
#include <cmath>

namespace route::text {

namespace {
/// A text as characters with their places.
struct Characters {
  explicit Characters(std::string_view text) {
    for (size_t at = 0; at < text.size();) {
      Decoded next = decode(text, at);
      codepoints.push_back(next.codepoint);
      offsets.push_back(at);
      contexts.push_back(contextOf(next.codepoint));
      at += next.size;
    }
    offsets.push_back(text.size());
  }
  size_t size() const { return codepoints.size(); }
  uint8_t before(size_t position) const {
    return position == 0 ? context::edge : contexts[position - 1];
  }
  uint8_t after(size_t position) const {
    return position == size() ? context::edge : contexts[position];
  }

  std::vector<char32_t> codepoints;
  std::vector<size_t> offsets;
  std::vector<uint8_t> contexts;
};

/// Walks one automaton; `Thread` order is priority.
class Simulation {
public:
  Simulation(const Nfa &nfa, const Characters &text)
      : nfa(nfa), text(text), seen(nfa.getNodes().size(), SIZE_MAX) {}

  struct Match {
    size_t begin, end; // in characters
    uint32_t id;
  };

  /// The preferred leftmost match that begins at `from` or later.
  std::optional<Match> find(size_t from) {
    std::optional<Match> best;
    std::vector<Thread> threads, next;
    for (size_t at = from;; ++at) {
      ++stamp;
      next.clear();
      for (Thread thread : threads)
        follow(thread.node, thread.begin, at, next);
      if (!best)
        for (uint32_t start : nfa.getStarts())
          follow(start, at, at, next);
      threads.clear();
      for (Thread thread : next) {
        const Nfa::Node &node = nfa.getNodes()[thread.node];
        if (node.kind == Nfa::Match) {
          best = Match{thread.begin, at, node.operand};
          break; // those behind it have lower priority
        }
        if (at < text.size() &&
            nfa.getSets()[node.operand].contains(text.codepoints[at]))
          threads.push_back({node.out, thread.begin});
      }
      if (at == text.size() || (best && threads.empty()))
        return best;
    }
  }

private:
  struct Thread {
    uint32_t node;
    size_t begin;
  };

  void follow(uint32_t from, size_t begin, size_t at,
              std::vector<Thread> &threads) {
    std::vector<uint32_t> stack{from};
    while (!stack.empty()) {
      uint32_t index = stack.back();
      stack.pop_back();
      if (seen[index] == stamp)
        continue;
      seen[index] = stamp;
      const Nfa::Node &node = nfa.getNodes()[index];
      if (node.kind == Nfa::Split) {
        stack.push_back(node.other);
        stack.push_back(node.out);
      } else if (node.kind == Nfa::Assert) {
        if (holds(static_cast<Assertion>(node.operand), text.before(at),
                  text.after(at)))
          stack.push_back(node.out);
      } else {
        threads.push_back({index, begin});
      }
    }
  }

  const Nfa &nfa;
  const Characters &text;
  std::vector<size_t> seen;
  size_t stamp = 0;
};

bool isWord(char32_t c) { return wordCharacters().contains(c); }

int64_t countWords(std::string_view text) {
  int64_t words = 0;
  bool inside = false;
  for (char32_t c : decodeAll(text)) {
    bool word = isWord(c);
    words += (word && !inside) || cjkCharacters().contains(c);
    inside = word;
  }
  return words;
}

/// Calls line(begin, end) for each line; `end` is behind its '\n', if it has
/// one.
template <typename Function>
void forEachLine(std::string_view text, Function line) {
  for (size_t begin = 0; begin < text.size();) {
    size_t newline = text.find('\n', begin);
    size_t end = newline == std::string_view::npos ? text.size() : newline + 1;
    line(text.substr(begin, end - begin));
    begin = end;
  }
}

bool isFence(std::string_view line) {
  size_t spaces = 0;
  while (spaces < 3 && spaces < line.size() && line[spaces] == ' ')
    ++spaces;
  line.remove_prefix(spaces);
  return line.substr(0, 3) == "```" || line.substr(0, 3) == "~~~";
}
} // namespace

int64_t measure(Measure what, std::string_view text) {
  auto bytesThat = [&](auto predicate) {
    return static_cast<int64_t>(
        std::count_if(text.begin(), text.end(), [&](char c) {
          return predicate(static_cast<unsigned char>(c));
        }));
  };
  switch (what) {
  case Measure::Bytes:
    return text.size();
  case Measure::Chars:
    return decodeAll(text).size();
  case Measure::Words:
    return countWords(text);
  case Measure::Lines:
    return bytesThat([](unsigned char c) { return c == '\n'; }) +
           (!text.empty() && text.back() != '\n');
  case Measure::Digits:
    return bytesThat([](unsigned char c) { return c >= '0' && c <= '9'; });
  case Measure::Uppers:
    return bytesThat([](unsigned char c) { return c >= 'A' && c <= 'Z'; });
  case Measure::Puncts:
    return bytesThat([](unsigned char c) {
      return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') ||
             (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
    });
  case Measure::Spaces:
    return bytesThat(
        [](unsigned char c) { return c == ' ' || (c >= '\t' && c <= '\r'); });
  case Measure::Wide:
    return bytesThat([](unsigned char c) { return c >= 0x80; });
  case Measure::Fences: {
    int64_t fences = 0;
    forEachLine(text, [&](std::string_view line) { fences += isFence(line); });
    return fences;
  }
  case Measure::Fenced: {
    int64_t bytes = 0;
    bool open = false;
    forEachLine(text, [&](std::string_view line) {
      if (isFence(line))
        open = !open;
      else if (open)
        bytes += line.size();
    });
    return bytes;
  }
  }
  return 0;
}

int64_t estimate(std::string_view text, double bytesPerToken) {
  return static_cast<int64_t>(
      std::ceil(static_cast<double>(text.size()) / bytesPerToken));
}

bool occurs(const Pattern &pattern, std::string_view text) {
  Nfa nfa;
  nfa.add(pattern, 0);
  Characters characters(text);
  return Simulation(nfa, characters).find(0).has_value();
}

int64_t answer(const Predicate &predicate, std::string_view text) {
  int64_t hits = 0, distinct = 0;
  for (size_t i = 0; i < predicate.patterns.size(); ++i) {
    const Pattern &pattern = predicate.patterns[i];
    auto earlier = predicate.patterns.begin() + i;
    if (std::find(predicate.patterns.begin(), earlier, pattern) != earlier)
      continue;
    ++distinct;
    hits += occurs(pattern, text);
  }
  return predicate.mode == Mode::Any   ? hits > 0
         : predicate.mode == Mode::All ? hits == distinct
                                       : hits;
}

/// Adds up function(match) over the successive matches of `nfa`.
template <typename Function>
static int64_t overMatches(const Nfa &nfa, std::string_view text,
                           Function function) {
  Characters characters(text);
  Simulation simulation(nfa, characters);
  int64_t total = 0;
  size_t from = 0;
  while (auto match = simulation.find(from)) {
    total += function(characters.offsets[match->begin],
                      characters.offsets[match->end]);
    // An empty match, which callers exclude, would not advance.
    from = std::max(match->end, from + 1);
    if (from >= characters.size())
      break;
  }
  return total;
}

int64_t countOf(const Pattern &pattern, std::string_view text) {
  Nfa nfa;
  nfa.add(pattern, 0);
  return overMatches(nfa, text, [](size_t, size_t) { return 1; });
}

float density(std::span<const Pattern> keywords, std::string_view text) {
  if (text.empty())
    return 0.0f;
  std::vector<Pattern> sorted = longestFirst(keywords);
  Nfa nfa;
  for (size_t i = 0; i < sorted.size(); ++i)
    nfa.add(sorted[i], i);
  int64_t inside = overMatches(
      nfa, text, [](size_t begin, size_t end) { return end - begin; });
  return static_cast<float>(inside) / static_cast<float>(text.size());
}

std::vector<float> structure(std::string_view text) {
  std::vector<float> result;
  for (Measure what : structureMeasures)
    result.push_back(text.empty() ? 0.0f
                                  : static_cast<float>(measure(what, text)) /
                                        static_cast<float>(text.size()));
  return result;
}

} // namespace route::text
