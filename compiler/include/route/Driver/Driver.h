// What routec does with a file.
// The phases of a compilation, each declared once (Phases.cpp): `--emit=PHASE`
// and `--compile-to=PHASE` stop after one and print what it made.
#ifndef ROUTE_DRIVER_DRIVER_H
#define ROUTE_DRIVER_DRIVER_H

#include "mlir/IR/MLIRContext.h"
#include "route/AST/AST.h"
#include "route/Library/Library.h"
#include "route/Sema/Compile.h"

namespace mlir {
class Diagnostic;
} // namespace mlir

namespace llvm {
class raw_ostream;
} // namespace llvm

namespace route {

/// What a compilation has made so far.
struct Compilation {
  SourceManager sources;
  DiagnosticEngine diags{sources};
  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
  CompileOptions options;
  bool locations = false; // print the place of every op
  LibraryOptions library; // what to compile for
  FileId file;
  std::unique_ptr<ast::Module> tree;
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

struct PhaseInfo {
  llvm::StringLiteral name;
  llvm::StringLiteral description;
  /// Does the phase; false after errors, which are in `diags`.
  bool (*run)(Compilation &);
  /// Prints what the phase made.
  void (*print)(Compilation &, llvm::raw_ostream &);
};

/// All phases in order.
llvm::ArrayRef<PhaseInfo> phases();
/// The phase of that name, or null.
const PhaseInfo *findPhase(llvm::StringRef name);

/// Reads the file at `path` ("-": standard input) into the compilation and
/// hashes it; false after a message.
bool openInput(Compilation &compilation, llvm::StringRef path);

/// What a pass says as a message at its place in the .route file. `others` is
/// the code of errors without a kind (route/Notice.h).
mlir::LogicalResult reportPassError(mlir::Diagnostic &diagnostic,
                                    Compilation &compilation,
                                    diag::Code others = diag::internal);

/// The whole of the command `routec`. Returns 0; 1 after errors in the input;
/// 2 after a wrong command line.
int runDriver(int argc, char **argv);

} // namespace route

#endif
