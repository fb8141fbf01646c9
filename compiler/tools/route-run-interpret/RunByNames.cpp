// Inputs by their names in, records or the log of steps out.
#include "RunByNames.h"
#include "mlir/Support/FileUtilities.h"
#include "route/Interpreter/Inputs.h"
#include "route/Interpreter/Machine.h"
#include "route/Interpreter/Steps.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/ToolOutputFile.h"
#include <chrono>

using namespace mlir;
using namespace route;
using namespace route::interp;

namespace {
/// One call of route-run.
class Run {
public:
  Run(ModuleOp module, const RunRequest &request, std::string &problem)
      : module(module), request(request), problem(problem),
        interpreter(module, settings(request)) {
    interpreter.setNow(request.now);
  }
  LogicalResult execute();

private:
  static Options settings(const RunRequest &request) {
    Options options;
    options.seed = request.seed;
    options.maxSteps = INT64_MAX / 2; // the run is the user's own
    return options;
  }
  LogicalResult fail(const Twine &what) {
    problem = what.str();
    return failure();
  }
  /// Does `body`; what it reports is wrong in the file and no matter of the
  /// spec's.
  LogicalResult inFile(StringRef path,
                       llvm::function_ref<LogicalResult()> body);
  LogicalResult open(SafeTensors &file, const char *path);
  LogicalResult readText(const char *path, std::string &text);
  LogicalResult checkEntry();
  LogicalResult bindFiles();
  LogicalResult runSteps();
  LogicalResult runEntry();
  LogicalResult bench();
  LogicalResult emit(const RunRequest::Event &event);
  LogicalResult emitLine(FuncOp handler, const llvm::json::Object &given,
                         size_t line);
  LogicalResult openOutput(std::unique_ptr<llvm::ToolOutputFile> &out);
  int64_t countItems();

  ModuleOp module;
  const RunRequest &request;
  std::string &problem;
  Interpreter interpreter;
  FuncOp func;       // the entry, or null
  std::string items; // the axis that its items are of
};
} // namespace

LogicalResult Run::inFile(StringRef path,
                          llvm::function_ref<LogicalResult()> body) {
  std::string wrong;
  ScopedDiagnosticHandler handler(module.getContext(),
                                  [&](mlir::Diagnostic &diagnostic) {
                                    if (wrong.empty())
                                      wrong = diagnostic.str();
                                    return success();
                                  });
  if (succeeded(body()))
    return success();
  return problem.empty() ? fail(path + ": " + wrong) : failure();
}

LogicalResult Run::open(SafeTensors &file, const char *path) {
  route_error error = {};
  if (file.open(path, &error) == ROUTE_OK)
    return success();
  return fail(error.message);
}

LogicalResult Run::readText(const char *path, std::string &text) {
  auto file = openInputFile(path, &problem);
  if (file)
    text = file->getBuffer().str();
  return success(bool(file));
}

/// The axis that the first result lies over, where the caller sizes it.
static std::string itemsOf(ModuleOp module, FuncOp func) {
  if (func.getKind() == FuncKind::steps) {
    for (auto [i, type] : llvm::enumerate(func.getArgumentTypes()))
      if (auto role = func.getArgAttrOfType<StringAttr>(i, "route.role");
          role && role.getValue() == "item")
        return cast<RefType>(cast<route::ArrayType>(type).getElementType())
            .getAxis()
            .getValue()
            .str();
    return "";
  }
  if (func.getNumResults() == 0)
    return "";
  auto axisOf = [&](Type type) -> StringAttr {
    if (auto plan = dyn_cast<PlanType>(type))
      return plan.getAxis().getAttr();
    auto array = dyn_cast<route::ArrayType>(type);
    return array && !array.getAxes().empty() ? array.getAxes()[0].getAttr()
                                             : StringAttr();
  };
  StringAttr name = axisOf(func.getResultTypes()[0]);
  while (name) {
    auto axis = module.lookupSymbol<AxisOp>(name);
    if (!axis)
      return "";
    if (axis.getKind() != AxisKind::plan)
      return axis.getStaticSize() < 0 ? name.str() : "";
    // A plan's parents are its items and, last, what is chosen.
    ArrayRef<FlatSymbolRefAttr> parents = axis.getParentAxes();
    name = parents.size() > 1 ? parents.front().getAttr() : StringAttr();
  }
  return "";
}

