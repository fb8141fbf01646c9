// Moves operations of an entry into a kernel.
#include "SerialKernel.h"
#include "DeviceValues.h"
#include "ItemScratch.h"
#include "KernelArguments.h"
#include "ScalarSlots.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "route/Dialect/Row/Transforms/Passes.h"
#include "route/Kernels/Kernels.h"
#include "route/Notice.h"

using namespace mlir;
using namespace route;

bool route::isWithin(Operation *op, ArrayRef<Operation *> group) {
  return llvm::any_of(group,
                      [&](Operation *each) { return each->isAncestor(op); });
}

FailureOr<Value> route::moveOut(Value value, Operation *front) {
  Operation *op = value.getDefiningOp();
  // What stands around the group, or in front of it, is there.
  Operation *around = value.getParentBlock()->getParentOp();
  if (around->isProperAncestor(front) &&
      (!op || op->getBlock() != front->getBlock() ||
       op->isBeforeInBlock(front)))
    return value;
  if (!op)
    return failure();
  if (isOnDevice(value) || !isPure(op) || op->getNumRegions())
    return failure();
  IRMapping mapping;
  for (Value operand : op->getOperands()) {
    FailureOr<Value> moved = moveOut(operand, front);
    if (failed(moved))
      return failure();
    mapping.map(operand, *moved);
  }
  OpBuilder b(front);
  return b.clone(*op, mapping)
      ->getResult(cast<OpResult>(value).getResultNumber());
}

namespace {
class SerialKernel {
public:
  SerialKernel(func::FuncOp entry, ArrayRef<Operation *> group, Value guard,
               scf::ForOp parallel)
      : entry(entry), module(entry->getParentOfType<ModuleOp>()), group(group),
        guard(guard), parallel(parallel), loc(group.front()->getLoc()) {}

  LogicalResult make() {
    llvm::SetVector<Value> captured = capture();
    if (parallel && parallel->hasAttr(row::kItemsAttr)) {
      FailureOr<ItemScratch> taken = ItemScratch::takeFrom(parallel, captured);
      if (failed(taken))
        return failure();
      scratch = std::move(*taken);
    }
    for (Value v : captured)
      (isa_and_nonnull<arith::ConstantOp, memref::GetGlobalOp>(
           v.getDefiningOp())
           ? inside
           : arguments)
          .push_back(v);
    for (Value v : arguments)
      if (isOnDevice(v))
        return refuseOnDevice(group.front(), "a loop carries what only the "
                                             "device knows");
    fill();
    launch();
    for (Operation *op : llvm::reverse(group))
      op->erase();
    return success();
  }

private:
  /// What the kernel needs from outside.
  llvm::SetVector<Value> capture() {
    llvm::SetVector<Value> captured;
    for (Operation *op : group) {
      auto capture = [&](Value v) {
        if (!isWithin(v.getParentBlock()->getParentOp(), group) &&
            !(v.getDefiningOp() && isWithin(v.getDefiningOp(), group)))
          captured.insert(v);
      };
      op->walk([&](Operation *inner) {
        llvm::for_each(inner->getOperands(), capture);
      });
    }
    if (guard)
      captured.insert(guard);
    return captured;
  }

  /// Makes the kernel and its body.
  void fill() {
    std::string stem = (entry.getSymName() + "_serial").str();
    int32_t block = scratch ? ItemScratch::kBlock : parallel ? 128 : 1;
    kernel = createKernel(module, loc, stem, ValueRange(arguments).getTypes(),
                          block);
    IRMapping mapping;
    mapping.map(arguments, kernel.getBody().front().getArguments());
    ImplicitLocOpBuilder b(loc, kernel.getBody().front().getTerminator());
    for (Value v : inside) {
      if (auto table = v.getDefiningOp<memref::GetGlobalOp>())
        copyTable(module, table);
      b.clone(*v.getDefiningOp(), mapping);
    }
    if (scratch)
      scratch->share(b, mapping);
    if (guard) {
      Value on = loadSlot(b, mapping.lookup(guard));
      b.setInsertionPointToStart(
          scf::IfOp::create(b, on, /*withElseRegion=*/false).thenBlock());
    }
    for (Operation *op : group)
      if (op == parallel)
        fillRounds(b, mapping);
      else
        b.clone(*op, mapping);
  }

  /// A thread for each round of the loop.
  void fillRounds(ImplicitLocOpBuilder &b, IRMapping &mapping) {
    auto at = [&](Value v) { return mapping.lookupOrDefault(v); };
    Value from = at(parallel.getLowerBound()), step = at(parallel.getStep());
    Value count = arith::CeilDivSIOp::create(
        b, arith::SubIOp::create(b, at(parallel.getUpperBound()), from), step);
    forEachThread(b, kernel, count, [&](Value flat) {
      mapping.map(
          parallel.getInductionVar(),
          arith::AddIOp::create(b, from, arith::MulIOp::create(b, flat, step)));
      for (Operation &each : parallel.getBody()->without_terminator())
        b.clone(each, mapping);
    });
  }

  void launch() {
    ImplicitLocOpBuilder b(loc, group.back());
    b.setInsertionPointAfter(group.back());
    launchKernel(b, kernel, gridIn(b), arguments);
  }

  Value gridIn(ImplicitLocOpBuilder &b) {
    if (!parallel)
      return arith::ConstantIndexOp::create(b, 1);
    if (scratch)
      return scratch->getGrid();
    FailureOr<Value> from = moveOut(parallel.getLowerBound(), group.front()),
                     to = moveOut(parallel.getUpperBound(), group.front()),
                     step = moveOut(parallel.getStep(), group.front());
    if (failed(from) || failed(to) || failed(step))
      return arith::ConstantIndexOp::create(b, kBlocksForAny);
    Value rounds = arith::CeilDivSIOp::create(
        b, arith::SubIOp::create(b, *to, *from), *step);
    // None where the loop ends before it begins.
    rounds =
        arith::MaxSIOp::create(b, rounds, arith::ConstantIndexOp::create(b, 0));
    return gridFor(b, kernel, rounds);
  }

  func::FuncOp entry;
  ModuleOp module;
  ArrayRef<Operation *> group;
  Value guard;
  scf::ForOp parallel;
  Location loc;
  std::optional<ItemScratch> scratch;
  SmallVector<Value> arguments;
  SmallVector<Value> inside; ///< constants, which the kernel has itself
  gpu::GPUFuncOp kernel;
};
} // namespace

LogicalResult route::makeSerialKernel(func::FuncOp entry,
                                      ArrayRef<Operation *> group, Value guard,
                                      scf::ForOp parallel) {
  return SerialKernel(entry, group, guard, parallel).make();
}
