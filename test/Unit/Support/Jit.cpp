// Compiles IR text with the compiler's own passes and loads it.
#include "Jit.h"

#include "route/Dialect/Row/IR/RowDialect.h"
#include "route/Dialect/Row/Transforms/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/InitAllDialects.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/All.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/raw_ostream.h"

#include <cstdlib>

using namespace mlir;

namespace route::test {

struct Jit::State {
  std::unique_ptr<llvm::orc::LLJIT> jit;
};

Jit::Jit() : state(std::make_unique<State>()) {}
Jit::~Jit() = default;

std::unique_ptr<Jit> Jit::compile(const std::string &ir,
                                  const JitOptions &options) {
  DialectRegistry registry;
  registerAllDialects(registry);
  registry.insert<row::RowDialect>();
  MLIRContext context(registry, MLIRContext::Threading::DISABLED);
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(ir, &context);
  if (!module)
    return nullptr;

  TargetOptions target = TargetOptions::forLevel(options.level);
  for (auto function : module->getOps<func::FuncOp>()) {
    if (!function.isPublic())
      continue;
    function->setAttr("llvm.emit_c_interface", UnitAttr::get(&context));
    target.exports.push_back("_mlir_ciface_" + function.getName().str());
  }
  PassManager pm(&context);
  row::RowDistributeOptions rows;
  rows.lanes = options.lanes;
  rows.lanes64 = options.lanes64;
  pm.addPass(row::createRowDistribute(rows));
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  addLowerToLLVMPasses(pm, options.level);
  if (failed(pm.run(*module)))
    return nullptr;
  llvm::SmallVector<char> object;
  if (const char *path = std::getenv("ROUTE_DUMP_ASM")) {
    llvm::SmallVector<char> text;
    std::error_code error;
    llvm::raw_fd_ostream file(path, error);
    if (!error && succeeded(emit(*module, target, OutputKind::Assembly, text)))
      file << llvm::StringRef(text.data(), text.size());
  }
  if (failed(emitObject(*module, target, object)))
    return nullptr;

  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
  auto jit = llvm::orc::LLJITBuilder().create();
  if (!jit) {
    llvm::errs() << llvm::toString(jit.takeError()) << "\n";
    return nullptr;
  }
  if (llvm::Error error =
          (*jit)->addObjectFile(llvm::MemoryBuffer::getMemBufferCopy(
              llvm::StringRef(object.data(), object.size())))) {
    llvm::errs() << llvm::toString(std::move(error)) << "\n";
    return nullptr;
  }
  std::unique_ptr<Jit> result(new Jit);
  result->state->jit = std::move(*jit);
  return result;
}

void *Jit::address(const std::string &symbol) {
  auto found = state->jit->lookup(symbol);
  if (!found) {
    llvm::errs() << llvm::toString(found.takeError()) << "\n";
    std::exit(1);
  }
  return found->toPtr<void *>();
}

} // namespace route::test
