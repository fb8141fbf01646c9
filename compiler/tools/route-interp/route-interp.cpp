// route-interp executes textual IR with the interpreter, as the module's interp
// attributes say, and prints the results.
#include "mlir/IR/DialectRegistry.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/InitAllDialects.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Support/FileUtilities.h"
#include "mlir/Support/ToolUtilities.h"
#include "route/Dialect/Ragged/IR/Ragged.h"
#include "route/Dialect/Route/IR/RouteDialect.h"
#include "route/Dialect/Row/IR/RowDialect.h"
#include "route/Interpreter/Script.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/ToolOutputFile.h"

using namespace mlir;

/// Parses and runs one part of the input.
static LogicalResult runPart(std::unique_ptr<llvm::MemoryBuffer> buffer,
                             const DialectRegistry &dialects,
                             bool verifyDiagnostics, llvm::raw_ostream &os) {
  auto sources = std::make_shared<llvm::SourceMgr>();
  sources->AddNewSourceBuffer(std::move(buffer), llvm::SMLoc());
  MLIRContext context(dialects, MLIRContext::Threading::DISABLED);
  context.printOpOnDiagnostic(false);
  auto run = [&]() -> LogicalResult {
    OwningOpRef<ModuleOp> module = parseSourceFile<ModuleOp>(sources, &context);
    return module ? route::interp::runScript(*module, {}, os) : failure();
  };
  if (!verifyDiagnostics) {
    SourceMgrDiagnosticHandler handler(*sources, &context);
    return run();
  }
  SourceMgrDiagnosticVerifierHandler handler(*sources, &context);
  (void)run();
  return handler.verify();
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  llvm::cl::opt<std::string> input(
      llvm::cl::Positional, llvm::cl::desc("<input>"), llvm::cl::init("-"));
  llvm::cl::opt<bool> verifyDiagnostics(
      "verify-diagnostics",
      llvm::cl::desc("check errors against expected-error comments"));
  llvm::cl::ParseCommandLineOptions(argc, argv,
                                    "Routec's interpreter of textual IR\n");
  std::string error;
  std::unique_ptr<llvm::MemoryBuffer> file = openInputFile(input, &error);
  if (!file) {
    llvm::errs() << error << '\n';
    return 1;
  }
  DialectRegistry dialects;
  registerAllDialects(dialects);
  dialects.insert<route::RouteDialect, route::ragged::RaggedDialect,
                  route::row::RowDialect>();
  auto part = [&](std::unique_ptr<llvm::MemoryBuffer> buffer,
                  llvm::raw_ostream &os) {
    return runPart(std::move(buffer), dialects, verifyDiagnostics, os);
  };
  return failed(splitAndProcessBuffer(std::move(file), part, llvm::outs(),
                                      "// -----", "// -----"));
}
