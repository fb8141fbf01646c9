// route-lower-launches: launches become calls of the runtime's functions.
// The runtime hands a table of them to entries for devices.
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
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
  /// A launch's values, each once, in slots of 8 bytes on the stack, and the
  /// slot of each of the kernel's arguments.
  struct Record {
    Value memory;
    SmallVector<int32_t> places;
  };

  /// launch(launcher, kernel, grid, block, memory, places, number of places)
  void lower(gpu::LaunchFuncOp launch) {
    auto entry = launch->getParentOfType<func::FuncOp>();
    Location loc = launch.getLoc();
    OpBuilder b(launch);
    Type i32 = b.getI32Type(), i64 = b.getI64Type();
    auto [callee, number] = functions.lookup(launch.getKernelName());
    Record record = recordOf(b, entry, launch, callee);
    Value kernel =
        LLVM::ConstantOp::create(b, loc, i32, b.getI32IntegerAttr(number));
    Value grid = arith::IndexCastOp::create(b, loc, i64, launch.getGridSizeX());
    Value block =
        arith::IndexCastOp::create(b, loc, i32, launch.getBlockSizeX());
    Value places = tableOf(b, loc, record.places);
    Value count = LLVM::ConstantOp::create(
        b, loc, b.getI64IntegerAttr(record.places.size()));
    func::CallOp::create(b, loc, launcherOf(record.places.size()),
                         ValueRange{loadLauncher(b, loc, entry), kernel, grid,
                                    block, record.memory, places, count});
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

  /// The values that the kernel takes: tensor maps, scalars, the fields of
  /// buffers. Kernels free nothing, so that a buffer has one pointer.
  Record recordOf(OpBuilder &b, func::FuncOp entry, gpu::LaunchFuncOp launch,
                  FunctionOpInterface kernel) {
    constexpr int32_t mapSlots = 128 / 8;
    Location loc = launch.getLoc();
    Type pointer = LLVM::LLVMPointerType::get(&getContext());
    Type i64 = b.getI64Type();
    LLVMTypeConverter converter(&getContext());
    Record record;
    // As many slots as there are values is known behind them.
    auto memory = [&] {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(&entry.getBody().front());
      Value one = LLVM::ConstantOp::create(b, loc, b.getI64IntegerAttr(1));
      return LLVM::AllocaOp::create(b, loc, pointer, i64, one,
                                    /*alignment=*/64);
    }();
    record.memory = memory;
    auto slot = [&](int32_t place) -> Value {
      return LLVM::GEPOp::create(b, loc, pointer, i64, record.memory,
                                 ArrayRef<LLVM::GEPArg>{place});
    };
    int32_t slots = 0;
    llvm::DenseMap<Value, int32_t> placeOf;
    llvm::DenseMap<int64_t, int32_t> placeOfNumber;
    auto put = [&](Value value) {
      auto [at, isNew] = placeOf.try_emplace(value, slots);
      if (isNew)
        LLVM::StoreOp::create(b, loc, value, slot(slots++));
      record.places.push_back(at->second);
    };
    // Tensor maps come first: they are aligned.
    for (unsigned i = 0; i < kernel.getNumArguments(); ++i)
      slots += tensorMapBox(kernel, i) ? mapSlots : 0;
    int32_t nextMap = 0;
    for (Value operand : launch.getKernelOperands()) {
      if (auto box = tensorMapBox(kernel, record.places.size())) {
        makeTensorMap(b, entry, launch, operand, box, slot(nextMap));
        record.places.push_back(nextMap);
        nextMap += mapSlots;
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
        put(lowered);
        continue;
      }
      auto field = [&](ArrayRef<int64_t> position, int64_t known) {
        if (ShapedType::isDynamic(known))
          return put(LLVM::ExtractValueOp::create(b, loc, lowered, position));
        auto [at, isNew] = placeOfNumber.try_emplace(known, slots);
        if (isNew)
          LLVM::StoreOp::create(
              b, loc,
              LLVM::ConstantOp::create(b, loc, b.getI64IntegerAttr(known)),
              slot(slots++));
        record.places.push_back(at->second);
      };
      auto [strides, offset] = buffer.getStridesAndOffset();
      field({1}, ShapedType::kDynamic);
      record.places.push_back(record.places.back());
      field({2}, offset);
      for (int64_t i = 0; i < buffer.getRank(); ++i)
        field({3, i}, buffer.getDimSize(i));
      for (int64_t i = 0; i < buffer.getRank(); ++i)
        field({4, i}, strides[i]);
    }
    memory.setElemType(LLVM::LLVMArrayType::get(i64, std::max(1, slots)));
    return record;
  }

  /// The places as a constant of the module.
  Value tableOf(OpBuilder &b, Location loc, ArrayRef<int32_t> places) {
    auto type = LLVM::LLVMArrayType::get(b.getI32Type(),
                                         std::max<size_t>(1, places.size()));
    SmallVector<int32_t> padded(places);
    padded.resize(type.getNumElements());
    auto value = b.getI32TensorAttr(padded);
    LLVM::GlobalOp &table = tables[value];
    if (!table) {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(getOperation().getBody());
      table = LLVM::GlobalOp::create(
          b, loc, type, /*isConstant=*/true, LLVM::Linkage::Internal,
          "route.places." + std::to_string(tables.size() - 1), value);
    }
    return LLVM::AddressOfOp::create(b, loc, table);
  }

  /// The function that makes the addresses of a record's values and calls
  /// launcher->launch(launcher, kernel, grid, block, addresses). A launch would
  /// take two instructions for each address.
  func::FuncOp launcherOf(int64_t numPlaces) {
    Type pointer = LLVM::LLVMPointerType::get(&getContext());
    if (!launchFunction) {
      Location loc = getOperation().getLoc();
      OpBuilder b = OpBuilder::atBlockEnd(getOperation().getBody());
      Type i32 = b.getI32Type(), i64 = b.getI64Type();
      launchFunction = func::FuncOp::create(
          b, loc, "route.launch",
          b.getFunctionType({pointer, i32, i64, i32, pointer, pointer, i64},
                            {}));
      launchFunction.setPrivate();
      launchFunction->setAttr("passthrough", b.getStrArrayAttr({"noinline"}));
      Block *body = launchFunction.addEntryBlock();
      b.setInsertionPointToStart(body);
      Value memory = body->getArgument(4), places = body->getArgument(5);
      Value one = LLVM::ConstantOp::create(b, loc, b.getI64IntegerAttr(1));
      addresses = LLVM::AllocaOp::create(b, loc, pointer, pointer, one);
      auto index = [&](Value v) -> Value {
        return arith::IndexCastOp::create(b, loc, b.getIndexType(), v);
      };
      auto zero = arith::ConstantIndexOp::create(b, loc, 0);
      auto step = arith::ConstantIndexOp::create(b, loc, 1);
      scf::ForOp::create(
          b, loc, zero, index(body->getArgument(6)), step, ValueRange(),
          [&](OpBuilder &b, Location loc, Value i, ValueRange) {
            Value n = arith::IndexCastOp::create(b, loc, i64, i);
            auto at = [&](Type type, Value base, Value i) -> Value {
              return LLVM::GEPOp::create(b, loc, pointer, type, base,
                                         ArrayRef<LLVM::GEPArg>{i});
            };
            Value place = LLVM::LoadOp::create(b, loc, i32, at(i32, places, n));
            LLVM::StoreOp::create(b, loc, at(i64, memory, place),
                                  at(pointer, addresses, n));
            scf::YieldOp::create(b, loc);
          });
      Value device = body->getArgument(0);
      auto type =
          LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(&getContext()),
                                      {pointer, i32, i64, i32, pointer});
      LLVM::CallOp::create(
          b, loc, type,
          ValueRange{
              loadPointer(b, loc, device, offsetof(route_launcher, launch)),
              device, body->getArgument(1), body->getArgument(2),
              body->getArgument(3), addresses});
      func::ReturnOp::create(b, loc);
    }
    mostPlaces = std::max(mostPlaces, numPlaces);
    addresses.setElemType(LLVM::LLVMArrayType::get(pointer, mostPlaces));
    return launchFunction;
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

  /// The pointer that lies `offset` bytes behind `base`.
  Value loadPointer(OpBuilder &b, Location loc, Value base, size_t offset) {
    Type pointer = LLVM::LLVMPointerType::get(&getContext());
    Value at = LLVM::GEPOp::create(
        b, loc, pointer, b.getI8Type(), base,
        ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(offset)});
    return LLVM::LoadOp::create(b, loc, pointer, at);
  }

  /// The launcher of the entry's call.
  Value loadLauncher(OpBuilder &b, Location loc, func::FuncOp entry) {
    return loadPointer(b, loc, entry.getArgument(entry.getNumArguments() - 1),
                       offsetof(route_env, launcher));
  }

  /// The launcher, and one of its functions.
  std::pair<Value, Value> launcher(OpBuilder &b, Location loc,
                                   func::FuncOp entry, size_t member) {
    Value device = loadLauncher(b, loc, entry);
    return {device, loadPointer(b, loc, device, member)};
  }

  /// Has the runtime make a tensor map of the buffer.
  void makeTensorMap(OpBuilder &b, func::FuncOp entry, gpu::LaunchFuncOp launch,
                     Value buffer, DenseI64ArrayAttr box, Value map) {
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
    Value request;
    {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(&entry.getBody().front());
      request = LLVM::AllocaOp::create(b, loc, pointer, record, number(i64, 1));
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
  }

  llvm::StringMap<std::pair<FunctionOpInterface, int64_t>> functions;
  llvm::DenseMap<Attribute, LLVM::GlobalOp> tables;
  func::FuncOp launchFunction;
  LLVM::AllocaOp addresses; ///< in it
  int64_t mostPlaces = 1;
};
} // namespace
