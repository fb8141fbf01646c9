// Differential fuzzing of the text automata.
// Random keywords and regular expressions on random texts, against RE2, a naive
// keyword matcher and the reference.
//
//   text-automaton-fuzz SEED ROUNDS
//
// An empty SEED takes one of its own. The seed is printed.
#include "route/Text/Functions.h"
#include "route/Text/Scanner.h"

#include <cstdio>
#include <cstdlib>
#include <random>
#include <re2/re2.h>

using namespace route::text;

namespace {
/// Characters that meet each other's foldings, widths and word classes.
const char *const letters[] = {"a",  "b",  "A",  "B",      "s", "k", "K", " ",
                               "\n", "_",  "1",  "-",      ".", "é", "É", "ſ",
                               "中", "の", "😀", "\u0301", "ß", "ﬁ"};

class Fuzzer {
public:
  explicit Fuzzer(uint64_t seed) : random(seed) {}

  bool run(int rounds) {
    for (int round = 0; round < rounds; ++round)
      if (!matching() || !counting() || !parsing())
        return false;
    return true;
  }

private:
  unsigned below(unsigned n) { return random() % n; }
  const char *letter() { return letters[below(std::size(letters))]; }

  /// Mostly well-formed text; long ones take the blocked scan.
  std::string text(bool valid) {
    std::string result;
    unsigned length = below(8) == 0 ? below(3000) : below(24);
    for (unsigned i = 0; i < length; ++i) {
      if (!valid && below(12) == 0)
        result.push_back(static_cast<char>(below(256)));
      else
        result += letter();
    }
    return result;
  }

  std::string charClass() {
    std::string result = below(3) ? "[" : "[^";
    for (unsigned i = 0, n = 1 + below(3); i < n; ++i) {
      const char *parts[] = {"a-c",       "0-9", "\\d",  "\\w",   "\\s",
                             "[:alpha:]", "é-ö", "\\pL", "一-龥", "k"};
      result += parts[below(std::size(parts))];
    }
    return result + "]";
  }

  std::string expression(int depth) {
    switch (below(depth > 0 ? 14 : 7)) {
    case 0: {
      const char *classes[] = {"\\d", "\\w",  "\\W",        "\\s",
                               ".",   "\\pL", "\\p{Greek}", "\\x{4e2d}"};
      return classes[below(std::size(classes))];
    }
    case 1:
      return charClass();
    case 2: {
      const char *asserts[] = {"\\b", "\\B", "^", "$", "\\A", "\\z"};
      return below(3) ? std::string("ab") : asserts[below(std::size(asserts))];
    }
    case 7:
      return "(" + expression(depth - 1) + ")";
    case 8:
      return "(?:" + expression(depth - 1) + "|" + expression(depth - 1) + ")";
    case 9:
      return "(?i:" + expression(depth - 1) + ")";
    case 10:
      return "(?:" + expression(depth - 1) + ")" + repetition();
    case 11:
      return charClass() + repetition();
    case 12:
      return "(?sm-i:" + expression(depth - 1) + ")";
    case 13:
      return expression(depth - 1) + expression(depth - 1);
    default: {
      const char *one = letter();
      return *one == '.' ? "\\." : one;
    }
    }
  }

  std::string repetition() {
    const char *kinds[] = {"*",  "+",   "?",     "*?",   "+?",
                           "??", "{2}", "{1,3}", "{2,}", "{0,2}?"};
    return kinds[below(std::size(kinds))];
  }

  Pattern keyword() {
    Pattern pattern;
    for (unsigned i = 0, n = 1 + below(4); i < n; ++i)
      pattern.text += letter();
    pattern.fold = static_cast<Fold>(below(4));
    pattern.boundary = static_cast<Boundary>(below(3));
    pattern.anchor = below(4)   ? Anchor::None
                     : below(2) ? Anchor::Start
                                : Anchor::End;
    return pattern;
  }

  /// RE2's \B also holds between the bytes of a character; ours, as Go's, does
  /// not.
  static bool splitsCharacters(const Pattern &pattern) {
    return pattern.text.find("\\B") != std::string::npos;
  }

  static RE2::Options options(const Pattern &pattern) {
    RE2::Options result;
    result.set_log_errors(false);
    result.set_case_sensitive(pattern.fold == Fold::Exact);
    return result;
  }

  /// What RE2 reads in place of ill-formed bytes.
  static std::string replaced(const std::string &text) {
    std::string result;
    for (char32_t c : decodeAll(text))
      encode(c, result);
    return result;
  }

  /// A keyword at each place in turn, by comparing folded characters.
  static bool naive(const Pattern &pattern, const std::string &text) {
    std::vector<char32_t> all = decodeAll(text), keys = decodeAll(pattern.text);
    std::u32string wanted =
        foldText(std::u32string(keys.begin(), keys.end()), pattern.fold);
    auto word = [&](size_t at) {
      return at < all.size() && wordCharacters().contains(all[at]);
    };
    auto asciiWord = [&](size_t at) {
      return at < all.size() && (contextOf(all[at]) & context::asciiWord);
    };
    KeywordEnds ends = boundedEnds(pattern);
    for (size_t begin = 0; begin < all.size(); ++begin) {
      std::u32string folded;
      size_t end = begin;
      while (folded.size() < wanted.size() && end < all.size())
        folded += foldCharacter(all[end++], pattern.fold);
      if (folded != wanted)
        continue;
      if ((pattern.anchor == Anchor::Start && begin != 0) ||
          (pattern.anchor == Anchor::End && end != all.size()))
        continue;
      if (pattern.boundary == Boundary::Ascii) {
        if (ends.first && asciiWord(begin - 1) == asciiWord(begin))
          continue;
        if (ends.last && asciiWord(end - 1) == asciiWord(end))
          continue;
      } else {
        if (ends.first && word(begin - 1))
          continue;
        if (ends.last && word(end))
          continue;
      }
      return true;
    }
    return false;
  }

