// route-outline-serial: an entry's own code on elements becomes kernels.
// What hangs on elements stays on the device.
#include "DeviceValues.h"
#include "KernelArguments.h"
#include "ParallelLoops.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Transforms/RegionUtils.h"
#include "route/Conversion/RouteToLinalg/Passes.h"
#include "route/Dialect/Row/Transforms/Passes.h"
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
/// Blocks of a launch whose work only the device knows; they share it out.
constexpr int64_t kBlocks = 256;
/// Loops of fewer rounds are not worth a kernel of their own.
constexpr int64_t kFewRounds = 8;
/// Threads that have scratch memory of their own.
constexpr int64_t kScratchThreads = 1024, kItemsInBlock = 32;

using Operations = SmallVector<Operation *>;

/// Makes kernels of one entry's serial code. Operations that launch nothing and
/// stand between launches form a group, which becomes a kernel of one thread; a
/// loop whose rounds may run at the same time is a kernel of its own. Scalars
/// that others need go through memory.
class SerialOutliner {
public:
  explicit SerialOutliner(func::FuncOp entry)
      : entry(entry), module(entry->getParentOfType<ModuleOp>()) {}

  LogicalResult run() {
    // Kernels keep nothing on a stack: it would be as large for all threads
    // that the device may run.
    SmallVector<memref::AllocaOp> stack;
    entry.walk([&](memref::AllocaOp op) { stack.push_back(op); });
    for (memref::AllocaOp op : stack) {
      ImplicitLocOpBuilder b(op.getLoc(), op);
      auto made = memref::AllocOp::create(b, op.getType(), op.getDynamicSizes(),
                                          b.getI64IntegerAttr(64));
      made->setDiscardableAttrs(op->getDiscardableAttrDictionary());
      op.replaceAllUsesWith(made.getResult());
      op.erase();
    }
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
  int64_t numKernels = 0, numGuarded = 0;

private:
  LogicalResult process(Block &block, Value guard);
  LogicalResult processLaunch(gpu::LaunchFuncOp launch, Operations &group,
                              Value guard);
  LogicalResult processLoop(scf::ForOp loop, Operations &group, Value guard);
  LogicalResult processBranch(scf::IfOp branch, Operations &group, Value guard);
  LogicalResult processBranchOnDevice(scf::IfOp branch, Operations &group,
                                      Value guard);
  LogicalResult flush(Operations &group, Value guard);
  LogicalResult outline(ArrayRef<Operation *> group, Value guard,
                        scf::ForOp parallel);
  LogicalResult moveBuffersOut(ArrayRef<Operation *> group);
  FailureOr<Value> moveOut(Value value, Operation *front);
  /// Memory that each round of a loop needs for itself.
  struct Scratch {
    memref::AllocOp made;
    Value memory, bytes; ///< for all threads; of one
    llvm::SetVector<Operation *> views;
  };
  Value gridOfItems(scf::ForOp loop);
  LogicalResult makeScratch(scf::ForOp loop, Value grid,
                            llvm::SetVector<Value> &captured,
                            SmallVectorImpl<Scratch> &scratches);
  void takeScratch(ImplicitLocOpBuilder &b, Scratch &scratch,
                   IRMapping &mapping);
  void copyViews(Operations &group);
  LogicalResult spill(Operations &group);

  /// A place in memory for a scalar.
  Value makeSlot(ImplicitLocOpBuilder &b, Type type) {
    return memref::AllocOp::create(b, MemRefType::get({}, type),
                                   b.getI64IntegerAttr(64));
  }
  Value load(ImplicitLocOpBuilder &b, Value slot) {
    return memref::LoadOp::create(b, slot, ValueRange());
  }
  Operation *store(ImplicitLocOpBuilder &b, Value value, Value slot) {
    return memref::StoreOp::create(b, value, slot, ValueRange());
  }

  func::FuncOp entry;
  ModuleOp module;
  /// Loads and views that were put in front of their users.
  llvm::SmallPtrSet<Operation *, 16> fresh;
};

/// Whether all that uses an operation's results stands in the group.
bool isWithin(Operation *user, ArrayRef<Operation *> group) {
  return llvm::any_of(group,
                      [&](Operation *each) { return each->isAncestor(user); });
}

LogicalResult SerialOutliner::process(Block &block, Value guard) {
  Operations group;
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
  return flush(group, guard);
}

LogicalResult SerialOutliner::processLaunch(gpu::LaunchFuncOp launch,
                                            Operations &group, Value guard) {
  // Whose threads share out the work, however many there are.
  if (isOnDevice(launch.getGridSizeX())) {
    ImplicitLocOpBuilder b(launch.getLoc(), launch);
    launch.getGridSizeXMutable().assign(
        arith::ConstantIndexOp::create(b, kBlocks));
  }
  // What the kernel can compute for itself it does; the rest is in memory.
  computeInKernel(launch);
  if (failed(flush(group, guard)))
    return failure();
  computeInKernel(launch);
  for (Operation *before = launch->getPrevNode();
       before && isOpTriviallyDead(before); before = launch->getPrevNode()) {
    fresh.erase(before);
    before->erase();
  }
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
LogicalResult SerialOutliner::processLoop(scf::ForOp loop, Operations &group,
                                          Value guard) {
  for (Value bound :
       {loop.getLowerBound(), loop.getUpperBound(), loop.getStep()})
    if (isOnDevice(bound))
      return refuseOnDevice(loop, "a loop with kernels ends where only the "
                                  "device knows");
  ImplicitLocOpBuilder b(loop.getLoc(), loop);
  SmallVector<std::pair<Value, Value>> ends;
  for (unsigned i = 0; i < loop.getNumResults(); ++i) {
    Type type = loop.getResult(i).getType();
    if (!isOnDevice(loop.getResult(i)))
      continue;
    if (!type.isIntOrIndexOrFloat())
      return refuseOnDevice(loop, "which buffer a loop carries only the device "
                                  "knows");
    b.setInsertionPoint(loop);
    Value slot = makeSlot(b, type);
    group.push_back(store(b, loop.getInits()[i], slot));
    loop.getInitsMutable()[i].set(
        arith::ConstantOp::create(b, b.getZeroAttr(type)));
    b.setInsertionPointToStart(loop.getBody());
    BlockArgument carried = loop.getRegionIterArgs()[i];
    carried.replaceAllUsesWith(load(b, slot));
    ends.push_back({loop.getYieldedValues()[i], slot});
    loop.getBody()->getTerminator()->setOperand(i, carried);
    b.setInsertionPointAfter(loop);
    loop.getResult(i).replaceAllUsesWith(load(b, slot));
  }
  b.setInsertionPoint(loop.getBody()->getTerminator());
  for (auto [value, slot] : ends)
    store(b, value, slot);
  if (failed(flush(group, guard)))
    return failure();
  return process(*loop.getBody(), guard);
}

/// The host knows which branch runs.
LogicalResult SerialOutliner::processBranch(scf::IfOp branch, Operations &group,
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
      store(b, end.getOperand(i), slot);
      end.setOperand(i, none);
    }
    b.setInsertionPointAfter(branch);
    branch.getResult(i).replaceAllUsesWith(load(b, slot));
  }
  if (failed(flush(group, guard)))
    return failure();
  for (Region &region : branch->getRegions())
    if (!region.empty() && failed(process(region.front(), guard)))
      return failure();
  return success();
}

