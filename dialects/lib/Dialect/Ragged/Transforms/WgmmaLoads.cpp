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

/// A box of a tensor map into shared memory, which counts on `barrier`; in
/// those blocks of a cluster that the mask `where` names, at the same place of
/// each.
void Emitter::load(Value to, Value map, ArrayRef<Value> coordinates,
                   Value barrier, Value where) {
  Value cluster = LLVM::AddrSpaceCastOp::create(
      b, LLVM::LLVMPointerType::get(b.getContext(), 7), to);
  NVVM::CpAsyncBulkTensorGlobalToSharedClusterOp::create(
      b, cluster, map, coordinates, barrier, /*im2col=*/ValueRange(),
      /*multicast=*/where, /*cacheHint=*/Value(), NVVM::TMALoadMode::TILE,
      /*isCTAOnly=*/false, NVVM::CTAGroupKindAttr(), /*predicate=*/Value());
}

/// A step along K of the tile's columns of each weight; one thread asks for
/// them.
void Emitter::loadWeights(const Tile &tile, Value inner, Value stage) {
  int64_t columns = tiles.columns();
  int64_t box = op.getTransposed() ? 64 : tiles.boxColumns();
  Value first = mul(tile.column, num(columns));
  Value base = mul(stage, num(tiles.stageBytes()));
  Value where, all; // whether each brings all of them, to itself
  if (tiles.inTwos()) {
    all = tiles.pairs ? tile.sharesRows
                      : isEqual(arith::ExtUIOp::create(b, i32, paired), num(0));
    where = pairMask(select(all, add(rank, num(1)), num(3)));
  }
  for (auto [w, map] : llvm::enumerate(weights))
    for (int64_t c = 0; c < columns; c += box) {
      auto bring = [&] {
        Value to =
            at(add(base, num((w * columns + c) * WgmmaTiles::kRowBytes)));
        Value column = add(first, num(c));
        Values place = {inner, column, tile.expert};
        if (op.getTransposed())
          std::swap(place[0], place[1]);
        load(to, map, place, fullBarrier(stage), where);
      };
      if (tiles.inTwos())
        when(arith::OrIOp::create(b, all, isEqual(rank, num(2 * c / columns))),
             bring);
      else
        bring();
    }
}

/// What arrives in a stage: the weights, and rows that are not gathered.
void Emitter::expect(const Tile &tile, Value stage) {
  Value bytes = num(tiles.weightBytes());
  if (!gather)
    bytes = add(bytes, shl(unitsOf(tile), 11));
  NVVM::MBarrierArriveExpectTxOp::create(b, TypeRange(), fullBarrier(stage),
                                         bytes, NVVM::MemScopeKind::CTA, false,
                                         Value());
}

