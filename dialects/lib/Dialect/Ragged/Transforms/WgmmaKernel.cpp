// The kernel of a grouped matmul on Hopper's tensor cores.
//
// The result's columns are the rows of wgmma's first operand, the weights, and
// its rows, the tokens, are the columns of the second: an expert with few
// tokens then costs few columns, 8 to a step, instead of a tile of 64. One
// warpgroup asks for tiles by TMA, two multiply. Blocks stay, and take tiles in
// turn from a schedule that each works out from the offsets.
#include "WgmmaKernel.h"
#include "KernelBody.h"
#include "WgmmaSchedule.h"

#include "mlir/Conversion/LLVMCommon/MemRefBuilder.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"
#include "route/Dialect/Row/IR/RowDialect.h"
#include "route/Kernels/Kernels.h"

using namespace mlir;
using namespace route;
using namespace route::ragged;
using Values = SmallVector<Value>;
using Predicate = arith::CmpIPredicate;

/// The fewest columns that tiles of whole sums take.
constexpr int64_t leastColumns = 64;

int64_t WgmmaTiles::splitsOf(MatmulOp op, int64_t splits) {
  constexpr int64_t most = 512; // columns
  if (op.isPacked() || op.getOffsets() || op.getNumSums() != 1 ||
      op.getOutputs() > most ||
      cast<ShapedType>(op.getOut().getType()).getElementTypeBitWidth() != 32)
    return 1;
  // Every share has at least two steps along K.
  int64_t steps = llvm::divideCeil(op.getInner(), kDepth);
  while (splits > 1 &&
         (steps < 2 * splits ||
          (splits - 1) * llvm::divideCeilSigned(steps, splits) >= steps))
    splits /= 2;
  return splits;
}

bool WgmmaTiles::isCandidate(MatmulOp op, int64_t splits) {
  Type element = op.weightType().getElementType();
  int64_t least = splitsOf(op, splits) > 1 ? 8 : leastColumns;
  return !op.isPacked() && (element.isBF16() || element.isF16()) &&
         op.getInner() >= kDepth && op.getOutputs() >= least;
}

std::string WgmmaTiles::objectionTo(MatmulOp op) {
  int64_t inner = op.getInner(), columns = op.getOutputs();
  auto out = cast<MemRefType>(op.getOut().getType());
  if (op.getParts() > 2)
    return "more than two parts of its weights are interleaved";
  if ((op.getTransposed() ? columns : inner) % 8 != 0 || columns % 8 != 0)
    return "its sizes are no multiples of 8";
  if (!llvm::all_of(op.getWeights(), rowsStartAt16Bytes))
    return "rows of its weights are interleaved, or start between multiples of "
           "16 bytes";
  if (!rowsStartAt16Bytes(op.getRows()) || !rowsStartAt16Bytes(op.getOut()))
    return "its rows or results start between multiples of 16 bytes";
  if (!llvm::is_contained({16, 32}, out.getElementTypeBitWidth()))
    return "its results have neither 16 nor 32 bits";
  return "";
}

FailureOr<WgmmaTiles> WgmmaTiles::choose(MatmulOp op, int64_t tokens,
                                         int64_t splits) {
  int64_t columns = op.getOutputs();
  auto out = cast<MemRefType>(op.getOut().getType());
  if (!isCandidate(op, splits) || !objectionTo(op).empty())
    return failure();
  WgmmaTiles tiles;
  tiles.weights = op.getWeights().size();
  tiles.parts = op.getParts();
  tiles.splits = splitsOf(op, splits);
  tiles.cluster = false;
  tiles.experts = op.getExperts();
  tiles.outputBytes = out.getElementTypeBitWidth() / 8;
  // Two interleaved blocks of 64 columns make one of the result.
  bool wide = tiles.weights == 1 && columns > 64 * kWarpgroups;
  tiles.blocks = tiles.parts == 2 || (wide && tiles.splits == 1) ? 2 : 1;
  // 160 registers of a thread hold sums.
  int64_t sums = tiles.weights * tiles.blocks * (tiles.splits > 1 ? 2 : 1);
  if (sums > 8)
    return failure();
  tiles.tokens = std::min(tokens, 320 / sums / 16 * 16);
  tiles.stages = 8;
  while (tiles.sharedBytes() > kMaxShared && tiles.stages > 2)
    --tiles.stages;
  if (tiles.sharedBytes() > kMaxShared)
    return failure();
  return tiles;
}

namespace {
/// A tile of the schedule.
struct Tile {
  Value row, rows, expert, column;
  Values values() const { return {row, rows, expert, column}; }
  static Tile of(ValueRange v) { return {v[0], v[1], v[2], v[3]}; }
};

class Emitter {
public:
  Emitter(ModuleOp module, MatmulOp op, const WgmmaTiles &tiles, StringRef stem)
      : module(module), op(op), tiles(tiles), b(op.getLoc(), op.getContext()),
        converter(op.getContext()) {
    i32 = b.getI32Type();
    i64 = b.getI64Type();
    f32 = b.getF32Type();
    shared = LLVM::LLVMPointerType::get(b.getContext(), 3);
    begin(stem);
  }

  LLVM::LLVMFuncOp emit() {
    prologue();
    Value isProducer = cmp(Predicate::eq, warpgroup, num(0));
    auto roles = scf::IfOp::create(b, isProducer, /*withElse=*/true);
    b.setInsertionPointToStart(&roles.getThenRegion().front());
    producer();
    b.setInsertionPointToStart(&roles.getElseRegion().front());
    consumer();
    return kernel;
  }

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
    return {*this, tiles.tokens, tiles.step(), tiles.experts, columnTiles};
  }

