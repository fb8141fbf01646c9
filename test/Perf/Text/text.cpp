// Times the text scan on one core against other matchers.
// RE2::Set, RE2 pattern by pattern, and Hyperscan or Vectorscan where it was
// found when this was built. All look for the same patterns on the same texts;
// their answers are compared.
//
//   build/bin/bench-text PATTERNS TEXTS [BYTES]
//
// PATTERNS: a line `k keyword` (between \b, caseless) or `r expression`
// (caseless) each; patterns.py makes it from a semantic-router policy. TEXTS: a
// text a line; they are repeated and joined to BYTES each (0: as they stand).
#include "route/Text/Scanner.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <re2/re2.h>
#include <re2/set.h>
#ifdef ROUTE_HYPERSCAN
#include <hs/hs.h>
#endif

using namespace route::text;

namespace {
using Bits = std::vector<char>;

double now() {
  return std::chrono::duration<double>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

/// Runs scan(text) over all texts, repeatedly; prints the median speed.
template <typename Scan>
void measure(const char *name, const std::vector<std::string> &texts,
             Scan scan) {
  size_t bytes = 0;
  for (const std::string &text : texts)
    bytes += text.size();
  std::vector<double> times;
  for (double begin = now(); times.size() < 5 || now() - begin < 1.5;) {
    double start = now();
    for (const std::string &text : texts)
      scan(text);
    times.push_back(now() - start);
  }
  std::nth_element(times.begin(), times.begin() + times.size() / 2,
                   times.end());
  double median = times[times.size() / 2];
  double best = *std::min_element(times.begin(), times.end());
  std::printf("%-24s %8.3f GB/s  best %8.3f  %10.0f ns a text\n", name,
              bytes / median / 1e9, bytes / best / 1e9,
              median / texts.size() * 1e9);
}

bool agree(const char *name, const Bits &ours, const Bits &theirs,
           const std::vector<std::string> &patterns) {
  for (size_t i = 0; i < ours.size(); ++i)
    if (ours[i] != theirs[i]) {
      std::printf("%s disagrees on '%s': ours %d\n", name, patterns[i].c_str(),
                  ours[i]);
      return false;
    }
  return true;
}
} // namespace

int main(int argc, char **argv) {
  if (argc < 3) {
    std::printf("usage: bench-text PATTERNS TEXTS [BYTES]\n");
    return 2;
  }
  std::vector<Predicate> predicates;
  std::vector<std::string> expressions;
  std::string line;
  for (std::ifstream file(argv[1]); std::getline(file, line);) {
    if (line.size() < 3)
      continue;
    Pattern pattern;
    pattern.kind = line[0] == 'r' ? Pattern::Expression : Pattern::Keyword;
    pattern.text = line.substr(2);
    pattern.fold = Fold::Simple;
    if (line[0] == 'k')
      pattern.boundary = Boundary::Ascii;
    bool bounded = boundedEnds(pattern).first;
    expressions.push_back(line[0] == 'r' ? pattern.text
                          : bounded
                              ? "\\b" + RE2::QuoteMeta(pattern.text) + "\\b"
                              : RE2::QuoteMeta(pattern.text));
    predicates.push_back({Mode::Any, {pattern}});
  }
  std::vector<std::string> lines, texts;
  for (std::ifstream file(argv[2]); std::getline(file, line);)
    lines.push_back(line);
  size_t wanted = argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 0;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (wanted == 0 || texts.empty() || texts.back().size() >= wanted)
      texts.emplace_back();
    texts.back() += lines[i] + "\n";
  }

  std::string error;
  double start = now();
  auto scanner = buildScanner(predicates, AutomatonLimits(), error);
  if (!scanner)
    return std::printf("%s\n", error.c_str()), 1;
  size_t tables = 0;
  for (const Scanner::Pass &pass : scanner->passes)
    tables += pass.table.size() + 8 * pass.masks.size();
  std::printf("%zu patterns, %zu texts of %zu bytes on average; %zu pass, %zu "
              "KB of tables, built in %.0f ms\n",
              predicates.size(), texts.size(),
              texts.empty() ? 0 : texts[0].size(), scanner->passes.size(),
              tables / 1024, (now() - start) * 1e3);

  RE2::Options options;
  options.set_case_sensitive(false);
  options.set_max_mem(1 << 28);
  RE2::Set set(options, RE2::UNANCHORED);
  std::vector<std::unique_ptr<RE2>> singles;
  for (const std::string &expression : expressions) {
    set.Add(expression, nullptr);
    singles.push_back(std::make_unique<RE2>(expression, options));
  }
  set.Compile();

  std::vector<int> matched;
  auto ours = [&](const std::string &text) {
    std::vector<int64_t> found = scanner->scan(text);
    return Bits(found.begin(), found.end());
  };
  auto bySet = [&](const std::string &text) { set.Match(text, &matched); };
#ifdef ROUTE_HYPERSCAN
  std::vector<const char *> sources;
  std::vector<unsigned> flags, ids;
  for (const std::string &expression : expressions) {
    sources.push_back(expression.c_str());
    flags.push_back(HS_FLAG_CASELESS | HS_FLAG_SINGLEMATCH | HS_FLAG_UTF8);
    ids.push_back(ids.size());
  }
  hs_database_t *database = nullptr;
  hs_compile_error_t *problem = nullptr;
  hs_scratch_t *scratch = nullptr;
  if (hs_compile_multi(sources.data(), flags.data(), ids.data(), ids.size(),
                       HS_MODE_BLOCK, nullptr, &database,
                       &problem) != HS_SUCCESS)
    return std::printf("hyperscan: %s\n", problem->message), 1;
  hs_alloc_scratch(database, &scratch);
  Bits byHyperscan(expressions.size());
  auto hyperscan = [&](const std::string &text) {
    std::fill(byHyperscan.begin(), byHyperscan.end(), 0);
    hs_scan(
        database, text.data(), text.size(), 0, scratch,
        [](unsigned id, unsigned long long, unsigned long long, unsigned,
           void *bits) {
          (*static_cast<Bits *>(bits))[id] = 1;
          return 0;
        },
        &byHyperscan);
  };
#endif

  for (const std::string &text : texts) {
    Bits mine = ours(text), theirs(expressions.size());
    bySet(text);
    for (int id : matched)
      theirs[id] = 1;
    if (!agree("RE2::Set", mine, theirs, expressions))
      return 1;
  }
  std::vector<uint64_t> found(5 * scanner->words);
  auto bits = [&](const std::string &text) {
    scanner->scanBits(text, found.data());
  };
  measure("route scan", texts, bits);
  measure("RE2::Set", texts, bySet);
#ifdef ROUTE_HYPERSCAN
  measure("Hyperscan", texts, hyperscan);
#endif
  measure("route scan, again", texts, bits);
  measure("RE2, one by one",
          {texts.begin(), texts.begin() + std::min<size_t>(texts.size(), 40)},
          [&](const std::string &text) {
            for (auto &single : singles)
              RE2::PartialMatch(text, *single);
          });
}
