// The passes from tensors to kernels and launches, and to the LLVM dialect.
#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Bufferization/Transforms/OneShotAnalysis.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassOptions.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"
#include "route/Diagnostics/Diagnostic.h"
#include "route/Dialect/Ragged/Transforms/Passes.h"
#include "route/Dialect/Row/Transforms/Passes.h"
#include "route/Dialect/Signal/Transforms/Passes.h"
#include "route/Library/Passes.h"
#include "route/Target/CUDA/CUDA.h"
#include "route/Target/CUDA/Passes.h"
#include "route/Target/Passes.h"

using namespace mlir;
using namespace route;

ArrayRef<OptionalPass> route::optionalKernelPasses() {
  static constexpr OptionalPass passes[] = {
      {"route-split-host", true},         {"ragged-join-interleaved", true},
      {"ragged-narrow-products", true},   {"ragged-narrow-results", true},
      {"ragged-fuse-slots", true},        {"ragged-split-epilogues", false},
      {"row-fuse-consumers", true},       {"ragged-fuse-gather", true},
      {"ragged-await-experts", true},     {"convert-ragged-to-wgmma", true},
      {"ragged-fuse-router", true},       {"ragged-spread-gather", true},
      {"ragged-fuse-order", true},        {"route-merge-kernels", true},
      {"route-prepare-parameters", true},
  };
  return passes;
}

ArrayRef<llvm::StringLiteral> route::gatePrecisions() {
  static constexpr llvm::StringLiteral names[] = {"f32", "bf16", "split-bf16",
                                                  "tf32x3"};
  return names;
}

bool KernelOptions::runs(StringRef pass) const {
  const auto *known =
      llvm::find_if(optionalKernelPasses(), [&](const OptionalPass &each) {
        return each.name == pass;
      });
  bool otherwise = known == optionalKernelPasses().end() || known->runs;
  return llvm::is_contained(enabled, pass) ||
         (otherwise && !llvm::is_contained(disabled, pass));
}

std::string KernelOptions::fault() const {
  std::vector<std::string> passes, precisions;
  for (const OptionalPass &pass : optionalKernelPasses())
    passes.push_back(pass.name.str());
  for (StringRef name : gatePrecisions())
    precisions.push_back(name.str());
  auto unknown = [](StringRef what, StringRef name,
                    ArrayRef<std::string> names) {
    auto near = nearestName(name, names);
    return ("there is no " + what + " '" + name + "'; " +
            (near ? "did you mean '" + *near + "'?"
                  : "there are " + llvm::join(names, ", ")))
        .str();
  };
  for (const std::vector<std::string> *list : {&disabled, &enabled})
    for (const std::string &name : *list)
      if (!llvm::is_contained(passes, name))
        return unknown("optional pass", name, passes);
  if (!llvm::is_contained(precisions, gatePrecision))
    return unknown("precision", gatePrecision, precisions);
  return "";
}

void route::addSplitPasses(OpPassManager &pm, const KernelOptions &options) {
  if (!options.runs("route-split-host"))
    return;
  pm.addPass(signal::createSignalIsolateText());
  pm.addPass(createRouteSplitHost());
}

