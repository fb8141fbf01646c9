// Compiled text functions against the reference.
// `--emit SEED` prints a module whose function `ask` answers random questions
// about a text; `--check SEED LIBRARY` runs it, compiled, on random texts.
#include "route/Text/Functions.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <random>

using namespace route::text;

namespace {
constexpr int64_t dim = 96;

const char *const words[] = {"ignore", "api",  "c++", "café", "密码", "Straße",
                             "a",      "rule", "の",  "x_y",  "I",    "k"};
const char *const expressions[] = {"\\bdef\\b",
                                   "a+b",
                                   "[0-9]{2,4}",
                                   "(?i)api[_ -]?key",
                                   "^ignore",
                                   "密码$",
                                   "\\pL+\\d",
                                   "[^a]\\n",
                                   "(?m)^#",
                                   "(a|b)*abb",
                                   "\\bsk-[A-Za-z0-9_-]{4,}\\b"};
const char *const measures[] = {"bytes",  "chars",  "words",  "lines",
                                "digits", "uppers", "puncts", "spaces",
                                "wide",   "fences", "fenced"};

struct Questions {
  std::vector<Predicate> predicates;
  std::vector<Pattern> counted;
  std::vector<Pattern> dense;
  NgramOptions bytes, words;
};

class Random {
public:
  explicit Random(uint64_t seed) : engine(seed) {}
  unsigned below(unsigned n) { return engine() % n; }

  Pattern keyword(unsigned folds) {
    Pattern pattern;
    pattern.text = words[below(std::size(words))];
    if (below(3) == 0)
      pattern.text += std::string(" ") + words[below(std::size(words))];
    pattern.fold = static_cast<Fold>(below(folds));
    pattern.boundary = static_cast<Boundary>(below(3));
    return pattern;
  }
  Pattern expression() {
    Pattern pattern;
    pattern.kind = Pattern::Expression;
    pattern.text = expressions[below(std::size(expressions))];
    pattern.fold = static_cast<Fold>(below(2));
    return pattern;
  }

  Questions questions() {
    Questions result;
    for (unsigned i = 0, n = 2 + below(70); i < n; ++i) {
      Predicate predicate;
      predicate.mode = static_cast<Mode>(below(3));
      for (unsigned j = 0, m = below(5); j < m; ++j)
        predicate.patterns.push_back(below(2) ? keyword(4) : expression());
      result.predicates.push_back(predicate);
    }
    for (int i = 0; i < 3; ++i)
      result.counted.push_back(expression());
    for (int i = 0; i < 4; ++i)
      result.dense.push_back(keyword(2));
    result.bytes = options(Unit::Bytes);
    result.words = options(Unit::Words);
    return result;
  }

  std::string text() {
    std::string result;
    for (unsigned i = 0, n = below(4) ? below(40) : below(2000); i < n; ++i) {
      switch (below(12)) {
      case 0:
        result += "\n";
        break;
      case 1:
        result += std::to_string(below(100000));
        break;
      case 2:
        result += below(20) ? "ab" : "```\n";
        break;
      case 3:
        if (below(40) == 0)
          result.push_back(static_cast<char>(below(256)));
        break;
      case 4:
        result += "api-KEY sk-abcd_9 # def ";
        break;
      default:
        result += words[below(std::size(words))];
        result += below(3) ? " " : "";
      }
    }
    return result;
  }

private:
  NgramOptions options(Unit unit) {
    NgramOptions result;
    result.lo = 1 + below(3);
    result.hi = result.lo + below(3);
    result.unit = unit;
    result.dim = dim;
    result.hash = static_cast<Hash>(below(2));
    result.seed = below(1000);
    result.weighting = static_cast<Weighting>(below(3));
    result.norm = static_cast<Norm>(below(2));
    return result;
  }

