// One-shot bufferization of signal.ngrams: the same op, on buffers.
#include "mlir/Dialect/Bufferization/IR/BufferizableOpInterface.h"
#include "mlir/Dialect/Bufferization/IR/DstBufferizableOpInterfaceImpl.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/IR/PatternMatch.h"
#include "route/Dialect/Signal/IR/Signal.h"

using namespace mlir;
using namespace route::signal;

namespace {
struct NgramsModel
    : bufferization::DstBufferizableOpInterfaceExternalModel<NgramsModel,
                                                             NgramsOp> {
  bool bufferizesToMemoryRead(Operation *, OpOperand &,
                              const bufferization::AnalysisState &) const {
    return false; // `out` is overwritten whole
  }

  LogicalResult bufferize(Operation *op, RewriterBase &rewriter,
                          const bufferization::BufferizationOptions &options,
                          bufferization::BufferizationState &state) const {
    auto ngrams = cast<NgramsOp>(op);
    if (!isa<TensorType>(ngrams.getOut().getType()))
      return success();
    FailureOr<Value> buffer =
        bufferization::getBuffer(rewriter, ngrams.getOut(), options, state);
    if (failed(buffer))
      return failure();
    OperationState clone(op->getLoc(), op->getName(),
                         {ngrams.getText(), *buffer}, TypeRange());
    clone.propertiesAttr = op->getPropertiesAsAttribute();
    rewriter.create(clone);
    bufferization::replaceOpWithBufferizedValues(rewriter, op, *buffer);
    return success();
  }
};
} // namespace

void route::signal::registerBufferizableOpInterfaceExternalModels(
    DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, SignalDialect *) {
    NgramsOp::attachInterface<NgramsModel>(*context);
  });
}