void route::addKernelPasses(OpPassManager &pm, const KernelOptions &options) {
  auto add = [&](std::unique_ptr<Pass> pass) {
    if (options.runs(pass->getArgument()))
      pm.addPass(std::move(pass));
  };
  add(createRouteSelectDeviceEntries());
  add(ragged::createRaggedGatePrecision({options.gatePrecision}));
  add(ragged::createRaggedJoinInterleaved());
  add(ragged::createRaggedNarrowProducts());
  add(ragged::createRaggedNarrowResults());
  add(ragged::createRaggedFuseSlots());
  add(ragged::createRaggedSplitEpilogues());
  add(row::createRowFuseConsumers());
  add(row::createRowDistributeGPU());
  add(createCanonicalizerPass());
  add(createRoutePrepareParameters());
  add(createRouteOwnDestinations());
  add(bufferization::createEmptyTensorEliminationPass());
  bufferization::OneShotBufferizePassOptions bufferize;
  bufferize.bufferizeFunctionBoundaries = true;
  bufferize.functionBoundaryTypeConversion =
      bufferization::LayoutMapOption::IdentityLayoutMap;
  add(bufferization::createOneShotBufferizePass(bufferize));
  add(createCanonicalizerPass());
  add(createCSEPass());
  add(createRouteSerializeLoops());
  add(ragged::createRaggedFuseGather());
  add(ragged::createRaggedAwaitExperts());
  add(ragged::createConvertRaggedToWgmma());
  add(ragged::createRaggedFuseRouter());
  add(ragged::createRaggedSpreadGather());
  add(ragged::createRaggedFuseOrder());
  add(ragged::createConvertRaggedToKernels());
  add(createRouteOutlineKernels());
  add(createRouteOutlineSerial());
  add(createCSEPass());
  add(createRouteMergeKernels());
  add(createRoutePlanWorkspace());
}

void route::addKernelsToLLVMPasses(OpPassManager &pm) {
  OpPassManager &kernels = pm.nest<gpu::GPUModuleOp>();
  {
    // Kernel by kernel, several at once.
    OpPassManager &each = kernels.nestAny();
    RouteExpandMathOptions math;
    math.roundsBf16 = true;
    each.addPass(createRouteExpandMath(math));
    each.addPass(memref::createExpandStridedMetadataPass());
    each.addPass(createLowerAffinePass());
    each.addPass(createSCFToControlFlowPass());
    each.addPass(createConvertVectorToLLVMPass());
    // Before the conversion of kernels, which would call a library of its own.
    each.addPass(createConvertMathToLLVMPass());
    each.addPass(createRouteKeepIntrinsics());
  }
  ConvertGpuOpsToNVVMOpsOptions nvvm;
  nvvm.hasRedux = true;
  kernels.addPass(createConvertGpuOpsToNVVMOps(nvvm));
  OpPassManager &each = kernels.nest<LLVM::LLVMFuncOp>();
  each.addPass(createConvertNVVMToLLVMPass());
  // LLVM tidies up what is left, and MLIR would take longer over it.
  each.addPass(createReconcileUnrealizedCastsPass());
}

namespace {
struct KernelPipelineOptions : PassPipelineOptions<KernelPipelineOptions> {
  ListOption<std::string> disabled{
      *this, "disable", llvm::cl::desc("optional passes that do not run")};
  ListOption<std::string> enabled{*this, "enable",
                                  llvm::cl::desc("optional passes that run")};
  Option<std::string> gatePrecision{
      *this, "gate-precision",
      llvm::cl::desc("of products of f32 that choices hang on"),
      llvm::cl::init("f32")};
};
} // namespace

void route::registerKernelPipelines() {
  registerPassPipeline(
      "route-to-kernels", "from tensors to kernels and launches on buffers",
      [](OpPassManager &pm, StringRef text,
         llvm::function_ref<LogicalResult(const Twine &)> fail) {
        KernelPipelineOptions given;
        if (failed(given.parseFromString(text)))
          return failure();
        KernelOptions options;
        options.disabled.assign(given.disabled.begin(), given.disabled.end());
        options.enabled.assign(given.enabled.begin(), given.enabled.end());
        options.gatePrecision = given.gatePrecision;
        if (std::string fault = options.fault(); !fault.empty())
          return fail(fault);
        addKernelPasses(pm, options);
        return success();
      },
      [](llvm::function_ref<void(const mlir::detail::PassOptions &)> handle) {
        handle(KernelPipelineOptions());
      });
  PassPipelineRegistration<> llvm("route-kernels-to-llvm",
                                  "from kernels to the LLVM dialect",
                                  addKernelsToLLVMPasses);
}