/// The host launches the kernels of both branches, and each looks whether its
/// branch is the one that runs.
LogicalResult SerialOutliner::processBranchOnDevice(scf::IfOp branch,
                                                    Operations &group,
                                                    Value guard) {
  ImplicitLocOpBuilder b(branch.getLoc(), branch);
  Value condition = branch.getCondition();
  Value no = arith::ConstantOp::create(b, b.getBoolAttr(false));
  Value taken = makeSlot(b, b.getI1Type()), other = makeSlot(b, b.getI1Type());
  Value inverse = arith::XOrIOp::create(
      b, condition, arith::ConstantOp::create(b, b.getBoolAttr(true)));
  branch.getConditionMutable().assign(no);
  group.append({inverse.getDefiningOp(), store(b, condition, taken),
                store(b, inverse, other)});
  if (guard) {
    // Off where this whole branch is not taken.
    if (failed(flush(group, guard)))
      return failure();
    b.setInsertionPoint(branch);
    Value on = load(b, guard);
    group.push_back(on.getDefiningOp());
    for (Value slot : {taken, other}) {
      Value each = load(b, slot);
      Value both = arith::SelectOp::create(b, on, each, no);
      group.append(
          {each.getDefiningOp(), both.getDefiningOp(), store(b, both, slot)});
    }
    if (failed(flush(group, Value())))
      return failure();
  }
  SmallVector<std::pair<OpResult, Value>> slots;
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
      store(b, given, slot);
    }
    slots.push_back({result, slot});
  }
  // A branch without kernels is serial code.
  b.setInsertionPoint(branch);
  for (auto [region, on] :
       llvm::zip_equal(branch->getRegions(), ArrayRef<Value>{taken, other})) {
    if (region.empty() || llvm::any_of(region.front(), [](Operation &op) {
          return launches(&op);
        }))
      continue;
    Value runs = load(b, on);
    auto serial = scf::IfOp::create(b, runs, /*withElseRegion=*/false);
    auto &inside = serial.thenBlock()->getOperations();
    inside.splice(inside.begin(), region.front().getOperations(),
                  region.front().begin(),
                  region.front().getTerminator()->getIterator());
    group.append({runs.getDefiningOp(), serial});
  }
  if (failed(flush(group, guard)))
    return failure();
  for (auto [region, on] :
       llvm::zip_equal(branch->getRegions(), ArrayRef<Value>{taken, other}))
    if (!region.empty() && failed(process(region.front(), on)))
      return failure();
  b.setInsertionPointAfter(branch);
  for (auto [result, slot] : slots)
    result.replaceAllUsesWith(load(b, slot));
  for (Region &region : branch->getRegions()) {
    if (region.empty())
      continue;
    region.front().getTerminator()->erase();
    branch->getBlock()->getOperations().splice(branch->getIterator(),
                                               region.front().getOperations());
  }
  return success();
}

