// row-distribute-gpu: row programs become GPU kernels, a warp or less an item.
#include "Emitter.h"
#include "LongSums.h"
#include "WarpEmitter.h"
#include "route/Dialect/Row/Transforms/Passes.h"
#include "route/Kernels/Kernels.h"
#include "route/Notice.h"

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

void tellOfOneThread(ProgramOp program) {
  emitNotice(program.getLoc(), Notice::oneThread)
      << "one thread of a GPU goes through the row of an item, which does not "
         "fit into a warp";
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
      if (whole && !fits)
        tellOfOneThread(program);
      if (failed(whole && fits ? lower(program) : distributeInPlace(program)))
        return signalPassFailure();
    }
  }

private:
  LogicalResult lower(ProgramOp program);
  FailureOr<gpu::GPUFuncOp> makeKernel(ProgramOp program, TypeRange types,
                                       int32_t block);
  FailureOr<gpu::GPUFuncOp> makeLargestKernel(ProgramOp program,
                                              TypeRange types);
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

/// The program as a kernel for as many items a block as fit; null where not
/// even those of one warp do.
FailureOr<gpu::GPUFuncOp>
DistributeGPUPass::makeLargestKernel(ProgramOp program, TypeRange types) {
  // A warp alone has room for larger items than four have.
  for (int32_t block : {128, 32}) {
    if (!isAtomic(program) && block > 32)
      continue;
    FailureOr<gpu::GPUFuncOp> made = makeKernel(program, types, block);
    if (failed(made) || *made)
      return made;
  }
  return gpu::GPUFuncOp();
}

/// What a program's operands are in a kernel: buffers, and scalars.
SmallVector<Type> kernelTypes(ProgramOp program) {
  return llvm::map_to_vector(program->getOperandTypes(), [](Type type) -> Type {
    auto tensor = dyn_cast<RankedTensorType>(type);
    return tensor ? MemRefType::get(tensor.getShape(), tensor.getElementType())
                  : type;
  });
}

/// The operands of a program's kernel, and those that are the caller's buffers.
struct KernelOperands {
  SmallVector<Value> values;
  llvm::SmallPtrSet<Value, 4> direct;
};

/// A buffer for a result of the program, whose initial value is `init`: the
/// caller's, or a new one. Accumulators begin with what `initial` holds.
Value makeResult(ImplicitLocOpBuilder &b, ProgramOp program, Value result,
                 Value init, MemRefType type, Value initial,
                 KernelOperands &operands) {
  Value buffer = findDestination(program, result);
  if (buffer) {
    if (buffer.getType() != type)
      buffer = memref::CastOp::create(b, type, buffer);
    operands.direct.insert(buffer);
  } else {
    SmallVector<Value> dynamic;
    for (int64_t d = 0; d < type.getRank(); ++d)
      if (type.isDynamicDim(d))
        dynamic.push_back(tensor::DimOp::create(b, init, d));
    buffer = memref::AllocOp::create(b, type, dynamic, b.getI64IntegerAttr(64));
  }
  if (initial)
    memref::CopyOp::create(b, initial, buffer);
  return buffer;
}

KernelOperands makeOperands(ImplicitLocOpBuilder &b, ProgramOp program,
                            ArrayRef<Type> types) {
  unsigned given = program.getInputs().size() + program.getUniforms().size(),
           outputs = program.getOutputs().size(), nextResult = 0;
  KernelOperands operands;
  for (auto [i, value] : llvm::enumerate(program->getOperands())) {
    if (!isa<RankedTensorType>(value.getType())) {
      operands.values.push_back(value);
      continue;
    }
    auto type = cast<MemRefType>(types[i]);
    Value buffer;
    if (i < given || i >= given + outputs)
      buffer = bufferization::ToBufferOp::create(b, type, value,
                                                 /*read_only=*/true);
    if (i >= given)
      buffer = makeResult(b, program, program.getResult(nextResult++), value,
                          type, buffer, operands);
    operands.values.push_back(buffer);
  }
  return operands;
}

void launch(ImplicitLocOpBuilder &b, ProgramOp program, gpu::GPUFuncOp kernel,
            ArrayRef<Value> operands) {
  unsigned given = program.getInputs().size() + program.getUniforms().size();
  Value items = memref::DimOp::create(
      b, operands[program.getOutputs().empty() ? 0 : given], 0);
  auto index = [&](int64_t v) -> Value {
    return arith::ConstantIndexOp::create(b, v);
  };
  Value grid = index(1);
  if (isAtomic(program))
    grid = arith::CeilDivUIOp::create(
        b, items,
        index(kernel.getKnownBlockSize()->front() / lanesOf(program, true)));
  launchKernel(b, kernel, grid, operands);
}

/// The program's results, out of the buffers that its kernel fills.
void replaceResults(ImplicitLocOpBuilder &b, ProgramOp program,
                    const KernelOperands &operands) {
  unsigned given = program.getInputs().size() + program.getUniforms().size();
  SmallVector<Value> results;
  for (auto [i, init] : llvm::enumerate(program.getDpsInits()))
    if (isa<RankedTensorType>(init.getType())) {
      Value buffer = operands.values[given + i];
      // Others may read what is in the caller's buffer, not change it.
      results.push_back(bufferization::ToTensorOp::create(
          b, init.getType(), buffer, /*restrict=*/true,
          /*writable=*/!operands.direct.contains(buffer)));
    }
  program->replaceAllUsesWith(results);
  program->erase();
}

LogicalResult DistributeGPUPass::lower(ProgramOp program) {
  normalizeBody(program);
  SmallVector<Type> types = kernelTypes(program);
  FailureOr<gpu::GPUFuncOp> kernel = makeLargestKernel(program, types);
  if (failed(kernel))
    return failure();
  if (!*kernel) { // items that do not fit go through memory
    tellOfOneThread(program);
    return distributeInPlace(program);
  }
  ImplicitLocOpBuilder b(program.getLoc(), program);
  KernelOperands operands = makeOperands(b, program, types);
  launch(b, program, *kernel, operands.values);
  replaceResults(b, program, operands);
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
