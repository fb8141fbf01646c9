// Tells where sizes come from.
// Axes do: what has the same axis has the same size.
#include "route/Library/Sizes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/OperationSupport.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
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

/// The size itself, where it is a dimension of an argument.
static Value withoutDim(Value size) {
  auto dim = size.getDefiningOp<memref::DimOp>();
  auto argument =
      dim ? dyn_cast<BlockArgument>(dim.getSource()) : BlockArgument();
  std::optional<int64_t> index =
      argument ? dim.getConstantIndex() : std::nullopt;
  Value known = index ? sizeArgument(argument, *index) : Value();
  return known ? known : size;
}

static bool isSameValue(Value x, Value y) {
  x = withoutDim(x), y = withoutDim(y);
  if (x == y)
    return true;
  auto left = dyn_cast<OpResult>(x), right = dyn_cast<OpResult>(y);
  if (!left || !right || left.getResultNumber() != right.getResultNumber() ||
      left.getOwner()->getNumRegions() || !isMemoryEffectFree(left.getOwner()))
    return false;
  return OperationEquivalence::isEquivalentTo(
      left.getOwner(), right.getOwner(),
      [](Value a, Value b) { return success(isSameValue(a, b)); },
      /*markEquivalent=*/nullptr, OperationEquivalence::IgnoreLocations);
}

bool route::isSameSize(OpFoldResult x, OpFoldResult y) {
  if (!x || !y)
    return false;
  std::optional<int64_t> left = getConstantIntValue(x),
                         right = getConstantIntValue(y);
  if (left || right)
    return left == right;
  return isSameValue(cast<Value>(x), cast<Value>(y));
}
