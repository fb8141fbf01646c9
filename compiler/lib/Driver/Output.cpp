// Runs the phases and writes what was asked for.
#include "route/Driver/Output.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/Pass/PassManager.h"
#include "route/Dialect/Ragged/IR/Ragged.h"
#include "route/Dialect/Route/IR/RouteDialect.h"
#include "route/Dialect/Row/IR/RowDialect.h"
#include "route/Dialect/Signal/IR/Signal.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/ToolOutputFile.h"

using namespace mlir;
using namespace route;

void route::registerForCompilation(DialectRegistry &registry) {
  registerAllDialects(registry);
  registerAllExtensions(registry);
  registry.insert<RouteDialect, ragged::RaggedDialect, row::RowDialect,
                  signal::SignalDialect>();
  ragged::registerBufferizableOpInterfaceExternalModels(registry);
  signal::registerBufferizableOpInterfaceExternalModels(registry);
}

LogicalResult route::printPhase(ModuleOp module, Phase phase,
                                const LibraryOptions &options,
                                raw_ostream &out) {
  PassManager pm(module.getContext());
  addPassesTo(pm, phase, options.levels.back());
  if (failed(pm.run(module)))
    return failure();
  module.print(out);
  return success();
}

LogicalResult route::printCode(ModuleOp module, OutputKind kind,
                               const LibraryOptions &options,
                               raw_ostream &out) {
  TargetOptions target = TargetOptions::forLevel(options.levels.back());
  module.walk([&](Operation *op) {
    if (op->hasAttr("route.export"))
      target.exports.push_back(op->getAttrOfType<StringAttr>("sym_name").str());
  });
  SmallVector<char> bytes;
  if (failed(emit(module, target, kind, bytes)))
    return failure();
  out.write(bytes.data(), bytes.size());
  return success();
}

LogicalResult route::writeOutputs(ModuleOp module, const OutputOptions &options,
                                  std::string &why) {
  FailureOr<std::vector<ObjectFile>> objects =
      compileLibrary(module, options.library);
  if (failed(objects))
    return failure();
  FailureOr<Schema> schema = buildSchema(module);
  if (failed(schema))
    return failure();
  if (std::string missing = findMissing(*objects); !missing.empty())
    return module.emitError("the code uses '")
           << missing << "', which a library cannot count on";
  if (!options.libraryPath.empty())
    why = writeLibrary(*objects, options.libraryPath);
  // A library that nothing can load is no library.
  if (!options.libraryPath.empty() && why.empty())
    if (std::string objection = whyNotLoadable(*objects, options.libraryPath);
        !objection.empty()) {
      llvm::sys::fs::remove(options.libraryPath);
      return module.emitError("the library does not load: ") << objection;
    }
  if (!why.empty() || options.headerPath.empty())
    return success();
  std::error_code error;
  llvm::ToolOutputFile header(options.headerPath, error,
                              llvm::sys::fs::OF_Text);
  if (error) {
    why = "cannot write '" + options.headerPath + "': " + error.message();
    return success();
  }
  header.os() << emitHeader(*schema, options.library);
  header.keep();
  return success();
}
