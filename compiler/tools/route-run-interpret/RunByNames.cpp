// Inputs by their names in, records or the log of steps out.
#include "RunByNames.h"
#include "mlir/Support/FileUtilities.h"
#include "route/Interpreter/Inputs.h"
#include "route/Interpreter/Machine.h"
#include "route/Interpreter/Steps.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/ToolOutputFile.h"

using namespace mlir;
using namespace route;

/// The text of a file; false with what is wrong.
static bool readText(const char *path, std::string &text,
                     std::string &problem) {
  auto file = openInputFile(path, &problem);
  if (file)
    text = file->getBuffer().str();
  return bool(file);
}

static bool openTensors(SafeTensors &file, const char *path,
                        std::string &problem) {
  route_error error = {};
  if (file.open(path, &error) == ROUTE_OK)
    return true;
  problem = error.message;
  return false;
}

/// The names of what can be run, for a message.
static std::string entriesOf(ModuleOp module) {
  std::string names;
  for (auto func : module.getOps<FuncOp>())
    if (func.getKind() != FuncKind::handler)
      names += (names.empty() ? "" : ", ") + func.getSymName().str();
  return names;
}

static LogicalResult bindFiles(interp::Interpreter &interpreter,
                               ModuleOp module, const RunRequest &request,
                               std::string &problem) {
  // What is wrong in a file is no matter of the spec's.
  std::string wrong;
  ScopedDiagnosticHandler handler(module.getContext(),
                                  [&](mlir::Diagnostic &diagnostic) {
                                    if (wrong.empty())
                                      wrong = diagnostic.str();
                                    return success();
                                  });
  auto fail = [&](llvm::StringRef path) {
    problem = (path + ": " + wrong).str();
    return failure();
  };
  for (uint64_t i = 0; i < request.num_params; ++i) {
    SafeTensors file;
    const char *path = request.params[i].file;
    if (!openTensors(file, path, problem))
      return failure();
    if (failed(interp::bindCheckpoint(interpreter, module, file)))
      return fail(path);
  }
  for (uint64_t i = 0; i < request.num_inputs; ++i) {
    llvm::StringRef path = request.inputs[i];
    if (path.ends_with(".safetensors")) {
      SafeTensors file;
      if (!openTensors(file, request.inputs[i], problem))
        return failure();
      if (failed(interp::bindTensors(interpreter, module, file)))
        return fail(path);
    } else if (path.ends_with(".jsonl")) {
      std::string text;
      if (!readText(request.inputs[i], text, problem))
        return failure();
      if (failed(interp::bindRecords(interpreter, module, text)))
        return fail(path);
    } else {
      problem = ("'" + path + "' is neither .jsonl nor .safetensors").str();
      return failure();
    }
  }
  return success();
}

LogicalResult route::runByNames(ModuleOp module, const RunRequest &request,
                                std::string &problem) {
  auto func = module.lookupSymbol<FuncOp>(request.entry);
  if (!func || func.getKind() == FuncKind::handler) {
    problem = "there is no entry '" + std::string(request.entry) +
              "'; there are " + entriesOf(module);
    return failure();
  }
  bool steps = func.getKind() == FuncKind::steps;
  if (!steps && (request.host || request.replay)) {
    problem = "'" + std::string(request.entry) +
              "' calls nobody: '--host' and '--replay' are for routes that "
              "call the host";
    return failure();
  }
  if (steps && !request.host && !request.replay) {
    problem = "'" + std::string(request.entry) +
              "' calls the host: say what it answers with '--host FILE'";
    return failure();
  }
  interp::Options settings;
  settings.seed = request.seed;
  settings.maxSteps = INT64_MAX / 2; // the run is the user's own
  interp::Interpreter interpreter(module, settings);
  interpreter.setNow(request.now);
  if (failed(bindFiles(interpreter, module, request, problem)))
    return failure();
  interp::StepScript script;
  script.gapNs = request.gap_ns;
  if ((request.host && !readText(request.host, script.host, problem)) ||
      (request.replay && !readText(request.replay, script.replay, problem)))
    return failure();
  std::error_code wrong;
  llvm::ToolOutputFile out(request.outputs, wrong, llvm::sys::fs::OF_Text);
  if (wrong) {
    problem = "cannot write '" + std::string(request.outputs) +
              "': " + wrong.message();
    return failure();
  }
  if (steps) {
    out.keep(); // of a run that failed the log shows how far it came
    return interp::runSteps(interpreter, module, request.entry, script,
                            out.os());
  }
  auto results = interpreter.run(request.entry);
  if (failed(results))
    return failure();
  std::vector<std::pair<std::string, interp::RuntimeValue>> values;
  for (auto [i, result] : llvm::enumerate(*results)) {
    auto role = func.getResultAttrOfType<StringAttr>(i, "route.role");
    auto name = func.getResultAttrOfType<StringAttr>(i, "route.name");
    if (!role || role.getValue() != "kept")
      values.push_back({name ? name.getValue().str() : std::to_string(i),
                        std::move(result)});
  }
  for (interp::Metric &metric : interpreter.takeMetrics())
    values.push_back({metric.name, std::move(metric.value)});
  interp::printRecords(out.os(), interpreter.machine(), values);
  out.keep();
  return success();
}
