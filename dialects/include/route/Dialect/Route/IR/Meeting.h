// Where axes that descend from a third meet.
// Reductions, products and choices go over the positions that lie in the same
// position of it, and no others.
#ifndef ROUTE_DIALECT_ROUTE_IR_MEETING_H
#define ROUTE_DIALECT_ROUTE_IR_MEETING_H

#include "route/Dialect/Route/IR/RouteOps.h"

namespace route {

/// Two axes of an array, the first before the second, and the nearest axis that
/// both descend from.
struct Meeting {
  mlir::FlatSymbolRefAttr first, second, within;
};

/// The meetings of `axes`. Two axes of which one descends from the other are
/// none: they agree by descent.
llvm::SmallVector<Meeting>
meetingsOf(mlir::Operation *from, llvm::ArrayRef<mlir::FlatSymbolRefAttr> axes,
           mlir::SymbolTableCollection &tables);

/// The meetings of what a reduction reduces.
llvm::SmallVector<Meeting> meetingsOf(ReduceOp op,
                                      mlir::SymbolTableCollection &tables);

/// The meetings of the terms that a product sums: of the axes of its result,
/// then those that it sums over.
llvm::SmallVector<Meeting> meetingsOf(ContractOp op,
                                      mlir::SymbolTableCollection &tables);

} // namespace route

#endif
