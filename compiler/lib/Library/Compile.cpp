// Compiles a module of tensors to the objects of a library, one for each
// processor level.
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/PassManager.h"
#include "route/Library/Library.h"
#include "route/Library/Passes.h"
#include "route/Pipelines/Pipelines.h"

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

/// Compiles one copy of the module for one level.
static LogicalResult compileLevel(ModuleOp copy, const LibraryOptions &options,
                                  IsaLevel level, ObjectFile &object) {
  // Parameters are packed once for all levels.
  if (level != options.levels.front())
    for (auto function :
         llvm::make_early_inc_range(copy.getOps<func::FuncOp>()))
      if (function->hasAttr("route.pack"))
        function.erase();
  PassManager pm(copy.getContext());
  // Tests verify after each pass; users' compilations need not.
  pm.enableVerifier(false);
  addBufferPasses(pm, level);
  addLLVMPasses(pm, level);
  if (failed(pm.run(copy)))
    return failure();
  TargetOptions target = TargetOptions::forLevel(level);
  target.exports = exportsOf(copy);
  object.name = options.name + "." + stringifyIsaLevel(level).str() + ".o";
  SmallVector<char> bytes;
  if (failed(emitObject(copy, target, bytes)))
    return failure();
  object.bytes.append(bytes.begin(), bytes.end());
  return success();
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
  std::vector<ObjectFile> objects(options.levels.size());
  for (auto [level, object] : llvm::zip(options.levels, objects)) {
    OwningOpRef<ModuleOp> copy = cast<ModuleOp>(module->clone());
    if (failed(compileLevel(*copy, options, level, object)))
      return failure();
  }
  FailureOr<ObjectFile> description =
      emitDescription(context, *schema, options);
  if (failed(description))
    return failure();
  objects.push_back(std::move(*description));
  return objects;
}
