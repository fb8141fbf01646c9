// Tells where sizes come from.
// Axes do: what has the same axis has the same size.
#include "route/Library/Sizes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
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

namespace {
/// Tells sizes by what they are computed from.
class Sizes {
public:
  bool isSame(Value x, Value y);

private:
  Value of(Value buffer, int64_t dim);
  Value ofLoop(scf::ForOp loop, unsigned carried, int64_t dim);
  Value withoutDim(Value size);

  /// Loops whose rounds are being looked at: what they carry is taken to have
  /// its first size, until a round is seen to give another.
  SmallVector<scf::ForOp> assumed;
};
} // namespace

/// A dimension of a buffer, by what gives it; null where that is not known.
Value Sizes::of(Value buffer, int64_t dim) {
  if (auto argument = dyn_cast<BlockArgument>(buffer)) {
    auto loop = dyn_cast<scf::ForOp>(argument.getOwner()->getParentOp());
    return !loop ? sizeArgument(argument, dim)
           : argument.getArgNumber() == 0
               ? Value()
               : ofLoop(loop, argument.getArgNumber() - 1, dim);
  }
  Operation *made = buffer.getDefiningOp();
  if (auto cast = dyn_cast<memref::CastOp>(made))
    return of(cast.getSource(), dim);
  if (auto loop = dyn_cast<scf::ForOp>(made))
    return ofLoop(loop, cast<OpResult>(buffer).getResultNumber(), dim);
  auto alloc = dyn_cast<memref::AllocOp>(made);
  return alloc && alloc.getType().isDynamicDim(dim)
             ? withoutDim(
                   alloc.getDynamicSizes()[alloc.getType().getDynamicDimIndex(
                       dim)])
             : Value();
}

/// The first size of what a loop carries, if all rounds keep it.
Value Sizes::ofLoop(scf::ForOp loop, unsigned carried, int64_t dim) {
  Value first = of(loop.getInits()[carried], dim);
  if (!first || llvm::is_contained(assumed, loop))
    return first;
  assumed.push_back(loop);
  Value last = of(loop.getYieldedValues()[carried], dim);
  bool kept = last && isSame(first, last);
  assumed.pop_back();
  return kept ? first : Value();
}

/// The size itself, where it is a dimension of something whose size is known.
Value Sizes::withoutDim(Value size) {
  auto dim = size.getDefiningOp<memref::DimOp>();
  std::optional<int64_t> index = dim ? dim.getConstantIndex() : std::nullopt;
  Value known = index ? of(dim.getSource(), *index) : Value();
  return known ? known : size;
}

bool Sizes::isSame(Value x, Value y) {
  x = withoutDim(x), y = withoutDim(y);
  if (x == y)
    return true;
  auto left = dyn_cast<OpResult>(x), right = dyn_cast<OpResult>(y);
  if (!left || !right || left.getResultNumber() != right.getResultNumber() ||
      left.getOwner()->getNumRegions() || !isMemoryEffectFree(left.getOwner()))
    return false;
  return OperationEquivalence::isEquivalentTo(
      left.getOwner(), right.getOwner(),
      [&](Value a, Value b) { return success(isSame(a, b)); },
      /*markEquivalent=*/nullptr, OperationEquivalence::IgnoreLocations);
}

bool route::isSameSize(OpFoldResult x, OpFoldResult y) {
  if (!x || !y)
    return false;
  std::optional<int64_t> left = getConstantIntValue(x),
                         right = getConstantIntValue(y);
  if (left || right)
    return left == right;
  return Sizes().isSame(cast<Value>(x), cast<Value>(y));
}
