// Text predicates as automaton tables.
// Numbers the bits, builds one automaton for all patterns, and divides them
// where one would grow past the limit.
#include "route/Text/Scanner.h"

#include "route/Text/Gate.h"
#include "route/Text/Kernels.h"

#include <algorithm>
#include <bit>

namespace route::text {

static std::string quoted(const Pattern &pattern) {
  return (pattern.kind == Pattern::Keyword ? "keyword '"
                                           : "regular expression '") +
         pattern.text + "'";
}

static std::string tooLarge(const Pattern &pattern, AutomatonLimits limits) {
  return quoted(pattern) + " needs an automaton beyond the limit of " +
         std::to_string(limits.states) + " states";
}

namespace {
/// A pattern, or the factor that another one requires, and the bits it sets.
struct Job {
  Pattern pattern;
  std::vector<uint32_t> bits;
  RegexPtr factor = nullptr;
};

class ScannerBuilder {
public:
  ScannerBuilder(AutomatonLimits limits, std::string &error)
      : limits(limits), error(error) {}

  std::optional<Scanner> run(const std::vector<Predicate> &predicates) {
    number(predicates);
    size_t always = addFactors();
    scanner.words = std::max<uint32_t>(1, (bitCount + 63) / 64);
    if (always > 0 && !build(0, always, {}))
      return std::nullopt;
    if (always < jobs.size() && !build(always, jobs.size(), gate))
      return std::nullopt;
    return std::move(scanner);
  }

private:
  uint32_t jobFor(const Pattern &pattern) {
    for (uint32_t i = 0; i < jobs.size(); ++i)
      if (jobs[i].pattern == pattern)
        return i;
    jobs.push_back({pattern, {}, nullptr});
    return jobs.size() - 1;
  }

  void number(const std::vector<Predicate> &predicates) {
    std::map<uint32_t, uint32_t> single; // a job's own bit
    for (const Predicate &predicate : predicates) {
      Scanner::Answer answer{predicate.mode, {}};
      bool together =
          predicate.mode == Mode::Any && predicate.patterns.size() > 1;
      if (together)
        answer.bits.push_back(bitCount++);
      for (const Pattern &pattern : predicate.patterns) {
        uint32_t job = jobFor(pattern);
        if (together) {
          jobs[job].bits.push_back(answer.bits[0]);
          continue;
        }
        auto [entry, fresh] = single.try_emplace(job, bitCount);
        if (fresh) {
          jobs[job].bits.push_back(bitCount++);
        }
        answer.bits.push_back(entry->second);
      }
      // Equal patterns in one list count once.
      std::sort(answer.bits.begin(), answer.bits.end());
      answer.bits.erase(std::unique(answer.bits.begin(), answer.bits.end()),
                        answer.bits.end());
      scanner.answers.push_back(std::move(answer));
    }
  }

  /// Decides which expressions wait for their factor. Puts them last, adds the
  /// factors in front of them and returns the number of jobs that always run.
  size_t addFactors() {
    auto waits = [](const Job &job) {
      std::string ignored;
      if (job.pattern.kind != Pattern::Expression)
        return RegexPtr();
      RegexPtr tree = parseRegex(job.pattern.text,
                                 job.pattern.fold == Fold::Simple, ignored);
      return tree && isSticky(*tree) ? requiredFactor(*tree) : RegexPtr();
    };
    std::vector<Job> rest, waiting, factors;
    for (Job &job : jobs) {
      RegexPtr factor = waits(job);
      if (!factor) {
        rest.push_back(std::move(job));
        continue;
      }
      factors.push_back({job.pattern, {}, std::move(factor)});
      waiting.push_back(std::move(job));
    }
    bool separate =
        uint64_t(countStates(rest)) * countStates(waiting) > limits.product;
    if (separate) {
      for (Job &factor : factors) {
        factor.bits.push_back(bitCount++);
        rest.push_back(std::move(factor));
      }
      gate.assign((bitCount + 63) / 64, 0);
      for (uint32_t bit = bitCount - factors.size(); bit < bitCount; ++bit)
        gate[bit / 64] |= uint64_t(1) << (bit % 64);
    }
    size_t always = separate ? rest.size() : rest.size() + waiting.size();
    for (Job &job : waiting)
      rest.push_back(std::move(job));
    jobs = std::move(rest);
    return always;
  }

