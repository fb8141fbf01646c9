// Messages for people and tools.
// The one way the compiler says that something is wrong. A message has a code
// from Codes.def, a place, labels on other places, notes and help. Text style:
// short, lower case, no full stop, names in quotes, found and expected.
//
//   diags.report(diag::unknownName, range, "unknown expert 'larg'")
//       .label(poolRange, "the experts of this pool")
//       .note("names are looked up in the pool of the router's result")
//       .suggest("larg", names);
#ifndef ROUTE_DIAGNOSTICS_DIAGNOSTIC_H
#define ROUTE_DIAGNOSTICS_DIAGNOSTIC_H

#include "route/Diagnostics/SourceManager.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/Twine.h"
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace llvm {
class raw_ostream;
} // namespace llvm

namespace route {

namespace diag {
/// The number of a diagnostic; 204 prints as R0204.
enum Code : uint16_t {
#define ROUTE_DIAGNOSTIC(NUMBER, ID, SEVERITY, SUMMARY, EXPLANATION)           \
  ID = NUMBER,
#include "route/Diagnostics/Codes.def"
};
} // namespace diag

enum class Severity { Error, Warning, Remark };
/// "error", "warning" or "remark".
llvm::StringRef severityName(Severity severity);

/// An entry of Codes.def.
struct DiagnosticInfo {
  diag::Code code;
  llvm::StringRef id;
  Severity severity;
  llvm::StringRef summary;
  llvm::StringRef explanation;
};

/// All entries, by ascending number.
llvm::ArrayRef<DiagnosticInfo> allDiagnostics();
const DiagnosticInfo &diagnosticInfo(diag::Code code);
/// Looks up "R0204", "r204" or "204"; null when there is no such code.
const DiagnosticInfo *findDiagnostic(llvm::StringRef text);
/// "R0204".
std::string codeName(diag::Code code);
/// Writes what `--explain` prints: code, summary, and the explanation wrapped.
void printExplanation(const DiagnosticInfo &info, llvm::raw_ostream &os);

/// A finished message.
struct Diagnostic {
  struct Label {
    SourceRange range;
    std::string text;
  };
  struct Note {
    SourceRange range; // may be invalid
    std::string text;
  };
  struct Fix {
    SourceRange range;
    std::string replacement;
  };
  diag::Code code;
  Severity severity = Severity::Error;
  std::string message;
  SourceRange range;     // the primary place; may be invalid
  std::string rangeText; // beside its carets
  std::vector<Label> labels;
  std::vector<Note> notes;
  std::vector<std::string> help;
  std::vector<Fix> fixes; // only where surely right
};

/// The candidate nearest to a misspelt name, if one is near enough to be meant:
/// at most a third of its letters, rounded up, differ. Ties: the earlier.
std::optional<std::string> nearestName(llvm::StringRef name,
                                       llvm::ArrayRef<std::string> candidates);

class DiagnosticEngine;

/// Adds to a message under construction; reports it when it goes out of scope.
class DiagnosticBuilder {
public:
  DiagnosticBuilder(DiagnosticEngine &engine, Diagnostic diagnostic)
      : engine(&engine), diagnostic(std::move(diagnostic)) {}
  DiagnosticBuilder(DiagnosticBuilder &&other)
      : engine(other.engine), diagnostic(std::move(other.diagnostic)) {
    other.engine = nullptr;
  }
  DiagnosticBuilder &operator=(DiagnosticBuilder &&) = delete;
  ~DiagnosticBuilder();

  /// Text beside the carets of the primary range.
  DiagnosticBuilder &here(const llvm::Twine &text);
  /// Marks another place with dashes.
  DiagnosticBuilder &label(SourceRange range, const llvm::Twine &text);
  DiagnosticBuilder &note(const llvm::Twine &text);
  DiagnosticBuilder &note(SourceRange range, const llvm::Twine &text);
  DiagnosticBuilder &help(const llvm::Twine &text);
  DiagnosticBuilder &fix(SourceRange range, const llvm::Twine &replacement);
  /// Adds "did you mean 'x'?" when a candidate is near.
  DiagnosticBuilder &suggest(llvm::StringRef name,
                             llvm::ArrayRef<std::string> candidates);

private:
  DiagnosticEngine *engine;
  Diagnostic diagnostic;
};

/// Collects messages and hands each to a consumer. Not thread-safe.
class DiagnosticEngine {
public:
  explicit DiagnosticEngine(const SourceManager &sources) : manager(sources) {}

  /// Starts a message with the severity of its code.
  DiagnosticBuilder report(diag::Code code, SourceRange range,
                           const llvm::Twine &message);

  const SourceManager &sources() const { return manager; }
  const std::vector<Diagnostic> &diagnostics() const { return reported; }
  unsigned errorCount() const { return errors; }
  bool hasErrors() const { return errors != 0; }
  /// After this many errors one last message says so and the rest are dropped.
  void setErrorLimit(unsigned limit) { errorLimit = limit; }
  bool reachedErrorLimit() const { return errors > errorLimit; }
  void setWarningsAsErrors(bool value) { warningsAsErrors = value; }
  /// Remarks are dropped unless they are asked for.
  void setRemarks(bool value) { remarks = value; }
  /// Called with every message as it is reported.
  void setConsumer(std::function<void(const Diagnostic &)> function) {
    consumer = std::move(function);
  }

  /// While silent, messages are dropped: for looking at text twice. Returns
  /// what it was before.
  bool setSilent(bool value) { return std::exchange(silent, value); }

  /// For the builder: takes a finished message.
  void take(Diagnostic diagnostic);

private:
  const SourceManager &manager;
  std::vector<Diagnostic> reported;
  std::function<void(const Diagnostic &)> consumer;
  unsigned errors = 0;
  unsigned errorLimit = 100;
  bool warningsAsErrors = false;
  bool remarks = false;
  bool silent = false;
};

} // namespace route

#endif
