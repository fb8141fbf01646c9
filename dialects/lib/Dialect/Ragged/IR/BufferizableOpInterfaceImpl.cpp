// One-shot bufferization of ragged ops: tensors in, the same op on memrefs out.
#include "mlir/Dialect/Bufferization/IR/BufferizableOpInterface.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Bufferization/IR/DstBufferizableOpInterfaceImpl.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/IR/PatternMatch.h"
#include "route/Dialect/Ragged/IR/Ragged.h"

using namespace mlir;

namespace route::ragged {
namespace {

/// Inits of these ops are overwritten whole; gather and matmul leave padding
/// rows as they were, so theirs are read too.
template <typename OpTy>
constexpr bool readsInits =
    std::is_same_v<OpTy, GatherOp> || std::is_same_v<OpTy, MatmulOp> ||
    std::is_same_v<OpTy, SlotMatmulOp>;

template <typename OpTy>
struct RaggedOpModel : bufferization::DstBufferizableOpInterfaceExternalModel<
                           RaggedOpModel<OpTy>, OpTy> {
  bool bufferizesToMemoryRead(Operation *op, OpOperand &operand,
                              const bufferization::AnalysisState &) const {
    auto dps = cast<DestinationStyleOpInterface>(op);
    return readsInits<OpTy> || !dps.isDpsInit(&operand);
  }

  LogicalResult bufferize(Operation *op, RewriterBase &rewriter,
                          const bufferization::BufferizationOptions &options,
                          bufferization::BufferizationState &state) const {
    auto dps = cast<DestinationStyleOpInterface>(op);
    SmallVector<Value> operands;
    for (Value operand : op->getOperands()) {
      if (!isa<TensorType>(operand.getType())) {
        operands.push_back(operand);
        continue;
      }
      FailureOr<Value> buffer =
          bufferization::getBuffer(rewriter, operand, options, state);
      if (failed(buffer))
        return failure();
      operands.push_back(*buffer);
    }
    SmallVector<Value> results;
    for (OpOperand &init : dps.getDpsInitsMutable())
      results.push_back(operands[init.getOperandNumber()]);
    OperationState clone(op->getLoc(), op->getName(), operands, TypeRange(),
                         op->getAttrs());
    clone.propertiesAttr = op->getPropertiesAsAttribute();
    for (Region &region : op->getRegions())
      clone.addRegion()->takeBody(region);
    rewriter.create(clone);
    bufferization::replaceOpWithBufferizedValues(rewriter, op, results);
    return success();
  }
};

template <typename... OpTys> void attach(MLIRContext *context) {
  (OpTys::template attachInterface<RaggedOpModel<OpTys>>(*context), ...);
}

} // namespace

void registerBufferizableOpInterfaceExternalModels(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, RaggedDialect *) {
    attach<ChooseOp, CountOp, OffsetsOp, PermuteOp, GatherOp, CombineOp,
           CombineAtOp, PackOp, MatmulOp, SlotMatmulOp>(context);
  });
}

} // namespace route::ragged
