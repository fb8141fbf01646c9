// Which tile a block of a grouped matmul takes next.
// How its warps learn of it.
#include "WgmmaEmitter.h"

using namespace mlir;
using namespace route;
using namespace route::ragged;
using namespace route::ragged::wgmma;

/// Tile t of the schedule, by the tables that the prologue made. Beyond the
/// last it has no rows.
Tile Emitter::tileAt(Value t) {
  Tile tile;
  if (isShare()) {
    tile = tileOfCluster(t);
  } else {
    auto [row, rows, expert, column] = schedule().at(
        t, [&](Value e) { return word(startsOffset(), e); },
        [&](Value e) { return word(offsetsOffset(), e); });
    tile = {row, rows, expert, column};
  }
  tile.rows = select(isLess(t, tileCount), tile.rows, num(0));
  return tile;
}

/// The number of the tile that this block takes after its tile t.
Value Emitter::afterTile(Value t) {
  auto counted = [&]() -> Value {
    Value before = LLVM::AtomicRMWOp::create(
        b, LLVM::AtomicBinOp::add, taken, num(1),
        LLVM::AtomicOrdering::monotonic, /*syncscope=*/"device");
    return add(blocks, before);
  };
  if (!taken)
    return add(t, blocks);
  return tiles.alsoDense ? denseOr([&] { return add(t, blocks); }, counted)
                         : counted();
}

/// Gives tile t to the warps that multiply, once they have read the one before.
/// Only the first thread of the block looks it up.
Tile Emitter::giveTile(Value t, Value parity) {
  Tile tile;
  auto give = [&] {
    tile = tileAt(t);
    wait(readBarrier(), flip(parity, num(1)));
    auto vector = VectorType::get({4}, i32);
    Value words = LLVM::UndefOp::create(b, vector);
    for (auto [i, v] : llvm::enumerate(tile.values()))
      words = LLVM::InsertElementOp::create(b, words, v, num(i));
    LLVM::StoreOp::create(b, words, givenTile(), 16);
    NVVM::MBarrierArriveOp::create(b, TypeRange(), givenBarrier(), Value(),
                                   NVVM::MemScopeKind::CTA, false);
  };
  if (!gather) {
    give();
    return tile;
  }
  when(isFirst, give);
  return readTile(parity);
}

/// The tile that was given last. Every thread reads it, and says so itself:
/// racecheck knows no detours, and were it read by one of a warp and passed on,
/// ptxas would not know that the warp stays together, and the loop along K
/// would lose its uniform registers, and 5% of the time.
Tile Emitter::readTile(Value parity) {
  wait(givenBarrier(), parity);
  Value words =
      LLVM::LoadOp::create(b, VectorType::get({4}, i32), givenTile(), 16);
  Values values;
  for (int64_t i = 0; i < 4; ++i)
    values.push_back(LLVM::ExtractElementOp::create(b, words, num(i)));
  NVVM::MBarrierArriveOp::create(b, TypeRange(), readBarrier(), Value(),
                                 NVVM::MemScopeKind::CTA, false);
  return Tile::of(values);
}
