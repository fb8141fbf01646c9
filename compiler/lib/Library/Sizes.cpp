// Tells where sizes come from.
// Axes do: what has the same axis has the same size.
#include "route/Library/Sizes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "route/Conversion/RouteToLinalg/Passes.h"
#include "route/Dialect/Route/IR/RouteOps.h"

using namespace mlir;
using namespace route;

/// Adds the dimensions that `axis` has in memory: rows of a plan lie by item
/// and place, and a copy is as long as its original.
static void addDims(func::FuncOp entry, FlatSymbolRefAttr axis,
                    SmallVectorImpl<FlatSymbolRefAttr> &to) {
  auto symbol = SymbolTable::lookupNearestSymbolFrom<AxisOp>(entry, axis);
  if (symbol && symbol.getKind() == AxisKind::plan)
    for (FlatSymbolRefAttr item : ArrayRef(symbol.getParentAxes()).drop_back())
      addDims(entry, item, to);
  FlatSymbolRefAttr dim =
      symbol && symbol.getOriginalAttr() ? symbol.getOriginalAttr() : axis;
  to.push_back(dim);
}

Value route::sizeArgument(BlockArgument argument, int64_t dim) {
  auto entry = dyn_cast<func::FuncOp>(argument.getOwner()->getParentOp());
  if (!entry || argument.getOwner() != &entry.getBody().front())
    return {};
  SmallVector<FlatSymbolRefAttr> dims;
  if (auto axes =
          entry.getArgAttrOfType<ArrayAttr>(argument.getArgNumber(), kAxesAttr))
    for (auto axis : axes.getAsRange<FlatSymbolRefAttr>())
      addDims(entry, axis, dims);
  if (dim >= static_cast<int64_t>(dims.size()))
    return {};
  for (BlockArgument size : entry.getArguments())
    if (auto name =
            entry.getArgAttrOfType<StringAttr>(size.getArgNumber(), kNameAttr);
        name && size.getType().isIndex() && name == dims[dim].getAttr())
      return size;
  return {};
}
