// Lays out .route files.
// Prints files in the one layout, rewrites them, or says which differ.
#include "route/Diagnostics/Render.h"
#include "route/Diagnostics/ToolOptions.h"
#include "route/Frontend/Format.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/raw_ostream.h"

using namespace route;
namespace cl = llvm::cl;

static cl::OptionCategory category("route-fmt options");
static cl::list<std::string> inputs(cl::Positional,
                                    cl::desc("<files, - for standard input>"),
                                    cl::cat(category));
static cl::opt<bool> inPlace("i", cl::desc("rewrite the files"),
                             cl::cat(category));
static cl::opt<bool>
    check("check", cl::desc("name files that would change and exit with 1"),
          cl::cat(category));

/// Writes `text` next to `path` and moves it there, so that a failure leaves
/// the old file. Returns the reason of a failure.
static std::string rewrite(llvm::StringRef path, llvm::StringRef text) {
  llvm::Expected<llvm::sys::fs::TempFile> file =
      llvm::sys::fs::TempFile::create(path + ".%%%%%%");
  if (!file)
    return llvm::toString(file.takeError());
  {
    llvm::raw_fd_ostream os(file->FD, /*shouldClose=*/false);
    os << text;
    os.flush();
    if (os.has_error()) {
      std::string reason = os.error().message();
      os.clear_error();
      llvm::consumeError(file->discard());
      return reason;
    }
  }
  if (auto permissions = llvm::sys::fs::getPermissions(path))
    llvm::sys::fs::setPermissions(file->TmpName, *permissions);
  if (llvm::Error error = file->keep(path))
    return llvm::toString(std::move(error));
  return "";
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  cl::HideUnrelatedOptions(category);
  if (!parseToolOptions(argc, argv, "route-fmt", "lays out .route files\n"))
    return 2;
  if (inputs.empty())
    inputs.push_back("-");
  if (inPlace && check) {
    llvm::errs() << "route-fmt: '-i' and '--check' exclude each other\n";
    return 2;
  }

  SourceManager sources;
  DiagnosticEngine diags(sources);
  TextRenderer renderer(sources, llvm::errs());
  diags.setConsumer([&](const Diagnostic &d) { renderer.render(d); });
  bool failed = false;
  for (const std::string &path : inputs) {
    std::string error;
    std::optional<FileId> file = sources.openFile(path, error);
    if (!file) {
      diags.report(diag::cannotRead, SourceRange(),
                   "cannot read '" + path + "': " + error);
      continue;
    }
    std::optional<std::string> text = formatSource(sources, *file, diags);
    if (!text)
      continue;
    bool same = sources.text(*file) == *text;
    if (check) {
      if (!same)
        llvm::outs() << sources.name(*file) << '\n';
      failed |= !same;
    } else if (inPlace && path != "-") {
      std::string reason = same ? "" : rewrite(path, *text);
      if (!reason.empty()) {
        llvm::errs() << "route-fmt: cannot write '" << path << "': " << reason
                     << '\n';
        failed = true;
      }
    } else {
      llvm::outs() << *text;
    }
  }
  return failed || diags.hasErrors();
}
