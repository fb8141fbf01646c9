// GPU kernels in the making: their module, launches, loops over the grid.
#include "route/Kernels/Kernels.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

gpu::GPUModuleOp route::findKernelModule(ModuleOp module) {
  auto modules = module.getOps<gpu::GPUModuleOp>();
  return modules.empty() ? gpu::GPUModuleOp() : *modules.begin();
}

/// The module of kernels, made where there is none, and a name in it that
/// nothing has.
static std::pair<gpu::GPUModuleOp, std::string> placeFor(ModuleOp module,
                                                         StringRef stem) {
  gpu::GPUModuleOp kernels = route::findKernelModule(module);
  if (!kernels) {
    OpBuilder b = OpBuilder::atBlockEnd(module.getBody());
    module->setAttr(gpu::GPUDialect::getContainerModuleAttrName(),
                    b.getUnitAttr());
    kernels = gpu::GPUModuleOp::create(b, module.getLoc(), "kernels");
    // A pool or an entry may have the name.
    kernels->remove();
    SymbolTable(module).insert(kernels);
  }
  // Names in PTX have no dots, which those of events have.
  std::string plain = stem.str(), name;
  llvm::replace(plain, '.', '_');
  for (unsigned i = 0; name.empty() || kernels.lookupSymbol(name); ++i)
    name = plain + "_" + std::to_string(i);
  return {kernels, name};
}

gpu::GPUFuncOp route::createKernel(ModuleOp module, Location loc,
                                   StringRef stem, TypeRange arguments,
                                   int32_t block) {
  auto [kernels, name] = placeFor(module, stem);
  ImplicitLocOpBuilder b(loc, module.getContext());
  b.setInsertionPointToEnd(kernels.getBody());
  auto kernel =
      gpu::GPUFuncOp::create(b, name, b.getFunctionType(arguments, {}));
  kernel->setAttr(gpu::GPUDialect::getKernelFuncAttrName(), b.getUnitAttr());
  kernel.setKnownBlockSizeAttr(b.getDenseI32ArrayAttr({block, 1, 1}));
  b.setInsertionPointToEnd(&kernel.getBody().front());
  waitForEarlierKernels(b);
  gpu::ReturnOp::create(b);
  return kernel;
}

LLVM::LLVMFuncOp route::createWholeKernel(ModuleOp module, Location loc,
                                          StringRef stem, TypeRange arguments,
                                          int32_t block) {
  auto [kernels, name] = placeFor(module, stem);
  MLIRContext *context = module.getContext();
  ImplicitLocOpBuilder b(loc, context);
  b.setInsertionPointToEnd(kernels.getBody());
  auto type = LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(context),
                                          SmallVector<Type>(arguments));
  auto kernel = LLVM::LLVMFuncOp::create(b, name, type);
  kernel->setAttr(gpu::GPUDialect::getKernelFuncAttrName(), b.getUnitAttr());
  kernel->setAttr(NVVM::NVVMDialect::getKernelFuncAttrName(), b.getUnitAttr());
  kernel->setAttr(NVVM::NVVMDialect::getMaxntidAttrName(),
                  b.getDenseI32ArrayAttr({block}));
  kernel->setAttr(NVVM::NVVMDialect::getMinctasmAttrName(),
                  b.getI32IntegerAttr(1));
  b.setInsertionPointToStart(kernel.addEntryBlock(b));
  LLVM::ReturnOp::create(b, ValueRange());
  return kernel;
}

void route::addArguments(LLVM::LLVMFuncOp kernel, TypeRange types) {
  // Not insertArgument, which fails for functions without a result.
  Block &entry = kernel.getBody().front();
  SmallVector<DictionaryAttr> attributes;
  kernel.getAllArgAttrs(attributes);
  for (Type type : types) {
    entry.addArgument(type, kernel.getLoc());
    attributes.push_back(DictionaryAttr::get(kernel.getContext()));
  }
  kernel.setFunctionType(
      LLVM::LLVMFunctionType::get(kernel.getFunctionType().getReturnType(),
                                  SmallVector<Type>(entry.getArgumentTypes())));
  kernel.setAllArgAttrs(attributes);
}

void route::setTensorMap(LLVM::LLVMFuncOp kernel, unsigned argument,
                         ArrayRef<int64_t> box) {
  OpBuilder b(kernel.getContext());
  auto set = [&](StringRef name, Attribute value) {
    kernel.setArgAttr(argument, name, value);
  };
  set(LLVM::LLVMDialect::getByValAttrName(),
      TypeAttr::get(LLVM::LLVMArrayType::get(b.getI8Type(), 128)));
  set(LLVM::LLVMDialect::getAlignAttrName(), b.getI64IntegerAttr(64));
  set(NVVM::NVVMDialect::getGridConstantAttrName(), b.getUnitAttr());
  set(kTensorMapAttr, b.getDenseI64ArrayAttr(box));
}

Value route::dynamicShared(ImplicitLocOpBuilder &b) {
  constexpr StringLiteral name = "dynamic_shared";
  auto kernels =
      b.getInsertionBlock()->getParentOp()->getParentOfType<gpu::GPUModuleOp>();
  if (!kernels.lookupSymbol(name)) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(kernels.getBody());
    LLVM::GlobalOp::create(b, LLVM::LLVMArrayType::get(b.getI8Type(), 0),
                           /*isConstant=*/false, LLVM::Linkage::External, name,
                           Attribute(), /*alignment=*/1024,
                           /*addrSpace=*/3);
  }
  return LLVM::AddressOfOp::create(
      b, LLVM::LLVMPointerType::get(b.getContext(), 3), name);
}

void route::waitForEarlierKernels(ImplicitLocOpBuilder &b) {
  for (auto kind : {NVVM::GridDepActionKind::launch_dependents,
                    NVVM::GridDepActionKind::wait})
    NVVM::GriddepcontrolOp::create(
        b, NVVM::GridDepActionKindAttr::get(b.getContext(), kind));
  b.getInsertionBlock()->getParentOp()->setAttr(kWaitsAttr, b.getUnitAttr());
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

void route::launchKernel(ImplicitLocOpBuilder &b, LLVM::LLVMFuncOp kernel,
                         Value grid, ValueRange operands) {
  Value one = arith::ConstantIndexOp::create(b, 1);
  auto threads = kernel->getAttrOfType<DenseI32ArrayAttr>(
      NVVM::NVVMDialect::getMaxntidAttrName());
  Value block = arith::ConstantIndexOp::create(b, threads[0]);
  auto module = kernel->getParentOfType<gpu::GPUModuleOp>();
  auto symbol = SymbolRefAttr::get(
      module.getNameAttr(), {FlatSymbolRefAttr::get(kernel.getSymNameAttr())});
  gpu::LaunchFuncOp::create(b, symbol, gpu::KernelDim3{grid, one, one},
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
  kernel->setAttr(kAnyGridAttr, b.getUnitAttr());
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