  void begin(StringRef stem);
  void prologue();
  Tile tileAt(Value t);
  void producer();
  void consumer();
  Values path(int64_t width, Value stage, Value parity, const Tile &tile,
              Value following);
  void epilogue(int64_t width, ArrayRef<Value> sums, const Tile &tile);
  Value element(ArrayRef<Value> accumulators, ArrayRef<Value> perExpert,
                ArrayRef<Value> perRow);
  Values together(Value low, Value high);
  void meetCluster();
  void keep(int64_t width, ArrayRef<Value> sums);
  void addUp();
  Value approximate(row::UnaryOp unary, Value x);
  Value narrow(Value x, Value y);

  ModuleOp module;
  MatmulOp op;
  const WgmmaTiles &tiles;
  ImplicitLocOpBuilder b;
  LLVMTypeConverter converter;
  Type i32, i64, f32, shared;
  LLVM::LLVMFuncOp kernel;
  Values weights, perExpert, perRow;
  Value rows64, rows16, offsets, out, outStart;
  Value memory, thread, warp, warpgroup, lane, isFirst, block, blocks;
  Value tileCount, firstStep, depth, rank;
};

/// The function, its arguments, and buffers made of them.
void Emitter::begin(StringRef stem) {
  Type pointer = LLVM::LLVMPointerType::get(b.getContext());
  SmallVector<Type> types;
  SmallVector<std::pair<unsigned, DenseI64ArrayAttr>> maps;
  auto map = [&](ArrayRef<int64_t> box) {
    maps.push_back({types.size(), b.getDenseI64ArrayAttr(box)});
    types.push_back(pointer);
  };
  unsigned numWeights = op.getWeights().size();
  for (unsigned w = 0; w < numWeights; ++w)
    map(op.getTransposed()
            ? ArrayRef<int64_t>{1, WgmmaTiles::kDepth, 64}
            : ArrayRef<int64_t>{1, tiles.columns(), WgmmaTiles::kDepth});
  map({64, WgmmaTiles::kDepth});
  map({16, WgmmaTiles::kDepth});
  Values buffers;
  if (op.getOffsets())
    buffers.push_back(op.getOffsets());
  llvm::append_range(buffers, op.getPerExpert());
  llvm::append_range(buffers, op.getPerRow());
  buffers.push_back(op.getOut());
  SmallVector<std::pair<unsigned, unsigned>> ranges;
  for (Value v : buffers) {
    unsigned first = types.size();
    auto type = cast<MemRefType>(v.getType());
    types.append({pointer, pointer, i64});
    types.append(2 * type.getRank(), i64);
    ranges.push_back({first, types.size() - first});
  }
  kernel =
      createWholeKernel(module, op.getLoc(), stem, types, WgmmaTiles::kThreads);
  kernel->setAttr(kSharedBytesAttr, b.getI32IntegerAttr(tiles.sharedBytes()));
  // Blocks of a cluster have one tile; others stay and take tiles in turn.
  if (tiles.cluster)
    kernel->setAttr(
        NVVM::NVVMDialect::getClusterDimAttrName(),
        b.getDenseI32ArrayAttr({static_cast<int32_t>(tiles.splits), 1, 1}));
  else
    kernel->setAttr(kBlocksPerProcessorAttr, b.getI32IntegerAttr(1));
  for (auto [i, box] : maps) {
    setTensorMap(kernel, i, box);
  }
  Block &entry = kernel.getBody().front();
  b.setInsertionPoint(entry.getTerminator());
  unsigned next = 0;
  for (unsigned w = 0; w < numWeights; ++w)
    weights.push_back(entry.getArgument(next++));
  rows64 = entry.getArgument(next++);
  rows16 = entry.getArgument(next++);
  Values made;
  for (auto [v, range] : llvm::zip_equal(buffers, ranges)) {
    Value packed = MemRefDescriptor::pack(
        b, op.getLoc(), converter, cast<MemRefType>(v.getType()),
        entry.getArguments().slice(range.first, range.second));
    made.push_back(UnrealizedConversionCastOp::create(b, v.getType(), packed)
                       .getResult(0));
  }
  ArrayRef<Value> rest(made);
  if (op.getOffsets()) {
    offsets = rest.front();
    rest = rest.drop_front();
  }
  perExpert = Values(rest.take_front(op.getPerExpert().size()));
  perRow = Values(rest.slice(perExpert.size(), op.getPerRow().size()));
  out = rest.back();
  // The first element of the result, in global memory.
  auto [first, count] = ranges.back();
  Value start = LLVM::AddrSpaceCastOp::create(
      b, LLVM::LLVMPointerType::get(b.getContext(), 1),
      entry.getArgument(first + 1));
  outStart = LLVM::GEPOp::create(
      b, start.getType(), cast<MemRefType>(out.getType()).getElementType(),
      start, ArrayRef<LLVM::GEPArg>{entry.getArgument(first + 2)});
}

