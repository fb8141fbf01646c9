// The command line of every tool.
// One way to read it, so that every tool answers --version, and says what is
// wrong with exit code 2.
#ifndef ROUTE_DIAGNOSTICS_TOOLOPTIONS_H
#define ROUTE_DIAGNOSTICS_TOOLOPTIONS_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/PrettyStackTrace.h"
#include "llvm/Support/raw_ostream.h"

namespace route {

/// Reads the command line into the tool's llvm::cl options; from then on a
/// crash asks for a report of ours, and not of LLVM's. After --help and
/// --version the process ends with 0. False, after a message on standard error
/// that suggests what was meant, where the command line is wrong: the tool
/// exits with 2.
inline bool parseToolOptions(int argc, char **argv, llvm::StringRef tool,
                             llvm::StringRef overview) {
  llvm::setBugReportMsg("This is a defect of Routec; please report it with the "
                        "file, the command line and these lines:\n");
  llvm::cl::SetVersionPrinter([tool = tool.str()](llvm::raw_ostream &os) {
    os << tool << " " ROUTE_VERSION "\n";
  });
  return llvm::cl::ParseCommandLineOptions(argc, argv, overview, &llvm::errs());
}

} // namespace route

#endif
