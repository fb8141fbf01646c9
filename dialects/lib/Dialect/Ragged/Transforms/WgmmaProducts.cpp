// The products of a grouped matmul's tiles.
// What the two warpgroups do that multiply.
#include "WgmmaEmitter.h"

using namespace mlir;
using namespace route;
using namespace route::ragged;
using namespace route::ragged::wgmma;

/// Two warpgroups multiply, each its own columns.
void Emitter::consumer() {
  if (!tiles.spread)
    NVVM::SetMaxRegisterOp::create(b, 232,
                                   NVVM::SetMaxRegisterAction::increase);
  if (isShare())
    waitForKernels();
  // The second warpgroup starts behind the first, and stays there: it
  // multiplies while the first is at its results, and the other way round.
  // A number that LLVM does not know: else it peels off the steps up to there.
  lagStep = uniform(num(kLag));
  Tile first = isShare() ? tileAt(block) : readTile(num(0));
  if (lags())
    when(
        both(cmp(Predicate::eq, warpgroup, num(2)), isLess(num(0), first.rows)),
        [&] {
          NVVM::BarrierOp::create(b, TypeRange(), num(kLagBarrier), num(256),
                                  NVVM::BarrierReductionAttr(), Value());
        });
  // The ring's state, the parity of the next tile, and whether the other
  // warpgroup may wait for this one.
  Values start{
      num(0), num(0), num(1),
      arith::ExtUIOp::create(b, i32, cmp(Predicate::eq, warpgroup, num(1)))};
  llvm::append_range(start, first.values());
  auto some = [&](ValueRange v) { return isLess(num(0), v[5]); };
  loopWhile(start, some, [&](ValueRange v) -> Values {
    Tile tile = Tile::of(v.drop_front(4));
    leads = cmp(Predicate::ne, v[3], num(0));
    // The narrowest of a few widths that holds the rows; uniform, or the
    // products of a warpgroup would run one by one.
    SmallVector<int64_t> widths, cases;
    // Where K is shared out, products take little of the time; many rows fill
    // all tiles but one. Tiles of fewer than 64 rows wait for their weights
    // anyway, and each width is a fifth of the time that a kernel compiles.
    SmallVector<int64_t> some{64, 96, 128, 192};
    if (tiles.splits > 1)
      some = isShare() ? SmallVector<int64_t>{16, 64} : SmallVector<int64_t>{};
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
    SmallVector<Type> types(8, i32);
    auto choice = scf::IndexSwitchOp::create(b, types, index(uniform(chosen)),
                                             cases, cases.size());
    OpBuilder::InsertionGuard guard(b);
    for (auto [i, width] : llvm::enumerate(widths)) {
      Region &region = i < cases.size() ? choice.getCaseRegions()[i]
                                        : choice.getDefaultRegion();
      b.setInsertionPointToStart(&region.emplaceBlock());
      scf::YieldOp::create(b, path(width, v[0], v[1], v[2], tile));
    }
    return Values(choice.getResults());
  });
  if (tiles.pairs)
    meetCluster(); // nobody ends while the other one tells or brings it things
  if (tiles.cluster) {
    meetCluster();
    when(isLess(block, tileCount), [&] { addUp(); });
    meetCluster(); // nobody ends while others read its sums
    shareItems();
  }
}

