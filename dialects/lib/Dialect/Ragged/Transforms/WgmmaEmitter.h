// The emitter of a grouped matmul's kernel on Hopper's tensor cores.
// Its state, and what all its parts write with. WgmmaKernel.cpp has the frame,
// WgmmaTurns.cpp which tile comes next, WgmmaLoads.cpp what the warpgroup does
// that brings tiles, WgmmaProducts.cpp what those do that multiply. How sums
// become results is in WgmmaEpilogue.cpp, how blocks share K in
// WgmmaShares.cpp.
#ifndef ROUTE_LIB_DIALECT_RAGGED_TRANSFORMS_WGMMAEMITTER_H
#define ROUTE_LIB_DIALECT_RAGGED_TRANSFORMS_WGMMAEMITTER_H

#include "WgmmaKernel.h"
#include "WgmmaSchedule.h"

#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "route/Dialect/Row/IR/RowDialect.h"

namespace route::ragged::wgmma {
using namespace mlir;
using Values = SmallVector<Value>;
using Predicate = arith::CmpIPredicate;

/// A tile of the schedule.
struct Tile {
  Value row, rows, expert, column;
  Value sharesRows = {}; ///< of a pair, to those that bring it: or the weights
  Values values() const { return {row, rows, expert, column}; }
  static Tile of(ValueRange v) {
    return {v[0], v[1], v[2], v[3], v.size() > 4 ? v[4] : Value()};
  }
};

class Emitter {
public:
  Emitter(ModuleOp module, MatmulOp op, const WgmmaTiles &tiles,
          GatherOp gather, Value sums)
      : module(module), op(op), gather(gather), sums(sums), tiles(tiles),
        b(op.getLoc(), op.getContext()), converter(op.getContext()) {
    i32 = b.getI32Type();
    i64 = b.getI64Type();
    f32 = b.getF32Type();
    shared = LLVM::LLVMPointerType::get(b.getContext(), 3);
    global = LLVM::LLVMPointerType::get(b.getContext(), 1);
  }

  LLVM::LLVMFuncOp emit(StringRef stem) {
    begin(stem);
    prologue();
    Value isProducer = cmp(Predicate::eq, warpgroup, num(0));
    auto roles = scf::IfOp::create(b, isProducer, /*withElse=*/true);
    b.setInsertionPointToStart(&roles.getThenRegion().front());
    producer();
    b.setInsertionPointToStart(&roles.getElseRegion().front());
    consumer();
    return kernel;
  }

  LLVM::LLVMFuncOp emitAddition(StringRef stem);

  // --- arithmetic, which the schedule needs too ---
  using Value = mlir::Value;
  Value num(int64_t v) {
    return arith::ConstantOp::create(b, b.getI32IntegerAttr(v));
  }
  Value wide(int64_t v) {
    return arith::ConstantOp::create(b, b.getI64IntegerAttr(v));
  }
  Value flt(float v) {
    return arith::ConstantOp::create(b, b.getF32FloatAttr(v));
  }
  Value add(Value x, Value y) { return arith::AddIOp::create(b, x, y); }
  Value sub(Value x, Value y) { return arith::SubIOp::create(b, x, y); }
  Value mul(Value x, Value y) { return arith::MulIOp::create(b, x, y); }
  Value div(Value x, Value y) { return arith::DivUIOp::create(b, x, y); }
  Value rem(Value x, Value y) { return arith::RemUIOp::create(b, x, y); }
  Value both(Value x, Value y) { return arith::AndIOp::create(b, x, y); }
  Value shl(Value x, int64_t n) { return arith::ShLIOp::create(b, x, num(n)); }
  Value shr(Value x, int64_t n) { return arith::ShRUIOp::create(b, x, num(n)); }
  Value mask(Value x, int64_t m) { return both(x, num(m)); }
  Value flip(Value x, Value y) { return arith::XOrIOp::create(b, x, y); }
  Value cmp(Predicate how, Value x, Value y) {
    return arith::CmpIOp::create(b, how, x, y);
  }
  Value isLess(Value x, Value y) { return cmp(Predicate::ult, x, y); }
  Value isAtMost(Value x, Value y) { return cmp(Predicate::ule, x, y); }
  Value isEqual(Value x, Value y) { return cmp(Predicate::eq, x, y); }
  Value select(Value c, Value x, Value y) {
    return arith::SelectOp::create(b, c, x, y);
  }
  Value least(Value x, Value y) { return arith::MinUIOp::create(b, x, y); }
  Value most(Value x, Value y) { return arith::MaxUIOp::create(b, x, y); }

private:
  Value extend(Value x) { return arith::ExtUIOp::create(b, i64, x); }
  Value index(Value x) {
    return arith::IndexCastUIOp::create(b, b.getIndexType(), x);
  }
  void when(Value condition, llvm::function_ref<void()> body) {
    auto op = scf::IfOp::create(b, condition, false);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(&op.getThenRegion().front());
    body();
  }
  /// One of two numbers; what the other takes is not done.
  Value either(Value condition, llvm::function_ref<Value()> yes,
               llvm::function_ref<Value()> no) {
    auto op = scf::IfOp::create(b, i32, condition, /*withElse=*/true);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(op.thenBlock());
    scf::YieldOp::create(b, yes());
    b.setInsertionPointToStart(op.elseBlock());
    scf::YieldOp::create(b, no());
    return op.getResult(0);
  }
  /// What one thread of the block does: elected, by which ptxas knows that it
  /// is alone, and needs no loop over lanes around each box that it asks for.
  void byOne(llvm::function_ref<void()> body) {
    when(isEqual(warp, num(0)), [&] {
      when(NVVM::ElectSyncOp::create(b, b.getI1Type(), Value()), body);
    });
  }
  Values loop(Value from, Value to, Value step, ValueRange start,
              llvm::function_ref<Values(Value, ValueRange)> body) {
    auto op = scf::ForOp::create(b, from, to, step, start,
                                 /*bodyBuilder=*/nullptr, /*unsigned=*/true);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(op.getBody());
    Values next = body(op.getInductionVar(), op.getRegionIterArgs());
    if (!start.empty())
      scf::YieldOp::create(b, next);
    return Values(op.getResults());
  }

