// How rows of a tile come into shared memory, as they lie or gathered.
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

/// A box of a tensor map into shared memory, which counts on `barrier`.
void Emitter::load(Value to, Value map, ArrayRef<Value> coordinates,
                   Value barrier) {
  Value cluster = LLVM::AddrSpaceCastOp::create(
      b, LLVM::LLVMPointerType::get(b.getContext(), 7), to);
  NVVM::CpAsyncBulkTensorGlobalToSharedClusterOp::create(
      b, cluster, map, coordinates, barrier, /*im2col=*/ValueRange(),
      /*multicast=*/Value(), /*cacheHint=*/Value(), NVVM::TMALoadMode::TILE,
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
