// route-run-interpret: route-run with the interpreter in it.
// `route-run --interpret` executes it, so that route-run itself needs no LLVM;
// nobody calls it by hand.
#include "Execute.h"
#include "RunByNames.h"
#include "mlir/IR/Diagnostics.h"
#include "route/Diagnostics/Render.h"
#include "route/Dialect/Route/IR/RouteOps.h"
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
  route_status runByNames(const RunRequest &request, route_error *error);

private:
  bool checkAndDescribe(const RunSource &source);
  bool describe(llvm::StringRef path);

  Compilation compilation;
  TextRenderer text{compilation.sources, llvm::errs(),
                    llvm::sys::Process::StandardErrHasColors()};
  /// What goes wrong from here on goes wrong while running.
  bool running = false;
  std::optional<mlir::ScopedDiagnosticHandler> handler;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::optional<Descriptor> descriptor;
  std::optional<Executor> executor;
  /// Why it has no descriptor.
  std::string reason;
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
    if (!running)
      return reportPassError(diagnostic, compilation);
    // What is wrong in a file of the run's has no place in the spec.
    if (diagnostic.getLocation() != module->getLoc())
      return reportPassError(diagnostic, compilation, diag::runFailed);
    compilation.diags.report(diag::runFailed, {}, diagnostic.str());
    return mlir::success();
  });
  return openInput(compilation, source.path) && checkAndDescribe(source);
}

bool Spec::checkAndDescribe(const RunSource &source) {
  for (const PhaseInfo &phase : phases()) {
    if (phase.name == "ast")
      continue;
    if (!phase.run(compilation) || compilation.diags.hasErrors())
      return false;
    if (phase.name == "route")
      break;
  }
  dropInlineTests(*compilation.module);
  module = compilation.module->clone();
  auto func =
      source.entry ? module->lookupSymbol<FuncOp>(source.entry) : FuncOp();
  if (func && func.getKind() == FuncKind::steps)
    reason = "'" + std::string(source.entry) + "' calls the host while it runs";
  else
    describe(source.path);
  running = true;
  return true;
}

/// A message with its place in the file.
static std::string placed(mlir::Diagnostic &diagnostic) {
  std::string text;
  llvm::raw_string_ostream os(text);
  diagnostic.getLocation()->walk([&](mlir::Location part) {
    auto place = llvm::dyn_cast<mlir::FileLineColLoc>(part);
    if (!place)
      return mlir::WalkResult::advance();
    os << place.getFilename().getValue() << ':' << place.getLine() << ": ";
    return mlir::WalkResult::interrupt();
  });
  os << diagnostic.str();
  return text;
}

/// The description is that of the library: its entries, inputs and outputs are
/// what the tensor level says. What runs is the route level. False where the
/// spec does not compile so far, with the reason.
bool Spec::describe(llvm::StringRef path) {
  mlir::ScopedDiagnosticHandler first(
      &compilation.context, [&](mlir::Diagnostic &diagnostic) {
        if (reason.empty() &&
            diagnostic.getSeverity() == mlir::DiagnosticSeverity::Error)
          reason = placed(diagnostic);
        return mlir::success();
      });
  bool behind = false;
  for (const PhaseInfo &phase : phases()) {
    if (behind && (!phase.run(compilation) || !reason.empty()))
      return false;
    behind |= phase.name == "route";
    if (phase.name == "linalg")
      break;
  }
  mlir::FailureOr<Schema> schema = buildSchema(*compilation.module);
  if (failed(schema))
    return false;
  auto initials = initialStates(*module, *schema);
  if (failed(initials))
    return false;
  std::vector<SizeFunction> derived = deriveSizes(*compilation.module, *schema);
  descriptor.emplace(std::move(*schema), llvm::sys::path::stem(path).str(),
                     compilation.library.sourceHash, std::move(*initials),
                     derived);
  executor.emplace(*module, *descriptor);
  return true;
}

RunToolHooks::Interpreted Spec::interpreted() {
  auto execute = [](void *user, const route_module_desc *, uint32_t entry,
                    const route_invocation *invocation) -> int32_t {
    return failed(static_cast<Executor *>(user)->run(entry, *invocation));
  };
  if (descriptor)
    return {&descriptor->desc(), execute, &*executor};
  RunToolHooks::Interpreted result;
  result.user = this;
  result.reason = reason.c_str();
  result.run = [](void *user, const RunRequest &request, route_error *error) {
    return static_cast<Spec *>(user)->runByNames(request, error);
  };
  return result;
}

route_status Spec::runByNames(const RunRequest &request, route_error *error) {
  std::string problem;
  if (succeeded(route::runByNames(*module, request, problem)))
    return ROUTE_OK;
  error->code = ROUTE_ERROR_FILE;
  std::snprintf(error->message, sizeof(error->message), "%.400s",
                problem.empty() ? "the run failed" : problem.c_str());
  return ROUTE_ERROR_FILE;
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
