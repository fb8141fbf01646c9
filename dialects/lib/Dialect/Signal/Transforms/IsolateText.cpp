// signal-isolate-text: questions of texts in operations of their own.
// Fusion puts a comparison of texts into the arithmetic that it decides on;
// taken out again, only the comparison needs the texts.
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StructuredOpsUtils.h"
#include "mlir/IR/IRMapping.h"
#include "route/Dialect/Signal/IR/Signal.h"
#include "route/Dialect/Signal/Transforms/Passes.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace route::signal;

namespace route::signal {
#define GEN_PASS_DEF_SIGNALISOLATETEXT
#include "route/Dialect/Signal/Transforms/Passes.h.inc"
} // namespace route::signal

static bool isText(Value value) { return isa<TextType>(value.getType()); }

namespace {
struct IsolateText : route::signal::impl::SignalIsolateTextBase<IsolateText> {
  void runOnOperation() override {
    SmallVector<linalg::GenericOp> operations;
    getOperation()->walk(
        [&](linalg::GenericOp op) { operations.push_back(op); });
    for (linalg::GenericOp op : operations)
      isolate(op);
  }

  /// Operations of the body that deal with texts, and what they are made from.
  static llvm::SetVector<Operation *> askersOf(Block &body) {
    llvm::SetVector<Operation *> askers;
    for (Operation &op : llvm::reverse(body.without_terminator())) {
      bool asks = llvm::any_of(op.getOperands(), isText) ||
                  llvm::any_of(op.getResults(), isText);
      if (asks || llvm::any_of(op.getUsers(), [&](Operation *user) {
            return askers.contains(user);
          }))
        askers.insert(&op);
    }
    return askers;
  }

  void isolate(linalg::GenericOp op) {
    Block &body = *op.getBody();
    llvm::SetVector<Operation *> askers = askersOf(body);
    // What the rest of the body takes from them.
    SmallVector<Value> answers;
    for (Operation *asker : llvm::reverse(askers))
      for (Value result : asker->getResults())
        if (llvm::any_of(result.getUsers(), [&](Operation *user) {
              return !askers.contains(user);
            }))
          answers.push_back(result);
    if (answers.empty() || llvm::any_of(answers, isText))
      return;

    // The inputs that they read, and the loops that those go through.
    llvm::SetVector<OpOperand *> inputs;
    llvm::BitVector loops(op.getNumLoops());
    for (Operation *asker : askers) {
      if (asker->getNumRegions() || isa<linalg::IndexOp>(asker))
        return;
      for (Value operand : asker->getOperands()) {
        auto argument = dyn_cast<BlockArgument>(operand);
        if (!argument || argument.getOwner() != &body)
          continue;
        OpOperand *from = op.getMatchingOpOperand(argument);
        if (op.isDpsInit(from))
          return;
        inputs.insert(from);
      }
    }
    // Without others there is no work besides.
    if (inputs.size() == op.getNumDpsInputs())
      return;
    for (OpOperand *input : inputs)
      for (AffineExpr at : op.getMatchingIndexingMap(input).getResults()) {
        auto dim = dyn_cast<AffineDimExpr>(at);
        if (!dim)
          return;
        loops.set(dim.getPosition());
      }
    SmallVector<Value> asked = ask(op, askers, answers, inputs, loops);
    take(op, answers, asked, loops);
    ++numIsolated;
  }

