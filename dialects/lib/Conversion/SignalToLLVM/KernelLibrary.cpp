// The kernels of texts as MLIR, cloned from here into generated modules.
// They are compiled to LLVM IR and imported when the compiler is built.
#include "Kernels.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Parser/Parser.h"

using namespace mlir;
using namespace route::signal;

namespace {
#include "SignalKernels.inc"

/// A module as bytecode and the functions that Kernels.h declares in it begin
/// with one of `prefixes`.
struct Source {
  const unsigned char *data;
  size_t size;
};
constexpr Source kernelSources[] = {
    {kernelsScan, sizeof kernelsScan},
    {kernelsMeasure, sizeof kernelsMeasure},
    {kernelsNgrams, sizeof kernelsNgrams},
    {kernelsTable, sizeof kernelsTable},
};
} // namespace

/// The kernel module that defines `name`; modules are parsed one after the
/// other until it is found.
ModuleOp KernelLibrary::source(StringRef name) {
  for (size_t i = 0; i < std::size(kernelSources); ++i) {
    if (i == sources.size()) {
      StringRef bytes(reinterpret_cast<const char *>(kernelSources[i].data),
                      kernelSources[i].size);
      ParserConfig config(module.getContext());
      sources.push_back(parseSourceString<ModuleOp>(bytes, config));
    }
    if (sources[i] && SymbolTable::lookupSymbolIn(*sources[i], name))
      return *sources[i];
  }
  return nullptr;
}

/// The kernels were compiled for no machine in particular; what says otherwise
/// goes, and what they define becomes internal.
static void neutralize(Operation *symbol) {
  for (StringRef name :
       {"target_cpu", "tune_cpu", "target_features", "passthrough", "comdat",
        "frame_pointer", "uwtable_kind"})
    symbol->removeAttr(name);
  if (auto function = dyn_cast<LLVM::LLVMFuncOp>(symbol)) {
    if (!function.isExternal())
      function.setLinkage(LLVM::Linkage::Internal);
    function.setDsoLocal(false);
  } else if (auto global = dyn_cast<LLVM::GlobalOp>(symbol)) {
    global.setLinkage(LLVM::Linkage::Internal);
    global.setDsoLocal(false);
  }
}

void KernelLibrary::clone(Operation *symbol, ModuleOp from) {
  StringRef name = SymbolTable::getSymbolName(symbol).getValue();
  if (SymbolTable::lookupSymbolIn(module, name))
    return;
  OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
  Operation *copy = builder.clone(*symbol);
  neutralize(copy);
  copy->walk([&](Operation *op) {
    // The source's locations name files of the compiler.
    op->setLoc(module.getLoc());
    for (NamedAttribute attr : op->getAttrs())
      if (auto used = dyn_cast<FlatSymbolRefAttr>(attr.getValue()))
        if (Operation *callee = SymbolTable::lookupSymbolIn(from, used))
          clone(callee, from);
  });
}

LLVM::LLVMFuncOp KernelLibrary::get(StringRef name) {
  if (auto known = module.lookupSymbol<LLVM::LLVMFuncOp>(name))
    return known;
  ModuleOp from = source(name);
  clone(SymbolTable::lookupSymbolIn(from, name), from);
  return module.lookupSymbol<LLVM::LLVMFuncOp>(name);
}
