// Blocks that share K: how their sums meet.
// In a cluster, in shared memory; else in global memory, where another kernel
// adds them up.
#include "WgmmaEmitter.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Interfaces/ViewLikeInterface.h"
#include "route/EntryAttributes.h"
#include "route/Kernels/Kernels.h"

using namespace mlir;
using namespace route;
using namespace route::ragged;
using namespace route::ragged::wgmma;

/// A tile of rows has a block for each share of K, for each of the columns'
/// tiles.
int64_t Emitter::tileBlocks() {
  return tiles.splits * llvm::divideCeil(op.getOutputs(), tiles.outputs());
}

/// This block's tile and its share of K, of `steps` steps.
void Emitter::joinCluster(int64_t steps) {
  letNextStart();
  kernel->setAttr(kWaitsAttr, b.getUnitAttr());
  int64_t across = tileBlocks() / tiles.splits;
  if (tiles.pairedShares) {
    rank = mask(block, 1);
    block = shr(block, 1);
  }
  share = rem(block, num(tiles.splits));
  block = div(block, num(tiles.splits));
  blocks = div(blocks, num(tiles.splits));
  Value own = num(tiles.depthOf(op.getInner()));
  firstStep = mul(share, own);
  depth = least(own, sub(num(steps), firstStep));
  Value rows =
      arith::IndexCastOp::create(b, i32, memref::DimOp::create(b, out, 0));
  step = select(isAtMost(rows, num(tiles.fewRows(tileBlocks()))),
                num(tiles.fewStep()), num(tiles.step()));
  Value tilesOfRows = div(add(rows, sub(step, num(1))), step);
  tileCount = mul(tilesOfRows, num(across));
  if (!tiles.pairedShares)
    return;
  Value firstRows = shl(div(block, num(across)), 1);
  Value column = rem(block, num(across));
  auto tileOf = [&](Value rows) { return add(mul(rows, num(across)), column); };
  block = tileOf(add(firstRows, rank));
  // Where blocks come in several rounds, waiting for each other costs more.
  paired = both(isLess(add(firstRows, num(1)), tilesOfRows),
                isAtMost(rows, num(tiles.fewRows(tileBlocks()))));
}

/// Tile t, of all rows and columns: those of the same rows are side by side.
Tile Emitter::tileOfCluster(Value t) {
  int64_t across = tileBlocks() / tiles.splits;
  Value rows =
      arith::IndexCastOp::create(b, i32, memref::DimOp::create(b, out, 0));
  Value first = mul(div(t, num(across)), step);
  Value own = least(step, sub(most(rows, first), first));
  return {first, own, num(0), rem(t, num(across))};
}

/// The kernel behind this one may start, once all blocks have said so.
void Emitter::letNextStart() {
  NVVM::GriddepcontrolOp::create(
      b, NVVM::GridDepActionKindAttr::get(
             b.getContext(), NVVM::GridDepActionKind::launch_dependents));
}

/// What kernels before this one wrote is there afterwards.
void Emitter::waitForKernels() {
  NVVM::GriddepcontrolOp::create(
      b, NVVM::GridDepActionKindAttr::get(b.getContext(),
                                          NVVM::GridDepActionKind::wait));
}

/// Whether the weights are the model's own, or views of them. No kernel of this
/// call nor of those ahead of it on the stream makes them, as those may make an
/// input.
bool Emitter::weightsAreParameters() {
  return llvm::all_of(op.getWeights(), [](Value v) {
    while (auto view = v.getDefiningOp<ViewLikeOpInterface>())
      v = view.getViewSource();
    auto argument = dyn_cast<BlockArgument>(v);
    auto function =
        argument
            ? dyn_cast<FunctionOpInterface>(argument.getOwner()->getParentOp())
            : FunctionOpInterface();
    auto role = function ? function.getArgAttrOfType<StringAttr>(
                               argument.getArgNumber(), kRoleAttr)
                         : StringAttr();
    return role &&
           (role.getValue() == "param" || role.getValue() == "prepared");
  });
}

