// Between the runtime's buffers and the interpreter's values.
#ifndef ROUTE_INTERPRETER_BUFFERS_H
#define ROUTE_INTERPRETER_BUFFERS_H

#include "route/Dialect/Route/IR/RouteOps.h"
#include "route/Interpreter/Interpreter.h"

namespace route::interp {

/// Element `i` of the run of ROUTE_ type `element` at `data`, which may be
/// unaligned.
Element readBuffer(uint32_t element, const char *data, int64_t i);
/// Stores `value` as element `i`, numbers rounded to the type. No texts.
void writeBuffer(uint32_t element, char *data, int64_t i, const Element &value);

/// For each position of `axes`, row-major, its place in a buffer of `shape`. A
/// plan's axis takes the dimensions of its items and one of its ranks. Nothing
/// where the shape cannot hold the axes.
std::optional<std::vector<int64_t>> placesOf(llvm::ArrayRef<AxisRef> axes,
                                             llvm::ArrayRef<int64_t> shape);

/// Plans of a function's results as its callers get them: rows that were chosen
/// from a plan as what the rows of that are, where `route.rows` says so.
void giveRows(FuncOp func, llvm::MutableArrayRef<RuntimeValue> results);

/// Writes what the rows of a plan chose into an index of `shape`, -1 behind an
/// item's last row. Rows chosen from another plan count by their places in that
/// plan's index, which has `chosenSize` of them. False where there is no room.
bool writeIndex(const AxisRef &plan, llvm::ArrayRef<int64_t> shape,
                int64_t chosenSize, int32_t *data);
/// Writes how many rows each item has. False where there is no room.
bool writeCounts(const Axis &plan, llvm::ArrayRef<int64_t> shape,
                 int32_t *data);

} // namespace route::interp

#endif
