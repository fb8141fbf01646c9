// Runs of entries that have no library, by the names of their inputs.
#ifndef ROUTE_TOOLS_RUN_INTERPRET_RUNBYNAMES_H
#define ROUTE_TOOLS_RUN_INTERPRET_RUNBYNAMES_H

#include "mlir/IR/BuiltinOps.h"
#include "route/io/RunTool.h"
#include <string>

namespace route {

/// Binds the files of `request` by their names, runs the entry of `module`, at
/// the route level, and writes records, or the log of a route that calls the
/// host. Fails after a message at its place in the .route file, or with what is
/// wrong with a file in `problem`.
mlir::LogicalResult runByNames(mlir::ModuleOp module, const RunRequest &request,
                               std::string &problem);

} // namespace route

#endif