/// Barriers, and the schedule: where each expert's tiles begin.
void Emitter::prologue() {
  memory = dynamicShared(b);
  thread = NVVM::ThreadIdXOp::create(b, i32);
  block = NVVM::BlockIdXOp::create(b, i32);
  blocks = NVVM::GridDimXOp::create(b, i32);
  lane = mask(thread, 31);
  warp = uniform(shr(thread, 5));
  warpgroup = shr(warp, 2);
  isFirst = cmp(Predicate::eq, thread, num(0));
  int64_t steps = llvm::divideCeil(op.getInner(), WgmmaTiles::kDepth);
  firstStep = num(0);
  depth = num(steps);
  if (tiles.cluster) {
    rank = rem(block, num(tiles.splits));
    block = div(block, num(tiles.splits));
    blocks = div(blocks, num(tiles.splits));
    Value own = num(tiles.depthOf(op.getInner()));
    firstStep = mul(rank, own);
    depth = least(own, sub(num(steps), firstStep));
  }
  when(isFirst, [&] {
    for (int64_t s = 0; s < tiles.stages; ++s) {
      NVVM::MBarrierInitOp::create(b, fullBarrier(num(s)), num(1), Value());
      NVVM::MBarrierInitOp::create(b, emptyBarrier(num(s)),
                                   num(WgmmaTiles::kWarpgroups), Value());
    }
    NVVM::FenceMbarrierInitOp::create(b);
  });
  // The next kernel does not start early: it would take nothing off the path,
  // and measured layers of many rows were a fifth slower with it.

  // Starts: a scan over the warps, then over their sums; a round takes an
  // expert for each thread.
  int64_t experts = tiles.experts;
  constexpr int64_t threads = WgmmaTiles::kThreads;
  auto offsetOf = [&](Value e) -> Value {
    if (offsets)
      return memref::LoadOp::create(b, offsets, index(e));
    Value rows =
        arith::IndexCastOp::create(b, i32, memref::DimOp::create(b, out, 0));
    return select(cmp(Predicate::eq, e, num(0)), num(0), rows);
  };
  Value carried = num(0);
  for (int64_t first = 0; first < experts; first += threads) {
    Value e = add(thread, num(first));
    Value valid = cmp(Predicate::ult, e, num(experts));
    Value safe = select(valid, e, num(experts - 1));
    Value begins = offsetOf(safe), ends = offsetOf(add(safe, num(1)));
    Value own = schedule().tiles(sub(ends, begins));
    own = select(valid, own, num(0));
    Value sum = own;
    for (int64_t s = 1; s < 32; s *= 2) {
      Value below = shuffle(sum, num(s), NVVM::ShflKind::up, 0);
      sum = select(cmp(Predicate::uge, lane, num(s)), add(sum, below), sum);
    }
    when(cmp(Predicate::eq, lane, num(31)),
         [&] { setWord(sum, sumsOffset(), warp); });
    NVVM::BarrierOp::create(b);
    Value before = carried;
    for (int64_t w = 0; w < threads / 32; ++w) {
      Value total = word(sumsOffset(), num(w));
      before =
          add(before, select(cmp(Predicate::ugt, warp, num(w)), total, num(0)));
      carried = add(carried, total);
    }
    when(valid, [&] {
      setWord(add(before, sub(sum, own)), startsOffset(), e);
      setWord(begins, offsetsOffset(), e);
    });
    when(cmp(Predicate::eq, e, num(experts - 1)), [&] {
      setWord(add(before, sum), startsOffset(), num(experts));
      setWord(ends, offsetsOffset(), num(experts));
    });
    NVVM::BarrierOp::create(b);
  }
  tileCount = carried;
}

/// Tile t of the schedule, by the tables that the prologue made.
Tile Emitter::tileAt(Value t) {
  auto [row, rows, expert, column] = schedule().at(
      t, [&](Value e) { return word(startsOffset(), e); },
      [&](Value e) { return word(offsetsOffset(), e); });
  return {row, rows, expert, column};
}

/// One thread asks for tiles as stages become free.
void Emitter::producer() {
  NVVM::SetMaxRegisterOp::create(b, 40, NVVM::SetMaxRegisterAction::decrease);
  when(isFirst, [&] {
    auto load = [&](Value to, Value map, ArrayRef<Value> coordinates,
                    Value barrier) {
      Value cluster = LLVM::AddrSpaceCastOp::create(
          b, LLVM::LLVMPointerType::get(b.getContext(), 7), to);
      NVVM::CpAsyncBulkTensorGlobalToSharedClusterOp::create(
          b, cluster, map, coordinates, barrier, /*im2col=*/ValueRange(),
          /*multicast=*/Value(), /*cacheHint=*/Value(), NVVM::TMALoadMode::TILE,
          /*isCTAOnly=*/false, NVVM::CTAGroupKindAttr(), /*predicate=*/Value());
    };
    loop(block, tileCount, blocks, {num(0), num(0)},
         [&](Value t, ValueRange ring) -> Values {
           Tile tile = tileAt(t);
           Value column = mul(tile.column, num(tiles.columns()));
           Value units = shr(add(tile.rows, num(15)), 4);
           Value whole = shr(units, 2), parts = mask(units, 3);
           Value bytes = add(num(tiles.weightBytes()), shl(units, 11));
           return loop(
               num(0), depth, num(1), ring,
               [&](Value k, ValueRange ring) -> Values {
                 Value stage = ring[0], parity = ring[1];
                 wait(emptyBarrier(stage), flip(parity, num(1)));
                 Value barrier = fullBarrier(stage);
                 NVVM::MBarrierArriveExpectTxOp::create(
                     b, TypeRange(), barrier, bytes, NVVM::MemScopeKind::CTA,
                     false, Value());
                 Value base = mul(stage, num(tiles.stageBytes()));
                 Value inner = shl(add(firstStep, k), 6);
                 for (auto [w, map] : llvm::enumerate(weights)) {
                   int64_t place = w * tiles.columns() * WgmmaTiles::kDepth * 2;
                   if (!op.getTransposed()) {
                     load(at(add(base, num(place))), map,
                          {inner, column, tile.expert}, barrier);
                     continue;
                   }
                   for (int64_t c = 0; c < tiles.columns(); c += 64)
                     load(
                         at(add(base, num(place + c * WgmmaTiles::kDepth * 2))),
                         map, {add(column, num(c)), inner, tile.expert},
                         barrier);
                 }
                 Value rows = add(base, num(tiles.weightBytes()));
                 for (int64_t i = 0; i < tiles.tokens / 64; ++i)
                   when(cmp(Predicate::ugt, whole, num(i)), [&] {
                     load(at(add(rows, num(i * WgmmaTiles::kBlockBytes))),
                          rows64, {inner, add(tile.row, num(64 * i))}, barrier);
                   });
                 Value rest = add(rows, shl(whole, 13));
                 Value restRow = add(tile.row, shl(whole, 6));
                 for (int64_t i = 0;
                      i < std::min<int64_t>(3, tiles.tokens / 16); ++i)
                   when(cmp(Predicate::ugt, parts, num(i)), [&] {
                     load(at(add(rest, num(2048 * i))), rows16,
                          {inner, add(restRow, num(16 * i))}, barrier);
                   });
                 auto [s, p] = next(stage, parity);
                 return {s, p};
               });
         });
  });
  if (tiles.cluster) {
    meetCluster();
    meetCluster();
  }
}

