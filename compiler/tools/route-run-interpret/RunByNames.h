// Runs of entries that have no library, by the names of their inputs.
#ifndef ROUTE_TOOLS_RUN_INTERPRET_RUNBYNAMES_H
#define ROUTE_TOOLS_RUN_INTERPRET_RUNBYNAMES_H

#include "mlir/IR/BuiltinOps.h"
#include "route/Interpreter/Interpreter.h"
#include "route/io/RunTool.h"
#include <string>

namespace route {

/// Binds the files of `request` by their names, runs the entry of `module`, at
/// the route level, and writes records, or the log of a route that calls the
/// host. Fails after a message at its place in the .route file, or with what is
/// wrong with a file in `problem`.
mlir::LogicalResult runByNames(mlir::ModuleOp module, const RunRequest &request,
                               std::string &problem);

/// Prints what the spec takes, keeps and gives; `json` for tools.
void describeByNames(mlir::ModuleOp module, bool json, llvm::raw_ostream &os);

/// State cells and state columns from a file that saveState, or route-run of a
/// library, wrote. Fails with what is wrong in `problem`.
mlir::LogicalResult loadState(interp::Interpreter &interpreter,
                              mlir::ModuleOp module, const char *path,
                              std::string &problem);
/// Whether all that the spec keeps between calls is tensors: no keys, lists or
/// sets, no rows that come and go, and no budgets that outlast a call.
mlir::LogicalResult checkState(mlir::ModuleOp module, std::string &problem);
mlir::LogicalResult saveState(interp::Interpreter &interpreter,
                              mlir::ModuleOp module, const char *path,
                              std::string &problem);

} // namespace route

#endif