/// A tile of `width` tokens: the sums, then the results. Gives what the loop
/// over tiles carries; the next one is given with parity `given`.
Values Emitter::path(int64_t width, Value stage, Value parity, Value given,
                     const Tile &tile) {
  MLIRContext *context = b.getContext();
  int64_t registers = width / 2, sums = tiles.weights * tiles.blocks;
  auto type = LLVM::LLVMStructType::getLiteral(
      context, SmallVector<Type>(registers, f32));
  bool transposed = op.getTransposed();
  Type element = op.weightType().getElementType();
  auto elements = NVVM::WGMMATypesAttr::get(
      context, element.isF32()    ? NVVM::WGMMATypes::tf32
               : element.isBF16() ? NVVM::WGMMATypes::bf16
                                  : NVVM::WGMMATypes::f16);
  auto f32Sums = NVVM::WGMMATypesAttr::get(context, NVVM::WGMMATypes::f32);
  auto plus = NVVM::WGMMAScaleInAttr::get(context, NVVM::WGMMAScaleIn::one);
  auto weightLayout = NVVM::MMALayoutAttr::get(
      context, transposed ? NVVM::MMALayout::col : NVVM::MMALayout::row);
  auto tokenLayout = NVVM::MMALayoutAttr::get(context, NVVM::MMALayout::col);
  auto shape = NVVM::MMAShapeAttr::get(context, 64, width, tiles.depth / 4);
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
    // Threads wrote the gathered rows; tensor cores read by another way.
    if (gather)
      NVVM::FenceProxyOp::create(
          b, NVVM::ProxyKindAttr::get(context, NVVM::ProxyKind::async_shared),
          NVVM::SharedSpaceAttr::get(context, NVVM::SharedSpace::shared_cta));
    NVVM::WgmmaFenceAlignedOp::create(b);
    for (int64_t k = 0; k < WgmmaTiles::kRowBytes / 32; ++k)
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
  // Of a pair both blocks are told, each by a warp: either brings tiles to
  // both.
  Value elected =
      cmp(Predicate::eq, mask(thread, tiles.pairs ? 95 : 127), num(0));
  auto release = [&](Value stage) {
    when(elected, [&] {
      Value barrier = emptyBarrier(stage);
      if (tiles.pairs)
        barrier = NVVM::MapaOp::create(
            b, LLVM::LLVMPointerType::get(context, 7), barrier, mask(warp, 1));
      NVVM::MBarrierArriveOp::create(b, TypeRange(), barrier, Value(),
                                     NVVM::MemScopeKind::CTA, false);
    });
  };

  Value none = LLVM::UndefOp::create(b, type);
  Tile after;
  // The sums of so many steps along K, behind the ring's state.
  auto share = [&](Value stage, Value parity, Value steps) -> Values {
    wait(fullBarrier(stage), parity);
    Values start = multiply(Values(sums, none), stage, true);
    auto [s, p] = next(stage, parity);
    Values carried{s, p, stage};
    llvm::append_range(carried, start);
    Values end = loop(
        num(1), steps, num(1), carried, [&](Value k, ValueRange v) -> Values {
          wait(fullBarrier(v[0]), v[1]);
          Values sum = multiply(Values(v.drop_front(3)), v[0], false);
          NVVM::WgmmaWaitGroupSyncOp::create(b, 1);
          release(v[2]);
          if (lags())
            when(both(leads, cmp(Predicate::eq, k, lagStep)), [&] {
              NVVM::BarrierArriveOp::create(b, num(kLagBarrier), num(256));
            });
          auto [s, p] = next(v[0], v[1]);
          Values result{s, p, v[0]};
          llvm::append_range(result, sum);
          return result;
        });
    // The next tile is read while the last products are made.
    if (tiles.splits == 1)
      after = readTile(given);
    NVVM::WgmmaWaitGroupSyncOp::create(b, 0);
    release(end[2]);
    end.erase(end.begin() + 2);
    return end;
  };
  Values end;
  if (tiles.splits > 1 && !isShare()) {
    // Shares come one after the other, and add up as those of a cluster do.
    Value zero = LLVM::ZeroOp::create(b, type);
    Values start{stage, parity};
    start.append(sums, zero);
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
    after = readTile(given);
  } else {
    end = share(stage, parity, depth);
  }
  ArrayRef<Value> totals = ArrayRef(end).drop_front(2);
  if (tiles.cluster)
    keep(width, totals);
  else if (tiles.spread)
    leave(width, totals, tile);
  else
    epilogue(width, totals, tile);
  // Blocks with a share have one tile.
  if (isShare())
    after = {num(0), num(0), num(0), num(0)};
  Values result{end[0], end[1], flip(given, num(1)), num(0)};
  llvm::append_range(result, after.values());
  return result;
}
