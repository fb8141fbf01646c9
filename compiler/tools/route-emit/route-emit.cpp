// route-emit: IR on buffers becomes an object for one ISA level.
// For tests and benchmarks of generated code.
#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include "route/Diagnostics/ToolOptions.h"
#include "route/Dialect/Ragged/IR/Ragged.h"
#include "route/Dialect/Ragged/Transforms/Passes.h"
#include "route/Dialect/Row/IR/RowDialect.h"
#include "route/Target/CPU.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/ToolOutputFile.h"

namespace cl = llvm::cl;
using namespace mlir;

static cl::opt<std::string> input(cl::Positional, cl::init("-"),
                                  cl::desc("<input .mlir>"));
static cl::opt<std::string> output("o", cl::init("-"), cl::desc("output file"));
static cl::opt<std::string> isaName("isa", cl::init("v3"),
                                    cl::desc("v3, v4, v4-bf16 or host"));
static cl::opt<bool> assembly("S", cl::desc("write assembly"));

static int fail(const llvm::Twine &message, int code) {
  llvm::errs() << "route-emit: " << message << '\n';
  return code;
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  if (!route::parseToolOptions(argc, argv, "route-emit",
                               "Routec's object emitter\n"))
    return 2;
  auto level =
      isaName == "host" ? route::hostIsaLevel() : route::parseIsaLevel(isaName);
  if (!level)
    return fail("no ISA level '" + isaName + "'", 2);

  DialectRegistry registry;
  registerAllDialects(registry);
  registerAllExtensions(registry);
  registry.insert<route::ragged::RaggedDialect, route::row::RowDialect>();
  MLIRContext context(registry);
  auto module = parseSourceFile<ModuleOp>(input, &context);
  if (!module)
    return 1;
  PassManager pm(&context);
  route::ragged::ConvertRaggedToCPUOptions cpu;
  cpu.isa = route::stringifyIsaLevel(*level).str();
  pm.addPass(route::ragged::createConvertRaggedToCPU(cpu));
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  route::addLowerToLLVMPasses(pm, *level);
  if (failed(pm.run(*module)))
    return 1;

  // What has a C interface is what the caller wants.
  auto options = route::TargetOptions::forLevel(*level);
  module->walk([&](Operation *op) {
    auto name = op->getAttrOfType<StringAttr>("sym_name");
    if (name && name.getValue().starts_with("_mlir_ciface_"))
      options.exports.push_back(name.str());
  });
  SmallVector<char> bytes;
  if (failed(route::emit(*module, options,
                         assembly ? route::OutputKind::Assembly
                                  : route::OutputKind::Object,
                         bytes)))
    return 1;
  std::error_code error;
  llvm::ToolOutputFile file(output, error, llvm::sys::fs::OF_None);
  if (error)
    return fail("cannot write '" + output + "': " + error.message(), 1);
  file.os().write(bytes.data(), bytes.size());
  file.keep();
  return 0;
}
