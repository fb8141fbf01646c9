// How tiles of weights and rows come into shared memory.
// Rows as they lie or gathered; the warpgroup that asks for them.
#include "WgmmaEmitter.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;
using namespace route;
using namespace route::ragged;
using namespace route::ragged::wgmma;

/// Sixteen rows each: what a step along K brings of a tile is whole units.
Value Emitter::unitsOf(const Tile &tile) {
  return shr(add(tile.rows, num(15)), 4);
}

/// A box of a tensor map into shared memory, which counts on `barrier`; into
/// that of some blocks of the cluster, at the same place, by a mask.
void Emitter::load(Value to, Value map, ArrayRef<Value> coordinates,
                   Value barrier, Value blocks) {
  Value cluster = LLVM::AddrSpaceCastOp::create(
      b, LLVM::LLVMPointerType::get(b.getContext(), 7), to);
  NVVM::CpAsyncBulkTensorGlobalToSharedClusterOp::create(
      b, cluster, map, coordinates, barrier, /*im2col=*/ValueRange(),
      /*multicast=*/blocks, /*cacheHint=*/Value(), NVVM::TMALoadMode::TILE,
      /*isCTAOnly=*/false, NVVM::CTAGroupKindAttr(), /*predicate=*/Value());
}

/// Rows side by side, 64 or 16 at a time; one thread asks for them.
void Emitter::loadRows(const Tile &tile, Value inner, Value stage) {
  Value barrier = fullBarrier(stage), units = unitsOf(tile);
  Value whole = shr(units, 2), parts = mask(units, 3);
  Value rows =
      add(mul(stage, num(tiles.stageBytes())), num(tiles.weightBytes()));
  for (int64_t i = 0; i < tiles.tokens / 64; ++i)
    when(cmp(Predicate::ugt, whole, num(i)), [&] {
      load(at(add(rows, num(i * WgmmaTiles::kBlockBytes))), rows64,
           {inner, add(tile.row, num(64 * i))}, barrier);
    });
  Value rest = add(rows, shl(whole, 13));
  Value restRow = add(tile.row, shl(whole, 6));
  for (int64_t i = 0; i < std::min<int64_t>(3, tiles.tokens / 16); ++i)
    when(cmp(Predicate::ugt, parts, num(i)), [&] {
      load(at(add(rest, num(2048 * i))), rows16,
           {inner, add(restRow, num(16 * i))}, barrier);
    });
}

/// Where the rows of a tile are, each a thread's sixteen bytes of every
/// sixteenth row, in units of sixteen bytes from the first item's. Beyond the
/// last row it is that one again.
Values Emitter::placesOf(const Tile &tile) {
  auto type = cast<MemRefType>(gather.getX().getType());
  int64_t units = type.getStridesAndOffset().first[0] * bytesOfWeight() / 16;
  Values places;
  for (int64_t first = 0; first < tiles.tokens; first += 16) {
    Value row = add(shr(thread, 3), num(first));
    Value from = add(tile.row, least(row, sub(tile.rows, num(1))));
    Value slot = arith::MaxSIOp::create(
        b, memref::LoadOp::create(b, perm, index(from)), num(0));
    places.push_back(add(mul(div(slot, num(gather.getSlots())), num(units)),
                         mask(thread, 7)));
  }
  return places;
}

/// A step along K of those rows: 16 rows at a time, as the swizzle of a tensor
/// map would lay them out.
void Emitter::gatherRows(const Tile &tile, ValueRange places, Value inner,
                         Value stage) {
  Value units = unitsOf(tile);
  Value row = mask(shr(thread, 3), 7);
  Value own = add(shl(shr(thread, 3), 7), shl(flip(mask(thread, 7), row), 4));
  Value rows = add(add(mul(stage, num(tiles.stageBytes())), own),
                   num(tiles.weightBytes()));
  Value first = shr(mul(inner, num(bytesOfWeight())), 4);
  auto bytes16 = VectorType::get({4}, i32);
  // The barriers say already that this thread's last copies to the stage have
  // been made and read; but without a wait of its own the compute sanitizer's
  // racecheck warns of a hazard.
  NVVM::CpAsyncWaitGroupOp::create(b, tiles.stages - 1);
  for (auto [i, place] : llvm::enumerate(places))
    when(cmp(Predicate::ugt, units, num(i)), [&] {
      Value from = LLVM::GEPOp::create(
          b, itemStart.getType(), bytes16, itemStart,
          ArrayRef<LLVM::GEPArg>{extend(add(place, first))});
      NVVM::CpAsyncOp::create(b, at(add(rows, num(2048 * i))), from, 16,
                              NVVM::LoadCacheModifierKind::CG, Value());
    });
  NVVM::CpAsyncCommitGroupOp::create(b);
  // Each thread arrives once its copies are there.
  NVVM::CpAsyncMBarrierArriveOp::create(b, fullBarrier(stage), /*noinc=*/true);
}

