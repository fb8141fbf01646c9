// Sizes of axes that follow from those of others.
// They are worked out by interpreting what a library would compile.
#ifndef ROUTE_TOOLS_RUN_INTERPRET_DERIVEDSIZES_H
#define ROUTE_TOOLS_RUN_INTERPRET_DERIVEDSIZES_H

#include "route/Interpreter/Interpreter.h"
#include "route/Library/Schema.h"

namespace route {

/// What `route_axis_desc` has for it.
using SizeFunction = int64_t (*)(const int64_t *axisSizes);

/// For each axis of the schema the function that gives its size, or null.
/// `lowered` is the spec at the tensor level. The functions hold until the next
/// call: a process has one spec. Null too for all axes but the first 64 of
/// those that have one.
std::vector<SizeFunction> deriveSizes(mlir::ModuleOp lowered,
                                      const Schema &schema);

} // namespace route

#endif
