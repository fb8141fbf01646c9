// Compiles a module of tensors for GPUs: kernels and what launches them.
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Pass/PassManager.h"
#include "route/Conversion/RouteToLinalg/Passes.h"
#include "route/Kernels/Kernels.h"
#include "route/Library/Library.h"
#include "route/Library/Passes.h"
#include "route/Notice.h"
#include "route/Target/CUDA/Passes.h"

using namespace mlir;
using namespace route;

/// Runs the passes that make kernels. What they refuse for want of a kernel is
/// not told but put into `refusal`.
static LogicalResult makeKernels(ModuleOp module, const LibraryOptions &options,
                                 std::string &refusal) {
  ScopedDiagnosticHandler handler(
      module.getContext(), [&](Diagnostic &diagnostic) {
        bool refuses = diagnostic.getSeverity() == DiagnosticSeverity::Error &&
                       noticeOf(diagnostic) == Notice::notOnDevice;
        if (refuses)
          refusal = diagnostic.str();
        return success(refuses);
      });
  PassManager kernels(module.getContext());
  kernels.enableVerifier(false);
  addKernelPasses(kernels, options.kernels);
  return kernels.run(module);
}

/// Marks the entries for which there is no kernel, each tried by itself;
/// failure where that is none.
static LogicalResult markRefused(ModuleOp module,
                                 const LibraryOptions &options) {
  Builder b(module.getContext());
  bool any = false;
  // What else is to be said of an entry is said when all are compiled.
  ScopedDiagnosticHandler silence(module.getContext(),
                                  [](Diagnostic &) { return success(); });
  for (func::FuncOp entry : getEntries(module)) {
    OwningOpRef<ModuleOp> alone = module.clone();
    for (func::FuncOp other : getEntries(*alone))
      if (other.getSymName() != entry.getSymName())
        other->setAttr(kNotOnDeviceAttr, b.getStringAttr("not tried"));
    std::string refusal;
    if (succeeded(makeKernels(*alone, options, refusal)) || refusal.empty())
      continue;
    entry->setAttr(kNotOnDeviceAttr, b.getStringAttr(refusal));
    any = true;
  }
  return success(any);
}

FailureOr<DeviceLibrary>
route::compileForDevice(ModuleOp module, const LibraryOptions &options) {
  DeviceLibrary device;
  if (!options.tuning.device.empty())
    attachTuning(module, options.tuning);
  if (options.tunable)
    module->setAttr(ragged::kTunableAttr, UnitAttr::get(module.getContext()));
  OwningOpRef<ModuleOp> before = module.clone();
  std::string refusal;
  if (failed(makeKernels(module, options, refusal))) {
    if (refusal.empty() || failed(markRefused(*before, options)))
      return failure();
    module.getBodyRegion().takeBody(before->getBodyRegion());
    if (failed(makeKernels(module, options, refusal)))
      return failure();
  }
  if (!options.tuning.device.empty() && !module->hasAttr(ragged::kTunedAttr))
    emitNotice(module.getLoc(), Notice::staleTuning)
        << "no finding is about a product of this spec";
  device.choices = describeChoices(module);
  for (StringRef name : {ragged::kTuningAttr, ragged::kTunableAttr,
                         ragged::kTunedAttr, ragged::kChoicesAttr})
    module->removeAttr(name);
  std::vector<std::string> others;
  for (func::FuncOp entry : getEntries(module)) {
    std::string name = entry.getSymName().str();
    auto why = entry->getAttrOfType<StringAttr>(kNotOnDeviceAttr);
    if (why)
      emitNotice(entry.getLoc(), Notice::notOnDevice)
          << "'" << name << "' has no code for the GPU: " << why.getValue();
    (why ? others : device.entries).push_back(name);
  }
  if (device.entries.empty() || !findKernelModule(module)) {
    device.entries.clear();
    return device;
  }

  // The tables are numbered with all entries there; then the others go.
  PassManager wrapping(module.getContext());
  wrapping.enableVerifier(false);
  RouteWrapEntriesOptions wrap;
  wrap.suffix = ".cuda";
  wrapping.addPass(createRouteWrapEntries(wrap));
  if (failed(wrapping.run(module)))
    return failure();
  for (const std::string &name : others)
    for (const std::string &each :
         {"entry." + name + ".cuda", "bytes." + name + ".cuda",
          "workspace." + name, name})
      if (Operation *function = module.lookupSymbol(each))
        function->erase();
  PassManager host(module.getContext());
  host.enableVerifier(false);
  host.addPass(createRouteLowerLaunches());
  addKernelsToLLVMPasses(host);
  if (failed(host.run(module)))
    return failure();
  KernelCompilation compilation;
  if (failed(compilation.start(module)))
    return failure();
  findKernelModule(module)->erase();
  module->removeAttr(gpu::GPUDialect::getContainerModuleAttrName());

  // The host's part meanwhile. It is a few calls: any processor will do.
  PassManager rest(module.getContext());
  rest.enableVerifier(false);
  addLowerToLLVMPasses(rest, IsaLevel::V3);
  if (failed(rest.run(module)))
    return failure();
  TargetOptions target = TargetOptions::forLevel(IsaLevel::V3);
  target.optLevel = 1;
  module.walk([&](Operation *op) {
    if (op->hasAttr("route.export"))
      target.exports.push_back(op->getAttrOfType<StringAttr>("sym_name").str());
  });
  SmallVector<char> bytes;
  if (failed(emitObject(module, target, bytes)))
    return failure();
  device.object.name = options.name + ".cuda.o";
  device.object.bytes.append(bytes.begin(), bytes.end());
  FailureOr<DeviceCode> code = compilation.finish(module);
  if (failed(code))
    return failure();
  device.code = std::move(*code);
  return device;
}
