// Compares the interpreter with a model's reference implementation.
// Choices exactly, numbers within a given distance.
//
// interp-fixture-test SPEC PARAMS IO WEIGHT_TOLERANCE OUTPUT_TOLERANCE
//                     [axis=N ...]
//
// IR is what `routec --emit=route` prints. IO holds x, indices [token, k] in
// rank order, weights [token, k] and y64. A weight may be off by
// WEIGHT_TOLERANCE relative; an output by OUTPUT_TOLERANCE times the root mean
// square of y64. examples/02-moe-layers says where the tolerances come from.
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/InitAllDialects.h"
#include "mlir/Parser/Parser.h"
#include "route/Dialect/Ragged/IR/Ragged.h"
#include "route/Dialect/Route/IR/RouteOps.h"
#include "route/Dialect/Row/IR/RowDialect.h"
#include "route/Interpreter/Checkpoint.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"
#include <cmath>

using namespace mlir;
using namespace route;
using namespace route::interp;

static int fail(const llvm::Twine &message) {
  llvm::errs() << "error: " << message << '\n';
  return 1;
}

static double number(const Element &element) {
  if (std::holds_alternative<int64_t>(element))
    return static_cast<double>(element.asInt());
  return std::holds_alternative<float>(element) ? element.asFloat()
                                                : element.asDouble();
}

/// The tensor `name` of the file as numbers.
static std::vector<double> numbers(const SafeTensors &file,
                                   llvm::StringRef name, Location loc) {
  std::vector<double> values;
  if (const FileTensor *tensor =
          file.find(std::string_view(name.data(), name.size())))
    if (FailureOr<Array> array = arrayFromTensor(*tensor, loc);
        succeeded(array))
      for (const Element &element : array->elements())
        values.push_back(number(element));
  return values;
}

/// Rows of the plan against the reference's indices, then their weights.
static int compareChoice(Interpreter &interpreter, llvm::StringRef router,
                         const SafeTensors &io, double tolerance,
                         Location loc) {
  auto results = interpreter.run(router);
  if (failed(results) || results->size() < 2)
    return fail("the router did not run");
  const Axis &plan = *std::get<Plan>((*results)[0]).axis;
  std::vector<double> indices = numbers(io, "indices", loc),
                      weights = numbers(io, "weights", loc);
  if (static_cast<int64_t>(indices.size()) != plan.size ||
      weights.size() != indices.size())
    return fail("the plan has " + llvm::Twine(plan.size) + " rows, expected " +
                llvm::Twine(indices.size()));
  std::vector<Element> found = std::get<Array>((*results)[1]).elements();
  double worst = 0;
  for (int64_t row = 0; row < plan.size; ++row) {
    int64_t token = (*plan.per().front().index)[row], rank = (*plan.rank)[row];
    int64_t chosen = (*plan.chosen().index)[row];
    if (chosen != indices[row])
      return fail("token " + llvm::Twine(token) + ", rank " +
                  llvm::Twine(rank) + ": chose " + llvm::Twine(chosen) +
                  ", expected " +
                  llvm::Twine(static_cast<int64_t>(indices[row])));
    double error = std::fabs(number(found[row]) - weights[row]);
    worst = std::max(worst, error / std::max(std::fabs(weights[row]), 1e-30));
  }
  llvm::outs() << plan.size << " rows agree, weights to "
               << llvm::format("%.2g", worst) << '\n';
  return worst <= tolerance ? 0
                            : fail("weights differ by more than is allowed");
}

static int compareOutput(Interpreter &interpreter, const SafeTensors &io,
                         double tolerance, Location loc) {
  auto results = interpreter.run("layer");
  if (failed(results))
    return fail("the layer did not run");
  std::vector<double> expected = numbers(io, "y64", loc);
  std::vector<Element> found = std::get<Array>(results->front()).elements();
  if (expected.empty() || found.size() != expected.size())
    return fail("the layer gave " + llvm::Twine(found.size()) +
                " numbers, expected " + llvm::Twine(expected.size()));
  double squares = 0, worst = 0;
  for (double value : expected)
    squares += value * value;
  for (size_t i = 0; i < expected.size(); ++i)
    worst = std::max(worst, std::fabs(number(found[i]) - expected[i]));
  worst /= std::sqrt(squares / expected.size());
  llvm::outs() << expected.size() << " outputs agree to "
               << llvm::format("%.2g", worst) << '\n';
  // A NaN compares false.
  return worst <= tolerance ? 0
                            : fail("outputs differ by more than is allowed");
}

int main(int argc, char **argv) {
  if (argc != 6)
    return fail("usage: interp-fixture-test IR PARAMS IO WEIGHT OUTPUT");
  DialectRegistry dialects;
  // Either level: named axes, or the tensors that they become.
  registerAllDialects(dialects);
  dialects.insert<RouteDialect, ragged::RaggedDialect, row::RowDialect>();
  MLIRContext context(dialects, MLIRContext::Threading::DISABLED);
  context.printOpOnDiagnostic(false);
  OwningOpRef<ModuleOp> module = parseSourceFile<ModuleOp>(argv[1], &context);
  if (!module)
    return 1;
  SafeTensors params, io;
  route_error error;
  if (params.open(argv[2], &error) || io.open(argv[3], &error))
    return fail(error.message);
  Location loc = module->getLoc();
  Interpreter interpreter(*module);
  const FileTensor *x = io.find("x");
  FailureOr<Array> input =
      x ? arrayFromTensor(*x, loc) : FailureOr<Array>(failure());
  if (failed(input) || failed(bindCheckpoint(interpreter, *module, params)) ||
      failed(interpreter.bindInput("x", *input)))
    return fail("the case does not fit the spec");
  llvm::StringRef router;
  for (auto func : module->getOps<FuncOp>())
    if (func.getKind() == FuncKind::router)
      router = func.getSymName();
  // At the tensor level the router is the entry that gives a plan.
  for (auto func : module->getOps<func::FuncOp>())
    for (unsigned i = 0; i < func.getNumArguments(); ++i)
      if (func.getArgAttr(i, "route.part"))
        router = func.getSymName();
  double weightTolerance = atof(argv[4]), outputTolerance = atof(argv[5]);
  if (int failed = compareChoice(interpreter, router, io, weightTolerance, loc))
    return failed;
  return compareOutput(interpreter, io, outputTolerance, loc);
}