LogicalResult Run::checkEntry() {
  if (!request.entry)
    return success();
  func = module.lookupSymbol<FuncOp>(request.entry);
  if (!func || func.getKind() == FuncKind::handler) {
    std::string names;
    for (auto known : module.getOps<FuncOp>())
      if (known.getKind() != FuncKind::handler)
        names += (names.empty() ? "" : ", ") + known.getSymName().str();
    return fail("there is no entry '" + Twine(request.entry) + "'; there are " +
                names);
  }
  std::string name = "'" + std::string(request.entry) + "'";
  bool steps = func.getKind() == FuncKind::steps;
  if (!steps && (request.host || request.replay))
    return fail(name + " calls nobody: '--host' and '--replay' are for routes "
                       "that call the host");
  if (steps && !request.host && !request.replay)
    return fail(name +
                " calls the host: say what it answers with '--host FILE'");
  if (steps && request.bench)
    return fail("'--bench' times one call, and " + name +
                " waits for the host while it runs");
  if (steps && request.num_emits)
    return fail("'--emit' is for what a host tells of a decision, and the "
                "events of " +
                name + " happen while it runs");
  items = itemsOf(module, func);
  return success();
}

LogicalResult Run::bindFiles() {
  for (uint64_t i = 0; i < request.num_params; ++i) {
    SafeTensors file;
    const char *path = request.params[i].file;
    if (failed(inFile(path, [&]() -> LogicalResult {
          return failed(open(file, path))
                     ? failure()
                     : bindCheckpoint(interpreter, module, file);
        })))
      return failure();
  }
  for (uint64_t i = 0; i < request.num_inputs; ++i) {
    const char *path = request.inputs[i];
    bool tensors = StringRef(path).ends_with(".safetensors");
    if (!tensors && !StringRef(path).ends_with(".jsonl"))
      return fail("'" + Twine(path) + "' is neither .jsonl nor .safetensors");
    SafeTensors file;
    std::string text;
    if (failed(inFile(path, [&]() -> LogicalResult {
          if (failed(tensors ? open(file, path) : readText(path, text)))
            return failure();
          return tensors ? bindTensors(interpreter, module, file)
                         : bindRecords(interpreter, module, text, items,
                                       request.allow_extra);
        })))
      return failure();
  }
  return success();
}

LogicalResult Run::openOutput(std::unique_ptr<llvm::ToolOutputFile> &out) {
  std::error_code wrong;
  out = std::make_unique<llvm::ToolOutputFile>(request.outputs, wrong,
                                               llvm::sys::fs::OF_Text);
  return wrong ? fail("cannot write '" + Twine(request.outputs) +
                      "': " + wrong.message())
               : success();
}

LogicalResult Run::runSteps() {
  StepScript script;
  script.gapNs = request.gap_ns;
  if ((request.host && failed(readText(request.host, script.host))) ||
      (request.replay && failed(readText(request.replay, script.replay))))
    return failure();
  if (request.host || request.replay)
    script.line =
        std::string(request.replay ? request.replay : request.host) + ": line ";
  std::unique_ptr<llvm::ToolOutputFile> out;
  if (failed(openOutput(out)))
    return failure();
  out->keep(); // of a run that failed the log shows how far it came
  return interp::runSteps(interpreter, module, request.entry, script,
                          out->os());
}

int64_t Run::countItems() {
  auto axis =
      items.empty() ? FailureOr<AxisRef>(failure()) : interpreter.axis(items);
  return failed(axis) ? 1 : std::max<int64_t>((*axis)->size, 1);
}

LogicalResult Run::runEntry() {
  auto results = interpreter.run(request.entry);
  if (failed(results))
    return failure();
  if (request.bench && failed(bench()))
    return failure();
  if (request.bench && StringRef(request.outputs) == "-")
    return success();
  std::vector<NamedValue> values;
  for (auto [i, result] : llvm::enumerate(*results)) {
    auto role = func.getResultAttrOfType<StringAttr>(i, "route.role");
    auto name = func.getResultAttrOfType<StringAttr>(i, "route.name");
    auto unit = func.getResultAttrOfType<StringAttr>(i, "route.unit");
    if (!role || role.getValue() != "kept")
      values.push_back({name ? name.getValue().str() : std::to_string(i),
                        std::move(result), unit ? unit.str() : ""});
  }
  for (Metric &metric : interpreter.takeMetrics())
    if (llvm::none_of(values, [&](const NamedValue &known) {
          return known.name == metric.name;
        }))
      values.push_back({metric.name, std::move(metric.value), metric.unit});
  std::unique_ptr<llvm::ToolOutputFile> out;
  if (failed(openOutput(out)))
    return failure();
  printRecords(out->os(), interpreter.machine(), values, items);
  out->keep();
  return success();
}

