// Compiles a module of tensors to objects, one for each processor level.
#include "mlir/Bytecode/BytecodeWriter.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "route/Dialect/Ragged/IR/Ragged.h"
#include "route/Library/Library.h"
#include "route/Library/Passes.h"
#include "route/Notice.h"
#include "route/Pipelines/Pipelines.h"
#include <thread>

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

/// Whether code for processors with products of bf16 differs from other code
/// of its width.
static bool multipliesBf16(ModuleOp module) {
  return module
      .walk([](ragged::MatmulOp product) {
        return product.weightType().getElementType().isBF16()
                   ? WalkResult::interrupt()
                   : WalkResult::advance();
      })
      .wasInterrupted();
}

/// Compiles one copy of the module for one level, or for V4 and V4Bf16.
static LogicalResult compileLevel(ModuleOp copy, const LibraryOptions &options,
                                  IsaLevel level, bool withBf16,
                                  ObjectFile &object) {
  // Parameters are packed once for all levels.
  if (level != options.levels.front())
    for (auto function :
         llvm::make_early_inc_range(copy.getOps<func::FuncOp>()))
      if (function->hasAttr("route.pack"))
        function.erase();
  PassManager pm(copy.getContext());
  // Tests verify after each pass; users' compilations need not.
  pm.enableVerifier(false);
  addBufferPasses(pm, level, withBf16);
  addLLVMPasses(pm, level, withBf16);
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

namespace {
/// An error of one level's context, in words that outlive it.
struct LevelError {
  struct Place {
    std::string file;
    unsigned line, column;
  };
  std::string text;
  std::optional<Place> place;
  std::optional<Notice> kind;
};
} // namespace

/// The first place in a file that a location names.
static std::optional<LevelError::Place> placeOf(Location location) {
  std::optional<LevelError::Place> place;
  location->walk([&](Location part) {
    auto found = dyn_cast<FileLineColLoc>(part);
    if (!found)
      return WalkResult::advance();
    place = {found.getFilename().str(), found.getLine(), found.getColumn()};
    return WalkResult::interrupt();
  });
  return place;
}

FailureOr<std::vector<ObjectFile>>
route::compileLibrary(ModuleOp module, const LibraryOptions &wanted) {
  MLIRContext &context = *module.getContext();
  // Kernels read parameters as they are in the checkpoint: before packing.
  OwningOpRef<ModuleOp> unpacked;
  if (wanted.cuda)
    unpacked = module.clone();
  PassManager shared(&context);
  addPackingPasses(shared);
  if (failed(shared.run(module)))
    return failure();
  FailureOr<Schema> schema = buildSchema(module);
  if (failed(schema))
    return failure();
  LibraryOptions options = wanted;
  if (llvm::is_contained(options.levels, IsaLevel::V4) &&
      !multipliesBf16(module))
    llvm::erase(options.levels, IsaLevel::V4Bf16);
  // Levels are independent of one another: a thread and a context each, since
  // a context's dialects are not loaded from several threads.
  std::string bytes;
  llvm::raw_string_ostream stream(bytes);
  if (failed(writeBytecodeToFile(module, stream)))
    return failure();
  std::vector<IsaLevel> levels = options.levels;
  bool shares = llvm::is_contained(levels, IsaLevel::V4) &&
                llvm::is_contained(levels, IsaLevel::V4Bf16);
  if (shares)
    llvm::erase(levels, IsaLevel::V4Bf16);
  size_t count = levels.size();
  std::vector<ObjectFile> objects(count);
  std::vector<std::vector<LevelError>> errors(count);
  // Not the context's own, to which compilations add.
  DialectRegistry registry;
  context.getDialectRegistry().appendTo(registry);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < count; ++i)
    threads.emplace_back([&, i] {
      MLIRContext own(registry, MLIRContext::Threading::DISABLED);
      ScopedDiagnosticHandler handler(&own, [&](Diagnostic &diagnostic) {
        if (diagnostic.getSeverity() == DiagnosticSeverity::Error)
          errors[i].push_back({diagnostic.str(),
                               placeOf(diagnostic.getLocation()),
                               noticeOf(diagnostic)});
        return success();
      });
      auto copy = parseSourceString<ModuleOp>(bytes, &own);
      bool withBf16 = shares && levels[i] == IsaLevel::V4;
      if ((!copy || failed(compileLevel(*copy, options, levels[i], withBf16,
                                        objects[i]))) &&
          errors[i].empty())
        errors[i].push_back({"compilation for " +
                                 stringifyIsaLevel(levels[i]).str() + " failed",
                             {},
                             {}});
    });
  // Kernels are compiled meanwhile, in this thread, which alone may speak of
  // `module`'s places.
  FailureOr<DeviceLibrary> device = DeviceLibrary();
  if (unpacked)
    device = compileForDevice(*unpacked, wanted);
  for (std::thread &thread : threads)
    thread.join();
  if (failed(device))
    return failure();
  // What one level says the others mostly say too.
  std::vector<std::string> told;
  for (const std::vector<LevelError> &level : errors)
    for (const LevelError &error : level)
      if (!llvm::is_contained(told, error.text)) {
        told.push_back(error.text);
        Location loc = module.getLoc();
        if (error.place)
          loc = FileLineColLoc::get(&context, error.place->file,
                                    error.place->line, error.place->column);
        (error.kind ? emitNotice(loc, *error.kind) : emitError(loc))
            << error.text;
      }
  if (llvm::any_of(errors, [](const auto &level) { return !level.empty(); }))
    return failure();
  FailureOr<ObjectFile> description =
      emitDescription(context, *schema, options, *device);
  if (failed(description))
    return failure();
  for (ObjectFile &object : device->objects)
    objects.push_back(std::move(object));
  objects.push_back(std::move(*description));
  return objects;
}
