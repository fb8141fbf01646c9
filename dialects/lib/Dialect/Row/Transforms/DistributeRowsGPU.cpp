// row-distribute-gpu: row programs become GPU kernels, a warp or less an item.
#include "Emitter.h"
#include "LongSums.h"
#include "WarpEmitter.h"
#include "route/Dialect/Row/Transforms/Passes.h"
#include "route/Kernels/Kernels.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Dominance.h"

using namespace mlir;

namespace route::row {
#define GEN_PASS_DEF_ROWDISTRIBUTEGPU
#include "route/Dialect/Row/Transforms/Passes.h.inc"

namespace {

/// Shared memory that a block may declare.
constexpr int64_t kMaxSharedBytes = 48 * 1024;

/// Whether the program is part of what is done item by item: for a few items,
/// in a loop of unknown many rounds, which one kernel runs as a whole.
bool isPartOfItem(ProgramOp program) {
  constexpr int64_t kFewItems = 16;
  for (Value v : program.getDpsInits()) {
    auto type = cast<ShapedType>(v.getType());
    if (!type.hasStaticShape() ||
        (type.getRank() && type.getDimSize(0) > kFewItems))
      return false;
  }
  for (Operation *up = program->getParentOp(); up; up = up->getParentOp()) {
    auto loop = dyn_cast<scf::ForOp>(up);
    if (isa<scf::WhileOp>(up) || (loop && !loop.getStaticTripCount()))
      return true;
  }
  return false;
}

struct DistributeGPUPass : impl::RowDistributeGPUBase<DistributeGPUPass> {
  using RowDistributeGPUBase::RowDistributeGPUBase;

