// A kernel in the making: arithmetic on indices, loops, memory.
#ifndef ROUTE_LIB_DIALECT_RAGGED_TRANSFORMS_KERNELBODY_H
#define ROUTE_LIB_DIALECT_RAGGED_TRANSFORMS_KERNELBODY_H

#include "TileModel.h"
#include "route/Dialect/Ragged/IR/Ragged.h"
#include "route/Kernels/Kernels.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

namespace route::ragged {

struct KernelBody {
  using Value = mlir::Value;
  using ValueRange = mlir::ValueRange;
  using Values = mlir::SmallVector<Value>;
  using Predicate = mlir::arith::CmpIPredicate;

  KernelBody(mlir::ModuleOp module, mlir::Operation *op, llvm::StringRef stem,
             ValueRange operands, int32_t block)
      : kernel(createKernel(module, op->getLoc(), stem, operands.getTypes(),
                            block)),
        b(op->getLoc(), kernel.getBody().front().getTerminator()),
        block(block) {}

  Value argument(unsigned i) { return kernel.getBody().front().getArgument(i); }
  Value index(int64_t v) { return mlir::arith::ConstantIndexOp::create(b, v); }
  Value number(int32_t v) {
    return mlir::arith::ConstantOp::create(b, b.getI32IntegerAttr(v));
  }
  Value truth(bool v) {
    return mlir::arith::ConstantOp::create(b, b.getBoolAttr(v));
  }
  Value real(float v) {
    return mlir::arith::ConstantOp::create(b, b.getF32FloatAttr(v));
  }
  Value add(Value x, Value y) { return mlir::arith::AddIOp::create(b, x, y); }
  Value sub(Value x, Value y) { return mlir::arith::SubIOp::create(b, x, y); }
  Value mul(Value x, Value y) { return mlir::arith::MulIOp::create(b, x, y); }
  Value div(Value x, Value y) { return mlir::arith::DivUIOp::create(b, x, y); }
  Value rem(Value x, Value y) { return mlir::arith::RemUIOp::create(b, x, y); }
  Value least(Value x, Value y) {
    return mlir::arith::MinUIOp::create(b, x, y);
  }
  Value cmp(Predicate how, Value x, Value y) {
    return mlir::arith::CmpIOp::create(b, how, x, y);
  }
  Value select(Value c, Value x, Value y) {
    return mlir::arith::SelectOp::create(b, c, x, y);
  }
  Value both(Value x, Value y) { return mlir::arith::AndIOp::create(b, x, y); }
  Value either(Value x, Value y) { return mlir::arith::OrIOp::create(b, x, y); }
  Value shiftLeft(Value x, Value by) {
    return mlir::arith::ShLIOp::create(b, x, by);
  }
  Value shiftRight(Value x, Value by) {
    return mlir::arith::ShRUIOp::create(b, x, by);
  }
  Value toIndex(Value x) {
    return mlir::arith::IndexCastOp::create(b, b.getIndexType(), x);
  }
  Value toNumber(Value x) {
    return mlir::arith::IndexCastOp::create(b, b.getI32Type(), x);
  }
  /// The number as an f32.
  Value widen(Value x) {
    mlir::Type f32 = b.getF32Type();
    return x.getType() == f32 ? x : mlir::arith::ExtFOp::create(b, f32, x);
  }
  Value load(Value memory, ValueRange at) {
    return mlir::memref::LoadOp::create(b, memory, at);
  }
  void store(Value x, Value memory, ValueRange at) {
    mlir::memref::StoreOp::create(b, x, memory, at);
  }
  Value thread() {
    return mlir::gpu::ThreadIdOp::create(b, mlir::gpu::Dimension::x);
  }
  Value blockId() {
    return mlir::gpu::BlockIdOp::create(b, mlir::gpu::Dimension::x);
  }
  Value blocks() {
    return mlir::gpu::GridDimOp::create(b, mlir::gpu::Dimension::x);
  }
  void barrier() { mlir::gpu::BarrierOp::create(b); }
  Value shuffle(Value x, int32_t offset, mlir::gpu::ShuffleMode mode) {
    return mlir::gpu::ShuffleOp::create(b, x, number(offset), number(32), mode)
        .getShuffleResult();
  }
  /// What another lane has.
  Value fromLane(Value x, Value lane) {
    return mlir::gpu::ShuffleOp::create(b, x, toNumber(lane), number(32),
                                        mlir::gpu::ShuffleMode::IDX)
        .getShuffleResult();
  }
  /// The sum of what all lanes have, in the order of a butterfly.
  Value addLanes(Value x) {
    for (int32_t s = 16; s; s /= 2)
      x = mlir::arith::AddFOp::create(
          b, x, shuffle(x, s, mlir::gpu::ShuffleMode::XOR));
    return x;
  }
  /// A bit for each lane of the warp: whether the condition holds there.
  Value ballot(Value condition) {
    return mlir::NVVM::VoteSyncOp::create(b, b.getI32Type(), number(-1),
                                          condition,
                                          mlir::NVVM::VoteSyncKind::ballot);
  }
  /// The sum of the values of this lane and those before it.
  Value scan(Value x, Value lane) {
    for (int32_t s = 1; s < 32; s *= 2) {
      Value below = shuffle(x, s, mlir::gpu::ShuffleMode::UP);
      x = select(cmp(Predicate::uge, lane, index(s)), add(x, below), x);
    }
    return x;
  }
  /// Shared memory of the block.
  Value shared(llvm::ArrayRef<int64_t> shape, mlir::Type element) {
    auto space = mlir::gpu::AddressSpaceAttr::get(
        b.getContext(), mlir::gpu::AddressSpace::Workgroup);
    return kernel.addWorkgroupAttribution(
        mlir::MemRefType::get(shape, element, mlir::MemRefLayoutAttrInterface(),
                              space),
        b.getLoc());
  }
  /// A loop from `begin` in steps; `body` gives the next values.
  Values loop(Value begin, Value end, Value step, ValueRange start,
              llvm::function_ref<Values(Value, ValueRange)> body) {
    auto op = mlir::scf::ForOp::create(b, begin, end, step, start);
    mlir::OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(op.getBody());
    Values next = body(op.getInductionVar(), op.getRegionIterArgs());
    if (!start.empty())
      mlir::scf::YieldOp::create(b, next);
    return Values(op.getResults());
  }
  void when(Value condition, llvm::function_ref<void()> body) {
    auto op = mlir::scf::IfOp::create(b, condition, false);
    mlir::OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(&op.getThenRegion().front());
    body();
  }

