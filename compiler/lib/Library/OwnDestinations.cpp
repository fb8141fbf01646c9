// route-own-destinations: what an output begins as is begun for it alone.
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "route/Library/Passes.h"

namespace route {
#define GEN_PASS_DEF_ROUTEOWNDESTINATIONS
#include "route/Library/Passes.h.inc"
} // namespace route

using namespace mlir;
using namespace route;

/// The operands in whose memory `value` is made, if its memory is not its own.
static SmallVector<OpOperand *> destinationsOf(Value value) {
  auto result = dyn_cast<OpResult>(value);
  if (!result)
    return {};
  Operation *op = result.getOwner();
  if (auto writer = dyn_cast<DestinationStyleOpInterface>(op))
    return {writer.getTiedOpOperand(result)};
  if (auto loop = dyn_cast<scf::ForOp>(op))
    return {loop.getTiedLoopInit(result)};
  if (auto either = dyn_cast<scf::IfOp>(op))
    return {&either.thenYield()->getOpOperand(result.getResultNumber()),
            &either.elseYield()->getOpOperand(result.getResultNumber())};
  return {};
}

static bool beginsEmpty(Value value) {
  return value.getDefiningOp<tensor::EmptyOp>() ||
         llvm::any_of(destinationsOf(value),
                      [](OpOperand *from) { return beginsEmpty(from->get()); });
}

namespace {
struct OwnDestinations
    : route::impl::RouteOwnDestinationsBase<OwnDestinations> {
  using RouteOwnDestinationsBase::RouteOwnDestinationsBase;

  void runOnOperation() override {
    getOperation().walk([&](bufferization::MaterializeInDestinationOp leaves) {
      if (isa<BaseMemRefType>(leaves.getDest().getType()))
        own(leaves.getSource());
    });
  }

  /// No value on the way to `value`, from nothing, has another use.
  void own(Value value) {
    for (OpOperand *from : destinationsOf(value)) {
      Value before = from->get();
      if (before.getDefiningOp<tensor::EmptyOp>())
        continue; // made for each use
      if (before.hasOneUse()) {
        own(before);
        continue;
      }
      if (!beginsEmpty(before))
        continue;
      OpBuilder b(from->getOwner());
      if (auto fill = before.getDefiningOp<linalg::FillOp>()) {
        from->set(b.clone(*fill)->getResult(0));
        ++numRepeated;
        continue;
      }
      from->set(bufferization::AllocTensorOp::create(
          b, from->getOwner()->getLoc(),
          cast<RankedTensorType>(before.getType()), ValueRange(), before));
      ++numCopied;
    }
  }
};
} // namespace