/// Makes kernels of the group, and empties it.
LogicalResult SerialOutliner::flush(Operations &group, Value guard) {
  // What launches have taken into their kernels is gone.
  for (Operation *&op : llvm::reverse(group))
    if (isOpTriviallyDead(op)) {
      fresh.erase(op);
      op->erase();
      op = nullptr;
    }
  llvm::erase(group, nullptr);
  if (group.empty())
    return success();
  if (failed(moveBuffersOut(group)))
    return failure();
  Operations part;
  auto end = [&](scf::ForOp parallel) -> LogicalResult {
    if (part.empty())
      return success();
    copyViews(part);
    if (failed(spill(part)))
      return failure();
    LogicalResult made = outline(part, guard, parallel);
    part.clear();
    return made;
  };
  Operations all = std::move(group);
  group.clear();
  for (Operation *op : all) {
    fresh.erase(op);
    auto loop = dyn_cast<scf::ForOp>(op);
    std::optional<APInt> trips =
        loop ? loop.getStaticTripCount() : std::nullopt;
    bool worth = loop && (!trips || trips->sge(kFewRounds));
    scf::ForOp parallel = worth ? makeParallel(loop) : scf::ForOp();
    if (parallel) {
      if (failed(end({})))
        return failure();
      op = parallel;
    }
    // With what was put in front of it.
    Operations with{op};
    for (Operation *before = op->getPrevNode();
         before && (fresh.contains(before) ||
                    isa<arith::ConstantOp, memref::DimOp>(before));
         before = before->getPrevNode())
      if (fresh.erase(before))
        with.push_back(before);
    part.append(with.rbegin(), with.rend());
    if (parallel && failed(end(parallel)))
      return failure();
  }
  return end({});
}

/// Each user outside of the group gets views of its own.
void SerialOutliner::copyViews(Operations &group) {
  Operations all = group;
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
      fresh.erase(op);
      llvm::erase(group, op);
      op->erase();
    }
  }
}

