// route-serialize-loops: loops that go item by item become plain code.
// A kernel runs it as a whole.
#include "DeviceValues.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Linalg/Utils/Utils.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "route/Conversion/RouteToLinalg/Passes.h"
#include "route/Dialect/Ragged/IR/Ragged.h"
#include "route/Dialect/Ragged/Transforms/Passes.h"
#include "route/Library/Sizes.h"
#include "route/Target/CUDA/Passes.h"

namespace route {
#define GEN_PASS_DEF_ROUTESERIALIZELOOPS
#include "route/Target/CUDA/Passes.h.inc"
} // namespace route

using namespace mlir;
using namespace route;

/// Elements of an operation that a loop over items does in passing; of one in a
/// branch that is not in such a loop.
static constexpr int64_t kElementsInLoop = 4096, kElementsInBranch = 64;

/// How many elements an operation goes through; nothing if that is not known.
static std::optional<int64_t> elementsOf(Operation *op) {
  auto product = [](ArrayRef<int64_t> sizes) -> std::optional<int64_t> {
    int64_t result = 1;
    for (int64_t n : sizes) {
      if (ShapedType::isDynamic(n))
        return std::nullopt;
      result *= n;
    }
    return result;
  };
  if (auto loops = dyn_cast<linalg::LinalgOp>(op))
    return product(loops.getStaticLoopRanges());
  if (auto copy = dyn_cast<memref::CopyOp>(op))
    return product(cast<MemRefType>(copy.getSource().getType()).getShape());
  int64_t most = 0;
  for (Type type : op->getOperandTypes())
    if (auto buffer = dyn_cast<MemRefType>(type)) {
      std::optional<int64_t> size = product(buffer.getShape());
      if (!size)
        return std::nullopt;
      most = std::max(most, *size);
    }
  return most;
}

/// Whether all in the operation can become loops, of no more elements each.
static bool canSerialize(Operation *op, std::optional<int64_t> most) {
  return !op->walk([&](Operation *inner) {
              if (isa<gpu::LaunchFuncOp>(inner))
                return WalkResult::interrupt();
              bool ragged =
                  isa_and_nonnull<ragged::RaggedDialect>(inner->getDialect()) &&
                  !inner->hasTrait<OpTrait::IsTerminator>();
              if (ragged && !isa<ragged::ChooseOp>(inner))
                return WalkResult::interrupt();
              if (ragged || isa<linalg::LinalgOp, memref::CopyOp>(inner)) {
                std::optional<int64_t> elements = elementsOf(inner);
                if (most && (!elements || *elements > *most))
                  return WalkResult::interrupt();
              }
              return WalkResult::advance();
            }).wasInterrupted();
}

static LogicalResult serialize(Operation *op) {
  SmallVector<Operation *> found;
  op->walk([&](Operation *inner) {
    if (isa<linalg::LinalgOp, memref::CopyOp, ragged::ChooseOp>(inner))
      found.push_back(inner);
  });
  IRRewriter rewriter(op->getContext());
  for (Operation *each : found) {
    if (auto choice = dyn_cast<ragged::ChooseOp>(each)) {
      if (failed(ragged::chooseInPlace(choice)))
        return failure();
      continue;
    }
    rewriter.setInsertionPoint(each);
    if (auto copy = dyn_cast<memref::CopyOp>(each)) {
      each = linalg::makeMemRefCopyOp(rewriter, copy.getLoc(), copy.getSource(),
                                      copy.getTarget());
      rewriter.eraseOp(copy);
    }
    if (failed(linalg::linalgOpToLoops(rewriter, cast<linalg::LinalgOp>(each))))
      return each->emitError("does not become loops");
    rewriter.eraseOp(each);
  }
  return success();
}

/// Whether the value is there in front of the operation.
static bool isInFrontOf(Value value, Operation *op) {
  Operation *parent = value.getParentBlock()->getParentOp();
  return !op->isAncestor(parent);
}

/// Dimension `d` of a buffer that a branch makes, in front of the branch.
static Value sizeInFrontOf(scf::IfOp branch, Value buffer, int64_t d) {
  OpBuilder b(branch);
  if (isInFrontOf(buffer, branch))
    return memref::DimOp::create(b, branch.getLoc(), buffer, d);
  auto made = buffer.getDefiningOp<memref::AllocOp>();
  if (!made)
    return {};
  Value size = made.getDynamicSizes()[made.getType().getDynamicDimIndex(d)];
  if (isInFrontOf(size, branch))
    return size;
  auto dim = size.getDefiningOp<memref::DimOp>();
  if (!dim || !dim.getConstantIndex())
    return {};
  return sizeInFrontOf(branch, dim.getSource(), *dim.getConstantIndex());
}

