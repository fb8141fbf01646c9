// route-fuse-text: all predicates on one text become one scan.
#include "mlir/IR/Builders.h"
#include "route/Dialect/Signal/Transforms/Passes.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace route::signal;

namespace route::signal {
#define GEN_PASS_DEF_ROUTEFUSETEXT
#include "route/Dialect/Signal/Transforms/Passes.h.inc"
} // namespace route::signal

namespace {
struct FuseTextPass : route::signal::impl::RouteFuseTextBase<FuseTextPass> {
  void runOnOperation() override {
    getOperation()->walk([&](Block *block) { fuse(*block); });
  }

  void fuse(Block &block) {
    // The operations that ask, by text, in order.
    llvm::MapVector<Value, SmallVector<Operation *>> askers;
    for (Operation &op : block) {
      if (auto match = dyn_cast<MatchOp>(op))
        askers[match.getText()].push_back(&op);
      else if (auto scan = dyn_cast<ScanOp>(op))
        askers[scan.getText()].push_back(&op);
    }
    for (auto &[text, ops] : askers)
      if (ops.size() > 1)
        fuse(text, ops);
  }

  static SmallVector<Attribute> predicatesOf(Operation *op) {
    if (auto match = dyn_cast<MatchOp>(op))
      return {match.getPredicate()};
    return llvm::to_vector(cast<ScanOp>(op).getPredicates());
  }

  void fuse(Value text, ArrayRef<Operation *> ops) {
    llvm::SetVector<Attribute> predicates;
    SmallVector<Location> locations;
    for (Operation *op : ops) {
      predicates.insert_range(predicatesOf(op));
      locations.push_back(op->getLoc());
    }
    OpBuilder builder(ops.front());
    auto scan =
        ScanOp::create(builder, FusedLoc::get(&getContext(), locations),
                       builder.getArrayAttr(predicates.getArrayRef()), text);
    for (Operation *op : ops) {
      SmallVector<Value> results;
      for (Attribute predicate : predicatesOf(op)) {
        auto place = llvm::find(predicates, predicate);
        results.push_back(scan.getResult(place - predicates.begin()));
        ++fused;
      }
      op->replaceAllUsesWith(results);
      op->erase();
    }
    ++scans;
  }
};
} // namespace
