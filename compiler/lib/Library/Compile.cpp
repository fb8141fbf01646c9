// Compiles a module of tensors to the objects of a library, one for each
// processor level.
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/PassManager.h"
#include "route/Library/Library.h"
#include "route/Library/Passes.h"
#include "route/Pipelines/Pipelines.h"
#include "llvm/Support/Parallel.h"
#include <atomic>

using namespace mlir;
using namespace route;

/// Functions that others call: everything else may become internal.
static std::vector<std::string> exportsOf(ModuleOp module) {
  std::vector<std::string> names;
  module.walk([&](Operation *op) {
    if (op->hasAttr("route.export"))
      names.push_back(op->getAttrOfType<StringAttr>("sym_name").str());
  });
  return names;
}

FailureOr<std::vector<ObjectFile>>
route::compileLibrary(ModuleOp module, const LibraryOptions &options) {
  MLIRContext &context = *module.getContext();
  PassManager shared(&context);
  addPackingPasses(shared);
  if (failed(shared.run(module)))
    return failure();
  FailureOr<Schema> schema = buildSchema(module);
  if (failed(schema))
    return failure();
  // Levels are independent of one another: one thread each.
  std::vector<ObjectFile> objects(options.levels.size());
  std::vector<OwningOpRef<ModuleOp>> copies;
  for (IsaLevel level : options.levels)
    copies.push_back(cast<ModuleOp>(module->clone()));
  std::atomic<bool> failure = false;
  llvm::parallelFor(0, copies.size(), [&](size_t i) {
    if (failed(compileLevel(*copies[i], options, options.levels[i], objects[i])))
      failure = true;
  });
  if (failure)
    return mlir::failure();
  FailureOr<ObjectFile> description = emitDescription(context, *schema, options);
  if (failed(description))
    return mlir::failure();
  objects.push_back(std::move(*description));
  return objects;
}
