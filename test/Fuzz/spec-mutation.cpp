// spec-mutation: damaged specs through the whole compiler.
//
//   spec-mutation FOLDER... [--seed N] [--cases N] [--seconds N] [--keep-going]
//
// Takes the .route files below the folders, and random ones, changes a few
// words or lines, and compiles. Each must become a library or end in errors
// with a code and a place, in the words of the language. Exit code 1 where one
// did not; it is printed with what remains after taking out all lines that it
// does not need.
#include "Case.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <unistd.h>

using namespace route::fuzz;

namespace {

using Words = std::vector<std::string>;

/// Splits a text into names, numbers, strings, signs and the space between.
Words split(const std::string &text) {
  Words words;
  auto isWord = [](char c) {
    return llvm::isAlnum(c) || c == '_' || c == '\'';
  };
  for (size_t at = 0; at < text.size();) {
    size_t end = at + 1;
    if (text[at] == '"') {
      while (end < text.size() && text[end] != '"' && text[end] != '\n')
        end += text[end] == '\\' ? 2 : 1;
      end = std::min(end + 1, text.size());
    } else if (text.compare(at, 2, "//") == 0) {
      while (end < text.size() && text[end] != '\n')
        ++end;
    } else if (isWord(text[at])) {
      while (end < text.size() && isWord(text[end]))
        ++end;
    } else if (text[at] == ' ') {
      while (end < text.size() && text[end] == ' ')
        ++end;
    } else if (end < text.size()) {
      static const char *const pairs[] = {"->", "==", "!=", "<=", ">=", "??",
                                          "..", "++", "+=", "-=", "*=", "/="};
      for (const char *pair : pairs)
        if (text.compare(at, 2, pair) == 0)
          end = at + 2;
    }
    words.push_back(text.substr(at, end - at));
    at = end;
  }
  return words;
}

std::string join(const Words &words) {
  std::string text;
  for (const std::string &word : words)
    text += word;
  return text;
}

bool isSpace(const std::string &word) {
  return word.find_first_not_of(" \n") == std::string::npos ||
         word.compare(0, 2, "//") == 0;
}

class Mutator {
public:
  explicit Mutator(std::vector<std::string> corpus)
      : corpus(std::move(corpus)) {
    for (const std::string &text : this->corpus)
      for (std::string &word : split(text))
        if (!isSpace(word))
          pool.push_back(std::move(word));
  }

  std::string make(Choices &c) {
    std::string text;
    if (c.chance(30))
      text = c.chance(50)   ? requestPolicy(c).text
             : c.chance(60) ? tokenRouter(c).text
                            : expertLayer(c).text;
    else
      text = corpus[c.below(static_cast<uint32_t>(corpus.size()))];
    // Another number leaves most specs whole, so that they are compiled too.
    if (c.chance(40))
      return changeNumber(c, text);
    for (uint32_t edits = c.between(1, 3); edits > 0; --edits)
      text = c.chance(25) ? changeLine(c, text) : changeWord(c, text);
    return text;
  }

private:
  /// One number more or less by a digit: 0.15 becomes 0.14, 24k becomes 20k.
  static std::string changeNumber(Choices &c, std::string text) {
    std::vector<size_t> digits;
    for (size_t i = 0; i < text.size(); ++i)
      if (llvm::isDigit(text[i]) && !(i > 0 && llvm::isAlpha(text[i - 1])))
        digits.push_back(i);
    if (!digits.empty())
      text[digits[c.below(static_cast<uint32_t>(digits.size()))]] =
          static_cast<char>('0' + c.below(10));
    return text;
  }

  std::string changeWord(Choices &c, const std::string &text) {
    static const char *const numbers[] = {
        "0",    "1",   "2",     "-1",    "1.5",  "3 tok",  "$1",
        "1e30", "0.0", "5 s",   "1000k", "80%",  "1e-400", "65536",
        "true", "256", "1_000", "0xff",  "none", "unknown"};
    Words words = split(text);
    std::vector<size_t> real;
    for (size_t i = 0; i < words.size(); ++i)
      if (!isSpace(words[i]))
        real.push_back(i);
    if (real.empty())
      return text;
    auto any = [&] {
      return real[c.below(static_cast<uint32_t>(real.size()))];
    };
    size_t at = any();
    switch (c.below(8)) {
    case 0:
      words[at].clear();
      break;
    case 1:
      words[at] += " " + words[at];
      break;
    case 2:
      std::swap(words[at], words[any()]);
      break;
    case 3:
    case 4: // a word of the same text in its place
      words[at] = words[any()];
      break;
    case 5:
      words[at] = pool[c.below(static_cast<uint32_t>(pool.size()))];
      break;
    case 6:
      words[at] += " " + pool[c.below(static_cast<uint32_t>(pool.size()))];
      break;
    default:
      words[at] = numbers[c.below(std::size(numbers))];
    }
    return join(words);
  }

