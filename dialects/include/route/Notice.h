// What passes say to whoever wrote the spec, told apart by kind.
// A diagnostic of MLIR's is text and a severity. Those that a spec can cause
// carry a kind too, given where they are raised: it says which code `routec`
// shows and that the words are the user's. An error without a kind is about IR
// that no spec should make, and a defect of the compiler.
#ifndef ROUTE_NOTICE_H
#define ROUTE_NOTICE_H

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Operation.h"

namespace route {

enum class Notice : unsigned {
  notCovered = 1,   ///< the interpreter runs it, compiled code cannot yet
  needsBound,       ///< state without a bound, in a library
  patternTooLarge,  ///< a text pattern whose automaton grows past its limit
  outOfMemory,      ///< more positions or bytes than the interpreter may take
  badTuning,        ///< a finding that names what a product does not have
  staleTuning,      ///< findings about no product; a warning
  notOnTensorCores, ///< a product that stays off tensor cores; a warning
  notOnDevice,      ///< an entry without code for GPUs; a warning, or the
                    ///< error of a pass, which the compilation turns into one
  ptxOnly,          ///< kernels that ptxas made nothing of; a warning
  outputFailed,     ///< no place for a temporary file
  oneThread,        ///< one thread of a GPU does what may be much; a remark
};

/// A diagnostic of a kind, whose words the caller adds.
inline mlir::InFlightDiagnostic emitNotice(mlir::Location loc, Notice kind) {
  bool warns = kind == Notice::staleTuning || kind == Notice::ptxOnly ||
               kind == Notice::notOnTensorCores || kind == Notice::notOnDevice;
  mlir::InFlightDiagnostic diagnostic = warns ? mlir::emitWarning(loc)
                                        : kind == Notice::oneThread
                                            ? mlir::emitRemark(loc)
                                            : mlir::emitError(loc);
  diagnostic.getUnderlyingDiagnostic()->getMetadata().push_back(
      mlir::DiagnosticArgument(static_cast<unsigned>(kind)));
  return diagnostic;
}

/// The kind of a diagnostic, or nothing for one that knows of no user.
inline std::optional<Notice> noticeOf(mlir::Diagnostic &diagnostic) {
  for (const mlir::DiagnosticArgument &data : diagnostic.getMetadata())
    if (data.getKind() ==
        mlir::DiagnosticArgument::DiagnosticArgumentKind::Unsigned)
      return static_cast<Notice>(data.getAsUnsigned());
  return std::nullopt;
}

/// Refuses `op`; `what` it stands for in the words of docs/not-covered.md.
/// Every such refusal is a call of this, from which a test reads the words.
inline mlir::LogicalResult notCovered(mlir::Operation *op,
                                      const llvm::Twine &what) {
  return emitNotice(op->getLoc(), Notice::notCovered)
         << "compiled code does not cover " << what
         << " yet; the interpreter does";
}

/// Refuses `op` on a GPU: its entry keeps its code for CPUs, and `why` is told.
inline mlir::LogicalResult refuseOnDevice(mlir::Operation *op,
                                          const llvm::Twine &why) {
  mlir::InFlightDiagnostic diagnostic = mlir::emitError(op->getLoc());
  diagnostic.getUnderlyingDiagnostic()->getMetadata().push_back(
      mlir::DiagnosticArgument(static_cast<unsigned>(Notice::notOnDevice)));
  return diagnostic << why;
}

} // namespace route

#endif // ROUTE_NOTICE_H