  std::mt19937_64 engine;
};

std::string show(const Pattern &pattern) {
  const char *folds[] = {"exact", "simple", "full", "nfkc"};
  const char *boundaries[] = {"none", "word", "ascii"};
  std::string text;
  for (unsigned char c : pattern.text) {
    char escaped[4];
    std::snprintf(escaped, sizeof escaped, "\\%02X", c);
    text += escaped;
  }
  return std::string("<") +
         (pattern.kind == Pattern::Keyword ? "keyword" : "regex") + " \"" +
         text + "\" fold = " + folds[int(pattern.fold)] +
         " boundary = " + boundaries[int(pattern.boundary)] + ">";
}

std::string show(const Predicate &predicate) {
  const char *modes[] = {"any", "all", "count"};
  std::string result = std::string("<") + modes[int(predicate.mode)] + " [";
  for (size_t i = 0; i < predicate.patterns.size(); ++i)
    result += (i ? ", " : "") + show(predicate.patterns[i]);
  return result + "]>";
}

void emitNgrams(const char *out, const NgramOptions &options) {
  const char *units[] = {"bytes", "words"}, *hashes[] = {"xxh3", "fnv1a"};
  const char *weightings[] = {"count", "binary", "log"},
             *norms[] = {"none", "l2"};
  std::printf(
      "  signal.ngrams %%t into %s {lo = %d : i64, hi = %d : i64, unit = "
      "#signal<unit %s>, hash = #signal<hash %s>, seed = %d : i64, "
      "weighting = #signal<weighting %s>, norm = #signal<norm %s>} : "
      "memref<%dxf32>\n",
      out, int(options.lo), int(options.hi), units[int(options.unit)],
      hashes[int(options.hash)], int(options.seed),
      weightings[int(options.weighting)], norms[int(options.norm)], int(dim));
}

/// The module: `ask` reads text %i of a buffer, so that a loop over a request
/// array is what runs.
void emit(const Questions &questions) {
  std::printf("func.func @ask(%%texts: memref<?x!signal.text>, %%n: index, "
              "%%numbers: memref<?x?xi64>, %%ratios: memref<?xf32>, "
              "%%a: memref<%dxf32>, %%b: memref<%dxf32>) {\n",
              int(dim), int(dim));
  std::printf("  %%c0 = arith.constant 0 : index\n  %%c1 = arith.constant 1 : "
              "index\n  scf.for %%i = %%c0 to %%n step %%c1 {\n"
              "  %%t = memref.load %%texts[%%i] : memref<?x!signal.text>\n");
  int place = 0;
  auto store = [&](int value) {
    std::printf("  %%p%d = arith.constant %d : index\n  memref.store %%v%d, "
                "%%numbers[%%i, %%p%d] : memref<?x?xi64>\n",
                place, place, value, place);
    ++place;
  };
  int value = 0;
  for (const Predicate &predicate : questions.predicates) {
    bool count = predicate.mode == Mode::Count;
    std::printf("  %%%s%d = signal.match %s %%t : %s\n", count ? "v" : "q",
                value, show(predicate).c_str(), count ? "i64" : "i1");
    if (!count)
      std::printf("  %%v%d = arith.extui %%q%d : i1 to i64\n", value, value);
    store(value++);
  }
  for (const Pattern &pattern : questions.counted) {
    std::printf("  %%v%d = signal.count %s %%t\n", value,
                show(pattern).c_str());
    store(value++);
  }
  for (const char *measure : measures) {
    std::printf("  %%v%d = signal.measure %s %%t\n", value, measure);
    store(value++);
  }
  std::printf("  %%v%d = signal.estimate %%t per 3.5\n", value);
  store(value++);
  std::printf("  %%k = signal.constant \"a\"\n  %%e = signal.equal %%t, %%k\n"
              "  %%v%d = arith.extui %%e : i1 to i64\n",
              value);
  store(value++);
  std::string dense;
  for (const Pattern &pattern : questions.dense)
    dense += (dense.empty() ? "#signal.pattern" : ", #signal.pattern") +
             show(pattern);
  std::printf("  %%d = signal.density [%s] %%t\n  memref.store %%d, "
              "%%ratios[%%i] : memref<?xf32>\n",
              dense.c_str());
  emitNgrams("%a", questions.bytes);
  emitNgrams("%b", questions.words);
  std::printf("  }\n  return\n}\n");
}

std::vector<int64_t> reference(const Questions &questions,
                               std::string_view text) {
  std::vector<int64_t> result;
  for (const Predicate &predicate : questions.predicates)
    result.push_back(answer(predicate, text));
  for (const Pattern &pattern : questions.counted)
    result.push_back(countOf(pattern, text));
  for (size_t i = 0; i < std::size(measures); ++i)
    result.push_back(measure(static_cast<Measure>(i), text));
  result.push_back(estimate(text, 3.5));
  result.push_back(text == "a");
  return result;
}

/// `ask` with its memrefs expanded: allocated and aligned pointer, offset,
/// sizes, strides.
using Ask = void (*)(void *, void *, int64_t, int64_t, int64_t, int64_t,
                     int64_t, // texts, [n][2]
                     int64_t, // n
                     int64_t *, int64_t *, int64_t, int64_t, int64_t, int64_t,
                     int64_t, // numbers, [n][m]
                     float *, float *, int64_t, int64_t, int64_t,  // ratios
                     float *, float *, int64_t, int64_t, int64_t,  // a
                     float *, float *, int64_t, int64_t, int64_t); // b

int check(Random &random, const Questions &questions, const char *library) {
  void *handle = dlopen(library, RTLD_NOW);
  auto ask = handle ? reinterpret_cast<Ask>(dlsym(handle, "ask")) : nullptr;
  if (!ask)
    return std::printf("%s\n", dlerror()), 1;
  for (int round = 0; round < 20; ++round) {
    std::vector<std::string> texts;
    std::vector<std::pair<const char *, int64_t>> pairs;
    for (unsigned i = 0, n = 1 + random.below(5); i < n; ++i)
      texts.push_back(round == 0 ? "" : round == 1 ? "a" : random.text());
    for (const std::string &text : texts)
      pairs.push_back({text.data(), static_cast<int64_t>(text.size())});
    int64_t n = texts.size(), m = reference(questions, "").size();
    std::vector<int64_t> numbers(n * m);
    std::vector<float> ratios(n), a(dim), b(dim);
    // A buffer of texts is one of pairs of words.
    ask(pairs.data(), pairs.data(), 0, n, 2, 2, 1, n, numbers.data(),
        numbers.data(), 0, n, m, m, 1, ratios.data(), ratios.data(), 0, n, 1,
        a.data(), a.data(), 0, dim, 1, b.data(), b.data(), 0, dim, 1);
    for (int64_t i = 0; i < n; ++i) {
      std::vector<int64_t> wanted = reference(questions, texts[i]);
      for (int64_t j = 0; j < m; ++j)
        if (numbers[i * m + j] != wanted[j])
          return std::printf("question %d on '%s': found %lld, expected %lld\n",
                             int(j), texts[i].c_str(),
                             (long long)numbers[i * m + j],
                             (long long)wanted[j]),
                 1;
      if (ratios[i] != density(questions.dense, texts[i]))
        return std::printf("density of '%s': found %g, expected %g\n",
                           texts[i].c_str(), ratios[i],
                           density(questions.dense, texts[i])),
               1;
    }
    if (std::memcmp(a.data(), ngrams(texts.back(), questions.bytes).data(),
                    4 * dim) != 0 ||
        std::memcmp(b.data(), ngrams(texts.back(), questions.words).data(),
                    4 * dim) != 0)
      return std::printf("features of '%s' differ\n", texts.back().c_str()), 1;
  }
  std::printf("compiled and reference agree\n");
  return 0;
}
} // namespace

int main(int argc, char **argv) {
  if (argc < 3)
    return 2;
  Random random(std::strtoull(argv[2], nullptr, 10));
  Questions questions = random.questions();
  if (std::strcmp(argv[1], "--emit") == 0)
    return emit(questions), 0;
  return argc < 4 ? 2 : check(random, questions, argv[3]);
}
