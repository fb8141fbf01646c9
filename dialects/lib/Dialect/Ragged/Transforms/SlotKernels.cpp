// Kernels of products slot by slot, for few items.
// What counts is that enough loads of weights are under way at once.
//
// Weights whose rows lie along K: a warp has a few columns, its lanes go along
// K. Transposed weights: a warp has 64 columns, two a lane, or 32, and a share
// of K.
// Where an item's results are combined, its ranks are warps of one block.
#include "SlotKernel.h"

#include "route/Notice.h"

using namespace mlir;

namespace route::ragged {
using Predicate = arith::CmpIPredicate;

SlotKernel::SlotKernel(ModuleOp module, SlotMatmulOp op, bool early,
                       const SlotShares &shares)
    : op(op), shares(shares), early(early),
      k(module, op, kernelStem(op, "slots"), op->getOperands(),
        static_cast<int32_t>(shares.threads())),
      f32(k.b.getF32Type()), element(op.weightType().getElementType()),
      inner(op.getInner()), parts(op.getParts()), sums(op.getNumSums()) {
  ArgumentsInOrder arguments(k);
  rows = arguments.take();
  idx = arguments.take();
  limit = arguments.takeIf(op.getLimit());
  weights = arguments.take(op.getWeights().size());
  perExpert = arguments.take(op.getPerExpert().size());
  scale = arguments.takeIf(op.getScale());
  out = arguments.take();
}

void SlotKernel::waitForRows() {
  // The next kernel may start once this has waited: it then knows that those
  // before this one have ended.
  for (auto kind : {NVVM::GridDepActionKind::wait,
                    NVVM::GridDepActionKind::launch_dependents})
    NVVM::GriddepcontrolOp::create(
        k.b, NVVM::GridDepActionKindAttr::get(k.b.getContext(), kind));
}

void SlotKernel::emit() {
  Block &body = k.kernel.getBody().front();
  if (early) {
    // What createKernel put at the start comes later.
    for (Operation &each : llvm::make_early_inc_range(body))
      if (isa<NVVM::GriddepcontrolOp>(each))
        each.erase();
  } else {
    body.front().moveAfter(&*std::next(body.begin()));
  }
  int64_t columns = op.getOutputs();
  thread = k.thread();
  Value warp = k.div(thread, k.index(32));
  lane = k.rem(thread, k.index(32));
  Value split = k.rem(warp, k.index(shares.splits));
  warp = k.div(warp, k.index(shares.splits));
  rankInBlock = k.rem(warp, k.index(shares.ranks));
  group = k.div(warp, k.index(shares.ranks));
  int64_t tiles = shares.tiles(columns);
  Value tile = k.rem(k.blockId(), k.index(tiles));
  // A block is for an item where its ranks are in it, else for a slot.
  which = k.div(k.blockId(), k.index(tiles));
  slot = op.getCombined()
             ? k.add(k.mul(which, k.index(op.getRanks())), rankInBlock)
             : which;
  Value first = k.mul(k.add(k.mul(tile, k.index(shares.groups)), group),
                      k.index(shares.columns));
  Value chosen = chosenOf(slot);
  has = k.cmp(Predicate::sge, chosen, k.number(0));
  expert = k.toIndex(k.select(has, chosen, k.number(0)));
  Value row = k.div(slot, k.index(op.getSlots()));
  if (op.getTransposed())
    return writeColumns(first, sumsOfColumns(row, first, split));
  // The last columns take some before them again rather than be fewer.
  first =
      k.least(first, k.index(std::max<int64_t>(0, columns - shares.columns)));
  writeAlongRows(first, sumsAlongRows(row, first));
}

/// Failure, with what to say of it said, where no kernel has such a product.
static FailureOr<SlotShares> sharesOf(SlotMatmulOp op) {
  int64_t ranks = op.getCombined() ? op.getRanks() : 1;
  if (ranks > 32)
    return refuseOnDevice(op, "no kernel combines more than 32 choices");
  SlotShares shares;
  shares.ranks = ranks;
  shares.ofLane = 2;
  if (!op.getTransposed()) {
    shares.columns = op.getNumSums() == 1 ? 4 : op.getNumSums() == 2 ? 2 : 1;
    shares.columns = std::min(shares.columns, op.getOutputs());
    shares.splits = 1;
    shares.groups = std::max<int64_t>(1, 4 / ranks);
    return shares;
  }
  if (kSlotColumns % op.getParts() != 0)
    return refuseOnDevice(op, "no kernel multiplies " + Twine(op.getParts()) +
                                  " interleaved parts");
  // An item's block has all its ranks: smaller tiles keep more of the
  // multiprocessors busy.
  if (op.getCombined() && op.getParts() == 1 &&
      op.getOutputs() < kSlotColumns * kProcessors)
    shares.ofLane = 1;
  shares.columns = std::max<int64_t>(1, 32 * shares.ofLane / op.getParts());
  shares.splits = 8;
  while (32 * ranks * shares.splits > 1024)
    shares.splits /= 2;
  shares.groups = 1;
  return shares;
}

LogicalResult lowerToKernels(SlotMatmulOp op, bool early) {
  FailureOr<SlotShares> shares = sharesOf(op);
  if (failed(shares))
    return failure();
  SlotKernel kernel(op->getParentOfType<ModuleOp>(), op, early, *shares);
  kernel.emit();
  ImplicitLocOpBuilder b(op.getLoc(), op);
  Value which = memref::DimOp::create(b, op.getIdx(), 0);
  if (!op.getCombined())
    which = arith::MulIOp::create(
        b, which, arith::ConstantIndexOp::create(b, op.getRanks()));
  Value grid = arith::MulIOp::create(
      b, which,
      arith::ConstantIndexOp::create(b, shares->tiles(op.getOutputs())));
  launchKernel(b, kernel.kernel(), grid, op->getOperands());
  op->erase();
  return success();
}

} // namespace route::ragged