/// Stores what others use of the group, who load it where they need it.
LogicalResult SerialOutliner::spill(Operations &group) {
  Operations all = group;
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
      group.push_back(store(b, result, slot));
      for (OpOperand *use : outside) {
        b.setInsertionPoint(use->getOwner());
        Value again = load(b, slot);
        if (use->getOwner()->getBlock() == op->getBlock())
          fresh.insert(again.getDefiningOp());
        use->set(again);
      }
    }
  return success();
}

/// A value that is computed within the group from what the host knows, in
/// front of it.
FailureOr<Value> SerialOutliner::moveOut(Value value, Operation *front) {
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

/// Kernels allocate nothing.
LogicalResult SerialOutliner::moveBuffersOut(ArrayRef<Operation *> group) {
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

/// Blocks for the items of a row program: few enough for all threads to have
/// scratch memory.
Value SerialOutliner::gridOfItems(scf::ForOp loop) {
  ImplicitLocOpBuilder b(loop.getLoc(), loop);
  Value most =
      arith::ConstantIndexOp::create(b, kScratchThreads / kItemsInBlock);
  if (isOnDevice(loop.getUpperBound()))
    return most;
  Value block = arith::ConstantIndexOp::create(b, kItemsInBlock);
  return arith::MinUIOp::create(
      b, most,
      arith::DivUIOp::create(
          b,
          arith::AddIOp::create(
              b, loop.getUpperBound(),
              arith::ConstantIndexOp::create(b, kItemsInBlock - 1)),
          block));
}

/// Takes scratch buffers out of what a kernel captures, and puts in memory for
/// all its threads.
LogicalResult SerialOutliner::makeScratch(scf::ForOp loop, Value grid,
                                          llvm::SetVector<Value> &captured,
                                          SmallVectorImpl<Scratch> &scratches) {
  ImplicitLocOpBuilder b(loop.getLoc(), loop);
  auto number = [&](int64_t v) -> Value {
    return arith::ConstantIndexOp::create(b, v);
  };
  llvm::MapVector<Operation *, SmallVector<Value>> found;
  for (Value v : captured)
    if (isa<MemRefType>(v.getType()))
      if (Operation *made = bufferOf(v).getDefiningOp();
          made && made->hasAttr(row::kScratchAttr))
        found[made].push_back(v);
  for (auto &[made, views] : found) {
    auto alloc = cast<memref::AllocOp>(made);
    Type element = alloc.getType().getElementType();
    int64_t width = element.isIndex()
                        ? 8
                        : llvm::divideCeil(element.getIntOrFloatBitWidth(), 8);
    for (int64_t n : alloc.getType().getShape())
      width *= ShapedType::isDynamic(n) ? 1 : n;
    Value bytes = number(width);
    for (Value size : alloc.getDynamicSizes()) {
      if (isOnDevice(size))
        return refuseOnDevice(loop, "the size of a buffer only the device "
                                    "knows");
      bytes = arith::MulIOp::create(b, bytes, size);
      captured.insert(size);
    }
    bytes = arith::MulIOp::create(
        b,
        arith::DivUIOp::create(b, arith::AddIOp::create(b, bytes, number(63)),
                               number(64)),
        number(64));
    Value all = arith::MulIOp::create(
        b, arith::MulIOp::create(b, bytes, number(kItemsInBlock)), grid);
    Value memory = memref::AllocOp::create(
        b, MemRefType::get({ShapedType::kDynamic}, b.getI8Type()), all,
        b.getI64IntegerAttr(64));
    captured.insert(memory);
    captured.insert(bytes);
    // Views of it are made again.
    Scratch scratch{alloc, memory, bytes, {}};
    for (Value v : views) {
      captured.remove(v);
      SmallVector<Operation *> chain;
      for (Operation *op = v.getDefiningOp(); op != made;
           op = cast<ViewLikeOpInterface>(op).getViewSource().getDefiningOp())
        chain.push_back(op);
      for (Operation *op : llvm::reverse(chain))
        if (scratch.views.insert(op))
          for (Value operand : op->getOperands())
            if (!isa<MemRefType>(operand.getType()))
              captured.insert(operand);
    }
    scratches.push_back(std::move(scratch));
  }
  return success();
}

/// The thread's share of scratch memory, in a kernel.
void SerialOutliner::takeScratch(ImplicitLocOpBuilder &b, Scratch &scratch,
                                 IRMapping &mapping) {
  Value block = arith::ConstantIndexOp::create(b, kItemsInBlock);
  Value thread = arith::AddIOp::create(
      b,
      arith::MulIOp::create(b, gpu::BlockIdOp::create(b, gpu::Dimension::x),
                            block),
      gpu::ThreadIdOp::create(b, gpu::Dimension::x));
  Value offset =
      arith::MulIOp::create(b, thread, mapping.lookup(scratch.bytes));
  SmallVector<Value> sizes;
  for (Value size : scratch.made.getDynamicSizes())
    sizes.push_back(mapping.lookup(size));
  auto type = scratch.made.getType();
  Value own = memref::ViewOp::create(
      b, MemRefType::get(type.getShape(), type.getElementType()),
      mapping.lookup(scratch.memory), offset, sizes);
  mapping.map(scratch.made.getResult(), own);
  for (Operation *view : scratch.views)
    b.clone(*view, mapping);
}

LogicalResult SerialOutliner::outline(ArrayRef<Operation *> group, Value guard,
                                      scf::ForOp parallel) {
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
  // How many threads there are where they need memory of their own.
  Value grid;
  SmallVector<Scratch> scratches;
  if (parallel && parallel->hasAttr(row::kItemsAttr)) {
    grid = gridOfItems(parallel);
    if (failed(makeScratch(parallel, grid, captured, scratches)))
      return failure();
  }
  SmallVector<Value> arguments, inside;
  for (Value v : captured)
    (isa_and_nonnull<arith::ConstantOp, memref::GetGlobalOp>(v.getDefiningOp())
         ? inside
         : arguments)
        .push_back(v);
  for (Value v : arguments)
    if (isOnDevice(v))
      return refuseOnDevice(group.front(), "a loop carries what only the "
                                           "device knows");
  Location loc = group.front()->getLoc();
  std::string stem = (entry.getSymName() + "_serial").str();
  gpu::GPUFuncOp kernel =
      createKernel(module, loc, stem, ValueRange(arguments).getTypes(),
                   grid       ? kItemsInBlock
                   : parallel ? 128
                              : 1);
  ++numKernels;
  IRMapping mapping;
  mapping.map(arguments, kernel.getBody().front().getArguments());
  ImplicitLocOpBuilder b(loc, kernel.getBody().front().getTerminator());
  for (Value v : inside) {
    if (auto table = v.getDefiningOp<memref::GetGlobalOp>())
      copyTable(module, table);
    b.clone(*v.getDefiningOp(), mapping);
  }
  for (Scratch &scratch : scratches)
    takeScratch(b, scratch, mapping);
  if (guard) {
    Value on = load(b, mapping.lookup(guard));
    b.setInsertionPointToStart(
        scf::IfOp::create(b, on, /*withElseRegion=*/false).thenBlock());
  }
  for (Operation *op : group) {
    if (op != parallel) {
      b.clone(*op, mapping);
      continue;
    }
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

  ImplicitLocOpBuilder host(loc, group.back());
  host.setInsertionPointAfter(group.back());
  if (!parallel) {
    grid = arith::ConstantIndexOp::create(host, 1);
  } else if (!grid) {
    grid = arith::ConstantIndexOp::create(host, kBlocks);
    FailureOr<Value> from = moveOut(parallel.getLowerBound(), group.front()),
                     to = moveOut(parallel.getUpperBound(), group.front()),
                     step = moveOut(parallel.getStep(), group.front());
    if (succeeded(from) && succeeded(to) && succeeded(step))
      grid = gridFor(host, kernel,
                     arith::CeilDivSIOp::create(
                         host, arith::SubIOp::create(host, *to, *from), *step));
  }
  launchKernel(host, kernel, grid, arguments);
  for (Operation *op : llvm::reverse(group))
    op->erase();
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
      numKernels += outliner.numKernels;
      numGuarded += outliner.numGuarded;
    }
  }
};
} // namespace