  /// Goes on as long as `condition` says, of the values that are carried.
  Values loopWhile(ValueRange start,
                   llvm::function_ref<Value(ValueRange)> condition,
                   llvm::function_ref<Values(ValueRange)> body) {
    auto op = scf::WhileOp::create(
        b, start.getTypes(), start,
        [&](OpBuilder &, Location, ValueRange carried) {
          OpBuilder::InsertionGuard guard(b);
          b.setInsertionPointToEnd(carried.front().getParentBlock());
          scf::ConditionOp::create(b, condition(carried), carried);
        },
        [&](OpBuilder &, Location, ValueRange carried) {
          OpBuilder::InsertionGuard guard(b);
          b.setInsertionPointToEnd(carried.front().getParentBlock());
          scf::YieldOp::create(b, body(carried));
        });
    return Values(op.getResults());
  }

  // --- shared memory and barriers ---
  Value at(Value offset) {
    return LLVM::GEPOp::create(b, shared, b.getI8Type(), memory,
                               ArrayRef<LLVM::GEPArg>{offset});
  }
  Value fullBarrier(Value stage) {
    return at(add(num(tiles.barrierOffset()), shl(stage, 3)));
  }
  Value emptyBarrier(Value stage) {
    return at(
        add(num(tiles.barrierOffset() + 8 * tiles.stages), shl(stage, 3)));
  }
  /// Of the next tile: it is there; it has been read.
  Value givenBarrier() { return at(num(tiles.tileOffset())); }
  Value readBarrier() { return at(num(tiles.tileOffset() + 8)); }
  Value givenTile() { return at(num(tiles.tileOffset() + 16)); }
  Value givenSharing() { return at(num(tiles.tileOffset() + 32)); }
  Value givenNumber() { return at(num(tiles.tileOffset() + 36)); }
  void wait(Value barrier, Value parity) {
    NVVM::MBarrierTryWaitParityOp::create(b, barrier, parity, num(10000000));
  }
  /// The stage after this one; the parity flips where stages begin again.
  std::pair<Value, Value> next(Value stage, Value parity) {
    Value one = add(stage, num(1));
    Value wraps = cmp(Predicate::eq, one, num(tiles.stages));
    return {select(wraps, num(0), one),
            select(wraps, flip(parity, num(1)), parity)};
  }
  Value word(int64_t offset, Value i) {
    return LLVM::LoadOp::create(b, i32, at(add(num(offset), shl(i, 2))));
  }
  void setWord(Value x, int64_t offset, Value i) {
    LLVM::StoreOp::create(b, x, at(add(num(offset), shl(i, 2))));
  }
  int64_t startsOffset() { return tiles.tableOffset(); }
  int64_t offsetsOffset() {
    return tiles.tableOffset() + 4 * (tiles.experts + 1);
  }

  int64_t sumsOffset() { return tiles.tableOffset() + 8 * (tiles.experts + 1); }

  Value shuffle(Value x, Value from, NVVM::ShflKind kind, int64_t clamp) {
    return NVVM::ShflOp::create(b, i32, num(-1), x, from, num(clamp), kind,
                                UnitAttr());
  }
  Value uniform(Value x) { return shuffle(x, num(0), NVVM::ShflKind::idx, 31); }

  WgmmaSchedule<Emitter> schedule() {
    int64_t columnTiles = llvm::divideCeil(op.getOutputs(), tiles.outputs());
    return {*this,       tiles.tokens, tiles.step(), tiles.experts,
            columnTiles, tiles.pairs,  rank};
  }

