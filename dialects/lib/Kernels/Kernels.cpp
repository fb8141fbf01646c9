// GPU kernels in the making: their module, launches, the loop over the threads
// of a grid.
#include "route/Kernels/Kernels.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

gpu::GPUModuleOp route::findKernelModule(ModuleOp module) {
  return module.lookupSymbol<gpu::GPUModuleOp>("kernels");
}

gpu::GPUFuncOp route::createKernel(ModuleOp module, Location loc,
                                   StringRef stem, TypeRange arguments,
                                   int32_t block) {
  gpu::GPUModuleOp kernels = findKernelModule(module);
  OpBuilder b(module.getContext());
  if (!kernels) {
    module->setAttr(gpu::GPUDialect::getContainerModuleAttrName(),
                    b.getUnitAttr());
    b.setInsertionPointToEnd(module.getBody());
    kernels = gpu::GPUModuleOp::create(b, module.getLoc(), "kernels");
  }
  std::string name;
  for (unsigned i = 0; name.empty() || kernels.lookupSymbol(name); ++i)
    name = (stem + "_" + Twine(i)).str();
  b.setInsertionPointToEnd(kernels.getBody());
  auto kernel =
      gpu::GPUFuncOp::create(b, loc, name, b.getFunctionType(arguments, {}));
  kernel->setAttr(gpu::GPUDialect::getKernelFuncAttrName(), b.getUnitAttr());
  kernel.setKnownBlockSizeAttr(b.getDenseI32ArrayAttr({block, 1, 1}));
  b.setInsertionPointToEnd(&kernel.getBody().front());
  gpu::ReturnOp::create(b, loc);
  return kernel;
}

void route::launchKernel(ImplicitLocOpBuilder &b, gpu::GPUFuncOp kernel,
                         Value grid, ValueRange operands) {
  Value one = arith::ConstantIndexOp::create(b, 1);
  Value block =
      arith::ConstantIndexOp::create(b, kernel.getKnownBlockSize()->front());
  gpu::LaunchFuncOp::create(b, kernel, gpu::KernelDim3{grid, one, one},
                            gpu::KernelDim3{block, one, one},
                            /*dynamicSharedMemorySize=*/Value(), operands);
}

Value route::gridFor(ImplicitLocOpBuilder &b, gpu::GPUFuncOp kernel,
                     Value count) {
  Value block =
      arith::ConstantIndexOp::create(b, kernel.getKnownBlockSize()->front());
  return arith::CeilDivUIOp::create(b, count, block);
}

void route::forEachThread(ImplicitLocOpBuilder &b, gpu::GPUFuncOp kernel,
                          Value count, llvm::function_ref<void(Value)> body) {
  Value block =
      arith::ConstantIndexOp::create(b, kernel.getKnownBlockSize()->front());
  auto mul = [&](Value x, Value y) -> Value {
    return arith::MulIOp::create(b, x, y);
  };
  Value first = arith::AddIOp::create(
      b, mul(gpu::BlockIdOp::create(b, gpu::Dimension::x), block),
      gpu::ThreadIdOp::create(b, gpu::Dimension::x));
  Value step = mul(gpu::GridDimOp::create(b, gpu::Dimension::x), block);
  auto loop = scf::ForOp::create(b, first, count, step);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  body(loop.getInductionVar());
}
