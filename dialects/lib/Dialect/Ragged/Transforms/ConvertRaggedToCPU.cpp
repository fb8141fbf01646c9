// convert-ragged-to-cpu: ragged ops on memrefs become loops over vectors.
// They take the form that an instruction set needs.
#include "Emit.h"
#include "route/Dialect/Ragged/IR/Ragged.h"
#include "route/Dialect/Ragged/Transforms/Passes.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace route::ragged {
#define GEN_PASS_DEF_CONVERTRAGGEDTOCPU
#include "route/Dialect/Ragged/Transforms/Passes.h.inc"

namespace {
struct ConvertRaggedToCPU : impl::ConvertRaggedToCPUBase<ConvertRaggedToCPU> {
  using ConvertRaggedToCPUBase::ConvertRaggedToCPUBase;

  void runOnOperation() override {
    CPUTarget target;
    if (isa == "v4-bf16")
      target = {/*bf16Dot=*/true, /*either=*/false, /*registers=*/32};
    else if (isa == "v4+bf16")
      target = {/*bf16Dot=*/true, /*either=*/true, /*registers=*/32};
    else if (isa == "v4")
      target = {/*bf16Dot=*/false, /*either=*/false, /*registers=*/32};
    else if (isa != "v3") {
      getOperation().emitError("'isa' is '")
          << isa << "', expected v4+bf16, v4-bf16, v4 or v3";
      return signalPassFailure();
    }
    // Lowering adds functions to the module, so collect first.
    SmallVector<Operation *> ops;
    getOperation().walk([&](Operation *op) {
      if (isa_and_nonnull<RaggedDialect>(op->getDialect()) &&
          llvm::isa<DestinationStyleOpInterface>(op))
        ops.push_back(op);
    });
    IRRewriter rewriter(&getContext());
    for (Operation *op : ops)
      if (failed(lower(op, rewriter, target)))
        return signalPassFailure();
  }

  static LogicalResult lower(Operation *op, IRRewriter &rewriter,
                             CPUTarget target) {
    if (llvm::any_of(op->getOperandTypes(), llvm::IsaPred<TensorType>))
      return op->emitOpError("is on tensors; bufferize first");
    rewriter.setInsertionPoint(op);
    return TypeSwitch<Operation *, LogicalResult>(op)
        .Case<ChooseOp, CountOp, OffsetsOp, PermuteOp, GatherOp, CombineOp,
              CombineAtOp, PackOp>(
            [&](auto concrete) { return convert(concrete, rewriter); })
        .Case(
            [&](MatmulOp matmul) { return convert(matmul, rewriter, target); })
        .Default([](Operation *other) {
          return other->emitOpError("cannot be lowered for the CPU");
        });
  }
};
} // namespace
} // namespace route::ragged