  SmallVector<unsigned> addFields(TypeRange buffers,
                                  SmallVectorImpl<Type> &types);
  Value bufferOf(Type type, unsigned first);
  Value startOf(Type type, unsigned first);
  void begin(StringRef stem);
  Value isDense() { return isEqual(numOffsets, wide(0)); }
  Value offsetOf(Value expert);
  void prologue();
  Tile tileAt(Value t);
  Value askForTile(Value t);
  Value nextTile(Value last, Value asked);
  void joinPair();
  void giveTile(Value t, Value parity);
  Tile lookAtTile();
  Tile readTile(Value parity);
  void producer();
  void bringTiles();
  void bringShare();
  Values bringStep(const Tile &tile, ValueRange places, Value k, Value stage,
                   Value parity);
  void load(Value to, Value map, ArrayRef<Value> coordinates, Value barrier,
            Value where = {});
  Value pairMask(Value ranks) {
    return arith::TruncIOp::create(b, b.getI16Type(), ranks);
  }
  void loadWeights(const Tile &tile, Value inner, Value stage);
  void expect(const Tile &tile, Value stage);
  Value unitsOf(const Tile &tile);
  void loadRows(const Tile &tile, Value inner, Value stage);
  int64_t bytesOfWeight() {
    return op.weightType().getElementTypeBitWidth() / 8;
  }
  Values placesOf(const Tile &tile);
  void gatherRows(const Tile &tile, ValueRange places, Value inner,
                  Value stage);
  Value overlaps() { return cmp(Predicate::ne, countsOfRow, num(0)); }
  void letNextStart();
  void startBesideOthers();
  void awaitRows(const Tile &tile);
  void consumer();
  void tell(const Tile &tile);
  /// Whether the second warpgroup that multiplies waits until the first has
  /// begun kLag steps along K.
  bool lags() {
    return tiles.splits == 1 && tiles.depthOf(op.getInner()) > kLag;
  }
  static constexpr int64_t kLag = 1, kLagBarrier = 4;
  /// Registers of a thread for the sums of a tile of `width` tokens: of each
  /// product in turn, width / 2.
  int64_t sumsOf(int64_t width) {
    return tiles.weights * tiles.blocks * width / 2;
  }
  Type sumsType(int64_t width) {
    return LLVM::LLVMStructType::getLiteral(
        b.getContext(), SmallVector<Type>(sumsOf(width), f32));
  }
  Value extract(Value sums, int64_t i) {
    return LLVM::ExtractValueOp::create(b, sums, ArrayRef<int64_t>{i});
  }
  Value insert(Value sums, Value x, int64_t i) {
    return LLVM::InsertValueOp::create(b, sums, x, ArrayRef<int64_t>{i});
  }
  Value multiply(int64_t width, Value sums, Value stage, Value adds);
  Values path(int64_t width, Value stage, Value parity, Value given,
              const Tile &tile, Value held);
  void epilogue(ArrayRef<int64_t> widths, Value chosen, Value sums,
                const Tile &tile);
  Value element(ArrayRef<Value> accumulators, ArrayRef<Value> perExpert,
                ArrayRef<Value> perRow);
  Values together(Value low, Value high);
  int64_t tileBlocks();
  bool isShare() { return tiles.cluster || tiles.spread; }
  void joinCluster(int64_t steps);
  Tile tileOfCluster(Value t);
  void waitForKernels();
  bool weightsAreParameters();
  void shareItems();
  void meetCluster();
  void keep(int64_t width, Value sums);
  void leave(int64_t width, Value sums, const Tile &tile);
  void addUp();
  Value approximate(row::UnaryOp unary, Value x);
  Value narrow(Value x, Value y);

  ModuleOp module;
  MatmulOp op;
  GatherOp gather; ///< of the rows; null where they are there
  Value sums;      ///< of shares that are spread, as the host has them
  const WgmmaTiles &tiles;
  ImplicitLocOpBuilder b;
  LLVMTypeConverter converter;
  Type i32, i64, f32, shared, global;
  LLVM::LLVMFuncOp kernel;
  Values weights, perExpert, perRow;
  Value rows64, rows16, perm, itemStart, offsets, out, outStart;
  Value numOffsets;  ///< i64
  Value taken;       ///< tiles but the blocks' first; null: taken in turn
  Value told;        ///< rows of experts, told of or awaited: the first counter
  Value countsOfRow; ///< how often each is; 0 where this call does neither
  Value memory, thread, warp, warpgroup, lane, isFirst, block, blocks;
  Value tileCount, firstStep, depth;
  Value leads;       ///< not 0 where this warpgroup lets the other one start
  Value startStep;   ///< 0, as kernels know it
  Value lagStep;     ///< kLag
  Value share, step; ///< of a cluster's block: of K, and rows of a tile
  Value rank;        ///< of a block in a cluster of two: 0 or 1
  Value paired;      ///< whether both blocks of paired shares have a tile
};
} // namespace route::ragged::wgmma

#endif // ROUTE_LIB_DIALECT_RAGGED_TRANSFORMS_WGMMAEMITTER_H
