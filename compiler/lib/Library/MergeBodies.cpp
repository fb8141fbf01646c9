// route-merge-bodies: entries that share a router share its code.
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/SymbolTable.h"
#include "route/Library/Passes.h"
#include "llvm/ADT/StringMap.h"

namespace route {
#define GEN_PASS_DEF_ROUTEMERGEBODIES
#include "route/Library/Passes.h.inc"
} // namespace route

using namespace mlir;
using namespace route;

namespace {
/// Everything of a function but its name and places in the source.
std::string describe(func::FuncOp function) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  stream << function.getFunctionType();
  for (NamedAttribute attr : function->getDiscardableAttrs())
    stream << attr.getName() << attr.getValue();
  OpPrintingFlags flags;
  flags.enableDebugInfo(false)
      .printGenericOpForm()
      .useLocalScope()
      .assumeVerified();
  for (Operation &op : function.getBody().front())
    op.print(stream, flags);
  return text;
}

struct MergeBodies : route::impl::RouteMergeBodiesBase<MergeBodies> {
  void runOnOperation() override {
    // Functions that call merged ones may have become equal: again, until
    // nothing changes.
    while (mergeOnce())
      ;
  }

  bool mergeOnce() {
    llvm::StringMap<func::FuncOp> known;
    llvm::DenseMap<StringAttr, FlatSymbolRefAttr> merged;
    for (auto function :
         llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>())) {
      if (!function.isPrivate() || function.isDeclaration() ||
          !function.getBody().hasOneBlock())
        continue;
      auto [it, fresh] = known.try_emplace(describe(function), function);
      if (fresh)
        continue;
      merged[function.getSymNameAttr()] =
          FlatSymbolRefAttr::get(it->second.getSymNameAttr());
      function.erase();
      ++numMerged;
    }
    if (merged.empty())
      return false;
    getOperation().walk([&](func::CallOp call) {
      if (auto it = merged.find(call.getCalleeAttr().getAttr());
          it != merged.end())
        call.setCalleeAttr(it->second);
    });
    return true;
  }
};
} // namespace
