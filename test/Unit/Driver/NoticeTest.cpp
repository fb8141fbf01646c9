// Which code routec gives to what passes say, by its kind and never its words.
// Prints "CODE severity: message" of each; notice.test compares them.
#include "route/Notice.h"
#include "route/Driver/Driver.h"
#include "llvm/Support/raw_ostream.h"

using namespace route;

/// Shows what becomes of what `raise` raises in a compilation of its own.
static void show(llvm::function_ref<void(mlir::Location)> raise,
                 diag::Code others = diag::internal) {
  Compilation compilation;
  compilation.diags.setRemarks(true);
  compilation.diags.setConsumer([](const Diagnostic &diagnostic) {
    llvm::outs() << codeName(diagnostic.code) << ' '
                 << severityName(diagnostic.severity) << ": "
                 << diagnostic.message << '\n';
  });
  mlir::ScopedDiagnosticHandler handler(
      &compilation.context, [&](mlir::Diagnostic &diagnostic) {
        return reportPassError(diagnostic, compilation, others);
      });
  raise(mlir::UnknownLoc::get(&compilation.context));
}

int main() {
  for (Notice kind :
       {Notice::notCovered, Notice::needsBound, Notice::patternTooLarge,
        Notice::outOfMemory, Notice::badTuning, Notice::staleTuning,
        Notice::notOnTensorCores, Notice::notOnDevice, Notice::ptxOnly,
        Notice::outputFailed, Notice::oneThread})
    show([&](mlir::Location loc) {
      emitNotice(loc, kind) << "100% of 'route.choose' @ home";
    });
  // Words of passes that no user should see are a defect, said once.
  show([](mlir::Location loc) {
    mlir::emitError(loc) << "a library keeps nothing of this kind";
    mlir::emitError(loc) << "failed to legalize operation";
    mlir::emitWarning(loc) << "this product is slow";
    mlir::emitRemark(loc) << "done";
  });
  // Nothing of MLIR's follows a refusal.
  show([](mlir::Location loc) {
    emitNotice(loc, Notice::notCovered) << "no";
    mlir::emitError(loc) << "failed to legalize operation";
  });
  // What the interpreter says without a kind is the run's.
  show([](mlir::Location loc) { mlir::emitError(loc) << "'x' is not bound"; },
       diag::runFailed);
}
