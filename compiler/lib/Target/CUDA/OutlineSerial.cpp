// route-outline-serial: an entry's own code on elements becomes kernels.
// What hangs on elements stays on the device.
#include "DeviceValues.h"
#include "KernelArguments.h"
#include "ScalarSlots.h"
#include "SerialGroups.h"
#include "SerialKernel.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "route/Conversion/RouteToLinalg/Passes.h"
#include "route/Kernels/Kernels.h"
#include "route/Notice.h"
#include "route/Target/CUDA/Passes.h"

namespace route {
#define GEN_PASS_DEF_ROUTEOUTLINESERIAL
#include "route/Target/CUDA/Passes.h.inc"
} // namespace route

using namespace mlir;
using namespace route;

namespace {
using Group = SerialGroups::Group;

/// Goes through an entry, whose operations stand between launches, in loops and
/// in branches, and gathers those on elements in groups (SerialGroups.h). What
/// loops carry and branches give of scalars on the device goes through memory.
class SerialOutliner {
public:
  explicit SerialOutliner(func::FuncOp entry) : entry(entry), groups(entry) {}

  LogicalResult run() {
    moveStackToMemory();
    if (failed(process(entry.getBody().front(), Value())))
      return failure();
    WalkResult left = entry.walk([](Operation *op) {
      bool reads = !isa<gpu::LaunchFuncOp, memref::AllocOp>(op) &&
                   !op->getNumRegions() && isSerial(op);
      if (!reads)
        return WalkResult::advance();
      (void)refuseOnDevice(op, "the host needs what only the device knows");
      return WalkResult::interrupt();
    });
    return failure(left.wasInterrupted());
  }
  int64_t getNumKernels() const { return groups.getNumKernels(); }
  int64_t getNumGuarded() const { return numGuarded; }

private:
  /// Launches run where `guard`, a slot, is on; null where always.
  LogicalResult process(Block &block, Value guard);
  LogicalResult processLaunch(gpu::LaunchFuncOp launch, Group &group,
                              Value guard);
  LogicalResult processLoop(scf::ForOp loop, Group &group, Value guard);
  LogicalResult processBranch(scf::IfOp branch, Group &group, Value guard);
  LogicalResult processBranchOnDevice(scf::IfOp branch, Group &group,
                                      Value guard);

  /// Two guards, one for each branch.
  using Guards = std::array<Value, 2>;
  FailureOr<Guards> makeGuards(scf::IfOp branch, Group &group, Value guard);
  using Results = SmallVector<std::pair<OpResult, Value>>;
  FailureOr<Results> storeResults(scf::IfOp branch);

  void moveStackToMemory();

