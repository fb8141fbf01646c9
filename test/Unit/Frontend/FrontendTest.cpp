// Parser and formatter over many files.
// Two properties over all .route files below the given folders:
//   format   formatting is stable and keeps the syntax tree;
//   mutate   damaged files end in messages with places, never in a crash, and
//            whatever still parses has the first property.
// mutate prints its seed; ROUTE_TEST_SEED sets it.
#include "CheckText.h"
#include "route/Frontend/Parser.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include <algorithm>
#include <cstdlib>
#include <random>

using namespace route;

namespace {

struct Source {
  std::string path;
  std::string text;
};

std::vector<Source> load(llvm::ArrayRef<const char *> folders) {
  std::vector<Source> result;
  for (const char *folder : folders) {
    std::error_code error;
    for (llvm::sys::fs::recursive_directory_iterator it(folder, error), end;
         it != end && !error; it.increment(error))
      if (llvm::sys::path::extension(it->path()) == ".route")
        if (auto buffer = llvm::MemoryBuffer::getFile(it->path()))
          result.push_back({it->path(), (*buffer)->getBuffer().str()});
  }
  llvm::sort(result,
             [](const Source &a, const Source &b) { return a.path < b.path; });
  return result;
}

int formatAll(llvm::ArrayRef<Source> files) {
  int failures = 0;
  for (const Source &source : files) {
    std::string problem = checkText(source.text, /*mustParse=*/true);
    if (problem.empty())
      continue;
    llvm::outs() << source.path << ": " << problem << '\n';
    ++failures;
  }
  llvm::outs() << files.size() << " files\n";
  return failures != 0;
}

/// Damages a text in one way.
void damage(std::string &text, llvm::ArrayRef<Source> files,
            std::mt19937_64 &random) {
  static const std::vector<std::string> pieces = {
      "(",       ")",     "[",       "]",      "{",          "}",
      ",",       ":",     "..",      "->",     "=",          "+=",
      "-",       "not ",  "else ",   "if ",    "then ",      "case ",
      "choose ", "of ",   "per ",    "by ",    "up ",        "where ",
      "\n",      "  ",    "weight ", "at ",    "otherwise ", "let ",
      "return ", "for ",  "pool ",   "state ", "limit ",     "max ",
      "'",       "\"",    "r\"",     "/*",     "//",         "5 ms",
      "$1/",     "80%",   "0x",      "1e",     "`",          "\xC3\xA9",
      "\0x",     "\xFF",  "old ",    "call ",  "par 2 ",     "until ",
      "rule ",   "when ", "index ",  "none ",  "?",          "??"};
  auto below = [&](size_t n) { return n == 0 ? 0 : size_t(random() % n); };
  size_t at = below(text.size() + 1),
         length = std::min(text.size() - at, 1 + below(12));
  switch (below(6)) {
  case 0:
    text.erase(at, length);
    break;
  case 1:
    text.insert(at, text.substr(at, length));
    break;
  case 2: {
    const std::string &other = files[below(files.size())].text;
    text.insert(at, other.substr(below(other.size()), 1 + below(80)));
    break;
  }
  case 3:
    if (at < text.size())
      text[at] = char(random());
    break;
  default:
    text.insert(at, pieces[below(pieces.size())]);
  }
}

int mutate(llvm::ArrayRef<Source> files) {
  const char *given = std::getenv("ROUTE_TEST_SEED");
  uint64_t seed = given ? std::strtoull(given, nullptr, 0) : 20261122;
  llvm::outs() << "seed " << seed << '\n';
  llvm::outs().flush();
  const char *count = std::getenv("ROUTE_TEST_RUNS");
  unsigned runs = count ? unsigned(std::strtoul(count, nullptr, 0)) : 1500;
  std::mt19937_64 random(seed);
  unsigned parsed = 0;
  for (unsigned run = 0; run < runs; ++run) {
    // Half of the runs work on one declaration's worth of text.
    std::string text = files[random() % files.size()].text;
    if (random() % 2) {
      size_t begin = random() % (text.size() + 1);
      begin = text.find("\n", begin);
      text = begin == std::string::npos
                 ? text
                 : text.substr(begin + 1, 200 + random() % 400);
    }
    for (unsigned i = 0, n = 1 + random() % 4; i < n; ++i)
      damage(text, files, random);
    std::string problem = checkText(text, /*mustParse=*/false);
    if (!problem.empty()) {
      llvm::outs() << "run " << run << ": " << problem << "\n---- input\n"
                   << text << "\n----\n";
      return 1;
    }
    SourceManager sources;
    DiagnosticEngine diags(sources);
    parseModule(sources, sources.addFile("input.route", text), diags);
    parsed += !diags.hasErrors();
  }
  llvm::outs() << runs << " runs, " << parsed << " still parse\n";
  // Both sides of the property were exercised.
  return parsed == 0 || parsed == runs;
}

} // namespace

int main(int argc, char **argv) {
  std::vector<Source> files = load(llvm::ArrayRef<const char *>(
      argv + std::min(argc, 2), std::max(argc - 2, 0)));
  if (files.size() < 14) {
    llvm::errs() << "usage: route-frontend-test format|mutate FOLDER...; found "
                 << files.size() << " files\n";
    return 2;
  }
  return llvm::StringRef(argv[1]) == "format" ? formatAll(files)
                                              : mutate(files);
}