/// Two warpgroups multiply, each its own columns.
void Emitter::consumer() {
  NVVM::SetMaxRegisterOp::create(b, 232, NVVM::SetMaxRegisterAction::increase);
  Values start{num(0), num(0)};
  llvm::append_range(start, tileAt(block).values());
  loop(block, tileCount, blocks, start, [&](Value t, ValueRange v) -> Values {
    Tile tile = Tile::of(v.drop_front(2));
    Value following = add(t, blocks);
    // The narrowest of a few widths that holds the rows; uniform, or the
    // products of a warpgroup would run one by one.
    SmallVector<int64_t> widths, cases;
    // Where K is shared out, products take little of the time; many rows fill
    // all tiles but one.
    SmallVector<int64_t> some{16, 32, 64, 96, 128, 192};
    if (tiles.splits > 1)
      some =
          tiles.cluster ? SmallVector<int64_t>{16, 64} : SmallVector<int64_t>{};
    for (int64_t width : some)
      if (width < tiles.tokens)
        widths.push_back(width);
    Value chosen = num(0);
    for (auto [i, width] : llvm::enumerate(widths)) {
      Value wider = cmp(Predicate::ugt, tile.rows, num(width));
      chosen = add(chosen, arith::ExtUIOp::create(b, i32, wider));
      cases.push_back(i);
    }
    widths.push_back(tiles.tokens);
    SmallVector<Type> types(6, i32);
    auto choice = scf::IndexSwitchOp::create(b, types, index(uniform(chosen)),
                                             cases, cases.size());
    OpBuilder::InsertionGuard guard(b);
    for (auto [i, width] : llvm::enumerate(widths)) {
      Region &region = i < cases.size() ? choice.getCaseRegions()[i]
                                        : choice.getDefaultRegion();
      b.setInsertionPointToStart(&region.emplaceBlock());
      scf::YieldOp::create(b, path(width, v[0], v[1], tile, following));
    }
    return Values(choice.getResults());
  });
  if (tiles.cluster) {
    meetCluster();
    when(isLess(block, tileCount), [&] { addUp(); });
    meetCluster(); // nobody ends while others read its sums
  }
}