  func::FuncOp entry;
  SerialGroups groups;
  int64_t numGuarded = 0;
};

/// Kernels keep nothing on a stack: it would be as large for all threads that
/// the device may run.
void SerialOutliner::moveStackToMemory() {
  SmallVector<memref::AllocaOp> stack;
  entry.walk([&](memref::AllocaOp op) { stack.push_back(op); });
  for (memref::AllocaOp op : stack) {
    ImplicitLocOpBuilder b(op.getLoc(), op);
    auto made = memref::AllocOp::create(b, op.getType(), op.getDynamicSizes(),
                                        b.getI64IntegerAttr(64));
    op.replaceAllUsesWith(made.getResult());
    op.erase();
  }
}

LogicalResult SerialOutliner::process(Block &block, Value guard) {
  Group group;
  Operation *op = &block.front();
  while (!op->hasTrait<OpTrait::IsTerminator>()) {
    LogicalResult done = success();
    bool taken = false;
    if (auto launch = dyn_cast<gpu::LaunchFuncOp>(op)) {
      done = processLaunch(launch, group, guard);
    } else if (launches(op)) {
      if (auto loop = dyn_cast<scf::ForOp>(op))
        done = processLoop(loop, group, guard);
      else if (auto branch = dyn_cast<scf::IfOp>(op))
        done = (taken = isOnDevice(branch.getCondition()))
                   ? processBranchOnDevice(branch, group, guard)
                   : processBranch(branch, group, guard);
      else
        return refuseOnDevice(op, "a loop with kernels ends where only the "
                                  "device knows");
    } else if (isSerial(op)) {
      group.push_back(op);
    }
    if (failed(done))
      return failure();
    // Loads for later operations may stand in front of them by now.
    Operation *next = op->getNextNode();
    if (taken)
      op->erase();
    op = next;
  }
  return groups.flush(group, guard);
}

LogicalResult SerialOutliner::processLaunch(gpu::LaunchFuncOp launch,
                                            Group &group, Value guard) {
  if (isOnDevice(launch.getGridSizeX())) {
    auto module = launch->getParentOfType<ModuleOp>();
    Operation *kernel =
        findKernelModule(module).lookupSymbol(launch.getKernelName());
    if (!kernel->hasAttr(kAnyGridAttr))
      return refuseOnDevice(launch, "how many blocks a kernel needs only the "
                                    "device knows");
    ImplicitLocOpBuilder b(launch.getLoc(), launch);
    launch.getGridSizeXMutable().assign(
        arith::ConstantIndexOp::create(b, kBlocksForAny));
  }
  // What the kernel can compute for itself it does; the rest is in memory.
  computeInKernel(launch);
  if (failed(groups.flush(group, guard)))
    return failure();
  computeInKernel(launch);
  for (Operation *before = launch->getPrevNode();
       before && isOpTriviallyDead(before); before = launch->getPrevNode())
    groups.erase(before);
  for (Value operand : launch.getKernelOperands())
    if (needsDevice(operand))
      return refuseOnDevice(launch, "a kernel takes what only the device "
                                    "knows");
  if (guard) {
    addGuard(launch, guard);
    ++numGuarded;
  }
  return success();
}

/// Scalars that the loop carries on the device are carried in memory.
LogicalResult SerialOutliner::processLoop(scf::ForOp loop, Group &group,
                                          Value guard) {
  for (Value bound :
       {loop.getLowerBound(), loop.getUpperBound(), loop.getStep()})
    if (isOnDevice(bound))
      return refuseOnDevice(loop, "a loop with kernels ends where only the "
                                  "device knows");
  ImplicitLocOpBuilder b(loop.getLoc(), loop);
  SmallVector<std::pair<unsigned, Value>> slots;
  for (unsigned i = 0; i < loop.getNumResults(); ++i) {
    Type type = loop.getResult(i).getType();
    if (!isOnDevice(loop.getResult(i)))
      continue;
    if (!type.isIntOrIndexOrFloat())
      return refuseOnDevice(loop, "which buffer a loop carries only the device "
                                  "knows");
    b.setInsertionPoint(loop);
    Value slot = makeSlot(b, type);
    group.push_back(storeSlot(b, loop.getInits()[i], slot));
    loop.getInitsMutable()[i].set(
        arith::ConstantOp::create(b, b.getZeroAttr(type)));
    b.setInsertionPointToStart(loop.getBody());
    loop.getRegionIterArgs()[i].replaceAllUsesWith(loadSlot(b, slot));
    b.setInsertionPointAfter(loop);
    loop.getResult(i).replaceAllUsesWith(loadSlot(b, slot));
    slots.push_back({i, slot});
  }
  // Only now does what a round gives have all it takes from memory: it may be
  // what another scalar was before.
  Operation *end = loop.getBody()->getTerminator();
  b.setInsertionPoint(end);
  for (auto [i, slot] : slots) {
    storeSlot(b, end->getOperand(i), slot);
    end->setOperand(i, loop.getRegionIterArgs()[i]);
  }
  if (failed(groups.flush(group, guard)))
    return failure();
  return process(*loop.getBody(), guard);
}

/// The host knows which branch runs.
LogicalResult SerialOutliner::processBranch(scf::IfOp branch, Group &group,
                                            Value guard) {
  ImplicitLocOpBuilder b(branch.getLoc(), branch);
  for (unsigned i = 0; i < branch.getNumResults(); ++i) {
    Type type = branch.getResult(i).getType();
    if (!isOnDevice(branch.getResult(i)))
      continue;
    if (!type.isIntOrIndexOrFloat())
      return refuseOnDevice(branch, "which buffer a branch gives only the "
                                    "device knows");
    b.setInsertionPoint(branch);
    Value slot = makeSlot(b, type);
    Value none = arith::ConstantOp::create(b, b.getZeroAttr(type));
    for (scf::YieldOp end : {branch.thenYield(), branch.elseYield()}) {
      b.setInsertionPoint(end);
      storeSlot(b, end.getOperand(i), slot);
      end.setOperand(i, none);
    }
    b.setInsertionPointAfter(branch);
    branch.getResult(i).replaceAllUsesWith(loadSlot(b, slot));
  }
  if (failed(groups.flush(group, guard)))
    return failure();
  for (Region &region : branch->getRegions())
    if (!region.empty() && failed(process(region.front(), guard)))
      return failure();
  return success();
}

/// Guards of what a branch does, by the condition, which becomes false for the
/// host; off where this whole branch is not taken.
FailureOr<SerialOutliner::Guards>
SerialOutliner::makeGuards(scf::IfOp branch, Group &group, Value guard) {
  ImplicitLocOpBuilder b(branch.getLoc(), branch);
  Value condition = branch.getCondition();
  Value no = arith::ConstantOp::create(b, b.getBoolAttr(false));
  Value taken = makeSlot(b, b.getI1Type()), other = makeSlot(b, b.getI1Type());
  Value inverse = arith::XOrIOp::create(
      b, condition, arith::ConstantOp::create(b, b.getBoolAttr(true)));
  branch.getConditionMutable().assign(no);
  group.append({inverse.getDefiningOp(), storeSlot(b, condition, taken),
                storeSlot(b, inverse, other)});
  Guards guards{taken, other};
  if (!guard)
    return guards;
  if (failed(groups.flush(group, guard)))
    return failure();
  b.setInsertionPoint(branch);
  Value on = loadSlot(b, guard);
  group.push_back(on.getDefiningOp());
  for (Value slot : guards) {
    Value each = loadSlot(b, slot);
    Value both = arith::SelectOp::create(b, on, each, no);
    group.append(
        {each.getDefiningOp(), both.getDefiningOp(), storeSlot(b, both, slot)});
  }
  if (failed(groups.flush(group, Value())))
    return failure();
  return guards;
}

/// Both branches store what they give; where.
FailureOr<SerialOutliner::Results>
SerialOutliner::storeResults(scf::IfOp branch) {
  ImplicitLocOpBuilder b(branch.getLoc(), branch);
  Results results;
  for (OpResult result : branch.getResults()) {
    unsigned i = result.getResultNumber();
    Value first = branch.thenYield().getOperand(i);
    if (first == branch.elseYield().getOperand(i)) {
      result.replaceAllUsesWith(first);
      continue;
    }
    if (!result.getType().isIntOrIndexOrFloat())
      return refuseOnDevice(branch, "which buffer a branch gives only the "
                                    "device knows");
    b.setInsertionPoint(branch);
    Value slot = makeSlot(b, result.getType());
    for (scf::YieldOp end : {branch.thenYield(), branch.elseYield()}) {
      // As soon as it is there.
      Value given = end.getOperand(i);
      Operation *made = given.getDefiningOp();
      if (made && made->getBlock() == end->getBlock())
        b.setInsertionPointAfter(made);
      else
        b.setInsertionPoint(end);
      storeSlot(b, given, slot);
    }
    results.push_back({result, slot});
  }
  return results;
}

/// A branch without kernels is serial code.
static void addPlainBranches(scf::IfOp branch, ArrayRef<Value> guards,
                             Group &group) {
  ImplicitLocOpBuilder b(branch.getLoc(), branch);
  for (auto [region, on] : llvm::zip_equal(branch->getRegions(), guards)) {
    if (region.empty() || llvm::any_of(region.front(), [](Operation &op) {
          return launches(&op);
        }))
      continue;
    Value runs = loadSlot(b, on);
    auto serial = scf::IfOp::create(b, runs, /*withElseRegion=*/false);
    auto &inside = serial.thenBlock()->getOperations();
    inside.splice(inside.begin(), region.front().getOperations(),
                  region.front().begin(),
                  region.front().getTerminator()->getIterator());
    group.append({runs.getDefiningOp(), serial});
  }
}

/// The host launches the kernels of both branches, and each looks whether its
/// branch is the one that runs. What the branches held comes before it.
LogicalResult SerialOutliner::processBranchOnDevice(scf::IfOp branch,
                                                    Group &group, Value guard) {
  FailureOr<Guards> guards = makeGuards(branch, group, guard);
  if (failed(guards))
    return failure();
  FailureOr<Results> results = storeResults(branch);
  if (failed(results))
    return failure();
  addPlainBranches(branch, *guards, group);
  if (failed(groups.flush(group, guard)))
    return failure();
  for (auto [region, on] : llvm::zip_equal(branch->getRegions(), *guards))
    if (!region.empty() && failed(process(region.front(), on)))
      return failure();
  ImplicitLocOpBuilder b(branch.getLoc(), branch);
  b.setInsertionPointAfter(branch);
  for (auto [result, slot] : *results)
    result.replaceAllUsesWith(loadSlot(b, slot));
  for (Region &region : branch->getRegions()) {
    if (region.empty())
      continue;
    region.front().getTerminator()->erase();
    branch->getBlock()->getOperations().splice(branch->getIterator(),
                                               region.front().getOperations());
  }
  return success();
}

struct OutlineSerial : route::impl::RouteOutlineSerialBase<OutlineSerial> {
  void runOnOperation() override {
    for (auto entry : getOperation().getOps<func::FuncOp>()) {
      if (!entry->hasAttr(kEntryAttr) || entry.isExternal())
        continue;
      SerialOutliner outliner(entry);
      if (failed(outliner.run()))
        return signalPassFailure();
      numKernels += outliner.getNumKernels();
      numGuarded += outliner.getNumGuarded();
    }
  }
};
} // namespace
