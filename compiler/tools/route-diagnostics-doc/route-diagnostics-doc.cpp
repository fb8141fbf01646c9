// Docs/diagnostics.md.
// Prints the page of all diagnostic codes from their table, so that the page
// and `routec --explain` cannot disagree. utils/update-diagnostics-doc.sh runs
// it; a test compares the page with it.
#include "route/Diagnostics/Diagnostic.h"
#include "route/Diagnostics/ToolOptions.h"
#include "llvm/Support/raw_ostream.h"

using namespace route;

int main(int argc, char **argv) {
  if (!parseToolOptions(argc, argv, "route-diagnostics-doc",
                        "prints docs/diagnostics.md\n"))
    return 2;
  llvm::raw_ostream &os = llvm::outs();
  os << "<!-- Written by utils/update-diagnostics-doc.sh from "
        "compiler/include/route/Diagnostics/*.def -->\n"
        "# Diagnostics\n\n"
        "Every message of the compiler has a code. `routec --explain R0013` "
        "prints its entry.\n";
  for (const DiagnosticInfo &info : allDiagnostics()) {
    os << "\n## " << codeName(info.code);
    if (info.severity != Severity::Error)
      os << " (" << severityName(info.severity) << ")";
    os << ": " << info.summary << "\n\n";
    std::string text;
    llvm::raw_string_ostream stream(text);
    printExplanation(info, stream);
    // The explanation repeats code and summary in its first paragraph.
    os << llvm::StringRef(text).split("\n\n").second;
  }
}
