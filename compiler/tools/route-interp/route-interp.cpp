// route-interp: executes a spec or IR with the interpreter, prints results.
#include "Options.h"
#include "mlir/InitAllDialects.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Support/FileUtilities.h"
#include "mlir/Support/ToolUtilities.h"
#include "route/Dialect/Ragged/IR/Ragged.h"
#include "route/Dialect/Route/IR/RouteDialect.h"
#include "route/Dialect/Row/IR/RowDialect.h"
#include "route/Interpreter/Script.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/SourceMgr.h"

using namespace mlir;

/// Parses and runs one part of a file of IR.
static LogicalResult runPart(std::unique_ptr<llvm::MemoryBuffer> buffer,
                             const DialectRegistry &dialects,
                             const InterpOptions &options,
                             llvm::raw_ostream &os) {
  auto sources = std::make_shared<llvm::SourceMgr>();
  sources->AddNewSourceBuffer(std::move(buffer), llvm::SMLoc());
  MLIRContext context(dialects, MLIRContext::Threading::DISABLED);
  context.printOpOnDiagnostic(false);
  auto run = [&]() -> LogicalResult {
    OwningOpRef<ModuleOp> module = parseSourceFile<ModuleOp>(sources, &context);
    if (!module)
      return failure();
    return options.entry.empty() ? route::interp::runScript(*module, {}, os)
                                 : runEntry(*module, options, os);
  };
  if (!options.verifyDiagnostics) {
    SourceMgrDiagnosticHandler handler(*sources, &context);
    return run();
  }
  SourceMgrDiagnosticVerifierHandler handler(*sources, &context);
  (void)run();
  return handler.verify();
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  InterpOptions options = parseOptions(argc, argv);
  DialectRegistry dialects;
  registerAllDialects(dialects);
  dialects.insert<route::RouteDialect, route::ragged::RaggedDialect,
                  route::row::RowDialect>();
  if (llvm::StringRef(options.input).ends_with(".route"))
    return failed(runSpec(options, dialects, llvm::outs()));
  std::string error;
  std::unique_ptr<llvm::MemoryBuffer> file =
      openInputFile(options.input, &error);
  if (!file) {
    llvm::errs() << "error: " << error << '\n';
    return 1;
  }
  auto part = [&](std::unique_ptr<llvm::MemoryBuffer> buffer,
                  llvm::raw_ostream &os) {
    return runPart(std::move(buffer), dialects, options, os);
  };
  return failed(splitAndProcessBuffer(std::move(file), part, llvm::outs(),
                                      "// -----", "// -----"));
}
