// row-fuse-producers: what only a row program reads, computed in it.
// Numbers of items, not for all items in loops of their own.
#include "route/Dialect/Row/IR/RowDialect.h"
#include "route/Dialect/Row/Transforms/Passes.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;

namespace route::row {
#define GEN_PASS_DEF_ROWFUSEPRODUCERS
#include "route/Dialect/Row/Transforms/Passes.h.inc"

namespace {

/// Whether `op` makes one number for each item from numbers of that item. Texts
/// are none: programs do not hold them.
bool isItemwise(linalg::GenericOp op) {
  if (op.getNumResults() != 1 || op.getNumLoops() != 1 ||
      op.getNumReductionLoops() || op.getNumDpsInputs() == 0 ||
      !isa<RankedTensorType>(op.getResult(0).getType()) ||
      op.payloadUsesValueFromOperand(op.getDpsInitOperand(0)))
    return false;
  for (OpOperand &operand : op->getOpOperands())
    if (!op.getMatchingIndexingMap(&operand).isIdentity() ||
        !getElementTypeOrSelf(operand.get().getType()).isIntOrFloat())
      return false;
  llvm::SetVector<Value> outside;
  getUsedValuesDefinedAbove(op.getRegion(), outside);
  for (Value value : outside)
    if (!matchPattern(value, m_Constant()))
      return false;
  return !op.getBody()
              ->walk([](linalg::IndexOp) { return WalkResult::interrupt(); })
              .wasInterrupted();
}

/// Whether one program reads `value`, as an input of its items, and nobody
/// else: a second would compute it again.
bool isOnlyInput(Value value) {
  if (value.use_empty())
    return false;
  auto program = dyn_cast<ProgramOp>(*value.user_begin());
  return program && llvm::all_of(value.getUses(), [&](OpOperand &use) {
           return use.getOwner() == program &&
                  use.getOperandNumber() < program.getInputs().size();
         });
}

/// Computes input `input` of `program` in its body, from what `op` reads.
void fuse(ProgramOp program, unsigned input, linalg::GenericOp op) {
  Block &body = program.getBody().front();
  Location loc = op.getLoc();
  OpBuilder b = OpBuilder::atBlockBegin(&body);
  SmallVector<Value> rows;
  for (Value source : op.getDpsInputs()) {
    auto known = llvm::find(program.getInputs(), source);
    unsigned at = known - program.getInputs().begin();
    if (known == program.getInputs().end()) {
      program.getInputsMutable().append(source);
      body.insertArgument(
          at, ProgramOp::rowType(source.getType(), /*varying=*/true), loc);
    }
    rows.push_back(body.getArgument(at));
  }
  auto type = ProgramOp::rowType(op.getResult(0).getType(), /*varying=*/true);
  Value init =
      tensor::EmptyOp::create(b, loc, type.getShape(), type.getElementType());
  auto row = linalg::GenericOp::create(
      b, loc, type, rows, init,
      SmallVector<AffineMap>(rows.size() + 1,
                             AffineMap::get(0, 0, b.getContext())),
      ArrayRef<utils::IteratorType>());
  b.setInsertionPoint(row);
  IRMapping mapping;
  llvm::SetVector<Value> constants;
  getUsedValuesDefinedAbove(op.getRegion(), constants);
  for (Value value : constants)
    b.clone(*value.getDefiningOp(), mapping);
  op.getRegion().cloneInto(&row.getRegion(), mapping);
  body.getArgument(input).replaceAllUsesWith(row.getResult(0));
  body.eraseArgument(input);
  program.getInputsMutable().erase(input);
}

struct FuseProducersPass : impl::RowFuseProducersBase<FuseProducersPass> {
  void runOnOperation() override {
    // A producer stands before what it is made for: the last comes first.
    SmallVector<linalg::GenericOp> producers;
    getOperation()->walk([&](linalg::GenericOp op) {
      if (!op->getParentOfType<ProgramOp>() && isItemwise(op))
        producers.push_back(op);
    });
    for (linalg::GenericOp op : llvm::reverse(producers)) {
      if (!isOnlyInput(op.getResult(0)))
        continue;
      while (!op.getResult(0).use_empty()) {
        OpOperand &use = *op.getResult(0).use_begin();
        fuse(cast<ProgramOp>(use.getOwner()), use.getOperandNumber(), op);
      }
      Operation *init = op.getDpsInits().front().getDefiningOp();
      op->erase();
      if (init && isOpTriviallyDead(init))
        init->erase();
      ++numFused;
    }
  }
};

} // namespace
} // namespace route::row
