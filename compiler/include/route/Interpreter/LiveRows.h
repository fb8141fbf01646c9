// Rows of dynamic pools: joining, leaving, expiring and being evicted.
#ifndef ROUTE_INTERPRETER_LIVEROWS_H
#define ROUTE_INTERPRETER_LIVEROWS_H

#include "route/Interpreter/Interpreter.h"

namespace route::interp {

/// Adds a row to a pool of open size, or replaces the one of that key. Rows are
/// ordered by the bytes of their keys. `values` are its columns by name, of no
/// axis of the pool; state starts as declared, live columns left out read as
/// their fallback or as unknown. Handlers of `join` run with the row's
/// position. A row above the pool's quota or bound makes another leave where
/// the pool evicts, and is an error otherwise.
mlir::LogicalResult joinRow(Interpreter &interpreter, llvm::StringRef pool,
                            llvm::StringRef key,
                            const std::map<std::string, Array> &values);

/// Takes a row away after the handlers of `leave` have run.
mlir::LogicalResult leaveRow(Interpreter &interpreter, llvm::StringRef pool,
                             llvm::StringRef key);

/// Takes away what is older than its pool's `expire`. Called before each run.
mlir::LogicalResult expireRows(Interpreter &interpreter);

/// Counts a row as used now, for pools that evict the least recently used.
void useRow(Interpreter &interpreter, llvm::StringRef pool, int64_t row);

} // namespace route::interp

#endif