/// A tile of `width` tokens: the sums, then the results. Gives the ring's
/// state and the next tile.
Values Emitter::path(int64_t width, Value stage, Value parity, const Tile &tile,
                     Value following) {
  MLIRContext *context = b.getContext();
  int64_t registers = width / 2, sums = tiles.weights * tiles.blocks;
  auto type = LLVM::LLVMStructType::getLiteral(
      context, SmallVector<Type>(registers, f32));
  bool transposed = op.getTransposed();
  auto elements = NVVM::WGMMATypesAttr::get(
      context, op.weightType().getElementType().isBF16()
                   ? NVVM::WGMMATypes::bf16
                   : NVVM::WGMMATypes::f16);
  auto f32Sums = NVVM::WGMMATypesAttr::get(context, NVVM::WGMMATypes::f32);
  auto plus = NVVM::WGMMAScaleInAttr::get(context, NVVM::WGMMAScaleIn::one);
  auto weightLayout = NVVM::MMALayoutAttr::get(
      context, transposed ? NVVM::MMALayout::col : NVVM::MMALayout::row);
  auto tokenLayout = NVVM::MMALayoutAttr::get(context, NVVM::MMALayout::col);
  auto shape = NVVM::MMAShapeAttr::get(context, 64, width, 16);
  Value group = sub(warpgroup, num(1));
  Value base = LLVM::PtrToIntOp::create(b, i32, memory);
  // Swizzled tiles with rows of 128 bytes; a step of 16 along K is 32 bytes
  // within rows, or 16 rows of transposed weights.
  auto descriptor = [&](Value address, bool transposed) -> Value {
    Value low = extend(shr(mask(address, 0x3FFFF), 4));
    int64_t leading = transposed ? 512 : 1;
    return arith::OrIOp::create(
        b, low, wide(leading << 16 | int64_t(64) << 32 | int64_t(1) << 62));
  };
  Value weightStart = descriptor(
      add(base, mul(group, num(tiles.blocks * WgmmaTiles::kBlockBytes))),
      transposed);
  Value tokenStart = descriptor(add(base, num(tiles.weightBytes())), false);
  int64_t weightStep = transposed ? 128 : 2;

  auto multiply = [&](Values accumulators, Value stage, bool first) -> Values {
    Value offset = mul(extend(stage), wide(tiles.stageBytes() / 16));
    Value weight = add(weightStart, offset), token = add(tokenStart, offset);
    NVVM::WgmmaFenceAlignedOp::create(b);
    for (int64_t k = 0; k < WgmmaTiles::kDepth / 16; ++k)
      for (int64_t i = 0; i < sums; ++i) {
        int64_t w = i / tiles.blocks, block = i % tiles.blocks;
        int64_t place = (w * tiles.columns() / 64 + block) *
                            (WgmmaTiles::kBlockBytes / 16) +
                        weightStep * k;
        auto scale = NVVM::WGMMAScaleOutAttr::get(
            context, first && k == 0 ? NVVM::WGMMAScaleOut::zero
                                     : NVVM::WGMMAScaleOut::one);
        accumulators[i] = NVVM::WgmmaMmaAsyncOp::create(
            b, type, accumulators[i], add(weight, wide(place)),
            add(token, wide(2 * k)), shape, elements, elements, f32Sums, scale,
            plus, plus, weightLayout, tokenLayout, NVVM::MMAIntOverflowAttr());
      }
    NVVM::WgmmaGroupSyncAlignedOp::create(b);
    return accumulators;
  };
  Value elected = cmp(Predicate::eq, mask(thread, 127), num(0));
  auto release = [&](Value stage) {
    when(elected, [&] {
      NVVM::MBarrierArriveOp::create(b, TypeRange(), emptyBarrier(stage),
                                     Value(), NVVM::MemScopeKind::CTA, false);
    });
  };

  Value none = LLVM::UndefOp::create(b, type);
  Tile after;
  // The sums of so many steps along K, behind the ring's state.
  auto share = [&](Value stage, Value parity, Value steps) -> Values {
    wait(fullBarrier(stage), parity);
    Values start = multiply(Values(sums, none), stage, true);
    // The next tile is looked up while the first products are made.
    if (!after.row)
      after = tileAt(following);
    auto [s, p] = next(stage, parity);
    Values carried{s, p, stage};
    llvm::append_range(carried, start);
    Values end = loop(
        num(1), steps, num(1), carried, [&](Value, ValueRange v) -> Values {
          wait(fullBarrier(v[0]), v[1]);
          Values sum = multiply(Values(v.drop_front(3)), v[0], false);
          NVVM::WgmmaWaitGroupSyncOp::create(b, 1);
          release(v[2]);
          auto [s, p] = next(v[0], v[1]);
          Values result{s, p, v[0]};
          llvm::append_range(result, sum);
          return result;
        });
    NVVM::WgmmaWaitGroupSyncOp::create(b, 0);
    release(end[2]);
    end.erase(end.begin() + 2);
    return end;
  };
  Values end;
  if (tiles.splits > 1 && !tiles.cluster) {
    // Shares come one after the other, and add up as those of a cluster do.
    Value zero = LLVM::ZeroOp::create(b, type);
    Values start{stage, parity};
    start.append(sums, zero);
    after = tileAt(following);
    Value most = num(tiles.depthOf(op.getInner()));
    end = loop(num(0), depth, most, start, [&](Value from, ValueRange v) {
      Values own = share(v[0], v[1], least(most, sub(depth, from)));
      for (int64_t i = 0; i < sums; ++i) {
        Value total = v[2 + i];
        for (int64_t r = 0; r < registers; ++r) {
          auto at = [&](Value of) -> Value {
            return LLVM::ExtractValueOp::create(b, of, ArrayRef<int64_t>{r});
          };
          Value sum = arith::AddFOp::create(b, at(total), at(own[2 + i]));
          total =
              LLVM::InsertValueOp::create(b, total, sum, ArrayRef<int64_t>{r});
        }
        own[2 + i] = total;
      }
      return own;
    });
  } else {
    end = share(stage, parity, depth);
  }
  ArrayRef<Value> totals = ArrayRef(end).drop_front(2);
  if (tiles.cluster)
    keep(width, totals);
  else
    epilogue(width, totals, tile);
  Values result{end[0], end[1]};
  llvm::append_range(result, after.values());
  return result;
}

