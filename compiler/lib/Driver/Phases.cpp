//===- Phases.cpp - The phases of a compilation ----------------------------===//
//
// The one list of phases. A phase works on what those before it made.
//
//===----------------------------------------------------------------------===//
#include "route/Driver/Driver.h"
#include "route/Frontend/Parser.h"
#include "llvm/Support/raw_ostream.h"

using namespace route;

static bool parse(Compilation &c) {
  c.tree = parseModule(c.sources, c.file, c.diags);
  return !c.diags.hasErrors();
}

static void printTree(Compilation &c, llvm::raw_ostream &os) { ast::dumpAST(*c.tree, os); }

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

static const PhaseInfo allPhases[] = {
    {"ast", "the syntax tree", parse, printTree},
    {"route", "the route dialect: checked, axes and units worked out", check, printModule},
};

llvm::ArrayRef<PhaseInfo> route::phases() { return allPhases; }

const PhaseInfo *route::findPhase(llvm::StringRef name) {
  for (const PhaseInfo &phase : phases())
    if (phase.name == name)
      return &phase;
  return nullptr;
}
