// Lays out what the host's part of an entry gives the GPU's.
#include "HostCrossings.h"
#include "BufferBytes.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Transforms/RegionUtils.h"
#include "route/Library/Sizes.h"

using namespace mlir;
using namespace route;

/// A dimension of a tensor, from what it was begun with; null where only the
/// data say it.
static OpFoldResult sizeOf(Value value, int64_t dim) {
  auto type = cast<ShapedType>(value.getType());
  if (!type.isDynamicDim(dim))
    return Builder(value.getContext()).getIndexAttr(type.getDimSize(dim));
  auto result = dyn_cast<OpResult>(value);
  if (!result) {
    auto argument = cast<BlockArgument>(value);
    auto loop = dyn_cast<scf::ForOp>(argument.getOwner()->getParentOp());
    return loop ? sizeOf(loop.getTiedLoopInit(argument)->get(), dim)
                : OpFoldResult();
  }
  Operation *op = result.getOwner();
  if (auto empty = dyn_cast<tensor::EmptyOp>(op))
    return empty.getMixedSizes()[dim];
  if (auto writer = dyn_cast<DestinationStyleOpInterface>(op))
    return sizeOf(writer.getTiedOpOperand(result)->get(), dim);
  if (auto loop = dyn_cast<scf::ForOp>(op))
    return sizeOf(loop.getTiedLoopInit(result)->get(), dim);
  if (auto either = dyn_cast<scf::IfOp>(op)) {
    unsigned i = result.getResultNumber();
    OpFoldResult size = sizeOf(either.thenYield().getOperand(i), dim),
                 other = sizeOf(either.elseYield().getOperand(i), dim);
    return isSameSize(size, other) ? size : OpFoldResult();
  }
  if (auto cast = dyn_cast<tensor::CastOp>(op))
    return sizeOf(cast.getSource(), dim);
  if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op))
    return expand.getMixedOutputShape()[dim];
  if (auto collapse = dyn_cast<tensor::CollapseShapeOp>(op)) {
    ReassociationIndices from = collapse.getReassociationIndices()[dim];
    return from.size() == 1 ? sizeOf(collapse.getSrc(), from[0])
                            : OpFoldResult();
  }
  if (auto tensor = dyn_cast<bufferization::ToTensorOp>(op)) {
    OpBuilder b(op);
    return memref::DimOp::create(b, op->getLoc(), tensor.getBuffer(), dim)
        .getResult();
  }
  return {};
}

static constexpr llvm::StringLiteral kSizeFromData =
    "how much its texts give is known only from data";

void route::simplifySizes(func::FuncOp entry) {
  entry.walk([&](tensor::DimOp op) {
    std::optional<int64_t> dim = op.getConstantIndex();
    if (!dim)
      return;
    OpFoldResult size = sizeOf(op.getSource(), *dim);
    auto value = dyn_cast_or_null<Value>(size);
    if (value && value.getParentBlock() == &entry.getBody().front())
      op.replaceAllUsesWith(value);
  });
}

/// Moves what `value` is computed from to the start of the entry, where
/// `front` is.
static void bringForward(Value value, Operation *front) {
  Operation *op = value.getDefiningOp();
  if (!op || op->isBeforeInBlock(front))
    return;
  for (Value operand : op->getOperands())
    bringForward(operand, front);
  op->moveBefore(front);
}

/// Whether a size is made of the sizes of axes.
static bool isKnownBefore(Value size, Block &body) {
  Operation *op = size.getDefiningOp();
  if (!op)
    return cast<BlockArgument>(size).getOwner() == &body;
  return op->getBlock() == &body && HostPart::isShared(op);
}

std::string HostCrossings::layOut(func::FuncOp entry, const HostPart &host) {
  Block &body = entry.getBody().front();
  llvm::SetVector<Value> values;
  for (Operation &op : body) {
    if (host.contains(&op))
      continue;
    llvm::SetVector<Value> used(llvm::from_range, op.getOperands());
    getUsedValuesDefinedAbove(op.getRegions(), used);
    for (Value value : used)
      if (Operation *from = value.getDefiningOp();
          from && host.contains(from) && !HostPart::isShared(from))
        values.insert(value);
  }
  ImplicitLocOpBuilder b =
      ImplicitLocOpBuilder::atBlockBegin(entry.getLoc(), &body);
  end = arith::ConstantIndexOp::create(b, 0);
  b.setInsertionPoint(end);
  total = arith::ConstantIndexOp::create(b, 0);
  for (Value value : values)
    if (std::string objection = add(value); !objection.empty())
      return objection;
  return "";
}

std::string HostCrossings::add(Value value) {
  ImplicitLocOpBuilder b(end->getLoc(), end);
  auto constant = [&](int64_t n) -> Value {
    return arith::ConstantIndexOp::create(b, n);
  };
  HostCrossing each;
  each.value = value;
  Type element = getElementTypeOrSelf(value.getType());
  if (!element.isIntOrIndexOrFloat() || isa<MemRefType>(value.getType()))
    return "what its texts give is no tensor of numbers";
  if (value.getDefiningOp<tensor::DimOp>())
    return kSizeFromData.str();
  auto shaped = dyn_cast<RankedTensorType>(value.getType());
  each.type = MemRefType::get(shaped ? shaped.getShape() : ArrayRef<int64_t>(),
                              element);
  Value bytes = constant(elementBytes(element));
  for (int64_t dim = 0; dim < each.type.getRank(); ++dim) {
    OpFoldResult size = sizeOf(value, dim);
    auto known = dyn_cast_or_null<Value>(size);
    if (!size || (known && !isKnownBefore(known, *end->getBlock())))
      return kSizeFromData.str();
    if (known) {
      bringForward(known, end);
      each.sizes.push_back(known);
    } else {
      known = constant(*getConstantIntValue(size));
    }
    bytes = arith::MulIOp::create(b, bytes, known);
  }
  each.offset = total;
  if (!each.sizes.empty())
    fixed = std::nullopt;
  else if (fixed)
    *fixed += llvm::alignTo(each.type.getNumElements() * elementBytes(element),
                            kBufferAlignment);
  total = arith::AddIOp::create(b, total, alignBytes(b, bytes));
  list.push_back(std::move(each));
  return "";
}
