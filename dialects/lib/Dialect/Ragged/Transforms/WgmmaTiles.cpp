// How a grouped matmul on Hopper's tensor cores is cut into tiles.
// And which matmuls are for them.
#include "KernelBody.h"
#include "WgmmaKernel.h"

#include "mlir/IR/OperationSupport.h"

using namespace mlir;
using namespace route;
using namespace route::ragged;

/// The fewest columns that tiles of whole sums take.
constexpr int64_t leastColumns = 64;

int64_t WgmmaTiles::depthIn(MatmulOp op) {
  return 8 * kRowBytes / op.weightType().getElementTypeBitWidth();
}

/// Shares of K that blocks of a cluster may have, at most `splits`.
static int64_t splitsInCluster(MatmulOp op, int64_t splits) {
  constexpr int64_t most = 512; // columns
  if (op.isPacked() || op.getOffsets() || op.getNumSums() > 2 ||
      op.getParts() != 1 || op.getOutputs() > most ||
      cast<ShapedType>(op.getOut().getType()).getElementTypeBitWidth() != 32)
    return 1;
  // Every share has at least two steps along K.
  int64_t steps = llvm::divideCeil(op.getInner(), WgmmaTiles::depthIn(op));
  int64_t across =
      llvm::divideCeil(op.getOutputs(), 64 * WgmmaTiles::kWarpgroups);
  while (splits > 1 &&
         (steps < 2 * splits || splits * across > WgmmaTiles::kMostBlocks ||
          (splits - 1) * llvm::divideCeilSigned(steps, splits) >= steps))
    splits /= 2;
  return splits;
}

std::pair<int64_t, bool> WgmmaTiles::sharesOf(MatmulOp op, int64_t splits) {
  int64_t steps = llvm::divideCeil(op.getInner(), depthIn(op));
  int64_t few = splitsInCluster(op, splits);
  if (few == 1 || llvm::divideCeil(steps, few) <= kMostStages)
    return {few, false};
  int64_t own =
      std::max(kSpreadSteps, int64_t(llvm::divideCeil(steps, kMostSpread)));
  return {llvm::divideCeil(steps, own), true};
}

bool WgmmaTiles::isCandidate(MatmulOp op, int64_t splits) {
  Type element = op.weightType().getElementType();
  int64_t least = splitsInCluster(op, splits) > 1 ? 8 : leastColumns;
  return !op.isPacked() &&
         (element.isBF16() || element.isF16() ||
          (element.isF32() && op->hasAttr(kTf32Attr))) &&
         op.getInner() >= depthIn(op) && op.getOutputs() >= least;
}

std::string WgmmaTiles::objectionTo(MatmulOp op) {
  int64_t inner = op.getInner(), columns = op.getOutputs();
  auto out = cast<MemRefType>(op.getOut().getType());
  if (op.getParts() > 2)
    return "more than two parts of its weights are interleaved";
  if ((op.getTransposed() ? columns : inner) % 8 != 0 || columns % 8 != 0)
    return "its sizes are no multiples of 8";
  if (!llvm::all_of(op.getWeights(), rowsStartAt16Bytes))
    return "rows of its weights are interleaved, or start between multiples of "
           "16 bytes";
  if (!rowsStartAt16Bytes(op.getRows()) || !rowsStartAt16Bytes(op.getOut()))
    return "its rows or results start between multiples of 16 bytes";
  if (!llvm::is_contained({16, 32}, out.getElementTypeBitWidth()))
    return "its results have neither 16 nor 32 bits";
  return "";
}

bool route::ragged::canShareKernel(MatmulOp grouped, MatmulOp dense) {
  auto alike = [&](auto get) { return get(grouped) == get(dense); };
  return grouped.getOffsets() && !dense.getOffsets() &&
         grouped.getOffsets().getType() ==
             MemRefType::get({grouped.getExperts() + 1},
                             IntegerType::get(dense.getContext(), 32)) &&
         alike([](MatmulOp op) { return op.getInner(); }) &&
         alike([](MatmulOp op) { return op.getOutputs(); }) &&
         alike([](MatmulOp op) { return op.getWeights().size(); }) &&
         alike([](MatmulOp op) { return op.getParts(); }) &&
         alike([](MatmulOp op) { return op.getTransposed(); }) &&
         alike([](MatmulOp op) { return op.weightType().getElementType(); }) &&
         alike([](MatmulOp op) { return op.getOut().getType(); }) &&
         llvm::all_of(ArrayRef({grouped, dense}),
                      [](MatmulOp op) {
                        return op.getPerExpert().empty() &&
                               op.getPerRow().empty();
                      }) &&
         OperationEquivalence::isRegionEquivalentTo(
             &grouped.getEpilogue(), &dense.getEpilogue(),
             OperationEquivalence::IgnoreLocations);
}

