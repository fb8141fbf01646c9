// route-merge-kernels: entries that need the same kernel share one.
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/IR/OperationSupport.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "route/Kernels/Kernels.h"
#include "route/Target/CUDA/Passes.h"

namespace route {
#define GEN_PASS_DEF_ROUTEMERGEKERNELS
#include "route/Target/CUDA/Passes.h.inc"
} // namespace route

using namespace mlir;
using namespace route;

/// All that a kernel is but its name, places in the source and body.
static DictionaryAttr signatureOf(FunctionOpInterface kernel) {
  NamedAttrList attributes(kernel->getAttrDictionary());
  attributes.erase(SymbolTable::getSymbolAttrName());
  return attributes.getDictionary(kernel.getContext());
}

namespace {
struct MergeKernels : route::impl::RouteMergeKernelsBase<MergeKernels> {
  void runOnOperation() override {
    gpu::GPUModuleOp kernels = findKernelModule(getOperation());
    if (!kernels)
      return;
    DenseMap<Attribute, SmallVector<FunctionOpInterface, 1>> known;
    DenseMap<StringAttr, StringAttr> merged;
    for (auto kernel :
         llvm::make_early_inc_range(kernels.getOps<FunctionOpInterface>())) {
      if (!kernel->hasAttr(gpu::GPUDialect::getKernelFuncAttrName()))
        continue;
      auto &alike = known[signatureOf(kernel)];
      auto *equal = llvm::find_if(alike, [&](FunctionOpInterface other) {
        return OperationEquivalence::isRegionEquivalentTo(
            &other.getFunctionBody(), &kernel.getFunctionBody(),
            OperationEquivalence::IgnoreLocations);
      });
      if (equal == alike.end()) {
        alike.push_back(kernel);
        continue;
      }
      merged[kernel.getNameAttr()] = equal->getNameAttr();
      kernel->erase();
      ++numMerged;
    }
    if (merged.empty())
      return;
    getOperation().walk([&](gpu::LaunchFuncOp launch) {
      if (StringAttr name = merged.lookup(launch.getKernelName()))
        launch.setKernelAttr(SymbolRefAttr::get(
            launch.getKernelModuleName(), {FlatSymbolRefAttr::get(name)}));
    });
  }
};
} // namespace
