// route-translate: textual route IR becomes a library.
// For tests and for work on the compiler; users run routec.
#include "mlir/IR/AsmState.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "route/Diagnostics/ToolOptions.h"
#include "route/Driver/Output.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/Path.h"

namespace cl = llvm::cl;

static cl::opt<std::string> input(cl::Positional, cl::init("-"),
                                  cl::desc("<input .mlir>"));
static cl::opt<std::string> output("o",
                                   cl::desc("library to write: .so, .a or .o"));
static cl::opt<std::string> header("header", cl::desc("header to write"));
static cl::opt<std::string>
    compileTo("compile-to", cl::desc("print the IR of a phase instead"));
static cl::opt<bool> assembly("S", cl::desc("print assembly instead"));
static cl::list<std::string>
    isa("isa", cl::CommaSeparated,
        cl::desc("levels to compile for: v3, v4, v4-bf16; all by default"));

static int fail(const llvm::Twine &message) {
  llvm::errs() << "route-translate: " << message << '\n';
  return 2;
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  if (!route::parseToolOptions(argc, argv, "route-translate",
                               "Routec's translator from IR to libraries\n"))
    return 2;
  route::OutputOptions options;
  options.library.name =
      input == "-" ? "module" : llvm::sys::path::stem(input).str();
  options.libraryPath = output;
  options.headerPath = header;
  if (!isa.empty()) {
    options.library.levels.clear();
    for (const std::string &name : isa) {
      auto level = route::parseIsaLevel(name);
      if (!level)
        return fail("no ISA level '" + name + "'");
      options.library.levels.push_back(*level);
    }
  }
  std::optional<route::Phase> phase;
  if (!compileTo.empty() && !(phase = route::parsePhase(compileTo)))
    return fail("no phase '" + compileTo + "'");
  mlir::DialectRegistry registry;
  route::registerForCompilation(registry);
  mlir::MLIRContext context(registry);
  auto module = mlir::parseSourceFile<mlir::ModuleOp>(input, &context);
  if (!module)
    return 1;
  if (phase)
    return failed(
        route::printPhase(*module, *phase, options.library, llvm::outs()));
  mlir::PassManager pm(&context);
  route::addPassesTo(pm, assembly ? route::Phase::LLVM : route::Phase::Linalg,
                     options.library.levels.back());
  if (failed(pm.run(*module)))
    return 1;
  if (assembly)
    return failed(route::printCode(*module, route::OutputKind::Assembly,
                                   options.library, llvm::outs()));
  std::string why;
  if (failed(route::writeOutputs(*module, options, why)))
    return 1;
  if (!why.empty())
    llvm::errs() << "route-translate: " << why << '\n';
  return !why.empty();
}
