// From a .route file to route IR.
// The front door of the checker, used by the driver, the tools and tests.
#ifndef ROUTE_SEMA_COMPILE_H
#define ROUTE_SEMA_COMPILE_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "route/Diagnostics/Diagnostic.h"
#include <map>
#include <string>
#include <vector>

namespace route {

struct CompileOptions {
  /// Folders searched for `import a.b` after the file's own, in order, and
  /// before the standard library.
  std::vector<std::string> importPaths;
  /// `-D axis=N`: sizes that replace those of the spec.
  std::map<std::string, int64_t> axisSizes;
};

/// Checks the file and builds its module. Returns null after an error; every
/// error and warning is in `diags`. The context gets the dialects it needs.
mlir::OwningOpRef<mlir::ModuleOp>
compileToRouteIR(SourceManager &sources, FileId file,
                 const CompileOptions &options, DiagnosticEngine &diags,
                 mlir::MLIRContext &context);

/// The same from a path ("-" is standard input).
mlir::OwningOpRef<mlir::ModuleOp>
compileToRouteIR(llvm::StringRef path, SourceManager &sources,
                 const CompileOptions &options, DiagnosticEngine &diags,
                 mlir::MLIRContext &context);

/// The line of the source that a location of the IR points into; invalid when
/// it points nowhere.
SourceRange rangeOf(const SourceManager &sources, mlir::Location location);

} // namespace route

#endif