/// The stages that fit shared memory, at least two.
static int64_t mostStages(WgmmaTiles tiles, int64_t most) {
  tiles.stages = most;
  while (tiles.sharedBytes() > WgmmaTiles::kMaxShared && tiles.stages > 2)
    --tiles.stages;
  return tiles.stages;
}

FailureOr<WgmmaTiles> WgmmaTiles::choose(MatmulOp op, int64_t tokens,
                                         int64_t splits, int64_t blocks) {
  int64_t columns = op.getOutputs();
  auto out = cast<MemRefType>(op.getOut().getType());
  if (!isCandidate(op, splits) || !objectionTo(op).empty())
    return failure();
  WgmmaTiles tiles;
  tiles.weights = op.getWeights().size();
  tiles.parts = op.getParts();
  tiles.depth = depthIn(op);
  std::tie(tiles.splits, tiles.areMany) = sharesOf(op, splits);
  tiles.cluster = tiles.spread = false;
  tiles.experts = op.getExperts();
  tiles.outputBytes = out.getElementTypeBitWidth() / 8;
  // Two interleaved blocks of 64 columns make one of the result.
  bool wide = tiles.weights == 1 && columns > 64 * kWarpgroups;
  tiles.blocks = tiles.parts == 2 || (wide && tiles.splits == 1) ? 2 : 1;
  if (blocks) {
    if (blocks % tiles.parts || tiles.splits > 1)
      return failure();
    tiles.blocks = blocks;
  }
  // 160 registers of a thread hold sums.
  int64_t sums = tiles.weights * tiles.blocks * (tiles.splits > 1 ? 2 : 1);
  if (sums > 8)
    return failure();
  tiles.tokens = std::min(tokens, 320 / sums / 16 * 16);
  tiles.stages = mostStages(tiles, kMostStages);
  if (tiles.sharedBytes() > kMaxShared)
    return failure();
  tiles.pairs = tiles.canPair(op);
  return tiles;
}

bool WgmmaTiles::canPair(MatmulOp op) const {
  // Few experts have many tiles of rows each, and are bound by operations: they
  // gain nothing, and a pair takes as long as its larger tile. A tile more for
  // an odd one would be idle, and steps that all fit the ring would leave no
  // time to tell the other block which tile is next.
  constexpr int64_t leastExperts = 16;
  return op.getOffsets() && op.getExperts() >= leastExperts && splits == 1 &&
         llvm::divideCeil(op.getOutputs(), outputs()) % 2 == 0 &&
         depthOf(op.getInner()) >= stages + 2;
}

int64_t WgmmaTiles::fewRows(int64_t blocks) const {
  // Of the multiprocessors of a group not all find a cluster: measured, half of
  // all are in one at the same time.
  int64_t places = spread ? kProcessors : kProcessors / 2;
  return std::max<int64_t>(1, places / blocks) * fewStep();
}

WgmmaTiles WgmmaTiles::inCluster() const {
  WgmmaTiles tiles = *this;
  tiles.cluster = true;
  tiles.tokens = std::min<int64_t>(tokens, 128);
  tiles.stages = mostStages(tiles, kMostStages);
  return tiles;
}

WgmmaTiles WgmmaTiles::spreadOut(int64_t inner) const {
  WgmmaTiles tiles = *this;
  tiles.spread = true;
  tiles.tokens = std::min<int64_t>(tokens, 128);
  tiles.stages = mostStages(tiles, std::min(kMostStages, depthOf(inner)));
  // No stage is filled twice: nobody waits for the other block to have read it.
  tiles.pairedShares = depthOf(inner) <= tiles.stages;
  return tiles;
}