  /// The operation that asks, over the loops that its inputs go through.
  SmallVector<Value> ask(linalg::GenericOp op,
                         const llvm::SetVector<Operation *> &askers,
                         ArrayRef<Value> answers,
                         const llvm::SetVector<OpOperand *> &inputs,
                         const llvm::BitVector &loops) {
    OpBuilder b(op);
    Location loc = op.getLoc();
    unsigned rank = loops.count();
    SmallVector<AffineExpr> renumbered(op.getNumLoops(),
                                       b.getAffineConstantExpr(0));
    SmallVector<OpFoldResult> sizes;
    for (unsigned loop : loops.set_bits()) {
      renumbered[loop] = b.getAffineDimExpr(sizes.size());
      sizes.push_back(sizeOf(b, op, inputs, loop));
    }
    SmallVector<AffineMap> maps;
    SmallVector<Value> ins, outs;
    for (OpOperand *input : inputs) {
      maps.push_back(op.getMatchingIndexingMap(input).replaceDimsAndSymbols(
          renumbered, {}, rank, 0));
      ins.push_back(input->get());
    }
    for (Value answer : answers) {
      maps.push_back(b.getMultiDimIdentityMap(rank));
      outs.push_back(tensor::EmptyOp::create(b, loc, sizes, answer.getType()));
    }
    auto question = linalg::GenericOp::create(
        b, loc, ValueRange(outs).getTypes(), ins, outs, maps,
        SmallVector<utils::IteratorType>(rank, utils::IteratorType::parallel),
        [&](OpBuilder &inner, Location, ValueRange arguments) {
          IRMapping mapping;
          for (auto [input, argument] : llvm::zip(inputs, arguments))
            mapping.map(op.getMatchingBlockArgument(input), argument);
          for (Operation &each : op.getBody()->without_terminator())
            if (askers.contains(&each))
              inner.clone(each, mapping);
          SmallVector<Value> results;
          for (Value answer : answers)
            results.push_back(mapping.lookup(answer));
          linalg::YieldOp::create(inner, loc, results);
        });
    return llvm::to_vector_of<Value>(question.getResults());
  }

  /// The extent of a loop, from an input that goes through it.
  static OpFoldResult sizeOf(OpBuilder &b, linalg::GenericOp op,
                             const llvm::SetVector<OpOperand *> &inputs,
                             unsigned loop) {
    for (OpOperand *input : inputs)
      for (auto [i, at] :
           llvm::enumerate(op.getMatchingIndexingMap(input).getResults()))
        if (cast<AffineDimExpr>(at).getPosition() == loop)
          return tensor::getMixedSize(b, op.getLoc(), input->get(), i);
    llvm_unreachable("an input goes through each loop");
  }

  /// Lets the operation read the answers in place of the texts.
  void take(linalg::GenericOp op, ArrayRef<Value> answers,
            ArrayRef<Value> asked, const llvm::BitVector &loops) {
    OpBuilder b(op);
    SmallVector<AffineExpr> positions;
    for (unsigned loop : loops.set_bits())
      positions.push_back(b.getAffineDimExpr(loop));
    auto at = AffineMap::get(op.getNumLoops(), 0, positions, &getContext());
    Block &body = *op.getBody();
    SmallVector<Value> ins;
    SmallVector<AffineMap> maps;
    llvm::BitVector unread(body.getNumArguments());
    SmallVector<Value> read;
    for (Value answer : answers) {
      Value argument = body.addArgument(answer.getType(), answer.getLoc());
      read.push_back(argument);
      answer.replaceAllUsesWith(argument);
    }
    for (Operation &each : llvm::make_early_inc_range(llvm::reverse(body)))
      if (isOpTriviallyDead(&each))
        each.erase();
    // Arguments stand in the order of operands: inputs, answers, results.
    IRMapping mapping;
    for (OpOperand *input : op.getDpsInputOperands())
      if (!isText(op.getMatchingBlockArgument(input)) ||
          !op.getMatchingBlockArgument(input).use_empty()) {
        ins.push_back(input->get());
        maps.push_back(op.getMatchingIndexingMap(input));
      } else {
        unread.set(input->getOperandNumber());
      }
    llvm::append_range(ins, asked);
    maps.append(asked.size(), at);
    for (OpOperand &init : op.getDpsInitsMutable())
      maps.push_back(op.getMatchingIndexingMap(&init));
    auto made = linalg::GenericOp::create(
        b, op.getLoc(), op.getResultTypes(), ins,
        llvm::to_vector_of<Value>(op.getOutputs()), maps,
        op.getIteratorTypesArray(),
        [&](OpBuilder &inner, Location, ValueRange arguments) {
          unsigned next = 0;
          for (unsigned i = 0; i < op.getNumDpsInputs(); ++i)
            if (!unread.test(i))
              mapping.map(body.getArgument(i), arguments[next++]);
          for (Value each : read)
            mapping.map(each, arguments[next++]);
          for (unsigned i = 0; i < op.getNumDpsInits(); ++i)
            mapping.map(body.getArgument(op.getNumDpsInputs() + i),
                        arguments[next++]);
          for (Operation &each : body)
            inner.clone(each, mapping);
        });
    op->replaceAllUsesWith(made.getResults());
    op.erase();
  }
};
} // namespace
