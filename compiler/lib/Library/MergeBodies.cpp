// route-merge-bodies: entries that share a router share its code.
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/OperationSupport.h"
#include "mlir/IR/SymbolTable.h"
#include "route/Library/Passes.h"
#include "llvm/ADT/DenseMap.h"

namespace route {
#define GEN_PASS_DEF_ROUTEMERGEBODIES
#include "route/Library/Passes.h.inc"
} // namespace route

using namespace mlir;
using namespace route;

namespace {
/// A number that functions share if they are equal but for their names and
/// places in the source.
llvm::hash_code hash(func::FuncOp function) {
  llvm::hash_code code = hash_value(function.getFunctionType());
  function.getBody().walk([&](Operation *op) {
    code =
        llvm::hash_combine(code, OperationEquivalence::computeHash(
                                     op, OperationEquivalence::ignoreHashValue,
                                     OperationEquivalence::ignoreHashValue,
                                     OperationEquivalence::IgnoreLocations));
  });
  return code;
}

bool areEqual(func::FuncOp a, func::FuncOp b) {
  if (a.getFunctionType() != b.getFunctionType())
    return false;
  for (unsigned i = 0; i < a.getNumArguments(); ++i)
    if (a.getArgAttrDict(i) != b.getArgAttrDict(i))
      return false;
  return a->getDiscardableAttrDictionary() ==
             b->getDiscardableAttrDictionary() &&
         OperationEquivalence::isRegionEquivalentTo(
             &a.getBody(), &b.getBody(), OperationEquivalence::IgnoreLocations);
}

struct MergeBodies : route::impl::RouteMergeBodiesBase<MergeBodies> {
  void runOnOperation() override {
    // Functions that call merged ones may have become equal: again, until
    // nothing changes.
    while (mergeOnce())
      ;
  }

  bool mergeOnce() {
    llvm::DenseMap<size_t, SmallVector<func::FuncOp, 1>> known;
    llvm::DenseMap<StringAttr, FlatSymbolRefAttr> merged;
    for (auto function :
         llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>())) {
      if (!function.isPrivate() || function.isDeclaration() ||
          !function.getBody().hasOneBlock())
        continue;
      auto &alike = known[hash(function)];
      auto *equal = llvm::find_if(
          alike, [&](func::FuncOp other) { return areEqual(other, function); });
      if (equal == alike.end()) {
        alike.push_back(function);
        continue;
      }
      merged[function.getSymNameAttr()] =
          FlatSymbolRefAttr::get(equal->getSymNameAttr());
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
