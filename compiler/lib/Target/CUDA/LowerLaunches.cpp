// route-lower-launches: launches become calls of the runtime's functions.
// The runtime hands a table of them to entries for devices.
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
    for (auto kernel : kernels.getOps<FunctionOpInterface>()) {
      if (!kernel->hasAttr(gpu::GPUDialect::getKernelFuncAttrName()))
        continue;
      functions[kernel.getName()] = {kernel, next++};
    }
    SmallVector<gpu::LaunchFuncOp> launches;
    for (auto function : getOperation().getOps<func::FuncOp>())
      function.walk([&](gpu::LaunchFuncOp op) { launches.push_back(op); });
    for (gpu::LaunchFuncOp launch : launches)
      lower(launch);
    SmallVector<gpu::MemcpyOp> uploads;
    for (auto function : getOperation().getOps<func::FuncOp>())
      function.walk([&](gpu::MemcpyOp op) { uploads.push_back(op); });
    for (gpu::MemcpyOp upload : uploads)
      lower(upload);
  }

private:
  /// launcher->launch(launcher, kernel, grid, block, addresses)
  void lower(gpu::LaunchFuncOp launch) {
    auto entry = launch->getParentOfType<func::FuncOp>();
    Location loc = launch.getLoc();
    OpBuilder b(launch);
    Type pointer = LLVM::LLVMPointerType::get(&getContext());
    Type i32 = b.getI32Type(), i64 = b.getI64Type();
    auto [callee, number] = functions.lookup(launch.getKernelName());
    SmallVector<Value> values = valuesFor(b, entry, launch, callee);
    Value addresses = addressesOf(b, entry, launch, callee, values);
    auto [device, function] =
        launcher(b, loc, entry, offsetof(route_launcher, launch));
    Value kernel =
        LLVM::ConstantOp::create(b, loc, i32, b.getI32IntegerAttr(number));
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

  /// The box of an argument that is a tensor map; null for others.
  static DenseI64ArrayAttr tensorMapBox(FunctionOpInterface kernel,
                                        unsigned argument) {
    // Arguments of a kernel in the LLVM dialect are fields already.
    return isa<LLVM::LLVMFuncOp>(kernel)
               ? kernel.getArgAttrOfType<DenseI64ArrayAttr>(argument,
                                                            kTensorMapAttr)
               : DenseI64ArrayAttr();
  }

  /// The values that the kernel takes: scalars, the fields of buffers, tensor
  /// maps.
  SmallVector<Value> valuesFor(OpBuilder &b, func::FuncOp entry,
                               gpu::LaunchFuncOp launch,
                               FunctionOpInterface kernel) {
    Location loc = launch.getLoc();
    LLVMTypeConverter converter(&getContext());
    SmallVector<Value> values;
    for (Value operand : launch.getKernelOperands()) {
      if (auto box = tensorMapBox(kernel, values.size())) {
        values.push_back(tensorMap(b, entry, launch, operand, box));
        continue;
      }
      Type type = converter.convertType(operand.getType());
      Value lowered =
          type == operand.getType()
              ? operand
              : UnrealizedConversionCastOp::create(b, loc, type, operand)
                    .getResult(0);
      auto buffer = dyn_cast<MemRefType>(operand.getType());
      if (!buffer) {
        values.push_back(lowered);
        continue;
      }
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
    return values;
  }

  /// An array of the values' addresses; a tensor map is passed as what its
  /// address leads to.
  Value addressesOf(OpBuilder &b, func::FuncOp entry, gpu::LaunchFuncOp launch,
                    FunctionOpInterface kernel, ArrayRef<Value> values) {
    Location loc = launch.getLoc();
    Type pointer = LLVM::LLVMPointerType::get(&getContext());
    SmallVector<Type> types(ValueRange(values).getTypes());
    auto record = LLVM::LLVMStructType::getLiteral(&getContext(), types);
    b.setInsertionPointToStart(&entry.getBody().front());
    Value one = LLVM::ConstantOp::create(b, loc, b.getI64Type(),
                                         b.getI64IntegerAttr(1));
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
      if (tensorMapBox(kernel, i))
        at = value;
      else
        LLVM::StoreOp::create(b, loc, value, at);
      Value slot =
          LLVM::GEPOp::create(b, loc, pointer, pointer, addresses,
                              ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(i)});
      LLVM::StoreOp::create(b, loc, at, slot);
    }
    return addresses;
  }

  /// launcher->upload(launcher, to, from, bytes), of buffers that lie row by
  /// row.
  void lower(gpu::MemcpyOp copy) {
    auto entry = copy->getParentOfType<func::FuncOp>();
    Location loc = copy.getLoc();
    OpBuilder b(copy);
    LLVMTypeConverter converter(&getContext());
    Type pointer = LLVM::LLVMPointerType::get(&getContext());
    Type i64 = b.getI64Type();
    auto number = [&](int64_t v) -> Value {
      return LLVM::ConstantOp::create(b, loc, i64, b.getI64IntegerAttr(v));
    };
    auto type = cast<MemRefType>(copy.getDst().getType());
    Type element = converter.convertType(type.getElementType());
    // An index has become an i64.
    Value bytes = number(llvm::divideCeil(element.getIntOrFloatBitWidth(), 8));
    SmallVector<Value> starts;
    for (Value buffer : {copy.getDst(), copy.getSrc()}) {
      Value lowered =
          UnrealizedConversionCastOp::create(
              b, loc, converter.convertType(buffer.getType()), buffer)
              .getResult(0);
      auto field = [&](ArrayRef<int64_t> position) -> Value {
        return LLVM::ExtractValueOp::create(b, loc, lowered, position);
      };
      starts.push_back(LLVM::GEPOp::create(
          b, loc, pointer, element, field({1}),
          ArrayRef<LLVM::GEPArg>{LLVM::GEPArg(field({2}))}));
      if (buffer == copy.getDst())
        for (int64_t i = 0; i < type.getRank(); ++i)
          bytes = LLVM::MulOp::create(b, loc, bytes, field({3, i}));
    }
    auto [device, function] =
        launcher(b, loc, entry, offsetof(route_launcher, upload));
    LLVM::CallOp::create(
        b, loc,
        LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(&getContext()),
                                    {pointer, pointer, pointer, i64}),
        ValueRange{function, device, starts[0], starts[1], bytes});
    copy.erase();
  }

  /// The launcher of the entry's call, and one of its functions.
  std::pair<Value, Value> launcher(OpBuilder &b, Location loc,
                                   func::FuncOp entry, size_t member) {
    Type pointer = LLVM::LLVMPointerType::get(&getContext());
    auto load = [&](Value base, size_t offset) -> Value {
      Value at = LLVM::GEPOp::create(
          b, loc, pointer, b.getI8Type(), base,
          ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(offset)});
      return LLVM::LoadOp::create(b, loc, pointer, at);
    };
    Value env = entry.getArgument(entry.getNumArguments() - 1);
    Value device = load(env, offsetof(route_env, launcher));
    return {device, load(device, member)};
  }

  /// The address of a tensor map of the buffer, which the runtime makes.
  Value tensorMap(OpBuilder &b, func::FuncOp entry, gpu::LaunchFuncOp launch,
                  Value buffer, DenseI64ArrayAttr box) {
    Location loc = launch.getLoc();
    Type pointer = LLVM::LLVMPointerType::get(&getContext());
    Type i32 = b.getI32Type(), i64 = b.getI64Type();
    auto type = cast<MemRefType>(buffer.getType());
    auto record = LLVM::LLVMStructType::getLiteral(
        &getContext(),
        {pointer, i64, i32, i32, LLVM::LLVMArrayType::get(i64, 5),
         LLVM::LLVMArrayType::get(i64, 5), LLVM::LLVMArrayType::get(i32, 5),
         i32});
    auto number = [&](Type type, int64_t v) -> Value {
      return LLVM::ConstantOp::create(b, loc, type, IntegerAttr::get(type, v));
    };
    Value request, map;
    {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(&entry.getBody().front());
      Value one = number(i64, 1);
      request = LLVM::AllocaOp::create(b, loc, pointer, record, one);
      map = LLVM::AllocaOp::create(
          b, loc, pointer, LLVM::LLVMArrayType::get(b.getI8Type(), 128), one,
          /*alignment=*/64);
    }
    auto set = [&](Value v, ArrayRef<LLVM::GEPArg> field) {
      SmallVector<LLVM::GEPArg> path{0};
      path.append(field.begin(), field.end());
      LLVM::StoreOp::create(
          b, loc, v,
          LLVM::GEPOp::create(b, loc, pointer, record, request, path));
    };
    Value lowered =
        UnrealizedConversionCastOp::create(
            b, loc, LLVMTypeConverter(&getContext()).convertType(type), buffer)
            .getResult(0);
    auto field = [&](ArrayRef<int64_t> position) -> Value {
      return LLVM::ExtractValueOp::create(b, loc, lowered, position);
    };
    set(field({1}), {0});
    set(field({2}), {1});
    Type element = type.getElementType();
    set(number(i32, element.isF32()    ? ROUTE_F32
                    : element.isBF16() ? ROUTE_BF16
                                       : ROUTE_F16),
        {2});
    set(number(i32, type.getRank()), {3});
    for (int32_t i = 0; i < type.getRank(); ++i) {
      set(field({3, i}), {4, i});
      set(field({4, i}), {5, i});
      set(number(i32, box[i]), {6, i});
    }
    auto [device, function] =
        launcher(b, loc, entry, offsetof(route_launcher, tensor_map));
    LLVM::CallOp::create(
        b, loc,
        LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(&getContext()),
                                    {pointer, pointer, pointer}),
        ValueRange{function, device, request, map});
    return map;
  }

  llvm::StringMap<std::pair<FunctionOpInterface, int64_t>> functions;
};
} // namespace
