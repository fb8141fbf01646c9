// ragged-spread-gather: items that several slots take are read once.
// In gathers that took each item once for each of its slots.
#include "KernelBody.h"
#include "route/Dialect/Ragged/Transforms/Passes.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace route::ragged {
#define GEN_PASS_DEF_RAGGEDSPREADGATHER
#include "route/Dialect/Ragged/Transforms/Passes.h.inc"

namespace {
using Values = SmallVector<Value>;
using Predicate = arith::CmpIPredicate;

/// The rows of every item's slots, where the gather has the order that they
/// belong to and takes each item once for each of them; else null.
Value placesOf(GatherOp gather) {
  PermuteOp order;
  for (Operation *user : gather.getPerm().getUsers())
    if (auto op = dyn_cast<PermuteOp>(user);
        op && op.getPerm() == gather.getPerm()) {
      if (order)
        return {};
      order = op;
    }
  if (!order || order->getBlock() != gather->getBlock() ||
      !order->isBeforeInBlock(gather) ||
      cast<MemRefType>(gather.getX().getType()).getRank() != 2)
    return {};
  auto type = cast<MemRefType>(order.getInv().getType());
  constexpr int64_t most = 16; // stores of a thread
  return type.getRank() == 2 && type.getDimSize(1) <= most &&
                 type.getDimSize(1) == static_cast<int64_t>(gather.getSlots())
             ? order.getInv()
             : Value();
}

/// An item's row goes to all its places: a thread reads 16 bytes of it once,
/// and has a store under way for each rank.
void spread(GatherOp op, Value inv) {
  Values operands{op.getX(), inv, op.getOut()};
  KernelBody k(op->getParentOfType<ModuleOp>(), op, kernelStem(op, "gather"),
               operands, 256);
  Value x = k.argument(0), out = k.argument(2);
  int64_t width = vectorWidth({op.getX(), op.getOut()});
  auto count = [&](ImplicitLocOpBuilder &b, Value x, Value inv) -> Value {
    return arith::MulIOp::create(b, memref::DimOp::create(b, inv, 0),
                                 unitsOfRow(b, x, width));
  };
  forEachThread(k.b, k.kernel, count(k.b, x, k.argument(1)), [&](Value flat) {
    Value each = unitsOfRow(k.b, x, width);
    Value item = k.div(flat, each),
          column = k.mul(k.rem(flat, each), k.index(width));
    Values rows;
    for (int64_t rank = 0; rank < slotsPerItem(inv); ++rank)
      rows.push_back(k.load(k.argument(1), {item, k.index(rank)}));
    Value own = loadWide(k, x, {item, column}, width);
    for (Value row : rows)
      k.when(k.cmp(Predicate::sge, row, k.number(0)),
             [&] { storeWide(k, own, out, {k.toIndex(row), column}); });
  });
  launchInPlace(op, k, operands, [&](ImplicitLocOpBuilder &b) {
    return gridFor(b, k.kernel, count(b, operands[0], inv));
  });
}

struct SpreadGather : impl::RaggedSpreadGatherBase<SpreadGather> {
  void runOnOperation() override {
    SmallVector<std::pair<GatherOp, Value>> gathers;
    getOperation().walk([&](GatherOp op) {
      if (isa<MemRefType>(op.getPerm().getType()))
        if (Value inv = placesOf(op))
          gathers.push_back({op, inv});
    });
    for (auto [op, inv] : gathers)
      spread(op, inv);
    numSpread += gathers.size();
  }
};
} // namespace
} // namespace route::ragged
