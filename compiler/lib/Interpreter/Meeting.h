// Where axes that descend from a third meet.
// The positions of an array that reductions, products and choices go over.
#ifndef ROUTE_LIB_INTERPRETER_MEETING_H
#define ROUTE_LIB_INTERPRETER_MEETING_H

#include "route/Interpreter/Axis.h"

namespace route::interp {

/// For each position over `axes`, row-major, whether any two of them that
/// descend from one axis lie in the same position of it; empty where all do.
/// Errors at `loc` where nothing has sized what two of them descend from.
mlir::FailureOr<std::vector<bool>> findMeeting(llvm::ArrayRef<AxisRef> axes,
                                               mlir::Location loc);

} // namespace route::interp

#endif