/// Times the call as it is, some samples of it.
LogicalResult Run::bench() {
  using Clock = std::chrono::steady_clock;
  std::vector<double> samples;
  auto start = Clock::now();
  auto spent = [&] {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  while (samples.size() < 20000 && (samples.size() < 3 || spent() < 1 ||
                                    (samples.size() < 11 && spent() < 5))) {
    auto begin = Clock::now();
    if (failed(interpreter.run(request.entry)))
      return failure();
    samples.push_back(
        std::chrono::duration<double, std::nano>(Clock::now() - begin).count());
    interpreter.takeMetrics();
  }
  llvm::sort(samples);
  int64_t count = countItems();
  auto at = [&](double share) {
    return samples[size_t(share * double(samples.size() - 1))] / double(count);
  };
  llvm::outs() << request.entry << ": " << count << " items a call, "
               << samples.size() << " samples of 1 calls, variant interpreter\n"
               << llvm::format("ns an item: median %.1f, p10 %.1f, p90 %.1f\n",
                               at(0.5), at(0.1), at(0.9))
               << llvm::format("items a second: %.3g\n", 1e9 / at(0.5));
  return success();
}

/// One line of what an event brings.
LogicalResult Run::emitLine(FuncOp handler, const llvm::json::Object &given,
                            size_t line) {
  SmallVector<RuntimeValue> args;
  SmallVector<std::string> names;
  for (auto [i, type] : llvm::enumerate(handler.getArgumentTypes())) {
    auto name = handler.getArgAttrOfType<StringAttr>(i, "route.name");
    auto unit = handler.getArgAttrOfType<StringAttr>(i, "route.unit");
    names.push_back(name.getValue().str());
    const llvm::json::Value *value = given.get(names.back());
    if (!value)
      return module.emitError("line ")
             << line << ": the event has no '" << names.back() << "'";
    auto array = readJson(
        interpreter.machine(), *value, cast<route::ArrayType>(type),
        unit ? unit.getValue() : "", names.back(), line, module.getLoc());
    if (failed(array))
      return failure();
    args.push_back(std::move(*array));
  }
  for (const auto &[key, value] : given)
    if (!llvm::is_contained(names, StringRef(key)))
      return module.emitError("line ")
             << line << ": the event takes no '" << StringRef(key) << "'";
  return interpreter.emit(handler.getSymName(), "", args);
}

LogicalResult Run::emit(const RunRequest::Event &event) {
  auto handler = module.lookupSymbol<FuncOp>(event.name);
  if (!handler || handler.getKind() != FuncKind::handler) {
    std::string names;
    for (auto known : module.getOps<FuncOp>())
      if (known.getKind() == FuncKind::handler)
        names += (names.empty() ? "" : ", ") + known.getSymName().str();
    return fail("'" + Twine(event.name) + "' is no event; there are " +
                (names.empty() ? "none" : names));
  }
  if (handler.getOf()) { // it sees what its router decided
    if (event.file)
      return fail("'" + Twine(event.name) +
                  "' takes what the entry decided, and no file");
    if (!func || *handler.getOf() != func.getSymName())
      return fail("'" + Twine(event.name) + "' is about a decision of '" +
                  *handler.getOf() + "', which is not what ran");
    return interpreter.emit(event.name, *handler.getOf(), {});
  }
  if (!event.file)
    return inFile(event.name, [&] { return emitLine(handler, {}, 1); });
  std::string text;
  if (failed(readText(event.file, text)))
    return failure();
  return inFile(event.file, [&]() -> LogicalResult {
    size_t number = 0;
    for (StringRef rest = text; !rest.empty();) {
      auto [line, after] = rest.split('\n');
      rest = after;
      ++number;
      if (line.trim().empty())
        continue;
      auto value = llvm::json::parse(line);
      if (!value)
        return module.emitError("line ")
               << number << ": " << llvm::toString(value.takeError());
      auto *object = value->getAsObject();
      if (!object)
        return module.emitError("line ") << number << ": expected an object";
      if (failed(emitLine(handler, *object, number)))
        return failure();
    }
    return success();
  });
}

LogicalResult Run::execute() {
  if (failed(checkEntry()))
    return failure();
  if (request.describe) {
    describeByNames(module, request.json, llvm::outs());
    return success();
  }
  if (failed(bindFiles()) ||
      (request.state_in &&
       failed(loadState(interpreter, module, request.state_in, problem))))
    return failure();
  if (request.state_out && failed(checkState(module, problem)))
    return failure();
  if (func &&
      failed(func.getKind() == FuncKind::steps ? runSteps() : runEntry()))
    return failure();
  for (uint64_t i = 0; i < request.num_emits; ++i)
    if (failed(emit(request.emits[i])))
      return failure();
  return request.state_out
             ? saveState(interpreter, module, request.state_out, problem)
             : success();
}

LogicalResult route::runByNames(ModuleOp module, const RunRequest &request,
                                std::string &problem) {
  return Run(module, request, problem).execute();
}
