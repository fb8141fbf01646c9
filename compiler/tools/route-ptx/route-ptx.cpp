// route-ptx: LLVM IR of kernels becomes PTX.
// routec runs it as a child: an instruction that the back end cannot select
// ends this process, not routec.
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Verifier.h"
#include "llvm/IRReader/IRReader.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/ToolOutputFile.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"

namespace cl = llvm::cl;

static cl::opt<std::string> input(cl::Positional, cl::init("-"),
                                  cl::desc("<LLVM IR, text or bitcode>"));
static cl::opt<std::string> output("o", cl::init("-"), cl::desc("PTX file"));
static cl::opt<std::string> architecture("arch", cl::init("sm_90a"),
                                         cl::desc("GPU architecture"));
static cl::opt<std::string> features("features", cl::init("+ptx86"),
                                     cl::desc("PTX version, as a feature"));

static int fail(const llvm::Twine &message) {
  llvm::errs() << "route-ptx: " << message << '\n';
  return 1;
}

static void optimize(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::PassBuilder builder(&machine);
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager graphs;
  llvm::ModuleAnalysisManager modules;
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(graphs);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, graphs, modules);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O3)
      .run(module, modules);
}

int main(int argc, char **argv) {
  cl::ParseCommandLineOptions(argc, argv, "Routec's generator of PTX\n");
  LLVMInitializeNVPTXTargetInfo();
  LLVMInitializeNVPTXTarget();
  LLVMInitializeNVPTXTargetMC();
  LLVMInitializeNVPTXAsmPrinter();
  llvm::LLVMContext context;
  llvm::SMDiagnostic problem;
  std::unique_ptr<llvm::Module> module =
      llvm::parseIRFile(input, problem, context);
  if (!module) {
    problem.print("route-ptx", llvm::errs());
    return 1;
  }
  llvm::Triple triple("nvptx64-nvidia-cuda");
  std::string error;
  const llvm::Target *target =
      llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target)
    return fail(error);
  // What a kernel computes is said operation by operation.
  llvm::TargetOptions rules;
  rules.AllowFPOpFusion = llvm::FPOpFusion::Strict;
  std::unique_ptr<llvm::TargetMachine> machine(target->createTargetMachine(
      triple, architecture, features, rules, llvm::Reloc::PIC_, std::nullopt,
      llvm::CodeGenOptLevel::Aggressive));
  if (!machine)
    return fail("no architecture '" + architecture + "'");
  module->setTargetTriple(triple);
  module->setDataLayout(machine->createDataLayout());
  llvm::raw_string_ostream text(error);
  if (llvm::verifyModule(*module, &text))
    return fail("the LLVM IR is malformed: " + error);
  // Passes count on the preferred alignment of a variable that says none, and
  // make wide loads of it; what is printed is the least that its type allows.
  for (llvm::GlobalVariable &variable : module->globals())
    if (!variable.isDeclaration() && !variable.getAlign())
      variable.setAlignment(
          module->getDataLayout().getPreferredAlign(&variable));
  optimize(*module, *machine);

  std::error_code failure;
  llvm::ToolOutputFile file(output, failure, llvm::sys::fs::OF_None);
  if (failure)
    return fail("cannot write '" + output + "': " + failure.message());
  llvm::legacy::PassManager passes;
  llvm::SmallString<0> bytes;
  llvm::raw_svector_ostream stream(bytes);
  if (machine->addPassesToEmitFile(passes, stream, nullptr,
                                   llvm::CodeGenFileType::AssemblyFile))
    return fail("the target emits no assembly");
  passes.run(*module);
  file.os() << bytes;
  file.keep();
  return 0;
}
