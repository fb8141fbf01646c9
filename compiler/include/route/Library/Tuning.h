// What `route-run --tune` found on a device, read back for a compilation.
#ifndef ROUTE_LIBRARY_TUNING_H
#define ROUTE_LIBRARY_TUNING_H

#include "mlir/IR/BuiltinOps.h"
#include "route/Dialect/Ragged/Transforms/Tuning.h"
#include <map>

namespace route {

struct Tuning {
  std::string device; ///< empty: nothing was read
  /// By shape: forms in ascending order of rows, the last without a limit.
  std::map<std::string, llvm::SmallVector<ragged::FormLimit>> findings;
};

/// Adds the findings of a file. Gives what is wrong with it, empty where
/// nothing is: no such file, not JSON, another version, another device than
/// that of earlier files, a shape found twice, forms out of order.
std::string readTuning(llvm::StringRef path, Tuning &tuning);

/// Puts findings on a module, for the passes that choose forms.
void attachTuning(mlir::ModuleOp module, const Tuning &tuning);

/// The choices that passes made on a module to be tuned, as JSON; empty where
/// there are none.
std::string describeChoices(mlir::ModuleOp module);

} // namespace route

#endif