/// Results of a tile go to memory. Register 4j + 2h + i of a sum belongs to
/// column 16*warp + lane/4 + 8h and row 8j + 2*(lane%4) + i. Of two interleaved
/// parts it is column 32*h + 8*warp + lane/4 of the result, once `together` has
/// brought both to one thread.
void Emitter::epilogue(int64_t width, ArrayRef<Value> sums, const Tile &tile) {
  Value group = sub(warpgroup, num(1)), quarter = mask(warp, 3);
  Value inGroup = mask(thread, 127);
  Value columns = num(op.getOutputs());
  bool paired = tiles.parts == 2;
  int64_t blocks = tiles.blocks / tiles.parts, apart = paired ? 32 : 8;
  Value firstColumn =
      add(mul(tile.column, num(tiles.outputs())), mul(group, num(64 * blocks)));
  Value ownColumn = add(shl(quarter, paired ? 3 : 4), shr(lane, 2));
  Value ownRow = shl(mask(lane, 3), 1);
  Value barrier = add(group, num(1));
  auto type = cast<MemRefType>(op.getOut().getType());
  auto strides = type.getStridesAndOffset().first;
  // Addresses are constants beyond that of a first element: whatever is the
  // same in all tiles would else be kept in registers for every element.
  auto global = LLVM::LLVMPointerType::get(b.getContext(), 1);
  auto addressOf = [&](Value row, Value column) -> Value {
    Value place = add(mul(extend(row), wide(strides[0])), extend(column));
    return LLVM::GEPOp::create(b, global, type.getElementType(), outStart,
                               ArrayRef<LLVM::GEPArg>{place});
  };
  auto beyond = [&](Value address, int64_t rows, int64_t columns) -> Value {
    auto steps = static_cast<int32_t>(rows * strides[0] + columns);
    return LLVM::GEPOp::create(b, global, type.getElementType(), address,
                               ArrayRef<LLVM::GEPArg>{steps});
  };
  auto meet = [&] {
    NVVM::BarrierOp::create(b, TypeRange(), barrier, num(128),
                            NVVM::BarrierReductionAttr(), Value());
  };
  for (int64_t block = 0; block < blocks; ++block) {
    Value column = add(firstColumn, num(64 * block));
    // Values of columns, h = 0 and 1.
    Values ofColumns[2];
    for (int64_t h = 0; h < 2; ++h) {
      Value c = least(add(column, add(ownColumn, num(apart * h))),
                      sub(columns, num(1)));
      for (Value v : perExpert)
        ofColumns[h].push_back(memref::LoadOp::create(
            b, v, ValueRange{index(tile.expert), index(c)}));
    }
    auto resultAt = [&](int64_t j, int64_t h, int64_t i) -> Value {
      Values accumulators;
      for (int64_t w = 0; w < tiles.weights; ++w) {
        auto sumAt = [&](int64_t block, int64_t h) -> Value {
          return LLVM::ExtractValueOp::create(
              b, sums[w * tiles.blocks + block],
              ArrayRef<int64_t>{4 * j + 2 * h + i});
        };
        if (paired)
          llvm::append_range(accumulators, together(sumAt(2 * block + h, 0),
                                                    sumAt(2 * block + h, 1)));
        else
          accumulators.push_back(sumAt(block, h));
      }
      Values ofRow;
      if (!perRow.empty()) {
        Value row = least(add(ownRow, num(8 * j + i)),
                          sub(most(tile.rows, num(1)), num(1)));
        for (Value v : perRow)
          ofRow.push_back(
              memref::LoadOp::create(b, v, index(add(tile.row, row))));
      }
      return element(accumulators, ofColumns[h], ofRow);
    };
    if (tiles.outputBytes == 4) {
      Value c = add(column, ownColumn);
      Value address = addressOf(add(tile.row, ownRow), c);
      Value rows = sub(tile.rows, ownRow);
      Value inColumns[2] = {cmp(Predicate::ult, c, columns),
                            cmp(Predicate::ult, add(c, num(apart)), columns)};
      for (int64_t j = 0; j < width / 8; ++j)
        for (int64_t i = 0; i < 2; ++i)
          for (int64_t h = 0; h < 2; ++h) {
            Value x = resultAt(j, h, i);
            Value inside = cmp(Predicate::sgt, rows, num(8 * j + i));
            when(both(inside, inColumns[h]), [&] {
              LLVM::StoreOp::create(b, x,
                                    beyond(address, 8 * j + i, apart * h));
            });
          }
      continue;
    }
    // 64 rows at a time go through shared memory, where a row's columns come
    // together; units of 16 bytes are swizzled, so that banks do not collide.
    Value staging = add(num(tiles.stages * tiles.stageBytes()), shl(group, 13));
    for (int64_t first = 0; first < width; first += 64) {
      int64_t chunk = std::min<int64_t>(64, width - first);
      meet(); // what was there has been read
      Value matrix = shr(lane, 3), inMatrix = mask(lane, 7);
      // The unit of columns that h = 0 or 1 stands for.
      Value side = mask(matrix, 1);
      Value unit =
          paired ? add(quarter, shl(side, 2)) : add(shl(quarter, 1), side);
      Value place = add(shl(add(shl(shr(matrix, 1), 3), inMatrix), 7),
                        shl(flip(unit, inMatrix), 4));
      for (int64_t j = 0; j < chunk / 8; j += 2) {
        Values registers;
        for (int64_t jj = j; jj < j + 2; ++jj)
          for (int64_t h = 0; h < 2; ++h)
            registers.push_back(narrow(resultAt(first / 8 + jj, h, 0),
                                       resultAt(first / 8 + jj, h, 1)));
        NVVM::StMatrixOp::create(
            b, at(add(staging, add(place, num(8 * j * 128)))), registers,
            NVVM::MMALayoutAttr::get(b.getContext(), NVVM::MMALayout::col),
            NVVM::LdStMatrixShapeAttr::get(b.getContext(), 8, 8),
            NVVM::LdStMatrixEltTypeAttr::get(b.getContext(),
                                             NVVM::LdStMatrixEltType::B16));
      }
      meet();
      // A thread moves 16 bytes of every sixteenth row.
      auto vector = VectorType::get({4}, i32);
      Value own = shr(inGroup, 3), piece = mask(inGroup, 7);
      Value c = add(column, shl(piece, 3));
      Value inColumns = cmp(Predicate::ult, c, columns);
      Value address = addressOf(add(tile.row, add(own, num(first))), c);
      Value rows = sub(tile.rows, own);
      for (int64_t r = 0; r < chunk; r += 16) {
        Value row = add(own, num(r));
        Value from =
            add(staging, add(shl(row, 7), shl(flip(piece, mask(row, 7)), 4)));
        Value x = LLVM::LoadOp::create(b, vector, at(from), 16);
        Value inside = cmp(Predicate::sgt, rows, num(first + r));
        when(both(inColumns, inside),
             [&] { LLVM::StoreOp::create(b, x, beyond(address, r, 0), 16); });
      }
    }
  }
}

