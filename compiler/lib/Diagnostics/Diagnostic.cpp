// Collecting messages.
// The table of codes, the builder and the engine.
#include "route/Diagnostics/Diagnostic.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"
#include <algorithm>

using namespace route;

llvm::ArrayRef<DiagnosticInfo> route::allDiagnostics() {
  static const std::vector<DiagnosticInfo> table = [] {
    std::vector<DiagnosticInfo> list = {
#define ROUTE_DIAGNOSTIC(NUMBER, ID, SEVERITY, SUMMARY, EXPLANATION)           \
  {diag::ID, #ID, Severity::SEVERITY, SUMMARY, EXPLANATION},
#include "route/Diagnostics/Codes.def"
    };
    llvm::sort(list, [](auto &a, auto &b) { return a.code < b.code; });
    return list;
  }();
  return table;
}

const DiagnosticInfo &route::diagnosticInfo(diag::Code code) {
  auto table = allDiagnostics();
  return *llvm::lower_bound(table, code, [](auto &info, diag::Code value) {
    return info.code < value;
  });
}

const DiagnosticInfo *route::findDiagnostic(llvm::StringRef text) {
  unsigned number = 0;
  if (text.starts_with_insensitive("r"))
    text = text.drop_front();
  if (text.getAsInteger(10, number))
    return nullptr;
  for (const DiagnosticInfo &info : allDiagnostics())
    if (info.code == number)
      return &info;
  return nullptr;
}

std::string route::codeName(diag::Code code) {
  std::string text;
  llvm::raw_string_ostream(text) << llvm::format("R%04u", unsigned(code));
  return text;
}

void route::printExplanation(const DiagnosticInfo &info,
                             llvm::raw_ostream &os) {
  os << codeName(info.code) << ": " << info.summary << "\n\n";
  // Wrap at 80 columns; a line of the table is one paragraph.
  llvm::SmallVector<llvm::StringRef> paragraphs;
  info.explanation.split(paragraphs, '\n');
  for (llvm::StringRef paragraph : paragraphs) {
    size_t column = 0;
    llvm::SmallVector<llvm::StringRef> words;
    paragraph.split(words, ' ', -1, false);
    for (llvm::StringRef word : words) {
      if (column && column + 1 + word.size() > 80) {
        os << '\n';
        column = 0;
      }
      if (column)
        os << ' ', ++column;
      os << word;
      column += word.size();
    }
    os << '\n';
  }
}

/// Whether two letters side by side have changed places, one mistake of a hand.
static bool swapsTwo(llvm::StringRef a, llvm::StringRef b) {
  size_t at = 0;
  while (at < a.size() && at < b.size() && a[at] == b[at])
    ++at;
  return a.size() == b.size() && at + 1 < a.size() && a[at] == b[at + 1] &&
         a[at + 1] == b[at] && a.drop_front(at + 2) == b.drop_front(at + 2);
}

std::optional<std::string>
route::nearestName(llvm::StringRef name,
                   llvm::ArrayRef<std::string> candidates) {
  unsigned best = unsigned(name.size() + 2) / 3 + 1;
  std::optional<std::string> result;
  for (const std::string &candidate : candidates) {
    unsigned distance =
        swapsTwo(name, candidate)
            ? 1
            : name.edit_distance(candidate, /*AllowReplacements=*/true, best);
    // A replacement of a whole one-letter name is no spelling mistake.
    if (distance == 0 || distance >= best ||
        distance >= std::max(name.size(), candidate.size()))
      continue;
    best = distance;
    result = candidate;
  }
  return result;
}

DiagnosticBuilder::~DiagnosticBuilder() {
  if (engine)
    engine->take(std::move(diagnostic));
}
DiagnosticBuilder &DiagnosticBuilder::here(const llvm::Twine &text) {
  diagnostic.rangeText = text.str();
  return *this;
}
DiagnosticBuilder &DiagnosticBuilder::label(SourceRange range,
                                            const llvm::Twine &text) {
  if (range)
    diagnostic.labels.push_back({range, text.str()});
  return *this;
}
DiagnosticBuilder &DiagnosticBuilder::note(const llvm::Twine &text) {
  diagnostic.notes.push_back({SourceRange(), text.str()});
  return *this;
}
DiagnosticBuilder &DiagnosticBuilder::note(SourceRange range,
                                           const llvm::Twine &text) {
  diagnostic.notes.push_back({range, text.str()});
  return *this;
}
DiagnosticBuilder &DiagnosticBuilder::help(const llvm::Twine &text) {
  if (!text.isTriviallyEmpty())
    if (std::string words = text.str(); !words.empty())
      diagnostic.help.push_back(std::move(words));
  return *this;
}
DiagnosticBuilder &DiagnosticBuilder::fix(SourceRange range,
                                          const llvm::Twine &replacement) {
  diagnostic.fixes.push_back({range, replacement.str()});
  return *this;
}
DiagnosticBuilder &
DiagnosticBuilder::suggest(llvm::StringRef name,
                           llvm::ArrayRef<std::string> candidates) {
  if (auto near = nearestName(name, candidates))
    help("did you mean '" + *near + "'?");
  return *this;
}

llvm::StringRef route::severityName(Severity severity) {
  switch (severity) {
  case Severity::Error:
    return "error";
  case Severity::Warning:
    return "warning";
  case Severity::Remark:
    return "remark";
  }
  llvm_unreachable("no such severity");
}

DiagnosticBuilder DiagnosticEngine::report(diag::Code code, SourceRange range,
                                           const llvm::Twine &message) {
  Diagnostic diagnostic;
  diagnostic.code = code;
  diagnostic.severity = diagnosticInfo(code).severity;
  if (warningsAsErrors && diagnostic.severity == Severity::Warning)
    diagnostic.severity = Severity::Error;
  diagnostic.message = message.str();
  diagnostic.range = range;
  return {*this, std::move(diagnostic)};
}

void DiagnosticEngine::take(Diagnostic diagnostic) {
  if (silent || reachedErrorLimit() ||
      (diagnostic.severity == Severity::Remark && !remarks))
    return;
  // What is expanded in two places fails twice for one reason.
  if (diagnostic.range && llvm::any_of(reported, [&](const Diagnostic &told) {
        return told.code == diagnostic.code && told.range == diagnostic.range &&
               told.message == diagnostic.message;
      }))
    return;
  if (diagnostic.severity == Severity::Error && ++errors > errorLimit) {
    Diagnostic last;
    last.code = diag::tooManyErrors;
    last.message =
        "too many errors; stopped after " + std::to_string(errorLimit);
    diagnostic = std::move(last);
  }
  reported.push_back(std::move(diagnostic));
  if (consumer)
    consumer(reported.back());
}