  /// The states of an automaton for some jobs alone; the limit when it is
  /// exceeded or a pattern is wrong, which build() reports.
  uint32_t countStates(const std::vector<Job> &some) {
    Nfa nfa;
    for (const Job &job : some)
      if (!nfa.add(job.pattern, 0).empty())
        return limits.states;
    CharDfa dfa;
    Alphabet alphabet(nfa);
    return some.empty() ? 0
           : determinizeScan(nfa, alphabet, limits.states, dfa)
               ? dfa.states.size()
               : limits.states;
  }

  bool build(size_t begin, size_t end, const std::vector<uint64_t> &onDemand) {
    Nfa nfa;
    for (size_t job = begin; job < end; ++job) {
      std::string problem = jobs[job].factor ? nfa.add(*jobs[job].factor, job)
                                             : nfa.add(jobs[job].pattern, job);
      if (!problem.empty()) {
        error = quoted(jobs[job].pattern) + ": " + problem;
        return false;
      }
    }
    Alphabet alphabet(nfa);
    CharDfa dfa;
    Scanner::Pass pass;
    if (determinizeScan(nfa, alphabet, limits.states, dfa) &&
        packTable(dfa, alphabet, pass.table)) {
      addMasks(dfa, begin, end, pass);
      pass.gate = onDemand;
      scanner.passes.push_back(std::move(pass));
      return true;
    }
    if (end - begin == 1) {
      error = tooLarge(jobs[begin].pattern, limits);
      return false;
    }
    size_t middle = begin + (end - begin) / 2;
    return build(begin, middle, onDemand) && build(middle, end, onDemand);
  }

  /// Outcome i of the automaton becomes row i + 1, outcome 0 row 0: row 1 is
  /// kept for the bits of all patterns.
  void addMasks(const CharDfa &dfa, size_t begin, size_t end,
                Scanner::Pass &pass) {
    uint32_t words = scanner.words;
    pass.masks.assign((dfa.outcomes.size() + 1) * words, 0);
    auto set = [&](size_t row, size_t job) {
      for (uint32_t bit : jobs[job].bits)
        pass.masks[row * words + bit / 64] |= uint64_t(1) << (bit % 64);
    };
    for (size_t job = begin; job < end; ++job)
      set(1, job);
    for (size_t outcome = 1; outcome < dfa.outcomes.size(); ++outcome)
      for (uint32_t job : dfa.outcomes[outcome].ids)
        set(outcome + 1, job);
    for (uint16_t &outcome : pass.table.outcomes)
      outcome += outcome != 0;
  }

