// From route IR to what was asked for.
// IR of a phase, assembly, a library, its header.
#ifndef ROUTE_DRIVER_OUTPUT_H
#define ROUTE_DRIVER_OUTPUT_H

#include "mlir/IR/BuiltinOps.h"
#include "route/Library/Library.h"
#include "route/Pipelines/Pipelines.h"
#include "llvm/Support/raw_ostream.h"

namespace route {

/// What to make of a module of route IR.
struct OutputOptions {
  LibraryOptions library;
  std::string libraryPath; ///< .so, .a or .o; empty: none
  std::string headerPath;  ///< empty: none
};

/// Runs the passes up to `phase` for the best level of `levels` and prints the
/// IR.
mlir::LogicalResult printPhase(mlir::ModuleOp module, Phase phase,
                               const LibraryOptions &options,
                               llvm::raw_ostream &out);

/// Prints assembly or LLVM IR of a module at Phase::LLVM, for the best level.
mlir::LogicalResult printCode(mlir::ModuleOp module, OutputKind kind,
                              const LibraryOptions &options,
                              llvm::raw_ostream &out);

/// Compiles `module`, which is at Phase::Linalg, and writes the library and
/// header. Nothing is written after an error; why a file could not be written
/// comes back in `why`.
mlir::LogicalResult writeOutputs(mlir::ModuleOp module,
                                 const OutputOptions &options,
                                 std::string &why);

/// Makes the dialects and interfaces known that the passes need.
void registerForCompilation(mlir::DialectRegistry &registry);

} // namespace route

#endif
