// Lowers count, offsets and permute to scalar loops, in slot order.
#include "Emit.h"
#include "route/Dialect/Ragged/IR/Ragged.h"

using namespace mlir;

namespace route::ragged {
/// Emits `chosen(t, k, expert)` for slots that chose an expert below `experts`,
/// in order, and `skipped(t, k)` for the others.
static void forSlots(Emit &e, Value idx, Value limit, int64_t experts,
                     llvm::function_ref<void(Value, Value, Value)> chosen,
                     llvm::function_ref<void(Value, Value)> skipped = nullptr) {
  Value zero = e.index(0), ranks = e.dim(idx, 1);
  e.loop(zero, e.dim(idx, 0), 1, [&](Value t) {
    Value count = limit ? e.toIndex(e.load(limit, t)) : ranks;
    e.loop(zero, ranks, 1, [&](Value k) {
      Value expert = e.load(idx, {t, k});
      // Unsigned, so that negative indices are out of range too.
      Value valid = e.cmp(arith::CmpIPredicate::ult, expert,
                          e.i32(static_cast<int32_t>(experts)));
      if (limit)
        valid = e.both(valid, e.cmp(arith::CmpIPredicate::slt, k, count));
      auto then = [&] { chosen(t, k, e.toIndex(expert)); };
      auto otherwise = [&] { skipped(t, k); };
      if (skipped)
        e.when(valid, then, otherwise);
      else
        e.when(valid, then);
    });
  });
}

LogicalResult convert(CountOp op, RewriterBase &rewriter) {
  auto type = cast<MemRefType>(op.getCounts().getType());
  if (type.isDynamicDim(0))
    return op.emitOpError("'counts' needs a static size, found ") << type;
  Emit e(rewriter, op.getLoc());
  Value counts = op.getCounts();
  e.loop(e.index(0), e.index(type.getDimSize(0)), 1,
         [&](Value i) { e.store(e.i32(0), counts, i); });
  forSlots(e, op.getIdx(), op.getLimit(), type.getDimSize(0),
           [&](Value, Value, Value expert) {
             e.store(e.add(e.load(counts, expert), e.i32(1)), counts, expert);
           });
  rewriter.eraseOp(op);
  return success();
}

LogicalResult convert(OffsetsOp op, RewriterBase &rewriter) {
  Emit e(rewriter, op.getLoc());
  Value counts = op.getCounts(), offsets = op.getOffsets(), zero = e.index(0);
  e.store(e.i32(0), offsets, zero);
  e.loop(zero, e.dim(counts, 0), 1, e.i32(0),
         [&](Value i, ValueRange sum) -> SmallVector<Value> {
           Value next = e.add(sum[0], e.load(counts, i));
           e.store(next, offsets, e.add(i, 1));
           return {next};
         });
  rewriter.eraseOp(op);
  return success();
}

LogicalResult convert(PermuteOp op, RewriterBase &rewriter) {
  auto type = cast<MemRefType>(op.getOffsets().getType());
  int64_t experts = type.getDimSize(0) - 1;
  Emit e(rewriter, op.getLoc());
  Value offsets = op.getOffsets(), perm = op.getPerm(), inv = op.getInv();
  Value zero = e.index(0), ranks = e.dim(op.getIdx(), 1);
  // The next free row of each expert.
  Value cursor =
      e.stack({std::max<int64_t>(experts, 1)}, rewriter.getI32Type());
  e.loop(zero, e.index(experts), 1,
         [&](Value i) { e.store(e.load(offsets, i), cursor, i); });
  forSlots(
      e, op.getIdx(), op.getLimit(), experts,
      [&](Value t, Value k, Value expert) {
        Value row = e.load(cursor, expert);
        e.store(e.add(row, e.i32(1)), cursor, expert);
        e.store(row, inv, {t, k});
        e.store(e.toI32(e.add(e.mul(t, ranks), k)), perm, e.toIndex(row));
      },
      [&](Value t, Value k) { e.store(e.i32(-1), inv, {t, k}); });
  e.loop(e.toIndex(e.load(offsets, e.index(experts))), e.dim(perm, 0), 1,
         [&](Value m) { e.store(e.i32(-1), perm, m); });
  rewriter.eraseOp(op);
  return success();
}

} // namespace route::ragged
