// route-run-interpret is route-run with the interpreter in it. `route-run
// --interpret` executes it, so that route-run itself needs no LLVM; nobody
// calls it by hand.
#include "Execute.h"
#include "mlir/IR/Diagnostics.h"
#include "route/Diagnostics/Render.h"
#include "route/Driver/Driver.h"
#include "route/Driver/Output.h"
#include "route/Driver/Tests.h"
#include "route/io/RunTool.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/raw_ostream.h"
#include <cstdio>
#include <optional>

using namespace route;

namespace {
/// A spec that is read once and lives until the process ends.
class Spec {
public:
  bool open(const RunSource &source);
  RunToolHooks::Interpreted interpreted();

private:
  bool checkAndDescribe(llvm::StringRef path);

  Compilation compilation;
  TextRenderer text{compilation.sources, llvm::errs(),
                    llvm::sys::Process::StandardErrHasColors()};
  /// What goes wrong from here on goes wrong while running.
  bool running = false;
  std::optional<mlir::ScopedDiagnosticHandler> handler;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::optional<Descriptor> descriptor;
  std::optional<Executor> executor;
};
} // namespace

bool Spec::open(const RunSource &source) {
  for (uint64_t i = 0; i < source.num_sizes; ++i)
    compilation.options.axisSizes[source.sizes[i].axis] = source.sizes[i].size;
  for (uint64_t i = 0; i < source.num_folders; ++i)
    compilation.options.importPaths.push_back(source.folders[i]);
  compilation.diags.setConsumer(
      [&](const Diagnostic &diagnostic) { text.render(diagnostic); });
  mlir::DialectRegistry registry;
  registerForCompilation(registry);
  compilation.context.appendDialectRegistry(registry);
  handler.emplace(&compilation.context, [&](mlir::Diagnostic &diagnostic) {
    return reportPassError(diagnostic, compilation);
  });
  return openInput(compilation, source.path) && checkAndDescribe(source.path);
}

/// The description is that of the library: its entries, inputs and outputs are
/// what the tensor level says. What runs is the route level.
bool Spec::checkAndDescribe(llvm::StringRef path) {
  for (const PhaseInfo &phase : phases()) {
    if (phase.name != "ast" &&
        (!phase.run(compilation) || compilation.diags.hasErrors()))
      return false;
    if (phase.name == "route") {
      dropInlineTests(*compilation.module);
      module = compilation.module->clone();
    }
    if (phase.name == "linalg")
      break;
  }
  mlir::FailureOr<Schema> schema = buildSchema(*compilation.module);
  if (failed(schema))
    return false;
  descriptor.emplace(std::move(*schema), llvm::sys::path::stem(path).str(),
                     compilation.library.sourceHash);
  executor.emplace(*module, *descriptor);
  running = true;
  return true;
}

RunToolHooks::Interpreted Spec::interpreted() {
  auto execute = [](void *user, const route_module_desc *, uint32_t entry,
                    const route_invocation *invocation) -> int32_t {
    return failed(static_cast<Executor *>(user)->run(entry, *invocation));
  };
  return {&descriptor->desc(), execute, &*executor};
}

static route_status load(const RunSource &source,
                         RunToolHooks::Interpreted &result,
                         route_error *error) {
  static Spec spec;
  if (!spec.open(source)) {
    error->code = ROUTE_ERROR_FILE;
    std::snprintf(error->message, sizeof(error->message),
                  "'%.400s' cannot be run", source.path);
    return ROUTE_ERROR_FILE;
  }
  result = spec.interpreted();
  return ROUTE_OK;
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  return runTool(argc, argv, RunToolHooks{load});
}
