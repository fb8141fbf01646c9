// Compiles a module of tensors for GPUs: kernels and what launches them.
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Pass/PassManager.h"
#include "route/Conversion/RouteToLinalg/Passes.h"
#include "route/Conversion/SignalToLLVM/Passes.h"
#include "route/Kernels/Kernels.h"
#include "route/Library/Library.h"
#include "route/Library/Passes.h"
#include "route/Notice.h"
#include "route/Pipelines/Pipelines.h"
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

/// Gives the host what GPUs cannot do, and takes its functions out of `module`:
/// the result has each in the place of its entry, and other entries with
/// nothing in them, so that tables keep their numbers.
static FailureOr<OwningOpRef<ModuleOp>>
takeHostParts(ModuleOp module, const LibraryOptions &options) {
  PassManager splitting(module.getContext());
  splitting.enableVerifier(false);
  addSplitPasses(splitting, options.kernels);
  if (failed(splitting.run(module)))
    return failure();
  OwningOpRef<ModuleOp> host = module.clone();
  for (func::FuncOp entry : getEntries(*host)) {
    std::string name = entry.getSymName().str();
    if (entry->hasAttr(kHasHostPartAttr)) {
      auto part = host->lookupSymbol<func::FuncOp>(name + ".host");
      part->setAttr(kEntryAttr, entry->getAttr(kEntryAttr));
      entry.erase();
      part.setName(name);
      part.setPublic();
      continue;
    }
    Block &body = entry.getBody().front();
    while (!body.empty())
      body.back().erase();
    OpBuilder b = OpBuilder::atBlockEnd(&body);
    func::ReturnOp::create(b, entry.getLoc());
  }
  for (auto function :
       llvm::make_early_inc_range(module.getOps<func::FuncOp>()))
    if (function->hasAttr(kHostPartOfAttr))
      function.erase();
  return host;
}

/// Erases, of a module that has been wrapped with `suffix`, the functions of an
/// entry.
static void eraseEntry(ModuleOp module, const std::string &name,
                       StringRef suffix) {
  for (const std::string &each :
       {"entry." + name + suffix.str(), "bytes." + name + suffix.str(),
        "workspace." + name, name})
    if (Operation *function = module.lookupSymbol(each))
      function->erase();
}

/// The machine code of a wrapped module: of one that only launches kernels, or
/// else of any, which runs on any processor that a library does.
static LogicalResult emitHostCode(ModuleOp module, const std::string &name,
                                  bool onlyLaunches, DeviceLibrary &device) {
  PassManager rest(module.getContext());
  rest.enableVerifier(false);
  if (onlyLaunches)
    addLaunchesToLLVMPasses(rest);
  else
    addLowerToLLVMPasses(rest, IsaLevel::V3);
  if (failed(rest.run(module)))
    return failure();
  TargetOptions target = TargetOptions::forLevel(IsaLevel::V3);
  target.quick = onlyLaunches;
  module.walk([&](Operation *op) {
    if (op->hasAttr("route.export"))
      target.exports.push_back(op->getAttrOfType<StringAttr>("sym_name").str());
  });
  SmallVector<char> bytes;
  if (failed(emitObject(module, target, bytes)))
    return failure();
  device.objects.push_back({name, {}});
  device.objects.back().bytes.append(bytes.begin(), bytes.end());
  return success();
}

/// Compiles what takeHostParts gave for the entries that GPUs run.
static LogicalResult compileHostParts(ModuleOp host,
                                      const LibraryOptions &options,
                                      DeviceLibrary &device) {
  if (llvm::none_of(device.entries,
                    [](const DeviceEntry &entry) { return entry.hasHostPart; }))
    return success();
  PassManager buffers(host.getContext());
  buffers.enableVerifier(false);
  addBufferPasses(buffers, IsaLevel::V3);
  RouteWrapEntriesOptions wrap;
  wrap.suffix = ".host";
  buffers.addPass(createRouteWrapEntries(wrap));
  SmallVector<std::string> names;
  for (func::FuncOp entry : getEntries(host))
    names.push_back(entry.getSymName().str());
  if (failed(buffers.run(host)))
    return failure();
  for (const std::string &name : names)
    if (llvm::none_of(device.entries, [&](const DeviceEntry &entry) {
          return entry.symbol == name && entry.hasHostPart;
        }))
      eraseEntry(host, name, wrap.suffix);
  return emitHostCode(host, options.name + ".host.o", /*onlyLaunches=*/false,
                      device);
}

/// The ports of an entry that are in the host's memory.
static std::vector<uint32_t> hostPortsOf(func::FuncOp entry) {
  std::vector<uint32_t> inputs, outputs;
  uint32_t numInputs = 0, numOutputs = 0;
  for (unsigned i = 0; i < entry.getNumArguments(); ++i) {
    auto role = entry.getArgAttrOfType<StringAttr>(i, kRoleAttr);
    StringRef text = role ? role.getValue() : "";
    bool isInput = text == "input" || text == "offsets",
         isOutput = text == "output",
         onHost = bool(entry.getArgAttr(i, kOnHostAttr));
    if (isInput && onHost)
      inputs.push_back(numInputs);
    if (isOutput && onHost)
      outputs.push_back(numOutputs);
    numInputs += isInput;
    numOutputs += isOutput;
  }
  for (uint32_t output : outputs)
    inputs.push_back(numInputs + output);
  return inputs;
}

FailureOr<DeviceLibrary>
route::compileForDevice(ModuleOp module, const LibraryOptions &options) {
  DeviceLibrary device;
  if (!options.tuning.device.empty())
    attachTuning(module, options.tuning);
  if (options.tunable)
    module->setAttr(ragged::kTunableAttr, UnitAttr::get(module.getContext()));
  FailureOr<OwningOpRef<ModuleOp>> parts = takeHostParts(module, options);
  if (failed(parts))
    return failure();
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
    if (why)
      others.push_back(name);
    else
      device.entries.push_back(
          {name, hostPortsOf(entry), entry->hasAttr(kHasHostPartAttr)});
  }
  if (device.entries.empty())
    return device;
  if (!findKernelModule(module))
    return module.emitError("the entries that GPUs run have no kernels");

  if (auto prepare = module.lookupSymbol<func::FuncOp>(kPrepareName))
    device.preparedBytes =
        prepare->getAttrOfType<IntegerAttr>(kPreparedBytesAttr).getInt();
  // The tables are numbered with all entries there; then the others go.
  PassManager wrapping(module.getContext());
  wrapping.enableVerifier(false);
  RouteWrapEntriesOptions wrap;
  wrap.suffix = ".cuda";
  if (llvm::any_of(device.entries, [](const DeviceEntry &entry) {
        return !entry.hostPorts.empty();
      }))
    wrapping.addPass(createConvertSignalToLLVM()); // texts among arguments
  wrapping.addPass(createRouteWrapEntries(wrap));
  if (failed(wrapping.run(module)))
    return failure();
  for (const std::string &name : others)
    eraseEntry(module, name, wrap.suffix);
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

  // The host's code meanwhile. The GPU's part of it is a few calls.
  if (failed(emitHostCode(module, options.name + ".cuda.o",
                          /*onlyLaunches=*/true, device)) ||
      failed(compileHostParts(**parts, options, device)))
    return failure();
  FailureOr<DeviceCode> code = compilation.finish(module);
  if (failed(code))
    return failure();
  device.code = std::move(*code);
  return device;
}
