// Which passes lead from tensors to kernels and launches, and from there to the
// LLVM dialect.
#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Bufferization/Transforms/OneShotAnalysis.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"
#include "route/Dialect/Ragged/Transforms/Passes.h"
#include "route/Dialect/Row/Transforms/Passes.h"
#include "route/Library/Passes.h"
#include "route/Target/CUDA/CUDA.h"
#include "route/Target/CUDA/Passes.h"
#include "route/Target/Passes.h"

using namespace mlir;
using namespace route;

void route::addKernelPasses(OpPassManager &pm) {
  pm.addPass(createRouteSelectDeviceEntries());
  pm.addPass(ragged::createRaggedJoinInterleaved());
  pm.addPass(ragged::createRaggedNarrowProducts());
  pm.addPass(ragged::createRaggedNarrowCombine());
  pm.addPass(ragged::createRaggedFuseSlots());
  pm.addPass(row::createRowFuseConsumers());
  pm.addPass(row::createRowDistributeGPU());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(bufferization::createEmptyTensorEliminationPass());
  bufferization::OneShotBufferizePassOptions bufferize;
  bufferize.bufferizeFunctionBoundaries = true;
  bufferize.functionBoundaryTypeConversion =
      bufferization::LayoutMapOption::IdentityLayoutMap;
  pm.addPass(bufferization::createOneShotBufferizePass(bufferize));
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  pm.addPass(ragged::createConvertRaggedToWgmma());
  pm.addPass(ragged::createConvertRaggedToKernels());
  pm.addPass(createRouteOutlineKernels());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  pm.addPass(createRouteMergeKernels());
  pm.addPass(createRoutePlanWorkspace());
}

void route::addKernelsToLLVMPasses(OpPassManager &pm) {
  OpPassManager &kernels = pm.nest<gpu::GPUModuleOp>();
  kernels.addPass(createRouteExpandMath());
  kernels.addPass(memref::createExpandStridedMetadataPass());
  kernels.addPass(createLowerAffinePass());
  kernels.addPass(createSCFToControlFlowPass());
  kernels.addPass(createConvertVectorToLLVMPass());
  // Before the conversion of kernels, which would call a library of its own.
  kernels.addPass(createConvertMathToLLVMPass());
  ConvertGpuOpsToNVVMOpsOptions nvvm;
  nvvm.hasRedux = true;
  kernels.addPass(createConvertGpuOpsToNVVMOps(nvvm));
  kernels.addPass(createConvertNVVMToLLVMPass());
  kernels.addPass(createReconcileUnrealizedCastsPass());
  kernels.addPass(createCanonicalizerPass());
  kernels.addPass(createCSEPass());
}

void route::registerKernelPipelines() {
  PassPipelineRegistration<> kernels(
      "route-to-kernels", "from tensors to kernels and launches on buffers",
      addKernelPasses);
  PassPipelineRegistration<> llvm("route-kernels-to-llvm",
                                  "from kernels to the LLVM dialect",
                                  addKernelsToLLVMPasses);
}