  bool different(const char *what, const Pattern &pattern,
                 const std::string &text, int64_t got, int64_t wanted) {
    std::printf("%s: pattern '%s' kind %d fold %d boundary %d anchor %d\ntext "
                "'%s'\nfound %lld, expected %lld\n",
                what, pattern.text.c_str(), pattern.kind, int(pattern.fold),
                int(pattern.boundary), int(pattern.anchor), text.c_str(),
                (long long)got, (long long)wanted);
    return false;
  }

  bool matching() {
    std::vector<Predicate> predicates;
    for (unsigned i = 0, n = 1 + below(6); i < n; ++i) {
      Pattern pattern;
      if (below(2)) {
        pattern = keyword();
      } else {
        pattern.kind = Pattern::Expression;
        pattern.text = expression(3);
        pattern.fold = below(2) ? Fold::Simple : Fold::Exact;
      }
      if (checkPattern(pattern).empty())
        predicates.push_back({Mode::Any, {pattern}});
    }
    if (predicates.size() > 2)
      predicates.push_back(
          {static_cast<Mode>(below(3)),
           {predicates[0].patterns[0], predicates[1].patterns[0],
            predicates[0].patterns[0]}});
    std::string error;
    // Low limits now and then divide the patterns between passes.
    AutomatonLimits limits;
    limits.states = below(4) ? 4000 : 60;
    limits.product = below(2) ? 4096 : 1;
    auto scanner = buildScanner(predicates, limits, error);
    if (!scanner)
      return limits.states == 60 || (std::printf("%s\n", error.c_str()), false);
    for (int i = 0; i < 6; ++i) {
      std::string input = text(below(2));
      std::vector<int64_t> found = scanner->scan(input);
      for (size_t p = 0; p < predicates.size(); ++p) {
        const Pattern &pattern = predicates[p].patterns[0];
        int64_t wanted = answer(predicates[p], input);
        if (found[p] != wanted)
          return different("scan and reference differ", pattern, input,
                           found[p], wanted);
        if (predicates[p].patterns.size() > 1 || splitsCharacters(pattern))
          continue;
        bool other =
            pattern.kind == Pattern::Keyword
                ? naive(pattern, input)
                : RE2::PartialMatch(replaced(input),
                                    RE2(pattern.text, options(pattern)));
        if (other != (wanted != 0))
          return different("reference and oracle differ", pattern, input,
                           wanted, other);
      }
    }
    return true;
  }

  bool counting() {
    Pattern pattern;
    pattern.kind = Pattern::Expression;
    pattern.text = expression(3);
    std::string error;
    auto finder = buildFinder(pattern, AutomatonLimits(), error);
    std::vector<Pattern> keywords;
    for (unsigned i = 0, n = 1 + below(4); i < n; ++i) {
      keywords.push_back(keyword());
      keywords.back().fold = static_cast<Fold>(below(2));
      keywords.back().anchor = Anchor::None;
    }
    auto covering = buildKeywordFinder(keywords, AutomatonLimits(), error);
    if (!covering)
      return std::printf("%s\n", error.c_str()), false;
    for (int i = 0; i < 4; ++i) {
      std::string input = text(below(2));
      float wanted = density(keywords, input);
      float found = input.empty()
                        ? 0
                        : float(covering->covered(input)) / float(input.size());
      if (found != wanted)
        return different("densities differ", keywords[0], input,
                         covering->covered(input), wanted * input.size());
      if (!finder)
        continue;
      int64_t reference = countOf(pattern, input), fast = finder->count(input);
      if (reference != fast)
        return different("counts differ", pattern, input, fast, reference);
      if (splitsCharacters(pattern))
        continue;
      std::string clean = replaced(input);
      re2::StringPiece rest(clean), whole(clean), match;
      RE2 re(pattern.text, options(pattern));
      int64_t count = 0;
      for (size_t at = 0;
           re.Match(whole, at, whole.size(), RE2::UNANCHORED, &match, 1);
           ++count)
        at = match.data() + match.size() - whole.data();
      if (count != reference)
        return different("count and RE2 differ", pattern, input, reference,
                         count);
    }
    return true;
  }

  /// Random bytes of syntax: both parsers take it or both refuse.
  bool parsing() {
    const char *parts[] = {
        "(", ")", "[", "]",         "*",      "+?",    "{2,3}", "|",   "\\",
        "a", "-", "^", "$",         "(?i",    ":",     "?",     "\\Q", "\\E",
        "{", "}", ",", "[:alpha:]", "\\p{L}", "\\x41", "é",     "P<n>"};
    std::string pattern;
    for (unsigned i = 0, n = 1 + below(8); i < n; ++i)
      pattern += parts[below(std::size(parts))];
    Pattern ours;
    ours.kind = Pattern::Expression;
    ours.text = pattern;
    std::string error = checkPattern(ours);
    RE2 theirs(pattern, options(ours));
    if (error.empty() == theirs.ok())
      return true;
    std::printf("parsers differ on '%s': ours '%s', RE2 '%s'\n",
                pattern.c_str(), error.c_str(), theirs.error().c_str());
    return false;
  }

  std::mt19937_64 random;
};
} // namespace

int main(int argc, char **argv) {
  uint64_t seed =
      argc > 1 ? std::strtoull(argv[1], nullptr, 10) : std::random_device()();
  int rounds = argc > 2 ? std::atoi(argv[2]) : 300;
  std::printf("seed %llu, %d rounds\n", (unsigned long long)seed, rounds);
  if (!Fuzzer(seed).run(rounds))
    return 1;
  std::printf("no difference\n");
  return 0;
}
