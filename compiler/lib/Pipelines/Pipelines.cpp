// Which passes make up each phase.
#include "route/Pipelines/Pipelines.h"
#include "mlir/Dialect/Bufferization/Transforms/OneShotAnalysis.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassOptions.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"
#include "route/Conversion/RouteToLinalg/Passes.h"
#include "route/Conversion/SignalToLLVM/Passes.h"
#include "route/Dialect/Ragged/Transforms/Passes.h"
#include "route/Dialect/Route/Transforms/Passes.h"
#include "route/Dialect/Row/Transforms/Passes.h"
#include "route/Dialect/Signal/Transforms/Passes.h"
#include "route/Library/Passes.h"

using namespace mlir;
using namespace route;

ArrayRef<PipelineInfo> route::getPipelines() {
  static constexpr PipelineInfo phases[] = {
      {Phase::Route, "route", "named axes, as written"},
      {Phase::Rows, "rows", "what is computed item by item, grouped"},
      {Phase::Linalg, "linalg", "tensors: linalg, row and ragged ops"},
      {Phase::Packed, "packed", "parameters packed where they are bound"},
      {Phase::Buffers, "buffers", "loops over buffers for one processor level"},
      {Phase::LLVM, "llvm", "the LLVM dialect"},
  };
  return phases;
}

std::optional<Phase> route::parsePhase(StringRef name) {
  for (const PipelineInfo &info : getPipelines())
    if (info.name == name)
      return info.phase;
  return std::nullopt;
}

void route::addRowsPasses(OpPassManager &pm) {
  pm.addPass(createRouteExpandLists());
  pm.addPass(createRouteExpandLive());
  pm.addPass(createRouteInlineSignals());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  pm.addPass(createRouteExpandRanges());
  pm.nest<FuncOp>().addPass(createRouteSinkPicks());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  pm.nest<FuncOp>().addPass(createRouteSinkBranches());
  pm.nest<FuncOp>().addPass(createRouteFormRows());
}

void route::addLinalgPasses(OpPassManager &pm) {
  pm.addPass(createConvertRouteToLinalg());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  pm.addPass(signal::createRouteFuseText());
  pm.addPass(createLinalgElementwiseOpFusionPass());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
}

static void addPacking(OpPassManager &pm, bool fuseProducts) {
  pm.addPass(ragged::createRaggedPackWeights());
  pm.addPass(createRouteHoistPacks());
  if (fuseProducts) {
    pm.addPass(row::createRowFuseProducers());
    pm.addPass(row::createRowFuseProducts());
  }
  pm.addPass(row::createRowNarrowOutputs());
}

void route::addPackingPasses(OpPassManager &pm) {
  addPacking(pm, /*fuseProducts=*/true);
}

void route::addBufferPasses(OpPassManager &pm, IsaLevel level, bool withBf16) {
  row::RowDistributeOptions rows;
  rows.lanes64 = vectorBits(level) / 64;
  rows.lanes = vectorBits(level) / 32;
  pm.addPass(row::createRowDistribute(rows));
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createRouteOwnDestinations());
  pm.addPass(bufferization::createEmptyTensorEliminationPass());
  bufferization::OneShotBufferizePassOptions bufferize;
  bufferize.bufferizeFunctionBoundaries = true;
  bufferize.functionBoundaryTypeConversion =
      bufferization::LayoutMapOption::IdentityLayoutMap;
  pm.addPass(bufferization::createOneShotBufferizePass(bufferize));
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  ragged::ConvertRaggedToCPUOptions experts;
  experts.isa = withBf16 ? "v4+bf16" : stringifyIsaLevel(level).str();
  pm.addPass(ragged::createConvertRaggedToCPU(experts));
  pm.addPass(createCSEPass());
  pm.addPass(createRouteMergeBodies());
  // Comparisons of texts are loops before texts become pointers.
  pm.nest<func::FuncOp>().addPass(createConvertLinalgToLoopsPass());
  pm.addPass(createConvertSignalToLLVM());
  pm.addPass(createRoutePlanWorkspace());
}

void route::addLLVMPasses(OpPassManager &pm, IsaLevel level, bool withBf16) {
  RouteWrapEntriesOptions wrap;
  wrap.suffix = "." + stringifyIsaLevel(level).str();
  if (withBf16)
    wrap.bf16Suffix = "." + stringifyIsaLevel(IsaLevel::V4Bf16).str();
  pm.addPass(createRouteWrapEntries(wrap));
  addLowerToLLVMPasses(pm, level);
}

void route::addPassesTo(OpPassManager &pm, Phase phase, IsaLevel level,
                        bool fuseProducts) {
  if (phase >= Phase::Rows)
    addRowsPasses(pm);
  if (phase >= Phase::Linalg)
    addLinalgPasses(pm);
  if (phase >= Phase::Packed)
    addPacking(pm, fuseProducts);
  if (phase >= Phase::Buffers)
    addBufferPasses(pm, level);
  if (phase >= Phase::LLVM)
    addLLVMPasses(pm, level);
}

namespace {
struct PhaseOptions : PassPipelineOptions<PhaseOptions> {
  Option<std::string> isa{*this, "isa", llvm::cl::desc("v3, v4 or v4-bf16"),
                          llvm::cl::init("v3")};
  Option<bool> fuseProducts{*this, "fuse-products",
                            llvm::cl::desc("gates inside their row programs"),
                            llvm::cl::init(true)};
};
} // namespace

void route::registerPipelines() {
  for (const PipelineInfo &info : getPipelines())
    if (Phase phase = info.phase; phase != Phase::Route)
      PassPipelineRegistration<PhaseOptions>(
          ("route-to-" + info.name).str(), info.summary,
          [phase](OpPassManager &pm, const PhaseOptions &options) {
            addPassesTo(pm, phase,
                        parseIsaLevel(options.isa).value_or(IsaLevel::V3),
                        options.fuseProducts);
          });
}