/// The one tile of a block with a share. Parameters are there before the
/// kernels that make the rows have ended.
void Emitter::bringShare() {
  Tile tile = tileAt(block);
  bool early = weightsAreParameters();
  if (!early)
    waitForKernels();
  auto innerOf = [&](Value k) {
    return mul(add(firstStep, k), num(tiles.depth));
  };
  Value begin = least(depth, num(tiles.stages));
  loop(num(0), begin, num(1), {}, [&](Value k, ValueRange) {
    expect(tile, k);
    loadWeights(tile, innerOf(k), k);
    return Values();
  });
  for (Value map : {rows64, rows16})
    NVVM::PrefetchOp::create(b, NVVM::PrefetchCacheLevelAttr(),
                             NVVM::CacheEvictionPriorityAttr(), map,
                             /*predicate=*/Value(), b.getUnitAttr(), UnitAttr(),
                             UnitAttr());
  if (early)
    waitForKernels();
  loop(num(0), begin, num(1), {}, [&](Value k, ValueRange) {
    loadRows(tile, innerOf(k), k);
    return Values();
  });
  Value wraps = cmp(Predicate::eq, begin, num(tiles.stages));
  loop(begin, depth, num(1),
       {select(wraps, num(0), begin), select(wraps, num(1), num(0))},
       [&](Value k, ValueRange ring) {
         return bringStep(tile, {}, k, ring[0], ring[1]);
       });
}

/// A loop without a body over the rows of the cluster's tile, a row for each
/// warp that multiplied: ragged-fuse-router puts there what comes next.
void Emitter::shareItems() {
  constexpr int64_t warps = 4 * WgmmaTiles::kWarpgroups;
  Value across = num(tileBlocks() / tiles.splits);
  when(isLess(block, tileCount), [&] {
    Tile tile = tileAt(block);
    Value place = add(mul(rem(block, across), num(tiles.splits)), share);
    Value first = add(mul(place, num(warps)), sub(warp, num(4)));
    auto items = scf::ForOp::create(
        b, index(add(tile.row, first)), index(add(tile.row, tile.rows)),
        arith::ConstantIndexOp::create(b, warps * tileBlocks()));
    items->setAttr(kItemsAttr, b.getDenseI64ArrayAttr({128, warps, 0}));
  });
}

/// What threads of the cluster wrote to shared memory before, all may read.
void Emitter::meetCluster() {
  NVVM::ClusterArriveOp::create(b, UnitAttr());
  NVVM::ClusterWaitOp::create(b, UnitAttr());
}

/// A split's sums go to its shared memory, where its tiles were: register r of
/// sum i of a thread at [group, i * tokens / 2 + r, thread].
void Emitter::keep(int64_t width, Value sums) {
  // The other warpgroup's products read the tiles too.
  NVVM::BarrierOp::create(b, TypeRange(), num(3),
                          num(128 * WgmmaTiles::kWarpgroups),
                          NVVM::BarrierReductionAttr(), Value());
  Value group = sub(warpgroup, num(1));
  int64_t each = tiles.weights * tiles.blocks * tiles.tokens / 2;
  Value own = at(add(mul(group, num(each * 512)), shl(mask(thread, 127), 2)));
  int64_t registers = width / 2;
  for (int64_t i = 0; i < sumsOf(width); ++i) {
    auto place = static_cast<int32_t>(
        512 * (i / registers * tiles.tokens / 2 + i % registers));
    LLVM::StoreOp::create(b, extract(sums, i),
                          LLVM::GEPOp::create(b, shared, b.getI8Type(), own,
                                              ArrayRef<LLVM::GEPArg>{place}));
  }
}