  void runOnOperation() override {
    SmallVector<ProgramOp> programs;
    getOperation().walk([&](ProgramOp op) { programs.push_back(op); });
    for (ProgramOp program : programs) {
      bool whole = !isPartOfItem(program), fits = fitsWarp(program);
      if (whole && !fits && splitLongSum(program))
        continue;
      if (failed(whole && fits ? lower(program) : distributeInPlace(program)))
        return signalPassFailure();
    }
  }

private:
  LogicalResult lower(ProgramOp program);
  FailureOr<gpu::GPUFuncOp> makeKernel(ProgramOp program, TypeRange types,
                                       int32_t block);
};

/// Lanes of a program's items: those whose order matters are one warp's.
int64_t lanesOf(ProgramOp program, bool atomic) {
  return atomic ? WarpEmitter::lanesFor(program) : WarpEmitter::kLanes;
}

/// Whether every item may run at the same time as others.
bool isAtomic(ProgramOp program) {
  return llvm::all_of(program.getAccumulators(), [](Value v) {
    auto type = cast<ShapedType>(v.getType());
    return type.getElementType().isInteger(32) && type.hasStaticShape();
  });
}

/// The buffer that a result is copied to, if it is there before the program
/// runs and nobody reads or writes it in between; null without one.
Value findDestination(ProgramOp program, Value result) {
  DominanceInfo dominance(program->getParentOp());
  for (Operation *user : result.getUsers()) {
    auto copy = dyn_cast<bufferization::MaterializeInDestinationOp>(user);
    if (!copy || copy.getSource() != result || !copy.getRestrict() ||
        copy->getBlock() != program->getBlock() ||
        !isa<MemRefType>(copy.getDest().getType()))
      continue;
    auto type = cast<MemRefType>(copy.getDest().getType());
    if (type.getLayout().isIdentity() && copy.getDest().hasOneUse() &&
        dominance.properlyDominates(copy.getDest(), program)) {
      Value to = copy.getDest();
      copy.erase();
      return to;
    }
  }
  return nullptr;
}

/// The program as a kernel on buffers of these types, for blocks of so many
/// threads; null where a block lacks shared memory for their items.
FailureOr<gpu::GPUFuncOp> DistributeGPUPass::makeKernel(ProgramOp program,
                                                        TypeRange types,
                                                        int32_t block) {
  const bool atomic = isAtomic(program);
  unsigned inputs = program.getInputs().size(),
           uniforms = program.getUniforms().size(),
           outputs = program.getOutputs().size();
  std::string stem = "program";
  if (auto parent = program->getParentOfType<FunctionOpInterface>())
    stem = parent.getName().str();
  gpu::GPUFuncOp kernel = createKernel(getOperation(), program.getLoc(),
                                       stem + "_rows", types, block);
  Block &entry = kernel.getBody().front();
  ImplicitLocOpBuilder k(program.getLoc(), entry.getTerminator());
  kernel->setAttr(kItemInputsAttr, k.getI64IntegerAttr(inputs));
  kernel->setAttr(kAnyGridAttr, k.getUnitAttr());
  auto index = [](ImplicitLocOpBuilder &b, int64_t v) -> Value {
    return arith::ConstantIndexOp::create(b, v);
  };
  // A copy: shared memory becomes further arguments of the block.
  SmallVector<Value> all(entry.getArguments());
  ValueRange arguments = all;
  unsigned any = outputs ? inputs + uniforms : 0;
  Value thread = gpu::ThreadIdOp::create(k, gpu::Dimension::x);
  const int64_t lanes = lanesOf(program, atomic);
  const int64_t each = 32 / lanes; // items of a warp
  Value lane = arith::RemUIOp::create(k, thread, index(k, lanes));
  Value segment = arith::DivUIOp::create(k, thread, index(k, lanes));
  Value warp = each == 1
                   ? segment
                   : Value(arith::DivUIOp::create(k, thread, index(k, 32)));
  Value warps = index(k, block / 32);
  Value first = arith::AddIOp::create(
      k,
      arith::MulIOp::create(k, gpu::BlockIdOp::create(k, gpu::Dimension::x),
                            warps),
      warp);
  Value step = arith::MulIOp::create(
      k, gpu::GridDimOp::create(k, gpu::Dimension::x), warps);
  Value count = memref::DimOp::create(k, arguments[any], 0);
  if (each > 1) {
    first = arith::MulIOp::create(k, first, index(k, each));
    step = arith::MulIOp::create(k, step, index(k, each));
  }
  auto loop = scf::ForOp::create(k, first, count, step);
  k.setInsertionPointToStart(loop.getBody());
  Value item = loop.getInductionVar(), isNew;
  if (each > 1) {
    // A warp's segments stay together: beyond the last item they repeat it.
    item = arith::AddIOp::create(
        k, item, arith::RemUIOp::create(k, segment, index(k, each)));
    isNew = arith::CmpIOp::create(k, arith::CmpIPredicate::ult, item, count);
    item = arith::MinUIOp::create(k, item,
                                  arith::SubIOp::create(k, count, index(k, 1)));
  }
  WarpEmitter emitter(program, kernel, lanes, segment, lane, k);
  if (failed(emitter.emit(
          item, arguments.take_front(inputs), arguments.slice(inputs, uniforms),
          arguments.slice(inputs + uniforms, outputs),
          arguments.drop_front(inputs + uniforms + outputs), atomic, isNew)))
    return failure();
  if (emitter.sharedBytes * (block / lanes) > kMaxSharedBytes) {
    kernel.erase();
    return gpu::GPUFuncOp();
  }
  return kernel;
}

LogicalResult DistributeGPUPass::lower(ProgramOp program) {
  normalizeBody(program);
  SmallVector<Type> types;
  for (Type type : program->getOperandTypes()) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    types.push_back(tensor ? Type(MemRefType::get(tensor.getShape(),
                                                  tensor.getElementType()))
                           : type);
  }
  // A warp alone has room for larger items than four have. Those that do not
  // fit there either go through memory.
  const bool atomic = isAtomic(program);
  gpu::GPUFuncOp kernel;
  for (int32_t block : {128, 32}) {
    if (kernel || (!atomic && block > 32))
      continue;
    FailureOr<gpu::GPUFuncOp> made = makeKernel(program, types, block);
    if (failed(made))
      return failure();
    kernel = *made;
  }
  if (!kernel)
    return distributeInPlace(program);

