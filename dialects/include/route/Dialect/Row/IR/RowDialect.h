// The row dialect: small programs that run once per item.
#ifndef ROUTE_DIALECT_ROW_IR_ROWDIALECT_H
#define ROUTE_DIALECT_ROW_IR_ROWDIALECT_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "route/Dialect/Row/IR/RowDialect.h.inc"
#include "route/Dialect/Row/IR/RowEnums.h.inc"

namespace route::row {
class YieldOp;
/// The index of a row that was not chosen.
inline constexpr int32_t kAbsent = -1;
} // namespace route::row

#define GET_ATTRDEF_CLASSES
#include "route/Dialect/Row/IR/RowAttributes.h.inc"

#define GET_OP_CLASSES
#include "route/Dialect/Row/IR/RowOps.h.inc"

#endif // ROUTE_DIALECT_ROW_IR_ROWDIALECT_H
