// Sums of rows that are too long for a warp to hold.
#ifndef ROUTE_LIB_DIALECT_ROW_TRANSFORMS_LONGSUMS_H
#define ROUTE_LIB_DIALECT_ROW_TRANSFORMS_LONGSUMS_H

#include "route/Dialect/Row/IR/RowDialect.h"

namespace route::row {

/// Replaces a program on tensors that only sums its rows by the 32 partial sums
/// of each row, which do not wait for one another, and what joins them: the
/// same additions, so the same bits. False, and nothing changes, for other
/// programs.
bool splitLongSum(ProgramOp program);

} // namespace route::row

#endif
