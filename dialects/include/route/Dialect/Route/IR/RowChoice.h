// Which choices a row program can make.
// Those for a few known candidates of one item, ranked by keys that are there
// beforehand.
#ifndef ROUTE_DIALECT_ROUTE_IR_ROWCHOICE_H
#define ROUTE_DIALECT_ROUTE_IR_ROWCHOICE_H

#include "route/Dialect/Route/IR/RouteOps.h"

namespace route {

/// One of the ends of an `until`: the choice ends with the row at which the sum
/// of `values` over the rows so far, or without `values` their number, compares
/// with `bound`, if all `guards` hold, which do not hang on the rows. Without a
/// bound it is the first row.
struct ChoiceEnd {
  mlir::Value values, bound;
  /// `ge` or `gt`; of a number of rows also `eq`.
  CompareKind kind = CompareKind::ge;
  llvm::SmallVector<mlir::Value, 2> guards;
};

/// Whether `value`, made in `block`, hangs on the block's argument.
bool dependsOnPrefix(mlir::Value value, mlir::Block &block);

/// The ends of an `until` whose condition says no more than that one of them is
/// reached, one of them at most a sum; nothing where it says anything else.
std::optional<llvm::SmallVector<ChoiceEnd>> matchEnds(ChooseOp choose);

/// True where `choose` ranks candidates of a static number, above no item of
/// its own, by keys given beforehand: what `row.choose` does. Budgets, greedy
/// keys, paths, choices from a plan or for the rows of one, and conditions that
/// `matchEnds` does not know are none of it.
bool isRowChoice(ChooseOp choose, mlir::SymbolTableCollection &tables);

/// Whether the descendants of a position of `ancestor` are neighbours on
/// `axis`: along single parents they are, through a product of pools not.
bool liesSideBySide(mlir::Operation *from, mlir::FlatSymbolRefAttr axis,
                    mlir::FlatSymbolRefAttr ancestor,
                    mlir::SymbolTableCollection &tables);

} // namespace route

#endif
