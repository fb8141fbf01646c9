// Which choices a row program can make.
// Those for a few known candidates of one item, ranked by keys that are there
// beforehand.
#ifndef ROUTE_DIALECT_ROUTE_IR_ROWCHOICE_H
#define ROUTE_DIALECT_ROUTE_IR_ROWCHOICE_H

#include "route/Dialect/Route/IR/RouteOps.h"

namespace route {

/// `until sum(values over chosen) >= threshold`, alone or joined by `and` or
/// `or` with a condition that does not hang on the rows: `always` ends the
/// choice with its first row, without `may` nothing ends it. Either is null.
struct RunningSum {
  mlir::Value values, threshold, always, may;
};

/// Whether `value`, made in `block`, hangs on the block's argument.
bool dependsOnPrefix(mlir::Value value, mlir::Block &block);

/// The running sum that ends a choice, or nothing where its predicate is
/// another.
std::optional<RunningSum> matchRunningSum(ChooseOp choose);

/// True where `choose` ranks candidates of a static number, above no item of
/// its own, by keys given beforehand: what `row.choose` does. Budgets, greedy
/// keys, paths, choices from a plan or for the rows of one, and predicates
/// other than a running sum are none of it.
bool isRowChoice(ChooseOp choose, mlir::SymbolTableCollection &tables);

/// Whether the descendants of a position of `ancestor` are neighbours on
/// `axis`: along single parents they are, through a product of pools not.
bool liesSideBySide(mlir::Operation *from, mlir::FlatSymbolRefAttr axis,
                    mlir::FlatSymbolRefAttr ancestor,
                    mlir::SymbolTableCollection &tables);

} // namespace route

#endif