/// Each block of a cluster adds up the splits' sums, in their order, of every
/// so many rows, eight at a time, and writes the results.
void Emitter::addUp() {
  auto cluster = LLVM::LLVMPointerType::get(b.getContext(), 7);
  Values memories;
  // Blocks of the same columns are side by side.
  Value base =
      mul(rem(block, num(tileBlocks() / tiles.splits)), num(tiles.splits));
  for (int64_t s = 0; s < tiles.splits; ++s)
    memories.push_back(
        NVVM::MapaOp::create(b, cluster, memory, add(base, num(s))));
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
  Value eights = shr(add(tile.rows, num(7)), 3);
  loop(share, eights, num(tiles.splits), {}, [&](Value j, ValueRange) {
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

/// A share's sums go to memory. Registers are as in the epilogue.
void Emitter::leave(int64_t width, Value sums, const Tile &tile) {
  int64_t columns = op.getOutputs(), ofShare = tiles.weights * columns,
          ofRow = tiles.splits * ofShare;
  Value column = add(add(mul(tile.column, num(tiles.columns())),
                         mul(sub(warpgroup, num(1)), num(64 * tiles.blocks))),
                     add(shl(mask(warp, 3), 4), shr(lane, 2)));
  Value ownRow = shl(mask(lane, 3), 1);
  Value place = add(mul(extend(add(tile.row, ownRow)), wide(ofRow)),
                    extend(add(mul(this->share, num(ofShare)), column)));
  Value start = LLVM::GEPOp::create(b, global, f32, outStart,
                                    ArrayRef<LLVM::GEPArg>{place});
  Value rows = sub(tile.rows, ownRow);
  for (int64_t block = 0; block < tiles.blocks; ++block)
    for (int64_t h = 0; h < 2; ++h) {
      int64_t further = 64 * block + 8 * h;
      when(isLess(add(column, num(further)), num(columns)), [&] {
        for (int64_t j = 0; j < width / 8; ++j)
          for (int64_t i = 0; i < 2; ++i)
            when(cmp(Predicate::sgt, rows, num(8 * j + i)), [&] {
              for (int64_t w = 0; w < tiles.weights; ++w) {
                Value x =
                    extract(sums, (w * tiles.blocks + block) * (width / 2) +
                                      4 * j + 2 * h + i);
                auto beyond = static_cast<int32_t>((8 * j + i) * ofRow +
                                                   w * columns + further);
                LLVM::StoreOp::create(
                    b, x,
                    LLVM::GEPOp::create(b, global, f32, start,
                                        ArrayRef<LLVM::GEPArg>{beyond}));
              }
            });
      });
    }
}

/// Each block adds up the shares' sums of a row, in their order, a column for
/// each thread. The first warp may go on with the row, from shared memory.
LLVM::LLVMFuncOp Emitter::emitAddition(StringRef stem) {
  constexpr int64_t threads = 256;
  int64_t columns = op.getOutputs();
  SmallVector<Type> buffers{sums.getType()}, types;
  llvm::append_range(buffers, op.getPerExpert().getTypes());
  llvm::append_range(buffers, op.getPerRow().getTypes());
  buffers.push_back(op.getOut().getType());
  SmallVector<unsigned> places = addFields(buffers, types);
  kernel = createWholeKernel(module, op.getLoc(), stem, types, threads);
  int64_t bytes = llvm::alignTo(4 * columns, 16);
  kernel->setAttr(kSharedBytesAttr, b.getI32IntegerAttr(bytes));
  b.setInsertionPoint(kernel.getBody().front().getTerminator());
  waitForEarlierKernels(b);
  Values made;
  for (auto [type, place] : llvm::zip_equal(buffers, places))
    made.push_back(bufferOf(type, place));
  ArrayRef<Value> rest = ArrayRef(made).drop_front();
  perExpert = Values(rest.take_front(op.getPerExpert().size()));
  perRow = Values(rest.slice(perExpert.size(), op.getPerRow().size()));
  out = rest.back();
  memory = dynamicShared(b);
  thread = NVVM::ThreadIdXOp::create(b, i32);
  Value row = index(NVVM::BlockIdXOp::create(b, i32));
  Values ofRow;
  for (Value v : perRow)
    ofRow.push_back(memref::LoadOp::create(b, v, row));
  for (int64_t first = 0; first < columns; first += threads) {
    Value column = add(thread, num(first));
    auto addUp = [&] {
      Values accumulators;
      for (int64_t w = 0; w < tiles.weights; ++w) {
        Value total = flt(0);
        for (int64_t s = 0; s < tiles.splits; ++s) {
          Value place = add(column, num((s * tiles.weights + w) * columns));
          Value x = memref::LoadOp::create(b, made.front(),
                                           ValueRange{row, index(place)});
          total = arith::AddFOp::create(b, total, x);
        }
        accumulators.push_back(total);
      }
      Values ofColumn;
      for (Value v : perExpert)
        ofColumn.push_back(memref::LoadOp::create(
            b, v, ValueRange{index(num(0)), index(column)}));
      Value x = element(accumulators, ofColumn, ofRow);
      LLVM::StoreOp::create(b, x, at(shl(column, 2)));
      memref::StoreOp::create(b, x, out, ValueRange{row, index(column)});
    };
    if (first + threads <= columns)
      addUp();
    else
      when(isLess(column, num(columns)), addUp);
  }
  NVVM::BarrierOp::create(b);
  when(isLess(thread, num(32)), [&] {
    Value one = arith::ConstantIndexOp::create(b, 1);
    auto items =
        scf::ForOp::create(b, row, arith::AddIOp::create(b, row, one), one);
    items->setAttr(kItemsAttr, b.getDenseI64ArrayAttr({0, 1, bytes}));
  });
  return kernel;
}

LLVM::LLVMFuncOp route::ragged::emitAdditionKernel(ModuleOp module, MatmulOp op,
                                                   const WgmmaTiles &tiles,
                                                   StringRef stem, Value sums) {
  return Emitter(module, op, tiles, GatherOp(), sums).emitAddition(stem);
}
