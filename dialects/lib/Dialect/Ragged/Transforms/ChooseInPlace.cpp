// Choices as loops in the place of the operation, for one thread.
#include "Emit.h"
#include "mlir/IR/IRMapping.h"
#include "route/Dialect/Ragged/Transforms/Passes.h"

using namespace mlir;

LogicalResult route::ragged::chooseInPlace(ChooseOp op) {
  IRRewriter rewriter(op);
  Block *block = op->getBlock();
  Operation *before = op->getPrevNode();
  if (failed(convert(op, rewriter)))
    return failure();
  // What the lowering for CPUs calls, once.
  func::CallOp call;
  for (Operation *made = before ? before->getNextNode() : &block->front();
       !call; made = made->getNextNode())
    call = dyn_cast<func::CallOp>(made);
  auto work = cast<func::FuncOp>(
      SymbolTable::lookupNearestSymbolFrom(call, call.getCalleeAttr()));
  rewriter.setInsertionPoint(call);
  IRMapping mapping;
  mapping.map(work.getArguments(), call.getOperands());
  for (Operation &each : work.getBody().front().without_terminator())
    rewriter.clone(each, mapping);
  rewriter.eraseOp(call);
  rewriter.eraseOp(work);
  return success();
}
