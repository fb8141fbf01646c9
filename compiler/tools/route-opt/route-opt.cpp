// route-opt: runs passes over textual IR, to test them and to look at them.
#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Support/Timing.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "route/Conversion/RouteToLinalg/Passes.h"
#include "route/Conversion/SignalToLLVM/Passes.h"
#include "route/Diagnostics/ToolOptions.h"
#include "route/Dialect/Ragged/IR/Ragged.h"
#include "route/Dialect/Ragged/Transforms/Passes.h"
#include "route/Dialect/Route/IR/RouteDialect.h"
#include "route/Dialect/Route/Transforms/Passes.h"
#include "route/Dialect/Row/IR/RowDialect.h"
#include "route/Dialect/Row/Transforms/Passes.h"
#include "route/Dialect/Signal/Transforms/Passes.h"
#include "route/Library/Passes.h"
#include "route/Pipelines/Pipelines.h"
#include "route/Target/CUDA/CUDA.h"
#include "route/Target/CUDA/Passes.h"
#include "route/Target/Passes.h"
#include "llvm/Support/InitLLVM.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
  registry.insert<route::RouteDialect, route::ragged::RaggedDialect,
                  route::row::RowDialect, route::signal::SignalDialect>();
  route::ragged::registerBufferizableOpInterfaceExternalModels(registry);
  route::signal::registerBufferizableOpInterfaceExternalModels(registry);
  mlir::registerAllPasses();
  route::ragged::registerRaggedPasses();
  route::registerRoutePasses();
  route::registerRouteToLinalgPasses();
  route::registerRouteTargetPasses();
  route::registerRouteLibraryPasses();
  route::registerPipelines();
  route::registerRouteCUDAPasses();
  route::registerKernelPipelines();
  route::row::registerRowPasses();
  route::registerSignalToLLVMPasses();
  route::signal::registerSignalPasses();
  // As mlir::MlirOptMain, but a wrong command line ends with 2.
  llvm::InitLLVM init(argc, argv);
  llvm::cl::opt<std::string> input(llvm::cl::Positional,
                                   llvm::cl::desc("<input file>"),
                                   llvm::cl::init("-"));
  llvm::cl::opt<std::string> output("o", llvm::cl::desc("output file"),
                                    llvm::cl::init("-"));
  mlir::MlirOptMainConfig::registerCLOptions(registry);
  mlir::registerAsmPrinterCLOptions();
  mlir::registerMLIRContextCLOptions();
  mlir::registerPassManagerCLOptions();
  mlir::registerDefaultTimingManagerCLOptions();
  if (!route::parseToolOptions(argc, argv, "route-opt",
                               "Routec's optimizer driver\n"))
    return 2;
  return mlir::asMainReturnCode(
      mlir::MlirOptMain(argc, argv, input, output, registry));
}
