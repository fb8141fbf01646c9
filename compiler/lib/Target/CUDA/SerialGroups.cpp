// Cuts groups of an entry's operations into kernels.
// What goes in and out of each gets its place.
#include "SerialGroups.h"
#include "ParallelLoops.h"
#include "ScalarSlots.h"
#include "SerialKernel.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "route/Notice.h"

using namespace mlir;
using namespace route;

/// Loops of fewer rounds, with those within, are not worth a kernel of their
/// own.
static constexpr int64_t kFewRounds = 8;
/// Rounds of a loop that are told of where one thread runs it.
static constexpr int64_t kLongLoop = 1024;

static bool hasManyRounds(scf::ForOp loop) {
  int64_t rounds = 1;
  WalkResult few = loop->walk([&](scf::ForOp each) {
    std::optional<APInt> trips = each.getStaticTripCount();
    rounds *=
        trips && trips->slt(kFewRounds) ? trips->getSExtValue() : kFewRounds;
    return rounds >= kFewRounds ? WalkResult::interrupt()
                                : WalkResult::advance();
  });
  return few.wasInterrupted();
}

/// Tells of the outermost loops in `op`, which one thread runs, if they may go
/// on for long.
static void tellOfLoops(Operation *op) {
  op->walk<WalkOrder::PreOrder>([](scf::ForOp loop) {
    bool isLong = loop->walk([](scf::ForOp each) {
                        std::optional<APInt> trips = each.getStaticTripCount();
                        return !trips || trips->uge(kLongLoop)
                                   ? WalkResult::interrupt()
                                   : WalkResult::advance();
                      })
                      .wasInterrupted();
    if (isLong)
      emitNotice(loop.getLoc(), Notice::oneThread)
          << "one thread of a GPU goes through this loop";
    return WalkResult::skip();
  });
}

/// Kernels allocate nothing: buffers that the group makes come before it.
static LogicalResult moveBuffersOut(ArrayRef<Operation *> group) {
  Operation *front = group.front();
  for (Operation *op : group) {
    SmallVector<memref::AllocOp> inner;
    op->walk([&](memref::AllocOp each) { inner.push_back(each); });
    for (memref::AllocOp each : inner) {
      if (each->getBlock() == front->getBlock())
        continue;
      SmallVector<Value> sizes;
      for (Value size : each.getDynamicSizes()) {
        FailureOr<Value> moved = moveOut(size, front);
        if (failed(moved))
          return refuseOnDevice(each, "the size of a buffer only the device "
                                      "knows");
        sizes.push_back(*moved);
      }
      each->moveBefore(front);
      each.getDynamicSizesMutable().assign(sizes);
    }
  }
  return success();
}

LogicalResult SerialGroups::flush(Group &group, Value guard) {
  // What launches have taken into their kernels is gone.
  for (Operation *&op : llvm::reverse(group))
    if (isOpTriviallyDead(op)) {
      erase(op);
      op = nullptr;
    }
  llvm::erase(group, nullptr);
  if (group.empty())
    return success();
  if (failed(moveBuffersOut(group)))
    return failure();
  Group all = std::move(group), part;
  group.clear();
  for (Operation *op : all) {
    fresh.erase(op);
    auto loop = dyn_cast<scf::ForOp>(op);
    scf::ForOp parallel =
        loop && hasManyRounds(loop) ? makeParallel(loop) : scf::ForOp();
    if (!parallel) {
      tellOfLoops(op);
      part.append(withOwnLoads(op));
      continue;
    }
    if (failed(makeKernel(part, guard, {})))
      return failure();
    part = withOwnLoads(parallel);
    if (failed(makeKernel(part, guard, parallel)))
      return failure();
  }
  return makeKernel(part, guard, {});
}

/// The operation behind what was put in front of it.
SerialGroups::Group SerialGroups::withOwnLoads(Operation *op) {
  Group with{op};
  for (Operation *before = op->getPrevNode();
       before && (fresh.contains(before) ||
                  isa<arith::ConstantOp, memref::DimOp>(before));
       before = before->getPrevNode())
    if (fresh.erase(before))
      with.push_back(before);
  return Group(with.rbegin(), with.rend());
}

/// Makes one kernel of a group, and empties it.
LogicalResult SerialGroups::makeKernel(Group &group, Value guard,
                                       scf::ForOp parallel) {
  if (group.empty())
    return success();
  copyViews(group);
  if (failed(spill(group)) ||
      failed(makeSerialKernel(entry, group, guard, parallel)))
    return failure();
  ++numKernels;
  group.clear();
  return success();
}

/// Each user outside of the group gets views of its own.
void SerialGroups::copyViews(Group &group) {
  Group all = group;
  for (Operation *op : llvm::reverse(all)) {
    if (op->getNumResults() != 1 ||
        !isa<BaseMemRefType>(op->getResult(0).getType()) || op->getNumRegions())
      continue;
    for (OpOperand &use :
         llvm::make_early_inc_range(op->getResult(0).getUses())) {
      if (isWithin(use.getOwner(), group))
        continue;
      OpBuilder b(use.getOwner());
      Operation *copy = b.clone(*op);
      if (copy->getBlock() == op->getBlock())
        fresh.insert(copy);
      use.set(copy->getResult(0));
    }
    if (op->use_empty()) {
      llvm::erase(group, op);
      erase(op);
    }
  }
}

/// Stores what others use of the group, who load it where they need it.
LogicalResult SerialGroups::spill(Group &group) {
  Group all = group;
  for (Operation *op : all)
    for (Value result : op->getResults()) {
      SmallVector<OpOperand *> outside;
      for (OpOperand &use : result.getUses())
        if (!isWithin(use.getOwner(), group))
          outside.push_back(&use);
      if (outside.empty())
        continue;
      if (!result.getType().isIntOrIndexOrFloat())
        return refuseOnDevice(op, "which buffer it is only the device knows");
      ImplicitLocOpBuilder b(op->getLoc(), op);
      Value slot = makeSlot(b, result.getType());
      b.setInsertionPointAfter(group.back());
      group.push_back(storeSlot(b, result, slot));
      for (OpOperand *use : outside) {
        b.setInsertionPoint(use->getOwner());
        Value again = loadSlot(b, slot);
        if (use->getOwner()->getBlock() == op->getBlock())
          fresh.insert(again.getDefiningOp());
        use->set(again);
      }
    }
  return success();
}
