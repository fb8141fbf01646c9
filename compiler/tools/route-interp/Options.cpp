// The command line of route-interp, and runs on files.
#include "Options.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Support/FileUtilities.h"
#include "route/Diagnostics/Render.h"
#include "route/Diagnostics/ToolOptions.h"
#include "route/Dialect/Route/IR/RouteOps.h"
#include "route/Interpreter/Inputs.h"
#include "route/Interpreter/Script.h"
#include "route/Interpreter/Steps.h"
#include "route/Sema/Compile.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace mlir;
using namespace route;

InterpOptions parseOptions(int argc, char **argv) {
  namespace cl = llvm::cl;
  cl::OptionCategory category("route-interp options");
  cl::opt<std::string> input(cl::Positional, cl::desc("<spec.route or IR>"),
                             cl::init("-"), cl::cat(category));
  cl::opt<std::string> entry("entry", cl::desc("the route or router to run"),
                             cl::cat(category));
  cl::list<std::string> params("params",
                               cl::desc("a safetensors file of parameters"),
                               cl::cat(category));
  cl::opt<std::string> tensors(
      "tensors", cl::desc("a safetensors file of inputs"), cl::cat(category));
  cl::opt<std::string> records(
      "records", cl::desc("inputs, a JSON object a line"), cl::cat(category));
  cl::opt<std::string> script(
      "script", cl::desc("what to bind and run, the attributes of a script"),
      cl::cat(category));
  cl::list<std::string> sizes("D", cl::Prefix,
                              cl::desc("give an axis or a pool a size"),
                              cl::value_desc("axis=N"), cl::cat(category));
  cl::opt<uint64_t> seed("seed", cl::desc("seed of random draws"), cl::init(0),
                         cl::cat(category));
  cl::opt<int64_t> now("now", cl::desc("the time, ns since 1970"), cl::init(0),
                       cl::cat(category));
  cl::opt<std::string> host(
      "host", cl::desc("what the host answers to calls, a JSON object a line"),
      cl::cat(category));
  cl::opt<std::string> replay(
      "replay", cl::desc("take the events of this log of step runs again"),
      cl::cat(category));
  cl::opt<int64_t> gap(
      "gap-ms",
      cl::desc("start a step run this long after the one before, not after "
               "its end"),
      cl::init(-1), cl::cat(category));
  cl::opt<bool> verify("verify-diagnostics",
                       cl::desc("check errors against expected-error comments"),
                       cl::cat(category));
  cl::HideUnrelatedOptions(category);
  if (!parseToolOptions(argc, argv, "route-interp",
                        "Routec's interpreter of IR\n"))
    exit(2);
  InterpOptions options{input, entry, tensors, records, script, params, {},
                        seed,  now,   verify,  host,    replay, gap};
  for (llvm::StringRef size : sizes) {
    auto [axis, number] = size.split('=');
    if (number.getAsInteger(10, options.sizes[axis.str()])) {
      llvm::errs() << "error: '-D " << size << "' gives no size\n";
      exit(2);
    }
  }
  return options;
}

/// Opens a safetensors file, with the runtime's message at `loc`.
static LogicalResult open(SafeTensors &file, const std::string &path,
                          Location loc) {
  route_error error = {};
  if (file.open(path.c_str(), &error))
    return emitError(loc, error.message);
  return success();
}

LogicalResult runEntry(ModuleOp module, const InterpOptions &options,
                       llvm::raw_ostream &os) {
  Location loc = module.getLoc();
  interp::Options settings;
  settings.seed = options.seed;
  interp::Interpreter interpreter(module, settings);
  interpreter.setNow(options.now);
  for (const std::string &path : options.params) {
    SafeTensors file;
    if (failed(open(file, path, loc)) ||
        failed(interp::bindCheckpoint(interpreter, module, file)))
      return failure();
  }
  if (!options.tensors.empty()) {
    SafeTensors file;
    if (failed(open(file, options.tensors, loc)) ||
        failed(interp::bindTensors(interpreter, module, file)))
      return failure();
  }
  if (!options.records.empty()) {
    std::string error;
    auto file = openInputFile(options.records, &error);
    if (!file)
      return emitError(loc, error);
    if (failed(interp::bindRecords(interpreter, module, file->getBuffer())))
      return failure();
  }
  interp::StepScript steps;
  steps.gapNs = options.gapMs < 0 ? -1 : options.gapMs * 1'000'000;
  for (auto [path, text] : {std::pair(&options.host, &steps.host),
                            std::pair(&options.replay, &steps.replay)}) {
    if (path->empty())
      continue;
    std::string error;
    auto file = openInputFile(*path, &error);
    if (!file)
      return emitError(loc, error);
    *text = file->getBuffer().str();
    steps.line = *path + ": line ";
  }
  std::vector<std::string> entries = {options.entry};
  if (options.entry.empty()) {
    entries.clear();
    for (auto func : module.getOps<FuncOp>())
      if (func.getKind() != FuncKind::handler &&
          func.getKind() != FuncKind::steps)
        entries.push_back(func.getSymName().str());
  }
  for (const std::string &entry : entries) {
    if (auto func = module.lookupSymbol<FuncOp>(entry);
        func && func.getKind() == FuncKind::steps) {
      if (failed(interp::runSteps(interpreter, module, entry, steps, os)))
        return failure();
      continue;
    }
    auto results = interpreter.run(entry);
    if (failed(results))
      return failure();
    auto func = module.lookupSymbol<FuncOp>(entry);
    for (auto [i, result] : llvm::enumerate(*results)) {
      auto name = func ? func.getResultAttrOfType<StringAttr>(i, "route.name")
                       : StringAttr();
      os << (name ? name.getValue() : llvm::StringRef(entry)) << ": "
         << interp::printValue(result) << '\n';
    }
  }
  return success();
}

LogicalResult runSpec(const InterpOptions &options,
                      const DialectRegistry &dialects, llvm::raw_ostream &os) {
  SourceManager sources;
  route::DiagnosticEngine diags(sources);
  MLIRContext context(dialects, MLIRContext::Threading::DISABLED);
  context.printOpOnDiagnostic(false);
  CompileOptions compile;
  compile.axisSizes = options.sizes;
  OwningOpRef<ModuleOp> module =
      compileToRouteIR(options.input, sources, compile, diags, context);
  TextRenderer text(sources, llvm::errs());
  for (const route::Diagnostic &diagnostic : diags.diagnostics())
    text.render(diagnostic);
  if (!module)
    return failure();
  // What goes wrong from here on is told at its place in the file too.
  ScopedDiagnosticHandler running(&context, [&](mlir::Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() != DiagnosticSeverity::Error)
      return failure();
    // What is wrong in a file of the run's has no place in the spec.
    bool placed = diagnostic.getLocation() != module->getLoc();
    diags.report(diag::runFailed,
                 placed ? rangeOf(sources, diagnostic.getLocation())
                        : SourceRange(),
                 diagnostic.str());
    text.render(diags.diagnostics().back());
    return success();
  });
  if (options.script.empty())
    return runEntry(*module, options, os);
  std::string error;
  auto file = openInputFile(options.script, &error);
  if (!file)
    return emitError(module->getLoc(), error);
  auto attributes = dyn_cast_or_null<DictionaryAttr>(
      parseAttribute(file->getBuffer().trim(), &context));
  if (!attributes)
    return emitError(module->getLoc(), "'")
           << options.script << "' is no dictionary of attributes";
  for (NamedAttribute attribute : attributes)
    (*module)->setAttr(attribute.getName(), attribute.getValue());
  return interp::runScript(*module, {}, os);
}
