// Changes what kernels take after they are made.
#include "KernelArguments.h"
#include "DeviceValues.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "route/Kernels/Buffers.h"
#include "route/Kernels/Kernels.h"

using namespace mlir;
using namespace route;

void route::copyTable(ModuleOp module, memref::GetGlobalOp table) {
  gpu::GPUModuleOp kernels = findKernelModule(module);
  if (kernels.lookupSymbol(table.getName()))
    return;
  OpBuilder b = OpBuilder::atBlockBegin(kernels.getBody());
  b.clone(*module.lookupSymbol(table.getName()));
}

bool route::needsDevice(Value operand) {
  return isOnDevice(operand) ||
         (isa<BaseMemRefType>(operand.getType()) &&
          bufferOf(operand).getDefiningOp<memref::GetGlobalOp>());
}

/// The kernel of a launch, which no other launch has.
static FunctionOpInterface ownKernel(gpu::LaunchFuncOp launch) {
  auto module = launch->getParentOfType<ModuleOp>();
  gpu::GPUModuleOp kernels = findKernelModule(module);
  auto kernel =
      cast<FunctionOpInterface>(kernels.lookupSymbol(launch.getKernelName()));
  unsigned users = 0;
  module.walk([&](gpu::LaunchFuncOp other) {
    users += other.getKernelName() == launch.getKernelName();
  });
  if (users <= 1)
    return kernel;
  auto copy = cast<FunctionOpInterface>(kernel->clone());
  std::string name;
  for (unsigned i = 0; name.empty() || kernels.lookupSymbol(name); ++i)
    name = (kernel.getName() + "_" + Twine(i)).str();
  SymbolTable::setSymbolName(copy, name);
  kernels.getBody()->getOperations().insertAfter(kernel->getIterator(), copy);
  launch.setKernelAttr(
      SymbolRefAttr::get(kernels.getNameAttr(),
                         {FlatSymbolRefAttr::get(launch.getContext(), name)}));
  return copy;
}

static bool writtenBetween(Operation *from, Operation *to) {
  for (Operation *op = from->getNextNode(); op != to; op = op->getNextNode())
    if (writesMemory(op))
      return true;
  return false;
}

/// Adds the operations that `value` is computed by, in their order, down to
/// what the host knows; false where the kernel cannot run them.
static bool addSlice(Value value, Operation *launch,
                     llvm::SetVector<Operation *> &slice) {
  Operation *op = value.getDefiningOp();
  if (op && isa<arith::ConstantOp, memref::GetGlobalOp>(op)) {
    slice.insert(op);
    return true;
  }
  if (!needsDevice(value))
    return true;
  if (!op || op->getNumRegions() || slice.contains(op))
    return op && slice.contains(op);
  if (isa<memref::LoadOp>(op)) {
    if (op->getBlock() != launch->getBlock() || writtenBetween(op, launch))
      return false;
  } else if (!isPure(op)) {
    return false;
  }
  if (!llvm::all_of(op->getOperands(), [&](Value operand) {
        return addSlice(operand, launch, slice);
      }))
    return false;
  slice.insert(op);
  return true;
}

/// Where the kernel may first read memory: behind its wait for earlier kernels,
/// which comes to the front if it does other things before.
static Block::iterator afterWait(gpu::GPUFuncOp kernel) {
  Block &entry = kernel.getBody().front();
  auto at = entry.begin();
  bool waits = !kernel->hasAttr(kWaitsAttr);
  for (; isa<NVVM::GriddepcontrolOp>(*at); ++at)
    waits |= cast<NVVM::GriddepcontrolOp>(*at).getKind() ==
             NVVM::GridDepActionKind::wait;
  if (!waits) {
    ImplicitLocOpBuilder b(kernel.getLoc(), kernel.getContext());
    b.setInsertionPoint(&entry, at);
    waitForEarlierKernels(b);
  }
  return at;
}

