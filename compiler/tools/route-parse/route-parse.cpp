// The parser by itself.
// Prints the syntax tree of .route files. Tests of the front end run it; users
// have `routec --emit=ast`.
#include "route/Diagnostics/Render.h"
#include "route/Diagnostics/ToolOptions.h"
#include "route/Frontend/Parser.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/InitLLVM.h"

using namespace route;
namespace cl = llvm::cl;

static cl::OptionCategory category("route-parse options");
static cl::list<std::string> inputs(cl::Positional,
                                    cl::desc("<files, - for standard input>"),
                                    cl::OneOrMore, cl::cat(category));
static cl::opt<bool> json("json",
                          cl::desc("print diagnostics as JSON, one a line"),
                          cl::cat(category));
static cl::opt<bool> quiet("quiet", cl::desc("print no tree"),
                           cl::cat(category));
static cl::opt<unsigned> errorLimit("error-limit",
                                    cl::desc("stop after this many errors"),
                                    cl::init(100), cl::cat(category));

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  cl::HideUnrelatedOptions(category);
  if (!parseToolOptions(argc, argv, "route-parse",
                        "prints the syntax tree of .route files\n"))
    return 2;

  SourceManager sources;
  DiagnosticEngine diags(sources);
  diags.setErrorLimit(errorLimit);
  TextRenderer text(sources, llvm::errs());
  diags.setConsumer([&](const Diagnostic &d) {
    json ? renderJSON(d, sources, llvm::errs()) : text.render(d);
  });
  for (const std::string &path : inputs) {
    std::string error;
    std::optional<FileId> file = sources.openFile(path, error);
    if (!file) {
      diags.report(diag::cannotRead, SourceRange(),
                   "cannot read '" + path + "': " + error);
      continue;
    }
    std::unique_ptr<ast::Module> module = parseModule(sources, *file, diags);
    if (!quiet)
      ast::dumpAST(*module, llvm::outs());
  }
  return diags.hasErrors();
}
