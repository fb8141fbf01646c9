// convert-ragged-to-kernels: ragged ops become GPU kernels of any size.
#include "KernelBody.h"
#include "route/Dialect/Ragged/Transforms/Passes.h"

#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace route::ragged {
#define GEN_PASS_DEF_CONVERTRAGGEDTOKERNELS
#include "route/Dialect/Ragged/Transforms/Passes.h.inc"

namespace {
struct ConvertRaggedToKernels
    : impl::ConvertRaggedToKernelsBase<ConvertRaggedToKernels> {
  using ConvertRaggedToKernelsBase::ConvertRaggedToKernelsBase;

  void runOnOperation() override {
    SmallVector<Operation *> ops;
    for (Operation &function : *getOperation().getBody())
      if (!isa<gpu::GPUModuleOp>(function))
        function.walk([&](Operation *op) {
          if (isa_and_nonnull<RaggedDialect>(op->getDialect()) &&
              isa<DestinationStyleOpInterface>(op))
            ops.push_back(op);
        });
    // Of two products of the same slots in a row, the first has waited for what
    // chose their experts, which is still so.
    llvm::SmallPtrSet<Operation *, 4> early;
    SlotMatmulOp before;
    for (Operation *op : ops)
      if (auto product = dyn_cast<SlotMatmulOp>(op)) {
        if (before && before->getBlock() == op->getBlock() &&
            before.getIdx() == product.getIdx() &&
            before.getLimit() == product.getLimit() &&
            !writesBetween(before, op))
          early.insert(op);
        before = product;
      }
    for (Operation *op : ops) {
      LogicalResult done =
          llvm::any_of(op->getOperandTypes(), llvm::IsaPred<TensorType>)
              ? LogicalResult(op->emitOpError("is on tensors; bufferize first"))
              : TypeSwitch<Operation *, LogicalResult>(op)
                    .Case<CountOp, OffsetsOp, PermuteOp, MatmulOp, GatherOp,
                          CombineOp, CombineAtOp>(
                        [&](auto each) { return lowerToKernels(each); })
                    .Case([&](ChooseOp each) {
                      return lowerToKernels(each, fewCandidates);
                    })
                    .Case([&](SlotMatmulOp each) {
                      return lowerToKernels(each, early.contains(each));
                    })
                    .Default([](Operation *other) {
                      return other->emitOpError("has no kernel");
                    });
      if (failed(done))
        return signalPassFailure();
    }
  }
};
} // namespace
} // namespace route::ragged
