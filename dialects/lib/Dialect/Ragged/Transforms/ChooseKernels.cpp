// Kernels of choices among as many candidates as the call brings.
// An item with few candidates has a thread, which keeps the heap that CPUs keep
// (ConvertChoose.cpp). One with many has a block (BlockChoice.cpp).
#include "BlockChoice.h"
#include "Emit.h"

using namespace mlir;

namespace route::ragged {
using Predicate = arith::CmpIPredicate;
using Values = SmallVector<Value>;

/// How many candidates an item has on average, where the items that share a
/// range have parts of them.
static Value averageSpan(ImplicitLocOpBuilder &b, ChooseOp op) {
  if (op.getRange().empty())
    return op.getCandidates();
  Value parts = arith::ConstantIndexOp::create(b, 1), range = op.getRange()[0];
  auto type = cast<MemRefType>(range.getType());
  for (int64_t i = 0; i < type.getRank(); ++i)
    parts = arith::MulIOp::create(b, parts, memref::DimOp::create(b, range, i));
  parts =
      arith::MaxUIOp::create(b, parts, arith::ConstantIndexOp::create(b, 1));
  return arith::CeilDivUIOp::create(b, op.getCandidates(), parts);
}

LogicalResult lowerToKernels(ChooseOp op, int64_t fewCandidates) {
  Values operands(op->getOperands());
  auto module = op->getParentOfType<ModuleOp>();
  ImplicitLocOpBuilder host(op.getLoc(), op);
  auto type = cast<MemRefType>(op.getIndices().getType());
  Value items = arith::ConstantIndexOp::create(host, 1);
  for (int64_t i = 0; i + 1 < type.getRank(); ++i)
    items = arith::MulIOp::create(
        host, items, memref::DimOp::create(host, op.getIndices(), i));
  Value none = arith::ConstantIndexOp::create(host, 0);
  Value few = arith::CmpIOp::create(
      host, Predicate::ule, averageSpan(host, op),
      arith::ConstantIndexOp::create(host, fewCandidates));

  KernelBody thread(module, op, kernelStem(op, "choose"), operands, 64);
  Emit e(thread.b, op.getLoc());
  forEachThread(
      thread.b, thread.kernel,
      [&] {
        Value count = thread.index(1);
        Value indices = thread.argument(operands.size() - 2);
        for (int64_t i = 0; i + 1 < type.getRank(); ++i)
          count =
              thread.mul(count, memref::DimOp::create(thread.b, indices, i));
        return count;
      }(),
      [&](Value item) {
        emitChoice(e, op, thread.kernel.getBody().front().getArguments(), item);
      });
  launchKernel(host, thread.kernel,
               arith::SelectOp::create(
                   host, few, gridFor(host, thread.kernel, items), none),
               operands);

  KernelBody block(module, op, kernelStem(op, "choose_many"), operands,
                   kChoiceThreads);
  emitBlockChoice(block, op);
  launchKernel(host, block.kernel,
               arith::SelectOp::create(host, few, none, items), operands);
  op->erase();
  return success();
}

} // namespace route::ragged
