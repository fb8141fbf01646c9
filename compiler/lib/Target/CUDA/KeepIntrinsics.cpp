// route-keep-intrinsics: exact functions stay LLVM's in kernels.
// MLIR's conversion of kernels has a library's functions for some and refuses
// the names of others.
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "route/Target/CUDA/Passes.h"

namespace route {
#define GEN_PASS_DEF_ROUTEKEEPINTRINSICS
#include "route/Target/CUDA/Passes.h.inc"
} // namespace route

using namespace mlir;

namespace {
struct KeepIntrinsics : route::impl::RouteKeepIntrinsicsBase<KeepIntrinsics> {
  void runOnOperation() override {
    getOperation()->walk([](Operation *op) {
      if (!isa<LLVM::CopySignOp, LLVM::FAbsOp, LLVM::FCeilOp, LLVM::FFloorOp,
               LLVM::RoundEvenOp, LLVM::SqrtOp>(op))
        return;
      OpBuilder b(op);
      StringRef function = op->getName().stripDialect(); // intr.NAME
      function.consume_front("intr.");
      auto call = LLVM::CallIntrinsicOp::create(
          b, op->getLoc(), op->getResult(0).getType(),
          b.getStringAttr("llvm." + function), op->getOperands());
      op->replaceAllUsesWith(call->getResults());
      op->erase();
    });
  }
};
} // namespace