  ImplicitLocOpBuilder b(program.getLoc(), program);
  unsigned inputs = program.getInputs().size(),
           uniforms = program.getUniforms().size(),
           outputs = program.getOutputs().size();
  SmallVector<Value> buffers;
  llvm::SmallPtrSet<Value, 4> direct; // the caller's buffers
  unsigned nextResult = 0;
  for (auto [i, value] : llvm::enumerate(program->getOperands())) {
    auto tensor = dyn_cast<RankedTensorType>(value.getType());
    if (!tensor) {
      buffers.push_back(value);
      continue;
    }
    auto type = cast<MemRefType>(types[i]);
    bool accumulator = i >= inputs + uniforms + outputs;
    Value buffer;
    if (i < inputs + uniforms || accumulator)
      buffer = bufferization::ToBufferOp::create(b, type, value,
                                                 /*read_only=*/true);
    if (i >= inputs + uniforms) {
      Value result = program.getResult(nextResult++);
      if (Value to = findDestination(program, result)) {
        if (to.getType() != type)
          to = memref::CastOp::create(b, type, to);
        if (accumulator)
          memref::CopyOp::create(b, buffer, to);
        direct.insert(to);
        buffers.push_back(to);
        continue;
      }
      SmallVector<Value> dynamic;
      for (int64_t d = 0; d < tensor.getRank(); ++d)
        if (tensor.isDynamicDim(d))
          dynamic.push_back(tensor::DimOp::create(b, value, d));
      Value fresh =
          memref::AllocOp::create(b, type, dynamic, b.getI64IntegerAttr(64));
      if (accumulator)
        memref::CopyOp::create(b, buffer, fresh);
      buffer = fresh;
    }
    buffers.push_back(buffer);
  }

  Value items =
      memref::DimOp::create(b, buffers[outputs ? inputs + uniforms : 0], 0);
  auto index = [&](int64_t v) -> Value {
    return arith::ConstantIndexOp::create(b, v);
  };
  Value grid = index(1);
  if (atomic)
    grid = arith::CeilDivUIOp::create(
        b, items,
        index(kernel.getKnownBlockSize()->front() / lanesOf(program, atomic)));
  launchKernel(b, kernel, grid, buffers);

  SmallVector<Value> results;
  for (auto [i, init] : llvm::enumerate(program.getDpsInits()))
    if (isa<RankedTensorType>(init.getType())) {
      Value buffer = buffers[inputs + uniforms + i];
      // Others may read what is in the caller's buffer, not change it.
      results.push_back(bufferization::ToTensorOp::create(
          b, init.getType(), buffer, /*restrict=*/true,
          /*writable=*/!direct.contains(buffer)));
    }
  program->replaceAllUsesWith(results);
  program->erase();
  ++numPrograms;
  return success();
}

} // namespace

bool fitsWarp(ProgramOp program) {
  auto fits = [](Type type) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    return !tensor || (tensor.hasStaticShape() &&
                       tensor.getNumElements() <= WarpEmitter::kMaxElements &&
                       tensor.getNumElements() > 0);
  };
  bool result = true;
  for (BlockArgument argument : program.getBody().getArguments()) {
    // What all items share is read in place, whatever its size.
    bool varying = argument.getArgNumber() < program.getInputs().size();
    auto type = cast<RankedTensorType>(argument.getType());
    result &= varying ? fits(type) : type.hasStaticShape();
  }
  program.getBody().walk([&](Operation *op) {
    result &= llvm::all_of(op->getResultTypes(), fits);
  });
  for (Value v : program.getAccumulators())
    result &= cast<ShapedType>(v.getType()).hasStaticShape();
  return result;
}

} // namespace route::row
