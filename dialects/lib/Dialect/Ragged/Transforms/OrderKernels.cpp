// Kernels that count slots by expert and put them in order.
// Each for itself, whatever the number of experts; FuseOrder.cpp has one for
// all.
#include "KernelBody.h"

using namespace mlir;

namespace route::ragged {
using Predicate = arith::CmpIPredicate;
using Values = SmallVector<Value>;

/// A block for each expert counts its slots.
LogicalResult lowerToKernels(CountOp op) {
  int64_t experts = cast<MemRefType>(op.getCounts().getType()).getDimSize(0);
  if (ShapedType::isDynamic(experts))
    return op.emitOpError("has a kernel for static numbers of experts only");
  Values operands(op->getOperands());
  KernelBody k(op->getParentOfType<ModuleOp>(), op, kernelStem(op, "count"),
               operands, 256);
  Value limit = op.getLimit() ? k.argument(1) : Value();
  Value counts = k.argument(operands.size() - 1);
  Value e = k.blockId(), thread = k.thread();
  Value slots = slotsOf(k, k.argument(0)), K = slotsPerItem(k, k.argument(0));
  Value own = k.loop(
      thread, slots, k.index(k.block), k.number(0),
      [&](Value flat, ValueRange acc) -> Values {
        Value who = chosenBy(k, k.argument(0), limit, flat, K, experts);
        Value same = k.cmp(Predicate::eq, who, k.toNumber(e));
        return {
            k.add(acc[0], arith::ExtUIOp::create(k.b, k.b.getI32Type(), same))};
      })[0];
  // The sums of the warps meet in shared memory.
  Value sums = k.shared({k.block / 32}, k.b.getI32Type());
  own = gpu::SubgroupReduceOp::create(k.b, own, gpu::AllReduceOperation::ADD,
                                      /*uniform=*/true);
  k.when(k.cmp(Predicate::eq, k.rem(thread, k.index(32)), k.index(0)),
         [&] { k.store(own, sums, k.div(thread, k.index(32))); });
  k.barrier();
  Value all = k.number(0);
  for (int64_t w = 0; w < k.block / 32; ++w)
    all = k.add(all, k.load(sums, k.index(w)));
  k.when(k.cmp(Predicate::eq, thread, k.index(0)),
         [&] { k.store(all, counts, e); });
  launchInPlace(op, k, operands, [&](ImplicitLocOpBuilder &b) -> Value {
    return arith::ConstantIndexOp::create(b, experts);
  });
  return success();
}

/// One warp: each lane sums a share, then the lanes scan.
LogicalResult lowerToKernels(OffsetsOp op) {
  int64_t experts = cast<MemRefType>(op.getCounts().getType()).getDimSize(0);
  if (ShapedType::isDynamic(experts))
    return op.emitOpError("has a kernel for static numbers of experts only");
  Values operands(op->getOperands());
  KernelBody k(op->getParentOfType<ModuleOp>(), op, kernelStem(op, "offsets"),
               operands, 32);
  Value counts = k.argument(0), offsets = k.argument(1);
  Value share = k.index((experts + 31) / 32), lane = k.thread();
  Value begin = k.least(k.mul(lane, share), k.index(experts));
  Value end = k.least(k.add(begin, share), k.index(experts));
  Value own = k.loop(begin, end, k.index(1), k.number(0),
                     [&](Value e, ValueRange acc) -> Values {
                       return {k.add(acc[0], k.load(counts, e))};
                     })[0];
  Value sum = k.scan(own, lane);
  Value before = k.sub(sum, own);
  k.when(k.cmp(Predicate::eq, lane, k.index(0)),
         [&] { k.store(k.number(0), offsets, k.index(0)); });
  k.loop(begin, end, k.index(1), before,
         [&](Value e, ValueRange acc) -> Values {
           Value next = k.add(acc[0], k.load(counts, e));
           k.store(next, offsets, k.add(e, k.index(1)));
           return {next};
         });
  launchInPlace(op, k, operands, [&](ImplicitLocOpBuilder &b) -> Value {
    return arith::ConstantIndexOp::create(b, 1);
  });
  return success();
}

/// A block for each expert goes over all slots and numbers its own in their
/// order; one more block marks slots and rows that belong to nobody.
LogicalResult lowerToKernels(PermuteOp op) {
  int64_t experts =
      cast<MemRefType>(op.getOffsets().getType()).getDimSize(0) - 1;
  Values operands(op->getOperands());
  constexpr int32_t block = 1024;
  KernelBody k(op->getParentOfType<ModuleOp>(), op, kernelStem(op, "permute"),
               operands, block);
  Value idx = k.argument(0), offsets = k.argument(1);
  Value limit = op.getLimit() ? k.argument(2) : Value();
  Value perm = k.argument(operands.size() - 2),
        inv = k.argument(operands.size() - 1);
  Value counts = memoryOfSums(k), e = k.blockId(), thread = k.thread();
  Value slots = slotsOf(k, idx), K = slotsPerItem(k, idx);
  Value nobody = k.cmp(Predicate::eq, e, k.index(experts));
  Value me = k.select(nobody, k.number(-1), k.toNumber(e));
  Value base = k.load(offsets, e);

  // Rounds of a block of slots.
  Value rounds = k.div(k.add(slots, k.index(block - 1)), k.index(block));
  k.loop(k.index(0), rounds, k.index(1), base,
         [&](Value round, ValueRange acc) -> Values {
           Value flat = k.add(k.mul(round, k.index(block)), thread);
           Value inside = k.cmp(Predicate::ult, flat, slots);
           Value safe = k.select(inside, flat, k.index(0));
           Value who = chosenBy(k, idx, limit, safe, K, experts);
           Value mine = k.both(inside, k.cmp(Predicate::eq, who, me));
           Value one = arith::ExtUIOp::create(k.b, k.b.getI32Type(), mine);
           BlockSum sum = sumBefore(k, one, counts, round);
           Value row = k.add(acc[0], sum.before);
           k.when(mine, [&] {
             Value item = k.div(flat, K), rank = k.rem(flat, K);
             k.store(k.select(nobody, k.number(-1), row), inv, {item, rank});
             // Rows behind the last expert's belong to nobody.
             k.store(k.select(nobody, k.number(-1), k.toNumber(flat)), perm,
                     k.toIndex(row));
           });
           return {k.add(acc[0], sum.all)};
         });
  launchInPlace(op, k, operands, [&](ImplicitLocOpBuilder &b) -> Value {
    return arith::ConstantIndexOp::create(b, experts + 1);
  });
  return success();
}

} // namespace route::ragged