/// Rows side by side, 64 or 16 at a time; one thread asks for them. Blocks of a
/// pair that shares them take boxes in turn.
void Emitter::loadRows(const Tile &tile, Value inner, Value stage) {
  Value barrier = fullBarrier(stage), units = unitsOf(tile);
  Value whole = shr(units, 2), parts = mask(units, 3);
  Value rows =
      add(mul(stage, num(tiles.stageBytes())), num(tiles.weightBytes()));
  Value where;
  if (tiles.pairs)
    where = pairMask(select(tile.sharesRows, num(3), add(rank, num(1))));
  auto brings = [&](Value exists, Value number) -> Value {
    if (!tiles.pairs)
      return exists;
    Value own = both(exists, isEqual(mask(number, 1), rank));
    return select(tile.sharesRows, own, exists);
  };
  for (int64_t i = 0; i < tiles.tokens / 64; ++i)
    when(brings(cmp(Predicate::ugt, whole, num(i)), num(i)), [&] {
      load(at(add(rows, num(i * WgmmaTiles::kBlockBytes))), rows64,
           {inner, add(tile.row, num(64 * i))}, barrier, where);
    });
  Value rest = add(rows, shl(whole, 13));
  Value restRow = add(tile.row, shl(whole, 6));
  for (int64_t i = 0; i < std::min<int64_t>(3, tiles.tokens / 16); ++i)
    when(brings(cmp(Predicate::ugt, parts, num(i)), add(whole, num(i))), [&] {
      load(at(add(rest, num(2048 * i))), rows16,
           {inner, add(restRow, num(16 * i))}, barrier, where);
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

/// A step along K of a tile, into the ring's next stage once that is free. One
/// thread asks for tiles; rows that are gathered are copied by all.
Values Emitter::bringStep(const Tile &tile, ValueRange places, Value k,
                          Value stage, Value parity) {
  Value inner = mul(add(firstStep, k), num(tiles.depth));
  wait(emptyBarrier(stage), flip(parity, num(1)));
  auto start = [&] {
    expect(tile, stage);
    loadWeights(tile, inner, stage);
  };
  if (gather) {
    byOne(start);
    gatherRows(tile, places, inner, stage);
  } else {
    start();
    loadRows(tile, inner, stage);
  }
  auto [s, p] = next(stage, parity);
  return {s, p};
}

/// The warpgroup that brings tiles.
void Emitter::producer() {
  // The blocks that add up find room beside blocks of few registers.
  if (!tiles.spread)
    NVVM::SetMaxRegisterOp::create(b, 40, NVVM::SetMaxRegisterAction::decrease);
  if (isShare())
    when(isLess(block, tileCount), [&] { byOne([&] { bringShare(); }); });
  else if (gather)
    bringTiles();
  else
    byOne([&] { bringTiles(); });
  if (tiles.cluster)
    meetCluster();
  if (tiles.cluster || tiles.pairs)
    meetCluster();
}

/// Waits until the kernel ahead has told of all rows of the tile's expert. What
/// other kernels wrote is there already, since that one has waited for them.
void Emitter::awaitRows(const Tile &tile) {
  when(overlaps(), [&] {
    Value begin = word(offsetsOffset(), tile.expert);
    Value end = word(offsetsOffset(), add(tile.expert, num(1)));
    Value all = mul(sub(end, begin), countsOfRow);
    Value counter = LLVM::GEPOp::create(
        b, global, i32, told, ArrayRef<LLVM::GEPArg>{extend(tile.expert)});
    auto lacksSome = [&](ValueRange v) { return isLess(v[0], all); };
    loopWhile({num(0)}, lacksSome, [&](ValueRange) -> Values {
      return {LLVM::LoadOp::create(
          b, i32, counter, /*alignment=*/4, /*isVolatile=*/false,
          /*isNonTemporal=*/false, /*isInvariant=*/false,
          /*isInvariantGroup=*/false, LLVM::AtomicOrdering::acquire,
          /*syncscope=*/"device")};
    });
    // Threads wrote the rows; tensor maps read by another way.
    NVVM::FenceProxyOp::create(
        b,
        NVVM::ProxyKindAttr::get(b.getContext(), NVVM::ProxyKind::async_global),
        NVVM::SharedSpaceAttr());
  });
}

/// One tile after the other. The next is asked for as a tile begins. It is
/// looked up and given half way along K, when a ring full of steps is on its
/// way: nobody waits for it then. Those that multiply have begun this tile by
/// that time, and so have read it, in both blocks of a pair; the second one's
/// number comes a step later than the first's.
void Emitter::bringTiles() {
  int64_t steps = tiles.depthOf(op.getInner());
  Value half = num(std::min(steps - 1, std::max(steps / 2, tiles.stages)));
  Value asks;
  if (gather && taken)
    asks = isFirst;
  if (tiles.pairs) {
    half = add(half, rank);
    asks = isEqual(rank, num(0));
  }
  auto read = [&](Value parity) -> Values {
    if (gather)
      return readTile(parity).values();
    Values tile = lookAtTile().values();
    if (tiles.pairs)
      tile.push_back(cmp(Predicate::ne,
                         LLVM::LoadOp::create(b, i32, givenSharing()), num(0)));
    return tile;
  };
  if (gather)
    when(isFirst, [&] { giveTile(block, num(0)); });
  else
    giveTile(block, num(0));
  Values start{num(0), num(0), num(1), block};
  llvm::append_range(start, read(num(0)));
  auto some = [&](ValueRange v) { return isLess(num(0), v[5]); };
  loopWhile(start, some, [&](ValueRange v) -> Values {
    Value given = v[2], last = v[3];
    Tile tile = Tile::of(v.drop_front(4));
    auto ask = [&] { return askForTile(last); };
    Value asked = asks ? either(asks, ask, [&] { return last; }) : ask();
    auto give = [&] {
      Value following = nextTile(last, asked);
      giveTile(following, given);
      return following;
    };
    if (tiles.awaits)
      awaitRows(tile);
    Values places = gather ? placesOf(tile) : Values();
    Values state =
        loop(num(0), depth, num(1), {v[0], v[1], last},
             [&](Value k, ValueRange v) -> Values {
               Values ring = bringStep(tile, places, k, v[0], v[1]);
               Value isNow = isEqual(k, half);
               ring.push_back(either(gather ? both(isFirst, isNow) : isNow,
                                     give, [&] { return v[2]; }));
               return ring;
             });
    state.insert(state.begin() + 2, flip(given, num(1)));
    llvm::append_range(state, read(given));
    return state;
  });
  // Whoever waits for this kernel to end waits for those ahead of it, too.
  if (tiles.awaits)
    waitForKernels();
}
