// route-lower-launches: launches go through the table of functions that the
// runtime hands to entries for devices.
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "route/Kernels/Kernels.h"
#include "route/Target/CUDA/Passes.h"
#include "route/route_module.h"
#include <cstddef>

namespace route {
#define GEN_PASS_DEF_ROUTELOWERLAUNCHES
#include "route/Target/CUDA/Passes.h.inc"
} // namespace route

using namespace mlir;
using namespace route;

namespace {
struct LowerLaunches : route::impl::RouteLowerLaunchesBase<LowerLaunches> {
  void runOnOperation() override {
    gpu::GPUModuleOp kernels = findKernelModule(getOperation());
    if (!kernels)
      return;
    int64_t next = 0;
    for (auto kernel : kernels.getOps<gpu::GPUFuncOp>())
      numbers[kernel.getName()] = next++;
    SmallVector<gpu::LaunchFuncOp> launches;
    for (auto function : getOperation().getOps<func::FuncOp>())
      function.walk([&](gpu::LaunchFuncOp op) { launches.push_back(op); });
    for (gpu::LaunchFuncOp launch : launches)
      lower(launch);
  }

private:
  void lower(gpu::LaunchFuncOp launch) {
    auto entry = launch->getParentOfType<func::FuncOp>();
    Location loc = launch.getLoc();
    OpBuilder b(launch);
    LLVMTypeConverter converter(&getContext());
    Type pointer = LLVM::LLVMPointerType::get(&getContext());
    Type i32 = b.getI32Type(), i64 = b.getI64Type();

    SmallVector<Value> values;
    for (Value operand : launch.getKernelOperands()) {
      Type type = converter.convertType(operand.getType());
      Value lowered =
          type == operand.getType()
              ? operand
              : UnrealizedConversionCastOp::create(b, loc, type, operand)
                    .getResult(0);
      if (!isa<MemRefType>(operand.getType())) {
        values.push_back(lowered);
        continue;
      }
      auto buffer = cast<MemRefType>(operand.getType());
      auto field = [&](ArrayRef<int64_t> position) {
        values.push_back(
            LLVM::ExtractValueOp::create(b, loc, lowered, position));
      };
      for (int64_t i = 0; i < 3; ++i)
        field({i});
      for (int64_t part : {3, 4})
        for (int64_t i = 0; i < buffer.getRank(); ++i)
          field({part, i});
    }

    // The values, and an array of their addresses.
    SmallVector<Type> types;
    for (Value v : values)
      types.push_back(v.getType());
    auto record = LLVM::LLVMStructType::getLiteral(&getContext(), types);
    b.setInsertionPointToStart(&entry.getBody().front());
    Value one = LLVM::ConstantOp::create(b, loc, i64, b.getI64IntegerAttr(1));
    Value memory = LLVM::AllocaOp::create(b, loc, pointer, record, one);
    Value addresses = LLVM::AllocaOp::create(
        b, loc, pointer,
        LLVM::LLVMArrayType::get(pointer, std::max<size_t>(1, values.size())),
        one);
    b.setInsertionPoint(launch);
    for (auto [i, value] : llvm::enumerate(values)) {
      Value at = LLVM::GEPOp::create(
          b, loc, pointer, record, memory,
          ArrayRef<LLVM::GEPArg>{0, static_cast<int32_t>(i)});
      LLVM::StoreOp::create(b, loc, value, at);
      Value slot =
          LLVM::GEPOp::create(b, loc, pointer, pointer, addresses,
                              ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(i)});
      LLVM::StoreOp::create(b, loc, at, slot);
    }

    // launcher->launch(launcher, kernel, grid, block, addresses)
    auto load = [&](Value base, size_t offset) -> Value {
      Value at = LLVM::GEPOp::create(
          b, loc, pointer, b.getI8Type(), base,
          ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(offset)});
      return LLVM::LoadOp::create(b, loc, pointer, at);
    };
    Value env = entry.getArgument(entry.getNumArguments() - 1);
    Value device = load(env, offsetof(route_env, launcher));
    Value function = load(device, offsetof(route_launcher, launch));
    Value kernel = LLVM::ConstantOp::create(
        b, loc, i32,
        b.getI32IntegerAttr(numbers.lookup(launch.getKernelName())));
    Value grid = arith::IndexCastOp::create(b, loc, i64, launch.getGridSizeX());
    Value block =
        arith::IndexCastOp::create(b, loc, i32, launch.getBlockSizeX());
    auto type =
        LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(&getContext()),
                                    {pointer, i32, i64, i32, pointer});
    LLVM::CallOp::create(
        b, loc, type,
        ValueRange{function, device, kernel, grid, block, addresses});
    launch.erase();
  }

  llvm::StringMap<int64_t> numbers;
};
} // namespace
