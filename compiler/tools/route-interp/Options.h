// What route-interp is asked to do, and the doing of it for one entry.
#ifndef ROUTE_TOOLS_ROUTE_INTERP_OPTIONS_H
#define ROUTE_TOOLS_ROUTE_INTERP_OPTIONS_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectRegistry.h"
#include "llvm/Support/raw_ostream.h"
#include <map>
#include <string>
#include <vector>

struct InterpOptions {
  std::string input, entry, tensors, records, script;
  std::vector<std::string> params;
  std::map<std::string, int64_t> sizes;
  uint64_t seed = 0;
  int64_t now = 0;
  bool verifyDiagnostics = false;
  std::string host, replay; // files: answers to calls, a log of events
  int64_t gapMs = -1;       // between the starts of step runs
};

InterpOptions parseOptions(int argc, char **argv);

/// Binds the files, runs the entry and prints its results.
mlir::LogicalResult runEntry(mlir::ModuleOp module,
                             const InterpOptions &options,
                             llvm::raw_ostream &os);
/// Compiles the spec, then as runEntry, or as the script says; every route
/// without an entry.
mlir::LogicalResult runSpec(const InterpOptions &options,
                            const mlir::DialectRegistry &dialects,
                            llvm::raw_ostream &os);

#endif
