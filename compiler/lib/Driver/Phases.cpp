// The phases of a compilation: the one list of them.
//
// A phase works on what those before it made.
#include "mlir/Pass/PassManager.h"
#include "route/Driver/Driver.h"
#include "route/Driver/Output.h"
#include "route/Frontend/Parser.h"
#include "route/Pipelines/Pipelines.h"
#include "llvm/Support/raw_ostream.h"

using namespace route;

static bool parse(Compilation &c) {
  c.tree = parseModule(c.sources, c.file, c.diags);
  return !c.diags.hasErrors();
}

static void printTree(Compilation &c, llvm::raw_ostream &os) {
  ast::dumpAST(*c.tree, os);
}

static bool check(Compilation &c) {
  c.module = compileToRouteIR(c.sources, c.file, c.options, c.diags, c.context);
  return bool(c.module);
}

static void printModule(Compilation &c, llvm::raw_ostream &os) {
  mlir::OpPrintingFlags flags;
  if (c.locations)
    flags.enableDebugInfo(true, /*prettyForm=*/true);
  c.module->print(os, flags);
  os << '\n';
}

/// One phase of the pipeline.
template <void (*addPasses)(mlir::OpPassManager &)>
static bool runPasses(Compilation &c) {
  mlir::PassManager pm(&c.context);
  addPasses(pm);
  return succeeded(pm.run(*c.module));
}

template <void (*addPasses)(mlir::OpPassManager &, IsaLevel, bool)>
static bool runPassesFor(Compilation &c) {
  mlir::PassManager pm(&c.context);
  addPasses(pm, c.library.levels.back(), /*withBf16=*/false);
  return succeeded(pm.run(*c.module));
}

static bool nothing(Compilation &) { return true; }

static void printAssembly(Compilation &c, llvm::raw_ostream &os) {
  (void)printCode(*c.module, OutputKind::Assembly, c.library, os);
}

static const PhaseInfo allPhases[] = {
    {"ast", "the syntax tree", parse, printTree},
    {"route", "the route dialect: checked, axes and units worked out", check,
     printModule},
    {"rows", "what is computed item by item, grouped", runPasses<addRowsPasses>,
     printModule},
    {"linalg", "tensors: linalg, row and ragged ops",
     runPasses<addLinalgPasses>, printModule},
    {"packed", "parameters packed where they are bound",
     runPasses<addPackingPasses>, printModule},
    {"buffers", "loops over buffers, for the best processor level",
     runPassesFor<addBufferPasses>, printModule},
    {"llvm", "the LLVM dialect", runPassesFor<addLLVMPasses>, printModule},
    {"asm", "assembly", nothing, printAssembly},
};

llvm::ArrayRef<PhaseInfo> route::phases() { return allPhases; }

const PhaseInfo *route::findPhase(llvm::StringRef name) {
  for (const PhaseInfo &phase : phases())
    if (phase.name == name)
      return &phase;
  return nullptr;
}