  /// What one branch or the other gives.
  Values branch(Value condition, mlir::TypeRange types,
                llvm::function_ref<Values()> then,
                llvm::function_ref<Values()> otherwise) {
    auto op = mlir::scf::IfOp::create(b, types, condition, true);
    mlir::OpBuilder::InsertionGuard guard(b);
    for (auto [block, make] : {std::pair(op.thenBlock(), then),
                               std::pair(op.elseBlock(), otherwise)}) {
      b.setInsertionPointToStart(block);
      Values made = make();
      if (!types.empty()) // else it comes with an end
        mlir::scf::YieldOp::create(b, made);
    }
    return Values(op.getResults());
  }

  mlir::gpu::GPUFuncOp kernel;
  mlir::ImplicitLocOpBuilder b;
  int32_t block;
};

/// A kernel's arguments in their order, which is that of an op's operands.
class ArgumentsInOrder {
public:
  explicit ArgumentsInOrder(KernelBody &k) : k(k) {}

  mlir::Value take() { return k.argument(next++); }
  /// One, if the op has such an operand.
  mlir::Value takeIf(mlir::Value operand) {
    return operand ? take() : mlir::Value();
  }
  mlir::SmallVector<mlir::Value> take(size_t n) {
    mlir::SmallVector<mlir::Value> taken;
    for (size_t i = 0; i < n; ++i)
      taken.push_back(take());
    return taken;
  }

private:
  KernelBody &k;
  unsigned next = 0;
};

/// `<function>_<what>`, which kernels of an op are named after.
std::string kernelStem(mlir::Operation *op, llvm::StringRef what);

/// The expert that slot `flat` of `idx` chose, -1 where it chose nobody.
mlir::Value chosenBy(KernelBody &k, mlir::Value idx, mlir::Value limit,
                     mlir::Value flat, mlir::Value slotsPerItem,
                     int64_t experts);

/// The slots of `idx`: its elements.
mlir::Value slotsOf(KernelBody &k, mlir::Value idx);

/// Slots in a row of `idx`; ShapedType::kDynamic where they are not known.
int64_t slotsPerItem(mlir::Value idx);
/// The same in the kernel.
mlir::Value slotsPerItem(KernelBody &k, mlir::Value idx);

/// Whether something between two ops of a block, not themselves, may write to
/// memory that is there before.
bool writesBetween(mlir::Operation *first, mlir::Operation *last);

/// Whether all rows of a buffer start at multiples of 16 bytes, as buffers
/// themselves do, and a row's elements lie side by side.
bool rowsStartAt16Bytes(mlir::Value buffer);

/// Elements of 16 bytes, where all rows of the matrices start at multiples of
/// them; else 1.
int64_t vectorWidth(llvm::ArrayRef<mlir::Value> matrices);

/// How many times `width` elements a row of a matrix has.
mlir::Value unitsOfRow(mlir::ImplicitLocOpBuilder &b, mlir::Value matrix,
                       int64_t width);

/// Elements side by side, `width` of them, which start at a multiple of their
/// bytes; one alone is a scalar.
mlir::Value loadWide(KernelBody &k, mlir::Value memory, mlir::ValueRange at,
                     int64_t width);
void storeWide(KernelBody &k, mlir::Value x, mlir::Value memory,
               mlir::ValueRange at);
/// One of them.
mlir::Value elementOf(KernelBody &k, mlir::Value x, int64_t i);

/// Writes numbers of f32 side by side, rounded to what the elements there are.
void storeRounded(KernelBody &k, llvm::ArrayRef<mlir::Value> numbers,
                  mlir::Value memory, mlir::ValueRange at);

/// A product's result, by the region that works on its sums.
mlir::Value epilogue(KernelBody &k, mlir::Region &region,
                     mlir::ValueRange arguments);

/// What the threads of a block have, summed: of those before this one, and of
/// all.
struct BlockSum {
  mlir::Value before, all;
};
/// Shared memory that such sums of i32 go through.
mlir::Value memoryOfSums(KernelBody &k);
/// All threads of a block of 1024 take part. Two rounds that follow each other
/// use different halves of the memory, so that one barrier each is enough.
BlockSum sumBefore(KernelBody &k, mlir::Value own, mlir::Value memory,
                   mlir::Value round);

/// Launches the kernel in place of `op`; `blocks` says how many.
void launchInPlace(
    mlir::Operation *op, KernelBody &k, mlir::ValueRange operands,
    llvm::function_ref<mlir::Value(mlir::ImplicitLocOpBuilder &)> blocks);

/// Lowers an op to a kernel of its own.
mlir::LogicalResult lowerToKernels(CountOp op);
mlir::LogicalResult lowerToKernels(OffsetsOp op);
mlir::LogicalResult lowerToKernels(PermuteOp op);
mlir::LogicalResult lowerToKernels(MatmulOp op);
mlir::LogicalResult lowerToKernels(GatherOp op);
mlir::LogicalResult lowerToKernels(CombineOp op);
mlir::LogicalResult lowerToKernels(CombineAtOp op);
/// `fewCandidates`: those of an item up to which a thread makes its choice.
mlir::LogicalResult lowerToKernels(ChooseOp op, int64_t fewCandidates);
/// `early`: kernels that fill `idx` and `limit` have ended when one starts that
/// may start before the kernel ahead of it has ended.
mlir::LogicalResult lowerToKernels(SlotMatmulOp op, bool early);

/// Columns of transposed weights that a warp of such a kernel has; interleaved
/// parts share them evenly.
inline constexpr int64_t kSlotColumns = 64;

/// Marks products that another form stands in for where rows are few.
inline constexpr llvm::StringLiteral kManyAttr = "ragged.many";

/// Marks products that another form stands in for where rows are many.
inline constexpr llvm::StringLiteral kFewAttr = "ragged.few";

} // namespace route::ragged

#endif // ROUTE_LIB_DIALECT_RAGGED_TRANSFORMS_KERNELBODY_H
