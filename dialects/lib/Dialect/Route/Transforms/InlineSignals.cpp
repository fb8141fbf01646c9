// route-inline-signals: computed signals are computed where they are read.
#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"
#include "route/Dialect/Route/Transforms/Passes.h"

namespace route {
#define GEN_PASS_DEF_ROUTEINLINESIGNALS
#include "route/Dialect/Route/Transforms/Passes.h.inc"
} // namespace route

using namespace mlir;
using namespace route;

namespace {
struct InlineSignals : route::impl::RouteInlineSignalsBase<InlineSignals> {
  void runOnOperation() override {
    SymbolTable symbols(getOperation());
    SmallVector<GetOp> reads;
    auto collect = [&](GetOp get) { reads.push_back(get); };
    for (Operation &op : getOperation().getOps())
      if (isa<FuncOp, BudgetOp>(op))
        op.walk(collect);
    // A body may read other signals; specs name what they use before, so this
    // ends.
    while (!reads.empty()) {
      GetOp get = reads.pop_back_val();
      auto signal =
          symbols.lookup<SignalOp>(get.getSymbol().getRootReference());
      if (!signal || signal.getHost() || signal.getBody().empty() ||
          !get.getSymbol().getNestedReferences().empty())
        continue;
      OpBuilder b(get);
      IRMapping mapping;
      Block &body = signal.getBody().front();
      for (Operation &op : body.without_terminator())
        b.clone(op, mapping)->walk(collect);
      get.replaceAllUsesWith(
          mapping.lookupOrDefault(body.getTerminator()->getOperand(0)));
      get.erase();
      ++numInlined;
    }
  }
};
} // namespace
