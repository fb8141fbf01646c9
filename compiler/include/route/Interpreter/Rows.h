// Plans whose rows are known already: read back from a library's buffers.
#ifndef ROUTE_INTERPRETER_ROWS_H
#define ROUTE_INTERPRETER_ROWS_H

#include "route/Interpreter/Machine.h"

namespace route::interp {

/// A run of plan axis `name` made elsewhere: for each item, row-major over the
/// per axes, what it chose in rank order. Errors at `loc` where the axis is no
/// plan, the items are of another number, or a choice is out of range.
mlir::FailureOr<AxisRef> planFromRows(Machine &machine, mlir::StringAttr name,
                                      llvm::ArrayRef<std::vector<int64_t>> rows,
                                      mlir::Location loc);

} // namespace route::interp

#endif
