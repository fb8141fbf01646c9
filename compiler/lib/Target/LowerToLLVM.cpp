// The last conversions, from buffers, vectors and loops to the LLVM dialect.
#include "route/Target/CPU.h"
#include "route/Target/Passes.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

namespace route {

/// What vectors and functions of floats become.
static void addVectorsToScalars(OpPassManager &pm, IsaLevel level) {
  OpPassManager &functions = pm.nest<func::FuncOp>();
  functions.addPass(createConvertLinalgToLoopsPass());
  VectorTransferToSCFOptions toLoops;
  toLoops.enableFullUnroll(); // else allocas stay inside loops
  functions.addPass(createConvertVectorToSCFPass(toLoops));
  RouteExpandMathOptions math;
  math.avx512 = level != IsaLevel::V3;
  pm.addPass(createRouteExpandMath(math));
}

/// `vectors` is the level of code that has any.
static void addPasses(OpPassManager &pm, std::optional<IsaLevel> vectors) {
  if (vectors)
    addVectorsToScalars(pm, *vectors);
  pm.addPass(memref::createExpandStridedMetadataPass());
  pm.addPass(createLowerAffinePass());
  pm.addPass(createSCFToControlFlowPass());
  if (vectors) {
    ConvertVectorToLLVMPassOptions options;
    options.x86Vector = true;
    pm.addPass(createConvertVectorToLLVMPass(options));
    pm.addPass(createConvertMathToLLVMPass());
  }
  pm.addPass(createConvertIndexToLLVMPass());
  pm.addPass(createArithToLLVMConversionPass());
  pm.addPass(createFinalizeMemRefToLLVMConversionPass());
  pm.addPass(createConvertFuncToLLVMPass());
  pm.addPass(createConvertControlFlowToLLVMPass());
  pm.addPass(createUBToLLVMConversionPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
  if (vectors)
    pm.addPass(createRouteMoveBf16());
}

void addLowerToLLVMPasses(OpPassManager &pm, IsaLevel level) {
  addPasses(pm, level);
}

void addLaunchesToLLVMPasses(OpPassManager &pm) { addPasses(pm, std::nullopt); }

} // namespace route
