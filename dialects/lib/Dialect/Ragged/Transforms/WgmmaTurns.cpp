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
    auto [row, rows, expert, column, sharesRows] = schedule().at(
        t, [&](Value e) { return word(startsOffset(), e); },
        [&](Value e) { return word(offsetsOffset(), e); });
    tile = {row, rows, expert, column, sharesRows};
  }
  tile.rows = select(isLess(t, tileCount), tile.rows, num(0));
  return tile;
}

/// What has to be known for the number of the tile after tile t: how many were
/// taken, beside each block's first.
Value Emitter::askForTile(Value t) {
  auto counted = [&]() -> Value {
    return LLVM::AtomicRMWOp::create(b, LLVM::AtomicBinOp::add, taken, num(1),
                                     LLVM::AtomicOrdering::monotonic,
                                     /*syncscope=*/"device");
  };
  if (!taken)
    return t;
  return tiles.alsoDense ? either(
                               isDense(), [&] { return t; }, counted)
                         : counted();
}

/// The number that follows `last`, of what was asked for. Of a pair the first
/// block alone has asked, and tells the second. Numbers rise, so that one says
/// itself that it is new, and nothing else has to be in order with it.
Value Emitter::nextTile(Value last, Value asked) {
  // Loads and stores would be as right, but racecheck knows atomics alone.
  auto exchange = [&](LLVM::AtomicBinOp how, Value place, Value with) -> Value {
    return LLVM::AtomicRMWOp::create(b, how, place, with,
                                     LLVM::AtomicOrdering::monotonic,
                                     /*syncscope=*/"cluster");
  };
  auto tell = [&] {
    Value own = add(blocks, asked);
    auto cluster = LLVM::LLVMPointerType::get(b.getContext(), 7);
    exchange(LLVM::AtomicBinOp::xchg,
             NVVM::MapaOp::create(b, cluster, givenNumber(), num(1)), own);
    return own;
  };
  auto hear = [&] {
    auto isOld = [&](ValueRange v) { return isEqual(v[0], last); };
    return loopWhile({last}, isOld, [&](ValueRange) -> Values {
      return {exchange(LLVM::AtomicBinOp::_or, givenNumber(), num(0))};
    })[0];
  };
  return tiles.pairs ? either(isEqual(rank, num(0)), tell, hear)
                     : add(blocks, asked);
}

/// Blocks of a cluster of two are counted as one, and what they take is a pair
/// of tiles.
void Emitter::joinPair() {
  rank = mask(block, 1);
  block = shr(block, 1);
  blocks = shr(blocks, 1);
}

/// Gives tile t to the warps that multiply, once they have read the one before.
/// Only the first thread of the block looks it up.
void Emitter::giveTile(Value t, Value parity) {
  Tile tile = tileAt(t);
  // Of few rows the next kernel's start is worth more than what it disturbs.
  if (tiles.awaits) {
    constexpr int64_t few = 32; // rows of an expert, on the mean
    Value rows = word(offsetsOffset(), num(tiles.experts));
    when(both(isEqual(tile.rows, num(0)),
              isAtMost(rows, num(few * tiles.experts))),
         [&] { letNextStart(); });
  }
  wait(readBarrier(), flip(parity, num(1)));
  auto vector = VectorType::get({4}, i32);
  Value words = LLVM::UndefOp::create(b, vector);
  for (auto [i, v] : llvm::enumerate(tile.values()))
    words = LLVM::InsertElementOp::create(b, words, v, num(i));
  LLVM::StoreOp::create(b, words, givenTile(), 16);
  if (tiles.pairs)
    LLVM::StoreOp::create(b, arith::ExtUIOp::create(b, i32, tile.sharesRows),
                          givenSharing());
  NVVM::MBarrierArriveOp::create(b, TypeRange(), givenBarrier(), Value(),
                                 NVVM::MemScopeKind::CTA, false);
}

/// The tile that was given last, as it lies there.
Tile Emitter::lookAtTile() {
  Value words =
      LLVM::LoadOp::create(b, VectorType::get({4}, i32), givenTile(), 16);
  Values values;
  for (int64_t i = 0; i < 4; ++i)
    values.push_back(LLVM::ExtractElementOp::create(b, words, num(i)));
  return Tile::of(values);
}

/// The tile that was given last. Every thread reads it, and says so itself:
/// racecheck knows no detours, and were it read by one of a warp and passed on,
/// ptxas would not know that the warp stays together, and the loop along K
/// would lose its uniform registers, and 5% of the time.
Tile Emitter::readTile(Value parity) {
  wait(givenBarrier(), parity);
  Tile tile = lookAtTile();
  NVVM::MBarrierArriveOp::create(b, TypeRange(), readBarrier(), Value(),
                                 NVVM::MemScopeKind::CTA, false);
  return tile;
}