  std::string changeLine(Choices &c, const std::string &text) {
    llvm::SmallVector<llvm::StringRef> found;
    llvm::StringRef(text).split(found, '\n');
    Words lines;
    for (llvm::StringRef line : found)
      lines.push_back(line.str());
    auto any = [&] { return c.below(static_cast<uint32_t>(lines.size())); };
    size_t at = any();
    switch (c.below(4)) {
    case 0:
      lines.erase(lines.begin() + static_cast<long>(at));
      break;
    case 1:
      lines.insert(lines.begin() + any(), std::string(lines[at]));
      break;
    case 2:
      std::swap(lines[at], lines[any()]);
      break;
    default: {
      const std::string &other =
          corpus[c.below(static_cast<uint32_t>(corpus.size()))];
      llvm::SmallVector<llvm::StringRef> strange;
      llvm::StringRef(other).split(strange, '\n');
      lines.insert(
          lines.begin() + static_cast<long>(at),
          strange[c.below(static_cast<uint32_t>(strange.size()))].str());
    }
    }
    return llvm::join(lines, "\n");
  }

  std::vector<std::string> corpus;
  Words pool;
};

std::vector<std::string> load(const std::vector<std::string> &folders) {
  std::map<std::string, std::string> files;
  for (const std::string &folder : folders) {
    std::error_code error;
    for (llvm::sys::fs::recursive_directory_iterator it(folder, error), end;
         it != end && !error; it.increment(error))
      if (llvm::sys::path::extension(it->path()) == ".route")
        if (auto buffer = llvm::MemoryBuffer::getFile(it->path()))
          files[it->path()] = (*buffer)->getBuffer().str();
  }
  std::vector<std::string> result;
  for (auto &[path, text] : files)
    result.push_back(text);
  return result;
}

/// Takes lines out, then words, as long as the verdict stays.
std::string reduce(std::string text, Verdict verdict,
                   const CaseOptions &options, unsigned attempts) {
  auto cut = [&](Words parts, const char *between) {
    for (size_t length = parts.size() / 2; length > 0; length /= 2)
      for (size_t at = 0; at + length <= parts.size() && attempts > 0;) {
        Words fewer = parts;
        fewer.erase(fewer.begin() + static_cast<long>(at),
                    fewer.begin() + static_cast<long>(at + length));
        --attempts;
        if (compileCase(llvm::join(fewer, between), options).verdict == verdict)
          parts = std::move(fewer);
        else
          at += length;
      }
    return llvm::join(parts, between);
  };
  Words lines;
  llvm::SmallVector<llvm::StringRef> found;
  llvm::StringRef(text).split(found, '\n');
  for (llvm::StringRef line : found)
    lines.push_back(line.str());
  text = cut(lines, "\n");
  return cut(split(text), "");
}

} // namespace

int main(int argc, char **argv) {
  std::vector<std::string> folders;
  uint64_t seed = 1, cases = UINT64_MAX;
  long seconds = 0;
  bool keepGoing = false;
  for (int i = 1; i < argc; ++i) {
    std::string flag = argv[i];
    if (flag == "--keep-going")
      keepGoing = true;
    else if (flag.compare(0, 2, "--") != 0)
      folders.push_back(flag);
    else if (i + 1 < argc && flag == "--seed")
      seed = strtoull(argv[++i], nullptr, 10);
    else if (i + 1 < argc && flag == "--cases")
      cases = strtoull(argv[++i], nullptr, 10);
    else if (i + 1 < argc && flag == "--seconds")
      seconds = atol(argv[++i]);
    else {
      fprintf(stderr, "usage: spec-mutation FOLDER... [--seed N] [--cases N] "
                      "[--seconds N] [--keep-going]\n");
      return 2;
    }
  }
  std::vector<std::string> corpus = load(folders);
  if (corpus.empty()) {
    fprintf(stderr, "spec-mutation: no .route files there\n");
    return 2;
  }
  Mutator mutator(std::move(corpus));
  CaseOptions options;
  options.folder = "/tmp/spec-mutation." + std::to_string(getpid());
  options.cpu = "v3";
  if (llvm::sys::fs::create_directories(options.folder))
    return 2;
  auto start = std::chrono::steady_clock::now();
  std::map<std::string, unsigned> verdicts;
  unsigned defects = 0;
  for (uint64_t done = 0; done < cases; ++done) {
    if (seconds && std::chrono::steady_clock::now() - start >=
                       std::chrono::seconds(seconds))
      break;
    Choices choices(seed + done);
    std::string text = mutator.make(choices);
    Report report = compileCase(text, options);
    ++verdicts[report.verdict == Verdict::Agrees ? "compiled"
                                                 : nameOf(report.verdict)];
    if (!isDefect(report.verdict))
      continue;
    ++defects;
    std::string least = reduce(text, report.verdict, options, 300);
    report = compileCase(least, options);
    printf("*** seed %llu: %s\n%s\n%s\n",
           static_cast<unsigned long long>(seed + done), nameOf(report.verdict),
           report.details.c_str(), least.c_str());
    fflush(stdout);
    if (!keepGoing)
      break;
  }
  for (auto &[name, count] : verdicts)
    printf("%u %s\n", count, name.c_str());
  llvm::sys::fs::remove_directories(options.folder);
  return defects != 0;
}