/// What threads of the cluster wrote to shared memory before, all may read.
void Emitter::meetCluster() {
  NVVM::ClusterArriveOp::create(b, UnitAttr());
  NVVM::ClusterWaitOp::create(b, UnitAttr());
}

/// A split's sums go to its shared memory, where its tiles were: register r of
/// sum i of a thread at [group, i * tokens / 2 + r, thread].
void Emitter::keep(int64_t width, ArrayRef<Value> sums) {
  // The other warpgroup's products read the tiles too.
  NVVM::BarrierOp::create(b, TypeRange(), num(3),
                          num(128 * WgmmaTiles::kWarpgroups),
                          NVVM::BarrierReductionAttr(), Value());
  Value group = sub(warpgroup, num(1));
  int64_t each = tiles.weights * tiles.blocks * tiles.tokens / 2;
  Value own = at(add(mul(group, num(each * 512)), shl(mask(thread, 127), 2)));
  for (auto [i, sum] : llvm::enumerate(sums))
    for (int64_t r = 0; r < width / 2; ++r) {
      Value x = LLVM::ExtractValueOp::create(b, sum, ArrayRef<int64_t>{r});
      auto place = static_cast<int32_t>(512 * (i * tiles.tokens / 2 + r));
      LLVM::StoreOp::create(b, x,
                            LLVM::GEPOp::create(b, shared, b.getI8Type(), own,
                                                ArrayRef<LLVM::GEPArg>{place}));
    }
}

/// Each block of a cluster adds up the splits' sums, in their order, of every
/// so many rows, eight at a time, and writes the results.
void Emitter::addUp() {
  auto cluster = LLVM::LLVMPointerType::get(b.getContext(), 7);
  Values memories;
  for (int64_t s = 0; s < tiles.splits; ++s)
    memories.push_back(NVVM::MapaOp::create(b, cluster, memory, num(s)));
  Tile tile = tileAt(block);
  Value group = sub(warpgroup, num(1));
  int64_t each = tiles.weights * tiles.blocks * tiles.tokens / 2;
  Value own = add(mul(group, num(each * 512)), shl(mask(thread, 127), 2));
  Value columns = num(op.getOutputs());
  Value firstColumn = add(add(mul(tile.column, num(tiles.columns())),
                              mul(group, num(64 * tiles.blocks))),
                          add(shl(mask(warp, 3), 4), shr(lane, 2)));
  Value ownRow = shl(mask(lane, 3), 1);
  auto type = cast<MemRefType>(op.getOut().getType());
  int64_t stride = type.getStridesAndOffset().first[0];
  auto global = LLVM::LLVMPointerType::get(b.getContext(), 1);
  Value eights = shr(add(tile.rows, num(7)), 3);
  loop(rank, eights, num(tiles.splits), {}, [&](Value j, ValueRange) {
    // Beyond these, addresses are constants.
    Values rowsOf;
    for (Value memory : memories)
      rowsOf.push_back(
          LLVM::GEPOp::create(b, cluster, b.getI8Type(), memory,
                              ArrayRef<LLVM::GEPArg>{add(own, shl(j, 11))}));
    for (int64_t block = 0; block < tiles.blocks; ++block)
      for (int64_t h = 0; h < 2; ++h) {
        Value column = add(firstColumn, num(64 * block + 8 * h));
        Value safe = least(column, sub(columns, num(1)));
        Values ofColumn;
        for (Value v : perExpert)
          ofColumn.push_back(memref::LoadOp::create(
              b, v, ValueRange{index(tile.expert), index(safe)}));
        for (int64_t i = 0; i < 2; ++i) {
          Values accumulators;
          for (int64_t w = 0; w < tiles.weights; ++w) {
            int64_t sum = w * tiles.blocks + block;
            auto place = static_cast<int32_t>(
                512 * (sum * tiles.tokens / 2 + 2 * h + i));
            Value total = flt(0);
            for (Value memory : rowsOf) {
              Value from =
                  LLVM::GEPOp::create(b, cluster, b.getI8Type(), memory,
                                      ArrayRef<LLVM::GEPArg>{place});
              Value x = LLVM::LoadOp::create(b, f32, from);
              total = arith::AddFOp::create(b, total, x);
            }
            accumulators.push_back(total);
          }
          Value row = add(shl(j, 3), add(ownRow, num(i)));
          Value safeRow = least(row, sub(tile.rows, num(1)));
          Values ofRow;
          for (Value v : perRow)
            ofRow.push_back(
                memref::LoadOp::create(b, v, index(add(tile.row, safeRow))));
          Value x = element(accumulators, ofColumn, ofRow);
          when(both(isLess(row, tile.rows), isLess(column, columns)), [&] {
            Value place = add(mul(extend(add(tile.row, row)), wide(stride)),
                              extend(column));
            LLVM::StoreOp::create(
                b, x,
                LLVM::GEPOp::create(b, global, type.getElementType(), outStart,
                                    ArrayRef<LLVM::GEPArg>{place}));
          });
        }
      }
    return Values();
  });
}

