// The route dialect: its ops, and the questions that passes ask about axes.
#ifndef ROUTE_DIALECT_ROUTE_IR_ROUTEOPS_H
#define ROUTE_DIALECT_ROUTE_IR_ROUTEOPS_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "route/Dialect/Route/IR/RouteDialect.h"

#define GET_OP_CLASSES
#include "route/Dialect/Route/IR/RouteOps.h.inc"

namespace route {
/// The axis op that `name` means at `from`, or null.
AxisOp lookupAxis(mlir::Operation *from, mlir::FlatSymbolRefAttr name);
AxisOp lookupAxis(mlir::Operation *from, mlir::FlatSymbolRefAttr name,
                  mlir::SymbolTableCollection &tables);
/// True when `axis` is `ancestor` or descends from it.
bool descendsFrom(mlir::Operation *from, mlir::FlatSymbolRefAttr axis,
                  mlir::FlatSymbolRefAttr ancestor,
                  mlir::SymbolTableCollection &tables);
/// True when a value of `type` has an axis that is `item` or descends from it.
bool descendsFromItem(mlir::Operation *from, mlir::Type type,
                      mlir::FlatSymbolRefAttr item,
                      mlir::SymbolTableCollection &tables);
/// Axes of `lhs`, then those of `rhs` that it lacks.
llvm::SmallVector<mlir::FlatSymbolRefAttr> unionAxes(ArrayType lhs,
                                                     ArrayType rhs);
} // namespace route

#endif