  AutomatonLimits limits;
  std::string &error;
  std::vector<Job> jobs;
  std::vector<uint64_t> gate;
  uint32_t bitCount = 0;
  Scanner scanner;
};
} // namespace

std::optional<Scanner> buildScanner(const std::vector<Predicate> &predicates,
                                    AutomatonLimits limits,
                                    std::string &error) {
  return ScannerBuilder(limits, error).run(predicates);
}

static const uint8_t *bytesOf(std::string_view text) {
  return reinterpret_cast<const uint8_t *>(text.data());
}

void Scanner::scanBits(std::string_view text, uint64_t *found) const {
  const WordTables &cuts = wordTables();
  uint64_t *scratch = passes.size() == 1 ? found : found + words;
  std::fill(found, found + words, 0);
  for (const Pass &pass : passes) {
    uint64_t asked = pass.gate.empty();
    for (size_t w = 0; w < pass.gate.size(); ++w)
      asked |= found[w] & pass.gate[w];
    if (!asked)
      continue;
    const ByteTable &t = pass.table;
    route_text_scan(bytesOf(text), text.size(), t.bytes.data(), t.rows.data(),
                    t.comb.data(), t.classCount, t.outcomes.data(),
                    t.forkMasks.data(), t.forkSides.data(), cuts.blocks.data(),
                    cuts.bits.data(), pass.masks.data(), t.start, t.middle,
                    words, scratch);
    for (uint32_t w = 0; w < words; ++w)
      found[w] |= scratch[w];
  }
}

std::vector<int64_t> Scanner::scan(std::string_view text) const {
  std::vector<uint64_t> found(5 * words);
  scanBits(text, found.data());
  std::vector<int64_t> result;
  for (const Answer &answer : answers) {
    int64_t hits = 0;
    for (uint32_t bit : answer.bits)
      hits += found[bit / 64] >> (bit % 64) & 1;
    result.push_back(answer.mode == Mode::Count ? hits
                     : answer.mode == Mode::All
                         ? hits == static_cast<int64_t>(answer.bits.size())
                         : hits > 0);
  }
  return result;
}

//===----------------------------------------------------------------------===//
// Finders
//===----------------------------------------------------------------------===//

static bool buildFinder(const Nfa &nfa, AutomatonLimits limits, CharDfa &dfa,
                        Finder &finder) {
  Alphabet alphabet(nfa);
  return determinizeFind(nfa, alphabet, limits.states, dfa) &&
         packTable(dfa, alphabet, finder.table);
}

std::optional<Finder> buildFinder(const Pattern &pattern,
                                  AutomatonLimits limits, std::string &error) {
  if (pattern.kind == Pattern::Expression) {
    RegexPtr tree =
        parseRegex(pattern.text, pattern.fold == Fold::Simple, error);
    if (!tree) {
      error = quoted(pattern) + ": " + error;
      return std::nullopt;
    }
    if (shortestMatch(*tree) == 0) {
      error =
          quoted(pattern) +
          " may match the empty text, of which every text has endlessly many";
      return std::nullopt;
    }
  }
  Nfa nfa;
  std::string problem = nfa.add(pattern, 0);
  if (!problem.empty()) {
    error = quoted(pattern) + ": " + problem;
    return std::nullopt;
  }
  CharDfa dfa;
  Finder finder;
  if (!buildFinder(nfa, limits, dfa, finder)) {
    error = tooLarge(pattern, limits);
    return std::nullopt;
  }
  return finder;
}

std::optional<Finder> buildKeywordFinder(std::vector<Pattern> keywords,
                                         AutomatonLimits limits,
                                         std::string &error) {
  // Earlier alternatives win, so the longest go first.
  keywords = longestFirst(keywords);
  Nfa nfa;
  for (size_t i = 0; i < keywords.size(); ++i) {
    std::string problem = nfa.add(keywords[i], i);
    if (keywords[i].kind != Pattern::Keyword)
      problem = "a regular expression has no fixed length; keywords only";
    else if (keywords[i].fold == Fold::Full || keywords[i].fold == Fold::Nfkc)
      problem =
          "the fold changes the number of characters; exact or simple only";
    if (!problem.empty()) {
      error = quoted(keywords[i]) + ": " + problem;
      return std::nullopt;
    }
  }
  CharDfa dfa;
  Finder finder;
  if (!buildFinder(nfa, limits, dfa, finder)) {
    error = std::to_string(keywords.size()) +
            " keywords need an automaton beyond the limit of " +
            std::to_string(limits.states) + " states";
    return std::nullopt;
  }
  for (const CharDfa::Outcome &outcome : dfa.outcomes)
    finder.lengths.push_back(
        outcome.ids.empty() ? 0
                            : decodeAll(keywords[outcome.ids[0]].text).size());
  return finder;
}

const Finder &wordFinder() {
  static const Finder finder = [] {
    auto run = std::make_unique<Regex>(Regex::Repeat);
    run->min = 1;
    run->max = Regex::unbounded;
    run->children.push_back(makeSet(wordCharacters()));
    Regex either(Regex::Alternate);
    either.children.push_back(std::move(run));
    either.children.push_back(makeSet(cjkCharacters()));
    Nfa nfa;
    nfa.add(either, 0);
    CharDfa dfa;
    Finder result;
    buildFinder(nfa, AutomatonLimits(), dfa, result);
    return result;
  }();
  return finder;
}

static int64_t find(const Finder &finder, std::string_view text,
                    int64_t *covered) {
  const WordTables &cuts = wordTables();
  const ByteTable &t = finder.table;
  return route_text_find(
      bytesOf(text), text.size(), t.bytes.data(), t.rows.data(), t.comb.data(),
      t.classCount, t.outcomes.data(), t.forkMasks.data(), t.forkSides.data(),
      cuts.blocks.data(), cuts.bits.data(), t.start, t.resume.data(),
      covered ? finder.lengths.data() : nullptr, covered);
}

int64_t Finder::count(std::string_view text) const {
  return find(*this, text, nullptr);
}

int64_t Finder::covered(std::string_view text) const {
  int64_t bytes = 0;
  find(*this, text, &bytes);
  return bytes;
}

} // namespace route::text