/// Sums of two interleaved parts. Lanes 4c to 4c + 3 hold column c % 8 of a
/// warp's sixteen in `low`, the one 8 further in `high`; parts alternate. Gives
/// both parts of the warp's column c of the result. Each lane sends one sum at
/// a time, to where it is wanted.
Values Emitter::together(Value low, Value high) {
  auto exchange = [&](Value x, Value from) -> Value {
    return NVVM::ShflOp::create(b, f32, num(-1), x, from, num(31),
                                NVVM::ShflKind::idx, UnitAttr());
  };
  Value c = shr(lane, 2), isSecond = cmp(Predicate::eq, mask(c, 1), num(1));
  Value upper = shr(c, 2); // columns 4 to 7 come from `high`
  Value from = add(shl(mask(c, 3), 3), mask(lane, 3));
  // First low of even columns and high of odd ones, then the others.
  Value one = exchange(select(isSecond, high, low), add(from, shl(upper, 2)));
  Value other = exchange(select(isSecond, low, high),
                         add(from, shl(flip(upper, num(1)), 2)));
  Value isUpper = cmp(Predicate::eq, upper, num(1));
  return {select(isUpper, other, one), select(isUpper, one, other)};
}

/// The epilogue on one element; in f32 where the result is narrowed last, which
/// `narrow` then does.
Value Emitter::element(ArrayRef<Value> accumulators, ArrayRef<Value> ofColumn,
                       ArrayRef<Value> ofRow) {
  IRMapping mapping;
  Block &body = op.getEpilogue().front();
  unsigned argument = 0;
  for (ArrayRef<Value> group : {accumulators, ofColumn, ofRow})
    for (Value v : group)
      mapping.map(body.getArgument(argument++), v);
  Value result = body.getTerminator()->getOperand(0);
  auto last = result.getDefiningOp<arith::TruncFOp>();
  if (last && last.getIn().getType() != f32)
    last = nullptr;
  for (Operation &each : body.without_terminator()) {
    if (last && &each == last && last->hasOneUse())
      continue;
    auto unary = dyn_cast<row::UnaryOp>(&each);
    Value fast = unary && tiles.outputBytes == 2
                     ? approximate(unary, mapping.lookup(unary.getOperand()))
                     : Value();
    if (fast)
      mapping.map(unary.getResult(), fast);
    else
      b.clone(each, mapping);
  }
  return mapping.lookup(last && last->hasOneUse() ? last.getIn() : result);
}

/// Unary functions by the hardware's powers of two and reciprocals; none where
/// there is no such form. Errors are relative, some 2^-20, also where sigmoid
/// is nearly 0: a form by tanh cancels there. Below 2^-126 it is 0.
Value Emitter::approximate(row::UnaryOp unary, Value x) {
  auto mulf = [&](Value x, Value y) -> Value {
    return arith::MulFOp::create(b, x, y);
  };
  // The sigmoid of v, where v = scaled * -ln 2: 1 / (1 + 2^scaled).
  auto sigmoid = [&](Value scaled) -> Value {
    Value power = LLVM::CallIntrinsicOp::create(
                      b, f32, b.getStringAttr("llvm.nvvm.ex2.approx.ftz.f32"),
                      ValueRange{scaled})
                      .getResult(0);
    return NVVM::RcpApproxFtzF32Op::create(
        b, f32, arith::AddFOp::create(b, power, flt(1.0f)));
  };
  constexpr float log2e = 1.4426950409f;
  if (x.getType() != f32)
    return {};
  switch (unary.getFunction()) {
  case row::UnaryFunction::Sigmoid:
    return sigmoid(mulf(x, flt(-log2e)));
  case row::UnaryFunction::Silu:
    return mulf(x, sigmoid(mulf(x, flt(-log2e))));
  case row::UnaryFunction::GeluTanh: {
    // x/2 * (1 + tanh(u)) is x times the sigmoid of 2u.
    Value square = mulf(x, x);
    Value scaled = mulf(x, flt(-2 * log2e * 0.7978845608f));
    Value factor = math::FmaOp::create(b, square, flt(0.044715f), flt(1.0f));
    return mulf(x, sigmoid(mulf(scaled, factor)));
  }
  default:
    return {};
  }
}

/// Two neighbours of a column as one register.
Value Emitter::narrow(Value x, Value y) {
  Type element = cast<MemRefType>(op.getOut().getType()).getElementType();
  auto pair = [&](Type type) {
    auto vector = VectorType::get({2}, type);
    Value v = LLVM::UndefOp::create(b, vector);
    v = LLVM::InsertElementOp::create(b, v, x, num(0));
    return LLVM::InsertElementOp::create(b, v, y, num(1)).getResult();
  };
  Value v = pair(x.getType());
  if (x.getType() != element)
    v = LLVM::FPTruncOp::create(b, VectorType::get({2}, element), v);
  return LLVM::BitcastOp::create(b, i32, v);
}
} // namespace

LLVM::LLVMFuncOp route::ragged::emitWgmmaKernel(ModuleOp module, MatmulOp op,
                                                const WgmmaTiles &tiles,
                                                StringRef stem) {
  return Emitter(module, op, tiles, stem).emit();
}