/// Branches that give buffers write to one instead, which is there before.
static void copyResults(scf::IfOp branch) {
  for (OpResult result : branch.getResults()) {
    auto type = dyn_cast<MemRefType>(result.getType());
    unsigned i = result.getResultNumber();
    scf::YieldOp ends[] = {branch.thenYield(), branch.elseYield()};
    if (!type || !type.getLayout().isIdentity() ||
        ends[0].getOperand(i) == ends[1].getOperand(i))
      continue;
    SmallVector<Value> sizes;
    for (int64_t d = 0; d < type.getRank(); ++d)
      if (type.isDynamicDim(d)) {
        Value size = sizeInFrontOf(branch, ends[0].getOperand(i), d),
              other = sizeInFrontOf(branch, ends[1].getOperand(i), d);
        sizes.push_back(isSameSize(size, other) ? size : Value());
      }
    if (llvm::is_contained(sizes, Value()))
      continue;
    OpBuilder b(branch);
    Value buffer = memref::AllocOp::create(b, branch.getLoc(), type, sizes,
                                           b.getI64IntegerAttr(64));
    for (scf::YieldOp end : ends) {
      Value given = end.getOperand(i);
      end.setOperand(i, buffer);
      auto own = given.getDefiningOp<memref::AllocOp>();
      if (own && own->getBlock() == end->getBlock() && own.getType() == type) {
        own.replaceAllUsesWith(buffer);
        own.erase();
        continue;
      }
      b.setInsertionPoint(end);
      memref::CopyOp::create(b, branch.getLoc(), given, buffer);
    }
    result.replaceAllUsesWith(buffer);
  }
}

static Value withoutCasts(Value buffer) {
  while (auto cast = buffer.getDefiningOp<memref::CastOp>())
    buffer = cast.getSource();
  return buffer;
}

/// Buffers that loops carry and branches give, but which are always the same.
static void forwardBuffers(func::FuncOp entry) {
  entry.walk([](Operation *op) {
    auto replace = [&](Value value, Value same) {
      if (same.getType() != value.getType()) {
        OpBuilder b(op->getContext());
        b.setInsertionPointAfter(op);
        same = memref::CastOp::create(b, op->getLoc(), value.getType(), same);
      }
      value.replaceAllUsesWith(same);
    };
    if (auto branch = dyn_cast<scf::IfOp>(op))
      for (OpResult result : branch.getResults()) {
        unsigned i = result.getResultNumber();
        if (!isa<MemRefType>(result.getType()))
          continue;
        Value same = withoutCasts(branch.thenYield().getOperand(i));
        if (isInFrontOf(same, branch) &&
            same == withoutCasts(branch.elseYield().getOperand(i)))
          replace(result, same);
      }
    if (auto loop = dyn_cast<scf::ForOp>(op))
      for (BlockArgument carried : loop.getRegionIterArgs()) {
        unsigned i = carried.getArgNumber() - 1;
        if (!isa<MemRefType>(carried.getType()) ||
            withoutCasts(loop.getYieldedValues()[i]) != carried)
          continue;
        loop.getBody()->getTerminator()->setOperand(i, carried);
        replace(loop.getResult(i), loop.getInits()[i]);
        carried.replaceUsesWithIf(loop.getInits()[i], [&](OpOperand &use) {
          return use.getOwner() != loop.getBody()->getTerminator();
        });
      }
  });
}

namespace {
struct SerializeLoops : route::impl::RouteSerializeLoopsBase<SerializeLoops> {
  void runOnOperation() override {
    for (auto entry : getOperation().getOps<func::FuncOp>())
      if (entry->hasAttr(kEntryAttr) && !entry.isExternal()) {
        forwardBuffers(entry);
        if (failed(visit(entry.getBody().front())))
          return signalPassFailure();
      }
  }

  LogicalResult visit(Block &block) {
    for (Operation &each : llvm::make_early_inc_range(block)) {
      if (!isa<scf::ForOp, scf::IfOp, scf::WhileOp>(each))
        continue;
      std::optional<int64_t> most = kElementsInBranch;
      auto branch = dyn_cast<scf::IfOp>(each);
      bool onDevice = branch && isOnDevice(branch.getCondition());
      bool candidate = onDevice;
      if (auto loop = dyn_cast<scf::ForOp>(each)) {
        bool known = !isOnDevice(loop.getLowerBound()) &&
                     !isOnDevice(loop.getUpperBound()) &&
                     !isOnDevice(loop.getStep());
        candidate = !known || !loop.getStaticTripCount();
        most = known ? std::optional(kElementsInLoop) : std::nullopt;
      } else if (isa<scf::WhileOp>(each)) {
        candidate = true;
        most = std::nullopt;
      }
      if (candidate && canSerialize(&each, most)) {
        if (failed(serialize(&each)))
          return failure();
        ++numLoops;
        continue;
      }
      for (Region &region : each.getRegions())
        for (Block &inner : region)
          if (failed(visit(inner)))
            return failure();
      if (onDevice)
        copyResults(branch);
    }
    return success();
  }
};
} // namespace