/// The kernel's argument for an operand of the launch, which is added if the
/// launch has none such.
static Value argumentFor(gpu::LaunchFuncOp launch, gpu::GPUFuncOp kernel,
                         Value operand) {
  for (auto [i, other] : llvm::enumerate(launch.getKernelOperands()))
    if (other == operand)
      return kernel.getArgument(i);
  unsigned i = kernel.getNumArguments();
  (void)kernel.insertArgument(i, operand.getType(), {}, launch.getLoc());
  launch.getKernelOperandsMutable().append(operand);
  return kernel.getArgument(i);
}

void route::computeInKernel(gpu::LaunchFuncOp launch) {
  for (unsigned i = 0; i < launch.getNumKernelOperands();) {
    Value operand = launch.getKernelOperand(i++);
    llvm::SetVector<Operation *> slice;
    if (!needsDevice(operand) || !addSlice(operand, launch, slice))
      continue;
    auto kernel = dyn_cast<gpu::GPUFuncOp>(ownKernel(launch).getOperation());
    if (!kernel)
      continue;
    Block &entry = kernel.getBody().front();
    Block::iterator front = afterWait(kernel);
    OpBuilder b(&entry, front);
    IRMapping mapping;
    for (Operation *op : slice) {
      if (auto table = dyn_cast<memref::GetGlobalOp>(op))
        copyTable(launch->getParentOfType<ModuleOp>(), table);
      for (Value v : op->getOperands())
        if (!mapping.contains(v))
          mapping.map(v, argumentFor(launch, kernel, v));
      b.clone(*op, mapping);
    }
    --i;
    kernel.getArgument(i).replaceAllUsesWith(mapping.lookup(operand));
    (void)kernel.eraseArgument(i);
    launch.getKernelOperandsMutable().erase(i);
  }
}

static void guardBody(gpu::GPUFuncOp kernel, Value guard) {
  Block &entry = kernel.getBody().front();
  ImplicitLocOpBuilder b(kernel.getLoc(), kernel.getContext());
  b.setInsertionPoint(&entry, afterWait(kernel));
  Value on = memref::LoadOp::create(b, guard, ValueRange());
  auto body = scf::IfOp::create(b, on, /*withElseRegion=*/false);
  auto &inside = body.thenBlock()->getOperations();
  inside.splice(inside.begin(), entry.getOperations(),
                std::next(body->getIterator()),
                entry.getTerminator()->getIterator());
}

/// The guard is the fields of a buffer without dimensions.
static void guardBody(LLVM::LLVMFuncOp kernel, unsigned guard) {
  Block &entry = kernel.getBody().front();
  Block *rest = entry.splitBlock(entry.begin());
  ImplicitLocOpBuilder b(kernel.getLoc(), kernel.getContext());
  b.setInsertionPointToEnd(&entry);
  if (kernel->hasAttr(kWaitsAttr))
    waitForEarlierKernels(b);
  Type i8 = b.getI8Type();
  Value at = LLVM::GEPOp::create(
      b, LLVM::LLVMPointerType::get(b.getContext()), i8,
      kernel.getArgument(guard + 1),
      ArrayRef<LLVM::GEPArg>{kernel.getArgument(guard + 2)});
  Value on = LLVM::ICmpOp::create(
      b, LLVM::ICmpPredicate::ne, LLVM::LoadOp::create(b, i8, at),
      LLVM::ConstantOp::create(b, i8, b.getI8IntegerAttr(0)));
  auto *exit = new Block();
  kernel.getBody().push_back(exit);
  LLVM::CondBrOp::create(b, on, rest, exit);
  b.setInsertionPointToEnd(exit);
  LLVM::ReturnOp::create(b, ValueRange());
}

void route::addGuard(gpu::LaunchFuncOp launch, Value guard) {
  FunctionOpInterface function = ownKernel(launch);
  if (auto kernel = dyn_cast<gpu::GPUFuncOp>(function.getOperation())) {
    guardBody(kernel, argumentFor(launch, kernel, guard));
    return;
  }
  auto kernel = cast<LLVM::LLVMFuncOp>(function.getOperation());
  unsigned first = kernel.getNumArguments();
  OpBuilder b(launch);
  Type pointer = LLVM::LLVMPointerType::get(launch.getContext());
  addArguments(kernel, {pointer, pointer, b.getI64Type()});
  guardBody(kernel, first);
  launch.getKernelOperandsMutable().append(guard);
}