/// One thread asks for tiles as stages become free; rows that are gathered are
/// copied by all.
void Emitter::producer() {
  // The blocks that add up find room beside blocks of few registers.
  if (!tiles.spread)
    NVVM::SetMaxRegisterOp::create(b, 40, NVVM::SetMaxRegisterAction::decrease);
  auto loadWeights = [&](const Tile &tile, Value inner, Value stage) {
    Value column = mul(tile.column, num(tiles.columns()));
    Value base = mul(stage, num(tiles.stageBytes()));
    for (auto [w, map] : llvm::enumerate(weights)) {
      Value start = add(base, num(w * tiles.columns() * WgmmaTiles::kRowBytes));
      // The columns of a box, from the tile's `c` on.
      auto box = [&](Value c, Value blocks) {
        Values coordinates{inner, add(column, c), tile.expert};
        if (op.getTransposed())
          std::swap(coordinates[0], coordinates[1]);
        load(at(add(start, mul(c, num(WgmmaTiles::kRowBytes)))), map,
             coordinates, fullBarrier(stage), blocks);
      };
      auto all = [&] {
        for (int64_t c = 0; c < tiles.columns(); c += boxColumns())
          box(num(c), Value());
      };
      if (!tiles.pairs) {
        all();
        continue;
      }
      auto either = scf::IfOp::create(b, paired, /*withElse=*/true);
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(either.thenBlock());
      for (int64_t c = 0; c < tiles.columns(); c += 2 * boxColumns())
        box(add(mul(half, num(boxColumns())), num(c)),
            arith::ConstantOp::create(b, b.getI16IntegerAttr(3)));
      b.setInsertionPointToStart(either.elseBlock());
      all();
    }
  };
  auto expect = [&](const Tile &tile, Value stage) {
    Value bytes = num(tiles.weightBytes());
    if (!gather)
      bytes = add(bytes, shl(unitsOf(tile), 11));
    NVVM::MBarrierArriveExpectTxOp::create(b, TypeRange(), fullBarrier(stage),
                                           bytes, NVVM::MemScopeKind::CTA,
                                           false, Value());
  };
  auto innerOf = [&](Value k) {
    return mul(add(firstStep, k), num(tiles.depth));
  };
  // The steps along K from `begin` on.
  auto fillRing = [&](const Tile &tile, Value begin,
                      ValueRange ring) -> Values {
    Values places = gather ? placesOf(tile) : Values();
    return loop(begin, depth, num(1), ring,
                [&](Value k, ValueRange ring) -> Values {
                  Value stage = ring[0], parity = ring[1];
                  wait(emptyBarrier(stage), flip(parity, num(1)));
                  auto start = [&] {
                    expect(tile, stage);
                    loadWeights(tile, innerOf(k), stage);
                  };
                  if (gather) {
                    when(isFirst, start);
                    gatherRows(tile, places, innerOf(k), stage);
                  } else {
                    start();
                    loadRows(tile, innerOf(k), stage);
                  }
                  auto [s, p] = next(stage, parity);
                  return {s, p};
                });
  };
  if (isShare()) {
    // The one tile of the block. Parameters are there before the kernels that
    // make the rows have ended.
    when(both(isFirst, isLess(block, tileCount)), [&] {
      Tile tile = tileAt(block);
      bool early = weightsAreParameters();
      if (!early)
        waitForKernels();
      Value begin = least(depth, num(tiles.stages));
      loop(num(0), begin, num(1), {}, [&](Value k, ValueRange) {
        expect(tile, k);
        loadWeights(tile, innerOf(k), k);
        return Values();
      });
      for (Value map : {rows64, rows16})
        NVVM::PrefetchOp::create(b, NVVM::PrefetchCacheLevelAttr(),
                                 NVVM::CacheEvictionPriorityAttr(), map,
                                 /*predicate=*/Value(), b.getUnitAttr(),
                                 UnitAttr(), UnitAttr());
      if (early)
        waitForKernels();
      loop(num(0), begin, num(1), {}, [&](Value k, ValueRange) {
        loadRows(tile, innerOf(k), k);
        return Values();
      });
      Value wraps = cmp(Predicate::eq, begin, num(tiles.stages));
      fillRing(tile, begin,
               {select(wraps, num(0), begin), select(wraps, num(1), num(0))});
    });
    if (tiles.cluster) {
      meetCluster();
      meetCluster();
    }
    return;
  }
  auto all = [&] {
    Values start{num(0), num(0), num(1), block};
    llvm::append_range(start, giveTile(block, num(0)).values());
    loopWhile(
        start, [&](ValueRange v) { return isLess(num(0), v[5]); },
        [&](ValueRange v) -> Values {
          // Asked for before the loads, and needed after them.
          Value following;
          if (gather && taken) {
            auto asks = scf::IfOp::create(b, TypeRange(i32), isFirst, true);
            OpBuilder::InsertionGuard guard(b);
            b.setInsertionPointToStart(&asks.getThenRegion().front());
            scf::YieldOp::create(b, afterTile(v[3]));
            b.setInsertionPointToStart(&asks.getElseRegion().front());
            scf::YieldOp::create(b, v[3]);
            following = asks.getResult(0);
          } else {
            following = afterTile(v[3]);
          }
          Values state =
              fillRing(Tile::of(v.drop_front(4)), num(0), v.take_front(2));
          Tile tile = giveTile(following, v[2]);
          state.append({flip(v[2], num(1)), following});
          llvm::append_range(state, tile.values());
          return state;
        });
  };
  if (gather)
    all();
  else
    when(isFirst, all);
}
