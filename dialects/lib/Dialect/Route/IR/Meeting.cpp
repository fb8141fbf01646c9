// Which axes of an array meet within a third.
#include "route/Dialect/Route/IR/Meeting.h"

using namespace mlir;
using namespace route;

/// The nearest axis above `axis` that `other` descends from, or null.
static FlatSymbolRefAttr nearestShared(Operation *from, FlatSymbolRefAttr axis,
                                       FlatSymbolRefAttr other,
                                       SymbolTableCollection &tables) {
  SmallVector<FlatSymbolRefAttr> above =
      lookupAxis(from, axis, tables).getParentAxes();
  for (unsigned i = 0; i < above.size(); ++i) {
    if (descendsFrom(from, other, above[i], tables))
      return above[i];
    llvm::append_range(above,
                       lookupAxis(from, above[i], tables).getParentAxes());
  }
  return {};
}

SmallVector<Meeting> route::meetingsOf(Operation *from,
                                       ArrayRef<FlatSymbolRefAttr> axes,
                                       SymbolTableCollection &tables) {
  SmallVector<Meeting> meetings;
  for (unsigned i = 0; i < axes.size(); ++i)
    for (unsigned j = 0; j < i; ++j) {
      if (descendsFrom(from, axes[i], axes[j], tables) ||
          descendsFrom(from, axes[j], axes[i], tables))
        continue;
      if (FlatSymbolRefAttr within =
              nearestShared(from, axes[i], axes[j], tables))
        meetings.push_back({axes[j], axes[i], within});
    }
  return meetings;
}

SmallVector<Meeting> route::meetingsOf(ReduceOp op,
                                       SymbolTableCollection &tables) {
  return meetingsOf(op, cast<ArrayType>(op.getOperand().getType()).getAxes(),
                    tables);
}

SmallVector<Meeting> route::meetingsOf(ContractOp op,
                                       SymbolTableCollection &tables) {
  SmallVector<FlatSymbolRefAttr> axes(cast<ArrayType>(op.getType()).getAxes());
  llvm::append_range(axes, op.getOver().getAsRange<FlatSymbolRefAttr>());
  return meetingsOf(op, axes, tables);
}
